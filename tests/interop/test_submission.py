"""Submission on 587, 465 and 2525 (as unprivileged ports): real clients with right and wrong passwords, with and without TLS."""
import base64, os, re, smtplib, socket, ssl, subprocess, time

import pytest
from conftest import need
from peers import DovecotPeer, PostfixPeer, EximPeer, EXIM
from postrider_process import free_port, wait_for, without_trace

PASSWORD = "correct horse"
MESSAGE = b"From: ann@example.org\r\nTo: bob@example.org\r\nSubject: submitted\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <s@x>\r\n\r\nhello\r\n"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    folder.chmod(0o755)
    for parent in folder.parents[:3]:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,DNS:mail.example.com,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    (folder / "key.pem").chmod(0o644)
    return folder


class Ports:
    def __init__(self):
        self.smtp, self.submission, self.smtps, self.alternative = (free_port() for _ in range(4))


@pytest.fixture
def submission(make_server, certificate):
    ports = Ports()
    overrides = " -o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject -o syslog_name=postfix/{}\n"
    master = (f"127.0.0.1:{ports.smtp} inet n - n - - smtpd\n"
              f"127.0.0.1:{ports.submission} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n " + overrides.format("submission") +
              f"127.0.0.1:{ports.smtps} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n " + overrides.format("smtps") +
              f"127.0.0.1:{ports.alternative} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n " + overrides.format("alternative"))

    def make(main=None, users=("ann@example.org",)):
        server = make_server(start=False, master=master, main={
            "smtpd_tls_cert_file": certificate / "cert.pem", "smtpd_tls_key_file": certificate / "key.pem",
            "smtpd_tls_security_level": "may", "mynetworks": "192.0.2.0/24", "smtpd_auth_failure_delay_max": "0", **(main or {})})
        server.port = ports.smtp
        server.ports = ports
        server.write_config()
        for user in users:
            server.run("-c", server.config, "user", "add", user, stdin=PASSWORD.encode() + b"\n")
        return server.start()
    return make


def context():
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    return c


def arrives(server, count=1):
    return without_trace(server.wait_messages("bob", count)[-1])


def test_every_port_with_smtplib(submission):
    server = submission()
    for i, port in enumerate((server.ports.submission, server.ports.smtps, server.ports.alternative)):
        client = smtplib.SMTP_SSL("127.0.0.1", port, context=context()) if port == server.ports.smtps else smtplib.SMTP("127.0.0.1", port)
        with client as c:
            if port != server.ports.smtps:
                c.starttls(context=context())
            with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
                c.login("ann@example.org", "wrong")
            assert wrong.value.smtp_code == 535
            c.login("ann@example.org", PASSWORD)
            c.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
        assert arrives(server, i + 1) == MESSAGE.replace(b"\r\n", b"\n")
    server.wait_log(r"postrider/submission/smtpd\[\d+\]: \w+: client=localhost\[127\.0\.0\.1\], sasl_method=(PLAIN|LOGIN), "
                    r"sasl_username=ann@example\.org")
    server.wait_log(r"warning: localhost\[127\.0\.0\.1\]: SASL (PLAIN|LOGIN) authentication failed: wrong password, sasl_username=ann@example\.org")
    log = server.log()
    assert PASSWORD not in log and base64.b64encode(PASSWORD.encode()).decode() not in log
    assert b"with ESMTPSA id" in server.messages("bob")[0]


def test_nothing_without_tls_or_login(submission):
    server = submission()
    with smtplib.SMTP("127.0.0.1", server.ports.submission) as c:
        assert "auth" not in (c.ehlo() and c.esmtp_features)
        assert c.docmd("MAIL FROM:<ann@example.org>") [0] == 530
        assert c.docmd("AUTH PLAIN AGFubgB4")[0] in (530, 538)
        c.starttls(context=context())
        assert "auth" in (c.ehlo() and c.esmtp_features)
        c.mail("ann@example.org")
        code, text = c.rcpt("eve@elsewhere.example")
        assert code == 554 and b"Access denied" in text
    with smtplib.SMTP("127.0.0.1", server.port) as c:
        c.ehlo()
        assert "auth" not in c.esmtp_features
        c.starttls(context=context())
        c.ehlo()
        assert "auth" not in c.esmtp_features
        assert c.docmd("AUTH PLAIN AGFubgB4")[0] == 503


def test_injection_before_the_handshake(submission):
    server = submission()
    with socket.create_connection(("127.0.0.1", server.ports.submission), 10) as raw:
        raw.recv(1000)
        raw.sendall(b"EHLO c\r\n")
        raw.recv(4000)
        raw.sendall(b"STARTTLS\r\nRSET\r\nMAIL FROM:<evil@example.net>\r\n")
        reply = raw.recv(1000)
        # Pipelined behind STARTTLS: the connection ends, or what came in clear is forgotten.
        if reply.startswith(b"220"):
            secure = context().wrap_socket(raw)
            secure.sendall(b"NOOP\r\n")
            assert secure.recv(1000).count(b"\r\n") == 1
        else:
            assert reply.startswith(b"554")


def test_swaks_curl_msmtp_snail(submission, directory, certificate):
    server = submission()
    message = directory / "m.eml"
    message.write_bytes(MESSAGE)
    p = server.ports

    def run(*command, stdin=None):
        return subprocess.run([str(c) for c in command], input=stdin, capture_output=True, timeout=60)

    swaks = [need("swaks"), "--server", "127.0.0.1", "--from", "ann@example.org", "--to", "bob@example.org", "--auth-user", "ann@example.org", "--data", f"@{message}"]
    for extra in (["--port", p.submission, "--tls"], ["--port", p.smtps, "--tls-on-connect"], ["--port", p.alternative, "--tls"]):
        for mechanism in ("PLAIN", "LOGIN"):
            assert run(*swaks, *extra, "--auth", mechanism, "--auth-password", PASSWORD).returncode == 0
            assert run(*swaks, *extra, "--auth", mechanism, "--auth-password", "wrong").returncode == 28
    assert run(*swaks, "--port", p.submission, "--auth", "PLAIN", "--auth-password", PASSWORD).returncode != 0  # no TLS
    server.wait_messages("bob", 6)
    curl = [need("curl"), "-sS", "-k", "--mail-from", "ann@example.org", "--mail-rcpt", "bob@example.org", "-T", message]
    assert run(*curl, "--ssl-reqd", f"smtp://127.0.0.1:{p.submission}", "-u", f"ann@example.org:{PASSWORD}").returncode == 0
    assert run(*curl, f"smtps://127.0.0.1:{p.smtps}", "-u", f"ann@example.org:{PASSWORD}").returncode == 0
    assert run(*curl, f"smtps://127.0.0.1:{p.smtps}", "-u", "ann@example.org:wrong").returncode == 67
    server.wait_messages("bob", 8)
    msmtp = [need("msmtp"), "--host=localhost", f"--port={p.submission}", "--tls=on", f"--tls-trust-file={certificate}/cert.pem", "--from=ann@example.org",
             "--user=ann@example.org"]
    for mechanism in ("plain", "login", "scram-sha-256"):
        got = run(*msmtp, f"--auth={mechanism}", f"--passwordeval=echo '{PASSWORD}'", "bob@example.org", stdin=MESSAGE)
        assert got.returncode == 0, (mechanism, got.stderr)
        assert run(*msmtp, f"--auth={mechanism}", "--passwordeval=echo wrong-one", "bob@example.org", stdin=MESSAGE).returncode != 0
    server.wait_messages("bob", 11)
    snail = [need("s-nail"), "-:/", "-Sv15-compat", "-Stls-verify=ignore", "-Smta=smtp://ann%40example.org:correct%20horse@127.0.0.1:" + str(p.submission),
             "-Ssmtp-use-starttls", "-Ssmtp-auth=plain", "-Sfrom=ann@example.org", "-ssubmitted", "bob@example.org"]
    got = run(*snail, stdin=b"hello\n")
    assert got.returncode == 0, got.stderr
    server.wait_messages("bob", 12)


def test_users_and_app_passwords(submission):
    server = submission()

    def works(user, password):
        with smtplib.SMTP_SSL("127.0.0.1", server.ports.smtps, context=context()) as c:
            try:
                c.login(user, password)
                return True
            except smtplib.SMTPAuthenticationError:
                return False

    user = lambda *words, **kw: server.run("-c", server.config, "user", *words, **kw)  # noqa: E731
    secret = user("app-password", "ann@example.org", "phone").stdout.decode().strip()
    wait_for(lambda: works("ann@example.org", secret), step=0.3)
    assert works("ann@example.org", PASSWORD)
    user("disable", "ann@example.org")
    # Each loop of the server looks at the file for itself, once a second.
    wait_for(lambda: not works("ann@example.org", PASSWORD) and not works("ann@example.org", secret), step=0.3)
    user("enable", "ann@example.org")
    user("passwd", "ann@example.org", stdin=b"another one\n")
    wait_for(lambda: works("ann@example.org", "another one"), step=0.3)
    wait_for(lambda: not works("ann@example.org", PASSWORD), step=0.3)
    assert not works("nobody@example.org", PASSWORD)
    assert user("add", "ann@example.org", stdin=b"whatever else\n", check=False).returncode == 1
    assert user("add", "eve@example.org", stdin=b"\n", check=False).returncode == 1
    assert b"is short" in user("add", "eve@example.org", stdin=b"short\n").stderr
    assert b"ann@example.org  app: phone" in user("list").stdout
    assert (server.directory / "data/users").stat().st_mode & 0o077 == 0


def test_guessing_is_slowed_and_banned(submission):
    server = submission(main={"smtpd_auth_failure_limit": "3", "smtpd_auth_ban_time": "60s"})
    for attempt in range(5):
        with smtplib.SMTP_SSL("127.0.0.1", server.ports.smtps, context=context()) as c:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                c.login("ann@example.org", PASSWORD if attempt == 4 else "wrong")
    server.wait_log("too many failures before")


def test_sender_must_be_ones_own(submission):
    server = submission(users=("ann@example.org", "bob@example.org"), main={
        "smtpd_sender_login_maps": "inline:{ann@example.org=ann@example.org,bob@example.org=bob@example.org}",
        "smtpd_sender_restrictions": "reject_sender_login_mismatch"})
    with smtplib.SMTP_SSL("127.0.0.1", server.ports.smtps, context=context()) as c:
        c.login("ann@example.org", PASSWORD)
        c.mail("bob@example.org")
        code, text = c.rcpt("bob@example.org")
        assert code == 553 and b"not owned by user ann@example.org" in text
        c.rset()
        c.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
    with smtplib.SMTP("127.0.0.1", server.port) as c:
        c.mail("ann@example.org")
        code, text = c.rcpt("bob@example.org")
        assert code == 553 and b"not logged in" in text


def test_missing_fields_are_added(submission):
    server = submission()
    with smtplib.SMTP_SSL("127.0.0.1", server.ports.smtps, context=context()) as c:
        c.login("ann@example.org", PASSWORD)
        c.sendmail("ann@example.org", ["bob@example.org"], b"Subject: bare\r\n\r\nhi\r\n")
    got = server.wait_messages("bob", 1)[0]
    assert re.search(rb"\nDate: \w+, ", got) and re.search(rb"\nMessage-ID: <\S+@mail\.example\.com>\n", got) and b"\nFrom: ann@example.org\n" in got


@pytest.mark.skipif(os.getuid() != 0, reason="Dovecot needs root")
def test_passwords_of_dovecot(submission, directory):
    with DovecotPeer(directory / "dovecot") as dovecot:
        server = submission(main={"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": dovecot.auth_socket}, users=())
        with smtplib.SMTP_SSL("127.0.0.1", server.ports.smtps, context=context()) as c:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                c.login("ann@example.org", "wrong")
            c.login("ann@example.org", "secret")
            c.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
        arrives(server)


@pytest.mark.skipif(os.getuid() != 0, reason="Postfix needs root")
def test_postfix_and_ourselves_as_clients(submission, make_server, directory, certificate):
    """A Postfix, and another Postrider, log in at us as their relay host; a wrong password is named in log and queue."""
    server = submission()
    p = server.ports
    (directory / "sasl").write_text(f"[127.0.0.1]:{p.submission} ann@example.org:{PASSWORD}\n[127.0.0.1]:{p.smtps} ann@example.org:{PASSWORD}\n")
    count = 0
    for port, wrapped in ((p.submission, "no"), (p.smtps, "yes"), ):
        client = make_server(name=f"client{port}", main={
            "myhostname": "client.example.net", "relayhost": f"[127.0.0.1]:{port}", "smtp_sasl_auth_enable": "yes",
            "smtp_sasl_password_maps": f"hash:{directory}/sasl", "smtp_tls_wrappermode": wrapped, "smtp_tls_security_level": "encrypt",
            "virtual_mailbox_domains": ""})
        with client.client() as c:
            c.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
        count += 1
        assert arrives(server, count) == MESSAGE.replace(b"\r\n", b"\n")
    wrong = directory / "wrong"
    wrong.write_text(f"[127.0.0.1]:{p.submission} ann@example.org:not-the-one\n")
    client = make_server(name="wrong-client", main={
        "myhostname": "client.example.net", "relayhost": f"[127.0.0.1]:{p.submission}", "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"hash:{wrong}", "smtp_tls_security_level": "encrypt", "virtual_mailbox_domains": ""})
    with client.client() as c:
        c.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
    client.wait_log(r"status=deferred \(SASL authentication failed; server 127\.0\.0\.1\[127\.0\.0\.1\]:\d+ said: 535 5\.7\.8")
    assert "not-the-one" not in client.log()
    wait_for(lambda: b"SASL authentication failed" in client.run("queue", "list", "-c", client.config).stdout)
    subprocess.run(["postmap", f"texthash:{directory}/sasl"], capture_output=True)
    settings = {"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": f"texthash:{directory}/sasl", "smtp_sasl_security_options": "noanonymous",
                "smtp_sasl_mechanism_filter": "plain, login", "smtp_tls_security_level": "encrypt"}
    with PostfixPeer(directory / "postfix", f"[127.0.0.1]:{p.submission}", settings) as postfix:
        with smtplib.SMTP("127.0.0.1", postfix.port) as c:
            c.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
        try:
            arrives(server, count + 1)
        except AssertionError:
            raise AssertionError(postfix.log() + server.log()[-2000:]) from None


def test_session_verb_logs_in(submission, directory):
    server = submission()
    secret = directory / "secret"
    secret.write_text(PASSWORD + "\n")
    message = directory / "m.eml"
    message.write_bytes(MESSAGE)
    for count, (port, tls, mechanism) in enumerate(((server.ports.submission, "--tls", "PLAIN"), (server.ports.smtps, "--implicit-tls", "SCRAM-SHA-256")), 1):
        got = server.run("session", f"127.0.0.1:{port}", tls, "--user", "ann@example.org", "--password-file", secret, "--auth", mechanism,
                         "--from", "ann@example.org", "--to", "bob@example.org", "--send", message)
        said = got.stdout.decode()
        assert "235 2.7.0" in said and "queued as" in said and PASSWORD not in said and "AHB" not in said
        server.wait_messages("bob", count)
    secret.write_text("wrong\n")
    got = server.run("session", f"127.0.0.1:{server.ports.submission}", "--tls", "--user", "ann@example.org", "--password-file", secret, check=False)
    assert got.returncode == 4 and b"wrong user name or password" in got.stdout


def test_renewed_certificates_are_taken_into_use(submission, certificate, tmp_path):
    import shutil
    folder = tmp_path / "live"
    shutil.copytree(certificate, folder)
    for parent in (folder, *folder.parents[:4]):
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    server = submission(main={"smtpd_tls_cert_file": folder / "cert.pem", "smtpd_tls_key_file": folder / "key.pem", "tls_certificate_check_interval": "1s"})

    def shown():
        with socket.create_connection(("127.0.0.1", server.ports.smtps), 30) as raw, context().wrap_socket(raw) as secure:
            return secure.getpeercert(True)
    before = shown()
    with smtplib.SMTP("127.0.0.1", server.port) as open_meanwhile:
        open_meanwhile.ehlo()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3", "-subj", "/CN=other.example",
                        "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
        (folder / "key.pem").chmod(0o644)
        wait_for(lambda: shown() != before, step=0.3)
        assert open_meanwhile.noop()[0] == 250
    server.wait_log(r"the certificate does not name mail\.example\.com \(it names other\.example\)")
    server.wait_log(r"the certificate expires in [23] days")

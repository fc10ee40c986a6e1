"""Logins: SCRAM and channel binding against gsasl, tokens, PAM, password files, the guard, and that no secret is ever shown."""
import base64, contextlib, http.server, json, os, pathlib, re, smtplib, socket, ssl, subprocess, threading, time, urllib.parse

import pytest
from conftest import need
from peers import DovecotPeer
from postrider_process import wait_for
from test_submission import MESSAGE, PASSWORD, certificate, context, submission  # noqa: F401 (fixtures)

USER = "ann@example.org"


def gsasl(port, mechanism, password, *options, user=USER):
    command = [need("gsasl"), "--client", "--smtp", f"--connect=localhost:{port}", f"--mechanism={mechanism}", f"--authentication-id={user}",
               f"--password={password}", "--verbose", *options]
    got = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return got.returncode == 0, (got.stdout + got.stderr).decode(errors="replace")


def say(client, line):
    code, text = client.docmd(line)
    return code, text.decode()


@contextlib.contextmanager
def encrypted(server):
    client = smtplib.SMTP_SSL("127.0.0.1", server.ports.smtps, context=context(), timeout=30)
    try:
        client.ehlo()
        yield client
    finally:
        client.close()


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("priority", ["NORMAL", "NORMAL:-VERS-TLS1.3"])
def test_scram_with_gsasl(submission, certificate, priority):
    server = submission()
    trust = [f"--x509-ca-file={certificate}/cert.pem", f"--priority={priority}", "--starttls"]
    for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"):
        # A client that can bind and does not must say why: without --no-cb it would say that we do not offer it.
        more = [] if mechanism.endswith("PLUS") else ["--no-cb"]
        worked, said = gsasl(server.ports.submission, mechanism, PASSWORD, *trust, *more)
        assert worked, (mechanism, said, server.log()[-1500:])
        worked, said = gsasl(server.ports.submission, mechanism, "wrong", *trust, *more)
        assert not worked and "535 5.7.8" in said, (mechanism, said)
    for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "PLAIN"):
        server.wait_log(f"SASL {mechanism} authentication failed: wrong password, sasl_username={USER}")
    assert PASSWORD not in server.log()


class Between:
    """Somebody with a certificate of their own between client and server; `edit` changes what the server says."""

    def __init__(self, certificate, port, edit=lambda text: text):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        self.target, self.edit = port, edit
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                raw, _ = self.listener.accept()
                client = self.context.wrap_socket(raw, server_side=True)
                server = context().wrap_socket(socket.create_connection(("127.0.0.1", self.target)))
            except OSError:
                return
            threading.Thread(target=self.copy, args=(client, server, lambda text: text), daemon=True).start()
            threading.Thread(target=self.copy, args=(server, client, self.edit), daemon=True).start()

    @staticmethod
    def copy(source, sink, edit):
        with contextlib.suppress(OSError, ValueError):
            while piece := source.recv(65536):
                sink.sendall(edit(piece))
        with contextlib.suppress(OSError):
            sink.close()

    def close(self):
        self.listener.close()


def test_somebody_in_between_is_found_out(submission, certificate, directory):
    server = submission()
    secret = directory / "secret"
    secret.write_text(PASSWORD)

    def log_in(port, *options):
        return server.run("session", f"localhost:{port}", "--implicit-tls", "--user", USER, "--password-file", secret, *options, check=False)

    assert log_in(server.ports.smtps).returncode == 0
    # The same certificate at both ends: only the exporter of the connection tells them apart.
    middle = Between(certificate, server.ports.smtps)
    got = log_in(middle.port)
    middle.close()
    assert got.returncode == 4 and b"AUTH SCRAM-SHA-256-PLUS" in got.stdout, got.stdout.decode()
    server.wait_log("SASL SCRAM-SHA-256-PLUS authentication failed: the channel bindings differ")
    # Taken out of the offer: the client says that it could have (RFC 5802 §6).
    middle = Between(certificate, server.ports.smtps, lambda text: re.sub(rb" SCRAM-SHA-\d+-PLUS", b"", text))
    got = log_in(middle.port)
    middle.close()
    assert got.returncode == 4 and b"AUTH SCRAM-SHA-256 (secret)" in got.stdout, got.stdout.decode()
    server.wait_log("the client did not see that channel binding is offered: someone is in between")


def test_exchanges_cannot_be_replayed(submission):
    server = submission()
    with encrypted(server) as c:
        nonces = set()
        for _ in range(3):
            code, text = say(c, "AUTH SCRAM-SHA-256 " + b64(f"n,,n={USER},r=abc"))
            assert code == 334
            first = base64.b64decode(text).decode()
            nonces.add(first)
            # What another exchange's client said is worth nothing here.
            assert say(c, b64("c=biws,r=abcOLD,p=" + b64("x" * 32)))[0] == 501
        assert len(nonces) == 3
        assert say(c, "AUTH SCRAM-SHA-256 " + b64(f"n,,m=x,n={USER},r=abc"))[0] == 501
        assert say(c, "AUTH SCRAM-SHA-256 " + b64(f"p=tls-unique,,n={USER},r=abc"))[0] == 535
        assert say(c, "AUTH SCRAM-SHA-256-PLUS " + b64(f"p=tls-invented,,n={USER},r=abc"))[0] == 535
        assert say(c, "AUTH SCRAM-SHA-256-PLUS " + b64(f"n,,n={USER},r=abc"))[0] == 535


def test_unknown_users_look_like_known_ones(submission, make_server):
    server = submission(main={"postrider_network_loops": "3"})

    def first(user):
        with encrypted(server) as c:
            text = base64.b64decode(say(c, "AUTH SCRAM-SHA-256 " + b64(f"n,,n={user},r=abc"))[1]).decode()
        parts = dict(p.split("=", 1) for p in text.split(","))
        return len(base64.b64decode(parts["s"])), parts["i"], parts["s"]
    known = first(USER)
    unknown = [first("eve@example.org") for _ in range(8)]
    assert len(set(unknown)) == 1 and unknown[0][:2] == known[:2] and unknown[0][2] != known[2]
    assert first("EVE@example.org") == unknown[0]
    server.stop()
    server.start()
    assert first("eve@example.org") == unknown[0]  # after a restart too

    def took(user):
        with encrypted(server) as c:
            began = time.monotonic()
            assert say(c, "AUTH PLAIN " + b64(f"\0{user}\0wrong")) == (535, "5.7.8 Error: authentication failed")
            return time.monotonic() - began
    known, unknown = map(min, zip(*[(took(USER), took("eve@example.org")) for _ in range(7)]))  # in turn: the machine has other work, too
    assert known > 0.01 and 0.4 < known / unknown < 2.5, (known, unknown)


def test_password_file_with_every_scheme(submission, directory):
    users = directory / "users"
    made = subprocess.run([need("gsasl"), "--mkpasswd", "--mechanism=SCRAM-SHA-256", f"--password={PASSWORD}", "--iteration-count=4096"],
                          capture_output=True, text=True, check=True).stdout.strip()
    crypt = {name: subprocess.run(["openssl", "passwd", option, PASSWORD], capture_output=True, text=True, check=True).stdout.strip()
             for name, option in (("sha512", "-6"), ("sha256", "-5"))}
    lines = {"scram": made, "sha512": crypt["sha512"], "sha256": "{SHA256-CRYPT}" + crypt["sha256"], "plain": "{PLAIN}" + PASSWORD,
             "absurd": "{ARGON2ID}$argon2id$v=19$m=2147483647,t=9,p=1$c2FsdHNhbHQ$AAAAAAAA", "broken": "{SSHA512}?", "foreign": "{NTLM}abc", "empty": ""}
    users.write_text("".join(f"{name}@example.org:{stored}:::::\n" for name, stored in lines.items()))
    users.chmod(0o644)
    server = submission(main={"smtpd_sasl_type": "passwd-file", "smtpd_sasl_path": users}, users=())
    with encrypted(server) as c:
        assert c.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]  # not all could do SCRAM: nobody is sent into it
    for name in lines:
        with encrypted(server) as c:
            good = say(c, "AUTH PLAIN " + b64(f"\0{name}@example.org\0{PASSWORD}"))[0]
            assert good == (235 if name in ("scram", "sha512", "sha256", "plain") else 535), name
        with encrypted(server) as c:
            assert say(c, "AUTH PLAIN " + b64(f"\0{name}@example.org\0wrong"))[0] == 535, name
    server.wait_log("the password of foreign@example.org is of a scheme this version does not know")
    users.write_text(f"scram@example.org:{made}:::::\nplain@example.org:{{PLAIN}}{PASSWORD}:::::\n")
    server.run("-c", server.config, "reload")
    server.wait_log("configuration loaded")

    def offered():
        with encrypted(server) as c:
            return c.esmtp_features["auth"].split()
    wait_for(lambda: "SCRAM-SHA-256" in offered())
    for user in ("scram@example.org", "plain@example.org"):
        secret = directory / "secret"
        secret.write_text(PASSWORD)
        got = server.run("session", f"localhost:{server.ports.smtps}", "--implicit-tls", "--user", user, "--password-file", secret, "--auth", "SCRAM-SHA-256", check=False)
        assert got.returncode == 0, got.stdout


def test_names_and_domains(submission):
    server = submission(main={"smtpd_sasl_local_domain": "example.org"})
    for name, code in ((USER, 235), ("Ann@Example.ORG", 235), ("ann", 235), ("eve", 535)):
        with encrypted(server) as c:
            assert say(c, "AUTH PLAIN " + b64(f"\0{name}\0{PASSWORD}"))[0] == code, name
    with encrypted(server) as c:
        assert say(c, "AUTH PLAIN " + b64(f"bob@example.org\0{USER}\0{PASSWORD}"))[0] == 535  # as somebody else
        assert say(c, "AUTH PLAIN " + b64(f"{USER}\0ann\0{PASSWORD}"))[0] == 235  # as oneself


# --- tokens ---

def url64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Issuer:
    def __init__(self, folder):
        self.key = folder / "issuer.key"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
        n = bytes.fromhex(modulus.strip().split("=")[1])
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [{"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig", "n": url64(n), "e": "AQAB"}]}))
        self.jwks.chmod(0o644)

    def token(self, header=None, **claims):
        body = {"iss": "https://id.example", "aud": "mail", "exp": int(time.time()) + 300, "scope": "openid smtp", "email": USER, **claims}
        text = ".".join(url64(json.dumps(part).encode()) for part in (header or {"alg": "RS256", "kid": "k1"}, {k: v for k, v in body.items() if v is not None}))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True, capture_output=True).stdout
        return text + "." + url64(signature)


def bearer(mechanism, user, token):
    text = f"n,a={user},\x01host=localhost\x01port=587\x01auth=Bearer {token}\x01\x01" if mechanism == "OAUTHBEARER" else f"user={user}\x01auth=Bearer {token}\x01\x01"
    return f"AUTH {mechanism} " + b64(text)


def test_tokens_signed_by_an_issuer(submission, directory):
    issuer = Issuer(directory)
    server = submission(main={"smtpd_oauth_validator": f"jwks:{issuer.jwks}", "smtpd_oauth_audience": "mail", "smtpd_oauth_issuer": "https://id.example",
                              "smtpd_oauth_scope": "smtp", "smtpd_oauth_metadata_url": "https://id.example/.well-known/openid-configuration"},
                        users=(USER, "bob@example.org"))
    good = issuer.token()
    now = int(time.time())
    with encrypted(server) as c:
        assert c.esmtp_features["auth"].split()[-2:] == ["OAUTHBEARER", "XOAUTH2"]
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        with encrypted(server) as c:
            assert say(c, bearer(mechanism, USER, good)) == (235, "2.7.0 Authentication successful")
            c.sendmail(USER, ["bob@example.org"], MESSAGE)
    wrong = {"expired": issuer.token(exp=now - 120), "audience": issuer.token(aud="web"), "issuer": issuer.token(iss="https://evil.example"),
             "no expiry": issuer.token(exp=None), "none": issuer.token(header={"alg": "none"}), "symmetric": issuer.token(header={"alg": "HS256"}),
             "cut": good[:-8] + "AAAAAAAA", "future": issuer.token(nbf=now + 600), "another": issuer.token(email="bob@example.org"), "nobody": issuer.token(email=None)}
    for name, token in wrong.items():
        with encrypted(server) as c:
            code, text = say(c, bearer("OAUTHBEARER", USER, token))
            assert code == 334, name
            error = json.loads(base64.b64decode(text))
            assert error["status"] == "invalid_token" and error["scope"] == "smtp" and error["openid-configuration"].startswith("https://id.example/"), name
            assert say(c, "AQ==") == (535, "5.7.8 Error: authentication failed"), name
    with encrypted(server) as c:
        code, text = say(c, bearer("XOAUTH2", USER, issuer.token(scope="openid")))
        assert code == 334 and json.loads(base64.b64decode(text))["status"] == "401"
        assert say(c, "")[0] == 535
    server.run("-c", server.config, "user", "disable", USER)
    time.sleep(1.1)
    with encrypted(server) as c:
        assert say(c, bearer("OAUTHBEARER", USER, good))[0] == 334
    server.wait_log("authentication failed: the account is disabled")
    log = server.log()
    for reason in ("the token has expired", "the token is for another audience", "the token is of another issuer", "the JWT's algorithm is not allowed",
                   "the JWT's signature is wrong", "the token is another user's", "the token lacks a scope", "the account is disabled"):
        assert f"authentication failed: {reason}" in log, reason
    for token in (good, *wrong.values()):
        assert token not in log and token.split(".")[2] not in log
    curl = need("curl")
    message = directory / "m.eml"
    message.write_bytes(MESSAGE)
    server.run("-c", server.config, "user", "enable", USER)
    time.sleep(1.1)
    got = subprocess.run([curl, "-sS", "-k", f"smtps://127.0.0.1:{server.ports.smtps}", "--oauth2-bearer", issuer.token(), "-u", USER, "--mail-from", USER,
                          "--mail-rcpt", "bob@example.org", "-T", message], capture_output=True, timeout=60)
    assert got.returncode == 0, got.stderr
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        secret = directory / "token"
        secret.write_text(issuer.token())
        session = ["session", f"localhost:{server.ports.smtps}", "--implicit-tls", "--user", USER, "--password-file", secret, "--auth", mechanism]
        got = server.run(*session)
        assert got.returncode == 0 and secret.read_bytes() not in got.stdout
        secret.write_text(issuer.token(aud="web"))
        got = server.run(*session, check=False)
        assert got.returncode == 4 and b"invalid_token" in got.stdout if mechanism == "OAUTHBEARER" else got.returncode == 4
        assert secret.read_bytes() not in got.stdout
    # A key set without an audience would take tokens made for others.
    server.stop()
    server.settings["smtpd_oauth_audience"] = ""
    server.write_config()
    assert b"smtpd_oauth_audience must name this service" in server.run("-c", server.config, "check", check=False).stderr


class Introspection(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        Introspection.asked.append((self.headers["Authorization"], form))
        token = form["token"][0]
        answer = {"good": {"active": True, "username": USER, "scope": "smtp", "exp": int(time.time()) + 60}, "old": {"active": False},
                  "broken": {"active": "yes"}}.get(token, {"active": False})
        self.send_response(500 if token == "down" else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


def test_tokens_judged_by_introspection(submission, directory):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Introspection) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        secret = directory / "client-secret"
        secret.write_text("hush hush\n")
        secret.chmod(0o600)
        server = submission(main={"smtpd_oauth_validator": f"introspection:http://127.0.0.1:{web.server_port}/introspect", "smtpd_oauth_user_claim": "username",
                                  "smtpd_oauth_client_id": "mail:server", "smtpd_oauth_client_secret_file": secret})
        for token, codes in (("good", (235,)), ("old", (334, 535)), ("broken", (454,)), ("down", (454,))):
            with encrypted(server) as c:
                code = say(c, bearer("OAUTHBEARER", USER, token))[0]
                assert (code, say(c, "AQ==")[0]) == codes if code == 334 else (code,) == codes, token
        authorization, form = Introspection.asked[0]
        assert base64.b64decode(authorization.split()[1]) == b"mail%3Aserver:hush%20hush" and form == {"token": ["good"], "token_type_hint": ["access_token"]}
        web.shutdown()
    server.wait_log("the introspection server answered with status 500")
    assert "hush" not in server.log()
    server.settings["smtpd_oauth_validator"] = "introspection:http://id.example/introspect"
    server.write_config()
    assert b"tokens are not sent in clear" in server.run("-c", server.config, "check", check=False).stderr


# --- PAM ---

@pytest.fixture
def pam_service(directory):
    if os.getuid() != 0:
        pytest.skip("a PAM service is a file in /etc/pam.d")
    name = f"postrider-test-{os.getpid()}"
    script = directory / "pam-judge"
    script.write_text('#!/bin/sh\nread -r password\n[ "$PAM_USER" = slow ] && sleep 30\n[ "$PAM_USER" = ann -a "$password" = "correct horse" -a "$PAM_RHOST" = 127.0.0.1 -a "$PAM_SERVICE" = '
                      + name + " ]\n")
    script.chmod(0o755)
    path = pathlib.Path("/etc/pam.d") / name
    path.write_text(f"auth [success=done default=ignore] pam_exec.so expose_authtok quiet {script}\nauth required pam_deny.so\naccount required pam_permit.so\n")
    yield name
    path.unlink()


def test_passwords_of_pam(submission, pam_service):
    server = submission(main={"smtpd_sasl_type": "pam", "smtpd_sasl_path": pam_service, "smtpd_pam_timeout": "10s", "postrider_network_loops": "1",
                              "smtpd_pam_concurrency_limit": "2"}, users=())
    with encrypted(server) as c:
        assert c.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        assert say(c, "AUTH PLAIN " + b64("\0ann\0wrong"))[0] == 535
        assert say(c, "AUTH PLAIN " + b64("\0bob\0correct horse"))[0] == 535
        assert say(c, "AUTH PLAIN " + b64("\0ann\0" + PASSWORD))[0] == 235
    # A module that hangs holds up nobody else on the loop, and not for ever.
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(encrypted(server)) for _ in range(2)]
        for c in slow:
            c.putcmd("AUTH PLAIN " + b64("\0slow\0x"))
        time.sleep(0.3)
        began = time.monotonic()
        with encrypted(server) as c:
            assert c.noop()[0] == 250
            assert say(c, "AUTH PLAIN " + b64("\0ann\0" + PASSWORD))[0] == 454  # as many as may be asked are under way
        assert time.monotonic() - began < 8
        for c in slow:
            assert c.getreply()[0] == 454
        with encrypted(server) as c:
            assert say(c, "AUTH PLAIN " + b64("\0ann\0" + PASSWORD))[0] == 235
    server.wait_log("PAM is busy with other logins")
    server.wait_log("PAM did not answer in time")
    assert PASSWORD not in server.log()


# --- what is offered ---

def test_security_options_and_where_auth_is_taken(submission):
    server = submission(main={"smtpd_sasl_tls_security_options": "noanonymous, noplaintext", "smtpd_sasl_mechanism_filter": "!scram-sha-1, !scram-sha-1-plus, static:rest"})
    with encrypted(server) as c:
        assert c.esmtp_features["auth"].split() == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
        assert say(c, "AUTH PLAIN " + b64(f"\0{USER}\0{PASSWORD}"))[0] == 504
    with smtplib.SMTP("127.0.0.1", server.ports.submission) as c:
        c.ehlo()
        assert "auth" not in c.esmtp_features
        assert say(c, "MAIL FROM:<ann@example.org>")[0] == 530
        assert say(c, "AUTH SCRAM-SHA-256 " + b64(f"n,,n={USER},r=abc")) == (538, "5.7.11 Encryption required for requested authentication mechanism")
    server.stop()
    for value, said in (("noplaintxt", b"is not one of noanonymous"), ("forward_secrecy", b"leave no mechanism")):
        server.settings["smtpd_sasl_tls_security_options"] = value
        server.write_config()
        got = server.run("-c", server.config, "check", check=False)
        assert got.returncode == 1 and said in got.stderr


def test_check_says_who_cannot_log_in(submission):
    server = submission(main={"smtpd_tls_auth_only": "no"})
    said = server.run("-c", server.config, "check", check=False).stderr.decode()
    assert "only clients on the loopback interface may log in without TLS" not in said  # all services with AUTH demand TLS
    server.settings["smtpd_sasl_auth_enable"] = "yes"
    server.write_config()
    assert "only clients on the loopback interface may log in without TLS" in server.run("-c", server.config, "check", check=False).stderr.decode()
    server.settings["smtpd_tls_security_level"] = "none"
    server.write_config()
    assert "AUTH is offered with TLS only, and this service has none" in server.run("-c", server.config, "check", check=False).stderr.decode()


def test_order_of_auth(submission):
    server = submission()
    plain = "AUTH PLAIN " + b64(f"\0{USER}\0{PASSWORD}")
    with encrypted(server) as c:
        for line, code in (("AUTH", 501), ("AUTH GSSAPI", 504), ("AUTH PLAIN", 334), ("*", 501), ("AUTH PLAIN =", 501), ("AUTH PLAIN ???", 501),
                           ("AUTH LOGIN", 334), (b64(USER), 334), ("*", 501), ("AUTH PLAIN " + "A" * 12000, 501), ("MAIL FROM:<ann@example.org> AUTH=<>", 250),
                           (plain, 503), ("RSET", 250), (plain, 235), (plain, 503), ("MAIL FROM:<ann@example.org> AUTH=ann+40example.org", 250)):
            assert say(c, line)[0] == code, line
    with encrypted(server) as c:
        assert say(c, "AUTH PLAIN")[0] == 334
        c.sock.sendall(b"A" * 20000 + b"\r\n")
        code, text = c.getreply()
        assert (code, text.split()[0]) == (500, b"5.5.6")


def test_nobody_acts_as_another(submission):
    """The authorization identity of PLAIN (RFC 4616 section 2): one's own, or refused."""
    server = submission()
    with encrypted(server) as c:
        for authzid, code in (("bob@example.org", 535), ("root", 535), (USER, 235)):
            assert say(c, "AUTH PLAIN " + b64(f"{authzid}\0{USER}\0{PASSWORD}"))[0] == code, authzid
    with encrypted(server) as c:  # what would end a line of a table, or a field of another program's protocol
        for name in ("ann@example.org\tx=y", "ann@example.org\nuser=bob", "ann@example.org\r", "\x01ann"):
            assert say(c, "AUTH PLAIN " + b64(f"\0{name}\0{PASSWORD}"))[0] in (501, 535), name


# --- the guard ---

def test_fail2ban_sees_the_guesser(submission, directory):
    server = submission(main={"syslog_name": "postfix", "maillog_file": "/dev/stdout"})
    forged = "x: SASL LOGIN authentication failed: a, sasl_username=[192.0.2.66]"
    for user in (USER, "nobody@example.org", forged):
        with encrypted(server) as c:
            assert say(c, "AUTH PLAIN " + b64(f"\0{user}\0wrong"))[0] == 535
    with encrypted(server) as c:
        assert say(c, "AUTH LOGIN")[0] == 334 and say(c, b64(USER))[0] == 334 and say(c, b64("wrong"))[0] == 535
    log = directory / "filtered.log"
    wait_for(lambda: server.log().count("authentication failed: ") >= 4 + 1)  # one of them is forged
    log.write_text(server.log())
    got = subprocess.run([need("fail2ban-regex"), "--print-all-matched", str(log), "/etc/fail2ban/filter.d/postfix.conf[mode=auth]"],
                         capture_output=True, timeout=60).stdout.decode()
    assert re.search(r"Lines: \d+ lines, \d+ ignored, 4 matched", got), got[-2000:] + server.log()[-2000:]
    ours = pathlib.Path(__file__).parents[2] / "packaging/fail2ban/postrider.conf"
    with encrypted(server) as c:
        assert say(c, "AUTH SCRAM-SHA-256 " + b64(f"p=x,,n={USER},r=abc"))[0] == 535
    server.wait_log("SASL SCRAM-SHA-256 authentication failed")
    log.write_text(server.log())
    got = subprocess.run([need("fail2ban-regex"), str(log), str(ours)], capture_output=True, timeout=60).stdout.decode()
    assert re.search(r"Lines: \d+ lines, \d+ ignored, 5 matched", got), got[-2000:]
    assert "192.0.2.66" not in subprocess.run([need("fail2ban-regex"), "-o", "ip", str(log), str(ours)], capture_output=True, timeout=60, text=True).stdout


def test_bans_outlast_a_reload_and_hold_on_every_loop(submission):
    server = submission(main={"smtpd_auth_failure_limit": "3", "smtpd_auth_ban_time": "60s", "postrider_network_loops": "4"})
    for _ in range(3):
        with encrypted(server) as c:
            assert say(c, "AUTH PLAIN " + b64(f"\0{USER}\0wrong"))[0] == 535
    server.run("-c", server.config, "reload")
    server.wait_log("configuration loaded")
    for _ in range(6):
        with encrypted(server) as c:
            assert say(c, "AUTH PLAIN " + b64(f"\0{USER}\0{PASSWORD}"))[0] == 535
    wait_for(lambda: server.log().count("authentication failed: too many failures before") == 6)


# --- secrets ---

def test_no_secret_is_ever_shown(submission, directory, certificate):
    """Everything at the highest log level, in both forms, and what the clients of ours print."""
    issuer = Issuer(directory)
    server = submission(main={"smtpd_tls_loglevel": "4", "postrider_log_json": "yes", "smtpd_oauth_validator": f"jwks:{issuer.jwks}", "smtpd_oauth_audience": "mail",
                              "debug_peer_list": "127.0.0.1", "debug_peer_level": "9"})
    wrong, token = "wrong-and-secret-guess", issuer.token(aud="web")
    secret, output = directory / "secret", b""
    for password in (PASSWORD, wrong):
        secret.write_text(password)
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
            for form in ((), ("--json",)):
                got = server.run("session", f"localhost:{server.ports.smtps}", "--implicit-tls", "--user", USER, "--password-file", secret, "--auth", mechanism, *form, check=False)
                output += got.stdout + got.stderr
        typed = f"EHLO x\nAUTH PLAIN {b64(chr(0) + USER + chr(0) + password)}\nAUTH LOGIN\n{b64(USER)}\n{b64(password)}\nQUIT\n"
        got = server.run("session", f"localhost:{server.ports.smtps}", "--implicit-tls", "--by-hand", stdin=typed.encode(), check=False)
        output += got.stdout + got.stderr
    secret.write_text(token)
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        got = server.run("session", f"localhost:{server.ports.smtps}", "--implicit-tls", "--user", USER, "--password-file", secret, "--auth", mechanism, check=False)
        output += got.stdout + got.stderr
    with encrypted(server) as c:  # broken off, malformed, in the wrong place
        say(c, "AUTH PLAIN " + b64(f"\0{USER}\0{PASSWORD}")[:-1])
        say(c, "AUTH LOGIN")
        say(c, b64(USER))
        say(c, b64(PASSWORD)[:-2])
        say(c, "AUTH PLAIN")
        c.sock.sendall(b64(f"\0{USER}\0{PASSWORD}").encode())  # and the connection breaks
        c.close()
    time.sleep(0.3)
    server.run("-c", server.config, "status", check=False)
    everything = output + server.log().encode()
    assert output.count(b"235 2.7.0") >= 8
    for text in (PASSWORD, wrong, token):
        for form in (text, b64(text), b64(text).rstrip("="), b64(f"\0{USER}\0{text}"), token.split(".")[2]):
            assert form.encode() not in everything, form
    for shift in range(3):  # in the middle of something longer, whatever it begins with
        inner = base64.b64encode(b"x" * shift + PASSWORD.encode())[4:-4]
        assert inner not in everything


# --- TLS ---

def test_half_a_handshake_is_ended(submission):
    server = submission(main={"smtpd_starttls_timeout": "1s"})
    for hello in (b"", b"\x16\x03\x01\x02\x00\x01"):
        with socket.create_connection(("127.0.0.1", server.ports.smtps), 30) as raw:
            raw.sendall(hello)
            began = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while raw.recv(100):
                    pass
            assert 0.5 < time.monotonic() - began < 20
    with socket.create_connection(("127.0.0.1", server.ports.smtps), 10) as raw:  # an octet now and then is not progress
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for octet in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10:
                raw.sendall(bytes([octet]))
                time.sleep(0.1)
        assert time.monotonic() - began < 10
    for garbage in (b"EHLO x\r\n", b"\x00" * 500, b"\x80\x2e\x01\x00\x02" + b"x" * 60):
        with socket.create_connection(("127.0.0.1", server.ports.smtps), 10) as raw:
            raw.sendall(garbage)
            with contextlib.suppress(ConnectionError):
                while raw.recv(1000):
                    pass
    with encrypted(server) as c:
        assert c.noop()[0] == 250


def test_a_relay_host_is_bound_to(submission, make_server, directory):
    """Our own client side takes the bound mechanism, over STARTTLS and with TLS from the start."""
    server = submission()
    count = 0
    for port, wrapped in ((server.ports.submission, "no"), (server.ports.smtps, "yes")):
        (directory / "sasl").write_text(f"[127.0.0.1]:{port} {USER}:{PASSWORD}\n")
        client = make_server(name=f"client{port}", main={
            "myhostname": "client.example.net", "relayhost": f"[127.0.0.1]:{port}", "smtp_sasl_auth_enable": "yes", "smtp_tls_wrappermode": wrapped,
            "smtp_sasl_password_maps": f"hash:{directory}/sasl", "smtp_tls_security_level": "encrypt", "virtual_mailbox_domains": ""})
        with client.client() as c:
            c.sendmail(USER, ["bob@example.org"], MESSAGE)
        count += 1
        server.wait_messages("bob", count)
    wait_for(lambda: server.log().count("sasl_method=SCRAM-SHA-256-PLUS") == count)


@pytest.mark.skipif(os.getuid() != 0, reason="Dovecot needs root")
def test_many_logins_at_once_by_dovecot(submission, directory):
    with DovecotPeer(directory / "dovecot") as dovecot:
        server = submission(main={"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": dovecot.auth_socket, "smtpd_client_connection_count_limit": "100"}, users=())
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(encrypted(server)) for _ in range(20)]
            for number, c in enumerate(clients):
                c.putcmd("AUTH PLAIN " + b64(f"\0{USER}\0{'secret' if number % 4 else 'wrong'}"))
            assert [c.getreply()[0] for c in clients] == [235 if number % 4 else 535 for number in range(20)], server.log()[-2000:]

"""Every client, with the right and a wrong password, with and without TLS, on 587, 465 and 2525: the message arrives, or nothing does."""
import concurrent.futures, os, re, signal, smtplib, ssl, subprocess

import pytest
from conftest import need
from peers import EXIM, EximPeer, PostfixPeer
from postrider_process import wait_for
from test_submission import PASSWORD, certificate, context, submission  # noqa: F401  (fixtures)

USER = "ann@example.org"
PATIENCE = 30  # seconds for a client
HANDSHAKE = "10s"  # a client that speaks clear text to a port that speaks TLS: both wait for the other


class Case:
    def __init__(self, port_name, tls, right):
        self.port_name, self.tls, self.right = port_name, tls, right
        self.name = f"{port_name}-{'tls' if tls else 'clear'}-{'right' if right else 'wrong'}"
        self.password = PASSWORD if right else "not-the-one"
        self.implicit = port_name == "smtps"
        self.good = tls and right

    def message(self, client):
        return (f"From: {USER}\r\nTo: bob@example.org\r\nSubject: {client} {self.name}\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
                f"Message-ID: <{client}.{self.name}@client.example>\r\n\r\nhello\r\n").encode()


CASES = [Case(port, tls, right) for port in ("submission", "smtps", "alternative") for tls, right in ((True, True), (True, False), (False, True))]


class Bench:
    """What a client needs: the server, a folder, the certificate."""

    def __init__(self, server, directory, certificate):
        self.server, self.directory, self.certificate = server, directory, certificate

    def port(self, case):
        return getattr(self.server.ports, case.port_name)

    def run(self, *command, stdin=None, env=None):
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True)
        try:
            process.communicate(stdin, timeout=PATIENCE + 2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with what it started itself
            process.wait()
            return False
        return process.returncode == 0


def swaks(bench, case):
    tls = [] if not case.tls else ["--tls-on-connect"] if case.implicit else ["--tls"]
    message = bench.directory / f"swaks-{case.name}"
    message.write_bytes(case.message("swaks"))
    return bench.run(need("swaks"), "--server", "127.0.0.1", "--port", bench.port(case), *tls, "--timeout", PATIENCE, "--from", USER, "--to", "bob@example.org",
                     "--auth", "PLAIN", "--auth-user", USER, "--auth-password", case.password, "--data", f"@{message}")


def curl(bench, case):
    scheme = "smtps" if case.tls and case.implicit else "smtp"
    message = bench.directory / f"curl-{case.name}"
    message.write_bytes(case.message("curl"))
    return bench.run(need("curl"), "-sS", "-k", "--max-time", PATIENCE, *(["--ssl-reqd"] if case.tls else []), f"{scheme}://127.0.0.1:{bench.port(case)}",
                     "-u", f"{USER}:{case.password}", "--mail-from", USER, "--mail-rcpt", "bob@example.org", "-T", message)


def msmtp(bench, case):
    tls = ["--tls=on", f"--tls-starttls={'off' if case.implicit else 'on'}", f"--tls-trust-file={bench.certificate}/cert.pem"] if case.tls else ["--tls=off"]
    return bench.run(need("msmtp"), "--host=localhost", f"--port={bench.port(case)}", f"--timeout={PATIENCE}", *tls, "--auth=plain", f"--user={USER}",
                     f"--passwordeval=echo '{case.password}'", f"--from={USER}", "bob@example.org", stdin=case.message("msmtp"))


def snail(bench, case):
    scheme = "smtps" if case.tls and case.implicit else "smtp"
    url = f"{scheme}://{USER.replace('@', '%40')}:{case.password.replace(' ', '%20')}@127.0.0.1:{bench.port(case)}"
    return bench.run(need("s-nail"), "-:/", "-Sv15-compat", "-Stls-verify=ignore", f"-Smta={url}", *(["-Ssmtp-use-starttls"] if scheme == "smtp" and case.tls else []),
                     "-Ssmtp-auth=plain", f"-Sfrom={USER}", f"-ssnail {case.name}", "bob@example.org", stdin=b"hello\n")


def mutt(bench, case):
    scheme = "smtps" if case.tls and case.implicit else "smtp"
    home = bench.directory / f"mutt-{case.name}"
    home.mkdir()
    # The whole address stands in from=, the user name with %40.
    (home / "muttrc").write_text(f"""set from={USER} use_from=yes envelope_from=yes use_envelope_from=yes copy=no record=""
set smtp_url="{scheme}://{USER.replace('@', '%40')}@localhost:{bench.port(case)}" smtp_pass="{case.password}" smtp_authenticators=plain
set ssl_starttls={'yes' if case.tls else 'no'} ssl_force_tls={'yes' if case.tls else 'no'} certificate_file={bench.certificate}/cert.pem ssl_ca_certificates_file=""
set connect_timeout={PATIENCE}
""")
    return bench.run(need("mutt"), "-n", "-F", home / "muttrc", "-s", f"mutt {case.name}", "bob@example.org", stdin=b"hello\n", env=dict(os.environ, HOME=str(home)))


def python(bench, case):
    try:
        if case.tls and case.implicit:
            client = smtplib.SMTP_SSL("127.0.0.1", bench.port(case), timeout=PATIENCE, context=context())
        else:
            client = smtplib.SMTP("127.0.0.1", bench.port(case), timeout=PATIENCE)
        with client:
            if case.tls and not case.implicit:
                client.starttls(context=context())
            client.login(USER, case.password)
            client.sendmail(USER, ["bob@example.org"], case.message("python"))
        return True
    except (smtplib.SMTPException, OSError, ssl.SSLError):
        return False


def subjects(server):
    return [re.search(rb"^Subject: (.*)$", m, re.M).group(1).decode() for m in server.messages("bob")]


def nothing_of_the_others(server, client):
    """What was to arrive did, once; nothing else; no password is in the log."""
    wanted = sorted(f"{client} {case.name}" for case in CASES if case.good)
    wait_for(lambda: len(subjects(server)) >= len(wanted))
    assert sorted(subjects(server)) == wanted
    assert PASSWORD not in server.log() and "not-the-one" not in server.log()


@pytest.mark.parametrize("client", (swaks, curl, msmtp, snail, mutt, python), ids=lambda c: c.__name__)
def test_programs(submission, directory, certificate, client):  # noqa: F811
    bench = Bench(submission(main={"smtpd_client_connection_count_limit": "0", "smtpd_starttls_timeout": HANDSHAKE}), directory, certificate)
    with concurrent.futures.ThreadPoolExecutor(len(CASES)) as pool:
        went = dict(zip((case.name for case in CASES), pool.map(lambda case: client(bench, case), CASES)))
    assert went == {case.name: case.good for case in CASES}, bench.server.log()[-3000:]
    nothing_of_the_others(bench.server, client.__name__)


def inject(port, client, cases=CASES):
    """One message for each case into a mail server that is to relay it: the sender names the case."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as c:
        for case in cases:
            c.sendmail(f"{case.name}@client.example", ["bob@example.org"], case.message(client))


@pytest.mark.skipif(os.getuid() != 0, reason="Postfix needs root")
def test_postfix(submission, directory, certificate):  # noqa: F811
    server = submission(main={"smtpd_starttls_timeout": HANDSHAKE})
    bench = Bench(server, directory, certificate)
    lines = {"passwords": "", "transports": ""}
    clones = ""
    for case in CASES:
        lines["passwords"] += f"{case.name}@client.example {USER}:{case.password}\n"
        lines["transports"] += f"{case.name}@client.example {case.name}:[127.0.0.1]:{bench.port(case)}\n"
        level = "none" if not case.tls else "encrypt"
        clones += (f"{case.name} unix - - n - - smtp -o smtp_tls_security_level={level} -o smtp_tls_wrappermode={'yes' if case.tls and case.implicit else 'no'}\n"
                   f"  -o smtp_connect_timeout={PATIENCE} -o smtp_helo_timeout={PATIENCE}\n")
    for name, text in lines.items():
        (directory / name).write_text(text)
    peer = PostfixPeer(directory / "postfix", "", {
        "sender_dependent_default_transport_maps": f"texthash:{directory}/transports", "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"texthash:{directory}/passwords", "smtp_sender_dependent_authentication": "yes", "smtp_sasl_security_options": "noanonymous",
        "smtp_sasl_mechanism_filter": "plain"})
    with open(directory / "postfix/etc/master.cf", "a") as master:
        master.write(clones)
    with peer:
        inject(peer.port, "postfix")

        def status(case):
            found = re.search(rf"postfix/qmgr\[\d+\]: (\w+): from=<{case.name}@", peer.log())
            return found and re.search(rf": {found.group(1)}: to=<bob@example.org>.* status=(\w+)", peer.log())
        for case in CASES:
            assert (wait_for(lambda: status(case), 30).group(1) == "sent") == case.good, (case.name, peer.log())  # noqa: B023
    nothing_of_the_others(server, "postfix")


@pytest.mark.skipif(os.getuid() != 0 or not EXIM.exists(), reason="Exim needs root and tools/bootstrap test")
def test_exim(submission, directory, certificate):  # noqa: F811
    server = submission(main={"smtpd_starttls_timeout": HANDSHAKE})
    bench = Bench(server, directory, certificate)
    peer = EximPeer(directory / "exim", 0)
    path = directory / "exim/etc/exim4.conf"
    start = path.read_text().split("begin routers")[0]
    routers = transports = ""
    for case in CASES:
        driver = case.name.replace("-", "_")
        routers += f"{driver}:\n  driver = manualroute\n  senders = {case.name}@client.example\n  transport = {driver}\n  route_list = * 127.0.0.1\n  self = send\n"
        transports += (f"{driver}:\n  driver = smtp\n  port = {bench.port(case)}\n  allow_localhost\n  hosts_require_auth = *\n  hosts_try_chunking =\n"
                       f"  connect_timeout = {PATIENCE}s\n  command_timeout = {PATIENCE}s\n  tls_verify_certificates = {certificate}/cert.pem\n  tls_try_verify_hosts =\n"
                       + ("  protocol = smtps\n" if case.tls and case.implicit else "") + ("  hosts_require_tls = *\n" if case.tls else "  hosts_avoid_tls = *\n"))
    secret = f"${{if match{{$sender_address}}{{-wrong@}}{{not-the-one}}{{{PASSWORD}}}}}"
    path.write_text(f"{start}begin routers\n{routers}begin transports\n{transports}begin retry\n*  *  F,1h,30m\n"
                    f"begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  client_send = ^{USER}^{secret}\n")
    with peer:
        def log():
            return (directory / "exim/log/main.log").read_text(errors="replace")

        def judged(case):
            found = re.search(rf"(\S+) <= {case.name}@", log())
            return found and re.search(rf"{found.group(1)} (=>|==|\*\*) ", log())
        # The good ones first: after a failure Exim leaves a port alone for a while, whoever sends.
        for cases in ([c for c in CASES if c.good], [c for c in CASES if not c.good]):
            inject(peer.port, "exim", cases)
            for case in cases:
                assert (wait_for(lambda: judged(case), PATIENCE + 30).group(1) == "=>") == case.good, (case.name, log())  # noqa: B023
    nothing_of_the_others(server, "exim")

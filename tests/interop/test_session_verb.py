"""postrider session: exit statuses, certificates, typed commands, JSON, against our own server and hostile ones."""
import base64, contextlib, json, socket, subprocess, threading

import pytest
from test_submission import MESSAGE, PASSWORD, certificate, context, submission  # noqa: F401 (fixtures)

USER = "ann@example.org"


def session(server, port, *options, stdin=None, host="localhost"):
    return server.run("session", f"{host}:{port}", *options, stdin=stdin, check=False)


@pytest.fixture
def secret(directory):
    path = directory / "secret"
    path.write_text(PASSWORD + "\n")
    return path


class Scripted:
    """A server that answers each line with the next reply; a callable is done with the connection."""

    def __init__(self, *replies):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.replies = replies
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        raw, _ = self.listener.accept()
        with contextlib.suppress(OSError), raw, raw.makefile("rwb") as f:
            for reply in self.replies:
                f.write(reply)
                f.flush()
                if not f.readline():
                    return


def test_exit_statuses(submission, secret, directory, certificate):
    server = submission(main={"smtpd_recipient_restrictions": "check_recipient_access inline:{{later@example.org=450 later},{never@example.org=550 never}}, permit"})
    p = server.ports
    login = ["--user", USER, "--password-file", secret]
    assert session(server, p.submission, "--tls", *login, "--from", USER, "--to", "bob@example.org", "--text", "hello\nthere").returncode == 0
    got = server.wait_messages("bob", 1)[0]
    assert b"\nhello\nthere\n" in got and b"\nTo: bob@example.org\n" in got and b"\nMessage-ID: <" in got
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert session(server, unused.getsockname()[1]).returncode == 2
    assert session(server, p.smtp, "--tls", "--verify").returncode == 3  # signed by itself
    assert session(server, p.smtp, "--tls", "--verify", "--ca-file", certificate / "cert.pem").returncode == 0
    assert session(server, p.smtp, "--tls", "--verify", "--ca-file", certificate / "cert.pem", host="127.0.0.2").returncode in (2, 3)
    secret.write_text("wrong\n")
    got = session(server, p.submission, "--tls", *login)
    assert got.returncode == 4 and b"wrong user name or password" in got.stdout and b"QUIT" in got.stdout
    assert session(server, p.submission, *login).returncode == 4  # no AUTH without TLS
    to = lambda *people: [w for one in people for w in ("--to", one)]  # noqa: E731
    sender = ["--from", "x@elsewhere.example"]
    assert session(server, p.smtp, *sender, *to("bob@example.org", "later@example.org")).returncode == 5
    got = session(server, p.smtp, *sender, *to("later@example.org", "never@example.org", "bob@example.org"))
    assert got.returncode == 6 and b"refused for now" not in got.stdout.split(b"550")[0].split(b"450")[0]
    for words in (["--send"], ["--from", "a\r\nb"], ["--timeout", "x"], ["--nonsense"], ["--send", secret], ["--send", "/nonexistent", "--to", "a@b"]):
        assert session(server, p.smtp, *words).returncode == 64, words
    assert server.run("session", check=False).returncode == 64
    helped = server.run("session", "--help", check=False)
    assert b"Exit status: 0 all accepted; 2 no connection" in helped.stdout + helped.stderr


def test_what_is_shown(submission, secret, certificate):
    server = submission()
    got = session(server, server.ports.submission, "--tls").stdout.decode()
    assert "TLS: TLSv1.3 with TLS_" in got and "certificate: localhost, mail.example.com" in got and "issued by CN=localhost, good from 20" in got
    assert "it does not verify: self-signed certificate" in got and "220 after 0." in got and "250 after 0." in got
    assert "it verifies" in session(server, server.ports.submission, "--tls", "--ca-file", certificate / "cert.pem").stdout.decode()
    old = session(server, server.ports.submission, "--tls", "--tls-protocols", "TLSv1.2").stdout.decode()
    assert "TLS: TLSv1.2 with ECDHE" in old
    got = session(server, server.ports.smtps, "--implicit-tls", "--json", "--user", USER, "--password-file", secret, "--from", USER, "--to", "bob@example.org",
                  "--to", "carl@example.org", "--text", "x")
    data = json.loads(got.stdout)
    assert data["tls"]["protocol"] == "TLSv1.3" and data["tls"]["verified"] is False and "localhost" in data["tls"]["certificate"]["names"]
    assert data["auth"] == {"mechanism": "SCRAM-SHA-256-PLUS", "accepted": True} and data["exit"] == got.returncode
    assert [one["address"] for one in data["recipients"]] == ["bob@example.org", "carl@example.org"]
    replies = [one for one in data["dialogue"] if "code" in one]
    assert replies[0]["code"] == 220 and all(one["took"] >= 0 and one["meaning"] for one in replies)
    assert session(server, server.ports.smtps, "--implicit-tls", "--quiet").stdout == b""
    refused = session(server, server.port, "--from", "x@y.example", "--to", "eve@elsewhere.example").stdout.decode()
    assert ".7.1: not allowed: log in first, or the server does not relay for you" in refused


def test_typed_commands(submission, secret):
    server = submission(main={"mynetworks": "127.0.0.0/8"})
    plain = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    user, password = (base64.b64encode(text.encode()).decode() for text in (USER, PASSWORD))
    typed = f"EHLO typist\nSTARTTLS\nEHLO typist\nAUTH LOGIN\n{user}\n{password}\nMAIL FROM:<{USER}>\nRCPT TO:<bob@example.org>\nDATA\nSubject: typed\n\n..dot\n.\nQUIT\nNOOP\n"
    got = session(server, server.ports.submission, "--by-hand", stdin=typed.encode())
    said = got.stdout.decode()
    assert got.returncode == 0 and "TLS: TLSv1.3" in said and "queued as" in said and "> NOOP" not in said, said
    assert password not in said and said.count("(secret)") == 2
    assert b"\n.dot\n" in server.wait_messages("bob", 1)[0]
    got = session(server, server.ports.submission, "--by-hand", stdin=f"EHLO x\nAUTH PLAIN {plain}\n".encode())  # ends without QUIT
    assert got.returncode == 6 and plain.encode() not in got.stdout and b"538 5.7.11" in got.stdout and b"> QUIT" in got.stdout


def test_hostile_servers(server, secret):
    def against(*replies, options=("--timeout", "20")):
        play = Scripted(*replies)
        return session(server, play.port, *options)
    assert against(b"", options=("--timeout", "2")).returncode == 2
    assert against(b"220 " + b"x" * 100000).returncode == 2
    assert against(b"220-x\r\n" * 20000).returncode == 2
    assert against(b"hello\r\n").returncode == 2
    assert against(b"100 continue\r\n").returncode == 2
    assert against(b"421 4.3.2 no\r\n").returncode == 5
    assert against(b"220 x\r\n", b"500 no\r\n").returncode == 6
    tls = ("--tls", "--timeout", "20")
    got = against(b"220 x\r\n", b"250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n", options=tls)  # in clear, behind the reply
    assert got.returncode == 3 and b"it would be taken as encrypted" in got.stdout
    assert against(b"220 x\r\n", b"250 STARTTLS\r\n", b"454 4.7.0 no\r\n", options=tls).returncode == 3
    assert against(b"220 x\r\n", b"250 x\r\n", b"220 go\r\n", options=tls).returncode == 3
    login = ("--user", USER, "--password-file", secret, "--timeout", "20")
    ehlo = b"250-x\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n"
    got = against(b"220 x\r\n", ehlo, b"334 " + base64.b64encode(b"r=evil,s=c2FsdA==,i=1") + b"\r\n", b"501 cancelled\r\n", b"221 bye\r\n", options=login)
    assert got.returncode == 4 and b"malformed or too weak" in got.stdout
    got = against(b"220 x\r\n", ehlo, b"235 fine\r\n", options=login)  # without having proved anything
    assert got.returncode == 4 and b"did not prove that it knows the password" in got.stdout
    # An error that repeats what we said shows nothing.
    said = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
    got = against(b"220 x\r\n", ehlo, b"535 no: AUTH PLAIN " + said + b" " + PASSWORD.encode() + b"\r\n", b"221 bye\r\n", options=(*login, "--auth", "PLAIN"))
    assert got.returncode == 4 and said not in got.stdout and PASSWORD.encode() not in got.stdout and b"(secret)" in got.stdout
    got = against(b"220 x\r\n", ehlo, b"334 " + base64.b64encode(b"<1.2@x>") + b"\r\n", b"235 yes\r\n", b"221 bye\r\n", options=(*login, "--auth", "CRAM-MD5"))
    assert got.returncode == 0


def test_port_465_is_tls_from_the_start():
    import pathlib
    from postrider_process import BINARY
    assert pathlib.Path(BINARY).exists()
    try:
        listener = socket.create_server(("127.0.0.1", 465))
    except OSError:
        pytest.skip("port 465 is not free")
    first = []

    def run():
        raw, _ = listener.accept()
        with raw:
            first.append(raw.recv(3))
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    got = subprocess.run([str(BINARY), "session", "127.0.0.1:465", "--timeout", "20"], capture_output=True, timeout=30)
    listener.close()
    thread.join(5)
    assert got.returncode == 3 and first and first[0][:1] == b"\x16"  # a handshake, not a wait for a greeting


def test_user_verb(submission, directory):
    server = submission()
    users = server.directory / "data/users"
    user = lambda *words, **kw: server.run("-c", server.config, "user", *words, **kw)  # noqa: E731
    assert users.stat().st_mode & 0o777 == 0o600
    before = users.read_text()
    assert "scram-sha-256=32768," in before and "scram-sha-1=32768," in before and PASSWORD not in before
    made = json.loads(user("app-password", USER, "phone", "--json").stdout)
    assert made["name"] == USER and made["label"] == "phone" and len(made["password"]) > 20
    assert json.loads(user("list", "--json").stdout) == [{"name": USER, "disabled": False, "scram": True, "app_passwords": ["phone"]}]
    assert user("revoke", USER, "tablet", check=False).returncode == 1
    user("revoke", USER, "phone")
    assert b"phone" not in user("list").stdout
    # Many at once: each change is there.
    starts = [subprocess.Popen([str(a) for a in (server_binary(), "-c", server.config, "user", "add", f"u{i}@example.org")], stdin=subprocess.PIPE) for i in range(8)]
    for process in starts:
        process.stdin.write(b"correct horse battery\n")
        process.stdin.close()
    assert all(process.wait(60) == 0 for process in starts)
    assert len(user("list").stdout.splitlines()) == 9
    user("delete", "u0@example.org")
    assert user("passwd", "u0@example.org", stdin=b"xxxxxxxxxxxx\n", check=False).returncode == 1
    for name in ("a b", "a:b", "", "#x", "a\x01b", "\u212b"):  # the last has a simpler form: Å
        assert user("add", name, stdin=b"correct horse battery\n", check=False).returncode in (1, 64), name
    assert user("add", "v@example.org", stdin=b"a\x01bcdefghijk\n", check=False).returncode == 1
    users.write_text("broken line without end : x\n")
    assert user("add", "w@example.org", stdin=b"correct horse battery\n", check=False).returncode == 1
    assert users.read_text() == "broken line without end : x\n"


def server_binary():
    from postrider_process import BINARY
    return BINARY


def test_password_is_asked_for_twice_on_a_terminal(submission):
    import os, pty, select, signal, time
    server = submission()

    def at_terminal(*lines):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(str(server_binary()), [str(server_binary()), "-c", str(server.config), "user", "passwd", USER])
        said = b""
        for line in lines:
            end = time.monotonic() + 30
            while not said.rstrip().endswith(b":") and time.monotonic() < end:
                if select.select([terminal], [], [], 0.2)[0]:
                    said += os.read(terminal, 1000)
            os.write(terminal, line + b"\n")
            said += b"(answered)\n"  # what is typed before the next question is thrown away
        end = time.monotonic() + 30
        try:
            while time.monotonic() < end:
                if select.select([terminal], [], [], 0.2)[0]:
                    said += os.read(terminal, 1000)
        except OSError:  # the program has ended
            pass
        else:
            os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said
    status, said = at_terminal(b"first long password", b"another password")
    assert status == 1 and b"the two passwords differ" in said
    status, said = at_terminal(b"first long password", b"first long password")
    assert status == 0 and b"first long" not in said  # nothing is echoed

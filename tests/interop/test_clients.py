"""Messages from real clients and servers arrive byte-identical, apart from trace fields."""
import os, pathlib, re, subprocess

import pytest
from conftest import need
from peers import EXIM, EximPeer, PostfixPeer, DovecotPeer
from postrider_process import wait_for, without_trace

BODY = b"First line\r\n.a dot\r\n..two dots\r\n\r\n   spaces kept   \r\ntab\there\r\n" + "grüße\r\n".encode() + b"x" * 900 + b"\r\n\r\n\r\nlast\r\n"
HEADER = (b"From: Ann Example <ann@example.net>\r\nTo: Bob <bob@example.org>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
          b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <interop@example.net>\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nX-Folded: one\r\n\ttwo\r\n three\r\n")
MESSAGE = HEADER + b"\r\n" + BODY


def run(*command, stdin=None):
    result = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, timeout=60)
    assert result.returncode == 0, (command, result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace"))
    return result


def arrived(server, user="bob"):
    return without_trace(server.wait_messages(user, 1)[0])


@pytest.fixture
def message_file(directory):
    path = directory / "message.eml"
    path.write_bytes(MESSAGE)
    return path


def test_swaks(server, message_file):
    run(need("swaks"), "--server", "127.0.0.1", "--port", server.port, "--from", "ann@example.net", "--to", "bob@example.org", "--data", f"@{message_file}")
    # swaks reads its --data with the line ends it finds and ends it with a CRLF of its own.
    assert arrived(server).rstrip(b"\n") == MESSAGE.replace(b"\r\n", b"\n").rstrip(b"\n")


def test_curl(server, message_file):
    run(need("curl"), "-sS", f"smtp://127.0.0.1:{server.port}/client.example.net", "--mail-from", "ann@example.net", "--mail-rcpt", "bob@example.org", "-T", message_file)
    assert arrived(server) == MESSAGE.replace(b"\r\n", b"\n")


def test_smtplib(server):
    with server.client() as c:
        c.sendmail("ann@example.net", ["bob@example.org"], MESSAGE, mail_options=["BODY=8BITMIME"])
    assert arrived(server) == MESSAGE.replace(b"\r\n", b"\n")


def test_msmtp(server):
    run(need("msmtp"), "--host=127.0.0.1", f"--port={server.port}", "--from=ann@example.net", "--auth=off", "--tls=off", "bob@example.org",
        stdin=MESSAGE.replace(b"\r\n", b"\n"))
    assert arrived(server) == MESSAGE.replace(b"\r\n", b"\n")


def test_smtp_source(server):
    run(need("smtp-source"), "-s", "5", "-m", "40", "-l", "3000", "-f", "ann@example.net", "-t", "bob@example.org", f"127.0.0.1:{server.port}")
    messages = server.wait_messages("bob", 40)
    bodies = {without_trace(m).split(b"\n\n", 1)[1] for m in messages}
    assert len(messages) == 40 and len(bodies) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="Postfix needs root")
def test_from_postfix(server, directory):
    with PostfixPeer(directory / "postfix", f"[127.0.0.1]:{server.port}") as postfix:
        import smtplib
        with smtplib.SMTP("127.0.0.1", postfix.port) as c:
            c.sendmail("ann@example.net", ["bob@example.org"], MESSAGE, mail_options=["BODY=8BITMIME"])
        try:
            assert arrived(server) == MESSAGE.replace(b"\r\n", b"\n")
        except AssertionError:
            print(postfix.log())
            raise


@pytest.mark.skipif(os.getuid() != 0 or not EXIM.exists(), reason="Exim needs root and tools/bootstrap test")
def test_from_exim(server, directory):
    with EximPeer(directory / "exim", server.port) as exim:
        import smtplib
        with smtplib.SMTP("127.0.0.1", exim.port) as c:
            c.sendmail("ann@example.net", ["bob@example.org"], MESSAGE, mail_options=["BODY=8BITMIME"])
        assert arrived(server) == MESSAGE.replace(b"\r\n", b"\n")


@pytest.mark.skipif(os.getuid() != 0, reason="Dovecot needs root")
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_lmtp_to_dovecot(make_server, directory, kind):
    with DovecotPeer(directory / "dovecot") as dovecot:
        hop = f"lmtp:unix:{dovecot.lmtp_socket}" if kind == "unix" else f"lmtp:inet:127.0.0.1:{dovecot.lmtp_port}"
        server = make_server(main={"virtual_transport": hop})
        with server.client() as c:
            c.sendmail("ann@example.net", ["bob@example.org", "ann@example.org"], MESSAGE, mail_options=["BODY=8BITMIME"])
        for user in ("bob@example.org", "ann@example.org"):
            got = without_trace(dovecot.fetch(user, 1)[0].replace(b"\r\n", b"\n"))
            assert got == MESSAGE.replace(b"\r\n", b"\n")
        server.wait_log(r"postrider/lmtp\[\d+\]: \w+: to=<bob@example\.org>, relay=\S+, .*status=sent \(250 2\.0\.0")

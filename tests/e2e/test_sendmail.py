"""sendmail(1) as programs call it, also while the server is down, and the other local tools."""
import os, pwd, re, subprocess

import pytest
from postrider_process import BINARY, wait_for, without_trace


def tool(server, name, *arguments, stdin=b"", user=None):
    """Runs a Postfix program name by symbolic link, as another user when asked."""
    link = server.directory / name
    if not link.exists():
        link.symlink_to(BINARY)
    demote = (lambda: (os.setgid(pwd.getpwnam(user).pw_gid), os.setuid(pwd.getpwnam(user).pw_uid))) if user else None
    return subprocess.run([str(link), *map(str, arguments)], input=stdin, capture_output=True, timeout=30,
                          env={"MAIL_CONFIG": str(server.config), "PATH": "/usr/bin:/bin"}, preexec_fn=demote)


def test_plain(server):
    done = tool(server, "sendmail", "-f", "ann@example.net", "bob@example.org", stdin=b"Subject: hello\n\n.hidden dot\nlast\n.\nnot this\n")
    assert done.returncode == 0, done.stderr
    message = server.wait_messages("bob", 1)[0].decode()
    assert message.startswith("Return-Path: <ann@example.net>\n")
    for field in ("<ann@example.net>\nSubject: hello", "Date: ", "Message-ID: <", f"from userid {os.getuid()})\n"):
        assert field in message, message
    assert message.endswith("\n\n.hidden dot\nlast\n")
    server.wait_log(rf"postrider/pickup\[\d+\]: \w+: uid={os.getuid()} from=<ann@example\.net>")


def test_recipients_from_the_header(make_server):
    server = make_server(users=("ann", "bob", "secret"))
    text = b"From: a@example.net\nTo: Bob Example <bob@example.org>,\n \"Ann, the first\" <ann@example.org> (comment)\nBcc: secret@example.org\nSubject: t\n\nbody\n"
    assert tool(server, "sendmail", "-t", "-i", stdin=text).returncode == 0
    for user in ("ann", "bob", "secret"):
        assert b"secret@" not in server.wait_messages(user, 1)[0].split(b"\nFrom: ", 1)[1]


def test_fields_that_are_dropped(server):
    text = b"Return-Path: <forged@example.net>\nContent-Length: 9\nSubject: t\nX: y\n\nReturn-Path: stays\n"
    assert tool(server, "sendmail", "-i", "-f", "ann@example.net", "bob@example.org", stdin=text).returncode == 0
    got = server.wait_messages("bob", 1)[0]
    assert got.count(b"Return-Path: <") == 1 and b"forged" not in got and b"Content-Length" not in got
    assert b"\nSubject: t\nX: y\n\nReturn-Path: stays\n" in got


def test_while_the_server_is_down(make_server):
    server = make_server()
    server.stop()
    assert tool(server, "sendmail", "-oi", "-f", "", "bob@example.org", stdin=b"Subject: later\n\n.\nx\n").returncode == 0
    assert server.messages("bob") == []
    server.start()
    message = server.wait_messages("bob", 1)[0]
    assert message.startswith(b"Return-Path: <>\n") and message.endswith(b"\n.\nx\n")
    wait_for(lambda: list((server.spool / "maildrop").iterdir()) == [])


@pytest.mark.skipif(os.getuid() != 0, reason="acting as another user needs root")
def test_another_user_and_what_he_may_not(server, directory):
    done = tool(server, "sendmail", "bob@example.org", stdin=b"Subject: x\n\ny\n", user="nobody")
    assert done.returncode == 0, done.stderr
    assert b"Return-Path: <nobody@" in server.wait_messages("bob", 1)[0]
    drop = server.spool / "maildrop"
    assert drop.stat().st_mode & 0o7777 == 0o1733
    # A link to a file that only the server can read is not mailed out; junk stays where it is.
    subprocess.run(["ln", "-s", str(server.log_path), str(drop / "planted")], check=True, user="nobody")
    subprocess.run(["sh", "-c", f"echo junk > {drop}/junk"], check=True, user="nobody")
    assert tool(server, "sendmail", "bob@example.org", stdin=b"Subject: second\n\ny\n", user="nobody").returncode == 0
    server.wait_messages("bob", 2)
    server.wait_log(r"pickup\[\d+\]: warning: maildrop/junk: this is no message")
    assert len(server.messages("bob")) == 2
    (drop / "planted").unlink()


@pytest.mark.skipif(os.getuid() != 0, reason="acting as another user needs root")
def test_options_that_write_or_lead_elsewhere(server, directory):
    """What programs that paste an address into the command line let others add: -X (a log), -O and -C (another queue, another configuration)."""
    planted = directory / "planted"
    planted.mkdir()
    planted.chmod(0o777)
    for words in (["-X", str(planted / "log.php")], [f"-X{planted}/log.php"], [f"-OQueueDirectory={planted}"], ["-O", f"QueueDirectory={planted}"],
                  ["-C", str(planted / "main.cf")], ["-oQ" + str(planted)], ["-be", "${run{/bin/touch " + str(planted) + "/run}}"], ["-D" + str(planted / "d")]):
        tool(server, "sendmail", *words, "bob@example.org", stdin=b"Subject: <?php x ?>\n\ny\n", user="nobody")
        assert not list(planted.iterdir()), words


def test_session_on_standard_input(server):
    talk = b"EHLO localhost\r\nMAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: bs\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    done = tool(server, "sendmail", "-bs", stdin=talk)
    assert done.returncode == 0
    assert re.search(rb"220 .*\r\n250.*354 .*\r\n250 2\.0\.0 Ok: queued as \w+\r\n221 2\.0\.0 Bye\r\n", done.stdout, re.S), done.stdout
    assert server.wait_messages("bob", 1)[0].endswith(b"\n.dot\n")


def test_verify_and_mistakes(server):
    done = tool(server, "sendmail", "-bv", "bob@example.org", "nobody@example.org")
    assert done.returncode == 67
    assert b"bob@example.org... deliverable: bob@example.org through virtual:" in done.stdout
    assert b"nobody@example.org... undeliverable: 550 5.1.1" in done.stdout
    assert tool(server, "sendmail", stdin=b"x").returncode == 64
    assert tool(server, "sendmail", "-t", stdin=b"Subject: nobody\n\n").returncode == 64
    assert tool(server, "sendmail", "-N", "sometimes", "bob@example.org").returncode == 64


def test_tables(server, directory):
    table = directory / "table"
    table.write_text("# comment\nann@example.org  one\n  two\nBob three\n")
    assert tool(server, "postmap", f"hash:{table}").returncode == 0
    assert tool(server, "postmap", "-q", "ann@example.org", f"hash:{table}").stdout == b"one two\n"
    assert tool(server, "postmap", "-q", "bob", f"hash:{table}").stdout == b"three\n"
    assert tool(server, "postmap", "-q", "nobody", f"hash:{table}").returncode == 1
    assert tool(server, "postmap", "-c", server.config, "-q", "bob", f"hash:{table}").stdout == b"three\n"
    assert tool(server, "postmap", "-q", "-", f"hash:{table}", stdin=b"bob\n").stdout == b"bob\tthree\n"
    table.write_text("postmaster: root\nbroken line\n")
    done = tool(server, "postalias", str(table))
    assert done.returncode == 1 and b"2" in done.stderr


def test_queue_tools(make_server):
    server = make_server(main={"defer_transports": "virtual"})
    with server.client() as c:
        c.sendmail("ann@example.net", ["bob@example.org"], b"Subject: waits\r\n\r\nbody\r\n")
    listing = wait_for(lambda: (lambda t: t if "deferred transport" in t else None)(tool(server, "mailq").stdout.decode()))
    assert listing.splitlines()[0] == "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------"
    assert re.search(r"^-- \d+ Kbytes in 1 Request\.$", listing, re.M)
    queue_id = re.search(r"^(\w+)\s+\d+ \w{3} \w{3}", listing, re.M).group(1)
    shown = tool(server, "postcat", "-q", queue_id).stdout
    assert b"sender: ann@example.net\n" in shown and b"Subject: waits\n\nbody\n" in shown
    assert tool(server, "postcat", "-bq", queue_id).stdout == b"\nbody\n"  # as Postfix: with the empty line
    assert tool(server, "postsuper", "-h", queue_id).returncode == 0
    assert re.search(rf"^{queue_id}!", tool(server, "mailq").stdout.decode(), re.M)
    assert tool(server, "postsuper", "-H", "ALL").returncode == 0
    assert tool(server, "postsuper", "-d", "NOSUCHID123").returncode == 0
    done = tool(server, "postsuper", "-d", "-", stdin=queue_id.encode() + b"\n")
    assert done.returncode == 0 and b"Deleted: 1 message" in done.stderr
    assert tool(server, "mailq").stdout == b"Mail queue is empty\n"

"""A message goes in, is safe, and reaches a Maildir: the thin path through the real server."""
import os, re, socket, ssl, subprocess

import pytest
from postrider_process import wait_for, without_trace

MESSAGE = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nLine one\r\n.dot line\r\n..two\r\n\r\nend\r\n"


def say(sock_file, line=None):
    if line is not None:
        sock_file.write(line.encode() + b"\r\n")
        sock_file.flush()
    reply = b""
    while True:
        got = sock_file.readline()
        assert got, "connection closed"
        reply += got
        if got[3:4] == b" ":
            return reply.decode()


@pytest.fixture
def dialogue(server):
    sock = socket.create_connection(("127.0.0.1", server.port), 30)
    file = sock.makefile("rwb")
    yield lambda line=None: say(file, line)
    sock.close()


def test_classic_dialogue(server, dialogue):
    assert re.fullmatch(r"220 mail\.example\.com ESMTP .*\r\n", dialogue())
    ehlo = dialogue("EHLO client.example.net")
    for word in ("PIPELINING", "SIZE 10240000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING"):
        assert word in ehlo
    assert dialogue("MAIL FROM:<ann@example.net>") == "250 2.1.0 Ok\r\n"
    assert dialogue("RCPT TO:<bob@example.org>") == "250 2.1.5 Ok\r\n"
    assert dialogue("DATA") == "354 End data with <CR><LF>.<CR><LF>\r\n"
    assert re.fullmatch(r"250 2\.0\.0 Ok: queued as [0-9A-Za-z]+\r\n", dialogue("Subject: x\r\n\r\nbody\r\n."))
    assert dialogue("QUIT") == "221 2.0.0 Bye\r\n"
    message = server.wait_messages("bob", 1)[0]
    assert message.startswith(b"Return-Path: <ann@example.net>\n")
    assert b"Delivered-To: bob@example.org\n" in message
    assert b"\nSubject: x\n\nbody\n" in message


def test_byte_identical(server):
    with server.client() as c:
        c.sendmail("ann@example.net", ["bob@example.org", "ann@example.org"], MESSAGE)
    for user in ("ann", "bob"):
        assert without_trace(server.wait_messages(user, 1)[0]) == MESSAGE.replace(b"\r\n", b"\n")


def test_8bit_and_long_body(server):
    body = bytes(b for b in range(1, 256) if b not in (10, 13)) * 3000
    message = b"Subject: bytes\r\n\r\n" + b"\r\n".join(body[i:i + 900] for i in range(0, len(body), 900)) + b"\r\n"
    with server.client() as c:
        c.sendmail("ann@example.net", ["bob@example.org"], message, mail_options=["BODY=8BITMIME"])
    got = without_trace(server.wait_messages("bob", 1)[0])
    assert got == message.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("recipient", [
    "victim@elsewhere.example", "victim%elsewhere.example@example.org", "@example.org:victim@elsewhere.example",
    '"victim@elsewhere.example"@example.org', "elsewhere.example!victim@example.org", "nobody@example.org"])
def test_strangers_cannot_relay(make_server, recipient):
    server = make_server(main={"mynetworks": "192.0.2.0/24"})
    with server.client() as c:
        c.ehlo("client.example.net")
        c.mail("ann@example.net")
        code, text = c.rcpt(f"<{recipient}>")
        assert 400 <= code < 600, (code, text)


def test_relay_access_denied_wording(make_server):
    server = make_server(main={"mynetworks": "192.0.2.0/24", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination"})
    with server.client() as c:
        c.ehlo("client.example.net")
        c.mail("ann@example.net")
        assert c.rcpt("victim@elsewhere.example") == (554, b"5.7.1 <victim@elsewhere.example>: Relay access denied")
    server.wait_log(r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: 554 5\.7\.1 <victim@elsewhere\.example>: Relay access denied; "
                    r"from=<ann@example\.net> to=<victim@elsewhere\.example> proto=ESMTP helo=<client\.example\.net>"
                    r"|NOQUEUE: reject: RCPT from localhost\[127\.0\.0\.1\]: 554 5\.7\.1")


def test_unknown_recipient(server):
    with server.client() as c:
        c.ehlo("client.example.net")
        c.mail("ann@example.net")
        code, text = c.rcpt("nobody@example.org")
        assert code == 550 and text.startswith(b"5.1.1 <nobody@example.org>: Recipient address rejected: User unknown")


def test_restart_delivers_what_was_queued(make_server):
    """A message accepted while delivery is impossible is delivered after a kill and a restart."""
    server = make_server(main={"defer_transports": "virtual"})
    with server.client() as c:
        c.sendmail("ann@example.net", ["bob@example.org"], MESSAGE)
    server.kill()
    assert server.messages("bob") == []
    server.settings["defer_transports"] = ""
    server.start()
    # Killed before or after the deferral was noted: due at once, or with the flush.
    server.run("postqueue", "-c", server.config, "-f")
    assert without_trace(server.wait_messages("bob", 1)[0]) == MESSAGE.replace(b"\r\n", b"\n")


def test_log_shape(server):
    with server.client() as c:
        c.ehlo("client.example.net")
        c.sendmail("ann@example.net", ["bob@example.org"], MESSAGE)
    server.wait_messages("bob", 1)
    queue_id = server.wait_log(r"postrider/smtpd\[\d+\]: ([0-9A-Za-z]+): client=\S+\[127\.0\.0\.1\]").group(1)
    server.wait_log(rf"postrider/cleanup\[\d+\]: {queue_id}: message-id=<")
    server.wait_log(rf"postrider/qmgr\[\d+\]: {queue_id}: from=<ann@example\.net>, size=\d+, nrcpt=1 \(queue active\)")
    server.wait_log(rf"postrider/virtual\[\d+\]: {queue_id}: to=<bob@example\.org>, relay=virtual, delay=\S+, delays=\S+/\S+/\S+/\S+, dsn=2\.0\.0, status=sent \(delivered to maildir\)")
    server.wait_log(rf"postrider/qmgr\[\d+\]: {queue_id}: removed")
    server.wait_log(r"disconnect from \S+\[127\.0\.0\.1\] ehlo=\d mail=1 rcpt=1 data=1 quit=1 commands=\d")


def test_queue_filters(make_server):
    server = make_server(main={"virtual_transport": "lmtp:inet:127.0.0.1:1", "smtp_connect_timeout": "1s"})
    with server.client() as c:
        for sender, recipient in (("news@a.example", "ann@example.org"), ("news@a.example", "bob@example.org"), ("me@b.example", "bob@example.org")):
            c.sendmail(sender, [recipient], "Subject: x\r\n\r\nhi\r\n")
    wait_for(lambda: server.run("queue", "--json", "--state", "deferred", "--reason", "onnect", "-c", server.config).stdout.count(b"queue_id") == 3)
    queue = lambda *words: server.run("-c", server.config, "queue", *words)  # noqa: E731
    dry = queue("delete", "--sender", "NEWS@", "--dry-run")
    assert len(dry.stdout.split()) == 2 and b"would delete 2 messages" in dry.stderr
    assert len(queue("delete", "--recipient", "bob", "--sender", "me@", "--reason", "onnect", "--destination", "example.org", "--dry-run").stdout.split()) == 1
    assert queue("delete", "--older", "1h", "--dry-run").stdout == b""
    assert b"delete: 2 messages" in queue("delete", "--sender", "news").stderr
    left = queue("list").stdout
    assert b"me@b.example" in left and b"news@" not in left
    assert server.run("-c", server.config, "queue", "delete", check=False).returncode == 64

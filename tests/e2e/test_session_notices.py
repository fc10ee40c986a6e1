"""notify_classes: the postmaster gets the transcript of a session that went wrong, never with a password in it."""
import base64, re, socket

import pytest
from postrider_process import wait_for
from smtp_sinks import Sink

CLASSES = {"notify_classes": "bounce, data, policy, protocol, resource, software", "error_notice_recipient": "bob@example.org",
           "bounce_notice_recipient": "ann@example.org"}
STRANGERS = {"mynetworks": "192.0.2.0/24"}


def talk(server, *lines):
    """Each line after the reply to the one before; the replies."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as s:
        reader, replies = s.makefile("rb"), []
        for line in (None, *lines):
            if line is not None:
                s.sendall(line.encode() + b"\r\n")
            while (reply := reader.readline())[3:4] == b"-":
                pass
            replies.append(reply.decode().rstrip())
        return replies


def notices(server, user="bob"):
    return [m.decode() for m in server.messages(user) if b" SMTP " in m and b"errors from" in m]


def only_notice(server, user="bob"):
    wait_for(lambda: notices(server, user))
    (notice,) = notices(server, user)
    return notice


def test_a_refused_session(make_server):
    server = make_server(main={**CLASSES, **STRANGERS})
    talk(server, "EHLO client.example", "MAIL FROM:<x@y.example>", "RCPT TO:<somebody@elsewhere.example>", "QUIT")
    notice = only_notice(server)
    assert notice.startswith("Return-Path: <double-bounce@mail.example.com>\n")
    assert re.search(r"^Subject: \S+ SMTP server: errors from \S+\[127\.0\.0\.1\]$", notice, re.M)
    assert "(of notify_classes: policy)" in notice
    body = notice.split("\n\n", 1)[1]
    assert re.search(r"\n Out: 220 .*\n In:  EHLO client\.example\n Out: 250-.*\n(?: Out: 250-.*\n)* Out: 250 .*\n In:  MAIL FROM:<x@y\.example>\n"
                     r" Out: 250 2\.1\.0 Ok\n In:  RCPT TO:<somebody@elsewhere\.example>\n Out: 454 4\.7\.1 .*Relay access denied\n In:  QUIT\n Out: 221 ", body)


@pytest.mark.parametrize("lines, kind, user", [
    (["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<nobody@example.org>", "QUIT"], "bounce", "ann"),
    (["EHLO x", "FROBNICATE", "QUIT"], "protocol", "bob"),
    (["EHLO x", "RCPT TO:<bob@example.org>", "QUIT"], "protocol", "bob"),
    (["EHLO x", "MAIL FROM:<lookup@b.example>", "RCPT TO:<bob@example.org>", "QUIT"], "data", "bob")])
def test_kinds_of_trouble(make_server, lines, kind, user):
    server = make_server(main={**CLASSES, "smtpd_sender_restrictions": "check_sender_access inline:{{b.example=DUNNO}}" + (", check_sender_access fail:x" if kind == "data" else "")})
    talk(server, *lines)
    assert f"(of notify_classes: {kind})" in only_notice(server, user)
    other = {"ann": "bob", "bob": "ann"}[user]
    assert notices(server, other) == []


def test_by_default_only_the_gravest(make_server):
    server = make_server(main={**STRANGERS, "error_notice_recipient": "bob@example.org", "bounce_notice_recipient": "bob@example.org"})
    talk(server, "EHLO x", "FROB", "MAIL FROM:<a@b.example>", "RCPT TO:<x@elsewhere.example>", "RCPT TO:<nobody@example.org>", "QUIT")
    with server.client() as c:
        c.sendmail("a@b.example", "bob@example.org", "Subject: behind\r\n\r\nhi\r\n")
    server.wait_messages("bob", 1)
    assert notices(server) == []


def test_no_room_is_among_the_gravest(make_server):
    server = make_server(main={"error_notice_recipient": "bob@example.org", "queue_minfree": str(1 << 60)})
    replies = talk(server, "EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<bob@example.org>", "DATA", "QUIT")
    assert any(r.startswith("452 4.3.1") for r in replies)
    # Which is why there is none for the notice either.
    server.wait_log(r"postmaster.*bob@?\S* cannot be told of a session with \S+\[127\.0\.0\.1\]: the queue takes nothing now")


def test_no_credentials(make_server, directory):
    passwords = directory / "users"
    passwords.write_text("")
    server = make_server(main={**CLASSES, "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "postrider", "smtpd_tls_auth_only": "no", "smtpd_hard_error_limit": "100",
                               "smtpd_soft_error_limit": "100"})
    secret = base64.b64encode(b"\0ann\0opensesame").decode()
    parts = [base64.b64encode(w).decode() for w in (b"ann@example.org", b"opensesame")]
    talk(server, "EHLO x", f"AUTH PLAIN {secret}", "AUTH LOGIN", *parts, f"AUTH FOO {secret}", f" AUTH PLAIN {secret}", f"AUTH {secret}", "RSET", "FROB", "QUIT")
    notice = only_notice(server)
    for word in (secret, *parts, secret[:12]):
        assert word not in notice
    assert " In:  AUTH PLAIN (not shown)\n" in notice and " In:  FROB\n" in notice


def test_no_notices_about_notices(make_server):
    server = make_server(main={**CLASSES, **STRANGERS})
    for sender in ("", "double-bounce@other.example"):
        talk(server, "EHLO x", f"MAIL FROM:<{sender}>", "RCPT TO:<x@elsewhere.example>", "RCPT TO:<nobody@example.org>", "QUIT")
    talk(server, "EHLO x", "MAIL FROM:<>", "RCPT TO:<x@elsewhere.example>", "RSET", "FROB", "QUIT")
    assert "(of notify_classes: protocol)" in only_notice(server)


def test_so_many_an_hour(make_server):
    server = make_server(main={**CLASSES, "error_notice_hourly_limit": "3"})
    for _ in range(6):
        talk(server, "EHLO x", "FROB", "QUIT")
    wait_for(lambda: len(notices(server)) == 3)
    # A notice that should not be is written as fast as one that should: what comes behind it shows that there is none.
    with server.client() as c:
        c.sendmail("a@b.example", "bob@example.org", "Subject: behind\r\n\r\nhi\r\n")
    server.wait_messages("bob", 4)
    assert len(notices(server)) == 3


def test_a_session_of_ours(make_server):
    with Sink(replies={"RCPT": "502 5.5.1 what?"}) as sink:
        server = make_server(main={**CLASSES, "relayhost": f"[127.0.0.1]:{sink.port}", "smtp_tls_security_level": "none"})
        with server.client() as c:
            c.sendmail("x@y.example", "c@d.example", "Subject: x\r\n\r\nhi\r\n")
        notice = only_notice(server)
        assert re.search(r"^Subject: \S+ SMTP client: errors from 127\.0\.0\.1\[127\.0\.0\.1\]:\d+$", notice, re.M)
        assert re.search(r" In:  220 sink\.example ESMTP\n Out: EHLO mail\.example\.com\n In:  250-sink\.example\n(?: In:  250-.*\n)* In:  250 HELP\n"
                         r" Out: MAIL FROM:<x@y\.example> SIZE=\d+\n Out: RCPT TO:<c@d\.example>\n", notice)
        assert " In:  502 5.5.1 what?\n" in notice and "(of notify_classes: protocol)" in notice
        # The bounce to x@y.example fares no better; it is a notification, so nobody is told.
        wait_for(lambda: sum(c.startswith("MAIL FROM:<>") for c in sink.commands))
        server.wait_log("a notification could not be delivered and is dropped")
        assert len(notices(server)) == 1

"""What the smtp and lmtp clients change on the way out: the same message through us and through Postfix, octet by octet."""
import re, socket

import pytest
from peers import PostfixPeer
from postrider_process import wait_for
from smtp_sinks import Sink, own_part

CHECKS = {"fields": """/^Subject: refused/ REJECT no
/^X-Ignored/ IGNORE
/^X-Stripped/ STRIP gone
/^X-Replaced: (.*)/ REPLACE X-New: $1
/^X-Unreplaced/ REPLACE nothing
/^X-Marked/ PREPEND X-Before: 1
/^X-Warned/ WARN look
/^X-Noted/ INFO
/^X-Filtered/ FILTER smtp:foo
/^X-Held/ HOLD
/^X-Copied/ BCC a@b.example
/^X-Redirected/ REDIRECT a@b.example
/^X-Discarded/ DISCARD
/^X-Left/ DUNNO
/^X-Odd/ FROB
/^(X-Part|Content-Type)/ PREPEND X-Seen-By-Header-Checks: 1
/^X-Folded: a\\s+b/ REPLACE X-Folded: one line
""", "mime": "/^(X-Part|Content-Type): (.*)/ PREPEND X-Mime: $2\n", "nested": "/^(Subject|Content-Type): (.*)/ PREPEND X-Nested: $2\n",
          "lines": "/^dirty/ REPLACE clean\n/^gone/ IGNORE\n/^pre/ PREPEND before\n/^rej/ REJECT\n/^warn/ WARN w\n/^strip/ STRIP\n"}
GENERIC = """ann@local.test hisaccount@isp.example
carl@local.test @other.example
dora@local.test dora2@isp.example
ext@local.test extbase@isp.example
bob bobsaccount@isp.example
@catch.test all@isp.example
@same.test @moved.example
"""
FIELDS = b"""From: "Ann, A." <ann@local.test>
To: b@dest.example, ext+foo@local.test, any@catch.test, dora@local.test
Cc: group: ann@local.test, x@same.test;
Reply-To: carl@local.test
Subject: refused ann@local.test
Message-Id: <1@local.test>
Date: Sun, 1 Jan 2023 00:00:00 +0000
"""
CHECKED = FIELDS + b"".join(b"X-%s: foo\n" % word for word in (
    b"Ignored", b"Stripped", b"Replaced", b"Unreplaced", b"Marked", b"Warned", b"Noted", b"Filtered", b"Held", b"Copied", b"Redirected",
    b"Discarded", b"Left", b"Odd", b"Part")) + b"""X-Folded: a
 b
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

dirty preamble
--b
X-Part: 1
Content-Type: text/plain

dirty
gone
pre
rej
warn
strip
""" + (b"x" * 70 + b"\n") * 1000 + b"""dirty behind body_checks_size_limit
--b
Content-Type: message/rfc822

Subject: inner
Content-Type: text/plain

dirty
--b--
"""
LONG = FIELDS + b"X-Long: " + b"y" * 1200 + b"\n\n" + b"".join(
    b"%c" % (97 + i) * length + b"\n" for i, length in enumerate((0, 997, 998, 999, 1994, 1995, 1996, 2047, 2049, 2500, 7000, 12000))) + b"." + b"z" * 3000 + b"\n"


def crlf(text):
    return text.replace(b"\n", b"\r\n")


def hand_in(port, content, sender="ann@local.test", to="bob@dest.example", parameters=""):
    """As it is: smtplib would mend it."""
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        reader = s.makefile("rb")

        def reply():
            while (line := reader.readline())[3:4] == b"-":
                pass
            return line

        reply()
        for command in ("EHLO client.example", f"MAIL FROM:<{sender}>{parameters}", f"RCPT TO:<{to}>", "DATA"):
            s.sendall(command.encode() + b"\r\n")
            assert reply()[:1] in b"23", command
        s.sendall(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        assert reply().startswith(b"250")


@pytest.fixture
def both(directory, make_server):
    """Sends one message through Postfix and through us with the same settings: the two sinks, the two logs."""

    def send(settings, content, offers=("PIPELINING", "8BITMIME", "SIZE"), **envelope):
        for name, text in {**CHECKS, "generic": GENERIC}.items():
            (directory / name).write_text(text)
        settings = {k: v.replace("DIR", str(directory)) for k, v in settings.items()}
        with Sink(offers) as theirs, Sink(offers) as ours, PostfixPeer(directory / "postfix", f"[127.0.0.1]:{theirs.port}", settings) as postfix:
            server = make_server(main={"virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{ours.port}", "smtp_tls_security_level": "none",
                                       "myhostname": "postfix.peer.example", **settings})
            for port in (postfix.port, server.port):
                hand_in(port, content, **envelope)
            for sink in (theirs, ours):
                wait_for(lambda: sink.contents)
            wait_for(lambda: "status=sent" in postfix.log())  # and so all that was said before
            server.wait_log("status=sent")
            return theirs, ours, postfix.log(), server.log()

    return send


def test_header_and_body_checks(both):
    theirs, ours, their_log, our_log = both(
        {"smtp_header_checks": "regexp:DIR/fields", "smtp_mime_header_checks": "regexp:DIR/mime",
         "smtp_nested_header_checks": "regexp:DIR/nested", "smtp_body_checks": "regexp:DIR/lines"}, crlf(CHECKED))
    assert own_part(ours.contents[0]) == own_part(theirs.contents[0])
    assert b"X-Before: 1\r\nX-Marked: foo\r\n" in ours.contents[0] and b"X-Stripped" not in ours.contents[0]
    said = re.compile(r"(?:strip|replace|prepend|warning|info): (?:header|body) .*")
    assert said.findall(our_log) == said.findall(their_log)
    for what in ("REJECT", "FILTER", "HOLD", "BCC", "REDIRECT", "DISCARD"):
        assert f"unsupported command in smtp_header_checks map: {what}" in their_log
        assert f"unsupported command {what} in smtp_header_checks map" in our_log


def test_long_lines(both):
    theirs, ours, their_log, our_log = both({}, crlf(LONG))
    assert own_part(ours.contents[0]) == own_part(theirs.contents[0])
    assert max(map(len, ours.contents[0].split(b"\r\n"))) == 998
    for log in (their_log, our_log):
        assert log.count("breaking line > 998 bytes with <CR><LF>SPACE") == 1


@pytest.mark.parametrize("limit", ["0", "100"])
def test_other_line_limits(both, limit):
    theirs, ours, _, our_log = both({"smtp_line_length_limit": limit}, crlf(LONG))
    assert own_part(ours.contents[0]) == own_part(theirs.contents[0])
    assert ("breaking line" in our_log) == (limit != "0")


@pytest.mark.parametrize("propagated", ["", "generic"])
def test_generic_maps(both, propagated):
    theirs, ours, _, our_log = both(
        {"smtp_generic_maps": "texthash:DIR/generic", "recipient_delimiter": "+", "mydestination": "home.test", "local_recipient_maps": "",
         "propagate_unmatched_extensions": propagated, "local_header_rewrite_clients": "static:all"},
        crlf(FIELDS + b"Sender: bob@home.test\nMail-Followup-To: ann@local.test\n\nann@local.test\n"), to="ext+foo@local.test")
    assert [c for c in ours.commands if c[:4] in ("MAIL", "RCPT")] == [
        re.sub(r"SIZE=\d+", re.search(r"SIZE=\d+", "".join(ours.commands))[0], c) for c in theirs.commands if c[:4] in ("MAIL", "RCPT")]
    # Postfix writes a changed field anew, one address a line where there are several; we change the address alone.
    plain = lambda content: re.sub(rb",\s+", b", ", own_part(content))  # noqa: E731
    assert plain(ours.contents[0]) == plain(theirs.contents[0])
    assert b"Sender: bobsaccount@isp.example\r\n" in ours.contents[0] and b"Subject: refused ann@local.test\r\n" in ours.contents[0]
    assert re.search(r"to=<ext\+foo@local\.test>, relay=", our_log)


def test_checks_see_what_was_converted(both):
    """A server without 8BITMIME: body lines are looked at as they are sent, in quoted-printable."""
    content = FIELDS + b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ndirty \xc3\xa4\n"
    theirs, ours, _, _ = both({"smtp_body_checks": "regexp:DIR/lines"}, crlf(content), offers=("PIPELINING", "SIZE"), parameters=" BODY=8BITMIME")
    assert b"\r\nclean\r\n" in ours.contents[0] and b"quoted-printable" in ours.contents[0]
    assert b"\r\nclean\r\n" in theirs.contents[0]


def test_binary_content_is_sent_with_its_new_length(make_server, directory):
    (directory / "lines").write_text("/^dirty/ REPLACE much longer than it was\n/^(.*)long/ IGNORE\n")
    with Sink(("CHUNKING", "BINARYMIME", "8BITMIME", "SIZE")) as sink:
        server = make_server(main={"virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{sink.port}", "smtp_body_checks": f"regexp:{directory}/lines",
                                   "smtp_tls_security_level": "none"})
        content = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\ndirty\r\n" + b"\0" * 2000 + b"\r\nnot long\r\n"
        with server.client() as c:
            c.ehlo()
            for command in ("MAIL FROM:<a@b.example> BODY=BINARYMIME", "RCPT TO:<c@d.example>"):
                assert c.docmd(command)[0] == 250
            c.send(f"BDAT {len(content)} LAST\r\n".encode() + content)
            assert c.getreply()[0] == 250
        wait_for(lambda: sink.contents)
        assert sink.contents[0].endswith(b"\r\n\r\nmuch longer than it was\r\n" + b"\0" * 2000 + b"\r\n")
        size = len(sink.contents[0])
        assert f"BDAT {size} LAST" in sink.commands and any(f"SIZE={size} BODY=BINARYMIME" in c for c in sink.commands)
        server.wait_log("status=sent")
        assert server.log().count("replace: body dirty") == 1


def test_lmtp_reads_its_own_names_only(make_server, directory):
    (directory / "smtp").write_text("/^X-Smtp/ IGNORE\n/^long/ REPLACE short\n")
    (directory / "lmtp").write_text("/^X-Lmtp/ IGNORE\n")
    with Sink() as sink:
        server = make_server(main={
            "virtual_mailbox_domains": "", "default_transport": f"lmtp:inet:127.0.0.1:{sink.port}", "smtp_tls_security_level": "encrypt",
            "smtp_tls_wrappermode": "yes", "smtp_bind_address": "192.0.2.77", "smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "fail:none",
            "smtp_fallback_relay": "[192.0.2.78]", "smtp_skip_5xx_greeting": "no",
            "smtp_header_checks": f"regexp:{directory}/smtp", "smtp_body_checks": f"regexp:{directory}/smtp", "smtp_line_length_limit": "10",
            "smtp_generic_maps": "inline:{ @b.example=@wrong.example }", "lmtp_generic_maps": "inline:{ a@b.example=right@isp.example }",
            "lmtp_header_checks": f"regexp:{directory}/lmtp"})
        with server.client() as c:
            c.sendmail("a@b.example", "c@b.example", "From: a@b.example\r\nX-Smtp: 1\r\nX-Lmtp: 1\r\n\r\nlong long long\r\n")
        wait_for(lambda: sink.contents)
        assert any(c.startswith("MAIL FROM:<right@isp.example>") for c in sink.commands) and any(c.startswith("RCPT TO:<c@b.example>") for c in sink.commands)
        assert own_part(sink.contents[0]) == b"From: right@isp.example\r\nX-Smtp: 1\r\n\r\nlong long long\r\n"


@pytest.mark.parametrize("parameter", ["smtp_generic_maps", "smtp_body_checks"])
def test_a_table_that_cannot_be_asked_puts_mail_off(make_server, parameter):
    with Sink() as sink:
        server = make_server(main={"virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{sink.port}", parameter: "fail:broken",
                                   "smtp_tls_security_level": "none"})
        with server.client() as c:
            c.sendmail("a@b.example", "c@d.example", "Subject: x\r\n\r\nhi\r\n")
        server.wait_log(rf"{parameter}: .*status=deferred|status=deferred \({parameter}")
        assert sink.contents == []

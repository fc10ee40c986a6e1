"""What the other side of our own questions may answer: next hops and policy servers with replies that are none, bare, endless or out of order (rows 25
and 26 of the known attacks), and tables that multiply (row 37). Nothing is lost, nothing grows without bound, the server lives."""
import itertools, re, smtplib, socket, threading

import pytest
from postrider_process import wait_for
from test_policy_service import PolicyServer

MAIL = b"From: ann@example.org\r\nSubject: x\r\n\r\nhello\r\n"


class NextHop:
    """Polite but for one verb, which is answered by `octets`. It says how often that was asked."""

    def __init__(self, verb, octets):
        self.verb, self.octets, self.asked, self.took = verb, octets, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.converse, args=(peer,), daemon=True).start()

    def answer(self, peer, verb, usual):
        if verb == self.verb:
            self.asked += 1
        peer.sendall(self.octets if verb == self.verb else usual)

    def converse(self, peer):
        peer.settimeout(60)
        try:
            with peer, peer.makefile("rb") as lines:
                self.answer(peer, "GREETING", b"220 hop\r\n")
                for line in lines:
                    verb = line[:4].upper().decode("latin-1")
                    if verb == "DATA":
                        self.answer(peer, "DATA", b"354 go\r\n")
                        while (text := next(lines)) != b".\r\n":
                            assert text.endswith(b"\r\n")
                        self.took += 1
                        verb = "END"
                    self.answer(peer, verb, b"250 hop\r\n")
        except (OSError, StopIteration):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def hand_in(server, to="far@elsewhere.example"):
    with server.client() as c:
        c.sendmail("ann@example.org", [to], MAIL)


@pytest.mark.parametrize("verb, octets, status", [
    ("RCPT", b"550 5.7.2\r\n", "5.7.2"), ("RCPT", b"550\r\n", "5.0.0"), ("RCPT", b"550 9.9.9 odd\r\n", "5.0.0"), ("RCPT", b"550 5.7.2000 odd\r\n", "5.0.0"),
    ("RCPT", b"550 4.7.1 the classes differ\r\n", "5.0.0"), ("MAIL", b"550-5.7.1\r\n550\r\n", "5.7.1"), ("END", b"554 \r\n", "5.0.0"),
    ("MAIL", b"550 5.1.8 \x1b[2J\x00\x9b\xff\r\n", "5.1.8")])
def test_a_refusal_is_one_whatever_its_text(make_server, verb, octets, status):
    with NextHop(verb, octets) as hop:
        server = make_server(main={"relayhost": f"[127.0.0.1]:{hop.port}", "smtp_tls_security_level": "none"})
        hand_in(server)
        server.wait_log(rf"to=<far@elsewhere\.example>.* dsn={re.escape(status)}, status=bounced")
        (bounce,) = server.wait_messages("ann", 1)
        assert f"Status: {status}\n".encode() in bounce
        fields = bounce.split(b"Content-Type: message/delivery-status")[1].split(b"\n--")[0]
        assert all(32 <= octet < 127 or octet == 10 for octet in fields)
        assert all("\x1b" not in line and "\x9b" not in line for line in server.log().splitlines())


@pytest.mark.parametrize("verb, octets", [
    ("GREETING", b"999 hello\r\n"), ("GREETING", b"220-" + b"x" * 1_000_000 + b"\r\n220 x\r\n"), ("GREETING", b"220-more\r\n" * 10_000 + b"220 x\r\n"),
    ("GREETING", b"\r\n\r\n"), ("EHLO", b"250-a\r\n550 b\r\n"), ("MAIL", b"354 go ahead\r\n"), ("MAIL", b"000 nothing\r\n"), ("MAIL", b"25\r\n"),
    ("RCPT", b"-1 x\r\n"), ("RCPT", b"2500 x\r\n"), ("DATA", b"250 already\r\n"), ("DATA", b"220 hello again\r\n"), ("END", b"354 more\r\n"),
    ("END", b"99999999999999999999 x\r\n"), ("END", b"\x16\x03\x01\x02\x00\r\n")], ids=itertools.count())
def test_an_answer_that_is_none_puts_off(make_server, verb, octets):
    with NextHop(verb, octets) as hop:
        server = make_server(main={"relayhost": f"[127.0.0.1]:{hop.port}", "smtp_tls_security_level": "none"})
        hand_in(server)
        server.wait_log(r"to=<far@elsewhere\.example>.* dsn=4\.\d+\.\d+, status=deferred")
        assert hop.asked >= 1 and not server.messages("ann")
        if verb != "END":
            assert hop.took == 0, "content went out that nobody had asked for"
        assert max(map(len, server.log().splitlines())) < 3000
        hand_in(server, "bob@example.org")  # and others are served
        server.wait_messages("bob", 1)


@pytest.mark.parametrize("action, code", [
    ("550 5.7.2", 550), ("550", 550), ("450 4.7.1", 450), ("REJECT", 554), ("999 what", 451), ("550 9.9.9 odd", 550), ("550 4.7.1 odd", 550),
    ("REJECT " + "x" * 50_000, None), ("550 5.7.1 two\r250 words\x1b", 550)], ids=itertools.count())
def test_actions_of_a_policy_server(make_server, action, code):
    """A code without text, of no class, or too long: an answer in SMTP's form, and never the text of another reply."""
    with PolicyServer({"bob@example.org": action, "ann@example.org": "DUNNO"}) as policy:
        server = make_server(main={"smtpd_recipient_restrictions": f"check_policy_service {{ {policy.address}, retry_delay=0s, try_limit=1 }}"})
        with server.client() as c:
            c.ehlo("client.example.net")
            c.mail("sender@example.net")
            got, text = c.rcpt("bob@example.org")
            assert (got == code or code is None) and got >= 400 and len(text) < 5000, (got, text)
            assert text[:1] in (b"4", b"5") and text[:1] == b"%d" % (got // 100)
            assert all(32 <= octet < 127 or octet == 10 for octet in text), text
            assert c.rcpt("ann@example.org")[0] == 250
            assert c.noop()[0] == 250  # in step


def test_aliases_that_multiply(make_server):
    """Ten to the sixth recipients out of one, and a circle: refused or put off, neither counted out nor delivered in part."""
    levels = {f"l{level}@example.org": ",".join([f"l{level + 1}@example.org"] + [f"l{level + 1}+{n}@example.org" for n in range(9)]) for level in range(6)}
    levels |= {f"l{level}+{n}@example.org": levels[f"l{level}@example.org"] for level in range(1, 6) for n in range(9)}
    levels |= {"round@example.org": "bob@example.org, around@example.org", "around@example.org": "round@example.org"}
    server = make_server(main={"virtual_alias_maps": "inline:{ " + ", ".join(f"{{ {k} = {v} }}" for k, v in levels.items()) + " }",
                               "virtual_alias_expansion_limit": "100", "recipient_delimiter": ""})
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused)):
        hand_in(server, "l0@example.org")
    hand_in(server, "round@example.org")  # a circle ends where it began
    server.wait_messages("bob", 1)
    hand_in(server, "bob@example.org")
    wait_for(lambda: len(server.messages("bob")) == 2)

"""Known attacks on a live server: what must hold, tried as an attacker would. Each case ends with the server alive and able to
take an honest message."""
import re, socket, ssl, struct, subprocess, threading

import pytest
from postrider_process import Postrider, free_port, wait_for

def short(value):
    return repr(value[:24])


HONEST = b"Subject: honest\r\nFrom: a@example.org\r\n\r\nhello\r\n"


class Raw:
    """Bytes to a port, replies as bytes."""

    def __init__(self, port, greet=True):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.settimeout(20)
        self.buffer = b""
        if greet:
            assert self.reply().startswith(b"220")

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def line(self):
        while b"\n" not in self.buffer:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """The last line of the next reply; b"" at the end."""
        while True:
            line = self.line()
            if line[3:4] != b"-":
                return line

    def say(self, octets):
        return self.send(octets + b"\r\n").reply()

    def rest(self):
        """Every reply until the server closes (QUIT was sent)."""
        out = []
        while line := self.line():
            out.append(line)
        return out

    def starttls(self):
        assert self.say(b"STARTTLS").startswith(b"220")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.plain = self.socket
        self.socket = context.wrap_socket(self.socket)
        return self

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def transaction(server, recipient=b"bob@example.org"):
    raw = Raw(server.port)
    raw.say(b"EHLO attacker.example")
    assert raw.say(b"MAIL FROM:<a@example.org>").startswith(b"250")
    assert raw.say(b"RCPT TO:<" + recipient + b">").startswith(b"250")
    return raw


def honest_mail_passes(server, user="ann"):
    before = len(server.messages(user))
    with transaction(server, user.encode() + b"@example.org") as raw:
        assert raw.say(b"DATA").startswith(b"354")
        assert raw.say(HONEST + b".").startswith(b"250")
    assert server.wait_messages(user, before + 1)[-1].endswith(b"hello\n")


def memory_of(server):
    status = open(f"/proc/{server.process.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024


FAKE_ENDS = [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\x00.\r\n", b"\r\r\n.\r\r\n", b"\r\n.\r\r\n", b"\r\n. \r\n",
             b"\xe2\x80\xa8.\xe2\x80\xa8", b"\x85.\x85", b"\r\n.\x00\r\n", b"\n.\r", b"\r\r\n.\r\n."]


@pytest.mark.parametrize("policy", ["normalize", "reject", "no"])
def test_smuggling_makes_no_second_message(make_server, policy):
    server = make_server(main={"smtpd_forbid_bare_newline": policy, "smtpd_forbid_bare_newline_exclusions": ""})
    for end in FAKE_ENDS:
        if policy == "no" and end in (b"\n.\r\n", b"\r\n.\n"):
            continue  # what the administrator asked for
        with transaction(server) as raw:
            assert raw.say(b"DATA").startswith(b"354")
            raw.send(b"Subject: first\r\n\r\nbody" + end + b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n")
            first = raw.reply()
            raw.send(b"QUIT\r\n")
            rest = raw.rest()
            assert len(rest) <= 1, (end, first, rest)
            assert first.startswith((b"250", b"5")), (end, first)
    assert not server.messages("ann"), "a smuggled message was delivered"
    honest_mail_passes(server)


def test_a_relay_sends_no_bare_line_ends_and_every_dot_stuffed(make_server):
    """What another server could take for the end of the data never leaves (rows 1 and 2, sending side)."""
    got, port = [], free_port()
    listener = socket.create_server(("127.0.0.1", port))

    def converse(peer):
        peer.settimeout(60)
        data, text = False, b""
        try:
            peer.sendall(b"220 sink\r\n")
            while piece := peer.recv(65536):
                text += piece
                if data and text.endswith(b"\r\n.\r\n"):
                    got.append(text)
                    data, text = False, b""
                    peer.sendall(b"250 ok\r\n")
                while not data and b"\r\n" in text:
                    line, text = text.split(b"\r\n", 1)
                    data = line.upper() == b"DATA"
                    peer.sendall(b"354 go\r\n" if data else b"250 sink\r\n")
        except OSError:
            pass
        peer.close()

    def sink():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(peer,), daemon=True).start()

    threading.Thread(target=sink, daemon=True).start()
    server = make_server(main={"relayhost": f"[127.0.0.1]:{port}", "smtp_tls_security_level": "none"})
    bodies = [b"x" + end + b"y" for end in FAKE_ENDS if not end.endswith(b"\r\n.")] + [b".", b"..", b".a\r\n.b\r\n..c", b"\r\n.\n.\n"]
    for body in bodies:
        with transaction(server, b"far@elsewhere.example") as raw:
            assert raw.say(b"DATA").startswith(b"354")
            stuffed = re.sub(rb"(^|\r\n)\.", rb"\1..", body)
            assert raw.say(b"Subject: s\r\n\r\n" + stuffed + b"\r\n.").startswith(b"250"), body
    wait_for(lambda: len(got) == len(bodies))
    for text in got:
        content = text[:-len(b"\r\n.\r\n")]
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content), content
        assert not re.search(rb"(^|\r\n)\.(?!\.)", content), content
    listener.close()


@pytest.mark.parametrize("size", [510, 511, 512, 513, 998, 999, 1000, 2047, 2048, 2049, 4095, 4096, 4097, 65535, 65536])
def test_long_lines_are_one_line(shared_server, size):
    server = shared_server
    with Raw(server.port) as raw:
        raw.send(b"NOOP " + b"x" * (size - 5 - 4) + b"QUIT\r\n")
        assert raw.reply()[:1] in b"25"
        assert raw.say(b"NOOP").startswith(b"250"), "the tail of the line was taken for a command"
    with transaction(server) as raw:
        raw.say(b"DATA")
        answer = raw.say(b"Subject: long\r\n\r\n" + b"x" * (size - 1) + b".\r\n" + b"y" * size + b"\r\n.")
        assert answer.startswith(b"250")
        assert raw.say(b"NOOP").startswith(b"250")


def test_nothing_behind_starttls_is_executed(server_with_tls):
    for behind in (b"NOOP\r\n", b"MAIL FROM:<evil@example.org>\r\n", b"EHLO half", b"RSET\r\nRSET\r\n"):
        with Raw(server_with_tls.port) as raw:
            raw.say(b"EHLO a")
            raw.send(b"STARTTLS\r\n" + behind)
            answer = raw.reply()
            if not answer.startswith(b"220"):
                continue  # refused or closed: as good
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            raw.socket = context.wrap_socket(raw.socket)
            assert raw.say(b"HELP")[:3] in (b"214", b"502", b"500"), "an old reply came first"
            assert raw.say(b"MAIL FROM:<a@example.org>").startswith(b"503"), "the greeting of before still counts"


def test_state_does_not_survive_starttls(server_with_tls):
    with Raw(server_with_tls.port) as raw:
        raw.say(b"EHLO a")
        assert raw.say(b"MAIL FROM:<a@example.org>").startswith(b"250")
        assert raw.say(b"RCPT TO:<ann@example.org>").startswith(b"250")
        answer = raw.say(b"STARTTLS")
        if answer.startswith(b"220"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            raw.socket = context.wrap_socket(raw.socket)
        assert raw.say(b"DATA").startswith(b"503") or not answer.startswith(b"220")
    with Raw(server_with_tls.port) as raw:
        raw.say(b"EHLO a")
        raw.starttls()
        raw.send(b"EHLO a\r\n")
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            lines.append(raw.line())
        assert not any(b"STARTTLS" in line for line in lines)
        assert raw.say(b"STARTTLS")[:1] == b"5"


def test_plaintext_behind_the_end_of_tls_is_not_mail(server_with_tls):
    """Row 8: close_notify in the middle of a chunk, then plain octets on the same connection."""
    with Raw(server_with_tls.port) as raw:
        raw.say(b"EHLO a")
        raw.starttls()
        raw.say(b"EHLO a")
        raw.say(b"MAIL FROM:<a@example.org>")
        raw.say(b"RCPT TO:<bob@example.org>")
        raw.send(b"BDAT 100 LAST\r\n" + b"Subject: half\r\n\r\n")
        try:
            plain = raw.socket.unwrap()
        except (OSError, ssl.SSLError):
            return
        try:
            plain.sendall(b"x" * 90)
            plain.settimeout(3)
            answer = plain.recv(100)
        except OSError:
            answer = b""
        assert b"250" not in answer
        plain.close()
    honest_mail_passes(server_with_tls)
    assert not server_with_tls.messages("bob")


def test_chunks_out_of_order_keep_in_step(shared_server):
    server = shared_server
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        raw.send(b"BDAT 10 LAST\r\n0123456789")
        assert raw.reply().startswith(b"503"), "BDAT without MAIL"
        raw.say(b"MAIL FROM:<a@example.org>")
        raw.send(b"BDAT 12\r\nMAIL FROM:<x")
        assert raw.reply()[:1] == b"5", "BDAT without RCPT"
        assert raw.say(b"NOOP").startswith(b"250")
        raw.say(b"RSET")
        raw.say(b"MAIL FROM:<a@example.org>")
        raw.say(b"RCPT TO:<ann@example.org>")
        raw.send(b"BDAT 3\r\na:b")
        assert raw.reply().startswith(b"250")
        assert raw.say(b"DATA").startswith(b"503"), "DATA behind BDAT"
        for odd in (b"BDAT", b"BDAT -1", b"BDAT x", b"BDAT 1 2", b"BDAT 99999999999999999999999", b"BDAT 0x10"):
            answer = raw.say(odd)
            assert answer[:1] == b"5" or answer == b"", odd
            if not answer:
                break


def test_a_message_larger_than_allowed_in_chunks(make_server):
    server = make_server(main={"message_size_limit": "100000"})
    with transaction(server) as raw:
        answers = []
        for _ in range(20):
            raw.send(b"BDAT 10000\r\n" + b"x" * 10000)
            answers.append(raw.reply())
        assert any(answer.startswith(b"552") for answer in answers)
        assert raw.say(b"RSET").startswith(b"250"), "out of step"
    with transaction(server) as raw:
        for _ in range(2000):
            raw.send(b"BDAT 1\r\nx")
            assert raw.reply().startswith(b"250")
        raw.say(b"RSET")
    honest_mail_passes(server)
    assert not server.messages("bob")


@pytest.mark.parametrize("sent", [b"DATA\r\nSubject: half\r\n", b"DATA\r\nSubject: half\r\n\r\nbody\r\n.", b"DATA\r\nSubject: half\r\n\r\nbody\r\n.\r",
                                  b"BDAT 100 LAST\r\nSubject: half\r\n", b"BDAT 4\r\na:b\n", b"DATA\r\n.\n"])
@pytest.mark.parametrize("how", ["end", "reset"])
def test_half_a_message_is_none(shared_server, sent, how):
    server = shared_server
    with transaction(server, b"eve@example.org") as raw:
        if sent.startswith(b"DATA\r\n"):
            assert raw.say(b"DATA").startswith(b"354")
        raw.send(sent.removeprefix(b"DATA\r\n"))
        if how == "reset":
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    honest_mail_passes(server)
    assert not server.messages("eve")
    assert server.run("-c", server.config, "queue", "list").stdout.count(b"eve@") == 0


def test_a_body_behind_a_refused_data_is_no_mail(server):
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        raw.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n"
                 b"Subject: x\r\n\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nsmuggled\r\n.\r\nQUIT\r\n")
        raw.rest()
    honest_mail_passes(server, "bob")
    assert not any(b"smuggled" in message for message in server.messages("ann"))


@pytest.mark.parametrize("speech", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /mail HTTP/1.0\r\nContent-Length: 99\r\n\r\nEHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nx\r\n.\r\n",
                                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40, b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nMAIL FROM:<a@example.org>\r\n",
                                    b"*1\r\n$4\r\nPING\r\n", b"\r\n\r\n\r\n"])
def test_other_protocols_get_nowhere(shared_server, speech):
    server = shared_server
    with Raw(server.port) as raw:
        raw.send(speech + b"\r\nQUIT\r\n")
        answers = raw.rest()
        assert not any(a.startswith(b"354") for a in answers)
        assert all(len(a) <= 512 and all(32 <= c < 127 for c in a.rstrip(b"\r\n")) for a in answers), answers
    assert not server.messages("eve")


@pytest.mark.parametrize("evil", [b"\x1b[31m", b"a\rb", b"\x00", b"\x9b2J", b"%n%s${run}", b"\xff\xfe", b"a\nb", b"\x7f"])
def test_replies_are_clean_lines(shared_server, evil):
    server = shared_server
    with Raw(server.port) as raw:
        for command in (b"EHLO " + evil, b"X" + evil, b"MAIL FROM:<" + evil + b"@example.org>", b"RCPT TO:<" + evil + b"@x>", b"VRFY " + evil,
                        b"HELP " + evil, b"MAIL FROM:<a@b> X" + evil + b"=1"):
            raw.send(command + b"\r\n")
            for _ in range(3):
                answer = raw.line()
                if not answer:
                    break
                assert answer.endswith(b"\r\n") and len(answer) <= 512, answer
                assert all(32 <= c < 127 for c in answer[:-2]), answer
                if answer[3:4] != b"-":
                    break
    lines = server.log().splitlines()
    assert all("\x1b" not in line and "\x9b" not in line for line in lines)
    assert all(re.match(r"\w{3} [ \d]\d [\d:]{8} |postrider: ", line) for line in lines), "a line was split"


@pytest.mark.parametrize("command", [b'MAIL FROM:<"a\\\r\nb"@example.org>', b"MAIL FROM:<a@example.org> ENVID=a+0D+0Ab", b"MAIL FROM:<a@example.org> AUTH=a+0D+0Ab",
                                     b"MAIL FROM:<a@example.org> ENVID=+ZZ", b"MAIL FROM:<a@example.org> RET=HDRS RET=FULL", b"MAIL FROM:<a@example.org> SIZE=-1",
                                     b"MAIL FROM:<a@\x00example.org>", b"MAIL FROM:<a\x01@example.org>"])
def test_control_octets_in_addresses_and_parameters(shared_server, command):
    server = shared_server
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        assert raw.say(command)[:1] == b"5"


def test_line_ends_in_orcpt_never_reach_the_next_hop_raw(shared_server):
    server = shared_server
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        raw.say(b"MAIL FROM:<a@example.org>")
        answer = raw.say(b"RCPT TO:<bob@example.org> ORCPT=rfc822;a+0D+0ARCPT")
        assert answer[:1] == b"5", answer


def test_endless_input_is_bounded(server):
    before = memory_of(server)
    with Raw(server.port) as raw:
        for _ in range(256):
            raw.send(b"x" * 65536)  # 16 MiB without a line end
        raw.send(b"\r\n")
        assert raw.reply()[:1] in (b"5", b"4", b"")
    with transaction(server) as raw:
        raw.say(b"DATA")
        raw.send(b"X-Field: y\r\n" * 100_000 + b"Long: " + b"z" * (1 << 20) + b"\r\n\r\nbody\r\n")
        assert raw.say(b".")[:1] in b"25"
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        raw.say(b"MAIL FROM:<a@example.org>")
        answers = [raw.say(b"RCPT TO:<ann@example.org>") for _ in range(1500)]
        taken = sum(a.startswith(b"250") for a in answers)
        assert taken >= 100 and answers[-1].startswith((b"452", b"421", b"")), (taken, answers[-1])
    assert memory_of(server) - before < 64 << 20
    honest_mail_passes(server)


@pytest.mark.parametrize("command", [b"FOO", b"NOOP", b"RCPT TO:<nobody@example.org>", b"VRFY x"])
def test_floods_end(make_server, command):
    server = make_server(main={"smtpd_error_sleep_time": "0", "smtpd_junk_command_limit": "100", "mynetworks": "192.0.2.0/24"})
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        raw.say(b"MAIL FROM:<a@example.org>")
        codes = []
        for _ in range(3000):
            answer = raw.say(command)
            codes.append(answer[:3])
            if not answer or answer.startswith(b"421"):
                break
        assert codes[-1] in (b"421", b""), (len(codes), codes[-1])
    honest_mail_passes(server)


def test_unread_replies_hold_the_writer_back(server):
    before = memory_of(server)
    with Raw(server.port) as raw:
        raw.socket.settimeout(2)
        sent = 0
        try:
            for _ in range(512):
                raw.socket.sendall(b"HELP\r\n" * 10000)
                sent += 60000
        except (TimeoutError, socket.timeout, OSError):
            pass
        assert memory_of(server) - before < 32 << 20
        honest_mail_passes(server)


def test_many_idle_connections_leave_room_for_others(make_server):
    server = make_server(main={"smtpd_client_connection_count_limit": "20", "mynetworks": "192.0.2.0/24"})
    held = [Raw(server.port, greet=False) for _ in range(150)]
    answers = [raw.line()[:3] for raw in held]
    assert answers.count(b"220") == 20 and answers.count(b"421") == 130
    for raw in held:
        raw.close()
    for _ in range(200):
        raw = socket.create_connection(("127.0.0.1", server.port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()

    def served():
        with Raw(server.port, greet=False) as raw:
            return raw.line().startswith(b"220")
    wait_for(served)
    honest_mail_passes(server)


@pytest.mark.parametrize("verb", [b"WIZ", b"DEBUG", b"SHELL", b"TURN", b"SEND FROM:<a@b>", b"SOML FROM:<a@b>", b"SAML FROM:<a@b>", b"KILL", b"ETRN example.org' OR 1=1;--",
                                  b"EXPN ann", b"AUTH PLAIN AGFubgBwdw==", b"XCLIENT ADDR=10.0.0.1", b"XFORWARD ADDR=10.0.0.1"])
def test_old_and_foreign_verbs(strangers_server, verb):
    with Raw(strangers_server.port) as raw:
        raw.say(b"EHLO a")
        assert raw.say(verb)[:1] in (b"5", b"4"), verb


RELAY_TRICKS = [b"user%elsewhere.example@example.org", b"elsewhere.example!user@example.org", b'"user@elsewhere.example"@example.org', b"@example.org:user@elsewhere.example",
                b"user@[10.1.2.3]", b"user@elsewhere.example.", b'"user@elsewhere.example"', b"user%elsewhere.example", b"elsewhere.example!user", b"user@elsewhere.example@example.org",
                b"ann@example.org@elsewhere.example", b"user@elsewhere.example%example.org", b"user::elsewhere@example.org", b'"ann@example.org"@elsewhere.example',
                b"user@localhost", b"user@[127.0.0.1]", b"@elsewhere.example,@example.org:user@elsewhere.example", b"user@ELSEWHERE.example", b'"user%elsewhere.example"@example.org']


@pytest.mark.parametrize("recipient", RELAY_TRICKS)
@pytest.mark.parametrize("sender", [b"", b"ann@example.org", b"root@mail.example.com", b"postmaster"])
def test_no_open_relay_whatever_the_sender_claims(strangers_server, recipient, sender):
    with Raw(strangers_server.port) as raw:
        raw.say(b"EHLO localhost")
        if not raw.say(b"MAIL FROM:<" + sender + b">").startswith(b"250"):
            return
        answer = raw.say(b"RCPT TO:<" + recipient + b">")
        assert answer[:1] in (b"5", b"4"), answer


@pytest.mark.parametrize("local_part", [b'"|touch owned"', b'"/tmp/owned"', b'":include:/etc/passwd"', b"${run{x}}", b"$(touch${IFS}owned)", b"`touch$IFS`", b"a;touch", b"%s%n",
                                        b"../../etc/passwd", b"%2e%2e%2fetc", b'"../ann"', b'"/etc/passwd"', b"~root", b"-oQ/tmp", b'"ann/../bob"', b'"."', b'".."', b"x" * 64])
def test_addresses_are_never_expanded(shared_server, local_part):
    server = shared_server
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        assert raw.say(b"MAIL FROM:<" + local_part + b"@elsewhere.example>")[:3] in (b"250", b"501", b"553")
        raw.say(b"RSET")
        raw.say(b"MAIL FROM:<a@example.org>")
        assert raw.say(b"RCPT TO:<" + local_part + b"@example.org>")[:1] == b"5"


@pytest.mark.parametrize("address, with_parameter", [(b"gr\xc3\xbc\xc3\x9fe@example.org", False), (b"\xc0\xafx@example.org", True), (b"\xed\xa0\x80@example.org", True),
                                                     (b"\xf8\x88\x80\x80\x80@example.org", True), (b"\xc3@example.org", True), (b"a@\xffexample.org", True)])
def test_utf8_only_when_asked_and_only_valid(shared_server, address, with_parameter):
    server = shared_server
    with Raw(server.port) as raw:
        raw.say(b"EHLO a")
        assert raw.say(b"MAIL FROM:<" + address + b">" + (b" SMTPUTF8" if with_parameter else b""))[:1] == b"5"


def test_mail_loops_end(make_server):
    server = make_server(main={"virtual_alias_maps": "inline:{ {a@example.org=b@example.org}, {b@example.org=a@example.org} }"}, users=("ann", "bob", "a", "b"))
    with transaction(server) as raw:
        raw.say(b"DATA")
        answer = raw.say(b"".join(b"Received: from a by b; Mon, 23 Nov 2026 10:00:00 +0000\r\n" for _ in range(150)) + b"\r\nx\r\n.")
        assert answer.startswith(b"554 5.4") or answer.startswith(b"550"), answer
    with transaction(server, b"a@example.org") as raw:
        raw.say(b"DATA")
        raw.say(HONEST + b".")
    honest_mail_passes(server)


@pytest.mark.parametrize("header", [
    b"From: " + b"(" * 50_000 + b"\r\n", b"From: " + b"a@example.org, " * 100_000 + b"b@example.org\r\n", b"From: " + b"g:" * 20_000 + b";\r\n",
    b"References: " + b"<a@b>\r\n " * 50_000 + b"\r\n", b"Content-Type: text/plain" + b"".join(b";\r\n x*%d*=a" % n for n in range(30_000)) + b"\r\n",
    b"Subject: " + b"=?utf-8?q?a?= " * 30_000 + b"\r\n", b"__proto__: x\r\n%s%n: %s\r\n${run{x}}: y\r\n", b"From : x\r\n from: y\r\n: z\r\n\x00: n\r\n",
    b"DKIM-Signature: " + b"a=b;" * 50_000 + b"\r\n", b"".join(b"DKIM-Signature: v=1; d=x%d.example; s=s; a=rsa-sha256; h=from; b=YQ==; bh=YQ==\r\n" % n for n in range(500)),
    b"".join(b"ARC-Seal: i=%d; cv=pass; d=x.example; s=s; a=rsa-sha256; b=YQ==\r\n" % n for n in range(300)),
    b"".join(b"Authentication-Results: mail.example.com; spf=pass (x\r\n" for _ in range(20_000)), b"Authentication-Results: " + b"(" * 50_000 + b"mail.example.com; dkim=pass\r\n",
    b"From: " + b'"' * 50_000 + b"\r\n", b"Received: " + b"(\\" * 50_000 + b"\r\n"], ids=short)
def test_crafted_headers_take_bounded_time(checking_server, header):
    server = checking_server
    with transaction(server) as raw:
        raw.socket.settimeout(60)
        raw.say(b"DATA")
        answer = raw.say(header + b"From: ann@example.org\r\nSubject: x\r\n\r\nbody\r\n.")
        assert answer[:1] in (b"2", b"5"), answer
    honest_mail_passes(server)


@pytest.mark.parametrize("body", [
    b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000)), b"Content-Type: message/rfc822\r\n\r\n" * 3000,
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000,
    b"Content-Type: multipart/mixed; boundary=bbbb\r\n\r\n" + b"".join(b"--" + b"b" * n + b"\r\n" for n in range(1, 2000))], ids=short)
def test_nested_and_many_parts(checking_server, body):
    with transaction(checking_server) as raw:
        raw.socket.settimeout(60)
        raw.say(b"DATA")
        assert raw.say(b"From: ann@example.org\r\nMIME-Version: 1.0\r\n" + body + b"\r\n.")[:1] in (b"2", b"5")
    honest_mail_passes(checking_server)


@pytest.mark.parametrize("header", [b"PROXY TCP4 10.0.0.1 10.0.0.2 70000 25\r\n", b"PROXY TCP4 " + b"9" * 200 + b"\r\n", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x02ab",
                                    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + b"x" * 100, b"PROXY UNKNOWN" + b" x" * 100 + b"\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + b"\x00" * 12])
def test_damaged_proxy_headers(make_server, header):
    server = make_server(main={"smtpd_upstream_proxy_protocol": "haproxy", "smtpd_upstream_proxy_timeout": "2s"}, start=False)
    server.start(wait=False)
    def connected():
        try:
            return Raw(server.port, greet=False)
        except OSError:
            return None
    raw = wait_for(connected)
    raw.send(header + b"EHLO a\r\n")
    assert b"250" not in b"".join(raw.rest())
    with wait_for(connected) as honest:
        honest.send(b"PROXY TCP4 127.0.0.1 127.0.0.1 1000 25\r\n")
        assert honest.reply().startswith(b"220")


def test_control_and_pickup_sockets_survive_garbage(server):
    sockets = [path for path in server.spool.rglob("*") if path.is_socket()] + [path for path in (server.directory / "data").rglob("*") if path.is_socket()]
    assert sockets
    for path in sockets:
        for garbage in (b"\x00" * 1000, b"\xff" * 100_000, b"{" * 100_000 + b"\n", b"GET / HTTP/1.0\r\n\r\n", b'{"verb":"delete"}\n', b"\n" * 10_000, b"9" * 100_000 + b"\n"):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(3)
                try:
                    client.connect(str(path))
                    client.sendall(garbage)
                    client.shutdown(socket.SHUT_WR)
                    client.recv(4096)
                except OSError:
                    pass
    honest_mail_passes(server)


def test_the_control_socket_is_not_for_everybody(server):
    sockets = [path for folder in (server.spool, server.directory / "data") for path in folder.rglob("*control*") if path.is_socket()]
    assert sockets
    for path in sockets:
        assert path.stat().st_mode & 0o006 == 0, f"{path} is open to everybody"


def test_replies_and_headers_tell_no_more_than_needed(server):
    with Raw(server.port, greet=False) as raw:
        banner = raw.line()
        help_text = raw.say(b"HELP")
        for text in (banner, help_text):
            assert not re.search(rb"\d+\.\d+\.\d+(?!\.)", re.sub(rb"^\d{3} \d\.\d\.\d", b"", text)), text
    honest_mail_passes(server)
    assert not re.search(rb"Postrider[ /]\d", server.messages("ann")[0])


# --- servers

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attack-tls")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=mail.example.com",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
    (folder / "key.pem").chmod(0o644)
    return folder


@pytest.fixture
def server_with_tls(make_server, certificate):
    return make_server(main={"smtpd_tls_security_level": "may", "smtpd_tls_cert_file": certificate / "cert.pem", "smtpd_tls_key_file": certificate / "key.pem"})


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attacked")
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def shared_server(module_folder):
    """One server for the cases that leave nothing behind."""
    with Postrider(module_folder / "shared", users=("ann", "bob", "eve")) as server:
        yield server


@pytest.fixture(scope="module")
def strangers_server(module_folder):
    with Postrider(module_folder / "strangers", main={"mynetworks": "192.0.2.0/24"}) as server:
        yield server


@pytest.fixture(scope="module")
def checking_server(module_folder):
    """Every check of the content is on; the DNS knows no name."""
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.1", 0))

    def answer():
        while True:
            question, client = names.recvfrom(4096)
            if len(question) < 12:
                return
            end = question.index(b"\0", 12) + 5
            names.sendto(question[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + question[12:end], client)

    threading.Thread(target=answer, daemon=True).start()
    port = names.getsockname()[1]
    with Postrider(module_folder / "checking", main={"sender_authentication": "mark", "dns_servers": f"127.0.0.1:{port}", "mynetworks": "192.0.2.0/24",
                                                     "message_size_limit": "50000000"}) as server:
        yield server
    names.sendto(b"", ("127.0.0.1", port))

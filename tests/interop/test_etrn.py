"""ETRN (RFC 1985): a host that was away has its mail sent; the dialogue beside a real Postfix's."""
import os, socket

import pytest
from conftest import need
from peers import PostfixPeer
from postrider_process import free_port, wait_for
from smtp_sinks import Sink

RULES = ("", "reject", "check_etrn_access inline:{relay.example=REJECT}", "inline:{{relay.example=DEFER}}", "check_client_access inline:{127.0.0.1=REJECT}",
         "check_helo_access inline:{a.example=REJECT}", "permit_mynetworks, reject", "reject_unauth_destination")
SAID = ["ETRN relay.example", "EHLO a.example", "ETRN", "ETRN a b", "ETRN relay.example", "ETRN @relay.example", "ETRN #relay.example", "ETRN sub.relay.example",
        "ETRN other.example", "ETRN [127.0.0.1]", "ETRN -bad-", "ETRN <relay.example>", "ETRN under_score.example", "MAIL FROM:<a@b.example>", "ETRN relay.example", "RSET"]


def dialogue(port):
    """The replies to what is SAID, without EHLO's."""
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        lines, out = s.makefile("rb"), []
        lines.readline()
        for command in SAID:
            s.sendall(command.encode() + b"\r\n")
            reply = [lines.readline()]
            while reply[-1][3:4] == b"-":
                reply.append(lines.readline())
            out.append((command, "offered" if b"250-ETRN\r\n" in reply else b"".join(reply).replace(b"unknown[", b"localhost[")))
        return out


@pytest.mark.skipif(os.getuid() != 0, reason="a private Postfix needs root")
def test_as_postfix_says_it(directory, make_server):
    """Each rule has a service of its own on either side."""
    need("master")
    main = {"relay_domains": "relay.example", "smtpd_helo_required": "yes", "smtpd_error_sleep_time": "0"}
    cases = [(rule, delay, free_port(), free_port()) for rule in RULES for delay in ("yes", "no")]
    service = "127.0.0.1:{port} inet n - n - - smtpd -o smtpd_delay_reject={delay} -o {{ smtpd_etrn_restrictions = {rule} }}"
    lines = [[service.format(port=ports[side], rule=rule, delay=delay) for rule, delay, *ports in cases] for side in (0, 1)]
    ours = make_server(main=main, start=False)
    ours.master += "".join(line + "\n" for line in lines[0])
    ours.start()
    with PostfixPeer(directory / "postfix", "[127.0.0.1]:1", main, services=lines[1]):
        for rule, delay, own, postfix in cases:
            assert dialogue(own) == dialogue(postfix), (rule, delay)


def test_what_waited_is_sent(make_server):
    """Only the mail for the domain asked for, however it is written; what is held stays."""
    port = free_port()
    server = make_server(main={"relay_domains": "relay.example", "relay_transport": f"smtp:[127.0.0.1]:{port}", "default_transport": f"smtp:[127.0.0.1]:{port}",
                               "minimal_backoff_time": "4000s", "maximal_backoff_time": "4000s"})
    with server.client() as c:
        c.ehlo("client.example.net")
        for to in ("bob@relay.example", "eve@sub.relay.example", "ann@elsewhere.example", "joe@Relay.example", "zoe@relay.example", "sam@third.relay.example"):
            c.sendmail("ann@example.net", [to], f"Subject: {to}\r\n\r\nhello\r\n")
    wait_for(lambda: server.run("queue", "--json", "--state", "deferred", "-c", server.config).stdout.count(b"queue_id") == 6)
    server.run("queue", "hold", "--recipient", "zoe@", "-c", server.config)
    with Sink(port=port) as sink, server.client() as c:
        assert c.docmd("ETRN", "elsewhere.example")[0] == 459
        assert c.docmd("ETRN", "@RELAY.example") == (250, b"Queuing started")
        wait_for(lambda: len(sink.contents) == 2)
        assert c.docmd("ETRN", "sub.relay.example")[0] == 250
        wait_for(lambda: len(sink.contents) == 3)
        server.run("postqueue", "-s", "Third.relay.example", "-c", server.config)
        wait_for(lambda: len(sink.contents) == 4)
    subjects = sorted(line for content in sink.contents for line in content.splitlines() if line.startswith(b"Subject: "))
    assert subjects == [b"Subject: bob@relay.example", b"Subject: eve@sub.relay.example", b"Subject: joe@Relay.example", b"Subject: sam@third.relay.example"]
    left = server.run("queue", "list", "-c", server.config).stdout
    assert b"zoe@relay.example" in left and b"ann@elsewhere.example" in left
    server.wait_log(r"reject: ETRN elsewhere\.example from")

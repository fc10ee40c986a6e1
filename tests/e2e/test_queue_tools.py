"""The queue tools beside a private Postfix's: output, exit statuses, and a queue whose server is down."""
import json, os, re, smtplib, subprocess

import pytest
from conftest import need
from postrider_process import BINARY, free_port, wait_for
from peers import PostfixPeer

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a private Postfix needs root")
MAILS = (("ann@x.example", ["a@far.example", "b@far.example"], b"Subject: one\r\n\r\nhello\r\nworld\r\n"),
         ("", ["c@far.example"], b"Subject: two\r\n\r\n" + b"x" * 900 + b"\r\n"))
REASON = re.compile(r"^ +\(.*\)$", re.M)


class Tools:
    """Calls a queue tool of either."""

    def __init__(self, postfix, directory):
        self.postfix, self.directory = postfix, directory

    def __call__(self, name, *arguments, stdin=None):
        command = [name, "-c", str(self.directory), *arguments] if self.postfix else [str(BINARY), name, "-c", str(self.directory), *arguments]
        if name == "mailq" and self.postfix:
            command = ["mailq", "-C", str(self.directory), *arguments]
        environment = dict(os.environ, MAIL_CONFIG=str(self.directory))
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, env=environment)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


def same_shape(text):
    """Ids, sizes, dates and reasons are each one's own."""
    text = re.sub(r"\b[0-9A-Za-z]{12,20}\b(?=[*! ])", lambda m: "I" * 15, text)
    text = re.sub(r"\(active|deferred\)", "deferred", text).replace("*", " ")
    text = re.sub(r" +\d+ (?=\w{3} \w{3} [ \d]\d )", " SIZE ", text)
    text = re.sub(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d", "DATE", text)
    return re.sub(r"-- \d+ Kbytes", "-- N Kbytes", REASON.sub("(reason)", text))


@pytest.fixture
def both(directory, make_server):
    need("master")
    closed = free_port()
    ours = make_server(main={"relayhost": f"[127.0.0.1]:{closed}", "minimal_backoff_time": "1000s"})
    postfix = PostfixPeer(directory / "postfix", f"[127.0.0.1]:{closed}", {"enable_long_queue_ids": "yes", "minimal_backoff_time": "1000s"})
    with postfix:
        for port in (ours.port, postfix.port):
            with smtplib.SMTP("127.0.0.1", port) as c:
                for sender, to, content in MAILS:
                    c.sendmail(sender, to, content)
        tools = Tools(False, ours.config), Tools(True, postfix.directory / "etc")
        for tool in tools:
            wait_for(lambda: tool("postqueue", "-p")[1].count("(connect to 127.0.0.1") + tool("postqueue", "-p")[1].count("suspended") >= 2, step=0.2)
            wait_for(lambda: tool("postqueue", "-j")[1].count('"queue_name": "deferred"') == 2, step=0.2)
        yield ours, *tools


def ids(tool):
    return [json.loads(line)["queue_id"] for line in tool("postqueue", "-j")[1].splitlines()]


def by_sender(text):
    """The blocks of a listing in one order."""
    first, *blocks = text.split("\n", 1)[1].split("\n\n")
    return text.split("\n", 1)[0], sorted([first, *blocks[:-1]], key=lambda b: b.split("\n")[0].split()[-1]), blocks[-1]


def test_listings_look_as_postfixs(both):
    _, ours, theirs = both
    for command in (("postqueue", "-p"), ("mailq",)):
        (status, mine, errors), (expected, other, _) = ours(*command), theirs(*command)
        assert (status, errors) == (expected, "") == (0, "")
        assert by_sender(same_shape(mine)) == by_sender(same_shape(other))
    lines = [[json.loads(line) for line in tool("postqueue", "-j")[1].splitlines()] for tool in (ours, theirs)]
    shapes = [sorted((m["sender"], m["queue_name"], [r["address"] for r in m["recipients"]], sorted(m), sorted(m["recipients"][0])) for m in each)
              for each in lines]
    assert shapes[0] == shapes[1]
    assert [re.sub(r'("queue_id"|"arrival_time"|"message_size"|"delay_reason"): [^,}]*', r"\1", line)[:60] for line in ours("postqueue", "-j")[1].splitlines()] \
        and ours("postqueue", "-j")[1].startswith('{"queue_name": "deferred", "queue_id": "')


@pytest.mark.parametrize("arguments", [
    ("postsuper", "-h", "3Xyz000000000"), ("postsuper", "-d", "3Xyz000000000"), ("postsuper", "-d", "!!!"), ("postsuper", "-d"), ("postsuper",),
    ("postsuper", "-x"), ("postsuper", "-d", "ALL", "nosuch"), ("postsuper", "-p"), ("postsuper", "-s"), ("postsuper", "-h", "ALL", "hold"),
    ("postqueue",), ("postqueue", "-x"), ("postqueue", "-i", "!!"), ("postqueue", "-i", "3Xyz000000000"), ("postqueue", "-f"),
    ("postcat", "-q", "nosuch"), ("postcat", "-q")])
def test_odd_calls_end_as_postfixs(both, arguments):
    _, ours, theirs = both
    mine, other = ours(*arguments), theirs(*arguments)
    if "suspended" in mine[2]:
        pytest.fail(mine[2])
    assert mine == other


def test_postsuper_speaks_as_postfixs(both):
    _, ours, theirs = both
    chosen = [next(m["queue_id"] for m in map(json.loads, tool("postqueue", "-j")[1].splitlines()) if m["queue_name"] == "deferred") for tool in (ours, theirs)]
    def one_by_one(letter):
        said = [(tool("postsuper", letter, one), one) for tool, one in zip((ours, theirs), chosen)]
        mine, other = ((status, out, errors.replace(one, "ID")) for (status, out, errors), one in said)
        assert mine == other, letter
        at_rest()

    def at_rest():
        wait_for(lambda: '"queue_name": "active"' not in ours("postqueue", "-j")[1], step=0.2)  # what was released is tried at once

    for letter in ("-h", "-H", "-h", "-H"):
        one_by_one(letter)
    for tool in (ours, theirs):
        wait_for(lambda: tool("postqueue", "-j")[1].count('"deferred"') == 2, step=0.2)
    for arguments in (("-h", "ALL"), ("-H", "ALL", "hold"), ("-h", "ALL", "deferred"), ("-h", "ALL", "active")):
        mine, other = ours("postsuper", *arguments), theirs("postsuper", *arguments)
        assert mine == other, arguments
        at_rest()
    one_by_one("-r")  # from where Postfix takes the message through its maildrop anew
    assert theirs("postsuper", "-d", "ALL", "hold") == (0, "", "postsuper: Deleted: 1 message\n")
    for arguments, count in ((("-d", "ALL", "hold"), "1 message"), (("-d", "ALL"), "1 message"), (("-d", "ALL"), "0 messages")):
        assert ours("postsuper", *arguments) == (0, "", f"postsuper: Deleted: {count}\n")
    assert ours("postqueue", "-p") == (0, "Mail queue is empty\n", "")


def test_postcat(both):
    _, ours, _ = both
    one = next(m for m in map(json.loads, ours("postqueue", "-j")[1].splitlines()) if m["sender"] == "ann@x.example")["queue_id"]
    whole = ours("postcat", "-q", one)[1]
    assert re.match(rf"\*\*\* ENVELOPE RECORDS deferred/{one} \*\*\*\nmessage_size: +\d+ +0 +2 ", whole)
    assert "\nsender: ann@x.example\n" in whole and "\noriginal_recipient: a@far.example\nrecipient: a@far.example\n" in whole
    assert whole.endswith(f"\nSubject: one\n\nhello\nworld\n*** HEADER EXTRACTED deferred/{one} ***\n*** MESSAGE FILE END deferred/{one} ***\n")
    header, body, both_parts = (ours("postcat", flag, one)[1] for flag in ("-hq", "-bq", "-bhq"))
    assert header.endswith("\nSubject: one\n") and body == "\nhello\nworld\n" and both_parts == header + body
    assert "hello" not in ours("postcat", "-eq", one)[1]


def test_a_queue_whose_server_is_down_is_read_only(both):
    server, ours, _ = both
    before = sorted(ids(ours))
    listing = ours("postqueue", "-p")[1]
    server.stop()
    files = sorted(p.name for p in (server.spool / "postrider").iterdir())
    status, text, errors = ours("postqueue", "-p")
    assert (status, text) == (0, listing) and errors == "postqueue: warning: Mail system is down -- accessing queue directly, to read only\n"
    assert sorted(ids(ours)) == before
    assert ours("postcat", "-bq", before[0])[1].startswith("\n") and ours("postcat", "-q", "3Xyz000000000")[0] == 1
    assert "-- " in ours("queue", "list")[1] and json.loads(ours("queue", "show", before[0], "--json")[1])["content"]
    for command in (("postqueue", "-f"), ("postsuper", "-d", "ALL"), ("queue", "delete", "ALL"), ("queue", "hold", "--sender", "ann")):
        status, _, errors = ours(*command)
        assert status != 0 and "not running" in errors, command
    assert sorted(p.name for p in (server.spool / "postrider").iterdir()) == files, "reading changes nothing"
    server.start()
    assert sorted(ids(ours)) == before


def test_filters_dry_runs_and_counts(both):
    _, ours, _ = both
    status, text, errors = ours("queue", "delete", "--recipient", "c@far", "--dry-run")
    assert status == 0 and len(text.split()) == 1 and "would delete 1 message" in errors and len(ids(ours)) == 2
    told = json.loads(ours("queue", "delete", "--older", "1h", "--dry-run", "--json")[1])
    assert told == {"action": "delete", "dry_run": True, "ids": [], "count": 0}
    for filters, count in ((("--sender", "MAILER"), 1), (("--sender", "ann@"), 1), (("--destination", "far.example"), 2), (("--destination", "example"), 0),
                           (("--reason", "127.0.0.1"), 2), (("--newer", "1h"), 2), (("--older", "1h"), 0), (("--state", "hold"), 0)):
        assert json.loads(ours("queue", "hold", *filters, "--dry-run", "--json")[1])["count"] == count, filters
    assert json.loads(ours("queue", "hold", "--sender", "ann@", "--json")[1]) == {"action": "hold", "count": 1}
    assert json.loads(ours("queue", "delete", "--state", "hold", "--yes", "--json")[1])["count"] == 1
    assert len(ids(ours)) == 1 and ours("queue", "delete")[0] == 64 and ours("queue", "hold", "--older", "x")[0] == 64


def test_a_person_is_asked_before_mail_is_lost(both):
    import pty
    server, ours, _ = both
    for answer, left in ((b"n\n", 2), (b"y\n", 0)):
        terminal, other = pty.openpty()
        process = subprocess.Popen([str(BINARY), "queue", "delete", "ALL", "-c", str(server.config)], stdin=other, stdout=other, stderr=other)
        os.close(other)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(terminal, 1024)
        assert b"delete 2 messages for good? " in said
        os.write(terminal, answer)
        process.wait(30)
        os.close(terminal)
        assert len(ids(ours)) == left


def test_expired_mail_returns(make_server):
    server = make_server(main={"relayhost": f"[127.0.0.1]:{free_port()}", "minimal_backoff_time": "1000s"})
    with server.client() as c:
        c.sendmail("ann@example.org", ["x@far.example"], "Subject: x\r\n\r\nx\r\n")
    ours = Tools(False, server.config)
    wait_for(lambda: '"queue_name": "deferred"' in ours("postqueue", "-j")[1], step=0.2)
    (one,) = ids(ours)
    ours("postsuper", "-h", one)
    status, _, errors = ours("postsuper", "-f", one)
    assert status == 0 and errors == f"postsuper: {one}: expired\npostsuper: Force-expired: 1 message\npostsuper: {one}: released from hold\n" \
                                     "postsuper: Released from hold: 1 message\n"
    assert b"multipart/report" in server.wait_messages("ann", 1)[0]
    server.wait_log(rf"{one}: from=<ann@example\.org>, status=expired, returned to sender")

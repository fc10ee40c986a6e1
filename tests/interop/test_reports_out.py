"""DMARC reports in an internet in a box: mail comes in from many places, the day's aggregate reports go out to those who
asked, each once; they fit the schema, are signed, and say what the log says."""
import collections, email, gzip, json, os, pathlib, random, re, smtplib, subprocess

import pytest
from conftest import need
from postrider_process import ROOT, wait_for
from box import NAME_SERVER, NETWORK, OURS, Box, namespace

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="network namespaces need root")
SCHEMA = pathlib.Path(__file__).with_name("aggregate_report.xsd")
GOOD, BAD = f"{NETWORK}.3", f"{NETWORK}.4"
MESSAGES = 120
ZONE = f"""
mail       A {NETWORK}.2
author     MX 10 mail
author     TXT "v=spf1 ip4:{GOOD} -all"
sub.author TXT "v=spf1 ip4:{GOOD} -all"
_dmarc.author TXT "v=DMARC1; p=reject; sp=none; rua=mailto:reports@author.test"
pct        TXT "v=spf1 ip4:{GOOD} -all"
pct        MX 10 mail
_dmarc.pct TXT "v=DMARC1; p=quarantine; pct=50; rua=mailto:r@third.test, mailto:victim@nobody.test, mailto:small@pct.test!1k"
third      MX 10 mail
pct.test._report._dmarc.third TXT "v=DMARC1"
nobody     MX 10 mail
trial      TXT "v=spf1 -all"
trial      MX 10 mail
_dmarc.trial TXT "v=DMARC1; p=reject; t=y; rua=mailto:reports@trial.test"
silent     TXT "v=spf1 -all"
_dmarc.silent TXT "v=DMARC1; p=none"
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    need("nsd")
    with Box(tmp_path_factory.mktemp("box"), {"test": ZONE}) as made:
        made.hosts({f"{NETWORK}.2": "keep"})
        yield made


@pytest.fixture
def ours(box, make_server):
    def make(main=None, **kw):
        key = box.directory / "reports.pem"
        server = make_server(start=False, main={
            "dns_servers": NAME_SERVER, "myhostname": "us.test", "mydomain": "us.test", "inet_protocols": "ipv4", "sender_authentication": "enforce",
            "mynetworks": "127.0.0.0/8", "smtpd_client_event_limit_exceptions": "static:all", "dmarc_reporting": "yes",
            "dmarc_report_sender": "dmarc@us.test", "dmarc_report_org_name": "Us & co", "dmarc_report_address": "reports@example.org",
            "smtp_connect_timeout": "3s", **(main or {})}, users=("ann", "bob", "reports"), **kw)
        if not key.exists():
            made = server.run("dkim", "keygen", "--domain", "us.test", "--selector", "r", "--out", key, "--json")
            (box.directory / "record").write_text(json.loads(made.stdout)["record"])
            key.chmod(0o644)
            for folder in [key.parent, *key.parent.parents][:4]:
                folder.chmod(folder.stat().st_mode | 0o711)
        server.settings.setdefault("dkim_signing_keys", f"us.test:r:{key}")
        server.port = 2525
        server.master = f"{OURS}:2525 inet n - n - - smtpd\n"
        with namespace(box.ours):
            server.start(wait=False)
        wait_for(lambda: "daemon started" in server.log(), 30)
        return server
    return make


def hand_in(box, source, sender, author, to="ann@example.org", count=1):
    """The reply codes of `count` messages over one connection from `source`."""
    codes = []
    with namespace(box.net), smtplib.SMTP(OURS, 2525, local_hostname="client.test", source_address=(source, 0), timeout=30) as c:
        for i in range(count):
            try:
                c.sendmail(sender, [to], f"From: someone@{author}\r\nSubject: {i}\r\n\r\nhello\r\n")
                codes.append(250)
            except smtplib.SMTPDataError as e:
                codes.append(e.smtp_code)
    return codes


def parsed(server, octets):
    return json.loads(server.run("reports", "parse", "-", "--json", stdin=octets).stdout)["reports"][0]


def counted(report):
    out = collections.Counter()
    for row in report["records"]:
        out[row["header_from"], "none" if row["disposition"] == "pass" else row["disposition"]] += row["count"]
    return out


def logged(server, *authors):
    """What the log says of each message: how often each author's mail was done what."""
    out = collections.Counter()
    for author, disposition in re.findall(r"dmarc=\S+ from=(\S+) policy=\S+ disposition=(\S+)", server.log()):
        if author in authors:
            out[author, disposition] += 1
    return out


def attachment(message):
    (part,) = [p for p in message.walk() if p.get_content_type() == "application/gzip"]
    return part.get_filename(), gzip.decompress(part.get_payload(decode=True))


def test_reports_go_out(box, ours):
    need("xmllint")
    server = ours()
    dice = random.Random(3)
    for _ in range(MESSAGES // 10):
        author = dice.choice(["author.test", "author.test", "sub.author.test", "pct.test", "trial.test", "silent.test"])
        codes = hand_in(box, dice.choice([GOOD, BAD]), dice.choice(["", f"x@{author}", "x@nobody.test"]), author, count=10)
        assert set(codes) <= {250, 550}
    hand_in(box, GOOD, "x@author.test", "author.test")
    hand_in(box, BAD, "x@author.test", "author.test")
    hand_in(box, BAD, "x@pct.test", "pct.test", count=40)
    hand_in(box, BAD, "x@trial.test", "trial.test")
    # What is sent to our own report mailbox is verified, and not reported.
    def verified():
        return server.log().count(" disposition=")
    wait_for(lambda: verified() == MESSAGES + 43)
    before = logged(server, "author.test")
    assert hand_in(box, GOOD, "x@author.test", "author.test", to="reports@example.org") == [250]
    wait_for(lambda: verified() == MESSAGES + 44)
    uncounted = logged(server, "author.test") - before
    assert sum(uncounted.values()) == 1

    shown = [json.loads(line) for line in server.run("-c", server.config, "reports", "send", "--dry-run", "--json").stdout.splitlines()]
    assert {r["domain"] for r in shown} == {"author.test", "pct.test", "trial.test"}  # silent.test asks for none
    done = json.loads(server.run("-c", server.config, "reports", "send", "--now", "--json").stdout)
    assert done == {"sent": 3, "later": 0, "dropped": 0}
    got = wait_for(lambda: (lambda a: a if len(a) >= 3 else None)(box.arrived()), 30)
    by_recipient = {m["to"][0]: m for m in got}
    # An address elsewhere that did not allow it, and one that takes less than it has, get nothing.
    assert set(by_recipient) == {"reports@author.test", "r@third.test", "reports@trial.test"}

    for recipient, authors in (("reports@author.test", ("author.test", "sub.author.test")), ("r@third.test", ("pct.test",)), ("reports@trial.test", ("trial.test",))):
        arrived = by_recipient[recipient]
        assert arrived["from"] == ""
        content = arrived["content"].encode("latin-1")
        message = email.message_from_bytes(content)
        name, xml = attachment(message)
        ours_said = parsed(server, content)
        assert counted(ours_said) == logged(server, *authors) - (uncounted if "author.test" in authors else collections.Counter()), recipient
        assert [r for r in shown if r["domain"] == authors[0]][0]["records"] == ours_said["records"]
        # RFC 9990 3.5.2: file name and subject.
        assert name == f"us.test!{authors[0]}!{ours_said['begin']}!{ours_said['end']}.xml.gz"
        assert re.fullmatch(r"Report Domain: (\S+)\s+Submitter: us\.test\s+Report-ID: <(\S+)>", message["Subject"]).groups() == (authors[0], ours_said["report_id"])
        file = box.directory / "report.xml"
        file.write_bytes(xml)
        checked = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", str(SCHEMA), str(file)], capture_output=True)
        assert checked.returncode == 0, checked.stderr.decode() + xml.decode()
        assert parsed(server, xml) == ours_said and ours_said["org_name"] == "Us & co"
        dkim = pytest.importorskip("dkim")
        record = (box.directory / "record").read_bytes()
        assert dkim.verify(content, dnsfunc=lambda n, timeout=5: record)

    # What was published, what was done, and why that differs.
    pct = parsed(server, by_recipient["r@third.test"]["content"].encode())
    assert pct["policy"]["p"] == "quarantine"
    for row in pct["records"]:
        failed = row["dkim"] == row["spf"] == "fail"
        assert (row["disposition"] == "none") == bool(failed and row.get("reasons")) or not failed, row
        if row.get("reasons"):
            assert row["reasons"] == [{"type": "other", "comment": "pct=50: left out of the sample"}]
    trial = parsed(server, by_recipient["reports@trial.test"]["content"].encode())
    assert trial["policy"]["testing"] == "y" and {r["disposition"] for r in trial["records"]} == {"quarantine"}
    assert all(r["reasons"] == [{"type": "policy_test_mode"}] for r in trial["records"])
    sub = [r for r in parsed(server, by_recipient["reports@author.test"]["content"].encode())["records"] if r["header_from"] == "sub.author.test"]
    assert all(r["disposition"] == "none" for r in sub)

    sent = [json.loads(line) for line in server.run("-c", server.config, "reports", "sent", "--json").stdout.splitlines()]
    outcomes = {one["address"]: one for s in sent for one in s["to"]}
    assert "no \"v=DMARC1\" at" in outcomes["victim@nobody.test"]["problem"] and "more than the 1024" in outcomes["small@pct.test"]["problem"]
    server.wait_log(outcomes["r@third.test"]["queue_id"])
    assert b"author.test" in server.run("-c", server.config, "reports", "sent", "--domain", "author.test").stdout

    # Nothing is sent twice; what comes now is a new period's.
    assert json.loads(server.run("-c", server.config, "reports", "send", "--now", "--json").stdout) == {"sent": 0, "later": 0, "dropped": 0}
    hand_in(box, GOOD, "x@author.test", "author.test")
    (next_one,) = [json.loads(line) for line in server.run("-c", server.config, "reports", "send", "--dry-run", "--json").stdout.splitlines()]
    assert next_one["begin"] > max(s["end"] for s in sent) and next_one["messages"] == 1
    assert len(box.arrived()) == 3

"""Reports that come to dmarc_report_address: read into the history, delivered as any other mail; hostile ones do no harm."""
import datetime, gzip, io, json, time, zipfile
from email.message import EmailMessage

from name_server import NameServer
from postrider_process import wait_for

MAIN = {"dmarc_report_address": "reports@example.org, second@example.org", "virtual_alias_maps": "inline:{{reports@example.org=ann@example.org}}",
        "message_size_limit": "60000000"}
DAY = 86400
BEGIN = (int(time.time()) // DAY - 40) * DAY  # within the history, and outside the last 30 days
FIRST, SECOND = (datetime.datetime.fromtimestamp(BEGIN + d * DAY, datetime.timezone.utc).strftime("%Y-%m-%d") for d in (0, 1))


def xml(report_id="r1", domain="example.org", begin=BEGIN, rows=(("192.0.2.1", 5, "pass", "pass"), ("203.0.113.9", 3, "fail", "fail")), org="reporter.example"):
    records = "".join(f"""<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>{'none' if dkim == 'pass' else 'reject'}</disposition>
<dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row><identifiers><header_from>{domain}</header_from></identifiers>
<auth_results><spf><domain>{domain}</domain><result>none</result></spf></auth_results></record>""" for ip, count, dkim, spf in rows)
    return f"""<?xml version="1.0"?><feedback><report_metadata><org_name>{org}</org_name><email>dmarc@{org}</email><report_id>{report_id}</report_id>
<date_range><begin>{begin}</begin><end>{begin + DAY - 1}</end></date_range></report_metadata><policy_published><domain>{domain}</domain><p>reject</p></policy_published>
{records}</feedback>""".encode()


def mail(content, kind="gzip", name="reporter.example!example.org!1700006400!1700092799.xml.gz"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "dmarc@reporter.example", "reports@example.org", "Report Domain: example.org"
    message.set_content("A report.\n")
    message.add_attachment(content, maintype="application", subtype=kind, filename=name)
    return message.as_bytes().replace(b"\n", b"\r\n")


def zipped(content, count=1):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for i in range(count):
            z.writestr(f"{i}.xml", content)
    return out.getvalue()


def send(server, content, to="reports@example.org"):
    with server.client() as c:
        c.sendmail("dmarc@reporter.example", [to], content)


def reports(server, *words):
    return [json.loads(line) for line in server.run("-c", server.config, "reports", *words, "--json").stdout.splitlines()]


def test_received_reports_are_shown(make_server):
    server = make_server(main=MAIN, users=("ann", "second"))
    assert b"No aggregate reports" in server.run("-c", server.config, "reports").stdout
    send(server, mail(gzip.compress(xml())))
    send(server, mail(zipped(xml("r2", begin=BEGIN + DAY, rows=[("192.0.2.1", 100, "pass", "fail")])), "zip", "r.zip"), "second@example.org")
    send(server, mail(gzip.compress(xml())))  # the same again
    send(server, mail(gzip.compress(xml("other", "example.net", org="else.example"))))
    assert len(server.wait_messages("ann", 3)) == 3 and len(server.wait_messages("second", 1)) == 1  # delivered all the same
    got = reports(server)
    assert sorted((r["report_id"], r["policy"]["domain"]) for r in got) == [("other", "example.net"), ("r1", "example.org"), ("r2", "example.org")]
    assert {r["mail_dmarc"] for r in got} == {"unchecked"} and {r["mail_from"] for r in got} == {"dmarc@reporter.example"}
    server.wait_log(r"postrider/reports\[\d+\]: \S+: reports=0 known=1")
    page = server.run("-c", server.config, "reports", "--domain", "example.org").stdout.decode()
    assert f"example.org: 108 messages in 2 reports of 1 reporter, {FIRST} to {SECOND}; 97% passed; policy reject" in page and "example.net" not in page
    first, second = [line for line in page.splitlines() if line.startswith(("  192.0.2.1", "  203.0.113.9"))]
    assert first.split()[:6] == ["192.0.2.1", "example.org", "105", "4%", "yes", "pass"]
    assert second.split()[:8] == ["203.0.113.9", "example.org", "3", "no", "no", "FAIL", "3", "reject"]
    chart = [line.split() for line in page.splitlines() if line.startswith(("  " + FIRST, "  " + SECOND))]
    assert [c[:3] for c in chart] == [[FIRST, "8", "62%"], [SECOND, "100", "100%"]] and "x" in chart[0][3] and set(chart[1][3]) == {"#"}
    assert [r["report_id"] for r in reports(server, "--since", SECOND)] == ["r2"]
    assert reports(server, "--days", "30") == []
    send(server, mail(gzip.compress(xml("old", begin=1000000000))))
    server.wait_log(r"reports=0 known=0 too-old=1")
    # What is in the history is there after a restart; nothing is read twice.
    server.stop()
    server.start()
    assert len(reports(server)) == 3


def test_failure_and_tls_reports(make_server):
    server = make_server(main=MAIN)
    send(server, b"From: a@b.example\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n--x\r\n\r\nhi\r\n--x\r\n"
                 b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\nAuth-Failure: dmarc\r\nSource-IP: 192.0.2.77\r\n"
                 b"Reported-Domain: example.org\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: ann@example.org\r\nSubject: odd\x1b[31m\r\n\r\nx\r\n--x--\r\n")
    tls = {"organization-name": "Big", "report-id": "t1", "date-range": {"start-datetime": "2026-01-01T00:00:00Z", "end-datetime": "2026-01-01T23:59:59Z"},
           "policies": [{"policy": {"policy-type": "sts", "policy-domain": "example.org"}, "summary": {"total-successful-session-count": 7, "total-failure-session-count": 1}}]}
    send(server, mail(gzip.compress(json.dumps(tls).encode()), "tlsrpt+gzip", "t.json.gz"))
    server.wait_messages("ann", 2)
    (failure,) = reports(server, "failures", "--domain", "example.org")
    assert failure["source_ip"] == "192.0.2.77" and failure["header_from"] == "ann@example.org"
    assert reports(server, "failures", "--domain", "example.net") == []
    page = server.run("-c", server.config, "reports", "failures").stdout
    assert b"192.0.2.77" in page and b"\x1b" not in page
    (got,) = reports(server, "tls")
    assert got["policies"] == [{"type": "sts", "domain": "example.org", "successful": 7, "failed": 1}]
    assert b"example.org sts: 7 sessions over TLS, 1 failed" in server.run("-c", server.config, "reports", "tls").stdout
    summary = server.run("-c", server.config, "reports").stdout
    assert b"1 failure reports" in summary and b"1 TLS reports" in summary


def test_hostile_reports_do_no_harm(make_server):
    """Bombs, depth, floods of parts: delivered like any mail, refused as reports with a word in the log, and the server is as before."""
    server = make_server(main=MAIN)
    before = int(next(line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmHWM")).split()[1])
    bomb = gzip.compress(b" " * 200_000_000)
    entity = b'<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa">' + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)) + b"]>" + xml("e")
    many = EmailMessage()
    many["From"] = "x@y.example"
    for i in range(300):
        many.add_attachment(gzip.compress(xml(f"m{i}")), maintype="application", subtype="gzip", filename="r.gz")
    hostile = [mail(bomb), mail(zipped(b" " * 50_000_000, 4), "zip"), mail(gzip.compress(bomb)), mail(gzip.compress(b"<a>" * 5_000_000)),
               mail(gzip.compress(b"<feedback>" + b"<record>" * 500_000)), mail(gzip.compress(b"[" * 3_000_000)), mail(gzip.compress(entity)),
               mail(gzip.compress(b"\x00" * 100_000)), mail(b"PK\x03\x04" + b"\xff" * 50_000, "zip"), many.as_bytes().replace(b"\n", b"\r\n"), mail(b"\x1f\x8b" + b"\x08" * 20)]
    for one in hostile:
        send(server, one)
    server.wait_messages("ann", len(hostile), 90)
    got = {r["report_id"]: r for r in reports(server)}
    assert "e" in got and got["e"]["records"][0]["count"] == 5  # the entities are named, and mean nothing
    assert len(got) == 1 + 20  # of many reports in one mail only the first are read
    for words in ("unpacked it is larger than", "packed too often|unpacked it is larger", "pieces of markup", "too many reports in one mail"):
        server.wait_log(rf"postrider/reports\[\d+\]: \S+: report mail from .*({words})")
    peak = int(next(line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmHWM")).split()[1])
    assert peak - before < 400_000, f"{peak - before} KB more"


def test_unread_mail_is_read_after_a_crash(make_server):
    """Killed under load: every report that was answered 250 is in the history after the next start."""
    server = make_server(main=MAIN)
    accepted = []
    for round_ in range(4):
        with server.client() as c:
            for i in range(5):
                name = f"k{round_}.{i}"
                c.sendmail("dmarc@reporter.example", ["reports@example.org"], mail(gzip.compress(xml(name, rows=[("192.0.2.1", 1, "pass", "pass")] * 500))))
                accepted.append(name)
        server.kill()
        server.start()
    wait_for(lambda: {r["report_id"] for r in reports(server)} >= set(accepted), 60)
    wait_for(lambda: len(set(server.messages("ann"))) >= len(accepted), 60)  # some may be there twice


def test_history_is_bounded(make_server):
    server = make_server(main={**MAIN, "dmarc_report_history_limit": "1048576", "dmarc_report_mail_limit": "200000"})
    rows = [(f"198.51.{i // 250}.{i % 250}", 1, "fail", "fail") for i in range(1500)]
    for i in range(12):
        send(server, mail(gzip.compress(xml(f"h{i:02}", begin=BEGIN + i * DAY, rows=rows))))
    server.wait_messages("ann", 12, 60)
    got = [r["report_id"] for r in reports(server)]
    assert 0 < len(got) < 12 and got == [f"h{i:02}" for i in range(12 - len(got), 12)]  # the newest stay
    send(server, mail(bytes(range(256)) * 1000))
    server.wait_log(r"not read as a report: \d+ octets are more than dmarc_report_mail_limit")
    server.wait_messages("ann", 13)


def test_our_own_report_comes_to_our_own_mailbox(make_server):
    """Mail in the name of our own domain: the report about it goes by the alias, is delivered, and read."""
    zone = {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=none; rua=mailto:reports@example.org"]}
    with NameServer(zone) as dns:
        server = make_server(main={**MAIN, "dns_servers": dns.address, "sender_authentication": "mark", "sender_authentication_exempt_networks": "",
                                   "dkim_sign_networks": "", "dmarc_reporting": "yes", "mydomain": "example.com"})
        with server.client() as c:
            for _ in range(3):
                c.sendmail("eve@example.net", ["bob@example.org"], b"From: boss@example.org\r\nSubject: pay\r\n\r\nnow\r\n")
        server.wait_messages("bob", 3)
        assert json.loads(server.run("-c", server.config, "reports", "send", "--now", "--json").stdout)["sent"] == 1
        server.wait_messages("ann", 1)
        (got,) = reports(server, "--domain", "example.org")
        (row,) = got["records"]
        assert (row["count"], row["header_from"], row["envelope_from"], row["dkim"], row["spf"]) == (3, "example.org", "example.net", "fail", "fail")
        server.wait_log("reports from postmaster@example.com are not signed")


def test_check_says_what_is_wrong(make_server):
    server = make_server(start=False, main={"dmarc_reporting": "yes", "dmarc_report_sender": "nobody", "dmarc_report_address": "x", "dmarc_report_submitter": "a b"})
    server.write_config()
    got = server.run("-c", server.config, "check", check=False)
    assert got.returncode == 1
    for words in (b"dmarc_report_sender: 'nobody' is no address", b"dmarc_report_address: 'x' is no address", b"dmarc_report_submitter: 'a b' is no domain"):
        assert words in got.stderr, got.stderr
    server.settings.update({"dmarc_report_sender": "r@example.org", "dmarc_report_address": "x@example.org", "dmarc_report_submitter": "example.org"})
    server.write_config()
    got = server.run("-c", server.config, "check")
    assert b"set sender_authentication" in got.stderr and b"no key in dkim_signing_keys is for r@example.org" in got.stderr

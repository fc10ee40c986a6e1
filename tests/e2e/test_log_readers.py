"""pflogsumm and fail2ban's stock postfix filter read our log unchanged (syslog_name = postfix)."""
import re, shutil, smtplib, subprocess

import pytest
from conftest import need


def test_pflogsumm_and_fail2ban(make_server, directory):
    server = make_server(main={"syslog_name": "postfix", "mynetworks": "192.0.2.0/24", "relayhost": "[127.0.0.1]:1", "smtpd_helo_required": "yes",
                               "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination"})
    trusting = make_server(name="trusting", main={"syslog_name": "postfix", "relayhost": "[127.0.0.1]:1", "smtp_connect_timeout": "2s"})
    with server.client() as c:
        c.sendmail("ann@example.net", ["bob@example.org"], "Subject: x\r\n\r\naccepted\r\n")
        for recipient in ("eve@elsewhere.example", "nobody@example.org"):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                c.sendmail("ann@example.net", [recipient], "Subject: x\r\n\r\nrefused\r\n")
    with trusting.client() as c:
        c.sendmail("ann@example.net", ["eve@elsewhere.example"], "Subject: x\r\n\r\ndeferred\r\n")
    trusting.wait_log(r"postfix/smtp\[\d+\]: .*status=deferred")
    server.wait_log(r"postfix/virtual\[\d+\]: .*status=sent")
    server.wait_log(r"reject: RCPT .*User unknown")
    log = directory / "mail.log"
    log.write_text(server.log() + trusting.log())
    report = subprocess.run([need("pflogsumm"), str(log)], capture_output=True, timeout=60).stdout.decode()
    totals = {name: int(count) for count, name in re.findall(r"^\s*(\d+)k?\s+(received|delivered|deferred|bounced|rejected)\b", report, re.M)}
    assert totals["received"] == 2 and totals["delivered"] == 1 and totals["deferred"] == 1 and totals["rejected"] == 2, report
    regex = need("fail2ban-regex")
    got = subprocess.run([regex, str(log), "/etc/fail2ban/filter.d/postfix.conf[mode=more]"], capture_output=True, timeout=60).stdout.decode()
    matched = int(re.search(r"Failregex: (\d+) total", got).group(1))
    assert matched == 2, got


def test_json_lines(make_server):
    import json
    server = make_server(main={"postrider_log_json": "yes"})
    with server.client() as c:
        c.sendmail("ann@example.net", ["bob@example.org"], "Subject: x\r\n\r\nhi\r\n")
    server.wait_messages("bob", 1)
    server.wait_log('"recipient"')
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    assert any(line.get("recipient") == "bob@example.org" for line in lines), lines[-3:]

"""header_checks for sendmail and SMTP, cleanup services of master.cf, content filters there and back."""
import os, re, shutil, subprocess

from postrider_process import free_port, wait_for
from test_sendmail import tool


def test_what_sendmail_hands_in_is_looked_at_too(make_server):
    server = make_server(start=False, main={"myorigin": "example.org", "masquerade_domains": "example.net"})
    checks = server.config / "header_checks"
    server.settings["header_checks"] = f"regexp:{checks}"
    checks.write_text("/^Subject: forbidden/ REJECT not from here\n/^Subject: unseen/ DISCARD\n/^X-Mark/ IGNORE\n/^Received: by .*userid/ IGNORE\n")
    server.start()
    assert tool(server, "sendmail", "-f", "ann@host.example.net", "bob", stdin=b"From: cron <ann>\nTo: bob\nSubject: fine\nX-Mark: 1\n\nx\n").returncode == 0
    message = server.wait_messages("bob", 1)[0].decode()
    assert message.startswith("Return-Path: <ann@example.net>\n")
    assert "\nFrom: cron <ann@example.org>\nTo: bob@example.org\n" in message
    assert "X-Mark" not in message and "userid" not in message
    assert tool(server, "sendmail", "-f", "ann@example.org", "bob@example.org", stdin=b"Subject: forbidden\n\nx\n").returncode == 0
    bounce = server.wait_messages("ann", 1)[0].decode()
    assert "not from here" in bounce and "Status: 5.7.1" in bounce
    server.wait_log(r"cleanup\[\d+\]: \w+: reject: header Subject: forbidden from local; from=<ann@example\.org>: 5\.7\.1 not from here")
    assert tool(server, "sendmail", "bob@example.org", stdin=b"Subject: unseen\n\nx\n").returncode == 0
    server.wait_log(r"discard: header Subject: unseen from local")
    wait_for(lambda: list((server.spool / "maildrop").iterdir()) == [])
    assert len(server.messages("bob")) == 1


def test_a_cleanup_service_of_ones_own(make_server):
    port = free_port()
    server = make_server(start=False)
    server.master += (f"127.0.0.1:{port} inet n - n - - smtpd -o cleanup_service_name=subcleanup -o receive_override_options=no_unknown_recipient_checks\n"
                      f"subcleanup unix n - n - 0 cleanup -o header_checks=regexp:{server.config}/sub\n")
    (server.config / "sub").write_text("/^(Received: from )\\S+ \\(.*\\)/ REPLACE ${1}inside\n/^User-Agent:/ IGNORE\n")
    server.start()
    import smtplib
    for to, at in (("ann", server.port), ("bob", port)):
        with smtplib.SMTP("127.0.0.1", at, timeout=20) as c:
            c.ehlo("laptop.example.net")
            c.sendmail("a@example.net", f"{to}@example.org", "Subject: x\r\nUser-Agent: secret\r\n\r\nhi\r\n")
    assert b"User-Agent" in server.wait_messages("ann", 1)[0]
    message = server.wait_messages("bob", 1)[0]
    assert b"User-Agent" not in message and b"Received: from inside\n" in message and b"laptop" not in message
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as c:
        c.mail("a@example.net")
        assert c.rcpt("nosuch@example.org")[0] == 250


def test_a_content_filter_there_and_back(make_server):
    back = free_port()
    server = make_server(start=False, main={"content_filter": f"scan:[127.0.0.1]:{back}", "smtp_tls_security_level": "none",
                                            "virtual_alias_maps": "inline:{ {both@example.org = ann@example.org bob@example.org} }"})
    server.master += f"scan unix - - n - 2 smtp\n127.0.0.1:{back} inet n - n - - smtpd -o content_filter= -o receive_override_options=no_address_mappings\n"
    server.start()
    with server.client() as c:
        c.sendmail("a@example.net", "both@example.org", "Subject: x\r\n\r\nhi\r\n")
    for user in ("ann", "bob"):
        message = server.wait_messages(user, 1)[0]
        assert len(re.findall(rb"^Received: ", message, re.M)) == 2
    server.wait_log(rf"postrider/\w+\[\d+\]: \w+: to=<ann@example\.org>.* relay=127\.0\.0\.1\[127\.0\.0\.1\]:{back}, .*status=sent")
    assert tool(server, "sendmail", "ann@example.org", stdin=b"Subject: y\n\nx\n").returncode == 0
    assert b"Received: " in server.wait_messages("ann", 2)[1]


def test_a_filter_hands_back_what_strangers_wrote_and_we_do_not_sign_it(make_server):
    server = make_server(start=False, main={"smtpd_authorized_xforward_hosts": "127.0.0.0/8"})
    key = server.directory / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    shutil.chown(key, "postfix") if os.getuid() == 0 else None
    server.settings["dkim_signing_keys"] = f"example.org:s:{key}"
    server.start()
    for source, user in (("LOCAL", "ann"), ("REMOTE", "bob")):
        with server.client() as c:
            c.ehlo("filter.example")
            assert c.docmd("XFORWARD", f"NAME=c.example ADDR=203.0.113.9 SOURCE={source} IDENT=4abc")[0] == 250
            c.sendmail("ann@example.org", [f"{user}@example.org"], "From: ann@example.org\r\nSubject: x\r\n\r\nhi\r\n")
    assert b"\nDKIM-Signature:" in server.wait_messages("ann", 1)[0]
    assert b"\nDKIM-Signature:" not in server.wait_messages("bob", 1)[0]
    server.wait_log(r"client=localhost\[127\.0\.0\.1\], orig_queue_id=4abc, orig_client=c\.example\[203\.0\.113\.9\]")

"""Notifications: templates, the postmaster's copies, aliases, delays that clear."""
import email, re

from postrider_process import free_port

TEMPLATES = """# ours
failure_template = <<EOF
Charset: utf-8
From: MAILER-DAEMON (Die Post)
Subject: Zurueck an den Absender
Postmaster-Subject: Kopie

Grüße von $myhostname, $$ 5, ${maximal_queue_lifetime_hours} Stunden.
EOF
delay_template = <<EOF
From: MAILER-DAEMON (Die Post)
Subject: Noch nicht da

Seit mehr als $delay_warning_time_seconds s.
EOF
"""


def parts(message):
    parsed = email.message_from_bytes(message)
    return parsed, parsed.get_payload(0).get_payload(decode=True).decode()


def refuse(server, sender="ann@example.org", subject="x"):
    with server.client() as c:
        c.sendmail(sender, ["x@far.example"], f"Subject: {subject}\r\nMessage-ID: <original@example.org>\r\n\r\nbody\r\n")


def server_with(make_server, main, templates=None):
    server = make_server(start=False, main={"default_transport": "error:5.1.1 nobody here", "virtual_alias_maps": "", **main}, users=("ann", "bob", "post"))
    if templates is not None:
        (server.config / "bounce.cf").write_text(templates)
        server.settings["bounce_template_file"] = f"{server.config}/bounce.cf"
    return server


def test_templates(make_server):
    server = server_with(make_server, {"maximal_queue_lifetime": "2d", "enable_threaded_bounces": "yes"}, TEMPLATES).start()
    refuse(server)
    parsed, text = parts(server.wait_messages("ann", 1)[0])
    assert parsed["Subject"] == "Zurueck an den Absender" and parsed["From"] == "MAILER-DAEMON@mail.example.com (Die Post)"
    assert text.startswith("Grüße von mail.example.com, $ 5, 48 Stunden.") and "<x@far.example>: nobody here" in text
    assert parsed["References"] == parsed["In-Reply-To"] == "<original@example.org>"
    assert parsed.get_payload(0).get_content_charset() == "utf-8"


def test_wrong_templates_are_found_by_check(make_server):
    server = server_with(make_server, {}, "failure_template = <<EOF\nSubject: x\n\nx\nEOF\n")
    server.write_config()
    done = server.run("check", "-c", server.config, check=False)
    assert done.returncode == 1 and b"bounce.cf: line 2: the template needs From: and Subject: lines" in done.stderr
    (server.config / "bounce.cf").write_text("failure_template = <<EOF\nFrom: a\nSubject: x\n\n$nosuch\nEOF\n")
    assert b"$nosuch: there is no such parameter" in server.run("check", "-c", server.config, check=False).stderr


def test_check_says_what_dane_and_the_classes_do(make_server):
    server = server_with(make_server, {"smtp_tls_security_level": "dane", "notify_classes": "bounce, policy, nonsense"})
    server.write_config()
    said = server.run("check", "-c", server.config, check=False).stderr.decode()
    assert "smtp_tls_security_level = dane acts as may" in said and "'nonsense' is not one of bounce" in said
    server.settings["notify_classes"] = "bounce, policy"
    server.write_config()
    done = server.run("check", "-c", server.config)
    assert b"policy sends no mail here" in done.stderr
    server.settings["smtp_fallback_relay"] = "[broken"
    server.write_config()
    done = server.run("check", "-c", server.config, check=False)
    assert done.returncode == 1 and b"'[broken' is not a next hop" in done.stderr


def test_the_postmasters_copies(make_server):
    server = server_with(make_server, {"notify_classes": "bounce, 2bounce", "bounce_notice_recipient": "post@example.org",
                                       "2bounce_notice_recipient": "post@example.org"}).start()
    refuse(server, subject="first")
    copy = server.wait_messages("post", 1)[0]
    parsed, _ = parts(copy)
    assert parsed["Subject"] == "Postmaster Copy: Undelivered Mail" and copy.startswith(b"Return-Path: <double-bounce@mail.example.com>\n")
    assert b"Subject: first" in copy and b"body" not in copy.split(b"Subject: first")[1]
    assert len(server.wait_messages("ann", 1)) == 1
    refuse(server, sender="", subject="second")
    whole = server.wait_messages("post", 2)[1]
    assert b"body" in whole and b"Subject: second" in whole
    server.wait_log(r"bounce\[\d+\]: \w+: postmaster non-delivery notification: \w+")
    # A copy that cannot be delivered is the end.
    server.stop()
    server.settings["bounce_notice_recipient"] = "y@far.example"
    server.start()
    refuse(server, subject="third")
    server.wait_log(r"a notification could not be delivered and is dropped: it was the postmaster's copy already")
    assert len(server.messages("post")) == 2


def test_mail_to_the_copies_sender_is_discarded(make_server):
    server = server_with(make_server, {"mydestination": "mail.example.com", "local_recipient_maps": ""}).start()
    with server.client() as c:
        c.sendmail("ann@example.org", ["double-bounce@mail.example.com"], "Subject: x\r\n\r\nx\r\n")
    server.wait_log(r"to=<double-bounce@mail\.example\.com>, relay=none.*status=sent")
    assert not server.messages("ann")


def test_a_notification_follows_aliases(make_server):
    server = make_server(start=False, main={"default_transport": "error:5.1.1 nobody here", "virtual_alias_domains": "alias.example"})
    (server.config / "aliases").write_text("info@alias.example bob@example.org\n")
    server.settings["virtual_alias_maps"] = f"hash:{server.config}/aliases"
    server.start()
    refuse(server, sender="info@alias.example")
    assert email.message_from_bytes(server.wait_messages("bob", 1)[0])["To"] == "info@alias.example"


def test_a_delay_that_clears_is_told(make_server):
    port = free_port()
    server = make_server(start=False, main={"relayhost": f"[127.0.0.1]:{port}", "delay_warning_time": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                                            "confirm_delay_cleared": "yes", "notify_classes": "delay", "delay_notice_recipient": "bob@example.org"})
    server.start()
    refuse(server)
    parsed, _ = parts(server.wait_messages("ann", 1, 30)[0])
    assert parsed["Subject"] == "Delayed Mail (still being retried)"
    assert parts(server.wait_messages("bob", 1)[0])[0]["Subject"] == "Postmaster Warning: Delayed Mail"

    server.stop()
    server.settings.update({"relayhost": "", "default_transport": "discard:taken"})
    server.start()
    parsed, _ = parts(server.wait_messages("ann", 2, 30)[1])
    assert parsed["Subject"] == "Successful Mail Delivery Report"
    status = next(p for p in parsed.walk() if p.get_content_type() == "message/delivery-status").get_payload()
    assert status[1]["Action"] == "delivered"


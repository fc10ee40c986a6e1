"""Mail leaves: DNS, MX, moody hosts, relay hosts, in an internet in a box (network namespaces of the test's own)."""
import collections, email, os, re, shutil, smtplib, subprocess

import pytest
from conftest import need
from postrider_process import Postrider, wait_for
from box import NAME_SERVER, NETWORK, OURS, Box, namespace

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="network namespaces need root")

MOODS = {f"{NETWORK}.2": "ok", f"{NETWORK}.3": "ok", f"{NETWORK}.4": "ok", f"{NETWORK}.5": "greylist", f"{NETWORK}.6": "full",
         f"{NETWORK}.7": "one_bad", f"{NETWORK}.8": "broken_tls", f"{NETWORK}.9": "refuse_greeting", f"{NETWORK}.10": "injection",
         f"{NETWORK}.11": "noise", f"{NETWORK}.12": "endless", f"{NETWORK}.13": "hang_greeting", f"{NETWORK}.14": "hang_mail",
         f"{NETWORK}.15": "hang_end", f"{NETWORK}.16": "close_rcpt", f"{NETWORK}.17": "close_data", f"{NETWORK}.18": "full", f"{NETWORK}.19": "hang_helo", f"{NETWORK}.20": "hang_rcpt", f"{NETWORK}.21": "hang_data",
         f"{NETWORK}.22": "hang_tls", f"{NETWORK}.23": "seven_bit", f"{NETWORK}.24": "smtputf8", f"{NETWORK}.25": "token", "fd55::2": "ok"}
ZONE = f"""
plain      A {NETWORK}.2
prio       MX 10 dead
prio       MX 20 mx3
prio       MX 30 mx4
dead       A {NETWORK}.99
mx2        A {NETWORK}.2
mx3        A {NETWORK}.3
mx4        A {NETWORK}.4
even       MX 10 mx2
even       MX 10 mx3
even       MX 10 mx4
null       MX 0 .
loop       MX 10 us
loop       MX 20 mx2
us         A {OURS}
better     MX 5 mx3
better     MX 10 us
better     MX 20 mx2
v6         MX 10 v6mx
v6mx       AAAA fd55::2
alias      CNAME plain
nowhere    MX 10 missing
grey       MX 10 h5
h5         A {NETWORK}.5
full       MX 10 h6
h6         A {NETWORK}.6
onebad     MX 10 h7
h7         A {NETWORK}.7
fullfirst  MX 10 h6
fullfirst  MX 20 mx4
greyfirst  MX 10 h5
greyfirst  MX 20 mx4
lostfirst  MX 10 close1
lostfirst  MX 20 mx4
rudefirst  MX 10 rude
rudefirst  MX 20 mx4
badfirst   MX 10 h7
badfirst   MX 20 mx4
threefull  MX 10 h6
threefull  MX 20 h6b
threefull  MX 30 mx4
h6b        A {NETWORK}.18
both       A {NETWORK}.2
both       AAAA fd55::2
postfix    MX 10 pf
pf         A {NETWORK}.30
exim       MX 10 ex
ex         A {NETWORK}.31
xn--bcher-kva MX 10 utf8
""" + "".join(f"{name:10} A {NETWORK}.{last}\n" for name, last in (
    ("brokentls", 8), ("rude", 9), ("inject", 10), ("noise", 11), ("endless", 12), ("hang0", 13), ("hang1", 14), ("hang2", 15),
    ("close1", 16), ("close2", 17), ("hang3", 19), ("hang4", 20), ("hang5", 21), ("hangtls", 22), ("seven", 23), ("utf8", 24), ("token", 25)))


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    need("nsd")
    with Box(tmp_path_factory.mktemp("box"), {"test": ZONE}) as made:
        made.hosts(MOODS)
        yield made


@pytest.fixture
def ours(box, make_server):
    def make(main=None, **kw):
        server = make_server(start=False, main={
            "dns_servers": NAME_SERVER, "myhostname": "us.test", "mynetworks": "127.0.0.0/8, [::1]/128", "inet_protocols": "all",
            "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "queue_run_delay": "1s", "smtp_connect_timeout": "2s",
            "smtp_helo_timeout": "3s", "smtp_mail_timeout": "3s", "smtp_rcpt_timeout": "3s", "smtp_data_init_timeout": "3s",
            "smtp_data_done_timeout": "3s", "smtp_starttls_timeout": "3s", "smtp_tls_security_level": "may", "smtp_destination_concurrency_failed_cohort_limit": "100",
            **(main or {})}, **kw)
        server.port = 2525
        server.master = kw.get("master", "127.0.0.1:2525 inet n - n - - smtpd\n")
        with namespace(box.ours):
            server.start()
        return server
    return make


def send(box, server, to, sender="ann@example.org", count=1):
    to = [to] if isinstance(to, str) else to
    with namespace(box.ours), server.client() as c:
        for i in range(count):
            c.sendmail(sender, to, f"From: {sender}\r\nSubject: {to[0]} {i}\r\n\r\nhello {i}\r\n")


def arrived_for(box, recipient):
    return [m for m in box.arrived() if recipient in m["to"]]


def bounces(server, recipient, user="ann"):
    return [m for m in server.messages(user) if recipient.encode() in m and b"multipart/report" in m]


def test_routes(box, ours):
    """MX priorities with a dead first host, A fallback, CNAME, IPv6 alone, ourselves in the list."""
    server = ours()
    for domain, address in (("plain.test", f"{NETWORK}.2"), ("alias.test", f"{NETWORK}.2"), ("prio.test", f"{NETWORK}.3"),
                            ("v6.test", "fd55::2"), ("better.test", f"{NETWORK}.3")):
        recipient = f"routes@{domain}"
        send(box, server, recipient)
        got = wait_for(lambda: arrived_for(box, recipient))
        assert [m["address"] for m in got] == [address], domain
    server.wait_log(r"connect to dead\.test\[10\.55\.0\.99\]:25: ")
    server.wait_log(r"to=<routes@prio\.test>, relay=mx3\.test\[10\.55\.0\.3\]:25, .*dsn=2\.0\.0, status=sent \(250 2\.0\.0 stored\)")


@pytest.mark.parametrize("domain, status, words", [
    ("null.test", "5.1.10", "does not accept mail (nullMX)"),
    ("loop.test", "5.4.6", "loops back to myself"),
    ("missing.test", "5.4.4", "Host or domain name not found"),
    ("nowhere.test", "5.4.4", "Host or domain name not found")])
def test_refused_at_once(box, ours, domain, status, words):
    server = ours()
    send(box, server, f"x@{domain}")
    bounce = wait_for(lambda: bounces(server, f"x@{domain}"))[0]
    report = email.message_from_bytes(bounce)
    parts = [p for p in report.walk() if p.get_content_type() == "message/delivery-status"]
    assert f"Status: {status}" in parts[0].as_string() and words.split()[0] in bounce.decode()
    assert words in re.sub(r"\s+", " ", bounce.decode())


@pytest.mark.parametrize("domain, before", [
    ("fullfirst.test", r"said: 452 4\.3\.1 no room .*; trying the next host"), ("greyfirst.test", r"said: 451 4\.7\.1 .*; trying the next host"),
    ("lostfirst.test", r"lost connection with close1\.test.*; trying the next host"), ("rudefirst.test", r"refused to talk to me: 554")])
def test_who_is_put_off_goes_to_the_next_host(box, ours, domain, before):
    """In the same delivery (RFC 5321 section 5.1), not after a wait in the queue."""
    server = ours()
    send(box, server, f"next@{domain}")
    got = wait_for(lambda: arrived_for(box, f"next@{domain}"), 30)
    assert [m["address"] for m in got] == [f"{NETWORK}.4"]
    server.wait_log(before)
    server.wait_log(rf"to=<next@{re.escape(domain)}>, relay=mx4\.test.*status=sent")
    assert "status=deferred" not in server.log()


def test_what_is_refused_for_good_is_not_asked_elsewhere(box, ours):
    server = ours(main={"smtp_skip_5xx_greeting": "no"})
    send(box, server, ["bad@badfirst.test", "good@badfirst.test"])
    bounce = wait_for(lambda: bounces(server, "bad@badfirst.test"), 30)[0].decode()
    assert "550 5.1.1 no such user here" in re.sub(r"\s+", " ", bounce)
    assert [m["to"] for m in arrived_for(box, "good@badfirst.test")] == [["good@badfirst.test"]]
    send(box, server, "x@rudefirst.test")
    bounce = wait_for(lambda: bounces(server, "x@rudefirst.test"), 30)[0].decode()
    assert "554 5.7.1 go away" in re.sub(r"\s+", " ", bounce)
    assert not arrived_for(box, "bad@badfirst.test") and not arrived_for(box, "x@rudefirst.test")


def test_session_limit(box, ours):
    """smtp_mx_session_limit = 2: the third host is not offered the message; with 3 it is."""
    server = ours()
    send(box, server, "x@threefull.test")
    server.wait_log(r"to=<x@threefull\.test>, relay=h6b\.test\[10\.55\.0\.18\]:25, .*status=deferred \(host h6b\.test")
    assert not arrived_for(box, "x@threefull.test")
    server.stop()
    server = ours(main={"smtp_mx_session_limit": "3"})
    send(box, server, "y@threefull.test")
    wait_for(lambda: arrived_for(box, "y@threefull.test"), 30)


def test_equal_hosts_share_evenly(box, ours):
    server = ours(main={"smtp_connection_cache_time_limit": "0", "smtpd_client_connection_count_limit": "0"})
    count = 1000
    send(box, server, "even@even.test", count=count)
    wait_for(lambda: len(arrived_for(box, "even@even.test")) >= count, 180)
    by_host = collections.Counter(m["address"] for m in arrived_for(box, "even@even.test"))
    assert sum(by_host.values()) == count and len(by_host) == 3
    chi_square = sum((n - count / 3) ** 2 / (count / 3) for n in by_host.values())
    assert chi_square < 18.4, by_host  # one in ten thousand


def test_greylisting(box, ours):
    server = ours()
    send(box, server, "someone@grey.test")
    wait_for(lambda: arrived_for(box, "someone@grey.test"), 30)
    server.wait_log(r"to=<someone@grey\.test>.*dsn=4\.7\.1, status=deferred \(.*greylisted: will be tried again soon")
    server.wait_log(r"to=<someone@grey\.test>.*status=sent")


def test_one_of_three(box, ours):
    server = ours()
    send(box, server, ["a@onebad.test", "bad@onebad.test", "c@onebad.test"])
    got = wait_for(lambda: arrived_for(box, "a@onebad.test"))
    assert got[0]["to"] == ["a@onebad.test", "c@onebad.test"]
    bounce = wait_for(lambda: bounces(server, "bad@onebad.test"))[0].decode()
    assert "550 5.1.1 no such user here" in re.sub(r"\s+", " ", bounce) and "<a@onebad.test>" not in bounce


def test_full_peer_is_tried_again(box, ours):
    server = ours()
    send(box, server, "x@full.test")
    server.wait_log(r"to=<x@full\.test>.*status=deferred \(host h6\.test\[10\.55\.0\.6\] said: 452 4\.3\.1 no room")
    listing = server.run("queue", "list", "-c", server.config).stdout.decode()
    assert "x@full.test" in listing


def test_broken_tls_falls_back_where_it_may(box, ours):
    server = ours()
    send(box, server, "x@brokentls.test")
    wait_for(lambda: arrived_for(box, "x@brokentls.test"))
    server.wait_log("trying without TLS")


def test_required_tls_is_never_given_up(box, ours):
    server = ours(main={"smtp_tls_security_level": "encrypt"})
    for domain in ("brokentls.test", "plain.test", "inject.test"):
        send(box, server, f"secret@{domain}")
        server.wait_log(rf"to=<secret@{domain}>.*dsn=4\.7\.\d, status=deferred")
    assert not [m for m in box.arrived() if any(r.startswith("secret@") for r in m["to"])]
    assert "TLS is required, but was not offered" in server.log()
    assert "sent more in clear behind its reply to STARTTLS" in server.log()


@pytest.mark.parametrize("domain, words", [
    ("rude.test", "refused to talk to me: 554 5.7.1 go away"), ("noise.test", "malformed reply"), ("endless.test", "malformed reply"),
    ("hang0.test", "timed out .*receiving the initial server greeting"), ("hang1.test", "timed out .*sending MAIL FROM"),
    ("hang3.test", "timed out .*performing the EHLO handshake"), ("hang4.test", "timed out .*sending RCPT TO"),
    ("hang5.test", "timed out .*sending DATA"), ("hang2.test", "timed out .*end of data"), ("close1.test", "lost connection"), ("close2.test", "lost connection"),
    ("dead.test", "connect to dead.test")])
def test_hostile_hosts_defer(box, ours, domain, words):
    server = ours()
    send(box, server, f"h@{domain}")
    server.wait_log(rf"to=<h@{domain}>.*dsn=4\.\d\.\d, status=deferred \(.*{words}")


def report_of(message):
    parsed = email.message_from_bytes(message)
    assert parsed.get_content_type() == "multipart/report" and parsed.get_param("report-type") == "delivery-status"
    assert message.startswith(b"Return-Path: <>\n")
    status = next(p for p in parsed.walk() if p.get_content_type() == "message/delivery-status").get_payload()
    return status[0], status[1:]


@pytest.mark.parametrize("kind", ["delivered", "relayed", "delayed", "failed"])
def test_notifications_of_every_kind(box, ours, kind):
    """RFC 3464's required fields, and what the sender asked for with NOTIFY, RET and ENVID (RFC 3461)."""
    server = ours(main={"delay_warning_time": "1s"})
    to, notify = {"delivered": ("bob@example.org", "SUCCESS"), "relayed": ("r@plain.test", "SUCCESS"), "delayed": ("d@full.test", "DELAY"),
                  "failed": ("bad@onebad.test", "FAILURE")}[kind]
    with namespace(box.ours), server.client() as c:
        c.ehlo("client.example")
        c.mail("ann@example.org", ["RET=HDRS", "ENVID=id+2B1"])
        c.rcpt(to, [f"NOTIFY={notify}", f"ORCPT=rfc822;orig+2B{to}"])
        c.data("Subject: tell me\r\n\r\nsecret body\r\n")
    def told():
        return [m for m in server.messages("ann") if b"multipart/report" in m]
    message = wait_for(told, 30)[0]
    of_message, of_recipients = report_of(message)
    assert of_message["Reporting-MTA"] == "dns; us.test" and of_message["Original-Envelope-Id"] == "id+1"
    (recipient,) = of_recipients
    assert recipient["Final-Recipient"] == f"rfc822; {to}" and recipient["Original-Recipient"] == f"rfc822; orig+{to}"
    assert recipient["Action"] == kind
    assert recipient["Status"].startswith({"delivered": "2.", "relayed": "2.", "delayed": "4.", "failed": "5."}[kind])
    if kind == "failed":
        assert recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1") and recipient["Remote-MTA"] == "dns; h7.test"
    assert b"secret body" not in message and b"Subject: tell me" in message


def test_never_a_bounce_of_a_bounce(box, ours):
    server = ours()
    with namespace(box.ours), server.client() as c:
        c.sendmail("", ["bad@onebad.test"], "Subject: x\r\n\r\nx\r\n")
    server.wait_log(r"to=<bad@onebad\.test>.*status=bounced")
    server.wait_log(r"qmgr\[\d+\]: \w+: removed")
    assert not server.messages("ann") and b"Mail queue is empty" in server.run("queue", "-c", server.config).stdout


def test_a_silent_handshake_ends_in_time(box, ours):
    """May: in clear after the time-out; encrypt: never."""
    server = ours()
    send(box, server, "x@hangtls.test")
    wait_for(lambda: arrived_for(box, "x@hangtls.test"))
    server.wait_log("trying without TLS")
    server.stop()
    server = ours(main={"smtp_tls_security_level": "encrypt"})
    send(box, server, "secret@hangtls.test")
    server.wait_log(r"to=<secret@hangtls\.test>.*dsn=4\.7\.5, status=deferred \(Cannot start TLS: .*timed out")
    assert not arrived_for(box, "secret@hangtls.test")


def test_address_preference(box, ours):
    for prefer, address in (("ipv4", f"{NETWORK}.2"), ("ipv6", "fd55::2")):
        server = ours(main={"smtp_address_preference": prefer})
        for i in range(3):
            send(box, server, f"{prefer}{i}@both.test")
            got = wait_for(lambda: arrived_for(box, f"{prefer}{i}@both.test"))
            assert [m["address"] for m in got] == [address]
        server.stop()


def test_best_mx_transport(box, ours):
    server = ours(main={"best_mx_transport": "discard:taken by us"})
    send(box, server, "x@loop.test")
    server.wait_log(r"to=<x@loop\.test>.*status=sent \(taken by us\)")
    assert not bounces(server, "x@loop.test")


def test_fallback_relay(box, ours):
    """For what cannot be found or reached; never for a domain whose best host we are."""
    server = ours(main={"smtp_fallback_relay": "mx4.test"})
    send(box, server, ["x@missing.test"])
    send(box, server, ["x@dead.test"])
    send(box, server, ["x@loop.test"])
    for recipient in ("x@missing.test", "x@dead.test"):
        assert [m["address"] for m in wait_for(lambda: arrived_for(box, recipient))] == [f"{NETWORK}.4"]
    assert wait_for(lambda: bounces(server, "x@loop.test"))
    assert not arrived_for(box, "x@loop.test")


def test_binding_and_lookups(box, ours):
    """An address that is not ours is passed over, or waited for; without the DNS's MX a domain is a host."""
    server = ours(main={"smtp_bind_address": "192.0.2.77", "disable_dns_lookups": "yes"})
    send(box, server, "x@plain.test")
    assert wait_for(lambda: arrived_for(box, "x@plain.test"))
    server.wait_log(r"smtp_bind_address: this machine has no address 192\.0\.2\.77")
    send(box, server, "x@null.test")
    server.wait_log(r"to=<x@null\.test>.*status=bounced \(Host or domain name not found")
    server.stop()
    server = ours(main={"smtp_bind_address": "192.0.2.77", "smtp_bind_address_enforce": "yes"})
    send(box, server, "y@plain.test")
    server.wait_log(r"to=<y@plain\.test>.*status=deferred \(connect to .*this machine has no such address")


EIGHT_BIT = ("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
             "Subject: x\r\n\r\nKäse = gut \r\n").encode()


def test_eight_bit_content_becomes_quoted_printable(box, ours):
    server = ours()
    with namespace(box.ours), server.client() as c:
        c.ehlo("client.example")
        for to in ("x@seven.test", "x@utf8.test"):
            c.sendmail("ann@example.org", [to], EIGHT_BIT, mail_options=["BODY=8BITMIME"])
    (seven,), (eight,) = (wait_for(lambda: arrived_for(box, to)) for to in ("x@seven.test", "x@utf8.test"))
    parsed = email.message_from_bytes(seven["content"].encode("latin-1"))
    assert parsed["Content-Transfer-Encoding"] == "quoted-printable" and "BODY" not in seven["mail"]
    assert parsed.get_payload(decode=True).decode().rstrip("\r\n") == "Käse = gut "
    assert "BODY=8BITMIME" in eight["mail"] and EIGHT_BIT in eight["content"].encode("latin-1")
    server.stop()
    server = ours(main={"disable_mime_output_conversion": "yes"})
    with namespace(box.ours), server.client() as c:
        c.sendmail("ann@example.org", ["raw@seven.test"], EIGHT_BIT, mail_options=["BODY=8BITMIME"])
    (raw,) = wait_for(lambda: arrived_for(box, "raw@seven.test"))
    assert EIGHT_BIT in raw["content"].encode("latin-1")


def test_international_mail(box, ours):
    """A domain is looked up by its A-labels; where SMTPUTF8 is not offered the mail returns with a notification of RFC 6533."""
    server = ours()
    with namespace(box.ours), server.client() as c:
        c.ehlo("client.example")
        for to in ("jürgen@bücher.test", "jürgen@plain.test"):
            c.mail("ann@example.org", ["SMTPUTF8", "BODY=8BITMIME"])
            c.send(f"RCPT TO:<{to}>\r\n".encode())
            assert c.getreply()[0] == 250
            c.data("Subject: grüße\r\n\r\nhallo\r\n".encode())
    (got,) = wait_for(lambda: [m for m in box.arrived() if m["address"] == f"{NETWORK}.24" and "SMTPUTF8" in m["mail"]])
    assert got["to"] == ["jürgen@bücher.test"]
    bounce = wait_for(lambda: [m for m in server.messages("ann") if b"multipart/report" in m])[0]
    parsed = email.message_from_bytes(bounce)
    types = [p.get_content_type() for p in parsed.walk()]
    assert "message/global-delivery-status" in types and "message/global" in types
    text = bounce.decode()
    assert "Final-Recipient: utf-8; jürgen@plain.test" in text and "Status: 5.6.7" in text
    assert "SMTPUTF8 is required, but was not offered by host plain.test" in re.sub(r"\s+", " ", text)


def test_reply_filter(box, ours):
    server = ours()
    (server.config / "filter").write_text("/^452 4\\.3\\.1 (.*)/ 552 5.3.1 $1\n")
    server.stop()
    server.settings["smtp_reply_filter"] = f"regexp:{server.config}/filter"
    with namespace(box.ours):
        server.start()
    send(box, server, "filtered@full.test")
    server.wait_log(r"to=<filtered@full\.test>.*status=bounced \(host h6\.test.* said: 552 5\.3\.1 no room")


def test_tokens_of_a_program(box, ours):
    """Asked once, again when the server refuses the token, and not for the next message."""
    server = ours()
    server.stop()
    program = server.directory / "token"
    program.write_text(f"#!/bin/sh\necho called >> {server.directory}/data/calls\n"
                       f"[ $(wc -l < {server.directory}/data/calls) = 1 ] && echo stale || echo '{{\"access_token\": \"fresh\", \"expires_in\": 3600}}'\n")
    program.chmod(0o755)
    (server.config / "passwords").write_text(f"token.test user:command:{program} ann\n")
    server.settings.update({"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": f"texthash:{server.config}/passwords",
                            "smtp_sasl_security_options": "noanonymous", "smtp_sasl_mechanism_filter": "xoauth2",
                            "smtp_tls_security_level": "none", "smtp_connection_cache_time_limit": "0"})
    with namespace(box.ours):
        server.start()
    for i in range(2):
        send(box, server, f"x{i}@token.test")
        assert wait_for(lambda: arrived_for(box, f"x{i}@token.test"))
    server.wait_log("this token has expired; trying with a fresh token")
    assert (server.directory / "data/calls").read_text() == "called\n" * 2
    assert "stale" not in server.log() and "fresh\\x01" not in server.log()


def test_greylisting_is_told_in_the_queue(box, ours):
    server = ours(main={"minimal_backoff_time": "300s", "maximal_backoff_time": "300s"})
    send(box, server, "listed@grey.test")
    server.wait_log(r"to=<listed@grey\.test>.*status=deferred")
    listing = wait_for(lambda: (lambda out: out if "greylisted: " in out else None)(
        server.run("queue", "list", "-c", server.config).stdout.decode()))
    assert re.search(r"\(greylisted: host h5\.test\[10\.55\.0\.5\] said: 451 4\.7\.1 .*; next attempt in \d+ s\)", listing)


def test_status_says_why_mail_waits(box, ours):
    import json
    server = ours(main={"smtp_destination_concurrency_failed_cohort_limit": "1", "minimal_backoff_time": "300s", "maximal_backoff_time": "300s"})
    send(box, server, "x@dead.test", count=8)
    server.wait_log(r"delivery temporarily suspended: connect to dead\.test")
    wait_for(lambda: re.search(r"smtp:dead\.test  waiting 0, running 0 of 1; left alone for \d+ s: connect to dead\.test",
                               server.run("status", "-c", server.config).stdout.decode()))
    (found,) = json.loads(server.run("status", "--json", "-c", server.config).stdout)["destinations"]
    assert found["dead"] and found["waits_for"] == "dead" and 0 < found["seconds_left"] <= 300


def test_a_stop_finishes_what_is_under_way(box, ours):
    """The peer answers the end of the message late; the server waits for it and delivers once."""
    server = ours(main={"smtp_data_done_timeout": "30s", "smtp_mail_timeout": "30s"})
    send(box, server, "last@plain.test", count=200)
    assert server.stop() == 0
    arrived = len(arrived_for(box, "last@plain.test"))
    with namespace(box.ours):
        server.start()
    wait_for(lambda: len(arrived_for(box, "last@plain.test")) >= 200, 30)
    assert len(arrived_for(box, "last@plain.test")) == 200, f"{arrived} before the stop"


def maildir_of(folder):
    return [p.read_bytes() for p in folder.glob("new/*")] if folder.is_dir() else []


def test_postfix_and_exim_in_all_directions(box, ours, tmp_path_factory):
    """Each of the three to each other, on port 25, ours by MX."""
    from peers import EXIM, EximPeer, PostfixPeer
    assert EXIM.exists(), "tools/bootstrap test unpacks Exim"
    server = ours(main={"inet_interfaces": "all", "mynetworks": "127.0.0.0/8"}, master=f"127.0.0.1:2525 inet n - n - - smtpd\n{OURS}:25 inet n - n - - smtpd\n")
    folder = tmp_path_factory.mktemp("peers")
    for parent in (folder, *folder.parents[:3]):
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    boxes = {"postrider": server.maildir("bob"), "postfix": folder / "postfix-mail/bob", "exim": folder / "exim-mail/bob"}
    for name, user in (("postfix", "postfix"), ("exim", "Debian-exim")):
        boxes[name].parent.mkdir()
        shutil.chown(boxes[name].parent, user, user)
    uid = boxes["postfix"].parent.stat()
    with namespace(box.net):
        postfix = PostfixPeer(folder / "postfix", "", {
            "inet_interfaces": f"127.0.0.1, {NETWORK}.30", "mynetworks": "127.0.0.0/8", "myhostname": "postfix.test",
            "transport_maps": f"inline:{{ {{ example.org = smtp:[{OURS}]:25 }}, {{ exim.test = smtp:[{NETWORK}.31]:25 }} }}",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "virtual_mailbox_domains": "postfix.test", "virtual_mailbox_maps": "static:bob/", "virtual_mailbox_base": boxes["postfix"].parent,
            "virtual_uid_maps": f"static:{uid.st_uid}", "virtual_gid_maps": f"static:{uid.st_gid}", "virtual_minimum_uid": "1"},
            [f"{NETWORK}.30:25 inet n - n - - smtpd", "virtual unix - n n - - virtual"])
        exim = EximPeer(folder / "exim", 25)
        conf = folder / "exim/etc/exim4.conf"
        text = conf.read_text().replace("local_interfaces = 127.0.0.1", f"local_interfaces = 127.0.0.1.{exim.port} : {NETWORK}.31.25")
        text = text.replace("route_list = * 127.0.0.1", f"route_list = example.org {OURS} ; postfix.test {NETWORK}.30")
        text = text.replace("all:\n", "ours:\n  driver = accept\n  domains = exim.test\n  transport = box\nall:\n")
        text = text.replace("begin retry", f"box:\n  driver = appendfile\n  directory = {boxes['exim']}\n  maildir_format\n"
                                           "  user = Debian-exim\n  group = Debian-exim\nbegin retry")
        conf.write_text(text)
        with postfix, exim:
            entrances = {"postrider": (box.ours, server.port), "postfix": (box.net, postfix.port), "exim": (box.net, exim.port)}
            domains = {"postrider": "example.org", "postfix": "postfix.test", "exim": "exim.test"}
            pairs = [(a, b) for a in domains for b in domains if a != b]
            for a, b in pairs:
                where, port = entrances[a]
                with namespace(where), smtplib.SMTP("127.0.0.1", port, timeout=20) as c:
                    c.sendmail(f"ann@{domains[a]}", [f"bob@{domains[b]}"], f"Subject: {a} to {b}\r\n\r\n.hidden dot\r\nhi\r\n")
            for a, b in pairs:
                def came():
                    return [m for m in maildir_of(boxes[b]) if f"Subject: {a} to {b}".encode() in m]
                try:
                    (message,) = wait_for(came, 30)
                except AssertionError:
                    raise AssertionError(f"{a} to {b}\n{server.log()[-2000:]}\n{postfix.log()[-2000:]}") from None
                assert b"\n.hidden dot" in message

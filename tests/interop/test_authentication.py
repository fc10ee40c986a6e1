"""Who sent it, end to end in an internet in a box: an author's hosts, a server that forwards (with SRS and ARC), and the
server where mail ends, both Postriders; a name server for all of them."""
import dkim, email, email.policy, json, os, re, smtplib, socket, subprocess, time

import pytest
from conftest import need
from postrider_process import BINARY, wait_for
from box import NAME_SERVER, NETWORK, OURS, Box, namespace
from test_reports_out import SCHEMA, attachment, counted, logged, parsed

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="network namespaces need root")
AUTHOR, STRANGER, FINAL = f"{NETWORK}.3", f"{NETWORK}.4", f"{NETWORK}.5"
MANY = 10_000
SECRET = "an old secret of postsrsd's"
ZONE = f"""
mail       A {NETWORK}.2
author     MX 10 mail
author     TXT "v=spf1 ip4:{AUTHOR} -all"
_dmarc.author TXT "v=DMARC1; p=reject; rua=mailto:reports@author.test"
quarantine TXT "v=spf1 -all"
_dmarc.quarantine TXT "v=DMARC1; p=quarantine"
half       TXT "v=spf1 -all"
half       MX 10 mail
_dmarc.half TXT "v=DMARC1; p=reject; pct=50; rua=mailto:reports@half.test"
plain      TXT "v=spf1 ip4:{AUTHOR} -all"
plain      MX 10 mail
mx.fwd     A {OURS}
fwd        MX 10 mx.fwd
fwd        TXT "v=spf1 ip4:{OURS} -all"
srs.fwd    MX 10 mx.fwd
srs.fwd    TXT "v=spf1 ip4:{OURS} -all"
mx.final   A {FINAL}
final      MX 10 mx.final
mx.final   TXT "v=spf1 a -all"
"""


def make_key(folder, domain, selector):
    path = folder / f"{domain}.pem"
    made = subprocess.run([BINARY, "dkim", "keygen", "--domain", domain, "--selector", selector, "--out", str(path), "--json"],
                          check=True, capture_output=True, timeout=60)
    path.chmod(0o644)
    text = json.loads(made.stdout)["record"]
    strings = " ".join(f'"{text[i:i + 250]}"' for i in range(0, len(text), 250))
    return path, f"{selector}._domainkey.{domain.removesuffix('.test')} TXT {strings}\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for place in [folder, *folder.parents][:4]:
        place.chmod(place.stat().st_mode | 0o711)
    return {domain: make_key(folder, domain, "s") for domain in ("author.test", "fwd.test")}


@pytest.fixture(scope="module")
def box(tmp_path_factory, keys):
    need("nsd")
    with Box(tmp_path_factory.mktemp("box"), {"test": ZONE + "".join(record for _, record in keys.values())}) as made:
        made.hosts({f"{NETWORK}.2": "keep"})
        yield made


@pytest.fixture
def servers(box, keys, make_server):
    """The forwarder and the last server."""
    def make(name, where, address, domain, mailboxes, main):
        server = make_server(name, start=False, main={
            "dns_servers": NAME_SERVER, "myhostname": f"mx.{domain}", "mydomain": domain, "mynetworks": "127.0.0.0/8",
            "sender_authentication": "enforce", "smtpd_client_event_limit_exceptions": "static:all",
            "smtpd_hard_error_limit": MANY, "smtpd_soft_error_limit": MANY, "virtual_mailbox_domains": domain,
            "smtp_connect_timeout": "3s", "smtp_tls_security_level": "none", **main})
        (server.config / "vmailbox").write_text("".join(f"{user}@{domain} {user}/\n" for user in mailboxes))
        server.port = 25
        server.master = f"{address}:25 inet n - n - - smtpd\n"
        with namespace(where):
            server.start(wait=False)
        wait_for(lambda: "daemon started" in server.log(), 30)
        return server

    def both(fwd=None, final=None):
        return (make("fwd", box.ours, OURS, "fwd.test", ("ann", "list"), {
                    "virtual_alias_maps": "inline:{forward@fwd.test=bob@final.test, broken@fwd.test=broken@final.test, unknown@fwd.test=unknown@final.test, own@fwd.test=ann@fwd.test}",
                    "mydestination": "mx.fwd.test", "alias_maps": f"hash:{box.directory.parent}/aliases", "local_recipient_maps": "$alias_maps",
                    "srs_domain": "srs.fwd.test", "srs_secret_files": f"{box.directory.parent}/secrets", "arc_seal": "yes",
                    "dkim_signing_keys": f"fwd.test:s:{keys['fwd.test'][0]}", "dkim_sign_networks": "127.0.0.0/8",
                    "dmarc_quarantine_action": "junk", "transport_maps": "inline:{sink.test=discard:}", "relay_domains": "sink.test",
                    "dmarc_reporting": "yes", "dmarc_report_sender": "dmarc@fwd.test", "dmarc_report_org_name": "fwd", **(fwd or {})}),
                make("final", box.net, FINAL, "final.test", ("bob",), {
                    "virtual_alias_maps": "inline:{broken@final.test=nobody@gone.test}", "transport_maps": "inline:{ {gone.test=error:5.1.1 no such user} }",
                    "received_spf_header": "yes", **(final or {})}))

    (box.directory.parent / "aliases").write_text("team: bob@final.test\nowned: bob@final.test\nowner-owned: ann@author.test\n")
    secrets = box.directory.parent / "secrets"
    secrets.write_text(f"the new secret\n{SECRET}\n")
    for place in [box.directory, *box.directory.parents][:4]:
        place.chmod(place.stat().st_mode | 0o711)
    return both


def send(box, source, sender, to, content, server=OURS, where=None):
    """The reply to the end of DATA."""
    with namespace(where or box.net), smtplib.SMTP(server, 25, local_hostname="client.test", source_address=(source, 0), timeout=30) as c:
        try:
            c.sendmail(sender, [to], content)
            return 250, b""
        except smtplib.SMTPDataError as e:
            return e.smtp_code, e.smtp_error
        except smtplib.SMTPRecipientsRefused as e:
            return next(iter(e.recipients.values()))


def signed(key, content):
    field = subprocess.run([BINARY, "dkim", "sign", "--domain", "author.test", "--selector", "s", "--key", str(key)], input=content,
                           check=True, capture_output=True, timeout=60).stdout
    return field if field.endswith(content) else field + content


def fields(message, name):
    return [re.sub(r"\s+", " ", value) for value in email.message_from_bytes(message, policy=email.policy.compat32).get_all(name, [])]


MAIL = b"From: Ann <ann@author.test>\r\nTo: forward@fwd.test\r\nSubject: hello\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@author.test>\r\n\r\nA line.\r\n"


def test_policies_are_applied(box, servers):
    """Refused at the end of DATA; into Junk; the rest into the mailbox."""
    fwd, _ = servers()
    code, text = send(box, STRANGER, "x@plain.test", "ann@fwd.test", MAIL)
    assert code == 550 and b"DMARC policy of author.test: SPF fail, DKIM none" in text and b"_dmarc.author.test" in text
    assert send(box, STRANGER, "x@plain.test", "ann@fwd.test", MAIL.replace(b"author.test>", b"quarantine.test>")) == (250, b"")
    assert send(box, AUTHOR, "ann@author.test", "ann@fwd.test", MAIL) == (250, b"")
    (good,) = fwd.wait_messages("ann", 1)
    (junk,) = wait_for(lambda: fwd.messages("ann/.Junk"))
    assert fields(good, "X-Spam-Flag") == [] and fields(junk, "X-Spam-Flag") == ["YES"]
    assert "dmarc=fail (p=quarantine)" in fields(junk, "Authentication-Results")[0] and "policy.dmarc=quarantine" in fields(junk, "Authentication-Results")[0]
    assert (fwd.maildir("ann") / ".Junk/maildirfolder").exists()


def pipelined(box, count, author, to):
    """Hands in `count` messages with BDAT, many at once, over one connection; how often which reply ended one."""
    content = f"From: x@{author}\r\nSubject: many\r\n\r\nhello\r\n".encode()
    one = f"MAIL FROM:<x@plain.test>\r\nRCPT TO:<{to}>\r\nBDAT {len(content)} LAST\r\n".encode() + content
    ends = {}
    with namespace(box.net):
        s = socket.create_connection((OURS, 25), 30, source_address=(STRANGER, 0))
    with s, s.makefile("rb") as replies:
        s.settimeout(60)
        replies.readline()
        s.sendall(b"EHLO client.test\r\n")
        while replies.readline()[3:4] == b"-":
            pass
        window = 50
        for begin in range(0, count, window):
            s.sendall(one * min(window, count - begin))
            for _ in range(min(window, count - begin)):
                assert replies.readline().startswith(b"250 2.1.0") and replies.readline().startswith(b"250 2.1.5")
                code = int(replies.readline()[:3])
                ends[code] = ends.get(code, 0) + 1
        s.sendall(b"QUIT\r\n")
    return ends


def test_half_of_many(box, servers):
    """pct=50 of p=reject: about half is refused, the other half quarantined (RFC 7489 section 6.6.4); the day's report
    says the same as the log."""
    need("xmllint")
    fwd, _ = servers()
    began = time.monotonic()
    ends = pipelined(box, MANY, "half.test", "x@sink.test")
    print(f"{MANY} messages in {time.monotonic() - began:.1f} s: {ends}")
    assert set(ends) == {250, 550} and sum(ends.values()) == MANY
    assert abs(ends[550] - MANY / 2) < 6 * (MANY / 4) ** 0.5  # six standard deviations
    assert send(box, AUTHOR, "ann@author.test", "ann@fwd.test", MAIL)[0] == 250
    assert send(box, STRANGER, "ann@author.test", "ann@fwd.test", MAIL)[0] == 550
    wait_for(lambda: fwd.log().count(" disposition=") == MANY + 2, 30)
    said = logged(fwd, "half.test")
    assert said == {("half.test", "reject"): ends[550], ("half.test", "quarantine"): ends[250]}

    assert json.loads(fwd.run("-c", fwd.config, "reports", "send", "--now", "--json").stdout)["sent"] == 2
    arrived = wait_for(lambda: (lambda a: a if len(a) == 2 else None)([m for m in box.arrived() if m["to"][0].startswith("reports@")]), 60)
    for recipient, authors in (("reports@half.test", ("half.test",)), ("reports@author.test", ("author.test",))):
        (content,) = [m["content"].encode("latin-1") for m in arrived if m["to"] == [recipient]]
        _, xml = attachment(email.message_from_bytes(content))
        path = fwd.directory / "report.xml"
        path.write_bytes(xml)
        valid = subprocess.run(["xmllint", "--noout", "--schema", str(SCHEMA), str(path)], capture_output=True, timeout=60)
        assert valid.returncode == 0, valid.stderr
        assert b"DKIM-Signature" in content
        assert counted(parsed(fwd, content)) == logged(fwd, *authors)


def test_forwarding(box, keys, servers):
    """A forwarded message keeps its DKIM, gets a sender of ours that passes SPF, and our ARC set; its bounce comes back to
    the true sender."""
    fwd, final = servers()
    content = signed(keys["author.test"][0], MAIL)
    assert send(box, AUTHOR, "Ann.B@author.test", "forward@fwd.test", content) == (250, b"")
    (got,) = final.wait_messages("bob", 1)
    (sender,) = fields(got, "Return-Path")
    assert re.fullmatch(r"<SRS0=[A-Za-z0-9+/]{4}=[A-Z2-7]{2}=author\.test=Ann\.B@srs\.fwd\.test>", sender)
    ours, theirs = fields(got, "Authentication-Results")
    assert ours.startswith("mx.final.test; spf=pass smtp.mailfrom=SRS0=") and "dkim=pass" in ours and "dmarc=pass" in ours
    assert f"arc=pass (i=1) smtp.remote-ip={OURS} header.oldest-pass=0" in ours
    assert theirs.startswith("mx.fwd.test; spf=pass") and fields(got, "ARC-Authentication-Results")[0].startswith("i=1; mx.fwd.test; spf=pass smtp.mailfrom=Ann.B@author.test;")
    assert f'client-ip="{OURS}"' in fields(got, "Received-SPF")[0] and fields(got, "Received-SPF")[0].startswith("pass ")
    assert "cv=none" in fields(got, "ARC-Seal")[0] and "d=fwd.test" in fields(got, "ARC-Seal")[0]
    fwd.wait_log("is forwarded as from=<SRS0=")

    # The second server takes it and cannot deliver it: its notification finds the true sender by our address.
    before = len(box.arrived())
    assert send(box, AUTHOR, "Ann.B@author.test", "broken@fwd.test", content) == (250, b"")
    (bounce,) = wait_for(lambda: box.arrived()[before:], 60)
    assert bounce["from"] == "" and bounce["to"] == ["Ann.B@author.test"] and "no such user" in bounce["content"]

    # What the next server refuses, we tell the true sender ourselves, with a signature of ours.
    before = len(box.arrived())
    assert send(box, AUTHOR, "ann@author.test", "unknown@fwd.test", content) == (250, b"")
    (bounce,) = wait_for(lambda: box.arrived()[before:], 60)
    assert bounce["from"] == "" and bounce["to"] == ["ann@author.test"] and "User unknown" in bounce["content"]
    record = keys["fwd.test"][1].split("TXT ")[1].replace('" "', "").strip().strip('"').encode()
    assert dkim.verify(bounce["content"].encode("latin-1"), dnsfunc=lambda name, timeout=5: record)
    assert "d=fwd.test" in bounce["content"] and "From: " in bounce["content"]

    # Letters that lost their case find the way too; a forged hash does not, an old secret does.
    address = sender.strip("<>")
    assert send(box, FINAL, "", address.lower(), b"From: MAILER-DAEMON@final.test\r\nSubject: bounce\r\n\r\nx\r\n") == (250, b"")
    wait_for(lambda: [m for m in box.arrived() if m["to"] == ["ann.b@author.test"]], 60)
    forged = address.replace("author.test", "victim.test")
    code, text = send(box, FINAL, "", forged, b"From: x@final.test\r\n\r\nx\r\n")
    assert code == 550 and text.startswith(b"5.1.1 ") and b"User unknown: the hash of the rewritten address is wrong" in text
    code, text = send(box, FINAL, "", "someone@srs.fwd.test", b"From: x@final.test\r\n\r\nx\r\n")
    assert code == 550 and text.startswith(b"5.1.1 ")

    # Through aliases(5), too; an owner- alias puts a sender of ours there already.
    before = len(final.messages("bob"))
    for name in ("team", "owned"):
        assert send(box, AUTHOR, "ann@author.test", f"{name}@mx.fwd.test", content) == (250, b"")
    aliased = final.wait_messages("bob", before + 2)[before:]
    assert sorted(re.sub("=.*", "", fields(m, "Return-Path")[0]) for m in aliased) == ["<SRS0", "<owner-owned@mx.fwd.test>"]
    assert all("arc=pass" in fields(m, "Authentication-Results")[0] and "dmarc=pass" in fields(m, "Authentication-Results")[0] for m in aliased)

    # What is ours, what has no sender and what stays here keeps its sender.
    assert send(box, AUTHOR, "ann@author.test", "own@fwd.test", content) == (250, b"")
    assert fields(fwd.wait_messages("ann", 1)[0], "Return-Path") == ["<ann@author.test>"]
    assert send(box, AUTHOR, "", "forward@fwd.test", content) == (250, b"")
    assert send(box, "127.0.0.1", "ann@fwd.test", "forward@fwd.test", MAIL.replace(b"ann@author", b"ann@fwd"), where=box.ours)[0] == 250
    senders = [fields(m, "Return-Path")[0] for m in final.wait_messages("bob", before + 4)]
    assert sorted(senders[before + 2:]) == ["<>", "<ann@fwd.test>"]


def test_a_sender_too_long_to_rewrite_goes_on_as_it_is(box, keys, servers):
    """64 octets are all that a local part may have (RFC 5321 section 4.5.3.1.1); the author's signature saves it, and the log says why."""
    fwd, final = servers()
    sender = "letters+" + "x" * 45 + "@author.test"
    assert send(box, AUTHOR, sender, "forward@fwd.test", signed(keys["author.test"][0], MAIL)) == (250, b"")
    (got,) = final.wait_messages("bob", 1)
    assert fields(got, "Return-Path") == [f"<{sender}>"] and "dmarc=pass" in fields(got, "Authentication-Results")[0]
    fwd.wait_log(r"from=<letters\+x+@author\.test> is forwarded as it is: the rewritten address would be too long")


def test_spf_breaks_and_dkim_saves(box, keys, servers):
    """Without sender rewriting a forwarded message fails SPF at the last server: signed it passes DMARC, unsigned it is
    refused, and its author told."""
    fwd, final = servers(fwd={"srs_domain": ""})
    assert send(box, AUTHOR, "ann@author.test", "forward@fwd.test", signed(keys["author.test"][0], MAIL)) == (250, b"")
    (got,) = final.wait_messages("bob", 1)
    results = fields(got, "Authentication-Results")[0]
    assert fields(got, "Return-Path") == ["<ann@author.test>"]
    assert "spf=fail" in results and "dkim=pass" in results and "dmarc=pass" in results
    before = len(box.arrived())
    assert send(box, AUTHOR, "ann@author.test", "forward@fwd.test", MAIL) == (250, b"")
    (bounce,) = wait_for(lambda: box.arrived()[before:], 60)
    assert bounce["to"] == ["ann@author.test"] and "refused by the DMARC policy of author.test" in bounce["content"]
    assert len(final.messages("bob")) == 1


def test_secrets_rotate(box, keys, servers):
    """A new secret on top, a reload: what was signed with the old one still leads back, what leaves has the new."""
    secrets = box.directory.parent / "secrets"
    fwd, final = servers()
    content = signed(keys["author.test"][0], MAIL)

    def forwarded():
        before = len(final.messages("bob"))
        assert send(box, AUTHOR, "ann@author.test", "forward@fwd.test", content) == (250, b"")
        return fields(final.wait_messages("bob", before + 1)[-1], "Return-Path")[0].strip("<>")
    old = forwarded()
    secrets.write_text("the newest secret\n" + secrets.read_text())
    fwd.run("-c", fwd.config, "reload")
    new = wait_for(lambda: (lambda one: one if one != old else None)(forwarded()))
    before = len(box.arrived())
    for address in (old, new):
        assert send(box, FINAL, "", address, b"From: MAILER-DAEMON@final.test\r\n\r\nx\r\n") == (250, b"")
    wait_for(lambda: len([m for m in box.arrived()[before:] if m["to"] == ["ann@author.test"]]) == 2, 60)
    secrets.write_text("only this one\n")
    fwd.run("-c", fwd.config, "reload")
    wait_for(lambda: send(box, FINAL, "", old, b"From: MAILER-DAEMON@final.test\r\n\r\nx\r\n")[0] == 550)


def test_other_rewriters_understand(box, servers, keys):
    """Mail::SRS reads our addresses with our secret, and we read its addresses; postsrsd's file of secrets is ours."""
    if subprocess.run(["perl", "-MMail::SRS", "-e1"], capture_output=True).returncode != 0:
        pytest.skip("libmail-srs-perl is not installed (tools/bootstrap test)")
    fwd, final = servers()

    def perl(method, *arguments, secret=SECRET):
        script = f"use Mail::SRS; my $s = Mail::SRS->new(Secret => shift); print $s->{method}(@ARGV)"
        return subprocess.run(["perl", "-e", script, secret, *arguments], check=True, capture_output=True, timeout=20).stdout.decode()
    content = signed(keys["author.test"][0], MAIL)
    for sender in ("ann@author.test", "bounces+1-a=b@author.test", perl("forward", "ann@author.test", "elsewhere.test", secret="theirs")):
        if sender.endswith("elsewhere.test"):
            assert sender.startswith("SRS0=")
        before = len(final.messages("bob"))
        assert send(box, AUTHOR, sender, "forward@fwd.test", content) == (250, b"")
        seen = {fields(m, "Return-Path")[0].strip("<>") for m in final.wait_messages("bob", before + 1)}
        assert sender in {perl("reverse", one, secret="the new secret") for one in seen}
    # Theirs, made with the old secret, find the way through us.
    theirs = perl("forward", "carl@plain.test", "srs.fwd.test")
    assert send(box, FINAL, "", theirs, b"From: MAILER-DAEMON@final.test\r\n\r\nx\r\n") == (250, b"")
    wait_for(lambda: [m for m in box.arrived() if m["to"] == ["carl@plain.test"]], 60)


def test_a_list_is_saved_by_arc(box, keys, servers):
    """A list changes subject and body, which breaks the author's DKIM; its server's seal, which the last server trusts,
    vouches for what it saw."""
    fwd, final = servers(fwd={"arc_seal_networks": OURS, "mynetworks": f"127.0.0.0/8 {OURS}/32"}, final={"arc_trusted_sealers": "fwd.test", "dmarc_reporting": "yes"})
    assert send(box, AUTHOR, "ann@author.test", "list@fwd.test", signed(keys["author.test"][0], MAIL)) == (250, b"")
    (came,) = fwd.wait_messages("list", 1)
    # The list manager: a program on the forwarder's machine.
    changed = re.sub(rb"^Return-Path: .*\n", b"", came).replace(b"\n", b"\r\n").replace(b"Subject: ", b"Subject: [list] ") + b"-- \r\nThe list\r\n"
    assert send(box, OURS, "list-bounces@fwd.test", "bob@final.test", changed, where=box.ours)[0] == 250
    (got,) = final.wait_messages("bob", 1)
    results = fields(got, "Authentication-Results")[0]
    assert "dkim=fail" in results and "arc=pass (i=1)" in results
    assert "dmarc=fail (p=reject, overruled: arc=pass of fwd.test)" in results and "policy.dmarc=none" in results
    assert fields(got, "Return-Path") == ["<list-bounces@fwd.test>"]
    # Without the seal the same message is refused, and with a word of it changed.
    unsealed = re.sub(rb"(?ms)^ARC-[^:]*:.*?\r\n(?![ \t])", b"", got.replace(b"\n", b"\r\n"))
    assert b"ARC-" not in unsealed and send(box, STRANGER, "x@plain.test", "bob@final.test", unsealed, server=FINAL)[0] == 550
    bent = got.replace(b"\n", b"\r\n").replace(b"A line.", b"A lie.")
    assert send(box, STRANGER, "x@plain.test", "bob@final.test", bent, server=FINAL)[0] == 550
    # The report to the author tells why his policy was not applied.
    shown = [json.loads(line) for line in final.run("-c", final.config, "reports", "send", "--dry-run", "--json").stdout.splitlines()]
    (report,) = [r for r in shown if r["domain"] == "author.test"]
    reasons = [row["reasons"] for row in report["records"] if row["disposition"] == "none"]
    assert reasons == [[{"type": "local_policy", "comment": "arc=pass as[1].d=fwd.test"}]]


def test_nothing_is_sealed_over_a_broken_chain(box, keys, servers):
    """RFC 8617 section 5.1: a chain that fails gets one last set with cv=fail, one that says so already gets none, and
    neither does one that cannot be numbered."""
    fwd, final = servers()
    plain = MAIL.replace(b"author.test", b"plain.test")  # without a policy: the last server must take it
    sealed = subprocess.run([BINARY, "arc", "seal", "--domain", "author.test", "--selector", "s", "--key", str(keys["author.test"][0]),
                             "--authserv-id", "mx.author.test", "--now", "1800000000"], input=plain, check=True, capture_output=True, timeout=60).stdout
    sealed = sealed if sealed.endswith(plain) else sealed + plain
    cases = {
        "holds": (sealed, 2, "pass"),
        "changed": (sealed.replace(b"A line.", b"A lie."), 2, "fail"),
        "twice": (sealed.replace(b"ARC-Seal:", b"ARC-Seal: i=1; a=x\r\nARC-Seal:"), 1, None),
    }
    for name, (content, sets, validation) in cases.items():
        before = len(final.messages("bob"))
        assert send(box, AUTHOR, "ann@plain.test", "forward@fwd.test", content)[0] == 250, name
        got = final.wait_messages("bob", before + 1)[-1]
        assert len(fields(got, "ARC-Message-Signature")) == sets, (name, got)
        if validation:
            newest = fields(got, "ARC-Seal")[0]
            assert f"cv={validation}" in newest and "i=2" in newest, (name, newest)
    # Once more through us: what says cv=fail is left alone.
    failed = [m for m in final.messages("bob") if b"cv=fail" in m][0].replace(b"\n", b"\r\n")
    before = len(final.messages("bob"))
    assert send(box, AUTHOR, "ann@plain.test", "forward@fwd.test", failed)[0] == 250
    assert len(fields(final.wait_messages("bob", before + 1)[-1], "ARC-Message-Signature")) == 2

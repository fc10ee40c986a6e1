"""Known attacks on sender authentication, on a live server and on the judges (the same code).

Where the other classes are tested: amplification by SPF, DKIM, DMARC and ARC zones, and slow names: tests/sim/dns_cost_test.cpp;
SPF macros: src/spf/check_test.cpp and fuzz/spf; From fields in every dress: tests/conversations/dmarc_authors.smtp; forged
Authentication-Results: tests/conversations/forged_results.smtp and src/mail/mail_test.cpp; tampering and canonical forms:
tests/interop/test_dkim.py; DMARC discovery: src/dmarc/dmarc_test.cpp; addresses of reports: src/dmarc/dmarc_test.cpp and
tests/interop/test_reports_out.py; reports that are bombs: tests/e2e/test_reports_in.py, src/reports/reports_test.cpp; ARC
chains: src/arc, and trusted sealers tests/interop/test_authentication.py. Mail from inside a shared range that
the author's own SPF allows passes SPF everywhere: that is the author's to mend, there is no test."""
import base64, json, re, smtplib, subprocess, time

import dkim
import pytest

from name_server import NameServer
from postrider_process import BINARY

MAIL = b"From: ann@author.test\r\nTo: bob@example.org\r\nSubject: hello\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\nA line.\r\n"
NOW = 1_800_000_000


def key_pair(bits):
    pem = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=pem, check=True, capture_output=True).stdout
    return pem, "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


@pytest.fixture(scope="module")
def keys():
    return {bits: key_pair(bits) for bits in (512, 1024, 2048)}


def zone(keys, **more):
    return {("author.test", "TXT"): ["v=spf1 -all"], ("_dmarc.author.test", "TXT"): ["v=DMARC1; p=reject"],
            ("s2048._domainkey.author.test", "TXT"): [keys[2048][1]], ("s1024._domainkey.author.test", "TXT"): [keys[1024][1]],
            ("s512._domainkey.author.test", "TXT"): [keys[512][1]], **more}


def signed(keys, bits=2048, message=MAIL, include=(b"from", b"to", b"subject", b"date"), **how):
    """dkimpy's signature on top. As attackers do, From is signed once only."""
    signer = dkim.DKIM(message, minkey=512)
    signer.should_not_sign, signer.frozen_sign = set(), set()
    return signer.sign(f"s{bits}".encode(), b"author.test", keys[bits][0], include_headers=list(include), **how) + message


def verify(dns, message, *more):
    got = subprocess.run([BINARY, "verify", "--json", "--resolver", dns.address, *more], input=message, capture_output=True, timeout=60)
    assert got.returncode == 0, got.stderr
    return json.loads(got.stdout)


def test_text_behind_a_partial_signature(keys):
    """l=: anybody may append to the body; such a signature passes for nobody (RFC 6376 section 8.2)."""
    with NameServer(zone(keys)) as dns:
        message = signed(keys, length=True)
        assert b"l=" in message and verify(dns, message)["dmarc"]["result"] == "pass"
        got = verify(dns, message + b"--x\r\nContent-Type: text/html\r\n\r\npay here\r\n")
        assert got["dkim"][0]["result"] == "policy" and got["dmarc"]["result"] == "fail" and got["dmarc"]["disposition"] == "reject"


def test_replay(keys):
    """x= is honoured, t= of the future is no proof of anything; a second From is never the signed one."""
    with NameServer(zone(keys)) as dns:
        message = signed(keys)
        assert verify(dns, message)["dkim"][0]["result"] == "pass"
        # Another From on top: what is signed is not what is read.
        got = verify(dns, b"From: boss@victim.test\r\n" + message)
        assert got["dmarc"]["result"] != "pass"
        expired = re.sub(rb"t=\d+;", b"t=1000; x=2000;", message, count=1)
        got = verify(dns, expired, "--now", str(NOW))
        assert got["dkim"][0]["result"] == "permerror" and "expired" in got["dkim"][0]["reason"]
        future = re.sub(rb"t=\d+;", b"t=9999999999;", message, count=1)
        assert verify(dns, future)["dmarc"]["result"] == "fail"  # the time is signed, too


@pytest.mark.parametrize("bits, result", [(512, "policy"), (1024, "pass"), (2048, "pass")])
def test_short_keys(keys, bits, result):
    with NameServer(zone(keys)) as dns:
        assert verify(dns, signed(keys, bits))["dkim"][0]["result"] == result


@pytest.mark.parametrize("change, result", [
    ((rb"h=[^;]*;", b"h=subject:to;"), "permerror"),  # From is not signed
    ((rb"d=author.test;", b"d=author.test; i=ann@victim.test;"), "permerror"),
    ((rb"d=author.test;", b"d=author.test; i=ann@xauthor.test;"), "permerror"),
    ((rb"a=rsa-sha256", b"a=rsa-sha1"), "permerror"),
    ((rb"v=1", b"v=2"), "permerror"),
    ((rb"s=s2048", b"s=s2048\x00x"), "permerror"),
    ((rb"s=s2048", b"s=*"), "permerror"),
    ((rb"s=s2048", b"s=" + b"a." * 200 + b"a"), "permerror"),
    ((rb"h=from", b"h=" + b":".join([b"x"] * 20000) + b":from"), None),
    ((rb"d=author.test", b"d=a(.b.author.test"), None)])
def test_odd_signatures(keys, change, result):
    with NameServer(zone(keys)) as dns:
        pattern, by = change
        message, count = re.subn(pattern, lambda _: by, signed(keys), count=1)
        assert count == 1
        got = verify(dns, message)
        assert got["dkim"][0]["result"] != "pass" and result in (None, got["dkim"][0]["result"])
        assert got["dmarc"]["result"] == "fail" and dns.questions < 12


@pytest.mark.parametrize("records, result", [
    (["v=DKIM1; p="], "permerror"),  # revoked
    (["v=DKIM1; k=ed25519; p=AAAA"], "permerror"), (["v=DKIM1; h=sha1; p={key}"], "permerror"), (["v=DKIM1; s=tlsrpt; p={key}"], "permerror"),
    (["v=DKIM2; p={key}"], "permerror"), (["p=" + "A" * 16000], "permerror"), (["x" * 1000] * 30, "permerror"), (["v=DKIM1; p=%%%"], "permerror")])
def test_odd_key_records(keys, records, result):
    value = keys[2048][1].split("p=")[1]
    with NameServer(zone(keys, **{}) | {("s2048._domainkey.author.test", "TXT"): [r.format(key=value) if "{key}" in r else r for r in records]}) as dns:
        got = verify(dns, signed(keys))
        assert got["dkim"][0]["result"] == result, got["dkim"]


def test_a_huge_key_costs_no_time(keys):
    """16,384 bits: refused, not computed with."""
    modulus = (1 << 16383 | 12345).to_bytes(2048, "big")
    number = b"\x02\x82\x08\x01\x00" + modulus + b"\x02\x03\x01\x00\x01"
    der = b"\x30\x82" + len(number).to_bytes(2, "big") + number
    with NameServer(zone(keys) | {("s2048._domainkey.author.test", "TXT"): ["v=DKIM1; p=" + base64.b64encode(der).decode()]}) as dns:
        got = verify(dns, signed(keys))
        assert got["dkim"][0]["result"] in ("permerror", "policy")


def test_a_hundred_signatures(keys):
    """So many are verified and no more."""
    with NameServer(zone(keys)) as dns:
        one = signed(keys).removesuffix(MAIL)
        got = verify(dns, one * 100 + MAIL)
        assert sum(s["result"] == "pass" for s in got["dkim"]) == 10
        assert got["dmarc"]["result"] == "pass" and len(got["dkim"]) < 40


def test_signatures_on_top_push_nobody_out(keys):
    """A list or a gateway may sign as often as it likes: the author's signature is among those that are verified."""
    with NameServer(zone(keys)) as dns:
        own = signed(keys)
        foreign = own.removesuffix(MAIL).replace(b"d=author.test", b"d=list.test")
        for above in (foreign * 50, foreign * 9 + b"DKIM-Signature: v=1; nonsense\r\n" * 30):
            got = verify(dns, above + own)
            assert got["dmarc"]["result"] == "pass" and sum(s["result"] == "pass" for s in got["dkim"]) == 1, got
            assert len(got["dkim"]) <= 20


def test_spf_scope_and_foreign_results(make_server, keys):
    """The null sender has the result of HELO, which is not the author's; Received-SPF that came with the mail is nobody's
    word; a subdomain that does not exist is its organization's."""
    dns_zone = zone(keys) | {("helo.test", "TXT"): ["v=spf1 ip4:127.0.0.0/8 -all"]}
    with NameServer(dns_zone) as dns:
        server = make_server(main={"dns_servers": dns.address, "sender_authentication": "enforce", "sender_authentication_exempt_networks": "",
                                   "dkim_sign_networks": "", "received_spf_header": "yes"})

        def hand_in(sender, author, helo="helo.test", extra=b""):
            with smtplib.SMTP("127.0.0.1", server.port, local_hostname=helo, timeout=20) as c:
                try:
                    c.sendmail(sender, ["bob@example.org"], extra + MAIL.replace(b"author.test", author))
                    return 250
                except smtplib.SMTPDataError as e:
                    return e.smtp_code
        assert hand_in("", b"author.test") == 550
        assert hand_in("", b"helo.test") == 250
        forged = b"Received-SPF: pass (we say so) client-ip=127.0.0.1\r\nAuthentication-Results: mail.example.com; spf=pass; dkim=pass; dmarc=pass\r\n"
        assert hand_in("x@author.test", b"author.test", extra=forged) == 550
        assert hand_in("x@helo.test", b"nowhere.author.test", extra=forged) == 550
        (got,) = server.wait_messages("bob", 1)
        assert b"smtp.helo=helo.test" in got and b"Received-SPF: pass" in got and b"identity=helo" in got


def test_private_keys_are_told_to_nobody(make_server, keys, tmp_path):
    """Not by the log, not by a notification."""
    path = tmp_path / "key.pem"
    path.write_bytes(keys[2048][0])
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o711)
    path.chmod(0o644)
    server = make_server(main={"dkim_signing_keys": f"example.com:s:{path}", "transport_maps": "inline:{ {gone.test=error:5.1.1 no such user} }"})
    with server.client() as c:
        c.sendmail("ann@example.org", ["nobody@gone.test"], b"From: ann@example.com\r\n\r\nx\r\n")
    (bounce,) = server.wait_messages("ann", 1)
    assert b"DKIM-Signature" in bounce
    secret = keys[2048][0].split(b"\n")[3]
    assert secret not in bounce and secret.decode() not in server.log()


def test_names_that_never_answer(make_server, keys):
    """A connection waits no longer than sender_authentication_time_limit for them (twice, with the author's policy); an
    author whose policy is known is not spoofed by making his key unreachable."""
    def fails(name):
        if "slow" in name:
            raise TimeoutError  # no answer at all
        return False
    with NameServer(zone(keys), fails) as dns:
        server = make_server(main={"dns_servers": dns.address, "sender_authentication": "enforce", "sender_authentication_exempt_networks": "",
                                   "dkim_sign_networks": "", "sender_authentication_time_limit": "2s"})

        def hand_in(sender, content):
            began = time.monotonic()
            with server.client() as c:
                try:
                    c.sendmail(sender, ["bob@example.org"], content)
                    reply = 250, b""
                except smtplib.SMTPDataError as e:
                    reply = e.smtp_code, e.smtp_error
            assert time.monotonic() - began < 14  # twice 2 s, and a loaded machine; one question alone may take dns_timeout, 15 s
            return reply
        slow = signed(keys).replace(b"s=s2048", b"s=slow")
        assert hand_in("x@slow.test", MAIL.replace(b"author.test", b"slow.test")) == (250, b"")
        assert re.search(rb"spf=temperror.*dmarc=temperror", server.wait_messages("bob", 1)[0], re.S)
        code, text = hand_in("x@slow.test", slow)
        assert code == 451 and text.startswith(b"4.7.1 The DMARC check for author.test could not be completed")
        code, text = hand_in("x@slow.test", MAIL)
        assert code == 550
        server.wait_log(r"reject: END-OF-MESSAGE from .*: 451 4\.7\.1 The DMARC check")

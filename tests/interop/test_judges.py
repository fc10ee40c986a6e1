"""The judges of the command line: every key with its type, the RFCs' words, exit statuses, LF input, bounds."""
import json, subprocess

import pytest
from name_server import NameServer
from postrider_process import BINARY

SPF = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}
DKIM = {"none", "pass", "fail", "policy", "neutral", "temperror", "permerror"}


def run(*arguments, stdin=b""):
    return subprocess.run([str(BINARY), *map(str, arguments)], input=stdin, capture_output=True, timeout=60)


def judged(*arguments, stdin=b""):
    got = run(*arguments, "--json", stdin=stdin)
    assert got.returncode == 0, (arguments, got.stderr)
    return json.loads(got.stdout)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    key = tmp_path_factory.mktemp("keys") / "s.pem"
    record = json.loads(run("dkim", "keygen", "--out", key, "--json").stdout)["record"]
    zone = {("example.org", "TXT"): ["v=spf1 ip4:192.0.2.1 exp=why.example.org -all"], ("why.example.org", "TXT"): ["%{c} is not ours"],
            ("s._domainkey.example.org", "TXT"): [record], ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=reject; pct=50"],
            ("list.example", "TXT"): ["v=spf1 -all"]}
    with NameServer(zone, fails=lambda name: name.startswith("servfail")) as dns:
        yield key, dns


MESSAGE = b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n"


def test_spf(world):
    _, dns = world
    ask = lambda ip, sender="ann@example.org", helo="h.example": judged("spf", "--ip", ip, "--helo", helo, "--mail-from", sender, "--resolver", dns.address)  # noqa: E731
    for ip, sender, result, mechanism, explanation in (("192.0.2.1", "ann@example.org", "pass", "ip4:192.0.2.1", ""), ("192.0.2.9", "ann@example.org", "fail", "-all", "192.0.2.9 is not ours"),
                                                       ("2001:db8::1", "ann@example.org", "fail", "-all", "2001:db8::1 is not ours"), ("192.0.2.1", "a@nothing.example", "none", "", ""),
                                                       ("192.0.2.1", "a@servfail.example", "temperror", "", "")):
        got = ask(ip, sender)
        assert (got["result"], got["mechanism"], got["explanation"]) == (result, mechanism, explanation), got
        assert got["result"] in SPF and all(isinstance(got[k], str) for k in ("result", "domain", "mechanism", "explanation"))
    assert ask("192.0.2.9", "", "example.org")["result"] == "fail", "the null sender is judged by HELO"
    for wrong in (["--ip", "x"], [], ["--ip", "192.0.2.1", "--what"], ["--ip", "192.0.2.1", "rest"]):
        assert run("spf", *wrong).returncode == 64, wrong


def test_verify(world):
    key, dns = world
    signed = run("dkim", "sign", "--domain", "example.org", "--selector", "s", "--key", key, "--now", 1700000000, stdin=MESSAGE).stdout
    assert signed.endswith(MESSAGE)
    got = judged("verify", "--ip", "192.0.2.1", "--helo", "h.example", "--mail-from", "ann@example.org", "--now", 1700000001, "--resolver", dns.address, stdin=signed)
    assert got["spf"]["result"] == "pass" and got["arc"] == {**got["arc"], "result": "none", "instances": 0}
    assert [{k: d[k] for k in ("domain", "selector", "algorithm", "result", "reason")} for d in got["dkim"]] == \
        [{"domain": "example.org", "selector": "s", "algorithm": "rsa-sha256", "result": "pass", "reason": ""}]
    dmarc = got["dmarc"]
    assert (dmarc["result"], dmarc["policy"], dmarc["disposition"], dmarc["domain"], dmarc["from"]) == ("pass", "reject", "none", "example.org", "example.org")
    assert dmarc["spf_aligned"] is True and dmarc["dkim_aligned"] is True
    assert "dkim=pass" in got["authentication_results"] and "dmarc=pass" in got["authentication_results"]
    spoofed = judged("verify", "--ip", "192.0.2.9", "--helo", "h.example", "--mail-from", "x@list.example", "--resolver", dns.address, stdin=MESSAGE)
    assert spoofed["dmarc"]["result"] == "fail" and spoofed["dmarc"]["disposition"] == "reject" and spoofed["dkim"] == []
    without = judged("verify", "--resolver", dns.address, stdin=signed)
    assert without["spf"]["result"] == "none" and without["dmarc"]["dkim_aligned"] is True


def test_lf_input_is_read_as_crlf(world):
    key, dns = world
    signed = run("dkim", "sign", "--domain", "example.org", "--selector", "s", "--key", key, stdin=MESSAGE).stdout
    from_lf = run("dkim", "sign", "--domain", "example.org", "--selector", "s", "--key", key, stdin=MESSAGE.replace(b"\r\n", b"\n")).stdout
    assert from_lf.endswith(MESSAGE)
    # One stray CRLF in a file of LF lines, and one stray LF in a message of CRLF lines, do not change which kind it is.
    mixed = signed.replace(b"\r\n", b"\n").replace(b"Hello\n", b"Hello\r\n")
    for text in (signed, signed.replace(b"\r\n", b"\n"), mixed, from_lf):
        assert judged("verify", "--resolver", dns.address, stdin=text)["dkim"][0]["result"] == "pass", text
    assert judged("verify", "--resolver", dns.address, stdin=signed.replace(b"Hello\r\n", b"Hello\n"))["dkim"][0]["result"] == "fail"


def test_page_for_people(world):
    key, dns = world
    signed = run("dkim", "sign", "--domain", "example.org", "--selector", "s", "--key", key, stdin=MESSAGE).stdout
    call = ["verify", "--ip", "192.0.2.9", "--helo", "h.example", "--mail-from", "ann@example.org", "--resolver", dns.address]
    page = run(*call, stdin=signed).stdout.decode()
    assert "gr\u00fc\u00dfe" in page and "its owner says: 192.0.2.9 is not ours" in page and "vouches for this message (DKIM)" in page
    page = run(*call, stdin=signed.replace(b"Hello", b"Goodbye")).stdout.decode()
    assert "the body was changed" in page and "to do: " in page and "Nobody vouches" in page and "reject" in page
    evil = b"From: ann@example.org\r\nSubject: \x1b[31mred\x00\r\n\r\n"
    assert b"\x1b" not in run(*call, stdin=evil).stdout and b"\x00" not in run(*call, stdin=evil).stdout


def test_sign(world):
    key, _ = world
    sign = ["dkim", "sign", "--domain", "Example.ORG", "--selector", "s", "--key", key]
    field = run(*sign, "--headers", "from:to:subject:subject", "--canonicalization", "simple/relaxed", "--now", 7, stdin=MESSAGE).stdout
    assert b"c=simple/relaxed" in field and b"h=from:to:subject:subject;" in field and b"t=7;" in field and b"d=example.org" in field
    for wrong in (["--headers", "to"], ["--canonicalization", "nowsp"], ["--algorithm", "ed25519-sha256"], ["--now", "x"], ["--key", "/nowhere"]):
        assert run(*sign, *wrong, stdin=MESSAGE).returncode == 64, wrong
    assert run("dkim", "sign", stdin=MESSAGE).returncode == 64


def test_arc_seal(world):
    key, dns = world
    call = ["arc", "seal", "--domain", "example.org", "--selector", "s", "--key", key, "--authserv-id", "mx.example.org", "--now", 1700000000, "--resolver", dns.address]
    once = run(*call, stdin=b"Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=x\r\n" + MESSAGE).stdout
    assert once.startswith(b"ARC-Seal:") and b"cv=none" in once and b"i=1; mx.example.org; spf=pass" in once
    assert judged("verify", "--resolver", dns.address, stdin=once)["arc"] | {"reason": ""} == {"result": "pass", "instances": 1, "reason": "", "sealers": ["example.org"]}
    twice = run(*call, stdin=once).stdout
    assert judged("verify", "--resolver", dns.address, stdin=twice)["arc"]["instances"] == 2
    assert judged("verify", "--resolver", dns.address, stdin=twice.replace(b"Hello", b"Hullo"))["arc"]["result"] == "fail"


def test_parse():
    for kind, data, key, value in (("path", b"<ann@example.org>", "domain", "example.org"), ("path", b"<>\r\n", "null", True), ("path", b"<\"a b\"@[192.0.2.1]>\n", "null", False),
                                   ("address", b"Ann <a@b.example>, c@d.example", "addresses", 2), ("header", b"A: b\n c\nD: e\n\n", "fields", 2), ("header", b"", "fields", 0),
                                   ("message", b"From a@b Fri\nA: b\n\nbody", "body_octets", 4)):
        got = run("parse", kind, stdin=data)
        assert got.returncode == 0, (kind, data, got.stdout)
        found = json.loads(got.stdout)[key]
        assert (len(found) if isinstance(found, list) else found) == value, (kind, data, found)
    for kind, data, position in (("path", b"<ann@>", 5), ("path", b"ann@example.org", 0), ("path", b"<a b@c>", 2), ("path", b"", 0), ("address", b"a@b.example, <", 13),
                                 ("header", b"A: b\nnot a field\n", 5), ("header", b"A: b\r\nnot a field\r\n", 6), ("message", b"\x00", 0), ("bounce", b"From: a@b\n\nx", 0)):
        got = run("parse", kind, stdin=data)
        assert got.returncode == 1, (kind, data, got.stdout)
        error = json.loads(got.stdout)
        assert isinstance(error["error"], str) and error["position"] == position, (kind, data, error)
    assert run("parse", "nothing").returncode == 64 and run("parse").returncode == 64


@pytest.mark.parametrize("kind, data", [("path", b"<" + b"a" * (8 << 20)), ("path", b"<" + b'"\\' * (1 << 20)), ("address", b"(" * (1 << 20)), ("address", b"<" * (1 << 20)),
                                        ("header", b"A:\n" * 200000), ("message", b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * (1 << 20)),
                                        ("message", b"Subject: " + b"=?a?q?" * (1 << 19)), ("bounce", b"From: MAILER-DAEMON@x\n\n" + b"a@" * (1 << 20))],
                         ids=range(8))
def test_parse_is_bounded(kind, data):
    assert run("parse", kind, stdin=data).returncode in (0, 1)  # and within run()'s time

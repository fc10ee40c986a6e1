"""What we sign verifies in other implementations, and what they sign verifies here: odd bodies and headers, all
canonical forms, RSA and Ed25519; and a server that signs what it sends and marks what it gets."""
import base64, json, random, re, smtplib, subprocess, sys, pathlib

import pytest
from postrider_process import BINARY, ROOT

sys.path.insert(0, str(ROOT / "tests/vectors"))
from name_server import NameServer  # noqa: E402

dkim = pytest.importorskip("dkim")
MESSAGES = 120


def run(*arguments, stdin=b""):
    got = subprocess.run([str(BINARY), *map(str, arguments)], input=stdin, capture_output=True, timeout=60)
    assert got.returncode == 0, (arguments, got.stdout[-2000:], got.stderr[-2000:])
    return got.stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o755)
    out = {}
    for selector, algorithm in (("r", "rsa-sha256"), ("e", "ed25519-sha256")):
        path = folder / f"{selector}.pem"
        made = json.loads(run("dkim", "keygen", "--algorithm", algorithm, "--domain", "example.org", "--selector", selector, "--out", path, "--json"))
        path.chmod(0o644)
        out[selector] = (path, algorithm, made["record"])
    return out


def odd_messages(count):
    dice = random.Random(7)
    # A last line that ends in white space without CRLF is left out: dkimpy and Mail::DKIM keep the space, RFC 6376 3.4.4 ignores it.
    bodies = [b"", b"\r\n", b"x", b"x\r\n\r\n\r\n", b" \r\n\t\r\n", b"a  b\t c \r\n", b"no final newline", b".\r\n..\r\n", bytes(range(128, 256)) + b"\r\n",
              b"\r\nleading\r\n", b"x" * 5000 + b"\r\n", b"tab\tend\t\r\n  \r\n"]
    for i in range(count):
        fields = [b"From: Ann <ann@example.org>", b"To: bob@example.net", b"Subject: number %d" % i, b"Date: Mon, 23 Nov 2026 10:00:00 +0000"]
        for extra in (b"Subject:second  subject \t ", b"X-Empty:", b"References: <a@b>\r\n\t<c@d>\r\n <e@f>", b"Cc: " + b"c" * 400 + b"@example.net",
                      b"MIME-Version:\t1.0  ", b"Content-Type: text/plain;\r\n   charset=utf-8", b"Reply-To: gr\xc3\xbc\xc3\x9fe@example.org"):
            if dice.random() < 0.4:
                fields.insert(dice.randrange(len(fields) + 1), extra)
        body = dice.choice(bodies) + (dice.choice(bodies) if dice.random() < 0.3 else b"")
        yield b"\r\n".join(fields) + b"\r\n\r\n" + body


FORMS = ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"]


@pytest.mark.parametrize("selector", ["r", "e"])
def test_ours_verifies_in_dkimpy(keys, selector):
    path, algorithm, record = keys[selector]
    for i, message in enumerate(odd_messages(MESSAGES)):
        signed = run("dkim", "sign", "--domain", "example.org", "--selector", selector, "--key", path, "--canonicalization", FORMS[i % 4], stdin=message)
        assert signed.endswith(message), message
        assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record.encode()), (FORMS[i % 4], message)


def test_dkimpys_verifies_here(keys):
    path, _, record = keys["r"]
    key = path.read_bytes()
    problems = []
    with NameServer({("r._domainkey.example.org", "TXT"): [record]}) as dns:
        for i, message in enumerate(odd_messages(MESSAGES)):
            header, body = FORMS[i % 4].split("/")
            field = dkim.sign(message, b"r", b"example.org", key, canonicalize=(header.encode(), body.encode()), include_headers=[b"from", b"subject", b"to", b"date"])
            got = json.loads(run("verify", "--resolver", dns.address, "--json", stdin=field + message))
            if [s["result"] for s in got["dkim"]] != ["pass"]:
                problems.append((FORMS[i % 4], got["dkim"], message))
    assert not problems, problems[:3]


def test_ours_verifies_in_mail_dkim(keys, tmp_path):
    """Perl's Mail::DKIM, with the key given instead of asked for."""
    if subprocess.run(["perl", "-MMail::DKIM::Verifier", "-e", "1"], capture_output=True).returncode != 0:
        pytest.skip("Mail::DKIM is not installed (tools/bootstrap test)")
    path, _, record = keys["r"]
    script = tmp_path / "verify.pl"
    script.write_text(r"""
use strict; use Mail::DKIM::Verifier; use Mail::DKIM::PublicKey;
my $record = shift; no warnings 'redefine';
*Mail::DKIM::Signature::get_public_key = sub { my $self = shift; return $self->{public} ||= Mail::DKIM::PublicKey->parse($record) };
for my $file (@ARGV) { open my $in, '<:raw', $file or die; my $v = Mail::DKIM::Verifier->new; local $/; $v->PRINT(<$in>); $v->CLOSE; print $v->result, "\n" }
""")
    files = []
    # Mail::DKIM adds no CRLF to a body that ends without one; RFC 6376 3.4.3 does.
    for i, message in enumerate(m for m in odd_messages(60) if m.endswith(b"\r\n")):
        file = tmp_path / f"{i}.eml"
        file.write_bytes(run("dkim", "sign", "--domain", "example.org", "--selector", "r", "--key", path, "--canonicalization", FORMS[i % 4], stdin=message))
        files.append(file)
    got = subprocess.run(["perl", script, record, *files], capture_output=True, timeout=60)
    assert got.stdout.split() == [b"pass"] * len(files), (got.stdout, got.stderr[-1000:])


def test_tampering_is_seen(keys):
    path, _, record = keys["r"]
    message = next(odd_messages(1))
    signed = run("dkim", "sign", "--domain", "example.org", "--selector", "r", "--key", path, stdin=message)
    with NameServer({("r._domainkey.example.org", "TXT"): [record]}) as dns:
        verify = lambda text: json.loads(run("verify", "--resolver", dns.address, "--json", stdin=text))["dkim"][0]["result"]  # noqa: E731
        assert verify(signed) == "pass"
        assert verify(signed + b"more") == "fail"
        assert verify(signed.replace(b"Subject: number", b"Subject: Number")) == "fail"
        assert verify(b"From: Eve <eve@example.org>\r\n" + signed) == "fail"  # From is oversigned
        assert verify(signed.replace(b"a=rsa-sha256", b"a=rsa-sha1")) != "pass"


def test_servers_sign_and_mark(keys, make_server):
    """One server signs what it relays, the other verifies it and says so on top."""
    zone = {(f"{s}._domainkey.example.org", "TXT"): [keys[s][2]] for s in keys}
    zone[("_dmarc.example.org", "TXT")] = ["v=DMARC1; p=reject"]
    with NameServer(zone) as dns:
        receiver = make_server(name="receiver", main={"sender_authentication": "enforce", "sender_authentication_exempt_networks": "",
                                                      "dkim_sign_networks": "", "dns_servers": dns.address, "virtual_mailbox_domains": "example.org"})
        sender = make_server(name="sender", main={
            "myhostname": "out.example.org", "virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{receiver.port}",
            "dkim_signing_keys": " ".join(f"example.org:{s}:{keys[s][0]}" for s in keys)})
        for i, message in enumerate(odd_messages(12)):
            with sender.client() as c:
                c.sendmail("ann@example.org", ["bob@example.org"], message, mail_options=["BODY=8BITMIME"])
        for got in receiver.wait_messages("bob", 12):
            results = re.sub(rb"\s+", b" ", got.split(b"Authentication-Results: ")[1].split(b"\nReceived:")[0])
            assert results.count(b"dkim=pass") == 2 and b"dmarc=pass" in results, got[:1500]
        # The same author from nowhere is refused.
        with receiver.client() as c, pytest.raises(smtplib.SMTPDataError) as refused:
            c.sendmail("ann@example.org", ["bob@example.org"], b"From: ann@example.org\r\n\r\nspoofed\r\n")
        assert refused.value.smtp_code == 550 and b"DMARC policy of example.org" in refused.value.smtp_error
        receiver.wait_log(r"reject: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: 550 5\.7\.1 Message refused by the DMARC policy")

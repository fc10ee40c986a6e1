"""What we sign verifies in other implementations, and what they sign verifies here: odd bodies and headers, all
canonical forms, RSA and Ed25519; and a server that signs what it sends and marks what it gets."""
import base64, concurrent.futures, json, random, re, smtplib, subprocess

import pytest
from postrider_process import BINARY
from dkim_peers import DkimPy, MailDkim, OpenDkim
from name_server import NameServer

dkim = pytest.importorskip("dkim")
MESSAGES = 500


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
    """Bodies and headers that implementations have read differently: empty, without a last CRLF, trailing blank lines, 8-bit, very long, folded, twice."""
    dice = random.Random(7)
    # A last line that ends in white space without CRLF is left out: dkimpy and Mail::DKIM keep the space, RFC 6376 3.4.4 ignores it.
    bodies = [b"", b"\r\n", b"x", b"x\r\n\r\n\r\n", b" \r\n\t\r\n", b"a  b\t c \r\n", b"no final newline", b".\r\n..\r\n", bytes(range(128, 256)) + b"\r\n",
              b"\r\nleading\r\n", b"x" * 5000 + b"\r\n", b"tab\tend\t\r\n  \r\n", b"\r\n\r\n\r\n", b" " * 3000 + b"y\r\n", b"- dash\r\n-- \r\nsignature\r\n",
              b"".join(b"%d\r\n" % i for i in range(2000)), b"a\r\n" * 3 + b"\r\n" * 500, b"\tlead\r\n", b"\xef\xbb\xbfbom\r\n"]
    for i in range(count):
        fields = [b"From: Ann <ann@example.org>", b"To: bob@example.net", b"Subject: number %d" % i, b"Date: Mon, 23 Nov 2026 10:00:00 +0000"]
        for extra in (b"Subject:second  subject \t ", b"X-Empty:", b"References: <a@b>\r\n\t<c@d>\r\n <e@f>", b"Cc: " + b"c" * 400 + b"@example.net",
                      b"MIME-Version:\t1.0  ", b"Content-Type: text/plain;\r\n   charset=utf-8", b"Reply-To: gr\xc3\xbc\xc3\x9fe@example.org",
                      b"X-Long: " + b"long " * 190, b"x-lower:  two   spaces", b"To: second@example.net", b"SUBJECT: case"):
            if dice.random() < 0.3:
                fields.insert(dice.randrange(len(fields) + 1), extra)
        body = dice.choice(bodies) + (dice.choice(bodies) if dice.random() < 0.3 else b"")
        if body.endswith((b" ", b"\t")):
            body += b"\r\n"
        yield b"\r\n".join(fields) + b"\r\n\r\n" + body


FORMS = ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"]


@pytest.fixture(scope="module")
def records(keys):
    return {f"{s}._domainkey.example.org": keys[s][2] for s in keys}


@pytest.fixture(scope="module")
def ours(keys):
    """(message, selector, form) for each message, signed by us."""
    jobs = [(message, "re"[i // 4 % 2], FORMS[i % 4]) for i, message in enumerate(odd_messages(MESSAGES))]

    def sign(job):
        message, selector, form = job
        signed = run("dkim", "sign", "--domain", "example.org", "--selector", selector, "--key", keys[selector][0], "--canonicalization", form, stdin=message)
        assert signed.endswith(message), message
        return signed, selector, form

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(sign, jobs))


def test_ours_verifies_in_dkimpy(ours, records):
    peer = DkimPy(records)
    problems = [(form, signed) for signed, _, form in ours if peer.verify(signed) != "pass"]
    assert len(ours) == MESSAGES and not problems, (len(problems), problems[:2])


def test_ours_verifies_in_opendkim(ours, records):
    if not OpenDkim.present():
        pytest.skip("OpenDKIM's library is not installed (tools/bootstrap test)")
    peer = OpenDkim(records)
    # The library refuses a body without a last CRLF, which its milter never sees.
    mine = [(s, f) for s, selector, f in ours if s.endswith(b"\r\n") and (selector == "r" or "ed25519-sha256" in peer.algorithms)]
    problems = [(got, form, signed) for signed, form in mine if (got := peer.verify(signed)) != "pass"]
    assert len(mine) >= MESSAGES // 2 and not problems, (len(problems), problems[:2])


def test_ours_verifies_in_mail_dkim(ours, records):
    if not MailDkim.present():
        pytest.skip("Mail::DKIM is not installed (tools/bootstrap test)")
    # Mail::DKIM adds no CRLF to a body that ends without one; RFC 6376 3.4.3 does.
    mine = [(s, f) for s, selector, f in ours if selector == "r" and s.endswith(b"\r\n")]
    got = MailDkim.run(records, [{"message": base64.b64encode(s).decode()} for s, _ in mine])
    problems = [(g, m) for g, m in zip(got, mine) if g != "pass"]
    assert len(mine) >= MESSAGES // 4 and not problems, (len(problems), problems[:2])


def test_theirs_verifies_here(keys, records):
    """Each message signed by every peer at once; one signature more or less of another does not matter to any (RFC 6376 section 4)."""
    messages = list(odd_messages(MESSAGES))
    fields = [[] for _ in messages]
    pem = keys["r"][0].read_bytes()
    seed = base64.b64encode(bytes.fromhex(subprocess.run(["openssl", "pkey", "-in", keys["e"][0], "-outform", "DER"], capture_output=True, check=True).stdout.hex()[-64:]))
    peers = [DkimPy(records)] + ([OpenDkim(records)] if OpenDkim.present() else [])
    for peer in peers:
        for i, message in enumerate(messages):
            if isinstance(peer, OpenDkim) and not message.endswith(b"\r\n"):
                continue
            fields[i].append(peer.sign(message, "r", pem, FORMS[i % 4], "rsa-sha256"))
            # What OpenDKIM signs with Ed25519 in the simple form of the header, its own verifier refuses, too.
            broken = isinstance(peer, OpenDkim) and FORMS[i // 4 % 4].startswith("simple")
            if "ed25519-sha256" in peer.algorithms and not broken:
                key = seed if isinstance(peer, DkimPy) else keys["e"][0].read_bytes()
                fields[i].append(peer.sign(message, "e", key, FORMS[i // 4 % 4], "ed25519-sha256"))
    if MailDkim.present():
        chosen = [i for i, m in enumerate(messages) if m.endswith(b"\r\n")]
        got = MailDkim.run(records, [{"message": base64.b64encode(messages[i]).decode(), "sign": 1, "algorithm": "rsa-sha256", "form": FORMS[i % 4], "domain": "example.org",
                                      "selector": "r", "key": str(keys["r"][0])} for i in chosen])
        for i, field in zip(chosen, got):
            text = base64.b64decode(field)
            fields[i].append(re.sub(rb"\r?\n", b"\r\n", text).rstrip(b"\r\n") + b"\r\n")
    with NameServer({(n, "TXT"): [r] for n, r in records.items()}) as dns:
        def check(i):
            got = json.loads(run("verify", "--resolver", dns.address, "--json", stdin=b"".join(fields[i]) + messages[i]))["dkim"]
            bad = [(s, f) for s, f in zip(got, fields[i]) if s["result"] != "pass"]
            return (bad, messages[i]) if bad or len(got) != len(fields[i]) else None

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            problems = [p for p in pool.map(check, range(len(messages))) if p]
    assert sum(map(len, fields)) >= 2 * MESSAGES and not problems, (len(problems), problems[:2])


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
        # A line that SMTP does not carry is broken before it is signed, also where a program hands it in.
        text = b"From: ann@example.org\nSubject: long\n\n" + b"word " * 1000 + b"\nend\n"
        program = sender.directory / "sendmail"
        program.symlink_to(BINARY)
        done = subprocess.run([program, "-f", "ann@example.org", "bob@example.org"], input=text, capture_output=True, timeout=30,
                              env={"MAIL_CONFIG": str(sender.config)})
        assert done.returncode == 0, done.stderr
        got = next(m for m in receiver.wait_messages("bob", 13) if b"Subject: long" in m)
        assert b"dkim=pass" in got and b"dmarc=pass" in got
        assert max(len(line) for line in got.split(b"\n")) <= 998 and got.replace(b"\n ", b"").count(b"word ") == 1000
        # The same author from nowhere is refused.
        with receiver.client() as c, pytest.raises(smtplib.SMTPDataError) as refused:
            c.sendmail("ann@example.org", ["bob@example.org"], b"From: ann@example.org\r\n\r\nspoofed\r\n")
        assert refused.value.smtp_code == 550 and b"DMARC policy of example.org" in refused.value.smtp_error
        receiver.wait_log(r"reject: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: 550 5\.7\.1 Message refused by the DMARC policy")

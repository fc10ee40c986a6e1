"""Independent test data, where it is present beside the repository: ../shared/vectors, or POSTRIDER_VECTORS."""
import concurrent.futures, ipaddress, json, os, pathlib, re, subprocess

import pytest
from name_server import NameServer
from postrider_process import BINARY, ROOT

VECTORS = pathlib.Path(os.environ.get("POSTRIDER_VECTORS", ROOT.parent / "shared/vectors"))
pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the vectors are not here")


def load(path):
    return json.loads((VECTORS / path).read_text())


def run(*arguments, stdin=b""):
    got = subprocess.run([str(BINARY), *map(str, arguments)], input=stdin, capture_output=True, timeout=60)
    assert got.returncode == 0, (arguments, got.stdout[-2000:], got.stderr[-2000:])
    return got.stdout


def judge(*arguments, stdin=b""):
    return json.loads(run(*arguments, "--json", stdin=stdin))


def crlf(text):
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return re.sub(rb"\r?\n", b"\r\n", raw)


def in_parallel(work, items):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [problem for problem in pool.map(work, items) if problem]


def spf_zone(records):
    zone = {}
    for record in records:
        kind, name = record["type"], record["name"]
        values = record["value"] if isinstance(record["value"], list) else [record["value"]]
        if kind == "PTR":
            name = ipaddress.ip_address(name).reverse_pointer
        if kind == "MX":
            values = [(v["preference"], v["exchange"]) for v in values]
        zone[(name, kind)] = values
    return zone


def test_spf():
    problems = []
    for scenario in load("spf/cases.json")["scenarios"]:
        zone = spf_zone(scenario.get("earlier_records", []) + scenario["zone"])
        with NameServer(zone, lambda name: "_dns_error." in name + ".") as dns:
            def check(case):
                if "HELO identity is checked first" in case.get("note", ""):
                    return None  # RFC 7208 section 2.3 lets a verifier check MAIL FROM whatever HELO gave; the verb judges MAIL FROM
                wanted = case.get("rfc7208_result", case["result"])
                got = judge("spf", "--ip", case["ip"], "--helo", case["helo"], "--mail-from", case["mail_from"],
                            "--resolver", dns.address, "--receiver", "localdomain.org")
                if got["result"] != wanted:
                    return f"{scenario['file']} {scenario['name']}: {case} gave {got}"
                if case.get("explanation") and got["explanation"] != case["explanation"]:
                    return f"{scenario['file']} {scenario['name']}: explanation {got['explanation']!r}, not {case['explanation']!r}"
            problems += in_parallel(check, scenario["tests"])
    assert not problems, "\n".join(problems)


def dkim_results(message, dns_records, now=None):
    with NameServer({(n, "TXT"): [t] for n, t in dns_records.items()}) as dns:
        return judge("verify", "--resolver", dns.address, *(["--now", now] if now else []), stdin=crlf(message))["dkim"]


def test_dkim_rfc_samples():
    data = load("dkim/rfc-samples.json")
    problems = []
    for case in data["verify"]:
        got = dkim_results(case["message"], case["dns"], case.get("now"))
        for expected, result in zip(case["expect"], got, strict=True):
            if result["result"] != expected["result"] or result["domain"] != expected["domain"]:
                problems.append(f"{case.get('name')}: {result}, not {expected}")
    assert not problems, "\n".join(problems)


def test_dkim_real_mails():
    for path in sorted((VECTORS / "dkim/mail-auth").glob("0*.txt")):
        head, _, message = path.read_bytes().partition(b"\n\n")
        records = dict(line.split(" ", 1) for line in head.decode().splitlines())
        got = dkim_results(message, records, 1667843664)
        known = [r for r in got if f"{r['selector']}._domainkey.{r['domain']}" in {k.rstrip('.').lower() for k in records}]
        assert known and all(r["result"] == "pass" for r in known), (path.name, got)


def test_dkim_messages_of_dkimpy():
    problems = []
    for case in load("dkim/dkimpy-tables.json")["messages"]:
        got = dkim_results(case["message"], case["dns"])
        for expected, result in zip(case["expect"], got, strict=True):
            wanted = expected["result"] if isinstance(expected, dict) else expected
            if (result["result"] == "pass") != (wanted == "pass"):
                problems.append(f"{case.get('name')}: {result}, not {expected}")
    assert not problems, "\n".join(problems)


def test_dkim_signing(tmp_path):
    for case in load("dkim/rfc-samples.json")["sign"]:
        key = tmp_path / "key"
        key.write_text(case.get("private_key_pem") or case["private_key_base64"])
        dns = {}
        for verify in load("dkim/rfc-samples.json")["verify"]:
            dns.update(verify["dns"])
        signed = run("dkim", "sign", "--domain", case["domain"], "--selector", case["selector"], "--key", key,
                     "--canonicalization", case.get("canonicalization", "relaxed/relaxed"), "--headers", ":".join(case["headers"]),
                     *(["--now", case["timestamp"]] if case.get("timestamp") else []), stdin=crlf(case["message"]))
        name = f"{case['selector']}._domainkey.{case['domain']}"
        assert re.sub(rb"\s", b"", signed.split(b"bh=")[1].split(b";")[0]).decode() == case["body_hash"]
        got = dkim_results(signed, {name: dns[name]})
        assert got[0]["result"] == "pass", (case, got)


def test_arc_validation():
    problems = []
    for scenario in load("arc/validation.json"):
        records = {(n, "TXT"): [re.sub(r"\s+", "", v.split("p=")[0]) + "p=" + re.sub(r"\s", "", v.split("p=")[1]) if "p=" in v else v]
                   for n, v in scenario["txt-records"].items()}
        with NameServer(records) as dns:
            def check(case):
                wanted = (case["cv"] or "fail").lower()  # RFC 8617 section 5.2: an ARC-Seal that says cv=fail is a failed chain
                got = judge("verify", "--resolver", dns.address, stdin=crlf(case["message"]))["arc"]
                if got["result"] != wanted:
                    return f"{case['name']}: {got}, not {wanted}"
            problems += in_parallel(check, scenario["tests"])
    assert not problems, "\n".join(problems)


def test_arc_sealing(tmp_path):
    """The message signature compares bytewise; the seal also covers our folding of it, so it is verified instead."""
    squeezed = lambda text: re.sub(r"\s+", "", text)  # noqa: E731
    problems = []
    for scenario in load("arc/signing.json"):
        key = tmp_path / "key.pem"
        key.write_text(scenario["privatekey"])
        records = {(n, "TXT"): [re.sub(r"\s+", "", v)] for n, v in scenario["txt-records"].items()}
        with NameServer(records) as dns:
            for case in scenario["tests"]:
                command = ["arc", "seal", "--domain", scenario["domain"], "--selector", scenario["sel"], "--key", key, "--authserv-id", case["srv-id"],
                           "--now", case["t"], "--headers", case["sig-headers"], "--resolver", dns.address]
                fields = json.loads(run(*command, "--json", stdin=crlf(case["message"])))["fields"]
                got = dict(re.findall(r"^(ARC-[\w-]+): (.*?)(?=^ARC-|\Z)", fields, re.M | re.S))
                without_b = lambda text: re.sub(r"\bb=[^;]*", "b=", squeezed(text))  # noqa: E731
                for name, wanted, form in (("ARC-Authentication-Results", case["AAR"], squeezed), ("ARC-Message-Signature", case["AMS"], squeezed),
                                           ("ARC-Seal", case["AS"], without_b)):
                    if form(got.get(name, "")) != form(wanted):
                        problems.append(f"{case['name']} {name}:\n  {form(got.get(name, ''))}\n  {form(wanted)}")
                if case["AS"] and "cv=fail" not in squeezed(case["AS"]):
                    sealed = run(*command, stdin=crlf(case["message"]))
                    chain = judge("verify", "--resolver", dns.address, stdin=sealed)["arc"]
                    if chain["result"] != "pass":
                        problems.append(f"{case['name']}: our own chain gives {chain}")
    assert not problems, "\n".join(problems)


def test_dmarc():
    """verify.json gives SPF and DKIM as known: an SPF record and an address that make them so stand for them."""
    problems = []
    for case in load("dmarc/verify.json")["cases"]:
        if "from" not in case or case.get("dkim") and any(d["result"] == "pass" for d in case["dkim"]) and not case.get("spf"):
            continue
        zone = {(n, "TXT"): [v] if isinstance(v, str) else v for n, v in case["zone"].get("TXT", {}).items()}
        zone |= {(n, "A"): v for n, v in case["zone"].get("A", {}).items()}
        spf = case.get("spf", {})
        sender = ""
        if spf.get("domain"):
            zone[(spf["domain"], "TXT")] = zone.get((spf["domain"], "TXT"), []) + ["v=spf1 ip4:192.0.2.1 -all"]
            sender = f"x@{spf['domain']}"
        ip = "192.0.2.1" if spf.get("result") == "pass" else "192.0.2.2"
        with NameServer(zone) as dns:
            got = judge("verify", "--ip", ip, "--helo", "h.invalid", "--mail-from", sender, "--resolver", dns.address,
                        stdin=f"From: {case['from']}\r\n\r\nx\r\n".encode())["dmarc"]
        expect = case["expect"]
        if "policy" in expect and got["policy"] != expect["policy"]:
            problems.append(f"{case['name']}: policy {got}, not {expect}")
        if expect.get("record", "there") is None and got["result"] != "none":
            problems.append(f"{case['name']}: {got}, not none")
        if expect.get("spf_alignment") in ("pass", "fail") and got["spf_aligned"] != (expect["spf_alignment"] == "pass"):
            problems.append(f"{case['name']}: alignment {got}, not {expect}")
    assert not problems, "\n".join(problems)

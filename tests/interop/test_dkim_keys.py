"""The life of a DKIM key, and the records to publish: made, published, seen, switched, retired; taken into use by a running server."""
import json, os, re, stat, subprocess, time

import pytest
from name_server import NameServer
from postrider_process import BINARY, wait_for

DAY = 86400
START = 1_800_000_000


def quoted(zone_line):
    """The text of a TXT line in zone form: its strings joined."""
    strings = re.findall(r'"((?:[^"\\\\]|\\\\.)*)"', zone_line)
    assert strings and all(len(s) <= 255 for s in strings), zone_line
    return "".join(strings)


@pytest.fixture
def rotated(make_server):
    """A server whose name server can be told what to publish."""
    with NameServer({("example.org", "TXT"): ["v=spf1 -all"]}) as dns:
        server = make_server(start=False, main={"dns_servers": dns.address, "myhostname": "mail.example.org", "tls_certificate_check_interval": "1s",
                                                "virtual_mailbox_domains": "example.org", "dkim_sign_networks": "127.0.0.0/8"})
        server.write_config()

        def rotate(*words, now=START, check=True):
            got = server.run("-c", server.config, "dkim", "rotate", *words, "--resolver", dns.address, "--now", str(int(now)), "--json", check=check)
            return json.loads(got.stdout) if got.returncode == 0 else got

        server.dns, server.rotate = dns, rotate
        yield server


def test_keygen(directory):
    for algorithm, kind in (("rsa-sha256", "rsa"), ("ed25519-sha256", "ed25519")):
        path = directory / f"{kind}.pem"
        call = [BINARY, "dkim", "keygen", "--algorithm", algorithm, "--domain", "example.org", "--selector", "s1", "--out", path]
        made = json.loads(subprocess.run([*map(str, call), "--json"], capture_output=True, check=True).stdout)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and b"PRIVATE KEY" in path.read_bytes()
        assert made["name"] == "s1._domainkey.example.org" and made["record"].startswith(f"v=DKIM1; k={kind}; p=")
        assert made["bits"] == (2048 if kind == "rsa" else 256) and "key" not in made
        assert made["zone"].startswith("s1._domainkey.example.org. IN TXT ") and quoted(made["zone"]) == made["record"]
        again = subprocess.run([*map(str, call)], capture_output=True)
        assert again.returncode != 0 and b"already" in again.stderr, "a key is never written over"
    for wrong in (["--bits", "512"], ["--algorithm", "dsa"], ["--selector", "a b"], ["--selector", "x" * 64]):
        assert subprocess.run([str(BINARY), "dkim", "keygen", *wrong], capture_output=True).returncode == 64, wrong


def test_rotation_step_by_step(rotated):
    first = rotated.rotate("example.org", "--algorithm", "rsa-sha256,ed25519-sha256")
    assert first["phase"] == "announced" and [k["role"] for k in first["keys"]] == ["next", "next"] and "publish" in first["wanted"]
    for key in first["keys"]:
        assert stat.S_IMODE(os.stat(key["file"]).st_mode) == 0o600 and quoted(key["zone"]) == key["record"]
    rotated.dns.publish(first["keys"][0]["name"], "TXT", first["keys"][0]["record"])
    assert rotated.rotate("example.org")["phase"] == "announced", "one of two is not both"
    rotated.dns.publish(first["keys"][1]["name"], "TXT", first["keys"][1]["record"])
    seen = rotated.rotate("example.org")
    assert seen["phase"] == "announced" and seen["done"] and "used from" in seen["wanted"]
    assert rotated.rotate("example.org", "--status", now=START + 2 * DAY)["phase"] == "announced", "--status changes nothing"
    active = rotated.rotate("example.org", now=START + 3600)
    assert active["phase"] == "idle" and {k["role"] for k in active["keys"]} == {"active"}, "there was no key before: no overlap"
    assert rotated.rotate("--if-older", "180d", now=START + 100 * DAY)[0]["phase"] == "idle"
    begun = rotated.rotate("--if-older", "180d", now=START + 200 * DAY)[0]
    assert begun["phase"] == "announced" and sorted(k["role"] for k in begun["keys"]) == ["active", "active", "next"]
    old = [k for k in begun["keys"] if k["role"] == "active"]
    (new,) = [k for k in begun["keys"] if k["role"] == "next"]
    assert new["selector"] not in [k["selector"] for k in old]
    rotated.dns.publish(new["name"], "TXT", new["record"])
    day = START + 201 * DAY
    rotated.rotate(now=day)
    switched = rotated.rotate(now=day + 3600)[0]
    assert switched["phase"] == "overlap" and {k["selector"]: k["role"] for k in switched["keys"]} == \
        {old[0]["selector"]: "old", old[1]["selector"]: "old", new["selector"]: "active"}
    assert all(os.path.exists(k["file"]) for k in old)
    retiring = rotated.rotate(now=day + 8 * DAY)[0]
    assert retiring["phase"] == "retiring" and "remove" in retiring["wanted"] and not any(os.path.exists(k["file"]) for k in old)
    rotated.dns.publish(old[0]["name"], "TXT", "v=DKIM1; p=")
    assert rotated.rotate(now=day + 9 * DAY)[0]["phase"] == "retiring"
    rotated.dns.publish(old[1]["name"], "TXT")
    ended = rotated.rotate(now=day + 10 * DAY, *["--if-older", "180d"])[0]
    assert ended["phase"] == "idle" and [k["selector"] for k in ended["keys"]] == [new["selector"]]
    page = rotated.run("-c", rotated.config, "dkim", "rotate", "example.org", "--status", "--resolver", rotated.dns.address).stdout.decode()
    assert page.startswith("example.org: idle") and new["selector"] in page


def test_rotation_cut_short(rotated):
    """Whatever is left behind by a run that ended half-way, the next goes on."""
    folder = rotated.directory / "data/dkim"
    folder.mkdir()
    day = time.strftime("%Y%m%d", time.gmtime(START))
    (folder / f"example.org.s{day}r.pem").write_text("half a key")  # the key was written, the state was not
    (folder / ".example.org.new").write_text("half a state")
    begun = rotated.rotate("example.org")
    assert begun["phase"] == "announced" and begun["keys"][0]["selector"] == f"s{day}r1"
    assert sorted(p.name for p in folder.iterdir()) == ["example.org.rotation", f"example.org.s{day}r.pem", f"example.org.s{day}r1.pem"]
    (folder / "example.org.rotation").write_text("phase odd\n")
    broken = rotated.rotate("example.org", check=False)
    assert broken.returncode == 1 and b"line 1" in broken.stderr
    for wrong in (["a/../b"], ["example.org", "--overlap", "x"], ["example.org", "--algorithm", "dsa"], ["com"]):
        assert rotated.rotate(*wrong, check=False).returncode == 64, wrong


def signature_of(server, user, count):
    message = server.wait_messages(user, count)[-1]
    found = re.search(rb"DKIM-Signature:(?:.|\n[ \t])*?s=([\w-]+);", message)
    return found.group(1).decode() if found else None


def test_server_takes_keys_into_use(rotated):
    """Static key, then rotation: SMTP and sendmail(1) alike sign with what is active, without a restart; mismatches are said everywhere."""
    server = rotated
    static = server.directory / "static.pem"
    made = json.loads(server.run("-c", server.config, "dkim", "keygen", "--domain", "example.org", "--selector", "first", "--out", static, "--json").stdout)
    static.chmod(0o644)
    server.settings["dkim_signing_keys"] = f"example.org:first:{static}"
    server.dns.publish(made["name"], "TXT", made["record"][:-40])  # a record that is not this key's
    server.start()
    server.wait_log(r"warning: DKIM: the record first\._domainkey\.example\.org does not match the private key .*static\.pem")
    assert "does not match" in server.run("-c", server.config, "status").stdout.decode()
    assert b"does not match the private key" in server.run("-c", server.config, "check").stderr
    server.dns.publish(made["name"], "TXT", made["record"])

    def send():
        with server.client() as c:
            c.sendmail("ann@example.org", ["bob@example.org"], b"From: ann@example.org\r\nSubject: x\r\n\r\nhello\r\n")

    def sendmail():
        subprocess.run([str(BINARY), "sendmail", "-C", str(server.config), "-f", "ann@example.org", "ann@example.org"], check=True, timeout=30,
                       input=b"From: ann@example.org\nSubject: x\n\nhello\n")

    send()
    sendmail()
    assert signature_of(server, "bob", 1) == "first" and signature_of(server, "ann", 1) == "first"
    begun = server.rotate("example.org", "--publish-wait", "0")
    (new,) = [k for k in begun["keys"] if k["role"] == "next"]
    assert [k["selector"] for k in begun["keys"] if k["role"] == "active"] == ["first"], "the configured key is taken over"
    server.dns.publish(new["name"], "TXT", new["record"])
    assert server.rotate("example.org", "--publish-wait", "0")["phase"] == "overlap"
    reloads = server.log().count("configuration loaded")
    server.wait_log(r"certificate or key files have changed")
    wait_for(lambda: server.log().count("configuration loaded") > reloads or reloads > 0)
    for user, submit in (("bob", send), ("ann", sendmail)):
        before = len(server.messages(user))
        wait_for(lambda: (submit(), signature_of(server, user, before + 1))[1] == new["selector"] or not time.sleep(0.3) and None)
    assert static.exists(), "a key of the administrator's own is his to remove"


ZONE = {("example.org", "MX"): [(10, "mail.example.org")], ("mail.example.org", "A"): ["192.0.2.1"], ("1.2.0.192.in-addr.arpa", "PTR"): ["mail.example.org"],
        ("example.org", "TXT"): ["v=spf1 mx -all"], ("mail.example.org", "TXT"): ["v=spf1 a -all"],
        ("_dmarc.example.org", "TXT"): ["v=DMARC1; p=reject; rua=mailto:r@example.org"], ("_smtp._tls.example.org", "TXT"): ["v=TLSRPTv1; rua=mailto:r@example.org"],
        ("_mta-sts.example.org", "TXT"): ["v=STSv1; id=20261124;"], ("mta-sts.example.org", "CNAME"): ["mail.example.org"],
        ("autoconfig.example.org", "A"): ["192.0.2.1"], ("autodiscover.example.org", "CNAME"): ["mail.example.org"],
        ("_submission._tcp.example.org", "SRV"): [(0, 1, 587, "mail.example.org")]}


@pytest.fixture
def asks_for_records(make_server):
    server = make_server(start=False, main={"myhostname": "mail.example.org"},
                         master="127.0.0.1:2599 inet n - n - - smtpd\n127.0.0.1:587 inet n - n - - smtpd\n")
    key = server.directory / "r.pem"
    record = json.loads(server.run("dkim", "keygen", "--out", key, "--json").stdout)["record"]
    server.settings["dkim_signing_keys"] = f"example.org:r:{key}"
    server.write_config()

    def records(changed, *words):
        zone = {**ZONE, ("r._domainkey.example.org", "TXT"): [record], **changed}
        with NameServer({k: v for k, v in zone.items() if v is not None}, fails=lambda name: name.startswith("servfail")) as dns:
            call = ["-c", server.config, "dns-records", "example.org", "--address", "192.0.2.1", "--resolver", dns.address]
            got = {r["purpose"]: r for r in json.loads(server.run(*call, "--json").stdout)}
            return got, server.run(*call).stdout.decode()

    server.records = records
    return server


def test_records_all_right(asks_for_records):
    got, page = asks_for_records.records({})
    assert {p: r["state"] for p, r in got.items()} == dict.fromkeys(
        ["MX", "A", "PTR", "SPF", "SPF HELO", "DKIM r", "DMARC", "TLSRPT", "MTA-STS", "MTA-STS host", "autoconfig", "autodiscover", "SRV submission"], "ok"), got
    assert "everything is published" in page
    for one in got.values():
        assert set(one) >= {"purpose", "name", "type", "record", "state", "found", "note"} and one["record"].startswith(f"{one['name']}. IN {one['type']} ")
    assert "mx: mail.example.org" in got["MTA-STS"]["policy"]


def test_records_all_missing(asks_for_records):
    got, page = asks_for_records.records(dict.fromkeys([*ZONE, ("r._domainkey.example.org", "TXT")]))
    assert {r["state"] for r in got.values()} == {"missing"}, got
    assert "13 of 13 to publish or mend" in page and "1.2.0.192.in-addr.arpa. IN PTR mail.example.org." in page and "mode: testing" in page
    assert "ask the provider" in got["PTR"]["note"]


def test_records_of_forwarding(asks_for_records):
    """srs_domain needs an MX that leads here and an SPF record of its own, unless it is this domain."""
    asks_for_records.settings |= {"srs_domain": "SRS.example.org", "srs_secret_files": str(asks_for_records.directory / "secrets")}
    (asks_for_records.directory / "secrets").write_text("a secret\n")
    asks_for_records.write_config()
    got, page = asks_for_records.records({})
    assert {p: got[p]["state"] for p in ("SRS MX", "SRS SPF")} == {"SRS MX": "missing", "SRS SPF": "missing"}
    assert "srs.example.org. IN MX 10 mail.example.org." in page and 'srs.example.org. IN TXT "v=spf1 mx -all"' in page
    got, _ = asks_for_records.records({("srs.example.org", "MX"): [(5, "mail.example.org")], ("srs.example.org", "TXT"): ["v=spf1 mx -all"]})
    assert got["SRS MX"]["state"] == got["SRS SPF"]["state"] == "ok"
    got, _ = asks_for_records.records({("srs.example.org", "MX"): [(5, "mail.example.org")], ("srs.example.org", "TXT"): ["v=spf1 ip4:192.0.2.99 -all"]})
    assert got["SRS SPF"]["state"] == "differs" and "gives fail" in got["SRS SPF"]["note"]
    asks_for_records.settings["srs_domain"] = "example.org"
    asks_for_records.write_config()
    assert not [p for p in asks_for_records.records({})[0] if p.startswith("SRS")]


@pytest.mark.parametrize("purpose, name, kind, values, note", [
    ("MX", "example.org", "MX", [(10, "old.example.org")], ""),
    ("A", "mail.example.org", "A", ["192.0.2.7"], ""),
    ("PTR", "1.2.0.192.in-addr.arpa", "PTR", ["host-1.provider.example"], "provider"),
    ("SPF", "example.org", "TXT", ["v=spf1 ip4:192.0.2.9 -all"], "gives fail for 192.0.2.1"),
    ("SPF", "example.org", "TXT", ["v=spf1 mx -all", "v=spf1 a -all"], "several"),
    ("DKIM r", "r._domainkey.example.org", "TXT", ["v=DKIM1; k=rsa; p=MIGfMA0="], "not the private key"),
    ("DMARC", "_dmarc.example.org", "TXT", ["v=DMARC1; p=whatever"], "no valid policy"),
    ("DMARC", "_dmarc.example.org", "TXT", ["v=DMARC1; p=none", "v=DMARC1; p=none"], "several"),
    ("TLSRPT", "_smtp._tls.example.org", "TXT", ["v=TLSRPTv1"], "rua="),
    ("MTA-STS", "_mta-sts.example.org", "TXT", ["v=STSv1; id=not-alnum"], "id="),
    ("autoconfig", "autoconfig.example.org", "A", ["192.0.2.99"], ""),
    ("SRV submission", "_submission._tcp.example.org", "SRV", [(0, 1, 25, "mail.example.org")], ""),
])
def test_records_that_differ(asks_for_records, purpose, name, kind, values, note):
    got, page = asks_for_records.records({(name, kind): values})
    assert got[purpose]["state"] == "differs" and note in got[purpose]["note"], got[purpose]
    assert got[purpose]["found"] and got[purpose]["record"] in page


def test_reports_to_another_domain(asks_for_records):
    external = {("_dmarc.example.org", "TXT"): ["v=DMARC1; p=reject; rua=mailto:r@reports.example"]}
    got, _ = asks_for_records.records(external)
    wanted = got["DMARC reports to reports.example"]
    assert wanted["state"] == "missing" and wanted["record"] == 'example.org._report._dmarc.reports.example. IN TXT "v=DMARC1;"'
    got, _ = asks_for_records.records({**external, ("example.org._report._dmarc.reports.example", "TXT"): ["v=DMARC1"]})
    assert got["DMARC reports to reports.example"]["state"] == "ok"

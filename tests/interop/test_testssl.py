"""testssl.sh against 25, 587 and 465: nothing above "low"."""
import json, subprocess

import pytest
from conftest import need
from test_tls import keys, make_certificate, three_ports  # noqa: F401 (fixtures)

# Our certificate is signed by itself, is no one's in the DNS, and testssl.sh looks for what only web servers have.
NOT_ABOUT_US = ("cert_", "DNS_CAArecord", "chain_of_trust", "certificate_transparency", "overall_grade", "grade_", "engine_problem", "scanProblem", "old_fleet")


def findings(folder, port, *options):
    out = folder / f"testssl-{port}.json"
    command = [need("testssl"), "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--openssl-timeout", "20",
               "-p", "-s", "-f", "-P", "-S", "-U", "--jsonfile", str(out), *options, f"127.0.0.1:{port}"]
    got = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=1200)
    assert out.exists(), got.stdout[-2000:] + got.stderr[-2000:]
    return json.loads(out.read_text())


@pytest.mark.parametrize("port", ["port", "submission", "smtps"])
def test_nothing_above_low(three_ports, directory, port):
    server = three_ports.start()
    number = getattr(server, port)
    found = findings(directory, number, *([] if port == "smtps" else ["-t", "smtp"]))
    assert {one["id"] for one in found} >= {"TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "PFS", "LUCKY13"}  # it really looked
    bad = [one for one in found if one["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL") and not one["id"].startswith(NOT_ABOUT_US)]
    assert not bad, bad
    old = {one["id"]: one["finding"] for one in found if one["id"] in ("TLS1", "TLS1_1", "SSLv2", "SSLv3")}
    assert "not offered" in old["SSLv2"] and "not offered" in old["SSLv3"]
    assert "not offered" in old["TLS1"] and "not offered" in old["TLS1_1"], old

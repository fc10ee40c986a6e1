"""Reports of real senders, read by `postrider reports parse`: where the vectors are present beside the repository."""
import json, subprocess

import pytest
from postrider_process import BINARY
from test_vectors import VECTORS

REPORTS = VECTORS / "dmarc/reports"
pytestmark = pytest.mark.skipif(not REPORTS.is_dir(), reason="the report vectors are not here")


def parse(path):
    got = subprocess.run([str(BINARY), "reports", "parse", str(path), "--json"], capture_output=True, timeout=60)
    assert got.returncode in (0, 1), (path, got.stderr)
    found = json.loads(got.stdout)
    assert (got.returncode == 0) == bool(found["reports"]), path
    # The page for people says something of the same.
    page = subprocess.run([str(BINARY), "reports", "parse", str(path)], capture_output=True, timeout=60)
    assert page.returncode == got.returncode and (page.stdout if found["reports"] else page.stderr), path
    return found


def word(value):
    """"AuthFailure", "auth-failure" and "authfailure" are one word; "Unspecified" says nothing."""
    text = (value or "").replace("-", "").lower()
    return "" if text == "unspecified" else text


def cases(folder, kinds=(".xml", ".eml", ".json")):
    names = {p.stem for p in (REPORTS / folder).iterdir() if p.suffix in kinds}
    return sorted(n for n in names if (REPORTS / folder / f"{n}.json").exists())


def test_aggregate():
    names = cases("dmarc-feedback")
    assert len(names) >= 10
    for name in names:
        wanted = json.loads((REPORTS / "dmarc-feedback" / f"{name}.json").read_text())
        file = next(p for p in (REPORTS / "dmarc-feedback" / f"{name}{s}" for s in (".xml", ".eml")) if p.exists())
        (got,) = parse(file)["reports"]
        meta, policy = wanted["report_metadata"], wanted["policy_published"]
        assert [got.get(k, "") for k in ("org_name", "email", "report_id")] == [meta[k] or "" for k in ("org_name", "email", "report_id")], name
        assert (got["begin"], got["end"]) == (meta["date_range"]["begin"], meta["date_range"]["end"]), name
        assert got["policy"]["domain"] == policy["domain"], name
        for key in ("p", "sp"):
            assert word(got["policy"].get(key)) == word(policy[key]), (name, key)
        for key in ("adkim", "aspf"):
            assert got["policy"].get(key, "") == {"Relaxed": "r", "Strict": "s", "Unspecified": ""}[policy[key]], (name, key)
        assert (got["policy"].get("testing") == "y") == policy["testing"], name
        assert len(got["records"]) == len(wanted["record"]), name
        for ours, theirs in zip(got["records"], wanted["record"]):
            row, evaluated = theirs["row"], theirs["row"]["policy_evaluated"]
            assert (ours["source_ip"], ours["count"]) == (row["source_ip"], row["count"]), name
            assert [word(ours.get(k)) for k in ("disposition", "dkim", "spf")] == [word(evaluated[k]) for k in ("disposition", "dkim", "spf")], name
            # RFC 7489's words that RFC 9990 dropped are kept as they are; the table calls them "other".
            assert [(r.get("type", "").replace("_", "").replace("sampledout", "other"), r.get("comment")) for r in ours.get("reasons", [])] == \
                [(word(r["type_"]).replace("_", ""), r["comment"]) for r in evaluated["reason"]], name
            for key in ("header_from", "envelope_from", "envelope_to"):
                assert ours.get(key, "") == (theirs["identifiers"][key] or ""), (name, key)
            assert [(d.get("domain", ""), d.get("selector", ""), word(d.get("result"))) for d in ours.get("dkim_results", [])] == \
                [(d["domain"], d["selector"], word(d["result"])) for d in theirs["auth_results"]["dkim"]], name
            assert [(s.get("domain", ""), word(s.get("result"))) for s in ours.get("spf_results", [])] == \
                [(s["domain"], word(s["result"])) for s in theirs["auth_results"]["spf"]], name


def test_failure():
    names = cases("arf")
    assert len(names) >= 5
    for name in names:
        wanted = json.loads((REPORTS / "arf" / f"{name}.json").read_text())
        (got,) = parse(REPORTS / "arf" / f"{name}.eml")["reports"]
        assert got["type"] == "failure"
        for key in ("feedback_type", "auth_failure", "delivery_result"):
            assert word(got.get(key)) == word(wanted[key]), (name, key)
        for key in ("source_ip", "user_agent", "original_envelope_id", "original_mail_from", "reporting_mta", "dkim_domain", "dkim_identity",
                    "dkim_selector", "dkim_selector_dns", "dkim_adsp_dns", "spf_dns"):
            assert got.get(key, "") == (wanted[key] or "").strip().strip("<>"), (name, key)
        assert got["incidents"] == wanted["incidents"] and got.get("source_port", 0) == wanted["source_port"], name
        assert got.get("reported_domain", []) == wanted["reported_domain"], name
        assert got.get("reported_uri", []) == wanted["reported_uri"], name
        assert got.get("original_rcpt_to", []) == ([wanted["original_rcpt_to"].strip("<>")] if wanted["original_rcpt_to"] else []), name
        assert ["".join(a.split()) for a in got.get("authentication_results", [])] == ["".join(a.split()) for a in wanted["authentication_results"]], name


def same_tls(got, wanted):
    assert got["organization"] == wanted["organization-name"] and got["report_id"] == wanted["report-id"]
    assert len(got["policies"]) == len(wanted["policies"])
    for ours, theirs in zip(got["policies"], wanted["policies"]):
        assert ours["type"] == theirs["policy"]["policy-type"]
        assert ours.get("domain", "") == theirs["policy"].get("policy-domain", "")
        assert ours.get("policy", []) == theirs["policy"].get("policy-string", [])
        assert ours["successful"] == theirs["summary"].get("total-successful-session-count", 0)
        assert ours["failed"] == theirs["summary"].get("total-failure-session-count", 0)
        details = theirs.get("failure-details", [])
        assert [f["sessions"] for f in ours.get("failures", [])] == [f["failed-session-count"] for f in details]
        assert [f["result_type"] for f in ours.get("failures", [])] == [f["result-type"] for f in details]


def test_tls():
    for path in sorted((REPORTS / "tlsrpt").glob("*.json")):
        wanted = json.loads(path.read_text())
        mail = path.with_suffix(".eml")
        for file in [path] + ([mail] if mail.exists() else []):
            (got,) = parse(file)["reports"]
            same_tls(got, wanted)


def test_odd_files():
    """What a mailbox of reports really holds; two files are no well-formed XML and must only not crash."""
    folder = REPORTS / "parsedmarc"
    for entry in json.loads((folder / "index.json").read_text())["files"]:
        found = parse(folder / entry["file"])
        if entry.get("well_formed") is False:
            assert found["reports"] or found["problems"], entry["file"]
            continue
        (got,) = found["reports"]
        if entry.get("well_formed"):
            assert (got.get("org_name"), got["report_id"], got["policy"]["domain"], got["policy"]["p"]) == \
                (entry["org_name"], entry["report_id"], entry["domain"], entry["p"]), entry["file"]
            assert (got["begin"], got["end"]) == (int(entry["begin"]), int(entry["end"])), entry["file"]
            assert len(got["records"]) == entry["records"] and sum(r["count"] for r in got["records"]) == entry["messages"], entry["file"]
            for ours, theirs in zip(got["records"], entry["results"]):
                assert {k: ours[k] for k in theirs} == theirs, entry["file"]
        else:
            assert got["type"] == {"aggregate": "aggregate", "failure": "failure", "smtp_tls": "tls"}[entry["file"].split("/")[0]], entry["file"]

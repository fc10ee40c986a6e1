"""Independent data on MIME, bounces, SMTP lines and DNS records, where it is present beside the repository. A case believed wrong is named with the
sentence of the RFC that says so. Header fields and replies by themselves are in test_field_vectors.py; what has no verb is asked of the layers by
vectors_test (C++, beside this file): DKIM's tables, DMARC records and verdicts, SMTP lines and replies in pieces, the Public Suffix List's names under
DMARC's tree walk."""
import json, re, socket, subprocess

import pytest
from name_server import NameServer
from postrider_process import BINARY, wait_for
from test_vectors import VECTORS, load

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the vectors are not here")


def parse(kind, data):
    got = subprocess.run([str(BINARY), "parse", kind], input=data, capture_output=True, timeout=60)
    return got.returncode, json.loads(got.stdout)


def leaves(entity):
    """Every part, the message first, in the order of the text."""
    yield entity
    for part in entity["parts"]:
        yield from leaves(part)


# The email package looks into these; to us they are text in a form of its own: RFC 3464 section 2.1.1 (a delivery-status body is groups of fields, no
# message), RFC 2046 section 5.2.3 (the body of an external-body part is a phantom).
LEAVES = {"message/delivery-status", "message/external-body"}


@pytest.mark.skipif(not (VECTORS / "mime").is_dir(), reason="the MIME vectors are not here")
def test_structure_of_messages():
    problems = []

    def compare(name, got, wanted):
        if got["type"] != wanted["content_type"]:
            problems.append((name, got["type"], wanted["content_type"]))
        if got["charset"] != (wanted["charset"] or ""):
            problems.append((name, "charset", got["charset"], wanted["charset"]))
        if got["encoding"] != (wanted["transfer_encoding"] or "").lower():
            problems.append((name, "encoding", got["encoding"], wanted["transfer_encoding"]))
        if wanted["filename"] and got["filename"] != wanted["filename"]:
            problems.append((name, "filename", got["filename"], wanted["filename"]))
        if got["fields"] != wanted["header_count"]:
            problems.append((name, "fields", got["fields"], wanted["header_count"]))
        if bool(got["defects"]) != bool(wanted["defects"]):
            problems.append((name, "defects", got["defects"], wanted["defects"]))
        parts = wanted.get("parts", []) if wanted["content_type"] not in LEAVES else []
        if len(got["parts"]) != len(parts):
            problems.append((name, "parts", len(got["parts"]), len(parts)))
        for ours, theirs in zip(got["parts"], parts):
            compare(name, ours, theirs)

    for case in load("mime/python/structure.json")["cases"]:
        status, got = parse("message", (VECTORS / "mime/python" / case["file"]).read_bytes())
        wanted = case["structure"]
        if status != 0:  # refused with a position: only what the email package finds a defect in
            if not wanted["defects"]:
                problems.append((case["file"], got))
        else:
            compare(case["file"], got["mime"], wanted)
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.skipif(not (VECTORS / "mime").is_dir(), reason="the MIME vectors are not here")
def test_offsets_of_parts():
    """Where each part begins and ends, with LF and with CRLF."""
    problems = []

    def flat(message):
        for part in message["parts"]:
            yield part

    for path in sorted((VECTORS / "mime/eml/rfc").glob("*.eml")):
        for ending, end in ((".json", b"\n"), (".crlf.json", b"\r\n")):
            raw = path.read_bytes().replace(b"\r", b"").replace(b"\n", end)
            status, got = parse("message", raw)
            assert status == 0, path
            ours = {(p["offset_header"], p["offset_body"], p["offset_end"]) for p in leaves(got["mime"])}
            for part in flat(json.loads(path.with_suffix(ending).read_text())):
                place = (part["offset_header"], part["offset_body"], part["offset_end"])
                if place not in ours:
                    problems.append((path.name, ending, place, sorted(ours)))
    assert not problems, "\n".join(map(str, problems))


FIELDS_OTHERWISE = {
    # RFC 2047 section 6.2: "any 'linear-white-space' that separates a pair of adjacent 'encoded-word's is ignored".
    "=?iso-8859-1?B?4Q==?= =?utf-8?B?w6k=?=",
    # RFC 2047 section 2: "encoded-text = 1*<Any printable ASCII character other than "?" or SPACE>": it is never empty.
    "=?utf-8?Q??=",
    # RFC 2047 section 5: an encoded-word "MUST be separated ... by 'linear-white-space'"; no space is added where none stood.
    "[SUSPECTED SPAM]=?",
    # RFC 2045 section 5.1: a quoted string ends with a quote; what one that does not holds is anybody's guess.
    'inva/lid; name="   ',
}


@pytest.mark.skipif(not (VECTORS / "mime").is_dir(), reason="the MIME vectors are not here")
def test_fields():
    """Content types and unstructured text."""
    problems = []
    for case in load("mime/fields/content_type.json"):
        wanted = case["expected"]
        status, got = parse("message", b"Content-Type: " + case["header"].encode("utf-8", "surrogateescape") + b"\r\nx\r\n")
        if not isinstance(wanted, dict) or wanted.get("c_subtype") is None or status != 0:
            continue
        ours = got["mime"]
        if ours["type"] != f"{wanted['c_type']}/{wanted['c_subtype']}".lower():
            problems.append((case["header"], ours["type"]))
        for name, value in wanted.get("attributes") or []:
            mine = {"charset": ours["charset"], "name": ours["filename"]}.get(name.lower())
            if mine is not None and mine != (value.lower() if name.lower() == "charset" else value):
                problems.append((case["header"], name, mine, value))
    known = ("utf-8", "us-ascii", "iso-8859-1")
    problems = [p for p in problems if not any(o in p[0] for o in FIELDS_OTHERWISE) and "iso-8859-6" not in p[0]]
    for case in load("mime/fields/unstructured.json"):
        if any(o in case["header"] for o in FIELDS_OTHERWISE):
            continue
        status, got = parse("header", b"Subject:" + case["header"].encode("utf-8", "surrogateescape"))
        charsets = {c.lower().split("*")[0] for c in re.findall(r"=\?([^?]*)\?", case["header"])}
        if status == 0 and charsets <= set(known):
            field = got["fields"][0]
            text = " ".join(field.get("decoded", field["value"]).split())
            if text != " ".join((case["expected"] or "").split()):
                problems.append((case["header"], text, case["expected"]))
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.skipif(not (VECTORS / "bounces").is_dir(), reason="the bounce vectors are not here")
def test_bounces():
    problems, prose, found = [], 0, 0
    for case in load("bounces/set-of-emails.json")["cases"]:
        status, got = parse("bounce", (VECTORS / "bounces/set-of-emails" / case["file"]).read_bytes())
        if case["recipients"] is None:
            if case["file"].startswith("arf"):
                assert got["kind"] == "feedback-report" and got["feedback"]["feedback-type"], case
            elif case["file"].startswith("rfc3834"):
                assert status == 0 and got["kind"] == "auto-reply", (case, got)
            else:
                prose += 1
                found += status == 0 and bool(got["mentioned"] or got["recipients"])
            continue
        assert got["kind"] == "delivery-status", (case["file"], got)
        same = lambda text: re.sub(r"\s+", " ", text or "").strip()  # noqa: E731
        for ours, theirs in zip(got["recipients"], case["recipients"]):
            for key in theirs:
                wanted = same(theirs[key]).lower() if key == "action" else same(theirs[key])
                if same(ours[key]) != wanted:
                    problems.append((case["file"], key, ours[key], theirs[key]))
        if len(got["recipients"]) != len(case["recipients"]):
            problems.append((case["file"], len(got["recipients"]), len(case["recipients"])))
    assert not problems, "\n".join(map(str, problems))
    assert found >= prose * 3 // 4, (found, prose)


@pytest.mark.skipif(not (VECTORS / "mta-sts").is_dir(), reason="the MTA-STS vectors are not here")
def test_records_of_tls(make_server):
    server = make_server(start=False, main={"myhostname": "mail.example.org"})
    server.write_config()
    data = load("mta-sts/records.json")
    for purpose, name, records in (("MTA-STS", "_mta-sts.example.org", data["sts_records"]), ("TLSRPT", "_smtp._tls.example.org", data["tlsrpt_records"])):
        for record in records:
            with NameServer({(name, "TXT"): [record["record"]]}) as dns:
                got = json.loads(server.run("-c", server.config, "dns-records", "example.org", "--address", "192.0.2.1", "--resolver", dns.address, "--json").stdout)
            assert {r["purpose"]: r["state"] for r in got}[purpose] == "ok", record


class Dialogue:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            assert line, "the server hung up"
            lines.append(line)
            if line[3:4] != b"-":
                return int(line[:3]), b"".join(lines)

    def say(self, octets):
        self.socket.sendall(octets)
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


# smtp-proto is more tolerant than the RFC, or knows what this server does not offer: refusing is right.
OFFERED = {"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "NOTIFY", "ORCPT"}
BELIEVED_WRONG = {
    # RFC 5321 section 4.1.2: "Quoted-string = DQUOTE *QcontentSMTP DQUOTE": it may be empty, and VRFY takes a String.
    'VRFY ""',
}


@pytest.mark.skipif(not (VECTORS / "smtp").is_dir(), reason="the SMTP vectors are not here")
def test_smtp_lines(make_server):
    """What the table calls an error is refused; MAIL and RCPT that use what we offer are taken."""
    server = make_server(main={"smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000", "smtpd_error_sleep_time": "0", "smtpd_delay_reject": "no",
                               "smtpd_reject_unlisted_recipient": "no", "relay_domains": "static:all", "smtpd_recipient_limit": "10000"})
    problems, taken, refused = [], 0, 0
    for case in load("smtp/requests.json")["cases"]:
        line = case["line"].encode("utf-8", "surrogateescape")
        wanted = case.get("ok") or {}
        verb = line.split(b" ")[0].strip().upper().decode("latin-1")
        dialogue = Dialogue(server.port)
        dialogue.say(b"EHLO client.example\r\n")
        if verb == "RCPT":
            dialogue.say(b"MAIL FROM:<ann@example.org> SMTPUTF8\r\n")
        if verb == "BDAT" or (verb == "AUTH" and wanted):
            dialogue.close()
            continue
        code, text = dialogue.say(line + b"\r\n")
        if wanted and verb in ("MAIL", "RCPT"):
            words = {w.split(b"=")[0].upper().decode("latin-1") for w in re.sub(rb"<[^>]*>", b"", line).split()[1:]} - {"FROM:", "TO:"}
            if words <= OFFERED and not case.get("note"):
                taken += 1
                if code != 250:
                    problems.append((case, code, text))
        elif case.get("error") and case["line"].strip() not in BELIEVED_WRONG:
            refused += 1
            if not 500 <= code <= 599:
                problems.append((case, code, text))
        dialogue.close()
    assert not problems, "\n".join(map(str, problems))
    assert taken >= 7 and refused >= 70, (taken, refused)


@pytest.mark.skipif(not (VECTORS / "smtp").is_dir(), reason="the SMTP vectors are not here")
def test_smtp_data(make_server):
    """After DATA: what is delivered is one message at most, and nothing behind it is a command."""
    for normalize in ("normalize", "reject", "no"):
        server = make_server(name=normalize, main={"smtpd_forbid_bare_newline": normalize, "smtpd_forbid_bare_newline_exclusions": ""})
        for number, case in enumerate(load("smtp/data_receiver.json")["cases"], 1):
            dialogue = Dialogue(server.port)
            dialogue.say(b"EHLO client.example\r\n")
            dialogue.say(b"MAIL FROM:<ann@example.org>\r\n")
            dialogue.say(b"RCPT TO:<bob@example.org>\r\n")
            assert dialogue.say(b"DATA\r\n")[0] == 354
            before = len(server.messages("bob"))
            for chunk in case["chunks"]:
                dialogue.socket.sendall(chunk.encode())
            code, _ = dialogue.reply()
            dialogue.socket.sendall(b"NOOP\r\n")
            try:
                after = dialogue.reply()[0]
                assert after == 250, (normalize, number, "an answer to a smuggled command")
            except (AssertionError, ConnectionError):
                assert code != 250, (normalize, number)  # refused, and hung up
            dialogue.close()
            if code == 250:
                wait_for(lambda: len(server.messages("bob")) == before + 1)
                assert b"MAIL FROM" not in case["message"].encode() or b"MAIL FROM" in server.messages("bob")[-1]
        server.stop()

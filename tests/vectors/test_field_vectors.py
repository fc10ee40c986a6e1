"""Single header fields and server replies of independent origin, through `postrider parse`. What a parser elsewhere recovers from a value that the RFCs do
not know is its own choice: such a case is named with the sentence, and must give an error with a position."""
import datetime, json, re, subprocess

import pytest
from postrider_process import BINARY
from test_vectors import VECTORS, load

pytestmark = pytest.mark.skipif(not VECTORS.is_dir(), reason="the vectors are not here")
mime = pytest.mark.skipif(not (VECTORS / "mime").is_dir(), reason="the MIME vectors are not here")
smtp = pytest.mark.skipif(not (VECTORS / "smtp").is_dir(), reason="the SMTP vectors are not here")


def parse(kind, text):
    got = subprocess.run([str(BINARY), "parse", kind], input=text.encode("utf-8", "surrogateescape"), capture_output=True, timeout=60)
    out = json.loads(got.stdout)
    assert got.returncode == (1 if "error" in out else 0) and ("error" not in out or out["position"] <= len(text.encode())), (text, out)
    return out


# What is written there is no address list (RFC 5322 section 3.4: mailbox = name-addr / addr-spec).
NO_ADDRESSES = {
    "test@test.com\ninvalid@address.com\n": 'section 2.2.3: a line "is folded ... simply by inserting CRLF before any WSP": the second is none',
    "<mailto:archive@host.com?subject=index%20list>\n": "section 3.4: angle-addr holds an addr-spec; this is RFC 2369's URI",
    "(Use this command to join the list)\n   <mailto:list-manager@host.com?body=subscribe%20list>\n": "the same",
    "<http://www.host.com/list/>, <mailto:list-info@host.com>\n": "the same",
    "<http://www.host.com/list.cgi?cmd=unsub&lst=list>,\n   <mailto:list-request@host.com?subject=unsubscribe>\n": "the same",
}
# Read otherwise than the table does.
ADDRESSES_OTHERWISE = {
    # Section 3.2.2: comments and folding white space "are semantically invisible" (section 4.4, obs-domain: atom *("." atom)).
    "John Doe <jdoe@machine(comment).  example>\n": [("John Doe", "comment", "jdoe@machine.example")],
    # RFC 2047 section 5: "An 'encoded-word' MUST NOT appear within a 'quoted-string'": there it is text.
    '=?ISO-8859-1?Q?a?= "=?ISO-8859-2?Q?_b?=" <test@test.com>\n': [("a =?ISO-8859-2?Q?_b?=", "", "test@test.com")],
    # RFC 2047 section 6.2: "If the mail reader does not support the character set used, it may (a) display the 'encoded-word' as ordinary text".
    "Nathaniel Borenstein <nsb@thumper.bellcore.com>\n    (=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=)\n":
        [("Nathaniel Borenstein", "=?iso-8859-8?b?7eXs+SDv4SDp7Oj08A==?=", "nsb@thumper.bellcore.com")],
    # Section 3.2.2: a comment behind the last group is a comment, no group of its own; the same holds behind a group's name.
    "A Group(Some people)\n        :Chris Jones <c@(Chris's host.)public.example>,\n            joe@example.org,\n     John <jdoe@one.test> "
    "(my dear friend); (the end of the group)\n":
        [("Chris Jones", "Chris's host.", "c@public.example"), ("", "", "joe@example.org"), ("John", "my dear friend", "jdoe@one.test")],
}
# The name of a group that is a quoted string holding an encoded word: RFC 2047 section 5, as above.
QUOTED_GROUP = "=?utf-8?b?VGjDrXMgw61zIHbDoWzDrWQgw5pURjg=?="


def entry(one):
    """The table writes "name (comment)", or the comment alone where there is no name."""
    return one["name"] or "", one["comment"], one["text"]


def same_entry(ours, theirs):
    name, comment, address = ours
    shown = f"{name} ({comment})" if name and comment else name or comment
    return (shown, address) == (theirs["name"] or "", theirs["address"])


@mime
def test_addresses():
    problems = []
    for case in load("mime/fields/address.json"):
        text, wanted = case["header"], case["expected"]
        got = parse("address", text)
        if text in NO_ADDRESSES:
            assert "error" in got, text
            continue
        assert "error" not in got, (text, got)
        ours = [entry(one) for one in got["addresses"]]
        if text in ADDRESSES_OTHERWISE:
            assert ours == ADDRESSES_OTHERWISE[text]
            continue
        groups = wanted.get("Group", [{"name": None, "addresses": wanted.get("List", [])}])
        theirs = [one for group in groups for one in group["addresses"]]
        if len(ours) != len(theirs) or not all(map(same_entry, ours, theirs)):
            problems.append((text, ours, theirs))
        names = [g["name"] for g in groups if g["name"]]
        if [n.replace(QUOTED_GROUP, names[0] if names else "") for n in got["groups"]] != names:
            problems.append((text, got["groups"], names))
        members = [got["groups"][one["group"]].replace(QUOTED_GROUP, names[0]) if "group" in one else None for one in got["addresses"]]
        if members != [g["name"] for g in groups for _ in g["addresses"]]:
            problems.append((text, members))
    assert not problems, "\n".join(map(str, problems))


NO_DATES = {
    # RFC 5322 section 3.3: month = "Jan" / "Feb" / ...: a number is none.
    "20 11 (some \n 44 comments(more comments\n )) 79 05:34:27 -0300", " 4 8 15 16 23 42, 4 8 15 16 23 42, 4 8 15 16 23 42, ",
    # RFC 5321 section 4.4: a date stands behind the ";" of a Received field; the field itself is no date (test_received reads it).
    "by 2002:aa7:cd10:0:b0:45c:2c83:1208 with SMTP id b16-20020aa7cd10000000b0045c2c831208mr4220805edw.81.1665423075119;\n\t"
    "Mon, 10 Oct 2022 10:31:15 -0700 (PDT)",
    # RFC 5322 section 4.3: "multi-character (usually between 3 and 5) alphabetic time zones": EST5EDT is not alphabetic.
    "Thu, 10 Jul 1997 14:53:31 EST5EDT",
}


def moment(wanted):
    zone = (wanted["tz_hour"] * 60 + wanted["tz_minute"]) * (-1 if wanted["tz_before_gmt"] else 1)
    at = datetime.datetime(*(wanted[k] for k in ("year", "month", "day", "hour", "minute", "second")),
                           tzinfo=datetime.timezone(datetime.timedelta(minutes=zone)))
    return int(at.timestamp()), zone


@mime
def test_dates():
    for case in load("mime/fields/date.json"):
        got = parse("date", case["header"])
        if case["expected"] is None or case["header"] in NO_DATES:
            assert "error" in got, case
        else:
            assert (got["unix_time"], got["zone_minutes"]) == moment(case["expected"]), (case, got)


# Dates of Received fields read otherwise, by what stands there.
RECEIVED_OTHERWISE = {
    # RFC 5322 section 4.3: of two digits, "if the value is between 00 and 49, the year is interpreted by adding 2000".
    "; Fri, 27 Feb 04 14:16:56 -0800": 1077920216,
    # RFC 5322 section 3.3: date-time ends with the zone, which is not optional; its parts are in this order, its seconds are two digits; nothing stands
    # behind it (RFC 5321 section 4.4: "for" is a clause in front of the ";").
    "; 30 Apr 2003 15:06:29": None, "; Sun Nov 13 15:38:52 2005": None, "; Thu, 20 Mar 03 10:06:43 +0100 for <asrg@ietf.org>": None,
    ";_ Tue, 21 Jul 2009 14:34:14 +0200": None, "; Thu, 02 Apr 2020 07:53:55.516 +0000 (UTC)": None,
}


@mime
def test_received():
    """When it was received. The server has no reader of the other clauses: it counts these fields, and keeps them as they are."""
    dated = 0
    for case in load("mime/fields/received.json"):
        value = parse("header", "Received:" + case["header"])["fields"][0]["value"]
        assert value == re.sub(r"\r?\n", "", case["header"]).strip()
        got = parse("date", value[value.rfind(";") + 1:] if ";" in value else "")
        wanted = (case["expected"] or {}).get("date")
        odd = [k for k in RECEIVED_OTHERWISE if value.endswith(k)]
        if wanted is None or odd:
            assert got.get("unix_time") == (RECEIVED_OTHERWISE[odd[0]] if odd else None), (case, got)
            continue
        dated += 1
        assert (got["unix_time"], got["zone_minutes"]) == moment(wanted), (case, got)
    assert dated >= 80


@mime
def test_message_ids():
    """A Message-ID is kept as it is written; of several the first counts (RFC 5322 section 3.6.4: it "contains a single unique message identifier")."""
    for case in load("mime/fields/id.json"):
        got = parse("message", f"Message-ID:{case['header'].rstrip()}\nReferences:{case['header'].rstrip()}\n\nx\n")
        assert got["message_id"].removeprefix("<").removesuffix(">") == case["expected"][0], (case, got["message_id"])
        references = got["fields"][1]["value"]
        assert (re.findall(r"<([^>]*)>", references) or [references]) == case["expected"]


@mime
def test_lists():
    """Keywords: words between commas, decoded (RFC 5322 section 3.6.5)."""
    for case in load("mime/fields/list.json"):
        field = parse("header", "Keywords:" + case["header"])["fields"][0]
        ours = field.get("decoded", field["value"])
        if "ISO-8859-2" in ours:
            # RFC 2047 section 6.2: a character set that is not supported leaves the encoded word as text.
            ours = re.sub(r"=\?ISO-8859-2\?B\?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==\?=", "u understand the example.", ours)
            ours = re.sub(r"yo\s+u", "you", ours)
        assert [" ".join(word.split()) for word in ours.split(",")] == case["expected"], case


@smtp
def test_replies():
    for case in load("smtp/replies.json")["cases"]:
        got = parse("reply", case["reply"])
        assert got["code"] == case["code"]
        if case["enhanced"] == "6.8.9":
            # RFC 3463 section 2: class = "2"/"4"/"5": it is no status code, and the lines are text as they stand.
            assert got["enhanced"] is None and got["lines"][-1] == "6.8.9 World!"
            continue
        assert (got["enhanced"], "\n".join(got["lines"])) == (case["enhanced"], case["message"])
        assert got["octets"] <= len(case["reply"])


def bare(word):
    return re.sub(r"[^A-Z0-9]", "", word.upper())


@smtp
def test_ehlo_replies():
    data = load("smtp/ehlo_replies.json")
    for case in data["cases"]:
        for end in data["line_endings"]:
            got = parse("ehlo", case["reply"].replace("\n", end))
            if "error" in case:
                assert "refused" in got["error"]
                continue
            wanted = case["ok"]
            offered = {bare(e["keyword"]): e["parameters"] for e in got["extensions"]}
            assert got["host"] == wanted["hostname"] and list(offered) == [bare(c) for c in wanted["capabilities"]]
            assert [bare(m) for m in got["auth_mechanisms"]] == [bare(m) for m in wanted["auth_mechanisms"]]
            assert got["size_limit"] == wanted["size"]
            assert int((offered.get("DELIVERBY") or ["0"])[0]) == wanted["deliver_by"]
            assert [int(n) for n in (offered.get("FUTURERELEASE") or []) + ["0", "0"]][:2] == \
                [wanted["future_release_interval"], wanted["future_release_datetime"]]
            assert (offered.get("MTPRIORITY") or ["mixer"])[0].lower() == wanted["mt_priority"].lower()
            assert (offered.get("NOSOLICITING") or [None])[0] == wanted["no_soliciting"]

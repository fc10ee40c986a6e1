"""What an account that logged in may do: how much it may send, in whose name; and what is mended in what it sends."""
import email, email.utils, json, os, re, smtplib, subprocess, time

import pytest
from box import ip, namespace
from peers import DovecotPeer, PostfixPeer
from postrider_process import free_port, wait_for, without_trace
from test_submission import MESSAGE, PASSWORD, certificate, context, submission  # noqa: F401  (fixtures)

ANN, BOB = "ann@example.org", "bob@example.org"
BARE = b"Subject: bare\r\n\r\nhi\r\n"


def login(server, user=ANN):
    client = smtplib.SMTP_SSL("127.0.0.1", server.ports.smtps, context=context(), timeout=20)
    client.login(user, PASSWORD)
    return client


def accounts(server):
    out = server.run("-c", server.config, "accounts", "--json").stdout.decode()
    return {line["account"]: line for line in map(json.loads, out.splitlines())}


# --- How much ---

def test_messages_and_recipients_per_hour_and_day(submission):  # noqa: F811
    server = submission(users=(ANN, BOB), main={"smtpd_account_message_hour_limit": "3", "smtpd_account_recipient_day_limit": "5"})
    with login(server) as c:
        c.sendmail(ANN, [BOB], MESSAGE)
        c.mail(ANN)  # set aside and given back
        c.rcpt(BOB)
        c.rset()
        c.sendmail(ANN, [BOB, ANN], MESSAGE)
        c.mail(ANN)
        assert c.rcpt(BOB)[0] == 250 and c.rcpt(ANN)[0] == 250
        assert c.rcpt("nobody@example.org")[0] == 550  # refused: does not count
        code, text = c.rcpt(BOB)
        assert code == 450 and re.fullmatch(rb"4\.7\.1 Error: too many recipients from user ann@example\.org: 5 per day are allowed; "
                                            rb"try again after \w{3}, \d+ \w{3} \d{4} [\d:]{8} [+-]\d{4}", text), text
        when = email.utils.parsedate_to_datetime(text.decode().split(" after ")[1]).timestamp()
        assert 23 * 3600 < when - time.time() <= 26 * 3600
        assert c.data(MESSAGE)[0] == 250
        code, text = c.mail(ANN)
        assert code == 450 and b"too many messages from user ann@example.org: 3 per hour are allowed" in text
    with login(server, BOB) as c:  # another account is not concerned
        c.sendmail(BOB, [BOB], MESSAGE)
    server.wait_log(re.escape("NOQUEUE: reject: MAIL from localhost[127.0.0.1]: 450 4.7.1 Error: too many messages"))
    now = accounts(server)
    assert now[ANN]["messages_hour"] == 3 and now[ANN]["recipients_day"] == 5 and now[BOB]["messages_day"] == 1
    assert b"ann@example.org" in server.run("-c", server.config, "accounts").stdout
    # The counts outlive a reload, a restart, and a kill but for its last second.
    for end in ("reload", "restart", "kill"):
        if end == "reload":
            server.run("-c", server.config, "reload")
            server.wait_log("configuration loaded")
        else:
            if end == "kill":
                time.sleep(2.5)
            server.stop() if end == "restart" else server.kill()
            server.start()
        assert accounts(server)[ANN]["recipients_day"] == 5, end
        with login(server) as c:
            assert c.mail(ANN)[0] == 450, end


def test_limits_of_one_account(submission, directory):  # noqa: F811
    limits = directory / "limits"
    limits.write_text("ann@example.org message_hour=1\nbob@example.org unlimited\neve@example.org blocked\n@example.net recipient_hour=1\n")
    server = submission(users=(ANN, BOB, "eve@example.org", "x@example.net"), main={
        "smtpd_account_message_hour_limit": "2", "smtpd_account_limit_maps": f"hash:{limits}", "smtpd_account_limit_reject_code": "550"})
    with login(server) as c:
        c.sendmail(ANN, [BOB], MESSAGE)
        code, text = c.mail(ANN)
        assert code == 550 and text.startswith(b"5.7.1 Error: too many messages from user ann@example.org: 1 per hour")
    with login(server, BOB) as c:
        for _ in range(4):
            c.sendmail(BOB, [BOB], MESSAGE)
    with login(server, "eve@example.org") as c:
        assert c.mail("eve@example.org") == (550, b"5.7.1 Error: user eve@example.org may not send mail")
    with login(server, "x@example.net") as c:
        c.mail("x@example.net")
        assert c.rcpt(BOB)[0] == 250 and c.rcpt(ANN)[0] == 550
    limits.write_text("eve@example.org lots\n")
    time.sleep(1.2)  # tables are looked at once a second
    with login(server, "eve@example.org") as c:
        assert wait_for(lambda: c.rset() and c.mail("eve@example.org")[0] == 451, step=0.3)
    server.wait_log(r"smtpd_account_limit_maps: eve@example\.org: 'lots' is no limit")


def test_limits_hold_across_loops(submission):  # noqa: F811
    """Many connections at once, on all loops, get exactly as much through as is allowed."""
    import concurrent.futures
    server = submission(main={"smtpd_account_message_hour_limit": "7", "postrider_network_loops": "4", "smtpd_client_connection_count_limit": "0"})

    def one(_):
        with login(server) as c:
            try:
                c.sendmail(ANN, [BOB], MESSAGE)
                return True
            except smtplib.SMTPSenderRefused as refused:
                assert refused.smtp_code == 450
                return False
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(24))) == 7
    assert len(server.wait_messages("bob", 7)) == 7


def test_postmaster_is_told_of_a_surge(submission):  # noqa: F811
    server = submission(main={"smtpd_account_surge_minimum": "4", "smtpd_account_surge_notice_recipient": BOB})
    with login(server) as c:
        for _ in range(4):
            c.sendmail(ANN, [ANN], MESSAGE)
        assert not server.messages("bob")
        for _ in range(3):
            c.sendmail(ANN, [ANN], MESSAGE)
    notice = email.message_from_bytes(server.wait_messages("bob", 1)[0])
    assert notice["Return-Path"] == "<>" and notice["Auto-Submitted"] == "auto-generated"
    assert "ann@example.org" in notice["Subject"] and "MAILER-DAEMON@" in notice["From"]
    server.wait_log(re.escape(f"message-id={notice['Message-ID']}"))
    text = notice.get_payload()
    assert "to 5 recipients" in text and "postrider user disable ann@example.org" in text and "localhost[127.0.0.1]" in text
    server.wait_log(r"warning: account ann@example\.org has sent to 5 recipients today, on a usual day to 0; now from localhost\[127\.0\.0\.1\]")
    assert accounts(server)[ANN]["conspicuous"]
    assert b"warning: account ann@example.org has sent to 7 recipients today" in server.run("-c", server.config, "status").stdout
    server.stop()
    server.start()
    with login(server) as c:
        for _ in range(3):
            c.sendmail(ANN, [ANN], MESSAGE)
    server.wait_messages("ann", 10)
    assert len(server.messages("bob")) == 1  # once a day, also over a restart


# --- In whose name ---

LOGINS = ("ann@example.org ann@example.org\nbob@example.org bob@example.org, ann@example.org\nteam@example.org BOB@example.org\tann@example.org\n"
          "@example.net bob@example.org\nstaff@example.net ann@example.org\n")


def mail_code(c, sender):
    c.rset()
    c.mail(sender)
    return c.rcpt(BOB)


OWNERSHIP = {  # sender: what is wrong with it as ann, as bob, not logged in; "": nothing
    ANN: ("", "owned", "login"), BOB: ("", "", "login"), "team@example.org": ("", "", "login"), "ann+news@example.org": ("", "owned", "login"),
    "ANN@EXAMPLE.ORG": ("", "owned", "login"), "any@example.net": ("owned", "", "login"), "staff@example.net": ("", "owned", "login"),
    "nobody@example.org": ("nobody", "nobody", ""), "x@elsewhere.example": ("nobody", "nobody", ""), "": ("", "", "")}
RESTRICTIONS = {  # which of these it refuses
    "reject_sender_login_mismatch": {"owned", "nobody", "login"}, "reject_authenticated_sender_login_mismatch": {"owned", "nobody"},
    "reject_unauthenticated_sender_login_mismatch": {"login"}, "reject_known_sender_login_mismatch": {"owned", "login"}}


def compare_ownership(restriction, clients):
    """`clients`: logged in as ann, as bob, and not."""
    for sender, wrong in OWNERSHIP.items():
        for c, user, why in zip(clients, (ANN, BOB, None), wrong):
            code, text = mail_code(c, sender)
            if why not in RESTRICTIONS[restriction]:
                assert code == 250, (restriction, sender, user, text)
            else:
                say = f"not owned by user {user}" if user else "not logged in"
                assert (code, text.decode()) == (553, f"5.7.1 <{sender}>: Sender address rejected: {say}"), (restriction, sender, user)


def test_sender_ownership(submission, directory):  # noqa: F811
    (directory / "logins").write_text(LOGINS)
    server = submission(users=(ANN, BOB), main={
        "smtpd_sender_login_maps": f"hash:{directory}/logins", "recipient_delimiter": "+", "smtpd_sender_restrictions": "reject_sender_login_mismatch"})
    for restriction in RESTRICTIONS:
        server.settings["smtpd_sender_restrictions"] = restriction
        server.write_config()
        seen = server.log().count("configuration loaded")
        server.run("-c", server.config, "reload")
        wait_for(lambda: server.log().count("configuration loaded") > seen)
        time.sleep(0.3)
        with login(server, ANN) as ann, login(server, BOB) as bob, smtplib.SMTP("127.0.0.1", server.port) as stranger:
            compare_ownership(restriction, (ann, bob, stranger))


@pytest.mark.skipif(os.getuid() != 0, reason="Postfix and Dovecot need root")
def test_the_table_of_ownership_is_postfix_own(directory):
    (directory / "logins").write_text(LOGINS)
    with DovecotPeer(directory / "dovecot") as dovecot:
        peer = PostfixPeer(directory / "postfix", "[127.0.0.1]:9", {
            "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": dovecot.auth_socket, "smtpd_tls_security_level": "none",
            "smtpd_sender_login_maps": f"texthash:{directory}/logins", "recipient_delimiter": "+", "smtpd_error_sleep_time": "0",
            "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000"})
        ports = {restriction: free_port() for restriction in RESTRICTIONS}
        with open(directory / "postfix/etc/master.cf", "a") as master:
            for restriction, port in ports.items():
                master.write(f"127.0.0.1:{port} inet n - n - - smtpd -o smtpd_sender_restrictions={restriction}\n")
        with peer:
            for restriction, port in ports.items():
                with smtplib.SMTP("127.0.0.1", port) as ann, smtplib.SMTP("127.0.0.1", port) as bob, smtplib.SMTP("127.0.0.1", port) as stranger:
                    ann.login(ANN, "secret")
                    bob.login(BOB, "secret")
                    compare_ownership(restriction, (ann, bob, stranger))


def test_own_address_without_tables(submission):  # noqa: F811
    server = submission(users=(ANN, "bob"), main={"smtpd_sender_restrictions": "reject_sender_login_mismatch", "recipient_delimiter": "+",
                                                  "mydestination": "mail.example.com"})
    with login(server) as c:  # as in Postfix: nothing is anybody's
        assert mail_code(c, BOB)[0] == 250
    assert b"has no effect" in server.run("-c", server.config, "check").stderr
    server.stop()
    server.settings["smtpd_sender_login_own_address"] = "yes"
    server.start()
    with login(server) as c:
        assert mail_code(c, ANN)[0] == 250 and mail_code(c, "Ann+x@example.org")[0] == 250
        assert mail_code(c, BOB)[0] == 553 and mail_code(c, "ann@mail.example.com")[0] == 553
    with login(server, "bob") as c:
        assert mail_code(c, "bob@mail.example.com")[0] == 250 and mail_code(c, BOB)[0] == 553
    with smtplib.SMTP("127.0.0.1", server.port) as c:
        assert mail_code(c, ANN)[0] == 250  # only tables say what strangers may not use


@pytest.mark.parametrize("header,good", [
    (b"From: ann@example.org\r\n", True), (b"From: \"bob@example.org\" <ann@example.org>\r\n", True), (b"", True),
    (b"From: Ann <ann@example.org>\r\nReply-To: bob@example.org\r\n", True), (b"From: ann+x@example.org (me)\r\nSender: ann@example.org\r\n", True),
    (b"From: bob@example.org\r\n", False), (b"From: Ann\r\n\t<bob@example.org>\r\n", False), (b"FROM : ann@example.org, bob@example.org\r\n", False),
    (b"From: ann@example.org\r\nSender: bob@example.org\r\n", False), (b"From: ann@example.org\r\nFrom: bob@example.org\r\n", False),
    (b"From: undisclosed:;\r\n", False), (b"From: <ann@example.org> <bob@example.org>\r\n", False), (b"From: Ann Example\r\n", False),
    (b"From: ann@example.org" + b", ann@example.org" * 20000 + b", bob@example.org\r\n", False), (b"no field\r\nFrom: bob@example.org\r\n", False)], ids=range(15))
def test_authors_are_the_logins(submission_of_authors, header, good):
    server, arrived = submission_of_authors
    with login(server) as c:
        c.mail(ANN)
        c.rcpt(BOB)
        code, text = c.data(header + b"Subject: x\r\n\r\nbody\r\n")
    assert (code == 250) == good, text
    if not good:
        assert code == 550 and text.startswith(b"5.7.1 <") and text.endswith(b">: Author address rejected: not owned by user ann@example.org")
    arrived(good)


@pytest.fixture
def submission_of_authors(submission):  # noqa: F811
    server = submission(main={"smtpd_sender_login_own_address": "yes", "smtpd_from_login_mismatch_action": "reject", "recipient_delimiter": "+"})

    def arrived(good):
        if good:
            server.wait_messages("bob", 1)
        else:
            time.sleep(0.3)
            assert not server.messages("bob")
    return server, arrived


def test_authors_only_warned_about(submission):  # noqa: F811
    server = submission(main={"smtpd_sender_login_own_address": "yes", "smtpd_from_login_mismatch_action": "warn"})
    with login(server) as c:
        c.sendmail(ANN, [BOB], b"From: eve@example.net\r\n\r\nx\r\n")
    server.wait_messages("bob", 1)
    server.wait_log(r"warning: \w+: from localhost\[127\.0\.0\.1\]: <eve@example\.net>: Author address rejected: not owned by user ann@example\.org")
    with smtplib.SMTP("127.0.0.1", server.port) as c:  # what strangers write is DMARC's business
        c.sendmail("x@elsewhere.example", [BOB], b"From: ann@example.org\r\n\r\nx\r\n")
    server.wait_messages("bob", 2)


def test_access_by_login_name(submission):  # noqa: F811
    server = submission(users=(ANN, BOB), main={"smtpd_sender_restrictions": "check_sasl_access inline:{ann@example.org=REJECT}"})
    with login(server) as c:
        assert mail_code(c, ANN) == (554, b"5.7.1 <ann@example.org>: SASL login name rejected: Access denied")
    with login(server, BOB) as c:
        assert mail_code(c, BOB)[0] == 250


# --- What is mended ---

def test_submitted_messages_are_completed(submission):  # noqa: F811
    server = submission(main={"myorigin": "origin.example"})
    given = (b"From: Ann Example <ann>\r\nTo: bob, (c) Team: carl, dora@example.net;\r\nBcc: eve@example.net,\r\n\tfay@example.net\r\nReturn-Path: <x@y>\r\n"
             b"Content-Length: 5\r\nResent-Bcc: z@z\r\nX-Note: ann, bob\r\nSubject: gr\xc3\xbc\xc3\x9fe \xe9\r\n\r\nBcc: stays\r\n\xe9\r\n")
    with login(server) as c:
        c.sendmail(ANN, [BOB], given, mail_options=["BODY=8BITMIME"])
    got = without_trace(server.wait_messages("bob", 1)[0])
    head, body = got.split(b"\n\n", 1)
    assert re.search(rb"^Date: \w+, ", head, re.M) and re.search(rb"^Message-ID: <\S+@mail\.example\.com>$", head, re.M)
    assert head.endswith(b"From: Ann Example <ann@origin.example>\nTo: bob@origin.example, (c) Team: carl@origin.example, dora@example.net;\n"
                         b"X-Note: ann, bob\nSubject: gr\xc3\xbc\xc3\x9fe \xe9")
    assert body == b"Bcc: stays\n\xe9\n"


def test_nothing_is_mended_for_strangers(submission):  # noqa: F811
    server = submission()
    given = b"From: Ann <ann>\r\nTo: bob\r\nX: y\r\n\r\nhi\r\n"
    with smtplib.SMTP("127.0.0.1", server.port) as c:
        c.sendmail("x@elsewhere.example", [BOB], given)
        c.sendmail("x@elsewhere.example", [BOB], b"Bcc: secret@example.net\r\nReturn-Path: <forged@example.net>\r\n" + given)
    for got in server.wait_messages("bob", 2):
        assert without_trace(got) == given.replace(b"\r\n", b"\n")  # but for Bcc: and Return-Path:, as Postfix's cleanup does
        assert b"secret" not in got and b"forged" not in got
    server.stop()
    server.settings["message_drop_headers"] = ""
    server.start()
    with smtplib.SMTP("127.0.0.1", server.port) as c:
        c.sendmail("x@elsewhere.example", [BOB], b"Bcc: kept@example.net\r\n" + given)
    assert b"Bcc: kept@example.net\n" in server.wait_messages("bob", 3)[-1]


def test_received_can_hide_the_client(submission):  # noqa: F811
    server = submission(main={"smtpd_sasl_authenticated_header": "yes"})
    with login(server) as c:
        c.ehlo("secret-laptop.example")
        c.sendmail(ANN, [BOB], MESSAGE)
    got = server.wait_messages("bob", 1)[0]
    assert re.search(rb"^Received: from secret-laptop\.example \(localhost \[127\.0\.0\.1\]\)\n\t\(using TLSv1\.3 with cipher \w+ \(\d+/\d+ bits\)\n"
                     rb"\t key-exchange X25519 server-signature RSA-PSS \(2048 bits\) server-digest SHA256\)\n\t\(No client certificate requested\)\n"
                     rb"\t\(Authenticated sender: ann@example\.org\)\n\tby mail\.example\.com \(\w+\) with ESMTPSA id \w+\n\tfor <bob@example\.org>; ", got, re.M), got
    server.stop()
    server.settings["smtpd_hide_client_session"] = "yes"
    server.start()
    with login(server) as c:
        c.ehlo("secret-laptop.example")
        c.sendmail(ANN, [BOB], MESSAGE)
    got = server.wait_messages("bob", 2)[-1]
    assert re.search(rb"^Received: by mail\.example\.com \(\w+\) with ESMTPSA id \w+\n\tfor <bob@example\.org>; ", got, re.M), got
    for trace in (b"127.0.0.1", b"localhost", b"secret-laptop", b"Authenticated", b"TLS"):
        assert trace not in got.split(b"\n\n")[0].replace(b"TLSA", b""), trace
    server.wait_log(r"client=localhost\[127\.0\.0\.1\], sasl_method=PLAIN, sasl_username=ann@example\.org")


def test_signatures_of_the_client_stay_good_and_ours_covers_what_was_added(submission, directory):  # noqa: F811
    dkim = pytest.importorskip("dkim")
    keys = {}
    for name in ("client", "server"):
        path = directory / f"{name}.pem"
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", path, "2048"], check=True, capture_output=True)
        path.chmod(0o644)
        public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout"], check=True, capture_output=True).stdout.decode()
        keys[name] = path, "".join(line for line in public.splitlines() if "-" not in line)
    server = submission(main={"dkim_signing_keys": f"example.org:server:{keys['server'][0]}"})
    message = b"From: ann@example.org\r\nTo: bob@example.org, undisclosed-recipients:;\r\nSubject: signed\r\nBcc: eve@example.net\r\n\r\nhello\r\n"
    signature = dkim.sign(message, b"client", b"example.org", keys["client"][0].read_bytes(), include_headers=[b"from", b"to", b"subject"])
    with login(server) as c:
        c.sendmail(ANN, [BOB], signature + message)
    got = without_trace(server.wait_messages("bob", 1)[0]).replace(b"\n", b"\r\n")

    def answers(name, timeout=5):
        return f"v=DKIM1; k=rsa; p={keys[name.decode().split('.')[0]][1]}".encode()
    assert got.count(b"DKIM-Signature:") == 2 and b"Bcc:" not in got
    for index in (0, 1):
        assert dkim.DKIM(got).verify(idx=index, dnsfunc=answers), (index, got)
    ours = re.search(rb"DKIM-Signature:.*?s=server;.*?h=(.*?);", got, re.S).group(1).lower()
    assert b"date" in ours and b"message-id" in ours and b"from" in ours


# --- master.cf as administrators write it ---

DEBIAN = """127.0.0.1:{smtp} inet  n       -       y       -       -       smtpd
127.0.0.1:{submission} inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o local_header_rewrite_clients=static:all
  -o smtpd_reject_unlisted_recipient=no
#     Instead of specifying complex smtpd_<xxx>_restrictions here,
#     specify "smtpd_<xxx>_restrictions=$mua_<xxx>_restrictions"
#     here, and specify mua_<xxx>_restrictions in main.cf (where
#     "<xxx>" is "client", "helo", "sender", "relay", or "recipient").
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o smtpd_helo_restrictions=$mua_helo_restrictions
  -o smtpd_sender_restrictions=$mua_sender_restrictions
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
127.0.0.1:{smtps} inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submissions
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o local_header_rewrite_clients=static:all
  -o smtpd_reject_unlisted_recipient=no
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
127.0.0.1:{alternative} inet n      -       n       -       -       smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
  -o {{ smtpd_relay_restrictions = permit_sasl_authenticated, reject }}
"""
MAILCOW = """127.0.0.1:{smtp} inet n - n - 1 smtpd
127.0.0.1:{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject
  -o smtpd_tls_mandatory_protocols=$submission_smtpd_tls_mandatory_protocols
  -o tls_preempt_cipherlist=yes
  -o smtpd_sasl_auth_enable=yes
  -o syslog_name=postfix/smtps
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject
  -o smtpd_enforce_tls=yes
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_mandatory_protocols=$submission_smtpd_tls_mandatory_protocols
  -o smtpd_sasl_auth_enable=yes
  -o tls_preempt_cipherlist=yes
  -o syslog_name=postfix/submission
127.0.0.1:{alternative} inet n - n - - smtpd
  -o smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject
  -o smtpd_tls_auth_only=yes -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o syslog_name=postfix/alternative
"""


@pytest.mark.parametrize("style", ("debian", "mailcow"))
def test_master_cf_as_it_is_written_today(submission, style):  # noqa: F811
    server = submission(main={
        "mua_client_restrictions": "permit_sasl_authenticated, reject", "mua_helo_restrictions": "permit_mynetworks, reject_invalid_helo_hostname",
        "mua_sender_restrictions": "permit_sasl_authenticated, reject"} if style == "debian" else {
        "submission_smtpd_tls_mandatory_protocols": "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"})
    server.stop()
    text = (DEBIAN if style == "debian" else MAILCOW).replace("{{", "{").replace("}}", "}")
    for name in ("smtp", "submission", "smtps", "alternative"):
        text = text.replace("{" + name + "}", str(getattr(server.ports, name)))
    server.master = text
    server.write_config()
    check = server.run("-c", server.config, "check")
    assert b"error" not in check.stderr and b"NOT HONOURED" not in check.stderr and b"not a known" not in check.stderr, check.stderr
    server.start()
    for count, port in enumerate((server.ports.submission, server.ports.smtps, server.ports.alternative), 1):
        c = smtplib.SMTP_SSL("127.0.0.1", port, context=context()) if port == server.ports.smtps else smtplib.SMTP("127.0.0.1", port)
        with c:
            if port != server.ports.smtps:
                assert c.docmd("MAIL FROM:<ann@example.org>")[0] in (503, 530)
                c.starttls(context=context())
            c.ehlo()
            c.mail(ANN)
            assert c.rcpt(BOB)[0] == 554  # not logged in
            c.rset()
            c.login(ANN, PASSWORD)
            c.sendmail(ANN, ["bob@example.org"], MESSAGE)
        server.wait_messages("bob", count)
    server.wait_log(r"postrider/submissions?/smtpd\[\d+\]: connect from")


@pytest.mark.skipif(os.getuid() != 0, reason="a network namespace needs root")
def test_service_names_are_ports(make_server, certificate):  # noqa: F811
    name = f"pr-ports-{os.getpid()}"
    tls = " -o smtpd_tls_wrappermode=yes\n"
    for implicit in ("submissions", "smtps"):  # two names of one port
        server = make_server(implicit, start=False, main={"inet_interfaces": "loopback-only", "smtpd_tls_security_level": "may",
                                                          "smtpd_tls_cert_file": certificate / "cert.pem", "smtpd_tls_key_file": certificate / "key.pem"},
                             master=f"smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n2525 inet n - n - - smtpd\n{implicit} inet n - n - - smtpd\n{tls}")
        server.port = 25
        ip("netns", "add", name)
        try:
            ip("-n", name, "link", "set", "lo", "up")
            with namespace(name):
                server.start()
                for port in (25, 587, 2525):
                    with smtplib.SMTP("127.0.0.1", port, timeout=10) as c:
                        assert c.noop()[0] == 250
                with smtplib.SMTP_SSL("127.0.0.1", 465, timeout=10, context=context()) as c:
                    assert c.noop()[0] == 250
                server.stop()
        finally:
            ip("netns", "del", name)

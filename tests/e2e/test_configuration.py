"""Configurations as people write them: they start, or every fault is said at once with its place."""
import os, pathlib, re, subprocess

import pytest
from postrider_process import BINARY

SAMPLE = """myhostname = mail.example.com
mydomain = example.com
myorigin = $mydomain
inet_interfaces = all
inet_protocols = ipv4
mydestination = $myhostname, localhost.$mydomain, localhost
# Relay only from the local network (prevents open relay)
mynetworks = 127.0.0.0/8, 10.0.0.0/24
# TLS server
smtpd_tls_cert_file = {tls}/fullchain.pem
smtpd_tls_key_file = {tls}/privkey.pem
smtpd_tls_security_level = may # opportunistic
smtpd_tls_loglevel = 1
# TLS client (for outbound)
smtp_tls_security_level = may
smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
"""


def test_the_common_file_starts(make_server, directory):
    tls = directory / "live"
    tls.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.example.com", "-keyout", tls / "privkey.pem",
                    "-out", tls / "fullchain.pem"], check=True, capture_output=True)
    server = make_server(start=False)
    server.write_config()
    paths = "".join(f"{k} = {server.settings[k]}\n" for k in ("queue_directory", "data_directory", "maillog_file", "alias_maps"))
    write = server.write_config

    def as_it_is():
        write()
        (server.config / "main.cf").write_text(SAMPLE.format(tls=tls) + paths)
    server.write_config = as_it_is
    server.start()
    with server.client() as c:
        c.ehlo()
        assert "starttls" in c.esmtp_features
    server.wait_log(r"main\.cf:12: warning: smtpd_tls_security_level: a comment must stand on a line of its own; "
                    r'write "smtpd_tls_security_level = may"')
    checked = server.run("check", "-c", server.config)
    assert b"main.cf:12" in checked.stdout + checked.stderr


def test_every_fault_at_once(directory):
    etc = directory / "etc"
    etc.mkdir()
    (etc / "main.cf").write_text("myhostnam = x\nsmtpd_timeout = soon\nmessage_size_limit = -1\nsmtpd_recipient_restrictions = reject_unauth_destinaton\n"
                                 "virtual_mailbox_maps = hash:/nowhere/at/all\nsmtpd_tls_security_level = maybe\n"
                                 "slow_destination_rate_delay = soon\nsmtp_destination_concurrency_positive_feedback = 2\nrelay_delivery_slot_cost = 7\n")
    (etc / "master.cf").write_text("smtp inet n - n - - smtpd\nbroken line\nslow unix - - n - 2 smtp\n")
    got = subprocess.run([BINARY, "check", "-c", etc], capture_output=True, timeout=30)
    said = (got.stdout + got.stderr).decode()
    assert got.returncode != 0
    for words in (r"main\.cf:1: .*myhostnam is not a known parameter; did you mean myhostname", r"main\.cf:2: .*smtpd_timeout", r"main\.cf:3: .*message_size_limit",
                  r"reject_unauth_destinaton.*did you mean reject_unauth_destination", r"/nowhere/at/all", r"main\.cf:6: .*'maybe' is not one of none, may, encrypt",
                  r"main\.cf:7: error: slow_destination_rate_delay = 'soon' is not a time", r"main\.cf:8: error: smtp_destination_concurrency_positive_feedback = '2' is not a number from 0 to 1",
                  r"main\.cf:9: warning: relay_delivery_slot_cost = 7 is NOT HONOURED", r"master\.cf:2"):
        assert re.search(words, said), (words, said)


def test_each_item_of_a_list_and_each_program(directory):
    """A list says all that is wrong in it, and a line of master.cf that does nothing is named."""
    etc = directory / "each"
    etc.mkdir()
    passwords = directory / "sasl_passwd"
    passwords.write_text("relay.example user:pw\n")
    passwords.chmod(0o644)
    (etc / "main.cf").write_text(f"""myhostname = mail.example.com
mynetworks = 127.0.0.0/8, 10.0.0.0/33, 192.0.2.1/8x
relay_domains = hash:/nowhere/relay, x.example
alias_maps = nosuchtype:/etc/x, hash:/nowhere/aliases
smtp_sasl_password_maps = hash:{passwords}
default_transport = smpt
""")
    (etc / "master.cf").write_text("""2525 inet n - n - - smtpd
smtp inet n - n - 1 postscreen
dnsblog unix - - n - 0 dnsblog
qmgr unix n - n 300 1 qmgr
dovecot unix - n n - - pipe flags=DRhu user=vmail:vmail argv=/usr/lib/dovecot/deliver -d ${recipient}
""")
    got = subprocess.run([BINARY, "check", "-c", etc], capture_output=True, timeout=30)
    said = got.stderr.decode()
    assert got.returncode == 1
    for place, word in [("main.cf:2: error", "10.0.0.0/33"), ("main.cf:2: error", "192.0.2.1/8x"), ("main.cf:3: error", "/nowhere/relay"),
                        ("main.cf:4: error", "nosuchtype"), ("main.cf:4: error", "/nowhere/aliases"), ("main.cf:5: warning", "chmod 640"),
                        ("main.cf:6: error", "smpt"), ("master.cf:2: warning", "postscreen"), ("master.cf:3: warning", "dnsblog")]:
        assert any(place in line and word in line for line in said.splitlines()), f"{place} … {word} is not in\n{said}"
    assert "master.cf:4" not in said and "master.cf:5" not in said


def test_reload_drops_nobody(make_server):
    server = make_server()
    with server.client() as c:
        c.ehlo("client.example.net")
        c.mail("ann@example.net")
        server.settings["smtpd_recipient_limit"] = "1"
        server.write_config()
        server.run("reload", "-c", server.config)
        server.wait_log("configuration loaded")
        assert c.rcpt("bob@example.org")[0] == 250 and c.rcpt("ann@example.org")[0] == 250  # keeps what it began with
        assert c.data("Subject: x\r\n\r\nhi\r\n")[0] == 250
    with server.client() as c:
        c.mail("ann@example.net")
        assert c.rcpt("bob@example.org")[0] == 250 and c.rcpt("ann@example.org")[0] == 452
    server.settings["smtpd_timeout"] = "nonsense"
    server.write_config()
    server.run("reload", "-c", server.config, check=False)
    with server.client() as c:
        assert c.noop()[0] == 250


def test_systemd_is_told(make_server, directory):
    import socket, time
    path = directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))
        path.chmod(0o777)
        s.settimeout(10)
        os.environ |= {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"}
        try:
            server = make_server()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        said = {s.recv(100).decode() for _ in range(4)}
        assert said == {"READY=1", "WATCHDOG=1"}
        time.sleep(0.1)
        server.stop()
        s.settimeout(1)
        while (word := s.recv(100)) == b"WATCHDOG=1":
            pass
        assert word == b"STOPPING=1"


def test_postconf_prints_services_as_postfix_does(make_server):
    from test_sendmail import tool
    server = make_server(start=False)
    server.master += ("submission inet n - y - - smtpd\n  -o syslog_name=postfix/submission\n"
                      "  -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }\n")
    server.write_config()
    tail = "submission inet  n       -       y       -       -       smtpd"
    said = lambda *words: tool(server, "postconf", "-c", server.config, *words).stdout.decode()
    assert said("-M", "submission/inet") == (tail + " -o syslog_name=postfix/submission -o {smtpd_recipient_restrictions=permit_sasl_authenticated, reject}\n")
    assert said("-Mf", "submission") == (tail + "\n    -o syslog_name=postfix/submission\n    -o {smtpd_recipient_restrictions=permit_sasl_authenticated, reject}\n")
    assert said("-P") == ("submission/inet/syslog_name = postfix/submission\n"
                          "submission/inet/smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n")
    assert tool(server, "postconf", "-c", server.config, "nosuch_name").returncode == 0

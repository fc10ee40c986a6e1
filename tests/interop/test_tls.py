"""The TLS server against openssl's client and sslscan: certificates by name, client certificates, tickets, protocols."""
import re, smtplib, ssl, subprocess

import pytest
from conftest import need
from postrider_process import free_port, wait_for


def make_certificate(folder, name, kind="ec", issuer=None, extra=""):
    """NAME.key and NAME.pem for `name`; signed by itself, or by `issuer`."""
    new = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    signer = ["-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key"] if issuer else []
    base = name + extra
    subprocess.run(["openssl", "req", "-x509", "-newkey", *new, "-nodes", "-days", "60", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", folder / f"{base}.key", "-out", folder / f"{base}.pem"] if not issuer else
                   ["openssl", "req", "-newkey", *new, "-nodes", "-subj", f"/CN={name}", "-keyout", folder / f"{base}.key", "-out", folder / f"{base}.csr"],
                   check=True, capture_output=True)
    if issuer:
        subprocess.run(["openssl", "x509", "-req", "-in", folder / f"{base}.csr", *signer, "-CAcreateserial", "-days", "60", "-out", folder / f"{base}.pem"],
                       check=True, capture_output=True)
    (folder / f"{base}.chain").write_text((folder / f"{base}.key").read_text() + (folder / f"{base}.pem").read_text())
    for ending in ("key", "pem", "chain"):
        (folder / f"{base}.{ending}").chmod(0o644)
    return folder / f"{base}.chain"


@pytest.fixture
def keys(directory):
    folder = directory / "keys"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def client(port, *options, stdin=b"QUIT\r\n", how=("-starttls", "smtp")):
    command = ["openssl", "s_client", *how, "-connect", f"127.0.0.1:{port}", *map(str, options)]
    got = subprocess.run(command, input=stdin, capture_output=True, timeout=60)
    return (got.stdout + got.stderr).decode(errors="replace")


def subject(text):
    found = re.search(r"^subject=\s*CN = (\S+)", text, re.M)
    return found and found.group(1)


def test_certificates_by_name_and_kind(make_server, keys):
    rsa, ec = make_certificate(keys, "mail.example.com", "rsa", extra="-rsa"), make_certificate(keys, "mail.example.com")
    other = make_certificate(keys, "mail.example.net")
    below = make_certificate(keys, "x.example.org")
    (keys / "sni").write_text(f"mail.example.NET {keys}/mail.example.net.key, {keys}/mail.example.net.pem\n.example.org {below}\n")
    both = keys / "both.chain"  # two keys with their chains in one file
    both.write_text(rsa.read_text() + ec.read_text())
    server = make_server(main={"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": both, "tls_server_sni_maps": f"hash:{keys}/sni"})
    for asked, shown in (("mail.example.com", "mail.example.com"), ("mail.example.net", "mail.example.net"), ("MAIL.example.net", "mail.example.net"),
                         ("mx.example.org", "x.example.org"), ("a.b.example.org", "x.example.org"), ("example.org", "mail.example.com"),
                         ("else.example", "mail.example.com")):
        assert subject(client(server.port, "-servername", asked)) == shown, asked
    assert "Peer signature type: RSA" in client(server.port, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    assert "Peer signature type: ECDSA" in client(server.port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert other.exists()
    # What is wrong is said with its place, and nothing starts.
    (keys / "sni").write_text(f"mail.example.net {keys}/missing.pem\n")
    wrong = server.run("-c", server.config, "check", check=False)
    assert wrong.returncode == 1 and b"tls_server_sni_maps" in wrong.stderr and b"missing.pem" in wrong.stderr
    (keys / "sni").write_text(f"mail.example.net {keys}/mail.example.net.pem\n")
    wrong = server.run("-c", server.config, "check", check=False)
    assert wrong.returncode == 1 and b"no private key" in wrong.stderr
    (keys / "sni").write_text(f"mail.example.net {below}\n")  # another's certificate
    wrong = server.run("-c", server.config, "check", check=False)
    assert b"does not name mail.example.net" in wrong.stderr


def test_client_certificates_required(make_server, keys):
    make_certificate(keys, "authority")
    make_certificate(keys, "client", issuer="authority")
    make_certificate(keys, "stranger")
    chain = make_certificate(keys, "mail.example.com")
    open_port, closed_port = free_port(), free_port()
    master = (f"127.0.0.1:{open_port} inet n - n - - smtpd\n"
              f"127.0.0.1:{closed_port} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n  -o smtpd_tls_req_ccert=yes\n")
    server = make_server(start=False, master=master, main={"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": chain,
                                                           "smtpd_tls_CAfile": keys / "authority.pem"})
    server.port = open_port
    server.start()

    def may_talk(name=None):
        context = ssl.create_default_context(cafile=chain)
        if name:
            context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
        context.check_hostname = False
        try:
            with smtplib.SMTP("127.0.0.1", closed_port, timeout=20) as c:
                c.starttls(context=context)
                return c.noop()[0] == 250
        except (ssl.SSLError, OSError, smtplib.SMTPException):
            return False
    assert may_talk("client")
    assert not may_talk("stranger")
    assert not may_talk()
    # A ticket of the port that asks for none does not open the other one.
    session = keys / "session.pem"
    assert "New, TLSv1.2" in client(open_port, "-tls1_2", "-sess_out", session)
    assert session.exists()
    assert "Reused" in client(open_port, "-tls1_2", "-sess_in", session)
    again = client(closed_port, "-tls1_2", "-sess_in", session)
    assert "Reused" not in again and "CN = authority" in again  # whose certificates are good is said


def test_tickets_are_one_and_good_on_every_loop(make_server, keys):
    chain = make_certificate(keys, "mail.example.com")
    server = make_server(main={"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": chain, "postrider_network_loops": "4"})
    session = keys / "session.pem"
    for version in ("-tls1_2", "-tls1_3"):
        first = client(server.port, version, "-crlf", "-ign_eof", "-sess_out", session, stdin=b"QUIT\n")
        assert "New, TLSv1" in first
        for _ in range(8):  # other loops
            assert "Reused, TLSv1" in client(server.port, version, "-sess_in", session)
    text = client(server.port, "-tls1_3", "-crlf", "-ign_eof", "-msg", stdin=b"QUIT\n")
    assert len(re.findall(r"<<< TLS 1\.3, Handshake .*NewSessionTicket", text)) == 1
    server.run("-c", server.config, "reload")
    server.wait_log("configuration loaded")
    assert "Reused, TLSv1.3" in client(server.port, "-tls1_3", "-sess_in", session)
    server.stop()
    server.settings["smtpd_tls_session_cache_timeout"] = "0"
    server.start()
    text = client(server.port, "-tls1_3", "-crlf", "-ign_eof", "-msg", stdin=b"QUIT\n")
    assert "NewSessionTicket" not in text


@pytest.fixture
def three_ports(make_server, keys):
    chain = make_certificate(keys, "mail.example.com", "rsa")
    smtp, submission, smtps = free_port(), free_port(), free_port()
    master = (f"127.0.0.1:{smtp} inet n - n - - smtpd\n"
              f"127.0.0.1:{submission} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n"
              f"127.0.0.1:{smtps} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n")
    server = make_server(start=False, master=master, main={
        "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": chain, "smtpd_client_connection_rate_limit": "0",
        "smtpd_client_connection_count_limit": "0", "smtpd_client_event_limit_exceptions": "127.0.0.0/8"})
    server.port, server.submission, server.smtps = smtp, submission, smtps
    return server


def enabled_protocols(port, *options):
    got = subprocess.run([need("sslscan"), "--no-colour", "--no-ciphersuites", "--no-cipher-details", *options, f"127.0.0.1:{port}"], capture_output=True, timeout=300)
    return set(re.findall(r"^((?:SSL|TLS)v[\d.]+)\s+enabled", got.stdout.decode(errors="replace"), re.M))


def test_old_protocols_with_sslscan(three_ports):
    server = three_ports.start()
    modern = {"TLSv1.2", "TLSv1.3"}
    assert enabled_protocols(server.submission, "--starttls-smtp") == modern
    assert enabled_protocols(server.smtps) == modern
    assert enabled_protocols(server.port, "--starttls-smtp") == modern
    server.stop()
    server.settings["smtpd_tls_protocols"] = ">=TLSv1"  # for servers that would send in clear otherwise
    server.start()
    assert enabled_protocols(server.port, "--starttls-smtp") == modern | {"TLSv1.0", "TLSv1.1"}
    assert enabled_protocols(server.submission, "--starttls-smtp") == modern
    server.stop()
    server.settings["smtpd_tls_protocols"] = "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"
    server.start()
    assert enabled_protocols(server.port, "--starttls-smtp") == modern


def fingerprints(folder, name, digest="sha256"):
    """Of the certificate and of its public key, as Postfix's tables want them."""
    def run(*command, stdin=None):
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout
    certificate = run("openssl", "x509", "-in", folder / f"{name}.pem", "-noout", "-fingerprint", f"-{digest}").decode().strip().split("=")[1]
    der = run("openssl", "pkey", "-pubin", "-outform", "DER", stdin=run("openssl", "x509", "-in", folder / f"{name}.pem", "-noout", "-pubkey"))
    key = run("openssl", "dgst", f"-{digest}", "-c", stdin=der).decode().strip().split("= ")[1].upper()
    return certificate, key


def relay_code(server, keys, chain, name=None):
    """What a stranger with this certificate gets who wants to relay."""
    context = ssl.create_default_context(cafile=chain)
    context.check_hostname = False
    if name:
        context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
    with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as c:
        c.starttls(context=context)
        c.mail("x@client.example")
        return c.rcpt("y@elsewhere.example")[0]


def test_client_certificates_let_in(make_server, keys):
    for name in ("authority", "listed", "key-listed", "stranger"):
        make_certificate(keys, name)
    make_certificate(keys, "vouched", issuer="authority")
    chain = make_certificate(keys, "mail.example.com")
    for digest in ("sha256", "sha1"):
        (keys / "relay").write_text(f"{fingerprints(keys, 'listed', digest)[0]} listed\n{fingerprints(keys, 'key-listed', digest)[1]} by its key\n")
        server = make_server(f"relay-{digest}", main={
            "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": chain, "smtpd_tls_CAfile": keys / "authority.pem", "smtpd_tls_ask_ccert": "yes",
            "smtpd_tls_fingerprint_digest": digest, "relay_clientcerts": f"hash:{keys}/relay", "mynetworks": "192.0.2.0/24",
            "smtpd_relay_restrictions": "permit_tls_clientcerts, reject_unauth_destination"})
        got = {name: relay_code(server, keys, chain, name) for name in ("listed", "key-listed", "stranger", "vouched", None)}
        assert got == {"listed": 250, "key-listed": 250, "stranger": 554, "vouched": 554, None: 554}, digest
    server.stop()
    server.settings["smtpd_relay_restrictions"] = "permit_tls_all_clientcerts, reject_unauth_destination"
    server.start()
    got = {name: relay_code(server, keys, chain, name) for name in ("vouched", "listed", None)}
    assert got == {"vouched": 250, "listed": 554, None: 554}
    server.stop()
    (keys / "relay").write_text(f"{fingerprints(keys, 'stranger', 'sha1')[0]} REJECT not you\n{fingerprints(keys, 'listed', 'sha1')[1]} OK\n")
    server.settings["smtpd_relay_restrictions"] = f"check_ccert_access hash:{keys}/relay, reject_unauth_destination"
    server.start()
    assert relay_code(server, keys, chain, "listed") == 250 and relay_code(server, keys, chain, "vouched") == 554
    assert relay_code(server, keys, chain, "stranger") == 554
    server.wait_log("Client certificate rejected: not you")


TLS_LINES = re.compile(r"\(using .*?\)\n\t\((?:Client|No client).*?\n(?=\t(?:\(Auth|by))", re.S)


def test_tls_is_told_as_postfix_tells_it(make_server, keys, directory):
    """The same client at a Postfix and at us: the lines in Received: and in the log are the same."""
    import os
    from peers import PostfixPeer
    if os.getuid() != 0:
        pytest.skip("Postfix needs root")
    make_certificate(keys, "authority")
    make_certificate(keys, "vouched", "rsa", issuer="authority")
    make_certificate(keys, "stranger")
    for kind in ("rsa", "ec"):
        chain = make_certificate(keys, "mail.example.com", kind)
        tls = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": chain, "smtpd_tls_CAfile": keys / "authority.pem", "smtpd_tls_loglevel": "1", "smtpd_tls_received_header": "yes",
               "smtpd_tls_ask_ccert": "yes" if kind == "ec" else "no"}
        server = make_server(f"server-{kind}", main=tls)
        sink = make_server(f"sink-{kind}")
        with PostfixPeer(directory / f"postfix-{kind}", f"[127.0.0.1]:{sink.port}", {**tls, "smtpd_peername_lookup": "yes"}) as postfix:
            clients = [(version, name) for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)
                       for name in ((None, "vouched", "stranger") if kind == "ec" else (None,))]
            for count, (version, name) in enumerate(clients, 1):
                told = []
                for port, mailbox in ((server.port, server), (postfix.port, sink)):
                    context = ssl.create_default_context(cafile=chain)
                    context.check_hostname, context.verify_mode, context.maximum_version = False, ssl.CERT_NONE, version
                    if name:
                        context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
                    with smtplib.SMTP("127.0.0.1", port, timeout=20) as c:
                        c.starttls(context=context)
                        c.sendmail("x@client.example", ["bob@example.org"], b"Subject: x\r\n\r\nx\r\n")
                    got = mailbox.wait_messages("bob", count)[-1].decode()
                    told.append(TLS_LINES.search(got[got.index("(using"):]).group(0))
                assert told[0] == told[1], (kind, version, name)

            def lines(log):
                return re.findall(r"(\w+ TLS connection established from localhost\[127\.0\.0\.1\]): (.*)", log)
            wait_for(lambda: len(lines(server.log())) == len(lines(postfix.log())) == len(clients))
            assert [(first, rest) for first, rest in lines(server.log())] == [(first, re.sub(r"^.*?(?=TLSv)", "", rest)) for first, rest in lines(postfix.log())]


@pytest.mark.parametrize("notation,expected", [
    (">=TLSv1.2", {"TLSv1.2", "TLSv1.3"}), (">=TLSv1.2, <=TLSv1.2", {"TLSv1.2"}), ("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", {"TLSv1.2", "TLSv1.3"}),
    ("!SSLv2,!SSLv3,!TLSv1,!TLSv1.1,!TLSv1.2", {"TLSv1.3"}), ("TLSv1.2", {"TLSv1.2"}), ("TLSv1.2 TLSv1.3", {"TLSv1.2", "TLSv1.3"}), (">=TLSv1.3", {"TLSv1.3"})])
def test_notations_of_protocols(make_server, keys, notation, expected):
    chain = make_certificate(keys, "mail.example.com")
    server = make_server(main={"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": chain, "smtpd_tls_mandatory_protocols": notation})
    offered = {"TLSv1": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
    taken = {name for name, option in offered.items() if re.search(r"New, TLSv1", client(server.port, option, "-cipher", "ALL:@SECLEVEL=0"))}
    assert taken == expected


def test_cipher_grades_lists_and_exclusions(make_server, keys):
    chain = make_certificate(keys, "mail.example.com", "rsa")
    server = make_server(main={"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": chain, "smtpd_tls_mandatory_ciphers": "high",
                               "smtpd_tls_exclude_ciphers": "aNULL, eNULL, AES128, DES+MD5", "smtpd_tls_mandatory_exclude_ciphers": "kRSA",
                               "smtpd_tls_eecdh_grade": "ultra", "smtpd_tls_dh1024_param_file": "auto", "tls_preempt_cipherlist": "yes"})
    check = server.run("-c", server.config, "check").stderr
    assert b"NOT HONOURED" not in check and b"not a known" not in check

    def takes(cipher):
        return "New, TLSv1.2" in client(server.port, "-tls1_2", "-cipher", cipher)
    assert takes("ECDHE-RSA-AES256-GCM-SHA384") and not takes("ECDHE-RSA-AES128-GCM-SHA256") and not takes("AES256-GCM-SHA384")
    server.stop()
    server.settings.update({"tls_high_cipherlist": "ECDHE-RSA-CHACHA20-POLY1305", "smtpd_tls_exclude_ciphers": "", "smtpd_tls_mandatory_exclude_ciphers": ""})
    server.start()
    assert takes("ECDHE-RSA-CHACHA20-POLY1305") and not takes("ECDHE-RSA-AES256-GCM-SHA384")
    server.settings["smtpd_tls_mandatory_ciphers"] = "null"
    server.write_config()
    assert b"cipher grade 'null'" in server.run("-c", server.config, "check", check=False).stderr


def test_wrapper_mode_with_every_security_level(make_server, keys):
    """As in Postfix: wrapper mode is TLS from the first octet whatever the level says; an empty level means encrypt."""
    chain = make_certificate(keys, "mail.example.com")
    for level in ("", "none", "may", "encrypt"):
        server = make_server(f"wrapped-{level or 'empty'}", start=False, main={"smtpd_tls_chain_files": chain, "smtpd_tls_wrappermode": "yes", "smtpd_tls_security_level": level})
        server.start(wait=False)
        server.wait_log("daemon started")
        context = ssl.create_default_context(cafile=chain)
        context.check_hostname = False
        with smtplib.SMTP_SSL("127.0.0.1", server.port, timeout=20, context=context) as c:
            c.ehlo()
            assert "starttls" not in c.esmtp_features
            c.sendmail("x@client.example", ["bob@example.org"], b"Subject: x\r\n\r\nx\r\n")
        assert b"with ESMTPS id" in server.wait_messages("bob", 1)[0]


def test_expired_and_wrong_certificates_are_said(make_server, keys):
    make_certificate(keys, "mail.example.com")
    old, other = keys / "old", keys / "other.example.chain"
    make_certificate(keys, "other.example")
    subprocess.run(["openssl", "req", "-new", "-key", keys / "mail.example.com.key", "-subj", "/CN=mail.example.com", "-out", f"{old}.csr"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", f"{old}.csr", "-signkey", keys / "mail.example.com.key", "-days", "-1", "-out", f"{old}.pem"], check=True, capture_output=True)
    (keys / "old.chain").write_text((keys / "mail.example.com.key").read_text() + (keys / "old.pem").read_text())
    (keys / "old.chain").chmod(0o644)
    server = make_server(main={"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": keys / "old.chain"})
    assert b"expired" in server.run("-c", server.config, "check").stderr
    wait_for(lambda: b"expired" in server.run("-c", server.config, "status").stdout)
    server.wait_log(r"warning: .*expired")
    assert server.run("-c", server.config, "certificates", check=False).returncode == 1
    server.settings["smtpd_tls_chain_files"] = other
    server.write_config()
    assert b"does not name mail.example.com" in server.run("-c", server.config, "check").stderr
    # A good certificate with an expired one in its chain.
    (keys / "chain.chain").write_text((keys / "mail.example.com.chain").read_text() + (keys / "old.pem").read_text())
    server.settings["smtpd_tls_chain_files"] = keys / "chain.chain"
    server.write_config()
    said = server.run("-c", server.config, "check").stderr
    assert b"the certificate mail.example.com behind it, in its chain, expired" in said and said.count(b"expired") == 1
    # A key that is not the certificate's: nothing starts, and a running server keeps what it has.
    (keys / "mismatch.chain").write_text((keys / "other.example.key").read_text() + (keys / "mail.example.com.pem").read_text())
    (keys / "mismatch.chain").chmod(0o644)
    server.settings["smtpd_tls_chain_files"] = keys / "mismatch.chain"
    server.write_config()
    wrong = server.run("-c", server.config, "check", check=False)
    assert wrong.returncode == 1 and b"does not belong to the certificate" in wrong.stderr
    server.process.send_signal(1)
    server.wait_log(r"does not belong to the certificate; the old configuration stays in force")
    assert "CN = mail.example.com" in client(server.port)


def test_protocols_of_a_client(make_server, keys):
    """RFC 7301: who names protocols and not ours is sent away with the alert for it, on both kinds of ports; who names none is served."""
    chain = make_certificate(keys, "mail.example.com")
    ports = free_port(), free_port()
    master = f"127.0.0.1:{ports[0]} inet n - n - - smtpd\n127.0.0.1:{ports[1]} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"
    for setting, refused in ((None, True), ("", False)):
        main = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": str(chain), **({} if setting is None else {"smtpd_tls_alpn": setting})}
        server = make_server(f"alpn-{refused}", main=main, master=master, start=False)
        server.port = ports[0]
        server.start()
        for port, how in ((ports[0], ("-starttls", "smtp")), (ports[1], ())):
            for names, taken in ((None, True), ("smtp", True), ("h2,esmtp", True), ("h2,http/1.1", not refused), ("imap", not refused)):
                said = client(port, "-quiet", *(("-alpn", names) if names else ()), how=how)
                assert ("221 2.0.0 Bye" in said) is taken, (port, names, said)
                assert ("no application protocol" in said) is not taken
        server.stop()

"""The TLS server against openssl's client and sslscan: certificates by name, client certificates, tickets, protocols."""
import re, smtplib, ssl, subprocess

import pytest
from conftest import need
from postrider_process import free_port


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


def client(port, *options, stdin=b"QUIT\r\n"):
    command = ["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{port}", *map(str, options)]
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

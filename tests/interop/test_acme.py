"""Certificates from an ACME authority: obtained, renewed, in use without dropping a connection; failures leave the old ones."""
import json, re, socket, ssl, stat, subprocess

import pytest
from acme_peers import Pebble
from postrider_process import free_port, wait_for

SECONDS = 60


@pytest.fixture
def authority(directory):
    with Pebble(directory / "ca") as ca:
        yield ca


def settings(ca, **more):
    return {"acme_domains": "mail.example.com mx.example.com", "acme_directory_url": ca.url, "acme_ca_file": ca.ca_file,
            "acme_terms_agreed": "yes", "acme_contact": "postmaster@example.com", "acme_http_listen": f"127.0.0.1:{ca.http_port}",
            "acme_tls_listen": f"127.0.0.1:{ca.tls_port}", "smtpd_tls_security_level": "may",
            "tls_certificate_check_interval": "1s", "acme_retry_delay": "1s", **more}


def shown(port, name="mail.example.com"):
    """The certificate that STARTTLS shows for this name: (issuer, serial, key type, names), by the openssl tool."""
    got = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{port}", "-servername", name], stdin=subprocess.DEVNULL,
                         capture_output=True, timeout=30)
    text = subprocess.run(["openssl", "x509", "-noout", "-issuer", "-serial", "-text"], input=got.stdout, capture_output=True, timeout=30).stdout.decode()
    return text


def obtained(server, count=1):
    return wait_for(lambda: len(re.findall(r"acme\[\d+\]: obtained an", server.log())) >= count, SECONDS)


def in_use(server, name="mail.example.com"):
    return wait_for(lambda: (lambda text: text if "Issuer: CN = Pebble" in text else None)(shown(server.port, name)), SECONDS)


def serial(text):
    return re.search(r"^serial=(\w+)", text, re.M).group(1)


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_obtained_renewed_and_in_use(make_server, authority, directory, challenge):
    server = make_server(main=settings(authority, acme_challenge=challenge))
    with server.client() as kept:  # a session that is there before the first certificate
        kept.ehlo()
        obtained(server)
        first = in_use(server)
        assert "DNS:mail.example.com, DNS:mx.example.com" in first
        assert "id-ecPublicKey" in first
        assert kept.noop()[0] == 250
        renewed = server.run("-c", server.config, "certificates", "renew", "--json")
        lines = [json.loads(line) for line in renewed.stdout.splitlines()]
        assert [line["ok"] for line in lines] == [True]
        wait_for(lambda: serial(in_use(server)) != serial(first), SECONDS)
        assert kept.noop()[0] == 250
    # A client that trusts the authority's root and nothing else, and looks at the name.
    (directory / "root.pem").write_text(authority.root())
    with socket.create_connection(("127.0.0.1", server.port), 20) as raw:
        stream = raw.makefile("rwb")
        stream.readline()
        raw.sendall(b"EHLO c\r\n")
        while stream.readline()[3:4] == b"-":
            pass
        raw.sendall(b"STARTTLS\r\n")
        assert stream.readline().startswith(b"220")
        with ssl.create_default_context(cafile=directory / "root.pem").wrap_socket(raw, server_hostname="mx.example.com") as secure:
            secure.sendall(b"NOOP\r\n")
    folder = server.directory / "data" / "acme"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(p.name for p in folder.iterdir())
    assert [n for n in files if not n.startswith("account-")] == ["mail.example.com.ecdsa.json", "mail.example.com.ecdsa.pem"] and len(files) == 3
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in folder.iterdir())
    listed = json.loads(server.run("-c", server.config, "certificates", "--json").stdout)
    assert listed["certificates"][0]["names"] == ["mail.example.com", "mx.example.com"] and listed["warnings"] == []
    assert "PRIVATE KEY" not in server.log()


def test_webroot_several_certificates_and_both_kinds_of_key(make_server, authority, directory):
    webroot = directory / "www"
    webroot.mkdir()
    webroot.chmod(0o777)
    web = subprocess.Popen(["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", webroot, str(authority.http_port)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = make_server(main=settings(authority, acme_webroot=webroot, acme_key_types="ecdsa rsa",
                                           acme_domains="{ mail.example.com } { mail.example.net mx.example.net }"))
        obtained(server, 4)
        wait_for(lambda: "DNS:mail.example.net" in in_use(server, "mx.example.net"), SECONDS)
        assert "DNS:mail.example.com" in in_use(server)
        assert "DNS:mail.example.com" in in_use(server, "unknown.example")

        def with_key(kind):
            got = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{server.port}", "-tls1_2", "-cipher", kind],
                                 stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
            return got.stdout.decode(errors="replace")
        wait_for(lambda: "Peer signature type: RSA" in with_key("ECDHE-RSA-AES256-GCM-SHA384"), SECONDS)
        wait_for(lambda: "Peer signature type: ECDSA" in with_key("ECDHE-ECDSA-AES256-GCM-SHA384"), SECONDS)
    finally:
        web.terminate()
        web.wait()
    assert list((webroot / ".well-known/acme-challenge").iterdir()) == []  # proofs are taken away


def test_renewal_by_itself(make_server, directory):
    with Pebble(directory / "ca", valid_seconds=20) as ca:
        server = make_server(main=settings(ca))
        obtained(server, 3)
        in_use(server)


def test_failures_leave_the_old_one_and_are_said(make_server, directory):
    with Pebble(directory / "ca") as ca:
        server = make_server(main=settings(ca, acme_retry_delay="30s"))  # one failure, not two, until all is looked at
        obtained(server)
        old = serial(in_use(server))
    failed = server.run("-c", server.config, "certificates", "renew", check=False)  # nobody is there
    assert failed.returncode == 1 and b"mail.example.com" in failed.stdout + failed.stderr
    server.wait_log(r"warning: no new certificate for mail\.example\.com, mx\.example\.com: https://localhost:\d+/dir: .*what is in use stays; next attempt in \d+ s")
    assert serial(shown(server.port)) == old
    status = json.loads(server.run("-c", server.config, "status", "--json").stdout)
    assert any("1 failures in a row" in text for text in status["warnings"])
    assert "failures in a row" in server.run("-c", server.config, "status").stdout.decode()
    listed = server.run("-c", server.config, "certificates", check=False)
    assert listed.returncode == 1 and b"last attempt failed" in listed.stdout
    # A restart keeps the certificate and does not forget to wait.
    server.stop()
    server.start()
    assert serial(shown(server.port)) == old


def test_what_an_authority_refuses(make_server, authority):
    server = make_server(main=settings(authority, acme_terms_agreed="no"))
    server.wait_log(r"no new certificate for .*read them, and set acme_terms_agreed = yes")
    assert "Issuer: CN = mail.example.com" in shown(server.port)  # the stand-in
    # The proof cannot be fetched: another port than the one that the authority looks at.
    server.stop()
    server.settings.update({"acme_terms_agreed": "yes", "acme_http_listen": f"127.0.0.1:{free_port()}"})
    server.start()
    server.wait_log(r"no new certificate for .*could not verify m\w+\.example\.com by http-01: ", SECONDS)
    server.stop()
    server.settings.update({"acme_ca_file": ""})  # its web server is not trusted any more
    server.start()
    server.wait_log(r"no new certificate for .*certificate", SECONDS)


def test_listeners_give_nothing_away(make_server, authority):
    server = make_server(main=settings(authority, acme_challenge="http-01"))
    obtained(server)
    for request, status in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"), (b"GET /.well-known/acme-challenge/../../etc/passwd HTTP/1.0\r\n\r\n", b"404"),
                            (b"POST /.well-known/acme-challenge/x HTTP/1.1\r\n\r\n", b"404"), (b"\0\xff\r\n\r\n", b"404"),
                            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"")):
        with socket.create_connection(("127.0.0.1", authority.http_port), 20) as raw:
            raw.sendall(request)
            try:
                answer = raw.recv(4096)
            except ConnectionResetError:
                answer = b""
            assert answer[9:12] == status, (request[:60], answer)
    server.client().quit()


def test_check_says_what_is_wrong(make_server):
    server = make_server(start=False, main={"acme_domains": "*.example.org"})
    server.write_config()
    wrong = server.run("-c", server.config, "check", check=False)
    assert wrong.returncode == 1 and b"acme_domains: '*.example.org' is a wildcard" in wrong.stderr
    server.settings["acme_domains"] = "mail.example.com"
    server.write_config()
    right = server.run("-c", server.config, "check")
    assert b"acme_terms_agreed = yes" in right.stderr

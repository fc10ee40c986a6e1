"""Our certificates as a client: which one a server is shown, of smtp_tls_chain_files and of the older parameters."""
import base64, hashlib, re, ssl

import pytest
from postrider_process import wait_for
from smtp_sinks import Sink
from test_tls import make_certificate


@pytest.fixture
def folder(directory):
    for name, kind in (("server", "ec"), ("rsa", "rsa"), ("ec", "ec")):
        make_certificate(directory, name, kind=kind)
    return directory


def digest(path):
    text = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", path.read_text(), re.S)[1]
    return hashlib.sha256(base64.b64decode(text)).hexdigest()


def shown(folder, make_server, settings, algorithms="ECDSA+SHA256:RSA-PSS+SHA256"):
    """The certificate that a server got which takes certificates of these algorithms."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.chain")
    context.load_verify_locations(cadata=(folder / "rsa.pem").read_text() + (folder / "ec.pem").read_text())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Sink(tls=context) as sink:
        server = make_server(main={"virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{sink.port}", "smtp_tls_security_level": "encrypt",
                                   **{k: v.replace("DIR", str(folder)) for k, v in settings.items()}})
        with server.client() as c:
            c.sendmail("a@b.example", "c@d.example", "Subject: x\r\n\r\nhi\r\n")
        wait_for(lambda: sink.contents)
        (certificate,) = sink.certificates
        return certificate and hashlib.sha256(certificate).hexdigest(), server


@pytest.mark.parametrize("settings, name", [
    ({}, None),
    ({"smtp_tls_cert_file": "DIR/rsa.pem", "smtp_tls_key_file": "DIR/rsa.key"}, "rsa"),
    ({"smtp_tls_eccert_file": "DIR/ec.pem", "smtp_tls_eckey_file": "DIR/ec.key"}, "ec"),
    ({"smtp_tls_chain_files": "DIR/rsa.key, DIR/rsa.pem"}, "rsa"),
    ({"smtp_tls_chain_files": "DIR/ec.chain", "smtp_tls_cert_file": "DIR/rsa.pem", "smtp_tls_key_file": "DIR/rsa.key"}, "ec")])
def test_which_certificate_is_shown(folder, make_server, settings, name):
    got, server = shown(folder, make_server, settings)
    assert got == (name and digest(folder / f"{name}.pem"))
    assert ("smtp_tls_cert_file is not used, since smtp_tls_chain_files is set" in server.log()) == (len(settings) == 3)


def test_a_chain_that_does_not_fit_is_said_at_the_start(folder, make_server):
    server = make_server(start=False, main={"smtp_tls_chain_files": f"{folder}/rsa.pem"})
    server.start(wait=False)
    server.wait_log(r"smtp_tls_chain_files: .*there is no private key in it")
    server.process.wait(30)
    server.process = None

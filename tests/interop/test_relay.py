"""A relay host that asks for a login, on 587, 465 and 2525: a real Postfix with Dovecot's SASL, in an internet in a box."""
import email, os, re, subprocess

import pytest
from conftest import need
from postrider_process import wait_for
from box import NAME_SERVER, NETWORK, Box, namespace
from peers import DovecotPeer, PostfixPeer

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="network namespaces need root")
RELAY = f"{NETWORK}.30"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    need("nsd"), need("dovecot"), need("openssl")
    folder = tmp_path_factory.mktemp("relay")
    for parent in (folder, *folder.parents[:3]):
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=relay.test", "-addext", "subjectAltName=DNS:relay.test"],
                   check=True, capture_output=True)
    with Box(folder / "box", {"test": f"relay A {RELAY}\n"}) as box, \
            DovecotPeer(folder / "dovecot", "plain login cram-md5 scram-sha-256") as dovecot, namespace(box.net):
        asks = "-o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes"
        relay = PostfixPeer(folder / "postfix", "", {
            "inet_interfaces": f"127.0.0.1, {RELAY}", "myhostname": "relay.test", "mynetworks": "127.0.0.0/8", "default_transport": "discard:",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": str(dovecot.auth_socket),
            "smtpd_sasl_security_options": "noanonymous", "smtpd_tls_cert_file": folder / "cert.pem", "smtpd_tls_key_file": folder / "key.pem",
            "smtpd_tls_auth_only": "yes", "smtpd_tls_loglevel": "1"}, [
            f"{RELAY}:587 inet n - n - - smtpd {asks}", f"{RELAY}:465 inet n - n - - smtpd {asks} -o smtpd_tls_wrappermode=yes",
            f"{RELAY}:2525 inet n - n - - smtpd -o smtpd_tls_security_level=may -o smtpd_sasl_auth_enable=yes",
            f"{RELAY}:2526 inet n - n - - smtpd"])
        with relay:
            box.relay, box.cert = relay, folder / "cert.pem"
            yield box


@pytest.fixture
def ours(world, make_server):
    def make(port, password="secret", main=None):
        server = make_server(start=False, main={
            "dns_servers": NAME_SERVER, "myhostname": "us.test", "relayhost": f"[relay.test]:{port}", "smtp_sasl_auth_enable": "yes",
            "smtp_tls_security_level": "encrypt", "minimal_backoff_time": "2s", "maximal_backoff_time": "2s", "queue_run_delay": "1s",
            "smtp_destination_concurrency_failed_cohort_limit": "100", **(main or {})})
        server.port, server.master = 2525, "127.0.0.1:2525 inet n - n - - smtpd\n"
        (server.config / "passwords").write_text(f"[relay.test]:{port} ann:{password}\n" if password else "other.test ann:secret\n")
        server.settings["smtp_sasl_password_maps"] = f"hash:{server.config}/passwords"
        with namespace(world.ours):
            server.start()
        return server
    return make


def send(world, server, to):
    with namespace(world.ours), server.client() as c:
        c.sendmail("ann@example.org", [to], f"Subject: {to}\r\n\r\nhello\r\n")


def bounce_of(server, to):
    raw = wait_for(lambda: [m for m in server.messages("ann") if to.encode() in m])[0]
    parsed = email.message_from_bytes(raw)
    status = next(p for p in parsed.walk() if p.get_content_type() == "message/delivery-status").get_payload()
    return re.sub(r"\s+", " ", raw.decode()), status[1]


@pytest.mark.parametrize("port, main", [
    (587, {}), (587, {"smtp_tls_security_level": "verify", "smtp_tls_CAfile": "CERT"}), (465, {"smtp_tls_wrappermode": "yes"}),
    (465, {"smtp_tls_wrappermode": "yes", "smtp_tls_security_level": "secure", "smtp_tls_CAfile": "CERT"}), (2525, {"smtp_tls_security_level": "may"})])
def test_logs_in(world, ours, port, main):
    server = ours(port, main={k: str(world.cert) if v == "CERT" else v for k, v in main.items()})
    to = f"x{port}{len(main)}@far.example"
    send(world, server, to)
    server.wait_log(rf"to=<{to}>, relay=relay\.test\[10\.55\.0\.30\]:{port}, .*status=sent")
    wait_for(lambda: re.search(rf"to=<{to}>.*status=sent", world.relay.log()))
    assert "sasl_username=ann" in world.relay.log()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_every_mechanism(world, ours, mechanism):
    server = ours(587, main={"smtp_sasl_mechanism_filter": mechanism.lower()})
    before = world.relay.log().count(f"sasl_method={mechanism},")
    send(world, server, f"{mechanism.lower()}@far.example")
    server.wait_log(rf"to=<{re.escape(mechanism.lower())}@far\.example>.*status=sent")
    wait_for(lambda: world.relay.log().count(f"sasl_method={mechanism},") > before)


def test_a_wrong_password_is_told_in_the_queue_and_in_the_bounce(world, ours):
    words = r"SASL authentication failed; server relay\.test\[10\.55\.0\.30\]:587 said: 535 5\.7\.8"
    server = ours(587, "wrong")
    send(world, server, "x@far.example")
    server.wait_log(rf"to=<x@far\.example>.*dsn=4\.7\.8, status=deferred \({words}")
    queue_id = re.search(r"qmgr\[\d+\]: (\w+): from=<ann@example.org>", server.log()).group(1)
    wait_for(lambda: re.search(words, server.run("postqueue", "-p", "-c", server.config).stdout.decode()))
    server.run("postsuper", "-c", server.config, "-e", queue_id)  # as at the end of maximal_queue_lifetime
    text, status = bounce_of(server, "x@far.example")
    assert re.search(words, text) and status["Action"] == "failed" and "wrong" not in text
    server.stop()
    server = ours(587, "wrong", main={"smtp_sasl_auth_soft_bounce": "no"})
    send(world, server, "y@far.example")
    text, status = bounce_of(server, "y@far.example")
    assert re.search(words, text) and status["Status"] == "5.7.8"


def test_a_missing_login_is_told(world, ours):
    """We know no password for it; and: it offers AUTH only with TLS, which we do not use."""
    server = ours(587, None)
    send(world, server, "x@far.example")
    text, status = bounce_of(server, "x@far.example")
    assert "554 5.7.1 <x@far.example>: Relay access denied" in text and status["Status"] == "5.7.1"
    server.stop()
    server = ours(2525, main={"smtp_tls_security_level": "none", "smtp_sasl_security_options": "noanonymous"})
    send(world, server, "y@far.example")
    text, status = bounce_of(server, "y@far.example")
    assert "Relay access denied" in text and "we have a password for it, but it offers no AUTH (is TLS needed first?)" in text
    assert "sasl_username=ann" not in world.relay.log().split("y@far.example")[-1]


def test_no_password_for_who_is_not_who_he_says(world, ours):
    """secure, and no authority that vouches for the certificate: nothing is sent, not even the password."""
    server = ours(587, main={"smtp_tls_security_level": "secure"})
    before = world.relay.log().count("sasl_username=ann")
    send(world, server, "x@far.example")
    server.wait_log(r"to=<x@far\.example>.*dsn=4\.7\.5, status=deferred \(Server certificate not verified")
    assert world.relay.log().count("sasl_username=ann") == before


def test_by_sender(world, ours):
    """sender_dependent_relayhost_maps, sender_dependent_default_transport_maps and the null sender's key."""
    server = ours(587)
    server.stop()
    (server.config / "relays").write_text(f"@example.org [relay.test]:2526\n<> [relay.test]:2526\nann@example.com DUNNO\n")
    (server.config / "transports").write_text("discarded@example.com discard:by its sender\n")
    server.settings.update({"sender_dependent_relayhost_maps": f"hash:{server.config}/relays",
                            "sender_dependent_default_transport_maps": f"hash:{server.config}/transports", "smtp_tls_security_level": "may"})
    with namespace(world.ours):
        server.start()
    for sender, words in (("ann@example.org", r"relay=relay\.test\[10\.55\.0\.30\]:2526.*status=bounced"), ("", r"relay=relay\.test\[10\.55\.0\.30\]:2526"),
                          ("ann@example.com", r"relay=relay\.test\[10\.55\.0\.30\]:587.*status=sent"),
                          ("discarded@example.com", r"relay=none.*status=sent \(by its sender\)")):
        to = f"to-{sender.replace('@', '-') or 'null'}@far.example"
        with namespace(world.ours), server.client() as c:
            c.sendmail(sender, [to], "Subject: x\r\n\r\nx\r\n")
        server.wait_log(rf"to=<{re.escape(to)}>, {words}")

"""By which name the server knows a client: the hosts file first, as the C library does for Postfix, then the DNS, there and back."""
import os

import pytest
from name_server import NameServer

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a hosts file of its own needs root")
HOSTS = "127.0.0.1 localhost\n192.0.2.7 printer.lan printer # upstairs\n192.0.2.7 second.lan\n2001:db8::7 six.lan\nno address\n192.0.2.10\n"
NAMES = {("7.2.0.192.in-addr.arpa", "PTR"): ["other.example"], ("other.example", "A"): ["192.0.2.7"],
         ("8.2.0.192.in-addr.arpa", "PTR"): ["real.example"], ("real.example", "A"): ["192.0.2.8"],
         ("9.2.0.192.in-addr.arpa", "PTR"): ["liar.example"], ("liar.example", "A"): ["192.0.2.8"]}


def test_where_names_come_from(make_server, directory):
    (directory / "hosts").write_text(HOSTS)
    with NameServer(NAMES) as dns:
        server = make_server(start=False, main={"smtpd_peername_lookup": "yes", "dns_servers": dns.address, "smtpd_authorized_xclient_hosts": "127.0.0.1",
                                                "smtpd_client_restrictions": "reject_unknown_client_hostname"})
        server.started_by = ["unshare", "--mount", "sh", "-c", f'mount --bind {directory}/hosts /etc/hosts && exec "$@"', "sh"]
        server.start()
        for address, name, taken in (("192.0.2.7", "printer.lan", True), ("IPV6:2001:db8::7", "six.lan", True), ("192.0.2.8", "real.example", True),
                                     ("192.0.2.9", "unknown", False), ("192.0.2.10", "unknown", False)):
            with server.client() as c:
                assert c.docmd(f"XCLIENT ADDR={address}")[0] == 220
                c.ehlo("client.example.net")
                c.mail("ann@example.net")
                assert (c.rcpt("bob@example.org")[0] == 250) is taken, address
            server.wait_log(rf"connect from {name}\[{address.removeprefix('IPV6:')}\]")

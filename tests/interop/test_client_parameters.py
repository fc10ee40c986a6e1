"""Parameters of the smtp and lmtp clients about connections and recipients, before a server that notes what it is told."""
import re, time

from peers import PostfixPeer
from postrider_process import wait_for
from smtp_sinks import Sink


def send(server, recipients=("one@d.example",)):
    with server.client() as c:
        c.sendmail("a@b.example", list(recipients), "Subject: x\r\n\r\nhi\r\n")


def said(sink, verb):
    return [c for c in sink.commands if c.startswith(verb)]


def test_recipients_in_one_lmtp_delivery(make_server):
    """A transport's own limit goes before default_destination_recipient_limit."""
    recipients = [f"{name}@d.example" for name in ("one", "two", "three")]
    for limit, transactions in (("1", 3), ("2", 2)):
        with Sink() as sink:
            server = make_server(f"limit{limit}", main={"virtual_mailbox_domains": "", "default_transport": f"lmtp:inet:127.0.0.1:{sink.port}",
                                                        "lmtp_destination_recipient_limit": limit})
            send(server, recipients)
            wait_for(lambda: len(said(sink, "RCPT")) == 3 and len(sink.contents) == transactions)
            assert len(said(sink, "MAIL")) == transactions


def test_lmtps_own_helo(make_server):
    with Sink() as sink:
        server = make_server(main={"virtual_mailbox_domains": "", "default_transport": f"lmtp:inet:127.0.0.1:{sink.port}",
                                   "smtp_helo_name": "smtp.example", "lmtp_lhlo_name": "lmtp.example", "lmtp_lhlo_timeout": "20s"})
        send(server)
        wait_for(lambda: sink.contents)
        assert said(sink, "LHLO") == ["LHLO lmtp.example"]
        assert "NOT HONOURED" not in server.log()


def test_how_long_a_connection_is_used_again(make_server):
    for limit, connections in (("1s", 2), ("0", 1)):
        with Sink() as sink:
            server = make_server(f"limit{limit}", main={
                "virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{sink.port}", "smtp_tls_security_level": "none",
                "smtp_connection_cache_time_limit": "60s", "smtp_connection_reuse_time_limit": limit})
            send(server)
            server.wait_log("status=sent")
            time.sleep(1.2)  # now it is older than the limit; the next message is the last it carries
            for count in (2, 3):
                send(server)
                wait_for(lambda: server.log_so_far().count("status=sent") == count)  # which is said when the connection is put away
            assert len(said(sink, "EHLO")) == connections


def test_who_a_message_came_from_is_passed_on(make_server, directory):
    """XFORWARD to a real Postfix and from it: each logs whose message it was before."""
    last = make_server("last", main={"smtpd_authorized_xforward_hosts": "127.0.0.0/8"})
    with PostfixPeer(directory / "postfix", f"[127.0.0.1]:{last.port}", {
            "smtpd_authorized_xforward_hosts": "127.0.0.0/8", "smtp_send_xforward_command": "yes"}) as postfix:
        first = make_server("first", main={"virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{postfix.port}",
                                           "smtp_tls_security_level": "none", "smtp_send_xforward_command": "yes"})
        with first.client() as c:
            c.sendmail("a@b.example", ["bob@example.org"], "Subject: x\r\n\r\nhi\r\n")
        last.wait_messages("bob", 1)
        queue_id = first.wait_log(r"smtpd\[\d+\]: (\w+): client=").group(1)
        client = r"client=\S+, orig_queue_id=" + queue_id + r", orig_client=\S+\[127\.0\.0\.1\]"
        wait_for(lambda: re.search(client, postfix.log()))
        last.wait_log(client)


def test_helo_alone(make_server):
    with Sink() as sink:
        server = make_server(main={"virtual_mailbox_domains": "", "relayhost": f"[127.0.0.1]:{sink.port}", "smtp_never_send_ehlo": "yes"})
        send(server)
        wait_for(lambda: sink.contents)
        assert said(sink, "HELO") == ["HELO mail.example.com"] and not said(sink, "EHLO")

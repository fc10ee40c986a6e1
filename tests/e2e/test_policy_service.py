"""check_policy_service against a policy server of our own: what it is asked, what its answers do."""
import socketserver, threading

import pytest


class PolicyServer:
    """Answers each question with what `answers` says for its recipient; keeps the questions."""

    def __init__(self, answers):
        self.questions = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                question = {}
                for raw in self.rfile:
                    line = raw.decode().rstrip("\n")
                    if line:
                        name, _, value = line.partition("=")
                        question[name] = value
                        continue
                    outer.questions.append(question)
                    action = answers.get(question["recipient"])
                    if action is None:
                        return  # hangs up
                    self.wfile.write(f"action={action}\n\n".encode())
                    question = {}

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = "inet:127.0.0.1:%d" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_a_policy_server_is_asked_and_obeyed(make_server):
    answers = {"ann@example.org": "DUNNO", "bob@example.org": "DEFER_IF_PERMIT 4.7.1 Greylisted",
               "carl@example.org": "REJECT no thanks", "dora@example.org": "PREPEND X-Policy: seen"}
    with PolicyServer(answers) as policy:
        server = make_server(users=("ann", "bob", "carl", "dora", "eve"), main={
            "smtpd_recipient_restrictions": "check_policy_service {{ {}, policy_context=inbound, retry_delay=0s, try_limit=2 }}".format(policy.address)})
        with server.client() as c:
            c.ehlo("client.example.net")
            c.mail("sender@example.net", ["SIZE=321"])
            assert c.rcpt("ann@example.org")[0] == 250
            assert c.rcpt("bob@example.org") == (450, b"4.7.1 <bob@example.org>: Recipient address rejected: Greylisted")
            assert c.rcpt("carl@example.org") == (554, b"5.7.1 <carl@example.org>: Recipient address rejected: no thanks")
            assert c.rcpt("dora@example.org")[0] == 250
            assert c.rcpt("eve@example.org") == (451, b"4.3.5 <eve@example.org>: Recipient address rejected: Server configuration problem")
            assert c.data("Subject: x\r\n\r\nhi\r\n")[0] == 250
        assert b"X-Policy: seen" in server.wait_messages("ann", 1)[0]
        server.wait_log(r"warning: problem talking to server inet:127\.0\.0\.1:\d+: the connection was closed without an answer")
        first = policy.questions[0]
        for name, value in {"request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP", "helo_name": "client.example.net",
                            "client_address": "127.0.0.1", "sender": "sender@example.net", "recipient": "ann@example.org", "size": "321",
                            "recipient_count": "0", "policy_context": "inbound", "sasl_username": ""}.items():
            assert first[name] == value, name
        assert first["instance"] and len({q["instance"] for q in policy.questions}) == 1
        assert sum(q["recipient"] == "eve@example.org" for q in policy.questions) == 2


@pytest.mark.parametrize("value", ["inet:nowhere", "unix:", "inet:127.0.0.1:99999", "{ inet:127.0.0.1:1, colour=red }", ""])
def test_a_policy_server_that_cannot_be_is_said_by_check(make_server, value):
    server = make_server(start=False, main={"smtpd_recipient_restrictions": "check_policy_service " + value})
    server.write_config()
    got = server.run("check", "-c", server.config, check=False)
    assert got.returncode != 0 and b"check_policy_service" in got.stderr

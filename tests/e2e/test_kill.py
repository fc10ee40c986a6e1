"""SIGKILL at a random moment under load: every message answered 250 is delivered or still queued.

POSTRIDER_KILL_ROUNDS rounds (default 3; the documented long run is 200: tools/test long).
"""
import os, random, re, socket, threading, time

from postrider_process import wait_for

ROUNDS = int(os.environ.get("POSTRIDER_KILL_ROUNDS", "3"))
CONNECTIONS = int(os.environ.get("POSTRIDER_KILL_CONNECTIONS", "50"))


def reply(file):
    while True:
        line = file.readline()
        if not line:
            raise ConnectionError
        if line[3:4] == b" ":
            return int(line[:3])


class Sender(threading.Thread):
    """Sends numbered messages over one connection until it breaks; notes which were answered 250."""

    def __init__(self, port, name, acknowledged, stop):
        super().__init__(daemon=True)
        self.port, self.tag, self.acknowledged, self.stop = port, name, acknowledged, stop

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 30) as sock:
                file = sock.makefile("rwb")
                reply(file)
                self.command(file, "EHLO load.example.net")
                number = 0
                while not self.stop.is_set():
                    mark = f"{self.tag}-{number}"
                    self.command(file, "MAIL FROM:<load@example.net>")
                    self.command(file, "RCPT TO:<bob@example.org>")
                    self.command(file, "DATA", 354)
                    size = random.choice((10, 1000, 1000, 1000, 200000))
                    self.command(file, f"Subject: {mark}\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72) + f"{mark}\r\n.")
                    self.acknowledged.add(mark)
                    number += 1
        except (OSError, ConnectionError, AssertionError):
            pass

    @staticmethod
    def command(file, line, expect=250):
        file.write(line.encode() + b"\r\n")
        file.flush()
        code = reply(file)
        assert code == expect, (line[:50], code)


def test_kill_loses_nothing(make_server):
    server = make_server(main={"smtpd_client_connection_count_limit": "0", "virtual_destination_concurrency_limit": "5"})
    acknowledged = set()
    for round_number in range(ROUNDS):
        stop = threading.Event()
        senders = [Sender(server.port, f"r{round_number}c{i}", acknowledged, stop) for i in range(CONNECTIONS)]
        for sender in senders:
            sender.start()
        time.sleep(random.uniform(0.3, 1.5))
        wait_for(lambda: len(acknowledged) > CONNECTIONS * (round_number + 1))
        server.kill()
        stop.set()
        for sender in senders:
            sender.join(15)
        server.start()
    assert len(acknowledged) > CONNECTIONS * ROUNDS
    seen = {}

    def all_there():
        for path in (server.maildir("bob") / "new").glob("*"):
            if path.name not in seen:
                text = path.read_bytes()
                found = re.search(rb"^Subject: (\S+)$", text, re.M)
                assert found and text.endswith(found.group(1) + b"\n"), f"half a message in {path}"
                seen[path.name] = found.group(1).decode()
        return acknowledged <= set(seen.values())

    # A long run leaves a long queue: as long as mail arrives, it is not lost yet.
    while True:
        before = len(seen)
        try:
            wait_for(all_there, 60, 0.3)
            break
        except AssertionError:
            missing = acknowledged - set(seen.values())
            queued = server.run("queue", "--json", "-c", server.config).stdout.count(b"queue_id")
            assert len(seen) > before, f"{len(missing)} of {len(acknowledged)} acknowledged messages are missing, {queued} queued; such as {sorted(missing)[:5]}"
    print(f"\n{ROUNDS} rounds, {len(acknowledged)} messages answered 250, all delivered; {len(seen) - len(set(seen.values()))} delivered twice")

"""A small DNS server for tests: answers from a dict, over UDP (and TCP for what does not fit)."""
import ipaddress, socket, socketserver, struct, threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
NAMES = {v: k for k, v in TYPES.items()}


def wire_name(name):
    return b"".join(bytes([len(l)]) + l for l in name.rstrip(".").encode("latin-1").split(b".") if l) + b"\0"


def rdata(kind, value):
    if kind == "A":
        return ipaddress.IPv4Address(value).packed
    if kind == "AAAA":
        return ipaddress.IPv6Address(value).packed
    if kind == "TXT":
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        return b"".join(bytes([len(p)]) + p for p in ([raw[i:i + 255] for i in range(0, len(raw), 255)] or [b""]))
    if kind == "MX":
        return struct.pack("!H", value[0]) + wire_name(value[1])
    if kind == "SRV":
        return struct.pack("!HHH", *value[:3]) + wire_name(value[3])
    return wire_name(value)


class NameServer:
    """zone: {(name, type): [values]}; fails(name) true: SERVFAIL."""

    def __init__(self, zone, fails=lambda name: False):
        self.zone = {(n.lower().rstrip("."), t): v for (n, t), v in zone.items()}
        self.fails = fails
        self.names = {n for n, _ in self.zone}
        self.questions = 0

    def publish(self, name, kind, *values):
        """Changes the zone while the server answers; no values: the records go."""
        self.zone[(name.lower().rstrip("."), kind)] = list(values)
        self.names.add(name.lower().rstrip("."))

    def answer(self, query, limit):
        ident, _, count = struct.unpack("!HHH", query[:6])
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]])
            at += 1 + query[at]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        name = b".".join(labels).decode("latin-1").lower()
        self.questions += 1
        rcode, answers = 0, []
        if self.fails(name):
            rcode = 2
        else:
            answers = [rdata(NAMES[kind], v) for v in self.zone.get((name, NAMES.get(kind)), [])]
            if not answers and name not in self.names and not any(n.endswith("." + name) for n in self.names):
                rcode = 3
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(d)) + d for d in answers)
        flags = 0x8580 | rcode
        if 12 + len(question) + len(body) > limit:
            flags, body, answers = flags | 0x0200, b"", []
        return struct.pack("!HHHHHH", ident, flags, 1, len(answers), 0, 0) + question + body

    def __enter__(self):
        server = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                data, sock = self.request
                try:
                    sock.sendto(server.answer(data, 1200), self.client_address)
                except Exception:
                    pass

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self):
                while head := self.rfile.read(2):
                    reply = server.answer(self.rfile.read(struct.unpack("!H", head)[0]), 65000)
                    self.wfile.write(struct.pack("!H", len(reply)) + reply)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        for attempt in range(20):  # a port that is free for both; somebody may take one in between
            self.tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
            self.port = self.tcp.server_address[1]
            try:
                self.udp = socketserver.ThreadingUDPServer(("127.0.0.1", self.port), Udp)
                break
            except OSError:
                self.tcp.server_close()
                if attempt == 19:
                    raise
        for s in (self.udp, self.tcp):
            s.daemon_threads = True
            threading.Thread(target=s.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        for s in (self.udp, self.tcp):
            s.shutdown()
            s.server_close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

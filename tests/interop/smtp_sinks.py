"""A server that takes everything over SMTP and LMTP and keeps it octet for octet: commands, content, client certificates."""
import re, socket, ssl, threading


class Sink:
    """`offers`: EHLO keywords. `replies`: what it says to a command instead of 250, by the command's first word."""

    def __init__(self, offers=("PIPELINING", "8BITMIME", "SIZE"), tls=None, replies=None, port=0):
        """`tls`: an ssl.SSLContext, for STARTTLS."""
        self.offers, self.tls, self.replies = [*offers, *(["STARTTLS"] if tls else [])], tls, replies or {}
        self.commands, self.contents, self.certificates = [], [], []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                self._converse(connection)
        except OSError:
            pass

    def _converse(self, connection):
        reader, recipients, chunks, lmtp = connection.makefile("rb"), 0, b"", False
        say = lambda text: connection.sendall(text.encode() + b"\r\n")  # noqa: E731
        say("220 sink.example ESMTP")
        while line := reader.readline():
            self.commands.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            verb = line[:4].decode("latin-1").upper()
            if verb in self.replies:
                say(self.replies[verb])
            elif verb in ("EHLO", "LHLO"):
                lmtp = verb == "LHLO"
                offers = [o for o in self.offers if o != "STARTTLS" or not isinstance(connection, ssl.SSLSocket)]
                say("".join(f"250-{o}\r\n" for o in ["sink.example", *offers]) + "250 HELP")
            elif verb == "STAR":
                say("220 go")
                connection = self.tls.wrap_socket(connection, server_side=True)
                reader = connection.makefile("rb")
                self.certificates.append(connection.getpeercert(binary_form=True))
            elif verb == "MAIL":
                recipients, chunks = 0, b""
                say("250 ok")
            elif verb == "RCPT":
                recipients += 1
                say("250 ok")
            elif verb == "DATA":
                say("354 go")
                content = b""
                while (piece := reader.readline()) != b".\r\n":
                    if not piece:
                        return
                    content += piece[1:] if piece.startswith(b".") else piece
                self.contents.append(content)
                say("\r\n".join(["250 stored"] * (recipients if lmtp else 1)))
            elif verb == "BDAT":
                words = line.split()
                chunks += reader.read(int(words[1]))
                if len(words) > 2:
                    self.contents.append(chunks)
                say("250 stored")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


def own_part(content):
    """Without what the relay itself adds: Received: fields."""
    header, empty, body = content.partition(b"\r\n\r\n")
    return re.sub(rb"(?:\A|(?<=\n))Received:.*\r\n(?:[ \t].*\r\n)*", b"", header + b"\r\n") + b"\r\n" * bool(empty) + body

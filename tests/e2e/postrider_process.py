"""A real Postrider process over a configuration directory of its own, on loopback and unprivileged ports."""
import email, os, pathlib, random, re, shutil, signal, smtplib, socket, subprocess, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("POSTRIDER_BINARY", ROOT / "build/release/bin/postrider"))
START_SECONDS = 30
STOP_SECONDS = 40


ports_given = set()


def free_port():
    """Below the ports that connections get: a server that is started again finds it free. Never the same twice."""
    first, last = 10000, int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) - 1
    for _ in range(1000):
        port = random.randint(first, last)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                if port not in ports_given:
                    ports_given.add(port)
                    return port
            except OSError:
                pass
    raise AssertionError(f"no port is free from {first} to {last}")


def wait_for(what, seconds=30.0, step=0.02):
    """Polls `what()` until it is true; returns its value, or fails with its name after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not true after {seconds} s: {getattr(what, '__name__', what)}")
        time.sleep(step)


def wait_for_banner(port, host="127.0.0.1", seconds=START_SECONDS, alive=lambda: True):
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        try:
            with socket.create_connection((host, port), 2) as s:
                s.settimeout(5)
                if s.recv(512).startswith(b"220"):
                    s.sendall(b"QUIT\r\n")
                    s.recv(512)
                    return
        except OSError:
            pass
        time.sleep(0.03)
    raise AssertionError(f"no SMTP banner on {host}:{port}")


class Postrider:
    """Use as: server = Postrider(tmp_path, main={"mydestination": ""}); server.start()."""

    def __init__(self, directory, main=None, master=None, users=("ann", "bob")):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.config = self.directory / "etc"
        self.spool = self.directory / "spool"
        self.mail = self.directory / "mail"
        for folder in (self.config, self.spool, self.mail, self.directory / "data"):
            folder.mkdir(exist_ok=True)
        if os.getuid() == 0:  # the server drops to mail_owner, which must reach its folders
            for folder in [*self.directory.parents][:3]:
                if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
                    folder.chmod(folder.stat().st_mode | 0o711)
            for folder in (self.directory, self.spool, self.mail, self.directory / "data"):
                shutil.chown(folder, "postfix", "postfix")
        self.log_path = self.directory / "mail.log"
        self.settings = {
            "compatibility_level": "3.6",
            "myhostname": "mail.example.com",
            "mydomain": "example.com",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_protocols": "ipv4",
            "queue_directory": str(self.spool),
            "data_directory": str(self.directory / "data"),
            "maillog_file": "/dev/stdout",
            "alias_maps": "",
            "virtual_mailbox_domains": "example.org",
            "virtual_mailbox_base": str(self.mail),
            "virtual_mailbox_maps": f"hash:{self.config}/vmailbox",
            "virtual_minimum_uid": "1",
            "virtual_uid_maps": f"static:{self._uid()}",
            "virtual_gid_maps": f"static:{self._gid()}",
            "smtpd_peername_lookup": "no",
            **(main or {}),
        }
        self.master = master if master is not None else f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
        (self.config / "vmailbox").write_text("".join(f"{u}@example.org {u}/\n" for u in users))
        self.started_by = []  # a command that starts the server
        self.process = None
        self.log_file = None

    @staticmethod
    def _uid():
        import pwd
        return pwd.getpwnam("postfix").pw_uid if os.getuid() == 0 else os.getuid()

    @staticmethod
    def _gid():
        import pwd
        return pwd.getpwnam("postfix").pw_gid if os.getuid() == 0 else os.getgid()

    def write_config(self):
        (self.config / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in self.settings.items()))
        (self.config / "master.cf").write_text(self.master)

    def start(self, wait=True):
        self.write_config()
        self.log_file = open(self.log_path, "ab")
        self.process = subprocess.Popen([*self.started_by, str(BINARY), "run", "-c", str(self.config)], stdin=subprocess.DEVNULL,
                                        stdout=self.log_file, stderr=self.log_file)
        if wait:
            try:
                wait_for_banner(self.port, alive=lambda: self.process.poll() is None)
            except AssertionError as error:
                raise AssertionError(f"{error}; exit status {self.process.poll()}; log:\n{self.log()[-3000:]}") from None
        return self

    def stop(self):
        """Graceful end; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the server did not stop in time; log:\n" + self.log()[-3000:])
        self.process = None
        self.log_file.close()
        return status

    def kill(self):
        """SIGKILL: what a power cut is to a process."""
        self.process.kill()
        self.process.wait()
        self.process = None
        self.log_file.close()

    def log(self):
        time.sleep(0.1)  # the server gathers lines for a moment before it writes them
        return self.log_so_far()

    def log_so_far(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, pattern, seconds=30):
        try:
            return wait_for(lambda: re.search(pattern, self.log_so_far()), seconds)
        except AssertionError:
            raise AssertionError(f"the log has no {pattern!r} after {seconds} s; its end:\n{self.log()[-3000:]}") from None

    def run(self, *arguments, stdin=None, check=True):
        result = subprocess.run([str(BINARY), *map(str, arguments)], input=stdin, capture_output=True, timeout=60)
        if check and result.returncode != 0:
            raise AssertionError(f"{arguments}: exit {result.returncode}\n{result.stdout.decode()}\n{result.stderr.decode()}")
        return result

    def maildir(self, user):
        return self.mail / user

    def messages(self, user):
        """Octets of every message in new/, oldest first."""
        new = self.maildir(user) / "new"
        return [p.read_bytes() for p in sorted(new.iterdir(), key=lambda p: p.stat().st_mtime_ns)] if new.is_dir() else []

    def wait_messages(self, user, count, seconds=30):
        return wait_for(lambda: (lambda m: m if len(m) >= count else None)(self.messages(user)), seconds)

    def client(self, **kw):
        return smtplib.SMTP("127.0.0.1", self.port, timeout=30, **kw)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process is not None:
            if self.process.poll() is None:
                self.stop()


TRACE = {"return-path", "received", "x-original-to", "delivered-to"}


def without_trace(message: bytes) -> bytes:
    """The message without the trace fields on top (Return-Path, X-Original-To, Delivered-To, Received)."""
    lines = message.split(b"\n")
    i = 0
    while i < len(lines):
        name = lines[i].split(b":", 1)[0].strip().lower().decode("latin-1")
        if name not in TRACE:
            break
        i += 1
        while i < len(lines) and lines[i][:1] in (b" ", b"\t"):
            i += 1
    return b"\n".join(lines[i:])

"""Pebble, the test authority of the ACME world, with its own DNS that points every name at loopback."""
import json, os, pathlib, ssl, subprocess, urllib.request

from conftest import need
from postrider_process import free_port, wait_for

NONCES_REFUSED_PERCENT = "20"


class Pebble:
    """Use as: with Pebble(folder) as ca: ca.url, ca.ca_file; http_port and tls_port are where it comes to look."""

    def __init__(self, folder, valid_seconds=None, environment=None, **config):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.port, self.management, self.http_port, self.tls_port, dns, dns_management = (free_port() for _ in range(6))
        self.ca_file = self.folder / "ca.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.folder / "key.pem", "-out", self.ca_file],
                       check=True, capture_output=True)
        self.ca_file.chmod(0o644)
        settings = {"listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
                    "certificate": str(self.ca_file), "privateKey": str(self.folder / "key.pem"), "httpPort": self.http_port,
                    "tlsPort": self.tls_port, "ocspResponderURL": "", "externalAccountBindingRequired": False, **config}
        if valid_seconds:
            settings["certificateValidityPeriod"] = valid_seconds
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        self.url = f"https://localhost:{self.port}/dir"
        self.commands = (
            [need("pebble-challtestsrv"), "-dns01", f"127.0.0.1:{dns}", "-http01", "", "-https01", "", "-tlsalpn01", "",
             "-management", f"127.0.0.1:{dns_management}", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""],
            [need("pebble"), "-config", self.folder / "pebble.json", "-dnsserver", f"127.0.0.1:{dns}"])
        # Proofs are looked for without the random pause, and some good nonces are refused, as real servers do.
        self.environment = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT=NONCES_REFUSED_PERCENT, **(environment or {}))
        self.processes = []

    def __enter__(self):
        self.log_file = open(self.folder / "pebble.log", "ab")
        for command in self.commands:
            self.processes.append(subprocess.Popen([str(c) for c in command], env=self.environment, stdin=subprocess.DEVNULL,
                                                   stdout=self.log_file, stderr=self.log_file))
        wait_for(self._answers, 30)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        self.log_file.close()

    def log(self):
        return (self.folder / "pebble.log").read_text(errors="replace")

    def _get(self, url):
        return urllib.request.urlopen(url, context=ssl.create_default_context(cafile=self.ca_file), timeout=10).read()

    def _answers(self):
        try:
            return self._get(self.url)
        except OSError:
            return None

    def root(self):
        """The root certificate that the issued ones hang from, PEM."""
        return self._get(f"https://localhost:{self.management}/roots/0").decode()

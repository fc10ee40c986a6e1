"""An internet in a box: two network namespaces of the test's own ("ours" and "the net") joined by one cable; nsd serves
the names, a scriptable SMTP server plays hosts with every kind of mood."""
import contextlib, ctypes, json, os, pathlib, signal, socket, subprocess, sys, time

from postrider_process import wait_for

NETWORK = "10.55.0"
OURS, NAME_SERVER = f"{NETWORK}.1", f"{NETWORK}.53"
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def namespace(name):
    """This thread (and what it starts) lives in the namespace meanwhile."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    inside = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(inside, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        yield
    finally:
        libc.setns(before, CLONE_NEWNET)
        os.close(before)
        os.close(inside)


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Box:
    def __init__(self, directory, zones):
        """`zones`: zone name to zone text (without SOA and NS)."""
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.zones = zones
        self.ours, self.net = f"pr-ours-{os.getpid()}", f"pr-net-{os.getpid()}"
        self.processes = []

    def __enter__(self):
        try:
            for name in (self.ours, self.net):
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("link", "add", "cable", "netns", self.ours, "type", "veth", "peer", "name", "cable", "netns", self.net)
            ip("-n", self.ours, "addr", "add", f"{OURS}/24", "dev", "cable")
            ip("-n", self.ours, "addr", "add", "fd55::1/64", "dev", "cable", "nodad")
            for last in (53, *range(2, 40)):
                ip("-n", self.net, "addr", "add", f"{NETWORK}.{last}/24", "dev", "cable")
            ip("-n", self.net, "addr", "add", "fd55::2/64", "dev", "cable", "nodad")
            for name in (self.ours, self.net):
                ip("-n", name, "link", "set", "cable", "up")
            self.start_name_server()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for name in (self.ours, self.net):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def start_name_server(self):
        folder = self.directory / "nsd"
        folder.mkdir()
        text = f"""server:
  ip-address: {NAME_SERVER}
  port: 53
  username: ""
  zonesdir: "{folder}"
  database: ""
  xfrdfile: "{folder}/xfrd"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  pidfile: "{folder}/pid"
  logfile: "{folder}/log"
remote-control:
  control-enable: no
"""
        for zone, records in self.zones.items():
            (folder / f"{zone}.zone").write_text(
                f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.{zone}. root.{zone}. 1 3600 600 86400 5\n@ NS ns\nns A {NAME_SERVER}\n{records}\n")
            text += f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.zone"\n'
        (folder / "nsd.conf").write_text(text)
        with namespace(self.net):
            process = subprocess.Popen(["/usr/sbin/nsd", "-d", "-c", str(folder / "nsd.conf")], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)

        def answers():
            assert process.poll() is None, (folder / "log").read_text()
            with namespace(self.ours), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.3)
                s.sendto(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02ns\x04test\x00\x00\x01\x00\x01", (NAME_SERVER, 53))
                try:
                    return s.recv(512)
                except OSError:
                    return None
        wait_for(answers)

    def hosts(self, moods):
        """Starts the hosts: `moods` maps an address (of the net) to its mood. Returns the file of what arrived."""
        arrived = self.directory / "arrived.jsonl"
        arrived.touch()
        with namespace(self.net):
            process = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).with_name("moody_hosts.py")),
                                        json.dumps(moods), str(arrived)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.processes.append(process)
        assert process.stdout.readline().strip() == b"ready"
        return arrived

    def arrived(self):
        text = (self.directory / "arrived.jsonl").read_text()
        return [json.loads(line) for line in text.split("\n")[:-1]]  # the last line may still be on its way

"""Real peers on loopback, each with a private configuration; the machine's own mail set-up is not touched."""
import os, pathlib, pwd, shutil, signal, subprocess, time

from postrider_process import ROOT, free_port, wait_for, wait_for_banner

EXIM = ROOT / "build/peers/exim/usr/sbin/exim4"


class PostfixPeer:
    """A Postfix that relays everything to `next_hop` ("[127.0.0.1]:port")."""

    def __init__(self, directory, next_hop, settings=None, services=()):
        """`services`: further lines of master.cf."""
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        etc, spool = self.directory / "etc", self.directory / "spool"
        for folder in (self.directory, etc, spool, self.directory / "data"):
            folder.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        shutil.chown(self.directory / "data", "postfix")
        (spool / "pid").mkdir(exist_ok=True)
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            (spool / name).mkdir(mode=0o700, exist_ok=True)
            shutil.chown(spool / name, "postfix", "root")
        for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
            (spool / name).mkdir(exist_ok=True)
            shutil.chown(spool / name, "postfix", "postdrop")
            (spool / name).chmod(mode)
        values = {
            "compatibility_level": "3.6", "queue_directory": spool, "data_directory": self.directory / "data",
            "command_directory": "/usr/sbin", "daemon_directory": "/usr/lib/postfix/sbin", "mail_owner": "postfix",
            "setgid_group": "postdrop", "maillog_file": self.directory / "mail.log", "maillog_file_prefixes": self.directory,
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "myhostname": "postfix.peer.example", "mydestination": "",
            "local_recipient_maps": "", "alias_maps": "", "alias_database": "", "local_transport": "error:none",
            "mynetworks": "127.0.0.0/8", "smtpd_relay_restrictions": "permit_mynetworks, reject", "smtpd_peername_lookup": "no",
            "smtp_host_lookup": "native", "append_dot_mydomain": "no", "relayhost": next_hop, **(settings or {})}
        (etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in values.items()))
        own = ["pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
                    "tlsmgr unix - - n 1000? 1 tlsmgr", "postlog unix-dgram n - n - 1 postlogd", "flush unix n - n 1000? 0 flush",
                    "showq unix n - n - - showq"]
        own += [f"{name} unix - - n - - {command}" for name, command in (
            ("rewrite", "trivial-rewrite"), ("proxymap", "proxymap"), ("smtp", "smtp"), ("relay", "smtp"),
            ("error", "error"), ("retry", "error"), ("discard", "discard"))]
        own += [f"{name} unix - - n - 1 {name}" for name in ("verify", "scache", "anvil")]
        own += [f"{name} unix - - n - 0 bounce" for name in ("bounce", "defer", "trace")]
        (etc / "master.cf").write_text(f"127.0.0.1:{self.port} inet n - n - - smtpd\n" + "\n".join([*own, *services]) + "\n")
        self.process = None

    def __enter__(self):
        env = dict(os.environ, MAIL_CONFIG=str(self.directory / "etc"))
        self.process = subprocess.Popen(["/usr/lib/postfix/sbin/master", "-c", str(self.directory / "etc"), "-d"], env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for_banner(self.port)
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def log(self):
        path = self.directory / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""


class EximPeer:
    """An Exim that sends everything to 127.0.0.1:next_port."""

    def __init__(self, directory, next_port):
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        for folder in (self.directory, self.directory / "etc", self.directory / "spool", self.directory / "log"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)
        for folder in ("spool", "log"):
            shutil.chown(self.directory / folder, "Debian-exim", "Debian-exim")
        (self.directory / "etc/exim4.conf").write_text(f"""
exim_path = {EXIM}
keep_environment =
primary_hostname = exim.peer.example
spool_directory = {self.directory}/spool
log_file_path = {self.directory}/log/%s.log
daemon_smtp_ports = {self.port}
local_interfaces = 127.0.0.1
exim_user = Debian-exim
exim_group = Debian-exim
acl_smtp_rcpt = accept
acl_smtp_data = accept
host_lookup =
rfc1413_hosts =
tls_advertise_hosts =
queue_run_in_order
smtp_receive_timeout = 30s
begin routers
all:
  driver = manualroute
  domains = *
  transport = next
  route_list = * 127.0.0.1
  self = send
begin transports
next:
  driver = smtp
  port = {next_port}
  allow_localhost
  hosts_try_chunking =
begin retry
*  *  F,1h,1m
""")
        self.process = None

    def __enter__(self):
        command = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/exim4 && exec "$@"', str(self.directory / "etc"), str(EXIM), "-bdf", "-q1m"]
        pathlib.Path("/etc/exim4").mkdir(exist_ok=True)
        self.log_file = open(self.directory / "out", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log_file, stderr=self.log_file, start_new_session=True)
        try:
            wait_for_banner(self.port)
        except AssertionError:
            raise AssertionError((self.directory / "out").read_text(errors="replace"))
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log_file.close()


class DovecotPeer:
    """Dovecot with LMTP (unix socket and TCP) and IMAP on loopback; every user's password is `secret`."""

    def __init__(self, directory, mechanisms="plain"):
        self.directory = pathlib.Path(directory)
        self.imap_port, self.lmtp_port = free_port(), free_port()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        for name in ("mail", "run", "state"):
            (self.directory / name).mkdir(exist_ok=True)
        vmail = pwd.getpwnam("nobody")
        os.chown(self.directory / "mail", vmail.pw_uid, vmail.pw_gid)
        self.lmtp_socket = self.directory / "run/lmtp"
        self.auth_socket = self.directory / "run/auth-smtp"
        (self.directory / "dovecot.conf").write_text(f"""
base_dir = {self.directory}/run
state_dir = {self.directory}/state
log_path = {self.directory}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
mail_location = maildir:{self.directory}/mail/%n
mail_uid = {vmail.pw_uid}
mail_gid = {vmail.pw_gid}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={vmail.pw_uid} gid={vmail.pw_gid} home={self.directory}/mail/%n
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp_port}
  }}
}}
service auth {{
  unix_listener auth-smtp {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.org
}}
""")
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", str(self.directory / "dovecot.conf")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(lambda: self.lmtp_socket.exists() and self.auth_socket.exists())
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def fetch(self, user, count, seconds=30):
        """Octets of the user's INBOX messages, read over IMAP."""
        import imaplib

        def messages():
            with imaplib.IMAP4("127.0.0.1", self.imap_port) as c:
                c.login(user, "secret")
                c.select("INBOX")
                numbers = c.search(None, "ALL")[1][0].split()
                if len(numbers) < count:
                    return None
                return [c.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in numbers]

        return wait_for(messages, seconds, 0.1)

"""local(8): Unix users, aliases, .forward, commands and files, as the user concerned. Needs root."""
import os, pathlib, pwd, shutil, subprocess

import pytest
from name_server import NameServer
from postrider_process import wait_for, without_trace

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="delivering as other users needs root")
BODY = b"From: a@example.net\r\nSubject: local\r\n\r\nFrom here on\r\n"


@pytest.fixture(scope="module")
def user():
    name = "postridertest"
    if subprocess.run(["id", name], capture_output=True).returncode != 0:
        subprocess.run(["useradd", "-M", "-d", f"/tmp/{name}-home", "-s", "/bin/sh", name], check=True)
    home = pathlib.Path(f"/tmp/{name}-home")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(mode=0o711)
    entry = pwd.getpwnam(name)
    os.chown(home, entry.pw_uid, entry.pw_gid)
    yield entry
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run(["userdel", name], capture_output=True)


@pytest.fixture
def local(make_server, directory, user):
    for name in (".forward", "Maildir", "from-command"):
        path = pathlib.Path(user.pw_dir) / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (directory / "spool-mail").mkdir()
    os.chmod(directory / "spool-mail", 0o2775)
    shutil.chown(directory / "spool-mail", "root", "mail")
    aliases = directory / "aliases"
    aliases.write_text("")

    def make(alias_text="", **main):
        aliases.write_text(alias_text)
        return make_server(main={"mydestination": "$myhostname, local.example", "alias_maps": f"hash:{aliases}", "recipient_delimiter": "+",
                                 "mail_spool_directory": str(directory / "spool-mail"), "virtual_mailbox_domains": "", **main})
    return make


def send(server, *recipients, sender="ann@example.net", message=BODY):
    with server.client() as c:
        c.ehlo("client.example.net")
        return c.sendmail(sender, [f"{r}@local.example" for r in recipients], message)


def test_mbox_in_the_spool(local, directory, user):
    server = local()
    send(server, user.pw_name + "+tag")
    box = directory / "spool-mail" / user.pw_name
    wait_for(lambda: box.exists() and b"\n>From here on\n" in box.read_bytes())
    stat = box.stat()
    assert stat.st_uid == user.pw_uid and stat.st_mode & 0o077 == 0
    text = box.read_bytes()
    assert text.startswith(b"From ann@example.net  ") and b"\nDelivered-To: postridertest+tag@local.example\n" in text
    send(server, user.pw_name)
    wait_for(lambda: box.read_bytes().count(b"\nDelivered-To: ") == 2)
    server.wait_log(r"postrider/local\[\d+\]: \w+: to=<postridertest@local\.example>, relay=local, .* status=sent \(delivered to mailbox\)")


def test_maildir_at_home(local, user):
    server = local(home_mailbox="Maildir/")
    send(server, user.pw_name)
    new = pathlib.Path(user.pw_dir) / "Maildir/new"
    wait_for(lambda: new.is_dir() and list(new.iterdir()))
    message = next(new.iterdir())
    assert message.stat().st_uid == user.pw_uid
    assert without_trace(message.read_bytes()) == BODY.replace(b"\r\n", b"\n")


def test_quarantined_mail_lands_in_junk(local, user):
    """DMARC p=quarantine: the Junk folder of the user's Maildir, his own; an mbox has none and keeps it, marked."""
    with NameServer({("_dmarc.author.test", "TXT"): ["v=DMARC1; p=quarantine"], ("author.test", "A"): ["192.0.2.1"]}) as dns:
        server = local(home_mailbox="Maildir/", dns_servers=dns.address, sender_authentication="enforce", dmarc_quarantine_action="junk",
                       sender_authentication_exempt_networks="", dkim_sign_networks="")
        send(server, user.pw_name, message=BODY.replace(b"a@example.net", b"a@author.test"))
        junk = pathlib.Path(user.pw_dir) / "Maildir/.Junk"
        wait_for(lambda: (junk / "new").is_dir() and list((junk / "new").iterdir()))
        (message,) = (junk / "new").iterdir()
        assert message.stat().st_uid == user.pw_uid and b"\nX-Spam-Flag: YES\n" in message.read_bytes() and (junk / "maildirfolder").exists()
        assert not list((pathlib.Path(user.pw_dir) / "Maildir").glob("new/*"))


def test_aliases_files_commands_and_includes(local, directory, user):
    out = directory / "out"
    out.mkdir()
    os.chmod(out, 0o777)
    (directory / "list").write_text(f"# members\n{user.pw_name}, {user.pw_name}\n")
    server = local(f"# comment\nteam: {user.pw_name},\n  /{out}/box\ncmd: \"|cat > {out}/command; id -un > {out}/who\"\nfails: |\"exit 75\"\nbad: |\"echo sorry; exit 67\"\n"
                   f"list: :include:{directory}/list\nowner-list: {user.pw_name}\nloop: loop2\nloop2: loop\n", home_mailbox="Maildir/")
    send(server, "team", "cmd", "list")
    new = pathlib.Path(user.pw_dir) / "Maildir/new"
    wait_for(lambda: (out / "who").exists() and (out / "who").read_text().strip() == "nobody")
    wait_for(lambda: new.is_dir() and len(list(new.iterdir())) == 2)
    wait_for(lambda: (out / "box").exists() and b"Subject: local" in (out / "box").read_bytes())
    assert b"Subject: local" in (out / "command").read_bytes()
    send(server, "fails", "bad", "loop")
    server.wait_log(r"to=<fails@local\.example>.* dsn=4\.3\.0, status=deferred \(temporary failure\)")
    server.wait_log(r"to=<bad@local\.example>.* dsn=5\.1\.1, status=bounced \(user unknown\. Command output: sorry\)")
    server.wait_log(r"to=<loop@local\.example>.* status=bounced")


def test_forward_file(local, user):
    forward = pathlib.Path(user.pw_dir) / ".forward"
    server = local(home_mailbox="Maildir/")
    forward.write_text(f"\\{user.pw_name}, \"|cat > $HOME/from-command\"\n")
    os.chown(forward, user.pw_uid, user.pw_gid)
    send(server, user.pw_name)
    new = pathlib.Path(user.pw_dir) / "Maildir/new"
    wait_for(lambda: new.is_dir() and len(list(new.iterdir())) == 1)
    forward.chmod(0o666)  # others may write it: it is not believed
    send(server, user.pw_name)
    wait_for(lambda: len(list(new.iterdir())) == 2)
    server.wait_log(r"\.forward must be a file that only its owner")


def test_unknown_user_and_root(local, user):
    server = local()
    with server.client() as c:
        c.ehlo("client.example.net")
        c.mail("ann@example.net")
        code, text = c.rcpt("nobody-of-this-name@local.example")
        assert code == 550 and text == b"5.1.1 <nobody-of-this-name@local.example>: Recipient address rejected: User unknown in local recipient table"


def test_forwarded_elsewhere_and_loops(local, make_server, user):
    sink = make_server("sink")
    server = local("away: bob@example.org\n", relayhost=f"[127.0.0.1]:{sink.port}")
    send(server, "away")
    message = sink.wait_messages("bob", 1)[0]
    assert b"\nDelivered-To: away@local.example\n" in message and b"Return-Path: <ann@example.net>\n" in message
    server.wait_log(r"to=<away@local\.example>.* status=sent \(forwarded as \w+\)")
    send(server, "away", message=b"Delivered-To: away@local.example\r\n" + BODY)
    server.wait_log(r"to=<away@local\.example>.* dsn=5\.4\.6, status=bounced \(mail forwarding loop for away@local\.example\)")


def test_mailbox_transport(local, make_server, user):
    server = local(mailbox_transport="discard:gone")
    send(server, user.pw_name)
    server.wait_log(r"to=<postridertest@local\.example>, .* status=sent \(gone\)")


def test_links_planted_in_a_mailbox_lead_nowhere(local, directory, user):
    """Row 93 of the known attacks: the user replaces his mailbox by links to what is not his. Deliveries are his own: nothing is written there, nor
    read, nor given to him."""
    secret = directory / "secret"
    secret.mkdir(mode=0o700)
    (secret / "file").write_text("root's\n")
    (secret / "file").chmod(0o600)
    home = pathlib.Path(user.pw_dir)

    def link(path, target):
        subprocess.run(["ln", "-sfn", str(target), str(path)], check=True, user=user.pw_name)

    server = local(home_mailbox="Maildir/")
    link(home / "Maildir", secret)
    send(server, user.pw_name)
    server.wait_log(rf"to=<{user.pw_name}@local\.example>.* status=(deferred|bounced)")
    (home / "Maildir").unlink()
    for part in ("tmp", "cur", "new"):
        subprocess.run(["mkdir", "-p", str(home / "Maildir" / part)], check=True, user=user.pw_name)
    (home / "Maildir/new").rmdir()
    link(home / "Maildir/new", secret)
    send(server, user.pw_name)
    wait_for(lambda: server.log().count("status=deferred") + server.log().count("status=bounced") >= 2)
    link(home / ".forward", secret / "file")
    send(server, user.pw_name)
    wait_for(lambda: server.log().count("status=") >= 3)
    assert sorted(p.name for p in secret.iterdir()) == ["file"] and (secret / "file").read_text() == "root's\n"
    assert "root's" not in server.log()
    server.stop()
    (home / ".forward").unlink()


@pytest.mark.parametrize("plant", ["symbolic", "hard"])
def test_links_planted_in_the_spool_lead_nowhere(local, directory, user, plant):
    server = local()
    box, victim = directory / "spool-mail" / user.pw_name, directory / "spool-mail" / "victim"
    victim.write_text("another's mail\n")
    os.chown(victim, user.pw_uid if plant == "hard" else 0, 0)
    victim.chmod(0o600)
    os.symlink(victim, box) if plant == "symbolic" else os.link(victim, box)
    send(server, user.pw_name)
    server.wait_log(rf"to=<{user.pw_name}@local\.example>.* status=(deferred|bounced)")
    assert victim.read_text() == "another's mail\n"

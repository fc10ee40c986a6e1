"""The queue's disk is full: 452 4.3.1, nothing lost, and the server goes on by itself when there is room again."""
import os, shutil, smtplib, subprocess

import pytest
from postrider_process import wait_for

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a small file system needs root")


def test_full_and_free_again(make_server, directory):
    small = directory / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m,mode=755", "none", str(small)], check=True)
    server = None
    try:
        shutil.chown(small, "postfix", "postfix")
        ballast = small / "ballast"  # what somebody else put on the disk
        ballast.write_bytes(bytes(48 << 20))
        server = make_server(main={"queue_directory": str(small / "spool"), "virtual_transport": "lmtp:inet:127.0.0.1:1", "queue_run_delay": "1s", "message_size_limit": "1000000",
                                   "minimal_backoff_time": "1s", "maximal_backoff_time": "1s"})
        body = "Subject: x\r\n\r\n" + ("x" * 76 + "\r\n") * 6000
        kept, refused = 0, None
        for _ in range(200):
            try:
                with server.client() as c:
                    c.sendmail("ann@example.net", ["bob@example.org"], body)
                kept += 1
            except smtplib.SMTPResponseException as error:
                refused = error
                break
        assert refused is not None and refused.smtp_code in (451, 452) and kept > 5, (kept, refused)
        assert server.process.poll() is None

        assert server.run("queue", "--json", "-c", server.config).stdout.count(b'"bob@example.org"') >= 1
        ballast.unlink()

        def accepted():
            try:
                with server.client() as c:
                    c.sendmail("ann@example.net", ["bob@example.org"], body)
                return True
            except smtplib.SMTPException:
                return False
        wait_for(accepted, 60, 0.5)
        server.stop()
        server.start()
        with server.client() as c:
            assert c.noop()[0] == 250
    finally:
        if server is not None and server.process is not None:
            server.stop()
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_deleting_on_a_disk_without_a_free_octet(make_server, directory):
    """Ends: with the mail deleted or with a sentence that says what to do; and works when there is room again."""
    small = directory / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "none", str(small)], check=True)
    server = None
    try:
        shutil.chown(small, "postfix", "postfix")
        server = make_server(main={"queue_directory": str(small / "spool"), "defer_transports": "virtual", "minimal_backoff_time": "3600s", "maximal_backoff_time": "3600s",
                                   "message_size_limit": "1000000"})
        count = 1500
        with server.client() as client:
            for number in range(count):
                client.sendmail("ann@example.net", ["bob@example.org"], f"Subject: {number}\r\n\r\n" + ("x" * 76 + "\r\n") * 40)
        wait_for(lambda: len(server.run("queue", "list", "--json", "-c", server.config).stdout.splitlines()) == count, 60, 0.5)
        ballast = small / "ballast"
        with open(ballast, "wb", buffering=0) as file:  # to the last octet
            for piece in (1 << 20, 4096, 1):
                try:
                    while file.write(bytes(piece)) > 0:
                        pass
                except OSError:
                    pass
        tried = server.run("postsuper", "-d", "ALL", "-c", server.config, check=False)
        assert tried.returncode == 0 or b"make room" in tried.stderr, tried
        assert server.process.poll() is None
        ballast.unlink()

        def deleted():
            done = server.run("postsuper", "-d", "ALL", "-c", server.config, check=False)
            return done.returncode == 0 and server.run("queue", "list", "--json", "-c", server.config).stdout == b""
        wait_for(deleted, 60, 0.5)
        with server.client() as client:
            client.sendmail("ann@example.net", ["bob@example.org"], "Subject: again\r\n\r\nx\r\n")
    finally:
        if server is not None and server.process is not None:
            server.stop()
        subprocess.run(["umount", "-l", str(small)], check=True)

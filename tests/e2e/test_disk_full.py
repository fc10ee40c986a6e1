"""The queue's disk is full: 452 4.3.1, nothing lost, and the server goes on by itself when there is room again."""
import os, shutil, smtplib, subprocess

import pytest
from postrider_process import wait_for

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a small file system needs root")


def test_full_and_free_again(make_server, directory):
    small = directory / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "none", str(small)], check=True)
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

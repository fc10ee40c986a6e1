"""More messages than one page of the queue tools: listed, held, released and deleted; found again after SIGKILL."""
import json, os, smtplib, subprocess

from postrider_process import BINARY, wait_for

COUNT = 2300


def status(server):
    return json.loads(server.run("status", "--json", "-c", server.config).stdout)


def listed(server):
    return [json.loads(line) for line in server.run("queue", "list", "--json", "-c", server.config).stdout.splitlines()]


def test_pages(make_server):
    server = make_server(main={"defer_transports": "virtual", "minimal_backoff_time": "3600s", "maximal_backoff_time": "3600s"})
    with server.client() as client:
        for number in range(COUNT):
            client.sendmail("ann@example.net", ["bob@example.org"], f"Subject: {number}\r\n\r\nx\r\n")

    def at_rest():
        now = status(server)
        return now["index_complete"] and now["active"] == 0 and now["deferred"] + now["hold"] == COUNT
    wait_for(at_rest, 60)
    ids = [line["queue_id"] for line in listed(server)]
    assert len(ids) == COUNT and len(set(ids)) == COUNT and ids == sorted(ids)

    # Some are put on hold; a crash keeps that, and the rest, apart.
    held = ids[5:1505]
    server.run("postsuper", "-h", "-", "-c", server.config, stdin="\n".join(held).encode())
    server.kill()
    server.start()
    wait_for(at_rest, 60)
    assert status(server)["hold"] == len(held)
    assert sorted(line["queue_id"] for line in listed(server) if line["queue_name"] == "hold") == held

    # A reader that goes away ends the list; the server goes on.
    head = subprocess.run(f"{BINARY} postqueue -p -c {server.config} | head -3", shell=True, capture_output=True, timeout=60)
    assert len(head.stdout.splitlines()) == 3
    with server.client() as client:
        assert client.noop()[0] == 250

    assert b"1500 messages" in server.run("postsuper", "-d", "ALL", "hold", "-c", server.config).stderr
    assert status(server)["deferred"] == COUNT - len(held) and status(server)["hold"] == 0
    wrong = server.run("postsuper", "-d", "ALL", "nowhere", "-c", server.config, check=False)
    assert wrong.returncode != 0 and b"invalid directory name: nowhere" in wrong.stderr
    assert b"800 messages" in server.run("postsuper", "-d", "ALL", "-c", server.config).stderr
    assert listed(server) == []
    server.stop()
    server.start()
    wait_for(lambda: status(server)["index_complete"], 30)
    assert listed(server) == []

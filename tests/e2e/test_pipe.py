"""pipe(8): mail handed to a program, as master.cf says. Needs root: the program runs as another user."""
import os, pathlib, re, shutil

import pytest
from postrider_process import wait_for

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="running programs as other users needs root")
BODY = b"From: a@example.net\r\nSubject: piped\r\n\r\n.dot\r\nFrom here on\r\n"
LINE = "{name} unix - n n - - pipe\n  flags={flags} user=nobody argv={program} -f ${{sender}} -d ${{recipient}}\n"


@pytest.fixture
def drop(directory):
    """A folder that nobody's program may write in."""
    folder = pathlib.Path("/tmp") / f"postrider-pipe-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.chmod(folder, 0o1777)
    yield folder
    shutil.rmtree(folder)


def program(drop, text):
    path = drop / "program"
    path.write_text("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def serve(make_server, name, flags, path, **main):
    server = make_server(start=False, main={"virtual_transport": name, **main})
    server.master += LINE.format(name=name, flags=flags, program=path)
    return server.start()


def send(server, recipients):
    with server.client() as c:
        c.ehlo("client.example.net")
        return c.sendmail("ann@example.net", recipients, BODY)


def test_a_program_gets_the_message_and_runs_as_its_user(make_server, drop):
    path = program(drop, f'echo "$@" > {drop}/words\nid -un > {drop}/user\ncat > {drop}/message\n')
    server = serve(make_server, "filter", "DORXhu.>", path)
    send(server, ["bob@example.org"])
    server.wait_log(r"postrider/pipe\[\d+\]: \w+: to=<bob@example\.org>, relay=filter, .* dsn=2\.0\.0, status=sent \(delivered via filter service\)")
    assert (drop / "words").read_text() == "-f ann@example.net -d bob@example.org\n"
    assert (drop / "user").read_text() == "nobody\n"
    message = (drop / "message").read_bytes()
    assert message.startswith(b"Return-Path: <ann@example.net>\nX-Original-To: bob@example.org\nDelivered-To: bob@example.org\nReceived: ")
    assert b"\n..dot\n>From here on\n" in message


def test_recipients_share_a_run_without_their_own_lines(make_server, drop):
    path = program(drop, f'echo "$@" >> {drop}/words\ncat > /dev/null\n')
    server = serve(make_server, "filter", "q", path)
    send(server, ["bob@example.org", "ann@example.org"])
    wait_for(lambda: server.log_so_far().count("relay=filter") == 2)
    words = (drop / "words").read_text().splitlines()
    assert len(words) == 1 and sorted(words[0].split()[3:]) == ["ann@example.org", "bob@example.org"]


def test_a_recipient_limit_of_one_makes_runs(make_server, drop):
    path = program(drop, f'echo "$@" >> {drop}/words\ncat > /dev/null\n')
    server = serve(make_server, "filter", "q", path, filter_destination_recipient_limit="1")
    send(server, ["bob@example.org", "ann@example.org"])
    wait_for(lambda: server.log_so_far().count("relay=filter") == 2)
    assert len((drop / "words").read_text().splitlines()) == 2


@pytest.mark.parametrize("code, status, words", [(67, "bounced", "5.1.1"), (75, "deferred", "4.3.0"), (1, "bounced", "5.3.0")])
def test_exit_codes(make_server, drop, code, status, words):
    path = program(drop, f"cat > /dev/null\necho no such thing\nexit {code}\n")
    server = serve(make_server, "filter", "R", path)
    send(server, ["bob@example.org"])
    server.wait_log(rf"to=<bob@example\.org>, relay=filter, .* dsn={re.escape(words)}, status={status} \(.*no such thing")


def test_time_limit(make_server, drop):
    path = program(drop, "exec sleep 600\n")
    server = serve(make_server, "filter", "R", path, filter_time_limit="1s")
    send(server, ["bob@example.org"])
    server.wait_log(r"to=<bob@example\.org>, relay=filter, .* status=deferred \(Command time limit exceeded")


def test_check_says_what_is_wrong(make_server):
    server = make_server(start=False)
    server.master += LINE.format(name="filter", flags="Z", program="/bin/cat")
    server.write_config()
    done = server.run("check", "-c", server.config, check=False)
    assert done.returncode != 0 and b"service filter" in done.stderr and b"'Z'" in done.stderr

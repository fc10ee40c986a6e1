import os, pathlib, shutil, sys, tempfile

import pytest

for folder in ("e2e", "interop", "vectors"):
    sys.path.insert(0, str(pathlib.Path(__file__).parent / folder))
from postrider_process import Postrider  # noqa: E402


@pytest.fixture
def directory():
    """A folder that a daemon which dropped root can reach (pytest's own are mode 0700)."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="postrider-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_server(directory):
    """Makes servers and ends them: make_server(main={...}) returns one that is started."""
    made = []

    def make(name="server", start=True, **kw):
        server = Postrider(directory / name, **kw)
        made.append(server)
        return server.start() if start else server

    yield make
    problems = []
    for server in made:
        if server.process is not None:
            if server.process.poll() is not None:
                problems.append(f"the server ended by itself with {server.process.returncode}:\n{server.log()[-4000:]}")
            else:
                server.stop()
    assert not problems, "\n".join(problems)


@pytest.fixture
def server(make_server):
    return make_server()


def need(program):
    path = shutil.which(program) or next((p for p in (f"/usr/sbin/{program}", f"/usr/lib/postfix/sbin/{program}") if os.path.exists(p)), None)
    if not path:
        pytest.skip(f"{program} is not installed (tools/bootstrap test)")
    return path

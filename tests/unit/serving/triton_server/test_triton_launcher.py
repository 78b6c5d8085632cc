"""The watcher of a server: whatever happens to the process that asked for it, the server and its files are gone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils.serving.triton.launcher import remove_traces

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the watcher needs Linux")
LAUNCHER = Path("utils/serving/triton/launcher.py").resolve()
WAIT_S = 20.0

# A stand-in for tritonserver: it has a child, as a Python backend has, and says who they are.
SERVER = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("words of the server", flush=True)
if sys.argv[2] == "fails":
    sys.exit(3)
time.sleep(300)
"""
# A notebook's kernel: it starts the watcher with a pipe, tells its process id, and does nothing more.
PARENT = """
import os, subprocess, sys, time
order = sys.argv[2].replace('"parent": 0', f'"parent": {os.getpid()}')
one = subprocess.Popen([sys.executable, "-I", "-S", sys.argv[1], order], stdin=subprocess.PIPE, start_new_session=True)
print(one.pid, flush=True)
time.sleep(300)
"""


def order(tmp_path, how="plain", parent=0):
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("x")
    prefix = f"course_test_{os.getpid()}_{time.monotonic_ns()}_"
    Path(f"/dev/shm/{prefix}a").write_text("x")
    return {"command": [sys.executable, "-c", SERVER, str(tmp_path / "pids"), how], "env": dict(os.environ), "parent": parent, "log": str(work / "log"),
            "grace_s": 0.5, "remove": [str(work)], "shm_prefix": prefix}


def alive(pid):
    """Whether a process runs; one that has ended and was not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {WAIT_S:g} s"
        time.sleep(0.02)


def pids_of(tmp_path):
    until(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2, "the server's start")
    return [int(p) for p in (tmp_path / "pids").read_text().split()]


def nothing_is_left(pids, told):
    until(lambda: not any(map(alive, pids)), f"the end of {pids}")
    until(lambda: not Path(told["remove"][0]).exists() and not list(Path("/dev/shm").glob(f"{told['shm_prefix']}*")), "the removal of the files")


@pytest.mark.parametrize("how", ["plain", "stubborn"])
@pytest.mark.parametrize("group", [False, True])
def test_a_killed_parent_leaves_nothing(tmp_path, how, group):
    """SIGKILL, to the process alone and to its whole group, as Jupyter does it."""
    told = order(tmp_path, how)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(LAUNCHER), json.dumps(told)], stdout=subprocess.PIPE, start_new_session=True) as parent:
        launcher = int(parent.stdout.readline())
        pids = pids_of(tmp_path)
        assert all(map(alive, [launcher, *pids]))
        (os.killpg if group else os.kill)(parent.pid, signal.SIGKILL)
        nothing_is_left([launcher, *pids], told)


def start(told):
    return subprocess.Popen([sys.executable, "-I", "-S", str(LAUNCHER), json.dumps({**told, "parent": os.getpid()})], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def test_closing_the_pipe_ends_it_and_tells_the_log(tmp_path):
    told = order(tmp_path)
    launcher = start(told)
    pids = pids_of(tmp_path)
    assert all(map(alive, pids))
    out, _ = launcher.communicate(timeout=WAIT_S)
    nothing_is_left(pids, told)
    assert b"words of the server" in out and launcher.returncode == 128 + signal.SIGTERM


def test_a_server_that_fails_gives_its_status(tmp_path):
    told = order(tmp_path, "fails")
    launcher = start(told)
    pids = pids_of(tmp_path)
    assert launcher.wait(WAIT_S) == 3 and b"words of the server" in launcher.stdout.read()
    nothing_is_left(pids, told)
    launcher.stdin.close()
    launcher.stdout.close()


def test_a_killed_watcher_takes_the_server_along(tmp_path):
    told = order(tmp_path)
    launcher = start(told)
    server, child = pids_of(tmp_path)
    try:
        launcher.kill()
        launcher.wait(WAIT_S)
        until(lambda: not alive(server), "the server's end")
    finally:
        launcher.stdin.close()
        launcher.stdout.close()
        os.kill(child, signal.SIGKILL)  # this stand-in's child does not look after its parent, as a real stub does
        remove_traces(told["remove"], told["shm_prefix"])  # what TritonProcess.stop does then
    assert not Path(told["remove"][0]).exists() and not list(Path("/dev/shm").glob(f"{told['shm_prefix']}*"))


def test_interrupting_the_group_of_the_parent_does_not_reach_it(tmp_path):
    told = order(tmp_path)
    launcher = start(told)
    pids = pids_of(tmp_path)
    os.kill(launcher.pid, signal.SIGINT)
    time.sleep(0.5)
    assert launcher.poll() is None and all(map(alive, pids))
    launcher.communicate(timeout=WAIT_S)
    nothing_is_left(pids, told)

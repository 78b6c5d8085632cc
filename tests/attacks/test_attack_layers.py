"""Walls left out: the attacks on files, network and processes fail in every combination that is accepted, and what does
not hold is refused."""

from __future__ import annotations

import os
import sysconfig
import time
from pathlib import Path

import attack_tools as tools
import pytest
from attack_tools import ATTACKS

from autograder.chapters import CHAPTERS
from autograder.grading.sandbox import ForkServer, NoSandbox, SandboxLost, possible_walls

pytestmark = pytest.mark.slow

HOLD = [(), ("bubblewrap",), ("namespaces",), ("landlock",), ("seccomp",), ("private scratch",), ("landlock", "seccomp"),
        ("bubblewrap", "namespaces"), ("bubblewrap", "seccomp")]
REFUSED = {("bubblewrap", "landlock"): "files apart", ("namespaces", "landlock"): "files apart",
           ("private scratch", "landlock"): "files apart", ("namespaces", "seccomp"): "network and processes",
           ("limits",): "resource limits", ("bubblewrap", "namespaces", "seccomp"): "network and processes"}
FILES = ["corpus-read_gradebook_tests", "corpus-read_other_students", "corpus-write_outside", "corpus-write_gradebook",
         "corpus-write_other_student", "corpus-env_secrets", "corpus-import_reference", "own-links_in_scratch", "own-deep_folders"]
NETWORK = ["corpus-sockets"]
PROCESSES = ["own-kill_everyone", "own-signals_by_descriptor", "corpus-kill_parent", "corpus-daemon_left_behind",
             "corpus-fork_bomb_bounded", "own-many_threads"]
HONEST = "def standardize(x):\n    return 1\n"


def readable_for_others():
    """Without bubblewrap root becomes nobody, who has to be able to read Python."""
    paths = [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib")]
    return all(p.stat().st_mode & 0o001 for path in paths for p in (path, *path.parents))


def cannot_be_left_out(without):
    """Why a combination can't be tried here; "" if it can."""
    missing = set(possible_walls(without)[1])
    if missing:
        return f"this machine lacks {' and '.join(missing)} without {' and '.join(without)}"
    if "bubblewrap" in without and os.getuid() == 0 and not readable_for_others():
        return "Python lies where only root can read it: tried as an ordinary user, by test_ordinary_user"
    return ""


@pytest.fixture(scope="module", params=HOLD, ids=lambda without: "without " + "+".join(without or ("nothing",)))
def server(request, town):
    reason = cannot_be_left_out(request.param)
    if reason:
        pytest.skip(reason)
    with ForkServer(["numpy"], without=request.param) as started:
        started.wait()
        assert not set(request.param) & set(started.layers)
        yield started


def outcome(server, town, name):
    """What the attacked function says on one call, in a sandbox of its own."""
    chapter = CHAPTERS["90"]
    with server.open(1, tools.LIMITS) as box:
        error = box.run("import numpy as np")
        error = box.run(town.filled(ATTACKS[name].module.CELL, chapter), 1, 4.0) or error
        question = {"probe": "common.call", "params": {"args": [3.0]}, "time_limit_s": 2.0}
        answer = box.ask(["standardize"], question)
    return str(error or answer)


def children(server):
    """Processes below the fork server itself: the keepers and what they started."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(pid)] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below, found = {server.process.pid}, set()
    while below:
        below = {pid for pid, parent in parents.items() if parent in below}
        found |= below
    return found


@pytest.mark.parametrize("name", FILES + NETWORK + PROCESSES)
def test_the_attack_fails_and_leaves_nothing(server, town, name):
    idle = children(server)
    before = tools.fingerprints(town.course, town.home)
    told = outcome(server, town, name)
    assert "LEAK" not in told and "CANARY-" not in told
    time.sleep(0.1)
    deadline = time.monotonic() + 3  # of a machine that is too busy to let the keeper end
    while children(server) - idle and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not children(server) - idle
    assert server.alive
    assert tools.fingerprints(town.course, town.home) == before
    assert not tools.marked_files(town.word)
    assert town.heard == []


def test_one_submission_finds_nothing_of_another(server, town):
    """Two in turn, and two at a time."""
    for _ in range(2):
        assert "first here" in outcome(server, town, "own-left_for_the_next")
    look = ("import glob, os\ndef standardize(x):\n    return sorted(p for p in glob.glob(os.getcwd() + '/../*/*') "
            "+ glob.glob('/proc/[0-9]*/root/*') + glob.glob(os.getcwd() + '/*') if 'mine' in p)")
    question = {"probe": "common.call", "params": {"args": [3.0]}, "time_limit_s": 2.0}
    with server.open(1, tools.LIMITS) as one, server.open(2, tools.LIMITS) as two:
        assert one.run("open('mine', 'w').write('x')") is None
        assert two.run(look) is None
        assert two.ask(["standardize"], question)["value"] == []


def test_a_killed_neighbour_is_no_matter(server, town):
    """Another submission goes on while one signals everything that it can name."""
    question = {"probe": "common.call", "params": {"args": [3.0]}, "time_limit_s": 2.0}
    with server.open(1, tools.LIMITS) as honest:
        assert honest.run(HONEST) is None
        for name in ("own-kill_everyone", "own-signals_by_descriptor"):
            outcome(server, town, name)
        assert honest.ask(["standardize"], question)["value"] == 1
    assert honest.report.why == "let go"


@pytest.mark.parametrize("without", REFUSED, ids="+".join)
def test_a_combination_that_does_not_hold_is_refused(without):
    with pytest.raises(NoSandbox, match=REFUSED[without]):
        ForkServer(without=without)


@pytest.mark.skipif(os.getuid() != 0 or readable_for_others(), reason="for root, with Python in a folder of root's own")
def test_python_that_nobody_can_read_is_told():
    with pytest.raises((NoSandbox, SandboxLost), match="ordinary user"):
        ForkServer(without=["bubblewrap"]).wait()

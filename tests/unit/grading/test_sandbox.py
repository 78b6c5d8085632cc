"""The sandbox from outside: what it bounds, how it says how it ended, and that nothing is left of it."""

from __future__ import annotations

import os
import signal
import sysconfig
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.chapters import ROOT
from autograder.grading import sandbox
from autograder.grading.inside import folders
from autograder.grading.sandbox import ForkServer, Limits, NoSandbox, SandboxLost, bubblewrap_words, possible_walls
from autograder.probes.plain import pack

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(possible_walls()[1]), reason="no sandbox holds on this machine")]

SMALL = Limits(memory_mb=300, cpu_s=20, wall_s=20, file_mb=4, scratch_mb=8, tasks=16)


@pytest.fixture(scope="module")
def server():
    with ForkServer(["numpy"]) as started:
        started.wait()
        yield started


def call(box, body, limit=3.0):
    """Define f with this body and call it; its outcome."""
    assert box.run("def f():\n" + "\n".join("    " + line for line in body.splitlines())) is None
    return box.ask(["f"], {"probe": "common.call", "params": {"args": []}, "time_limit_s": limit})


def ended(server, body, limits=SMALL, limit=3.0):
    """(what the asker is told, the report) of a call that ends its sandbox."""
    with server.open(1, limits) as box:
        outcome = call(box, body, limit)
    assert outcome["error"]["types"] == ["AnswerGone"], outcome
    return outcome["error"]["message"], box.report


# --- what comes back ----------------------------------------------------------------------------


def test_cells_share_a_namespace_and_sandboxes_do_not(server):
    with server.open(1, SMALL) as one, server.open(1, SMALL) as two:
        assert one.run("x = 41") is None and one.run("def f():\n    return x + 1") is None
        question = {"probe": "common.call", "params": {"args": []}, "time_limit_s": 2.0}
        assert one.ask(["f"], question)["value"] == 42
        assert two.ask(["f"], question)["missing"] == "f"
        assert two.run("x")["types"][0] == "NameError"


def test_the_seed_decides_random_numbers(server):
    def draw(seed):
        with server.open(seed, SMALL) as box:
            return call(box, "import random, numpy\nreturn [random.random(), float(numpy.random.random())]")["value"]

    assert draw(5) == draw(5) != draw(6)


def test_a_report_has_numbers(server):
    with server.open(1, SMALL) as box:
        assert call(box, "end = __import__('time').process_time() + 0.3\nwhile __import__('time').process_time() < end: pass\n"
                         "return len(bytes(60 << 20).replace(b'a', b''))")["value"] == 60 << 20
    report = box.report
    assert report.why == "let go" and report.status == -signal.SIGKILL
    assert 0.3 <= report.cpu_s < 20 and report.cpu_s <= report.wall_s + 0.5
    assert 60 < report.peak_mb < 4000


# --- how it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("body,status,message", [
    ("import os\nos._exit(7)", 7, "left Python with exit status 7"),
    ("import os\nos._exit(0)", 0, "left Python with exit status 0"),
    ("import ctypes\nctypes.memset(0, 0, 1)", -signal.SIGSEGV, "crashed (SIGSEGV)"),
    ("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nimport signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\n"
     "while True: pass", None, "killed"),
])
def test_the_way_it_ended_is_told(server, body, status, message):
    told, report = ended(server, body, limit=8.0)
    assert message in told
    assert report.why == "ended" and (status is None or report.status == status)


def test_processor_time_is_bounded(server):
    told, report = ended(server, "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass",
                         Limits(memory_mb=300, cpu_s=1, wall_s=30), limit=25.0)
    assert "processor time" in told or "killed" in told
    assert report.why == "ended" and 0.9 <= report.cpu_s < 5


def test_a_question_past_its_time_ends_the_sandbox(server):
    told, report = ended(server, "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0)\ntime.sleep(60)", limit=0.5)
    assert "still running after 0.5 s" in told
    assert report.why == "let go"


def test_the_whole_submission_has_a_time_of_its_own(server):
    limits = Limits(memory_mb=300, wall_s=1)
    told, report = ended(server, "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0)\ntime.sleep(60)", limits, limit=20.0)
    assert told == "the submission was still running after its 1 s"
    assert report.why == "time" and report.status == -signal.SIGKILL and 0.9 < report.wall_s < 15


def test_a_closed_connection_is_told(server):
    told, report = ended(server, "import os, time\nos.closerange(3, 100)\ntime.sleep(60)")
    assert "closed its connection" in told and report.why == "let go"


def test_memory_is_bounded(server):
    with server.open(1, SMALL) as box:
        assert call(box, "return len(bytes(100 << 20))")["value"] == 100 << 20
        assert call(box, "return len(bytes(400 << 20))")["error"]["types"][0] == "MemoryError"
        assert box.gone is None


def test_files_and_their_folder_are_bounded(server):
    write = "with open({!r}, 'wb') as file:\n    return file.write(bytes({} << 20))"
    with server.open(1, SMALL) as box:
        assert call(box, write.format("a", 3))["value"] == 3 << 20
        assert call(box, "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + write.format("b", 6))["error"]["types"][0] == "OSError"
        assert call(box, "import os\nreturn sum(os.path.getsize(n) for n in os.listdir('.'))")["value"] <= 8 << 20
        assert call(box, "for i in range(9):\n    with open(f'c{i}', 'wb') as file:\n        file.write(bytes(2 << 20))")["error"]["types"][0] == "OSError"


def test_without_a_private_scratch_the_keeper_measures_the_folder():
    if "namespaces" not in possible_walls()[0] and os.getuid() == 0:
        pytest.skip("user namespaces are needed")
    with ForkServer(without=["private scratch"]) as server:
        body = ("import time\nfor i in range(20):\n    with open(f'c{i}', 'wb') as file:\n        file.write(bytes(2 << 20))\n"
                "time.sleep(5)\nreturn 1")
        told, report = ended(server, body, limit=6.0)
        assert told == "it filled its folder of 8 MB" and report.why == "disk"
        body = "import os, time\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\ntime.sleep(5)\nreturn 1"
        told, report = ended(server, body, limit=6.0)
        assert report.why == "disk"
        left = server.folder / "scratch"
        assert not [p for p in left.iterdir() if p.name.startswith("tmp")]
    assert not server.folder.exists()


def test_threads_are_bounded(server):
    body = ("import threading, time\nn = 0\ntry:\n    for _ in range(200):\n        threading.Thread(target=time.sleep, args=(9,), "
            "daemon=True).start()\n        n += 1\nexcept RuntimeError:\n    pass\nreturn n")
    with server.open(1, SMALL) as box:
        assert 0 < call(box, body)["value"] <= 16


# --- replies ------------------------------------------------------------------------------------


def test_all_replies_together_are_bounded(server, monkeypatch):
    """Text and raw bytes each have a sum that a sandbox can't go beyond: the judge keeps what it was told."""
    for name, most, body in (("MAX_TEXT", 200_000, "return [[]] * 20_000"), ("MAX_RAW", 200_000, "return bytes(60_000)")):
        with monkeypatch.context() as patch:
            patch.setattr(sandbox, name, most)
            with server.open(1, SMALL) as box:
                question = {"probe": "common.call", "params": {"args": []}, "time_limit_s": 3.0}
                outcomes = [call(box, body), *(box.ask(["f"], question) for _ in range(6))]
            assert "value" in outcomes[1] and "too large, all together" in box.gone
            assert outcomes[-1]["error"]["types"] == ["AnswerGone"]


def test_every_outcome_after_the_end_is_the_same_error(server):
    with server.open(1, SMALL) as box:
        first = call(box, "import os\nos._exit(3)")
        assert box.run("x = 1")["message"] == first["error"]["message"] == box.gone
        assert box.ask(["f"], {"probe": "common.call", "params": {}, "time_limit_s": 1.0})["error"] == first["error"]


# --- when the grader's own parts fail -----------------------------------------------------------


def keepers(server):
    """Keepers' pids: children of the fork server (or of the one that bubblewrap started)."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_text()
            parents[int(pid)] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), str(server.folder) in line
        except OSError:
            continue
    below, found = {server.process.pid}, []
    while below:
        below = {pid for pid, (parent, _) in parents.items() if parent in below}
        found.append(below)
    return [pids for pids in found if pids]


def gone(pids, limit_s=5.0):
    """Whether these processes are gone, soon."""
    deadline = time.monotonic() + limit_s
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_killed_keeper_is_no_fault_of_the_submission(server):
    idle = set().union(*keepers(server))
    with server.open(1, SMALL) as box:
        assert box.run("x = 1") is None
        fresh = [sorted(level - idle) for level in keepers(server) if level - idle]
        os.kill(fresh[0][0], signal.SIGKILL)
        assert gone(set().union(*fresh))
        with pytest.raises(SandboxLost, match="without a report"):
            box.run("y = 2")
    assert not set().union(*keepers(server)) - idle
    with server.open(1, SMALL) as box:
        assert box.run("x = 1") is None


def test_a_dead_fork_server_is_told_and_leaves_nothing():
    server = ForkServer()
    server.wait()
    with server.open(1, SMALL) as box:
        assert box.run("x = 1") is None
        pids = set().union(*keepers(server))
        server.process.kill()
        server.process.wait()
        assert gone(pids)  # they end with it, a moment later: until then the sandbox still answers
        with pytest.raises(SandboxLost):
            box.run("y = 1")
    assert not server.alive
    with pytest.raises(SandboxLost, match="gone"):
        server.open(1, SMALL)
    server.close()
    assert not server.folder.exists()


def test_nothing_is_left_after_close():
    before = set(Path(tempfile.gettempdir()).glob("grading-*"))
    server = ForkServer()
    box = server.open(1, SMALL)
    assert box.run("open('x', 'w').write('y')") is None
    pids = {server.process.pid}.union(*keepers(server))
    box.close()
    server.close()
    assert gone(pids)
    assert str(server.folder) not in map(str, set(Path(tempfile.gettempdir()).glob("grading-*")) - before)


def test_a_fork_server_that_cannot_start_says_what_it_said(monkeypatch):
    monkeypatch.setattr(sandbox, "_LAUNCH", "raise SystemExit('the wheels came off') # {folder}")
    with ForkServer() as server, pytest.raises(SandboxLost, match="the wheels came off"):
        server.wait()


# --- walls --------------------------------------------------------------------------------------


def test_no_walls_no_sandbox():
    everything = ["bubblewrap", "namespaces", "private scratch", "landlock", "seccomp", "limits"]
    found, missing = possible_walls(everything)
    assert found == [] and len(missing) == 3
    with pytest.raises(NoSandbox, match=r"this machine lacks .* and .*: install bubblewrap"):
        ForkServer(without=everything)


def test_bubblewrap_shows_no_folder_that_is_hidden():
    site = Path(sysconfig.get_paths()["purelib"])
    words = bubblewrap_words("bwrap", Path("/tmp/x"), Path("/tmp/x/scratch"), [site / "numpy", Path("/elsewhere")])
    pairs = list(pairwise(words))
    assert ("--tmpfs", str((site / "numpy").resolve())) in pairs
    assert ("--tmpfs", "/elsewhere") not in pairs
    assert pairs.index(("--remount-ro", "/tmp")) > pairs.index(("--bind", "/tmp/x/scratch"))
    assert ("--ro-bind", str(ROOT)) not in pairs and ("--ro-bind", "/") not in pairs


def test_a_message_is_bounded_before_it_is_read():
    assert len(pack([0.5] * 10)) < sandbox.MAX_REPLY < sandbox.MAX_TEXT


# --- folders ------------------------------------------------------------------------------------


trees = st.recursive(st.integers(0, 3000), lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), max_leaves=12)


def grow(place, tree):
    if isinstance(tree, int):
        place.write_bytes(bytes(tree))
        return 1
    place.mkdir()
    return 1 + sum(grow(place / name, inner) for name, inner in tree.items())


@settings(max_examples=40, deadline=None, database=None)
@given(tree=st.dictionaries(st.sampled_from("abcd"), trees, max_size=4), lock=st.booleans())
def test_any_folder_is_measured_and_removed(tree, lock):
    with tempfile.TemporaryDirectory() as parent:
        place = Path(parent) / "scratch"
        entries = grow(place, tree) - 1
        assert folders.size_of(str(place)) >= entries * folders.ENTRY_BYTES
        if lock:
            for path in sorted(place.rglob("*"), reverse=True):
                path.chmod(0)
        folders.remove(str(place))
        assert os.listdir(parent) == []


def test_links_are_removed_and_not_followed(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x" * 100_000)
    place = tmp_path / "scratch"
    place.mkdir()
    (place / "link").symlink_to(tmp_path / "kept")
    (place / "inner").mkdir()
    (place / "inner" / "up").symlink_to("../..")
    assert folders.size_of(str(place)) < 50_000
    folders.remove(str(place))
    assert not place.exists() and (tmp_path / "kept" / "file").exists()


def test_what_is_nested_without_end_is_infinite(tmp_path):
    here = os.getcwd()
    (tmp_path / "scratch").mkdir()
    try:
        os.chdir(tmp_path / "scratch")
        for _ in range(3000):
            os.mkdir("d" * 20)
            os.chdir("d" * 20)
    finally:
        os.chdir(here)
    assert folders.size_of(str(tmp_path / "scratch")) == float("inf")
    folders.remove(str(tmp_path / "scratch"))
    assert list(tmp_path.iterdir()) == []

"""Two real processes: the sum is the layer, and nothing stays behind whatever happens."""

import _thread
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from utils.engines.tensorrt_llm import ranks, run_ranks
from utils.optional import EngineUnavailable


def arrays(d=16, ff=32, tokens=3):
    rng = np.random.default_rng(0)
    shapes = ((tokens, d), (d, ff), (d, ff), (ff, d))
    return [(rng.standard_normal(shape) / 4).astype(np.float32) for shape in shapes]


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Every process that is started, and an empty folder that must be empty again at the end."""
    found, start = [], ranks._start
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ranks, "_start", lambda *args: found.append(start(*args)) or found[-1])
    yield found
    assert list(tmp_path.iterdir()) == []
    assert found and all(p.poll() is not None for p in found)


def test_two_processes_make_the_layer(started):
    result = run_ranks(*arrays(), repeats=3)
    assert result.ranks == 2 == len(started) and [p.returncode for p in started] == [0, 0]
    assert 0 < result.max_abs_error < 1e-5  # float32 sums of 32 products of order 1: 32 · 2^-24
    assert result.weight_bytes_per_rank == 3 * 16 * 32 * 4 // 2 and result.all_reduce_bytes == 3 * 16 * 4
    assert min(result.single_ms, result.compute_ms, result.all_reduce_ms) > 0 and 0 < result.share < 1
    assert result.as_dict()["share"] == result.share


def test_an_interrupt_ends_them(started, monkeypatch):
    wait = ranks._wait

    def interrupted(*args):
        _thread.interrupt_main()  # what Ctrl-C or the notebook's stop button does
        wait(*args)

    monkeypatch.setattr(ranks, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_ranks(*arrays())


def test_time_is_bounded(started):
    with pytest.raises(EngineUnavailable, match="longer than 0 s"):
        run_ranks(*arrays(), limit_s=0)


def test_a_rank_that_fails_is_told(started):
    bad = arrays()
    bad[0] = np.empty((3, 15), np.float32)  # a shape that no rank can multiply
    with pytest.raises(EngineUnavailable, match=r"rank [01] is not available: it ended with"):
        run_ranks(*bad)


def test_no_second_process(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ranks.subprocess, "Popen", lambda *a, **k: (_ for _ in ()).throw(BlockingIOError("no processes left")))
    with pytest.raises(EngineUnavailable, match="a second process is not available: no processes left"):
        run_ranks(*arrays())
    assert list(tmp_path.iterdir()) == []


def test_a_shard_must_be_whole():
    with pytest.raises(ValueError, match="tp must divide"):
        run_ranks(*arrays(), ranks=3)


@pytest.mark.skipif(os.name != "posix", reason="kills a process by signal")
def test_ranks_do_not_outlive_a_killed_parent(tmp_path):
    """The parent is killed outright, so only the closed pipe can tell its ranks."""
    code = ("import sys, time, tempfile; sys.path.insert(0, sys.argv[1]); tempfile.tempdir = sys.argv[2]\n"
            "from utils.engines.tensorrt_llm import ranks\n"
            "p = ranks._start(sys.argv[2], 0, 2, 1)\n"  # rank 0 of 2: without the other it would wait a minute
            "print(p.pid, flush=True); time.sleep(60)\n")
    root = str(Path(ranks.__file__).parents[3])
    x, gate, up, down = arrays()
    np.savez(tmp_path / "in0.npz", x=x, w_gate=gate, w_up=up, w_down=down)
    parent = subprocess.Popen([sys.executable, "-c", code, root, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid):
    """Whether a process runs; a zombie that nobody collected yet has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if sys.platform == "linux":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

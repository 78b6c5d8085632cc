"""The clocks: CPU time of a whole tree, the floor, and the sums that are made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time

import grade_class
import grade_scale
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measuring import tree
from measuring.floor import write_task
from measuring.graders import differences
from submissions import environment

from autograder.chapters import ROOT
from autograder.exercises import chapter_exercises

BURN = """
import os, signal, sys, time
def burn(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass
"""


def run(body, **more):
    words = [sys.executable, "-S", "-c", BURN + textwrap.dedent(body)]
    return tree.run_tree(words, cwd=ROOT, env=dict(os.environ), **more)


@pytest.fixture(scope="module")
def counts_all():
    with tree.control_group() as group:
        if group is None:
            pytest.skip("no control group can be made here: children that are left behind can't be counted")


def test_a_child_that_is_waited_for_is_counted():
    told = run("""
        if os.fork() == 0:
            burn(0.4); os._exit(0)
        os.wait()
        print("done")
    """)
    assert told.stdout == "done\n" and 0.4 <= told.cpu_s < 1.2 and told.wall_s >= 0.4


@pytest.mark.parametrize("left", ["signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "pass"])
def test_a_child_that_is_ignored_or_left_behind_is_counted(counts_all, left):
    """wait4 knows nothing of them: a fork server ignores its children."""
    told = run(f"""
        {left}
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.setsid(); burn(0.4); os._exit(0)
        os.close(writer)
        os.read(reader, 1)  # until the child is gone, without waiting for it
    """)
    assert told.cpu_s >= 0.4 > told.waited_cpu_s and told.counted_by == tree.GROUP


def test_the_command_runs_on_the_cores_that_are_named():
    core = min(os.sched_getaffinity(0))
    assert run("print(sorted(os.sched_getaffinity(0)))", cores={core}).stdout.strip() == f"[{core}]"


def test_a_failing_command_is_an_error_with_its_last_lines():
    with pytest.raises(tree.RunError, match=r"ended with status 3:\n(.|\n)*the reason") as told:
        run("print('the reason', file=sys.stderr); sys.exit(3)")
    assert not told.value.late
    assert run("sys.exit(3)", fails=True).returncode == 3


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "GRACE_S", 0.3)
    pids = tmp_path / "pids"
    with pytest.raises(tree.RunError, match="longer than 4 s") as told:
        run(f"""
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            child = os.fork()
            if child:
                open({str(pids)!r}, "w").write(str(child))
            time.sleep(60)
        """, limit_s=4)
    assert told.value.late
    child, ending = int(pids.read_text()), time.monotonic() + 5
    while _runs(child) and time.monotonic() < ending:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_watcher_sees_the_process():
    seen = []
    run("time.sleep(0.7)", watch=seen.append)
    assert len(seen) >= 2 and len(set(seen)) == 1


def test_the_floor_runs_every_cell_and_asks_every_question(tmp_path, measured):
    """An answer that writes a line a call: as many lines as there are questions."""
    log, exercises = tmp_path / "calls", chapter_exercises("91")
    source = f"def double(x):\n    with open({str(log)!r}, 'a') as file:\n        file.write('call\\n')\n    return 2 * x\n"
    answers = [{"double": source}, {}, {"double": "1 / 0"}, {"double": source}]
    write_task(tmp_path / "task", exercises, ["import math"], answers, "secret")
    done = subprocess.run([sys.executable, "-m", "measuring.floor", str(tmp_path / "task")], capture_output=True,
                          text=True, timeout=120, env=environment(), check=True)
    told = json.loads(done.stdout)
    assert len(log.read_text().split()) == 2 * len(exercises[0].cases)
    assert told["submissions"] == 4 and told["cpu_s"] > 0 and told["fork_cpu_s"] > 0


seconds = st.floats(0.001, 100)


@given(seconds, seconds, st.lists(st.integers(2, 500), min_size=1, max_size=5))
def test_a_cost_is_found_from_runs_over_one_and_many(start, each, counts):
    cost = grade_class.Cost()
    for count in counts:
        cost.add(start + each, start + count * each, count)
    assert cost.each_s == pytest.approx(each, rel=1e-6, abs=1e-9)
    assert cost.of(120) == pytest.approx(start + 120 * each, rel=1e-6)
    assert cost.each_by_pair == pytest.approx([each] * len(counts), abs=1e-3)


@given(st.integers(2, 200), st.integers(2, 60))
def test_our_run_has_the_size_of_the_class(submissions, block):
    size = grade_class.Size(submissions, block, 1, 2)
    count = 1 + (block - 1) * size.times(range(block))
    assert submissions <= count < submissions + block


def test_two_gradebooks_differ_where_a_score_a_cell_or_a_student_does():
    stock = {"s1": {"a": 2.0, "b": None}, "s2": {"a": 0.0}}
    ours = {"s1-0": {"a": 2.0, "b": None}, "s1-1": {"a": 2.0, "b": None}, "s2-0": {"a": 0.0}}
    assert differences(stock, ours) == []
    assert differences(stock, {**ours, "s1-1": {"a": 1.0, "b": None}}) == [
        {"student": "s1-1", "cell": "a", "stock": 2.0, "ours": 1.0}]
    assert differences(stock, {**ours, "s1-0": {"a": 2.0}})[0]["ours"] == "missing"
    assert differences(stock, {"s1-0": ours["s1-0"]}) == [
        {"student": "s2", "cell": "a", "stock": 0.0, "ours": "missing"}]
    assert differences(stock, {**ours, "s3-0": {"a": 1.0}}) == [
        {"student": "s3-0", "cell": "a", "stock": "missing", "ours": 1.0}]


def test_memory_of_a_process_and_its_descendants():
    code = "import subprocess, sys; block = b'x' * (64 << 20); p = subprocess.Popen(['sleep', '30'], stdout=-3); " \
           "print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        try:
            assert grade_scale.descendants(process.pid) == [child]
            assert 64 < grade_scale.resident_mb(process.pid) < 128
        finally:
            os.kill(child, 15)
    assert grade_scale.resident_mb(process.pid) == 0.0 and grade_scale.descendants(process.pid) == []


def test_what_can_not_be_measured_is_refused():
    for words in (["--submissions", "1"], ["--stock", "1"]):
        done = subprocess.run([sys.executable, ROOT / "benchmarks" / "grade_class.py", *words], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 2 and "must be 2 or more" in done.stderr


@pytest.mark.slow
def test_a_small_class_is_graded_at_scale(counts_all):
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "grade_scale.py", "--submissions", "30", "--jobs", "2",
                           "--json"], capture_output=True, text=True, timeout=300)
    if "sandbox" in done.stderr and done.returncode:
        pytest.skip("this machine has no sandbox")
    told = json.loads(done.stdout)
    assert told["graded"] == 30 and told["finished"] and told["submissions_per_s"] > 0
    assert len(told["marks"]) == len(grade_scale.MARKS) and all(mark["driver_mb"] > 10 for mark in told["marks"])

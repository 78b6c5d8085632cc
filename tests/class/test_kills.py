"""kill -9 of any process of a run, at any moment: the next run ends what was begun, and the gradebook is that of a run
that nothing disturbed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from class_tools import (
    TRIVIAL,
    children,
    command_of,
    descendants,
    drafts,
    environment,
    grade_words,
    graded,
    hand_in,
    identity,
    intact,
    known,
    own_results,
    query,
    running,
    tables,
)

pytestmark = pytest.mark.slow

SUBMISSIONS, SEED = 1000, 12
VICTIMS = ("driver", "worker", "keeper", "fork server", "driver", "keeper", "worker")
# A driver or fork server costs each of two workers the submission that it is at and the one whose result is not yet
# recorded (a worker gets its next one before that), a worker or a keeper costs one.
REDONE = 2 * 2 * 3 + 4
ENDED_S = 2.0

# Known to every process of a run: writes a line when the grading of a submission begins.
PLUGIN = '''
import os
from autograder.grading import workers

def register():
    grade = workers.grade_submission
    def logged(assignment, submission, *args, **kwargs):
        log = os.open(os.environ["GRADING_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(log, f"{submission.student}\\n".encode())
        os.close(log)
        return grade(assignment, submission, *args, **kwargs)
    workers.grade_submission = logged
'''


def write_class(course):
    """Blank notebooks, and one in eight with a trivial answer, which opens a sandbox."""
    chapter = known(["12"])[0]
    for student, sources in (("s0000", TRIVIAL), ("s0001", {})):
        hand_in(course, chapter, student, sources)
    for index in range(2, SUBMISSIONS):
        like = "s0001" if index % 8 else "s0000"
        shutil.copytree(course / "submitted" / like, course / "submitted" / f"s{index:04d}")


class Driver:
    """`autograder grade` as a process, and the processes that belong to it."""

    def __init__(self, course, log, plugins):
        env = environment(GRADING_LOG=str(log))
        env["AUTOGRADER_PLUGINS"] += ",grading_log"
        env["PYTHONPATH"] += f":{plugins}"
        self.process = subprocess.Popen(grade_words(course, "12", "--jobs", "2"), cwd=course, env=env,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def find(self, kind):
        """A process of this kind, or None."""
        driver = self.process.pid
        if kind == "driver":
            return driver
        if kind == "worker":
            return next((p for p in children(driver) if command_of(p) == command_of(driver)), None)
        server = next((p for p in descendants(driver) if is_server(p)), None)
        if kind == "fork server" or server is None:
            return server
        return next(iter(children(server)), None)

    def kill(self, kind, rng, done):
        """kill -9 of a process of this kind after a random number of results more. The processes of the run as they
        were then (pid, start), or None when the run ended before."""
        wanted = done() + rng.randint(5, 60)
        while self.process.poll() is None:
            victim = self.find(kind) if done() >= wanted else None
            if victim is not None:
                time.sleep(0.0 if kind == "keeper" else rng.uniform(0.0, 0.02))
                family = [told for p in descendants(self.process.pid) if (told := identity(p))]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    return family
            time.sleep(0.001 if kind == "keeper" else 0.02)
        return None


def is_server(pid):
    """Whether this is the fork server: Python with its command line, begun by bubblewrap or by the driver."""
    first, _, rest = command_of(pid).partition(" ")
    return "python" in first and "inside.forkserver" in rest and "inside.forkserver" not in of_parent(pid)


def of_parent(pid):
    """The command line of a process's parent, "" where that is bubblewrap."""
    with contextlib.suppress(OSError, IndexError):
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        line = command_of(parent)
        return "" if line.partition(" ")[0].endswith("bwrap") else line
    return ""


def survivors(told):
    return [(pid, command_of(pid)[:80]) for pid, began in told if running(pid) and identity(pid) == (pid, began)]


def wait_until_gone(told):
    """Who of these processes still runs after ENDED_S."""
    end = time.monotonic() + ENDED_S
    while survivors(told) and time.monotonic() < end:
        time.sleep(0.05)
    return survivors(told)


def test_whatever_is_killed_the_gradebook_is_that_of_an_undisturbed_run(course_of, tmp_path):
    course = course_of("12")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "grading_log.py").write_text(PLUGIN)
    write_class(course)
    calm = shutil.copytree(course, tmp_path / "calm")
    report = graded(calm, "12", "--jobs", "2")
    assert report["graded"] == SUBMISSIONS

    log, database, rng = tmp_path / "log", course / "gradebook.db", random.Random(SEED)

    def done():
        try:
            return query(database, "select count(*) from autograder_result")[0][0]
        except sqlite3.OperationalError:  # the table is not there yet
            return 0

    killed, driver = Counter(), Driver(course, log, tmp_path / "plugins")
    try:
        for kind in VICTIMS:
            family = driver.kill(kind, rng, done)
            killed[kind] += family is not None
            if kind == "driver" and family is not None:
                driver.process.wait(10)
                left = wait_until_gone(family)
                assert not left, f"still running after the driver was killed: {left}"
                driver = Driver(course, log, tmp_path / "plugins")
        out, _ = driver.process.communicate(timeout=300)
        assert driver.process.returncode == 0, out
    finally:
        driver.process.kill()
        driver.process.wait()

    assert killed == Counter(VICTIMS), "the run was over before all were killed"
    begun = log.read_text().split()
    assert set(begun) == {f"s{i:04d}" for i in range(SUBMISSIONS)}
    redone = len(begun) - SUBMISSIONS
    assert 0 <= redone <= REDONE, f"{redone} of {SUBMISSIONS} were graded again"
    assert query(database, "select count(*), count(distinct student) from autograder_result") == [(SUBMISSIONS,) * 2]
    assert intact(database) and not drafts(course)
    assert tables(database) == tables(calm / "gradebook.db")
    assert own_results(database) == own_results(calm / "gradebook.db")
    for step, ending in (("autograded", "ipynb"), ("feedback", "html")):
        mine, theirs = ({p.relative_to(f): p.read_bytes() for p in (f / step).rglob(f"*.{ending}")}
                        for f in (course, calm))
        assert len(mine) == SUBMISSIONS and mine == theirs


ENDLESS = {"conv_macs": "def conv_macs(*args, **kwargs):\n    return 0\n\n\nwhile True:\n    pass\n"}
GRADE = """
import sys
from autograder.grading.course import open_course
from autograder.grading.run import grade_course
from autograder.grading.workers import Settings
grade_course(open_course(sys.argv[1]), ["12_flops"], Settings("x", without=tuple(sys.argv[2:])), jobs=2)
"""


@pytest.mark.parametrize("without", [[], ["namespaces"], ["bubblewrap"]], ids=["all walls", "one space", "no bubblewrap"])
def test_nothing_outlives_a_driver_that_is_killed_in_the_middle_of_a_submission(course_of, without):
    course = course_of("12")
    for student in ("ann", "bob"):
        hand_in(course, known(["12"])[0], student, ENDLESS)
    driver = subprocess.Popen([sys.executable, "-c", GRADE, str(course), *without], cwd=course, env=environment(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        keepers, end = [], time.monotonic() + 100
        while len(keepers) < 2:
            if driver.poll() is not None:
                told = driver.stderr.read().strip().split("\n")[-1]
                assert without and "NoSandbox" in told, told
                pytest.skip(told)
            assert time.monotonic() < end
            time.sleep(0.05)
            servers = [p for p in descendants(driver.pid) if is_server(p)]
            keepers = [k for server in servers for k in children(server) if children(k)]
        family = [told for p in descendants(driver.pid) if (told := identity(p))]
        assert len(family) >= 2 + 1 + 2 + 2, "two workers, the fork server, two keepers, two runners"
    finally:
        driver.kill()
        driver.wait()
    left = wait_until_gone(family)
    assert not left, f"still running after the driver was killed: {left}"


BUSY = """
import time
from autograder.grading import workers
workers.grade_submission = lambda *args, **kwargs: time.sleep(60)
""" + GRADE


def test_a_worker_that_is_busy_judging_ends_with_its_driver(course_of):
    """It reads nothing from the driver and waits for no sandbox: only the kernel can tell it."""
    course = course_of("12")
    for student in ("ann", "bob"):
        hand_in(course, known(["12"])[0], student, {})
    driver = subprocess.Popen([sys.executable, "-c", BUSY, str(course)], cwd=course, env=environment(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        workers, end = [], time.monotonic() + 100
        while len(workers) < 2:
            assert driver.poll() is None and time.monotonic() < end, driver.stderr.read()
            time.sleep(0.05)
            workers = [p for p in children(driver.pid) if command_of(p) == command_of(driver.pid)]
        time.sleep(0.5)
        family = [told for p in descendants(driver.pid) if (told := identity(p))]
    finally:
        driver.kill()
        driver.wait()
    assert not wait_until_gone(family)

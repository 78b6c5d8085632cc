"""Grading on a real Dask cluster of two processes: the same result as on this machine alone, and nothing lost when a
worker is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from class_tools import (
    TRIVIAL,
    descendants,
    environment,
    grade,
    graded,
    hand_in,
    identity,
    known,
    own_results,
    query,
    running,
    solutions,
    tables,
)

from autograder.chapters import ROOT

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install -e '.[class]'")
pytestmark = pytest.mark.slow

STUDENTS = 50


def cluster_of(workers):
    return distributed.LocalCluster(n_workers=workers, processes=True, threads_per_worker=1, dashboard_address=None)


@pytest.fixture(scope="module")
def cluster():
    with cluster_of(2) as made:
        yield made


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as made:
        made.wait_for_workers(2, timeout=60)
        yield made


def write_class(root):
    chapter = known(["12"])[0]
    right = solutions(chapter)
    one = next(iter(right))
    for index in range(STUDENTS):
        kind = ({}, TRIVIAL, TRIVIAL, TRIVIAL, {one: right[one]})[index % 5]
        hand_in(root, chapter, f"s{index:02d}", kind)
    (root / "submitted" / "s00" / chapter.stem / f"{chapter.stem}.ipynb").write_text("no notebook")


def test_a_cluster_gives_the_same_and_loses_nothing_with_a_worker(cluster, client, course_of):
    root, alone = course_of("12"), course_of("12", name="alone")
    for folder in (root, alone):
        write_class(folder)
    local = graded(alone, "12")
    assert (local["graded"], local["refused"]) == (STUDENTS - 1, 1)

    workers = client.run(os.getpid)
    seen, killed = [], threading.Event()

    def kill():
        """The first worker that has a sandbox open: it is in the middle of a batch."""
        while not killed.is_set():
            for pid in workers.values():
                family = [told for p in descendants(pid) if (told := identity(p))]
                if len(family) >= 4:  # bubblewrap twice, the fork server, a keeper
                    os.kill(pid, signal.SIGKILL)
                    seen.extend(family)
                    killed.set()
                    return
            time.sleep(0.002)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        report = graded(root, "12", "--scheduler", cluster.scheduler_address)
    finally:
        was_killed = killed.is_set()
        killed.set()
        killer.join()
    assert was_killed, "no worker was killed"
    assert (report["graded"], report["refused"], report["failed"]) == (STUDENTS - 1, 1, 0)
    assert tables(root / "gradebook.db") == tables(alone / "gradebook.db")
    assert own_results(root / "gradebook.db") == own_results(alone / "gradebook.db")
    left = [told for told in seen if running(told[0]) and identity(told[0]) == told]
    assert not left, "the killed worker's fork server still runs"
    again = graded(root, "12", "--scheduler", cluster.scheduler_address)
    assert (again["graded"], again["skipped"]) == (0, STUDENTS)


def poison():
    """In a worker: the grader itself fails on one student's work."""
    from autograder.grading import cluster as module

    graded_by = module._graded

    def graded_or_not(pool, submission):
        if submission.student == "s03":
            raise RuntimeError("no such luck")
        return graded_by(pool, submission)

    module._graded = graded_or_not


def test_one_submission_that_brings_its_batch_down_costs_only_itself(course_of):
    root = course_of("12")
    for index in range(6):
        hand_in(root, known(["12"])[0], f"s{index:02d}", {})
    with cluster_of(1) as cluster, distributed.Client(cluster) as client:
        client.run(poison)
        done = grade(root, "12", "--scheduler", cluster.scheduler_address, check=False)
    assert done.returncode == 1 and "no such luck" in done.stdout.replace("\n", " ")
    rows = query(root / "gradebook.db", "select student, status from autograder_result order by student")
    assert rows == [(f"s{i:02d}", "failed" if i == 3 else "graded") for i in range(6)]
    waiting = {r[0] for r in tables(root / "gradebook.db")["grade"] if r[7]}
    assert waiting == {"s03"}


@pytest.mark.parametrize("change", ["another version", "none"])
def test_a_worker_with_another_version_is_told(course_of, tmp_path, change):
    root = course_of("12")
    hand_in(root, known(["12"])[0], "ann", {})
    there = tmp_path / "there"
    for package in ("autograder", "utils"):
        shutil.copytree(ROOT / package, there / package, ignore=shutil.ignore_patterns("__pycache__"))
    if change == "none":
        (there / "autograder" / "grading" / "__init__.py").write_text("raise ImportError('not installed')\n")
    else:
        with (there / "utils" / "cost" / "flops.py").open("a") as file:
            file.write("\n# a later version\n")
    with cluster_of(0) as cluster:
        env = environment() | {"PYTHONPATH": str(there), "AUTOGRADER_PLUGINS": ""}
        words = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address, "--no-nanny",
                 "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"]
        worker = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            done = grade(root, "12", "--scheduler", cluster.scheduler_address, check=False)
        finally:
            worker.kill()
            worker.wait()
    assert done.returncode == 2 and "hold another version of the course" in done.stderr, done.stderr
    assert query(root / "gradebook.db", "select count(*) from autograder_result") == [(0,)]


def test_a_scheduler_that_does_not_answer_is_one_sentence(course_of):
    root = course_of("12")
    hand_in(root, known(["12"])[0], "ann", {})
    done = grade(root, "12", "--scheduler", "tcp://127.0.0.1:9", check=False)
    told = done.stderr.strip().split("\n")
    assert done.returncode == 2 and told[-1].startswith("✗ no Dask worker answers at tcp://127.0.0.1:9")
    assert "Traceback" not in done.stderr

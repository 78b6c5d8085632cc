"""A small pipeline runner for one machine, without Jenkins: every leaf is a Python function in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import utils

from .conditions import post_conditions
from .tree_run import SEVERITY, children, names

WORKER = "utils.delivery.ci_pipeline.stage_worker"
ATTACHED = "attached"  # tells the worker that its standard input is our pipe
TICK_S = 0.02


@dataclass(frozen=True)
class StageRun:
    """What became of one stage: its status, when it ran (s since the start of the build), and what it told."""

    name: str
    status: str
    start_s: float
    end_s: float
    attempts: int = 0
    reason: str = ""
    told: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class RunLog:
    """A finished build: its result, its stages by name in the order of the pipeline, and the `post` blocks that run."""

    result: str
    stages: dict[str, StageRun]
    post: tuple[str, ...]

    def statuses(self) -> dict[str, str]:
        """The status of each stage."""
        return {name: run.status for name, run in self.stages.items()}


def run_local_pipeline(spec: Mapping[str, Any], workdir: str | Path, *, executors: int = 2,
                       previous: str | None = None) -> RunLog:
    """Run a pipeline in `workdir`, at most `executors` leaves at once, and return what happened.

    Groups are those of `run_tree`. A leaf has `name` and `call`, "package.module:function"; the function gets the
    folder as a pathlib.Path and then `args` (a dict of plain data) by keyword. It may return a dict, kept as what it
    told; the key "unstable" in it makes the stage UNSTABLE. An exception makes it FAILURE. `timeout_s` (default 60)
    ends an attempt, `retries` (default 0) allows more of them, `when` False skips it.
    Each leaf leaves a log and a report in JUnit's XML in the folders `logs` and `reports`.
    No process outlives the call, nor the Python process that made it. Raises ValueError for executors below 1.
    """
    if executors < 1:
        raise ValueError(f"executors must be at least 1, got {executors}")
    build = _Build(Path(workdir), executors)
    try:
        result = build.run(spec, ())
    finally:
        build.stop.set()
        for thread in build.threads:
            thread.join()
    order = {name: build.log[name] for name in names(spec)}
    return RunLog(result, order, tuple(post_conditions(result, previous)))


def command(leaf: Mapping[str, Any], result: str = "result.json") -> list[str]:
    """The command line that runs a leaf in the current folder."""
    return [sys.executable, "-m", WORKER, leaf["call"], json.dumps(leaf.get("args", {}), sort_keys=True), result]


class _Build:
    """One build. `aborts` are the events of the groups around a stage: any of them that is set ends it."""

    def __init__(self, workdir: Path, executors: int) -> None:
        self.workdir = workdir
        for folder in ("logs", "reports", "results"):
            (workdir / folder).mkdir(parents=True, exist_ok=True)
        self.free = threading.Semaphore(executors)
        self.stop = threading.Event()
        self.log: dict[str, StageRun] = {}
        self.threads: list[threading.Thread] = []
        self.began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self.began

    def run(self, stage: Mapping[str, Any], aborts: tuple[threading.Event, ...]) -> str:
        """Run a stage to its end, enter it into the log, and return its status."""
        if not ("stages" in stage or "parallel" in stage):
            run = self.leaf(stage, aborts)
        else:
            start = self.now()
            (self.sequence if "stages" in stage else self.branches)(stage, aborts)
            status = self.group_status(stage, self.aborted(aborts))
            run = StageRun(stage["name"], status, start if status != "NOT_BUILT" else self.now(), self.now())
        self.log[stage["name"]] = run
        return run.status

    def aborted(self, aborts: tuple[threading.Event, ...]) -> bool:
        return self.stop.is_set() or any(event.is_set() for event in aborts)

    def group_status(self, stage: Mapping[str, Any], aborted: bool) -> str:
        found = [self.log[child["name"]].status for child in children(stage)]
        built = [s for s in found if s != "NOT_BUILT"]
        worst = max((s if SEVERITY[s] else "SUCCESS" for s in built), key=SEVERITY.__getitem__, default="NOT_BUILT")
        unfinished = aborted and "NOT_BUILT" in found and built
        return "ABORTED" if unfinished and worst != "FAILURE" else worst

    def sequence(self, stage: Mapping[str, Any], aborts: tuple[threading.Event, ...]) -> None:
        going = True
        for child in stage["stages"]:
            if going and not self.aborted(aborts):
                going = self.run(child, aborts) not in ("FAILURE", "ABORTED")
            else:
                self.not_built(child)

    def branches(self, stage: Mapping[str, Any], aborts: tuple[threading.Event, ...]) -> None:
        failed = threading.Event()
        inner = (*aborts, failed) if stage.get("failFast") else aborts

        ended = threading.Semaphore(0)

        def branch(child: Mapping[str, Any]) -> None:
            try:
                if self.run(child, inner) == "FAILURE":
                    failed.set()
            finally:
                ended.release()

        threads = [threading.Thread(target=branch, args=(child,), daemon=True) for child in stage["parallel"]]
        self.threads += threads
        for thread in threads:
            thread.start()
        # Not Thread.join: a KeyboardInterrupt in it marks a thread as ended that still runs (Python 3.11 and 3.12).
        for _ in threads:
            ended.acquire()

    def not_built(self, stage: Mapping[str, Any]) -> None:
        now = self.now()
        self.log |= {name: StageRun(name, "NOT_BUILT", now, now) for name in names(stage)}

    def leaf(self, stage: Mapping[str, Any], aborts: tuple[threading.Event, ...]) -> StageRun:
        if not stage.get("when", True):
            return StageRun(stage["name"], "SKIPPED", self.now(), self.now())
        while not self.free.acquire(timeout=TICK_S):
            if self.aborted(aborts):
                break
        else:
            try:
                if not self.aborted(aborts):
                    return self.attempts(stage, aborts)
            finally:
                self.free.release()
        return StageRun(stage["name"], "NOT_BUILT", self.now(), self.now())

    def attempts(self, stage: Mapping[str, Any], aborts: tuple[threading.Event, ...]) -> StageRun:
        start = self.now()
        run = StageRun(stage["name"], "ABORTED", start, start)
        for attempt in range(1, stage.get("retries", 0) + 2):
            run = replace(self.attempt(stage, aborts, attempt), start_s=start, end_s=self.now(), attempts=attempt)
            if run.status != "FAILURE":
                break
        _write_report(self.workdir / "reports" / f"{_slug(stage['name'])}.xml", run)
        return run

    def attempt(self, stage: Mapping[str, Any], aborts: tuple[threading.Event, ...], attempt: int) -> StageRun:
        """Start the process, wait for it, and read what it left. It ends with us: its standard input is our pipe."""
        name = stage["name"]
        result = self.workdir / "results" / f"{_slug(name)}.json"
        result.unlink(missing_ok=True)
        limit = self.now() + stage.get("timeout_s", 60)
        with (self.workdir / "logs" / f"{_slug(name)}.{attempt}.txt").open("wb") as log, subprocess.Popen(
                [*command(stage, str(result.resolve())), ATTACHED], cwd=self.workdir, stdin=subprocess.PIPE, stdout=log,
                stderr=subprocess.STDOUT, env=_environment()) as process:
            try:
                while process.poll() is None and self.now() < limit and not self.aborted(aborts):
                    _wait(process)
            finally:
                ended = process.poll() is not None
                if not ended:
                    process.kill()
        if not ended:
            late = not self.aborted(aborts)
            reason = f"it took longer than {stage.get('timeout_s', 60):g} s" if late else "a sibling failed"
            return StageRun(name, "FAILURE" if late else "ABORTED", 0, 0, reason=reason)
        if not result.exists():
            return StageRun(name, "FAILURE", 0, 0, reason=f"its process ended with status {process.returncode}")
        said = json.loads(result.read_text())
        return StageRun(name, said["status"], 0, 0, reason=said["reason"], told=said["told"])


def _wait(process: subprocess.Popen) -> None:
    try:
        process.wait(TICK_S)
    except subprocess.TimeoutExpired:
        return


def _environment() -> dict[str, str]:
    """Ours, with the folder that holds `utils` on the path, and one thread: several stages run at once."""
    root = str(Path(utils.__file__).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root, "OMP_NUM_THREADS": "1"}


def _slug(name: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in name)


def _write_report(path: Path, run: StageRun) -> None:
    """One test case in the XML that Jenkins' `junit` step reads."""
    failed = run.status == "FAILURE"
    suite = ElementTree.Element("testsuite", name="pipeline", tests="1", failures=str(int(failed)),
                                skipped=str(int(run.status == "ABORTED")), errors="0")
    case = ElementTree.SubElement(suite, "testcase", classname="pipeline", name=run.name,
                                  time=f"{run.end_s - run.start_s:.3f}")
    if failed:
        ElementTree.SubElement(case, "failure", message=run.reason)
    elif run.status == "ABORTED":
        ElementTree.SubElement(case, "skipped", message=run.reason)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)

"""Grade a very large class of light submissions, and watch throughput and the driver's memory.

    python benchmarks/grade_scale.py [--submissions 10000] [--jobs N] [--limit 240] [--json]

Each student hands in the light assignment, answered, with bytes of her own. Nothing but the grader is
measured: there is hardly anything to run. The whole program takes `--limit` seconds at most, writing the files and
taking them away included: where that is too little the grader is ended, and the table says how far it came.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from measuring.graders import OURS
from measuring.tree import RunError, run_tree
from rich.console import Console
from rich.table import Table
from submissions import TIMESTAMP, answered, environment, known, released, write_course

MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares of the class at which memory is read
ANSWER = 'def double(x):\n    """Two times x."""\n    return x + x\n'
DATABASE, STUDENT = "gradebook.db", "(the student)"
LEAST_S = 20.0
out, err = Console(), Console(stderr=True)


@dataclass(frozen=True)
class Mark:
    """The state when so many were graded: seconds since the start, resident MB of the driver and of it with all
    its descendants (shared pages counted once a process, so this is an upper bound)."""

    graded: int
    seconds: float
    driver_mb: float
    tree_mb: float


@dataclass
class Watch:
    """Looks at a running grader through its gradebook and /proc."""

    course: Path
    total: int
    marks: list[Mark] = field(default_factory=list)
    first_s: float = 0.0
    last: tuple[float, int] = (0.0, 0)
    started: float = field(default_factory=time.monotonic)

    def __call__(self, pid: int) -> None:
        graded, now = graded_so_far(self.course / DATABASE), time.monotonic() - self.started
        if graded and not self.first_s:
            self.first_s = now
        if graded > self.last[1]:
            self.last = (now, graded)
        if len(self.marks) < len(MARKS) and graded >= self.total * MARKS[len(self.marks)]:
            self.take(pid, graded, now)

    def take(self, pid: int, graded: int, now: float) -> None:
        """Read memory, and note every mark that was passed since the last look."""
        mark = Mark(graded, now, resident_mb(pid), sum(map(resident_mb, (pid, *descendants(pid)))))
        while len(self.marks) < len(MARKS) and graded >= self.total * MARKS[len(self.marks)]:
            self.marks.append(mark)

    @property
    def each_s(self) -> float:
        """Seconds a submission between the first and the last that was seen."""
        return (self.last[0] - self.first_s) / max(self.last[1] - 1, 1)


def graded_so_far(database: Path) -> int:
    """Submissions that the gradebook holds; 0 while it can't be read."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(
            sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=0.2)) as book:
        return book.execute("SELECT count(*) FROM submitted_assignment").fetchone()[0]
    return 0


def resident_mb(pid: int) -> float:
    """The resident set of a process, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().split("\n")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def descendants(pid: int) -> list[int]:
    """Children, and theirs, as /proc tells them."""
    try:
        children = [int(p) for task in Path(f"/proc/{pid}/task").iterdir()
                    for p in (task / "children").read_text().split()]
    except OSError:
        return []
    return [*children, *(d for child in children for d in descendants(child))]


def write_class(folder: Path, count: int) -> Path:
    """A course in which `count` students handed in the light assignment, no two with the same bytes."""
    chapter = known(["91"])[0]
    course = write_course(folder / "course", [chapter])
    notebook = answered(released(course, chapter), {"double": ANSWER})
    notebook.metadata["student"] = STUDENT
    text = json.dumps(notebook)
    for index in range(count):
        student = f"s{index:06d}"
        target = course / "submitted" / student / chapter.stem
        target.mkdir(parents=True)
        (target / f"{chapter.stem}.ipynb").write_text(text.replace(STUDENT, student))
        (target / "timestamp.txt").write_text(TIMESTAMP)
    return course


def measure(count: int, jobs: int, limit_s: float, folder: Path) -> dict[str, Any]:
    """Grade a class of `count`; what was seen. RunError when the grader fails."""
    err.print(f"… writing {count:,} submissions", style="dim")
    started = time.monotonic()
    course = write_class(folder, count)
    # Taking the files away afterwards takes about as long as writing them.
    limit_s = max(LEAST_S, limit_s - 2 * (time.monotonic() - started))
    watch = Watch(course, count)
    command = [sys.executable, "-m", "autograder", "grade", "91", "--course", str(course), "--jobs", str(jobs),
               "--json", "--no-progress"]
    err.print(f"… {OURS} with {jobs} jobs, at most {limit_s:.0f} s", style="dim")
    started, finished, cpu_s = time.monotonic(), True, 0.0
    try:
        cpu_s = run_tree(command, cwd=course, env=environment(), limit_s=limit_s, watch=watch).cpu_s
    except RunError as error:
        if not error.late:
            raise
        finished = False
    graded = graded_so_far(course / DATABASE)
    if finished and graded != count:
        raise RunError(f"`{OURS}` ended well, but {graded:,} of {count:,} submissions are in the gradebook")
    return {
        "submissions": count, "graded": graded, "finished": finished, "jobs": jobs,
        "seconds": time.monotonic() - started, "first_result_s": watch.first_s,
        "submissions_per_s": 1 / watch.each_s if watch.each_s else 0.0, "cpu_ms_each": 1e3 * cpu_s / count,
        "marks": [asdict(mark) for mark in watch.marks], "gradebook_mb": (course / DATABASE).stat().st_size / 2**20,
    }


def show(report: dict[str, Any]) -> None:
    """A table for people."""
    table = Table(title=f"{report['graded']:,} light submissions, {report['jobs']} jobs", title_justify="left")
    for name in ("graded", "after", "driver's memory", "all processes"):
        table.add_column(name, justify="right")
    for mark in report["marks"]:
        table.add_row(f"{mark['graded']:,}", f"{mark['seconds']:.0f} s", f"{mark['driver_mb']:.0f} MB",
                      f"{mark['tree_mb']:.0f} MB")
    out.print(table)
    cost = f"; {report['cpu_ms_each']:.1f} ms of CPU each, start included" if report["finished"] else ""
    out.print(f"{report['submissions_per_s']:.1f} submissions a second{cost}; the first result after "
              f"{report['first_result_s']:.1f} s; the gradebook has {report['gradebook_mb']:.1f} MB", highlight=False,
              soft_wrap=True)
    if not report["finished"]:
        out.print(f"Ended after {report['seconds']:.0f} s with {report['graded']:,} of {report['submissions']:,} "
                  "graded: --limit gives it more time.", highlight=False, soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--submissions", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--limit", type=float, default=240.0, help="seconds for the whole program")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    if given.submissions < 1 or given.jobs < 1:
        parser.error("--submissions and --jobs must be 1 or more")
    try:
        with tempfile.TemporaryDirectory(prefix="grade-scale-") as folder:
            report = measure(given.submissions, given.jobs, given.limit, Path(folder))
    except (RunError, RuntimeError, OSError) as error:
        err.print(f"✗ {error}", highlight=False, soft_wrap=True, markup=False)
        return 2
    print(json.dumps(report, indent=1)) if given.json else show(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Grade the same class with stock nbgrader and with `autograder grade`, and compare time and scores.

    python benchmarks/grade_class.py [--chapters 90] [--submissions 120] [--stock 24 | --full | --quick] [--json]

CPU seconds come from runs of both graders in turn on one pinned core, the whole process tree counted.
Ours grades copies of the submissions that stock grades, so that its run is long enough to be measured.
A run has a start (imports, warm-up) and a part that grows with the class. Two runs a block, over one
submission and over many, tell them apart: "a submission" is the growing part, "with start" is a whole
run over the class. Wall time is taken afterwards on all cores. The floor is a fork of a warm process that
runs the same cells and answers the same questions, without sandbox, judge and gradebook. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import nbformat
from measuring.floor import write_task
from measuring.graders import OURS, STOCK, Class, Graded, differences, scores
from measuring.tree import RunError, run_tree
from rich.console import Console
from rich.table import Table
from submissions import SEED, environment, known, released, write_course, write_submissions

from autograder.chapters import Chapter, find_chapters
from autograder.exercises import chapter_exercises
from autograder.notebooks.master import read_master

BLOCK, WALL_BLOCK = 12, 6
VERSIONS = ("nbgrader", "nbclient", "ipykernel", "IPython", "numpy", "torch", "SQLAlchemy")
out, err = Console(), Console(stderr=True)


@dataclass(frozen=True)
class Size:
    """submissions: how many ours grades in a run. distinct: how many of them differ; stock grades these, in so
    many `blocks`. stock_wall: how many of them stock grades again for wall time."""

    submissions: int
    distinct: int
    blocks: int
    stock_wall: int

    def times(self, block: Sequence[str]) -> int:
        """How often ours grades each submission of a block but its first, so that its run has the size of a class."""
        return -(-(self.submissions - 1) // (len(block) - 1))


@dataclass
class Cost:
    """Seconds of a start and of each submission after it, from pairs of runs over one and over many."""

    start_s: float = 0.0
    each_s: float = 0.0
    pairs: list[tuple[float, float, int]] = field(default_factory=list)

    def add(self, one: float, many: float, count: int) -> None:
        """Take in the seconds of a run over 1 and of a run over `count` (at least 2) submissions."""
        self.pairs.append((one, many, count))
        self.each_s = sum(m - o for o, m, _ in self.pairs) / sum(n - 1 for *_, n in self.pairs)
        self.start_s = sum(o for o, *_ in self.pairs) / len(self.pairs) - self.each_s

    def of(self, count: int) -> float:
        """Seconds of a whole run over `count` submissions."""
        return self.start_s + count * self.each_s

    @property
    def each_by_pair(self) -> list[float]:
        return [round((many - one) / (count - 1), 4) for one, many, count in self.pairs]


@dataclass
class Measured:
    """What was measured on one chapter. Costs by what they are of."""

    chapter: str
    size: Size
    kinds: dict[str, int]
    cpu: dict[str, Cost] = field(default_factory=lambda: {"stock": Cost(), "ours": Cost()})
    wall: dict[str, Cost] = field(default_factory=lambda: {"stock": Cost(), "ours": Cost()})
    floors: list[dict[str, float]] = field(default_factory=list)
    first_result_s: dict[str, float] = field(default_factory=dict)
    compared: int = 0
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    counted_by: set[str] = field(default_factory=set)
    missed_by_wait4_s: float = 0.0
    sandbox_s: list[float] = field(default_factory=list)

    @property
    def floor_cpu_s(self) -> float:
        return sum(f["cpu_s"] for f in self.floors) / len(self.floors)

    @property
    def overhead_ms(self) -> float:
        """CPU milliseconds a submission that ours takes beyond the floor."""
        return 1e3 * (self.cpu["ours"].each_s - self.floor_cpu_s)

    def row(self) -> dict[str, Any]:
        """What is printed of a chapter."""
        n, cpu, wall = self.size.submissions, self.cpu, self.wall
        return {
            "cpu_ratio": cpu["stock"].each_s / cpu["ours"].each_s,
            "cpu_ratio_with_start": cpu["stock"].of(n) / cpu["ours"].of(n),
            "wall_ratio": wall["stock"].each_s / wall["ours"].each_s,
            "wall_ratio_with_start": wall["stock"].of(n) / wall["ours"].of(n),
            "overhead_ms": self.overhead_ms,
            "scores_equal": self.compared > 0 and not self.disagreements,
            "scores_compared": self.compared, "disagreements": self.disagreements[:20],
            "submissions": n, "distinct_submissions": self.size.distinct,
            "cpu_s": {k: c.each_s for k, c in cpu.items()} | {"floor": self.floor_cpu_s},
            "cpu_s_by_block": {k: c.each_by_pair for k, c in cpu.items()} | {
                "floor": [round(f["cpu_s"], 4) for f in self.floors]},
            # What the sandboxes say that they used; the rest of ours is judging, pages and the gradebook.
            "sandbox_cpu_s": sum(self.sandbox_s) / len(self.sandbox_s),
            "fork_cpu_s": sum(f["fork_cpu_s"] for f in self.floors) / len(self.floors),
            "start_cpu_s": {k: c.start_s for k, c in cpu.items()},
            "wall_s": {k: c.each_s for k, c in wall.items()},
            "start_wall_s": {k: c.start_s for k, c in wall.items()},
            "start_to_first_result_s": self.first_result_s, "layers": self.layers, "kinds": self.kinds,
            "counted_by": sorted(self.counted_by), "missed_by_wait4_s": self.missed_by_wait4_s,
        }


# --- measuring --------------------------------------------------------------------------------


def measure(chapter: Chapter, size: Size, folder: Path) -> Measured:
    """Both graders and the floor on one chapter. RunError or RuntimeError if one of them fails."""
    tell(f"{chapter.stem}: writing {size.distinct} submissions")
    course = write_course(folder / "course", [chapter])
    plan = write_submissions(course, chapter, size.distinct)
    (folder / "copies").mkdir()
    room = Class(course, chapter, tuple(plan), folder / "copies")
    found = Measured(chapter.stem, size, dict(Counter(kind for a in plan.values() for kind in a.values())))
    for number in range(size.blocks):
        at = [size.distinct * i // size.blocks for i in (number, number + 1)]
        block = room.students[slice(*at)]
        where = f"{chapter.stem}: block {number + 1} of {size.blocks}"
        one_block(room, found, block, where)
    on_all_cores(room, found)
    return found


def one_block(room: Class, found: Measured, block: tuple[str, ...], where: str) -> None:
    """On one core: stock on a block, ours and the floor on copies of the same block. Scores are compared."""
    core, times = {max(os.sched_getaffinity(0))}, found.size.times(block)
    tell(f"{where}: {STOCK} on {len(block)} submissions, on core {min(core)}")
    theirs = room.stock(block, core)
    charge(found, "stock", room.stock(block[:1], core), theirs)
    tell(f"{where}: {OURS} and the floor on {times} copies of each, on core {min(core)}")
    ours = room.ours(block, core, times=times)
    charge(found, "ours", room.ours(block[:1], core), ours)
    found.sandbox_s.append(ours.report["sandbox_cpu_seconds"] / ours.count)
    found.floors.append(floor(room, block, times, core))
    compare(room, found, theirs, ours)


def floor(room: Class, block: tuple[str, ...], times: int, core: set[int]) -> dict[str, float]:
    """CPU seconds of the floor on what a pair of runs tells of: copies of a block but for its first."""
    task, answers = room.scratch.parent / "floor.hex", [sources(room.course, room.chapter, s) for s in block[1:]]
    setup = read_master(room.chapter.master).setup
    write_task(task, chapter_exercises(room.chapter.number), setup, answers * times, SEED)
    run = run_tree([sys.executable, "-m", "measuring.floor", str(task)], cwd=task.parent, env=environment(), cores=core)
    return json.loads(run.stdout)


def charge(found: Measured, which: str, one: Graded, many: Graded) -> None:
    """Take the CPU time of a pair of runs in."""
    found.cpu[which].add(one.run.cpu_s, many.run.cpu_s, many.count)
    for run in (one.run, many.run):
        found.counted_by.add(run.counted_by)
        if which == "ours":
            found.missed_by_wait4_s = max(found.missed_by_wait4_s, run.cpu_s - run.waited_cpu_s)


def compare(room: Class, found: Measured, theirs: Graded, ours: Graded) -> None:
    """Hold the two gradebooks against each other, cell by cell."""
    stock, own = scores(theirs, room.chapter), scores(ours, room.chapter)
    found.compared += sum(map(len, own.values()))
    found.disagreements += differences(stock, own)


def on_all_cores(room: Class, found: Measured) -> None:
    """Wall time of both, nothing pinned, as many jobs as cores; ours twice."""
    jobs, size = len(os.sched_getaffinity(0)), found.size
    tell(f"{room.chapter.stem}: wall time on {jobs} cores")
    block = tuple(room.students[i * size.distinct // size.stock_wall] for i in range(size.stock_wall))
    one, many = room.stock(block[:1]), room.stock(block)
    found.wall["stock"].add(one.run.wall_s, many.run.wall_s, many.count)
    found.first_result_s["stock"] = one.run.wall_s  # a whole run over one submission
    for _ in range(2):
        one, many = room.ours(block[:1], jobs=jobs), room.ours(block, jobs=jobs, times=size.times(block))
        found.wall["ours"].add(one.run.wall_s, many.run.wall_s, many.count)
    found.first_result_s["ours"] = one.run.wall_s
    found.layers = many.report.get("layers", [])


def sources(course: Path, chapter: Chapter, student: str) -> dict[str, str]:
    """The cells that a student answered, by the exercise's name, in the notebook's order."""
    notebook = nbformat.read(course / "submitted" / student / chapter.stem / f"{chapter.stem}.ipynb", as_version=4)
    stubs, given = (_solution_cells(n) for n in (released(course, chapter), notebook))
    names = {e.name for e in chapter_exercises(chapter.number)}
    return {name: source for name, source in given.items() if name in names and source != stubs[name]}


def _solution_cells(notebook: nbformat.NotebookNode) -> dict[str, str]:
    return {c.metadata["nbgrader"]["grade_id"]: c.source for c in notebook.cells
            if c.metadata.get("nbgrader", {}).get("solution")}


def tell(text: str) -> None:
    err.print(f"… {text}", style="dim", highlight=False, soft_wrap=True)


# --- telling ----------------------------------------------------------------------------------


def report_of(found: Sequence[Measured]) -> dict[str, Any]:
    """One report over the chapters: ratios of the sums, the worst overhead, all scores."""
    rows = {m.chapter: m.row() for m in found}

    def ratio(kind: str, part: str) -> float:
        stock, ours = (sum(getattr(m, kind)[which].each_s if part == "each"
                           else getattr(m, kind)[which].of(m.size.submissions) for m in found)
                       for which in ("stock", "ours"))
        return stock / ours

    return {
        "cpu_ratio": ratio("cpu", "each"), "cpu_ratio_with_start": ratio("cpu", "whole"),
        "wall_ratio": ratio("wall", "each"), "wall_ratio_with_start": ratio("wall", "whole"),
        "overhead_ms": max(m.overhead_ms for m in found),
        "scores_equal": all(r["scores_equal"] for r in rows.values()),
        "submissions": sum(m.size.submissions for m in found),
        "distinct_submissions": sum(m.size.distinct for m in found),
        "start_to_first_result_s": {k: max(m.first_result_s[k] for m in found) for k in ("stock", "ours")},
        "layers": sorted({layer for m in found for layer in m.layers}),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
        "machine": {"cores": len(os.sched_getaffinity(0)), "cpu": cpu_name(), "kernel": platform.release()},
        "sizes": {m.chapter: asdict(m.size) for m in found},
        "chapters": rows,
    }


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n")
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def show(report: dict[str, Any]) -> None:
    """A table for people."""
    table = Table(title="Grading a class: stock nbgrader and autograder grade", title_justify="left")
    for name in ("", STOCK, OURS, "ratio", "floor"):
        table.add_column(name, justify="left" if not name else "right")
    for stem, row in report["chapters"].items():
        n, cpu, wall, start = row["submissions"], row["cpu_s"], row["wall_s"], row["start_cpu_s"]
        table.add_row(f"[b]{stem}[/b], submissions", str(row["distinct_submissions"]), str(n), "", str(n))
        table.add_row("CPU a submission", f"{cpu['stock']:.2f} s", f"{cpu['ours']:.3f} s", f"{row['cpu_ratio']:.1f}×",
                      f"{cpu['floor']:.3f} s")
        table.add_row("CPU of a start", f"{start['stock']:.1f} s", f"{start['ours']:.1f} s", "", "")
        table.add_row(f"CPU of {n} with start", *(f"{start[k] + n * cpu[k]:.0f} s" for k in ("stock", "ours")),
                      f"{row['cpu_ratio_with_start']:.1f}×", "")
        table.add_row(f"wall a submission, {report['machine']['cores']} cores", f"{wall['stock']:.2f} s",
                      f"{wall['ours']:.3f} s", f"{row['wall_ratio']:.1f}×", "")
        table.add_row(f"wall of {n} with start",
                      *(f"{row['start_wall_s'][k] + n * wall[k]:.0f} s" for k in ("stock", "ours")),
                      f"{row['wall_ratio_with_start']:.1f}×", "")
        first = row["start_to_first_result_s"]
        table.add_row("a run over one", f"{first['stock']:.1f} s", f"{first['ours']:.1f} s", "", "", end_section=True)
    Console(width=max(out.width, 110)).print(table)
    for stem, row in report["chapters"].items():
        same = "all equal" if row["scores_equal"] else f"{len(row['disagreements'])} or more differ"
        out.print(f"{stem}: {row['overhead_ms']:.1f} ms of CPU above the floor; {row['scores_compared']} scores "
                  f"compared, {same}; CPU time from {' and '.join(row['counted_by'])}", highlight=False, soft_wrap=True)
        for d in row["disagreements"]:
            out.print(f"  {d['student']} {d['cell']}: {d['stock']} and {d['ours']}", highlight=False)
        if row["distinct_submissions"] < row["submissions"]:
            out.print(f"  {STOCK} graded {row['distinct_submissions']} submissions, {OURS} copies of the same; "
                      f"what stock takes for {row['submissions']} is computed, --full measures it.",
                      highlight=False, soft_wrap=True)
    out.print(f"walls of the sandbox: {', '.join(report['layers']) or 'none'}", highlight=False, soft_wrap=True)


# --- the command line -------------------------------------------------------------------------


def size_of(given: argparse.Namespace, chapters: int) -> Size:
    """How much to grade. Stock nbgrader takes seconds a submission, so it gets fewer unless asked."""
    count = given.submissions or (24 if given.quick else 120)
    few = 6 if given.quick or chapters > 1 else 24
    distinct = min(count, count if given.full else given.stock or few)
    return Size(count, distinct, -(-distinct // BLOCK), min(distinct, 3 if given.quick else WALL_BLOCK))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--chapters", default="90", help="numbers with commas between them, or all (default: 90, the "
                                                         "reference assignment)")
    parser.add_argument("--submissions", type=int, help="submissions a chapter (default: 120)")
    parser.add_argument("--stock", type=int, help="how many of them stock nbgrader grades (default: 24; 6 with several "
                                                  "chapters)")
    parser.add_argument("--full", action="store_true", help="stock nbgrader grades all of them")
    parser.add_argument("--quick", action="store_true", help="24 submissions, 6 of them with stock nbgrader")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    for name in ("submissions", "stock"):
        if getattr(given, name) is not None and getattr(given, name) < 2:
            parser.error(f"--{name} must be 2 or more: a run over one and a run over many are compared")
    return given


def main() -> int:
    given = arguments()
    try:
        chapters = find_chapters() if given.chapters == "all" else known(given.chapters.split(","))
        found = []
        for chapter in chapters:
            with tempfile.TemporaryDirectory(prefix="grade-class-") as folder:
                found.append(measure(chapter, size_of(given, len(chapters)), Path(folder)))
    except (KeyError, RunError, RuntimeError, OSError) as error:
        err.print(f"✗ {error.args[0] if isinstance(error, KeyError) else error}", highlight=False, soft_wrap=True,
                  markup=False)
        return 2
    report = report_of(found)
    if given.json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        show(report)
    return 0 if report["scores_equal"] else 1


if __name__ == "__main__":
    sys.exit(main())

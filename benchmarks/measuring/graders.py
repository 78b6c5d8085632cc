"""The two graders, each on a fresh copy of a course, and what their gradebooks say."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from submissions import environment

from autograder.chapters import Chapter
from autograder.notebooks.build import write_text

from .tree import RUSAGE, Run, RunError, run_tree

STOCK, OURS = "nbgrader autograde", "autograder grade"
LIMIT_S = 3600.0
COPY = "-"


@dataclass(frozen=True)
class Graded:
    """A run over some submissions: what it took, the course copy that holds its gradebook, what it reported."""

    run: Run
    course: Path
    count: int
    report: dict[str, Any]


@dataclass(frozen=True)
class Class:
    """Submissions to one chapter, and a folder for the copies that are graded."""

    course: Path
    chapter: Chapter
    students: tuple[str, ...]
    scratch: Path

    def copy(self, students: Iterable[str], times: int = 1) -> Path:
        """A copy of the course in which these students handed in: the first under one name, the others under `times`.

        So a run over the first alone, taken from this one, leaves the same mixture whatever `times` is. The
        notebooks under one student's names differ in a line of metadata, so that their digests differ.
        """
        target = self.scratch / f"course-{sum(1 for _ in self.scratch.iterdir()):03d}"
        shutil.copytree(self.course, target, ignore=lambda folder, names: [n for n in names if n == "submitted"])
        for index, student in enumerate(students):
            for number in range(times if index else 1):
                there = target / "submitted" / f"{student}{COPY}{number}" / self.chapter.stem
                shutil.copytree(self.course / "submitted" / student / self.chapter.stem, there)
                path = there / f"{self.chapter.stem}.ipynb"
                notebook = json.loads(path.read_text(encoding="utf-8"))
                notebook["metadata"]["copy"] = number
                write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        return target

    def stock(self, students: tuple[str, ...], cores: set[int] | None = None) -> Graded:
        """Grade with unmodified nbgrader. RunError if it fails."""
        course = self.copy(students)
        run = run_tree([sys.executable, "-m", "nbgrader", "autograde", self.chapter.stem], cwd=course, cores=cores,
                       env=environment(IPYTHONDIR=str(course / ".ipython")), limit_s=LIMIT_S)
        return Graded(run, course, len(students), {})

    def ours(self, students: tuple[str, ...], cores: set[int] | None = None, jobs: int = 1, times: int = 1) -> Graded:
        """Grade with `autograder grade`. RunError if it fails, or leaves a submission out."""
        course, count = self.copy(students, times), 1 + (len(students) - 1) * times
        command = [sys.executable, "-m", "autograder", "grade", self.chapter.number, "--course", str(course),
                   "--jobs", str(jobs), "--json", "--no-progress"]
        run = run_tree(command, cwd=course, cores=cores, env=environment(), limit_s=LIMIT_S)
        try:
            report = json.loads(run.stdout)
        except ValueError as error:
            raise RunError(f"`{OURS} --json` printed no JSON: {run.stdout[-500:]!r}") from error
        if report["graded"] != count:
            told = {k: report.get(k) for k in ("graded", "refused", "failed", "skipped")}
            raise RunError(f"`{OURS}` graded {report['graded']} of {count} submissions: {told}")
        if run.counted_by == RUSAGE:
            # The fork server ignores its children, so wait4 knows nothing of them: they report what they used.
            run = replace(run, cpu_s=run.cpu_s + report["sandbox_cpu_seconds"],
                          counted_by=f"{RUSAGE} and the sandboxes' own report")
        return Graded(run, course, count, report)


def scores(graded: Graded, chapter: Chapter) -> dict[str, dict[str, Any]]:
    """The automatic score of each cell by student, as nbgrader's gradebook holds them; a written answer that
    waits for a person has None."""
    from nbgrader.api import Gradebook

    found: dict[str, dict[str, Any]] = {}
    with Gradebook(f"sqlite:///{graded.course / 'gradebook.db'}") as book:
        for submission in book.assignment_submissions(chapter.stem):
            found[submission.student.id] = {grade.cell.name: grade.auto_score
                                            for notebook in submission.notebooks for grade in notebook.grades}
    return found


def differences(one: dict[str, dict], other: dict[str, dict]) -> list[dict[str, Any]]:
    """Where two gradebooks differ: student, cell, both scores. Each name of a student of the second is compared
    with the one in the first; a student or a cell that one of them lacks counts as different."""
    mine = {name.split(COPY)[0]: cells for name, cells in one.items()}
    asked = {student: [n for n in other if n.split(COPY)[0] == student] or [student] for student in mine}
    asked |= {n: [n] for n in other if n.split(COPY)[0] not in mine}
    found = []
    for student, names in asked.items():
        for name in names:
            stock, ours = mine.get(student, {}), other.get(name, {})
            found += [{"student": name, "cell": cell, "stock": stock.get(cell, "missing"),
                       "ours": ours.get(cell, "missing")}
                      for cell in sorted({*stock, *ours}) if stock.get(cell, "missing") != ours.get(cell, "missing")]
    return found

"""What was handed out: the released notebooks of an assignment, which cells count, and for how much."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..chapters import ROOT
from .course import Course, CourseError

# Raised when the same answers could get other points than before.
GRADER_VERSION = "1"
_CHECK = re.compile(r"""^\s*check\(\s*["'](\d\d\.\w+)["']""", re.M)


@dataclass(frozen=True)
class Asked:
    """One exercise of a notebook: its id ("12.conv2d_flops"), the grade ids of the learner's cell and of the check
    cell, the points in the gradebook, and the learner's cell as it was handed out."""

    exercise: str
    answer: str
    check: str
    points: float
    stub: str


@dataclass(frozen=True)
class Written:
    """One written answer, graded by a person: grade id, points, and the text that was handed out."""

    cell: str
    points: float
    text: str


@dataclass(frozen=True)
class Released:
    """One released notebook. cells: its cells as nbformat's JSON has them; setup: sources of the set-up cells."""

    name: str
    notebook: dict[str, Any] = field(repr=False)
    setup: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()
    written: tuple[Written, ...] = ()

    @property
    def cells(self) -> list[dict[str, Any]]:
        return self.notebook["cells"]


@dataclass(frozen=True)
class Assignment:
    """An assignment as it was released. exercises_digest: SHA-256 over everything that decides a verdict."""

    name: str
    notebooks: tuple[Released, ...]
    exercises_digest: str

    @property
    def preload(self) -> list[str]:
        """Modules that the set-up cells import."""
        return sorted({m for notebook in self.notebooks for source in notebook.setup for m in imports_of(source)})


def load_assignment(course: Course, name: str, points: dict[str, dict[str, float]] | None = None) -> Assignment:
    """Read an assignment from the course's release folder.

    points: by notebook and grade id, as in the gradebook; where it is given it decides over the notebook's
    metadata. Raises CourseError when nothing was released, or when a test cell is not one of the course's checks.
    """
    folder = course.folder(course.release, ".", name)
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        raise CourseError(f"{name} was not released: {folder} holds no notebook; "
                          f"run `nbgrader generate_assignment {name}`")
    notebooks = tuple(_released(path, (points or {}).get(path.stem)) for path in paths)
    return Assignment(name, notebooks, _digest(notebooks))


def _released(path: Path, points: dict[str, float] | None) -> Released:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
        for cell in cells:
            cell["source"] = text_of(cell["source"])
        by_id = {grade_id(c): c for c in cells if grade_id(c)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{path} can't be read ({type(error).__name__}: {error}): release it again with "
                          f"`nbgrader generate_assignment {path.stem} --force`") from error
    asked, written = [], []
    for cell in cells:
        told = cell["metadata"].get("nbgrader", {})
        if not told.get("grade"):
            continue
        cell_id = told["grade_id"]
        worth = float((points or {}).get(cell_id, told["points"]))
        if told.get("solution") or cell["cell_type"] == "markdown":
            written.append(Written(cell_id, worth, cell["source"]))
            continue
        match = _CHECK.search(cell["source"])
        answer = cell_id.removeprefix("check-")
        if match is None or answer not in by_id:
            raise CourseError(f"{path}: the test cell {cell_id!r} is not a check of this course, so it can't be judged "
                              f"outside the learner's process: grade this assignment with `nbgrader autograde`")
        asked.append(Asked(match[1], answer, cell_id, worth, by_id[answer]["source"]))
    setup = tuple(c["source"] for c in cells if c["cell_type"] == "code" and "setup" in c["metadata"].get("tags", ()))
    return Released(path.stem, notebook, setup, tuple(asked), tuple(written))


def _digest(notebooks: Sequence[Released]) -> str:
    """SHA-256 over all that decides a verdict and its points: the course's sources and what was handed out."""
    told = [[n.name, n.setup, [[a.exercise, a.answer, a.check, a.points, a.stub] for a in n.asked],
             [[w.cell, w.points, w.text] for w in n.written]] for n in notebooks]
    return hashlib.sha256(f"{exercises_digest()}\0{json.dumps(told)}".encode()).hexdigest()


def grade_id(cell: dict[str, Any]) -> str:
    """nbgrader's id of a cell, "" without one."""
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def text_of(source: str | Sequence[str]) -> str:
    """A cell's source, which nbformat may store as a list of lines."""
    return source if isinstance(source, str) else "".join(source)


def imports_of(source: str) -> set[str]:
    """The modules that a cell imports, as dotted names; none of a cell that is not plain Python."""
    found: set[str] = set()
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic, say: its imports are then those of the submission's own run
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def exercises_digest() -> str:
    """SHA-256 of the sources that a verdict depends on: exercises, references, probes, the judge."""
    digest = hashlib.sha256()
    here = ROOT / "autograder"
    files = [*sorted((here / "exercises").rglob("*.py")), *sorted((here / "probes").glob("*.py")),
             *sorted((ROOT / "utils").rglob("*.py")), here / "judging.py", here / "compare.py", here / "exercise.py"]
    for path in files:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

"""Where a class stands: who handed in and when, what is graded, what changed since, what waits for a person.

It reads the folders and the gradebook and changes nothing. A course that was begun with nbgrader alone has no
results of ours: then "changed since" compares times, as nbgrader does, where it otherwise compares contents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..grading.course import Course
from ..grading.results import FAILED, REFUSED, Result
from ..grading.submission import Refused, read_file, read_submission
from . import ClassroomError
from .book import Book, database, gradebook_exists, read_book


@dataclass
class Handed:
    """One student's assignment.

    late_s: seconds after the due date, extension counted. changed: handed in again after it was graded.
    manual: parts that wait for a person. problem: why the grader could not grade it, "" if it could.
    """

    student: str
    name: str = ""
    handed_in: bool = False
    at: datetime | None = None
    late_s: float = 0.0
    graded: bool = False
    changed: bool = False
    manual: int = 0
    score: float | None = None
    penalty: float = 0.0
    problem: str = ""

    @property
    def late(self) -> bool:
        return self.late_s > 0

    def as_dict(self) -> dict:
        return {**asdict(self), "at": self.at.replace(tzinfo=UTC).isoformat() if self.at else None}


@dataclass
class Standing:
    """One assignment and the whole class. due: UTC, without a student's extension."""

    assignment: str
    max_score: float = 0.0
    due: datetime | None = None
    students: list[Handed] = field(default_factory=list)

    def count(self, what: str) -> int:
        return sum(bool(getattr(h, what)) for h in self.students)

    @property
    def to_grade(self) -> int:
        """Handed in, and not graded as it is now."""
        return sum(h.handed_in and (not h.graded or h.changed) for h in self.students)

    @property
    def mean(self) -> float | None:
        """Mean score of those who are graded, penalties taken off."""
        scores = [h.score for h in self.students if h.score is not None]
        return sum(scores) / len(scores) if scores else None

    def as_dict(self) -> dict:
        return {
            "assignment": self.assignment, "max_score": self.max_score,
            "due": self.due.replace(tzinfo=UTC).isoformat() if self.due else None, "students": len(self.students),
            **{what: self.count(what) for what in ("handed_in", "late", "graded", "changed", "manual", "problem")},
            "to_grade": self.to_grade, "mean": self.mean, "each": [h.as_dict() for h in self.students]}


def results_of(course: Course, assignment: str) -> list[Result]:
    """What the grader found for an assignment; empty where it never ran."""
    if not gradebook_exists(course):
        return []
    from ..grading.gradebook import current_results

    return current_results(database(course), assignment)


def course_status(course: Course, assignments: Iterable[str] = (), students: Iterable[str] = ()) -> list[Standing]:
    """Every assignment (or those named), each with every student (or those named). ClassroomError for unknown names."""
    book = read_book(course)
    there = sorted({*course.assignments(), *book.assignments})
    if unknown := [a for a in assignments if a not in there]:
        raise ClassroomError(f"there is no assignment {unknown[0]!r}: the course has {', '.join(there) or 'none yet'}")
    wanted, found = set(students), []
    for assignment in assignments or there:
        standing = _standing(course, book, assignment)
        if wanted:
            standing.students = [h for h in standing.students if h.student in wanted]
        found.append(standing)
    known = {h.student for s in found for h in s.students}
    if missing := sorted(wanted - known):
        raise ClassroomError(f"there is no student {missing[0]!r} in this course")
    return found


def _standing(course: Course, book: Book, assignment: str) -> Standing:
    task = book.assignments.get(assignment)
    standing = Standing(assignment, task.max_score if task else 0.0, task.due if task else None)
    folders = course.submissions(assignment)
    results = {r.student: r for r in results_of(course, assignment)}
    names = sorted(p.stem for p in course.folder(course.release, ".", assignment).glob("*.ipynb"))
    for student in sorted({*book.students, *folders}):
        handed = Handed(student, book.students[student].name if student in book.students else "")
        _from_folder(handed, folders.get(student), standing.due)
        _from_book(handed, book, assignment)
        _from_result(course, assignment, handed, folders.get(student), results.get(student), names)
        standing.students.append(handed)
    return standing


def _from_folder(handed: Handed, folder: Path | None, due: datetime | None) -> None:
    if folder is None:
        return
    handed.handed_in = True
    handed.at = _timestamp(folder)
    if handed.at and due:
        handed.late_s = max(0.0, (handed.at - due).total_seconds())


def _from_book(handed: Handed, book: Book, assignment: str) -> None:
    entry = book.entry(assignment, handed.student)
    if entry is None:
        return
    if handed.at is None:
        handed.at = entry.handed_in
    if handed.at and entry.due:
        handed.late_s = max(0.0, (handed.at - entry.due).total_seconds())
    handed.graded, handed.manual = entry.graded, entry.manual
    if entry.graded:
        handed.score, handed.penalty = entry.score, entry.penalty


def _from_result(course: Course, assignment: str, handed: Handed, folder: Path | None, result: Result | None,
                 names: list[str]) -> None:
    if result is not None:
        if result.status in (REFUSED, FAILED):
            handed.problem = f"{result.status}: {result.reason}" if result.reason else result.status
        handed.graded = handed.graded or result.status != FAILED
        if folder is not None:
            handed.changed = read_submission(folder, assignment, handed.student, names).digest != result.digest
    elif handed.graded and folder is not None:
        handed.changed = _newer(folder, course.folder(course.autograded, handed.student, assignment), names)


def _newer(submitted: Path, autograded: Path, names: list[str]) -> bool:
    """nbgrader's own rule, the times in timestamp.txt; without them the times of the files."""
    before, now = _timestamp(autograded), _timestamp(submitted)
    if before and now:
        return now > before
    times = []
    for folder in (submitted, autograded):
        files = [folder / f"{name}.ipynb" for name in names]
        times.append(max((f.stat().st_mtime for f in files if f.is_file()), default=None))
    return None not in times and times[0] > times[1]


def _timestamp(folder: Path) -> datetime | None:
    """The time in timestamp.txt as nbgrader reads it (UTC, without a zone); None if there is none or it is no time."""
    from nbgrader.utils import parse_utc

    try:
        text = read_file(folder / "timestamp.txt", 200).decode("utf-8", "replace").strip()
        return parse_utc(text) if text else None
    except (Refused, ValueError, OverflowError, TypeError, AttributeError):
        return None

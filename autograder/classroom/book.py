"""nbgrader's gradebook as plain rows: who handed in what, the points, the penalties, what waits for a person."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..grading.course import Course
from . import ClassroomError


@dataclass(frozen=True)
class Student:
    """A student of the gradebook; `name` is "Last, First" as far as it is known."""

    id: str
    first: str = ""
    last: str = ""
    email: str = ""
    lms_id: str = ""

    @property
    def name(self) -> str:
        return ", ".join(part for part in (self.last, self.first) if part)


@dataclass(frozen=True)
class Assignment:
    """An assignment of the gradebook: what it is worth, and when it is due (UTC)."""

    name: str
    max_score: float
    due: datetime | None


@dataclass(frozen=True)
class Entry:
    """One student's assignment in the gradebook.

    points: automatic and manual ones with extra credit, before the penalty for being late.
    graded: whether any part has points. manual: how many parts wait for a person. late_s: seconds late.
    """

    assignment: str
    student: str
    points: float
    penalty: float
    max_score: float
    graded: bool
    manual: int
    handed_in: datetime | None
    due: datetime | None

    @property
    def score(self) -> float:
        """What counts: never below 0, as in nbgrader's own export."""
        return max(0.0, self.points - self.penalty)

    @property
    def late_s(self) -> float:
        if self.handed_in is None or self.due is None:
            return 0.0
        return max(0.0, (self.handed_in - self.due).total_seconds())


@dataclass(frozen=True)
class Book:
    """All that the commands read from a gradebook, at one moment."""

    students: dict[str, Student]
    assignments: dict[str, Assignment]
    entries: dict[tuple[str, str], Entry]

    def entry(self, assignment: str, student: str) -> Entry | None:
        return self.entries.get((assignment, student))


@contextmanager
def open_gradebook(course: Course) -> Iterator[Any]:
    """nbgrader's own Gradebook. Database errors become one sentence."""
    from nbgrader.api import Gradebook, InvalidEntry
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with own_tools_on_path(), Gradebook(database(course), course.course_id) as gradebook:
            yield gradebook
    except (SQLAlchemyError, InvalidEntry, ImportError) as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ClassroomError(f"the gradebook {_shown(database(course))} can't be used ({cause}): if an older nbgrader "
                             "made it, run `nbgrader db upgrade`") from error


@contextmanager
def own_tools_on_path() -> Iterator[None]:
    """nbgrader starts `alembic` by name: find this environment's one, also when it isn't activated."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def read_book(course: Course) -> Book:
    """The gradebook's content; empty when there is no gradebook yet (none is made)."""
    if not gradebook_exists(course):
        return Book({}, {}, {})
    with open_gradebook(course) as gradebook:
        return Book(_students(gradebook), _assignments(gradebook), _entries(gradebook))


def gradebook_exists(course: Course) -> bool:
    """Whether there is something to read. A database server is asked, a file only looked at."""
    from sqlalchemy.engine import make_url

    url = make_url(database(course))
    return not url.drivername.startswith("sqlite") or bool(url.database and Path(url.database).is_file())


def database(course: Course) -> str:
    """The gradebook's address. nbgrader works in the course's folder, so that is where a relative file lies."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(course.db_url)
    except ArgumentError as error:
        raise ClassroomError(f"db_url {course.db_url!r} in nbgrader_config.py is no database address: write one like "
                             "sqlite:///gradebook.db") from error
    if url.drivername.startswith("sqlite") and url.database and url.database != ":memory:":
        url = url.set(database=str(course.root / url.database))
    return url.render_as_string(hide_password=False)


def _shown(db_url: str) -> str:
    """The address without its password."""
    from sqlalchemy.engine import make_url

    return make_url(db_url).render_as_string(hide_password=True)


def _students(gradebook: Any) -> dict[str, Student]:
    from nbgrader.api import Student as Row

    rows = gradebook.db.query(Row.id, Row.first_name, Row.last_name, Row.email, Row.lms_user_id).order_by(Row.id)
    return {r[0]: Student(*(str(v) if v is not None else "" for v in r)) for r in rows}


def _assignments(gradebook: Any) -> dict[str, Assignment]:
    from nbgrader.api import Assignment as Row

    rows = gradebook.db.query(Row.name, Row.max_score, Row.duedate).order_by(Row.name)
    return {name: Assignment(name, float(points), due) for name, points, due in rows}


def _entries(gradebook: Any) -> dict[tuple[str, str], Entry]:
    """One query for the points and one for the penalties: a class of a thousand takes no thousand queries."""
    from nbgrader.api import Assignment as Task
    from nbgrader.api import Grade, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import case, func, or_

    db = gradebook.db
    late = dict(db.query(SubmittedNotebook.assignment_id, func.sum(SubmittedNotebook.late_submission_penalty))
                .group_by(SubmittedNotebook.assignment_id).all())
    has_points = or_(Grade.auto_score.is_not(None), Grade.manual_score.is_not(None))
    rows = (
        db.query(SubmittedAssignment.id, Task.name, SubmittedAssignment.student_id, SubmittedAssignment.timestamp,
                 SubmittedAssignment.extension, Task.duedate, func.sum(Grade.score),
                 func.sum(case((has_points, 1), else_=0)), func.sum(case((Grade.needs_manual_grade, 1), else_=0)))
        .select_from(SubmittedAssignment).join(Task, Task.id == SubmittedAssignment.assignment_id)
        .outerjoin(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .outerjoin(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .group_by(SubmittedAssignment.id, Task.name, SubmittedAssignment.student_id, SubmittedAssignment.timestamp,
                  SubmittedAssignment.extension, Task.duedate))
    worth = {name: a.max_score for name, a in _assignments(gradebook).items()}
    found = {}
    for key, name, student, handed_in, extension, due, points, graded, manual in rows:
        if due is not None and extension is not None:
            due = due + extension
        found[name, student] = Entry(name, student, float(points or 0), float(late.get(key) or 0), worth[name],
                                     bool(graded), int(manual or 0) if graded else 0, handed_in, due)
    return found

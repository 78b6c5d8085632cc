"""Grades out of nbgrader's gradebook: as CSV, and as Canvas and Moodle import them.

Canvas (`lib/gradebook_importer.rb` of canvas-lms): Student, ID, SIS User ID, SIS Login ID, Section, then a
column an assignment, found by its title or by "Title (number)"; a line "    Points Possible". A student is
found by ID, then by SIS User ID, then by SIS Login ID, then by name.
Moodle, gradebook (Import → CSV file): any columns, mapped by hand; students by ID number or e-mail address.
Moodle, grading worksheet of one assignment (`mod/assign/feedback/offline`): needs Identifier, Grade and
"Last modified (grade)" as they were downloaded; it comes from `--roster WORKSHEET`.
Both read an empty cell as "no grade" and take away one that is there: a student without any grade gets no
line, and grades that aren't final stay out unless asked for.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from . import ClassroomError
from .book import Assignment, Book, Entry, Student
from .roster import Person, Roster, squeezed


class Layout(StrEnum):
    csv = "csv"
    canvas = "canvas"
    moodle = "moodle"


CSV_COLUMNS = ("assignment", "student_id", "last_name", "first_name", "email", "lms_user_id", "handed_in", "due",
               "late_hours", "points", "late_penalty", "score", "max_score", "state")
CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POINTS_POSSIBLE = "    Points Possible"
WORKSHEET_GRADE, WORKSHEET_CHANGED = "Grade", "Last modified (grade)"
# OWASP, "CSV Injection": what a spreadsheet takes for the start of a formula. Full-width forms are in it too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
GRADED, WAITING, NOTHING, UNGRADED = "graded", "waiting", "not handed in", "not graded"


@dataclass
class Exported:
    """A table of grades and what its reader should know.

    waiting: (assignment, student) with parts that a person has yet to grade. unmatched: students that the
    roster doesn't list.
    """

    rows: list[list[Any]]
    students: int = 0
    grades: int = 0
    waiting: list[tuple[str, str]] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export_grades(book: Book, assignments: Sequence[str], layout: Layout, *, roster: Roster | None = None,
                  provisional: bool = False, students: Iterable[str] = ()) -> Exported:
    """The grades of some assignments as a table. ClassroomError if there are none to be had.

    provisional: give the points so far also where parts wait for a person (csv always does, and says so).
    """
    if missing := [a for a in assignments if a not in book.assignments]:
        there = ", ".join(book.assignments) or "nothing yet"
        raise ClassroomError(f"{missing[0]} is not in the gradebook: it has {there}")
    if unknown := [s for s in students if s not in book.students]:
        raise ClassroomError(f"there is no student {unknown[0]!r} in the gradebook")
    chosen = [book.students[s] for s in (students or book.students)]
    tasks = [book.assignments[a] for a in assignments]
    write = {Layout.csv: _csv, Layout.canvas: _canvas, Layout.moodle: _moodle}[layout]
    made = write(book, tasks, chosen, roster, provisional)
    made.waiting = [(t.name, s.id) for t in tasks for s in chosen
                    if (e := book.entry(t.name, s.id)) and e.graded and e.manual]
    return made


def state(entry: Entry | None) -> str:
    """In a word: "graded", "waiting" (for a person), "not graded", "not handed in"."""
    if entry is None:
        return NOTHING
    if not entry.graded:
        return UNGRADED
    return WAITING if entry.manual else GRADED


def _csv(book: Book, tasks: list[Assignment], students: list[Student], roster: Roster | None,
         provisional: bool) -> Exported:
    made = Exported([list(CSV_COLUMNS)], students=len(students))
    for task in tasks:
        for student in students:
            entry = book.entry(task.name, student.id)
            due = entry.due if entry else task.due
            known = [task.name, student.id, student.last, student.first, student.email, student.lms_id,
                     entry.handed_in if entry else None, due]
            if entry and entry.graded:
                points = [round(entry.late_s / 3600, 2), entry.points, entry.penalty, entry.score]
                made.grades += 1
            else:
                points = [None] * 4
            made.rows.append([*known, *points, task.max_score, state(entry)])
    return made


def _final(entry: Entry | None, provisional: bool) -> float | None:
    """The score for an LMS, None where there is none that counts."""
    return entry.score if entry and entry.graded and (provisional or not entry.manual) else None


def _canvas(book: Book, tasks: list[Assignment], students: list[Student], roster: Roster | None,
            provisional: bool) -> Exported:
    titles = [_canvas_title(task.name, roster) for task in tasks]
    made = Exported([[*CANVAS_COLUMNS, *titles],
                     [POINTS_POSSIBLE, None, None, None, None, *(task.max_score for task in tasks)]])
    lines, unmatched = _lines(book, tasks, students, roster, provisional, _canvas_identity)
    _fill(made, lines, unmatched)
    if not roster and lines and not all(student.lms_id for student, _, _ in lines):
        made.notes.append("Canvas finds students by ID or SIS Login ID: give its own gradebook export with --roster to "
                          "have both right")
    return made


def _canvas_title(name: str, roster: Roster | None) -> str:
    """The column as Canvas's own export has it, "12_flops (4711)", else the plain name."""
    for column in roster.columns if roster else ():
        if squeezed(column.rsplit("(", 1)[0]) == squeezed(name):
            return column
    return name


def _canvas_identity(student: Student, person: Person | None) -> list[Any]:
    if person:
        login = person.has("sis login id") or ("" if "section" in person.row else student.id)
        return [person.has("student") or person.name, person.lms_id, person.has("sis user id"), login,
                person.has("section")]
    return [student.name or student.id, student.lms_id, None, student.id, None]


def _moodle(book: Book, tasks: list[Assignment], students: list[Student], roster: Roster | None,
            provisional: bool) -> Exported:
    if roster and roster.is_moodle_worksheet:
        return _worksheet(book, tasks, students, roster, provisional)
    made = Exported([["ID number", "Email address", "First name", "Last name", *(task.name for task in tasks)]])
    lines, unmatched = _lines(book, tasks, students, roster, provisional, _moodle_identity)
    _fill(made, lines, unmatched)
    made.notes.append("In Moodle: Grades → Import → CSV file, map \"ID number\" or \"Email address\" to the user, and "
                      "each other column to its grade item")
    if len(tasks) > 1 and any(None in row[4:] for row in made.rows[1:]):
        made.notes.append("Moodle takes an empty cell for \"no grade\": import one chapter at a time if grades are "
                          "there already")
    return made


def _moodle_identity(student: Student, person: Person | None) -> list[Any]:
    if person:
        return [person.has("id number"), person.email, person.first, person.last]
    mail = student.email or (student.id if "@" in student.id else "")
    return ["" if mail == student.id else student.id, mail, student.first, student.last]


def _worksheet(book: Book, tasks: list[Assignment], students: list[Student], roster: Roster,
               provisional: bool) -> Exported:
    """Moodle's own worksheet with the grades filled in. Columns with feedback are left out: Moodle would take
    a changed text for a new one."""
    if len(tasks) != 1:
        raise ClassroomError("a grading worksheet of Moodle belongs to one assignment: choose it with --chapter")
    keep = [c for c in roster.columns if c.lower() in
            {"identifier", "full name", "id number", "email address", "status", "grade", "maximum grade",
             "grade can be changed", "last modified (submission)", "last modified (grade)"}]
    if not {WORKSHEET_GRADE, WORKSHEET_CHANGED} <= set(keep):
        raise ClassroomError(f"the worksheet has no column {WORKSHEET_CHANGED!r}: download it in Moodle set to English")
    lines, unmatched = _lines(book, tasks, students, roster, provisional, lambda student, person: person)
    made = Exported([keep])
    _fill(made, [], unmatched)
    for _, person, grades in lines:
        if person:
            made.rows.append([grades[0] if c == WORKSHEET_GRADE else person.has(c.lower()) for c in keep])
    made.students = made.grades = len(made.rows) - 1
    maximum = {p.has("maximum grade").replace(",", ".") for p in roster.people} - {""}
    if any(_number(m) != tasks[0].max_score for m in maximum):
        made.notes.append(f"{tasks[0].name} is worth {tasks[0].max_score:g} points here and "
                          f"{', '.join(sorted(maximum))} in Moodle: set \"Maximum grade\" of the assignment there")
    return made


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _lines(book: Book, tasks: list[Assignment], students: list[Student], roster: Roster | None, provisional: bool,
           identity: Any) -> tuple[list[tuple[Student, Any, list[float | None]]], list[str]]:
    """(student, what identifies her, grades) for each student who has a grade, and those the roster lacks."""
    lines, unmatched = [], []
    for student in students:
        grades = [_final(book.entry(task.name, student.id), provisional) for task in tasks]
        if all(g is None for g in grades):
            continue
        person = roster.of(student.id) if roster else None
        if roster and not person:
            unmatched.append(student.id)
        lines.append((student, identity(student, person), grades))
    return lines, unmatched


def _fill(made: Exported, lines: list[tuple[Student, list[Any], list[float | None]]], unmatched: list[str]) -> None:
    made.rows += [[*known, *grades] for _, known, grades in lines]
    made.students = len(lines)
    made.grades = sum(g is not None for _, _, grades in lines for g in grades)
    made.unmatched = unmatched


# --- writing --------------------------------------------------------------------------------------


def cell(value: Any) -> str:
    """A value as it stands in a file. Numbers stay numbers; a text that a spreadsheet would run gets a '."""
    if value is None:
        return ""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{round(value, 4):.10g}"
    text = value.isoformat(" ", "seconds") + " UTC" if hasattr(value, "isoformat") else str(value)
    text = text.replace("\0", "")
    return "'" + text if text.lstrip(" \u00a0").startswith(FORMULA) or text.startswith(FORMULA) else text


def as_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV, RFC 4180: commas, quotes doubled, lines end in CR LF."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows([cell(v) for v in row] for row in rows)
    return out.getvalue()


def write_table(path: Path, rows: Iterable[Iterable[Any]], *, bom: bool = False) -> None:
    """Write CSV in UTF-8 as a whole or not at all; readable for its owner alone, since grades are private.

    bom: begin with a byte order mark, which Excel needs to see UTF-8.
    """
    data = as_text(rows).encode("utf-8-sig" if bom else "utf-8")
    if path.is_dir():
        raise ClassroomError(f"{path} is a folder: name a file with --to")
    if not path.parent.is_dir():
        raise ClassroomError(f"{path.parent} is no folder: make it, or name another file with --to")
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise

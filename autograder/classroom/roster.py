"""Who is who: the list of a class as Canvas or Moodle exports it, or a CSV of one's own.

Canvas, "Export" in the gradebook: Student, ID, SIS User ID, SIS Login ID, Section. Moodle, the grading
worksheet of an assignment: Identifier ("Participant 123456"), Full name, ID number, Email address; or the
gradebook's export: First name, Last name, ID number, Email address. Of one's own: a column `student_id`.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import ClassroomError

# The columns that may name a student in the course, the best one first.
ID_COLUMNS = ("student_id", "student id", "sis login id", "sis user id", "username", "id number", "email address", "id")
FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f*?\[\]:<>|\"]")


@dataclass(frozen=True)
class Person:
    """One line of a roster. student: the id in the course. lms_id: the number that names a file's owner.
    row: the line as it stands in the file, by lower-case column."""

    student: str
    name: str = ""
    first: str = ""
    last: str = ""
    email: str = ""
    lms_id: str = ""
    row: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def spellings(self) -> set[str]:
        """The forms in which the name may stand in a file name."""
        return {squeezed(n) for n in (self.name, self.last + self.first, self.first + self.last, self.student)}

    def has(self, column: str) -> str:
        return self.row.get(column, "")


@dataclass(frozen=True)
class Roster:
    """The people of a class and the columns of the file, in their order."""

    people: list[Person]
    columns: list[str] = field(default_factory=list)

    @property
    def is_canvas(self) -> bool:
        return {"student", "section"} <= {c.lower() for c in self.columns}

    @property
    def is_moodle_worksheet(self) -> bool:
        return {"identifier", "grade"} <= {c.lower() for c in self.columns}

    def find(self, *, number: str = "", name: str = "", lasting: bool = True) -> Person | None:
        """The person with an LMS's number; without one that fits, the only one with that name.

        lasting: the number belongs to the person (Canvas), so somebody of the same name with another number
        is somebody else. Moodle's number belongs to one assignment.
        """
        if number:
            found = [p for p in self.people if p.lms_id == number]
            if len(found) == 1:
                return found[0]
        wanted = squeezed(name)
        found = [p for p in self.people if wanted and wanted in p.spellings
                 and not (number and lasting and p.lms_id)]
        return found[0] if len(found) == 1 else None

    def of(self, student: str) -> Person | None:
        return next((p for p in self.people if p.student == student), None)


def squeezed(name: str) -> str:
    """A name as Canvas puts it into file names: letters and digits only, in lower case."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", name)).lower()


def is_student_id(name: str) -> bool:
    """Whether nbgrader takes `name` as a student: one plain folder, no pattern, at most 128 characters."""
    return (0 < len(name) <= 128 and len(name.encode()) <= 255 and name.strip() == name
            and not name.startswith(".") and not name.endswith(".") and "," not in name and not FORBIDDEN.search(name))


def read_roster(path: Path, id_column: str = "") -> Roster:
    """Read a class list. ClassroomError with a sentence if it can't be used.

    id_column: the column with the students' ids in the course, when the obvious one is wrong.
    """
    columns, rows = _table(path)
    keyed = [{c.lower(): v.strip() for c, v in zip(columns, row)} for row in rows]
    keyed = [row for row in keyed if _is_person(row)]
    if not keyed:
        raise ClassroomError(f"{path} lists nobody: it needs a line of column names and a line for each student")
    column = _id_column(path, keyed, id_column.lower())
    people = [_person(row, column) for row in keyed]
    twice = [s for s, n in Counter(p.student for p in people).items() if n > 1]
    if twice:
        raise ClassroomError(f"{path} has {twice[0]!r} more than once in the column {column!r}: choose another one "
                             "with --id-column")
    return Roster(people, columns)


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise ClassroomError(f"{path} can't be read as a roster ({error}): save it as CSV in UTF-8") from error
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise ClassroomError(f"{path} is not CSV ({error}): save it as CSV in UTF-8") from error
    if not rows:
        raise ClassroomError(f"{path} is empty: it needs a line of column names and a line for each student")
    return [c.strip() for c in rows[0]], rows[1:]


def _is_person(row: dict[str, str]) -> bool:
    """Canvas has a line of possible points, one about hidden grades, and a test student."""
    name = row.get("student") or row.get("lastname", "")
    if "Points Possible" in name or name == "Student, Test" or ("student" in row and not name):
        return False
    return any(row.values())


def _id_column(path: Path, rows: list[dict[str, str]], wanted: str) -> str:
    if wanted and wanted not in rows[0]:
        raise ClassroomError(f"{path} has no column {wanted!r}; it has {', '.join(rows[0])}")
    for column in (wanted,) if wanted else ID_COLUMNS:
        values = [row.get(column, "") for row in rows]
        if all(values) and all(is_student_id(v) for v in values):
            return column
        bad = next((v for v in values if not is_student_id(v)), "")
        if wanted:
            raise ClassroomError(f"{bad!r} in the column {wanted!r} of {path} can't be a student's id: ids are folder "
                                 "names, without / and *")
    raise ClassroomError(f"no column of {path} names every student: add one called student_id, or give --id-column")


def _person(row: dict[str, str], column: str) -> Person:
    full = row.get("student") or row.get("full name") or row.get("name", "")
    first = row.get("first name") or row.get("first_name") or row.get("firstname", "")
    last = row.get("last name") or row.get("last_name") or row.get("lastname") or row.get("surname", "")
    if not last and "," in full:
        last, _, first = (part.strip() for part in full.partition(","))
    number = re.search(r"(\d+)$", row.get("identifier", ""))
    lms_id = number[1] if number else row.get("lms_user_id") or row.get("id", "")
    return Person(row[column], full or f"{first} {last}".strip(), first, last or full,
                  row.get("email address") or row.get("email", ""), lms_id, row)

"""An LMS's download into `submitted/STUDENT/NN_slug/`: looked at first, then carried out student by student.

Each student's folder appears as a whole or not at all. What is already there stays, unless `force`; then
the older folder is kept beside the new one under a name that begins with a dot, which nbgrader passes over.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..grading.course import Course
from . import ClassroomError
from .archive import Archive, EntryError, open_archive
from .book import gradebook_exists, open_gradebook, read_book
from .naming import Format, Upload, find_format, resubmission, uploads
from .roster import Person, Roster, is_student_id

IMPORTED, REPLACED, KEPT, SAME, REFUSED = "imported", "replaced", "kept", "unchanged", "refused"
FROM_ZIP, NO_TIME = "zip", "none"


@dataclass
class Handed:
    """What becomes of one student's files.

    action: "imported", "replaced" (an older one stood there), "kept" (an older one stands there and stays),
    "unchanged" (the same is there), "refused" (`notes` say why).
    """

    student: str
    name: str = ""
    file: str = ""
    action: str = IMPORTED
    handed_in: datetime | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Import:
    """The outcome of an import: one `Handed` a student, and files that belong to nobody."""

    assignment: str
    kind: Format
    students: list[Handed]
    strays: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)

    def count(self, action: str) -> int:
        return sum(h.action == action for h in self.students)

    def as_dict(self) -> dict[str, Any]:
        each = [{**vars(h), "handed_in": h.handed_in.isoformat() if h.handed_in else None} for h in self.students]
        return {"assignment": self.assignment, "format": str(self.kind), "students": each, "notes": self.notes,
                "strays": [{"file": name, "reason": reason} for name, reason in self.strays]}


def import_zip(course: Course, assignment: str, file: Path, *, kind: Format = Format.auto, roster: Roster | None = None,
               time: str = FROM_ZIP, force: bool = False, dry_run: bool = False) -> Import:
    """Take the notebooks of a zip as submissions of an assignment. ClassroomError if the zip can't be used.

    time: "zip", "none", or a date and time (UTC unless it says a zone) for all of them.
    """
    notebook = released_notebook(course, assignment)
    with open_archive(file) as archive:
        # A name that is a trap says nothing about whose file it is.
        traps = [(e.name, e.refused) for e in archive.entries if e.refused]
        entries = [e for e in archive.entries if not e.refused]
        if kind == Format.auto:
            kind = find_format(entries)
        found, unnamed = uploads(entries, kind)
        outcome = Import(assignment, kind, [], traps + [(e.name, "its name doesn't say whose it is") for e in unnamed])
        groups = _by_student(course, found, kind, roster, outcome)
        due = read_book(course).assignments.get(assignment)
        for (student, person), files in sorted(groups.items(), key=lambda item: item[0][0]):
            handed, upload, data = _choose(archive, student, files, notebook)
            handed.name = person.name if person else ("" if kind == Format.folder else files[0].who)
            handed.handed_in = _time(handed, upload, kind, time, due.due if due else None)
            if upload:
                _carry_out(course.folder(course.submitted, student, assignment), course.submitted, notebook.stem,
                           handed, data, force=force, dry_run=dry_run)
            outcome.students.append(handed)
    _general_notes(outcome, time)
    if not dry_run:
        _register(course, outcome, groups, roster, kind)
    return outcome


def released_notebook(course: Course, assignment: str) -> Path:
    """The notebook that was handed out for an assignment. ClassroomError if there isn't exactly one."""
    found = sorted(course.folder(course.release, ".", assignment).glob("*.ipynb"))
    if not found:
        raise ClassroomError(f"{assignment} was never released in {course.root}: run `autograder classroom create "
                             f"{course.root} --chapters {assignment[:2]}`")
    named = [p for p in found if p.stem == assignment]
    if len(found) > 1 and not named:
        raise ClassroomError(f"{assignment} has {len(found)} notebooks: collect it with `nbgrader zip_collect`")
    return (named or found)[0]


# --- whose is it ----------------------------------------------------------------------------------


def _by_student(course: Course, found: list[Upload], kind: Format, roster: Roster | None,
                outcome: Import) -> dict[tuple[str, Person | None], list[Upload]]:
    known = {s.lms_id: s.id for s in read_book(course).students.values() if s.lms_id} if kind == Format.canvas else {}
    groups: dict[str, list[Upload]] = defaultdict(list)
    people: dict[str, Person | None] = {}
    for upload in found:
        student, person, problem = _whose(upload, kind, roster, known)
        if problem:
            outcome.strays.append((upload.entry.name, problem))
            continue
        people[student] = person
        groups[student].append(upload)
    for student in list(groups):
        # Two people of one name: nobody can tell their files apart without a list of the class.
        if len({u.number for u in groups[student]}) > 1:
            outcome.strays += [(u.entry.name, f"several people are called {u.who!r}: give --roster with their numbers")
                               for u in groups.pop(student)]
    return {(student, people[student]): files for student, files in groups.items()}


def _whose(upload: Upload, kind: Format, roster: Roster | None,
           known: dict[str, str]) -> tuple[str, Person | None, str]:
    """(student, line of the roster, "") or ("", None, why not)."""
    if roster:
        person = roster.find(number=upload.number, name=upload.who, lasting=kind == Format.canvas)
        if person:
            return person.student, person, ""
        if kind != Format.folder or not is_student_id(upload.who):
            return "", None, f"{upload.who!r} is not in the roster"
    if kind == Format.folder:
        student = upload.who.strip()
    elif kind == Format.canvas:
        anonymous = upload.who.startswith("anon_")
        student = known.get(upload.number) or (upload.who if anonymous else f"{upload.who}_{upload.number}")
    else:
        # Moodle's number is another one in every assignment: only the name lasts.
        student = re.sub(r"[\s/\\:*?\"<>|\[\],.]+", "_", upload.who.strip()).strip("_").lower()
    if not is_student_id(student):
        return "", None, f"{student!r} can't be a student's id: ids are folder names, without / and *"
    return student, None, ""


# --- which of several files -----------------------------------------------------------------------


def _choose(archive: Archive, student: str, files: list[Upload],
            notebook: Path) -> tuple[Handed, Upload | None, bytes]:
    """The newest notebook of this chapter among a student's files, with its content; the others are named."""
    asked = _grade_ids(notebook.read_bytes())
    readable: list[tuple[tuple, Upload, bytes]] = []
    handed = Handed(student)
    for upload in files:
        try:
            data = archive.read(upload.entry)
        except EntryError as error:
            handed.notes.append(f"{upload.original} {error}")
            continue
        fits = len(asked & _grade_ids(data))
        again = resubmission(upload.original, notebook.stem)
        written = upload.entry.written or datetime.min.replace(tzinfo=UTC)
        readable.append(((fits > 0, again is not None, upload.order, again or 0, written), upload, data))
    if not readable:
        handed.action = REFUSED
        return handed, None, b""
    readable.sort(key=lambda item: item[0])
    (fits, *_), upload, data = readable[-1]
    handed.file = upload.original
    if asked and not fits:
        handed.notes.append(f"{upload.original} holds no exercise of {notebook.stem}")
    for _, other, _ in readable[:-1]:
        handed.notes.append(f"took {upload.original}, not {other.original}" if other.original != upload.original
                            else f"took the newest of several {upload.original}")
    return handed, upload, data


def _grade_ids(data: bytes) -> set[str]:
    """nbgrader's cell ids in a notebook; empty for what is no notebook."""
    try:
        cells = json.loads(data)["cells"]
        ids = {c["metadata"]["nbgrader"]["grade_id"] for c in cells if "nbgrader" in c.get("metadata", {})}
        return {i for i in ids if isinstance(i, str)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()


# --- when -----------------------------------------------------------------------------------------


def parse_time(text: str) -> datetime | None:
    """None for "zip" and "none", else the moment in UTC. ClassroomError for what is no time."""
    if text in (FROM_ZIP, NO_TIME):
        return None
    # nbgrader's own parser takes the "+0200" of a zone for 200 seconds, and a zone that it doesn't know for none.
    plain = re.sub(r"\s+(?=[+-]\d)", "", re.sub(r"\s*(UTC|GMT|Z)$", "+00:00", text.strip()))
    try:
        moment = datetime.fromisoformat(plain)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ClassroomError(f"{text!r} is no time: give --time zip, --time none or a moment like "
                             "--time \"2026-11-26 23:59 UTC\"") from error


def _time(handed: Handed, upload: Upload | None, kind: Format, time: str, due: datetime | None) -> datetime | None:
    """When it was handed in. An LMS writes the moment of the download into its zip: an upper bound only.

    So what Canvas doesn't call late, or Moodle says nothing about, is never later than the due date.
    """
    if time != FROM_ZIP:
        return parse_time(time)
    written = upload.entry.written if upload else None
    if kind == Format.folder or written is None or due is None:
        return written
    limit = due.replace(tzinfo=UTC)
    if upload.late:
        handed.notes.append("late by an unknown time: the zip has the time of the download; give --time if it counts")
        return written
    return min(written, limit)


def _general_notes(outcome: Import, time: str) -> None:
    if time == FROM_ZIP and outcome.kind != Format.folder and outcome.students:
        marks = "What isn't marked LATE counts" if outcome.kind == Format.canvas else "All of them count"
        outcome.notes.append(f"{outcome.kind.capitalize()} writes the time of the download into its zip, not when a "
                             f"file was handed in. {marks} as in time; --time sets another one.")


# --- carrying it out ------------------------------------------------------------------------------


def _carry_out(target: Path, top: Path, stem: str, handed: Handed, data: bytes, *, force: bool, dry_run: bool) -> None:
    """Put a notebook into the folder `target` below `top`, or say in `handed` why not."""
    old = target / f"{stem}.ipynb"
    if any(p.is_symlink() for p in (target, *target.parents) if top in p.parents):
        _refuse(handed, f"{target} is a link or lies behind one: remove the link")
    elif target.exists() and not target.is_dir():
        _refuse(handed, f"{target} is a file, not a folder: move it away")
    elif old.is_file() and not old.is_symlink() and old.read_bytes() == data:
        handed.action = SAME
    elif target.is_dir() and any(target.iterdir()) and not force:
        handed.action = KEPT
        handed.notes.append("something else was handed in before and stays: --force replaces it")
    else:
        handed.action = REPLACED if target.is_dir() and any(target.iterdir()) else IMPORTED
        try:
            if not dry_run:
                _place(target, stem, handed, data)
        except OSError as error:
            _refuse(handed, f"can't be written ({error.strerror or error}): make room or fix the folder's rights")


def _refuse(handed: Handed, why: str) -> None:
    handed.action = REFUSED
    handed.notes.append(why)


def _place(target: Path, stem: str, handed: Handed, data: bytes) -> None:
    """Write into a draft folder beside the target, then put it in its place in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.draft-", dir=target.parent))
    try:
        draft.chmod(0o755)
        (draft / f"{stem}.ipynb").write_bytes(data)
        if handed.handed_in:
            (draft / "timestamp.txt").write_text(f"{handed.handed_in:%Y-%m-%d %H:%M:%S} UTC", encoding="utf-8")
        kept = None
        if target.exists():
            kept = _free(target.with_name(f".{target.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}"))
            os.rename(target, kept)
        try:
            os.rename(draft, target)
        except OSError:
            if kept:
                os.rename(kept, target)
            raise
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(draft)
        raise
    if kept:
        handed.notes.append(f"the older one is kept in {kept.name}")


def _free(path: Path) -> Path:
    names = (path, *(path.with_name(f"{path.name}-{n}") for n in range(1, 1000)))
    return next(p for p in names if not p.exists())


def _register(course: Course, outcome: Import, groups: dict, roster: Roster | None, kind: Format) -> None:
    """Names and numbers into the gradebook, where they are missing; nothing that stands there is changed."""
    people = {p.student: p for p in roster.people} if roster else {}
    for (student, person), files in groups.items():
        if not person and kind != Format.folder:
            number = files[0].number if kind == Format.canvas and not files[0].who.startswith("anon_") else ""
            people.setdefault(student, Person(student, files[0].who, last=files[0].who, lms_id=number))
    if not people or not gradebook_exists(course):
        return
    # Moodle's number belongs to one assignment and says nothing about a person.
    lasting = not (roster and roster.is_moodle_worksheet)
    with open_gradebook(course) as gradebook:
        there = {s.id: s for s in gradebook.students}
        for person in people.values():
            known = {"first_name": person.first, "last_name": person.last, "email": person.email,
                     "lms_user_id": person.lms_id if lasting else ""}
            old = there.get(person.student)
            new = {k: v for k, v in known.items() if v and not (old and getattr(old, k))}
            if new or not old:
                gradebook.update_or_create_student(person.student, **new)



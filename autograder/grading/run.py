"""A whole run of the grader: what is to be graded, through the workers, into the gradebook and the folders."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..chapters import ROOT
from ..notebooks.build import write_text
from . import pages
from .assignment import Assignment, load_assignment
from .course import Course, CourseError
from .grade import Graded
from .gradebook import Gradebook, current_results, result_key
from .results import FAILED, GRADED, REFUSED, Result
from .submission import NOTES, TIMESTAMP, Submission, read_note, read_submission
from .workers import LocalPool, Settings

Listener = Callable[["Progress"], None]
_ZONE = re.compile(r"[A-Za-z][\w+/-]*")  # no path: the text comes with a submission


@dataclass
class Progress:
    """How far a run is; sent after every submission, `last`, and once more where others were skipped after it."""

    assignment: str
    done: int
    total: int
    last: Result | None = None


@dataclass
class Summary:
    """What a run did. conflicts: submissions whose scores differ from those recorded under the same key."""

    results: list[Result] = field(default_factory=list)
    skipped: int = 0
    conflicts: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    seconds: float = 0.0
    first_result_s: float | None = None
    planned: list[tuple[str, str]] = field(default_factory=list)

    def count(self, status: str) -> int:
        return sum(r.status == status for r in self.results)

    def as_dict(self) -> dict[str, Any]:
        return {
            "graded": self.count(GRADED), "refused": self.count(REFUSED), "failed": self.count(FAILED),
            "skipped": self.skipped, "conflicts": self.conflicts, "layers": self.layers, "seconds": self.seconds,
            "first_result_s": self.first_result_s, "sandbox_cpu_seconds": sum(r.cpu_seconds for r in self.results),
            "planned": [list(p) for p in self.planned],
            "results": [{"assignment": r.assignment, "student": r.student, "status": r.status, "reason": r.reason,
                         "points": r.points, "max_points": r.max_points, "seconds": r.seconds} for r in self.results],
        }


def grade_course(course: Course, assignments: list[str], settings: Settings, *, jobs: int,
                 students: list[str] | None = None, again: bool = False, dry_run: bool = False,
                 scheduler: str = "", listener: Listener | None = None) -> Summary:
    """Grade what was handed in and has no result yet (everything with `again`).

    A run that was interrupted is resumed by running it again: what is recorded is not graded twice. Raises
    CourseError, GradebookError or NoSandbox with a sentence; for nothing that a submission holds.
    """
    started = time.monotonic()
    summary = Summary()
    with Gradebook(course, late_penalty(course), read_only=dry_run) as book:
        plan = [_Plan.of(course, book, name, students, again) for name in assignments]
        pending = itertools.chain.from_iterable(p.pending(summary) for p in plan)
        if dry_run:
            summary.planned = [(s.assignment, s.student) for s in pending]
            return summary
        check_writable(course)
        first = next(pending, None)
        if first is not None:
            by_name = {p.assignment.name: p for p in plan}
            with _engine([p.assignment for p in plan], settings, jobs, scheduler) as engine:
                for graded in engine.run(itertools.chain([first], pending)):
                    if summary.first_result_s is None:
                        summary.first_result_s = time.monotonic() - started
                    summary.layers = list(engine.layers)
                    each = by_name[graded.result.assignment]
                    _record(course, book, each.assignment, graded, each.folders[graded.result.student], summary)
                    summary.results.append(graded.result)
                    each.done += 1
                    if listener is not None:
                        listener(each.progress(graded.result))
            for each in plan:  # what was skipped after the last one that was graded
                if listener is not None and each.told < each.done:
                    listener(each.progress())
    summary.seconds = time.monotonic() - started
    return summary


@dataclass
class _Plan:
    """What is to be graded of one assignment. done: submissions that have a result; told: as of the last progress."""

    assignment: Assignment
    folders: dict[str, Path]
    known: set[str]
    done: int = 0
    told: int = 0

    def progress(self, last: Result | None = None) -> Progress:
        self.told = self.done
        return Progress(self.assignment.name, self.done, len(self.folders), last)

    @classmethod
    def of(cls, course: Course, book: Gradebook, name: str, students: list[str] | None, again: bool) -> _Plan:
        assignment = load_assignment(course, name, book.points(name))
        folders = _chosen(course.submissions(name), students, name)
        return cls(assignment, folders, set() if again else book.keys(name))

    def pending(self, summary: Summary) -> Iterator[Submission]:
        """The submissions without a result, read one by one when they are due."""
        names = [n.name for n in self.assignment.notebooks]
        for student, folder in self.folders.items():
            submission = read_submission(folder, self.assignment.name, student, names)
            key = result_key(self.assignment.name, student, submission.digest, self.assignment.exercises_digest)
            if key in self.known:
                summary.skipped += 1
                self.done += 1
            else:
                yield submission


def _engine(assignments: list[Assignment], settings: Settings, jobs: int, scheduler: str) -> Any:
    if scheduler:
        from .cluster import DaskEngine

        return DaskEngine(assignments, settings, scheduler)
    return LocalPool(assignments, settings, jobs)


def _chosen(folders: dict[str, Path], students: list[str] | None, name: str) -> dict[str, Path]:
    if students is None:
        return folders
    missing = [s for s in students if s not in folders]
    if missing:
        raise CourseError(f"{', '.join(missing)} handed in nothing for {name}")
    return {s: folders[s] for s in students}


def _record(course: Course, book: Gradebook, assignment: Assignment, graded: Graded, folder: Path,
            summary: Summary) -> None:
    """Files first, then the gradebook: what the gradebook says is done has its files. Where another result stands
    already, its files stay as well."""
    result = graded.result
    notes = {name: read_note(folder, name) for name in NOTES}
    handed_in = parse_timestamp(notes[TIMESTAMP].strip())
    before = book.recorded(assignment, result)
    if result.status != FAILED and (before is None or before.scores() == result.scores()):
        write_pages(course, book, assignment, graded, notes)
    recorded = book.record(assignment, result, handed_in)
    if recorded.conflict:
        summary.conflicts.append(f"{result.assignment}, {result.student}: {recorded.conflict}")


def write_pages(course: Course, book: Gradebook, assignment: Assignment, graded: Graded,
                notes: dict[str, str]) -> None:
    """The graded notebooks and feedback pages of a result. notes: texts of NOTES by file name."""
    result = graded.result
    given = book.foreseen(result, parse_timestamp(notes[TIMESTAMP].strip()))
    target = course.folder(course.autograded, result.student, result.assignment)
    feedback = course.folder(course.feedback, result.student, result.assignment)
    for released, told in zip(assignment.notebooks, result.notebooks):
        content = pages.content_of(graded, released)
        _put(target / f"{released.name}.ipynb", pages.graded_notebook(content, told, released))
        _put(feedback / f"{released.name}.html",
             pages.feedback_page(content, told, released, result.student, given.get(released.name)))
    for name, text in notes.items():
        for folder in (target, feedback) if text else ():
            _put(folder / name, text)
    for path in course.folder(course.release, ".", result.assignment).iterdir():
        if path.is_file() and path.suffix != ".ipynb" and not (target / path.name).exists():
            _put(target / path.name, path)


def _put(path: Path, content: str | Path) -> None:
    """Write a text, or copy a file, as a whole or not at all. Raises CourseError."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        if isinstance(content, str):
            write_text(path, content)
        else:
            shutil.copyfile(content, draft)
            draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise CourseError(f"{path} can't be written ({error.strerror}): make its folder writable or free some space, "
                          "then run this again; what was recorded before is safe") from error


def rewrite_feedback(course: Course, names: list[str], students: list[str] | None = None) -> int:
    """Write the feedback pages anew from what lies in `autograded/` and the gradebook, with what people gave and
    wrote since. The number of pages."""
    count = 0
    with Gradebook(course, read_only=True) as book:
        for name in names:
            assignment = load_assignment(course, name, book.points(name))
            for result in current_results(book.engine, name):
                if result.status == FAILED or (students and result.student not in students):
                    continue
                given = book.given(name, result.student)
                for released, told in zip(assignment.notebooks, result.notebooks):
                    content = _stored_content(course, result, released)
                    page = pages.feedback_page(content, told, released, result.student, given.get(released.name))
                    _put(course.folder(course.feedback, result.student, name) / f"{released.name}.html", page)
                    count += 1
    return count


def _stored_content(course: Course, result: Result, released: Any) -> pages.Content:
    path = course.folder(course.autograded, result.student, result.assignment) / f"{released.name}.ipynb"
    try:
        return pages.content_from(json.loads(path.read_text(encoding="utf-8")), released)
    except (OSError, ValueError, KeyError):
        return pages.Content({}, {}, {})


def parse_timestamp(text: str) -> datetime.datetime | None:
    """A time of handing in as nbgrader writes it ("2026-01-05 10:00:00.000000 UTC"), in UTC without a zone; None for
    what is no time. The zone may be a name ("Europe/Berlin") or hours ("+0200")."""
    import dateutil.parser
    import dateutil.tz

    moment, _, name = text.rpartition(" ")
    named = _ZONE.fullmatch(name) is not None and moment.count(" ") == 1
    try:
        found = dateutil.parser.parse(moment if named else text)
        if named and found.tzinfo is None:
            found = found.replace(tzinfo=dateutil.tz.gettz(name))
        return found if found.tzinfo is None else (found - found.utcoffset()).replace(tzinfo=None)
    except (ValueError, OverflowError, TypeError):
        return None


def late_penalty(course: Course) -> Any:
    """The late penalty of the course's configured nbgrader plugin; None where nothing is configured, which is
    nbgrader's own default (no penalty)."""
    config = course.config
    if "AssignLatePenalties" not in config and "LateSubmissionPlugin" not in config:
        return None
    if "AssignLatePenalties" not in config and config.LateSubmissionPlugin.get("penalty_method", "none") == "none":
        return None
    sys.path.insert(0, str(course.root))
    try:
        from nbgrader.preprocessors import AssignLatePenalties

        step = AssignLatePenalties(config=config)
        step.init_plugin()
    except Exception as error:
        raise CourseError(f"the late penalty plugin that nbgrader_config.py names can't be loaded: {error}") from error
    finally:
        sys.path.remove(str(course.root))
    return step.plugin_inst.late_submission_penalty


def course_secret(course: Course) -> tuple[str, bool]:
    """The course's secret, made and kept where there is none yet; whether it is new."""
    if course.seed:
        return course.seed, False
    path = course.root / ".course_seed"
    draft = path.with_name(f".course_seed.{os.getpid()}.draft")
    secret = secrets.token_hex(16)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret + "\n")
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise CourseError(f"{path} can't be written ({error.strerror}): make the course's folder writable, it needs a "
                          "secret of its own") from error
    return secret, True


def check_writable(course: Course) -> None:
    """Refuse to begin where results could not be written. Raises CourseError."""
    for folder in (course.autograded, course.feedback):
        probe = folder / f".autograder-{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"x" * 65536)
        except OSError as error:
            raise CourseError(f"{folder} can't be written ({error.strerror}): make it writable or free some space; "
                              "nothing was graded") from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)


def hidden_folders(course: Course) -> tuple[Path, ...]:
    """What no submission may see, wherever it lies: this project and the course."""
    return (ROOT, course.root)


def default_jobs() -> int:
    """One worker for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

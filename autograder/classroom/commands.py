"""`autograder classroom …`: the instructor's commands. Thin: each one calls a module that does the work."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from ..chapters import CHAPTERS, find_chapters
from ..grading.course import Course, CourseError, open_course
from . import ClassroomError
from .export import Layout
from .naming import Format

classroom_app = typer.Typer(help="A class: make a course, take in submissions, see where it stands, give grades back.",
                            no_args_is_help=True, pretty_exceptions_enable=False)
out, err = Console(), Console(stderr=True)
COUNTED = ("handed in", "late", "graded", "changed since", "for a person", "in trouble", "mean score", "mean points",
           "right", "partly", "wrong", "not attempted", "alike")

Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="The course, or a folder inside it.")]
Chapters = Annotated[list[str] | None, typer.Option("--chapter", "-c", help="A chapter, like 12; may be given again.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RosterFile = Annotated[Path | None, typer.Option("--roster", help="The class as Canvas or Moodle exports it (CSV).")]
IdColumn = Annotated[str, typer.Option("--id-column", help="The roster's column with the students' ids in the course.")]


def told(command: Callable) -> Callable:
    """Errors that a user can mend become one sentence and exit status 2."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (ClassroomError, CourseError, KeyError, OSError) as error:
            sentence = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
            err.print(f"[red]✗[/red] {escape(str(sentence))}", highlight=False, soft_wrap=True)
            raise typer.Exit(2) from error

    return run


@classroom_app.command()
@told
def create(folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder, one to be made, or a course.")],
           chapters: Annotated[str, typer.Option(help="Chapter numbers: 3,12,26, or all that are written.")],
           course_id: Annotated[str, typer.Option(help="The course's name; else the folder's.")] = "") -> None:
    """Make a course for a class, or add chapters to one."""
    from .create import create_course, next_steps

    words = [w.strip() for w in chapters.split(",") if w.strip()]
    if not words:
        raise ClassroomError("no chapter is named: give --chapters 3,12,26 or --chapters all")
    made = create_course(folder, find_chapters([] if words == ["all"] else words), course_id)
    for name in made.made:
        _say(f"✓ {name}")
    for stem in made.added:
        _say(f"✓ {stem}: source and release")
    for stem in made.kept:
        _say(f"· {stem} is there already and stays as it is")
    for note in made.notes:
        _say(f"! {note}")
    _say(f"The course {made.course_id!r} is in {made.root}. What comes next:")
    for step in next_steps(made):
        _say(f"  {step}")


@classroom_app.command()
@told
def status(folder: Folder = Path("."), as_json: Json = False,
           assignments: Annotated[list[str] | None, typer.Option("--assignment", "-a", help="Only this one.")] = None,
           students: Annotated[list[str] | None, typer.Option("--student", "-s", help="Only this one.")] = None,
           ) -> None:
    """Who handed in, what is graded, what changed since, what waits for a person."""
    from .status import course_status

    course = open_course(folder)
    found = course_status(course, [_stem(course, a) for a in assignments or ()], students or ())
    if as_json:
        print(json.dumps({"course": course.course_id, "assignments": [s.as_dict() for s in found]}, indent=1,
                         ensure_ascii=False))
        return
    out.print(_class_table(course, found))
    if assignments or students:
        out.print(_students_table(found))
    for standing in found:
        for handed in standing.students:
            if handed.problem:
                _say(f"✗ {standing.assignment} · {handed.student}: {handed.problem}")


def _class_table(course: Course, found: list) -> Table:
    title = f"{course.course_id or course.root.name}: {max((len(s.students) for s in found), default=0)} students"
    table = _table(escape(title), "assignment", "handed\nin", "late", "graded", "changed\nsince", "for a\nperson",
                   "in\ntrouble", "mean score")
    for s in found:
        mean = f"{s.mean:.1f} of {s.max_score:g}" if s.mean is not None else "–"
        due = f"\ndue {_moment(s.due)}" if s.due else ""
        counts = (s.count(what) for what in ("handed_in", "late", "graded", "changed", "manual", "problem"))
        table.add_row(escape(s.assignment) + due, *map(str, counts), mean)
    return table


def _students_table(found: list) -> Table:
    table = _table("", "assignment", "student", "name", "handed in (UTC)", "late", "state", "score")
    for s in found:
        for h in s.students:
            late = f"{h.late_s / 3600:.1f} h" if h.late else ""
            words = ["graded" if h.graded else "not graded" if h.handed_in else "not handed in"]
            words += ["changed since"] * h.changed + [f"{h.manual} for a person"] * bool(h.manual)
            score = f"{h.score:g}" + (f" (penalty {h.penalty:g})" if h.penalty else "") if h.score is not None else "–"
            table.add_row(escape(s.assignment), escape(h.student), escape(h.name), _moment(h.at), late,
                          ", ".join(words), score)
    return table


@classroom_app.command("import-zip")
@told
def import_zip(file: Annotated[Path, typer.Argument(metavar="FILE", help="What the LMS let you download.")],
               chapter: Annotated[str, typer.Option("--chapter", "-c", help="The chapter, like 12.")],
               folder: Folder = Path("."),
               kind: Annotated[Format, typer.Option("--format", help="How the files are named.")] = Format.auto,
               roster: RosterFile = None, id_column: IdColumn = "",
               time: Annotated[str, typer.Option(help="When it was handed in: zip (the files' times), none, or a "
                                                      "moment for all, in UTC unless it says a zone.")] = "zip",
               force: Annotated[bool, typer.Option("--force", help="Replace what was handed in before; it is kept "
                                                                   "beside.")] = False,
               dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
               as_json: Json = False) -> None:
    """Take submissions in from a download of Canvas or Moodle, or from a zip of folders."""
    from . import importing
    from .roster import read_roster

    course = open_course(folder)
    importing.parse_time(time)
    found = importing.import_zip(
        course, _stem(course, chapter), file, kind=kind, time=time, force=force, dry_run=dry_run,
        roster=read_roster(roster, id_column) if roster else None)
    if as_json:
        print(json.dumps({**found.as_dict(), "dry_run": dry_run}, indent=1, ensure_ascii=False))
    else:
        _tell_import(found, dry_run)
    if found.strays or found.count(importing.REFUSED):
        raise typer.Exit(1)


def _tell_import(found: Any, dry_run: bool) -> None:
    from . import importing

    signs = {importing.REFUSED: "✗", importing.KEPT: "·", importing.SAME: "·"}
    table = _table(f"{found.assignment}, named as by {found.kind}" + (" (nothing was written)" if dry_run else ""),
                   "", "student", "name", "file", "handed in (UTC)", "what became of it")
    for h in found.students:
        table.add_row(signs.get(h.action, "✓"), escape(h.student), escape(h.name), escape(h.file), _moment(h.handed_in),
                      escape("; ".join([h.action, *h.notes])))
    out.print(table)
    for name, reason in found.strays:
        _say(f"✗ {name}: {reason}")
    for note in found.notes:
        _say(f"! {note}")
    counts = {a: found.count(a) for a in (importing.IMPORTED, importing.REPLACED, importing.SAME, importing.KEPT,
                                          importing.REFUSED)}
    told_counts = ", ".join(f"{n} {a}" for a, n in counts.items() if n) or "nobody"
    strays = f"; {len(found.strays)} of the zip's files not taken" if found.strays else ""
    _say(told_counts + strays)


@classroom_app.command()
@told
def export(folder: Folder = Path("."), chapters: Chapters = None,
           layout: Annotated[Layout, typer.Option("--format", help="For a spreadsheet, or for an LMS.")] = Layout.csv,
           to: Annotated[Path | None, typer.Option(help="The file; else it is printed.")] = None,
           roster: RosterFile = None, id_column: IdColumn = "",
           provisional: Annotated[bool, typer.Option("--provisional", help="Give an LMS also grades with parts that "
                                                                           "wait for a person.")] = False,
           bom: Annotated[bool, typer.Option("--excel", help="Mark the file as UTF-8 for Excel.")] = False) -> None:
    """Grades for a spreadsheet, for Canvas or for Moodle."""
    from .book import read_book
    from .export import as_text, export_grades, write_table
    from .roster import read_roster

    course = open_course(folder)
    book = read_book(course)
    names = [_stem(course, c) for c in chapters or ()] or list(book.assignments)
    if not names:
        raise ClassroomError(f"the gradebook of {course.root} has no assignment yet: run `autograder classroom create`")
    made = export_grades(book, names, layout, roster=read_roster(roster, id_column) if roster else None,
                         provisional=provisional)
    if to:
        write_table(to, made.rows, bom=bom)
    else:
        # As bytes: the lines end in CR LF on every system.
        sys.stdout.buffer.write(as_text(made.rows).encode("utf-8-sig" if bom else "utf-8"))
        sys.stdout.buffer.flush()
    _tell_export(made, layout, provisional, to)


def _tell_export(made: Any, layout: Layout, provisional: bool, to: Path | None) -> None:
    if to:
        _say(f"✓ {_number(made.grades, 'grade')} of {_number(made.students, 'student')} in {to}", to=err)
    if made.waiting:
        inside = provisional or layout == Layout.csv
        what = "stand in the file as they are now" if inside else "left out (--provisional puts them in)"
        shown = ", ".join(f"{s} ({a})" for a, s in made.waiting[:5]) + (", …" if len(made.waiting) > 5 else "")
        _say(f"! {_number(len(made.waiting), 'grade')} with parts that wait for a person {what}: {shown}", to=err)
    if made.unmatched:
        _say(f"! not in the roster: {', '.join(made.unmatched)}", to=err)
    for note in made.notes:
        _say(f"! {note}", to=err)


@classroom_app.command()
@told
def statistics(folder: Folder = Path("."), chapters: Chapters = None, as_json: Json = False,
               plot: Annotated[Path | None, typer.Option(help="Draw it into this .svg or .png file.")] = None) -> None:
    """What the class got right, exercise by exercise, and which mistakes it made."""
    from .book import read_book
    from .statistics import class_statistics

    course = open_course(folder)
    found = class_statistics(course, read_book(course), [_stem(course, c) for c in chapters or ()])
    if plot:
        from .plot import write_plot

        write_plot(plot, found)
    if as_json:
        print(json.dumps({"assignments": [s.as_dict() for s in found]}, indent=1, ensure_ascii=False))
        return
    if not found:
        _say("Nothing is graded yet: run `autograder grade`.")
    for one in found:
        _tell_statistics(one)
    if plot:
        _say(f"✓ {plot}")


def _tell_statistics(one: Any) -> None:
    from .statistics import SHARES

    table = _table(escape(one.assignment), "exercise", *SHARES, "mean points")
    for e in one.exercises:
        shares = (f"{e.shares[name]} ({e.shares[name] / e.students:.0%})" for name in SHARES)
        table.add_row(escape(e.exercise), *shares, f"{e.mean:.1f} of {e.max_points:g}")
    out.print(table)
    for e in one.exercises:
        if e.misconceptions or e.hardest:
            _say(e.exercise)
        for _, title, n in e.misconceptions[:3]:
            _say(f"  {n} × {title}")
        for case, n in e.hardest:
            _say(f"  {n} × wrong: {case}")
    if one.unread:
        _say(f"! {_number(one.unread, 'submission')} could not be graded in full: see `autograder classroom status`")
    if one.source == "gradebook":
        _say("! from the points in the gradebook alone; `autograder grade` also finds out which mistakes they are")


@classroom_app.command()
@told
def similar(folder: Folder = Path("."), chapters: Chapters = None, as_json: Json = False,
            threshold: Annotated[float, typer.Option(min=0.05, max=1, help="How alike two must be to be shown.")] = 0.8,
            page: Annotated[Path | None, typer.Option("--html", help="Write the pairs side by side into a page.")
                            ] = None) -> None:
    """Submissions that are nearly the same. Exit status 1 if there are any."""
    from ..notebooks.build import write_text
    from .similar import as_page, compare_submissions

    course = open_course(folder)
    names = [_stem(course, c) for c in chapters or ()] or [a for a in course.assignments() if course.submissions(a)]
    steps: Iterable[str] = track(names, "Comparing", console=err, transient=True) if sys.stderr.isatty() else names
    found = [compare_submissions(course, name, threshold) for name in steps]
    if page:
        write_text(page, as_page(found))
    if as_json:
        print(json.dumps({"threshold": threshold, "assignments": [s.as_dict() for s in found]}, indent=1,
                         ensure_ascii=False))
    else:
        _tell_similar(found, page)
    if any(s.pairs for s in found):
        raise typer.Exit(1)


def _tell_similar(found: list, page: Path | None) -> None:
    from .similar import ranges

    for one in found:
        if one.pairs:
            table = _table(escape(one.assignment), "students", "alike", "exercise", "weighed", "lines in the first",
                           "lines in the second")
            for pair in one.pairs:
                heads = [escape(" · ".join(pair.students)), f"{pair.score:.0%}"]
                for s in pair.exercises:
                    table.add_row(*heads, escape(s.exercise), f"{s.share:.0%}",
                                  *(f"{ranges(x)} ({len(x)} of {n})" for x, n in zip(s.lines, s.sizes)))
                    heads = ["", ""]
                table.add_section()
            out.print(table)
        else:
            _say(f"· {one.assignment}: no two of {one.compared} submissions are alike")
        for student, reason in one.unread:
            _say(f"! {one.assignment} · {student} was not compared: {reason}")
    if any(one.pairs for one in found):
        _say("What many wrote weighs little. Alike is not copied: read both before you decide.")
    if page:
        _say(f"✓ {page}")


@classroom_app.command()
@told
def feedback(chapters: Annotated[list[str] | None, typer.Argument(metavar="[NN …]", help="All if none is given.")
                                 ] = None,
             folder: Annotated[Path, typer.Option("--course", help="The course, or a folder inside it.")] = Path("."),
             students: Annotated[list[str] | None, typer.Option("--student", "-s", help="Only this one.")] = None,
             ) -> None:
    """Write the feedback pages anew, with the points and comments that people gave since."""
    from ..grading.run import rewrite_feedback

    course = open_course(folder)
    names = [_stem(course, c) for c in chapters or ()] or course.assignments()
    _say(f"✓ {_number(rewrite_feedback(course, names, students), 'page')} in {course.feedback}")


# --- small things ---------------------------------------------------------------------------------


def _stem(course: Course, word: str) -> str:
    """The assignment that a word names: its own name, or a chapter's number."""
    if word in course.assignments():
        return word
    number = f"{int(word):02d}" if word.isdigit() and len(word) < 3 else ""
    if number in CHAPTERS and CHAPTERS[number].stem in course.assignments():
        return CHAPTERS[number].stem
    raise ClassroomError(f"there is no assignment {word!r} in {course.root}: it has "
                         f"{', '.join(course.assignments()) or 'none yet'}")


def _say(text: str, to: Console = out) -> None:
    """A plain line: nothing in it is taken for markup, and a terminal breaks it where it likes."""
    to.print(text, highlight=False, markup=False, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title or None)
    for name in columns:
        counted = name.replace("\n", " ") in COUNTED
        table.add_column(name, overflow="fold", justify="right" if counted else "left", no_wrap=counted)
    return table


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _moment(when: datetime | None) -> str:
    if when is None:
        return "–"
    return (when.astimezone(UTC) if when.tzinfo else when).strftime("%Y-%m-%d %H:%M")

"""`autograder grade`: the command over `run.grade_course`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from .course import Course, CourseError

out, err = Console(), Console(stderr=True)


def grade(
    chapters: Annotated[list[str] | None, typer.Argument(
        metavar="[NN …]", help="Chapters or assignments; all that were released if none is given.")] = None,
    course: Annotated[Path, typer.Option(help="The course's folder, or one in it.")] = Path("."),
    jobs: Annotated[int | None, typer.Option(
        min=1, help="Submissions at a time; one for each core if not given.")] = None,
    scheduler: Annotated[str, typer.Option(help="Grade on the Dask cluster at this address, tcp://HOST:PORT.")] = "",
    student: Annotated[list[str] | None, typer.Option(help="Only this student; may be given again.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what has a result: nothing is overwritten, differences "
                                                        "are told.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be graded.")] = False,
    time_limit: Annotated[int, typer.Option(min=5, help="Seconds for a whole submission.")] = 180,
    memory: Annotated[int, typer.Option(min=128, help="MB of memory for a submission.")] = 2048,
    trust: Annotated[bool, typer.Option("--trust-all-submissions", help="Run submissions WITHOUT a sandbox, with your "
                                                                        "rights, where there is none.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    progress: Annotated[bool, typer.Option("--progress/--no-progress", help="Show how far it is.")] = True,
) -> None:
    """Grade what was handed in: into nbgrader's gradebook, autograded/ and feedback/."""
    from . import run
    from .course import open_course
    from .sandbox import Limits, NoSandbox, SandboxLost
    from .workers import Settings

    try:
        opened = open_course(course)
        names = assignments_of(opened, chapters or [])
        secret, new = ("", False) if dry_run else run.course_secret(opened)
        if new:
            err.print(f"· made {opened.root / '.course_seed'}: the hidden cases are drawn from it; keep it, and keep "
                      "it secret", highlight=False, soft_wrap=True, markup=False)
        settings = Settings(secret, Limits(wall_s=time_limit, cpu_s=time_limit, memory_mb=memory),
                            run.hidden_folders(opened), trusted=trust)
        with _Shown(progress and not as_json) as shown:
            summary = run.grade_course(opened, names, settings, jobs=jobs or run.default_jobs(), students=student,
                                       again=again, dry_run=dry_run, scheduler=scheduler, listener=shown.update)
    except NoSandbox as error:
        raise CourseError(f"{error}. `--trust-all-submissions` grades without a sandbox: a submission can then read "
                          "and change everything that you can") from error
    except SandboxLost as error:
        raise CourseError(str(error)) from error
    if as_json:
        print(json.dumps(summary.as_dict(), ensure_ascii=False))
    else:
        _tell(summary, dry_run)
    if summary.conflicts or summary.count("failed"):
        raise typer.Exit(1)


def assignments_of(course: Course, words: list[str]) -> list[str]:
    """The released assignments that `words` name: "12", "3", or an assignment's own name."""
    released = course.assignments()
    if not released:
        raise CourseError(f"nothing was released in {course.root}: run `nbgrader generate_assignment NAME` first")
    if not words:
        return released
    found = []
    for word in words:
        number = f"{int(word):02d}_" if re.fullmatch(r"\d{1,2}", word) else None
        fits = [name for name in released if name == word or (number and name.startswith(number))]
        if not fits:
            raise CourseError(f"{word} was not released in {course.root}; there are {', '.join(released)}")
        found += fits
    return list(dict.fromkeys(found))


class _Shown:
    """A progress bar with the time that is left on a terminal, a line now and then elsewhere."""

    def __init__(self, wanted: bool) -> None:
        self.bar, self.tasks, self.wanted, self.told = None, {}, wanted, 0
        if wanted and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                       TextColumn("left"), TimeRemainingColumn())
            # Worker processes are forked while this runs: a refreshing thread could hold a lock in the child.
            self.bar = Progress(*columns, console=err, auto_refresh=False)

    def __enter__(self) -> _Shown:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def update(self, progress: Any) -> None:
        if self.bar is not None:
            if progress.assignment not in self.tasks:
                self.tasks[progress.assignment] = self.bar.add_task(progress.assignment, total=progress.total)
            self.bar.update(self.tasks[progress.assignment], completed=progress.done, refresh=True)
        elif self.wanted and (progress.done == progress.total or progress.done >= self.told + 50):
            self.told = progress.done if progress.done < progress.total else 0
            err.print(f"{progress.assignment}: {progress.done} of {progress.total}", highlight=False)


def _tell(summary: Any, dry_run: bool) -> None:
    if dry_run:
        for assignment, student in summary.planned:
            out.print(f"· {assignment}  {student}", highlight=False, markup=False)
        out.print(f"{len(summary.planned)} to grade, {summary.skipped} graded before. Nothing was done.",
                  highlight=False)
        return
    troubled = [r for r in summary.results if r.status != "graded"]
    if troubled:
        table = Table(title="For a person to look at")
        for name in ("assignment", "student", "", "why"):
            table.add_column(name)
        for r in troubled:
            table.add_row(r.assignment, escape(r.student), r.status, escape(r.reason))
        out.print(table)
    for conflict in summary.conflicts:
        out.print(f"✗ another result than before, the first one stands: {escape(conflict)}", highlight=False,
                  soft_wrap=True)
    done = len(summary.results)
    each = f", {summary.seconds / done:.2f} s each" if done else ""
    counts = ", ".join(f"{summary.count(status)} {status}" for status in ("graded", "refused", "failed"))
    out.print(f"✓ {counts}, {summary.skipped} had a result; {summary.seconds:.1f} s{each}", highlight=False,
              soft_wrap=True)
    if done:
        out.print(f"  walls: {', '.join(summary.layers)}", highlight=False, soft_wrap=True)
        out.print("  next: `nbgrader formgrader` for the written answers, then `autograder classroom export`",
                  highlight=False, soft_wrap=True)

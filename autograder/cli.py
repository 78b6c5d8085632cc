"""`autograder …`: the commands. Thin: each one calls a module that does the work."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from .chapters import CHAPTERS, Chapter, find_chapters
from .classroom.commands import classroom_app
from .grading import command as grading

# jsonschema compiles a grammar for its check of "iri" when it finds this package: a second of every command that
# reads a notebook, and no notebook's schema has an "iri".
sys.modules.setdefault("rfc3987_syntax", None)

app = typer.Typer(help="The course on model deployment and inference optimisation: build, check, measure.",
                  no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(classroom_app, name="classroom")
out, err = Console(), Console(stderr=True)

Chapters = Annotated[list[str] | None, typer.Argument(metavar="[NN …]", help="Chapter numbers; all if none is given.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def told(command: Callable) -> Callable:
    """Errors that a user can mend become one sentence and exit status 2."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        from .grading.course import CourseError
        from .lab import LabError
        from .notebooks.master import MasterError
        from .progress import ProgressError
        from .reset import ResetError
        from .setup_triton import SetupError

        try:
            return command(*args, **kwargs)
        except MasterError as error:
            err.print(f"[red]✗[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from error
        except (KeyError, CourseError, LabError, ProgressError, ResetError, SetupError, OSError) as error:
            sentence = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
            err.print(f"[red]✗[/red] {escape(str(sentence))}", highlight=False, soft_wrap=True)
            raise typer.Exit(2) from error

    return run


def steps(chapters: list[Chapter], what: str) -> Any:
    """The chapters behind a progress bar on a terminal, plain otherwise."""
    return track(chapters, what, console=err, transient=True) if sys.stderr.isatty() else chapters


@app.command()
@told
def build(chapters: Chapters = None,
          check: Annotated[bool, typer.Option("--check", help="Only say whether course/ is stale (exit 1).")] = False,
          solved: Annotated[bool, typer.Option("--solved", help="Write executed solution notebooks and pages to "
                                                                "build/solved/.")] = False,
          pictures: Annotated[bool, typer.Option("--pictures", help="Draw the static pictures anew.")] = False) -> None:
    """Turn the masters in solutions/ into the notebooks in course/."""
    from .notebooks import build as builder
    from .notebooks import interview, readme, start

    found = find_chapters(chapters or ())
    if pictures:
        from .notebooks.pictures import draw_picture

        for chapter in steps(found, "Drawing"):
            draw_picture(chapter)
    if check:
        stale = [c.stem for c in steps(found, "Comparing") if builder.is_stale(c)]
        stale = [f"course/{stem}" for stem in stale]
        stale += ["course/00_start_here"] if start.is_stale() else []
        stale += ["course/99_mock_interview"] if interview.is_stale() else []
        stale += ["README.md's table of chapters"] if readme.is_stale() else []
        for name in stale:
            out.print(f"✗ {name} is stale: run `make notebooks`", highlight=False)
        if stale:
            raise typer.Exit(1)
        out.print(f"✓ {len(found)} chapters and the start page are up to date", highlight=False)
        return
    for chapter in steps(found, "Building"):
        changed = builder.write_chapter(chapter)
        out.print(f"{'✓ built' if changed else '· unchanged'} {chapter.stem}", highlight=False)
    start.write()
    interview.write()
    readme.write()
    if solved:
        from .notebooks.solved import write_solved

        for chapter in steps(found, "Running"):
            out.print(f"✓ {write_solved(chapter)}", highlight=False)


@app.command()
@told
def audit(chapters: Chapters = None, as_json: Json = False,
          mutants: Annotated[bool, typer.Option("--mutants", help="Also mutate the solutions (minutes).")] = False,
          run: Annotated[bool, typer.Option("--run/--no-run", help="Run the solved notebooks.")] = True,
          jobs: Annotated[int, typer.Option(min=1, help="Chapters at a time.")] = 2) -> None:
    """Measure the course: the contract, the checks' self-proof, mutants, run times."""
    from .audit.audit import audit as examine

    found = find_chapters(chapters or ())
    report = examine(found, mutants=mutants, run=run, jobs=jobs)
    short = [(n, s) for n, row in report["chapters"].items() for s in row["shortfalls"]]
    if as_json:
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        _audit_table(report, mutants)
        for number, sentence in short:
            out.print(f"✗ {number}: {sentence}", highlight=False, soft_wrap=True)
        if mutants:
            for number, row in report["chapters"].items():
                for sentence in row["survivors"]:
                    out.print(f"· {number}: {sentence}", highlight=False, soft_wrap=True, markup=False)
    if not found:
        err.print("✗ no chapter was examined: solutions/ holds no master", highlight=False)
    if short or not found or report["examined"]["chapters"] < len(found):
        raise typer.Exit(1)


def _audit_table(report: dict, mutants: bool) -> None:
    table = Table(title="The course, measured")
    for name in ("", "exercises", "points", "misconceptions\nrejected · diagnosed", "alternatives\naccepted",
                 "fillers\nrefused", "mutants\nkilled · same", "questions", "figures", "claims", "seconds"):
        table.add_column(name, justify="left" if not name else "right")
    for number, r in report["chapters"].items():
        table.add_row(
            f"{'✓' if not r['shortfalls'] else '✗'} {CHAPTERS[number].stem}", str(r["exercises"]), f"{r['points']:g}",
            f"{r['rejected']} · {r['diagnosed']} of {r['misconceptions']}", f"{r['accepted']} of {r['alternatives']}",
            f"{r['fillers_rejected']} of {r['fillers']}",
            f"{r['killed']} · {r['equivalent']} of {r['mutants']}" if mutants else "–",
            str(r["questions"]), str(r["figures"]), str(r["claims"]), f"{r['seconds']:.1f}")
    Console(width=max(out.width, 150)).print(table)
    examined = ", ".join(f"{n:,} {what}" for what, n in report["examined"].items())
    out.print(f"examined: {examined}", highlight=False)


@app.command()
@told
def lab(port: Annotated[int | None, typer.Option(help="The port; else the first free one from 8888 on.")] = None,
        browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True) -> None:
    """Open JupyterLab on the start notebook."""
    from .lab import run_lab

    raise typer.Exit(run_lab(port, browser))


@app.command()
@told
def progress(as_json: Json = False,
             export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it all to a JSON file.")] = None,
             import_file: Annotated[Path | None, typer.Option("--import", metavar="FILE", help="Add what an export "
                                                              "holds, from another machine say.")] = None) -> None:
    """What you have solved, how well you know each chapter, and what is due."""
    from .drill.memory import load_memory
    from .drill.transfer import export_progress, import_progress
    from .overview import overview

    if export is not None or import_file is not None:
        for path, move, word in ((import_file, import_progress, "added from"), (export, export_progress, "written to")):
            if path is not None:
                counts = ", ".join(f"{n} {table}" for table, n in move(path).items())
                out.print(f"✓ {counts} {word} {path}", highlight=False, soft_wrap=True, markup=False)
        return
    memory = load_memory()
    rows = overview(memory)
    if as_json:
        print(json.dumps({r.chapter.number: r.as_dict() for r in rows}, indent=1, ensure_ascii=False))
        return
    table = Table(title="Your progress")
    for name in ("chapter", "solved", "points", "mastery", "due", "last"):
        table.add_column(name, justify="left" if name in ("chapter", "mastery") else "right")
    for row in rows:
        if row.exercises:
            full = round(10 * row.mastery)
            table.add_row(f"{row.chapter.number} {row.chapter.short}", f"{row.solved} of {row.exercises}",
                          f"{row.points:g} of {row.max_points:g}", f"{'█' * full}{'░' * (10 - full)} {row.mastery:.0%}",
                          str(row.due or ""), row.last_at[:10])
    out.print(table)
    solved, total = sum(r.solved for r in rows), sum(r.exercises for r in rows)
    out.print(f"{solved} of {total} exercises solved. {memory.told()}", highlight=False)
    out.print("Mastery: how many of a chapter's questions and exercises you would get right now.", highlight=False)


@app.command()
@told
def drill(part: Annotated[list[str] | None, typer.Option(metavar="A…F", help="A part; may come again.")] = None,
          chapter: Annotated[list[str] | None, typer.Option(metavar="NN", help="A chapter; may come again.")] = None,
          difficulty: Annotated[int | None, typer.Option(min=1, max=3, help="1 easy, 3 hard.")] = None,
          due: Annotated[bool, typer.Option("--due", help="Only what is due today.")] = False,
          code: Annotated[bool, typer.Option("--code", help="Only coding questions.")] = False,
          mock: Annotated[int | None, typer.Option(metavar="MINUTES", min=5, max=240, help="A mock interview, with a "
                                                   "report.")] = None,
          lang: Annotated[str, typer.Option(metavar="en|zh", help="The language of the questions.")] = "en",
          seed: Annotated[int | None, typer.Option(help="The same numbers and order again.")] = None) -> None:
    """Practise interview questions in the terminal. Without options a menu opens."""
    import secrets

    from .drill import deck

    numbers = [c.number for c in find_chapters(chapter, written=False)] if chapter else []
    kinds = (deck.CODE,) if code else deck.KINDS
    items = deck.find_items(part or (), numbers, difficulty, kinds, lang)
    if not items:
        raise KeyError("no question fits all of these: take one option away")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise KeyError("the practice needs a terminal: run it in one, or use the Practise cell of a chapter's notebook")
    from .drill.terminal import run_drill, run_menu, run_mock

    seed = secrets.randbelow(2**31) if seed is None else seed
    if mock is not None:
        run_mock(mock, items, seed=seed, language=lang)
    elif part or chapter or difficulty or due or code:
        run_drill(items, seed=seed, language=lang, due_only=due)
    else:
        run_menu(seed=seed, language=lang)


@app.command()
@told
def doctor(as_json: Json = False,
           setup: Annotated[str | None, typer.Option(metavar="triton", help="Make the environment of the real Triton "
                                                     "server (about 450 MB).")] = None,
           again: Annotated[bool, typer.Option("--again", help="With --setup: make it anew.")] = False) -> None:
    """What this machine has, and what that enables."""
    if setup is not None:
        _setup(setup, again)
        return
    from .doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([f.as_dict() for f in findings], indent=1))
    else:
        table = Table(title="This machine", show_lines=False)
        for name in ("", "what", "found", "what it is for"):
            table.add_column(name)
        for f in findings:
            sign = "✓" if f.ok else ("✗" if f.needed else "–")
            table.add_row(sign, f.name, escape(f.found), escape(f.enables if f.ok else f.advice))
        out.print(table)
    if any(f.needed and not f.ok for f in findings):
        raise typer.Exit(1)


def _setup(what: str, again: bool) -> None:
    from .setup_triton import SetupError, setup_triton

    if what != "triton":
        raise SetupError(f"there is nothing called {what!r} to set up: write `autograder doctor --setup triton`")
    plain = {"highlight": False, "soft_wrap": True, "markup": False}
    folder = setup_triton(lambda line: out.print(f"· {line}", **plain), again=again)
    out.print(f"✓ the real Triton server is ready in {folder}", **plain)


@app.command()
@told
def reset(exercise: Annotated[str, typer.Argument(metavar="NN.id", help="An exercise: 26.bf16_round")],
          notebook: Annotated[Path | None, typer.Option(help="The notebook, if it is not the one in course/.")] = None,
          ) -> None:
    """Put one exercise back to its stub, keeping a copy of your answer."""
    from .reset import reset_exercise

    kept = reset_exercise(exercise, notebook)
    out.print(f"✓ {exercise} is as it was handed out. Your answer is kept in {kept}", highlight=False, soft_wrap=True)
    out.print("If the notebook is open in JupyterLab: File → Reload Notebook from Disk.", highlight=False)


@app.command()
@told
@wraps(grading.grade)
def grade(*args: Any, **kwargs: Any) -> None:
    grading.grade(*args, **kwargs)


def main() -> None:
    """Entry point with a quiet end on a closed pipe."""
    try:
        app()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)

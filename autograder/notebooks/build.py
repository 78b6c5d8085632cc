"""Masters to notebooks: source notebook, release through nbgrader's own preprocessors, byte for byte
the same on every build."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from ..cards import box_html
from ..chapters import ROOT, Chapter
from ..exercise import Exercise
from ..exercises import chapter_exercises
from .master import Cell, Master, MasterError, check_names, read_master

SOURCE = ROOT / "build" / "source"
STAMPS = ROOT / "build" / "stamps"
PICTURES = ROOT / "solutions" / "pictures"
EXERCISES = ROOT / "autograder" / "exercises"
PRELUDE = """# Run this cell and the next one first. This one brings the checks of this chapter.
from autograder.check import check"""
SET_UP = "# The set-up cell: your answers may use what it brings.\n"
HIDDEN = """### BEGIN HIDDEN TESTS
from autograder.check import course_seed
{call}
### END HIDDEN TESTS"""


@dataclass(frozen=True)
class Built:
    """What a build made of a chapter: its two notebooks as text."""

    chapter: Chapter
    source: str
    release: str


def build_chapter(chapter: Chapter) -> Built:
    """Both notebooks of a chapter, in memory. Raises MasterError."""
    master = read_master(chapter.master)
    exercises = {e.name: e for e in chapter_exercises(chapter.number)}
    _check_against_exercises(master, exercises)
    notebook = source_notebook(chapter, master, exercises)
    return Built(chapter, _text(notebook), _text(release_notebook(notebook)))


def write_chapter(chapter: Chapter) -> bool:
    """Write both notebooks and the picture; False when nothing had changed since the last build."""
    stamp = STAMPS / f"{chapter.stem}.json"
    digest = _inputs_digest(chapter)
    if _stamp_holds(stamp, digest, chapter):
        return False
    built = build_chapter(chapter)
    source = SOURCE / chapter.stem / f"{chapter.stem}.ipynb"
    for path, text in ((source, built.source), (chapter.notebook, built.release)):
        write_text(path, text)
    picture = PICTURES / f"{chapter.stem}.svg"
    if picture.exists():
        for folder in (source.parent, chapter.notebook.parent):
            shutil.copyfile(picture, folder / "figure.svg")
    outputs = {str(p): _digest(p.read_bytes()) for p in (source, chapter.notebook)}
    write_text(stamp, json.dumps({"inputs": digest, "outputs": outputs}))
    return True


def is_stale(chapter: Chapter) -> bool:
    """Whether the committed learner's notebook differs from what a build makes."""
    picture, shown = PICTURES / f"{chapter.stem}.svg", chapter.notebook.with_name("figure.svg")
    if picture.exists() and (not shown.exists() or shown.read_bytes() != picture.read_bytes()):
        return True
    built = build_chapter(chapter)
    return not chapter.notebook.exists() or chapter.notebook.read_text(encoding="utf-8") != built.release


def write_text(path: Path, text: str) -> None:
    """Write atomically: a reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def exercise_files(chapter: Chapter) -> list[Path]:
    """The files that ask a chapter's exercises: all modules of its package, or its one module."""
    package = EXERCISES / f"ch{chapter.stem}"
    return sorted(package.glob("*.py")) or [package.with_suffix(".py")]


def _inputs_digest(chapter: Chapter) -> str:
    here = Path(__file__).parent
    files = [chapter.master, *exercise_files(chapter), PICTURES / f"{chapter.stem}.svg", here.parent / "cards.py",
             here.parent / "exercise.py", *sorted(here.glob("*.py"))]
    return _digest(b"\0".join(f.read_bytes() if f.exists() else b"" for f in files))


def _stamp_holds(stamp: Path, digest: str, chapter: Chapter) -> bool:
    try:
        kept = json.loads(stamp.read_text())
        return kept["inputs"] == digest and len(kept["outputs"]) == 2 and all(
            _digest(Path(p).read_bytes()) == d for p, d in kept["outputs"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, version=4) + "\n"


# --- master to source notebook ------------------------------------------------------------------


def _check_against_exercises(master: Master, exercises: dict[str, Exercise]) -> None:
    for name, cell in master.solutions.items():
        if name not in exercises:
            raise MasterError(f"{master.path}:{cell.line}: exercise {name!r} is not among the EXERCISES of "
                              f"autograder/exercises/ch{master.path.stem}")
    check_names(master, {name for e in exercises.values() for name in e.names})
    for name in exercises:
        if name not in master.solutions:
            raise MasterError(f"{master.path}:1: exercise {name!r} of autograder/exercises has no cell here")


def source_notebook(chapter: Chapter, master: Master, exercises: dict[str, Exercise]) -> NotebookNode:
    """The instructor's notebook: solutions and hidden tests in it, nbgrader's metadata on its cells."""
    notebook = nbformat.v4.new_notebook(metadata={
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    })
    ids: dict[str, int] = {}
    order = list(master.solutions)
    for index, cell in enumerate(master.cells):
        if cell.lang != "en":
            continue
        made = _notebook_cell(chapter, cell, exercises, order)
        made["id"] = _cell_id(chapter, cell, ids)
        notebook.cells.append(made)
        if index == 0:
            made.source = f"<!-- {_generated(chapter)} -->\n{made.source}"
            prelude = nbformat.v4.new_code_cell(PRELUDE, id=f"{chapter.number}-prelude")
            notebook.cells.append(prelude)
    return notebook


def _generated(chapter: Chapter) -> str:
    return f"Generated from solutions/{chapter.stem}.py: edit that file, then run `make notebooks`."


def _notebook_cell(chapter: Chapter, cell: Cell, exercises: dict[str, Exercise], order: list[str]) -> NotebookNode:
    if cell.kind == "markdown":
        source = cell.source
        if cell.role == "about":
            number, box = order.index(cell.name) + 1, box_html(exercises[cell.name])
            source = f"### Exercise {number} · `{cell.name}`\n<small>{box}</small>\n\n{source}"
        made = nbformat.v4.new_markdown_cell(source)
        if cell.role == "task":
            made.metadata["nbgrader"] = _grader(cell.name, grade=True, solution=True, points=cell.points)
        return made
    source = cell.source
    if cell.role == "check":
        source = _check_source(exercises[cell.name], source)
    elif cell.role == "setup":
        source = SET_UP + source
    made = nbformat.v4.new_code_cell(source)
    if cell.role == "exercise":
        made.metadata["nbgrader"] = _grader(cell.name, grade=False, solution=True)
    elif cell.role == "check":
        points = float(exercises[cell.name].points)
        made.metadata["nbgrader"] = _grader(f"check-{cell.name}", grade=True, solution=False, points=points)
    elif cell.role:
        made.metadata["tags"] = [cell.role]
    return made


def _check_source(exercise: Exercise, written: str) -> str:
    names = ", ".join(exercise.names)
    call = f'check("{exercise.id}", {names})'
    if written.strip() not in ("", call):
        raise MasterError(f"the check cell of {exercise.id} must be empty or exactly: {call}")
    return call + "\n" + HIDDEN.format(call=f"{call[:-1]}, seed=course_seed())")


def _grader(grade_id: str, *, grade: bool, solution: bool, points: float | None = None) -> dict:
    told = {"grade": grade, "grade_id": grade_id, "locked": grade and not solution, "schema_version": 3,
            "solution": solution, "task": False}
    return {**told, "points": points} if points is not None else told


def _cell_id(chapter: Chapter, cell: Cell, ids: dict[str, int]) -> str:
    """An id from chapter and cell name: the same on every build, and unchanged when others move."""
    words = re.sub(r"[^a-z0-9]+", "-", cell.source.lower())[:32].strip("-") or "cell"
    base = f"{cell.role}-{cell.name}" if cell.name else f"{cell.role or cell.kind}-{words}"
    base = f"{chapter.number}-{base}"[:56]
    ids[base] = ids.get(base, 0) + 1
    return base if ids[base] == 1 else f"{base}-{ids[base]}"


# --- source to learner's notebook ---------------------------------------------------------------


def release_notebook(source: NotebookNode) -> NotebookNode:
    """What `nbgrader generate_assignment` makes of a source notebook, without a gradebook.

    The same preprocessors in the same order; a test compares with the real command.
    """
    from nbgrader import preprocessors as steps

    notebook = nbformat.from_dict(json.loads(json.dumps(source)))
    resources: dict = {}
    for name in ("LockCells", "ClearSolutions", "ClearOutput", "CheckCellMetadata", "ComputeChecksums",
                 "ClearHiddenTests", "ClearMarkScheme", "ComputeChecksums", "CheckCellMetadata"):
        notebook, resources = getattr(steps, name)().preprocess(notebook, resources)
    return notebook

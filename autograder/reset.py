"""Put one exercise of a learner's notebook back to its stub, keeping a copy of her answer."""

from __future__ import annotations

import json
import time
from pathlib import Path

import nbformat

from .chapters import CHAPTERS
from .exercises import find_exercise
from .notebooks.build import build_chapter, write_text
from .progress import data_folder


class ResetError(Exception):
    """The notebook can't be reset; the message says why and what to do."""


def reset_exercise(exercise_id: str, notebook: Path | None = None) -> Path:
    """Replace the answer's cell by the stub; the path of the copy. KeyError for an unknown id."""
    exercise = find_exercise(exercise_id)
    chapter = CHAPTERS[exercise.chapter]
    path = notebook or chapter.notebook
    try:
        theirs = nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise ResetError(f"{path} is not there: give the notebook with --notebook PATH") from error
    except Exception as error:
        raise ResetError(f"{path} cannot be read as a notebook ({type(error).__name__}): restore it with "
                         f"`git checkout {path}` or from a copy of yours") from error
    stub = _cell(nbformat.reads(build_chapter(chapter).release, as_version=4), exercise.name)
    cell = _cell(theirs, exercise.name)
    if cell is None:
        raise ResetError(f"{path} has no cell of {exercise_id}: it was deleted; copy it from a fresh notebook")
    kept = data_folder() / "kept" / f"{exercise_id}-{time.strftime('%Y%m%d-%H%M%S')}.py"
    write_text(kept, cell.source + "\n")
    cell.source, cell.outputs, cell.execution_count = stub.source, [], None
    write_text(path, json.dumps(theirs, indent=1, ensure_ascii=False) + "\n")
    return kept


def _cell(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode | None:
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == name:
            return cell
    return None

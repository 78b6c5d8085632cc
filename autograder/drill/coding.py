"""The chapters' exercises as coding questions: read from the learner's notebooks, judged behind the sandbox's walls."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .. import progress
from ..chapters import CHAPTERS
from ..exercises import find_exercise
from ..judging import NOT_ATTEMPTED, Judgement, public_seed
from ..remote import Remote, judge_cells, judge_source

_BOX = re.compile(r"<small>(.*?)</small>")
_MINUTES = re.compile(r"(\d+)\s+minutes?")


@dataclass(frozen=True)
class CodingTask:
    """One exercise as its notebook asks it. text: Markdown; stub: the cell to fill in; setup: cells run before it."""

    id: str
    chapter: str
    title: str
    difficulty: int
    minutes: int
    points: float
    text: str
    stub: str
    setup: tuple[str, ...] = ()


@cache
def coding_tasks(number: str) -> tuple[CodingTask, ...]:
    """The exercises of a chapter in their order; none where its notebook is not there. Imports no reference."""
    try:
        return _tasks(number, json.loads(CHAPTERS[number].notebook.read_text(encoding="utf-8"))["cells"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()  # not there, or spoilt


def _tasks(number: str, cells: list[dict]) -> tuple[CodingTask, ...]:
    setup = tuple(_source(c) for c in cells if "setup" in c["metadata"].get("tags", ()))
    points = {c["metadata"]["nbgrader"]["grade_id"][len("check-"):]: float(c["metadata"]["nbgrader"]["points"])
              for c in cells if _grade_id(c).startswith("check-")}
    found, prose = [], []
    for cell in cells:
        if cell["cell_type"] == "markdown":
            text = _source(cell)
            prose = [text] if text.lstrip().startswith("#") else [*prose, text]
        elif _grade_id(cell) in points:
            name = _grade_id(cell)
            found.append(_task(number, name, points[name], "\n\n".join(prose), _source(cell), setup))
            prose = []
    return tuple(found)


def _task(number: str, name: str, points: float, text: str, stub: str, setup: tuple[str, ...]) -> CodingTask:
    box = _BOX.search(text)
    told = box[1] if box else ""
    minutes = _MINUTES.search(told)
    body = _BOX.sub("", text)
    title = re.sub(r"^#+\s*", "", body.lstrip().split("\n")[0])
    return CodingTask(f"{number}.{name}", number, title, min(max(told.count("●"), 1), 3),
                      int(minutes[1]) if minutes else 15, points, body.strip(), stub, setup)


def _grade_id(cell: Mapping) -> str:
    return str(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))


def _source(cell: Mapping) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def find_task(exercise_id: str) -> CodingTask:
    """The task of an exercise. KeyError with a sentence where there is none."""
    for task in coding_tasks(exercise_id.partition(".")[0]):
        if task.id == exercise_id:
            return task
    raise KeyError(f"there is no exercise {exercise_id!r} in the notebooks")


# --- judging --------------------------------------------------------------------------------------


def judge_code(task: CodingTask, source: str, keep: bool = True) -> tuple[Judgement, str]:
    """Judge an answer's source as `check` does, in the sandbox that grades a class; (judgement, a notice or "").

    Where the machine allows no sandbox that holds, the answer runs in a process of its own, and the notice says so.
    `keep`: record it as an attempt; a progress file that cannot be written becomes the notice.
    """
    from ..grading.sandbox import ForkServer, NoSandbox, SandboxLost

    exercise, cells = find_exercise(task.id), [*task.setup, source]
    notice = ""
    try:
        with ForkServer() as server, server.open() as box:
            judgement = judge_cells(box, exercise, _run(box, cells), source, public_seed(task.id))
    except (NoSandbox, SandboxLost) as error:
        notice = f"No sandbox here ({error}): your code ran in a process of its own."
        judgement = judge_source(exercise, cells, public_seed(task.id))
    if keep and judgement.outcome != NOT_ATTEMPTED:
        try:
            progress.record(judgement, hashlib.sha256(source.encode()).hexdigest()[:16])
        except progress.ProgressError as error:
            notice = f"{notice} This attempt was not kept: {error}.".strip()
    return judgement, notice


def _run(box: Remote, cells: Sequence[str]) -> dict | None:
    """Run the cells; how the first one that failed ended, or None."""
    errors = [box.run(source, number) for number, source in enumerate(cells)]
    return next((e for e in errors if e is not None), None)


# --- the candidate's own editor ---------------------------------------------------------------------


def draft_path(task: CodingTask) -> Path:
    """Where an answer that is being written lies."""
    return progress.data_folder() / "code" / f"{task.id}.py"


def read_draft(task: CodingTask) -> str:
    """The answer so far, or the stub."""
    try:
        return draft_path(task).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return task.stub


def write_draft(task: CodingTask, source: str) -> Path:
    """Keep an answer that is being written, whole or not at all. Raises ProgressError with a sentence."""
    from ..notebooks.build import write_text

    try:
        write_text(draft_path(task), source)
    except OSError as error:
        raise progress.ProgressError(f"{draft_path(task)} cannot be written ({error.strerror}): set AUTOGRADER_DATA "
                                     "to a folder of yours") from error
    return draft_path(task)


def editor_command() -> list[str] | None:
    """The candidate's editor, from VISUAL or EDITOR, or one that is usually there; None if there is none."""
    for words in (os.environ.get("VISUAL"), os.environ.get("EDITOR"), "sensible-editor", "nano", "vi"):
        try:
            parts = shlex.split(words or "")
        except ValueError:  # a quote that is not closed
            continue
        if parts and shutil.which(parts[0]):
            return parts
    return None

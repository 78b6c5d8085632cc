"""check(): judges a learner's answer inside the notebook and explains."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from . import progress
from .cards import card_html, card_text
from .chapters import CHAPTERS
from .exercise import Exercise
from .exercises import chapter_exercises, find_exercise
from .judging import Judgement, judge_answer, seed_for
from .probes.ask import ask, is_learners
from .probes.common import source as source_of

MISSES_BEFORE_SOLUTION = 3


class CheckFailed(AssertionError):
    """An answer that is not right, where no card can be shown: a terminal, a test, nbgrader's Validate."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Score(float):
    """The points of a check. A notebook shows its card; nbgrader reads the number as partial credit."""

    card: str

    def __new__(cls, points: float, card: str) -> Score:
        score = super().__new__(cls, points)
        score.card = card
        return score

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.card, "text/plain": float.__repr__(self)}


def judge(exercise_id: str, answer: Any, seed: int | str | None = None) -> Judgement:
    """Judge an answer (a function, a class, or a tuple of them for exercises that ask for several).

    Never raises for what the answer does; KeyError for an unknown id. `seed` is a course's secret:
    without it the random cases are the public ones.
    """
    exercise = find_exercise(exercise_id)
    first = answer[0] if isinstance(answer, tuple) and answer else answer
    source = source_of(first) if exercise.forbid else ""
    return judge_answer(exercise, lambda question: ask(answer, question), seed_for(exercise_id, seed), source)


def check(exercise_id: str, *answer: Any, seed: int | str | None = None) -> Score:
    """Judge the answer and show what came of it.

    In a notebook the returned score shows a card. Elsewhere, and under nbgrader's Validate button, the
    same is told as text, and CheckFailed is raised when the answer is not right.
    """
    exercise = find_exercise(exercise_id)
    one = answer[0] if len(answer) == 1 else tuple(answer)
    judgement = judge(exercise_id, one, seed)
    attempt, misses, notice = _recorded(judgement, answer)
    notice = " ".join(filter(None, (notice, elsewhere_notice(exercise, answer))))
    validating = os.environ.get("NBGRADER_EXECUTION") == "validate"
    if not in_notebook() or (validating and not judgement.passed):
        text = card_text(judgement, exercise, attempt=attempt)
        if not judgement.passed:
            raise CheckFailed(text)
        print(text)
        return Score(judgement.points, "")
    solution = solution_source(exercise) if misses >= MISSES_BEFORE_SOLUTION and not judgement.passed else ""
    card = card_html(judgement, exercise, attempt=attempt, solution=solution, notice=notice)
    return Score(judgement.points, card)


def elsewhere_notice(exercise: Exercise, answer: tuple) -> str:
    """A sentence if the answer needs what its own cell does not hold; "" if it does not.

    Where a class is graded, set-up cells and answers alone are run: a function of another cell, or of the course's
    own packages, is not there.
    """
    given = {name for other in chapter_exercises(exercise.chapter) for name in other.names}
    found = {name for part in answer for name in _used_elsewhere(part)} - given
    found = sorted(found and found - _set_up_names(exercise.chapter))
    if not found:
        return ""
    told = ", ".join(f"`{name}`" for name in found)
    return (f"Your answer uses {told}, which another cell brings in. When a class is graded, only this cell and the "
            "set-up are run: put what it needs into this cell.")


def _used_elsewhere(part: Any) -> Iterator[str]:
    """Names of functions and classes that an answer uses and that another cell, or `utils`, defines."""
    functions = [f for f in vars(part).values() if inspect.isfunction(f)] if inspect.isclass(part) else [part]
    for function in filter(inspect.isfunction, map(inspect.unwrap, filter(callable, functions))):
        own = function.__code__.co_filename
        for name in _names(function.__code__):
            value = function.__globals__.get(name)
            if not inspect.isfunction(value) and not inspect.isclass(value):
                continue
            sources = [value] if inspect.isfunction(value) else filter(inspect.isfunction, vars(value).values())
            cells = {f.__code__.co_filename for f in sources if is_learners(f.__code__.co_filename)}
            if (cells and own not in cells) or (value.__module__ or "").split(".")[0] in ("utils", "autograder"):
                yield name


def _set_up_names(chapter: str) -> set[str]:
    """Functions and classes that the set-up cells of the chapter's notebook define; none where it cannot be read."""
    try:
        cells = json.loads(CHAPTERS[chapter].notebook.read_text(encoding="utf-8"))["cells"]
        bodies = [ast.parse("".join(c["source"])).body for c in cells if "setup" in c["metadata"].get("tags", ())]
    except (OSError, ValueError, KeyError, SyntaxError):
        return set()
    return {n.name for body in bodies for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


def _names(code: CodeType) -> set[str]:
    """The names that a code object and those inside it look up."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def _recorded(judgement: Judgement, answer: tuple) -> tuple[int, int, str]:
    """(attempts, misses, a sentence if the attempt could not be kept). Graders keep no attempts."""
    if os.environ.get("NBGRADER_EXECUTION") or os.environ.get("AUTOGRADER_NO_PROGRESS"):
        return 0, 0, ""
    text = "\n".join(source_of(part) for part in answer)
    try:
        return *progress.record(judgement, hashlib.sha256(text.encode()).hexdigest()[:16]), ""
    except progress.ProgressError as error:
        return 0, 0, f"This attempt was not kept: {error}."


def solution_source(exercise: Exercise) -> str:
    """The solution cell of the master, or "" where the masters are not there (a class)."""
    from .chapters import CHAPTERS
    from .notebooks.master import read_master

    try:
        master = read_master(CHAPTERS[exercise.chapter].master)
    except (OSError, ValueError):
        return ""
    cell = master.solutions.get(exercise.name)
    return cell.solution if cell else ""


def course_seed() -> str | None:
    """The secret of the course that grades: the text of `.course_seed` in this folder or one above it.

    None without such a file: the public cases are drawn then.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        file = folder / ".course_seed"
        if file.is_file():
            return file.read_text().strip() or None
    return None

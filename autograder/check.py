"""check(): judges a learner's answer inside the notebook and explains."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from . import progress
from .cards import card_html, card_text
from .exercise import Exercise
from .exercises import find_exercise
from .judging import Judgement, judge_answer, seed_for
from .probes.ask import ask
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

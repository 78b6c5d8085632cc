"""What is asked in each chapter and how an answer is judged: `chNN_slug.py`, list `EXERCISES`."""

from __future__ import annotations

import importlib

from ..chapters import CHAPTERS
from ..exercise import Exercise


def chapter_exercises(number: str) -> list[Exercise]:
    """The exercises of a chapter in their order. KeyError if the chapter has none yet."""
    chapter = CHAPTERS.get(number)
    name = f"{__name__}.ch{chapter.stem}" if chapter else ""
    try:
        return list(importlib.import_module(name).EXERCISES)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
    except ValueError:
        pass
    raise KeyError(f"chapter {number!r} has no exercises yet")


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise with an id like "12.conv2d_flops". KeyError with a sentence if there is none."""
    number, _, name = exercise_id.partition(".")
    exercises = chapter_exercises(number)
    for exercise in exercises:
        if exercise.name == name:
            return exercise
    known = ", ".join(e.name for e in exercises)
    raise KeyError(f"there is no exercise {exercise_id!r}; chapter {number} has {known}")

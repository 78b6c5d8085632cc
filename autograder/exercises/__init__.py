"""What is asked in each chapter and how an answer is judged: `chNN_slug.py`, or a package of that name; list `EXERCISES`.

`AUTOGRADER_PLUGINS` names further modules, separated by commas; the `register()` of each adds chapters
of its own before the first look-up (the benchmarks' reference assignment comes in this way).
"""

from __future__ import annotations

import importlib
import os

from ..chapters import CHAPTERS
from ..exercise import Exercise

_plugins: set[str] = set()


def load_plugins() -> None:
    """Call `register()` of each module in AUTOGRADER_PLUGINS, once a process.

    KeyError with a sentence for a module that can't be imported or has no `register`.
    """
    for name in filter(None, map(str.strip, os.environ.get("AUTOGRADER_PLUGINS", "").split(","))):
        if name in _plugins:
            continue
        try:
            register = importlib.import_module(name).register
        except (ImportError, AttributeError) as error:
            raise KeyError(f"AUTOGRADER_PLUGINS names {name!r}, which can't be used ({error}): put its folder on "
                           "PYTHONPATH, or take the name out") from error
        _plugins.add(name)  # before the call, which may look exercises up itself
        register()


def chapter_exercises(number: str) -> list[Exercise]:
    """The exercises of a chapter in their order. KeyError if the chapter has none yet."""
    load_plugins()
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

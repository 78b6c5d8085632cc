"""The questions of each chapter: `chNN_slug.py`, list `QUESTIONS`."""

from __future__ import annotations

import importlib

from ...chapters import CHAPTERS
from ..question import Question


def chapter_questions(number: str) -> list[Question]:
    """The questions of a chapter in their order. KeyError if it has none yet."""
    chapter = CHAPTERS.get(number)
    name = f"{__name__}.ch{chapter.stem}" if chapter else ""
    try:
        return list(importlib.import_module(name).QUESTIONS)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
    except ValueError:
        pass
    raise KeyError(f"chapter {number!r} has no questions yet")

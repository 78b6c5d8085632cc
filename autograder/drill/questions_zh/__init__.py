"""The Chinese texts of the drill questions, a file a chapter: dictionary `TEXTS` from a question's id to its Zh."""

from __future__ import annotations

import importlib

from ...chapters import CHAPTERS
from ..languages import Zh


def chapter_texts(number: str) -> dict[str, Zh]:
    """{question's id: its Chinese texts} of a chapter."""
    return importlib.import_module(f"{__name__}.ch{CHAPTERS[number].stem}").TEXTS

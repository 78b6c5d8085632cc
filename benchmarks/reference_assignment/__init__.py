"""Two assignments that exist only to be measured, in the course's own vocabulary.

90_reference: numpy and torch, five exercises, about 32 ms of compute when warm.
91_light: one exercise without an import, so that what is measured is the grader.

`register()` adds them to the chapters. Other processes do it too when AUTOGRADER_PLUGINS names this
package and PYTHONPATH its folder.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from autograder.chapters import CHAPTERS, Chapter

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class MeasuredChapter(Chapter):
    """A chapter whose master lies here. It has no learner's notebook in `course/`."""

    @property
    def master(self) -> Path:
        return HERE / f"{self.stem}.py"

    @property
    def notebook(self) -> Path:
        return HERE / self.stem / f"{self.stem}.ipynb"


MEASURED = (
    MeasuredChapter("90", "reference", "A", "Reference", "The reference assignment", "基准作业", 30),
    MeasuredChapter("91", "light", "A", "Light", "The light assignment", "轻量作业", 2),
)


def register() -> None:
    """Add the chapters and their exercises; a second call changes nothing."""
    from . import exercises, light

    for chapter, module in zip(MEASURED, (exercises, light), strict=True):
        CHAPTERS[chapter.number] = chapter
        sys.modules[f"autograder.exercises.ch{chapter.stem}"] = module


def unregister() -> None:
    """Take them out again, for tests that count chapters."""
    for chapter in MEASURED:
        CHAPTERS.pop(chapter.number, None)
        sys.modules.pop(f"autograder.exercises.ch{chapter.stem}", None)

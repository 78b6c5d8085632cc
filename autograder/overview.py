"""How the learner stands, by chapter: what the start page and `autograder progress` show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .chapters import CHAPTERS, Chapter
from .progress import standings


@dataclass(frozen=True)
class Standing:
    """One chapter: how many of its exercises are solved, and the best points so far."""

    chapter: Chapter
    exercises: int
    solved: int
    points: float
    max_points: float
    attempts: int
    last_at: str

    @property
    def share(self) -> float:
        """Solved exercises over all, 0 to 1."""
        return self.solved / self.exercises if self.exercises else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.chapter.short, "exercises": self.exercises, "solved": self.solved,
                "points": self.points, "max_points": self.max_points, "attempts": self.attempts,
                "last_at": self.last_at}


def overview() -> list[Standing]:
    """All 54 chapters in order; those not yet written have 0 exercises. Raises ProgressError."""
    tried = standings()
    rows = []
    for number, chapter in CHAPTERS.items():
        mine = [s for key, s in tried.items() if key.startswith(f"{number}.")]
        count, points = size_of(chapter)
        rows.append(Standing(
            chapter, count, sum(s.solved for s in mine), sum(s.points for s in mine), points,
            sum(s.attempts for s in mine), max((s.last_at for s in mine), default="")))
    return rows


def size_of(chapter: Chapter) -> tuple[int, float]:
    """(exercises, points) of a chapter, read from its learner's notebook: no reference is imported."""
    try:
        cells = json.loads(chapter.notebook.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return 0, 0.0
    told = [c.get("metadata", {}).get("nbgrader", {}) for c in cells]
    checks = [n for n in told if str(n.get("grade_id", "")).startswith("check-")]
    return len(checks), sum(float(n.get("points", 0)) for n in checks)

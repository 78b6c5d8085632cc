"""How the learner stands, by chapter: what the start page and `autograder progress` show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .chapters import CHAPTERS, Chapter
from .drill.deck import chapter_items
from .drill.memory import Memory, load_memory
from .progress import standings


@dataclass(frozen=True)
class Standing:
    """One chapter: how many of its exercises are solved, the best points so far, how many of its cards (questions and
    exercises) are due, and its mastery: the chance, over all its cards, to answer one right now, 0 to 1."""

    chapter: Chapter
    exercises: int
    solved: int
    points: float
    max_points: float
    attempts: int
    last_at: str
    due: int = 0
    mastery: float = 0.0

    @property
    def share(self) -> float:
        """Solved exercises over all, 0 to 1."""
        return self.solved / self.exercises if self.exercises else 0.0

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.chapter.short, "exercises": self.exercises, "solved": self.solved,
                "points": self.points, "max_points": self.max_points, "attempts": self.attempts,
                "last_at": self.last_at, "due": self.due, "mastery": round(self.mastery, 4)}


def overview(memory: Memory | None = None) -> list[Standing]:
    """All 54 chapters in order; those not yet written have 0 exercises. Raises ProgressError."""
    tried, memory = standings(), memory or load_memory()
    due = set(memory.due())
    rows = []
    for number, chapter in CHAPTERS.items():
        mine = [s for key, s in tried.items() if key.startswith(f"{number}.")]
        count, points = size_of(chapter)
        cards = [item.id for item in chapter_items(number)] if count else []
        rows.append(Standing(
            chapter, count, sum(s.solved for s in mine), sum(s.points for s in mine), points,
            sum(s.attempts for s in mine), max((s.last_at for s in mine), default=""),
            len(due.intersection(cards)), sum(map(memory.recall, cards)) / len(cards) if cards else 0.0))
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

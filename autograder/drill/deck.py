"""All that can be asked: the questions of the bank and the exercises, chosen and put in order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from ..chapters import CHAPTERS, PARTS
from .coding import CodingTask, coding_tasks
from .languages import LANGUAGES, in_chinese
from .memory import Memory
from .question import Choice, Numeric, Question
from .questions import chapter_questions

NUMERIC, CHOICE, OPEN, CODE = KINDS = ("numeric", "choice", "open", "code")
EXPECTED_S = {NUMERIC: (45, 75, 120), CHOICE: (30, 45, 60), OPEN: (120, 180, 240)}  # by difficulty


@dataclass(frozen=True)
class Item:
    """One card: a question, or an exercise as a coding question."""

    id: str
    chapter: str
    kind: str
    difficulty: int
    question: Question | None = None
    task: CodingTask | None = None

    @property
    def part(self) -> str:
        return CHAPTERS[self.chapter].part

    @property
    def expected_s(self) -> float:
        """How long an answer should take, in seconds."""
        return 60.0 * self.task.minutes if self.task else float(EXPECTED_S[self.kind][self.difficulty - 1])


@cache
def chapter_items(number: str, language: str = "en") -> tuple[Item, ...]:
    """The cards of a chapter: its questions in `language`, then its exercises. KeyError for an unknown chapter."""
    if language not in LANGUAGES:
        raise KeyError(f"there is no language {language!r}: write one of {', '.join(LANGUAGES)}")
    questions = chapter_questions(number)
    if language == "zh":
        from .questions_zh import chapter_texts

        texts = chapter_texts(number)
        questions = [in_chinese(q, texts[q.id]) for q in questions]
    asked = [Item(q.id, number, _kind(q), q.difficulty, question=q) for q in questions]
    coding = [Item(t.id, number, CODE, t.difficulty, task=t) for t in coding_tasks(number)]
    return (*asked, *coding)


def _kind(question: Question) -> str:
    return NUMERIC if isinstance(question, Numeric) else CHOICE if isinstance(question, Choice) else OPEN


def find_items(parts: Sequence[str] = (), chapters: Sequence[str] = (), difficulty: int | None = None,
               kinds: Iterable[str] = KINDS, language: str = "en") -> list[Item]:
    """The cards that fit every filter that is given, in the course's order.

    parts: letters "A" to "F"; chapters: numbers "01" to "54". KeyError with a sentence for an unknown one.
    """
    wanted = [part.upper() for part in parts]
    for part in wanted:
        if part not in PARTS:
            raise KeyError(f"there is no part {part!r}: give a letter from A to F")
    for number in chapters:
        if number not in CHAPTERS:
            raise KeyError(f"there is no chapter {number!r}: give a number from 01 to 54")
    kinds = tuple(kinds)
    return [item for number, chapter in CHAPTERS.items()
            if (not wanted or chapter.part in wanted) and (not chapters or number in chapters)
            for item in chapter_items(number, language)
            if item.kind in kinds and (difficulty is None or item.difficulty == difficulty)]


def in_order(items: Sequence[Item], memory: Memory | None, seed: int, due_only: bool = False) -> list[Item]:
    """The order in which a round asks: what is due (least sure first), what is new (shuffled, one chapter after the
    other), then what is known, least sure first. `due_only`: what is due alone."""
    by_id = {item.id: item for item in items}
    due = [by_id[card] for card in memory.due() if card in by_id] if memory else []
    if due_only:
        return due
    known = memory.known if memory else {}
    new = _interleaved([item for item in items if item.id not in known], random.Random(seed))
    rest = sorted((i for i in items if i.id in known and i not in due), key=lambda i: (known[i.id].recall, i.id))
    return [*due, *new, *rest]


def _interleaved(items: list[Item], rng: random.Random) -> list[Item]:
    """Shuffled, but so that every chapter has its turn before one comes again; exercises after the questions."""
    order: list[Item] = []
    for group in ([i for i in items if i.kind != CODE], [i for i in items if i.kind == CODE]):
        waiting: dict[str, list[Item]] = {}
        for item in rng.sample(group, len(group)):
            waiting.setdefault(item.chapter, []).append(item)
        while waiting:
            for number in list(waiting):
                order.append(waiting[number].pop())
                if not waiting[number]:
                    del waiting[number]
    return order

"""A round of practice: cards one after the other; each answer is kept at once, and wrong ones come back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ..progress import ProgressError
from .answers import Verdict
from .asking import Asked
from .deck import CODE, Item
from .labels import say
from .memory import Review, rate, remember

BACK_AFTER = 3  # questions between a wrong answer and the same question with other numbers


class Round:
    """Asks `items` in their order. `current` is None at the end. `notice` says what could not be kept, or is "".

    clock: seconds, for how long an answer took; now: the time that is written down.
    """

    def __init__(self, items: Sequence[Item], seed: int = 1, mode: str = "drill", language: str = "en",
                 clock: Callable[[], float] = time.monotonic,
                 now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.waiting = deque(items)
        self.seed, self.mode, self.language, self.clock, self.now = seed, mode, language, clock, now
        self.came_back: set[str] = set()
        self.answered: list[tuple[Item, float]] = []
        self.notice = ""
        self.current: Asked | None = None
        self.answer: Verdict | None = None
        self.next()

    @property
    def left(self) -> int:
        """Cards after this one."""
        return len(self.waiting)

    @property
    def right(self) -> int:
        return sum(share == 1.0 for _, share in self.answered)

    def next(self) -> Asked | None:
        """Go on to the next card, answered or not."""
        self._ask(self.waiting.popleft() if self.waiting else None)
        return self.current

    def other_numbers(self) -> Asked | None:
        """Ask the current card once more with other numbers; the answer counts like any other."""
        self._ask(self.current.item if self.current else None)
        return self.current

    def _ask(self, item: Item | None) -> None:
        self.seed += 1
        self.current = Asked(item, self.seed, self.language) if item else None
        self.answer, self.began = None, self.clock()

    def submit(self, verdict: Verdict, typed: str) -> None:
        """Take what came of an answer. The first one that can be read counts; it is kept before this returns."""
        if self.current is None or verdict.right is None or self.answer is not None:
            return
        self.answer = verdict
        item, seconds = self.current.item, self.clock() - self.began
        self.answered.append((item, verdict.share))
        if item.kind != CODE:  # an exercise's attempt is kept where it is judged
            self._keep(Review(item.id, self.now(), rate(verdict.share, seconds, item.expected_s), verdict.share,
                              seconds, self.current.seed, typed, self.mode))
        if verdict.share < 1.0 and item.kind != CODE and item.id not in self.came_back:
            self.came_back.add(item.id)
            self.waiting.insert(min(BACK_AFTER, len(self.waiting)), item)

    def _keep(self, review: Review) -> None:
        try:
            remember(review)
            self.notice = ""
        except ProgressError as error:
            self.notice = say(self.language, "This answer was not kept: {error}.", error=error)

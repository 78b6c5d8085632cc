"""A mock interview: a timed draw over the parts, with follow-ups that get harder while answers are right."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..chapters import PARTS
from ..progress import ProgressError, open_progress
from .answers import Verdict
from .asking import Asked
from .deck import CODE, KINDS, NUMERIC, Item
from .labels import say
from .memory import Review, rate, remember

SHORTEST, LONGEST = 5, 240  # minutes
GOOD_ENOUGH = 0.75  # the share from which an answer is followed up by a harder question
MOST_FOLLOW_UPS = 2
CODE_FROM = 30  # minutes from which an interview has a coding question


@dataclass(frozen=True)
class Answered:
    """One question of the interview and what came of it. seconds: None where time ran out on it."""

    id: str
    part: str
    chapter: str
    kind: str
    difficulty: int
    follow_up: bool
    text: str
    typed: str
    share: float
    seconds: float
    expected_s: float
    told: str
    model_answer: str


@dataclass
class Interview:
    """What is kept of an interview: its plan and every answer so far. started, ended: UTC, ISO 8601."""

    uid: str
    started: str
    minutes: float
    language: str
    seed: int
    pid: int
    answered: list[Answered] = field(default_factory=list)
    ended: str | None = None
    used_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Interview:
        """Raises TypeError or KeyError for another form."""
        return cls(**{**told, "answered": [Answered(**a) for a in told["answered"]]})


class Mock:
    """Asks until the time is up. `current` is the question in hand, None at the end.

    items: all cards that may be asked. Each answer is kept before `submit` returns; `notice` says what could not be.
    Raises ValueError for a time outside 5 to 240 minutes, or without questions.
    """

    def __init__(self, minutes: float, items: Sequence[Item], seed: int, language: str = "en",
                 clock: Callable[[], float] = time.monotonic,
                 now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if not SHORTEST <= minutes <= LONGEST:
            raise ValueError(f"an interview takes {SHORTEST} to {LONGEST} minutes, not {minutes:g}")
        if not items:
            raise ValueError("there is no question to ask: take a filter away")
        self.clock, self.now = clock, now
        self.rng = random.Random(seed)
        self.items = list(items)
        parts = [part for part in PARTS if any(item.part == part for item in items)]
        self.turn = self.rng.sample(parts, len(parts))
        self.asked_ids: set[str] = set()
        self.follow_ups = 0
        self.notice = ""
        self.interview = Interview(uuid.uuid4().hex, now().isoformat(timespec="seconds"), minutes, language, seed,
                                   os.getpid())
        self.began_at = clock()
        self.current: Asked | None = None
        self.is_follow_up = False
        self.answer: Verdict | None = None
        self._store()
        self.next()

    @property
    def left_s(self) -> float:
        """Seconds until the time is up; below 0 afterwards."""
        return 60 * self.interview.minutes - (self.clock() - self.began_at)

    # --- drawing ----------------------------------------------------------------------------------

    def next(self) -> Asked | None:
        """The next question, or None when the time is up or nothing is left to ask."""
        self.answer, self.is_follow_up = None, False
        item = self._drawn() if self.left_s > 0 else None
        self.current = Asked(item, self.rng.randrange(2**31), self.interview.language) if item else None
        if item:
            self.asked_ids.add(item.id)
        self.shown_at = self.clock()
        return self.current

    def _drawn(self) -> Item | None:
        last = self.interview.answered[-1] if self.interview.answered else None
        if last and last.share >= GOOD_ENOUGH and last.kind != CODE and self.follow_ups < MOST_FOLLOW_UPS:
            harder = self._harder(last)
            if harder:
                self.follow_ups, self.is_follow_up = self.follow_ups + 1, True
                return harder
        self.follow_ups = 0
        return self._coding() or self._fresh()

    def _harder(self, last: Answered) -> Item | None:
        """A harder question on the same chapter, else on the same part: the least step up."""
        for near in (lambda i: i.chapter == last.chapter, lambda i: i.part == last.part):
            found = [i for i in self._open_items() if near(i) and i.difficulty > last.difficulty]
            if found:
                least = min(i.difficulty for i in found)
                return self.rng.choice([i for i in found if i.difficulty == least])
        return None

    def _coding(self) -> Item | None:
        """One exercise, from half time on, of a length that fits what is left."""
        minutes = self.interview.minutes
        asked = any(a.kind == CODE for a in self.interview.answered)
        if asked or minutes < CODE_FROM or not 0 < self.left_s < 30 * minutes:
            return None
        fitting = [i for i in self.items if i.kind == CODE and i.id not in self.asked_ids
                   and i.expected_s <= 0.8 * self.left_s]
        return self.rng.choice(fitting) if fitting else None

    def _fresh(self) -> Item | None:
        """An easy or middling question of the part whose turn it is, of a kind and a chapter asked least."""
        for _ in range(len(self.turn)):
            part = self.turn[0]
            self.turn = [*self.turn[1:], part]
            found = [i for i in self._open_items() if i.part == part]
            easy = [i for i in found if i.difficulty < 3] or found
            if easy:
                kinds = [a.kind for a in self.interview.answered]
                chapters = [a.chapter for a in self.interview.answered]
                order = {kind: n for n, kind in enumerate((NUMERIC, *KINDS))}
                self.rng.shuffle(easy)
                return min(easy, key=lambda i: (chapters.count(i.chapter), kinds.count(i.kind), order[i.kind]))
        return None

    def _open_items(self) -> list[Item]:
        return [i for i in self.items if i.kind != CODE and i.id not in self.asked_ids]

    # --- answering --------------------------------------------------------------------------------

    def submit(self, verdict: Verdict, typed: str) -> None:
        """Take what came of an answer; the first one that can be read counts, and is kept before this returns."""
        if self.current is None or verdict.right is None or self.answer is not None:
            return
        self.answer, self.notice = verdict, ""
        asked, item, seconds = self.current, self.current.item, self.clock() - self.shown_at
        self.interview.answered.append(Answered(
            item.id, item.part, item.chapter, item.kind, item.difficulty, self.is_follow_up, asked.text, typed,
            verdict.share, round(seconds, 1), item.expected_s, verdict.text, asked.model_answer))
        self._store()
        if item.kind != CODE:
            rating = rate(verdict.share, seconds, item.expected_s)
            self._keep(Review(item.id, self.now(), rating, verdict.share, seconds, asked.seed, typed, "mock"))

    def skip(self) -> None:
        """Give the question up: it counts as not answered."""
        self.submit(Verdict(False, "", 0.0), "")

    def end(self) -> Interview:
        """End the interview; it can be called more than once."""
        if self.interview.ended is None:
            self.interview.ended = self.now().isoformat(timespec="seconds")
            self.current = None
            self._store()
        return self.interview

    # --- keeping ----------------------------------------------------------------------------------

    def _keep(self, review: Review) -> None:
        with self._told():
            remember(review)

    def _store(self) -> None:
        self.interview.used_s = round(self.clock() - self.began_at, 1)
        with self._told():
            store(self.interview)

    @contextlib.contextmanager
    def _told(self) -> Any:
        try:
            yield
        except ProgressError as error:
            self.notice = say(self.interview.language, "This answer was not kept: {error}.", error=error)


def store(interview: Interview) -> None:
    """Write an interview's row, new or again. Raises ProgressError."""
    text = json.dumps(interview.as_dict(), ensure_ascii=False)
    with open_progress() as db:
        db.execute("INSERT INTO mocks (uid, started, ended, interview) VALUES (?, ?, ?, ?)"
                   " ON CONFLICT (uid) DO UPDATE SET ended = excluded.ended, interview = excluded.interview",
                   (interview.uid, interview.started, interview.ended, text))


def cut_off() -> list[Interview]:
    """Interviews that were begun, never ended, and have an answer; their process is gone. Raises ProgressError."""
    with open_progress() as db:
        rows = db.execute("SELECT interview FROM mocks WHERE ended IS NULL ORDER BY started").fetchall()
    found = []
    for (text,) in rows:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            interview = Interview.from_dict(json.loads(text))
            if interview.answered and not _alive(interview.pid):
                found.append(interview)
    return found


def _alive(pid: int) -> bool:
    import psutil  # a dependency of ipykernel

    return 0 < pid < 2**31 and psutil.pid_exists(pid)

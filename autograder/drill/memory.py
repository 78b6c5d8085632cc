"""What is remembered: every answer is a row, and from the rows `fsrs` says what is due and how well it is known.

A card is a question ("26.integers") or an exercise ("26.bf16_round"). Its state is replayed from its rows, so a row
that is written is all there is to lose, and rows of another machine merge by being added.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fsrs import Card, Rating, Scheduler

from ..judging import RIGHT
from ..progress import open_progress

STEP = timedelta(minutes=10)  # a wrong answer comes back after this
RETENTION_DAYS = 30


def scheduler() -> Scheduler:
    """FSRS with its published weights, 90 % wanted retention, one learning step, nothing random."""
    return Scheduler(desired_retention=0.9, learning_steps=(STEP,), relearning_steps=(STEP,), enable_fuzzing=False)


def rate(share: float, seconds: float, expected_s: float) -> int:
    """An answer's rating: 1 wrong, 2 right but slow (over twice the expected time) or half right, 3 right."""
    if share < 0.5:
        return int(Rating.Again)
    return int(Rating.Good if share == 1.0 and seconds <= 2 * expected_s else Rating.Hard)


@dataclass(frozen=True)
class Review:
    """One answer. at: UTC. See table `reviews`."""

    question: str
    at: datetime
    rating: int
    share: float
    seconds: float
    seed: int
    typed: str
    mode: str


def remember(review: Review) -> None:
    """Keep one answer. Raises ProgressError."""
    with open_progress() as db:
        db.execute(
            "INSERT INTO reviews (uid, question, at, rating, share, seconds, seed, typed, mode)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (uuid.uuid4().hex, review.question, review.at.isoformat(timespec="milliseconds"), review.rating,
             review.share, review.seconds, review.seed, review.typed[:2000], review.mode),
        )


@dataclass(frozen=True)
class Known:
    """How well a card is known. recall: the chance to answer it right now, 0 to 1; it is 0 after a wrong answer."""

    due: datetime
    recall: float
    reviews: int
    lapses: int
    last: datetime


@dataclass(frozen=True)
class Memory:
    """All that is remembered, at one time (UTC)."""

    now: datetime
    known: Mapping[str, Known]
    answered: tuple[tuple[str, datetime, int], ...]  # (card, when, rating), oldest first

    def due(self) -> list[str]:
        """The cards that are due, the least sure first."""
        return sorted((c for c, k in self.known.items() if k.due <= self.now),
                      key=lambda c: (self.known[c].recall, self.known[c].due, c))

    def recall(self, card: str) -> float:
        return self.known[card].recall if card in self.known else 0.0

    def retention(self, days: int = RETENTION_DAYS) -> tuple[int, float]:
        """(answers, share right) of the last `days`, counting answers to cards last seen a day or more before."""
        seen: dict[str, datetime] = {}
        kept = []
        for card, at, rating in self.answered:
            if card in seen and at - seen[card] >= timedelta(days=1) and self.now - at <= timedelta(days=days):
                kept.append(rating > Rating.Again)
            seen[card] = at
        return len(kept), sum(kept) / len(kept) if kept else 0.0

    def streak(self) -> int:
        """Days in a row with an answer, up to today, or up to yesterday where today has none yet. Local dates."""
        days = {at.astimezone().date() for _, at, _ in self.answered}
        day: date = self.now.astimezone().date()
        if day not in days:
            day -= timedelta(days=1)
        count = 0
        while day in days:
            count, day = count + 1, day - timedelta(days=1)
        return count

    def told(self) -> str:
        """What is due, how well it is kept, and the streak, in words."""
        count, share = self.retention()
        days = self.streak()
        due = len(self.due())
        parts = [f"{due or 'No'} {'card is' if due == 1 else 'cards are'} due."]
        parts += [f"Of {count} cards that came back, {share:.0%} were still known."] if count else []
        parts += [f"{days} {'day' if days == 1 else 'days'} in a row."] if days else []
        return " ".join(parts)


def load_memory(now: datetime | None = None) -> Memory:
    """Read every row and replay it. Raises ProgressError."""
    with open_progress() as db:
        reviews = db.execute("SELECT question, at, rating FROM reviews").fetchall()
        attempts = db.execute("SELECT exercise, at, outcome FROM attempts ORDER BY id").fetchall()
    answered = [(q, _time(at), int(rating)) for q, at, rating in reviews]
    answered += _exercise_reviews((e, _time(at), outcome) for e, at, outcome in attempts)
    return replayed(answered, now or datetime.now(UTC))


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _exercise_reviews(attempts: Iterable[tuple[str, datetime, str]]) -> list[tuple[str, datetime, int]]:
    """Checks as answers: on one day the first wrong one and the first right one count, so that trying is free."""
    counted: set[tuple[str, date, str]] = set()
    found = []
    for exercise, at, outcome in attempts:
        key = (exercise, at.date(), outcome)
        if key not in counted:
            counted.add(key)
            found.append((exercise, at, int(Rating.Good if outcome == RIGHT else Rating.Again)))
    return found


def replayed(answered: Iterable[tuple[str, datetime, int]], now: datetime) -> Memory:
    """The memory that a history of (card, when, rating) leaves behind."""
    order = sorted(answered, key=lambda row: (row[1], row[0]))
    plan = scheduler()
    cards: dict[str, Card] = {}
    counts: dict[str, list[int]] = {}
    for name, at, rating in order:
        card = cards.get(name) or Card(card_id=len(cards), due=at)
        cards[name], _ = plan.review_card(card, Rating(rating), at)
        count = counts.setdefault(name, [0, 0])
        count[0] += 1
        count[1] += rating == Rating.Again
    last = {name: rating for name, _, rating in order}
    known = {}
    for name, card in cards.items():
        recall = 0.0 if last[name] == Rating.Again else float(plan.get_card_retrievability(card, now))
        known[name] = Known(card.due, recall, *counts[name], card.last_review)
    return Memory(now, known, tuple(order))

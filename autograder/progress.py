"""The learner's progress: one SQLite file in her data folder. Never needed for grading.

Table `attempts`: one row a check of an exercise; `reviews`: one row an answer to a question; `mocks`: one row a mock
interview. What is due and how well a chapter is known is computed from these rows (`drill.memory`), so there is
nothing that could disagree with them. The folder is `AUTOGRADER_DATA`, or the user's data folder. Nothing leaves the
machine. A corrupt file is kept aside, never deleted; a locked or read-only one costs the record of an attempt, not
the check.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .judging import NOT_ATTEMPTED, RIGHT, Judgement

APP = "model-deployment-course"
VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY,
    exercise TEXT NOT NULL,        -- "26.bf16_round"
    at TEXT NOT NULL,              -- UTC, ISO 8601
    outcome TEXT NOT NULL,         -- "right", "wrong", "not attempted"
    points REAL NOT NULL,
    max_points REAL NOT NULL,
    misconception TEXT,            -- tag, or NULL
    digest TEXT NOT NULL           -- of the answer's source: the same answer twice is one miss
);
CREATE INDEX IF NOT EXISTS attempts_by_exercise ON attempts (exercise, id);
-- since version 2
CREATE TABLE IF NOT EXISTS reviews (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,      -- the same wherever the row is imported
    question TEXT NOT NULL,        -- "26.integers"
    at TEXT NOT NULL,              -- UTC, ISO 8601
    rating INTEGER NOT NULL,       -- as fsrs has them: 1 again, 2 hard, 3 good, 4 easy
    share REAL NOT NULL,           -- of the answer that was right, 0 to 1
    seconds REAL NOT NULL,         -- from shown to answered
    seed INTEGER NOT NULL,         -- of the numbers that were drawn
    typed TEXT NOT NULL,           -- the answer: as typed, the choice, or the points of the rubric
    mode TEXT NOT NULL             -- "drill", "mock", "notebook"
);
CREATE INDEX IF NOT EXISTS reviews_by_question ON reviews (question, at);
CREATE TABLE IF NOT EXISTS mocks (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    started TEXT NOT NULL,         -- UTC, ISO 8601
    ended TEXT,                    -- NULL: cut off, or still going on
    interview TEXT NOT NULL        -- JSON: minutes, language, seed, and every answer so far
);
"""


class ProgressError(Exception):
    """The progress file cannot be used; the message says why and what to do."""


def data_folder() -> Path:
    """Where the progress file lives."""
    if os.environ.get("AUTOGRADER_DATA"):
        return Path(os.environ["AUTOGRADER_DATA"]).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir(APP, appauthor=False))


def data_file() -> Path:
    return data_folder() / "progress.sqlite"


@contextlib.contextmanager
def open_progress() -> Iterator[sqlite3.Connection]:
    """A connection to the progress file, made if needed. Raises ProgressError with a sentence."""
    path = data_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path)
    except sqlite3.OperationalError as error:
        raise ProgressError(_sentence(path, error)) from error
    except sqlite3.DatabaseError:
        try:
            _keep_aside(path, _aside(path))
            connection = _connect(path)
        except (OSError, sqlite3.Error) as error:
            raise ProgressError(_sentence(path, error)) from error
    except OSError as error:
        raise ProgressError(_sentence(path, error)) from error
    try:
        with connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise ProgressError(_sentence(path, error)) from error
    except sqlite3.DatabaseError as error:
        if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
            raise
        connection.close()
        aside = _aside(path)
        _keep_aside(path, aside)
        raise ProgressError(f"{path} was damaged ({error}); it is kept as {aside.name}, and a new file is begun: do "
                            "that again") from error
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=2.0)
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise ProgressError(f"{path} was written by a newer version of the course: update this one")
        if found < VERSION:
            connection.execute("PRAGMA journal_mode=WAL")
            with connection:
                connection.executescript(SCHEMA)
                connection.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")


def _keep_aside(path: Path, aside: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))


def _sentence(path: Path, error: Exception) -> str:
    text = str(error)
    if "locked" in text:
        return f"another program holds {path}: close it and check again"
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text:
        return f"{path} cannot be written: set AUTOGRADER_DATA to a folder of yours"
    return f"{path} cannot be used ({text}): set AUTOGRADER_DATA to another folder"


def record(judgement: Judgement, digest: str) -> tuple[int, int]:
    """Keep one attempt; (attempts so far, misses so far), where the same wrong answer twice is one miss."""
    with open_progress() as db:
        if judgement.outcome != NOT_ATTEMPTED:
            db.execute(
                "INSERT INTO attempts (exercise, at, outcome, points, max_points, misconception, digest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (judgement.exercise, datetime.now(UTC).isoformat(timespec="seconds"), judgement.outcome,
                 judgement.points, judgement.max_points, judgement.misconception, digest),
            )
        row = db.execute(
            "SELECT COUNT(*), COUNT(DISTINCT CASE WHEN outcome = 'wrong' THEN digest END)"
            " FROM attempts WHERE exercise = ?", (judgement.exercise,),
        ).fetchone()
    return row[0], row[1]


@dataclass(frozen=True)
class Standing:
    """How an exercise stands: attempts made, whether it was ever solved, the best points."""

    exercise: str
    attempts: int
    solved: bool
    points: float
    max_points: float
    last_at: str


def standings() -> dict[str, Standing]:
    """Every exercise that was tried, by id."""
    with open_progress() as db:
        rows = db.execute(
            "SELECT exercise, COUNT(*), MAX(outcome = ?), MAX(points), MAX(max_points), MAX(at)"
            " FROM attempts GROUP BY exercise ORDER BY exercise", (RIGHT,),
        ).fetchall()
    return {r[0]: Standing(r[0], r[1], bool(r[2]), r[3], r[4], r[5]) for r in rows}


def forget(exercise_id: str) -> int:
    """Delete the attempts at one exercise; how many there were."""
    with open_progress() as db:
        return db.execute("DELETE FROM attempts WHERE exercise = ?", (exercise_id,)).rowcount

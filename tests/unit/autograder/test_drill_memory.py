"""What is remembered: rows in, and what is due out, as `fsrs` called by hand says; old progress files go on."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta, timezone

import fsrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import progress
from autograder.drill.memory import STEP, Memory, Review, load_memory, rate, remember, replayed, scheduler
from autograder.judging import RIGHT, WRONG, Judgement

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
AGAIN, HARD, GOOD = 1, 2, 3


def after(days=0.0, minutes=0.0):
    return START + timedelta(days=days, minutes=minutes)


def review(question="26.integers", at=START, rating=GOOD, **more):
    return Review(question, at, rating, **{"share": 1.0, "seconds": 20.0, "seed": 7, "typed": "256", "mode": "drill", **more})


# --- ratings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share, seconds, rating", [
    (1.0, 0, GOOD), (1.0, 60, GOOD), (1.0, 120, GOOD), (1.0, 120.1, HARD), (0.75, 10, HARD), (0.5, 10, HARD), (0.49, 10, AGAIN),
    (0.0, 10, AGAIN), (0.0, 1e6, AGAIN),
])
def test_an_answer_is_rated_by_what_was_right_and_how_long_it_took(share, seconds, rating):
    assert rate(share, seconds, expected_s=60) == rating


# --- the replay against fsrs by hand ---------------------------------------------------------------


def by_hand(history, now):
    """{card: (due, recall)} from fsrs itself, card by card, its answers in order."""
    plan = fsrs.Scheduler(desired_retention=0.9, learning_steps=(timedelta(minutes=10),),
                          relearning_steps=(timedelta(minutes=10),), enable_fuzzing=False)
    found = {}
    for name in {name for name, _, _ in history}:
        card = fsrs.Card()
        mine = sorted((at, rating) for card_name, at, rating in history if card_name == name)
        for at, rating in mine:
            card, _ = plan.review_card(card, fsrs.Rating(rating), at)
        found[name] = (card.due, 0.0 if mine[-1][1] == AGAIN else plan.get_card_retrievability(card, now))
    return found


HISTORIES = st.lists(st.tuples(st.sampled_from(["01.a", "02.b", "54.c"]), st.integers(0, 60 * 24 * 40), st.sampled_from([1, 2, 3, 4])),
                     max_size=25, unique_by=lambda row: (row[0], row[1]))


@given(HISTORIES, st.integers(0, 90))
@settings(deadline=None)
def test_the_replay_is_what_fsrs_says(rows, days):
    history = [(name, after(minutes=m), rating) for name, m, rating in rows]
    now = after(days=40 + days)
    memory, expected = replayed(history, now), by_hand(history, now)
    assert {n: (k.due, k.recall) for n, k in memory.known.items()} == expected
    for name, known in memory.known.items():
        mine = [(at, rating) for card, at, rating in history if card == name]
        assert (known.reviews, known.lapses) == (len(mine), sum(r == AGAIN for _, r in mine))
        assert known.last == max(at for at, _ in mine) and 0 <= known.recall <= 1


@given(HISTORIES, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_rows_does_not_matter(rows, rng):
    history = [(name, after(minutes=m), rating) for name, m, rating in rows]
    mixed = rng.sample(history, len(history))
    assert replayed(history, after(99)) == replayed(mixed, after(99))


def test_the_plan_is_the_published_one_without_chance():
    plan = scheduler()
    assert plan.desired_retention == 0.9 and not plan.enable_fuzzing
    assert plan.learning_steps == plan.relearning_steps == (STEP,) == (timedelta(minutes=10),)
    assert plan.parameters == fsrs.Scheduler().parameters


def test_a_right_answer_comes_back_after_days_a_wrong_one_after_minutes():
    memory = replayed([("01.a", START, GOOD), ("02.b", START, AGAIN)], START)
    assert memory.known["02.b"].due == after(minutes=10) and memory.known["02.b"].recall == 0.0
    assert memory.known["01.a"].due >= after(days=1) and memory.known["01.a"].recall == 1.0


def test_intervals_grow_with_right_answers_and_shrink_after_a_lapse():
    history, gaps, at = [], [], START
    for _ in range(6):
        history.append(("01.a", at, GOOD))
        due = replayed(history, at).known["01.a"].due
        gaps.append(due - at)
        at = due
    assert gaps == sorted(gaps) and gaps[-1] > 10 * gaps[0]
    lapsed = replayed([*history, ("01.a", at, AGAIN)], at).known["01.a"]
    assert lapsed.due == at + STEP and lapsed.lapses == 1
    back = replayed([*history, ("01.a", at, AGAIN), ("01.a", at + STEP, GOOD)], at).known["01.a"]
    assert timedelta(hours=1) < back.due - at < gaps[-1]


@given(st.integers(1, 200))
@settings(deadline=None)
def test_recall_falls_with_the_days(days):
    history = [("01.a", START, GOOD)]
    assert replayed(history, after(days)).recall("01.a") < replayed(history, after(days - 1)).recall("01.a") <= 1.0


def test_at_its_due_date_a_card_is_known_with_nine_chances_in_ten():
    history = [("01.a", START, GOOD)]
    due = replayed(history, START).known["01.a"].due
    assert replayed(history, due).recall("01.a") == pytest.approx(0.9, abs=0.03)  # intervals are whole days


# --- what is due -----------------------------------------------------------------------------------


def test_nothing_is_due_without_a_memory():
    memory = replayed([], START)
    assert memory.due() == [] and memory.known == {} and memory.recall("01.a") == 0.0
    assert memory.retention() == (0, 0.0) and memory.streak() == 0


def test_what_is_due_comes_least_sure_first():
    history = [("01.right", START, GOOD), ("02.wrong", START, AGAIN), ("03.slow", START, HARD), ("04.later", after(29), GOOD)]
    memory = replayed(history, after(30))
    assert memory.due()[0] == "02.wrong" and set(memory.due()) == {"01.right", "02.wrong", "03.slow"}
    recalls = [memory.recall(card) for card in memory.due()]
    assert recalls == sorted(recalls)
    assert replayed(history[:2], after(minutes=9)).due() == []
    assert replayed(history[:2], after(minutes=10)).due() == ["02.wrong"]  # at its very time


def test_among_equals_the_longest_due_comes_first_then_the_name():
    memory = replayed([("02.b", START, AGAIN), ("01.a", START, AGAIN), ("03.c", after(minutes=-5), AGAIN)], after(1))
    assert memory.due() == ["03.c", "01.a", "02.b"]


# --- retention and streak --------------------------------------------------------------------------


def test_retention_counts_answers_to_what_was_seen_a_day_before():
    history = [("01.a", START, GOOD), ("01.a", after(minutes=30), AGAIN),  # the same day: does not count
               ("01.a", after(2), GOOD), ("01.a", after(5), AGAIN), ("02.b", after(5), AGAIN),  # a first answer does not
               ("02.b", after(6), HARD)]
    assert replayed(history, after(6)).retention() == (3, pytest.approx(2 / 3))
    assert replayed(history, after(33)).retention() == (2, 0.5)  # the answer of day 2 is more than 30 days ago
    assert replayed(history, after(6)).retention(days=1) == (2, 0.5)
    assert replayed(history, after(99)).retention() == (0, 0.0)


@pytest.fixture
def zone(monkeypatch):
    def choose(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


needs_zones = pytest.mark.skipif(not hasattr(time, "tzset"), reason="the local time zone cannot be set here")


@needs_zones
def test_the_streak_goes_up_to_today_or_yesterday(zone):
    zone("UTC")
    history = [("01.a", after(day), GOOD) for day in (0, 2, 3, 4)]
    assert replayed(history, after(4)).streak() == 3
    assert replayed(history, after(5)).streak() == 3  # today has none yet
    assert replayed(history, after(6)).streak() == 0
    assert replayed(history[:1], after(0)).streak() == 1


@needs_zones
def test_a_day_of_the_streak_is_the_learners_own(zone):
    late = [("01.a", datetime(2026, 3, 1, 23, 30, tzinfo=UTC), GOOD), ("01.a", datetime(2026, 3, 2, 23, 30, tzinfo=UTC), GOOD)]
    now = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
    zone("UTC")
    assert replayed(late, now).streak() == 2
    zone("Asia/Shanghai")  # there it was the 2nd and the 3rd, and now it is the 3rd
    assert replayed(late, now).streak() == 2
    assert replayed([*late[:1], ("01.a", datetime(2026, 3, 2, 12, 0, tzinfo=UTC), GOOD)], now).streak() == 1
    zone("UTC")
    assert replayed([*late[:1], ("01.a", datetime(2026, 3, 2, 12, 0, tzinfo=UTC), GOOD)], now).streak() == 2


# --- rows ------------------------------------------------------------------------------------------


def test_an_answer_is_kept_and_read_again():
    remember(review(typed="x" * 5000, rating=HARD, share=0.5))
    remember(review("01.weight_gb", after(minutes=1), AGAIN, share=0.0))
    with progress.open_progress() as db:
        rows = db.execute("SELECT * FROM reviews ORDER BY id").fetchall()
    assert len({row[1] for row in rows}) == 2 and all(len(row[1]) == 32 for row in rows)
    assert rows[0][2:8] == ("26.integers", "2026-03-01T09:00:00.000+00:00", HARD, 0.5, 20.0, 7)
    assert rows[0][8:] == ("x" * 2000, "drill")
    memory = load_memory(after(minutes=20))
    assert set(memory.known) == {"26.integers", "01.weight_gb"} and memory.due() == ["01.weight_gb", "26.integers"]
    assert memory == replayed([("26.integers", START, HARD), ("01.weight_gb", after(minutes=1), AGAIN)], after(minutes=20))


def test_the_present_is_now_where_none_is_given():
    remember(review(at=datetime.now(UTC) - timedelta(days=30)))
    memory = load_memory()
    assert abs(memory.now - datetime.now(UTC)) < timedelta(minutes=1) and memory.due() == ["26.integers"]


def test_a_row_of_another_zone_or_without_one_is_read():
    """Rows may come from another machine: an offset is another name for the same time."""
    with progress.open_progress() as db:
        for uid, at in (("a", "2026-03-01T09:00:00"), ("b", "2026-03-01T17:00:00.000+08:00")):
            db.execute("INSERT INTO reviews (uid, question, at, rating, share, seconds, seed, typed, mode)"
                       " VALUES (?, ?, ?, 3, 1, 1, 1, '', 'drill')", (uid, f"01.{uid}", at))
    memory = load_memory(after(1))
    assert memory.known["01.a"].last == memory.known["01.b"].last == START


def attempt(exercise="26.bf16_round", outcome=WRONG, at=START):
    progress.record(Judgement(exercise, outcome, 0.0, 4.0), "digest")
    with progress.open_progress() as db:
        db.execute("UPDATE attempts SET at = ? WHERE id = (SELECT MAX(id) FROM attempts)", (at.isoformat(timespec="seconds"),))


def test_of_checks_the_first_wrong_and_the_first_right_one_of_a_day_count():
    for minutes, outcome in ((0, WRONG), (1, WRONG), (2, WRONG), (3, RIGHT), (4, RIGHT), (5, WRONG)):
        attempt(outcome=outcome, at=after(minutes=minutes))
    attempt(outcome=RIGHT, at=after(3))
    attempt("12.flops", RIGHT, after(1))
    memory = load_memory(after(3))
    assert memory == replayed([("26.bf16_round", START, AGAIN), ("26.bf16_round", after(minutes=3), GOOD),
                               ("26.bf16_round", after(3), GOOD), ("12.flops", after(1), GOOD)], after(3))
    assert memory.known["26.bf16_round"].reviews == 3 and memory.known["26.bf16_round"].lapses == 1


def test_questions_and_exercises_are_one_memory():
    remember(review())
    attempt(outcome=RIGHT, at=after(minutes=1))
    memory = load_memory(after(1))
    assert set(memory.known) == {"26.integers", "26.bf16_round"} and isinstance(memory, Memory)
    assert [card for card, _, _ in memory.answered] == ["26.integers", "26.bf16_round"]


def test_ten_thousand_answers_are_replayed_in_seconds():
    history = [(f"{n % 54 + 1:02d}.q{n % 400}", after(minutes=n * 7), 1 + n % 3) for n in range(10_000)]
    began = time.perf_counter()
    memory = replayed(history, after(60))
    assert len(memory.answered) == 10_000 and time.perf_counter() - began < 10


# --- the file --------------------------------------------------------------------------------------

VERSION_1 = """
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY,
    exercise TEXT NOT NULL,
    at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    points REAL NOT NULL,
    max_points REAL NOT NULL,
    misconception TEXT,
    digest TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_by_exercise ON attempts (exercise, id);
"""


@pytest.fixture
def old_file():
    """A progress file as version 1 of the course left it, with two attempts."""
    path = progress.data_file()
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(VERSION_1)
        db.executemany("INSERT INTO attempts (exercise, at, outcome, points, max_points, misconception, digest)"
                       " VALUES (?, ?, ?, ?, 4.0, NULL, ?)",
                       [("26.bf16_round", "2026-03-01T09:00:00+00:00", WRONG, 0.0, "a"),
                        ("26.bf16_round", "2026-03-01T09:05:00+00:00", RIGHT, 4.0, "b")])
        db.execute("PRAGMA user_version=1")
    db.close()
    return path


def tables(path):
    with sqlite3.connect(path) as db:
        found = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return found, version


def test_a_file_of_version_1_goes_on(old_file):
    assert tables(old_file) == ({"attempts"}, 1)
    memory = load_memory(after(1))
    assert memory == replayed([("26.bf16_round", START, AGAIN), ("26.bf16_round", after(minutes=5), GOOD)], after(1))
    assert tables(old_file) == ({"attempts", "reviews", "mocks"}, progress.VERSION) and progress.VERSION == 2
    remember(review())
    assert progress.record(Judgement("26.bf16_round", WRONG, 0.0, 4.0), "c") == (3, 2)
    assert progress.standings()["26.bf16_round"].points == 4.0
    assert [p.name for p in old_file.parent.iterdir() if "corrupt" in p.name] == []


def test_a_new_file_has_what_an_old_one_gets(old_file, tmp_path, monkeypatch):
    def schema(path):
        db = sqlite3.connect(path)
        rows = set(db.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
        db.close()
        return {(kind, name, " ".join((sql or "").split("--")[0].split())) for kind, name, sql in rows}

    load_memory()
    upgraded = schema(old_file)
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "new"))
    load_memory()
    assert {(k, n) for k, n, _ in schema(progress.data_file())} == {(k, n) for k, n, _ in upgraded}
    assert {n for k, n, _ in upgraded if k == "index"} == {"attempts_by_exercise", "reviews_by_question"}


def test_the_same_row_is_imported_once():
    remember(review())
    with progress.open_progress() as db:
        row = db.execute("SELECT uid, question, at, rating, share, seconds, seed, typed, mode FROM reviews").fetchone()
        db.execute("INSERT OR IGNORE INTO reviews (uid, question, at, rating, share, seconds, seed, typed, mode)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        assert db.execute("SELECT COUNT(*) FROM reviews").fetchone()[0] == 1


def test_two_processes_upgrade_and_write_at_once(old_file):
    import subprocess
    import sys

    code = ("from datetime import UTC, datetime\nfrom autograder.drill.memory import Review, remember\n"
            "for i in range(20): remember(Review('26.integers', datetime.now(UTC), 3, 1.0, 1.0, i, '', 'drill'))")
    running = [subprocess.Popen([sys.executable, "-c", code], env={**os.environ}) for _ in range(2)]
    assert [r.wait() for r in running] == [0, 0]
    assert load_memory().known["26.integers"].reviews == 40
    assert tables(old_file)[1] == progress.VERSION


def test_a_file_that_is_held_is_a_sentence():
    remember(review())
    holder = sqlite3.connect(progress.data_file())
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(progress.ProgressError, match="close it"):
            remember(review())
    finally:
        holder.rollback()
        holder.close()
    assert load_memory().known["26.integers"].reviews == 1


def test_a_newer_file_is_a_sentence():
    remember(review())
    with sqlite3.connect(progress.data_file()) as db:
        db.execute(f"PRAGMA user_version={progress.VERSION + 1}")
    db.close()
    for use in (load_memory, lambda: remember(review())):
        with pytest.raises(progress.ProgressError, match="newer version"):
            use()


def test_a_file_whose_middle_is_spoilt_is_a_sentence_or_kept_aside():
    """Its head is whole, so it opens; a page with rows is not."""
    with progress.open_progress() as db:
        db.executemany("INSERT INTO reviews (uid, question, at, rating, share, seconds, seed, typed, mode)"
                       " VALUES (?, '26.integers', '2026-03-01T09:00:00+00:00', 3, 1, 1, 1, ?, 'drill')",
                       [(f"u{n}", "x" * 500) for n in range(2000)])
    path = progress.data_file()
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(8 * 4096)
        file.write(b"\xff" * (size - 8 * 4096))
    for use in (load_memory, lambda: remember(review())):
        try:
            use()
        except progress.ProgressError as error:
            assert str(path) in str(error)


def test_times_are_utc_whatever_the_clock_says():
    east = timezone(timedelta(hours=8))
    remember(review(at=START.astimezone(east)))
    assert load_memory(after(1)).known["26.integers"].last == START

"""A round of practice, and a question as it is asked: nothing is counted twice, lost, or asked too often."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import progress
from autograder.drill import asking
from autograder.drill.answers import Verdict
from autograder.drill.asking import Asked
from autograder.drill.coding import CodingTask
from autograder.drill.deck import CHOICE, CODE, NUMERIC, OPEN, Item
from autograder.drill.memory import load_memory
from autograder.drill.question import Choice, Numeric, Open
from autograder.drill.round import BACK_AFTER, Round
from autograder.judging import NOT_ATTEMPTED, RIGHT, WRONG, Judgement

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
GOOD, BAD, HALF, UNREAD = Verdict(True, "Yes.", 1.0), Verdict(False, "No."), Verdict(False, "Half.", 0.5), Verdict(None, "What?")

DOUBLE = Numeric("26.double", 1, "Twice {x}?", lambda rng: {"x": int(rng.integers(3, 10**6))}, lambda v: 2 * v["x"],
                 "2 · {x} = {answer}.", unit="ms", rtol=0.01, traps=((lambda v: v["x"], "That is once."),))
PICK = Choice("26.pick", 2, "Which?", "this", (("that", "No, because."), ("those", "No, since.")), "Yes, for.")
SAY = Open("26.say", 3, "Why?", ("first", "second", "third", "fourth"), "So and so.")
TASK = CodingTask("26.code", "26", "Code", 2, 10, 4.0, "### Code\n\nWrite it.", "def code():\n    raise NotImplementedError()")
NUMBER, CHOOSE, WORDS = Item("26.double", "26", NUMERIC, 1, DOUBLE), Item("26.pick", "26", CHOICE, 2, PICK), Item("26.say", "26", OPEN, 3, SAY)
WRITE = Item("26.code", "26", CODE, 2, task=TASK)


def numbered(n):
    return [Item(f"26.q{i}", "26", NUMERIC, 1, DOUBLE) for i in range(n)]


class Time:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s

    def now(self):
        return START + timedelta(seconds=self.s)


def begin(items, seed=1, **more):
    clock = Time()
    made = Round(items, seed, clock=clock, now=clock.now, **more)
    made.time = clock
    return made


def rows():
    if not progress.data_file().exists():
        return []
    with sqlite3.connect(progress.data_file()) as db:
        return db.execute("SELECT question, at, rating, share, seconds, seed, typed, mode FROM reviews ORDER BY id").fetchall()


# --- the round -------------------------------------------------------------------------------------


def test_cards_come_in_their_order_and_then_it_is_over():
    items = numbered(3)
    made = begin(items)
    for n, item in enumerate(items):
        assert made.current.item is item and made.left == 2 - n
        made.submit(GOOD, "x")
        made.next()
    assert made.current is None and made.next() is None and made.other_numbers() is None
    assert made.right == 3 and [i.id for i, _ in made.answered] == [i.id for i in items]
    made.submit(GOOD, "x")
    assert len(made.answered) == 3 == len(rows())


def test_a_round_without_cards_is_over_at_once():
    made = begin([])
    assert made.current is None and made.left == made.right == 0 and made.next() is None and rows() == []


def test_an_answer_is_kept_before_submit_returns():
    made = begin([CHOOSE, WORDS], seed=5, mode="notebook")
    made.time.s = 50.0
    made.submit(GOOD, "this")
    assert rows() == [("26.pick", "2026-03-01T09:00:50.000+00:00", 3, 1.0, 50.0, made.current.seed, "this", "notebook")]
    made.next()
    made.time.s = 55.5
    made.submit(HALF, "words")
    assert rows()[1][2:5] == (2, 0.5, 5.5)
    assert set(load_memory(START + timedelta(days=1)).known) == {"26.pick", "26.say"}


@pytest.mark.parametrize("verdict, seconds, rating", [(GOOD, 90, 3), (GOOD, 90.5, 2), (BAD, 1, 1), (HALF, 1, 2)])
def test_the_rating_goes_by_share_and_expected_time(verdict, seconds, rating):
    made = begin([CHOOSE])
    assert made.current.item.expected_s == 45.0
    made.time.s = seconds
    made.submit(verdict, "")
    assert rows()[0][2] == rating


def test_what_cannot_be_read_does_not_count_and_the_first_that_can_does():
    made = begin([NUMBER, CHOOSE])
    made.submit(UNREAD, "nonsense")
    assert made.answer is None and made.answered == [] and rows() == []
    made.submit(BAD, "1")
    made.submit(GOOD, "2")
    assert made.answer is BAD and len(made.answered) == 1 and [r[6] for r in rows()] == ["1"]


def test_a_wrong_answer_comes_back_once_with_other_numbers():
    items = numbered(6)
    made, seen = begin(items), []
    while made.current:
        seen.append((made.current.item.id, made.current.seed, made.current.text))
        made.submit(BAD, "")
        made.next()
    order = [i for i, _, _ in seen]
    assert order[: BACK_AFTER + 2] == ["26.q0", "26.q1", "26.q2", "26.q3", "26.q0"][: BACK_AFTER + 2]
    assert sorted(order) == sorted([i.id for i in items] * 2)
    assert len({s for _, s, _ in seen}) == len(seen)
    for item in items:
        texts = [text for i, _, text in seen if i == item.id]
        assert len(set(texts)) == 2


def test_near_the_end_it_comes_back_as_the_last_one():
    made = begin(numbered(2))
    made.next()
    made.submit(BAD, "")
    assert made.left == 1 and made.next().item.id == "26.q1"


def test_a_half_right_answer_comes_back_a_right_one_does_not():
    made = begin([WORDS])
    made.submit(HALF, "")
    assert made.left == 1
    made.next()
    made.submit(GOOD, "")
    assert made.left == 0 and made.right == 1 and len(made.answered) == 2


def test_going_on_without_an_answer_keeps_nothing():
    made = begin(numbered(2))
    made.next()
    assert made.current.item.id == "26.q1" and made.answered == [] and rows() == [] and made.left == 0


def test_other_numbers_ask_the_same_again_and_count_again():
    made = begin([NUMBER, CHOOSE])
    text = made.current.text
    made.time.s = 30.0
    assert made.other_numbers().text != text and made.current.item is NUMBER and made.left == 1
    made.time.s = 31.0
    made.submit(GOOD, "x")
    made.other_numbers()
    made.submit(BAD, "y")
    assert [(r[0], r[4]) for r in rows()] == [("26.double", 1.0), ("26.double", 0.0)] and made.right == 1


def test_an_exercise_is_not_kept_here_and_does_not_come_back():
    made = begin([WRITE, NUMBER])
    made.submit(BAD, "def code(): pass")
    assert rows() == [] and made.left == 1 and len(made.answered) == 1


def test_the_seed_makes_the_numbers():
    assert begin([NUMBER], 3).current.text == begin([NUMBER], 3).current.text != begin([NUMBER], 4).current.text


def test_what_cannot_be_kept_is_a_notice_and_the_round_goes_on(tmp_path, monkeypatch):
    made = begin(numbered(3))
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file" / "inside"))
    (tmp_path / "file").write_text("")
    made.submit(GOOD, "x")
    assert made.notice.startswith("This answer was not kept: ") and "AUTOGRADER_DATA" in made.notice
    assert made.right == 1 and made.next() is not None
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "data"))
    made.submit(GOOD, "x")
    assert made.notice == "" and len(rows()) == 1


def test_the_notice_is_in_the_candidates_language(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file"))
    made = begin([NUMBER], language="zh")
    assert made.current.language == "zh"
    made.submit(GOOD, "x")
    assert made.notice.startswith("这次回答没有保存：")


def test_a_held_file_is_a_notice():
    made = begin(numbered(2))
    made.submit(GOOD, "x")
    made.next()
    holder = sqlite3.connect(progress.data_file())
    holder.execute("BEGIN EXCLUSIVE")
    try:
        made.submit(GOOD, "y")
        assert "close it" in made.notice and made.right == 2
    finally:
        holder.rollback()
        holder.close()
    assert len(rows()) == 1


@given(st.lists(st.sampled_from("gbhusno"), max_size=40), st.integers(1, 6))
@settings(deadline=None, max_examples=25)
def test_whatever_is_done_every_first_answer_is_kept_and_nothing_else(steps, n):
    progress.data_file().unlink(missing_ok=True)
    for suffix in ("-wal", "-shm"):
        progress.data_file().with_name(progress.data_file().name + suffix).unlink(missing_ok=True)
    made, expected = begin(numbered(n)), 0
    for step in steps:
        if step in "gbhu":
            verdict = {"g": GOOD, "b": BAD, "h": HALF, "u": UNREAD}[step]
            expected += made.current is not None and made.answer is None and verdict is not UNREAD
            made.submit(verdict, step)
        elif step == "o":
            made.other_numbers()
        else:
            made.next()
        assert len(made.answered) == expected and made.left <= 2 * n and made.notice == ""
    assert len(rows()) == expected


# --- a question as it is asked ---------------------------------------------------------------------


def test_a_number_is_asked_and_judged_with_the_numbers_of_its_seed():
    asked = Asked(NUMBER, 3)
    assert asked.text == DOUBLE.drawn(3).text and asked.kind == NUMERIC and asked.tolerance == "within 1 %"
    assert asked.answer_number(f"{asked.drawn.answer} ms") == Verdict(True, asked.drawn.explanation, 1.0)
    assert asked.answer_number(str(asked.drawn.answer / 2)).text.startswith("That is once. ")
    assert asked.answer_number("abc").right is None and asked.model_answer == asked.drawn.explanation
    assert Asked(NUMBER, 3, "zh").tolerance == "误差不超过 1 %"


def test_a_choice_has_the_order_of_its_seed():
    for seed in range(10):
        asked = Asked(CHOOSE, seed)
        assert asked.options == PICK.options(seed) and asked.text == "Which?"
        for index, (text, good, why) in enumerate(asked.options):
            assert asked.choose(index) == Verdict(good, why, float(good)) and good is (text == "this")
    assert asked.model_answer == "this. Yes, for."
    for index in (-1, 3, 99):
        with pytest.raises(IndexError):
            asked.choose(index)


@pytest.mark.parametrize("named, share", [
    ((), 0.0), ((0,), 0.25), ((0, 1), 0.5), ((0, 1, 2, 3), 1.0), ([0, 0, 0], 0.25), ({3, 9, -1}, 0.25), (range(99), 1.0),
])
def test_words_are_graded_by_the_points_that_were_named(named, share):
    asked = Asked(WORDS, 1)
    verdict = asked.grade(named)
    assert verdict == Verdict(share == 1.0, "So and so.", share) and asked.rubric == tuple(SAY.rubric)


@pytest.mark.parametrize("outcome, points, right, share", [(RIGHT, 4.0, True, 1.0), (WRONG, 1.0, False, 0.25), (NOT_ATTEMPTED, 0.0, None, 0.0)])
def test_code_is_judged_by_the_check(monkeypatch, outcome, points, right, share):
    judgement = Judgement("26.code", outcome, points, 4.0, title="A title.", message="A message.")
    monkeypatch.setattr(asking, "judge_code", lambda task, source: (judgement, f"ran {source}"))
    verdict, told, notice = Asked(WRITE, 1).run_code("x")
    assert (verdict.right, verdict.share, told, notice) == (right, share, judgement, "ran x")
    assert "A message." in verdict.text and ("A title." in verdict.text) is (right is not None)


def test_a_coding_question_shows_its_task():
    asked = Asked(WRITE, 1)
    assert asked.text == TASK.text and asked.task is TASK and asked.model_answer == "`26.code`" and asked.kind == CODE

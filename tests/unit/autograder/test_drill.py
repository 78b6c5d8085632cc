"""Drill questions and the practise widget: numbers drawn, every kind of question. Numbers that are typed: test_drill_answers."""

import math

import pytest

from autograder.drill.deck import CHOICE, NUMERIC, OPEN, Item
from autograder.drill.question import Choice, Numeric, Open
from autograder.drill.widget import Quiz, practise

DOUBLE = Numeric("99.double", 1, "Twice {x}?", lambda rng: {"x": int(rng.integers(3, 9))}, lambda v: 2 * v["x"],
                 "2 · {x} = {answer}.", traps=((lambda v: v["x"] ** 2, "That is the square."),))
PICK = Choice("99.pick", 2, "Which?", "this", (("that", "No, because."), ("those", "No, since.")), "Yes, for.")
SAY = Open("99.say", 3, "Why?", ("first", "second"), "So and so.")
CARDS = [Item(q.id, "26", kind, q.difficulty, q) for q, kind in ((DOUBLE, NUMERIC), (PICK, CHOICE), (SAY, OPEN))]


def test_a_drawn_question_accepts_its_answer_and_names_the_trap():
    drawn = DOUBLE.drawn(1)
    x = drawn.answer / 2
    assert drawn.accepts(drawn.answer) and not drawn.accepts(drawn.answer + 1) and not drawn.accepts(math.nan)
    assert drawn.trap(x**2) == "That is the square." and drawn.trap(-1) == ""
    assert str(int(x)) in drawn.text


def test_a_trap_that_gives_the_right_number_is_no_trap():
    """Also where only the rounding of floats tells them apart."""
    same = Numeric("99.same", 1, "{x}?", lambda rng: {"x": 0.1}, lambda v: v["x"] + 0.2, "{answer}",
                   traps=((lambda v: 0.3, "Three tenths."), (lambda v: v["x"] + 0.2, "The same."), (lambda v: 0.4, "Four.")))
    assert [message for _, message in same.drawn(1).traps] == ["Four."]


def test_whole_floats_and_negative_numbers_read_well():
    shows = Numeric("99.shows", 1, "{tops} TOPS · {x}?", lambda rng: {"tops": 8.0, "x": -3, "w": "word"}, lambda v: v["tops"] * v["x"],
                    "{tops} · {x} − {x} = {answer}, {w}.", words={"word": "字"})
    assert shows.drawn(1).text == "8 TOPS · (−3)?" and shows.drawn(1).explanation == "8 · (−3) − (−3) = -24, 字."


def test_options_keep_one_right_answer_in_every_order():
    for seed in range(20):
        options = PICK.options(seed)
        assert sum(good for _, good, _ in options) == 1 and len(options) == 3


def test_the_quiz_goes_through_all_kinds():
    quiz = Quiz(CARDS)
    panel = quiz.panel
    drawn = panel.asked.drawn
    panel.answer_number("nonsense")
    assert "not a number" in panel.reply.value and not panel.answered and quiz.round.answered == []
    panel.answer_number(str((drawn.answer / 2) ** 2))
    assert "square" in panel.reply.value and quiz.round.right == 0
    quiz.other_numbers()
    panel.answer_number(str(panel.asked.drawn.answer))
    assert "✓ Right." in panel.reply.value and quiz.round.right == 1
    quiz.go_on()
    assert "1 right so far" in quiz.title.value and len(panel.body.children) == 3
    wrong = next(b for b in panel.body.children if b.description == "that")
    wrong.click()
    assert "No, because." in panel.reply.value and quiz.round.right == 1
    quiz.go_on()
    panel.body.children[1].click()
    for box in panel.ticks:
        box.value = True
    panel.grade()
    assert "2 of 2 points named" in panel.reply.value and quiz.round.right == 2
    while quiz.round.current:  # the two that were wrong come back
        quiz.go_on()
    quiz.go_on()
    assert quiz.round.current.item is CARDS[0]


def test_other_numbers_are_other_numbers():
    quiz = Quiz(CARDS[:1])
    seen = set()
    for _ in range(12):
        seen.add(quiz.panel.text.value)
        quiz.other_numbers()
    assert len(seen) > 1


def test_practise_builds_for_a_written_chapter():
    assert practise("26").children
    with pytest.raises(KeyError):
        practise("99")

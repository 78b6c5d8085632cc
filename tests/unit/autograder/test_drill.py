"""Drill questions and the practise widget: numbers read, mistakes named, every kind of question."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.drill.question import Choice, Numeric, Open, read_number, told_number
from autograder.drill.widget import Quiz, practise


@pytest.mark.parametrize("text, unit, number", [
    ("63.5", "", 63.5), ("63.5 GB/s", "GB/s", 63.5), ("63.5 GB/s", "B/s", 63.5e9), ("6.35e10 B/s", "GB/s", 63.5),
    ("2^16", "", 65536), ("2**16", "", 65536), ("1/8", "", 0.125), ("-3", "", -3), ("−3", "", -3), ("1,024", "", 1024),
    ("0x3F80", "", 0x3F80), ("1 KiB", "B", 1024), (" 5 ", "ms", 5), ("5 s", "ms", 5000), ("12 %", "%", 12),
])
def test_numbers_as_people_type_them(text, unit, number):
    assert read_number(text, unit) == pytest.approx(number)


@pytest.mark.parametrize("text, unit", [
    ("", ""), ("abc", ""), ("1/0", ""), ("5 apples", "ms"), ("5 GB", "GB/s"), ("9" * 200, ""), ("10^400", ""), ("1.2.3", ""),
    ("--4", ""), ("inf", ""), ("nan", ""),
])
def test_what_is_no_number_is_a_sentence(text, unit):
    with pytest.raises(ValueError, match=r"is not|is another unit"):
        read_number(text, unit)


@given(st.text(max_size=150))
def test_reading_never_crashes(text):
    with contextlib.suppress(ValueError):
        assert isinstance(read_number(text, "B/s"), float)


def test_words_in_hexadecimal():
    assert read_number("3F80", hexadecimal=True) == read_number("0x3f80", hexadecimal=True) == 0x3F80
    with pytest.raises(ValueError, match="hexadecimal"):
        read_number("xyz", hexadecimal=True)


def test_told_numbers():
    assert told_number(16777216.0) == "16777216" and told_number(0.1234567) == "0.123457"


DOUBLE = Numeric("99.double", 1, "Twice {x}?", lambda rng: {"x": int(rng.integers(3, 9))}, lambda v: 2 * v["x"],
                 "2 · {x} = {answer}.", traps=((lambda v: v["x"] ** 2, "That is the square."),))
PICK = Choice("99.pick", 2, "Which?", "this", (("that", "No, because."), ("those", "No, since.")), "Yes, for.")
SAY = Open("99.say", 3, "Why?", ("first", "second"), "So and so.")


def test_a_drawn_question_accepts_its_answer_and_names_the_trap():
    drawn = DOUBLE.drawn(1)
    x = drawn.answer / 2
    assert drawn.accepts(drawn.answer) and not drawn.accepts(drawn.answer + 1) and not drawn.accepts(math.nan)
    assert drawn.trap(x**2) == "That is the square." and drawn.trap(-1) == ""
    assert str(int(x)) in drawn.text


def test_options_keep_one_right_answer_in_every_order():
    for seed in range(20):
        options = PICK.options(seed)
        assert sum(good for _, good, _ in options) == 1 and len(options) == 3


def test_the_quiz_goes_through_all_kinds():
    quiz = Quiz([DOUBLE, PICK, SAY])
    drawn = DOUBLE.drawn(quiz.seed)
    assert not quiz.answer_number(drawn, "nonsense") and "not a number" in quiz.reply.value
    assert not quiz.answer_number(drawn, str((drawn.answer / 2) ** 2)) and "square" in quiz.reply.value
    assert quiz.answer_number(drawn, str(drawn.answer)) and "✓ Right." in quiz.reply.value
    quiz.go(1)
    assert "1 right so far" in quiz.title.value and len(quiz.body.children) == 3
    wrong = next(b for b in quiz.body.children if b.description == "that")
    wrong.click()
    assert "No, because." in quiz.reply.value and not quiz.right[1]
    quiz.go(2)
    quiz.body.children[1].click()
    boxes = quiz.body.children[1:]
    for box in boxes:
        box.value = True
    assert "2 of 2 points named" in quiz.reply.value and quiz.right[2]
    quiz.go(3)
    assert quiz.at == 0


def test_other_numbers_are_other_numbers():
    quiz = Quiz([DOUBLE])
    seen = set()
    for _ in range(12):
        seen.add(quiz.text.value)
        quiz.redraw()
    assert len(seen) > 1


def test_practise_builds_for_a_written_chapter():
    assert practise("26").children
    with pytest.raises(KeyError):
        practise("99")

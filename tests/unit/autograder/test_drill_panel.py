"""Practice in a notebook: a question of each kind, the quiz of a chapter, the mock interview."""

import json
import sqlite3

import pytest

from autograder import progress
from autograder.drill import reports
from autograder.drill.asking import Asked
from autograder.drill.coding import find_task
from autograder.drill.deck import CHOICE, CODE, NUMERIC, OPEN, Item, chapter_items
from autograder.drill.mock_widget import MockWidget
from autograder.drill.panel import Panel, markdown_html, told
from autograder.drill.question import Choice, Numeric, Open
from autograder.drill.widget import Quiz, practise

DOUBLE = Item("26.double", "26", NUMERIC, 1, Numeric(
    "26.double", 1, "Twice {x} `<b>`?", lambda rng: {"x": int(rng.integers(3, 9))}, lambda v: 2 * v["x"],
    "2 · {x} = {answer}.", unit="ms", traps=((lambda v: v["x"] ** 2, "That is the square."),)))
PICK = Item("26.pick", "26", CHOICE, 2, Choice(
    "26.pick", 2, "Which?", "this", (("that", "No, because."), ("those", "No, since.")), "Yes, for."))
SAY = Item("26.say", "26", OPEN, 3, Open("26.say", 3, "Why?", ("first", "second"), "So and so."))


@pytest.fixture
def panel():
    heard = []
    made = Panel(lambda verdict, typed: heard.append((verdict, typed)))
    made.heard = heard
    return made


def reviews():
    with sqlite3.connect(progress.data_file()) as db:
        return db.execute("SELECT question, rating, share, typed, mode FROM reviews ORDER BY id").fetchall()


def test_a_number_is_read_judged_and_its_mistake_named(panel):
    panel.show(Asked(DOUBLE, 1))
    x = round(panel.asked.drawn.answer / 2)
    assert f"Twice {x}" in panel.text.value and "<code>&lt;b&gt;</code>" in panel.text.value
    panel.answer_number("nonsense")
    assert "is not a number" in panel.reply.value and panel.heard[-1][0].right is None and not panel.answered
    panel.answer_number(f"{x * x} ms")
    assert "✗ Not right." in panel.reply.value and "That is the square." in panel.reply.value
    panel.answer_number(f"{2 * x * 1000} us")
    assert "✓ Right." in panel.reply.value and panel.heard[-1][0].right


def test_a_number_is_answered_by_enter_and_by_the_button(panel):
    panel.show(Asked(DOUBLE, 1))
    panel.box.value = "1"
    assert len(panel.heard) == 1
    panel.body.children[0].children[-1].click()
    assert len(panel.heard) == 2 and panel.heard[1][1] == "1"


def test_a_choice_explains_every_option(panel):
    panel.show(Asked(PICK, 1))
    wrong = next(b for b in panel.body.children if b.description == "that")
    wrong.click()
    for part in ("No, because.", "No, since.", "Yes, for.", "✗ Not this one.", "→ ✗ that", "✓ this"):
        assert part in panel.reply.value, part
    assert all(b.disabled for b in panel.body.children)
    assert sorted(b.description for b in panel.body.children) == sorted(["✗ that", "those", "✓ this"])
    assert [(v.right, t) for v, t in panel.heard] == [(False, "that")]


def test_words_are_graded_point_by_point(panel):
    panel.show(Asked(SAY, 1))
    assert "So and so." not in panel.reply.value
    panel.body.children[1].click()
    assert "So and so." in panel.reply.value and [t.description for t in panel.ticks] == ["first", "second"]
    panel.ticks[1].value = True
    panel.grade()
    assert "1 of 2 points named." in panel.reply.value and panel.heard[-1][0].share == 0.5
    assert panel.heard[-1][1] == "second"


def test_code_is_judged_in_the_sandbox_and_shows_the_checks_card(panel):
    task = find_task("26.finer_format")
    panel.show(Asked(Item(task.id, "26", CODE, task.difficulty, task=task), 1))
    assert "<h3>" in panel.text.value and "raise NotImplementedError" in panel.code.value
    panel.run()
    assert panel.heard[-1][0].right is None and "not written yet" in panel.reply.value
    panel.code.value = "def finer_format(x):\n    return 'tie'\n"
    panel.run()
    assert panel.heard[-1][0].right is False and "not right yet" in panel.reply.value
    assert progress.standings()["26.finer_format"].attempts == 1


def test_markdown_and_text_show_no_html_of_theirs():
    assert "<script>" not in told("<script>") and "<img" not in markdown_html("a <img src=x onerror=y>")


# --- the quiz of a chapter --------------------------------------------------------------------------


def test_the_quiz_keeps_each_first_answer_and_brings_wrong_ones_back():
    quiz = Quiz([DOUBLE, PICK, SAY])
    quiz.panel.answer_number("0")
    assert "comes back in a moment with other numbers" in quiz.note.value
    quiz.panel.answer_number(str(quiz.panel.asked.drawn.answer))
    quiz.go_on()
    next(b for b in quiz.panel.body.children if b.description == "this").click()
    assert "1 right so far" in quiz.title.value and quiz.note.value == ""
    quiz.go_on()
    quiz.panel.body.children[1].click()
    for tick in quiz.panel.ticks:
        tick.value = True
    quiz.panel.grade()
    quiz.go_on()
    assert quiz.round.current.item is DOUBLE
    quiz.panel.answer_number(str(quiz.panel.asked.drawn.answer))
    quiz.go_on()
    assert "3 of 4 right" in quiz.panel.text.value and quiz.next.description == "Start again"
    quiz.go_on()
    assert quiz.round.current.item is DOUBLE
    assert [(q, r, m) for q, r, _, _, m in reviews()] == [
        ("26.double", 1, "notebook"), ("26.pick", 3, "notebook"), ("26.say", 3, "notebook"), ("26.double", 3, "notebook")]


def test_other_numbers_are_other_numbers():
    quiz = Quiz([DOUBLE])
    seen = set()
    for _ in range(12):
        seen.add(quiz.panel.text.value)
        quiz.other_numbers()
    assert len(seen) > 1


def test_a_quiz_goes_on_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file"))
    quiz = Quiz([DOUBLE])
    quiz.panel.answer_number(str(quiz.panel.asked.drawn.answer))
    assert "✓ Right." in quiz.panel.reply.value and "was not kept" in quiz.note.value


@pytest.mark.parametrize("language, word", [("en", "difficulty"), ("zh", "难度")])
def test_practise_asks_a_chapters_questions_in_both_languages(language, word):
    view = practise("26", language=language)
    assert word in view.children[0].value
    with pytest.raises(KeyError):
        practise("99")
    with pytest.raises(KeyError, match="en, zh"):
        chapter_items("26", "fr")


# --- the mock interview -------------------------------------------------------------------------------


def play(mock_widget, answers):
    for _ in range(answers):
        asked = mock_widget.mock.current
        if asked.kind == NUMERIC:
            mock_widget.panel.answer_number(str(asked.drawn.answer))
        elif asked.kind == CHOICE:
            mock_widget.panel.choose(0)
        elif asked.kind == OPEN:
            mock_widget.panel._rubric()
            mock_widget.panel.grade()
        mock_widget.go_on()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_interview_in_a_notebook_ends_in_a_report(language):
    now = [0.0]
    made = MockWidget(5, language, clock=lambda: now[0], seed=4)
    made.start()
    assert made.settings.layout.display == "none"
    play(made, 4)
    now[0] = 301.0
    made.go_on()
    assert made.settings.layout.display == ""
    assert reports.say(language, "Questions and model answers") in made.report.value
    saved = sorted((progress.data_folder() / "mocks").iterdir())
    assert [p.suffix for p in saved] == [".json", ".md"]
    told = json.loads(saved[0].read_text(encoding="utf-8"))
    assert len(told["answered"]) == 5 and told["language"] == language
    assert told["answered"][-1]["typed"] == "" and told["answered"][-1]["share"] == 0.0
    assert len(reviews()) == 5 and {m for *_, m in reviews()} == {"mock"}


def test_no_part_is_a_sentence():
    made = MockWidget(5)
    for box in made.parts.values():
        box.value = False
    made.start()
    assert made.mock is None and "no question to ask" in made.note.value


def test_an_interview_that_was_cut_off_gets_its_report(monkeypatch):
    made = MockWidget(5, seed=4, clock=lambda: 0.0)
    made.start()
    play(made, 2)
    monkeypatch.setattr("autograder.drill.mock._alive", lambda pid: False)
    again = MockWidget(5)
    assert "was cut off" in again.note.value and len(list((progress.data_folder() / "mocks").glob("*.md"))) == 1
    assert "was cut off" not in MockWidget(5).note.value
    made.mock.end()

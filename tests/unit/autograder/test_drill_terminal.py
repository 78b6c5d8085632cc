"""The practice in the terminal, driven by Textual's pilot: every kind of question, and the menu."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from terminal_tools import (
    CODED,
    NUMBER,
    NUMBER_FIRST,
    PICKED,
    SAID,
    SOLUTION,
    TASK,
    TRUNCATED,
    Clock,
    checked,
    drive,
    page_text,
    press,
    right_number,
    rows,
    told,
    type_in,
)
from textual.widgets import Input, TextArea

from autograder import progress
from autograder.drill.coding import draft_path
from autograder.drill.deck import find_items
from autograder.drill.memory import Review, remember
from autograder.drill.terminal import DrillApp
from autograder.drill.terminal.code_card import CodeCard, EditScreen
from autograder.drill.terminal.endings import ReportScreen, SummaryScreen
from autograder.drill.terminal.menu import MenuScreen
from autograder.drill.terminal.page import Confirm, Picker
from autograder.drill.terminal.question import QuestionScreen
from autograder.drill.terminal.wrapping import break_line, styled

# --- lines ----------------------------------------------------------------------------------------


@given(st.text(alphabet="ab ,.(中文，。（“x1%\u00a0", max_size=80), st.integers(8, 30), st.integers(0, 3))
def test_broken_lines_fit_and_lose_nothing(text, width, hang):
    cuts = [0, *break_line(text, width, hang), len(text)]
    lines = [text[a:b] for a, b in pairwise(cuts)]
    assert cuts == sorted(cuts) and "".join(lines) == text
    for number, line in enumerate(lines):
        assert cell_len(line.rstrip(" ")) <= width - (hang if number else 0) or not line.strip(" ")


@pytest.mark.parametrize("text, width, lines", [
    ("so many words", 8, ["so many ", "words"]), ("中文没有空格。", 6, ["中文没", "有空", "格。"]),
    ("共用 GPU（显存）吗", 9, ["共用 GPU", "（显存）", "吗"]), ("abcdefgh", 3, ["abc", "def", "gh"]),
    ("a\u00a0b c", 4, ["a\u00a0b ", "c"]), ("    indented", 9, ["    inden", "ted"]), ("", 5, [""]),
])
def test_where_lines_break(text, width, lines):
    cuts = [0, *break_line(text, width), len(text)]
    assert [text[a:b] for a, b in pairwise(cuts)] == lines


def test_text_is_never_read_as_markup():
    assert styled("[bold]x[/bold] `a[0]` {y} \x1b[31m").plain == "[bold]x[/bold] a[0] {y}  [31m"
    assert styled("a ` alone").plain == "a ` alone"
    assert [s.style for s in styled("a `b` c").spans if s.style] == ["bold $text-accent"]


# --- a number -------------------------------------------------------------------------------------


def test_a_number_right_and_kept_before_the_verdict_is_shown():
    async def script(pilot):
        screen = pilot.app.screen
        assert "f[0] and [bold]no markup[/bold]?" in told(pilot, "text")
        assert told(pilot, "wanted") == "Answer in GB, within 1 %"
        assert "26 bfloat16 and float16 · numeric · difficulty ●○○ · 0 right so far · 1 to go" in told(pilot, "head")
        answer = right_number(pilot)
        await type_in(pilot, f"{answer}000 MB")
        assert told(pilot, "verdict").startswith("✓ Right. 2 · ") and screen.query_one(Input).disabled
        assert rows() == [("99.double", 1.0, f"{answer}000 MB", "drill")]
        assert "1 right so far" in told(pilot, "head") and "Enter go on   o other numbers" in told(pilot, "hints")
        await press(pilot, "enter")
        assert told(pilot, "text") == "Which?" and "0 to go" in told(pilot, "head")

    drive(DrillApp([NUMBER, PICKED], seed=NUMBER_FIRST, clock=Clock()), script)


def test_wrong_comes_back_with_other_numbers_and_the_known_mistake_is_named():
    async def script(pilot):
        x = float(right_number(pilot)) / 2
        text = told(pilot, "text")
        await type_in(pilot, f"{x * x:g}")
        assert told(pilot, "verdict").startswith("✗ Not right. That is the square. 2 · ")
        assert "1 to go" in told(pilot, "head")
        await press(pilot, "enter")
        assert told(pilot, "text") != text
        await type_in(pilot, right_number(pilot))
        assert told(pilot, "verdict").startswith("✓ Right.")
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, SummaryScreen) and "1 of 2 right." in page_text(pilot)
        await press(pilot, "enter")

    app = drive(DrillApp([NUMBER], seed=5), script)
    assert app.farewell == ["1 of 2 right."] and [share for _, share, _, _ in rows()] == [0.0, 1.0]


@pytest.mark.parametrize("typed, sentence", [
    ("", "Nothing was typed"), ("abc", "is not a number"), ("inf", "is not a number"), ("10^400", "cannot be computed"),
    ("9" * 900, "900 characters"), ("5 ms", "another unit"), ("[red]1[/red]", "is not a number"), ("1/0", "divides by zero"),
])
def test_nonsense_is_a_sentence_and_does_not_count(typed, sentence):
    async def script(pilot):
        await type_in(pilot, typed)
        assert told(pilot, "verdict").startswith("○ Not taken as an answer.") and sentence in told(pilot, "verdict")
        assert not pilot.app.screen.session.answered and not pilot.app.screen.query_one(Input).disabled
        await type_in(pilot, right_number(pilot))
        assert told(pilot, "verdict").startswith("✓")

    drive(DrillApp([NUMBER]), script)
    assert len(rows()) == 1


def test_other_numbers():
    async def script(pilot):
        seen = {told(pilot, "text")}
        for _ in range(6):
            await type_in(pilot, right_number(pilot))
            await press(pilot, "o")
            assert told(pilot, "verdict") == "" and pilot.app.screen.focused is pilot.app.screen.query_one(Input)
            seen.add(told(pilot, "text"))
        assert len(seen) > 1

    drive(DrillApp([NUMBER]), script)
    assert len(rows()) == 6


def test_give_up_counts_as_wrong_and_skip_does_not_count():
    async def script(pilot):
        await press(pilot, "ctrl+n")
        assert told(pilot, "text") == "Which?" and not pilot.app.screen.session.answered
        await press(pilot, "ctrl+g")
        assert told(pilot, "verdict") == "✗ Not answered." and "Yes, for a reason." in page_text(pilot)
        await press(pilot, "enter", "ctrl+g")
        assert isinstance(pilot.app.screen, QuestionScreen)

    drive(DrillApp([NUMBER, PICKED], seed=NUMBER_FIRST), script)
    assert [(q, share, typed) for q, share, typed, _ in rows()] == [("99.pick", 0.0, "")] * 2


def test_escape_asks_where_something_is_typed_and_q_is_a_letter_there():
    async def script(pilot):
        await press(pilot, "q", "escape")
        assert isinstance(pilot.app.screen, Confirm)
        await press(pilot, "escape")
        assert pilot.app.screen.query_one(Input).value == "q"
        await press(pilot, "escape", "enter")
        assert isinstance(pilot.app.screen, SummaryScreen) and "Nothing was answered." in page_text(pilot)

    drive(DrillApp([NUMBER]), script)


# --- a choice -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["digit", "arrows", "mouse"])
def test_a_choice_explains_every_option(way):
    async def script(pilot):
        options = pilot.app.screen.session.current.options
        wrong = next(i for i, (_, good, _) in enumerate(options) if not good)
        if way == "digit":
            await press(pilot, str(wrong + 1))
        elif way == "arrows":
            await press(pilot, *["down"] * wrong, "enter")
        else:
            await pilot.click(pilot.app.screen.card.lines()[wrong])
            await pilot.pause()
        assert told(pilot, "verdict") == "✗ Not this one."
        lines = [line.plain for line in pilot.app.screen.card.lines()]
        for i, ((text, good, why), line) in enumerate(zip(options, lines)):
            assert text in line and why in line
            assert line.startswith("✓" if good else "✗" if i == wrong else " ")
            assert ("Right." in line) == good and ("Your answer." in line) == (i == wrong)
        await press(pilot, "1", "2", "3")
        assert len(pilot.app.screen.session.answered) == 1

    drive(DrillApp([PICKED], seed=2), script)
    assert [share for _, share, _, _ in rows()] == [0.0]


def test_a_right_choice():
    async def script(pilot):
        options = pilot.app.screen.session.current.options
        await press(pilot, "9", str(1 + next(i for i, o in enumerate(options) if o[1])))
        assert told(pilot, "verdict") == "✓ Right." and pilot.app.screen.session.right == 1

    drive(DrillApp([PICKED]), script)
    assert rows() == [("99.pick", 1.0, "this", "drill")]


# --- in words -------------------------------------------------------------------------------------


def test_an_open_question_is_graded_point_by_point():
    async def script(pilot):
        assert "first point" not in page_text(pilot) and "So and so." not in page_text(pilot)
        await press(pilot, *"quo", "enter", "1")
        assert pilot.app.screen.query_one(TextArea).text == "quo\n1"
        await press(pilot, "ctrl+r")
        assert "[ ] 1 first point" in page_text(pilot) and "Model answer: So and so." in page_text(pilot)
        assert "Your answer: quo" in page_text(pilot)
        await press(pilot, "1", "down", "space", "3", "3")
        assert [line.plain.strip(" ▸")[:3] for line in pilot.app.screen.card.lines()] == ["[x]", "[x]", "[ ]"]
        assert not pilot.app.screen.session.answered
        await press(pilot, "enter")
        assert told(pilot, "verdict") == "✗ Partly right. 2 of 3 points named."

    drive(DrillApp([SAID]), script)
    (question, share, typed, _), = rows()
    assert (question, typed) == ("99.say", "quo\n1") and share == pytest.approx(2 / 3)


def test_all_points_named_is_right_and_without_words_the_points_are_kept():
    async def script(pilot):
        await press(pilot, "ctrl+r")
        for line in pilot.app.screen.card.lines():
            await pilot.click(line)
        await press(pilot, "enter")
        assert told(pilot, "verdict") == "✓ Right. 3 of 3 points named."

    drive(DrillApp([SAID]), script)
    assert rows() == [("99.say", 1.0, "first point; second point; third point", "drill")]


# --- code -----------------------------------------------------------------------------------------

def test_code_from_an_editor_is_checked_mended_and_counts_when_right(editor):
    async def script(pilot):
        card = pilot.app.screen.card
        assert isinstance(card, CodeCard) and "NotImplementedError" in told(pilot, "source")
        editor(TRUNCATED)
        await press(pilot, "e")
        assert "u32 >> 16" in told(pilot, "source") and str(draft_path(CODED.task)) in told(pilot, "wanted")
        await press(pilot, "r")
        assert "running" in told(pilot, "verdict")
        await checked(pilot)
        assert told(pilot, "verdict").startswith("✗ Not right yet.") and "✗ 26.bf16_round" in told(pilot, "result")
        assert not pilot.app.screen.session.answered and "Enter hand it in" in told(pilot, "hints")
        editor(SOLUTION)
        await press(pilot, "e", "r")
        await checked(pilot)
        assert told(pilot, "verdict") == "✓ Right." and "4 of 4 points" in told(pilot, "result")
        assert pilot.app.screen.session.right == 1
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, SummaryScreen)

    drive(DrillApp([CODED]), script)
    standing = progress.standings()[TASK]
    assert (standing.attempts, standing.solved) == (2, True) and rows() == []


def test_code_typed_in_the_terminal_a_stub_does_not_count_and_a_wrong_answer_is_handed_in(quick_check):
    async def script(pilot):
        await press(pilot, "r")
        await checked(pilot)
        assert told(pilot, "verdict") == "○ Not taken as an answer. Not written yet."
        await press(pilot, "t")
        assert isinstance(pilot.app.screen, EditScreen)
        await press(pilot, "enter", *"if u32.size:", "enter", *"return 1")
        assert "    # YOUR CODE HERE\n    if u32.size:\n        return 1\n" in pilot.app.screen.query_one(TextArea).text
        pilot.app.screen.keep()
        assert "return 1" in draft_path(CODED.task).read_text()
        await press(pilot, *"2", "ctrl+r")
        assert "return 12" in draft_path(CODED.task).read_text()
        await checked(pilot)
        assert told(pilot, "verdict").startswith("✗ Not right yet.")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, Confirm)
        await press(pilot, "escape", "enter")
        assert told(pilot, "verdict").startswith("✗ Not right.") and pilot.app.screen.session.right == 0
        await press(pilot, "n", "enter")
        assert draft_path(CODED.task).read_text() == CODED.task.stub

    drive(DrillApp([CODED]), script, (60, 20))


@pytest.mark.parametrize("name, sentence", [
    ("", "No editor was found"), ('"vi', "No editor was found"), ("sh -c true", "No editor can be opened from here")])
def test_without_an_editor_there_is_a_sentence(monkeypatch, tmp_path, name, sentence):
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", name)
    if name in ("", '"vi'):  # a quote that does not close names no editor
        monkeypatch.setenv("PATH", str(tmp_path))

    async def script(pilot):
        await press(pilot, "e")
        assert sentence in told(pilot, "verdict")

    drive(DrillApp([CODED]), script)


def test_ctrl_c_in_the_editor_is_the_editors(editor, monkeypatch):
    before = signal.getsignal(signal.SIGINT)

    async def script(pilot):
        editor(SOLUTION + "# end\n")
        with pilot.app.editor_in_front():
            signal.raise_signal(signal.SIGINT)
        await pilot.pause(0.1)
        assert pilot.app.is_running
        await press(pilot, "e")
        assert "# end" in told(pilot, "source")
        await pilot.pause(0.6)
        signal.raise_signal(signal.SIGINT)
        await pilot.pause(0.1)
        assert not pilot.app.is_running

    drive(DrillApp([CODED]), script)
    assert signal.getsignal(signal.SIGINT) in (before, signal.default_int_handler)


def test_where_nothing_can_be_written_code_is_kept_in_memory(monkeypatch, editor, quick_check, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file" / "data"))

    async def script(pilot):
        editor(SOLUTION)
        await press(pilot, "e")
        assert "rounded" in told(pilot, "source") and "Your code is not kept" in told(pilot, "notice")
        await press(pilot, "t", "escape", "r")
        await checked(pilot)
        assert told(pilot, "verdict") == "✓ Right." and "A notice." in told(pilot, "result")

    drive(DrillApp([CODED]), script)


# --- the menu -------------------------------------------------------------------------------------


def test_the_menu_filters_and_starts():
    async def script(pilot):
        assert isinstance(pilot.app.screen, MenuScreen)
        every = len(find_items())
        assert f"▸ Practise: {every} questions fit" in page_text(pilot) and "Practise what is due: 0" in page_text(pilot)
        await press(pilot, "down", "down", "right")
        assert "‹ A Numbers and cost ›" in page_text(pilot)
        assert f"Practise: {len(find_items(parts=['A']))} questions fit" in page_text(pilot)
        await press(pilot, "down", "enter")
        assert isinstance(pilot.app.screen, Picker)
        await press(pilot, "end", "enter")
        assert "48 Latency and throughput" in page_text(pilot)
        await press(pilot, "down", "right", "down", "left", "left")
        fitting = find_items(chapters=["48"], difficulty=1, kinds=["open"])
        assert f"Practise: {len(fitting)} questions fit" in page_text(pilot) and "‹ open ›" in page_text(pilot)
        await press(pilot, "right", "right")
        await pilot.click("#practise")
        await pilot.pause()
        assert isinstance(pilot.app.screen, QuestionScreen)
        session = pilot.app.screen.session
        asked = [session.current.item, *session.waiting]
        assert {(i.chapter, i.difficulty) for i in asked} == {("48", 1)}
        await press(pilot, "escape", "enter")
        assert isinstance(pilot.app.screen, MenuScreen)

    drive(DrillApp(), script, (60, 20))


def test_the_menu_says_what_is_due_and_asks_it():
    remember(Review("26.integers", datetime.now(UTC) - timedelta(days=1), 1, 0.0, 9.0, 1, "x", "drill"))

    async def script(pilot):
        assert "Practise what is due: 1" in page_text(pilot)
        await press(pilot, "up", "enter")
        session = pilot.app.screen.session
        assert session.current.item.id == "26.integers" and not session.waiting
        await type_in(pilot, right_number(pilot))
        await press(pilot, "enter", "enter")
        assert "Practise what is due: 0" in page_text(pilot)
        await press(pilot, "enter")
        assert told(pilot, "notice") == "! Nothing is due now."

    drive(DrillApp(), script)


def test_the_menu_in_chinese_and_an_interview_from_it():
    async def script(pilot):
        await press(pilot, "up", "up", "up", "right")
        assert pilot.app.language == "zh" and "开始练习" in page_text(pilot) and "面试练习" in told(pilot, "head")
        await press(pilot, "down", "left", "down", "down", "down", "enter")
        assert pilot.app.screen.mock.interview.minutes == 30 and pilot.app.screen.mock.interview.language == "zh"
        await press(pilot, "ctrl+q", "enter")
        assert isinstance(pilot.app.screen, ReportScreen)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, MenuScreen)

    drive(DrillApp(), script)


def test_no_question_fits():
    async def script(pilot):
        assert "No question fits" in page_text(pilot)
        await press(pilot, "enter")

    assert drive(DrillApp([]), script).return_value is None

    async def due(pilot):
        assert "Nothing is due now." in page_text(pilot)

    drive(DrillApp([NUMBER], due_only=True), due)

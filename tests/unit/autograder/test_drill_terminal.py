"""The practice in the terminal, driven by Textual's pilot: every kind of question, the menu, interviews, narrow screens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.filter import Monochrome
from textual.geometry import Region
from textual.widgets import Input, Static, TextArea

from autograder import progress
from autograder.drill.coding import draft_path, find_task
from autograder.drill.deck import CHOICE, CODE, NUMERIC, OPEN, Item, find_items
from autograder.drill.memory import Review, load_memory, remember
from autograder.drill.mock import Interview, Mock
from autograder.drill.question import Choice, Numeric, Open
from autograder.drill.terminal import DrillApp, run_drill, run_menu, run_mock
from autograder.drill.terminal.app import NoTerminal
from autograder.drill.terminal.code_card import CodeCard, EditScreen
from autograder.drill.terminal.endings import ReportScreen, SummaryScreen
from autograder.drill.terminal.menu import MenuScreen
from autograder.drill.terminal.page import Confirm, Picker
from autograder.drill.terminal.question import QuestionScreen
from autograder.drill.terminal.texts import Document, Told
from autograder.drill.terminal.wrapping import break_line, styled
from autograder.judging import NOT_ATTEMPTED, RIGHT, WRONG, Judgement

DOUBLE = Numeric("99.double", 1, "Twice {x} with `f[0]` and [bold]no markup[/bold]?", lambda rng: {"x": int(rng.integers(3, 9))},
                 lambda v: 2 * v["x"], "2 · {x} = {answer}.", unit="GB", rtol=0.01,
                 traps=((lambda v: v["x"] ** 2, "That is the square."),))
PICK = Choice("99.pick", 2, "Which?", "this", (("that", "No, because."), ("those", "No, since."), ("these", "No, for."),),
              "Yes, for a reason.")
SAY = Open("99.say", 3, "Why?", ("first point", "second point", "third point"), "So and so.")
NUMBER, PICKED, SAID = (Item(q.id, "26", kind, q.difficulty, question=q)
                        for q, kind in ((DOUBLE, NUMERIC), (PICK, CHOICE), (SAY, OPEN)))
NUMBER_FIRST = 5  # a seed under which NUMBER comes before PICKED
TASK = "26.bf16_round"
CODED = Item(TASK, "26", CODE, 2, task=find_task(TASK))
SOLUTION = '''
def bf16_round(u32):
    u = u32.astype(np.uint64)
    rounded = (u + 0x7FFF + ((u >> 16) & 1)) >> 16
    return np.where((u & 0x7FFFFFFF) > 0x7F800000, (u >> 16) | 0x40, rounded).astype(np.uint16)
'''
TRUNCATED = "def bf16_round(u32):\n    return (u32 >> 16).astype(np.uint16)\n"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s

    def now(self):
        return datetime(2026, 3, 1, 9, tzinfo=UTC) + timedelta(seconds=self.s)


def drive(app, script, size=(80, 24)):
    """Run the app without a terminal, and `script(pilot)` beside it."""

    async def run():
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(pilot)

    asyncio.run(run())
    return app


async def press(pilot, *keys):
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
    await pilot.pause()


async def type_in(pilot, text):
    pilot.app.screen.query_one(Input).value = text
    await press(pilot, "enter")


def told(pilot, name):
    return pilot.app.screen.query_one(f"#{name}", Told).plain.replace("\u00a0", " ")


def screen_text(pilot):
    """What stands on the screen now, line by line."""
    return "\n".join("".join(s.text for s in strip).rstrip() for strip in pilot.app.screen._compositor.render_strips())


def page_text(pilot):
    """All texts of the page, also those that are scrolled away."""
    return "\n".join(t.plain for t in pilot.app.screen.query(Told) if t.display).replace("\u00a0", " ")


def rows():
    with progress.open_progress() as db:
        return db.execute("SELECT question, share, typed, mode FROM reviews ORDER BY id").fetchall()


def right_number(pilot):
    return f"{pilot.app.screen.session.current.drawn.answer:g}"


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


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """An editor that writes what the test says; its screen is not there, so the app's is not given away."""

    def writes(source):
        answer = tmp_path / "answer.py"
        answer.write_text(source)
        script = tmp_path / "editor"
        script.write_text(f"#!/bin/sh\ncat {answer} > \"$1\"\n")
        script.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(script))

    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(DrillApp, "suspend", lambda self: contextlib.nullcontext())
    return writes


@pytest.fixture
def quick_check(monkeypatch):
    """The check without its sandbox: right for the solution, not attempted for the stub, wrong for the rest."""

    def judge(task, source):
        outcome = NOT_ATTEMPTED if "NotImplementedError" in source and "return" not in source \
            else RIGHT if "rounded" in source else WRONG
        message = "Not written yet." if outcome == NOT_ATTEMPTED else "Look again."
        return Judgement(task.id, outcome, 4.0 if outcome == RIGHT else 0.0, 4.0, message=message), "A notice."

    monkeypatch.setattr("autograder.drill.asking.judge_code", judge)


async def checked(pilot):
    while pilot.app.screen.card.running:
        await pilot.pause(0.05)
    await pilot.pause()


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


# --- an interview ---------------------------------------------------------------------------------


def test_an_interview_to_its_end():
    clock = Clock()

    async def script(pilot):
        screen = pilot.app.screen
        assert "question 1 · 5:00 left" in told(pilot, "head")
        clock.s = 61
        screen.tell_time()
        assert "3:59 left" in told(pilot, "head") and "skip" not in told(pilot, "hints")
        await press(pilot, "ctrl+g")
        assert told(pilot, "verdict").startswith("✗ Not answered.")
        await press(pilot, "enter")
        clock.s = 301
        screen.tell_time()
        assert "Time is up: finish this one." in told(pilot, "head")
        await press(pilot, "ctrl+g", "enter")
        assert isinstance(pilot.app.screen, ReportScreen) and pilot.app.screen.query_one(Document).source
        assert "Your report is kept in" in told(pilot, "head")
        await press(pilot, "enter")

    app = drive(DrillApp([NUMBER, PICKED, SAID], minutes=5, clock=clock, now=clock.now), script)
    saved = sorted((progress.data_folder() / "mocks").iterdir())
    assert [p.suffix for p in saved] == [".json", ".md"] and str(saved[1]) in app.farewell[0]
    report = json.loads(saved[0].read_text(encoding="utf-8"))
    assert len(report["answered"]) == 2 and report["ended"] and {mode for *_, mode in rows()} == {"mock"}


@pytest.mark.parametrize("keys", [("escape", "enter"), ("ctrl+c",)])
def test_code_that_was_checked_counts_where_the_interview_ends(quick_check, keys):
    clock = Clock()

    async def script(pilot):
        clock.s = 31 * 60
        await press(pilot, "ctrl+g", "enter")
        assert isinstance(pilot.app.screen.card, CodeCard)
        draft_path(CODED.task).parent.mkdir(parents=True)
        draft_path(CODED.task).write_text(TRUNCATED)
        await press(pilot, "r")
        await checked(pilot)
        await press(pilot, *keys)

    drive(DrillApp([PICKED, CODED], minutes=60, clock=clock, now=clock.now), script)
    report = json.loads(next((progress.data_folder() / "mocks").glob("*.json")).read_text(encoding="utf-8"))
    assert [(a["id"], a["typed"]) for a in report["answered"]] == [("99.pick", ""), (TASK, TRUNCATED)]


def test_the_time_ticks_by_itself():
    clock = Clock()

    async def script(pilot):
        clock.s = 10
        await pilot.pause(0.8)
        assert "4:50 left" in told(pilot, "head")

    drive(DrillApp([NUMBER], minutes=5, clock=clock), script)


def test_ending_an_interview_is_asked_first_and_q_is_no_shortcut():
    async def script(pilot):
        for key in ("ctrl+q", "escape", "q"):
            await press(pilot, key)
            assert isinstance(pilot.app.screen, Confirm)
            await press(pilot, "escape")
            assert isinstance(pilot.app.screen, QuestionScreen)
        await press(pilot, "escape", "enter")
        assert isinstance(pilot.app.screen, ReportScreen)

    app = drive(DrillApp([PICKED], minutes=5), script)
    assert not app.farewell and not (progress.data_folder() / "mocks").exists()


def test_a_report_that_cannot_be_kept_is_still_shown(monkeypatch):
    def refused(interview):
        raise progress.ProgressError("/x cannot be written")

    monkeypatch.setattr("autograder.drill.terminal.app.save", refused)

    async def script(pilot):
        await press(pilot, "ctrl+g", "escape", "enter")
        assert told(pilot, "notice") == "! The report was not kept: /x cannot be written."
        assert "# Mock interview" in pilot.app.screen.query_one(Document).source

    drive(DrillApp([PICKED], minutes=5), script)


def test_an_interview_that_was_cut_off_gets_its_report():
    clock = Clock()
    cut = Mock(5, [PICKED], 1, clock=clock, now=clock.now)
    clock.s = 30
    cut.submit(cut.current.choose(0), "x")
    with progress.open_progress() as db:
        (text,) = db.execute("SELECT interview FROM mocks").fetchone()
        gone = {**json.loads(text), "pid": 2**22 + 1}  # above every process number
        db.execute("UPDATE mocks SET interview = ?", (json.dumps(gone),))

    async def script(pilot):
        assert told(pilot, "notice").startswith("! An interview was cut off: its report is in ")

    drive(DrillApp([NUMBER], minutes=5), script)
    with progress.open_progress() as db:
        ended, text = db.execute("SELECT ended, interview FROM mocks ORDER BY id").fetchone()
    assert ended == "2026-03-01T09:00:30+00:00" == Interview.from_dict(json.loads(text)).ended
    assert list((progress.data_folder() / "mocks").glob("*.md"))


def test_an_interview_that_cannot_be_is_refused_before_the_screen():
    with pytest.raises(ValueError, match="5 to 240"):
        DrillApp([NUMBER], minutes=1)
    with pytest.raises(ValueError, match="no question"):
        DrillApp([], minutes=5)


# --- screens of any size --------------------------------------------------------------------------


def bare(text):
    return re.sub(r"[\s\u00a0]", "", text)


def assert_nothing_is_cut(pilot):
    """Every text's own lines hold all of it, and no text is wider than the screen."""
    screen, seen = pilot.app.screen, 0
    for text in screen.query(Told):
        if text.display and text.outer_size.area:
            lines = ["".join(s.text for s in strip) for strip in text.render_lines(Region(0, 0, *text.outer_size))]
            assert bare(text.plain) in bare("".join(lines)), text
            assert text.region.right <= screen.size.width
            seen += 1
    assert seen > 3 and screen.paper.virtual_size.width <= screen.size.width
    visible = screen_text(pilot).split("\n")
    assert all(cell_len(line) <= screen.size.width for line in visible)
    assert bare(told(pilot, "hints")) in bare("".join(visible[-3:]))


LONG = ("26.integers", "41.camera_plan", "37.huffman_speed", "29.best_total", TASK)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [(60, 20), (40, 15)])
def test_narrow_screens_cut_nothing(language, size):
    items = [next(i for i in find_items(chapters=[name[:2]], language=language) if i.id == name) for name in LONG]

    async def script(pilot):
        for _ in LONG:
            assert_nothing_is_cut(pilot)
            await press(pilot, "ctrl+g")
            assert_nothing_is_cut(pilot)
            pilot.app.screen.session.came_back = set(LONG)
            await press(pilot, "enter")

    drive(DrillApp(items, language=language), script, size)


def test_a_task_in_markdown_wraps_and_keeps_angle_brackets():
    run, code = "很长的一段没有空格的文字" * 8, "long_line(" * 12
    text = f"### T\n\nShort {run} `a[0]` <axis> [b]x[/b]\n\n```\n{code}\n```\n"
    task = replace(CODED.task, text=text)

    async def script(pilot):
        lines = []
        for block in pilot.app.screen.query_one(Document).walk_children(Static):
            lines += ["".join(s.text for s in strip)
                      for strip in block.render_lines(Region(0, 0, *block.outer_size))]
            assert block.region.right <= 60
        assert all(part in bare("".join(lines)) for part in (run, "a[0]<axis>[b]x[/b]", code))
        assert any("Short 很长" in line for line in lines)  # broken within the Chinese, not before it
        assert pilot.app.screen.paper.virtual_size.width <= 60

    drive(DrillApp([Item(TASK, "26", CODE, 1, task=task)]), script, (60, 20))


def test_resized_while_typing():
    async def script(pilot):
        pilot.app.screen.query_one(Input).value = "12"
        for size in ((60, 20), (30, 10), (12, 4), (120, 40), (60, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert pilot.app.screen.query_one(Input).value == "12"
        assert_nothing_is_cut(pilot)
        await press(pilot, "enter")
        assert told(pilot, "verdict")[0] in "✓✗"
        assert "verdict" in {w.id for w in pilot.app.screen.paper.query(Told) if w.region.intersection(Region(0, 0, 60, 20))}

    drive(DrillApp([NUMBER]), script, (100, 30))


def test_long_pages_scroll_with_the_keys():
    async def script(pilot):
        paper = pilot.app.screen.paper
        top = paper.scroll_offset.y
        await press(pilot, "pagedown", "down")
        assert paper.scroll_offset.y > top
        await press(pilot, "home")
        assert paper.scroll_offset.y == 0
        await press(pilot, "end")
        assert paper.scroll_offset.y == paper.max_scroll_y > 0

    drive(DrillApp([CODED]), script, (60, 12))


def test_without_colours_signs_and_words_remain(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def script(pilot):
        assert any(isinstance(f, Monochrome) for f in pilot.app.get_line_filters())
        await press(pilot, "2")
        text = screen_text(pilot)
        assert re.search(r"^ ✓ \d ", text, re.M) and re.search(r"^ [✓✗] (Right|Not this one)\.", text, re.M)
    drive(DrillApp([PICKED]), script)


def test_in_chinese():
    items = find_items(chapters=["26"], kinds=[NUMERIC, CHOICE], language="zh")

    async def script(pilot):
        for _ in items:
            await press(pilot, "ctrl+g")
            assert told(pilot, "verdict").startswith("✗ 没有作答。")
            assert re.search("[\u4e00-\u9fff]", told(pilot, "text")) and "难度 " in told(pilot, "head")
            assert "继续" in told(pilot, "hints")
            pilot.app.screen.session.came_back = {i.id for i in items}
            await press(pilot, "enter")

    drive(DrillApp(items, language="zh"), script, (60, 20))


# --- what can go wrong ----------------------------------------------------------------------------


def test_a_progress_file_that_another_program_holds():
    load_memory()
    held = sqlite3.connect(progress.data_file(), isolation_level=None)
    held.execute("PRAGMA journal_mode=DELETE")
    held.execute("BEGIN EXCLUSIVE")

    async def script(pilot):
        assert "Your progress cannot be read: another program holds" in told(pilot, "notice")
        await type_in(pilot, right_number(pilot))
        assert told(pilot, "verdict").startswith("✓ Right.")
        assert "This answer was not kept: another program holds" in told(pilot, "notice")
        held.execute("ROLLBACK")
        await press(pilot, "enter", "1")
        assert told(pilot, "notice") == ""

    drive(DrillApp([NUMBER, PICKED], seed=NUMBER_FIRST), script)
    held.close()
    assert len(rows()) == 1


def test_without_a_data_folder_everything_works(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file" / "data"))

    async def menu(pilot):
        assert "Your progress cannot be read" in told(pilot, "notice")
        assert_nothing_is_cut(pilot)

    drive(DrillApp(), menu, (60, 20))

    async def mock(pilot):
        assert "has no report yet" in told(pilot, "notice") or "not kept" in told(pilot, "notice")
        await press(pilot, "1", "escape", "enter")
        assert "The report was not kept" in told(pilot, "notice")
        assert "# Mock interview" in pilot.app.screen.query_one(Document).source

    drive(DrillApp([PICKED], minutes=5), mock)


def test_ctrl_c_leaves_at_any_point_and_keeps_what_was_answered():
    async def answered(pilot):
        await type_in(pilot, right_number(pilot))
        await press(pilot, "ctrl+c")
        assert not pilot.app.is_running

    assert drive(DrillApp([NUMBER]), answered).farewell == ["1 of 1 right."]
    assert len(rows()) == 1

    async def asked(pilot):
        await press(pilot, "ctrl+g", "enter", "escape", "ctrl+c")
        assert not pilot.app.is_running

    assert "Your report is kept in" in drive(DrillApp([PICKED, SAID], minutes=5), asked).farewell[0]

    async def editing(pilot):
        await press(pilot, "t", *"# mine", "ctrl+c")
        assert not pilot.app.is_running

    drive(DrillApp([CODED]), editing)
    assert "# mine" in draft_path(CODED.task).read_text()

    async def checking(pilot):
        await press(pilot, "r", "ctrl+c")
        assert not pilot.app.is_running

    drive(DrillApp([CODED]), checking)


def test_a_check_that_fails_by_itself_is_a_sentence(monkeypatch):
    monkeypatch.setattr("autograder.drill.asking.judge_code", lambda *a: 1 / 0)

    async def script(pilot):
        await press(pilot, "r")
        await checked(pilot)
        assert "The check failed by itself: ZeroDivisionError: division by zero." in told(pilot, "verdict")
        assert not pilot.app.screen.session.answered and "r run the check" in told(pilot, "hints")

    drive(DrillApp([CODED]), script)


def test_the_keys_at_the_bottom_can_be_clicked():
    async def script(pilot):
        hints = pilot.app.screen.query_one("#hints")
        at = hints.plain.index("skip")
        await pilot.click(hints, offset=(at + 1, 0))
        await pilot.pause()
        assert told(pilot, "text") == "Which?"

    drive(DrillApp([NUMBER, PICKED], seed=NUMBER_FIRST), script)


def test_without_a_terminal_the_commands_say_so(monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    for start in (lambda: run_menu(), lambda: run_drill([NUMBER], seed=1), lambda: run_mock(5, [NUMBER], seed=1)):
        with pytest.raises(NoTerminal, match="needs a terminal"):
            start()

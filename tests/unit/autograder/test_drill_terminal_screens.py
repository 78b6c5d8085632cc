"""The practice in the terminal: interviews, screens of any size, and what can go wrong."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from dataclasses import replace

import pytest
from rich.cells import cell_len
from terminal_tools import (
    CODED,
    NUMBER,
    NUMBER_FIRST,
    PICKED,
    SAID,
    TASK,
    TRUNCATED,
    Clock,
    checked,
    drive,
    press,
    right_number,
    rows,
    screen_text,
    told,
    type_in,
)
from textual.filter import Monochrome
from textual.geometry import Region
from textual.widgets import Input, Static

from autograder import progress
from autograder.drill.coding import draft_path
from autograder.drill.deck import CHOICE, CODE, NUMERIC, Item, find_items
from autograder.drill.memory import load_memory
from autograder.drill.mock import Interview, Mock
from autograder.drill.terminal import DrillApp, run_drill, run_menu, run_mock
from autograder.drill.terminal.app import NoTerminal
from autograder.drill.terminal.code_card import CodeCard
from autograder.drill.terminal.endings import ReportScreen
from autograder.drill.terminal.page import Confirm
from autograder.drill.terminal.question import QuestionScreen
from autograder.drill.terminal.texts import Document, Told

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

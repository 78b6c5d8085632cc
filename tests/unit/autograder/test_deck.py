"""What can be asked: cards found by filter, put in order, and the exercises read from the notebooks."""

from __future__ import annotations

import ast
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import progress
from autograder.chapters import CHAPTERS, PARTS
from autograder.drill import coding
from autograder.drill.coding import (
    coding_tasks,
    draft_path,
    editor_command,
    find_task,
    judge_code,
    read_draft,
    write_draft,
)
from autograder.drill.deck import (
    CHOICE,
    CODE,
    EXPECTED_S,
    KINDS,
    NUMERIC,
    OPEN,
    Item,
    chapter_items,
    find_items,
    in_order,
)
from autograder.drill.memory import replayed
from autograder.drill.question import Choice, Numeric, Open
from autograder.drill.questions import chapter_questions
from autograder.exercises import chapter_exercises
from autograder.judging import NOT_ATTEMPTED, RIGHT, WRONG
from autograder.notebooks.master import read_master

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


# --- the cards of a chapter ------------------------------------------------------------------------


def test_the_cards_of_a_chapter_are_its_questions_then_its_exercises(chapter_number):
    items = chapter_items(chapter_number)
    assert [i.id for i in items] == [q.id for q in chapter_questions(chapter_number)] + [
        e.id for e in chapter_exercises(chapter_number)]
    for item in items:
        kind = {Numeric: NUMERIC, Choice: CHOICE, Open: OPEN, type(None): CODE}[type(item.question)]
        assert (item.kind, item.chapter) == (kind, chapter_number) and item.part == CHAPTERS[chapter_number].part
        assert (item.task is None) is (item.kind != CODE) and item.difficulty in (1, 2, 3) and item.expected_s > 0


def test_both_languages_have_the_same_cards(chapter_number):
    english, chinese = chapter_items(chapter_number), chapter_items(chapter_number, "zh")
    assert [(i.id, i.kind, i.difficulty) for i in english] == [(i.id, i.kind, i.difficulty) for i in chinese]
    for one, other in zip(english, chinese, strict=True):
        assert one.task is other.task and (one.kind == CODE or one.question.text != other.question.text)


@pytest.mark.parametrize("number, language", [("99", "en"), ("26", "fr"), ("", "en"), ("1", "en"), ("../01", "en")])
def test_unknown_chapters_and_languages_are_refused(number, language):
    with pytest.raises(KeyError, match=r"no questions|no language"):
        chapter_items(number, language)


def test_an_answer_is_expected_by_kind_and_difficulty():
    pick = next(i for i in chapter_items("26") if i.kind == CHOICE)
    assert [replace(pick, difficulty=d).expected_s for d in (1, 2, 3)] == [30.0, 45.0, 60.0]
    assert EXPECTED_S == {NUMERIC: (45, 75, 120), CHOICE: (30, 45, 60), OPEN: (120, 180, 240)}
    task = next(i for i in chapter_items("26") if i.kind == CODE)
    assert task.expected_s == 60.0 * task.task.minutes


# --- filters ---------------------------------------------------------------------------------------


def test_without_a_filter_every_card_is_found_once_in_the_courses_order():
    items = find_items()
    assert len(items) == sum(len(chapter_items(n)) for n in CHAPTERS) > 600
    assert [i.chapter for i in items] == sorted(i.chapter for i in items)


def test_a_question_and_an_exercise_never_share_a_name():
    """The name is the card in memory: answers to two of one name would be mixed."""
    assert [i for i, n in Counter(item.id for item in find_items()).items() if n > 1] == []


def test_filters_narrow_down():
    everything = find_items()
    for kwargs, keeps in (
        ({"parts": ["a"]}, lambda i: i.part == "A"), ({"parts": "BD"}, lambda i: i.part in "BD"),
        ({"chapters": ["26", "01"]}, lambda i: i.chapter in ("01", "26")), ({"difficulty": 3}, lambda i: i.difficulty == 3),
        ({"kinds": (CODE,)}, lambda i: i.kind == CODE), ({"kinds": iter([OPEN, CHOICE])}, lambda i: i.kind in (OPEN, CHOICE)),
        ({"kinds": ()}, lambda i: False), ({"parts": ["A"], "chapters": ["26"]}, lambda i: i.chapter == "26"),
        ({"parts": ["B"], "chapters": ["26"]}, lambda i: False),
        ({"parts": ["D"], "difficulty": 2, "kinds": (NUMERIC,)}, lambda i: (i.part, i.difficulty, i.kind) == ("D", 2, NUMERIC)),
    ):
        found = find_items(**kwargs)
        assert [i.id for i in found] == [i.id for i in everything if keeps(i)], kwargs


@pytest.mark.parametrize("kwargs, says", [
    ({"parts": ["G"]}, "from A to F"), ({"chapters": ["55"]}, "from 01 to 54"), ({"chapters": ["1"]}, "from 01 to 54"),
    ({"parts": ["A", ""]}, "from A to F"), ({"language": "fr"}, "en, zh"),
])
def test_an_unknown_filter_is_a_sentence(kwargs, says):
    with pytest.raises(KeyError, match=says):
        find_items(**kwargs)


def test_every_part_and_difficulty_and_kind_has_cards():
    items = find_items()
    assert {i.part for i in items} == set(PARTS) and {i.difficulty for i in items} == {1, 2, 3}
    assert {i.kind for i in items} == set(KINDS)
    for part in PARTS:
        assert {i.kind for i in items if i.part == part} == set(KINDS)


# --- order -----------------------------------------------------------------------------------------


def card(id_, kind=NUMERIC):
    return Item(id_, id_[:2], kind, 1)


CARDS = [card(f"{n:02d}.q{i}") for n in (1, 2, 3, 4) for i in range(5)] + [card(f"{n:02d}.x{i}", CODE) for n in (1, 2) for i in range(3)]


def test_new_cards_change_the_chapter_every_time_and_exercises_come_last():
    order = in_order(CARDS, None, seed=1)
    assert sorted(i.id for i in order) == sorted(i.id for i in CARDS)
    assert [i.kind for i in order] == [NUMERIC] * 20 + [CODE] * 6
    for start in range(0, 20, 4):  # each chapter once before one comes again
        assert {i.chapter for i in order[start:start + 4]} == {"01", "02", "03", "04"}
    assert all(a.chapter != b.chapter for a, b in pairwise(order[20:]))


def test_the_seed_makes_the_order():
    assert in_order(CARDS, None, seed=1) == in_order(list(CARDS), None, seed=1)
    orders = {tuple(i.id for i in in_order(CARDS, None, seed=s)) for s in range(20)}
    assert len(orders) == 20
    assert len({order[0] for order in orders}) > 5


def test_chapters_of_different_size_are_all_asked():
    cards = [card("01.a"), *(card(f"02.q{i}") for i in range(9))]
    for seed in range(20):
        order = in_order(cards, None, seed)
        assert sorted(i.id for i in order) == sorted(i.id for i in cards)
        assert "01.a" in [i.id for i in order[:2]]


def test_due_then_new_then_known():
    memory = replayed([("01.q0", START, 1), ("02.q0", START, 3), ("03.q0", START - timedelta(days=200), 3),
                       ("04.q0", START - timedelta(minutes=1), 4), ("54.gone", START, 1)], START + timedelta(hours=1))
    order = [i.id for i in in_order(CARDS, memory, seed=1)]
    assert order[:2] == ["01.q0", "03.q0"]  # a wrong one is least sure of all
    assert set(order[-2:]) == {"02.q0", "04.q0"} and len(order) == len(set(order)) == len(CARDS)
    recalls = [memory.recall(i) for i in order[-2:]]
    assert recalls == sorted(recalls)
    assert [i.id for i in in_order(CARDS, memory, seed=1, due_only=True)] == ["01.q0", "03.q0"]
    assert in_order(CARDS[:1], memory, 1, due_only=True) == [CARDS[0]]
    assert in_order([], memory, 1) == in_order([], None, 1) == in_order(CARDS, None, 1, due_only=True) == []


@given(st.lists(st.tuples(st.sampled_from([i.id for i in CARDS]), st.integers(0, 10**5), st.integers(1, 4)), max_size=20),
       st.sets(st.sampled_from(range(len(CARDS)))), st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_no_card_is_lost_or_doubled(rows, chosen, seed):
    memory = replayed([(c, START + timedelta(minutes=m), r) for c, m, r in rows], START + timedelta(days=80))
    cards = [CARDS[i] for i in sorted(chosen)]
    order = in_order(cards, memory, seed)
    assert Counter(i.id for i in order) == Counter(i.id for i in cards)
    due = in_order(cards, memory, seed, due_only=True)
    assert order[: len(due)] == due
    groups = [0 if i in due else 1 if i.id not in memory.known else 2 for i in order]
    assert groups == sorted(groups)


# --- the exercises in the notebooks ----------------------------------------------------------------


def test_every_exercise_is_read_from_its_notebook(chapter_number):
    exercises, tasks = chapter_exercises(chapter_number), coding_tasks(chapter_number)
    assert [(t.id, t.points) for t in tasks] == [(e.id, e.points) for e in exercises]
    for task, exercise in zip(tasks, exercises, strict=True):
        assert all(name in task.stub for name in exercise.names), task.id
        assert "NotImplementedError" in task.stub and "BEGIN SOLUTION" not in task.stub
        compile(task.stub, "stub", "exec")
        assert task.text.startswith("#") and task.title and "#" not in task.title and len(task.text) > 80
        assert "<small>" not in task.text and 1 <= task.minutes <= 60 and task.difficulty in (1, 2, 3)
        assert task.setup and all("import" in cell for cell in task.setup)


def test_difficulty_and_minutes_come_from_the_box_above():
    task = find_task("26.stochastic_bf16")
    assert (task.difficulty, task.minutes, task.points) == (3, 25, 5.0)
    notebook = json.loads(CHAPTERS["26"].notebook.read_text(encoding="utf-8"))
    boxes = ["".join(c["source"]) for c in notebook["cells"] if "<small>" in "".join(c["source"])]
    box = next(b for b in boxes if "stochastic_bf16" in b)
    assert "●●●" in box and "25 minutes" in box


def test_a_chapter_without_a_notebook_has_no_exercises(monkeypatch, tmp_path):
    gone = replace(CHAPTERS["26"], slug="gone")
    monkeypatch.setitem(CHAPTERS, "26", gone)
    coding_tasks.cache_clear()
    try:
        assert coding_tasks("26") == ()
        with pytest.raises(KeyError, match="no exercise"):
            find_task("26.bf16_round")
    finally:
        coding_tasks.cache_clear()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"cells": 1}', '{"cells": [1]}', '{"cells": [{}]}', "\x00"])
def test_a_spoilt_notebook_has_no_exercises(monkeypatch, tmp_path, content):
    """Notebooks are the learner's to change: practice goes on with the questions."""
    path = tmp_path / "spoilt.ipynb"
    path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(type(CHAPTERS["26"]), "notebook", property(lambda self: path))
    coding_tasks.cache_clear()
    try:
        assert coding_tasks("26") == ()
    finally:
        coding_tasks.cache_clear()


@pytest.mark.parametrize("exercise_id", ["26.nothing", "99.x", "", "26", "../26.x"])
def test_an_unknown_exercise_is_a_sentence(exercise_id):
    with pytest.raises(KeyError, match="there is no exercise"):
        find_task(exercise_id)


# --- drafts and editors ----------------------------------------------------------------------------


def test_a_draft_begins_with_the_stub_and_is_kept():
    task = find_task("26.bf16_round")
    assert read_draft(task) == task.stub and not draft_path(task).exists()
    text = "def bf16_round(x):\n    return 'é 二'\n"
    assert write_draft(task, text) == draft_path(task) and read_draft(task) == text
    assert draft_path(task).is_relative_to(progress.data_folder())
    draft_path(task).write_bytes(b"\xff\xfe\x00")
    assert read_draft(task) == task.stub


def test_a_draft_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file"))
    with pytest.raises(progress.ProgressError, match="AUTOGRADER_DATA"):
        write_draft(find_task("26.bf16_round"), "x")


@pytest.mark.parametrize("visual, editor, command", [
    ("", "sh", ["sh"]), ("sh -c", "cat", ["sh", "-c"]), (None, "cat -u", ["cat", "-u"]), ("no-such-editor", "cat", ["cat"]),
    ("'sh' \"-c\"", "", ["sh", "-c"]), ("   ", "cat", ["cat"]), ("it's", "cat", ["cat"]),
])
def test_the_editor_is_the_candidates_own(monkeypatch, visual, editor, command):
    for name, value in (("VISUAL", visual), ("EDITOR", editor)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert editor_command() == command


def test_without_an_editor_there_is_none(monkeypatch):
    monkeypatch.setattr(coding.shutil, "which", lambda name: None)
    monkeypatch.setenv("EDITOR", "vi")
    assert editor_command() is None
    monkeypatch.setattr(coding.shutil, "which", lambda name: name if name == "vi" else None)
    monkeypatch.delenv("EDITOR")
    monkeypatch.delenv("VISUAL", raising=False)
    assert editor_command() == ["vi"]


# --- judging ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def solution():
    return read_master(CHAPTERS["26"].master).solutions["bf16_round"].solution


WRONG_ANSWER = "def bf16_round(u32):\n    return (u32 >> 16).astype(np.uint16)\n"


def test_a_right_answer_is_judged_in_the_sandbox_and_kept(solution):
    judgement, notice = judge_code(find_task("26.bf16_round"), solution)
    assert judgement.outcome == RIGHT and judgement.points == judgement.max_points == 4.0
    assert notice == "" or "No sandbox here" in notice
    assert progress.standings()["26.bf16_round"].solved


def test_a_stub_is_not_kept_a_wrong_answer_is_and_its_mistake_is_named():
    task = find_task("26.bf16_round")
    assert judge_code(task, task.stub)[0].outcome == NOT_ATTEMPTED and progress.standings() == {}
    judgement, _ = judge_code(task, WRONG_ANSWER)
    assert judgement.outcome == WRONG and judgement.misconception and judgement.message
    assert progress.standings()["26.bf16_round"].attempts == 1 and not progress.standings()["26.bf16_round"].solved


@pytest.mark.parametrize("source", ["def f(:\n", "raise SystemExit(3)", "import os; os._exit(1)"])
def test_whatever_the_code_does_is_an_outcome(source):
    judgement, _ = judge_code(find_task("26.bf16_round"), source, keep=False)
    assert judgement.outcome in (WRONG, NOT_ATTEMPTED) and judgement.message + judgement.title and judgement.points == 0
    assert progress.standings() == {}


def test_where_no_sandbox_holds_and_nothing_can_be_kept_the_notice_says_both(monkeypatch, tmp_path, solution):
    from autograder.grading import sandbox

    def none(*args, **kwargs):
        raise sandbox.NoSandbox("no walls here")

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file"))
    monkeypatch.setattr(sandbox, "ForkServer", none)
    judgement, notice = judge_code(find_task("26.bf16_round"), solution)
    assert judgement.outcome == RIGHT and "no walls here" in notice and "process of its own" in notice
    assert "was not kept" in notice and "AUTOGRADER_DATA" in notice


def test_every_exercise_can_be_solved_by_itself(chapter_number):
    """A round brings the set-up cells and no other answer: the model solution may use no earlier exercise."""
    solutions, earlier, found = read_master(CHAPTERS[chapter_number].master).solutions, set(), []
    for exercise in chapter_exercises(chapter_number):
        nodes = list(ast.walk(ast.parse(solutions[exercise.name].solution)))
        own = {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        used = {n.id for n in nodes if isinstance(n, ast.Name)} - own
        found += [f"{exercise.id} uses {name}" for name in sorted(used & earlier)]
        earlier |= set(exercise.names)
    assert not found, "; ".join(found)

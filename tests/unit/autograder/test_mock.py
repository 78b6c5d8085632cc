"""Mock interviews and their reports: drawn over the parts, followed up, timed, kept; scores as scipy has them."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from autograder import progress
from autograder.chapters import CHAPTERS, PARTS
from autograder.drill import mock, reports
from autograder.drill.answers import Verdict
from autograder.drill.coding import CodingTask
from autograder.drill.deck import CHOICE, CODE, NUMERIC, OPEN, Item, find_items
from autograder.drill.memory import load_memory
from autograder.drill.mock import GOOD_ENOUGH, MOST_FOLLOW_UPS, Answered, Interview, Mock, cut_off, store
from autograder.drill.question import Choice, Numeric, Open

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
GOOD, BAD, UNREAD = Verdict(True, "Yes.", 1.0), Verdict(False, "No."), Verdict(None, "What?")
PART_OF = {part: [n for n, c in CHAPTERS.items() if c.part == part] for part in PARTS}


def card(id_, kind=CHOICE, difficulty=1, minutes=10):
    number = id_[:2]
    if kind == CODE:
        return Item(id_, number, CODE, difficulty, task=CodingTask(id_, number, "Code", difficulty, minutes, 4.0, "### Code", "pass"))
    question = {
        NUMERIC: Numeric(id_, difficulty, "Twice {x}?", lambda rng: {"x": int(rng.integers(3, 99))}, lambda v: 2 * v["x"], "{answer}"),
        CHOICE: Choice(id_, difficulty, "Which?", "this", (("that", "No."),), "Yes."),
        OPEN: Open(id_, difficulty, "Why?", ("a", "b", "c"), "So and so."),
    }[kind]
    return Item(id_, number, kind, difficulty, question=question)


def deck(parts="ABCDEF", kinds=(NUMERIC, CHOICE, OPEN), chapters=3, exercises=False):
    """Cards of every difficulty and kind for some chapters of each part."""
    found = [card(f"{n}.{kind}{d}", kind, d) for part in parts for n in PART_OF[part][:chapters] for kind in kinds for d in (1, 2, 3)]
    return found + [card(f"{PART_OF[p][0]}.ex{m}", CODE, 2, m) for p in parts for m in (5, 15, 60) if exercises]


class Time:
    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return 5000.0 + self.s  # a clock counts from some time of its own

    def now(self):
        return START + timedelta(seconds=self.s)


def begin(minutes=45, items=None, seed=1, **more):
    clock = Time()
    made = Mock(minutes, deck() if items is None else items, seed, clock=clock, now=clock.now, **more)
    made.time = clock
    return made


def play(made, verdicts, seconds=60.0):
    """Answer until the end; the answers in their order. verdicts: of the number of the question and its item."""
    n = 0
    while made.current:
        made.time.s += seconds
        made.submit(verdicts(n, made.current.item), "typed")
        made.next()
        n += 1
    return made.interview.answered


def mocks():
    with sqlite3.connect(progress.data_file()) as db:
        return db.execute("SELECT uid, started, ended, interview FROM mocks ORDER BY id").fetchall()


# --- beginning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [4.99, 0, -1, 240.1, float("inf"), float("nan")])
def test_the_time_has_bounds(minutes):
    with pytest.raises(ValueError, match="5 to 240 minutes"):
        begin(minutes)
    assert not progress.data_file().exists()


def test_without_questions_there_is_no_interview():
    with pytest.raises(ValueError, match="no question"):
        begin(items=[])


def test_it_is_kept_from_the_first_question_on():
    made = begin(45, seed=7, language="zh")
    ((uid, started, ended, interview),) = mocks()
    assert (uid, started, ended) == (made.interview.uid, "2026-03-01T09:00:00+00:00", None)
    told = json.loads(interview)
    assert told["minutes"] == 45 and told["language"] == "zh" and told["seed"] == 7 and told["pid"] == os.getpid()
    assert told["answered"] == [] and made.current is not None and made.current.language == "zh" and made.left_s == 2700


# --- drawing ---------------------------------------------------------------------------------------


def test_every_part_has_its_turn_and_no_question_comes_twice():
    answered = play(begin(45), lambda n, item: BAD)
    assert len(answered) == 45 and len({a.id for a in answered}) == 45
    for start in range(0, 42, 6):
        assert {a.part for a in answered[start:start + 6]} == set(PARTS)
    assert not any(a.follow_up for a in answered)


def test_parts_without_cards_have_no_turn():
    answered = play(begin(20, deck("BD")), lambda n, item: BAD)
    assert [a.part for a in answered[:2]] != [a.part for a in answered[1:3]] and {a.part for a in answered} == {"B", "D"}


def test_a_first_question_is_not_of_the_hardest():
    answered = play(begin(30), lambda n, item: BAD)
    assert {a.difficulty for a in answered} <= {1, 2}
    only_hard = [i for i in deck("A") if i.difficulty == 3]
    assert {a.difficulty for a in play(begin(30, only_hard), lambda n, item: BAD)} == {3}


def test_kinds_and_chapters_are_mixed():
    answered = play(begin(45), lambda n, item: BAD)
    kinds = Counter(a.kind for a in answered)
    assert set(kinds) == {NUMERIC, CHOICE, OPEN} and max(kinds.values()) <= 2 * min(kinds.values())
    assert max(Counter(a.chapter for a in answered).values()) <= 4  # 45 questions over 18 chapters


def test_a_good_answer_is_followed_up_by_a_harder_one_twice_at_most():
    answered = play(begin(45), lambda n, item: GOOD)
    assert any(a.follow_up for a in answered)
    run = 0
    for before, after in pairwise(answered):
        run = run + 1 if after.follow_up else 0
        assert run <= MOST_FOLLOW_UPS == 2
        if after.follow_up:
            assert after.difficulty > before.difficulty and after.part == before.part and before.share >= GOOD_ENOUGH
            assert after.chapter == before.chapter  # each chapter of this deck has all difficulties
    assert not answered[0].follow_up


def test_a_follow_up_is_the_least_step_up_and_leaves_the_chapter_only_where_it_must():
    first, second = PART_OF["A"][:2]
    cards = [card(f"{first}.a", difficulty=1), card(f"{second}.c", difficulty=3), card(f"{second}.b", difficulty=2)]
    made = next(m for m in (begin(45, cards, seed) for seed in range(20)) if m.current.item.id == f"{first}.a")
    for step in (f"{second}.b", f"{second}.c"):
        made.submit(GOOD, "")
        assert made.next().item.id == step and made.is_follow_up
    made.submit(GOOD, "")
    assert made.next() is None


@pytest.mark.parametrize("share, followed", [(1.0, True), (0.75, True), (0.74, False), (0.0, False)])
def test_good_enough_is_three_quarters(share, followed):
    made = begin(45)
    while made.current.item.difficulty == 3:
        made.next()
    made.submit(Verdict(share == 1.0, "", share), "")
    made.next()
    assert made.is_follow_up is followed


@pytest.mark.parametrize("minutes, asked", [(29, 0), (30, 1), (60, 1)])
def test_one_exercise_from_half_time_on_in_a_longer_interview(minutes, asked):
    answered = play(begin(minutes, deck(exercises=True)), lambda n, item: BAD)
    codes = [n for n, a in enumerate(answered) if a.kind == CODE]
    assert len(codes) == asked
    for n in codes:  # a minute a question
        assert n >= minutes / 2 and 60 * int(answered[n].id.partition(".ex")[2]) <= 0.8 * 60 * (minutes - n)


def test_an_exercise_that_does_not_fit_is_not_asked():
    cards = [i for i in deck(exercises=True) if i.kind != CODE or i.id.endswith("ex60")]
    assert CODE not in {a.kind for a in play(begin(60, cards), lambda n, item: GOOD)}


def test_an_exercise_is_not_followed_up():
    answered = play(begin(60, deck(exercises=True)), lambda n, item: GOOD)
    n = next(n for n, a in enumerate(answered) if a.kind == CODE)
    assert not answered[n].follow_up and not answered[n + 1].follow_up


def test_when_nothing_is_left_to_ask_it_is_over():
    cards = deck("A", chapters=1)
    answered = play(begin(240, cards), lambda n, item: GOOD)
    assert sorted(a.id for a in answered) == sorted(i.id for i in cards)


def test_a_deck_of_exercises_only_asks_what_can_be_asked():
    made = begin(30, [card("01.ex5", CODE, 2, 5)])
    assert made.current is None  # the first half asks questions, and there is none


def test_the_seed_makes_the_interview():
    def ids(seed):
        return [a.id for a in play(begin(10, seed=seed), lambda n, item: GOOD if n % 3 else BAD)]

    assert ids(1) == ids(1) != ids(2)
    assert len({tuple(ids(s)[:3]) for s in range(8)}) > 4


@given(st.integers(0, 10**6), st.floats(5, 90), st.lists(st.sampled_from([GOOD, BAD, Verdict(False, "", 0.5)]), min_size=1, max_size=9),
       st.floats(60, 900))
@settings(deadline=None, max_examples=10)
def test_whatever_is_answered_it_ends_and_asks_nothing_twice(seed, minutes, verdicts, seconds):
    made = begin(minutes, seed=seed)
    answered = play(made, lambda n, item: verdicts[n % len(verdicts)], seconds)
    assert len({a.id for a in answered}) == len(answered) >= 1
    assert len(answered) <= 60 * minutes / seconds + 1
    assert made.notice == "" and len(json.loads(mocks()[-1][3])["answered"]) == len(answered)


def test_the_course_s_own_cards_fill_an_interview():
    answered = play(begin(45, find_items()), lambda n, item: GOOD if n % 2 else BAD, seconds=75.0)
    assert len(answered) == 36 and len({a.part for a in answered}) == 6 and sum(a.kind == CODE for a in answered) == 1
    assert all(a.text and a.model_answer for a in answered)


# --- time ------------------------------------------------------------------------------------------


def test_the_question_in_hand_may_be_finished_when_the_time_is_up():
    made = begin(5)
    made.time.s = 299.9
    assert made.left_s == pytest.approx(0.1) and made.next() is not None
    made.time.s = 400.0
    assert made.left_s == -100.0
    made.submit(GOOD, "x")
    assert made.interview.answered[-1].seconds == pytest.approx(100.1) and made.next() is None


def test_seconds_count_from_shown_to_answered():
    made = begin(45)
    made.time.s = 12.345
    made.submit(GOOD, "x")
    made.time.s = 20.0
    made.submit(BAD, "y")  # the first one counts
    made.next()
    made.time.s = 31.0
    made.submit(UNREAD, "?")
    made.time.s = 33.0
    made.submit(BAD, "z")
    assert [(a.seconds, a.typed, a.share) for a in made.interview.answered] == [(12.3, "x", 1.0), (13.0, "z", 0.0)]


# --- keeping ---------------------------------------------------------------------------------------


def test_every_answer_is_kept_before_submit_returns():
    made = begin(45)
    for n in range(1, 4):
        made.submit(GOOD, f"typed {n}")
        told = json.loads(mocks()[0][3])
        assert [a["typed"] for a in told["answered"]] == [f"typed {i}" for i in range(1, n + 1)]
        assert Interview.from_dict(told) == made.interview
        made.next()
    assert len(load_memory(START + timedelta(days=1)).answered) == 3
    with sqlite3.connect(progress.data_file()) as db:
        assert {m for (m,) in db.execute("SELECT mode FROM reviews")} == {"mock"}


def test_an_exercise_is_no_review():
    made = begin(30, [*deck("A"), card("03.ex5", CODE, 2, 5)])
    answered = play(made, lambda n, item: GOOD)
    assert sum(a.kind == CODE for a in answered) == 1
    assert len(load_memory(START + timedelta(days=1)).answered) == len(answered) - 1


def test_a_question_that_is_given_up_counts_as_not_answered():
    made = begin(45)
    made.skip()
    made.skip()
    (answered,) = made.interview.answered
    assert (answered.share, answered.typed) == (0.0, "") and made.interview.answered[0].model_answer


def test_an_interview_ends_once():
    made = begin(45)
    made.submit(GOOD, "x")
    made.time.s = 100.0
    assert made.end() is made.interview and made.current is None
    assert mocks()[0][2] == "2026-03-01T09:01:40+00:00" and made.interview.used_s == 100.0
    made.time.s = 999.0
    made.end()
    made.submit(GOOD, "y")
    made.skip()
    assert mocks()[0][2] == "2026-03-01T09:01:40+00:00" and len(made.interview.answered) == 1


def test_what_cannot_be_kept_is_a_notice_and_it_goes_on(tmp_path, monkeypatch):
    made = begin(45, language="zh")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file"))
    made.submit(GOOD, "x")
    assert made.notice.startswith("这次回答没有保存：") and made.next() is not None
    made.end()
    assert len(made.interview.answered) == 1


def test_an_interview_whose_beginning_could_not_be_kept_is_kept_later(tmp_path, monkeypatch):
    """The file was held for a moment: from then on every answer is kept, as `submit` promises, or the notice says so."""
    home = os.environ["AUTOGRADER_DATA"]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file"))
    made = begin(45)
    assert "was not kept" in made.notice
    monkeypatch.setenv("AUTOGRADER_DATA", home)
    made.submit(GOOD, "x")
    rows = mocks()
    assert made.notice or (len(rows) == 1 and len(json.loads(rows[0][3])["answered"]) == 1)


def test_a_notice_of_the_interview_is_not_wiped_away_by_the_review(monkeypatch):
    made = begin(45)

    def fails(*args):
        raise progress.ProgressError("it is held")

    monkeypatch.setattr(mock, "store", fails)
    made.submit(GOOD, "x")
    assert "it is held" in made.notice


# --- cut off ---------------------------------------------------------------------------------------


def test_interviews_that_were_cut_off_are_found(monkeypatch):
    first, second, third = begin(45, seed=1), begin(45, seed=2), begin(45, seed=3)
    first.submit(GOOD, "x")
    third.submit(GOOD, "x")
    third.end()
    assert cut_off() == []  # this process lives
    monkeypatch.setattr(mock, "_alive", lambda pid: False)
    assert cut_off() == [first.interview]  # the second has no answer, the third has ended
    assert second.interview.answered == []


def test_a_process_that_is_gone_is_told_from_one_that_lives():
    assert mock._alive(os.getpid())
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    assert not mock._alive(gone)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "1", '{"answered": [{}]}', '{"answered": 3}', '{"answered": null}', '"x"'])
def test_a_row_that_cannot_be_read_is_passed_over(monkeypatch, text):
    monkeypatch.setattr(mock, "_alive", lambda pid: False)
    begin(45).submit(GOOD, "x")
    with progress.open_progress() as db:
        db.execute("INSERT INTO mocks (uid, started, ended, interview) VALUES ('a', '2026', NULL, ?)", (text,))
    assert len(cut_off()) == 1


def test_a_process_number_of_another_machine_may_be_anything(monkeypatch):
    """Rows may be imported: a number that no process can have is a process that is gone."""
    made = begin(45)
    made.submit(GOOD, "x")
    for pid in (2**70, -5):
        store(replace(made.interview, pid=pid))
        assert [i.uid for i in cut_off()] == [made.interview.uid]


def test_an_interview_that_was_cut_off_gets_its_report_and_its_end(monkeypatch):
    made = begin(45)
    made.time.s = 90.0
    made.submit(GOOD, "x")
    monkeypatch.setattr(mock, "_alive", lambda pid: False)
    (found,) = cut_off()
    markdown, data = reports.finish(found)
    assert cut_off() == [] and mocks()[0][2] == "2026-03-01T09:01:30+00:00"
    assert markdown.exists() and json.loads(data.read_text(encoding="utf-8"))["ended"] == "2026-03-01T09:01:30+00:00"


# --- scores ----------------------------------------------------------------------------------------


def answer(chapter="01", share=1.0, seconds=30.0, expected_s=60.0, kind=CHOICE, difficulty=1, **more):
    part = CHAPTERS[chapter].part
    return Answered(**{"id": f"{chapter}.q", "part": part, "chapter": chapter, "kind": kind, "difficulty": difficulty, "follow_up": False,
                       "text": "Which?", "typed": "this", "share": share, "seconds": seconds, "expected_s": expected_s, "told": "So.",
                       "model_answer": "this. Yes.", **more})


def interview(*answers, language="en", minutes=45.0):
    return Interview("0123456789abcdef", "2026-03-01T09:00:00+00:00", minutes, language, 1, 1, list(answers), None, 600.0)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
@settings(deadline=None)
def test_scores_have_scipys_wilson_interval(counts):
    n, k = counts
    found = reports.score("all", [answer(share=float(i < k)) for i in range(n)])
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert (found.answers, found.share) == (n, pytest.approx(k / n))
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))
    assert 0 <= found.low <= found.share <= found.high <= 1


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30))
def test_half_right_answers_lie_between_the_whole_ones(shares):
    """The interval grows with the points: it lies between those of scipy for the next fewer and the next more."""
    found, n, k = reports.score("x", [answer(share=s) for s in shares]), len(shares), sum(shares)
    below = binomtest(int(k), n).proportion_ci(0.95, method="wilson")
    above = binomtest(min(int(k) + 1, n), n).proportion_ci(0.95, method="wilson")
    assert below.low - 1e-12 <= found.low <= above.low + 1e-12 and below.high - 1e-12 <= found.high <= above.high + 1e-12
    assert found.low <= found.share <= found.high


def test_without_an_answer_there_is_no_score():
    with pytest.raises(ValueError):
        reports.score("all", [])


def test_parts_have_their_scores_in_the_courses_order():
    told = interview(answer("42", 0.0), answer("03", 1.0), answer("03", 0.5))
    assert [(s.name, s.answers, s.share) for s in reports.by_part(told)] == [("A", 2, 0.75), ("D", 1, 0.0)]


def test_weak_topics_are_those_below_three_quarters_weakest_first():
    told = interview(answer("03", 0.5), answer("42", 0.0), answer("01", 0.0), answer("01", 1.0), answer("15", 1.0), answer("16", 0.75))
    assert reports.weakest(told) == [("42", 0.0), ("01", 0.5), ("03", 0.5)]
    assert reports.as_dict(told)["read"] == ["42", "01", "03"]


def test_what_took_as_long_as_expected_is_not_slow():
    assert reports.slowest(interview(answer("01", seconds=60), answer("03", seconds=60.5))) == [("03", 60.5, 60.0)]


def test_slow_topics_took_longer_than_expected_slowest_first():
    told = interview(answer("01", seconds=61), answer("03", seconds=600), answer("15", seconds=60), answer("16", seconds=100),
                     answer("42", seconds=300), answer("42", seconds=1), answer("26", seconds=90))
    assert reports.slowest(told) == [("03", 600, 60.0), ("42", 301, 120.0), ("16", 100, 60.0)]


# --- reports ---------------------------------------------------------------------------------------


def test_a_report_tells_everything():
    told = interview(answer("42", 0.0, 200, text="What `x`?", typed="a\nb", model_answer="It is so."),
                     answer("03", 1.0, follow_up=True, difficulty=3), answer("01", 0.5, kind=CODE, id="01.knee", typed="", text="### long"))
    text = reports.as_markdown(told)
    for part in ("# Mock interview", "3 answers in 10 of 45 minutes", "**Score: 50%**", "| D ", "| A ", "| B ", "## Weakest topics",
                 "## Slowest topics", "took 3:20, expected 1:00", "## Read these chapters", "`course/42_mixture_of_experts/42_mixture_of_experts.ipynb`",
                 "### 1. ✗ 42 ", "### 2. ✓ 03 ", "### 3. ◐ 01 ", "●●●", "follow-up", "What `x`?", "Your answer: `a b` (0%", "Model answer: It is so.",
                 "`01.knee`", "no answer", "With so few answers the intervals are wide"):
        assert part in text, part
    assert "### long" not in text and text.endswith("\n") and text.index("## Read these") < text.index("## Questions and model")


def test_a_report_without_weak_or_slow_topics_has_no_headings_for_them():
    text = reports.as_markdown(interview(*[answer("01") for _ in range(12)]))
    assert "Weakest" not in text and "Slowest" not in text and "Read these" not in text and "so few answers" not in text
    assert "**Score: 100%** (95 % interval 76% – 100%)" in text


def test_a_report_in_chinese_has_no_english_words_of_its_own():
    text = reports.as_markdown(interview(answer("42", 0.0, 200), answer("03"), language="zh"))
    for part in ("# 模拟面试", "得分", "建议阅读的章节", "题目与参考答案", CHAPTERS["42"].title_zh, "用时 3:20，预期 1:00"):
        assert part in text, part
    for word in ("Score", "Weakest", "Read these", "Your answer", "Model answer", "choice", "interval", CHAPTERS["42"].short):
        assert word not in text, word
    english = reports.as_markdown(interview(answer("42", 0.0, 200), answer("03")))
    assert not re.search(r"[\u4e00-\u9fff]", english) and f"\n1. 42 {CHAPTERS['42'].short} (" in english


def test_a_report_of_nothing():
    for language, says in (("en", "Nothing was answered."), ("zh", "没有回答任何题目。")):
        empty = interview(language=language)
        assert says in reports.as_markdown(empty)
        assert reports.as_dict(empty)["score"] is None and reports.as_dict(empty)["parts"] == []


@settings(deadline=None)
@given(st.text(max_size=400))
def test_what_was_typed_stays_on_its_line(typed):
    text = reports.as_markdown(interview(answer(typed=typed)))
    line = next(row for row in text.split("\n") if row.startswith("- Your answer: "))
    assert line.endswith("(100%; took 0:30, expected 1:00)") and len(line) < 400
    assert len([row for row in text.split("\n") if row.startswith("#")]) == len(
        [row for row in reports.as_markdown(interview(answer())).split("\n") if row.startswith("#")])


@pytest.mark.parametrize("seconds, told", [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (75, "1:15"), (3600, "60:00"), (-5, "0:00")])
def test_the_clock(seconds, told):
    assert reports.clock(seconds) == told


def test_a_report_is_saved_as_markdown_and_as_json():
    told = interview(answer("42", 0.0), answer("03"), language="zh")
    markdown, data = reports.save(told)
    assert markdown.parent == data.parent == progress.data_folder() / "mocks" and markdown.stem == data.stem
    assert data.stem.endswith("-0123") and markdown.read_text(encoding="utf-8") == reports.as_markdown(told)
    read = json.loads(data.read_text(encoding="utf-8"))
    assert read == json.loads(json.dumps(reports.as_dict(told)))
    assert Interview.from_dict({k: read[k] for k in told.as_dict()}) == told
    assert read["score"]["answers"] == 2 and [p["name"] for p in read["parts"]] == ["A", "D"]
    other = reports.save(replace(told, uid="fedcba9876543210"))
    assert len({markdown, data, *other}) == 4


def test_a_report_that_cannot_be_saved_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path / "file"))
    with pytest.raises(progress.ProgressError, match="AUTOGRADER_DATA"):
        reports.save(interview(answer()))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_whole_interview_over_the_course_becomes_a_report(language):
    made = begin(30, find_items(language=language), language=language)
    play(made, lambda n, item: [GOOD, BAD, Verdict(False, "", 0.5)][n % 3], seconds=90.0)
    text = reports.as_markdown(made.end())
    assert text.count("\n### ") == len(made.interview.answered) == 20
    assert json.loads(json.dumps(reports.as_dict(made.interview)))["ended"]

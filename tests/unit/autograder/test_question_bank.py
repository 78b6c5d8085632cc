"""The bank of drill questions: every number that is drawn can be typed, judged and told from the known mistakes."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from autograder.chapters import CHAPTERS
from autograder.drill.answers import factor_told, judge_number, tolerance_told
from autograder.drill.languages import Zh, in_chinese
from autograder.drill.question import Choice, Drawn, Numeric, Open, told_number
from autograder.drill.questions import chapter_questions
from autograder.drill.questions_zh import chapter_texts
from autograder.drill.units import parse_unit

SEEDS = range(200)
TEXTS_WANTED, TEXTS_AT_LEAST = 8, 3
# Questions that have few draws by their nature: at least three texts are enough there.
FEW_DRAWS = {
    "22.channel_ratio": "strides that are used",
    "50.winograd_saving": "tiles of which an implementation exists",
}
# Numbers with many digits that are the question's very subject.
LONG_NUMBERS = {"31.percentile": "what float32 makes of a product"}
TELLING_AT_LEAST = 10  # of 200 draws in which a known mistake gives another number than the right way

CHINESE = re.compile(r"[\u4e00-\u9fff]")
BRACES = re.compile(r"\{[A-Za-z_]\w*[^{}]*\}")
NO_NUMBER = re.compile(r"(?<![\w`])(?:nan|inf)(?![\w`])")  # "inf" as code is a value of a format
RUBBISH = re.compile(r"\.0*[1-9]\d{7,}")


def numerics(number: str) -> list[Numeric]:
    return [q for q in chapter_questions(number) if isinstance(q, Numeric)]


@cache
def draws(number: str) -> dict[str, list[Drawn]]:
    """Every numeric question of a chapter with the numbers of each seed."""
    return {q.id: [q.drawn(seed) for seed in SEEDS] for q in numerics(number)}


def every_draw(number: str):
    """(question's id and seed, question, what was drawn)."""
    for q in numerics(number):
        for seed, drawn in zip(SEEDS, draws(number)[q.id], strict=True):
            yield f"{q.id} seed {seed}", q, drawn


def exact(drawn: Drawn) -> bool:
    return not drawn.rtol and not drawn.atol and not drawn.hexadecimal


def tolerance(drawn: Drawn) -> float:
    return drawn.atol + drawn.rtol * abs(drawn.answer)


def shown(drawn: Drawn) -> str:
    """The answer as the explanation prints it."""
    return f"0x{int(drawn.answer):04X}" if drawn.hexadecimal else told_number(drawn.answer)


def faults(found: list[str]) -> str:
    """All of them, shortened, for the message of an assertion."""
    return f"{len(found)} faults: " + "; ".join(found[:20])


# --- the bank as a whole ------------------------------------------------------------------------


def test_ids_are_unique_and_name_their_chapter():
    ids = [(number, q.id) for number in CHAPTERS for q in chapter_questions(number)]
    assert [i for i, n in Counter(i for _, i in ids).items() if n > 1] == []
    assert [i for number, i in ids if not re.fullmatch(rf"{number}\.[a-z][a-z0-9_]*", i)] == []


def test_there_are_at_least_400_questions():
    assert len(CHAPTERS) == 54
    assert sum(len(chapter_questions(number)) for number in CHAPTERS) >= 400


def test_a_chapter_has_six_questions_three_of_them_numeric(chapter_number):
    assert len(chapter_questions(chapter_number)) >= 6
    assert len(numerics(chapter_number)) >= 3


def test_difficulties(chapter_number):
    assert {q.difficulty for q in chapter_questions(chapter_number)} <= {1, 2, 3}


# --- numeric questions ---------------------------------------------------------------------------


def test_an_answer_can_be_typed(chapter_number):
    found = []
    for where, _, drawn in every_draw(chapter_number):
        if not abs(drawn.answer) < float("inf") or len(shown(drawn)) > 20:
            found.append(f"{where}: {drawn.answer!r}")
        if exact(drawn) and not drawn.answer.is_integer():
            short = float(f"{drawn.answer:.6g}")
            if abs(short - drawn.answer) > 1e-9 * abs(drawn.answer):
                found.append(f"{where}: exact, and {drawn.answer!r}")
    assert not found, faults(found)


def test_what_is_shown_as_the_answer_is_accepted_with_and_without_its_unit(chapter_number):
    found = []
    for where, _, drawn in every_draw(chapter_number):
        for typed in dict.fromkeys((shown(drawn), f"{shown(drawn)} {drawn.unit}".strip(),
                                    shown(drawn) + drawn.unit, repr(drawn.answer))):
            if drawn.hexadecimal and not typed.startswith("0x"):
                continue
            verdict = judge_number(drawn, typed)
            if verdict.right is not True or verdict.share != 1.0 or verdict.text != drawn.explanation:
                found.append(f"{where}: {typed!r} gives {verdict}")
    assert not found, faults(found)


def test_a_number_out_of_tolerance_is_refused(chapter_number):
    found = []
    for where, _, drawn in every_draw(chapter_number):
        answer = drawn.answer
        away = 3 * tolerance(drawn) or (1.0 if answer.is_integer() else 0.01 * abs(answer))
        for number in (answer - away, answer + away):
            typed = f"{int(number):X}" if drawn.hexadecimal else repr(number)
            verdict = judge_number(drawn, typed)
            if (number >= 0 or not drawn.hexadecimal) and (verdict.right is not False or verdict.share):
                found.append(f"{where}: {typed} for {answer!r} gives {verdict.right}")
    assert not found, faults(found)


def test_the_right_answer_is_blamed_for_no_mistake(chapter_number):
    found = [where for where, _, drawn in every_draw(chapter_number)
             if factor_told(drawn, drawn.answer) or (not drawn.hexadecimal and factor_told(drawn, float(shown(drawn))))]
    assert not found, faults(found)


def test_no_known_mistake_lies_within_the_tolerance(chapter_number):
    found = [f"{where}: {wrong!r} for {drawn.answer!r}: {message[:40]}"
             for where, _, drawn in every_draw(chapter_number) for wrong, message in drawn.traps
             if not abs(wrong - drawn.answer) > tolerance(drawn) or drawn.accepts(wrong)]
    assert not found, faults(found)


def test_a_draw_tells_a_known_mistake_from_the_right_answer(chapter_number):
    """`drawn` leaves a trap out where it gives the right number. Where it leaves all of them out, a candidate who
    makes any of the mistakes is right by luck."""
    found = [where for where, q, drawn in every_draw(chapter_number) if q.traps and not drawn.traps]
    assert not found, faults(found)


def test_every_known_mistake_shows_in_some_draws(chapter_number):
    found = []
    for q in numerics(chapter_number):
        for i, (wrong, message) in enumerate(q.traps):
            values = (dict(q.draw(np.random.default_rng(seed))) for seed in SEEDS)
            telling = sum(float(wrong(v)) != drawn.answer for v, drawn in zip(values, draws(chapter_number)[q.id]))
            if telling < TELLING_AT_LEAST:
                found.append(f"{q.id}, trap {i + 1} in {telling} draws: {message}")
    assert not found, faults(found)


def test_every_known_mistake_is_refused_and_named(chapter_number):
    found = []
    for where, _, drawn in every_draw(chapter_number):
        for wrong, _ in drawn.traps:
            if drawn.hexadecimal or drawn.accepts(wrong):
                continue
            verdict = judge_number(drawn, repr(wrong))
            named = [message for number, message in drawn.traps if number == wrong]
            others = [message for _, message in drawn.traps]
            # Two mistakes may give the same number: one of them is named.
            if verdict.right is not False or not verdict.text.startswith(tuple(m for m in (*named, *others) if m)):
                found.append(f"{where}: {wrong!r} gives {verdict.right} {verdict.text[:60]!r}")
    assert not found, faults(found)


def test_texts_read_well(chapter_number):
    found = []
    for where, q, drawn in every_draw(chapter_number):
        for text in (drawn.text, drawn.explanation, *(message for _, message in drawn.traps)):
            for fault in (BRACES, NO_NUMBER, RUBBISH):
                if (match := fault.search(text)) and not (fault is RUBBISH and q.id in LONG_NUMBERS):
                    found.append(f"{where}: {match[0]!r} in {text[max(0, match.start() - 30):match.end() + 10]!r}")
            if not text.strip():
                found.append(f"{where}: an empty text")
    assert not found, faults(found)


def test_the_same_seed_draws_the_same_question_and_others_draw_others(chapter_number):
    found = []
    for q in numerics(chapter_number):
        mine = draws(chapter_number)[q.id]
        if [q.drawn(seed) for seed in (0, 1, 199)] != [mine[0], mine[1], mine[199]]:
            found.append(f"{q.id}: another question from the same seed")
        texts = len({drawn.text for drawn in mine})
        if texts < (TEXTS_AT_LEAST if q.id in FEW_DRAWS else TEXTS_WANTED):
            found.append(f"{q.id}: {texts} different texts")
        if q.id in FEW_DRAWS and texts >= TEXTS_WANTED:
            found.append(f"{q.id}: {texts} different texts need no exception")
    assert not found, faults(found)


def test_the_text_holds_all_that_the_answer_depends_on(chapter_number):
    found = []
    for q in numerics(chapter_number):
        answers: dict[str, set[float]] = {}
        for drawn in draws(chapter_number)[q.id]:
            answers.setdefault(drawn.text, set()).add(drawn.answer)
        found += [f"{q.id}: {sorted(a)} for {text!r}" for text, a in answers.items() if max(a) - min(a) > 1e-9 * max(map(abs, a))]
    assert not found, faults(found)


def test_units_and_tolerances_can_be_told(chapter_number):
    for q in numerics(chapter_number):
        parse_unit(q.unit)
        assert q.rtol >= 0 and q.atol >= 0 and q.rtol <= 0.1, q.id
        assert BRACES.search(tolerance_told(q.drawn(1))) is None


# --- choices and open questions ------------------------------------------------------------------


def folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def plain_texts(question) -> list[str]:
    """What a question without numbers shows."""
    if isinstance(question, Choice):
        return [question.text, question.right, question.why, *(part for pair in question.wrong for part in pair)]
    return [question.text, question.answer, *question.rubric]


def reads_well(text: str) -> bool:
    """These texts are shown as they are: a brace outside code would be a field that nobody fills."""
    return bool(text.strip()) and not re.search(r"[{}]", re.sub(r"`[^`]*`", "", text)) and not RUBBISH.search(text)


def check_choice(question: Choice) -> list[str]:
    options = [folded(text) for text, _, _ in question.options(1)]
    found = [f"{question.id}: {text!r} twice" for text, n in Counter(options).items() if n > 1]
    if not 2 <= len(options) <= 5:
        found.append(f"{question.id}: {len(options)} options")
    for seed in range(20):
        if sum(good for _, good, _ in question.options(seed)) != 1:
            found.append(f"{question.id}: not one right option")
    if not question.why.strip() or not all(why.strip() for _, why in question.wrong):
        found.append(f"{question.id}: an option without a reason")
    return found


def test_choices_and_open_questions(chapter_number):
    found = []
    for q in chapter_questions(chapter_number):
        if isinstance(q, Choice):
            found += check_choice(q)
        if isinstance(q, Open) and len(q.rubric) < 3:
            found.append(f"{q.id}: {len(q.rubric)} points")
        if not isinstance(q, Numeric):
            found += [f"{q.id}: {text[:40]!r}" for text in plain_texts(q) if not reads_well(text)]
    assert not found, faults(found)


def test_the_right_option_stands_everywhere():
    """Neither always first nor always last: over all choices and seeds each place has its share."""
    places: Counter[tuple[int, int]] = Counter()
    for number in CHAPTERS:
        for q in chapter_questions(number):
            if isinstance(q, Choice):
                for seed in range(20):
                    options = q.options(seed)
                    places[len(options), [good for _, good, _ in options].index(True)] += 1
    for size in {n for n, _ in places}:
        total = sum(count for (n, _), count in places.items() if n == size)
        for place in range(size):
            # With a fixed set of seeds the shuffles repeat from question to question: 20 throws, not thousands.
            assert 0 < places[size, place] < 0.7 * total, (size, place)


# --- in Chinese ----------------------------------------------------------------------------------


def code(text: str) -> list[str]:
    return sorted(re.findall(r"`([^`]+)`", text))


def test_every_question_has_its_chinese_texts(chapter_number):
    texts = chapter_texts(chapter_number)
    assert set(texts) == {q.id for q in chapter_questions(chapter_number)}
    for q in chapter_questions(chapter_number):
        assert CHINESE.search(in_chinese(q, texts[q.id]).text), q.id


def test_chinese_questions_have_the_same_numbers_and_code(chapter_number):
    texts, found = chapter_texts(chapter_number), []
    for q in numerics(chapter_number):
        zh, by_text = in_chinese(q, texts[q.id]), {}
        for seed, english in zip(SEEDS, draws(chapter_number)[q.id], strict=True):
            where, drawn = f"{q.id} seed {seed}", zh.drawn(seed)
            same = [(d.answer, d.unit, d.rtol, d.atol, d.hexadecimal, [n for n, _ in d.traps]) for d in (english, drawn)]
            if same[0] != same[1]:
                found.append(f"{where}: {same[0]} and {same[1]}")
            pairs = [(english.text, drawn.text), (english.explanation, drawn.explanation),
                     *((a, b) for (_, a), (_, b) in zip(english.traps, drawn.traps))]
            for en, told in pairs:
                if code(en) != code(told):
                    found.append(f"{where}: code {code(en)} and {code(told)}")
                for fault in (BRACES, NO_NUMBER, RUBBISH):
                    if (match := fault.search(told)) and not (fault is RUBBISH and q.id in LONG_NUMBERS):
                        found.append(f"{where}: {match[0]!r}")
            if by_text.setdefault(drawn.text, drawn.answer) != pytest.approx(drawn.answer):
                found.append(f"{where}: two answers to one text")
            if not CHINESE.search(drawn.text):
                found.append(f"{where}: not Chinese: {drawn.text[:40]!r}")
            for typed in (shown(drawn), f"{shown(drawn)} {drawn.shown_unit}".strip()):
                if judge_number(drawn, typed, "zh").right is not True:
                    found.append(f"{where}: {typed!r} refused: {judge_number(drawn, typed, 'zh').text}")
    assert not found, faults(found)


def test_chinese_choices_and_open_questions(chapter_number):
    texts, found = chapter_texts(chapter_number), []
    for q in chapter_questions(chapter_number):
        if isinstance(q, Numeric):
            continue
        zh = in_chinese(q, texts[q.id])
        found += check_choice(zh) if isinstance(zh, Choice) else []
        for en, told in zip(plain_texts(q), plain_texts(zh), strict=True):
            if code(en) != code(told):
                found.append(f"{q.id}: code {code(en)} and {code(told)}")
            if not reads_well(told) or (not isinstance(q, Choice) and not CHINESE.search(told)):
                found.append(f"{q.id}: {told[:40]!r}")
    assert not found, faults(found)


NUMBER = Numeric("99.n", 1, "{x}?", lambda rng: {"x": "steps"}, lambda v: 1, "{answer}", unit="steps", traps=((lambda v: 2, "Two."),))
PICK = Choice("99.c", 1, "Which?", "this", (("that", "No."),), "Yes.")
SAY = Open("99.o", 1, "Why?", ("a", "b"), "So.")


def test_a_question_in_chinese_keeps_its_numbers_and_shows_its_words():
    zh = in_chinese(NUMBER, Zh("{x}？", explain="{answer}。", traps=("二。",), words={"steps": "步"}))
    drawn = zh.drawn(1)
    assert (drawn.text, drawn.unit, drawn.shown_unit, drawn.traps) == ("步？", "steps", "步", ((2.0, "二。"),))
    assert in_chinese(PICK, Zh("哪个？", right="这", wrong=(("那", "否"),), why="是")).options(1) != PICK.options(1)
    assert in_chinese(SAY, Zh("为何？", rubric=("甲", "乙"), answer="因此")).rubric == ("甲", "乙")


@pytest.mark.parametrize("question, texts, says", [
    (NUMBER, Zh("？", explain="。"), "99.n has 1 traps, and 0 in Chinese"), (NUMBER, Zh("？", traps=("二",)), "no `explain`"),
    (NUMBER, Zh(" ", explain="。", traps=("二",)), "no `text`"), (PICK, Zh("？", right="这", why="是"), "1 wrong choices, and 0"),
    (PICK, Zh("？", right="", wrong=(("那", "否"),), why="是"), "no `right`"), (SAY, Zh("？", rubric=("甲",), answer="因"), "2 points"),
    (SAY, Zh("？", rubric=("甲", "乙")), "no `answer`"),
])
def test_a_part_that_is_missing_in_chinese_is_a_sentence(question, texts, says):
    with pytest.raises(ValueError, match=says):
        in_chinese(question, texts)


@pytest.mark.parametrize("text, fault", [
    ("{x} and", BRACES), ("{x:.2f}", BRACES), ("0.30000000000000004", RUBBISH), ("1.000012345678", RUBBISH),
    ("it is nan.", NO_NUMBER), ("-inf", NO_NUMBER),
])
def test_the_patterns_find_what_they_look_for(text, fault):
    assert fault.search(text)


@pytest.mark.parametrize("text", ["a set {1, 2}", "0.1234567", "16777216.0", "information", "`inf` of FP16"])
def test_the_patterns_leave_good_texts_alone(text):
    assert not any(fault.search(text) for fault in (BRACES, RUBBISH, NO_NUMBER))

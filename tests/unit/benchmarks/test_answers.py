"""Answers are of the kind that they say: judged in a process of their own, or here where that would be slow."""

from __future__ import annotations

import ast
import random
import time

import pytest
from measuring.answers import KINDS, chapter_answers

from autograder.audit.audit import Row, _self_proof
from autograder.audit.mutants import answer_from
from autograder.chapters import CHAPTERS
from autograder.exercises import chapter_exercises
from autograder.judging import judge_answer
from autograder.notebooks.master import read_master
from autograder.probes.ask import ask
from autograder.remote import judge_source


def answers_of(number):
    return chapter_answers(chapter_exercises(number), read_master(CHAPTERS[number].master))


def judged(answers, source):
    answer = answer_from(answers.master.cells_for(answers.exercise.name, source), answers.exercise.names)
    return judge_answer(answers.exercise, lambda question: ask(answer, question), 7, source)


@pytest.fixture(scope="module")
def reference(measured):
    return answers_of("90")


@pytest.mark.parametrize("number", ["90", "91"])
def test_the_measured_assignments_prove_themselves(measured, number):
    row, master = Row(), read_master(CHAPTERS[number].master)
    for exercise in chapter_exercises(number):
        _self_proof(exercise, master, row)
    assert row.shortfalls == [] and row.rejected == row.diagnosed == row.misconceptions > 0


@pytest.mark.parametrize("number", ["44", "91"])
def test_right_answers_are_right_where_nothing_of_the_course_can_be_imported(measured, number):
    for name, answers in answers_of(number).items():
        for source in answers.rights:
            told = judge_source(answers.exercise, answers.master.cells_for(name, source), 7)
            assert told.passed, f"{name}: {told.title} {told.message}\n{source}"


def test_right_answers_of_the_reference_are_right(reference):
    for answers in reference.values():
        assert len(answers.rights) == 2, "the solution and one alternative"
        assert all(judged(answers, source).passed for source in answers.rights)


def test_wrong_answers_of_the_reference_are_named(reference):
    for answers in reference.values():
        tags = {judged(answers, source).misconception for source in answers.wrongs}
        assert tags == {m.tag for m in answers.exercise.misconceptions}


def test_where_no_misconception_stands_alone_a_mutant_is_wrong():
    answers = answers_of("44")["peak_gb_s"]
    assert answers.wrongs and all(s not in answers.rights for s in answers.wrongs)
    assert not any(judged(answers, source).passed for source in answers.wrongs)


def test_a_blank_answer_is_not_attempted_and_raising_ones_earn_nothing_in_a_call(measured):
    answers = answers_of("91")["double"]
    assert answers.source("blank", random.Random(0)) is None
    ways = {answers.source("raising", random.Random(seed)) for seed in range(30)}
    in_a_call, after, not_python = (next(s for s in ways if mark in s) for mark in (
        "return not_defined_anywhere", "\n\n\nnot_defined_anywhere", "return ("))
    assert judged(answers, in_a_call).points == 0
    namespace = {}
    with pytest.raises(NameError):
        exec(after, namespace)
    assert namespace["double"](4) == 8, "the cell fails after the answer is there, so nbgrader gives the points"
    with pytest.raises(SyntaxError):
        ast.parse(not_python)


def test_slow_ones_sleep_and_printing_ones_print_and_are_right(reference, capfd):
    answers = reference["softmax"]
    started = time.monotonic()
    assert judged(answers, answers.source("slow", random.Random(0))).passed
    assert time.monotonic() - started >= 0.3
    told = judged(answers, answers.source("printing", random.Random(0)))
    assert told.passed and "one call" in told.printed and "working on softmax" in capfd.readouterr().out


def test_printing_reaches_the_methods_of_a_class(reference):
    source = reference["TinyNet"].source("printing", random.Random(0))
    printing = [f.name for f in ast.walk(ast.parse(source)) if isinstance(f, ast.FunctionDef)
                and ast.unparse(f).count("print(")]
    assert printing == ["forward"]


def test_an_answer_that_may_not_be_written_this_way_falls_back_to_the_solution():
    answers = answers_of("26")["fp16_widen"]
    forbids_print = type(answers)(
        _forbidding(answers.exercise, "print"), answers.master, answers.taken, answers.namespace)
    assert forbids_print.source("printing", random.Random(0)) == answers.solution
    assert "sleep" in forbids_print.source("slow", random.Random(0))


def _forbidding(exercise, name):
    from dataclasses import replace

    return replace(exercise, forbid=lambda tree: "not this" if any(
        isinstance(n, ast.Name) and n.id == name for n in ast.walk(tree)) else None)


def test_an_unknown_kind_is_refused(reference):
    with pytest.raises(ValueError, match=", ".join(KINDS)):
        reference["softmax"].source("lazy", random.Random(0))

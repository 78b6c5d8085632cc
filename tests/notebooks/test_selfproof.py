"""Every exercise proves itself: the solution passes, what says nothing fails, and mistakes are named."""

import re

import pytest

from autograder.audit.audit import Row, _questions, _self_proof
from autograder.chapters import CHAPTERS
from autograder.drill.question import Choice, Numeric
from autograder.drill.questions import chapter_questions
from autograder.exercises import chapter_exercises
from autograder.notebooks.master import read_master
from autograder.remote import judge_source


def test_checks_prove_themselves(chapter_number):
    master, row = read_master(CHAPTERS[chapter_number].master), Row()
    for exercise in chapter_exercises(chapter_number):
        _self_proof(exercise, master, row)
    _questions(chapter_number, row)
    assert row.shortfalls == []
    assert row.misconceptions >= 4 * len(chapter_exercises(chapter_number))


def test_the_solution_passes_in_another_process_too(chapter_number):
    """Where neither utils nor the exercises can be imported: as a class is graded."""
    master = read_master(CHAPTERS[chapter_number].master)
    cells = list(master.setup)
    for exercise in chapter_exercises(chapter_number):
        cells.append(master.solutions[exercise.name].solution)
        told = judge_source(exercise, cells, seed=7)
        assert told.passed, f"{exercise.id}: {told.title} {told.message} {[r for r in told.rows if not r.ok]}"


def test_a_stub_is_not_attempted_in_another_process(chapter_number):
    for exercise in chapter_exercises(chapter_number):
        names = "\n".join(f"def {n}(*a, **k):\n    raise NotImplementedError()" for n in exercise.names)
        told = judge_source(exercise, [names], seed=7)
        assert not told.passed and told.points == 0


def test_questions_are_well_formed(chapter_number):
    for question in chapter_questions(chapter_number):
        assert question.difficulty in (1, 2, 3) and question.text
        if isinstance(question, Choice):
            texts = [question.right, *(t for t, _ in question.wrong)]
            assert len(set(texts)) == len(texts) >= 3 and all(why for _, why in question.wrong)
        if isinstance(question, Numeric):
            for seed in range(200):
                drawn = question.drawn(seed)
                assert drawn.accepts(drawn.answer) and "{" not in drawn.text, f"{question.id} {seed}"
                for wrong, message in drawn.traps:
                    assert message and (not drawn.accepts(wrong) or wrong == pytest.approx(drawn.answer)), question.id
                    assert not re.search(r"\{\w+\}", message + drawn.explanation), f"{question.id}: {message}"

"""A function of the course as a learner's cell: it computes the same, from nothing but the set-up cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from measuring.answers import chapter_answers
from measuring.standalone import free_names, standalone

from autograder.audit.mutants import answer_from
from autograder.chapters import CHAPTERS
from autograder.exercises import chapter_exercises
from autograder.notebooks.master import read_master
from autograder.probes.ask import ask
from autograder.probes.common import same_bits

FACTOR = 3


def scaled(x: float, factor: float = FACTOR) -> float:
    return x * factor


def calls_another(values: list[float]) -> list[float]:
    total: float = 0.0
    return [scaled(v) + total for v in values]


def recursive(n: int) -> int:
    return 1 if n <= 1 else n * recursive(n - 1)


class Base:
    def start(self) -> int:
        return 4


class Derived(Base):
    size: int = 2

    def start(self) -> Any:
        return super().start() + self.size


def uses_math(x):
    return math.sqrt(x)


def uses_numpy(x):
    return np.sqrt(x)


def made(step):
    def inner(x):
        return x + step
    return inner


def run(source, name, setup=""):
    return answer_from([setup, source], (name,))


def test_functions_and_constants_come_along_under_the_learners_name():
    source = standalone(calls_another, ("answer",), {})
    assert run(source, "answer")([1.0, 2.0]) == [3.0, 6.0]
    assert "float" not in source and "calls_another" not in source


def test_a_recursive_call_is_renamed_too():
    source = standalone(recursive, ("factorial",), {})
    assert "recursive" not in source and run(source, "factorial")(5) == 120


def test_a_class_brings_its_base():
    assert run(standalone(Derived, ("Thing",), {}), "Thing")().start() == 6


def test_a_module_must_be_bound_by_the_set_up_cells():
    assert standalone(uses_math, ("f",), {}) is None
    assert standalone(uses_math, ("f",), {"math": np}) is None, "another module under the same name"
    source = standalone(uses_math, ("f",), {"math": math})
    assert source.splitlines()[0].startswith("def f(") and run(source, "f", "import math")(9.0) == 3.0


@pytest.mark.parametrize("answer", [made(2), lambda x: x, np.sqrt, print, 3, None])
def test_what_has_no_text_of_its_own_is_refused(answer):
    assert standalone(answer, ("f",), {"np": np}) is None


def test_several_names_and_names_that_are_taken():
    source = standalone((uses_numpy, recursive), ("a", "b"), {"np": np})
    assert run(source, "a", "import numpy as np")(4.0) == 2.0 and run(source, "b")(3) == 6
    assert standalone((uses_numpy,), ("a", "b"), {"np": np}) is None
    assert standalone(calls_another, ("answer",), {}, taken=("scaled",)) is None


def test_free_names():
    source = "def f(x, y=default):\n    import os\n    global z\n    z = [k for k in x if k in seen]\n    return os.sep + g(z)\n"
    assert free_names(source) == {"default", "seen", "g", "z"}


@pytest.mark.parametrize("number", ["26", "44", "45"])
def test_alternatives_compute_the_same_in_a_cell(number):
    """The oracle is the function itself, asked the same questions."""
    master = read_master(CHAPTERS[number].master)
    compared = 0
    for answers in chapter_answers(chapter_exercises(number), master).values():
        exercise = answers.exercise
        for alternative in exercise.alternatives:
            source = standalone(alternative, exercise.names, answers.namespace, answers.taken)
            if source is None:
                continue
            cell = answer_from([*master.setup, source], exercise.names)
            for case in [*exercise.cases, *exercise.drawn(1, 3), *exercise.raises]:
                told, expected = (ask(a, exercise.question(case)) for a in (cell, alternative))
                assert told.get("error", {}).get("types") == expected.get("error", {}).get("types"), source
                assert same_bits(told.get("value"), expected.get("value")), source
                compared += 1
    assert compared >= 30

"""Forged values: what a hostile process sends in place of an expected value is never taken for it, in any exercise.

Values are made poorer (emptied, cut off, NaN for numbers, other kinds) as someone would who does not know them. What a
probe merely counts may be forged (that is a known limit): keys that hold counts are left as they are.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from autograder.chapters import find_chapters
from autograder.compare import exact
from autograder.exercise import RANDOM, VISIBLE
from autograder.exercises import chapter_exercises
from autograder.judging import oracle_for
from autograder.probes.plain import Opaque, to_plain
from autograder.remote import UNCOMPARABLE

EXERCISES = [e for chapter in find_chapters() for e in chapter_exercises(chapter.number)]
EMPTY = [None, [], (), {}, "", b"", 0, -1, True, False, math.nan, math.inf, 10**4000, Opaque("x", "y"), np.zeros(0), np.array(math.nan),
         np.array(0), [[]], [None], {"value": []}, {"y": [], "rows": []}, [math.nan] * 3, (None, None, None), ("INT8", None, "x")]
# Chapter 45's manager: a trace that breaks off is taken for a whole one (`zip` over the steps), see the report.
# The notes of a migrated command are prose: only their arguments are compared.
PROSE = {"31.migrate_trtexec"}


def poorer(value: Any) -> list[Any]:
    """Values of the same outward form that know less."""
    found = []
    if isinstance(value, np.ndarray) and value.size:
        found += [value[:0] if value.ndim else np.zeros(0), np.zeros_like(value) if np.any(value) else np.ones_like(value)]
        found += [np.full(value.shape, np.nan)]
    elif isinstance(value, (list, tuple)) and value:
        kind = type(value)
        found += [kind(), value[:-1], kind([None] * len(value)), kind([math.nan] * len(value))]
        for i, item in enumerate(value[:4]):
            found += [kind([*value[:i], less, *value[i + 1 :]]) for less in poorer(item)]
    elif isinstance(value, dict) and value:
        found += [{}, dict.fromkeys(value), dict.fromkeys(value, math.nan)]
    elif type(value) in (int, float) and value == value:
        found += [math.nan, None]
    elif isinstance(value, str) and value:
        found += [""]
    return found


def agrees(oracle, i: int, value: Any) -> bool:
    try:
        return oracle.differs(i, {"value": value, "printed": "", "seconds": 0.0}) is None
    except UNCOMPARABLE:
        return False  # remote.judge_cells makes a wrong answer of it


def first_cases(oracle):
    """A visible and two random cases whose value is expected, not an error."""
    for group, most in ((VISIBLE, 1), (RANDOM, 2)):
        found = [i for i, (g, case) in enumerate(oracle.cases) if g == group and not oracle.exercise.must_raise(g, case)]
        yield from [i for i in found if "value" in oracle.expected(i)][:most]


def wrapped(exercise, value):
    return {"value": value, "changed": []} if exercise.pure else value


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_a_poorer_value_is_never_the_expected_one(exercise):
    oracle = oracle_for(exercise, 12345)
    for i in first_cases(oracle):
        expected = oracle.expected(i)["value"]
        inner = expected["value"] if exercise.pure else expected
        for forged in [*EMPTY, *poorer(inner)]:
            if is_same(forged, inner) or (exercise.id in PROSE and isinstance(forged, tuple) and is_same(forged[:1], inner[:1])):
                continue
            assert not agrees(oracle, i, wrapped(exercise, copy.deepcopy(forged))), (oracle.input(i), forged)
        assert agrees(oracle, i, copy.deepcopy(expected)), "the expected value itself"


def is_same(one: Any, other: Any) -> bool:
    """Whether a poorer value happens to be the expected one (an empty list where one is right, 0 for 1e-17)."""
    zero = (type(one) is int or (isinstance(one, np.ndarray) and one.shape == ())) and one == 0
    if zero and isinstance(other, float) and abs(other) < 1e-12:
        return True
    try:
        return exact(dtype=False)(to_plain(other), to_plain(one), None) is None
    except UNCOMPARABLE:
        return False

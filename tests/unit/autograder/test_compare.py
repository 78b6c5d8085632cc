"""Comparators: what counts as equal, and how a difference is told."""

import math

import numpy as np
import pytest

from autograder.compare import brief, close, exact, kind_of, prop
from autograder.probes.plain import Opaque

A = np.array


@pytest.mark.parametrize("expected, got", [
    (3, 3), (3, 3.0), (3.0, 3), (0.0, -0.0), (math.nan, math.nan), ("a", "a"), (None, None), (True, True),
    ((1, 2), [1, 2]), ([1, [2.0]], (1, (2,))), ({"a": 1}, {"a": 1}), ([1, 2], A([1, 2])), (A([1.0, math.nan]), A([1.0, math.nan])),
    (5, A(5)), (b"x", b"x"),
])
def test_equal(expected, got):
    assert exact()(expected, got) is None


@pytest.mark.parametrize("expected, got, part", [
    (3, 4, "4, expected 3"), (True, 1, "int"), (1, True, "bool"), (3, "3", "string"), (3, None, "None"),
    ([1, 2], [1], "1 items, expected 2"), ({"a": 1}, {"b": 1}, "'a' is missing"), ({"a": 1}, {"a": 1, "b": 2}, "not asked for"),
    (A([1, 2]), A([1.0, 2.0]), "dtype float64, expected int64"), (A([1, 2]), A([1, 3]), "1 of 2 differ; at 1: 3, expected 2"),
    (A([1, 2]), A([[1, 2]]), "shape (1, 2), expected (2,)"), (A([1, 2]), [1, 2], "a list of 2"),
    (A([1.0]), A([1.0], dtype=object), "dtype"), (1.0, math.nan, "nan"), (1, Opaque("generator"), "a generator"),
    ("a", "b", "'b'"), ([1, (2, 3)], [1, (2, 4)], "item 1: item 1: 4"), (3, 3 + 1j, "3"),
])
def test_different_and_told(expected, got, part):
    assert part in exact()(expected, got)


def test_signed_zero_only_when_asked():
    assert exact(signed_zero=True)(0.0, -0.0) is not None
    assert exact(signed_zero=True)(A([0.0]), A([-0.0])) is not None
    assert exact(signed_zero=True)(A([-0.0]), A([-0.0])) is None


def test_width_of_dtype():
    assert exact()(A([1], np.int32), A([1], np.int64)) is not None
    assert exact(dtype=False)(A([1], np.int32), A([1], np.int64)) is None
    assert exact(dtype=False)(A([1], np.int32), A([1.0])) is not None


def test_close_is_relative_to_the_expected_side():
    assert close(rtol=0.1)(100.0, 109.9) is None
    assert close(rtol=0.1)(100.0, 111.0) is not None
    assert close(atol=1e-3)(0.0, 0.0009) is None
    assert close()(math.inf, math.inf) is None
    assert close(rtol=1)(math.inf, 1.0) is not None
    assert close(rtol=1)(1.0, math.inf) is not None
    assert close()(A([math.inf, 1.0]), A([math.inf, 1.0])) is None
    assert close()(A([math.inf]), A([-math.inf])) is not None
    assert close(dtype="any")(A([1.0, 2.0]), [1, 2]) is None


def test_a_tolerance_does_not_forgive_the_shape():
    assert "shape" in close(rtol=1.0)(A([1.0, 1.0]), A([1.0]))
    assert close(rtol=1.0)(1.0, None) is not None


def test_prop_turns_errors_into_a_verdict():
    even = prop(lambda case, expected, got: got % 2 == 0)
    assert even(0, 4) is None
    assert even(0, 3) == "the property does not hold"
    assert "not of the expected form" in even(0, "x" * 3 + "%")or "form" in even(0, None)
    assert prop(lambda c, e, g: "too big" if g > 3 else None)(0, 9) == "too big"


def test_huge_integers_are_told_briefly():
    assert brief(10**5000) == "an int of more than 30 digits"
    assert close(rtol=0.1)(1.0, 10**5000) is not None
    assert len(brief(list(range(1000)))) <= 70
    assert kind_of(A([[1]])) == "an array of shape (1, 1)"

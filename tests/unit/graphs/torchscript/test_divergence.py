"""Comparing a trace with its function: values, shapes, exceptions, and the curves of the figure."""

import math

import numpy as np
import pytest

from utils.graphs.torchscript import FUNCTIONS, agrees, divergence_curve, diverges, find_divergence


def branch(x):
    return x * 2 + 1 if x > 0 else 3 - x


def failing(x):
    raise ValueError("no")


def test_the_example():
    assert find_divergence(branch, lambda x: x * 2 + 1, [2.0, -2.0]) == 1
    assert diverges(branch, lambda x: x * 2 + 1, [2.0, -2.0, 3.0, -1.0, 0.0]) == [1, 3, 4]
    assert find_divergence(branch, branch, [1.0, -1.0]) is None and find_divergence(branch, failing, []) is None


@pytest.mark.parametrize("want, got, same", [
    (1.0, 1.0 + 9e-6, True), (1.0, 1.0 + 2e-5, False), (math.nan, math.nan, True), (math.nan, 0.0, False),
    (math.inf, math.inf, True), (math.inf, -math.inf, False), (math.inf, 1.0, False), (1.0, math.inf, False),
    (1.0, np.array([1.0]), False), (np.ones(2), np.ones((2, 1)), False), (np.ones((2, 2)), np.ones(2), False),
    (np.array([1.0, math.nan]), np.array([1.0, math.nan]), True), (np.array([1.0, 2.0]), np.array([1.0, 2.1]), False),
    (0.0, 9e-9, True), (0.0, 2e-8, False)])  # fmt: skip
def test_values(want, got, same):
    assert agrees(lambda x: want, lambda x: got, 0.0) is same


def test_the_tolerance_is_on_the_side_of_the_function():
    # |100 - 111| = 11: more than 0.1 * 100, less than 0.1 * 111
    assert not agrees(lambda x: 100.0, lambda x: 111.0, 0, rtol=0.1, atol=0.0)
    assert agrees(lambda x: 111.0, lambda x: 100.0, 0, rtol=0.1, atol=0.0)


def test_exceptions():
    assert agrees(failing, failing, 1) and not agrees(failing, abs, 1) and not agrees(abs, failing, 1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_curves(name):
    grid = np.linspace(-10, 10, 41)
    curve = divergence_curve(name, 4.0, grid)
    assert curve["guarded"] == curve["true"]
    assert not curve["wrong"][28] and curve["x"][28] == 4.0 and curve["traced"][28] == curve["at_example"]
    assert any(curve["wrong"])


def test_curves_against_arithmetic_of_their_own():
    grid = [-3.0, 0.0, 5.0]
    assert divergence_curve("branch", -1.0, grid)["traced"] == [6.0, 3.0, -2.0]
    assert divergence_curve("loop", 10.0, grid)["traced"] == [-3 / 16, 0.0, 5 / 16]
    assert divergence_curve("shape", 2.0, grid)["traced"] == [-4.5, 0.0, 12.5]
    assert (divergence_curve("loop", 10.0, grid)["tapes"], divergence_curve("shape", 2.0, range(1, 12))["fallbacks"]) == (2, 3)
    with pytest.raises(KeyError, match="branch"):
        divergence_curve("nothing", 1.0, grid)

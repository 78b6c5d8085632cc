"""Winograd F(2x2, 3x3): the direct convolution's values with fewer multiplications."""

import numpy as np
import pytest

from utils.cost.flops.counting_float import count_by_execution
from utils.cost.flops.winograd import (
    winograd_f2x2_3x3,
    winograd_multiplies,
    winograd_speedup,
    winograd_tile,
)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_sliding_window(seed):
    rng = np.random.default_rng(seed)
    d, g = rng.standard_normal((4, 4)), rng.standard_normal((3, 3))
    direct = np.lib.stride_tricks.sliding_window_view(d, (3, 3))  # (2, 2, 3, 3)
    # sums of at most 16 terms of order 10: 1e-13 is some ten ulp of the largest intermediate
    np.testing.assert_allclose(winograd_f2x2_3x3(d, g), (direct * g).sum((2, 3)), atol=1e-13)


def test_integers_stay_exact():
    d, g = np.arange(16.0).reshape(4, 4), np.array([[1.0, -2, 3], [0, 4, -1], [2, 2, 2]])
    want = [[(d[i:i + 3, j:j + 3] * g).sum() for j in range(2)] for i in range(2)]
    assert winograd_f2x2_3x3(d, g).tolist() == want  # halves and quarters of small integers are exact


def test_executes_the_papers_operations():
    """Lavin and Gray, section 4.1: 16 multiplications; 32 additions for the data and 24 for the inverse transform."""
    done = count_by_execution(winograd_tile, (4, 4), (4, 4))
    assert (done.muls, done.adds, done.other) == (16, 32 + 24, 0)


def test_multiplications_and_speedup():
    assert winograd_multiplies(2, 3) == 16
    assert winograd_speedup(2, 3) == 2.25
    assert winograd_speedup(4, 3) == 4.0
    assert winograd_speedup(1, 3) == 1.0  # one output at a time saves nothing


def test_wrong_shapes():
    with pytest.raises(ValueError, match="d must have shape"):
        winograd_f2x2_3x3(np.zeros((3, 3)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="g must have shape"):
        winograd_f2x2_3x3(np.zeros((4, 4)), np.zeros((2, 2)))

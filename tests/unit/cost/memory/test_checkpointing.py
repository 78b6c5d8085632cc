"""Checkpointing of equal layers: the count against a stack of stored tensors, the plan against trying everything."""

import math

import pytest

from utils.cost.memory.checkpointing import best_segments, checkpoint_forward_units, checkpoint_plan, divisors


def stored(n, segments):
    """Walk through the layers and note what is stored: segment inputs, and every layer of the last segment."""
    size = n // segments
    inputs = [layer for layer in range(0, n, size) if layer > 0]  # the network's own input is not counted
    return len(inputs) + len(range(n - size, n))


@pytest.mark.parametrize("n", [1, 2, 12, 32, 97, 120])
def test_units_and_best(n):
    assert divisors(n) == [d for d in range(1, n + 1) if n % d == 0]
    units = {s: checkpoint_forward_units(n, s) for s in divisors(n)}
    assert units == {s: stored(n, s) for s in divisors(n)}
    assert units[1] == units[n] == n
    assert units[best_segments(n)] == min(units.values())
    # (s - 1) + n/s >= 2 sqrt(n) - 1 by the inequality of means
    assert min(units.values()) >= 2 * math.sqrt(n) - 1 - 1e-9


def test_the_plan_is_the_smallest_that_fits():
    for n in range(1, 121):
        for budget in (0, 1, n // 3, n - 1, n, n + 1, math.isqrt(4 * n)):
            fitting = [s for s in range(1, n + 1) if n % s == 0 and stored(n, s) <= budget]
            assert checkpoint_plan(n, budget) == (min(fitting) if fitting else None)


def test_uneven_segments_are_refused():
    with pytest.raises(ValueError, match="divide"):
        checkpoint_forward_units(32, 5)
    with pytest.raises(ValueError, match="n must be positive"):
        checkpoint_plan(0, 1)

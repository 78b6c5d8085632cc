"""Live peaks against a timeline of steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.arena import TensorUse, live_peak

uses = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 12), st.integers(0, 12)).map(
    lambda t: TensorUse(t[0], min(t[1:]), max(t[1:]))), max_size=12)


@given(uses)
def test_peak_is_the_fullest_step(tensors):
    steps = [0] * 13
    for u in tensors:
        for step in range(u.first, u.last + 1):
            steps[step] += u.size
    assert live_peak(tensors) == max(steps)


@given(uses, st.integers(0, 99))
def test_another_tensor_never_lowers_the_peak(tensors, size):
    assert live_peak(tensors) <= live_peak([*tensors, TensorUse(size, 3, 5)]) <= live_peak(tensors) + size


@pytest.mark.parametrize("bad", [(-1, 0, 0), (1, 2, 1)])
def test_impossible_uses_are_refused(bad):
    with pytest.raises(ValueError, match="must not"):
        TensorUse(*bad)

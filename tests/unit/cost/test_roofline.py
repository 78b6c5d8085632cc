"""The two plain functions of the roofline."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.roofline import attainable_gflop_s, ridge

sizes = st.floats(1e-3, 1e6)


@given(st.floats(0, 1e6), sizes, sizes)
def test_attainable_is_the_lower_of_the_two_bounds(intensity, peak, mem):
    got = attainable_gflop_s(intensity, peak, mem)
    assert got <= peak and got <= intensity * mem
    assert got in (peak, intensity * mem)


@given(sizes, sizes)
def test_the_bounds_meet_at_the_ridge(peak, mem):
    # two roundings of half an ulp each
    assert attainable_gflop_s(ridge(peak, mem), peak, mem) == pytest.approx(peak, rel=4e-16)
    assert attainable_gflop_s(2 * ridge(peak, mem), peak, mem) == peak


def test_data_sheet_ridges():
    assert round(ridge(989_000, 3350)) == 295  # H100, BF16
    assert round(ridge(65_000, 320)) == 203  # T4, FP16
    assert round(ridge(125_000, 898)) == round(ridge(125_000, 900)) == 139  # V100, either bandwidth


@pytest.mark.parametrize("args", [(-1, 1, 1), (1, 0, 1), (1, 1, 0), (1, float("nan"), 1)])
def test_refused(args):
    with pytest.raises(ValueError, match=r"positive|negative"):
        attainable_gflop_s(*args)

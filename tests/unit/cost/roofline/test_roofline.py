"""The roofline: two plain functions, and operators on a device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.roofline import (
    Device,
    OpCost,
    attainable_gflop_s,
    bound_of,
    intensity,
    op_time_us,
    predict_network,
    ridge,
)

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


# --- operators on a device ---------------------------------------------------------------------

CARD = Device("card", {"fp32": 1000.0, "fp16": 4000.0}, 100.0, 5.0)
OPS = st.builds(OpCost, st.just("op"), st.just("conv"), *[st.integers(1, 10**9).map(float)] * 3)


def test_bound_of_by_hand():
    assert bound_of(3_612_672, 1_614_848, 1000, 100, 5) == ("memory", pytest.approx(21.14848))
    assert bound_of(1000, 4000, 1000, 100, 5) == ("launch", pytest.approx(5.04))
    assert bound_of(1e9, 4000, 1000, 100, 5) == ("compute", pytest.approx(1005))


@pytest.mark.parametrize(("args", "label"), [
    ((4000, 4000, 1, 1, 4), "compute"), ((4000, 4000, 1, 1, 2), "compute"), ((0, 4000, 1, 1, 4), "memory"),
    ((4000, 0, 1, 1, 4), "compute"), ((0, 0, 1, 1, 0), "compute")])
def test_among_equals_compute_then_memory(args, label):
    assert bound_of(*args)[0] == label


@given(OPS)
def test_label_agrees_with_the_ridge_where_launches_are_free(op):
    free = Device("free", CARD.peak_gflop_s, CARD.mem_gb_s)
    told = op_time_us(op, free, "fp32")
    if abs(intensity(op) / ridge(1000, 100) - 1) > 1e-9:
        assert told.bound == ("compute" if intensity(op) > ridge(1000, 100) else "memory")
    assert op.flops / told.total_us / 1e3 == pytest.approx(attainable_gflop_s(intensity(op), 1000, 100))


@given(OPS)
def test_overlap_hides_the_shorter(op):
    one_by_one, ahead = (op_time_us(op, CARD, "fp16", overlap=o) for o in (False, True))
    assert ahead.total_us == max(ahead.compute_us, ahead.memory_us, 5.0)
    assert ahead.total_us <= one_by_one.total_us <= 2 * ahead.total_us
    assert ahead.bound == one_by_one.bound


def test_half_of_the_peak_doubles_the_arithmetic():
    op = OpCost("gemm", "linear", 1e9, 1e3, 1e3)
    assert op_time_us(op, CARD, "fp32", utilization=0.5).total_us == pytest.approx(2005)
    assert op_time_us(op, CARD, "fp32").as_dict()["bound"] == "compute"
    assert [t.total_us for t in predict_network([op, op], CARD, "fp32")] == pytest.approx([1005, 1005])


def test_unknown_dtype():
    with pytest.raises(ValueError, match="no peak for dtype"):
        op_time_us(OpCost("gemm", "linear", 1e9, 1e3, 1e3), CARD, "int8")

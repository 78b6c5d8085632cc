"""Arena plans: published offsets, validity on generated lifetimes, and how far greedy is from the optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.arena import Plan, TensorUse, live_peak, plan_arena, plan_naive, plan_optimal, validate_plan

# TensorFlow, tensorflow/lite/delegates/gpu/common/memory_management_test.cc (v2.4 and later): ChainRecords,
# ComplexRecords and OffsetAssignmentWithAlignment, strategy GREEDY_BY_SIZE. (size, first, last), offsets, total, align.
CHAIN = [(16, 0, 1), (8, 1, 2), (64, 2, 3), (32, 3, 4), (8, 4, 5)]
COMPLEX = [(32, 0, 1), (32, 1, 4), (8, 2, 5), (16, 3, 5), (8, 4, 5), (64, 5, 7), (8, 6, 8), (8, 7, 8), (16, 8, 9)]
TFLITE = [(CHAIN, (0, 64, 0, 64, 0), 96, 1), (COMPLEX, (0, 32, 80, 64, 88, 0, 64, 72, 0), 96, 1),
          (CHAIN, (0, 128, 0, 128, 0), 160, 128)]

uses_of = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 4)).map(
    lambda t: TensorUse(t[0], t[1], t[1] + t[2])), max_size=14)


def bytes_held(uses, plan, step):
    """Every byte that a live tensor of this step covers, with repetitions."""
    return [b for at, u in zip(plan.offsets, uses) if u.first <= step <= u.last for b in range(at, at + u.size)]


def is_valid(uses, plan):
    """Byte by byte: in no step is a byte covered twice, and none lies outside the arena."""
    held = [bytes_held(uses, plan, step) for step in range(20)]
    return all(len(h) == len(set(h)) for h in held) and all(0 <= b < plan.total_bytes for h in held for b in h)


@pytest.mark.parametrize(("records", "offsets", "total", "align"), TFLITE)
def test_tflites_own_vectors(records, offsets, total, align):
    assert plan_arena([TensorUse(*r) for r in records], align) == Plan(offsets, total)


def test_the_examples_of_the_chapters():
    four = [TensorUse(10, 0, 1), TensorUse(20, 1, 2), TensorUse(10, 2, 3), TensorUse(5, 3, 4)]
    assert plan_arena(four).total_bytes == 30 and plan_naive(four).total_bytes == 45
    aligned = [TensorUse(1024, 0, 1), TensorUse(512, 1, 2), TensorUse(1024, 2, 3), TensorUse(256, 1, 3)]
    assert plan_arena(aligned, 64).total_bytes == 1792 == live_peak(aligned)


def test_greedy_by_size_is_not_optimal_on_a_chain():
    chain = [TensorUse(s, i, i + 1) for i, s in enumerate((3, 2, 2, 3))]
    assert (live_peak(chain), plan_optimal(chain).total_bytes, plan_arena(chain).total_bytes) == (5, 5, 7)


@given(uses_of, st.sampled_from([1, 2, 8]))
def test_plans_are_valid_and_aligned(uses, align):
    for planner in (plan_arena, plan_naive):
        plan = planner(uses, align)
        assert is_valid(uses, plan) and all(at % align == 0 for at in plan.offsets)
        assert live_peak(uses) <= plan.total_bytes
        validate_plan(uses, plan)
    if align == 1:
        assert plan_arena(uses).total_bytes <= plan_naive(uses).total_bytes == sum(u.size for u in uses)


def fits(uses, total):
    """Whether any choice of offsets puts the tensors into `total` bytes, by trying them all."""
    def place(i, held):
        if i == len(uses):
            return True
        u = uses[i]
        return any(all(v.last < u.first or u.last < v.first or at + u.size <= w or w + v.size <= at for w, v in held)
                   and place(i + 1, [*held, (at, u)]) for at in range(total - u.size + 1))

    return place(0, [])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(0, 2)).map(
    lambda t: TensorUse(t[0], t[1], t[1] + t[2])), min_size=1, max_size=5))
def test_optimal_is_what_trying_every_offset_finds(uses):
    plan = plan_optimal(uses)
    assert is_valid(uses, plan)
    assert fits(uses, plan.total_bytes) and not fits(uses, plan.total_bytes - 1)


def test_optimal_with_alignment():
    uses = [TensorUse(3, 0, 1), TensorUse(3, 1, 2), TensorUse(2, 1, 1)]
    assert plan_optimal(uses, 4).total_bytes == 10  # offsets 0, 4 and 8: the smallest tensor on top
    assert plan_optimal([]) == plan_arena([]) == plan_naive([]) == Plan((), 0)


def test_greedy_stays_close_to_the_optimum():
    rng, ratios = np.random.default_rng(0), []
    for _ in range(300):
        uses = [TensorUse(int(s), int(f), int(f + d)) for s, f, d in zip(
            rng.integers(1, 50, 6), rng.integers(0, 6, 6), rng.integers(0, 4, 6))]
        ratios.append(plan_arena(uses).total_bytes / plan_optimal(uses).total_bytes)
    assert min(ratios) >= 1 and max(ratios) <= 1.5
    assert np.mean(np.array(ratios) == 1) > 0.85


@given(uses_of.filter(lambda uses: len(uses) > 1), st.data())
def test_validate_finds_what_counting_bytes_finds(uses, data):
    offsets = tuple(data.draw(st.integers(0, 60)) for _ in uses)
    plan = Plan(offsets, data.draw(st.integers(0, 120)))
    inside = all(at + u.size <= plan.total_bytes for at, u in zip(offsets, uses))
    if is_valid(uses, plan) and inside:
        validate_plan(uses, plan)
    else:
        with pytest.raises(ValueError, match="plan must"):
            validate_plan(uses, plan)


def test_what_is_refused():
    two = [TensorUse(4, 0, 1), TensorUse(4, 1, 2)]
    with pytest.raises(ValueError, match="tensors 0 and 1 at bytes 0 and 3"):
        validate_plan(two, Plan((0, 3), 8))
    with pytest.raises(ValueError, match="one offset for each of 2"):
        validate_plan(two, Plan((0,), 8))
    with pytest.raises(ValueError, match="inside the arena"):
        validate_plan(two, Plan((-4, 0), 8))
    with pytest.raises(ValueError, match="at most 8"):
        plan_optimal([TensorUse(1, 0, 0)] * 9)
    for planner in (plan_arena, plan_naive, plan_optimal):
        with pytest.raises(ValueError, match="align must be positive"):
            planner(two, 0)

"""Placement of weights: claim 4 of the source by hand, conservation, and the edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.llm_serving import fit_grid, max_bits_that_fit, memory_plan, memory_verdict

GB = 1e9
SIZES = st.integers(0, 64).map(lambda quarters: quarters / 4)  # exact in binary: a tie stays a tie


@pytest.mark.parametrize("params, bits, gpu, cpu, verdict", [
    # weights in GB by hand: 350, 175, 87.5 against 160 + 96; 12,000, 3,000, 1,500 against 640 + 1,500
    (175e9, 16, 160, 96, "disk"), (175e9, 8, 160, 96, "offload"), (175e9, 4, 160, 96, "gpu"),
    (6e12, 16, 640, 1500, "disk"), (6e12, 4, 640, 1500, "disk"), (6e12, 2, 640, 1500, "offload"),
])
def test_the_sources_two_machines(params, bits, gpu, cpu, verdict):
    assert memory_verdict(params, bits, gpu, cpu, gpu_reserve=0.0) == verdict


@given(st.integers(1, 64), st.sampled_from([2, 4, 8, 16]), SIZES, SIZES, SIZES, st.sampled_from([0, 0.125, 0.25, 0.5]))
def test_verdict_follows_from_sums(quarters, bits, gpu, cpu, kv, reserve):
    weights, usable = quarters / 4 * bits / 8, gpu * (1 - reserve)
    got = memory_verdict(quarters / 4 * GB, bits, gpu, cpu, kv, reserve)
    fits = {"impossible": kv > usable, "gpu": weights + kv <= usable, "offload": weights + kv <= usable + cpu}
    assert got == next((name for name, true in fits.items() if true), "disk")


@given(st.integers(1, 64), st.lists(SIZES, min_size=1, max_size=4), SIZES)
def test_no_byte_is_lost(quarters, sizes, kv):
    tiers = [(f"tier {i}", size * GB) for i, size in enumerate(sizes)]
    plan = memory_plan(quarters / 4 * GB, 16, kv * GB, tiers)
    placed = sum(plan.placement.values())
    assert plan.fits == (placed == plan.weight_bytes)
    assert all(0 <= plan.placement[name] <= size for name, size in tiers)
    used = [name for name, _ in tiers if plan.placement[name]]
    assert plan.lowest_tier == (used[-1] if used else None)
    if kv > sizes[0]:
        assert not plan.fits and placed == 0
    elif len(used) > 1:  # greedy: the fastest tier is full before the next is touched
        assert plan.placement["tier 0"] + kv * GB == sizes[0] * GB
    assert plan.as_dict()["fits"] == plan.fits


def test_bits_that_fit():
    # claim 9: 30 B at 4 bits is 15 GB, 70 B at 4 bits 35 GB and at 16 bits 140 GB
    assert max_bits_that_fit(30e9, 24 * GB) == 4 and max_bits_that_fit(70e9, 48 * GB) == 4
    assert max_bits_that_fit(70e9, 80 * GB) == 8 and max_bits_that_fit(70e9, 140 * GB) == 16
    assert max_bits_that_fit(6e12, 640 * GB) is None


def test_fit_grid_gets_worse_with_bits():
    order = ("gpu", "offload", "disk")
    grid = fit_grid([1e9, 7e9, 70e9, 175e9, 6e12], [2, 4, 8, 16], 160, 96)
    ranks = [[order.index(v) for v in row] for row in grid]
    assert all(row == sorted(row) for row in ranks) and all(list(c) == sorted(c) for c in zip(*ranks))
    assert grid[0][0] == "gpu" and grid[3][4] == "disk"


@pytest.mark.parametrize("change", [
    {"params": 0}, {"bits": 0}, {"bits": -8}, {"gpu_gb": -1}, {"cpu_gb": -1}, {"kv_gb": -1}, {"gpu_reserve": 1.0}, {"gpu_reserve": -0.1},
])
def test_bad_verdicts(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        memory_verdict(**{"params": 7e9, "bits": 16, "gpu_gb": 24, "cpu_gb": 64, **change})


def test_bad_plans():
    with pytest.raises(ValueError, match="tiers"):
        memory_plan(1e9, 8, 0, [])
    with pytest.raises(ValueError, match="overhead"):
        memory_plan(1e9, 8, 0, [("gpu", 1e9)], overhead=1)

"""Waves against a scheduler that hands out tiles one by one."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.gpu_arch import pool_waves, wave_efficiency, wave_quantization, wave_sweep

SIZE = st.integers(1, 600)


def scheduled(tiles, slots):
    """Makespan of unit tiles when each goes to the slot that is free first."""
    free = [0] * slots
    for _ in range(tiles):
        heapq.heappush(free, heapq.heappop(free) + 1)
    return max(free)


@given(SIZE, SIZE, st.integers(1, 128), st.integers(1, 128), st.integers(1, 40), st.integers(1, 3))
def test_as_a_scheduler_does(m, n, tile_m, tile_n, sms, per_sm):
    corners = sum(1 for _ in range(0, m, tile_m)) * sum(1 for _ in range(0, n, tile_n))
    found = wave_quantization(m, n, tile_m, tile_n, sms, per_sm)
    assert found.tiles == corners
    if corners < 5000:
        assert found.waves == scheduled(corners, sms * per_sm)
    assert found.utilization == pytest.approx(corners / (found.waves * sms * per_sm))
    assert 0 < found.utilization <= 1


def test_examples():
    assert wave_efficiency(1152, 1536, 128, 108) == 1.0
    assert wave_efficiency(1152, 1664, 128, 108) == pytest.approx(117 / 216)
    assert wave_efficiency(10, 10, 128, 4) == 0.25
    assert [(n, w.waves) for n, w in wave_sweep(1152, (1536, 1537), 128, 108)] == [(1536, 1), (1537, 2)]


@pytest.mark.parametrize("place", range(6))
def test_refusals(place):
    values = [64, 64, 16, 16, 4, 1]
    values[place] = 0
    with pytest.raises(ValueError, match="must be at least 1"):
        wave_quantization(*values)


def test_a_pool_takes_whole_waves():
    rows = pool_waves(3, (1, 3, 4, 7), tile_s=0.01, repeats=2)
    assert [(r.tiles, r.waves) for r in rows] == [(1, 1), (3, 1), (4, 2), (7, 3)]
    # sleeping tiles can take longer than asked and never less, so only the lower bound is certain
    assert all(r.seconds >= r.waves * 0.01 * 0.99 for r in rows)


def test_a_pool_runs_every_tile_and_keeps_the_best():
    seen, ticks = [], iter([0.0, 9.0, 10.0, 12.0])
    rows = pool_waves(2, (5,), tile_s=1.5, repeats=2, work=seen.append, clock=lambda: next(ticks))
    assert seen == [1.5] * (2 + 2 * 5) and rows[0].seconds == 2.0

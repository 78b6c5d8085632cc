"""Batches, pipelines and tokens: each against a small simulation of what it describes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.rates import capacity, llm_latency, pipeline_rate, tpot_from_timestamps


def test_capacity_golden():
    assert capacity(lambda b: 4 + 0.5 * b, 64, 40) == (32, 1600.0)
    assert capacity(lambda b: 4 + 0.5 * b, 64, 8.9) == (0, 0.0)
    assert capacity(lambda b: 2.0 * b, 8, 100) == (1, 500.0)  # all sizes alike: the smallest


@settings(deadline=None)
@given(st.lists(st.integers(1, 80), min_size=1, max_size=20), st.integers(1, 170))
def test_capacity_is_the_best_allowed(costs, slo):
    batch, per_s = capacity(lambda b: costs[b - 1], len(costs), slo)
    allowed = [b for b in range(1, len(costs) + 1) if 2 * costs[b - 1] <= slo]
    assert (batch in allowed) if allowed else (batch, per_s) == (0, 0.0)
    for b in allowed:  # integers: cross-multiplied, no rounding
        assert batch * costs[b - 1] > b * costs[batch - 1] or (batch * costs[b - 1] == b * costs[batch - 1] and batch <= b)


def test_a_request_that_just_missed_a_batch_waits_for_two():
    cost, batch, arrivals = 20.0, 32, [1e-9]  # the server began a batch at 0
    start = cost  # the next batch
    assert start + cost - arrivals[0] == pytest.approx(2 * cost)
    assert capacity(lambda b: cost, batch, 2 * cost)[0] == batch and capacity(lambda b: cost, batch, 2 * cost - 1)[0] == 0


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_pipeline_against_a_simulation(stages):
    pace, ends = max(stages), []
    free = [0.0] * len(stages)
    for item in range(40):  # items enter at the pace of the slowest stage
        at = item * pace
        for i, stage in enumerate(stages):
            at = max(at, free[i]) + stage
            free[i] = at
        ends.append(at)
    got = pipeline_rate(stages)
    assert got.latency_ms == ends[-1] - 39 * pace
    assert got.throughput_per_s == pytest.approx(1000 / np.diff(ends)[-1])


def test_llm_latency_by_listing_the_tokens():
    got = llm_latency(1000, 201, 5000, 40)
    times = [200 + 40 * k for k in range(201)]  # the first token ends the prefill
    assert (got.ttft_ms, got.total_ms) == (200, times[-1]) and got.tokens_per_s == pytest.approx(201 / times[-1] * 1e3)
    assert tpot_from_timestamps(times) == got.tpot_ms == 40
    assert got.as_dict()["total_ms"] == 8200
    assert llm_latency(10, 1, 10, 0).total_ms == 1000


def test_errors():
    with pytest.raises(ValueError, match="max_batch"):
        capacity(lambda b: 1.0, 0, 10)
    with pytest.raises(ValueError, match="empty"):
        pipeline_rate([])
    with pytest.raises(ValueError, match="stages_ms"):
        pipeline_rate([1, 0])
    with pytest.raises(ValueError, match="output_tokens"):
        llm_latency(1, 0, 1, 1)
    with pytest.raises(ValueError, match="token_times"):
        tpot_from_timestamps([1.0])

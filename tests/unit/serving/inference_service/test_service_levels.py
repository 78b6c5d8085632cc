"""The bounded measurement of the real server; counts and identities, no durations."""

import numpy as np
import pytest

from utils.optional import EngineUnavailable
from utils.serving.inference_service import levels, stage_compute_model
from utils.serving.inference_service.levels import (
    MAX_REQUESTS,
    MAX_THREADS,
    ServiceLevel,
    cuda_runs,
    run_service_levels,
)
from utils.serving.load import LoadResult

X = np.ones((1, 256), np.float32)


def test_a_real_network_is_served_over_http_at_every_level():
    run = run_service_levels(stage_compute_model(256, 4), X, shares=(0.3, 1.2), seconds=0.2, calls=10)
    assert [level.name for level in run.levels] == ["30 %", "120 %", "120 % with a deadline"]
    for level in run.levels:
        assert len(level.answered.ends_s) + level.refused == level.offered <= MAX_REQUESTS
        # a run may go on after its request was given up, so there can be more runs than answers
        assert len(level.answered.ends_s) <= len(level.services_s) <= level.offered and (level.services_s > 0).all()
        assert (level.answered.latency_ms > 0).all() and level.good(1e9) == len(level.answered.ends_s)
    assert all(level.refused == 0 for level in run.levels[:-1])  # nothing is refused without a deadline
    assert run.deadline_ms == pytest.approx(12 * run.alone_ms)


def test_with_a_deadline_that_nobody_can_meet_all_is_refused():
    run = run_service_levels(stage_compute_model(256, 4), X, shares=(0.5,), seconds=0.1, calls=5, deadline_services=1e-6)
    free, bounded = run.levels
    assert free.refused == 0 and bounded.refused == bounded.offered and bounded.utilization == 0
    assert bounded.predicted_ms is None and len(bounded.services_s) == 0


def test_no_level_is_larger_than_its_bounds(monkeypatch):
    asked = []

    class Recorder(levels.LoadGenerator):
        def __init__(self, fn, workers):
            super().__init__(fn, workers)
            asked.append(workers)

    monkeypatch.setattr(levels, "LoadGenerator", Recorder)
    monkeypatch.setattr(levels, "MAX_REQUESTS", 7)
    run = run_service_levels(lambda x: x, X, shares=(0.5,), seconds=1.0, calls=3)
    assert [level.offered for level in run.levels] == [7, 7] and asked == [MAX_THREADS] * 2 == [64, 64]
    for bad in ({"seconds": 4.5}, {"seconds": 0}, {"shares": (0.5, 0)}):
        with pytest.raises(ValueError, match="must"):
            run_service_levels(lambda x: x, X, **bad)


def test_the_prediction_by_hand():
    # 50 services of 10 ms and 50 of 30 ms in 4 s: busy 50 %, mean 20 ms, scv (10/20)^2 = 0.25
    ends = np.linspace(0.04, 4.0, 100)
    result = LoadResult(np.linspace(0.0, 3.96, 100), ends, ends)
    level = ServiceLevel("x", 0.5, 100, 0, result, np.array([0.01, 0.03] * 50))
    assert level.utilization == pytest.approx(0.5)
    assert level.predicted_ms == pytest.approx(20 + 0.5 * 20 * 1.25 / (2 * 0.5))
    over = ServiceLevel("x", 1.2, 100, 0, result, np.full(100, 0.05))
    assert over.predicted_ms is None


def test_the_gpu_run_needs_its_provider_and_works_with_another():
    model = stage_compute_model(16, 2)
    with pytest.raises(EngineUnavailable, match="is not available"):
        cuda_runs(model, np.ones((1, 16), np.float32), providers=("NoSuchExecutionProvider",))
    told = cuda_runs(model, np.ones((1, 16), np.float32), requests=40, clients=4, providers=("CPUExecutionProvider",))
    assert list(told) == ["one at a time", "batches of up to 32"] and min(told.values()) > 0

"""The measurements of chapter 48 on a tiny network: what must hold on any machine."""

import numpy as np
import pytest

from utils.serving.load import LoadResult
from utils.serving.load_levels import (
    batch_sweep,
    cuda_with_and_without_sync,
    mlp_server,
    observed_in_flight,
    run_load_levels,
)


def test_levels():
    levels = run_load_levels(mlp_server(width=64, layers=2), shares=(0.2, 0.5), seconds=0.1)
    assert [level.name for level in levels] == ["closed loop, 1 client", "open loop, 20 %", "open loop, 50 %"]
    for level in levels:
        assert 0 < level.utilization <= 1
        # the machine only adds to the queue's own prediction (float rounding of a few hundred sums: 1e-6 ms)
        assert (level.result.latency_ms >= level.predicted_ms - 1e-6).all()
        seen, computed = observed_in_flight(level.result)
        assert seen == pytest.approx(computed, rel=0.2, abs=0.1)  # 2,000 looks at about 50 requests


def test_littles_law_by_hand():
    result = LoadResult(np.array([0.0, 2.0]), np.array([0.0, 2.0]), np.array([1.0, 4.0]))  # 3 of 4 s busy
    seen, computed = observed_in_flight(result)
    assert computed == pytest.approx(0.75) and seen == pytest.approx(0.75, abs=2e-3)


def test_batch_sweep_has_all_sizes():
    sweep = batch_sweep(sizes=(1, 2), rounds=1)
    assert list(sweep) == [1, 2] and min(sweep.values()) > 0


def test_a_server_is_the_same_each_time():
    import torch

    state = torch.random.get_rng_state()
    assert torch.equal(mlp_server(32, 2, 3)(), mlp_server(32, 2, 3)())
    assert torch.equal(state, torch.random.get_rng_state())


def test_without_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no GPU"):
        cuda_with_and_without_sync()

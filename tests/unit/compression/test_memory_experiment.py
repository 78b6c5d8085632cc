"""Predicted bytes against files, torch and resident memory."""

import numpy as np
import pytest

from utils.compression import memory_experiment as experiment
from utils.compression import resident
from utils.optional import EngineUnavailable

needs_proc = pytest.mark.skipif(not resident.resident_is_known(), reason="this kernel does not tell a process's peak")


def hold(n_bytes):
    return lambda: np.ones(n_bytes, np.uint8).sum()


def held_before(n_bytes):
    held = np.ones(n_bytes, np.uint8)
    return lambda: held.sum()


def fails():
    raise KeyError("lost")


@needs_proc
def test_the_peak_is_what_the_work_touches():
    # Python's own allocations while the work runs stay far below one MiB.
    assert resident.peak_rss_delta(hold, 64 << 20) == pytest.approx(64 << 20, abs=1 << 20)
    assert resident.peak_rss_delta(held_before, 64 << 20) < 1 << 20


@needs_proc
def test_work_that_fails_says_so():
    with pytest.raises(RuntimeError, match="KeyError: 'lost'"):
        resident.peak_rss_delta(fails)


def test_no_answer_where_the_kernel_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "RESET", tmp_path / "none")
    with pytest.raises(EngineUnavailable, match="peak resident memory is not available"):
        resident.peak_rss_delta(hold, 1)


def test_files_are_what_the_parameters_predict():
    small, wide = experiment.file_rows()
    assert small["parameters"] == 9802 and small["half_parameters"] == 2570
    for row in (small, wide):
        assert 0 < row["fp32"] - 4 * row["parameters"] < 3000  # names, shapes and the graph
        assert row["zeros"] == row["fp32"] and row["half"] < row["fp32"]
    # The wide twin: what the parameters predict, within 10 %. The small one is mostly names and scales.
    assert wide["fp32"] / wide["int8"] == pytest.approx(4, rel=0.1)
    assert wide["fp32"] / wide["half"] == pytest.approx(wide["parameters"] / wide["half_parameters"], rel=0.1)
    assert small["fp32"] / small["int8"] < 3


@pytest.mark.parametrize("order", experiment.ORDERS.values())
def test_both_orders_compute_the_same(order):
    weights = experiment.branch_weights()
    x = np.random.default_rng(1).standard_normal((9, 4), dtype=np.float32)
    by_hand = np.hstack([x @ weights["a"] @ weights["c"], x @ weights["b"] @ weights["d"]])
    np.testing.assert_array_equal(experiment.run_branches(order, x, weights, np.hstack), by_hand)


def test_torch_holds_what_the_order_predicts():
    unit = 4 * 1000
    assert experiment.traced_branch_bytes("abcdy", 1000) == 21 * unit  # a, b and c beside x
    assert experiment.traced_branch_bytes("acbdy", 1000) == 12 * unit  # c, b and d


@needs_proc
def test_resident_memory_falls_with_the_better_order():
    rows = experiment.order_rows(400_000)
    for row in rows:
        # pages of 4 KiB, and what the interpreter takes meanwhile
        assert row["predicted"] == row["traced"] and row["resident"] == pytest.approx(row["predicted"], abs=4 << 20)
    assert rows[1]["resident"] < rows[0]["resident"]


@needs_proc
def test_an_engine_plans_as_we_do():
    separate, arena, live, off, on = (row["bytes"] for row in experiment.engine_rows(2))
    assert live == 2 * 4 * (112 * 112 * 96 + 56 * 56 * 96) < arena < separate
    # An engine that frees buffers as they die stays far below separate buffers; its own arena asks for more.
    assert live * 0.9 < off < separate / 2 and off < on

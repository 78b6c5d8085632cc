"""The ladder over traces: against ticks of whole numbers, and the order of its rungs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.gpu_monitor import (
    Kernel,
    dram_activity,
    kernel_utilization,
    mfu_pct,
    plain,
    sm_activity,
    sm_occupancy,
    tensor_activity,
)
from utils.hardware.gpu_monitor.kernels import capped_mean, flops_in
from utils.hardware.sm_limits import SM_LIMITS

KERNEL = st.builds(lambda a, n, sms, warps, share: Kernel(a, a + n, sms, warps, 1e9 * n, share, 4e9 * n),
                   st.integers(-10, 50), st.integers(1, 30), st.integers(1, 12), st.integers(0, 64),
                   st.sampled_from([0.0, 0.25, 1.0]))
TRACE = st.lists(KERNEL, max_size=8)


def by_ticks(trace, start, end, amount, most):
    """Mean over unit ticks: exact, since all times are whole."""
    return sum(min(most, sum(amount(k) for k in trace if k.start_s <= t < k.end_s)) for t in range(start, end)) / (end - start)


@given(TRACE, st.integers(0, 20), st.integers(1, 30), st.integers(1, 8))
def test_against_ticks(trace, start, length, num_sms):
    end = start + length
    expected = [
        (kernel_utilization(trace, start, end), 100 * by_ticks(trace, start, end, lambda k: 1, 1)),
        (sm_activity(trace, start, end, num_sms), 100 * by_ticks(trace, start, end, lambda k: k.sms, num_sms) / num_sms),
        (sm_occupancy(trace, start, end, num_sms, 48),
         100 * by_ticks(trace, start, end, lambda k: k.sms * k.warps_per_sm, 48 * num_sms) / (48 * num_sms)),
        (tensor_activity(trace, start, end, num_sms),
         100 * by_ticks(trace, start, end, lambda k: k.sms * k.tensor, num_sms) / num_sms),
        (dram_activity(trace, start, end, 10.0), 100 * by_ticks(trace, start, end, lambda k: 4.0, 10.0) / 10),
        (flops_in(trace, start, end), by_ticks(trace, start, end, lambda k: 1e9, float("inf")) * length),
    ]
    for got, wanted in expected:
        assert got == pytest.approx(wanted, rel=1e-12, abs=1e-9)


@given(TRACE, st.integers(0, 20), st.integers(1, 30), st.integers(1, 8))
def test_each_rung_is_at_most_the_one_below(trace, start, length, num_sms):
    end = start + length
    slack = 1e-9
    assert (sm_occupancy(trace, start, end, num_sms, 64) <= sm_activity(trace, start, end, num_sms) + slack
            <= kernel_utilization(trace, start, end) + 2 * slack <= 100 + 3 * slack)


def test_given_examples():
    three = [(0, 10, 4), (5, 15, 4), (20, 30, 8)]
    assert plain.sm_activity(three, 0, 40, 8) == 50.0
    assert kernel_utilization([Kernel(*k) for k in three], 0, 40) == 62.5
    assert plain.sm_activity([(0, 10, 6), (5, 15, 6)], 0, 20, 8) == 62.5
    launches = [(0, 10, 4, 256, 64, 0), (5, 15, 4, 128, 32, 49152), (20, 30, 8, 256, 32, 0)]
    assert plain.sm_occupancy(launches, 0, 40, 8, SM_LIMITS["8.0"].as_dict()) == 33.59375
    # (0-400 ms, 1 SM), (300-600, 2), (900-1100, 108) on 108 SMs: chapter 4's trace
    trace = [Kernel(0, 400, 1), Kernel(300, 600, 2), Kernel(900, 1100, 108)]
    assert kernel_utilization(trace, 0, 1000) == 70
    assert sm_activity(trace, 0, 1000, 108) == pytest.approx(10.93, abs=0.005)
    assert mfu_pct(2 * 8.03e9 * 2500, 1.0, 989e12) == pytest.approx(4.06, abs=0.005)


def test_refusals():
    for call in (lambda: sm_activity([], 1, 1, 8), lambda: sm_occupancy([], 2, 1, 8), lambda: capped_mean([], 0, 0, 1)):
        with pytest.raises(ValueError, match="end"):
            call()
    with pytest.raises(ValueError, match="num_sms"):
        sm_activity([], 0, 1, 0)
    with pytest.raises(ValueError, match="max_warps"):
        sm_occupancy([], 0, 1, 8, 0)
    with pytest.raises(ValueError, match="peak_gb_s"):
        dram_activity([], 0, 1, 0)
    with pytest.raises(ValueError, match="peak_flop_s"):
        mfu_pct(1, 1, 0)

"""When an accelerator pays: against Amdahl's law, and against counting up item by item in exact fractions."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.roofline.speedup import amdahl
from utils.hardware.heterogeneous import (
    amdahl_limit,
    break_even,
    break_even_batch,
    copy_ms,
    offload_speedup,
    offload_time_ms,
    shared_memory,
)

HUNDREDTHS = st.integers(0, 500).map(lambda n: n / 100)


@given(st.floats(0.1, 1000), st.floats(0, 1), st.floats(0.1, 1e6))
def test_without_copies_it_is_amdahls_law(total, share, factor):
    # a few roundings of relative size 2^-53 each; the denominator is a sum of positive terms
    assert offload_speedup(total, total * share, factor, 0) == pytest.approx(amdahl(share, factor), rel=1e-12)


def test_the_example_of_the_chapter():
    # 30 ms, of which 24 become 1.2: 6 + 1.2 = 7.2, and 9.2 with copies
    assert offload_speedup(30, 24, 20, 0) == pytest.approx(30 / 7.2)
    assert offload_speedup(30, 24, 20, 2) == pytest.approx(30 / 9.2)
    assert offload_speedup(30, 24, math.inf, 0) == pytest.approx(amdahl_limit(0.8)) == pytest.approx(5)
    assert offload_speedup(30, 24, 20, 40) < 1


@pytest.mark.parametrize("accel", [-0.1, 30.1, math.nan])
def test_the_part_must_lie_in_the_whole(accel):
    with pytest.raises(ValueError, match="accel"):
        offload_speedup(30, accel, 2, 0)


def test_other_refusals():
    for call in (lambda: offload_speedup(30, 20, 0, 0), lambda: offload_speedup(30, 20, 2, -1), lambda: amdahl_limit(1.01),
                 lambda: copy_ms(-1, 1), lambda: copy_ms(1, 0), lambda: offload_time_ms(1, 1.5, 2, 0, 1),
                 lambda: break_even(-1, 1, 1, 1), lambda: break_even_batch(1, 1, 1, 1, 0)):  # fmt: skip
        with pytest.raises(ValueError):
            call()
    assert amdahl_limit(1) == math.inf


@given(st.floats(1, 100), st.floats(0, 1), st.floats(0.5, 100), st.integers(0, 10**8), st.floats(0.5, 100), st.floats(0, 500))
def test_the_time_is_the_sum_of_its_parts(cpu, share, speedup, n_bytes, link, overhead):
    told = offload_time_ms(cpu, share, speedup, n_bytes, link, overhead)
    seconds = cpu / 1e3 * (1 - share) + cpu / 1e3 * share / speedup + n_bytes / (link * 1e9) + overhead * 1e-6
    assert told == pytest.approx(seconds * 1e3, rel=1e-12)


@given(HUNDREDTHS, HUNDREDTHS, HUNDREDTHS, HUNDREDTHS)
def test_break_even_is_the_first_win(cpu, fixed, dev, copy):
    exact = [Fraction(round(v * 100), 100) for v in (cpu, fixed, dev, copy)]

    def wins(n):
        return n * exact[0] > exact[1] + n * (exact[2] + exact[3])

    n = break_even(cpu, fixed, dev, copy)
    if n is None:
        assert not any(wins(k) for k in (1, 10, 10**9))
    else:
        assert n >= 1 and wins(n) and (n == 1 or not wins(n - 1))


def test_ties_and_decimals():
    assert break_even(0.8, 3, 0.4, 0.1) == 11  # at 10 both take 8 ms; in binary floats 0.8 - 0.4 - 0.1 is above 0.3
    assert math.floor(3 / (0.8 - 0.4 - 0.1)) + 1 == 10  # what plain floats say
    assert break_even(0.5, 1, 0.25, 0) == 5 and break_even(0.5, 3, 0.25, 0.25) is None
    assert break_even(0.4, 3, 0.4, 0.1) is None and break_even(5, 3, 0.4, 0.1) == 1
    assert break_even(1, 0, 0.5, 0.25) == 1
    assert break_even(0.8004, 5000, 0.7, 0.1) == 12_500_001


@given(HUNDREDTHS, HUNDREDTHS, HUNDREDTHS, st.integers(0, 20))
def test_break_even_batch_takes_bytes(cpu, fixed, dev, hundreds):
    # 4 GB/s are 4e6 bytes a ms, so 40,000 bytes take 0.01 ms exactly
    told = break_even_batch(cpu, fixed, dev, 40_000 * hundreds, 4)
    assert told == break_even(cpu, fixed, dev, hundreds / 100)


def test_break_even_batch_has_a_limit():
    assert break_even_batch(0.8, 3, 0.4, 400_000, 4, limit=11) == 11
    assert break_even_batch(0.8, 3, 0.4, 400_000, 4, limit=10) is None


def test_shared_memory_is_bound_by_the_slowest_or_by_the_bytes():
    loose = shared_memory({"isp": 10, "npu": 8}, {"isp": 60e6, "npu": 60e6}, 20)
    assert (loose.frame_ms, loose.bound, loose.asked_gb_s) == (10, "isp", 12)
    tight = shared_memory({"isp": 10, "npu": 8}, {"isp": 60e6, "npu": 60e6}, 8)
    assert (tight.frame_ms, tight.bound) == (15, "memory")
    assert tight.as_dict()["bound"] == "memory"
    with pytest.raises(ValueError, match="same engines"):
        shared_memory({"isp": 10}, {"npu": 1}, 8)

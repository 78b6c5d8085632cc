"""The two measured-sample helpers of chapter 48: back-filled samples, and a summary without the warm-up."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.cost.latency import hdr_backfill, percentile, summarise_latency, undo_omission


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), min_size=0, max_size=30), st.integers(1, 60))
def test_a_sample_brings_those_that_were_due_meanwhile(samples, interval):
    got = hdr_backfill(samples, interval)
    assert got[: len(samples)].tolist() == samples
    # sample v: one more for every k >= 1 with v - k * interval >= interval
    wanted = sorted(v - k * interval for v in samples for k in range(1, v // interval + 1) if v - k * interval >= interval)
    assert sorted(got[len(samples) :]) == wanted


def test_one_stall_of_a_second():
    samples = [1.0] * 999 + [1000.0]
    got = undo_omission(samples, 10)
    assert len(got) == 1099 and percentile(got, 99) == 900 and percentile(samples, 99) == 1  # HdrHistogram's rule
    assert len(samples) == 1000
    with pytest.raises(ValueError, match="interval_ms"):
        hdr_backfill([1.0], 0)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=120), st.integers(0, 100))
def test_summary_without_the_warmup(samples, warmup):
    if warmup >= len(samples):
        with pytest.raises(ValueError, match="empty"):
            summarise_latency(samples, warmup)
        return
    before, kept = list(samples), np.array(samples[warmup:])
    got = summarise_latency(samples, warmup)
    assert samples == before
    for q in (50, 90, 99):
        assert got[f"p{q}"] == np.percentile(kept, q, method="inverted_cdf")
    assert got["max"] == kept.max() and math.isclose(got["mean"], math.fsum(kept) / len(kept), rel_tol=1e-12, abs_tol=1e-300)


def test_warmup_must_not_be_negative():
    with pytest.raises(ValueError, match="warmup"):
        summarise_latency([1.0], -1)

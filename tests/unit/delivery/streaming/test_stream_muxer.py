"""The muxer: nothing is lost, nobody waits too long, and a closed form."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.delivery.streaming import Event, camera_events, mux_batches, mux_events, mux_report, staggered_wait_us

TRAFFIC = [(0, 0), (5, 1), (33, 0), (38, 1), (66, 0)]
events_of = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=40).map(
    lambda gaps: [Event(t, s, i) for i, (t, (_, s)) in enumerate(zip(np.cumsum([g for g, _ in gaps]).tolist(), gaps))])


@pytest.mark.parametrize(("size", "timeout", "wanted"), [
    (2, 20, [(5, [0, 1]), (38, [0, 1]), (86, [0])]),
    (4, 20, [(20, [0, 1]), (53, [0, 1]), (86, [0])]),
    (4, 40, [(38, [0, 1, 0, 1]), (106, [0])]),
    (4, -1, [(38, [0, 1, 0, 1]), (66, [0])]),
    (9, -1, [(66, [0, 1, 0, 1, 0])]),
    (4, 5, [(5, [0]), (10, [1]), (38, [0]), (43, [1]), (71, [0])]),  # the arrival at 5 finds the batch gone
    (4, 0, [(0, [0]), (5, [1]), (33, [0]), (38, [1]), (66, [0])]),
])
def test_examples(size, timeout, wanted):
    assert mux_batches(TRAFFIC, size, timeout) == wanted


@given(events_of, st.integers(1, 6), st.integers(-1, 20), st.none() | st.integers(1, 3))
def test_every_frame_leaves_once_in_a_batch_that_fits(events, size, timeout, cap):
    batches = mux_events(events, size, timeout, cap)
    left = [e for b in batches for e in b.events]
    assert sorted(left, key=lambda e: e.frame) == events
    assert all(1 <= len(b.events) <= size for b in batches)
    pushes = [b.push_us for b in batches]
    assert pushes == sorted(pushes)
    if cap is None:
        assert left == events  # order of arrival
        assert all(w >= 0 and (timeout < 0 or w <= timeout) for b in batches for w in b.waits_us)
    else:
        assert all(b.sources.count(s) <= cap for b in batches for s in set(b.sources))
        for source in range(4):  # a camera's frames keep their order
            frames = [e.frame for e in left if e.source == source]
            assert frames == sorted(frames)


@given(events_of, st.integers(1, 6), st.integers(0, 20))
def test_no_batch_leaves_early(events, size, timeout):
    """A batch that is not full leaves exactly at its deadline, and a full one at its last arrival."""
    for batch in mux_events(events, size, timeout):
        first, last = batch.events[0].t_us, batch.events[-1].t_us
        assert batch.push_us == (last if len(batch.events) == size else first + timeout)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_staggered_cameras_wait_as_the_closed_form_says(n):
    events = camera_events(n, 25, duration_s=2.0)  # 40,000 us divide by all of them but 3: rounding is below 1 us
    batches = mux_events(events, n, 10**9)
    waits = [w for b in batches for w in b.waits_us]
    assert np.mean(waits) == pytest.approx(staggered_wait_us(n, 25), abs=1)


def test_four_cameras_at_30_fps_wait_12_5_ms():
    assert staggered_wait_us(4, 30) == pytest.approx(12_500)


def test_a_fast_camera_is_held_back():
    events = [Event(0, 0, 0), Event(1, 0, 1), Event(2, 0, 2), Event(3, 1, 3)]
    assert [(b.push_us, b.sources) for b in mux_events(events, 3, 10, 1)] == [(10, [0, 1]), (20, [0]), (30, [0])]
    assert [(b.push_us, b.sources) for b in mux_events(events, 2, 10, 1)] == [(3, [0, 1]), (13, [0]), (23, [0])]


def test_camera_events():
    events = camera_events(3, [30, 10, 5], [0, 1000, 2000], 1.0)
    counts = [sum(e.source == s for e in events) for s in range(3)]
    assert counts == [30, 10, 5] and events == sorted(events, key=lambda e: e.t_us)
    assert [e.t_us for e in events if e.source == 1][:3] == [1000, 101_000, 201_000]
    late = camera_events(2, 30, jitter_us=500, seed=3)
    on_time = {(e.source, e.frame): e.t_us for e in camera_events(2, 30)}
    lags = [e.t_us - on_time[e.source, e.frame] for e in late]
    assert all(0 <= lag <= 500 for lag in lags) and len(set(lags)) > 10
    assert late == camera_events(2, 30, jitter_us=500, seed=3) != camera_events(2, 30, jitter_us=500, seed=4)


def test_report_by_hand():
    report = mux_report(mux_events([Event(0, 0), Event(4000, 1), Event(10_000, 0), Event(11_000, 1)], 2, 10**6), 8, 1)
    # pushed at 4 and 11 ms; each batch takes 10 ms; the second starts at 14 and ends at 24 ms
    assert (report.frames, report.batches, report.mean_fill) == (4, 2, 2.0)
    assert report.mean_wait_ms == pytest.approx((4 + 0 + 1 + 0) / 4) and report.busy == pytest.approx(20 / 24)
    assert report.p95_latency_ms == pytest.approx(np.percentile([14, 10, 14, 13], 95))
    assert report.p95_wait_ms == pytest.approx(np.percentile([4, 0, 1, 0], 95)) and report.as_dict()["frames"] == 4


@pytest.mark.parametrize("call", [
    lambda: mux_batches(TRAFFIC, 0, 20), lambda: mux_batches(TRAFFIC, 2, -2), lambda: mux_batches([(5, 0), (4, 1)], 2, 20),
    lambda: mux_events([], 1, 0, 0), lambda: camera_events(0, 30), lambda: camera_events(2, [30]), lambda: camera_events(2, 0.0),
    lambda: camera_events(2, 30, [0]), lambda: mux_report([], 1, 1), lambda: staggered_wait_us(0, 30),
])
def test_bad_input(call):
    with pytest.raises(ValueError, match="must"):
        call()


def test_nothing_comes_of_nothing():
    assert mux_batches([], 3, 10) == [] and mux_batches([], 3, -1) == []
    assert math.isclose(staggered_wait_us(1, 30), 0.0)

"""References, capacity, stages, tracking, launch lines and facts."""

import datetime
import math
import stat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.delivery import streaming as ds
from utils.optional import EngineUnavailable

graphs = st.integers(0, 24).flatmap(lambda n: st.tuples(*(
    st.sets(st.integers(0, max(i - 1, 0)), max_size=min(i, 3)).map(lambda s: tuple(sorted(s))) for i in range(n))))


# --- references -------------------------------------------------------------------------------


@given(graphs, st.sets(st.integers(0, 30), max_size=5))
def test_decodable_is_reachability(refs, lost):
    """A frame is bad if a lost frame can be reached along references (depth-first, from each frame)."""

    def reaches(i):
        return i in lost or any(reaches(r) for r in refs[i])

    assert ds.decodable(list(refs), lost) == [not reaches(i) for i in range(len(refs))]


def test_damage_of_a_gop():
    refs = ds.gop_refs("I" + 29 * "P" + "I" + 29 * "P")
    assert ds.decodable(refs, {10}).count(False) == 20 and ds.decodable(refs, {0}).count(False) == 30
    assert ds.damage_lengths("IPPPIP") == [4, 3, 2, 1, 2, 1]
    assert ds.damage_lengths("IPBBPBB") == [7, 6, 1, 1, 3, 1, 1]
    assert ds.gop_refs("IBP") == [(), (0,), (0,)]


@pytest.mark.parametrize("call", [lambda: ds.decodable([(0,)], set()), lambda: ds.decodable([(), (2,), ()], set()),
                                  lambda: ds.decodable([(), (-1,)], set()), lambda: ds.gop_refs("PI"), lambda: ds.gop_refs("IX")])
def test_bad_references(call):
    with pytest.raises(ValueError, match="must"):
        call()


# --- capacity ---------------------------------------------------------------------------------


def test_examples_of_the_table():
    found = [ds.max_streams(30, 4, 1.5, k, math.inf, 1, math.inf) for k in (0, 1, 2, 4)]
    assert found == [(19, "infer"), (41, "infer"), (64, "infer"), (108, "infer")]
    assert ds.max_streams(30, 4, 1.5, 2, 1000, 1, math.inf) == (33, "decode")
    assert ds.max_streams(30, 50, 1.5, 0, 1000, 1, math.inf) == (0, "infer")


@given(st.integers(1, 60), st.integers(0, 40), st.integers(1, 20), st.integers(0, 4), st.integers(1, 3000), st.integers(1, 10**6),
       st.integers(1, 10**9))
def test_capacity_is_brute_force(fps, a, b, interval, decode_fps, frame_bytes, copy):
    """Whole numbers throughout, so every comparison is exact."""
    limits = {"infer": 0, "decode": 0, "copy": 0}
    for n in range(1, 3001):
        limits["infer"] += (a + b * n) * fps <= 1000 * (interval + 1)
        limits["decode"] += n * fps <= decode_fps
        limits["copy"] += n * fps * frame_bytes <= copy
    capped = {name: min(limit, 3000) for name, limit in limits.items()}
    found = ds.stream_capacity(fps, decode_fps, lambda n: a + b * n, interval, frame_bytes, copy)
    assert {k: min(v, 3000) for k, v in found.limits.items()} == capped
    assert min(found.max_streams, 3000) == min(capped.values()) and capped[found.bottleneck] == min(capped.values())


def test_capacity_with_a_measured_curve_and_without_limits():
    steps = lambda n: 10 * -(-n // 8)  # every started batch of 8 takes 10 ms
    assert ds.stream_capacity(30, math.inf, steps, 0, 1, math.inf).limits == {"infer": 24, "decode": None, "copy": None}
    assert ds.stream_capacity(30, 600, lambda n: 0.0, 0, 1, math.inf).as_dict()["bottleneck"] == "decode"
    with pytest.raises(ValueError, match="limit"):
        ds.stream_capacity(30, math.inf, lambda n: 0.0, 0, 1, math.inf)
    for bad in ({"fps": 0}, {"interval": -1}, {"frame_bytes": 0}):
        with pytest.raises(ValueError, match="must"):
            ds.stream_capacity(**{"fps": 30, "decode_fps": 1, "infer_ms": float, "interval": 0, "frame_bytes": 1, "copy_bytes_s": 1, **bad})


def test_raw_rates():
    assert ds.frame_mb(1920, 1080) == pytest.approx(1920 * 1080 * 1.5 / 1e6)
    assert 16 * 30 * ds.frame_mb(1920, 1080) / 1e3 == pytest.approx(1.49, abs=0.01)  # GB/s
    with pytest.raises(KeyError):
        ds.frame_mb(2, 2, "P010")


# --- stages -----------------------------------------------------------------------------------


def test_breakdown_examples():
    stamps = {"capture": np.array([0.0, 10, 20]), "infer": np.array([8, np.nan, 30]), "out": np.array([9, np.nan, 36])}
    found = ds.latency_breakdown(stamps, ["capture", "infer", "out"])
    assert found == pytest.approx({"capture->infer": 9.9, "infer->out": 5.75, "end_to_end": 15.65, "drop_rate": 1 / 3})
    other = ds.latency_breakdown({"a": np.array([0.0, 10]), "b": np.array([10.0, 12]), "c": np.array([12.0, 30])}, ["a", "b", "c"])
    assert other["end_to_end"] == pytest.approx(19.6) and other["a->b"] + other["b->c"] == pytest.approx(26.8)


def test_breakdown_of_lost_frames():
    stamps = {"a": np.array([0.0, 1]), "b": np.array([2.0, 5]), "c": np.array([np.nan, np.nan])}
    found = ds.latency_breakdown(stamps, ["a", "b", "c"])
    assert found["a->b"] == pytest.approx(3.9) and math.isnan(found["b->c"]) and math.isnan(found["end_to_end"]) and found["drop_rate"] == 1
    with pytest.raises(ValueError, match="clock"):
        ds.latency_breakdown({"a": np.array([5.0]), "b": np.array([4.0])}, ["a", "b"])


# --- tracking ---------------------------------------------------------------------------------

boxes = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 6)] * 2).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


def cells(box):
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@given(boxes, boxes)
def test_iou_counts_cells(a, b):
    assert ds.iou(a, b) == pytest.approx(len(cells(a) & cells(b)) / len(cells(a) | cells(b)), abs=1e-12)


@given(st.lists(boxes, max_size=5), st.lists(boxes, max_size=5))
def test_greedy_matches_are_pairs_of_overlapping_boxes(prev, now):
    pairs = ds.match_greedy(prev, now, 0.3)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(ds.iou(prev[i], now[j]) >= 0.3 for i, j in pairs)
    free = [(i, j) for i in range(len(prev)) for j in range(len(now)) if all(i != p and j != q for p, q in pairs)]
    assert all(ds.iou(prev[i], now[j]) < 0.3 for i, j in free)  # nobody is left who would match


def test_the_tracker_fills_gaps_at_constant_speed():
    tracker = ds.IouTracker()
    at = lambda t: (2.0 * t, 5.0 + t, 2.0 * t + 20, 25.0 + t)
    tracker.update([at(0)])
    tracker.update([at(1)])
    for t in (2, 3):
        assert tracker.skip()[0].box == at(t)
    assert tracker.update([at(4)])[0].box == at(4) and tracker.skip()[0].box == at(5)
    assert [t.number for t in tracker.tracks] == [0]


def test_tracks_begin_and_end():
    tracker = ds.IouTracker(patience=1)
    tracker.update([(0, 0, 9, 9), (50, 50, 60, 60)])
    assert [t.number for t in tracker.update([(1, 0, 10, 9)])] == [0, 1]
    assert [t.number for t in tracker.update([(2, 0, 11, 9), (90, 0, 99, 9)])] == [0, 2]


# --- launch lines -----------------------------------------------------------------------------

GOOD = ("nvurisrcbin uri=rtsp://cam ! queue leaky=downstream ! mux.sink_0 nvstreammux name=mux batch-size=1 live-source=1 "
        "batched-push-timeout=33333 ! video/x-raw(memory:NVMM),format=NV12 ! nvinfer batch-size=1 interval=2 ! nvtracker ! fakesink")


def test_explain():
    elements = ds.explain_pipeline(GOOD)
    assert [e.name for e in elements] == ["nvurisrcbin", "queue", "nvstreammux", "nvinfer", "nvtracker", "fakesink"]
    assert elements[1] == ds.Element("queue", {"leaky": "downstream"}, ("mux.sink_0",)) and elements[3].props["interval"] == "2"
    assert elements[0].props["uri"] == "rtsp://cam" and ds.lint_pipeline(GOOD) == []
    assert all(e.name in ds.ROLES for e in elements)


@pytest.mark.parametrize(("old", "new", "word"), [
    ("nvinfer batch-size=1", "nvinfer batch-size=4", "batch-size"), ("queue leaky=downstream", "identity", "queue"),
    ("live-source=1", "live-source=0", "live-source"), ("live-source=1 ", "", "live-source"), ("=33333", "=-1", "batched-push-timeout"),
])
def test_lint(old, new, word):
    assert [sentence.split(":")[0] for sentence in ds.lint_pipeline(GOOD.replace(old, new))] == [word]


def test_files_may_wait_for_ever():
    line = GOOD.replace("rtsp://cam", "file:///a.mp4").replace("=33333", "=-1").replace("live-source=1", "live-source=0")
    assert ds.lint_pipeline(line) == []


@pytest.mark.parametrize("line", ["", "! fakesink", "a !", "a ! ! b", "a ! 7x", "a=1 ! b"])
def test_lines_that_are_none(line):
    with pytest.raises(ValueError, match="must"):
        ds.explain_pipeline(line)


def test_gst_launch(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="is not available"):
        ds.run_gst_launch("videotestsrc ! fakesink")
    program = tmp_path / "gst-launch-1.0"
    program.write_text("#!/bin/sh\n[ \"$2\" = slow ] && exec /bin/sleep 30\n[ \"$2\" = bad ] && echo oops >&2 && exit 3\necho $@\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert ds.run_gst_launch("a prop=1 ! b").strip() == "-q a prop=1 ! b"
    with pytest.raises(RuntimeError, match="oops"):
        ds.run_gst_launch("bad")
    with pytest.raises(RuntimeError, match="must end"):
        ds.run_gst_launch("slow", timeout_s=0.2)


def test_facts_have_a_day_and_a_source():
    assert len(ds.RELEASES) == 5
    assert all(fact.source and isinstance(fact.as_of, datetime.date) for fact in ds.RELEASES)

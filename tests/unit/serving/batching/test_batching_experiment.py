"""The measurements of chapter 21: real ONNX models and threads; what is asserted are values, orders and counts."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from utils.optional import EngineUnavailable
from utils.serving.batching import (
    AffineService,
    Batch,
    LiveBatcher,
    experiment,
    make_run,
    simulate_batcher,
    wide_mlp,
)
from utils.serving.batching.experiment import observed_service, run_live, static_against_dynamic, time_sizes
from utils.serving.batching.facts import FACTS, READ
from utils.serving.batching.timeline import batcher_timeline, delay_curve
from utils.serving.load import LoadGenerator

ROW = np.zeros(4, np.float32)


def live(run, **settings):
    return run_live("x", run, ROW, **{"rate_per_s": 400, "seconds": 0.3, "max_batch": 4, "max_delay_ms": 2.0,
                                      "service": AffineService(1, 0.1), "seed": 0, **settings})


def test_the_simulations_get_the_arrivals_of_the_run():
    before = set(threading.enumerate())
    run = live(lambda rows: rows)
    assert len(run.result.ends_s) == 120 == sum(b.size for b in run.batches) and run.result.dropped == 0
    assert run.predicted.arrivals_ms.tolist() == (1e3 * run.result.arrivals_s).tolist()
    assert run.replayed.arrivals_ms.tolist() == (1e3 * run.result.starts_s).tolist()
    late_ms = 1e3 * (run.result.starts_s - run.result.arrivals_s)
    assert np.allclose(run.replayed_ms, run.replayed.latency_ms + late_ms)
    again = simulate_batcher(1e3 * run.result.arrivals_s, 4, 2.0, lambda n: 1 + 0.1 * n)
    assert run.predicted.batches == again.batches
    assert run.mean_batch == pytest.approx(120 / len(run.batches)) and run.throughput_per_s > 0
    assert set(threading.enumerate()) <= before


def test_the_load_is_bounded(monkeypatch):
    monkeypatch.setattr(experiment, "MOST_REQUESTS", 30)
    monkeypatch.setattr(experiment, "MOST_IN_FLIGHT", 3)
    run = live(lambda rows: rows, rate_per_s=1e5, seconds=10.0, max_batch=8)
    assert len(run.result.ends_s) == 30 and max(b.size for b in run.batches) <= 3  # nobody else was let in


def test_the_schedule_does_not_wait_for_the_answers():
    sent = []

    def slow(rows):
        sent.append(len(rows))
        threading.Event().wait(0.05)
        return rows

    run = live(slow, rate_per_s=2000, seconds=0.02, max_batch=64, max_delay_ms=0.0)
    # 40 requests in some 20 ms: while the first batch takes 50 ms, the others come in
    assert sum(sent) == 40 and len(sent) <= 4
    assert (run.result.ends_s >= run.result.starts_s).all() and (run.result.starts_s >= run.result.arrivals_s).all()
    assert (np.diff(run.result.ends_s) >= 0).all() and run.result.latency_ms.max() >= 50


def test_a_model_that_never_answers_ends_the_run(monkeypatch):
    never = threading.Event()
    monkeypatch.setattr(experiment, "PATIENCE_S", 0.1)
    monkeypatch.setattr(experiment, "MOST_IN_FLIGHT", 2)
    monkeypatch.setattr("utils.serving.batching.live.JOIN_S", 0.1)
    try:
        with pytest.raises(RuntimeError, match="must answer"):
            live(lambda rows: never.wait(20) and rows)
    finally:
        never.set()


def test_a_failing_model_ends_the_run_and_its_threads():
    before = set(threading.enumerate())

    def broken(rows):
        raise ArithmeticError("out of order")

    with pytest.raises(ArithmeticError, match="out of order"):
        live(broken)
    assert set(threading.enumerate()) <= before


def test_an_interrupted_run_cleans_up(monkeypatch):
    ended = []

    class Interrupted(LoadGenerator):
        def open_loop(self, schedule_s):
            raise KeyboardInterrupt

    class Watched(LiveBatcher):
        def close(self, cancel=False):
            super().close(cancel)
            ended.append((cancel, self._worker.is_alive()))

    monkeypatch.setattr(experiment, "LoadGenerator", Interrupted)
    monkeypatch.setattr(experiment, "LiveBatcher", Watched)
    with pytest.raises(KeyboardInterrupt):
        live(lambda rows: rows)
    assert ended == [(True, False)]


def test_levels_are_shares_of_what_one_at_a_time_manages():
    runs = experiment.live_levels(lambda rows: rows, ROW, AffineService(1.5, 0.5), shares=(0.5, 1.0), seconds=0.1)
    assert [r.name for r in runs] == ["50 %, delay 0.0 ms", "50 %, delay 3.0 ms", "100 %, delay 0.0 ms", "100 %, delay 3.0 ms"]
    half, _, whole, _ = (r.result.arrivals_s for r in runs)  # 500 per s is all that 2 ms a request allow
    assert len(half) == 25 and len(whole) == 50 and np.allclose(half, 2 * whole[:25])


ARENA = """
import json, sys
from utils.serving.batching import experiment, export_pair
_, free = export_pair(experiment.small_cnn(), experiment.SAMPLE, 6, sys.argv[1])
print(json.dumps(dict(experiment.arena_steps(free, large=256))))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_grows_with_a_large_batch_and_goes_back_on_request(tmp_path):
    # In a process of its own: what earlier tests freed would be taken again, and nothing would grow.
    done = subprocess.run([sys.executable, "-c", ARENA, str(tmp_path)], capture_output=True, text=True, check=True)
    steps = json.loads(done.stdout)
    large, kept, shrunk = steps.values()
    # the first feature map alone has 256 x 16 x 48 x 48 float32 values, 36 MiB; the arena gives back whole regions, and
    # the region that holds the answer stays: by the addresses that may be the largest
    assert large > 36 and kept > 0.8 * large and shrunk < kept - 20
    assert next(iter(steps)) == "after a batch of 256"


def test_without_proc_it_says_so(monkeypatch):
    def absent(self):
        raise FileNotFoundError(self)

    monkeypatch.setattr("pathlib.Path.read_text", absent)
    with pytest.raises(EngineUnavailable, match="is not available"):
        experiment.resident_mib()


def test_facts_have_a_source_and_a_day():
    assert all(f.source and f.fact and f.as_of == READ for f in FACTS)


def test_observed_service_takes_medians_and_joins_them():
    service = observed_service([Batch(0, 1, 2), Batch(2, 1, 4), Batch(4, 1, 13), Batch(13, 5, 19)])
    assert [service(n) for n in (1, 3, 5, 9)] == [2, 4, 6, 6]


def test_measured_sizes_go_through_the_batcher():
    seen = []
    took = time_sizes(lambda rows: seen.append(len(rows)) or rows, ROW, (1, 3), rounds=4)
    assert set(took) == {1, 3} and all(ms.shape == (4,) and (ms > 0).all() for ms in took.values())
    assert sorted(seen) == [1] * 6 + [3] * 6  # 2 to warm up, 4 rounds


def test_static_and_dynamic_get_the_same_inputs():
    shapes = []
    told = static_against_dynamic(lambda z: shapes.append(("static", len(z))) or z, lambda z: shapes.append(("dynamic", len(z))) or z, 3, rounds=2)
    assert set(told) == {1, 2, 3}
    assert {n for kind, n in shapes if kind == "static"} == {3} and {n for kind, n in shapes if kind == "dynamic"} == {1, 2, 3}


def test_the_wide_network_through_the_live_batcher():
    run = make_run(wide_mlp(32, 3))
    rows = np.random.default_rng(0).standard_normal((5, 32), np.float32)
    with LiveBatcher(run, 5, max_delay_ms=1e6) as batcher:
        got = np.stack([f.result(20) for f in [batcher.submit(row) for row in rows]])
    assert np.array_equal(got, run(rows)) and got.std() > 0


def test_timeline_and_delay_curve_share_their_arrivals():
    service = AffineService(4, 0.5)
    points = delay_curve(150, 8, (0.0, 6.0), service, n=500, seed=3)
    for point in points:
        run = batcher_timeline(150, 8, point.max_delay_ms, service, n=500, seed=3)
        assert point.mean_ms == pytest.approx(run.latency_ms.mean()) and point.mean_batch == run.mean_batch
        assert point.p99_ms == np.percentile(run.latency_ms, 99, method="inverted_cdf") and point.utilization == run.utilization
    assert points[0].mean_batch < points[1].mean_batch

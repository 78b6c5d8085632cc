"""Chapter 21's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.optional import EngineUnavailable
from utils.serving.batching import AffineService, Batch, simulate_batcher
from utils.serving.batching.experiment import LiveRun
from utils.serving.load import LoadResult
from utils.widgets import ch21_static_vs_dynamic_batching as ch


@pytest.fixture(autouse=True)
def few_requests(monkeypatch):
    monkeypatch.setattr(ch, "REQUESTS", 400)


def number(pattern, told):
    return float(re.search(pattern, told)[1].replace(",", ""))


def by_hand(rate, size, delay, a, b, n):
    """Latencies and batch sizes of a batcher, walked through request by request."""
    arrivals = (1e3 * np.cumsum(np.random.default_rng(0).exponential(1 / rate, n))).tolist()
    free, i, latencies, sizes = 0.0, 0, [], []
    while i < n:
        full = arrivals[i + size - 1] if i + size <= n else np.inf
        start = max(free, min(arrivals[i] + delay, full))
        batch = [t for t in arrivals[i : i + size] if t <= start]
        free = start + a + b * len(batch)
        latencies += [free - t for t in batch]
        sizes.append(len(batch))
        i += len(batch)
    return np.array(latencies), sizes


@pytest.mark.parametrize("delay", [0, 8])
def test_timeline_tells_its_numbers(delay):
    figure, told = ch.draw_timeline(100, 8, delay, 4, 0.5)
    latencies, sizes = by_hand(100, 8, delay, 4, 0.5, 400)
    for q in (50, 99):
        wanted = np.percentile(latencies, q, method="inverted_cdf")
        assert number(rf"p{q} ([\d.,]+) ms", told) == pytest.approx(wanted, rel=0.006)  # three digits
    assert number(r"hold ([\d.]+) requests", told) == pytest.approx(np.mean(sizes), abs=0.051)
    assert ("Without a delay:" in told) == (delay > 0)
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    assert all("(ms)" in figure.axes[i].get_xlabel() for i in (0, 1)) and "(ms" in figure.axes[2].get_ylabel()


def test_overload_is_named():
    assert "Overloaded" in ch.draw_timeline(1200, 8, 5, 4, 0.5)[1]
    assert "100 % busy" in ch.draw_timeline(1200, 1, 0, 0, 5)[1]


def test_policies_tell_the_examples():
    figure, told = ch.draw_policies()
    assert "batches of 4, 3, mean latency 14.0 ms" in told  # (11+10+9+8+27+26+7) / 7
    assert "batches of 4, 2, 1, mean latency 9.9 ms" in told and "batches of 1, 3, 2, 1, mean latency 7.9 ms" in told  # 69/7, 55/7
    assert [ax.get_xlabel() for ax in figure.axes] == ["time (ms)"] * 3 and figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]
    assert ch.policies()._repr_html_().startswith("<img")


def test_buckets_tell_their_numbers():
    figure, told = ch.draw_buckets(2, "mostly small")
    assert "the best are 2, 8, with 380 rows processed for 229 useful ones, 39.7 % padding" in told  # 151 / 380
    assert "(4, 8) have 48.0 % padding" in told  # 90 · 4 + 10 · 8 = 440 rows
    assert figure.axes[0].get_xlabel() == "rows in the request" and "(%" in figure.axes[1].get_ylabel()
    assert "at most 1 bucket: the best is 16" in ch.draw_buckets(1, "two peaks")[1]
    assert "0.0 % padding" in ch.draw_buckets(8, "mostly small")[1]


def test_the_prediction_about_the_second_bucket_holds():
    rows = {b: sum(c * (b if s <= b else 8) for s, c in ch.TRAFFIC["mostly small"].items()) for b in (1, 2, 4)}
    assert rows == {1: 450, 2: 380, 4: 440}


def test_the_prediction_about_the_delay_holds(monkeypatch):
    monkeypatch.setattr(ch, "REQUESTS", 4000)
    with_delay, without = (np.median(by_hand(100, 8, d, 4, 0.5, 4000)[0]) for d in (8, 0))
    assert with_delay > 2 * without


MEASURED = {1: (0.5, 0.1), 2: (0.5, 0.2), 4: (0.5, 0.4)}


def test_measured_static_and_dynamic():
    row = repr(ch.static_table(MEASURED)).splitlines()[1].split()
    assert row == ["1", "0.500", "0.100", "5.0", "75", "%"]
    figure, told = ch.draw_static(MEASURED, AffineService(0, 0.1))
    assert told == "Static takes 0.5 ms for one input and 0.5 ms for 4; dynamic 0.1 and 0.4 ms."
    assert "(ms)" in figure.axes[0].get_ylabel() and ch.static_picture_measured(MEASURED, AffineService(0, 0.1)).text == told
    # 1 / 2 ms = 500 per s; 16 / 5 ms = 3,200 per s
    assert repr(ch.batching_pays({"wide": AffineService(1.8, 0.2)})).splitlines()[1].split()[-3:] == ["500", "3,200", "6.4"]


@pytest.fixture
def runs():
    due = np.arange(50) / 100
    result = LoadResult(due, due + 0.001, due + 0.004)
    predicted = simulate_batcher(1e3 * due, 4, 0, lambda n: 3.0)
    batches = tuple(Batch(10.0 * k, 1, 10.0 * k + 3) for k in range(50))
    return [LiveRun(f"run {k}", result, batches, predicted, predicted) for k in range(6)]


def test_live_runs(runs):
    cells = repr(ch.live_table(runs)).splitlines()[1].split("  ")
    cells = [c.strip() for c in cells if c.strip()]
    # 50 requests in 0.49 s and 4 ms
    assert cells == ["run 0", "50", "0", "101", "4.0 / 4.0", "3.0 / 3.0", "3.0 / 3.0", "1.00 / 1.00", "1.0"]
    figure, told = ch.draw_live(runs)
    assert told.count("4 ms live, 3 ms replayed") == 6 and len(figure.axes) == 3
    assert all("(ms" in ax.get_xlabel() and len(ax.get_legend().get_texts()) == 2 for ax in figure.axes)
    assert ch.live_picture(runs)._repr_html_().startswith("<img")


def test_memory_and_what_is_not_there(monkeypatch):
    monkeypatch.setattr("utils.serving.batching.experiment.arena_steps", lambda model: [("after", 12.4)])
    assert "+12" in repr(ch.arena_table("m.onnx"))

    def absent(*args, **kwargs):
        raise EngineUnavailable("/proc/self/statm is not available: this measurement needs Linux")

    monkeypatch.setattr("utils.serving.batching.experiment.arena_steps", absent)
    assert "needs Linux" in repr(ch.arena_table("m.onnx"))


def test_facts_show_their_day():
    lines = repr(ch.facts_table()).splitlines()
    assert len(lines) == 8 and all(line.rstrip().replace(ch.NO_BREAK, "-").endswith("2026-11-27") for line in lines[1:])


def test_tensorrt_cell(monkeypatch):
    def absent(*args, **kwargs):
        raise EngineUnavailable("tensorrt is not available: get it")

    monkeypatch.setattr(ch, "build_tensorrt_engine", absent)
    assert "tensorrt is not available: get it. There, this cell builds an engine" in repr(ch.tensorrt_cell("m.onnx"))

    class Runner:
        def __init__(self, engine, strategy):
            self.used = []

        def use_profile(self, index):
            self.used.append(index)

        def run(self, x):
            assert self.used[-1] == (len(x) > 1)

        def memory_bytes(self):
            return {"STATIC": 80, "ON_PROFILE_CHANGE": [10, 80]}

    monkeypatch.setattr(ch, "build_tensorrt_engine", lambda *a: b"plan")
    monkeypatch.setattr(ch, "TensorRTRunner", Runner)
    told = repr(ch.tensorrt_cell("m.onnx"))
    assert "STATIC 80 bytes, by profile [10, 80]" in told and told.count("(2, 4, 8)") == 3


def test_shells_and_static_picture():
    for figure, knob, value, wanted in ((ch.timeline(), "requests per second", 900, "900 requests/s"), (ch.buckets(), "buckets", 3, "290 rows")):
        *_, view = figure.children
        knobs = {k.description: k for k in view.children[1].children}
        knobs[knob].value = value
        assert wanted in view.children[3].value
    assert len(ch.static_picture().axes) == 3

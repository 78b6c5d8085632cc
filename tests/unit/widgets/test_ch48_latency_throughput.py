"""Chapter 48's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.serving.load import LoadResult
from utils.serving.load_levels import LoadLevel
from utils.widgets import ch48_latency_throughput as ch


@pytest.fixture(autouse=True)
def few_requests(monkeypatch):
    monkeypatch.setattr(ch, "REQUESTS", 3000)


def by_hand(rate, service_ms, n):
    """Latencies of a constant-service queue, request by request, from the same arrivals."""
    arrivals, end, told = np.cumsum(np.random.default_rng(0).exponential(1 / rate, n)), 0.0, []
    for arrival in arrivals:
        end = max(end, arrival) + service_ms / 1e3
        told.append((end - arrival) * 1e3)
    return np.array(told[n // 10 :])


def test_hockey_stick_tells_its_numbers():
    figure, told = ch.draw_hockey(80, 10, "constant", 1, False)
    latencies = by_hand(80, 10, 3000)
    for q in (50, 95, 99):
        found = float(re.search(rf"p{q} ([\d.,]+) ms", told)[1].replace(",", ""))
        wanted = np.percentile(latencies, q, method="inverted_cdf")
        assert found == pytest.approx(wanted, rel=0.006)  # three digits
    assert "80 % busy" in told and f"{latencies.mean() / 10:.1f} times its service" in told
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
    assert "(ms)" in figure.axes[0].get_xlabel() and "(%)" in figure.axes[1].get_xlabel()


def test_the_closed_loop_hides_the_queue():
    told = ch.draw_hockey(95, 10, "constant", 1, True)[1]
    assert "p50 10 ms, p95 10 ms, p99 10 ms" in told and "closed loop" in told


def test_overload_and_slow_requests_are_named():
    figure, told = ch.draw_hockey(120, 10, "constant", 1, False)
    assert "Overloaded" in told and "120 % busy" in told
    assert figure.axes[1].get_xlim()[1] > 120
    told = ch.draw_hockey(240, 10, "1 % slow", 3, False)[1]
    # 1 % slow of scv 4: 10 (1 + sqrt(4 · 99)) = 209 ms and 10 (1 − sqrt(4 / 99)) = 7.99 ms
    assert "3 servers" in told and "7.99 ms, but 209 ms" in told
    assert ch.draw_hockey(5, 2, "exponential", 8, False)[1].startswith("Simulated: 5 requests/s to 8 servers")


def test_three_requests_and_the_stall():
    figure, told = ch.draw_three_requests()
    assert "latencies of 0.5 s, 0.5 s, 0.5 s" in told and figure.axes[0].get_xlabel() == "time (s)"
    figure, told = ch.draw_stall()
    # request 500 + k waits 1000 - 9 k ms: 110 of them more than 10 ms; the 990th smallest of 1,000 is k = 10
    assert "110 take longer than 10 ms" in told and "p99 is 910 ms" in told and "p99 is 1 ms" in told
    assert all("(s)" in ax.get_xlabel() for ax in figure.axes) and "(ms)" in figure.axes[0].get_ylabel()
    assert ch.stall()._repr_html_().startswith("<img") and ch.three_requests().text.startswith("Services")


@pytest.fixture
def levels():
    starts = np.arange(100.0)
    idle = LoadResult(starts, starts, starts + 0.5)
    late = LoadResult(starts, starts + 0.25, starts + 0.75)
    return [LoadLevel("closed loop, 1 client", 1.0, idle, idle.latency_ms), LoadLevel("open loop, 60 %", 0.6, late, late.service_ms)]


def test_measured_levels(levels):
    lines = repr(ch.level_table(levels)).splitlines()
    assert lines[1].split()[:4] == ["closed", "loop,", "1", "client"] and "500.0 … ?" in lines[1]  # 100 samples: no upper end
    assert "750.0" in lines[2] and "50 %" in lines[2]
    figure, told = ch.draw_levels(levels)
    assert "closed loop, 1 client 500 ms, open loop, 60 % 750 ms" in told
    (ax,) = figure.axes
    assert "(ms" in ax.get_xlabel() and "(%)" in ax.get_ylabel() and len(ax.get_legend().get_texts()) == 2
    assert ch.level_picture(levels)._repr_html_().startswith("<img")


def test_batch_table():
    row = repr(ch.batch_table({1: 2.0, 8: 4.0})).splitlines()[2].split()
    assert row == ["8", "4.00", "2,000", "250"]


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "No GPU here" in repr(ch.gpu_sync())
    monkeypatch.setattr(ch, "cuda_with_and_without_sync", lambda: {"with synchronisation": 1.25, "without": 0.01})
    assert "1.250" in repr(ch.gpu_sync())


def test_shell_and_static_picture():
    figure = ch.hockey_stick()
    *_, view = figure.children
    knobs = {k.description: k for k in view.children[1].children}
    knobs["measure in a closed loop"].value = True
    assert "closed loop" in view.children[3].value
    assert len(ch.static_picture().axes) == 2

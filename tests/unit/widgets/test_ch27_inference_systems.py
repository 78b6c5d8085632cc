"""Chapter 27's figures: their sentences against independent simulations, and the simulations against formulas."""

import re

import numpy as np
import pytest

from utils.optional import EngineUnavailable
from utils.serving.inference_service.levels import ServiceLevel, ServiceRun
from utils.serving.load import LoadResult
from utils.serving.queueing import erlang_c, min_replicas, mm1_time_s, mmc_metrics
from utils.serving.queueing.figures import BURST, burst_arrivals, latency_curve, overload
from utils.widgets import ch27_inference_systems as w


def labelled(figure):
    return all(ax.get_xlabel() or ax.get_ylabel() for ax in figure.axes)


def test_curves_against_the_formulas():
    # 18,000 requests at 80 % are worth about 180 independent ones for the mean: a quarter is more than three deviations
    one = latency_curve(20, 1.0, 1, True)
    at = one.utilization.index(0.8)
    assert one.mean_ms[at] == pytest.approx(1e3 * mm1_time_s(40, 0.02), rel=0.25)
    four = latency_curve(20, 1.0, 4, True)
    assert four.mean_ms[at] == pytest.approx(1e3 * mmc_metrics(160, 0.02, 4).time_s, rel=0.15)
    split = latency_curve(20, 1.0, 4, False)  # a random line each: four queues of one server
    assert split.mean_ms[at] == pytest.approx(1e3 * mm1_time_s(40, 0.02), rel=0.25)
    assert list(four.p99_ms) == sorted(four.p99_ms) and all(a < b for a, b in zip(four.p99_ms, split.p99_ms))
    assert four.highest_within(1e9) == 0.95 and four.highest_within(1.0) is None
    assert four.highest_within(four.p99_ms[3]) == four.utilization[3]


def test_burst_arrivals_follow_the_path():
    times = burst_arrivals(1000.0, rng=np.random.default_rng(1))
    assert (np.diff(times) >= 0).all() and times[0] >= 0 and times[-1] <= sum(s for _, s in BURST)
    begin = 0.0
    for share, seconds in BURST:
        count = int(np.sum((times >= begin) & (times < begin + seconds)))
        expected = share * 1000 * seconds
        assert abs(count - expected) < 5 * expected**0.5  # five standard deviations of a Poisson count
        begin += seconds
    with pytest.raises(ValueError, match="capacity_per_s"):
        burst_arrivals(0, rng=np.random.default_rng(0))


def test_overload_counts():
    calm, stuck = overload("fifo", 1000, 0), overload("fifo", 1000, 1)
    assert len(calm.begin_s) == 60 and calm.begin_s[-1] == 590
    assert (calm.good_per_s <= 20 + 0.1).all()  # the capacity; a service may end in the next interval
    assert calm.good_per_s[-1] > 10 and stuck.good_per_s[-1] == 0 and stuck.queue_len[-1] > stuck.queue_len[30]
    assert stuck.tries_per_s.sum() == pytest.approx(2 * calm.tries_per_s.sum(), rel=0.15)  # nearly all come twice


def test_latency_sentence():
    figure, told = w.draw_latency_curve(20, "exponential", 4, "one line", 100)
    curve, other = latency_curve(20, 1.0, 4, True), latency_curve(20, 1.0, 4, False)
    assert labelled(figure) and f"p99 {curve.p99_ms[5]:.0f} ms" in told and f"p99 is {other.p99_ms[5]:.0f} ms" in told
    needed = min_replicas(500, 20, 100, 0.99)
    assert f"10 Erlang needs {needed} replicas" in told and needed > 11 and erlang_c(needed, 10) < 0.5
    assert "no number of replicas" in w.draw_latency_curve(50, "constant", 1, "a line each", 100)[1]
    assert "every simulated load" in w.draw_latency_curve(50, "constant", 2, "a line each", 20)[1]


@pytest.mark.parametrize(("policy", "retries", "well"), [("fifo", 0, True), ("fifo", 1, False), ("shed", 1, True), ("lifo", 3, True)])
def test_overload_sentence(policy, retries, well):
    figure, told = w.draw_overload(policy, 1000, retries)
    answered = float(re.search(r"and ([\d.]+) answers", told)[1])
    assert labelled(figure) and (answered > 10) == well and ("1 retry" in told) == (retries == 1)


def test_deadline_sentence_and_overview():
    figure, told = w.draw_deadlines()
    assert labelled(figure) and "fifo 4, shed 7, lifo 6" in told
    figure, told = w.draw_overview()
    assert labelled(figure) and "fifo with one retry 0.0/s" in told and w.static_picture() is not None
    assert w.deadlines().text


@pytest.fixture
def run():
    due = np.linspace(0, 1, 50)
    quick = LoadResult(due, due, due + 0.004)
    late = LoadResult(due, due, due + 0.004 + 0.5 * due)
    none = LoadResult(due[:0], due[:0], due[:0])
    levels = (ServiceLevel("30 %", 0.3, 50, 0, quick, np.full(50, 0.004)), ServiceLevel("120 %", 1.2, 50, 0, late, np.full(50, 0.04)),
              ServiceLevel("120 % with a deadline", 1.2, 50, 50, none, np.array([])))
    return ServiceRun(4.0, 48.0, levels)


def test_level_table_and_picture(run):
    text = w.level_table(run).text
    rows = [line for line in text.splitlines() if "%" in line]
    assert rows[0].split()[-1] == "50" and "unstable" in rows[1] and " 50 " in rows[2]
    late_in_time = int(np.sum(0.004 + 0.5 * np.linspace(0, 1, 50) <= 0.048))
    assert rows[1].split()[-1] == str(late_in_time)
    figure, told = w.draw_levels(run)
    assert labelled(figure) and "30 % 4 ms" in told and w.level_picture(run).text == told


def test_gpu_cell_without_and_with_one(monkeypatch):
    def none(model, x):
        raise EngineUnavailable("CUDAExecutionProvider is not available: ...")

    monkeypatch.setattr(w, "cuda_runs", none)
    assert "No GPU" in w.gpu_batching(b"", np.zeros(1)).text
    monkeypatch.setattr(w, "cuda_runs", lambda model, x: {"one at a time": 1234.0, "batches of up to 32": 9876.0})
    assert "1,234" in w.gpu_batching(b"", np.zeros(1)).text


def test_explorers_ask_first():
    for view in (w.latency_explorer(), w.overload_explorer()):
        assert "Guess first" in view.children[0].value and view.children[-1].layout.display == "none"

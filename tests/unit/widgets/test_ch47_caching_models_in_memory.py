"""Chapter 47's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.serving.model_cache import HammerResult, LoadBench, LoadRow, LoadTiming, replay_bench
from utils.serving.model_cache.cache import CacheStats
from utils.widgets import ch47_caching_models_in_memory as ch


def lru_by_hand(trace, sizes, costs, capacity):
    """(hits, load cost) with a plain list."""
    held, hits, paid = [], 0, 0.0
    for name in trace:
        if name in held:
            hits += 1
            held.remove(name)
        else:
            paid += costs[name]
            if sizes[name] > capacity:
                continue
            while sum(sizes[n] for n in held) + sizes[name] > capacity:
                held.pop(0)
        held.append(name)
    return hits, paid


@pytest.mark.parametrize("kind", ch.KINDS)
def test_the_cache_tells_its_numbers(kind):
    figure, told = ch.draw_cache(0.9, 40, 12, "LRU", kind, False)
    sizes, costs = ch.model_set(12, kind)
    trace = ch.zipf_trace(12, ch.REQUESTS, 0.9, 0)
    hits, paid = lru_by_hand(trace, sizes, costs, 0.4 * sum(sizes))
    assert f"{sum(sizes)} GB" in told and f"hit rate of {100 * hits / 400:.0f} %" in told
    assert f"LRU {paid:,.0f} s" in told and f"without a cache {sum(costs[n] for n in trace):,.0f} s" in told
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes) and "seconds" in figure.axes[1].get_ylabel()
    lines = {line.get_label(): line for line in figure.axes[1].get_lines()}
    assert set(lines) == {"without a cache", *ch.POLICIES}
    assert lines["LRU"].get_ydata()[-1] == paid and lines["LRU"].get_linewidth() == 3


def test_bars_are_stays_and_ticks_are_misses():
    figure, _ = ch.draw_cache(0.9, 40, 6, "LRU", ch.KINDS[2], False)
    trace = ch.zipf_trace(6, ch.REQUESTS, 0.9, 0)
    bars = {(round(b.get_x()), round(b.get_y() + b.get_height() / 2)): b for b in figure.axes[0].patches}
    misses = {round(x): round(y) for line in figure.axes[0].get_lines() if line.get_label().startswith("miss")
              for x, y in zip(*line.get_data())}
    hits = {round(x): round(y) for line in figure.axes[0].get_lines() if line.get_label() == "hit" for x, y in zip(*line.get_data())}
    assert len(misses) + len(hits) == ch.SHOWN and not set(misses) & set(hits)
    assert all(trace[x] == y for x, y in {**misses, **hits}.items())
    assert all((x, y) in bars for x, y in misses.items()), "every load begins a stay"


def test_changing_favourites_and_extremes():
    figure, told = ch.draw_cache(1.2, 40, 24, "Belady", ch.KINDS[0], True)
    assert "favourites change halfway" in told and "vertical line" in figure.axes[1].get_title(loc="left")
    _, told = ch.draw_cache(0, 100, 4, "LFU", ch.KINDS[0], False)
    assert "hit rate of 99 %" in told  # 4 loads in 400 requests
    _, told = ch.draw_cache(1.6, 5, 4, "GreedyDual-Size", ch.KINDS[2], False)
    assert "hit rate of 0 %" in told  # no model fits


def test_gaps():
    figure, told = ch.draw_gaps()
    assert told == "Timeout 5 s: held for 13.5 s, 2 reloads at 5, together 23.5. Who knows the future pays 13.5."
    assert figure.axes[0].get_xlabel() == "time (s)" and ch.gaps_picture()._repr_html_().startswith("<img")


@pytest.mark.parametrize("pattern", ch.PATTERNS)
def test_the_timeout_tells_its_numbers(pattern):
    figure, told = ch.draw_timeout(60, 70, pattern, 30)
    gaps = ch.gap_pattern(pattern, 70)
    here = np.mean(np.minimum(gaps, 30) + 60 * (gaps > 30))
    best = np.mean(np.minimum(gaps, 60))
    assert f"costs {here:.3g} a request" in told and f"{here / best:.2f} times the optimum of {best:.3g}" in told
    assert float(re.search(r"([\d.]+) times the optimum\.$", told)[1]) <= 2
    (ax,) = figure.axes
    assert "(s" in ax.get_xlabel() and "seconds of holding" in ax.get_ylabel() and len(ax.get_legend().get_texts()) == 5
    assert 50 < ch.gap_pattern(pattern, 70, 4000).mean() < 90


@pytest.fixture
def bench():
    rows = (LoadRow("plain", True, LoadTiming(10, 30, 2), 0.0, 1.0, 1.0), LoadRow("meta", True, LoadTiming(3, 1, 24), 0.0, 0.01, 1.0))
    return LoadBench(rows, 25_200_000, 2.5, True)


def test_loads(bench):
    told = repr(ch.load_table(bench)).splitlines()
    assert told[0].startswith("25.2 MB") and "2.5 ms" in told[0]
    assert told[3].split()[2:] == ["3.0", "1.0", "24.0", "28.0", "0", "%", "1", "%", "100", "%"]
    figure, told = ch.draw_loads(bench)
    assert "plain, cold 42 ms, meta, cold 28 ms" in told and "(ms)" in figure.axes[0].get_xlabel()
    assert ch.load_picture(bench)._repr_html_().startswith("<img")
    without = LoadBench((LoadRow("plain", False, LoadTiming(1, 1, 1), None, None, None),), 10, 1.0, False)
    assert "no cold rows" in repr(ch.load_table(without)) and "not told" in repr(ch.load_table(without))


def test_tables():
    told = repr(ch.replay_table(replay_bench(requests=50)))
    assert "GreedyDual-Size" in told and "50 simulated requests" in told
    stats = CacheStats(hits=5, misses=2, joined=1, loads=2, peak_bytes=2000)
    row = repr(ch.hammer_table({"all": HammerResult(stats, 8, 2, 0, 4000)})).splitlines()[1].split()
    assert row == ["all", "8", "2", "2", "5", "1", "0", "2", "4", "0"]
    memory, disk = (line.split() for line in repr(ch.swap_table(14e9, gpu_gb_s=25, disk_gb_s=6)).splitlines()[2:4])
    assert memory == ["host", "memory", "25", "0.56", "1.12"]
    assert disk == ["disk", "6,", "then", "25", "2.89", "3.45"]  # 14 / 6 + 14 / 25, and 14 / 25 out again
    lines = repr(ch.policy_costs("ABAB", {"A": 1, "B": 1}, {"A": 1, "B": 2}, 2)).splitlines()
    assert lines[1].split() == ["LRU", "2", "3", "0"]


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "No GPU here" in repr(ch.gpu_copies())
    monkeypatch.setattr(ch, "cuda_copy_rates", lambda: {"pageable": 5.0, "pinned": 25.0})
    assert "0.56" in repr(ch.gpu_copies())


def test_shells_and_static_picture():
    for figure, knob, value, word in ((ch.cache_explorer(), "policy", "Belady", "Belady has"),
                                      (ch.timeout_explorer(), "gaps", "random", "random, mean")):
        *_, view = figure.children
        knobs = {k.description: k for k in view.children[1].children}
        knobs[knob].value = value
        assert word in view.children[3].value
    assert len(ch.static_picture().axes) == 2

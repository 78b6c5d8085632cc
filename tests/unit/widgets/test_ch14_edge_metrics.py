"""Chapter 14's figures: the numbers of their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.cost.edge_metrics import Candidate
from utils.widgets import ch14_edge_metrics as ch
from utils.widgets.edge_candidates import CANDIDATES

DEFAULT = (95, 60, 128, 4, 20, 35, "energy a frame")


def by_name(name):
    return next(c for c in CANDIDATES if c["name"] == name)


def labelled(figure):
    return all(ax.get_xlabel() for ax in figure.axes) and figure.axes[0].get_ylabel()


def test_cockpit_tells_its_numbers():
    figure, told = ch.draw_cockpit(*DEFAULT)
    c = by_name("fast NPU, INT8, full width")
    busy = 20 * c["latency_ms"] / 1000
    mean_w = busy * c["active_w"] + (1 - busy) * c["idle_w"]
    assert "2 of 18 candidates survive." in told and f"{c['name']}, {1000 * mean_w / 20:.0f} mJ a frame" in told
    assert f"{mean_w:.2f} W on average" in told
    after = 35 + 9 * mean_w * (1 - np.exp(-600 / 250))
    assert f"is at {after:.0f} °C after 10 minutes" in told
    flat = 250 * np.log(54 / (54 - 50))  # 6 W · 9 K/W = 54 K above 35 °C, limit 50 K above
    assert f"85 °C after {flat:.0f} s (modelled)" in told
    assert labelled(figure) and "mJ" in figure.axes[0].get_xlabel() and "(°C)" in figure.axes[1].get_ylabel()


def test_price_prefers_another_device_than_energy():
    assert "Smallest price: slow chip, INT8, full width, 120 mJ" in ch.draw_cockpit(*DEFAULT[:6], "price")[1]


def test_the_interval_decides():
    """478 of 497 are 96.2 %, but the interval begins at 94.1 %."""
    assert by_name("fast NPU, INT8, half width")["accuracy"] > 0.96
    assert "full width" in ch.draw_cockpit(*DEFAULT)[1]
    told = ch.draw_cockpit(94, 60, 128, 4, 20, 35, "energy a frame")[1]
    assert "slow chip, INT8, half width, 64 mJ" in told


def test_hot_days_and_nobody():
    told = ch.draw_cockpit(95, 60, 128, 15, 100, 70, "p99")[1]
    c = by_name("fast NPU, INT8, full width")
    mean_w = 0.9 + 5.1 * c["latency_ms"] / 10
    at = 250 * np.log(9 * mean_w / (9 * mean_w - 15))
    assert f"reaches 85 °C after {at:.0f} s" in told
    sustained = (15 / 9 - 0.9) / 5.1 * 1000 / c["latency_ms"]
    assert f"can sustain {sustained:.1f} fps" in told
    figure, told = ch.draw_cockpit(98.5, 60, 128, 4, 20, 35, "price")
    assert "None of the 18 candidates survives. The hardest limit is accuracy, which 18" in told
    assert "no candidate survives" in [t.get_text() for t in figure.axes[1].texts]


def test_race_and_heat():
    figure, told = ch.draw_race()
    assert "the sprinter 280 mJ (2.80 W) and the walker 280 mJ (2.80 W)" in told and labelled(figure)
    assert "the sprinter 240 mJ (2.40 W) and the walker 260 mJ (2.60 W)" in ch.draw_race(0.5, 10)[1]
    figure, told = ch.draw_heat()
    assert "15 W reach it after 193 s, 12 W never cross it" in told and labelled(figure)
    assert ch.race()._repr_html_().startswith("<img") and ch.heat().text.startswith("Modelled")


def test_report():
    rows = [Candidate("a", 489, 497, 0.05, 2.0, 60.2, 0.6069, 0.1032, "modelled"),
            Candidate("b", 478, 497, 0.02, 0.1, None, 0.1548, 2.5, "measured"),
            Candidate("c", 478, 497, 0.02, 0.1, None, 0.1548, None)]
    lines = repr(ch.report_table(rows, 47.9)).splitlines()
    assert "no model peaks at 48 MB" in lines[0]
    assert "96.9 … 99.2 %" in lines[2] and "607" in lines[2] and "103.2 (modelled)" in lines[2]
    assert "2,500.0 (measured)" in lines[3] and lines[4].count("unknown") == 2
    assert repr(ch.report_table(rows)).startswith("network")


def test_paired():
    right = {"a": np.array([True] * 30 + [False] * 10), "b": np.array([False] * 30 + [True] * 10),
             "c": np.array([True] * 28 + [False] * 12)}
    lines = repr(ch.paired_table(right)).splitlines()
    assert lines[1].split()[:4] == ["b", "30", "10", "0.0022"] and "real difference" in lines[1]
    assert lines[2].split()[:4] == ["c", "2", "0", "0.5000"] and "not significant" in lines[2]


def test_tail():
    rng = np.random.default_rng(0)
    figure, told = ch.draw_tail({50: rng.exponential(1, 50), 1000: rng.exponential(1, 1000)})
    assert "50 runs" in told and "no upper end" in told.split(";")[0] and "no upper end" not in told.split(";")[1]
    low, high = map(float, re.search(r"1,000 runs: [\d.]+ ms \(([\d.]+) … ([\d.]+)\)", told).groups())
    assert low < np.log(100) < high  # the true p99
    assert "(ms" in figure.axes[0].get_xlabel()
    assert ch.tail_picture({5: np.ones(5)})._repr_html_().startswith("<img")


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "No GPU" in repr(ch.gpu_energy())


def test_shell_and_static_picture():
    question, row, told, view = ch.cockpit().children
    assert "Guess first" in question.value and view.layout.display == "none"
    row.children[0].click()
    assert "✗" in told.value and view.layout.display == ""
    knobs = {k.description: k for k in view.children[1].children}
    knobs["smallest"].value = "price"
    assert "slow chip" in view.children[3].value
    assert len(ch.static_picture().axes) == 2


def test_the_guess_is_true():
    slow, fast = by_name("slow chip, INT8, full width"), by_name("fast NPU, INT8, full width")
    assert slow["latency_ms"] == pytest.approx(47, abs=0.5) and fast["latency_ms"] == pytest.approx(6.3, abs=0.05)
    energies = [50 * c["idle_w"] + (c["active_w"] - c["idle_w"]) * c["latency_ms"] for c in (slow, fast)]
    assert energies == pytest.approx([120, 77], abs=0.6)

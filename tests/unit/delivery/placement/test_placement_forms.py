"""The choice between forms, and the cascade."""

import numpy as np
import pytest

from utils.delivery.placement import (
    Form,
    Link,
    Tariff,
    Workload,
    cascade,
    cascade_break_even,
    cascade_cost,
    cascade_curve,
    choose_form,
    deadline_hit_rate,
    digits_cascade,
    evaluate_form,
)
from utils.delivery.placement.examples import example_forms, example_workload


def test_each_form_wins_somewhere():
    chosen = [choose_form(example_forms(rate), example_workload(*w))[0] for rate, w in (
        (20, (150, 220_000)), (20, (200, 220_000)), (20, (150, 400_000)), (20, (150, 2_000_000)), (50, (150, 1_000_000, False, False)))]
    assert chosen == ["vehicle", "cloud", "edge server", "device", "split"]


def test_nothing_may_fit_and_all_reasons_are_told():
    chosen, rejected = choose_form(example_forms(), example_workload(10, 1000, True, False))
    assert chosen is None and rejected["cloud"] == ["needs a network", "raw data leaves", "0.0% within 10 ms"]
    assert rejected["device"] == ["0.0% within 10 ms"] and list(rejected) == [f.name for f in example_forms()]


def test_limits_are_not_bought_back():
    cheap = Form("cheap", 5, Tariff(per_1k=0.001), Link(100, 5, 10), raw_data_leaves=True)
    dear = Form("dear", 5, Tariff(1e6, None), energy_j=2.0)
    w = Workload(1000, 100, 0.9, 10_000)
    assert choose_form([cheap, dear], w) == ("cheap", {})
    assert choose_form([cheap, dear], Workload(1000, 100, 0.9, 10_000, raw_data_may_leave=False))[0] == "dear"
    assert choose_form([cheap, dear], Workload(1000, 100, 0.9, 10_000, max_energy_j=1))[1] == {"dear": ["2 J a request"]}
    assert choose_form([dear, Form("equal", 5, Tariff(1e6, None))], w)[0] == "dear"  # the first among equals


def test_numbers_of_a_verdict():
    w = example_workload()
    cloud, split = (evaluate_form(next(f for f in example_forms() if f.name == name), w) for name in ("cloud", "split"))
    assert cloud.hit_rate == deadline_hit_rate(150_000, 20, 20, 40, 120, 150) and cloud.monthly_cost == pytest.approx(176)
    assert cloud.usd_per_million == pytest.approx(800) and cloud.as_dict()["broken"] == ["88.2% within 150 ms"]
    assert split.hit_rate == pytest.approx(deadline_hit_rate(50_000, 20, 45, 40, 120, 150))
    assert evaluate_form(example_forms()[0], example_workload(90)).hit_rate == 1.0  # exactly at the deadline
    assert evaluate_form(example_forms()[0], example_workload(monthly_requests=0)).usd_per_million == 0


def test_cascade_against_a_loop():
    rng = np.random.default_rng(4)
    confidence, small, big = rng.random(200), rng.random(200) < 0.7, rng.random(200) < 0.95
    for threshold in (0, 0.3, 0.9, 1.1):
        right = sum(bool(b if c < threshold else s) for c, s, b in zip(confidence, small, big))
        sent = sum(c < threshold for c in confidence)
        assert cascade(confidence, small, big, threshold) == (pytest.approx(right / 200), pytest.approx(sent / 200))
    assert cascade([0.5], [True], [False], 0.5) == (1.0, 0.0)  # at the threshold it stays
    for bad in (([], [], []), ([0.1], [True], [True, False])):
        with pytest.raises(ValueError, match="one length above 0"):
            cascade(*bad, 0.5)


def test_cascade_costs():
    assert cascade_cost(2, 10, 0.3) == 5 and cascade_break_even(2, 10) == 0.8 and cascade_break_even(20, 10) == 0
    assert cascade_cost(2, 10, cascade_break_even(2, 10)) == pytest.approx(10)


def test_the_digits_cascade_gains_by_sending():
    both = digits_cascade()
    points = cascade_curve(both["confidence"], both["small_ok"], both["big_ok"], [0, 0.4, 0.6, 1.01])
    assert [p.upload_share for p in points] == sorted(p.upload_share for p in points) and points[-1].upload_share == 1
    assert points[0].accuracy < points[1].accuracy < points[2].accuracy <= points[-1].accuracy + 0.01
    assert 10 * both["small_bytes"] < both["big_bytes"]
    unsure = both["confidence"] < 0.6
    wrong = ~both["small_ok"]
    assert (wrong & unsure).sum() > 0.8 * wrong.sum() and unsure.mean() < 0.4  # most mistakes are among the unsure ones

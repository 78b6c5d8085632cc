"""Pipelines: Amdahl's limit, the inverse of the sum, and the loop's order and stop rules."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.roofline.speedup import amdahl
from utils.delivery.tradeoff.pipeline import Knob, optimize_loop, pipeline_ms, required_speedup

times = st.floats(0.01, 1000)
APP = {"pre": 4.0, "model": 12.0, "post": 2.0}


@given(st.dictionaries(st.sampled_from("abcdef"), times, min_size=1), st.data())
def test_the_required_factor_gives_the_target(stages, data):
    stage = data.draw(st.sampled_from(sorted(stages)))
    factor = data.draw(st.floats(1, 1e4))
    target = pipeline_ms(stages, {stage: factor})
    # the subtraction target - rest loses digits where the stage is a small part of the target
    tolerance = 1e-12 * target / (stages[stage] / factor) + 1e-12
    assert required_speedup(stages, stage, target) == pytest.approx(factor, rel=tolerance)


@given(st.floats(0.01, 0.99), st.floats(1, 1e9))
def test_the_sum_agrees_with_amdahl(share, factor):
    stages = {"this": share, "rest": 1 - share}
    overall = pipeline_ms(stages) / pipeline_ms(stages, {"this": factor})
    assert overall == pytest.approx(amdahl(share, factor), rel=1e-12)
    assert overall <= 1 / (1 - share) * (1 + 1e-12)


@pytest.mark.parametrize(("target", "factor"), [(10, 3.0), (6, math.inf), (5, math.inf), (18, 1.0), (20, 1.0)])
def test_edges(target, factor):
    assert required_speedup(APP, "model", target) == factor


def test_errors():
    with pytest.raises(ValueError, match="stage must be one of pre, model, post"):
        required_speedup(APP, "net", 10)
    with pytest.raises(ValueError, match="stage must be one of"):
        pipeline_ms(APP, {"net": 2})
    with pytest.raises(ValueError, match="target_ms must be positive"):
        required_speedup(APP, "model", 0)
    with pytest.raises(ValueError, match="stage pre must be positive"):
        required_speedup(APP | {"pre": 0}, "model", 10)
    with pytest.raises(ValueError, match="model must be positive"):
        pipeline_ms(APP, {"model": 0})


def test_the_loop_turns_the_best_knob_of_the_slowest_stage_and_stops_at_the_target():
    knobs = [Knob("dear", "model", 4, 9), Knob("cheap", "model", 3, 1), Knob("elsewhere", "post", 100, 0.01)]
    steps = optimize_loop(APP, knobs, 10)
    assert [(s.knob, s.before_ms, s.after_ms, s.verdict) for s in steps] == [("cheap", 18, 10, "kept")]
    assert optimize_loop(APP, knobs, 18) == []


def test_the_loop_goes_on_to_the_next_stage_and_ends_when_only_noise_is_promised():
    knobs = [Knob("a", "model", 6, 1), Knob("b", "pre", 2, 1), Knob("c", "post", 1.01, 1)]
    steps = optimize_loop(APP, knobs, 1, noise_ms=0.05)
    assert [s.knob for s in steps] == ["a", "b"]  # c would gain 0.02 ms
    assert steps[-1].after_ms == 2 + 2 + 2


def test_what_brings_nothing_or_is_refused_is_undone():
    knobs = [Knob("slower", "model", 4, 1, measured=0.8), Knob("worse", "model", 3, 1, passes_gate=False),
             Knob("honest", "model", 2, 1, measured=1.5)]
    steps = optimize_loop(APP, knobs, 9)
    assert [(s.knob, s.after_ms, s.verdict) for s in steps] == [
        ("slower", 18, "no gain: undone"), ("worse", 18, "refused by the gate: undone"), ("honest", 14, "kept")]
    assert [s.predicted_ms for s in steps] == [9, 10, 12]
    assert steps[0].as_dict()["stage"] == "model"


def test_the_loop_refuses_nonsense():
    with pytest.raises(ValueError, match="stage must be"):
        optimize_loop(APP, [Knob("x", "net", 2, 1)], 9)
    with pytest.raises(ValueError, match="days of x must be positive"):
        optimize_loop(APP, [Knob("x", "model", 2, 0)], 9)


@given(st.lists(st.tuples(st.sampled_from(sorted(APP)), st.floats(1.01, 10), st.floats(0.1, 9), st.floats(0.5, 10)),
                max_size=6), st.floats(1, 20))
def test_time_never_grows_and_no_knob_is_tried_twice(rows, target):
    knobs = [Knob(str(i), stage, predicted, days, measured) for i, (stage, predicted, days, measured) in enumerate(rows)]
    steps = optimize_loop(APP, knobs, target)
    assert len({s.knob for s in steps}) == len(steps)
    assert all(s.after_ms <= s.before_ms for s in steps)
    assert all(before.after_ms == after.before_ms for before, after in pairwise(steps))
    assert all(s.before_ms > target for s in steps)

"""The tracer: what it writes down, what a replay gives, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.graphs.torchscript import Proxy, TinyTracer, record, relu, trace

NUMBERS = st.floats(-50, 50, allow_nan=False)


def branch(x):
    return x * 2 + 1 if x > 0 else 3 - x


def doubling(x):
    while x < 100:
        x = x * 2
    return x


def test_a_branch_and_a_loop_are_frozen():
    traced = trace(branch, 2.0)
    assert (traced.ops, traced(-2.0), branch(-2.0)) == (["mul", "add"], -3.0, 5.0)
    assert trace(doubling, 3.0).ops == ["mul"] * 6 and trace(doubling, 3.0)(50.0) == 3200.0


def test_the_text_assigns_each_name_once():
    text = trace(branch, 2.0).graph_text()
    assert text == "graph(%x0):\n  %0 = aten::mul(%x0, 2)\n  %1 = aten::add(%0, 1)\n  return (%1)"
    tape, _ = record(branch, [2.0])
    assert "  guard %0 is True" in tape.graph_text().splitlines()


@pytest.mark.parametrize("fn, ops", [
    (lambda x, y: x - y * 2, ["mul", "sub"]), (lambda x, y: (3 - x) / y, ["sub", "div"]),
    (lambda x, y: -(x + y) ** 2, ["add", "pow", "neg"]), (lambda x, y: np.tanh(x) + np.exp(y), ["tanh", "exp", "add"]),
    (lambda x, y: relu(x) - np.maximum(y, 0), ["relu", "maximum", "sub"]),
    (lambda x, y: np.where(x > y, x, y), ["gt", "where"]), (lambda x, y: np.array([1.0, 2.0]) * x + abs(y), ["mul", "abs", "add"]),
    (lambda x, y: x @ y, ["matmul"]), (lambda x, y: np.sum(x * y) + np.mean(x), ["mul", "sum", "mean", "add"])])  # fmt: skip
def test_straight_lines_replay_like_the_function(fn, ops):
    rng = np.random.default_rng(0)
    traced = trace(fn, rng.normal(size=2), rng.normal(size=2))
    assert traced.ops == ops
    for _ in range(5):
        x, y = rng.normal(size=2), rng.uniform(1, 2, size=2)
        np.testing.assert_array_equal(traced(x, y), fn(x, y))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_straight_line_is_right_everywhere(example, x, c):
    def fn(v):
        half = v * 0.5
        return (half + c) * half - (c - v)

    assert trace(fn, example)(x) == fn(x)


def test_a_value_used_twice_is_recorded_once():
    def fn(x):
        y = x * x
        return y + y

    assert trace(fn, 3.0).ops == ["mul", "add"] and trace(fn, 3.0)(5.0) == 50.0


def test_what_leads_nowhere_is_dropped():
    def fn(x):
        x * 100
        return x + 1

    assert trace(fn, 1.0).ops == ["add"]
    assert record(fn, [1.0])[0].ops == ["mul", "add"]
    assert TinyTracer().trace(fn, 1.0).ops == ["mul", "add"]


def test_constants_and_inputs_as_results():
    assert trace(lambda x: 7, 1.0)(3.0) == 7 and trace(lambda x: x, 1.0)(3.0) == 3.0


def test_a_shape_is_a_constant_of_the_example():
    traced = trace(lambda v: v.sum() / len(v), np.ones(4))
    assert traced.ops == ["sum", "div"] and traced(np.ones(8)) == 2.0
    assert trace(lambda v: v.size + v.ndim + v.sum(), np.ones((2, 3)))(np.zeros(1)) == 8


def test_what_would_freeze_silently_is_refused():
    for fn in (float, int, np.asarray, list, lambda p: [1, 2][p], lambda p: np.add.reduce(p)):
        with pytest.raises(TypeError):
            trace(fn, 1.0)
    with pytest.raises(TypeError, match="one value"):
        trace(lambda x: (x, x), 1.0)
    with pytest.raises(TypeError):
        hash(Proxy(None, ("input", 0), 1.0))


def test_another_number_of_inputs_is_refused():
    with pytest.raises(ValueError, match="inputs must be 1"):
        trace(branch, 1.0)(1.0, 2.0)


def test_the_tiny_tracer_gives_plain_bools():
    seen = []

    def fn(x):
        seen.append([x < 1, x <= 2, x > 2, x >= 2, x == 2, x != 2, x > 1])
        return -(3 - x)

    replay = TinyTracer().trace(fn, 2.0)
    assert seen == [[False, True, False, True, True, False, True]] and all(type(b) is bool for b in seen[0])
    assert replay.ops == ["sub", "neg"] and replay(10.0) == 7.0 and len(seen) == 1
    np.testing.assert_array_equal(replay(np.array([1.0, 5.0])), [-2.0, 2.0])

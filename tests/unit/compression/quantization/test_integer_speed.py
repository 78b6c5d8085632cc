"""Three implementations of one product give the same integers, and the clock is read around each."""

import itertools

import numpy as np

from utils.compression.quantization.integer_speed import A_ZERO, product_models, speed_rows
from utils.graphs.onnx_tools import executed_ops, make_session


def test_rows_with_a_counted_clock():
    ticks = itertools.count(step=2_000_000)
    rows = speed_rows((8, 16), rounds=2, clock=lambda: next(ticks))
    assert [r.n for r in rows] == [8, 16] and all(r.exact and r.operator == "MatMulInteger" for r in rows)
    assert all(r.fp32_ms == r.runtime_int8_ms == r.numpy_int8_ms == 2 for r in rows)
    assert rows[0].as_dict()["n"] == 8


def test_the_float_product_is_the_same_as_long_as_it_is_exact():
    as_float, as_integer, data = product_models(32, np.random.default_rng(1))
    theirs = make_session(as_float).run(None, {"f": data["f"]})[0]
    whole = make_session(as_integer).run(None, {"a": data["a"]})[0]
    # 32 products of at most 128 * 64 stay below 2^24.
    assert np.array_equal(theirs, whole) and executed_ops(as_integer) == ["MatMulInteger"]
    assert np.array_equal(whole, (data["a"].astype(int) - A_ZERO) @ data["b"].astype(int))

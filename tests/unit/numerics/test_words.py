"""Neighbours, equations and the state of the bit painter."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics.formats import BF16, E2M1, E4M3, E5M2, FORMATS, FP16, FP32, all_values, decode, encode, fields
from utils.numerics.words import bit_painter_state, equation, neighbor_word


@pytest.mark.parametrize("fmt", [E5M2, E4M3, E2M1], ids=lambda f: f.name)
def test_stepping_visits_all_values_in_order(fmt):
    word, seen = int(encode(-fmt.max_finite, fmt)), []
    while word is not None and np.isfinite(decode(word, fmt)):
        seen.append(float(decode(word, fmt)))
        word = neighbor_word(word, fmt, 1)
    assert np.array_equal(seen, all_values(fmt))


@given(st.integers(0, 2**32 - 1))
def test_a_step_up_and_down_returns(word):
    up = neighbor_word(word, FP32, 1)
    if up is not None:
        back = neighbor_word(up, FP32, -1)
        assert decode(back, FP32) == decode(word, FP32)
        assert decode(up, FP32) == np.nextafter(np.float32(decode(word, FP32)), np.float32(np.inf))


def test_ends_and_nan_have_no_neighbour():
    assert neighbor_word(0x7C00, FP16, 1) is None  # +infinity
    assert neighbor_word(0xFC00, FP16, -1) is None
    assert neighbor_word(0x7BFF, FP16, 1) == 0x7C00
    assert neighbor_word(0x7E, E4M3, 1) is None  # 448: there is no infinity
    assert neighbor_word(0x7E00, FP16, 1) is None  # NaN
    assert neighbor_word(0x8000, FP16, 1) == 0x0001  # the zeros are one place
    assert neighbor_word(0x0001, FP16, -1) == neighbor_word(0x8001, FP16, 1) == 0x0000


def evaluate(text: str) -> float:
    """The equation's value, computed by Python."""
    return eval(text.replace("−", "-").replace("×", "*").replace("^", "**").replace(" ", ""))


@given(st.integers(0, 2**16 - 1), st.sampled_from([FP16, BF16]))
def test_the_equation_gives_the_value(word, fmt):
    state = bit_painter_state(word, fmt.name.lower())
    if state["kind"] in ("normal", "subnormal", "zero"):
        assert evaluate(state["equation"]) == state["value"]
    else:
        assert "all ones" in state["equation"]


def test_equation_switches_to_the_subnormal_form():
    assert bit_painter_state(0x0001, "fp16")["equation"] == "+1 × 2^(1 − 15) × (0 + 1/1024)"
    assert bit_painter_state(0xBC00, "fp16")["equation"] == "−1 × 2^(15 − 15) × (1 + 0/1024)"
    assert "all ones: not a number" in bit_painter_state(0x7F, "e4m3")["equation"]


@pytest.mark.parametrize("name", FORMATS)
def test_state_of_one(name):
    state = bit_painter_state(int(encode(1.0, FORMATS[name])), name)
    assert (state["kind"], state["value"], state["hidden"], state["format"]) == ("normal", 1.0, "1", name)
    assert state["prev"] < 1.0 < state["next"] == 1.0 + state["ulp"]
    assert int(state["sign"] + state["exponent"] + state["mantissa"], 2) == state["word"]
    assert decode(state["next_word"], FORMATS[name]) == state["next"]


def test_state_at_the_ends():
    largest = bit_painter_state(0x7BFF, "fp16")
    assert (largest["next"], largest["prev"], largest["ulp"]) == (math.inf, 65472.0, 32.0)
    infinity = bit_painter_state(0x7C00, "fp16")
    assert (infinity["next"], infinity["prev"], infinity["hidden"], infinity["ulp"]) == (None, 65504.0, "", math.inf)
    nan = bit_painter_state(0x7E00, "fp16")
    assert (nan["next"], nan["prev"], nan["kind"]) == (None, None, "nan")
    zero = bit_painter_state(0x0000, "fp16")
    assert (zero["prev"], zero["next"], zero["hidden"]) == (-(2.0**-24), 2.0**-24, "0")


@given(st.integers(0, 255), st.floats(1e-6, 1e6))
def test_int8_is_twos_complement_times_the_scale(word, scale):
    state = bit_painter_state(word, "int8", scale)
    q = int(np.uint8(word).view(np.int8))
    assert state["value"] == q * scale
    assert int(state["sign"] + state["mantissa"], 2) == word
    assert (state["next"] is None, state["prev"] is None) == (q == 127, q == -128)
    if state["next"] is not None:
        assert state["next"] == (q + 1) * scale == bit_painter_state(state["next_word"], "int8", scale)["value"]


def test_bad_arguments():
    with pytest.raises(KeyError):
        bit_painter_state(0, "fp12")
    with pytest.raises(ValueError, match="out of range"):
        bit_painter_state(256, "int8")
    with pytest.raises(ValueError, match="scale"):
        bit_painter_state(0, "int8", 0.0)
    with pytest.raises(ValueError, match="out of range"):
        bit_painter_state(2**16, "fp16")


def test_equation_of_a_published_word():
    assert equation(fields(0x4049, BF16), BF16) == "+1 × 2^(128 − 127) × (1 + 73/128)"  # 3.140625

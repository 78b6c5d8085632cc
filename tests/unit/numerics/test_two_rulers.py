"""One number on the rulers of FP32, BF16 and FP16."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.numerics.formats import BF16, FP16, FP32, decode, encode
from utils.numerics.two_rulers import rounding_decision, two_rulers_state


@given(st.integers(0, 2**32 - 1).filter(lambda w: 0 < w >> 23 & 255 < 255), st.sampled_from([BF16, FP16]))
def test_decision_says_what_encode_does(word, fmt):
    told = rounding_decision(word, fmt)
    x = float(decode(word, FP32))
    down, nearest = (int(encode(x, fmt, rounding)) for rounding in ("rtz", "rne"))
    y = float(decode(nearest, fmt))
    if told.decision == "overflow":
        assert math.isinf(y)
    elif told.decision == "exact":
        assert y == x and (told.guard, told.round, told.sticky) == (0, 0, 0)
    else:
        assert nearest - down == told.decision.endswith("up")
        assert y != x
        tie = (told.guard, told.round, told.sticky) == (1, 0, 0)
        assert told.decision.startswith("tie") == tie
        if not tie:
            assert told.guard == told.decision.endswith("up")


@pytest.mark.parametrize("word, fmt, dropped, decision", [
    (0x3F808000, BF16, 16, "tie to even: down"), (0x3F818000, BF16, 16, "tie to even: up"), (0x3F808001, BF16, 16, "up"),
    (0x3F800001, BF16, 16, "down"), (0x3F800000, BF16, 16, "exact"), (0x7F7FFFFF, BF16, 16, "overflow"),
    (0x33000000, FP16, 24, "tie to even: down"), (0x33800000, FP16, 23, "exact"), (0x477FF000, FP16, 13, "overflow"),
    (0xBF801000, FP16, 13, "tie to even: down"), (0x3F800000, FP32, 0, "exact"),
])
def test_known_decisions(word, fmt, dropped, decision):
    told = rounding_decision(word, fmt)
    assert (told.dropped, told.decision) == (dropped, decision)
    assert told.as_dict()["decision"] == decision


@pytest.mark.parametrize("word", [0, 1, 0x7F800000, 0x7FC00000])
def test_only_normal_words(word):
    with pytest.raises(ValueError, match="normal"):
        rounding_decision(word, BF16)


@given(st.floats(-30, 20))
def test_state_is_consistent(log2_x):
    s = two_rulers_state(log2_x)
    assert s["x"] == pytest.approx(2.0**log2_x, rel=2**-24)
    assert s["values"]["fp32"] == s["x"]
    for name, fmt in (("fp32", FP32), ("bf16", BF16), ("fp16", FP16)):
        assert decode(s["words"][name], fmt) == s["values"][name]
    assert abs(s["words"]["bf16"] - (s["words"]["fp32"] >> 16)) <= 1
    assert abs(s["error_units"]["bf16"]) <= 1
    if -14 <= log2_x < 15.9:
        assert abs(s["error_units"]["fp16"]) <= 1
        assert s["ulps"]["bf16"] == 8 * s["ulps"]["fp16"]
        assert s["exponents"]["fp16"] == int(np.float16(s["x"]).view(np.uint16)) >> 10 or s["decisions"]["fp16"]["decision"].endswith("up")
    assert s["exponents"]["fp16"] == s["exponents"]["fp32"] - 112


def test_the_staircases_cross_at_minus_17_and_fp16_ends_at_the_wall():
    ratio = {e: two_rulers_state(e)["ulps"]["fp16"] / two_rulers_state(e)["ulps"]["bf16"] for e in (-20, -18, -17, -16, -14, 3)}
    assert ratio == {-20: 8, -18: 2, -17: 1, -16: 0.5, -14: 0.125, 3: 0.125}
    wall = two_rulers_state(16)
    assert wall["ulps"]["fp16"] == wall["values"]["fp16"] == wall["relative_errors"]["fp16"] == math.inf
    assert wall["winner"] == "bf16"


@pytest.mark.parametrize("log2_x", [-127, 128, math.nan])
def test_out_of_range(log2_x):
    with pytest.raises(ValueError, match="log2_x"):
        two_rulers_state(log2_x)

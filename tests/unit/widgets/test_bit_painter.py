"""The bit painter: its state against NumPy, ml_dtypes and struct; its widget driven by traits."""

import math
import struct

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.widgets.bit_painter import (
    BY_KEY,
    KEYS,
    PRESETS,
    bit_painter,
    bits_of,
    error_text,
    painter_state,
    parts_of,
    preset_word,
    step_word,
    value_of,
    word_of,
)

ORACLES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "e5m2": ml_dtypes.float8_e5m2, "e4m3": ml_dtypes.float8_e4m3fn}


@pytest.mark.parametrize("key", ORACLES)
def test_every_word_has_the_librarys_value(key):
    words = np.arange(2 ** bits_of(key), dtype=np.uint16 if bits_of(key) == 16 else np.uint8)
    with np.errstate(all="ignore"):
        wanted = words.view(ORACLES[key]).astype(np.float64)
    step = 1 if bits_of(key) == 8 else 97
    for word in range(0, 2 ** bits_of(key), step):
        got = value_of(word, key)
        assert got == wanted[word] or (math.isnan(got) and math.isnan(wanted[word]))


@given(st.floats(width=32, allow_nan=False))
@settings(max_examples=200, deadline=None)
def test_fp32_is_the_machines_own(value):
    assert word_of(value, "fp32") == struct.unpack("<I", struct.pack("<f", value))[0]


@pytest.mark.parametrize("key", KEYS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_step_up_is_the_next_number_and_a_step_down_undoes_it(key, data):
    word = data.draw(st.integers(0, 2 ** bits_of(key) - 1))
    value, up = value_of(word, key), step_word(word, key, 1)
    if not math.isfinite(value) or not math.isfinite(value_of(up, key)):
        return
    assert value_of(up, key) > value or (value == 0 and value_of(up, key) == 0) or up == word
    if up != word and value_of(up, key) != value:
        assert value_of(step_word(up, key, -1), key) == value


def test_steps_agree_with_numpys_nextafter():
    for value in (1.0, -1.0, 0.1, 65504.0, 6e-8, -6e-8, 0.0):
        up = value_of(step_word(word_of(value, "fp16"), "fp16", 1), "fp16")
        assert up == float(np.nextafter(np.float16(value), np.float16(np.inf)))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_of_every_format_has_a_state(key, preset):
    state = painter_state(preset_word(preset, key), key)
    assert len(state["bits"]) == len(state["parts"]) == bits_of(key)
    assert state["equation"].count("<b>") == 1 and len(state["rows"]) == len(KEYS) - 1


def test_parts_count_the_fields():
    for key, fmt in BY_KEY.items():
        assert [parts_of(key).count(c) for c in "SEM"] == [1, fmt.exp_bits, fmt.man_bits]


def test_the_hidden_bit():
    assert painter_state(0x3C00, "fp16")["hidden"] == "1"
    assert painter_state(0x0001, "fp16")["hidden"] == "0"
    assert painter_state(0x7C00, "fp16")["hidden"] == "" and painter_state(5, "int8")["hidden"] == ""


def test_equations_of_known_words():
    assert "2<sup>128−127</sup> × (1 + 73/128)" in painter_state(0x4049, "bf16")["equation"]
    assert "<b>3.140625</b>" in painter_state(0x4049, "bf16")["equation"]
    assert "0.05 × -3 = <b>-0.15</b>" in painter_state(0xFD, "int8", 0.05)["equation"]
    assert "subnormal" in painter_state(1, "fp16")["equation"] and "NaN" in painter_state(0x7F, "e4m3")["equation"]
    assert "spacing 2⁻⁶" in painter_state(0x4049, "bf16")["facts"]


@pytest.mark.parametrize("number, value, told", [
    (1.0, 1.0, "exact"), (70000.0, math.inf, "overflow"), (1e-9, 0.0, "underflow"), (math.nan, math.nan, "–"),
    (math.nan, 0.0, "lost"), (1.0, 1.1, "1.0e-01"), (math.inf, 448.0, "lost"),
])
def test_errors_in_words(number, value, told):
    assert error_text(number, value) == told


@pytest.mark.parametrize("word, key, error", [(-1, "fp16", ValueError), (65536, "fp16", ValueError), (0, "fp8", KeyError)])
def test_bad_words_are_refused(word, key, error):
    with pytest.raises(error):
        painter_state(word, key)


def test_the_widget_answers_requests():
    painter = bit_painter("bf16", math.pi)
    assert painter.word == 0x4049
    painter.request = {"flip": 0, "n": 1}
    assert painter.value == -3.140625
    painter.request = {"step": 1, "n": 2}
    assert painter.value == -3.125
    painter.request = {"preset": "1", "n": 3}
    assert painter.word == 0x3F80
    painter.request = {"decimal": "70000", "n": 4}
    painter.request = {"format": "fp16", "n": 5}
    assert math.isinf(painter.value) and painter.state["rows"][0]["value"] == "70000"
    painter.request = {"format": "bf16", "n": 6}
    assert painter.value == 70144, "the number that was typed is not lost on the way through FP16"


@pytest.mark.parametrize("request_", [{"hex": "zz"}, {"hex": "0x1FFFF"}, {"decimal": "three"}, {"decimal": ""}, {"hex": "-1"}])
def test_text_that_cannot_be_read_changes_nothing(request_):
    painter = bit_painter("fp16", 1.0)
    painter.request = {**request_, "n": 1}
    assert painter.word == 0x3C00 and painter.bad == next(iter(request_))
    painter.request = {"decimal": "2", "n": 2}
    assert painter.bad == "" and painter.value == 2.0

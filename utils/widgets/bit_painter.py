"""The bit painter, the course's face: flip any bit of a number and see what it means.

`painter_state` is the pure part; `bit_painter` is the widget around it (its drawing is in
bit_painter.js).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from utils.numerics import formats
from utils.numerics.formats import FloatFormat, decode, encode

KEYS = {"fp32": "FP32", "tf32": "TF32", "bf16": "BF16", "fp16": "FP16", "e5m2": "FP8 E5M2", "e4m3": "FP8 E4M3",
        "int8": "INT8"}
BY_KEY: dict[str, FloatFormat] = {"fp32": formats.FP32, "tf32": formats.TF32, "bf16": formats.BF16,
                                  "fp16": formats.FP16, "e5m2": formats.E5M2, "e4m3": formats.E4M3}
PRESETS = ("0", "−0", "1", "π", "0.1", "smallest", "smallest normal", "largest", "inf", "NaN")
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def bits_of(key: str) -> int:
    """How many bits the word of a format has."""
    return 8 if key == "int8" else BY_KEY[key].bits


def value_of(word: int, key: str, scale: float = 1.0) -> float:
    """The value of a word: a float's, or scale × q for INT8 (two's complement)."""
    if key == "int8":
        return scale * (word - 256 if word > 127 else word)
    return float(decode(word, BY_KEY[key]))


def word_of(value: float, key: str, scale: float = 1.0) -> int:
    """The word nearest to a value (to nearest even; INT8 clips to −128 … 127). NaN has no INT8 word: 0."""
    if key == "int8":
        if math.isnan(value):
            return 0
        return int(np.clip(np.round(np.clip(value / scale, -1e6, 1e6)), -128, 127)) & 0xFF
    return int(encode(np.float64(value), BY_KEY[key]))


def preset_word(name: str, key: str, scale: float = 1.0) -> int:
    """The word of a preset's name in a format; a preset that INT8 lacks gives its nearest word."""
    plain = {"0": 0.0, "−0": -0.0, "1": 1.0, "π": math.pi, "0.1": 0.1, "inf": math.inf, "NaN": math.nan}
    if name in plain:
        return word_of(plain[name], key, scale)
    if key == "int8":
        return 127 if name == "largest" else 1
    fmt = BY_KEY[key]
    edges = {"smallest": fmt.min_subnormal, "smallest normal": fmt.min_normal, "largest": fmt.max_finite}
    return word_of(edges[name], key)


def step_word(word: int, key: str, by: int) -> int:
    """The word of the next number up (`by` = 1) or down (−1) in value; at the ends it stays."""
    bits = bits_of(key)
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    if key == "int8":
        q = (word - 256 if word > 127 else word) + by
        return max(-128, min(127, q)) & 0xFF
    if math.isnan(value_of(word, key)):
        return word
    ordered = top - (word & (top - 1)) if word & top else top + word  # monotone in the value; both zeros are top
    ordered += by
    stepped = (ordered - top) if ordered >= top else (top | (top - ordered))
    stepped &= mask
    return word if math.isnan(value_of(stepped, key)) else stepped


def painter_state(word: int, key: str, scale: float = 1.0, target: float | None = None) -> dict[str, Any]:
    """All that the painter shows of a word: bits and their parts, equation, neighbours, other formats.

    `target` is the number that was asked for (the other formats are compared with it); without it
    the word's own value. ValueError for a word out of range, KeyError for an unknown format.
    """
    if key not in KEYS:
        raise KeyError(f"format must be one of {', '.join(KEYS)}, got {key!r}")
    bits = bits_of(key)
    if not 0 <= word < 1 << bits:
        raise ValueError(f"word must lie in 0 … 2^{bits} − 1, got {word}")
    value, parts = value_of(word, key, scale), parts_of(key)
    number = value if target is None else target
    return {
        "format": key, "label": KEYS[key], "formats": [list(pair) for pair in KEYS.items()], "word": word,
        "bits": f"{word:0{bits}b}", "parts": parts, "hidden": _hidden(word, key),
        "counts": {part: parts.count(part) for part in "SEM" if part in parts},
        "equation": equation(word, key, scale), "facts": _facts(word, key, scale),
        "hex": f"0x{word:0{(bits + 3) // 4}X}", "value": number_text(value), "presets": list(PRESETS),
        "rows": [_row(number, other, scale) for other in KEYS if other != key],
    }


def parts_of(key: str) -> str:
    """One letter a bit, from the top: S sign, E exponent, M mantissa."""
    if key == "int8":
        return "S" + "M" * 7
    return "S" + "E" * BY_KEY[key].exp_bits + "M" * BY_KEY[key].man_bits


def _split(word: int, fmt: FloatFormat) -> tuple[int, int, int]:
    return word >> (fmt.bits - 1), (word >> fmt.man_bits) & ((1 << fmt.exp_bits) - 1), word & ((1 << fmt.man_bits) - 1)


def _hidden(word: int, key: str) -> str:
    if key == "int8":
        return ""
    fmt = BY_KEY[key]
    exponent = _split(word, fmt)[1]
    return "" if not math.isfinite(value_of(word, key)) else "1" if exponent else "0"


def equation(word: int, key: str, scale: float = 1.0) -> str:
    """The word's value written out, as HTML: (−1)^s × 2^(e−bias) × 1.m with its numbers."""
    value = value_of(word, key, scale)
    if key == "int8":
        return f"scale × q = {number_text(scale)} × {word - 256 if word > 127 else word} = <b>{number_text(value)}</b>"
    fmt = BY_KEY[key]
    sign, exponent, fraction = _split(word, fmt)
    s = "−" if sign else "+"
    if math.isnan(value):
        return "exponent all ones, fraction not zero: <b>NaN</b>" if fmt.special == "ieee" else \
            "all exponent and fraction bits set: <b>NaN</b>"
    if math.isinf(value):
        return f"exponent all ones, fraction zero: <b>{s}infinity</b>"
    if exponent == 0 and fraction == 0:
        return f"all bits but the sign are zero: <b>{s}0</b>"
    power, lead = (exponent - fmt.bias, "1") if exponent else (1 - fmt.bias, "0")
    told = f"{exponent}−{fmt.bias}" if exponent else f"1−{fmt.bias}"
    note = "" if exponent else " &nbsp;(subnormal: no hidden one)"
    return (f"{s}1 × 2<sup>{told}</sup> × ({lead} + {fraction}/{1 << fmt.man_bits}) = {s}2<sup>{power}</sup> × "
            f"{number_text(int(lead) + fraction / (1 << fmt.man_bits))} = <b>{number_text(value)}</b>{note}")


def _facts(word: int, key: str, scale: float) -> str:
    value = value_of(word, key, scale)
    if not math.isfinite(value):
        return "no neighbours: this is no finite number"
    below, above = (value_of(step_word(word, key, by), key, scale) for by in (-1, 1))
    fmt = None if key == "int8" else BY_KEY[key]
    gap = scale if fmt is None else float(formats.spacing(value, fmt))
    step = power_text(gap) if gap > 0 and math.log2(gap).is_integer() else number_text(gap)
    return f"next below {number_text(below)} · next above {number_text(above)} · spacing {step}"


def _row(number: float, key: str, scale: float) -> dict[str, str]:
    word = word_of(number, key, scale)
    value = value_of(word, key, scale)
    label = KEYS[key] + (f" × {number_text(scale)}" if key == "int8" else "")
    return {"label": label, "bits": f"{word:0{bits_of(key)}b}", "parts": parts_of(key), "value": number_text(value),
            "error": error_text(number, value)}


def error_text(number: float, value: float) -> str:
    """The relative error of holding `value` for `number`, in words where it is no number."""
    if math.isnan(number) or math.isnan(value):
        return "–" if math.isnan(number) == math.isnan(value) else "lost"
    if number == value:
        return "exact"
    if math.isinf(value):
        return "overflow"
    if value == 0:
        return "underflow"
    return f"{abs(value - number) / abs(number):.1e}" if math.isfinite(number) else "lost"


def number_text(value: float) -> str:
    """A number short enough to read and long enough to type back."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.9g}"


def power_text(value: float) -> str:
    """A power of two as 2⁻⁷."""
    return "2" + str(int(math.log2(value))).translate(_SUPERSCRIPT)


def bit_painter(fmt: str = "fp16", value: float = 1.0, scale: float = 0.05) -> Any:
    """The widget: click or press bits, type words and numbers, compare formats."""
    import anywidget
    import traitlets

    class BitPainter(anywidget.AnyWidget):
        """`word` and `fmt_name` are the state; `request` is what the browser asks for."""

        _esm = Path(__file__).with_name("bit_painter.js")
        state = traitlets.Dict().tag(sync=True)
        request = traitlets.Dict({"n": 0}).tag(sync=True)
        bad = traitlets.Unicode("").tag(sync=True)
        word = traitlets.Int(0)
        fmt_name = traitlets.Unicode("fp16")

        def __init__(self) -> None:
            super().__init__()
            self.scale, self.target = scale, value
            self.fmt_name, self.word = fmt, word_of(value, fmt, scale)
            self.observe(self._answer, "request")
            self.observe(lambda _: self._show(), ["word", "fmt_name"])
            self._show()

        @property
        def value(self) -> float:
            return value_of(self.word, self.fmt_name, self.scale)

        def _show(self) -> None:
            self.state = painter_state(self.word, self.fmt_name, self.scale, self.target)

        def _set(self, word: int, target: float | None = None) -> None:
            self.target = value_of(word, self.fmt_name, self.scale) if target is None else target
            self.word = word
            self._show()

        def _answer(self, change: Any) -> None:
            request, self.bad = change["new"], ""
            if "flip" in request:
                self._set(self.word ^ (1 << (bits_of(self.fmt_name) - 1 - int(request["flip"]))))
            elif "step" in request:
                self._set(step_word(self.word, self.fmt_name, 1 if request["step"] > 0 else -1))
            elif "preset" in request:
                self._set(preset_word(request["preset"], self.fmt_name, self.scale))
            elif request.get("format") in KEYS:
                number, self.fmt_name = self.target, request["format"]
                self._set(word_of(number, self.fmt_name, self.scale), number)
            else:
                self._typed(request)

        def _typed(self, request: dict) -> None:
            """Text from the word or value box; what can't be read turns the box red and changes nothing."""
            try:
                if "hex" in request:
                    word = int(request["hex"], 16)
                    if not 0 <= word < 1 << bits_of(self.fmt_name):
                        raise ValueError
                    self._set(word)
                elif "decimal" in request:
                    number = float(request["decimal"].replace("−", "-"))
                    self._set(word_of(number, self.fmt_name, self.scale), number)
            except (ValueError, OverflowError):
                self.bad = "hex" if "hex" in request else "decimal"

    return BitPainter()

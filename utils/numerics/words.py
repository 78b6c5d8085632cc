"""One word for the eye: its bits, its value, its neighbours and the equation that joins them."""

from __future__ import annotations

from typing import Any

from utils.numerics.formats import FORMATS, BitFields, FloatFormat, decode, fields, spacing


def neighbor_word(word: int, fmt: FloatFormat, step: int) -> int | None:
    """The word `step` values above (below, if negative) that of `word`; None beyond the end and for NaN.

    The order is that of the values: the two zeros are one place, infinities are the ends where they exist.
    Raises ValueError for a word beyond the format.

    >>> from utils.numerics.formats import FP16
    >>> hex(neighbor_word(0x0000, FP16, -1)), hex(neighbor_word(0x7BFF, FP16, 1))
    ('0x8001', '0x7c00')
    """
    if fields(word, fmt).kind == "nan":
        return None
    sign_bit = 1 << (fmt.bits - 1)
    magnitude = word & (sign_bit - 1)
    place = (-magnitude if word & sign_bit else magnitude) + step
    if abs(place) > (fmt.max_word if fmt.inf_word is None else fmt.inf_word):
        return None
    return place if place >= 0 else sign_bit - place


def equation(f: BitFields, fmt: FloatFormat) -> str:
    """How the fields make the value, as plain text: sign × 2^(exponent − bias) × significand.

    >>> from utils.numerics.formats import BF16
    >>> equation(fields(0x4049, BF16), BF16)
    '+1 × 2^(128 − 127) × (1 + 73/128)'
    """
    sign = "−" if f.sign == "1" else "+"
    if f.kind == "nan":
        return "exponent all ones, mantissa not 0: not a number" if fmt.special == "ieee" else "all ones: not a number"
    if f.kind == "inf":
        return f"{sign}∞: exponent all ones, mantissa 0"
    exponent, fraction = int(f.exponent, 2), f"{int(f.mantissa, 2)}/{2**fmt.man_bits}"
    significand = f"(1 + {fraction})" if exponent else f"(0 + {fraction})"
    return f"{sign}1 × 2^({max(exponent, 1)} − {fmt.bias}) × {significand}"


def bit_painter_state(word: int, fmt_name: str, scale: float = 1.0) -> dict[str, Any]:
    """What the bit painter shows for one word of a format of FORMATS or of "int8" (value = scale * integer).

    Keys: word, format, label, sign, exponent, mantissa (bits as text), hidden ("1", "0", or "" where there is
    none), kind ("zero", "subnormal", "normal", "inf", "nan", "integer"), value, prev and next (neighbouring
    values), prev_word and next_word (None at an end and for NaN), ulp, equation.
    Raises KeyError for an unknown format, ValueError for a word beyond it.

    >>> state = bit_painter_state(0x3C00, "fp16")
    >>> state["value"], state["next"], state["hidden"], state["kind"]
    (1.0, 1.0009765625, '1', 'normal')
    """
    if fmt_name == "int8":
        return _int8_state(word, scale)
    fmt = FORMATS[fmt_name]
    f = fields(word, fmt)
    below, above = (neighbor_word(word, fmt, step) for step in (-1, 1))
    return {
        "word": word, "format": fmt_name, "label": fmt.name, **f.as_dict(), "hidden": hidden_bit(f),
        "prev": None if below is None else float(decode(below, fmt)), "prev_word": below,
        "next": None if above is None else float(decode(above, fmt)), "next_word": above,
        "ulp": float(spacing(f.value, fmt)), "equation": equation(f, fmt),
    }


def hidden_bit(f: BitFields) -> str:
    """The bit in front of the mantissa that is not stored: "1" of a normal, "0" of a subnormal or zero, else ""."""
    return {"normal": "1", "subnormal": "0", "zero": "0"}.get(f.kind, "")


def _int8_state(word: int, scale: float) -> dict[str, Any]:
    if not 0 <= word < 256:
        raise ValueError(f"word out of range for INT8: it must be in [0, 2^8), got {word}")
    if not scale > 0:
        raise ValueError(f"scale must be positive, got {scale}")
    q = word - 256 if word >= 128 else word
    below, above = (q - 1 if q > -128 else None), (q + 1 if q < 127 else None)
    return {
        "word": word, "format": "int8", "label": "INT8", "sign": f"{word >> 7}", "exponent": "",
        "mantissa": f"{word & 127:07b}", "kind": "integer", "value": q * scale, "hidden": "",
        "prev": None if below is None else below * scale, "prev_word": None if below is None else below & 255,
        "next": None if above is None else above * scale, "next_word": None if above is None else above & 255,
        "ulp": scale, "equation": f"{scale:g} × ({q})".replace("-", "−"),
    }

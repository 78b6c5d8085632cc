"""Exercise 32.quantize_weight_int4: 4-bit weights with a scale for each group, packed two to a byte."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.engines.tensorrt_llm import int4_groups

from ...compare import brief, close, exact
from ...exercise import Case, Exercise, Misconception

_QUANTIZE, _DEQUANTIZE = "ch32_tensorrt_llm.quantize", "ch32_tensorrt_llm.dequantize"


def _quantize(w: np.ndarray, group: int, *, scale_of: str = "group", top: float = 7, high_first: bool = False, offset: bool = False,
              masked: bool = True, rounding: str = "even", magnitude: bool = True, zero_scale: float | None = 1.0, bias: bool = False,
              checked: bool = True, packed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Quantizing with one mistake; with its defaults it is right (row by row)."""
    rows, cols = w.shape
    if checked and (group % 2 or cols % group):
        raise ValueError("group must be even and divide the columns")
    blocks = w.reshape(rows, -1, group) if cols % group == 0 else w[:, : cols // group * group].reshape(rows, -1, group)
    size = np.abs(blocks) if magnitude else blocks
    axis = {"group": (2,), "row": (1, 2), "tensor": (0, 1, 2)}[scale_of]
    scales = np.broadcast_to(size.max(axis=axis, keepdims=True) / top, (*blocks.shape[:2], 1)).copy()
    if zero_scale is not None:
        scales[scales == 0] = zero_scale
    with np.errstate(all="ignore"):
        steps = blocks / scales
        rounded = {"even": np.rint(steps), "truncate": np.trunc(steps), "away": np.sign(steps) * np.floor(np.abs(steps) + 0.5),
                   "floor": np.floor(steps)}[rounding]
        codes = np.clip(np.nan_to_num(rounded), -8, 7).astype(int).reshape(rows, -1)
    if not packed:
        return codes.astype(np.int8).view(np.uint8), scales[..., 0]
    codes = codes + 8 if offset else codes % 16 if masked else codes
    low, high = codes[:, 0::2], codes[:, 1::2]
    low, high = low[:, : high.shape[1]], high
    word = (high | low << 4) if high_first else (low | high << 4)
    return (word % 256).astype(np.uint8), scales[..., 0]


def _dequantize(packed: np.ndarray, scales: np.ndarray, group: int, *, high_first: bool = False, offset: bool = False,
                signed: bool = True, by: str = "group") -> np.ndarray:
    """Back again with one mistake; with its defaults it is right."""
    pair = [packed % 16, packed // 16]
    codes = np.stack(pair[::-1] if high_first else pair, axis=-1).reshape(len(packed), -1).astype(int)
    if offset:
        codes = codes - 8
    elif signed:
        codes = np.where(codes > 7, codes - 16, codes)
    factor = np.repeat(scales, group, axis=1) if by == "group" else np.tile(scales, (1, group))
    return codes * factor[:, : codes.shape[1]]


def _masks_late(w: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """The mask comes after the shift, and keeps nothing."""
    if group % 2 or w.shape[1] % group:
        raise ValueError("group")
    scales = np.abs(w.reshape(len(w), -1, group)).max(axis=2) / 7
    scales[scales == 0] = 1
    codes = np.rint(w / np.repeat(scales, group, axis=1)).astype(np.int8)
    return ((codes[:, ::2] & 15) | (codes[:, 1::2] << 4 & 15)).astype(np.uint8), scales


def _by_loops(w: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Plain Python numbers."""
    rows, cols = w.shape
    if group % 2 == 1 or cols % group > 0:
        raise ValueError("no whole groups of pairs")
    packed, scales = np.zeros((rows, cols // 2), np.uint8), np.zeros((rows, cols // group))
    for r in range(rows):
        for g in range(cols // group):
            part = w[r, g * group : (g + 1) * group].tolist()
            scale = max(map(abs, part)) / 7 or 1.0
            scales[r, g] = scale
            for k in range(0, group, 2):
                low, high = (max(-8, min(7, round(v / scale))) & 0xF for v in part[k : k + 2])
                packed[r, (g * group + k) // 2] = low + 16 * high
    return packed, scales


def _back_by_loops(packed: np.ndarray, scales: np.ndarray, group: int) -> np.ndarray:
    rows, half = packed.shape
    out = np.empty((rows, 2 * half))
    for (r, c), byte in np.ndenumerate(packed):
        for place, nibble in enumerate((int(byte) & 15, int(byte) >> 4)):
            out[r, 2 * c + place] = ((nibble ^ 8) - 8) * scales[r, (2 * c + place) // group]
    return out


def _by_bits(w: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 all the way; −8 is never reached."""
    if group % 2 or w.shape[-1] % group:
        raise ValueError(f"{group} does not fit")
    tiles = np.asarray(w, float).reshape(w.shape[0], -1, group)
    peak = np.abs(tiles).max(-1, keepdims=True)
    scale = np.where(peak == 0, 1.0, peak / 7)
    nibbles = np.round(tiles / scale).astype(np.int8).astype(np.uint8) & np.uint8(15)
    nibbles = nibbles.reshape(w.shape)
    return nibbles[:, ::2] | np.left_shift(nibbles[:, 1::2], 4), scale[:, :, 0]


def _back_by_bits(packed: np.ndarray, scales: np.ndarray, group: int) -> np.ndarray:
    low = (packed << 4).astype(np.uint8).view(np.int8) >> 4
    codes = np.dstack([low, packed.view(np.int8) >> 4]).reshape(packed.shape[0], scales.shape[1], -1)
    return (codes * scales[:, :, None]).reshape(len(packed), -1)


# --- judging and cases -------------------------------------------------------------------------------


_BYTES, _NUMBERS = exact(), close(1e-12)


def _compare(expected: Any, got: Any, case: Case) -> str | None:
    if isinstance(expected, np.ndarray):
        return _NUMBERS(expected, got, case)
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        return f"{brief(got)}, expected a pair: packed and scales"
    for name, compare, e, g in (("packed", _BYTES, expected[0], got[0]), ("scales", _NUMBERS, expected[1], got[1])):
        differs = compare(e, g, case)
        if differs:
            return f"{name}: {differs}"
    return None


def _shown(value: Any) -> str:
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(a, np.ndarray) and a.size <= 8 for a in value):
        return f"bytes {value[0].astype(np.uint8).tobytes().hex(' ')}, scales {np.round(value[1], 4).tolist()}"
    if isinstance(value, np.ndarray) and value.size <= 8:
        return str(np.round(value, 4).tolist())
    return brief(value)


def _quantizes(w: list | np.ndarray, group: int, label: str = "", **how: str) -> Case:
    w = np.array(w, float)
    return Case(w=w, group=group, probe=_QUANTIZE, label=label or f"quantize_weight_int4({w.tolist()}, {group})", **how)


def _dequantizes(packed: list | np.ndarray, scales: list | np.ndarray, group: int, label: str = "") -> Case:
    packed, scales = np.array(packed, np.uint8), np.array(scales, float)
    return Case(packed=packed, scales=scales, group=group, probe=_DEQUANTIZE,
                label=label or f"dequantize_weight_int4({packed.tolist()}, {scales.tolist()}, {group})")


def _draw(rng: np.random.Generator) -> Case:
    rows, groups, group = int(rng.integers(1, 4)), int(rng.integers(1, 5)), int(rng.choice([2, 4, 6, 8]))
    cols = groups * group
    if rng.random() < 0.5:
        w = rng.standard_normal((rows, cols)) * rng.choice([0.01, 1.0, 30.0], (rows, 1))
        if rng.random() < 0.4:
            w[:, : group] = -np.abs(w[:, : group])
        return _quantizes(w, group, f"quantize_weight_int4 of {rows} × {cols} random weights, group {group}")
    return _dequantizes(rng.integers(0, 256, (rows, cols // 2)), rng.uniform(0.1, 2, (rows, groups)), group,
                        f"dequantize_weight_int4 of {rows} × {cols // 2} random bytes, group {group}")


def _wrong(tag: str, message: str, title: str, quantize: dict, dequantize: dict | None = None, also: tuple = ()) -> Misconception:
    back = partial(_dequantize, **(dequantize or {}))
    variants = [(partial(_quantize, **quantize, checked=False), back)] if quantize else []
    return Misconception(tag, (partial(_quantize, **quantize), back), message, title, also=(*variants, *also))


quantize_weight_int4 = Exercise(
    id="32.quantize_weight_int4", points=3, difficulty=2, minutes=10, idea="a scale for each group, two codes in a byte",
    names=("quantize_weight_int4", "dequantize_weight_int4"), probe=_QUANTIZE,
    reference=(int4_groups.quantize_weight_int4, int4_groups.dequantize_weight_int4),
    cases=[_quantizes([[7, -7, 3.5, 0.5]], 2), _dequantizes([[0x97, 0x17]], [[1.0, 0.5]], 2)],
    hidden=[
        _quantizes([[0, 0, 7, 2.5], [7, -0.5, 7, 1.5]], 2, "a group of zeros, and ties"), _quantizes([[7, -2.5, -7, 3.5, 0.5, -1.5]], 6, "ties"),
        _quantizes([[0.7, -0.3, 0.1, 0.2, 70, 20, -30, 10]], 4, "an outlier in the second group"),
        _quantizes([[-7, 3, -14, 2]], 2, "the largest are negative"), _quantizes(np.zeros((2, 4)), 4, "nothing but zeros"),
        _quantizes(np.arange(-12.0, 12).reshape(3, 8) / 3, 8, "3 × 8, one group a row"),
        _quantizes(np.arange(-12.0, 12).reshape(3, 8) * 1e-3, 2, "3 × 8, groups of 2"),
        _dequantizes(np.arange(256).reshape(2, 128), np.linspace(0.5, 2, 8).reshape(2, 4), 64, "all 256 bytes"),
        _dequantizes([[0x08], [0x80]], [[2.0], [0.25]], 2), _dequantizes([[0x21, 0x43, 0xFE, 0xDC]], [[1.0, 10.0]], 4),
        _dequantizes([[0x21, 0x43, 0xFE], [0x21, 0x43, 0xFE]], [[1, 10, 100], [0.1, 0.2, 0.4]], 2, "2 × 3 bytes, groups of 2"),
    ],
    draw=_draw, draws=30, compare=_compare, show=_shown,
    raises=[_quantizes(np.ones((1, 6)), 3, "quantize_weight_int4 of 6 columns, group 3"),
            _quantizes(np.ones((2, 8)), 6, "quantize_weight_int4 of 8 columns, group 6"),
            _quantizes(np.ones((1, 4)), 8, "quantize_weight_int4 of 4 columns, group 8"),
            _quantizes(np.ones((1, 3)), 1, "quantize_weight_int4 of 3 columns, group 1")],
    misconceptions=[
        _wrong("one_scale", "All groups of a row (or of the whole matrix) have one scale in your answer. Then a single outlier makes every weight "
               "coarse. Take the maximum inside each group.", "An outlier must not coarsen the others.", {"scale_of": "row"},
               also=tuple((partial(_quantize, scale_of="tensor", checked=c), _dequantize) for c in (True, False))),
        _wrong("high_first", "Your nibbles are swapped. Element 2i goes into the low 4 bits: 7, -7 is the byte 0x97, since 7 is 0x7 and -7 is 0x9.",
               "The low nibble comes first.", {"high_first": True}, {"high_first": True},
               also=((partial(_quantize, high_first=True), _dequantize), (_quantize, partial(_dequantize, high_first=True)))),
        _wrong("offset_binary", "You store q + 8. Some formats do that; here it is two's complement: -7 is 0x9, not 0x1.",
               "Offset instead of two's complement.", {"offset": True}, {"offset": True},
               also=((partial(_quantize, offset=True), _dequantize), (_quantize, partial(_dequantize, offset=True)))),
        _wrong("sign_lost", "Your unpacked codes run from 0 to 15. Codes from 8 on stand for negative numbers and are 16 too high.",
               "The sign was not rebuilt.", {}, {"signed": False}),
        _wrong("sign_covers", "A negative low nibble has ones above its 4 bits, and they cover its neighbour. Keep 4 bits (& 15) before you combine.",
               "A sign covers the neighbour.", {"masked": False}),
        Misconception(
            "shift_lost", (_masks_late, _dequantize),
            "The high nibbles are 0 in your bytes. Mask with 15 first, convert to uint8, and only then shift by 4.", "The second code is lost."),
        _wrong("divides_by_8", "Your scale is not max|w| / 7. The codes reach from -7 to 7 for a symmetric range, so the largest weight gets the "
               "code 7.", "The largest weight is 7.", {"top": 8}, also=((partial(_quantize, top=7.5), _dequantize), (partial(_quantize, top=15), _dequantize))),
        _wrong("signed_max", "A group whose largest weight is negative gets a wrong scale. Take the maximum of the absolute values.",
               "The absolute value is missing.", {"magnitude": False, "zero_scale": 1.0}),
        _wrong("truncates", "You cut off the fraction. Rounding to the nearest code halves the largest error.", "Truncated, not rounded.",
               {"rounding": "truncate"}, also=((partial(_quantize, rounding="floor"), _dequantize),)),
        _wrong("half_away", "A value half way between two codes goes to the *even* one, as `np.rint` and `round` do it. 2.5 becomes 2.",
               "Half to even.", {"rounding": "away"}),
        _wrong("zero_scale", "A group of zeros has the scale 0 (or none) in your answer, and a division by it gives NaN. Its scale is 1.0.",
               "A group of zeros.", {"zero_scale": None}, also=((partial(_quantize, zero_scale=1e-12), _dequantize), (partial(_quantize, zero_scale=1 / 7), _dequantize))),
        _wrong("tiled_scales", "Your scales take turns from one column to the next. A scale belongs to `group` neighbouring columns: repeat each, "
               "don't tile the row.", "Repeat, not tile.", {}, {"by": "tile"}),
        _wrong("byte_each", "Every code has a byte of its own, so nothing is saved. Two neighbours share one.", "Nothing was packed.", {"packed": False}),
        Misconception(
            "unchecked", (partial(_quantize, checked=False), _dequantize),
            "The bytes are right. But an odd group would put weights of two groups into one byte, and a group that does not divide the columns leaves "
            "some out. Raise ValueError.", "Groups that do not fit."),
    ],
    alternatives=[(_quantize, _dequantize), (_by_loops, _back_by_loops), (_by_bits, _back_by_bits)],
    hints=(
        "`w.reshape(rows, cols // group, group)` puts each group on an axis of its own.",
        "`codes & 15` as uint8 keeps 4 bits of a negative code. Then `codes[:, 0::2] | codes[:, 1::2] << 4`.",
        "Back: `packed & 15` and `packed >> 4`, stacked on a new last axis and reshaped; codes above 7 minus 16; `np.repeat(scales, group, axis=1)`.",
    ),
    worth_knowing="A 16-bit scale for 128 weights adds 0.125 bit a weight: 4.125 bits in all, and 3.9 times less to read than BF16.",
)

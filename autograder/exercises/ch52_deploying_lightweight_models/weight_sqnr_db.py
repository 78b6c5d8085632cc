"""Exercise 52.weight_sqnr_db: how much of a kernel survives INT8."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.networks import deploy

from ...compare import prop
from ...exercise import Case, Exercise, Misconception


def _sqnr(qmax: Callable[[int], float] = lambda bits: 2 ** (bits - 1) - 1, rounding: Callable = np.rint, factor: float = 10.0,
          ratio: Callable[[np.ndarray, np.ndarray], float] = lambda w, e: float(np.sum(w**2) / np.sum(e**2)), axis: int = 0,
          largest: Callable[[np.ndarray], np.ndarray] = lambda rows: np.abs(rows).max(1, keepdims=True), zero: float | None = 1.0,
          equal: object = math.inf, always: bool | None = None) -> Callable:
    """An answer in its parts; with its defaults it is right."""

    def answer(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
        w = np.asarray(w, dtype=np.float64)
        each = per_channel if always is None else always
        rows = np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1) if each else w.reshape(1, -1)
        with np.errstate(all="ignore"):
            scale = largest(rows) / qmax(bits)
            if zero is not None:
                scale = np.where(scale == 0, zero, scale)
            error = rows - rounding(rows / scale) * scale
            if not error.any():
                return equal
            return float(factor * np.log10(ratio(rows, error)))

    return answer


# --- right in other ways ---------------------------------------------------------------------------


def _looped(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    w = np.asarray(w, dtype=np.float64)
    signal = noise = 0.0
    for part in (w if per_channel else [w]):
        top = float(np.max(np.abs(part)))
        signal += float((part * part).sum())
        if top > 0:
            step = top / (2 ** (bits - 1) - 1)
            noise += float(((np.round(part / step) * step - part) ** 2).sum())
    return float("inf") if noise == 0 else 10 * math.log10(signal / noise)


def _in_python(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    channels = [c.ravel().tolist() for c in w] if per_channel else [w.ravel().tolist()]
    signal, noise, top = 0.0, 0.0, 2 ** (bits - 1) - 1
    for values in channels:
        scale = max(abs(v) for v in values) / top or 1.0
        signal += sum(v * v for v in values)
        noise += sum((v - round(v / scale) * scale) ** 2 for v in values)
    return 10 * math.log10(signal / noise) if noise else math.inf


def _as_difference(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    axes = tuple(range(1, w.ndim)) if per_channel else None
    scale = np.abs(w).max(axis=axes, keepdims=True) / (2.0 ** (bits - 1) - 1)
    q = np.divide(w, scale, out=np.zeros(w.shape), where=scale > 0)
    error = w - scale * np.rint(q)
    if np.all(error == 0):
        return math.inf
    return 10 * (np.log10(np.sum(w**2)) - np.log10(np.sum(error**2)))


# --- wrong -----------------------------------------------------------------------------------------


def _asymmetric(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    rows = w.reshape(len(w), -1) if per_channel else w.reshape(1, -1)
    lo, hi = np.minimum(rows.min(1, keepdims=True), 0), np.maximum(rows.max(1, keepdims=True), 0)
    scale = (hi - lo) / (2**bits - 1)
    scale[scale == 0] = 1.0
    zero = np.rint(-lo / scale)
    error = rows - (np.clip(np.rint(rows / scale) + zero, 0, 2**bits - 1) - zero) * scale
    return float(10 * np.log10(np.sum(rows**2) / np.sum(error**2))) if error.any() else math.inf


def _mean_of_channels(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    if not per_channel:
        return _sqnr()(w, False, bits)
    each = [_sqnr()(row, False, bits) for row in w.reshape(len(w), 1, -1) if row.any()]
    return float(np.mean(each)) if each else math.inf


def _half_up(x: np.ndarray) -> np.ndarray:
    """Right too: a half is as far from one neighbour as from the other."""
    return np.floor(x + 0.5)


def _as_type(x: np.ndarray) -> np.ndarray:
    return np.nan_to_num(x).astype(int).astype(float)


def _ratio_of_norms(w: np.ndarray, e: np.ndarray) -> float:
    return float(np.sqrt(np.sum(w**2) / np.sum(e**2)))


def _nan_allowed(w: np.ndarray, per_channel: bool = False, bits: int = 8) -> float:
    return _sqnr(zero=None)(w, per_channel, bits)


# --- cases -----------------------------------------------------------------------------------------


def _judge(case: Case, expected: float, got: object) -> str | None:
    if isinstance(got, bool) or not isinstance(got, (int, float, np.floating, np.integer)):
        return f"{type(got).__name__}, expected a number"
    if math.isinf(expected) or math.isinf(got) or math.isnan(got):
        return None if got == expected else f"{got}, expected {expected}"
    return None if abs(got - expected) <= 1e-3 else f"{got:.3f} dB, expected {expected:.3f} dB"


def _kernel(seed: int, gain: float = 0.0, shape: tuple[int, ...] = (8, 8, 3, 3)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 0.05, shape).round(4)
    if gain:
        at = np.arange(shape[0])
        w[at, at, 1, 1] += gain
    return w


def _with_zero_channel(seed: int) -> np.ndarray:
    w = _kernel(seed, shape=(4, 3, 1, 1))
    w[1] = 0
    return w


def _draw(rng: np.random.Generator) -> Case:
    shape = tuple(int(v) for v in rng.integers(1, 6, int(rng.choice([2, 4]))))
    w = (rng.normal(0, 1, shape) * rng.uniform(0.2, 5, (shape[0], *[1] * (len(shape) - 1)))).round(4)
    if rng.random() < 0.25:
        w[int(rng.integers(shape[0]))] = 0
    w.flat[0] = 1.5
    bits = int(rng.choice([4, 6, 8]))
    return Case(w, bool(rng.random() < 0.5), bits, label=f"shape {shape}, {bits} bits")


weight_sqnr_db = Exercise(
    id="52.weight_sqnr_db", points=3, difficulty=2, minutes=14, idea="the largest weight sets everybody's step",
    reference=deploy.weight_sqnr_db, compare=prop(_judge),
    cases=[Case(np.array([[1.0, 0.5, -0.25]]), label="[[1.0, 0.5, -0.25]]"),
           Case(np.array([[100.0, 50.0], [0.5, 0.2]]), True, label="two rows, per_channel=True")],
    hidden=[Case(_kernel(0), label="a 3x3 kernel"), Case(_kernel(0, 1.0), label="the same kernel with an identity added"),
            Case(_kernel(0), True, label="a 3x3 kernel, per_channel=True"), Case(_kernel(0, 1.0), True, label="with an identity, per_channel=True"),
            Case(_kernel(1), False, 4, label="a 3x3 kernel, 4 bits"), Case(_with_zero_channel(2), True, label="an all-zero channel, per_channel=True"),
            Case(np.zeros((2, 3)), label="all zeros"), Case(np.zeros((2, 3)), True, label="all zeros, per_channel=True"),
            Case(np.array([[127.0, 1.0, -64.0]]), label="[[127.0, 1.0, -64.0]]"), Case(np.array([[127.0, 0.5, 1.5, 2.5, -0.5]]), label="halves between two steps"),
            Case(np.array([[127.0, 1.5, 3.5, 5.5]]), label="halves with an odd whole part")],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception("qmax_128", _sqnr(qmax=lambda bits: 2 ** (bits - 1)),
                      "You divide by 128. Symmetric INT8 uses -127 … 127, so max|w| lies on 127.", "127, not 128.",
                      also=(_sqnr(qmax=lambda bits: 2**bits - 1), _sqnr(qmax=lambda bits: 2**bits), _sqnr(qmax=lambda bits: 2 ** (bits - 1) - 0.5))),
        Misconception("truncated", _sqnr(rounding=np.trunc),
                      "You truncate. Then errors go up to a whole step and not half of one: about 6 dB are lost.", "Round, don't truncate.",
                      also=(_sqnr(rounding=_as_type), _sqnr(rounding=np.floor), _sqnr(rounding=np.ceil))),
        Misconception("amplitude_db", _sqnr(factor=20.0),
                      "You take 20·log10 of a ratio of powers, or 10·log10 of one of amplitudes. For powers it is 10·log10.", "10·log10 for powers.",
                      also=(_sqnr(ratio=_ratio_of_norms), _sqnr(factor=10 / np.log10(np.e)))),
        Misconception("inverted", _sqnr(ratio=lambda w, e: float(np.sum(e**2) / np.sum(w**2))),
                      "Signal over noise, not the other way round: a good kernel has many decibels.", "The ratio is upside down."),
        Misconception("peak_signal", _sqnr(ratio=lambda w, e: float(np.max(w**2) / np.mean(e**2))),
                      "You compare the error with the largest weight. That is the peak ratio; here the signal is the sum of all squares.", "The signal is all weights."),
        Misconception("scale_zero", _nan_allowed,
                      "A channel of zeros has the scale 0, and you divide by it. Such a channel has no error.", "Division by zero.",
                      also=(_sqnr(zero=None, equal=math.nan),)),
        Misconception("no_error", _sqnr(equal=0.0),
                      "Without any error the ratio is infinite: return `inf`.", "No error means inf.", also=(_sqnr(equal=None), _sqnr(equal=100.0), _sqnr(equal=-math.inf))),
        Misconception("always_per_tensor", _sqnr(always=False),
                      "`per_channel` has no effect: you use one scale for the whole tensor.", "A scale for each output channel.", also=(_sqnr(axis=1),)),
        Misconception("always_per_channel", _sqnr(always=True),
                      "Without `per_channel` the whole tensor shares one scale, so its largest weight decides for all.", "One scale for the tensor."),
        Misconception("mean_of_channels", _mean_of_channels,
                      "You average the channels' decibels. Sum the squares of all weights and of all errors first, then take one logarithm.",
                      "Sum first, then the logarithm."),
        Misconception("maximum_without_abs", _sqnr(largest=lambda rows: rows.max(1, keepdims=True)),
                      "The scale comes from max|w|. Your maximum ignores that a negative weight may be the largest in size.", "The absolute value is missing.",
                      also=(_sqnr(largest=lambda rows: (rows.max(1, keepdims=True) - rows.min(1, keepdims=True)) / 2),)),
        Misconception("asymmetric", _asymmetric,
                      "You use a zero point. Weights are quantized symmetrically here: zero stays zero, and the scale is max|w| / 127.", "Symmetric, without a zero point."),
        Misconception("bits_ignored", _sqnr(qmax=lambda bits: 127),
                      "`bits` has no effect. The largest integer is 2^(bits-1) - 1.", "bits is ignored."),
    ],
    alternatives=[_sqnr(), _sqnr(rounding=_half_up), _looped, _in_python, _as_difference],
    hints=("By hand: 1.0, 0.5, -0.25 over the scale 1/127 gives 127, 63.5, -31.75. What do they round to, and how far off are they?",
           "With per_channel, reshape to (O, the rest) and take the maximum along axis 1 with `keepdims=True`.",
           "Replace scales of 0 by 1 before you divide. At the end look whether there was any error at all."),
    worth_knowing="Halving the step costs one bit and gains 6 dB. One outlier that doubles the range takes them back.",
)

"""How small a trained network can get: its weights are spoiled step by step, and its accuracy is measured."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import nn

from utils.compression.feasibility.necessity import TargetDevice, necessity_report
from utils.compression.low_rank import svd_factor
from utils.compression.pruning.masks import global_masks
from utils.compression.pruning.report import prunable
from utils.compression.quantization.granularity import fake_quantize
from utils.compression.sparsity.formats import format_bytes
from utils.networks.digits import Array, accuracy, predict

Kind = Literal["bits", "sparsity", "rank", "noise"]
Level = TypeVar("Level")
SLACK = 1e-12  # an accuracy is a ratio of counts: equality must not hang on the last bit

# From mild to aggressive. The levels of "noise" are bits: noise as strong as the rounding to so many.
LEVELS: Mapping[Kind, tuple[float, ...]] = {
    "bits": (8, 7, 6, 5, 4, 3, 2),
    "sparsity": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    "rank": (32, 24, 20, 16, 12, 10, 8, 6, 5, 4),
    "noise": (8, 7, 6, 5, 4, 3, 2),
}


# --- spoiling the weights ---------------------------------------------------------------------


def _replaced(model: nn.Module, change: Callable[[np.ndarray], np.ndarray]) -> nn.Module:
    """A copy whose weight matrices went through `change`: (out, in) -> (out, in), float32."""
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for W in prunable(changed).values():
            flat = W.detach().flatten(1).numpy()
            W.copy_(torch.as_tensor(change(flat), dtype=W.dtype).reshape(W.shape))
    return changed


def rounded(W: np.ndarray, bits: int) -> np.ndarray:
    """`W` on a symmetric grid of `bits` bits with one scale for each row (output): float32."""
    return fake_quantize(W, bits, symmetric=True, axis=0)


def spoiled(model: nn.Module, kind: Kind, level: float, *, seed: int = 0) -> nn.Module:
    """A copy of the network with its weight matrices changed and its biases whole.

    bits: rounded to so many bits, one scale for each output. sparsity: this share of all weights set to zero, the
    smallest first. rank: every matrix replaced by its best approximation of this rank, if it has more. noise: normal
    noise added whose root mean square is `level` times that of its matrix.
    Raises ValueError for another kind, or a level that the kind does not have.
    """
    if kind == "bits":
        return _replaced(model, lambda W: rounded(W, int(level)))
    if kind == "sparsity":
        pruned = copy.deepcopy(model)
        weights = list(prunable(pruned).values())
        for W, mask in zip(weights, global_masks(weights, level)):
            W.mul_(mask)
        return pruned
    if kind == "rank":
        return _replaced(model, lambda W: _best_of_rank(W, int(level)))
    if kind == "noise":
        if not level >= 0:
            raise ValueError(f"level must not be negative for noise, got {level}")
        rng = np.random.default_rng(seed)
        return _replaced(model, lambda W: W + level * _rms(W) * rng.normal(size=W.shape))
    raise ValueError(f"kind must be 'bits', 'sparsity', 'rank' or 'noise', got {kind!r}")


def _rms(W: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(W, dtype=np.float64))))


def _best_of_rank(W: np.ndarray, rank: int) -> np.ndarray:
    if rank >= min(W.shape):
        return W
    A, B = svd_factor(W, rank)
    return A @ B


def rounding_noise(model: nn.Module, bits: int) -> float:
    """Root mean square of the error of rounding to `bits` bits, over that of the weights."""
    matrices = [W.flatten(1).numpy().astype(np.float64) for W in prunable(model).values()]
    errors = np.concatenate([(rounded(W, bits) - W).ravel() for W in matrices])
    return _rms(errors) / _rms(np.concatenate([W.ravel() for W in matrices]))


def tolerance_curve(model: nn.Module, X: Array, y: Array, kind: Kind, levels: Sequence[float], *,
                    seed: int = 0) -> list[tuple[float, float]]:
    """(level, accuracy on (X, y)) of the network spoiled at each level; nothing is trained again."""
    return [(level, accuracy(spoiled(model, kind, level, seed=seed), X, y)) for level in levels]


# --- what it saves ----------------------------------------------------------------------------


def relative_bytes(model: nn.Module, kind: Kind, level: float) -> float:
    """Bytes of the parameters stored in the way that `kind` allows, over their bytes in FP32.

    bits: packed integers and an FP32 scale for each output. sparsity: a bitmap and the FP32 values that are left.
    rank: two FP32 factors, or the matrix where those are larger. Biases stay FP32 everywhere.
    Raises ValueError for "noise", which saves nothing by itself, and for another kind.
    """
    shapes = [(W.shape[0], W.numel() // W.shape[0]) for W in prunable(model).values()]
    total = 4 * sum(p.numel() for p in model.parameters())
    dense = 4 * sum(m * n for m, n in shapes)
    if kind == "bits":
        packed = sum(m * n * level / 8 + 4 * m for m, n in shapes)
    elif kind == "sparsity":
        entries = dense // 4
        packed = format_bytes((1, entries), entries - round(level * entries), fmt="bitmap", item_bytes=4)
    elif kind == "rank":
        packed = 4 * sum(min(level * (m + n), m * n) for m, n in shapes)
    else:
        raise ValueError(f"kind must be 'bits', 'sparsity' or 'rank' to have a size, got {kind!r}")
    return (packed + total - dense) / total


@dataclass(frozen=True)
class CurvePoint:
    """One measured level: bytes over FP32's (for noise those of the rounding that is as strong), and accuracy."""

    level: float
    ratio: float
    accuracy: float


Curves = Mapping[str, Sequence[CurvePoint]]


def measured_curves(model: nn.Module, X: Array, y: Array,
                    levels: Mapping[Kind, Sequence[float]] = LEVELS, *, seed: int = 0) -> dict[str, list[CurvePoint]]:
    """A curve for each kind in `levels`, on one axis of bytes."""
    curves = {}
    for kind, wanted in levels.items():
        as_noise = kind == "noise"
        applied = [rounding_noise(model, int(b)) for b in wanted] if as_noise else wanted
        found = tolerance_curve(model, X, y, kind, applied, seed=seed)
        curves[kind] = [CurvePoint(level, relative_bytes(model, "bits" if as_noise else kind, level), acc)
                        for level, (_, acc) in zip(wanted, found)]
    return curves


# --- the cliff --------------------------------------------------------------------------------


def knee(levels: Sequence[Level], accuracies: Sequence[float], baseline: float, max_drop: float) -> Level | None:
    """Most aggressive level before the first one whose accuracy is below baseline - max_drop; None if it is the first.

    `levels` go from mild to aggressive. An accuracy at the limit passes, with a slack of 1e-12.
    Raises ValueError for lengths that differ.

    >>> knee([2, 4, 8, 16], [0.97, 0.96, 0.90, 0.965], 0.97, 0.02)
    4
    """
    if len(levels) != len(accuracies):
        raise ValueError(f"levels and accuracies must have one length, got {len(levels)} and {len(accuracies)}")
    found = None
    for level, accuracy_here in zip(levels, accuracies):
        if accuracy_here < baseline - max_drop - SLACK:
            break
        found = level
    return found


def accuracy_standard_error(acc: float, n: int) -> float:
    """Standard error of an accuracy measured on n samples: sqrt(p (1 - p) / n).

    Raises ValueError for n < 1 or an accuracy outside [0, 1].
    """
    if n < 1 or not 0 <= acc <= 1:
        raise ValueError(f"acc must be in [0, 1] and n at least 1, got {acc} and {n}")
    return float(np.sqrt(acc * (1 - acc) / n))


def per_class_drop(y: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Share of each class that was right before minus the share that is right after: float64, one entry a class.

    The arguments are label arrays of shape (n,); classes are 0 ... max(y), and one without samples has NaN.
    Raises ValueError for shapes that differ.
    """
    y, before, after = (np.asarray(a) for a in (y, before, after))
    if not y.shape == before.shape == after.shape:
        raise ValueError(f"y, before and after must have one shape, got {y.shape}, {before.shape} and {after.shape}")
    count = np.bincount(y)
    lost = np.bincount(y, (before == y).astype(float) - (after == y), minlength=len(count))
    return np.divide(lost, count, out=np.full(len(count), np.nan), where=count > 0)


def predictions(model: nn.Module, X: Array) -> np.ndarray:
    """The predicted labels (n,)."""
    return predict(model, X).argmax(1).numpy()


# --- need against can -------------------------------------------------------------------------


@dataclass(frozen=True)
class Feasibility:
    """The required ratio to FP32, what sets it, and for each kind the smallest ratio before its cliff (or None)."""

    required_ratio: float
    limiting: str
    smallest: Mapping[str, float | None]

    @property
    def reachable(self) -> tuple[str, ...]:
        """The kinds whose smallest ratio is small enough; all where nothing must shrink. Noise saves nothing."""
        kinds = {kind: ratio for kind, ratio in self.smallest.items() if kind != "noise"}
        if self.required_ratio >= 1:
            return tuple(kinds)
        return tuple(kind for kind, ratio in kinds.items() if ratio is not None and ratio <= self.required_ratio)

    def as_dict(self) -> dict[str, object]:
        """The fields and the reachable kinds as a plain dict."""
        return {**asdict(self), "reachable": self.reachable}


def need_vs_can(n_params: float, device: TargetDevice, tokens_per_s: float, curves: Curves, *, baseline: float,
                max_drop: float = 0.02) -> Feasibility:
    """Set what the device asks for against measured curves: is the required ratio before a cliff?

    The curves may come from another network than the one of `n_params`; then this shows how to argue, and no more.
    """
    report = necessity_report(n_params, device, tokens_per_s)
    smallest = {kind: knee([p.ratio for p in points], [p.accuracy for p in points], baseline, max_drop)
                for kind, points in curves.items()}
    return Feasibility(report.required_ratio, report.limits.limiting, smallest)

"""Exercise 16.magnitude_mask: which weights stay when the smallest go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from utils.compression import pruning

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _mask(weight: np.ndarray, sparsity: float, *, rank: Callable = np.abs, count: Callable = round, rows: bool = False,
          ties: str = "low", invert: bool = False, check: bool = True, flat: bool = False,
          in_place: bool = False, wanted: str = "mask") -> np.ndarray:
    """The mask with one mistake; with its defaults it is right (an independent formulation)."""
    if check and (sparsity < 0 or sparsity > 1):
        raise ValueError("sparsity must be in [0, 1]")
    if in_place:
        np.abs(weight, out=weight)
    scores = rank(weight)
    if rows:
        n = scores.shape[-1]
        place = np.argsort(np.argsort(scores, axis=-1, kind="stable"), axis=-1, kind="stable")
        keep = place >= count(sparsity * n)
    else:
        values, n = scores.ravel(), scores.size
        index = np.arange(n) if ties == "low" else -np.arange(n)
        order = np.lexsort((index, values))
        keep = np.zeros(n, bool)
        keep[order[count(sparsity * n):]] = True
        keep = keep if flat else keep.reshape(weight.shape)
    if wanted == "weights":
        return weight * keep
    return (keep ^ invert) if wanted == "mask" else keep.astype(weight.dtype)


def _by_quantile(weight: np.ndarray, sparsity: float, *, rank: Callable = np.abs, check: bool = True) -> np.ndarray:
    if check and not 0 <= sparsity <= 1:
        raise ValueError("sparsity must be in [0, 1]")
    return rank(weight) > np.quantile(rank(weight), min(max(sparsity, 0), 1))


def _by_kth(weight: np.ndarray, sparsity: float) -> np.ndarray:
    if not 0 <= sparsity <= 1:
        raise ValueError("sparsity must be in [0, 1]")
    pruned = round(sparsity * weight.size)
    if pruned == 0:
        return np.ones(weight.shape, bool)
    return np.abs(weight) > np.sort(np.abs(weight), axis=None)[pruned - 1]


def _from_kth(weight: np.ndarray, sparsity: float) -> np.ndarray:
    if not 0 <= sparsity <= 1:
        raise ValueError("sparsity must be in [0, 1]")
    pruned = round(sparsity * weight.size)
    if pruned == weight.size:
        return np.zeros(weight.shape, bool)
    return np.abs(weight) >= np.sort(np.abs(weight), axis=None)[pruned]


def _mask_by_loop(weight: np.ndarray, sparsity: float) -> np.ndarray:
    """Prunes one weight after another, always the first of the smallest that are left."""
    if not 0.0 <= sparsity <= 1.0:
        raise ValueError("out of range")
    left = np.abs(weight).flatten()
    keep = [True] * left.size
    for _ in range(round(sparsity * left.size)):
        smallest = int(left.argmin())
        keep[smallest], left[smallest] = False, np.inf
    return np.array(keep, bool).reshape(weight.shape)


def _mask_by_partition(weight: np.ndarray, sparsity: float) -> np.ndarray:
    """Everything below the k-th value goes, and as many of its equals as are still needed."""
    if sparsity < 0 or sparsity > 1:
        raise ValueError("out of range")
    size, values = weight.size, np.abs(weight).reshape(-1)
    k = int(np.rint(sparsity * size))
    if k == 0:
        return np.full(weight.shape, True)
    threshold = np.partition(values, k - 1)[k - 1]
    drop = values < threshold
    equal = np.flatnonzero(values == threshold)
    drop[equal[:k - drop.sum()]] = True
    return ~drop.reshape(weight.shape)


def _as_it_is(weight: np.ndarray) -> np.ndarray:
    return weight.copy()


def _draw_mask(rng: np.random.Generator) -> Case:
    shape = tuple(int(n) for n in rng.integers(1, 7, int(rng.integers(1, 5))))
    weight = rng.standard_normal(shape)
    if rng.random() < 0.5:
        weight = np.round(weight, 1 if rng.random() < 0.5 else 0)  # ties
    if rng.random() < 0.5:
        weight = weight.astype(np.float32)
    return Case(weight, round(float(rng.uniform(0, 1)), 2), label=f"random {weight.dtype} of shape {shape}")


_EXAMPLE = np.array([[0.5, -0.1, 0.3], [0.1, -2.0, 0.05]])
_UNSORTED = np.array([3.0, -1.0, 2.0, -5.0, 4.0, 0.5, -0.25, 1.5, -2.5, 0.75])

magnitude_mask = Exercise(
    id="16.magnitude_mask", points=3, difficulty=1, minutes=12, idea="count k, and rank absolute values",
    reference=pruning.magnitude_mask,
    cases=[Case(_EXAMPLE, 0.5), Case(np.ones((2, 3)), 0.5), Case(_UNSORTED, 0.3)],
    hidden=[
        Case(_EXAMPLE, 0.0), Case(_EXAMPLE, 1.0), Case(_EXAMPLE, 0), Case(_EXAMPLE, 1),
        Case(np.arange(100, dtype=np.float32).reshape(10, 10) - 50, 0.29, label="100 weights, sparsity 0.29"),
        Case(np.array([1.0, -1.0, 1.0, -1.0, 0.5]), 0.5, label="[1, -1, 1, -1, 0.5], sparsity 0.5"),
        Case(np.full((4, 3, 2, 2), -0.5), 0.4, label="48 equal weights, sparsity 0.4"),
        Case(np.zeros(7), 0.6, label="7 zeros, sparsity 0.6"),
        Case(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), 0.5, label="a row of small weights and one of large"),
        Case(np.array([2.0]), 0.4), Case(np.array([2.0]), 0.6),
        Case(np.tile([0.5, -0.5, 0.25, -0.25], 20), 0.5, label="80 weights of two magnitudes, sparsity 0.5"),
        Case(np.tile([0.5, -0.5, 0.25, -0.25], 20), 0.7, label="80 weights of two magnitudes, sparsity 0.7"),
    ],
    raises=[Case(_EXAMPLE, -0.1), Case(_EXAMPLE, 1.01), Case(_EXAMPLE, 50), Case(_EXAMPLE, -1)],
    draw=_draw_mask, draws=40, pure=True,
    compare=exact(),
    misconceptions=[
        Misconception(
            "signed", partial(_by_quantile, rank=_as_it_is),
            "You ranked signed values, so every large negative weight went first. −2.0 moves the output as much as "
            "2.0 does. What measures the size of a weight?",
            "Signed values were ranked.",
            also=(partial(_by_quantile, rank=_as_it_is, check=False), partial(_mask, rank=_as_it_is),
                  partial(_mask, rank=_as_it_is, check=False))),
        Misconception(
            "threshold", _by_quantile,
            "A threshold cannot tell equal weights apart, and a quantile lies between two of them: the number of "
            "pruned weights comes out wrong. Work out k first, then prune exactly k.",
            "A threshold prunes the wrong number.",
            also=(partial(_by_quantile, check=False), _by_kth, _from_kth)),
        Misconception(
            "truncates", partial(_mask, count=int),
            "0.29 · 100 is 28.999999999999996 in floating point, and int() cuts that to 28. The task asks for the "
            "nearest whole number.",
            "You are truncating.", also=(partial(_mask, count=int, check=False),)),
        Misconception(
            "each_row", partial(_mask, rows=True),
            "You pruned the same share of each row. The sparsity is over the whole tensor: a row of small weights may "
            "lose them all.",
            "Each row was pruned alone.", also=(partial(_mask, rows=True, check=False),)),
        Misconception(
            "pruned_weights", partial(_mask, wanted="weights"),
            "These are the pruned weights. The task asks for the mask: whoever trains on has to apply it again after "
            "every step.",
            "The mask was applied already.",
            also=(partial(_mask, wanted="weights", check=False),)),
        Misconception(
            "numbers", partial(_mask, wanted="numbers"),
            "The zeros and ones are right. The task asks for an array of booleans.",
            "The mask is not boolean.", also=(partial(_mask, wanted="numbers", check=False),)),
        Misconception(
            "inverted", partial(_mask, invert=True),
            "Here True marks what is pruned. In a mask, True means keep.",
            "True and False are swapped.", also=(partial(_mask, invert=True, check=False),)),
        Misconception(
            "ties_from_the_end", partial(_mask, ties="high"),
            "The count is right. Among equal absolute values you pruned the ones with the higher index first; the task "
            "asks for the lower flat index. A reversed sort does that.",
            "Ties go the other way.", also=(partial(_mask, ties="high", check=False),)),
        Misconception(
            "flat", partial(_mask, flat=True),
            "The mask is right but flat. It has to have the shape of the weight.",
            "The shape was lost.", also=(partial(_mask, flat=True, check=False),)),
        Misconception(
            "in_place", partial(_mask, in_place=True),
            "The mask is right, but the weights lost their signs on the way: the function wrote into its argument. "
            "Work on a copy.",
            "The weights were changed.", also=(partial(_mask, in_place=True, check=False),)),
        Misconception(
            "no_range", partial(_mask, check=False),
            "The masks are right. A sparsity below 0 or above 1 has to be refused: 50 is usually a percentage that "
            "lost its unit.",
            "Any sparsity is accepted."),
    ],
    alternatives=[_mask, _mask_by_loop, _mask_by_partition],
    hints=(
        "How many weights have to go? `k = round(sparsity * weight.size)`.",
        "`np.argsort(np.abs(weight), axis=None, kind=\"stable\")` lists flat indices from the smallest magnitude on; "
        "a stable sort keeps equal ones in their order.",
        "Make a flat array of True, set the first k of these indices to False, and reshape.",
    ),
    worth_knowing="On weights without ties this is the mask of `torch.nn.utils.prune.l1_unstructured`.",
)

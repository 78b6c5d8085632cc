"""Exercises of chapter 16: what is model pruning?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from utils.compression import pruning

from ..compare import brief, close, exact, prop
from ..exercise import Case, Exercise, Misconception

# --- 1. magnitude_mask ------------------------------------------------------------------------


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


# --- 2. sparsity_at ---------------------------------------------------------------------------


def _ramp(step: int, initial: float, final: float, begin: int, steps: int, *, shape: str = "cubic", late: bool = True,
          early: bool = True, shift: bool = True, last: bool = False, check: bool = True) -> float:
    """The schedule with one mistake; with its defaults it is right (an independent formulation)."""
    if check and steps <= 0:
        raise ValueError("steps must be positive")
    t = (step - begin if shift else step) / (steps - begin if last and steps != begin else steps)
    t = min(t, 1.0) if late else t
    t = max(t, 0.0) if early else t
    if shape == "from zero":
        return final * (1 - (1 - t) ** 3) if t > 0 else initial
    progress = {"cubic": 1 - (1 - t) ** 3, "linear": t, "slow": t**3, "square": 1 - (1 - t) ** 2}[shape]
    return initial + (final - initial) * progress


def _ramp_clip(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    if not steps > 0:
        raise ValueError("no step")
    left = np.clip((begin + steps - step) / steps, 0, 1)
    return float(final - (final - initial) * left**3)


def _ramp_interp(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    """Interpolates the cube root of what is left, which is a straight line."""
    if steps < 1:
        raise ValueError("no step")
    root = np.interp(step, [begin, begin + steps], [1.0, 0.0])
    return root * root * root * initial + (1 - root * root * root) * final


def _accepts_no_steps(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    if steps > 0:
        return _ramp(step, initial, final, begin, steps)
    return final if step >= begin else initial


def _accepts_before_begin(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    return initial if step <= begin else _ramp(step, initial, final, begin, steps)


def _draw_ramp(rng: np.random.Generator) -> Case:
    begin, steps = int(rng.integers(0, 30)), int(rng.integers(1, 50))
    initial, final = (round(float(v), 2) for v in np.sort(rng.uniform(0, 1, 2)))
    initial = 0.0 if rng.random() < 0.3 else initial
    return Case(int(rng.integers(0, begin + steps + 15)), initial, final, begin, steps)


sparsity_at = Exercise(
    id="16.sparsity_at", points=2, difficulty=1, minutes=8, idea="prune fast early, slow late",
    reference=pruning.sparsity_at,
    cases=[Case(t, 0, 0.8, 2, 4) for t in range(8)],
    hidden=[Case(0, 0.1, 0.9, 5, 10), Case(5, 0.1, 0.9, 5, 10), Case(6, 0.1, 0.9, 5, 10), Case(10, 0.1, 0.9, 5, 10),
            Case(14, 0.1, 0.9, 5, 10), Case(15, 0.1, 0.9, 5, 10), Case(16, 0.1, 0.9, 5, 10), Case(40, 0.1, 0.9, 5, 10),
            Case(3, 0.5, 0.5, 0, 7), Case(1, 0.2, 0.6, 0, 1), Case(0, 0.2, 0.6, 0, 1), Case(4, 0.25, 0.75, 3, 2)],
    raises=[Case(3, 0, 0.8, 2, 0), Case(3, 0, 0.8, 2, -4), Case(0, 0, 0.8, 2, 0, label="no steps, before the begin"),
            Case(0, 0, 0.8, 2, -1, label="−1 steps, before the begin")],
    draw=_draw_ramp, draws=60,
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "linear", partial(_ramp, shape="linear"),
            "This is a straight line. The schedule is cubic: it prunes most early, while the network has slack, and "
            "little near the end.",
            "The ramp is linear.", also=(partial(_ramp, shape="linear", check=False),)),
        Misconception(
            "slow_first", partial(_ramp, shape="slow"),
            "You cubed the share of the way. That prunes little at first and nearly everything in the last steps, when "
            "no time is left to recover. What is cubed is the share that is still ahead.",
            "The curve is bent the wrong way.", also=(partial(_ramp, shape="slow", check=False),)),
        Misconception(
            "from_zero", partial(_ramp, shape="from zero"),
            "This is right for initial = 0 only. With another start it jumps at `begin`: the distance to go is "
            "final − initial.",
            "The ramp starts at zero.", also=(partial(_ramp, shape="from zero", check=False),)),
        Misconception(
            "runs_on", partial(_ramp, late=False),
            "Past the last step the schedule runs on and prunes more and more. From begin + steps on the sparsity "
            "stays at `final`.",
            "The schedule does not stop.", also=(partial(_ramp, late=False, check=False),)),
        Misconception(
            "runs_early", partial(_ramp, early=False),
            "Before `begin` the share of the way is negative, and the formula leaves the range: hold `initial` there.",
            "The schedule starts too early.", also=(partial(_ramp, early=False, check=False),)),
        Misconception(
            "no_clamp", partial(_ramp, early=False, late=False),
            "The formula holds between `begin` and begin + steps only. Before it the sparsity is `initial`, after it "
            "`final`.",
            "The formula is used outside its range.", also=(partial(_ramp, early=False, late=False, check=False),)),
        Misconception(
            "from_step_zero", partial(_ramp, shift=False),
            "Progress starts at `begin`, not at step 0: at step `begin` nothing has been done yet.",
            "`begin` was ignored.", also=(partial(_ramp, shift=False, check=False),)),
        Misconception(
            "steps_is_the_end", partial(_ramp, last=True),
            "`steps` is how long the ramp takes, not the step at which it ends. It ends at begin + steps.",
            "`steps` was taken for the end.",
            also=(partial(_ramp, last=True, check=False),)),
        Misconception(
            "square", partial(_ramp, shape="square"),
            "The right idea with the wrong power: you squared what is left, the schedule cubes it.",
            "The power is 2.", also=(partial(_ramp, shape="square", check=False),)),
        Misconception(
            "no_steps_accepted", _accepts_no_steps,
            "The values are right. A ramp of 0 or fewer steps has to be refused with a ValueError, wherever the step is.",
            "An empty ramp is accepted.",
            also=(partial(_ramp, check=False), _accepts_before_begin)),
    ],
    alternatives=[_ramp, _ramp_clip, _ramp_interp],
    hints=(
        "The share of the way is t = (step − begin) / steps. Before 0 and after 1 the answer does not change.",
        "final + (initial − final)·(1 − t)³ is `initial` at t = 0 and `final` at t = 1.",
    ),
    worth_knowing="The schedule is Zhu and Gupta's (2017); a quarter of the way has already brought 58 % of the pruning.",
)


# --- 3. remove_neurons ------------------------------------------------------------------------

Arrays = tuple[np.ndarray, ...]


def _remove(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray, dead: np.ndarray, *, fold: str = "relu",
            check: str = "any", cut: str = "rows", keep_b1: bool = False) -> Arrays:
    """The smaller net with one mistake; with its defaults it is right (an independent formulation)."""
    flagged = np.flatnonzero(dead)
    bad = {"any": lambda: np.count_nonzero(W1[flagged]) > 0, "sum": lambda: W1[flagged].sum() != 0,
           "close": lambda: not np.allclose(W1[flagged], 0), "no": lambda: False}[check]()
    if bad:
        raise ValueError("a flagged row is not zero")
    constant = {"relu": np.where(b1 > 0, b1, 0.0), "plain": b1, "none": 0 * b1, "abs": np.abs(b1)}[fold][flagged]
    out_bias = b2 + (W2[:, flagged] * constant).sum(axis=1)
    if fold == "all":
        out_bias = b2 + W2 @ np.maximum(b1, 0)
    live = np.flatnonzero(~np.asarray(dead))
    if cut == "zeros":
        return W1 * ~dead[:, None], b1 * ~dead, W2 * ~dead, out_bias
    if cut == "columns":
        return W1[:, ~dead], b1[live], W2[live], out_bias
    if cut == "W2 rows":
        return W1[live], b1[live], W2[~dead], out_bias
    return W1[live], b1 if keep_b1 else b1[live], W2[:, live], out_bias


def _remove_every_zero_row(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray, dead: np.ndarray) -> Arrays:
    if W1[dead].any():
        raise ValueError("a flagged row is not zero")
    return _remove(W1, b1, W2, b2, ~W1.any(axis=1))


def _remove_in_place(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray, dead: np.ndarray) -> Arrays:
    smaller = _remove(W1, b1, W2, b2, dead)
    b2 += smaller[3] - b2
    return smaller


def _remove_by_running(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray, dead: np.ndarray) -> Arrays:
    """Runs the dead part alone on x = 0; what comes out is the new bias."""
    if not np.all(W1[dead] == 0):
        raise ValueError("a flagged row is not zero")
    x = np.zeros(W1.shape[1])
    hidden = W1[dead] @ x + b1[dead]
    hidden[hidden < 0] = 0
    new = W2[:, dead] @ hidden + b2
    return tuple(np.delete(a, np.where(dead)[0], axis) for a, axis in ((W1, 0), (b1, 0), (W2, 1))) + (new,)


def _remove_one_by_one(W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray, dead: np.ndarray) -> Arrays:
    rows, biases, columns, new = [], [], [], np.array(b2, float)
    for j in range(len(dead)):
        if not dead[j]:
            rows.append(W1[j])
            biases.append(b1[j])
            columns.append(W2[:, j])
        elif max(abs(W1[j])) > 0:
            raise ValueError("a flagged row is not zero")
        elif b1[j] > 0:
            new += b1[j] * W2[:, j]
    return (np.array(rows).reshape(-1, W1.shape[1]), np.array(biases, float),
            np.array(columns).reshape(-1, len(b2)).T, new)


def _net(hidden: int, d: int, out: int, dead: list[bool], seed: int, label: str = "") -> Case:
    rng = np.random.default_rng(seed)
    W1, b1, W2, b2 = (rng.standard_normal(s) for s in ((hidden, d), hidden, (out, hidden), out))
    flags = np.array(dead, bool)
    W1[flags] = 0
    return Case(W1, b1, W2, b2, flags, label=label or f"{d} → {hidden} → {out}, {int(flags.sum())} flagged")


def _draw_net(rng: np.random.Generator) -> Case:
    hidden, d, out = (int(n) for n in rng.integers(1, 8, 3))
    if rng.random() < 0.3:
        d = out = hidden  # square matrices, where rows and columns look alike
    return _net(hidden, d, out, (rng.random(hidden) < 0.5).tolist(), int(rng.integers(2**31)))


def _bad_net(row: list[float]) -> Case:
    W1 = np.array([[1.0, 0.0], row, [0.0, -1.0]])
    return Case(W1, np.array([0, 0.5, 0]), np.array([[1.0, 2, 3]]), np.array([0.1]), np.array([False, True, False]),
                label=f"the flagged row is {row}")


_SMALL = (np.array([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]]), np.array([0.0, 0.5, 0.0]), np.array([[1.0, 2.0, 3.0]]),
          np.array([0.1]))

remove_neurons = Exercise(
    id="16.remove_neurons", points=5, difficulty=2, minutes=20, idea="a silent neuron still sends relu(bias)",
    reference=pruning.remove_neurons,
    cases=[
        Case(*_SMALL, np.array([False, True, False]), label="the example: neuron 1 of 3 is flagged"),
        Case(_SMALL[0], np.array([0.0, -0.5, 0.0]), *_SMALL[2:], np.array([False, True, False]),
             label="the same with the bias −0.5"),
    ],
    hidden=[
        Case(*_SMALL, np.array([False, False, False]), label="nothing is flagged, one row is zero"),
        _net(3, 2, 2, [True] * 3, 1, "all three are flagged"), _net(4, 4, 4, [True, False, True, False], 2),
        _net(3, 3, 3, [True, True, False], 6), _net(1, 1, 1, [True], 3, "a single neuron, flagged"),
        _net(6, 3, 2, [False] * 6, 4, "nothing is flagged"),
    ],
    raises=[_bad_net([0.0, 0.3]), _bad_net([1.0, -1.0]), _bad_net([-0.2, -0.1]), _bad_net([0.0, 1e-12])],
    draw=_draw_net, draws=40, pure=True,
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "drops_the_constant", partial(_remove, fold="none"),
            "A neuron with zero weights still emits relu(bias): the same number for every input. The next layer "
            "has counted on it. Where can a constant go?",
            "A constant was lost.", also=(partial(_remove, fold="none", check="no"),)),
        Misconception(
            "no_relu", partial(_remove, fold="plain"),
            "You folded the bias itself. It passes through the ReLU first: what does a neuron with a negative bias send?",
            "The ReLU is missing.", also=(partial(_remove, fold="plain", check="no"),)),
        Misconception(
            "absolute", partial(_remove, fold="abs"),
            "You folded the size of the bias. A ReLU turns a negative bias into 0, not into its absolute value.",
            "The ReLU is not an absolute value.", also=(partial(_remove, fold="abs", check="no"),)),
        Misconception(
            "columns", partial(_remove, cut="columns"),
            "A column of W1 belongs to an input, a row to a neuron. In W2 it is the other way round: each column takes "
            "what one neuron sends.",
            "Rows and columns are swapped.",
            also=(partial(_remove, cut="columns", check="no"), partial(_remove, cut="W2 rows"),
                  partial(_remove, cut="W2 rows", check="no"))),
        Misconception(
            "zeros", partial(_remove, cut="zeros"),
            "The function is right, the shapes did not change. Zeros in a dense array take as many bytes and as many "
            "multiplications as other numbers. The rows and columns have to go.",
            "Nothing became smaller.", also=(partial(_remove, cut="zeros", check="no"),)),
        Misconception(
            "long_bias", partial(_remove, keep_b1=True),
            "W1 lost its rows, b1 kept all its entries. A neuron is a row of W1, an entry of b1 and a column of W2.",
            "b1 kept its length.", also=(partial(_remove, keep_b1=True, check="no"),)),
        Misconception(
            "ignores_flags", _remove_every_zero_row,
            "You removed every neuron whose row is zero. The task asks for the flagged ones only.",
            "The flags were ignored.",
            also=(lambda W1, b1, W2, b2, dead: _remove(W1, b1, W2, b2, ~W1.any(axis=1)),)),
        Misconception(
            "in_place", _remove_in_place,
            "The smaller net is right, but `b2 += …` writes into the array of the caller, whose old network is broken now. "
            "Make a new array.",
            "An argument was changed."),
        Misconception(
            "sums_to_zero", partial(_remove, check="sum"),
            "The row [1, −1] sums to 0, and it is not a row of zeros. Ask whether any entry differs from 0.",
            "A sum is no test for zeros.",
            also=(lambda W1, b1, W2, b2, dead: _remove(W1, b1, W2, b2, dead, check="no" if W1[dead].sum() <= 0 else "any"),)),
        Misconception(
            "almost_zero", partial(_remove, check="close"),
            "1e-12 is not 0: with a large input it matters. The task asks to refuse any flagged row that is not exactly zero.",
            "Nearly zero was taken for zero."),
        Misconception(
            "no_refusal", partial(_remove, check="no"),
            "The smaller nets are right. A flag on a neuron that still has weights is a mistake of the caller: it has to be "
            "refused, or the function changes silently.",
            "Wrong flags are accepted."),
    ],
    alternatives=[_remove, _remove_by_running, _remove_one_by_one],
    hints=(
        "Neuron j is row j of W1, entry j of b1 and column j of W2: `W1[~dead]`, `b1[~dead]`, `W2[:, ~dead]`.",
        "A flagged neuron computes relu(0·x + b1[j]) for every x. The next layer multiplies that by its column of W2.",
        "`W2[:, dead] @ np.maximum(b1[dead], 0)` is one number for each output.",
    ),
    worth_knowing="A pruner that also zeroes the bias leaves no constant, and changes the function instead.",
)


# --- 4. finetune_pruned -----------------------------------------------------------------------

Masks = Mapping[str, Tensor]


def _hold(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in masks:
                p.mul_(masks[name])


def _tune(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable, *, before: bool = False,
          gradients: bool = False, before_step: bool = False, after: Callable | None = _hold, clear: bool = True,
          clear_late: bool = False, every: int = 1, told: str = "losses") -> Any:
    """The training loop with one mistake; with its defaults it is right (an independent formulation)."""
    losses = []
    if before:
        _hold(model, masks)
    for x, y in batches:
        for _ in range(every):
            if clear:
                model.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            if gradients:
                for name, mask in masks.items():
                    model.get_parameter(name).grad.mul_(mask)
            if before_step:
                _hold(model, masks)
            optimizer.step()
            if clear_late:
                model.zero_grad()
        if after is not None:
            after(model, masks)
        losses.append(float(loss_fn(model(x), y) if told == "after" else loss))
    return {"losses": losses, "after": losses, "nothing": None, "last": losses[-1] if losses else 0.0,
            "sum": sum(losses)}[told]


def _before_forward(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    losses = []
    for x, y in batches:
        _hold(model, masks)
        optimizer.zero_grad()
        losses.append(loss_fn(model(x), y))
        losses[-1].backward()
        optimizer.step()
    return [loss.item() for loss in losses]


def _rebinds(model: nn.Module, masks: Masks) -> None:
    for name, p in model.named_parameters():
        if name in masks:
            p = p * masks[name]


def _with_grad(model: nn.Module, masks: Masks) -> None:
    for name, mask in masks.items():
        model.get_parameter(name).mul_(mask)


def _replaces_data(model: nn.Module, masks: Masks) -> None:
    for name, mask in masks.items():
        p = model.get_parameter(name)
        p.data = p.data * mask


def _all_parameters(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.mul_(masks[name])


def _inverts(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name)[mask.bool()] = 0


def _tilde(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name)[~mask] = 0


def _last_only(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    losses = _tune(model, masks, optimizer, batches, loss_fn, after=None)
    _hold(model, masks)
    return losses


def _resets(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    optimizer.state.clear()
    return _tune(model, masks, optimizer, batches, loss_fn)


def _tune_by_hook(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    """The optimizer itself restores the zeros at the end of each step."""
    chosen = [(model.get_parameter(name), mask.bool().logical_not()) for name, mask in masks.items()]

    def restore(*_: object) -> None:
        for p, gone in chosen:
            p.data.masked_fill_(gone, 0.0)

    handle, losses = optimizer.register_step_post_hook(restore), []
    for x, y in batches:
        optimizer.zero_grad(set_to_none=False)
        loss = loss_fn(model(x), y)
        loss.backward()
        losses += [loss.item()]
        optimizer.step()
    handle.remove()
    return losses


class _Masked(nn.Module):
    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask.to(weight)


def _tune_by_parametrization(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    """Masks in the forward pass; at the end the masked weight becomes the parameter."""
    losses = []
    places = [name.rpartition(".")[::2] for name in masks]
    for (place, attribute), mask in zip(places, masks.values()):
        parametrize.register_parametrization(model.get_submodule(place), attribute, _Masked(mask))
    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for place, attribute in places:
        parametrize.remove_parametrizations(model.get_submodule(place), attribute)
    return losses


def _tune_by_where(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    parameters, losses = dict(model.named_parameters()), []
    for batch in list(batches):
        optimizer.zero_grad()
        loss = loss_fn(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        for name, mask in masks.items():
            p = parameters[name].detach()  # shares the memory
            p.copy_(torch.where(mask != 0, p, torch.zeros_like(p)))
        losses.append(float(loss))
    return losses


def _show_weights(value: Any) -> str:
    """The weights at the end, and the losses."""
    if not isinstance(value, dict):
        return brief(value)
    told = [f"{name} {np.round(weight, 4).tolist()}" for name, weight in value["end"].items()]
    return brief(f"losses {brief(value['losses'], 30)}, {'; '.join(told)}", 110).strip("'\"")


ADAM = {"optimizer": "Adam", "options": {"lr": 0.1}}


def _training(label: str, layers: list[int], masks: Mapping[str, Any], **more: Any) -> Case:
    return Case(layers=layers, masks=masks, label=label, **more)


_HALF = [[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]

finetune_pruned = Exercise(
    id="16.finetune_pruned", points=5, difficulty=2, minutes=20, idea="the optimiser's memory revives pruned weights",
    reference=pruning.finetune_pruned, probe="ch16_pruning.finetune", show=_show_weights,
    cases=[
        _training("the example: Adam after one step, weights [0.9, 0], mask [1, 0]", [2, 1], {"0.weight": [[1, 0]]},
                  weights={"0.weight": [[1.0, 1.0]]}, bias=False, loss="sum", ones=True,
                  warm_steps=1, **ADAM),
        _training("SGD with momentum, two layers, a mask for the first, 4 batches", [4, 3, 2], {"0.weight": _HALF},
                  optimizer="SGD", options={"lr": 0.05, "momentum": 0.9}, warm_steps=2, steps=4, seed=1),
    ],
    hidden=[
        _training("AdamW with weight decay after 3 steps, 5 batches, masks of 0 and 1 in float32", [4, 3, 2],
                  {"0.weight": _HALF, "2.weight": [[1, 1, 0], [0, 1, 1]]}, optimizer="AdamW",
                  options={"lr": 0.02, "weight_decay": 0.1}, warm_steps=3, steps=5, mask_dtype="float32", seed=2),
        _training("a float32 model, masks of 0 and 1 in float64", [4, 3, 2], {"0.weight": _HALF}, optimizer="SGD",
                  options={"lr": 0.05, "momentum": 0.9}, warm_steps=1, steps=3, mask_dtype="float64", seed=3),
        _training("a float64 model, masks of 0 and 1 in int64", [4, 3, 2], {"2.weight": [[1, 0, 0], [0, 1, 1]]},
                  **ADAM, warm_steps=2, steps=3, mask_dtype="int64", dtype="float64", seed=4),
        _training("a mask for a bias as well", [3, 3, 1], {"0.weight": [[1, 0, 1], [0, 0, 0], [1, 1, 1]],
                  "0.bias": [1, 0, 1]}, optimizer="SGD", options={"lr": 0.1, "momentum": 0.8}, warm_steps=1, steps=3,
                  seed=5),
        _training("fresh SGD without momentum", [4, 3, 2], {"0.weight": _HALF}, options={"lr": 0.1}, steps=3, seed=6),
        _training("no masks at all", [4, 3, 2], {}, options={"lr": 0.1}, steps=2, seed=7),
        _training("no batches", [4, 3, 2], {"0.weight": _HALF}, **ADAM, warm_steps=1, steps=0, seed=8),
        _training("everything is masked", [2, 2], {"0.weight": [[0, 0], [0, 0]]}, **ADAM, warm_steps=1, steps=3, seed=9),
    ],
    compare=close(1e-4), time_limit_s=20,  # the first optimizer of a process imports a large part of torch
    misconceptions=[
        Misconception(
            "gradients_only", partial(_tune, gradients=True, after=None),
            "You masked the gradients. The optimiser remembers earlier ones: momentum moves a pruned weight although "
            "its gradient is zero. Which moment comes after the last thing that writes to a weight?",
            "Momentum revives pruned weights."),
        Misconception(
            "not_held", partial(_tune, before=True, after=None),
            "After the first step pruned weights are back. Either the mask was applied only before the loop, or "
            "`p = p * mask` bound a local name to a new tensor and left the parameter as it was. Each step writes to "
            "the parameters, so each step needs the mask after it, in place.",
            "Nothing holds the mask.",
            also=(partial(_tune, after=None), partial(_tune, after=_rebinds))),
        Misconception(
            "before_step", partial(_tune, before_step=True, after=None),
            "The mask is applied, and then step() writes to the weights: the last writer wins. Swap the two.",
            "The mask comes before the step."),
        Misconception(
            "before_forward", _before_forward,
            "Within the loop each forward pass sees masked weights. After the last step nobody masks again, and the "
            "weights that you hand over are not sparse.",
            "The last step is not masked."),
        Misconception(
            "only_at_the_end", _last_only,
            "The weights end up sparse, but in between the pruned ones took part in the training. The others learnt to "
            "rely on them, and then they were cut off.",
            "The mask comes only at the end."),
        Misconception(
            "needs_no_grad", partial(_tune, after=_with_grad),
            "Torch refuses to change a parameter in place while it records gradients. The masking is no part of the "
            "function that is differentiated: tell torch so.",
            "The masking is recorded by autograd."),
        Misconception(
            "dtype", partial(_tune, after=_replaces_data),
            "`p.data = p.data * mask` hands the parameter a new tensor. With a float64 mask that one is float64, and the "
            "model has changed its type. Change the parameter in place.",
            "The data type changed."),
        Misconception(
            "mask_for_everything", partial(_tune, after=_all_parameters),
            "`masks` names only some parameters: biases often have none. Those without a mask are trained as usual.",
            "Every parameter was expected to have a mask."),
        Misconception(
            "inverted", partial(_tune, after=_inverts),
            "You zeroed where the mask is 1. There, the weight is kept.",
            "The mask is upside down."),
        Misconception(
            "tilde", partial(_tune, after=_tilde),
            "`~mask` is a logical not for booleans only. A mask may also hold 0 and 1 in another type; compare it with 0.",
            "The mask need not be boolean."),
        Misconception(
            "accumulates", partial(_tune, clear=False),
            "The gradients of earlier batches are still in `.grad` and were added. Clear them before each backward pass.",
            "Gradients pile up.", also=(partial(_tune, clear=False, clear_late=True),)),
        Misconception(
            "resets_state", _resets,
            "You emptied the optimiser's state. The pruned weights stay at 0, but the kept ones lose their momentum too.",
            "The optimiser forgot everything."),
        Misconception(
            "two_steps", partial(_tune, every=2),
            "The optimiser took more than one step on a batch. The task asks for exactly one.",
            "A batch was used twice."),
        Misconception(
            "no_losses", partial(_tune, told="nothing"),
            "The training is right. The task also asks for the losses: a list with one float for each batch.",
            "The losses are missing.", also=(partial(_tune, told="last"), partial(_tune, told="sum"))),
        Misconception(
            "losses_after_the_step", partial(_tune, told="after"),
            "You computed each loss a second time, after the step. The task asks for the one that you differentiated, and "
            "calls `loss_fn` once a batch: a forward pass is half of the work.",
            "The losses are from after the step."),
    ],
    alternatives=[_tune, _tune_by_hook, _tune_by_parametrization, _tune_by_where, partial(_tune, gradients=True, before=True)],
    hints=(
        "It is the usual loop: clear the gradients, forward, backward, step. What has to come after the step?",
        "`dict(model.named_parameters())[name]` is the parameter of a mask. Under `torch.no_grad()` it can be changed in place.",
        "`p.mul_(mask)`, or `p[mask == 0] = 0`, after every `optimizer.step()`.",
    ),
    worth_knowing="With plain SGD, without momentum, masking the gradients would have been enough.",
)


# --- 5. obs_step ------------------------------------------------------------------------------


def _spd(H: np.ndarray, symmetric: bool = True, definite: bool = True) -> None:
    if symmetric and np.abs(H - H.T).max() > 1e-9 * np.abs(H).max():
        raise ValueError("H is not symmetric")
    if definite and np.linalg.eigvalsh(H).min() <= 0:
        raise ValueError("H is not positive definite")


def _obs(H: np.ndarray, w: np.ndarray, *, choose: str = "obs", move: str = "inverse", told: str = "obs", half: float = 2,
         exact_zero: bool = True, symmetric: bool = True, definite: bool = True) -> tuple[int, np.ndarray, float]:
    """The step with one mistake; with its defaults it is right (an independent formulation)."""
    _spd(H, symmetric, definite)
    inverse = np.linalg.solve(H, np.eye(len(w)))
    d, d_inv = H.diagonal(), inverse.diagonal()
    costs = {"obs": w * w / d_inv, "obd": w * w * d, "flipped": w * w / d, "magnitude": np.abs(w), "sign": w / d_inv}
    q = int(costs[choose].argmin())
    new = w.astype(float)
    new += {"inverse": -w[q] / d_inv[q] * inverse[:, q], "none": 0 * w, "flipped": -w[q] / d[q] * inverse[:, q],
            "column": -w[q] / d[q] * H[:, q], "plus": w[q] / d_inv[q] * inverse[:, q],
            "unscaled": -w[q] * inverse[:, q]}[move]
    if exact_zero:
        new[q] = 0
    return q, new, float((costs[told] / half)[q])


def _obs_residue(H: np.ndarray, w: np.ndarray, check: bool = True) -> tuple[int, np.ndarray, float]:
    if check:
        _spd(H)
    inverse = np.linalg.inv(H)
    q = int(np.argmin(w**2 / np.diag(inverse)))
    return q, w - w[q] * inverse[:, q] / inverse[q, q] + 1e-13, float(w[q]**2 / (2 * inverse[q, q]))


def _obs_brute_force(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    """Tries each weight and solves for the best change of the others."""
    if not np.allclose(H, H.T) or np.linalg.eigvalsh(H)[0] <= 0:
        raise ValueError("H is not symmetric positive definite")
    found = []
    for q in range(len(w)):
        rest = np.delete(np.arange(len(w)), q)
        change = np.zeros(len(w))
        change[q] = -w[q]
        if len(rest):
            change[rest] = np.linalg.solve(H[np.ix_(rest, rest)], H[rest, q] * w[q])
        new = w + change
        new[q] = 0.0
        found.append((0.5 * change @ H @ change, q, new))
    cost, q, new = min(found, key=lambda f: f[0])
    return q, new, float(cost)


def _obs_kkt(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    """The constrained minimum with a Lagrange multiplier, for each weight."""
    if np.any(np.abs(H - H.T) > 1e-9 * np.abs(H)):
        raise ValueError("H is not symmetric")
    np.linalg.cholesky(H)  # its LinAlgError is a ValueError
    n, best = len(w), None
    for q in range(n):
        e = np.eye(n)[q]
        system = np.block([[H, e[:, None]], [e[None], np.zeros((1, 1))]])
        change = np.linalg.solve(system, np.append(np.zeros(n), -w[q]))[:n]
        cost = change @ H @ change / 2
        if best is None or cost < best[2]:
            best = (q, np.where(e > 0, 0.0, w + change), float(cost))
    return best


def _obs_exactly_symmetric(H: np.ndarray, w: np.ndarray) -> tuple[int, np.ndarray, float]:
    if not np.array_equal(H, H.T):
        raise ValueError("H is not symmetric")
    return _obs(H, w)


def _obs_agrees(case: Case, expected: Any, got: Any) -> str | None:
    differs = close(1e-7, 1e-10)(expected, got, case)
    if differs:
        return differs
    removed = got[1][expected[0]]
    return None if removed == 0 else f"the removed weight is {brief(float(removed))}, not exactly 0"


def _draw_obs(rng: np.random.Generator) -> Case:
    n = int(rng.integers(1, 7))
    A = rng.standard_normal((2 * n + 3, n)) * rng.uniform(0.3, 3, n)
    H = A.T @ A / len(A) + 0.05 * np.eye(n)
    H = (H + H.T) / 2
    return Case(H, rng.standard_normal(n), label=f"a random H of {n} × {n}")


_TWO = np.array([[2.0, 1.0], [1.0, 1.0]])
_THREE = np.array([[4.0, 1.0, -2.0], [1.0, 3.0, 0.5], [-2.0, 0.5, 5.0]])

obs_step = Exercise(
    id="16.obs_step", points=6, difficulty=3, minutes=25, idea="what a removal costs after the others have moved",
    reference=pruning.obs_step,
    cases=[
        Case(_TWO, np.array([1.0, 2.0])),
        Case(np.diag([10.0, 0.1]), np.array([0.5, 1.0])),
        Case(_THREE, np.array([1.0, -1.0, 2.0])),
    ],
    hidden=[
        Case(np.array([[2.0]]), np.array([3.0]), label="a single weight"),
        Case(_THREE, np.array([1.0, 0.0, 2.0]), label="one weight is 0 already"),
        Case(np.array([[1.0, 0.99], [0.99, 1.0]]), np.array([1.0, 1.5]), label="two nearly equal inputs"),
        Case(np.array([[1.0, 0.6], [0.6, 4.0]]), np.array([-3.0, 1.0]), label="a negative weight"),
        Case(np.array([[2.0, 1.0 + 1e-13], [1.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[2, 1 + 1e-13], [1, 1]]"),
    ],
    raises=[
        Case(np.array([[2.0, 9.0], [1.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[2, 9], [1, 1]]"),
        Case(np.array([[2.0, 0.5], [1.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[2, 0.5], [1, 1]]"),
        Case(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([1.0, 2.0]), label="H = [[1, 2], [2, 1]]"),
        Case(np.diag([-1.0, -2.0]), np.array([1.0, 2.0]), label="H = diag(−1, −2)"),
        Case(np.diag([1.0, 0.0]), np.array([1.0, 2.0]), label="H = diag(1, 0)"),
        Case(np.diag([3.0, -1.0, 2.0]), np.array([1.0, 2.0, 3.0]), label="H = diag(3, −1, 2)"),
    ],
    draw=_draw_obs, draws=40, pure=True,
    compare=prop(_obs_agrees, same=close(1e-7, 0.0)),
    misconceptions=[
        Misconception(
            "magnitude", partial(_obs, choose="magnitude", told="obs"),
            "You removed the smallest weight. A small weight on an input of large variance may matter more: with "
            "H = diag(10, 0.1) the weight 0.5 is dear and 1 is cheap. Compare costs.",
            "Magnitude ignores curvature.",
            also=(partial(_obs, choose="magnitude", symmetric=False, definite=False),
                  partial(_obs, choose="magnitude", move="none", told="obd"))),
        Misconception(
            "diagonal", partial(_obs, choose="obd", told="obd", move="none"),
            "½·w²·H_qq is the cost when nothing else moves (Optimal Brain Damage). Here the other weights may "
            "compensate, which makes the removal cheaper. That needs the inverse.",
            "The others were held still.",
            also=(partial(_obs, choose="obd", told="obd"), partial(_obs, told="obd", choose="obd", move="none", symmetric=False,
                  definite=False), partial(_obs, told="obd", choose="obd", symmetric=False, definite=False))),
        Misconception(
            "no_update", partial(_obs, move="none"),
            "Index and cost are right. The cost holds only if the other weights move: shift them along the column of "
            "the inverse.",
            "The others did not compensate.", also=(partial(_obs, move="none", symmetric=False, definite=False),)),
        Misconception(
            "inverse_of_the_diagonal", partial(_obs, choose="flipped", told="flipped", move="flipped"),
            "You divided by H[q, q]. What is needed is the diagonal of the inverse, which is not the inverse of the "
            "diagonal.",
            "The wrong diagonal.",
            also=(partial(_obs, move="flipped"), partial(_obs, choose="flipped", told="flipped"),
                  partial(_obs, choose="flipped", told="flipped", move="flipped", symmetric=False, definite=False))),
        Misconception(
            "column_of_h", partial(_obs, move="column"),
            "Index and cost are right. The shift follows the column of the inverse of H, not of H itself.",
            "The shift uses H."),
        Misconception(
            "wrong_sign", partial(_obs, move="plus"),
            "Index and cost are right. The others move the wrong way: check that entry q itself comes to w_q − w_q = 0 "
            "under your shift.",
            "The shift has the wrong sign."),
        Misconception(
            "unscaled", partial(_obs, move="unscaled"),
            "Index and cost are right. The shift has to bring entry q to exactly 0, so the column of the inverse must "
            "be scaled to 1 there.",
            "The shift is not scaled."),
        Misconception(
            "no_half", partial(_obs, half=1),
            "Your cost is twice the right one. The loss increase is ½·δᵀHδ.",
            "The factor ½ is missing.", also=(partial(_obs, half=1, symmetric=False, definite=False),)),
        Misconception(
            "signed", partial(_obs, choose="sign"),
            "You ranked w_q without its square, so the most negative weight looks cheapest. A removal never lowers this "
            "loss: costs are not negative.",
            "A weight was not squared."),
        Misconception(
            "residue", _obs_residue,
            "All is right up to rounding, but the removed weight is a tiny number. A mask is built from zeros, so set it "
            "to exactly 0.",
            "The removed weight is not exactly 0.", also=(partial(_obs_residue, check=False),)),
        Misconception(
            "any_triangle", partial(_obs, symmetric=False),
            "A Cholesky factorisation, or `eigvalsh`, reads one triangle of H and never notices that the other differs. "
            "Compare H with its transpose.",
            "Symmetry was not checked."),
        Misconception(
            "exact_symmetry", _obs_exactly_symmetric,
            "A Hessian that was computed as a sum differs from its transpose in the last bits. The task calls differences "
            "of up to 1e-9 of the entries rounding.",
            "Rounding was taken for asymmetry."),
        Misconception(
            "symmetric_is_enough", partial(_obs, definite=False),
            "A symmetric matrix need not be positive definite. Where a direction has no or negative curvature, there is "
            "no minimum and the formula means nothing.",
            "Definiteness was not checked.",
            also=(lambda H, w: _obs(H, w, definite=bool(np.linalg.det(H) <= 0)),)),
        Misconception(
            "no_check", partial(_obs, symmetric=False, definite=False),
            "The steps are right. An H that is not symmetric positive definite has to be refused: its inverse exists, and "
            "the formula returns nonsense.",
            "Any matrix is accepted."),
    ],
    alternatives=[_obs, _obs_brute_force, _obs_kkt],
    hints=(
        "`H_inv = np.linalg.inv(H)`, and then the costs of all weights at once: `w**2 / (2 * np.diag(H_inv))`.",
        "With q = argmin, the change of all weights is −w_q / H_inv[q, q] times column q of H_inv.",
        "`np.linalg.cholesky` raises LinAlgError (a ValueError) unless H is positive definite, but it reads one triangle "
        "only: compare H with H.T as well.",
    ),
    worth_knowing="SparseGPT builds on this step, for language models of up to 176 billion parameters.",
)

EXERCISES = [magnitude_mask, sparsity_at, remove_neurons, finetune_pruned, obs_step]

"""Exercise 16.remove_neurons: a smaller network that computes the same."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import pruning

from ...compare import close
from ...exercise import Case, Exercise, Misconception

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

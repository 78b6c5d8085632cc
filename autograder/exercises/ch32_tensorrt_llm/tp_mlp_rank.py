"""Exercise 32.tp_mlp_rank: one rank's part of a sharded MLP."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from utils.engines.tensorrt_llm import shards

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception

_CLOSE = close(1e-9, 1e-9, dtype="any")  # sums of a few dozen products of order 1: rounding ends near 1e-14


def _silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def _own(n: int, rank: int, tp: int, how: str) -> Any:
    if how == "contiguous":
        return np.arange(n) * tp // n == rank
    return np.arange(n) % tp == rank


def _rank(x: np.ndarray, w_gate: np.ndarray, w_up: np.ndarray, w_down: np.ndarray, rank: int, tp: int, *,
          how: str = "contiguous", up: str = "", down: str = "", act: Callable = _silu, on: str = "gate",
          checked: bool = True) -> np.ndarray:
    """An answer with one mistake; with its defaults it is right. `up` and `down`: other shards of those matrices."""
    n = w_gate.shape[1]
    if checked and n % tp:
        raise ValueError("tp must divide d_ff")
    cols = _own(n, rank, tp, how)
    gate, up_part = x @ w_gate[:, cols], x @ w_up[:, _own(n, rank, tp, up or how)]
    width = min(gate.shape[1], up_part.shape[1])
    gate, up_part = gate[:, :width], up_part[:, :width]
    hidden = act(gate) * up_part if on == "gate" else gate * act(up_part)
    return hidden @ w_down[_own(n, rank, tp, down or how)][:width]


def _rows_first(x, w_gate, w_up, w_down, rank, tp, *, outside: bool = False, checked: bool = True):
    """Splits the features of x and the rows of the first matrices; each rank's sum is only a part of a sum."""
    if checked and w_gate.shape[1] % tp:
        raise ValueError("tp must divide d_ff")
    rows = np.array_split(np.arange(x.shape[1]), tp)[rank]
    hidden = _silu(x[:, rows] @ w_gate[rows]) * (x[:, rows] @ w_up[rows])
    if not outside:
        return hidden @ w_down
    own = _own(w_down.shape[0], rank, tp, "contiguous")
    return hidden[:, own] @ w_down[own]


def _whole(x, w_gate, w_up, w_down, rank, tp, *, share: str = "all", checked: bool = True):
    """The whole layer on each rank."""
    if checked and w_gate.shape[1] % tp:
        raise ValueError("tp must divide d_ff")
    y = (_silu(x @ w_gate) * (x @ w_up)) @ w_down
    return {"all": y, "mean": y / tp, "first": y * (rank == 0)}[share]


def _columns_of_down(x, w_gate, w_up, w_down, rank, tp, *, checked: bool = True):
    """Splits the last matrix by columns, so that the ranks' results stand side by side."""
    if checked and w_gate.shape[1] % tp:
        raise ValueError("tp must divide d_ff")
    hidden = _silu(x @ w_gate) * (x @ w_up)
    return hidden @ np.array_split(w_down, tp, axis=1)[rank]


def _all_of_down(x, w_gate, w_up, w_down, rank, tp, *, checked: bool = True):
    """The hidden part padded with zeros, so that it fits the whole last matrix."""
    if checked and w_gate.shape[1] % tp:
        raise ValueError("tp must divide d_ff")
    own = _own(w_gate.shape[1], rank, tp, "contiguous")
    hidden = np.zeros((len(x), w_gate.shape[1]))
    hidden[:, own] = _silu(x @ w_gate[:, own]) * (x @ w_up[:, own])
    return hidden @ w_down


def _gathered(x, w_gate, w_up, w_down, rank, tp):
    """Returns the hidden part, not the output."""
    if w_gate.shape[1] % tp:
        raise ValueError("tp must divide d_ff")
    own = _own(w_gate.shape[1], rank, tp, "contiguous")
    return _silu(x @ w_gate[:, own]) * (x @ w_up[:, own])


def _by_split(x, w_gate, w_up, w_down, rank, tp):
    """np.split refuses a width that tp does not divide, with a ValueError of its own."""
    gate, up = (np.split(w, tp, axis=1)[rank] for w in (w_gate, w_up))
    g = x @ gate
    return np.einsum("tf,fd->td", g / (1 + np.exp(-g)) * (x @ up), np.split(w_down, tp)[rank])


def _strided(x, w_gate, w_up, w_down, rank, tp):
    """Every tp-th column."""
    if w_up.shape[-1] % tp != 0:
        raise ValueError("d_ff must be a multiple of tp")
    g, u = np.matmul(x, w_gate[:, rank::tp]), np.matmul(x, w_up[:, rank::tp])
    return (u * g * (0.5 + 0.5 * np.tanh(g / 2))) @ w_down[rank::tp, :]


def _column_by_column(x, w_gate, w_up, w_down, rank, tp):
    """One hidden unit at a time."""
    width, rest = divmod(w_down.shape[0], tp)
    if rest:
        raise ValueError("uneven")
    y = np.zeros((x.shape[0], w_down.shape[1]))
    for j in range(rank * width, (rank + 1) * width):
        g = x @ w_gate[:, j]
        y += np.outer(g / (1.0 + np.exp(-g)) * (x @ w_up[:, j]), w_down[j])
    return y


def _judge(case: Case, expected: dict, got: dict) -> str | None:
    shapes, wanted = [list(np.shape(p)) for p in got["parts"]], list(np.shape(expected["parts"][0]))
    if any(s != wanted for s in shapes):
        return f"a rank returned shape {next(tuple(s) for s in shapes if s != wanted)}, expected {tuple(wanted)}"
    differs = _CLOSE(sum(np.asarray(p) for p in expected["parts"]), sum(np.asarray(p, float) for p in got["parts"]), case)
    if differs:
        return f"the sum over the ranks is not the layer: {differs}"
    if not (got["contiguous"] or got["strided"]):
        return "the sum is right, but a rank reads weights outside its own columns and rows"
    return None


def _same(one: Any, other: Any, case: Case) -> str | None:
    if case.probe:  # uneven shards: that something came back is the mistake, whatever it is
        return None
    flags = [bool(a["contiguous"] or a["strided"]) for a in (one, other)]
    if flags[0] != flags[1] or len(one["parts"]) != len(other["parts"]):
        return "one reads too much"
    return _CLOSE(list(one["parts"]), list(other["parts"]), case)


def _compare(expected: Any, got: Any, case: Case) -> str | None:
    try:
        return _judge(case, expected, got)
    except (TypeError, ValueError, KeyError):
        return f"{brief(got)} is not a list of arrays"


_compare.same = _same


def _shown(value: Any) -> str:
    if isinstance(value, dict) and "parts" in value:
        try:
            total = sum(np.asarray(p, float) for p in value["parts"])
        except (TypeError, ValueError):
            return "parts of different shapes"
        return f"sum {np.array2string(total, precision=3, separator=', ', threshold=8)}".replace("\n", "")
    return brief(value)


def _case(tokens: int, d: int, d_ff: int, tp: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    return Case(rng.standard_normal((tokens, d)), *rng.standard_normal((2, d, d_ff)), rng.standard_normal((d_ff, d)), tp=tp,
                label=f"{tokens} × {d} inputs, d_ff = {d_ff}, tp = {tp}")


def _draw(rng: np.random.Generator) -> Case:
    tp = int(rng.choice([2, 2, 3, 4, 8]))
    return _case(int(rng.integers(1, 4)), int(rng.integers(2, 6)), tp * int(rng.integers(2, 4)), tp, int(rng.integers(2**31)))


def _uneven(d_ff: int, tp: int) -> Case:
    return Case(np.ones((1, 2)), np.ones((2, d_ff)), np.ones((2, d_ff)), np.ones((d_ff, 2)), 0, tp, probe="common.call",
                label=f"d_ff = {d_ff}, tp = {tp}")


def _wrong(answer: Callable, **mistake) -> dict:
    return {"answer": partial(answer, **mistake), "also": (partial(answer, **mistake, checked=False),)}


_X, _GATE = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0, 2.0, -1.0], [0.0, 1.0, 0.0, 1.0]])
_UP, _DOWN = np.array([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 2.0]])
tp_mlp_rank = Exercise(
    id="32.tp_mlp_rank", points=4, difficulty=2, minutes=10, idea="columns first, then rows: only the output has to be summed",
    reference=shards.tp_mlp_rank, probe="ch32_tensorrt_llm.ranks",
    cases=[Case(_X, _GATE, _UP, _DOWN, tp=1, label="the example, tp = 1"), Case(_X, _GATE, _UP, _DOWN, tp=2, label="the example, tp = 2"),
           _case(3, 4, 8, 4, 1)],
    hidden=[_case(1, 1, 8, 8, 2), _case(4, 3, 6, 2, 3), _case(2, 8, 24, 8, 4), _case(2, 5, 9, 3, 5), _case(2, 2, 4, 4, 6)],
    draw=_draw, draws=20, raises=[_uneven(6, 4), _uneven(5, 2), _uneven(2, 3)], compare=_compare, show=_shown,
    misconceptions=[
        Misconception(
            "rows_first", **_wrong(_rows_first),
            message="You split the inputs' features and the rows of the first two matrices. Then each rank has only a part of the sum "
                    "*inside* silu, and silu(a + b) is not silu(a) + silu(b). Split those matrices so that a rank's hidden values are "
                    "complete.",
            title="The nonlinearity comes too early."),
        Misconception(
            "rows_and_columns", **_wrong(_rows_first, outside=True),
            message="You split the inputs' features, and the hidden units as well. A hidden value needs all features of x: every rank "
                    "gets the whole x.",
            title="x is not split."),
        Misconception(
            "side_by_side", **_wrong(_columns_of_down),
            message="Your ranks return columns of the output, to be put side by side. For that each rank needed all hidden values. With "
                    "the *rows* of W_down a rank gets by with its own, and the results are summed.",
            title="Summed, not concatenated."),
        Misconception(
            "whole_layer", **_wrong(_whole),
            message="Each rank computes the whole layer, so the sum over the ranks is tp times too large, and nothing is saved.",
            title="Every rank does everything."),
        Misconception(
            "reads_all", **_wrong(_whole, share="mean"),
            message="The sum comes out right, but a rank reads weights that it doesn't hold: only 1/tp of each matrix lies in its memory. "
                    "Slice the matrices before you multiply.",
            title="A rank has only its shard.",
            ),
        Misconception(
            "one_rank_works", **_wrong(_whole, share="first"),
            message="Rank 0 computes everything and the others return zeros. Each rank must do its share, with its share of the weights.",
            title="One rank does all the work."),
        Misconception(
            "padded", **_wrong(_all_of_down),
            message="You multiply zeros with the rows of W_down that belong to other ranks. Those rows are not in this rank's memory: "
                    "take only your own.",
            title="W_down is sharded too."),
        Misconception(
            "different_shards", **_wrong(_rank, up="strided"),
            message="A rank's columns of W_gate and of W_up must be the same ones: they are multiplied element by element.",
            title="Gate and up do not belong together.",
            ),
        Misconception(
            "wrong_rows", **_wrong(_rank, down="strided"),
            message="The rows of W_down that a rank takes are not those of its hidden units. Row j of W_down belongs to column j of "
                    "W_gate and W_up.",
            title="Rows and columns do not match."),
        Misconception(
            "silu_on_up", **_wrong(_rank, on="up"),
            message="silu belongs to the gate branch: silu(x · W_gate) ∘ (x · W_up).",
            title="The other branch."),
        Misconception(
            "no_silu", **_wrong(_rank, act=lambda x: x),
            message="The nonlinearity is missing, or it is another one. silu(x) = x / (1 + exp(-x)).",
            title="Not silu.", ),
        Misconception(
            "sigmoid", **_wrong(_rank, act=lambda x: 1 / (1 + np.exp(-x))),
            message="You used the sigmoid. silu(x) is x times the sigmoid of x.",
            title="Sigmoid instead of silu."),
        Misconception(
            "hidden_returned", _gathered,
            "You return the hidden values. A rank also multiplies them with its rows of W_down; the result has the shape of x.",
            "W_down is missing."),
        Misconception(
            "unchecked", partial(_rank, checked=False),
            "The sums are right. But when tp does not divide d_ff, some hidden units are lost or counted on uneven shards in silence. "
            "Raise ValueError.",
            "Uneven shards are accepted."),
    ],
    alternatives=[_rank, partial(_rank, how="strided"), _by_split, _strided, _column_by_column],
    hints=(
        "How many columns does a rank own? Which ones, if the shards are contiguous?",
        "`own = slice(rank * width, (rank + 1) * width)`. Apply it to the columns of W_gate and W_up, and to the rows of W_down.",
        "`g = x @ w_gate[:, own]`, then `(g / (1 + np.exp(-g)) * (x @ w_up[:, own])) @ w_down[own]`.",
    ),
    worth_knowing="Attention is split the same way: Q, K and V by heads (columns), the output projection by rows. So a layer has two "
                  "all-reduces in the forward pass.",
)

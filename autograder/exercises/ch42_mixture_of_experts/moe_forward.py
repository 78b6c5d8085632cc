"""Exercise 42.moe_forward: a sparse layer that calls each expert on its own tokens only."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from utils.moe import numpy_layer

from ...compare import Comparator, close, prop
from ...exercise import Case, Exercise, Misconception
from .routing import keep_by_cumsum, keep_by_sort, keep_by_visits, route, route_by_sorted, route_torch


def _places(cf: float | None, tokens: int, experts: int, k: int, rule: str) -> int:
    if cf is None:
        return tokens * k
    exact_places = cf * tokens * k / experts
    return {"ceil": lambda: max(1, math.ceil(exact_places)), "floor": lambda: max(1, int(exact_places)),
            "no_k": lambda: max(1, math.ceil(cf * tokens / experts))}[rule]()


def _forward(x: np.ndarray, router_w: np.ndarray, experts: list[Callable], k: int, capacity_factor: float | None = None,
             *, combine: str = "add", weight: str = "after", gate: str = "chosen", renorm: bool = False,
             residual: str = "none", dropped: str = "assignments", rule: str = "ceil", evaluate: str = "own",
             order: str = "choice", places: bool = True,
             shift: str = "row") -> tuple[np.ndarray, float]:
    """A sparse layer with one mistake; with its defaults it is right (an independent formulation)."""
    tokens, num_experts = len(x), router_w.shape[1]
    indices, weights = route(x @ router_w, k, weights=gate, shift=shift)
    keep = keep_by_visits(indices, num_experts, _places(capacity_factor, tokens, num_experts, k, rule), order=order)
    if not places:
        keep[:] = True
    if renorm:
        kept = (weights * keep).sum(1, keepdims=True)
        weights = np.divide(weights, kept, out=np.zeros_like(weights), where=kept > 0)
    y = np.zeros(x.shape)
    rows, columns = np.nonzero(keep)
    if evaluate == "all":
        out = np.stack([expert(x) for expert in experts], 1)  # (T, E, d)
        gates = np.zeros((tokens, num_experts))
        gates[rows, indices[rows, columns]] = weights[rows, columns]
        y = np.where(gates[:, :, None] != 0, gates[:, :, None] * out, 0).sum(1)
    elif evaluate == "all_product":
        out = np.stack([expert(x) for expert in experts], 1)
        gates = np.zeros((tokens, num_experts))
        gates[rows, indices[rows, columns]] = weights[rows, columns]
        y = np.einsum("te,ted->td", gates, out)
    elif combine == "duplicates":
        parts = np.stack([experts[indices[t, c]](x[t][None])[0] * weights[t, c] for t, c in zip(rows, columns)])
        y[rows] += parts
    else:
        for e, expert in enumerate(experts):
            mine = (indices == e) & (keep if evaluate == "own" else True)
            t, c = np.nonzero(mine)
            if not len(t):
                continue
            share = (weights * keep)[t, c][:, None]
            out = expert(share * x[t]) if weight == "before" else share * expert(x[t])
            if weight == "never":
                out = expert(x[t])
            if combine == "add":
                y[t] = y[t] + out
            else:
                y[t] = out
    if residual == "all":
        y = y + x
    elif residual == "dropped":
        y = np.where(keep.any(1)[:, None], y, x)
    lost = {"assignments": 1 - keep.mean(), "tokens": np.mean(~keep.any(1)), "touched": np.mean(~keep.all(1)),
            "kept": keep.mean(), "count": float((~keep).sum())}[dropped]
    return y, float(lost)


def _forward_by_segments(x: np.ndarray, router_w: np.ndarray, experts: list[Callable], k: int,
                         capacity_factor: float | None = None) -> tuple[np.ndarray, float]:
    """Sorts the assignments by expert and cuts the sorted rows into segments."""
    tokens, num_experts = len(x), router_w.shape[1]
    indices, weights = route_by_sorted(x @ router_w, k)
    keep = keep_by_sort(indices, num_experts, _places(capacity_factor, tokens, num_experts, k, "ceil"))
    token, choice = np.nonzero(keep)
    expert = indices[token, choice]
    order = np.argsort(expert, kind="stable")
    token, choice, expert = token[order], choice[order], expert[order]
    bounds = np.searchsorted(expert, np.arange(num_experts + 1))
    parts = [experts[e](x[token[a:b]]) for e, (a, b) in enumerate(pairwise(bounds))]  # empty ones as well
    y = np.zeros_like(x)
    np.add.at(y, token, np.concatenate(parts) * weights[token, choice][:, None])
    return y, 1 - keep.sum() / keep.size


def _forward_torch(x: np.ndarray, router_w: np.ndarray, experts: list[Callable], k: int,
                   capacity_factor: float | None = None) -> tuple[Any, float]:
    import torch

    h = torch.as_tensor(x)
    indices, weights = route_torch(h @ torch.as_tensor(router_w), k)
    tokens, num_experts = len(x), router_w.shape[1]
    limit = _places(capacity_factor, tokens, num_experts, k, "ceil")
    keep = torch.from_numpy(keep_by_cumsum(indices.numpy(), num_experts, limit))
    y = torch.zeros_like(h)
    for e in range(num_experts):
        t, c = torch.where((indices == e) & keep)
        y.index_add_(0, t, weights[t, c, None] * experts[e](h[t]))
    return y, float((~keep).float().mean())


def _forward_token_by_token(x: np.ndarray, router_w: np.ndarray, experts: list[Callable], k: int,
                            capacity_factor: float | None = None) -> tuple[np.ndarray, float]:
    """Slow and obvious."""
    indices, weights = route_by_sorted(x @ router_w, k)
    keep = keep_by_visits(indices, router_w.shape[1], _places(capacity_factor, len(x), router_w.shape[1], k, "ceil"))
    y = np.zeros_like(x)
    for t in range(len(x)):
        for c in range(k):
            if keep[t, c]:
                y[t] += weights[t, c] * experts[indices[t, c]](x[t : t + 1])[0]
    return y, float((~keep).sum() / keep.size)


def _layer(rng: np.random.Generator, tokens: int, experts: int, k: int, factor: float | None, d: int = 3,
           idle: bool = False) -> dict[str, Any]:
    """A sparse layer's inputs. With `idle` the experts that no token chooses hold NaN."""
    x, router_w = rng.normal(size=(tokens, d)), rng.normal(size=(d, experts)) * 1.5
    up, bias, down = rng.normal(size=(experts, d, 4)), rng.normal(size=(experts, 4)), rng.normal(size=(experts, 4, d))
    if idle:
        unused = np.setdiff1d(np.arange(experts), route(x @ router_w, k)[0])
        up[unused] = np.nan
    return {"x": x, "router_w": router_w, "up": up, "bias": bias, "down": down, "k": k, "capacity_factor": factor}


def _draw_layer(rng: np.random.Generator) -> Case:
    tokens, experts = int(rng.integers(1, 17)), int(rng.integers(2, 8))
    k, factor = int(rng.integers(1, experts + 1)), rng.choice(np.array([None, 0.25, 0.5, 1.0, 1.25, 2.0], object))
    return Case(**_layer(rng, tokens, experts, k, factor),
                label=f"{tokens} tokens, {experts} experts, k = {k}, capacity factor {factor}")


def _pair_judge(case: Case, expected: Any, got: Any) -> str | None:
    """y in double precision; the share of drops may have been a float32."""
    (y, dropped), (got_y, got_dropped) = expected, got
    wrong = close(1e-9, 1e-9, dtype="any")(y, got_y, case)
    if wrong:
        return f"y: {wrong}"
    wrong = close(1e-6, 1e-6, dtype="any")(dropped, got_dropped, case)
    return f"dropped_fraction: {wrong}" if wrong else None


def _rows_judge(case: Case, expected: Any, got: Any) -> str | None:
    wrong = close(1e-9, 1e-9, dtype="any")(expected["y"], got["y"], case)
    if wrong:
        return f"y: {wrong}"
    for e, (own, handed) in enumerate(zip(expected["rows"], got["rows"])):
        if own != handed:
            return f"expert {e} was handed {handed} rows, {own} are its own"
    return None


def _fixed(seed: int, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return _layer(np.random.default_rng(seed), *args, **kwargs)


def _large_logits(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """A layer whose logits overflow exp."""
    layer = _fixed(*args, **kwargs)
    return {**layer, "router_w": 500 * layer["router_w"]}


def _twice_and_minus(x: list, router_w: list) -> dict[str, Any]:
    """Two experts on one channel, 2 x and -x for positive x."""
    return {"x": np.array(x), "router_w": np.array(router_w), "up": np.ones((2, 1, 1)), "bias": np.zeros((2, 1)),
            "down": np.array([[[2.0]], [[-1.0]]])}


_rows: Comparator = prop(_rows_judge)
_COUNT = "ch42_mixture_of_experts.forward"

moe_forward = Exercise(
    id="42.moe_forward", points=5, difficulty=3, minutes=30, idea="send each token to its experts, and only there",
    reference=numpy_layer.moe_forward, probe=_COUNT,
    cases=[
        Case(**_twice_and_minus([[1.0]], [[1.0, 0.0]]), k=2, label="x = [[1]], experts 2x and −x, k = 2"),
        Case(**_twice_and_minus([[1.0], [2.0], [3.0]], [[1.0, 0.0]]), k=1, capacity_factor=1.0,
             label="x = [[1], [2], [3]], experts 2x and −x, k = 1, capacity factor 1"),
        Case(**_fixed(0, 6, 4, 2, None), label="6 tokens, 4 experts, k = 2, no limit"),
        Case(**_fixed(1, 6, 4, 2, 0.5), label="6 tokens, 4 experts, k = 2, capacity factor 0.5"),
    ],
    hidden=[
        Case(**_fixed(2, 3, 8, 1, None, idle=True), label="8 experts, most of them without a token"),
        Case(**_fixed(3, 3, 6, 2, 0.25), label="capacity factor 0.25: one place at least"),
        Case(**_fixed(4, 5, 3, 3, None), label="k = all experts"),
        Case(**_fixed(5, 7, 4, 1, 1.0), label="7 tokens, 4 experts: the places are rounded up"),
        Case(**_fixed(6, 9, 4, 3, 0.5), label="9 tokens, 4 experts, k = 3, capacity factor 0.5"),
        Case(**_large_logits(9, 6, 4, 2, None), label="logits of some thousand"),
    ],
    draw=_draw_layer, draws=25,
    limits=[
        Case(**_fixed(7, 64, 8, 2, None), count=True, compare=_rows, label="rows handed to 8 experts, 64 tokens, k = 2"),
        Case(**_fixed(8, 64, 8, 2, 0.5), count=True, compare=_rows, label="the same with capacity factor 0.5"),
    ],
    compare=prop(_pair_judge),
    misconceptions=[
        Misconception(
            "all_experts", partial(_forward, evaluate="all"),
            "Every expert ran on every token, and the mask threw most of it away. The output is right and no compute is "
            "saved: 8 experts on all tokens. Pick an expert's rows first, then call it.",
            "All experts run on all tokens.", also=(partial(_forward, evaluate="all_product"),)),
        Misconception(
            "runs_dropped", partial(_forward, evaluate="dropped"),
            "The output is right, but experts also ran on tokens that they had no place for. The capacity is there to "
            "bound the work of an expert.",
            "Dropped tokens were computed."),
        Misconception(
            "assigns", partial(_forward, combine="assign"),
            "With k = 2 a token gets two results, and your second one replaced the first. They have to be summed into y.",
            "A result was overwritten."),
        Misconception(
            "duplicates", partial(_forward, combine="duplicates"),
            "`y[rows] += parts` reads, adds and writes once for each *different* row. Where a row occurs twice, one of its "
            "parts is lost. Which function adds every occurrence?",
            "Repeated rows were added once."),
        Misconception(
            "weight_inside", partial(_forward, weight="before"),
            "You scaled the token before the expert. An expert is not linear, so its output does not scale with its "
            "input. The weight belongs to the output.",
            "The weight was applied before the expert."),
        Misconception(
            "unweighted", partial(_forward, weight="never"),
            "The outputs of the chosen experts were added as they are. The router's weights say how much of each.",
            "The weights are missing."),
        Misconception(
            "full_softmax", partial(_forward, gate="full"),
            "The weights come from a softmax over all experts. In Mixtral's gate the k weights of a token sum to 1.",
            "The weights do not sum to 1."),
        Misconception(
            "overflow", partial(_forward, shift="none"),
            "exp overflows at logits of 710 in float64, and infinity over infinity is NaN. What may be subtracted from all "
            "logits of a token without a change of its weights?",
            "exp overflows."),
        Misconception(
            "renormalises", partial(_forward, renorm=True),
            "After a drop you scaled up the weights that were left. They stay as they are: the residual path around the "
            "layer carries the part that is missing.",
            "Weights were rescaled after a drop."),
        Misconception(
            "residual", partial(_forward, residual="all"),
            "The residual belongs to the block around this layer. Here y is the sum of the experts' outputs alone.",
            "The input was added."),
        Misconception(
            "dropped_pass", partial(_forward, residual="dropped"),
            "A token that lost all its experts came out as x. This layer gives 0 for it, and the block's residual adds x.",
            "Dropped tokens were passed on."),
        Misconception(
            "counts_tokens", partial(_forward, dropped="tokens"),
            "You counted tokens. The share is of *assignments*: each of the T·k pairs of a token and an expert is "
            "dropped or not.",
            "The share is of tokens, not of assignments.",
            also=(partial(_forward, dropped="touched"),)),
        Misconception(
            "share_kept", partial(_forward, dropped="kept"),
            "This is the share that was kept. The question is how much was dropped.",
            "The share is the wrong way round."),
        Misconception(
            "floor", partial(_forward, rule="floor"),
            "The places of an expert are rounded up: 7 tokens on 4 experts with factor 1 are 1.75, so 2 places.",
            "The capacity is rounded down."),
        Misconception(
            "no_k", partial(_forward, rule="no_k"),
            "There are T·k assignments to place, not T. With k = 2 your experts have half of the places.",
            "k is missing in the capacity."),
        Misconception(
            "no_capacity", partial(_forward, places=False),
            "Every assignment was kept. With a capacity factor an expert has a limited number of places.",
            "The capacity is ignored."),
        Misconception(
            "token_major", partial(_forward, order="token"),
            "An early token's second choice took the place of a later token's first choice. All first choices come first.",
            "Second choices jump the queue."),
    ],
    alternatives=[_forward, _forward_by_segments, _forward_torch, _forward_token_by_token],
    hints=(
        "Begin with the parts of exercises 1 and 2, here in this cell: choices and weights from `x @ router_w`, then a mask "
        "of what is kept where there is a factor.",
        "For one expert e: `np.nonzero((indices == e) & keep)` gives its tokens, and the choice that each of them used.",
        "Call the expert with `x[tokens]`, multiply by `weights[tokens, choices, None]`, and add that to `y[tokens]`. An "
        "expert without tokens is left out.",
    ),
    worth_knowing="Engines sort the tokens by expert and run one grouped matrix product instead of this loop.",
)

"""Exercises of chapter 42: mixture of experts."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from utils.moe import accounting, numpy_layer

from ..compare import Comparator, close, exact, prop
from ..exercise import Case, Exercise, Misconception

# --- 1. route_topk ----------------------------------------------------------------------------


def _route(logits: Any, k: int, *, weights: str = "chosen", shift: str = "row", order: str = "best",
           checked: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Mixtral's gate with one mistake; with its defaults it is right (an independent formulation)."""
    z = np.array(logits, np.float64)
    experts = z.shape[1]
    if checked and not 0 < k <= experts:
        raise ValueError("k must be between 1 and the number of experts")
    columns = np.broadcast_to(np.arange(experts), z.shape)
    if order == "unstable":
        indices = np.argsort(-z, axis=1)[:, :k]
    elif order == "reversed":
        indices = np.argsort(z, axis=1, kind="stable")[:, ::-1][:, :k]
    elif order == "smallest":
        indices = np.lexsort((columns, z))[:, :k]
    else:
        indices = np.lexsort((columns, -z))[:, :k]  # by logit, then by index
    if order == "ascending":
        indices = indices[:, ::-1]
    chosen = np.zeros(z.shape, bool)
    np.put_along_axis(chosen, indices, True, 1)
    seen = z if weights == "full" else np.where(chosen, z, 0.0 if weights == "zeros" else -np.inf)
    offset = {"row": seen.max(1, keepdims=True), "all": seen.max(), "none": 0.0}[shift]
    with np.errstate(all="ignore"):
        powers = np.exp(seen - offset)
        gates = powers / powers.sum(1, keepdims=True)
    if weights == "uniform":
        return indices, np.full(indices.shape, 1 / k)
    if weights == "expert_order":
        return indices, np.take_along_axis(gates, np.sort(indices, 1), 1)
    if weights == "linear":
        picked = np.take_along_axis(z, indices, 1)
        with np.errstate(all="ignore"):
            return indices, picked / picked.sum(1, keepdims=True)
    return indices, np.take_along_axis(gates, indices, 1)


def _route_by_sorted(logits: Any, k: int) -> tuple[Any, Any]:
    """Python's sort on each row."""
    if k < 1 or k > len(logits[0]):
        raise ValueError("there are not so many experts")
    chosen = [sorted(range(len(row)), key=lambda e: (-row[e], e))[:k] for row in logits.tolist()]
    weights = []
    for row, experts in zip(logits.tolist(), chosen):
        powers = [math.exp(row[e] - row[experts[0]]) for e in experts]
        weights.append([p / sum(powers) for p in powers])
    return np.array(chosen), np.array(weights)


def _route_torch(logits: Any, k: int) -> tuple[Any, Any]:
    import torch

    z = torch.as_tensor(logits).double()
    if not 1 <= k <= z.shape[-1]:
        raise ValueError("k")
    values, indices = torch.sort(z, dim=-1, descending=True, stable=True)
    return indices[:, :k], torch.softmax(values[:, :k], -1)


def _route_torch_topk(logits: Any, k: int) -> tuple[Any, Any]:
    """torch.topk promises no order of equal values."""
    import torch

    values, indices = torch.topk(torch.as_tensor(logits), k)
    return indices, torch.softmax(values, -1)


def _draw_logits(rng: np.random.Generator) -> Case:
    tokens, experts = int(rng.integers(1, 7)), int(rng.choice([1, 2, 4, 8, 16, 40]))
    scale = rng.choice([1.0, 5.0, 300.0])
    logits = rng.normal(scale=scale, size=(tokens, experts)).round(2)
    if rng.random() < 0.4:
        logits = rng.integers(-2, 3, (tokens, experts)).astype(float)
    if rng.random() < 0.3:
        logits += rng.choice([-1e4, 1e4], (tokens, 1))
    return Case(logits, int(rng.integers(1, experts + 1)), label=f"{tokens} tokens, {experts} experts")


_ROWS_APART = np.array([[9990.0, 10000.0, 9999.0], [-10000.0, -9999.0, -9998.0]])
_TIED = np.tile([0.0, 1.0], (2, 32))
_CALL = "ch42_mixture_of_experts.with_tensors"

route_topk = Exercise(
    id="42.route_topk", points=3, difficulty=1, minutes=15, idea="choose k experts, then share the weight among these k",
    reference=numpy_layer.route_topk,
    cases=[Case(np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), 2),
           Case(np.array([[1.0, 1.0, 0.0, 1.0]]), 2, label="[[1, 1, 0, 1]], k = 2  (ties)"),
           Case(np.array([[10000.0, 9999.0, -10000.0]]), 2, label="[[10000, 9999, -10000]], k = 2")],
    hidden=[
        Case(np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), 1, label="the first example, k = 1"),
        Case(np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), 3, label="the first example, k = 3"),
        Case(np.array([[102.0, 101.0, 100.0], [-50.0, -50.0, -47.0]]), 2, label="the first example, shifted"),
        Case(_ROWS_APART, 2, label="one row near 10,000, one near −10,000"),
        Case(_TIED, 5, label="64 experts with many ties"),
        Case(np.array([[-10000.0, -10000.0]]), 2, label="[[-10000, -10000]], k = 2"),
        Case(np.array([[-3.0, -1.0, -2.0]]), 2, label="[[-3, -1, -2]], k = 2"),
        Case(args=[np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), 2], probe=_CALL, label="a torch tensor, k = 2"),
        Case(args=[_TIED.astype(np.float32), 5], probe=_CALL, label="a torch tensor with 64 experts and ties"),
    ],
    draw=_draw_logits, draws=30,
    raises=[Case(np.zeros((2, 3)), 0, label="k = 0 of 3 experts"), Case(np.zeros((2, 3)), 4, label="k = 4 of 3 experts"),
            Case(np.zeros((2, 3)), -1, label="k = -1 of 3 experts")],
    compare=close(1e-6, 1e-9),
    misconceptions=[
        Misconception(
            "full_softmax", partial(_route, weights="full"),
            "In the first example your weights sum to 0.91. Mixtral shares the weight among the chosen experts only, so "
            "they sum to 1. (Switch does keep the full softmax; it is another model.)",
            "The weights do not sum to 1.", also=(partial(_route, weights="full", checked=False),)),
        Misconception(
            "zeros", partial(_route, weights="zeros"),
            "A logit of 0 is not \"off\": exp(0) is 1, so the experts that nobody chose still take a part of the weight. "
            "Which logit gives a weight of exactly 0?",
            "Unchosen logits were set to 0.", also=(partial(_route, weights="zeros", checked=False),)),
        Misconception(
            "expert_order", partial(_route, weights="expert_order"),
            "The indices are sorted by weight, but the weights stand in the order of the experts. Entry j of both must "
            "belong to the same expert.",
            "Indices and weights are in different orders."),
        Misconception(
            "overflow", partial(_route, shift="none"),
            "exp(10000) is infinite, and exp(−10000) is 0, so the division gives no number. A softmax does not change "
            "when the same number is taken from all its logits. Which number, for which row, keeps exp in range?",
            "exp overflows, or everything underflows.",
            also=(partial(_route, shift="all"), partial(_route, shift="none", checked=False))),
        Misconception(
            "uniform", partial(_route, weights="uniform"),
            "Every chosen expert got 1 / k. The router's logits also say how much each of the k counts.",
            "All weights are equal."),
        Misconception(
            "ties", partial(_route, order="unstable"),
            "Equal logits must go to the lower expert index. Not every sort keeps equal items in order, and some keep it "
            "only for few items. Look for a sort that promises it.",
            "Ties go to the wrong expert.", also=(partial(_route, order="reversed"), _route_torch_topk)),
        Misconception(
            "ascending", partial(_route, order="ascending"),
            "These are the right experts, weakest first. The text asks for the largest weight first.",
            "The order is the wrong way round."),
        Misconception(
            "smallest", partial(_route, order="smallest"),
            "You took the k smallest logits. A large logit means that the router wants this expert.",
            "The smallest logits were chosen."),
        Misconception(
            "linear", partial(_route, weights="linear"),
            "You divided the logits by their sum. Logits may be negative or 0, so they are no shares. Softmax makes "
            "shares of them.",
            "The softmax is missing."),
        Misconception(
            "k_unchecked", partial(_route, checked=False),
            "The values are right. A k below 1, or above the number of experts, has to be refused: slicing accepts it "
            "in silence.",
            "k is not checked."),
    ],
    alternatives=[_route, _route_by_sorted, _route_torch],
    hints=(
        "First find the k indices of each row. A stable sort of the negated logits gives the largest first, and on ties "
        "the lower index.",
        "Then gather the k logits of each row and take a softmax over these alone.",
        "Before `exp`, subtract the largest logit *of the row*. It is the first of the k.",
    ),
    worth_knowing="Softmax over the chosen logits equals the full softmax, divided by the sum of the chosen "
                  "probabilities. Both ways are seen in code.",
)


# --- 2. capacity_mask -------------------------------------------------------------------------


def _mask(indices: np.ndarray, num_experts: int, capacity: int, *, order: str = "choice", count: str = "expert",
          whole_token: bool = False, more: int = 0, checked: bool = True, reroute: bool = False,
          drops_take_place: bool = False) -> np.ndarray:
    """Visits the assignments one by one, with one mistake; with its defaults it is right."""
    if checked and capacity < 1:
        raise ValueError("capacity must be at least 1")
    tokens, k = indices.shape
    visits = {"choice": [(t, c) for c in range(k) for t in range(tokens)],
              "token": [(t, c) for t in range(tokens) for c in range(k)],
              "last": [(t, c) for c in range(k) for t in reversed(range(tokens))],
              "choice_reversed": [(t, c) for c in reversed(range(k)) for t in range(tokens)]}[order]
    taken: dict[Any, int] = {}
    keep = np.zeros(indices.shape, bool)
    for t, c in visits:
        e = int(indices[t, c])
        tries = [(e + i) % num_experts for i in range(num_experts)] if reroute else [e]
        for e in tries:
            key = {"expert": e, "global": 0, "choice": (e, c)}[count]
            if taken.get(key, 0) < capacity + more:
                taken[key] = taken.get(key, 0) + 1
                keep[t, c] = True
                break
    return keep & keep.all(1, keepdims=True) if whole_token else keep


def _mask_by_cumsum(indices: np.ndarray, num_experts: int, capacity: int) -> np.ndarray:
    if capacity < 1:
        raise ValueError("no place")
    tokens, k = indices.shape
    queue = indices.T.reshape(-1)
    one_hot = np.eye(num_experts, dtype=int)[queue]  # (k * T, E)
    place = (np.cumsum(one_hot, axis=0) * one_hot).sum(1)
    return (place <= capacity).reshape(k, tokens).T


def _mask_by_sort(indices: np.ndarray, num_experts: int, capacity: int) -> np.ndarray:
    if capacity <= 0:
        raise ValueError("no place")
    queue = indices.ravel(order="F")
    order = np.argsort(queue, kind="stable")
    starts = np.searchsorted(queue[order], np.arange(num_experts))
    place = np.empty(len(queue), int)
    place[order] = np.arange(len(queue)) - starts[queue[order]]
    return (place < capacity).reshape(indices.shape, order="F")


def _draw_indices(rng: np.random.Generator) -> Case:
    tokens, experts = int(rng.integers(1, 13)), int(rng.integers(2, 7))
    k = int(rng.integers(1, experts + 1))
    liked = rng.random((tokens, experts)) * rng.choice([1.0, 3.0], experts)
    return Case(np.argsort(-liked, axis=1)[:, :k], experts, int(rng.integers(1, 6)),
                label=f"{tokens} tokens, {experts} experts, k = {k}")


capacity_mask = Exercise(
    id="42.capacity_mask", points=4, difficulty=2, minutes=20, idea="a place in an expert goes to first choices first",
    reference=numpy_layer.capacity_mask,
    cases=[Case(np.array([[0], [0], [1], [0], [2], [0]]), 3, 2),
           Case(np.array([[0, 1], [0, 2], [0, 1]]), 3, 2),
           Case(np.array([[0, 1], [1, 0], [1, 2]]), 3, 1)],
    hidden=[
        Case(np.array([[0, 1], [1, 0], [2, 0]]), 3, 6, label="enough places for everything"),
        Case(np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1]]), 4, 2, label="4 tokens, 3 choices, one idle expert"),
        Case(np.array([[3], [3], [3], [3], [3]]), 4, 1, label="all tokens want one expert with one place"),
        Case(np.array([[0, 1], [0, 1], [0, 1], [0, 1]]), 2, 2, label="both experts are full after two tokens"),
        Case(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), 2, 3, label="a late first choice against early second choices"),
    ],
    draw=_draw_indices, draws=40,
    raises=[Case(np.array([[0], [1]]), 2, 0, label="capacity 0"), Case(np.array([[0], [1]]), 2, -1, label="capacity -1")],
    compare=exact(),
    misconceptions=[
        Misconception(
            "token_major", partial(_mask, order="token"),
            "You serve token 0 with all its choices before token 1. All *first* choices come before any second choice, "
            "so a second choice of an early token can lose its place to a first choice of a late one.",
            "Second choices jump the queue.", also=(partial(_mask, order="token", checked=False),)),
        Misconception(
            "whole_token", partial(_mask, whole_token=True),
            "You drop a token from all its experts when one of them is full. Each assignment is decided alone: the "
            "other expert still takes the token.",
            "The whole token was dropped.", also=(partial(_mask, whole_token=True, checked=False),)),
        Misconception(
            "global_count", partial(_mask, count="global"),
            "`capacity` is the number of places of *each* expert. You gave that many places to all of them together.",
            "The places are counted for all experts together."),
        Misconception(
            "per_choice", partial(_mask, count="choice"),
            "First and second choices fill the same places. You started a new count for each column, so an expert can "
            "take k times its capacity.",
            "Each column has its own count.", also=(partial(_mask, count="choice", checked=False),)),
        Misconception(
            "keeps_last", partial(_mask, order="last"),
            "You kept the last tokens of the batch. Within one rank of choice, the earlier token has the better place.",
            "The last tokens were kept."),
        Misconception(
            "last_choice_first", partial(_mask, order="choice_reversed"),
            "You served the last choices first. The order of ranks is first choice, second choice, and so on.",
            "The ranks are the wrong way round."),
        Misconception(
            "reroutes", partial(_mask, reroute=True),
            "You sent the overflow to another expert, and it took a place there. That is another design. Here, as in "
            "Switch, what finds no place is dropped.",
            "Overflow was re-routed.", also=(partial(_mask, reroute=True, checked=False),)),
        Misconception(
            "one_more", partial(_mask, more=1),
            "An expert took one assignment more than its capacity. If you count places from 0, the last free one is "
            "capacity − 1.",
            "One place too many.", also=(partial(_mask, more=1, checked=False),)),
        Misconception(
            "capacity_unchecked", partial(_mask, checked=False),
            "The mask is right. A capacity below 1 has to be refused.",
            "The capacity is not checked."),
    ],
    alternatives=[_mask, _mask_by_cumsum, _mask_by_sort],
    hints=(
        "Write the queue down for the second example: (token 0, choice 0), (token 1, choice 0), (token 2, choice 0), then "
        "the second choices.",
        "Go through the columns of `indices`, and through the tokens inside a column. One counter for each expert says "
        "how many places are taken.",
        "The counters live on from column to column.",
    ),
    worth_knowing="In an array library the same queue is a cumulative sum of one-hot rows: `indices.T` laid flat is "
                  "the order of service.",
)


# --- 3. load_balancing_loss -------------------------------------------------------------------


def _kept(indices: np.ndarray, num_experts: int, factor: float) -> np.ndarray:
    places = max(1, math.ceil(factor * indices.size / num_experts))
    return indices[_mask_by_cumsum(indices, num_experts, places)]


def _loss(probs: Any, indices: Any, num_experts: int, *, f_of: str = "chosen", scale: str = "experts",
          share: str = "assignments", gradient: str = "P", factor: float = 1.0) -> Any:
    """E * sum(f P) with one mistake; with its defaults it is right (an independent formulation)."""
    tensor = hasattr(probs, "detach")
    p = probs.mean(0)
    chosen = np.asarray(indices)
    if f_of == "first":
        chosen = chosen[:, :1]
    elif f_of == "argmax":
        chosen = np.asarray(probs.detach() if tensor else probs).argmax(1)[:, None]
    counted = _kept(chosen, num_experts, factor) if f_of in ("kept", "kept_share") else chosen.ravel()
    total = {"assignments": chosen.size, "tokens": len(chosen), "none": 1}[share]
    if f_of == "kept_share":
        total = counted.size
    f = np.array([(counted == e).sum() for e in range(num_experts)]) / total
    f = probs.new_tensor(f) if tensor else f
    if f_of == "probs":
        f = p
    times = {"experts": num_experts, "one": 1, "k": num_experts / chosen.shape[1]}[scale]
    if f_of == "variance":
        load = f * num_experts
        loss = ((load - load.mean()) ** 2).mean()
    elif f_of == "squares":
        loss = times * (f * f).sum()
    elif scale == "mean":
        loss = (f * p).mean()
    else:
        loss = times * (f * p).sum()
    if tensor:
        return {"P": loss, "none": loss.detach(), "float": float(loss.detach())}[gradient]
    return float(loss)


def _loss_by_rows(probs: Any, indices: Any, num_experts: int) -> Any:
    """Each assignment asks for its expert's mean probability; the mean of these is sum(f P)."""
    p = probs.mean(0)
    return num_experts * p[indices.reshape(-1)].mean()


def _loss_einsum(probs: Any, indices: Any, num_experts: int) -> Any:
    import torch

    q = torch.as_tensor(probs)
    one_hot = torch.nn.functional.one_hot(torch.as_tensor(indices).long(), num_experts).to(q.dtype)  # (T, k, E)
    tokens, k = indices.shape
    loss = torch.einsum("tke,se->", one_hot, q) * num_experts / (tokens * tokens * k)
    return loss if torch.is_tensor(probs) else loss.item()


def _loss_bincount(probs: Any, indices: Any, num_experts: int) -> Any:
    load = np.bincount(np.asarray(indices).ravel(), minlength=num_experts)
    columns = [probs[:, e].mean() * float(load[e]) for e in range(num_experts)]
    return sum(columns) * num_experts / int(load.sum())


def _routing(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    tokens, experts = int(rng.integers(2, 13)), int(rng.integers(2, 8))
    logits = rng.normal(size=(tokens, experts)) + rng.normal(scale=1.5, size=experts)
    powers = np.exp(logits)
    bias = rng.normal(size=experts) * rng.choice([0.0, 1.0])
    k = int(rng.integers(1, experts + 1))
    return powers / powers.sum(1, keepdims=True), np.argsort(-(logits + bias), axis=1)[:, :k], experts


def _draw_loss(rng: np.random.Generator) -> Case:
    probs, indices, experts = _routing(rng)
    told = f"{len(probs)} tokens, {experts} experts, k = {indices.shape[1]}"
    if rng.random() < 0.3:
        return Case(probs=probs, indices=indices, num_experts=experts, probe=_GRADIENT, label=f"tensors, {told}")
    return Case(probs, indices, experts, label=told)


_GRADIENT = "ch42_mixture_of_experts.loss_gradient"
_PROBS = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]])
_BELOW_ONE = np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.02, 0.5, 0.48]])

load_balancing_loss = Exercise(
    id="42.load_balancing_loss", points=3, difficulty=2, minutes=15,
    idea="hard counts times soft probabilities: a gradient for a choice that has none",
    reference=numpy_layer.load_balancing_loss,
    cases=[Case(_PROBS, np.array([[0], [0], [0], [1]]), 2), Case(_BELOW_ONE, np.array([[0], [0], [1]]), 3),
           Case(probs=_PROBS, indices=np.array([[0], [0], [0], [1]]), num_experts=2, probe=_GRADIENT,
                label="the first example as torch tensors: value, axes and gradient")],
    hidden=[
        Case(np.full((8, 4), 0.25), np.arange(8)[:, None] % 4, 4, label="perfectly uniform, 4 experts"),
        Case(np.eye(5)[np.zeros(6, int)], np.zeros((6, 1), int), 5, label="collapsed on expert 0 of 5"),
        Case(_BELOW_ONE, np.array([[0, 1], [0, 1], [1, 2]]), 3, label="k = 2"),
        Case(_BELOW_ONE, np.array([[0, 1], [0, 1], [1, 0]]), 3, label="k = 2, expert 2 never chosen"),
        Case(_BELOW_ONE, np.array([[2], [2], [2]]), 3, label="chosen by another score than the probabilities"),
        Case(probs=_BELOW_ONE, indices=np.array([[0, 1], [0, 1], [1, 2]]), num_experts=3, probe=_GRADIENT,
             label="tensors, k = 2"),
    ],
    draw=_draw_loss, draws=30, compare=close(1e-6, 1e-9),
    misconceptions=[
        Misconception(
            "soft_f", partial(_loss, f_of="probs"),
            "Your f comes from the probabilities, so the loss is E·ΣP². f counts the hard choices in `indices`. The "
            "probabilities may look even while one expert wins every time by a little.",
            "f is not a count of choices."),
        Misconception(
            "no_factor", partial(_loss, scale="one"),
            "The factor E is missing. It makes uniform routing give 1 for any number of experts.",
            "The factor E is missing.", also=(partial(_loss, scale="mean"),)),
        Misconception(
            "f_sums_to_k", partial(_loss, share="tokens"),
            "For k = 2 your f sums to 2. There are T·k assignments, and f is a share of them.",
            "f does not sum to 1.", also=(partial(_loss, share="none"),)),
        Misconception(
            "variance", partial(_loss, f_of="variance"),
            "This is a variance of the load. The load is a count of choices, and a count has no gradient. The product "
            "with P is what lets the router learn.",
            "A variance of counts cannot be learnt from.", also=(partial(_loss, f_of="squares"),)),
        Misconception(
            "after_drops", partial(_loss, f_of="kept"),
            "You counted what is left after full experts have dropped tokens. Then a collapsed router looks balanced, "
            "and nothing pulls it back. Count all assignments in `indices`.",
            "f is counted after drops.",
            also=(partial(_loss, f_of="kept_share"), partial(_loss, f_of="kept", factor=1.25),
                  partial(_loss, f_of="kept_share", factor=1.25))),
        Misconception(
            "argmax", partial(_loss, f_of="argmax"),
            "You took the most probable expert of each token. The router's choices are in `indices`: there are k of "
            "them, and a selection bias may have changed them.",
            "`indices` was not used."),
        Misconception(
            "first_only", partial(_loss, f_of="first"),
            "Only the first column of `indices` was counted. A second choice is work for an expert as well.",
            "Only first choices were counted."),
        Misconception(
            "no_gradient", partial(_loss, gradient="float"),
            "The value is right. For tensors it has to stay a tensor, because a float carries no gradient to the router.",
            "The gradient is lost.", also=(partial(_loss, gradient="none"),)),
    ],
    alternatives=[_loss, _loss_by_rows, _loss_einsum, _loss_bincount],
    hints=(
        "Work the first example by hand: f = [0.75, 0.25] and P = [0.65, 0.35].",
        "`np.bincount(np.ravel(indices), minlength=num_experts)` counts each expert, the ones without a token included. It "
        "takes integer tensors too.",
        "For tensors, compute P with the tensor's own `mean`, make a tensor of f, and return the 0-d result.",
    ),
    worth_knowing="1 is the value of uniform routing, not the minimum: the second example is below it.",
)


# --- 4. moe_forward ---------------------------------------------------------------------------


def _places(cf: float | None, tokens: int, experts: int, k: int, rule: str) -> int:
    if cf is None:
        return tokens * k
    exact_places = cf * tokens * k / experts
    return {"ceil": lambda: max(1, math.ceil(exact_places)), "floor": lambda: max(1, int(exact_places)),
            "no_k": lambda: max(1, math.ceil(cf * tokens / experts))}[rule]()


def _forward(x: np.ndarray, router_w: np.ndarray, experts: list[Callable], k: int, capacity_factor: float | None = None,
             *, combine: str = "add", weight: str = "after", gate: str = "chosen", renorm: bool = False,
             residual: str = "none", dropped: str = "assignments", rule: str = "ceil", evaluate: str = "own",
             order: str = "choice", places: bool = True) -> tuple[np.ndarray, float]:
    """A sparse layer with one mistake; with its defaults it is right (an independent formulation)."""
    tokens, num_experts = len(x), router_w.shape[1]
    indices, weights = _route(x @ router_w, k, weights=gate)
    keep = _mask(indices, num_experts, _places(capacity_factor, tokens, num_experts, k, rule), order=order)
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
    indices, weights = _route_by_sorted(x @ router_w, k)
    keep = _mask_by_sort(indices, num_experts, _places(capacity_factor, tokens, num_experts, k, "ceil"))
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
    indices, weights = _route_torch(h @ torch.as_tensor(router_w), k)
    tokens, num_experts = len(x), router_w.shape[1]
    limit = _places(capacity_factor, tokens, num_experts, k, "ceil")
    keep = torch.from_numpy(_mask_by_cumsum(indices.numpy(), num_experts, limit))
    y = torch.zeros_like(h)
    for e in range(num_experts):
        t, c = torch.where((indices == e) & keep)
        y.index_add_(0, t, weights[t, c, None] * experts[e](h[t]))
    return y, float((~keep).float().mean())


def _forward_token_by_token(x: np.ndarray, router_w: np.ndarray, experts: list[Callable], k: int,
                            capacity_factor: float | None = None) -> tuple[np.ndarray, float]:
    """Slow and obvious."""
    indices, weights = _route_by_sorted(x @ router_w, k)
    keep = _mask(indices, router_w.shape[1], _places(capacity_factor, len(x), router_w.shape[1], k, "ceil"))
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
        unused = np.setdiff1d(np.arange(experts), _route(x @ router_w, k)[0])
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
        "You have the parts: `route_topk` on `x @ router_w`, then `capacity_mask` where there is a factor.",
        "For one expert e: `np.nonzero((indices == e) & keep)` gives its tokens, and the choice that each of them used.",
        "Call the expert with `x[tokens]`, multiply by `weights[tokens, choices, None]`, and add that to `y[tokens]`. An "
        "expert without tokens is left out.",
    ),
    worth_knowing="Engines sort the tokens by expert and run one grouped matrix product instead of this loop.",
)


# --- 5. moe_sizing ----------------------------------------------------------------------------


def _sizing(cfg: dict, batch: int, itemsize: int, hbm_gb_s: float, *, matrices: int = 3, gqa: bool = True,
            router: bool = True, norms: str = "all", whole: bool = False, active: str = "k", touched: str = "expected",
            step: str = "touched", embedding: bool = False, head: bool = True, gib: bool = False, tied: bool = False,
            rate: str = "steps") -> dict:
    """The sizes with one mistake; with its defaults it is right (an independent formulation)."""
    d, layers, experts, k = cfg["d_model"], cfg["layers"], cfg["experts"], cfg["k"]
    table = cfg["vocab"] * d
    width = d // cfg["heads"] * (cfg["kv_heads"] if gqa else cfg["heads"])
    expert = matrices * d * cfg["d_ff"]
    norm = {"all": 2 * d, "none": 0, "one": d}[norms]
    shared_layer = 2 * d * d + 2 * d * width + (d * experts if router else 0) + norm
    shared = layers * shared_layer + (1 if tied else 2) * table + (d if norms != "none" else 0)
    if whole:
        total = experts * (shared + layers * expert)
        used = k * (shared + layers * expert)
    else:
        total = shared + layers * experts * expert
        used = shared + layers * expert * {"k": k, "all": experts, "one": 1}[active]
        if active == "no_embedding":
            used = shared
    needed = {"expected": experts - experts * (1 - k / experts) ** batch, "no_overlap": k * batch,
              "min": min(experts, k * batch), "all": experts, "k": k,
              "rounded": round(experts * (1 - (1 - k / experts) ** batch))}[touched]
    read = shared - (0 if embedding else table) - (0 if head else table) + layers * needed * expert
    if step == "active_times_batch":
        read = (used - table) * batch
    elif step == "active_times_batch_full":
        read = used * batch
    read *= itemsize
    steps = hbm_gb_s * 1e9 / read
    return {"total_params": total, "active_params": used, "weight_gb": total * itemsize / (2**30 if gib else 1e9),
            "expected_bytes_per_step": float(read),
            "max_steps_per_s": {"steps": steps, "tokens": steps * batch, "giga": hbm_gb_s / read}[rate]}


def _sizing_by_layers(cfg: dict, batch: int, itemsize: int, hbm_gb_s: float) -> dict:
    """Adds up layer by layer, and the chance of each expert to be needed."""
    d, head_dim = cfg["d_model"], cfg["d_model"] // cfg["heads"]
    spared = math.prod([(cfg["experts"] - cfg["k"]) / cfg["experts"]] * batch)  # nobody wants a given expert
    total, active, read = d, d, d * 1.0
    for _ in range(cfg["layers"]):
        attention = d * head_dim * (2 * cfg["heads"] + 2 * cfg["kv_heads"])
        always = attention + d * cfg["experts"] + d + d
        one = d * cfg["d_ff"] * 3
        total += always + cfg["experts"] * one
        active += always + cfg["k"] * one
        read += always + cfg["experts"] * (1 - spared) * one
    total, active, read = total + 2 * cfg["vocab"] * d, active + 2 * cfg["vocab"] * d, read + cfg["vocab"] * d
    return {"max_steps_per_s": 1e9 * hbm_gb_s / (read * itemsize), "expected_bytes_per_step": read * itemsize,
            "weight_gb": total / 1e9 * itemsize, "active_params": active, "total_params": total}


_MIXTRAL = {"layers": 32, "d_model": 4096, "d_ff": 14336, "heads": 32, "kv_heads": 8, "vocab": 32000, "experts": 8, "k": 2}
_MIXTRAL_BIG = {"layers": 56, "d_model": 6144, "d_ff": 16384, "heads": 48, "kv_heads": 8, "vocab": 32768, "experts": 8,
                "k": 2}


def _draw_sizing(rng: np.random.Generator) -> Case:
    kv_heads = int(rng.choice([1, 2, 4]))
    heads = kv_heads * int(rng.choice([1, 2, 4]))
    experts = int(rng.choice([2, 4, 8, 16, 64]))
    cfg = {"layers": int(rng.integers(1, 40)), "d_model": heads * int(rng.choice([16, 32, 64])),
           "d_ff": int(rng.integers(8, 2000)), "heads": heads, "kv_heads": kv_heads, "vocab": int(rng.integers(100, 40000)),
           "experts": experts, "k": int(rng.integers(1, min(experts, 8) + 1))}
    return Case(cfg, int(rng.choice([1, 2, 4, 16, 64])), int(rng.choice([1, 2, 4])), float(rng.choice([900.0, 2039.0, 3350.0])))


moe_sizing = Exercise(
    id="42.moe_sizing", points=5, difficulty=3, minutes=30,
    idea="memory by total, FLOPs by active, bandwidth by experts touched",
    reference=accounting.moe_sizing,
    cases=[Case(_MIXTRAL, 1, 2, 3350.0, label="Mixtral-8x7B, batch 1, BF16, 3350 GB/s"),
           Case(_MIXTRAL, 16, 2, 3350.0, label="Mixtral-8x7B, batch 16, BF16, 3350 GB/s")],
    hidden=[
        Case(_MIXTRAL_BIG, 4, 2, 3350.0, label="Mixtral-8x22B, batch 4"),
        Case(_MIXTRAL, 4, 1, 2039.0, label="Mixtral-8x7B, batch 4, one byte a weight"),
        Case(_MIXTRAL, 4096, 2, 3350.0, label="Mixtral-8x7B, batch 4096"),
        Case({**_MIXTRAL, "k": 8}, 3, 2, 3350.0, label="k = all experts"),
        Case({**_MIXTRAL, "kv_heads": 32}, 2, 2, 3350.0, label="as many key/value heads as heads"),
    ],
    draw=_draw_sizing, draws=30, compare=close(1e-11),
    misconceptions=[
        Misconception(
            "eight_models", partial(_sizing, whole=True),
            "You multiplied the whole model by the number of experts: \"8 × 7 B = 56 B\". Attention, embeddings and norms "
            "exist once. Only the feed-forward part is there for each expert.",
            "The shared parts were multiplied."),
        Misconception(
            "two_matrices", partial(_sizing, matrices=2),
            "A SwiGLU expert has three matrices: gate, up and down. You counted two.",
            "An expert has three matrices."),
        Misconception(
            "no_gqa", partial(_sizing, gqa=False),
            "Keys and values have `kv_heads` heads, not `heads`. With 8 of 32 their projections are a quarter as wide.",
            "K and V are too wide."),
        Misconception(
            "no_router", partial(_sizing, router=False),
            "Each layer has a router of d_model × experts weights. It is small, but the count is exact.",
            "The router is missing."),
        Misconception(
            "no_norms", partial(_sizing, norms="none"),
            "The RMSNorm weights are missing: two vectors of d_model in each layer, and one before the output head.",
            "The norms are missing.", also=(partial(_sizing, norms="one"),)),
        Misconception(
            "tied", partial(_sizing, tied=True, embedding=True),
            "The input embedding and the output head are two tables here. You counted one.",
            "One table of the vocabulary is missing."),
        Misconception(
            "all_active", partial(_sizing, active="all"),
            "A token computes with k experts, not with all of them. All of them are in memory; that is the total.",
            "All experts are counted as active."),
        Misconception(
            "times_batch", partial(_sizing, step="active_times_batch"),
            "You read the active weights once for each sequence. A matrix that was read serves all tokens of the step. How "
            "many *different* experts does the batch need?",
            "Weights were read once for each token.", also=(partial(_sizing, step="active_times_batch_full"),)),
        Misconception(
            "no_overlap", partial(_sizing, touched="no_overlap"),
            "You count k new experts for every token, at batch 16 more than there are. Tokens share experts. What is the "
            "chance that one expert is chosen by none of them?",
            "More experts than there are.", also=(partial(_sizing, touched="min"),)),
        Misconception(
            "only_k", partial(_sizing, touched="k"),
            "Only k experts were read. That is right for a batch of 1. With more tokens, more experts are needed.",
            "The batch touches more than k experts."),
        Misconception(
            "all_read", partial(_sizing, touched="all"),
            "All experts were read. A small batch does not need all of them: one token needs k.",
            "A small batch reads fewer experts."),
        Misconception(
            "rounded", partial(_sizing, touched="rounded"),
            "An expected number need not be whole. Do not round the experts touched.",
            "The expectation was rounded."),
        Misconception(
            "embedding_read", partial(_sizing, embedding=True),
            "A step looks up one row of the input embedding for each sequence. The table itself is not read.",
            "The input embedding was read."),
        Misconception(
            "head_missing", partial(_sizing, head=False),
            "The output head is a matrix product like the others, so every step reads all of it.",
            "The output head was not read."),
        Misconception(
            "gib", partial(_sizing, gib=True),
            "You divided by 2³⁰. The text asks for GB: 1e9 bytes.",
            "GiB instead of GB."),
        Misconception(
            "tokens", partial(_sizing, rate="tokens"),
            "This is the bound of tokens per second, for all sequences together. The question is about steps: one step "
            "gives each sequence one token.",
            "Tokens instead of steps."),
        Misconception(
            "giga", partial(_sizing, rate="giga"),
            "Your rate is a billion times too small. `hbm_gb_s` is in GB/s, the step in bytes.",
            "GB/s and bytes were mixed."),
    ],
    alternatives=[_sizing, _sizing_by_layers],
    hints=(
        "Write down three lists: what a layer has once (attention, router, norms), what it has for each expert, and what "
        "the model has once (two tables, the final norm).",
        "The total has all experts in each layer, the active count k of them. Nothing else differs.",
        "One token leaves a given expert alone with the chance 1 − k / E. So the batch touches E·(1 − (1 − k / E)^batch) "
        "experts in each layer.",
    ),
    worth_knowing="Real routing is less even than independent draws, so a real batch touches somewhat fewer experts.",
)


EXERCISES = [route_topk, capacity_mask, load_balancing_loss, moe_forward, moe_sizing]

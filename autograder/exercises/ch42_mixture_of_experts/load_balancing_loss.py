"""Exercise 42.load_balancing_loss: the auxiliary loss that spreads the tokens."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from utils.moe import numpy_layer

from ...compare import close
from ...exercise import Case, Exercise, Misconception
from .routing import keep_by_cumsum


def _kept(indices: np.ndarray, num_experts: int, factor: float) -> np.ndarray:
    places = max(1, math.ceil(factor * indices.size / num_experts))
    return indices[keep_by_cumsum(indices, num_experts, places)]


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

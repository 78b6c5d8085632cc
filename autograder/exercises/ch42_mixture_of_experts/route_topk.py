"""Exercise 42.route_topk: a token's k experts and their weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.moe import numpy_layer

from ...compare import close
from ...exercise import Case, Exercise, Misconception
from .routing import route, route_by_sorted, route_torch


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
            "full_softmax", partial(route, weights="full"),
            "In the first example your weights sum to 0.91. Mixtral shares the weight among the chosen experts only, so "
            "they sum to 1. (Switch does keep the full softmax; it is another model.)",
            "The weights do not sum to 1.", also=(partial(route, weights="full", checked=False),)),
        Misconception(
            "zeros", partial(route, weights="zeros"),
            "A logit of 0 is not \"off\": exp(0) is 1, so the experts that nobody chose still take a part of the weight. "
            "Which logit gives a weight of exactly 0?",
            "Unchosen logits were set to 0.", also=(partial(route, weights="zeros", checked=False),)),
        Misconception(
            "expert_order", partial(route, weights="expert_order"),
            "The indices are sorted by weight, but the weights stand in the order of the experts. Entry j of both must "
            "belong to the same expert.",
            "Indices and weights are in different orders."),
        Misconception(
            "overflow", partial(route, shift="none"),
            "exp(10000) is infinite, and exp(−10000) is 0, so the division gives no number. A softmax does not change "
            "when the same number is taken from all its logits. Which number, for which row, keeps exp in range?",
            "exp overflows, or everything underflows.",
            also=(partial(route, shift="all"), partial(route, shift="none", checked=False))),
        Misconception(
            "uniform", partial(route, weights="uniform"),
            "Every chosen expert got 1 / k. The router's logits also say how much each of the k counts.",
            "All weights are equal."),
        Misconception(
            "ties", partial(route, order="unstable"),
            "Equal logits must go to the lower expert index. Not every sort keeps equal items in order, and some keep it "
            "only for few items. Look for a sort that promises it.",
            "Ties go to the wrong expert.", also=(partial(route, order="reversed"), _route_torch_topk)),
        Misconception(
            "ascending", partial(route, order="ascending"),
            "These are the right experts, weakest first. The text asks for the largest weight first.",
            "The order is the wrong way round."),
        Misconception(
            "smallest", partial(route, order="smallest"),
            "You took the k smallest logits. A large logit means that the router wants this expert.",
            "The smallest logits were chosen."),
        Misconception(
            "linear", partial(route, weights="linear"),
            "You divided the logits by their sum. Logits may be negative or 0, so they are no shares. Softmax makes "
            "shares of them.",
            "The softmax is missing."),
        Misconception(
            "k_unchecked", partial(route, checked=False),
            "The values are right. A k below 1, or above the number of experts, has to be refused: slicing accepts it "
            "in silence.",
            "k is not checked."),
    ],
    alternatives=[route, route_by_sorted, route_torch],
    hints=(
        "First find the k indices of each row. A stable sort of the negated logits gives the largest first, and on ties "
        "the lower index.",
        "Then gather the k logits of each row and take a softmax over these alone.",
        "Before `exp`, subtract the largest logit *of the row*. It is the first of the k.",
    ),
    worth_knowing="Softmax over the chosen logits equals the full softmax, divided by the sum of the chosen "
                  "probabilities. Both ways are seen in code.",
)

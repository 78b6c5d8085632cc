"""The sparse layer in plain NumPy: each expert sees its own tokens and no others.

Letters: T tokens, E experts, k experts a token, d the width of the model, f that of an expert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from utils.moe.accounting import expert_capacity

if TYPE_CHECKING:
    import torch


def route_topk(logits: np.ndarray | torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Mixtral's gate: the k best experts of each token (T, k), best first, and the softmax over their logits.

    logits is (T, E). On ties the lower index wins. Raises ValueError unless 1 <= k <= E.
    """
    logits = np.asarray(logits, np.float64)
    if not 1 <= k <= logits.shape[-1]:
        raise ValueError(f"k must be between 1 and the number of experts {logits.shape[-1]}, got {k}")
    indices = np.argsort(-logits, axis=-1, kind="stable")[:, :k]
    chosen = np.take_along_axis(logits, indices, -1)  # (T, k), the largest first
    weights = np.exp(chosen - chosen[:, :1])
    return indices, weights / weights.sum(-1, keepdims=True)


def capacity_mask(indices: np.ndarray, num_experts: int, capacity: int) -> np.ndarray:
    """(T, k) bool: which assignments find a place when each expert takes at most `capacity`.

    All first choices come first, in token order, then all second choices, and so on.
    Raises ValueError for capacity < 1.

    >>> capacity_mask(np.array([[0, 1], [0, 2], [0, 1]]), 3, 2).tolist()
    [[True, True], [True, True], [False, True]]
    """
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, got {capacity}")
    keep = np.zeros(np.shape(indices), bool)
    taken = np.zeros(num_experts, np.int64)
    for choice, column in enumerate(np.asarray(indices).T):
        for token, expert in enumerate(column):
            keep[token, choice] = taken[expert] < capacity
            taken[expert] += 1
    return keep


def load_balancing_loss(probs: np.ndarray | torch.Tensor, indices: np.ndarray,
                        num_experts: int) -> float | torch.Tensor:
    """E * sum(f_i * P_i) with f_i the share of all assignments and P_i the mean probability of expert i.

    probs is (T, E), indices (T, k). A tensor of probabilities gives a 0-d tensor, whose gradient flows through
    P alone.

    >>> round(load_balancing_loss(np.array([[.9, .1], [.8, .2], [.7, .3], [.2, .8]]), [[0], [0], [0], [1]], 2), 9)
    1.15
    """
    count = np.bincount(np.ravel(indices), minlength=num_experts)
    f = count / count.sum()  # (E,), sums to 1 for any k
    if hasattr(probs, "new_tensor"):
        return num_experts * (probs.new_tensor(f) * probs.mean(0)).sum()
    return float(num_experts * (f * np.mean(probs, axis=0)).sum())


def moe_forward(x: np.ndarray, router_w: np.ndarray, experts: Sequence[Callable[[np.ndarray], np.ndarray]], k: int,
                capacity_factor: float | None = None) -> tuple[np.ndarray, float]:
    """(y, dropped_fraction) of a sparse layer under Mixtral's gate; y (T, d) has no residual added.

    x (T, d), router_w (d, E); expert e takes its own accepted tokens (n, d) and no others, and returns (n, d).
    Assignments beyond an expert's capacity contribute 0, and the weights of the others stay as they are.
    """
    num_experts = router_w.shape[1]
    indices, weights = route_topk(x @ router_w, k)
    keep = np.ones(indices.shape, bool)
    if capacity_factor is not None:
        keep = capacity_mask(indices, num_experts, expert_capacity(len(x), num_experts, k, capacity_factor))
    y = np.zeros(x.shape)
    for e, expert in enumerate(experts):
        tokens, choices = np.nonzero((indices == e) & keep)  # an expert's tokens are distinct: += is safe
        if len(tokens):
            y[tokens] += weights[tokens, choices, None] * expert(x[tokens])
    return y, float(1 - keep.mean())


def relu_experts(w1: np.ndarray, w2: np.ndarray) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Feed-forward experts without biases from stacked weights: w1 (E, d, f), w2 (E, f, d)."""
    return [lambda rows, up=up, down=down: np.maximum(rows @ up, 0) @ down for up, down in zip(w1, w2)]

"""Routers and capacity masks: answers of 42.route_topk and 42.capacity_mask, and parts of the exercises behind them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def route(logits: Any, k: int, *, weights: str = "chosen", shift: str = "row", order: str = "best",
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


def route_by_sorted(logits: Any, k: int) -> tuple[Any, Any]:
    """Python's sort on each row."""
    if k < 1 or k > len(logits[0]):
        raise ValueError("there are not so many experts")
    chosen = [sorted(range(len(row)), key=lambda e: (-row[e], e))[:k] for row in logits.tolist()]
    weights = []
    for row, experts in zip(logits.tolist(), chosen):
        powers = [math.exp(row[e] - row[experts[0]]) for e in experts]
        weights.append([p / sum(powers) for p in powers])
    return np.array(chosen), np.array(weights)


def route_torch(logits: Any, k: int) -> tuple[Any, Any]:
    """A stable sort in torch."""
    import torch

    z = torch.as_tensor(logits).double()
    if not 1 <= k <= z.shape[-1]:
        raise ValueError("k")
    values, indices = torch.sort(z, dim=-1, descending=True, stable=True)
    return indices[:, :k], torch.softmax(values[:, :k], -1)


def keep_by_visits(indices: np.ndarray, num_experts: int, capacity: int, *, order: str = "choice", count: str = "expert",
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


def keep_by_cumsum(indices: np.ndarray, num_experts: int, capacity: int) -> np.ndarray:
    """Counts the queue of each expert with a running sum."""
    if capacity < 1:
        raise ValueError("no place")
    tokens, k = indices.shape
    queue = indices.T.reshape(-1)
    one_hot = np.eye(num_experts, dtype=int)[queue]  # (k * T, E)
    place = (np.cumsum(one_hot, axis=0) * one_hot).sum(1)
    return (place <= capacity).reshape(k, tokens).T


def keep_by_sort(indices: np.ndarray, num_experts: int, capacity: int) -> np.ndarray:
    """Sorts the queue by expert, so that a place is a distance from the expert's first."""
    if capacity <= 0:
        raise ValueError("no place")
    queue = indices.ravel(order="F")
    order = np.argsort(queue, kind="stable")
    starts = np.searchsorted(queue[order], np.arange(num_experts))
    place = np.empty(len(queue), int)
    place[order] = np.arange(len(queue)) - starts[queue[order]]
    return (place < capacity).reshape(indices.shape, order="F")

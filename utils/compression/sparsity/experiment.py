"""Measurements: when a sparse product beats the dense one on this CPU, and what 2:4 does to a trained network."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from operator import matmul

import numpy as np
import torch

from utils.compression.pruning import finetuned_copy, granularity_masks, prunable, pruned_copy
from utils.compression.sparsity.two_four import nm_mask
from utils.cost.latency import time_interleaved
from utils.networks.digits import load_digits_split, one_thread, predict, trained_digits

LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def crossover(shape: tuple[int, int], batch: int, levels: Sequence[float] = LEVELS, seed: int = 0, *, rounds: int = 15,
              clock: Callable[[], int] = time.perf_counter_ns) -> dict[str, list[float]]:
    """Shortest ms of W @ X in float32 on one thread, for W of `shape` with a share of random zeros and X (cols, batch).

    Keys: levels (sparsity), dense (torch on the full array), scipy and torch (their CSR products). The three are
    measured in turns, `rounds` of them a level; the shortest is what other work on the machine disturbs least.
    """
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {"levels": list(levels), "dense": [], "scipy": [], "torch": []}
    X = rng.standard_normal((shape[1], batch)).astype(np.float32)
    X_torch = torch.from_numpy(X)
    for level in levels:
        W = rng.standard_normal(shape).astype(np.float32)
        W[rng.random(shape) < level] = 0
        calls = {"dense": partial(matmul, torch.from_numpy(W), X_torch), "scipy": partial(matmul, csr_matrix(W), X),
                 "torch": partial(matmul, _torch_csr(W), X_torch)}
        with one_thread():
            times = time_interleaved(calls, rounds, warmup=2, clock=clock)
        for name, samples in times.items():
            found[name].append(float(samples.min()))
    return found


def _torch_csr(W: np.ndarray) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.from_numpy(W).to_sparse_csr()


def crossing(levels: Sequence[float], dense_ms: Sequence[float], sparse_ms: Sequence[float]) -> float | None:
    """Sparsity from which on the sparse product is faster at all further levels; None if it is not at the last one.

    Between two levels the logarithm of the ratio is taken as a straight line; the first level itself when the
    sparse product is faster everywhere.
    """
    logs = [math.log(s / d) for s, d in zip(sparse_ms, dense_ms)]
    if logs[-1] >= 0:
        return None
    slower = [i for i, value in enumerate(logs) if value >= 0]
    if not slower:
        return float(levels[0])
    i = slower[-1]
    share = logs[i] / (logs[i] - logs[i + 1])
    return float(levels[i] + share * (levels[i + 1] - levels[i]))


def two_four_masks(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The 2:4 mask of every weight matrix, along its input."""
    return {name: torch.from_numpy(nm_mask(w.numpy())) for name, w in prunable(model).items()}


def two_four_digits(epochs: int = 4) -> dict[str, int]:
    """Correct answers among the 540 test images of the digits network, at half of its weights.

    Keys: dense; free (the half of largest magnitude, anywhere); 2:4; random 2:4; and with "tuned" behind them
    after `epochs` of fine-tuning with the mask held.
    """
    X_train, X_test, y_train, y_test = load_digits_split()
    model = trained_digits()
    masks = {"dense": {}, "free": granularity_masks(model, 0.5, "global", "magnitude"), "2:4": two_four_masks(model),
             "random 2:4": granularity_masks(model, 0.5, "2:4", "random")}

    def correct(network: torch.nn.Module) -> int:
        return int((predict(network, X_test).argmax(1) == torch.as_tensor(y_test)).sum())

    found = {name: correct(pruned_copy(model, mask)) for name, mask in masks.items()}
    for name, mask in masks.items():
        found[f"{name} tuned"] = correct(finetuned_copy(model, mask, X_train, y_train, epochs=epochs))
    return found

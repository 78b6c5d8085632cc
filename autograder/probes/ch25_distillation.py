"""Probes of chapter 25: a student is distilled from a closed-form teacher on digits that lack one class."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.optimizer import register_optimizer_step_post_hook

TRAIN, HIDDEN = 1257, 32


@cache
def _digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (1797, 64) in [0, 1], labels, and logits of a linear discriminant that was fitted to the first 1,257.

    The file is read as it lies in scikit-learn: importing the package would take longer than all that follows.
    """
    package = importlib.util.find_spec("sklearn").submodule_search_locations[0]
    table = np.loadtxt(Path(package, "datasets", "data", "digits.csv.gz"), delimiter=",")
    table = table[np.random.default_rng(0).permutation(len(table))]
    X, y = table[:, :64] / 16, table[:, 64].astype(int)
    means = np.stack([X[:TRAIN][y[:TRAIN] == c].mean(axis=0) for c in range(10)])
    spread = X[:TRAIN] - means[y[:TRAIN]]
    covariance = 0.7 * spread.T @ spread / TRAIN
    covariance += 0.3 / 0.7 * np.trace(covariance) / 64 * np.eye(64)
    weights = np.linalg.solve(covariance, means.T)  # (64, 10)
    logits = 0.5 * (X @ weights - 0.5 * (means.T * weights).sum(axis=0))
    return X, y, logits - logits.mean(axis=1, keepdims=True)


def missing_class(answer: Callable, missing: int, steps: int, rows: int = 600, seed: int = 0) -> dict:
    """Let `answer(teacher_logits, X, keep, student, steps)` distil a 64 → 32 → 10 student from the first `rows` images.

    Returns what it returned, the optimizer steps that it took, whether it changed the teacher's logits or sent a
    gradient into them, and how the student does afterwards: shares of right test images (of the missing class and
    of all), mean KL(teacher || student) on the kept rows at temperatures 4 and 1, and its mean confidence there.
    """
    with _quiet():
        X, y, logits = _tensors()
        keep = y[:rows] != missing
        student, told = _train(answer, logits[:rows], X[:rows], keep, steps, seed)
        with torch.no_grad():
            named, test = student(X[TRAIN:]).argmax(1), y[TRAIN:]
            s, t = student(X[:rows][keep]), logits[:rows][keep]
        right = named == test
        return {**told, "missing": right[test == missing].float().mean().item(), "overall": right.float().mean().item(),
                "kl4": _kl(s / 4, t / 4), "kl1": _kl(s, t), "confidence": s.softmax(1).max(1).values.mean().item()}


def same_student(answer: Callable, missing: int, steps: int, rows: int = 300, seed: int = 0) -> dict:
    """Train two students from the same seed; for the second the rows outside `keep` hold noise. A third one, trained
    as the first, tells a leak from chance where the two differ.

    Returns {"repeats", "leaks"}; whether there is a leak is unknown (None) where nothing repeats.
    """
    with _quiet():
        X, y, logits = (a[:rows] for a in _tensors())
        keep = y != missing
        noise = torch.Generator().manual_seed(99)
        other_X = torch.where(keep[:, None], X, torch.rand(X.shape, generator=noise))
        other_logits = torch.where(keep[:, None], logits, 9 * torch.randn(logits.shape, generator=noise))
        first, _ = _train(answer, logits, X, keep, steps, seed)
        other, _ = _train(answer, other_logits, other_X, keep, steps, seed)
        if _distance(first, other) < 1e-4:
            return {"repeats": True, "leaks": False}
        again, _ = _train(answer, logits, X, keep, steps, seed)
        repeats = _distance(first, again) < 1e-4
        return {"repeats": repeats, "leaks": True if repeats else None}


def _tensors() -> tuple[Tensor, Tensor, Tensor]:
    """Images and logits in float32, labels in int64."""
    X, y, logits = _digits()
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y), torch.tensor(logits, dtype=torch.float32)


@contextmanager
def _quiet() -> Iterator[None]:
    """One thread, and the global generator as it was. All torch work is done inside: a pool of threads, once started,
    would not survive a fork."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


def _train(answer: Callable, logits: Tensor, X: Tensor, keep: Tensor, steps: int, seed: int) -> tuple[nn.Module, dict]:
    torch.manual_seed(seed)
    student = nn.Sequential(nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
    given = logits.clone().requires_grad_()
    taken: list[int] = []
    hook = register_optimizer_step_post_hook(lambda *_: taken.append(1))
    torch.manual_seed(seed + 1)
    try:
        returned: Any = answer(given, X.clone(), keep.clone(), student, steps)
    finally:
        hook.remove()
    told = {"returned": "the student" if returned is student else
            "nothing" if returned is None else "something else",
            "steps": len(taken), "teacher_changed": not torch.equal(given.detach(), logits),
            "teacher_gradient": given.grad is not None}
    return student, told


def _kl(s: Tensor, t: Tensor) -> float:
    return F.kl_div(s.double().log_softmax(1), t.double().log_softmax(1), reduction="batchmean", log_target=True).item()


def _distance(a: nn.Module, b: nn.Module) -> float:
    gaps = [(p - q).abs().max().item() for p, q in zip(a.parameters(), b.parameters())]
    return max(gaps) if all(g == g for g in gaps) else float("inf")

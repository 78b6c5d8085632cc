"""Probes of chapter 21: a model of a fixed batch, and a service time by batch size, made beside the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class WrongRows(ValueError):
    """The model of a fixed batch got another number of rows."""


class WrongShape(ValueError):
    """The model got rows of another shape."""


class WrongType(TypeError):
    """The model got an array of another dtype, or no array."""


def _flat(z: np.ndarray) -> np.ndarray:
    return z.reshape(len(z), -1)


# Each treats every row for itself, as a network does.
MODELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "double": lambda z: z + z,
    "row sums": lambda z: _flat(z).sum(axis=1, dtype=z.dtype),
    "is positive": lambda z: _flat(z).sum(axis=1) > 0,
    "ten scores": lambda z: (_flat(z)[:, :1] * np.arange(10)).astype(np.float16),
    "two maps": lambda z: np.stack([z, z + 1], axis=1).astype(np.float32),
}


def run_rows(answer: Callable, model: str, x: np.ndarray, batch: int) -> dict:
    """Call the answer with a model that takes exactly `batch` rows like x's.

    What the answer returned, how often it called the model, and whether x is another now.
    """
    calls = 0

    def run(z: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if not isinstance(z, np.ndarray):
            raise WrongType(f"the model takes an array, got {type(z).__name__}")
        if len(z) != batch:
            raise WrongRows(f"the model takes exactly {batch} rows, got {len(z)}")
        if z.shape[1:] != x.shape[1:]:
            raise WrongShape(f"the model takes shape {(batch, *x.shape[1:])}, got {z.shape}")
        if z.dtype != x.dtype:
            raise WrongType(f"the model takes {x.dtype}, got {z.dtype}")
        return MODELS[model](z)

    given = x.copy()
    output = answer(run, given, batch)
    return {"output": output, "calls": calls, "x changed": not np.array_equal(given, x)}


def schedule(answer: Callable, arrivals: list[float], max_batch: int, max_delay: float, costs: list[float]) -> Any:
    """Call the answer with a service time that looks a size up; sizes outside 1 to max_batch are refused."""

    def service(size: int) -> float:
        if size != int(size) or not 1 <= size <= max_batch:
            raise LookupError(f"there is no batch of {size}: sizes go from 1 to {max_batch}")
        return costs[int(size) - 1]

    return answer(list(arrivals), max_batch, max_delay, service)

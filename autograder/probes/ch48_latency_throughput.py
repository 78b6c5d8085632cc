"""Probes of chapter 48: a cost function is made of a table beside the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def capacity(answer: Callable, costs: list[float], max_batch: int, slo_ms: float) -> Any:
    """Call the answer with a function that looks a batch size up; sizes outside 1 to max_batch are refused."""

    def batch_cost_ms(batch: int) -> float:
        if batch != int(batch) or not 1 <= batch <= max_batch:
            raise LookupError(f"there is no cost of a batch of {batch}: sizes go from 1 to {max_batch}")
        return costs[int(batch) - 1]

    return answer(batch_cost_ms, max_batch, slo_ms)

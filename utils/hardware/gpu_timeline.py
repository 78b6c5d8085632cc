"""One process on one GPU over time: what its memory holds, and what its kernels make of the utilisation (a model).

Memory follows the caching allocator's rules, utilisation NVML's definition. The script and the size of the CUDA
context are examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.cost.checks import positive
from utils.hardware.caching_allocator import MIB, CachingAllocator, replay
from utils.hardware.gpu_monitor.sampling import sample_series

CONTEXT_MIB = 450.0
LAUNCH_PERIOD_S = 0.05  # in a busy step a kernel starts this often


@dataclass(frozen=True)
class Step:
    """A part of the script: operations of `caching_allocator.replay`, spread evenly over its seconds.

    duty: share of each launch period in which a kernel runs. context: the first CUDA call is made here.
    """

    name: str
    seconds: float
    ops: tuple[tuple, ...] = ()
    duty: float = 0.0
    context: bool = False


def _mallocs(name: str, count: int, mib: float) -> tuple[tuple, ...]:
    return tuple(("malloc", f"{name}{i}", int(mib * MIB)) for i in range(count))


def _frees(name: str, numbers: Sequence[int]) -> tuple[tuple, ...]:
    return tuple(("free", f"{name}{i}") for i in numbers)


_KEPT = tuple(range(0, 40, 4))  # outputs of the first batch that a list still holds
_PINNED = (0, 12, 24)  # ... and those that something holds to the end

SCRIPT = (
    Step("start Python", 1),
    Step("first CUDA call", 1, context=True),
    Step("load the model", 1.5, _mallocs("w", 6, 150)),
    Step("first batch", 2, _mallocs("a", 40, 9) + _frees("a", [i for i in range(40) if i not in _KEPT]), duty=0.9),
    Step("larger batch", 2, _mallocs("b", 20, 18) + _frees("b", range(20)), duty=0.9),
    Step("del outputs", 1, _frees("a", [i for i in _KEPT if i not in _PINNED])),
    Step("empty_cache()", 1, (("empty_cache",),)),
    Step("wait for requests", 2),
    Step("tiny requests", 2.5, _mallocs("r", 1, 1), duty=1.0),
)


def gpu_timeline(script: Sequence[Step] = SCRIPT, *, context_mib: float = CONTEXT_MIB, window_s: float = 0.5,
                 split: bool = True, coalesce: bool = True) -> dict[str, np.ndarray]:
    """Memory and utilisation of a script, as arrays.

    time_s (n,) and tensors_mib, cache_mib, context_mib, smi_mib (n,): what holds from each time on. step_s (s + 1,):
    bounds of the steps. kernels (k, 2): start and end. reading_s, reading_pct (w,): end of each full window of
    `window_s`, and the utilisation that it reads. Raises ValueError for a window that is not positive.
    """
    positive(window_s=window_s)
    bounds = np.concatenate([[0.0], np.cumsum([step.seconds for step in script])])
    times, ops, context_from = [], [], np.inf
    for begin, step in zip(bounds, script):
        times += [begin + step.seconds * (i + 0.5) / len(step.ops) for i in range(len(step.ops))]
        ops += step.ops
        context_from = min(context_from, begin) if step.context else context_from
    states = [(state.allocated / MIB, state.reserved / MIB)
              for state in replay(ops, CachingAllocator(split=split, coalesce=coalesce))]
    memory = _memory(times, states, context_from, context_mib, float(bounds[-1]))
    kernels = _kernels(bounds, script)
    readings = sample_series(kernels, window_s, 0.0, float(bounds[-1]))
    return {**memory, "step_s": bounds, "kernels": np.array(kernels).reshape(-1, 2),
            "reading_s": window_s * np.arange(1, len(readings) + 1), "reading_pct": readings}


def _memory(times: list[float], states: list[tuple[float, float]], context_from: float, context_mib: float,
            end: float) -> dict[str, np.ndarray]:
    at = np.array(sorted({0.0, *times, *([context_from] if np.isfinite(context_from) else []), end}))
    seen = np.searchsorted(times, at, side="right")  # operations done by then
    allocated, reserved = np.array([(0.0, 0.0), *states]).T
    context = np.where(at >= context_from, context_mib, 0.0)
    return {"time_s": at, "tensors_mib": allocated[seen], "cache_mib": (reserved - allocated)[seen],
            "context_mib": context, "smi_mib": reserved[seen] + context}


def _kernels(bounds: np.ndarray, script: Sequence[Step]) -> list[tuple[float, float]]:
    return [(begin + i * LAUNCH_PERIOD_S, begin + (i + step.duty) * LAUNCH_PERIOD_S)
            for begin, step in zip(bounds.tolist(), script) if step.duty
            for i in range(round(step.seconds / LAUNCH_PERIOD_S))]

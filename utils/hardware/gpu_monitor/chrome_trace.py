"""Kernels out of a Chrome trace, the file that `torch.profiler` exports."""

from __future__ import annotations

import json
from pathlib import Path

from .kernels import Kernel

GPU_CATEGORIES = ("kernel", "gpu_memcpy", "gpu_memset")
CPU_CATEGORIES = ("cpu_op",)


def trace_from_chrome(source: str | Path, categories: tuple[str, ...] | None = None) -> list[Kernel]:
    """The complete events (phase "X") of a Chrome trace as kernels, by start; times in s from the first of them.

    source: a path, or the JSON text itself. categories: which events count; by default the GPU's kernels, and where
    the trace has none (a run on a CPU) the operators of the host. An operator that another one calls lies inside it,
    so their union counts once. SMs are the blocks of the launch grid (how many SMs the GPU has is not in an event;
    cap it where the trace is read), or 1 for an operator of the CPU; warps a SM are 0 where the trace has none.

    Raises ValueError if the text is not a Chrome trace.
    """
    events = _events(source)
    if categories is None:
        on_gpu = any(e.get("cat") == "kernel" for e in events)
        categories = GPU_CATEGORIES[:1] if on_gpu else CPU_CATEGORIES
    chosen = sorted((e for e in events if e.get("ph") == "X" and e.get("cat") in categories), key=lambda e: e["ts"])
    first = chosen[0]["ts"] if chosen else 0.0
    return [_kernel(e, first) for e in chosen]


def _events(source: str | Path) -> list[dict]:
    text = source if isinstance(source, str) and source.lstrip()[:1] in "{[" else Path(source).read_text("utf-8")
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"source must be a Chrome trace in JSON: {error}") from error
    events = parsed.get("traceEvents") if isinstance(parsed, dict) else parsed
    if not isinstance(events, list):
        raise ValueError("source must be a Chrome trace: a list of events, or an object with traceEvents")
    return events


def _kernel(event: dict, first_us: float) -> Kernel:
    start = (event["ts"] - first_us) * 1e-6
    args = event.get("args", {})
    blocks = 1
    for size in args.get("grid", (1,)):
        blocks *= size
    return Kernel(start, start + event["dur"] * 1e-6, blocks, round(args.get("warps per SM", 0)))

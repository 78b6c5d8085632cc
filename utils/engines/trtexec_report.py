"""trtexec's performance report: from a trace to the summary, to its text, and back from a log.

A trace is a list of mappings with trtexec's own keys, all in ms since the start and ordered by
`startH2dMs`: startEnqMs, endEnqMs, startH2dMs, endH2dMs, startComputeMs, endComputeMs, startD2hMs,
endD2hMs. The rules are those of samples/common/sampleReporting.cpp (TensorRT 8.6 to 11.1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Trace = Sequence[Mapping[str, float]]

ENQUEUE_BOUND = 0.8  # a median enqueue time above this share of the median compute time draws a warning
UNSTABLE_PCT = 2.5  # so does a coefficient of variation above this (1.0 in 8.6)
PHASES = ("Enq", "H2d", "Compute", "D2h")


@dataclass(frozen=True)
class Timing:
    """Statistics of one metric in ms; `percentiles_ms` maps 90.0 to the 90th percentile by trtexec's rule.

    `cv_pct` is the coefficient of variation in percent, None where a log does not tell it.
    """

    min_ms: float
    max_ms: float
    mean_ms: float
    median_ms: float
    percentiles_ms: dict[float, float]
    cv_pct: float | None = None


@dataclass(frozen=True)
class PerformanceSummary:
    """What trtexec prints at the end of a run.

    `latency` of a query is H2D + compute + D2H, without the waits between them; throughput is queries
    over wall time. `queries`, `warmups` and `warmup_ms` are None where a log does not tell them.
    """

    throughput_qps: float
    latency: Timing
    enqueue: Timing
    h2d: Timing
    compute: Timing
    d2h: Timing
    wall_s: float
    total_compute_s: float
    queries: int | None = None
    warmups: int | None = None
    warmup_ms: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def enqueue_bound(self) -> bool:
        """Whether the host may be the bottleneck: enqueueing takes more than 0.8 of the compute time."""
        return self.enqueue.median_ms > ENQUEUE_BOUND * self.compute.median_ms

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def trtexec_percentile_index(percentile: float, count: int) -> int:
    """Index of a percentile among `count` ascending samples, in the 32-bit floats of trtexec.

    It drops int((1 - p/100) n) samples from the top. In float32 99 % of 100 drops 0.99999905, hence
    none: trtexec's p99 of 100 queries is the maximum, and differs from nearest rank.
    Raises ValueError for a percentile outside [0, 100] or count < 1.

    >>> trtexec_percentile_index(99, 100), trtexec_percentile_index(95, 100)
    (99, 94)
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile must lie in [0, 100], got {percentile}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    share = np.float32(1) - np.float32(percentile) / np.float32(100)
    return max(count - 1 - int(share * np.float32(count)), 0)


def trace_record(
    enqueue: tuple[float, float], h2d: tuple[float, float], compute: tuple[float, float], d2h: tuple[float, float]
) -> dict[str, float]:
    """One query of a trace, from the (start, end) of its four phases in ms."""
    spans = zip(PHASES, (enqueue, h2d, compute, d2h))
    return {f"{edge}{phase}Ms": t for phase, span in spans for edge, t in zip(("start", "end"), span)}


def split_warmup(trace: Trace, warmup_ms: float) -> tuple[int, list[Mapping[str, float]]]:
    """(number of warm-up queries, the others): warm-up ends with the first compute at or after `warmup_ms`.

    Raises ValueError when no query is left.
    """
    first = next((i for i, query in enumerate(trace) if query["startComputeMs"] >= warmup_ms), None)
    if first is None:
        raise ValueError(f"trace must hold a query after the warm-up of {warmup_ms} ms, got {len(trace)} before it")
    return first, list(trace[first:])


def summarize(
    trace: Trace, warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0), streams: int = 1
) -> PerformanceSummary:
    """trtexec's summary of a trace; `streams` only decides whether the latencies are called inaccurate.

    Raises ValueError for a trace without a query after the warm-up, or a percentile outside [0, 100].
    """
    warmups, kept = split_warmup(trace, warmup_ms)
    enqueue, h2d, compute, d2h = (_durations(kept, phase) for phase in PHASES)  # each (queries,)
    wall_ms = kept[-1]["endD2hMs"] - kept[0]["startH2dMs"]
    timings = [_timing(values, percentiles) for values in (h2d + compute + d2h, enqueue, h2d, compute, d2h)]
    return PerformanceSummary(
        len(kept) / wall_ms * 1e3 if wall_ms > 0 else float("inf"),
        *timings,
        wall_s=wall_ms / 1e3,
        total_compute_s=float(compute.sum()) / 1e3,
        queries=len(kept),
        warmups=warmups,
        warmup_ms=float(warmup_ms),
        warnings=tuple(_warnings(*timings[1:], streams)),
    )


def _durations(trace: Trace, phase: str) -> np.ndarray:
    return np.array([query[f"end{phase}Ms"] - query[f"start{phase}Ms"] for query in trace], dtype=np.float64)


def _timing(values: np.ndarray, percentiles: Sequence[float]) -> Timing:
    ordered, mean = np.sort(values), float(values.mean())
    return Timing(
        min_ms=float(ordered[0]),
        max_ms=float(ordered[-1]),
        mean_ms=mean,
        median_ms=float(np.median(ordered)),
        percentiles_ms={float(p): float(ordered[trtexec_percentile_index(p, len(ordered))]) for p in percentiles},
        cv_pct=float(values.std()) / mean * 100 if mean else float("inf"),
    )


def _warnings(enqueue: Timing, h2d: Timing, compute: Timing, d2h: Timing, streams: int) -> list[str]:
    warnings = []
    if enqueue.median_ms > ENQUEUE_BOUND * compute.median_ms:
        warnings.append("Throughput may be bound by Enqueue Time rather than compute")
    if h2d.median_ms >= compute.median_ms:
        warnings.append("Throughput may be bound by the transfers of the inputs rather than compute")
    if d2h.median_ms >= compute.median_ms:
        warnings.append("Throughput may be bound by the transfers of the outputs rather than compute")
    if compute.cv_pct is not None and compute.cv_pct > UNSTABLE_PCT:
        warnings.append(f"Compute time is unstable, with coefficient of variance = {compute.cv_pct:g}%")
    if streams > 1:
        warnings.append("Several streams: queries overlap, read Throughput and not Latency")
    return warnings


def summarize_trace(
    trace: list[dict], warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0)
) -> dict[str, Any]:
    """The summary as plain data: queries, warmups, throughput_qps, latency (min, max, mean, median, p90, ...),
    compute_cv_pct, enqueue_bound.

    Raises ValueError for a trace without a query after the warm-up.
    """
    summary = summarize(trace, warmup_ms, percentiles)
    latency = {name: getattr(summary.latency, f"{name}_ms") for name in ("min", "max", "mean", "median")}
    return {
        "queries": summary.queries,
        "warmups": summary.warmups,
        "throughput_qps": summary.throughput_qps,
        "latency": latency | {f"p{p:g}": value for p, value in summary.latency.percentiles_ms.items()},
        "compute_cv_pct": summary.compute.cv_pct,
        "enqueue_bound": summary.enqueue_bound,
    }


def trace_json(trace: Trace, warmup_ms: float) -> str:
    """The trace as trtexec's --exportTimes writes it: JSON, warm-up queries excluded, durations added."""
    _, kept = split_warmup(trace, warmup_ms)
    rows = []
    for query in kept:
        stamps = {f"{edge}{phase}Ms": float(query[f"{edge}{phase}Ms"]) for phase in PHASES for edge in ("start", "end")}
        spans = {f"{p.lower()}Ms": stamps[f"end{p}Ms"] - stamps[f"start{p}Ms"] for p in PHASES[1:]}
        rows.append(json.dumps(stamps | spans | {"latencyMs": sum(spans.values())}))
    return "[\n  " + "\n, ".join(rows) + "\n]\n"


# -- text -----------------------------------------------------------------------------------------

_METRICS = {
    "latency": "Latency",
    "enqueue": "Enqueue Time",
    "h2d": "H2D Latency",
    "compute": "GPU Compute Time",
    "d2h": "D2H Latency",
}
_NUMBER = r"([-+.\w]+)"
_TITLE = "=== Performance summary ==="


def format_report(summary: PerformanceSummary) -> str:
    """The summary in trtexec's words, one line a metric, numbers with six digits as C++ prints them."""
    lines = []
    if summary.warmups is not None:
        over = "" if summary.warmup_ms is None else f" over {summary.warmup_ms:g} ms"
        lines.append(f"Warmup completed {summary.warmups} queries{over}")
    if summary.queries is not None:
        lines.append(f"Timing trace has {summary.queries} queries over {summary.wall_s:g} s")
    lines += ["", _TITLE, f"Throughput: {summary.throughput_qps:g} qps"]
    for field, label in _METRICS.items():
        lines.append(f"{label}: {_format_timing(getattr(summary, field))}")
    lines.append(f"Total Host Walltime: {summary.wall_s:g} s")
    lines.append(f"Total GPU Compute Time: {summary.total_compute_s:g} s")
    return "\n".join(lines + [f"* {warning}" for warning in summary.warnings])


def format_averages(trace: Trace, warmup_ms: float, runs: int = 10) -> str:
    """trtexec's trace details: the averages of every `runs` queries after the warm-up; ValueError for runs < 1."""
    if runs < 1:
        raise ValueError(f"runs must be at least 1, got {runs}")
    _, kept = split_warmup(trace, warmup_ms)
    enqueue, h2d, compute, d2h = (_durations(kept, phase) for phase in PHASES)
    lines = ["=== Trace details ===", f"Trace averages of {runs} runs:"]
    for start in range(0, len(kept) - runs + 1, runs):
        part = slice(start, start + runs)
        host = (h2d + compute + d2h)[part].mean()
        lines.append(
            f"Average on {runs} runs - GPU latency: {compute[part].mean():g} ms - "
            f"Host latency: {host:g} ms (enqueue {enqueue[part].mean():g} ms)"
        )
    return "\n".join(lines)


def _format_timing(timing: Timing) -> str:
    named = [("min", timing.min_ms), ("max", timing.max_ms), ("mean", timing.mean_ms), ("median", timing.median_ms)]
    named += [(f"percentile({p:g}%)", value) for p, value in timing.percentiles_ms.items()]
    return ", ".join(f"{name} = {value:g} ms" for name, value in named)


def parse_log(text: str) -> PerformanceSummary:
    """The last performance summary in a trtexec log, with or without the "[date] [I] " in front of its lines.

    Logs of 8.4 and older, with one percentile, are read too. Raises ValueError "no performance summary"
    when there is none or it is cut short.
    """
    lines = [re.sub(r"^\s*(\[[^]]*\]\s*)*", "", line).strip() for line in text.splitlines()]
    if _TITLE not in lines:
        raise ValueError("text must be a trtexec log, got no performance summary")
    start = len(lines) - 1 - lines[::-1].index(_TITLE)
    head, body = "\n".join(lines[:start]), "\n".join(lines[start:])
    warnings = tuple(line.removeprefix("* ") for line in lines[start:] if line.startswith("* "))
    unstable = re.search(rf"coefficient of variance = {_NUMBER}%", body)
    timings = {field: _parse_timing(label, body) for field, label in _METRICS.items()}
    if unstable:
        compute = timings["compute"]
        timings["compute"] = Timing(**{**vars(compute), "cv_pct": float(unstable[1].rstrip("."))})
    return PerformanceSummary(
        throughput_qps=_find(rf"Throughput: {_NUMBER} qps", body),
        **timings,
        wall_s=_find(rf"Total Host Walltime: {_NUMBER} s", body),
        total_compute_s=_find(rf"Total GPU Compute Time: {_NUMBER} s", body),
        queries=_last_int(r"Timing trace has (\d+) queries", head),
        warmups=_last_int(r"Warmup completed (\d+) queries", head),
        warmup_ms=_last_float(rf"Warmup completed \d+ queries over {_NUMBER} ms", head),
        warnings=warnings,
    )


def _find(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    if not match:
        raise ValueError(f"text must hold a whole summary, got no performance summary line like {pattern!r}")
    return float(match[1])


def _parse_timing(label: str, body: str) -> Timing:
    line = next((line for line in body.splitlines() if line.startswith(f"{label}: ")), "")
    shares = {float(p): float(v) for p, v in re.findall(rf"percentile\({_NUMBER}%\) = {_NUMBER} ms", line)}
    values = (_find(rf"^{label}: .*\b{name} = {_NUMBER} ms", line) for name in ("min", "max", "mean", "median"))
    return Timing(*values, percentiles_ms=shares)


def _last_int(pattern: str, text: str) -> int | None:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else None


def _last_float(pattern: str, text: str) -> float | None:
    found = re.findall(pattern, text)
    return float(found[-1]) if found else None

"""trtexec's report as text: printing a summary in its words, and reading one out of a real log."""

from __future__ import annotations

import re
from dataclasses import replace

from utils.engines.trtexec.report import PHASES, PerformanceSummary, Timing, Trace, phase_durations, split_warmup

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
    enqueue, h2d, compute, d2h = (phase_durations(kept, phase) for phase in PHASES)
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
        timings["compute"] = replace(timings["compute"], cv_pct=float(unstable[1].rstrip(".")))
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

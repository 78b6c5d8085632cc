"""What a simulated run returns: each request, each step, and the totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from utils.cost.latency import percentile
from utils.hardware.gpu_monitor import utilization

WAITING, PREFILL, DECODE, PREEMPTED, PADDING = "waiting", "prefill", "decode", "preempted", "padding"


class Segment(NamedTuple):
    """A piece of a request's life: its phase, from when to when (s)."""

    phase: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class RequestResult:
    """One request. `tpot_s`, the time per token after the first, is None for an answer of one token.

    `latency_s` ends when the answer is handed over: with a static or dynamic batch that is the end of the batch.
    `stall_s` is the longest pause between two of its tokens. `cached_tokens` were found when it first started.
    """

    arrival_s: float
    prompt_tokens: int
    output_tokens: int
    cached_tokens: int
    preemptions: int
    ttft_s: float
    tpot_s: float | None
    stall_s: float
    latency_s: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Series:
    """One entry a step, in order; arrays of equal length. Counts hold during the step, times are in s.

    `running` counts rows of the batch, finished ones that pad it included; `preempted` those put back before it;
    `tokens` new tokens, `prompt_tokens` computed positions of prompts, recomputed ones included.
    """

    start_s: np.ndarray
    kernel_start_s: np.ndarray
    end_s: np.ndarray
    running: np.ndarray
    waiting: np.ndarray
    preempted: np.ndarray
    tokens: np.ndarray
    prompt_tokens: np.ndarray
    blocks_used: np.ndarray
    blocks_shared: np.ndarray
    blocks_idle: np.ndarray
    useful_flops: np.ndarray

    def __len__(self) -> int:
        return len(self.start_s)


@dataclass(frozen=True)
class Totals:
    """The run in a few numbers. Rates are over the time from the first arrival to the last answer.

    `gpu_util` is the share of that time with a kernel running, `mfu` the useful FLOPs over what the peak could do,
    both fractions (MFU is None without a peak). `cache_hit_share`: prompt tokens found in the prefix cache.
    """

    requests: int
    steps: int
    makespan_s: float
    ttft_p50_s: float
    ttft_p99_s: float
    tpot_p50_s: float
    tpot_p99_s: float
    stall_p99_s: float
    latency_p50_s: float
    latency_p99_s: float
    tokens_per_s: float
    requests_per_s: float
    mean_batch: float
    preemptions: int
    recomputed_tokens: int
    cache_hit_share: float
    peak_blocks: int
    gpu_util: float
    mfu: float | None
    loads: int

    def as_dict(self) -> dict[str, float | None]:
        """The fields as a plain dict."""
        return asdict(self)


@dataclass(frozen=True)
class SimulationResult:
    """A whole run: `requests` in the order of arrival, `series` by step, `totals`, the pool's blocks."""

    requests: tuple[RequestResult, ...]
    series: Series
    totals: Totals
    pool_blocks: int

    def goodput_per_s(self, ttft_s: float, tpot_s: float) -> float:
        """Requests per second whose first token came within `ttft_s` and whose others within `tpot_s` on average."""
        good = sum(r.ttft_s <= ttft_s and (r.tpot_s is None or r.tpot_s <= tpot_s) for r in self.requests)
        return good / self.totals.requests * self.totals.requests_per_s


def totals(requests: Sequence[RequestResult], series: Series, peak_flop_s: float | None, recomputed_tokens: int,
           loads: int) -> Totals:
    """Sum up a run; `peak_flop_s` is the peak of all GPUs together, None when it is unknown."""
    begin, end = min(r.arrival_s for r in requests), float(series.end_s[-1])
    span = end - begin
    tokens, flops = sum(r.output_tokens for r in requests), float(series.useful_flops.sum())
    prompt = sum(r.prompt_tokens for r in requests)
    tpots = [r.tpot_s for r in requests if r.tpot_s is not None] or [0.0]
    busy = utilization(zip(series.kernel_start_s.tolist(), series.end_s.tolist()), begin, end) / 100

    def p(q: float, values: Sequence[float]) -> float:
        return percentile(values, q)

    ttfts, latencies = [r.ttft_s for r in requests], [r.latency_s for r in requests]
    return Totals(
        len(requests), len(series), span, p(50, ttfts), p(99, ttfts), p(50, tpots), p(99, tpots),
        p(99, [r.stall_s for r in requests]), p(50, latencies), p(99, latencies), tokens / span, len(requests) / span,
        float(series.running.mean()), int(series.preempted.sum()), recomputed_tokens,
        sum(r.cached_tokens for r in requests) / prompt, int(series.blocks_used.max()), busy,
        flops / (span * peak_flop_s) if peak_flop_s else None, loads)

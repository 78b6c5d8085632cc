"""Latency and throughput of one service by arithmetic: batches, pipelines, tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from utils.cost.checks import non_negative, positive


def capacity(batch_cost_ms: Callable[[int], float], max_batch: int, slo_ms: float) -> tuple[int, float]:
    """The best batch size under a latency objective, and its throughput in requests per second.

    The server runs batches of one size back to back. A request that just missed a batch waits for it and is served
    in the next one: twice the cost of a batch, which must not exceed `slo_ms`. Among equal throughputs the
    smaller batch wins; (0, 0.0) if no size meets the objective. Raises ValueError for max_batch < 1.

    >>> capacity(lambda b: 4 + 0.5 * b, 64, 40)
    (32, 1600.0)
    """
    positive(max_batch=max_batch)
    best = (0, 0.0)
    for batch in range(1, max_batch + 1):
        cost_ms = batch_cost_ms(batch)
        if 2 * cost_ms <= slo_ms and batch * 1000 / cost_ms > best[1]:
            best = (batch, batch * 1000 / cost_ms)
    return best


@dataclass(frozen=True)
class PipelineRate:
    """A pipeline in the steady state: results per second, and the time of one item through all stages."""

    throughput_per_s: float
    latency_ms: float

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def pipeline_rate(stages_ms: Sequence[float]) -> PipelineRate:
    """A pipeline whose stages work at the same time on different items: the slowest stage sets the pace.

    The latency is the sum of the stages; it leaves out waiting, so items must not arrive faster than the pace.
    Raises ValueError for no stages or a stage that takes no time.

    >>> pipeline_rate([30, 30, 30]).latency_ms
    90
    """
    if not stages_ms:
        raise ValueError("stages_ms must not be empty, got no stage")
    for stage_ms in stages_ms:
        positive(stages_ms=stage_ms)
    return PipelineRate(1000 / max(stages_ms), sum(stages_ms))


@dataclass(frozen=True)
class LLMLatency:
    """One answer of a language model: time to first token, per further token, in total (ms), and its tokens/s."""

    ttft_ms: float
    tpot_ms: float
    total_ms: float
    tokens_per_s: float

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def llm_latency(prompt_tokens: int, output_tokens: int, prefill_tokens_per_s: float, tpot_ms: float) -> LLMLatency:
    """Latency of one answer without waiting: the prompt is read at a rate, then one token follows the other.

    The first token comes with the end of the prefill, so `output_tokens` - 1 steps of `tpot_ms` follow.
    Raises ValueError for counts or rates that are not positive, or a negative `tpot_ms`.

    >>> llm_latency(1000, 201, 5000, 40).total_ms
    8200.0
    """
    positive(prompt_tokens=prompt_tokens, output_tokens=output_tokens, prefill_tokens_per_s=prefill_tokens_per_s)
    non_negative(tpot_ms=tpot_ms)
    ttft_ms = prompt_tokens / prefill_tokens_per_s * 1e3
    total_ms = ttft_ms + (output_tokens - 1) * tpot_ms
    return LLMLatency(ttft_ms, tpot_ms, total_ms, output_tokens / total_ms * 1e3)


def tpot_from_timestamps(token_times: Sequence[float]) -> float:
    """Time per output token from the times at which the tokens of one answer came: (last - first) / (n - 1).

    The result has the unit of the times. Raises ValueError for fewer than two tokens.

    >>> tpot_from_timestamps([200, 240, 280, 320])
    40.0
    """
    if len(token_times) < 2:
        raise ValueError(f"token_times must hold two tokens or more, got {len(token_times)}")
    return (token_times[-1] - token_times[0]) / (len(token_times) - 1)

"""Latency stage by stage, from the timestamps that each frame collects on its way."""

from __future__ import annotations

import numpy as np

from utils.cost.latency import percentile_linear


def latency_breakdown(stamps: dict[str, np.ndarray], order: list[str]) -> dict[str, float]:
    """p95 in ms of each hop "a->b", p95 of the whole way "end_to_end", and the share of frames that are not complete.

    stamps: float arrays (frames,) in ms, NaN where a frame did not get. A hop counts the frames that have both stamps,
    `end_to_end` the complete ones, with a stamp at every stage of `order`; NaN where there is none. Percentiles
    interpolate linearly. Raises ValueError "clock" for a hop that takes less than no time.
    """
    ways = np.stack([np.asarray(stamps[stage], np.float64) for stage in order])  # (stages, frames)
    complete = ~np.isnan(ways).any(axis=0)
    result = {}
    for (a, start), (b, end) in zip(zip(order, ways), zip(order[1:], ways[1:])):
        hop = (end - start)[~np.isnan(end - start)]
        if np.any(hop < 0):
            raise ValueError(f"stamps must come from one clock, got a hop {a}->{b} of {hop.min():g} ms")
        result[f"{a}->{b}"] = _p95(hop)
    result["end_to_end"] = _p95((ways[-1] - ways[0])[complete])
    result["drop_rate"] = float(np.mean(~complete))
    return result


def _p95(values: np.ndarray) -> float:
    return percentile_linear(values, 95) if values.size else float("nan")

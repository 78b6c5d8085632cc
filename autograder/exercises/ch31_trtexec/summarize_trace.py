"""Exercise 31.summarize_trace: trtexec's performance summary, from its trace."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from utils.engines import trtexec
from utils.engines.trtexec.report import PHASES, trace_record
from utils.widgets.ch31_trtexec import six_queries

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _record(start: float, enq: float, h2d: float, compute: float, d2h: float) -> dict[str, float]:
    edges = [start]
    for span in (enq, h2d, compute, d2h):
        edges.append(edges[-1] + span)
    return trace_record(*pairwise(edges))


SIX = six_queries()


def _evenly(n: int, slow: float = 0.0) -> list[dict[str, float]]:
    """n queries one after the other whose compute times rise by 1/64 ms; the last takes `slow` ms longer."""
    return [_record(16.0 * i, 0.25, 0.5, 2 + i / 64 + (slow if i == n - 1 else 0), 0.25) for i in range(n)]


def _spans(kept: list[dict], phase: str) -> list[float]:
    return [q[f"end{phase}Ms"] - q[f"start{phase}Ms"] for q in kept]


def _float32_index(p: float, n: int) -> int:
    return max(n - 1 - int((np.float32(1) - np.float32(p) / np.float32(100)) * np.float32(n)), 0)


def _float64_index(p: float, n: int) -> int:
    return max(n - 1 - int((1 - p / 100) * n), 0)


def _late_float32_index(p: float, n: int) -> int:
    return max(n - 1 - int(np.float32(1 - p / 100) * np.float32(n)), 0)


def _nearest_rank(p: float, n: int) -> int:
    return max(int(np.ceil(np.float64(p) * n / 100)) - 1, 0)


def _summary(trace: list[dict], warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0), *,
             drop: str = "first", number: int = 0, wall: str = "h2d", latency: str = "sum", qps: str = "wall", ddof: int = 0,
             index: Callable[[float, int], int] | None = _float32_index, bound: str = "median",
             factor: float = 0.8) -> dict[str, Any]:
    """A parametrised summary; with its defaults it is right (an independent formulation)."""
    warm = [q["startComputeMs"] >= warmup_ms for q in trace]
    if drop == "each":
        kept = [q for q, w in zip(trace, warm) if w]
    elif drop == "count":
        kept = trace[int(warmup_ms) if number == 0 else number:]
    elif drop == "enqueue":
        kept = trace[next((i for i, q in enumerate(trace) if q["startEnqMs"] >= warmup_ms), len(trace)):]
    elif drop == "after":
        kept = trace[next((i for i, q in enumerate(trace) if q["startComputeMs"] > warmup_ms), len(trace)):]
    else:
        kept = trace[warm.index(True) if True in warm else len(trace):]
    if not kept:
        raise ValueError("no query after the warm-up")
    enq, h2d, compute, d2h = (_spans(kept, phase) for phase in PHASES)
    total = {"sum": [a + b + c for a, b, c in zip(h2d, compute, d2h)],
             "from enqueue": [q["endD2hMs"] - q["startEnqMs"] for q in kept],
             "from h2d": [q["endD2hMs"] - q["startH2dMs"] for q in kept],
             "compute": compute}[latency]
    first = {"h2d": kept[0]["startH2dMs"], "trace": trace[0]["startH2dMs"], "zero": 0.0, "enqueue": kept[0]["startEnqMs"],
             "compute": kept[0]["startComputeMs"]}[wall]
    last = kept[-1]["endD2hMs"]
    n, ordered = len(kept), sorted(total)
    told = {"min": ordered[0], "max": ordered[-1], "mean": statistics.fmean(total), "median": statistics.median(total)}
    for p in percentiles:
        told[f"p{p:g}"] = ordered[index(p, n)] if index else float(np.percentile(ordered, p))
    middle = {"median": statistics.median, "mean": statistics.fmean, "max": max}[bound]
    spread = float(np.std(compute, ddof=ddof)) if n > ddof else float("nan")
    return {
        "queries": n,
        "warmups": len(trace) - n,
        "throughput_qps": {"wall": 1e3 * n / (last - first), "mean": 1e3 / told["mean"],
                           "sum": 1e3 * n / sum(compute)}[qps],
        "latency": told,
        "compute_cv_pct": 100 * spread / statistics.fmean(compute),
        "enqueue_bound": middle(enq) > factor * middle(compute),
    }


def _summary_numpy(trace: list[dict], warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0)) -> dict[str, Any]:
    """The whole trace as one array: queries by phases."""
    ends = np.array([[q[f"end{p}Ms"] for p in PHASES] for q in trace]).reshape(-1, 4)
    starts = np.array([[q[f"start{p}Ms"] for p in PHASES] for q in trace]).reshape(-1, 4)
    after = np.flatnonzero(starts[:, 2] >= warmup_ms)
    if after.size == 0:
        raise ValueError("the warm-up took everything")
    k = int(after[0])
    spans = (ends - starts)[k:]
    host = np.sort(spans[:, 1:].sum(axis=1))
    n = np.float32(len(host))
    dropped = {p: int((np.float32(1) - np.float32(p) / np.float32(100)) * n) for p in percentiles}
    latency = dict(zip(("min", "max", "mean", "median"), (host.min(), host.max(), host.mean(), np.median(host))))
    latency |= {f"p{p:g}": host[::-1][min(d, len(host) - 1)] for p, d in dropped.items()}
    enqueue, compute = np.median(spans[:, 0]), np.median(spans[:, 2])
    return {"queries": len(host), "warmups": k, "throughput_qps": len(host) / (ends[-1, 3] - starts[k, 1]) * 1000,
            "latency": latency, "compute_cv_pct": spans[:, 2].std() / spans[:, 2].mean() * 100,
            "enqueue_bound": bool(enqueue > 0.8 * compute)}


def _draw_trace(rng: np.random.Generator) -> Case:
    """Some streams whose queries overlap, with waits between the phases."""
    streams, each = int(rng.integers(1, 4)), int(rng.choice([2, 5, 10, 20, 34, 50]))
    scale = rng.uniform(0.2, 1.6)  # how much of the compute time an enqueue takes
    records = []
    for _ in range(streams):
        now = float(rng.uniform(0, 2))
        for _ in range(each):
            h2d, wait1, compute, wait2, d2h = rng.exponential([0.4, 0.3, 2.0, 0.2, 0.3]) + [0.1, 0, 0.5, 0, 0.1]
            enqueue = (now, float(rng.uniform(0.5, 1.1)) * scale * 1.6)
            edges = np.cumsum([now + float(rng.uniform(0, 0.2)), h2d, wait1, compute, wait2, d2h]).tolist()
            records.append(trace_record((enqueue[0], enqueue[0] + enqueue[1]), (edges[0], edges[1]),
                                        (edges[2], edges[3]), (edges[4], edges[5])))
            now = edges[4] + float(rng.exponential(0.2))
    records.sort(key=lambda q: q["startH2dMs"])
    n = len(records)
    warmup = float(rng.choice([0.0, round(records[int(rng.integers(n))]["startComputeMs"] - 0.05, 1)]))
    shown = f"{n} queries on {streams} stream{'s' * (streams > 1)}, warm-up {warmup:g} ms"
    if rng.random() < 0.3:
        return Case(records, warmup, (50.0, 75.0, 99.9), label=shown + ", p50, p75, p99.9")
    return Case(records, warmup, label=shown)


def _show_summary(value: dict[str, Any]) -> str:
    latency = ", ".join(f"{key} {number:.6g}" for key, number in value["latency"].items())
    return (f"queries {value['queries']}, warmups {value['warmups']}, throughput_qps {value['throughput_qps']:.6g}, "
            f"latency: {latency}, compute_cv_pct {value['compute_cv_pct']:.6g}, enqueue_bound {value['enqueue_bound']}")


summarize_trace = Exercise(
    id="31.summarize_trace", points=5, difficulty=3, minutes=30, idea="queries over wall time, percentiles in float32",
    reference=trtexec.summarize_trace,
    cases=[
        Case(SIX, 20.0, label="the six queries, warm-up 20 ms"),
        Case(SIX, 0.0, label="the six queries, no warm-up"),
        Case(_evenly(100, 30.0), 0.0, label="100 queries, the last one 30 ms slower"),
    ],
    hidden=[
        Case(SIX, 21.5, label="the six queries, warm-up 21.5 ms: the third one's compute starts then"),
        Case(SIX, 0.0, (0.0, 50.0, 99.9, 100.0), label="the six queries, p0, p50, p99.9 and p100"),
        Case(SIX[:1], 0.0, label="a single query"),
        Case(_evenly(10), 0.0, label="10 queries"), Case(_evenly(20), 0.0, label="20 queries"),
        Case(_evenly(200), 0.0, label="200 queries"), Case(_evenly(1000), 0.0, label="1,000 queries"),
        Case([_record(8.0 * i, 4, 0.5, 5, 0.5) for i in range(3)], 0.0, label="enqueue 4 ms, compute 5 ms: not more than 0.8"),
        Case([_record(8.0 * i, 4.25, 0.5, 5, 0.5) for i in range(3)], 0.0, label="enqueue 4.25 ms, compute 5 ms"),
        Case(trtexec.simulate_timeline(4, 0.5, 1.0, 0.25, 0.125), 8.0, label="48 queries on 4 streams, warm-up 8 ms"),
        Case([trace_record((0, 1), (1, 2), (9, 11), (11, 12)), trace_record((2, 3), (3, 4), (4, 6), (6, 7)),
              trace_record((4, 5), (5, 6), (11, 14), (14, 15))], 8.0,
             label="two streams: the second query starts its compute before the first one does"),
    ],
    draw=_draw_trace, draws=60, time_limit_s=5,
    raises=[Case(SIX, 50.0, label="a warm-up that outlasts the six queries"), Case([], 0.0, label="an empty trace")],
    compare=close(1e-6, 1e-9, dtype="any"), show=_show_summary,
    misconceptions=[
        Misconception(
            "inverse_latency", lambda *a, **k: _summary(*a, **k, qps="mean"),
            "1000 / latency holds for one query at a time without gaps. Queries of several streams overlap, and there are "
            "gaps between queries. Divide the number of queries by the wall time.",
            "Throughput is not 1 / latency.", also=(lambda *a, **k: _summary(*a, **k, qps="sum"),)),
        Misconception(
            "end_to_end_latency", lambda *a, **k: _summary(*a, **k, latency="from enqueue"),
            "The time from the first stamp to the last holds the waits between the phases. trtexec's Latency is the sum "
            "of three durations: H2D, compute and D2H.",
            "Waiting is not in trtexec's Latency.", also=(lambda *a, **k: _summary(*a, **k, latency="from h2d"),)),
        Misconception(
            "compute_only", lambda *a, **k: _summary(*a, **k, latency="compute"),
            "That is GPU Compute Time. Latency has the two copies as well: H2D + compute + D2H.",
            "The copies belong to the latency."),
        Misconception(
            "interpolates", lambda *a, **k: _summary(*a, **k, index=None),
            "`np.percentile` interpolates between two queries. trtexec takes one query that was measured, at the index "
            "of the formula.",
            "trtexec does not interpolate."),
        Misconception(
            "nearest_rank", lambda *a, **k: _summary(*a, **k, index=_nearest_rank),
            "Your index is ceil(p·n/100) − 1, which the formula gives when it is computed exactly, or in float32 at the end "
            "only. trtexec rounds each step to float32: 99 % of 100 queries leaves out 0.99999905, which truncates to 0.",
            "This is the nearest rank.", also=(lambda *a, **k: _summary(*a, **k, index=_late_float32_index),)),
        Misconception(
            "float64_index", lambda *a, **k: _summary(*a, **k, index=_float64_index),
            "The index was computed in float64. trtexec uses float32: for 99 % of 100 queries the product is 0.99999905 "
            "there and truncates to 0, so p99 is the maximum.",
            "The index was computed in float64."),
        Misconception(
            "drops_a_count", lambda *a, **k: _summary(*a, **k, drop="count"),
            "The warm-up is a time in ms, not a number of queries. Look for the first record whose compute starts at or "
            "after it.",
            "Warm-up is a time, not a count.",
            also=tuple(lambda *a, n=n, **k: _summary(*a, **k, drop="count", number=n) for n in (1, 2, 5, 10))),
        Misconception(
            "filters_each", lambda *a, **k: _summary(*a, **k, drop="each"),
            "With several streams a later record may start its compute earlier. The warm-up ends once, at the first record "
            "at or after it, and everything from there on counts.",
            "Each record was filtered by itself."),
        Misconception(
            "warm_up_by_enqueue", lambda *a, **k: _summary(*a, **k, drop="enqueue"),
            "Which stamp decides whether a query is still warm-up? It is the start of its compute, not of its enqueue.",
            "The wrong stamp ends the warm-up.", also=(lambda *a, **k: _summary(*a, **k, drop="after"),)),
        Misconception(
            "wall_with_warm_up", lambda *a, **k: _summary(*a, **k, wall="trace"),
            "The clock for the throughput starts with the H2D copy of the first query that counts. Yours runs during the "
            "warm-up, or starts at another phase.",
            "The wall time starts elsewhere.",
            also=tuple(lambda *a, w=w, **k: _summary(*a, **k, wall=w) for w in ("zero", "enqueue", "compute"))),
        Misconception(
            "sample_deviation", lambda *a, **k: _summary(*a, **k, ddof=1),
            "The standard deviation was divided by n − 1. trtexec divides by n (the population's deviation).",
            "The deviation of a sample.",),
        Misconception(
            "bound_by_means", lambda *a, **k: _summary(*a, **k, bound="mean"),
            "The enqueue warning compares medians, so that one slow query does not switch it on: median enqueue with 0.8 "
            "times the median compute.",
            "The warning compares medians.", also=(lambda *a, **k: _summary(*a, **k, factor=1.0),)),
    ],
    alternatives=[_summary, _summary_numpy],
    hints=(
        "First cut the trace: find the index of the first record with `startComputeMs >= warmup_ms`, keep all from there.",
        "Build four lists of durations (end minus start). Latency is the sum of three of them, query by query; sort it.",
        "For the index: `np.float32(1) - np.float32(p) / np.float32(100)`, times `np.float32(n)`, then `int(...)`.",
    ),
    worth_knowing="p99 of 100 queries is the slowest one; from 101 queries on trtexec's p99 leaves one out.",
)

"""The simulator's picture: requests, KV pool, batch and tokens over one time axis, and a table of the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from utils.serving.llm_simulator import DECODE, PADDING, PREEMPTED, PREFILL, WAITING, SimulationResult

from ..style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, label, new_figure, table_html
from .settings import Settings, complete, run, workload_and_server

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = 50   # lanes of the first panel; with more requests, every second or third is drawn
BINS = 90   # of the rates over time
PALE = {"color": GREY, "alpha": 0.75, "linewidth": 1.2, "linestyle": (0, (4, 1.5))}
_LOOKS = {
    WAITING: {"facecolor": "#D5DAE0", "edgecolor": "none"},
    PADDING: {"facecolor": "white", "edgecolor": SKY, "hatch": "......", "linewidth": 0.6},
    PREEMPTED: {"facecolor": "white", "edgecolor": PINK, "hatch": "//////", "linewidth": 0.6},
    DECODE: {"facecolor": BLUE, "edgecolor": "none"},
    PREFILL: {"facecolor": ORANGE, "edgecolor": ORANGE, "linewidth": 0.9},  # the edge keeps short ones visible
}
_TOLD = {WAITING: "waiting", PREFILL: "prefill", DECODE: "decode", PREEMPTED: "preempted",
         PADDING: "finished, waits for its batch"}


def serving_picture(now: Settings, before: Settings | None = None, *, gpu: bool = False) -> tuple[Figure | str, str]:
    """Small multiples of a run, `before` as a pale line, and a sentence with the run's numbers.

    Both settings map knobs (names of `DEFAULTS`) to values. `gpu` adds a panel with GPU-Util and MFU. A setting that
    cannot be served gives a line of HTML and the reason.
    """
    try:
        result = run(now)
    except ValueError as error:
        told = str(error)
        return "<p><b>This server can't serve these requests.</b></p>", f"{told[:1].upper()}{told[1:]}."
    old = _run_or_none(before)
    heights = [2.4, 1.05, 0.95, 0.95, *([0.95] if gpu else [])]
    figure, axes = new_figure(7.4, sum(heights) + 0.3 * len(heights) + 0.4, len(heights), 1, sharex=True,
                              gridspec_kw={"height_ratios": heights})
    _draw_requests(axes[0], result)
    _draw_pool(axes[1], result, old)
    _draw_batch(axes[2], result, old)
    _draw_rate(axes[3], result, old)
    if gpu:
        _draw_gpu(axes[4], now, result)
    axes[0].set_xlim(0, result.totals.makespan_s * 1.005)
    axes[-1].set_xlabel("time since the first arrival (s), simulated", fontsize=10, color=INK)
    figure.align_ylabels(axes)
    return figure, tell(now, result)


def _run_or_none(values: Settings | None) -> SimulationResult | None:
    try:
        return None if values is None else run(values)
    except ValueError:
        return None


# --- panels -----------------------------------------------------------------------------------


def _draw_requests(ax: Axes, result: SimulationResult) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    begin, every = result.requests[0].arrival_s, -(-len(result.requests) // ROWS)
    shown = result.requests[::every]
    boxes: dict[str, list] = {phase: [] for phase in _LOOKS}
    for row, request in enumerate(shown):
        for phase, start, end in request.segments:
            a, b = start - begin, end - begin
            boxes[phase].append([(a, row - 0.4), (b, row - 0.4), (b, row + 0.4), (a, row + 0.4)])
    for phase, polygons in boxes.items():
        if polygons:
            ax.add_collection(PolyCollection(polygons, **_LOOKS[phase]))
    ax.set_ylim(len(shown) - 0.3, -1.2)
    ax.set_yticks([])
    ax.grid(False, axis="y")
    which = {1: "", 2: ", every 2nd", 3: ", every 3rd"}.get(every, f", every {every}th")
    label(ax, "", f"requests{which}\n(first on top)")
    _legend(ax, [Patch(**_LOOKS[phase], label=_TOLD[phase]) for phase in _TOLD if boxes[phase]])


def _draw_pool(ax: Axes, result: SimulationResult, old: SimulationResult | None) -> None:
    series, blocks = result.series, result.pool_blocks
    if old is not None:
        ax.plot(*steps(old, old.series.blocks_used), **PALE)
    peak = (series.blocks_used + series.blocks_idle).max()
    if old is not None:
        peak = max(peak, old.series.blocks_used.max())
    ample = bool(peak < 0.3 * blocks)  # its limit would flatten the curve
    top = 1.2 * peak if ample else blocks
    t, used = steps(result, series.blocks_used)
    ax.fill_between(t, used, color=BLUE, alpha=0.28, linewidth=0,
                    label="read by requests" + f", of {blocks:,} in the pool" * ample)
    ax.plot(t, used, color=BLUE, linewidth=1.2)
    if series.blocks_shared.any():
        _, shared = steps(result, series.blocks_shared)
        ax.fill_between(t, shared, facecolor="none", edgecolor=GREEN, hatch="////", linewidth=0.8, label="by several")
    if series.blocks_idle.any():
        _, idle = steps(result, series.blocks_idle)
        ax.plot(t, used + idle, color=GREEN, linewidth=1.2, linestyle=":", label="and kept for sharing")
    if not ample:
        ax.axhline(blocks, color=INK, linewidth=1, linestyle="--", label=f"pool: {blocks:,}")
    marks = series.start_s[series.preempted > 0] - result.requests[0].arrival_s
    if len(marks):
        ax.plot(marks, np.full(len(marks), 1.08 * top), linestyle="", marker="v", markersize=5, color=PINK,
                label="preemption", clip_on=False)
    ax.set_ylim(0, 1.14 * top)
    label(ax, "", "KV blocks")
    _legend(ax)


def _draw_batch(ax: Axes, result: SimulationResult, old: SimulationResult | None) -> None:
    series = result.series
    if old is not None:
        ax.plot(*steps(old, old.series.running), **PALE, label="in the batch before")
    ax.plot(*steps(result, series.waiting), color=INK, linewidth=1.1, linestyle=":", label="waiting")
    ax.plot(*steps(result, series.running), color=BLUE, linewidth=1.3, label="in the batch")
    rows = [series.running, series.waiting, *([old.series.running] if old is not None else [])]
    ax.set_ylim(0, 1.1 * max(map(np.max, rows)))
    label(ax, "", "requests")
    _legend(ax)


def _draw_rate(ax: Axes, result: SimulationResult, old: SimulationResult | None) -> None:
    t, per_s = rate(result, result.series.tokens)
    top = max(per_s)
    if old is not None:
        old_t, old_per_s = rate(old, old.series.tokens)
        ax.plot(old_t, old_per_s, **PALE, label="before")
        top = max(top, max(old_per_s))
    ax.plot(t, per_s, color=BLUE, linewidth=1.4, label="new tokens of all requests")
    ax.set_ylim(0, 1.1 * top)
    label(ax, "", "tokens per s")
    _legend(ax)


def _draw_gpu(ax: Axes, now: Settings, result: SimulationResult) -> None:
    series, server = result.series, workload_and_server(now)[1]
    t, busy = rate(result, series.end_s - series.kernel_start_s)
    _, flops = rate(result, series.useful_flops)
    ax.axhline(100 * _held_gb(now, result) / server.spec.mem_gb, color=PINK, linewidth=1.4, linestyle=":",
               label="memory held")
    ax.plot(t, 100 * busy, color=INK, linewidth=1.3, linestyle="--", label="GPU-Util: time with a kernel")
    ax.plot(t, 100 * flops / (server.peak_tflop_s * 1e12), color=GREEN, linewidth=1.6, label="MFU: share of peak FLOPs")
    ax.set_ylim(0, 105)
    ax.set_yticks([0, 50, 100])
    label(ax, "", "%")
    _legend(ax)


def _legend(ax: Axes, handles: list | None = None) -> None:
    """A line above the panel, where it covers nothing."""
    ax.legend(handles=handles, frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(-0.012, 0.985), ncols=6,
              borderpad=0.15, borderaxespad=0.1, handlelength=1.6, columnspacing=1.3)


def steps(result: SimulationResult, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(times, values) of a line that is constant during each step and 0 in between, times from the first arrival."""
    series = result.series
    t = np.stack([series.start_s, series.start_s, series.end_s, series.end_s], 1) - result.requests[0].arrival_s
    y = np.stack([0 * values, values, values, 0 * values], 1)
    touching = np.isclose(series.start_s[1:], series.end_s[:-1], rtol=0, atol=1e-9)
    keep = np.ones(t.shape, bool)
    keep[1:, 0] = keep[:-1, 3] = ~touching
    return t[keep], y[keep]


def rate(result: SimulationResult, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(middle times, amount per second) in equal bins, each step's amount spread over its time."""
    series = result.series
    t = np.stack([series.start_s, series.end_s], 1).ravel() - result.requests[0].arrival_s
    total = np.concatenate([[0.0], np.cumsum(amounts)])
    so_far = np.stack([total[:-1], total[1:]], 1).ravel()
    edges = np.linspace(0, t[-1], BINS + 1)
    return (edges[1:] + edges[:-1]) / 2, np.diff(np.interp(edges, t, so_far)) / np.diff(edges)


# --- numbers ----------------------------------------------------------------------------------


def _time(value: float) -> str:
    return f"{value * 1e3:,.1f} ms" if value < 0.0995 else f"{value * 1e3:,.0f} ms" if value < 1 else f"{value:,.1f} s"


def _pct(value: float) -> str:
    return "0 %" if not value else f"{100 * value:.1f} %" if value < 0.1 else f"{100 * value:.0f} %"


def _held_gb(now: Settings, result: SimulationResult) -> float:
    """GB of one GPU that weights, activations and the pool hold from start to end."""
    server = workload_and_server(now)[1]
    plan = server.pool()
    return (plan.weight_bytes + plan.activation_bytes + result.pool_blocks * plan.block_bytes) / 1e9


def _good(values: Settings, result: SimulationResult) -> float:
    return result.goodput_per_s(values["slo_ttft_s"], values["slo_tpot_ms"] / 1e3)


def _rows(now: Settings, result: SimulationResult) -> dict[str, tuple[str, float, str, str]]:
    """Key: (name, value, value as text, kind of change to tell: "ratio", "points" or "count")."""
    t, v = result.totals, complete(now)
    good = _good(v, result)
    peak, held = t.peak_blocks / result.pool_blocks, _held_gb(now, result)
    times = (("first token (TTFT), p50", t.ttft_p50_s), ("first token, p99", t.ttft_p99_s),
             ("per token (TPOT), p50", t.tpot_p50_s), ("per token, p99", t.tpot_p99_s),
             ("longest pause, p99", t.stall_p99_s), ("whole answer, p50", t.latency_p50_s))
    rows = {name: (name, value, _time(value), "ratio") for name, value in times}
    rows["tokens"] = ("tokens per s", t.tokens_per_s, f"{t.tokens_per_s:,.0f}", "ratio")
    rows["good"] = ("goodput, requests per s", good, f"{good:.3g}", "ratio")
    rows["batch"] = ("batch, mean of steps", t.mean_batch, f"{t.mean_batch:.1f}", "ratio")
    rows["preemptions"] = ("preemptions", t.preemptions, f"{t.preemptions}", "count")
    rows["hits"] = ("prompt from the cache", t.cache_hit_share, _pct(t.cache_hit_share), "points")
    rows["pool"] = ("KV pool in use, peak", peak, _pct(peak), "points")
    rows["memory"] = ("memory held, each GPU", held, f"{held:.1f} GB", "ratio")
    rows["util"] = ("GPU-Util", t.gpu_util, _pct(t.gpu_util), "points")
    rows["mfu"] = ("MFU", t.mfu, _pct(t.mfu), "points")
    if v["keep_alive_s"] is not None:
        rows["loads"] = ("loads of the weights", t.loads, f"{t.loads}", "count")
    return rows


def _change(new: float, old: float, kind: str) -> str:
    if kind == "points":
        moved = 100 * (new - old)
        return "=" if abs(moved) < 0.05 else f"{moved:+.1f} points".replace("-", "−")
    if kind == "count" or not old:
        return "=" if new == old else f"{new - old:+.3g}".replace("-", "−")
    ratio = new / old
    if abs(ratio - 1) < 0.005:
        return "="
    if 0.5 < ratio < 2:
        return f"{100 * (ratio - 1):+.0f} %".replace("-", "−")
    return f"× {ratio:.3g}" if ratio > 1 else f"÷ {1 / ratio:.3g}" if ratio else "to 0"


def serving_table(now: Settings, before: Settings | None = None) -> str:
    """The totals as an HTML table, beside those of `before` and the change; empty for what can't be served."""
    result, old = _run_or_none(now), _run_or_none(before)
    if result is None:
        return ""
    rows = _rows(now, result)
    if old is None:
        return table_html(("simulated", "now"), [(name, text) for name, _, text, _ in rows.values()])
    olds, lines = _rows(before, old), []
    for key, (name, value, text, kind) in rows.items():
        was = olds.get(key)
        lines.append((name, text, *((was[2], _change(value, was[1], kind)) if was else ("–", "–"))))
    return table_html(("simulated", "now", "before", "change"), lines)


def tell(now: Settings, result: SimulationResult) -> str:
    """One paragraph with the run's numbers."""
    v, t = complete(now), result.totals
    several = f"{v['tp']} × {v['gpu']}" if v["tp"] > 1 else v["gpu"]
    load = "all at once" if v["rate_per_s"] == float("inf") else f"at {v['rate_per_s']:g} per second"
    told = (f"Simulated; step times are roofline bounds, real servers are slower. {v['model']} on {several}, "
            f"{t.requests} requests {load}, {v['batching']} batching. First token after {_time(t.ttft_p50_s)} (p50) "
            f"and {_time(t.ttft_p99_s)} (p99), then {_time(t.tpot_p50_s)} a token (p50). {t.tokens_per_s:,.0f} "
            f"tokens/s with {t.mean_batch:.1f} requests a step. At most {t.peak_blocks:,} of {result.pool_blocks:,} KV "
            f"blocks in use, {t.preemptions} preemption{'s' * (t.preemptions != 1)}. GPU-Util {_pct(t.gpu_util)}, "
            f"MFU {_pct(t.mfu)}. Goodput {_good(v, result):.3g} requests/s: those with a first token within "
            f"{v['slo_ttft_s']:g} s and at most {v['slo_tpot_ms']:g} ms a token.")
    if v["prefix_caching"]:
        told += f" {_pct(t.cache_hit_share)} of the prompt tokens came from the cache."
    if v["keep_alive_s"] is not None:
        told += f" The weights were loaded again {t.loads} time{'s' * (t.loads != 1)}."
    return told


def side_by_side(picture: str, table: str) -> str:
    """The picture with the table beside it, or below it where the page is narrow."""
    return (f'<div style="display:flex;flex-wrap:wrap;gap:4px 22px;align-items:flex-start"><div style="flex:0 1 auto;'
            f'min-width:0">{picture}</div><div style="flex:0 0 auto">{table}</div></div>')

"""Figures and measurements of chapter 47: who is in the cache and why, how long to keep a model, what a load costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.optional import EngineUnavailable
from utils.serving.model_cache import (
    CacheStep,
    HammerResult,
    LoadBench,
    ReplayBench,
    break_even_seconds,
    cache_timeline,
    cuda_copy_rates,
    keep_alive_cost,
    offline_optimum,
    shifted,
    simulate_cache,
    swap_seconds,
    timeout_curve,
    unequal_models,
    zipf_trace,
)

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, Shown, label, line_style, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POLICIES = {"LRU": "lru", "LFU": "lfu", "GreedyDual-Size": "gds", "Belady": "belady"}
KINDS = ("sizes and costs differ", "cost follows size", "all alike")
REQUESTS, SHOWN = 400, 80


def _s(value: float) -> str:
    """Seconds with three digits, whole from 100 on."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


# --- the cache ----------------------------------------------------------------------------------------


def model_set(models: int, kind: str) -> tuple[list[int], list[float]]:
    """Sizes (GB) and load costs (s) of the figure's models."""
    sizes, costs = unequal_models(models, 0)
    if kind == "all alike":
        return [4] * models, [4.0] * models
    return sizes, [1.0 * size for size in sizes] if kind == "cost follows size" else costs


def draw_cache(zipf: float, budget_pct: int, models: int, policy: str, kind: str, shift: bool) -> tuple[Figure, str]:
    """Who is resident over 80 requests, and the seconds spent loading over all 400 under each policy."""
    sizes, costs = model_set(models, kind)
    trace = zipf_trace(models, REQUESTS, zipf, 0)
    trace = shifted(trace, models) if shift else trace
    capacity = budget_pct * sum(sizes) / 100
    steps = {name: cache_timeline(trace, sizes, costs, capacity, code) for name, code in POLICIES.items()}
    figure, (left, right) = new_figure(11.0, 4.4, 1, 2, width_ratios=(1.25, 1))
    _draw_residents(left, steps[policy], sizes, policy)
    _draw_costs(right, steps, [costs[n] for n in trace], policy, shift)
    return figure, _tell_cache(steps, sizes, costs, trace, capacity, zipf, policy, shift)


def _draw_residents(ax: Axes, steps: Sequence[CacheStep], sizes: Sequence[int], policy: str) -> None:
    first = (REQUESTS - SHOWN) // 2
    for model, size in enumerate(sizes):
        height = 0.25 + 0.6 * size / max(sizes)
        for start, end in _stays(steps, model, first, first + SHOWN):
            ax.barh(model, end - start, left=start, height=height, color=SKY, edgecolor="white", linewidth=0.4)
    shown = list(enumerate(steps))[first : first + SHOWN]
    for hit, style in ((True, {"marker": ".", "color": INK, "markersize": 4}),
                       (False, {"marker": "|", "color": ORANGE, "markersize": 11, "markeredgewidth": 2.4})):
        points = [(i, step.name) for i, step in shown if step.hit == hit]
        ax.plot(*(zip(*points) if points else ((), ())), linestyle="", label="hit" if hit else "miss: load", **style)
    ax.set(xlim=(first - 1, first + SHOWN), ylim=(len(sizes) - 0.4, -0.6))
    ticks = range(0, len(sizes), 1 if len(sizes) <= 14 else 3)
    ax.set_yticks(list(ticks), [f"{k + 1} ({sizes[k]} GB)" for k in ticks])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False, fontsize=9)
    label(ax, "request number", "model", f"{policy}: bars are in memory, their height is their size")


def _stays(steps: Sequence[CacheStep], model: int, first: int, end: int) -> list[tuple[int, int]]:
    """Intervals of requests [start, end) during which a model is in memory."""
    held = [model in step.resident for step in steps[first:end]]
    edges = np.flatnonzero(np.diff([0, *held, 0])) + first
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _draw_costs(ax: Axes, steps: dict[str, list[CacheStep]], costs: Sequence[float], policy: str, shift: bool) -> None:
    ax.plot(np.cumsum(costs), color=GREY, linestyle=(0, (1, 2)), label="without a cache")
    for index, (name, story) in enumerate(steps.items()):
        style = line_style(index) | {"markevery": 50, "linewidth": 3 if name == policy else 1.4}
        ax.plot([step.load_cost for step in story], label=name, **style)
    if shift:
        ax.axvline(REQUESTS // 2, color=INK, linewidth=1)
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    label(ax, "request number", "seconds spent loading, summed", "the vertical line: favourites change" if shift else
          "the thick line is the chosen policy")


def _tell_cache(steps: dict[str, list[CacheStep]], sizes: Sequence[int], costs: Sequence[float], trace: Sequence[int],
                capacity: float, zipf: float, policy: str, shift: bool) -> str:
    rate = sum(step.hit for step in steps[policy]) / len(trace)
    told = ", ".join(f"{name} {_s(story[-1].load_cost)}" for name, story in steps.items())
    return (f"Simulated: {len(sizes)} models, together {sum(sizes)} GB, {len(trace)} requests with Zipf exponent "
            f"{zipf:g}{', favourites change halfway' if shift else ''}; the budget is {capacity:.0f} GB. {policy} has "
            f"a hit rate of {100 * rate:.0f} %. Seconds spent loading: {told}, "
            f"without a cache {_s(sum(costs[n] for n in trace))}.")


def cache_explorer() -> Any:
    """The interactive figure "cache simulator"."""
    import ipywidgets as widgets

    knobs = {
        "zipf": widgets.FloatSlider(value=0.9, min=0, max=1.6, step=0.1, description="Zipf exponent"),
        "budget_pct": widgets.IntSlider(value=40, min=5, max=100, step=5, description="budget (% of all models)"),
        "models": widgets.IntSlider(value=12, min=4, max=24, description="models"),
        "policy": widgets.Dropdown(options=list(POLICIES), value="LRU", description="policy"),
        "kind": widgets.Dropdown(options=list(KINDS), value=KINDS[0], description="models"),
        "shift": widgets.Checkbox(value=False, description="favourites change halfway"),
    }
    return explorer(draw_cache, knobs, Prediction(
        "12 models of unequal size, memory for 40 % of their bytes, popularity by Zipf's law with exponent 0.9. Which "
        "share of the seconds spent loading does an LRU cache save?",
        ("about 5 %", "about 45 %", "about 75 %", "about 95 %"), 1,
        "It is little more than the share of the bytes: LRU keeps whatever was used last, large or small, quick or "
        "slow to load. Compare the other lines. Then let the favourites change halfway. Then set the exponent to 0."),
        "Cache simulator")


# --- keep-alive ---------------------------------------------------------------------------------------

GAPS = (1, 2, 30, 0.5, 8)


def draw_gaps(gaps: Sequence[float] = GAPS, timeout: float = 5, reload: float = 5) -> tuple[Figure, str]:
    """A lane of time: requests, the seconds for which the model is held between them, and the reloads."""
    figure, (ax,) = new_figure(9.4, 1.9)
    at = np.concatenate([[0], np.cumsum(gaps)])
    for start, gap in zip(at, gaps):
        ax.barh(0, min(gap, timeout), left=start, height=0.4, color=BLUE)
        if gap > timeout:
            ax.barh(0, gap - timeout, left=start + timeout, height=0.4, facecolor="white", edgecolor=GREY, hatch="///")
            ax.annotate(f"reload: {reload:g}", (start + gap, 0.22), xytext=(0, 9), textcoords="offset points",
                        fontsize=9, ha="center", color=INK,
                        arrowprops={"arrowstyle": "-", "color": ORANGE, "linewidth": 2})
    ax.plot(at, np.zeros(len(at)), linestyle="", marker="v", color=ORANGE, markersize=8, zorder=4)
    ax.set(ylim=(-0.4, 0.75), yticks=())
    ax.grid(False)
    label(ax, "time (s)", "", "triangles: requests; blue: held, 1 per second; hatched: not in memory")
    held = sum(min(g, timeout) for g in gaps)
    cost = keep_alive_cost(gaps, timeout, 1, reload)
    reloads = sum(g > timeout for g in gaps)
    return figure, (f"Timeout {timeout:g} s: held for {held:g} s, {reloads} reloads at {reload:g}, together {cost:g}. "
                    f"Who knows the future pays {offline_optimum(gaps, 1, reload):g}.")


def gaps_picture() -> Shown:
    """The picture of `draw_gaps` for a code cell."""
    return shown_figure(*draw_gaps())


PATTERNS = ("random", "bursts", "like a clock")


def gap_pattern(pattern: str, mean_s: float, n: int = 400, seed: int = 0) -> np.ndarray:
    """Gaps (s) with a mean of `mean_s`: exponential; nine of ten a tenth of the mean, the rest long; or all equal."""
    rng = np.random.default_rng(seed)
    if pattern == "like a clock":
        return np.full(n, float(mean_s))
    if pattern == "random":
        return rng.exponential(mean_s, n)
    return np.where(rng.random(n) < 0.9, 0.1 * mean_s, 9.1 * mean_s)


def draw_timeout(reload_s: float, mean_gap_s: float, pattern: str, timeout_s: float) -> tuple[Figure, str]:
    """Cost of a request against the timeout, with the optimum, twice the optimum and the break-even timeout.

    One second of holding costs 1, so all costs are in seconds of holding.
    """
    gaps = gap_pattern(pattern, mean_gap_s)
    even, best = break_even_seconds(reload_s, 1), offline_optimum(gaps, 1, reload_s) / len(gaps)
    grid = np.geomspace(0.5, 2000, 160)
    curve = np.array(timeout_curve(gaps, 1, reload_s, grid.tolist())) / len(gaps)
    here, at_even = (keep_alive_cost(gaps, t, 1, reload_s) / len(gaps) for t in (timeout_s, even))
    figure, (ax,) = new_figure(8.6, 4.0)
    ax.plot(grid, curve, color=BLUE, linewidth=2, label="cost of this timeout")
    ax.axhline(best, color=GREEN, linestyle="--", label=f"optimum, future known: {best:.3g}")
    ax.axhline(2 * best, color=PINK, linestyle="-.", label=f"twice the optimum: {2 * best:.3g}")
    ax.axvline(even, color=GREY, linestyle=":", label=f"break-even timeout: {even:g} s")
    ax.plot([timeout_s], [here], marker="*", markersize=15, color=ORANGE, markeredgecolor=INK, linestyle="", zorder=5,
            label="here")
    ax.set(xscale="log", ylim=(0, max(2.4 * best, 1.1 * reload_s, 1.15 * here)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=True, framealpha=0.9, edgecolor="white", fontsize=9, loc="best")
    label(ax, "timeout (s, log scale)", "cost of a request (seconds of holding)",
          f"gaps: {pattern}, mean {gaps.mean():.3g} s")
    return figure, (f"Computed over {len(gaps)} gaps ({pattern}, mean {gaps.mean():.3g} s); a reload costs as much as "
                    f"{reload_s:g} s of holding. A timeout of {timeout_s:g} s costs {here:.3g} a request, that is "
                    f"{here / best:.2f} times the optimum of {best:.3g}. The break-even timeout of {even:g} s costs "
                    f"{at_even:.3g}, {at_even / best:.2f} times the optimum.")


def timeout_explorer() -> Any:
    """The interactive figure "keep-alive"."""
    import ipywidgets as widgets

    knobs = {
        "reload_s": widgets.IntSlider(value=60, min=5, max=300, step=5, description="a reload costs (s of holding)"),
        "mean_gap_s": widgets.IntSlider(value=60, min=5, max=600, step=5, description="mean gap (s)"),
        "pattern": widgets.Dropdown(options=PATTERNS, value="bursts", description="gaps"),
        "timeout_s": widgets.IntSlider(value=60, min=1, max=1000, description="timeout (s)"),
    }
    return explorer(draw_timeout, knobs, Prediction(
        "You don't know when the next request comes. A reload costs as much as 60 s of holding. Which timeout is never "
        "worse than twice the optimum?",
        ("0 s: drop it at once", "60 s", "600 s", "there is none"), 1,
        "Hold for as long as a reload costs. If the request comes before, you paid what the optimum pays; if not, you "
        "paid twice the reload, and the optimum pays it once."), "Keep-alive")


# --- measured -----------------------------------------------------------------------------------------


def _share(value: float | None) -> str:
    return "not told" if value is None else f"{100 * value:.0f} %"


def load_table(bench: LoadBench) -> Shown:
    """Where the time of each kind of load goes, and how much of the file is in the page cache."""
    rows = []
    for row in bench.rows:
        t = row.timing
        times = (f"{v:.1f}" for v in (t.read_ms, t.build_ms, t.first_infer_ms, t.total_ms))
        rows.append((row.name, *times, *map(_share, (row.before, row.after_load, row.after_infer))))
    note = "" if bench.can_drop else (" This system did not let the file be dropped from the page cache, so there are "
                                      "no cold rows.")
    head = ("load, page cache", "read (ms)", "build (ms)", "first inference (ms)", "sum (ms)", "in page cache: before",
            "after load", "after inference")
    return table(head, rows, f"{bench.nbytes / 1e6:.1f} MB, medians; a further inference takes {bench.infer_ms:.1f} ms."
                             f"{note}")


def draw_loads(bench: LoadBench) -> tuple[Figure, str]:
    """Stacked bars: read, build, first inference."""
    figure, (ax,) = new_figure(8.6, 3.2)
    names, left = [row.name for row in bench.rows], np.zeros(len(bench.rows))
    parts = (("read", "read_ms", BLUE, ""), ("build", "build_ms", SKY, "///"),
             ("first inference", "first_infer_ms", ORANGE, "..."))
    for name, field, color, hatch in parts:
        values = np.array([getattr(row.timing, field) for row in bench.rows])
        ax.barh(names, values, left=left, color=color, hatch=hatch, edgecolor="white", label=name)
        left += values
    for y, total in enumerate(left):
        ax.annotate(f"{total:.0f} ms", (total, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9,
                    color=INK)
    ax.axvline(bench.infer_ms, color=INK, linewidth=1, linestyle="--")
    ax.set_xlim(0, max(left) * 1.12)
    ax.invert_yaxis()
    ax.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=3)
    label(ax, "time from nothing to the first answer (ms); dashed: one more inference", "")
    told = ", ".join(f"{row.name} {row.timing.total_ms:.0f} ms" for row in bench.rows)
    return figure, (f"From nothing to the first answer, measured on this machine: {told}; one more inference takes "
                    f"{bench.infer_ms:.1f} ms.")


def load_picture(bench: LoadBench) -> Shown:
    """The picture of `draw_loads` for a code cell."""
    return shown_figure(*draw_loads(bench))


def replay_table(bench: ReplayBench) -> Shown:
    """Seconds spent loading under each policy, with steady and with changing favourites."""
    names = {"no cache": "without a cache", "lru": "LRU", "lfu": "LFU", "gds": "GreedyDual-Size"}
    rows = [(names[k], f"{bench.cost_s[k]:,.0f}", f"{bench.shifted_cost_s[k]:,.0f}") for k in bench.cost_s]
    return table(("policy", "steady favourites (s)", "favourites change halfway (s)"), rows,
                 f"Seconds spent loading in {bench.requests:,} simulated requests")


def hammer_table(results: dict[str, HammerResult]) -> Shown:
    """What threads did to caches of several budgets."""
    rows = [(name, r.requests, r.distinct, r.stats.loads, r.stats.hits, r.stats.joined, r.stats.evictions,
             f"{r.stats.peak_bytes / 1e3:.0f}", f"{r.budget_bytes / 1e3:.0f}", r.wrong_answers)
            for name, r in results.items()]
    return table(("budget", "requests", "models", "loads", "hits", "joined", "evictions", "peak (kB)", "budget (kB)",
                  "wrong answers"), rows)


def swap_table(nbytes: float, gpu_gb_s: float, disk_gb_s: float) -> Shown:
    """Seconds to bring a model to the GPU from host memory and from disk, without and with copying it back to the
    host afterwards. The two ways from the disk are taken one after the other."""
    to_gpu, from_disk = swap_seconds(nbytes, gpu_gb_s), swap_seconds(nbytes, disk_gb_s)
    ways = (("host memory", f"{gpu_gb_s:g}", to_gpu), ("disk", f"{disk_gb_s:g}, then {gpu_gb_s:g}", from_disk + to_gpu))
    rows = [(name, rates, f"{seconds:.2f}", f"{seconds + to_gpu:.2f}") for name, rates, seconds in ways]
    return table(("to the GPU from", "GB/s", "in (s)", "in and back out (s)"), rows, f"{nbytes / 1e9:g} GB")


def policy_costs(trace: Sequence[Any], sizes: dict, costs: dict, capacity: float) -> Shown:
    """Hits and load cost of a trace under all four policies."""
    found = {name: simulate_cache(trace, sizes, costs, capacity, code) for name, code in POLICIES.items()}
    rows = [(name, r.hits, f"{r.load_cost:g}", r.evictions) for name, r in found.items()]
    return table(("policy", "hits", "load cost", "evictions"), rows)


def gpu_copies() -> Shown:
    """Copy rates from host memory to a GPU, or a sentence that there is none."""
    try:
        rates = cuda_copy_rates()
    except EngineUnavailable:
        told = ("No GPU here. With one, this cell copies 256 MiB to it from ordinary (pageable) and from pinned host "
                "memory, and prints both rates in GB/s. It measures nothing otherwise.")
        return Shown(f"<p>{told}</p>", told)
    rows = [(name, f"{rate:.1f}", f"{swap_seconds(14e9, rate):.2f}") for name, rate in rates.items()]
    return table(("host memory", "GB/s", "14 GB model (s)"), rows)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_cache(0.9, 40, 12, "LRU", KINDS[0], False)[0]

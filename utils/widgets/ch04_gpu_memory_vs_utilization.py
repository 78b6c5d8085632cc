"""Figures and measurements of chapter 04: kernels in a window, segments and blocks, memory staircase, four loops."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.caching_allocator import MIB, CachingAllocator, replay
from utils.hardware.gpu_monitor import consistency_warnings, utilization
from utils.hardware.gpu_monitor.four_loops import GpuLoopRow, LoopRow
from utils.hardware.gpu_timeline import SCRIPT, gpu_timeline
from utils.optional import EngineUnavailable

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, MARKERS, ORANGE, PALETTE, SKY, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMS = 108
TRACE = ((0.0, 400.0, 1), (300.0, 600.0, 2), (900.0, 1100.0, 108))  # start ms, end ms, SMs
PARTS = (("context_mib", "CUDA context", GREY, ""), ("tensors_mib", "tensors (allocated)", BLUE, ""),
         ("cache_mib", "cache (reserved, not allocated)", SKY, "///"))
WINDOWS = {"1/6 s": 1 / 6, "1/2 s": 0.5, "1 s": 1.0}


# --- for the explanation ----------------------------------------------------------------------


def gpu_table(rows: Sequence[dict]) -> Shown:
    """GPUs of one nvidia-smi table: memory and utilisation side by side."""

    def told(value: float | None, unit: str = "") -> str:
        return "unknown" if value is None else f"{value:g}{unit}"

    return table(("GPU", "memory used (MiB)", "of (MiB)", "utilisation", "power (W)", "what does not fit"), [
        (f"{r['index']} {r['name']}", told(r["mem_used_mib"]), told(r["mem_total_mib"]), told(r["util_pct"], " %"),
         told(r["power_w"]), "; ".join(consistency_warnings(r)) or "–") for r in rows])


def draw_presence(trace: Sequence[tuple[float, float, int]] = TRACE, start: float = 0.0, end: float = 1000.0,
                  sms: int = SMS) -> tuple[Figure, str]:
    """Kernels in a window: when any of them runs, and how many of the GPU's SMs are at work."""
    figure, (top, low) = new_figure(8.6, 3.4, 2, 1, sharex=True, height_ratios=(1, 1.3))
    spans = [(a, b) for a, b, _ in trace]
    for row, (a, b, n) in enumerate(trace):
        top.broken_barh([(a, b - a)], (row - 0.38, 0.76), facecolor=PALETTE[row], edgecolor="white")
        top.annotate(f"kernel {row + 1}: {n} SM{'s' * (n > 1)}", (a, row), xytext=(-5, 0), ha="right",
                     textcoords="offset points", va="center", fontsize=9, color=INK)
    times = np.unique(np.clip([start, end, *np.ravel(spans)], start, end))
    busy = [min(sms, sum(n for a, b, n in trace if a <= t < b)) for t in times]
    low.fill_between(times, np.array(busy) * 100 / sms, step="post", color=BLUE, alpha=0.85, linewidth=0)
    low.fill_between(times, np.array(busy, bool) * 100.0, step="post", facecolor="none", edgecolor=ORANGE, hatch="//",
                     linewidth=1.2)
    for ax in (top, low):
        ax.axvspan(end, max(b for _, b in spans), color="white", alpha=0.75, zorder=4)
        ax.axvline(end, color=INK, linewidth=1, linestyle="--")
    top.set(yticks=[], ylim=(len(trace) - 0.5, -0.6), xlim=(start, max(end, *(b for _, b in spans))))
    low.set_ylim(0, 112)
    label(top, "", "", "kernels (the window ends at the dashed line)")
    label(low, "time (ms)", "share (%)", f"hatched: a kernel runs. solid: share of the {sms} SMs at work")
    area = float(np.sum(np.diff(times) * busy[:-1])) / (end - start) * 100 / sms
    return figure, (f"A kernel runs in {utilization(spans, start, end):.0f} % of the window of {end - start:.0f} ms. "
                    f"Of the {sms} SMs {area:.2f} % are at work on average.")


def presence() -> Shown:
    """The picture of `draw_presence` for a code cell."""
    return shown_figure(*draw_presence())


def draw_memory_map(ops: Iterable[tuple], capacity_mib: int | None = None) -> tuple[Figure, str]:
    """Segments as rows, blocks in them: what a script of allocations leaves behind."""
    ops = list(ops)
    allocator = CachingAllocator(capacity_mib and capacity_mib * MIB)
    names = {}  # handle -> name; the first handle is 1, and each malloc gets the next
    for op, _ in zip(ops, replay(ops, allocator)):
        if op[0] == "malloc":
            names[len(names) + 1] = op[1]
    segments = allocator.snapshot()
    figure, (ax,) = new_figure(8.6, 0.9 + 0.55 * max(1, len(segments)))
    for row, segment in enumerate(segments):
        for block in segment["blocks"]:
            _draw_block(ax, row, block, names.get(block["handle"]))
    rows = [f"segment {i + 1}: {s['size'] // MIB} MiB, {s['pool']}" for i, s in enumerate(segments)]
    ax.set_yticks(range(len(segments)), rows)
    ax.set_ylim(max(1, len(segments)) - 0.4, -0.6)
    ax.grid(False, axis="y")
    label(ax, "place in the segment (MiB)", "")
    return figure, (f"{len(segments)} segments, {allocator.reserved / MIB:g} MiB reserved, "
                    f"{allocator.allocated / MIB:g} MiB allocated. The largest free block has "
                    f"{allocator.largest_free_block / MIB:g} MiB.")


def _draw_block(ax: Axes, row: int, block: dict, name: str | None) -> None:
    left, width, free = block["offset"] / MIB, block["size"] / MIB, name is None
    ax.broken_barh([(left, width)], (row - 0.36, 0.72), facecolor="white" if free else PALETTE[block["handle"] % 7],
                   edgecolor=GREY if free else "white", hatch="////" if free else "")
    if width > 0.6:
        ax.text(left + width / 2, row, "free" if free else name, ha="center", va="center", fontsize=9, color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})


def memory_map(ops: Iterable[tuple]) -> Shown:
    """The picture of `draw_memory_map` for a code cell."""
    return shown_figure(*draw_memory_map(ops))


# --- memory staircase -------------------------------------------------------------------------


def draw_staircase(at_s: float, window: str, split: bool, coalesce: bool) -> tuple[Figure, str]:
    """Memory and utilisation of one modelled process; what comes after `at_s` is pale."""
    run = gpu_timeline(window_s=WINDOWS[window], split=split, coalesce=coalesce)
    figure, (top, low) = new_figure(10.8, 5.2, 2, 1, sharex=True, height_ratios=(1.7, 1))
    end = float(run["step_s"][-1])
    _draw_memory(top, run)
    _draw_readings(low, run, window)
    for ax in (top, low):
        for bound in run["step_s"][1:-1]:
            ax.axvline(bound, color=GREY, linewidth=0.7, linestyle=":")
        ax.axvspan(at_s, end, color="white", alpha=0.65, zorder=4, linewidth=0)
        ax.axvline(at_s, color=INK, linewidth=1.4, zorder=5)
        ax.set_xlim(0, end)
    return figure, _tell_staircase(run, at_s, window)


def _draw_memory(ax: Axes, run: dict[str, np.ndarray]) -> None:
    base = np.zeros(len(run["time_s"]))
    for key, name, color, hatch in PARTS:
        ax.fill_between(run["time_s"], base, base + run[key], step="post", facecolor=color, hatch=hatch,
                        edgecolor="white", linewidth=0, label=name)
        base = base + run[key]
    ax.step(run["time_s"], run["smi_mib"], where="post", color=INK, linewidth=1.8, label="nvidia-smi")
    top = 1.28 * run["smi_mib"].max()
    for begin, step in zip(run["step_s"], SCRIPT):
        words = step.name.replace(" ", "\n").replace("_", "_\n")
        ax.text(begin + 0.06, top * 0.985, words, fontsize=8, va="top", color=INK, zorder=6)
    ax.set_ylim(0, top)
    ax.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4)
    label(ax, "", "memory (MiB)", "modelled memory of one process")


def _draw_readings(ax: Axes, run: dict[str, np.ndarray], window: str) -> None:
    ax.broken_barh([(a, b - a) for a, b in run["kernels"]], (-22, 14), facecolor=ORANGE, linewidth=0)
    ax.text(0.06, -15, "kernels", fontsize=8, va="center", color=INK)
    edges = np.concatenate([[0.0], run["reading_s"]])
    ax.stairs(run["reading_pct"], edges, color=GREEN, linewidth=2, baseline=None)
    ax.plot(run["reading_s"], run["reading_pct"], color=GREEN, marker=MARKERS[0], markersize=3.5, linestyle="")
    ax.set(ylim=(-26, 112), yticks=[0, 50, 100])
    label(ax, "time (s)", "GPU-Util (%)", f"utilisation read at the end of each window of {window}")


def _tell_staircase(run: dict[str, np.ndarray], at_s: float, window: str) -> str:
    i = int(np.searchsorted(run["time_s"], at_s, side="right")) - 1
    step = SCRIPT[min(int(np.searchsorted(run["step_s"], at_s, side="right")) - 1, len(SCRIPT) - 1)]
    done = run["reading_pct"][run["reading_s"] <= at_s + 1e-9]
    reading = f"The last full window of {window} reads {done[-1]:.0f} %." if len(done) else "No window is full yet."
    return (f"At {at_s:g} s ({step.name}) nvidia-smi shows {run['smi_mib'][i]:,.0f} MiB: "
            f"{run['tensors_mib'][i]:,.0f} of tensors, {run['cache_mib'][i]:,.0f} of cache, "
            f"{run['context_mib'][i]:,.0f} of context. {reading}")


def staircase() -> Any:
    """The interactive figure "memory staircase"."""
    import ipywidgets as widgets

    end = float(sum(step.seconds for step in SCRIPT))
    knobs = {
        "at_s": widgets.FloatSlider(value=9.4, min=0, max=end, step=0.1, description="time (s)"),
        "window": widgets.Dropdown(options=list(WINDOWS), value="1/2 s", description="sample period"),
        "split": widgets.Checkbox(value=True, description="split blocks"),
        "coalesce": widgets.Checkbox(value=True, description="merge free neighbours"),
    }
    return explorer(draw_staircase, knobs, Prediction(
        "Two batches have run. Then their outputs are deleted with `del`. What does nvidia-smi show?",
        ("less, by the size of the outputs", "the same as before", "only the weights and the context"), 1,
        "1,930 MiB before and after: what is deleted goes from the tensors to the cache. empty_cache() gives most of "
        "the cache back. The utilisation has no part in any of this. Move the time, and switch the two rules off."),
        "Memory staircase")


# --- measured ---------------------------------------------------------------------------------


def loop_table(rows: Sequence[LoopRow]) -> Shown:
    """Four loops on the CPU: how busy the process looks, its memory, and the work that it does."""
    return table(("loop", "CPU utilisation", "resident memory (MiB)", "work (Gop/s)"), [
        (r.name, f"{r.sample.cpu_util_pct:.0f} %", f"{r.sample.rss_bytes / MIB:,.0f}", f"{r.gop_s:.3g}")
        for r in rows])


def draw_loops(rows: Sequence[LoopRow]) -> tuple[Figure, str]:
    """Utilisation against work, logarithmic: loops that look alike differ by powers of ten."""
    figure, (ax,) = new_figure(7.6, 3.3)
    busy = [r for r in rows if r.gop_s > 0]
    floor = min(r.gop_s for r in busy) / 10
    for i, r in enumerate(rows):
        ax.plot([max(r.gop_s, floor)], [r.sample.cpu_util_pct], marker=MARKERS[i], color=PALETTE[i], markersize=9,
                linestyle="", label=r.name + ("" if r.gop_s > 0 else " (no work, at the left edge)"))
    ax.set(xscale="log", ylim=(-6, max(115, 1.1 * max(r.sample.cpu_util_pct for r in rows))))
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.01, 0.5))
    label(ax, "work (Gop/s, log scale)", "CPU utilisation of the process (%)", "measured here, on one thread")
    least, most = min(busy, key=lambda r: r.gop_s), max(busy, key=lambda r: r.gop_s)
    apart = max(r.sample.cpu_util_pct for r in busy) - min(r.sample.cpu_util_pct for r in busy)
    memory = max(rows, key=lambda r: r.sample.rss_bytes).name
    return figure, (f"The loops that work differ by {apart:.0f} points of utilisation. The {most.name} does "
                    f"{most.gop_s / least.gop_s:,.0f} times the work of the {least.name}. "
                    f"The most resident memory: {memory}.")


def loop_chart(rows: Sequence[LoopRow]) -> Shown:
    """The picture of `draw_loops` for a code cell."""
    return shown_figure(*draw_loops(rows), 640)


def gpu_loop_table(rows: Sequence[GpuLoopRow]) -> Shown:
    """The same loops on a GPU; "unknown" is what this GPU does not tell."""

    def told(value: float | None) -> str:
        return "unknown" if value is None else f"{value:,.0f}"

    return table(("loop", "GPU-Util (%)", "nvidia-smi (MiB)", "reserved (MiB)", "allocated (MiB)", "work (Gop/s)"), [
        (r.name, *map(told, (r.gpu_util_pct, r.smi_used_mib, r.reserved_mib, r.allocated_mib)), f"{r.gop_s:.3g}")
        for r in rows])


def gpu_loops_measured(seconds: float = 2.0) -> Shown:
    """The four loops on a GPU with NVML read 20 times a second, or a sentence that there is none."""
    import torch

    from utils.hardware.gpu_monitor.four_loops import run_gpu_loops

    if torch.cuda.is_available():
        try:
            return gpu_loop_table(run_gpu_loops(seconds))
        except EngineUnavailable as error:
            text = f"The GPU can't be read: {error}."
    else:
        text = ("No CUDA device here, so nothing was measured. On one, this cell runs a tiny kernel, a matrix product, "
                "an addition over 800 MB and a sleep, and shows GPU-Util beside the memory that nvidia-smi and PyTorch "
                "report.")
    return Shown(f"<p>{html.escape(text)}</p>", text)


def static_picture() -> Figure:
    """The committed picture: the whole run, read in windows of half a second."""
    return draw_staircase(float(sum(step.seconds for step in SCRIPT)), "1/2 s", True, True)[0]

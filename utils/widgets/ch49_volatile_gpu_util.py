"""Figures and measurements of chapter 49: nvidia-smi's box, windows over a trace, and the ladder of metrics."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.gpu_monitor import (
    WORKLOADS,
    Kernel,
    ThreadLoad,
    Workload,
    merge_intervals,
    metric_ladder,
    sample_series,
    sample_text,
    utilization,
)
from utils.hardware.gpu_monitor.workloads import GPU, LADDER
from utils.hardware.sm_limits import SM_LIMITS

from .shell import Prediction, explorer
from .style import BLUE, GREY, INK, ORANGE, PALETTE, SKY, Shown, label, new_figure, shown_figure, table, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Intervals = Sequence[tuple[float, float]]
END_S = 3.0
OWN = "your own kernel"
WINDOWS = {"1/6 s": 1 / 6, "1/2 s": 0.5, "1 s": 1.0}


def _pct(value: float) -> str:
    """A percentage with as many digits as it needs to be told from zero."""
    return f"{value:.0f} %" if value >= 9.95 or value == 0 else f"{value:.1f} %" if value >= 0.995 else f"{value:.2g} %"


# --- the box ----------------------------------------------------------------------------------

_MARKS = (("Volatile Uncorr. ECC ", "①"), (" N/A |", "①"), ("GPU-Util ", "②"), (" 28%", "②"))


def box(name: str = "470_gtx1080") -> Shown:
    """nvidia-smi's output with the two headings of the third column and their values marked ① and ②.

    A mark takes the place of a blank beside the words, so that the columns stay where they are."""
    plain = sample_text(name).rstrip()
    marked = html.escape(plain)
    for words, sign in _MARKS:
        word = words.strip(" |")
        fill = f"background:{SKY if sign == '①' else '#F3C97A'};color:{INK};outline:1px solid {INK}"
        span = f'<span style="{fill}">{word}</span>'
        plain = plain.replace(words, words.replace(" ", sign, 1) if words[0] == " " else word + sign, 1)
        marked = marked.replace(words, (sign + span + words[1 + len(word):]) if words[0] == " " else span + sign, 1)
    told = "① belongs to the upper line of values, ② to the lower one."
    style = "font-family:monospace;line-height:1.25;font-size:12px"
    return Shown(f'<pre style="{style}">{marked}</pre><p>{told}</p>', f"{plain}\n{told}")


# --- windows ----------------------------------------------------------------------------------


def draw_windows(intervals: Intervals, end_s: float, periods: Sequence[float] = (1 / 6, 0.5, 1.0),
                 what: str = "a kernel runs") -> tuple[Figure, str]:
    """A strip of busy intervals, and below it what windows of several lengths make of it."""
    figure, axes = new_figure(8.6, 3.6, 2, 1, sharex=True, height_ratios=(1, 3.2))
    merged = merge_intervals(intervals, 0, end_s)
    axes[0].broken_barh([(a, b - a) for a, b in merged], (0, 1), color=GREY)
    axes[0].set(yticks=[], ylim=(0, 1))
    axes[0].grid(False)
    label(axes[0], "", "busy", f"grey: {what}")
    told = []
    for i, period in enumerate(periods):
        values = sample_series(intervals, period, 0, end_s)
        edges = np.arange(len(values) + 1) * period
        name = next((n for n, p in WINDOWS.items() if p == period), f"{period:g} s")
        axes[1].stairs(values, edges, baseline=None, color=PALETTE[i], linewidth=2.2, label=f"windows of {name}",
                       linestyle=("-", "--", "-.")[i % 3])
        told.append(f"{name}: mean {values.mean():.1f} %, from {values.min():.0f} to {values.max():.0f}, "
                    f"standard deviation {values.std():.1f}")
    axes[1].set(xlim=(0, end_s), ylim=(-4, 104))
    axes[1].legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=len(periods))
    label(axes[1], "time (s)", "GPU-Util (%)")
    return figure, f"Busy {utilization(intervals, 0, end_s):.1f} % of {end_s:g} s. Windows of {'; '.join(told)}."


def windows(intervals: Intervals, end_s: float, periods: Sequence[float] = (1 / 6, 0.5, 1.0),
            what: str = "a kernel runs") -> Shown:
    """The picture of `draw_windows` for a code cell."""
    return shown_figure(*draw_windows(intervals, end_s, periods, what))


# --- one number, five GPUs --------------------------------------------------------------------


def load_of(workload: str, kernel_ms: float, gap_ms: float, sms: int, traffic_pct: float) -> Workload:
    """A preset, or a kernel of one's own: 8 warps on each of its SMs, no tensor pipes."""
    if workload != OWN:
        return WORKLOADS[workload]
    return Workload(kernel_ms / 1e3, gap_ms / 1e3, sms, 8, 0.0, traffic_pct / 100 * GPU.mem_gb_s)


def draw_ladder(workload: str, window_s: float, phase_s: float, kernel_ms: float = 20, gap_ms: float = 5, sms: int = 40,
                traffic_pct: float = 30) -> tuple[Figure, str]:
    """Kernels on SMs over time, what nvidia-smi would read, and the six rungs of the ladder over the same 3 s."""
    from matplotlib.figure import Figure

    kernels = load_of(workload, kernel_ms, gap_ms, sms, traffic_pct).trace(END_S, phase_s)
    ladder = metric_ladder(kernels, 0, END_S)
    readings = sample_series([k.interval for k in kernels], window_s, 0, END_S)
    figure = Figure(figsize=(10.8, 4.4), layout="constrained", facecolor="white")
    axes = figure.subplot_mosaic([["grid", "bars"], ["line", "bars"]], width_ratios=(1.35, 1))
    for ax in axes.values():
        tidy(ax)
    _draw_grid(axes["grid"], kernels)
    _draw_readings(axes["line"], readings, window_s)
    _draw_bars(axes["bars"], ladder)
    return figure, _tell(workload, window_s, readings, ladder)


def _draw_grid(ax: Axes, kernels: Sequence[Kernel]) -> None:
    sms = kernels[0].sms
    # White edges tell a few kernels apart; a kernel of one SM would vanish without an edge of its own colour.
    edge, width = ("white", 0.8) if len(kernels) < 80 and sms > 4 else (BLUE, 1.6 if sms <= 4 else 0.4)
    ax.broken_barh([(k.start_s, k.seconds) for k in kernels], (0, sms), color=BLUE, edgecolor=edge, linewidth=width)
    ax.set(xlim=(0, END_S), ylim=(0, GPU.sms))
    label(ax, "", "SMs", f"{sms} of {GPU.sms} SMs while a kernel runs (modelled)")


def _draw_readings(ax: Axes, readings: np.ndarray, window_s: float) -> None:
    ax.stairs(readings, np.arange(len(readings) + 1) * window_s, baseline=None, color=ORANGE, linewidth=2.4)
    ax.set(xlim=(0, END_S), ylim=(-5, 112))
    for i, value in enumerate(readings if len(readings) <= 6 else ()):
        ax.text((i + 0.5) * window_s, value + (4 if value < 90 else -16), f"{value:.0f} %", ha="center", fontsize=9,
                color=INK)
    label(ax, "time (s)", "GPU-Util (%)", "what nvidia-smi reads, window by window")


def _draw_bars(ax: Axes, ladder: dict[str, float]) -> None:
    values = list(ladder.values())
    ax.barh(range(len(values)), values, color=[ORANGE, *[BLUE] * (len(values) - 1)], height=0.62,
            hatch=["//", *[""] * (len(values) - 1)], edgecolor="white")
    for i, value in enumerate(values):
        ax.text(value + 1.5, i, _pct(value), va="center", fontsize=9.5, color=INK)
    ax.set_yticks(range(len(values)), LADDER)
    ax.set(xlim=(0, 118), ylim=(len(values) - 0.4, -0.6))
    ax.grid(False, axis="y")
    label(ax, "percent of the 3 s", "", f"the ladder, on an {GPU.name}")


def _tell(workload: str, window_s: float, readings: np.ndarray, ladder: dict[str, float]) -> str:
    rounded = [f"{r:.0f}" for r in readings]
    reads = (f"reads {rounded[0]} % in each window" if len(set(rounded)) == 1
             else f"reads from {min(readings):.0f} to {max(readings):.0f} %")
    name = next((n for n, s in WINDOWS.items() if s == window_s), f"{window_s:g} s")
    rungs = ", ".join(f"{rung} {_pct(value)}" for rung, value in ladder.items())
    return (f"{workload[0].upper()}{workload[1:]} (modelled): with windows of {name} nvidia-smi {reads}. "
            f"Over 3 s: {rungs}.")


def ladder() -> Any:
    """The interactive figure "one number, five GPUs"."""
    import ipywidgets as widgets

    knobs = {
        "workload": widgets.Dropdown(options=[*WORKLOADS, OWN], value="spin kernel", description="workload"),
        "window_s": widgets.Dropdown(options=list(WINDOWS.items()), value=1.0, description="window"),
        "phase_s": widgets.FloatSlider(value=0, min=0, max=0.95, step=0.05, description="phase (s)"),
        "kernel_ms": widgets.IntSlider(value=20, min=5, max=400, step=5, description="your kernel (ms)"),
        "gap_ms": widgets.IntSlider(value=5, min=0, max=400, step=5, description="your gap (ms)"),
        "sms": widgets.IntSlider(value=40, min=1, max=GPU.sms, description="your SMs"),
        "traffic_pct": widgets.IntSlider(value=30, min=0, max=100, step=5, description="your traffic (% of peak)"),
    }
    return explorer(draw_ladder, knobs, Prediction(
        f"A kernel of one warp spins on 1 of {GPU.sms} SMs for three seconds. What does nvidia-smi print as GPU-Util?",
        ("0 %", "1 %", "100 %"), 2,
        "A kernel is running all the time, and that is all that is asked. Now try the other workloads: four of five "
        "read 100 %. Then “waiting for data” with windows of 1/2 s, and move the phase: the reading changes, the work "
        "does not."),
        "One number, five GPUs")


def ladder_table() -> Shown:
    """The ladder of all five workloads."""
    rows = [(name, *(_pct(v) for v in metric_ladder(load.trace(END_S), 0, END_S).values()))
            for name, load in WORKLOADS.items()]
    return table((f"{GPU.name}, modelled", *LADDER), rows)


# --- occupancy --------------------------------------------------------------------------------


def limits_table(ccs: Sequence[str] = ("7.5", "8.0", "8.6", "9.0")) -> Shown:
    """What one SM holds, for some compute capabilities."""
    rows = [(cc, x.max_warps, x.max_blocks, f"{x.regs:,}", x.smem_bytes // 1024)
            for cc, x in SM_LIMITS.items() if cc in ccs]
    return table(("compute capability", "warps", "blocks", "registers", "shared memory (KiB)"), rows)


# --- measured ---------------------------------------------------------------------------------


def threads_table(loads: Sequence[ThreadLoad]) -> Shown:
    """Matrix products on some of the threads: presence, activity and speed."""
    rows = [(f"{x.threads} of {x.available}", f"{x.util_pct:.0f}", f"{x.activity_pct:.0f}", f"{x.gflop_s:.0f}")
            for x in loads]
    return table(("threads", "time with a product running (%)", "threads at work (%)", "GFLOP/s"), rows)


def static_picture() -> Figure:
    """What remains of the ladder where no Python kernel runs: the spinning block."""
    return draw_ladder("spin kernel", 1.0, 0.0)[0]

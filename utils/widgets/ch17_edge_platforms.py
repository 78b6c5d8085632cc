"""Figures and tables of chapter 17: headlines made comparable, power modes, published rates, a map of the platforms."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.chips import (
    AS_OF,
    MEASURED,
    ORIN_64GB_MODES,
    PLATFORMS,
    WORKLOADS,
    Platform,
    Point,
    dense_tops,
    fps_on,
    platform_points,
    used_share,
)
from utils.widgets.edge_measurements import CpuRun, gpu_ms

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, SKY, YELLOW, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORT = {"Jetson Orin Nano Super 8GB": "Orin Nano Super", "Jetson AGX Orin 64GB": "AGX Orin", "Jetson T5000": "T5000"}
KINDS = {"module": ("s", GREEN, "GPU module"), "SoC": ("o", BLUE, "SoC with an NPU"),
         "accelerator": ("^", ORANGE, "add-in accelerator")}
RATES, WATTS, NO_LIMIT = (0, 5, 10, 30, 100, 480, 1920, 5000), (2, 3, 5, 8, 10, 15, 25, 30, 60), 130
CROPS = 1920  # per second: 16 cameras at 30 fps, four crops a frame
AXES = {"power": ("watts", "highest power mode (W)"), "DRAM bandwidth": ("gb_s", "DRAM bandwidth (GB/s)")}


def short(name: str) -> str:
    """A name that fits beside a mark."""
    return SHORT.get(name, name)


def _number(value: float | None, digits: str = "g", none: str = "unknown") -> str:
    return none if value is None else f"{value:{digits}}"


# --- tables ----------------------------------------------------------------------------------------


def _printed(p: Platform) -> str:
    if p.headline_tops is None:
        return "none"
    return f"{p.headline_tops:g} at {p.bits} bit{', sparse' if p.sparse else ''}"


def _watts(p: Platform) -> str:
    if p.watts is None:
        return "unknown"
    low, high = p.watts
    return f"{high:g}" if low == high else f"{low:g} to {high:g}"


def platform_table() -> Shown:
    """The rows with a neural engine: headline as printed, dense TOPS at 8 bits, GB/s, watts, confidence."""
    rows = [(short(p.name), p.vendor, p.kind, _printed(p), _number(dense_tops(p), none="-"),
             "on chip" if p.on_chip else _number(p.mem_gb_s, ".1f"), _watts(p), p.confidence)
            for p in PLATFORMS.values() if p.kind in KINDS]
    return table(("platform", "vendor", "kind", "headline (TOPS)", "dense, 8 bit", "GB/s", "W", "confidence"), rows,
                 f"As of {AS_OF}")


def source_table() -> Shown:
    """Where each row comes from."""
    rows = [(short(p.name), p.source + (f". Note: {p.note}" if p.note else ""))
            for p in PLATFORMS.values() if p.kind in KINDS]
    return table(("platform", "source"), rows, f"Read in {AS_OF}")


def delivered_table() -> Shown:
    """Published rates of real networks, as shares of the dense peak and of the bandwidth."""
    rows = []
    for row in MEASURED:
        gb_s = PLATFORMS[row.platform].mem_gb_s
        memory = f"{row.gb_each * row.per_s / gb_s:.0%}" if row.gb_each and gb_s else "-"
        rows.append((short(row.platform), row.network, f"{row.per_s:g}", f"{row.tops:g}",
                     f"{used_share(row.macs, row.per_s, row.tops):.1%}", memory))
    return table(("platform", "network", "per second", "peak (TOPS)", "of the peak", "of the bandwidth"), rows,
                 f"Published by the makers, as of {AS_OF}")


# --- headlines -------------------------------------------------------------------------------------


def draw_headlines(names: Sequence[str] = ("AX650N", "Jetson Orin Nano Super 8GB", "BM1684X", "Hailo-8", "Ascend 310",
                                           "RK3588")) -> tuple[Figure, str]:
    """The headline and the dense figure at 8 bits of some platforms, side by side."""
    rows = [PLATFORMS[name] for name in names]
    figure, (ax,) = new_figure(8.4, 0.9 + 0.48 * len(rows))
    for i, p in enumerate(rows):
        dense = dense_tops(p)
        ax.barh(i - 0.19, p.headline_tops, height=0.34, color="white", edgecolor=GREY, hatch="//",
                label="headline" if i == 0 else None)
        ax.barh(i + 0.19, dense, height=0.34, color=BLUE, label="dense, 8 bit" if i == 0 else None)
        ax.annotate(_printed(p), (p.headline_tops, i - 0.19), xytext=(4, 0), textcoords="offset points", va="center",
                    fontsize=8.5, color=INK)
        ax.annotate(f"{dense:g}", (dense, i + 0.19), xytext=(4, 0), textcoords="offset points", va="center",
                    fontsize=8.5, color=INK)
    ax.set_yticks(range(len(rows)), [short(p.name) for p in rows])
    ax.set(xlim=(0, 1.3 * max(p.headline_tops for p in rows)), ylim=(len(rows) - 0.5, -0.5))
    ax.grid(False, axis="y")
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    label(ax, "TOPS", "")
    by_dense = sorted(rows, key=lambda p: -dense_tops(p))
    return figure, ("By headline: " + ", ".join(f"{short(p.name)} {p.headline_tops:g}" for p in rows) + ". Dense at 8 "
                    "bits: " + ", ".join(f"{short(p.name)} {dense_tops(p):g}" for p in by_dense) + " TOPS.")


def headline_picture() -> Shown:
    """The picture of `draw_headlines` for a code cell."""
    return shown_figure(*draw_headlines())


def draw_power_modes() -> tuple[Figure, str]:
    """Sparse TOPS of a Jetson AGX Orin 64GB in each power mode: GPU and DLAs stacked."""
    figure, (ax,) = new_figure(7.2, 2.7)
    for i, mode in enumerate(ORIN_64GB_MODES):
        ax.barh(i, mode.gpu_tops, color=BLUE, height=0.6, label="GPU" if i == 0 else None)
        ax.barh(i, mode.dla_tops, left=mode.gpu_tops, color=YELLOW, hatch="..", edgecolor="white", height=0.6,
                label="two DLAs" if i == 0 else None)
        ax.annotate(f"{mode.sparse_tops:g}", (mode.sparse_tops, i), xytext=(4, 0), textcoords="offset points",
                    va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(ORIN_64GB_MODES)), [mode.name for mode in ORIN_64GB_MODES])
    ax.set(xlim=(0, 320), ylim=(len(ORIN_64GB_MODES) - 0.5, -0.5))
    ax.grid(False, axis="y")
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    label(ax, "sparse INT8 TOPS", "power mode")
    told = ", ".join(f"{mode.name} {mode.sparse_tops:g}" for mode in ORIN_64GB_MODES)
    return figure, f"Sparse INT8 TOPS of a Jetson AGX Orin 64GB by power mode: {told} (NVIDIA, as of {AS_OF})."


def power_mode_picture() -> Shown:
    """The picture of `draw_power_modes` for a code cell."""
    return shown_figure(*draw_power_modes())


# --- the map ---------------------------------------------------------------------------------------


def draw_map(workload: str = "MobileNetV2", axis: str = "power", bits: int = 8, utilization_pct: int = 30,
             min_per_s: float = 0, max_watts: float = NO_LIMIT) -> tuple[Figure, str]:
    """Dense TOPS against watts or GB/s for one workload and limits; beside it the rate, or why a platform is out.

    `max_watts` of 130, the highest in the table, means no limit.
    """
    limit = None if max_watts >= NO_LIMIT else max_watts
    points = platform_points(WORKLOADS[workload], bits, utilization_pct / 100, min_per_s=min_per_s, max_watts=limit)
    figure, (ax, side) = new_figure(11.2, 4.7, 1, 2, width_ratios=[1.45, 1])
    _scatter(ax, points, axis, bits)
    _side_list(side, points)
    left = sorted((p for p in points if not p.reasons), key=lambda p: -p.per_s)
    told = ", ".join(f"{short(p.name)} {_rate(p)}" for p in left) or "none"
    named = "no limit on the power" if limit is None else f"at most {limit:g} W"
    return figure, (f"{workload}, {utilization_pct} % of the dense peak at {bits} bits, {min_per_s:g} a second or "
                    f"more, {named}: {len(left)} of {len(points)} platforms are left. Runs a second: {told}. "
                    f"(≤: the DRAM's bandwidth is unknown and may lower it.)")


def _rate(p: Point) -> str:
    return f"{'' if p.memory_known else '≤ '}{p.per_s:,.0f}"


def _scatter(ax: Axes, points: Sequence[Point], axis: str, bits: int) -> None:
    field, told = AXES[axis]
    known = [getattr(p, field) for p in points if getattr(p, field) is not None]
    low, high = min(known) / 1.6, max(known) * 2.2
    beyond = high * 1.9  # where the marks of unknown values stand
    ax.axvspan(high, high * 5.5, color="#F1F3F5", zorder=0)
    ax.text(high * 1.15, 0.99, "unknown" if axis == "power" else "unknown or on chip", fontsize=8.5, color=INK,
            va="top", transform=ax.get_xaxis_transform())
    ax.set(xscale="log", yscale="log", xlim=(low, high * 5.5), ylim=(0.45, 1300))
    if axis == "power":
        for ratio in (1, 10):
            x = np.array([low, high])
            ax.plot(x, ratio * x, color=GREY, linestyle=":", linewidth=1, zorder=1)
            ax.annotate(f"{ratio} TOPS/W", (low, ratio * low), xytext=(3, 3), textcoords="offset points", fontsize=8,
                        color=GREY)
    for p in points:
        marker, color, _ = KINDS[p.kind]
        value = getattr(p, field)
        out = bool(p.reasons)
        ax.plot(beyond if value is None else value, p.tops, marker=marker, markersize=8, linestyle="", zorder=3,
                markeredgecolor=GREY if out else color, markeredgewidth=1.6, alpha=0.55 if out else 1,
                markerfacecolor=(GREY if out else color) if p.confidence == "checked" else "white")
    _name_marks(ax, points, field, beyond)
    for marker, color, name in KINDS.values():
        ax.plot([], [], marker=marker, color=color, linestyle="", label=name)
    ax.plot([], [], marker="o", markerfacecolor="white", markeredgecolor=INK, linestyle="",
            label="hollow: not read in the maker's text")
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}" if v < high else "")
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    label(ax, told, f"dense TOPS at {bits} bits")


def _name_marks(ax: Axes, points: Sequence[Point], field: str, beyond: float) -> None:
    """Names right of the marks; in the column of unknowns they are pushed apart until they can be read."""
    column = sorted((p for p in points if getattr(p, field) is None), key=lambda p: p.tops)
    heights, last = {}, -np.inf
    for p in column:
        last = heights[p.name] = max(np.log10(p.tops), last + 0.15)
    for p in points:
        value = getattr(p, field)
        ax.annotate(short(p.name), (beyond if value is None else value, 10 ** heights.get(p.name, np.log10(p.tops))),
                    xytext=(8, 0), textcoords="offset points", va="center", fontsize=8.5,
                    color=GREY if p.reasons else INK)


def _side_list(ax: Axes, points: Sequence[Point]) -> None:
    """Each platform with its predicted rate, or the reasons against it; the first come first."""
    ax.axis("off")
    order = sorted(points, key=lambda p: (bool(p.reasons), -p.per_s))
    ax.text(0, 1.02, "predicted runs a second, or why not", fontsize=9.5, color=INK, transform=ax.transAxes,
            fontweight="bold")
    for i, p in enumerate(order):
        look = {"y": 0.95 - 0.078 * i, "fontsize": 8.8, "color": GREY if p.reasons else INK, "transform": ax.transAxes}
        ax.text(0, s=("✗ " if p.reasons else "✓ ") + short(p.name), **look)
        ax.text(0.42, s="; ".join(p.reasons) or f"{_rate(p)}/s", **look)


def explore_map() -> Any:
    """The interactive figure: which platforms are left, and why the others are not."""
    import ipywidgets as widgets

    knobs = {
        "workload": widgets.Dropdown(options=list(WORKLOADS), value="MobileNetV2", description="workload"),
        "axis": widgets.ToggleButtons(options=list(AXES), value="power", description="across"),
        "bits": widgets.ToggleButtons(options=[8, 16], value=8, description="bits"),
        "utilization_pct": widgets.IntSlider(value=30, min=1, max=60, description="share of the peak (%)"),
        "min_per_s": widgets.SelectionSlider(options=RATES, value=0, description="runs a second needed"),
        "max_watts": widgets.SelectionSlider(options=[*((f"{w} W", w) for w in WATTS), ("no limit", NO_LIMIT)],
                                             value=NO_LIMIT, description="power at most"),
    }
    return explorer(draw_map, knobs, Prediction(
        "AX650N prints 72 TOPS, the Orin Nano Super 67, Hailo-8 26. Which has the most dense TOPS at 8 bits?",
        ("AX650N", "Orin Nano Super", "Hailo-8"), 1,
        "33.5 for the Orin Nano Super, whose 67 count zeros. Hailo-8 keeps its 26, and AX650N has 18: its 72 are for "
        "4-bit numbers, and by its maker's figures 8 bits are four times slower."),
        "Who is left, and why not the others")


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: MobileNetV2, at most 15 W."""
    return draw_map(max_watts=15)[0]


# --- the experiment --------------------------------------------------------------------------------


def cpu_table(run: CpuRun) -> Shown:
    """The measurement on this machine."""
    rows = [("MobileNetV2 in ONNX Runtime", f"{run.ms:.1f} ms a frame, {1000 / run.ms:.0f} fps", f"{run.gflop_s:.1f}"),
            ("matrix product in torch", "", f"{run.gemm_gflop_s:.1f}"),
            ("the network's share", "", f"{run.share:.0%}")]
    return table(("one thread, FP32", "", "GFLOP/s"), rows, "Measured on this machine")


def rates_at(shares_pct: Sequence[int], workload: str = "MobileNetV2") -> list[tuple[str, list[float]]]:
    """(platform, predicted runs a second at each share of the peak) for platforms with a dense INT8 figure."""
    w = WORKLOADS[workload]
    return [(p.name, [fps_on(w.macs, w.nbytes, dense_tops(p), p.mem_gb_s, share / 100) for share in shares_pct])
            for p in PLATFORMS.values() if dense_tops(p) is not None and (w.on_chip_ok or not p.on_chip)]


def draw_shares(needed: float = CROPS, measured: CpuRun | None = None) -> tuple[Figure, str]:
    """Predicted rate of MobileNetV2 at 10 to 60 % of the peak as bars, published rates as marks, and what is needed."""
    rates = sorted(rates_at((10, 60)), key=lambda row: row[1][1])
    published = {row.platform: row.per_s for row in MEASURED if row.network == "MobileNetV2"}
    figure, (ax,) = new_figure(8.8, 1.1 + 0.33 * (len(rates) + bool(measured)))
    for i, (_, (low, high)) in enumerate(rates):
        ax.barh(i, high - low, left=low, height=0.55, color=SKY,
                label="10 to 60 % of the dense peak" if i == 0 else None)
        if high == low:  # the memory decides throughout
            ax.plot(low, i, marker="|", markersize=13, markeredgewidth=3, color=SKY, linestyle="")
    marks = [(published[name], i) for i, (name, _) in enumerate(rates) if name in published]
    ax.plot(*zip(*marks), linestyle="", marker="D", color=ORANGE, markersize=6, label="published by the maker")
    names = [short(name) for name, _ in rates]
    if measured:
        names.append("this machine, one thread")
        ax.plot(1000 / measured.ms, len(rates), linestyle="", marker="s", color=GREEN, label="measured here (FP32)")
    ax.axvline(needed, color=INK, linestyle=":", linewidth=1.2)
    ax.annotate(f"needed: {needed:,g}", (needed, len(names) - 0.45), xytext=(4, 0),
                textcoords="offset points", fontsize=8.5, color=INK)
    ax.set(xscale="log", ylim=(-0.6, len(names) + 0.2))
    ax.set_yticks(range(len(names)), names)
    ax.grid(False, axis="y")
    ax.legend(frameon=False, fontsize=8.5, loc="lower right")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:,g}")
    label(ax, "MobileNetV2, frames per second", "")
    turns = [short(name) for name, (low, high) in rates if low < needed <= high]
    never = [short(name) for name, (_, high) in rates if high < needed]
    below = [short(name) for name, (low, _) in rates if name in published and published[name] < low]
    return figure, (f"{needed:,g} frames per second: between 10 and 60 % of the peak the answer changes for "
                    f"{', '.join(turns) or 'none'}; it is no throughout for {', '.join(never) or 'none'}. Published "
                    f"rates lie left of the bar for {', '.join(below) or 'none'}.")


def share_picture(needed: float = CROPS, measured: CpuRun | None = None) -> Shown:
    """The picture of `draw_shares` for a code cell."""
    return shown_figure(*draw_shares(needed, measured))


def gpu_note() -> Shown:
    """MobileNetV2 on a GPU through ONNX Runtime, or what would be measured."""
    ms = gpu_ms()
    told = ("No GPU that ONNX Runtime's CUDA provider can use is here. With one, this cell would time MobileNetV2 "
            "on it, copies included.")
    if ms is not None:
        told = f"Measured: MobileNetV2 on this GPU takes {ms:.2f} ms, copies included."
    return Shown(f"<p>{html.escape(told)}</p>", told)

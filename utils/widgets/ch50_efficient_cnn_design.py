"""Figures and tables of chapter 50: layers under a roofline, the price of channel ratios, branches made one kernel."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.roofline import Device, ridge
from utils.hardware.chips import PLATFORMS, dense_tops
from utils.hardware.roofline_devices import roofline_devices
from utils.networks.design import (
    G1_RUNS,
    GRANULES,
    access_elements,
    best_channels,
    channel_utilisation,
    g1_curve,
    output_macs,
    place_convolutions,
)
from utils.networks.design.experiment import TimedLayer

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, MARKERS, ORANGE, PALETTE, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZES, CHANNELS, GROUPS = (7, 14, 28, 56, 112), (16, 32, 64, 128, 256, 512), (1, 2, 4, 8, 16)
FORMATS = {4: "FP32", 2: "FP16", 1: "INT8"}  # by the bytes of an element
AXIS_FLOP_PER_BYTE = (0.5, 4000)


# --- layers under a roofline ----------------------------------------------------------------------


def design_devices() -> Mapping[str, Device]:
    """Data-sheet devices by name: GPUs with their dense peaks, and one NPU of which only INT8 is known."""
    npu = PLATFORMS["RK3588"]
    devices = dict(roofline_devices(launch_us=0.0))
    devices["RK3588 NPU"] = Device("RK3588 NPU", {"int8": 1e3 * dense_tops(npu)}, npu.mem_gb_s)
    return devices


def draw_roofline(size: int, channels: int, k: int, groups: int, item_bytes: int, device: str) -> tuple[Figure, str]:
    """A k x k convolution, its depthwise form and a 1x1 under one device's roofline."""
    figure, (ax,) = new_figure(8.4, 3.9)
    return figure, _roofline(ax, size, channels, k, groups, item_bytes, design_devices()[device])


def _roofline(ax: Axes, size: int, channels: int, k: int, groups: int, item_bytes: int, device: Device) -> str:
    ax.set(xscale="log", yscale="log", xlim=AXIS_FLOP_PER_BYTE)
    shown = FORMATS[item_bytes]
    label(ax, "arithmetic intensity (FLOP per byte)", "attainable rate (GFLOP/s)", f"{device.name}, {shown}")
    try:
        points = place_convolutions(size, channels, k, groups, item_bytes, device)
    except ValueError:
        known = ", ".join(name for name in FORMATS.values() if name.lower() in device.peak_gflop_s)
        return f"The table has no {shown} peak of {device.name}. Choose {known}."
    peak = device.peak(shown.lower())
    corner = ridge(peak, device.mem_gb_s)
    x = np.geomspace(*AXIS_FLOP_PER_BYTE, 200)
    ax.plot(x, np.minimum(peak, x * device.mem_gb_s), color=INK, linewidth=1.8)
    ax.axvline(corner, color=GREY, linestyle=":", linewidth=1.2)
    ax.annotate(f"ridge: {corner:.3g}", (corner, peak), xytext=(4, 6), textcoords="offset points", fontsize=9,
                color=GREY)
    ax.set_ylim(min(p.gflop_s for p in points) / 6, peak * 3)
    for i, p in enumerate(points):
        ax.plot([p.intensity], [p.gflop_s], marker=MARKERS[i], markersize=10, color=PALETTE[i], linestyle="none",
                label=f"{p.name}: {p.bound}-bound")
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    told = "; ".join(f"{p.name} {p.intensity:.3g} FLOP per byte, at most {p.gflop_s:,.0f} GFLOP/s ({p.bound}), at "
                     f"least {p.us:,.3g} µs" for p in points)
    return (f"{size} × {size} maps, {channels} to {channels} channels, {shown}, on {device.name} "
            f"(ridge {corner:.3g}): {told}.")


def roofline_figure() -> Any:
    """The interactive figure "one layer, three kernels"."""
    import ipywidgets as widgets

    def choice(options: Sequence, value: Any, text: str) -> Any:
        return widgets.SelectionSlider(options=list(options), value=value, description=text)

    return explorer(draw_roofline, {
        "size": choice(SIZES, 28, "map side"),
        "channels": choice(CHANNELS, 256, "channels"),
        "k": choice((3, 5, 7), 3, "kernel"),
        "groups": choice(GROUPS, 1, "groups"),
        "item_bytes": widgets.ToggleButtons(options=[(text, n) for n, text in FORMATS.items()], value=4,
                                            description="format"),
        "device": widgets.Dropdown(options=list(design_devices()), value="T4", description="device"),
    }, Prediction(
        "A dense 3x3 convolution of 256 channels on 28 × 28 maps does 233 FLOP per byte in FP32. Its depthwise form "
        "has 256 times fewer FLOPs. How many FLOP per byte does that one do?",
        ("about 0.9", "about 2.2", "about 22", "about 230"), 1,
        "Its two maps are as large as before, and they are nearly all of its traffic: 18 FLOPs for each output, 8 "
        "bytes moved. The ridge of a T4 (the corner of the roofline) lies at 25."), "One layer, three kernels")


# --- the price of channel ratios ------------------------------------------------------------------


def draw_channels(stride: int, size: int, product: int, k: int = 1) -> tuple[Figure, str]:
    """Elements moved against input channels at a fixed product of channels; the best exact pair is marked."""
    figure, (ax,) = new_figure(8.4, 3.6)
    sentence = _channels(ax, stride, size, product, k, BLUE, "-")
    ax.set_ylim(0, None)
    ax.legend(frameon=False, fontsize=9)
    return figure, sentence


def _channels(ax: Axes, stride: int, size: int, product: int, k: int, color: str, dash: str) -> str:
    out = -(-size // stride)
    shape = (size, size, out, out)
    c_in, moved = g1_curve(*shape, k, product)
    first, last = best_channels(*shape, k, product)
    least = access_elements(*shape, first, last, k)
    ax.plot(c_in, moved / 1e6, color=color, linestyle=dash, label=f"stride {stride}")
    ax.plot([first], [least / 1e6], color=color, marker="D", markersize=9, linestyle="none",
            label=f"best pair: {first} → {last}")
    even = round(product**0.5)
    ax.set(xscale="log")
    ax.xaxis.set_major_formatter("{x:g}")
    label(ax, "input channels (output channels = product / input channels)", "elements moved (millions)")
    macs = output_macs(out, out, first, last, k)
    told = (f"Stride {stride}, {size} × {size} to {out} × {out}, {k}x{k}, product {product:,}: {first} → {last} moves "
            f"the least, {least / 1e6:.3g} million elements, at {macs / 1e6:.3g} million MACs")
    if even * even == product and even != first:
        equal = access_elements(*shape, even, even, k)
        told += f"; equal channels, {even} → {even}, move {equal / least - 1:.0%} more"
    return told + "."


def channels_figure() -> Any:
    """The interactive figure "which channels move the least"."""
    import ipywidgets as widgets

    return explorer(draw_channels, {
        "stride": widgets.ToggleButtons(options=[1, 2, 4], value=1, description="stride"),
        "size": widgets.SelectionSlider(options=[14, 28, 56, 112], value=56, description="input side"),
        "product": widgets.SelectionSlider(options=[1024, 4096, 16384, 65536, 90_000], value=16384,
                                           description="c_in · c_out"),
        "k": widgets.ToggleButtons(options=[1, 3, 5], value=1, description="kernel"),
    }, Prediction(
        "At stride 1 and a fixed number of multiply–accumulates, equal channels move the least. Where does the lowest "
        "point go at stride 2?",
        ("It stays at 1 : 1", "To 1 : 2", "To 1 : 4", "To 4 : 1"), 2,
        "The output map has a quarter of the elements, so four times as many output channels cost as much as the input "
        "does."),
        "Which channels move the least")


def static_picture() -> Figure:
    """What remains of the figures where no kernel runs."""
    figure, (left, right) = new_figure(10.6, 3.9, 1, 2)
    _roofline(left, 28, 256, 3, 1, 4, design_devices()["T4"])
    for stride, color, dash in ((1, BLUE, "-"), (2, ORANGE, "--")):
        _channels(right, stride, 56, 16384, 1, color, dash)
    right.set_ylim(0, 7)
    right.set_title("c_in · c_out = 16,384, 1x1, 56 × 56 input", fontsize=10.5, color=INK, loc="left")
    right.legend(frameon=False, fontsize=9)
    return figure


# --- branches that become one kernel --------------------------------------------------------------


def draw_fusing(k3: np.ndarray, k1: float) -> tuple[Figure, str]:
    """Three branches of one channel as 3x3 kernels, with unit norms, and their sum."""
    padded, identity = np.zeros((3, 3)), np.zeros((3, 3))
    padded[1, 1], identity[1, 1] = k1, 1
    total = k3 + padded + identity
    figure, axes = new_figure(9.6, 2.5, 1, 4)
    titles = ("3x3 branch", "1x1 branch, padded", "identity branch", "deployed: the sum")
    for ax, kernel, title, sign in zip(axes, (k3, padded, identity, total), titles, ("+", "+", "=", "")):
        _grid(ax, kernel, BLUE if sign else GREEN)
        ax.set_title(title, fontsize=10, color=INK)
        ax.text(3.25, 1.5, sign, fontsize=18, ha="center", va="center", color=INK)
    return figure, (f"One channel: the middle of the kernel is {k3[1, 1]:g} + {k1:g} + 1 = {total[1, 1]:g}, the other "
                    "eight weights stay as they are.")


def _grid(ax: Axes, kernel: np.ndarray, color: str) -> None:
    from matplotlib.patches import Rectangle

    ax.set(xlim=(0, 3.5), ylim=(3, 0), aspect="equal")
    ax.axis("off")
    for (row, column), value in np.ndenumerate(kernel):
        filled = value != 0
        ax.add_patch(Rectangle((column, row), 0.96, 0.96, facecolor=color if filled else "#EEF1F4", edgecolor="white"))
        ax.text(column + 0.48, row + 0.5, f"{value:g}", ha="center", va="center", fontsize=10,
                color="white" if filled else GREY)


def fusing_picture() -> Shown:
    """The picture of `draw_fusing` for a code cell."""
    return shown_figure(*draw_fusing(np.array([[1.0, -2, 1], [3, 4, -1], [0.5, 2, -3]]), 5.0))


# --- tables and the experiment --------------------------------------------------------------------


def granule_table(channels: Sequence[int] = (36, 90, 128)) -> Shown:
    """How well some channel counts fill the tiles of documented hardware."""
    rows = [(g.device, g.dtype.upper(), g.c_out, *(f"{channel_utilisation(c, g.c_out):.0%}" for c in channels), g.as_of)
            for g in GRANULES]
    return table(("hardware", "format", "granule", *(f"{c} channels" for c in channels), "as of"), rows,
                 "Useful part of a tile of output channels, by the makers' documents")


def layer_table(rows: Sequence[TimedLayer], caption: str) -> Shown:
    """MACs, elements moved, the shortest time and the rate of timed layers or networks."""
    moved = any(row.access for row in rows)
    head = ("what", "million MACs", *(["million elements"] if moved else []), "ms", "GFLOP/s")
    cells = [(r.name, f"{r.macs / 1e6:,.1f}", *([f"{r.access / 1e6:.2f}"] if moved else []), f"{r.ms:.2f}",
              f"{r.gflop_s:.1f}") for r in rows]
    return table(head, cells, caption)


def draw_ratios(rows: Sequence[TimedLayer]) -> tuple[Figure, str]:
    """Relative speed by channel ratio: the paper's GPU and ARM runs, and this machine; all at about equal MACs."""
    figure, (ax,) = new_figure(8.4, 3.4)
    names = list(G1_RUNS)
    elements = [row.access for row in rows]
    runs = G1_RUNS.values()
    lines = (("paper, GTX 1080 Ti", [run[1] for run in runs]), ("paper, Snapdragon 810", [run[3] for run in runs]),
             ("this machine", [1 / row.ms for row in rows]), ("if traffic were all", [1 / e for e in elements]))
    for i, (name, speeds) in enumerate(lines):
        ax.plot(names, [100 * s / speeds[0] for s in speeds], color=PALETTE[i], marker=MARKERS[i], label=name,
                linestyle=("-", "--", "-", ":")[i], linewidth=2.4 if i == 2 else 1.5)
    ax.set_ylim(0, None)
    ax.legend(frameon=False, fontsize=9, loc="lower left")
    label(ax, "ratio of channels c1 : c2", "speed (% of ratio 1:1)")
    mine = ", ".join(f"{name} {100 * rows[0].ms / row.ms:.0f} %" for name, row in zip(names, rows))
    gpu, arm = (100 * G1_RUNS["1:12"][i] / G1_RUNS["1:1"][i] for i in (1, 3))
    return figure, (f"Measured here, speed relative to 1:1: {mine}. In the paper 1:12 reaches {gpu:.0f} % on the GPU "
                    f"and {arm:.0f} % on ARM; if traffic were all: {100 * elements[0] / elements[-1]:.0f} %.")


def ratio_picture(rows: Sequence[TimedLayer]) -> Shown:
    """The picture of `draw_ratios` for a code cell."""
    return shown_figure(*draw_ratios(rows))


def gpu_note() -> Shown:
    """What the GPU cell would do, or that it can be done here."""
    import torch

    found = torch.cuda.is_available()
    here = f"{torch.cuda.get_device_name()} is here. Now" if found else "No CUDA device is here. With one,"
    told = f"{here} repeat the measurements in FP16, batch 32, with CUDA events (timestamps that the GPU takes itself)."
    return Shown(f"<p>{html.escape(told)}</p>", told)

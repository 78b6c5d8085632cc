"""Figures of chapter 43: a systolic array that fills and drains, and how busy networks keep arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.accelerators import AS_OF, CHIP_KINDS
from utils.hardware.systolic import (
    NetworkUtil,
    SystolicArray,
    network_utilization,
    wavefront_state,
    ws_cycles,
    ws_utilization,
)

from .shell import Prediction, explorer
from .style import BLUE, GREY, INK, ORANGE, PINK, SKY, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = (8, 16, 32, 64, 128, 256)
KINDS = {"conv": (BLUE, ""), "1x1": (SKY, "//"), "depthwise": (ORANGE, "xx"), "grouped": (PINK, ".."),
         "linear": (YELLOW, "\\\\")}


def chips_table() -> Shown:
    """Examples of accelerators: kind, place, the maker's figure, how it is programmed."""
    rows = [(c.name, c.kind, c.place, c.stated, c.programmed, c.source) for c in CHIP_KINDS.values()]
    return table(("chip", "kind", "made for", "stated by the maker", "programmed by", "source"), rows, f"As of {AS_OF}")


# --- the array, cycle by cycle -------------------------------------------------------------------


def draw_wavefront(m: int = 5, k: int = 4, n: int = 6, cycle: int = 4) -> tuple[Figure, str]:
    """Which row of x each cell works on in `cycle`, and how many cells work in every cycle."""
    last = m + k + n - 3
    cycle = min(cycle, last)
    state = wavefront_state(m, k, n, cycle)
    figure, (left, right) = new_figure(9.8, 3.4, 1, 2, width_ratios=[1.25, 1])
    colors = (BLUE, ORANGE, "#00785A", YELLOW, PINK, SKY, GREY)
    for (a, b), row in np.ndenumerate(state):
        face = colors[row % len(colors)] if row >= 0 else "#F0F2F4"
        left.add_patch(_square(b, a, face))
        left.text(b + 0.5, a + 0.5, f"x{row}" if row >= 0 else "·", ha="center", va="center", fontsize=9,
                  color="white" if row >= 0 else GREY, fontweight="bold")
    for a in range(k):
        entering = cycle - a
        told = f"x{entering}[{a}] →" if 0 <= entering < m else "– →"
        left.text(-0.15, a + 0.5, told, ha="right", va="center", fontsize=8, color=INK)
    for b in range(n):
        leaving = cycle - (k - 1) - b
        if 0 <= leaving < m:
            left.text(b + 0.5, k + 0.1, f"↓\ny{leaving}[{b}]", ha="center", va="top", fontsize=8, color=INK)
    left.set(xlim=(-1.2, n + 0.1), ylim=(k + 0.9, -0.2), xticks=[], yticks=[], aspect="equal")
    left.spines[:].set_visible(False)
    left.grid(False)
    left.set_title(f"cycle {cycle} of 0 to {last}: row of x in each cell", fontsize=10.5, color=INK, loc="left")
    busy = [int((wavefront_state(m, k, n, c) >= 0).sum()) for c in range(last + 1)]
    bars = [ORANGE if c == cycle else BLUE for c in range(last + 1)]
    right.bar(range(last + 1), busy, color=bars, width=0.85)
    right.axhline(k * n, color=INK, linestyle="--", linewidth=1)
    right.text(last + 0.4, k * n, f"all {k * n}", ha="right", va="bottom", fontsize=8, color=INK)
    right.set_ylim(0, 1.15 * k * n)
    label(right, "cycle", "cells with work", "Filling and draining")
    return figure, (
        f"x is {m} × {k}, the array {k} × {n}. In cycle {cycle} {busy[cycle]} of {k * n} cells have work. "
        f"All {last + 1} cycles = {m} + {k} + {n} − 2 together: {sum(busy)} of {k * n * (last + 1)} slots, "
        f"{100 * ws_utilization(m, k, n, k, n, include_load=False):.0f} %.")


def _square(x: float, y: float, color: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, facecolor=color, edgecolor="white")


def wavefront() -> Any:
    """The array with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "cycle": widgets.IntSlider(4, 0, 30),
        "m": widgets.IntSlider(5, 1, 16, description="M, rows of x"),
        "k": widgets.IntSlider(4, 1, 8, description="K, rows of the array"),
        "n": widgets.IntSlider(6, 1, 10, description="N, columns"),
    }
    guess = Prediction("An array of 4 × 6 cells gets 5 rows of x, one more each cycle. Are there cycles in which all "
                       "24 cells have work?",
                       ("yes, from the sixth on", "no, never", "yes, exactly one"), 1,
                       "The last row of x has left the upper left cell before the first one gets to the lower right "
                       "one. All cells work together only if M is at least K + N − 1.")
    return explorer(draw_wavefront, knobs, guess, "A systolic array, cycle by cycle")


# --- networks on arrays --------------------------------------------------------------------------


@lru_cache(1)
def networks() -> dict[str, Any]:
    """The classic networks without weights."""
    import torch

    from utils.networks.classic import mobilenet_v1, mobilenet_v2, resnet, vgg16

    with torch.device("meta"):
        return {"MobileNetV2": mobilenet_v2(), "MobileNetV1": mobilenet_v1(), "ResNet-18": resnet((2, 2, 2, 2), False),
                "VGG-16": vgg16()}


@lru_cache(64)
def layer_utils(name: str, rows: int, cols: int, batch: int = 1) -> NetworkUtil:
    """Each layer of a network for 224 x 224 images on an array. KeyError for an unknown name."""
    return network_utilization(networks()[name], (batch, 3, 224, 224), rows, cols)


def draw_layers(name: str = "MobileNetV2", side: int = 64, batch: int = 1, ghz: float = 1.0) -> tuple[Figure, str]:
    """Utilization of each layer, and the share of the cycles by kind of layer."""
    found = layer_utils(name, side, side, batch)
    figure, (top, bottom) = new_figure(9.8, 4.2, 2, 1, height_ratios=[2.4, 1])
    for i, layer in enumerate(found.layers):
        color, hatch = KINDS[layer.kind]
        top.bar(i, 100 * layer.utilization, color=color, hatch=hatch, edgecolor="white", linewidth=0.3, width=0.9)
    top.set_yscale("log")
    top.set_ylim(0.003, 150)
    top.set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
    label(top, "layer", "array utilization (%, log)", f"{name}, batch {batch}, array {side} × {side}")
    shares = {kind: sum(x.cycles for x in found.layers if x.kind == kind) / found.cycles for kind in KINDS}
    work = {kind: sum(x.macs for x in found.layers if x.kind == kind) / found.macs for kind in KINDS}
    for row, (parts, title) in enumerate(((work, "MACs"), (shares, "cycles"))):
        at = 0.0
        for kind, share in parts.items():
            if share:
                color, hatch = KINDS[kind]
                bottom.barh(row, share, left=at, color=color, hatch=hatch, edgecolor="white", height=0.7,
                            label=kind if row == 0 else None)
                if share > 0.06:
                    bottom.text(at + share / 2, row, f"{share:.0%}", ha="center", va="center", fontsize=8,
                                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
                at += share
        bottom.text(-0.01, row, title, ha="right", va="center", fontsize=9)
    bottom.legend(fontsize=8, ncols=5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    bottom.set(xlim=(0, 1), ylim=(1.5, -0.5), xticks=[], yticks=[])
    bottom.spines[:].set_visible(False)
    bottom.grid(False)
    deep = shares["depthwise"]
    tail = (f" Depthwise layers have {100 * work['depthwise']:.0f} % of the MACs and {100 * deep:.0f} % of the cycles."
            if deep else "")
    return figure, (
        f"{name}, batch {batch}: {found.macs / 1e6:,.0f} million MACs on {side} × {side} cells take "
        f"{found.cycles:,} cycles, {found.cycles / ghz / 1e6:.2f} ms at {ghz:g} GHz. Array utilization "
        f"{100 * found.utilization:.2g} %.{tail}")


def layers_on_array() -> Any:
    """Networks and arrays with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "name": widgets.Dropdown(options=list(networks()), description="network"),
        "side": widgets.SelectionSlider(options=SIDES, value=64, description="side of the array"),
        "batch": widgets.SelectionSlider(options=(1, 4, 16, 64), value=1),
    }
    guess = Prediction("MobileNetV2 goes from an array of 64 × 64 to one of 256 × 256, 16 times the cells. How do its "
                       "cycles change?",
                       ("they fall to a sixteenth", "they fall to about a half", "they rise"), 2,
                       "They double. Every channel of a depthwise layer is a pass of its own, and a pass on a larger "
                       "array takes longer to load, to fill and to drain.")
    return explorer(draw_layers, knobs, guess, "Layers on an array, computed")


def arrays_table(sides: Sequence[int] = (16, 64, 256)) -> Shown:
    """Cycles and utilization of the networks on square arrays, batch 1."""
    rows = []
    for name in networks():
        found = [layer_utils(name, side, side) for side in sides]
        told = (f"{u.cycles / 1e6:.2f} ({100 * u.utilization:.2g} %)" for u in found)
        rows.append((name, f"{found[0].macs / 1e6:,.0f}", *told))
    head = ("network", "million MACs", *(f"{s} × {s}" for s in sides))
    return table(head, rows, "Million cycles (array utilization), batch 1, 224 × 224")


# --- the experiment ------------------------------------------------------------------------------


def simulated_utilization(k: int, n: int, ms: Sequence[int]) -> list[tuple[int, int, float]]:
    """(m, cycles of the simulator, measured utilization) on an array of k x n for growing m."""
    rng, rows = np.random.default_rng(0), []
    array = SystolicArray(k, n)
    for m in ms:
        x, w = rng.normal(size=(m, k)), rng.normal(size=(k, n))
        y, cycles = array.run(x, w)
        if not np.allclose(y, x @ w):
            raise RuntimeError("the simulated array must give the product")
        rows.append((m, cycles, m * k * n / (k * n * cycles)))
    return rows


def draw_growing(rows: Sequence[tuple[int, int, float]], k: int, n: int) -> tuple[Figure, str]:
    """The simulator's utilization against the formula."""
    figure, (ax,) = new_figure(7.5, 3.0)
    grid = np.geomspace(1, rows[-1][0], 200)
    ax.plot(grid, 100 * grid / (grid + k + n - 2), color=GREY, label="m / (m + k + n − 2)")
    ax.plot([m for m, _, _ in rows], [100 * u for _, _, u in rows], "o", color=BLUE, label="simulator")
    ax.set_xscale("log")
    ax.legend(fontsize=8, frameon=False)
    label(ax, "m, rows of x (log)", "array utilization (%)", f"An array of {k} × {n}, weights loaded before")
    m, cycles, share = rows[-1]
    return figure, f"With {m} rows the simulator took {cycles} cycles: {100 * share:.1f} % of the slots had work."


def growing_picture(rows: Sequence[tuple[int, int, float]], k: int, n: int) -> Shown:
    """The picture of `draw_growing` for a code cell."""
    figure, sentence = draw_growing(rows, k, n)
    return Shown(figure_html(figure, sentence) + f"<p>{sentence}</p>", sentence)


def batch_table(k: int, n: int, side: int, ghz: float, batches: Sequence[int]) -> Shown:
    """Time and utilization of a linear layer at growing batches."""
    rows = [(m, f"{ws_cycles(m, k, n, side, side):,}", f"{ws_cycles(m, k, n, side, side) / ghz / 1e3:,.1f}",
             f"{100 * ws_utilization(m, k, n, side, side):.2g}") for m in batches]
    told = f"Weights ({k}, {n}) on {side} × {side} cells at {ghz:g} GHz"
    return table(("batch", "cycles", "µs", "array utilization (%)"), rows, told)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_wavefront(cycle=6)[0]

"""Figures and measurements of chapter 53: does sparsity pay here, crossover in time, and 2:4 on a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.sparsity import (
    crossing,
    crossover,
    format_break_even,
    group_compliance,
    nm_mask,
    sparsity_payoff,
    two_four_digits,
)
from utils.widgets.shell import Prediction, explorer

from .style import GREEN, GREY, INK, SKY, YELLOW, Shown, figure_html, label, line_style, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ITEM_BYTES = {"FP32": 4, "FP16": 2, "INT8": 1}
FORMAT_NAMES = {"csr": "CSR", "coo": "COO", "bitmap": "bitmap", "nm": "2:4"}

# Shortest of 15 rounds in ms: float32, 1024 x 1024 weights, X with 64 columns, one thread of an AMD EPYC cloud CPU,
# torch 2.13, SciPy 1.17, by crossover((1024, 1024), 64). The static picture shows these.
RECORDED = {"levels": [0.5, 0.7, 0.8, 0.9, 0.95, 0.99], "dense": [1.54, 1.61, 1.57, 1.51, 1.45, 1.41],
            "scipy": [4.16, 2.49, 1.72, 0.843, 0.431, 0.098], "torch": [3.53, 2.05, 1.38, 0.658, 0.348, 0.090]}

Times = Mapping[str, Sequence[float]]


@cache
def measured_times(size: int, batch: int) -> Times:
    """Times of a size × size matrix on this machine, measured once."""
    return crossover((size, size), batch, rounds=7)


# --- does sparsity pay here? ----------------------------------------------------------------------


def payoff(sparsity: float = 0.5, size: int = 1024, dtype: str = "FP16", fmt: str = "csr", batch: int = 64,
           times: Times | None = None) -> tuple[Figure, str]:
    """Bytes by format, time on this CPU, and what 2:4 makes of such a matrix; `times` instead of a measurement."""
    recorded = times is not None
    times = measured_times(size, batch) if times is None else times
    figure, (bytes_ax, time_ax, group_ax) = new_figure(12, 3.9, 1, 3, width_ratios=(1.2, 1.1, 1))
    found = sparsity_payoff((size, size), 1 - sparsity, fmt, ITEM_BYTES[dtype])
    _draw_bytes(bytes_ax, sparsity, size, dtype, fmt, found["ratio"])
    _draw_times(time_ax, sparsity, size, batch, times, recorded)
    fitting, groups = _draw_groups(group_ax, sparsity)
    return figure, _tell(sparsity, size, dtype, fmt, batch, found, times, recorded, fitting, groups)


def _draw_bytes(ax: Axes, sparsity: float, size: int, dtype: str, fmt: str, ratio: float) -> None:
    zeros = np.linspace(0, 1, 101)
    for i, (name, told) in enumerate(FORMAT_NAMES.items()):
        style = {**line_style(i), "marker": ""}
        kept = zeros[zeros >= 0.5 - 1e-9] if name == "nm" else zeros  # 2:4 can't hold more than half
        ratios = [sparsity_payoff((size, size), 1 - z, name, ITEM_BYTES[dtype])["ratio"] for z in kept]
        ax.plot(kept, ratios, label=told, linewidth=2.4 if name == fmt else 1.4, **style)
        edge = 1 - format_break_even(name, (size, size), ITEM_BYTES[dtype])
        if name != "nm":
            ax.plot([edge], [1], "o", color=style["color"], markersize=7, markeredgecolor="white", zorder=4)
    ax.axhline(1, color=INK, linewidth=1, linestyle=":")
    ax.text(0.985, 1.03, "dense", fontsize=8.5, color=INK, ha="right")
    ax.plot([sparsity], [ratio], "o", markersize=13, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=2)
    ax.set(xlim=(0, 1), ylim=(0, 3))
    ax.legend(fontsize=8.5, frameon=False, loc="upper right")
    label(ax, "sparsity (share of zeros)", "bytes, dense array = 1", f"Bytes, {dtype} with 4-byte indices")


def _draw_times(ax: Axes, sparsity: float, size: int, batch: int, times: Times, recorded: bool) -> None:
    for i, (name, told) in enumerate((("dense", "dense, torch"), ("scipy", "CSR, SciPy"), ("torch", "CSR, torch"))):
        ax.plot(times["levels"], times[name], label=told, **line_style(i))
    ax.axvline(sparsity, color=INK, linewidth=1, linestyle=":")
    ax.set_yscale("log")
    ax.set(xlim=(0.45, 1.01))
    ax.legend(fontsize=8.5, frameon=False, loc="lower left")
    _plain_ticks(ax)
    how = "recorded" if recorded else "measured here"
    label(ax, "sparsity (share of zeros)", "ms a product, FP32", f"Time, {size:,} rows, batch {batch}, {how}")


def _plain_ticks(ax: Axes) -> None:
    """0.1 and 2 instead of powers of ten, on a logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _draw_groups(ax: Axes, sparsity: float) -> tuple[int, int]:
    """Draw a random matrix of this sparsity in groups of four; how many groups fit 2:4 as they are, and of how many."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((10, 16))
    W[rng.random(W.shape) < sparsity] = 0
    kept, lost = nm_mask(W) & (W != 0), ~nm_mask(W) & (W != 0)
    for (i, j), size in np.ndenumerate(np.abs(W)):
        colour = SKY if kept[i, j] else YELLOW if lost[i, j] else "white"
        ax.add_patch(_cell(i, j, colour))
        if lost[i, j]:
            ax.plot([j + 0.5], [i + 0.5], "x", color=INK, markersize=5)
        elif size:
            ax.plot([j + 0.5], [i + 0.5], ".", color=INK, markersize=4)
    for edge in range(0, 17, 4):
        ax.plot([edge, edge], [0, 10], color=INK, linewidth=1.4)
    ax.set(xlim=(-0.1, 16.1), ylim=(10.1, -0.1), xticks=range(0, 17, 4), yticks=[])
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    fitting = int(np.sum(np.count_nonzero(W.reshape(-1, 4), axis=1) <= 2))
    label(ax, "input, in groups of four", "outputs", "2:4 keeps dots, loses crosses")
    return fitting, W.size // 4


def _cell(i: int, j: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((j, i), 1, 1, facecolor=colour, edgecolor="#C5CBD3", linewidth=0.6)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _tell(sparsity: float, size: int, dtype: str, fmt: str, batch: int, found: dict, times: Times, recorded: bool,
          fitting: int, groups: int) -> str:
    edge = 1 - found["break_even"]
    where = ("holds at most half of the values" if fmt == "nm" else
             f"breaks even at {100 * edge:.1f} % zeros, density {found['break_even']:.3f}")
    at = crossing(times["levels"], times["dense"], times["torch"])
    how = "as recorded" if recorded else "measured on this machine"
    faster = "is never faster than dense" if at is None else f"beats the dense one above about {_percent(at)} zeros"
    return (f"{size:,} × {size:,}, {dtype}, {_percent(sparsity)} zeros: {FORMAT_NAMES[fmt]} takes "
            f"{found['format_bytes']:,} bytes, {found['ratio']:.2f} times the dense {found['dense_bytes']:,}; "
            f"it {where}. With a batch of {batch}, torch's CSR product in FP32 {faster}, {how}. "
            f"Of the {groups} groups drawn, {fitting} fit 2:4 as they are; on average "
            f"{_percent(group_compliance(sparsity))} do.")


def payoff_explorer() -> Any:
    """The interactive figure."""
    import ipywidgets as widgets

    return explorer(
        payoff,
        {
            "sparsity": widgets.FloatSlider(value=0.5, min=0, max=0.99, step=0.01, description="sparsity"),
            "size": widgets.SelectionSlider(options=[256, 512, 1024], value=1024, description="rows and columns"),
            "dtype": widgets.ToggleButtons(options=list(ITEM_BYTES), value="FP16", description="values"),
            "fmt": widgets.Dropdown(options=[(told, name) for name, told in FORMAT_NAMES.items()], value="csr",
                                    description="format"),
            "batch": widgets.ToggleButtons(options=[1, 64], value=64, description="batch"),
        },
        Prediction("An FP16 matrix is half zeros. You store it as CSR with 4-byte indices. How large does it get, "
                   "against the dense array?",
                   ("half as large", "as large", "one and a half times as large", "three times as large"), 2,
                   "Half of the values remain, and each of them takes 2 + 4 bytes instead of 2."),
        title="Does sparsity pay here? Bytes are computed, times are measured on this machine",
    )


# --- the crossover -------------------------------------------------------------------------------


def measure_crossover(batches: Sequence[int] = (1, 64), size: int = 1024) -> dict[int, Times]:
    """Times by batch on this machine."""
    return {batch: crossover((size, size), batch) for batch in batches}


def crossover_table(found: Mapping[int, Times]) -> Shown:
    """The times in ms, a row for each batch and product."""
    first = next(iter(found.values()))
    names = {"dense": "dense, torch", "scipy": "CSR, SciPy", "torch": "CSR, torch"}
    rows = [(f"batch {batch}: {told}", *(f"{ms:.3f}" for ms in times[name])) for batch, times in found.items()
            for name, told in names.items()]
    return table(("ms a product", *(_percent(level) for level in first["levels"])), rows, "Share of zeros:")


def crossover_chart(found: Mapping[int, Times]) -> Shown:
    """Time against sparsity, a panel for each batch, the crossing marked."""
    figure, axes = new_figure(9, 3.3, 1, len(found))
    for ax, (batch, times) in zip(axes, found.items()):
        for i, (name, told) in enumerate((("dense", "dense, torch"), ("scipy", "CSR, SciPy"), ("torch", "CSR, torch"))):
            ax.plot(times["levels"], times[name], label=told, **line_style(i))
        at = crossing(times["levels"], times["dense"], times["torch"])
        if at is not None:
            ax.axvline(at, color=INK, linestyle=":", linewidth=1.2)
        ax.set_yscale("log")
        _plain_ticks(ax)
        ax.legend(fontsize=8.5, frameon=False, loc="lower left")
        label(ax, "sparsity (share of zeros)", "ms a product", f"Batch {batch} (dotted: where torch's CSR wins)")
    told = crossover_verdict(found)
    return Shown(figure_html(figure, told, 820), told)


def crossover_verdict(found: Mapping[int, Times]) -> str:
    """From which sparsity on each sparse product is faster, for each batch."""
    def at(times: Times, name: str) -> str:
        share = crossing(times["levels"], times["dense"], times[name])
        return "not up to the last level" if share is None else f"from {_percent(share)} zeros on"

    return " ".join(f"Batch {batch}: SciPy's CSR is faster than dense {at(times, 'scipy')}, torch's "
                    f"{at(times, 'torch')}." for batch, times in found.items())


# --- 2:4 on a trained network ---------------------------------------------------------------------

NETWORKS = (("dense", "all weights"), ("free", "the larger half, anywhere"), ("2:4", "the larger two of each four"),
            ("random 2:4", "two of each four at random"))


def measure_two_four(epochs: int = 4) -> dict[str, int]:
    """Correct answers of 540 by way of pruning."""
    return two_four_digits(epochs)


def two_four_table(found: Mapping[str, int], images: int = 540) -> Shown:
    """The counts, before and after fine-tuning."""
    rows = [(told, f"{found[name]} of {images}", f"{found[f'{name} tuned']} of {images}") for name, told in NETWORKS]
    return table(("what is kept", "as cut", "after 4 more epochs"), rows)


def two_four_chart(found: Mapping[str, int], images: int = 540) -> Shown:
    """The same counts as bars."""
    figure, (ax,) = new_figure(7.4, 2.8)
    places = np.arange(len(NETWORKS))
    for shift, suffix, style in ((-0.2, "", {"color": GREY, "label": "as cut"}),
                                 (0.2, " tuned", {"color": GREEN, "hatch": "//", "label": "4 more epochs"})):
        counts = [found[f"{name}{suffix}"] for name, _ in NETWORKS]
        bars = ax.barh(places + shift, counts, 0.38, edgecolor="white", **style)
        ax.bar_label(bars, [str(c) for c in counts], padding=3, fontsize=9, color=INK)
    ax.set_yticks(places, [told for _, told in NETWORKS])
    ax.invert_yaxis()
    ax.set_xlim(0, images * 1.45)
    ax.grid(False, axis="y")
    ax.legend(fontsize=8.5, frameon=False, loc="upper right")
    label(ax, f"correct of {images} test images", "", "Half of the weights")
    told = "; ".join(f"{told}: {found[name]} and {found[f'{name} tuned']}" for name, told in NETWORKS)
    text = f"Correct of {images}, as cut and tuned: {told}."
    return Shown(figure_html(figure, text, 640), text)


def static_picture() -> Figure:
    """What remains where no kernel runs: half zeros in FP16, with the recorded times."""
    return payoff(times=RECORDED)[0]

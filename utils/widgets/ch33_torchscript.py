"""Figures and tables of chapter 33: where tracing lies, what each way of capturing does, and what a JIT gains."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.graphs.torchscript import (
    FUNCTIONS,
    CaptureRow,
    Variant,
    compiled_race,
    deprecation_warnings,
    divergence_curve,
    gpu_race,
)

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = tuple(float(x) for x in np.linspace(-10, 10, 81))
MOST_LINES = 12


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


# --- where tracing lies ---------------------------------------------------------------------------


@lru_cache(maxsize=128)
def _curve(name: str, example: float) -> dict[str, Any]:
    return divergence_curve(name, example, GRID)


def draw_divergence(name: str, example: float, test: float) -> tuple[Figure, str]:
    """The graph that a trace at `example` leaves, and three curves over [-10, 10]: function, trace, guarded function.

    Raises KeyError for an unknown name.
    """
    curve, at_test = _curve(name, example), divergence_curve(name, example, [test])
    figure, (left, right) = new_figure(10.4, 4.0, 1, 2, gridspec_kw={"width_ratios": [1, 1.7]})
    _draw_graph(left, FUNCTIONS[name][2], curve["graph"])
    _draw_curves(right, curve, example, test, at_test)
    return figure, _tell_divergence(curve, example, test, at_test)


def _draw_graph(ax: Axes, source: str, graph: str) -> None:
    lines = graph.split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 2], "  …", lines[-1]]
    ax.axis("off")
    ax.set_title("what the trace has recorded", fontsize=10.5, color=INK, loc="left")
    looks = {"transform": ax.transAxes, "fontsize": 9, "family": "monospace", "va": "top"}
    ax.text(0, 0.97, source.replace(", with", ",\n    with"), color=GREY, **looks)
    ax.text(0, 0.80, "\n".join(lines).replace("  ", "\u00a0\u00a0"), color=INK, **looks)


def _draw_curves(ax: Axes, curve: Mapping[str, Any], example: float, test: float, at_test: Mapping[str, Any]) -> None:
    x, wrong = np.array(curve["x"]), np.array(curve["wrong"])
    half = (x[1] - x[0]) / 2
    for number, (start, stop) in enumerate(_runs(wrong)):
        name = None if number else "the trace is wrong"
        ax.axvspan(x[start] - half, x[stop] + half, color="#F6E3D8", zorder=0, label=name)
    ax.plot(x, curve["true"], color=INK, linewidth=3.2, alpha=0.35, label="the function")
    ax.plot(x, curve["guarded"], color=GREEN, linewidth=1.4, label="guarded")
    ax.plot(x, curve["traced"], color=ORANGE, linestyle="--", linewidth=1.6, label="traced")
    ax.plot([example], [curve["at_example"]], color=BLUE, marker="D", markersize=9, linestyle="", clip_on=False,
            label="traced here")
    ends = at_test["true"][0], at_test["traced"][0]
    ax.plot([test, test], ends, color=GREY, linestyle=":", marker="o", markersize=6, label="test input")
    ax.margins(x=0)
    ax.legend(facecolor="white", framealpha=0.95, edgecolor="none", fontsize=8.5, loc="best")
    label(ax, "input x", "result", "the path of one example, drawn on everywhere")


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2])]


def _tell_divergence(curve: Mapping[str, Any], example: float, test: float, at_test: Mapping[str, Any]) -> str:
    ops = ", ".join(curve["ops"]) or "nothing"
    more = f" and {curve['fallbacks']} calls of the function itself" if curve["fallbacks"] else ""
    return (f"Traced at {_number(example)}, the graph does: {ops}. At {_number(test)} the function gives "
            f"{_number(at_test['true'][0])}, the trace {_number(at_test['traced'][0])}. Over {len(GRID)} points the "
            f"trace is wrong at {sum(curve['wrong'])}, the guarded function at none, with {curve['tapes']} tapes"
            f"{more}.")


def where_tracing_lies() -> Any:
    """The interactive figure "where tracing lies"."""
    import ipywidgets as widgets

    knobs = {
        "name": widgets.Dropdown(options=list(FUNCTIONS), value="branch", description="function"),
        "example": widgets.FloatSlider(value=2.0, min=-10, max=10, step=0.25, description="traced at"),
        "test": widgets.FloatSlider(value=-4.0, min=-10, max=10, step=0.25, description="tested at"),
    }
    return explorer(draw_divergence, knobs, Prediction(
        "x * 2 + 1 if x > 0 else 3 - x is traced at 2. What does the trace give at -4?",
        ("7, as the function does", "-7", "an error"), 1,
        "The branch was decided when the trace was made. x * 2 + 1 is all that is left of the function."),
        "Where tracing lies")


# --- capturing ------------------------------------------------------------------------------------


def capture_shown(rows: Mapping[str, Sequence[CaptureRow]]) -> Shown:
    """A table of what came of each way, for each module by its name."""
    cells = []
    for module, found in rows.items():
        for row in found:
            outcome = row.error or (f"wrong at {len(row.wrong)} of the inputs" if row.wrong else "right at all inputs")
            counts = ("no graph", "") if row.error else (row.ops, row.control_flow)
            cells.append((module, row.route, *counts, outcome))
    return table(("module", "captured by", "operations", "branches and loops", "outcome"), cells)


def deprecation_table() -> Shown:
    """Which calls warn in the torch that is installed here; made live."""
    import torch

    rows = [(name, text or "no DeprecationWarning") for name, text in deprecation_warnings()]
    return table(("call", "what torch says"), rows, f"torch {torch.__version__}, as it is installed here")


# --- times ----------------------------------------------------------------------------------------


def race_table(forms: Sequence[Variant]) -> Shown:
    """Median, 90th percentile, first call and the time to make each form."""
    eager = next(v for v in forms if v.name == "eager").timing.median_us
    cells = [(v.name, f"{v.timing.median_us:.0f}", f"{eager / v.timing.median_us:.2f}×", f"{v.timing.p90_us:.0f}",
              f"{v.timing.first_ms:.1f}", f"{v.make_ms:.0f}", "–" if v.batch_norms is None else v.batch_norms)
             for v in forms]
    return table(("form", "median (µs)", "speed", "p90 (µs)", "first call (ms)", "to make (ms)", "batch norms"), cells,
                 "Measured on this machine: one thread, batch 1, calls in turns")


def draw_race(forms: Sequence[Variant]) -> tuple[Figure, str]:
    """Median latency, and the first call, a bar a form."""
    figure, (left, right) = new_figure(10.0, 3.2, 1, 2, sharey=True)
    names = [v.name for v in forms]
    for ax, values, what in ((left, [v.timing.median_us for v in forms], "median of a call (µs)"),
                             (right, [v.timing.first_ms for v in forms], "first call (ms)")):
        ax.barh(names, values, color=[GREY if n == "eager" else BLUE for n in names], height=0.6)
        for i, value in enumerate(values):
            told = f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
            ax.annotate(told, (value, i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
        ax.set_xlim(0, max(values) * 1.18)
        label(ax, what, "")
    left.invert_yaxis()
    us = {v.name: v.timing.median_us for v in forms}
    quickest, slowest = min(us, key=us.get), max(us, key=us.get)
    return figure, (f"Measured here: {quickest} is the quickest with {us[quickest]:.0f} µs a call, eager mode takes "
                    f"{us['eager']:.0f} µs, and {slowest} is the slowest with {us[slowest]:.0f} µs.")


def race_picture(forms: Sequence[Variant]) -> Shown:
    """The picture of `draw_race` for a code cell."""
    return shown_figure(*draw_race(forms))


def compiled_note(run: bool = False) -> Shown:
    """What the compilers make of the same network if `run`; else, or where there is no compiler, what it would take."""
    from utils.optional import EngineUnavailable

    if not run:
        told = ("Not run: torch.compile and AOTInductor need a C++ compiler and about half a minute. With run=True "
                "this cell compiles the network with both and shows the same table.")
        return Shown(f"<p>{html.escape(told)}</p>", told)
    try:
        return race_table(compiled_race())
    except EngineUnavailable as error:
        return Shown(f"<p>{html.escape(str(error))}</p>", str(error))


def gpu_note() -> Shown:
    """The race on this machine's GPU, or what it would show where there is none."""
    from utils.optional import EngineUnavailable

    try:
        return race_table(gpu_race())
    except EngineUnavailable:
        told = ("No CUDA GPU is here. On one, this cell races eager mode, a frozen trace, torch.compile, and "
                "torch.compile with CUDA graphs, where one launch replaces many: that gains most where kernels "
                "are short, as here.")
        return Shown(f"<p>{html.escape(told)}</p>", told)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: the branch, traced at 2 and tested at -4."""
    return draw_divergence("branch", 2.0, -4.0)[0]

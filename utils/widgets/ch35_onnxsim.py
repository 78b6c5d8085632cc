"""Figures and tables of chapter 35: a graph that shrinks pass by pass, files that grow, and what a runtime gains."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from utils.graphs.simplify import (
    DEFAULT_PASSES,
    LEVELS,
    PASSES,
    GraphFrame,
    LevelTime,
    graph_frames,
    messy_cnn,
    simplify,
)
from utils.graphs.simplify.examples import constant_of_shape, large_expand
from utils.graphs.simplify.folding import fold_constants

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, Shown, label, new_figure, shown_figure, table, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 7  # of a row of the picture; the graph goes on in the next row
SHORT = {"BatchNormalization": "Batch\nNorm", "GlobalAveragePool": "Global\nAvgPool", "Transpose": "Trans-\npose",
         "Unsqueeze": "Unsqu.", "Identity": "Ident."}
LOOKS = {"stays": (BLUE, "white", "-"), "goes": ("white", ORANGE, "--"), "changes": (GREEN, "white", "-")}
LEVEL_NAMES = dict(zip(LEVELS, ("off", "basic", "extended", "all")))
KNOBS = {"noops": "no-ops", "fold": "constant folding", "conv_bn": "Conv + BN", "transposes": "Transposes",
         "dynamic_reshape": "dynamic Reshape", "dead": "dead nodes"}


# --- watch it shrink ------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def cnn_frames(batch: int | str, chosen: tuple[str, ...]) -> tuple[GraphFrame, ...]:
    """The frames of the messy CNN under the chosen passes, in the order of the table of passes."""
    passes = [PASSES[name] for name in PASSES if name in chosen]
    return tuple(graph_frames(messy_cnn(batch=batch), passes))


def draw_frames(frames: Sequence[GraphFrame], step: int) -> tuple[Figure, str]:
    """Frame number `step` (from 1, the last one for larger numbers): the graph, and nodes and bytes over all frames."""
    at = min(max(step, 1), len(frames)) - 1
    figure, axes = new_figure(10.4, 5.4, 2, 2, gridspec_kw={"height_ratios": [2.6, 1]})
    grid = axes[0].get_gridspec()
    for ax in axes[:2]:
        ax.remove()
    _draw_graph(figure.add_subplot(grid[0, :]), frames[at], frames[0])
    _draw_counts(axes[2], [f.n_nodes for f in frames], at, "nodes")
    _draw_counts(axes[3], [f.size_bytes for f in frames], at, "bytes of the model")
    return figure, _tell_frame(frames, at)


def _place(column: int, lane: int) -> tuple[float, float]:
    row, x = divmod(column, COLUMNS)
    return float(x), -2.2 * row - lane


def _draw_graph(ax: Axes, frame: GraphFrame, first: GraphFrame) -> None:
    rows = 1 + max(node.column for node in first.nodes) // COLUMNS
    ax.set(xlim=(-0.75, COLUMNS - 0.25), ylim=(-2.2 * rows + 0.75, 0.6))
    ax.axis("off")
    ax.set_title("✗ and dashed: the next pass takes it out   ·   + and green: the next pass changes it", fontsize=9.5,
                 color=INK, loc="left")
    at = {node.name: _place(node.column, node.lane) for node in frame.nodes}
    for a, b in frame.edges:
        _draw_edge(ax, at[a], at[b])
    for node in frame.nodes:
        _draw_node(ax, *at[node.name], node.op, node.state)


def _draw_node(ax: Axes, x: float, y: float, op: str, state: str) -> None:
    fill, ink, dash = LOOKS[state]
    mark = {"goes": "✗ ", "changes": "+ "}.get(state, "")
    ax.text(x, y, mark + SHORT.get(op, op), ha="center", va="center", fontsize=8.5, color=ink, zorder=3, bbox={
        "boxstyle": "round,pad=0.35", "facecolor": fill, "edgecolor": ORANGE if state == "goes" else fill,
        "linestyle": dash, "linewidth": 1.4})


def _draw_edge(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    (x0, y0), (x1, y1) = start, end
    if abs(y0 - y1) < 1.5:  # in one row, perhaps between its two lanes
        _arrow(ax, (x0 + 0.33, y0), (x1 - 0.33, y1))
        return
    middle = (y0 + y1) / 2 - 0.35
    if x0 > COLUMNS - 1.5:  # from the end of a row round the side
        right, left = COLUMNS - 0.45, -0.6
        path = [x0 + 0.33, right, right, left, left], [y0, y0, middle, middle, y1]
        ax.plot(*path, color=GREY, linewidth=1.1, zorder=1)
        _arrow(ax, (left, y1), (x1 - 0.33, y1))
    else:  # from the middle of a row straight down, so that the line crosses no node
        middle += 0.25
        ax.plot([x0, x0, x1], [y0 - 0.3, middle, middle], color=GREY, linewidth=1.1, zorder=1)
        _arrow(ax, (x1, middle), (x1, y1 + 0.3))


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, start, zorder=1,
                arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0})


def _draw_counts(ax: Axes, values: Sequence[int], at: int, what: str) -> None:
    tidy(ax)
    steps = range(1, len(values) + 1)
    ax.plot(steps, values, color=BLUE, marker="o", markersize=4)
    ax.plot([at + 1], [values[at]], color=ORANGE, marker="D", markersize=9, zorder=3)
    ax.set_ylim(0, max(values) * 1.25)
    ax.set_xlim(0.6, len(values) + 0.6)
    ax.annotate(f"{values[at]:,}", (at + 1, values[at]), xytext=(0, 8), textcoords="offset points", ha="center",
                fontsize=9, color=INK)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    label(ax, "step", what)


def _tell_frame(frames: Sequence[GraphFrame], at: int) -> str:
    frame, last = frames[at], frames[-1]
    ends = f"{frames[0].n_nodes} nodes become {last.n_nodes}, {frames[0].size_bytes:,} bytes {last.size_bytes:,}."
    here = f"Step {at + 1} of {len(frames)}: {frame.n_nodes} nodes, {frame.size_bytes:,} bytes."
    if not frame.next_pass:
        return f"{here} No pass finds anything more. In all {ends}"
    goes = [node.op for node in frame.nodes if node.state == "goes"]
    told = f"takes out {len(goes)} ({', '.join(goes)})" if goes else "takes out none"
    changes = frame.count("changes")
    into = f" and changes {changes}" if changes else ""
    name = KNOBS.get(frame.next_pass, frame.next_pass)
    return f"{here} Round {frame.round}, the pass “{name}” {told}{into}. In all {ends}"


def draw_shrinking(step: int, batch: str = "1", **chosen: bool) -> tuple[Figure, str]:
    """The figure for the knobs: a step, the batch ("1" or "N"), and which passes are on."""
    names = tuple(name for name in KNOBS if chosen.get(name))
    return draw_frames(cnn_frames("N" if batch == "N" else 1, names), step)


def watch_it_shrink() -> Any:
    """The interactive figure "watch it shrink"."""
    import ipywidgets as widgets

    knobs: dict[str, Any] = {"step": widgets.IntSlider(value=1, min=1, max=9, description="step"),
                             "batch": widgets.ToggleButtons(options=["1", "N"], value="1", description="batch")}
    for name, text in KNOBS.items():
        knobs[name] = widgets.Checkbox(value=name != "dynamic_reshape", description=text, indent=False)
    return explorer(draw_shrinking, knobs, Prediction(
        "The network has 25 nodes, and 7 do the work. Suppose that you switch off constant folding alone. How many "
        "nodes are left?", ("8", "about 10", "14"), 2,
        "Shape, Gather, Unsqueeze and Concat stay, because nobody computes the target. So do Add, Div and the Mul by "
        "their result: the other passes can't see that this factor is 1."), "Watch it shrink")


# --- sizes -----------------------------------------------------------------------------------------


def size_rows(max_tensor_bytes: int = 1 << 23) -> list[tuple[str, int, int, int, int]]:
    """(model, bytes before, bytes after, nodes before, nodes after), folded without the usual limit of 1 MiB."""
    fold = partial(fold_constants, max_tensor_bytes=max_tensor_bytes)
    passes = [fold if p is fold_constants else p for p in DEFAULT_PASSES]
    models = {"messy CNN": messy_cnn(), "ConstantOfShape 1024×1024": constant_of_shape(),
              "Expand to 512×256": large_expand()}
    rows = []
    for name, model in models.items():
        report = simplify(model, passes)
        rows.append((name, report.bytes_before, report.bytes_after, report.nodes_before, report.nodes_after))
    return rows


def draw_sizes(rows: Sequence[tuple[str, int, int, int, int]]) -> tuple[Figure, str]:
    """File sizes before and after on a logarithmic axis."""
    figure, (ax,) = new_figure(8.6, 2.9)
    bars = (("before", -0.19, 1, GREY, ""), ("after", 0.19, 2, BLUE, "//"))
    for i, row in enumerate(rows):
        for name, shift, column, color, hatch in bars:
            ax.barh(i + shift, row[column], height=0.36, color=color, hatch=hatch, edgecolor="white",
                    label=name if i == 0 else None)
            ax.annotate(f"{row[column]:,}", (row[column], i + shift), xytext=(4, 0), textcoords="offset points",
                        va="center", fontsize=9, color=INK)
    ax.set(xscale="log", xlim=(50, 8e7))
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.invert_yaxis()
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    label(ax, "bytes of the model (log scale)", "", "fewer nodes are not always fewer bytes")
    told = "; ".join(f"{name}: {nodes} nodes become {left}, {before:,} bytes become {after:,}"
                     for name, before, after, nodes, left in rows)
    return figure, f"{told}."


def size_picture(rows: Sequence[tuple[str, int, int, int, int]]) -> Shown:
    """The picture of `draw_sizes` for a code cell."""
    return shown_figure(*draw_sizes(rows))


# --- times -----------------------------------------------------------------------------------------


def _by_level(rows: Sequence[LevelTime]) -> dict[str, dict[str, LevelTime]]:
    found: dict[str, dict[str, LevelTime]] = {}
    for row in rows:
        found.setdefault(row.level, {})[row.model] = row
    return found


def level_table(rows: Sequence[LevelTime]) -> Shown:
    """Nodes that are run, session creation and run time at each level, original against simplified."""
    cells = []
    for level, models in _by_level(rows).items():
        a, b = models.values()
        cells.append((level.removeprefix("ORT_"), f"{a.nodes} / {b.nodes}", f"{a.create_ms:.2f} / {b.create_ms:.2f}",
                      f"{a.create_ms / b.create_ms:.1f}×", f"{a.run_us:.0f} / {b.run_us:.0f}",
                      f"{a.run_us / b.run_us:.2f}×"))
    a, b = next(iter(_by_level(rows).values()))
    return table(("level", "nodes run", "create (ms)", "faster", "run (µs)", "faster"), cells,
                 f"ONNX Runtime on this machine, one thread, batch 1: {a} / {b}")


def draw_levels(rows: Sequence[LevelTime]) -> tuple[Figure, str]:
    """Session creation and run time, two bars a level."""
    by_level = _by_level(rows)
    figure, axes = new_figure(9.6, 3.2, 1, 2)
    for ax, field, what in zip(axes, ("create_ms", "run_us"), ("session creation (ms)", "one run (µs)")):
        for i, models in enumerate(by_level.values()):
            for shift, row, color, hatch in zip((-0.2, 0.2), models.values(), (GREY, BLUE), ("", "//")):
                ax.bar(i + shift, getattr(row, field), width=0.38, color=color, hatch=hatch, edgecolor="white",
                       label=row.model if i == 0 else None)
        ax.set_xticks(range(len(by_level)), [LEVEL_NAMES[level] for level in by_level])
        label(ax, "ONNX Runtime's optimisations", what)
    axes[0].legend(frameon=False, fontsize=9)
    return figure, _tell_levels(by_level)


def _tell_levels(by_level: Mapping[str, Mapping[str, LevelTime]]) -> str:
    parts = []
    for level in (LEVELS[0], LEVELS[-1]):
        if level in by_level:
            a, b = by_level[level].values()
            parts.append(f"{level}: a run takes {a.run_us:.0f} → {b.run_us:.0f} µs, creating the session "
                         f"{a.create_ms:.2f} → {b.create_ms:.2f} ms")
    return "Measured here. " + "; ".join(parts) + "."


def level_picture(rows: Sequence[LevelTime]) -> Shown:
    """The picture of `draw_levels` for a code cell."""
    return shown_figure(*draw_levels(rows))


def tensorrt_note() -> Shown:
    """What the TensorRT cell would do, or that it can be done here."""
    from utils.optional import EngineUnavailable, require

    command = "trtexec --onnx=messy.onnx --profilingVerbosity=detailed --dumpLayerInfo"
    try:
        here = f"TensorRT {require('tensorrt', 'it needs Linux and an NVIDIA GPU').__version__} is here. Now"
    except EngineUnavailable as error:
        here = f"{error}. With it,"
    told = (f"{here} build both files and compare the build times and the layers of the engines: {command}, "
            "and the same for the simplified file.")
    return Shown(f"<p>{html.escape(told)}</p>", told)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: the 25 nodes, with what the first pass takes out."""
    names = tuple(name for name in KNOBS if name != "dynamic_reshape")
    return draw_frames(cnn_frames(1, names), 1)[0]

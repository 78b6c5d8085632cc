"""Figures and measurements of chapter 34: four exports of one network, an optimiser's stages, backends compared."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.graphs.optimize import (
    ROUTES,
    BackendRow,
    StageRow,
    export_matrix,
    export_route,
    optimize_stages,
    optimizer_report,
)
from utils.optional import EngineUnavailable

from .shell import Prediction, explorer
from .style import BLUE, GREEN, INK, ORANGE, SKY, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from onnx import ModelProto

BATCHES = tuple(range(1, 9))
SHAPE_OPS = frozenset({"Constant", "Shape", "Gather", "Unsqueeze", "Concat", "Identity"})
BOXES_IN_A_ROW = 6
# kind of node: colour, hatch (so that colour is not the only cue), what the legend says
KINDS = {
    "work": (SKY, "", "works on the data"),
    "reshape": (ORANGE, "", "Reshape: where the batch hides"),
    "shape": (YELLOW, "////", "constants and shape arithmetic"),
}


def picture(figure: Figure, sentence: str) -> Shown:
    """A drawn figure with its sentence, for a code cell."""
    return Shown(f"{figure_html(figure, sentence)}<p>{html.escape(sentence)}</p>", sentence)


# --- four exports, one network -----------------------------------------------------------------------


@lru_cache(maxsize=8)
def exported(route: str, opset: int) -> tuple[ModelProto, int]:
    """(the model, its opset); the dynamo route writes 18 where less was asked. EngineUnavailable passes through."""
    try:
        return export_route(route, opset), opset
    except ValueError:  # "asked for opset 13, file has 18"
        return export_route(route, 18), 18


@lru_cache(maxsize=4)
def _matrix(opset: int) -> tuple[dict[str, dict], dict[str, str]]:
    """What `export_matrix` says of the routes that this machine has, and why the others are missing."""
    models, missing = {}, {}
    for route in ROUTES:
        try:
            models[route] = exported(route, opset)[0]
        except EngineUnavailable as error:
            missing[route] = str(error)
    return export_matrix(models, BATCHES), missing


def draw_exports(route: str = "legacy dynamic", opset: int = 18, batch: int = 3) -> tuple[Any, str]:
    """The nodes of one export in order, and which batch sizes each route's file runs at (really run)."""
    rows, missing = _matrix(opset)
    if route in missing:
        return f"<p>{html.escape(missing[route])}</p>", f"Route {route} is not here: {missing[route]}."
    row = rows[route]
    figure, (left, right) = new_figure(11.6, 4.1, 1, 2, width_ratios=(1.5, 1))
    _draw_nodes(left, row["ops"])
    title = f"{route}: {row['nodes']} nodes, in the order in which they run"
    left.set_title(title, fontsize=10.5, color=INK, loc="left")
    _draw_runs(right, rows, route, batch)
    return figure, _tell_export(route, opset, batch, row)


def _kind(op: str) -> str:
    return "reshape" if op == "Reshape" else "shape" if op in SHAPE_OPS else "work"


def _draw_nodes(ax: Axes, ops: Sequence[str]) -> None:
    from matplotlib.patches import FancyBboxPatch, Patch

    for index, op in enumerate(ops):
        line, column = divmod(index, BOXES_IN_A_ROW)
        color, hatch, _ = KINDS[_kind(op)]
        ax.add_patch(FancyBboxPatch((column + 0.06, -line - 0.62), 0.84, 0.5, boxstyle="round,pad=0.02",
                                    facecolor=color, edgecolor=INK, hatch=hatch, linewidth=0.9, alpha=0.9))
        name = "BatchNorm" if op == "BatchNormalization" else op
        ax.text(column + 0.48, -line - 0.37, f"{index + 1} {name}", ha="center", va="center", fontsize=7.5, color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})
    lines = -(-len(ops) // BOXES_IN_A_ROW)
    ax.set_xlim(0, BOXES_IN_A_ROW)
    ax.set_ylim(-max(lines, 2) - 0.9, 0)
    ax.grid(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.legend(handles=[Patch(facecolor=c, hatch=h, edgecolor=INK, label=told) for c, h, told in KINDS.values()],
              loc="lower left", ncols=3, fontsize=8, frameon=False, handlelength=1.4, columnspacing=1.2)


def _draw_runs(ax: Axes, rows: Mapping[str, dict], route: str, batch: int) -> None:
    for y, name in enumerate(rows):
        for size in BATCHES:
            good = rows[name]["runs"][size] == ""
            chosen = name == route and size == batch
            ax.scatter(size, y, s=190, marker="o" if good else "X", color=GREEN if good else ORANGE, zorder=3,
                       edgecolor=INK if chosen else "white", linewidth=2.4 if chosen else 0.8)
    ax.set_yticks(range(len(rows)), [f"{'▸ ' if name == route else ''}{name}" for name in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xticks(BATCHES)
    ax.set_xlim(0.4, BATCHES[-1] + 0.6)
    label(ax, "batch size (images)", "", "circle: ONNX Runtime runs it. cross: it refuses")


def _tell_export(route: str, opset: int, batch: int, row: Mapping[str, Any]) -> str:
    shapes = sum(op in SHAPE_OPS for op in row["ops"])
    runs = "runs" if row["runs"][batch] == "" else "is refused"
    dims = ", ".join(map(str, row["input"]))
    return (f"Route {route}: asked for opset {opset}, written {row['opset']}, IR version {row['ir_version']}, "
            f"{row['bytes']:,} bytes, {row['nodes']} nodes, {shapes} of them constants and shape arithmetic. "
            f"The input is ({dims}); a batch of {batch} {runs}.")


def exports_figure() -> Any:
    """The interactive figure "four exports, one network"."""
    import ipywidgets as widgets

    knobs = {
        "route": widgets.Dropdown(options=list(ROUTES), value="legacy dynamic", description="route"),
        "opset": widgets.Dropdown(options=[18, 13], value=18, description="opset asked for"),
        "batch": widgets.IntSlider(value=3, min=BATCHES[0], max=BATCHES[-1], description="batch"),
    }
    return explorer(draw_exports, knobs, Prediction(
        "A network with 7 steps of work is exported with a symbolic batch. How many nodes does the tracing exporter "
        "write?",
        ("7: one for each step", "8: one more for the batch", "14: twice as many"), 2,
        "Tracing records how the batch size was computed: Shape, Gather, Unsqueeze, Concat and 3 Constants feed the "
        "Reshape. The newer exporter knows that the flattened size is 128, and writes [-1, 128]: 7 nodes. Now choose "
        "the other routes. Which of them runs at batch 3, and which opset is written where 13 was asked for?"),
        "Four exports, one network")


def export_table(opset: int = 18) -> Shown:
    """A row a route: versions, nodes, bytes, input, and the batch sizes of 1 to 8 that run."""
    rows, missing = _matrix(opset)
    lines = []
    for name, row in rows.items():
        sizes = [size for size, error in row["runs"].items() if not error]
        told = f"{sizes[0]} to {sizes[-1]}" if len(sizes) == len(BATCHES) else ", ".join(map(str, sizes)) or "none"
        lines.append((name, row["opset"], row["ir_version"], row["nodes"], f"{row['bytes']:,}",
                      f"({', '.join(map(str, row['input']))})", told))
    lines += [(name, "-", "-", "-", "-", "-", reason) for name, reason in missing.items()]
    return table(("route", "opset", "IR version", "nodes", "bytes", "input", "batches that run"), lines,
                 f"asked for opset {opset}")


# --- stages ------------------------------------------------------------------------------------------


def stages_table(rows: Sequence[StageRow]) -> Shown:
    """The rows of `optimizer_report`."""
    return table(("stage", "nodes", "tensors", "initializers", "bytes", "shapes recorded"),
                 [(r.stage, r.nodes, r.tensors, r.initializers, f"{r.n_bytes:,}", r.shaped) for r in rows])


def draw_stages(rows: Sequence[StageRow]) -> tuple[Figure, str]:
    """Nodes, tensors and bytes after each stage."""
    figure, axes = new_figure(11.4, 2.9, 1, 3)
    parts = (("nodes", "nodes", BLUE, ""), ("tensors", "tensors", GREEN, "//"),
             ("n_bytes", "file size (bytes)", ORANGE, ".."))
    names = [row.stage.replace(" ", "\n") for row in rows]
    for ax, (field, told, color, hatch) in zip(axes, parts):
        values = [getattr(row, field) for row in rows]
        bars = ax.bar(names, values, color=color, hatch=hatch, edgecolor="white", width=0.7)
        ax.bar_label(bars, [f"{v:,}" for v in values], fontsize=8.5, color=INK, padding=2)
        ax.set_ylim(0, 1.15 * max(values))
        ax.grid(axis="x", visible=False)
        ax.tick_params(axis="x", labelsize=8)
        label(ax, "stage", told)
    first, clean, folded, shaped, last = rows
    return figure, (f"Cleanup takes {first.nodes - clean.nodes} of {first.nodes} nodes out, folding "
                    f"{clean.nodes - folded.nodes} more, shape inference {folded.nodes - shaped.nodes}. The second "
                    f"cleanup drops {shaped.initializers - last.initializers} constants that nobody reads any more. "
                    f"The file goes from {first.n_bytes:,} to {last.n_bytes:,} bytes: {last.shaped} recorded shapes "
                    "are new.")


def stages_picture(model: ModelProto) -> Shown:
    """The picture of `draw_stages` for a model."""
    return picture(*draw_stages(optimizer_report(model)))


def stage_times(model: ModelProto, rounds: int = 200) -> Shown:
    """Median time a run before and after all stages, in turns, with ONNX Runtime's own optimisations off and on."""
    from utils.cost.latency import time_interleaved
    from utils.graphs.onnx_tools import make_session

    finished = optimize_stages(model)[-1][1]
    lines = []
    for optimize in (False, True):
        sessions = [make_session(m, optimize=optimize) for m in (model, finished)]
        source = sessions[0].get_inputs()[0]
        feed = {source.name: np.random.default_rng(0).normal(size=source.shape).astype(np.float32)}
        calls = {str(i): (lambda s=s, feed=feed: s.run(None, feed)) for i, s in enumerate(sessions)}
        times = time_interleaved(calls, rounds)
        before, after = (float(np.median(times[key])) * 1e3 for key in ("0", "1"))
        lines.append(("on" if optimize else "off", f"{before:.0f}", f"{after:.0f}", f"{before / after:.2f}"))
    return table(("ONNX Runtime's optimisations", "original (µs)", "finished (µs)", "ratio"), lines,
                 f"median of {rounds} runs in turns, one thread, batch 1")


# --- backends ----------------------------------------------------------------------------------------


def backend_table(rows: Sequence[BackendRow]) -> Shown:
    """The rows of `compare_backends`: the worst feed of each candidate and output."""
    lines = []
    for key in dict.fromkeys((row.candidate, row.output) for row in rows):
        own = [row for row in rows if (row.candidate, row.output) == key]
        failed = next((row for row in own if row.comparison is None), None)
        if failed is not None:
            lines.append((*key, len(own), "-", "-", "-", failed.error[:90]))
            continue
        found = [row.comparison for row in own]
        lines.append((*key, len(own), f"{max(c.max_abs for c in found):.1e}", f"{min(c.min_cosine for c in found):.6f}",
                      f"{np.mean([c.top1 for c in found]):.0%}", "agrees" if all(c.ok for c in found) else "differs"))
    head = ("candidate", "output", "feeds", "largest |difference|", "smallest cosine", "same top-1", "verdict")
    return table(head, lines)


def tensorrt_table() -> Shown:
    """Which of the four exports TensorRT's parser accepts, or a sentence that there is no TensorRT here."""
    try:
        import tensorrt as trt
    except ImportError:
        text = ("TensorRT, NVIDIA's engine, is not installed here. With it this cell hands the four files to its ONNX "
                "parser and shows which ones it accepts.")
        return Shown(f"<p>{text}</p>", text)
    lines = []
    for route in ROUTES:
        try:
            model = exported(route, 18)[0]
        except EngineUnavailable as error:
            lines.append((route, "-", str(error)))
            continue
        lines.append((route, *_parsed(trt, model.SerializeToString())))
    return table(("route", "accepted", "first error"), lines, f"TensorRT {trt.__version__}")


def _parsed(trt: Any, data: bytes) -> tuple[str, str]:
    """Whether the parser takes a file, and its first complaint. Explicit batch is the only mode from version 10 on."""
    logger = trt.Logger(trt.Logger.ERROR)
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    explicit = 1 << int(flag) if flag is not None and int(trt.__version__.split(".")[0]) < 10 else 0
    network = trt.Builder(logger).create_network(explicit)
    parser = trt.OnnxParser(network, logger)
    accepted = parser.parse(data)
    return ("yes" if accepted else "no", str(parser.get_error(0).desc())[:90] if parser.num_errors else "")


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: the traced export with a symbolic batch."""
    return draw_exports("legacy dynamic", 18, 3)[0]

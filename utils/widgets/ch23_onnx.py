"""Figures and measurements of chapter 23: the X-ray of a file, the version matrix, the race of four runtimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.graphs.protobuf import byte_map, parse_model
from utils.graphs.protobuf.wire import WIRE_TYPES, decode_varint

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, YELLOW, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from onnx import ModelProto

    from utils.graphs.runtime.race import RuntimeRow

RELU = bytes.fromhex("08083a3d0a0c0a0178120179220452656c751201675a140a0178120f0a0d080112090a0312014e0a02080262140a0179"
                     "120f0a0d080112090a0312014e0a02080242040a001011")
COLUMNS = 16
# Part of the file -> letter in the cell's corner, colour, name in the legend.
PARTS = {"model": ("M", GREY, "model: versions"), "graph": ("G", SKY, "graph"), "node": ("N", ORANGE, "node"),
         "tensor": ("T", GREEN, "tensor: weights"), "value": ("V", YELLOW, "input, output: types")}


# --- the X-ray ----------------------------------------------------------------------------------


@cache
def xray_models() -> dict[str, bytes]:
    """The files that the figure can show, as bytes."""
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"], transB=1), helper.make_node("Relu", ["h"], ["y"])]
    weights = {"w": np.array([[1, -2], [0.5, 3]], np.float32), "b": np.array([0.25, -1], np.float32)}
    linear = make_model(nodes, {"x": ("N", 2)}, {"y": ("N", 2)}, weights).SerializeToString()
    return {"one Relu": RELU, "Gemm and Relu": linear}


def part_of(path: str) -> str:
    """Which part of the file a piece of `byte_map` belongs to: a key of PARTS."""
    for start, part in (("graph.node", "node"), ("graph.initializer", "tensor"), ("graph.input", "value"),
                        ("graph.output", "value"), ("graph", "graph")):
        if path.startswith(start):
            return part
    return "model"


def draw_xray(model: str = "one Relu", field: int = 5) -> tuple[Figure, str]:
    """The bytes of a file with one piece marked, its tag taken apart, and the graph with the current node marked.

    `field` counts the pieces of `byte_map` from 0; a number beyond the last one shows the last one.
    """
    buf = xray_models()[model]
    pieces = byte_map(buf)
    start, stop, path, text = piece = pieces[min(field, len(pieces) - 1)]
    rows = -(-len(buf) // COLUMNS)
    figure, (left, right) = new_figure(11.4, 1.6 + 0.3 * rows, 1, 2, width_ratios=(1.9, 1))
    _draw_bytes(left, buf, pieces, piece)
    _draw_graph(right, buf, path)
    first, _ = decode_varint(buf, start)
    number, wire = first >> 3, first & 7
    shown = buf[start : min(stop, start + 12)].hex(" ") + (" …" if stop - start > 12 else "")
    told = (f"Bytes {start} to {stop - 1} of {len(buf)} (counted from 0), {shown}: {path}. "
            f"The tag {first} is {number} · 8 + {wire}: field {number}, wire type {wire} "
            f"({WIRE_TYPES[wire]}). {_value_told(text)}")
    return figure, told


def _value_told(text: str) -> str:
    value = text.split(": ", 1)[1]
    return f"A {value} begins." if " of " in value else f"Value: {value}."


def _draw_bytes(ax: Axes, buf: bytes, pieces: Sequence[tuple], piece: tuple) -> None:
    from matplotlib.patches import Rectangle

    owner = [part_of(path) for start, stop, path, _ in pieces for _ in range(stop - start)]
    for i, byte in enumerate(buf):
        column, row = i % COLUMNS, i // COLUMNS
        letter, color, _ = PARTS[owner[i]]
        marked = piece[0] <= i < piece[1]
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=color, alpha=0.75 if marked else 0.28,
                               edgecolor="white", linewidth=0.8))
        ax.text(column + 0.55, row + 0.55, f"{byte:02x}", ha="center", va="center", fontsize=9, family="monospace",
                color=INK, fontweight="bold" if marked else "normal")
        ax.text(column + 0.08, row + 0.32, letter, ha="left", va="center", fontsize=5.5, color=INK)
    _outline(ax, piece[0], piece[1])
    rows = -(-len(buf) // COLUMNS)
    ax.set_xlim(0, COLUMNS)
    ax.set_ylim(rows, 0)
    ax.set_xticks(np.arange(COLUMNS) + 0.5, [f"{c}" for c in range(COLUMNS)])
    ax.set_yticks(np.arange(rows) + 0.5, [f"{COLUMNS * r}" for r in range(rows)])
    ax.grid(False)
    handles = [Rectangle((0, 0), 1, 1, facecolor=color, alpha=0.5, label=f"{letter}  {name}")
               for part, (letter, color, name) in PARTS.items() if part in owner]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.2 if rows < 8 else -0.1),
              ncols=len(handles), fontsize=8.5, frameon=False)
    label(ax, "column (byte)", "first byte of the row", f"{len(buf)} bytes; the marked piece is one field")


def _outline(ax: Axes, start: int, stop: int) -> None:
    """A frame around the bytes start … stop - 1, open where a row ends and the next one goes on."""
    for row in range(start // COLUMNS, (stop - 1) // COLUMNS + 1):
        a, b = max(start - row * COLUMNS, 0), min(stop - row * COLUMNS, COLUMNS)
        sides = [((a, b), (row, row)), ((a, b), (row + 1, row + 1))]
        sides += [((a, a), (row, row + 1))] if start >= row * COLUMNS else []
        sides += [((b, b), (row, row + 1))] if stop <= (row + 1) * COLUMNS else []
        for xs, ys in sides:
            ax.plot(xs, ys, color=INK, linewidth=2.2, zorder=5, clip_on=False)


def _draw_graph(ax: Axes, buf: bytes, path: str) -> None:
    """Nodes from top to bottom with the tensors between them; the node that the piece belongs to is framed."""
    graph = parse_model(buf).graph
    current = int(path.split("[")[1].split("]")[0]) if path.startswith("graph.node[") else -1
    weights = {t.name: t.dims for t in graph.initializers}
    for i, node in enumerate(graph.nodes):
        y, here = 1.6 * i, i == current
        ax.annotate("", (0.5, y + 0.05), (0.5, y - 0.5), arrowprops={"arrowstyle": "->", "color": INK})
        ax.text(0.5, y + 0.4, node.op_type, ha="center", va="center", fontsize=11, color=INK,
                fontweight="bold" if here else "normal",
                bbox={"boxstyle": "round,pad=0.45", "facecolor": ORANGE if here else "white",
                      "alpha": 0.55 if here else 1, "edgecolor": INK, "linewidth": 2.2 if here else 1})
        plain = [n for n in node.input if n not in weights]
        own = [f"{n} {list(weights[n])}" for n in node.input if n in weights]
        ax.text(0.53, y - 0.3, ", ".join(plain), ha="left", va="center", fontsize=10, color=INK)
        if own:
            ax.text(0.72, y + 0.4, "\n".join(own), ha="left", va="center", fontsize=9, color=GREEN)
    end = 1.6 * len(graph.nodes)
    ax.annotate("", (0.5, end - 0.3), (0.5, end - 0.8), arrowprops={"arrowstyle": "->", "color": INK})
    ax.text(0.53, end - 0.45, graph.outputs[0].name, ha="left", va="center", fontsize=10, color=INK)
    ax.set_xlim(0, 1.1)
    ax.set_ylim(max(end, 3.2), -0.7)
    ax.grid(False)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    label(ax, "", "", "the graph; framed: the node of this piece" if current >= 0 else "the graph")


def xray() -> Any:
    """The interactive figure "X-ray of an ONNX file"."""
    import ipywidgets as widgets

    last = max(len(byte_map(buf)) for buf in xray_models().values()) - 1
    knobs = {
        "model": widgets.Dropdown(options=list(xray_models()), value="one Relu", description="file"),
        "field": widgets.IntSlider(value=5, min=0, max=last, description="field",
                                   layout=widgets.Layout(width="520px")),
    }
    return explorer(draw_xray, knobs, Prediction(
        "The node says that its operator is “Relu”, a word of four letters. How many bytes of the file does that take?",
        ("4: the letters", "6: tag, length, letters", "8: an aligned word", "16: a fixed-size name"), 1,
        "22 is the tag (field 4, length-delimited), 04 the length, then 52 65 6c 75. Nothing is aligned, and nothing "
        "has a fixed size: that is why a reader has to go from field to field. Move the slider, and choose the second "
        "file to see where the weights lie."), "X-ray of an ONNX file")


def static_picture() -> Figure:
    """What remains of the X-ray where no kernel runs: the operator's name in the Relu file."""
    return draw_xray("one Relu", 5)[0]


def pieces_table(buf: bytes = RELU) -> Shown:
    """Every piece of a file: position, bytes, where it belongs, what it says."""
    rows = [(f"{start}–{stop - 1}", buf[start:stop].hex(" "), path, text) for start, stop, path, text in byte_map(buf)]
    return table(("bytes", "hexadecimal", "belongs to", "tag and value"), rows, f"{len(buf)} bytes, {len(rows)} fields")


# --- versions -----------------------------------------------------------------------------------


def probe_matrix(max_opset: int = 30, max_ir: int = 16) -> dict[tuple[int, int], bool]:
    """(opset, IR version) -> whether the installed ONNX Runtime loads a model of one Relu with them."""
    from utils.graphs.versions import refusal

    return {(o, ir): not refusal(o, ir) for o in range(1, max_opset + 1) for ir in range(3, max_ir + 1)}


def draw_versions(accepted: Mapping[tuple[int, int], bool], ir_for_opset: Mapping[int, int],
                  marks: Mapping[str, tuple[int, int]], runtime: str) -> tuple[Figure, str]:
    """Opset against IR version: filled where the runtime loads the file; the line is the IR that goes with an opset."""
    figure, (ax,) = new_figure(8.6, 4.0)
    for good, color, sign, name in ((True, GREEN, "s", "loads"), (False, GREY, "x", "refused")):
        points = [pair for pair, loads in accepted.items() if loads == good]
        if points:
            ax.scatter(*zip(*points), s=34 if good else 20, marker=sign, color=color, alpha=0.75 if good else 0.45,
                       label=name)
    pairs = sorted(ir_for_opset.items())
    ax.step(*zip(*pairs), where="mid", color=INK, linewidth=1.6, label="IR that goes with an opset")
    for index, (name, (opset, ir)) in enumerate(marks.items()):
        ax.plot(opset, ir, marker="o", markersize=13, markerfacecolor="none", markeredgewidth=2.4, linestyle="",
                markeredgecolor=(ORANGE, BLUE, PINK)[index % 3])
        above = ir > 9
        ax.annotate(f"{name} ({opset}, {ir})", (opset, ir), xytext=(-10, 9) if above else (10, -15), color=INK,
                    textcoords="offset points", ha="right" if above else "left", fontsize=9.5,
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 1.5})
    title = f"ONNX Runtime {runtime}, asked with {len(accepted):,} tiny models"
    label(ax, "opset of the default domain", "IR version", title)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, fontsize=9, frameon=False)
    loads = [pair for pair, good in accepted.items() if good]
    told = f"ONNX Runtime {runtime} loads {len(loads)} of {len(accepted)} pairs. "
    if loads:
        told += f"Highest opset: {max(o for o, _ in loads)}, highest IR version: {max(ir for _, ir in loads)}. "
    judged = [f"{name} (opset {o}, IR {ir}) {'loads' if accepted.get((o, ir)) else 'is refused'}"
              for name, (o, ir) in marks.items()]
    return figure, told + "; ".join(judged) + "."


def version_matrix() -> Shown:
    """The picture of `draw_versions` for the installed onnx and ONNX Runtime."""
    import onnx
    import onnxruntime

    from utils.graphs.versions import IR_FOR_OPSET

    newest = onnx.defs.onnx_opset_version()
    marks = {"onnx by default": (newest, onnx.IR_VERSION), "this course": (17, 8)}
    size = max(newest, 28) + 2, max(onnx.IR_VERSION, 14) + 2
    return shown_figure(*draw_versions(probe_matrix(*size), IR_FOR_OPSET, marks, onnxruntime.__version__))


# --- measured -----------------------------------------------------------------------------------


@cache
def digits_model() -> ModelProto:
    """The course's digits CNN (9,802 parameters), trained for 6 epochs and exported with a symbolic batch."""
    import torch

    from utils.graphs.onnx_tools import export_torch
    from utils.networks.digits import trained_digits

    return export_torch(trained_digits("cnn", epochs=6), torch.zeros(1, 64), dynamic_batch="N")


def digits_test() -> tuple[np.ndarray, np.ndarray]:
    """The 540 test images (540, 64) and their labels."""
    from utils.networks.digits import load_digits_split

    _, images, _, labels = load_digits_split()
    return images, labels


def race_rows(rounds: int = 15) -> list[RuntimeRow]:
    """The digits CNN on every runtime of this machine: agreement on 540 images, time of one image."""
    from utils.graphs.runtime.race import race

    images, _ = digits_test()
    return race(digits_model(), {"input": images}, {"input": images[:1]}, rounds)


def race_table(rows: Sequence[RuntimeRow]) -> Shown:
    """A row a runtime: agreement with ONNX Runtime, time, and how many times as long as the fastest."""
    fastest = min(row.p50_ms for row in rows)
    lines = [(row.name, f"{row.max_diff:.1e}", f"{100 * row.agreement:.1f} %", f"{row.p50_ms:.3f}",
              f"{row.p50_ms / fastest:.0f}×") for row in rows]
    head = ("runtime", "largest difference", "same digit", "one image (ms)", "against the fastest")
    return table(head, lines, "digits CNN, 540 images: the ten outputs (logits) against ONNX Runtime, graph as written")


def draw_race(rows: Sequence[RuntimeRow]) -> tuple[Figure, str]:
    """Median time of one image on each runtime, on a log scale."""
    figure, (ax,) = new_figure(8.4, 0.9 + 0.5 * len(rows))
    names, values = [row.name for row in rows], [row.p50_ms for row in rows]
    hatches = ["//" if "Runtime, " not in name else "" for name in names]
    bars = ax.barh(range(len(rows)), values, color=[SKY if h else BLUE for h in hatches], edgecolor=INK, linewidth=0.8)
    for bar, hatch, value in zip(bars, hatches, values):
        bar.set_hatch(hatch)
        ax.annotate(f"{value:.3f} ms", (value, bar.get_y() + bar.get_height() / 2), xytext=(5, 0), va="center",
                    textcoords="offset points", fontsize=9)
    ax.set_yticks(range(len(rows)), names)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlim(min(values) / 3, max(values) * 4)
    label(ax, "median time of one image (ms, log scale)", "", "hatched: interpreters written in Python")
    slow, fast = max(values), min(values)
    quick, lazy = names[values.index(fast)], names[values.index(slow)]
    return figure, (f"One image takes {fast:.3f} ms on the fastest runtime ({quick}) and {slow:.3f} ms on the slowest "
                    f"({lazy}): {slow / fast:.0f} times as long.")


def race_picture(rows: Sequence[RuntimeRow]) -> Shown:
    """The picture of `draw_race` for a code cell."""
    return shown_figure(*draw_race(rows))


def gpu_told() -> str:
    """What the race says about GPU providers on this machine."""
    import onnxruntime

    from utils.graphs.runtime.race import GPU_PROVIDERS

    found = [p for p in GPU_PROVIDERS if p in onnxruntime.get_available_providers()]
    if found:
        return f"GPU providers of this ONNX Runtime: {', '.join(found)}; each that starts has a row above."
    return ("No GPU provider here. With onnxruntime-gpu and an NVIDIA GPU the table has a row for CUDA and one for "
            "TensorRT.")

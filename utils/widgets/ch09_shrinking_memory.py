"""Figures and measurements of chapter 09: memory tetris, pools of a language model, files, orders, an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from utils.compression.memory_planner import Footprint, Rect, apply_technique, llm_footprint, memory_tetris
from utils.compression.spatial_graph import mobilenet_v2_ops, patch_peak_bytes, tensor_graph
from utils.cost.arena import (
    TensorGraph,
    best_order,
    graph_from_onnx,
    greedy_order,
    live_peak,
    order_uses,
    ready_order,
)
from utils.cost.memory import human_bytes
from utils.cost.params import LLAMA3_8B, effective_bits
from utils.optional import EngineUnavailable
from utils.widgets.shell import Prediction, explorer

from .style import GREEN, GREY, INK, ORANGE, PALETTE, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# --- memory tetris -------------------------------------------------------------------------------

GRAPHS = ("two branches", "three branches", "digits CNN", "MobileNetV2, first blocks")
ORDERS = ("as listed", "greedy", "best")
PLANNERS = ("bump", "greedy", "optimal")
DTYPES = {"FP32": 4, "FP16": 2, "INT8": 1}
SHORT = {"depthwise": "dw", "expand": "exp", "project": "proj"}


@cache
def tetris_graph(name: str) -> TensorGraph:
    """A graph of the figure; its sizes count the elements of one sample."""
    if name == "two branches":
        return TensorGraph.of({"a": "x", "b": "x", "c": "a", "d": "b", "y": "cd"},
                              {"x": 4096, "a": 10240, "b": 10240, "c": 1024, "d": 1024, "y": 2048}, "y")
    if name == "three branches":
        return TensorGraph.of(
            {"a": "x", "b": "x", "c": "x", "d": "a", "e": "b", "f": "c", "y": "def"},
            {"x": 4096, "a": 9216, "b": 30720, "c": 14336, "d": 8192, "e": 2048, "f": 4096, "y": 3072}, "y")
    if name == "digits CNN":
        return _digits_graph()
    return tensor_graph(mobilenet_v2_ops()[:10], 224, inplace_depthwise=True)


def _digits_graph() -> TensorGraph:
    """The digits CNN as it comes out of the exporter, its tensors named after their operators."""
    import torch

    from utils.graphs.onnx_tools import export_torch
    from utils.networks.digits import DigitsCNN, seeded

    model = export_torch(seeded(DigitsCNN, 0), torch.zeros(1, 64))
    graph = graph_from_onnx(model, dtype_bytes=1)
    kinds = {node.output[0]: node.op_type for node in model.graph.node}
    names = {op.name: f"{kinds[op.name]} {i}" for i, op in enumerate(graph.ops, 1)}
    renamed = (replace(op, name=names[op.name], inputs=tuple(names.get(n, n) for n in op.inputs)) for op in graph.ops)
    return TensorGraph(tuple(renamed), graph.inputs, tuple(names[n] for n in graph.outputs))


def tetris_order(graph: TensorGraph, how: str) -> list[str]:
    """The operators as they are listed, by the greedy rule, or in the order with the smallest peak."""
    return {"as listed": ready_order, "greedy": greedy_order, "best": lambda g: best_order(g)[0]}[how](graph)


def tetris(graph: str = "two branches", order: str = "as listed", planner: str = "greedy", in_place: bool = False,
           batch: int = 1, dtype: str = "FP32") -> tuple[Figure, str]:
    """Tensors as rectangles of time and address, the arena, and the lower bound: what lives at the fullest step."""
    chosen = tetris_graph(graph)
    if not in_place:
        chosen = replace(chosen, ops=tuple(replace(op, inplace_ok=False) for op in chosen.ops))
    steps = tetris_order(chosen, order)
    scale = batch * DTYPES[dtype]
    uses = order_uses(steps, chosen)
    bound, asked = scale * live_peak(list(uses.values())), planner
    if planner == "optimal" and len(uses) > 8:
        planner = "greedy"
    rects = memory_tetris(chosen, steps, planner, batch, DTYPES[dtype])
    figure, (ax,) = new_figure(9.6, 4.2)
    _draw_arena(ax, rects, steps, bound)
    ax.set_title(f"{graph}: planner {planner}, order {order}", fontsize=10.5, color=INK, loc="left")
    arena, separate = _top(rects), sum(r.size for r in rects)
    place = "in place" if in_place else "nothing in place"
    note = "" if asked == planner else (
        f" The exhaustive planner takes at most 8 buffers, here are {len(uses)}: greedy is shown.")
    return figure, (
        f"{graph}, order {order}, planner {planner}, {place}, batch {batch}, {dtype}: the arena takes "
        f"{human_bytes(arena)}. At most {human_bytes(bound)} live at one step, so no plan of this order can be "
        f"smaller. Separate buffers would take {human_bytes(separate)}.{note}")


def _top(rects: Sequence[Rect]) -> int:
    return max(r.offset + r.size for r in rects)


def _draw_arena(ax: Axes, rects: Sequence[Rect], steps: Sequence[str], bound: int, top: float = 0) -> None:
    from matplotlib.patches import Rectangle

    arena = _top(rects)
    unit, name = next((u, n) for u, n in ((2**20, "MiB"), (2**10, "KiB"), (1, "bytes")) if arena >= 2 * u or u == 1)
    height = max(top, arena) / unit * 1.16
    for i, r in enumerate(sorted(rects, key=lambda r: (r.first, r.offset))):
        colour, hatch = PALETTE[i % 7], ("", "//", "..", "\\\\", "xx")[i % 5]
        ax.add_patch(Rectangle((r.first - 0.46, r.offset / unit), r.last - r.first + 0.92, r.size / unit,
                               facecolor=colour, alpha=0.45, edgecolor=colour, hatch=hatch, linewidth=1.2))
        if r.size / unit > height * 0.035:
            ax.text((r.first + r.last) / 2, (r.offset + r.size / 2) / unit, _short(r.name), ha="center", va="center",
                    fontsize=8.5, color=INK, bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})
    ax.axhline(arena / unit, color=INK, linewidth=1.6, label=f"arena {arena / unit:.4g} {name}")
    ax.axhline(bound / unit, color=ORANGE, linestyle="--", linewidth=1.8,
               label=f"live at the fullest step {bound / unit:.4g} {name}")
    ax.set(xlim=(-0.6, len(steps) - 0.4), ylim=(0, height))
    shown = [_short(name) for name in steps]
    tilt = {"rotation": 35, "ha": "right"} if max(map(len, shown)) > 4 else {}
    ax.set_xticks(range(len(steps)), shown, fontsize=8.5, **tilt)
    ax.grid(False, axis="x")
    ax.legend(fontsize=8.5, frameon=False, loc="upper right", ncols=2)
    label(ax, "operator that runs (one step each)", f"address in {name}")


def _short(name: str) -> str:
    for word, brief in SHORT.items():
        name = name.replace(word, brief)
    return name


def tetris_explorer() -> Any:
    """The interactive arena."""
    import ipywidgets as widgets

    return explorer(
        tetris,
        {
            "graph": widgets.Dropdown(options=list(GRAPHS), value=GRAPHS[0], description="graph"),
            "order": widgets.ToggleButtons(options=list(ORDERS), value=ORDERS[0], description="order"),
            "planner": widgets.ToggleButtons(options=list(PLANNERS), value="greedy", description="planner"),
            "in_place": widgets.Checkbox(value=False, description="in place where allowed"),
            "batch": widgets.SelectionSlider(options=[1, 2, 4, 8, 16], value=1, description="batch"),
            "dtype": widgets.ToggleButtons(options=list(DTYPES), value="FP32", description="type"),
        },
        Prediction("The two branches need 96 KiB when both large tensors are made first. You change nothing but the "
                   "order of the five operators. How small can the peak get?",
                   ("96 KiB: it is the same work", "76 KiB", "60 KiB", "24 KiB"), 2,
                   "Finish one branch first, and its large tensor is gone before the other one is made."),
        title="Memory tetris: time to the right, addresses upward",
    )


def static_picture() -> Figure:
    """What remains where no kernel runs: the same graph in two orders, planned in the same way."""
    graph = tetris_graph("two branches")
    figure, axes = new_figure(10.4, 3.7, 1, 2)
    plans = []
    for order in ("as listed", "best"):
        steps = tetris_order(graph, order)
        plans.append((order, steps, memory_tetris(graph, steps, "greedy", 1, 4),
                      4 * live_peak(list(order_uses(steps, graph).values()))))
    top = max(_top(rects) for _, _, rects, _ in plans)
    for ax, (order, steps, rects, bound) in zip(axes, plans):
        _draw_arena(ax, rects, steps, bound, top)
        told = {"as listed": "Both large tensors first", "best": "One branch after the other"}[order]
        ax.set_title(f"{told}: {bound // 1024} KiB", fontsize=10.5, color=INK, loc="left")
    return figure


# --- the pools of a language model ----------------------------------------------------------------

TECHNIQUES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "weights in 4 bits, groups of 128": ("quantize_weights", {"bits": effective_bits(4, 128, 16, 4)}),
    "KV cache in 8 bits": ("quantize_kv", {"bits": 8}),
    "half of the batch": ("halve_batch", {}),
    "half of the weights zero, dense": ("unstructured_prune", {"sparsity": 0.5}),
}
POOLS = (("weights", "weights_bytes", "//"), ("KV cache", "kv_bytes", ".."), ("activations", "activation_bytes", "xx"),
         ("workspace (assumed)", "workspace_bytes", ""))


def llm_pools(context: int = 8192, batch: int = 8, techniques: Sequence[str] = (),
              card_gb: int = 24) -> tuple[Figure, str]:
    """The pools of Llama-3-8B before and after the chosen techniques, beside a card's memory."""
    before = llm_footprint(LLAMA3_8B, context, batch, prefill_tokens=256 * batch)  # of each sequence 256
    after = before
    for name in techniques:
        kind, options = TECHNIQUES[name]
        after = apply_technique(after, kind, **options)
    figure, (ax,) = new_figure(9.6, 2.9)
    _draw_pools(ax, {"16 bits": before, "after": after}, card_gb)
    return figure, _tell_pools(context, batch, techniques, card_gb, before, after)


def _draw_pools(ax: Axes, bars: Mapping[str, Footprint], card_gb: int) -> None:
    colours = dict(zip((p[0] for p in POOLS), (PALETTE[0], PALETTE[4], GREEN, GREY)))
    for row, fp in enumerate(reversed(bars.values())):
        left = 0.0
        for name, key, hatch in POOLS:
            size = getattr(fp, key) / 1e9
            ax.barh(row, size, left=left, color=colours[name], hatch=hatch, edgecolor="white", height=0.5,
                    label=name if row == 0 else None)
            left += size
        ax.text(left, row, f"  {left:.1f} GB", va="center", fontsize=9.5, color=INK)
    edge = max(card_gb, *(fp.total_bytes / 1e9 for fp in bars.values())) * 1.17
    ax.plot([card_gb, card_gb], [-0.5, 1.6], color=ORANGE, linestyle="--", linewidth=2, label=f"a card of {card_gb} GB")
    ax.set(xlim=(0, edge), ylim=(-0.5, 2.3), yticks=range(len(bars)), yticklabels=list(reversed(bars)))
    ax.grid(False, axis="y")
    ax.legend(fontsize=8.5, frameon=False, loc="upper left", ncols=5, columnspacing=1.2)
    label(ax, "memory in GB", "", "Llama-3-8B: which pool is the large one?")


def _tell_pools(context: int, batch: int, techniques: Sequence[str], card_gb: int, before: Footprint,
                after: Footprint) -> str:
    def told(fp: Footprint) -> str:
        return ", ".join(f"{name} {getattr(fp, key) / 1e9:.2f}" for name, key, _ in POOLS)

    chosen = "; ".join(techniques) or "nothing"
    fits = "fits" if after.total_bytes <= card_gb * 1e9 else "does not fit"
    return (f"Llama-3-8B, {batch} sequences of {context:,} tokens. In 16 bits, GB: {told(before)}; together "
            f"{before.total_bytes / 1e9:.2f}. After {chosen}: {told(after)}; together {after.total_bytes / 1e9:.2f}. "
            f"That {fits} a card of {card_gb} GB. Weights, cache and activations (256 prompt tokens of each sequence) "
            f"are computed from the shapes; nothing is measured here.")


def pools_explorer() -> Any:
    """The interactive pools."""
    import ipywidgets as widgets

    names = list(TECHNIQUES)

    def draw(context: int, batch: int, card_gb: int, **ticked: bool) -> tuple[Figure, str]:
        return llm_pools(context, batch, [name for i, name in enumerate(names) if ticked[f"t{i}"]], card_gb)

    boxes = {f"t{i}": widgets.Checkbox(value=False, description=name) for i, name in enumerate(names)}
    return explorer(
        draw,
        {
            "context": widgets.SelectionSlider(options=[2048, 8192, 32768, 131072], value=8192, description="tokens"),
            "batch": widgets.SelectionSlider(options=[1, 2, 4, 8, 16], value=8, description="sequences"),
            "card_gb": widgets.ToggleButtons(options=[16, 24, 48, 80], value=24, description="GB"),
            **boxes,
        },
        Prediction("8 sequences of 131,072 tokens. All weights go from 16 to about 4 bits. By how much does the total "
                   "shrink?",
                   ("to about a quarter", "to about a half", "by less than a tenth"), 2,
                   "At this length the KV cache takes 137 GB of 155 GB, and it keeps its 16 bits."),
        title="Pools of a language model",
    )


# --- patches --------------------------------------------------------------------------------------


def patch_table(grids: Sequence[int] = (1, 2, 3, 4)) -> Shown:
    """MobileNetV2 up to its first 28 x 28 map, in INT8, computed in grid x grid patches."""
    ops = mobilenet_v2_ops()
    start = ops[: [op.name for op in ops].index("project 4") + 1]
    rows = []
    for grid in grids:
        cost = patch_peak_bytes(start, 224, grid)
        peak = cost.whole_bytes if grid == 1 else cost.peak_bytes  # one patch is the plain run
        rows.append((f"{grid} × {grid}", f"{peak / 1024:,.1f}", f"{100 * (cost.recompute_ratio - 1):.0f} %"))
    return table(("patches", "peak in KiB", "extra multiply-accumulates in this part"), rows)


# --- measurements ---------------------------------------------------------------------------------


def files_table(rows: Sequence[Mapping[str, Any]]) -> Shown:
    """Bytes of ONNX files, with the ratio to FP32 and the ratio that the parameters predict."""
    kinds = (("fp32", "FP32", lambda r: 1), ("zeros", "80 % zeros", lambda r: 1),
             ("half", "half the channels", lambda r: r["parameters"] / r["half_parameters"]),
             ("int8", "INT8, Q/DQ", lambda r: 4))
    told = [(f"{r['name']}, {name}", f"{r[key]:,}", f"{r['fp32'] / r[key]:.2f}", f"{predicted(r):.2f}")
            for r in rows for key, name, predicted in kinds]
    return table(("file", "bytes", "times smaller than FP32", "predicted"), told)


def orders_table() -> Shown:
    """The two orders: predicted, traced by torch, resident; a sentence where the kernel does not tell."""
    from utils.compression.memory_experiment import order_rows

    return _measured(lambda: table(
        ("order", "predicted, MB", "torch on meta, MB", "resident, MB"),
        [(r["name"], *(f"{r[key] / 1e6:.1f}" for key in ("predicted", "traced", "resident"))) for r in order_rows()],
        "peak beside the input x"))


def engine_chart() -> Shown:
    """Predicted and measured bytes of MobileNetV2's start as bars; a sentence where the kernel does not tell."""
    from utils.compression.memory_experiment import engine_rows

    return _measured(lambda: _engine_bars(engine_rows()))


def _engine_bars(rows: Sequence[Mapping[str, Any]]) -> Shown:
    figure, (ax,) = new_figure(8.4, 2.7)
    for at, row in enumerate(reversed(rows)):
        measured = row["name"].startswith("measured")
        ax.barh(at, row["bytes"] / 1e6, height=0.6, color=ORANGE if measured else PALETTE[0],
                hatch="//" if measured else "", edgecolor="white")
        ax.text(row["bytes"] / 1e6, at, f"  {row['bytes'] / 1e6:.1f} MB", va="center", fontsize=9, color=INK)
    ax.set(yticks=range(len(rows)), yticklabels=[row["name"] for row in reversed(rows)],
           xlim=(0, max(r["bytes"] for r in rows) / 1e6 * 1.15))
    ax.grid(False, axis="y")
    label(ax, "MB beside weights and images", "")
    told = "; ".join(f"{row['name']} {row['bytes'] / 1e6:.1f} MB" for row in rows) + "."
    return Shown(figure_html(figure, told, 760), told)


def _measured(show: Any) -> Shown:
    try:
        return show()
    except EngineUnavailable as error:
        return Shown(f"<p>Not measured here: {error}.</p>", f"Not measured here: {error}.")


def gpu_numbers(batches: Sequence[int] = (1, 4, 16, 64)) -> Shown:
    """MobileNetV2 on the GPU: the traced prediction beside the allocator's peak; a sentence without a GPU."""
    import torch

    if not torch.cuda.is_available():
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    return table(("batch", "traced on meta, MB", "max_memory_allocated beside weights and images, MB"),
                 [(str(r["batch"]), f"{r['traced'] / 1e6:.1f}", f"{r['allocated'] / 1e6:.1f}")
                  for r in cuda_rows(batches)], torch.cuda.get_device_name())


def cuda_rows(batches: Sequence[int]) -> list[dict[str, int]]:
    """For each batch the live peak of MobileNetV2's inference in FP32: traced on "meta", and allocated on the GPU."""
    import torch

    from utils.cost.memory.live_tensors import trace_inference
    from utils.networks.classic import mobilenet_v2

    on_meta, model = mobilenet_v2().eval().to("meta"), mobilenet_v2().eval().cuda()
    rows = []
    for batch in batches:
        x = torch.zeros(batch, 3, 224, 224, device="cuda")
        with torch.no_grad():
            model(x)  # what libraries keep for themselves is there from now on
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            model(x)
        traced = trace_inference(on_meta, torch.zeros(batch, 3, 224, 224, device="meta"))
        rows.append({"batch": batch, "traced": traced.peak_bytes,
                     "allocated": torch.cuda.max_memory_allocated() - before})
    return rows

"""Figures of chapter 22: a network's arena, and the channels at which a convolution touches least."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from utils.cost.arena import (
    Plan,
    TensorUse,
    live_peak,
    order_uses,
    plan_arena,
    plan_naive,
    plan_optimal,
    ready_order,
)
from utils.cost.memory import human_bytes
from utils.networks.design import access_elements

from .shell import Prediction, explorer
from .style import BLUE, INK, ORANGE, PALETTE, Shown, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from utils.networks.on_device import FusionRun

MIB = 2**20
TYPES = {"FP32": 4, "FP16": 2, "INT8": 1}
PLANNERS = {"naive": plan_naive, "greedy": plan_arena, "optimal": plan_optimal}
TOY = {"in": 2, "a1": 8, "a2": 1, "b1": 8, "b2": 1, "cat": 2}
TOY_READS = {"in": [], "a1": ["in"], "a2": ["a1"], "b1": ["in"], "b2": ["b1"], "cat": ["a2", "b2"]}


@lru_cache(32)
def network_uses(name: str, resolution: int, item_bytes: int) -> tuple[tuple[str, TensorUse], ...]:
    """Names and lifetimes of a network's maps; KeyError for an unknown network."""
    from utils.compression.spatial_graph import mobilenet_v2_tensor_graph
    from utils.networks.on_device import mobilenet_v1_sizes, sequential_uses

    if name == "MobileNetV1":
        uses = sequential_uses(mobilenet_v1_sizes(resolution, item_bytes))
        return tuple((f"t{i}", use) for i, use in enumerate(uses))
    if name == "MobileNetV2":
        graph = mobilenet_v2_tensor_graph(resolution, item_bytes=item_bytes)
        return tuple(order_uses(ready_order(graph), graph).items())
    order = {"two branches, one by one": ("in", "a1", "a2", "b1", "b2", "cat"),
             "two branches, side by side": ("in", "a1", "b1", "a2", "b2", "cat")}[name]
    step = {node: i for i, node in enumerate(order)}
    last = {node: max([step[n] for n in order if node in TOY_READS[n]], default=len(order) - 1) for node in order}
    return tuple((n, TensorUse(TOY[n] * 2**17 * item_bytes, step[n], last[n])) for n in order)


NETWORKS = ("MobileNetV1", "MobileNetV2", "two branches, one by one", "two branches, side by side")


def arena_rectangles(uses: Sequence[TensorUse], plan: Plan) -> list[tuple[int, int, int, int]]:
    """(first step, steps, offset, bytes) of each tensor."""
    return [(u.first, u.last - u.first + 1, at, u.size) for u, at in zip(uses, plan.offsets)]


def draw_arena(network: str = "MobileNetV1", planner: str = "greedy", dtype: str = "FP32",
               resolution: int = 224) -> tuple[Figure, str]:
    """Tensors over time and address, the arena, and the bytes that live at the fullest step."""
    from matplotlib.patches import Rectangle

    named = network_uses(network, resolution, TYPES[dtype])
    uses = [use for _, use in named]
    asked, planner = planner, "greedy" if planner == "optimal" and len(uses) > 8 else planner
    plan, bound, naive = PLANNERS[planner](uses), live_peak(uses), plan_naive(uses).total_bytes
    figure, (ax,) = new_figure(9.8, 3.8)
    for i, (first, steps, at, size) in enumerate(arena_rectangles(uses, plan)):
        color = PALETTE[i % len(PALETTE)]
        ax.add_patch(Rectangle((first - 0.5, at / MIB), steps, size / MIB, facecolor=color, alpha=0.55, edgecolor=color,
                               hatch=("", "//", "..", "xx")[i % 4]))
        if size > 0.15 * plan.total_bytes:
            ax.text(first + steps / 2 - 0.5, (at + size / 2) / MIB, named[i][0], ha="center", va="center", fontsize=8,
                    bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1})
    ax.axhline(plan.total_bytes / MIB, color=INK, linewidth=1.5, label=f"arena {plan.total_bytes / MIB:.4g} MiB")
    ax.axhline(bound / MIB, color=ORANGE, linestyle="--", linewidth=1.5, label=f"fullest step {bound / MIB:.4g} MiB")
    ax.set(xlim=(-0.7, max(u.last for u in uses) + 0.7), ylim=(0, 1.2 * plan.total_bytes / MIB))
    ax.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    label(ax, "operator that runs (step)", "address (MiB)", f"{network}, {dtype}, planner {planner}")
    note = "" if asked == planner else f" The exhaustive planner takes at most 8 tensors, here are {len(uses)}."
    return figure, (
        f"{network}, {dtype}, {resolution} × {resolution}, planner {planner}: the arena takes "
        f"{human_bytes(plan.total_bytes)}. Separate buffers would take {human_bytes(naive)}, "
        f"{naive / plan.total_bytes:.1f} times as much; no plan of this order can be smaller than {human_bytes(bound)}."
        + note)


def arena_map() -> Any:
    """The arena with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "network": widgets.Dropdown(options=NETWORKS),
        "planner": widgets.Dropdown(options=list(PLANNERS), value="naive"),
        "dtype": widgets.Dropdown(options=list(TYPES), description="type"),
        "resolution": widgets.SelectionSlider(options=(96, 128, 160, 192, 224), value=224),
    }
    guess = Prediction("MobileNetV1's image and maps are 19.8 MiB in FP32. How small can one arena for them be?",
                       ("about 10 MiB", "4.6 MiB", "0.6 MiB, the largest layer's weights"), 1,
                       "Two maps live at a time. The fullest step reads 112 × 112 × 32 and writes 112 × 112 × 64 "
                       "values.")
    return explorer(draw_arena, knobs, guess, "A network in one arena")


# --- channels ------------------------------------------------------------------------------------


def draw_channels(stride: int = 2, side: int = 56, k: int = 3, log2_product: int = 16) -> tuple[Figure, str]:
    """Elements that a convolution touches over the ratio of its channels, at a fixed number of MACs."""
    product, out = 2**log2_product, side // stride
    middle = log2_product // 2
    pairs = [(2**a, product // 2**a) for a in range(middle - 3, middle + 4)]
    touched = [access_elements(side, side, out, out, c_in, c_out, k) for c_in, c_out in pairs]
    best = min(range(len(pairs)), key=touched.__getitem__)
    figure, (ax,) = new_figure(8.4, 3.2)
    ratios = [c_out / c_in for c_in, c_out in pairs]
    ax.plot(ratios, [t / 1e6 for t in touched], color=BLUE, marker="o", markersize=5)
    ax.plot(ratios[best], touched[best] / 1e6, marker="D", color=ORANGE, markersize=9, linestyle="none")
    ax.axvline(stride**2, color=INK, linestyle="--", linewidth=1, label=f"stride² = {stride**2}")
    ax.set_xscale("log", base=2)
    ax.set_ylim(0)
    ax.legend(fontsize=8, frameon=False)
    label(ax, "c_out / c_in (log)", "elements touched (millions)",
          f"{k} × {k}, stride {stride}, {side} × {side} in, equal MACs")
    equal = 2 ** (log2_product // 2)
    even = access_elements(side, side, out, out, equal, product // equal, k)
    return figure, (
        f"Every point has {out * out * product * k * k / 1e6:,.0f} million MACs. Fewest elements: {touched[best]:,} at "
        f"{pairs[best][0]} to {pairs[best][1]} channels, ratio {ratios[best]:g}; with {equal} to {product // equal} "
        f"it is {even:,}.")


def channel_curve() -> Any:
    """The curve with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "stride": widgets.SelectionSlider(options=(1, 2, 4), value=2),
        "side": widgets.SelectionSlider(options=(14, 28, 56, 112), value=56, description="side of the input"),
        "k": widgets.SelectionSlider(options=(1, 3, 5), value=3, description="kernel"),
        "log2_product": widgets.IntSlider(16, 10, 20, 2, description="log2 of c_in · c_out"),
    }
    guess = Prediction("A 3 × 3 convolution with stride 2 and a fixed number of MACs: at which channels does it touch "
                       "the fewest elements?", ("c_in = c_out", "c_out = 2 · c_in", "c_out = 4 · c_in"), 2,
                       "The output has a quarter of the pixels, so four times the channels weigh the same.")
    return explorer(draw_channels, knobs, guess, "Equal channels?")


# --- the experiment ------------------------------------------------------------------------------


def fusion_table(run: FusionRun) -> Shown:
    """Nodes and milliseconds without and with the runtime's fusions."""
    rows = [("as written", run.nodes[0], f"{run.ms[0]:.2f}", "1.00"),
            ("optimised", run.nodes[1], f"{run.ms[1]:.2f}", f"{run.speedup:.2f}")]
    counts = ", ".join(f"{run.ops.count(op)} {op}" for op in dict.fromkeys(run.ops))
    return table(("graph", "nodes", "ms (minimum)", "times as fast"), rows,
                 f"Measured on this machine, one thread; left are {counts}; largest difference {run.max_abs:.0e}")


def engine_note() -> Shown:
    """TensorRT's view of the same chain where it is installed, or what the cell would show."""
    from utils.optional import EngineUnavailable, require

    try:
        require("tensorrt", "`pip install tensorrt` on a machine with an NVIDIA GPU")
        return Shown(*2 * (_engine_sentence(),))
    except EngineUnavailable:
        told = ("TensorRT is not available here. On a machine with it and an NVIDIA GPU this cell builds the same "
                "chain and tells the engine's layers and its device memory.")
        return Shown(f"<p>{told}</p>", told)


def _engine_sentence() -> str:
    import tensorrt as trt

    from utils.engines.tensorrt_build import build_plan
    from utils.networks.on_device import fusable_blocks

    plan = build_plan(trt, fusable_blocks().SerializeToString(), {}, 1 << 28, False)
    engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
    size = getattr(engine, "device_memory_size_v2", None) or engine.device_memory_size
    return f"TensorRT: 24 nodes became {engine.num_layers} layers; activations take {human_bytes(size)} on the GPU."


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_arena("MobileNetV1", "greedy")[0]

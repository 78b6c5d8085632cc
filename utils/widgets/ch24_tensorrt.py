"""Chapter 24's figures: what a compiler makes of a block, which tactic wins where, and the experiment's tables."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.engines.tensorrt_optimizer import Options, fuse_vertical, layers_of
from utils.engines.tensorrt_optimizer.blocks import BLOCKS, inception_block
from utils.engines.tensorrt_optimizer.measurements import (
    SiblingTimes,
    named_groups,
    tensorrt_layers,
    time_block,
    time_tactics,
)
from utils.engines.tensorrt_optimizer.views import compile_view
from utils.optional import EngineUnavailable

from .shell import Prediction, explorer
from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PALETTE,
    SKY,
    YELLOW,
    Shown,
    label,
    line_style,
    new_figure,
    shown_figure,
    table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KIB, MIB = 2**10, 2**20
SHORT = {"BatchNormalization": "BN", "GlobalAveragePool": "Pool", "MaxPool": "Pool"}


# --- the compiler's view ----------------------------------------------------------------------------


def kernel_label(name: str, op: str) -> str:
    """A kernel's name for an axis: what it is made of, and the first layer of each branch."""
    ops = "+".join(SHORT.get(part, part) for part in op.split("+"))
    firsts = [branch.split(" + ")[0] for branch in name.split(" || ")]
    if len(firsts) > 1:
        return f"{len(firsts)} × {ops}:\n{', '.join(firsts)}"
    return f"{ops}: {firsts[0]}" if "+" in op else name


def _draw_kernels(ax: Axes, view: dict) -> None:
    kernels = view["kernels"]
    sizes = [moved / KIB for _, _, _, moved in kernels]
    ax.barh(range(len(kernels)), sizes, color=BLUE, height=0.7)
    ax.set_yticks(range(len(kernels)), [kernel_label(name, op) for name, op, _, _ in kernels], fontsize=7.5)
    for y, size in enumerate(sizes):
        ax.text(size, y, f" {size:,.0f}", va="center", fontsize=7.5, color=INK)
    ax.set_ylim(len(kernels) - 0.4, -0.6)
    ax.set_xlim(0, max(540, 1.12 * max(sizes)))
    ax.grid(False, axis="y")
    label(ax, "KiB read and written", "", f"{len(kernels)} kernels move {view['dram_bytes'] / MIB:.2f} MiB")


def _draw_arena(ax: Axes, view: dict) -> None:
    for index, (name, offset, size, first, last) in enumerate(view["arena"]):
        color = PALETTE[index % 6]
        ax.bar(first - 0.5, size / KIB, width=last - first + 1, bottom=offset / KIB, align="edge", color=color,
               edgecolor="white", linewidth=0.8)
        # letters that fit side by side in the whole width and height of the axes: about 46 and 26
        across = 46 * (last - first + 1) / len(view["kernels"])
        up = 26 * size / view["peak_bytes"]
        if up > 1.2 and max(across, up) > len(name):
            ink = INK if color in (YELLOW, SKY) else "white"
            ax.text((first + last) / 2, (offset + size / 2) / KIB, name, ha="center", va="center", fontsize=7.5,
                    color=ink, rotation=0 if across > len(name) else 90)
    ax.set_xlim(-0.6, len(view["kernels"]) - 0.4)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylim(0, view["peak_bytes"] / KIB * 1.02)
    ax.grid(False)
    label(ax, "step (one kernel each)", "address in the arena (KiB)",
          f"arena {view['peak_bytes'] / KIB:,.0f} KiB for {view['sum_bytes'] / KIB:,.0f} KiB of tensors")


def draw_compiler(
    block: str, vertical: bool, horizontal: bool, concat: bool, measured: bool = False
) -> tuple[Figure, str]:
    """Bytes moved by each kernel, and the arena, of a block under three optimisations."""
    options = Options(vertical, horizontal, concat)
    view = compile_view(block, options)
    figure, axes = new_figure(11.0, 1.9 + 0.2 * max(8, len(view["kernels"])), 1, 2)
    _draw_kernels(axes[0], view)
    _draw_arena(axes[1], view)
    return figure, _tell(block, options, view) + (_tell_time(block, options) if measured else "")


def _tell(block: str, options: Options, view: dict) -> str:
    on = [name for name, used in (("vertical fusion", options.vertical), ("horizontal fusion", options.horizontal),
                                  ("concat elimination", options.concat)) if used]
    return (f"{block}, batch 1, float32; applied: {', '.join(on) or 'nothing'}. {view['layers']} operators become "
            f"{len(view['kernels'])} kernels, which read and write {view['dram_bytes'] / MIB:.2f} MiB if nothing is "
            f"cached between them. The arena has {view['peak_bytes'] / KIB:,.0f} KiB for tensors of "
            f"{view['sum_bytes'] / KIB:,.0f} KiB in all.")


def _tell_time(block: str, options: Options) -> str:
    plain, these = time_block(block, [Options(False, False, False), options])
    return (f" Measured here in ONNX Runtime, one thread, its own optimisers off: {these:.2f} ms against "
            f"{plain:.2f} ms for the block as written.")


def compiler_view() -> Any:
    """The interactive figure "compiler view"."""
    import ipywidgets as widgets

    return explorer(draw_compiler, {
        "block": widgets.Dropdown(options=list(BLOCKS), value="Inception block", description="block"),
        "vertical": widgets.Checkbox(value=False, description="vertical fusion", indent=False),
        "horizontal": widgets.Checkbox(value=False, description="horizontal fusion", indent=False),
        "concat": widgets.Checkbox(value=False, description="concat elimination", indent=False),
        "measured": widgets.Checkbox(value=False, description="measure in ONNX Runtime", indent=False),
    }, Prediction(
        "The Inception block has 20 operators: six times convolution, batch norm and Relu, a pool, a concatenation. "
        "How many kernels remain when all three optimisations are on?",
        ("12", "8", "5"), 2,
        "Vertical fusion leaves 8. Three 1x1 convolutions share their input and become one: 6. The concatenation goes: "
        "5."),
        "Compiler view")


# --- tactics ----------------------------------------------------------------------------------------

LIMIT_BYTES = 64 * MIB


def draw_tactics(channels: int, size: int, kernel: int) -> tuple[Figure, str]:
    """Measured times of all tactics for one convolution, and the workspace that each needs."""
    from utils.engines.tensorrt_optimizer.tactics import TACTICS, ConvShape

    shape = ConvShape.same(1, channels, size, size, channels, kernel)
    times = time_tactics([shape], rounds=5, limit_bytes=LIMIT_BYTES)[0]
    best = min(times, key=times.get)
    figure, (ax,) = new_figure(8.6, 2.9)
    for y, (name, tactic) in enumerate(TACTICS.items()):
        if name in times:
            look = {"color": GREEN} if name == best else {"color": BLUE, "hatch": "//"}
            ax.barh(y, times[name], height=0.6, edgecolor="white", **look)
            note = f" {times[name]:.3g} ms, workspace {tactic.workspace_bytes(shape) / MIB:.2g} MiB"
            ax.text(times[name], y, note + (" – fastest" if name == best else ""), va="center", fontsize=8.5, color=INK)
        else:
            why = "over the limit of 64 MiB" if tactic.supports(shape) else "only for 3x3 filters"
            ax.text(min(times.values()), y, f" {why}", va="center", fontsize=8.5, color=GREY)
    ax.set_yticks(range(len(TACTICS)), list(TACTICS))
    ax.set(xscale="log", ylim=(len(TACTICS) - 0.4, -0.6))
    ax.set_xlim(min(times.values()) / 3, max(times.values()) * 60)
    ax.minorticks_off()
    label(ax, "milliseconds (log scale)", "",
          f"{channels} to {channels} channels, {size} x {size}, filter {kernel} x {kernel}")
    ranking = sorted(times, key=times.get)
    others = ", ".join(f"{name} {times[name]:.3g} ms" for name in ranking[1:])
    return figure, (f"Measured here, one thread: {best} is fastest with {times[best]:.3g} ms"
                    + (f"; {others}." if others else "; nothing else fits."))


def tactic_map() -> Any:
    """The interactive figure "tactic map"."""
    import ipywidgets as widgets

    return explorer(draw_tactics, {
        "channels": widgets.SelectionSlider(options=[1, 2, 4, 8, 16], value=1, description="channels"),
        "size": widgets.SelectionSlider(options=[14, 28, 56, 112], value=112, description="height and width"),
        "kernel": widgets.SelectionSlider(options=[1, 3, 5, 7, 11, 15], value=3, description="filter"),
    }, Prediction(
        "You raise the filter from 3 x 3 to 15 x 15. The time of which tactic grows least?",
        ("direct", "im2col_gemm", "fft"), 2,
        "A spectrum has as many numbers as image and filter together span, and the product is one multiplication for "
        "each. The other two do k · k multiplications for every output."), "Tactic map, measured on this machine")


# --- the experiment ---------------------------------------------------------------------------------


def tactic_table(kernels: Sequence[int], rows: Sequence[dict[str, float]]) -> Shown:
    """Milliseconds of the tactics against the filter's size; "-" where a tactic cannot do it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [(f"{k} x {k}", *(f"{row[n]:.3f}" if n in row else "-" for n in names), min(row, key=row.get))
             for k, row in zip(kernels, rows)]
    return table(("filter", *(f"{n} (ms)" for n in names), "fastest"), cells)


def draw_sweep(kernels: Sequence[int], rows: Sequence[dict[str, float]]) -> tuple[Figure, str]:
    """Time against the filter's size for each tactic."""
    figure, (ax,) = new_figure(7.6, 3.4)
    for index, name in enumerate(dict.fromkeys(n for row in rows for n in row)):
        points = [(k, row[name]) for k, row in zip(kernels, rows) if name in row]
        ax.plot(*zip(*points), label=name, **line_style(index))
    ax.set_yscale("log")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    label(ax, "filter width (values)", "ms (log scale)", "one channel of 128 x 128, measured on this machine")
    first, last = (row["fft"] / row["direct"] for row in (rows[0], rows[-1]))
    return figure, (f"Measured here: with a {kernels[0]} x {kernels[0]} filter fft takes {first:.2g} times as long as "
                    f"direct, with {kernels[-1]} x {kernels[-1]} {last:.2g} times.")


def sweep_picture(kernels: Sequence[int], rows: Sequence[dict[str, float]]) -> Shown:
    """The picture of `draw_sweep` for a code cell."""
    return shown_figure(*draw_sweep(kernels, rows))


def sibling_table(times: SiblingTimes) -> Shown:
    """Three sibling convolutions and the merged one."""
    rows = [("three convolutions", times.separate_ms), ("one, with a Split behind it", times.merged_ms),
            ("one, read as slices", times.unsplit_ms)]
    return table(("kernels", "ms", "ratio"), [(n, f"{ms:.4f}", f"{ms / times.separate_ms:.2f}") for n, ms in rows],
                       f"largest difference of the results: {times.max_difference:g}")


def tensorrt_groups() -> Shown:
    """TensorRT's own fused layers of the Inception block beside ours, or one line that says what the cell would do."""
    model = inception_block()
    layers = layers_of(model)
    try:
        theirs = named_groups(tensorrt_layers(model), [layer.name for layer in layers])
    except EngineUnavailable as error:
        told = f"{error}. There, this cell builds the Inception block and prints TensorRT's fused layers beside ours."
        return Shown(f"<p>{html.escape(told)}</p>", told)
    ours = [tuple(layer.name for layer in group.layers) for group in fuse_vertical(layers, ["concat"])]
    rows = [(" + ".join(group), "yes" if group in ours else "no") for group in theirs]
    told = f"{len(theirs)} layers; our vertical fusion makes {len(ours)}"
    return table(("TensorRT's layer", "also ours"), rows, told)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: the Inception block as written and with everything on."""
    figure, axes = new_figure(11.0, 7.2, 2, 2, height_ratios=(1.9, 1))
    for row, on in enumerate((False, True)):
        view = compile_view("Inception block", Options(on, on, on))
        _draw_kernels(axes[2 * row], view)
        _draw_arena(axes[2 * row + 1], view)
    return figure

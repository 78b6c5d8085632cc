"""Figures and measurements of chapter 12: the counting microscope, the counter court, the cost explorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from utils.cost.flops.figures import cost_point, layer_rates, matched_layers, matmul_rates, microscope_state
from utils.cost.latency import time_interleaved
from utils.widgets.flop_court import CASES, counter_verdicts
from utils.widgets.shell import Prediction, explorer

from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    YELLOW,
    Shown,
    figure_html,
    label,
    line_style,
    new_figure,
    table,
    table_html,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# --- the counting microscope ------------------------------------------------------------------

SIDE = 5  # the image is 5 x 5


def microscope(step: int, kernel: int = 3, channels: int = 2, padding: int = 1, skip_padding: bool = False,
               bias: bool = True) -> tuple[Figure, str]:
    """One filter slides over a 5 x 5 image; on the right the counted additions and both formulas.

    The numbers come from running the convolution on counting numbers. `step` beyond the last window is the last.
    """
    def at(n: int) -> dict:
        return microscope_state(SIDE, SIDE, channels, kernel, padding, n, skip_padding, bias)

    last = at(0)["n_steps"]
    states = [at(n) for n in range(last + 1)]
    state = states[min(step, last)]
    figure, (image, tree, chart) = new_figure(11, 3.7, 1, 3, width_ratios=(1, 1.6, 1.2))
    _draw_image(image, state, kernel, padding, skip_padding)
    _draw_tree(tree, state, kernel, bias)
    _draw_sums(chart, states, min(step, last))
    return figure, _tell_microscope(state, min(step, last), channels, skip_padding and padding > 0)


def _tell_microscope(state: dict, step: int, channels: int, skips: bool) -> str:
    told = (f"After {step} of {state['n_steps']} windows the filter did {state['muls']:,} multiplications and "
            f"{state['adds']:,} additions. The exact formula says {state['formula_adds']:,}, the source's printed sum "
            f"{state['source_adds']:,}")
    if state["source_adds"] == state["adds"]:
        return told + (": the same, because one channel needs no sum across channels." if step else ".")
    causes = [f"{channels - 1} too many in each window"] if channels > 1 else []
    causes += ["it knows nothing of skipped taps"] if skips else []
    return f"{told}: {', and '.join(causes)}."


def _draw_image(ax: Axes, state: dict, kernel: int, padding: int, skip_padding: bool) -> None:
    from matplotlib.patches import Rectangle

    for row in range(-padding, SIDE + padding):
        for col in range(-padding, SIDE + padding):
            inside = 0 <= row < SIDE and 0 <= col < SIDE
            look = {"facecolor": "#DCEBF7"} if inside else {"facecolor": "white", "hatch": "///", "alpha": 0.6}
            ax.add_patch(Rectangle((col, row), 1, 1, edgecolor=GREY, linewidth=0.7, **look))
    if state["row"] is not None:
        ax.add_patch(Rectangle((state["col"] - padding, state["row"] - padding), kernel, kernel, facecolor="none",
                               edgecolor=ORANGE, linewidth=3))
    edge = 1.15
    ax.set(xlim=(-edge, SIDE + edge), ylim=(SIDE + edge, -edge), aspect="equal", xticks=[i + 0.5 for i in range(SIDE)],
           yticks=[i + 0.5 for i in range(SIDE)], xticklabels=range(SIDE), yticklabels=range(SIDE))
    ax.grid(False)
    where = "no window yet" if state["row"] is None else f"output row {state['row']}, column {state['col']}"
    hatched = " (hatched: padding)" if padding else ""
    label(ax, f"column{hatched}", "row", f"The window: {where}")


def _draw_tree(ax: Axes, state: dict, kernel: int, bias: bool) -> None:
    """Products (leaves) join to one sum a channel, the channels to one, then the bias: each joint is an addition."""
    products, taps = state["products"], kernel * kernel
    width = len(products) * (taps + 1.5)
    ax.set(xlim=(-1.5, width), ylim=(-0.95, 3.85))
    ax.axis("off")
    centres = [c * (taps + 1.5) + (taps - 1) / 2 for c in range(len(products))]
    middle = sum(centres) / len(centres)
    for c, (count, centre) in enumerate(zip(products, centres)):
        left = c * (taps + 1.5)
        for i in range(taps):
            ax.plot(left + i, 3, marker="s", markersize=7 if taps * len(products) < 20 else 5, color=BLUE,
                    markerfacecolor=BLUE if i < count else "white", markeredgecolor=BLUE if i < count else GREY)
            if i < count:
                ax.plot([left + i, centre], [2.9, 2.1], color=GREY, linewidth=0.7, zorder=0)
        plural = "" if count == 1 else "s"
        ax.text(centre, 3.24, f"channel {c}\n{count} product{plural}", ha="center", fontsize=8.5, color=INK)
        if count:
            ax.plot([centre, middle], [1.9, 1.1], color=GREY, linewidth=0.7, zorder=0)
        _joint(ax, centre, 2, max(count - 1, 0), BLUE)
    _joint(ax, middle, 1, state["adds_across"], ORANGE)
    ax.plot([middle, middle], [0.9, 0.1], color=GREY, linewidth=0.7, zorder=0)
    _joint(ax, middle, 0, state["adds_bias"], GREEN)
    edge = width - 0.4
    for y, text in ((2, "within\nchannels"), (1, "across\nchannels"), (0, "bias" if bias else "no bias")):
        ax.text(edge, y, text, ha="right", va="center", fontsize=8.5, color=INK)
    parts = [state[f"adds_{where}"] for where in ("within", "across", "bias")]
    ax.text(middle, -0.62, f"{' + '.join(map(str, parts))} = {sum(parts)} additions", ha="center", fontsize=11,
            color=INK, weight="bold")
    ax.set_title("This window's products and additions", fontsize=10.5, color=INK, loc="left")


def _joint(ax: Axes, x: float, y: float, additions: int, colour: str) -> None:
    box = {"boxstyle": "round,pad=0.3", "facecolor": colour if additions else GREY, "edgecolor": "none"}
    ax.text(x, y, f"+ {additions}", ha="center", va="center", fontsize=10, color="white", bbox=box)


def _draw_sums(ax: Axes, states: list[dict], step: int) -> None:
    def sums(key: str, until: int = len(states)) -> tuple[list[int], list[int]]:
        return list(range(len(states)))[:until], [s[key] for s in states[:until]]

    ax.plot(*sums("source_adds"), color=ORANGE, linestyle=":", linewidth=2.2, label="the source's printed sum")
    ax.plot(*sums("formula_adds"), color=GREY, linewidth=1.4, label="exact formula")
    ax.plot(*sums("adds", step + 1), color=BLUE, linestyle="none", marker="o", markersize=4.5,
            label="counted by execution")
    ax.set(xlim=(0, len(states)), ylim=(0, None))
    ax.legend(fontsize=8.5, frameon=False, loc="upper left")
    label(ax, "windows computed", "additions so far", "The tally")


def counting_microscope() -> Any:
    """The interactive microscope: step through the windows with the slider (arrow keys work too)."""
    import ipywidgets as widgets

    return explorer(
        microscope,
        {
            "step": widgets.IntSlider(value=8, min=0, max=36, description="windows"),
            "kernel": widgets.ToggleButtons(options=[1, 2, 3], value=3, description="K"),
            "channels": widgets.ToggleButtons(options=[1, 2, 3], value=2, description="C"),
            "padding": widgets.ToggleButtons(options=[0, 1], value=1, description="padding"),
            "skip_padding": widgets.Checkbox(value=False, description="skip padded taps"),
            "bias": widgets.Checkbox(value=True, description="bias"),
        },
        Prediction("A 3 × 3 window over 2 channels gives 18 products. How many additions follow, with bias?",
                   ("17", "18", "19", "20"), 1,
                   "8 in each channel, 1 across the channels, 1 for the bias: 2·8 + 1 + 1 = 18. "
                   "The source's printed sum gives 19."),
        title="Counting microscope: every operation below was executed and counted",
    )


# --- the counter court ------------------------------------------------------------------------

_verdicts = cache(counter_verdicts)


def court(network: str) -> tuple[str, str]:
    """Six counters on one small network, as a table with the cause of each difference."""
    rows = _verdicts(network)
    exact = rows[0]
    told = [(r["judge"], f"{r['macs']:,}", "—" if r["flops"] is None else f"{r['flops']:,}",
             "✓ MACs agree" if r["agrees"] else "✗ differs", r["cause"] or _remark(r, exact)) for r in rows]
    wrong = [r["judge"] for r in rows if not r["agrees"]]
    sentence = f"{network.capitalize()}: {exact['macs']:,} MACs and {exact['flops']:,} FLOPs by the closed form. "
    sentence += (f"{len(wrong)} of {len(rows)} counters give other MACs: {'; '.join(wrong)}." if wrong
                 else f"All {len(rows)} counters agree on the MACs.")
    return table_html(("counter", "MACs", "FLOPs", "verdict", "why"), told), sentence


def _remark(row: dict, exact: dict) -> str:
    """Why FLOPs differ where MACs agree."""
    if row["flops"] is None:
        return "counts MACs only"
    if row["flops"] == exact["flops"]:
        return ""
    if row["judge"] == "execution":
        return "softmax of s scores: 5·s − 2 operations executed, the closed form takes 5·s"
    more = "one addition too many for each output" if row["flops"] > exact["flops"] else "the softmax is left out"
    return f"FLOPs taken as 2 × MACs: {more}"


def counter_court() -> Any:
    """The interactive court."""
    import ipywidgets as widgets

    return explorer(
        court,
        {"network": widgets.Dropdown(options=list(CASES), value="attention", description="network")},
        Prediction("An attention layer runs on the CPU under torch's FlopCounterMode. What does the counter report?",
                   ("the right number", "half of it", "twice as much", "0"), 3,
                   "On the CPU a fused kernel runs, and the counter has no rule for that operator."),
        title="Counter court: one network, six counters",
    )


# --- the cost explorer ------------------------------------------------------------------------

_QUANTITIES = (("macs", "MACs", "millions", 1e6), ("params", "Parameters", "thousands", 1e3),
               ("activation_bytes", "Activations, FP32", "MB", 1e6),
               ("intensity", "Arithmetic intensity", "FLOP / byte", 1.0))


def cost(c_in: int = 256, c_out: int = 256, kernel: int = 3, stride: int = 1, groups: int = 1,
         resolution: int = 28) -> tuple[Figure, str]:
    """One convolution and its depthwise-separable replacement in four bar charts."""
    point = cost_point(c_in, c_out, kernel, stride, groups, resolution)
    figure, axes = new_figure(11, 2.9, 1, 4)
    for ax, (key, title, unit, scale) in zip(axes, _QUANTITIES):
        values = [point[key] / scale, point["separable"][key] / scale]
        bars = ax.bar(("this layer", "separable"), values, color=(BLUE, YELLOW), width=0.62)
        bars[1].set_hatch("//")
        ax.bar_label(bars, [_short(v) for v in values], padding=2, fontsize=9, color=INK)
        ax.set_ylim(0, max(values) * 1.18)
        label(ax, "", unit, title)
        ax.grid(False, axis="x")
    return figure, _tell_cost(point)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _tell_cost(point: dict) -> str:
    small, ratio = point["separable"], point["mac_ratio"]
    change = f"{1 / ratio:.1f} times fewer" if ratio <= 1 else f"{ratio:.1f} times as many"
    return (f"This layer: {point['macs'] / 1e6:,.1f} million MACs, {point['params']:,} parameters, "
            f"{point['intensity']:.1f} FLOP per byte. The separable pair: {small['macs'] / 1e6:,.1f} million MACs "
            f"({change}), {small['params']:,} parameters, {small['intensity']:.1f} FLOP per byte.")


def cost_explorer() -> Any:
    """The interactive cost explorer."""
    import ipywidgets as widgets

    def choice(values: Sequence[int], value: int, text: str) -> Any:
        return widgets.SelectionSlider(options=list(values), value=value, description=text)

    powers = (16, 32, 64, 128, 256, 512)
    return explorer(
        cost,
        {
            "c_in": choice(powers, 256, "C_in"), "c_out": choice(powers, 256, "C_out"),
            "kernel": choice((1, 3, 5, 7), 3, "K"), "stride": choice((1, 2), 1, "stride"),
            "groups": choice((1, 2, 4, 8, 16), 1, "groups"),
            "resolution": choice((7, 14, 28, 56, 112, 224), 28, "height and width"),
        },
        Prediction("You double the input's height and width. What happens to this layer's MACs and parameters?",
                   ("both × 4", "MACs × 4, parameters × 1", "MACs × 2, parameters × 1", "MACs × 4, parameters × 2"), 1,
                   "Four times as many positions use the same weights."),
        title="Cost explorer: one convolution and its separable replacement",
    )


# --- measurements -----------------------------------------------------------------------------


def time_layers(channels: int = 256, size: int = 28, rounds: int = 15) -> list[dict[str, Any]]:
    """Rows name, macs, ms, gflop_s, intensity of the matched layers on one CPU thread.

    The layers are timed in turns and the shortest time is kept, so that other work on the machine matters less.
    """
    import torch

    layers = matched_layers(channels, size)
    inputs = [torch.randn(layer.shape) for layer in layers]
    fns = {layer.name: (lambda module=layer.module, x=x: module(x)) for layer, x in zip(layers, inputs)}
    samples = _on_one_thread(lambda: time_interleaved(fns, rounds, warmup=3))
    shortest = {name: float(times.min()) for name, times in samples.items()}
    return [{"name": layer.name, "macs": layer.ops.macs, "ms": shortest[layer.name], "intensity": layer.intensity(),
             "gflop_s": layer.ops.flops / shortest[layer.name] / 1e6} for layer in layers]


def _on_one_thread(fn: Callable[[], Any]) -> Any:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            return fn()
    finally:
        torch.set_num_threads(threads)


def layer_table(rows: Sequence[dict[str, Any]]) -> Shown:
    """The timed layers as a table."""
    told = [(r["name"], f"{r['macs'] / 1e6:.2f}", f"{r['intensity']:.2f}", f"{r['ms']:.3f}", f"{r['gflop_s']:.2f}")
            for r in rows]
    return table(("layer", "million MACs", "FLOP per byte", "time in ms", "GFLOP/s"), told)


def separable_verdict(rows: Sequence[dict[str, Any]]) -> str:
    """The full convolution against depthwise + pointwise: ratio of MACs, ratio of times, ratio of rates."""
    by_name = {r["name"]: r for r in rows}
    full, depthwise, pointwise = (by_name[n] for n in ("full 3x3", "depthwise 3x3", "pointwise 1x1"))
    macs = full["macs"] / (depthwise["macs"] + pointwise["macs"])
    times = full["ms"] / (depthwise["ms"] + pointwise["ms"])
    share = 100 * depthwise["gflop_s"] / full["gflop_s"]
    return (f"Depthwise and pointwise together: {macs:.1f} times fewer MACs, {times:.1f} times less time.\n"
            f"The depthwise layer reached {share:.1f} % of the full convolution's GFLOP/s.")


def time_matmuls(sizes: Sequence[int] = (16, 32, 64, 128, 256, 512, 1024), repeats: int = 9) -> list[tuple[int, float]]:
    """(n, GFLOP/s) of n x n matrix products on one CPU thread, by the shortest of `repeats` times."""
    def shortest(fn: Callable[[], object]) -> float:
        return float(time_interleaved({"": fn}, repeats, warmup=2)[""].min())

    return _on_one_thread(lambda: matmul_rates(sizes, shortest))


def matmul_chart(rates: Sequence[tuple[int, float]]) -> Shown:
    """Achieved GFLOP/s over the size of the product."""
    figure, (ax,) = new_figure(6.4, 3.0)
    ax.plot([n for n, _ in rates], [r for _, r in rates], **line_style(0))
    ax.set_xscale("log", base=2)
    ax.set_xticks([n for n, _ in rates], [str(n) for n, _ in rates])
    ax.set_ylim(0, max(r for _, r in rates) * 1.15)
    label(ax, "n of an n × n product", "GFLOP/s achieved", "One thread: the same formula, another rate")
    told = ", ".join(f"n = {n}: {r:.0f}" for n, r in rates)
    return Shown(figure_html(figure, f"GFLOP/s of n × n matrix products: {told}.", 560), f"GFLOP/s by size: {told}")


def gpu_table() -> Shown:
    """The matched layers on the GPU in FP16 and in FP32 with TF32 on and off; a sentence where there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    return precision_table(_cuda_ms, "cuda", torch.cuda.get_device_name())


def precision_table(time_ms: Callable[[Callable[[], object]], float], device: str, name: str) -> Shown:
    """GFLOP/s of the matched layers in FP16, FP32 with TF32, and FP32."""
    import torch

    before = torch.get_float32_matmul_precision()
    columns = {}
    try:
        for title, dtype, tf32 in (("FP16", "float16", False), ("FP32 as TF32", "float32", True),
                                   ("FP32", "float32", False)):
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
                columns[title] = layer_rates(matched_layers(), time_ms, device=device, dtype=dtype)
    finally:
        torch.set_float32_matmul_precision(before)
    rows = [(same[0]["name"], *(f"{r['gflop_s']:,.0f}" for r in same)) for same in zip(*columns.values())]
    return table(("layer", *(f"{title}, GFLOP/s" for title in columns)), rows, name)


def _cuda_ms(fn: Callable[[], object], calls: int = 50, rounds: int = 5) -> float:
    """Milliseconds of a call on the GPU: the shortest round of `calls` between two CUDA events."""
    import torch

    for _ in range(10):
        fn()
    found = []
    for _ in range(rounds):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(calls):
            fn()
        end.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(end) / calls)
    return min(found)


def static_picture() -> Figure:
    """What remains where no kernel runs: the microscope after 8 of 25 windows."""
    return microscope(8)[0]

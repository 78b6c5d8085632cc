"""Figures of chapter 26: two rulers, the conversion map, the loss-scale thermometer, the experiment."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from utils.numerics import half
from utils.numerics.formats import BF16, FP16, FP32, encode, round_to_format, spacing

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, ORANGE, PINK, YELLOW, Shown, label, line_style, new_figure, table

# --- two rulers -------------------------------------------------------------------------------


def draw_two_rulers(log2_x: float) -> tuple[Any, str]:
    """Steps of both formats against magnitude with the number's place, and its three words."""
    state = half.two_rulers_state(log2_x)
    figure, (top, bottom) = new_figure(8.6, 5.6, 2, 1, height_ratios=[1, 1.5])
    _draw_words(top, state["x"])
    exponents = np.linspace(-30, 20, 1001)
    for index, (fmt, limit) in enumerate(((FP16, 65504.0), (BF16, BF16.max_finite))):
        x = 2.0**exponents
        y = np.where(x <= limit, spacing(np.minimum(x, limit), fmt), np.nan)
        style = {**line_style(index), "marker": None}
        bottom.plot(exponents, np.log2(y), label=fmt.name, linewidth=2, **style)
    bottom.axvline(-17, color=GREY, linewidth=1, linestyle=":")
    bottom.axvline(16, color=PINK, linewidth=1.5, linestyle="--")
    bottom.annotate("equal from 2^-17", (-17, -33), fontsize=9, color=GREY, ha="right", xytext=(-17.4, -12))
    bottom.annotate("FP16 ends", (16, -20), fontsize=9, color=PINK, xytext=(16.2, -34))
    bottom.axvline(log2_x, color=YELLOW, linewidth=3, alpha=0.7)
    label(bottom, "log2 of the number", "log2 of the step", "The step between neighbours: the lower line is finer")
    bottom.legend(frameon=False, loc="upper left")
    return figure, _rulers_sentence(state)


def _draw_words(ax: Any, x: float) -> None:
    """Three rows of bits; BF16 stands under the upper half of FP32."""
    ax.axis("off")
    rows = ((FP32, 2), (BF16, 1), (FP16, 0))
    colours = {"S": ORANGE, "E": BLUE, "M": GREEN}
    for fmt, row in rows:
        bits = f"{int(encode(x, fmt)):0{fmt.bits}b}"
        parts = "S" + "E" * fmt.exp_bits + "M" * fmt.man_bits
        for i, (bit, part) in enumerate(zip(bits, parts)):
            lost = fmt is FP32 and i >= 16
            ink = GREY if lost else "white" if bit == "1" else colours[part]
            face = "#EEF0F2" if lost else colours[part] if bit == "1" else "white"
            box = {"boxstyle": "square,pad=0.22", "facecolor": face, "edgecolor": GREY if lost else colours[part]}
            ax.text(i + 3.2, row, bit, ha="center", va="center", fontsize=9, family="monospace", color=ink, bbox=box)
        ax.text(1.9, row, fmt.name, ha="right", va="center", fontsize=10, family="monospace")
    ax.text(19.6, 1, "← the grey half is rounded away", fontsize=9, color=GREY, va="center")
    ax.text(19.6, 0, "exponent − 112, fraction cut to 10 bits", fontsize=9, color=GREY, va="center")
    ax.set_xlim(-0.6, 36)
    ax.set_ylim(-0.6, 2.6)


def _rulers_sentence(state: dict) -> str:
    who = {"fp16": "FP16 is nearer", "bf16": "BF16 is nearer", "tie": "both are equally near"}[state["winner"]]
    told = [f"{name} holds {_value(state['values'][key])} (step {_value(state['ulps'][key])})"
            for key, name in (("fp16", "FP16"), ("bf16", "BF16"))]
    return f"x = {state['x']:.6g}: {told[0]}, {told[1]}; {who}."


def _value(x: float) -> str:
    return "infinity" if math.isinf(x) else "none" if math.isnan(x) else f"{x:.6g}"


def two_rulers() -> Any:
    """The slider over 50 powers of two."""
    import ipywidgets as widgets

    knob = widgets.FloatSlider(value=-3.32, min=-30, max=20, step=0.01, description="log2 of the number",
                               layout=widgets.Layout(width="560px", max_width="95%"))
    return explorer(draw_two_rulers, {"log2_x": knob}, Prediction(
        "Start at 1.0 and make the number smaller and smaller. Where does BF16 become the finer format?",
        ("never", "below 2^-14", "below 2^-17", "below 2^-24"), 2,
        "FP16's step stops at 2^-24, where its subnormals begin. BF16's step is 2^-24 at exponent −17."))


# --- conversion map ---------------------------------------------------------------------------

FATES = ("exact", "rounded", "becomes zero", "overflows", "NaN", "infinity")
FATE_COLOURS = (GREEN, BLUE, "#D5DAE0", ORANGE, "#1F2328", PINK)


def draw_conversion_map(direction: str, high: int, low: int) -> tuple[Any, str]:
    """All 65,536 words as a 256 × 256 image (rows: upper byte, columns: lower byte), and one word's fate."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    source, target = (BF16, FP16) if direction.startswith("BF16") else (FP16, BF16)
    image = half.conversion_map(source, target)
    counts = np.bincount(image.ravel(), minlength=len(FATES))
    figure, (ax,) = new_figure(8.2, 5.2)
    ax.grid(False)
    ax.imshow(image, cmap=ListedColormap(FATE_COLOURS), vmin=-0.5, vmax=len(FATES) - 0.5, interpolation="nearest",
              aspect="equal")
    ax.plot(low, high, marker="o", markersize=11, markerfacecolor="none", markeredgecolor=YELLOW, markeredgewidth=2.5)
    ticks = range(0, 256, 32)
    ax.set_xticks(ticks, [f"{t:02X}" for t in ticks])
    ax.set_yticks(ticks, [f"{t:02X}" for t in ticks])
    label(ax, "lower byte of the word", "upper byte of the word",
          f"What becomes of every {source.name} word in {target.name}")
    ax.legend([Patch(facecolor=c, edgecolor=GREY) for c in FATE_COLOURS],
              [f"{name}: {count:,}" for name, count in zip(FATES, counts)], loc="center left",
              bbox_to_anchor=(1.02, 0.5), frameon=False)
    word = high << 8 | low
    return figure, (f"{source.name} word 0x{word:04X}: {FATES[image[high, low]]} in {target.name}. In all: "
                    + ", ".join(f"{count:,} {name}" for name, count in zip(FATES, counts)) + ".")


def conversion_map_figure() -> Any:
    """Direction and a word to point at."""
    import ipywidgets as widgets

    knobs = {
        "direction": widgets.ToggleButtons(options=["BF16 into FP16", "FP16 into BF16"], description="direction"),
        "high": widgets.IntSlider(value=0x3F, min=0, max=255, description="upper byte"),
        "low": widgets.IntSlider(value=0x80, min=0, max=255, description="lower byte"),
    }
    return explorer(draw_conversion_map, knobs, Prediction(
        "Of the 65,280 finite BF16 words, how many survive unchanged in FP16?",
        ("almost all", "about half", "about one in seven"), 2,
        "8,704 are exact. FP16 covers 40 of BF16's 277 powers of two; the rest overflows or becomes zero."))


# --- loss-scale thermometer -------------------------------------------------------------------


@lru_cache(maxsize=1)
def _gradients() -> np.ndarray:
    from utils.networks.low_precision import trained_gradients

    return trained_gradients()


def draw_thermometer(log2_scale: int) -> tuple[Any, str]:
    """The histogram of log2 of the scaled gradients over FP16's ranges."""
    state = half.scaled_histogram(_gradients(), log2_scale)
    figure, (ax,) = new_figure(8.6, 3.8)
    edges, counts, shares = state["log2_edges"], state["counts"], state["shares"]
    ax.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    top = counts.max() * 1.18
    for start, end, colour, name in ((-60, -25, ORANGE, "becomes zero"), (-25, -14, YELLOW, "subnormal: few bits"),
                                     (-14, 16, GREEN, "normal"), (16, 24, PINK, "infinity")):
        ax.axvspan(start, end, color=colour, alpha=0.13)
        ax.text(np.clip((start + end) / 2, -46, 20), top * 0.93, name, ha="center", fontsize=9)
    ax.set_xlim(-50, 24)
    ax.set_ylim(0, top)
    label(ax, "log2 of |gradient × scale|", "gradients", "Where FP16 puts the gradients of a trained digits network")
    return figure, (f"Loss scale 2^{log2_scale} = {2**log2_scale:,}: {shares['zero']:.2%} of the gradients become "
                    f"zero, {shares['subnormal']:.2%} are subnormal, {shares['inf']:.2%} overflow.")


def thermometer() -> Any:
    """The slider is the loss scale."""
    import ipywidgets as widgets

    knob = widgets.IntSlider(value=0, min=0, max=30, description="log2 of the loss scale",
                             layout=widgets.Layout(width="480px", max_width="95%"))
    return explorer(draw_thermometer, {"log2_scale": knob}, Prediction(
        "The network is trained to the end. Which share of its gradients becomes zero in FP16 without loss scaling?",
        ("none", "two or three in a hundred", "more than half"), 1,
        "Most gradients are small but above 3e-8. The tail below it is lost, and that tail grows as training goes on."))


# --- the experiment ---------------------------------------------------------------------------


def run_policies(lr: float, epochs: int, seed: int) -> dict[str, Any]:
    """Train the digits network under four policies; histories by name."""
    from utils.networks.digits import load_digits_split
    from utils.networks.low_precision import train_low_precision

    x, x_test, y, y_test = load_digits_split()
    return {policy: train_low_precision(policy, x, y, lr, epochs, seed, test=(x_test, y_test))
            for policy in ("fp32", "bf16_master", "bf16_weights", "bf16_stochastic")}


_POLICY_NAMES = {"fp32": "FP32 throughout", "bf16_master": "BF16 compute, FP32 master weights",
                 "bf16_weights": "BF16 weights, nearest", "bf16_stochastic": "BF16 weights, stochastic"}


def policy_table(runs: dict[str, Any]) -> Shown:
    """Final loss, test accuracy and the share of updates that changed nothing, by policy."""
    return table(["policy", "final training loss", "test accuracy", "updates that changed nothing"],
                 [[_POLICY_NAMES[name], f"{run.loss[-1]:.3f}", f"{run.test_acc[-1]:.3f}", f"{run.stalled_fraction:.0%}"]
                  for name, run in runs.items()])


def underflow_table(scales: tuple[int, ...] = (1, 1024, 65536)) -> Shown:
    """Share of a trained network's gradients that becomes zero, by loss scale and format."""
    gradients = _gradients()
    return table(["loss scale", "zero in FP16", "zero in BF16"], [
        [f"{scale:,}", f"{half.underflow_fraction(gradients, FP16, scale):.2%}",
         f"{half.underflow_fraction(gradients, BF16, scale):.2%}"] for scale in scales])


def gpu_rates(n: int = 4096) -> str:
    """Rates of an n × n matrix product by dtype on a GPU, or a sentence that there is none."""
    import torch

    if not torch.cuda.is_available():
        return ("No GPU here, so no rates were measured. The H100 SXM's data sheet gives 989 TFLOP/s dense for BF16 "
                "and for FP16.")
    lines = [f"{torch.cuda.get_device_name()}, {n} × {n} matrix product"]
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        a = torch.randn(n, n, device="cuda", dtype=dtype)
        for _ in range(3):
            a @ a
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(10):
            a @ a
        end.record()
        torch.cuda.synchronize()
        lines.append(f"  {dtype}: {2 * n**3 * 10 / (start.elapsed_time(end) / 1e3) / 1e12:.1f} TFLOP/s")
    return "\n".join(lines)


def static_picture() -> Any:
    """π in three formats: what stands in the page where no kernel runs."""
    figure, (ax,) = new_figure(9.2, 2.6)
    _draw_words(ax, math.pi)
    for row, (name, colour) in enumerate((("sign", ORANGE), ("exponent", BLUE), ("fraction", GREEN))):
        ax.text(24.5 + 4 * row, 2.75, name, color=colour, fontsize=10, weight="bold", ha="left")
    ax.set_ylim(-0.6, 3.1)
    ax.set_title(f"3.14159265 as FP32, BF16 ({float(round_to_format(math.pi, BF16)):.6g}) and FP16 "
                 f"({float(round_to_format(math.pi, FP16)):.6g})", loc="left", fontsize=11)
    return figure

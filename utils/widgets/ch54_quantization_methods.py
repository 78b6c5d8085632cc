"""Figures and measurements of chapter 54: break a network and repair it, compensate, and one table over all methods."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.qdq import (
    collect_ranges,
    collect_values,
    digits_to_onnx,
    executed_ops,
    insert_qdq,
    onnx_bytes,
    run_onnx,
    to_dynamic,
)
from utils.compression.quant_methods import (
    MethodRow,
    Quantized,
    calibrate_range,
    cross_layer_equalize,
    gptq_layer,
    latency_ratios,
    method_table,
    output_error,
    uglify,
)
from utils.compression.quant_methods.experiment import (
    SCHEMES,
    PtqResult,
    activation_names,
    bit_sweep,
    channel_spread,
    contrast_curve,
    latency_by_width,
    ptq_grid,
)
from utils.cost.edge_metrics import wilson_interval
from utils.graphs.static_int8 import static_int8
from utils.networks.digits import accuracy, load_digits_split, trained_digits
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
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn

EPOCHS = 12  # of the convolutional network
CALIBRATION = 128  # images
BITS = (2, 3, 4, 5, 6, 7, 8)
Found = Mapping[str, Mapping[int, PtqResult]]  # scheme -> bits -> result
CALIBRATIONS = ("minmax", "percentile", "mse", "entropy")
TOLD = {"per tensor": "one scale a tensor", "per channel": "one a channel", "groups of 16": "one a group of 16",
        "equalized, per tensor": "equalised, one a tensor"}


def _cnn() -> nn.Module:
    return trained_digits("cnn", 0, EPOCHS)


def _interval(correct: float, n: int) -> str:
    """ "0.952 (0.931–0.967)": the share and its 95 % Wilson interval."""
    low, high = wilson_interval(correct, n)
    return f"{correct / n:.3f} ({low:.3f}–{high:.3f})"


# --- break it and fix it ----------------------------------------------------------------------


@cache
def _results(decades: float, calibration: str) -> dict[str, dict[int, PtqResult]]:
    """Every scheme at every number of bits, for one network and one calibration."""
    X, X_test, _, y_test = load_digits_split()
    return ptq_grid(_cnn(), X[:CALIBRATION], X_test, y_test, decades, calibration, bits=BITS)


@cache
def _inside(decades: float, scheme: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(range of each channel by layer, calibration values of the activation r2) of the network that is quantized."""
    model = uglify(_cnn(), decades)
    model = cross_layer_equalize(model) if scheme.startswith("equalized") else model
    values = collect_values(digits_to_onnx(model), load_digits_split()[0][:CALIBRATION], ["r2"])["r2"]
    return channel_spread(model), values.ravel()


def break_and_fix(decades: float = 1.0, scheme: str = "per tensor", calibration: str = "minmax",
                  bits: int = 8) -> tuple[Figure, str]:
    """The digits CNN with its channels rescaled, then quantized: ranges, accuracy, one activation, and the noise."""
    from matplotlib.figure import Figure

    decades, found = round(decades, 2), _results(round(decades, 2), calibration)
    spread, values = _inside(decades, scheme)
    figure = Figure(figsize=(11, 6.6), layout="constrained", facecolor="white")
    axes = figure.subplot_mosaic([["ranges", "accuracy"], ["activation", "noise"]], width_ratios=(1, 1.15))
    for ax in axes.values():
        tidy(ax)
    exact = accuracy(_cnn(), *load_digits_split()[1::2])
    low, high = calibrate_range([values], calibration, bits=bits)
    _draw_ranges(axes["ranges"], spread, scheme)
    _draw_accuracy(axes["accuracy"], found, exact, scheme, bits)
    _draw_activation(axes["activation"], values, low, high, bits)
    _draw_noise(axes["noise"], found, scheme, bits)
    return figure, _tell(found, exact, decades, scheme, calibration, bits)


def _draw_ranges(ax: Axes, spread: Mapping[str, np.ndarray], scheme: str) -> None:
    for i, (_, ranges) in enumerate(spread.items()):
        places = i + np.linspace(-0.28, 0.28, len(ranges))
        ax.plot(places, np.sort(ranges), **{**line_style(i), "linestyle": "", "markersize": 5})
        ax.annotate(f"×{ranges.max() / ranges.min():.0f}", (i, ranges.max()), xytext=(0, 6), textcoords="offset points",
                    ha="center", fontsize=9, color=INK)
    ax.set_yscale("log")
    ax.set_ylim(top=max(r.max() for r in spread.values()) * 4)
    ax.set_xticks(range(len(spread)), spread)
    repaired = ", equalised" if scheme.startswith("equalized") else ""
    label(ax, "", "largest |weight| of a channel", f"Ranges of the output channels{repaired}; ×: largest over smallest")


def _draw_accuracy(ax: Axes, found: Found, exact: float, scheme: str, bits: int) -> None:
    told = {"textcoords": "offset points", "fontsize": 9.5}
    for i, name in enumerate(SCHEMES):
        r = found[name][bits]
        low, high = wilson_interval(r.correct, r.n)
        look = {"color": ORANGE, "hatch": "//"} if name == scheme else {"color": GREY, "alpha": 0.55}
        ax.barh(i, r.accuracy, 0.62, **look)
        ax.errorbar(r.accuracy, i, xerr=[[r.accuracy - low], [high - r.accuracy]], color=INK, capsize=3, linewidth=1.2)
        ax.annotate(f"{r.accuracy:.3f}", (high, i), xytext=(5, -3.5), color=INK, **told)
    ax.axvline(exact, color=BLUE, linestyle="--", linewidth=1.6)
    ax.annotate(f"FP32 {exact:.3f}", (exact, -0.62), xytext=(-4, 0), ha="right", color=BLUE, **told)
    ax.set(xlim=(0, 1.13), ylim=(3.6, -0.9))
    ax.set_yticks(range(len(SCHEMES)), [TOLD[s] for s in SCHEMES])
    ax.grid(False, axis="y")
    label(ax, "accuracy on 540 test images (95 % interval)", "", f"Accuracy at {bits} bits")


def _draw_activation(ax: Axes, values: np.ndarray, low: float, high: float, bits: int) -> None:
    ax.hist(values, 60, color=GREEN, alpha=0.85)
    ax.set_yscale("log")
    for edge in (low, high):
        ax.axvline(edge, color=ORANGE, linestyle="--", linewidth=1.8)
    beyond = float(np.mean((values < low) | (values > high)))
    step = (high - low) / (2**bits - 1)
    ax.annotate(f"range {low:.3g} … {high:.3g}\nstep {step:.3g}\n{100 * beyond:.2f} % clipped", (0.9, 0.94),
                xycoords="axes fraction", ha="right", va="top", fontsize=9.5, color=INK)
    label(ax, "value of the second activation", "count", "What calibration sees, and the range it sets (dashed)")


def _draw_noise(ax: Axes, found: Found, scheme: str, bits: int) -> None:
    for i, name in enumerate(SCHEMES):
        ax.plot(BITS, [found[name][b].sqnr_db for b in BITS], label=TOLD[name], **line_style(i))
    ax.plot(bits, found[scheme][bits].sqnr_db, "o", markersize=13, markerfacecolor="none", markeredgecolor=INK,
            markeredgewidth=2)
    ax.set_ylim(-3, 45)
    ax.legend(fontsize=8.5, frameon=False, loc="upper left")
    label(ax, "bits of weights and activations", "output SQNR (dB)", "Noise of the logits against FP32")


def _tell(found: Found, exact: float, decades: float, scheme: str, calibration: str, bits: int) -> str:
    r = found[scheme][bits]
    best = max(SCHEMES, key=lambda s: found[s][bits].sqnr_db)
    runs = ("ONNX Runtime executed this model with integer kernels" if bits == 8 and scheme != "groups of 16"
            else "this is simulated in float")
    return (f"Channels rescaled by up to {10**decades:.3g} times: FP32 stays at {exact:.3f}. At {bits} bits with "
            f"{TOLD[scheme]} and {calibration} calibration the accuracy is {_interval(r.correct, r.n)}, the SQNR "
            f"{r.sqnr_db:.1f} dB; {runs}. The least noise here has {TOLD[best]}: {found[best][bits].sqnr_db:.1f} dB.")


def break_explorer() -> Any:
    """The interactive figure: spread of the channels, granularity, calibration, bits."""
    import ipywidgets as widgets

    return explorer(
        break_and_fix,
        {
            "decades": widgets.FloatSlider(value=1.0, min=0, max=2, step=0.25, description="channel spread, decades"),
            "scheme": widgets.Dropdown(options=[(told, name) for name, told in TOLD.items()], value="per tensor",
                                       description="granularity"),
            "calibration": widgets.Dropdown(options=list(CALIBRATIONS), value="minmax", description="calibration"),
            "bits": widgets.IntSlider(value=8, min=2, max=8, description="bits"),
        },
        Prediction("Hidden channels are rescaled by up to 100 times, so that FP32 computes the same. INT8 falls to "
                   "0.10, which is guessing. What brings it back?",
                   ("more calibration images", "one scale a channel", "rescaling the channels again", "nothing"), 2,
                   "The activations have one scale a tensor, so finer weight scales do not help them. Equalising the "
                   "channels undoes the damage before anything is rounded."),
        title="Break it and fix it: a digits CNN of 9,802 parameters, really quantised",
    )


# --- the others compensate --------------------------------------------------------------------


def compensate(correlation: float = 0.9, w0: float = 0.4, w1: float = 0.4) -> tuple[Figure, str]:
    """Two weights on a grid of step 1: each to the nearest, the second paying for the first, and the best of the grid.

    The output error is dᵀHd with H = [[1, r], [r, 1]]. The grid is that of a row whose third weight is 3, at 3 bits.
    """
    H = np.eye(3)
    H[0, 1] = H[1, 0] = correlation
    w, levels = np.array([w0, w1]), np.arange(-3.0, 4.0)

    def error(q: np.ndarray) -> float:
        return output_error(w[None], q[None], H[:2, :2])

    points = {"nearest": np.rint(w), "compensated": gptq_layer(np.array([[w0, w1, 3.0]]), H, 3)[0, :2]}
    grid = [np.array([a, b]) for a in levels for b in levels]
    best = min(grid, key=error)
    points["best"] = points["compensated"] if error(points["compensated"]) <= error(best) + 1e-12 else best
    errors = {name: error(q) for name, q in points.items()}
    figure, (ax, bars) = new_figure(9.6, 3.9, 1, 2, width_ratios=(1.5, 1))
    _draw_grid(ax, w, correlation, H[:2, :2], points)
    drawn = bars.bar(list(errors), list(errors.values()), 0.55, color=(BLUE, ORANGE, GREEN))
    drawn[1].set_hatch("//")
    bars.bar_label(drawn, [f"{e:.3f}" for e in errors.values()], padding=2, fontsize=9.5, color=INK)
    bars.set_ylim(0, max(*errors.values(), 0.1) * 1.25)
    bars.grid(False, axis="x")
    label(bars, "", "output error", "What each rounding costs")
    return figure, _tell_compensation(correlation, w, points, errors)


def _draw_grid(ax: Axes, w: np.ndarray, correlation: float, H: np.ndarray, points: Mapping[str, np.ndarray]) -> None:
    x, y = np.meshgrid(np.linspace(-2.2, 2.2, 90), np.linspace(-2.2, 2.2, 90))
    d = np.stack([x - w[0], y - w[1]], axis=-1)
    lines = ax.contour(x, y, np.einsum("...i,ij,...j->...", d, H, d), levels=(0.1, 0.5, 1, 2, 4), colors=GREY,
                       linewidths=0.9)
    ax.clabel(lines, fontsize=8)
    steps = np.arange(-2, 3)
    ax.plot(*[g.ravel() for g in np.meshgrid(steps, steps)], ".", color=GREY, markersize=5)
    ax.plot(*w, "o", color=INK, markersize=8)
    nearest, paid = points["nearest"], points["compensated"]
    moved = (paid[0], w[1] + correlation * (w[0] - paid[0]))  # what the second weight becomes before it is rounded
    for start, end, colour, dash in ((w, moved, ORANGE, "-"), (moved, paid, ORANGE, "-"), (w, nearest, BLUE, ":")):
        look = {"arrowstyle": "->", "color": colour, "linewidth": 1.7, "linestyle": dash}
        ax.annotate("", end, start, arrowprops=look)
    ax.plot(*points["best"], "D", color="white", markeredgecolor=GREEN, markeredgewidth=2, markersize=15,
            label="best of the grid")
    ax.plot(*nearest, "s", color="white", markeredgecolor=BLUE, markeredgewidth=2, markersize=10,
            label="each to the nearest")
    ax.plot(*paid, "^", color=ORANGE, markersize=9, label="with compensation")
    ax.legend(fontsize=8.5, frameon=True, loc="lower right", labelspacing=0.7)
    label(ax, "weight 0", "weight 1", "Rings: equal output error. Dots: what the integers can say")


def _tell_compensation(r: float, w: np.ndarray, points: Mapping[str, np.ndarray], errors: Mapping[str, float]) -> str:
    told = {name: f"({p[0] + 0:.0f}, {p[1] + 0:.0f})" for name, p in points.items()}  # + 0 turns -0 into 0
    if errors["compensated"] <= errors["best"] + 1e-12:
        verdict = "The grid has nothing better."
    else:
        verdict = (f"The best of the grid is {told['best']} with {errors['best']:.3f}: compensation never reconsiders "
                   "the first weight.")
    return (f"The weights ({w[0]:.2f}, {w[1]:.2f}) with a correlation of {r:.2f} between their inputs: each to the "
            f"nearest gives {told['nearest']} with the error {errors['nearest']:.3f}, compensation "
            f"{told['compensated']} with {errors['compensated']:.3f}. {verdict}")


def compensate_explorer() -> Any:
    """The interactive GPTQ step."""
    import ipywidgets as widgets

    def slider(value: float, low: float, high: float, text: str) -> Any:
        return widgets.FloatSlider(value=value, min=low, max=high, step=0.05, description=text)

    return explorer(
        compensate,
        {"correlation": slider(0.9, -0.95, 0.95, "correlation of the inputs"), "w0": slider(0.4, -1.5, 1.5, "weight 0"),
         "w1": slider(0.4, -1.5, 1.5, "weight 1")},
        Prediction("Two inputs are nearly equal, and both weights are 0.4. Each is rounded to 0 or 1. What is best?",
                   ("0 and 0", "0 and 1", "1 and 1"), 1,
                   "0.4 + 0.4 = 0.8 is what the output sees. One weight of 1 comes closer to that than none."),
        title="Where the rounding error goes: two weights, one grid",
    )


# --- the table --------------------------------------------------------------------------------


@cache
def measured_methods() -> tuple[tuple[MethodRow, ...], tuple[Quantized, ...]]:
    """All methods on the trained digits MLP, built once a process (a few seconds)."""
    rows, built = method_table()
    return tuple(rows), tuple(built)


def _db(value: float | None) -> str:
    return "–" if value is None else "reference" if value > 100 else f"{value:.1f}"


def methods_table(rows: Sequence[MethodRow], built: Sequence[Quantized], batches: Sequence[int] = (1, 256),
                  rounds: int = 60) -> Shown:
    """Size, accuracy with its interval, SQNR, time relative to FP32 on this machine, and what executes each method."""
    ratios = {b: latency_ratios(built, b, rounds) for b in batches}
    told = [(r.method, r.formats, f"{r.stored_bytes:,}", _interval(r.correct, r.n),
             _db(r.sqnr_db) + (" *" if r.retrained else ""), _db(r.outlier_db),
             *(f"{ratios[b][i]:.2f}" if i in ratios[b] else "simulated" for b in batches), r.kernel)
            for i, r in enumerate(rows)]
    head = ("method", "weights / activations", "bytes", "accuracy (95 % interval)", "SQNR, dB", "with outliers, dB",
            *(f"time, batch {b}" for b in batches), "executed by")
    caption = ("One digits MLP, 17,226 parameters, 540 test images. Times relative to FP32, one thread of this "
               "machine. * other weights: not only noise.")
    return table(head, told, caption)


def methods_chart(rows: Sequence[MethodRow]) -> Shown:
    """Bytes against noise for the methods that keep the trained weights."""
    figure, (ax,) = new_figure(8.6, 4.2)
    kept = [r for r in rows if r.sqnr_db < 100 and not r.retrained]
    groups = {"integer kernels": (BLUE, "s"), "packed weights": (GREEN, "o"), "simulated": (YELLOW, "^")}
    for r in kept:
        group = {"simulated": "simulated", "MatMulNBits": "packed weights"}.get(r.kernel, "integer kernels")
        colour, marker = groups[group]
        ax.plot(r.stored_bytes / 1000, r.sqnr_db, marker, color=colour, markersize=9)
        same = [o for o in kept if abs(o.stored_bytes - r.stored_bytes) < 700]  # neighbours: names on alternating sides
        right = sorted(same, key=lambda o: o.sqnr_db).index(r) % 2 == 0
        name = r.method if r.kernel == "simulated" else f"{r.method} {r.formats.split(' /')[0]}"
        ax.annotate(name, (r.stored_bytes / 1000, r.sqnr_db), xytext=(8 if right else -8, -3), fontsize=8.5, color=INK,
                    textcoords="offset points", ha="left" if right else "right")
    for group, (colour, marker) in groups.items():
        ax.plot([], [], marker, color=colour, label=group)
    ax.set(xlim=(3.5, 23), ylim=(0, 52))
    ax.legend(fontsize=8.5, frameon=False, loc="upper left")
    label(ax, "stored bytes (kB); FP32 has 68.9", "output SQNR (dB)", "Up and to the left is better")
    least, most = min(kept, key=lambda r: r.sqnr_db), max(kept, key=lambda r: r.sqnr_db)
    ends = [f"{r.method} {r.formats.split(' /')[0]} with {r.stored_bytes:,} bytes and {r.sqnr_db:.1f} dB"
            for r in (least, most)]
    text = f"From {ends[0]} to {ends[1]}."
    return Shown(figure_html(figure, text, 720), text)


# --- other measurements -----------------------------------------------------------------------


def graph_table() -> Shown:
    """The digits CNN in float, quantized by hand, by `quantize_static` and by `quantize_dynamic`."""
    X, X_test, _, y_test = load_digits_split()
    proto = digits_to_onnx(_cnn())
    ranges = collect_ranges(proto, X[:CALIBRATION], activation_names(_cnn()))
    theirs = quantized_by_onnxruntime(proto, X[:CALIBRATION])
    models = {"FP32": proto, "QDQ by hand": insert_qdq(proto, ranges), "quantize_static": theirs,
              "quantize_dynamic": to_dynamic(proto)}
    wanted = ("Conv", "FusedConv", "Gemm", "FusedGemm", "QLinearConv", "QGemm", "ConvInteger", "DynamicQuantizeMatMul")
    rows = []
    for name, model in models.items():
        logits, ops = run_onnx(model, X_test), executed_ops(model)
        kernels = ", ".join(f"{ops.count(op)} {op}" for op in wanted if op in ops)
        rows.append((name, f"{len(model.SerializeToString()):,}", f"{onnx_bytes(model):,}",
                     _interval((logits.argmax(1) == y_test).sum(), len(y_test)), kernels))
    return table(("model", "file, bytes", "of that numbers", "accuracy (95 % interval)", "kernels executed"), rows,
                 "The digits CNN in ONNX Runtime:")


def quantized_by_onnxruntime(proto: Any, X_cal: np.ndarray) -> Any:
    """ONNX Runtime's own `quantize_static` with the settings of our graph: QDQ, int8, minmax, one scale a tensor."""
    dims = [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim][1:]
    return static_int8(proto, [{proto.graph.input[0].name: np.asarray(X_cal, np.float32).reshape(-1, *dims)}])


def contrast_chart(factors: Sequence[float] = (0.5, 1, 1.5, 2, 3, 5)) -> Shown:
    """Static and dynamic INT8 on images that are darker or brighter than those of the calibration."""
    X, X_test, _, y_test = load_digits_split()
    found = contrast_curve(_cnn(), X[:CALIBRATION], X_test, y_test, factors)
    figure, (noise, right) = new_figure(9.6, 3.4, 1, 2)
    for i, name in enumerate(("static", "dynamic", "FP32")):
        style = line_style(i)
        if name != "FP32":
            noise.plot(factors, [found[name][f].sqnr_db for f in factors], label=name, **style)
        right.plot(factors, [found[name][f].accuracy for f in factors], label=name, **style)
    noise.set_ylim(0, 48)
    noise.legend(fontsize=9, frameon=False, loc="center right")
    right.legend(fontsize=9, frameon=False, loc="lower right")
    label(noise, "contrast (1: as calibrated)", "output SQNR (dB)", "Noise of INT8 against FP32")
    label(right, "contrast (1: as calibrated)", "accuracy on 540 images", "Accuracy")
    two = {name: found[name][2] for name in found}
    share = {name: _interval(r.correct, r.n) for name, r in two.items()}
    text = (f"At twice the contrast static INT8 has {two['static'].sqnr_db:.1f} dB and the accuracy {share['static']}, "
            f"dynamic {two['dynamic'].sqnr_db:.1f} dB and {share['dynamic']}, FP32 {share['FP32']}.")
    return Shown(figure_html(figure, text, 800), text)


def bits_table() -> Shown:
    """Accuracy of the digits MLP by method and bits, weights only."""
    X, X_test, y, y_test = load_digits_split()
    widths = (8, 4, 3, 2)
    found = bit_sweep(trained_digits(), (X, y), (X_test, y_test), widths)
    rows = [(name, *(f"{values[b]:.3f}" if b in values else "–" for b in widths)) for name, values in found.items()]
    low, high = wilson_interval(0.95 * 540, 540)
    return table(("weights", *(f"{b} bits" for b in widths)), rows,
                 f"Accuracy on 540 test images, activations in float. 95 % interval of 0.950: {low:.3f}–{high:.3f}.")


def width_chart(widths: Sequence[int] = (128, 256, 512, 1024, 2048)) -> Shown:
    """Latency relative to FP32 by width, measured on this machine at batch 1."""
    found = latency_by_width(widths)
    figure, (ax,) = new_figure(7.4, 3.4)
    for i, (name, ratios) in enumerate(found.items()):
        ax.plot(list(ratios), list(ratios.values()), label=name, **line_style(i))
    ax.axhline(1, color=INK, linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(w) for w in widths])
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=9, frameon=False)
    label(ax, "width of the hidden layers", "time relative to FP32", "Batch 1, one thread: below 1 is faster")
    told = "; ".join(f"{name} {ratios[widths[0]]:.2f} at width {widths[0]} and {ratios[widths[-1]]:.2f} at {widths[-1]}"
                     for name, ratios in found.items())
    text = f"Time relative to FP32 on this machine: {told}."
    return Shown(figure_html(figure, text, 640), text)


def tensorrt_report() -> Shown:
    """Builds the QDQ graph with TensorRT where trtexec is installed; says what is missing elsewhere.

    The graph has zero points of 0 and float biases, as TensorRT's parser wants. From 11.0 on every network is strongly
    typed; 10.x is told so.
    """
    program = shutil.which("trtexec")
    if program is None:
        text = ("trtexec is not available: it comes with TensorRT, on Linux with an NVIDIA GPU. The command would be "
                "trtexec --onnx=digits_int8.onnx --stronglyTyped")
        return Shown(f"<p>{text}</p>", text)
    X = load_digits_split()[0]
    proto = digits_to_onnx(_cnn())
    model = insert_qdq(proto, collect_ranges(proto, X[:CALIBRATION], activation_names(_cnn())),
                       symmetric_activations=True, quantize_bias=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits_int8.onnx"
        path.write_bytes(model.SerializeToString())
        done = subprocess.run([program, f"--onnx={path}", "--stronglyTyped", "--minShapes=img:1x1x8x8",
                               "--optShapes=img:64x1x8x8", "--maxShapes=img:64x1x8x8"], capture_output=True, text=True,
                              timeout=300, check=False)
    lines = [line.split("] ", 1)[-1] for line in done.stdout.splitlines()
             if "Latency:" in line or "Throughput:" in line]
    text = "\n".join(lines) if done.returncode == 0 else f"trtexec ended with status {done.returncode}: see its log"
    return Shown(f"<pre>{text}</pre>", text)


def static_picture() -> Figure:
    """What remains where no kernel runs: channels rescaled by up to ten times, one scale a tensor, 8 bits."""
    return break_and_fix(1.0, "per tensor", "minmax", 8)[0]

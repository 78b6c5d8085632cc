"""Figures and measurements of chapter 15: the quantizer bench, accuracy by bits, an integer network, speed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.quantization.bits_sweep import BitsRow
from utils.compression.quantization.clipping import quantizer_bench
from utils.compression.quantization.integer_speed import SpeedRow
from utils.cost.edge_metrics import wilson_interval
from utils.widgets.shell import Prediction, explorer

from .style import BLUE, GREEN, GREY, INK, ORANGE, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# --- the quantizer bench ------------------------------------------------------------------------

KINDS = ("uniform", "normal", "ReLU of normal", "normal and one outlier at 20 σ", "digits CNN, first linear layer")
GRANULARITY: dict[str, dict[str, int]] = {"tensor": {}, "channel": {"axis": 0}, "group of 32": {"group_size": 32}}
SHAPE = (32, 256)
WHOLE = 0.0  # of the slider for the range


@cache
def bench_tensor(kind: str) -> np.ndarray:
    """32 channels of 256 values from a fixed seed, σ = 1 before ReLU or outlier; the trained layer over its RMS."""
    if kind.startswith("digits"):
        from utils.networks.digits import trained_digits

        weight = next(m for m in trained_digits("cnn").net if getattr(m, "in_features", 0) == 256).weight
        x = weight.detach().numpy()
        return x / np.sqrt(np.mean(x**2))
    rng = np.random.default_rng(0)
    if kind == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), SHAPE).astype(np.float32)
    x = rng.standard_normal(SHAPE).astype(np.float32)
    if kind.startswith("ReLU"):
        return np.maximum(x, 0)
    if "outlier" in kind:
        x[5, 100] = 20.0
    return x


@cache
def clip_curve(kind: str, bits: int, symmetric: bool, granularity: str) -> tuple[np.ndarray, np.ndarray]:
    """(clips in σ, SQNR in dB at each): from 0.5 σ to the largest value."""
    x = bench_tensor(kind)
    clips, how = np.geomspace(0.5, float(np.abs(x).max()), 36), GRANULARITY[granularity]
    return clips, np.array([quantizer_bench(x, bits, clip, symmetric, **how)["sqnr_db"] for clip in clips])


def draw_bench(kind: str = "normal", bits: int = 4, clip: float = WHOLE, symmetric: bool = True,
               granularity: str = "tensor") -> tuple[Figure, str]:
    """The staircase, the levels over the values, and the SQNR against the range; and their numbers in a sentence."""
    x = bench_tensor(kind)
    got = quantizer_bench(x, bits, clip or None, symmetric, **GRANULARITY[granularity])
    figure, (stairs, values, curve) = new_figure(11.5, 3.7, 1, 3)
    _draw_stairs(stairs, x, bits, clip, symmetric, granularity)
    _draw_levels(values, x, got)
    best, one_more = _draw_curve(curve, kind, bits, clip, symmetric, granularity, got["sqnr_db"])
    limit = clip or float(np.abs(x).max())
    lost = np.mean(np.abs(x) > limit)
    steps = np.ravel(got["step"])
    step = f"step {steps[0]:.3g} σ" if steps.size == 1 else f"steps from {steps.min():.3g} to {steps.max():.3g} σ"
    mode = "zero point 0" if symmetric else "free zero point"
    return figure, (f"{kind}, {bits} bits, {mode}, one scale a {granularity}, range up to {limit:.3g} σ: {step}, "
                    f"{lost:.2%} of the values saturate, SQNR {got['sqnr_db']:.1f} dB. The best range, "
                    f"{best[0]:.3g} σ, gives {best[1]:.1f} dB; with one bit more the best is {one_more[1]:.1f} dB.")


def _draw_stairs(ax: Axes, x: np.ndarray, bits: int, clip: float, symmetric: bool, granularity: str) -> None:
    """Output over input of the quantizer of the first channel (or group), and the band of half a step around it."""
    part = x if granularity == "tensor" else x[:1, : 32 if granularity.startswith("group") else None]
    edge = min(float(np.abs(x).max()), max(1.3 * clip, 4.5) if clip else 4.5)
    grid = np.linspace(-edge, edge, 1501, dtype=np.float32)
    one = quantizer_bench(part, bits, clip or None, symmetric)
    step, zero = float(one["step"]), int(one["zero_point"])
    low, high = -(2 ** (bits - 1)) + symmetric, 2 ** (bits - 1) - 1
    out = (np.clip(np.rint(grid / step) + zero, low, high) - zero) * step
    ax.fill_between(grid, grid - step / 2, grid + step / 2, color=YELLOW, alpha=0.35, linewidth=0, label="half a step")
    ax.plot(grid, grid, color=GREY, linewidth=1, linestyle=":", label="no error")
    ax.plot(grid, out, color=BLUE, linewidth=1.6, label="quantized")
    ax.legend(fontsize=8.5, frameon=False, loc="upper left")
    ax.set(xlim=(-edge, edge), ylim=(-edge * 1.05, edge * 1.25))
    of = {"tensor": "", "channel": ", first channel"}.get(granularity, ", first group")
    label(ax, "value in σ", "value after the round trip in σ", f"The staircase{of}")


def _draw_levels(ax: Axes, x: np.ndarray, got: dict[str, Any]) -> None:
    """The histogram of the values and of what they became."""
    edge = min(float(np.abs(x).max()), 6.0)
    bins = np.linspace(-edge, edge, 61)
    levels, counts = np.unique(got["x_hat"][np.abs(got["x_hat"]) <= edge], return_counts=True)
    ax.hist(x.ravel(), bins, color=YELLOW, alpha=0.6, label="values")
    few = levels.size <= 40
    if few:
        ax.vlines(levels, 0.7, counts, color=BLUE, linewidth=1.6)
        ax.plot(levels, counts, color=BLUE, linestyle="none", marker="o", markersize=3.5,
                label=f"{levels.size} levels in use")
    else:
        ax.hist(got["x_hat"].ravel(), bins, histtype="step", color=BLUE, linewidth=1.4,
                label=f"{levels.size} levels in use, binned")
    ax.set_yscale("log")
    ax.set(xlim=(-1.05 * edge, 1.05 * edge), ylim=(0.7, 10 * x.size))
    ax.legend(fontsize=8.5, frameon=False, loc="upper left")
    label(ax, "value in σ", "how many of 8,192 values", "Values, and the levels that hold them")


def _draw_curve(ax: Axes, kind: str, bits: int, clip: float, symmetric: bool, granularity: str,
                here: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """SQNR over the range for this width and for one bit more; the two best points."""
    best = []
    for b, colour, dash, marker in ((bits, BLUE, "-", "o"), (bits + 1, ORANGE, "--", "s")):
        clips, decibels = clip_curve(kind, b, symmetric, granularity)
        at = int(decibels.argmax())
        best.append((float(clips[at]), float(decibels[at])))
        ax.plot(clips, decibels, color=colour, linestyle=dash, linewidth=1.8, label=f"{b} bits")
        ax.plot(*best[-1], color=colour, marker=marker, markersize=8, markerfacecolor="white", linestyle="none")
    limit = clip or float(np.abs(bench_tensor(kind)).max())
    ax.plot(limit, here, color=INK, marker="X", markersize=9, linestyle="none", label="chosen here")
    ax.axhline(best[0][1] + 6.02, color=GREEN, linestyle=":", linewidth=1.4, label="best + 6.02 dB")
    ax.set_xscale("log")
    ticks = [t for t in (0.5, 1, 2, 3, 4, 6, 10, 20) if t <= clips[-1] * 1.01]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_ylim(None, max(d for _, d in best) + 13)
    ax.legend(fontsize=8.5, frameon=False, loc="upper left", ncols=2)
    label(ax, "range covered in σ (logarithmic)", "SQNR in dB", "How much range to cover")
    return best[0], best[1]


def bench() -> Any:
    """The interactive quantizer bench."""
    import ipywidgets as widgets

    clips = [("whole range", WHOLE), *((f"±{c:g} σ", c) for c in (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 6.0, 10.0))]
    return explorer(
        draw_bench,
        {
            "kind": widgets.Dropdown(options=list(KINDS), value="normal", description="tensor"),
            "bits": widgets.IntSlider(value=4, min=2, max=8, description="bits"),
            "clip": widgets.SelectionSlider(options=clips, value=WHOLE, description="range"),
            "symmetric": widgets.ToggleButtons(options=[("zero point 0", True), ("free zero point", False)], value=True,
                                               description="mode"),
            "granularity": widgets.ToggleButtons(options=list(GRANULARITY), value="tensor", description="one scale a"),
        },
        Prediction("8,192 normal values are quantized to 4 bits. Which range gives the least error?",
                   ("up to the largest value, about 4 σ", "±2.5 σ, the rest saturates", "±1 σ, the rest saturates"), 1,
                   "A smaller range makes every step finer; the few values beyond it pay. At 4 bits the balance is at "
                   "2.5 σ, at 8 bits at 3.9 σ."),
        title="Quantizer bench: a staircase, its levels, and the range that it covers",
    )


def static_picture() -> Figure:
    """What remains where no kernel runs: 4 bits over the whole range of normal values."""
    return draw_bench()[0]


# --- accuracy by bits ---------------------------------------------------------------------------


def bits_chart(rows: Sequence[BitsRow]) -> Shown:
    """SQNR with its law on the left, correct images with their intervals on the right."""
    bits = [r.bits for r in rows]
    figure, (left, right) = new_figure(10, 3.5, 1, 2)
    left.plot(bits, [r.law_db for r in rows], color=GREY, linestyle=":", linewidth=1.8, label="law for the weights")
    left.plot(bits, [r.weight_sqnr_db for r in rows], color=BLUE, marker="o", label="weights, measured")
    left.plot(bits, [r.activation_sqnr_db for r in rows], color=ORANGE, linestyle="--", marker="s",
              label="the layer's input, measured")
    left.legend(fontsize=9, frameon=False, loc="upper left")
    label(left, "bits", "SQNR in dB", "Noise in the largest layer: 6 dB a bit")
    for shift, name, key, colour, marker in ((-0.07, "weights only", "weights_correct", BLUE, "o"),
                                             (0.07, "weights and activations", "correct", ORANGE, "s")):
        shares = np.array([getattr(r, key) / r.total for r in rows])
        ends = np.array([wilson_interval(getattr(r, key), r.total) for r in rows])
        right.errorbar(np.array(bits) + shift, 100 * shares, 100 * np.abs(ends.T - shares), color=colour, marker=marker,
                       capsize=3, linewidth=1.4, linestyle="-" if shift < 0 else "--", label=name)
    right.set_ylim(0, 104)
    right.legend(fontsize=9, frameon=False, loc="lower right")
    label(right, "bits", "accuracy in % (95 % intervals)", f"The whole network, {rows[0].total} test images")
    told = "; ".join(f"{r.bits} bits: {r.weight_sqnr_db:.1f} dB, {r.correct} of {r.total} right" for r in rows)
    return Shown(figure_html(figure, f"Weights' SQNR and correct images by number of bits. {told}.", 860), told)


def measure_bits() -> list[BitsRow]:
    """The trained digits CNN at 2 to 8 bits, with ranges from 128 training images."""
    from utils.compression.quantization.bits_sweep import bits_sweep
    from utils.networks.digits import load_digits_split, trained_digits

    x, x_test, _, y_test = load_digits_split()
    return bits_sweep(trained_digits("cnn"), x_test, y_test, x[:128])


# --- one network, three ways to run it ------------------------------------------------------------


def integer_rows() -> list[dict[str, Any]]:
    """The digits CNN in FP32, with INT8 weights only, in INT8 (ONNX Runtime) and in INT8 (NumPy).

    Rows: name, bytes of the file (0 without one), logits (N, 10), correct, total, operators that compute.
    """
    import torch

    from utils.compression.quantization.integer_cnn import integer_cnn
    from utils.graphs.onnx_tools import executed_ops, export_torch, make_session
    from utils.networks.digits import load_digits_split, trained_digits

    x, x_test, _, y_test = load_digits_split()
    model = trained_digits("cnn")
    net = integer_cnn(model, x[:128])
    images = x_test.reshape(-1, 1, 8, 8)
    files = {"FP32": export_torch(model, torch.zeros(1, 1, 8, 8), dynamic_batch="N"),
             "INT8 weights only": net.to_onnx(weights_only=True), "INT8": net.to_onnx()}
    rows = []
    for name, file in files.items():
        session = make_session(file, optimize=True)
        logits = session.run(None, {session.get_inputs()[0].name: images})[0]
        rows.append({"name": f"{name}, ONNX Runtime", "bytes": len(file.SerializeToString()), "logits": logits,
                     "operators": computing(executed_ops(file))})
    rows.append({"name": "INT8, our integers in NumPy", "bytes": 0, "logits": net.run(x_test), "operators": []})
    for row in rows:
        row |= {"correct": int((row["logits"].argmax(1) == y_test).sum()), "total": len(y_test)}
    return rows


def computing(operators: Sequence[str]) -> list[str]:
    """The operators that multiply, in their order."""
    return [op for op in operators if any(word in op for word in ("Conv", "Gemm", "MatMul"))]


def integer_table(rows: Sequence[dict[str, Any]]) -> Shown:
    """Bytes, correct images with their interval, and the kernels that multiplied."""
    told = []
    for r in rows:
        low, high = wilson_interval(r["correct"], r["total"])
        told.append((r["name"], f"{r['bytes']:,}" if r["bytes"] else "–", f"{r['correct']} of {r['total']}",
                     f"{low:.1%} … {high:.1%}", ", ".join(r["operators"]) or "quantized_linear × 4"))
    return table(("network", "bytes of the file", "right", "95 % interval", "what multiplied"), told)


def integer_verdict(rows: Sequence[dict[str, Any]]) -> str:
    """How many codes of the logits differ between ONNX Runtime's INT8 and ours."""
    by_name = {r["name"]: r["logits"] for r in rows}
    theirs, ours = by_name["INT8, ONNX Runtime"].astype(int), by_name["INT8, our integers in NumPy"].astype(int)
    return (f"{np.count_nonzero(theirs != ours)} of {theirs.size:,} output codes differ between ONNX Runtime and NumPy "
            f"(largest difference {np.abs(theirs - ours).max()}).")


# --- speed ----------------------------------------------------------------------------------------


def speed_table(rows: Sequence[SpeedRow]) -> Shown:
    """The shortest times, and the ratios to FP32 in the same runtime."""
    told = [(f"{r.n} × {r.n}", f"{r.fp32_ms:.3f}", f"{r.runtime_int8_ms:.3f}", f"{r.numpy_int8_ms:.2f}",
             _against(r.runtime_int8_ms, r.fp32_ms), _against(r.numpy_int8_ms, r.fp32_ms)) for r in rows]
    head = ("product", "FP32 MatMul, ms", f"INT8 {rows[0].operator}, ms", "INT8 in NumPy, ms", f"{rows[0].operator}",
            "NumPy")
    return table(head, told, "One thread each, shortest of three; the last two columns compare with FP32")


def _against(ms: float, fp32_ms: float) -> str:
    """A time as a ratio to FP32's, in words."""
    return f"{fp32_ms / ms:.1f} times faster" if ms < fp32_ms else f"{ms / fp32_ms:.0f} times slower"

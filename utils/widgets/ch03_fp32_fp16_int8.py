"""Figures and measurements of chapter 03: the number-line ruler, matrix products by format, a network in INT8."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.edge_metrics import wilson_interval
from utils.numerics.formats import FORMATS, all_values
from utils.numerics.noise import crest_factor_db, predicted_int8_sqnr_db, ruler_data
from utils.widgets.shell import Prediction, explorer

from .style import BLUE, GREY, INK, ORANGE, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def named(fmt_name: str) -> str:
    """How a format is written: a key of FORMATS or "int8" in capitals."""
    return "INT8" if fmt_name == "int8" else FORMATS[fmt_name].name


# --- the number-line ruler --------------------------------------------------------------------

TENSORS = ("uniform", "Gaussian", "Laplace", "Student-t(3)")
SAMPLES = 20_000
WINDOW = 4.0  # the zoomed ruler shows this many times the bulk's RMS, on both sides


@cache
def tensor(kind: str, outlier: float = 0.0) -> np.ndarray:
    """20,000 values with RMS 1 from a fixed seed, and one more value `outlier` unless it is 0."""
    rng = np.random.default_rng(0)
    draw = {"uniform": lambda: rng.uniform(-1, 1, SAMPLES), "Gaussian": lambda: rng.standard_normal(SAMPLES),
            "Laplace": lambda: rng.laplace(size=SAMPLES), "Student-t(3)": lambda: rng.standard_t(3, SAMPLES)}[kind]
    x = draw()
    x = x / np.sqrt(np.mean(x**2))
    return np.append(x, outlier) if outlier else x


def places(fmt_name: str, scale: float, limit: float) -> np.ndarray:
    """The values of the scaled format in [-limit, limit], ascending."""
    grid = np.arange(-127, 128) if fmt_name == "int8" else all_values(FORMATS[fmt_name])
    values = grid * scale
    return values[np.abs(values) <= limit]


def draw_ruler(fmt_a: str = "int8", fmt_b: str = "e4m3", kind: str = "Gaussian",
               outlier: float = 0.0) -> tuple[Figure, str]:
    """Two formats around one tensor: their values near zero, how dense they are everywhere, and the errors."""
    x = tensor(kind, outlier)
    data = ruler_data(fmt_a, fmt_b, x)
    figure, (rulers, density, errors) = new_figure(9.0, 7.0, 3, 1, height_ratios=[1.0, 1.5, 1.1])
    counts = [_draw_rulers(rulers, row, name, float(data[f"scale_{side}"]), x)
              for row, (side, name) in enumerate((("a", fmt_a), ("b", fmt_b)))]
    _finish_rulers(rulers, [fmt_a, fmt_b], "The values of both formats where the bulk of the tensor lies")
    _draw_density(density, data, fmt_a, fmt_b)
    _draw_errors(errors, data, fmt_a, fmt_b)
    crest = crest_factor_db(x)
    told = [f"{named(name)} has {count:,} values within ±{WINDOW:g} and reaches {float(data[f'sqnr_db_{side}']):.1f} dB"
            for side, name, count in zip("ab", (fmt_a, fmt_b), counts)]
    return figure, (f"{kind}{f' with one value at {outlier:g}' if outlier else ''}: crest factor {crest:.1f} dB. "
                    f"{told[0]}; {told[1]}. The law for INT8: 52.9 − {crest:.1f} = "
                    f"{predicted_int8_sqnr_db(crest):.1f} dB.")


def _draw_rulers(ax: Axes, row: int, fmt_name: str, scale: float, x: np.ndarray) -> int:
    """One row of ticks; the number of values in the window."""
    values = places(fmt_name, scale, WINDOW)
    colour = (BLUE, ORANGE)[row % 2]
    ax.vlines(values, -row - 0.36, -row + 0.36, color=colour, linewidth=0.9 if values.size < 2_000 else 0.05)
    return int(values.size)


def _finish_rulers(ax: Axes, names: Sequence[str], title: str, texts: Sequence[str] = ()) -> None:
    shown = texts or [named(name) for name in names]
    ax.set(xlim=(-WINDOW, WINDOW), ylim=(-len(shown) + 0.4, 0.6))
    ax.set_yticks([-i for i in range(len(shown))], shown)
    ax.grid(False)
    label(ax, "value (in RMS of the bulk)", "", title)


def _draw_density(ax: Axes, data: dict[str, np.ndarray], fmt_a: str, fmt_b: str) -> None:
    edges = data["edges"]
    smallest = edges[edges > 0].min()
    for side, name, colour, dash in (("a", fmt_a, BLUE, "-"), ("b", fmt_b, ORANGE, "--")):
        ax.stairs(data[f"density_{side}"], edges, color=colour, linestyle=dash, linewidth=1.8,
                  label=f"values of {named(name)}")
    ax.stairs(data["x_counts"], edges, color=YELLOW, fill=True, alpha=0.35, label="values of the tensor")
    ax.set_xscale("symlog", linthresh=smallest * 8)
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(0, 4 * max(float(data[key].max()) for key in ("x_counts", "density_a", "density_b")))
    ax.legend(fontsize=8.5, frameon=False, loc="upper center", ncols=3)
    ticks = [t for t in 10.0 ** np.arange(-4, 5, 2) if smallest * 8 < t < np.abs(edges).max()]
    both = [-t for t in reversed(ticks)] + [0.0] + ticks
    ax.set_xticks(both, [f"{t:g}".replace("-", "−") for t in both])
    ax.minorticks_off()
    label(ax, "value (in RMS of the bulk), logarithmic to both sides", "values in a bin",
          "How many values lie in each half of a power of two")


def _draw_errors(ax: Axes, data: dict[str, np.ndarray], fmt_a: str, fmt_b: str) -> None:
    for side, name, colour, dash in (("a", fmt_a, BLUE, "-"), ("b", fmt_b, ORANGE, "--")):
        ax.stairs(data[f"error_counts_{side}"], data["error_edges"], color=colour, linestyle=dash, linewidth=1.8,
                  label=f"{named(name)}: {float(data[f'sqnr_db_{side}']):.1f} dB")
    ax.legend(fontsize=9, frameon=False, loc="upper right")
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(0, None)
    label(ax, "rounding error", "values of the tensor", "The errors, and the signal-to-noise ratio that they leave")


def ruler() -> Any:
    """The interactive ruler: two formats, a distribution, and one outlier."""
    import ipywidgets as widgets

    names = [(named(name), name) for name in ("int8", "e4m3", "e5m2", "e2m1", "fp16", "bf16")]
    outliers = [("none", 0.0), *((f"{v:g}", v) for v in (5.0, 10.0, 20.0, 50.0, 100.0, 200.0))]
    return explorer(
        draw_ruler,
        {
            "fmt_a": widgets.Dropdown(options=names, value="int8", description="format A"),
            "fmt_b": widgets.Dropdown(options=names, value="e4m3", description="format B"),
            "kind": widgets.Dropdown(options=list(TENSORS), value="Gaussian", description="tensor"),
            "outlier": widgets.SelectionSlider(options=outliers, value=0.0, description="one outlier at"),
        },
        Prediction("20,000 Gaussian values with RMS 1 get one more value, 100. What happens to the signal-to-noise "
                   "ratio?",
                   ("both formats lose", "INT8 loses, FP8 hardly changes", "FP8 loses, INT8 hardly changes"), 1,
                   "INT8's step follows the largest value and becomes almost 25 times as wide. FP8's step follows each "
                   "value, so the small ones keep theirs."),
        title="Number-line ruler: where two formats have their values",
    )


def static_picture() -> Figure:
    """INT8 and E4M3 without and with an outlier: what stands in the page where no kernel runs."""
    figure, (ax,) = new_figure(9.2, 3.3)
    texts = []
    for row, (name, outlier) in enumerate((("int8", 0.0), ("e4m3", 0.0), ("int8", 100.0), ("e4m3", 100.0))):
        data = ruler_data("int8", "e4m3", tensor("Gaussian", outlier))
        side = "a" if name == "int8" else "b"
        count = _draw_rulers(ax, row, name, float(data[f"scale_{side}"]), tensor("Gaussian", outlier))
        texts.append(f"{named(name)}, {'outlier at 100' if outlier else 'no outlier'}\n{count} values, "
                     f"{float(data[f'sqnr_db_{side}']):.1f} dB")
    _finish_rulers(ax, (), "20,000 Gaussian values: where INT8 and FP8 (E4M3) have their numbers", texts)
    return figure


# --- matrix products by format ----------------------------------------------------------------


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def time_matmuls(n: int = 384, rounds: int = 5) -> list[dict[str, Any]]:
    """An n x n product in each format that torch has here, on one CPU thread: rows as `matmul_times`."""
    from utils.numerics.matmul_speed import matmul_kernels, matmul_times

    with _one_thread():
        return matmul_times(matmul_kernels(n), rounds)


def matmul_chart(rows: Sequence[dict[str, Any]], n: int = 384) -> Shown:
    """Bars: bytes of the operands and time, both relative to FP32."""
    figure, (left, right) = new_figure(8.6, 2.9, 1, 2)
    names = [row["name"].upper() for row in rows]
    fp32 = next(row for row in rows if row["name"] == "fp32")
    shares = [row["operand_bytes"] / fp32["operand_bytes"] for row in rows]
    times = [row["relative"] for row in rows]
    for ax, values, colour, unit, title in (
            (left, shares, BLUE, "bytes / bytes in FP32", "Storage: fixed by the format"),
            (right, times, ORANGE, "time / time in FP32", "Time: fixed by the hardware")):
        bars = ax.bar(names, values, color=colour, width=0.6)
        ax.bar_label(bars, [f"{v:.3g}×" for v in values], padding=2, fontsize=9, color=INK)
        ax.grid(False, axis="x")
        label(ax, f"format of the {n} × {n} operands", unit, title)
    left.set_ylim(0, 1.2)
    right.set_yscale("log")
    right.set_ylim(min(times) / 2, max(times) * 2.5)
    right.axhline(1, color=GREY, linewidth=1, linestyle=":")
    lines = "; ".join(f"{name} {row['operand_bytes']:,} bytes, {row['ms']:.2f} ms" for name, row in zip(names, rows))
    return Shown(figure_html(figure, f"Product of two {n} × {n} matrices, one CPU thread: {lines}.", 780), lines)


def matmul_verdict(rows: Sequence[dict[str, Any]]) -> str:
    """Which formats were faster than FP32 here and which slower, and by how much."""
    told = []
    for row in rows:
        if row["name"] != "fp32":
            ratio = row["relative"]
            told.append(f"{row['name'].upper()} took {ratio:.1f} times the time of FP32." if ratio >= 1
                        else f"{row['name'].upper()} was {1 / ratio:.1f} times faster than FP32.")
    return "\n".join(told)


def gpu_table(n: int = 8192) -> Shown:
    """The same products on a GPU, FP32 without TF32; a sentence where there is no GPU."""
    import torch

    from utils.numerics.matmul_speed import matmul_kernels, matmul_times

    if not torch.cuda.is_available():
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        rows = matmul_times(matmul_kernels(n, "cuda"), sync=torch.cuda.synchronize)
    finally:
        torch.set_float32_matmul_precision(before)
    told = [(r["name"].upper(), f"{r['ms']:.2f}", f"{2 * n**3 / r['ms'] / 1e9:,.0f}", f"{1 / r['relative']:.1f}×")
            for r in rows]
    return table(("format", "ms", "TFLOP/s (INT8: TOP/s)", "speed against FP32"), told,
                 f"{torch.cuda.get_device_name()}, {n} × {n} matrix product")


# --- a network in FP32 and in INT8 ------------------------------------------------------------


INTEGER_KERNELS = ("QLinearConv", "QGemm", "ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul",
                   "MatMulIntegerToFloat")


@dataclass(frozen=True)
class VariantRow:
    """One ONNX file of the digits network and what was measured with it."""

    name: str
    file_bytes: int
    correct: int
    total: int
    p50_ms: float
    operators: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        return self.correct / self.total

    @property
    def integer_operators(self) -> tuple[str, ...]:
        """The operators that compute with integers, each once, in order."""
        return tuple(dict.fromkeys(op for op in self.operators if op in INTEGER_KERNELS))


def quantize_digits(epochs: int = 2) -> dict[str, bytes]:
    """ONNX files of the trained digits CNN (151,306 parameters): FP32, static QDQ INT8, dynamic INT8."""
    import torch

    from utils.graphs.onnx_tools import export_torch
    from utils.networks.digits import DigitsCNN, load_digits_split, seeded, train_classifier

    x, _, y, _ = load_digits_split()
    model = train_classifier(seeded(lambda: DigitsCNN((32, 64), hidden=128), 0), x, y, epochs=epochs, lr=4e-3)
    fp32 = export_torch(model, torch.zeros(1, 64), dynamic_batch="N").SerializeToString()
    with tempfile.TemporaryDirectory() as folder:
        return {"FP32": fp32, **_quantized(fp32, x[:128], Path(folder))}


def _quantized(fp32: bytes, calibration: np.ndarray, folder: Path) -> dict[str, bytes]:
    import logging

    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(np.split(calibration, 4))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.left, None)
            return None if batch is None else {"input": batch}

    logging.disable(logging.WARNING)
    try:
        (folder / "fp32.onnx").write_bytes(fp32)
        quant_pre_process(folder / "fp32.onnx", folder / "ready.onnx")
        quantize_static(folder / "ready.onnx", folder / "static.onnx", Batches(), quant_format=QuantFormat.QDQ,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        extra_options={"WeightSymmetric": True})
        # unsigned weights: ORT's ConvInteger on the CPU takes no signed ones
        quantize_dynamic(folder / "ready.onnx", folder / "dynamic.onnx", weight_type=QuantType.QUInt8)
    finally:
        logging.disable(logging.NOTSET)
    return {f"{way} INT8": (folder / f"{way}.onnx").read_bytes() for way in ("static", "dynamic")}


def measure_digits(files: dict[str, bytes], rounds: int = 200) -> list[VariantRow]:
    """Each file's size, correct test images, time for one image (one thread, in turns), and operators that ran."""
    from utils.cost.latency import percentile, time_interleaved
    from utils.graphs.onnx_tools import executed_ops, make_session
    from utils.networks.digits import load_digits_split

    _, x, _, y = load_digits_split()
    sessions = {name: make_session(data, optimize=True) for name, data in files.items()}
    one = {"input": x[:1]}
    times = time_interleaved({name: (lambda s=s: s.run(None, one)) for name, s in sessions.items()}, rounds)
    return [VariantRow(name, len(files[name]), int((s.run(None, {"input": x})[0].argmax(1) == y).sum()), len(y),
                       float(percentile(times[name], 50)), tuple(executed_ops(files[name])))
            for name, s in sessions.items()]


def digits_table(rows: Sequence[VariantRow]) -> Shown:
    """Size, accuracy with its interval, and time of each file."""
    told = [(r.name, f"{r.file_bytes / 1000:.0f}", f"{r.accuracy:.1%}",
             "{:.1%} … {:.1%}".format(*wilson_interval(r.correct, r.total)), f"{r.p50_ms:.3f}",
             ", ".join(r.integer_operators) or "none") for r in rows]
    return table(("file", "kB", f"accuracy ({rows[0].total} images)", "95 % interval", "ms for one image, median",
                  "integer operators that ran"), told)

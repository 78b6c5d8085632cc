"""Figures and tables of chapter 02: lanes and sums, saturated dot products, peaks of CPUs, and what this CPU does."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.isa import (
    AS_OF,
    CPUS,
    INSTRUCTIONS,
    HostInfo,
    NetworkRun,
    dot_scatter,
    exact_saturation_rate,
    gemm_u8s8,
    int8_mlp,
    peak_bounds_gops,
    peak_gflops_fp32,
    peak_int8_gops,
    ridge_flop_per_byte,
    weight_range,
)

from .shell import Prediction, explorer
from .style import BLUE, GREY, INK, ORANGE, YELLOW, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNKNOWN = "not known"
KEPT, LOST = "#E8F1F8", "#FBE3D6"
BY_NAME = {"AVX2": "VPMADDUBSW", "VNNI": "VPDPBUSD", "SDOT": "SDOT", "SMMLA": "SMMLA"}


# --- one vector of products -------------------------------------------------------------------------


def draw_lanes(a: Sequence[int], b: Sequence[int]) -> tuple[Figure, str]:
    """Four products, summed in pairs of 16 bits and in one sum of 32 bits."""
    products = [x * y for x, y in zip(a, b)]
    pairs = [products[i] + products[i + 1] for i in range(0, len(products), 2)]
    clamped = [max(-32768, min(32767, s)) for s in pairs]
    figure, axes = new_figure(9.0, 2.8, cols=2)
    for ax, title in zip(axes, ("VPMADDUBSW (AVX2): sums of two, 16 bits", "VPDPBUSD (VNNI): a sum of four, 32 bits")):
        ax.set_title(title, fontsize=10.5, color=INK, loc="left")
        ax.set(xlim=(-0.05, len(a)), ylim=(-0.1, 4.0))
        ax.axis("off")
        for i, product in enumerate(products):
            _box(ax, i, 3.2, 0.92, f"{a[i]} × {b[i]}", "white")
            _box(ax, i, 2.2, 0.92, f"{product:,}", KEPT)
    for i, (full, kept) in enumerate(zip(pairs, clamped)):
        lost = full != kept
        _box(axes[0], 2 * i, 1.1, 1.92, f"{full:,} → {kept:,}" if lost else f"{kept:,}", LOST if lost else KEPT,
             hatch="//" if lost else "")
    _box(axes[0], 0, 0, len(a) - 0.08, f"then in 32 bits: {sum(clamped):,}", KEPT)
    _box(axes[1], 0, 1.1, len(a) - 0.08, f"{sum(products):,}", KEPT)
    lost = sum(f != k for f, k in zip(pairs, clamped))
    return figure, (f"The products sum to {sum(products):,}. In 32 bits that is the result; with pair sums of 16 bits, "
                    f"{lost} of {len(pairs)} of them clamped, it is {sum(clamped):,}.")


def _box(ax: Axes, x: float, y: float, width: float, text: str, color: str, hatch: str = "") -> None:
    from matplotlib.patches import Rectangle

    edge = ORANGE if hatch else GREY
    ax.add_patch(Rectangle((x, y), width, 0.72, facecolor=color, edgecolor=edge, hatch=hatch, linewidth=1))
    face = {"facecolor": color, "edgecolor": "none", "pad": 1} if hatch else None
    ax.text(x + width / 2, y + 0.36, text, ha="center", va="center", fontsize=9, color=INK, bbox=face)


def lanes_picture(a: Sequence[int], b: Sequence[int]) -> Shown:
    """The picture of `draw_lanes` for a code cell."""
    return shown_figure(*draw_lanes(a, b))


def instruction_table() -> Shown:
    """What one instruction does: operands, width of its sums, multiply–accumulates."""
    rows = [(i.name, i.isa, i.extension, f"{i.a_type} × {i.b_type}", f"{i.sum_bits} bits", f"{i.macs:,}")
            for i in INSTRUCTIONS.values()]
    return table(("instruction", "set", "extension", "operands", "sums in", "multiply–accumulates"), rows)


# --- peaks --------------------------------------------------------------------------------------------


def cpu_table() -> Shown:
    """The CPUs with their peaks; unknown figures say so."""
    rows = []
    for c in CPUS.values():
        int8, watts = peak_int8_gops(c), c.tdp_w
        rows.append((c.name, c.isa, f"{c.cores} × {c.ghz:g} GHz", f"{c.fma_units} × {c.vector_bits} bit",
                     f"{peak_gflops_fp32(c):,.1f}", UNKNOWN if int8 is None else f"{int8:,.0f}", f"{c.mem_gb_s:,.1f}",
                     f"{ridge_flop_per_byte(c):.1f}", UNKNOWN if watts is None else f"{watts:g}"))
    head = ("CPU (one socket)", "set", "cores", "vector units a core", "FP32 (GFLOP/s)", "INT8 (GOP/s)", "DRAM (GB/s)",
            "ridge (FLOP/byte)", "TDP (W)")
    return table(head, rows, f"As of {AS_OF}. Peaks are computed at the nominal clock; they are ceilings.")


def source_table() -> Shown:
    """Where each row comes from."""
    rows = [(c.name, c.confidence, c.source, c.note) for c in CPUS.values()]
    return table(("CPU", "", "source", "note"), rows,
                 f"“Reported”: the maker's figure as others quote it, not read in the maker's own text. As of {AS_OF}.")


def draw_peaks() -> tuple[Figure, str]:
    """FP32 and INT8 peaks of the CPUs as bars on a log axis; hatched bars are AArch64."""
    figure, (ax,) = new_figure(9.0, 3.9)
    rows = sorted(CPUS.values(), key=peak_gflops_fp32)
    for i, c in enumerate(rows):
        hatch = "//" if c.isa == "AArch64" else ""
        fp32, int8 = peak_gflops_fp32(c), peak_int8_gops(c)
        ax.barh(i + 0.2, fp32, 0.36, color=BLUE, hatch=hatch, edgecolor="white")
        ax.text(fp32 * 1.1, i + 0.2, f"{fp32:,.0f}", va="center", fontsize=8.5, color=INK)
        if int8 is None:
            ax.text(60, i - 0.2, " INT8: not known", va="center", fontsize=8.5, color=GREY)
            continue
        ax.barh(i - 0.2, int8, 0.36, color=YELLOW, hatch=hatch, edgecolor="white")
        ax.text(int8 * 1.1, i - 0.2, f"{int8:,.0f} by {c.int8_by}", va="center", fontsize=8.5, color=INK)
    ax.set(xscale="log", xlim=(50, 6e6))
    ax.set_yticks(range(len(rows)), [f"{c.name}\n{c.isa}" for c in rows], fontsize=8.5)
    label(ax, "peak of one socket (GFLOP/s or GOP/s, log scale)", "", "Blue: FP32. Yellow: INT8. Hatched: AArch64.")
    fp32s = ", ".join(f"{c.name} {peak_gflops_fp32(c):,.0f}" for c in rows)
    int8s = ", ".join(f"{c.name} {peak_int8_gops(c):,.0f}" for c in rows if peak_int8_gops(c) is not None)
    return figure, f"FP32 peaks in GFLOP/s: {fp32s}. INT8 peaks in GOP/s: {int8s}."


def peaks_picture() -> Shown:
    """The picture of `draw_peaks` for a code cell."""
    return shown_figure(*draw_peaks())


def efficiency_table() -> Shown:
    """FP32 peak over TDP where the maker names one: all of them x86."""
    rows = [(c.name, c.isa, f"{peak_gflops_fp32(c):,.0f}", f"{c.tdp_w:g}", f"{peak_gflops_fp32(c) / c.tdp_w:.1f}")
            for c in sorted(CPUS.values(), key=lambda c: peak_gflops_fp32(c) / (c.tdp_w or np.inf)) if c.tdp_w]
    return table(("CPU", "set", "FP32 peak (GFLOP/s)", "TDP (W)", "GFLOP/s per W"), rows)


# --- saturation ----------------------------------------------------------------------------------------


def draw_pair_sums(weight_bits: int = 8, a_max: int = 255) -> tuple[Figure, str]:
    """Where sums of two random products lie, and the ends of 16 bits."""
    rng, (low, high) = np.random.default_rng(0), weight_range(weight_bits)
    sums = (rng.integers(0, a_max + 1, (200_000, 2)) * rng.integers(low, high + 1, (200_000, 2))).sum(1)
    rate = exact_saturation_rate(weight_bits, a_max)
    figure, (ax,) = new_figure(8.0, 2.9)
    counts, edges = np.histogram(sums, np.arange(-66_000, 66_001, 1000))
    middle, outside = edges[:-1] + 500, (edges[:-1] >= 32767) | (edges[1:] <= -32768)
    ax.bar(middle[~outside], counts[~outside], 1000, color=BLUE)
    ax.bar(middle[outside], counts[outside], 1000, color=ORANGE, hatch="//", edgecolor="white")
    for end in (-32768, 32767):
        ax.axvline(end, color=INK, linestyle="--", linewidth=1)
    ax.set(yscale="log", ylim=(1, None), xlim=(-70_000, 70_000))
    label(ax, "sum of two products", "pairs of 200,000",
          f"Weights of {weight_bits} bits, activations 0 to {a_max}; dashed: the ends of 16 bits")
    worst = max(2 * a_max * high, -2 * a_max * low)
    return figure, (f"With weights from {low} to {high} and activations from 0 to {a_max}, a pair sum can be {worst:,} "
                    f"away from 0; {rate:.2%} of all pairs do not fit into 16 bits.")


def pair_sums_picture(weight_bits: int = 8) -> Shown:
    """The picture of `draw_pair_sums` for a code cell."""
    return shown_figure(*draw_pair_sums(weight_bits))


def draw_dots(isa: str = "AVX2", weight_bits: int = 8, a_max: int = 255, length: int = 64) -> tuple[Figure, str]:
    """500 random dot products, exact against hardware, and the work of one instruction."""
    exact, hw, red = dot_scatter(isa, weight_bits, 500, 0, a_max, length)
    figure, (left, right) = new_figure(10.0, 3.9, cols=2, width_ratios=(1.5, 1))
    span = float(max(np.abs(exact).max(), np.abs(hw).max())) * 1.05
    left.plot([-span, span], [-span, span], color=GREY, linewidth=1)
    found = int(red.sum())
    left.plot(exact[~red], hw[~red], "o", color=BLUE, markersize=3.5, alpha=0.7,
              label=f"no pair saturated: {500 - found}")
    left.plot(exact[red], hw[red], "x", color=ORANGE, markersize=4.5, label=f"a pair saturated: {found}")
    left.legend(fontsize=8.5, frameon=False, loc="upper left")
    left.set(xlim=(-span, span), ylim=(-span, span))
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter(lambda v, _: f"{v / 1000:,.0f}k" if v else "0")
        axis.set_major_locator(_few_ticks())
    label(left, "exact dot product", f"what {BY_NAME[isa]} gives", "On the line: right")
    _bar_macs(right, BY_NAME[isa])
    error = int(np.abs(hw - exact).max())
    low, high = weight_range(weight_bits)
    shift = 0 if isa in ("AVX2", "VNNI") else (a_max + 1) // 2
    return figure, (f"{BY_NAME[isa]}, weights from {low} to {high}, activations from {-shift} to {a_max - shift}: in "
                    f"{found} of 500 dot products of length {length} a pair saturated, and the largest error is "
                    f"{error:,}. One instruction does {INSTRUCTIONS[BY_NAME[isa]].macs} multiply–accumulates.")


def _few_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5)


def _bar_macs(ax: Axes, chosen: str) -> None:
    rows = sorted(INSTRUCTIONS.values(), key=lambda i: i.macs)
    for y, i in enumerate(rows):
        shown = i.name == chosen
        hatch, weight = "//" if i.isa == "AArch64" else "", "bold" if shown else "normal"
        ax.barh(y, i.macs, 0.6, color=ORANGE if shown else BLUE, hatch=hatch, edgecolor="white")
        ax.text(i.macs * 1.15, y, f"{i.macs:,}", va="center", fontsize=9, color=INK, weight=weight)
    ax.set(xscale="log", xlim=(8, 2e5))
    ax.set_yticks(range(len(rows)), [f"{i.name} {'◀' if i.name == chosen else ''}" for i in rows], fontsize=9)
    label(ax, "multiply–accumulates of one instruction", "", "Hatched: AArch64")


def play_with_dots() -> Any:
    """The interactive figure "exact and hardware"."""
    import ipywidgets as widgets

    return explorer(draw_dots, {
        "isa": widgets.Dropdown(options=["AVX2", "VNNI", "SDOT", "SMMLA"], value="AVX2", description="instruction"),
        "weight_bits": widgets.IntSlider(value=8, min=6, max=8, description="weight bits"),
        "a_max": widgets.SelectionSlider(options=[64, 100, 128, 160, 200, 255], value=255,
                                         description="largest activation"),
        "length": widgets.SelectionSlider(options=[2, 8, 16, 32, 64, 128], value=64, description="length"),
    }, Prediction(
        "3.6 % of random pairs of products leave 16 bits. A dot product of length 64 has 32 pairs. In how many of 500 "
        "random dot products does at least one pair saturate on AVX2?",
        ("About 18", "About 180", "About 340"), 2,
        "Each of 32 pairs stays inside with 96.4 %, all of them with 0.964^32 = 31 %. So about 69 % of the dot "
        "products hold a saturated pair."), "Exact and hardware")


def static_picture() -> Figure:
    """AVX2 with 8-bit weights, for the committed picture."""
    return draw_dots()[0]


# --- a network -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _digits() -> tuple[Any, ...]:
    """(layers, X_train, X_test, y_test) of the course's digits network as NumPy arrays."""
    from utils.networks.digits import load_digits_split, trained_digits

    x_train, x_test, _, y_test = load_digits_split()
    layers = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in trained_digits("mlp").linears]
    return layers, x_train, x_test, y_test


@dataclass(frozen=True)
class SchemeRow:
    """One way of quantizing, on both instructions: right answers of 540, pairs that saturated, largest output error."""

    name: str
    vnni_right: int
    avx2_right: int
    saturated_share: float
    largest_error: float


SCHEMES = (
    ("8-bit weights, one scale; uint8 activations", {}),
    ("8-bit weights, a scale a channel; uint8 activations", {"per_channel": True}),
    ("8-bit weights, one scale; int8 activations", {"signed": True}),
    ("8-bit weights, a scale a channel; int8 activations", {"per_channel": True, "signed": True}),
    ("7-bit weights, a scale a channel; int8 activations", {"per_channel": True, "signed": True, "weight_bits": 7}),
)


def scheme_rows() -> list[SchemeRow]:
    """The digits network in INT8 on emulated AVX2 and VNNI, by quantization scheme."""
    layers, x_train, x_test, y_test = _digits()
    rows = []
    for name, options in SCHEMES:
        vnni, avx2 = (int8_mlp(x_test, layers, x_train, isa=isa, **options) for isa in ("vnni", "avx2"))
        rows.append(SchemeRow(name, _right(vnni, y_test), _right(avx2, y_test), avx2.saturated / avx2.pairs,
                              float(np.abs(avx2.outputs - vnni.outputs).max())))
    return rows


def _right(run: NetworkRun, y: np.ndarray) -> int:
    return int((run.outputs.argmax(1) == y).sum())


def scheme_table() -> Shown:
    """`scheme_rows` as a table."""
    rows = [(r.name, f"{r.vnni_right / 540:.1%}", f"{r.avx2_right / 540:.1%}", f"{r.saturated_share:.2%}",
             f"{r.largest_error:.2f}") for r in scheme_rows()]
    return table(("scheme", "right on VNNI", "right on AVX2", "pairs saturated", "largest change of an output"), rows,
                 "Emulated: 540 test images of digits, a network of three fully connected layers")


# --- this machine ----------------------------------------------------------------------------------------


def host_table(host: HostInfo) -> Shown:
    """What was found out about this machine."""
    saturates = {True: "yes: no dot-product instruction", False: "no", None: UNKNOWN}[host.saturates]
    rows = [("architecture", f"{host.machine} ({host.isa})"), ("torch dispatches to", host.capability),
            ("extensions found", ", ".join(host.flags) or UNKNOWN), ("cores for this process", host.cores),
            ("INT8 kernels may saturate at 16 bits", saturates)]
    return table(("this machine", ""), rows)


@dataclass(frozen=True)
class MeasuredProducts:
    """An n x n product in FP32 and INT8 on this machine: best rates in GOP/s, and what they can't exceed."""

    n: int
    threads: int
    fp32_gops: float
    int8_gops: float
    bounds: dict[str, float] | None
    equal: bool


def measure_products(host: HostInfo, n: int = 512, threads: int = 2, rounds: int = 15) -> MeasuredProducts:
    """FP32 MatMul and INT8 MatMulInteger in ONNX Runtime in turns, and whether the emulation gives equal integers."""
    from utils.compression.quantization.integer_speed import A_ZERO, product_models
    from utils.cost.latency import time_interleaved
    from utils.graphs.onnx_tools import make_session

    as_float, as_integer, data = product_models(n, np.random.default_rng(0))
    fp32, int8 = (make_session(m, threads=threads, optimize=True) for m in (as_float, as_integer))
    calls = {"fp32": lambda: fp32.run(None, {"f": data["f"]}), "int8": lambda: int8.run(None, {"a": data["a"]})}
    rate = {name: 2 * n**3 / (float(ms.min()) * 1e6) for name, ms in time_interleaved(calls, rounds).items()}
    a, b = data["a"][:24], data["b"][:, :24]
    ours = gemm_u8s8(a, b, "vnni") - A_ZERO * b.sum(axis=0, dtype=np.int32)
    equal = np.array_equal(ours, int8.run(None, {"a": data["a"]})[0][:24, :24])
    return MeasuredProducts(n, threads, rate["fp32"], rate["int8"], peak_bounds_gops(host, threads), equal)


def draw_products(run: MeasuredProducts) -> tuple[Figure, str]:
    """Measured rates as bars, with the ceilings where they are known."""
    figure, (ax,) = new_figure(7.6, 2.6)
    for y, (name, got) in enumerate((("INT8", run.int8_gops), ("FP32", run.fp32_gops))):
        ax.barh(y, got, 0.5, color=BLUE)
        ax.text(got, y, f" {got:,.0f}", va="center", fontsize=9, color=INK)
        if run.bounds:
            bound = run.bounds[name.lower()]
            ax.plot([bound, bound], [y - 0.35, y + 0.35], color=ORANGE, linewidth=2)
            ax.text(bound, y + 0.4, f"{bound:,.0f}", ha="center", fontsize=8.5, color=INK)
    ax.set_yticks([0, 1], ["INT8", "FP32"])
    ax.set(xlim=(0, 1.15 * max([run.int8_gops, run.fp32_gops, *(run.bounds or {}).values()])), ylim=(-0.6, 1.7))
    label(ax, "GOP/s (two operations to a multiply–accumulate)", "",
          f"{run.n} × {run.n} × {run.n}, {run.threads} threads" + ("; orange: ceiling at 5 GHz" if run.bounds else ""))
    told = "The ceiling is not known for this machine."
    if run.bounds:
        shares = run.fp32_gops / run.bounds["fp32"], run.int8_gops / run.bounds["int8"]
        told = f"That is {shares[0]:.0%} and {shares[1]:.0%} of the ceilings at 5 GHz."
    return figure, (f"FP32 reaches {run.fp32_gops:,.0f} GFLOP/s and INT8 {run.int8_gops:,.0f} GOP/s, a ratio of "
                    f"{run.int8_gops / run.fp32_gops:.1f}. {told}")


def products_picture(run: MeasuredProducts) -> Shown:
    """The picture of `draw_products` for a code cell."""
    return shown_figure(*draw_products(run))


KERNEL_SCALE = 4000.0
ASKED = (("AVX2", "avx2", "AVX2"), ("VNNI", "vnni", "AVX512_E1"))


@dataclass(frozen=True)
class KernelRow:
    """torch's kernel under one instruction set: entries that are not exact, of how many, and whether it equals ours."""

    asked: str
    wrong_8bit: int
    wrong_7bit: int
    entries: int
    as_emulated: bool


def kernel_rows(host: HostInfo) -> list[KernelRow]:
    """One product with 8-bit and one with 7-bit weights, by torch with AVX2 and with VNNI; those that this CPU has."""
    from utils.hardware.isa.real_kernels import fbgemm_product, requantized

    rng, (m, k, n) = np.random.default_rng(0), (64, 128, 32)
    a, wide = rng.integers(0, 256, (m, k)).astype(np.uint8), rng.integers(-127, 128, (k, n)).astype(np.int8)
    b = np.hstack([wide, wide // 2])  # columns of 8 bits, then the same with 7
    exact = requantized(gemm_u8s8(a, b, "vnni"), KERNEL_SCALE)
    rows = []
    for name, emulated, instructions in ASKED:
        flag = {"avx2": "avx2", "vnni": "avx512_vnni"}[emulated]
        got = fbgemm_product(a, b, instructions, KERNEL_SCALE) if flag in host.flags else None
        if got is not None:
            wrong, ours = got != exact, requantized(gemm_u8s8(a, b, emulated), KERNEL_SCALE)
            same = np.array_equal(got, ours)
            rows.append(KernelRow(name, int(wrong[:, :n].sum()), int(wrong[:, n:].sum()), m * n, same))
    return rows


def kernel_table(rows: Sequence[KernelRow]) -> Shown:
    """`kernel_rows` as a table, or why there is none."""
    if not rows:
        told = ("torch can't be asked for AVX2 here: it needs an x86 processor and torch's FBGEMM kernels. With them, "
                "the AVX2 row differs from the exact result in some entries with 8-bit weights, and in none with 7-bit "
                "weights.")
        return Shown(f"<p>{html.escape(told)}</p>", told)
    shown = [(f"torch with {r.asked}", f"{r.wrong_8bit:,} of {r.entries:,}", f"{r.wrong_7bit:,} of {r.entries:,}",
              "yes" if r.as_emulated else "no") for r in rows]
    return table(("kernel", "8-bit weights: entries that are wrong", "7-bit weights", "same as our emulation"), shown,
                 "One quantized layer of torch on this processor")

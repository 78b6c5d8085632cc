"""Figures of chapter 01: what devices ask for, what the digits network bears, and where the two meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.feasibility.necessity import TARGET_DEVICES, max_bits_per_weight
from utils.widgets.shell import Prediction, explorer

from .style import BLUE, GREEN, GREY, INK, ORANGE, Shown, figure_html, label, line_style, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.compression.feasibility.tolerance import CurvePoint
    from utils.networks.digits import DigitsMLP

MAX_DROP = 0.02  # of accuracy: what the course allows in this chapter
SIZES_B = (0.5, 1, 1.5, 3, 4, 7, 8, 13, 32, 70)
RATES = (1, 2, 5, 10, 20, 50, 100, 200)
JETSON = "Jetson Orin Nano Super 8GB"
NAMES = {"bits": "fewer bits", "sparsity": "pruned, not trained again", "rank": "lower rank",
         "noise": "noise as strong as the rounding", "fine-tuned": "pruned and fine-tuned"}


# --- the network and its curves ---------------------------------------------------------------


@cache
def digits_model() -> DigitsMLP:
    """The digits network of the course, trained once a process. Do not change it."""
    from utils.networks.digits import trained_digits

    return trained_digits()


@cache
def digits_baseline() -> tuple[int, int]:
    """(right, all) test images of the network as trained."""
    from utils.networks.digits import accuracy, load_digits_split

    _, X, _, y = load_digits_split()
    return round(accuracy(digits_model(), X, y) * len(y)), len(y)


@cache
def digits_curves() -> dict[str, list[CurvePoint]]:
    """The four measured curves of the digits network on its 540 test images."""
    from utils.compression.feasibility.tolerance import measured_curves
    from utils.networks.digits import load_digits_split

    _, X, _, y = load_digits_split()
    return measured_curves(digits_model(), X, y)


def finetuned_curve(levels: Sequence[float] = (0.8, 0.9, 0.95), epochs: int = 6) -> list[CurvePoint]:
    """Accuracy at each sparsity after the network has trained on for `epochs`, its zeros held."""
    from utils.compression.feasibility.tolerance import CurvePoint, relative_bytes
    from utils.compression.pruning.experiment import sparsity_curve
    from utils.networks.digits import load_digits_split

    X, X_test, y, y_test = load_digits_split()
    found = sparsity_curve(digits_model(), (X_test, y_test), levels, "global", "magnitude", train=(X, y), epochs=epochs)
    sizes = [relative_bytes(digits_model(), "sparsity", level) for level in levels]
    return [CurvePoint(*point) for point in zip(levels, sizes, found)]


# --- need against can -------------------------------------------------------------------------


def draw_need_vs_can(device: str = JETSON, billions: float = 8, tokens_per_s: float = 10) -> tuple[Figure, str]:
    """Left: bits over tokens/s, what memory and bandwidth allow. Right: the curves, and the ratio that is required."""
    from utils.compression.feasibility.tolerance import need_vs_can

    right, n = digits_baseline()
    target, n_params = TARGET_DEVICES[device], billions * 1e9
    found = need_vs_can(n_params, target, tokens_per_s, digits_curves(), baseline=right / n, max_drop=MAX_DROP)
    figure, (plane, cliff) = new_figure(11, 4.0, 1, 2, width_ratios=(1, 1.15))
    _draw_plane(plane, device, n_params, tokens_per_s)
    _draw_cliff(cliff, digits_curves(), right / n, found.required_ratio)
    return figure, _tell(device, billions, tokens_per_s, found)


def _draw_plane(ax: Axes, device: str, n_params: float, tokens_per_s: float) -> None:
    target = TARGET_DEVICES[device]
    rates = np.geomspace(0.5, 400, 200)
    limits = [max_bits_per_weight(n_params, target.free_bytes, target.mem_gb_s, rate) for rate in rates]
    allowed = np.array([limit.required_bits for limit in limits])
    ax.fill_between(rates, 0.5, np.clip(allowed, 0.5, 64), color=GREEN, alpha=0.18, linewidth=0, label="allowed")
    capacity = limits[0].capacity_bits
    ax.axhline(capacity, color=BLUE, linestyle="--", linewidth=1.6,
               label="memory" if 0.5 < capacity < 64 else f"memory: {capacity:.2g} bits, outside")
    ax.plot(rates, [limit.bandwidth_bits for limit in limits], color=ORANGE, linewidth=1.8, label="bandwidth")
    required = max_bits_per_weight(n_params, target.free_bytes, target.mem_gb_s, tokens_per_s).required_bits
    ax.axvline(tokens_per_s, color=GREY, linestyle=":", linewidth=1.4)
    if 0.5 <= required <= 64:
        ax.plot([tokens_per_s], [required], marker="D", markersize=8, color=INK, linestyle="none",
                label=f"at most {required:.3g} bits")
    ax.set(xscale="log", yscale="log", xlim=(0.5, 400), ylim=(0.5, 64))
    ax.set_xticks((1, 10, 100), ("1", "10", "100"))
    ax.set_yticks((1, 2, 4, 8, 16, 32), ("1", "2", "4", "8", "16", "32"))
    ax.minorticks_off()
    ax.legend(fontsize=8.5, frameon=True, framealpha=0.9, edgecolor="none", loc="lower left")
    label(ax, "wanted tokens/s (one user)", "average bits a weight", "What the device asks for")


def _draw_cliff(ax: Axes, curves: Mapping[str, Sequence[CurvePoint]], baseline: float,
                required: float | None = None) -> None:
    for i, (kind, points) in enumerate(curves.items()):
        ax.plot([p.ratio for p in points], [100 * p.accuracy for p in points], label=NAMES[kind], linewidth=1.6,
                **line_style(i))
    ax.axhline(100 * (baseline - MAX_DROP), color=GREY, linestyle=":", linewidth=1.3)
    ax.text(1.0, 100 * (baseline - MAX_DROP) - 1.5, f"{100 * MAX_DROP:.0f} points below FP32", fontsize=8, color=INK,
            ha="left", va="top")
    left = 0.03
    if required is not None:
        edge = min(max(required, left), 1.05)
        ax.axvline(edge, color=INK, linewidth=1.6)
        ax.axvspan(edge, left, color=GREEN, alpha=0.13, linewidth=0)
        ax.text(edge, 104.5, " small enough → ", fontsize=8.5, color=INK, va="center",
                ha="left" if edge > 0.07 else "right")  # no room at the right edge
    ax.set(xscale="log", xlim=(1.05, left), ylim=(10, 108))
    ax.set_xticks((1, 0.5, 0.25, 0.125, 0.0625, 0.03125), ("1", "1/2", "1/4", "1/8", "1/16", "1/32"))
    ax.minorticks_off()
    ax.legend(fontsize=8.5, frameon=True, framealpha=0.9, edgecolor="none", loc="lower left")
    label(ax, "bytes, relative to FP32", "accuracy in % (540 test images)", "What the digits network bears")


def _tell(device: str, billions: float, tokens_per_s: float, found: Any) -> str:
    bits = 32 * found.required_ratio
    told = (f"{billions:g} billion weights on {device} at {tokens_per_s:g} tokens/s: at most {bits:.3g} bits a weight, "
            f"and {found.limiting} decides. ")
    if found.required_ratio >= 1:
        return told + "FP32 has 32, so nothing must shrink."
    smallest = "; ".join(f"{NAMES[kind]} {'nothing' if ratio is None else f'down to {ratio:.3f}'}"
                         for kind, ratio in found.smallest.items() if kind != "noise")
    verdict = (f"Before the cliff: {', '.join(NAMES[kind] for kind in found.reachable)}." if found.reachable
               else "No method alone gets there.")
    return (f"{told}That is {found.required_ratio:.3f} of FP32's bytes. Within {100 * MAX_DROP:.0f} points the digits "
            f"network allows: {smallest}. {verdict} The cliff is that of the digits network; a language model has its "
            "own.")


def need_vs_can_explorer() -> Any:
    """The interactive figure."""
    import ipywidgets as widgets

    return explorer(
        draw_need_vs_can,
        {
            "device": widgets.Dropdown(options=list(TARGET_DEVICES), value=JETSON, description="device"),
            "billions": widgets.SelectionSlider(options=list(SIZES_B), value=8, description="billion weights"),
            "tokens_per_s": widgets.SelectionSlider(options=list(RATES), value=10, description="tokens/s"),
        },
        Prediction("8 billion weights are to run on a Jetson Orin Nano Super (8 GB, 102.4 GB/s) at 10 tokens/s. What "
                   "decides how many bits a weight may have?",
                   ("its memory", "its bandwidth", "both alike", "neither: FP32 is fine"), 0,
                   "Half of the 8 GB may hold weights: 4 bits. The bandwidth would allow 10 bits at this rate."),
        title="Need against can: limits computed from data sheets, curves measured on the digits network",
    )


# --- redundancy -------------------------------------------------------------------------------


def spectrum_table() -> Shown:
    """For each matrix of the digits network: directions for 90 % of the energy, and effective rank, beside noise."""
    from utils.compression.feasibility.redundancy import effective_rank, energy_rank, random_baseline_rank

    rows = []
    for layer in digits_model().linears:
        W = layer.weight.detach().numpy()
        noise = np.random.default_rng(0).normal(size=W.shape)
        rows.append((f"{W.shape[0]} × {W.shape[1]}", energy_rank(W, 0.9), random_baseline_rank(W.shape, 0.9),
                     f"{effective_rank(W):.1f}", f"{effective_rank(noise):.1f}"))
    return table(("matrix", "90 % energy: trained", "random", "effective rank: trained", "random"), rows)


def draw_spectra() -> tuple[Figure, str]:
    """The share of the energy in the first r directions: trained matrices against random ones."""
    figure, axes = new_figure(9.5, 3.0, 1, 2, sharey=True)
    told = []
    for ax, layer in zip(axes, digits_model().linears):
        W = layer.weight.detach().numpy().astype(np.float64)
        noise = np.random.default_rng(0).normal(size=W.shape)
        shares = []
        for M, colour, dash, name in ((W, BLUE, "-", "trained"), (noise, ORANGE, "--", "random")):
            squares = np.linalg.svd(M, compute_uv=False) ** 2
            share = np.cumsum(squares) / squares.sum()
            shares.append(share)
            ax.plot(np.arange(1, len(share) + 1), 100 * share, color=colour, linestyle=dash, linewidth=1.8, label=name)
        ax.axhline(90, color=GREY, linestyle=":", linewidth=1.3)
        ax.legend(fontsize=9, frameon=False, loc="lower right")
        label(ax, "number of directions r", "share of the energy in %" if ax is axes[0] else "",
              f"matrix of {W.shape[0]} × {W.shape[1]}")
        first, other = (int(np.argmax(share >= 0.9)) + 1 for share in shares)
        told.append(f"{first} instead of {other} directions in the {W.shape[0]} × {W.shape[1]} matrix")
    return figure, f"90 % of the energy are in {' and '.join(told)}: trained against random."


def spectra() -> Shown:
    """The spectra for a notebook."""
    figure, told = draw_spectra()
    return Shown(figure_html(figure, told), told)


# --- measurements -----------------------------------------------------------------------------


def draw_tolerance(curves: Mapping[str, Sequence[CurvePoint]]) -> tuple[Figure, str]:
    """All curves on one axis of bytes, with the knee of each in the sentence."""
    figure, (ax,) = new_figure(8.6, 4.0)
    right, n = digits_baseline()
    _draw_cliff(ax, curves, right / n)
    last = "; ".join(f"{NAMES[kind]}: {'no level' if level is None else _level(kind, level)}"
                     for kind, level in knees(curves).items())
    return figure, f"The last levels within {100 * MAX_DROP:.0f} points of FP32's {right} of {n} right are: {last}."


def _level(kind: str, level: float) -> str:
    if kind in ("sparsity", "fine-tuned"):
        return f"{100 * level:.0f} % zeros"
    return f"rank {level:.0f}" if kind == "rank" else f"{level:.0f} bits"


def knees(curves: Mapping[str, Sequence[CurvePoint]]) -> dict[str, float | None]:
    """The last level before the cliff, for each curve."""
    from utils.compression.feasibility.tolerance import knee

    right, n = digits_baseline()
    return {kind: knee([p.level for p in points], [p.accuracy for p in points], right / n, MAX_DROP)
            for kind, points in curves.items()}


def tolerance_picture(curves: Mapping[str, Sequence[CurvePoint]]) -> Shown:
    """The curves for a notebook."""
    figure, told = draw_tolerance(curves)
    return Shown(figure_html(figure, told), told)


def tolerance_table(curves: Mapping[str, Sequence[CurvePoint]]) -> Shown:
    """Every measured level: bytes, images right, and the 95 % interval of the accuracy."""
    from utils.cost.edge_metrics.proportions import wilson_interval

    _, n = digits_baseline()
    rows = []
    for kind, points in curves.items():
        for p in points:
            right = round(p.accuracy * n)
            low, high = wilson_interval(right, n)
            rows.append((NAMES[kind], _level(kind, p.level), f"{p.ratio:.3f}", f"{right} of {n}",
                         f"{100 * low:.1f} … {100 * high:.1f} %"))
    return table(("what", "level", "bytes / FP32", "right", "95 % interval"), rows)


def class_table(kind: str, level: float) -> Shown:
    """Images right in each class before and after, with the change."""
    from utils.compression.feasibility.tolerance import predictions, spoiled
    from utils.networks.digits import load_digits_split

    _, X, _, y = load_digits_split()
    before, after = predictions(digits_model(), X), predictions(spoiled(digits_model(), kind, level), X)
    rows = []
    for digit in range(10):
        of = y == digit
        rights = [int(np.sum(p[of] == digit)) for p in (before, after)]
        rows.append((str(digit), int(of.sum()), *rights, f"{rights[1] - rights[0]:+d}"))
    totals = [int(np.sum(p == y)) for p in (before, after)]
    rows.append(("all", len(y), *totals, f"{totals[1] - totals[0]:+d}"))
    return table(("digit", "images", "FP32", _level(kind, level), "change"), rows)


def gemv_table(sizes: Sequence[int] = (256, 512, 4096), repeats: int = 7) -> Shown:
    """Matrix times vector in FP32 on this CPU: bytes of the matrix, GB/s, and passes a second."""
    from utils.cost.bandwidth.streams import measure_gemm

    rows = []
    for n in sizes:
        point = measure_gemm(n, [1], repeats)[0]
        rows.append((f"{n:,} × {n:,}", f"{4 * n * n / 2**20:.2f} MiB", f"{point.gb_s:.1f}", f"{point.gflop_s:.1f}",
                     f"{point.gb_s * 1e9 / (4 * n * n + 8 * n):,.0f}"))
    return table(("matrix", "FP32 bytes", "GB/s", "GFLOP/s", "passes/s"), rows, "measured on this machine")


def gpu_ceiling(billions: float = 8) -> Shown:
    """Tokens/s that a CUDA device's measured bandwidth would allow; a sentence without one."""
    from utils.compression.feasibility.necessity import decode_ceiling_tokens_s
    from utils.cost.bandwidth.streams import cuda_bandwidth

    gb_s = cuda_bandwidth()
    if gb_s is None:
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    return table(("bits a weight", "upper bound in tokens/s"),
                 [(bits, f"{decode_ceiling_tokens_s(billions * 1e9, bits, gb_s):.0f}") for bits in (32, 16, 8, 4)],
                 f"{billions:g} billion weights at {gb_s:.0f} GB/s, measured by copying")


def static_picture() -> Figure:
    """What remains where no kernel runs: 8 billion weights on a Jetson at 10 tokens/s."""
    return draw_need_vs_can()[0]

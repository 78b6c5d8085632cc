"""Figures and tables of chapter 52: a network's time line on a target, kernels in INT8, and the twins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.networks.deploy import (
    TARGETS,
    LatencyReport,
    NodeInfo,
    identity_added,
    onnx_op_sequence,
    predict_latency_us,
    replace_shuffles,
    undominated,
    weight_sqnr_db,
)
from utils.networks.deploy.experiment import NETWORKS, Form, Twin, exported

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {"device": BLUE, "copy": ORANGE, "host": GREEN}
TOLD = {"device": "on the device", "copy": "copies", "host": "on the host"}


# --- a time line ----------------------------------------------------------------------------------


@cache
def network_nodes(name: str, rewrite: bool = False) -> tuple[NodeInfo, ...]:
    """The operators of a network at 224 x 224, with its shuffles as they are or rewritten."""
    model = exported(name)
    return tuple(onnx_op_sequence(replace_shuffles(model) if rewrite else model))


def deploy_timeline(network: str, target: str, rewrite: bool = False, int8: bool = False) -> LatencyReport:
    """Bars of a network on a made-up target."""
    return predict_latency_us(network_nodes(network, rewrite), TARGETS[target], int8)


def draw_timeline(network: str, target: str, rewrite: bool, int8: bool) -> tuple[Figure, str]:
    """A network's segments on a target in the order of time, coloured by where they run."""
    figure, (ax,) = new_figure(9.4, 2.5)
    return figure, _timeline(ax, network, target, rewrite, int8)


def _timeline(ax: Axes, network: str, target: str, rewrite: bool, int8: bool) -> str:
    report = deploy_timeline(network, target, rewrite, int8)
    for bar in report.bars:
        ax.barh(0, bar.us / 1e3, left=bar.start_us / 1e3, height=0.6, color=COLORS[bar.where], edgecolor="white",
                linewidth=0.4)
    shares = {place: us for place, us in report.us_by_place.items() if us}
    handles = [ax.barh(0, 0, color=COLORS[place], label=f"{TOLD[place]}: {us / 1e3:.2f} ms")
               for place, us in shares.items()]
    ax.legend(handles=handles, frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, 1.32), ncols=3)
    ax.set(yticks=[], ylim=(-0.5, 0.5), xlim=(0, report.total_us / 1e3 * 1.01))
    ax.grid(False, axis="y")
    label(ax, "time (ms)", "")
    name = f"{network}{', shuffles rewritten' if rewrite else ''}, {'INT8' if int8 else 'floating point'}"
    parts = ", ".join(f"{us / report.total_us:.0%} {TOLD[place]}" for place, us in shares.items())
    return (f"{name}, on {target} (made up): {report.total_us / 1e3:.2f} ms, {report.islands} "
            f"segment{'' if report.islands == 1 else 's'} on the host; {parts}.")


def timeline_figure() -> Any:
    """The interactive figure "where the time goes"."""
    import ipywidgets as widgets

    return explorer(draw_timeline, {
        "network": widgets.Dropdown(options=list(NETWORKS), value="ShuffleNetV2", description="network"),
        "target": widgets.ToggleButtons(options=list(TARGETS), value="npu_dense", description="target"),
        "rewrite": widgets.Checkbox(value=False, description="rewrite shuffles"),
        "int8": widgets.Checkbox(value=False, description="INT8"),
    }, Prediction(
        "ShuffleNetV2 has 145 million MACs, and a Transpose in each of its 16 units. The NPU npu_dense can't "
        "transpose. Which share of the time do the 16 Transposes and their copies take?",
        ("about 5 %", "about 20 %", "about 40 %", "about 70 %"), 3,
        "Each one needs two copies at 1 GB/s and two starts. The network itself would be done in 1.7 of 5.3 ms."),
        "Where the time goes")


# --- kernels in INT8 ------------------------------------------------------------------------------


def draw_identity(gain: float, per_channel: bool) -> tuple[Figure, str]:
    """Weights of a random kernel with an identity added, and the grid of INT8 that the largest one dictates."""
    figure, axes = new_figure(9.4, 3.1, cols=2)
    return figure, _identity(axes, gain, per_channel)


def _identity(axes: Sequence[Axes], gain: float, per_channel: bool) -> str:
    kernel, plain = identity_added(gain), identity_added(0)
    step = np.abs(kernel).max() / 127
    bins = np.linspace(-0.3, max(1.0, gain), 90)
    axes[0].hist(kernel.ravel(), bins=bins, color=BLUE)
    axes[0].set(yscale="log")
    label(axes[0], "weight", "weights (of 9,216)", "All weights")
    near = plain.ravel()[:60]
    levels = np.arange(-int(0.16 / step), int(0.16 / step) + 1)
    axes[1].hlines(step * levels, 0, 60, color=GREY, linewidth=0.7)
    axes[1].plot(range(60), near, marker="o", markersize=4, linestyle="none", color=INK)
    axes[1].set(ylim=(-0.16, 0.16))
    label(axes[1], "60 of the 3x3 weights", "weight", f"INT8 levels, step {step:.4f}")
    before, after = weight_sqnr_db(plain, per_channel), weight_sqnr_db(kernel, per_channel)
    scales = "a scale for each channel" if per_channel else "one scale for the tensor"
    return (f"Identity gains up to {gain:g}, {scales}: {after:.1f} dB, {before:.1f} dB without the identity. "
            f"The largest weight is {np.abs(kernel).max():.2f}, the others' standard deviation 0.05.")


def identity_figure() -> Any:
    """The interactive figure "what an identity does to INT8"."""
    import ipywidgets as widgets

    return explorer(draw_identity, {
        "gain": widgets.SelectionSlider(options=[0, 0.1, 0.2, 0.5, 1, 2, 5], value=1, description="gains up to"),
        "per_channel": widgets.Checkbox(value=False, description="per channel"),
    }, Prediction(
        "A kernel with weights of standard deviation 0.05 has 41 dB in INT8. An identity branch is fused in: 32 of its "
        "9,216 weights grow by up to 1. How much SQNR is left, with one scale for the tensor?",
        ("about 40 dB", "about 34 dB", "about 28 dB", "about 10 dB"), 2,
        "The largest weight sets the step for all, and it grew about fivefold: 20·log10(5) = 14 dB more noise. The "
        "signal became a little stronger."), "What an identity does to INT8")


# --- tables ---------------------------------------------------------------------------------------


def prediction_table(networks: Sequence[str] = tuple(NETWORKS), int8: bool = False) -> Shown:
    """Predicted ms of each network on each target, and its fallbacks on the NPUs."""
    rows = []
    for name in networks:
        reports = [deploy_timeline(name, target, int8=int8) for target in TARGETS]
        macs = sum(node.macs for node in network_nodes(name))
        rows.append((name, f"{macs / 1e6:,.0f}", reports[1].islands, *(f"{r.total_us / 1e3:.2f}" for r in reports)))
    return table(("network", "MACs (M)", "fallbacks on an NPU", *(f"{t} (ms)" for t in TARGETS)), rows,
                 f"Predicted for one image of 224 × 224, {'INT8' if int8 else 'floating point'}; targets are made up")


def target_table() -> Shown:
    """The four made-up targets."""
    rows = [(t.name, *(f"{v:,}" for v in t.peak_gmac_s.values()), t.channel_granule, f"{t.mem_gb_s:g}",
             f"{t.copy_gb_s:g}", t.dispatch_us, "yes" if "Transpose" in t.supported_ops else "no")
            for t in TARGETS.values()]
    return table(("target", "dense", "1x1", "depthwise", "elementwise", "granule", "memory (GB/s)", "copies (GB/s)",
                  "start (µs)", "Transpose"), rows, "Made-up targets; peaks in GMAC/s, elementwise in 1e9 elements/s")


def front_table(cands: Sequence[dict]) -> Shown:
    """Candidates, and which of them none of the others beats."""
    best = undominated(cands)
    return table(("network", "top-1 (%)", "ms", "MB", "on the Pareto front"),
                 [(c["name"], f"{c['top1']:.2f}", f"{c['ms']:g}", f"{c['mb']:g}", "yes" if c["name"] in best else "no")
                  for c in cands])


def twin_table(rows: Sequence[Twin]) -> Shown:
    """The measured forms of ShuffleNetV2."""
    return table(("form", "Transposes", "MACs (M)", "largest difference", "shortest time (ms)"),
                 [(r.name, r.transposes, f"{r.macs / 1e6:.1f}", f"{r.max_abs:.1e}", f"{r.ms:.2f}") for r in rows])


def form_table(rows: Sequence[Form]) -> Shown:
    """The trained network's forms."""
    return table(("form", "right of 540", "SQNR of the outputs (dB)", "file (kB)"),
                 [(r.name, r.correct, f"{r.sqnr_db:.1f}", f"{r.bytes / 1e3:.0f}") for r in rows])


def sqnr_picture(blocks: Sequence[dict[str, float]]) -> Shown:
    """SQNR of each block's branches and of its fused kernel, one scale a tensor."""
    figure, (ax,) = new_figure(8.4, 3.2)
    names = ("3x3", "1x1", "identity", "fused")
    for i, (name, color) in enumerate(zip(names, (BLUE, GREEN, GREY, ORANGE))):
        x = [b + 0.2 * i for b, found in enumerate(blocks) if name in found]
        ax.bar(x, [found[name] for found in blocks if name in found], width=0.18, color=color, label=name)
    ax.set_xticks(np.arange(len(blocks)) + 0.3, [f"block {i + 1}" for i in range(len(blocks))])
    ax.set_ylim(0, 72)
    ax.legend(frameon=False, fontsize=9, ncols=4, loc="upper center")
    label(ax, "", "SQNR in INT8 (dB)")
    with_identity = [f"{found['fused']:.1f}" for found in blocks if "identity" in found]
    others = [found["fused"] for found in blocks if "identity" not in found]
    return shown_figure(figure, f"One scale a tensor. Fused kernels of blocks with an identity branch: "
                                f"{' and '.join(with_identity)} dB; of the others {min(others):.1f} to "
                                f"{max(others):.1f} dB.")


def static_picture() -> Figure:
    """What remains of the figures where no kernel runs: ShuffleNetV2 on an NPU, before and after the rewrite."""
    figure, axes = new_figure(9.4, 4.6, rows=2)
    for ax, rewrite in zip(axes, (False, True)):
        _timeline(ax, "ShuffleNetV2", "npu_dense", rewrite, False)
        ax.set_xlim(0, 5.4)
        ax.set_ylabel("rewritten" if rewrite else "as exported")
    return figure

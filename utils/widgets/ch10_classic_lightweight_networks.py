"""Figures and tables of chapter 10: blocks drawn, stages and their costs, a channel shuffle, and measured networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.networks.classic import AS_OF, LIGHTWEIGHT, PUBLISHED, StageCost, stage_profile
from utils.networks.classic.experiment import TimedNet, rank_correlation, time_on_gpu

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, MARKERS, ORANGE, PALETTE, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = {"parameters": ("params", 1e6, "parameters (millions)"), "MACs": ("macs", 1e6, "MACs (millions)"),
           "largest map": ("max_map_bytes", 2**20, "largest map (MiB, FP32)"),
           "all maps": ("map_bytes", 2**20, "maps written (MiB, FP32)")}
RESOLUTIONS = (96, 128, 160, 192, 224, 256, 299)


# --- stages and all networks ----------------------------------------------------------------------


def usable_width(network: str, width: float) -> float:
    """The width itself where the network has it, else the nearest of its widths."""
    widths = LIGHTWEIGHT[network].widths
    return width if not widths or width in widths else min(widths, key=lambda w: abs(w - width))


def draw_stages(network: str, width: float, resolution: int, metric: str) -> tuple[Figure, str]:
    """A bar for each stage of one network, and all networks by parameters and MACs."""
    figure, (bars, cloud) = new_figure(12.0, 4.7, cols=2, gridspec_kw={"width_ratios": [1, 1.6]})
    used = usable_width(network, width)
    stages = stage_profile(network, used, resolution)
    _bars(bars, stages, metric, f"{network}, width {used:g}, {resolution} × {resolution}")
    params, macs = sum(s.params for s in stages), sum(s.macs for s in stages)
    _cloud(cloud, (params, macs))
    return figure, _told(network, width, used, resolution, metric, stages)


def _bars(ax: Axes, stages: Sequence[StageCost], metric: str, title: str) -> None:
    field, unit, name = METRICS[metric]
    values = [getattr(s, field) / unit for s in stages]
    drawn = ax.bar([f"{s.side}" if s.side > 1 else "head" for s in stages], values, color=BLUE, width=0.7)
    ax.bar_label(drawn, [f"{v:.3g}" for v in values], fontsize=9, color=INK, padding=2)
    ax.set_ylim(0, 1.14 * max(values))
    label(ax, "stage (side of its maps, pixels)", name, title)


def _cloud(ax: Axes, chosen: tuple[int, int]) -> None:
    rows = [(name, net) for name, net in PUBLISHED.items() if net.macs < 9e9 and net.params < 70e6]
    known = [(name, net) for name, net in rows if net.imagenet_top1 is not None]
    dots = ax.scatter([n.params / 1e6 for _, n in known], [n.macs / 1e6 for _, n in known], zorder=3, s=46,
                      c=[n.imagenet_top1 for _, n in known], cmap="cividis", edgecolors=INK, linewidths=0.7)
    rest = [net for _, net in rows if net.imagenet_top1 is None]
    ax.scatter([n.params / 1e6 for n in rest], [n.macs / 1e6 for n in rest], s=46, marker="s", facecolors="white",
               edgecolors=INK, linewidths=0.9, zorder=3)
    ax.scatter([chosen[0] / 1e6], [chosen[1] / 1e6], s=150, marker="D", facecolors="none", edgecolors=ORANGE,
               linewidths=2, zorder=4)
    ax.set(xscale="log", yscale="log", xlim=(0.9, 130), ylim=(30, 13000))
    for name, net in rows:
        dx, dy, align = LABELS.get(name, (6, -3, "left"))
        ax.annotate(name, (net.params / 1e6, net.macs / 1e6), xytext=(dx, dy), textcoords="offset points", fontsize=7.5,
                    ha=align, color=INK)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")
    label(ax, "parameters (millions)", "MACs (millions)", "All at their standard resolution; ◇ is the chosen one")
    ax.figure.colorbar(dots, ax=ax, label="ImageNet top-1 (%), cited; □ no figure", pad=0.02)


LABELS = {  # offset in points and alignment, where the default (right of the point) would collide
    "SqueezeNet 1.1": (-4, 7, "left"), "MobileNetV1": (0, 8, "center"), "MobileNetV2": (-7, 3, "right"),
    "ShuffleNetV2 x1.5": (-7, -7, "right"), "FasterNet-T0": (7, -6, "left"), "EfficientNet-Lite0": (7, 0, "left"),
    "MobileNetV4-Conv-S": (-7, -3, "right"), "ShuffleNetV2 x1.0": (0, -13, "center"), "GhostNet": (7, -4, "left"),
    "MobileNetV3-Large": (7, -1, "left"), "ResNet-50": (-7, 3, "right"), "Xception": (-7, 0, "right"),
    "ResNet-101": (7, 0, "left")}


def _told(network: str, width: float, used: float, resolution: int, metric: str, stages: Sequence[StageCost]) -> str:
    field, unit, _ = METRICS[metric]
    total = {key: sum(getattr(s, key) for s in stages) for key in ("params", "macs", "map_bytes")}
    largest = max(stages, key=lambda s: s.max_map_bytes)
    top = max(stages, key=lambda s: getattr(s, field))
    where = "the head" if top.side == 1 else f"the stage of {top.side} × {top.side} maps"
    share = "" if metric == "largest map" else f" ({getattr(top, field) / total[field]:.0%})"
    note = "" if used == width else f" {network} has no width {width:g}: {used:g} is shown."
    amount = {"params": "M", "macs": "M"}.get(field, "MiB")
    most = "Largest map" if metric == "largest map" else f"Most {metric}"
    return (f"{network}, width {used:g}, {resolution} × {resolution}: {total['params'] / 1e6:.3g} M parameters, "
            f"{total['macs'] / 1e6:.4g} M MACs, {total['map_bytes'] / 2**20:.3g} MiB of maps written, the largest "
            f"{largest.max_map_bytes / 2**20:.3g} MiB. {most}: {where}, "
            f"{getattr(top, field) / unit:.3g} {amount}{share}.{note}")


def stages_figure() -> Any:
    """The interactive figure "where a light network spends"."""
    import ipywidgets as widgets

    return explorer(draw_stages, {
        "network": widgets.Dropdown(options=list(LIGHTWEIGHT), value="MobileNetV1", description="network"),
        "width": widgets.SelectionSlider(options=[0.25, 0.5, 0.75, 1.0, 1.5, 2.0], value=1.0, description="width"),
        "resolution": widgets.SelectionSlider(options=list(RESOLUTIONS), value=224, description="resolution (pixels)"),
        "metric": widgets.ToggleButtons(options=list(METRICS), value="MACs", description="metric"),
    }, Prediction(
        "SqueezeNet 1.0 has 49 times fewer parameters than AlexNet. How do its MACs compare with AlexNet's?",
        ("about 49 times fewer", "about 7 times fewer", "a little more", "twice as many"), 2,
        "819 million against 714 million. AlexNet's parameters sit in linear layers, where each is used once an image. "
        "A weight of a convolution is used once for each output pixel."), "Where a light network spends")


# --- the shuffle ----------------------------------------------------------------------------------


def draw_shuffle(groups: int, per_group: int) -> tuple[Figure, str]:
    """Channels before and after a shuffle: every new group gets members of all groups."""
    from utils.networks.blocks import channel_shuffle_np

    c = groups * per_group
    order = channel_shuffle_np(np.arange(c).reshape(1, c, 1, 1), groups).ravel().tolist()
    figure, (ax,) = new_figure(max(5.0, 0.62 * c + 1.6), 2.7)
    ax.axis("off")
    for place, channel in enumerate(order):
        color = PALETTE[channel // per_group % 7]
        ax.plot([channel, place], [0.86, 0.14], color=color, linewidth=1.3, alpha=0.8)
        for x, y, number in ((channel, 1, channel), (place, 0, channel)):
            ax.text(x, y, f"{number}", ha="center", va="center", color="white", fontsize=10, fontweight="bold",
                    bbox={"boxstyle": "square,pad=0.45", "facecolor": color, "edgecolor": "white"})
    for group in range(groups):
        middle = (group + 0.5) * per_group - 0.5
        ax.text(middle, 1.3, f"group {group}", ha="center", fontsize=9, color=PALETTE[group % 7])
        if group:
            ax.axvline(group * per_group - 0.5, 0.02, 0.98, color=GREY, linestyle=":", linewidth=1)
    ax.text(-0.9, 1, "before", ha="right", va="center", fontsize=9, color=INK)
    ax.text(-0.9, 0, "after", ha="right", va="center", fontsize=9, color=INK)
    ax.set(xlim=(-1.9, c - 0.3), ylim=(-0.4, 1.55))
    first = sorted({channel // per_group for channel in order[:per_group]})
    came = f"from group {first[0]} only" if len(first) == 1 else f"from {len(first)} groups"
    return figure, (f"{c} channels, {groups} groups of {per_group}: the order after the shuffle is "
                    f"{', '.join(map(str, order))}. The channels of the first new group come {came}.")


def shuffle_figure() -> Any:
    """The interactive figure "who meets whom"."""
    import ipywidgets as widgets

    return explorer(draw_shuffle, {
        "groups": widgets.IntSlider(value=3, min=1, max=6, description="groups"),
        "per_group": widgets.IntSlider(value=3, min=1, max=6, description="channels a group"),
    }, Prediction(
        "Six channels 0 1 2 3 4 5 in two groups, 0 1 2 and 3 4 5. Which channel stands second after a shuffle?",
        ("1", "2", "3", "5"), 2, "The first of each group, then the second of each: 0 3 1 4 2 5."), "Who meets whom")


# --- the blocks, drawn ----------------------------------------------------------------------------

K1, K3, DW, FREE = BLUE, ORANGE, GREEN, GREY
BOX_KINDS = (("1x1: mixes channels", K1), ("dense 3x3: does both", K3), ("depthwise: one filter a channel", DW),
             ("no weights", FREE))
SEPARABLE = [[("depthwise 3x3", DW)], [("1x1: 728 → 728", K1)]]
BLOCKS = (  # name, then rows from the top: boxes side by side, None leaves a place free
    ("Fire\n(SqueezeNet)", ([("1x1: 96 → 16", K1)], [("1x1: 64", K1), ("3x3: 64", K3)], [("join: 128", FREE)])),
    ("separable\n(MobileNetV1)", ([("depthwise 3x3: 64", DW)], [("1x1: 64 → 128", K1)])),
    ("inverted residual\n(MobileNetV2)", ([("1x1: 24 → 144", K1)], [("depthwise 3x3: 144", DW)],
                                          [("1x1: 144 → 24", K1)], [("linear; add input", FREE)])),
    ("unit\n(ShuffleNetV2)", ([("as it is: 58", FREE), ("1x1: 58", K1)], [None, ("depthwise: 58", DW)],
                              [None, ("1x1: 58", K1)], [("join, shuffle: 116", FREE)])),
    ("Ghost module\n(GhostNet)", ([("1x1: 64 → 64", K1)], [("as it is: 64", FREE), ("depthwise: 64", DW)],
                                  [("join: 128", FREE)])),
    ("block, one of three steps\n(Xception)", (*SEPARABLE, [("… twice more", FREE)], [("add the input", FREE)])),
)


def draw_blocks() -> tuple[Figure, str]:
    """Six blocks side by side, data flowing down."""
    figure, axes = new_figure(12.4, 3.5, cols=len(BLOCKS))
    for ax, (name, rows) in zip(axes, BLOCKS):
        ax.axis("off")
        ax.set(xlim=(0, 1), ylim=(-3.75, 0.7))
        ax.set_title(name, fontsize=9.5, color=INK)
        ax.annotate("", (0.5, 0.1), (0.5, 0.6), arrowprops={"arrowstyle": "->", "color": INK})
        for depth, row in enumerate(rows):
            _row_of_boxes(ax, depth, row)
    _key(figure)
    return figure, (
        "Six blocks with their channels, data flowing down. Fire squeezes 96 channels to 16 before a 1x1 and a 3x3 "
        "layer read them. The separable block filters each channel, then mixes. The inverted residual widens 24 "
        "channels to 144, filters them, and ends linear on 24. ShuffleNetV2 leaves half of 116 channels as they are "
        "and shuffles at the end. The Ghost module computes 64 maps and makes 64 more by depthwise filters. Xception "
        "repeats a separable step three times and adds the input.")


def _row_of_boxes(ax: Axes, depth: int, row: Sequence[tuple[str, str] | None]) -> None:
    for i, entry in enumerate(row):
        middle = (i + 0.5) / len(row)
        if depth:
            ax.plot([middle] * 2, [-depth + 0.08, -depth + 0.32], color=INK, linewidth=1)
        if entry is None:  # what passes by
            ax.plot([middle] * 2, [-depth - 0.7, -depth + 0.1], color=INK, linewidth=1)
            continue
        text, color = entry
        ax.text(middle, -depth - 0.3, text if len(row) == 1 else text.replace(": ", ":\n"), ha="center", va="center",
                fontsize=8, color="white", zorder=3)
        ax.add_patch(_box(middle - 0.5 / len(row), -depth - 0.68, 1 / len(row), color))


def _box(x: float, y: float, width: float, color: str) -> Any:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch((x + 0.02, y), width - 0.04, 0.76, boxstyle="round,pad=0,rounding_size=0.04", facecolor=color,
                          edgecolor="white", linewidth=1)


def _key(figure: Figure) -> None:
    from matplotlib.patches import Patch

    figure.legend(handles=[Patch(color=color, label=text) for text, color in BOX_KINDS], loc="outside lower center",
                  ncols=4, frameon=False, fontsize=8.5)


def blocks_picture() -> Shown:
    """The drawing of the six blocks with its sentence."""
    return shown_figure(*draw_blocks())


# --- tables ---------------------------------------------------------------------------------------


def published_table(names: Sequence[str] | None = None) -> Shown:
    """Published networks: year, parameters, MACs, resolution and cited accuracy."""
    rows = [(name, net.year, f"{net.params:,}", f"{net.macs / 1e6:,.1f}", f"{net.resolution}",
             "–" if net.imagenet_top1 is None else f"{net.imagenet_top1:.1f}")
            for name, net in PUBLISHED.items() if names is None or name in names]
    return table(("network", "year", "parameters", "MACs (M)", "image side (px)", "ImageNet top-1 (%), cited"), rows,
                 f"Published networks, as of {AS_OF}")


def three_prices(names: Sequence[str] | None = None) -> Shown:
    """Each light network's three prices at its standard resolution, width 1."""
    rows = []
    for name in names or LIGHTWEIGHT:
        stages = stage_profile(name, 1.0, LIGHTWEIGHT[name].resolution)
        weights, macs, maps = (sum(getattr(s, key) for s in stages) / 1e6 for key in ("params", "macs", "map_bytes"))
        rows.append((name, f"{4 * weights:.2f}", f"{macs:,.1f}", f"{maps:.1f}"))
    return table(("network", "weights (MB, FP32)", "MACs (M)", "maps written (MB, FP32)"), rows)


# --- the experiment -------------------------------------------------------------------------------


def timing_table(rows: Sequence[TimedNet]) -> Shown:
    """Times and rates of the measured networks."""
    return table(("network", "MACs (M)", "torch (ms)", "GMAC/s", "ONNX Runtime (ms)", "GMAC/s", "ONNX nodes"),
                 [(r.name, f"{r.macs / 1e6:.1f}", f"{r.torch_ms:.2f}", f"{r.torch_gmac_s:.1f}", f"{r.onnx_ms:.2f}",
                   f"{r.onnx_gmac_s:.1f}", r.nodes) for r in rows])


def timing_picture(rows: Sequence[TimedNet]) -> Shown:
    """Latency over MACs in both engines, each with its best straight line."""
    figure, axes = new_figure(11.0, 3.9, cols=2)
    macs = np.array([r.macs for r in rows]) / 1e6
    told = []
    for ax, engine, ms, color in ((axes[0], "torch, eager", [r.torch_ms for r in rows], BLUE),
                                  (axes[1], "ONNX Runtime", [r.onnx_ms for r in rows], ORANGE)):
        slope, offset = np.polyfit(macs, ms, 1)
        x = np.array([0.85 * macs.min(), 1.1 * macs.max()])
        ax.plot(x, slope * x + offset, color=GREY, linestyle="--", linewidth=1.2, label="best straight line")
        for i, (r, y) in enumerate(zip(rows, ms)):
            ax.plot([r.macs / 1e6], [y], marker=MARKERS[i], color=color, markersize=8, linestyle="none")
            right = r.macs / 1e6 < 0.75 * macs.max()
            ax.annotate(r.name, (r.macs / 1e6, y), xytext=(8 if right else -8, 5), textcoords="offset points",
                        fontsize=8.5, ha="left" if right else "right", color=INK)
        ax.set(xlim=(0, 1.18 * macs.max()), ylim=(0, 1.2 * max(ms)))
        label(ax, "MACs of one image (millions)", "shortest time (ms)", engine)
        ax.legend(frameon=False, fontsize=8.5, loc="lower right")
        told.append(f"{rank_correlation(macs, ms):.2f} in {engine.split(',')[0]}")
    return shown_figure(figure, "Latency over MACs, one image, one thread. The rank correlation of MACs and time is "
                            f"{told[0]} and {told[1]} (1 would mean that fewer MACs are always faster).")


def gpu_note() -> Shown:
    """Times on an NVIDIA GPU where there is one, else what would be measured."""
    times = time_on_gpu()
    if times is None:
        text = "No NVIDIA GPU here. With one, this cell would time the same networks at batch 1 and 64."
        return Shown(f"<p>{text}</p>", text)
    batches = list(next(iter(times.values())))
    return table(("network", *(f"batch {b} (ms)" for b in batches)),
                 [(name, *(f"{ms[b]:.2f}" for b in batches)) for name, ms in times.items()],
                 "On this machine's GPU, torch eager")


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_stages("MobileNetV1", 1.0, 224, "MACs")[0]

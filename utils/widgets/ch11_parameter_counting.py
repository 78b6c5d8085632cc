"""Figures and measurements of chapter 11: where the parameters live, latency against counts, what folding leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.widgets.param_bars import BUDGETS, CNNS, TRANSFORMERS, param_bars, parameter_parts
from utils.widgets.param_measurements import TimedNetwork, cuda_bytes, folding_stages, rank_correlation, time_networks
from utils.widgets.shell import Prediction, explorer

from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARKERS,
    ORANGE,
    PALETTE,
    PINK,
    SKY,
    YELLOW,
    Shown,
    figure_html,
    label,
    new_figure,
    table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour, hatch and ink of each part; parts of one family differ in hatch too.
_LOOKS: dict[str, tuple[str, str, str]] = {
    "stem": (GREY, "", "white"), "conv": (BLUE, "", "white"), "depthwise": (YELLOW, "\\\\", INK),
    "pointwise": (SKY, "//", INK), "batch norm": (PINK, "xx", "white"), "linear": (ORANGE, "..", "white"),
    "embedding": (YELLOW, "--", INK), "attention": (BLUE, "", "white"), "MLP": (GREEN, "||", "white"),
    "idle experts": ("white", "||", INK), "router": (GREY, "", "white"), "norm": (PINK, "xx", "white"),
    "head": (ORANGE, "..", "white"), "head, the embedding again": ("white", "--", INK),
}
_SHOWN_FROM = 0.09  # a smaller share has no room for its name
VIEWS = {"every float of the state dict": False, "stored at deployment": True}


# --- where do the parameters live? ------------------------------------------------------------


def where_parameters_live(model: str = "VGG-16", folded: bool = True, bits: int = 32) -> tuple[Figure, str]:
    """Shares by part for every model of a family, and their bytes against four devices; `model` is marked."""
    family = CNNS if model in CNNS else TRANSFORMERS
    return _draw_models(family, model, folded, bits), _tell_model(model, folded, bits)


def _draw_models(models: Sequence[str], chosen: str, folded: bool, bits: int) -> Figure:
    figure, (bars, sizes) = new_figure(11.5, 0.42 * len(models) + 2.1, 1, 2, width_ratios=(1.75, 1), sharey=True)
    for row, model in enumerate(models):
        _stack(bars, row, parameter_parts(model, folded))
        _dot(sizes, row, sum(param_bars(model, folded, bits).values()), model == chosen)
    names = [f"▸ {m}" if m == chosen else m for m in models]
    bars.set_yticks(range(len(models)), names)
    for text, model in zip(bars.get_yticklabels(), models):
        text.set_fontweight("bold" if model == chosen else "normal")
    bars.set(xlim=(0, 100), ylim=(len(models) + 1.0, -0.6))
    bars.grid(False, axis="y")
    label(bars, "share of all stored values in %", "model", "Where they live")
    _legend(bars, {part for m in models for part in parameter_parts(m, folded)})
    _budget_lines(sizes)
    label(sizes, f"bytes at {bits} bits a value", "", "Does it fit?")
    return figure


def _stack(ax: Axes, row: int, parts: dict[str, int]) -> None:
    total, left = sum(parts.values()), 0.0
    for part, values in parts.items():
        share = values / total
        colour, hatch, ink = _LOOKS[part]
        ax.barh(row, 100 * share, left=100 * left, height=0.72, color=colour, hatch=hatch, linewidth=0.6,
                edgecolor=GREY if colour == "white" else "white")
        if share > _SHOWN_FROM:
            box = {"boxstyle": "round,pad=0.15", "facecolor": colour, "edgecolor": "none"}
            name = f"{part} " if share > 0.11 + 0.011 * len(part) else ""
            ax.text(100 * (left + share / 2), row, f"{name}{100 * share:.0f} %", ha="center", va="center", fontsize=8.5,
                    color=ink, bbox=box)
        left += share


def _legend(ax: Axes, present: set[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=_LOOKS[part][0], hatch=_LOOKS[part][1], label=part, linewidth=0.6,
                     edgecolor=GREY if _LOOKS[part][0] == "white" else "white") for part in _LOOKS if part in present]
    ax.figure.legend(handles=handles, loc="outside lower left", ncols=8, fontsize=8.5, frameon=False,
                     handlelength=1.6, columnspacing=1.2)


def _dot(ax: Axes, row: int, size: float, chosen: bool) -> None:
    ax.plot(size, row, marker="D" if chosen else "o", markersize=9 if chosen else 6, color=ORANGE if chosen else BLUE)
    ax.text(1.0, row, _size(size), ha="right", va="center", fontsize=8.5, color=INK,
            transform=ax.get_yaxis_transform(), fontweight="bold" if chosen else "normal")


def _budget_lines(ax: Axes) -> None:
    ax.set(xscale="log", xlim=(1e5, 1e14))
    ax.set_xticks([1e6, 1e9, 1e12], ["1 MB", "1 GB", "1 TB"])
    ax.minorticks_off()
    ax.tick_params(labelleft=False)
    bottom = ax.get_ylim()[0]  # the axis points down
    for index, (name, size) in enumerate(BUDGETS.items()):
        ax.plot([size, size], [bottom, -0.6], color=INK, linewidth=1, linestyle=("-", "--", "-.", ":")[index], zorder=1)
        ax.text(size, bottom - 0.08, name, rotation=90, ha="right", va="bottom", fontsize=7.5, color=INK)


def _size(size: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size / 1e3:,.1f} kB"


def _tell_model(model: str, folded: bool, bits: int) -> str:
    parts = parameter_parts(model, folded)
    total, size = sum(parts.values()), sum(param_bars(model, folded, bits).values())
    largest = max(parts, key=lambda part: parts[part])
    fits = [name for name, budget in BUDGETS.items() if size <= budget]
    view = "stored at deployment" if folded else "in the state dict"
    told = (f"{model}: {total:,} values {view}, {_size(size)} at {bits} bits. The largest part is {largest} with "
            f"{100 * parts[largest] / total:.1f} %. ")
    told += f"The weights fit {_listed(fits)}." if fits else "The weights fit none of the four devices."
    return told + _tell_difference(model, folded)


def _tell_difference(model: str, folded: bool) -> str:
    """What the other view counts, where the two differ, and what a token touches."""
    here, there = parameter_parts(model, folded), parameter_parts(model, not folded)
    told = ""
    if "batch norm" in here and folded:
        told = f" Folding turned {there['batch norm']:,} batch-norm values into {here['batch norm']:,} biases."
    elif "batch norm" in here:
        told = f" {here['batch norm']:,} of them belong to batch norms, half of these are trained."
    if "head, the embedding again" in here:
        told = f" {here['head, the embedding again']:,} of them are the embedding under a second name."
    if "idle experts" in here:
        told += f" One token uses {sum(here.values()) - here['idle experts']:,} of them."
    return told


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def parameter_explorer() -> Any:
    """The interactive figure."""
    import ipywidgets as widgets

    return explorer(
        where_parameters_live,
        {
            "model": widgets.Dropdown(options=[*CNNS, *TRANSFORMERS], value="VGG-16", description="model"),
            "folded": widgets.Dropdown(options=list(VIEWS.items()), value=True, description="count"),
            "bits": widgets.SelectionSlider(options=[2, 3, 4, 8, 16, 32], value=32, description="bits per value"),
        },
        Prediction("VGG-16 has 13 convolutions and 3 linear layers. Which share of its 138 million parameters is in "
                   "the linear layers?", ("about 10 %", "about 40 %", "about 60 %", "about 90 %"), 3,
                   "The first linear layer alone connects 512 × 7 × 7 values with 4,096: 102.8 million parameters."),
        title="Where do the parameters live?",
    )


def static_picture() -> Figure:
    """What remains where no kernel runs: nine models of both families, as they are deployed in 16 bits."""
    models = ("AlexNet", "VGG-16", "ResNet-50", "SqueezeNet 1.0", "MobileNetV2", "BERT-base", "Llama-3.2-1B",
              "Llama-3-8B", "Mixtral-8x7B")
    return _draw_models(models, "", True, 16)


# --- measurements -----------------------------------------------------------------------------


def latency_table(rows: Sequence[TimedNetwork]) -> Shown:
    """The timed networks, the fastest first."""
    told = [(r.name, f"{r.params / 1e6:.2f}", f"{r.macs / 1e9:.2f}", f"{r.ms:.1f}")
            for r in sorted(rows, key=lambda r: r.ms)]
    return table(("network", "million parameters", "GMACs", "ms an image"), told)


def latency_chart(rows: Sequence[TimedNetwork]) -> Shown:
    """Latency over parameters and over MACs, both axes logarithmic."""
    figure, axes = new_figure(9.6, 3.6, 1, 2, sharey=True)
    for ax, key, scale, text in zip(axes, ("params", "macs"), (1e6, 1e9), ("million parameters", "GMACs")):
        for index, row in enumerate(rows):
            ax.plot(getattr(row, key) / scale, row.ms, MARKERS[index % 7], color=PALETTE[index % 7], markersize=8,
                    label=row.name)
        _plain_log(ax)
        rho = rank_correlation([getattr(r, key) for r in rows], [r.ms for r in rows])
        label(ax, text, "ms an image" if key == "params" else "", f"rank correlation {rho:.2f}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8.5, frameon=False)
    told = latency_verdict(rows)
    return Shown(figure_html(figure, f"Latency over parameters and over MACs. {told}", 860), told)


def _plain_log(ax: Axes) -> None:
    """Two logarithmic axes whose ticks are plain numbers, three a decade."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set(xscale="log", yscale="log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def latency_verdict(rows: Sequence[TimedNetwork]) -> str:
    """Both rank correlations, and where the network with most parameters stands in latency."""
    ms = [r.ms for r in rows]
    by_params, by_macs = (rank_correlation([getattr(r, key) for r in rows], ms) for key in ("params", "macs"))
    most = max(rows, key=lambda r: r.params)
    slower = sum(r.ms > most.ms for r in rows)
    return (f"Rank correlation with latency: {by_macs:.2f} for MACs, {by_params:.2f} for parameters. {most.name} has "
            f"most parameters, and {slower} of the other {len(rows) - 1} networks are slower.")


def folding_table(name: str = "ResNet-18") -> Shown:
    """What four forms of one network store."""
    rows = [(r.form, f"{r.values:,}", r.batch_norms, f"{r.bytes / 1e6:.2f}") for r in folding_stages(name)]
    return table(("form", "float values", "batch norms", "MB"), rows, f"{name}, 32 bits a value")


def gpu_table(names: Sequence[str] = ("AlexNet", "ResNet-50", "MobileNetV2")) -> Shown:
    """4 bytes a value against what the CUDA allocator took; a sentence where there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    rows = [(name, f"{counted:,}", f"{taken:,}", f"{taken / counted - 1:.2%}")
            for name in names for counted, taken in [cuda_bytes(name)]]
    return table(("network", "4 bytes × values", "allocated bytes", "more"), rows, torch.cuda.get_device_name())


__all__ = ["folding_table", "gpu_table", "latency_chart", "latency_table", "latency_verdict", "parameter_explorer",
           "static_picture", "time_networks", "where_parameters_live"]

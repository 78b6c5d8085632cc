"""Figures and tables of chapter 20: where the windows land, which projects are alive, and what a wrong file costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.frameworks import CATALOGUE, EngineInfo
from utils.engines.mobile_formats import (
    AS_OF,
    PROJECTS,
    BugResult,
    NcnnLayer,
    TfliteModel,
    same_padding,
    window_positions,
)

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, SKY, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.engines.mobile_formats.experiment import FormatRace


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


# --- padding microscope -----------------------------------------------------------------------------

SIDES = {"TFLite, SAME": BLUE, "PyTorch, padding = kernel // 2": ORANGE}


def paddings(size: int, kernel: int, stride: int) -> dict[str, tuple[int, int]]:
    """The padding (before, after) of TFLite's SAME and of PyTorch's usual symmetric habit."""
    return dict(zip(SIDES, (same_padding(size, kernel, stride), (kernel // 2, kernel // 2))))


def ramp_means(size: int, kernel: int, stride: int, pads: tuple[int, int]) -> np.ndarray:
    """What a mean filter of `kernel` taps makes of the ramp 1, 2, …, size padded with zeros: one number a window."""
    ramp = np.pad(np.arange(1.0, size + 1), pads)
    return np.array([ramp[start + pads[0]:stop + 1 + pads[0]].mean()
                     for start, stop in window_positions(size, kernel, stride, pads)])


def draw_microscope(size: int, kernel: int, stride: int) -> tuple[Figure, str]:
    """A row of pixels under TFLite's windows, and the same row under PyTorch's."""
    pads = paddings(size, kernel, stride)
    lanes = -(-kernel // stride)
    figure, axes = new_figure(9.6, 2.6 + 0.42 * lanes, 2, 1, sharex=True)
    for ax, (name, pair) in zip(axes, pads.items()):
        _draw_row(ax, size, kernel, stride, pair, SIDES[name])
        label(ax, "", "", f"{name}: {pair[0]} before, {pair[1]} after")
    widest = max(max(pair) for pair in pads.values())
    axes[-1].set_xlim(-widest - 0.8, size + widest - 0.2)
    axes[-1].set_xlabel("pixel (hatched: padding); a bar is a window, its dot the centre", fontsize=10, color=INK)
    return figure, _tell_microscope(size, kernel, stride)


def _draw_row(ax: Axes, size: int, kernel: int, stride: int, pads: tuple[int, int], color: str) -> None:
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])
    for pixel in range(-pads[0], size + pads[1]):
        real = 0 <= pixel < size
        ax.bar(pixel, 0.8, 0.92, -0.4, facecolor="#E3E6EA" if real else "white", edgecolor=GREY, linewidth=0.8,
               hatch=None if real else "////")
        if real:
            ax.text(pixel, 0, str(pixel), ha="center", va="center", fontsize=8, color=INK)
    lanes = -(-kernel // stride)  # so many windows share a pixel
    for index, (first, last) in enumerate(window_positions(size, kernel, stride, pads)):
        y = 0.9 + 0.55 * (index % lanes)
        ax.plot([first - 0.4, last + 0.4], [y, y], color=color, linewidth=3.2, solid_capstyle="butt")
        ax.plot((first + last) / 2, y, marker="o", color="white", markeredgecolor=color, markersize=6)
    ax.set_ylim(-0.6, 0.9 + 0.55 * lanes)


def _tell_microscope(size: int, kernel: int, stride: int) -> str:
    same, habit = paddings(size, kernel, stride).values()
    told = f"{_count(size, 'pixel')}, {_count(kernel, 'tap')}, stride {stride}: SAME pads {same}, PyTorch {habit}. "
    ours, theirs = (ramp_means(size, kernel, stride, pads) for pads in (same, habit))
    if len(ours) != len(theirs):
        return told + f"They give {len(ours)} and {len(theirs)} outputs, so the shapes differ."
    many = f"Both give {_count(len(ours), 'output')}"
    shift = habit[0] - same[0]
    if not shift:
        return told + f"{many}, and every window begins at the same pixel: the outputs are equal."
    largest = np.abs(ours - theirs).max()
    return told + (f"{many}, but PyTorch's windows begin {_count(shift, 'pixel')} earlier. "
                   f"On the ramp 1, 2, …, {size} a mean filter differs by up to {largest:.2f}.")


def padding_microscope() -> Any:
    """The interactive figure "padding microscope"."""
    import ipywidgets as widgets

    return explorer(draw_microscope, {
        "size": widgets.IntSlider(value=10, min=3, max=20, description="size (pixels)"),
        "kernel": widgets.IntSlider(value=3, min=1, max=7, description="kernel (taps)"),
        "stride": widgets.IntSlider(value=2, min=1, max=4, description="stride"),
    }, Prediction(
        "An image 28 pixels wide, a kernel of 3, stride 2. TFLite's SAME and PyTorch's padding=1 both give 14 outputs. "
        "Are they the same outputs?",
        ("yes, all of them", "all but the first and the last", "no, all windows are shifted"), 2,
        "SAME needs one pixel of padding in all, and puts it after the image. PyTorch pads one on each side, so "
        "each of its windows begins one pixel earlier."), "Padding microscope")


# --- the projects -----------------------------------------------------------------------------------


def draw_timeline(limit_days: int, today: date = AS_OF) -> tuple[Figure, str]:
    """From the first public sign of each project to its last, and how long it has been quiet since."""
    figure, (ax,) = new_figure(9.6, 2.9)
    ax.grid(False, axis="y")
    for y, project in enumerate(PROJECTS):
        start, last, end = (_year(day) for day in (project.first, project.last, today))
        dormant = project.is_dormant(today, limit_days)
        color = SKY if project.role != "engine" else ORANGE if dormant else GREEN
        ax.barh(y, last - start, left=start, height=0.62, color=color)
        ax.barh(y, end - last, left=last, height=0.62, facecolor="white", edgecolor=GREY, hatch="////", linewidth=0.6)
        told = f"quiet for {project.idle_days(today):,} days" if dormant else "alive"
        ax.text(end + 0.08, y, told, va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(PROJECTS)), [p.name if p.role == "engine" else f"{p.name}\n(no engine)" for p in PROJECTS])
    ax.invert_yaxis()
    ax.set_xlim(2017, _year(today) + 2.2)
    ax.set_xticks(range(2017, today.year + 1))
    label(ax, "year (hatched: nothing seen since)", "")
    return figure, _tell_timeline(limit_days, today)


def _year(day: date) -> float:
    return day.year + (day.timetuple().tm_yday - 1) / 365.25


def _tell_timeline(limit_days: int, today: date) -> str:
    quiet = [p for p in PROJECTS if p.is_dormant(today, limit_days)]
    told = ", ".join(f"{p.name} {p.idle_days(today):,} days" for p in quiet)
    are = "is" if len(quiet) == 1 else "are"
    head = (f"As of {today.isoformat()}, with a limit of {limit_days} days, {len(quiet)} of the {len(PROJECTS)} "
            f"projects {are} dormant")
    return f"{head}: {told}." if quiet else f"{head}."


def project_timeline() -> Any:
    """The second interactive figure: the projects of the source."""
    import ipywidgets as widgets

    return explorer(draw_timeline, {
        "limit_days": widgets.SelectionSlider(options=[30, 90, 180, 365, 730, 1000, 2000, 3000], value=365,
                                              description="dormant after (days)")},
                    title="The five projects of the source")


def _day(day: date) -> str:
    """The date with hyphens at which a narrow table does not break it."""
    return day.isoformat().replace("-", "\N{NON-BREAKING HYPHEN}")


def project_table(today: date = AS_OF) -> Shown:
    """What the five projects are, and how long nothing has been seen of them."""
    rows = [(p.name, p.origin, p.role, _day(p.first), _day(p.last), f"{p.idle_days(today):,}",
             "dormant" if p.is_dormant(today) else "active", _day(p.as_of)) for p in PROJECTS]
    return table(("project", "from", "is", "first seen", "last sign of work", "idle (days)", "status", "as of"), rows)


def mobile_table() -> Shown:
    """The living engines for phones out of chapter 29's catalogue."""
    rows = [(info.name, info.origin, ", ".join(sorted(info.formats)), ", ".join(sorted(info.hardware)),
             _day(info.last_seen), _day(info.as_of)) for info in _living()]
    return table(("engine", "from", "reads", "hardware", "last sign of work", "as of"), rows)


def _living() -> list[EngineInfo]:
    return [info for info in CATALOGUE if "mobile" in info.tags and info.status == "active"]


def file_table() -> Shown:
    """Files of each project: does one of them run a network?"""
    return table(("project", "is", "files, for example"), [(p.name, p.role, ", ".join(p.files)) for p in PROJECTS])


def source_list() -> Shown:
    """Where the rows about projects and engines come from."""
    engines = [(info.name, _day(info.as_of), info.source) for info in _living()]
    projects = [(p.name, _day(p.as_of), p.source) for p in PROJECTS]
    known = {name.split(" (")[0] for name, _, _ in projects}
    return table(("project", "as of", "source"), projects + [row for row in engines if row[0] not in known])


# --- what the files hold ----------------------------------------------------------------------------


def ncnn_table(layers: Sequence[NcnnLayer]) -> Shown:
    """The layers of a .param file, parameters by number."""
    rows = [(layer.name, layer.type, ", ".join(layer.inputs) or "–", ", ".join(layer.outputs),
             " ".join(f"{k}={v}" for k, v in layer.params.items()) or "–") for layer in layers]
    return table(("layer", "type", "reads", "makes", "parameters"), rows)


def tflite_table(model: TfliteModel) -> Shown:
    """The operators of a .tflite file with the shapes of what they read and make."""
    padding = {0: "SAME", 1: "VALID"}
    rows = []
    for op in model.operators:
        said = [padding[op.options["padding"]]] if "padding" in op.options else []
        said += ["fused ReLU"] if op.options.get("fused_activation_function") == 1 else []
        weight = next((model.shapes[n] for n in op.inputs if n in model.constants and len(model.shapes[n]) in (2, 4)
                       and op.builtin not in ("PAD", "PADV2")), None)
        rows.append((op.builtin, model.shapes[op.inputs[0]], weight or "–", model.shapes[op.output],
                     ", ".join(said) or "–"))
    return table(("operator", "reads", "weight", "makes", "options"), rows)


# --- measured ---------------------------------------------------------------------------------------


def race_table(race: FormatRace) -> Shown:
    """Engines that ran: file size, error, median latency as a multiple of ONNX Runtime's; then those that did not."""
    base, ratios = race.outputs["ONNX Runtime"], race.ratios()
    rows = [(name, f"{race.model_bytes[name]:,}", f"{np.abs(out - base).max():.1e}",
             f"{np.median(race.samples_ms[name]) * 1e3:,.0f}", f"{ratios[name]:.2f}")
            for name, out in race.outputs.items()]
    rows += [(name, "–", "–", "–", reason) for name, reason in race.missing.items()]
    head = ("engine", "file (bytes)", "difference from ONNX Runtime", "median (µs)", "times ONNX Runtime's")
    return table(head, rows)


def difference_table(race: FormatRace) -> Shown:
    """The largest difference between the outputs of every two engines."""
    found, names = race.differences(), list(race.outputs)
    rows = [(a, *("·" if a == b else f"{found[a, b]:.0e}" for b in names)) for a in names]
    return table(("largest difference", *names), rows)


def draw_bugs(results: Sequence[BugResult]) -> tuple[Figure, str]:
    """The error of each file's output, on a logarithmic axis; refused files get a word instead of a bar."""
    figure, (ax,) = new_figure(9.0, 0.42 * len(results) + 1.2)
    floor = 1e-8
    for y, result in enumerate(results):
        if result.max_abs is None:
            ax.text(floor * 1.3, y, f"refused by {result.engine}", va="center", fontsize=9, color=INK)
            continue
        right = result.name.startswith("no mistake")
        length = max(result.max_abs, floor)
        ax.barh(y, length, height=0.62, color=GREEN if right else ORANGE, hatch=None if right else "//",
                edgecolor="white")
        ax.text(length * 1.15, y, f"{result.max_abs:.1e} ({result.engine})", va="center", fontsize=9, color=INK)
    ax.set_xscale("log")
    ax.set_xlim(floor, 1e3)
    ax.set_yticks(range(len(results)), [r.name for r in results])
    ax.invert_yaxis()
    label(ax, "largest error of the output (log scale)", "")
    return figure, _tell_bugs(results)


def _tell_bugs(results: Sequence[BugResult]) -> str:
    right = [r.max_abs for r in results if r.name.startswith("no mistake")]
    wrong = [r.max_abs for r in results if not r.name.startswith("no mistake") and r.max_abs is not None]
    refused = sum(r.max_abs is None for r in results)
    told = (f"The right files are off by at most {max(right):.0e}; the wrong ones that run by {min(wrong):.2f} to "
            f"{max(wrong):.2f}")
    return told + (f". {_count(refused, 'wrong file')} refused." if refused else ", and none of them is refused.")


def bug_picture(results: Sequence[BugResult]) -> Shown:
    """The picture of `draw_bugs` for a code cell."""
    return shown_figure(*draw_bugs(results))


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: ten pixels, three taps, stride 2."""
    return draw_microscope(10, 3, 2)[0]

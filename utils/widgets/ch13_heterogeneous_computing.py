"""Figures and tables of chapter 13: a Gantt chart to play with, break-even, plans of a chain, a measured pipeline."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from utils.hardware.heterogeneous import (
    SCHEDULERS,
    PipelineRun,
    Schedule,
    TaskGraph,
    all_plans,
    break_even,
    copies,
    gantt_rows,
    heft,
    threads_frames_per_s,
)
from utils.hardware.heterogeneous.chip_engines import AS_OF, RK3588, SOURCE
from utils.hardware.heterogeneous.examples import ACCELERATOR, GRAPHS, published_graph, scaled

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, YELLOW, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINKS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0)
SPEEDS = (1.0, 2.0, 10.0)
LANES = (BLUE, GREEN, ORANGE, PINK)


# --- a chip ----------------------------------------------------------------------------------------


def chip_table() -> Shown:
    """The engines of one edge chip, with source and date."""
    return table(("engine", "on the RK3588", "for example"), [(e.name, e.on_chip, e.does) for e in RK3588],
                 f"Rockchip RK3588, a chip for edge boards. As of {AS_OF}. Source: {SOURCE}")


# --- break-even ------------------------------------------------------------------------------------


def draw_break_even(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float,
                    most: int = 24) -> tuple[Figure, str]:
    """Time of a batch on the CPU and on the device, and the first batch for which the device is faster."""
    batch = range(1, most + 1)
    figure, (ax,) = new_figure(7.6, 3.3)
    ax.plot(batch, [n * cpu_ms for n in batch], color=ORANGE, marker="o", markersize=4, label="CPU")
    ax.plot(batch, [fixed_ms + n * (dev_ms + copy_ms) for n in batch], color=BLUE, linestyle="--", marker="s",
            markersize=4, label="device: once, and for each item run and copy")
    first = break_even(cpu_ms, fixed_ms, dev_ms, copy_ms)
    if first is not None and first <= most:
        ax.axvline(first, color=GREY, linestyle=":")
        ax.annotate(f"from {first} on", (first, 0), xytext=(4, 4), textcoords="offset points", fontsize=9, color=INK)
    ax.set(xlim=(0, most + 0.5), ylim=(0, None))
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    label(ax, "items in the batch", "time of the batch (ms)")
    told = "never faster" if first is None else f"faster from a batch of {first} on"
    return figure, (f"CPU {cpu_ms:g} ms an item; device {fixed_ms:g} ms once, then {dev_ms:g} + {copy_ms:g} ms an "
                    f"item: the device is {told}.")


def break_even_picture(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> Shown:
    """The picture of `draw_break_even` for a code cell."""
    return shown_figure(*draw_break_even(cpu_ms, fixed_ms, dev_ms, copy_ms))


# --- plans of a chain ------------------------------------------------------------------------------


def draw_plans(cost: Sequence[Sequence[float]], move: Sequence[float]) -> tuple[Figure, str]:
    """Every plan of a chain as a bar: what the layers take, and on top what the moves take."""
    plans = all_plans(cost, move)
    figure, (ax,) = new_figure(8.6, 3.2)
    layers = [sum(row[d] for row, d in zip(cost, p.devices)) for p in plans]
    ax.bar(range(len(plans)), layers, color=BLUE, width=0.75, label="layers")
    ax.bar(range(len(plans)), [p.total_ms - ms for p, ms in zip(plans, layers)], bottom=layers, color=YELLOW,
           hatch="//", edgecolor="white", width=0.75, label="moves")
    ax.set_xticks(range(len(plans)), ["".join(map(str, p.devices)) for p in plans], rotation=60, fontsize=8)
    ax.set_ylim(0, 1.25 * plans[-1].total_ms)
    ax.legend(frameon=False, fontsize=9, loc="upper left", ncols=2)
    label(ax, "device of each layer", "total time (ms)")
    one, worst = plans[0], plans[-1]
    best = "-".join(map(str, one.devices))
    return figure, (f"{len(plans)} plans: the best, {best}, takes {one.total_ms:g} ms; all on device 0 "
                    f"{_total(plans, 0):g} ms, all on device 1 {_total(plans, 1):g} ms; the worst "
                    f"{worst.total_ms:g} ms.")


def _total(plans: Sequence[Any], device: int) -> float:
    return next(p.total_ms for p in plans if set(p.devices) == {device})


def plans_picture(cost: Sequence[Sequence[float]], move: Sequence[float]) -> Shown:
    """The picture of `draw_plans` for a code cell."""
    return shown_figure(*draw_plans(cost, move))


# --- the Gantt chart -------------------------------------------------------------------------------


def draw_gantt(graph: TaskGraph, schedule: Schedule, title: str = "") -> tuple[Figure, str]:
    """A lane a device, a bar a task, a grey line for each result that travels to another device."""
    devices = graph.devices
    figure, (ax,) = new_figure(9.6, 0.9 + 0.62 * len(devices))
    lane = {device: i for i, device in enumerate(devices)}
    end = schedule.makespan_ms
    for row in gantt_rows(schedule):
        at = lane[row.device]
        ax.barh(at, row.end_ms - row.start_ms, left=row.start_ms, height=0.56, color=LANES[at % 4], edgecolor="white")
        _name_bar(ax, row.task, row.start_ms, row.end_ms, at, end)
    for copy in copies(graph, schedule):
        ax.plot([copy.start_ms, copy.end_ms], [lane[copy.source], lane[copy.target]], color=GREY, linewidth=0.9,
                zorder=0)
    ax.axvline(end, color=INK, linestyle=":")
    ax.set_yticks(range(len(devices)), devices)
    ax.set(xlim=(0, end * 1.04), ylim=(len(devices) - 0.45, -0.55))
    label(ax, "time (ms)", "", title)
    return figure, _tell(graph, schedule)


def _name_bar(ax: Axes, task: str, start: float, end: float, lane: int, whole: float) -> None:
    """The task's name, where it fits: a letter is about 0.9 % of the picture wide."""
    if (end - start) / whole > 0.009 * len(task) + 0.004:
        ax.text((start + end) / 2, lane, task, ha="center", va="center", fontsize=8, color="white")


def _tell(graph: TaskGraph, schedule: Schedule) -> str:
    busy = ", ".join(f"{d} {schedule.busy_ms(d):.1f}" for d in graph.devices)
    return (f"The last task ends after {schedule.makespan_ms:.1f} ms. Busy, in ms: {busy}. "
            f"Results that cross: {len(copies(graph, schedule))}.")


@lru_cache(maxsize=256)
def _scheduled(graph: str, scheduler: str, link: float, speed: float) -> tuple[TaskGraph, Schedule]:
    made = scaled(GRAPHS[graph](), link=link, device=ACCELERATOR[graph], speed=speed)
    return made, SCHEDULERS[scheduler](made)


def draw_schedule(graph: str = "published", scheduler: str = "HEFT", link: float = 1.0,
                  speed: float = 1.0) -> tuple[Figure, str]:
    """The figure for the knobs: a graph, a scheduler, how fast the link and the accelerator are."""
    made, schedule = _scheduled(graph, scheduler, link, speed)
    figure, told = draw_gantt(made, schedule)
    which = "" if speed == 1 else f", {ACCELERATOR[graph]} {speed:g} times as fast"
    ends = {name: _scheduled(graph, name, link, speed)[1].makespan_ms for name in SCHEDULERS if name != scheduler}
    others = ", ".join(f"{name} {end:.1f}" for name, end in ends.items())
    return figure, f"{graph}, {scheduler}, link × {link:g}{which}. {told} The other schedulers, in ms: {others}."


def play_with_schedules() -> Any:
    """The interactive figure: who runs what, when."""
    import ipywidgets as widgets

    knobs = {
        "graph": widgets.ToggleButtons(options=list(GRAPHS), value="camera", description="graph"),
        "scheduler": widgets.ToggleButtons(options=list(SCHEDULERS), value="HEFT", description="scheduler"),
        "link": widgets.SelectionSlider(options=[(f"× {x:g}", x) for x in LINKS], value=1.0, description="link speed"),
        "speed": widgets.ToggleButtons(options=[(f"× {x:g}", x) for x in SPEEDS], value=1.0,
                                       description="NPU (or P3) speed"),
    }
    return explorer(draw_schedule, knobs, Prediction(
        "HEFT brings a camera frame through in 29.1 ms. The NPU works 9 ms of it. Now the NPU becomes ten times as "
        "fast. How long does a frame take?", ("about 3 ms", "about 19 ms", "about 28 ms"), 1,
        "18.8 ms. The NPU takes over what the GPU did. What is left is the work of the other engines: with an NPU "
        "that needs no time, the frame would still take 17.1 ms."), "Who runs what, when")


def gantt_picture(graph: TaskGraph, make: Callable[[TaskGraph], Schedule] = heft) -> Shown:
    """The chart of one graph under one scheduler, for a code cell."""
    return shown_figure(*draw_gantt(graph, make(graph)))


# --- the measured pipeline --------------------------------------------------------------------------


def pipeline_table(names: Sequence[str], sequential: PipelineRun, threaded: PipelineRun) -> Shown:
    """Mean time of each stage alone and beside the others."""
    rows = [(name, f"{a:.2f}", f"{b:.2f}") for name, a, b in zip(names, sequential.stage_ms, threaded.stage_ms)]
    rows.append(("sum", f"{sum(sequential.stage_ms):.2f}", f"{sum(threaded.stage_ms):.2f}"))
    return table(("stage", "one after the other (ms)", "in threads (ms)"), rows,
                 "Measured on this machine, mean of a frame")


def draw_pipeline(sequential: PipelineRun, threaded: PipelineRun, cores: int) -> tuple[Figure, str]:
    """Frames per second: measured, and what the slowest stage and the cores allow."""
    slowest = 1000 / max(sequential.stage_ms)
    bound = threads_frames_per_s(sequential.stage_ms, cores)
    bars = (("one after the other, measured", sequential.frames_per_s, GREY, ""),
            ("in threads, measured", threaded.frames_per_s, BLUE, ""),
            (f"in threads, at most on {cores} cores", bound, "white", "//"),
            ("at most, an engine a stage", slowest, "white", ".."))
    figure, (ax,) = new_figure(8.4, 2.6)
    for i, (_, value, color, hatch) in enumerate(bars):
        ax.barh(i, value, color=color, hatch=hatch, edgecolor=BLUE if hatch else "white", height=0.62)
        ax.annotate(f"{value:.0f}", (value, i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9,
                    color=INK)
    ax.set_yticks(range(len(bars)), [bar[0] for bar in bars])
    ax.set(xlim=(0, 1.15 * max(bar[1] for bar in bars)), ylim=(len(bars) - 0.5, -0.5))
    label(ax, "frames per second", "")
    return figure, (f"Measured here: {sequential.frames_per_s:.0f} frames/s one after the other, "
                    f"{threaded.frames_per_s:.0f} in threads. The slowest stage allows {slowest:.0f}, "
                    f"stages and {cores} cores together {bound:.0f}.")


def pipeline_picture(sequential: PipelineRun, threaded: PipelineRun, cores: int) -> Shown:
    """The picture of `draw_pipeline` for a code cell."""
    return shown_figure(*draw_pipeline(sequential, threaded, cores))


def cuda_note() -> Shown:
    """The middle stage on a GPU with copies from ordinary and from pinned memory, or what would be measured."""
    from utils.hardware.heterogeneous.camera_stages import copy_times, cuda_session, make_frames, shrink

    runtime = cuda_session()
    if runtime is None:
        told = ("No GPU that ONNX Runtime's CUDA provider can use is here. With one, this cell would time the copy of "
                "a frame to it from ordinary and from pinned memory, and the network there.")
        return Shown(f"<p>{html.escape(told)}</p>", told)
    import torch

    from utils.cost.latency import time_callable

    x = shrink(make_frames(1)[0])
    run_ms = min(time_callable(lambda: runtime.run(None, {"x": x})))
    rows = [("network with both copies", f"{run_ms:.2f}")]
    if torch.cuda.is_available():
        times = copy_times(torch, x)
        rows += [("copy from ordinary memory", f"{times.pageable_ms:.3f}"),
                 ("copy from pinned memory", f"{times.pinned_ms:.3f}")]
    return table(("on this GPU", "least time (ms)"), rows, "Measured on this machine")


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: HEFT's schedule of the published graph."""
    graph = published_graph()
    return draw_gantt(graph, heft(graph), "the ten tasks of the HEFT paper on three processors")[0]

"""Figures of chapter 18: a chip's modules round the DDR bus, its limits, and a line of stages frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.hardware.soc import (
    AS_OF,
    MODULES,
    SOCS,
    Pass,
    Soc,
    StreamReport,
    camera_chain,
    ddr_gb_s,
    ddr_utilization,
    frame_traffic,
    simulate_pipeline,
    stream_budget,
)
from utils.hardware.soc.modules import SOURCE

from .shell import Prediction, explorer
from .style import BLUE, GREY, INK, ORANGE, PALETTE, SKY, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.hardware.soc.live import LiveRun

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160), "8K": (7680, 4320)}
FPS = 30
SHOWN = {"decode": "decoder", "encode": "encoder", "npu": "NPU", "ddr": "DDR bus"}


def modules_table() -> Shown:
    """The parts of a chip, what one real chip has of them, and where they stand in the interview document's list."""
    rows = [(m.name, m.does, m.rk3588, m.in_list or "missing") for m in MODULES]
    return table(("module", "what it does", "RK3588", "number in the list"), rows, f"{SOURCE}; as of {AS_OF}")


def passes_table(passes: Sequence[Pass], fps: float = FPS) -> Shown:
    """What each module reads and writes for one frame, and the sum at `fps`."""
    every = Pass("all", sum(p.reads_bytes for p in passes), sum(p.writes_bytes for p in passes))
    rows = [(p.module, f"{p.reads_bytes / 1e6:.2f}", f"{p.writes_bytes / 1e6:.2f}", f"{ddr_gb_s([p], fps):.3f}")
            for p in (*passes, every)]
    return table(("module", "reads (MB)", "writes (MB)", f"GB/s at {fps:g} frames/s"), rows)


# --- the chip and its limits ---------------------------------------------------------------------


def budget(soc: Soc, size: str, nn_size: int, npu_ms: float) -> tuple[list[Pass], StreamReport]:
    """The chain of one frame (encoded and shown), and the streams at 30 frames a second that the chip serves."""
    width, height = SIZES[size]
    passes = camera_chain(width, height, nn_size, encode=True, display=True)
    return passes, stream_budget(soc, width, height, FPS, npu_ms, frame_traffic(passes))


def draw_budget(chip: str = "RK3588", streams: int = 8, size: str = "1080p", nn_size: int = 640,
                npu_ms: float = 12.0) -> tuple[Figure, str]:
    """Modules round the bus, lines as wide as their traffic, and the limit of each module in streams."""
    soc = SOCS[chip]
    passes, report = budget(soc, size, nn_size, npu_ms)
    figure, (left, right) = new_figure(10.0, 3.9, 1, 2, width_ratios=[1.35, 1])
    _draw_bus(left, soc, passes, streams)
    _draw_limits(right, report, streams)
    share = ddr_utilization(passes, FPS, streams, soc.ddr_gb_s)
    fits = "fit" if streams <= report.streams else "do not fit"
    limits = ", ".join(f"{SHOWN[name]} {value}" for name, value in report.limits.items())
    return figure, (
        f"{chip}, {size} at {FPS} frames a second, network {nn_size} × {nn_size} in {npu_ms:g} ms. A frame moves "
        f"{frame_traffic(passes) / 1e6:.1f} MB; {streams} stream{'s' * (streams != 1)} move "
        f"{ddr_gb_s(passes, FPS, streams):.2f} GB/s, {100 * share:.0f} % of the peak of {soc.ddr_gb_s:.1f} GB/s. "
        f"Limits in streams: {limits}. The {SHOWN[report.bottleneck]} decides: {streams} {fits}.")


def _draw_bus(ax: Axes, soc: Soc, passes: Sequence[Pass], streams: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    ax.set(xlim=(-0.1, len(passes) + 0.1), ylim=(0, 4.2), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)
    middle, bus, used = len(passes) / 2, (1.05, 1.55), ddr_gb_s(passes, FPS, streams)
    words = {"ha": "center", "va": "center", "fontsize": 9, "color": INK}
    ax.add_patch(FancyBboxPatch((0, bus[0]), len(passes), bus[1] - bus[0], boxstyle="round,pad=0.02",
                                facecolor="#E3E6EA", edgecolor=GREY))
    plan = soc.ddr_derate * soc.ddr_gb_s
    ax.text(middle, 1.3, f"DDR bus: {used:.2f} GB/s of {plan:.1f} to plan with ({soc.ddr_gb_s:.1f} peak)", **words)
    ax.text(middle, 0.45, "DRAM chips (outside the SoC)", **words,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": GREY})
    ax.annotate("", (middle, 0.75), (middle, 1.03), arrowprops={"arrowstyle": "<->", "color": GREY, "lw": 2})
    widest = max(max(p.reads_bytes, p.writes_bytes) for p in passes)
    for i, p in enumerate(passes):
        ax.text(i + 0.5, 3.55, p.module, **{**words, "color": "white"}, fontweight="bold",
                bbox={"boxstyle": "round,pad=0.45", "facecolor": BLUE, "edgecolor": "none"})
        for x, size, (tail, head), color in ((i + 0.32, p.reads_bytes, (1.6, 3.2), SKY),
                                             (i + 0.68, p.writes_bytes, (3.2, 1.6), ORANGE)):
            if size:
                arrow = {"arrowstyle": "-|>", "color": color, "lw": 1 + 6 * size / widest, "shrinkA": 0, "shrinkB": 0}
                ax.annotate("", (x, head), (x, tail), arrowprops=arrow)
                ax.text(x, 2.4, f"{size * FPS * streams / 1e9:.2f}", **{**words, "fontsize": 8},
                        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"})
    ax.set_title(f"GB/s of {streams} stream{'s' * (streams != 1)}: up is read, down is written",
                 fontsize=10, color=INK, loc="left")


def _draw_limits(ax: Axes, report: StreamReport, streams: int) -> None:
    names = list(report.limits)
    for row, name in enumerate(names):
        worst = name == report.bottleneck
        value = report.limits[name]
        ax.barh(row, value, color=ORANGE if worst else BLUE, hatch="//" if worst else "", edgecolor="white", height=0.6)
        ax.text(value, row, f" {value}" + " bottleneck" * worst, va="center", fontsize=9, color=INK)
    ax.axvline(streams, color=INK, linestyle="--", linewidth=1.2)
    ax.text(streams, len(names) - 0.45, f"{streams} asked", ha="center", fontsize=9, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    ax.set_yticks(range(len(names)), [SHOWN[n] for n in names])
    ax.set(ylim=(len(names) - 0.3, -0.6), xlim=(0, 1.4 * max([*report.limits.values(), streams, 1])))
    ax.grid(False, axis="y")
    label(ax, f"streams at {FPS} frames/s", "", "What each module serves")


def chip_budget() -> Any:
    """The chip with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "chip": widgets.Dropdown(options=list(SOCS), value="RK3588"),
        "streams": widgets.IntSlider(8, 1, 40),
        "size": widgets.Dropdown(options=list(SIZES), value="1080p", description="resolution"),
        "nn_size": widgets.IntSlider(640, 128, 1280, 64, description="network input"),
        "npu_ms": widgets.FloatSlider(value=12, min=1, max=40, step=0.5, description="network (ms)"),
    }
    guess = Prediction("RK3588, 1080p streams, a network of 12 ms: 8 streams, and the NPU is the limit. You make the "
                       "network three times as fast. How many streams then?",
                       ("24, three times as many", "16", "8, as before"), 1,
                       "The NPU could now serve 25. The encoder stops at 16: 995 Mpix/s over 62.2 Mpix/s for a stream.")
    return explorer(draw_budget, knobs, guess, "A chip's modules and its bus")


# --- a line of stages ----------------------------------------------------------------------------

STAGES = ("scaler", "NPU", "post-processing")


FRAMES = 15


def line_times(scaler_ms: float, npu_ms: float, post_ms: float, slow_ms: float, n: int) -> list[list[float]]:
    """Times of three stages for n frames; in each five frames the NPU takes `slow_ms` more once, the scaler too."""
    return [[scaler_ms + slow_ms * (k % 5 == 4) for k in range(n)],
            [npu_ms + slow_ms * (k % 5 == 1) for k in range(n)], [post_ms] * n]


def draw_line(scaler_ms: float = 4, npu_ms: float = 6, post_ms: float = 3, slow_ms: float = 16, buffers: int = 1,
              fps: int = 125) -> tuple[Figure, str]:
    """Frames through three stages: filled while it works, hatched while a finished frame can't leave."""
    gap = 1000 / fps
    times = line_times(scaler_ms, npu_ms, post_ms, slow_ms, FRAMES)
    trace = simulate_pipeline(times, FRAMES, buffers, gap)
    figure, (ax,) = new_figure(9.6, 3.0)
    for k in range(FRAMES):
        color = PALETTE[k % len(PALETTE)]
        for i in range(3):
            begin, ready, left = trace.start[k][i], trace.ready[k][i], trace.depart[k][i]
            ax.barh(i, ready - begin, left=begin, height=0.62, color=color, edgecolor="white")
            if left > ready:
                ax.barh(i, left - ready, left=ready, height=0.62, color="white", edgecolor=color, hatch="////")
            if ready - begin > 0.015 * trace.finish[-1]:
                ax.text((begin + ready) / 2, i, str(k), ha="center", va="center", fontsize=8, color="white")
    ax.set_yticks(range(3), STAGES)
    ax.set(ylim=(2.6, -0.6), xlim=(0, 1.02 * trace.finish[-1]))
    ax.grid(False, axis="y")
    places = f"{buffers} buffer{'s' * (buffers != 1)}"
    label(ax, "time (ms); hatched: finished, but the next buffer is full", "", f"{FRAMES} frames, {places} in each gap")
    return figure, (
        f"Frames come every {gap:.3g} ms. With {places} between two stages the last of {FRAMES} leaves after "
        f"{trace.finish[-1]:.1f} ms, {trace.fps or 0:.0f} frames a second; the longest latency is "
        f"{max(trace.latency_ms):.1f} ms. The scaler is blocked for {trace.blocked_ms[0]:.1f} ms in all, "
        f"the NPU for {trace.blocked_ms[1]:.1f} ms.")


def stage_line() -> Any:
    """The line with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "scaler_ms": widgets.FloatSlider(value=4, min=1, max=20, step=0.5, description="scaler (ms)"),
        "npu_ms": widgets.FloatSlider(value=6, min=1, max=20, step=0.5, description="NPU (ms)"),
        "post_ms": widgets.FloatSlider(value=3, min=1, max=20, step=0.5, description="post-processing (ms)"),
        "slow_ms": widgets.FloatSlider(value=16, min=0, max=40, step=1, description="slow frames: more by (ms)"),
        "buffers": widgets.IntSlider(1, 1, 6),
        "fps": widgets.IntSlider(125, 25, 250, 25, description="camera (frames/s)"),
    }
    guess = Prediction("Three stages take 4, 6 and 3 ms, always. You go from 1 buffer between them to 4. What happens "
                       "to the throughput?",
                       ("it rises a little", "nothing", "it falls"), 1,
                       "The slowest stage is never without a frame, so its 6 ms set the rate. Set the slow frames' "
                       "extra to 0 and try. Buffers help when times vary.")
    return explorer(draw_line, knobs, guess, "A line of stages")


# --- measured ------------------------------------------------------------------------------------


def live_table(runs: Sequence[tuple[int, LiveRun]]) -> Shown:
    """Real threads against the model that is fed with their stage times; `runs` are (buffers, run)."""
    rows = [(buffers, f"{run.fps:.0f}", f"{run.model_fps:.0f}", f"{run.one_by_one_fps:.0f}",
             f"{run.most_lent} of {run.pool}", "yes" if run.frames == tuple(range(len(run.frames))) else "NO")
            for buffers, run in runs]
    head = ("buffers", "threads (frames/s)", "model (frames/s)", "one by one (frames/s)", "lent at most", "in order")
    return table(head, rows, "Measured on this machine")


def draw_live(run: LiveRun) -> tuple[Figure, str]:
    """Stage times of a real run, frame by frame."""
    from utils.hardware.soc.live import STAGES as NAMES

    figure, (ax,) = new_figure(9.0, 3.0)
    for name, times, color, mark in zip(NAMES, run.stage_ms, (GREY, SKY, BLUE, YELLOW), "^soD"):
        ax.plot(times, color=color, marker=mark, markersize=3, linewidth=1, label=name)
    ax.set_ylim(0)
    ax.legend(fontsize=8, ncols=4, frameon=False)
    label(ax, "frame", "time in the stage (ms)", "The times vary: threads share the cores")
    means = ", ".join(f"{name} {sum(t) / len(t):.1f} ms" for name, t in zip(NAMES, run.stage_ms))
    return figure, f"Measured here: mean times {means}; {run.fps:.0f} frames a second."


def live_picture(run: LiveRun) -> Shown:
    """The picture of `draw_live` for a code cell."""
    figure, sentence = draw_live(run)
    return Shown(figure_html(figure, sentence) + f"<p>{sentence}</p>", sentence)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_budget()[0]

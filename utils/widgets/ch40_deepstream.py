"""Figures and measurements of chapter 40: a muxer's timeline, the damage of a lost packet, a pipeline with threads."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.delivery.streaming import (
    RELEASES,
    ROLES,
    MuxedBatch,
    PipelineReport,
    QueueResult,
    camera_events,
    codec_of,
    decodable,
    decode,
    decode_on_gpu,
    decode_with_loss,
    explain_pipeline,
    gop_refs,
    mux_events,
    mux_report,
    predicted_good,
    run_gst_launch,
)
from utils.delivery.streaming.stages import latency_breakdown
from utils.optional import EngineUnavailable
from utils.serving.queueing import simulate_fifo

from .shell import Prediction, explorer
from .style import BLUE, GREY, INK, ORANGE, PALETTE, SKY, Shown, label, line_style, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NO_BREAK = "\N{NON-BREAKING HYPHEN}"
SHOWN_S = 0.2  # of the timeline
WHOLE_S = 2.0  # of which the numbers are told
RATES = {"all 30 fps": (30,), "30 and 10 fps": (30, 10), "30, 15 and 5 fps": (30, 15, 5)}
PATTERNS = {"P only": "I" + 11 * "P", "two B frames": "IPBBPBBPBBPB", "every frame a keyframe": 12 * "I"}
DEEPSTREAM_LINE = (
    "nvurisrcbin uri=rtsp://camera-0 ! queue leaky=downstream max-size-buffers=4 ! mux.sink_0 "
    "nvurisrcbin uri=rtsp://camera-1 ! queue leaky=downstream max-size-buffers=4 ! mux.sink_1 "
    "nvstreammux name=mux batch-size=2 batched-push-timeout=33333 live-source=1 width=1920 height=1080 "
    "! nvinfer config-file-path=detector.txt batch-size=2 interval=2 ! nvtracker ! nvdsosd ! fakesink"
)


# --- the muxer's timeline ---------------------------------------------------------------------


def mux_figure(fps_list: Sequence[float], phases: Sequence[int] | None, batch_size: int, timeout_ms: float,
               infer_a: float, infer_b: float) -> tuple[Figure, str]:
    """Arrivals by camera, batches, and the model's work; phases in us, None spreads the cameras over a frame period."""
    events = camera_events(len(fps_list), fps_list, phases, WHOLE_S)
    batches = mux_events(events, batch_size, round(1e3 * timeout_ms))
    report = mux_report(batches, infer_a, infer_b)
    figure, (ax,) = new_figure(11.0, 1.6 + 0.42 * len(fps_list))
    _draw_lanes(ax, batches, len(fps_list), infer_a, infer_b)
    label(ax, "time (ms)", "", f"the first {1e3 * SHOWN_S:.0f} ms of {WHOLE_S:g} s, simulated")
    rates = ", ".join(f"{f:g}" for f in fps_list)
    late = ""
    if report.busy > 0.999:
        late = " The model can't keep up: latencies grow as long as the run lasts."
    count = f"{len(fps_list)} camera{'s' * (len(fps_list) > 1)}"
    return figure, (f"Simulated: {count} with {rates} fps, batches of up to {batch_size}, a timeout of "
                    f"{timeout_ms:g} ms, a batch of n takes {infer_a:g} + {infer_b:g}·n ms. Batches hold "
                    f"{report.mean_fill:.1f} frames on average. A frame waits {report.mean_wait_ms:.1f} ms for its "
                    f"batch on average, p95 {report.p95_wait_ms:.1f} ms. The model is busy {100 * report.busy:.0f} % "
                    f"of the time, and p95 of the latency is {report.p95_latency_ms:.1f} ms.{late}")


def _draw_lanes(ax: Axes, batches: Sequence[MuxedBatch], cameras: int, infer_a: float, infer_b: float) -> None:
    services = np.array([infer_a + infer_b * len(b.events) for b in batches])
    pushes = np.array([b.push_us / 1e3 for b in batches])
    starts = pushes + 1e3 * simulate_fifo(pushes / 1e3, services / 1e3)
    for k, batch in enumerate(batches):
        if batch.events[0].t_us > 1e6 * SHOWN_S:
            break
        color = (BLUE, ORANGE)[k % 2]
        for event in batch.events:
            start = event.t_us / 1e3
            ax.plot([start, pushes[k]], [event.source] * 2, color=color, linewidth=2, linestyle=("-", "--")[k % 2])
            ax.plot([start], [event.source], marker=("o", "s")[k % 2], color=color, markersize=6)
        ax.plot([pushes[k]] * 2, [-0.4, cameras - 0.6], color=GREY, linewidth=1, linestyle=":")
        ax.barh(cameras, services[k], left=starts[k], height=0.6, color=color, alpha=0.85, hatch=("", "//")[k % 2],
                edgecolor="white")
        box = {"boxstyle": "round,pad=0.15", "facecolor": color, "edgecolor": "none"}
        ax.annotate(str(len(batch.events)), (starts[k] + services[k] / 2, cameras), ha="center", va="center",
                    fontsize=8, color="white", bbox=box)
    ax.set_yticks(range(cameras + 1), [*(f"camera {i}" for i in range(cameras)), "model"])
    ax.set(xlim=(-2, 1e3 * SHOWN_S), ylim=(cameras + 0.6, -0.6))


def draw_mux(cameras: int, rates: str, batch_size: int, timeout_ms: float, infer_a: float,
             infer_b: float) -> tuple[Figure, str]:
    """`mux_figure` for the knobs: the rates are dealt out to the cameras in turns."""
    dealt = RATES[rates]
    return mux_figure([dealt[i % len(dealt)] for i in range(cameras)], None, batch_size, timeout_ms, infer_a, infer_b)


def muxer() -> Any:
    """The interactive figure "stream muxer"."""
    import ipywidgets as widgets

    knobs = {
        "cameras": widgets.IntSlider(value=4, min=1, max=6, description="cameras"),
        "rates": widgets.Dropdown(options=list(RATES), value="all 30 fps", description="frame rates"),
        "batch_size": widgets.IntSlider(value=8, min=1, max=12, description="batch-size"),
        "timeout_ms": widgets.FloatSlider(value=33, min=0, max=100, step=1, description="timeout (ms)"),
        "infer_a": widgets.FloatSlider(value=4, min=0, max=40, step=1, description="a: per batch (ms)"),
        "infer_b": widgets.FloatSlider(value=1.5, min=0, max=10, step=0.5, description="b: per frame (ms)"),
    }
    return explorer(draw_mux, knobs, Prediction(
        "Four cameras deliver 30 fps each, evenly staggered. Someone sets batch-size to 8 for better batches; the "
        "timeout is 33 ms. How many frames do the batches hold on average?",
        ("8, it only takes longer", "about 6", "4, and every batch pays the timeout"), 2,
        "In 33 ms each camera delivers one frame. The batch never fills, so the first frame of each waits for the "
        "whole timeout. Now set batch-size to 4: the batches stay as large, and the wait falls."), "Stream muxer")


# --- the damage of a loss ---------------------------------------------------------------------


def loss_figure(types: str, lost: Set[int]) -> tuple[Figure, str]:
    """Frames of a GOP in decode order with their references; lost and damaged ones are marked."""
    refs = gop_refs(types)
    good = decodable(refs, set(lost))
    figure, (ax,) = new_figure(10.5, 2.6)
    for i, kind in enumerate(types):
        for r in refs[i]:
            curve = f"arc3,rad={0.35 if i - r < 3 else 0.25}"
            arrow = {"arrowstyle": "->", "color": GREY, "lw": 1, "connectionstyle": curve}
            ax.annotate("", (r, 0.42), (i, 0.42), arrowprops=arrow)
        hatch, face = ("xx", "white") if i in lost else ("//", "#F6D5C3") if not good[i] else ("", SKY)
        edge = BLUE if good[i] else ORANGE
        ax.bar(i, 0.8, 0.8, bottom=-0.4, color=face, hatch=hatch, edgecolor=edge, linewidth=1.4)
        ax.annotate(kind, (i, 0), ha="center", va="center", fontsize=12, color=INK, fontweight="bold",
                    bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"})
    ax.set(ylim=(-0.6, 1.2), xlim=(-0.6, len(types) - 0.4), xticks=range(len(types)), yticks=[])
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    label(ax, "frame, in decode order", "", "crosses: lost; stripes: damaged; arrows: copies from")
    spoiled = [i for i in range(len(types)) if not good[i]]
    told = ", ".join(map(str, sorted(lost))) or "none"
    packets = f"{len(lost)} lost packet{'s' * (len(lost) != 1)}"
    return figure, (f"{types}, lost: {told}. {len(spoiled)} of {len(types)} frames are spoiled by {packets}, "
                    f"{len(spoiled) - len(lost)} of them arrived.")


def draw_loss(pattern: str, packet: int, second: int) -> tuple[Figure, str]:
    """`loss_figure` for the knobs: two GOPs of a pattern, one or two lost packets (-1 is none)."""
    types = PATTERNS[pattern][:12]
    return loss_figure(2 * types, {i for i in (packet, second) if 0 <= i < 2 * len(types)})


def loss() -> Any:
    """The interactive figure "a lost packet"."""
    import ipywidgets as widgets

    knobs = {
        "pattern": widgets.Dropdown(options=list(PATTERNS), value="P only", description="frames"),
        "packet": widgets.IntSlider(value=3, min=-1, max=23, description="lost packet (-1: none)"),
        "second": widgets.IntSlider(value=-1, min=-1, max=23, description="another one"),
    }
    return explorer(draw_loss, knobs, Prediction(
        "A keyframe, eleven P frames, and again a keyframe with eleven. The fourth packet is lost. How many frames are "
        "spoiled?",
        ("1", "9, up to the next keyframe", "21, all that follow"), 1,
        "Each P frame copies from the one before it, so the damage travels to the end of the group. The next keyframe "
        "copies from nobody. Now choose the pattern with B frames, and look for packets whose loss costs one frame "
        "only."), "A lost packet")


def damage_strip(clip: bytes, lost: Set[int], frames: Sequence[int]) -> Shown:
    """Real frames: what the decoder shows without and with the loss, and their difference, brightened."""
    clean = {f.pts_us: f.array for f in decode(clip)}
    broken = {f.pts_us: f.array for f in decode(clip, lost)}
    times = sorted(clean)
    figure, axes = new_figure(11.0, 4.2, 3, len(frames))
    told = []
    for column, k in enumerate(frames):
        right, got = clean[times[k]], broken.get(times[k])
        difference = None if got is None else np.abs(right.astype(int) - got)
        shades = None if difference is None else 255 - np.minimum(255, 4 * difference)
        rows = (("no loss", right), ("after the loss", got), ("difference × 4", shades))
        for row, (side, image) in enumerate(rows):
            _show_frame(axes[row * len(frames) + column], image, f"frame {k}" * (row == 0), side * (column == 0))
        told.append(f"frame {k} " + ("is missing" if got is None else f"differs by {difference.mean():.1f} levels"))
    packets = ", ".join(map(str, sorted(lost)))
    return shown_figure(figure, f"Packet {packets} is lost. Mean difference in brightness, of 255 levels: "
                                f"{'; '.join(told)}.")


def _show_frame(ax: Axes, image: np.ndarray | None, title: str, side: str) -> None:
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if image is None:
        ax.text(0.5, 0.5, "nothing", ha="center", va="center", transform=ax.transAxes, color=GREY)
    else:
        ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    if title:
        ax.set_title(title, fontsize=10, color=INK)
    if side:
        ax.set_ylabel(side, fontsize=10, color=INK)


def draw_errors(clip: bytes, lost: Set[int]) -> tuple[Figure, str]:
    """Error of each frame after a loss, and what the references say."""
    fates, good = decode_with_loss(clip, lost), predicted_good(clip, lost)
    errors = np.array([f.error for f in fates])
    figure, (ax,) = new_figure(9.5, 3.2)
    who = "measured, FFmpeg's decoder" if codec_of(clip) == "h264" else "measured, JPEGs"
    ax.plot(errors, **line_style(0), label=who)
    spoiled = [i for i, ok in enumerate(good) if not ok]
    ax.plot(spoiled, [0] * len(spoiled), linestyle="", marker="x", markersize=7, color=ORANGE,
            label="predicted: spoiled")
    missing = [i for i, f in enumerate(fates) if f.fate == "missing"]
    ax.plot(missing, np.zeros(len(missing)), linestyle="", marker="v", markersize=9, color=INK, label="missing")
    ax.legend(frameon=False, fontsize=9)
    label(ax, "frame, in the order of showing", "mean error (levels of 255)", "what one lost packet does")
    measured = [i for i, f in enumerate(fates) if f.fate != "ok"]
    agree = "the same frames" if measured == spoiled else "other frames"
    worst = float(np.nanmax(errors))
    return figure, (f"Lost: {', '.join(map(str, sorted(lost)))}. Measured: {len(measured)} of {len(fates)} frames are "
                    f"missing or differ from the clean decode, by up to {worst:.1f} levels. Predicted from the "
                    f"references: {len(spoiled)}, {agree}.")


def errors_picture(clip: bytes, lost: Set[int]) -> Shown:
    """The picture of `draw_errors` for a code cell."""
    return shown_figure(*draw_errors(clip, lost))


# --- queues -----------------------------------------------------------------------------------


def draw_queues(results: Mapping[str, QueueResult], unit: str = "ms") -> tuple[Figure, str]:
    """Latency of each served frame by its arrival, for several modes; ticks at the bottom are drops."""
    figure, (ax,) = new_figure(9.5, 3.2)
    top = max(float(r.latencies.max()) for r in results.values())
    told = []
    for index, (name, result) in enumerate(results.items()):
        style = line_style(index)
        ax.plot([result.arrivals[i] for i, _, _ in result.done], result.latencies, label=name, **style)
        ax.plot([result.arrivals[i] for i in result.dropped], [-top * 0.05 * (index + 1)] * len(result.dropped),
                linestyle="", marker="|", markersize=8, color=style["color"])
        told.append(f"{name}: {len(result.done)} served, {len(result.dropped)} dropped, mean latency "
                    f"{result.latencies.mean():.0f} {unit}")
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= 1.05 * top])
    ax.legend(frameon=False, fontsize=9)
    label(ax, f"arrival ({unit})", f"latency ({unit})", "ticks below the axis: dropped frames")
    return figure, f"{'; '.join(told)}."


def queues_picture(results: Mapping[str, QueueResult]) -> Shown:
    """The picture of `draw_queues` for a code cell."""
    return shown_figure(*draw_queues(results))


# --- measured ---------------------------------------------------------------------------------


def pipeline_table(reports: Mapping[str, PipelineReport]) -> Shown:
    """Each run: frames, drops, fill, inferences, rate and latencies."""
    rows = [(name, r.frames, r.dropped, f"{r.mean_fill:.1f}", r.inferences, f"{r.fps:.0f}", f"{r.p_ms(50):.1f}",
             f"{r.p_ms(95):.1f}") for name, r in reports.items()]
    head = ("run", "frames", "dropped", "per batch", "inferences", "frames per s", "p50 (ms)", "p95 (ms)")
    return table(head, rows)


def stage_table(reports: Mapping[str, PipelineReport]) -> Shown:
    """p95 of each hop, of the whole way, and the sum of the hops."""
    rows = []
    for name, report in reports.items():
        found = latency_breakdown(report.stamps, ["capture", "decoded", "muxed", "inferred", "out"])
        hops = [v for k, v in found.items() if "->" in k]
        rows.append((name, *(f"{v:.1f}" for v in [*hops, sum(hops), found["end_to_end"]]),
                     f"{100 * found['drop_rate']:.0f} %"))
    head = ("p95 (ms)", "decode", "queue and mux", "hand-over and model", "tracker", "sum of these", "end to end",
            "dropped")
    return table(head, rows)


def draw_latencies(reports: Mapping[str, PipelineReport]) -> tuple[Figure, str]:
    """End-to-end latency of each frame by the time at which it was due."""
    figure, (ax,) = new_figure(9.5, 3.4)
    told = []
    for index, (name, report) in enumerate(reports.items()):
        latency = report.stamps["out"] - report.stamps["capture"]
        there = ~np.isnan(latency)
        ax.plot(report.stamps["capture"][there] / 1e3, latency[there], linestyle="",
                marker=("o", "s", "^", "D")[index % 4], markersize=4, color=PALETTE[index], label=name)
        told.append(f"{name}: {report.dropped} of {report.frames} frames dropped, the last frame is "
                    f"{latency[there][-1]:,.0f} ms old")
    ax.set_ylim(0)
    ax.legend(frameon=False, fontsize=9)
    label(ax, "when the frame was due (s)", "end-to-end latency (ms)", "measured on this machine")
    return figure, f"Measured: {'; '.join(told)}."


def latencies_picture(reports: Mapping[str, PipelineReport]) -> Shown:
    """The picture of `draw_latencies` for a code cell."""
    return shown_figure(*draw_latencies(reports))


# --- tables and optional engines --------------------------------------------------------------


def facts_table() -> Shown:
    """Which release of DeepStream runs on which Jetson board, with the day on which it was read."""
    rows = [(f.release, f.jetson, f.needs, f.source, f.as_of.isoformat().replace("-", NO_BREAK)) for f in RELEASES]
    return table(("DeepStream", "Jetson boards named", "needs, or comes as", "source", "as of"), rows)


def launch_table(line: str = DEEPSTREAM_LINE) -> Shown:
    """The elements of a pipeline, what they do, and their properties; repeated lines of other cameras once."""
    rows, seen = [], set()
    for element in explain_pipeline(line):
        if element.name not in seen:
            seen.add(element.name)
            props = ", ".join(f"{k}={v}" for k, v in element.props.items())
            rows.append((element.name, ROLES.get(element.name, ""), props))
    return table(("element", "what it does", "properties"), rows)


def _sentence(told: str) -> Shown:
    return Shown(f"<p>{html.escape(told)}</p>", told)


def gst_cell(line: str = "videotestsrc num-buffers=60 ! queue leaky=downstream ! fakesink") -> Shown:
    """Run a small pipeline where GStreamer is installed, or say what would run."""
    try:
        run_gst_launch(line)
    except RuntimeError as error:  # EngineUnavailable is one
        return _sentence(f"{error}. Where it runs, this cell plays: gst-launch-1.0 {line}")
    return _sentence(f"GStreamer ran to its end: gst-launch-1.0 {line}")


def gpu_cell(clip: bytes) -> Shown:
    """Decode the clip on an NVIDIA GPU and compare, or say what would happen there."""
    try:
        if codec_of(clip) != "h264":
            raise EngineUnavailable("an H.264 clip is not available: pip install av")
        lumas = decode_on_gpu(clip)
    except EngineUnavailable as error:
        why = str(error)
        return _sentence(f"{why[0].upper()}{why[1:]}. There, this cell decodes the clip on the GPU and compares every "
                         f"pixel. With DeepStream the whole pipeline would be: gst-launch-1.0 {DEEPSTREAM_LINE}")
    same = sum(np.array_equal(a, frame.array) for a, frame in zip(lumas, decode(clip)))
    return _sentence(f"The GPU decoded {len(lumas)} frames; {same} of them equal the CPU's pixel by pixel.")


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: four cameras, batch-size 8, a timeout of 33 ms."""
    return mux_figure([30] * 4, None, 8, 33, 4, 1.5)[0]

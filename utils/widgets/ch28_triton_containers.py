"""Figures and measurements of chapter 28: batches over time, a configuration explained, encodings, real batches."""

from __future__ import annotations

import html
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import percentile
from utils.serving.batching.service import AffineService
from utils.serving.queueing import poisson_arrivals
from utils.serving.triton import (
    IMAGES,
    WHY,
    Timeline,
    available,
    batch_timeline,
    driver_ok,
    explain_config,
    lint_docker_run,
    plan_instances,
)

from .shell import Prediction, explorer
from .style import BLUE, GREY, INK, ORANGE, SKY, Shown, label, line_style, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.serving.triton.experiment import BatchingRun, Encoding

REQUESTS = 3_000  # of one simulated run
WINDOW_MS = 60.0  # that the Gantt chart shows
SERVICE = AffineService(a_ms=4.0, b_ms=0.5)  # an execution of n rows takes 4 + 0.5 n ms
NO_BREAK = "\N{NON-BREAKING HYPHEN}"

SOURCE_COMMAND = (
    "docker run -dt --gpus=all -p 1237:22 --name triton -v /home/me/code:/workspace/code "
    "nvcr.io/nvidia/tritonserver:23.01-py3"
)
GOOD_COMMAND = (
    "docker run --gpus=1 --rm -p8000:8000 -p8001:8001 -p8002:8002 --shm-size=1g -v /srv/models:/models "
    "nvcr.io/nvidia/tritonserver:26.07-py3 tritonserver --model-repository=/models"
)
START_CONFIG = """\
name: "detector"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "images" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] }
]
output [
  { name: "boxes" data_type: TYPE_FP32 dims: [ -1, 4 ] }
]
instance_group [ { count: 2 kind: KIND_GPU } ]
dynamic_batching { max_queue_delay_microseconds: 500 }
"""


# --- containers -------------------------------------------------------------------------------


def images_table(drivers: Sequence[str] = ("470.239", "535.104", "550.54")) -> Shown:
    """Releases, their CUDA and drivers, and whether three drivers are listed for a data-center GPU."""
    rows = []
    for row in IMAGES.values():
        listed = [("yes" if driver_ok(row.tag, d, True) else "no") if row.min_driver else "?" for d in drivers]
        rows.append(
            (
                row.tag.replace("-", NO_BREAK),
                row.cuda,
                row.min_driver or "see NVIDIA's page",
                ", ".join(f"R{branch}" for branch in row.branches) or "see NVIDIA's page",
                row.min_capability,
                *listed,
                row.as_of.isoformat().replace("-", NO_BREAK),
            )
        )
    head = (
        "image",
        "CUDA",
        "driver from",
        "data-center GPUs also",
        "compute capability from",
        *(f"{d} on a data-center GPU" for d in drivers),
        "as of",
    )
    return table(head, rows, "NVIDIA, Triton Inference Server release notes")


def lint_table(commands: Mapping[str, str]) -> Shown:
    """What the linter says about some commands, a finding a row."""
    rows = [(name, code, WHY[code]) for name, command in commands.items() for code in lint_docker_run(command)]
    rows += [(name, "–", "nothing to say") for name, command in commands.items() if not lint_docker_run(command)]
    return table(("command", "code", "meaning"), rows)


def docker_cell(command: str = GOOD_COMMAND) -> Shown:
    """The command for a machine with Docker and an NVIDIA GPU, with the linter's verdict; it is never run here."""
    have = [tool for tool in ("docker", "nvidia-smi") if shutil.which(tool)]
    codes = lint_docker_run(command)
    verdict = f"The linter finds nothing: {command}" if not codes else f"The linter finds {', '.join(codes)}: {command}"
    where = (
        "Docker and an NVIDIA driver are here, you may paste it into a terminal"
        if len(have) == 2
        else "this machine lacks Docker or an NVIDIA driver, so keep it for one that has both"
    )
    told = f"{verdict}. It is printed and not run; {where}."
    return Shown(f"<p>{html.escape(told)}</p>", told)


# --- batches and instances over time ------------------------------------------------------------


def _run(rate: float, max_batch: int, delay_us: float, instances: int) -> Timeline:
    arrivals_ms = 1e3 * poisson_arrivals(rate, REQUESTS, np.random.default_rng(0))
    return batch_timeline(arrivals_ms, max_batch, delay_us, SERVICE, instances)


def draw_timeline(rate: float, max_batch: int, delay_us: float, instances: int) -> tuple[Figure, str]:
    """Gantt chart of executions per instance, and the histogram of latencies; simulated."""
    run = _run(rate, max_batch, delay_us, instances)
    figure, (left, right) = new_figure(11.6, 3.9, 1, 2, width_ratios=(1.7, 1))
    _draw_gantt(left, run, instances)
    _draw_latencies(right, run)
    return figure, _tell(run, rate, max_batch, delay_us, instances)


def _draw_gantt(ax: Axes, run: Timeline, instances: int) -> None:
    """Arrivals as ticks above, executions as bars in the lane of their instance with their numbers of requests."""
    zero = float(run.arrivals_ms[len(run.arrivals_ms) // 3])
    for e in run.executions:
        if e.finish_ms < zero or e.start_ms > zero + WINDOW_MS:
            continue
        begin = max(e.start_ms, zero) - zero
        ax.barh(
            e.instance,
            e.finish_ms - zero - begin,
            left=begin,
            height=0.6,
            color=(BLUE, SKY)[e.size > 1],
            edgecolor="white",
        )
        ax.text(begin + 0.3, e.instance, str(e.size), va="center", fontsize=9, color=INK if e.size > 1 else "white")
    seen = run.arrivals_ms[(run.arrivals_ms >= zero) & (run.arrivals_ms <= zero + WINDOW_MS)] - zero
    ax.plot(seen, np.full(len(seen), instances - 0.35), linestyle="", marker="|", markersize=9, color=ORANGE)
    ax.set(xlim=(0, WINDOW_MS), ylim=(-0.6, instances), yticks=range(instances))
    label(ax, "time (ms)", "instance", "orange: arrivals; bars: executions and how many requests each has")


def _draw_latencies(ax: Axes, run: Timeline) -> None:
    latency = run.latency_ms
    top = float(np.quantile(latency, 0.995)) * 1.1
    ax.hist(np.minimum(latency, top), bins=np.linspace(0, top, 45), color=SKY, edgecolor="white", linewidth=0.3)
    for name, q, dash, color in (("p50", 50, ":", BLUE), ("p95", 95, "-", ORANGE)):
        value = percentile(latency, q)
        ax.axvline(value, color=color, linestyle=dash, linewidth=2, label=f"{name} {_ms(value)}")
    ax.legend(frameon=True, framealpha=0.9, edgecolor="white", fontsize=9)
    label(ax, "latency (ms)", "requests", f"{len(latency):,} simulated requests")


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _tell(run: Timeline, rate: float, max_batch: int, delay_us: float, instances: int) -> str:
    batching = f"batches of at most {max_batch}, a delay of {delay_us:g} µs" if max_batch > 1 else "no batches"
    told = (
        f"Simulated: {rate:g} requests/s, {batching}, {instances} instance{'s' * (instances > 1)}; an execution of n "
        f"takes {SERVICE.a_ms:g} + {SERVICE.b_ms:g}·n ms. {run.mean_batch:.2f} requests an execution, "
        f"{run.throughput_per_s:,.0f} requests/s, p50 {_ms(percentile(run.latency_ms, 50))}, p95 "
        f"{_ms(percentile(run.latency_ms, 95))}."
    )
    size = max(max_batch, 1)
    if rate >= 1e3 * instances * size / SERVICE(size):
        told += " Overloaded: the queue grows as long as the run lasts."
    return told


def timeline() -> Any:
    """The interactive figure "requests, batches, instances"."""
    import ipywidgets as widgets

    knobs = {
        "rate": widgets.IntSlider(value=150, min=20, max=1000, step=10, description="requests per second"),
        "max_batch": widgets.IntSlider(value=8, min=0, max=16, description="max_batch_size"),
        "delay_us": widgets.IntSlider(value=0, min=0, max=20000, step=500, description="max queue delay (µs)"),
        "instances": widgets.IntSlider(value=1, min=1, max=4, description="instances"),
    }
    return explorer(
        draw_timeline,
        knobs,
        Prediction(
            "150 requests/s come at random, one instance, batches of at most 8, no delay. You now set the queue delay "
            "to 5,000 µs, as a blog suggests. What happens to the median latency?",
            ("it falls: batches are larger", "it hardly changes", "it rises by several milliseconds"),
            2,
            "The instance was often idle, so a lone request now waits for company that comes too late. Set "
            "max_batch_size to 0 next: one bar per request. Then raise the rate to 600, where batches form without a "
            "delay.",
        ),
        "Requests, batches, instances",
    )


# --- a configuration, explained -----------------------------------------------------------------


def draw_config(text: str, visible_gpus: int) -> tuple[str, str]:
    """What the server makes of a configuration, as a table of HTML, and a sentence."""
    told = explain_config(text, visible_gpus)
    if told.errors:
        rows = "".join(f"<li>{html.escape(error)}</li>" for error in told.errors)
        return (
            f"<ul>{rows}</ul>",
            f"Refused with {len(told.errors)} finding{'s' * (len(told.errors) > 1)}: {told.errors[0]}.",
        )
    rows = [(name, " × ".join("any" if n == -1 else str(n) for n in shape)) for name, shape in told.shapes.items()]
    rows.append(("instances", _places(told.instances)))
    shapes = "; ".join(f"{name} [{', '.join(map(str, shape))}]" for name, shape in told.shapes.items())
    return table(
        ("tensor", "full shape of a request"), rows
    ).html, f"Accepted. Full shapes: {shapes}. Instances: {_places(told.instances)}."


def _places(instances: Sequence[tuple[str, int | None]]) -> str:
    names = [kind if gpu is None else f"{kind} {gpu}" for kind, gpu in instances]
    return ", ".join(
        f"{names.count(name)} on {name}" if not name.startswith("model") else f"{names.count(name)} placed by the model"
        for name in dict.fromkeys(names)
    )


def config_editor() -> Any:
    """The interactive figure "config.pbtxt": edit it and see what the server would say."""
    import ipywidgets as widgets

    knobs = {
        "text": widgets.Textarea(
            value=START_CONFIG, description="config.pbtxt", layout=widgets.Layout(width="640px", height="230px")
        ),
        "visible_gpus": widgets.IntSlider(value=1, min=0, max=4, description="visible GPUs"),
    }
    return explorer(
        draw_config,
        knobs,
        Prediction(
            "The configuration below has max_batch_size 8 and dims [3, -1, -1]. Which shape must the input of one "
            "request have?",
            ("[3, h, w]", "[n, 3, h, w] with n from 1 to 8", "[8, 3, h, w]"),
            1,
            "Triton puts a batch axis in front of dims, and 8 is its maximum. Now set max_batch_size to 0, then add "
            "gpus: [ 1 ], then set the number of visible GPUs to 0.",
        ),
        "What the server makes of it",
    )


def instances_table(cases: Sequence[tuple[str, list[dict], int, str]]) -> Shown:
    """(description, groups, visible GPUs, backend) → where the instances run, or why not."""
    rows = []
    for told, groups, gpus, backend in cases:
        try:
            placed = _places(plan_instances(groups, gpus, backend))
        except ValueError as error:
            placed = f"refused: {error}"
        rows.append((told, gpus, backend, placed))
    return table(("instance_group", "visible GPUs", "backend", "instances"), rows)


# --- measured -----------------------------------------------------------------------------------


def encodings_table(found: Sequence[Encoding]) -> Shown:
    """JSON beside binary, for each size."""
    rows = []
    for json_form, binary in zip(found[::2], found[1::2]):
        rows.append(
            (
                f"{json_form.count:,}",
                f"{json_form.body_bytes:,}",
                f"{binary.body_bytes:,}",
                f"{json_form.body_bytes / binary.body_bytes:.2f}",
                f"{json_form.encode_ms:.2f} / {binary.encode_ms:.3f}",
                f"{json_form.request_ms:.1f} / {binary.request_ms:.2f}",
                f"{json_form.request_ms / binary.request_ms:.0f}×",
            )
        )
    return table(
        (
            "float32 numbers",
            "JSON (bytes)",
            "binary (bytes)",
            "ratio",
            "encode: JSON / binary (ms)",
            "request: JSON / binary (ms)",
            "slower",
        ),
        rows,
    )


def draw_encodings(found: Sequence[Encoding]) -> tuple[Figure, str]:
    """Bytes and request time against the number of values, log-log."""
    figure, axes = new_figure(9.6, 3.5, 1, 2)
    for index, kind in enumerate(("JSON", "binary")):
        rows = [e for e in found if e.kind == kind]
        for ax, values in zip(axes, ([e.body_bytes for e in rows], [e.request_ms for e in rows])):
            ax.plot([e.count for e in rows], values, label=kind, **line_style(index))
    for ax, y, title in zip(
        axes, ("body (bytes, log scale)", "request (ms, log scale)"), ("size", "time on this machine")
    ):
        ax.set(xscale="log", yscale="log")
        ax.legend(frameon=False, fontsize=9)
        label(ax, "float32 numbers (log scale)", y, title)
    text, raw = found[-2], found[-1]
    return figure, (
        f"{text.count:,} numbers: {text.body_bytes / raw.body_bytes:.1f} times the bytes as JSON, and a request of "
        f"{_ms(text.request_ms)} in place of {_ms(raw.request_ms)}."
    )


def encodings_picture(found: Sequence[Encoding]) -> Shown:
    """The picture of `draw_encodings` for a code cell."""
    return shown_figure(*draw_encodings(found))


def environment_line(python_env: Any) -> Shown:
    """Whether the real server is here, and what the cells below will use."""
    ok, told = available(python_env)
    text = (
        f"The real Triton server is here ({told})."
        if ok
        else f"{told[0].upper()}{told[1:]}. The course's own server stands in below."
    )
    return Shown(f"<p>{html.escape(text)}</p>", text)


def batching_table(runs: Sequence[BatchingRun]) -> Shown:
    """What the server counted for each run."""
    rows = [
        (
            run.clients,
            f"{run.delay_us:,}",
            run.inferences,
            run.executions,
            f"{run.inferences / run.executions:.2f}",
            ", ".join(f"{k}×{n}" for n, k in run.sizes.items()),
            f"{run.requests_per_s:,.0f}",
        )
        for run in runs
    ]
    head = (
        "clients",
        "queue delay (µs)",
        "inferences",
        "executions",
        "per execution",
        "executions × batch size",
        "requests/s",
    )
    return table(head, rows, f"{runs[0].server}, counted by the server itself")


def draw_batching(runs: Sequence[BatchingRun]) -> tuple[Figure, str]:
    """A histogram of formed batch sizes for each run."""
    figure, axes = new_figure(11.6, 2.9, 1, len(runs), sharex=True)
    for ax, run in zip(axes, runs):
        bars = ax.bar(list(run.sizes), list(run.sizes.values()), color=BLUE if run.delay_us else SKY, edgecolor=GREY)
        ax.bar_label(bars, fontsize=8, color=INK)
        ax.set_xlim(0.4, 8.6)
        ax.margins(y=0.15)
        label(
            ax,
            "requests in the batch",
            "executions" if ax is axes[0] else "",
            f"{run.clients} client{'s' * (run.clients > 1)}, {run.delay_us:,} µs",
        )
    told = "; ".join(
        f"{run.clients} client{'s' * (run.clients > 1)} and {run.delay_us:,} µs: {run.inferences} requests in "
        f"{run.executions} executions"
        for run in runs
    )
    return figure, f"{runs[0].server}: {told}."


def batching_picture(runs: Sequence[BatchingRun]) -> Shown:
    """The picture of `draw_batching` for a code cell."""
    return shown_figure(*draw_batching(runs))


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: 400 requests/s, two instances, batches of up to 8, no delay."""
    return draw_timeline(400, 8, 0, 2)[0]

"""Figures of chapter 31: anatomy of a query, release by flag, the source's commands, the stream sweep."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from utils.engines.trtexec.findings import command_matrix
from utils.engines.trtexec.flags import RELEASES, deprecated_flags
from utils.engines.trtexec.log import format_report
from utils.engines.trtexec.parser import command_arguments, parse_command
from utils.engines.trtexec.report import summarize, trace_record
from utils.engines.trtexec.shapes import split_argument
from utils.engines.trtexec.timeline import simulate_timeline

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, YELLOW, figure_html, label, line_style, new_figure, table_html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.engines.ortexec import Run

# The command lines of the document that the chapter mirrors (file names shortened), in its order.
SOURCE_COMMANDS = (
    "--onnx=m.onnx --explicitBatch --saveEngine=m.trt --workspace=1024 --best",
    "--onnx=m.onnx --minShapes=input:1x1x28x28 --optShapes=input:8x1x28x28 --maxShapes=input:16x1x28x28 "
    "--saveEngine=m.trt --best --workspace=1024 --best",
    "--onnx=m.onnx --shapes=input:32x3x224x224",
    "--onnx=m.onnx --minShapes=input:1x3x224x224 --optShapes=input:16x3x224x224 --maxShapes=input:32x3x224x224 "
    "--shapes=input:5x3x224x224",
    "--loadEngine=m.trt --batch=1",
    "--deploy=net.prototxt --output=prob --exportTimes=trace.json",
    "--deploy=net.prototxt --output=prob --batch=1 --saveEngine=g1.trt --int8 --buildOnly",
    "--deploy=net.prototxt --output=prob --batch=2 --saveEngine=g2.trt --int8 --buildOnly",
    "--loadEngine=g1.trt --batch=1 --streams=2",
    "--loadEngine=g1.trt --batch=1 --streams=3",
    "--loadEngine=g2.trt --batch=2 --streams=2",
)

STREAM_COLOURS, STREAM_HATCHES = (BLUE, YELLOW, GREEN, PINK), ("", "///", "xx", "..")
LANES = (("Enq", "host\n(enqueue)"), ("H2d", "copy in\n(H2D)"), ("Compute", "GPU\ncompute"), ("D2h", "copy out\n(D2H)"))


class Table:
    """A table for a notebook, with plain text for everything else."""

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
        self.head, self.rows, self.caption = list(head), [list(row) for row in rows], caption

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        widths = [max(len(str(r[i])) for r in [self.head, *self.rows]) for i in range(len(self.head))]
        lines = ["  ".join(str(c).ljust(w) for c, w in zip(r, widths)).rstrip() for r in [self.head, *self.rows]]
        shown = "\n".join([self.caption] * bool(self.caption) + lines)
        return {"text/html": table_html(self.head, self.rows, self.caption), "text/plain": shown}


class Picture:
    """A figure for a notebook with its alt text, which is also what a terminal shows."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure, self.alt = figure, alt

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        shown = f"{figure_html(self.figure, self.alt)}<p>{html.escape(self.alt)}</p>"
        return {"text/html": shown, "text/plain": self.alt}


# --- anatomy of a query ---------------------------------------------------------------------------


def six_queries() -> list[dict[str, float]]:
    """The trace of six queries that text, exercise and picture share: 2 of warm-up, 4 that count."""
    rows = ((0, 0.5, 1, 9, 0.5), (12, 0.5, 1, 4, 0.5), (20, 0.5, 1, 2, 0.5), (24, 0.5, 1, 2, 0.5), (28, 0.5, 1, 3, 0.5),
            (33, 0.5, 1, 2, 0.5))
    trace = []
    for start, *spans in rows:
        edges = [float(start)]
        for span in spans:
            edges.append(edges[-1] + span)
        trace.append(trace_record(*pairwise(edges)))
    return trace


def _lanes(ax: Axes, trace: Sequence[Mapping[str, float]], window_ms: float, numbers: Sequence[int]) -> None:
    """One row a phase, one bar a query; bars wide enough carry the query's number."""
    wide = window_ms * 0.017
    for row, (phase, _) in enumerate(reversed(LANES)):
        for query, number in zip(trace, numbers):
            stream = int(query.get("stream", 0)) % 4
            start, width = query[f"start{phase}Ms"], query[f"end{phase}Ms"] - query[f"start{phase}Ms"]
            if width <= 0 or start > window_ms:
                continue
            ax.broken_barh([(start, width)], (row - 0.36, 0.72), facecolor=STREAM_COLOURS[stream], edgecolor="white",
                           hatch=STREAM_HATCHES[stream], linewidth=0.6)
            if width > wide and start + width / 2 < window_ms:
                box = {"boxstyle": "round,pad=0.12", "facecolor": INK, "edgecolor": "none", "alpha": 0.75}
                ax.text(start + width / 2, row, str(number), ha="center", va="center", fontsize=8, color="white",
                        clip_on=True, bbox=box)
    ax.set_yticks(range(4), [name for _, name in reversed(LANES)])
    ax.set_ylim(-0.6, 3.6)
    ax.set_xlim(0, window_ms)


def anatomy(streams: int, h2d_ms: float, compute_ms: float, d2h_ms: float, enqueue_ms: float, cuda_graph: bool,
            data_transfers: bool) -> dict[str, Any]:
    """The simulated trace and its numbers: 60 queries a stream, of which the figure shows the first."""
    options = {"cuda_graph": cuda_graph, "data_transfers": data_transfers}
    trace = simulate_timeline(streams, h2d_ms, compute_ms, d2h_ms, enqueue_ms, queries=60, **options)
    one = simulate_timeline(1, h2d_ms, compute_ms, d2h_ms, enqueue_ms, queries=12, **options)
    summary = summarize(trace, 0, (99.0,), streams)
    stages = {"enqueueing": summary.enqueue.mean_ms, "copying in": summary.h2d.mean_ms,
              "compute": summary.compute.mean_ms, "copying out": summary.d2h.mean_ms}
    slowest = max(stages, key=stages.__getitem__)
    return {"trace": trace, "summary": summary, "window_ms": max(one[-1]["endD2hMs"], 1e-3), "slowest": slowest,
            "bound_qps": 1e3 / max(stages[slowest], 1e-9),
            "elapsed_ms": sum(q["endD2hMs"] - q["startEnqMs"] for q in trace) / len(trace)}


def anatomy_figure(state: dict[str, Any], streams: int) -> Figure:
    """The Gantt chart: in the time that one stream needs for 12 queries."""
    from matplotlib.patches import Patch

    figure, (ax,) = new_figure(9.4, 3.4)
    counts: dict[int, int] = {}
    numbers = []
    for query in state["trace"]:
        stream = int(query["stream"])
        counts[stream] = counts.get(stream, 0) + 1
        numbers.append(counts[stream])
    _lanes(ax, state["trace"], state["window_ms"], numbers)
    label(ax, "time since the start (ms, simulated)", "", "Which row has no gaps? That stage sets the throughput")
    patches = [Patch(facecolor=STREAM_COLOURS[s], hatch=STREAM_HATCHES[s], edgecolor="white", label=f"stream {s + 1}")
               for s in range(streams)]
    ax.legend(handles=patches, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    return figure


def draw_anatomy(streams: int, h2d_ms: float, compute_ms: float, d2h_ms: float, enqueue_ms: float, cuda_graph: bool,
                 data_transfers: bool) -> tuple[str, str]:
    """The Gantt chart with trtexec's summary below it (HTML), and a sentence with its numbers."""
    state = anatomy(streams, h2d_ms, compute_ms, d2h_ms, enqueue_ms, cuda_graph, data_transfers)
    sentence = _anatomy_sentence(state, streams)
    report = format_report(state["summary"]).partition("===\n")[2]
    shown = (f'{figure_html(anatomy_figure(state, streams), sentence)}<pre style="font-size:12px;line-height:1.4;'
             f'overflow-x:auto;margin:6px 0">{html.escape(report)}</pre>')
    return shown, sentence


def _anatomy_sentence(state: dict[str, Any], streams: int) -> str:
    summary = state["summary"]
    ratio = summary.enqueue.median_ms / max(summary.compute.median_ms, 1e-9)
    warned = "the enqueue warning is on" if summary.enqueue_bound else "no enqueue warning"
    return (f"Simulated, {streams} stream{'s' * (streams > 1)} of 60 queries: {summary.throughput_qps:,.0f} queries/s, "
            f"and the slowest stage ({state['slowest']}) allows {state['bound_qps']:,.0f}. trtexec's Latency is "
            f"{summary.latency.mean_ms:.2f} ms; from enqueue to result a query takes {state['elapsed_ms']:.2f} ms on "
            f"average. Enqueueing takes {ratio:.2f} of the compute time: {warned}.")


def anatomy_of_a_query() -> Any:
    """Knobs for the stages, the streams and the two switches whose defaults 11 changed."""
    import ipywidgets as widgets

    def slider(value: float, low: float, high: float, text: str) -> Any:
        return widgets.FloatSlider(value=value, min=low, max=high, step=0.1, description=text, readout_format=".1f")

    knobs = {
        "streams": widgets.IntSlider(value=1, min=1, max=4, description="streams"),
        "h2d_ms": slider(0.8, 0.1, 3, "copy in (ms)"), "compute_ms": slider(1.0, 0.2, 3, "compute (ms)"),
        "d2h_ms": slider(0.8, 0.1, 3, "copy out (ms)"), "enqueue_ms": slider(0.2, 0.1, 3, "enqueue (ms)"),
        "cuda_graph": widgets.Checkbox(value=False, description="CUDA graph"),
        "data_transfers": widgets.Checkbox(value=True, description="data transfers"),
    }
    return explorer(draw_anatomy, knobs, Prediction(
        "Copy in 0.8 ms, compute 1.0 ms, copy out 0.8 ms. From 1 stream to 2, and then to 4: "
        "what happens to the throughput?",
        ("it doubles, then doubles again", "it rises by about 30 %, then stays", "it stays the same"), 1,
        "The compute row has no gaps left with 2 streams, and 1.0 ms a query is 1,000 queries/s. "
        "More streams only wait."))


# --- release by flag ------------------------------------------------------------------------------

STATES = {"ok": ("✓", "accepted", GREEN), "deprecated": ("!", "deprecated", "#8A5A00"),
          "unknown": ("✗", "unknown", ORANGE), "runs": ("✓", "runs", GREEN), "refused": ("✗", "refused", ORANGE)}
CELL = ("padding:4px 14px 4px 0;text-align:left;vertical-align:top;"
        "border-bottom:1px solid var(--jp-border-color2,#d0d7de)")


def draw_matrix(command: str) -> tuple[str, str]:
    """One row an argument, one column a release (HTML), and a sentence with the three verdicts."""
    try:
        rows = command_matrix(command)
    except ValueError as error:
        return "", f"This command line cannot be split into arguments: {error}."
    if len(rows) == 1:
        return "", "Type a command line, for example: --onnx=m.onnx --best."
    names = ("argument", *(f"TensorRT {release}" for release in RELEASES))
    head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in names)
    body = ""
    for key, cells in rows:
        name = "the whole command" if key == "command" and cells is rows[-1][1] else f"<code>{html.escape(key)}</code>"
        body += f'<tr><th scope="row" style="{CELL};font-weight:600">{name}</th>'
        for release in RELEASES:
            state, reason = cells[release]
            sign, word, colour = STATES[state]
            text = f'<br><span style="font-size:12px">{html.escape(reason)}</span>' if reason else ""
            body += f'<td style="{CELL};max-width:260px"><b style="color:{colour}">{sign} {word}</b>{text}</td>'
        body += "</tr>"
    table = f'<table style="border-collapse:collapse;font-size:13px"><tr>{head}</tr>{body}</table>'
    return table, " ".join(_told(release, *rows[-1][1][release], command) for release in RELEASES)


def _told(release: str, state: str, reason: str, command: str) -> str:
    if state == "refused":
        return f"TensorRT {release} refuses it ({reason})."
    old = sorted({split_argument(a)[0] for a in command_arguments(command)} & set(deprecated_flags(release)))
    return f"TensorRT {release} runs it" + (f", with a deprecation warning for {', '.join(old)}." if old else ".")


def release_matrix() -> Any:
    """A text box for any command line."""
    import ipywidgets as widgets

    box = widgets.Text(value=SOURCE_COMMANDS[0], description="trtexec",
                       layout=widgets.Layout(width="760px", max_width="95%"))
    return explorer(draw_matrix, {"command": box}, Prediction(
        "The command in the box has five flags. How many of them does TensorRT 11.1 still know?",
        ("all five", "four", "two"), 2,
        "--onnx and --saveEngine. Two flags went away with 10, and --best went away with 11."))


def source_verdicts() -> Table:
    """What three releases make of each command line of the source."""
    rows = []
    for number, command in enumerate(SOURCE_COMMANDS, 1):
        rows.append([f"{number}", command, *(_verdict(command, release) for release in RELEASES)])
    return Table(["#", "trtexec …", *(f"TensorRT {r}" for r in RELEASES)], rows)


def _verdict(command: str, release: str) -> str:
    parsed = parse_command(command, release)
    if parsed.error:
        return "✗ refused: " + ("no model that it can read" if "model is missing" in parsed.error else parsed.error)
    if parsed.unknown:
        return "✗ unknown: " + ", ".join(key.removeprefix("--") for key in parsed.unknown)
    old = sum("deprecated" in warning for warning in parsed.warnings)
    return "✓ runs" + (f", {old} deprecated" if old else "")


# --- the experiment -------------------------------------------------------------------------------


def run_sweep(streams: Sequence[int] = (1, 2, 4), duration_s: float = 2.0) -> list[Run]:
    """ortexec on the four-layer CNN, batch 1, one thread of ONNX Runtime in each stream."""
    from utils.engines.stream_sweep import four_layer_cnn, sweep_streams

    return sweep_streams(four_layer_cnn(), {"x": (1, 3, 64, 64)}, streams, duration_s)


def sweep_summary(runs: Sequence[Run]) -> Table:
    """One row a number of streams."""
    from utils.engines.stream_sweep import sweep_table

    rows = [[f"{r['streams']}", f"{r['throughput_qps']:,.0f}", f"{r['p50_ms']:.2f}", f"{r['p99_ms']:.2f}",
             f"{r['in_flight']:.2f}"] for r in sweep_table(runs)]
    return Table(["streams", "queries/s", "p50 (ms)", "p99 (ms)", "queries/s × mean latency"], rows)


def sweep_figure(rows: Sequence[Mapping[str, float]], engine: str = "ONNX Runtime, CPU") -> Figure:
    """Throughput, and p50 and p99, against the number of streams."""
    streams = [row["streams"] for row in rows]
    figure, (left, right) = new_figure(9.2, 3.3, 1, 2)
    left.plot(streams, [row["throughput_qps"] for row in rows], label="measured", **line_style(0))
    ideal = [rows[0]["throughput_qps"] * s / streams[0] for s in streams]
    left.plot(streams, ideal, label="if it scaled", **(line_style(1) | {"color": GREY}))
    right.plot(streams, [row["p50_ms"] for row in rows], label="p50", **line_style(0))
    right.plot(streams, [row["p99_ms"] for row in rows], label="p99", **line_style(1))
    for ax, y, title in ((left, "throughput (queries/s)", engine), (right, "latency (ms)", "of one query")):
        label(ax, "streams", y, title)
        ax.set_xticks(streams)
        ax.set_ylim(bottom=0)
        ax.legend(frameon=False, fontsize=9)
    return figure


def sweep_picture(runs: Sequence[Run]) -> Picture:
    """The sweep as a picture with a sentence."""
    from utils.engines.stream_sweep import sweep_table

    rows = sweep_table(runs)
    told = [f"{r['throughput_qps']:,.0f} queries/s and p99 {r['p99_ms']:.2f} ms with {r['streams']}" for r in rows]
    return Picture(sweep_figure(rows), f"Measured on this machine's CPU: {', '.join(told)} streams.")


def real_trtexec(model: Any, streams: Sequence[int] = (1, 2, 4)) -> str:
    """The same sweep with the installed trtexec, or a sentence that there is none."""
    import tempfile
    from pathlib import Path

    from utils.engines.stream_sweep import run_trtexec
    from utils.optional import EngineUnavailable

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cnn.onnx"
        path.write_bytes(model.SerializeToString())
        for n in streams:
            try:
                summary = run_trtexec([f"--onnx={path}", "--shapes=x:1x3x64x64", f"--infStreams={n}", "--duration=2"])
            except (EngineUnavailable, ValueError) as error:
                return f"{error}. The numbers above are ONNX Runtime's."
            p99 = summary.latency.percentiles_ms.get(99.0, summary.latency.max_ms)
            p50 = summary.latency.median_ms
            lines.append(f"{n} streams: {summary.throughput_qps:,.0f} queries/s, p50 {p50:.3f} ms, p99 {p99:.3f} ms")
    return "\n".join(["TensorRT's trtexec on the same model:", *lines])


# --- the static picture ---------------------------------------------------------------------------


def static_picture() -> Figure:
    """The six queries: which count, what the wall time is, and what Latency leaves out."""
    trace = six_queries()
    summary = summarize(trace, 20.0)
    figure, (ax,) = new_figure(9.4, 3.6)
    _lanes(ax, trace, 38, range(1, 7))
    ax.axvline(20, color=ORANGE, linewidth=1.8, linestyle="--")
    ax.text(19.8, 3.95, "warm-up: 20 ms", ha="right", va="center", fontsize=9, color=ORANGE)
    start, end = trace[2]["startH2dMs"], trace[5]["endD2hMs"]
    ax.annotate("", (start, 3.95), (end, 3.95), arrowprops={"arrowstyle": "<->", "color": INK, "linewidth": 1.2})
    ax.text((start + end) / 2, 4.25, f"wall time {end - start:g} ms: 4 queries, {summary.throughput_qps:.1f} queries/s",
            ha="center", va="bottom", fontsize=9.5, color=INK)
    ax.set_ylim(-0.6, 4.9)
    label(ax, "time since the start (ms)", "", "Six queries of a made-up run. The first two are warm-up")
    return figure

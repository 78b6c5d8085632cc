"""Figures and tables of chapter 30: who waits under which batching, what fits where, and what streaming costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.attention.paging_sim import lognormal_lengths
from utils.engines.llm_serving import FRAMEWORKS, EngineTimes, Framework, ServingResult, fit_grid, simulate_serving
from utils.serving.queueing import poisson_arrivals

from .shell import Prediction, explorer
from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALETTE,
    SKY,
    YELLOW,
    Shown,
    label,
    line_style,
    new_figure,
    shown_figure,
    table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _pct(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


# --- serving timeline -------------------------------------------------------------------------------

REQUESTS, MEAN_TOKENS, LONGEST = 24, 12, 80
STEP_BASE_S, STEP_PER_SEQ_S = 0.020, 0.001
AT_ONCE = "all at once"


def gantt_runs(seed: int, batch: int, sigma: float, rate: float | str) -> dict[str, ServingResult]:
    """The same 24 requests under both policies: lognormal output lengths of mean 12, Poisson arrivals a second."""
    rng = np.random.default_rng(seed)
    lengths = (lognormal_lengths(MEAN_TOKENS, REQUESTS, LONGEST, rng, sigma) if sigma
               else np.full(REQUESTS, MEAN_TOKENS))
    arrivals = np.zeros(REQUESTS) if rate == AT_ONCE else poisson_arrivals(float(rate), REQUESTS, rng)
    requests = list(zip(arrivals.tolist(), lengths.tolist()))
    return {p: simulate_serving(requests, batch, STEP_BASE_S, STEP_PER_SEQ_S, p) for p in ("static", "continuous")}


def idle_share(run: ServingResult) -> float:
    """The share of slot-steps in which no token is made: empty slots, and finished requests that are kept."""
    gains = [gain for step in run.timeline for gain in step.gains]
    return 1 - sum(gains) / len(gains)


def draw_gantt(seed: int, batch: int, sigma: float, rate: float | str) -> tuple[Figure, str]:
    """Slots against time for static and continuous batching of the same requests."""
    runs = gantt_runs(seed, batch, sigma, rate)
    height = 1.9 + 0.32 * batch * 2
    figure, axes = new_figure(9.6, height, 2, 1, sharex=True)
    for ax, (policy, run) in zip(axes, runs.items()):
        _draw_slots(ax, run, batch)
        idle = _pct(idle_share(run))
        label(ax, "", "slot", f"{policy}: {run.makespan_s:.2f} s, in {idle} of the slots' steps no token is made")
    axes[-1].set_xlabel("time (s)\nnumbers: requests; hatched: finished, but kept; grey: empty slot", fontsize=10,
                        color=INK)
    axes[0].set_xlim(0, max(r.makespan_s for r in runs.values()) * 1.01)
    return figure, _tell_gantt(runs, batch, sigma, rate)


def _draw_slots(ax: Axes, run: ServingResult, batch: int) -> None:
    ax.grid(False)
    ax.barh(range(batch), run.makespan_s, height=0.78, color="#E3E6EA")
    for slot in range(batch):
        cells = [(s.slots[slot], s.gains[slot], s.start_s, s.end_s) for s in run.timeline]
        for (request, gains), group in groupby(cells, key=lambda cell: cell[:2]):
            if request is None:
                continue
            steps = list(group)
            start, end = steps[0][2], steps[-1][3]
            look = ({"color": PALETTE[request % 6], "edgecolor": "white"} if gains
                    else {"facecolor": "white", "edgecolor": GREY, "hatch": "////"})
            ax.barh(slot, end - start, left=start, height=0.78, linewidth=0.6, **look)
            if gains and len(steps) > 2:
                ink = INK if look["color"] in (YELLOW, SKY) else "white"
                ax.text((start + end) / 2, slot, str(request + 1), ha="center", va="center", fontsize=8, color=ink,
                        fontweight="bold")
    ax.set_yticks(range(batch), [str(i + 1) for i in range(batch)])
    ax.set_ylim(batch - 0.4, -0.6)


def _tell_gantt(runs: dict[str, ServingResult], batch: int, sigma: float, rate: float | str) -> str:
    static, continuous = runs["static"], runs["continuous"]
    come = "all there at the start" if rate == AT_ONCE else f"{rate:g} a second on average"
    mean = sum(sum(step.gains) for step in continuous.timeline) / REQUESTS
    return (f"Simulated: {REQUESTS} requests, {come}, output lengths drawn with mean {MEAN_TOKENS} and σ = {sigma:g} "
            f"(these average {mean:.1f} tokens), {batch} slot{'s' * (batch > 1)}, a step of {STEP_BASE_S * 1e3:g} ms "
            f"+ {STEP_PER_SEQ_S * 1e3:g} ms for each occupied slot. Static batching needs {static.steps} steps and "
            f"{static.makespan_s:.2f} s, continuous {continuous.steps} and {continuous.makespan_s:.2f} s. "
            f"Mean time to first token {np.mean(static.ttft_s):.2f} s and {np.mean(continuous.ttft_s):.2f} s, "
            f"mean latency {np.mean(static.latency_s):.2f} s and {np.mean(continuous.latency_s):.2f} s.")


def serving_timeline() -> Any:
    """The interactive figure "serving timeline"."""
    import ipywidgets as widgets

    return explorer(draw_gantt, {
        "sigma": widgets.FloatSlider(value=0.9, min=0, max=1.5, step=0.1, description="spread σ of the lengths"),
        "batch": widgets.IntSlider(value=4, min=1, max=8, description="slots"),
        "rate": widgets.SelectionSlider(options=[2, 5, 10, 20, 40, AT_ONCE], value=AT_ONCE,
                                        description="requests per s"),
        "seed": widgets.IntSlider(value=0, min=0, max=30, description="seed"),
    }, Prediction(
        "Four slots, 24 requests, all there at the start. The spread σ of the output lengths is 0: all have 12 tokens. "
        "How much does continuous batching gain over static batching?",
        ("a factor of 2 or more", "about 1.5", "nothing"), 2,
        "Equal requests end together, so no slot is ever idle. What continuous batching removes is the wait for the "
        "longest request of a batch. Set σ to 0, then raise it."), "Serving timeline, simulated")


# --- fit map ----------------------------------------------------------------------------------------

MODELS_B = (1, 3, 8, 14, 32, 70, 175, 405, 1000, 6000)
BITS = (16, 8, 4, 2)
SERVERS = {
    "4 × A100 40 GB, 96 GB RAM": (160, 96),
    "8 × A100 80 GB, 1.5 TB RAM": (640, 1500),
    "1 × RTX 4090 24 GB, 64 GB RAM": (24, 64),
    "1 × H100 80 GB, 256 GB RAM": (80, 256),
    "1 × T4 16 GB, 64 GB RAM": (16, 64),
}
TIERS = {"gpu": (GREEN, "white"), "offload": (YELLOW, INK), "disk": (ORANGE, "white"), "impossible": (GREY, "white")}


def _size(gb: float) -> str:
    return f"{gb / 1000:.3g} TB" if gb >= 1000 else f"{gb:.3g} GB"


def draw_fit(server: str, kv_gb: float, reserve_pct: float) -> tuple[Figure, str]:
    """Model sizes against bits a weight: where the weights have to live on one server."""
    gpu_gb, cpu_gb = SERVERS[server]
    grid = fit_grid([m * 1e9 for m in MODELS_B], BITS, gpu_gb, cpu_gb, kv_gb, reserve_pct / 100)
    figure, (ax,) = new_figure(10.2, 3.4)
    ax.grid(False)
    for y, (bits, row) in enumerate(zip(BITS, grid)):
        for x, (billions, tier) in enumerate(zip(MODELS_B, row)):
            color, ink = TIERS[tier]
            ax.barh(y, 0.96, left=x - 0.48, height=0.92, color=color)
            ax.text(x, y, f"{_size(billions * bits / 8)}\n{tier}", ha="center", va="center", fontsize=8.5, color=ink)
    ax.set_xticks(range(len(MODELS_B)), [f"{m} B" if m < 1000 else f"{m // 1000} T" for m in MODELS_B])
    ax.set_yticks(range(len(BITS)), [str(b) for b in BITS])
    ax.set(xlim=(-0.5, len(MODELS_B) - 0.5), ylim=(len(BITS) - 0.5, -0.5))
    label(ax, "parameters", "bits a weight",
          f"{server}: {_size(kv_gb)} of KV cache, {reserve_pct:g} % of the GPUs kept free")
    return figure, _tell_fit(server, kv_gb, reserve_pct, grid)


def _tell_fit(server: str, kv_gb: float, reserve_pct: float, grid: list[list[str]]) -> str:
    gpu_gb, _ = SERVERS[server]
    usable = gpu_gb * (1 - reserve_pct / 100)
    told = f"{server}: {usable:.3g} GB of GPU memory are usable, {kv_gb:g} GB of them for the KV cache. "
    if grid[0][0] == "impossible":
        return told + "The KV cache alone does not fit, so nothing runs."
    largest = []
    for bits, row in zip(BITS, grid):
        fits = [m for m, tier in zip(MODELS_B, row) if tier == "gpu"]
        largest.append(f"{fits[-1]} B at {bits} bits" if fits else f"none at {bits} bits")
    return told + "The largest of these models that fits on the GPUs: " + ", ".join(largest) + "."


def fit_map() -> Any:
    """The interactive figure "fit map"."""
    import ipywidgets as widgets

    return explorer(draw_fit, {
        "server": widgets.Dropdown(options=list(SERVERS), value="8 × A100 80 GB, 1.5 TB RAM", description="server"),
        "kv_gb": widgets.SelectionSlider(options=[0, 2, 4, 8, 16, 32, 64, 128], value=0, description="KV cache (GB)"),
        "reserve_pct": widgets.SelectionSlider(options=[0, 5, 10, 20], value=10, description="kept free (%)"),
    }, Prediction(
        "The source says that 6 trillion parameters run on a server with 1.5 TB of RAM and, as we read it, eight A100 "
        "of 80 GB. With how many bits a weight would they fit into GPU and CPU memory together?",
        ("16", "8", "4", "2"), 3,
        "6 T weights take 12 TB at 16 bits, 3 TB at 4 and 1.5 TB at 2. The server has 0.64 + 1.5 = 2.14 TB."),
        "Fit map")


# --- measured -----------------------------------------------------------------------------------------


def _slower(row: EngineTimes) -> float:
    return row.streamed_ms / row.resident_ms


def engine_table(rows: Sequence[EngineTimes]) -> Shown:
    """Step times and tokens/s of both engines at each batch size."""
    cells = [(r.batch, f"{r.resident_ms:.1f}", f"{r.streamed_ms:.1f}", f"{r.resident_per_s:,.0f}",
              f"{r.streamed_per_s:,.0f}", f"{_slower(r):.1f}") for r in rows]
    return table(("batch", "in RAM (ms a step)", "from files (ms a step)", "in RAM (tokens/s)", "from files (tokens/s)",
                  "times slower"), cells)


def draw_engines(rows: Sequence[EngineTimes]) -> tuple[Figure, str]:
    """Tokens/s against the batch size for resident and for streamed weights."""
    figure, (ax,) = new_figure(7.6, 3.4)
    batches = [r.batch for r in rows]
    ax.plot(batches, [r.resident_per_s for r in rows], label="weights in RAM", **line_style(0))
    ax.plot(batches, [r.streamed_per_s for r in rows], label="weights read from files every step", **line_style(1))
    ax.set(xscale="log", yscale="log", ylim=(min(r.streamed_per_s for r in rows) / 2, None))
    ax.set_xticks(batches, [str(b) for b in batches])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    label(ax, "batch (sequences, log scale)", "tokens per second (log scale)", "measured on this machine")
    first, last = rows[0], rows[-1]
    return figure, (f"Measured here: at batch {first.batch} streaming makes a step {_slower(first):.1f} times as long, "
                    f"at batch {last.batch} {_slower(last):.1f} times. Streamed throughput grows from "
                    f"{first.streamed_per_s:,.0f} to {last.streamed_per_s:,.0f} tokens/s.")


def engine_picture(rows: Sequence[EngineTimes]) -> Shown:
    """The picture of `draw_engines` for a code cell."""
    return shown_figure(*draw_engines(rows))


def gpu_link() -> Shown:
    """Measured GB/s from pinned memory to the GPU, or one line that says what the cell would do."""
    from utils.engines.llm_serving import cuda_link_gb_s

    try:
        told = f"Pinned host memory to the GPU: {cuda_link_gb_s():.1f} GB/s measured here."
    except RuntimeError:
        told = "No GPU here. With one, this cell times copies from pinned host memory: the link's real rate in GB/s."
    return Shown(f"<p>{told}</p>", told)


def draw_batching(runs: dict[str, ServingResult]) -> tuple[Figure, str]:
    """How many sequences gain a token in each step, for both policies."""
    figure, (ax,) = new_figure(9.0, 3.0)
    for (policy, run), color in zip(runs.items(), (ORANGE, BLUE)):
        working = [sum(step.gains) for step in run.timeline]
        ax.step(range(1, len(working) + 1), working, where="mid", color=color, linewidth=1.4,
                linestyle="--" if policy == "static" else "-",
                label=f"{policy}: {run.steps:,} steps, {run.mean_batch:.1f} on average")
    ax.set_ylim(0, 1.35 * max(sum(step.gains) for step in runs["continuous"].timeline))  # room for the legend
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, fontsize=9, loc="upper right", ncols=2)
    label(ax, "step", "sequences that gain a token")
    static, continuous = runs["static"], runs["continuous"]
    return figure, (f"Simulated: static batching needs {static.steps:,} steps, continuous {continuous.steps:,}, "
                    f"a factor of {static.steps / continuous.steps:.1f}.")


def batching_picture(runs: dict[str, ServingResult]) -> Shown:
    """The picture of `draw_batching` for a code cell."""
    return shown_figure(*draw_batching(runs))


# --- the frameworks -----------------------------------------------------------------------------------

MECHANISMS = ("continuous batching", "paged KV", "prefix cache", "speculative decoding", "structured output",
              "tensor parallel", "pipeline parallel", "weight offload")


def _day(framework: Framework) -> str:
    """The date with hyphens at which a narrow table does not break it."""
    return framework.as_of.isoformat().replace("-", "\N{NON-BREAKING HYPHEN}")


def framework_table() -> Shown:
    """What each framework is for, its status, and the day up to which its sources show that."""
    rows = [(f.name, f.origin, f.since, f.status, ", ".join(sorted(f.hardware)), f.best_for, _day(f))
            for f in FRAMEWORKS]
    return table(("framework", "from", "since", "status", "hardware", "for", "as of"), rows)


def mechanism_table() -> Shown:
    """Which framework has which mechanism, as far as its sources name it."""
    rows = [(m, *("yes" if m in f.mechanisms else "–" for f in FRAMEWORKS)) for m in MECHANISMS]
    rows.append(("low-bit formats", *(", ".join(sorted(f.quantisation)) or "–" for f in FRAMEWORKS)))
    return table(("mechanism", *(f.name for f in FRAMEWORKS)), rows)


def source_list() -> Shown:
    """Where each row of the table comes from."""
    return table(("framework", "as of", "source"), [(f.name, _day(f), f.source) for f in FRAMEWORKS])


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: 24 requests at once, four slots, spread 0.9."""
    return draw_gantt(0, 4, 0.9, AT_ONCE)[0]

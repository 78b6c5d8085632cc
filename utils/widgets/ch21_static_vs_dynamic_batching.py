"""Figures and measurements of chapter 21: a batcher's timeline, buckets, a fixed batch and a live batcher, measured."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import percentile
from utils.optional import EngineUnavailable
from utils.serving.batching.batcher import BatcherResult, simulate_batcher, simulate_full_batches
from utils.serving.batching.buckets import BucketPlan, bucket_curve, even_buckets, plan_buckets
from utils.serving.batching.facts import FACTS
from utils.serving.batching.profiles import Profile
from utils.serving.batching.service import AffineService, measure_latency
from utils.serving.batching.timeline import batcher_timeline
from utils.serving.batching.trt import TensorRTRunner, build_tensorrt_engine

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, Shown, label, line_style, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.serving.batching.experiment import LiveRun

REQUESTS = 4_000  # of one simulated run
GANTT = 26  # requests that the Gantt chart shows
NO_BREAK = "\N{NON-BREAKING HYPHEN}"
RATES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 0.97)  # shares of the capacity with full batches

# {rows in a request: how many of 100 requests}; invented
TRAFFIC = {
    "mostly small": {1: 50, 2: 20, 3: 5, 4: 15, 6: 8, 8: 2},
    "even": dict.fromkeys(range(1, 11), 10),
    "two peaks": {1: 5, 2: 30, 3: 15, 9: 4, 10: 6, 14: 10, 15: 25, 16: 5},
}


def _ms(value: float) -> str:
    """Milliseconds with three digits, whole from 100 on."""
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _pct(share: float) -> str:
    return f"{100 * share:.0f} %"


# --- Gantt ------------------------------------------------------------------------------------


def _draw_gantt(ax: Axes, run: BatcherResult, first: int = 0, count: int = GANTT) -> None:
    """A lane for each request: hatched while it waits, coloured while its batch runs, the colour changing by batch."""
    batch_of = np.repeat(np.arange(len(run.batches)), [b.size for b in run.batches])
    zero = run.arrivals_ms[first] if first else 0.0
    for lane, i in enumerate(range(first, min(first + count, len(run.arrivals_ms)))):
        arrival, start, finish = (t[i] - zero for t in (run.arrivals_ms, run.starts_ms, run.finishes_ms))
        ax.barh(lane, start - arrival, left=arrival, height=0.7, facecolor="white", edgecolor=GREY, hatch="////")
        ax.barh(lane, finish - start, left=start, height=0.7, color=(BLUE, SKY)[batch_of[i] % 2])
    ax.invert_yaxis()


def draw_policies(arrivals: Sequence[float] = (0, 1, 2, 3, 10, 11, 30), max_batch: int = 4, max_delay_ms: float = 5,
                  a_ms: float = 4, b_ms: float = 1) -> tuple[Figure, str]:
    """The same requests under three rules: only full batches, a bounded delay, no delay."""
    service = AffineService(a_ms, b_ms)
    runs = {
        "static: only full batches": simulate_full_batches(arrivals, max_batch, service),
        f"dynamic, delay at most {max_delay_ms:g} ms": simulate_batcher(arrivals, max_batch, max_delay_ms, service),
        "dynamic, no delay": simulate_batcher(arrivals, max_batch, 0, service),
    }
    figure, axes = new_figure(10.6, 2.9, 1, 3, sharey=True, sharex=True)
    for ax, (name, run) in zip(axes, runs.items()):
        _draw_gantt(ax, run, count=len(arrivals))
        label(ax, "time (ms)", "request" if ax is axes[0] else "", f"{name}: mean {run.latency_ms.mean():.1f} ms")
    axes[0].invert_yaxis()  # shared axes: three inversions, and one more make it run downwards
    axes[0].set_ylim(len(arrivals) - 0.5, -0.5)
    axes[0].set_yticks(range(len(arrivals)), [str(i + 1) for i in range(len(arrivals))])
    told = "; ".join(f"{name}: batches of {', '.join(str(b.size) for b in run.batches)}, mean latency "
                     f"{run.latency_ms.mean():.1f} ms" for name, run in runs.items())
    return figure, f"Hatched: waiting; blue and light blue, in turns: batches that run. {told[0].upper()}{told[1:]}."


def policies() -> Shown:
    """The picture of `draw_policies` for a code cell."""
    return shown_figure(*draw_policies())


# --- the batcher's timeline -------------------------------------------------------------------


def draw_timeline(rate: float, max_batch: int, max_delay_ms: float, a_ms: float, b_ms: float) -> tuple[Figure, str]:
    """Gantt chart of a few requests, the latencies of all, and p99 against the load for three ways of batching."""
    service = AffineService(a_ms, b_ms)
    run = batcher_timeline(rate, max_batch, max_delay_ms, service, REQUESTS)
    figure, (left, middle, right) = new_figure(12.4, 4.0, 1, 3, width_ratios=(1.25, 1, 1.15))
    _draw_gantt(left, run, first=REQUESTS // 2)
    label(left, "time since the first one shown (ms)", f"{GANTT} requests of the run",
          "hatched: waiting; blue, in turns: batches")
    left.set_yticks([])
    _draw_histogram(middle, run)
    _draw_loads(right, run, rate, max_batch, max_delay_ms, service)
    return figure, _tell_timeline(run, rate, max_batch, max_delay_ms, service)


def _draw_histogram(ax: Axes, run: BatcherResult) -> None:
    latency = run.latency_ms
    top = max(float(np.quantile(latency, 0.998)), percentile(latency, 99)) * 1.1
    ax.hist(np.minimum(latency, top), bins=np.linspace(0, top, 50), color=SKY, edgecolor="white", linewidth=0.3)
    for name, q, dash, color in (("p50", 50, ":", GREEN), ("p99", 99, "-", ORANGE)):
        value = percentile(latency, q)
        ax.axvline(value, color=color, linestyle=dash, linewidth=2, label=f"{name} {_ms(value)}")
    ax.legend(frameon=True, framealpha=0.9, edgecolor="white", fontsize=9, loc="upper left")
    label(ax, "latency (ms)", "requests", f"{len(latency):,} simulated requests")


def _draw_loads(ax: Axes, run: BatcherResult, rate: float, max_batch: int, max_delay_ms: float,
                service: AffineService) -> None:
    ways = [("one at a time", 1, 0.0), (f"up to {max_batch}, no delay", max_batch, 0.0)]
    if max_delay_ms > 0:
        ways.append((f"up to {max_batch}, {max_delay_ms:g} ms", max_batch, max_delay_ms))
    for index, (name, size, delay) in enumerate(ways):
        capacity = 1e3 * size / service(size)
        rates = [share * capacity for share in RATES]
        p99 = [percentile(batcher_timeline(r, size, delay, service, REQUESTS).latency_ms, 99) for r in rates]
        ax.plot(rates, p99, label=name, **line_style(index))
    ax.plot([rate], [percentile(run.latency_ms, 99)], marker="*", markersize=16, color=ORANGE, markeredgecolor=INK,
            linestyle="", zorder=5, label="here")
    ax.set(xscale="log", yscale="log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * 3)  # room for the legend
    label(ax, "requests per s (log scale)", "p99 (ms, log scale)", "p99 against the load, to 97 % of capacity")


def _tell_timeline(run: BatcherResult, rate: float, max_batch: int, max_delay_ms: float, service: AffineService) -> str:
    plain = batcher_timeline(rate, max_batch, 0, service, REQUESTS)
    told = (f"Simulated: {rate:g} requests/s, batches of up to {max_batch}, a delay of at most {max_delay_ms:g} ms, "
            f"a batch of n takes {service.a_ms:g} + {service.b_ms:g}·n ms. Batches hold {run.mean_batch:.1f} requests "
            f"on average, the server is {_pct(run.utilization)} busy, {_tail(run)}. ")
    if rate >= 1e3 * max_batch / service(max_batch):
        return told + "Overloaded: even full batches are too slow, and the latencies grow as long as the run lasts."
    if max_delay_ms == 0:
        return told + "Without a delay a batch holds who has come while the one before ran."
    return told + f"Without a delay: {plain.mean_batch:.1f} requests a batch, {_tail(plain)}."


def _tail(run: BatcherResult) -> str:
    return f"p50 {_ms(percentile(run.latency_ms, 50))}, p99 {_ms(percentile(run.latency_ms, 99))}"


def timeline() -> Any:
    """The interactive figure "batcher timeline"."""
    import ipywidgets as widgets

    knobs = {
        "rate": widgets.IntSlider(value=100, min=20, max=1200, step=20, description="requests per second"),
        "max_batch": widgets.IntSlider(value=8, min=1, max=32, description="max batch"),
        "max_delay_ms": widgets.FloatSlider(value=8, min=0, max=30, step=1, description="max delay (ms)"),
        "a_ms": widgets.FloatSlider(value=4, min=0, max=20, step=0.5, description="a: per batch (ms)"),
        "b_ms": widgets.FloatSlider(value=0.5, min=0.25, max=5, step=0.25, description="b: per request (ms)"),
    }
    return explorer(draw_timeline, knobs, Prediction(
        "100 requests/s come at random, and a batch of n takes 4 + 0.5·n ms. The batcher may now wait for 8 ms to fill "
        "its batches. What happens to the median latency?",
        ("it falls: batches are shared", "it hardly changes", "it doubles, or more"), 2,
        "The server was free most of the time, so waiting is all that the delay brings. Now move the rate to 900: "
        "without any delay the batches fill up by themselves."), "Batcher timeline")


# --- buckets ----------------------------------------------------------------------------------


def draw_buckets(k: int, traffic: str) -> tuple[Figure, str]:
    """A histogram of sizes with the best k buckets, and the waste for every number of buckets."""
    histogram = TRAFFIC[traffic]
    plan, even = plan_buckets(histogram, k), even_buckets(histogram, k)
    figure, (left, right) = new_figure(10.6, 3.6, 1, 2)
    top, most = max(histogram), max(histogram.values())
    left.bar(list(histogram), list(histogram.values()), width=0.7, color=BLUE)
    below = 0.5
    for index, bucket in enumerate(plan.buckets):
        left.axvspan(below, bucket + 0.5, color=(SKY, PINK)[index % 2], alpha=0.18, zorder=0)
        left.annotate(f"→ {bucket}", ((below + bucket + 0.5) / 2, most * 1.07), ha="center", fontsize=9, color=INK)
        below = bucket + 0.5
    left.set(ylim=(0, most * 1.2), xlim=(0.5, top + 0.5))
    label(left, "rows in the request", "requests (%)", "shaded: sizes that share a bucket")
    ks = range(1, len(histogram) + 1)
    for index, (name, plans) in enumerate((("best", bucket_curve(histogram, ks)),
                                           ("evenly spaced", [even_buckets(histogram, i) for i in ks]))):
        right.plot(list(ks), [100 * p.waste for p in plans], label=name, **line_style(index))
    right.plot([min(k, len(histogram))], [100 * plan.waste], marker="*", markersize=16, color=ORANGE,
               markeredgecolor=INK, linestyle="", label="here", zorder=5)
    right.set_ylim(0)
    right.legend(frameon=False, fontsize=9)
    label(right, "number of buckets", "padding (% of the processed rows)", "waste against the number of buckets")
    return figure, _tell_buckets(k, traffic, plan, even)


def _tell_buckets(k: int, traffic: str, plan: BucketPlan, even: BucketPlan) -> str:
    told = ", ".join(map(str, plan.buckets))
    verb = "is" if len(plan.buckets) == 1 else "are"
    return (f"Traffic “{traffic}”, at most {k} bucket{'s' * (k > 1)}: the best {verb} {told}, with {plan.rows} rows "
            f"processed for {plan.useful} useful ones, {100 * plan.waste:.1f} % padding. Evenly spaced buckets "
            f"({', '.join(map(str, even.buckets))}) have {100 * even.waste:.1f} % padding.")


def buckets() -> Any:
    """The interactive figure "buckets"."""
    import ipywidgets as widgets

    knobs = {
        "k": widgets.IntSlider(value=2, min=1, max=6, description="buckets"),
        "traffic": widgets.Dropdown(options=list(TRAFFIC), value="mostly small", description="traffic"),
    }
    return explorer(draw_buckets, knobs, Prediction(
        "Half of the requests have 1 row, the largest have 8. With one bucket (8) 71 % of the work is padding. You may "
        "have a second bucket. Which one saves most?",
        ("1, the most frequent size", "2", "4, half of the largest"), 1,
        "A bucket of 2 takes 70 of 100 requests from 8 rows to 2: 380 rows are left. A bucket of 1 takes 50 of them to "
        "1 row: 450 rows. A bucket of 4 takes 90 of them to 4 rows: 440 rows."), "Buckets")


# --- measured ---------------------------------------------------------------------------------


def static_table(measured: Mapping[int, tuple[float, float]]) -> Shown:
    """A fixed batch against a free one, for each number of inputs."""
    batch = max(measured)
    rows = [(n, f"{static:.3f}", f"{dynamic:.3f}", f"{static / dynamic:.1f}", _pct(1 - n / batch))
            for n, (static, dynamic) in measured.items()]
    return table(("inputs n", f"static {batch}, padded (ms)", "dynamic (ms)", "static / dynamic", "padded rows"), rows)


def draw_static(measured: Mapping[int, tuple[float, float]], fit: AffineService) -> tuple[Figure, str]:
    """Both measured curves, and the line a + b n through the dynamic one."""
    n = np.array(list(measured))
    figure, (ax,) = new_figure(7.0, 3.4)
    for index, name in enumerate(("static, padded", "dynamic")):
        ax.plot(n, [pair[index] for pair in measured.values()], label=name, **line_style(index))
    line = f"{fit.a_ms:.3f} + {fit.b_ms:.3f}·n ms"
    ax.plot(n, [fit(k) for k in n], color=GREY, linestyle=":", linewidth=2, label=line)
    ax.set_ylim(0)
    ax.legend(frameon=False, fontsize=9)
    label(ax, "inputs n", "time (ms)", "measured on this machine, one thread")
    one, last = measured[min(measured)], measured[max(measured)]
    return figure, (f"Static takes {one[0]:.3g} ms for one input and {last[0]:.3g} ms for {max(measured)}; dynamic "
                    f"{one[1]:.3g} and {last[1]:.3g} ms.")


def static_picture_measured(measured: Mapping[int, tuple[float, float]], fit: AffineService) -> Shown:
    """The picture of `draw_static` for a code cell."""
    return shown_figure(*draw_static(measured, fit))


def batching_pays(fits: Mapping[str, AffineService], batch: int = 16) -> Shown:
    """What a batch brings for each measured network: requests per second one at a time and in batches."""
    rows = []
    for name, fit in fits.items():
        alone, together = 1e3 / fit(1), 1e3 * batch / fit(batch)
        rows.append((name, f"{fit.a_ms:.3f}", f"{fit.b_ms:.3f}", f"{fit.r2:.3f}", f"{alone:,.0f}", f"{together:,.0f}",
                     f"{together / alone:.1f}"))
    head = ("network", "a (ms)", "b (ms)", "R²", "per s, one at a time", f"per s, batches of {batch}", "gain")
    return table(head, rows)


def live_table(runs: Sequence[LiveRun]) -> Shown:
    """Each live run beside its simulations: p50, p99 and requests per batch."""
    rows = []
    for run in runs:
        ms, late = run.result.latency_ms, 1e3 * (run.result.starts_s - run.result.arrivals_s)
        seen = [(percentile(v, 50), percentile(v, 99)) for v in (ms, run.predicted.latency_ms, run.replayed_ms)]
        rows.append((run.name, len(ms), run.result.dropped, f"{run.throughput_per_s:,.0f}",
                     *(f"{p50:.1f} / {p99:.1f}" for p50, p99 in seen),
                     f"{run.mean_batch:.2f} / {run.predicted.mean_batch:.2f}", f"{percentile(late, 99):.1f}"))
    return table(("run", "requests", "given up", "per s", "live p50 / p99 (ms)", "predicted", "replayed",
                  "per batch: live / predicted", "sent late, p99 (ms)"), rows)


def draw_live(runs: Sequence[LiveRun], columns: int = 3) -> tuple[Figure, str]:
    """The share of requests that took longer than a given time: live, and in the simulation of the same arrivals."""
    from matplotlib.ticker import LogLocator

    per_panel = max(1, len(runs) // columns)
    figure, axes = new_figure(12.0, 3.6, 1, -(-len(runs) // per_panel), sharey=True)
    for panel, ax in enumerate(axes):
        for index, run in enumerate(runs[panel * per_panel : (panel + 1) * per_panel]):
            style = line_style(index)
            measured, longer = _longer_than(run.result.latency_ms)
            marks = np.unique(np.linspace(0, len(measured) - 1, 8).astype(int)).tolist()
            ax.plot(measured, longer, color=style["color"], linewidth=2, label=run.name, marker=style["marker"],
                    markevery=marks, markersize=5)
            ax.plot(*_longer_than(run.replayed_ms), color=style["color"], linewidth=1.3, linestyle=":")
        ax.axhline(1, color=GREY, linewidth=1, linestyle="--")
        ax.set(xscale="log", yscale="log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.legend(frameon=False, fontsize=8.5, loc="lower left")
        label(ax, "latency (ms, log scale)", "requests that took longer (%)" if panel == 0 else "",
              "solid: live; dotted: replayed" if panel == 0 else "dashed: p99" if panel == 1 else "")
    told = [f"{run.name}: {_ms(percentile(run.result.latency_ms, 99))} live, "
            f"{_ms(percentile(run.replayed_ms, 99))} replayed" for run in runs]
    return figure, f"p99, measured on this machine: {'; '.join(told)}."


def _longer_than(latency_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted latencies, and the percentage of requests that took as long or longer."""
    ordered = np.sort(latency_ms)
    return ordered, 100 * (1 - np.arange(len(ordered)) / len(ordered))


def live_picture(runs: Sequence[LiveRun]) -> Shown:
    """The picture of `draw_live` for a code cell."""
    return shown_figure(*draw_live(runs))


def arena_table(model: str | Path) -> Shown:
    """What a large batch leaves in a session's memory, or a sentence where that can't be read."""
    from utils.serving.batching.experiment import arena_steps

    try:
        steps = arena_steps(model)
    except EngineUnavailable as error:
        return Shown(f"<p>{html.escape(str(error))}</p>", str(error))
    return table(("step", "memory since loading (MiB)"), [(name, f"{mib:+.0f}") for name, mib in steps])


def facts_table() -> Shown:
    """What products say about batch sizes, with the day on which it was read."""
    head = ("product", "what its documentation says", "source", "as of")
    return table(head, [(f.product, f.fact, f.source, f.as_of.isoformat().replace("-", NO_BREAK)) for f in FACTS])


def tensorrt_cell(model: str | Path, sizes: Sequence[int] = (1, 2, 4, 8)) -> Shown:
    """Times and context memory of an engine with two profiles, or a sentence that says what would be measured."""
    from utils.serving.batching.experiment import cnn_inputs

    profiles = [Profile(1, 1, 1), Profile(2, 4, 8)]
    try:
        engine = build_tensorrt_engine(model, "input", profiles)
        runner = TensorRTRunner(engine, "STATIC")
    except EngineUnavailable as error:
        told = (f"{error}. There, this cell builds an engine with the profiles (1, 1, 1) and (2, 4, 8), times batches "
                f"of {', '.join(map(str, sizes))} and reads the context memory of both strategies.")
        return Shown(f"<p>{html.escape(told)}</p>", told)
    rows = []
    for n in sizes:
        runner.use_profile(0 if n == 1 else 1)
        x = cnn_inputs(n)
        rows.append((n, "(1, 1, 1)" if n == 1 else "(2, 4, 8)", f"{measure_latency(lambda x=x: runner.run(x)):.3f}"))
    memory = runner.memory_bytes()
    caption = f"context memory: STATIC {memory['STATIC']:,} bytes, by profile {memory['ON_PROFILE_CHANGE']}"
    return table(("batch", "profile", "median with copies (ms)"), rows, caption)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: 100 requests/s, batches of up to 8, a delay of 8 ms."""
    return draw_timeline(100, 8, 8, 4, 0.5)[0]

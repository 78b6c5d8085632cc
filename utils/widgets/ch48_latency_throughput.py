"""Figures and measurements of chapter 48: the hockey stick, the stalled client, a real server under load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import percentile, percentile_ci
from utils.serving.hockey_stick import p99_curve, queue_point
from utils.serving.load_levels import LoadLevel, cuda_with_and_without_sync, observed_in_flight
from utils.serving.queueing import latency_from_schedule, mm1_time_s, simulate_fifo, two_point

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, Shown, label, line_style, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _ms(value: float) -> str:
    """Milliseconds with three digits, whole from 100 on."""
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def _pct(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


# --- for the explanation ----------------------------------------------------------------------


def draw_three_requests(arrivals: Sequence[float] = (0, 0.1, 0.2),
                        services: Sequence[float] = (0.5, 0.1, 0.1)) -> tuple[Figure, str]:
    """A lane for each request of a first-come-first-served server: its wait, then its service."""
    waits = simulate_fifo(arrivals, services)
    figure, (ax,) = new_figure(7.4, 2.1)
    for i, (arrival, wait, service) in enumerate(zip(arrivals, waits, services)):
        ax.barh(i, wait, left=arrival, height=0.5, facecolor="white", edgecolor=GREY, hatch="///")
        ax.barh(i, service, left=arrival + wait, height=0.5, color=BLUE)
        ax.annotate(f"{wait + service:.2g} s", (arrival + wait + service, i), xytext=(5, 0), textcoords="offset points",
                    va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(arrivals)), [f"request {i + 1}" for i in range(len(arrivals))])
    ax.set_ylim(len(arrivals) - 0.4, -0.6)
    ax.set_xlim(0, max(a + w + s for a, w, s in zip(arrivals, waits, services)) * 1.1)
    label(ax, "time (s)", "", "hatched: waiting, blue: in service")
    told = ", ".join(f"{w + s:.2g} s" for w, s in zip(waits, services))
    return figure, (f"Services of {', '.join(f'{s:g} s' for s in services)}, and latencies of {told}: "
                    "the short requests wait behind the long one.")


def three_requests() -> Shown:
    """The picture of `draw_three_requests` for a code cell."""
    return shown_figure(*draw_three_requests())


def draw_stall(requests: int = 1000, interval_ms: float = 10, stalled: int = 500,
               stall_ms: float = 1000) -> tuple[Figure, str]:
    """Latencies of a client with one stall in 1 ms services: timed from the sending, and from the schedule."""
    schedule, service = np.arange(requests) * interval_ms, np.ones(requests)
    service[stalled] = stall_ms
    wait = simulate_fifo(schedule, service)
    sent, due = latency_from_schedule(schedule, schedule + wait, schedule + wait + service)
    figure, axes = new_figure(9.4, 3.0, 1, 2, sharey=True)
    panels = ((axes[0], sent, "from when it was sent", ORANGE), (axes[1], due, "from when it was due", BLUE))
    for ax, values, title, color in panels:
        ax.plot(schedule / 1e3, values, ".", color=color, markersize=4)
        ax.axhline(percentile(values, 99), color=INK, linewidth=1, linestyle="--")
        label(ax, "due at (s)", "latency (ms)" if ax is axes[0] else "", f"{title}: p99 {_ms(percentile(values, 99))}")
    slow = int(np.sum(due > interval_ms))
    return figure, (f"{requests:,} requests, one every {interval_ms:g} ms, 1 ms each; one stalls for {_ms(stall_ms)}. "
                    f"Timed from the sending, 1 request is slow and p99 is {_ms(percentile(sent, 99))}. Timed from the "
                    f"schedule, {slow} take longer than {interval_ms:g} ms and p99 is {_ms(percentile(due, 99))}.")


def stall() -> Shown:
    """The picture of `draw_stall` for a code cell."""
    return shown_figure(*draw_stall())


# --- hockey stick -----------------------------------------------------------------------------

SCV = {"constant": 0.0, "exponential": 1.0, "1 % slow": 4.0}
GRID = (0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95)
REQUESTS = 40_000


def draw_hockey(rate: float, service_ms: float, variability: str, servers: int, closed: bool) -> tuple[Figure, str]:
    """Histogram of simulated latencies at one point, and p99 against utilisation with that point."""
    point = queue_point(rate, service_ms, SCV[variability], servers, REQUESTS, 0, closed)
    figure, (left, right) = new_figure(10.6, 4.0, 1, 2)
    _draw_histogram(left, point)
    _draw_curves(right, point, service_ms, variability, servers, closed)
    return figure, _tell_hockey(point, rate, service_ms, variability, servers, closed)


def _draw_histogram(ax: Axes, point: dict) -> None:
    latencies = point["latency_ms"]
    top = max(float(np.quantile(latencies, 0.998)), point["p99_ms"]) * 1.1
    ax.hist(np.minimum(latencies, top), bins=np.linspace(0, top, 60), color=SKY, edgecolor="white", linewidth=0.3)
    ax.set_yscale("log")
    for i, (name, dash, color) in enumerate((("p50", ":", GREEN), ("p95", "--", PINK), ("p99", "-", ORANGE))):
        value = point[f"{name}_ms"]
        ax.axvline(value, color=color, linestyle=dash, linewidth=2, label=f"{name} {_ms(value)}", zorder=3 + i)
    ax.legend(frameon=True, framealpha=0.9, edgecolor="white", fontsize=9, loc="upper right")
    label(ax, "latency (ms)", "requests (log scale)", f"{len(latencies):,} simulated requests; last bar: and longer")


def _draw_curves(ax: Axes, point: dict, service_ms: float, variability: str, servers: int, closed: bool) -> None:
    fine = np.linspace(0.05, 0.95, 60)
    mm1 = [mm1_time_s(u * 1e3 / service_ms, service_ms / 1e3, 0.99) * 1e3 for u in fine]
    ax.plot(fine * 100, mm1, color=GREY, linestyle="--", label="M/M/1: 1 server, exponential (formula)")
    ax.plot([100 * u for u in GRID], p99_curve(GRID, service_ms, 0.0, 1, REQUESTS, 0), color=GREY, linestyle=":",
            label="M/D/1: 1 server, constant (simulated)")
    curve = p99_curve(GRID, service_ms, SCV[variability], servers, REQUESTS, 0, closed)
    ax.plot([100 * u for u in GRID], curve, label=f"{servers} server{'s' * (servers > 1)}, {variability}"
            + (", closed loop" if closed else ""), **line_style(0))
    shown = min(100 * point["utilization"], 120)
    ax.plot([shown], [point["p99_ms"]], marker="*", markersize=16, color=ORANGE, markeredgecolor=INK, linestyle="",
            zorder=5, label="here")
    ax.axvline(100, color=INK, linewidth=1)
    ax.set(yscale="log", xlim=(0, max(103, shown + 4)))
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    label(ax, "utilisation (%)", "p99 (ms, log scale)", "p99 against utilisation")


def _tell_hockey(point: dict, rate: float, service_ms: float, variability: str, servers: int, closed: bool) -> str:
    services = f"{variability} service of {service_ms:g} ms"
    if variability == "1 % slow":
        slow, fast = two_point(service_ms, SCV[variability])
        services = f"services of {fast:.3g} ms, but {slow:.3g} ms for 1 % of the requests"
    told = (f"Simulated: {rate:g} requests/s to {servers} server{'s' * (servers > 1)}, {services}: "
            f"{_pct(point['utilization'])} busy. p50 {_ms(point['p50_ms'])}, p95 {_ms(point['p95_ms'])}, "
            f"p99 {_ms(point['p99_ms'])}, mean {_ms(point['mean_ms'])}. ")
    if closed:
        return told + ("Measured in a closed loop: the clock starts when a client sends, so nobody is seen waiting, "
                       "and the tail of the queue is gone from the report.")
    if not point["stable"]:
        return told + "Overloaded: the queue grows as long as the run lasts, and so do these numbers."
    return told + f"A request takes {point['mean_ms'] / service_ms:.1f} times its service on average."


def hockey_stick() -> Any:
    """The interactive figure "hockey stick"."""
    import ipywidgets as widgets

    knobs = {
        "rate": widgets.IntSlider(value=80, min=5, max=420, step=5, description="requests per second"),
        "service_ms": widgets.IntSlider(value=10, min=2, max=40, description="service (ms)"),
        "variability": widgets.Dropdown(options=list(SCV), value="constant", description="service times"),
        "servers": widgets.IntSlider(value=1, min=1, max=8, description="servers"),
        "closed": widgets.Checkbox(value=False, description="measure in a closed loop"),
    }
    return explorer(draw_hockey, knobs, Prediction(
        "A server needs exactly 10 ms for each request and is 80 % busy: 80 requests/s come at random. What is p99?",
        ("10 ms", "about 12 ms", "about 50 ms", "about 110 ms"), 3,
        "Random arrivals come in bunches, and each waits for the ones before it. The mean latency is 30 ms, p99 about "
        "110 ms. Now move the rate to 90, then 95."), "Hockey stick")


# --- measured ---------------------------------------------------------------------------------


def level_table(levels: Sequence[LoadLevel]) -> Shown:
    """Latencies of each run, with the interval of its p99 and Little's law from both sides."""
    rows = []
    for level in levels:
        latencies = level.result.latency_ms
        low, high = percentile_ci(latencies, 99)
        seen, computed = observed_in_flight(level.result)
        upper = "?" if high == float("inf") else f"{high:.1f}"
        per_s = level.result.summary().throughput_per_s
        p50, p99 = (f"{percentile(latencies, q):.1f}" for q in (50, 99))
        rows.append((level.name, len(latencies), f"{per_s:.0f}", _pct(level.utilization), p50, p99,
                     f"{low:.1f} … {upper}",
                     f"{percentile(level.predicted_ms, 99):.1f}", f"{seen:.2f} / {computed:.2f}"))
    return table(("run", "requests", "per s", "busy", "p50 (ms)", "p99 (ms)", "p99, 95 % interval",
                  "p99 of the queue (ms)", "in flight: seen / rate × latency"), rows)


def draw_levels(levels: Sequence[LoadLevel]) -> tuple[Figure, str]:
    """The share of requests that took longer than a given time, measured and from the queue's recursion."""
    figure, (ax,) = new_figure(9.0, 4.0)
    for index, level in enumerate(levels):
        style = line_style(index)
        measured, longer = _longer_than(level.result.latency_ms)
        marks = np.unique(np.linspace(0, len(measured) - 1, 9).astype(int)).tolist()
        ax.plot(measured, longer, color=style["color"], linewidth=2, label=level.name, marker=style["marker"],
                markevery=marks, markersize=5)
        ax.plot(*_longer_than(level.predicted_ms), color=style["color"], linewidth=1.2, linestyle=":")
    ax.axhline(1, color=GREY, linewidth=1, linestyle="--")
    ax.annotate("p99", (1, 1), xycoords=("axes fraction", "data"), xytext=(-2, 3), textcoords="offset points",
                ha="right", fontsize=9, color=INK)
    ax.set(xscale="log", yscale="log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False, fontsize=9, loc="lower left")
    label(ax, "latency (ms, log scale)", "requests that took longer (%)",
          "solid with marks: measured; dotted: the queue's recursion on the measured services")
    told = ", ".join(f"{level.name} {_ms(percentile(level.result.latency_ms, 99))}" for level in levels)
    return figure, f"p99, measured on this machine: {told}."


def _longer_than(latency_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted latencies, and the percentage of requests that took as long or longer."""
    ordered = np.sort(latency_ms)
    return ordered, 100 * (1 - np.arange(len(ordered)) / len(ordered))


def level_picture(levels: Sequence[LoadLevel]) -> Shown:
    """The picture of `draw_levels` for a code cell."""
    return shown_figure(*draw_levels(levels))


def batch_table(cost_ms: Mapping[int, float]) -> Shown:
    """Time of a batch and requests per second for each measured size."""
    rows = [(b, f"{ms:.2f}", f"{b / ms * 1e3:,.0f}", f"{1e3 / ms:,.0f}") for b, ms in cost_ms.items()]
    return table(("batch", "one batch (ms)", "requests per s", "1 / latency (per s)"), rows)


def gpu_sync() -> Shown:
    """A forward pass on a GPU timed with and without waiting for it, or a sentence that there is none."""
    try:
        timed = cuda_with_and_without_sync()
    except RuntimeError:
        told = ("No GPU here. With one, this cell times a forward pass twice: with torch.cuda.synchronize() before "
                "both readings of the clock, and without. The second number is the time to queue the kernels, not to "
                "run them.")
        return Shown(f"<p>{told}</p>", told)
    return table(("timed", "median (ms)"), [(name, f"{ms:.3f}") for name, ms in timed.items()])


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: 80 requests/s to one server of constant 10 ms."""
    return draw_hockey(80, 10, "constant", 1, False)[0]

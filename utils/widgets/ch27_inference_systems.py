"""Figures and measurements of chapter 27: latency against utilisation, a burst with retries, a real server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import percentile
from utils.optional import EngineUnavailable
from utils.serving.inference_service.levels import ServiceRun, cuda_runs
from utils.serving.queueing import goodput, min_replicas
from utils.serving.queueing.figures import BURST, latency_curve, overload

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, Shown, label, line_style, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCV = {"constant": 0.0, "exponential": 1.0, "1 % slow": 4.0}
LINES = ("one line", "a line each")
LOADS = np.arange(0.5, 20.01, 0.5)  # Erlang


def _ms(value: float) -> str:
    """Milliseconds with three digits, whole from 100 on."""
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


# --- for the explanation ----------------------------------------------------------------------


def draw_deadlines(arrivals: Sequence[float] = tuple(range(0, 50, 5)), service: float = 10,
                   deadline: float = 25) -> tuple[Figure, str]:
    """One lane a policy: which of ten requests each one answers in time."""
    figure, (ax,) = new_figure(7.6, 2.3)
    policies, counts = ("fifo", "shed", "lifo"), []
    for lane, policy in enumerate(policies):
        good = goodput(list(arrivals), service, deadline, policy)
        counts.append(len(good))
        for k in range(len(arrivals)):
            inside = k in good
            ax.text(k, lane, "✓" if inside else "✗", ha="center", va="center", fontsize=15,
                    color=GREEN if inside else ORANGE)
    ax.set_yticks(range(3), [f"{p}: {n} of {len(arrivals)}" for p, n in zip(policies, counts)])
    ax.set_xticks(range(len(arrivals)), [f"{i}\nat {a:g}" for i, a in enumerate(arrivals)])
    ax.set(xlim=(-0.6, len(arrivals) - 0.4), ylim=(2.6, -0.6))
    ax.grid(False)
    label(ax, "request, and when it comes (ms)", "", "✓ answered in time, ✗ late or skipped")
    told = ", ".join(f"{p} {n}" for p, n in zip(policies, counts))
    return figure, (f"{len(arrivals)} requests, one every {arrivals[1] - arrivals[0]:g} ms, services of "
                    f"{service:g} ms, a deadline of {deadline:g} ms. Answered in time by policy: {told}.")


def deadlines() -> Shown:
    """The picture of `draw_deadlines` for a code cell."""
    return shown_figure(*draw_deadlines())


# --- latency against utilisation --------------------------------------------------------------


def draw_latency_curve(service_ms: float, variability: str, servers: int, line: str,
                       slo_ms: float) -> tuple[Figure, str]:
    """Mean and p99 against utilisation with one line or a line each, and the replicas that an objective needs."""
    figure, (left, right) = new_figure(10.6, 4.0, 1, 2)
    shared = line == LINES[0]
    curve = latency_curve(service_ms, SCV[variability], servers, shared)
    other = latency_curve(service_ms, SCV[variability], servers, not shared)
    _curves(left, curve, other, servers, line, slo_ms)
    replicas = _replicas(right, service_ms, slo_ms)
    best = curve.highest_within(slo_ms)
    kept = (f"p99 stays within {_ms(slo_ms)} up to {best:.0%} busy".replace("%", " %") if best else
            f"p99 is above {_ms(slo_ms)} at every simulated load")
    at = curve.utilization.index(0.8)
    who = f"{servers} servers, {line}" if servers > 1 else "1 server"
    instead = f"; with {LINES[shared]} p99 is {_ms(other.p99_ms[at])}" if servers > 1 else ""
    return figure, (f"{who}, {variability} service of {service_ms:g} ms, simulated. At 80 % busy: mean "
                    f"{_ms(curve.mean_ms[at])}, p99 {_ms(curve.p99_ms[at])}{instead}. Here {kept}. {replicas}")


def _curves(ax: Axes, curve: Any, other: Any, servers: int, line: str, slo_ms: float) -> None:
    x = [100 * u for u in curve.utilization]
    told = f", {line}" if servers > 1 else ""
    ax.plot(x, curve.p99_ms, label=f"p99{told}", linewidth=2, **line_style(0))
    ax.plot(x, curve.mean_ms, label=f"mean{told}", linewidth=2, **line_style(1))
    if servers > 1:
        name = LINES[line == LINES[0]]
        ax.plot(x, other.p99_ms, color=GREY, linestyle=":", marker="v", markersize=4, label=f"p99, {name}")
    ax.axhline(slo_ms, color=INK, linestyle="--", linewidth=1)
    ax.annotate("objective", (x[0], slo_ms), xytext=(0, 3), textcoords="offset points", fontsize=9, color=INK)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    label(ax, "utilisation (%)", "latency (ms, log scale)", f"{servers} server{'s' * (servers > 1)}, simulated")


def _replicas(ax: Axes, service_ms: float, slo_ms: float) -> str:
    """Replicas against load by M/M/c for p99, beside the number that is only stable; a sentence."""
    stable = np.floor(LOADS) + 1
    ax.step(LOADS, stable, where="mid", color=GREY, linestyle="--", label="stable (more than the load)")
    ax.set(xticks=range(0, 21, 4), yticks=range(0, 33, 4))
    label(ax, "load (Erlang: rate × service time)", "replicas", "replicas for p99 within the objective (M/M/c formula)")
    try:
        needed = [min_replicas(a / service_ms * 1e3, service_ms, slo_ms, 0.99) for a in LOADS]
    except ValueError:
        ax.legend(frameon=False, fontsize=9, loc="upper left")
        ax.text(0.55, 0.15, "no number of replicas is enough:\nmore than 1 % of the services\nalone are longer",
                ha="center", transform=ax.transAxes, fontsize=10, color=ORANGE)
        return ("With exponential services no number of replicas meets the objective at p99: a service alone is too "
                "long too often.")
    ax.step(LOADS, needed, where="mid", color=BLUE, linewidth=2, label="p99 within the objective")
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    ten = int(needed[int(np.flatnonzero(LOADS == 10)[0])])
    ax.annotate(f"{ten} at 10 Erlang", (10, ten), xytext=(-8, 24), textcoords="offset points", fontsize=9, color=INK,
                ha="right", arrowprops={"arrowstyle": "->", "color": INK})
    return f"With exponential services and one line, a load of 10 Erlang needs {ten} replicas for that p99."


def latency_explorer() -> Any:
    """The interactive figure "latency against utilisation"."""
    import ipywidgets as widgets

    knobs = {
        "service_ms": widgets.IntSlider(value=20, min=5, max=50, step=5, description="service (ms)"),
        "variability": widgets.Dropdown(options=list(SCV), value="exponential", description="service times"),
        "servers": widgets.IntSlider(value=4, min=1, max=8, description="servers"),
        "line": widgets.Dropdown(options=list(LINES), value=LINES[0], description="requests wait in"),
        "slo_ms": widgets.IntSlider(value=100, min=20, max=500, step=10, description="objective (ms)"),
    }
    return explorer(draw_latency_curve, knobs, Prediction(
        "Four servers, each 80 % busy. Requests wait in one line, or each picks one of four lines at random. How does "
        "p99 compare?",
        ("It is the same: the load is the same", "With four lines it is about 10 % longer",
         "With four lines it is 3 to 4 times as long"), 2,
        "With a line each, a request can wait behind a long one while another server is idle. Change the number of "
        "servers and watch the gap."),
        "Latency against utilisation")


# --- overload ---------------------------------------------------------------------------------


def draw_overload(policy: str, deadline_ms: float, retries: int) -> tuple[Figure, str]:
    """Tries, goodput and queue over ten minutes with a burst of three."""
    run = overload(policy, deadline_ms, retries)
    figure, (top, bottom) = new_figure(9.4, 4.6, 2, 1, sharex=True)
    minutes = run.begin_s / 60
    _mark_burst(top)
    top.plot(minutes, run.tries_per_s, color=ORANGE, linestyle="--", linewidth=2, label="tries that come")
    top.plot(minutes, run.good_per_s, color=BLUE, linewidth=2, label="answers in time (goodput)")
    top.axhline(20, color=GREY, linewidth=1, linestyle=":")
    top.annotate("capacity", (minutes[-1], 20), xytext=(0, 2), textcoords="offset points", fontsize=9, ha="right",
                 color=INK)
    top.set_ylim(bottom=0)
    top.legend(frameon=False, fontsize=9, loc="upper right")
    label(top, "", "per second", f"{policy}, deadline {deadline_ms / 1e3:g} s, {_retries(retries)}")
    _mark_burst(bottom)
    bottom.plot(minutes, run.queue_len, color=PINK, linewidth=2)
    bottom.set_ylim(bottom=0)
    label(bottom, "time (minutes)", "waiting tries")
    last = slice(-6, None)
    offered, good = float(run.tries_per_s[last].mean()), float(run.good_per_s[last].mean())
    before = float(run.good_per_s[:6].mean())
    return figure, (f"Simulated, one server of 20 requests/s, {policy}, {_retries(retries)}: before the burst "
                    f"{before:.1f} answers/s are in time. In the last minute, more than five minutes after the burst, "
                    f"{offered:.1f} tries/s come and {good:.1f} answers/s are in time.")


def _retries(count: int) -> str:
    return "no retries" if count == 0 else f"{count} retr{'y' if count == 1 else 'ies'}"


def _mark_burst(ax: Axes) -> None:
    begin = BURST[0][1] / 60
    ax.axvspan(begin, begin + BURST[1][1] / 60, color=SKY, alpha=0.18)
    middle = begin + BURST[1][1] / 120
    ax.text(middle, 0.1, "burst", transform=ax.get_xaxis_transform(), fontsize=9, ha="center", color=INK)


def overload_explorer() -> Any:
    """The interactive figure "a burst and its aftermath"."""
    import ipywidgets as widgets

    knobs = {
        "policy": widgets.Dropdown(options=["fifo", "shed", "lifo"], value="fifo", description="policy"),
        "deadline_ms": widgets.IntSlider(value=1000, min=200, max=5000, step=200, description="deadline (ms)"),
        "retries": widgets.IntSlider(value=1, min=0, max=3, description="retries"),
    }
    return explorer(draw_overload, knobs, Prediction(
        "First come, first served. A burst of three minutes at 130 % of the capacity is over, and 70 % come as before. "
        "Each client tries again once when its deadline has passed. When is the service back to normal?",
        ("At once", "About three minutes later, when the backlog is worked off", "Not at all"), 2,
        "Every request waits longer than its deadline, so each comes twice: 140 % of the capacity. The queue grows, "
        "and the overload feeds itself. Now set retries to 0, and then the policy to shed."),
        "A burst and its aftermath")


# --- measured ---------------------------------------------------------------------------------


def level_table(run: ServiceRun) -> Shown:
    """Latencies of each level of the real server, the formula's mean, and what was in time."""
    rows = []
    for level in run.levels:
        latency, predicted = level.answered.latency_ms, level.predicted_ms
        cells = [f"{percentile(latency, q):.1f}" for q in (50, 99)] if len(latency) else ["-", "-"]
        mean = f"{latency.mean():.1f}" if len(latency) else "-"
        formula = "unstable" if predicted is None else f"{predicted:.1f}"
        rows.append((level.name, level.offered, f"{100 * level.utilization:.0f} %", *cells, mean, formula,
                     level.refused, level.good(run.deadline_ms)))
    head = ("load", "requests", "worker busy", "p50 (ms)", "p99 (ms)", "mean (ms)", "mean by formula (ms)", "refused",
            f"within {run.deadline_ms:.0f} ms")
    return table(head, rows, f"measured here, over HTTP: one worker, {run.alone_ms:.1f} ms for a request alone")


def draw_levels(run: ServiceRun) -> tuple[Figure, str]:
    """Latency of each answered request against when it was due, one line a level."""
    figure, (ax,) = new_figure(9.0, 4.0)
    for index, level in enumerate(run.levels):
        style = line_style(index)
        due = level.answered.arrivals_s
        order = np.argsort(due)
        marks = np.unique(np.linspace(0, max(0, len(due) - 1), 9).astype(int)).tolist()
        ax.plot(due[order], level.answered.latency_ms[order], linewidth=1.2, label=level.name, markevery=marks, **style)
    ax.axhline(run.deadline_ms, color=INK, linestyle="--", linewidth=1)
    ax.annotate("deadline", (0, run.deadline_ms), xytext=(0, 3), textcoords="offset points", fontsize=9, color=INK)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    label(ax, "when the request was due (s)", "latency (ms, log scale)", "real server: each answered request")
    told = ", ".join(f"{level.name} {_ms(percentile(level.answered.latency_ms, 99))}" for level in run.levels
                     if len(level.answered.ends_s))
    return figure, f"p99 of the answered requests, measured on this machine: {told}."


def level_picture(run: ServiceRun) -> Shown:
    """The picture of `draw_levels` for a code cell."""
    return shown_figure(*draw_levels(run))


def gpu_batching(model: bytes, x: np.ndarray) -> Shown:
    """The same server with ONNX Runtime on a GPU, one at a time and in batches; or a sentence that there is none."""
    try:
        rates = cuda_runs(model, x)
    except EngineUnavailable:
        told = ("No GPU for ONNX Runtime here. With one, this cell serves the same network on it, first one request "
                "at a time and then in batches of up to 32, and prints the requests per second of both.")
        return Shown(f"<p>{told}</p>", told)
    return table(("on the GPU", "requests per s"), [(way, f"{rate:,.0f}") for way, rate in rates.items()])


# --- the committed picture --------------------------------------------------------------------


def draw_overview() -> tuple[Figure, str]:
    """Left: p99 of four servers with one line and with four. Right: goodput through a burst, three ways."""
    figure, (left, right) = new_figure(10.6, 4.0, 1, 2)
    shared, split = (latency_curve(20, 1.0, 4, one) for one in (True, False))
    for index, (curve, name) in enumerate(((split, "a line each (random)"), (shared, "one line"))):
        left.plot([100 * u for u in curve.utilization], curve.p99_ms, label=name, linewidth=2, **line_style(1 - index))
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("")
    left.legend(frameon=False, fontsize=9, loc="upper left")
    label(left, "utilisation (%)", "p99 (ms, log scale)", "four servers of 20 ms")
    _mark_burst(right)
    ends = []
    for index, (policy, retries) in enumerate((("fifo", 0), ("fifo", 1), ("shed", 1))):
        run, style = overload(policy, 1000, retries), line_style(index)
        right.plot(run.begin_s / 60, run.good_per_s, color=style["color"], linestyle=style["linestyle"], linewidth=2,
                   label=f"{policy}, {_retries(retries)}")
        ends.append(float(run.good_per_s[-6:].mean()))
    right.set_ylim(0, 32)
    right.legend(frameon=False, fontsize=9, loc="upper right", ncols=3, columnspacing=1.0, handlelength=1.8)
    label(right, "time (minutes)", "answers in time (per second)", "one server, a burst of three minutes")
    at = shared.utilization.index(0.8)
    return figure, (f"Left: at 80 % busy p99 is {_ms(shared.p99_ms[at])} with one line and {_ms(split.p99_ms[at])} "
                    f"with four. Right: in the last minute, after the burst, fifo without retries answers "
                    f"{ends[0]:.1f}/s in time, fifo with one retry {ends[1]:.1f}/s, shed with one {ends[2]:.1f}/s.")


def static_picture() -> Figure:
    """What remains of the figures where no kernel runs."""
    return draw_overview()[0]

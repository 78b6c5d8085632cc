"""Figures and tables of chapter 38: the map of forms, the cut of a network, costs, deadlines, radio, cascade."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.delivery.placement import (
    CascadePoint,
    Cut,
    Tariff,
    best_cut,
    break_even,
    chain_cuts,
    choose_form,
    deadline_hit_rate,
    evaluate_form,
    lognormal_from_quantiles,
    owning_intervals,
    radio_energy_j,
)
from utils.delivery.placement.examples import (
    CLOUD_MS,
    CROSSING_BYTES,
    EDGE_MS,
    RADIO,
    RECORDED_PIECES,
    TARIFFS,
    example_forms,
    example_workload,
)

from .shell import Prediction, explorer
from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARKERS,
    ORANGE,
    Shown,
    figure_html,
    label,
    line_style,
    new_figure,
    shown_figure,
    table,
    table_html,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.delivery.placement.remote import CutRun

PARTS = (("device", BLUE, ""), ("transfer and round trip", ORANGE, "//"), ("cloud", GREEN, ".."))


# --- the map of forms -----------------------------------------------------------------------------


def draw_forms(
    deadline_ms: float,
    uplink_mbps: float,
    rtt_p99_ms: float,
    monthly_requests: int,
    offline: bool,
    raw_data_may_leave: bool,
) -> tuple[str, str]:
    """A table of five forms with what they break, and a scatter of cost against hit rate with the chosen one ringed."""
    forms = example_forms(uplink_mbps, rtt_p99_ms)
    workload = example_workload(deadline_ms, monthly_requests, offline, raw_data_may_leave)
    verdicts = [evaluate_form(form, workload) for form in forms]
    chosen, rejected = choose_form(forms, workload)
    rows = [
        (
            v.name,
            "✗ " + "; ".join(v.broken) if v.broken else "✓ chosen" if v.name == chosen else "✓ possible",
            f"{v.hit_rate:.1%}",
            f"{v.monthly_cost:,.0f}",
            f"{v.usd_per_million:,.0f}",
        )
        for v in verdicts
    ]
    html = table_html(("form", "limits", "in time", "USD a month", "USD a million"), rows)
    figure, (ax,) = new_figure(7.6, 3.2)
    _scatter(ax, verdicts, chosen)
    told = ", ".join(f"{name} ({'; '.join(reasons)})" for name, reasons in rejected.items())
    best = next((v for v in verdicts if v.name == chosen), None)
    first = (
        "No form fits."
        if best is None
        else (f"Chosen: {chosen}, {best.monthly_cost:,.0f} USD a month, {best.hit_rate:.1%} within {deadline_ms:g} ms.")
    )
    sentence = f"{first} Rejected: {told or 'none'}."
    return html + figure_html(figure, sentence), sentence


def _scatter(ax: Axes, verdicts: Sequence, chosen: str | None) -> None:
    top = 1.15 * max(v.monthly_cost for v in verdicts)
    for i, v in enumerate(verdicts):
        point = ([100 * v.hit_rate], [v.monthly_cost])
        color, face = (ORANGE, "none") if v.broken else (GREEN, GREEN)
        ax.plot(*point, marker=MARKERS[i], color=color, markersize=9, linestyle="none", markerfacecolor=face)
        if v.name == chosen:
            ax.plot(*point, marker="o", markersize=19, markerfacecolor="none", color=INK, linestyle="none",
                    markeredgewidth=1.6)
    # rejected ones near the right edge have their name on the left; names on one side keep a distance
    left = [v for v in verdicts if v.broken and v.hit_rate > 0.4]
    right = [v for v in verdicts if v not in left]
    for group, step, align in ((left, -3.5, "right"), (right, 5.5, "left")):
        for v, height in zip(group, spread([v.monthly_cost for v in group], 0.075 * top)):
            ax.text(100 * v.hit_rate + step, height, v.name + (" ✗" if v.broken else ""), fontsize=9, color=INK,
                    va="center", ha=align)
    ax.set(xlim=(-8, 132), ylim=(0, top))
    ax.set_xticks(range(0, 101, 20))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    label(ax, "requests within the deadline (%)", "cost (USD a month)",
          "filled: allowed, hollow ✗: rejected, ring: chosen")


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """The heights in their order, moved up where they would be nearer to the one below than `gap`."""
    moved, last = list(heights), float("-inf")
    for i in sorted(range(len(moved)), key=moved.__getitem__):
        last = moved[i] = max(moved[i], last + gap)
    return moved


def form_map() -> Any:
    """The interactive figure "which form fits"."""
    import ipywidgets as widgets

    return explorer(
        draw_forms,
        {
            "deadline_ms": widgets.SelectionSlider(
                options=[20, 50, 100, 150, 200, 400], value=150, description="deadline (ms)"
            ),
            "uplink_mbps": widgets.SelectionSlider(
                options=[1, 5, 10, 20, 50, 100], value=20, description="uplink (Mb/s)"
            ),
            "rtt_p99_ms": widgets.SelectionSlider(
                options=[60, 80, 120, 250, 500], value=120, description="p99 of round trip (ms)"
            ),
            "monthly_requests": widgets.SelectionSlider(
                options=[(f"{n:,}", n) for n in (10_000, 48_000, 100_000, 220_000, 400_000, 1_000_000, 2_000_000)],
                value=220_000,
                description="requests a month",
            ),
            "offline": widgets.Checkbox(value=False, description="must work offline"),
            "raw_data_may_leave": widgets.Checkbox(value=True, description="photographs may leave"),
        },
        Prediction(
            "A photograph of 150 kB, 20 Mb/s, a median round trip of 40 ms with a p99 of 120 ms, 20 ms of inference "
            "in the cloud. The typical answer takes 120 ms. 95 % have to come within 150 ms. Does the cloud keep that?",
            ("Yes, 120 is below 150", "Yes, but only just", "No, about 88 % are in time", "No, about half are in time"),
            2,
            "60 ms for the payload and 20 ms of inference leave 70 ms for the round trip. 11.8 % of the round trips "
            "take longer.",
        ),
        "Which form fits",
    )


# --- where to cut ---------------------------------------------------------------------------------


def recorded_cuts(uplink_mbps: float, rtt_ms: float, edge_slowdown: float, quantize: bool) -> list[Cut]:
    """The cuts of the recorded digits CNN (8 images): a device that is so many times slower than the recording machine.

    Quantised activations have a byte an element and 8 bytes for scale and lowest value.
    """
    cloud = [ms for _, ms, _ in RECORDED_PIECES]
    sizes = [size / 4 + 8 if quantize else size for _, _, size in RECORDED_PIECES]
    return chain_cuts([edge_slowdown * ms for ms in cloud], cloud, sizes, uplink_mbps, rtt_ms)


def draw_split(uplink_mbps: float, rtt_ms: float, edge_slowdown: float, quantize: bool) -> tuple[Figure, str]:
    """Stacked times of each cut of the recorded CNN; the fastest is marked."""
    figure, (ax,) = new_figure(8.6, 3.7)
    cuts = recorded_cuts(uplink_mbps, rtt_ms, edge_slowdown, quantize)
    names = ["all in\ncloud", *(op for op, _, _ in RECORDED_PIECES[:-1]), "all on\ndevice"]
    told = _bars(ax, cuts, names)
    ax.set_title(
        f"digits CNN, 8 images, {'uint8' if quantize else 'float32'} activations, {uplink_mbps:g} Mb/s",
        fontsize=10.5,
        color=INK,
        loc="left",
    )
    ax.set_xlabel("last layer on the device")
    return figure, f"At {uplink_mbps:g} Mb/s, {rtt_ms:g} ms round trip, device {edge_slowdown:g} times slower: {told}"


def _bars(ax: Axes, cuts: Sequence[Cut], names: Sequence[str]) -> str:
    x, bottom = np.arange(len(cuts)), np.zeros(len(cuts))
    for (name, color, hatch), parts in zip(PARTS, zip(*[(c.edge_ms, c.network_ms, c.cloud_ms) for c in cuts])):
        ax.bar(x, parts, bottom=bottom, color=color, hatch=hatch, edgecolor="white", width=0.72, label=name)
        bottom += parts
    best = best_cut(cuts)
    ax.annotate(
        f"{best.total_ms:.4g} ms",
        (best.k, best.total_ms),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=9.5,
        fontweight="bold",
        color=INK,
    )
    ax.plot([best.k], [0], marker="^", color=INK, markersize=9, clip_on=False, zorder=5)
    ax.set_xticks(x, names, fontsize=8.5)
    ax.set_ylim(0, max(bottom) * 1.12)
    ax.grid(axis="x", visible=False)
    label(ax, "layers on the device", "time (ms)")
    ax.legend(frameon=False, fontsize=9)
    return (
        f"the fastest is k = {best.k} of {len(cuts) - 1} with {best.total_ms:.4g} ms; all in the cloud takes "
        f"{cuts[0].total_ms:.4g} ms, all on the device {cuts[-1].total_ms:.4g} ms."
    )


def split_curve() -> Any:
    """The interactive figure "where to cut"."""
    import ipywidgets as widgets

    return explorer(
        draw_split,
        {
            "uplink_mbps": widgets.SelectionSlider(
                options=[0.25, 0.5, 1, 2, 4, 10, 100], value=10, description="uplink (Mb/s)"
            ),
            "rtt_ms": widgets.SelectionSlider(options=[0, 1, 2, 5, 10, 40], value=2, description="round trip (ms)"),
            "edge_slowdown": widgets.SelectionSlider(
                options=[1, 20, 100, 200, 500, 2000], value=200, description="device slower by"
            ),
            "quantize": widgets.Checkbox(value=False, description="uint8 activations"),
        },
        Prediction(
            "A device that is 200 times slower than the cloud, 10 Mb/s, 2 ms round trip: all in the cloud is the "
            "fastest (3.7 ms). The uplink falls to 1 Mb/s. Where does the best cut go?",
            (
                "It moves one layer",
                "It moves to the middle",
                "It jumps to the last layer: all on the device",
                "It stays",
            ),
            2,
            "The first layers make this network's data larger. Where the data get small, near the end, nearly all the "
            "compute is done. So only the two ends compete.",
        ),
        "Where to cut",
    )


def example_split(uplink_mbps: float) -> Shown:
    """The five-layer example at one rate, as a picture."""
    figure, (ax,) = new_figure(7.6, 3.2)
    cuts = chain_cuts(EDGE_MS, CLOUD_MS, CROSSING_BYTES, uplink_mbps, 10)
    told = _bars(ax, cuts, [str(c.k) for c in cuts])
    return shown_figure(figure, f"Five layers at {uplink_mbps:g} Mb/s: {told}")


# --- costs ----------------------------------------------------------------------------------------


def draw_costs(
    fixed: float = 240, per_1k: float = 0.80, capacity: int = 400_000, most: int = 1_000_000
) -> tuple[Figure, str]:
    """A month's cost of owned boxes and of a cloud against the volume; where owning wins is shaded."""
    figure, (ax,) = new_figure(8.0, 3.2)
    n = np.linspace(1, most, 1001)
    ax.plot(n / 1e3, n * per_1k / 1e3, label="cloud, by the request", color=BLUE)
    ax.step(n / 1e3, np.ceil(n / capacity) * fixed, where="post", label="owned boxes", color=ORANGE, linestyle="--")
    intervals = owning_intervals(fixed, per_1k, capacity, most)
    for i, (first, last) in enumerate(intervals):
        ax.axvspan(first / 1e3, last / 1e3, color=GREEN, alpha=0.15, label="owning is cheaper" if i == 0 else None)
    label(ax, "requests a month (thousands)", "cost (USD a month)")
    ax.set_ylim(0, None)
    ax.legend(frameon=False, fontsize=9)
    told = ", ".join(f"{first:,} to {last:,}" for first, last in intervals) or "no volume"
    return figure, (
        f"A box of {fixed:g} USD for {capacity:,} requests against {per_1k:.2f} USD a thousand: owning is cheaper at "
        f"{told}."
    )


def cost_picture() -> Shown:
    """The picture of `draw_costs` for a code cell."""
    return shown_figure(*draw_costs())


def break_even_table(tariffs: Mapping[str, Tariff] = TARIFFS, most: int = 5_000_000) -> Shown:
    """From which monthly volume each form first beats the cloud, and what a million costs there and at 2,000,000."""
    rows = []
    for name, tariff in tariffs.items():
        first = None if name == "cloud" else break_even(tariff, tariffs["cloud"], most)
        rows.append(
            (
                name,
                f"{tariff.fixed:g}",
                "-" if tariff.capacity is None else f"{tariff.capacity:,}",
                f"{tariff.per_1k:.2f}",
                "-" if first is None else f"{first:,}",
                *(f"{tariff.monthly(n):,.0f}" for n in (10_000, 400_000, 2_000_000)),
            )
        )
    return table(
        (
            "form",
            "USD fixed",
            "for up to",
            "USD a 1,000",
            "beats the cloud from",
            "10,000 a month",
            "400,000",
            "2,000,000",
        ),
        rows,
        "Invented tariffs, USD a month",
    )


# --- deadlines and radio --------------------------------------------------------------------------


def draw_deadline(
    payload_bytes: float = 150_000,
    uplink_mbps: float = 20,
    infer_ms: float = 20,
    rtt_p50_ms: float = 40,
    rtt_p99_ms: float = 120,
    deadline_ms: float = 150,
) -> tuple[Figure, str]:
    """The density of the whole latency; what lies behind the deadline is hatched."""
    figure, (ax,) = new_figure(8.0, 2.9)
    fixed = 8 * payload_bytes / (1000 * uplink_mbps) + infer_ms
    mu, sigma = lognormal_from_quantiles(rtt_p50_ms, rtt_p99_ms)
    rtt = np.linspace(0.5, 4 * rtt_p99_ms / 3, 600)
    density = np.exp(-((np.log(rtt) - mu) ** 2) / (2 * sigma**2)) / (rtt * sigma * math.sqrt(2 * math.pi))
    total = rtt + fixed
    ax.plot(total, density, color=BLUE)
    ax.fill_between(total, density, where=total <= deadline_ms, color=BLUE, alpha=0.25, label="in time")
    ax.fill_between(
        total, density, where=total > deadline_ms, facecolor="none", edgecolor=ORANGE, hatch="////", label="late"
    )
    ax.axvline(deadline_ms, color=INK, linestyle="--")
    ax.axvline(fixed, color=GREY, linestyle=":")
    ax.annotate(
        "payload + inference",
        (fixed, density.max()),
        xytext=(-5, -4),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=GREY,
    )
    ax.annotate(
        "deadline", (deadline_ms, density.max()), xytext=(5, -4), textcoords="offset points", fontsize=9, color=INK
    )
    ax.set_xlim(0, total.max())
    label(ax, "time until the answer (ms)", "density (1/ms)")
    ax.legend(frameon=False, fontsize=9)
    rate = deadline_hit_rate(payload_bytes, uplink_mbps, infer_ms, rtt_p50_ms, rtt_p99_ms, deadline_ms)
    return figure, (
        f"Payload and inference take {fixed:g} ms, the median answer {fixed + rtt_p50_ms:g} ms; {rate:.1%} come within "
        f"{deadline_ms:g} ms."
    )


def deadline_picture() -> Shown:
    """The picture of `draw_deadline` for a code cell."""
    return shown_figure(*draw_deadline())


def draw_radio(times_s: Sequence[float] = (0, 5, 60)) -> tuple[Figure, str]:
    """The radio's power over time."""
    figure, (ax,) = new_figure(8.0, 2.4)
    tx, tail = RADIO["tx_s"], RADIO["tail_s"]
    t = np.linspace(-3, times_s[-1] + tail + 8, 4000)
    starts = np.asarray(times_s, float)
    since = t[:, None] - starts[None, :]
    power = np.where(
        ((since >= 0) & (since < tx)).any(1),
        RADIO["p_tx_w"],
        np.where(((since >= tx) & (since < tx + tail)).any(1), RADIO["p_tail_w"], 0.0),
    )
    ax.fill_between(t, power, color=BLUE, alpha=0.3, step="mid")
    ax.plot(t, power, color=BLUE, linewidth=1.2)
    ax.plot(starts, [1.38] * len(starts), marker="v", color=INK, linestyle="none", label="request")
    ax.legend(frameon=False, fontsize=9)
    ax.set_ylim(0, 1.6)
    label(ax, "time (s)", "power (W)")
    energy = radio_energy_j(list(times_s), **RADIO)
    sending = len(starts) * tx * RADIO["p_tx_w"]
    return figure, f"{len(starts)} requests take {energy:.2f} J, of which the sending itself takes {sending:.2f} J."


def radio_picture() -> Shown:
    """The picture of `draw_radio` for a code cell."""
    return shown_figure(*draw_radio())


# --- the experiment -------------------------------------------------------------------------------


def draw_sweep(
    sweeps: Mapping[float, Sequence[CutRun]], predicted: Mapping[float, Sequence[Cut]], names: Sequence[str]
) -> tuple[Figure, str]:
    """Measured and predicted totals by cut, one line an uplink rate."""
    figure, (ax,) = new_figure(8.6, 3.8)
    told = []
    for i, (rate, runs) in enumerate(sweeps.items()):
        style = line_style(i)
        ax.plot([r.k for r in runs], [r.total_ms for r in runs], **style, label=f"{rate:g} Mb/s, measured")
        ax.plot(
            [c.k for c in predicted[rate]],
            [c.total_ms for c in predicted[rate]],
            color=style["color"],
            linewidth=0.8,
            linestyle=":",
            marker="x",
            markersize=6,
            label=f"{rate:g} Mb/s, predicted",
        )
        best, guess = min(runs, key=lambda r: r.total_ms), best_cut(predicted[rate])
        told.append(
            f"{rate:g} Mb/s: k = {best.k} with {best.total_ms:.1f} ms (predicted k = {guess.k}, "
            f"{guess.total_ms:.1f} ms)"
        )
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xticks(range(len(names)), names, fontsize=8.5)
    label(ax, "last layer on the device", "time of one inference (ms)")
    ax.legend(frameon=False, fontsize=8.5, ncols=2)
    return figure, "Fastest cut, measured: " + "; ".join(told) + "."


def sweep_picture(
    sweeps: Mapping[float, Sequence[CutRun]], predicted: Mapping[float, Sequence[Cut]], names: Sequence[str]
) -> Shown:
    """The picture of `draw_sweep` for a code cell."""
    return shown_figure(*draw_sweep(sweeps, predicted, names))


def draw_cascade(points: Sequence[CascadePoint]) -> tuple[Figure, str]:
    """Accuracy against the share of uploaded samples."""
    figure, (ax,) = new_figure(7.6, 3.2)
    share, correct = [100 * p.upload_share for p in points], [100 * p.accuracy for p in points]
    ax.plot(share, correct, color=BLUE, marker="o")
    for p in points:
        ax.annotate(
            f"{p.threshold:g}",
            (100 * p.upload_share, 100 * p.accuracy),
            xytext=(4, -11),
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
        )
    label(ax, "samples sent to the big model (%)", "accuracy (%)", "the numbers are thresholds")
    enough = next((p for p in points if p.accuracy >= points[-1].accuracy - 0.01), points[-1])
    return figure, (
        f"Small model alone {points[0].accuracy:.1%}, big model alone {points[-1].accuracy:.1%}. With the threshold "
        f"{enough.threshold:g} the cascade reaches {enough.accuracy:.1%} and sends {enough.upload_share:.0%}."
    )


def cascade_picture(points: Sequence[CascadePoint]) -> Shown:
    """The picture of `draw_cascade` for a code cell."""
    return shown_figure(*draw_cascade(points))


def gpu_note() -> Shown:
    """What a CUDA device would add to the experiment."""
    text = (
        "With an NVIDIA GPU and onnxruntime-gpu the tail would run on CUDA: the cloud's part would shrink, the "
        "transfer stay. "
        "No GPU is needed here, and none was used."
    )
    return Shown(f"<p>{text}</p>", text)


def static_picture() -> Figure:
    """What remains of the figures where no kernel runs."""
    figure, (left, right) = new_figure(11.0, 3.9, 1, 2)
    workload, forms = example_workload(), example_forms()
    verdicts = [evaluate_form(form, workload) for form in forms]
    _scatter(left, verdicts, choose_form(forms, workload)[0])
    cuts = chain_cuts(EDGE_MS, CLOUD_MS, CROSSING_BYTES, 8, 10)
    _bars(right, cuts, [str(c.k) for c in cuts])
    right.set_title("five layers at 8 Mb/s, 10 ms round trip", fontsize=10.5, color=INK, loc="left")
    return figure

"""Figures and measurements of chapter 14: the edge cockpit, race to idle, heat, and a measured report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.edge_metrics import (
    Candidate,
    ThermalModel,
    discordant,
    frame_energy,
    mcnemar_p,
    wilson_interval,
)
from utils.cost.edge_metrics.cockpit import MINUTES, Heat, cockpit_state
from utils.cost.latency import percentile, percentile_ci

from .edge_candidates import CANDIDATES, DEVICES, LIMIT_C
from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, MARKERS, ORANGE, PALETTE, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OBJECTIVES = {"energy a frame": "energy_mj", "price": "price_usd", "p99": "p99_ms"}
TOLD = {"p99_ms": "p99", "peak_mb": "memory", "storage_mb": "storage", "avg_w": "power", "fps": "frame rate",
        "accuracy": "accuracy"}
STORAGE_MB = 64.0


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _interval(correct: int, total: int) -> str:
    low, high = wilson_interval(correct, total)
    return f"{100 * low:.1f} … {100 * high:.1f} %"


# --- for the explanation ----------------------------------------------------------------------

RUNNERS = (("sprinter", 10.0, 20.0), ("walker", 4.0, 60.0))  # name, active W, latency ms


def draw_race(idle_w: float = 1.0, fps: float = 10.0) -> tuple[Figure, str]:
    """Power against time of two devices over two frame periods; the area is energy."""
    period_ms = 1000 / fps
    figure, axes = new_figure(8.6, 2.7, 1, 2, sharey=True)
    told = []
    for ax, color, hatch, (name, active_w, latency_ms) in zip(axes, (BLUE, ORANGE), ("", "//"), RUNNERS):
        for k in range(2):
            ax.bar(k * period_ms, active_w, latency_ms, align="edge", color=color, hatch=hatch, edgecolor="white")
        ax.axhspan(0, idle_w, color=GREY, alpha=0.6, linewidth=0)
        energy = frame_energy(active_w, idle_w, latency_ms, fps)
        ax.axhline(energy["avg_w"], color=INK, linestyle="--", linewidth=1.2)
        ax.set_xlim(0, 2 * period_ms)
        label(ax, "time (ms)", "power (W)" if ax is axes[0] else "",
              f"{name}: {active_w:g} W for {latency_ms:g} ms, mean {energy['avg_w']:.2f} W (dashed)")
        told.append(f"the {name} {energy['total_mj']:.0f} mJ ({energy['avg_w']:.2f} W)")
    return figure, (f"At {fps:g} fps over an idle floor of {idle_w:g} W (grey) a frame period costs "
                    f"{' and '.join(told)}.")


def race(idle_w: float = 1.0, fps: float = 10.0) -> Shown:
    """The picture of `draw_race` for a code cell."""
    return shown_figure(*draw_race(idle_w, fps))


def draw_heat(powers: Sequence[float] = (15, 12, 9), model: ThermalModel | None = None) -> tuple[Figure, str]:
    """Modelled temperature of one device at several constant powers, without a governor, and its limit."""
    model = model or ThermalModel(r_k_per_w=5, tau_s=120, ambient_c=25, limit_c=85)
    figure, (ax,) = new_figure(7.6, 3.0)
    seconds = np.linspace(0, 60 * MINUTES, 301)
    told = []
    for i, watts in enumerate(powers):
        at = model.time_to_throttle_s(watts)
        ax.plot(seconds / 60, model.temperature(watts, seconds), color=PALETTE[i], linewidth=2, marker=MARKERS[i],
                markevery=50, markersize=5, label=f"{watts:g} W, settles at {model.steady_state(watts):.0f} °C")
        if math.isfinite(at):
            ax.plot([at / 60], [model.limit_c], marker="*", markersize=15, color=INK, zorder=5)
            told.append(f"{watts:g} W reach it after {at:.0f} s")
        else:
            told.append(f"{watts:g} W never cross it")
    ax.axhline(model.limit_c, color=INK, linestyle="--", linewidth=1.2)
    ax.annotate(f"limit {model.limit_c:g} °C", (MINUTES, model.limit_c), xytext=(-4, 4), textcoords="offset points",
                ha="right", fontsize=9, color=INK)
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    label(ax, "time (minutes)", "temperature (°C)", "modelled: one thermal resistance, one time constant")
    return figure, (f"Modelled device of {model.r_k_per_w:g} K/W and {model.tau_s:g} s in {model.ambient_c:g} °C, with "
                    f"a limit of {model.limit_c:g} °C: {', '.join(told)}.")


def heat() -> Shown:
    """The picture of `draw_heat` for a code cell."""
    return shown_figure(*draw_heat())


# --- edge cockpit -----------------------------------------------------------------------------


def draw_cockpit(accuracy_pct: float, p99_ms: float, memory_mb: float, power_w: float, fps: float, ambient_c: float,
                 objective: str) -> tuple[Figure, str]:
    """Accuracy against energy of all candidates with the limits applied, and the temperature of the choice."""
    limits = {"accuracy": accuracy_pct / 100, "p99_ms": p99_ms, "peak_mb": memory_mb, "avg_w": power_w,
              "storage_mb": STORAGE_MB}
    state = cockpit_state(CANDIDATES, limits, fps, ambient_c, OBJECTIVES[objective])
    figure, (left, right) = new_figure(10.8, 4.3, 1, 2, width_ratios=(1.15, 1))
    _draw_front(left, state, accuracy_pct, fps)
    _draw_temperature(right, state, ambient_c, fps)
    return figure, _tell_cockpit(state, fps, ambient_c, objective)


def _draw_front(ax: Axes, state: dict, accuracy_pct: float, fps: float) -> None:
    energies = state["energy_mj"]
    for device, color, marker in zip(DEVICES, (BLUE, ORANGE, GREEN), ("o", "s", "^")):
        ax.plot([], [], marker=marker, linestyle="", color=color, markersize=8, label=device.name)
        for cand in (c for c in CANDIDATES if c["device"] == device.name and energies[c["name"]] is not None):
            fits = not state["broken"][cand["name"]]
            ax.scatter([energies[cand["name"]]], [100 * cand["accuracy"]], s=40 + 0.6 * cand["peak_mb"], marker=marker,
                       facecolor=color if fits else "white", edgecolor=color if fits else GREY,
                       linewidth=1.3, alpha=0.9, zorder=3)
    ax.plot([], [], marker="o", linestyle="", markerfacecolor="white", markeredgecolor=GREY, markersize=8,
            label="hollow: breaks a limit")
    front = sorted((energies[c["name"]], 100 * c["accuracy"]) for c in CANDIDATES if c["name"] in state["front"])
    ax.step(*zip(*front), where="post", color=INK, linewidth=1, linestyle=":", label="Pareto front", zorder=2)
    if state["choice"]:
        chosen = next(c for c in CANDIDATES if c["name"] == state["choice"])
        ax.plot([energies[chosen["name"]]], [100 * chosen["accuracy"]], marker="*", markersize=13, color="white",
                markeredgecolor=INK, linestyle="", label="choice", zorder=5)
    ax.axhline(accuracy_pct, color=GREY, linewidth=1, linestyle="--")
    ax.set(xscale="log", ylim=(93, 99.4))
    ax.set_xticks([v for v in (20, 50, 100, 200, 500, 1000, 2000) if ax.get_xlim()[0] < v < ax.get_xlim()[1]])
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.legend(frameon=False, fontsize=8.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    label(ax, f"energy of a frame at {fps:g} fps (mJ, log scale)", "accuracy on 497 images (%)",
          "size: peak memory. dashed: what the interval's low end must reach")


def _draw_temperature(ax: Axes, state: dict, ambient_c: float, fps: float) -> None:
    ax.set(xlim=(0, MINUTES), ylim=(min(ambient_c, 20) - 3, LIMIT_C + 10))
    ax.axhline(LIMIT_C, color=INK, linestyle="--", linewidth=1.2)
    ax.annotate(f"limit {LIMIT_C:g} °C", (MINUTES, LIMIT_C), xytext=(-4, 4), textcoords="offset points", ha="right",
                fontsize=9, color=INK)
    label(ax, "time (minutes)", "temperature (°C)", "modelled heat of the choice")
    if state["choice"] is None:
        ax.text(MINUTES / 2, 50, "no candidate survives", ha="center", fontsize=11, color=INK)
        return
    for name, heat_, color, dash, marker in (("without a pause", state["flat_out"], ORANGE, "--", "s"),
                                             (f"at {fps:g} fps", state["heat"], BLUE, "-", "o")):
        ax.plot(heat_.times_s / 60, heat_.temperatures_c, color=color, linestyle=dash, linewidth=2, marker=marker,
                markevery=50, markersize=5, label=f"{name}: {heat_.power_w:.2g} W")
        if heat_.throttles_s < 60 * MINUTES:
            ax.plot([heat_.throttles_s / 60], [LIMIT_C], marker="*", markersize=15, color=INK, linestyle="", zorder=5)
    ax.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)


def _tell_cockpit(state: dict, fps: float, ambient_c: float, objective: str) -> str:
    survivors = len(state["survivors"])
    if state["choice"] is None:
        counts = {name: sum(name in found for found in state["broken"].values()) for name in TOLD}
        worst = max(counts, key=counts.get)
        return (f"None of the {len(CANDIDATES)} candidates survives. The hardest limit is {TOLD[worst]}, which "
                f"{counts[worst]} of them break.")
    rate: Heat = state["heat"]
    told = (f"{survivors} of {len(CANDIDATES)} candidates survive{'s' * (survivors == 1)}. Smallest {objective}: "
            f"{state['choice']}, "
            f"{state['energy_mj'][state['choice']]:.0f} mJ a frame and {rate.power_w:.2f} W on average at {fps:g} fps "
            f"in {ambient_c:g} °C. ")
    if rate.throttles_s == 0:
        return told + f"The ambient is at the limit already: it can sustain {rate.sustained_fps:.1f} fps (modelled)."
    if math.isfinite(rate.throttles_s):
        return told + (f"It reaches {LIMIT_C:g} °C after {rate.throttles_s:.0f} s and can sustain "
                       f"{rate.sustained_fps:.1f} fps (modelled).")
    flat: Heat = state["flat_out"]
    without = (f"reach {LIMIT_C:g} °C after {flat.throttles_s:.0f} s" if math.isfinite(flat.throttles_s)
               else "stay below the limit too")
    return told + (f"It is at {rate.temperatures_c[-1]:.0f} °C after {MINUTES} minutes; "
                   f"without a pause it would {without} (modelled).")


def cockpit() -> Any:
    """The interactive figure "edge cockpit"."""
    import ipywidgets as widgets

    knobs = {
        "accuracy_pct": widgets.FloatSlider(value=95, min=90, max=98.5, step=0.5, description="accuracy, low end (%)"),
        "p99_ms": widgets.IntSlider(value=60, min=5, max=150, step=5, description="p99 (ms)"),
        "memory_mb": widgets.IntSlider(value=128, min=16, max=512, step=16, description="memory (MB)"),
        "power_w": widgets.FloatSlider(value=4, min=0.5, max=15, step=0.5, description="mean power (W)"),
        "fps": widgets.IntSlider(value=20, min=1, max=100, description="frames per second"),
        "ambient_c": widgets.IntSlider(value=35, min=-10, max=70, step=5, description="ambient (°C)"),
        "objective": widgets.Dropdown(options=list(OBJECTIVES), value="energy a frame", description="smallest"),
    }
    return explorer(draw_cockpit, knobs, Prediction(
        "The same INT8 network runs on a slow chip of 2.5 W in 47 ms and on a fast NPU of 6 W in 6.3 ms. Both idle "
        "below 1 W. Which one uses less energy a frame at 20 fps?",
        ("the slow chip of 2.5 W", "the fast NPU of 6 W", "both the same"), 1,
        "120 mJ against 77 mJ: the NPU draws more, but for a seventh of the time, and then it idles. Now choose the "
        "price as objective, lower the accuracy, or raise the frame rate."), "Edge cockpit")


# --- measured ---------------------------------------------------------------------------------


def report_table(candidates: Sequence[Candidate], runtime_mb: float | None = None) -> Shown:
    """The report of a deployment: a row a candidate, each energy with its source."""
    rows = []
    for c in candidates:
        peak = "unknown" if c.peak_mb is None else f"{c.peak_mb:.0f}"
        energy = "unknown" if c.energy_mj is None else f"{1e3 * c.energy_mj:,.1f} ({c.source})"
        rows.append((c.name, f"{c.correct} of {c.total}", _interval(c.correct, c.total), f"{c.p50_ms:.3f}",
                     f"{c.p99_ms:.3f}", f"{1e3 * c.storage_mb:,.0f}", peak, energy))
    alone = f"A process that loads ONNX Runtime and no model peaks at {runtime_mb:.0f} MB." if runtime_mb else ""
    head = ("network", "right", "95 % interval", "p50 (ms)", "p99 (ms)", "file (kB)", "peak (MB)", "energy (µJ)")
    return table(head, rows, alone)


def paired_table(right: Mapping[str, np.ndarray]) -> Shown:
    """Each network against the first one: on how many images only one of them is right, and the exact p-value."""
    (first, base), *others = right.items()
    rows = []
    for name, ok in others:
        only_base, only_other = discordant(base, ok)
        p = mcnemar_p(only_base, only_other)
        rows.append((name, only_base, only_other, f"{p:.4f}", "a real difference" if p < 0.05 else "not significant"))
    return table((f"against {first}", "only it is right", "only this is right", "p", "at 5 %"), rows)


def draw_tail(runs: Mapping[int, np.ndarray]) -> tuple[Figure, str]:
    """p99 of runs of different lengths with its order-statistic interval; an arrow where there is no upper end."""
    figure, (ax,) = new_figure(7.2, 3.0)
    told, top = [], max(float(v.max()) for v in runs.values())
    for i, (count, latencies_ms) in enumerate(runs.items()):
        p99, (low, high) = percentile(latencies_ms, 99), percentile_ci(latencies_ms, 99)
        bounded = math.isfinite(high)
        ax.plot([low, high if bounded else 3 * top], [i, i], color=BLUE, linewidth=3, linestyle="-" if bounded else ":")
        ax.plot([p99], [i], marker="o", color=ORANGE, markeredgecolor=INK, markersize=8, linestyle="")
        upper = f"{high:.3g}" if bounded else "no upper end"
        told.append(f"{count:,} runs: {p99:.3g} ms ({low:.3g} … {upper})")
    ax.set_yticks(range(len(runs)), [f"{count:,} runs" for count in runs])
    ax.set(xscale="log", ylim=(-0.6, len(runs) - 0.4))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    label(ax, "p99 (ms, log scale)", "", "dot: p99. line: its 95 % interval. dotted: no upper end")
    return figure, f"p99 of one network, measured: {'; '.join(told)}."


def tail_picture(runs: Mapping[int, np.ndarray]) -> Shown:
    """The picture of `draw_tail` for a code cell."""
    return shown_figure(*draw_tail(runs))


def gpu_energy(seconds: float = 5.0, width: int = 4096) -> Shown:
    """Measured energy of a matrix product on a GPU by nvidia-smi, or a sentence that there is none."""
    import torch

    from utils.hardware.gpu_power import measure_gpu_energy

    told = None
    if torch.cuda.is_available():
        x = torch.randn(width, width, device="cuda", dtype=torch.float16)

        def run() -> None:
            for _ in range(50):
                x @ x
            torch.cuda.synchronize()

        told = measure_gpu_energy(run, seconds)
    if told is None:
        text = ("No GPU whose power can be read. With one, this cell runs matrix products for 5 s, samples power.draw "
                "of nvidia-smi meanwhile, and reports the integral minus idle.")
        return Shown(f"<p>{text}</p>", text)
    return table(("measured on", "idle (W)", "working (W)", f"one {width} × {width} FP16 product (mJ above idle)"),
                 [(torch.cuda.get_device_name(), f"{told.idle_w:.0f}", f"{told.active_w:.0f}",
                   f"{told.marginal_mj / 50:.1f}")])


def static_picture() -> Figure:
    """What remains of the cockpit where no kernel runs: its default limits."""
    return draw_cockpit(95, 60, 128, 4, 20, 35, "energy a frame")[0]

"""Figures and measurements of chapter 41: the deployment desk, Amdahl's limit, the registry's tables, the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.edge_metrics import wilson_interval
from utils.delivery.desk import RECORDED, STAGE, STAGES, TARGETS, desk_state
from utils.delivery.tradeoff import (
    ReleaseTarget,
    Step,
    Variant,
    choose,
    explain_choice,
    gate_release,
    noninferiority_bound,
    pipeline_ms,
    slice_drops,
    variant_front,
)

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, SKY, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CUSTOM = "custom (the sliders)"
FASTEST = 128  # right end of the axis of speed-ups
# Where a variant's name stands beside its point: shift in points, and alignment.
NAME_AT = {"wide FP32": ((10, -19), "center"), "wide INT8": ((-2, 12), "center"), "pruned FP32": ((4, -16), "left"),
           "pruned INT8": ((-5, -16), "right"), "tiny FP32": ((5, -15), "center")}
LIMIT_NAMES = {"p95_ms": "p95", "bytes": "file size", "accuracy": "accuracy", "usd_per_million": "cost"}


def _kb(size: int) -> str:
    return f"{size / 1e3:,.0f} kB"


def _of(v: Variant) -> str:
    return f"{v.right} of {v.total}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _limits_told(target: ReleaseTarget) -> str:
    parts = [] if target.max_p95_ms is None else [f"p95 ≤ {target.max_p95_ms:g} ms"]
    parts += [] if target.max_bytes is None else [f"file ≤ {_kb(target.max_bytes)}"]
    parts += [] if target.min_accuracy is None else [f"accuracy ≥ {_percent(target.min_accuracy)}"]
    parts += [] if target.max_usd_per_million is None else [f"≤ {target.max_usd_per_million:g} USD a million"]
    return ", ".join([*parts, f"batch {target.batch}"])


# --- for the explanation ----------------------------------------------------------------------


def recorded_table(batch: int = 1) -> Shown:
    """The five recorded variants at a batch of 1 or 64."""
    return variant_table(RECORDED[batch], "recorded with ONNX Runtime 1.31 on one thread of an AMD EPYC (AVX-512 VNNI)")


def draw_amdahl(stages: Mapping[str, float] = STAGES, target_ms: float = 10.0) -> tuple[Figure, str]:
    """Total time of a pipeline against the speed-up of its model stage, with the target and the floor."""
    figure, (ax,) = new_figure(7.4, 3.2)
    needed = _draw_limit(ax, stages, target_ms)
    label(ax, "speed-up of the model stage (log scale)", "whole pipeline (ms)", "the other stages are a floor")
    floor, total = pipeline_ms(stages) - stages[STAGE], pipeline_ms(stages)
    at_4 = pipeline_ms(stages, {STAGE: 4})
    return figure, (f"The pipeline takes {total:g} ms, {stages[STAGE]:g} of them in the model. {target_ms:g} ms need a "
                    f"model that is {needed:g} times faster. At 4 times it takes {at_4:g} ms, and no factor gets below "
                    f"{floor:g} ms.")


def _draw_limit(ax: Axes, stages: Mapping[str, float], target_ms: float | None) -> float:
    """The curve, its floor, and the target; the factor that the target needs (0 without a target)."""
    factors = np.geomspace(1, FASTEST, 200)
    floor = pipeline_ms(stages) - stages[STAGE]
    ax.plot(factors, [pipeline_ms(stages, {STAGE: f}) for f in factors], color=BLUE, linewidth=2)
    ax.axhline(floor, color=INK, linestyle=":", linewidth=1.3)
    ax.annotate(f"other stages alone: {floor:g} ms", (FASTEST, floor), xytext=(0, -12), textcoords="offset points",
                ha="right", fontsize=9, color=INK)
    ax.set_xscale("log", base=2)
    ax.set_xticks([2**k for k in range(8)])
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylim(0, 1.08 * pipeline_ms(stages))
    if target_ms is None:
        return 0.0
    needed = stages[STAGE] / (target_ms - floor)
    ax.axhline(target_ms, color=ORANGE, linestyle="--", linewidth=1.3)
    ax.annotate(f"target {target_ms:g} ms", (FASTEST, target_ms), xytext=(0, 4), textcoords="offset points", ha="right",
                fontsize=9, color=ORANGE)
    ax.plot([needed], [target_ms], marker="o", color=ORANGE, markeredgecolor=INK, markersize=8, linestyle="")
    return needed


def amdahl_picture() -> Shown:
    """The picture of `draw_amdahl` for a code cell."""
    return shown_figure(*draw_amdahl())


def loop_table(steps: Sequence[Step]) -> Shown:
    """The rounds of the optimisation loop."""
    rows = [(s.knob, s.stage, f"{s.before_ms:.1f}", f"{s.predicted_ms:.1f}", f"{s.after_ms:.1f}", s.verdict)
            for s in steps]
    return table(("knob", "stage", "before (ms)", "predicted (ms)", "after (ms)", "verdict"), rows)


# --- deployment desk ----------------------------------------------------------------------------


def draw_desk(target: str, p95_ms: float, file_kb: float, accuracy_pct: float, batch: int,
              speedup: float) -> tuple[Figure, str]:
    """Variants against the limits of a target, the pipeline against the model's speed-up, the price of a million.

    The limits given as arguments, and the batch, count for a target that is not in `TARGETS`.
    """
    custom = ReleaseTarget("custom", p95_ms, round(1000 * file_kb), accuracy_pct / 100, batch=batch)
    limits = TARGETS.get(target, custom)
    variants = RECORDED[limits.batch]
    state = desk_state(variants, limits, STAGES, speedup)
    figure, (left, middle, right) = new_figure(12.2, 4.0, 1, 3, width_ratios=(1.35, 1, 0.95))
    _draw_variants(left, variants, limits, state)
    _draw_pipeline(middle, state, speedup)
    _draw_price(right, limits, state)
    return figure, _tell_desk(variants, limits, state, speedup)


def _draw_variants(ax: Axes, variants: Sequence[Variant], target: ReleaseTarget, state: dict) -> None:
    front = sorted((v.p95_ms, 100 * v.accuracy) for v in variants if v.name in state["front"])
    ax.step(*zip(*front), where="post", color=INK, linewidth=1.2, linestyle=":", zorder=2)
    for v in variants:
        fits, chosen = not state["broken"][v.name], v.name == state["choice"]
        at, ink = (v.p95_ms, 100 * v.accuracy), INK if fits else GREY
        ax.scatter(*at, s=30 + 90 * np.log10(v.bytes / 1e3), zorder=3, linewidth=1.4, alpha=0.95, edgecolor=ink,
                   facecolor=(GREEN if chosen else SKY) if fits else "white")
        shift, side = NAME_AT[v.name]
        ax.annotate(f"{v.name}, {_kb(v.bytes)}", at, xytext=shift, ha=side, textcoords="offset points", fontsize=8.5,
                    color=ink, fontweight="bold" if chosen else "normal")
        if chosen:
            ax.plot(*at, marker="*", markersize=11, color="white", markeredgecolor=INK, zorder=4)
    if target.max_p95_ms is not None:
        ax.axvline(target.max_p95_ms, color=ORANGE, linestyle="--", linewidth=1.3)
    if target.min_accuracy is not None:
        ax.axhline(100 * target.min_accuracy, color=ORANGE, linestyle="-.", linewidth=1.3)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylim(94.5, 98.5)
    low, high = min(v.p95_ms for v in variants), max(v.p95_ms for v in variants)
    ax.set_xlim(low / 1.9, high * 3)
    label(ax, f"p95 of a batch of {target.batch} (ms, log scale)", "accuracy (%)",
          "star: choice. hollow: breaks a limit. dots: front")


def _draw_pipeline(ax: Axes, state: dict, speedup: float) -> None:
    _draw_limit(ax, STAGES, None)
    for name, factor in state["speedups"].items():
        if name != "pruned INT8":  # next to pruned FP32: two labels there could not be read
            total = pipeline_ms(STAGES, {STAGE: factor})
            ax.plot(factor, total, marker="s", color="white", markeredgecolor=BLUE, markersize=6)
            ax.annotate(name, (factor, total), xytext=(6, 5), textcoords="offset points", fontsize=8.5, color=INK,
                        ha="left" if factor < 20 else "right")
    ax.plot(speedup, state["total_ms"], marker="o", color=ORANGE, markeredgecolor=INK, markersize=10, zorder=4)
    label(ax, "speed-up of the model (log scale)", "whole pipeline (ms)",
          f"circle: {speedup:g}× gives {state['overall']:.2f}×")


def _draw_price(ax: Axes, target: ReleaseTarget, state: dict) -> None:
    names = list(state["usd"])
    colors = [GREEN if n == state["choice"] else SKY if not state["broken"][n] else "white" for n in names]
    values = [state["usd"][n] for n in names]
    edges = [GREY if color == "white" else INK for color in colors]
    ax.scatter(values, range(len(names)), s=80, marker="s", color=colors, edgecolor=edges, linewidth=1.4, zorder=3)
    for i, value in enumerate(values):
        ax.annotate(f"{value:.2g}", (value, i), xytext=(9, 0), textcoords="offset points", va="center", fontsize=9,
                    color=INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, zorder=2)
    if target.max_usd_per_million is not None:
        ax.axvline(target.max_usd_per_million, color=ORANGE, linestyle="--", linewidth=1.3, zorder=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xscale("log")
    ax.set_xlim(min(values) / 2, max(values) * 4)
    ax.xaxis.set_major_formatter("{x:g}")
    busy = f"{100 * target.utilization:.0f} % busy"
    label(ax, "a million images (USD, log scale)", "", f"at {target.usd_per_hour:g} USD an hour, {busy}")


def _tell_desk(variants: Sequence[Variant], target: ReleaseTarget, state: dict, speedup: float) -> str:
    fits = sum(not broken for broken in state["broken"].values())
    told = f"{target.name.capitalize()} ({_limits_told(target)}): {fits} of {len(variants)} variants fit. "
    if state["choice"] is None:
        counts = {name: sum(name in broken for broken in state["broken"].values()) for name in LIMIT_NAMES}
        worst = max(counts, key=counts.get)
        told += f"Nothing is chosen; the hardest limit is {LIMIT_NAMES[worst]}, which {counts[worst]} break. "
    else:
        v = next(v for v in variants if v.name == state["choice"])
        told += (f"Chosen: {v.name}, {_of(v)} right ({_percent(v.accuracy)}), p95 {v.p95_ms:.3g} ms, {_kb(v.bytes)}, "
                 f"{state['usd'][v.name]:.2g} USD a million. ")
    return told + (f"With the model {speedup:g} times faster the pipeline takes {state['total_ms']:.1f} ms instead of "
                   f"{pipeline_ms(STAGES):g} ({state['overall']:.2f} times faster); it never gets below "
                   f"{state['floor_ms']:g} ms.")


def desk() -> Any:
    """The interactive figure "deployment desk"."""
    import ipywidgets as widgets

    knobs = {
        "target": widgets.Dropdown(options=[*TARGETS, CUSTOM], value="phone", description="target"),
        "p95_ms": widgets.FloatLogSlider(value=0.1, base=10, min=-2, max=1, step=0.1, readout_format=".3g",
                                         description="p95 at most (ms)"),
        "file_kb": widgets.FloatLogSlider(value=500, base=10, min=0.5, max=4, step=0.1, readout_format=".0f",
                                          description="file at most (kB)"),
        "accuracy_pct": widgets.FloatSlider(value=96.5, min=95, max=98, step=0.1, description="accuracy at least (%)"),
        "batch": widgets.Dropdown(options=list(RECORDED), value=1, description="batch"),
        "speedup": widgets.FloatSlider(value=4, min=1, max=40, step=0.5, description="model speed-up"),
    }
    return explorer(draw_desk, knobs, Prediction(
        "INT8 makes the wide network 2.22 times faster, and pruning makes it 4.81 times faster (batch 1). Pruning and "
        "then INT8: how many times faster?",
        ("10.7 times: the factors multiply", "7 times: they add up", "5.4 times: little more than pruning alone"), 2,
        "0.071 ms become 0.013 ms. On the small network the arithmetic is a small part of the call, and INT8 speeds up "
        "nothing else. At batch 64 INT8 still halves its time. Now change the target: each one chooses another "
        "variant. The sliders of the limits count for the target “custom”."), "Deployment desk")


# --- measured -----------------------------------------------------------------------------------


def variant_table(variants: Sequence[Variant], caption: str = "") -> Shown:
    """A row a variant, with the interval of its accuracy and its gain over the first."""
    front = {v.name for v in variant_front(variants)}
    rows = []
    for v in variants:
        low, high = wilson_interval(v.right, v.total)
        rows.append((v.name, f"{v.bytes / 1e3:,.0f}", _of(v), f"{100 * low:.1f} … {100 * high:.1f} %",
                     f"{v.p50_ms:.4f}", f"{v.p95_ms:.4f}", f"{variants[0].p50_ms / v.p50_ms:.1f}×",
                     f"{float(f'{v.rate_per_s:.3g}'):,.0f}", "yes" if v.name in front else "no"))
    head = ("variant", "file (kB)", "right", "95 % interval", "p50 (ms)", "p95 (ms)", "faster", "images/s", "on front")
    told = f"batch {variants[0].batch}"
    return table(head, rows, f"{told}, {caption}" if caption else told)


def choice_table(by_batch: Mapping[int, Sequence[Variant]], targets: Mapping[str, ReleaseTarget] = TARGETS) -> Shown:
    """What each target chooses, and what keeps the others out."""
    rows = []
    for name, target in targets.items():
        variants = by_batch[target.batch]
        chosen = choose(variants, target)
        out = [f"{v}: {', '.join(LIMIT_NAMES[b] for b in broken)}"
               for v, broken in explain_choice(variants, target).items() if broken]
        rows.append((name, _limits_told(target), "nothing fits" if chosen is None else chosen.name,
                     "; ".join(out) or "nothing"))
    return table(("target", "limits", "choice", "kept out by"), rows)


def gate_table(variants: Sequence[Variant], labels: np.ndarray, max_drop: float = 0.01, alpha: float = 0.05) -> Shown:
    """Each variant against the first one, by the paired gate; the bound of the drop and the worst class beside it."""
    base, *others = variants
    rows = []
    for v in others:
        gate = gate_release(base.correct, v.correct, max_drop, alpha)
        worst = slice_drops(labels, base.correct, v.correct)[0]
        bound = noninferiority_bound(base.correct, v.correct, alpha)
        rows.append((v.name, gate.lost, gate.gained, f"{100 * gate.drop:+.2f}", f"{gate.p_value:.3f}",
                     "pass" if gate.passed else "refuse", f"{100 * bound:+.2f}",
                     f"{worst.name}: {worst.lost} lost, {worst.gained} gained of {worst.n}"))
    head = (f"against {base.name}", "lost", "gained", "drop (points)", "p", "gate", "bound (points)", "worst digit")
    return table(head, rows, f"allowance (points): {100 * max_drop:g}, alpha: {alpha:g}, bound: of the drop, 95 %")


def gpu_rows(models: Mapping[str, Any], X: np.ndarray, y: np.ndarray) -> Shown:
    """The float variants on ONNX Runtime's CUDA provider, or a sentence that there is none."""
    from utils.delivery.tradeoff.variants import cuda_session, evaluate_variants

    floats = {name: model for name, model in models.items() if "FP32" in name}
    if any(cuda_session(model) is None for model in floats.values()):
        text = ("ONNX Runtime has no CUDA provider here. With onnxruntime-gpu and an NVIDIA GPU this cell times the "
                "FP32 variants on it, at batch 1 and 64.")
        return Shown(f"<p>{text}</p>", text)
    parts = [variant_table(evaluate_variants(floats, X, y, batch=batch, open_session=cuda_session), "on the GPU")
             for batch in (1, 64)]
    return Shown("".join(p.html for p in parts), "\n\n".join(p.text for p in parts))


def static_picture() -> Figure:
    """What remains of the desk where no kernel runs: the phone."""
    return draw_desk("phone", 0.1, 500, 96.5, 1, 4)[0]

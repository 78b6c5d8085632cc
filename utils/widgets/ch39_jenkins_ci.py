"""Figures and tables of chapter 39: a build over time, the power of a gate, a local run, the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.edge_metrics import wilson_interval
from utils.delivery import ci_pipeline as ci

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, YELLOW, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colour and hatch by status, and a mark that is written beside the bar: never the colour alone.
LOOK = {"SUCCESS": (GREEN, "", "✓"), "UNSTABLE": (YELLOW, "..", "~"), "FAILURE": (ORANGE, "xx", "✗ FAILURE"),
        "ABORTED": (SKY, "//", "ABORTED"), "NOT_BUILT": (GREY, "", "NOT_BUILT"), "SKIPPED": (GREY, "", "SKIPPED")}
NOTHING = "nothing"
POWER_AT = (50, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200)


# --- trees and tables ---------------------------------------------------------------------------


def tree_text(tree: Sequence[tuple], indent: str = "") -> Shown:
    """A tree of stages, one line each, what is inside further to the right."""
    lines = list(_tree_lines(tree, indent))
    text = "\n".join(lines)
    return Shown(f"<pre style='line-height:1.35;margin:2px 0'>{_escaped(text)}</pre>", text)


def _tree_lines(tree: Sequence[tuple], indent: str):
    for name, kind, below in tree:
        yield f"{indent}{name}" + ("" if kind == "leaf" else f"   [{kind}]")
        yield from _tree_lines(below, indent + "    ")


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def log_table(logs: Mapping[str, Mapping[str, tuple[str, float, float]]]) -> Shown:
    """Simulated builds of one pipeline side by side: every stage with its status and its times in minutes."""
    names = next(iter(logs.values()))
    rows = [(name, *(f"{status} {start:g} to {end:g}" for status, start, end in (log[name] for log in logs.values())))
            for name in names]
    return table(("stage", *(f"{word} (min)" for word in logs)), rows)


def job_table(minutes: Mapping[str, float], deps: Mapping[str, Sequence[str]]) -> Shown:
    """Jobs with their minutes and the jobs that have to end before."""
    rows = [(name, f"{m:g}", ", ".join(deps.get(name, ())) or "nothing") for name, m in minutes.items()]
    return table(("job", "minutes", "waits for"), rows)


def run_table(log: ci.RunLog) -> Shown:
    """Every stage of a run of the local pipeline."""
    rows = [(r.name, r.status, f"{r.start_s:.1f}", f"{r.end_s:.1f}", r.reason or "") for r in log.stages.values()]
    return table(("stage", "status", "start (s)", "end (s)", "reason"), rows,
                 f"result {log.result}; post would run: {', '.join(log.post)}")


def gate_rows(log: ci.RunLog) -> dict[str, dict[str, Any]]:
    """What every gate of the local pipeline told, by candidate."""
    return {name.removeprefix("gate "): run.told for name, run in log.stages.items()
            if name.startswith("gate ") and run.told}


def gate_table(rows: Mapping[str, Mapping[str, Any]]) -> Shown:
    """The candidates with the numbers on which the gate decides."""
    shown = []
    for name, t in rows.items():
        verdict = "passes" if t["passed"] else f"blocked: {', '.join(t['reasons'])}"
        shown.append((name, f"{100 * t['accuracy']:.1f} %", t["lost"], t["gained"], f"{t['p_value']:.2g}",
                      f"{t['latency_ratio']:.2f}", f"{t['size_ratio']:.2f}", verdict))
    return table(("candidate", "accuracy", "b lost", "c gained", "p", "latency ratio", "size ratio", "gate"), shown)


def condition_table() -> Shown:
    """Which blocks run after each pair of results: one row a current result, one column a previous one."""
    columns = (None, "SUCCESS", "FAILURE", "ABORTED")
    base = {"always", "cleanup"}
    rows = [(now, *(", ".join(c for c in ci.post_conditions(now, before) if c not in base) for before in columns))
            for now in ("SUCCESS", "UNSTABLE", "FAILURE", "ABORTED")]
    head = ("this build", "no build before", *(f"after {c}" for c in columns[1:]))
    return table(head, rows, "always and cleanup run in every case, first and last")


# --- a build over time --------------------------------------------------------------------------


def draw_gantt(executors: int, failing: str, fail_fast: bool, previous: str, unit_min: float = 6, gate_min: float = 5
               ) -> tuple[Figure, str]:
    """The example pipeline on some executors: a bar a stage, the critical path outlined, and what `post` would run."""
    plan = ci.example_plan(failing=None if failing == NOTHING else failing, fail_fast=fail_fast,
                           minutes={"unit": unit_min, "gate": gate_min})
    log = ci.run_on_executors(plan, executors)
    durations, deps = ci.jobs_of(plan)
    length, path = ci.critical_path(durations, deps)
    figure, (ax,) = new_figure(9.2, 3.7)
    _draw_bars(ax, {name: log[name] for name in durations}, path, durations)
    status, end = log[plan["name"]][0], ci.build_minutes(log)
    ax.axvline(length, color=BLUE, linestyle="--", linewidth=1.3)
    ax.annotate(f"critical path {length:g} min", (length, -0.75), xytext=(4, 0), textcoords="offset points", fontsize=9,
                color=BLUE, annotation_clip=False)
    label(ax, "time (minutes, simulated)", "stage that does work", f"{status} after {end:g} minutes")
    blocks = ci.post_conditions(status, None if previous == "no build" else previous)
    lost = [name for name in durations if log[name][0] in ("ABORTED", "NOT_BUILT")]
    evidence = f" Not finished: {', '.join(lost)}." if lost else ""
    return figure, (f"{status} after {end:g} minutes on {executors} executor{'s' * (executors != 1)}; the work is "
                    f"{sum(durations.values()):g} minutes, the critical path {length:g} ({', '.join(path)})."
                    f"{evidence} Blocks of post, in order: {', '.join(blocks)}.")


def _draw_bars(ax: Axes, records: Mapping[str, tuple[str, float, float]], outlined: Sequence[str],
               planned: Mapping[str, float] | None = None) -> None:
    top = max((end for _, _, end in records.values()), default=0)
    top = max(top, sum(planned[n] for n in outlined) if planned else 0)
    for row, (name, (status, start, end)) in enumerate(records.items()):
        colour, hatch, mark = LOOK[status]
        ax.barh(row, end - start, left=start, height=0.62, color=colour, hatch=hatch, alpha=0.85, zorder=3,
                edgecolor=INK if name in outlined else "white", linewidth=2.2 if name in outlined else 0.6)
        ax.annotate(mark, (end, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK)
    ax.set_yticks(range(len(records)), list(records))
    ax.set_ylim(len(records) - 0.4, -1.1)
    ax.set_xlim(0, top * 1.16 or 1)


def gantt() -> Any:
    """The example build with knobs."""
    import ipywidgets as w

    knobs = {"executors": w.IntSlider(3, 1, 4), "failing": w.Dropdown(options=[NOTHING, *ci.MINUTES], value="lint",
                                                                      description="fails"),
             "fail_fast": w.Checkbox(True, description="failFast"),
             "previous": w.Dropdown(options=["SUCCESS", "FAILURE", "ABORTED", "no build"], description="build before"),
             "unit_min": w.IntSlider(6, 1, 24, description="unit (min)"),
             "gate_min": w.IntSlider(5, 1, 24, description="gate (min)")}
    ask = Prediction(
        "Nothing fails. With 1 executor the build takes 30 minutes, with 2 it takes 22. How long with 4?",
        ("11 minutes", "15 minutes", "22 minutes"), 2,
        "train, export, int8, gate, image and deploy wait for each other: 22 minutes at the least. "
        "Now let lint fail, with and without failFast: fewer minutes, or more evidence?")
    return explorer(draw_gantt, knobs, ask, "A build over time (simulated)")


def draw_run(log: ci.RunLog) -> tuple[Figure, str]:
    """The leaves of a run of the local pipeline over time."""
    leaves = {n: (r.status, r.start_s, r.end_s) for n, r in log.stages.items() if r.attempts}
    figure, (ax,) = new_figure(9.2, 0.27 * len(leaves) + 1.2)
    _draw_bars(ax, leaves, ())
    label(ax, "time (s, measured)", "stage", f"{log.result}: every bar was a process")
    failed = [n for n, (status, _, _) in leaves.items() if status == "FAILURE"]
    return figure, f"{len(leaves)} processes ran; {len(failed)} failed: {', '.join(failed) or 'none'}."


def run_picture(log: ci.RunLog) -> Shown:
    """The picture of `draw_run` for a code cell."""
    return shown_figure(*draw_run(log))


# --- the gate -----------------------------------------------------------------------------------


def draw_power(n: int, drop_pct: float, disagree_pct: float, max_p: float) -> tuple[Figure, str]:
    """Probability that the paired test notices a true drop, against the number of samples."""
    disagree = max(drop_pct, disagree_pct) / 100
    counts = sorted({*POWER_AT, n})
    powers = {k: ci.gate_power(k, drop_pct / 100, disagree, max_p) for k in counts}
    figure, (ax,) = new_figure(7.6, 3.4)
    ax.plot(counts, [100 * powers[k] for k in counts], color=BLUE, linewidth=2, marker="o", markersize=4)
    ax.plot([n], [100 * powers[n]], marker="D", markersize=9, color=ORANGE, markeredgecolor=INK, linestyle="")
    ax.axhline(100 * max_p, color=GREY, linestyle=":", linewidth=1.4)
    ax.annotate(f"max_p: {100 * max_p:g} %", (counts[-1], 100 * max_p), xytext=(0, 4), textcoords="offset points",
                ha="right", fontsize=9, color=INK)
    ax.set_xscale("log")
    ax.set_xticks([50, 200, 800, 3200])
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_minor_formatter("")
    ax.set_ylim(0, 103)
    label(ax, "samples that both models see (log scale)", "the test notices (%)",
          f"a true drop of {drop_pct:g} points, {100 * disagree:g} % of the samples flip")
    enough = next((k for k in counts if powers[k] >= 0.8), None)
    told = (f"from {enough:,} samples on it is noticed at least 8 times in 10" if enough
            else f"even {counts[-1]:,} samples notice it less than 8 times in 10")
    return figure, (f"With {n:,} samples the test (p at most {max_p:g}) notices a true drop of {drop_pct:g} points, "
                    f"where {100 * disagree:g} % of the samples flip, in {100 * powers[n]:.0f} % of all cases. "
                    f"Of the sizes marked, {told}.")


def power() -> Any:
    """The power of the gate with knobs."""
    import ipywidgets as w

    knobs = {"n": w.SelectionSlider(options=POWER_AT, value=200, description="samples"),
             "drop_pct": w.FloatSlider(2, min=0, max=10, step=0.5, description="true drop (points)"),
             "disagree_pct": w.FloatSlider(6, min=1, max=20, step=1, description="flips (%)"),
             "max_p": w.Dropdown(options=[0.01, 0.05, 0.2], value=0.05)}
    ask = Prediction(
        "A candidate is truly 2 points worse, and 6 % of the samples flip. How often do 200 samples show it, "
        "with a p of at most 0.05?",
        ("in 2 of 10 cases", "in 5 of 10 cases", "in 9 of 10 cases"), 0,
        "200 samples hold about 12 flips, 8 of them losses on average: such a split is often chance. Move the samples "
        "until it is noticed 9 times in 10.")
    return explorer(draw_power, knobs, ask, "What can the gate notice?")


def power_picture(n: int = 200, drop_pct: float = 2, disagree_pct: float = 6, max_p: float = 0.05) -> Shown:
    """The picture of `draw_power` for a code cell."""
    return shown_figure(*draw_power(n, drop_pct, disagree_pct, max_p))


def drop_interval(lost: int, gained: int, n: int) -> tuple[float, float]:
    """95 % interval of the drop: Wilson's for the share of losses among the flips, as a share of all samples."""
    flips = lost + gained
    if not flips:
        return 0.0, 0.0
    low, high = wilson_interval(lost, flips)
    return (2 * low - 1) * flips / n, (2 * high - 1) * flips / n


def draw_dashboard(rows: Mapping[str, Mapping[str, Any]], policy: ci.GatePolicy) -> tuple[Figure, str]:
    """Drop with its interval, latency ratio and size ratio of every candidate, against the limits."""
    figure, axes = new_figure(10.8, 0.45 * len(rows) + 1.9, 1, 3)
    names = list(rows)
    drops = [100 * rows[n]["drop"] for n in names]
    spans = [drop_interval(rows[n]["lost"], rows[n]["gained"], rows[n]["samples"]) for n in names]
    panels = ((drops, 100 * policy.max_drop, "accuracy", "accuracy lost (points)"),
              ([rows[n]["latency_ratio"] for n in names], policy.max_latency_ratio, "latency", "latency ratio"),
              ([rows[n]["size_ratio"] for n in names], policy.max_size_ratio, "size", "file size ratio"))
    for ax, (values, limit, reason, text) in zip(axes, panels):
        for i, (name, value) in enumerate(zip(names, values)):
            bad = reason in rows[name]["reasons"]
            ax.plot([value], [i], marker="X" if bad else "o", markersize=9, color=ORANGE if bad else GREEN,
                    markeredgecolor=INK, linestyle="", zorder=4)
            if reason == "accuracy":
                ax.plot([100 * s for s in spans[i]], [i, i], color=INK, linewidth=1.4, zorder=3)
        ax.axvline(limit, color=PINK, linestyle="--", linewidth=1.4)
        ax.set_yticks(range(len(names)), names if ax is axes[0] else [""] * len(names))
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.margins(x=0.12)
        label(ax, text, "candidate" if ax is axes[0] else "", f"limit {limit:g}; ✗ blocks")
    told = [f"{n}: {'passes' if rows[n]['passed'] else 'blocked by ' + ' and '.join(rows[n]['reasons'])}, drop "
            f"{d:+.1f} points" for n, d in zip(names, drops)]
    return figure, "; ".join(told) + "."


def dashboard(rows: Mapping[str, Mapping[str, Any]], policy: ci.GatePolicy) -> Shown:
    """The table of the gates and the picture of `draw_dashboard` for a code cell."""
    numbers, picture = gate_table(rows), shown_figure(*draw_dashboard(rows, policy))
    return Shown(numbers.html + picture.html, f"{numbers.text}\n\n{picture.text}")


def gpu_gate(folder: Any, candidate: str, policy: ci.GatePolicy) -> Shown:
    """The same gate with the latencies of ONNX Runtime's CUDA provider, or a sentence that there is none."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        text = "ONNX Runtime has no CUDA provider here. With onnxruntime-gpu this cell repeats the gate on the GPU."
        return Shown(f"<p>{text}</p>", text)
    from utils.delivery.ci_pipeline.measuring import evidence_from_onnx

    data = np.load(folder / "test.npz")
    base, cand = evidence_from_onnx(folder / "base.onnx", folder / f"{candidate}.onnx", data["x"], data["y"],
                                    providers=("CUDAExecutionProvider",))
    result = ci.compare_models(base, cand, policy)
    told = {**result.as_dict(), "reasons": list(result.reasons), "accuracy": cand.accuracy}
    return gate_table({f"{candidate} on the GPU": told})


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: lint fails, with failFast."""
    return draw_gantt(3, "lint", True, "SUCCESS")[0]

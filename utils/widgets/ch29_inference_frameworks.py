"""Figures and tables of chapter 29: engines in a race, a graph cut in two, and the dated catalogue."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.frameworks import (
    CATALOGUE,
    PROBES,
    EngineRow,
    OperatorProbe,
    RaceResult,
    Requirements,
    available_engines,
    installed_engines,
    probe_operators,
    race,
    race_cnn,
    select,
)
from utils.engines.frameworks.detector import DETECTOR, DETECTOR_OPS, plan_detector, tensor_sizes

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, SKY, YELLOW, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RACERS = ("ONNX Runtime", "OpenVINO", "ncnn", "MNN", "LiteRT", "PyTorch eager", "NumPy")
BASELINE = RACERS[0]


def _day(day: date) -> str:
    """A date with hyphens at which a narrow table does not break it."""
    return day.isoformat().replace("-", "\N{NON-BREAKING HYPHEN}")


# --- the race ---------------------------------------------------------------------------------------


def engine_list() -> Shown:
    """Every engine with its version, or the reason why it is not here."""
    return table(("engine", "here"), list(available_engines().items()))


def _microseconds(ms: float) -> str:
    us = ms * 1e3
    return f"{us:,.0f} µs" if us >= 10 else f"{us:.1f} µs"


def race_table(result: RaceResult, missing: Mapping[str, str] | None = None) -> Shown:
    """One row an engine: sizes, times, the ratio to the first with its interval, differences, operators missing."""
    rows, ratios = [], result.ratios()
    for row in result.rows:
        if row.reason:
            rows.append((row.engine, row.reason, *("–",) * 6))
            continue
        v = ratios[row.engine]
        told = "1 (baseline)" if row is result.ran[0] else f"{v.ratio:.2f} [{v.low:.2f}, {v.high:.2f}]"
        rows.append((row.engine, f"{row.installed_bytes / 1e6:.0f} MB", f"{row.model_bytes:,} B",
                     f"{row.load_ms:.1f} ms", _microseconds(row.median_ms), told, f"{row.max_abs:.1e}",
                     (missing or {}).get(row.engine, "–")))
    head = ("engine", "installed", "model file", "loading", "median run", "ratio [95 % interval]",
            "largest difference", "operators missing")
    return table(head, rows, f"network {result.model}, batch {result.batch}, threads: {result.threads}")


def draw_race(result: RaceResult) -> tuple[Figure, str]:
    """Box plots of the interleaved runs, and who beats whom."""
    ran = result.ran
    figure, (left, right) = new_figure(11.0, 1.6 + 0.42 * len(ran), 1, 2, gridspec_kw={"width_ratios": [3, 2]})
    samples = [np.array(row.samples_ms) * 1e3 for row in ran]
    left.boxplot(samples, vert=False, whis=(5, 95), showfliers=False, widths=0.6, patch_artist=True,
                 boxprops={"facecolor": SKY, "edgecolor": INK}, medianprops={"color": INK, "linewidth": 2})
    left.set_yticks(range(1, len(ran) + 1), [row.engine for row in ran])
    left.set(xscale="log")
    _plain_log_axis(left, [us for sample in samples for us in np.percentile(sample, (5, 95))])
    left.invert_yaxis()
    label(left, "time of a run (µs, log scale)", "", "box: middle half of the runs; whiskers: 5 to 95 %")
    winners = _winners(result)
    _draw_verdicts(right, ran, winners)
    return figure, _tell_race(result, list(winners.values()).count("tie") // 2)


def _plain_log_axis(ax: Axes, values: Sequence[float]) -> None:
    """Ticks at 1, 2 and 5 times the powers of ten that the values span, as plain numbers."""
    powers = range(int(np.floor(np.log10(min(values)))), int(np.ceil(np.log10(max(values)))) + 1)
    ticks = [m * 10.0**p for p in powers for m in (1, 2, 5) if min(values) / 1.3 <= m * 10.0**p <= max(values) * 1.3]
    ax.set_xticks(ticks, [f"{tick:g}" if tick < 1 else f"{tick:,.0f}" for tick in ticks])
    ax.minorticks_off()


def _winners(result: RaceResult) -> dict[tuple[str, str], str]:
    """"wins", "loses" or "tie" for every ordered pair of engines; each pair is compared once."""
    found = {}
    for i, a in enumerate(result.ran):
        for b in result.ran[i + 1:]:
            winner = result.versus(a.engine, b.engine).winner
            found[a.engine, b.engine] = {"a": "wins", "b": "loses", "tie": "tie"}[winner]
            found[b.engine, a.engine] = {"a": "loses", "b": "wins", "tie": "tie"}[winner]
    return found


def _draw_verdicts(ax: Axes, ran: Sequence[EngineRow], winners: Mapping[tuple[str, str], str]) -> None:
    ax.grid(False)
    for y, row in enumerate(ran):
        for x, column in enumerate(ran):
            if x == y:
                ax.text(x, y, "·", ha="center", va="center", color=GREY)
                continue
            word = winners[row.engine, column.engine]
            color, ink = {"wins": (GREEN, "white"), "loses": (ORANGE, "white"), "tie": ("#E3E6EA", INK)}[word]
            ax.barh(y, 0.94, left=x - 0.47, height=0.88, color=color)
            ax.text(x, y, word, ha="center", va="center", fontsize=7.5, color=ink)
    names = [row.engine.split()[0] for row in ran]
    ax.set_xticks(range(len(ran)), names, rotation=30, ha="right")
    ax.set_yticks(range(len(ran)), names)
    ax.set(xlim=(-0.5, len(ran) - 0.5), ylim=(len(ran) - 0.5, -0.5))
    label(ax, "against", "", "the row's engine against the column's")


def _tell_race(result: RaceResult, ties: int) -> str:
    ran = result.ran
    order = sorted(ran, key=lambda row: row.median_ms)
    pairs = len(ran) * (len(ran) - 1) // 2
    away = [row.engine for row in result.rows if row.reason]
    absent = f" Not here: {', '.join(away)}." if away else ""
    fast, slow = order[0], order[-1]
    return (f"Measured here: network {result.model}, batch {result.batch}, threads: {result.threads}, "
            f"{len(ran[0].samples_ms)} rounds. Fastest median {_microseconds(fast.median_ms)} ({fast.engine}), slowest "
            f"{_microseconds(slow.median_ms)} ({slow.engine}). {ties} of {pairs} pairs are ties. The largest "
            f"difference from {ran[0].engine} is {max(row.max_abs for row in ran):.1e}.{absent}")


def race_view(engines: Sequence[str], threads: int, width: int, batch: int, repeats: int = 30) -> tuple[Figure, str]:
    """Run the race with these settings and draw it; ONNX Runtime always takes part."""
    names = [name for name in RACERS if name in engines or name == BASELINE]
    (result,) = race({f"{width}x": race_cnn(width, batch)}, names, repeats, threads=threads, warmup=10)
    return draw_race(result)


def engine_race() -> Any:
    """The interactive figure "engine race"."""
    import ipywidgets as widgets

    here = [name for name in RACERS if name in installed_engines()]
    return explorer(race_view, {
        "engines": widgets.SelectMultiple(options=here, value=[n for n in here if n != "NumPy"], rows=len(here),
                                          description="engines"),
        "threads": widgets.IntSlider(value=1, min=1, max=2, description="threads"),
        "width": widgets.SelectionSlider(options=[1, 2, 4, 8], value=1, description="channels, times"),
        "batch": widgets.SelectionSlider(options=[1, 2, 4, 8], value=1, description="batch"),
    }, Prediction(
        "The network has seven nodes and 0.28 million multiply-accumulates. On such a small network one engine takes "
        "several times as long as another. What makes most of the difference?",
        ("better kernels for convolution", "the fixed cost of every call", "badly converted weights"), 1,
        "Make the network wider: the multiply-accumulates grow by about the square of the width, and the ratios come "
        "closer to 1. What does not grow is the fixed cost of a call: checks, threads that are woken, copies."),
        "Engine race, measured on this machine")


def spread_picture(results: Sequence[RaceResult]) -> Shown:
    """Ratios to the baseline with their intervals, network by network."""
    return shown_figure(*draw_spread(results))


def draw_spread(results: Sequence[RaceResult]) -> tuple[Figure, str]:
    """Every engine's ratio to the baseline on a log axis, one row of dots a network."""
    names = [row.engine for row in results[0].ran if row.engine != BASELINE]
    figure, (ax,) = new_figure(8.6, 1.5 + 0.5 * len(names))
    for k, (result, color, marker) in enumerate(zip(results, (BLUE, ORANGE, GREEN), "os^")):
        ratios = result.ratios()
        for y, name in enumerate(names):
            v, at = ratios[name], y + (k - (len(results) - 1) / 2) * 0.24
            ax.plot([v.low, v.high], [at, at], color=color, linewidth=2.5)
            ax.plot(v.ratio, at, marker=marker, color=color, markersize=7, linestyle="none",
                    label=f"network {result.model}" if y == 0 else None)
    ax.axvline(1, color=INK, linewidth=1)
    ax.set(xscale="log", ylim=(len(names) - 0.5, -0.7))
    ax.set_yticks(range(len(names)), names)
    _plain_log_axis(ax, [edge for r in results for v in r.ratios().values() for edge in (v.low, v.high)])
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    label(ax, f"time as a multiple of {BASELINE}'s (log scale); bars: 95 % intervals", "", "left of the line: faster")
    told = "; ".join(f"{r.model}: {_engines_only(r):.1f}" for r in results)
    return figure, (f"Measured here, threads: {results[0].threads}. Slowest over fastest median of the compiled "
                    f"engines (without PyTorch and NumPy): {told}.")


def _engines_only(result: RaceResult) -> float:
    medians = [row.median_ms for row in result.ran if row.engine not in ("NumPy", "PyTorch eager")]
    return max(medians) / min(medians)


# --- operators ----------------------------------------------------------------------------------------


def ask_operators(engines: Sequence[str]) -> dict[str, list[OperatorProbe]]:
    """The probes of every engine among `engines` that is installed; two are asked at a time."""
    here = [name for name in engines if name in installed_engines()]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(here, pool.map(probe_operators, here)))


def count_missing(probes: Mapping[str, Sequence[OperatorProbe]]) -> dict[str, str]:
    """How many of the probes an engine does not run, and why, in words; the baseline is what they are compared with."""
    told = {BASELINE: f"0 of {len(PROBES)} (reference)"}
    for name, found in probes.items():
        unwritten = sum(p.verdict == "not written" for p in found)
        missing = sum(p.verdict != "runs" for p in found) - unwritten
        told[name] = f"{missing} of {len(found)}" + (f"; {unwritten} more by our writer" if unwritten else "")
    return told


def operator_table(probes: dict[str, list[OperatorProbe]]) -> Shown:
    """The operators that some engine does not run: what each does with them."""
    if not probes:
        told = "None of these engines is installed. `pip install openvino ncnn MNN ai-edge-litert` brings all four."
        return Shown(f"<p>{html.escape(told)}</p>", told)
    verdicts = {name: {p.op: p for p in found} for name, found in probes.items()}
    rows = [(op, *(verdicts[name][op].verdict for name in verdicts)) for op in PROBES
            if any(found[op].verdict != "runs" for found in verdicts.values())]
    caption = f"{len(PROBES)} one-node models; those that run everywhere are left out"
    return table(("operator", *verdicts), rows, caption)


# --- the cut ------------------------------------------------------------------------------------------

# one place a node: the main path from left to right, the skip connection below it
_AT = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (5.5, 1), (8, 0), (9, 0), (10, 0)]
_SHORT = {"NonMaxSuppression": "NMS", "HardSwish": "HSwish"}
_GROUP_COLORS = (BLUE, GREEN, PINK, ORANGE, YELLOW, SKY)


def draw_partition(unsupported: Collection[str], link_gb_s: float, launch_ms: float) -> tuple[Figure, str]:
    """The detector's graph cut into groups, the bytes that cross, and the times of three policies."""
    parts, plan = plan_detector(unsupported, link_gb_s, launch_ms)
    figure, (ax, bars) = new_figure(11.4, 4.6, 2, 1, gridspec_kw={"height_ratios": [3, 2]})
    group_of = {i: k for k, group in enumerate(parts.groups) for i in group.nodes}
    away = {i for i, k in group_of.items() if plan.decisions[k]}
    _draw_edges(ax, group_of, away)
    for i, (op, _, _) in enumerate(DETECTOR):
        _draw_node(ax, i, op, group_of[i], i in away, parts.groups[group_of[i]].device)
    ax.set(xlim=(-0.9, 10.7), ylim=(1.75, -0.75))
    ax.grid(False)
    ax.set_axis_off()
    ax.set_title("number: group, in the order in which they run; filled: on the accelerator; hatched: on the CPU; "
                 "at an arrow: MB that cross", fontsize=10.5, color=INK, loc="left")
    everything = plan_detector((), link_gb_s, launch_ms)[1].total_ms
    rows = [("all on the CPU", plan.cpu_only_ms, GREY), ("this plan", plan.total_ms, BLUE),
            ("if every operator were supported", everything, GREEN)]
    for y, (_, ms, color) in enumerate(rows):
        bars.barh(y, ms, color=color, height=0.6)
        bars.text(ms, y, f" {ms:.2f} ms", va="center", fontsize=9, color=INK)
    bars.set_yticks(range(3), [name for name, _, _ in rows])
    bars.set(ylim=(2.6, -0.6), xlim=(0, plan.cpu_only_ms * 1.15))
    label(bars, "time of one image (ms, modelled)", "")
    return figure, _tell_partition(unsupported, link_gb_s, parts, plan, everything)


def _draw_node(ax: Axes, i: int, op: str, group: int, away: bool, device: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _AT[i]
    color = _GROUP_COLORS[group % len(_GROUP_COLORS)] if away else "white"
    ink = INK if not away or color in (YELLOW, SKY) else "white"
    ax.add_patch(FancyBboxPatch((x - 0.36, y - 0.27), 0.72, 0.54, boxstyle="round,pad=0.02,rounding_size=0.08",
                                facecolor=color, edgecolor=INK if device == "accel" else GREY,
                                hatch=None if away else "///", linewidth=1.4, zorder=3))
    ax.text(x, y, f"{_SHORT.get(op, op)}\n{group + 1}", ha="center", va="center", fontsize=8.5, color=ink, zorder=4,
            fontweight="bold", bbox=None if away else {"facecolor": "white", "edgecolor": "none", "pad": 0.8})


def _draw_edges(ax: Axes, group_of: Mapping[int, int], away: set[int]) -> None:
    """Arrows from node to node; a tensor between two groups of the accelerator crosses twice, out and in."""
    maker, sizes = {node[2][0]: i for i, node in enumerate(DETECTOR)}, tensor_sizes()
    for i, (_, inputs, _) in enumerate(DETECTOR):
        for name in inputs:
            source = maker.get(name)
            (x0, y0) = _AT[source] if source is not None else (-0.85, 0)
            (x1, y1), trips = _AT[i], (source in away) + (i in away)
            crosses = trips > 0 and group_of.get(source) != group_of[i]
            side, gap = np.sign(y1 - y0), 0.2 if y1 != y0 else 0.4  # sloping arrows begin and end below a box
            start, end = (x0 + gap, y0 + 0.3 * side), (x1 - gap, y1 - 0.3 * side)
            look = {"color": ORANGE if crosses else GREY, "linewidth": 2.6 if crosses else 1.2}
            ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, **look})
            if crosses:
                at = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - (0.0 if side else 0.36)
                ax.text(*at, " + ".join([f"{sizes[name] / 1e6:.1f}"] * trips), ha="center", va="center", fontsize=8,
                        color=ORANGE, zorder=5, fontweight="bold",
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})


def _tell_partition(unsupported: Collection[str], link_gb_s: float, parts: Any, plan: Any, everything: float) -> str:
    offered = sum(group.device == "accel" for group in parts.groups)
    moved = sum(sum(b) for b, go in zip(parts.transfer_bytes(tensor_sizes()), plan.decisions) if go)
    names = ", ".join(sorted(unsupported)) or "nothing"
    groups = f"{len(parts.groups)} group{'s' * (len(parts.groups) > 1)}"
    return (f"Modelled: unsupported is {names}. The detector falls into {groups}; the accelerator could run "
            f"{offered} of them and gets {sum(plan.decisions)}. {moved / 1e6:.1f} MB cross the link of {link_gb_s:g} "
            f"GB/s. One image takes {plan.total_ms:.2f} ms, on the CPU alone {plan.cpu_only_ms:.2f} ms, with every "
            f"operator supported {everything:.2f} ms.")


def partition_view() -> Any:
    """The interactive figure "partition"."""
    import ipywidgets as widgets

    return explorer(draw_partition, {
        "unsupported": widgets.SelectMultiple(options=DETECTOR_OPS, value=("NonMaxSuppression", "Resize"),
                                              rows=len(DETECTOR_OPS), description="not supported"),
        "link_gb_s": widgets.SelectionSlider(options=[0.25, 0.5, 1, 2, 4, 8, 16], value=2, description="link (GB/s)"),
        "launch_ms": widgets.SelectionSlider(options=[0, 0.05, 0.1, 0.5, 2], value=0.1,
                                             description="start of a group (ms)"),
    }, Prediction(
        "Only NMS, the last node, is not supported: one image takes 2.59 ms instead of 38.80 ms on the CPU. Now Resize "
        "in the middle is not supported either. It takes 0.82 ms on the CPU. What does one image take?",
        ("about 3.4 ms: 0.8 ms more", "about 5 ms", "almost 9 ms"), 2,
        "The tensor before Resize and the skip connection have to leave the accelerator, 4.1 MB, and what Resize makes "
        "has to come back with the skip connection, 6.6 MB: 10.6 MB more over 2 GB/s are 5.3 ms. Then Resize itself, "
        "and one more start."),
        "A graph cut in two, modelled")


# --- the catalogue ------------------------------------------------------------------------------------


def catalogue_table() -> Shown:
    """What each engine reads and runs on, its state, and the day up to which its sources show that."""
    rows = [(e.name, e.origin, ", ".join(sorted(e.formats)), ", ".join(sorted(e.hardware)), e.license, e.status,
             _day(e.last_seen), _day(e.as_of)) for e in CATALOGUE]
    return table(("engine", "from", "reads", "runs on", "licence", "state", "last sign of work", "as of"), rows)


def selection_table(requirements: Requirements) -> Shown:
    """The short list with its ranks, and every reason against the others."""
    rows, rank = [], 0
    for info, reasons in select(requirements):
        rank += not reasons
        rows.append((info.name, f"{rank}." if not reasons else "–", "; ".join(reasons) or info.notes))
    return table(("engine", "rank", "why, or why not"), rows)


def source_list() -> Shown:
    """Where each row of the catalogue comes from."""
    return table(("engine", "as of", "source"), [(e.name, _day(e.as_of), e.source) for e in CATALOGUE])


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: the detector without NMS and Resize, 2 GB/s."""
    return draw_partition(("NonMaxSuppression", "Resize"), 2, 0.1)[0]

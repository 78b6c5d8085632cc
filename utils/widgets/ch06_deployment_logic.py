"""Figures and tables of chapter 06: a chain that stops at the first broken contract, skew, a canary over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.delivery.release import CanaryLook, DeploymentChain, HopReport, ParityReport, promoted_share, simulate_canary
from utils.optional import EngineUnavailable

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, SKY, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLANS = {"1 % → 5 % → 25 % → all": (0.01, 0.05, 0.25, 1.0), "5 % → 25 % → all": (0.05, 0.25, 1.0),
         "25 % → all": (0.25, 1.0)}
TOLERANCE = 0.01
# verdict of a hop: colour, hatch, sign (colour is not the only cue)
VERDICTS = {"passed": (GREEN, "", "✓"), "stopped": (ORANGE, "//", "✗"), "not run": ("#D0D7DE", "..", "–")}
TELLS = {"preprocess": "input tensors", "export": "logits", "quantise": "logits"}


# --- the chain -------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _chain(faults: tuple[str, ...], bits: int, min_top1: float) -> tuple[list[HopReport], dict[str, np.ndarray]]:
    from utils.delivery.release.digits_release import faulty_chain

    return faulty_chain(faults, bits, min_top1)


def draw_chain(faults: Sequence[str] = (), bits: int = 8, min_top1: float = 0.98) -> tuple[Figure, str]:
    """Four hops with injected faults, and how far the outputs of the last hop that compared are off."""
    reports, distances = _chain(tuple(sorted(faults)), bits, min_top1)
    figure, (left, right) = new_figure(11.4, 3.1, 1, 2, width_ratios=(1.25, 1))
    _draw_hops(left, reports)
    shown = [r.hop for r in reports if r.ran and r.hop in distances][-1]
    _draw_distances(right, shown, distances[shown])
    return figure, _tell_chain(reports, shown, distances[shown])


def _verdict(report: HopReport) -> str:
    return "passed" if report.ok else "stopped" if report.ran else "not run"


def _draw_hops(ax: Axes, reports: Sequence[HopReport]) -> None:
    from matplotlib.patches import FancyBboxPatch

    for x, report in enumerate(reports):
        color, hatch, sign = VERDICTS[_verdict(report)]
        ax.add_patch(FancyBboxPatch((x + 0.08, 0.35), 0.74, 0.5, boxstyle="round,pad=0.03", facecolor=color, alpha=0.75,
                                    hatch=hatch, edgecolor=INK, linewidth=0.9))
        for y, text, size in ((0.68, report.hop, 9.5), (0.5, f"{sign} {_verdict(report)}", 9)):
            ax.text(x + 0.45, y, text, ha="center", va="center", fontsize=size, color=INK,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2, "alpha": 0.9})
        told = "\n".join(report.violations) or "\n".join(f"{k}\n{v}" for k, v in report.figures.items())
        ax.text(x + 0.45, 0.24, _folded(told), ha="center", va="top", fontsize=8, color=INK)
        if x:
            ax.annotate("", (x + 0.04, 0.6), (x - 0.14, 0.6), arrowprops={"arrowstyle": "->", "color": INK})
    ax.set(xlim=(0, len(reports)), ylim=(-0.25, 1))
    ax.axis("off")
    ax.set_title("each hop has a contract; the first broken one stops the chain", fontsize=10.5, color=INK, loc="left")


def _folded(text: str, width: int = 20) -> str:
    import textwrap

    return "\n".join(line for part in text.split("\n") for line in textwrap.wrap(part, width))


def _draw_distances(ax: Axes, hop: str, distances: np.ndarray) -> None:
    ax.hist(np.log10(np.maximum(distances, 1e-9)), bins=np.arange(-9, 3.01, 0.5), color=BLUE, edgecolor="white")
    ax.set_yscale("symlog")
    ax.set_xticks(range(-9, 4, 3), ["≤ 1e-9", "1e-6", "1e-3", "1", "1,000"])
    label(ax, f"|difference| of the {TELLS[hop]}", "values", f"hop “{hop}” against the reference")


def _tell_chain(reports: Sequence[HopReport], shown: str, distances: np.ndarray) -> str:
    broken = next((r for r in reports if r.violations), None)
    if broken is None:
        told = f"All {len(reports)} hops keep their contracts"
    else:
        left = sum(not r.ran for r in reports)
        told = (f"The chain stops at “{broken.hop}”: {'; '.join(broken.violations)}. "
                f"{left} hop{'s' * (left != 1)} behind it did not run")
    top1 = next((r.figures["top-1 agreement"] for r in reversed(reports) if "top-1 agreement" in r.figures), None)
    agreed = f"; {top1} of the 597 images keep their class" if top1 else ""
    return f"{told}. Largest difference of the {TELLS[shown]} at “{shown}”: {distances.max():.2g}{agreed}."


def chain_figure() -> Any:
    """The interactive figure "a chain with contracts"."""
    import ipywidgets as widgets

    from utils.delivery.release.digits_release import FAULTS

    knobs = {
        "faults": widgets.SelectMultiple(options=list(FAULTS), value=(), rows=4, layout={"width": "440px"},
                                         description="faults (none, one or several)"),
        "bits": widgets.IntSlider(value=8, min=2, max=8, description="bits of a weight"),
        "min_top1": widgets.Dropdown(options=[("99.9 %", 0.999), ("98 %", 0.98), ("95 %", 0.95), ("50 %", 0.5)],
                                     value=0.98, description="top-1 agreement asked for"),
    }
    return explorer(draw_chain, knobs, Prediction(
        "The export loses the ten biases of the last layer. The accuracy on 597 images changes by less than a point. "
        "Which contract stops it?",
        ("None: the accuracy is nearly the same", "The parity of the logits, at the export",
         "The hash of the bundle, at the end"), 1,
        "Parity compares every logit with torch's: 0.2 off where 0.001 is allowed. A test of the accuracy alone would "
        "let it pass. Now choose faults, also two at once: only the first one is reported. How few bits keep 98 % of "
        "the classes?"), "A chain with contracts")


def chain_table(chain: DeploymentChain) -> Shown:
    """The hops of a chain that has run."""
    return table(("hop", "verdict", "measured, or broken"), chain.to_table())


# --- skew ------------------------------------------------------------------------------------------


def draw_skew(accuracies: Mapping[str, float]) -> tuple[Figure, str]:
    """Accuracy behind each preprocessing; the first one is right."""
    figure, (ax,) = new_figure(8.4, 3.2)
    names = list(accuracies)
    values = [100 * accuracies[name] for name in names]
    faults = len(names) - 1
    bars = ax.barh(names, values, color=[BLUE] + [ORANGE] * faults, hatch=[""] + ["//"] * faults, edgecolor="white")
    ax.bar_label(bars, [f"{v:.1f}" for v in values], padding=3, fontsize=9, color=INK)
    ax.invert_yaxis()
    ax.set_xlim(0, 108)
    ax.grid(axis="y", visible=False)
    label(ax, "accuracy on 597 held-out digits (%)", "", "no exception, no warning: only other numbers")
    told = ", ".join(f"{name} {value:.1f}" for name, value in zip(names[1:], values[1:]))
    return figure, f"With the preprocessing of the training {values[0]:.1f} % are right. With a fault, in %: {told}."


def skew_picture(accuracies: Mapping[str, float]) -> Shown:
    """The picture of `draw_skew`."""
    return shown_figure(*draw_skew(accuracies))


# --- the canary ------------------------------------------------------------------------------------


def draw_canary(p_base_pct: float = 1.0, p_canary_pct: float = 1.0, rate_per_s: int = 50,
                plan: str = "1 % → 5 % → 25 % → all", seed: int = 0) -> tuple[Figure, str]:
    """The difference of the error rates with its interval, look by look, over simulated traffic."""
    looks = _looks(p_base_pct / 100, p_canary_pct / 100, rate_per_s, PLANS[plan], seed)
    figure, (ax,) = new_figure(10.4, 3.5)
    _draw_looks(ax, looks)
    return figure, _tell_canary(looks, p_base_pct, p_canary_pct, rate_per_s)


@lru_cache(maxsize=64)
def _looks(p_base: float, p_canary: float, rate_per_s: float, steps: tuple[float, ...], seed: int) -> list[CanaryLook]:
    return simulate_canary(p_base, p_canary, rate_per_s, steps, TOLERANCE, min_requests=200, limit_s=8 * 3600,
                           seed=seed)


def _draw_looks(ax: Axes, looks: Sequence[CanaryLook]) -> None:
    from matplotlib.ticker import MaxNLocator

    minutes = np.array([look.second for look in looks]) / 60
    low, high = (100 * np.array([getattr(look, end) for look in looks]) for end in ("low", "high"))
    middle = 100 * np.array([_rate(look.canary) - _rate(look.base) for look in looks])
    for share in dict.fromkeys(look.share for look in looks):
        at = [i for i, look in enumerate(looks) if look.share == share]
        ax.fill_between(minutes[at], low[at], high[at], color=SKY, alpha=0.45, linewidth=0)
        ax.plot(minutes[at], middle[at], color=BLUE, marker="o" if len(at) < 60 else "", markersize=3.5)
        ends = (middle[at] - low[at], high[at] - middle[at])
        ax.errorbar(minutes[at], middle[at], ends, fmt="none", ecolor=BLUE, elinewidth=0.6)
        ax.axvline(minutes[at[0]] - 0.5, color=GREY, linewidth=0.9, linestyle=":")
        ax.annotate(f"canary {share:.0%}", (minutes[at[0]] - 0.5, 1.0), xycoords=("data", "axes fraction"),
                    xytext=(3, -10), textcoords="offset points", fontsize=8.5, color=INK)
    ax.axhline(100 * TOLERANCE, color=ORANGE, linestyle="--", linewidth=1.4)
    ax.text(0.0, 100 * TOLERANCE, " tolerance 1 point", transform=ax.get_yaxis_transform(), va="bottom", fontsize=8.5,
            color=INK)
    sign = {"promote": "▲ promoted", "rollback": "▼ rolled back", "continue": "still undecided"}[looks[-1].decision]
    ax.annotate(sign, (minutes[-1], middle[-1]), xytext=(-6, 12), textcoords="offset points", ha="right", fontsize=9.5,
                color=INK, bbox={"facecolor": "white", "edgecolor": GREY, "pad": 2})
    ax.set_ylim(-3, 7)
    ax.set_xlim(0, max(2.0, minutes[-1] + 1))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    label(ax, "minutes since the start (simulated traffic)", "canary − base (points)",
          "difference of the error rates, 95 % interval")


def _rate(counts: tuple[int, int]) -> float:
    return counts[0] / counts[1] if counts[1] else 0.0


def _tell_canary(looks: Sequence[CanaryLook], p_base_pct: float, p_canary_pct: float, rate_per_s: int) -> str:
    last, minutes = looks[-1], looks[-1].second / 60
    end = {"promote": "promoted to all users", "rollback": f"rolled back at a share of {last.share:.0%}",
           "continue": f"still undecided at a share of {last.share:.0%}"}[last.decision]
    return (f"Base {p_base_pct:g} %, canary {p_canary_pct:g} %, {rate_per_s} requests/s: {end} after {minutes:.0f} "
            f"minutes and {len(looks)} looks. At the last look {last.canary[0]} of {last.canary[1]:,} canary "
            f"requests had failed; the interval is {100 * last.low:.2f} to {100 * last.high:.2f} points.")


def canary_figure() -> Any:
    """The interactive figure "a canary over time"."""
    import ipywidgets as widgets

    rates = [0.5, 1.0, 1.5, 2.0, 3.0, 5.0]
    knobs = {
        "p_base_pct": widgets.Dropdown(options=rates[:4], value=1.0, description="true error rate of the base (%)"),
        "p_canary_pct": widgets.Dropdown(options=rates, value=1.0, description="true error rate of the canary (%)"),
        "rate_per_s": widgets.Dropdown(options=[5, 50, 500], value=50, description="requests/s"),
        "plan": widgets.Dropdown(options=list(PLANS), value=next(iter(PLANS)), description="steps"),
        "seed": widgets.IntSlider(value=0, min=0, max=9, description="seed"),
    }
    return explorer(draw_canary, knobs, Prediction(
        "Both releases fail in 1 % of the requests, 50 requests arrive a second, and the first step has 1 % of the "
        "users. Up to 1 point more is tolerated. How long does the first step take?",
        ("A few seconds", "About a minute", "Many minutes"), 2,
        "1 % of 50 requests/s is one request in 2 seconds, and hundreds to thousands of them are needed before the "
        "interval is narrow enough: 6 to 72 minutes with the ten seeds. A larger share decides sooner, but more users "
        "meet a bad release. Then make the canary worse: 3 %, 2 %, 1.5 %."), "A canary over time")


def looks_table(trials: int = 1500, n: int = 5000) -> Shown:
    """How often a release that is at the limit (1 % → 2 %, tolerance 1 point) is promoted, by the number of looks."""
    rows = []
    for count in (1, 5, 50):
        looks = list(range(n // count, n + 1, n // count))
        share = promoted_share(0.01, 0.02, TOLERANCE, looks, trials, np.random.default_rng(0))
        rows.append((count, f"{n // count:,}", f"{share:.1%}"))
    return table(("looks", "canary requests between looks", "promoted"), rows,
                 f"{trials:,} simulated canaries of {n:,} requests; base 1 %, canary 2 %, tolerance 1 point")


# --- TensorRT, and the picture ---------------------------------------------------------------------


def parity_table(rows: Mapping[str, ParityReport]) -> Shown:
    """A row a report."""
    head = ("against torch", "largest |difference|", "smallest cosine", "SQNR (dB)", "top-1 agreement")
    return table(head, [(name, f"{r.max_abs:.1e}", f"{r.min_cosine:.6f}", f"{r.sqnr_db:.1f}", f"{r.top1_agreement:.2%}")
                        for name, r in rows.items()])


def tensorrt_hop() -> Shown:
    """The parity report of the network as a TensorRT engine, or a sentence that there is none here."""
    from utils.delivery.release.digits_release import tensorrt_parity

    try:
        return parity_table({"TensorRT engine": tensorrt_parity()})
    except EngineUnavailable:
        text = ("TensorRT, NVIDIA's engine, or a GPU is not here. With them this cell builds an engine of the exported "
                "file, runs the 597 images, and shows the same parity report.")
        return Shown(f"<p>{text}</p>", text)


def static_picture() -> Figure:
    """What remains of the figures where no kernel runs: a chain that 3-bit weights stop, and a canary."""
    reports, _ = _chain((), 3, 0.98)
    figure, (top, below) = new_figure(9.6, 6.2, 2, 1, height_ratios=(1, 1.25))
    _draw_hops(top, reports)
    _draw_looks(below, _looks(0.01, 0.03, 50, PLANS["1 % → 5 % → 25 % → all"], 0))
    return figure

"""Figures and measurements of chapter 25: what a soft label says, what it is worth, and which modes a student keeps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.distillation import (
    BudgetRow,
    MissingRow,
    calibration_rows,
    dark_knowledge,
    few_student,
    fit_gaussian_to_mixture,
    gradient_norms,
    label_budget,
    least_sure_images,
    missing_class,
    mixture,
    new_student,
    softmax_t,
    temperature_sweep,
    trained_teacher,
)
from utils.compression.distillation.divergences import gaussian
from utils.cost.edge_metrics import wilson_interval
from utils.networks.digits import load_digits_split, predict

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, Shown, label, line_style, new_figure, shown_figure, table, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEMPERATURES = (0.5, 1.0, 2.0, 4.0, 8.0, 20.0)
CLASSES = np.arange(10)


def _pct(share: float, digits: int = 0) -> str:
    return f"{share:.{digits}%}".replace("%", " %")


def test_images() -> int:
    """How many images the accuracies of this chapter are counted on."""
    return len(load_digits_split()[3])


# --- a soft label -----------------------------------------------------------------------------


@cache
def _logits(digit: int, who: str, T: float = 1.0, alpha: float = 1.0) -> np.ndarray:
    """Logits (10,) of teacher, untrained or distilled student on the test image of `digit` that is hardest to name."""
    X = load_digits_split()[1]
    model = {"teacher": trained_teacher, "before": new_student}[who]() if who != "after" else few_student(T, alpha)
    return predict(model, X[[least_sure_images()[digit]]]).numpy()[0]


def draw_soft_label(digit: int = 3, temperatures: Sequence[float] = (1.0, 4.0)) -> tuple[Figure, str]:
    """A test image, and what the teacher says about it at two temperatures."""
    figure, axes = new_figure(9.4, 2.7, 1, 1 + len(temperatures), width_ratios=(0.8, *[1.3] * len(temperatures)))
    _draw_image(axes[0], digit)
    t, told = _logits(digit, "teacher"), []
    for ax, T, color in zip(axes[1:], temperatures, (GREY, BLUE)):
        p = softmax_t(t, T)
        bars = ax.bar(CLASSES, p, color=color, hatch="//" if color == BLUE else "")
        ax.bar_label(bars, [f"{v:.2f}" if v >= 0.005 else "" for v in p], fontsize=8, padding=2, color=INK)
        _digit_axis(ax)
        ax.set_ylim(0, 1.05 * max(1, p.max()))
        label(ax, "class", "probability", f"T = {T:g}")
        best = [int(c) for c in np.argsort(-p)[:4]]
        told.append(f"at T = {T:g} " + ", ".join(f"{_pct(p[c])} for {c}" for c in best))
    return figure, f"What the teacher says about this {digit}: {'; '.join(told)}."


def soft_label(digit: int = 3) -> Shown:
    """The picture of `draw_soft_label` for a code cell."""
    return shown_figure(*draw_soft_label(digit))


def _draw_image(ax: Axes, digit: int) -> None:
    image = load_digits_split()[1][least_sure_images()[digit]].reshape(8, 8)
    ax.imshow(image, cmap="Greys", vmin=0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    label(ax, "8 × 8 pixels", "", f"labelled {digit}")


def _digit_axis(ax: Axes) -> None:
    ax.set_xticks(CLASSES, [str(c) for c in CLASSES])
    ax.grid(False, axis="x")


# --- dark knowledge ---------------------------------------------------------------------------


@cache
def _sweep(alpha: float) -> tuple[int, ...]:
    temperatures = TEMPERATURES if alpha else TEMPERATURES[:1]  # without a soft part T plays no role
    found = temperature_sweep(temperatures, alpha)
    return tuple(found if alpha else found * len(TEMPERATURES))


def dark_knowledge_figure(digit: int = 3, T: float = 4.0, alpha: float = 1.0) -> tuple[Figure, str]:
    """One test image: teacher and student at temperature T, the gradients, and what T does to a student's accuracy.

    T is one of TEMPERATURES; the students really learnt from 50 images, with the full loss.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.6), layout="constrained", facecolor="white")
    axes = figure.subplot_mosaic([["image", "bars", "bars", "bars"], ["gradients", "gradients", "sweep", "sweep"]],
                                 height_ratios=(1, 1.05))
    for ax in axes.values():
        tidy(ax)
    t, before = _logits(digit, "teacher"), _logits(digit, "before")
    after = _logits(digit, "after", T if alpha else TEMPERATURES[0], alpha)
    _draw_image(axes["image"], digit)
    _draw_distributions(axes["bars"], t, before, after, T)
    norms = _draw_gradients(axes["gradients"], before, t, digit, T)
    right = _draw_sweep(axes["sweep"], T, alpha)
    return figure, _tell(dark_knowledge(t, T), digit, T, alpha, norms, right)


def _draw_distributions(ax: Axes, t: np.ndarray, before: np.ndarray, after: np.ndarray, T: float) -> None:
    shown = ((t, BLUE, "", "teacher"), (before, GREY, "..", "student before"), (after, ORANGE, "//", "student after"))
    for i, (logits, color, hatch, name) in enumerate(shown):
        ax.bar(CLASSES + 0.27 * (i - 1), softmax_t(logits, T), 0.27, color=color, hatch=hatch, edgecolor="white",
               label=name)
    _digit_axis(ax)
    ax.set_ylim(0, 1.02)
    ax.legend(fontsize=9, frameon=False, ncols=3, loc="upper right")
    label(ax, "class", "probability", f"The same image, softened by T = {T:g}")


def _draw_gradients(ax: Axes, s: np.ndarray, t: np.ndarray, digit: int, T: float) -> dict[str, float]:
    at = np.geomspace(0.5, 20, 40)
    norms = gradient_norms(s, t, digit, at)
    for i, (name, values) in enumerate(norms.items()):
        ax.plot(at, values, label=name, **{**line_style(i), "marker": ""}, linewidth=2)
    now = {name: values[0] for name, values in gradient_norms(s, t, digit, (T,)).items()}
    ax.plot([T] * 3, list(now.values()), "o", color=INK, markersize=6, markerfacecolor="white")
    ax.axvline(T, color=INK, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(TEMPERATURES, [f"{v:g}" for v in TEMPERATURES])
    ax.minorticks_off()
    ax.legend(fontsize=9, frameon=False, loc="lower left")
    label(ax, "temperature T", "size of the gradient", "What the untrained student feels")
    return now


def _draw_sweep(ax: Axes, T: float, alpha: float) -> dict[str, int]:
    n = test_images()
    found, hard = dict(zip(TEMPERATURES, _sweep(alpha))), _sweep(0.0)[0]
    ax.plot(list(found), [v / n for v in found.values()], label=f"alpha = {alpha:g}", **line_style(0))
    ax.axhline(hard / n, color=ORANGE, linestyle="--", label="labels only")
    ax.plot([T], [found[T] / n], "o", markersize=12, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=2)
    ax.annotate(f"{found[T]} of {n}", (T, found[T] / n), xytext=(0, 12), textcoords="offset points", fontsize=10,
                color=INK, ha="center", weight="bold")
    ax.set_xscale("log")
    ax.set_xticks(TEMPERATURES, [f"{v:g}" for v in TEMPERATURES])
    ax.minorticks_off()
    ax.set_ylim(0.8, 0.96)
    ax.legend(fontsize=9, frameon=False, loc="upper left")
    label(ax, "temperature T", f"accuracy on {n} test images", "Students of 50 images")
    return {"now": found[T], "hard": hard}


def _tell(soft: dict, digit: int, T: float, alpha: float, norms: dict[str, float], right: dict[str, int]) -> str:
    p = soft["p"]
    second = int(np.argsort(-p)[1])
    return (f"At T = {T:g} the teacher gives this {digit} {_pct(p[digit])} and {second} {_pct(p[second])}, "
            f"an entropy of {soft['entropy_bits']:.2f} bits. "
            f"Into the untrained student the soft gradient is {norms['soft']:.2g} without T² and "
            f"{norms['soft, times T²']:.2g} with it, "
            f"the hard one {norms['hard']:.2g}. With alpha = {alpha:g} the student of 50 images gets {right['now']} of "
            f"{test_images()} right, with labels alone {right['hard']}.")


def dark_knowledge_explorer() -> Any:
    """The interactive figure: which image, which temperature, how much weight on the soft labels."""
    import ipywidgets as widgets

    images, steps = [(f"the hardest {c}", c) for c in range(10)], [(f"{T:g}", T) for T in TEMPERATURES]
    return explorer(
        dark_knowledge_figure,
        {
            "digit": widgets.Dropdown(options=images, value=3, description="image"),
            "T": widgets.SelectionSlider(options=steps, value=1.0, description="temperature T"),
            "alpha": widgets.SelectionSlider(options=[0.0, 0.5, 0.9, 1.0], value=1.0,
                                             description="alpha (weight of the soft part)"),
        },
        Prediction("A student of 50 labelled images gets 446 of 540 test images right. Another gets the teacher's soft "
                   "labels of the same 50, at T = 8. How many does it get right?",
                   ("about the same", "about 460", "about 495", "all 540"), 2,
                   "An image then says how much it resembles each of the ten classes. That is worth many more labels."),
        title="Dark knowledge: a teacher of 50,826 parameters, students of 1,210, really trained",
    )


# --- one Gaussian for two modes ---------------------------------------------------------------


def modes_figure(separation: float = 6.0, share: float = 0.6) -> tuple[Figure, str]:
    """A teacher with two modes, and the single Gaussian nearest to it by forward and by reverse KL."""
    x = np.linspace(-9, 9, 400)
    figure, (ax,) = new_figure(8.4, 3.4)
    ax.fill_between(x, mixture(x, separation, share), color=GREY, alpha=0.35, label="teacher (simulated)")
    fits = {d: fit_gaussian_to_mixture(d, separation, share) for d in ("forward", "reverse")}
    for (direction, fit), color, dash in zip(fits.items(), (BLUE, ORANGE), ("-", "--")):
        told = {"forward": "forward KL(teacher‖student)", "reverse": "reverse KL(student‖teacher)"}[direction]
        ax.plot(x, gaussian(x, fit.mean, fit.std), color=color, linestyle=dash, linewidth=2.2, label=told)
    ax.set_ylim(0, 0.45)
    ax.legend(fontsize=9, frameon=False, loc="upper right")
    label(ax, "what may be said", "probability density", "The student can only be one bell")
    f, r = fits["forward"], fits["reverse"]
    return figure, (f"Two modes {separation:g} apart, {_pct(share)} in the left one. Forward KL gives a bell at "
                    f"{f.mean:.2f} of width {f.std:.2f}, which covers both; reverse KL one at {r.mean:.2f} of width "
                    f"{r.std:.2f}"
                    + (", which keeps one of them." if r.std < 0.7 * f.std else ", which is nearly the same."))


def modes_explorer() -> Any:
    """The interactive figure of the two directions of KL."""
    import ipywidgets as widgets

    return explorer(
        modes_figure,
        {"separation": widgets.FloatSlider(value=6.0, min=0, max=8, step=0.5, description="distance of the modes"),
         "share": widgets.FloatSlider(value=0.6, min=0.5, max=0.9, step=0.05, description="share of the left mode")},
        Prediction("The teacher says one of two things, the student can only say one. Which direction of KL makes it "
                   "say something in between?", ("KL(teacher‖student)", "KL(student‖teacher)", "both", "neither"), 0,
                   "The teacher's probabilities weigh, so the student must miss nothing that the teacher says."),
        title="Cover or choose: the best single bell for two modes (simulated)",
    )


# --- the experiment ---------------------------------------------------------------------------

WAYS = {"few_hard": "50 labels", "few_distilled": "the same 50 images, soft labels",
        "unlabelled": "1,257 images, soft labels, no label", "all_hard": "1,257 labels"}


def measure_budget(seeds: Sequence[int] = (0, 1, 2)) -> list[BudgetRow]:
    """Four students from each seed: right answers among the test images."""
    return [label_budget(seed) for seed in seeds]


def budget_table(rows: Sequence[BudgetRow]) -> Shown:
    """The label experiment as a table: counts of each seed, the mean accuracy and its 95 % Wilson interval."""
    n, told = test_images(), []
    for field, name in WAYS.items():
        counts = [getattr(row, field) for row in rows]
        mean = sum(counts) / len(counts)
        low, high = wilson_interval(mean, n)
        told.append((name, *(f"{c}" for c in counts), f"{mean / n:.3f}", f"{low:.3f} to {high:.3f}"))
    head = (f"right of {n}", *(f"seed {row.seed}" for row in rows), "mean", "95 % interval of one student")
    return table(head, told)


def budget_chart(rows: Sequence[BudgetRow]) -> Shown:
    """The label experiment as points, one for each seed."""
    n = test_images()
    figure, (ax,) = new_figure(8.0, 2.6)
    for i, (field, color) in enumerate(zip(WAYS, (GREY, ORANGE, BLUE, GREEN))):
        shares = [getattr(row, field) / n for row in rows]
        ax.plot([min(shares), max(shares)], [i, i], color=color, linewidth=6, alpha=0.4, solid_capstyle="round")
        ax.plot(shares, [i] * len(shares), "o", color=color, markersize=6)
        ax.annotate(f"{np.mean(shares):.3f}", (max(shares), i), xytext=(9, 0), textcoords="offset points", va="center",
                    fontsize=9.5, color=INK)
    ax.set_yticks(range(len(WAYS)), list(WAYS.values()))
    ax.set_ylim(len(WAYS) - 0.5, -0.5)
    ax.set_xlim(0.75, 1.0)
    label(ax, f"accuracy on {n} test images, a point for each seed", "", "The same student, four ways to train it")
    told = "; ".join(f"{name}: {np.mean([getattr(r, field) for r in rows]) / n:.3f}" for field, name in WAYS.items())
    return shown_figure(figure, f"Mean accuracies: {told}.", 680)


def measure_missing(temperatures: Sequence[float | None] = (None, 1, 2, 4, 8)) -> list[MissingRow]:
    """Students that never saw a 3: hard labels, and soft labels at several temperatures."""
    return [missing_class(T) for T in temperatures]


def missing_table(rows: Sequence[MissingRow]) -> Shown:
    """The missing-class experiment as a table of counts."""
    first = rows[0]
    told = [(r.name, f"{r.right}", f"{r.raised}", f"{r.overall}") for r in rows]
    return table(("never saw a 3", f"3s right, of {first.of_class}", "with the bias of 3 raised by 3",
                  f"all digits right, of {first.images}"), told)


def missing_chart(rows: Sequence[MissingRow]) -> Shown:
    """The missing-class experiment as bars."""
    figure, (ax,) = new_figure(7.6, 2.8)
    places, n = np.arange(len(rows)), rows[0].of_class
    for offset, field, color, hatch, name in ((-0.2, "right", BLUE, "", "as trained"),
                                              (0.2, "raised", PINK, "//", "bias raised by 3")):
        bars = ax.bar(places + offset, [getattr(r, field) for r in rows], 0.38, color=color, hatch=hatch, label=name)
        ax.bar_label(bars, fontsize=9, padding=2, color=INK)
    ax.set_xticks(places, [r.name for r in rows])
    ax.set_ylim(0, n * 1.32)
    ax.grid(False, axis="x")
    ax.legend(fontsize=9, frameon=False, loc="upper left", ncols=2)
    label(ax, "", f"3s right, of {n}", "A digit that the student never saw")
    told = "; ".join(f"{r.name}: {r.right}" for r in rows)
    return shown_figure(figure, f"3s named right, of {n}, by students that never saw one ({told}).", 640)


def calibration_table() -> Shown:
    """How far confidence and accuracy lie apart, for teacher and students."""
    rows = [(name, f"{100 * error:.1f}") for name, error in calibration_rows().items()]
    return table(("all training images", "calibration error, percentage points"), rows)


def static_picture() -> Figure:
    """What remains where no kernel runs: a sloppy 3 at T = 4."""
    return dark_knowledge_figure(3, 4.0, 1.0)[0]

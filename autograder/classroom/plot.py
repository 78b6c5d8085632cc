"""The statistics of a class as one picture: shares by exercise, and the most frequent mistakes."""

from __future__ import annotations

import io
import os
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.widgets.style import BLUE, GREY, INK, ORANGE, SKY, label, tidy

from . import ClassroomError
from .statistics import FULL, NONE, PARTLY, SHARES, WRONG, AssignmentStatistics, ExerciseStatistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lightness differs as well as hue, and each outcome has a hatch: a grey print still tells them apart.
LOOKS = {FULL: (BLUE, "", "white"), PARTLY: (SKY, "///", INK), WRONG: (ORANGE, "xx", INK), NONE: ("#E3E6EA", "..", INK)}
FORMATS = ("svg", "png")
MOST_MISTAKES = 10
ROW_INCHES = 0.42
# A narrower segment has no room for its number.
LEAST_LABELLED = 0.05


def draw_statistics(statistics: Sequence[AssignmentStatistics]) -> Figure:
    """A matplotlib figure. Needs at least one exercise with a student."""
    from matplotlib.figure import Figure

    exercises = [e for s in statistics for e in s.exercises if e.students]
    if not exercises:
        raise ClassroomError("nothing is graded yet, so there is nothing to draw: run `autograder grade` first")
    mistakes = sorted(((n, e.exercise, title) for e in exercises for _, title, n in e.misconceptions),
                      key=lambda m: (-m[0], m[1:]))[:MOST_MISTAKES]
    heights = [len(exercises) + 1.2] + ([len(mistakes) + 0.8] if mistakes else [])
    figure = Figure(figsize=(9.5, ROW_INCHES * sum(heights) + 1.8), layout="constrained", facecolor="white")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    _shares(axes[0], exercises)
    if mistakes:
        _mistakes(axes[1], mistakes)
    return figure


def _shares(ax: Axes, exercises: list[ExerciseStatistics]) -> None:
    tidy(ax)
    for row, exercise in enumerate(exercises):
        left = 0.0
        for name in SHARES:
            share = exercise.shares[name] / exercise.students
            colour, hatch, text = LOOKS[name]
            ax.barh(row, 100 * share, left=left, height=0.72, color=colour, hatch=hatch, edgecolor="white",
                    label=name if row == 0 else None, linewidth=1)
            if share >= LEAST_LABELLED:
                ax.text(left + 50 * share, row, str(exercise.shares[name]), ha="center", va="center", fontsize=9,
                        color=text, bbox=None if not hatch else {"facecolor": "white", "edgecolor": "none", "pad": 1.2})
            left += 100 * share
        ax.text(101, row, f"{exercise.mean:.1f} of {exercise.max_points:g}", va="center", fontsize=9, color=INK)
    ax.text(101, -0.75, "mean points", va="center", fontsize=9, color=INK, fontweight="bold")
    ax.set_yticks(range(len(exercises)), [e.exercise for e in exercises])
    ax.set_ylim(len(exercises) - 0.4, -1.0)
    ax.set_xlim(0, 118)
    ax.set_xticks(range(0, 101, 20))
    ax.grid(False, axis="y")
    ax.spines["bottom"].set_bounds(0, 100)
    label(ax, "share of the students (%); the numbers in the bars are students", "", "Outcome by exercise")
    ax.legend(ncols=len(SHARES), fontsize=9, frameon=False, loc="lower left", bbox_to_anchor=(0.25, 1.0),
              handlelength=1.6, borderaxespad=0.2)


def _mistakes(ax: Axes, mistakes: list[tuple[int, str, str]]) -> None:
    tidy(ax)
    names = [f"{exercise}\n{textwrap.shorten(title, 46, placeholder=' …')}" for _, exercise, title in mistakes]
    counts = [n for n, *_ in mistakes]
    ax.barh(range(len(counts)), counts, height=0.66, color=GREY)
    for row, count in enumerate(counts):
        ax.text(count, row, f" {count}", va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(names)), names, fontsize=8.5)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, max(counts) * 1.08)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(False, axis="y")
    label(ax, "students", "", "Most frequent mistakes")


def write_plot(path: Path, statistics: Sequence[AssignmentStatistics]) -> None:
    """Draw into an SVG or PNG file, as a whole or not at all. ClassroomError for another ending."""
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise ClassroomError(f"{path} has no ending that is known here: name it .svg or .png")
    if not path.parent.is_dir():
        raise ClassroomError(f"{path.parent} is no folder: make it, or name another file")
    figure, image = draw_statistics(statistics), io.BytesIO()
    figure.savefig(image, format=kind, dpi=160, metadata={"Title": "Outcome by exercise"})
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(image.getvalue())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise

"""The look of the course's figures: colours, axes, and how a figure becomes an image with a text."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette (2008), told apart by colour-blind readers. Never the only cue: lines differ
# in dash and marker too, bars carry labels.
BLUE, ORANGE, GREEN, YELLOW = "#0072B2", "#D55E00", "#00785A", "#E69F00"
PINK, SKY, GREY, INK = "#A8508A", "#56B4E9", "#6E7781", "#1F2328"
PALETTE = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, GREY)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_figure(width: float = 8.0, height: float = 3.6, rows: int = 1, cols: int = 1,
               **grid) -> tuple[Figure, list[Axes]]:
    """A matplotlib figure (inches) without pyplot's global state, and its axes as a flat list."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, cols, squeeze=False, **grid).ravel().tolist()
    for ax in axes:
        tidy(ax)
    return figure, axes


def tidy(ax: Axes) -> None:
    """Course look for one pair of axes: no box, light grid, readable ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    ax.grid(True, color="#E3E6EA", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=9, colors=INK)


def label(ax: Axes, x: str, y: str, title: str = "") -> None:
    """Axis labels (with their units) and a title that says what to see."""
    ax.set_xlabel(x, fontsize=10, color=INK)
    ax.set_ylabel(y, fontsize=10, color=INK)
    if title:
        ax.set_title(title, fontsize=10.5, color=INK, loc="left")


def line_style(index: int) -> dict:
    """Colour, dash and marker of the `index`-th line, so that none is told by colour alone."""
    return {"color": PALETTE[index % 7], "linestyle": DASHES[index % 7], "marker": MARKERS[index % 7], "markersize": 4}


def figure_html(figure: Figure, alt: str, width_px: int = 0) -> str:
    """The figure as an <img> with alt text; sharp on screens with two pixels a point."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=160, facecolor="white")
    shown = width_px or int(figure.get_figwidth() * 96)
    text = base64.b64encode(data.getvalue()).decode()
    return (f'<img src="data:image/png;base64,{text}" alt="{html.escape(alt, quote=True)}" '
            f'style="width:{shown}px;max-width:100%;height:auto;border-radius:4px">')


def table_html(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """A plain table in the theme's colours; the first column is the row's heading."""
    cell = "padding:3px 12px 3px 0;text-align:left;border-bottom:1px solid var(--jp-border-color2,#d0d7de)"
    lines = "".join(f'<th scope="col" style="{cell}">{html.escape(str(h))}</th>' for h in head)
    body = "".join(
        "<tr>" + "".join(f'<{"th scope=row" if i == 0 else "td"} style="{cell};font-weight:{600 if i == 0 else 400}">'
                         f'{html.escape(str(v))}</{"th" if i == 0 else "td"}>' for i, v in enumerate(row)) + "</tr>"
        for row in rows)
    title = f'<caption style="text-align:left;padding:2px 0">{html.escape(caption)}</caption>' if caption else ""
    return f'<table style="border-collapse:collapse;font-size:13px">{title}<tr>{lines}</tr>{body}</table>'


@dataclass(frozen=True)
class Shown:
    """Something that a notebook shows as HTML and a terminal as text."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def shown_figure(figure: Figure, sentence: str, width_px: int = 0) -> Shown:
    """The figure with the sentence that tells it, which is its alt text and all that a terminal shows."""
    return Shown(f"{figure_html(figure, sentence, width_px)}<p>{html.escape(sentence)}</p>", sentence)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> Shown:
    """A table for both places; the text's columns are as wide as their widest cell."""
    cells = [[str(v) for v in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join([row[0].ljust(widths[0]), *(v.rjust(w) for v, w in zip(row[1:], widths[1:]))]) for row in cells]
    return Shown(table_html(head, rows, caption), "\n".join([caption, *lines] if caption else lines))

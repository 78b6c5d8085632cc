"""The static picture of a chapter's figure: what remains where no kernel runs.

A chapter names its picture in `utils/widgets/chNN_slug.py` by a function `static_picture()` that
returns a matplotlib figure or an SVG string.
"""

from __future__ import annotations

import importlib
import io

from ..chapters import Chapter
from .build import PICTURES, write_text


def draw_picture(chapter: Chapter) -> None:
    """Draw solutions/pictures/NN_slug.svg anew. KeyError if the chapter has no `static_picture`."""
    name = f"utils.widgets.ch{chapter.stem}"
    try:
        picture = importlib.import_module(name).static_picture()
    except (ModuleNotFoundError, AttributeError) as error:
        raise KeyError(f"{name}.static_picture() is missing: {error}") from error
    write_text(PICTURES / f"{chapter.stem}.svg", picture if isinstance(picture, str) else figure_svg(picture))


def figure_svg(figure) -> str:
    """A matplotlib figure as SVG without dates or random ids."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "course", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight", facecolor="white")
    return text.getvalue()

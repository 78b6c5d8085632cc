"""The thin ipywidgets shell around a figure: a guess first, then knobs that redraw it.

`draw(**values)` is a pure function of the knobs' values; it returns `(picture, sentence)`: a matplotlib
figure or an HTML/SVG string, and one sentence with the picture's numbers, which is shown below it and
serves as alt text.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .style import figure_html


@dataclass(frozen=True)
class Prediction:
    """What is asked before the figure shows: options, which one is right (index), and why."""

    question: str
    options: Sequence[str]
    right: int
    why: str


def explorer(draw: Callable[..., tuple[Any, str]], knobs: Mapping[str, Any], predict: Prediction | None = None,
             title: str = "") -> Any:
    """An interactive figure (an ipywidgets VBox). `knobs` maps arguments of `draw` to value widgets."""
    import ipywidgets as widgets

    picture, sentence = widgets.HTML(), widgets.HTML()

    def redraw(_: Any = None) -> None:
        picture.value, sentence.value = rendered(*draw(**{name: knob.value for name, knob in knobs.items()}))

    for name, knob in knobs.items():
        knob.description = knob.description or name
        if hasattr(knob.style, "description_width"):
            knob.style.description_width = "initial"
        if hasattr(knob, "continuous_update"):
            knob.continuous_update = False
        knob.observe(redraw, "value")
    redraw()
    row = widgets.Box(list(knobs.values()), layout=widgets.Layout(flex_flow="row wrap", grid_gap="4px 18px"))
    head = [widgets.HTML(f"<b>{html.escape(title)}</b>")] if title else []
    view = widgets.VBox([*head, row, picture, sentence])
    return view if predict is None else _asked_first(predict, view)


def rendered(picture: Any, sentence: str) -> tuple[str, str]:
    """(HTML of the picture, HTML of the sentence)."""
    shown = picture if isinstance(picture, str) else figure_html(picture, sentence)
    return shown, f'<p role="status" style="margin:4px 0;max-width:820px;line-height:1.45">{html.escape(sentence)}</p>'


def _asked_first(predict: Prediction, view: Any) -> Any:
    """The question with its options; the first click opens the figure and tells what is right."""
    import ipywidgets as widgets

    told = widgets.HTML()
    view.layout.display = "none"
    buttons = [widgets.Button(description=option, tooltip=option) for option in predict.options]
    for index, button in enumerate(buttons):
        button.layout.width = "auto"

        def answered(_: Any, index: int = index) -> None:
            good = index == predict.right
            sign = "✓ As you guessed." if good else f"✗ It is: {predict.options[predict.right]}."
            told.value = (f'<p role="status" style="margin:2px 0;max-width:820px;line-height:1.45"><b>'
                          f"{html.escape(sign)}</b> {html.escape(predict.why)}</p>")
            view.layout.display = ""

        button.on_click(answered)
    question = widgets.HTML(f'<p style="margin:2px 0;max-width:820px;line-height:1.45"><b>Guess first.</b> '
                            f"{html.escape(predict.question)}</p>")
    row = widgets.Box(buttons, layout=widgets.Layout(flex_flow="row wrap", grid_gap="4px"))
    return widgets.VBox([question, row, told, view])

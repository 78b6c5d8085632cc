"""The thin ipywidgets shell of the serving simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from utils.widgets.shell import Prediction, explorer
from utils.widgets.style import figure_html

from .picture import serving_picture, serving_table, side_by_side
from .presets import PRESETS
from .settings import complete, make_knobs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAST, START, NOTHING = "the last setting", "where you started", "nothing"


class Comparison:
    """What the picture is compared with: it remembers where the knobs started and where they were before."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        self.start = self.now = complete(start)
        self.last: Mapping[str, Any] | None = None

    def before(self, values: Mapping[str, Any], compare: str) -> Mapping[str, Any] | None:
        """The other setting to show beside `values`; None when there is none or it is the same."""
        if values != self.now:
            self.last, self.now = self.now, dict(values)
        other = {LAST: self.last, START: self.start, NOTHING: None}[compare]
        return None if other == self.now else other


def serving_simulator(preset: str = "45", predict: Prediction | None = None) -> Any:
    """The interactive simulator as a chapter starts it; `predict` replaces the chapter's question.

    Raises KeyError for a chapter without a preset.
    """
    import ipywidgets as widgets

    chosen = PRESETS[preset]
    knobs = make_knobs(chosen.values)
    compare = widgets.Dropdown(options=[LAST, START, NOTHING], value=LAST, description="compare with",
                               layout=widgets.Layout(width="97%"))
    memory = Comparison(chosen.values)

    def draw(compare: str, **values: Any) -> tuple[str, str]:
        before = memory.before(values, compare)
        picture, sentence = serving_picture(values, before, gpu=chosen.gpu)
        if isinstance(picture, str):
            return picture, sentence
        return side_by_side(figure_html(picture, sentence), serving_table(values, before)), sentence

    shell = explorer(draw, {**knobs, "compare": compare}, predict or chosen.predict, chosen.title)
    view = shell.children[-1]
    title, _, *shown = view.children
    view.children = (title, _row([*(knobs[name] for name in chosen.knobs), compare]),
                     _others([knob for name, knob in knobs.items() if name not in chosen.knobs]), *shown)
    return shell


def static_picture(preset: str) -> Figure:
    """What remains where no kernel runs: the chapter's change, beside its start as a pale line."""
    chosen = PRESETS[preset]
    return serving_picture({**chosen.values, **chosen.change}, chosen.values, gpu=chosen.gpu)[0]


def _row(knobs: list[Any]) -> Any:
    import ipywidgets as widgets

    return widgets.GridBox(knobs, layout=widgets.Layout(
        grid_template_columns="repeat(auto-fill, minmax(min(330px, 100%), 1fr))", grid_gap="0 14px"))


def _others(knobs: list[Any]) -> Any:
    """The knobs that are not in view, folded away."""
    import ipywidgets as widgets

    folded = widgets.Accordion(children=[_row(knobs)], selected_index=None)
    folded.set_title(0, "all other knobs")
    return folded

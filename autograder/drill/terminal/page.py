"""What every screen has: a line on top, a warning where there is one, a page that scrolls, the keys at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from ..labels import say
from .texts import Hints, Told
from .wrapping import BAD, Wrapped

Keys = list[tuple[str, str]]


class Paper(VerticalScroll, can_focus=False):
    """The part of a screen that scrolls."""


class Page(Screen[None]):
    """A screen of the practice. Its keys work wherever the focus is, except while a text is typed."""

    AUTO_FOCUS = None
    BINDINGS: ClassVar = [
        Binding("up", "up"), Binding("down", "down"), Binding("pageup", "page(-1)"), Binding("pagedown", "page(1)"),
        Binding("home", "edge(-1)"), Binding("end", "edge(1)"),
    ]

    def compose(self) -> ComposeResult:
        yield Told(id="head")
        yield Told(id="notice")
        with Paper(id="paper"):
            yield from self.body()
        yield Hints(id="hints")

    def body(self) -> ComposeResult:
        yield from ()

    @property
    def language(self) -> str:
        return self.app.language

    @property
    def paper(self) -> Paper:
        return self.query_one("#paper", Paper)

    def tell_head(self, text: str) -> None:
        head = self.query_one("#head", Told)
        if head.plain != text:
            head.tell(Content(text))

    def tell_notice(self, text: str) -> None:
        """A warning above the page, or "" for none."""
        self.query_one("#notice", Told).tell(Content.assemble(("! ", BAD), text) if text else "")

    def tell_keys(self, keys: Keys) -> None:
        self.query_one("#hints", Hints).tell_keys(keys)

    def action_up(self) -> None:
        self.paper.scroll_up(animate=False)

    def action_down(self) -> None:
        self.paper.scroll_down(animate=False)

    def action_page(self, way: int) -> None:
        (self.paper.scroll_page_up if way < 0 else self.paper.scroll_page_down)(animate=False)

    def action_edge(self, way: int) -> None:
        (self.paper.scroll_home if way < 0 else self.paper.scroll_end)(animate=False)


class Confirm(ModalScreen[bool]):
    """Asks before something is lost: Enter does it, Escape does not."""

    BINDINGS: ClassVar = [Binding("enter", "answer(True)"), Binding("escape", "answer(False)")]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self.question, self.yes = question, yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Told(self.question)
            yield Hints(classes="inner")

    def on_mount(self) -> None:
        self.query_one(Hints).tell_keys([("enter", self.yes), ("escape", say(self.app.language, "go back"))])

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class Picker(ModalScreen[int | None]):
    """A list to choose from; the number of what was chosen, or None."""

    BINDINGS: ClassVar = [Binding("escape", "dismiss(None)")]

    def __init__(self, labels: Sequence[str], at: int) -> None:
        super().__init__()
        self.labels, self.at = labels, at

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield OptionList(*(Option(self._prompt(i, i == self.at)) for i in range(len(self.labels))))
            yield Hints(classes="inner")

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = self.at
        options.focus()
        language = self.app.language
        self.query_one(Hints).tell_keys([("↑↓", say(language, "move")), ("enter", say(language, "choose")),
                                         ("escape", say(language, "go back"))])

    def _prompt(self, i: int, in_hand: bool) -> Wrapped:
        return Wrapped(Content(f"{'▸' if in_hand else ' '} {self.labels[i]}"), 5)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Mark the line in hand, which the list tells by its colour alone."""
        options = event.option_list
        options.replace_option_prompt_at_index(self.at, self._prompt(self.at, False))
        self.at = event.option_index
        options.replace_option_prompt_at_index(self.at, self._prompt(self.at, True))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)

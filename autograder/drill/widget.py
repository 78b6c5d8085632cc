"""The "Practise" widget at the end of a chapter: its drill questions, one at a time, remembered like any other."""

from __future__ import annotations

import html
from typing import Any

from .answers import Verdict
from .deck import CODE, NUMERIC, Item, chapter_items
from .panel import Panel, page
from .round import Round


def practise(number: str, seed: int = 1, language: str = "en") -> Any:
    """A quiz over the chapter's questions (an ipywidgets VBox). `seed` fixes the first numbers drawn; language "zh"
    asks in Chinese. KeyError for an unknown chapter."""
    return Quiz([item for item in chapter_items(number, language) if item.kind != CODE], seed, language).view


class Quiz:
    """State and view of a round in a notebook. Works from the keyboard: Tab to move, Enter to answer."""

    def __init__(self, items: list[Item], seed: int = 1, language: str = "en") -> None:
        import ipywidgets as widgets

        self.items, self.language = items, language
        self.panel = Panel(self._answered, language)
        self.title, self.note = widgets.HTML(), widgets.HTML()
        say = self.panel.say
        self.next = widgets.Button(description=say("Next question"))
        self.again = widgets.Button(description=say("Other numbers"))
        self.next.on_click(lambda _: self.go_on())
        self.again.on_click(lambda _: self.other_numbers())
        buttons = widgets.HBox([self.next, self.again])
        self.view = widgets.VBox([self.title, self.panel.view, self.note, buttons])
        self.view.layout.max_width = "900px"
        self._begin(seed)

    def _begin(self, seed: int) -> None:
        self.round = Round(self.items, seed, "notebook", self.language)
        self._show()

    def go_on(self) -> None:
        """The next question; after the last one the round begins anew with other numbers."""
        if self.round.current is None:
            self._begin(self.round.seed)
        else:
            self.round.next()
            self._show()

    def other_numbers(self) -> None:
        """The same question with other numbers."""
        self.round.other_numbers()
        self._show()

    def _show(self) -> None:
        asked, say = self.round.current, self.panel.say
        self.note.value = ""
        self.next.description = say("Next question" if asked else "Start again")
        self.again.layout.display = "" if asked and asked.kind == NUMERIC else "none"
        if asked is None:
            self.title.value = ""
            self.panel.clear(say("This was the last one: {right} of {all} right.", right=self.round.right,
                                 all=len(self.round.answered)))
            return
        self._title()
        self.panel.show(asked)

    def _title(self) -> None:
        say, item = self.panel.say, self.round.current.item
        dots = "●" * item.difficulty + "○" * (3 - item.difficulty)
        parts = [f"<b>{say(item.kind)}</b>", say("difficulty {dots}", dots=dots),
                 say("{right} right so far", right=self.round.right), say("{left} to go", left=self.round.left)]
        self.title.value = page(" &nbsp;·&nbsp; ".join(parts))

    def _answered(self, verdict: Verdict, typed: str) -> None:
        before = self.round.left
        self.round.submit(verdict, typed)
        self._title()
        lines = [html.escape(self.round.notice)] if self.round.notice else []
        if self.round.left > before:
            numeric = self.round.current.kind == NUMERIC
            lines.append(self.panel.say("It comes back in a moment with other numbers." if numeric
                                        else "It comes back in a moment."))
        self.note.value = page(f'<span class="agq-soft">{" ".join(lines)}</span>') if lines else ""

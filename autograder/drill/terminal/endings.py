"""The screens at the end: what a round came to, and the report of an interview."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from ...chapters import CHAPTERS
from ...progress import ProgressError
from ..labels import say
from ..memory import load_memory
from ..mock import Interview
from ..reports import as_markdown
from ..round import Round
from .page import Page
from .texts import Document, Told


def told_wait(due: datetime, now: datetime, language: str) -> str:
    """When a card comes back: "in 10 min", "in 3 h", "in 4 d"."""
    minutes = max((due - now).total_seconds() / 60, 1)
    time = f"{minutes:.0f} min" if minutes < 60 else f"{minutes / 60:.0f} h" if minutes < 24 * 60 \
        else f"{minutes / 1440:.0f} d"
    return say(language, "in {time}", time=time)


def summary(round_: Round) -> list[str]:
    """What a round came to: how many, how many right, and what comes back when (the wrong ones first)."""
    language = round_.language
    if not round_.answered:
        return [say(language, "Nothing was answered.")]
    lines = [say(language, "{right} of {n} right.", n=len(round_.answered), right=round_.right), ""]
    worst: dict[str, float] = {}
    for item, share in round_.answered:
        worst[item.id] = min(share, worst.get(item.id, 1.0))
    items = {item.id: item for item, _ in round_.answered}
    try:
        known = load_memory(round_.now()).known
    except ProgressError:
        return lines[:1]
    lines.append(say(language, "What comes back, and when:"))
    for name, share in sorted(worst.items(), key=lambda row: row[1]):
        chapter = CHAPTERS.get(items[name].chapter)
        title = (chapter.title_zh if language == "zh" else chapter.short) if chapter else ""
        wait = told_wait(known[name].due, round_.now(), language) if name in known else ""
        lines.append(" · ".join(filter(None, (f"{'✓' if share == 1.0 else '✗'} {items[name].chapter} {title}",
                                              name, wait))))
    return lines


class EndPage(Page):
    """A page to read; Enter or Escape closes it."""

    BINDINGS: ClassVar = [Binding("enter,escape,q,ctrl+q", "close")]

    def on_mount(self) -> None:
        word = say(self.language, "menu") if self.app.has_menu else say(self.language, "quit")
        self.tell_keys([("↑↓", say(self.language, "scroll")), ("enter", word)])

    def action_close(self) -> None:
        self.app.close_page()


class SummaryScreen(EndPage):
    """What a round came to."""

    def __init__(self, lines: list[str], notice: str = "") -> None:
        super().__init__()
        self.lines, self.told = lines, notice

    def body(self) -> ComposeResult:
        for line in self.lines:
            yield Told(line or " ", 2)

    def on_mount(self) -> None:
        super().on_mount()
        self.tell_head(say(self.language, "The round is over"))
        self.tell_notice(self.told)


class ReportScreen(EndPage):
    """The report of an interview, and where it is kept."""

    def __init__(self, interview: Interview, where: str, notice: str = "") -> None:
        super().__init__()
        self.interview, self.where, self.told = interview, where, notice

    def body(self) -> ComposeResult:
        yield Document(as_markdown(self.interview), id="report")

    def on_mount(self) -> None:
        super().on_mount()
        self.tell_head(self.where)
        self.tell_notice(self.told)

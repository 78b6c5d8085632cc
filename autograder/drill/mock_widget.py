"""The mock interview in a notebook: settings, questions against the clock, the report."""

from __future__ import annotations

import html
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from ..chapters import PARTS
from ..progress import ProgressError
from . import reports
from .answers import Verdict
from .deck import find_items
from .labels import say
from .mock import Mock, cut_off
from .panel import Panel, markdown_html, page

TICK_S = 1.0
LANGUAGE_NAMES = (("English", "en"), ("中文", "zh"))


def mock_interview(minutes: int = 45, language: str = "en") -> Any:
    """The interview as an ipywidgets VBox."""
    return MockWidget(minutes, language).view


class MockWidget:
    """State and view. clock: seconds; a thread shows the time left, and ends with the interview."""

    def __init__(self, minutes: int = 45, language: str = "en", clock: Callable[[], float] = time.monotonic,
                 seed: int | None = None) -> None:
        import ipywidgets as widgets

        self.clock, self.seed = clock, seed
        self.mock: Mock | None = None
        self.minutes = widgets.BoundedIntText(value=minutes, min=5, max=240, description="Minutes")
        self.language = widgets.Dropdown(options=LANGUAGE_NAMES, value=language, description="Language")
        self.parts = {part: widgets.Checkbox(value=True, indent=False, description=f"{part} · {title}")
                      for part, title in PARTS.items()}
        begin = widgets.Button(description="Start", button_style="primary")
        begin.on_click(lambda _: self.start())
        self.settings = widgets.VBox([self.minutes, self.language, *self.parts.values(), begin])
        self.title, self.note, self.report = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.questions = widgets.VBox()
        self.view = widgets.VBox([self.settings, self.title, self.questions, self.note, self.report])
        self.view.layout.max_width = "900px"
        self._rescue()

    def say(self, template: str, **values: Any) -> str:
        return say(self.language.value, template, **values)

    def _rescue(self) -> None:
        """Interviews that were cut off get their reports."""
        try:
            for interview in cut_off():
                path, _ = reports.finish(interview)
                self.note.value = page(f"An interview was cut off. Its report: <code>{html.escape(str(path))}</code>")
        except ProgressError as error:
            self.note.value = page(html.escape(f"{error}."))

    def start(self) -> None:
        """Begin with the settings as they are."""
        import ipywidgets as widgets

        seed = secrets.randbelow(2**31) if self.seed is None else self.seed
        try:
            parts = [part for part, box in self.parts.items() if box.value]
            items = find_items(parts=parts, language=self.language.value) if parts else []
            self.mock = Mock(self.minutes.value, items, seed, self.language.value, self.clock)
        except ValueError as error:
            self.note.value = page(html.escape(f"{str(error)[:1].upper()}{str(error)[1:]}."))
            return
        self.panel = Panel(self._answered, self.language.value)
        self.next = widgets.Button(description=self.say("Next question"), button_style="info")
        self.stop = widgets.Button(description=self.say("End the interview"))
        self.next.on_click(lambda _: self.go_on())
        self.stop.on_click(lambda _: self.end())
        self.settings.layout.display = "none"
        self.report.value = self.note.value = ""
        self.questions.children = [self.panel.view, widgets.HBox([self.next, self.stop])]
        self._show()
        threading.Thread(target=self._tick, args=(self.mock,), daemon=True).start()

    def _tick(self, mock: Mock) -> None:
        while mock.interview.ended is None and self.mock is mock:
            self._title()
            time.sleep(TICK_S)

    def go_on(self) -> None:
        """The next question; one that was not answered counts as not answered."""
        if self.mock.answer is None:
            self.mock.skip()
        self.mock.next()
        self._show()

    def _show(self) -> None:
        if self.mock.current is None:
            self.end()
            return
        self.note.value = ""
        self.panel.show(self.mock.current)
        self._title()

    def _title(self) -> None:
        mock, asked = self.mock, self.mock.current
        if asked is None:
            return
        item = asked.item
        left = (self.say("{minutes} left", minutes=reports.clock(mock.left_s)) if mock.left_s > 0
                else self.say("Time is up: finish this one."))
        number = len(mock.interview.answered) + (mock.answer is None)
        parts = [f"<b>{self.say('Question {number}', number=number)}</b>",
                 self.say(item.kind), self.say("difficulty {dots}", dots="●" * item.difficulty
                                               + "○" * (3 - item.difficulty)),
                 *([self.say("follow-up")] if mock.is_follow_up else []), f"<b>{left}</b>"]
        self.title.value = page(" &nbsp;·&nbsp; ".join(parts))

    def _answered(self, verdict: Verdict, typed: str) -> None:
        self.mock.submit(verdict, typed)
        self._title()
        self.note.value = page(html.escape(self.mock.notice)) if self.mock.notice else ""

    def end(self) -> None:
        """End the interview and show the report, and where it was saved."""
        interview = self.mock.end()
        try:
            markdown, data = reports.save(interview)
            saved = f"<code>{html.escape(str(markdown))}</code>, <code>{html.escape(str(data))}</code>"
        except ProgressError as error:
            saved = html.escape(f"{error}.")
        self.title.value, self.questions.children = "", ()
        self.note.value = page(saved)
        self.report.value = page(markdown_html(reports.as_markdown(interview)))
        self.settings.layout.display = ""

"""The "Practise" widget at the end of a chapter: its drill questions, one at a time."""

from __future__ import annotations

import html
import re
from typing import Any

from .question import Choice, Numeric, Open, read_number
from .questions import chapter_questions

_GOOD, _BAD = "#00785a", "#c14f00"


def practise(number: str, seed: int = 1) -> Any:
    """A quiz over the chapter's questions (an ipywidgets VBox). `seed` fixes the first numbers drawn."""
    return Quiz(chapter_questions(number), seed).view


class Quiz:
    """State and view of one round. Works from the keyboard: Tab to move, Enter to answer."""

    def __init__(self, questions: list, seed: int = 1) -> None:
        import ipywidgets as widgets

        self.questions, self.seed, self.at = questions, seed, 0
        self.right: dict[int, bool] = {}
        self.title, self.text, self.reply = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.body = widgets.VBox()
        self.next = widgets.Button(description="Next question", tooltip="go on to the next question")
        self.again = widgets.Button(description="Other numbers", tooltip="ask the same with other numbers")
        self.next.on_click(lambda _: self.go(self.at + 1))
        self.again.on_click(lambda _: self.redraw())
        self.view = widgets.VBox([self.title, self.text, self.body, self.reply,
                                  widgets.HBox([self.next, self.again])])
        self.view.layout.max_width = "900px"
        self.go(0)

    @property
    def question(self) -> Any:
        return self.questions[self.at]

    def go(self, at: int) -> None:
        self.at = at % len(self.questions)
        self.show()

    def redraw(self) -> None:
        self.seed += 1
        self.show()

    def show(self) -> None:
        question, dots = self.question, "●" * self.question.difficulty + "○" * (3 - self.question.difficulty)
        done = sum(self.right.values())
        self.title.value = (f"<b>Question {self.at + 1} of {len(self.questions)}</b> &nbsp; difficulty {dots}"
                            f" &nbsp; {done} right so far")
        self.reply.value = ""
        self.again.layout.display = "" if isinstance(question, Numeric) else "none"
        {Numeric: self._show_numeric, Choice: self._show_choice, Open: self._show_open}[type(question)]()

    def _show_numeric(self) -> None:
        import ipywidgets as widgets

        drawn = self.question.drawn(self.seed)
        self.text.value = f"<p>{told(drawn.text)}</p>"
        unit = drawn.unit or ("0x…" if self.question.hexadecimal else "a number")
        box = widgets.Text(placeholder=unit, description="Answer", continuous_update=False)
        box.layout.width = "320px"
        send = widgets.Button(description="Check", button_style="primary")

        def answer(_: Any = None) -> None:
            if box.value.strip():
                self.answer_number(drawn, box.value)

        box.observe(answer, "value")
        send.on_click(answer)
        self.body.children = [widgets.HBox([box, widgets.Label(drawn.unit), send])]

    def answer_number(self, drawn: Any, typed: str) -> bool:
        """Judge what was typed and say what came of it."""
        try:
            number = read_number(typed, drawn.unit, self.question.hexadecimal)
        except ValueError as error:
            self._tell(False, "", str(error))
            return False
        good = drawn.accepts(number)
        self.right[self.at] = good
        self._tell(good, "Right." if good else "Not right.",
                   drawn.explanation if good else (drawn.trap(number) or drawn.explanation))
        return good

    def _show_choice(self) -> None:
        import ipywidgets as widgets

        self.text.value = f"<p>{told(self.question.text)}</p>"
        buttons = []
        for text, good, why in self.question.options(self.seed):
            button = widgets.Button(description=text, tooltip=text)
            button.layout.width, button.layout.height = "auto", "auto"
            button.style.text_align = "left"
            button.on_click(lambda _, g=good, w=why: self.answer_choice(g, w))
            buttons.append(button)
        self.body.children = buttons

    def answer_choice(self, good: bool, why: str) -> None:
        self.right[self.at] = good
        self._tell(good, "Right." if good else "Not this one.", why)

    def _show_open(self) -> None:
        import ipywidgets as widgets

        self.text.value = f"<p>{told(self.question.text)}</p>"
        own = widgets.Textarea(placeholder="Say it in your own words first.", rows=4)
        own.layout.width = "100%"
        show = widgets.Button(description="Show the rubric")
        boxes = [widgets.Checkbox(description=point, indent=False) for point in self.question.rubric]
        for box in boxes:
            box.layout.width = "100%"
            box.observe(lambda _: self._count(boxes), "value")

        def reveal(_: Any) -> None:
            self.body.children = [own, *boxes]
            self._count(boxes)

        show.on_click(reveal)
        self.body.children = [own, show]

    def _count(self, boxes: list) -> None:
        named = sum(box.value for box in boxes)
        self.right[self.at] = named == len(boxes)
        self._tell(named == len(boxes), f"{named} of {len(boxes)} points named.", self.question.answer)

    def _tell(self, good: bool, head: str, text: str) -> None:
        sign, colour = ("✓", _GOOD) if good else ("✗", _BAD)
        self.reply.value = (f'<div role="status" style="border-left:4px solid {colour};padding:4px 10px;'
                            f'margin:6px 0;line-height:1.5"><b>{sign} {html.escape(head)}</b> {told(text)}</div>')


def told(text: str) -> str:
    """Escaped text in which `code` is set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))

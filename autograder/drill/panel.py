"""One question in a notebook: its text, the means to answer it, and what came of the answer (ipywidgets)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from ..cards import card_html
from ..exercises import find_exercise
from .answers import Verdict
from .asking import Asked
from .deck import CHOICE, CODE, NUMERIC, OPEN
from .labels import say

STYLE = """<style>
.agq{font:14px/1.55 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,#1f2328);
max-width:860px;--good:#00785a;--bad:#c14f00;--soft:var(--jp-ui-font-color2,#57606a);overflow-wrap:anywhere}
[data-jp-theme-light="false"] .agq{--good:#35c7a0;--bad:#ff9a4d}
.agq code{font:13px/1.45 var(--jp-code-font-family,monospace);padding:0 3px;border-radius:3px;
background:var(--jp-layout-color2,#f6f8fa)}
.agq-reply{border-left:4px solid var(--tone);padding:4px 12px;margin:6px 0}.agq-reply b{color:var(--tone)}
.agq-tick,.agq-tick label{height:auto!important;white-space:normal!important;overflow:visible!important;
line-height:1.45!important;align-items:flex-start}.agq-tick label span{white-space:normal!important}
.jupyter-button.agq-option{white-space:normal;height:auto!important;min-height:32px;line-height:1.4;padding:6px 12px;
overflow:visible;text-align:left;justify-content:flex-start}
.agq-soft{color:var(--soft)}.agq ul{margin:4px 0;padding-left:20px}.agq pre{white-space:pre-wrap}
</style>"""


class Panel:
    """Shows one question at a time. `on_answer(verdict, typed)` is called for every answer, also one not taken.

    Works from the keyboard: Tab to move, Enter or Space to answer.
    """

    def __init__(self, on_answer: Callable[[Verdict, str], None], language: str = "en") -> None:
        import ipywidgets as widgets

        self.on_answer, self.language = on_answer, language
        self.text, self.reply = widgets.HTML(), widgets.HTML()
        self.body = widgets.VBox()
        self.view = widgets.VBox([self.text, self.body, self.reply])
        self.view.layout.max_width = "900px"

    def say(self, template: str, **values: Any) -> str:
        return say(self.language, template, **values)

    def show(self, asked: Asked) -> None:
        """Ask a question; what was told of the one before goes away."""
        self.asked, self.answered = asked, False
        self.reply.value = ""
        self.text.value = page(markdown_html(asked.text) if asked.kind == CODE else f"<p>{told(asked.text)}</p>")
        {NUMERIC: self._number, CHOICE: self._choice, OPEN: self._words, CODE: self._code}[asked.kind]()

    def clear(self, text: str = "") -> None:
        """Show a sentence instead of a question."""
        self.text.value, self.reply.value, self.body.children = page(f"<p>{told(text)}</p>") if text else "", "", ()

    # --- the kinds --------------------------------------------------------------------------------

    def _number(self) -> None:
        import ipywidgets as widgets

        drawn = self.asked.drawn
        unit = drawn.shown_unit or drawn.unit
        hint = "0x…" if drawn.hexadecimal else unit or self.say("a number")
        self.box = widgets.Text(placeholder=hint, description=self.say("Answer"), continuous_update=False)
        self.box.layout.width = "320px"
        send = widgets.Button(description=self.say("Check"), button_style="primary")
        self.box.observe(lambda change: self.answer_number(change["new"]) if change["new"].strip() else None, "value")
        send.on_click(lambda _: self.answer_number(self.box.value))
        near = widgets.HTML(page(f'<span class="agq-soft">{html.escape(unit)} ({self.asked.tolerance})</span>'))
        row = widgets.HBox([self.box, near, send])
        row.layout.flex_flow = "row wrap"
        self.body.children = [row]

    def answer_number(self, typed: str) -> None:
        """Judge what was typed and say what came of it."""
        verdict = self.asked.answer_number(typed)
        if verdict.right is None:
            self._tell("○", self.say("Not taken as an answer."), verdict.text, "--soft")
        else:
            self._verdict(verdict, self.say("Right.") if verdict.right else self.say("Not right."), verdict.text)
        self._took(verdict, typed)

    def _choice(self) -> None:
        import ipywidgets as widgets

        self.body.children = [self._option(widgets, i, text) for i, (text, _, _) in enumerate(self.asked.options)]

    def _option(self, widgets: Any, index: int, text: str) -> Any:
        plain = text.replace("`", "")
        button = widgets.Button(description=plain, tooltip=plain)
        button.layout.width, button.layout.height = "auto", "auto"
        button.layout.max_width, button.style.text_align = "860px", "left"
        button.add_class("agq-option")
        button.on_click(lambda _: self.choose(index))
        return button

    def choose(self, index: int) -> None:
        """Judge an option, and explain every one of them."""
        verdict = self.asked.choose(index)
        lines = []
        for number, (text, good, why) in enumerate(self.asked.options):
            mine = "→ " if number == index else ""
            lines.append(f"<li>{mine}{'✓' if good else '✗'} {told(text)}<br>"
                         f'<span class="agq-soft">{told(why)}</span></li>')
        for number, button in enumerate(self.body.children):
            sign = "✓ " if self.asked.options[number][1] else "✗ " if number == index else ""
            button.description = sign + self.asked.options[number][0].replace("`", "")
            button.disabled = True
        head = self.say("Right.") if verdict.right else self.say("Not this one.")
        self._tell("✓" if verdict.right else "✗", head, f"<ul>{''.join(lines)}</ul>",
                   "--good" if verdict.right else "--bad", escaped=True)
        self._took(verdict, self.asked.options[index][0])

    def _words(self) -> None:
        import ipywidgets as widgets

        self.own = widgets.Textarea(placeholder=self.say("Say it in your own words first."), rows=4)
        self.own.layout.width = "100%"
        show = widgets.Button(description=self.say("Show the rubric"))
        show.on_click(lambda _: self._rubric())
        self.body.children = [self.own, show]

    def _rubric(self) -> None:
        import ipywidgets as widgets

        self.ticks = [widgets.Checkbox(value=False, indent=False, description=point.replace("`", ""))
                      for point in self.asked.rubric]
        for tick in self.ticks:
            tick.layout.width, tick.layout.height = "100%", "auto"
            tick.add_class("agq-tick")
        done = widgets.Button(description=self.say("Done"), button_style="primary")
        done.on_click(lambda _: self.grade())
        ask = widgets.HTML(page(f"<b>{self.say('Tick what you said.')}</b>"))
        self.body.children = [self.own, ask, *self.ticks, done]
        self._tell("○", self.say("Model answer"), self.asked.model_answer, "--soft")

    def grade(self) -> None:
        """Take the points that are ticked as the candidate's own grade."""
        named = [i for i, tick in enumerate(self.ticks) if tick.value]
        verdict = self.asked.grade(named)
        head = self.say("{named} of {all} points named.", named=len(named), all=len(self.ticks))
        self._verdict(verdict, head, verdict.text)
        self._took(verdict, self.own.value or ", ".join(self.asked.rubric[i] for i in named))

    def _code(self) -> None:
        import ipywidgets as widgets

        self.code = widgets.Textarea(value=self.asked.task.stub, rows=16)
        self.code.layout.width = "100%"
        self.code.add_class("agq-code")
        run = widgets.Button(description=self.say("Run the check"), button_style="primary")
        run.on_click(lambda _: self.run())
        style = widgets.HTML("<style>.agq-code textarea{font:13px/1.5 var(--jp-code-font-family,monospace)}</style>")
        self.body.children = [style, self.code, run]

    def run(self) -> None:
        """Judge the code in the sandbox and show the check's card."""
        source = self.code.value
        verdict, judgement, notice = self.asked.run_code(source)
        self.reply.value = card_html(judgement, find_exercise(self.asked.item.id), notice=notice)
        self._took(verdict, source)

    # --- what came of it --------------------------------------------------------------------------

    def _verdict(self, verdict: Verdict, head: str, text: str) -> None:
        self._tell("✓" if verdict.right else "✗", head, text, "--good" if verdict.right else "--bad")

    def _tell(self, sign: str, head: str, text: str, tone: str, escaped: bool = False) -> None:
        body = text if escaped else told(text)
        self.reply.value = page(f'<div role="status" class="agq-reply" style="--tone:var({tone})">'
                                f"<b>{sign} {html.escape(head)}</b> {body}</div>")

    def _took(self, verdict: Verdict, typed: str) -> None:
        self.answered = self.answered or verdict.right is not None
        self.on_answer(verdict, typed)


def page(body: str) -> str:
    """HTML in the panel's style."""
    return f'{STYLE}<div class="agq">{body}</div>'


def told(text: str) -> str:
    """Escaped text in which `code` is set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def markdown_html(text: str) -> str:
    """Markdown as HTML; HTML inside it is shown as text."""
    from markdown_it import MarkdownIt  # a dependency of jupytext

    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)

"""The cards of a number, a choice and an answer in words: what is asked, how it is answered, what is told of it.

Every card has its verdict as one line that begins with ✓ or ✗ and a word, so nothing is told by colour alone.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Input, TextArea

from ..answers import Verdict
from ..asking import Asked
from ..labels import say
from .page import Keys
from .texts import Told
from .wrapping import BAD, GOOD, SOFT, styled

LONGEST = 1000  # characters that a line takes; more than `answers.LONGEST`, so that the reader says what is wrong


class Card(Vertical):
    """One question. Sends `Answered` for an answer, read or not; the screen then calls `show`."""

    class Answered(Message):
        """verdict.right is None for what is not taken as an answer."""

        def __init__(self, verdict: Verdict, typed: str) -> None:
            super().__init__()
            self.verdict, self.typed = verdict, typed

    to_top = False  # whether the verdict moves to the top of the page: where much is to be read below it

    def __init__(self, asked: Asked, language: str) -> None:
        super().__init__(id="card")
        self.asked, self.language = asked, language
        self.done = False

    @property
    def unsent(self) -> bool:
        """Whether something is typed that leaving would lose."""
        return False

    def hints(self) -> Keys:
        """What can be pressed before the answer."""
        return []

    def send(self) -> None:
        """Enter: take what is there as the answer."""

    def digit(self, n: int) -> None:
        """A key 1 to 9."""

    def letter(self, key: str) -> None:
        """Another key of `hints`."""

    def move(self, way: int) -> bool:
        """An arrow key up (-1) or down (1); whether the card takes it."""
        return False

    def show(self, verdict: Verdict, gave_up: bool = False) -> None:
        """Tell what came of the answer; an answer that was not taken can be given again."""
        told = self.query_one("#verdict", Told)
        if verdict.right is None:
            told.tell(verdict_line("○", say(self.language, "Not taken as an answer."), SOFT, verdict.text))
        else:
            self.done = True
            told.tell(self.verdict(verdict, gave_up))
            self.close()
        self.call_after_refresh(told.scroll_visible, animate=False, top=self.to_top)

    def verdict(self, verdict: Verdict, gave_up: bool) -> Content:
        if verdict.right:
            return verdict_line("✓", say(self.language, "Right."), GOOD, verdict.text)
        word = say(self.language, "Not answered.") if gave_up else self.wrong_word(verdict)
        return verdict_line("✗", word, BAD, verdict.text)

    def wrong_word(self, verdict: Verdict) -> str:
        return say(self.language, "Not right.")

    def close(self) -> None:
        """The answer is given: nothing can be changed any more."""


def verdict_line(sign: str, word: str, style: str, text: str) -> Content:
    return Content.assemble((f"{sign} {word}", style), " " if text else "", styled(text))


# --- a number -------------------------------------------------------------------------------------


class NumberCard(Card):
    """A line to type into, with the unit and how near it must be."""

    def compose(self) -> ComposeResult:
        yield Told(self.asked.text, id="text")
        yield Told(self.wanted, id="wanted", classes="soft")
        with Horizontal(classes="line"):
            yield Told("▸", classes="prompt")
            yield Input(compact=True, max_length=LONGEST, id="input")
        yield Told(id="verdict", hang=2)

    @property
    def wanted(self) -> str:
        """ "Answer in GB/s, within 1 %"."""
        drawn, tolerance = self.asked.drawn, self.asked.tolerance
        if drawn.unit and not drawn.hexadecimal:
            return say(self.language, "Answer in {unit}, {tolerance}", unit=drawn.shown_unit or drawn.unit,
                       tolerance=tolerance)
        what = "0x…" if drawn.hexadecimal else say(self.language, "a number")
        return say(self.language, "Answer: {what}, {tolerance}", what=what, tolerance=tolerance)

    def on_mount(self) -> None:
        self.query_one(Input).focus(scroll_visible=False)

    @property
    def unsent(self) -> bool:
        return not self.done and bool(self.query_one(Input).value.strip())

    def hints(self) -> Keys:
        return [("enter", say(self.language, "check"))]

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.send()

    def send(self) -> None:
        typed = self.query_one(Input).value
        self.post_message(self.Answered(self.asked.answer_number(typed), typed))

    def close(self) -> None:
        self.query_one(Input).disabled = True


# --- lines to choose from -------------------------------------------------------------------------


class Line(Told):
    """One option, or one point of a rubric, with its number."""

    def __init__(self, number: int, text: str, hang: int = 4) -> None:
        self.number, self.text, self.more = number, text, Content()
        super().__init__("", hang, classes="choice")

    def draw(self, lead: str, style: str = "") -> None:
        """lead: what stands before the number: "▸" for the line in hand, a sign, a box."""
        text = styled(self.text)
        self.tell(Content.assemble(f"{lead} {self.number} ", text.stylize(style) if style else text, self.more))
        self.set_class(lead.startswith("▸"), "in-hand")


class Lines(Card):
    """A card with lines of which one is in hand."""

    at = 0

    def lines(self) -> list[Line]:
        return list(self.query(Line))

    def draw(self) -> None:
        """Draw the lines anew."""
        for i, line in enumerate(self.lines()):
            line.draw("▸" if i == self.at else " ")

    def on_mount(self) -> None:
        self.draw()

    def move(self, way: int) -> bool:
        lines = self.lines()
        if self.done or not lines:
            return False
        self.at = (self.at + way) % len(lines)
        self.draw()
        lines[self.at].scroll_visible(animate=False)
        return True

    def on_click(self, event: Click) -> None:
        if isinstance(event.widget, Line):
            self.digit(event.widget.number)

    def close(self) -> None:
        self.draw()


class ChoiceCard(Lines):
    """Options to choose from; afterwards each one says why it is right or wrong."""

    chosen = -1

    def compose(self) -> ComposeResult:
        yield Told(self.asked.text, id="text")
        yield Told(id="verdict", hang=2)
        for number, (text, _, _) in enumerate(self.asked.options, 1):
            yield Line(number, text)

    def hints(self) -> Keys:
        return [(f"1–{len(self.asked.options)} ↑↓ Enter", say(self.language, "choose"))]

    def send(self) -> None:
        self.digit(self.at + 1)

    def digit(self, n: int) -> None:
        if not self.done and n <= len(self.asked.options):
            self.at = self.chosen = n - 1
            self.post_message(self.Answered(self.asked.choose(self.chosen), self.asked.options[self.chosen][0]))

    def wrong_word(self, verdict: Verdict) -> str:
        return say(self.language, "Not this one.")

    def verdict(self, verdict: Verdict, gave_up: bool) -> Content:
        """The word alone: the reasons stand at the options."""
        return super().verdict(Verdict(verdict.right, "", verdict.share), gave_up)

    def draw(self) -> None:
        if not self.done:
            super().draw()
            return
        for i, (line, (_, good, why)) in enumerate(zip(self.lines(), self.asked.options, strict=True)):
            words = [say(self.language, "Right.")] if good else []
            words += [say(self.language, "Your answer") + "."] if i == self.chosen else []
            line.more = Content.assemble(
                "\n    ", (" ".join(words), GOOD if good else BAD), " " if words else "", styled(why))
            line.draw("✓" if good else "✗" if i == self.chosen else " ", "bold" if good else "")


class OpenCard(Lines):
    """Answer in your own words, then see the rubric and tick what you said."""

    revealed, to_top = False, True

    def compose(self) -> ComposeResult:
        yield Told(self.asked.text, id="text")
        yield Told(say(self.language, "Say it in your own words first."), id="wanted", classes="soft")
        yield TextArea(id="words", soft_wrap=True, tab_behavior="focus", show_line_numbers=False)
        yield Told(id="said")
        yield Told(id="verdict", hang=2)
        yield Vertical(id="points")
        yield Told(id="model")

    def on_mount(self) -> None:
        self.query_one(TextArea).focus(scroll_visible=False)

    @property
    def words(self) -> str:
        return self.query_one(TextArea).text.strip()

    @property
    def unsent(self) -> bool:
        return not self.done and bool(self.words or self.ticked)

    @property
    def ticked(self) -> set[int]:
        return {i for i, line in enumerate(self.lines()) if line.has_class("ticked")}

    def hints(self) -> Keys:
        if not self.revealed:
            return [("ctrl+r", say(self.language, "show the rubric"))]
        return [(f"1–{len(self.asked.rubric)}", say(self.language, "tick what you said")),
                ("enter", say(self.language, "done"))]

    def letter(self, key: str) -> None:
        if key == "ctrl+r":
            self.reveal()
        elif key == "space" and self.revealed:
            self.digit(self.at + 1)

    def reveal(self) -> None:
        """Show the rubric and the model answer; from here on the words stay as they are."""
        if self.revealed:
            return
        self.revealed = True
        area = self.query_one(TextArea)
        area.disabled, area.display = True, False
        if self.words:
            label = say(self.language, "Your answer") + ": "
            self.query_one("#said", Told).tell(Content.assemble((label, "bold"), Content(self.words)))
        self.query_one("#wanted", Told).tell(say(self.language, "Tick what you said."))
        self.query_one("#model", Told).tell(Content.assemble(
            (say(self.language, "Model answer") + ": ", "bold"), styled(self.asked.model_answer)))
        self.query_one("#points", Vertical).mount(*(Line(n, point, 7) for n, point in enumerate(self.asked.rubric, 1)))
        self.call_after_refresh(self._revealed)

    def _revealed(self) -> None:
        self.draw()
        if not self.done:
            self.query_one("#wanted").scroll_visible(animate=False, top=True)

    def send(self) -> None:
        """Enter shows the rubric; once more, and the grade is given."""
        if not self.revealed:
            self.reveal()
            return
        ticked = self.ticked
        typed = self.words or "; ".join(self.asked.rubric[i] for i in sorted(ticked))
        self.post_message(self.Answered(self.asked.grade(ticked), typed))

    def digit(self, n: int) -> None:
        lines = self.lines()
        if not self.done and n <= len(lines):
            self.at = n - 1
            lines[self.at].toggle_class("ticked")
            self.draw()

    def draw(self) -> None:
        for i, line in enumerate(self.lines()):
            mark = "▸" if i == self.at and not self.done else " "
            line.draw(f"{mark}[x]" if line.has_class("ticked") else f"{mark}[ ]")

    def verdict(self, verdict: Verdict, gave_up: bool) -> Content:
        named = say(self.language, "{named} of {all} points named.", named=len(self.ticked),
                    all=len(self.asked.rubric))
        return super().verdict(Verdict(verdict.right, "" if gave_up else named, verdict.share), gave_up)

    def wrong_word(self, verdict: Verdict) -> str:
        return say(self.language, "Partly right.") if verdict.share else say(self.language, "Not right.")

    def close(self) -> None:
        self.reveal()
        self.call_after_refresh(self.draw)

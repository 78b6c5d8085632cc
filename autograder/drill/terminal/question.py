"""The screen that asks: one card after the other, of a round of practice or of a mock interview."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from ...chapters import CHAPTERS
from ..answers import Verdict
from ..asking import Asked
from ..deck import CHOICE, CODE, NUMERIC, OPEN
from ..labels import say
from ..mock import Mock
from ..reports import clock
from ..round import Round
from .cards import Card, ChoiceCard, NumberCard, OpenCard
from .code_card import CodeCard
from .page import Confirm, Keys, Page
from .wrapping import NO_BREAK

CARDS: dict[str, type[Card]] = {NUMERIC: NumberCard, CHOICE: ChoiceCard, OPEN: OpenCard, CODE: CodeCard}


class QuestionScreen(Page):
    """Asks until nothing is left, the time is up, or she ends it. An answer is kept before its verdict is shown."""

    BINDINGS: ClassVar = [
        Binding("enter", "enter"), Binding("escape,ctrl+q,q", "end"), Binding("o", "other"),
        Binding("ctrl+g", "give_up"), Binding("ctrl+n", "skip"),
        *(Binding(str(n), f"digit({n})") for n in range(1, 10)),
        *(Binding(key, f"letter({key!r})") for key in ("e", "t", "r", "n", "space", "ctrl+r")),
    ]

    def __init__(self, session: Round | Mock, notice: str = "") -> None:
        super().__init__()
        self.session, self.told = session, notice  # told until the first answer

    @property
    def mock(self) -> Mock | None:
        return self.session if isinstance(self.session, Mock) else None

    @property
    def card(self) -> Card | None:
        return next(iter(self.query(Card)), None)

    def body(self) -> ComposeResult:
        if self.session.current:
            yield self._card(self.session.current)

    def _card(self, asked: Asked) -> Card:
        return CARDS[asked.kind](asked, self.language)

    def on_mount(self) -> None:
        self.tell_state()
        if self.mock:
            self.set_interval(0.5, self.tell_time)

    # --- what is shown ------------------------------------------------------------------------------

    def tell_state(self) -> None:
        self.tell_time()
        draft = self.card.draft.notice if isinstance(self.card, CodeCard) else ""
        self.tell_notice(draft or self.session.notice or self.told)
        self.tell_keys(self._keys())

    def tell_time(self) -> None:
        """The line on top. In an interview it is drawn again as the time goes by."""
        asked = self.session.current
        if asked is None:
            return
        chapter = CHAPTERS[asked.item.chapter]
        name = chapter.title_zh if self.language == "zh" else chapter.short
        parts = [f"{chapter.number} {name}", say(self.language, asked.kind),
                 say(self.language, "difficulty {dots}",
                     dots="●" * asked.item.difficulty + "○" * (3 - asked.item.difficulty))]
        if self.mock:
            parts += [say(self.language, "follow-up")] if self.mock.is_follow_up else []
            parts.append(say(self.language, "question {n}", n=len(self.mock.asked_ids)))
            left = self.mock.left_s
            parts.append(say(self.language, "{minutes} left", minutes=clock(left)) if left > 0
                         else say(self.language, "Time is up: finish this one."))
        elif isinstance(self.session, Round):
            parts += [say(self.language, "{right} right so far", right=self.session.right),
                      say(self.language, "{left} to go", left=self.session.left)]
        title, *others = parts
        self.tell_head(f"{NO_BREAK}· ".join([title, *(part.replace(" ", NO_BREAK) for part in others)]))

    def _keys(self) -> Keys:
        card, end = self.card, ("escape", say(self.language, "end"))
        if card is None:
            return [end]
        if self.session.answer is None:
            skip = [] if self.mock else [("ctrl+n", say(self.language, "skip"))]
            return [*card.hints(), ("ctrl+g", say(self.language, "give up")), *skip, end]
        keys = [("enter", say(self.language, "go on"))]
        if isinstance(self.session, Round) and card.asked.kind == NUMERIC:
            keys.append(("o", say(self.language, "other numbers")))
        keys += [pair for pair in card.hints() if pair[0] != "enter"] if isinstance(card, CodeCard) else []
        return [*keys, ("q", say(self.language, "end"))]

    # --- what the keys do ---------------------------------------------------------------------------

    def on_card_answered(self, message: Card.Answered) -> None:
        message.stop()
        if self.session.answer is None and self.card and not self.card.done:
            self.session.submit(message.verdict, message.typed)
            self.told = self.told if self.session.answer is None else ""
            self.card.show(message.verdict)
            self.tell_state()
            if self.session.answer is not None:
                self.set_focus(None)

    async def action_enter(self) -> None:
        if self.session.answer is not None:
            self.session.next()
            await self.show_card()
        elif self.card:
            self.card.send()
            self.tell_state()

    async def action_other(self) -> None:
        if isinstance(self.session, Round) and self.session.answer is not None and self.session.current \
                and self.session.current.kind == NUMERIC:
            self.session.other_numbers()
            await self.show_card()

    async def action_skip(self) -> None:
        """Go on without an answer; in an interview a question can only be given up."""
        if self.session.answer is None and not self.mock:
            self.session.next()
            await self.show_card()

    def action_give_up(self) -> None:
        """Count the question as not answered, and show what a good answer says."""
        card, asked = self.card, self.session.current
        if card is None or asked is None or self.session.answer is not None:
            return
        verdict, self.told = Verdict(False, asked.model_answer, 0.0), ""
        if self.mock:
            self.mock.skip()
        else:
            self.session.submit(verdict, "")
        card.show(verdict, gave_up=True)
        self.tell_state()
        self.set_focus(None)

    async def show_card(self) -> None:
        """Show the question in hand, or what the whole came to."""
        if self.session.current is None:
            self.app.finish(self.session)
            return
        async with self.batch():
            await self.paper.remove_children()
            await self.paper.mount(self._card(self.session.current))
        self.paper.scroll_home(animate=False)
        self.tell_state()

    def action_digit(self, n: int) -> None:
        if self.card:
            self.card.digit(n)
            self.tell_state()

    def action_letter(self, key: str) -> None:
        if self.card:
            self.card.letter(key)
            self.tell_state()

    def action_up(self) -> None:
        if not (self.card and self.card.move(-1)):
            super().action_up()

    def action_down(self) -> None:
        if not (self.card and self.card.move(1)):
            super().action_down()

    def action_end(self) -> None:
        """End here: asked first where something would be lost."""
        if self.mock:
            question = say(self.language, "End the interview here? The report is made of what you have answered.")
            self.app.push_screen(Confirm(question, say(self.language, "End the interview")), self._end)
        elif self.card and self.card.unsent and self.session.answer is None:
            question = say(self.language, "End here? What you have not handed in is not counted.")
            self.app.push_screen(Confirm(question, say(self.language, "end")), self._end)
        else:
            self._end(True)

    def _end(self, yes: bool | None) -> None:
        if yes:
            self.hand_in()
            self.app.finish(self.session)

    def hand_in(self) -> None:
        """In an interview code that was checked counts, also where it is ended before it is handed in."""
        if self.mock and isinstance(self.card, CodeCard) and self.card.pending:
            self.mock.submit(*self.card.pending)

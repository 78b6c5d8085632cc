"""The app: from the menu to a round or an interview, and back; and the three ways to start it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from textual.app import App
from textual.binding import Binding

from ...progress import ProgressError
from ..deck import Item, in_order
from ..labels import say
from ..memory import load_memory
from ..mock import Mock, cut_off
from ..reports import finish, save
from ..round import Round
from .code_card import EditScreen
from .endings import ReportScreen, SummaryScreen, summary
from .look import LOOK
from .menu import MenuScreen
from .question import QuestionScreen

DEAF_S = 0.5  # after an editor


class NoTerminal(OSError):
    """There is no terminal to draw on; the sentence says so."""


class DrillApp(App[None]):
    """Practice in the terminal.

    items: the cards to ask, or None for the menu. minutes: a mock interview of that length; ValueError for one that
    cannot be. due_only: what is due alone. clock, now: as in Round and Mock, for tests.
    """

    CSS = LOOK
    TITLE = "autograder drill"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [Binding("ctrl+c", "leave", priority=True, show=False)]

    def __init__(self, items: Sequence[Item] | None = None, *, seed: int = 1, language: str = "en",
                 due_only: bool = False, minutes: float | None = None,
                 clock: Callable[[], float] = time.monotonic,
                 now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self.items, self.seed, self.language, self.due_only = items, seed, language, due_only
        self.clock, self.now = clock, now
        self.has_menu = items is None
        self.session: Round | Mock | None = None
        self.farewell: list[str] = []  # printed when the screen is gone
        self._notice, self._editor_ended = "", float("-inf")
        self._interview = self._new_mock(minutes, items or ()) if minutes is not None else None

    def on_mount(self) -> None:
        self._listen()
        if self.items is None:
            self.push_screen(MenuScreen())
        elif self._interview:
            self._ask(self._interview)
        else:
            self.start_round(self.items, self.due_only)

    # --- starting -----------------------------------------------------------------------------------

    def start_round(self, items: Sequence[Item], due_only: bool = False) -> None:
        """A round over `items`; without a memory where that can't be read."""
        notice, memory = "", None
        try:
            memory = load_memory(self.now())
        except ProgressError as error:
            notice = say(self.language, "Your progress cannot be read: {error}. You can practise without it.",
                         error=error)
        order = in_order(items, memory, self.seed, due_only)
        if not order:
            empty = say(self.language, "Nothing is due now.") if due_only and items \
                else say(self.language, "No question fits: take a filter away.")
            self.push_screen(SummaryScreen([empty], notice))
            return
        session = Round(order, self.seed, "drill", self.language, self.clock, self.now)
        self.seed += 10_000  # the next round draws other numbers
        self._ask(session, notice)

    def start_mock(self, minutes: float, items: Sequence[Item]) -> None:
        self._ask(self._new_mock(minutes, items))

    def _new_mock(self, minutes: float, items: Sequence[Item]) -> Mock:
        self._notice = self._rescue()
        mock = Mock(minutes, items, self.seed, self.language, self.clock, self.now)
        self.seed += 10_000
        return mock

    def _rescue(self) -> str:
        """Give interviews that were cut off their reports; what was done about them, or ""."""
        folder = None
        try:
            for interview in cut_off():
                folder = finish(interview)[0].parent
        except ProgressError as error:
            return say(self.language, "An interview that was cut off has no report yet: {error}.", error=error)
        return say(self.language, "An interview was cut off: its report is in {folder}.", folder=folder) \
            if folder else ""

    def _ask(self, session: Round | Mock, notice: str = "") -> None:
        self.session = session
        if session.current is None:
            self.finish(session)
            return
        self.push_screen(QuestionScreen(session, " ".join(filter(None, (notice, self.take_notice())))))

    def take_notice(self) -> str:
        """What is to be told once."""
        notice, self._notice = self._notice, ""
        return notice

    # --- ending -------------------------------------------------------------------------------------

    def finish(self, session: Round | Mock) -> None:
        """Show what a round or an interview came to, in place of its questions."""
        self.session = None
        page: SummaryScreen | ReportScreen
        if isinstance(session, Mock):
            page = self._report(session)
        else:
            lines = summary(session)
            page = SummaryScreen(lines, session.notice)
            self.farewell = lines[:1] if session.answered else []
        if isinstance(self.screen, QuestionScreen):
            self.switch_screen(page)
        else:
            self.push_screen(page)

    def _report(self, mock: Mock) -> ReportScreen:
        """End an interview and keep its report, unless nothing was answered."""
        interview, where, notice = mock.end(), say(self.language, "Report"), ""
        if interview.answered:
            try:
                where = say(self.language, "Your report is kept in {path}", path=save(interview)[0])
            except ProgressError as error:
                notice = say(self.language, "The report was not kept: {error}.", error=error)
            self.farewell = [notice or where]
        return ReportScreen(interview, where, " ".join(filter(None, (mock.notice, notice))))

    def close_page(self) -> None:
        if self.has_menu:
            self.pop_screen()
        else:
            self.exit()

    def action_leave(self) -> None:
        """Ctrl-C, or a signal: what is written is kept, an interview gets its report, and the screen is given back."""
        for screen in self.screen_stack:
            if isinstance(screen, EditScreen):
                screen.keep()
            if isinstance(screen, QuestionScreen):
                screen.hand_in()
        session, self.session = self.session, None
        if isinstance(session, Mock):
            self._report(session)
        elif session and session.answered:
            self.farewell = summary(session)[:1]
        self.exit()

    # --- signals ------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Leave on the signals that end a program, where the machine has them."""
        for name, leave in (("SIGINT", self._interrupted), ("SIGTERM", self.action_leave),
                            ("SIGHUP", self.action_leave)):
            with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), leave)

    @contextlib.contextmanager
    def editor_in_front(self) -> Iterator[None]:
        """Give the terminal to an editor. Raises SuspendNotSupported."""
        with self.suspend():
            try:
                yield
            finally:
                self._editor_ended = time.monotonic()

    def _interrupted(self) -> None:
        """Ctrl-C within an editor reaches this process too, and is heard once the editor has ended: not meant."""
        if time.monotonic() - self._editor_ended > DEAF_S:
            self.action_leave()

    async def action_quit(self) -> None:
        """Ctrl-Q ends what is going on, as Escape does."""
        self.simulate_key("escape")


def _run(app: DrillApp) -> None:
    app.run()
    for line in app.farewell:
        print(line)


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NoTerminal("the practice needs a terminal: start it in one, without a pipe or a redirection")


def run_menu(*, seed: int | None = None, language: str = "en") -> None:
    """Practice from the menu."""
    _need_terminal()
    _run(DrillApp(seed=_drawn(seed), language=language))


def run_drill(items: Sequence[Item], *, seed: int | None = None, language: str = "en",
              due_only: bool = False) -> None:
    """A round over `items`: what is due first, then what is new, then what is known."""
    _need_terminal()
    _run(DrillApp(items, seed=_drawn(seed), language=language, due_only=due_only))


def run_mock(minutes: float, items: Sequence[Item], *, seed: int | None = None, language: str = "en") -> None:
    """A mock interview over `items`. Raises ValueError for a time that no interview takes, or without questions."""
    _need_terminal()
    _run(DrillApp(items, seed=_drawn(seed), language=language, minutes=minutes))


def _drawn(seed: int | None) -> int:
    return random.randrange(2**31) if seed is None else seed

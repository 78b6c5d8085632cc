"""The card of an exercise: its task, the answer so far, the check in the sandbox; an editor within the terminal."""

from __future__ import annotations

import contextlib
import contextvars
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.content import Content
from textual.events import Key
from textual.highlight import highlight
from textual.message import Message
from textual.screen import Screen
from textual.widgets import TextArea

from ...progress import ProgressError
from ..answers import Verdict
from ..asking import Asked
from ..coding import CodingTask, draft_path, editor_command, read_draft, write_draft
from ..labels import say
from .cards import Card, verdict_line
from .page import Confirm, Keys
from .texts import Document, Hints, Told
from .wrapping import BAD, CONTROL, SOFT

AUTOSAVE_S = 2.0


class Draft:
    """The answer that is being written. It lies in the data folder; where that can't be written, in memory."""

    def __init__(self, task: CodingTask, language: str) -> None:
        self.task, self.language, self.notice = task, language, ""
        self.kept: str | None = None  # what the folder would not take

    def read(self) -> str:
        return read_draft(self.task) if self.kept is None else self.kept

    def write(self, source: str) -> None:
        try:
            write_draft(self.task, source)
            self.kept, self.notice = None, ""
        except ProgressError as error:
            self.kept = source
            self.notice = say(self.language, "Your code is not kept: {error}.", error=error)

    @contextlib.contextmanager
    def file(self) -> Iterator[Path]:
        """A file for an editor, in the data folder or in a folder that is gone afterwards."""
        source = self.read()
        self.write(source)
        if self.kept is None:
            yield draft_path(self.task)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / draft_path(self.task).name
            path.write_text(source, encoding="utf-8")
            yield path
            with contextlib.suppress(OSError, UnicodeDecodeError):
                self.kept = path.read_text(encoding="utf-8")


class CodeCard(Card):
    """An exercise, checked as often as she likes. A right answer counts at once, another when it is handed in."""

    to_top = True

    class Ran(Message):
        """The check came back. outcome: (verdict, its card as text, a notice), or the error that stopped it."""

        def __init__(self, outcome: tuple[Verdict, str, str] | Exception) -> None:
            super().__init__()
            self.outcome = outcome

    def __init__(self, asked: Asked, language: str) -> None:
        super().__init__(asked, language)
        self.draft = Draft(asked.task, language)
        self.running = False
        self.pending: tuple[Verdict, str] | None = None  # a wrong answer that is not handed in yet
        self.checked = ""

    def compose(self) -> ComposeResult:
        yield Document(self.asked.text, id="task")
        yield Told(id="wanted", classes="soft")
        yield Told(id="source", hang=8)
        yield Told(id="verdict", hang=2)
        yield Told(id="result", hang=6)

    def on_mount(self) -> None:
        self.show_source()

    @property
    def unsent(self) -> bool:
        return self.running or (self.pending is not None and not self.done)

    def hints(self) -> Keys:
        if self.running:
            return []
        edit = [("e", say(self.language, "your editor")), ("t", say(self.language, "edit here")),
                ("r", say(self.language, "run the check")), ("n", say(self.language, "start over"))]
        return [*edit, ("enter", say(self.language, "hand it in"))] if self.pending else edit

    def show_source(self) -> None:
        task = self.asked.task
        where = say(self.language, "Your answer so far, in {path}", path=draft_path(task)) \
            if self.draft.kept is None else say(self.language, "Your answer so far")
        self.query_one("#wanted", Told).tell(where)
        source = CONTROL.sub(" ", self.draft.read().expandtabs(4)).rstrip("\n")
        self.query_one("#source", Told).tell(highlight(source or " ", language="python"))
        self.screen.tell_state()

    def letter(self, key: str) -> None:
        if self.running:
            return
        if key == "e":
            self.edit_outside()
        elif key == "t":
            self.app.push_screen(EditScreen(self.asked.task, self.draft), self._edited)
        elif key == "r":
            self.run_check()
        elif key == "n":
            self.app.push_screen(Confirm(say(self.language, "Throw your code away and begin with the stub again?"),
                                         say(self.language, "start over")), self._start_over)

    def _start_over(self, yes: bool | None) -> None:
        if yes:
            self.draft.write(self.asked.task.stub)
            self.show_source()

    def _edited(self, run: bool | None) -> None:
        self.show_source()
        if run:
            self.run_check()

    # --- the candidate's editor ---------------------------------------------------------------------

    def edit_outside(self) -> None:
        words = editor_command()
        if words is None:
            self.tell(say(self.language, "No editor was found: set EDITOR, or press t to write here."))
            return
        with self.draft.file() as path:
            try:
                with self.app.editor_in_front():
                    subprocess.run([*words, str(path)], check=False)
            except SuspendNotSupported:
                self.tell(say(self.language, "No editor can be opened from here: press t to write here."))
            except OSError as error:
                self.tell(say(self.language, "{editor} cannot be started ({error}): press t to write here.",
                              editor=words[0], error=error.strerror))
        self.show_source()

    def tell(self, text: str) -> None:
        self.query_one("#verdict", Told).tell(verdict_line("○", text, SOFT, ""))
        self.to_verdict()

    # --- the check ----------------------------------------------------------------------------------

    def run_check(self) -> None:
        """Check in a thread, so that the screen lives. The thread holds nobody up who leaves meanwhile."""
        self.running, self.checked = True, self.draft.read()
        self.tell(say(self.language, "The check is running…"))
        self.query_one("#result", Told).tell("")
        self.screen.tell_state()
        work = contextvars.copy_context()
        threading.Thread(target=work.run, args=(self._check, self.checked), daemon=True).start()

    def _check(self, source: str) -> None:
        outcome: tuple[Verdict, str, str] | Exception
        try:
            from ...cards import card_text
            from ...exercises import find_exercise

            verdict, judgement, notice = self.asked.run_code(source)
            outcome = verdict, card_text(judgement, find_exercise(self.asked.item.id)), notice
        except Exception as error:  # whatever it was, practice goes on
            outcome = error
        with contextlib.suppress(RuntimeError):  # the screen is gone
            self.post_message(self.Ran(outcome))

    def on_code_card_ran(self, message: Ran) -> None:
        message.stop()
        self.running = False
        self.app.refresh(layout=True)  # a library may have written over the screen
        if isinstance(message.outcome, Exception):
            error = message.outcome
            self.tell(say(self.language, "The check failed by itself: {error}.",
                          error=f"{type(error).__name__}: {error}"[:300]))
            self.screen.tell_state()
            return
        verdict, text, notice = message.outcome
        card = text if verdict.right is not None else ""  # the verdict says "not written yet" already
        self.query_one("#result", Told).tell("\n".join(filter(None, (card, notice))))
        if self.done or verdict.right is None:
            self.show_again(verdict)
        elif verdict.right:
            self.pending = None
            self.post_message(self.Answered(verdict, self.checked))
        else:
            self.pending = verdict, self.checked
            word = say(self.language, "Not right yet.")
            more = say(self.language, "Mend it and run the check again, or hand it in with Enter.")
            self.query_one("#verdict", Told).tell(verdict_line("✗", word, BAD, more))
            self.to_verdict()
        self.screen.tell_state()

    def to_verdict(self) -> None:
        self.call_after_refresh(self.query_one("#verdict").scroll_visible, animate=False, top=self.to_top)

    def show_again(self, verdict: Verdict) -> None:
        """Tell of a check that does not count: nothing is written yet, or the answer has been given."""
        if verdict.right is None:
            self.show(verdict)
        else:
            self.query_one("#verdict", Told).tell(self.verdict(verdict, False))
            self.to_verdict()

    def send(self) -> None:
        """Enter hands in what was checked last."""
        if self.pending and not self.running:
            verdict, source = self.pending
            self.post_message(self.Answered(verdict, source))

    def verdict(self, verdict: Verdict, gave_up: bool) -> Content:
        """The word alone: what was wrong stands on the check's card below."""
        return super().verdict(Verdict(verdict.right, verdict.text if gave_up else "", verdict.share), gave_up)

    def wrong_word(self, verdict: Verdict) -> str:
        return say(self.language, "Partly right.") if verdict.share else say(self.language, "Not right.")


class CodeArea(TextArea):
    """A text area that keeps the indentation."""

    async def _on_key(self, event: Key) -> None:
        if event.key == "enter":
            line = self.document.get_line(self.cursor_location[0])[: self.cursor_location[1]]
            indent = line[: len(line) - len(line.lstrip())] + " " * 4 * line.rstrip().endswith(":")
            event.stop()
            event.prevent_default()
            self.replace(f"\n{indent}", *self.selection, maintain_selection_offset=False)
            return
        await super()._on_key(event)


class EditScreen(Screen[bool]):
    """Writes code within the terminal. It is kept every two seconds and on leaving; True: run the check."""

    BINDINGS: ClassVar = [Binding("escape,ctrl+q", "back(False)", priority=True),
                          Binding("ctrl+r", "back(True)", priority=True)]

    def __init__(self, task: CodingTask, draft: Draft) -> None:
        super().__init__()
        self.code_task, self.draft, self.saved = task, draft, draft.read()

    def compose(self) -> ComposeResult:
        yield Told(self.code_task.title, id="head")
        yield Told(id="notice")
        yield CodeArea(self.saved, soft_wrap=True, show_line_numbers=True, tab_behavior="indent", compact=True,
                       id="code")
        yield Hints(id="hints")

    def on_mount(self) -> None:
        language = self.app.language
        self.query_one(Hints).tell_keys([("ctrl+r", say(language, "run the check")),
                                         ("escape", say(language, "go back"))])
        area = self.query_one(CodeArea)
        area.focus()
        area.move_cursor(_first_to_write(self.saved))
        self.set_interval(AUTOSAVE_S, self.keep)

    def keep(self) -> None:
        """Write what changed."""
        text = self.query_one(CodeArea).text
        if text != self.saved:
            self.draft.write(text)
            self.saved = text
            self.query_one("#notice", Told).tell(self.draft.notice)

    def action_back(self, run: bool) -> None:
        self.keep()
        self.dismiss(run)


def _first_to_write(source: str) -> tuple[int, int]:
    """The place where a stub says that code goes, or the end."""
    lines = source.split("\n")
    at = next((n for n, line in enumerate(lines) if "YOUR CODE HERE" in line), None)
    return (at, len(lines[at])) if at is not None else (len(lines) - 1, len(lines[-1]))

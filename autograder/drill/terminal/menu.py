"""The menu: what is due, what to practise, how long the interview is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.events import Click

from ...chapters import CHAPTERS, PARTS
from ...progress import ProgressError
from ..deck import CODE, KINDS, Item, find_items, in_order
from ..labels import part_title, say
from ..memory import Memory, load_memory
from .page import Page, Picker
from .texts import Told

MINUTES = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240)
LANGUAGE_NAMES = {"en": "English", "zh": "中文"}
DUE, PRACTISE, MOCK = "due", "practise", "mock"


def filters(language: str, part: str | None) -> dict[str, list[tuple[Any, str]]]:
    """The settings of the menu: (value, label) of each choice. part: the chapters are those of this part."""
    everything = (None, say(language, "all"))
    chapters = [c for c in CHAPTERS.values() if part in (None, c.part)]
    return {
        "part": [everything, *((letter, f"{letter} {part_title(letter, language)}") for letter in PARTS)],
        "chapter": [everything, *((c.number, f"{c.number} {c.title_zh if language == 'zh' else c.short}")
                                  for c in chapters)],
        "difficulty": [everything, *((n, "●" * n + "○" * (3 - n)) for n in (1, 2, 3))],
        "kind": [everything, *((kind, say(language, kind)) for kind in KINDS)],
        "language": [*LANGUAGE_NAMES.items()],
        "minutes": [(n, str(n)) for n in MINUTES],
    }


def setting_names(language: str) -> dict[str, str]:
    return {"part": say(language, "Part"), "chapter": say(language, "Chapter"),
            "difficulty": say(language, "Difficulty"), "kind": say(language, "Kind"),
            "language": say(language, "Language"), "minutes": say(language, "Minutes")}


class Row(Told):
    """One line of the menu: what `label` says now. The one in hand begins with a mark."""

    can_focus = True

    def __init__(self, name: str, label: Callable[[], str], hang: int = 2) -> None:
        self.label = label
        super().__init__("", hang, id=name)

    def show(self) -> None:
        self.tell(Content(f"{'▸' if self.screen.focused is self else ' '} {self.label()}"))

    def on_focus(self) -> None:
        self.show()

    def on_blur(self) -> None:
        self.show()


class MenuScreen(Page):
    """Chooses and starts. Arrow keys and Enter do everything; so does the mouse."""

    BINDINGS: ClassVar = [
        Binding("left", "turn(-1)"), Binding("right", "turn(1)"), Binding("enter,space", "use"),
        Binding("q,escape,ctrl+q", "leave"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {"part": None, "chapter": None, "difficulty": None, "kind": None, "minutes": 45}
        self.memory: Memory | None = None
        self.found: list[Item] | None = None  # None: not counted yet
        self.due = 0
        self.stale = True

    def body(self) -> ComposeResult:
        yield Row(DUE, self._due_label)
        yield Row(PRACTISE, self._practise_label)
        yield Row(MOCK, lambda: say(self.language, "Mock interview: {n} minutes", n=self.values["minutes"]))
        yield Told(" ", id="gap")
        for name in setting_names("en"):
            yield Row(name, lambda name=name: self._setting_label(name), 6)

    # --- what is shown ------------------------------------------------------------------------------

    def _due_label(self) -> str:
        return say(self.language, "Practise what is due: {n}", n="…" if self.found is None else self.due)

    def _practise_label(self) -> str:
        n = "…" if self.found is None else len(self.found)
        return say(self.language, "Practise: {n} questions fit", n=n)

    def _setting_label(self, name: str) -> str:
        names = setting_names(self.language)
        space = max(cell_len(n) for n in names.values()) - cell_len(names[name])
        _, label = self._choices(name)[self._at(name)]
        return f"{names[name]}{' ' * space}  ‹ {label} ›"

    def _choices(self, name: str) -> Sequence[tuple[Any, str]]:
        return filters(self.language, self.values["part"])[name]

    def _at(self, name: str) -> int:
        value = self.language if name == "language" else self.values[name]
        return next((i for i, (v, _) in enumerate(self._choices(name)) if v == value), 0)

    def show(self) -> None:
        self.tell_head(say(self.language, "Interview practice"))
        for row in self.query(Row):
            row.show()
        self.tell_keys([("↑↓", say(self.language, "move")), ("←→", say(self.language, "change")),
                        ("enter", say(self.language, "choose")), ("q", say(self.language, "quit"))])

    def on_mount(self) -> None:
        self.query_one(f"#{PRACTISE}").focus()
        self.show()

    def on_screen_resume(self) -> None:
        """Shown for the first time, or after some practice, which has changed what is due."""
        if self.stale:
            self.stale, self.found = False, None
            self.show()
            self.call_after_refresh(self.count)

    def count(self) -> None:
        """Read what is remembered, and count what fits. The bank takes a second the first time."""
        notice = self.app.take_notice()
        try:
            self.memory = load_memory(self.app.now())
        except ProgressError as error:
            self.memory = None
            notice = say(self.language, "Your progress cannot be read: {error}. You can practise without it.",
                         error=error)
        self.tell_notice(notice)
        self._find()

    def _find(self) -> None:
        v = self.values
        self.found = find_items([v["part"]] if v["part"] else [], [v["chapter"]] if v["chapter"] else [],
                                v["difficulty"], [v["kind"]] if v["kind"] else KINDS, self.language)
        self.due = len(in_order(self.found, self.memory, 0, due_only=True))
        self.show()

    # --- what the keys do ---------------------------------------------------------------------------

    def action_up(self) -> None:
        self.focus_previous(Row)

    def action_down(self) -> None:
        self.focus_next(Row)

    def action_turn(self, way: int) -> None:
        name = self.focused.id if self.focused else None
        if name in setting_names("en"):
            self._set(name, (self._at(name) + way) % len(self._choices(name)))

    def action_use(self) -> None:
        if isinstance(self.focused, Row):
            self._use(str(self.focused.id))

    def on_click(self, event: Click) -> None:
        if isinstance(event.widget, Row):
            self._use(str(event.widget.id))

    def _use(self, name: str) -> None:
        if name in setting_names("en"):
            labels = [label for _, label in self._choices(name)]
            self.app.push_screen(Picker(labels, self._at(name)), lambda at: self._picked(name, at))
            return
        if self.found is None:
            self._find()
        assert self.found is not None
        askable = [item for item in self.found if name != MOCK or item.kind != CODE]
        if not askable:
            self.tell_notice(say(self.language, "No question fits: take a filter away."))
        elif name == DUE and not self.due:
            self.tell_notice(say(self.language, "Nothing is due now."))
        else:
            self.stale = True
            if name == MOCK:
                self.app.start_mock(self.values["minutes"], self.found)
            else:
                self.app.start_round(self.found, due_only=name == DUE)

    def _picked(self, name: str, at: int | None) -> None:
        if at is not None:
            self._set(name, at)

    def _set(self, name: str, at: int) -> None:
        value = self._choices(name)[at][0]
        if name == "language":
            self.app.language = value
        else:
            self.values[name] = value
        if name == "part" and not any(v == self.values["chapter"] for v, _ in self._choices("chapter")):
            self.values["chapter"] = None
        self.tell_notice("")
        self.call_after_refresh(self._find)
        self.show()

    def action_leave(self) -> None:
        self.app.exit()

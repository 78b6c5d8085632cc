"""The widgets that show text: a paragraph, the line of keys, a document in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from textual.content import Content
from textual.style import Style
from textual.widgets import Markdown, Static

from .wrapping import CONTROL, NO_BREAK, Wrapped, styled

NAMES = {"enter": "Enter", "escape": "Esc", "space": "Space"}


class Told(Static):
    """A text on the screen, hidden while it is empty. hang: cells by which all lines but the first stand in."""

    ALLOW_SELECT = False

    def __init__(self, text: str | Content = "", hang: int = 0, **names: Any) -> None:
        super().__init__(markup=False, **names)
        self.hang, self.plain = hang, ""
        self.tell(text)

    def tell(self, text: str | Content) -> None:
        content = text if isinstance(text, Content) else styled(text)
        self.plain = content.plain
        self.display = bool(content)
        self.update(Wrapped(content, self.hang))


class Hints(Told):
    """The keys that do something now; a click on one presses it."""

    def tell_keys(self, keys: Sequence[tuple[str, str]]) -> None:
        """keys: (key as Textual names it, what it does). A range such as "1–4" can't be clicked."""
        parts: list[Content] = []
        for key, label in keys:
            name = NAMES.get(key) or (f"Ctrl+{key[-1].upper()}" if key.startswith("ctrl+") else key)
            pair = Content.assemble((name.replace(" ", NO_BREAK), "bold"), NO_BREAK, label.replace(" ", NO_BREAK))
            one = key in NAMES or len(key) == 1 or key.startswith("ctrl+")
            parts += [pair.stylize(Style.from_meta({"@click": f"press({key!r})"})) if one else pair, Content("   ")]
        self.tell(Content.assemble(*parts[:-1]))

    def action_press(self, key: str) -> None:
        self.app.simulate_key(key)


class _Broken:
    """Put before a block of Markdown: its lines are broken as those of `Told`."""

    def set_content(self, content: Content) -> None:
        self._content = content
        self.update(Wrapped(content))


class Document(Markdown):
    """Markdown that wraps Chinese too, and in which `<this>` is no HTML."""

    ALLOW_SELECT = False
    BLOCKS = Markdown.BLOCKS | {name: type(f"Broken_{name}", (_Broken, Markdown.BLOCKS[name]), {})
                                for name in ("paragraph_open", "h1", "h2", "h3")}

    def __init__(self, text: str, **names: Any) -> None:
        super().__init__(CONTROL.sub(" ", text), open_links=False, **names,
                         parser_factory=lambda: MarkdownIt("gfm-like", {"html": False, "linkify": False}))

"""Text as a terminal shows it: `code` set as code, nothing read as markup, lines broken where the language allows it.

Textual breaks lines at spaces only. Chinese has none, so the places to break are found here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len
from textual.content import Content
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

CODE = "bold $text-accent"
GOOD, BAD, SOFT = "bold $text-success", "bold $text-warning", "$text-muted"
_NEVER_FIRST = frozenset("，。、；：！？）】》〉」』”’…·,.;:!?)]}%％°")
_NEVER_LAST = frozenset("（【《〈「『“‘([{")
NO_BREAK = "\u00a0"  # a space that holds together
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def break_line(text: str, width: int, hang: int = 0) -> list[int]:
    """Where the lines after the first one begin, so that each fits `width` cells; those have `hang` cells less.

    Breaks stand after a space and beside a wide character; a piece that is longer than a line is cut.

    >>> break_line("so many words", 8)
    [8]
    >>> break_line("中文没有空格。", 6)
    [3, 5]
    """
    starts: list[int] = []
    used, room = 0, max(width, 2)
    for start, end in _pieces(text):
        needed = cell_len(text[start:end].rstrip(" "))
        if used and used + needed > room:
            starts.append(start)
            used, room = 0, max(width - hang, 2)
        while needed > room:
            start = _cut(text, start, room)
            starts.append(start)
            needed, room = cell_len(text[start:end].rstrip(" ")), max(width - hang, 2)
        used += cell_len(text[start:end])
    return starts


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of what is kept together; spaces stay at its end, those of an indentation at its start."""
    start = 0
    for i in range(len(text) - len(text.lstrip(" ")) + 1, len(text)):
        if _may_break(text[i - 1], text[i]):
            yield start, i
            start = i
    if start < len(text):
        yield start, len(text)


def _may_break(before: str, after: str) -> bool:
    if after == " " or NO_BREAK in (before, after):
        return False
    if before == " ":
        return True
    return (_wide(before) or _wide(after)) and after not in _NEVER_FIRST and before not in _NEVER_LAST


def _wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _cut(text: str, start: int, room: int) -> int:
    used, at = 0, start
    while at < len(text) and (used := used + cell_len(text[at])) <= room:
        at += 1
    return max(at, start + 1)


def styled(text: str) -> Content:
    """Text with `code` in backticks set as code. Brackets, braces and the rest stay as they are."""
    told = CONTROL.sub(" ", text.expandtabs(4))
    parts = re.split(r"`([^`\n]+)`", told)
    return Content.assemble(*((part, CODE) if i % 2 else Content(part) for i, part in enumerate(parts)))


class Wrapped(Visual):
    """A text whose lines are broken for the width that it gets. hang: cells by which all but the first stand in."""

    def __init__(self, content: Content, hang: int = 0) -> None:
        self.content, self.hang = content, hang
        self._at: tuple[int, Content] = (-1, content)

    @property
    def plain(self) -> str:
        return self.content.plain

    def at(self, width: int) -> Content:
        if self._at[0] != width:
            hang = self.hang if width > 2 * self.hang else 0
            lines: list[Content] = []
            for line in self.content.split(allow_blank=True):
                first, *others = line.divide(break_line(line.plain, width, hang))
                lines += [first.rstrip(), *(Content(" " * hang) + other.rstrip() for other in others)]
            self._at = width, Content("\n").join(lines)
        return self._at[1]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return self.content.get_optimal_width(rules, container_width)

    def get_height(self, rules: RulesMap, width: int) -> int:
        return self.at(width).plain.count("\n") + 1 if width else 0

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        return self.at(width).render_strips(width, height, style, options)

"""The chapter table of README.md, generated from the table of chapters."""

from __future__ import annotations

from ..chapters import CHAPTERS, PARTS, ROOT
from .build import write_text

PATH = ROOT / "README.md"
BEGIN, END = "<!-- chapters -->", "<!-- /chapters -->"


def table() -> str:
    """Part, and its chapters that are written, with links."""
    lines = ["| part | chapters |", "|---|---|"]
    for part, title in PARTS.items():
        mine = [c for c in CHAPTERS.values() if c.part == part and c.master.exists()]
        chapters = " · ".join(f"[{c.number} {c.short}](course/{c.stem}/{c.stem}.ipynb)" for c in mine)
        lines.append(f"| **{part}** {title} | {chapters} |")
    return "\n".join(lines)


def text() -> str:
    """README.md with its table brought up to date."""
    old = PATH.read_text(encoding="utf-8")
    head, rest = old.split(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def is_stale() -> bool:
    """Whether the committed table differs from the chapters."""
    return PATH.read_text(encoding="utf-8") != text()


def write() -> None:
    """Bring the table up to date."""
    write_text(PATH, text())

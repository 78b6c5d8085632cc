"""What the start notebook shows: the map of the chapters with the learner's progress, and search."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from .chapters import CHAPTERS, PARTS, Chapter
from .drill.memory import load_memory
from .overview import Standing, overview, size_of
from .progress import ProgressError

STYLE = """<style>
.agm{font:13px/1.3 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,#1f2328);
max-width:1060px;--line:var(--jp-border-color2,#d0d7de);--soft:var(--jp-ui-font-color2,#57606a);--fill:#0072B2;--done:#00785a}
[data-jp-theme-light="false"] .agm{--fill:#6cc3f5;--done:#35c7a0}
.agm h4{margin:14px 0 6px;font-size:13px;font-weight:600;color:var(--soft)}
.agm .agm-grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(108px,1fr));gap:6px}
.agm .agm-tile,.agm a.agm-tile:link,.agm a.agm-tile:visited{position:relative;display:block;min-height:58px;
padding:6px 7px 9px;border:1px solid var(--line);border-radius:6px;background:var(--jp-layout-color1,#fff);
color:inherit;text-decoration:none;overflow-wrap:anywhere}
.agm a.agm-tile:hover{border-color:var(--fill)}.agm a.agm-tile:focus-visible{outline:3px solid var(--fill)}
.agm .agm-n{display:block;font:600 12px var(--jp-code-font-family,monospace);color:var(--soft);margin-bottom:2px}
.agm .agm-soon{color:var(--soft);border-style:dashed;background:none}
.agm .agm-done{border-color:var(--done)}.agm .agm-done .agm-n{color:var(--done)}
.agm .agm-known{position:absolute;left:0;bottom:4px;height:3px;background:repeating-linear-gradient(90deg,var(--done)
0 3px,transparent 3px 5px)}.agm .agm-due{float:right;color:var(--soft)}
.agm .agm-bar{position:absolute;left:0;bottom:0;height:4px;border-radius:0 0 0 5px;background:var(--fill)}
.agm .agm-note{color:var(--soft);margin:8px 0}
.agm ul{margin:4px 0;padding-left:18px}.agm li{margin:4px 0}
</style>"""


class Shown:
    """HTML for a notebook, with plain text for everything else."""

    def __init__(self, page: str, text: str) -> None:
        self.page, self.text = page, text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.page, "text/plain": self.text}


def chapter_map() -> Shown:
    """The six parts as tiles: what is ready, what is coming, how much of it is solved."""
    try:
        memory = load_memory()
        rows, note, told = overview(memory), "", f" · {memory.told()}" if memory.answered else ""
    except ProgressError as error:
        rows, note, told = _without_progress(), f"Your progress cannot be read: {error}.", ""
    solved, total = sum(r.solved for r in rows), sum(r.exercises for r in rows)
    ready = sum(r.exercises > 0 for r in rows)
    head = note or f"{solved} of {total} exercises solved · {ready} of {len(CHAPTERS)} chapters ready{told}"
    parts = []
    for part, title in PARTS.items():
        tiles = "".join(_tile(row) for row in rows if row.chapter.part == part)
        parts.append(f'<h4>{part} · {html.escape(title)}</h4><div class="agm-grid">{tiles}</div>')
    page = f'{STYLE}<div class="agm"><p class="agm-note" role="status">{html.escape(head)}</p>{"".join(parts)}</div>'
    return Shown(page, head)


def _without_progress() -> list[Standing]:
    sizes = {c: size_of(c) for c in CHAPTERS.values()}
    return [Standing(c, count, 0, 0.0, points, 0, "") for c, (count, points) in sizes.items()]


def _tile(row: Standing) -> str:
    chapter = row.chapter
    body = html.escape(chapter.short)
    if not row.exercises:
        return (f'<div class="agm-tile agm-soon" title="{html.escape(chapter.title, quote=True)}">'
                f'<span class="agm-n">{chapter.number} coming</span>{body}</div>')
    done = row.solved == row.exercises
    label = (f"{chapter.number} {chapter.title}: {row.solved} of {row.exercises} exercises solved, "
             f"mastery {row.mastery:.0%}, {row.due} due")
    due = f'<span class="agm-due">{row.due} due</span>' if row.due else ""
    return (f'<a class="agm-tile{" agm-done" if done else ""}" href="{chapter.stem}/{chapter.stem}.ipynb" '
            f'title="{html.escape(label, quote=True)}" aria-label="{html.escape(label, quote=True)}">'
            f'<span class="agm-n">{chapter.number}{" ✓" if done else f" {row.solved}/{row.exercises}"}{due}</span>'
            f'{body}'
            f'<span class="agm-known" style="width:{100 * row.mastery:.0f}%"></span>'
            f'<span class="agm-bar" style="width:{100 * row.share:.0f}%"></span></a>')


# --- search -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hit:
    """One place where the words occur: the chapter, the heading above it, and the text around it."""

    chapter: Chapter
    heading: str
    snippet: str
    score: float


def search(query: str, most: int = 12) -> list[Hit]:
    """Places in the chapters that hold every word of `query` (English or Chinese), best first.

    Titles count most, then glossary and headings, then text; one hit a section.
    """
    words = [w for w in re.split(r"\s+", query.strip().lower()) if w]
    if not words:
        return []
    hits = []
    for chapter in CHAPTERS.values():
        title = f"{chapter.number} {chapter.title} {chapter.title_zh} {chapter.short}".lower()
        if all(w in title for w in words):
            hits.append(Hit(chapter, "", f"{chapter.title} {chapter.title_zh}", 100.0))
        for heading, text in _sections(chapter.number):
            low = text.lower()
            if all(w in low for w in words):
                weight = 20.0 if heading == "Glossary" or all(w in heading.lower() for w in words) else 1.0
                hits.append(Hit(chapter, heading, _snippet(text, words[0]), weight + sum(map(low.count, words)) / 50))
    return sorted(hits, key=lambda h: (-h.score, h.chapter.number))[:most]


@cache
def _sections(number: str) -> tuple[tuple[str, str], ...]:
    """(heading, text) of each section of a written chapter's notebook."""
    try:
        cells = json.loads(CHAPTERS[number].notebook.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return ()
    sections: dict[str, list[str]] = {}
    heading = ""
    for cell in cells:
        if cell.get("cell_type") == "markdown":
            source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            for line in source.split("\n"):
                if line.startswith("## "):
                    heading = line[3:].strip()
                sections.setdefault(heading, []).append(line)
    return tuple((h, "\n".join(lines)) for h, lines in sections.items())


def _snippet(text: str, word: str) -> str:
    flat = re.sub(r"[|#*`]|<[^>]+>", " ", text)
    flat = re.sub(r"\s+", " ", flat)
    at = max(flat.lower().find(word), 0)
    start = max(0, at - 60)
    return ("…" if start else "") + flat[start : at + 100].strip() + "…"


def search_box() -> Any:
    """A text field whose hits appear below it as you type."""
    import ipywidgets as widgets

    box = widgets.Text(placeholder="bandwidth, subnormal, 剪枝 …", description="Search")
    box.layout.width = "min(480px, 95%)"
    hits = widgets.HTML()
    box.observe(lambda change: setattr(hits, "value", hits_html(change["new"])), "value")
    return widgets.VBox([box, hits])


def hits_html(query: str) -> str:
    """The hits of a query as a list of links."""
    if not query.strip():
        return ""
    lines = []
    for hit in search(query):
        label = html.escape(f"{hit.chapter.number} {hit.chapter.short}" + (f" · {hit.heading}" if hit.heading else ""))
        if hit.chapter.ready:
            label = f'<a href="{hit.chapter.stem}/{hit.chapter.stem}.ipynb">{label}</a>'
        lines.append(f"<li><b>{label}</b><br>{html.escape(hit.snippet)}</li>")
    body = f"<ul>{''.join(lines)}</ul>" if lines else "<p>Nothing found. Try another word.</p>"
    return f'{STYLE}<div class="agm" role="status">{body}</div>'

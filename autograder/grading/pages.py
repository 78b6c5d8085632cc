"""What a graded submission looks like: the notebook in `autograded/`, as nbgrader's tools read it, and the page of
feedback.

Both hold the learner's own text, so nothing of it may act: code and values are escaped, written answers go
through nh3, no page carries a script.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import Any

from ..cards import STYLE, card_html
from ..exercises import find_exercise
from .assignment import Released, grade_id, text_of
from .grade import Graded
from .results import NotebookResult

# A zero-width space keeps a text as it reads, in prose and in code: after "<" no parser sees a tag, after "&" none sees
# a character that is spelled otherwise, before ":" none sees a link that runs code.
_TAG = re.compile(r"<(?=[A-Za-z/!?])|&(?=[#A-Za-z])")
_CARD_TAGS = {"b", "br", "code", "details", "div", "pre", "section", "span", "summary", "table", "tbody", "td", "th",
              "thead", "tr"}
_TONE = re.compile(r"--tone:var\(--(?:good|bad|soft)\)")
_LINK = re.compile(r"(?i)\b(javascript|vbscript|data)([\s\\]*):")
MAX_TEXT = 200_000


def harmless(text: str) -> str:
    """A written answer as Markdown in which no HTML, and no link that runs code, is left to act."""
    return _LINK.sub(lambda m: f"{m[1]}{m[2]}\u200b:", _TAG.sub("\\g<0>\u200b", text[:MAX_TEXT].replace("\0", "")))


@dataclass
class Content:
    """What a page shows of one notebook: the learner's code and texts by grade id, the checks' cards by check cell."""

    code: dict[str, str]
    text: dict[str, str]
    cards: dict[str, str]


def content_of(graded: Graded, released: Released) -> Content:
    """The content of a notebook that was just graded."""
    answers, judgements = graded.answers[released.name], graded.judgements[released.name]
    return Content({name: "\n\n".join(parts) for name, parts in answers.code.items()}, answers.text,
                   {check: card_html(j, find_exercise(j.exercise)) for check, j in judgements.items()})


def content_from(notebook: dict[str, Any], released: Released) -> Content:
    """The same, from a notebook in `autograded/`."""
    code, text, cards = {}, {}, {}
    answers, written = {a.answer for a in released.asked}, {w.cell for w in released.written}
    for cell in notebook["cells"]:
        name = grade_id(cell)
        if name in answers:
            code[name] = text_of(cell["source"])
        elif name in written:
            text[name] = text_of(cell["source"]).replace("\u200b", "")
        elif name:
            for output in cell.get("outputs", ()):
                cards[name] = text_of(output.get("data", {}).get("text/html", ""))
    return Content(code, text, cards)


def graded_notebook(content: Content, told: NotebookResult, released: Released) -> str:
    """The released notebook with the learner's answers in it and the checks' cards as outputs (nbformat 4 JSON)."""
    points = {asked.check: asked.points for asked in released.asked}
    earned = {e.cell: e.points for e in told.exercises}
    code = {asked.answer for asked in released.asked}
    cells = []
    for cell in released.cells:
        name = grade_id(cell)
        if name in code and name in content.code:
            cell = {**cell, "source": content.code[name]}
        elif name in content.text:
            cell = {**cell, "source": harmless(content.text[name])}
        elif name in points:
            metadata = {**cell["metadata"], "nbgrader": {**cell["metadata"]["nbgrader"], "points": points[name]}}
            outputs = [_output(earned[name], content.cards[name])] if name in content.cards else []
            cell = {**cell, "metadata": metadata, "outputs": outputs, "execution_count": 1}
        cells.append(cell)
    return json.dumps({**released.notebook, "cells": cells}, ensure_ascii=False, indent=1) + "\n"


def _output(points: float, card: str) -> dict[str, Any]:
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {},
            "data": {"text/plain": str(float(points)), "text/html": card}}


# --- the feedback page --------------------------------------------------------------------------

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
{style}<style>
body{{margin:0 auto;max-width:1000px;padding:24px 18px 60px;font:15px/1.55 system-ui,sans-serif;color:#1f2328;
background:#fff}}
h1{{font-size:22px;margin:0 0 4px}}
h2{{font-size:16px;margin:28px 0 6px;border-bottom:1px solid #d0d7de;padding-bottom:4px}}
.sum{{color:#57606a;margin:0 0 14px}}.sum b{{color:#1f2328;font-size:18px}}
table.over{{border-collapse:collapse;margin:8px 0 4px;width:100%}}table.over td,table.over th{{text-align:left;
padding:5px 12px 5px 0;border-top:1px solid #e2e6ea;vertical-align:top}}table.over th{{color:#57606a;font-weight:600}}
.note{{background:#fff8e5;border-left:4px solid #b26a00;padding:8px 14px;margin:8px 0}}
.bad{{background:#fff1ea;border-left:4px solid #c14f00;padding:8px 14px;margin:8px 0}}
pre.src{{background:#f6f8fa;padding:10px 14px;border-radius:5px;overflow:auto;
font:12.5px/1.5 ui-monospace,monospace;tab-size:4}}
.answer{{border:1px solid #d0d7de;border-radius:6px;padding:4px 16px;margin:6px 0}}
.teacher{{border-left:4px solid #0072B2;padding:2px 14px;margin:8px 0}}
</style></head><body>
<h1>{heading}</h1>
<p class="sum">{student} · <b>{total}</b>{late}</p>
{problem}{notes}{overview}{body}
</body></html>
"""
_SIGNS = {"right": "✓ right", "wrong": "✗ not right yet", "not attempted": "○ not attempted"}


def feedback_page(content: Content, told: NotebookResult, released: Released, student: str,
                  scores: dict[str, Any] | None = None) -> str:
    """The page that a student sees: the sum, what had no effect, and for each exercise what the check said.

    scores: by grade id what a person gave and wrote ("manual_score", "extra_credit", "comment"); "penalty" for
    lateness.
    """
    scores = scores or {}
    body = []
    for asked in released.asked:
        body.append(f"<h2>{html.escape(asked.exercise.split('.', 1)[1])}</h2>")
        source = content.code.get(asked.answer, "")
        if source.strip() and asked.answer not in told.blank:
            body.append(f'<pre class="src">{html.escape(source)}</pre>')
        body.append(_harmless_card(content.cards.get(asked.check, "")))
        body.append(_teacher(scores.get(asked.check)))
    for written in released.written:
        body.append(f"<h2>{html.escape(written.cell)}</h2>")
        body.append('<p class="sum">No answer was written.</p>' if written.cell in told.blank
                    else f'<div class="answer">{rendered(content.text.get(written.cell, ""))}</div>')
        body.append(_teacher(scores.get(written.cell)))
    return _PAGE.format(
        title=html.escape(f"{released.name} · {student}"), style=STYLE, heading=html.escape(_title(released)),
        student=html.escape(student), total=_total(told, released, scores),
        late=f" · {scores['penalty']:g} points off for lateness" if scores.get("penalty") else "",
        problem=f'<div class="bad">{html.escape(told.problem)}</div>' if told.problem else "",
        notes="".join(f'<div class="note">{html.escape(note)}</div>' for note in told.notes),
        overview=_overview(told, released, scores), body="".join(body))


def _harmless_card(card: str) -> str:
    """A card without its style sheet, which the page has already. Also one that was read from `autograded/`, where
    stock nbgrader may since have put what the learner's own code showed, is left with nothing that acts."""
    import nh3

    return nh3.clean(card.removeprefix(STYLE), tags=_CARD_TAGS, attribute_filter=_card_attribute,
                     attributes={"*": {"class"}, "section": {"style", "role", "aria-label"}})


def _card_attribute(tag: str, name: str, value: str) -> str | None:
    return value if name != "style" or _TONE.fullmatch(value) else None


def rendered(text: str) -> str:
    """A written answer as HTML that is safe in a page: Markdown through nh3."""
    import mistune
    import nh3

    return nh3.clean(mistune.html(text[:MAX_TEXT]), link_rel="noopener noreferrer nofollow", attribute_filter=_lasting,
                     url_schemes={"http", "https", "mailto"}, tags=nh3.ALLOWED_TAGS - {"img"},
                     attributes={"a": {"href", "title"}, "th": {"align"}, "td": {"align"}})


def _lasting(tag: str, name: str, value: str) -> str | None:
    """Links lead somewhere by themselves: a relative one would lead into the teacher's folders."""
    return None if name == "href" and not re.match(r"(?i)https?://|mailto:|#", value) else value


def _title(released: Released) -> str:
    for cell in released.cells:
        if cell["cell_type"] == "markdown":
            match = re.search(r"^# +(.+)$", cell["source"], re.M)
            if match:
                return match[1]
    return released.name


def _total(told: NotebookResult, released: Released, scores: dict[str, Any]) -> str:
    """The sum over all cells that have a score, of all points that there are."""
    cells = {e.cell: e.points for e in told.exercises} | told.manual
    cells = {c: p if _given(scores, c) is None else _given(scores, c) for c, p in cells.items()}
    most = sum(e.max_points for e in told.exercises) + sum(w.points for w in released.written)
    waiting = sum(p is None for p in cells.values())
    extra = sum((scores.get(c) or {}).get("extra_credit") or 0.0 for c in cells)
    text = f"{sum(p for p in cells.values() if p is not None) + extra:g} of {most:g} points"
    text += f" with {extra:g} of extra credit" if extra else ""
    return text + (f"; {waiting} written answer{'s wait' if waiting > 1 else ' waits'} for a person" if waiting else "")


def _given(scores: dict[str, Any], cell: str) -> float | None:
    return (scores.get(cell) or {}).get("manual_score")


def _overview(told: NotebookResult, released: Released, scores: dict[str, Any]) -> str:
    rows = ["<table class='over'><tr><th>exercise</th><th></th><th>points</th><th>what the check found</th></tr>"]
    for exercise in told.exercises:
        given = _given(scores, exercise.cell)
        points = exercise.points if given is None else given
        rows.append(f"<tr><td>{html.escape(exercise.exercise.split('.', 1)[1])}</td><td>{_SIGNS[exercise.outcome]}</td>"
                    f"<td>{points:g} of {exercise.max_points:g}</td><td>{html.escape(exercise.title)}</td></tr>")
    for written in released.written:
        points, given = told.manual.get(written.cell), _given(scores, written.cell)
        text = f"{given if given is not None else points:g}" if (given, points) != (None, None) else "–"
        state = "○ not attempted" if points is not None else "written"
        rows.append(f"<tr><td>{html.escape(written.cell)}</td><td>{state}</td>"
                    f"<td>{text} of {written.points:g}</td><td></td></tr>")
    return "".join(rows) + "</table>"


def _teacher(score: dict[str, Any] | None) -> str:
    comment = (score or {}).get("comment") or ""
    return f'<div class="teacher">{rendered(comment)}</div>' if comment.strip() else ""

"""How a judgement looks: one card in HTML for notebooks, the same as text for terminals."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from .exercise import Exercise
from .judging import NOT_ATTEMPTED, Judgement, Row

# Colours come from JupyterLab's theme; the fallbacks serve other viewers. Okabe–Ito hues, and every
# state has a word and a sign beside its colour.
STYLE = """<style>
.ag{--ink:var(--jp-ui-font-color1,#1f2328);--soft:var(--jp-ui-font-color2,#57606a);
--line:var(--jp-border-color2,#d0d7de);--bg:var(--jp-layout-color1,#fff);--bg2:var(--jp-layout-color2,#f6f8fa);
--good:#00785a;--bad:#c14f00;--sky:#0072B2;color:var(--ink);
font:14px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);max-width:980px}
[data-jp-theme-light="false"] .ag{--good:#35c7a0;--bad:#ff9a4d;--sky:#6cc3f5}
.ag-card{border:1px solid var(--line);border-left:5px solid var(--tone);border-radius:6px;background:var(--bg);
margin:6px 0 10px;overflow-x:auto}
.ag-head{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline;padding:8px 14px;background:var(--bg2)}
.ag-head b{color:var(--tone);font-size:15px}
.ag-head .ag-pts{margin-left:auto;color:var(--soft)}
.ag code{font:12.5px/1.45 var(--jp-code-font-family,ui-monospace,monospace);
background:none!important;padding:0!important;color:inherit;overflow-wrap:anywhere}
.ag table.ag-t{border-collapse:collapse;width:100%;margin:0;table-layout:auto;font-size:13px}
.ag table.ag-t tr,.ag table.ag-t th,.ag table.ag-t td{background:none!important}
.ag table.ag-t th,.ag table.ag-t td{padding:5px 14px!important;text-align:left!important;border:0;
border-top:1px solid var(--line);vertical-align:top;white-space:normal;max-width:none}
.ag table.ag-t th{color:var(--soft);font-weight:600}.ag table.ag-t td.ag-s{white-space:nowrap}
.ag .ag-ok{color:var(--good)}.ag .ag-no{color:var(--bad);font-weight:600}
.ag-msg{padding:10px 14px;border-top:1px solid var(--line)}.ag-msg b{display:block;margin-bottom:2px}
.ag .ag-soft{color:var(--soft);font-weight:400}.ag-row{padding:0 14px 10px}
.ag details{margin:4px 0}.ag summary{display:inline-block;cursor:pointer;border:1px solid var(--line);
border-radius:5px;background:var(--bg2);padding:3px 12px;font-size:13px;list-style:none}
.ag summary::-webkit-details-marker{display:none}.ag details[open]>summary{color:var(--soft)}
.ag summary:focus-visible{outline:3px solid var(--sky);outline-offset:1px}
.ag details>div{padding:6px 2px}.ag pre{white-space:pre-wrap;background:var(--bg2);padding:8px 12px;margin:4px 0;
border-radius:4px;font:12.5px/1.45 var(--jp-code-font-family,ui-monospace,monospace);color:var(--ink)}
</style>"""


def card_html(judgement: Judgement, exercise: Exercise, *, attempt: int = 0, solution: str = "",
              notice: str = "") -> str:
    """The card of a check. `solution` is shown behind a button when given; `notice` is a footnote."""
    if judgement.outcome == NOT_ATTEMPTED:
        return _frame(judgement, exercise, "○ not written yet", "--soft", "",
                      f"{exercise.points:g} points to earn", notice)
    points = f"{judgement.points:g} of {judgement.max_points:g} points"
    if judgement.passed:
        body = f'<div class="ag-msg">{_told(_all_right(judgement))} '
        body += f'<span class="ag-soft">{_told(exercise.worth_knowing)}</span></div>'
        return _frame(judgement, exercise, "✓ right", "--good", body, points, notice)
    body = _table(judgement.rows) + _message(judgement) + _printed(judgement)
    body += f'<div class="ag-row">{_hints(exercise.hints)}{_solution(solution)}</div>'
    if attempt:
        points += f" · attempt {attempt}"
    return _frame(judgement, exercise, "✗ not right yet", "--bad", body, points, notice)


def _frame(judgement: Judgement, exercise: Exercise, state: str, tone: str, body: str, points: str,
           notice: str) -> str:
    label = html.escape(f"{exercise.name}: {state[2:]}, {points}", quote=True)
    foot = f'<div class="ag-msg ag-soft">{_told(notice)}</div>' if notice else ""
    return (
        f'{STYLE}<div class="ag"><section class="ag-card" style="--tone:var({tone})" role="status" '
        f'aria-label="{label}"><div class="ag-head"><b>{state}</b><code>{html.escape(exercise.name)}</code>'
        f'<span class="ag-pts">{points}</span></div>{body}{foot}</section></div>'
    )


GROUP_WORDS = {  # one, several
    "visible": ("1 visible case", "{} visible cases"), "random": ("1 more case", "{} more cases"),
    "bad input": ("1 input to refuse", "{} inputs to refuse"),
    "limits": ("1 limit on memory or work", "{} limits on memory or work"),
}


def _all_right(judgement: Judgement) -> str:
    rows = {group: [row for row in judgement.rows if row.group == group] for group in GROUP_WORDS}
    told = []
    for group, found in rows.items():
        summed = len(found) == 1 and found[0].input[:1].isdigit() and found[0].expected == "all right"
        if found:
            told.append(found[0].input if summed else GROUP_WORDS[group][len(found) > 1].format(len(found)))
    return f"All right: {', '.join(told)}."


def _table(rows: Sequence[Row]) -> str:
    head = "<th></th><th>input</th><th>expected</th><th>yours</th>"
    lines = [f'<table class="ag-t"><thead><tr>{head}</tr></thead><tbody>']
    for row in rows:
        state, sign = ("ag-ok", "✓ equal") if row.ok else ("ag-no", "✗ differs")
        note = f'<br><span class="ag-soft">{html.escape(row.note)}</span>' if row.note and not row.ok else ""
        lines.append(
            f'<tr><td class="ag-s {state}">{sign}</td><td><code>{html.escape(row.input)}</code></td>'
            f"<td><code>{html.escape(row.expected)}</code></td>"
            f'<td class="{state if not row.ok else ""}"><code>{html.escape(row.got)}</code>{note}</td></tr>'
        )
    return "".join(lines) + "</tbody></table>"


def _message(judgement: Judgement) -> str:
    title = f"<b>{_told(judgement.title)}</b>" if judgement.title else ""
    return f'<div class="ag-msg">{title}{_told(judgement.message)}</div>'


def _printed(judgement: Judgement) -> str:
    if not judgement.printed.strip():
        return ""
    text = html.escape(judgement.printed[:1000])
    return f'<div class="ag-row"><details><summary>What it printed</summary><pre>{text}</pre></details></div>'


def _hints(hints: Sequence[str]) -> str:
    """Each hint holds the button of the next one, so they open in order; works without a kernel."""
    inner = ""
    for number in range(len(hints), 0, -1):
        inner = (f"<details><summary>Hint {number} of {len(hints)}</summary>"
                 f"<div>{_told(hints[number - 1])}{inner}</div></details>")
    return inner


def _solution(source: str) -> str:
    if not source:
        return ""
    return f"<details><summary>Show a solution</summary><pre>{html.escape(source)}</pre></details>"


def _told(text: str) -> str:
    """Escaped text in which `code` is set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def card_text(judgement: Judgement, exercise: Exercise, *, attempt: int = 0) -> str:
    """The same as plain text, at most 100 columns wide where values allow."""
    if judgement.outcome == NOT_ATTEMPTED:
        return f"○ {judgement.exercise}: not written yet"
    points = f"{judgement.points:g} of {judgement.max_points:g} points"
    if judgement.passed:
        told = f"{_all_right(judgement)} {exercise.worth_knowing}".strip()
        return f"✓ {judgement.exercise}: right, {points}. {told}"
    lines = [f"✗ {judgement.exercise}: not right yet, {points}" + (f", attempt {attempt}" if attempt else "")]
    for row in judgement.rows:
        if row.ok:
            lines.append(f"  ✓ {row.input} → {row.got}")
        else:
            lines.append(f"  ✗ {row.input} → {row.got}, expected {row.expected}")
            if row.note:
                lines.append(f"      {row.note}")
    lines.append(f"  {judgement.title} {judgement.message}".rstrip().replace("   ", "  "))
    return "\n".join(lines)


def box_html(exercise: Exercise) -> str:
    """The line above an exercise: difficulty, minutes, points, the new idea. Inline styles only, so it
    looks the same in an untrusted notebook."""
    dots = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    parts = [f"difficulty {dots}", f"about {exercise.minutes} minutes", f"{exercise.points:g} points"]
    if exercise.idea:
        parts.append(f"new: {html.escape(exercise.idea, quote=False)}")
    return " &nbsp;·&nbsp; ".join(parts)

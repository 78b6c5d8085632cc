"""What a mock interview showed: scores with intervals, slow and weak topics, model answers, what to read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from utils.cost.edge_metrics.proportions import wilson_interval

from ..chapters import CHAPTERS, PARTS
from ..progress import ProgressError, data_folder
from .labels import part_title, say
from .mock import GOOD_ENOUGH, Answered, Interview, store

FEW = 12  # answers below which the report warns of its own intervals
LISTED = 3


@dataclass(frozen=True)
class Score:
    """The share of the points of some answers, and its 95 % Wilson interval (a half right answer counts a half)."""

    name: str
    answers: int
    share: float
    low: float
    high: float


def score(name: str, answers: Iterable[Answered]) -> Score:
    """Raises ValueError without an answer."""
    shares = [a.share for a in answers]
    low, high = wilson_interval(sum(shares), len(shares))
    return Score(name, len(shares), sum(shares) / len(shares), low, high)


def by_part(interview: Interview) -> list[Score]:
    """A score for each part that was asked."""
    groups = {part: [a for a in interview.answered if a.part == part] for part in PARTS}
    return [score(part, group) for part, group in groups.items() if group]


def weakest(interview: Interview) -> list[tuple[str, float]]:
    """(chapter, share) of the chapters answered less than well, the weakest first."""
    shares = {n: score(n, [a for a in interview.answered if a.chapter == n]).share for n in _chapters(interview)}
    return sorted(((n, s) for n, s in shares.items() if s < GOOD_ENOUGH), key=lambda row: (row[1], row[0]))


def slowest(interview: Interview) -> list[tuple[str, float, float]]:
    """(chapter, seconds taken, seconds expected) of the chapters that took longer than expected, the slowest first."""
    rows = []
    for number in _chapters(interview):
        mine = [a for a in interview.answered if a.chapter == number]
        took, expected = sum(a.seconds for a in mine), sum(a.expected_s for a in mine)
        if took > expected:
            rows.append((number, took, expected))
    return sorted(rows, key=lambda row: -row[1] / row[2])[:LISTED]


def _chapters(interview: Interview) -> list[str]:
    return sorted({a.chapter for a in interview.answered})


def as_dict(interview: Interview) -> dict[str, Any]:
    """The report as data: all that the Markdown tells."""
    return {
        **interview.as_dict(),
        "score": vars(score("all", interview.answered)) if interview.answered else None,
        "parts": [vars(s) for s in by_part(interview)],
        "slowest": [{"chapter": n, "seconds": t, "expected_s": e} for n, t, e in slowest(interview)],
        "weakest": [{"chapter": n, "share": s} for n, s in weakest(interview)],
        "read": [n for n, _ in weakest(interview)],
    }


def as_markdown(interview: Interview) -> str:
    """The report to read."""
    language = interview.language
    zh = language == "zh"
    date = datetime.fromisoformat(interview.started).astimezone().strftime("%Y-%m-%d %H:%M")
    lines = [f"# {say(language, 'Mock interview')}", "",
             say(language, "{n} answers in {minutes} of {planned} minutes, on {date}", n=len(interview.answered),
                 minutes=f"{interview.used_s / 60:.0f}", planned=f"{interview.minutes:g}", date=date), ""]
    if not interview.answered:
        return "\n".join([*lines, say(language, "Nothing was answered."), ""])
    whole = score("all", interview.answered)
    lines += [f"**{say(language, 'Score')}: {whole.share:.0%}** ({say(language, '95 % interval')} "
              f"{whole.low:.0%} – {whole.high:.0%})", "",
              f"| {say(language, 'part')} | {say(language, 'questions')} | {say(language, 'score')} | "
              f"{say(language, '95 % interval')} |", "|---|---|---|---|"]
    lines += [f"| {s.name} {part_title(s.name, language)} | {s.answers} | {s.share:.0%} | {s.low:.0%} – {s.high:.0%} |"
              for s in by_part(interview)]
    if whole.answers < FEW:
        lines += ["", say(language, "With so few answers the intervals are wide: compare parts with care.")]
    weak = weakest(interview)
    if weak:
        lines += ["", f"## {say(language, 'Weakest topics')}", ""]
        lines += [f"- {_title(n, zh)}: {share:.0%}" for n, share in weak[:LISTED]]
    slow = slowest(interview)
    if slow:
        lines += ["", f"## {say(language, 'Slowest topics')}", ""]
        lines += [f"- {_title(n, zh)}: " + say(language, "took {took}, expected {expected}", took=clock(took),
                                               expected=clock(expected)) for n, took, expected in slow]
    if weak:
        lines += ["", f"## {say(language, 'Read these chapters')}", ""]
        lines += [f"{i}. {_title(n, zh)} (`course/{CHAPTERS[n].stem}/{CHAPTERS[n].stem}.ipynb`)"
                  for i, (n, _) in enumerate(weak, 1)]
    lines += ["", f"## {say(language, 'Questions and model answers')}"]
    for number, a in enumerate(interview.answered, 1):
        lines += ["", *_told(number, a, language)]
    return "\n".join([*lines, ""])


def _told(number: int, a: Answered, language: str) -> list[str]:
    sign = "✓" if a.share == 1.0 else "◐" if a.share > 0 else "✗"
    follow = f" · {say(language, 'follow-up')}" if a.follow_up else ""
    text = a.text if a.kind != "code" else f"`{a.id}`"
    answer = _code(_one_line(a.typed)) or say(language, "no answer")
    took = say(language, "took {took}, expected {expected}", took=clock(a.seconds), expected=clock(a.expected_s))
    return [f"### {number}. {sign} {_title(a.chapter, language == 'zh')} · {say(language, a.kind)} · "
            f"{'●' * a.difficulty}{'○' * (3 - a.difficulty)}{follow}", "", text, "",
            f"- {say(language, 'Your answer')}: {answer} ({a.share:.0%}; {took})",
            f"- {say(language, 'Model answer')}: {a.model_answer}"]


def _one_line(text: str) -> str:
    told = " ".join(text.split())
    return told if len(told) <= 300 else told[:299] + "…"


def _code(text: str) -> str:
    """Markdown that shows the text as it was typed, stars and backticks included; "" for nothing."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    inner = f" {text} " if text[:1] == "`" or text[-1:] == "`" else text
    return f"{fence}{inner}{fence}" if text else ""


def _title(number: str, zh: bool) -> str:
    chapter = CHAPTERS[number]
    return f"{number} {chapter.title_zh if zh else chapter.short}"


def clock(seconds: float) -> str:
    """75 → "1:15"; below 0 it is 0:00."""
    whole = max(round(seconds), 0)
    return f"{whole // 60}:{whole % 60:02d}"


def save(interview: Interview) -> tuple[Path, Path]:
    """Write the report as Markdown and as JSON into the data folder; the two paths. Raises ProgressError."""
    from ..notebooks.build import write_text  # here: it brings nbformat in

    folder = data_folder() / "mocks"
    stem = datetime.fromisoformat(interview.started).astimezone().strftime("%Y-%m-%d-%H%M") + f"-{interview.uid[:4]}"
    markdown, data = folder / f"{stem}.md", folder / f"{stem}.json"
    try:
        write_text(data, json.dumps(as_dict(interview), indent=1, ensure_ascii=False) + "\n")
        write_text(markdown, as_markdown(interview))
    except OSError as error:
        raise ProgressError(f"{folder} cannot be written ({error.strerror}): set AUTOGRADER_DATA to a folder of "
                            "yours") from error
    return markdown, data


def finish(interview: Interview) -> tuple[Path, Path]:
    """End an interview that was cut off, at its last answer, and save its report. Raises ProgressError."""
    started = datetime.fromisoformat(interview.started)
    interview.ended = (started + timedelta(seconds=interview.used_s)).isoformat(timespec="seconds")
    paths = save(interview)
    store(interview)
    return paths

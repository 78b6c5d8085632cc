"""Submissions that are nearly the same: a place to look, never a verdict.

Compared are the learner's own cells, minus all that was handed out. A run of code that many in the class have is the
obvious answer and counts for little; one that only a few share counts in full. The reference solution is not taken
out: who copied it should be seen too.
"""

from __future__ import annotations

import html
import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ..grading.assignment import grade_id
from ..grading.course import Course
from ..grading.submission import MAX_NOTEBOOK, Refused, parse_notebook, read_file
from .fingerprints import all_hashes, fingerprints, tokens_of
from .importing import released_notebook

# Of fewer students nobody can say what is common.
SMALL_CLASS = 6
# Up to this share of a class a common run is as telling as one that only two have.
FEW = 0.15
# Fingerprints in common, weighed; about 30 tokens. Less is a coincidence.
LEAST_EVIDENCE = 8.0
# From here on one exercise alone is enough, about 60 tokens.
LONG_EXERCISE = 20.0


@dataclass(frozen=True)
class Shared:
    """What two students share in one exercise. share: of the smaller answer, weighed by rarity. lines: in each
    answer, those in common; sizes: lines of code in each."""

    exercise: str
    share: float
    evidence: float
    lines: tuple[list[int], list[int]]
    sizes: tuple[int, int]


@dataclass(frozen=True)
class Pair:
    """Two students, how alike they are (0 to 1), and where."""

    students: tuple[str, str]
    score: float
    exercises: list[Shared]

    def as_dict(self) -> dict[str, Any]:
        return {"students": list(self.students), "score": round(self.score, 4), "exercises": [
            {"exercise": s.exercise, "share": round(s.share, 4), "lines": [list(x) for x in s.lines],
             "of": list(s.sizes)} for s in self.exercises]}


@dataclass
class Similar:
    """An assignment compared. unread: (student, why not)."""

    assignment: str
    pairs: list[Pair]
    compared: int
    unread: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    def as_dict(self) -> dict[str, Any]:
        return {"assignment": self.assignment, "compared": self.compared, "pairs": [p.as_dict() for p in self.pairs],
                "unread": [{"student": s, "reason": r} for s, r in self.unread]}


def compare_submissions(course: Course, assignment: str, threshold: float = 0.8) -> Similar:
    """Pairs of an assignment's submissions that are at least `threshold` alike, the most alike first.

    What can't be read is named. Raises ClassroomError when the assignment was never released.
    """
    release = released_notebook(course, assignment)
    cells = parse_notebook(release.read_bytes(), release.stem)
    wanted = _own_cells(release.read_bytes())
    handed_out = set().union(*(all_hashes(c["source"]) for c in cells if c["cell_type"] == "code"), set())
    found = Similar(assignment, [], 0)
    for student, folder in course.submissions(assignment).items():
        try:
            found.answers[student] = answers_in(read_file(folder / release.name, MAX_NOTEBOOK), release.stem, wanted)
        except Refused as error:
            found.unread.append((student, str(error)))
    found.compared = len(found.answers)
    found.pairs = find_pairs(found.answers, handed_out, threshold)
    return found


def answers_in(content: bytes, name: str, wanted: Iterable[str]) -> dict[str, str]:
    """The source of the learner's cells by grade id. Raises Refused for what is no notebook."""
    found: dict[str, str] = {}
    for cell in parse_notebook(content, name):
        if cell["cell_type"] == "code" and (key := grade_id(cell)) in set(wanted):
            found[key] = f"{found[key]}\n{cell['source']}" if key in found else cell["source"]
    return found


def _own_cells(content: bytes) -> list[str]:
    """Grade ids of the cells in which learners write code, in their order."""
    marked = [(c, c.get("metadata", {}).get("nbgrader", {})) for c in json.loads(content)["cells"]]
    return [told["grade_id"] for c, told in marked if told.get("solution") and c["cell_type"] == "code"]


def find_pairs(answers: dict[str, dict[str, str]], handed_out: set[int], threshold: float) -> list[Pair]:
    """Pairs that are at least `threshold` alike. answers: student → exercise → source."""
    students = sorted(answers)
    exercises = list(dict.fromkeys(key for student in students for key in answers[student]))
    prints = {e: [_own_prints(answers[s].get(e, ""), handed_out) for s in students] for e in exercises}
    shared = {e: _shared(prints[e]) for e in exercises}
    sizes = {e: np.array([len(p) for p in prints[e]], float) for e in exercises}
    total = sum(sizes.values(), np.zeros(len(students)))
    evidence = sum(shared.values(), np.zeros((len(students), len(students))))
    score = _score(evidence, total, LEAST_EVIDENCE)
    for e in exercises:
        score = np.maximum(score, _score(shared[e], sizes[e], LONG_EXERCISE))
    pairs = []
    for i, j in zip(*np.nonzero(np.triu(score >= max(threshold, 1e-9), 1))):
        first, second = answers[students[i]], answers[students[j]]
        where = [_where(e, prints[e][i], prints[e][j], float(shared[e][i, j]), first, second)
                 for e in exercises if prints[e][i].keys() & prints[e][j].keys()]
        where.sort(key=lambda s: (-s.evidence, s.exercise))
        pairs.append(Pair((students[i], students[j]), float(score[i, j]), where))
    return sorted(pairs, key=lambda p: (-p.score, p.students))


def _own_prints(source: str, handed_out: set[int]) -> dict[int, set[int]]:
    return {f: lines for f, lines in fingerprints(source).items() if f not in handed_out}


def _shared(prints: list[dict[int, set[int]]]) -> np.ndarray:
    """For each two students the weights of what they share, summed."""
    n = len(prints)
    counts = Counter(f for one in prints for f in one)
    column = {f: k for k, f in enumerate(f for f, c in counts.items() if c > 1)}
    present = np.zeros((n, len(column)), np.float32)
    for i, one in enumerate(prints):
        present[i, [column[f] for f in one if f in column]] = 1
    weights = np.array([rarity(counts[f], n) for f in column], np.float32)
    return ((present * weights) @ present.T).astype(float)


def rarity(having: int, students: int) -> float:
    """The weight of a run of code that `having` of `students` have: 1 for few, 0 when everybody has it."""
    few = max(2, math.ceil(FEW * students))
    if students < SMALL_CLASS or having <= few:
        return 1.0
    return math.log(students / having) / math.log(students / few)


def _score(shared: np.ndarray, sizes: np.ndarray, least: float) -> np.ndarray:
    """What is shared as part of the smaller one; 0 where there is too little to say anything."""
    smaller = np.minimum(sizes[:, None], sizes[None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(smaller > 0, shared / smaller, 0.0)
    return np.where(shared >= least, np.minimum(score, 1.0), 0.0)


def _where(exercise: str, one: dict[int, set[int]], other: dict[int, set[int]], evidence: float,
           first: dict[str, str], second: dict[str, str]) -> Shared:
    both = one.keys() & other.keys()
    mine, yours = (sorted(set().union(*(side[f] for f in both))) for side in (one, other))
    sizes = tuple(len({t.line for t in tokens_of(answers[exercise])}) for answers in (first, second))
    return Shared(exercise, min(1.0, evidence / min(len(one), len(other))), evidence, (mine, yours), sizes)


# --- a page to read it on -------------------------------------------------------------------------

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1f2328 }}
table {{ width: 100%; border-collapse: collapse; table-layout: fixed; margin-bottom: 2rem }}
th {{ text-align: left }} td {{ vertical-align: top; border: 1px solid #d0d7de; padding: .5rem; overflow-x: auto }}
pre {{ margin: 0; font: 13px/1.45 ui-monospace, monospace }}
mark {{ background: #fff3c4; color: inherit; border-left: 3px solid #d55e00; padding-left: .3rem }}
</style>
<h1>{title}</h1>
<p>Marked lines (with a bar at their left) are in both answers, apart from names, numbers, comments and layout, and were
not handed out. Alike is not copied: talk to both before you decide.</p>
{body}
</html>
"""


def as_page(found: Iterable[Similar]) -> str:
    """The pairs side by side as one page without scripts; all that students wrote is escaped."""
    body = []
    for one in found:
        body.append(f"<h2>{html.escape(one.assignment)}</h2>")
        if not one.pairs:
            body.append(f"<p>No two of {one.compared} submissions are alike.</p>")
        for pair in one.pairs:
            names = [html.escape(s) for s in pair.students]
            body.append(f"<h3>{names[0]} and {names[1]}: {pair.score:.0%}</h3>")
            body += [_side_by_side(one, pair, shared) for shared in pair.exercises]
    return PAGE.format(title="Similar submissions", body="\n".join(body))


def _side_by_side(one: Similar, pair: Pair, shared: Shared) -> str:
    cells = [_marked(one.answers[s][shared.exercise], set(lines)) for s, lines in zip(pair.students, shared.lines)]
    heads = "".join(f"<th>{html.escape(s)}</th>" for s in pair.students)
    return (f"<table><caption>{html.escape(shared.exercise)}: {shared.share:.0%}</caption><tr>{heads}</tr>"
            f"<tr>{''.join(f'<td><pre>{c}</pre></td>' for c in cells)}</tr></table>")


def _marked(source: str, lines: set[int]) -> str:
    shown = [(html.escape(text) or " ", number in lines) for number, text in enumerate(source.split("\n"), 1)]
    return "\n".join(f"<mark>{text}</mark>" if marked else text for text, marked in shown)


def ranges(lines: Iterable[int]) -> str:
    """Line numbers in few characters: "3–7, 9"."""
    numbers = sorted(lines)
    if not numbers:
        return ""
    starts = [numbers[0], *(b for a, b in pairwise(numbers) if b != a + 1)]
    ends = [*(a for a, b in pairwise(numbers) if b != a + 1), numbers[-1]]
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in zip(starts, ends))

"""The three kinds of drill question, as data.

A chapter's questions stand in `questions/chNN_slug.py`, list `QUESTIONS`. Texts may hold `code` and
fields in braces, which a numeric question fills with the values that it draws.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Drawn:
    """One numeric question with its numbers: what is asked, the right number, and how to get there."""

    text: str
    answer: float
    unit: str
    explanation: str
    rtol: float
    atol: float
    traps: tuple[tuple[float, str], ...] = ()
    shown_unit: str = ""
    hexadecimal: bool = False

    def accepts(self, number: float) -> bool:
        if not math.isfinite(number):
            return False
        whole = float(number).is_integer() and float(self.answer).is_integer()
        exact = 0.0 if whole else 1e-9 * abs(self.answer)  # 0.1 + 0.2 is 0.3 to a candidate
        return abs(number - self.answer) <= max(self.atol + self.rtol * abs(self.answer), exact)

    def trap(self, number: float) -> str:
        """The message of the known mistake that gives `number`, or ""."""
        for wrong, message in self.traps:
            if math.isclose(number, wrong, rel_tol=max(self.rtol, 1e-9), abs_tol=self.atol):
                return message
        return ""


@dataclass(frozen=True)
class Numeric:
    """A question whose numbers are drawn.

    draw(rng) gives the values that fill the braces of `text` and `explain`; answer(values) the right
    number in `unit`. The tolerance is rtol * abs(answer) + atol; both 0 means exact.
    traps: (function of the values giving a wrong number, message that names the mistake).
    hexadecimal: the answer is a word, read and shown as 0x….
    words: {drawn English word, or unit: what is shown in its place}, for another language.
    """

    id: str
    difficulty: int
    text: str
    draw: Callable[[np.random.Generator], Mapping[str, Any]]
    answer: Callable[[Mapping[str, Any]], float]
    explain: str
    unit: str = ""
    rtol: float = 0.0
    atol: float = 0.0
    traps: Sequence[tuple[Callable[[Mapping[str, Any]], float], str]] = ()
    hexadecimal: bool = False
    words: Mapping[str, str] = field(default_factory=dict)

    def drawn(self, seed: int) -> Drawn:
        """The question with the numbers of `seed`."""
        values = dict(self.draw(np.random.default_rng(seed)))
        right = float(self.answer(values))
        shown = {k: self.words.get(v, v) if isinstance(v, str) else _tidy(v) for k, v in values.items()}
        told = {**shown, "answer": f"0x{int(right):04X}" if self.hexadecimal else told_number(right)}
        traps = tuple((float(wrong(values)), _filled(message, told)) for wrong, message in self.traps)
        traps = tuple(t for t in traps if not math.isclose(t[0], right, rel_tol=1e-9))
        return Drawn(_filled(self.text, shown), right, self.unit, _filled(self.explain, told), self.rtol, self.atol,
                     traps, self.words.get(self.unit, self.unit), self.hexadecimal)


@dataclass(frozen=True)
class Choice:
    """One right answer among others; each wrong one says why it is wrong."""

    id: str
    difficulty: int
    text: str
    right: str
    wrong: Sequence[tuple[str, str]]
    why: str

    def options(self, seed: int) -> list[tuple[str, bool, str]]:
        """(text, whether it is right, what to tell) in the order of `seed`."""
        found = [(self.right, True, self.why), *((text, False, why) for text, why in self.wrong)]
        return [found[i] for i in np.random.default_rng(seed).permutation(len(found))]


@dataclass(frozen=True)
class Open:
    """A question to answer in words; the rubric's points are what a good answer names."""

    id: str
    difficulty: int
    text: str
    rubric: Sequence[str]
    answer: str


Question = Numeric | Choice | Open

_NEGATIVE = re.compile(r"([−+·×*/-] )-(\d[\d.,]*(?:e[+-]?\d+)?)")


def _filled(template: str, values: Mapping[str, Any]) -> str:
    """The template with its values; a negative number behind a sign stands in brackets: "0.6 − (−1.87)"."""
    return _NEGATIVE.sub(r"\1(−\2)", template.format(**values))


def _tidy(value: Any) -> Any:
    """A whole float as the integer that it is: "8 TOPS", not "8.0 TOPS"."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return int(value) if whole else value


def told_number(number: float) -> str:
    """A number for an explanation: whole ones in full, others with six digits."""
    return f"{number:.0f}" if float(number).is_integer() and abs(number) < 1e15 else f"{number:.6g}"

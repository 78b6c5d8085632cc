"""The three kinds of drill question, as data.

A chapter's questions stand in `questions/chNN_slug.py`, list `QUESTIONS`. Texts may hold `code` and
fields in braces, which a numeric question fills with the values that it draws.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PREFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
            "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9}


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

    def accepts(self, number: float) -> bool:
        return math.isfinite(number) and abs(number - self.answer) <= self.atol + self.rtol * abs(self.answer)

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
    text_zh: str = ""

    def drawn(self, seed: int) -> Drawn:
        """The question with the numbers of `seed`."""
        values = dict(self.draw(np.random.default_rng(seed)))
        right = float(self.answer(values))
        told = {**values, "answer": f"0x{int(right):04X}" if self.hexadecimal else told_number(right)}
        traps = tuple((float(wrong(values)), message.format(**told)) for wrong, message in self.traps)
        return Drawn(self.text.format(**values), right, self.unit, self.explain.format(**told),
                     self.rtol, self.atol, tuple(t for t in traps if t[0] != right))


@dataclass(frozen=True)
class Choice:
    """One right answer among others; each wrong one says why it is wrong."""

    id: str
    difficulty: int
    text: str
    right: str
    wrong: Sequence[tuple[str, str]]
    why: str
    text_zh: str = ""

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
    text_zh: str = ""


Question = Numeric | Choice | Open

_NUMBER = re.compile(
    r"[+-]?(0[xX][0-9a-fA-F]+|[\d.,]+(?:[eE][+-]?\d+)?)"  # a number
    r"(?:\s*(\^|\*\*|/)\s*([+-]?[\d.]+))?"  # to a power, or over another
    r"\s*(.*)$"  # a unit
)


def told_number(number: float) -> str:
    """A number for an explanation: whole ones in full, others with six digits."""
    return f"{number:.0f}" if float(number).is_integer() and abs(number) < 1e15 else f"{number:.6g}"


def read_number(text: str, unit: str = "", hexadecimal: bool = False) -> float:
    """Read what a candidate typed: `63.5`, `6.35e10`, `1/8`, `2^16`, `0x3F80`, `1,024`, `12 %`; a
    trailing unit with a metric or binary prefix (`63.5 GB/s` where the unit is `B/s`) is understood.

    With `hexadecimal` the digits are read as a word, with or without 0x.
    Raises ValueError with a sentence for what is no number, or has another unit.
    """
    if hexadecimal:
        try:
            return float(int(text.strip().replace("_", ""), 16))
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{text[:40]!r} is not a word in hexadecimal: type something like 0x3F80") from error
    told = text.strip().replace("−", "-").replace("×", "*").replace(" ", " ")
    match = _NUMBER.match(told)
    if not match or len(told) > 100:
        raise ValueError(f"{text[:40]!r} is not a number: type something like 63.5, 1/8, 2^16 or 6.35e10")
    sign = -1.0 if told.startswith("-") else 1.0
    try:
        number = float(int(match[1], 16)) if match[1][:2].lower() == "0x" else float(match[1].replace(",", ""))
        if match[2]:
            other = float(match[3])
            number = number / other if match[2] == "/" else number**other
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise ValueError(f"{text[:40]!r} is not a number that can be computed") from error
    return sign * number * _unit_factor(match[4].strip(), unit, text)


def _unit_factor(given: str, unit: str, text: str) -> float:
    if not given or given == unit:
        return 1.0
    wanted_factor, wanted_base = _split_unit(unit)
    factor, base = _split_unit(given)
    if base != wanted_base:
        raise ValueError(f"{given[:20]!r} is another unit: the answer is asked in {unit or 'a plain number'}")
    return factor / wanted_factor


def _split_unit(unit: str) -> tuple[float, str]:
    bases = ("FLOP/s", "FLOPs", "FLOP", "B/s", "bit/s", "token/s", "tokens/s", "B", "bit", "s", "W", "J", "Hz")
    for base in bases:
        if unit == base:
            return 1.0, base
        if unit.endswith(base) and unit[: -len(base)] in PREFIXES:
            return PREFIXES[unit[: -len(base)]], base
    return 1.0, unit

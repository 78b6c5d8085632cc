"""What a candidate types for a number: read, converted to the unit that is asked, judged, its mistake named."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .labels import say
from .question import Drawn, told_number
from .units import Unit, parse_unit

LONGEST = 100
FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}  # what a Chinese input method types: ５％
MOST_SLACK = 0.1  # a wider tolerance tells no factor from another
NO_NUMBER = "{typed!r} is not a number: type something like 63.5, 1/8, 2^16 or 6.35e10."
_POWER = r"(?:\^|\*\*)"
_PLAIN = r"(?:\d[\d_]*(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = re.compile(rf"\s*(?P<sign>[+-]?)\s*(?P<base>0[xX][0-9a-fA-F]+|{_PLAIN})"
                   rf"(?:\s*{_POWER}\s*(?P<power>[+-]?[\d.]+))?")
_JOIN = re.compile(r"\s*(?P<join>[*/×·])\s*(?=[+-]?[\d.])")


class Unreadable(ValueError):
    """What was typed is not taken as an answer; the sentence says why and what to type.

    values fill the template; with `unit` among them, the template's {asked} says in which unit the answer is asked.
    """

    def __init__(self, template: str, **values: str | int) -> None:
        self.template, self.values = template, values
        super().__init__(self.told("en"))

    def told(self, language: str) -> str:
        """The sentence in a language."""
        values, unit = dict(self.values), self.values.get("unit")
        if unit is not None:
            values["asked"] = (say(language, "the answer is asked in {unit}", unit=unit) if unit
                               else say(language, "the answer is a plain number"))
        return say(language, self.template, **values)


@dataclass(frozen=True)
class Verdict:
    """What came of an answer. right: None where it could not be read, and nothing is counted. share: 0 to 1."""

    right: bool | None
    text: str
    share: float = 0.0


def read_number(text: str, unit: str = "", hexadecimal: bool = False, shown_unit: str = "") -> float:
    """Read `63.5`, `6.35e10 B/s`, `1/8`, `2^16`, `3 * 2^4`, `0x3F80`, `1,024`, `12 %`, `7.5 M`; the number in `unit`.

    A unit may be left out. With `hexadecimal` the digits are read as a word, with or without 0x. shown_unit: another
    name of the unit, in the candidate's language. Raises Unreadable with a sentence for what is no finite number, or
    has another unit.
    """
    told = " ".join(text.translate(FULL_WIDTH).split())
    if not told:
        raise Unreadable("Nothing was typed: give a number.")
    if len(told) > LONGEST:
        raise Unreadable("That is {n} characters long: give a number such as 6.35e10.", n=len(told))
    if hexadecimal:
        return _read_word(told)
    told = told.replace("−", "-").replace("–", "-").lstrip("=~≈ ")
    number, rest = _read_terms(told, text)
    if rest in ("", unit, shown_unit):
        return number
    number *= _factor(rest, unit, shown_unit)
    if not math.isfinite(number):
        raise Unreadable("{typed!r} is too large to be computed.", typed=told[:40])
    return number


def _read_word(told: str) -> float:
    digits = re.sub(r"[_ ]", "", told)
    if not re.fullmatch(r"(?:0[xX])?[0-9a-fA-F]{1,16}", digits):
        raise Unreadable("{typed!r} is not a word in hexadecimal: type something like 0x3F80.", typed=told[:40])
    return float(int(digits, 16))


def _read_terms(told: str, typed: str) -> tuple[float, str]:
    """(the number, what follows it): terms joined by * and /, left to right."""
    match = _TERM.match(told)
    if match is None:
        raise Unreadable(NO_NUMBER, typed=typed.strip()[:40])
    number, at = _term(match, typed), match.end()
    while (join := _JOIN.match(told, at)) and (match := _TERM.match(told, join.end())):
        other, at = _term(match, typed), match.end()
        if join["join"] == "/" and other == 0:
            raise Unreadable("{typed!r} divides by zero.", typed=typed.strip()[:40])
        number = number / other if join["join"] == "/" else number * other
    rest = told[at:].strip()
    if re.match(r",\d", rest):
        raise Unreadable("Write decimals with a point, as in 63.5, and thousands as 1,024 or 1024.")
    if re.match(r"[\d.,^+*-]", rest):
        raise Unreadable(NO_NUMBER, typed=typed.strip()[:40])
    if not math.isfinite(number):
        raise Unreadable("{typed!r} is too large to be computed.", typed=typed.strip()[:40])
    return number, rest


def _term(match: re.Match, typed: str) -> float:
    base, power = match["base"].replace(",", "").replace("_", ""), match["power"]
    try:
        number = float(int(base, 16)) if base[:2].lower() == "0x" else float(base)
        if power:
            number = math.pow(number, float(power))
    except (ValueError, OverflowError) as error:
        raise Unreadable("{typed!r} is a number that cannot be computed.", typed=typed.strip()[:40]) from error
    return -number if match["sign"] == "-" else number


def _factor(given: str, unit: str, shown_unit: str) -> float:
    """What a number in `given` is multiplied by to be one in `unit`."""
    wanted = parse_unit(unit)
    if wanted.top == ("FLOP",):  # a count and a rate are written alike
        given = re.sub(r"(?i)flops$", "FLOP" if not wanted.below else "FLOPS", given)
    told = {"given": given[:20], "unit": shown_unit or unit}
    try:
        mine = parse_unit(given)
    except ValueError as error:
        raise Unreadable("{given!r} is no unit: {asked}.", **told) from error
    if mine.measure == wanted.measure:
        return mine.factor / wanted.factor
    if {"FLOP", "MAC"} <= {*mine.top, *wanted.top}:
        raise Unreadable("A MAC is a multiply and an add, two FLOPs: {asked}.", **told)
    if given in ("k", "K", "M", "G", "T"):
        raise Unreadable("{given!r} is a prefix without a unit: {asked}.", **told)
    raise Unreadable("{given!r} is another unit: {asked}.", **told)


def tolerance_told(drawn: Drawn, language: str = "en") -> str:
    """How near an answer must be, in words: "exact", "within 1 %", "within 0.5 ms"."""
    if drawn.hexadecimal or (not drawn.rtol and not drawn.atol):
        return say(language, "exact")
    parts = [f"{told_number(100 * drawn.rtol)} %"] if drawn.rtol else []
    if drawn.atol and drawn.unit == "%":
        parts.append(say(language, "{n} percentage points", n=told_number(drawn.atol)))
    elif drawn.atol:
        parts.append(f"{told_number(drawn.atol)} {drawn.shown_unit or drawn.unit}".strip())
    return say(language, "within {parts}", parts=say(language, " plus ").join(parts))


def judge_number(drawn: Drawn, typed: str, language: str = "en") -> Verdict:
    """Read and judge what was typed; a wrong answer's mistake is named where it is known."""
    try:
        number = read_number(typed, drawn.unit, drawn.hexadecimal, drawn.shown_unit)
    except Unreadable as error:
        return Verdict(None, error.told(language))
    if drawn.accepts(number):
        return Verdict(True, drawn.explanation, 1.0)
    named = drawn.trap(number) or factor_told(drawn, number, language)
    return Verdict(False, f"{named} {drawn.explanation}" if named else drawn.explanation)


def factor_told(drawn: Drawn, number: float, language: str = "en") -> str:
    """The mistake that a factor between the answer and the right number betrays, or ""."""
    if drawn.hexadecimal or not drawn.answer or not number or not math.isfinite(number):
        return ""
    ratio = number / drawn.answer
    slack = max(drawn.rtol + drawn.atol / abs(drawn.answer), 1e-6)
    if slack > MOST_SLACK:
        return ""
    for factor, template, values in _betraying(parse_unit(drawn.unit)):
        for value in (factor, 1 / factor):
            if abs(value - 1) > 3 * slack and math.isclose(ratio, value, rel_tol=slack):
                return say(language, template, **values)
    if math.isclose(ratio, -1, rel_tol=slack):
        return say(language, "The sign is the other one.")
    return ""


def _betraying(unit: Unit) -> Iterator[tuple[float, str, dict[str, int]]]:
    """(factor, the mistake that it betrays, values) for numbers of this unit, the likeliest first."""
    measures = {*unit.top, *unit.below}
    if "B" in measures:
        yield 8.0, "That is off by 8: bits were taken for bytes, or bytes for bits.", {}
        for n in (1, 2, 3, 4):
            yield 1.024**n, ("That is off by 1000 against 1024: a decimal prefix (k, M, G) was mixed with a binary one "
                             "(Ki, Mi, Gi)."), {}
    if measures & {"FLOP", "MAC", "OP"}:
        yield 2.0, ("That is off by 2: a multiply-accumulate is two operations, and one of the two counts was taken "
                    "for the other."), {}
    if "s" in measures:
        yield 60.0, "That is off by 60: minutes and seconds, or hours and minutes, were mixed.", {}
        yield 3600.0, "That is off by 3600: hours and seconds were mixed.", {}
    yield 2.0, "That is off by exactly 2: a factor 2 is missing, or one too many.", {}
    for n in (3, 6, 9, 12):
        yield 10.0**n, "That is off by 10^{n}: a prefix (k, M, G) was lost or taken twice.", {"n": n}
    yield 1024.0, "That is off by 1024: a binary prefix (Ki, Mi, Gi) was lost or taken twice.", {}
    yield 100.0, "That is off by 100: a share was taken for per cent, or per cent for a share.", {}
    yield 10.0, "That is off by 10: count the zeros once more.", {}

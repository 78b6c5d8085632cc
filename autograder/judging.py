"""Judging: compares an answer's outcomes with the reference's and names the mistake.

Everything here works on plain data that an `Asker` brings, whether the answer lives in this process
or behind a pipe; so both ways give one verdict.
"""

from __future__ import annotations

import ast
import contextlib
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .compare import brief, kind_of
from .exercise import BAD_INPUT, LIMITS, RANDOM, VISIBLE, Case, Exercise, Misconception
from .probes.ask import ask as ask_here
from .probes.plain import Opaque

RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"
Asker = Callable[[dict], dict]  # question -> outcome, see probes.ask


@dataclass(frozen=True)
class Row:
    """One line of the table of cases."""

    group: str
    input: str
    expected: str
    got: str
    ok: bool
    note: str = ""


@dataclass(frozen=True)
class Judgement:
    """What came of an answer. `misconception` is the tag of the one that fits, or None."""

    exercise: str
    outcome: str
    points: float
    max_points: float
    misconception: str | None = None
    title: str = ""
    message: str = ""
    rows: tuple[Row, ...] = ()
    groups: dict[str, bool] = field(default_factory=dict)
    printed: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.outcome == RIGHT


def public_seed(exercise_id: str) -> int:
    """The seed of the random cases where no course has its own."""
    return zlib.crc32(exercise_id.encode())


def seed_for(exercise_id: str, secret: int | str | None) -> int:
    """The seed of an exercise's random cases under a course's secret."""
    return public_seed(exercise_id) if secret is None else zlib.crc32(f"{secret}/{exercise_id}".encode())


class Oracle:
    """What is expected of an exercise under one seed, computed when it is first needed and kept.

    `like`: an oracle of the same exercise under another seed, with which it shares the outcomes of the cases that
    are not drawn.
    """

    def __init__(self, exercise: Exercise, seed: int, like: Oracle | None = None) -> None:
        self.exercise = exercise
        groups = exercise.groups(seed)
        self.cases: list[tuple[str, Case]] = [(g, case) for g, cases in groups.items() for case in cases]
        self.questions = [exercise.question(case) for _, case in self.cases]
        first = len(groups.get(VISIBLE, ())) + len(exercise.hidden)
        self._drawn = range(first, first + len(groups.get(RANDOM, ())) - len(exercise.hidden))
        self._fixed: dict[tuple[str, int, int], dict] = like._fixed if like is not None else {}
        self._outcomes: dict[tuple[str, int, int], dict] = {}

    def expected(self, i: int) -> dict:
        outcome = self._asked("", 0, self.exercise.reference, i)
        if "error" in outcome and not self.exercise.must_raise(*self.cases[i]):
            raise RuntimeError(
                f"the reference of {self.exercise.id} fails on {self.input(i)}: {outcome['error']['message']}"
            )
        return outcome

    def outcome_of(self, misconception: Misconception, variant: int, i: int) -> dict:
        return self._asked(misconception.tag, variant, misconception.variants[variant], i)

    def _asked(self, tag: str, variant: int, answer: Any, i: int) -> dict:
        kept = self._outcomes if i in self._drawn else self._fixed
        if (tag, variant, i) not in kept:
            question = self.questions[i]
            if not tag:  # the limit is the learner's: a reference's first imports may take longer on a busy machine
                question = {**question, "time_limit_s": REFERENCE_PATIENCE * question["time_limit_s"]}
            kept[tag, variant, i] = ask_here(answer, question)
        return kept[tag, variant, i]

    def differs(self, i: int, outcome: dict) -> str | None:
        """How `outcome` differs from what is expected in case `i`; None if it does not."""
        group, case = self.cases[i]
        wanted = self.exercise.must_raise(group, case)
        if wanted:
            return _refusal_differs(wanted, case.word, outcome, self.show)
        if "error" in outcome:
            return tell_error(outcome["error"])
        expected, got = self.expected(i)["value"], outcome["value"]
        if self.exercise.pure and isinstance(got, dict) and "changed" in got:
            if got["changed"]:
                return f"argument {got['changed'][0] + 1} was changed by the call"
            expected, got = expected["value"], got["value"]
        try:
            return (case.compare or self.exercise.compare)(expected, got, case)
        except Exception as error:  # a comparator reads what it expects; an answer may be of any form
            return f"this can't be compared with what is expected ({type(error).__name__})"

    def agrees(self, i: int, one: dict, other: dict) -> bool:
        """Whether two outcomes of case `i` are the same, as far as the comparator can tell."""
        if "error" in one or "error" in other:
            return "error" in one and "error" in other and one["error"]["types"][0] == other["error"]["types"][0]
        compare = self.cases[i][1].compare or self.exercise.compare
        try:
            return getattr(compare, "same", compare)(one["value"], other["value"], self.cases[i][1]) is None
        except Exception:
            return False

    def input(self, i: int) -> str:
        return describe_input(self.exercise, self.cases[i][1])

    def show(self, outcome: dict) -> str:
        if "error" in outcome:
            return outcome["error"]["types"][0]
        value = outcome["value"]
        if self.exercise.pure and isinstance(value, dict) and set(value) == {"value", "changed"}:
            value = value["value"]
        return show_value(self.exercise, value)


def _refusal_differs(wanted: str, word: str, outcome: dict, show: Callable[[dict], str]) -> str | None:
    if "error" not in outcome:
        return f"returned {show(outcome)} instead of raising {wanted}"
    if wanted not in outcome["error"]["types"]:
        return f"{tell_error(outcome['error'])}, expected {wanted}"
    if word and word.lower() not in outcome["error"]["message"].lower():
        return f"the message of {wanted} must contain “{word}”"
    return None


def tell_error(error: dict) -> str:
    """One line: type, message and the learner's own line."""
    text = f"{error['types'][0]}: {error['message']}" if error["message"] else error["types"][0]
    if error["types"][0] == "TimeLimit":
        text = error["message"]
    return f"{text} (line {error['line']}: {error['text']})" if error.get("line") else text


def show_value(exercise: Exercise, value: Any) -> str:
    if exercise.show is not None and not isinstance(value, Opaque):
        try:
            return exercise.show(value)
        except Exception:
            return brief(value)
    return brief(value)


def describe_input(exercise: Exercise, case: Case) -> str:
    if case.label:
        return case.label
    shown = [show_value(exercise, a) for a in case.args]
    if (case.probe or exercise.probe) == "common.call":
        shown += [f"{k}={show_value(exercise, v)}" for k, v in case.kwargs.items()]
        return f"{exercise.names[0]}({', '.join(shown)})"
    if "script" in case.kwargs:
        steps = [s[0] if s[0].startswith(".") else f".{s[0]}({', '.join(brief(a) for a in s[1:])})"
                 for s in case.kwargs["script"]]
        text = f"{exercise.names[0]}({', '.join(brief(a) for a in case.kwargs.get('init', ()))})" + " ".join(steps)
        return text if len(text) < 120 else text[:119] + "…"
    return ", ".join(shown + [f"{k}={brief(v)}" for k, v in case.kwargs.items()])


# --- the verdict ------------------------------------------------------------------------------

_oracles: OrderedDict[tuple[str, int], Oracle] = OrderedDict()
_latest: dict[str, Oracle] = {}
KEPT_ORACLES = 64
REFERENCE_PATIENCE = 10


def oracle_for(exercise: Exercise, seed: int) -> Oracle:
    """The oracle of an exercise under a seed; the last few are kept, so a second check is quick."""
    key = (exercise.id, seed)
    kept = _oracles.get(key)
    if kept is None or kept.exercise is not exercise:
        like = _latest.get(exercise.id)
        _oracles[key] = Oracle(exercise, seed, like if like is not None and like.exercise is exercise else None)
        _latest[exercise.id] = _oracles[key]
        while len(_oracles) > KEPT_ORACLES:
            _oracles.popitem(last=False)
    _oracles.move_to_end(key)
    return _oracles[key]


def judge_answer(exercise: Exercise, ask: Asker, seed: int, source: str = "") -> Judgement:
    """Ask every case and form the verdict. `source` is the text of the answer's cell, for `forbid`."""
    oracle = oracle_for(exercise, seed)
    outcomes = _ask_all(oracle, ask)
    visible = [o for (group, _), o in zip(oracle.cases, outcomes) if group == VISIBLE]
    if all("error" in o and o["error"]["types"][0] == "NotImplementedError" for o in visible):
        return Judgement(exercise.id, NOT_ATTEMPTED, 0, exercise.points, message="Not written yet.")
    found = [oracle.differs(i, o) for i, o in enumerate(outcomes)]
    forbidden = _forbidden(exercise, source, any("value" in o for o in outcomes))
    groups = {g: all(f is None for (c, _), f in zip(oracle.cases, found) if c == g)
              for g in dict.fromkeys(g for g, _ in oracle.cases)}
    passed = all(groups.values()) and forbidden is None
    tag, title, message = (None, "", exercise.worth_knowing) if passed else _explain(
        oracle, outcomes, found, forbidden)
    return Judgement(
        exercise.id, RIGHT if passed else WRONG,
        _points(exercise, groups, passed, forbidden, _any_right(oracle, found)),
        exercise.points, tag, title, message, tuple(_rows(oracle, outcomes, found)), groups,
        next((o["printed"] for o in outcomes if o.get("printed")), ""),
        sum(o.get("seconds", 0.0) for o in outcomes),
    )


_ENDS = ("TimeLimit", "KeyboardInterrupt", "AnswerGone", "NotRun")


def _ask_all(oracle: Oracle, ask: Asker) -> list[dict]:
    """All outcomes; after the first that was stopped (by the clock or the stop button) nothing more is asked."""
    outcomes: list[dict] = []
    for question in oracle.questions:
        if outcomes and "error" in outcomes[-1] and outcomes[-1]["error"]["types"][0] in _ENDS:
            not_run = {"types": ["NotRun"], "message": "not run: an earlier case did not come to its end",
                       "line": None, "where": "", "text": ""}
            outcomes.append({"error": not_run, "printed": "", "seconds": 0.0})
        else:
            outcomes.append(ask(question))
    return outcomes


def _forbidden(exercise: Exercise, source: str, works: bool) -> str | None:
    """What is forbidden in the answer's cell. A cell that works has to be one that can be read."""
    if exercise.forbid is None or not source:
        return None
    tree = tree_of(source)
    if tree is None:
        return "Something is forbidden in this cell, and it can't be read as Python." if works else None
    return exercise.forbid(tree)


def tree_of(source: str) -> ast.AST | None:
    """The syntax tree of a cell, also of one with IPython's magics; None where there is none."""
    with contextlib.suppress(SyntaxError, ValueError, RecursionError):
        return ast.parse(source)
    with contextlib.suppress(Exception):
        from IPython.core.inputtransformer2 import TransformerManager

        return ast.parse(TransformerManager().transform_cell(source))
    return None


def _any_right(oracle: Oracle, found: list[str | None]) -> bool:
    """Whether a random case is right, or the exercise draws none."""
    random = [f for (group, _), f in zip(oracle.cases, found) if group == RANDOM]
    return not random or None in random


def _points(exercise: Exercise, groups: dict[str, bool], passed: bool, forbidden: str | None,
            any_random_right: bool) -> float:
    """The share of groups passed. Refusing bad input earns nothing where the visible cases fail, and a
    count earns nothing where a value is wrong. Visible cases earn nothing where every random one is wrong:
    their answers are printed in the notebook."""
    if passed:
        return float(exercise.points)
    if forbidden is not None:
        return 0.0
    earned = dict(groups)
    if not groups.get(VISIBLE, False) or not any_random_right:
        earned[VISIBLE] = earned[BAD_INPUT] = earned[LIMITS] = earned[RANDOM] = False
    if not groups.get(RANDOM, True):
        earned[LIMITS] = False
    share = sum(bool(earned[g]) for g in groups) / len(groups)
    return round(exercise.points * share, 2)


# --- which mistake it is ----------------------------------------------------------------------


def _explain(oracle: Oracle, outcomes: list[dict], found: list[str | None],
             forbidden: str | None) -> tuple[str | None, str, str]:
    fits = diagnose(oracle, outcomes, found)
    if fits is not None:
        return fits.tag, fits.title, fits.message
    if forbidden is not None:
        return None, "Not this way.", forbidden
    return None, *_generic(oracle, outcomes, found)


def diagnose(oracle: Oracle, outcomes: list[dict], found: list[str | None]) -> Misconception | None:
    """The misconception that gives the learner's outcome in every case that tells it from the
    reference; among several, the one that explains most wrong cases, then the most cases at all."""
    order = _cheapest_first(oracle, found)
    best: tuple[int, int, Misconception] | None = None
    for misconception in oracle.exercise.misconceptions:
        for variant in range(len(misconception.variants)):
            score = _fit(oracle, misconception, variant, outcomes, found, order)
            if score is not None and (best is None or score > best[:2]):
                best = (*score, misconception)
    return best[2] if best else None


def _cheapest_first(oracle: Oracle, found: list[str | None]) -> list[int]:
    """Visible cases first and the wrong ones first among equals: they rule out most the soonest."""
    rank = {VISIBLE: 0, BAD_INPUT: 1, RANDOM: 2, LIMITS: 3}
    return sorted(range(len(found)), key=lambda i: (rank[oracle.cases[i][0]], found[i] is None, i))


def _fit(oracle: Oracle, misconception: Misconception, variant: int, outcomes: list[dict],
         found: list[str | None], order: Iterable[int]) -> tuple[int, int] | None:
    explained = unexplained = on_values = 0
    for i in order:
        if "error" in outcomes[i] and outcomes[i]["error"]["types"][0] == "NotRun":
            continue
        theirs = oracle.outcome_of(misconception, variant, i)
        tells = oracle.differs(i, theirs) is not None
        agrees = oracle.agrees(i, theirs, outcomes[i]) if tells else found[i] is None
        if tells and not agrees:
            # Whether bad input is refused is a question of its own: it neither proves nor rules out an idea.
            if oracle.cases[i][0] == BAD_INPUT:
                continue
            return None
        explained += tells
        on_values += tells and oracle.cases[i][0] != BAD_INPUT
        unexplained += not tells and not agrees
    wrong_values = any(f is not None for f, (group, _) in zip(found, oracle.cases) if group != BAD_INPUT)
    if not explained or (wrong_values and not on_values):
        return None  # a mistake that shows on bad input alone does not explain a wrong value
    return -unexplained, explained


def _generic(oracle: Oracle, outcomes: list[dict], found: list[str | None]) -> tuple[str, str]:
    """A title and a sentence where no misconception fits."""
    first = next(i for i, f in enumerate(found) if f is not None)
    outcome, name = outcomes[first], oracle.exercise.names[0]
    where = f"Look at {oracle.input(first)}."
    if "error" in outcome:
        error = outcome["error"]
        if error["types"][0] == "TimeLimit":
            return "It does not come to an end.", (
                f"{error['message']} on {oracle.input(first)}. Which loop's condition never becomes false?")
        if error["types"][0] == "KeyboardInterrupt":
            return "Interrupted.", f"The check was stopped while it ran {oracle.input(first)}."
        if error["types"][0] == "AnswerGone":
            asked = f"The check was asking {oracle.input(first)}"
            return "Your code ended its own process.", f"{asked}: {error['message']}."
        if error["types"][0] == "ProbeError":
            return "This cannot be checked.", f"{error['message']}."
        if not oracle.exercise.must_raise(*oracle.cases[first]):
            return f"Your code raised {error['types'][0]}.", f"{tell_error(error)}. {where}"
    if "value" in outcome and outcome["value"] is None:
        if outcome.get("printed"):
            return "It prints its result.", f"`{name}` prints and returns None. Return the value instead."
        return "It returns None.", f"Does every path through `{name}` end in a return statement? {where}"
    if "value" in outcome and isinstance(outcome["value"], Opaque):
        kind = kind_of(outcome["value"])
        return f"It returns {kind}.", f"Expected {kind_of(oracle.expected(first).get('value'))}. {where}"
    return "", f"{where} {found[first][0].upper()}{found[first][1:]}."


# --- the table --------------------------------------------------------------------------------


def _rows(oracle: Oracle, outcomes: list[dict], found: list[str | None]) -> list[Row]:
    rows = []
    for group in dict.fromkeys(g for g, _ in oracle.cases):
        indices = [i for i, (g, _) in enumerate(oracle.cases) if g == group]
        if group in (VISIBLE, LIMITS) or len(indices) <= 3:
            rows += [_row(oracle, i, outcomes[i], found[i]) for i in indices]
        else:
            rows.append(_summary(oracle, group, indices, outcomes, found))
    return rows


def _row(oracle: Oracle, i: int, outcome: dict, found: str | None) -> Row:
    group, case = oracle.cases[i]
    wanted = oracle.exercise.must_raise(group, case)
    expected = wanted or oracle.show(oracle.expected(i))
    note = "" if found is None or re.fullmatch(r"\S+, expected \S+", found) else found  # the columns say it already
    return Row(group, oracle.input(i), expected, oracle.show(outcome), found is None, note)


def _summary(oracle: Oracle, group: str, indices: list[int], outcomes: list[dict],
             found: list[str | None]) -> Row:
    wrong = [i for i in indices if found[i] is not None]
    one, many = {RANDOM: ("more case", "more cases"), BAD_INPUT: ("input to refuse", "inputs to refuse")}.get(
        group, ("case", "cases"))
    name = one if len(indices) == 1 else many
    if not wrong:
        return Row(group, f"{len(indices)} {name}", "all right", "all right", True)
    row = _row(oracle, wrong[0], outcomes[wrong[0]], found[wrong[0]])
    label = f"{len(indices)} {name}, {len(wrong)} wrong; the first: {row.input}"
    return Row(group, label, row.expected, row.got, False, row.note)

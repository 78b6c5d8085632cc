"""The vocabulary: what an exercise asks, and what is judged as right.

An `Exercise` is data plus a few callables of the course's own (a reference, misconceptions,
alternatives). It never touches a learner's answer: probes do, and hand back plain data. Nothing here
imports `utils` or another part of the autograder but `probes.plain`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .compare import Comparator, exact

VISIBLE, RANDOM, BAD_INPUT, LIMITS = "visible", "random", "bad input", "limits"
GROUPS = (VISIBLE, RANDOM, BAD_INPUT, LIMITS)


@dataclass(frozen=True, init=False)
class Case:
    """One question to an answer.

    With the default probe ("common.call") the positional and keyword arguments are those of the
    call. With another probe the keywords are the probe's parameters.

    label: what the learner sees instead of the input (needed for large inputs).
    error: the error that must come, by its type's name; `word` has to occur in its message.
    compare: overrides the exercise's comparator for this case; probe: its probe.
    """

    args: tuple
    kwargs: dict
    label: str = ""
    error: str = ""
    word: str = ""
    compare: Comparator | None = None
    probe: str = ""

    def __init__(self, *args: Any, label: str = "", error: str = "", word: str = "",
                 compare: Comparator | None = None, probe: str = "", **kwargs: Any) -> None:
        for name, value in (("args", args), ("kwargs", kwargs), ("label", label), ("error", error),
                            ("word", word), ("compare", compare), ("probe", probe)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Misconception:
    """An executable wrong answer, and what to tell who gave it.

    message: which idea is usually behind it and what to look at next; never the solution.
    title: a few words, "You are truncating."
    also: other ways of making the same mistake (with bad input handled, say); the same message.
    """

    tag: str
    answer: Any
    message: str
    title: str = ""
    also: Sequence[Any] = ()

    @property
    def variants(self) -> tuple[Any, ...]:
        return (self.answer, *self.also)


@dataclass(frozen=True)
class Exercise:
    """What is asked, and how an answer is judged. Points go to the check cell of the same name.

    id: "12.conv2d_flops"; the part after the dot is the name that the learner writes.
    names: the learner's names when an exercise asks for several ("24.pair" asks for two functions).
    reference: from `utils`; its outcomes under the same probe are what is expected.
    cases: visible in the notebook. hidden: further fixed cases that the text covers.
    draw: makes one random Case (or tuple of arguments) from a NumPy generator; `draws` of them are asked.
    raises: cases that must be refused (ValueError unless the case names another error).
    limits: cases judged on a count (peak memory, tiles, calls) beside the values; they earn
        points only if everything else in the visible and random groups is right.
    forbid: looks at the syntax tree of the answer's cell; a sentence if something is forbidden there.
    pure: the text says that arguments must not be changed, so a change is a mistake.
    show: formats one plain value for the table of cases ("0x3F80").
    worth_knowing: one sentence shown with a right answer.
    """

    id: str
    points: float
    reference: Any
    cases: Sequence[Case]
    misconceptions: Sequence[Misconception] = ()
    alternatives: Sequence[Any] = ()
    hints: Sequence[str] = ()
    draw: Callable[[np.random.Generator], Case | tuple] | None = None
    draws: int = 20
    hidden: Sequence[Case] = ()
    raises: Sequence[Case] = ()
    limits: Sequence[Case] = ()
    compare: Comparator = field(default_factory=exact)
    probe: str = "common.call"
    names: tuple[str, ...] = ()
    forbid: Callable[[ast.AST], str | None] | None = None
    pure: bool = False
    show: Callable[[Any], str] | None = None
    time_limit_s: float = 5.0
    difficulty: int = 2
    minutes: int = 10
    idea: str = ""
    worth_knowing: str = ""

    def __post_init__(self) -> None:
        if not self.names:
            object.__setattr__(self, "names", (self.id.split(".", 1)[1],))
        if not self.cases:
            raise ValueError(f"exercise {self.id} must have at least one visible case")

    @property
    def chapter(self) -> str:
        return self.id.split(".", 1)[0]

    @property
    def name(self) -> str:
        return self.id.split(".", 1)[1]

    def groups(self, seed: int) -> dict[str, list[Case]]:
        """All cases by group; the random ones are drawn from `seed`. Empty groups are left out."""
        found = {
            VISIBLE: list(self.cases),
            RANDOM: [*self.hidden, *self.drawn(seed)],
            BAD_INPUT: list(self.raises),
            LIMITS: list(self.limits),
        }
        return {group: cases for group, cases in found.items() if cases}

    def drawn(self, seed: int, count: int | None = None) -> list[Case]:
        """`count` random cases (default: `draws`) from `seed`."""
        if self.draw is None:
            return []
        rng = np.random.default_rng(seed)
        drawn = [self.draw(rng) for _ in range(self.draws if count is None else count)]
        return [case if isinstance(case, Case) else Case(*case) for case in drawn]

    def question(self, case: Case) -> dict:
        """The case as plain data for a probe."""
        probe = case.probe or self.probe
        if probe == "common.call":
            params = {"args": list(case.args), "kwargs": case.kwargs, "watch": self.pure}
        elif case.args:
            params = {"args": list(case.args), **case.kwargs}
        else:
            params = dict(case.kwargs)
        return {"probe": probe, "params": params, "time_limit_s": self.time_limit_s}

    def must_raise(self, group: str, case: Case) -> str:
        """The type name of the error that `case` must end in, or ""."""
        return case.error or ("ValueError" if group == BAD_INPUT else "")

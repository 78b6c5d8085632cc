"""Answers to an exercise as learners give them, each the text of one cell.

right       the master's solution, or an alternative of the exercise
wrong       a misconception; where none can stand alone, a mutant of the solution that the check notices
raising     a call that fails, a cell that fails, a cell that is not Python
blank       as handed out
slow        sleeps while the cell runs, then is right
printing    prints in the cell and in each call, and is right
"""

from __future__ import annotations

import ast
import os
import random
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autograder.audit.mutants import answer_from, mutants_of
from autograder.exercise import Exercise
from autograder.judging import judge_answer, seed_for
from autograder.notebooks.master import Master
from autograder.probes.ask import ask

from .standalone import standalone

KINDS = ("right", "wrong", "raising", "blank", "slow", "printing")
SLEEP_S = 0.3
MUTANTS_TRIED, MUTANTS_KEPT, MUTANT_LIMIT_S, MUTANT_BYTES = 24, 3, 20, 12 * 2**30


@dataclass
class Answers:
    """The answers to one exercise; `taken` are the names that the other exercises of the chapter use."""

    exercise: Exercise
    master: Master
    taken: tuple[str, ...]
    namespace: dict[str, Any] = field(repr=False, default_factory=dict)

    def source(self, kind: str, rng: random.Random) -> str | None:
        """The text of an answer of this kind, drawn by `rng`; None stands for the cell as handed out."""
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of answer: use one of {', '.join(KINDS)}")
        if kind == "blank":
            return None
        return getattr(self, f"_{kind}")(rng)

    @property
    def solution(self) -> str:
        return self.master.solutions[self.exercise.name].solution

    @cached_property
    def rights(self) -> list[str]:
        """The solution and every alternative that can stand alone in a cell."""
        found = [self._alone(a) for a in self.exercise.alternatives]
        return [self.solution, *(s for s in found if s and not self._forbidden(s))]

    @cached_property
    def wrongs(self) -> list[str]:
        """Misconceptions that can stand alone; else a few mutants; else an answer that returns None."""
        found = [self._alone(a) for m in self.exercise.misconceptions for a in m.variants]
        return [s for s in found if s] or self._mutants() or [self._with_body(self._none)]

    def _alone(self, answer: Any) -> str | None:
        return standalone(answer, self.exercise.names, self.namespace, self.taken)

    def _right(self, rng: random.Random) -> str:
        return self.solution if rng.random() < 0.7 else rng.choice(self.rights)

    def _wrong(self, rng: random.Random) -> str:
        found = rng.choice(self.wrongs)
        return self._with_body(self._none) if rng.random() < 0.2 else found

    def _raising(self, rng: random.Random) -> str:
        way = rng.randrange(3)
        if way == 0:
            return self._with_body(lambda _: ast.parse("return not_defined_anywhere").body)
        if way == 1:
            return f"{self.solution}\n\n\nnot_defined_anywhere"
        return self.solution + "\n    return (\n"

    def _slow(self, rng: random.Random) -> str:
        seconds = min(SLEEP_S, self.exercise.time_limit_s / 2)
        return self._unless_forbidden(f"import time\n\ntime.sleep({seconds:g})\n\n\n{self.solution}")

    def _printing(self, rng: random.Random) -> str:
        chatty = self._with_body(lambda body: [*ast.parse("print('one call')").body, *body])
        return self._unless_forbidden(f"print('working on {self.exercise.name}')\n\n\n{chatty}")

    def _unless_forbidden(self, source: str) -> str:
        return self.solution if self._forbidden(source) else source

    def _forbidden(self, source: str) -> bool:
        return self.exercise.forbid is not None and self.exercise.forbid(ast.parse(source)) is not None

    @staticmethod
    def _none(_: list[ast.stmt]) -> list[ast.stmt]:
        return ast.parse("return None").body

    def _with_body(self, change: Callable[[list[ast.stmt]], list[ast.stmt]]) -> str:
        """The solution with the bodies of the learner's functions (or of the methods of her class) changed."""
        tree = ast.parse(self.solution)
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in self.exercise.names:
                methods = [n for n in node.body if isinstance(n, ast.FunctionDef)] \
                    if isinstance(node, ast.ClassDef) else [node]
                plain = [m for m in methods if m.name == "__call__" or not m.name.startswith("__")]
                for function in plain or methods:
                    has_text = ast.get_docstring(function, clean=False) is not None
                    function.body = [*function.body[:has_text], *change(function.body[has_text:])]
        return ast.unparse(ast.fix_missing_locations(tree))

    def _mutants(self) -> list[str]:
        found = mutants_of(self.solution)
        random.Random(self.exercise.id).shuffle(found)
        kept: list[str] = []
        for mutant in found[:MUTANTS_TRIED]:
            if self._noticed(mutant.source):
                kept.append(mutant.source)
            if len(kept) == MUTANTS_KEPT:
                break
        return kept

    def _noticed(self, source: str) -> bool:
        """Whether a mutant is judged wrong, and comes to its end by itself. Asked in a child, which it may kill."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                resource.setrlimit(resource.RLIMIT_AS, (MUTANT_BYTES, MUTANT_BYTES))
                signal.alarm(MUTANT_LIMIT_S)
                status = not self._wrong_in_time(source)
            finally:
                os._exit(status)
        return os.waitpid(child, 0)[1] == 0

    def _wrong_in_time(self, source: str) -> bool:
        answer = answer_from(self.master.cells_for(self.exercise.name, source), self.exercise.names)
        seed = seed_for(self.exercise.id, "mutants")
        told = judge_answer(self.exercise, lambda question: ask(answer, question), seed, source)
        return answer is not None and not told.passed and "does not come to an end" not in told.title


def chapter_answers(exercises: list[Exercise], master: Master) -> dict[str, Answers]:
    """The answers of a chapter by the exercise's name. Runs the set-up cells here."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for source in master.setup:
        exec(compile(source, "<setup>", "exec"), namespace)
    names = [n for e in exercises for n in e.names]
    return {e.name: Answers(e, master, tuple(n for n in names if n not in e.names), namespace) for e in exercises}

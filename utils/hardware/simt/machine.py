"""A machine that runs one program on all lanes of a warp, with a mask and a stack for branches.

It shows the rule of GPUs before Volta, which today's follow in effect: both sides of a branch are issued, each for
the lanes that take it, and a side that no lane takes is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Program = Sequence[tuple]


@dataclass(frozen=True)
class Issue:
    """One issued instruction: its place in the program, its operation, and the lanes for which it counts."""

    at: int
    op: str
    mask: tuple[bool, ...]


class SimtMachine:
    """Runs ("mul", c), ("add", c), ("if_gt", c), ("else",), ("endif",). `issues` lists the arithmetic it issued."""

    def __init__(self, x: np.ndarray) -> None:
        self.values = np.array(x, float)
        self.mask = np.ones(self.values.shape, bool)
        self.stack: list[tuple[np.ndarray, np.ndarray, bool]] = []  # mask outside, condition, whether else was seen
        self.issues: list[Issue] = []

    def run(self, program: Program) -> np.ndarray:
        """The values after the whole program. ValueError "unbalanced" unless branches match, and for unknown ops."""
        for at, (op, *args) in enumerate(program):
            step = getattr(self, f"_{op}", None)
            if op in ("mul", "add"):
                self._arithmetic(at, op, *args)
            elif op in ("if_gt", "else", "endif") and step:
                step(*args)
            else:
                raise ValueError(f"program must hold mul, add, if_gt, else and endif, got {op!r} at {at}")
        if self.stack:
            raise ValueError(f"program must not be unbalanced: {len(self.stack)} endif missing")
        return self.values

    def _arithmetic(self, at: int, op: str, c: float) -> None:
        if self.mask.any():
            result = self.values * c if op == "mul" else self.values + c
            self.values = np.where(self.mask, result, self.values)
            self.issues.append(Issue(at, op, tuple(self.mask.tolist())))

    def _if_gt(self, c: float) -> None:
        condition = self.values > c
        self.stack.append((self.mask, condition, False))
        self.mask = self.mask & condition

    def _else(self) -> None:
        if not self.stack or self.stack[-1][2]:
            raise ValueError("program must not be unbalanced: else without its if_gt")
        outside, condition, _ = self.stack.pop()
        self.stack.append((outside, condition, True))
        self.mask = outside & ~condition

    def _endif(self) -> None:
        if not self.stack:
            raise ValueError("program must not be unbalanced: endif without if_gt")
        self.mask = self.stack.pop()[0]


def simt_run(program: Program, x: np.ndarray) -> tuple[np.ndarray, int]:
    """(values, issued instructions) of a program on the lanes x of one warp.

    >>> branch = [("if_gt", 3), ("mul", 2), ("else",), ("add", 10), ("endif",)]
    >>> [(v.tolist(), n) for v, n in (simt_run(branch, np.array(x)) for x in ([1.0, 5.0], [5.0, 6.0]))]
    [([11.0, 10.0], 2), ([10.0, 12.0], 1)]
    """
    machine = SimtMachine(x)
    return machine.run(program), len(machine.issues)

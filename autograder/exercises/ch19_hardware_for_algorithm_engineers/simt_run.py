"""Exercise 19.simt_run: a warp with branches, masks and a stack."""

from __future__ import annotations

import numpy as np

from utils.hardware import simt

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _machine(*, else_mask: str = "outer", count_idle: bool = False, late: bool = False, one_mask: bool = False, count_branches: bool = False,
             per_lane: bool = False, no_mask: bool = False, check: bool = True, single_else: bool = True, ge: bool = False):
    """The machine with its rules exchangeable; right by default."""

    def answer(program: list, x: np.ndarray) -> tuple[np.ndarray, int]:
        values, mask, stack, issued = np.array(x, float), np.ones(len(x), bool), [], 0
        for op, *args in program:
            if op in ("mul", "add"):
                use = np.ones_like(mask) if no_mask else mask
                if use.any() or count_idle:
                    issued += int(use.sum()) if per_lane else 1
                values = np.where(use, values * args[0] if op == "mul" else values + args[0], values)
            elif op == "if_gt":
                issued += count_branches
                condition = values >= args[0] if ge else values > args[0]
                stack.append((mask, condition, args[0], False))
                mask = mask & condition
            elif op == "else":
                if not stack or (single_else and stack[-1][3]):
                    if check:
                        raise ValueError("unbalanced")
                    continue
                outer, condition, c, _ = stack.pop()
                stack.append((outer, condition, c, True))
                if late:
                    condition = values > c
                mask = ~condition if else_mask == "plain" else outer & ~condition
            elif op == "endif":
                if not stack:
                    if check:
                        raise ValueError("unbalanced")
                    continue
                mask = stack.pop()[0]
                if one_mask:
                    mask = np.ones(len(x), bool)
        if stack and check:
            raise ValueError("unbalanced")
        return values, issued

    return answer


def _recursive(program: list, x: np.ndarray) -> tuple[np.ndarray, int]:
    values, issued = np.array(x, float), 0

    def block(at: int, mask: np.ndarray, inside: bool) -> tuple[int, str]:
        nonlocal values, issued
        while at < len(program):
            op, *args = program[at]
            if op in ("mul", "add"):
                if mask.any():
                    issued += 1
                    values = np.where(mask, values * args[0] if op == "mul" else values + args[0], values)
            elif op == "if_gt":
                condition = values > args[0]
                at, end = block(at + 1, mask & condition, True)
                if end == "else":
                    at, end = block(at + 1, mask & ~condition, True)
                if end != "endif":
                    raise ValueError("unbalanced program")
            elif inside:
                return at, op
            else:
                raise ValueError("unbalanced program")
            at += 1
        return at, "end"

    block(0, np.ones(len(x), bool), False)
    return values, issued


def _lane_sets(program: list, x: np.ndarray) -> tuple[np.ndarray, int]:
    """Active lanes as a set; each level keeps (outside, taken, else seen)."""
    values, active, stack, issued = [float(v) for v in x], set(range(len(x))), [], 0
    for op, *args in program:
        if op == "if_gt":
            taken = {lane for lane in active if values[lane] > args[0]}
            stack.append([active, taken, False])
            active = taken
        elif op == "else":
            if not stack or stack[-1][2]:
                raise ValueError("unbalanced: else")
            stack[-1][2] = True
            active = stack[-1][0] - stack[-1][1]
        elif op == "endif":
            if not stack:
                raise ValueError("unbalanced: endif")
            active = stack.pop()[0]
        elif active:
            issued += 1
            for lane in active:
                values[lane] = values[lane] * args[0] if op == "mul" else values[lane] + args[0]
    if stack:
        raise ValueError("unbalanced: endif is missing")
    return np.array(values), issued


def _random(rng: np.random.Generator, depth: int = 0) -> list:
    program = []
    for _ in range(int(rng.integers(1, 4))):
        if rng.random() < 0.55 or depth > 2:
            program.append((str(rng.choice(["mul", "add"])), float(rng.integers(-3, 4))))
        else:
            program += [("if_gt", float(rng.integers(-3, 4))), *_random(rng, depth + 1)]
            if rng.random() < 0.75:
                program += [("else",), *_random(rng, depth + 1)]
            program.append(("endif",))
    return program


def _draw(rng: np.random.Generator) -> Case:
    program = _random(rng)
    return Case(program, rng.integers(-5, 6, int(rng.integers(1, 9))).astype(float), label=f"a drawn program of {len(program)} steps")


_BRANCH = [("if_gt", 3), ("mul", 2), ("else",), ("add", 10), ("endif",)]
_NESTED = [("if_gt", 0), ("add", 1), ("if_gt", 4), ("mul", 10), ("else",), ("mul", 2), ("endif",), ("else",), ("add", -1), ("endif",), ("add", 100)]

simt_run = Exercise(
    id="19.simt_run", points=6, difficulty=3, minutes=25, idea="one instruction stream, a mask for the lanes",
    reference=simt.simt_run,
    cases=[Case(_BRANCH, np.array([1.0, 5.0])), Case(_BRANCH, np.array([5.0, 6.0])), Case(_NESTED, np.array([-2.0, 2.0, 6.0]))],
    hidden=[
        Case([], np.array([1.0, 2.0]), label="an empty program"), Case([("add", 1)], np.array([1.0]), label="no branch"), Case([("if_gt", 3), ("endif",), ("mul", 2)], np.array([1.0, 5.0]), label="an empty branch"),
        Case([("if_gt", 3), ("else",), ("mul", 2), ("endif",)], np.array([1.0, 5.0]), label="only the else side"), Case([("if_gt", 3), ("mul", -1), ("else",), ("mul", 3), ("endif",)], np.array([2.0, 5.0]), label="the first side changes the condition"),
        Case([("if_gt", 0), ("if_gt", 10), ("mul", 2), ("else",), ("add", 1), ("endif",), ("endif",)], np.array([-5.0, 5.0, 15.0]), label="an else inside a branch"), Case([("if_gt", 9), ("if_gt", 0), ("add", 1), ("endif",), ("add", 2), ("endif",)], np.array([1.0, 2.0]), label="a branch that nobody takes"),
        Case([("if_gt", 0), ("if_gt", 5), ("add", 1), ("endif",), ("mul", 2), ("endif",)], np.array([-1.0, 3.0, 7.0]), label="work behind an inner branch"), Case([("if_gt", 2), ("mul", 5), ("endif",)], np.array([2.0, 3.0]), label="a value equal to the bound"),
        Case([("if_gt", 1), ("add", 1), ("endif",), ("if_gt", 2), ("add", 1), ("else",), ("add", 5), ("endif",)], np.array([1.0, 2.0, 3.0]), label="two branches in a row"),
    ],
    raises=[Case([("if_gt", 0)], np.ones(2), word="unbalanced"), Case([("else",)], np.ones(2), word="unbalanced"), Case([("endif",)], np.ones(2), word="unbalanced"), Case([("if_gt", 0), ("else",)], np.ones(2), word="unbalanced"),
            Case([("if_gt", 0), ("endif",), ("endif",)], np.ones(2), word="unbalanced"), Case([("if_gt", 0), ("else",), ("else",), ("endif",)], np.ones(2), word="unbalanced")],
    draw=_draw, draws=40, compare=close(1e-9, 1e-12, dtype="any"), pure=True,
    misconceptions=[
        Misconception("plain_else", _machine(else_mask="plain"),
                      "An inner `else` of yours switches on lanes that the outer branch had switched off. Whoever is out stays out until the outer branch changes.", "Else forgets the outer mask."),
        Misconception("counts_idle", _machine(count_idle=True),
                      "You count instructions for which no lane is active. The machine skips them.", "A side without lanes is skipped."),
        Misconception("late_condition", _machine(late=True),
                      "Your `else` asks the condition again, after the first side has changed the values. It is decided once, at `if_gt`.", "The condition is asked twice."),
        Misconception("one_mask", _machine(one_mask=True),
                      "Your `endif` switches all lanes on. It ends one branch; the branch outside of it still holds.", "Endif opens too much."),
        Misconception("counts_branches", _machine(count_branches=True),
                      "You count `if_gt` as well. Only arithmetic is counted here.", "Branches are not counted."),
        Misconception("per_lane", _machine(per_lane=True),
                      "You count an instruction for each lane. The whole warp is served by one.", "One issue serves the warp."),
        Misconception("no_mask", _machine(no_mask=True),
                      "Every lane of yours does everything. Lanes outside the mask keep their values.", "The mask is not used."),
        Misconception("ge", _machine(ge=True),
                      "Your condition holds for equal values too. `if_gt` is greater than.", "Equal is not greater."),
        Misconception("unchecked", _machine(check=False),
                      "A program whose branches don't match runs through. Raise ValueError with the word \"unbalanced\".", "Unbalanced programs are not refused.",
                      also=(_machine(single_else=False),)),
    ],
    alternatives=[_recursive, _lane_sets],
    hints=(
        "A stack with an entry for each open branch: the mask outside of it, its condition, and whether its else has come.",
        "if_gt: push, then mask = outside & condition. else: mask = outside & ~condition. endif: pop, mask = outside.",
        "Arithmetic: if no lane is in the mask, nothing happens; else count one and change the lanes of the mask.",
    ),
    worth_knowing="GPUs up to Pascal had such a stack in hardware. Since Volta every thread has a program counter, and the compiler decides where lanes meet again.",
)

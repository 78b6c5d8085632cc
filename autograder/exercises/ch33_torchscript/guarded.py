"""Exercise 33.guarded: a cache of tapes, each with the comparisons that must come out as they did."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.graphs import torchscript

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception
from . import programs
from .tiny_tracer import ARITHMETIC, BRANCH, COMPARISONS, DOUBLING

OPERATORS = {**ARITHMETIC, "truediv": operator.truediv}
RECIPROCAL = "lambda x: 1 / x if x != 0 else 0"
NESTED = "lambda x: (x - 1 if x * 2 > 9 else -x) if x > 2 else (x * x + 3 if x != 0 else 7)"


def _case(fn: str, calls: Sequence, label: str = "", **options: int) -> Case:
    calls = [c if isinstance(c, (tuple, list)) else (c,) for c in calls]
    shown = ", ".join(brief(c[0]) if len(c) == 1 else brief(tuple(c)) for c in calls)
    told = "".join(f", {name}={value}" for name, value in options.items())
    return Case(fn=fn, calls=[tuple(c) for c in calls], options=options, label=label or f"{' '.join(fn.split())}{told}; calls {shown}")


class _Miss(Exception):
    """A guard did not hold."""


class Cache:
    """A right answer with hooks: subclasses replace one of its rules."""

    def __init__(self, fn: Callable, max_entries: int = 8) -> None:
        self.fn, self.max_entries, self.traces, self.entries = fn, max_entries, 0, []

    def __call__(self, *xs: Any) -> Any:
        for entry in self.entries:
            try:
                return self.replay(entry, xs)
            except _Miss:
                continue
        if self.full():
            return self.beyond(*xs)
        return self.keep(self.record(xs), xs)

    def full(self) -> bool:
        return len(self.entries) >= self.max_entries

    def beyond(self, *xs: Any) -> Any:
        return self.fn(*xs)

    def keep(self, entry: tuple, xs: tuple) -> Any:
        self.entries.append(entry[:2])
        self.traces += 1
        return entry[2]

    def record(self, xs: tuple) -> tuple:
        """(steps, the result's reference, its value); a step is (function, references, outcome or None)."""
        steps: list[tuple] = []

        class Proxy:
            __hash__ = None

            def __init__(self, place: int, value: Any) -> None:
                self.place, self.value = place, value

        def ref(o: Any) -> tuple:
            return (True, o.place) if isinstance(o, Proxy) else (False, o)

        def plain(o: Any) -> Any:
            return o.value if isinstance(o, Proxy) else o

        def step(function: Callable, operands: Sequence, guard: bool) -> Any:
            value = function(*map(plain, operands))
            steps.append((function, tuple(map(ref, operands)), value if guard else None))
            return value if guard else Proxy(len(xs) + len(steps) - 1, value)

        for name, function in OPERATORS.items():
            setattr(Proxy, f"__{name}__", lambda a, b, f=function: step(f, (a, b), False))
            setattr(Proxy, f"__r{name}__", lambda a, b, f=function: step(f, (b, a), False))
        Proxy.__neg__ = lambda a: step(operator.neg, (a,), False)
        for name, function in COMPARISONS.items():
            setattr(Proxy, f"__{name}__", lambda a, b, f=function: step(f, (a, b), True))
        found = self.fn(*[Proxy(i, x) for i, x in enumerate(xs)])
        return steps, ref(found), plain(found)

    def replay(self, entry: tuple, xs: tuple) -> Any:
        steps, result = entry
        values = list(xs)

        def read(reference: tuple) -> Any:
            return values[reference[1]] if reference[0] else reference[1]

        for function, references, outcome in steps:
            values.append(function(*map(read, references)))
            if outcome is not None:
                self.guard(values[-1], outcome)
        return self.checked(steps, values, read(result))

    def guard(self, value: bool, outcome: bool) -> None:
        if value != outcome:
            raise _Miss

    def checked(self, steps: list, values: list, result: Any) -> Any:
        return result


class _ByValue(Cache):
    """Guards on the numbers of the arguments."""

    def keep(self, entry: tuple, xs: tuple) -> Any:
        self.entries.append((entry[:2], xs))
        self.traces += 1
        return entry[2]

    def replay(self, entry: tuple, xs: tuple) -> Any:
        if entry[1] != xs:
            raise _Miss
        return super().replay(entry[0], xs)


class _ByType(Cache):
    """Guards on the types of the arguments."""

    def keep(self, entry: tuple, xs: tuple) -> Any:
        self.entries.append((entry[:2], tuple(map(type, xs))))
        self.traces += 1
        return entry[2]

    def replay(self, entry: tuple, xs: tuple) -> Any:
        if entry[1] != tuple(map(type, xs)):
            raise _Miss
        return super().replay(entry[0], xs)

    def guard(self, value: bool, outcome: bool) -> None:
        pass


class _NoGuards(_ByType):
    """One tape for all."""

    def replay(self, entry: tuple, xs: tuple) -> Any:
        return Cache.replay(self, entry[0], xs)


class _ChecksAtTheEnd(Cache):
    """Computes the whole tape, then looks at the guards."""

    def guard(self, value: bool, outcome: bool) -> None:
        pass

    def checked(self, steps: list, values: list, result: Any) -> Any:
        for (_, _, outcome), value in zip(steps, values[len(values) - len(steps):]):
            if outcome is not None and value != outcome:
                raise _Miss
        return result


class _ChecksTheLast(Cache):
    """Only the last guard counts."""

    def checked(self, steps: list, values: list, result: Any) -> Any:
        told = [(outcome, value) for (_, _, outcome), value in zip(steps, values[len(values) - len(steps):]) if outcome is not None]
        if told and told[-1][0] != told[-1][1]:
            raise _Miss
        return result

    def guard(self, value: bool, outcome: bool) -> None:
        pass


class _ChecksTheFirst(Cache):
    """Only the first guard counts."""

    def replay(self, entry: tuple, xs: tuple) -> Any:
        first = next((i for i, step in enumerate(entry[0]) if step[2] is not None), None)
        steps = [(f, r, outcome if i == first else None) for i, (f, r, outcome) in enumerate(entry[0])]
        return super().replay((steps, entry[1]), xs)


class _Unlimited(Cache):
    def full(self) -> bool:
        return False


class _Evicts(Cache):
    """Throws the oldest tape out to make room."""

    def beyond(self, *xs: Any) -> Any:
        if not self.max_entries:
            return self.fn(*xs)
        self.entries.pop(0)
        return self.keep(self.record(xs), xs)


class _TracesBeyond(Cache):
    """Traces beyond the limit as well, and throws the tape away."""

    def beyond(self, *xs: Any) -> Any:
        return self.record(xs)[2]


class _OneTooMany(Cache):
    def full(self) -> bool:
        return len(self.entries) > self.max_entries


class _NeverTraces(Cache):
    """Calls fn each time."""

    def full(self) -> bool:
        return True


class _TracesTwice(Cache):
    """Records first, and then runs fn once more for the result."""

    def keep(self, entry: tuple, xs: tuple) -> Any:
        super().keep(entry, xs)
        return self.fn(*xs)


class _Tree(Cache):
    """The tapes as a tree: a node is a list of steps up to a comparison, and a child for each of its outcomes."""

    def __init__(self, fn: Callable, max_entries: int = 8) -> None:
        super().__init__(fn, max_entries)
        self.root: dict = {}

    def __call__(self, *xs: Any) -> Any:
        values, node = list(xs), self.root
        while node:
            for function, references in node["steps"]:
                values.append(function(*[values[at] if inside else at for inside, at in references]))
            if "result" in node:
                inside, at = node["result"]
                return values[at] if inside else at
            node = node["next"].get(values[-1], {})
        if self.traces >= self.max_entries:
            return self.fn(*xs)
        steps, result, value = self.record(xs)
        self._plant(steps, result)
        self.traces += 1
        return value

    def _plant(self, steps: list, result: tuple) -> None:
        node = self.root
        pending: list = []
        for function, references, outcome in steps:
            pending.append((function, references))
            if outcome is not None:
                node.setdefault("steps", pending)
                node = node.setdefault("next", {}).setdefault(outcome, {})
                pending = []
        node.update(steps=pending, result=result)


def _draw(rng: np.random.Generator) -> Case:
    """A random function with branches or a loop, called with numbers of which some repeat."""
    if rng.random() < 0.25:
        calls = programs.numbers(rng, int(rng.integers(4, 10)), -20, 400)
        return _case(programs.looping(rng), calls, **_limit(rng))
    names = ("x",) if rng.random() < 0.6 else ("x", "y")
    fn = f"lambda {', '.join(names)}: {programs.branching(rng, names, int(rng.integers(1, 4)), divide=True)}"
    return _case(fn, [tuple(programs.numbers(rng, len(names))) for _ in range(int(rng.integers(4, 10)))], **_limit(rng))


def _limit(rng: np.random.Generator) -> dict:
    return {"max_entries": int(rng.integers(0, 4))} if rng.random() < 0.4 else {}


def _show(value: Any) -> str:
    """The calls in short: results, tapes after each call, and the calls that ran fn."""
    if not isinstance(value, list):
        return brief(value)
    results = [step["error"][0] if "error" in step else step["value"] for step in value]
    ran = {"no": "-", "on proxies": "traced", "on the numbers": "run"}
    told = " ".join(ran.get(step["ran fn"], step["ran fn"]) for step in value)
    return f"{brief(results, 60)}; traces {brief([step['traces'] for step in value], 40)}; fn {told}"


guarded = Exercise(
    id="33.guarded", points=6, difficulty=3, minutes=20, idea="a guard says for which inputs a graph is right",
    names=("Guarded",), reference=torchscript.Guarded, probe="ch33_torchscript.guarded", compare=close(1e-9), show=_show,
    cases=[_case(BRANCH, [2, -2, 5, -7]), _case(DOUBLING, [3, 50, 60, 3.5, 200]), _case(RECIPROCAL, [2, 0, 4, 0]),
           _case(DOUBLING, [3, 50, 25, 60, 4], max_entries=2)],
    hidden=[
        _case(NESTED, [5, 4.5, 3, 1, 0, -1, 8, 2, 0]), _case(NESTED, [0, 0, 1, 5, 3, 0, 1], max_entries=2),
        _case(BRANCH, [1, -1, 0, 2], max_entries=0), _case(BRANCH, [1, -1, 2, -2], max_entries=1), _case(BRANCH, [1, 0, -1], max_entries=2),
        _case(DOUBLING, [90 / 2**k for k in range(12)], label="doubling: 90, 45, 22.5, … twelve calls"),
        _case(DOUBLING, [1, 2, 3, 3, 2, 1], max_entries=2), _case(DOUBLING, [100, 99, 150, 50, 60]),
        _case("lambda x: 1 / x", [0, 2, 0, 4]), _case("lambda x: 1 / x if x < 5 else x", [2, 0, 9, 0]), _case("lambda x: 3", [1, 2]), _case("lambda x: x", [1, 2]),
        _case("lambda x: 3 if x > 0 else x", [1, 2, -1, -3]), _case("lambda x: x * 2 - 1", [1, 2.5, -3]),
        _case("lambda x, y: x - y if x < y else y / x", [(1, 2), (3, 4), (4, 2), (0, 0), (5, 1)]),
        _case("lambda x, y: x if x == y else y - x", [(1, 1), (1, 2), (3, 3), (5, 2)]), _case("lambda x: x + 1 if 2 < x else 2 - x", [3, 1, 4, 2]),
        _case("lambda x: 2 / x if x >= 1 else x / 2", [1, 4, 0, -2]), _case("lambda x: x if x <= 1 else -x", [1, 4, 0, -2]),
        _case("lambda x: (lambda z: z + z if z > 4 else z)(x * x)", [3, 1, 4, 2, -3]), _case("lambda x: max(x, 0) * 3", [2, -1, 3, -5]),
        _case("lambda x: 1 / (x - 3) if x - 3 != 0 else -1", [1, 3, 2, 3, 5]),
        _case("lambda x: (1 / (x - 2) if x != 2 else 5) if x > 0 else x", [1, 2, -1, 4, 2]),
        _case("def fn(x):\n    total = 0\n    for limit in (-1, 0, 1, 2):\n        total = total + x if x > limit else total - limit\n    return total",
              [5, 0.5, -3, 1.5, 0, 7, -9, 2]),
        _case("def fn(x):\n    while x > 1:\n        x = x / 2\n    return x * 3", [9, 16, 10, 0.5, 3, 1, 100, 200, 400, 1000, 3000, 9000, 3]),
        _case("lambda x: x / 4 if x > 0 else x * 4", [2, -2, 6]),
    ],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception(
            "guards_on_the_number", _ByValue,
            "You keep a tape for each number that comes. The next number traces anew, though it takes the same branch. Guard on the comparison and "
            "its outcome.", "A tape for every number."),
        Misconception(
            "checks_at_the_end", _ChecksAtTheEnd,
            "You compute the whole tape and look at its guards afterwards. On the wrong path that may divide by zero. Stop at the first guard that "
            "does not hold.", "The guards come too late."),
        Misconception(
            "unlimited", _Unlimited,
            "Your cache grows without a limit. For a loop every count is an entry of its own: that is what max_entries is for.",
            "The cache has a limit."),
        Misconception(
            "no_guards", _NoGuards,
            "You replay a tape without asking whether its comparisons come out as they did. That is a plain trace, frozen on one branch.",
            "A trace without guards.", also=(_ByType,)),
        Misconception(
            "never_traces", _NeverTraces,
            "Your results are right because you call fn every time. Nothing is recorded, so nothing is replayed.", "Nothing is traced."),
        Misconception(
            "evicts", _Evicts,
            "When the cache is full you throw a tape out and trace a new one. Inputs that alternate would be traced for ever. Call fn itself.",
            "Nothing is thrown out."),
        Misconception(
            "traces_beyond_the_limit", _TracesBeyond,
            "Beyond the limit you still run fn on proxies. Tracing costs more than running: call fn on the numbers.", "Tracing for nothing."),
        Misconception(
            "one_too_many", _OneTooMany,
            "You keep one tape more than max_entries.", "One tape too many."),
        Misconception(
            "last_guard_only", _ChecksTheLast,
            "You ask for one guard of the tape only. All of them must hold: the path is made of every decision.", "One guard is not all.",
            also=(_ChecksTheFirst,)),
        Misconception(
            "runs_fn_twice", _TracesTwice,
            "You trace, and then run fn once more for its result. The trace knows it already: the result's proxy carries the value.",
            "Once is enough."),
    ],
    alternatives=[Cache, _Tree],
    hints=(
        "Copy the proxy of the exercise before. Put comparisons on the tape as well, each with its outcome; they still return a plain bool.",
        "Replay step by step. At a guard compute the comparison on the new values; if it differs from the stored outcome, go on to the next tape.",
        "Proxies of an earlier call are gone when its tape is replayed: store an operand as a pair, such as (True, place) or (False, constant).",
    ),
    worth_knowing="TorchDynamo guards on types, shapes, Python values and more; its limit is torch._dynamo.config.recompile_limit, 8 in torch 2.13.",
)

"""Random functions of numbers, as source: arithmetic, branches and bounded loops."""

from __future__ import annotations

import numpy as np

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def expression(rng: np.random.Generator, depth: int, names: tuple[str, ...], *, divide: bool = False) -> str:
    """A term of +, -, *, unary -, names and small constants; divisions have divisors that are never 0."""
    if depth == 0 or rng.random() < 0.15:
        return str(rng.choice(names)) if rng.random() < 0.6 else str(rng.choice([1, 2, 3, 4, 0.5]))
    kind = rng.choice(["binary", "binary", "binary", "neg", *(["div"] if divide else [])])
    left = expression(rng, depth - 1, names, divide=divide)
    if kind == "neg":
        return f"-({left})"
    if kind == "div":
        name = rng.choice(names)
        return f"({left}) / {rng.choice([2, 4])}" if rng.random() < 0.5 else f"({left}) / ({name} * {name} + 1)"
    return f"({left} {rng.choice(['+', '-', '*'])} {expression(rng, depth - 1, names, divide=divide)})"


def condition(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    """A comparison of a name or a short term with a constant or another name; now and then for equality."""
    left = str(rng.choice(names)) if rng.random() < 0.6 else expression(rng, 1, names)
    if not any(name in left for name in names):
        left = str(names[0])
    operator = COMPARISONS[int(rng.choice(6, p=[0.22, 0.18, 0.22, 0.18, 0.1, 0.1]))]
    right = str(rng.choice(names)) if rng.random() < 0.2 else str(int(rng.integers(-3, 4)))
    return f"{left} {operator} {right}" if rng.random() < 0.8 else f"{right} {operator} {left}"


def branching(rng: np.random.Generator, names: tuple[str, ...], depth: int = 2, *, divide: bool = False) -> str:
    """Nested conditional expressions with terms as their leaves."""
    if depth == 0:
        return expression(rng, 2, names, divide=divide)
    sides = [branching(rng, names, depth - 1 if rng.random() < 0.7 else 0, divide=divide) for _ in range(2)]
    return f"({sides[0]} if {condition(rng, names)} else {sides[1]})"


def looping(rng: np.random.Generator) -> str:
    """A loop that doubles, halves or counts until a limit; it ends for every number."""
    limit = int(rng.integers(2, 9))
    body = str(rng.choice(["x = x / 2", "x = x - 3", f"x = x / 4 + {limit} / 2"]))
    return f"def fn(x):\n    while x > {limit}:\n        {body}\n    return {expression(rng, 1, ('x',))}"


def numbers(rng: np.random.Generator, count: int, low: int = -24, high: int = 25) -> list[float]:
    """Quarters between low/4 and high/4, so that comparisons meet exact equality."""
    return [float(v) / 4 if v % 4 else int(v) // 4 for v in rng.integers(low, high, count)]

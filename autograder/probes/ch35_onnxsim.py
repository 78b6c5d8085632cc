"""Probes of chapter 35: rewriting passes on chains of operators, and pairs of models that differ in a known way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

MOST_CALLS = 400


class TooManyCalls(Exception):
    """The passes were called so often that the answer would hardly ever end."""


def rewriting(answer: Callable, graph: Sequence[str], passes: Sequence[dict], max_rounds: int | None = None) -> dict:
    """Call the answer with a chain of operator names and passes that replace a run of names by another.

    A pass goes through the chain once from left to right; its number of changes is the number of replacements.
    """
    calls = [0]

    def pass_of(rule: dict) -> Callable[[list[str]], tuple[list[str], int]]:
        def apply(nodes: list[str]) -> tuple[list[str], int]:
            calls[0] += 1
            if calls[0] > MOST_CALLS:
                raise TooManyCalls(f"the passes were called {MOST_CALLS} times")
            return _replaced(list(nodes), rule["find"], rule["put"])

        return apply

    limit = () if max_rounds is None else (max_rounds,)
    result = answer(list(graph), [pass_of(rule) for rule in passes], *limit)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return {"result": result}
    return {"graph": result[0], "changes": result[1]}


def _replaced(nodes: list[str], find: list[str], put: list[str]) -> tuple[list[str], int]:
    out, changes, i = [], 0, 0
    while i < len(nodes):
        if nodes[i : i + len(find)] == find:
            out += put
            i += len(find)
            changes += 1
        else:
            out.append(nodes[i])
            i += 1
    return out, changes


def two_models(answer: Callable, kind: str, n: int, seed: int = 0) -> dict:
    """Call the answer with two models that differ as `kind` says, and a generator made from `seed`.

    Beside the answer's verdict comes how many inputs it drew, if it says that the models agree.
    """
    drawn: list[np.ndarray] = []

    def make_feeds(rng: np.random.Generator) -> dict[str, np.ndarray]:
        drawn.append(rng.uniform(1, 2, 4).astype(np.float32))
        return {"x": drawn[-1].copy()}

    def run_a(feeds: dict) -> dict[str, np.ndarray]:
        return _outputs(kind, feeds["x"], False)

    def run_b(feeds: dict) -> dict[str, np.ndarray]:
        third = len(drawn) > 2 and np.array_equal(feeds["x"], drawn[2])
        return _outputs(kind, feeds["x"], True, third)

    verdict = answer(run_a, run_b, make_feeds, n, np.random.default_rng(seed))
    agree = verdict if isinstance(verdict, bool | np.bool_) else None
    if agree is None:
        return {"answer": verdict}
    return {"answer": bool(agree), "drawn": len(drawn)} if agree else {"answer": False}


def _outputs(kind: str, x: np.ndarray, changed: bool, third: bool = False) -> dict[str, Any]:
    """The outputs y (4,) and z () of a small model; `changed`: of the other one, `third`: for the third input drawn."""
    y, z = 2 * x + 1, x.sum()
    # what both models share
    y = {"large": y * np.float32(1e6), "small": y * np.float32(1e-6), "small and wrong": y * np.float32(1e-2),
         "large and wrong": y * np.float32(1e6)}.get(kind, y)
    if kind in ("nan in both", "inf in both", "other sign"):
        y[1] = np.nan if kind == "nan in both" else np.inf
    if not changed:
        return {"y": y, "z": z}
    if kind == "other order":
        return {"z": z, "y": y}
    if kind in ("lost output", "extra output", "renamed", "swapped"):
        return {"lost output": {"y": y}, "extra output": {"y": y, "z": z, "w": z}, "renamed": {"y": y, "z_1": z},
                "swapped": {"y": np.full(4, z), "z": y[0]}}[kind]
    y = y.copy()
    if kind == "rounding":
        y *= np.float32(1 + 2e-5)
    elif kind == "large":
        y += np.float32(100)  # 1e-4 of the smallest value, 3e6, is 300
    elif kind == "small":
        y += np.float32(3e-6)
    elif kind in ("small and wrong", "large and wrong"):
        y *= np.float32(1.002)
    elif kind == "one element":
        y[3] += np.float32(1e-3)  # one element may be off by 5.1e-4 at most; the mean over four is 2.5e-4
    elif kind == "shape":
        y = y[None]
    elif kind == "nan in b":
        y[2] = np.nan
    elif kind == "other sign":
        y[1] = -np.inf
    elif kind == "rare" and third:
        y = y + 1
    elif kind == "second output":
        z = z * 2
    return {"y": y, "z": z}

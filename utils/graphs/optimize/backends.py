"""Several runtimes against one: the table that every conversion ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.graphs.optimize.comparison import Comparison, compare_arrays

Feed = Mapping[str, np.ndarray]
Backend = Callable[[Feed], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class BackendRow:
    """One output of one candidate on one feed. `comparison` is None when it failed; `error` says how."""

    candidate: str
    feed: int
    output: str
    comparison: Comparison | None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the candidate ran and every element passed."""
        return self.comparison is not None and self.comparison.ok


def compare_backends(
    reference: Backend, candidates: Mapping[str, Backend], feeds: Iterable[Feed], rtol: float = 1e-3, atol: float = 1e-5
) -> list[BackendRow]:
    """Run every candidate on every feed and compare each output of the reference.

    A backend maps a feed (names to arrays) to named outputs. A candidate that raises, that lacks an output, or
    whose output has another shape or kind of dtype, gives a row with the error instead of ending the run; outputs
    which only the candidate has are ignored.
    Raises ValueError when there is no feed: a comparison of nothing proves nothing.
    """
    rows: list[BackendRow] = []
    for number, feed in enumerate(feeds):
        expected = reference(feed)
        for name, candidate in candidates.items():
            rows += _rows(name, number, expected, _outcome(candidate, feed), rtol, atol)
    if not rows and candidates:
        raise ValueError("feeds must hold at least one feed, got none")
    return rows


def _outcome(candidate: Backend, feed: Feed) -> Mapping[str, np.ndarray] | str:
    try:
        return candidate(feed)
    except Exception as error:  # whatever a foreign runtime raises is a finding, not our failure
        return _told(error)


def _rows(name: str, feed: int, expected: Feed, got: Any, rtol: float, atol: float) -> list[BackendRow]:
    rows = []
    for output, ref in expected.items():
        if isinstance(got, str):
            rows.append(BackendRow(name, feed, output, None, got))
        elif output not in got:
            rows.append(BackendRow(name, feed, output, None, f"has no output {output!r}"))
        else:
            try:
                rows.append(BackendRow(name, feed, output, compare_arrays(ref, got[output], rtol, atol)))
            except ValueError as error:
                rows.append(BackendRow(name, feed, output, None, _told(error)))
    return rows


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"

"""Probes of chapter 52: arguments that are sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def islands(answer: Callable, args: Sequence) -> Any:
    """Call with the supported operators as a set."""
    ops, supported = args
    return answer(list(ops), set(supported))


def choose(answer: Callable, args: Sequence) -> Any:
    """Call with each candidate's operators, and the supported ones, as sets."""
    cands, max_ms, max_mb, supported = args
    return answer([{**c, "ops": set(c["ops"])} for c in cands], max_ms, max_mb, set(supported))

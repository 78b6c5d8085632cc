"""Probes of chapter 31: a set has no plain form, so one is made of a list beside the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def lint(answer: Callable, argv: list[str], known: list[str], deprecated: dict[str, str]) -> Any:
    """Call the answer with a list, a set and a dict of its own."""
    return answer(list(argv), set(known), dict(deprecated))

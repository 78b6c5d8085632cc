"""Probe of chapter 40: hands over the lost frames as a set, which a question can't carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def decodable(answer: Callable, refs: list, lost: list) -> Any:
    """Call the answer with a list of tuples and a set of ints."""
    return answer([tuple(needs) for needs in refs], set(lost))

"""Argument checks that every counting module shares."""

from __future__ import annotations

from numbers import Integral


def positive(**values: float) -> None:
    """Raise ValueError "<name> must be positive, got ..." for the first value that is not above zero."""
    for name, value in values.items():
        if not value > 0:  # also refuses nan
            raise ValueError(f"{name} must be positive, got {value}")


def non_negative(**values: float) -> None:
    """Raise ValueError "<name> must not be negative, got ..." for the first value below zero."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} must not be negative, got {value}")


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """An int or a (height, width) pair as a pair."""
    if isinstance(value, Integral):
        return int(value), int(value)
    height, width = value
    return height, width

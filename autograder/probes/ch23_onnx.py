"""Probe of chapter 23: a refusal has to name one fault, not all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .common import call

WORDS = ("undefined", "twice", "cycle")


class SeveralWords(Exception):
    """The message of a ValueError holds more than one of `WORDS`; no ValueError itself, so it is no right refusal."""


def one_word(answer: Callable, args: Sequence) -> Any:
    """Call a function. Its ValueError goes on, unless the message names several faults: then SeveralWords."""
    try:
        return call(answer, args)
    except ValueError as error:
        told = [word for word in WORDS if word in str(error).lower()]
        if len(told) > 1:
            raise SeveralWords(f"the message holds {' and '.join(told)}, one word is asked") from error
        raise

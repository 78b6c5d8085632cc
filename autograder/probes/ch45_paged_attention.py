"""Probes of chapter 45: a block manager is asked by a script, and its block ids may be any integers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from .ask import ProbeError
from .plain import to_plain

KNOWN_ERRORS = ("KeyError", "ValueError", "MemoryError")


def trace(answer: Callable, init: Sequence, script: Sequence) -> list[dict]:
    """Build a block manager, run a script on it, and look at everything after each step.

    `script` holds steps like ["add", "a", 6]. An entry a step: {"did", "free", "tables"}. "did" is "ok", the
    error's name, or for append what it returned; "free" is num_free(); "tables" has for every id named so far
    its blocks, or the error that table() raised. Blocks are told by a number of their own: a block that
    enters a table gets the next number and keeps it until no table holds it, so that two managers which
    hand out different ids, or reuse them in another order, tell the same story.
    """
    manager, names, seen, told = answer(*init), {}, [], []
    given = 0
    for step in script:
        name, *args = step
        seen += [s for s in args if isinstance(s, str) and s not in seen]
        did = _attempt(manager, name, args)
        tables = {seq: _table(manager, seq) for seq in seen}
        before, now = names, {}
        for ids in tables.values():
            for block in ids if isinstance(ids, list) else ():
                if block not in now:
                    if block not in before:
                        given += 1
                    now[block] = before.get(block, given)
        names = now
        if name == "append":
            did = _event(did, {**before, **now})
        told.append({
            "did": did if name == "append" or isinstance(did, str) else "ok",
            "free": _attempt(manager, "num_free", ()),
            "tables": {seq: [now[b] for b in ids] if isinstance(ids, list) else ids for seq, ids in tables.items()}})
    return told


def last(answer: Callable, init: Sequence, script: Sequence) -> Any:
    """Build a block manager and run a script on it; what the last step returns, or its error."""
    manager = answer(*init)
    for name, *args in script[:-1]:
        getattr(manager, name)(*args)
    name, *args = script[-1]
    return to_plain(getattr(manager, name)(*args))


def _attempt(manager: Any, name: str, args: Sequence) -> Any:
    """What a method returns, or the name of the error that it raises."""
    try:
        return to_plain(getattr(manager, name)(*args))
    except (AttributeError, NotImplementedError):
        raise
    except Exception as error:
        types = [t.__name__ for t in type(error).__mro__]
        return next((t for t in KNOWN_ERRORS if t in types), types[0])


def _table(manager: Any, seq: str) -> list[int] | str:
    ids = _attempt(manager, "table", (seq,))
    if isinstance(ids, str):
        return ids
    try:
        return [operator.index(block) for block in ids]
    except TypeError as error:
        raise ProbeError(f"table({seq!r}) must return a list of integers, got {type(ids).__name__}") from error


def _event(did: Any, names: dict[int, int]) -> Any:
    """A pair of block ids by the blocks' numbers; everything else as it is."""
    if isinstance(did, (list, tuple)) and len(did) == 2:
        return [names.get(block, "unknown block") if isinstance(block, int) else block for block in did]
    return did

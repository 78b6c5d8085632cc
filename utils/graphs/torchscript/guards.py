"""Specialised graphs with guards: the idea by which TorchDynamo keeps traces right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from utils.graphs.torchscript.tape import Proxy, Tape, record


class GuardedFunction:
    """Equal to `fn`, through one tape for each path of decisions that has been met.

    A call replays the tape whose guards all hold. If there is none, it traces a new one, and beyond `max_entries`
    tapes it calls `fn` itself, as TorchDynamo does at its recompile limit (8 in torch 2.13). fn must depend on its
    arguments alone. Raises ValueError for a negative `max_entries`.

    traces, hits, fallbacks: calls that ended each way; guard_failures: tapes that were tried in vain.
    """

    proxy: type[Proxy] = Proxy

    def __init__(self, fn: Callable, max_entries: int = 8) -> None:
        if max_entries < 0:
            raise ValueError(f"max_entries must be at least 0, got {max_entries}")
        self.fn, self.max_entries = fn, max_entries
        self.tapes: list[Tape] = []
        self.hits = self.guard_failures = self.fallbacks = 0

    @property
    def traces(self) -> int:
        """How many tapes there are."""
        return len(self.tapes)

    def __call__(self, *inputs: Any) -> Any:
        for tape in self.tapes:
            holds, value = tape.replay(inputs, guarded=True)
            if holds:
                self.hits += 1
                return value
            self.guard_failures += 1
        if len(self.tapes) >= self.max_entries:
            self.fallbacks += 1
            return self.fn(*inputs)
        tape, value = record(self.fn, inputs, self.proxy)
        self.tapes.append(tape)
        return value

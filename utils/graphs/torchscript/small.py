"""The tracer and the specialising cache in the small form in which one writes them on an afternoon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from utils.graphs.torchscript.guards import GuardedFunction
from utils.graphs.torchscript.tape import COMPARISONS, Proxy, TracedFunction, record


class PlainProxy(Proxy):
    """A proxy of a number: its comparisons give plain bools at once."""

    __hash__ = None  # type: ignore[assignment]
    plain_comparisons = True


class Replay(TracedFunction):
    """A traced function whose `ops` are the arithmetic that was done, without the comparisons."""

    @property
    def ops(self) -> list[str]:
        """The names of the operations that compute numbers, in order."""
        return [name for name in self.tape.ops if name not in COMPARISONS]

    def __call__(self, *inputs: Any) -> Any:
        return self.arithmetic.replay(inputs)[1]

    @property
    def arithmetic(self) -> Any:
        """The tape without what leads nowhere: a replay makes no comparison."""
        return self.tape.without_dead_nodes()


class TinyTracer:
    """Records the operations of one run of a function of numbers."""

    def trace(self, fn: Callable, *examples: float) -> Callable:
        """A function that does these operations on other numbers or arrays; `.ops` has their names in order."""
        return Replay(record(fn, examples, PlainProxy)[0])


class Guarded(GuardedFunction):
    """`GuardedFunction` for functions of numbers."""

    proxy = PlainProxy

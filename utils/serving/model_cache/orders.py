"""Which model to evict: orders that a cache and a simulation share.

An order is told of every use and is asked for a victim among the names that may go.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol


class EvictionOrder(Protocol):
    """What a cache asks of an order. Names are of one type that can be sorted."""

    def use(self, name: Any, size: float, cost: float) -> None:
        """A request for `name` was served: `size` (bytes), `cost` of loading it again."""

    def victim(self, names: Collection[Any]) -> Any:
        """The one of `names` to evict; it is evicted then."""

    def forget(self, name: Any) -> None:
        """`name` left for another reason."""


class LeastRecentlyUsed:
    """The one whose last use is longest ago."""

    def __init__(self) -> None:
        self._last: dict[Any, int] = {}
        self._uses = 0

    def use(self, name: Any, size: float, cost: float) -> None:
        self._uses += 1
        self._last[name] = self._uses

    def victim(self, names: Collection[Any]) -> Any:
        name = min(names, key=self._last.__getitem__)
        self.forget(name)
        return name

    def forget(self, name: Any) -> None:
        self._last.pop(name, None)


class LeastFrequentlyUsed(LeastRecentlyUsed):
    """The one with the fewest uses so far, counted from the start and kept while it is away; of equals the least
    recently used."""

    def __init__(self) -> None:
        super().__init__()
        self._count: Counter = Counter()

    def use(self, name: Any, size: float, cost: float) -> None:
        super().use(name, size, cost)
        self._count[name] += 1

    def victim(self, names: Collection[Any]) -> Any:
        name = min(names, key=lambda n: (self._count[n], self._last[n]))
        self.forget(name)
        return name


class GreedyDualSize:
    """GreedyDual-Size (Cao and Irani 1997): H = L + cost / size at every use; evict the smallest H, then L is that H.

    What saves much per byte stays longer, and L makes what is not used grow old. Of equals the smallest name goes.
    """

    def __init__(self) -> None:
        self.L = 0.0
        self._h: dict[Any, float] = {}

    def use(self, name: Any, size: float, cost: float) -> None:
        self._h[name] = self.L + cost / size

    def victim(self, names: Collection[Any]) -> Any:
        h, name = min((self._h[n], n) for n in names)
        self.L = max(self.L, h)  # a pinned model may have stayed below L
        self.forget(name)
        return name

    def forget(self, name: Any) -> None:
        self._h.pop(name, None)


class Belady:
    """The one whose next use is farthest in the future (Belady 1966): it has to know the whole trace.

    No order has more hits where all sizes are equal. Of several that never come again the smallest name goes.
    """

    def __init__(self, trace: Iterable[Any]) -> None:
        self._uses: dict[Any, deque[int]] = {}
        for position, name in enumerate(trace):
            self._uses.setdefault(name, deque()).append(position)

    def use(self, name: Any, size: float, cost: float) -> None:
        self._uses[name].popleft()

    def victim(self, names: Collection[Any]) -> Any:
        def sooner(name: Any) -> float:
            return -self._uses[name][0] if self._uses[name] else float("-inf")

        return min(names, key=lambda n: (sooner(n), n))

    def forget(self, name: Any) -> None:
        """Nothing is kept about residents."""


POLICIES = ("lru", "lfu", "gds", "belady")


def eviction_order(policy: str, trace: Sequence[Any] | None = None) -> EvictionOrder:
    """The order called "lru", "lfu", "gds" or, with the trace that will be asked, "belady". Else ValueError."""
    simple = {"lru": LeastRecentlyUsed, "lfu": LeastFrequentlyUsed, "gds": GreedyDualSize}
    if policy in simple:
        return simple[policy]()
    if policy == "belady" and trace is not None:
        return Belady(trace)
    raise ValueError(f"policy must be one of {', '.join(POLICIES if trace is not None else simple)}, got {policy!r}")

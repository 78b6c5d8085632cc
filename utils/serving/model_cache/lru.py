"""A least-recently-used cache with a budget in bytes, for one thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any


class LRUBytesCache:
    """Loaded objects by name, the least recently used evicted when their sizes would exceed the budget (bytes)."""

    def __init__(self, budget: int, loaders: Mapping[str, Callable[[], Any]], sizes: Mapping[str, int]) -> None:
        self.budget, self.loaders, self.sizes = budget, loaders, sizes
        self.hits = self.misses = 0
        self.evicted: list[str] = []
        self._held: OrderedDict[str, Any] = OrderedDict()  # least recently used first

    def get(self, name: str) -> Any:
        """The object called `name`, loaded if it is not resident.

        Raises KeyError for an unknown name, ValueError for a model larger than the budget, and what the loader raises;
        nothing has changed then.
        """
        if name in self._held:
            self.hits += 1
            self._held.move_to_end(name)
            return self._held[name]
        loader, size = self.loaders[name], self.sizes[name]
        if size > self.budget:
            raise ValueError(f"{name!r} has {size:,} bytes, larger than the budget of {self.budget:,}")
        loaded = loader()  # before anything is evicted: a loader that fails must not cost a resident model
        self.misses += 1
        while size + sum(self.sizes[held] for held in self._held) > self.budget:
            self.evicted.append(self._held.popitem(last=False)[0])
        self._held[name] = loaded
        return loaded

    def resident(self) -> list[str]:
        """Names of what is held, from least to most recently used."""
        return list(self._held)

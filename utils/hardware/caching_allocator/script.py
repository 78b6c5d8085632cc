"""Replaying a script of allocations by name.

>>> reserved_after([("malloc", "a", 1000), ("free", "a")])
(0, 2097152)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from utils.hardware.caching_allocator.allocator import CachingAllocator

Op = tuple  # ("malloc", name, nbytes), ("free", name) or ("empty_cache",)


def replay(ops: Iterable[Op], allocator: CachingAllocator) -> Iterator[CachingAllocator]:
    """Apply the operations one after the other and yield the allocator after each.

    Raises ValueError for a name that is allocated twice or freed while it is not allocated, and for an unknown
    operation; OutOfMemory as the allocator does.
    """
    handles: dict[str, int] = {}
    for op, *args in ops:
        if op == "malloc":
            name, nbytes = args
            if name in handles:
                raise ValueError(f"name must not be allocated already, got {name!r}")
            handles[name] = allocator.malloc(nbytes)
        elif op == "free":
            (name,) = args
            if name not in handles:
                raise ValueError(f"name must be allocated when it is freed, got {name!r}")
            allocator.free(handles.pop(name))
        elif op == "empty_cache":
            allocator.empty_cache()
        else:
            raise ValueError(f"op must be malloc, free or empty_cache, got {op!r}")
        yield allocator


def reserved_after(ops: list[tuple]) -> tuple[int, int]:
    """(allocated, reserved) bytes after a script of operations on an allocator without a limit."""
    allocator = CachingAllocator()
    for _ in replay(ops, allocator):
        pass
    return allocator.allocated, allocator.reserved

"""The block pool after a list of operations, as data for a picture."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass

from utils.attention.block_manager import BlockManager, CopyEvent, pool_stats

Operation = tuple[str, *tuple[Hashable, ...]]


@dataclass(frozen=True)
class PoolState:
    """Blocks in order of their id: `owners` (sequences, oldest first), `ref_counts`, `filled` slots.

    `tables` maps sequences to block ids. `copies` holds (index of operation, source, target) of every
    copy-on-write, `refused` the indices of operations for which the pool had no block.
    """

    block_size: int
    owners: tuple[tuple[Hashable, ...], ...]
    ref_counts: tuple[int, ...]
    filled: tuple[int, ...]
    tables: dict[Hashable, tuple[int, ...]]
    lengths: dict[Hashable, int]
    copies: tuple[tuple[int, int, int], ...]
    refused: tuple[int, ...]
    num_free: int
    waste: float

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


def _apply(manager: BlockManager, name: str, *args: Hashable) -> list[CopyEvent]:
    """Run one operation; the copies that it took."""
    if name == "append":
        seq, *count = args
        return manager.reserve(seq, *(count or [1]))
    actions = {"add": manager.add, "fork": manager.fork, "free": manager.free}
    if name not in actions:
        raise KeyError(f"operation must be add, append, fork or free, got {name!r}")
    actions[name](*args)
    return []


def pool_snapshot(ops: Sequence[Operation], num_blocks: int, block_size: int) -> PoolState:
    """Replay ("add", seq, tokens), ("append", seq[, tokens]), ("fork", parent, child) and ("free", seq).

    An operation that finds no free block is noted and skipped. Raises KeyError for an unknown operation or
    sequence, ValueError for an id in use.

    >>> state = pool_snapshot([("add", "a", 6), ("fork", "a", "b"), ("append", "a")], 6, 4)
    >>> state.owners[:3], state.copies
    ((('a', 'b'), ('b',), ('a',)), ((2, 1, 2),))
    """
    manager = BlockManager(num_blocks, block_size)
    copies, refused = [], []
    for index, (name, *args) in enumerate(ops):
        try:
            copies += [(index, *event) for event in _apply(manager, name, *args)]
        except MemoryError:
            refused.append(index)
    tables = {seq: tuple(manager.table(seq)) for seq in manager.sequences()}
    fill = manager.fill()
    return PoolState(
        block_size=block_size,
        owners=tuple(tuple(seq for seq, table in tables.items() if block in table) for block in range(num_blocks)),
        ref_counts=tuple(manager.allocator.ref_count(block) for block in range(num_blocks)),
        filled=tuple(fill.get(block, 0) for block in range(num_blocks)),
        tables=tables,
        lengths={seq: manager.length(seq) for seq in tables},
        copies=tuple(copies),
        refused=tuple(refused),
        num_free=manager.num_free(),
        waste=pool_stats(manager)["waste"],
    )

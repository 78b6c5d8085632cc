"""What the picture of the pool must show."""

import pytest

from utils.attention.pool_snapshot import pool_snapshot


def test_copy_on_write_copies_exactly_one_block():
    state = pool_snapshot([("add", "a", 14), ("fork", "a", "b"), ("append", "a")], 8, 4)
    assert len(state.copies) == 1
    assert sum(len(owners) == 2 for owners in state.owners) == 3 and state.num_free == 3
    assert state.lengths == {"a": 15, "b": 14}


def test_freeing_a_parent_frees_nothing_while_the_child_lives():
    before = pool_snapshot([("add", "a", 8), ("fork", "a", "b")], 4, 4)
    after = pool_snapshot([("add", "a", 8), ("fork", "a", "b"), ("free", "a")], 4, 4)
    assert before.num_free == after.num_free == 2
    assert before.ref_counts[:2] == (2, 2) and after.ref_counts[:2] == (1, 1)
    assert after.owners[:2] == (("b",), ("b",))


def test_large_blocks_waste_on_short_chats():
    ops = [("add", i, 10) for i in range(4)]
    assert [pool_snapshot(ops, 40, b).waste for b in (1, 16, 64)] == [0, 0.375, 1 - 10 / 64]


def test_a_full_pool_refuses_and_goes_on():
    state = pool_snapshot([("add", "a", 4), ("add", "b", 5), ("append", "a", 4), ("append", "a")], 2, 4)
    assert state.refused == (1, 3) and state.tables == {"a": (0, 1)}
    assert state.filled == (4, 4) and state.as_dict()["block_size"] == 4


def test_every_block_is_described():
    state = pool_snapshot([("add", "a", 3)], 3, 2)
    assert (state.owners, state.ref_counts, state.filled) == ((("a",), ("a",), ()), (1, 1, 0), (2, 1, 0))
    empty = pool_snapshot([], 3, 2)
    assert empty.num_free == 3 and empty.waste == 0


def test_unknown_operations():
    with pytest.raises(KeyError, match="operation"):
        pool_snapshot([("move", "a")], 2, 2)
    with pytest.raises(KeyError):
        pool_snapshot([("free", "a")], 2, 2)

"""Blocks, tables, references: properties against a model made of sets, and the named edges."""

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from utils.attention.block_manager import BlockAllocator, BlockManager, CopyEvent, pool_stats, slot_mapping


def test_slot_mapping_examples():
    assert slot_mapping([7, 2, 5], 9, 10, 4) == [21]
    assert slot_mapping([7, 2, 5], 3, 6, 4) == [31, 8, 9]
    assert slot_mapping([7, 2, 5], 12, 12, 4) == slot_mapping([], 0, 0, 4) == []
    assert slot_mapping([7, 2, 5], 0, 3, 1) == [7, 2, 5]


@given(table=st.lists(st.integers(0, 50), max_size=8), block_size=st.integers(1, 9), data=st.data())
def test_slots_lie_in_their_blocks(table, block_size, data):
    room = len(table) * block_size
    start = data.draw(st.integers(0, room))
    stop = data.draw(st.integers(start, room))
    every = [slot for block in table for slot in range(block * block_size, (block + 1) * block_size)]
    assert slot_mapping(table, start, stop, block_size) == every[start:stop]
    with pytest.raises(ValueError, match="too short"):
        slot_mapping(table, start, room + 1, block_size)


@pytest.mark.parametrize("bad", [(-1, 2), (3, 2), (0, -1)])
def test_slot_ranges(bad):
    with pytest.raises(ValueError, match="0 <= start <= stop"):
        slot_mapping([0, 1], *bad, 4)


def test_allocator():
    pool = BlockAllocator(2)
    a, b = pool.allocate(), pool.allocate()
    assert {a, b} == {0, 1} and pool.num_free == 0
    with pytest.raises(MemoryError, match="out of KV blocks"):
        pool.allocate()
    pool.share(a)
    pool.free(a)
    assert pool.ref_count(a) == 1 and pool.num_free == 0
    pool.free(a)
    assert pool.ref_count(a) == 0 and pool.num_free == 1
    for block in (a, 7):
        with pytest.raises(ValueError, match="free or unknown"):
            pool.free(block)
        with pytest.raises(ValueError, match="free or unknown"):
            pool.share(block)
    assert pool.allocate() == a  # last in, first out
    with pytest.raises(ValueError, match="positive"):
        BlockAllocator(0)


def test_example():
    blocks = BlockManager(6, 4)
    blocks.add("a", 6)
    assert blocks.num_free() == 4
    blocks.fork("a", "b")
    assert blocks.num_free() == 4
    shared = blocks.table("b")[-1]
    old, new = blocks.append("a")
    assert (old, new) == (shared, blocks.table("a")[-1]) and blocks.num_free() == 3
    assert blocks.append("b") is None and blocks.num_free() == 3
    blocks.free("a")
    assert blocks.num_free() == 4
    blocks.free("b")
    assert blocks.num_free() == 6


def test_the_last_owner_writes_in_place_and_full_tails_are_never_copied():
    blocks = BlockManager(20, 4)
    blocks.add(0, 6)
    blocks.fork(0, 1)
    blocks.fork(0, 2)
    assert [blocks.append(s) is not None for s in (0, 1, 2)] == [True, True, False]
    blocks.add(3, 8)
    blocks.fork(3, 4)
    assert blocks.append(3) is None and blocks.append(4) is None
    assert blocks.table(3)[:2] == blocks.table(4)[:2] and blocks.table(3)[2] != blocks.table(4)[2]


def test_long_reservations_copy_once():
    blocks = BlockManager(20, 4)
    blocks.add("a", 5)
    blocks.fork("a", "b")
    needed = blocks.blocks_needed("b", 9)
    tail = blocks.table("a")[-1]
    copies = blocks.reserve("b", 9)
    assert needed == 3 and copies == [CopyEvent(tail, blocks.table("b")[1])]
    assert blocks.length("b") == 14 and len(blocks.table("b")) == 4
    assert blocks.reserve("a", 0) == []


def test_a_refused_call_changes_nothing():
    blocks = BlockManager(3, 2)
    blocks.add("a", 3)
    blocks.fork("a", "b")
    for call in (lambda: blocks.reserve("a", 3), lambda: blocks.add("c", 3), lambda: blocks.add("d", 6, prefix=blocks.table("a")[:1])):
        before = blocks.table("a"), blocks.length("a"), blocks.num_free(), blocks.sequences()
        with pytest.raises(MemoryError, match="out of KV blocks"):
            call()
        assert before == (blocks.table("a"), blocks.length("a"), blocks.num_free(), blocks.sequences())
    assert blocks.append("a") is not None  # exactly one block was left


def test_identities():
    blocks = BlockManager(4, 2)
    blocks.add("a", 1)
    for call in (lambda: blocks.add("a", 1), lambda: blocks.fork("a", "a")):
        with pytest.raises(ValueError, match="duplicate"):
            call()
    for call in (blocks.append, blocks.free, blocks.table, blocks.length, lambda s: blocks.fork(s, "n")):
        with pytest.raises(KeyError):
            call("nobody")
    blocks.free("a")
    with pytest.raises(KeyError):
        blocks.table("a")
    blocks.add("a", 0)
    assert blocks.table("a") == [] and blocks.append("a") is None and len(blocks.table("a")) == 1
    with pytest.raises(ValueError, match="negative"):
        blocks.reserve("a", -1)


def test_a_sequence_may_start_on_the_full_blocks_of_another():
    blocks = BlockManager(6, 2)
    blocks.add("a", 5)
    blocks.add("b", 4, prefix=blocks.table("a")[:2])
    assert blocks.table("b") == blocks.table("a")[:2] and blocks.num_free() == 3
    assert blocks.append("b") is None
    with pytest.raises(ValueError, match="n_tokens"):
        blocks.add("c", 1, prefix=blocks.table("a")[:1])
    with pytest.raises(ValueError, match="allocated"):
        blocks.add("c", 4, prefix=[blocks.table("a")[0], 5])
    assert pool_stats(blocks) == {"live_tokens": 6, "held_slots": 8, "shared_blocks": 2, "waste": 0.25}


class ManagerMachine(RuleBasedStateMachine):
    """Contents stand in for memory: every append writes into the model's slots, and nobody's tokens may change."""

    BLOCKS, SIZE = 12, 3

    def __init__(self):
        super().__init__()
        self.blocks = BlockManager(self.BLOCKS, self.SIZE)
        self.texts = {}          # sequence -> its tokens, all different
        self.memory = {}         # (block, offset) -> token
        self.next_id = self.next_token = 0

    def write(self, seq, n):
        for _ in range(n):
            block, offset = divmod(slot_mapping(self.blocks.table(seq), len(self.texts[seq]), len(self.texts[seq]) + 1, self.SIZE)[0], self.SIZE)
            self.memory[block, offset] = self.next_token
            self.texts[seq].append(self.next_token)
            self.next_token += 1

    @rule(n=st.integers(0, 10))
    def add(self, n):
        room = ceil(n / self.SIZE) <= self.blocks.num_free()
        if not room:
            with pytest.raises(MemoryError):
                self.blocks.add(self.next_id, n)
            return
        self.blocks.add(self.next_id, n)
        self.texts[self.next_id] = []
        self.write(self.next_id, n)
        self.next_id += 1

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def append(self, data):
        seq = data.draw(st.sampled_from(sorted(self.texts)))
        if self.blocks.blocks_needed(seq, 1) > self.blocks.num_free():
            with pytest.raises(MemoryError):
                self.blocks.append(seq)
            return
        if copied := self.blocks.append(seq):
            for offset in range(self.SIZE):
                self.memory[copied[1], offset] = self.memory.get((copied[0], offset))
        self.write(seq, 1)

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def fork(self, data):
        parent = data.draw(st.sampled_from(sorted(self.texts)))
        free = self.blocks.num_free()
        self.blocks.fork(parent, self.next_id)
        assert self.blocks.num_free() == free
        self.texts[self.next_id] = list(self.texts[parent])
        self.next_id += 1

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def free(self, data):
        seq = data.draw(st.sampled_from(sorted(self.texts)))
        self.blocks.free(seq)
        del self.texts[seq]

    @invariant()
    def everyone_reads_their_own_tokens(self):
        for seq, text in self.texts.items():
            slots = slot_mapping(self.blocks.table(seq), 0, len(text), self.SIZE)
            assert [self.memory[divmod(slot, self.SIZE)] for slot in slots] == text

    @invariant()
    def references_are_exact_and_nothing_leaks(self):
        tables = [self.blocks.table(seq) for seq in self.texts]
        used = [block for table in tables for block in table]
        assert self.blocks.num_free() == self.BLOCKS - len(set(used))
        assert all(self.blocks.allocator.ref_count(b) == used.count(b) for b in range(self.BLOCKS))
        assert all(len(set(table)) == len(table) == ceil(len(text) / self.SIZE) for table, text in zip(tables, self.texts.values()))

    @invariant()
    def stats_count_filled_slots_once(self):
        filled = {slot for seq, text in self.texts.items() for slot in slot_mapping(self.blocks.table(seq), 0, len(text), self.SIZE)}
        stats = pool_stats(self.blocks)
        assert stats["live_tokens"] == len(filled) and stats["held_slots"] == self.SIZE * len({s // self.SIZE for s in filled})


TestManager = ManagerMachine.TestCase
TestManager.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)

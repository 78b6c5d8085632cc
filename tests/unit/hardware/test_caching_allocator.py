"""The allocator's rules as invariants over random scripts, and the examples of its documentation."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.hardware.caching_allocator import (
    MIB,
    CachingAllocator,
    OutOfMemory,
    replay,
    reserved_after,
    round_size,
    segment_for,
    segment_size,
)

SIZES = st.one_of(st.integers(0, 3 * MIB), st.sampled_from([512, MIB, MIB + 1, 9 * MIB, 10 * MIB, 12 * MIB + 1]),
                  st.integers(0, 40 * MIB))


@st.composite
def scripts(draw):
    """Valid scripts: names are freed only while they live."""
    live, ops = [], []
    for step in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["malloc", "malloc", "free", "empty_cache"]))
        if kind == "malloc":
            live.append(f"t{step}")
            ops.append(("malloc", live[-1], draw(SIZES)))
        elif kind == "free" and live:
            ops.append(("free", live.pop(draw(st.integers(0, len(live) - 1)))))
        else:
            ops.append(("empty_cache",))
    return ops, live


@settings(max_examples=60, deadline=None)
@given(scripts(), st.booleans(), st.booleans())
def test_invariants(script, split, coalesce):
    ops, live = script
    allocator, before = CachingAllocator(split=split, coalesce=coalesce), 0
    for op, state in zip(ops, replay(ops, allocator)):
        snapshot = state.snapshot()
        for segment in snapshot:
            at = 0
            for block in segment["blocks"]:  # blocks tile their segment: nothing overlaps, nothing is lost
                assert block["offset"] == at and block["size"] % 512 == 0 and block["size"] > 0
                at += block["size"]
            assert at == segment["size"]
        free = sum(b["size"] for s in snapshot for b in s["blocks"] if b["handle"] is None)
        assert free + state.allocated == state.reserved
        assert state.peak_allocated >= state.allocated
        if op[0] == "empty_cache":
            assert state.allocated == before
            assert all(any(b["handle"] is not None for b in s["blocks"]) for s in snapshot)
        before = state.allocated
    assert sum(b["handle"] is not None for s in allocator.snapshot() for b in s["blocks"]) == len(live)
    asked = {op[1]: op[2] for op in ops if op[0] == "malloc"}
    assert allocator.allocated >= sum(asked[name] for name in live)


@settings(max_examples=40, deadline=None)
@given(scripts())
def test_all_freed_and_emptied_is_nothing(script):
    ops, live = script
    assert reserved_after([*ops, *(("free", name) for name in live), ("empty_cache",)]) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(scripts())
def test_free_neighbours_are_always_merged(script):
    allocator = CachingAllocator()
    for state in replay(script[0], allocator):
        for segment in state.segments:
            assert all(a.handle is not None or b.handle is not None for a, b in pairwise(segment.blocks))


@given(st.integers(0, 64 * MIB))
def test_sizes(n):
    block, segment = segment_for(n)
    assert block % 512 == 0 and n <= block < n + 513 and block >= 512
    assert block <= segment and segment % (2 * MIB) == 0
    assert segment - block < 20 * MIB and (block < 10 * MIB or segment - block < 2 * MIB)
    assert segment_size(n) == segment_size(round_size(n))


@pytest.mark.parametrize(("n", "block", "segment"), [
    (0, 512, 2 * MIB), (1, 512, 2 * MIB), (512, 512, 2 * MIB), (513, 1024, 2 * MIB), (MIB, MIB, 2 * MIB),
    (MIB + 1, MIB + 512, 20 * MIB), (10 * MIB - 512, 10 * MIB - 512, 20 * MIB), (10 * MIB - 511, 10 * MIB, 10 * MIB),
    (10 * MIB, 10 * MIB, 10 * MIB), (10 * MIB + 1, 10 * MIB + 512, 12 * MIB), (25_000_000, 25_000_448, 25_165_824)])
def test_sizes_at_the_bounds(n, block, segment):
    assert segment_for(n) == (block, segment)


def test_negative_sizes_are_refused():
    for ask in (round_size, segment_size, segment_for, CachingAllocator().malloc):
        with pytest.raises(ValueError, match="nbytes must not be negative"):
            ask(-1)


def test_a_hole_too_small_pins_its_segment():
    ops = [("malloc", "a", 1000), ("malloc", "b", 5 * MIB), ("malloc", "c", 12 * MIB + 1), ("free", "b"),
           ("empty_cache",), ("malloc", "d", 15 * MIB)]
    # a: 1024 of a 2 MiB segment; b and c share 20 MiB; d takes a segment of 16 MiB whole: its rest is 1 MiB, not more
    assert reserved_after(ops) == (1024 + 12 * MIB + 512 + 16 * MIB, (2 + 20 + 16) * MIB)


def test_alternate_frees_fragment():
    ops = [("malloc", name, 8 * MIB) for name in "abcd"] + [("free", "a"), ("free", "c")]
    assert reserved_after(ops) == (16 * MIB, 40 * MIB)
    assert reserved_after([*ops, ("malloc", "e", 20 * MIB)]) == (36 * MIB, 60 * MIB)


def test_best_fit_takes_the_smallest_then_the_oldest():
    ops = [("malloc", "a", 30 * MIB), ("malloc", "b", 12 * MIB), ("malloc", "c", 12 * MIB),
           ("free", "a"), ("free", "b"), ("free", "c")]
    allocator = CachingAllocator()
    for _ in replay([*ops, ("malloc", "d", 11 * MIB)], allocator):
        pass
    assert [s["size"] // MIB for s in allocator.snapshot() if s["blocks"][0]["handle"]] == [12]
    assert allocator.snapshot()[1]["blocks"][0]["handle"]  # the older of two equal ones


def test_out_of_memory_frees_the_cache_first():
    allocator = CachingAllocator(capacity_bytes=40 * MIB)
    first = allocator.malloc(30 * MIB)
    allocator.free(first)
    allocator.malloc(40 * MIB)  # only possible when the 30 MiB segment is given back
    assert allocator.reserved == 40 * MIB
    with pytest.raises(OutOfMemory, match=r"tried to allocate 1.00 MiB .* 40.00 MiB are reserved, of which 40.00 MiB"):
        allocator.malloc(MIB)
    assert issubclass(OutOfMemory, MemoryError)


def test_out_of_memory_with_enough_free_bytes():
    allocator = CachingAllocator(capacity_bytes=60 * MIB)
    handles = [allocator.malloc(9 * MIB) for _ in range(6)]
    for handle in handles[::2]:
        allocator.free(handle)
    free = allocator.reserved - allocator.allocated
    assert free == 33 * MIB and allocator.largest_free_block == 9 * MIB  # each segment: 9 free, 9 live, 2 free
    with pytest.raises(OutOfMemory, match=r"the largest free block has 9\.00 MiB"):
        allocator.malloc(20 * MIB)
    assert allocator.reserved == 60 * MIB  # each segment holds a live block


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="handle must be in use"):
        CachingAllocator().free(1)
    with pytest.raises(ValueError, match="handle must be in use"):
        CachingAllocator().free(None)
    with pytest.raises(ValueError, match="allocated already"):
        reserved_after([("malloc", "a", 1), ("malloc", "a", 1)])
    with pytest.raises(ValueError, match="when it is freed"):
        reserved_after([("malloc", "a", 1), ("free", "a"), ("free", "a")])
    with pytest.raises(ValueError, match="op must be"):
        reserved_after([("shrink", "a")])
    with pytest.raises(ValueError, match="capacity_bytes"):
        CachingAllocator(0)

"""The allocator's constants are read from the header that torch installs; its totals from a GPU where there is one."""

import re
from pathlib import Path

import pytest
import torch

from utils.hardware import caching_allocator as ours
from utils.hardware.caching_allocator import MIB, CachingAllocator, replay

HEADER = Path(torch.__file__).parent / "include/c10/core/AllocatorConfig.h"


@pytest.mark.parametrize(("theirs", "value"), [
    ("kMinBlockSize", ours.BLOCK_BYTES), ("kSmallSize", ours.SMALL_BYTES), ("kSmallBuffer", ours.SMALL_SEGMENT_BYTES),
    ("kMinLargeAlloc", ours.MIN_LARGE_BYTES), ("kRoundLarge", ours.sizes.ROUND_LARGE_BYTES)])
def test_constants(theirs, value):
    found = re.search(rf"constexpr size_t {theirs} = (\d+);", HEADER.read_text())
    assert int(found[1]) == value


def test_default_segment():
    """A setting since torch 2.9 or so; before, the constant kLargeBuffer."""
    found = re.search(r"large_segment_size_\{(\d+)\}|kLargeBuffer = (\d+)", HEADER.read_text())
    assert int(found[1] or found[2]) == ours.LARGE_SEGMENT_BYTES


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_totals_on_a_gpu():
    sizes = {"a": 1000, "b": 5 * MIB, "c": 12 * MIB + 1, "d": 15 * MIB, "e": 700, "f": 9 * MIB}
    ops = [("malloc", "a", 1000), ("malloc", "b", 5 * MIB), ("malloc", "c", 12 * MIB + 1), ("free", "b"),
           ("empty_cache",), ("malloc", "d", 15 * MIB), ("malloc", "e", 700), ("free", "c"), ("malloc", "f", 9 * MIB),
           ("free", "a"), ("empty_cache",)]
    torch.cuda.empty_cache()
    base, live = (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()), {}
    if base != (0, 0):
        pytest.skip("this process has tensors on the GPU already")
    for op, state in zip(ops, replay(ops, CachingAllocator())):
        if op[0] == "malloc":
            live[op[1]] = torch.empty(sizes[op[1]], dtype=torch.uint8, device="cuda")
        elif op[0] == "free":
            del live[op[1]]
        else:
            torch.cuda.empty_cache()
        assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == (state.allocated, state.reserved), op

"""Exercise 09.plan_arena: every drawn set can be met by "largest first", whatever comes first among equal sizes."""

import numpy as np
import pytest

from autograder.exercises.ch09_shrinking_memory.plan_arena import fault, plan_arena

# Six tensors (first, last, bytes) on which "largest first" in the listed order misses the bound: 48 of 31 bytes.
BEYOND = {"a": (5, 6, 13), "b": (3, 8, 5), "c": (1, 2, 17), "d": (9, 9, 4), "e": (2, 4, 13), "f": (4, 5, 13)}


def largest_first(tensors, ties):
    """First fit, byte by byte; `ties` ranks tensors of the same size."""
    offsets = {}
    for name in sorted(tensors, key=lambda n: (-tensors[n][2], ties[n])):
        first, last, size = tensors[name]
        busy = {byte for n, at in offsets.items() if tensors[n][0] <= last and first <= tensors[n][1]
                for byte in range(at, at + tensors[n][2])}
        offsets[name] = next(at for at in range(3000) if busy.isdisjoint(range(at, at + size)))
    return offsets, max(offsets[n] + tensors[n][2] for n in tensors)


def test_largest_first_has_no_guarantee():
    kind, told = fault(BEYOND, largest_first(BEYOND, {n: i for i, n in enumerate(BEYOND)}))
    assert kind == "bound" and told.startswith("48 bytes are more than 1.5 × 31")


@pytest.mark.parametrize("seed", [*range(12), 1651])
def test_drawn_sets_can_be_met_in_any_order_of_equal_sizes(seed):
    rng = np.random.default_rng(seed)
    tensors = plan_arena.draw(rng).args[0]
    listed = list(tensors)
    for ranks in (range(len(listed)), range(len(listed), 0, -1), rng.permutation(len(listed))):
        assert fault(tensors, largest_first(tensors, dict(zip(listed, ranks)))) is None

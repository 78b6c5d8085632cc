"""What paging wastes and what sharing saves, counted exactly."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from utils.attention.block_manager import BlockManager
from utils.cost.checks import non_negative, positive


def _blocks_up_to(length: int, block_size: int) -> int:
    """Sum of ceil(n / block_size) for n = 1 .. length: block_size lengths need 1 block, as many need 2, ..."""
    full, rest = divmod(length, block_size)
    return block_size * full * (full + 1) // 2 + rest * (full + 1)


def kv_waste(prompt_len: int, output_len: int, block_size: int) -> float:
    """Share of held slots that is empty over the life of a request: sum of empty slots over sum of held slots.

    The request holds prompt_len, prompt_len + 1, ..., prompt_len + output_len tokens, one step each. Raises
    ValueError for a prompt or block below 1 or a negative output.

    >>> kv_waste(10, 6, 4), round(kv_waste(19, 58, 16), 6)
    (0.09, 0.136585)
    """
    positive(prompt_len=prompt_len, block_size=block_size)
    non_negative(output_len=output_len)
    last = prompt_len + output_len
    held = block_size * (_blocks_up_to(last, block_size) - _blocks_up_to(prompt_len - 1, block_size))
    live = (prompt_len + last) * (output_len + 1) // 2
    return (held - live) / held


def random_beam_parents(n: int, steps: int, rng: np.random.Generator) -> list[list[int]]:
    """`steps` rows of n parents, each drawn uniformly from the n beams before."""
    positive(n=n, steps=steps)
    return rng.integers(n, size=(steps, n)).tolist()


def beam_sharing(prompt_len: int, parents: Sequence[Sequence[int]], block_size: int) -> tuple[list[int], float]:
    """Distinct physical blocks after each step and the share that sharing saves over all steps.

    Beam i of step t continues beam parents[t][i] of the step before and appends one token; beams that nobody
    continues release their blocks. The saving is 1 - sum of physical / sum of n ceil(length / block_size).
    Parallel sampling is parents[t] = [0, 1, ..., n - 1]. The tree is replayed on a `BlockManager`. Raises
    ValueError for no step, rows of different length or a parent outside 0 ... n - 1.

    >>> beam_sharing(3, [[0, 0], [0, 0], [0, 1], [1, 1], [0, 1]], 2)
    ([3, 4, 4, 5, 5], 0.34375)
    """
    positive(prompt_len=prompt_len, block_size=block_size)
    if not len(parents) or not len(parents[0]):
        raise ValueError("parents must hold at least one step and one beam, got none")
    n = len(parents[0])
    for row in parents:
        if len(row) != n or not all(0 <= p < n for p in row):
            raise ValueError(f"parents must hold {n} indices within 0 and {n - 1} a step, got {list(row)}")
    blocks_per_beam = ceil((prompt_len + len(parents)) / block_size)
    blocks = BlockManager(2 * n * blocks_per_beam, block_size)
    blocks.add((0, 0), prompt_len)
    for beam in range(1, n):
        blocks.fork((0, 0), (0, beam))
    physical, logical = [], 0
    for step, row in enumerate(parents, start=1):
        for beam, parent in enumerate(row):
            blocks.fork((step - 1, parent), (step, beam))
        for beam in range(n):
            blocks.free((step - 1, beam))  # before writing, so that a lone continuation owns its tail
        for beam in range(n):
            blocks.append((step, beam))
        physical.append(2 * n * blocks_per_beam - blocks.num_free())
        logical += n * ceil((prompt_len + step) / block_size)
    return physical, 1 - sum(physical) / logical

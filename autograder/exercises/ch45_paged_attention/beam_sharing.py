"""Exercise 45.beam_sharing: how many blocks the beams of a search need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, count
from math import ceil
from typing import Any

import numpy as np

from utils.attention import paging_waste

from ...compare import close
from ...exercise import Case, Exercise, Misconception
from .blocks import Blocks

Tables = list[list[int]]


def _checked(parents: Sequence[Sequence[int]]) -> int:
    n = len(parents[0])
    if any(not 0 <= p < n for row in parents for p in row):
        raise ValueError("a parent must be one of the beams")
    return n


def _sharing(physical: Callable[[int, Sequence, int, int], list[int]], *, check: bool = True,
             saving: Callable[[list[int], list[int]], float] | None = None) -> Callable:
    """An answer from its way of counting physical blocks and its way of telling the saving."""

    def answer(prompt_len: int, parents: list[list[int]], block_size: int) -> tuple[list[int], float]:
        n = _checked(parents) if check else len(parents[0])
        found = physical(prompt_len, parents, block_size, n)
        logical = [n * ceil((prompt_len + t) / block_size) for t in range(1, len(parents) + 1)]
        return found, (saving or (lambda f, g: 1 - sum(f) / sum(g)))(found, logical)

    return answer


def _sharing_both(*physical: Callable, **options: Any) -> dict:
    return {"answer": _sharing(physical[0], **options),
            "also": (*(_sharing(p, **options) for p in physical[1:]), *(_sharing(p, check=False, **options) for p in physical))}


def _lineage(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    """A block is told by its place and by the beams that wrote its tokens and all before."""
    histories: list[tuple] = [()] * n
    counts = []
    for row in parents:
        histories = [(*histories[p], i) for i, p in enumerate(row)]
        length = prompt_len + len(histories[0])
        counts.append(len({(block, history[:max(0, min(length, (block + 1) * size) - prompt_len)])
                           for history in histories for block in range(ceil(length / size))}))
    return counts


def _own_tails(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    """After a step each beam's last block is its own: a new number each time."""
    fresh, length, counts = count(), prompt_len, []
    prompt = [next(fresh) for _ in range(ceil(prompt_len / size))]
    tables: Tables = [prompt] * n
    for row in parents:
        full = length % size == 0
        tables = [[*(tables[p] if full else tables[p][:-1]), next(fresh)] for p in row]
        length += 1
        counts.append(len(set(chain.from_iterable(tables))))
    return counts


def _replayed(prompt_len: int, parents: Sequence, size: int, n: int, *, release: str = "all") -> list[int]:
    """On a block manager; `release` says which beams of the step before leave: "all", "continued" or "none"."""
    enough = n * (len(parents) + 1) * (ceil((prompt_len + len(parents)) / size) + 1)
    blocks, counts = Blocks(enough, size), []
    blocks.add("0/0", prompt_len)
    for i in range(1, n):
        blocks.fork("0/0", f"0/{i}")
    for t, row in enumerate(parents, 1):
        for i, p in enumerate(row):
            blocks.fork(f"{t - 1}/{p}", f"{t}/{i}")
        for i in range(n):
            if release == "all" or (release == "continued" and i in row):
                blocks.free(f"{t - 1}/{i}")
        for i in range(n):
            blocks.append(f"{t}/{i}")
        counts.append(enough - blocks.num_free())
    return counts


def _prompt_only(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    shared = prompt_len // size
    return [shared + n * (ceil((prompt_len + t) / size) - shared) for t in range(1, len(parents) + 1)]


def _shared_tails(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    """A partly filled tail stays shared after both have written to it."""
    fresh, length, counts = count(), prompt_len, []
    prompt = [next(fresh) for _ in range(ceil(prompt_len / size))]
    tables: Tables = [prompt] * n
    for row in parents:
        tables = [[*tables[p], *([next(fresh)] if length % size == 0 else [])] for p in row]
        length += 1
        counts.append(len(set(chain.from_iterable(tables))))
    return counts


def _logical(prompt_len: int, parents: Sequence, size: int, n: int) -> list[int]:
    return [n * ceil((prompt_len + t) / size) for t in range(1, len(parents) + 1)]


def _draw_beams(rng: np.random.Generator) -> Case:
    n, steps = int(rng.integers(1, 6)), int(rng.integers(1, 25))
    p, size = int(rng.integers(1, 13)), int(rng.integers(1, 7))
    parents = [list(range(n)) if rng.random() < 0.3 else rng.integers(n, size=n).tolist() for _ in range(steps)]
    return Case(p, parents, size, label=f"prompt {p}, {n} beam{'s' if n > 1 else ''}, {steps} steps, blocks of {size}")


def _long_beams(seed: int, n: int, steps: int, p: int, size: int) -> Case:
    parents = paging_waste.random_beam_parents(n, steps, np.random.default_rng(seed))
    return Case(p, parents, size, label=f"prompt {p}, {n} beams, {steps} steps, blocks of {size}")


beam_sharing = Exercise(
    id="45.beam_sharing", points=4, difficulty=3, minutes=30, idea="beams share what they had in common before they split",
    reference=paging_waste.beam_sharing,
    cases=[Case(3, [[0, 0], [0, 0], [0, 1], [1, 1], [0, 1]], 2), Case(3, [[0, 1]] * 5, 2)],
    hidden=[Case(5, [[0]] * 7, 2), Case(4, [[0, 1, 2]] * 6, 1), Case(8, [[0, 0], [1, 1], [0, 1], [1, 0]], 4), Case(1, [[1, 0]], 16),
            Case(7, [[0, 1, 2], [2, 2, 2], [0, 1, 2], [1, 1, 0]], 3), _long_beams(1, 4, 120, 19, 16), _long_beams(2, 6, 150, 161, 16)],
    draw=_draw_beams, draws=60,
    raises=[Case(3, [[0, 2]], 2), Case(3, [[0, 1], [0, -1]], 2), Case(3, [[-1, 0]], 2), Case(3, [[0, 1], [0, 1], [2, 1]], 2),
            Case(3, [[1]], 2)],
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "prompt_only", **_sharing_both(_prompt_only),
            message="You share the prompt's full blocks and nothing else. Beams also share what they generated before they split: that is why beam search saves "
                    "several times as much as parallel sampling.",
            title="Only the prompt is shared."),
        Misconception(
            "shared_tails", **_sharing_both(_shared_tails),
            message="Two beams with one parent still share their last block after both have written a token to it. Each wrote another token: the first "
                    "writer gets a copy. After a step, how many beams can own a last block?",
            title="A written tail stays shared."),
        Misconception(
            "logical", **_sharing_both(_logical),
            message="These are the entries of all block tables. Two tables may name the same block: count every physical block once.",
            title="Table entries were counted."),
        Misconception(
            "keeps_dead_beams", **_sharing_both(lambda *a: _replayed(*a, release="continued"), lambda *a: _replayed(*a, release="none")),
            message="Blocks of beams that nobody continues are still counted. A beam that is not in parents[t] ends there, and its blocks go "
                    "back to the pool unless another beam has them too.",
            title="Dead beams keep their blocks."),
        Misconception(
            "last_step_saving", **_sharing_both(_own_tails, saving=lambda f, g: 1 - f[-1] / g[-1]),
            message="The counts are right. The saving is that of the last step; asked for is the one over all steps together: add up the physical blocks "
                    "and the logical ones first.",
            title="The saving is the last step's."),
        Misconception(
            "mean_saving", **_sharing_both(_own_tails, saving=lambda f, g: sum(1 - a / b for a, b in zip(f, g)) / len(f)),
            message="The counts are right. You averaged the savings of the steps; asked for is 1 minus the sum of the physical blocks over the sum of the logical "
                    "ones.",
            title="A mean of savings."),
    ],
    alternatives=[_sharing(_lineage), _sharing(_own_tails), _sharing(_replayed)],
    hints=(
        "Give each beam a list of block numbers. A fork copies the list, and the number of distinct numbers in all lists is what is asked for.",
        "A beam that nobody continues simply has no list in the next step.",
        "After a step each beam's last block is its own, whether it was copied, written in place or new. So it may just get a fresh number.",
    ),
    worth_knowing="The paper measured 6–10 % saved by parallel sampling and 38–55 % by beam search on Alpaca; on ShareGPT beam search saved up to 66 %.",
)

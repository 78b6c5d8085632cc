"""Exercise 05.largest_batch: the largest batch that fits, when every tensor is rounded up."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.cost.memory import fit_batch

from ...exercise import Case, Exercise, Misconception

BLOCK = 512


def _up(n: int, unit: int = BLOCK) -> int:
    return (n + unit - 1) // unit * unit


def _fit(n_params: int, recipe_bytes_per_param: int, act_bytes_per_sample: list, budget_bytes: int, overhead_bytes: int,
         micro: int = 1, *, rounding: str = "tensor", states: bool = True, overhead: bool = True, groups: str = "down",
         strict: int = 0, one_more: bool = False, unit: int = BLOCK, rounds_states: bool = False) -> int:
    """The batch with one mistake; with its defaults it is right (bisection; an independent formulation)."""
    fixed = (n_params * recipe_bytes_per_param if states else 0, overhead_bytes if overhead else 0)
    room = budget_bytes - sum(_up(f) if rounds_states else f for f in fixed)

    def need(batch: int) -> int:
        if rounding == "tensor":
            return sum(_up(batch * size, unit) for size in act_bytes_per_sample)
        if rounding == "sum":
            return _up(batch * sum(act_bytes_per_sample))
        if rounding == "sample":
            return batch * sum(map(_up, act_bytes_per_sample))
        if rounding == "sample sum":
            return batch * _up(sum(act_bytes_per_sample))
        return batch * sum(act_bytes_per_sample)

    step = micro if groups != "ignored" else 1
    low, high = 0, max(0, room) // step + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if need(middle * step) + strict <= room else (low, middle)
    return low if groups == "count" else (low + one_more) * step


def _closed_form(n_params: int, recipe_bytes_per_param: int, act_bytes_per_sample: list, budget_bytes: int,
                 overhead_bytes: int, micro: int = 1) -> int:
    """Divide as if nothing were rounded, then correct downward."""
    room = budget_bytes - n_params * recipe_bytes_per_param - overhead_bytes
    if room <= 0:
        return 0
    batch = room // sum(act_bytes_per_sample) // micro * micro
    while sum(-(-batch * size // BLOCK) * BLOCK for size in act_bytes_per_sample) > room:
        batch -= micro
    return batch


def _upward(n_params: int, recipe_bytes_per_param: int, act_bytes_per_sample: list, budget_bytes: int,
            overhead_bytes: int, micro: int = 1) -> int:
    batch, sizes = 0, np.array(act_bytes_per_sample, dtype=np.int64)
    while True:
        blocks = np.ceil((batch + micro) * sizes / BLOCK).astype(np.int64).sum()
        if n_params * recipe_bytes_per_param + overhead_bytes + int(blocks) * BLOCK > budget_bytes:
            return batch
        batch += micro


def _draw(rng: np.random.Generator) -> Case:
    """A budget at, just below, or somewhere above what some batch needs."""
    acts = [int(rng.integers(40, 3000)) for _ in range(int(rng.integers(1, 5)))]
    n, each, overhead = int(rng.integers(0, 2000)), int(rng.choice([6, 8, 12, 16])), int(rng.integers(0, 3000))
    micro = int(rng.choice([1, 1, 2, 4, 8]))
    batch = micro * int(rng.integers(0, 12))
    used = n * each + overhead + sum(_up(batch * size) for size in acts)
    budget = used + int(rng.choice([0, 0, -1, rng.integers(0, 600), rng.integers(0, micro * sum(acts) + 1)]))
    return Case(n, each, acts, max(0, budget), overhead, micro)


largest_batch = Exercise(
    id="05.largest_batch", points=5, difficulty=2, minutes=10, idea="the allocator rounds each tensor",
    reference=fit_batch.largest_batch,
    cases=[Case(1000, 16, [300, 700], 40_000, 1_000), Case(1000, 16, [300, 700], 40_000, 1_000, 4),
           Case(11_689_512, 16, [3_211_264, 3_211_264, 802_816, 602_112], 2 * 2**30, 300 * 2**20, 8),
           Case(1000, 16, [300], 17_000, 1_000)],
    hidden=[
        Case(0, 16, [512], 512, 0, label="one sample fits exactly"), Case(0, 16, [512], 511, 0, label="one byte short"),
        Case(100, 16, [100], 1_000, 0, label="the states alone do not fit"),
        Case(10, 8, [100, 100, 100], 80 + 3 * 1024, 0, 2), Case(10, 8, [1], 10_000, 0),
        Case(10, 16, [512, 1024], 160 + 7 * 1536, 0, 4), Case(0, 16, [10, 10, 10, 10], 4 * 512, 0),
        Case(5, 12, [1000], 60 + 20 * 1024, 77, 3),
    ],
    draw=_draw, draws=60,
    misconceptions=[
        Misconception(
            "forgets_states", partial(_fit, states=False),
            "The whole budget was given to activations. Weights, gradients and optimizer states are there before the first "
            "sample.",
            "The model states take room first.", also=(partial(_fit, states=False, rounding="none"),)),
        Misconception(
            "forgets_overhead", partial(_fit, overhead=False),
            "The overhead (the CUDA context, say) belongs to the budget as well.",
            "The overhead is missing."),
        Misconception(
            "no_rounding", partial(_fit, rounding="none"),
            "The allocator hands out whole blocks of 512 bytes. With many tensors the rounding costs a sample now and "
            "then.",
            "Nothing was rounded."),
        Misconception(
            "rounds_the_sum", partial(_fit, rounding="sum"),
            "You rounded the sum of all activations once. Each tensor is an allocation of its own and is rounded on its "
            "own.",
            "The sum was rounded, not the tensors."),
        Misconception(
            "rounds_a_sample", partial(_fit, rounding="sample"),
            "You rounded one sample's tensor and multiplied. A tensor holds the whole batch, so multiply first and round "
            "then.",
            "The rounding comes too early.", also=(partial(_fit, rounding="sample sum"),)),
        Misconception(
            "rounds_up", partial(_fit, one_more=True),
            "This batch is one step too large: it needs more than the budget. The largest batch that *fits* is wanted.",
            "One step too many."),
        Misconception(
            "strict", partial(_fit, strict=1),
            "A batch that needs exactly the budget fits. Look at the sign in your comparison.",
            "An exact fit was refused."),
        Misconception(
            "ignores_micro", partial(_fit, groups="ignored"),
            "The result has to be a multiple of `micro`. Yours is the largest batch of any size.",
            "`micro` was ignored."),
        Misconception(
            "counts_groups", partial(_fit, groups="count"),
            "You return how many groups of `micro` samples fit. The task asks for samples.",
            "These are groups, not samples."),
        Misconception(
            "rounds_states", partial(_fit, rounds_states=True),
            "States and overhead count as they are. Only activations are rounded in this task.",
            "The states were rounded too."),
    ],
    alternatives=[_fit, _closed_form, _upward],
    hints=(
        "First the room: budget minus states minus overhead. It may be negative.",
        "For a batch b a tensor of `size` bytes a sample takes b·size bytes, rounded up to a multiple of 512: `-(-x // 512) * 512`.",
        "Start at 0 and go up in steps of `micro` while the next step still fits.",
    ),
    worth_knowing="Reserved memory is rounded once more, to whole segments of 2 MiB and more. Leave a margin when you plan a batch.",
)

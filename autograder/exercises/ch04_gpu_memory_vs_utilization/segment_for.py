"""Exercise 04.segment_for: what a request of n bytes takes from the driver."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware.caching_allocator import sizes

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

MIB = 2**20


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def _block(n: int) -> int:
    return max(512, _up(n, 512))


def _segment(size: int) -> int:
    return 2 * MIB if size <= MIB else 20 * MIB if size < 10 * MIB else _up(size, 2 * MIB)


def _answer(segment: Callable[[int], int] = _segment, block: Callable[[int], int] = _block, *, raw: bool = False,
            check: bool = True) -> Callable[[int], tuple[int, int]]:
    """An answer from its two rules; `raw`: the segment's rule sees the request and not the block."""

    def answer(nbytes: int) -> tuple[int, int]:
        if check and nbytes < 0:
            raise ValueError("nbytes must not be negative")
        size = block(nbytes)
        return size, segment(nbytes if raw else size)

    return answer


def _both(*args: Callable, **options: bool) -> dict:
    return {"answer": _answer(*args, **options), "also": (_answer(*args, **options, check=False),)}


def _power(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


def _with_ceil(nbytes: int) -> tuple[int, int]:
    if nbytes < 0:
        raise ValueError("negative")
    size = math.ceil(nbytes / 512) * 512 or 512
    for limit, segment in ((MIB, 2 * MIB), (10 * MIB - 1, 20 * MIB)):
        if size <= limit:
            return size, segment
    return size, math.ceil(size / (2 * MIB)) * 2 * MIB


def _with_bits(nbytes: int) -> tuple[int, int]:
    if nbytes < 0:
        raise ValueError("negative")
    size = (max(nbytes, 1) + 511) & ~511
    if size > 10 * MIB - 512:
        return size, (size + 2 * MIB - 1) & ~(2 * MIB - 1)
    return size, 2 * MIB if size <= MIB else 20 * MIB


def _with_divmod(nbytes: int) -> list[int]:
    if nbytes < 0:
        raise ValueError("negative")
    whole, rest = divmod(nbytes, 512)
    size = 512 * (whole + (rest > 0 or nbytes == 0))
    twos, left = divmod(size, 2 * MIB)
    made = (twos + bool(left)) * 2 * MIB
    return [size, 2 * MIB if size <= MIB else made if size >= 10 * MIB else 20 * MIB]


def _draw(rng: np.random.Generator) -> Case:
    lot = rng.random()
    if lot < 0.4:  # near the bounds
        return Case(int(rng.choice([MIB, 2 * MIB, 10 * MIB, 12 * MIB, 20 * MIB])) + int(rng.integers(-1100, 1100)))
    return Case(int(rng.integers(0, (2 * MIB, 12 * MIB, 80 * MIB)[int(rng.integers(3))])))


segment_for = Exercise(
    id="04.segment_for", points=3, difficulty=1, minutes=10, idea="blocks of 512 bytes out of segments of 2 MiB and more",
    reference=sizes.segment_for,
    cases=[Case(1), Case(1_048_577), Case(25_000_000)],
    hidden=[Case(n) for n in (0, 511, 512, 513, 1024, 1_000_000, MIB - 512, MIB - 511, MIB - 1, MIB, 5 * MIB, 10 * MIB - 513, 10 * MIB - 512,
                              10 * MIB - 511, 10 * MIB - 1, 10 * MIB, 10 * MIB + 1, 12 * MIB - 1, 12 * MIB, 12 * MIB + 1, 20 * MIB,
                              20 * MIB + 1, 10_000_000, 3 * 2**30)],
    draw=_draw, draws=30, raises=[Case(-1), Case(-(2**40))], compare=exact(), show=lambda v: f"{v:,}" if isinstance(v, int) else
    f"({v[0]:,}, {v[1]:,})",
    misconceptions=[
        Misconception(
            "another_unit", **_both(_segment, lambda n: max(1024, _up(n, 1024))),
            message="Your blocks are multiples of another size than 512 bytes. How large is the block for 1 byte?",
            title="Blocks of 512 bytes."),
        Misconception(
            "rounded_down", **_both(_segment, lambda n: max(512, n // 512 * 512)),
            message="You round down. A request of 513 bytes does not fit into 512.",
            title="Round up."),
        Misconception(
            "one_more", **_both(_segment, lambda n: (n // 512 + 1) * 512),
            message="A request that is a multiple of 512 already gets one block too many. Round up to the *next* multiple only where there is a rest.",
            title="Already a multiple."),
        Misconception(
            "ten_included", **_both(lambda size: 2 * MIB if size <= MIB else 20 * MIB if size <= 10 * MIB else _up(size, 2 * MIB)),
            message="A block of exactly 10 MiB is no longer below 10 MiB: its segment is made to measure.",
            title="At 10 MiB."),
        Misconception(
            "one_excluded", **_both(lambda size: 2 * MIB if size < MIB else 20 * MIB if size < 10 * MIB else _up(size, 2 * MIB)),
            message="A block of exactly 1 MiB still belongs to the small pool.",
            title="At 1 MiB."),
        Misconception(
            "power_of_two", **_both(lambda size: 2 * MIB if size <= MIB else 20 * MIB if size < 10 * MIB else _power(size)),
            message="You round large segments to a power of two. They are multiples of 2 MiB: doubling would waste up to half of the memory.",
            title="Multiples, not powers."),
        Misconception(
            "before_rounding", **_both(raw=True),
            message="You choose the segment by the size that was asked for. The allocator rounds first: 10 MiB − 1 byte becomes a block of 10 MiB, "
                    "and that is no longer below 10 MiB.",
            title="Round first, then compare."),
        Misconception(
            "exact_segment", **_both(lambda size: size),
            message="You ask the driver for the block only. A call to cudaMalloc is slow, so the allocator takes more at once and cuts blocks out of it.",
            title="Segments are larger.",),
        Misconception(
            "too_small", **_both(lambda size: 2 * MIB if size <= MIB else 20 * MIB),
            message="A segment has to hold its block. 25,000,000 bytes don't fit into 20 MiB: from 10 MiB on the segment is made to measure.",
            title="The block does not fit."),
        Misconception(
            "small_only", **_both(lambda size: _up(size, 2 * MIB)),
            message="You round every segment to 2 MiB. Blocks between 1 and 10 MiB share segments of 20 MiB.",
            title="The middle sizes."),
        Misconception(
            "nothing_for_nothing", **_both(lambda size: _segment(size) if size else 0, lambda n: _up(n, 512)),
            message="A request of 0 bytes counts as 512 here.",
            title="Zero bytes."),
    ],
    alternatives=[_with_ceil, _with_bits, _with_divmod],
    hints=(
        "Rounding n up to a multiple of m: how many times does m go into n, and is there a rest? `-(-n // m) * m` does it with integers.",
        "Compute the block first. All comparisons are about the block, not about the request.",
        "Three cases in this order: block ≤ 1 MiB, block < 10 MiB, all others.",
    ),
    worth_knowing="A network with a thousand small tensors of a few bytes each still takes only 2 MiB segments, 4,096 blocks in each.",
)

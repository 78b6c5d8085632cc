"""Exercise 19.sectors: strided loads of a warp in 32-byte sectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import simt

from ...exercise import Case, Exercise, Misconception


def sectors_reference(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
    """The reference under the exercise's argument names."""
    return simt.strided_sectors(base_bytes, stride_bytes, access_bytes, lanes)


def _touched(*, size: int = 32, first_only: bool = False, base: Callable[[int], int] = lambda b: b, stride: Callable[[int, int], int] = lambda s, a: s,
             distinct: bool = True, access: Callable[[int], int] = lambda a: a) -> Callable:
    def answer(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
        found, width = [], access(access_bytes)
        for lane in range(lanes):
            start = base(base_bytes) + stride(stride_bytes, access_bytes) * lane
            last = start if first_only else start + width - 1
            found += range(start // size, last // size + 1)
        return len(set(found)) if distinct else len(found)

    return answer


def _ideal(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
    return -(-lanes * access_bytes // 32)


def _span(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
    ends = sorted([base_bytes, base_bytes + stride_bytes * (lanes - 1)])
    return (ends[1] + access_bytes - 1) // 32 - ends[0] // 32 + 1


def _with_unique(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
    start = base_bytes + stride_bytes * np.arange(lanes)
    every = start[:, None] + np.arange(access_bytes)
    return int(np.unique(every // 32).size)


def _bitmap(base_bytes: int, stride_bytes: int, access_bytes: int = 4, lanes: int = 32) -> int:
    end = max(base_bytes, base_bytes + stride_bytes * (lanes - 1)) + access_bytes
    seen = bytearray(end // 32 + 1)
    for lane in range(lanes):
        at = base_bytes + stride_bytes * lane
        for sector in range(at // 32, (at + access_bytes - 1) // 32 + 1):
            seen[sector] = 1
    return sum(seen)


def _draw(rng: np.random.Generator) -> Case:
    lanes, access = int(rng.choice([1, 7, 16, 32, 32])), int(rng.choice([1, 2, 4, 8, 16]))
    stride = int(rng.choice([0, access, 2 * access, -access, 3, 6, 12, 20, 33, 48, 128, int(rng.integers(-80, 80))]))
    return Case(int(rng.integers(0, 130)) + max(0, -stride) * (lanes - 1), stride, access, lanes)


sectors = Exercise(
    id="19.sectors", points=4, difficulty=2, minutes=15, idea="memory moves in sectors of 32 bytes",
    reference=sectors_reference,
    cases=[Case(0, 4), Case(4, 4), Case(0, 8), Case(0, 128), Case(0, 0), Case(2, 4)],
    hidden=[Case(124, -4), Case(252, -8), Case(0, 16, 16), Case(8, 16, 16), Case(0, 32, 4, 8), Case(28, 32, 8, 8), Case(0, 1, 1), Case(31, 0, 2), Case(0, 64), Case(30, 64, 4), Case(0, 4, 4, 1), Case(31, 4, 4, 1), Case(100, 12, 4), Case(0, 40, 4)],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("ideal", _ideal,
                      "You divide the bytes that are asked for by 32. That is the aligned, dense case: base and stride decide which sectors the bytes lie in.", "That is the best case."),
        Misconception("no_base", _touched(base=lambda b: 0),
                      "The base is ignored. A start in the middle of a sector shifts everything, and touches one more.", "The base matters."),
        Misconception("lines", _touched(size=128),
                      "You count lines of 128 bytes. Traffic is counted in sectors of 32 bytes.", "Lines are not sectors.", also=(_touched(size=64),)),
        Misconception("first_byte", _touched(first_only=True),
                      "You look at the first byte of each access. An access that is not aligned can reach into the next sector.", "An access may straddle two sectors."),
        Misconception("span", _span,
                      "You count all sectors between the first and the last byte. With a large stride many of them are not touched.", "Gaps are not moved."),
        Misconception("per_lane", _touched(distinct=False),
                      "You count a sector once for each lane. Lanes that touch the same sector share it.", "Sectors are shared."),
        Misconception("stride_items", _touched(stride=lambda s, a: s * a),
                      "You take the stride for a number of items. It is given in bytes.", "The stride is in bytes."),
        Misconception("one_less", _touched(access=lambda a: a + 1),
                      "Your accesses are a byte too long: n bytes from an address end at address + n − 1.", "The last byte is counted wrongly."),
        Misconception("always_four", _touched(access=lambda a: 4),
                      "You always read 4 bytes. `access_bytes` may be another number.", "The access has its own size."),
        Misconception("absolute", _touched(stride=lambda s, a: abs(s)),
                      "You take the stride without its sign. A negative stride goes to lower addresses.", "The sign of the stride is lost."),
        Misconception("fixed_lanes", lambda base_bytes, stride_bytes, access_bytes=4, lanes=32: _touched()(base_bytes, stride_bytes, access_bytes, 32),
                      "You always take 32 lanes. `lanes` may be another number.", "The number of lanes is an argument."),
    ],
    alternatives=[_with_unique, _bitmap],
    hints=("The sector of a byte is its address over 32, rounded down.", "A set of the sectors of all bytes of all lanes."),
    worth_knowing="A stride of 2 items halves the useful share of the traffic, a stride of 8 floats leaves an eighth: the whole sector moves each time.",
)

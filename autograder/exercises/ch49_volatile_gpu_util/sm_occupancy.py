"""Exercise 49.sm_occupancy: the share of the warp slots that are filled, over time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from utils.hardware.gpu_monitor import plain
from utils.hardware.sm_limits import SM_LIMITS

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Launches = list[tuple[float, float, int, int, int, int]]
A100, H100, RTX_3090, T4 = (SM_LIMITS[cc].as_dict() for cc in ("8.0", "9.0", "8.6", "7.5"))


def _check(start: float, end: float, num_sms: int) -> None:
    if end <= start or num_sms < 1:
        raise ValueError("end must be after start, and num_sms at least 1")


def _resident(limits: dict, threads: int, regs: int, smem: int) -> float:
    """Warps on one SM."""
    return plain.blocks_per_sm(limits, threads, regs, smem) * -(-threads // 32)


def _clipped(kernels: Launches, start: float, end: float) -> Launches:
    return [(max(k[0], start), min(k[1], end), *k[2:]) for k in kernels if min(k[1], end) > max(k[0], start)]


def _pieces(spans: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """(length, sum of the running amounts) between two changes."""
    times = sorted({t for s in spans for t in s[:2]})
    return [(b - a, sum(amount for x, y, amount in spans if x <= a and b <= y)) for a, b in pairwise(times)]


def _answer(*, warps: Callable[..., float] = _resident, capped: bool = True, clip: bool = True, check: bool = True,
            over: Callable[[list, float, float], float] = lambda spans, start, end: end - start,
            scale: float = 100.0, sms: Callable[[int], float] = float, slots: Callable | None = None) -> Callable:
    """An answer with one of its steps replaced."""

    def answer(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
        if check:
            _check(start, end, num_sms)
        running = _clipped(kernels, start, end) if clip else kernels
        spans = [(a, b, sms(n) * warps(limits, *launch)) for a, b, n, *launch in running]
        most = num_sms * limits["max_threads"] // 32 if slots is None else slots(num_sms, limits)
        area = sum(length * (min(level, most) if capped else level) for length, level in _pieces(spans))
        time = over(running, start, end)
        return float(scale * area / (most * time)) if time else 0.0

    return answer


def _busy_time(running: Launches, start: float, end: float) -> float:
    return sum(length for length, level in _pieces([(a, b, 1.0) for a, b, *_ in running]) if level)


def _mean(weight: Callable[[tuple], float], *, check: bool = True, window: bool = False) -> Callable:
    """A mean of the kernels' own occupancies, weighted somehow."""

    def answer(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
        if check:
            _check(start, end, num_sms)
        running = _clipped(kernels, start, end)
        if not running:
            return 0.0
        own = [100 * _resident(limits, *k[3:]) / (limits["max_threads"] // 32) for k in running]
        weights = [weight(k) for k in running]
        total = (end - start) if window else sum(weights)
        return sum(w * o for w, o in zip(weights, own)) / total

    return answer


def _presence(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
    _check(start, end, num_sms)
    return 100 * _busy_time(_clipped(kernels, start, end), start, end) / (end - start)


def _activity(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
    return plain.sm_activity([k[:3] for k in kernels], start, end, num_sms)


def _util_times_occupancy(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
    own = _mean(lambda k: 1.0)(kernels, start, end, num_sms, limits)
    return own * _presence(kernels, start, end, num_sms, limits) / 100


def _only_inside(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
    return plain.sm_occupancy([k for k in kernels if start <= k[0] and k[1] <= end], start, end, num_sms, limits)


def _one_block(limits: dict, threads: int, regs: int, smem: int) -> float:
    return threads / 32


def _one_block_of_warps(limits: dict, threads: int, regs: int, smem: int) -> float:
    return -(-threads // 32)


def _by_threads(limits: dict, threads: int, regs: int, smem: int) -> float:
    return plain.blocks_per_sm(limits, threads, regs, smem) * threads / 32


def _by_whole_warps(limits: dict, threads: int, regs: int, smem: int) -> float:
    return plain.blocks_per_sm(limits, threads, regs, smem) * (threads // 32)


def _full(limits: dict, threads: int, regs: int, smem: int) -> float:
    return limits["max_threads"] // 32


def _threads_alone(limits: dict, threads: int, regs: int, smem: int) -> float:
    """As many blocks as there are warp slots for; registers and shared memory don't matter."""
    warps = -(-threads // 32)
    return limits["max_threads"] // 32 // warps * warps


def _at_least_one(limits: dict, threads: int, regs: int, smem: int) -> float:
    return max(1, plain.blocks_per_sm(limits, threads, regs, smem)) * -(-threads // 32)


def _blocks_for_warps(limits: dict, threads: int, regs: int, smem: int) -> float:
    return plain.blocks_per_sm(limits, threads, regs, smem)


def _sweep(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
    """Events in order of time."""
    _check(start, end, num_sms)
    slots = num_sms * (limits["max_threads"] // 32)
    events = []
    for a, b, sms, threads, regs, smem in _clipped(kernels, start, end):
        warps = sms * plain.blocks_per_sm(limits, threads, regs, smem) * ((threads + 31) // 32)
        events += [(a, warps), (b, -warps)]
    area, level, now = 0.0, 0, start
    for at, change in sorted(events):
        area, level, now = area + min(level, slots) * (at - now), level + change, at
    return 100 * area / slots / (end - start)


def _breakpoints(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
    """NumPy: levels at the middles between all times."""
    if not (end > start and num_sms >= 1):
        raise ValueError("window")
    slots = num_sms * limits["max_threads"] / 32
    edges = np.unique(np.clip([start, end, *(t for k in kernels for t in k[:2])], start, end))
    middles = (edges[1:] + edges[:-1]) / 2
    level = np.zeros_like(middles)
    for a, b, sms, threads, regs, smem in kernels:
        level[(a < middles) & (middles < b)] += sms * plain.blocks_per_sm(limits, threads, regs, smem) * np.ceil(threads / 32)
    return float(np.minimum(level / slots, 1) @ np.diff(edges) * 100 / (end - start))


def _ticks(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> float:
    """Quarter units of time."""
    _check(start, end, num_sms)
    steps, slots = round(4 * (end - start)), num_sms * limits["max_threads"] // 32
    launches = [(a, b, sms * _resident(limits, *rest)) for a, b, sms, *rest in kernels]
    levels = [min(slots, sum(w for a, b, w in launches if a <= start + (i + 0.5) / 4 < b)) for i in range(steps)]
    return 100 * sum(levels) / (slots * steps)


THREADS = (32, 33, 64, 96, 128, 200, 256, 300, 512, 1000, 1024)


def _draw(rng: np.random.Generator) -> Case:
    """Times are multiples of a quarter; kernels overlap, stick out, and some can't launch."""
    num_sms, start, length = int(rng.integers(2, 20)), int(rng.integers(-8, 20)) / 4, int(rng.integers(20, 120)) / 4
    cc = str(rng.choice(["7.5", "8.0", "8.6", "9.0"]))
    kernels = []
    for _ in range(int(rng.integers(1, 7))):
        a = start + int(rng.integers(-16, int(4 * length))) / 4
        smem = int(rng.choice([0, 0, 1000, 16384, 49152, 60000]))
        kernels.append((a, a + int(rng.integers(1, 60)) / 4, int(rng.integers(1, num_sms + 1)), int(rng.choice(THREADS)),
                        int(rng.choice([16, 32, 40, 64, 65, 96, 128, 255])), smem))
    return _case(kernels, start, start + length, num_sms, SM_LIMITS[cc].as_dict())


def _case(kernels: Launches, start: float, end: float, num_sms: int, limits: dict) -> Case:
    return Case(kernels, start, end, num_sms, limits, label=f"{kernels}, {start:g}, {end:g}, {num_sms} SMs of CC {limits['cc']}"[:150])


_MIX = [(0, 10, 4, 256, 64, 0), (5, 15, 4, 128, 32, 49152), (20, 30, 8, 256, 32, 0)]

sm_occupancy = Exercise(
    id="49.sm_occupancy", points=5, difficulty=3, minutes=14, idea="occupancy counts resident warps, weighted by SMs and by time",
    reference=plain.sm_occupancy,
    cases=[_case(_MIX, 0, 40, 8, A100), _case([(0, 10, 6, 256, 32, 0), (5, 15, 6, 256, 32, 0)], 0, 20, 8, A100)],
    hidden=[_case([(0, 10, 8, 33, 32, 0)], 0, 10, 8, A100), _case([(0, 10, 8, 1024, 65, 0)], 0, 10, 8, A100),
            _case([(0, 10, 8, 1024, 65, 0), (2, 6, 4, 96, 40, 0)], 0, 10, 8, A100), _case([(-5, 25, 2, 256, 32, 0)], 0, 20, 8, H100),
            _case([], 0, 20, 8, A100), _case([(0, 20, 1, 32, 32, 0)], 0, 20, 132, H100), _case([(0, 10, 8, 256, 32, 0)], 0, 20, 8, RTX_3090),
            _case([(5, 15, 3, 512, 64, 0), (0, 10, 5, 64, 128, 8192)], 0, 20, 8, T4), _case([(30, 40, 8, 256, 32, 0)], 0, 20, 8, A100),
            _case([(0, 10, 5, 256, 32, 0), (2, 8, 5, 256, 32, 0), (4, 6, 5, 256, 32, 0)], 0, 10, 8, A100),
            _case([(0, 4, 1, 1024, 32, 0)], 0, 4, 1, A100), _case([(-8, 0, 8, 256, 32, 0), (4, 8, 8, 256, 32, 0)], 0, 4, 8, A100)],
    draw=_draw, draws=30, compare=close(1e-9, 1e-9),
    raises=[_case(_MIX, 10, 10, 8, A100), _case(_MIX, 10, 5, 8, A100), _case(_MIX, 0, 40, 0, A100), _case([], 0, 1, -1, H100)],
    misconceptions=[
        Misconception(
            "threads_of_one_block", _answer(warps=_one_block),
            "You count the threads of one block. An SM takes as many blocks as fit, and each brings its warps: ask `blocks_per_sm`.",
            "One block is not all.",
            also=(_answer(warps=_one_block_of_warps), _answer(warps=_one_block, check=False),
                  _answer(warps=_one_block_of_warps, check=False), _answer(warps=_blocks_for_warps),
                  _answer(warps=_blocks_for_warps, check=False))),
        Misconception(
            "over_busy_time", _answer(over=_busy_time),
            "You average over the time in which something runs. Empty SMs and gaps belong to the window too.",
            "Gaps are part of the window.",
            also=(_answer(over=_busy_time, check=False),)),
        Misconception(
            "mean_of_kernels", _mean(lambda k: 1.0),
            "You average the occupancies of the kernels. A kernel that runs twice as long on twice as many SMs must weigh four times "
            "as much, and empty SMs count as zero.",
            "Not every kernel weighs the same.",
            also=(_mean(lambda k: k[1] - k[0]), _mean(lambda k: (k[1] - k[0]) * k[2]), _mean(lambda k: k[1] - k[0], window=True),
                  _mean(lambda k: 1.0, check=False), _util_times_occupancy)),
        Misconception(
            "presence", _presence,
            "This is GPU-Util or SM activity: whether a warp is there at all. Occupancy counts how many of the warp slots of an SM are "
            "filled. It counts resident warps, not issued instructions.",
            "Presence is not occupancy.",
            also=(_activity, _answer(warps=_full), _answer(warps=_full, check=False))),
        Misconception(
            "no_cap", _answer(capped=False),
            "Where kernels overlap you count more warps than all SMs have slots for. At no instant can more than num_sms · max_warps be "
            "resident.",
            "More warps than slots.",
            also=(_answer(capped=False, check=False),)),
        Misconception(
            "fraction_of_a_warp", _answer(warps=_by_threads),
            "You divide the threads by 32 and keep the fraction, or drop it. 33 threads occupy two warps: round up for each block.",
            "Warps are whole.",
            also=(_answer(warps=_by_whole_warps), _answer(warps=_by_threads, check=False),
                  _answer(warps=_by_whole_warps, check=False))),
        Misconception(
            "registers_ignored", _answer(warps=_threads_alone),
            "You fill the SM up to its threads. Registers, shared memory and the number of blocks limit it as well: ask `blocks_per_sm`.",
            "Other limits bind first.",
            also=(_answer(warps=_threads_alone, check=False),)),
        Misconception(
            "cannot_launch", _answer(warps=_at_least_one),
            "A kernel whose block does not fit on an SM never runs: 0 blocks, 0 warps. You count one block of it.",
            "This kernel can't launch.",
            also=(_answer(warps=_at_least_one, check=False),)),
        Misconception(
            "not_clipped", _answer(clip=False),
            "You count the whole of a kernel that begins before the window or ends after it. Only the part inside belongs to it.",
            "Outside of the window.",
            also=(_answer(clip=False, check=False), _only_inside)),
        Misconception(
            "fixed_maximum", _answer(slots=lambda n, limits: 64 * n),
            "You divide by 64 warps an SM. That is so for CC 8.0 and 9.0, but others hold 32 or 48: take it from `limits`.",
            "Not every SM holds 64 warps.",
            also=(_answer(slots=lambda n, limits: 64 * n, check=False),)),
        Misconception(
            "a_fraction", _answer(scale=1.0),
            "Your result is a fraction. Percent are asked: multiply by 100.",
            "Not in percent.", also=(_answer(scale=1.0, check=False),)),
    ],
    alternatives=[_sweep, _breakpoints, _ticks],
    hints=(
        "First turn each kernel into (start, end, warps): SMs · blocks_per_sm(…) · warps of a block, where warps = threads / 32, rounded up.",
        "Then it is the exercise before, with warps in place of SMs and `num_sms * limits[\"max_threads\"] // 32` as the cap.",
        "Cut the window at every start and end. In each piece: min(sum of the warps that run, all slots) · length.",
    ),
    worth_knowing="Low occupancy is no fault by itself: a matrix product that keeps its tiles in registers runs near the peak with 12 of 64 warps.",
)

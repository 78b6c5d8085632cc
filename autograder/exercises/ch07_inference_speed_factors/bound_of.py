"""Exercise 07.bound_of: what limits an operator, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.cost import roofline

from ...compare import close
from ...exercise import Case, Exercise, Misconception

_NAMES = ("compute", "memory", "launch")


def _parts(flops: float, nbytes: float, peak: float, bw: float, launch: float, scales: tuple = (1, 1, 1)) -> list[float]:
    return [scales[0] * flops / peak / 1e3, scales[1] * nbytes / bw / 1e3, scales[2] * launch]


def _largest(parts: Sequence[float], order: Sequence[int] = (0, 1, 2)) -> str:
    return _NAMES[max(order, key=lambda i: parts[i])]


def _making(time, label=_largest, scales: tuple = (1, 1, 1)):
    """An answer from the three times in us."""
    def answer(flops: float, nbytes: float, peak_gflop_s: float, bw_gb_s: float, launch_us: float) -> tuple[str, float]:
        parts = _parts(flops, nbytes, peak_gflop_s, bw_gb_s, launch_us, scales)
        return label(parts), time(*parts)

    return answer


def _right(c: float, m: float, launch: float) -> float:
    return launch + max(c, m)


def _two(parts: Sequence[float]) -> str:
    return "compute" if parts[0] >= parts[1] else "memory"


def _if_chain(flops: float, nbytes: float, peak_gflop_s: float, bw_gb_s: float, launch_us: float) -> tuple[str, float]:
    c, m = flops / (peak_gflop_s * 1000), nbytes / (bw_gb_s * 1000)
    if c >= m and c >= launch_us:
        return "compute", launch_us + c
    if m >= launch_us:
        return "memory", launch_us + m
    return "launch", launch_us + max(c, m)


def _by_roof(flops: float, nbytes: float, peak_gflop_s: float, bw_gb_s: float, launch_us: float) -> tuple[str, float]:
    """NumPy, and argmax for the first of the largest."""
    us = np.array([flops / peak_gflop_s, nbytes / bw_gb_s, launch_us * 1000]) / 1000
    return _NAMES[int(np.argmax(us))], float(us[:2].max() + us[2])


def _sorted_negative(flops: float, nbytes: float, peak_gflop_s: float, bw_gb_s: float, launch_us: float) -> tuple[str, float]:
    times = [(-flops / peak_gflop_s / 1000, 0), (-nbytes / bw_gb_s / 1000, 1), (-launch_us, 2)]
    return _NAMES[min(times)[1]], launch_us - min(times[:2])[0]


def _draw(rng: np.random.Generator) -> Case:
    """Three times at least 5 % apart, so that no rounding decides the label."""
    while True:
        c, m, launch = (float(v) for v in 10 ** rng.uniform(-0.5, 2.0, 3))
        times = sorted((c, m, launch))
        if times[2] > 1.05 * times[1]:
            break
    peak, bw = int(rng.integers(10, 1_000_000)), int(rng.integers(5, 5000))
    return Case(int(c * peak * 1e3), int(m * bw * 1e3), peak, bw, round(launch, 2))


bound_of = Exercise(
    id="07.bound_of", points=3, difficulty=1, minutes=10, idea="launch + max(compute, memory)",
    reference=roofline.bound_of,
    cases=[Case(3_612_672, 1_614_848, 1000, 100, 5), Case(1000, 4000, 1000, 100, 5), Case(924_844_032, 3_964_928, 1000, 100, 5)],
    hidden=[
        Case(4000, 4000, 1, 1, 2, label="compute and memory equal (4, 4, 2 us)"),
        Case(4000, 4000, 1, 1, 8, label="compute and memory equal, launch larger (4, 4, 8 us)"),
        Case(0, 0, 100, 100, 0, label="nothing at all (0, 0, 0 us)"), Case(0, 1_000_000, 100, 100, 0), Case(1_000_000, 0, 100, 100, 0),
        Case(0, 6000, 1, 1, 6, label="memory and launch equal (0, 6, 6 us)"),
        Case(6000, 0, 1, 1, 6, label="compute and launch equal (6, 0, 6 us)"),
        Case(0, 0, 100, 100, 7.5), Case(2 * 8192**3, 3 * 2 * 8192**2, 989_000, 3350, 5), Case(15_009_316_864, 15_009_316_864, 989_000, 3350, 5),
    ],
    draw=_draw, draws=40, compare=close(1e-9),
    misconceptions=[
        Misconception(
            "adds", _making(lambda c, m, launch: c + m + launch),
            "You add arithmetic and memory. A device computes on one tile while it fetches the next: the two overlap, and the "
            "longer one decides. Only the launch comes on top.",
            "They overlap: take the larger.", also=(_making(lambda c, m, launch: c + m), _making(lambda c, m, launch: c + m + launch, _two))),
        Misconception(
            "launch_ignored", _making(lambda c, m, launch: max(c, m)),
            "The launch is missing from your time. An operator that computes nothing still takes `launch_us`.",
            "The launch costs time.", also=(_making(lambda c, m, launch: max(c, m), _two),)),
        Misconception(
            "largest_of_three", _making(max),
            "You return the largest of the three. In this model the launch does not overlap with the work: it is added to it.",
            "The launch comes on top."),
        Misconception(
            "wrong_thousand", _making(_right, scales=(1e3, 1e3, 1)),
            "Your units are off by a power of a thousand. 1 GFLOP/s is 1e9 FLOPs in a second, so 1,000 FLOPs in a microsecond. "
            "The same holds for GB/s.",
            "A factor of 1,000.",
            also=(_making(_right, scales=(1e-3, 1e-3, 1)), _making(_right, scales=(1e3, 1, 1)), _making(_right, scales=(1, 1e3, 1)),
                  _making(_right, scales=(1e-3, 1, 1)), _making(_right, scales=(1, 1e-3, 1)), _making(_right, scales=(1e-6, 1e-6, 1)),
                  _making(_right, scales=(1e-3, 1e-3, 1e-3)), _making(_right, scales=(1e6, 1e6, 1)))),
        Misconception(
            "intensity_only", _making(_right, _two),
            "Your label comes from the intensity alone, so it is never \"launch\". Compare all three times: where the launch is the "
            "largest, neither a higher peak nor more bandwidth helps.",
            "The third label is missing."),
        Misconception(
            "labels_the_idle", _making(_right, lambda p: _NAMES[min(range(3), key=lambda i: p[i])]),
            "Your label names what is shortest, or the two are swapped. The bound is what everything else waits for: the largest.",
            "The label names the wrong one.",
            also=(_making(_right, lambda p: {"compute": "memory", "memory": "compute"}.get(_largest(p), "launch")),)),
        Misconception(
            "wrong_tie", _making(_right, lambda p: _largest(p, (2, 1, 0))),
            "Look at the cases where two of the three times are equal. The task has an order for them: compute before memory, memory "
            "before launch.",
            "The order among equals.",
            also=(_making(_right, lambda p: _largest(p, (1, 0, 2))), _making(_right, lambda p: _largest(p, (0, 2, 1))),
                  _making(_right, lambda p: _largest(p, (2, 0, 1))), _making(_right, lambda p: _largest(p, (1, 2, 0))))),
        Misconception(
            "swapped_order", lambda *a: _if_chain(*a)[::-1],
            "Both parts are there, in the wrong order: first the label, then the time.",
            "Label first."),
    ],
    alternatives=[_if_chain, _by_roof, _sorted_negative],
    hints=(
        "Turn everything into microseconds first. How many FLOPs does 1 GFLOP/s do in one microsecond?",
        "compute = flops / (1000·peak_gflop_s), memory = nbytes / (1000·bw_gb_s).",
        "The time is launch + max(compute, memory). The label compares all three.",
    ),
    worth_knowing="Real kernels stay below both roofs. The label is more reliable than the time.",
)

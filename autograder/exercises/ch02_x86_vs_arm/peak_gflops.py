"""Exercise 02.peak_gflops: what a CPU's vector units do in a second."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from utils.hardware import isa

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Peak = Callable[[float, float, float, float, float, float], float]


def _answer(peak: Peak, check: bool = True) -> Callable:
    """An answer from a formula in (cores, ghz, vector bits, element bits, units, operations)."""

    def answer(cores: float, ghz: float, vector_bits: float, elem_bits: float, units: float,
               ops_per_lane: float = 2) -> float:
        args = (cores, ghz, vector_bits, elem_bits, units, ops_per_lane)
        if check and min(args) <= 0:
            raise ValueError("every argument must be positive")
        return peak(*args)

    return answer


def _both(peak: Peak) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""
    return {"answer": _answer(peak), "also": (_answer(peak, check=False),)}


def _right(c: float, g: float, v: float, e: float, u: float, o: float) -> float:
    return c * g * (v / e) * u * o


def _non_negative(cores: float, ghz: float, vector_bits: float, elem_bits: float, units: float,
                  ops_per_lane: float = 2) -> float:
    args = (cores, ghz, vector_bits, elem_bits, units, ops_per_lane)
    if min(args) < 0 or elem_bits == 0:
        raise ValueError("no argument may be negative: all must be positive")
    return _right(*args)


# --- right answers ------------------------------------------------------------------------------


def _by_fractions(cores: float, ghz: float, vector_bits: float, elem_bits: float, units: float,
                  ops_per_lane: float = 2) -> float:
    exact = [Fraction(x) for x in (cores, ghz, vector_bits, elem_bits, units, ops_per_lane)]
    if not all(x > 0 for x in exact):
        raise ValueError("every argument must be positive")
    c, g, v, e, u, o = exact
    return float(c * g * v * u * o / e)


def _by_instructions(cores: float, ghz: float, vector_bits: float, elem_bits: float, units: float,
                     ops_per_lane: float = 2) -> float:
    """Instructions a second of the chip, times the operations of one instruction."""
    for value in (cores, ghz, vector_bits, elem_bits, units, ops_per_lane):
        if value <= 0:
            raise ValueError(f"must be positive, got {value}")
    giga_instructions_per_s = np.prod([cores, ghz, units])
    return float(giga_instructions_per_s * ops_per_lane * vector_bits / elem_bits)


def _draw(rng: np.random.Generator) -> Case:
    args = (int(rng.integers(1, 193)), round(float(rng.uniform(0.6, 5.7)), 2), int(rng.choice([128, 256, 512, 1024])),
            int(rng.choice([8, 16, 32, 64])), int(rng.integers(1, 7)))
    return Case(*args) if rng.random() < 0.5 else Case(*args, int(rng.choice([1, 2, 8])))


def _bad(which: int, value: float) -> Case:
    args = [4, 2.4, 128, 32, 2, 2]
    args[which] = value
    return Case(*args, word="positive")


peak_gflops = Exercise(
    id="02.peak_gflops", points=3, difficulty=1, minutes=8, idea="lanes × units × 2 × cores × GHz",
    reference=isa.peak_gflops,
    cases=[Case(4, 2.4, 128, 32, 2), Case(4, 2.4, 128, 16, 2), Case(64, 2.6, 256, 32, 2), Case(1, 3.0, 512, 64, 1, 1)],
    hidden=[Case(56, 2.0, 512, 32, 2), Case(8, 3.0, 256, 32, 2), Case(96, 2.4, 256, 64, 2), Case(1, 1, 128, 128, 1, 1),
            Case(2, 0.5, 256, 8, 3, 1)],
    draw=_draw,
    raises=[*(_bad(i, 0) for i in range(6)), *(_bad(i, -1) for i in range(6))],
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "lanes_of_bytes", **_both(lambda c, g, v, e, u, o: c * g * (v / 8) * u * o),
            message="You divide the vector by 8, so every lane has one byte. A lane is as wide as the element: a 128-bit "
                    "vector has 4 lanes of FP32.",
            title="These are bytes, not lanes."),
        Misconception(
            "no_fma", **_both(lambda c, g, v, e, u, o: c * g * (v / e) * u),
            message="You count one operation for each lane. A fused multiply–add does two of them at once; "
                    "`ops_per_lane` says how many.",
            title="A lane does more than one operation."),
        Misconception(
            "always_fma", **_both(lambda c, g, v, e, u, o: c * g * (v / e) * u * 2),
            message="You count two operations a lane always. `ops_per_lane` says how many there are; it is 2 only unless "
                    "the caller says otherwise.",
            title="The last argument is not used."),
        Misconception(
            "one_unit", **_both(lambda c, g, v, e, u, o: c * g * (v / e) * o),
            message="You leave out the units. A core with two vector units starts two vector instructions in a cycle.",
            title="A core has several vector units."),
        Misconception(
            "threads", **_both(lambda c, g, v, e, u, o: 2 * _right(c, g, v, e, u, o)),
            message="The result is twice too high. If you counted two hardware threads a core: they share the vector "
                    "units of their core and add no arithmetic.",
            title="Threads are no cores."),
        Misconception(
            "one_core", **_both(lambda c, g, v, e, u, o: _right(1, g, v, e, u, o)),
            message="This is the peak of one core. All cores work at the same time.",
            title="That is one core."),
        Misconception(
            "scalar", **_both(lambda c, g, v, e, u, o: c * g * u * o),
            message="You leave out the lanes: this would be a CPU without vectors. How many elements of `elem_bits` fit "
                    "into `vector_bits`?",
            title="Vectors have lanes."),
        Misconception(
            "hertz", **_both(lambda c, g, v, e, u, o: 1e9 * _right(c, g, v, e, u, o)),
            message="The unit is wrong: GHz times operations a cycle are GFLOP/s already.",
            title="A factor of 10^9."),
        Misconception(
            "tera", **_both(lambda c, g, v, e, u, o: _right(c, g, v, e, u, o) / 1000),
            message="These are TFLOP/s. Asked are GFLOP/s.",
            title="The unit is tera."),
        Misconception(
            "zero_passes", _non_negative,
            "The values are right. But a CPU with 0 cores, or 0 GHz, is bad input too: every argument has to be above 0.",
            "Zero gets through.", also=(_answer(_right, check=False),)),
    ],
    alternatives=[_by_fractions, _by_instructions],
    hints=(
        "How many elements does one vector instruction handle? That is `vector_bits / elem_bits`.",
        "In one cycle a core starts `units` such instructions. In one second it has `ghz` thousand million cycles.",
        "Before the arithmetic: `if min(...) <= 0: raise ValueError(...)`, with the word it asks for.",
    ),
    worth_knowing="The clock under heavy vector work is often below the nominal one, so this is a ceiling.",
)

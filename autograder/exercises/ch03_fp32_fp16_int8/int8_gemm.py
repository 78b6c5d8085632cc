"""Exercise 03.int8_gemm: a matrix product in integers, scaled afterwards."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.numerics import int8

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _gemm(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int, *, dtype: type = np.int32,
          k_term: bool = True, correct: str = "ab", swap: bool = False, plus: bool = False) -> np.ndarray:
    """Four terms with one mistake; with its defaults it is right (an independent formulation)."""
    acc = (qa.astype(dtype) @ qb.astype(dtype)).astype(np.int64)
    rows, columns = qa.sum(1, dtype=np.int64)[:, None], qb.sum(0, dtype=np.int64)[None]
    if swap:
        acc = acc - za * rows - zb * columns
    else:
        acc = acc - za * columns * ("a" in correct) - zb * rows * ("b" in correct)
    acc = acc + qa.shape[1] * za * zb * (k_term and correct == "ab")
    return (acc * (sa + sb if plus else sa * sb)).astype(np.float32)


def _gemm_subtract(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int, *, first: type = np.int32,
                   acc: type = np.int32, plus: bool = False, only: str = "ab") -> np.ndarray:
    """Subtracts the zero points from the operands, in the type `first`, and multiplies in `acc`."""
    a = qa.astype(first) - first(za if "a" in only else 0)
    b = qb.astype(first) - first(zb if "b" in only else 0)
    return ((a.astype(acc) @ b.astype(acc)).astype(np.float64) * (sa + sb if plus else sa * sb)).astype(np.float32)


def _gemm_in_float32(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """float32 sums: beyond 2^24 not every integer has a place."""
    f = np.float32
    return (f(sa) * (qa.astype(f) - f(za))) @ (f(sb) * (qb.astype(f) - f(zb)))


def _gemm_in_float64(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """Exact too: all integers here are far below 2^53."""
    a, b = np.asarray(qa, np.float64) - za, np.asarray(qb, np.float64) - zb
    return np.float32(sa * sb * np.dot(a, b))


def _gemm_float32_double(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """Python's scales times int32, rounded to float32 before the product."""
    return (sa * (qa.astype(np.int32) - za)).astype(np.float32) @ (sb * (qb.astype(np.int32) - zb)).astype(np.float32)


def _gemm_stretched(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    a, b = qa.astype(np.int32) - za, qb.astype(np.int32) - zb
    return ((a[:, :, None] * b[None]).sum(1) * (sa * sb)).astype(np.float32)


def _gemm_by_columns(qa: np.ndarray, sa: float, za: int, qb: np.ndarray, sb: float, zb: int) -> np.ndarray:
    """One outer product after another."""
    if qa.shape[1] != len(qb):
        raise ValueError("inner sizes differ")
    total = np.zeros((qa.shape[0], qb.shape[1]), np.int64)
    for column, row in zip(qa.T.astype(np.int64), qb.astype(np.int64)):
        total += np.outer(column - za, row - zb)
    return (total * sa * sb).astype(np.float32)


def _int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-128, 128, shape, dtype=np.int8)


def _draw_gemm(rng: np.random.Generator) -> Case:
    m, k, n = (int(v) for v in rng.integers(1, (7, 60, 7)))
    za, zb = (int(v) for v in rng.integers(-128, 128, 2))
    qa = _int8(rng, k, m).T if rng.random() < 0.3 else _int8(rng, m, k)
    sa, sb = (float(v) for v in rng.uniform(0.002, 0.2, 2))
    return Case(qa, sa, za, _int8(rng, k, n), sb, zb, label=f"({m} × {k}) @ ({k} × {n}), za={za}, zb={zb}")


_RNG = np.random.default_rng(3)
_A, _B = np.array([[10, 20]], np.int8), np.array([[1], [-2]], np.int8)
int8_gemm = Exercise(
    id="03.int8_gemm", points=6, difficulty=3, minutes=25, idea="the scales come out of the sum",
    reference=int8.int8_gemm,
    cases=[
        Case(_A, 0.5, 5, _B, 0.25, 1, label="[[10, 20]], 0.5, 5, [[1], [-2]], 0.25, 1"),
        Case(_A, 0.5, 0, _B, 0.25, 0, label="[[10, 20]], 0.5, 0, [[1], [-2]], 0.25, 0"),
        Case(np.full((1, 4), 100, np.int8), 0.1, -3, np.full((4, 2), -90, np.int8), 0.01, 7,
             label="1 × 4 of 100, 0.1, -3, 4 × 2 of -90, 0.01, 7"),
    ],
    hidden=[
        Case(np.full((2, 4096), -128, np.int8), 0.01, 0, np.full((4096, 3), -128, np.int8), 0.02, 0,
             label="K = 4096, all -128"),
        Case(np.full((2, 4096), -128, np.int8), 0.01, 127, np.full((4096, 3), -128, np.int8), 0.02, 127,
             label="K = 4096, all -128, zero points 127"),
        Case(_int8(_RNG, 3, 40), 0.03, 0, _int8(_RNG, 40, 5), 0.07, -20, label="za = 0"),
        Case(_int8(_RNG, 3, 40), 0.03, 9, _int8(_RNG, 40, 5), 0.07, 0, label="zb = 0"),
        Case(_int8(_RNG, 40, 6).T, 0.03, 9, _int8(_RNG, 6, 40).T, 0.07, -4, label="both transposed"),
        Case(_int8(_RNG, 8, 32)[::2, ::-1], 0.03, -128, _int8(_RNG, 32, 6)[:, ::3], 0.07, 127, label="strided views"),
    ],
    draw=_draw_gemm, draws=30,
    raises=[Case(_int8(_RNG, 2, 3), 0.1, 1, _int8(_RNG, 2, 3), 0.1, 1, label="(2 × 3) @ (2 × 3)"),
            Case(_int8(_RNG, 2, 3), 0.1, 1, _int8(_RNG, 1, 4), 0.1, 1, label="(2 × 3) @ (1 × 4)"),
            Case(_int8(_RNG, 2, 1), 0.1, 1, _int8(_RNG, 3, 4), 0.1, 1, label="(2 × 1) @ (3 × 4)")],
    compare=close(1e-6, 1e-9, dtype="same"),
    misconceptions=[
        Misconception(
            "int8_products", partial(_gemm, dtype=np.int8),
            "NumPy multiplies and adds int8 in int8: 100 × 100 wraps around to 16. Hardware has 32-bit accumulators for "
            "that reason. Which type must the operands have before the product?",
            "The products wrapped around.",
            also=(partial(_gemm_subtract, first=np.int8, acc=np.int8), partial(_gemm_subtract, acc=np.int8))),
        Misconception(
            "int16", partial(_gemm, dtype=np.int16),
            "One product fits into 16 bits, a sum of them does not: three times 128 × 128 is beyond 32,767.",
            "The accumulator has 16 bits.", also=(partial(_gemm_subtract, first=np.int16, acc=np.int16),)),
        Misconception(
            "int8_subtraction", partial(_gemm_subtract, first=np.int8),
            "q − zero_point does not fit into int8: −128 − 127 is −255. Widen the operands before you subtract.",
            "The subtraction wrapped around."),
        Misconception(
            "no_k_term", partial(_gemm, k_term=False),
            "Multiply (a − za)(b − zb) out: there are four terms. The one without a and b is added once for every "
            "element of the sum.",
            "The constant term is missing."),
        Misconception(
            "one_zero_point", partial(_gemm, correct="a"),
            "Only one of the two zero points was taken off. Each operand has its own.",
            "One zero point was forgotten.", also=(partial(_gemm, correct="b"),)),
        Misconception(
            "no_zero_points", partial(_gemm, correct=""),
            "A code q stands for scale × (q − zero_point). You multiplied the codes as if both zero points were 0.",
            "The zero points were ignored.", also=(partial(_gemm, correct="", dtype=np.int8),)),
        Misconception(
            "sums_swapped", partial(_gemm, swap=True),
            "(a − za)(b − zb) contains −za·b and −zb·a. So za goes with sums over b, and zb with sums over a.",
            "The sums belong to the other zero point."),
        Misconception(
            "adds_scales", partial(_gemm, plus=True),
            "Each product holds one factor from a and one from b. Both scales can be pulled in front of the sum, as a "
            "product.",
            "The scales were added."),
        Misconception(
            "float32_sums", _gemm_in_float32,
            "You turned the codes into floats and added 4,096 products in float32. Each addition rounds. Integers in 32 bits "
            "are exact; scale once, at the end.",
            "The sums are rounded.", also=(_gemm_float32_double,)),
        Misconception(
            "stretches", _gemm_stretched,
            "The results are right. But an inner size of 1 was stretched to fit the other matrix, as broadcasting and "
            "einsum do. A matrix product has to refuse that.",
            "A size of 1 was stretched."),
    ],
    alternatives=[_gemm, _gemm_subtract, _gemm_in_float64, _gemm_by_columns],
    hints=(
        "Cast both operands to int32 first. `qa.astype(np.int32) - za` is then safe.",
        "The scales are the same for every product, so they come in front of the sum: one multiplication at the end.",
        "Without touching the operands: Σ(a − za)(b − zb) = Σab − za·Σb − zb·Σa + K·za·zb.",
    ),
    worth_knowing="Multiplied out, the sum is Σab − za·Σb − zb·Σa + K·za·zb. If b holds the weights, Σb can be computed "
                  "once, when the model is built. With zb = 0, as for symmetric weights, only the correction za·Σb is "
                  "left.",
)

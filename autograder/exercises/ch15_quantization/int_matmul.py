"""Exercise 15.int_matmul: the product of two matrices of codes, exactly."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import quantization

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _four_terms(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int, *, product: type | None = np.int64,
                k_term: bool = True, swap: bool = False, corrected: str = "ab", out: type = np.int32) -> np.ndarray:
    """The product by its four terms with one mistake; with its defaults it is right."""
    if a_q.shape[1] != b_q.shape[0]:
        raise ValueError("inner sizes differ")
    raw = (a_q @ b_q if product is None else a_q.astype(product) @ b_q.astype(product)).astype(np.int64)
    rows, columns = a_q.astype(np.int64).sum(1)[:, None], b_q.astype(np.int64).sum(0)[None]
    za, zb = a_zero * ("a" in corrected), b_zero * ("b" in corrected)
    if swap:
        return (raw - za * rows - zb * columns + a_q.shape[1] * za * zb).astype(out)
    return (raw - za * columns - zb * rows + k_term * a_q.shape[1] * za * zb).astype(out)


def _subtract_first(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int, *, wide: type | None = np.int64,
                    acc: type = np.int64, out: type = np.int32) -> np.ndarray:
    """Widens, subtracts, multiplies; `wide` None subtracts in the narrow type, which wraps."""
    if a_q.shape[1] != b_q.shape[0]:
        raise ValueError("inner sizes differ")
    with np.errstate(all="ignore"):
        a = a_q - a_q.dtype.type(a_zero) if wide is None else a_q.astype(wide) - wide(a_zero)
        b = b_q - b_q.dtype.type(b_zero) if wide is None else b_q.astype(wide) - wide(b_zero)
        return (a.astype(acc) @ b.astype(acc)).astype(out)


def _as_they_come(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int, *, product: bool = True) -> np.ndarray:
    """NumPy's own types all the way: the sum of two 8-bit arrays stays narrow."""
    with np.errstate(all="ignore"):
        if not product:
            return (a_q - a_q.dtype.type(a_zero)) @ (b_q - b_q.dtype.type(b_zero))
        rows, columns = a_q.sum(axis=1, keepdims=True), b_q.sum(axis=0)
        return (a_q @ b_q - a_zero * columns - b_zero * rows + a_q.shape[1] * a_zero * b_zero).astype(np.int32)


def _by_blas(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    product = (a_q.astype(np.float32) - np.float32(a_zero)) @ (b_q.astype(np.float32) - np.float32(b_zero))
    return product.astype(np.int32)


def _in_float32(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    """float32 additions from left to right, as a plain loop does them."""
    if a_q.shape[1] != b_q.shape[0]:
        raise ValueError("inner sizes differ")
    a, b = a_q.astype(np.float32) - np.float32(a_zero), b_q.astype(np.float32) - np.float32(b_zero)
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        total += a[:, k, None] * b[k]
    return total.astype(np.int32)


def _stretched(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    a, b = a_q.astype(np.int32) - a_zero, b_q.astype(np.int32) - b_zero
    return np.einsum("mk,kn->mn", a, b).astype(np.int32)


def _unchecked_broadcast(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    a, b = a_q.astype(np.int64) - a_zero, b_q.astype(np.int64) - b_zero
    return (a[:, :, None] * b[None]).sum(1).astype(np.int32)


def _in_float64(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    """Exact as well: 2^53 is far above every sum here."""
    return np.rint((a_q.astype(np.float64) - a_zero) @ (b_q.astype(np.float64) - b_zero)).astype(np.int32)


def _by_columns(a_q: np.ndarray, b_q: np.ndarray, a_zero: int, b_zero: int) -> np.ndarray:
    """One column after the other, with Python's integers."""
    if a_q.shape[1] != len(b_q):
        raise ValueError("inner sizes differ")
    rows = [[int(v) - a_zero for v in row] for row in a_q]
    columns = [[int(v) - b_zero for v in column] for column in b_q.T]
    found = [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in rows]
    return np.array(found, np.int32).reshape(a_q.shape[0], b_q.shape[1])


def _codes(rng: np.random.Generator, kind: str, *shape: int) -> np.ndarray:
    low = -128 if kind == "int8" else 0
    return rng.integers(low, low + 256, shape).astype(kind)


def _draw(rng: np.random.Generator) -> Case:
    kinds = [str(rng.choice(["uint8", "int8"])) for _ in "ab"]
    m, k, n = (int(v) for v in rng.integers(1, 9, 3))
    k = int(rng.choice([k, 60, 300]))
    a, b = _codes(rng, kinds[0], m, k), _codes(rng, kinds[1], k, n)
    za, zb = (int(_codes(rng, kind)) for kind in kinds)
    return Case(a, b, za, zb, label=f"{kinds[0]} {m} × {k} times {kinds[1]} {k} × {n}, zero points {za} and {zb}")


def _long(kind: str) -> Case:
    rng = np.random.default_rng(7)
    a, b = (np.full((2, 4096), 255, np.uint8), np.full((4096, 2), 253, np.uint8)) if kind == "uint8" else (
        np.full((2, 4096), -127, np.int8), np.full((4096, 2), 125, np.int8))
    a[0, :7] = rng.integers(0, 100, 7)
    return Case(a, b, 0, 1, label=f"{kind} 2 × 4,096 times 4,096 × 2, nearly all values large")


int_matmul = Exercise(
    id="15.int_matmul", points=5, difficulty=2, minutes=15, idea="zero points cost two sums, not a second matrix",
    reference=quantization.int_matmul,
    cases=[
        Case(np.array([[10, 20]], np.uint8), np.array([[1], [-2]], np.int8), 5, 1),
        Case(np.array([[100, 100]], np.int8), np.array([[100], [100]], np.int8), 0, 0),
        Case(np.array([[0, 255], [7, 3]], np.uint8), np.array([[255, 1], [2, 0]], np.uint8), 128, 3),
    ],
    hidden=[
        _long("uint8"), _long("int8"),
        Case(np.array([[-128, -128]], np.int8), np.array([[-128], [-128]], np.int8), 127, 127),
        Case(np.array([[0]], np.uint8), np.array([[0]], np.uint8), 255, 255),
        Case(np.array([[3], [9]], np.uint8), np.array([[-5, 6, 7]], np.int8), 1, -1),
        Case(np.zeros((0, 3), np.uint8), np.ones((3, 2), np.int8), 1, 1, label="no rows: (0, 3) times (3, 2)"),
    ],
    draw=_draw, draws=40, pure=True,
    raises=[
        Case(np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.int8), 0, 0, label="(2, 3) times (2, 3)"),
        Case(np.ones((2, 1), np.uint8), np.ones((3, 2), np.int8), 0, 0, label="(2, 1) times (3, 2)"),
        Case(np.ones((2, 3), np.int8), np.ones((1, 2), np.int8), 0, 0, label="(2, 3) times (1, 2)"),
    ],
    compare=exact(),
    misconceptions=[
        Misconception(
            "narrow", partial(_four_terms, product=None),
            "100 · 100 + 100 · 100 came out as 32: an int8 product is added up in int8 and wraps. Each product needs 16 bits, their "
            "sum more. Widen the operands first.",
            "The sum has 8 bits.",
            also=(partial(_four_terms, product=np.int8), partial(_subtract_first, wide=np.int8, acc=np.int8),
                  partial(_four_terms, product=np.int16), _as_they_come, partial(_as_they_come, product=False))),
        Misconception(
            "wraps", partial(_subtract_first, wide=None),
            "0 − 128 does not exist in uint8: it became 128. NumPy keeps the type of the array when you subtract a Python "
            "integer. Widen before you subtract.",
            "The subtraction wrapped around."),
        Misconception(
            "no_k_term", partial(_four_terms, k_term=False),
            "Multiply (a − z_a)(b − z_b) out: there are four terms. Taking off both sums removes z_a·z_b twice in each of the "
            "K products. Add it back K times.",
            "The constant term is missing."),
        Misconception(
            "sums_swapped", partial(_four_terms, swap=True),
            "(a − z_a)(b − z_b) contains −z_a·b and −z_b·a. So z_a goes with sums over b, which belong to columns, and z_b with "
            "sums over a, which belong to rows.",
            "The sums belong to the other zero point."),
        Misconception(
            "one_zero_point", partial(_four_terms, corrected="a"),
            "Only one of the two zero points was taken off. Each operand has its own.",
            "One zero point was forgotten.", also=(partial(_four_terms, corrected="b"),)),
        Misconception(
            "no_zero_points", partial(_four_terms, corrected=""),
            "A code stands for scale · (q − zero point). You multiplied the codes as if both zero points were 0.",
            "The zero points were ignored."),
        Misconception(
            "in_float32", _in_float32,
            "The long sums are off. Above 2^24 float32 cannot hold every integer, and each addition rounds. Accumulate in "
            "int32.",
            "The accumulator is float32.", also=(_by_blas,)),
        Misconception(
            "wide_result", partial(_four_terms, out=np.int64),
            "The values are right, but the array is int64: NumPy's `sum` of 32-bit integers returns 64 bits, and that type "
            "wins. Return int32.",
            "The result has 64 bits.", also=(partial(_subtract_first, out=np.int64),)),
        Misconception(
            "stretches", _stretched,
            "The results are right. But an inner size of 1 was stretched to fit the other matrix, as broadcasting and "
            "einsum do. A matrix product has to refuse that.",
            "A size of 1 was stretched.", also=(_unchecked_broadcast,)),
    ],
    alternatives=[_four_terms, _subtract_first, _in_float64, _by_columns],
    hints=(
        "`a_q.astype(np.int32)` first. Then either subtract the zero points, or use the four terms.",
        "Σ(a − z_a)(b − z_b) = Σab − z_a·Σb − z_b·Σa + K·z_a·z_b. Σb has one entry a column, Σa one a row.",
        "`a.sum(axis=1, keepdims=True)` has the shape (m, 1) and broadcasts over columns. End with `.astype(np.int32)`.",
    ),
    worth_knowing="b usually holds the weights. Then −z_a·Σb + K·z_a·z_b is known when the model is built and goes into the "
                  "bias; with z_b = 0 nothing is left to do at run time.",
)

"""Exercise 02.s8_gemm_on_x86: a signed product on an instruction that wants an unsigned left side."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np

from utils.hardware import isa

from ...compare import exact, prop
from ...exercise import Case, Exercise, Misconception

U8S8 = Callable[[np.ndarray, np.ndarray], np.ndarray]
PRODUCTS = {"dot", "matmul", "einsum", "inner", "outer", "tensordot", "vdot", "kron"}
PROBE = "ch02_x86_vs_arm.u8s8"


def no_product(tree: ast.AST) -> str | None:
    """A matrix product of the learner's own in the answer's cell."""
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in PRODUCTS or (isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.MatMult)):
            told = "the operator @" if not name else f"`{name}`"
            return f"This cell uses {told}. All products have to come from one call of `u8s8`; the rest is a shift and sums."
    return None


def _shifted(a: np.ndarray, by: int = 128) -> np.ndarray:
    return (a.astype(np.int16) + by).astype(np.uint8)


def _columns(b: np.ndarray) -> np.ndarray:
    return b.sum(axis=0, dtype=np.int32)


def _by(shift: Callable[[np.ndarray], np.ndarray], correct: Callable[[np.ndarray, np.ndarray], np.ndarray | int]) -> Callable:
    """An answer that calls u8s8 once on the shifted left side and subtracts a correction."""

    def answer(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
        return (u8s8(shift(a_s8), b_s8) - correct(a_s8, b_s8)).astype(np.int32)

    return answer


def _two_calls(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    wide = a_s8.astype(np.int16)
    return u8s8(np.maximum(wide, 0).astype(np.uint8), b_s8) - u8s8(np.maximum(-wide, 0).astype(np.uint8), b_s8)


def _ones_call(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    """The column sums by a second product, with a row of 128s."""
    return u8s8(_shifted(a_s8), b_s8) - u8s8(np.full((1, a_s8.shape[1]), 128, np.uint8), b_s8)


def _own_product(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    return a_s8.astype(np.int32) @ b_s8.astype(np.int32)


def _overflows(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    return u8s8((a_s8 + np.int8(127) + np.int8(1)).astype(np.int8), b_s8) - 128 * _columns(b_s8)


def _python_128(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    return u8s8((a_s8 + 128).astype(np.uint8), b_s8) - 128 * _columns(b_s8)


def _saturated(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    return u8s8(np.clip(a_s8.astype(int) + 128, 0, 127).astype(np.uint8), b_s8) - 128 * _columns(b_s8)


def _wide_left(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    return u8s8(a_s8.astype(np.int16) + 128, b_s8) - 128 * _columns(b_s8)


def _rows_of_b(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 128 * b.sum(axis=1, dtype=np.int32)


# --- right answers ------------------------------------------------------------------------------


def _bias_first(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    bias = -128 * np.add.reduce(b_s8.astype(np.int32), axis=0)
    return (u8s8((a_s8.astype(np.int32) + 128).astype(np.uint8), b_s8) + bias[None, :]).astype(np.int32)


def _flipped_bit(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    """Adding 128 is flipping the sign bit."""
    total = u8s8(a_s8.view(np.uint8) ^ np.uint8(0x80), b_s8)
    return (total - (_columns(b_s8) << 7)).astype(np.int32)


def _on_b(a_s8: np.ndarray, b_s8: np.ndarray, u8s8: U8S8) -> np.ndarray:
    """Column by column, the correction from Python's own sum."""
    total = u8s8(_shifted(a_s8), b_s8)
    for j in range(b_s8.shape[1]):
        total[:, j] -= 128 * sum(int(v) for v in b_s8[:, j])
    return total


def _judge(case: Case, expected: dict, got: dict) -> str | None:
    if not isinstance(got, dict) or set(got) != {"value", "calls"}:
        return "not of the expected form"
    differs = exact()(expected["value"], got["value"], case)
    if differs or type(got["calls"]) is not int:
        return differs or "not of the expected form"
    return None if got["calls"] == 1 else f"u8s8 was called {got['calls']} times, expected once"


def _case(a: list[list[int]], b: list[list[int]], label: str = "") -> Case:
    return Case(probe=PROBE, label=label or f"a_s8 = {a}, b_s8 = {b}", a=np.array(a, np.int8), b=np.array(b, np.int8))


def _random(rng: np.random.Generator, m: int, k: int, n: int) -> Case:
    a, b = rng.integers(-128, 128, (m, k)), rng.integers(-128, 128, (k, n))
    return _case(a.tolist(), b.tolist(), f"a random product, ({m}, {k}) by ({k}, {n})")


def _draw(rng: np.random.Generator) -> Case:
    return _random(rng, *(int(x) for x in rng.integers(1, 9, 3)))


_RNG = np.random.default_rng(2)

s8_gemm_on_x86 = Exercise(
    id="02.s8_gemm_on_x86", points=4, difficulty=2, minutes=14, idea="shift by 128, then take 128 · Σb off again",
    reference=isa.s8_gemm_on_x86, probe=PROBE,
    cases=[_case([[-3, 5]], [[7], [-2]]), _case([[-128, 127]], [[1, -1], [2, 3]]), _case([[0, 0], [1, -1]], [[4, 5], [6, -7]])],
    hidden=[
        _case([[-128]], [[-128]]), _case([[127]], [[127]]), _case([[-1]], [[1]]), _case([[-128] * 8], [[-128]] * 8, "eight times -128"),
        _case([[127] * 9] * 2, [[127] * 3] * 9, "all 127"), _case([[3], [-4], [5]], [[1, 2]]), _random(_RNG, 5, 5, 5), _random(_RNG, 1, 40, 3),
        _random(_RNG, 12, 3, 2),
    ],
    draw=_draw, draws=25, compare=prop(_judge, same=exact()), forbid=no_product,
    misconceptions=[
        Misconception(
            "shift_in_int8", _python_128,
            "An int8 ends at 127, so NumPy refuses 128 beside an int8 array, in a sum or in a product. Bring the array to a "
            "wider type first. The shifted left side is cast to uint8 last.",
            "128 is no int8."),
        Misconception(
            "not_uint8", _wide_left,
            "The hardware refused the left side: it takes unsigned bytes only. Shift the values in a wider type, so that "
            "they are from 0 to 255, and cast them to uint8 before the call.",
            "The left side is not uint8.", also=(lambda a_s8, b_s8, u8s8: u8s8(a_s8, b_s8), _overflows)),
        Misconception(
            "clamped_shift", _saturated,
            "You clamp the shifted values at 127. The left side is uint8: it goes up to 255.",
            "The shifted range was cut."),
        Misconception(
            "row_sums_of_a", _by(_shifted, lambda a, b: 128 * a.sum(axis=1, dtype=np.int32)[:, None]),
            "Your correction comes from `a_s8`. The shift added 128 to every a, and each of those met a b: what came in "
            "too much is made of 128 and b.",
            "The correction has the wrong operand."),
        Misconception(
            "sums_along_n", _by(_shifted, lambda a, b: _rows_of_b(a, b) if b.shape[0] in (1, b.shape[1]) else int(b.sum()) * 128),
            "You sum `b_s8` along the wrong axis. An entry of the result in column n meets all b of that column.",
            "The wrong sums of b.",
            also=(_by(_shifted, lambda a, b: 128 * int(b.sum(dtype=np.int32))), _by(_shifted, _rows_of_b))),
        Misconception(
            "adds", _by(_shifted, lambda a, b: -128 * _columns(b)),
            "The correction has the wrong sign. (a + 128) · b is a · b plus 128 · b: that part has to go again.",
            "The sign of the correction."),
        Misconception(
            "offset_127", _by(lambda a: _shifted(a, 127), lambda a, b: 127 * _columns(b)),
            "The shift is 127, and -128 + 127 is still negative: as uint8 it becomes 255. The smallest int8 has to land "
            "on 0.",
            "The shift is one too small."),
        Misconception(
            "no_correction", _by(_shifted, lambda a, b: 0),
            "You return what the shifted product gives. It holds 128 times the b of each column too much.",
            "The shift is still inside."),
        Misconception(
            "cast_only", _by(lambda a: a.astype(np.uint8), lambda a, b: 0),
            "You cast the signed values to uint8 without a shift: -3 became 253. Nothing can tell it from a real 253 "
            "afterwards.",
            "A cast is not a shift.",
            also=(_by(lambda a: a.astype(np.uint8), lambda a, b: 128 * _columns(b)),)),
        Misconception(
            "clips_negatives", _by(lambda a: np.maximum(a, 0).astype(np.uint8), lambda a, b: 0),
            "Negative values on the left became 0. The result has to be exact for them as well.",
            "The negative half is gone.",
            also=(_by(lambda a: np.abs(a.astype(np.int16)).astype(np.uint8), lambda a, b: 0),)),
        Misconception(
            "half_the_correction", _by(_shifted, lambda a, b: _columns(b)),
            "You take the column sums off once. Every left value was shifted by 128, so they came in 128 times.",
            "The factor 128 is missing."),
        Misconception(
            "two_calls", _two_calls,
            "The result is right and cost two products. One call is enough: the correction needs sums only, and sums of "
            "the weights can be made once for all inputs.",
            "One call too many.", also=(_ones_call,)),
        Misconception(
            "own_product", _own_product,
            "The product does not come from `u8s8`. It is the only multiplier there is: shape its left side so that it "
            "fits, and correct the result.",
            "No call of u8s8."),
    ],
    alternatives=[_bias_first, _flipped_bit, _on_b],
    hints=(
        "Which number takes -128…127 to 0…255? Add it in a wider type, then cast.",
        "(a + c) · b = a · b + c · b. Summed over K, the second part is c times a column sum of b.",
        "`b_s8.sum(axis=0, dtype=np.int32)` is one number for each column; it is taken off every row.",
    ),
    worth_knowing="The correction depends on the weights only. Libraries make it once and fold it into the bias.",
)

"""Exercise 02.avx2_dot: a dot product whose pair sums have 16 bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import isa

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Dot = Callable[[np.ndarray, np.ndarray], int]
LOW, HIGH = -32768, 32767


def _refusing(dot: Dot) -> Dot:
    def answer(a: np.ndarray, b: np.ndarray) -> int:
        if len(a) % 2:
            raise ValueError("the length must be even")
        return dot(a, b)

    return answer


def _both(dot: Dot, *more: Dot) -> dict:
    """`answer` and `also` of a misconception: each variant with and without the refusal."""
    return {"answer": _refusing(dot), "also": (dot, *(v for other in more for v in (_refusing(other), other)))}


def _wide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.astype(np.int64) * b.astype(np.int64)


def _pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    p = _wide(a, b)[: len(a) // 2 * 2]
    return p[0::2] + p[1::2]


def _running(a: np.ndarray, b: np.ndarray) -> int:
    total = 0
    for pair in _pairs(a, b):
        total = max(LOW, min(HIGH, total + int(pair)))
    return total


def _halves(a: np.ndarray, b: np.ndarray) -> int:
    p = _wide(a, b)
    half = len(p) // 2
    return int(np.clip(p[:half] + p[half : 2 * half], LOW, HIGH).sum())


def _fours(a: np.ndarray, b: np.ndarray) -> int:
    pairs = _pairs(a, b)
    fours = [sum(map(int, pairs[i : i + 2])) for i in range(0, len(pairs), 2)]
    return sum(max(LOW, min(HIGH, s)) for s in fours)


def _zero_at_the_end(a: np.ndarray, b: np.ndarray) -> int:
    a, b = (np.append(x, np.zeros(len(x) % 2, x.dtype)) for x in (a, b))
    return int(np.clip(_pairs(a, b), LOW, HIGH).sum())


# --- right answers ------------------------------------------------------------------------------


@_refusing
def _loop(a: np.ndarray, b: np.ndarray) -> int:
    total = 0
    for i in range(0, len(a), 2):
        pair = int(a[i]) * int(b[i]) + int(a[i + 1]) * int(b[i + 1])
        total += max(LOW, min(HIGH, pair))
    return total


@_refusing
def _reshaped(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.clip((a.astype(np.int32) * b).reshape(-1, 2).sum(axis=1), LOW, HIGH).sum())


@_refusing
def _in_float(a: np.ndarray, b: np.ndarray) -> int:
    pair = np.einsum("ij,ij->i", a.reshape(-1, 2).astype(float), b.reshape(-1, 2).astype(float))
    return int(np.minimum(np.maximum(pair, LOW), HIGH).sum())


def _case(a: list[int], b: list[int], **more: str) -> Case:
    return Case(np.array(a, np.uint8), np.array(b, np.int8), **more)


def _draw(rng: np.random.Generator) -> Case:
    """Mostly large operands of both signs, so that pairs saturate at both ends; sometimes small ones."""
    n = 2 * int(rng.integers(1, 7))
    a, b = rng.integers(0, 256, n), rng.integers(-128, 128, n)
    kind = rng.random()
    if kind < 0.35:
        a, b = rng.choice([255, 254, 200, 129, 128], n), rng.choice([127, 126, -128, -127, 100, -100], n)
    elif kind < 0.6:  # one pair after the other of one sign
        a, b = rng.integers(180, 256, n), np.repeat(rng.choice([-1, 1], n // 2), 2) * rng.integers(80, 128, n)
    elif kind < 0.7:
        a, b = rng.integers(0, 20, n), rng.integers(-20, 20, n)
    return _case(a.tolist(), b.tolist())


avx2_dot = Exercise(
    id="02.avx2_dot", points=4, difficulty=2, minutes=14, idea="each pair sum has 16 bits",
    reference=isa.avx2_dot, pure=True,
    cases=[_case([255] * 4, [127] * 4), _case([255, 255, 10, 20], [-128, -128, 3, -4]), _case([1, 2, 3, 4], [5, -6, 7, -8])],
    hidden=[
        _case([255, 255], [127, 2]), _case([255, 255], [127, 1]), _case([128, 128], [127, 127]), _case([128, 128], [-128, -128]),
        _case([129, 128], [-128, -128]), _case([255, 1, 255, 2], [-128, -128, -128, -128]), _case([255, 255, 255, 255], [127, 127, -128, -128]),
        _case([255] * 6, [127, 127, 127, 127, -128, 5]), _case([200, 100], [-128, 127]), _case([0, 0], [-128, 127]),
        _case([255, 0, 255, 0], [127, 127, 127, 127]), _case([255, 255, 0, 1], [127, 127, 0, 1]),
    ],
    draw=_draw, draws=40,
    raises=[_case([1, 2, 3], [4, 5, 6], word="even"), _case([255], [127], word="even"), _case([255] * 5, [127] * 5, word="even")],
    compare=exact(),
    misconceptions=[
        Misconception(
            "saturates_the_sum", **_both(lambda a, b: int(np.clip(_wide(a, b).sum(), LOW, HIGH)), _running),
            message="You clamp the total. In the hardware each pair of products is clamped for itself, and those results "
                    "are added in 32 bits: two full pairs give 65,534, which 16 bits don't hold.",
            title="Clamped too late."),
        Misconception(
            "wraps_around", **_both(lambda a, b: int(_pairs(a, b).astype(np.int16).sum())),
            message="Your pair sum wrapped around: 64,770 became -766. The hardware clamps to the nearest value that 16 "
                    "bits hold. A cast such as `.astype(np.int16)`, or a sum in int16, drops the high bits.",
            title="Wrapped, not saturated."),
        Misconception(
            "narrow_product", **_both(
                lambda a, b: int(np.clip(_pairs(a.astype(np.int8), b), LOW, HIGH).sum()),
                lambda a, b: int(np.clip(_pairs(a, b.astype(np.uint8)), LOW, HIGH).sum()),
                lambda a, b: int(_wide(a, b).astype(np.int8).astype(int).sum()),
                lambda a, b: int(_wide(a, b).astype(np.uint8).astype(int).sum())),
            message="255 as an int8 is -1. `a` is unsigned: bring both arrays to a type that holds both before you "
                    "multiply.",
            title="An operand lost its value."),
        Misconception(
            "symmetric_clamp", **_both(lambda a, b: int(np.clip(_pairs(a, b), -HIGH, HIGH).sum())),
            message="You clamp at -32767 below. Two's complement has one more negative value: 16 bits end at -32768.",
            title="The lower bound is one off."),
        Misconception(
            "upper_only", **_both(lambda a, b: int(np.minimum(_pairs(a, b), HIGH).sum())),
            message="Sums above the range are clamped, those below it are not. Negative weights overflow as well.",
            title="The lower end is missing."),
        Misconception(
            "exact", **_both(lambda a, b: int(_wide(a, b).sum())),
            message="This is the exact dot product, which newer instructions give. Here the sum of two neighbouring "
                    "products has to fit into 16 bits. (Clamping single products changes nothing: each of them fits.)",
            title="Nothing saturates."),
        Misconception(
            "pairs_of_halves", **_both(_halves),
            message="You add products from the two halves of the arrays. A pair are neighbours: positions 0 and 1, 2 and "
                    "3, and so on.",
            title="These are not the pairs."),
        Misconception(
            "groups_of_four", **_both(_fours),
            message="You clamp sums of four products. VPMADDUBSW adds two; the instruction that adds four has 32 bits for "
                    "it and does not clamp.",
            title="A group has two products."),
        Misconception(
            "unsigned_range", **_both(lambda a, b: int(np.clip(_pairs(a, b), 0, 65535).sum())),
            message="You clamp to 0…65,535. The 16 bits are signed: weights may be negative.",
            title="The 16 bits are signed."),
        Misconception(
            "odd_dropped", lambda a, b: int(np.clip(_pairs(a, b), LOW, HIGH).sum()),
            "The values are right. An odd length has to be refused: its last product has no partner.",
            "An odd length gets through.",
            also=(_zero_at_the_end,)),
    ],
    alternatives=[_loop, _reshaped, _in_float],
    hints=(
        "Widen first: `a.astype(np.int32) * b.astype(np.int32)` has room for every product.",
        "`products[0::2] + products[1::2]` are the pair sums. `np.clip` clamps them.",
        "The clamped pair sums are added without clamping again.",
    ),
    worth_knowing="With weights from -64 to 63 no pair can leave the 16 bits: the sums lie from -32,640 to 32,130.",
)

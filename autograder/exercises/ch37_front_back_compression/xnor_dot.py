"""Exercise 37.xnor_dot: a dot product of signs on packed bits."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np

from utils.compression import binary

from ...compare import exact, prop
from ...exercise import Case, Exercise, Misconception

PROBE = "ch37_front_back_compression.packed"
_PRODUCTS = {"dot", "vdot", "inner", "outer", "matmul", "einsum", "multiply", "tensordot", "vecdot", "prod", "mul", "sumprod",
             "correlate", "convolve", "kron"}


def packed_only(tree: ast.AST) -> str | None:
    """Products of two vectors are forbidden, and np.packbits has to be there. A number times a count is allowed."""
    nodes = list(ast.walk(tree))
    attributes = {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    imported = {a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
    names = attributes | called | imported  # a variable may be called `dot`
    for node in nodes:
        if isinstance(node, (ast.BinOp, ast.AugAssign)):
            sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
            if isinstance(node.op, ast.MatMult) or (isinstance(node.op, ast.Mult) and not any(map(_is_number, sides))):
                return "There is a multiplication here. Compare packed bits instead; a constant times a count is fine."
    used = sorted(names & _PRODUCTS)
    if used:
        return f"`{used[0]}` multiplies. Compare packed bits instead."
    return None if "packbits" in names else "Pack both vectors with `np.packbits` first, and work on the bytes."


def _is_number(node: ast.AST) -> bool:
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


Count = Callable[[np.ndarray, np.ndarray, int], int]


def _answer(count: Count, *, check: bool = True, pack: Callable = lambda v: np.packbits(v > 0)) -> Callable:
    """Packs both and lets count(bytes of a, bytes of b, n) do the rest."""

    def answer(a: np.ndarray, b: np.ndarray) -> int:
        if check:
            for v in (a, b):
                if not np.all((v == 1) | (v == -1)):
                    raise ValueError("only +1 and -1")
            if len(a) != len(b):
                raise ValueError("one length")
        return count(pack(a), pack(b), len(a))

    return answer


def _both(*counts: Count, **parts: Callable) -> dict:
    """`answer` and `also` of a misconception: each count with and without the refusals."""
    first, *more = [_answer(count, **parts, check=check) for count in counts for check in (True, False)]
    return {"answer": first, "also": tuple(more)}


def _ones(words: np.ndarray) -> int:
    return int(np.bitwise_count(words).sum())


def _packed_as_they_are(v: np.ndarray) -> np.ndarray:
    return np.packbits(v.astype(int))


def _products(a: np.ndarray, b: np.ndarray) -> int:
    if len(a) != len(b) or np.any(np.abs(a) != 1) or np.any(np.abs(b) != 1):
        raise ValueError("vectors of +1 and -1 of one length")
    return int(np.dot(a, b))


def _equal_values(a: np.ndarray, b: np.ndarray) -> int:
    if len(a) != len(b) or np.any(np.abs(a) != 1) or np.any(np.abs(b) != 1):
        raise ValueError("vectors of +1 and -1 of one length")
    return 2 * int(np.sum(a == b)) - len(a)


def _values_alone(a: np.ndarray, b: np.ndarray) -> int:
    """Refuses other values, and takes the shorter length."""
    for v in (a, b):
        if not np.all((v == 1) | (v == -1)):
            raise ValueError("only +1 and -1")
    n = min(len(a), len(b))
    return n - 2 * _ones(np.packbits(a[:n] > 0) ^ np.packbits(b[:n] > 0))


# --- right in other ways --------------------------------------------------------------------------


def _unpacked(a: np.ndarray, b: np.ndarray) -> int:
    if a.shape != b.shape or set(a.tolist()) - {1, -1} or set(b.tolist()) - {1, -1}:
        raise ValueError("a and b must hold +1 and -1")
    differ = np.bitwise_xor(np.packbits(a == 1), np.packbits(b == 1))
    return len(a) - 2 * int(np.unpackbits(differ).sum())


def _table(a: np.ndarray, b: np.ndarray) -> int:
    if len(a) != len(b):
        raise ValueError("one length, please")
    if not (np.isin(a, (-1, 1)).all() and np.isin(b, (-1, 1)).all()):
        raise ValueError("signs alone")
    ones_in = np.array([bin(byte).count("1") for byte in range(256)])
    agree = ~(np.packbits(a < 0) ^ np.packbits(b < 0))
    filling = -len(a) % 8
    return 2 * (int(ones_in[agree].sum()) - filling) - len(a)


def _one_big_number(a: np.ndarray, b: np.ndarray) -> int:
    a, b = np.asarray(a), np.asarray(b)
    if a.size != b.size or any(v not in (-1, 1) for v in [*a.tolist(), *b.tolist()]):
        raise ValueError("signs of one length")
    x, y = (int.from_bytes(np.packbits(v > 0).tobytes(), "big") for v in (a, b))
    return a.size - 2 * (x ^ y).bit_count()


def _stacked(a: np.ndarray, b: np.ndarray) -> int:
    if len(a) != len(b):
        raise ValueError("lengths differ")
    both = np.stack([a, b])
    if not np.all(np.abs(both) == 1):
        raise ValueError("signs alone")
    x, y = np.packbits(both == 1, axis=1)
    only_a, only_b = _ones(x & ~y), _ones(~x & y)
    return both.shape[1] - 2 * (only_a + only_b)


# --- cases ------------------------------------------------------------------------------------------


def _signs(rng: np.random.Generator, n: int, share: float = 0.5) -> np.ndarray:
    return np.where(rng.random(n) < share, 1, -1)


def _pair(n: int, seed: int, dtype: type = np.int64, share: float = 0.5) -> Case:
    rng = np.random.default_rng(seed)
    a, b = _signs(rng, n, share).astype(dtype), _signs(rng, n, share).astype(dtype)
    return Case(a, b, label=f"{n:,} random signs ({np.dtype(dtype)})")


def _case(a: list[float], b: list[float]) -> Case:
    return Case(np.array(a), np.array(b))


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(1, 70))
    dtype = (np.int64, np.int8, np.float32)[int(rng.integers(3))]
    share = float(rng.uniform(0.1, 0.9))
    return Case(_signs(rng, n, share).astype(dtype), _signs(rng, n, share).astype(dtype), label=f"{n} random signs ({np.dtype(dtype)})")


def _works_on_bytes(case: Case, expected: dict, got: dict) -> str | None:
    n = case.kwargs["n"]
    if got["value"] != expected["value"]:
        return f"{got['value']}, expected {expected['value']}"
    if got["bits_packed"] < 2 * n:
        return f"{got['bits_packed']:,} bits went through np.packbits, expected {2 * n:,}"
    if got["long_pairs"]:
        return f"{got['long_pairs']} operations went over a and b value by value"
    return None


def _same_way(one: dict, other: dict, case: Case) -> str | None:
    """Two answers agree when their values do, and either both or none worked on packed bits."""
    ways = [told["bits_packed"] >= 2 * case.kwargs["n"] and not told["long_pairs"] for told in (one, other)]
    return exact()([one["value"], ways[0]], [other["value"], ways[1]], case)


xnor_dot = Exercise(
    id="37.xnor_dot", points=3, difficulty=2, minutes=12, idea="agree minus differ, counted in bits",
    reference=binary.xnor_dot,
    cases=[_case([1, 1, -1], [1, -1, -1]), _case([1, -1, 1, -1, 1, -1, 1, -1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1, -1])],
    hidden=[
        _case([1], [1]), _case([-1], [1]), _case([-1] * 8, [-1] * 8), _case([-1] * 9, [-1] * 9), _case([1] * 16, [-1] * 16),
        _case([-1, -1, -1], [-1, -1, -1]), _pair(10_000, 0), _pair(9_999, 1, np.int8), _pair(65, 2, np.float64), _pair(7, 3),
        _pair(513, 4, np.float32, 0.05),
    ],
    draw=_draw, draws=30,
    raises=[_case([1, 0, -1], [1, 1, 1]), _case([1, 1, 1], [1, 0, -1]), _case([1, 2], [1, 1]), _case([-1, 1], [-3, 1]),
            _case([0.5, 1.0], [1.0, 1.0]), _case([1.0, float("nan")], [1.0, 1.0]), _case([1, 1, 1], [1, 1]), _case([1], [1] * 9)],
    limits=[Case(n=4_000, seed=5, probe=PROBE, compare=prop(_works_on_bytes, same=_same_way),
                 label="4,000 signs: are they packed, and what goes over them")],
    compare=exact(), forbid=packed_only,
    misconceptions=[
        Misconception(
            "agreements", **_both(lambda a, b, n: n - _ones(a ^ b)),
            message="You count the positions where the signs agree. Each of them adds 1 to the dot product, and each of the others takes 1 "
                    "away.",
            title="That counts agreements."),
        Misconception(
            "differences", **_both(lambda a, b, n: _ones(a ^ b)),
            message="You count the positions where the signs differ, the Hamming distance. Where they agree the product is +1, where they "
                    "differ it is −1: both have to enter.",
            title="That counts differences."),
        Misconception(
            "filling_agrees", **_both(lambda a, b, n: 2 * _ones(~(a ^ b)) - n, lambda a, b, n: _ones(~(a ^ b))),
            message="np.packbits fills the last byte with zeros, on both sides. After xnor they look like agreements. Look at a length "
                    "that is no multiple of 8; xor does not see the filling.",
            title="The filling is counted."),
        Misconception(
            "whole_bytes", **_both(lambda a, b, n: 8 * len(a) - 2 * _ones(a ^ b)),
            message="You take 8 · bytes for the length. The last byte may be filled up: use the length of the vectors.",
            title="The length is that of the bytes."),
        Misconception(
            "and_for_xnor", **_both(lambda a, b, n: _ones(a & b), lambda a, b, n: 2 * _ones(a & b) - n),
            message="`and` multiplies bits that mean 0 and 1. Here they mean −1 and +1: two zeros agree as well as two ones.",
            title="The bits mean −1 and +1."),
        Misconception(
            "sign_turned", **_both(lambda a, b, n: 2 * _ones(a ^ b) - n),
            message="The sign is the wrong way round: equal vectors should give +n. xor marks where they *differ*.",
            title="The sign is turned."),
        Misconception(
            "packs_the_values", _answer(lambda a, b, n: n - 2 * _ones(a ^ b), pack=np.packbits),
            "np.packbits takes every number that is not 0 for a 1, and so −1 too. Every vector becomes all ones. Make bits of it "
                    "first.",
            "−1 became a 1.",
            also=tuple(_answer(lambda a, b, n: n - 2 * _ones(a ^ b), pack=pack, check=check)
                       for pack, check in ((np.packbits, False), (_packed_as_they_are, True), (_packed_as_they_are, False)))),
        Misconception(
            "one_for_a_difference", **_both(lambda a, b, n: n - _ones(a ^ b) - int(_ones(a ^ b) > 0)),
            message="A difference costs 2: it takes away a +1 and adds a −1.",
            title="A difference counts twice."),
        Misconception(
            "unsigned", **_both(lambda a, b, n: int(np.uint64(n) - np.uint64(2) * np.bitwise_count(a ^ b).sum(dtype=np.uint64))),
            message="The result is huge where it should be negative: the count is an unsigned number, and below 0 it wraps around. "
                    "Make an int of the count before you subtract.",
            title="An unsigned count wraps around."),
        Misconception(
            "products", _products,
            "The value is right, but the vectors are multiplied or compared one by one. Pack both, so that one operation on a byte handles 8 "
            "positions, and work on the bytes alone.",
            "Not on packed bits.", also=(_equal_values,)),
        Misconception(
            "no_refusal", _answer(lambda a, b, n: n - 2 * _ones(a ^ b), check=False),
            "Values other than +1 and −1 turn into bits all the same, and the result means nothing. Refuse them with a ValueError, and "
            "vectors of different lengths as well.",
            "A 0 has no sign.", also=(_values_alone,)),
    ],
    alternatives=[_unpacked, _table, _one_big_number, _stacked],
    hints=(
        "Write the dot product as (positions that agree) − (positions that differ), and both with n and the second one.",
        "`np.packbits(a > 0)` makes 8 signs a byte. `^` on two arrays of bytes marks the positions that differ.",
        "`np.bitwise_count` counts the ones in each byte. `np.packbits` fills the last byte with zeros on both sides: what does `^` make of them?",
    ),
    worth_knowing="On a real CPU one 64-bit xor and one popcount stand for 64 multiply-adds, if the activations are signs too.",
)

"""Exercise 53.break_even_density: up to which density does CSR save bytes?"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from utils.compression import sparsity

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _edge(rows: int, cols: int, value_bytes: float, index_bytes: int, *, pointers: str = "rows+1", each: str = "csr",
          clamp: bool = True, result: str = "density", whole: bool = False, value_scale: float = 1.0) -> float:
    """The density with one mistake; with its defaults it is right (an independent formulation)."""
    value = value_bytes * value_scale
    count = {"rows+1": rows + 1, "rows": rows, "none": 0, "cols+1": cols + 1}[pointers]
    one = {"csr": value + index_bytes, "coo": value + 2 * index_bytes, "values": value}[each]
    nnz = (rows * cols * value - count * index_bytes) / one
    if clamp:
        nnz = max(nnz, 0)
    if whole:
        nnz = math.floor(nnz)
    found = nnz / (rows * cols)
    return {"density": found, "sparsity": 1 - found, "count": nnz, "percent": 100 * found}[result]


def _half(rows: int, cols: int, value_bytes: float, index_bytes: int) -> float:
    return 0.5


def _by_bisection(rows: int, cols: int, value_bytes: float, index_bytes: int) -> float:
    def csr(density: float) -> float:
        return density * rows * cols * (value_bytes + index_bytes) + (rows + 1) * index_bytes

    low, high = 0.0, 1.0
    if csr(low) > rows * cols * value_bytes:
        return 0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if csr(middle) <= rows * cols * value_bytes else (low, middle)
    return low


def _by_shares(rows: int, cols: int, value_bytes: float, index_bytes: int) -> float:
    """In units of a dense row: what its pointer takes away, over what a full row of values and indices would need."""
    pointer = index_bytes * (1 + 1 / rows) / cols
    return (value_bytes - pointer) / (value_bytes + index_bytes) if value_bytes > pointer else 0.0


def _draw(rng: np.random.Generator) -> Case:
    largest = int(rng.choice([4, 30, 3000]))
    rows, cols = (int(n) for n in rng.integers(1, largest + 1, 2))
    return Case(rows, cols, float(rng.choice([0.5, 1, 2, 4, 8])), int(rng.choice([2, 4, 8])))


break_even_density = Exercise(
    id="53.break_even_density", points=4, difficulty=2, minutes=8, idea="an index beside each value has a price",
    reference=sparsity.break_even_density,
    cases=[Case(1024, 1024, 4, 4), Case(1024, 1024, 2, 4), Case(1024, 1024, 1, 4), Case(2, 3, 2, 4)],
    hidden=[
        Case(1, 1, 1, 8), Case(1, 1, 8, 2), Case(1, 4096, 2, 4), Case(4096, 1, 2, 4), Case(10, 10, 2, 2), Case(1024, 1024, 0.5, 4),
        Case(1, 2, 4, 4), Case(100, 7, 8, 4), Case(7, 100, 8, 4), Case(4096, 4096, 2, 2), Case(3, 3, 1, 2),
    ],
    # a closed form and a bisection agree to a few units in the last place of a number up to 1
    draw=_draw, draws=60, compare=close(rtol=1e-9, atol=1e-12),
    misconceptions=[
        Misconception(
            "half", _half,
            "One half is about right for 4-byte values with 4-byte indices. An FP16 value drags along an index of twice its own "
            "size, so CSR takes three times a value's bytes. Write down both byte counts.",
            "It is not always one half."),
        Misconception(
            "no_pointers", partial(_edge, pointers="none"),
            "The row pointers are missing: rows + 1 of them, whatever the density is. Small and narrow matrices feel them.",
            "The row pointers are missing.", also=(partial(_edge, pointers="none", clamp=False),)),
        Misconception(
            "rows_only", partial(_edge, pointers="rows"),
            "There is one pointer too few. The last row needs an end as well: rows + 1 pointers.",
            "One pointer is missing.", also=(partial(_edge, pointers="rows", clamp=False),)),
        Misconception(
            "column_pointers", partial(_edge, pointers="cols+1"),
            "You counted a pointer for each column. CSR compresses the rows; a pointer a column would be CSC.",
            "Pointers belong to rows.", also=(partial(_edge, pointers="cols+1", clamp=False),)),
        Misconception(
            "sparsity", partial(_edge, result="sparsity"),
            "This is the share of zeros, the sparsity. The task asks for the density, the share that is not zero.",
            "That is the sparsity.",
            also=(partial(_edge, result="sparsity", clamp=False), partial(_edge, result="sparsity", pointers="none"))),
        Misconception(
            "bits_and_bytes", partial(_edge, value_scale=8),
            "Bits and bytes were mixed: the value came in as bits, the index as bytes. Use one unit for both.",
            "Two units were mixed.",
            also=(partial(_edge, value_scale=8, clamp=False), partial(_edge, value_scale=8, pointers="none"),
                  partial(_edge, value_scale=1 / 8), partial(_edge, value_scale=1 / 8, pointers="none"))),
        Misconception(
            "coo", partial(_edge, each="coo"),
            "You stored two indices with each value. In CSR the row comes from the pointers: a value carries its column only.",
            "Each value carries one index.",
            also=(partial(_edge, each="coo", clamp=False), partial(_edge, each="coo", pointers="none"))),
        Misconception(
            "free_indices", partial(_edge, each="values"),
            "The column indices are missing: each stored value brings one of `index_bytes`.",
            "The column indices are missing.",
            also=(partial(_edge, each="values", clamp=False), partial(_edge, each="values", pointers="none"))),
        Misconception(
            "negative", partial(_edge, clamp=False),
            "A density cannot be negative. Here even an empty CSR is larger than the dense array: its pointers alone weigh more.",
            "A density below 0."),
        Misconception(
            "whole_count", partial(_edge, whole=True),
            "You rounded to a whole number of values. The task asks for the density as a real number.",
            "The count was rounded."),
        Misconception(
            "count", partial(_edge, result="count"),
            "This is how many values may be stored. The density is their share of rows · cols.",
            "That is a count.", also=(partial(_edge, result="percent"),)),
    ],
    alternatives=[_edge, _by_bisection, _by_shares],
    hints=(
        "With density d there are d · rows · cols values. Write the bytes of the dense array, and those of CSR with d in them.",
        "CSR: d · rows · cols · (value_bytes + index_bytes) + (rows + 1) · index_bytes. Set both equal and solve for d.",
        "If the pointers alone are larger than the dense array, d comes out negative. What is the answer then?",
    ),
    worth_knowing="Density 0.33 is a sparsity of 67 %: that is where FP16 with 4-byte indices breaks even. With 2-byte indices, which reach "
    "65,536 columns, it is 50 %.",
)

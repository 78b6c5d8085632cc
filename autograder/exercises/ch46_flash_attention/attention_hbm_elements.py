"""Exercise 46.attention_hbm_elements: the elements that attention moves through memory."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np

from utils.attention import flash, hbm

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _traffic(*, standard: Callable | None = None, flash1: Callable | None = None, flash2: Callable | None = None,
             causal_flash2: Callable | None = None, causal_factor: float = 1, item_bytes: int = 1) -> Callable:
    """A counter with some of its formulas replaced; each takes (n, d, block_q, block_k)."""
    formulas = {"standard": standard, "flash1": flash1, "flash2": flash2}

    def counter(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> float:
        right = hbm.attention_hbm_elements(n, d, block_q, block_k, algorithm, causal)
        formula = causal_flash2 if causal and algorithm == "flash2" else formulas[algorithm]
        if causal and causal_factor != 1:
            return int(causal_factor * hbm.attention_hbm_elements(n, d, block_q, block_k, algorithm))
        return item_bytes * (right if formula is None else formula(n, d, block_q, block_k))

    return counter


def _count_loops(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> int:
    """Goes through the loops and adds up what each step moves."""
    if block_q < 1 or block_k < 1:
        raise ValueError(f"block sizes must be >= 1, got {block_q} and {block_k}")
    q_tiles = [min(block_q, n - i) for i in range(0, n, block_q)]
    k_tiles = [min(block_k, n - j) for j in range(0, n, block_k)]
    if algorithm == "standard":
        return 3 * n * d + n * n + n * n + n * n + n * n + n * d
    moved = 0
    if algorithm == "flash1":
        moved += n * d + n + n
        for c in k_tiles:
            moved += 2 * c * d + sum(r * d + 2 * (r * d + 2 * r) for r in q_tiles)
        return moved
    if algorithm != "flash2":
        raise ValueError(f"algorithm must be standard, flash1 or flash2, got {algorithm!r}")
    last = -1
    for r in q_tiles:
        last += r
        first = 0
        for c in k_tiles:
            moved += 2 * c * d if first <= last or not causal else 0
            first += c
        moved += 2 * r * d + r
    return moved


def _count_by_running(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> int:
    """Runs the algorithms on zeros with a meter."""
    from utils.attention.standard import standard_attention

    meter, x = hbm.HBM(), np.zeros((n, d))
    if block_q < 1 or block_k < 1:
        raise ValueError("block sizes must be >= 1")
    if algorithm == "standard":
        standard_attention(x, x, x, hbm=meter)
    elif algorithm == "flash1":
        flash.flash_forward_v1(x, x, x, block_q, block_k, meter)
    elif algorithm == "flash2":
        flash.flash_forward(x, x, x, block_q, block_k, causal, hbm=meter)
    else:
        raise ValueError("unknown algorithm")
    return meter.elements


def _closed_form(n: int, d: int, block_q: int, block_k: int, algorithm: str, causal: bool = False) -> int:
    """Whole tiles by formula, the ragged last one apart."""
    if min(block_q, block_k) < 1 or algorithm not in ("standard", "flash1", "flash2"):
        raise ValueError("block sizes must be >= 1 and the algorithm known")
    if algorithm == "standard":
        return 4 * n * (n + d)
    if algorithm == "flash1":
        return 3 * n * d + 2 * n + ceil(n / block_k) * n * (3 * d + 4)
    keys = [n] * ceil(n / block_q)
    if causal:
        keys = [min(n, ceil(min(n, (i + 1) * block_q) / block_k) * block_k) for i in range(len(keys))]
    return 2 * n * d + n + 2 * d * sum(keys)


def _floor_flash1(n: int, d: int, block_q: int, block_k: int) -> int:
    return 3 * n * d + 2 * n + n // block_k * (3 * n * d + 4 * n)


def _floor_flash2(n: int, d: int, block_q: int, block_k: int) -> int:
    return 2 * n * d + n + 2 * n * d * (n // block_q)


def _floor_causal(n: int, d: int, block_q: int, block_k: int) -> int:
    """Whole tiles only, in both directions."""
    return 2 * n * d + n + sum(2 * d * min(n // block_k, ceil((i + 1) * block_q / block_k)) * block_k
                               for i in range(n // block_q))


def _visible_only(n: int, d: int, block_q: int, block_k: int) -> int:
    """Loads keys up to the tile's last query, not whole tiles."""
    return 2 * n * d + n + sum(2 * d * min(n, i + block_q) for i in range(0, n, block_q))


def _without_diagonal(n: int, d: int, block_q: int, block_k: int) -> int:
    """Loads only tiles that are visible altogether."""
    return 2 * n * d + n + sum(2 * d * ((i + 1) // block_k) * block_k for i in range(0, n, block_q))


def _flash2_formula(n: int, d: int, block_q: int, block_k: int) -> int:
    return hbm.attention_hbm_elements(n, d, block_q, block_k, "flash2")


def _flash1_formula(n: int, d: int, block_q: int, block_k: int) -> int:
    return hbm.attention_hbm_elements(n, d, block_q, block_k, "flash1")


def _draw_traffic(rng: np.random.Generator) -> Case:
    n, d = int(rng.integers(1, 70)), int(rng.integers(1, 20))
    algorithm = str(rng.choice(["standard", "flash1", "flash2", "flash2"]))
    return Case(n, d, int(rng.integers(1, 24)), int(rng.integers(1, 24)), algorithm, bool(rng.integers(2)))


attention_hbm_elements = Exercise(
    id="46.attention_hbm_elements", points=4, difficulty=2, minutes=20, idea="count what crosses the memory boundary",
    reference=hbm.attention_hbm_elements,
    cases=[
        Case(8, 4, 2, 2, "standard"), Case(8, 4, 2, 2, "flash1"), Case(8, 4, 2, 2, "flash2"),
        Case(8, 4, 2, 2, "flash2", True), Case(1024, 64, 128, 64, "flash2", True), Case(1024, 64, 64, 384, "flash1"),
    ],
    hidden=[
        Case(1024, 64, 128, 64, "standard"), Case(1024, 64, 128, 64, "flash2"), Case(67, 16, 16, 8, "flash1"),
        Case(67, 16, 16, 8, "flash2"), Case(67, 16, 16, 8, "flash2", True), Case(67, 16, 8, 16, "flash2", True),
        Case(10, 4, 3, 7, "flash2", True), Case(5, 3, 20, 30, "flash1"), Case(5, 3, 20, 30, "flash2"),
        Case(5, 3, 20, 30, "flash2", True), Case(1, 1, 1, 1, "standard"), Case(1, 1, 1, 1, "flash1"),
        Case(1, 1, 1, 1, "flash2", True), Case(12, 4, 3, 2, "standard", True), Case(12, 4, 3, 2, "flash1", True),
        Case(12, 4, 2, 3, "flash2", causal=True),
    ],
    draw=_draw_traffic, draws=40,
    raises=[Case(8, 4, 0, 2, "flash2"), Case(8, 4, 2, 0, "flash1"), Case(8, 4, 0, 2, "standard"), Case(8, 4, 2, -1, "standard"),
            Case(8, 4, -2, 2, "flash1"), Case(8, 4, 2, 2, "flash9"), Case(8, 4, 2, 2, "")],
    compare=exact(),
    misconceptions=[
        Misconception(
            "half_for_causal", _traffic(causal_flash2=lambda *a: _flash2_formula(*a) // 2),
            "Q, O and lse still move in full, and a tile on the diagonal is loaded whole. Only K and V of skipped tiles are "
            "saved. Go through the query tiles one by one: up to which key tile does each go?",
            "Causal is not half of everything.",
            also=(_traffic(causal_flash2=lambda *a: _flash2_formula(*a) / 2),
                  _traffic(causal_factor=0.5),
                  _traffic(causal_flash2=lambda n, d, r, c: 2 * n * d + n + n * d * ceil(n / r)))),
        Misconception(
            "visible_keys_only", _traffic(causal_flash2=_visible_only),
            "A tile is loaded whole or not at all. You stop at the last visible key; the tile that it lies in still comes "
            "with all its keys.",
            "Partly visible tiles are whole.",
            also=(_traffic(causal_flash2=_without_diagonal),)),
        Misconception(
            "no_skip", _traffic(causal_flash2=_flash2_formula),
            "With `causal`, a query tile needs no key tile that begins behind its last query. Those tiles are never "
            "loaded, and you count them.",
            "Nothing is skipped."),
        Misconception(
            "floor_of_tiles", _traffic(flash1=_floor_flash1, flash2=_floor_flash2),
            "N / block is not always whole. A last, shorter tile is a pass over the data like the others: round the number "
            "of tiles up.",
            "The last tile is not counted.",
            also=(_traffic(flash1=_floor_flash1, flash2=_floor_flash2, causal_flash2=_floor_causal),
                  _traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + n / c * (3 * n * d + 4 * n),
                           flash2=lambda n, d, r, c: 2 * n * d + n + 2 * n * d * n / r),
                  _traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + int(n / c * (3 * n * d + 4 * n)),
                           flash2=lambda n, d, r, c: 2 * n * d + n + int(2 * n * d * n / r)))),
        Misconception(
            "scores_in_memory", _traffic(flash1=lambda n, *a: _flash1_formula(n, *a) + 2 * n * n,
                                         flash2=lambda n, *a: _flash2_formula(n, *a) + 2 * n * n),
            "You count the scores for the flash algorithms as well. A tile of S is made on chip, used and thrown away: it "
            "never crosses the boundary.",
            "S stays on chip.",
            also=(_traffic(flash1=lambda n, *a: _flash1_formula(n, *a) + 4 * n * n,
                           flash2=lambda n, *a: _flash2_formula(n, *a) + 4 * n * n),
                  _traffic(flash1=lambda n, *a: _flash1_formula(n, *a) + n * n,
                           flash2=lambda n, *a: _flash2_formula(n, *a) + n * n))),
        Misconception(
            "three_n_squared", _traffic(standard=lambda n, d, r, c: 3 * n * n + 4 * n * d),
            "S is written and read back, and so is P. That makes four passes over an N × N matrix.",
            "A pass over N × N is missing.",
            also=(_traffic(standard=lambda n, d, r, c: 2 * n * n + 4 * n * d),
                  _traffic(standard=lambda n, d, r, c: n * n + 4 * n * d))),
        Misconception(
            "bytes", _traffic(item_bytes=2),
            "This is the number of bytes in FP16. Asked is the number of elements, whatever their size.",
            "You count bytes.", also=(_traffic(item_bytes=4), _traffic(item_bytes=8))),
        Misconception(
            "keys_read_once", _traffic(flash2=lambda n, d, r, c: 4 * n * d + n, causal_flash2=lambda n, d, r, c: 4 * n * d + n),
            "For `flash2` the loop over queries is outside. Each query tile goes through the keys again, so K and V are "
            "read as often as there are query tiles.",
            "K and V are read again.", also=(_traffic(flash2=lambda n, d, r, c: 4 * n * d + n),)),
        Misconception(
            "output_moves_once", _traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + ceil(n / c) * n * d),
            "For `flash1` the keys are outside. At each key tile every row of O, l and m comes in and goes out again, "
            "because the next tile may change it.",
            "O, l and m move every time.",
            also=(_traffic(flash1=lambda n, d, r, c: 3 * n * d + 2 * n + ceil(n / c) * (2 * n * d + 2 * n)),)),
    ],
    alternatives=[_count_loops, _count_by_running, _closed_form],
    hints=(
        "Write the two loops down and note beside each line what is loaded or stored. Then multiply by how often the line runs.",
        "flash1: with T key tiles, (N·d + 2N) for the start, 2·N·d for K and V, and T times (3·N·d + 4·N).",
        "Causal flash2: a query tile that ends before row e needs the key tiles that begin before e. They hold "
        "ceil(e / block_k)·block_k keys, but never more than n.",
    ),
    worth_knowing="At tiles of 2 × 2 flash1 moves more than standard attention. The gain comes from tiles that are large.",
)

"""What a FlashAttention kernel does, tile by tile: the score grid's film and its meter readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from utils.attention.hbm import check_blocks, tiles
from utils.cost.checks import positive


@dataclass(frozen=True)
class TileEvent:
    """One tile of the N x N score grid, in the order in which the kernel meets it.

    `rows` and `cols` are (start, stop). A skipped tile moves nothing. `reads` and `writes` are elements moved
    through HBM since the start, this step included. `done_rows` rows of O are final, from the top.
    """

    step: int
    rows: tuple[int, int]
    cols: tuple[int, int]
    skipped: bool
    reads: int
    writes: int
    done_rows: int

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


# rows, cols, skipped, elements read, elements written, rows final after it
_Step = tuple[slice, slice, bool, int, int, int]


def _flash1_steps(n: int, br: int, bc: int, d: int) -> Iterator[_Step]:
    start = n * d + 2 * n  # O, l and m are initialised in HBM
    for cols in tiles(n, bc):
        for rows in tiles(n, br):
            r, c = rows.stop - rows.start, cols.stop - cols.start
            reads = 2 * r * d + 2 * r + (2 * c * d if rows.start == 0 else 0)
            done = rows.stop if cols.stop == n else 0
            yield rows, cols, False, reads, r * d + 2 * r + start, done
            start = 0


def _flash2_steps(n: int, br: int, bc: int, d: int, causal: bool) -> Iterator[_Step]:
    for rows in tiles(n, br):
        r = rows.stop - rows.start
        for cols in tiles(n, bc):
            if causal and cols.start >= rows.stop:
                yield rows, cols, True, 0, 0, rows.stop
                continue
            reads = 2 * (cols.stop - cols.start) * d + (r * d if cols.start == 0 else 0)
            last = cols.stop == n or (causal and cols.stop >= rows.stop)
            yield rows, cols, False, reads, (r * d + r if last else 0), rows.stop if last else rows.start


def flash_trace(n: int, br: int, bc: int, causal: bool, algorithm: Literal["flash1", "flash2"],
                d: int = 64) -> list[TileEvent]:
    """All tiles of an n x n attention in kernel order, with the HBM traffic of each.

    "flash1" walks down the columns and ignores `causal`; "flash2" walks along the rows and skips tiles without
    a visible key. The last reading equals `attention_hbm_elements`. Raises ValueError for a size below 1 or
    another algorithm.

    >>> [(e.rows, e.cols) for e in flash_trace(4, 2, 2, True, "flash2") if not e.skipped]
    [((0, 2), (0, 2)), ((2, 4), (0, 2)), ((2, 4), (2, 4))]
    """
    check_blocks(br, bc)
    positive(n=n, d=d)
    if algorithm not in ("flash1", "flash2"):
        raise ValueError(f"algorithm must be 'flash1' or 'flash2', got {algorithm!r}")
    steps = _flash1_steps(n, br, bc, d) if algorithm == "flash1" else _flash2_steps(n, br, bc, d, causal)
    events, reads, writes = [], 0, 0
    for step, (rows, cols, skipped, read, written, done) in enumerate(steps):
        reads, writes = reads + read, writes + written
        events.append(TileEvent(step, (rows.start, rows.stop), (cols.start, cols.stop), skipped, reads, writes, done))
    return events

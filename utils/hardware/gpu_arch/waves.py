"""Waves: the tiles of a matrix product are blocks, and an SM that has none waits for the last of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True)
class Waves:
    """Tiles of a product, the waves in which they run, and the share of the slots that have a tile (a fraction)."""

    tiles: int
    waves: int
    utilization: float


def wave_quantization(m: int, n: int, tile_m: int, tile_n: int, sms: int, blocks_per_sm: int = 1) -> Waves:
    """How an m x n result in tiles of tile_m x tile_n fills a GPU, if every tile takes equally long.

    A tile at the edge counts as a whole one. Raises ValueError unless all are at least 1.

    >>> wave_quantization(1152, 1664, 128, 128, 108)
    Waves(tiles=117, waves=2, utilization=0.5416666666666666)
    """
    for name, value in (("m", m), ("n", n), ("tile_m", tile_m), ("tile_n", tile_n), ("sms", sms),
                        ("blocks_per_sm", blocks_per_sm)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    tiles, slots = -(-m // tile_m) * -(-n // tile_n), sms * blocks_per_sm
    waves = -(-tiles // slots)
    return Waves(tiles, waves, tiles / (waves * slots))


def wave_efficiency(m: int, n: int, tile: int, sms: int) -> float:
    """Share of the SM slots of all waves that have a tile of tile x tile; one tile on an SM at a time.

    Raises ValueError unless all are at least 1.
    """
    return wave_quantization(m, n, tile, tile, sms).utilization


def wave_sweep(m: int, ns: Iterable[int], tile: int, sms: int) -> list[tuple[int, Waves]]:
    """(n, its waves) for growing n: the saw-tooth of a figure."""
    return [(n, wave_quantization(m, n, tile, tile, sms)) for n in ns]


@dataclass(frozen=True)
class PoolRow:
    """Measured: seconds for so many equal tiles on a pool of workers, the best of some repeats, and the waves."""

    tiles: int
    waves: int
    seconds: float


def pool_waves(workers: int, counts: Iterable[int], tile_s: float = 0.02, repeats: int = 3, *,
               work: Callable[[float], object] = time.sleep,
               clock: Callable[[], float] = time.perf_counter) -> list[PoolRow]:
    """Run equal tiles on a pool of `workers` threads, as SMs take blocks: the time rises by waves.

    The tiles sleep, so the threads do not compete for the CPU's cores. Raises ValueError unless workers and counts are
    at least 1.
    """
    rows = []
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, [tile_s] * workers))  # starts the threads
        for count in counts:
            waves = wave_quantization(count, 1, 1, 1, workers).waves
            best = float("inf")
            for _ in range(repeats):
                start = clock()
                list(pool.map(work, [tile_s] * count))
                best = min(best, clock() - start)
            rows.append(PoolRow(count, waves, best))
    return rows

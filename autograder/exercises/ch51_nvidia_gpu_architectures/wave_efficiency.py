"""Exercise 51.wave_efficiency: the last, partly empty wave."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import gpu_arch

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _checked(body: Callable[[int, int, int, int], float]) -> Callable:
    def answer(m: int, n: int, tile: int, sms: int) -> float:
        if min(m, n, tile, sms) < 1:
            raise ValueError("all must be at least 1")
        return body(m, n, tile, sms)

    return answer


def _tiles(m: int, n: int, tile: int) -> int:
    return math.ceil(m / tile) * math.ceil(n / tile)


def _share(tiles: float, sms: int) -> float:
    return tiles / (math.ceil(tiles / sms) * sms) if tiles else 0.0


def _rows_apart(m: int, n: int, tile: int, sms: int) -> float:
    """Each row of tiles is scheduled by itself."""
    rows, columns = math.ceil(m / tile), math.ceil(n / tile)
    return rows * columns / (rows * math.ceil(columns / sms) * sms)


def _average(m: int, n: int, tile: int, sms: int) -> float:
    return (_share(math.ceil(m / tile), sms) + _share(math.ceil(n / tile), sms)) / 2


def _with_waste(m: int, n: int, tile: int, sms: int) -> float:
    return m * n / (math.ceil(_tiles(m, n, tile) / sms) * sms * tile * tile)


def _by_counting(m: int, n: int, tile: int, sms: int) -> float:
    if any(v < 1 for v in (m, n, tile, sms)):
        raise ValueError("sizes")
    tiles = len(range(0, m, tile)) * len(range(0, n, tile))
    idle = -tiles % sms
    return tiles / (tiles + idle)


def _by_waves(m: int, n: int, tile: int, sms: int) -> float:
    if not (m >= 1 and n >= 1 and tile >= 1 and sms >= 1):
        raise ValueError("sizes")
    left, waves = ((m - 1) // tile + 1) * ((n - 1) // tile + 1), []
    while left > 0:
        waves.append(min(left, sms))
        left -= sms
    return float(np.mean(waves) / sms)


def _closed(m: int, n: int, tile: int, sms: int) -> float:
    if np.any(np.array([m, n, tile, sms]) < 1):
        raise ValueError("sizes")
    tiles = -(-m // tile) * -(-n // tile)
    full, rest = divmod(tiles, sms)
    return tiles / sms / (full + (rest > 0))


def _draw(rng: np.random.Generator) -> Case:
    tile = int(rng.choice([16, 32, 64, 100, 128, 256]))
    sms = int(rng.choice([1, 2, 7, 40, 80, 108, 132, 148]))
    m, n = (int(rng.integers(1, 20)) * tile if rng.random() < 0.4 else int(rng.integers(1, 3000)) for _ in range(2))
    return Case(m, n, tile, sms)


wave_efficiency = Exercise(
    id="51.wave_efficiency", points=4, difficulty=2, minutes=12, idea="the last wave is paid in full",
    reference=gpu_arch.wave_efficiency,
    cases=[Case(1152, 1536, 128, 108), Case(1152, 1664, 128, 108), Case(100, 300, 128, 8)],
    hidden=[Case(1152, 1537, 128, 108), Case(1, 1, 128, 1), Case(10, 10, 128, 108), Case(128, 128, 128, 1), Case(129, 129, 128, 2), Case(4096, 64, 64, 40), Case(64, 4096, 64, 40), Case(1000, 3, 10, 33), Case(7, 7, 1, 7), Case(256, 256, 128, 4), Case(257, 256, 128, 4)],
    raises=[Case(0, 64, 16, 8), Case(64, 0, 16, 8), Case(64, 64, 0, 8), Case(64, 64, 16, 0), Case(-64, -64, 16, 8), Case(64, 64, -16, 8), Case(64, 64, 16, -8)],
    draw=_draw, draws=40, compare=close(1e-9),
    misconceptions=[
        Misconception("floor_tiles", _checked(lambda m, n, tile, sms: _share((m // tile) * (n // tile), sms)),
                      "You drop the tiles at the edges. Every element of the result belongs to a tile: round the number of tiles up in both directions.", "Edge tiles run too.",
                      also=(_checked(lambda m, n, tile, sms: _share(max(m // tile, 1) * max(n // tile, 1), sms)),)),
        Misconception("waves_not_rounded", _checked(lambda m, n, tile, sms: 1.0),
                      "Your waves are not whole. 117 tiles on 108 SMs need two waves, not 1.08: the SMs that have no tile wait for the rest.", "Waves are whole.",
                      also=(_checked(lambda m, n, tile, sms: min(1.0, _tiles(m, n, tile) / sms)), _checked(lambda m, n, tile, sms: _tiles(m, n, tile) / sms),
                            _checked(lambda m, n, tile, sms: _tiles(m, n, tile) / (max(_tiles(m, n, tile) // sms, 1) * sms)))),
        Misconception("area", _checked(lambda m, n, tile, sms: _share(math.ceil(m * n / tile**2), sms)),
                      "You divide the area of the result by that of a tile. A tile at the edge is a whole block, however little of it is used: round up in each direction by itself.", "Round each direction by itself."),
        Misconception("edge_waste", _checked(_with_waste),
                      "You also count what is empty inside the tiles at the edge. Only whole tiles are asked: a slot with a tile is in use.", "Only idle slots count here."),
        Misconception("rows_apart", _checked(_rows_apart),
                      "You give each row of tiles waves of its own. All tiles stand in one list: the next row goes on where the last one ended.", "Tiles are one list.",
                      also=(_checked(lambda m, n, tile, sms: _rows_apart(n, m, tile, sms)), _checked(_average), _checked(lambda m, n, tile, sms: _share(math.ceil(m / tile), sms) * _share(math.ceil(n / tile), sms)))),
        Misconception("last_wave", _checked(lambda m, n, tile, sms: (_tiles(m, n, tile) % sms or sms) / sms),
                      "This is how full the last wave is. The share of the slots of *all* waves is asked.", "All waves count.",
                      also=(_checked(lambda m, n, tile, sms: _tiles(m, n, tile) % sms / sms),)),
        Misconception("one_too_many", _checked(lambda m, n, tile, sms: _tiles(m, n, tile) / ((_tiles(m, n, tile) // sms + 1) * sms)),
                      "You add a wave also where the tiles come out even. 108 tiles on 108 SMs are one wave.", "One wave too many.",
                      also=(_checked(lambda m, n, tile, sms: _share((m // tile + 1) * (n // tile + 1), sms)),)),
        Misconception("idle_share", _checked(lambda m, n, tile, sms: 1 - _share(_tiles(m, n, tile), sms)),
                      "This is the share of idle slots. The share with work is asked.", "Work, not idleness."),
        Misconception("unchecked", lambda m, n, tile, sms: _share(_tiles(m, n, tile), sms),
                      "Sizes below 1 are not refused. Raise ValueError for them.", "Bad sizes pass."),
    ],
    alternatives=[_by_counting, _by_waves, _closed],
    hints=("Tiles: rows of tiles times columns of tiles, each rounded up.", "Waves: tiles over SMs, rounded up. Slots: waves times SMs."),
    worth_knowing="Libraries choose smaller tiles, or split the sum of a tile over several SMs (split-K, stream-K), to fill the last wave.",
)

"""Exercise 08.median9: a median without sorting."""

from __future__ import annotations

import ast

import numpy as np

from utils.hardware import classical

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

_BANNED = {"sort", "sorted", "argsort", "partition", "argpartition", "median", "nanmedian", "percentile", "quantile", "nanpercentile", "nanquantile", "lexsort", "statistics", "heapq", "nsmallest", "nlargest", "median_filter", "unique"}


def no_sorting(tree: ast.AST) -> str | None:
    """A sentence if something is used that sorts."""
    for node in ast.walk(tree):
        names = [node.attr] if isinstance(node, ast.Attribute) else [node.id] if isinstance(node, ast.Name) else [a.name for a in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        for name in names:
            if name in _BANNED:
                return f"`{name}` is not allowed here: use np.minimum, np.maximum and np.roll."
    return None


def _planes(img: np.ndarray) -> list[np.ndarray]:
    return [np.roll(img, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def _ordered(planes: list[np.ndarray]) -> list[np.ndarray]:
    planes = list(planes)
    for end in range(len(planes) - 1, 0, -1):
        for i in range(end):
            planes[i], planes[i + 1] = np.minimum(planes[i], planes[i + 1]), np.maximum(planes[i], planes[i + 1])
    return planes


def _bubble(img: np.ndarray) -> np.ndarray:
    return _ordered(_planes(img))[4]


def _three(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.minimum(low, c), np.maximum(low, np.minimum(high, c)), np.maximum(high, c)


def _by_rows(img: np.ndarray) -> np.ndarray:
    """Sort rows, then: the largest of the smallest, the median of the medians, the smallest of the largest."""
    p = _planes(img)
    rows = [_three(*p[i : i + 3]) for i in (0, 3, 6)]
    low = np.maximum(np.maximum(rows[0][0], rows[1][0]), rows[2][0])
    middle = _three(rows[0][1], rows[1][1], rows[2][1])[1]
    high = np.minimum(np.minimum(rows[0][2], rows[1][2]), rows[2][2])
    return _three(low, middle, high)[1]


def _forgetful(img: np.ndarray) -> np.ndarray:
    """Drops minimum and maximum of six, then of five, and so on."""
    p = _planes(img)
    held, rest = p[:6], p[6:]
    while True:
        held = _ordered(held)[1:-1]
        if not rest:
            if len(held) == 1:
                return held[0]
            continue
        held.append(rest.pop(0))


def _of_rows(img: np.ndarray) -> np.ndarray:
    p = _planes(img)
    return _three(*(_three(*p[i : i + 3])[1] for i in (0, 3, 6)))[1]


def _separate(img: np.ndarray) -> np.ndarray:
    across = _three(*(np.roll(img, d, 1) for d in (-1, 0, 1)))[1]
    return _three(*(np.roll(across, d, 0) for d in (-1, 0, 1)))[1]


def _overwritten(img: np.ndarray) -> np.ndarray:
    planes = [p.copy() for p in _planes(img)]
    for i, j in classical.MEDIAN9_NETWORK:
        planes[i] = np.minimum(planes[i], planes[j])
        planes[j] = np.maximum(planes[i], planes[j])
    return planes[4]


def _short(img: np.ndarray) -> np.ndarray:
    planes = _planes(img)
    for i, j in classical.MEDIAN9_NETWORK[:-1]:
        planes[i], planes[j] = np.minimum(planes[i], planes[j]), np.maximum(planes[i], planes[j])
    return planes[4]


def _mirrored(img: np.ndarray) -> np.ndarray:
    padded = np.pad(img, 1, mode="edge")
    h, w = img.shape
    return _ordered([padded[y : y + h, x : x + w] for y in range(3) for x in range(3)])[4]


def _draw(rng: np.random.Generator) -> Case:
    h, w = (int(v) for v in rng.integers(3, 9, 2))
    img = rng.integers(0, int(rng.choice([2, 5, 256])), (h, w)) if rng.random() < 0.5 else np.round(rng.normal(size=(h, w)), 3)
    return Case(img, label=f"a drawn image of {h} x {w}, {img.dtype}")


_NOISE = np.array([[10, 10, 10, 10], [10, 99, 10, 10], [10, 10, 0, 10], [10, 10, 10, 10]])

median9 = Exercise(
    id="08.median9", points=5, difficulty=3, minutes=20, idea="a fixed network of minimum and maximum",
    reference=classical.median9,
    cases=[Case(np.arange(9).reshape(3, 3)), Case(_NOISE)],
    hidden=[Case(np.array([[1, 2, 9], [3, 4, 8], [5, 6, 7]])), Case(np.full((4, 3), 2.5)), Case(np.array([[1.0, 2, 3, 4, 5], [9, 8, 7, 6, 5], [1, 9, 1, 9, 1]])), Case(np.eye(6)), Case(-np.arange(20.0).reshape(4, 5)), Case(np.tile([0, 0, 1], (6, 2))), Case(np.array([[3, 3, 1], [1, 3, 3], [2, 2, 2]]))],
    draw=_draw, draws=30, compare=exact(dtype=False), forbid=no_sorting, pure=True,
    misconceptions=[
        Misconception("of_rows", _of_rows,
                      "You take the median of three medians. For rows 1 2 9, 3 4 8 and 5 6 7 that is 4; the median of all nine is 5.", "A median of medians is another number.", also=(_separate,)),
        Misconception("mean", lambda img: np.sum(_planes(np.asarray(img, float)), axis=0) / 9,
                      "You take the mean. One wild pixel moves it; the median ignores it.", "The mean is not the median."),
        Misconception("no_centre", lambda img: _ordered([p for i, p in enumerate(_planes(img)) if i != 4])[3],
                      "You look at eight neighbours. The pixel itself belongs to the window: nine values.", "The centre is missing.", also=(lambda img: _ordered([p for i, p in enumerate(_planes(img)) if i != 4])[4],)),
        Misconception("cross", lambda img: _ordered([_planes(img)[i] for i in (1, 3, 4, 5, 7)])[2],
                      "You look at the four direct neighbours and the centre. The window has the diagonals, too.", "The corners are missing."),
        Misconception("overwritten", _overwritten,
                      "You write the minimum over a value that the maximum still needs. Compute both before you assign: `a, b = np.minimum(a, b), np.maximum(a, b)`.", "A value is overwritten too early."),
        Misconception("minimum", lambda img: _ordered(_planes(img))[0],
                      "You return the smallest of the nine. The median is the fifth.", "The fifth, not the first.", also=(lambda img: _ordered(_planes(img))[8], lambda img: _ordered(_planes(img))[3], lambda img: _ordered(_planes(img))[5])),
        Misconception("too_short", _short,
                      "Some of your exchanges are missing: for some windows the middle value is not in its place yet.", "The network is too short."),
        Misconception("edges", _mirrored,
                      "At the border you repeat pixels. Here the image wraps round, as np.roll does.", "Borders wrap round."),
        Misconception("loses_dtype", lambda img: classical.median9(np.asarray(img, float)),
                      "Your result is floating-point for an image of integers. Minimum and maximum keep the type.", "The type has changed."),
    ],
    alternatives=[_bubble, _by_rows, _forgetful],
    hints=("Nine images: np.roll by -1, 0 and 1 along both axes. Work on whole images, not on pixels.", "A compare-exchange puts np.minimum into one image and np.maximum into the other. A bubble sort is a list of them.", "After sorting all nine the fifth is the median. 36 exchanges do it; 19 are enough."),
    worth_knowing="A median of Min and Max nodes runs on accelerators that know no sorting. And it takes the same time for every image.",
)

"""Exercise 08.kernel_from_impulse: a filter's kernel from its responses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import classical

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Filter = Callable[[np.ndarray], np.ndarray]


def _read(*, height: float = 1.0, divide: bool = True, flip: bool = True, transpose: bool = False, offset: int = 0, corner: bool = False, always: int | None = None,
          off_by: int = 0) -> Callable:
    """The kernel read from an impulse, with its rules exchangeable; right by default."""

    def answer(fn: Filter, k: int) -> np.ndarray:
        k = always or k
        r, side = k // 2, 4 * k + 3
        at = 0 if corner else side // 2
        img = np.full((side, side), float(offset))
        img[at, at] += height
        out = fn(img)
        if corner:
            near = out[:k, :k]
        else:
            near = out[at - r + off_by : at + r + 1 + off_by, at - r + off_by : at + r + 1 + off_by]
        near = near[::-1, ::-1] if flip else near
        near = near.T if transpose else near
        return near / height if divide else near.copy()

    return answer


def _least_squares(fn: Filter, k: int) -> np.ndarray:
    rng, r = np.random.default_rng(0), k // 2
    img = rng.normal(size=(2 * k + 5, 2 * k + 5))
    columns = [np.roll(img, (r - i, r - j), (0, 1)).ravel() for i in range(k) for j in range(k)]
    return np.linalg.lstsq(np.stack(columns, 1), np.asarray(fn(img)).ravel(), rcond=None)[0].reshape(k, k)


def _one_by_one(fn: Filter, k: int) -> np.ndarray:
    """One impulse for each weight: what arrives at the middle."""
    r, side = k // 2, 2 * k + 1
    found = np.zeros((k, k))
    for i in range(k):
        for j in range(k):
            img = np.zeros((side, side))
            img[k + i - r, k + j - r] = 1.0
            found[i, j] = fn(img)[k, k]
    return found


def _fourier(fn: Filter, k: int) -> np.ndarray:
    rng, side, r = np.random.default_rng(1), 2 * k + 9, k // 2
    img = rng.normal(size=(side, side))
    response = np.fft.ifft2(np.fft.fft2(fn(img)) / np.fft.fft2(img)).real  # of an impulse at (0, 0)
    return np.roll(response, (r, r), (0, 1))[:k, :k][::-1, ::-1].copy()


def _case(kernel: list | np.ndarray, k: int, label: str) -> Case:
    return Case(kernel=np.asarray(kernel, float).tolist(), k=k, label=label)


def _draw(rng: np.random.Generator) -> Case:
    inner = int(rng.choice([1, 3, 5]))
    k = inner + 2 * int(rng.integers(0, 2))
    return _case(np.round(rng.normal(size=(inner, inner)), 2), k, f"a drawn kernel of {inner} x {inner}, k = {k}")


_SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]

kernel_from_impulse = Exercise(
    id="08.kernel_from_impulse", points=4, difficulty=2, minutes=15, idea="an impulse shows the whole filter",
    reference=classical.kernel_from_impulse, probe="ch08_classical_vision_on_edge.impulse",
    cases=[_case(_SOBEL, 3, "Sobel x"), _case([[0, 0, 0], [0, 0, 1], [0, 0, 0]], 3, "each pixel becomes its right neighbour")],
    hidden=[_case(np.arange(9).reshape(3, 3), 3, "0 to 8"), _case(np.arange(25).reshape(5, 5) ** 2, 5, "squares, 5 x 5"), _case([[2.5]], 1, "times 2.5, k = 1"), _case(_SOBEL, 5, "Sobel x, k = 5"), _case(np.outer([1, 2, 1], [1, 2, 1]), 3, "Gauss"),
            _case(np.zeros((3, 3)), 3, "zero"), _case(np.triu(np.ones((7, 7))), 7, "a triangle, 7 x 7"), _case([[1, 2, 3, 4, 5]], 5, "a row of five")],
    draw=_draw, draws=15, compare=close(1e-6, 1e-9, dtype="any"),
    misconceptions=[
        Misconception("unflipped", _read(flip=False),
                      "That is the response to an impulse. It is the kernel turned by 180 degrees: a pixel to the left of the impulse sees it on its right. Symmetric kernels hide this.", "The response is turned."),
        Misconception("half_flipped", lambda fn, k: _read()(fn, k)[::-1],
                      "You turn the response along one axis. It is turned along both.", "Turn both axes.", also=(lambda fn, k: _read()(fn, k)[:, ::-1],)),
        Misconception("transposed", _read(transpose=True),
                      "Rows and columns have changed places in your kernel.", "The kernel is transposed.", also=(_read(flip=False, transpose=True),)),
        Misconception("corner", _read(corner=True),
                      "The impulse lies in a corner, and a part of the response wraps round to the other side. Put it into the middle.", "The response is cut off.", also=(_read(corner=True, flip=False),)),
        Misconception("not_divided", _read(height=255.0, divide=False),
                      "Your kernel is larger by one factor everywhere, the height of the impulse. Use 1.0, or divide by it.", "The impulse is not 1."),
        Misconception("background", _read(offset=1),
                      "The rest of your image is not zero, so the filter adds its sum everywhere.", "The background is not zero."),
        Misconception("fixed_size", _read(always=3),
                      "You always return 3 x 3. The side is `k`.", "The size is an argument."),
        Misconception("off_centre", _read(off_by=1),
                      "You cut out the wrong window: its centre is beside the impulse.", "The window is off the centre.", also=(_read(off_by=-1), _read(off_by=1, flip=False))),
        Misconception("normalised", lambda fn, k: _read()(fn, k) / max(np.abs(_read()(fn, k)).sum(), 1e-12),
                      "You scale the kernel so that its weights add up to 1. The filter has the weights that it has.", "Weights need not add up to 1."),
    ],
    alternatives=[_least_squares, _one_by_one, _fourier],
    hints=("An image of zeros, larger than the kernel, with a 1.0 in the middle.", "The output pixel d to the left of the impulse has it at distance d to the right: which weight is that?", "Cut k x k round the middle, and turn it: [::-1, ::-1]."),
    worth_knowing="So a filter that you know only as a library function can become a convolution layer with fixed weights.",
)

"""Exercise 08.is_lsi: can a convolution do it?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import classical

from ...exercise import Case, Exercise, Misconception

Filter = Callable[[np.ndarray], np.ndarray]


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, atol=1e-8))


def _test(*, add: bool = True, scale: bool = True, shift: bool = True, positive: bool = False, integers: bool = False, equal: bool = False, factor: float = -1.7) -> Callable:
    """Answers that test some of the laws on images of some kind."""

    def answer(fn: Filter, rng: np.random.Generator) -> bool:
        same = (lambda a, b: bool(np.array_equal(a, b))) if equal else _near
        for _ in range(3):
            p, q = rng.integers(-9, 10, (2, 12, 12)).astype(float) if integers else rng.normal(size=(2, 12, 12))
            if positive:
                p, q = np.abs(p), np.abs(q)
            if add and not same(fn(p + q), fn(p) + fn(q)):
                return False
            if scale and not same(fn(factor * p), factor * fn(p)):
                return False
            if shift and not same(fn(np.roll(p, (3, 5), (0, 1))), np.roll(fn(p), (3, 5), (0, 1))):
                return False
        return True

    return answer


def _with_kernel(fn: Filter, rng: np.random.Generator) -> bool:
    """Read the whole response to one impulse, then predict drawn images."""
    n = 11
    img = np.zeros((n, n))
    img[0, 0] = 1
    response = np.asarray(fn(img), float)
    for _ in range(4):
        p = rng.normal(size=(n, n))
        predicted = np.fft.ifft2(np.fft.fft2(p) * np.fft.fft2(response)).real
        if not np.allclose(fn(p), predicted, atol=1e-8):
            return False
    return True


def _in_one(fn: Filter, rng: np.random.Generator) -> bool:
    for _ in range(5):
        p, q, (a, b) = rng.normal(size=(9, 10)), rng.normal(size=(9, 10)), rng.normal(size=2)
        y, x = (int(v) for v in rng.integers(1, 9, 2))
        left = fn(np.roll(a * p + b * q, (y, x), (0, 1)))
        right = np.roll(a * np.asarray(fn(p)) + b * np.asarray(fn(q)), (y, x), (0, 1))
        if not _near(left, right):
            return False
    return True


def _impulses_only(fn: Filter, rng: np.random.Generator) -> bool:
    out = []
    for y, x in ((3, 3), (6, 4)):
        img = np.zeros((12, 12))
        img[y, x] = 1.0
        out.append(np.roll(fn(img), (-y, -x), (0, 1)))
    return _near(*out)


def _case(name: str, seed: int = 0) -> Case:
    return Case(name=name, seed=seed, label=name)


_HIDDEN = ("an uneven kernel", "zero", "a shift", "identity", "times -3", "a large blur", "absolute value", "gamma", "gradient magnitude", "histogram equalisation", "a gain for each column", "a mirror", "rounding", "3 x 3 maximum", "clipping",
           "less its mean", "Sobel with zeros outside", "a faint vignette", "a little of its square")
_ALL = ("Sobel", "3 x 3 median", "x + 1", "a vignette", *_HIDDEN)


def _draw(rng: np.random.Generator) -> Case:
    return _case(str(rng.choice(_ALL)), int(rng.integers(1000)))


is_lsi = Exercise(
    id="08.is_lsi", points=4, difficulty=2, minutes=15, idea="superposition and shift decide",
    reference=classical.is_lsi, probe="ch08_classical_vision_on_edge.lsi",
    cases=[_case("Sobel"), _case("3 x 3 median"), _case("x + 1"), _case("a vignette")],
    hidden=[_case(name) for name in _HIDDEN] + [_case(name, 7) for name in ("Sobel", "gamma", "a gain for each column", "a mirror", "rounding")],
    draw=_draw, draws=12,
    misconceptions=[
        Misconception("scale_only", _test(add=False, factor=2.0),
                      "You test that doubling the input doubles the output. The absolute value does that, and the median too. Test sums as well.", "Doubling is not linearity.", also=(_test(add=False),)),
        Misconception("no_shift", _test(shift=False),
                      "You test linearity alone. A gain for each column is linear, and no convolution does it: test a shift.", "The shift is missing.", also=(_test(shift=False, scale=False),)),
        Misconception("shift_only", _test(add=False, scale=False),
                      "You test the shift alone. A median moves with the image too: test sums and factors.", "Linearity is missing."),
        Misconception("positive", _test(positive=True, factor=2.0),
                      "Your images hold no negative values. Clipping at zero and the absolute value do nothing to them. Draw values of both signs.", "Only positive images.", also=(_test(positive=True, factor=2.0, scale=False),)),
        Misconception("integers", _test(integers=True, factor=2.0),
                      "Your images hold whole numbers. Rounding does nothing to them. Draw real numbers.", "Only whole numbers.", also=(_test(integers=True, factor=-2.0),)),
        Misconception("exact", _test(equal=True),
                      "You compare with ==. Sums of floating-point numbers in another order differ in the last digit: use a tolerance.", "Rounding is taken for a difference."),
        Misconception("impulses", _impulses_only,
                      "You compare the responses to two impulses. A median answers every impulse with zeros. Use images with many values, and test sums.", "Impulses alone show too little."),
        Misconception("reversed", lambda fn, rng: not classical.is_lsi(fn, rng),
                      "Your answer is the wrong way round: True means that a convolution can do it.", "True and False are exchanged."),
        Misconception("always", lambda fn, rng: True, "You always return True.", "Always True."),
    ],
    alternatives=[_with_kernel, _in_one, _test()],
    hints=("Three laws: f(p + q) = f(p) + f(q), f(a p) = a f(p), and f(shifted p) = shifted f(p).", "Draw p and q with rng.normal; compare with np.allclose."),
    worth_knowing="A test on a few images can prove that a filter is no convolution. That it is one, it can only make very likely.",
)

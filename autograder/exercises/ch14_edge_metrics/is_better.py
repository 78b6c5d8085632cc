"""Exercise 14.is_better: an exact paired test of two classifiers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.cost.edge_metrics import proportions

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _tail(k: int, n: int) -> float:
    """P(X <= k) of n fair coins."""
    return sum(math.comb(n, i) for i in range(k + 1)) / 2**n


def _exact(a: int, b: int) -> float:
    return min(1.0, 2 * _tail(min(a, b), a + b))


def _counts(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    ok_a, ok_b = pred_a == y, pred_b == y
    return int(np.sum(ok_a & ~ok_b)), int(np.sum(~ok_a & ok_b))


def _test(p: Callable[[int, int], float] = _exact, verdict: Callable[[float, float, int, int], bool] | None = None,
          counts: Callable = _counts) -> Callable:
    """An answer from a count, a p-value and a verdict (of p, alpha and the two counts)."""

    def answer(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
        a, b = counts(pred_a, pred_b, y)
        value = p(a, b)
        good = value < alpha and a > b if verdict is None else verdict(value, alpha, a, b)
        return float(value), bool(good)

    return answer


def _erfc(z: float) -> float:
    """Two-sided p-value of a z score."""
    return math.erfc(abs(z) / math.sqrt(2))


def _two_proportions(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    n, a, b = len(y), np.mean(pred_a == y), np.mean(pred_b == y)
    pooled = (a + b) / 2
    se = math.sqrt(2 * pooled * (1 - pooled) / n)
    p = _erfc((a - b) / se) if se else 1.0
    return p, bool(p < alpha and a > b)


def _unpooled(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    n, a, b = len(y), np.mean(pred_a == y), np.mean(pred_b == y)
    se = math.sqrt((a * (1 - a) + b * (1 - b)) / n)
    p = _erfc((a - b) / se) if se else 1.0
    return p, bool(p < alpha and a > b)


def _fisher(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    from scipy.stats import fisher_exact

    a, b, n = int(np.sum(pred_a == y)), int(np.sum(pred_b == y)), len(y)
    p = float(fisher_exact([[a, n - a], [b, n - b]]).pvalue)
    return p, bool(p < alpha and a > b)


def _all_right(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    return int(np.sum(pred_a == y)), int(np.sum(pred_b == y))


def _all_wrong(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    return int(np.sum(pred_b != y)), int(np.sum(pred_a != y))


def _split_among_all(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    """All images as coins: those that both get right or wrong are in n."""
    a, b = _counts(pred_a, pred_b, y)
    p = min(1.0, 2 * _tail(min(a, b), len(y)))
    return p, bool(p < alpha and a > b)


def _predictions_differ(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    """n counts also images where both are wrong with different labels."""
    a, b = _counts(pred_a, pred_b, y)
    p = min(1.0, 2 * _tail(min(a, b), int(np.sum(pred_a != pred_b))))
    return p, bool(p < alpha and a > b)


def _with_scipy(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    from scipy.stats import binomtest

    gain = (pred_a == y).astype(int) - (pred_b == y).astype(int)
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    p = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    return p, p < alpha and wins > losses


def _from_above(pred_a: np.ndarray, pred_b: np.ndarray, y: np.ndarray, alpha: float = 0.05) -> tuple[float, bool]:
    """The same tail from the larger count upwards, in floats."""
    only_a = only_b = 0
    for a, b, label in zip(pred_a.tolist(), pred_b.tolist(), y.tolist()):
        only_a += a == label != b
        only_b += b == label != a
    n, larger = only_a + only_b, max(only_a, only_b)
    tail = math.fsum(math.comb(n, i) * 0.5**n for i in range(larger, n + 1))
    return min(2 * tail, 1), only_a > only_b and min(2 * tail, 1) < alpha


def _arrays(only_a: int, only_b: int, both: int, neither: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Shuffled labels (pred_a, pred_b, y) with these counts; of the images that both miss, half get two labels."""
    n = only_a + only_b + both + neither
    y = rng.integers(0, 10, n)
    wrong_a, wrong_b = (y + rng.integers(1, 5, n)) % 10, (y + rng.integers(5, 10, n)) % 10
    a_right = np.arange(n) < only_a + both
    b_right = (np.arange(n) >= only_a) & (np.arange(n) < only_a + both + only_b)
    same = rng.random(n) < 0.5
    pred_a, pred_b = np.where(a_right, y, wrong_a), np.where(b_right, y, np.where(same & ~a_right, wrong_a, wrong_b))
    order = rng.permutation(n)
    return pred_a[order], pred_b[order], y[order]


def _case(only_a: int, only_b: int, both: int, neither: int, *alpha: float, seed: int = 0) -> Case:
    told = f", alpha={alpha[0]}" if alpha else ""
    arrays = _arrays(only_a, only_b, both, neither, np.random.default_rng(seed))
    return Case(*arrays, *alpha, label=f"{len(arrays[2])} images, only A right on {only_a}, only B on {only_b}{told}")


def _draw(rng: np.random.Generator) -> Case:
    """Counts whose p-value is not near alpha."""
    while True:
        a, b = (int(v) for v in rng.integers(0, 30, 2))
        alpha = float(rng.choice([0.01, 0.05, 0.1, 0.3]))
        if abs(_exact(a, b) - alpha) > 1e-3:
            break
    both, neither = int(rng.integers(20, 80)), int(rng.integers(3, 25))
    return _case(a, b, both, neither, *([] if alpha == 0.05 else [alpha]), seed=int(rng.integers(2**31)))


is_better = Exercise(
    id="14.is_better", points=4, difficulty=2, minutes=12, idea="only the images on which two models disagree tell them apart",
    reference=proportions.is_better,
    cases=[
        Case(np.array([0, 1, 2, 3, 9, 9]), np.array([9, 9, 9, 3, 4, 9]), np.array([0, 1, 2, 3, 4, 5])),
        _case(18, 9, 460, 13), _case(30, 10, 450, 10, seed=1),
    ],
    hidden=[_case(9, 18, 400, 10, seed=2), _case(10, 30, 400, 10, seed=3), _case(0, 0, 50, 7, seed=4),
            _case(5, 5, 60, 9, seed=5), _case(0, 12, 40, 5, seed=6), _case(12, 0, 40, 5, seed=7),
            _case(1, 0, 30, 8, seed=8), _case(18, 9, 100, 20, 0.2, seed=9), _case(30, 10, 90, 8, 0.001, seed=10)],
    draw=_draw, draws=20, compare=close(1e-9),
    misconceptions=[
        Misconception(
            "accuracy_alone", _test(verdict=lambda p, alpha, a, b: a > b),
            "You call A better whenever it has more images right. 18 against 9 happens by chance in 12 % of the cases, even if "
            "both are equally good. The p-value has to be below alpha as well.",
            "A higher count is not enough.",
            also=(_test(verdict=lambda p, alpha, a, b: a >= b),
                  _test(p=lambda a, b: 0.0 if a > b else 1.0, verdict=lambda p, alpha, a, b: a > b))),
        Misconception(
            "any_difference", _test(verdict=lambda p, alpha, a, b: p < alpha),
            "The test is two-sided: a small p says that one of the two is better. Asked is whether it is A.",
            "Which of the two is better?",
            also=(_test(verdict=lambda p, alpha, a, b: p < alpha and a != b),
                  _test(verdict=lambda p, alpha, a, b: p < alpha and b > a))),
        Misconception(
            "unpaired", _two_proportions,
            "You compare two accuracies as if they came from different images. Both models saw the same ones: the samples are "
            "paired. An image that both get right says nothing about which is better.",
            "The samples are paired.",
            also=(_unpooled, _fisher)),
        Misconception(
            "agreeing_images_count", _test(counts=_all_right),
            "Images on which both are right, or both are wrong, are in your counts. They are alike for A and B, so they can't "
            "tell them apart. Keep the images that exactly one of them has right.",
            "Too many images counted.",
            also=(_test(counts=_all_wrong), _split_among_all, _predictions_differ)),
        Misconception(
            "one_sided", _test(p=lambda a, b: _tail(min(a, b), a + b)),
            "Your p is that of one side only. Before the test nobody knew which of the models would win, so 9 against 18 is as "
            "surprising as 18 against 9, and both count.",
            "The other side is missing.",
            also=(_test(p=lambda a, b: _tail(b, a + b)), _test(p=lambda a, b: _tail(a, a + b)))),
        Misconception(
            "above_one", _test(p=lambda a, b: 2 * _tail(min(a, b), a + b)),
            "With equal counts your p is above 1. The middle term is in both tails then. A probability ends at 1.",
            "A probability above 1."),
        Misconception(
            "approximation", _test(p=lambda a, b: _erfc((a - b) / math.sqrt(a + b)) if a + b else 1.0),
            "This is the normal (chi-square) approximation. Asked is the exact value: the number of heads in a + b throws of a "
            "fair coin, with binomial coefficients.",
            "Not exact.",
            also=(_test(p=lambda a, b: _erfc(max(0, abs(a - b) - 1) / math.sqrt(a + b)) if a + b else 1.0),
                  _test(p=lambda a, b: _erfc((abs(a - b) - 1) / math.sqrt(a + b)) if a + b else 1.0))),
        Misconception(
            "one_outcome", _test(p=lambda a, b: min(1.0, 2 * math.comb(a + b, a) / 2**(a + b))),
            "You take the probability of exactly this count. A p-value is the probability of this or anything more extreme: add "
            "the smaller counts too.",
            "Only one outcome counted.",
            also=(_test(p=lambda a, b: math.comb(a + b, a) / 2**(a + b)),
                  _test(p=lambda a, b: min(1.0, 2 * (_tail(min(a, b) - 1, a + b) if min(a, b) else 0.0))))),
    ],
    alternatives=[_with_scipy, _from_above],
    hints=(
        "`(pred_a == y) & (pred_b != y)` marks the images that only A has right.",
        "If A and B were equally good, each of these n images would go to A or B like a fair coin: "
        "P(X = i) = math.comb(n, i) / 2**n.",
        "Add these for i = 0 … the smaller count, double, and cut off at 1.",
    ),
    worth_knowing="A test that keeps only disagreements can find a difference although the two accuracy intervals overlap.",
)

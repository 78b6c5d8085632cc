"""Exercise 29.faster_engine: is a difference of latencies more than noise?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines import frameworks

from ...compare import prop
from ...exercise import Case, Exercise, Misconception

VERDICTS = "ch29_inference_frameworks.verdicts"


def _require(a: np.ndarray, b: np.ndarray) -> None:
    if min(a.size, b.size) < 5 or min(a.min(), b.min()) <= 0:
        raise ValueError("too few samples, or a sample that is not positive")


def _medians(x: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    return np.median(x[rng.integers(0, x.size, (n_boot, x.size))], axis=1)


def _means(x: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    return x[rng.integers(0, x.size, (n_boot, x.size))].mean(axis=1)


def _minima(x: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    return x[rng.integers(0, x.size, (n_boot, x.size))].min(axis=1)


def _independent(statistic: Callable) -> Callable:
    return lambda a, b, rng, n_boot: statistic(a, rng, n_boot) / statistic(b, rng, n_boot)


def _pairs(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    n = min(a.size, b.size)
    rows = rng.integers(0, n, (n_boot, n))
    return np.median(a[rows], axis=1) / np.median(b[rows], axis=1)


def _pair_ratios(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    n = min(a.size, b.size)
    ratios = a[:n] / b[:n]
    return np.median(ratios[rng.integers(0, n, (n_boot, n))], axis=1)


def _single_runs(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, n_boot: int) -> np.ndarray:
    return a[rng.integers(0, a.size, n_boot)] / b[rng.integers(0, b.size, n_boot)]


def _two_sided(ratios: np.ndarray, alpha: float) -> tuple[float, float]:
    low, high = np.quantile(ratios, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


_MEDIANS = _independent(_medians)


def _bootstrap(*, ratios: Callable = _MEDIANS, interval: Callable = _two_sided, check: Callable = _require,
               names: tuple[str, str] = ("a", "b")) -> Callable:
    """An answer from how the ratios are drawn and what is made of them; with its defaults it is right."""

    def answer(a_ms: Any, b_ms: Any, rng: np.random.Generator, n_boot: int = 1000, alpha: float = 0.05) -> str:
        a, b = np.asarray(a_ms, float), np.asarray(b_ms, float)
        check(a, b)
        low, high = interval(ratios(a, b, rng, n_boot), alpha)
        return names[0] if high < 1 else names[1] if low > 1 else "tie"

    return answer


def _point(statistic: Callable) -> Callable:
    def answer(a_ms: Any, b_ms: Any, rng: np.random.Generator, n_boot: int = 1000, alpha: float = 0.05) -> str:
        a, b = np.asarray(a_ms, float), np.asarray(b_ms, float)
        _require(a, b)
        return "a" if statistic(a) < statistic(b) else "b" if statistic(a) > statistic(b) else "tie"

    return answer


def _no_check(a: np.ndarray, b: np.ndarray) -> None:
    pass


def _few_only(a: np.ndarray, b: np.ndarray) -> None:
    if min(a.size, b.size) < 5:
        raise ValueError("too few samples")


def _permutation(a_ms: Any, b_ms: Any, rng: np.random.Generator, n_boot: int = 1000, alpha: float = 0.05) -> str:
    """Another test of the same question: how often do shuffled labels give a ratio as extreme as this one?"""
    a, b = np.asarray(a_ms, float), np.asarray(b_ms, float)
    _require(a, b)
    seen = abs(np.log(np.median(a) / np.median(b)))
    pooled = rng.permuted(np.tile(np.r_[a, b], (n_boot, 1)), axis=1)
    shuffled = np.abs(np.log(np.median(pooled[:, : a.size], axis=1) / np.median(pooled[:, a.size:], axis=1)))
    if (np.count_nonzero(shuffled >= seen - 1e-12) + 1) / (n_boot + 1) > alpha:
        return "tie"
    return "a" if np.median(a) < np.median(b) else "b"


def _by_loop(a_ms: Any, b_ms: Any, rng: np.random.Generator, n_boot: int = 1000, alpha: float = 0.05) -> str:
    a, b = list(a_ms), list(b_ms)
    if len(a) < 5 or len(b) < 5 or any(v <= 0 for v in a + b):
        raise ValueError("samples must be 5 or more and positive")
    ratios = [float(np.median(rng.choice(a, len(a))) / np.median(rng.choice(b, len(b)))) for _ in range(n_boot)]
    if np.percentile(ratios, 100 * (1 - alpha / 2)) < 1:
        return "a"
    return "b" if np.percentile(ratios, 100 * alpha / 2) > 1 else "tie"


# --- how often it may err -------------------------------------------------------------------------


def _shares(verdicts: Any) -> dict[str, float]:
    if not isinstance(verdicts, list) or set(verdicts) - {"a", "b", "tie"}:
        raise ValueError("not verdicts")
    return {name: verdicts.count(name) / len(verdicts) for name in ("a", "b", "tie")}


def _alike(one: Any, other: Any, case: Any = None) -> str | None:
    """Two answers to the same comparisons: the same verdict in nine of ten."""
    return None if np.mean([x == y for x, y in zip(one, other)]) >= 0.9 else "other verdicts"


def _often(low: float, high: float, *names: str) -> Any:
    """A share of verdicts between `low` and `high`."""

    def judge(case: Case, expected: Any, got: Any) -> str | None:
        share = sum(_shares(got)[name] for name in names)
        told = " or ".join(f'"{name}"' for name in names)
        return None if low <= share <= high else f"{told} in {share:.0%} of the runs, expected {low:.0%} to {high:.0%}"

    return prop(judge, same=_alike)


def _many(kind: str, label: str, compare: Any, n_a: int = 100, n_b: int = 100, seeds: int = 60, n_boot: int = 300,
          alpha: float = 0.05) -> Case:
    return Case(probe=VERDICTS, kind=kind, seeds=seeds, n_a=n_a, n_b=n_b, n_boot=n_boot, alpha=alpha, compare=compare,
                label=f"{seeds} comparisons: {label}")


_RNG = np.random.default_rng(1)
_A, _B, _C = (base + _RNG.exponential(0.1, 100) for base in (1.0, 1.05, 1.0))
_FINE = [1.0, 1.1, 1.2, 1.05, 1.15, 1.3]


def _draw(rng: np.random.Generator) -> Case:
    """Clear cases: far apart in the medians, or one and the same set of numbers."""
    n_a, n_b = (int(n) for n in rng.integers(20, 60, 2))
    a = 1 + rng.exponential(0.1, n_a)
    if rng.random() < 0.3:
        b = rng.permutation(a)
    else:
        b = float(rng.choice([0.5, 0.7, 1.4, 2.0])) + rng.exponential(0.1, n_b)
    return Case(a.tolist(), b.tolist(), seed=int(rng.integers(1000)), kwargs={"n_boot": 200}, label=f"{len(a)} and {len(b)} drawn latencies")


faster_engine = Exercise(
    id="29.faster_engine", points=3, difficulty=2, minutes=12, idea="a difference counts only beyond its own noise",
    reference=frameworks.faster_engine, probe="common.call_seeded", time_limit_s=20,
    cases=[Case(_A.tolist(), _B.tolist(), seed=0, label="faster_engine(a, b, default_rng(0)) with the a and b of the text"),
           Case(_A.tolist(), _C.tolist(), seed=0, label="faster_engine(a, c, default_rng(0)) with the a and c of the text")],
    hidden=[
        Case(_B.tolist(), _A.tolist(), seed=0, label="the a and b of the text, swapped"),
        Case([1.5] * 8, [1.5] * 5, seed=3, label="8 and 5 equal latencies"), Case([1.5] * 5, [1.5] * 8, seed=4, label="5 and 8 equal latencies"),
        _many("equal", "100 and 100 runs of one distribution, alpha 0.05", _often(0.0, 0.15, "a", "b"), seeds=80),
        _many("equal", "100 and 100 runs of one distribution, alpha 0.5", _often(0.25, 0.75, "a", "b"), alpha=0.5, seeds=80),
        _many("equal", "40 and 40 runs of one distribution, alpha 0.9", _often(0.35, 0.52, "a"), n_a=40, n_b=40, alpha=0.9, seeds=200, n_boot=200),
        _many("equal", "40 and 40 runs of one distribution, alpha 0.9", _often(0.33, 0.5, "b"), n_a=40, n_b=40, alpha=0.9, seeds=200, n_boot=200),
        _many("equal, sorted", "one distribution, both lists sorted", _often(0.0, 0.2, "a", "b")),
        _many("a faster", "a is 5 % faster", _often(0.8, 1.0, "a")), _many("b faster", "b is 5 % faster", _often(0.8, 1.0, "b")),
        _many("a faster, hiccups", "a is 5 % faster, but four of its runs take 50 ms", _often(0.7, 1.0, "a")),
        _many("b faster, one lucky a", "b is 5 % faster, but one run of a takes 0.5 ms", _often(0.8, 1.0, "b")),
        _many("a faster, heavy tails", "a is 5 % faster, heavy tails", _often(0.7, 1.0, "a")),
        _many("a faster", "a is 5 % faster, 60 and 150 runs", _often(0.7, 1.0, "a"), n_a=60, n_b=150),
    ],
    draw=_draw, draws=8,
    raises=[Case(_FINE[:4], _FINE, seed=0, label="4 samples of a"), Case(_FINE, _FINE[:4], seed=0, label="4 samples of b"),
            Case([*_FINE, 0.0], _FINE, seed=0, label="a sample of 0 ms in a"), Case(_FINE, [*_FINE, -1.0], seed=0, label="a sample of -1 ms in b")],
    misconceptions=[
        Misconception(
            "means", _bootstrap(ratios=_independent(_means)),
            "You compare means. One hiccup of 50 ms outweighs a hundred good runs then: a page fault of the machine decides, not the engine. "
            "Which statistic does not care how far away the worst runs are?",
            "One hiccup decides.", also=(_point(np.mean),)),
        Misconception(
            "minima", _bootstrap(ratios=_independent(_minima)),
            "You look at the best run of each engine. A single lucky run decides, and users do not get the best run.",
            "The best run is not the typical one.", also=(_point(np.min),)),
        Misconception(
            "pairs", _bootstrap(ratios=_pairs),
            "You draw the same positions from both lists. Run 7 of one engine has nothing to do with run 7 of the other: draw from each list "
            "on its own, as many as it has.",
            "The runs are not pairs.", also=(_bootstrap(ratios=_pair_ratios),)),
        Misconception(
            "always_a_winner", _point(np.median),
            "You look at the ratio alone. Noise makes it differ from 1 in every comparison, so somebody always wins. How far does the ratio move "
            "when the samples are drawn again?",
            "Noise always has a winner.", also=(_bootstrap(interval=lambda r, alpha: (float(np.median(r)),) * 2),)),
        Misconception(
            "one_sided", _bootstrap(interval=lambda r, alpha: tuple(np.quantile(r, [alpha, 1 - alpha]))),
            "Your interval leaves out alpha on *each* side, so its level is 1 - 2·alpha. The two sides share alpha.",
            "Both sides share alpha."),
        Misconception(
            "fixed_level", _bootstrap(interval=lambda r, alpha: _two_sided(r, 0.05)),
            "Your interval has a level of 95 % whatever `alpha` says. Compute the two quantiles from it.",
            "alpha is not used."),
        Misconception(
            "single_runs", _bootstrap(ratios=_single_runs),
            "Your interval covers the ratio of two single runs. That is the spread of the runs, not the uncertainty of their medians: it does "
            "not shrink when you measure more.",
            "This is the spread of single runs.",
            also=(_bootstrap(ratios=lambda a, b, rng, n: (a[:, None] / b[None, :]).ravel()),)),
        Misconception(
            "never_decides", _bootstrap(interval=lambda r, alpha: (-np.inf, np.inf)),
            "You never name a winner. Look at the two ends of the interval: if both are on one side of 1, the data do tell.",
            "Every comparison is a tie."),
        Misconception(
            "swapped", _bootstrap(names=("b", "a")),
            "You name the slower engine. The ratio is median(a) / median(b) of *latencies*: below 1 means that a takes less time.",
            "Less time is faster."),
        Misconception(
            "no_refusal", _bootstrap(check=_no_check),
            "You compare whatever you get. Fewer than 5 samples, or a time that is not positive, is a mistake of the measurement: refuse it with "
            "ValueError.",
            "Bad samples are accepted.", also=(_bootstrap(check=_few_only),)),
    ],
    alternatives=[_bootstrap(), _permutation, _by_loop],
    hints=(
        "Refuse bad samples first. Then draw `n_boot` times: `rng.integers(0, n, (n_boot, n))` gives the positions of all rounds at once.",
        "Index the samples with them and take the median along axis 1. Do this for both lists, each with positions of its own, and divide.",
        "The interval lies between the quantiles alpha/2 and 1 - alpha/2 of the ratios. Who is faster if it lies below 1?",
    ),
    worth_knowing="With 100 runs a side and noise like the example's, a difference of 5 % is found in about nine of ten comparisons. One of 1 % needs about 25 times as many runs.",
)

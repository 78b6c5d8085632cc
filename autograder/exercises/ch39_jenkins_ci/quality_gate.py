"""Exercise 39.quality_gate: a paired test, a median latency and a size decide whether a candidate may go on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.delivery import ci_pipeline as ci

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Flags = np.ndarray


def _tail(b: int, n: int) -> float:
    """P(X >= b) of n fair coins."""
    return sum(math.comb(n, i) for i in range(b, n + 1)) / 2**n


def _paired(base: Flags, cand: Flags, policy: dict) -> bool:
    b, c = int(np.sum(base & ~cand)), int(np.sum(cand & ~base))
    return (b - c) / base.size > policy["max_drop"] or _tail(b, b + c) <= policy["max_p"]


def _check(base: Flags, cand: Flags, base_ms: np.ndarray, cand_ms: np.ndarray) -> None:
    if base.shape != cand.shape:
        raise ValueError("shapes")
    if not (base.size and base_ms.size and cand_ms.size):
        raise ValueError("empty")
    if not ((base_ms > 0).all() and (cand_ms > 0).all()):
        raise ValueError("positive")


def _gate(*, accuracy: Callable[[Flags, Flags, dict], bool] = _paired, middle: Callable = np.median, check: bool = True,
          first_only: bool = False, order: tuple = ("samples", "accuracy", "latency", "size"), at_limit: bool = False,
          samples: bool = True, latency: Callable | None = None, size: Callable | None = None) -> Callable:
    """An answer from its parts; with the defaults it is right."""

    def answer(base_ok: Flags, cand_ok: Flags, base_ms: np.ndarray, cand_ms: np.ndarray, base_bytes: int, cand_bytes: int,
               policy: dict) -> tuple[bool, list[str]]:
        if check:
            _check(base_ok, cand_ok, base_ms, cand_ms)
        ratio = latency(base_ms, cand_ms) if latency else middle(cand_ms) / middle(base_ms)
        grown = size(base_bytes, cand_bytes) if size else cand_bytes / base_bytes
        n = base_ok.size
        broken = {"samples": samples and (n <= policy["min_samples"] if at_limit else n < policy["min_samples"]),
                  "accuracy": accuracy(base_ok, cand_ok, policy),
                  "latency": ratio >= policy["max_latency_ratio"] if at_limit else ratio > policy["max_latency_ratio"],
                  "size": grown >= policy["max_size_ratio"] if at_limit else grown > policy["max_size_ratio"]}
        reasons = [name for name in order if broken[name]]
        return not reasons, reasons[:1] if first_only else reasons

    return answer


def _both(*parts: dict) -> dict:
    first, *rest = [_gate(**p, check=check) for p in parts for check in (True, False)]
    return {"answer": first, "also": tuple(rest)}


def _flips(base: Flags, cand: Flags) -> tuple[int, int]:
    return int(np.sum(base & ~cand)), int(np.sum(cand & ~base))


def _totals(base: Flags, cand: Flags, policy: dict) -> bool:
    return float(base.mean() - cand.mean()) > policy["max_drop"] + 1e-12


def _any_drop(base: Flags, cand: Flags, policy: dict) -> bool:
    return bool(base.sum() > cand.sum())


def _with_p(p: Callable[[Flags, Flags], float], drop: bool = True) -> Callable[[Flags, Flags, dict], bool]:
    def accuracy(base: Flags, cand: Flags, policy: dict) -> bool:
        b, c = _flips(base, cand)
        return (drop and (b - c) / base.size > policy["max_drop"]) or p(base, cand) <= policy["max_p"]

    return accuracy


def _two_proportions(base: Flags, cand: Flags) -> float:
    a, b = base.mean(), cand.mean()
    se = math.sqrt((a + b) * (1 - (a + b) / 2) / len(base))
    return 0.5 * math.erfc((a - b) / se / math.sqrt(2)) if se else 1.0


def _unpooled(base: Flags, cand: Flags) -> float:
    a, b = base.mean(), cand.mean()
    se = math.sqrt((a * (1 - a) + b * (1 - b)) / len(base))
    return 0.5 * math.erfc((a - b) / se / math.sqrt(2)) if se else 1.0


def _two_sided(base: Flags, cand: Flags) -> float:
    b, c = _flips(base, cand)
    return min(1.0, 2 * _tail(max(b, c), b + c))


def _chi(base: Flags, cand: Flags) -> float:
    b, c = _flips(base, cand)
    return 0.5 * math.erfc((b - c) / math.sqrt(2 * (b + c))) if b + c else 1.0


def _strict_tail(base: Flags, cand: Flags) -> float:
    b, c = _flips(base, cand)
    return _tail(b + 1, b + c) if b + c else 1.0


def _other_side(base: Flags, cand: Flags) -> float:
    b, c = _flips(base, cand)
    return _tail(c, b + c)


def _all_coins(base: Flags, cand: Flags) -> float:
    return _tail(int(np.sum(base & ~cand)), base.size)


def _both_needed(base: Flags, cand: Flags, policy: dict) -> bool:
    b, c = _flips(base, cand)
    return (b - c) / base.size > policy["max_drop"] and _tail(b, b + c) <= policy["max_p"]


# --- right answers ------------------------------------------------------------------------------


def _with_scipy(base_ok: Flags, cand_ok: Flags, base_ms: np.ndarray, cand_ms: np.ndarray, base_bytes: int, cand_bytes: int,
                policy: dict) -> tuple[bool, list[str]]:
    from scipy.stats import binomtest

    if np.shape(base_ok) != np.shape(cand_ok) or min(np.size(base_ok), np.size(base_ms), np.size(cand_ms)) == 0:
        raise ValueError("samples")
    if min(base_ms.min(), cand_ms.min()) <= 0:
        raise ValueError("latency")
    step = base_ok.astype(int) - cand_ok.astype(int)
    b, n = int((step == 1).sum()), int(np.abs(step).sum())
    p = binomtest(b, n, alternative="greater").pvalue if n else 1.0
    reasons = []
    if len(base_ok) < policy["min_samples"]:
        reasons.append("samples")
    if step.mean() > policy["max_drop"] or p <= policy["max_p"]:
        reasons.append("accuracy")
    if np.median(cand_ms) > policy["max_latency_ratio"] * np.median(base_ms):
        reasons.append("latency")
    if cand_bytes > policy["max_size_ratio"] * base_bytes:
        reasons.append("size")
    return len(reasons) == 0, reasons


def _with_logs(base_ok: Flags, cand_ok: Flags, base_ms: np.ndarray, cand_ms: np.ndarray, base_bytes: int, cand_bytes: int,
               policy: dict) -> tuple[bool, list[str]]:
    """The binomial terms by logarithms of factorials, the median by sorting."""
    if base_ok.shape != cand_ok.shape:
        raise ValueError("shapes")

    def median(values: np.ndarray) -> float:
        ordered = sorted(values.tolist())
        if not ordered or ordered[0] <= 0:
            raise ValueError("latencies")
        half = len(ordered) // 2
        return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

    b = c = 0
    for old, new in zip(base_ok.tolist(), cand_ok.tolist()):
        b += old and not new
        c += new and not old
    if not len(base_ok):
        raise ValueError("no samples")
    m = b + c
    terms = [math.exp(math.lgamma(m + 1) - math.lgamma(i + 1) - math.lgamma(m - i + 1) - m * math.log(2)) for i in range(b, m + 1)]
    p = math.fsum(terms) if m else 1.0
    slow = median(cand_ms) / median(base_ms) > policy["max_latency_ratio"]
    told = {"samples": len(base_ok) < policy["min_samples"], "accuracy": (b - c) / len(base_ok) > policy["max_drop"] or p <= policy["max_p"],
            "latency": slow, "size": cand_bytes / base_bytes > policy["max_size_ratio"]}
    return not any(told.values()), [k for k, bad in told.items() if bad]


# --- cases --------------------------------------------------------------------------------------

POLICY = {"max_p": 0.05, "max_drop": 0.5, "max_latency_ratio": 1.25, "max_size_ratio": 1.0, "min_samples": 50}


def _arrays(lost: int, gained: int, n: int, right: float = 0.9, seed: int = 0) -> tuple[Flags, Flags]:
    at = np.arange(n)
    both = (at >= lost + gained) & (at < lost + gained + round(right * (n - lost - gained)))
    order = np.random.default_rng(seed).permutation(n)
    return ((at < lost) | both)[order], (((at >= lost) & (at < lost + gained)) | both)[order]


def _case(lost: int, gained: int, n: int = 200, base_ms: tuple = (4.0, 4.0, 5.0), cand_ms: tuple = (4.0, 4.0, 4.0), sizes: tuple = (400, 100),
          right: float = 0.9, seed: int = 0, **policy: float) -> Case:
    limits = POLICY | policy
    told = f"n={n}, b={lost}, c={gained}, ms {_ms(base_ms)} → {_ms(cand_ms)}, bytes {sizes[0]} → {sizes[1]}"
    changed = "".join(f", {key} {value:g}" for key, value in policy.items())
    return Case(*_arrays(lost, gained, n, right, seed), np.array(base_ms, float), np.array(cand_ms, float), *sizes, limits, label=told + changed)


def _ms(values: tuple) -> str:
    return f"[{', '.join(f'{v:g}' for v in values[:4])}{', …' if len(values) > 4 else ''}]"


def _draw(rng: np.random.Generator) -> Case:
    """Half of the time flips near the border of the test; now and then an outlier; no limit is met exactly but by design."""
    n = int(rng.choice([64, 128, 256, 512]))
    gained = int(rng.integers(0, 12))
    lost = max(0, gained + int(rng.integers(-4, 14)))
    max_drop = float(rng.choice([lost - gained - 1.5, lost - gained + 0.5, lost - gained, 40]) / n)
    base = tuple(float(v) for v in rng.integers(3, 8, int(rng.integers(1, 8))))
    cand = tuple(float(v) * float(rng.choice([1, 1, 1, 60, 2])) for v in rng.integers(2, 8, int(rng.integers(1, 8))))
    return _case(lost, gained, n, base, cand, (int(rng.integers(50, 200)), int(rng.integers(50, 200))),
                 float(rng.choice([0.3, 0.6, 0.9])), int(rng.integers(2**31)), max_p=float(rng.choice([0.01, 0.04, 0.2])),
                 max_drop=max_drop, max_latency_ratio=float(rng.choice([1.07, 1.33, 2.05])), min_samples=int(rng.choice([50, 128, 300])))


def _bad(base: Flags, cand: Flags, base_ms: list, cand_ms: list, label: str) -> Case:
    return Case(base, cand, np.array(base_ms, float), np.array(cand_ms, float), 10, 10, dict(POLICY), label=label)


ONES = np.ones(60, bool)

quality_gate = Exercise(
    id="39.quality_gate", points=4, difficulty=2, minutes=18, idea="evidence on the same samples, a median, a size: a rule fixed before",
    reference=ci.quality_gate,
    cases=[_case(12, 4), _case(9, 3), _case(5, 4), _case(9, 0, 40, (4, 4, 9), (4, 11, 8), (100, 101))],
    hidden=[_case(0, 0), _case(20, 20, 300), _case(0, 9), _case(0, 0, max_p=1.0), _case(5, 0), _case(4, 0), _case(0, 0, 50), _case(0, 0, 49),
            _case(2, 0, 100, max_drop=0.01), _case(2, 1, 128, max_drop=1 / 128), _case(3, 1, 64, max_drop=1 / 64, max_p=0.01),
            _case(1, 0, 64, max_drop=0.0, max_p=0.01), _case(6, 9, max_drop=0.0), _case(0, 0, cand_ms=(4.0, 4.0, 4.0, 900.0)),
            _case(0, 0, base_ms=(4, 4, 4, 900), cand_ms=(6, 6, 6)), _case(0, 0, base_ms=(4.0,), cand_ms=(5.0,)),
            _case(0, 0, base_ms=(4.0, 6.0), cand_ms=(7.0, 2.0, 9.0)), _case(0, 0, base_ms=(1, 2, 9, 9), cand_ms=(6.5,)),
            _case(0, 0, base_ms=(9, 1, 2), cand_ms=(2.25, 2.25)), _case(0, 0, sizes=(100, 100)), _case(0, 0, sizes=(100, 101)),
            _case(0, 0, sizes=(200, 300), max_size_ratio=1.5), _case(60, 30, 500, right=0.5), _case(14, 5, 400, right=0.2),
            _case(8, 0, 3000), _case(0, 30, 200, (1,), (9,), (1, 9), min_samples=999)],
    draw=_draw, draws=40, compare=exact(), pure=True,
    raises=[_bad(ONES, ONES[:-1], [1], [1], "59 and 60 samples"), _bad(ONES, ONES[:1], [1], [1], "1 and 60 samples"),
            _bad(ONES[:0], ONES[:0], [1], [1], "no samples"),
            _bad(ONES, ONES, [], [1], "no latency of the base"), _bad(ONES, ONES, [1], [], "no latency of the candidate"),
            _bad(ONES, ONES, [1, 0, 1], [1], "a latency of 0 ms"), _bad(ONES, ONES, [1], [2, -1, 2], "a latency of -1 ms")],
    misconceptions=[
        Misconception(
            "accuracies_only", **_both({"accuracy": _totals}, {"accuracy": _any_drop}),
            message="You compare the two accuracies only. The same difference can be chance or not: it depends on how many samples flipped in "
                    "each direction. Pair the samples and test the flips as well.",
            title="A difference is not evidence."),
        Misconception(
            "unpaired_test", **_both({"accuracy": _with_p(_two_proportions)}, {"accuracy": _with_p(_unpooled)}),
            message="Your p-value treats the two models as if each had seen samples of its own. They have seen the same ones: those on which "
                    "both agree say nothing about which is better. Only b and c count.",
            title="The samples are the same."),
        Misconception(
            "mean_latency", **_both({"middle": np.mean}, {"middle": np.max}, {"middle": lambda v: np.percentile(v, 95)}),
            message="One outlier decides your latency: a pause of the machine, say, would block a good model. Compare the medians.",
            title="One pause decides."),
        Misconception(
            "sorted_middle", **_both({"middle": lambda v: np.sort(v)[len(v) // 2]}, {"middle": lambda v: np.sort(v)[(len(v) - 1) // 2]},
                                     {"middle": lambda v: v[len(v) // 2]}, {"middle": np.min}),
            message="Your median is not the median: sort the values, and for an even number take the mean of the two in the middle.",
            title="The middle of an even number."),
        Misconception(
            "no_flip_allowed", **_both({"accuracy": lambda b, c, policy: not bool((c >= b).all())}),
            message="You block as soon as one sample is lost. Every new model flips some samples; such a gate would never open.",
            title="Some flips are normal."),
        Misconception(
            "two_sided", **_both({"accuracy": _with_p(_two_sided)}),
            message="Your p-value has two sides: it also becomes small when the candidate is *better*, and is twice as large where it is worse. "
                    "The gate asks only whether it is worse.",
            title="Better is no reason to block."),
        Misconception(
            "wrong_tail", **_both({"accuracy": _with_p(_other_side)}, {"accuracy": _with_p(_strict_tail)}, {"accuracy": _with_p(_all_coins)},
                                  {"accuracy": _with_p(_chi)}),
            message="Your p-value is not P(X ≥ b): another tail, b itself left out, the samples without a flip thrown in, or a normal "
                    "approximation. Sum the exact probabilities from b to b + c.",
            title="Which outcomes are in the tail?"),
        Misconception(
            "drop_forgotten", **_both({"accuracy": _with_p(lambda a, c: _tail(_flips(a, c)[0], sum(_flips(a, c))), drop=False)},
                                      {"accuracy": _both_needed}),
            message="Either of two things blocks: a drop above `max_drop`, or a small p. You ask for one of them only, or for both at once.",
            title="Either is enough."),
        Misconception(
            "first_reason_only", **_both({"first_only": True}),
            message="You stop at the first reason. All that apply are listed, so that one run tells everything that has to be mended.",
            title="All reasons."),
        Misconception(
            "limits_exclusive", **_both({"at_limit": True}),
            message="A value exactly at its limit blocks in your gate. A ratio at its limit is allowed, and `min_samples` samples are enough.",
            title="At the limit."),
        Misconception(
            "ratio_upside_down", **_both({"latency": lambda a, b: np.median(a) / np.median(b)}, {"size": lambda a, b: a / b},
                                         {"latency": lambda a, b: np.median(a) / np.median(b), "size": lambda a, b: a / b}),
            message="One of your ratios is base over candidate. It has to grow when the candidate becomes slower or larger.",
            title="Candidate over base."),
        Misconception(
            "too_few_pass", **_both({"samples": False}),
            message="A gate on too few samples lets nearly everything pass: no test can see a loss there. That is why `samples` is a reason of "
                    "its own.",
            title="Too few samples."),
        Misconception(
            "no_refusal", _gate(check=False),
            "Evidence that can't be right is judged instead of refused: arrays of different lengths, none at all, or a latency that is not "
            "positive.",
            "Refuse broken evidence."),
    ],
    alternatives=[_with_scipy, _with_logs],
    hints=(
        "b = np.sum(base_ok & ~cand_ok), c = np.sum(cand_ok & ~base_ok). All others don't matter.",
        "P(X ≥ b) = sum of C(b + c, i) for i from b to b + c, divided by 2 ** (b + c). `math.comb` counts exactly; with b + c = 0 it gives 1.",
        "Collect the reasons in a list, in the order of the task. Passed is `not reasons`.",
    ),
    worth_knowing="A p above the limit does not prove that the candidate is as good. That is why a canary comes after the gate.",
)

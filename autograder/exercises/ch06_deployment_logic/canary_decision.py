"""Exercise 06.canary_decision: promote, roll back, or wait for more requests?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.delivery import release

from ...exercise import Case, Exercise, Misconception

Z = 1.959964


def _wilson(k: int, n: int, z: float = Z) -> tuple[float, float]:
    p, a = k / n, z * z / n
    half = z * math.sqrt(max(p * (1 - p), 0) / n + a / (4 * n))
    return max(0.0, (p + a / 2 - half) / (1 + a)), min(1.0, (p + a / 2 + half) / (1 + a))


def _newcombe(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    (l0, u0), (l1, u1), p0, p1 = _wilson(k0, n0), _wilson(k1, n1), k0 / n0, k1 / n1
    return p1 - p0 - math.hypot(p1 - l1, u0 - p0), p1 - p0 + math.hypot(u1 - p1, p0 - l0)


def _rule(low: float, high: float, d: float, tolerance: float) -> str:
    return "rollback" if low > tolerance else "promote" if high <= tolerance else "continue"


def _decide(*, interval: Callable = _newcombe, rule: Callable = _rule, check: bool = True) -> Callable:
    """An answer from its parts; with the defaults it is right."""

    def answer(base_err: int, base_n: int, can_err: int, can_n: int, tolerance: float) -> str:
        if check and not (base_n >= 1 and can_n >= 1 and 0 <= base_err <= base_n and 0 <= can_err <= can_n):
            raise ValueError("counts")
        low, high = interval(base_err, base_n, can_err, can_n)
        return rule(low, high, can_err / can_n - base_err / base_n, tolerance)

    return answer


def _both(**parts: Callable) -> dict:
    def unchecked(*args: Any) -> str:
        return _decide(**parts, check=False)(*args)

    return {"answer": _decide(**parts), "also": (unchecked,)}


def _wald(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    p0, p1 = k0 / n0, k1 / n1
    half = Z * math.sqrt(max(0.0, p0 * (1 - p0)) / n0 + max(0.0, p1 * (1 - p1)) / n1)
    return p1 - p0 - half, p1 - p0 + half


def _extremes(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    (l0, u0), (l1, u1) = _wilson(k0, n0), _wilson(k1, n1)
    return l1 - u0, u1 - l0


def _crossed(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    (l0, u0), (l1, u1), p0, p1 = _wilson(k0, n0), _wilson(k1, n1), k0 / n0, k1 / n1
    return p1 - p0 - math.hypot(p1 - l1, p0 - l0), p1 - p0 + math.hypot(u1 - p1, u0 - p0)


def _canary_only(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    low, high = _wilson(k1, n1)
    return low - k0 / n0, high - k0 / n0


def _absolute(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    return _wilson(k1, n1)


def _swapped(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    return _newcombe(k1, n1, k0, n0)


def _one_sided(k0: int, n0: int, k1: int, n1: int) -> tuple[float, float]:
    z = 1.644854
    (l0, u0), (l1, u1), p0, p1 = _wilson(k0, n0, z), _wilson(k1, n1, z), k0 / n0, k1 / n1
    return p1 - p0 - math.hypot(p1 - l1, u0 - p0), p1 - p0 + math.hypot(u1 - p1, p0 - l0)


# --- right answers --------------------------------------------------------------------------------


def _with_roots(base_err: int, base_n: int, can_err: int, can_n: int, tolerance: float) -> str:
    """Wilson's limits as the roots of (p - k/n)^2 = z^2 p (1 - p) / n."""
    limits = []
    for k, n in ((base_err, base_n), (can_err, can_n)):
        if n < 1 or k < 0 or k > n:
            raise ValueError(f"{k} of {n}")
        p = k / n
        limits.append((p, *sorted(np.roots([1 + Z**2 / n, -2 * p - Z**2 / n, p * p]).real)))
    (p0, l0, u0), (p1, l1, u1) = limits
    if p1 - p0 - ((p1 - l1) ** 2 + (u0 - p0) ** 2) ** 0.5 > tolerance:
        return "rollback"
    return "continue" if p1 - p0 + ((u1 - p1) ** 2 + (p0 - l0) ** 2) ** 0.5 > tolerance else "promote"


def _with_scipy(base_err: int, base_n: int, can_err: int, can_n: int, tolerance: float) -> str:
    from scipy.stats import binomtest

    if min(base_n, can_n) < 1 or min(base_err, can_err) < 0 or base_err > base_n or can_err > can_n:
        raise ValueError("impossible counts")
    base, can = (binomtest(k, n).proportion_ci(method="wilson") for k, n in ((base_err, base_n), (can_err, can_n)))
    p, q = base_err / base_n, can_err / can_n
    low = q - p - math.sqrt((q - can.low) ** 2 + (base.high - p) ** 2)
    high = q - p + math.sqrt((can.high - q) ** 2 + (p - base.low) ** 2)
    if low > tolerance:
        return "rollback"
    if high <= tolerance:
        return "promote"
    return "continue"


# --- cases ----------------------------------------------------------------------------------------


def _draw(rng: np.random.Generator) -> tuple:
    """Counts of which about a third give each decision; never within 1e-5 of a limit."""
    while True:
        base_n = int(rng.choice([200, 1000, 2000, 10_000, 50_000]))
        can_n = int(rng.choice([20, 50, 200, 1000, 5000, 20_000]))
        p = float(rng.choice([0.0, 0.005, 0.01, 0.05, 0.2]))
        rise = float(rng.choice([0.0, 0.0, 0.005, 0.02, 0.08, -0.004]))
        base, can = int(rng.binomial(base_n, p)), int(rng.binomial(can_n, max(0.0, min(1.0, p + rise))))
        tolerance = float(rng.choice([0.0, 0.002, 0.005, 0.01, 0.02, 0.05]))
        low, high = _newcombe(base, base_n, can, can_n)
        if min(abs(low - tolerance), abs(high - tolerance)) > 1e-5:
            return base, base_n, can, can_n, tolerance


canary_decision = Exercise(
    id="06.canary_decision", points=4, difficulty=2, minutes=15, idea="decide by the interval, not by the difference",
    reference=release.canary_decision,
    cases=[Case(20, 2000, 16, 200, 0.01), Case(100, 10000, 11, 1000, 0.01), Case(20, 2000, 4, 200, 0.01), Case(20, 2000, 0, 50, 0.01)],
    hidden=[
        Case(0, 1000, 0, 1000, 0.01), Case(0, 1000, 0, 1000, 0.001), Case(0, 10, 0, 10, 0.01), Case(0, 100_000, 0, 100_000, 0.0), Case(10, 10, 10, 10, 0.01),
        Case(10, 10, 0, 10, 0.01), Case(0, 10, 10, 10, 0.01), Case(0, 1, 1, 1, 0.01), Case(200, 2000, 20, 2000, 0.0), Case(20, 2000, 200, 2000, 0.0),
        Case(100, 10_000, 160, 10_000, 0.01), Case(100, 10_000, 160, 10_000, 0.002), Case(100, 10_000, 160, 10_000, 0.0), Case(100, 10_000, 400, 10_000, 0.01),
        Case(20, 2000, 0, 500, 0.01), Case(20, 2000, 0, 500, 0.005), Case(5, 100, 9, 100, 0.05), Case(1, 30, 3, 30, 0.02), Case(0, 50, 5, 50, 0.01), Case(0, 50, 6, 50, 0.01),
        Case(50, 100, 40, 100, 0.05), Case(186, 10_000, 5, 500, 0.005), Case(218, 10_000, 14, 200, 0.02), Case(19, 1000, 1, 200, 0.01),
        Case(32, 1000, 4, 200, 0.02), Case(3, 300, 1, 3, 0.01), Case(100, 10_000, 10, 1000, 0.005), Case(500, 10_000, 500, 10_000, 0.006), Case(500, 10_000, 500, 10_000, 0.007),
    ],
    raises=[Case(0, 0, 1, 10, 0.01, label="no requests in the base"), Case(1, 10, 0, 0, 0.01, label="no requests in the canary"),
            Case(-1, 10, 1, 10, 0.01, label="-1 errors in the base"), Case(1, 10, -1, 10, 0.01, label="-1 errors in the canary"),
            Case(11, 10, 1, 10, 0.01, label="11 errors of 10 in the base"), Case(1, 10, 11, 10, 0.01, label="11 errors of 10 in the canary"),
            Case(0, -5, 0, 10, 0.01, label="-5 requests in the base"), Case(0, 10, 0, -5, 0.01, label="-5 requests in the canary")],
    draw=_draw, draws=60,
    misconceptions=[
        Misconception(
            "rates_compared", _decide(rule=lambda low, high, d, t: "rollback" if d > t else "promote"),
            also=(_decide(rule=lambda low, high, d, t: "rollback" if d > t else "promote", check=False),
                  _decide(rule=lambda low, high, d, t: "rollback" if d > t else "promote" if d < t else "continue"),
                  _decide(rule=lambda low, high, d, t: "rollback" if d > 0 else "promote")),
            message="You compare the two error rates. 4 of 200 is twice 20 of 2,000, and still compatible with no change at all: the numbers are small. "
                    "Decide by the interval.",
            title="Two rates are not two truths."),
        Misconception(
            "wald", **_both(interval=_wald),
            message="This is the interval from the standard deviations (Wald's). With 0 errors in both arms its width is 0, so it decides at once. "
                    "Wilson's limits do not collapse.",
            title="An interval of width zero."),
        Misconception(
            "not_worse_is_good", **_both(rule=lambda low, high, d, t: "rollback" if low > t else "promote"),
            message="You promote whatever is not proved to be worse. 50 clean requests prove little: promote only if the whole interval lies at or below "
                    "the tolerance.",
            title="Absence of evidence."),
        Misconception(
            "not_significant_is_good", **_both(rule=lambda low, high, d, t: "rollback" if low > t else "promote" if low <= 0 else "continue"),
            message="You promote as soon as no difference is proved (0 lies in the interval). With few requests that is always so. The upper end has to "
                    "be at or below the tolerance.",
            title="Not significant is not safe."),
        Misconception(
            "promote_below_zero", **_both(rule=lambda low, high, d, t: "rollback" if low > t else "promote" if high <= 0 else "continue"),
            message="You promote only if the canary is proved to be better. A release that is as good would wait for ever: up to the tolerance is allowed.",
            title="As good is good enough."),
        Misconception(
            "arms_swapped", **_both(interval=_swapped),
            message="You subtract the canary from the base. A positive difference has to mean that the canary is worse.",
            title="Which minus which?"),
        Misconception(
            "any_increase", **_both(rule=lambda low, high, d, t: "rollback" if low > 0 else "promote" if high <= t else "continue"),
            message="You roll back as soon as an increase is proved. An increase up to the tolerance was agreed on: the whole interval has to lie above "
                    "the tolerance.",
            title="The tolerance was agreed on."),
        Misconception(
            "promote_first", **_both(rule=lambda low, high, d, t: "promote" if d <= t and low <= t and high <= 2 * t else _rule(low, high, d, t)),
            message="You promote on the estimate, or with an allowance on top. The upper end of the interval decides alone.",
            title="The upper end decides."),
        Misconception(
            "extremes", **_both(interval=_extremes),
            message="You take the worst of one arm against the best of the other. Both at once is much rarer than 5 %: the interval is too wide. The two "
                    "distances add as squares.",
            title="Distances add as squares."),
        Misconception(
            "limits_crossed", **_both(interval=_crossed),
            message="The wrong limits are paired. The difference is smallest when the canary is at its lower limit and the base at its *upper* one.",
            title="Which limit belongs to which end?"),
        Misconception(
            "base_taken_as_exact", **_both(interval=_canary_only),
            message="You treat the base's rate as known. It was counted too and has limits of its own: both go into the width.",
            title="The base is a sample too."),
        Misconception(
            "canary_alone", **_both(interval=_absolute),
            message="You look at the canary's own error rate. The tolerance is for the difference from the base: errors that both have are not the release's.",
            title="The base is left out."),
        Misconception(
            "one_sided", **_both(interval=_one_sided),
            message="Your limits are those of 90 % (z = 1.645). The text asks for z = 1.959964.",
            title="Another confidence."),
        Misconception(
            "unchecked", _decide(check=False),
            "Impossible counts get a decision, or an error of another kind. Raise ValueError for n below 1, and for errors below 0 or above n, in both arms.",
            "Impossible counts."),
    ],
    alternatives=[_with_roots, _with_scipy],
    hints=(
        "Write a small function that returns Wilson's two limits for k of n. Everything else uses it twice.",
        "L uses the canary's lower limit and the base's upper one, U the other two. The distances add as squares.",
        "Ask for \"rollback\" first (L above the tolerance), then for \"promote\" (U at or below it). What is left is \"continue\".",
    ),
    worth_knowing="Three other chapters have release rules: 14 guards an absolute promise, 39 and 41 compare two models on the same labelled images. "
                  "These three decide before the release; this one counts errors after it.",
)

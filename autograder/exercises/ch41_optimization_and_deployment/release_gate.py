"""Exercise 41.release_gate: a paired test and an allowance decide whether a candidate may replace the model in service."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.delivery import tradeoff

from ...compare import close
from ...exercise import Case, Exercise, Misconception

SLACK = 1e-12


def _tail(k: int, n: int) -> float:
    """P(X <= k) of n fair coins."""
    return sum(math.comb(n, i) for i in range(k + 1)) / 2**n


def _exact(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    return min(1.0, 2 * _tail(min(lost, gained), lost + gained))


def _flips(base: np.ndarray, cand: np.ndarray) -> tuple[int, int]:
    return int(np.sum(base & ~cand)), int(np.sum(cand & ~base))


def _rule(p: float, drop: float, max_drop: float, alpha: float) -> bool:
    return drop <= max_drop + SLACK and not (p < alpha and drop > max_drop / 2 + SLACK)


def _gate(*, flips: Callable = _flips, p: Callable = _exact, drop: Callable | None = None, rule: Callable = _rule,
          check: bool = True) -> Callable:
    """An answer from its parts; with the defaults it is right. `drop` is a function of (base, cand, lost, gained)."""

    def answer(base_ok: np.ndarray, cand_ok: np.ndarray, max_drop: float, alpha: float) -> dict:
        if check and base_ok.shape != cand_ok.shape:
            raise ValueError("one shape")
        lost, gained = flips(base_ok, cand_ok)
        told = (lost - gained) / len(base_ok) if drop is None else drop(base_ok, cand_ok, lost, gained)
        value = float(p(base_ok, cand_ok, lost, gained))
        return {"lost": lost, "gained": gained, "drop": float(told), "p_value": value, "passed": bool(rule(value, told, max_drop, alpha))}

    return answer


def _both(**parts: Callable) -> dict:
    """`answer` and `also` of a misconception: with and without the refusal."""
    return {"answer": _gate(**parts), "also": (_gate(**parts, check=False),)}


def _erfc(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def _two_proportions(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    a, b = base.mean(), cand.mean()
    se = math.sqrt((a + b) * (1 - (a + b) / 2) / len(base))
    return _erfc((a - b) / se) if se else 1.0


def _unpooled(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    a, b = base.mean(), cand.mean()
    se = math.sqrt((a * (1 - a) + b * (1 - b)) / len(base))
    return _erfc((a - b) / se) if se else 1.0


def _fisher(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    from scipy.stats import fisher_exact

    a, b, n = int(base.sum()), int(cand.sum()), len(base)
    return fisher_exact([[a, n - a], [b, n - b]]).pvalue


def _one_sided(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    return _tail(min(lost, gained), lost + gained)


def _loss_only(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    """P(at least so many lost)."""
    return _tail(gained, lost + gained)


def _uncapped(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    return 2 * _tail(min(lost, gained), lost + gained)


def _chi_square(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    return _erfc((lost - gained) / math.sqrt(lost + gained)) if lost + gained else 1.0


def _chi_square_corrected(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    return _erfc(max(0, abs(lost - gained) - 1) / math.sqrt(lost + gained)) if lost + gained else 1.0


def _all_coins(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    """Every sample a coin, also those that both have right."""
    return min(1.0, 2 * _tail(min(lost, gained), len(base)))


def _net(base: np.ndarray, cand: np.ndarray) -> tuple[int, int]:
    """Only the difference of the totals."""
    difference = int(base.sum()) - int(cand.sum())
    return max(0, difference), max(0, -difference)


def _totals(base: np.ndarray, cand: np.ndarray) -> tuple[int, int]:
    return int(base.sum()), int(cand.sum())


def _swapped(base: np.ndarray, cand: np.ndarray) -> tuple[int, int]:
    return _flips(cand, base)


def _among_flips(base: np.ndarray, cand: np.ndarray, lost: int, gained: int) -> float:
    return (lost - gained) / (lost + gained) if lost + gained else 0.0


def _without_slack(p: float, drop: float, max_drop: float, alpha: float) -> bool:
    return drop < max_drop - SLACK and not (p < alpha and drop >= max_drop / 2 - SLACK)


# --- right answers ------------------------------------------------------------------------------


def _with_scipy(base_ok: np.ndarray, cand_ok: np.ndarray, max_drop: float, alpha: float) -> dict:
    from scipy.stats import binomtest

    if base_ok.shape != cand_ok.shape:
        raise ValueError("shapes differ")
    step = cand_ok.astype(int) - base_ok.astype(int)
    lost, gained = np.count_nonzero(step < 0), np.count_nonzero(step > 0)
    p = binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    drop = -step.mean()
    real_loss = p < alpha and drop - max_drop / 2 > 1e-12
    return {"lost": lost, "gained": gained, "drop": drop, "p_value": p, "passed": drop - max_drop <= 1e-12 and not real_loss}


def _with_a_loop(base_ok: np.ndarray, cand_ok: np.ndarray, max_drop: float, alpha: float) -> dict:
    """The larger side from above, term by term."""
    if len(base_ok) != len(cand_ok):
        raise ValueError("as many samples for both")
    lost = gained = 0
    for b, c in zip(base_ok.tolist(), cand_ok.tolist()):
        lost, gained = lost + (b and not c), gained + (c and not b)
    n = lost + gained
    p = min(2 * math.fsum(math.comb(n, i) * 0.5**n for i in range(max(lost, gained), n + 1)), 1.0)
    drop = sum(base_ok.tolist()) / len(base_ok) - sum(cand_ok.tolist()) / len(cand_ok)
    passed = False if drop > max_drop + 1e-12 else p >= alpha or drop <= max_drop / 2 + 1e-12
    return {"passed": passed, "p_value": p, "drop": drop, "gained": gained, "lost": lost}


def _with_logic(base_ok: np.ndarray, cand_ok: np.ndarray, max_drop: float, alpha: float) -> dict:
    if np.shape(base_ok) != np.shape(cand_ok):
        raise ValueError("shapes")
    differ = base_ok != cand_ok
    lost = int(base_ok[differ].sum())
    gained = int(differ.sum()) - lost
    ways = [math.comb(lost + gained, i) for i in range(lost + gained + 1)]
    p = min(1, 2 * sum(ways[: min(lost, gained) + 1]) / sum(ways))
    drop = (lost - gained) / base_ok.size
    return {"lost": lost, "gained": gained, "drop": drop, "p_value": p, "passed": _rule(p, drop, max_drop, alpha)}


# --- cases ---------------------------------------------------------------------------------------


def _arrays(lost: int, gained: int, n: int, right: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shuffled answers of two models; `right` of the samples that both treat alike are right."""
    at = np.arange(n)
    base = (at < lost) | ((at >= lost + gained) & (at < lost + gained + right))
    cand = ((at >= lost) & (at < lost + gained)) | ((at >= lost + gained) & (at < lost + gained + right))
    order = np.random.default_rng(seed).permutation(n)
    return base[order], cand[order]


def _case(lost: int, gained: int, n: int, max_drop: float, alpha: float = 0.05, share: float = 0.95, seed: int = 0) -> Case:
    right = round(share * (n - lost - gained))
    told = f"{n} samples, {lost} lost, {gained} gained, max_drop={max_drop:g}, alpha={alpha:g}"
    return Case(*_arrays(lost, gained, n, right, seed), max_drop, alpha, label=told)


def _draw(rng: np.random.Generator) -> Case:
    """Allowances of whole samples, so that the drop often equals the limit or half of it."""
    n = int(rng.choice([50, 100, 200, 300, 540]))
    gained = int(rng.integers(0, 10))
    lost = max(0, gained + int(rng.integers(-6, 16)))
    drop = max(1, lost - gained)
    max_drop = float(rng.choice([drop, 2 * drop, 2 * drop - 1, drop - 1, drop + 1, 3 * drop, 4])) / n
    return _case(lost, gained, n, max_drop, float(rng.choice([0.01, 0.05, 0.1])), float(rng.choice([0.6, 0.8, 0.95])), int(rng.integers(2**31)))


def _show(value: Any) -> str:
    if isinstance(value, dict) and {"lost", "gained", "drop", "p_value", "passed"} <= set(value):
        return (f"{value['lost']} lost, {value['gained']} gained, drop {value['drop']:.4f}, p {value['p_value']:.4f}, "
                f"{'passed' if value['passed'] else 'refused'}")
    return str(value)


release_gate = Exercise(
    id="41.release_gate", points=6, difficulty=3, minutes=15, idea="the same samples for both: only those that flip can tell",
    reference=tradeoff.release_gate,
    cases=[_case(9, 4, 540, 0.01), _case(8, 2, 540, 0.012), _case(10, 1, 540, 0.02)],
    hidden=[_case(0, 0, 100, 0.01), _case(0, 0, 100, 0.0), _case(5, 5, 100, 0.01), _case(0, 8, 100, 0.01), _case(2, 12, 200, 0.05),
            _case(3, 0, 100, 0.03), _case(6, 0, 100, 0.12), _case(7, 0, 100, 0.12), _case(7, 0, 100, 0.12, 0.01), _case(4, 1, 100, 0.03),
            _case(12, 2, 200, 0.05), _case(30, 12, 540, 0.05), _case(1, 0, 8, 0.2), _case(1, 2, 10, 0.0), _case(20, 20, 60, 0.1, share=0.5),
            _case(9, 2, 100, 0.1, share=0.7), _case(9, 2, 100, 0.15, share=0.7), _case(1, 1, 3, 0.5)],
    draw=_draw, draws=40, compare=close(1e-9, 1e-12), show=_show, pure=True,
    raises=[Case(np.ones(6, bool), np.ones(5, bool), 0.1, 0.05, label="6 and 5 samples"),
            Case(np.ones(6, bool), np.ones(1, bool), 0.1, 0.05, label="6 samples and 1")],
    misconceptions=[
        Misconception(
            "unpaired", _gate(p=_two_proportions), also=(_gate(p=_two_proportions, check=False), _gate(p=_unpooled), _gate(p=_fisher)),
            message="Your p-value is that of two independent groups. Both models saw the same samples: those on which they agree can't tell "
                    "them apart. Only the lost and the gained ones are evidence.",
            title="The same samples for both."),
        Misconception(
            "totals_only", _gate(flips=_net), also=(_gate(flips=_net, check=False), _gate(flips=_totals)),
            message="You use the difference of the totals. Equal totals can hide many swaps: 10 lost and 6 gained are not 4 lost. Count the "
                    "samples that only one of the two has right.",
            title="Totals hide the swaps."),
        Misconception(
            "one_sided", _gate(p=_one_sided), also=(_gate(p=_one_sided, check=False), _gate(p=_loss_only)),
            message="This is the tail on one side. Two-sided was asked, since the candidate might differ either way: twice the smaller tail, "
                    "at most 1.",
            title="One side is missing."),
        Misconception(
            "above_one", **_both(p=_uncapped),
            message="Your p-value can be above 1: with as many lost as gained the two tails share the middle. A probability ends at 1.",
            title="A probability above 1."),
        Misconception(
            "approximated", _gate(p=_chi_square), also=(_gate(p=_chi_square, check=False), _gate(p=_chi_square_corrected)),
            message="You use the normal (chi-squared) approximation. With a dozen flips it is off by a factor; the exact sum of binomial "
                    "coefficients is as easy.",
            title="Approximated."),
        Misconception(
            "all_samples_are_coins", **_both(p=_all_coins),
            message="You throw a coin for every sample. Where both are right or both are wrong nothing was decided: n is lost + gained.",
            title="Too many coins."),
        Misconception(
            "not_significant_is_equal", **_both(rule=lambda p, drop, max_drop, alpha: p >= alpha),
            message="You let pass whatever is not significant. Absence of evidence on a few hundred samples is not equality, and the limit of "
                    "the drop holds whatever p says.",
            title="Not significant is not equal."),
        Misconception(
            "limit_only", **_both(rule=lambda p, drop, max_drop, alpha: drop <= max_drop + SLACK),
            message="You only look at the limit. A significant loss (p below alpha) of more than half of `max_drop` blocks "
                    "as well: it is hardly chance, and the next release would take the other half.",
            title="The significant loss passes."),
        Misconception(
            "significant_always_blocks", **_both(rule=lambda p, drop, max_drop, alpha: drop <= max_drop + SLACK and p >= alpha),
            message="You block every significant difference, improvements and small losses included. It blocks only together with a drop of "
                    "more than half the allowance.",
            title="Every significant difference blocks."),
        Misconception(
            "limits_exclusive", **_both(rule=_without_slack),
            message="A drop that equals the limit (or half of it) is treated as if it were beyond. Equal is allowed in both comparisons.",
            title="Equal is allowed."),
        Misconception(
            "slack_missing", **_both(rule=lambda p, drop, max_drop, alpha: drop <= max_drop and not (p < alpha and drop > max_drop / 2),
                                     drop=lambda base, cand, lost, gained: base.mean() - cand.mean()),
            message="Your rule is right, but a drop that equals a limit on paper can differ from it in the 16th digit. Allow 1e-12 in "
                    "both comparisons.",
            title="Rounding decides."),
        Misconception(
            "swapped", **_both(flips=_swapped),
            message="lost and gained are exchanged. Lost is what the model in service has right and the candidate does not; then a positive "
                    "drop is a loss.",
            title="Lost and gained."),
        Misconception(
            "drop_among_flips", **_both(drop=_among_flips),
            message="You divide by the samples that flip. The drop is a difference of accuracies, over all N samples.",
            title="Divided by the flips."),
        Misconception(
            "relative_drop", **_both(drop=lambda base, cand, lost, gained: (lost - gained) / max(1, int(base.sum()))),
            message="You divide by the right answers of the model in service. That is a relative loss, as MLPerf's 99 % is. Here the drop is "
                    "the difference of the two accuracies.",
            title="A relative loss."),
        Misconception(
            "shapes_unchecked", _gate(check=False),
            "Arrays of different lengths are compared all the same: NumPy repeats a single element. Check the shapes before anything else.",
            "The shapes may differ."),
    ],
    alternatives=[_with_scipy, _with_a_loop, _with_logic],
    hints=(
        "`base_ok & ~cand_ok` are the lost ones. Count these and the gained ones; everything else follows.",
        "P(X ≤ k) of n fair coins is the sum of `math.comb(n, i)` for i from 0 to k, over 2**n. Twice that, at most 1.",
        "Two reasons to refuse: the drop is above `max_drop`; or p is below `alpha` and the drop is above half of `max_drop`.",
    ),
    worth_knowing="Chapters 06, 14 and 39 have other release rules, on purpose. This one compares with the model in service, on its own samples.",
)

"""Exercise 32.speculative_accept: accept or resample, so that the target's distribution stays."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from utils.engines.tensorrt_llm import speculative

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception

_ACCEPT, _COUNTS = "ch32_tensorrt_llm.accept", "ch32_tensorrt_llm.accept_counts"
RUNS = 2500


def _sample(weights: np.ndarray, rng: np.random.Generator) -> int:
    """An index by its weight, which need not sum to one: what is beyond the sum falls on the last one."""
    return min(int(np.searchsorted(np.cumsum(weights), rng.random(), side="right")), len(weights) - 1)


def _answer(draft_tokens, p_draft, p_target, u, rng, *, ratio: str = "q/p", residual: str = "q-p", normalised: bool = True,
            after: str = "stop", bonus: str = "gamma", pick: str = "sample") -> list[int]:
    """An answer with one mistake; with its defaults it is right."""
    p, q, gamma, out = np.asarray(p_draft), np.asarray(p_target), len(draft_tokens), []
    for i, x in enumerate(draft_tokens):
        with np.errstate(divide="ignore", invalid="ignore"):
            threshold = {"q/p": q[i, x] / p[i, x], "q": q[i, x], "p/q": p[i, x] / q[i, x], "p": p[i, x], "argmax": float(np.argmax(q[i]) == x),
                         "difference": 1 - max(0.0, p[i, x] - q[i, x])}[ratio]
        if u[i] < min(1, threshold):
            out.append(int(x))
            continue
        if after == "drop":
            return out
        weights = {"q-p": np.maximum(q[i] - p[i], 0), "q": q[i], "p": p[i], "abs": np.abs(q[i] - p[i]),
                   "p-q": np.maximum(p[i] - q[i], 0), "without x": np.where(np.arange(q.shape[1]) == x, 0, q[i])}[residual]
        if normalised and weights.sum() > 0:
            weights = weights / weights.sum()
        out.append(int(np.argmax(weights)) if pick in ("argmax", "argmax rest") else _sample(weights, rng))
        if after == "stop":
            return out
    row = {"gamma": q[gamma], "previous": q[gamma - 1], "draft": p[gamma - 1]}.get(bonus)
    if bonus != "none":
        out.append(int(np.argmax(row)) if pick in ("argmax", "argmax bonus") else _sample(row, rng))
    return out


def _no_loop(draft_tokens, p_draft, p_target, u, rng):
    """How many are accepted, then one draw."""
    p, q, x = np.asarray(p_draft), np.asarray(p_target), np.asarray(draft_tokens, dtype=int)
    rows = np.arange(len(x))
    n = int(np.cumprod(np.asarray(u) < np.minimum(1, q[rows, x] / p[rows, x])).sum())
    left = q[n] - p[n] if n < len(x) else q[n]
    left = np.where(left > 0, left, 0)
    return x[:n].tolist() + [int(np.argmax(rng.multinomial(1, left / left.sum())))]


def _by_cumsum(draft_tokens, p_draft, p_target, u, rng):
    """Multiplied out, and sampled by inverting the cumulative sum; draws a number that it does not need."""
    rng.random()
    out = []
    for i in range(len(draft_tokens)):
        x = draft_tokens[i]
        if u[i] * p_draft[i][x] >= p_target[i][x]:
            rest = [max(0.0, b - a) for a, b in zip(p_draft[i], p_target[i])]
            break
        out.append(x)
    else:
        rest = list(p_target[len(draft_tokens)])
    point, t = rng.random() * sum(rest), 0
    while point >= rest[t]:
        point -= rest[t]
        t += 1
    return out + [t]


# --- judging frequencies ------------------------------------------------------------------------


def _outputs(p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    """Every possible output and its exact probability."""
    found: dict[str, float] = {}

    def follow(i: int, so_far: str, chance: float) -> None:
        if i == len(p):
            last = q[i]
        else:
            for x in range(len(p[i])):
                if min(p[i, x], q[i, x]) > 0:
                    follow(i + 1, f"{so_far}{x} ", chance * min(p[i, x], q[i, x]))
            last = np.maximum(q[i] - p[i], 0)  # its sum is the probability of a rejection
        for token, share in enumerate(last):
            if chance * share > 0:
                found[f"{so_far}{token}"] = found.get(f"{so_far}{token}", 0) + chance * share

    follow(0, "", 1.0)
    return found


def _critical(df: int) -> float:
    """Chi-squared that chance exceeds once in ten million (Wilson and Hilferty; 5.2 standard deviations)."""
    return df * (1 - 2 / (9 * df) + 5.2 * (2 / (9 * df)) ** 0.5) ** 3


def _fits(counts: dict[str, int], chances: dict[str, float]) -> str | None:
    runs = sum(counts.values())
    impossible = [o for o in counts if o not in chances]
    if impossible:
        return f"the output [{impossible[0].replace(' ', ', ')}] came, which is impossible here"
    rare = [o for o, c in chances.items() if c * runs < 5]
    groups = [[o] for o in chances if o not in rare] + ([rare] if rare else [])
    terms = []
    for group in groups:
        wanted = runs * sum(chances[o] for o in group)
        terms.append((sum(counts.get(o, 0) for o in group) - wanted) ** 2 / wanted)
    if len(terms) > 1 and sum(terms) > _critical(len(terms) - 1):
        worst = groups[int(np.argmax(terms))][0]
        return (f"[{worst.replace(' ', ', ')}] came in {counts.get(worst, 0) / runs:.1%} of the steps, expected {chances[worst]:.1%}")
    return None


def _judge_counts(case: Case, expected: Any, got: Any) -> str | None:
    p, q = (np.asarray(a, float) for a in case.args)
    return _fits(got, _outputs(p, q))


def _same_counts(one: dict, other: dict, case: Case) -> str | None:
    """Two samples of one distribution? Chi-squared of their difference, rare outputs together."""
    n, m = sum(one.values()), sum(other.values())
    every = [o for o in {**one, **other} if one.get(o, 0) + other.get(o, 0) >= 10]
    pairs = [(one.get(o, 0), other.get(o, 0)) for o in every]
    pairs.append((n - sum(a for a, _ in pairs), m - sum(b for _, b in pairs)))
    terms = [(a * (m / n) ** 0.5 - b * (n / m) ** 0.5) ** 2 / (a + b) for a, b in pairs if a + b >= 10]
    return None if sum(terms) <= _critical(max(1, len(terms) - 1)) else "different distributions"


_FREQUENCIES = prop(_judge_counts, same=_same_counts)


def _same_prefix(one: list, other: list, case: Case) -> str | None:
    """The token that was sampled last depends on how the generator is used; all before it does not."""
    return None if len(one) == len(other) and one[:-1] == other[:-1] else "another output"


_EXACT = exact()


def _compare(expected: Any, got: Any, case: Case) -> str | None:
    return _EXACT(expected, got, case)


_compare.same = _same_prefix


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        first: dict[str, int] = {}
        for output, count in value.items():
            token = output.split(" ")[0] or "nothing"
            first[token] = first.get(token, 0) + count
        runs = sum(first.values())
        return "first token " + ", ".join(f"{t}: {first[t] / runs:.0%}" for t in sorted(first))
    return brief(value)


# --- cases ----------------------------------------------------------------------------------------


def _step(draft: list[int], p: list, q: list, u: list[float], label: str = "") -> Case:
    return Case(draft, np.array(p, float).reshape(len(draft), len(q[0])), np.array(q, float), np.array(u, float),
                label=label or f"drafts {draft}, u {u}")


def _counts(p: list, q: list, seed: int, label: str) -> Case:
    return Case(np.array(p, float), np.array(q, float), runs=RUNS, seed=seed, probe=_COUNTS, compare=_FREQUENCIES, label=label)


def _one(v: int, at: int) -> list[float]:
    return [float(t == at) for t in range(v)]


def _towards(p: np.ndarray, token: int, rng: np.random.Generator) -> np.ndarray:
    """A target that exceeds the draft at `token` only, so that a rejection has one possible outcome."""
    q = p * rng.choice([0.0, 0.25, 0.5, 0.75, 1.0], len(p))
    q[token] = 0.0
    q[token] = 1 - q.sum()
    return q


def _draw(rng: np.random.Generator) -> Case:
    gamma, v = int(rng.integers(1, 5)), int(rng.integers(2, 6))
    p = rng.dirichlet(np.full(v, 2.0), gamma)
    tokens = rng.integers(0, v, gamma)
    q = np.array([_towards(row, t, rng) for row, t in zip(p, tokens)] + [_one(v, int(rng.integers(v)))])
    x = rng.integers(0, v, gamma)
    ratio = np.minimum(1, q[np.arange(gamma), x] / p[np.arange(gamma), x])
    u = rng.random(gamma)
    u = np.where(np.abs(u - ratio) < 0.02, (u + 0.5) % 1, u)  # away from the border
    u = np.where(rng.random(gamma) < 0.4, np.minimum(u, 0.9 * ratio), u)  # else long runs would be rare
    return Case(x.tolist(), p, q, u, label=f"γ = {gamma}, {v} tokens")


def _wrong(tag: str, message: str, title: str, also: tuple = (), **mistake) -> Misconception:
    return Misconception(tag, partial(_answer, **mistake), message, title, also=also)


_P, _Q = [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]
_P2, _Q2 = [0.1, 0.2, 0.7], [0.45, 0.35, 0.2]
speculative_accept = Exercise(
    id="32.speculative_accept", points=5, difficulty=3, minutes=18, idea="accept with probability q/p, else sample what is missing",
    reference=speculative.speculative_accept, probe=_ACCEPT,
    cases=[
        _step([1, 0], [[0.5, 0.5], [0.25, 0.75]], [[0.5, 0.5], [0.25, 0.75], [0, 1]], [0.99, 0.99], "the same distributions, u = 0.99"),
        _step([0], [[0.5, 0.3, 0.2]], [[0.2, 0.3, 0.5], [1, 0, 0]], [0.5], "draft 0, p = [.5, .3, .2], q = [.2, .3, .5], u = 0.5"),
        _counts([_P], [_Q, _Q], 5, f"first token of {RUNS:,} steps, p = [.6, .3, .1], q = [.2, .5, .3]"),
    ],
    hidden=[
        _step([0], [[0.5, 0.3, 0.2]], [[0.2, 0.3, 0.5], [0, 1, 0]], [0.375], "accepted, then a bonus"),
        _step([1], [_P], [_one(3, 0), _one(3, 0)], [0.0], "the target never says this token"),
        _step([2, 1, 0], [_one(4, 2), _one(4, 1), _one(4, 0)], [_one(4, 2), _one(4, 1), _one(4, 3), _one(4, 0)], [0.5, 0.0, 0.9],
              "greedy: two match, the third does not"),
        _step([2, 1], [_one(3, 2), _one(3, 1)], [_one(3, 2), _one(3, 1), _one(3, 0)], [0.7, 0.999], "greedy: all match"),
        _step([0, 1, 1], [[0.5, 0.5]] * 3, [[0.25, 0.75]] * 3 + [_one(2, 0)], [0.75, 0.1, 0.1], "the first is rejected"),
        _step([0, 0, 1, 1], [[0.5, 0.5]] * 4, [[0.25, 0.75]] * 4 + [_one(2, 0)], [0.4, 0.6, 0.1, 0.1], "the second is rejected"),
        _step([1, 1, 1, 1], [[0.5, 0.5]] * 4, [[0.25, 0.75]] * 4 + [_one(2, 1)], [0.99] * 4, "the target likes the drafts better"),
        _counts([_P, _P2], [_Q, _Q2, _P], 11, "outputs of two drafts"),
        _counts([_P2, _P2], [_Q2, _Q, [0.5, 0.25, 0.25]], 17, "outputs of two other drafts"),
    ],
    draw=_draw, draws=25, compare=_compare, show=_shown, time_limit_s=6,
    misconceptions=[
        _wrong("resamples_target", "After a rejection you sample from `p_target`. The tokens that the draft likes were already accepted often "
               "enough; what is still missing is max(0, p_target - p_draft). Compare the frequencies in the table.",
               "Biased towards the draft.", residual="q"),
        _wrong("resamples_draft", "After a rejection you sample from the draft's distribution. The target did not want its token: sample what "
               "the target has and the draft lacks.", "The draft gets a second try.", residual="p",
               also=(partial(_answer, residual="p-q"),)),
        _wrong("without_the_token", "You forbid the rejected token and sample from the rest of `p_target`. Other tokens may have been drafted "
               "too often as well: subtract the whole draft distribution.", "Only one token was subtracted.", residual="without x"),
        _wrong("absolute", "You sample from |p_target - p_draft|. Where the draft is above the target, nothing is missing: clip at 0.",
               "The sign matters.", residual="abs"),
        _wrong("not_normalised", "Your clipped differences don't add up to 1, and what is left over falls on one token. Divide by their sum.",
               "The rest is no distribution.", normalised=False),
        _wrong("accepts_by_target", "You accept with probability p_target. A token that the target gives 30 % and the draft 30 % should always be "
               "accepted: what counts is the ratio p_target / p_draft.", "The ratio decides.", ratio="q"),
        _wrong("ratio_upside_down", "Your ratio is upside down. A token that the target likes *less* than the draft has to be rejected sometimes.",
               "The other way round.", ratio="p/q", also=(partial(_answer, ratio="p"),)),
        _wrong("greedy_only", "You accept a draft only if it is the target's most likely token. That is right for greedy decoding, where all "
               "probability lies on one token, and for nothing else.", "Only right without sampling.", ratio="argmax",
               also=(partial(_answer, ratio="argmax", pick="argmax"),)),
        _wrong("goes_on", "You go on with the next drafts after a rejection. They were written to follow a token that is no longer there.",
               "Drafts after a rejection are worthless.", after="continue"),
        _wrong("drops", "After a rejection you return nothing in its place. The target's pass is paid for: it gives one token of its own.",
               "A step always yields a token.", after="drop"),
        _wrong("no_bonus", "When all drafts are accepted, the target has also computed the distribution after the last one. Sample a token "
               "from it.", "The free token is missing.", bonus="none"),
        _wrong("bonus_row", "The bonus token stands after the last draft, so it comes from row γ of `p_target`. You took the row before it.",
               "The wrong row.", bonus="previous", also=(partial(_answer, bonus="draft"),)),
        _wrong("takes_the_likeliest", "You take the most likely token where one has to be *sampled*. The output then no longer has the target's "
               "distribution.", "Sampled, not the maximum.", pick="argmax",
               also=(partial(_answer, pick="argmax rest"), partial(_answer, pick="argmax bonus"))),
        _wrong("difference", "You accept with probability 1 - (p_draft - p_target). The right one is the ratio p_target / p_draft: of the 60 % that "
               "the draft says, the target wants 20, a third.", "A ratio, not a difference.", ratio="difference"),
    ],
    alternatives=[_answer, _no_loop, _by_cumsum],
    hints=(
        "Walk through the drafts. Token x at place i stays if u[i] < p_target[i, x] / p_draft[i, x]; a ratio above 1 is always enough.",
        "At the first rejection: `rest = np.maximum(p_target[i] - p_draft[i], 0)`, divide by its sum, `rng.choice(len(rest), p=rest)`, return.",
        "If the loop ends without a return, sample the bonus token from the last row of `p_target`.",
    ),
    worth_knowing="min(p, q) of each token comes through as a draft, and max(0, q - p) from resampling. Together that is q.",
)

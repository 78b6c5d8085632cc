"""Canary releases: a small share of the traffic, an interval for the difference, and a rule that decides."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from utils.cost.edge_metrics import newcombe_diff

PROMOTE, ROLLBACK, CONTINUE = "promote", "rollback", "continue"
BASE, CANARY = "base", "canary"
STEPS = (0.01, 0.05, 0.25, 1.0)


def canary_decision(base_err: int, base_n: int, can_err: int, can_n: int, tolerance: float) -> str:
    """"rollback" if the whole 95 % interval of p_canary - p_base lies above `tolerance`, "promote" if none of it does.

    Else "continue". The interval is Newcombe's (`newcombe_diff`). Raises ValueError for impossible counts.

    >>> canary_decision(20, 2000, 16, 200, 0.01), canary_decision(20, 2000, 0, 50, 0.01)
    ('rollback', 'continue')
    """
    low, high = newcombe_diff(base_err, base_n, can_err, can_n)
    if low > tolerance:
        return ROLLBACK
    return PROMOTE if high <= tolerance else CONTINUE


def samples_per_arm(p0: float, p1: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Requests in each arm for a one-sided test at level `alpha` to find a rise from p0 to p1 with chance `power`.

    The usual normal approximation for two shares, with pooled variance under "no difference".
    Raises ValueError unless 0 <= p0 < p1 <= 1 and both levels lie between 0 and 1.

    >>> samples_per_arm(0.01, 0.015), samples_per_arm(0.01, 0.015, alpha=0.025)
    (6105, 7750)
    """
    if not 0 <= p0 < p1 <= 1:
        raise ValueError(f"p0 and p1 must be shares with p0 below p1, got {p0} and {p1}")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha and power must lie between 0 and 1, got {alpha} and {power}")
    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha), NormalDist().inv_cdf(power)
    middle = (p0 + p1) / 2
    spread = z_alpha * math.sqrt(2 * middle * (1 - middle)) + z_power * math.sqrt(p0 * (1 - p0) + p1 * (1 - p1))
    return math.ceil((spread / (p1 - p0)) ** 2)


def canary_seconds(requests: int, rate_per_s: float, share: float) -> float:
    """Seconds until the canary's arm has `requests`, at `rate_per_s` requests in all and its `share` of them."""
    if not (rate_per_s > 0 and 0 < share <= 1):
        raise ValueError(f"rate_per_s must be positive and share above 0 and at most 1, got {rate_per_s} and {share}")
    return requests / (rate_per_s * share)


class Canary:
    """A rollout in steps: shares of the users that get the new release, each kept until the counts decide.

    Users are assigned but requests are counted: errors that cluster by user make the interval too narrow.
    The same user always gets the same arm, and who got the new release at 1 % still gets it at 5 %. Errors are counted
    anew at each step. With `min_requests` nothing is decided before the canary has so many: whoever looks after every
    request promotes a bad release by chance.
    """

    def __init__(self, steps: Sequence[float] = STEPS, tolerance: float = 0.01, *, min_requests: int = 1,
                 salt: str = "") -> None:
        steps = tuple(steps)
        if not steps or list(steps) != sorted(set(steps)) or steps[0] <= 0 or steps[-1] != 1.0:
            raise ValueError(f"steps must be rising shares that end at 1, got {steps}")
        self.steps, self.tolerance, self.min_requests, self.salt = steps, tolerance, max(1, min_requests), salt
        self.state, self._step = "running", 0  # then "released" or "rolled back"
        self._forget()

    def _forget(self) -> None:
        self.counts = {BASE: [0, 0], CANARY: [0, 0]}  # errors, requests

    @property
    def share(self) -> float:
        """Share of the users that get the new release now."""
        return {"released": 1.0, "rolled back": 0.0}.get(self.state, self.steps[self._step])

    def arm(self, user: str) -> str:
        """"base" or "canary", from a hash of the user's id and the salt."""
        digest = hashlib.sha256(f"{self.salt}\0{user}".encode()).digest()
        return CANARY if int.from_bytes(digest[:8], "big") / 2**64 < self.share else BASE

    def observe(self, arm: str, ok: bool) -> None:
        """Count one answered request of an arm."""
        self.counts[arm][0] += not ok
        self.counts[arm][1] += 1

    def decision(self) -> str:
        """What the counts of this step say; "continue" while an arm has too few requests, or after the end."""
        (base_err, base_n), (can_err, can_n) = self.counts[BASE], self.counts[CANARY]
        if self.state != "running" or base_n < 1 or can_n < self.min_requests:
            return CONTINUE
        return canary_decision(base_err, base_n, can_err, can_n, self.tolerance)

    def advance(self) -> str:
        """Do what the counts say: the next step, the end, or back. Returns the decision."""
        decision = self.decision()
        if decision == ROLLBACK:
            self.state = "rolled back"
        elif decision == PROMOTE:
            self._step += 1
            self._forget()
            if self.steps[self._step] == 1.0:
                self.state = "released"
        return decision


# --- simulated traffic -----------------------------------------------------------------------------


@dataclass(frozen=True)
class CanaryLook:
    """What is known at one look: seconds since the start, share of the canary, counts of this step, interval."""

    second: float
    share: float
    base: tuple[int, int]
    canary: tuple[int, int]
    low: float
    high: float
    decision: str


def simulate_canary(p_base: float, p_canary: float, rate_per_s: float, steps: Sequence[float] = STEPS,
                    tolerance: float = 0.01, *, look_every_s: float = 60.0, min_requests: int = 1,
                    limit_s: float = 86_400.0, seed: int = 0) -> list[CanaryLook]:
    """The looks of a rollout over simulated traffic, until it ends or `limit_s` is over.

    Every `look_every_s` the requests since the last look are drawn (Poisson counts, binomial errors).
    """
    rng, looks, second = np.random.default_rng(seed), [], 0.0
    canary = Canary(steps, tolerance, min_requests=min_requests)
    while canary.state == "running" and second < limit_s:
        second += look_every_s
        for arm, share, p in ((BASE, 1 - canary.share, p_base), (CANARY, canary.share, p_canary)):
            n = int(rng.poisson(rate_per_s * look_every_s * share))
            canary.counts[arm][0] += int(rng.binomial(n, p))
            canary.counts[arm][1] += n
        share, (base, new) = canary.share, (tuple(canary.counts[a]) for a in (BASE, CANARY))
        low, high = newcombe_diff(*base, *new) if base[1] and new[1] else (-1.0, 1.0)
        looks.append(CanaryLook(second, share, base, new, low, high, canary.advance()))
    return looks


def replay_canary(canary: Canary, base_ok: np.ndarray, canary_ok: np.ndarray, *, users: int = 5000,
                  look_every: int = 2000, limit: int = 200_000, seed: int = 0) -> list[tuple[float, int, int, str]]:
    """Play requests through a `Canary`: (share, base requests, canary requests, decision) at each look.

    A request comes from a random one of `users`, with a random sample. `base_ok` and `canary_ok` say, sample by sample,
    whether the two releases answer it right. After each `look_every` requests the counts are looked at; it stops when
    the canary ends, or after `limit` requests.
    """
    rng, looks = np.random.default_rng(seed), []
    names = [f"user-{i}" for i in range(users)]
    for _ in range(limit // look_every):
        arms = [canary.arm(name) for name in names]  # the same user, the same arm
        for user, sample in zip(rng.integers(users, size=look_every), rng.integers(len(base_ok), size=look_every)):
            canary.observe(arms[user], bool((canary_ok if arms[user] == CANARY else base_ok)[sample]))
        share, base_n, can_n = canary.share, canary.counts[BASE][1], canary.counts[CANARY][1]
        looks.append((share, base_n, can_n, canary.advance()))
        if canary.state != "running":
            break
    return looks


def promoted_share(p_base: float, p_canary: float, tolerance: float, looks: Sequence[int], trials: int,
                   rng: np.random.Generator, base_per_canary: int = 10) -> float:
    """Share of `trials` simulated canaries that are promoted at one of the `looks` (numbers of canary requests).

    The base has `base_per_canary` times as many requests. Rolled back at an earlier look counts as not promoted.
    """
    promoted = 0
    for _ in range(trials):
        base = can = seen = 0
        for look in looks:
            can += int(rng.binomial(look - seen, p_canary))
            base += int(rng.binomial(base_per_canary * (look - seen), p_base))
            seen = look
            decision = canary_decision(base, base_per_canary * look, can, look, tolerance)
            if decision != CONTINUE:
                promoted += decision == PROMOTE
                break
    return promoted / trials

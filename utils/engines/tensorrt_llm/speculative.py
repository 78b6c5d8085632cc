"""Speculative decoding: a cheap model drafts tokens, the target model checks them all in one pass.

The accept-or-resample rule leaves the distribution of the output exactly as the target model alone would give it.

Source: Leviathan et al., Fast Inference from Transformers via Speculative Decoding, ICML 2023 (algorithm 1,
equation 1, theorem 3.8); Chen et al., Accelerating Large Language Model Decoding with Speculative Sampling, 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative


def speculative_accept(draft_tokens: Sequence[int], p_draft: ArrayLike, p_target: ArrayLike, u: Sequence[float],
                       rng: np.random.Generator) -> list[int]:
    """The tokens that one verification step emits: accepted drafts, then one of the target's own.

    draft_tokens: gamma ids. p_draft (gamma, V), p_target (gamma + 1, V): distributions. u: gamma numbers in [0, 1).
    """
    p, q = np.asarray(p_draft, dtype=np.float64), np.asarray(p_target, dtype=np.float64)
    out = []
    for i, token in enumerate(draft_tokens):
        if u[i] >= min(1.0, q[i, token] / p[i, token]):
            residual = np.maximum(q[i] - p[i], 0)
            return [*out, int(rng.choice(len(residual), p=residual / residual.sum()))]
        out.append(int(token))
    return [*out, int(rng.choice(q.shape[1], p=q[len(out)]))]


def acceptance_rate(p_draft: ArrayLike, p_target: ArrayLike) -> float:
    """Probability that a token drafted from p_draft is accepted: the sum of min(p, q).

    >>> round(acceptance_rate([.6, .3, .1], [.2, .5, .3]), 12)
    0.6
    """
    return float(np.minimum(p_draft, p_target).sum())


def expected_tokens_per_step(alpha: float, gamma: int) -> float:
    """Mean tokens of a verification step: 1 + alpha + ... + alpha^gamma, when each draft is accepted with alpha.

    Raises ValueError unless 0 <= alpha <= 1 and gamma >= 0.

    >>> round(expected_tokens_per_step(0.8, 4), 4)
    3.3616
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")
    non_negative(gamma=gamma)
    return sum(alpha**i for i in range(gamma + 1))


def speculative_speedup(alpha: float, gamma: int, cost_ratio: float) -> float:
    """Tokens a step over the cost of a step, in passes of the target model: gamma drafts of `cost_ratio` and one pass.

    Holds while the pass over gamma + 1 tokens takes as long as one over a single token, so for small batches.

    >>> round(speculative_speedup(0.8, 4, 0.05), 2)
    2.8
    """
    non_negative(cost_ratio=cost_ratio)
    return expected_tokens_per_step(alpha, gamma) / (gamma * cost_ratio + 1)


@dataclass(frozen=True)
class SpeculativeRun:
    """Many verification steps with the same distributions at each place."""

    first_token: tuple[float, ...]
    accepted_share: float
    tokens_per_step: float

    def as_dict(self) -> dict:
        """The fields as a plain dict."""
        return asdict(self)


def simulate_speculation(p_draft: Sequence[float], p_target: Sequence[float], gamma: int, steps: int,
                         rng: np.random.Generator) -> SpeculativeRun:
    """Draft, verify, count: the share of each first token, of accepted first drafts, and mean tokens a step."""
    p, q = np.tile(p_draft, (gamma, 1)), np.tile(p_target, (gamma + 1, 1))
    counts, accepted, tokens = np.zeros(len(p_target)), 0, 0
    for _ in range(steps):
        draft = rng.choice(len(p_draft), size=gamma, p=p_draft)
        out = speculative_accept(draft, p, q, rng.random(gamma), rng)
        counts[out[0]] += 1
        accepted += len(out) > 1
        tokens += len(out)
    return SpeculativeRun(tuple((counts / steps).tolist()), accepted / steps, tokens / steps)

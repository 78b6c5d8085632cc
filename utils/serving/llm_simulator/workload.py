"""What a server is asked: when requests come, how long they are, and which of them begin alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from utils.attention.paging_sim import lognormal_lengths
from utils.cost.checks import non_negative, positive
from utils.serving.queueing import poisson_arrivals

MAX_PROMPT = 32_768  # own tokens; longer draws are cut
_VOCAB = 32_000      # token ids are drawn below it


class Request(NamedTuple):
    """One request: arrival (s), the ids of its prompt, and when it stops; a server knows `max_new` only."""

    arrival_s: float
    prompt: tuple[int, ...]
    output_tokens: int
    max_new: int


@dataclass(frozen=True)
class Workload:
    """How requests are drawn. Lengths are lognormal; a sigma of 0 makes them equal.

    Arrivals are Poisson, or all at 0 when `rate_per_s` is inf. `prompt_mean` counts a request's own tokens. With
    `system_tokens` each prompt begins with that many instructions: a share `system_share` of the requests has one
    of `system_prompts` common texts there, each of the others a text of its own, so that the share changes what
    can be reused and not how long prompts are. Raises ValueError for values out of range.
    """

    requests: int = 120
    rate_per_s: float = 2.0
    prompt_mean: float = 400
    prompt_sigma: float = 0.6
    output_mean: float = 150
    output_sigma: float = 0.7
    max_new: int = 1024
    system_tokens: int = 0
    system_share: float = 0.0
    system_prompts: int = 2

    def __post_init__(self) -> None:
        positive(requests=self.requests, rate_per_s=self.rate_per_s, prompt_mean=self.prompt_mean,
                 output_mean=self.output_mean, max_new=self.max_new, system_prompts=self.system_prompts)
        non_negative(prompt_sigma=self.prompt_sigma, output_sigma=self.output_sigma, system_tokens=self.system_tokens)
        if not 0 <= self.system_share <= 1:
            raise ValueError(f"system_share must lie in [0, 1], got {self.system_share}")


def make_requests(workload: Workload, seed: int = 0) -> list[Request]:
    """The requests of a workload in the order of arrival.

    Each property has a random stream of its own: another rate moves the arrivals and leaves the lengths as they are.
    """
    n = workload.requests
    arrivals_rng, prompts_rng, outputs_rng, heads_rng, ids_rng = (np.random.default_rng([seed, k]) for k in range(5))
    arrivals = np.zeros(n) if workload.rate_per_s == inf else poisson_arrivals(workload.rate_per_s, n, arrivals_rng)
    prompts = _lengths(workload.prompt_mean, workload.prompt_sigma, n, MAX_PROMPT, prompts_rng)
    outputs = _lengths(workload.output_mean, workload.output_sigma, n, workload.max_new, outputs_rng)
    common = [_ids(workload.system_tokens, heads_rng) for _ in range(workload.system_prompts)]
    has_common = heads_rng.random(n) < workload.system_share
    which = heads_rng.integers(workload.system_prompts, size=n)
    requests = []
    for i in range(n):
        own_head = _ids(workload.system_tokens, ids_rng)
        head = common[which[i]] if has_common[i] else own_head
        requests.append(Request(float(arrivals[i]), head + _ids(int(prompts[i]), ids_rng), int(outputs[i]),
                                workload.max_new))
    return requests


def _lengths(mean: float, sigma: float, n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    if sigma == 0:
        return np.full(n, min(max(1, round(mean)), most))
    return lognormal_lengths(mean, n, most, rng, sigma)


def _ids(n: int, rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(_VOCAB, size=n).tolist())

"""Requests of varying batch size against two optimization profiles: who serves what, and what the contexts hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.engines.tensorrt_build.profiles import choose_profile, opt_distance


def batch_requests(mean_batch: float, burstiness: float, n: int = 60, seed: int = 0) -> np.ndarray:
    """Batch sizes (int64, at least 1) of `n` requests around `mean_batch`.

    `burstiness` 0 gives equal batches; larger values spread them: log-normal with this sigma, of the same mean.
    Raises ValueError for a mean below 1 or a negative burstiness.
    """
    if mean_batch < 1 or burstiness < 0:
        raise ValueError(f"mean_batch must be at least 1 and burstiness not negative, got {mean_batch}, {burstiness}")
    spread = np.random.default_rng(seed).normal(size=n) * burstiness - burstiness**2 / 2
    return np.maximum(1, np.rint(mean_batch * np.exp(spread))).astype(np.int64)


def simulate_profiles(profiles: Sequence[tuple[int, int, int]], requests: Sequence[int],
                      model: Mapping[str, int]) -> dict[str, Any]:
    """Which profile (min, opt, max batch) serves each request, and the memory of one context a profile.

    `model` gives `sample_bytes` (activations of one sample) and `weights_bytes`. Keys of the result: served (index a
    request, -1 = rejected), distance (|ln| of batch over opt, NaN if rejected), rejected (count), activation_bytes (a
    profile, at its max), used_bytes (at the largest batch that it really served), total_bytes (weights and contexts).
    """
    full = [tuple((size,) for size in profile) for profile in profiles]
    served, distance = [], []
    for batch in requests:
        try:
            index = choose_profile(full, (int(batch),))
        except ValueError:
            index = -1
        served.append(index)
        distance.append(opt_distance([full[index][1]], [(int(batch),)]) if index >= 0 else float("nan"))
    reserved = [hi * model["sample_bytes"] for _, _, hi in profiles]
    used = [max((int(b) for b, s in zip(requests, served) if s == i), default=0) * model["sample_bytes"]
            for i in range(len(profiles))]
    return {"served": served, "distance": distance, "rejected": served.count(-1), "activation_bytes": reserved,
            "used_bytes": used, "total_bytes": model["weights_bytes"] + sum(reserved)}

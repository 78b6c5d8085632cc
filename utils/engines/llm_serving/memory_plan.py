"""Does a model fit, and where do its weights lie? GPU first, then CPU memory, then disk. GB = 1e9 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf

from utils.cost.checks import non_negative, positive


@dataclass(frozen=True)
class Plan:
    """Bytes of all weights, bytes of them in each memory tier, whether all is placed, and the slowest tier in use."""

    weight_bytes: float
    placement: dict[str, float]
    fits: bool
    lowest_tier: str | None

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


def memory_plan(params: float, bits: float, kv_bytes: float, tiers: Sequence[tuple[str, float]],
                overhead: float = 0.0) -> Plan:
    """Place the KV cache in the fastest tier and the weights greedily from there on.

    `tiers` are (name, bytes), fastest first; the share `overhead` of the fastest is kept free (activations, CUDA
    context). A KV cache that does not fit there makes the plan fail with nothing placed. Raises ValueError for
    params or bits that are not positive, a negative size, no tier, or overhead outside [0, 1).

    >>> memory_plan(7e9, 16, 4e9, [("gpu", 24e9), ("cpu", 64e9)], overhead=0.1).placement
    {'gpu': 14000000000.0, 'cpu': 0.0}
    """
    positive(params=params, bits=bits)
    non_negative(kv_bytes=kv_bytes, **{f"bytes_of_{name}": size for name, size in tiers})
    if not tiers:
        raise ValueError("tiers must name at least one memory, got none")
    if not 0 <= overhead < 1:
        raise ValueError(f"overhead must be in [0, 1), got {overhead}")
    weight_bytes = left = params * bits / 8
    (fastest, size), *slower = tiers
    free = size * (1 - overhead) - kv_bytes
    placement = dict.fromkeys((name for name, _ in tiers), 0.0)
    if free < 0:
        return Plan(weight_bytes, placement, False, None)
    for name, room in ((fastest, free), *slower):
        placement[name] = min(left, room)
        left -= placement[name]
    used = [name for name in placement if placement[name]]
    return Plan(weight_bytes, placement, left <= 0, used[-1] if used else None)


def memory_verdict(params: float, bits: float, gpu_gb: float, cpu_gb: float, kv_gb: float = 0.0,
                   gpu_reserve: float = 0.1) -> str:
    """Where a model has to live: "gpu", "offload", "disk" or "impossible"; sizes in GB of 1e9 bytes."""
    non_negative(gpu_gb=gpu_gb, cpu_gb=cpu_gb, kv_gb=kv_gb)
    if not 0 <= gpu_reserve < 1:
        raise ValueError(f"gpu_reserve must be in [0, 1), got {gpu_reserve}")
    plan = memory_plan(params, bits, kv_gb * 1e9, [("gpu", gpu_gb * 1e9), ("offload", cpu_gb * 1e9), ("disk", inf)],
                       gpu_reserve)
    return plan.lowest_tier or "impossible"


def max_bits_that_fit(params: float, memory_bytes: float, choices: Sequence[int] = (16, 8, 4, 2)) -> int | None:
    """The most bits a weight, of `choices`, with which all weights fit into `memory_bytes`; None if none does.

    >>> max_bits_that_fit(70e9, 48e9), max_bits_that_fit(6e12, 640e9)
    (4, None)
    """
    positive(params=params)
    return max((bits for bits in choices if params * bits / 8 <= memory_bytes), default=None)


def fit_grid(params: Sequence[float], bits: Sequence[float], gpu_gb: float, cpu_gb: float, kv_gb: float = 0.0,
             gpu_reserve: float = 0.1) -> list[list[str]]:
    """The `memory_verdict` of every number of parameters (columns) at every number of bits (rows)."""
    return [[memory_verdict(p, b, gpu_gb, cpu_gb, kv_gb, gpu_reserve) for p in params] for b in bits]

"""What a change buys: Amdahl's law, and one network under another precision, device, launch or batch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from utils.cost.checks import non_negative, positive

CHANGES = ("half_precision", "double_peak", "double_bw", "graph", "batch2")


def amdahl(share: float, speedup: float) -> float:
    """Overall speedup when `share` of the time becomes `speedup` times faster (Amdahl, 1967).

    Raises ValueError for a share outside [0, 1].

    >>> round(amdahl(0.6, 4), 2)
    1.82
    """
    positive(speedup=speedup)
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], got {share}")
    return 1 / (1 - share + share / speedup)


def amdahl_many(fractions: Mapping[str, float], speedups: Mapping[str, float]) -> float:
    """Overall speedup of parts with `fractions` of the time; a part that `speedups` leaves out stays as it is.

    Raises ValueError "fractions must sum to 1", KeyError for a speedup of an unknown part.
    """
    if not math.isclose(sum(fractions.values()), 1, abs_tol=1e-9):
        raise ValueError(f"fractions must sum to 1, got {sum(fractions.values())}")
    non_negative(**fractions)
    positive(**speedups)
    for name in speedups:
        if name not in fractions:
            raise KeyError(name)
    return 1 / sum(share / speedups.get(name, 1) for name, share in fractions.items())


def explain_speedup(layers: list[tuple[float, float, float]], peak_gflop_s: float, bw_gb_s: float, launch_us: float,
                    change: str) -> float:
    """Old time over new time per sample of a network of (flops, weight_bytes, activation_bytes) at batch 1.

    A layer takes launch + max(compute, memory). Changes: "half_precision" (bytes halved, peak doubled),
    "double_peak", "double_bw", "graph" (one launch for the whole network), "batch2" (two samples at once).
    Raises ValueError for another change.

    >>> [explain_speedup([(1e6, 4e6, 0)], 1000, 100, 5, change) for change in ("double_peak", "batch2")]
    [1.0, 2.0]
    """
    if change not in CHANGES:
        raise ValueError(f"change must be one of {', '.join(CHANGES)}, got {change!r}")
    positive(layers=len(layers), peak_gflop_s=peak_gflop_s, bw_gb_s=bw_gb_s)
    non_negative(launch_us=launch_us)

    def time_us(byte_scale: float = 1, peak_scale: float = 1, bw_scale: float = 1, launches: int = len(layers),
                batch: int = 1) -> float:
        """Time per sample."""
        total = launches * launch_us
        for flops, weight_bytes, activation_bytes in layers:
            moved = byte_scale * (weight_bytes + batch * activation_bytes)
            total += max(batch * flops / (1e3 * peak_scale * peak_gflop_s), moved / (1e3 * bw_scale * bw_gb_s))
        return total / batch

    changed = {
        "half_precision": {"byte_scale": 0.5, "peak_scale": 2}, "double_peak": {"peak_scale": 2},
        "double_bw": {"bw_scale": 2}, "graph": {"launches": 1}, "batch2": {"batch": 2},
    }[change]
    return time_us() / time_us(**changed)

"""How long to keep an idle model, and what it costs to bring it back.

Keeping costs `hold_cost` per second, reloading costs `reload_cost` once: the ski-rental problem (rent or buy). A
timeout of reload_cost / hold_cost never pays more than twice what knowing the future would (Karlin and others 1988).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from utils.cost.checks import non_negative, positive


def keep_alive_cost(gaps: Sequence[float], timeout: float, hold_cost: float, reload_cost: float) -> float:
    """Cost of dropping a model after `timeout` idle seconds, over the gaps (s) between its requests.

    In a gap g it is held for min(g, timeout) seconds at `hold_cost` each, and reloaded if g > timeout. No gaps cost 0.
    `timeout` may be infinite. Raises ValueError for a negative argument or gap.

    >>> keep_alive_cost([1, 2, 30, 0.5, 8], 5, 1, 5)
    23.5
    """
    _check(gaps, timeout=timeout, hold_cost=hold_cost, reload_cost=reload_cost)
    return math.fsum(min(g, timeout) * hold_cost + (reload_cost if g > timeout else 0) for g in gaps)


def offline_optimum(gaps: Sequence[float], hold_cost: float, reload_cost: float) -> float:
    """The least cost with the future known: each gap is either held through or ended by a reload.

    Raises ValueError for a negative argument or gap.

    >>> offline_optimum([1, 2, 30, 0.5, 8], 1, 5)
    13.5
    """
    _check(gaps, hold_cost=hold_cost, reload_cost=reload_cost)
    return math.fsum(min(g * hold_cost, reload_cost) for g in gaps)


def break_even_seconds(reload_cost: float, hold_cost_per_s: float) -> float:
    """The idle time (s) after which holding a model has cost as much as reloading it.

    Raises ValueError for a negative reload cost or a holding cost that is not positive.
    """
    non_negative(reload_cost=reload_cost)
    positive(hold_cost_per_s=hold_cost_per_s)
    return reload_cost / hold_cost_per_s


def timeout_curve(gaps: Sequence[float], hold: float, reload: float, timeouts: Sequence[float]) -> list[float]:
    """`keep_alive_cost` at each of the timeouts (s)."""
    return [keep_alive_cost(gaps, timeout, hold, reload) for timeout in timeouts]


def swap_seconds(nbytes: float, link_gb_s: float, evict_copies_back: bool = False) -> float:
    """Seconds to bring `nbytes` over a link of `link_gb_s` GB/s (1e9 bytes).

    With `evict_copies_back` a model of the same size is copied out first, which inference does not need: it changes
    no weights. Raises ValueError for negative bytes or a rate that is not positive.
    """
    non_negative(nbytes=nbytes)
    positive(link_gb_s=link_gb_s)
    return nbytes * (2 if evict_copies_back else 1) / (link_gb_s * 1e9)


def _check(gaps: Sequence[float], **values: float) -> None:
    non_negative(**values)
    for gap in gaps:
        non_negative(gaps=gap)

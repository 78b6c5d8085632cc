"""Energy of a mobile radio, which stays awake for a while after each transmission."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from utils.cost.checks import non_negative, positive


def radio_energy_j(times_s: Sequence[float], tx_s: float, p_tx_w: float, tail_s: float, p_tail_w: float) -> float:
    """Energy in joules of transmissions of `tx_s` that begin at the sorted `times_s`.

    A transmission takes `p_tx_w`. After it the radio stays in a state of `p_tail_w` for `tail_s` (the tail), unless the
    next transmission begins earlier. One may begin as another ends. 0.0 without requests.
    Raises ValueError when the times are unsorted or transmissions overlap, and for negative quantities.

    >>> round(radio_energy_j([0, 5, 60], 0.1, 1.2, 11.6, 1.06), 3)
    30.146
    """
    positive(tx_s=tx_s)
    non_negative(p_tx_w=p_tx_w, tail_s=tail_s, p_tail_w=p_tail_w)
    gaps_s = [later - (earlier + tx_s) for earlier, later in pairwise(times_s)]
    if any(gap < 0 for gap in gaps_s):
        raise ValueError(f"times_s must be sorted and at least {tx_s} s apart, got {list(times_s)[:8]}")
    if not times_s:
        return 0.0
    tails_s = sum(min(gap, tail_s) for gap in gaps_s) + tail_s  # nothing cuts the last tail short
    return len(times_s) * tx_s * p_tx_w + tails_s * p_tail_w


def merged(times_s: Sequence[float], every_s: float) -> list[float]:
    """The times at which requests are sent when they are kept and sent together, at most once in `every_s` seconds.

    A request waits for the end of its window [i * every_s, (i + 1) * every_s); one transmission carries the window.

    >>> merged([0, 5, 9, 31], 10)
    [10.0, 40.0]
    """
    positive(every_s=every_s)
    return [float((window + 1) * every_s) for window in dict.fromkeys(t // every_s for t in times_s)]

"""Bounds from a data sheet: frames a second, TOPS per watt, price of a million results. A measurement replaces them."""

from __future__ import annotations

from utils.cost.checks import non_negative, positive
from utils.cost.roofline import bound_of
from utils.hardware.chips.platform import Platform

HOURS_A_YEAR = 365 * 24


def roofline_ms(macs: float, nbytes: float, tops: float, gb_s: float | None, utilization: float = 0.3) -> float:
    """Milliseconds of one inference: the longer of arithmetic and DRAM traffic, which overlap.

    tops: dense peak, two operations to a MAC, of which `utilization` is reached. gb_s: DRAM peak, None for a chip that
    works from its own memory. Raises ValueError "util" unless 0 < utilization <= 1, and for counts below zero.

    >>> round(roofline_ms(300.8e6, 10e6, 6, 33.8), 3)
    0.334
    """
    if not 0 < utilization <= 1:
        raise ValueError(f"utilization must lie above 0 and at most at 1, got {utilization}")
    if gb_s is None:
        non_negative(macs=macs)
        positive(tops=tops)
        return 2 * macs / (tops * 1e9 * utilization)
    return bound_of(2 * macs, nbytes, tops * 1e3 * utilization, gb_s, 0)[1] / 1e3


def fps_on(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
    """Inferences a second by the roofline: 1000 over `roofline_ms`. Raises ValueError "util" unless 0 < util <= 1."""
    return 1000 / roofline_ms(macs, nbytes, tops, gb_s, util)


def used_share(macs: float, per_s: float, tops: float) -> float:
    """The share of the peak that a measured rate uses: two operations a MAC, times the rate, over the peak.

    >>> round(used_share(300.8e6, 2434, 26), 3)
    0.056
    """
    non_negative(macs=macs, per_s=per_s)
    positive(tops=tops)
    return 2 * macs * per_s / (tops * 1e12)


def tops_per_watt(p: Platform) -> float | None:
    """The maker's headline over the highest power mode, to which the peak belongs; None where either is unknown.

    It is what a brochure prints: sparse or INT4 where the headline is.
    """
    return None if p.headline_tops is None or p.watts is None else p.headline_tops / p.watts[1]


def owned_usd_per_million(price_usd: float, life_years: float, watts: float, usd_per_kwh: float, per_s: float,
                          duty: float) -> float:
    """US dollars for a million results of a device that one owns: its price and its electricity.

    `per_s` is the rate while busy, `duty` the busy share of its life; it draws `watts` all the time.
    Raises ValueError for negative costs, a life or rate that is not positive, or a duty outside (0, 1].
    """
    non_negative(price_usd=price_usd, watts=watts, usd_per_kwh=usd_per_kwh)
    positive(life_years=life_years, per_s=per_s, duty=duty)
    if duty > 1:
        raise ValueError(f"duty must be at most 1, got {duty}")
    hours = life_years * HOURS_A_YEAR
    cost_usd = price_usd + watts / 1000 * hours * usd_per_kwh
    return cost_usd / (per_s * duty * hours * 3600) * 1e6

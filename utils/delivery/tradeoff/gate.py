"""The release gate: may this candidate replace the model in service? Judged on the same samples for both."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from utils.cost.checks import non_negative, positive
from utils.cost.edge_metrics import discordant, mcnemar_p

SLACK = 1e-12  # (lost - gained) / N and the limits are rounded floats: equal ones must count as equal


@dataclass(frozen=True)
class GateResult:
    """Samples lost and gained, the drop of the accuracy (negative: better), the exact p-value, and the verdict."""

    lost: int
    gained: int
    drop: float
    p_value: float
    passed: bool

    def as_dict(self) -> dict:
        """The fields as plain data."""
        return asdict(self)


def gate_release(base_ok: ArrayLike, cand_ok: ArrayLike, max_drop: float, alpha: float = 0.05) -> GateResult:
    """Compare a candidate with the model in service on the same N samples; both arguments are bool of shape (N,).

    It passes if its accuracy is lower by at most `max_drop`, unless the loss is significant (two-sided exact McNemar p
    below `alpha`) and more than half of the allowance. Raises ValueError for shapes that differ, no samples,
    a negative allowance or an alpha outside (0, 1); TypeError for other dtypes than bool.

    >>> base = np.arange(540) < 527
    >>> gate_release(base, np.arange(540) < 520, max_drop=0.01).passed
    False
    """
    lost, gained = discordant(base_ok, cand_ok)
    samples = np.asarray(base_ok).size
    positive(samples=samples)
    non_negative(max_drop=max_drop)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    drop, p = (lost - gained) / samples, mcnemar_p(lost, gained)
    real_loss = p < alpha and drop > max_drop / 2 + SLACK
    return GateResult(lost, gained, drop, p, drop <= max_drop + SLACK and not real_loss)


def release_gate(base_ok: np.ndarray, cand_ok: np.ndarray, max_drop: float, alpha: float) -> dict:
    """lost, gained, drop, p_value and passed of a candidate against the model in service, on the same samples."""
    return gate_release(base_ok, cand_ok, max_drop, alpha).as_dict()


def noninferiority_bound(base_ok: ArrayLike, cand_ok: ArrayLike, alpha: float = 0.05, n_boot: int = 10_000,
                         seed: int = 0) -> float:
    """Upper end of a one-sided confidence interval of the drop, by a paired bootstrap of the N samples.

    A sample drawn again is lost, gained or neither, so a draw is multinomial. Where nothing was lost the bound is at
    most 0, and says too little: losses that were not seen can't be drawn (3 / N bounds them at 95 %).
    Raises as `gate_release` does.
    """
    lost, gained = discordant(base_ok, cand_ok)
    samples = np.asarray(base_ok).size
    positive(samples=samples, n_boot=n_boot)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    shares = np.array([lost, gained, samples - lost - gained]) / samples
    drawn = np.random.default_rng(seed).multinomial(samples, shares, size=n_boot)  # (n_boot, 3)
    return float(np.quantile((drawn[:, 0] - drawn[:, 1]) / samples, 1 - alpha))


@dataclass(frozen=True)
class SliceDrop:
    """One slice of the samples: how many, and how many only one of the two models has right."""

    name: Hashable
    n: int
    lost: int
    gained: int

    @property
    def drop(self) -> float:
        """Accuracy lost in this slice (negative: better)."""
        return (self.lost - self.gained) / self.n

    def as_dict(self) -> dict:
        """The fields and the drop as plain data."""
        return asdict(self) | {"drop": self.drop}


def slice_drops(slices: ArrayLike, base_ok: ArrayLike, cand_ok: ArrayLike, *, min_slice: int = 30) -> list[SliceDrop]:
    """The drop in each slice, worst first; `slices` (N,) names the slice of each sample (its class, its camera).

    Slices of fewer than `min_slice` samples are left out: there one sample is a large drop. Raises ValueError for
    lengths that differ.
    """
    names, base, cand = np.asarray(slices), np.asarray(base_ok), np.asarray(cand_ok)
    if names.shape != base.shape:
        raise ValueError(f"slices must have one name for each of {base.size} samples, got {names.size}")
    positive(min_slice=min_slice)
    found = []
    for name in np.unique(names):
        here = names == name
        n = int(np.count_nonzero(here))
        if n >= min_slice:
            found.append(SliceDrop(name.item(), n, *discordant(base[here], cand[here])))
    return sorted(found, key=lambda s: -s.drop)  # stable: equal drops stay in the order of the names


def samples_to_see(drop: float, disagreement: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Samples that a paired two-sided test needs to notice a true `drop`, when the models disagree on this share.

    The normal approximation of Connor (Biometrics 1987, formula for McNemar's test):
    n = (z_a sqrt(d) + z_b sqrt(d - drop^2))^2 / drop^2, d the disagreement. Raises ValueError unless
    0 < drop <= disagreement <= 1, or for shares outside (0, 1).
    """
    from statistics import NormalDist

    if not 0 < drop <= disagreement <= 1:
        raise ValueError(f"drop must be above 0 and at most the disagreement, got {drop} and {disagreement}")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"alpha and power must lie between 0 and 1, got {alpha} and {power}")
    z_a, z_b = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    return math.ceil((z_a * math.sqrt(disagreement) + z_b * math.sqrt(disagreement - drop**2)) ** 2 / drop**2)

"""Exercise 09.effective_bits: what a group's scale and zero point add to every weight."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import numpy as np

from utils.cost.params import storage as weight_bytes

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _bits(weight_bits: float, group_size: int, scale_bits: float, zero_bits: float = 0, *, scale: str = "group",
          counts_zero: bool = True, shared_weights: bool = False, unit: float = 1, check: bool = True) -> float:
    """The bits with one mistake; with its defaults they are right (an independent formulation)."""
    if check and group_size < 1:
        raise ValueError("a group holds at least one weight")
    extra = (scale_bits + (zero_bits if counts_zero else 0)) / unit
    if scale == "none":
        extra = 0
    elif scale == "group":
        extra /= group_size
    elif scale == "times":
        extra *= group_size
    return (weight_bits / group_size if shared_weights else weight_bits) + extra


def _of_one_group(weight_bits: float, group_size: int, scale_bits: float, zero_bits: float = 0) -> float:
    if not group_size > 0:
        raise ValueError("group_size")
    total = weight_bits * group_size
    total += scale_bits
    total += zero_bits
    return total / group_size


def _exactly(weight_bits: float, group_size: int, scale_bits: float, zero_bits: float = 0) -> float:
    if group_size <= 0:
        raise ValueError("group_size must be positive")
    return float(Fraction(weight_bits) + Fraction(scale_bits, group_size) + Fraction(zero_bits, group_size))


def _draw(rng: np.random.Generator) -> Case:
    bits, group = int(rng.integers(2, 9)), int(rng.choice([1, 8, 16, 32, 48, 64, 100, 128, 256]))
    scale = int(rng.choice([8, 16, 32]))
    return Case(bits, group, scale) if rng.random() < 0.35 else Case(bits, group, scale, int(rng.choice([2, 4, 8, 16])))


def _both(**mistake: object) -> dict:
    """The mistake with the bad input refused, and with it let through."""
    return {"answer": partial(_bits, **mistake), "also": (partial(_bits, check=False, **mistake),)}


effective_bits = Exercise(
    id="09.effective_bits", points=2, difficulty=1, minutes=5, idea="a group's scale is stored too",
    reference=weight_bytes.effective_bits,
    cases=[Case(4, 128, 16, 4), Case(4, 16, 8), Case(4, 32, 16, 0)],
    hidden=[Case(4, 32, 8), Case(8, 1, 16, 8), Case(3, 100, 16, 4), Case(2, 64, 8, 2), Case(4, 64, 16, 8)],
    raises=[Case(4, 0, 16, 4), Case(4, -1, 8), Case(4, -128, 16)],
    draw=_draw, draws=25, compare=close(rtol=1e-9),  # one division and three sums: a few ulp of float64
    misconceptions=[
        Misconception("no_metadata", title="The scales are missing.", message=
            "A group of weights is useless without its scale. Count what is stored beside the weights, and divide it among "
            "the weights that share it.", **_both(scale="none")),
        Misconception("scale_for_each_weight", title="One scale for each weight.", message=
            "A scale of its own for every weight would cost more than the weight. Here a whole group shares one.",
            **_both(scale="each")),
        Misconception("divides_the_weights", title="The weights were divided too.", message=
            "Only what the group shares is spread over its members. Every weight still has its own bits.",
            **_both(shared_weights=True)),
        Misconception("multiplies", title="Multiplied, not divided.", message=
            "With a larger group your cost grows. A larger group means fewer scales: the share of each weight must fall.",
            **_both(scale="times")),
        Misconception("bytes_and_bits", title="Bytes and bits are mixed.", message=
            "The weights are counted in bits and the metadata in bytes. Stay in bits until the end.", **_both(unit=8)),
        Misconception("no_zero_point", title="The zero point is missing.", message=
            "With asymmetric quantization a group stores a zero point beside its scale. What happened to the last argument?",
            **_both(counts_zero=False)),
        Misconception("group_unchecked", partial(_bits, check=False),
            "The bits are right. A group of no weights, or of fewer, has to be refused with a ValueError; a division by zero is "
            "another error.", "The size of the group is not checked."),
    ],
    alternatives=[_bits, _of_one_group, _exactly],
    hints=(
        "Take one group and write down everything that is stored for it, in bits.",
        "group_size · weight_bits for the weights, then one scale and one zero point. How much is that for each weight?",
        "Look at the size of the group before you divide by it.",
    ),
    worth_knowing="4 bits in groups of 128 with an FP16 scale and a 4-bit zero are 3.85 times smaller than FP16, not 4 times.",
)

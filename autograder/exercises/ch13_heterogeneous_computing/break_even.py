"""Exercise 13.break_even: the smallest batch for which the accelerator is faster."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np

from utils.hardware import heterogeneous

from ...compare import exact
from ...exercise import Case, Exercise, Misconception


def _exact(*values: float) -> list[Fraction]:
    return [Fraction(str(v)) for v in values]


def _closed(n: Callable[[Fraction, Fraction], int], gain: Callable = lambda cpu, dev, copy: cpu - dev - copy,
            fixed: Callable = lambda fixed, copy: fixed, number: Callable = _exact, none: int | None = None) -> Callable:
    """A closed form `n(fixed, gain)`, with one mistake or another; `none` where there is no gain."""

    def answer(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
        cpu, once, dev, copy = number(cpu_ms, fixed_ms, dev_ms, copy_ms)
        per_item = gain(cpu, dev, copy)
        return n(fixed(once, copy), per_item) if per_item > 0 else none

    return answer


def _floats(*values: float) -> list[float]:
    return [float(v) for v in values]


def _after(fixed: Fraction, gain: Fraction) -> int:
    return math.floor(fixed / gain) + 1


def _ceil(fixed: Fraction, gain: Fraction) -> int:
    return math.ceil(fixed / gain)


def _unguarded(number: Callable = _exact) -> Callable:
    def answer(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
        cpu, fixed, dev, copy = number(cpu_ms, fixed_ms, dev_ms, copy_ms)
        gain = cpu - dev - copy
        return None if gain == 0 else _after(fixed, gain)

    return answer


def _divides_by_zero(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int:
    cpu, fixed, dev, copy = _exact(cpu_ms, fixed_ms, dev_ms, copy_ms)
    return _after(fixed, cpu - dev - copy)


def _counted(most: int, whole: bool = True) -> Callable:
    """Counts up to `most`; in whole ten-thousandths of a ms, or in floats."""

    def answer(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
        values = (cpu_ms, fixed_ms, dev_ms, copy_ms)
        cpu, fixed, dev, copy = [int(v * 10_000) for v in _exact(*values)] if whole else values
        per_item = dev + copy
        return next((n for n in range(1, most + 1) if n * cpu > fixed + n * per_item), None)

    return answer


def _every_item_pays(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
    cpu, fixed, dev, copy = _exact(cpu_ms, fixed_ms, dev_ms, copy_ms)
    return 1 if cpu > fixed + dev + copy else None


# --- right answers ------------------------------------------------------------------------------


def _with_decimals(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
    loss = Decimal(str(dev_ms)) + Decimal(str(copy_ms)) - Decimal(str(cpu_ms))
    if loss >= 0:
        return None
    whole, _ = divmod(Decimal(str(fixed_ms)), -loss)
    return int(whole + 1)


def _doubling(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
    """Doubles until it wins, then halves the interval."""
    cpu, fixed, dev, copy = _exact(cpu_ms, fixed_ms, dev_ms, copy_ms)
    if cpu <= dev + copy:
        return None
    loses, wins = 0, 1
    while not wins * cpu > fixed + wins * (dev + copy):
        loses, wins = wins, 2 * wins
    while wins - loses > 1:
        middle = (loses + wins) // 2
        if middle * cpu > fixed + middle * (dev + copy):
            wins = middle
        else:
            loses = middle
    return wins


def _in_ten_thousandths(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
    """Whole ten-thousandths of a ms, and no division of fractions."""
    cpu, fixed, dev, copy = (round(v * 10_000) for v in (cpu_ms, fixed_ms, dev_ms, copy_ms))
    gain = cpu - dev - copy
    return None if gain <= 0 else fixed // gain + 1


def _draw(rng: np.random.Generator) -> Case:
    """Hundredths of a ms; half of the wins are exact ties at the batch before."""
    gain = int(rng.integers(1, 40))
    dev, copy = int(rng.integers(0, 90)), int(rng.integers(1, 60))
    if rng.random() < 0.25:
        gain = -int(rng.integers(0, 10))
    cpu = max(dev + copy + gain, 1)
    fixed = gain * int(rng.integers(1, 60)) if gain > 0 and rng.random() < 0.5 else int(rng.integers(0, 2000))
    return Case(cpu / 100, fixed / 100, dev / 100, copy / 100)


break_even = Exercise(
    id="13.break_even", points=3, difficulty=2, minutes=12, idea="a fixed cost is shared by the batch; ties are exact in decimals",
    reference=heterogeneous.break_even,
    cases=[Case(0.8, 3, 0.4, 0.1), Case(5, 3, 0.4, 0.1), Case(0.4, 3, 0.4, 0.1)],
    hidden=[Case(0.5, 1, 0.25, 0), Case(0.5, 3, 0.25, 0.25), Case(1, 0, 0.5, 0.25), Case(0.5, 0.7, 0.25, 0), Case(0.8004, 5000, 0.7, 0.1),
            Case(0.3, 2, 0.1, 0.1), Case(1.1, 0.7, 1, 0), Case(2, 6, 1, 0), Case(0.7, 3, 0, 0.3), Case(0.25, 0, 0.25, 0), Case(1, 2, 3, 4),
            Case(0.6, 1_000_000, 0.2, 0.1), Case(0.9, 600, 0.5, 0.3)],
    draw=_draw, draws=40, compare=exact(),
    misconceptions=[
        Misconception(
            "tie_counts", _closed(_ceil),
            "At an exact tie the device is not faster yet. In the first example 10 items take 8 ms either way, so the answer is one more.",
            "A tie is no win.",
            also=[_closed(_ceil, number=_floats), _closed(lambda f, g: max(1, _ceil(f, g))),
                  _closed(lambda f, g: max(1, _ceil(f, g)), number=_floats)]),
        Misconception(
            "binary_floats", _closed(_after, number=_floats),
            "Your comparison is right, your numbers are not: in binary floats 0.8 − 0.4 − 0.1 is not quite 0.3, and a tie tips over. The "
            "inputs mean decimals, so compute with `Fraction(str(x))`.",
            "Floats tip a tie over.",
            also=[lambda cpu, fixed, dev, copy: _after(fixed, cpu - (dev + copy)) if cpu > dev + copy else None,
                  lambda cpu, fixed, dev, copy: int(fixed // (cpu - dev - copy)) + 1 if cpu - dev - copy > 0 else None]),
        Misconception(
            "copy_ignored", _closed(_after, gain=lambda cpu, dev, copy: cpu - dev),
            "You leave out the copies. Each item is transferred, so an item gains cpu − dev − copy.",
            "Each item is copied.",
            also=[_closed(_after, gain=lambda cpu, dev, copy: cpu - dev, number=_floats)]),
        Misconception(
            "copied_once", _closed(_after, gain=lambda cpu, dev, copy: cpu - dev, fixed=lambda fixed, copy: fixed + copy),
            "You pay the copy once a batch. `copy_ms` is the transfer of one item, and the batch has n of them.",
            "Each item is copied.",
            also=[_closed(_after, gain=lambda cpu, dev, copy: cpu - dev, fixed=lambda fixed, copy: fixed + copy, number=_floats)]),
        Misconception(
            "fixed_for_each", _every_item_pays,
            "You pay the fixed cost for each item. It is paid once a batch: that is what a larger batch is good for.",
            "The batch shares the fixed cost."),
        Misconception(
            "no_gain", _unguarded(),
            "You divide although an item gains nothing. Where cpu − dev − copy is 0 or negative, no batch is large enough: None.",
            "Sometimes there is none.", also=[_divides_by_zero, _unguarded(_floats)]),
        Misconception(
            "none_is_a_number", _closed(_after, none=0),
            "Where no batch pays you return a number. Callers would take it for a batch size. Asked is None.",
            "None says none.", also=[_closed(_after, none=-1)]),
        Misconception(
            "counts_to_a_limit", _counted(1_000),
            "You count up and stop somewhere. A fixed cost of 5 s and a gain of 0.4 µs an item need more than ten million items: solve the "
            "inequality for n.",
            "The batch may be huge.",
            also=[_counted(10_000), _counted(100_000), _counted(1_000, whole=False), _counted(10_000, whole=False)]),
    ],
    alternatives=[_with_decimals, _doubling, _in_ten_thousandths],
    hints=(
        "Bring all terms with n to one side: n · (cpu − dev − copy) > fixed. What if the bracket is not positive?",
        "The smallest whole number *above* fixed / gain. For 10 that is 11, for 10.5 also 11.",
        "`Fraction(str(0.8))` is exactly 8/10, and `//` between two Fractions gives a whole number.",
    ),
    worth_knowing="Below its break-even batch a faster device is the slower choice: in the first example up to 10 items.",
)

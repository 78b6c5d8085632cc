"""Exercise 37.gap_encode: relative positions with padding entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.compression import weight_sharing

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Entries = list[tuple[int, float]]
Answer = Callable[[np.ndarray, int], Any]


def _answer(emit: Callable[[int, int], list[int]] | None = None, *, first: int = -1, check: bool = True,
            gap: Callable[[int, int], int] = lambda position, previous: position - previous - 1,
            padding: Callable[[int], tuple] = lambda span: (span - 1, 0.0), tail: bool = False) -> Answer:
    """An answer with one rule replaced. emit(gap, span) gives the paddings' count and the gap that is left."""
    rule = emit or (lambda g, span: [g // span, g % span])

    def answer(flat: np.ndarray, index_bits: int) -> Entries:
        if check and index_bits < 1:
            raise ValueError("index_bits must be at least 1")
        span, previous, entries = 2**index_bits, first, []
        for position in np.flatnonzero(flat).tolist():
            bridges, left = rule(gap(position, previous), span)
            entries += [padding(span)] * bridges + [(left, float(flat[position]))]
            previous = position
        if tail:
            entries += [padding(span)] * ((len(flat) - previous - 1) // span)
        return entries

    return answer


def _both(*others: Callable[[int, int], list[int]], **rules: Any) -> dict:
    """`answer` and `also` of a misconception: with and without the refusal; `others` are other rules to emit."""
    first, *more = [_answer(**r, check=check) for r in (rules, *({"emit": o} for o in others)) for check in (True, False)]
    return {"answer": first, "also": tuple(more)}


def _short_bridges(g: int, span: int) -> list[int]:
    """Each padding uses up span - 1 positions, the last one only if the gap is still too long."""
    short = max(span - 1, 1)
    bridges = max(0, -(-(g - span + 1) // short))
    return [bridges, g - bridges * short]


def _every_zero(flat: np.ndarray, index_bits: int) -> Entries:
    """Stores zeros as entries of their own, as soon as no value comes."""
    if index_bits < 1:
        raise ValueError("index_bits must be at least 1")
    return [(0, float(v)) for v in flat]


def _running(flat: np.ndarray, index_bits: int, *, refuse: bool = True) -> Entries:
    """Pads as soon as the counter is full, so also before the tail of zeros."""
    if refuse and index_bits < 1:
        raise ValueError("index_bits must be at least 1")
    entries, gap, most = [], 0, 2**index_bits - 1
    for value in flat.tolist():
        if value != 0:
            entries.append((gap, value))
            gap = 0
        elif gap == most:
            entries.append((most, 0.0))
            gap = 0
        else:
            gap += 1
    return entries


def _counter_runs_on(flat: np.ndarray, index_bits: int) -> Entries:
    """The counter of zeros is not reset after a value."""
    if index_bits < 1:
        raise ValueError("index_bits must be at least 1")
    entries, gap, span = [], 0, 2**index_bits
    for value in flat.tolist():
        if value != 0:
            entries += [(span - 1, 0.0)] * (gap // span) + [(gap % span, value)]
        else:
            gap += 1
    return entries


def _gaps_alone(flat: np.ndarray, index_bits: int) -> list[int]:
    return [gap for gap, _ in weight_sharing.gap_encode(flat, index_bits)]


def _swapped(flat: np.ndarray, index_bits: int) -> list[tuple[float, int]]:
    return [(value, gap) for gap, value in weight_sharing.gap_encode(flat, index_bits)]


# --- right in other ways --------------------------------------------------------------------------


def _one_pass(flat: np.ndarray, index_bits: int) -> Entries:
    if index_bits < 1:
        raise ValueError("a gap needs at least one bit")
    entries, zeros = [], 0
    for value in flat:
        if value == 0:
            zeros += 1
            continue
        while zeros >= 2**index_bits:
            entries.append((2**index_bits - 1, 0.0))
            zeros -= 2**index_bits
        entries.append((zeros, float(value)))
        zeros = 0
    return entries


def _with_diff(flat: np.ndarray, index_bits: int) -> Entries:
    if not index_bits >= 1:
        raise ValueError("index_bits is too small")
    positions = np.flatnonzero(flat)
    bridges, gaps = np.divmod(np.diff(positions, prepend=-1) - 1, 2**index_bits)
    entries: Entries = []
    for bridge, gap, position in zip(bridges, gaps, positions):
        entries.extend((2**index_bits - 1, 0.0) for _ in range(bridge))
        entries.append((int(gap), flat[position].item()))
    return entries


def _trimmed(flat: np.ndarray, index_bits: int) -> Entries:
    """Pads whenever the counter is full, and takes the last paddings back."""
    entries = _running(flat, index_bits)
    while entries and entries[-1][1] == 0:
        entries.pop()
    return entries


# --- cases ------------------------------------------------------------------------------------------


def _case(values: list[float], bits: int, label: str = "") -> Case:
    flat = np.array(values, np.float64)
    shown = label or f"[{', '.join(f'{v:g}' for v in values)}], {bits} bit{'s' * (bits != 1)}"
    return Case(flat, bits, label=shown)


def _spread(*parts: tuple[int, float]) -> list[float]:
    """Zeros and a value, again and again."""
    return [v for zeros, value in parts for v in [0.0] * zeros + [value]]


def _draw(rng: np.random.Generator) -> Case:
    bits = int(rng.integers(1, 5))
    gaps = rng.geometric(1 / rng.uniform(1, 1.2 * 2**bits), int(rng.integers(1, 9))) - 1
    if rng.random() < 0.4:  # gaps around whole numbers of spans
        gaps = 2**bits * rng.integers(0, 3, len(gaps)) + rng.choice([-1, 0, 1], len(gaps))
    values = rng.choice([-2.5, -1.0, 0.5, 1.75, 3.0], len(gaps))
    flat = _spread(*zip(np.maximum(gaps, 0).tolist(), values.tolist())) + [0.0] * int(rng.integers(0, 2 * 2**bits))
    return _case(flat, bits, f"{len(flat)} values, {len(gaps)} of them not zero, {bits} bit{'s' * (bits != 1)}")


gap_encode = Exercise(
    id="37.gap_encode", points=4, difficulty=2, minutes=15, idea="store the distance, and bridge what is too far",
    reference=weight_sharing.gap_encode,
    cases=[_case([0, 3.4, 0, 0, 0, 0, 0, 0.9, 0, 1.7], 2), _case([5, 0, 0, 0, 0, 2, 0, 0], 2)],
    hidden=[
        _case([], 3, "no values, 3 bits"), _case([0, 0, 0, 0, 0, 0], 1), _case([1, 2, 3], 1), _case([0, 0, 0, 2], 2),
        _case([0, 0, 0, 0, 2], 2), _case([0, 0, 2, 0, 1], 1), _case([0, 1, 0, 0, 1], 1), _case([0] * 7 + [1.5], 1),
        _case(_spread((8, 1.5), (0, -2.0), (12, 4.0)), 2, "gaps 8, 0 and 12, 2 bits"),
        _case(_spread((7, 1.0), (8, 2.0), (9, 3.0)), 3, "gaps 7, 8 and 9, 3 bits"), _case([-1.0, 0, 0, 0, -0.5, 0, 0, 0, 0, 0], 2),
        _case(_spread((300, 1.0), (255, 2.0), (256, 3.0)) + [0] * 600, 8, "gaps 300, 255 and 256, then 600 zeros, 8 bits"),
    ],
    draw=_draw, draws=30,
    raises=[_case([0, 1], 0), _case([1, 0], -1), Case(np.zeros(0), 0)],
    compare=exact(),
    misconceptions=[
        Misconception(
            "absolute", **_both(emit=lambda g, span: [0, g], gap=lambda position, previous: position),
            message="You store absolute positions. They need log2(n) bits each, and the last ones do not fit into the index. Store how "
                    "many zeros lie between a value and the one before it.",
            title="Positions, not gaps."),
        Misconception(
            "steps", **_both(gap=lambda position, previous: position - previous),
            message="You count the step from one value to the next. The gap is the number of zeros in between, one less: position = "
                    "previous + gap + 1. The value 0 would never be used.",
            title="The gap is one too large."),
        Misconception(
            "padding_uses_less", **_both(_short_bridges, emit=lambda g, span: [g // max(span - 1, 1), g % max(span - 1, 1)]),
            message="You let a padding entry use up 2^b − 1 positions. It bridges 2^b − 1 zeros, and the 0.0 that it stores takes a position "
                    "itself: 2^b in all. Decode your entries and look where the next value lands.",
            title="A padding entry is itself a stored zero."),
        Misconception(
            "clamped", **_both(lambda g, span: [0, g % span], emit=lambda g, span: [0, min(g, span - 1)]),
            message="A gap that is too long is cut to the largest one. The decoder then puts this value, and all after it, at a wrong "
                    "position. Insert padding entries.",
            title="The position is lost."),
        Misconception(
            "no_limit", **_both(emit=lambda g, span: [0, g]),
            message="Gaps above 2^b − 1 do not fit into b bits. They have to be bridged by padding entries.",
            title="Some gaps do not fit."),
        Misconception(
            "one_more_allowed", **_both(emit=lambda g, span: [max(0, (g - 1) // span), g - span * max(0, (g - 1) // span)]),
            message="You allow a gap of 2^b. With b bits the largest number is 2^b − 1.",
            title="The largest gap is off by one."),
        Misconception(
            "one_padding", **_both(emit=lambda g, span: [int(g >= span), g - span * int(g >= span)]),
            message="A long gap may need several padding entries. You put in one at most.",
            title="One bridge is not enough."),
        Misconception(
            "first_is_off", **_both(first=0),
            message="The first value comes out one position too early. Before anything is stored, previous is −1: a value at position 0 "
                    "has the gap 0.",
            title="The start is off by one."),
        Misconception(
            "trailing_zeros", _running,
            "Zeros after the last value emit padding entries. Nobody needs them: the decoder knows the length.",
            "The tail is stored.",
            also=(lambda flat, bits: _running(flat, bits, refuse=False), _answer(tail=True), _answer(tail=True, check=False))),
        Misconception(
            "zeros_stored", _every_zero,
            "Every zero is an entry of its own. Only padding may store 0.0: zeros are what this format leaves out.",
            "Nothing is left out."),
        Misconception(
            "counter_runs_on", _counter_runs_on,
            "Your counter of zeros is never set back, so each gap contains the earlier ones. A gap begins after the previous value.",
            "The counter runs on."),
        Misconception(
            "padding_of_2b", **_both(padding=lambda span: (span, 0.0)),
            message="The gap of your padding entries is 2^b. That does not fit into b bits: the gap is 2^b − 1, and its stored zero makes "
                    "up the 2^b positions.",
            title="The padding's gap does not fit."),
        Misconception(
            "gaps_alone", _gaps_alone,
            "You return the gaps without their values. An entry is a pair (gap, value).",
            "The values are missing.", also=(_swapped,)),
        Misconception(
            "no_refusal", _answer(check=False),
            "With index_bits below 1 there is no gap to store. Raise a ValueError, whatever `flat` is.",
            "An index without bits."),
    ],
    alternatives=[_one_pass, _with_diff, _trimmed],
    hints=(
        "Count the zeros since the previous entry. At a value, that count is the gap.",
        "While the gap is 2^b or more, put in a padding entry and take 2^b off the gap.",
        "`np.flatnonzero` gives the positions; with −1 before the first, each gap is a difference minus 1.",
    ),
    worth_knowing="The decoder adds up gap + 1. It needs no special case for padding: it stores a 0.0 where a 0.0 was.",
)

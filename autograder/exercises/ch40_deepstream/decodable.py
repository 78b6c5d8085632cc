"""Exercise 40.decodable: which frames survive a lost packet."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from utils.delivery.streaming import references

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

Refs = list[tuple[int, ...]]


def _check(refs: Refs) -> None:
    if any(not 0 <= r < i for i, needs in enumerate(refs) for r in needs):
        raise ValueError("a reference must be earlier")


def _both(verdict: Callable[[Refs, set, list, int], bool]) -> tuple[Callable, Callable]:
    """An answer that judges frame after frame by `verdict(refs, lost, good so far, i)`: with and without the check."""

    def walk(refs: Refs, lost: set[int]) -> list[bool]:
        good: list[bool] = []
        for i in range(len(refs)):
            good.append(bool(verdict(refs, lost, good, i)))
        return good

    def checked(refs: Refs, lost: set[int]) -> list[bool]:
        _check(refs)
        return walk(refs, lost)

    return checked, walk


def _to_the_keyframe(refs: Refs, lost: set, good: list, i: int) -> bool:
    if i in lost:
        return False
    return not refs[i] or i == 0 or good[i - 1]


def _half_checked(refs: Refs, lost: set[int]) -> list[bool]:
    """Refuses later references, but lets a negative one read the list from its end."""
    good: list[bool] = []
    for i, needs in enumerate(refs):
        if any(r >= i for r in needs):
            raise ValueError("later")
        good.append(i not in lost and all(good[r] for r in needs))
    return good


def _self_allowed(refs: Refs, lost: set[int]) -> list[bool]:
    """Lets a frame name itself."""
    good: list[bool] = []
    for i, needs in enumerate(refs):
        if any(not 0 <= r <= i for r in needs):
            raise ValueError("later")
        good.append(i not in lost)
        good[i] = i not in lost and all(good[r] for r in needs)
    return good


# --- other right answers ----------------------------------------------------------------------


def _with_memo(refs: Refs, lost: set[int]) -> list[bool]:
    _check(refs)

    @cache
    def good(i: int) -> bool:
        return i not in lost and all(map(good, refs[i]))

    return [good(i) for i in range(len(refs))]


def _spread(refs: Refs, lost: set[int]) -> list[bool]:
    """Damage spreads along reversed references until nothing changes."""
    _check(refs)
    users: dict[int, list[int]] = {}
    for i, needs in enumerate(refs):
        for r in needs:
            users.setdefault(r, []).append(i)
    bad, waiting = set(lost), list(lost)
    while waiting:
        for i in users.get(waiting.pop(), ()):
            if i not in bad:
                bad.add(i)
                waiting.append(i)
    return [i not in bad for i in range(len(refs))]


def _as_array(refs: Refs, lost: set[int]) -> np.ndarray:
    _check(refs)
    good = np.ones(len(refs), bool)
    for i, needs in enumerate(refs):
        good[i] = i not in lost and good[list(needs)].all()
    return good


# --- cases ------------------------------------------------------------------------------------


def _told(refs: list, limit: int = 9) -> str:
    return f"[{', '.join(brief(r) for r in refs[:limit])}{', …' if len(refs) > limit else ''}]"


def _case(refs: Refs, lost: list[int]) -> Case:
    told = "{" + ", ".join(map(str, lost)) + "}" if lost else "set()"
    return Case(refs=refs, lost=lost, label=f"{len(refs)} frames, refs {_told(refs)}, lost {told}")


def _gop(types: str, lost: list[int]) -> Case:
    return _case(references.gop_refs(types), lost)


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(1, 20))
    if rng.random() < 0.5:
        refs = [tuple(sorted(rng.choice(i, min(i, int(rng.integers(0, 3))), replace=False).tolist())) if i else () for i in range(n)]
    else:
        refs = references.gop_refs("I" + "".join(rng.choice(list("IPPPBB"), n - 1)))
    lost = sorted(rng.choice(n, int(rng.integers(0, min(n, 4))), replace=False).tolist())
    return _case(refs, lost)


def _show(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.dtype == bool:
        value = value.tolist()
    if isinstance(value, list) and value and all(type(v) is bool for v in value):
        return "".join("✓" if v else "✗" for v in value) if len(value) > 6 else brief(value)
    return brief(value)


IPPPIP = [(), (0,), (1,), (2,), (), (4,)]

decodable = Exercise(
    id="40.decodable", points=3, difficulty=1, minutes=10, idea="damage travels along references",
    reference=references.decodable, probe="ch40_deepstream.decodable",
    cases=[_case(IPPPIP, [1]), _case([(), (0,), (0, 1), (1,)], [2])],
    hidden=[
        _case([], []), _case([()], []), _case([()], [0]), _gop("I" + 29 * "P" + "I" + 29 * "P", [10]), _gop("I" + 29 * "P" + "I" + 29 * "P", [30]),
        _gop("IPBBPBB", [1]), _gop("IPBBPBB", [2]), _gop("IPBBPBB", [0]), _gop("IPPIPP", [0, 4]), _case([(), (), (0, 1), (0,), (2, 3)], [1]),
        _case([(), (0,), (0,), (0, 2)], [1]), _case([(), (0,), (1,), (2,)], []), _case([(), (0,), (1,), (1, 2), (0, 3), (0,)], [2]),
    ],
    draw=_draw, draws=30, compare=exact(), show=_show, time_limit_s=2.0,
    raises=[_case([(0,)], []), _case([(), (2,), ()], []), _case([(), (0,), (-1,)], []), _case([(), (1,)], [0]), _case([(), (0,), (1, 5), ()], [1])],
    misconceptions=[
        Misconception(
            "only_the_lost", _both(lambda refs, lost, good, i: i not in lost)[0],
            "You mark the lost frame alone. P and B frames copy from other frames: if the source is missing, the copy is wrong too.",
            "Damage spreads.", also=_both(lambda refs, lost, good, i: i not in lost)[1:]),
        Misconception(
            "all_after", _both(lambda refs, lost, good, i: i < min(lost, default=len(refs)))[0],
            "Everything behind the loss is bad in your answer. A keyframe copies from nobody, and repairs the picture.",
            "A keyframe repairs.", also=_both(lambda refs, lost, good, i: i < min(lost, default=len(refs)))[1:]),
        Misconception(
            "until_the_keyframe", _both(_to_the_keyframe)[0],
            "You spoil all frames from the loss to the next keyframe. Nobody copies from a B frame, so its loss hurts nobody else. Look at the "
            "references, not at the positions.",
            "Neighbours need not suffer.", also=_both(_to_the_keyframe)[1:]),
        Misconception(
            "direct_only", _both(lambda refs, lost, good, i: i not in lost and not lost.intersection(refs[i]))[0],
            "You look whether a reference was *lost*. It may have arrived and still be damaged, since its own reference is. Ask whether each "
            "reference is good.",
            "Damage is inherited.", also=_both(lambda refs, lost, good, i: i not in lost and not lost.intersection(refs[i]))[1:]),
        Misconception(
            "one_is_enough", _both(lambda refs, lost, good, i: i not in lost and (not refs[i] or any(good[r] for r in refs[i])))[0],
            "A frame with two references passes when one of them is good. It copies from both: all of them must be.",
            "One good reference is not enough.",
            also=_both(lambda refs, lost, good, i: i not in lost and (not refs[i] or any(good[r] for r in refs[i])))[1:]),
        Misconception(
            "forgets_itself", _both(lambda refs, lost, good, i: all(good[r] and r not in lost for r in refs[i]))[0],
            "A frame that was lost itself counts as good, if its references are. It never arrived.",
            "The lost frame itself.", also=_both(lambda refs, lost, good, i: all(good[r] and r not in lost for r in refs[i]))[1:]),
        Misconception(
            "negative_reference", _half_checked,
            "A reference of -1 passes: Python reads a list from its end. An earlier frame has a number from 0 to i - 1.",
            "-1 is no earlier frame."),
        Misconception(
            "unchecked", _both(lambda refs, lost, good, i: i not in lost and all(good[r] for r in refs[i]))[1],
            "The rule is right, and impossible references are not refused: some end in an IndexError, and -1 reads the list from its end. Check them "
            "and raise ValueError.",
            "Impossible references."),
        Misconception(
            "copies_from_itself", _self_allowed,
            "A frame may name itself in your answer. Earlier means a smaller number.",
            "A frame can't copy from itself."),
    ],
    alternatives=[_with_memo, _spread, _as_array],
    hints=(
        "Go through the frames in order and build the answer as you go: when you reach frame i, all its references are judged already.",
        "Frame i is good if it is not in `lost` and `good[r]` is true for every r in `refs[i]`. What does `all` say about nothing?",
    ),
    worth_knowing="FFmpeg's decoder agrees with this rule frame by frame: the chapter's tests compare them.",
)

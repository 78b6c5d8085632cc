"""Exercise 21.profile_plan: which optimisation profile takes n rows, and the memory that is reserved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.serving.batching import profiles as rooms

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

Profiles = list[tuple[int, int, int]]
THREE = [(1, 1, 1), (2, 4, 8), (1, 16, 32)]
STRATEGIES = ("STATIC", "ON_PROFILE_CHANGE")


def _covers(profile: tuple[int, int, int], n: int) -> bool:
    return profile[0] <= n <= profile[2]


def _key(profile: tuple[int, int, int], i: int, n: int) -> tuple:
    return profile[2], abs(profile[1] - n), i


def _static(profiles: Profiles, i: int, n: int) -> int:
    return max(p[2] for p in profiles)


def _on_change(profiles: Profiles, i: int, n: int) -> int:
    return profiles[i][2]


def _plan(*, covers: Callable[[tuple, int], bool] = _covers, key: Callable[[tuple, int, int], tuple] = _key,
          static: Callable[[Profiles, int, int], int] = _static, on_change: Callable[[Profiles, int, int], int] = _on_change,
          index: Callable[[int], int] = lambda i: i, check: bool = True,
          known: bool = True) -> Callable[[Profiles, int, int, str], tuple[int, int]]:
    """An answer with one mistake; with its defaults it is right."""

    def answer(profiles: Profiles, n: int, bytes_per_sample: int, strategy: str) -> tuple[int, int]:
        if check and not all(1 <= low <= opt <= high for low, opt, high in profiles):
            raise ValueError("a profile is malformed")
        if known and strategy not in STRATEGIES:
            raise ValueError("no such strategy")
        covering = [i for i, p in enumerate(profiles) if covers(p, n)]
        if not covering:
            raise ValueError("no optimisation profile covers this batch")
        i = min(covering, key=lambda k: key(profiles[k], k, n))
        rows = static if strategy == "STATIC" else on_change
        return index(i), bytes_per_sample * rows(profiles, i, n)

    return answer


def _largest_is_used(profiles: Profiles, n: int, bytes_per_sample: int, strategy: str) -> tuple[int, int]:
    """A batch above all profiles is cut down to the largest."""
    top = max(p[2] for p in profiles) if profiles else n
    return _plan()(profiles, min(n, top), bytes_per_sample, strategy)


def _by_sorting(profiles: Profiles, n: int, bytes_per_sample: int, strategy: str) -> tuple[int, int]:
    """Stable sorts from the weakest criterion to the strongest."""
    for low, opt, high in profiles:
        if low < 1 or opt < low or high < opt:
            raise ValueError("a profile is malformed")
    order = sorted(range(len(profiles)), key=lambda i: abs(profiles[i][1] - n))
    order = [i for i in sorted(order, key=lambda i: profiles[i][2]) if n in range(profiles[i][0], profiles[i][2] + 1)]
    samples = {"STATIC": max((p[2] for p in profiles), default=0), "ON_PROFILE_CHANGE": profiles[order[0]][2] if order else 0}
    if not order or strategy not in samples:
        raise ValueError("no profile, or no such strategy")
    return order[0], samples[strategy] * bytes_per_sample


def _by_a_loop(profiles: Profiles, n: int, bytes_per_sample: int, strategy: str) -> tuple[int, int]:
    best, best_key, top = None, None, 0
    for i, (low, opt, high) in enumerate(profiles):
        if not (1 <= low <= opt <= high):
            raise ValueError("a profile is malformed")
        top = max(top, high)
        if low <= n <= high and (best is None or (high, abs(opt - n)) < best_key):
            best, best_key = i, (high, abs(opt - n))
    if best is None:
        raise ValueError("not covered")
    if strategy == "STATIC":
        return best, top * bytes_per_sample
    if strategy == "ON_PROFILE_CHANGE":
        return best, profiles[best][2] * bytes_per_sample
    raise ValueError("unknown strategy")


def _with_numpy(profiles: Profiles, n: int, bytes_per_sample: int, strategy: str) -> tuple[int, int]:
    table = np.array(profiles, dtype=np.int64).reshape(-1, 3)
    low, opt, high = table.T
    inside = np.flatnonzero((low <= n) & (n <= high))
    if (low < 1).any() or (np.diff(table, axis=1) < 0).any() or len(inside) == 0 or strategy not in STRATEGIES:
        raise ValueError("can't be planned")
    best = inside[np.lexsort((inside, np.abs(opt[inside] - n), high[inside]))[0]]
    return int(best), int(bytes_per_sample * (high.max() if strategy == "STATIC" else high[best]))


def _draw(rng: np.random.Generator) -> Case:
    """Few different numbers, so that profiles overlap and tie."""
    profiles = [tuple(int(v) for v in np.sort(rng.choice([1, 1, 2, 3, 4, 6, 8, 8, 12, 16], 3))) for _ in range(rng.integers(1, 6))]
    low, _, high = profiles[int(rng.integers(len(profiles)))]
    return Case(profiles, int(rng.integers(low, high + 1)), int(rng.integers(1, 50)) * 100, STRATEGIES[int(rng.integers(2))])


TIES = [(1, 2, 8), (2, 6, 8), (4, 4, 8), (1, 8, 16), (3, 6, 8)]

profile_plan = Exercise(
    id="21.profile_plan", points=4, difficulty=2, minutes=14, idea="a dynamic engine still has bounds, and pays for the largest",
    reference=rooms.profile_plan,
    cases=[Case(THREE, 3, 10_000_000, "STATIC"), Case(THREE, 3, 10_000_000, "ON_PROFILE_CHANGE"), Case(THREE, 1, 10_000_000, "STATIC")],
    hidden=[
        Case(THREE, 1, 10_000_000, "ON_PROFILE_CHANGE"), Case(THREE, 8, 100, "ON_PROFILE_CHANGE"), Case(THREE, 9, 100, "ON_PROFILE_CHANGE"), Case(THREE, 32, 100, "STATIC"),
        *(Case(TIES, n, 7, "STATIC") for n in (1, 2, 3, 4, 5, 6, 7, 8, 9)), Case([(2, 3, 4)], 2, 5, "STATIC"), Case([(2, 3, 4)], 4, 5, "ON_PROFILE_CHANGE"),
        Case([(1, 4, 4), (1, 2, 4)], 3, 5, "STATIC"), Case([(4, 8, 32), (4, 32, 32)], 20, 3, "STATIC"), Case([(1, 1, 64), (1, 8, 8)], 7, 3, "ON_PROFILE_CHANGE"),
        Case([(1, 8, 9), (1, 1, 8)], 8, 3, "ON_PROFILE_CHANGE"), Case([(5, 5, 5)], 5, 0, "STATIC"),
    ],
    draw=_draw, draws=40, compare=exact(),
    raises=[
        Case(THREE, 33, 10, "STATIC"), Case(THREE, 0, 10, "STATIC"), Case([(2, 4, 8)], 1, 10, "STATIC"), Case([(1, 1, 1), (4, 4, 8)], 3, 10, "ON_PROFILE_CHANGE"),
        Case([], 1, 10, "STATIC"), Case([(1, 2, 4), (3, 2, 8)], 2, 10, "STATIC"), Case([(1, 2, 4), (1, 9, 8)], 2, 10, "STATIC"),
        Case([(0, 2, 4)], 2, 10, "STATIC"), Case(THREE, 3, 10, "static"), Case(THREE, 3, 10, "USER_MANAGED"), Case(THREE, 3, 10, ""),
    ],
    misconceptions=[
        Misconception(
            "memory_of_opt", _plan(static=lambda ps, i, n: max(p[1] for p in ps), on_change=lambda ps, i, n: ps[i][1]),
            "You reserve memory for opt. Any size up to max may come, and nothing is allocated in between: max counts. opt says for "
            "which size the kernels are chosen.",
            "opt is for speed, max for memory.",
            also=(_plan(static=lambda ps, i, n: max(p[1] for p in ps)), _plan(on_change=lambda ps, i, n: ps[i][1]))),
        Misconception(
            "memory_of_n", _plan(static=lambda ps, i, n: n, on_change=lambda ps, i, n: n),
            "You count the rows of this call. The memory is reserved before any call, for the largest batch that is allowed.",
            "Reserved is not used.",
            also=(_plan(on_change=lambda ps, i, n: n), _plan(static=lambda ps, i, n: n))),
        Misconception(
            "sums_profiles", _plan(static=lambda ps, i, n: sum(p[2] for p in ps)),
            "You add up the profiles. A context runs one profile at a time, and they share one block: the largest counts.",
            "Profiles share the memory."),
        Misconception(
            "static_is_the_chosen", _plan(static=_on_change),
            "Under STATIC you reserve what the chosen profile needs. Static means: once, and large enough for every profile.",
            "STATIC does not follow the profile."),
        Misconception(
            "swapped", _plan(static=_on_change, on_change=_static),
            "The two strategies are swapped. STATIC reserves once for all profiles. ON_PROFILE_CHANGE reserves anew when a profile is "
            "selected.",
            "The other way round.", also=(_plan(on_change=_static),)),
        Misconception(
            "nearest_opt", _plan(covers=lambda p, n: True, key=lambda p, i, n: (abs(p[1] - n), p[2], i)),
            "You take the profile whose opt is nearest, also if it does not cover n. Outside min to max the engine raises an error, however "
            "near opt is.",
            "The range comes first.",
            also=(_plan(covers=lambda p, n: True, key=lambda p, i, n: (abs(p[1] - n), i)), _plan(covers=lambda p, n: True))),
        Misconception(
            "opt_before_max", _plan(key=lambda p, i, n: (abs(p[1] - n), p[2], i)),
            "Of the profiles that cover n you take the nearest opt. Asked is the smallest max first; opt decides only between equal ones.",
            "The order of the criteria.", also=(_plan(key=lambda p, i, n: (abs(p[1] - n), i)),)),
        Misconception(
            "first_that_covers", _plan(key=lambda p, i, n: (i,)),
            "You take the first profile that covers n. A later one may have a smaller max, and be tuned for a nearer size.",
            "The first is not the best."),
        Misconception(
            "largest_max", _plan(key=lambda p, i, n: (-p[2], abs(p[1] - n), i)),
            "You take the profile with the largest max. The smallest that covers n is tuned for sizes nearer to it.",
            "The widest profile."),
        Misconception(
            "opt_ignored", _plan(key=lambda p, i, n: (p[2], i)),
            "Between profiles of equal max you take the first. The one whose opt is nearer to n comes before it.",
            "opt breaks the tie."),
        Misconception(
            "last_of_equals", _plan(key=lambda p, i, n: (p[2], abs(p[1] - n), -i)),
            "Of profiles that are equal in both you take the last. The lowest index is asked.",
            "The lowest index of equals."),
        Misconception(
            "opt_below_n", _plan(key=lambda p, i, n: (p[2], p[1] - n, i)),
            "You compare opt − n with its sign. An opt far below n then looks nearest. The distance counts, to either side.",
            "A distance has no sign.", also=(_plan(key=lambda p, i, n: (p[2], n - p[1], i)),)),
        Misconception(
            "bounds_left_out", _plan(covers=lambda p, n: p[0] < n < p[2] or p[0] == n == p[2]),
            "min and max themselves are allowed sizes. You leave them out.",
            "The bounds are inside.",
            also=(_plan(covers=lambda p, n: p[0] <= n < p[2] or p[0] == n == p[2]), _plan(covers=lambda p, n: p[0] < n <= p[2] or p[0] == n == p[2]))),
        Misconception(
            "counts_from_one", _plan(index=lambda i: i + 1),
            "Your index counts from 1. Profiles are numbered from 0, as lists are.",
            "Indices start at 0."),
        Misconception(
            "malformed_is_let_in", _plan(check=False),
            "A profile with min above opt, opt above max, or min below 1 goes through. No engine can be built with it, also if another "
            "profile covers n.",
            "A malformed profile."),
        Misconception(
            "any_strategy", _plan(known=False),
            "A strategy that you don't know is treated like ON_PROFILE_CHANGE. A typing error then changes a memory plan without a word: raise a "
            "ValueError.",
            "An unknown strategy goes through."),
        Misconception(
            "cut_down", _largest_is_used,
            "A batch above every max is treated as the largest one. The engine refuses it: raise a ValueError.",
            "Too large is an error."),
    ],
    alternatives=[_by_sorting, _by_a_loop, _with_numpy],
    hints=(
        "First refuse what is malformed: every profile needs 1 ≤ min ≤ opt ≤ max, and the strategy is one of two words.",
        "List the indices of the profiles with min ≤ n ≤ max. `min(…, key=…)` with a tuple (max, distance of opt, index) chooses.",
        "The memory is `bytes_per_sample` times a number of samples: the largest max of all profiles, or the max of the chosen one.",
    ),
    worth_knowing="TensorRT does not choose for you: the application selects a profile, and without a word from it profile 0 is used.",
)

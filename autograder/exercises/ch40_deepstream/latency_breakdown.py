"""Exercise 40.latency_breakdown: where the time goes, from timestamps with holes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from utils.delivery.streaming import stages

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception

Stamps = dict[str, np.ndarray]
NAN = float("nan")


def _p95(hop: np.ndarray) -> float:
    return float(np.percentile(hop, 95)) if len(hop) else NAN


def _clean(hop: np.ndarray) -> np.ndarray:
    return hop[~np.isnan(hop)]


def _clock(hop: np.ndarray) -> None:
    if np.any(hop < 0):
        raise ValueError("clock runs backwards")


def _answer(*, hop: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda hop, complete: _clean(hop), stat: Callable[[np.ndarray], float] = _p95,
            whole: Callable[[np.ndarray, np.ndarray, dict], float] | None = None, drops: Callable[[np.ndarray, np.ndarray], float] | None = None,
            stages_of: Callable[[Stamps, list], list] = lambda stamps, order: order, check: Callable[[np.ndarray], None] = _clock) -> Callable[..., dict]:
    """An answer with one mistake; with its defaults it is right."""

    def answer(stamps: Stamps, order: list[str]) -> dict[str, float]:
        ways = np.stack([stamps[s] for s in order])
        complete = ~np.isnan(np.stack([stamps[s] for s in stages_of(stamps, order)])).any(axis=0)
        found: dict[str, float] = {}
        for i in range(len(order) - 1):
            took = ways[i + 1] - ways[i]
            check(_clean(took))
            found[f"{order[i]}->{order[i + 1]}"] = stat(hop(took, complete))
        trip = ways[-1] - ways[0]
        found["end_to_end"] = stat(trip[complete]) if whole is None else whole(trip, complete, found)
        found["drop_rate"] = float(np.mean(~complete)) if drops is None else drops(ways, complete)
        return found

    return answer


def _both(**rules: Any) -> tuple[Callable, Callable]:
    """The mistake with negative hops refused, and without."""
    return _answer(**rules), _answer(check=lambda hop: None, **rules)


def _nearest_rank(hop: np.ndarray) -> float:
    return float(np.percentile(hop, 95, method="inverted_cdf")) if len(hop) else NAN


def _at_the_end(trip: np.ndarray, complete: np.ndarray, found: dict) -> float:
    return _p95(_clean(trip))


def _no_check_of_holes(hop: np.ndarray) -> None:
    if np.any(np.isnan(hop)):
        return
    _clock(hop)


def _zero_where_empty(hop: np.ndarray) -> float:
    return float(np.percentile(hop, 95)) if len(hop) else 0.0


# --- other right answers ----------------------------------------------------------------------


def _loops(stamps: Stamps, order: list[str]) -> dict[str, float]:
    """Plain Python, frame by frame, with the interpolation written out."""
    def p95(values: list[float]) -> float:
        values = sorted(values)
        if not values:
            return NAN
        at = 0.95 * (len(values) - 1)
        low = int(at)
        high = min(low + 1, len(values) - 1)
        return values[low] + (at - low) * (values[high] - values[low])

    hops: dict[str, list[float]] = {f"{a}->{b}": [] for a, b in pairwise(order)}
    trips, n = [], len(stamps[order[0]])
    for frame in range(n):
        times = [float(stamps[s][frame]) for s in order]
        for a, b, start, end in zip(order, order[1:], times, times[1:]):
            if start == start and end == end:
                if end < start:
                    raise ValueError("the clock is wrong")
                hops[f"{a}->{b}"].append(end - start)
        if all(t == t for t in times):
            trips.append(times[-1] - times[0])
    return {**{k: p95(v) for k, v in hops.items()}, "end_to_end": p95(trips), "drop_rate": 1 - len(trips) / n}


def _masked(stamps: Stamps, order: list[str]) -> dict[str, float]:
    """Masked arrays."""
    ways = np.ma.masked_invalid(np.stack([stamps[s] for s in order]))
    hops = np.ma.diff(ways, axis=0)
    if hops.size and bool((hops < 0).any()):
        raise ValueError("clock")
    tell = lambda values: float(np.quantile(values, 0.95)) if values.size else np.nan
    complete = ~np.ma.getmaskarray(ways).any(axis=0)
    result = {f"{a}->{b}": tell(hop.compressed()) for a, b, hop in zip(order, order[1:], hops)}
    return {**result, "end_to_end": tell((ways[-1] - ways[0]).data[complete]), "drop_rate": 1 - complete.mean()}


# --- cases ------------------------------------------------------------------------------------


def _told(stamps: dict[str, list]) -> str:
    return "; ".join(f"{k} [{', '.join('NaN' if v != v else f'{v:g}' for v in values[:6])}{', …' if len(values) > 6 else ''}]"
                     for k, values in stamps.items())


def _case(stamps: dict[str, list[float]], order: list[str] | None = None, word: str = "") -> Case:
    order = order or list(stamps)
    return Case({k: np.array(v, float) for k, v in stamps.items()}, order, label=f"{_told(stamps)}; order {', '.join(order)}", word=word)


def _draw(rng: np.random.Generator) -> Case:
    names = ["capture", "decoded", "muxed", "inferred", "out"][: int(rng.integers(2, 6))]
    n = int(rng.integers(1, 30))
    ways = np.cumsum(np.vstack([rng.integers(0, 400, n), rng.integers(0, 60, (len(names) - 1, n))]), axis=0) / 4.0
    for frame in np.flatnonzero(rng.random(n) < float(rng.choice([0, 0.2, 0.6]))):
        if rng.random() < 0.7:
            ways[int(rng.integers(1, len(names))) :, frame] = np.nan  # dropped on the way
        else:
            ways[int(rng.integers(0, len(names))), frame] = np.nan  # a stamp that nobody wrote
    stamps = {name: way.tolist() for name, way in zip(names, ways)}
    if rng.random() < 0.3:
        stamps = {"shown": np.where(rng.random(n) < 0.5, np.nan, 0.0).tolist(), **stamps}
    return _case(stamps, names)


EXAMPLE = {"capture": [0, 10, 20], "infer": [8, NAN, 30], "out": [9, NAN, 36]}
SUMS = {"capture": [0, 10], "infer": [10, 12], "out": [12, 30]}


def _show(value: Any) -> str:
    if isinstance(value, dict) and value and all(type(v) in (int, float) for v in value.values()):
        return ", ".join(f"{k} {v:.4g}" for k, v in value.items())
    return brief(value)


latency_breakdown = Exercise(
    id="40.latency_breakdown", points=3, difficulty=2, minutes=15, idea="percentiles of parts do not add up to that of the whole",
    reference=stages.latency_breakdown,
    cases=[_case(EXAMPLE), _case(SUMS)],
    hidden=[
        _case({"a": [5.0], "b": [7.5]}), _case({"a": [5.0], "b": [NAN]}), _case({"a": [0, 1], "b": [2, 5], "c": [NAN, NAN]}),
        _case({"a": [0, 1, 2, 3], "b": [4, NAN, 9, 3], "c": [9, 9, 9, NAN]}), _case({"x": [NAN, NAN], "a": [0, 1], "b": [3, 2]}, ["a", "b"]),
        _case({"b": [3, 2], "a": [0, 1]}, ["a", "b"]), _case({"a": [7, 7], "b": [7, 7]}), _case({"a": [NAN, 1], "b": [3, 2], "c": [8, NAN]}),
        _case({"a": list(range(0, 300, 10)), "b": [10 * i + i * i / 8 for i in range(30)]}),
    ],
    draw=_draw, draws=30, compare=close(1e-9, 1e-9, dtype="any"), show=_show, time_limit_s=2.0, pure=True,
    raises=[_case({"a": [5], "b": [4]}, word="clock"), _case({"a": [0, 1, NAN], "b": [4, 0.5, 1], "c": [NAN, 7, 8]}, word="clock"),
            _case({"a": [0, 0], "b": [4, 9], "c": [NAN, 8.5]}, word="clock")],
    misconceptions=[
        Misconception(
            "adds_percentiles", _both(whole=lambda trip, complete, found: sum(v for k, v in found.items() if "->" in k))[0],
            "You add up the p95 of the hops. A frame that is slow in one hop need not be slow in the next: quantiles don't add. Take the whole way of "
            "each frame, then its percentile.",
            "Percentiles don't add up.",
            also=_both(whole=lambda trip, complete, found: sum(v for k, v in found.items() if "->" in k))[1:]),
        Misconception(
            "no_drops", _both(drops=lambda ways, complete: 0.0)[0],
            "Your drop rate is 0 although frames are missing. It is a share of *all* frames, those without a stamp included.",
            "The dropped are not counted.", also=(*_both(drops=lambda ways, complete: 0.0)[1:], *_both(drops=lambda ways, complete: float(np.mean(complete))))),
        Misconception(
            "drops_at_the_end_only", _both(drops=lambda ways, complete: float(np.mean(np.isnan(ways[-1]))))[0],
            "You look at the last stage alone. A frame is complete when it has a stamp at *every* stage of the order.",
            "Holes in the middle.",
            also=(*_both(drops=lambda ways, complete: float(np.mean(np.isnan(ways[-1]))))[1:],
                  *_both(drops=lambda ways, complete: float(np.mean(np.isnan(ways[-1]))), whole=_at_the_end))),
        Misconception(
            "whole_rows_deleted", _both(hop=lambda hop, complete: hop[complete])[0],
            "A frame that is dropped later disappears from your earlier hops too. It did pass them: a hop counts all frames that have both of its "
            "stamps.",
            "Dropped later, but seen here.", also=_both(hop=lambda hop, complete: hop[complete])[1:]),
        Misconception(
            "ends_suffice", _both(whole=_at_the_end)[0],
            "Your end_to_end takes frames that have the first and the last stamp. It is asked over complete frames, with a stamp at every stage.",
            "Complete means every stage.", also=_both(whole=_at_the_end)[1:]),
        Misconception(
            "mean", _both(stat=lambda hop: float(np.mean(hop)) if len(hop) else NAN)[0],
            "You return means. The task asks for the tail: the 95th percentile.",
            "A mean hides the tail.",
            also=(*_both(stat=lambda hop: float(np.mean(hop)) if len(hop) else NAN)[1:], *_both(stat=lambda hop: float(np.median(hop)) if len(hop) else NAN),
                  *_both(stat=lambda hop: float(np.max(hop)) if len(hop) else NAN))),
        Misconception(
            "dropped_is_zero", _both(hop=lambda hop, complete: np.nan_to_num(hop), whole=lambda trip, complete, found: _p95(np.where(complete, trip, 0.0)))[0],
            "A dropped frame counts as a latency of 0. Then dropping frames would look like a speed-up. Leave it out of the percentile; it is in the "
            "drop rate.",
            "Dropped is not fast.",
            also=_both(hop=lambda hop, complete: np.nan_to_num(hop), whole=lambda trip, complete, found: _p95(np.where(complete, trip, 0.0)))[1:]),
        Misconception(
            "nearest_rank", _both(stat=_nearest_rank)[0],
            "You take the nearest sample. The text asks for linear interpolation between the two neighbours, NumPy's default.",
            "Another percentile.", also=_both(stat=_nearest_rank)[1:]),
        Misconception(
            "all_stamps", _both(stages_of=lambda stamps, order: list(stamps))[0],
            "You look at every key of `stamps`. Only the stages of `order` count.",
            "Stages that nobody asked for.", also=_both(stages_of=lambda stamps, order: list(stamps))[1:]),
        Misconception(
            "zero_where_empty", _both(stat=_zero_where_empty)[0],
            "Where no frame qualifies you return 0. No measurement is not a fast one: NaN.",
            "Nothing measured is not 0.", also=_both(stat=_zero_where_empty)[1:]),
        Misconception(
            "clock_unchecked", _answer(check=lambda hop: None),
            "A hop of less than no time passes. Two clocks have been mixed: raise ValueError, and name the clock.",
            "Time runs backwards."),
    ],
    alternatives=[_loops, _masked, _answer()],
    hints=(
        "Stack the stamps in the order of `order`: an array (stages, frames). The difference of two rows is a hop; NaN in either makes NaN.",
        "For each hop, leave out the NaN and take `np.percentile(hop, 95)`. It raises an error for nothing: return NaN there.",
        "Complete frames are the columns without NaN. `end_to_end` is last row minus first row over these, and the drop rate is the share of the others.",
    ),
    worth_knowing="DeepStream measures the same per plugin when the environment variable NVDS_ENABLE_COMPONENT_LATENCY_MEASUREMENT is 1.",
)

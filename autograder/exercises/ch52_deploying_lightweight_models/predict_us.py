"""Exercise 52.predict_us: a network's time on a target from a table of layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from utils.networks import deploy

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Layers = list[tuple[str, int, int]]
Layer = Callable[[float, float], float]


def _known(layers: Layers, peaks: Mapping[str, float]) -> None:
    for kind, _, _ in layers:
        if kind not in peaks:
            raise ValueError(f"unknown kind {kind!r}")


def _predict(layer: Layer = max, per_layer: bool = True, compute: Callable[[int, float], float] = lambda macs, peak: macs / peak / 1e3,
             memory: Callable[[int, float], float] = lambda moved, bw: moved / bw / 1e3, once: float = 0.0, check: Callable = _known,
             peak_of: Callable[[Mapping, str], float] = lambda peaks, kind: peaks[kind], scale: float = 1.0) -> Callable:
    """An answer in its parts; with its defaults it is right."""

    def answer(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
        check(layers, peak_gmacs)
        total = once * dispatch_us
        for kind, macs, moved in layers:
            total += layer(compute(macs, peak_of(peak_gmacs, kind)), memory(moved, bw_gb_s)) + per_layer * dispatch_us
        return total * scale

    return answer


def _no_check(layers: Layers, peaks: Mapping[str, float]) -> None:
    pass


def _mistake(tag: str, message: str, title: str, *parts: dict, also: tuple = ()) -> Misconception:
    answers = [_predict(**{**part, "check": check}) for part in parts for check in (_known, _no_check)]
    return Misconception(tag, answers[0], message, title, also=(*answers[1:], *also))


# --- right in other ways ---------------------------------------------------------------------------


def _with_numpy(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
    if not {kind for kind, _, _ in layers} <= set(peak_gmacs):
        raise ValueError("a kind without a peak")
    if not layers:
        return 0.0
    peaks = np.array([peak_gmacs[kind] for kind, _, _ in layers]) * 1e9
    macs, moved = np.array([row[1:] for row in layers], dtype=float).T
    return float((np.maximum(macs / peaks, moved / (bw_gb_s * 1e9)) * 1e6 + dispatch_us).sum())


def _with_try(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
    try:
        times = [max(1e-3 * macs / peak_gmacs[kind], 1e-3 * moved / bw_gb_s) for kind, macs, moved in layers]
    except KeyError as error:
        raise ValueError(f"no peak for {error}") from None
    return sum(times) + len(layers) * dispatch_us


def _branches(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
    us = 0
    for kind, macs, moved in layers:
        if kind not in peak_gmacs:
            raise ValueError(kind)
        ridge = peak_gmacs[kind] / bw_gb_s
        us += (macs / (peak_gmacs[kind] * 1000) if macs > ridge * moved else moved / (bw_gb_s * 1000)) + dispatch_us
    return us


# --- wrong -----------------------------------------------------------------------------------------


def _network_bound(check: Callable) -> Callable:
    def answer(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
        check(layers, peak_gmacs)
        compute = sum(macs / peak_gmacs[kind] for kind, macs, _ in layers) / 1e3
        return max(compute, sum(moved for _, _, moved in layers) / bw_gb_s / 1e3) + len(layers) * dispatch_us

    return answer


def _one_max(check: Callable) -> Callable:
    def answer(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
        check(layers, peak_gmacs)
        return max([max(macs / peak_gmacs[kind], moved / bw_gb_s) / 1e3 + dispatch_us for kind, macs, moved in layers], default=0.0)

    return answer


def _mean_peak(check: Callable) -> Callable:
    def answer(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
        check(layers, peak_gmacs)
        peak = sum(peak_gmacs.values()) / len(peak_gmacs)
        return sum(max(macs / peak, moved / bw_gb_s) / 1e3 + dispatch_us for _, macs, moved in layers)

    return answer


def _dispatch_hidden(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
    _known(layers, peak_gmacs)
    return sum(max(macs / peak_gmacs[kind] / 1e3, moved / bw_gb_s / 1e3, dispatch_us) for kind, macs, moved in layers)


def _once_if_any(check: Callable) -> Callable:
    inner = _predict(per_layer=False, check=check)

    def answer(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
        return inner(layers, peak_gmacs, bw_gb_s, dispatch_us) + (dispatch_us if layers else 0)

    return answer


def _skipping(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
    return _predict(check=_no_check)([row for row in layers if row[0] in peak_gmacs], peak_gmacs, bw_gb_s, dispatch_us)


def _fastest_for_unknown(layers: Layers, peak_gmacs: Mapping[str, float], bw_gb_s: float, dispatch_us: float) -> float:
    return _predict(check=_no_check, peak_of=lambda peaks, kind: peaks.get(kind, max(peaks.values())))(layers, peak_gmacs, bw_gb_s, dispatch_us)


# --- cases -----------------------------------------------------------------------------------------

_PAIR = [("dense", 231_211_008, 1_900_000), ("depthwise", 1_806_336, 1_620_000)]
_PEAKS = {"dense": 400.0, "depthwise": 20.0}


def _draw(rng: np.random.Generator) -> Case:
    kinds = ["dense", "pointwise", "depthwise", "elementwise"]
    peaks = {kind: float(rng.integers(1, 400)) for kind in kinds}
    layers = [(str(rng.choice(kinds)), int(rng.integers(0, 10**8)), int(rng.integers(10**3, 4 * 10**6))) for _ in range(int(rng.integers(1, 7)))]
    return Case(layers, peaks, float(rng.integers(1, 60)), float(rng.integers(1, 30)), label=f"{len(layers)} layers")


predict_us = Exercise(
    id="52.predict_us", points=5, difficulty=2, minutes=14, idea="each layer waits for its own bottleneck",
    reference=deploy.predict_us, compare=close(1e-9, dtype="any"),
    cases=[Case(_PAIR, _PEAKS, 10.0, 5.0, label="a dense and a depthwise layer")],
    hidden=[Case([], _PEAKS, 10.0, 5.0, label="no layers"), Case(_PAIR[:1], _PEAKS, 10.0, 0.0, label="one layer, no dispatch"),
            Case([("depthwise", 40_000_000, 1_000)], _PEAKS, 10.0, 7.0, label="depthwise, bound by arithmetic"),
            Case([("dense", 0, 3_000_000), ("dense", 0, 2_000)], _PEAKS, 2.0, 4.0, label="no arithmetic")],
    draw=_draw, draws=30,
    raises=[Case([*_PAIR, ("pool", 10, 10)], _PEAKS, 10.0, 5.0, label="a kind without a peak"), Case([("Dense", 10, 10)], _PEAKS, 10.0, 5.0, label="the kind 'Dense'")],
    misconceptions=[
        _mistake("summed", "You add arithmetic and memory time. Within a layer they overlap: while one tile is computed, the next is loaded. The longer one decides.",
                 "They overlap: take the longer.", {"layer": lambda a, b: a + b}),
        Misconception("network_bound", _network_bound(_known),
                      "You compare the totals of the network. One layer waits for arithmetic, the next for memory: take the maximum layer by layer, then add.",
                      "The bound belongs to a layer.", also=(_network_bound(_no_check),)),
        _mistake("dispatch_once", "The dispatch is paid once for each layer, not once for the network.", "Every layer is dispatched.",
                 {"per_layer": False, "once": 1.0}, also=(_once_if_any(_known), _once_if_any(_no_check))),
        _mistake("no_dispatch", "The dispatch is missing. Many small layers cost more than their arithmetic says.", "Add the dispatch.", {"per_layer": False}),
        _mistake("flops", "You treat the peaks as GFLOP/s, and are off by a factor 2. Here both sides are multiply-accumulates.", "MACs over MACs per second.",
                 {"compute": lambda macs, peak: 2 * macs / peak / 1e3}, {"compute": lambda macs, peak: macs / (2 * peak) / 1e3}),
        _mistake("compute_only", "Memory is missing. The depthwise layer has few MACs, and moves 1.62 MB.", "Memory is missing.", {"layer": lambda a, b: a}),
        _mistake("memory_only", "Arithmetic is missing.", "Arithmetic is missing.", {"layer": lambda a, b: b}),
        _mistake("minimum", "You take the shorter of the two. A layer ends when both are done.", "Take the longer, not the shorter.", {"layer": min}),
        _mistake("one_peak", "You use one peak for every kind. Depthwise layers run far below the peak of dense ones: look up each layer's own.",
                 "A peak for each kind.", {"peak_of": lambda peaks, kind: max(peaks.values())}, {"peak_of": lambda peaks, kind: next(iter(peaks.values()))},
                 also=(_mean_peak(_known), _mean_peak(_no_check))),
        _mistake("unit", "Your result is not in microseconds. 1e9 operations a second are 1e3 a microsecond.", "Microseconds.",
                 {"compute": lambda macs, peak: macs / peak, "memory": lambda moved, bw: moved / bw},
                 {"compute": lambda macs, peak: macs / peak / 1e6, "memory": lambda moved, bw: moved / bw / 1e6},
                 {"compute": lambda macs, peak: macs / peak / 1e9, "memory": lambda moved, bw: moved / bw / 1e9}, {"scale": 1e-3}, {"scale": 1e-6}),
        _mistake("gib", "GB/s here are 1e9 bytes a second, not 2^30.", "1e9, not 2^30.", {"memory": lambda moved, bw: moved / (bw * 2**30) * 1e6}),
        Misconception("slowest_layer", _one_max(_known), "You return the slowest layer. Layers run one after another: add them up.", "Add up the layers.",
                      also=(_one_max(_no_check),)),
        Misconception("dispatch_hidden", _dispatch_hidden,
                      "You let the dispatch overlap with the work. Here a layer starts after its dispatch: add it.", "Dispatch comes on top."),
        Misconception("unknown_kind", _skipping,
                      "A layer of a kind without a peak is left out or guessed, so the network looks faster than it is. Refuse it with a ValueError.",
                      "Unknown kinds get through.", also=(_fastest_for_unknown, _predict(check=_no_check))),
    ],
    alternatives=[_predict(), _with_numpy, _with_try, _branches],
    hints=("What is 400 GMAC/s in multiply-accumulates a microsecond? And 10 GB/s in bytes a microsecond?",
           "For one layer: two times in microseconds, one from MACs, one from bytes. Which of them does the layer wait for?",
           "Add the dispatch inside the loop. Look the kind up before you use it."),
    worth_knowing="With measured times in place of the two bounds this is a latency look-up table, the tool that hardware-aware architecture search works with.",
)

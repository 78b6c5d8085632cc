"""Exercise 07.explain_speedup: what a change buys a network whose layers have different bounds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.cost.roofline import speedup

from ...compare import close
from ...exercise import Case, Exercise, Misconception

CHANGES = speedup.CHANGES
# what each change does: factors on peak, bandwidth, bytes; launches ("each", "once"); batch
_DOES: dict[str, dict] = {
    "half_precision": {"peak": 2, "size": 0.5}, "double_peak": {"peak": 2}, "double_bw": {"bw": 2}, "graph": {"once": True},
    "batch2": {"batch": 2},
}


def _layer_us(layer: tuple, peak: float, bw: float, size: float = 1, batch: int = 1, weights: int = 1, join: Callable = max) -> float:
    flops, weight_bytes, activation_bytes = layer
    return join(batch * flops / peak / 1e3, size * (weights * weight_bytes + batch * activation_bytes) / bw / 1e3)


def _total_us(layers: list, peak: float, bw: float, launch: float, *, size: float = 1, batch: int = 1, weights: int = 1,
              once: bool = False, launch_scale: float = 1, per_sample: bool = True, join: Callable = max, launch_on: bool = True) -> float:
    count = (1 if once else len(layers)) * launch_scale if launch_on else 0
    work = sum(_layer_us(layer, peak, bw, size, batch, weights, join) for layer in layers)
    return (work + count * launch) / (batch if per_sample else 1)


def _making(both: dict | None = None, refuse: bool = True, invert: bool = False, **changed: dict) -> Callable:
    """The ratio with mistakes: `both` in old and new time, the others only for the change of that name."""
    def answer(layers: list, peak_gflop_s: float, bw_gb_s: float, launch_us: float, change: str) -> float:
        if change not in _DOES and refuse:
            raise ValueError("unknown change")
        does = {"peak": 1, "bw": 1, **_DOES.get(change, {}), **changed.get(change, {})}
        peak, bw = peak_gflop_s * does.pop("peak"), bw_gb_s * does.pop("bw")
        old = _total_us(layers, peak_gflop_s, bw_gb_s, launch_us, **(both or {}))
        new = _total_us(layers, peak, bw, launch_us, **{**(both or {}), **does})
        return new / old if invert else old / new

    return answer


def _fixed(change: str, value: float) -> Callable:
    right = _making()
    return lambda layers, p, b, launch, c: value if c == change else right(layers, p, b, launch, c)


def _of_totals(layers: list, peak_gflop_s: float, bw_gb_s: float, launch_us: float, change: str) -> float:
    """One large layer in place of many; the launches are still counted one by one."""
    if change not in _DOES:
        raise ValueError("unknown change")
    one = [tuple(sum(column) for column in zip(*layers))]
    does = {"peak": 1, "bw": 1, **_DOES[change]}
    once = does.pop("once", False)
    old = _total_us(one, peak_gflop_s, bw_gb_s, launch_us, launch_scale=len(layers))
    new = _total_us(one, peak_gflop_s * does.pop("peak"), bw_gb_s * does.pop("bw"), launch_us,
                    launch_scale=1 if once else len(layers), **does)
    return old / new


def _of_totals_one_launch(layers: list, *rest: object) -> float:
    return _making()([tuple(sum(column) for column in zip(*layers))], *rest)


def _mean_of_layers(layers: list, peak_gflop_s: float, bw_gb_s: float, launch_us: float, change: str) -> float:
    if change == "graph":
        return _making()(layers, peak_gflop_s, bw_gb_s, launch_us, change)
    return float(np.mean([_making()([layer], peak_gflop_s, bw_gb_s, launch_us, change) for layer in layers]))


def _numpy(layers: list, peak_gflop_s: float, bw_gb_s: float, launch_us: float, change: str) -> float:
    if change not in {"half_precision", "double_peak", "double_bw", "graph", "batch2"}:
        raise ValueError(change)
    flops, weights, activations = np.array(layers, dtype=float).T
    compute, memory = flops / (peak_gflop_s * 1e3), (weights + activations) / (bw_gb_s * 1e3)
    old = np.maximum(compute, memory).sum() + launch_us * len(layers)
    launches, samples = len(layers), 1
    if change in ("half_precision", "double_peak"):
        compute = compute / 2
    if change in ("half_precision", "double_bw"):
        memory = memory / 2
    if change == "graph":
        launches = 1
    if change == "batch2":
        compute, memory, samples = 2 * compute, (weights + 2 * activations) / (bw_gb_s * 1e3), 2
    return float(old / ((np.maximum(compute, memory).sum() + launch_us * launches) / samples))


def _recursive(layers: list, peak_gflop_s: float, bw_gb_s: float, launch_us: float, change: str) -> float:
    """Changes the arguments and asks again."""
    def seconds(rows: list, peak: float, bw: float, launches: int) -> float:
        return launches * launch_us * 1e-6 + sum(max(f / (peak * 1e9), (w + a) / (bw * 1e9)) for f, w, a in rows)

    n = len(layers)
    old = seconds(layers, peak_gflop_s, bw_gb_s, n)
    if change == "double_peak":
        return old / seconds(layers, 2 * peak_gflop_s, bw_gb_s, n)
    if change == "double_bw":
        return old / seconds(layers, peak_gflop_s, 2 * bw_gb_s, n)
    if change == "half_precision":
        return old / seconds(layers, 2 * peak_gflop_s, 2 * bw_gb_s, n)
    if change == "graph":
        return old / seconds(layers, peak_gflop_s, bw_gb_s, 1)
    if change == "batch2":
        return 2 * old / seconds([(2 * f, w, 2 * a) for f, w, a in layers], peak_gflop_s, bw_gb_s, n)
    raise ValueError(f"change is not known: {change}")


_ONE = [(1e6, 4e6, 0)]
_TWO = [(1e6, 4e5, 0), (1e6, 4e5, 0)]
# one layer bound by arithmetic, one by memory: a higher peak helps the first only
_MIXED = [(8e7, 1e5, 1e5), (1e6, 1e5, 6e6), (2e6, 5e6, 1e5)]
_TINY = [(1e4, 1e3, 1e3)] * 20
_DECODE = [(2 * 4096 * 4096, 2 * 4096 * 4096, 16_384)] * 4
_FAT = [(4e9, 1e6, 2e6)]


def _draw(rng: np.random.Generator) -> Case:
    layers = []
    for _ in range(int(rng.integers(1, 7))):
        flops, weights, activations = (float(round(v)) for v in 10 ** rng.uniform((4, 3, 3), (8, 6.5, 6.5)))
        layers.append((flops, weights if rng.random() < 0.85 else 0.0, activations))
    return Case(layers, int(rng.integers(200, 3000)), int(rng.integers(20, 300)), float(rng.choice([0, 1, 2.5, 5, 10])),
                str(rng.choice(CHANGES)))


explain_speedup = Exercise(
    id="07.explain_speedup", points=5, difficulty=3, minutes=20, idea="each layer has its own bound",
    reference=speedup.explain_speedup,
    cases=[*(Case(_ONE, 1000, 100, 5, change) for change in ("double_peak", "half_precision", "batch2", "double_bw")),
           Case(_TWO, 1000, 100, 5, "graph")],
    hidden=[
        *(Case(_MIXED, 1000, 100, 5, change, label=f"three layers with different bounds, {change}") for change in CHANGES),
        *(Case(_TINY, 1000, 100, 5, change, label=f"20 tiny layers, {change}") for change in CHANGES),
        *(Case(_DECODE, 989_000, 3350, 5, change, label=f"four linear layers at batch 1, {change}") for change in CHANGES),
        Case(_ONE, 1000, 100, 5, "graph"), Case(_FAT, 1000, 100, 5, "batch2"), Case(_FAT, 1000, 100, 0, "half_precision"),
        Case([(0, 0, 1e6), (0, 1e6, 0)], 1000, 100, 2, "batch2"), Case(_FAT, 1000, 100, 5, "double_bw"),
    ],
    draw=_draw, draws=60, compare=close(1e-9),
    raises=[Case(_ONE, 1000, 100, 5, "double_batch"), Case(_TWO, 1000, 100, 5, ""), Case(_ONE, 1000, 100, 5, "Graph")],
    misconceptions=[
        Misconception(
            "of_totals", _of_totals,
            "You sum the FLOPs and the bytes of the network first and take one maximum. Each layer has its own bound, and layers run "
            "one after another: a memory-bound layer does not lend its spare arithmetic to the next. Sum the maxima, not the "
            "maximum of sums.",
            "One bound for the whole network.", also=(_of_totals_one_launch,)),
        Misconception(
            "half_always_two", _fixed("half_precision", 2.0),
            "Half precision halves the arithmetic and the bytes. The launches cost what they did before.",
            "Not everything is halved.", also=(_making(half_precision={"launch_scale": 0.5}),)),
        Misconception(
            "half_of_the_change", _making(half_precision={"size": 1}),
            "Half precision changes two things: every number has half the bytes, and the peak is twice as high. You changed one.",
            "Half precision works on both roofs.", also=(_making(half_precision={"peak": 1}),)),
        Misconception(
            "graph_halves", _making(graph={"once": False, "launch_scale": 0.5}),
            "A graph replays the whole network with one launch. That is one launch in place of one for each layer, whatever "
            "their number.",
            "One launch remains, not half.", also=(_making(graph={"launch_on": False}), _making(graph={"once": False}))),
        Misconception(
            "batch_latency", _making(batch2={"per_sample": False}),
            "You compare the time of two samples with that of one, and find a slowdown. The time per sample is asked: the new time "
            "is shared by two.",
            "Two samples came out."),
        Misconception(
            "weights_doubled", _making(batch2={"weights": 2}),
            "You double the weights with the batch. Both samples use the same weights, which are read once. This is what makes "
            "batching pay.",
            "The batch shares the weights."),
        Misconception(
            "activations_kept", lambda layers, p, b, launch, c: _making()([(f, w + a, 0) for f, w, a in layers], p, b, launch, c),
            "With two samples FLOPs and activation bytes double, and the weights don't. In your answer only a part of that happens.",
            "Two samples, twice the activations.",
            also=(lambda layers, p, b, launch, c: _making()(layers, p, b, launch, c) if c != "batch2" else 2 * _total_us(
                      layers, p, b, launch) / _total_us([(f, w, 2 * a) for f, w, a in layers], p, b, launch),
                  _making(batch2={"join": lambda c, m: c}), _making(batch2={"join": lambda c, m: m}))),
        Misconception(
            "launches_doubled", _making(batch2={"launch_scale": 2}),
            "You launch twice for two samples. A layer with two samples is still one operator.",
            "A batch is one launch."),
        Misconception(
            "adds", _making(both={"join": lambda c, m: c + m}),
            "You add arithmetic and memory. They overlap within a layer: the longer one counts.",
            "They overlap: take the larger."),
        Misconception(
            "no_launch", _making(both={"launch_on": False}),
            "The launches are missing. Each layer pays `launch_us`, before the change and, except for \"graph\", after it.",
            "Launches cost time."),
        Misconception(
            "one_launch", _making(both={"once": True}),
            "You pay one launch for the whole network, before the change as well. Without a graph each layer is launched.",
            "Every layer is launched."),
        Misconception(
            "mean_of_layers", _mean_of_layers,
            "You average the speedups of the layers. A layer that takes long weighs more: divide the total time before by the "
            "total time after.",
            "A mean of ratios."),
        Misconception(
            "inverted", _making(invert=True),
            "This is new time over old. A speedup of 2 means that it takes half as long: old over new.",
            "The fraction is upside down."),
        Misconception(
            "not_refused", _making(refuse=False),
            "For any word but the five the task asks for `ValueError`; a silent 1.0 hides a typing error.",
            "An unknown change was accepted."),
    ],
    alternatives=[_numpy, _recursive],
    hints=(
        "Write a helper: the time of the network for given bytes, peak, bandwidth, launches. Call it twice.",
        "Inside the helper: for each layer the larger of flops / (1000·peak) and bytes / (1000·bandwidth). Sum these, then add the launches.",
        "\"batch2\" keeps the weights, doubles FLOPs and activations, and divides the total by two.",
    ),
    worth_knowing="No change above slows the network down in this model, and half precision never gives more than 2. Measured slowdowns come from what the model leaves out: conversions and missing kernels.",
)

"""Exercise 40.max_streams: how many cameras fit, and what runs out first."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.delivery.streaming import limits

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

INF = math.inf
NAMES = ("infer", "decode", "copy")


def _whole(limit: float) -> float:
    return limit if limit == INF else max(0, math.floor(limit))


def _smallest(infer: float, decode: float, copy: float) -> tuple[float, str]:
    found = dict(zip(NAMES, (infer, decode, copy)))
    name = min(NAMES, key=found.__getitem__)
    return found[name], name


def _answer(*, period: Callable[[float, int], float] = lambda fps, k: 1000 * (k + 1) / fps,
            infer: Callable[[float, float, float], float] = lambda ms, a, b: (ms - a) / b,
            decode: Callable[[float, float, int], float] = lambda rate, fps, k: rate / fps,
            copy: Callable[[float, float, int, int], float] = lambda rate, fps, size, k: rate / (fps * size),
            whole: Callable[[float], float] = _whole,
            choose: Callable[[float, float, float], tuple[float, str]] = _smallest) -> Callable[..., tuple]:
    """An answer with one mistake; with its defaults it is right."""

    def answer(fps: float, a_ms: float, b_ms: float, interval: int, decode_fps: float, frame_bytes: int, copy_bytes_s: float) -> tuple:
        found = (infer(period(fps, interval), a_ms, b_ms), decode(decode_fps, fps, interval), copy(copy_bytes_s, fps, frame_bytes, interval))
        return choose(*map(whole, found))

    return answer


def _mean(infer: float, decode: float, copy: float) -> tuple[int, str]:
    finite = [v for v in (infer, decode, copy) if v < INF]
    return math.floor(sum(finite) / len(finite)), _smallest(infer, decode, copy)[1]


def _largest(infer: float, decode: float, copy: float) -> tuple[float, str]:
    found = {n: v for n, v in zip(NAMES, (infer, decode, copy)) if v < INF}
    return min(found.values()), max(found, key=found.__getitem__)


def _last_of_equals(infer: float, decode: float, copy: float) -> tuple[float, str]:
    found = dict(zip(NAMES, (infer, decode, copy)))
    name = min(reversed(NAMES), key=found.__getitem__)
    return found[name], name


def _compares_fractions(fps: float, a_ms: float, b_ms: float, interval: int, decode_fps: float, frame_bytes: int, copy_bytes_s: float) -> tuple:
    """Names the smallest limit before rounding."""
    found = dict(zip(NAMES, ((1000 * (interval + 1) / fps - a_ms) / b_ms, decode_fps / fps, copy_bytes_s / (fps * frame_bytes))))
    name = min(NAMES, key=found.__getitem__)
    return max(0, math.floor(found[name])), name


# --- other right answers ----------------------------------------------------------------------


def _by_search(fps: float, a_ms: float, b_ms: float, interval: int, decode_fps: float, frame_bytes: int, copy_bytes_s: float) -> list:
    """Counts up until each resource is overloaded."""
    def count(fits: Callable[[int], bool]) -> int:
        n = 0
        while n < 5000 and fits(n + 1):
            n += 1
        return n

    found = [count(lambda n: (a_ms + b_ms * n) * fps <= 1000 * (interval + 1)), count(lambda n: n * fps <= decode_fps),
             count(lambda n: n * fps * frame_bytes <= copy_bytes_s)]
    return [min(found), NAMES[found.index(min(found))]]


def _with_ifs(fps: float, a_ms: float, b_ms: float, interval: int, decode_fps: float, frame_bytes: int, copy_bytes_s: float) -> tuple[int, str]:
    budget = 1000.0 / fps * (interval + 1) - a_ms
    best, name = (int(budget / b_ms + 1e-9) if budget > 0 else 0), "infer"
    if decode_fps != INF and decode_fps // fps < best:
        best, name = int(decode_fps // fps), "decode"
    if copy_bytes_s != INF and copy_bytes_s // (fps * frame_bytes) < best:
        best, name = int(copy_bytes_s // (fps * frame_bytes)), "copy"
    return best, name


# --- cases ------------------------------------------------------------------------------------

NV12, RGBA = 3_110_400, 8_294_400  # bytes of a 1920 x 1080 frame


def _draw(rng: np.random.Generator) -> tuple:
    """The limit of the model stays off whole numbers, where the order of operations would decide."""
    while True:
        fps, k = int(rng.choice([5, 10, 15, 24, 25, 30, 60])), int(rng.integers(0, 6))
        a, b = float(rng.integers(0, 120)) / 2, float(rng.integers(1, 24)) / 4
        fraction = ((1000 * (k + 1) / fps - a) / b) % 1
        if 0.02 < fraction < 0.98:
            break
    kind = int(rng.integers(4))
    decode = INF if kind == 0 else float(rng.integers(1, 3000)) if kind > 1 else float(fps * int(rng.integers(1, 60)))
    copy = INF if rng.random() < 0.4 else float(rng.integers(1, 120)) * 1e8
    return fps, a, b, k, decode, int(rng.choice([NV12, RGBA, 1_382_400, 460_800])), copy


max_streams = Exercise(
    id="40.max_streams", points=4, difficulty=2, minutes=15, idea="capacity is the smallest of several limits",
    reference=limits.max_streams,
    cases=[Case(30, 4.0, 1.5, k, INF, NV12, INF) for k in (0, 1, 2, 4)] + [Case(30, 4.0, 1.5, 2, 1000.0, NV12, INF)],
    hidden=[
        Case(30, 4.0, 1.5, 0, INF, NV12, 1.5e9), Case(30, 4.0, 1.5, 0, INF, RGBA, 1.5e9), Case(30, 40.0, 1.5, 0, 1000.0, NV12, INF),
        Case(30, 40.0, 1.5, 1, 1000.0, NV12, INF), Case(60, 0.0, 2.25, 0, 20.0, NV12, INF), Case(30, 4.0, 1.5, 4, 960.0, NV12, INF),
        Case(25, 4.0, 1.25, 1, 1000.0, NV12, INF), Case(25, 4.0, 1.5, 1, 600.0, RGBA, 24 * 25 * RGBA), Case(25, 9.0, 1.5, 0, 500.0, NV12, 20 * 25 * NV12),
        Case(10, 3.0, 8.0, 0, 120.0, NV12, 12 * 10 * NV12), Case(10, 3.0, 8.0, 0, 129.0, NV12, 12.5 * 10 * NV12), Case(30, 60.0, 2.0, 0, 10.0, RGBA, 1e6),
        Case(15, 0.5, 0.75, 5, INF, 460_800, 1e9), Case(24, 50.0, 3.0, 0, INF, NV12, INF),
    ],
    draw=_draw, draws=40, compare=exact(), time_limit_s=2.0, show=lambda v: "inf" if v == INF else brief(v),
    misconceptions=[
        Misconception(
            "divides_by_k", _answer(period=lambda fps, k: 1000 * max(k, 1) / fps),
            "You let one batch in `interval` run. The interval counts the batches that are *skipped* between two that run: with interval 1 every "
            "second one runs.",
            "One in k + 1 runs."),
        Misconception(
            "batches_of_one", _answer(infer=lambda ms, a, b: ms / (a + b)),
            "You pay the fixed cost for every camera. A batch holds a frame of each of them and costs `a_ms` once: that is what batching is for.",
            "The fixed cost is paid once."),
        Misconception(
            "no_fixed_cost", _answer(infer=lambda ms, a, b: ms / b),
            "The fixed cost of a batch is missing. A batch of n takes a + b n ms.",
            "Where is a_ms?"),
        Misconception(
            "average", _answer(choose=_mean),
            "You average the limits. A chain is as strong as its weakest link: the smallest limit rules.",
            "Not the average."),
        Misconception(
            "interval_relieves_decoder", _answer(decode=lambda rate, fps, k: rate / fps * (k + 1)),
            "Your decoder works on every (interval + 1)-th frame only. Frames copy from frames, so all have to be decoded, also those that no model sees.",
            "Skipped frames are decoded too.",
            also=(_answer(decode=lambda rate, fps, k: rate / fps * (k + 1), copy=lambda rate, fps, size, k: rate * (k + 1) / (fps * size)),)),
        Misconception(
            "interval_relieves_copy", _answer(copy=lambda rate, fps, size, k: rate * (k + 1) / (fps * size)),
            "You copy only the frames that a model sees. The text copies every frame of every camera.",
            "Every frame is copied."),
        Misconception(
            "names_the_largest", _answer(choose=_largest),
            "The number is right, and you name the resource with the *most* room. The one that runs out first has the smallest limit.",
            "The wrong name."),
        Misconception(
            "ties_the_other_way", _answer(choose=_last_of_equals),
            "Where two limits are equal as whole numbers you name the later one. The order is infer, decode, copy.",
            "Equal limits."),
        Misconception(
            "names_by_fraction", _compares_fractions,
            "You name the smallest limit before rounding down. 12.9 and 12.5 cameras are both 12: then they are equal, and the order decides.",
            "Whole cameras decide."),
        Misconception(
            "rounds", _answer(whole=lambda v: v if v == INF else max(0, round(v))),
            "You round to the nearest whole number, or up. A camera that fits by half does not fit.",
            "Half a camera.", also=(_answer(whole=lambda v: v if v == INF else max(0, math.ceil(v))),)),
        Misconception(
            "negative", _answer(whole=lambda v: v if v == INF else math.floor(v)),
            "Your answer can be negative: the fixed cost alone may be longer than the time there is. Then no camera fits: 0.",
            "Fewer than no cameras.", also=(_answer(whole=lambda v: v if v == INF else int(v)),)),
    ],
    alternatives=[_by_search, _with_ifs, _answer()],
    hints=(
        "Compute three limits, one a resource, as if the others had none. How many ms lie between two batches that run?",
        "The model has 1000 · (interval + 1) / fps ms for a batch. Solve a + b · n for n. Round down, and not below 0.",
        "`math.floor(math.inf)` raises OverflowError: keep infinity as it is. `min` takes the first of equal keys.",
    ),
    worth_knowing="`interval` moves the model's limit only. From some value on the decoder decides, and skipping more buys nothing.",
)

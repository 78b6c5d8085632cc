"""Exercise 18.max_streams: which module runs out first."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np

from utils.hardware import soc

from ...exercise import Case, Exercise, Misconception

_NAMES = ("decode", "encode", "npu", "ddr")
_RK = {"decode_mpix_s": 1990.656, "encode_mpix_s": 995.328, "npu_cores": 3, "ddr_gb_s": 33.8, "ddr_derate": 0.6}


def _quotients(chip: dict, fps: float, w: int, h: int, npu_ms: float, size: int) -> list[float]:
    pixels = w * h * fps
    return [chip["decode_mpix_s"] * 1e6 / pixels, chip["encode_mpix_s"] * 1e6 / pixels, chip["npu_cores"] * 1000 / npu_ms / fps,
            chip["ddr_gb_s"] * chip["ddr_derate"] * 1e9 / (size * fps)]


def _near_floor(x: float) -> int:
    return math.floor(x + 1e-9)


def _streams(change: Callable[[dict, list[float], tuple], list[float]] = lambda chip, q, args: q, *, whole: Callable[[float], int] = _near_floor,
             pick: Callable[[list[int]], int] = lambda limits: limits.index(min(limits)), report: Callable[[list[int], int], tuple] | None = None) -> Callable:
    """An answer from the four quotients, the rounding, and the choice among equal ones; right by default."""

    def answer(soc: dict, fps: float, w: int, h: int, npu_ms: float, bytes_per_frame: int) -> tuple[int, str]:
        q = change(soc, _quotients(soc, fps, w, h, npu_ms, bytes_per_frame), (fps, w, h, npu_ms, bytes_per_frame))
        limits = [whole(x) for x in q]
        at = pick(limits)
        return report(limits, at) if report else (limits[at], _NAMES[at])

    return answer


def _set(index: int, value: Callable[[dict, tuple], float]) -> Callable:
    """The quotients with one replaced."""
    return lambda chip, q, args: [*q[:index], value(chip, args), *q[index + 1 :]]


def _by_fractions(soc: dict, fps: float, w: int, h: int, npu_ms: float, bytes_per_frame: int) -> tuple[int, str]:
    f = {key: Fraction(str(value)) for key, value in soc.items()}
    rate, ms = Fraction(str(fps)), Fraction(str(npu_ms))
    exact = {"decode": f["decode_mpix_s"] * 10**6 / (w * h * rate), "encode": f["encode_mpix_s"] * 10**6 / (w * h * rate),
             "npu": f["npu_cores"] * 1000 / (ms * rate), "ddr": f["ddr_gb_s"] * f["ddr_derate"] * 10**9 / (bytes_per_frame * rate)}
    limits = {name: math.floor(value + Fraction(1, 10**9)) for name, value in exact.items()}
    name = min(limits, key=limits.get)
    return limits[name], name


def _one_by_one(soc: dict, fps: float, w: int, h: int, npu_ms: float, bytes_per_frame: int) -> tuple[int, str]:
    """Adds streams until one of the modules is overloaded."""
    loads = {"decode": (w * h * fps / 1e6, soc["decode_mpix_s"]), "encode": (w * h * fps / 1e6, soc["encode_mpix_s"]),
             "npu": (npu_ms * fps / 1000, soc["npu_cores"]), "ddr": (bytes_per_frame * fps / 1e9, soc["ddr_gb_s"] * soc["ddr_derate"])}
    n = 0
    while True:
        over = [name for name, (need, have) in loads.items() if have / need + 1e-9 < n + 1]
        if over:
            return n, over[0]
        n += 1


def _decimals(soc: dict, fps: float, w: int, h: int, npu_ms: float, bytes_per_frame: int) -> tuple[int, str]:
    d = {key: Decimal(str(value)) for key, value in soc.items()}
    rate, pixels = Decimal(str(fps)), Decimal(w) * h
    values = (d["decode_mpix_s"] * 10**6 / pixels / rate, d["encode_mpix_s"] * 10**6 / pixels / rate, d["npu_cores"] * 1000 / Decimal(str(npu_ms)) / rate,
              d["ddr_gb_s"] * d["ddr_derate"] * 10**9 / bytes_per_frame / rate)
    limits = [int(value + Decimal("1e-9")) for value in values]
    return min(limits), _NAMES[limits.index(min(limits))]


def _draw(rng: np.random.Generator) -> Case:
    """Mostly limits that lie near each other, half of the quotients whole numbers by construction."""
    fps, w, h = float(rng.choice([15, 25, 29.97, 30, 60])), int(rng.choice([640, 1280, 1920, 3840])), int(rng.choice([480, 720, 1080, 2160]))
    base, size = int(rng.integers(1, 33)), int(rng.integers(1, 40_000)) * 1000
    streams = [base + int(rng.integers(0, 3)) + float(rng.choice([0, 0, 0.25, 0.5, 0.9])) for _ in range(4)]
    cores = int(rng.integers(1, 9))
    derate = float(rng.choice([0.5, 0.6, 0.7, 0.8]))
    chip = {"decode_mpix_s": streams[0] * w * h * fps / 1e6, "encode_mpix_s": streams[1] * w * h * fps / 1e6, "npu_cores": cores,
            "ddr_gb_s": streams[3] * size * fps / 1e9 / derate, "ddr_derate": derate}
    return Case(chip, fps, w, h, cores * 1000 / fps / streams[2], size, label=f"{w} x {h} at {fps:g} fps, quotients {', '.join(f'{s:g}' for s in streams)}")


def _chip(**changes: float) -> dict:
    return {**_RK, **changes}


_ARGS = (30, 1920, 1080, 12, 19_564_800)

max_streams = Exercise(
    id="18.max_streams", points=5, difficulty=2, minutes=15, idea="the smallest limit is the chip's",
    reference=soc.max_streams,
    cases=[Case(_RK, *_ARGS), Case(_RK, 30, 1920, 1080, 4, 19_564_800), Case(_chip(decode_mpix_s=1036.8, npu_cores=8), 30, 1920, 1080, 5, 3_110_400)],
    hidden=[
        Case(_chip(encode_mpix_s=0.0), *_ARGS, label="no encoder"), Case(_RK, 30, 7680, 4320, 12, 300_000_000, label="8K, 12 ms"), Case(_RK, 120, 3840, 2160, 12, 78_000_000, label="4K120, 12 ms"),
        Case(_chip(npu_cores=6, encode_mpix_s=4000), 30, 1920, 1080, 3, 1_000_000, label="decoding is the limit: exactly 32"), Case(_chip(decode_mpix_s=4000), 30, 1920, 1080, 2, 1_000_000, label="encoding is the limit: exactly 16"),
        Case(_chip(npu_cores=1), 30, 1920, 1080, 1000 / 30 / 7, 1_000_000, label="the NPU exactly 7 times"), Case(_chip(npu_cores=3), 29.97, 1920, 1080, 3000 / 29.97 / 6, 1_000_000, label="the NPU exactly 6 times"),
        Case(_chip(ddr_gb_s=5.0, encode_mpix_s=4000), 25, 1280, 720, 1, 24_000_000, label="the bus exactly 5 times"), Case(_chip(ddr_gb_s=0.5), 30, 1920, 1080, 12, 19_564_800, label="half a stream on the bus"),
        Case({"decode_mpix_s": 124.416, "encode_mpix_s": 124.416, "npu_cores": 1, "ddr_gb_s": 3.3, "ddr_derate": 0.7}, 30, 1920, 1080, 50 / 3, 38_500_000, label="all four limits are 2"),
        Case(_chip(decode_mpix_s=62.207, npu_cores=9), *_ARGS, label="a little less than one stream decoded"), Case(_chip(encode_mpix_s=1990.655, npu_cores=30, ddr_gb_s=90, decode_mpix_s=9000), *_ARGS, label="a little less than 32 streams encoded"),
        Case(_chip(), 30, 1920, 1080, 100.05 / 7, 1_000_000, label="a little less than 7 streams in the NPU"), Case(_chip(ddr_derate=1.0, ddr_gb_s=6.0), 30, 1920, 1080, 5, 19_564_800, label="a derate of 1"), Case(_chip(npu_cores=0), *_ARGS, label="no NPU core"),
    ],
    draw=_draw, draws=40,
    misconceptions=[
        Misconception("plain_floor", _streams(whole=math.floor),
                      "A quotient that should be a whole number came out a little smaller, such as 31.999999999999996, and you cut it. "
                      "Floating-point division rounds: treat what lies within 1e-9 of a whole number as that number.", "An exact multiple was lost."),
        Misconception("round_up", _streams(whole=lambda x: math.ceil(x - 1e-9)),
                      "You round up. The last stream would get a part of the frames that it needs.", "Half a stream is no stream."),
        Misconception("round_near", _streams(whole=round),
                      "You round to the nearest number. Above one half that adds a stream for which there is no room.", "Round down, not to the nearest."),
        Misconception("no_derate", _streams(_set(3, lambda c, a: c["ddr_gb_s"] * 1e9 / (a[4] * a[0]))),
                      "You plan with the whole peak of the bus. No memory reaches it with many engines in turns: `ddr_derate` says which share to plan with.", "The peak is not derated."),
        Misconception("derate_twice", _streams(_set(3, lambda c, a: c["ddr_gb_s"] * (1 - c["ddr_derate"]) * 1e9 / (a[4] * a[0]))),
                      "You take away the share of `ddr_derate` instead of keeping it. 0.6 means: plan with 60 %.", "The derate is turned round.",
                      also=(_streams(_set(3, lambda c, a: c["ddr_gb_s"] / c["ddr_derate"] * 1e9 / (a[4] * a[0]))),)),
        Misconception("one_core", _streams(_set(2, lambda c, a: 1000 / a[3] / a[0])),
                      "You count one NPU core. The cores work on different streams at the same time.", "All cores count."),
        Misconception("no_fps_npu", _streams(_set(2, lambda c, a: c["npu_cores"] * 1000 / a[3])),
                      "Your NPU limit is frames a second. A stream needs `fps` of them.", "The NPU's limit is in frames, not in streams."),
        Misconception("no_fps_codec", _streams(lambda c, q, a: [q[0] * a[0], q[1] * a[0], *q[2:]]),
                      "Your codec limits leave the frame rate out. The codecs are given in pixels a second.", "The codecs need the frame rate."),
        Misconception("pixels", _streams(lambda c, q, a: [q[0] / 1e6, q[1] / 1e6, *q[2:]]),
                      "You take megapixels for pixels. 1 Mpix/s is 1e6 pixels a second.", "Megapixels are a million pixels."),
        Misconception("gib", _streams(_set(3, lambda c, a: c["ddr_gb_s"] * c["ddr_derate"] * 2**30 / (a[4] * a[0]))),
                      "You count 2^30 bytes to a GB. Bandwidths are decimal.", "GB/s are decimal."),
        Misconception("last_tie", _streams(pick=lambda limits: 3 - limits[::-1].index(min(limits))),
                      "Two modules have the same limit, and you name the later one. The text asks for the first, in the order decode, encode, npu, ddr.", "Ties go to the first."),
        Misconception("no_floor_first", _streams(pick=lambda limits: limits.index(min(limits)), whole=lambda x: x, report=lambda limits, at: (_near_floor(limits[at]), _NAMES[at])),
                      "You name the smallest quotient. Compare after rounding down: limits of 16.2 and 16.0 are both 16, and then the order decides.", "Round down before you compare."),
        Misconception("largest", _streams(pick=lambda limits: limits.index(max(limits))),
                      "You return the largest limit. A stream needs every module, so the smallest one decides.", "The smallest limit decides."),
        Misconception("swapped", _streams(lambda c, q, a: [q[1], q[0], *q[2:]]),
                      "Decoder and encoder have changed places.", "Decode and encode are swapped."),
    ],
    alternatives=[_by_fractions, _one_by_one, _decimals],
    hints=(
        "For each module: what it can do in a second, divided by what one stream asks of it in a second.",
        "npu_ms milliseconds on one of npu_cores cores: the chip makes npu_cores · 1000 / npu_ms results a second.",
        "math.floor(x + 1e-9) keeps whole numbers whole. A dict in the order decode, encode, npu, ddr and min with a key give the first of equal ones.",
    ),
    worth_knowing="A network that runs twice as fast often changes nothing: here it moves the bottleneck from the NPU to the encoder.",
)

"""Exercise 19.fair_speedup: two devices at one intensity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import simt

from ...compare import close
from ...exercise import Case, Exercise, Misconception

_GTX, _I7 = {"lanes": 2048, "ghz": 1.126, "gb_s": 224.0}, {"lanes": 128, "ghz": 3.0, "gb_s": 68.0}


def _ratio(attainable: Callable[[dict, float], float]) -> Callable:
    return lambda gpu, cpu, intensity: attainable(gpu, intensity) / attainable(cpu, intensity)


def _peak(d: dict) -> float:
    return 2 * d["lanes"] * d["ghz"]


def _with_numpy(gpu: dict, cpu: dict, intensity: float) -> float:
    roofs = np.array([[2 * d["lanes"] * d["ghz"], intensity * d["gb_s"]] for d in (gpu, cpu)])
    return float(np.divide(*roofs.min(axis=1)))


def _by_time(gpu: dict, cpu: dict, intensity: float) -> float:
    """Seconds for one GFLOP: the longer one of computing and moving."""
    def seconds(d: dict) -> float:
        return max(1 / (2 * d["lanes"] * d["ghz"]), 1 / intensity / d["gb_s"])

    return seconds(cpu) / seconds(gpu)


def _by_ridge(gpu: dict, cpu: dict, intensity: float) -> float:
    def rate(d: dict) -> float:
        peak = 2 * d["lanes"] * d["ghz"]
        return peak if intensity >= peak / d["gb_s"] else intensity * d["gb_s"]

    return rate(gpu) / rate(cpu)


def _draw(rng: np.random.Generator) -> Case:
    def device(low: int, high: int) -> dict:
        return {"lanes": int(rng.integers(low, high)), "ghz": round(float(rng.uniform(0.5, 4)), 2), "gb_s": round(float(rng.uniform(10, 1000)), 1)}

    return Case(device(64, 20000), device(4, 512), round(float(np.exp(rng.uniform(-2, 6))), 3))


fair_speedup = Exercise(
    id="19.fair_speedup", points=3, difficulty=1, minutes=8, idea="the same units on both sides",
    reference=simt.fair_speedup,
    cases=[Case(_GTX, _I7, 1000), Case(_GTX, _I7, 1), Case(_GTX, _I7, 15)],
    hidden=[Case(_I7, _GTX, 1000), Case(_I7, _GTX, 15), Case(_GTX, _GTX, 3), Case({**_GTX, "gb_s": 20.0}, _I7, 40), Case(_GTX, {**_I7, "gb_s": 500.0}, 2), Case(_GTX, _I7, 0.25)],
    draw=_draw, draws=30, compare=close(1e-9),
    misconceptions=[
        Misconception("lanes_only", _ratio(lambda d, i: d["lanes"]),
                      "You divide the lanes. Clocks and memory are part of it: how fast can each device be at this intensity?", "Only lanes are counted.",
                      also=(lambda gpu, cpu, intensity: gpu["lanes"] / (cpu["lanes"] / 8),)),
        Misconception("no_clock", _ratio(lambda d, i: min(2 * d["lanes"], i * d["gb_s"])),
                      "Your peak leaves the clock out. A lane does an operation in each *cycle*.", "The clock is missing."),
        Misconception("one_op", _ratio(lambda d, i: min(d["lanes"] * d["ghz"], i * d["gb_s"])),
                      "Your peak counts one operation for a lane and cycle. A fused multiply-add is two.", "A multiply-add is two operations."),
        Misconception("peak_only", _ratio(lambda d, i: _peak(d)),
                      "You divide the peaks, whatever the intensity. Work that does little for each byte waits for memory.", "The memory is missing."),
        Misconception("bandwidth_only", _ratio(lambda d, i: d["gb_s"]),
                      "You divide the bandwidths, whatever the intensity. Work that does much for each byte waits for the lanes.", "The lanes are missing."),
        Misconception("max", _ratio(lambda d, i: max(_peak(d), i * d["gb_s"])),
                      "You take the higher of the two roofs. Both limits hold at the same time: the lower one counts.", "The lower roof counts."),
        Misconception("best_ratio", lambda gpu, cpu, intensity: min(_peak(gpu) / _peak(cpu), gpu["gb_s"] / cpu["gb_s"]),
                      "You compare the ratios of peaks and of bandwidths. Find what each device reaches first, by itself: one may be bound by memory and the other by its lanes.", "First each device, then the ratio.",
                      also=(lambda gpu, cpu, intensity: max(_peak(gpu) / _peak(cpu), gpu["gb_s"] / cpu["gb_s"]),)),
        Misconception("crossed", lambda gpu, cpu, intensity: _peak(gpu) / min(_peak(cpu), intensity * cpu["gb_s"]),
                      "The first device gets its peak, the second one its roofline. Use the same rule for both.", "Two rules for two devices."),
        Misconception("divided", _ratio(lambda d, i: min(_peak(d), d["gb_s"] / i)),
                      "You divide the bandwidth by the intensity. Bytes a second times operations for each byte are operations a second.", "Multiply by the intensity."),
        Misconception("inverse", lambda gpu, cpu, intensity: simt.fair_speedup(cpu, gpu, intensity),
                      "Your ratio is upside down: how many times as fast is the first device?", "The ratio is upside down."),
    ],
    alternatives=[_with_numpy, _by_time, _by_ridge],
    hints=("For each device by itself: two limits, and the lower one counts.", "Peak in GFLOP/s: 2 · lanes · GHz. Memory's roof in GFLOP/s: intensity · GB/s."),
    worth_knowing="GPUs are sold by lanes. For memory-bound work the bandwidth decides, and there the distance to a CPU is smaller.",
)

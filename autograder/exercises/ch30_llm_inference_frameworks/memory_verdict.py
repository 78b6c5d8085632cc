"""Exercise 30.memory_verdict: where a model's weights have to live."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines import llm_serving

from ...exercise import Case, Exercise, Misconception


def _require(params: float, bits: float, gpu_gb: float, cpu_gb: float, kv_gb: float, gpu_reserve: float) -> None:
    if params <= 0 or bits <= 0 or min(gpu_gb, cpu_gb, kv_gb) < 0 or not 0 <= gpu_reserve < 1:
        raise ValueError("an argument is out of its range")


def _decide(weights: float, usable: float, cpu: float, kv: float) -> str:
    if kv > usable:
        return "impossible"
    if weights + kv <= usable:
        return "gpu"
    return "offload" if weights + kv <= usable + cpu else "disk"


def _verdict(*, weights: Callable[[float, float], float] = lambda p, b: p * b / 8e9,
             usable: Callable[[float, float], float] = lambda g, r: g * (1 - r),
             cpu: Callable[[float, float], float] = lambda c, r: c, kv: Callable[[float], float] = lambda k: k,
             decide: Callable[[float, float, float, float], str] = _decide, check: bool = True) -> Callable:
    """An answer with one rule replaced; with its defaults it is right."""

    def answer(params: float, bits: float, gpu_gb: float, cpu_gb: float, kv_gb: float = 0.0, gpu_reserve: float = 0.1) -> str:
        if check:
            _require(params, bits, gpu_gb, cpu_gb, kv_gb, gpu_reserve)
        return decide(weights(params, bits), usable(gpu_gb, gpu_reserve), cpu(cpu_gb, gpu_reserve), kv(kv_gb))

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _verdict(**rules), "also": (_verdict(**rules, check=False),)}


# the same mistake on the other side: memory sizes read as GiB
_GIB = {"usable": lambda g, r: g * (1 - r) * 2**30 / 1e9, "cpu": lambda c, r: c * 2**30 / 1e9, "kv": lambda k: k * 2**30 / 1e9}


def _separately(weights: float, usable: float, cpu: float, kv: float) -> str:
    if kv > usable:
        return "impossible"
    if weights + kv <= usable:
        return "gpu"
    return "offload" if weights <= cpu else "disk"


def _kv_may_move(weights: float, usable: float, cpu: float, kv: float) -> str:
    if weights + kv <= usable:
        return "gpu"
    return "offload" if weights + kv <= usable + cpu else "disk"


def _kv_checked_last(weights: float, usable: float, cpu: float, kv: float) -> str:
    told = _kv_may_move(weights, usable, cpu, kv)
    return "impossible" if told == "disk" and kv > usable else told


def _strictly(weights: float, usable: float, cpu: float, kv: float) -> str:
    if kv >= usable:
        return "impossible"
    if weights + kv < usable:
        return "gpu"
    return "offload" if weights + kv < usable + cpu else "disk"


def _too_big_is_impossible(weights: float, usable: float, cpu: float, kv: float) -> str:
    told = _decide(weights, usable, cpu, kv)
    return "impossible" if told == "disk" else told


def _in_bytes(params: float, bits: float, gpu_gb: float, cpu_gb: float, kv_gb: float = 0.0, gpu_reserve: float = 0.1) -> str:
    _require(params, bits, gpu_gb, cpu_gb, kv_gb, gpu_reserve)
    free = gpu_gb * 1e9 * (1 - gpu_reserve) - kv_gb * 1e9
    missing = params * bits / 8 - free
    if free < 0:
        return "impossible"
    return "gpu" if missing <= 0 else "offload" if missing <= cpu_gb * 1e9 else "disk"


def _by_the_plan(params: float, bits: float, gpu_gb: float, cpu_gb: float, kv_gb: float = 0.0, gpu_reserve: float = 0.1) -> str:
    """Places the weights greedily and looks where the last of them lies."""
    _require(params, bits, gpu_gb, cpu_gb, kv_gb, gpu_reserve)
    plan = llm_serving.memory_plan(params, bits, kv_gb * 1e9, [("gpu", gpu_gb * 1e9), ("offload", cpu_gb * 1e9)], gpu_reserve)
    if plan.lowest_tier is None and kv_gb > gpu_gb * (1 - gpu_reserve):
        return "impossible"
    return plan.lowest_tier if plan.fits else "disk"


_RESERVES = (0.0, 0.125, 0.25, 0.5)


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a GB and reserves that are exact in binary; a third of the cases fit exactly."""
    bits, reserve = int(rng.choice([2, 4, 8, 16])), float(rng.choice(_RESERVES))
    gpu, cpu = float(rng.integers(4, 97)), float(rng.integers(0, 129))
    usable = gpu * (1 - reserve)
    kv = float(rng.choice([0.0, usable, rng.integers(0, 40) / 4, usable + rng.integers(1, 40) / 4], p=[0.2, 0.1, 0.55, 0.15]))
    room = max(usable - kv, 0.0)
    exact = [gb for gb in (room, room + cpu) if gb > 0]
    weights = float(rng.choice(exact)) if exact and rng.random() < 0.35 else float(rng.integers(1, 400)) / 2
    return Case(weights * 8 / bits * 1e9, bits, gpu, cpu, kv, reserve)


memory_verdict = Exercise(
    id="30.memory_verdict", points=3, difficulty=1, minutes=8, idea="first ask whether it fits",
    reference=llm_serving.memory_verdict,
    cases=[Case(175e9, 16, 160, 96), Case(175e9, 8, 160, 96), Case(6e12, 4, 640, 1500), Case(7e9, 16, 24, 64, 4)],
    hidden=[
        Case(8e9, 16, 32, 64, 8, 0.25), Case(8e9, 16, 32, 8, 24, 0.25), Case(8e9, 16, 32, 16, 24, 0.25), Case(8e9, 16, 32, 15.75, 24, 0.25),
        Case(8e9, 16, 32, 64, 24.25, 0.25), Case(8e9, 16, 32, 64, 0, 0), Case(16e9, 16, 32, 0, 0, 0.0), Case(16e9, 16, 32, 0, 0.25, 0.0),
        Case(1e9, 8, 0, 64), Case(1e9, 8, 0, 1, 0, 0.5), Case(1e9, 8, 0, 0.75, 0, 0.5), Case(1e9, 8, 0, 64, 1), Case(70e9, 16, 80, 200),
        Case(70e9, 16, 160, 200), Case(70e9, 4, 48, 200, 20), Case(10e9, 8, 20, 64), Case(1e12, 2, 16, 8, 15), Case(30e9, 16, 24, 64, 8),
        Case(30e9, 16, 24, 47, 0, 0.5), Case(20e9, 8, 21, 50, 0.0, 0.0), Case(75e9, 8, 72, 0, 0, 0), Case(4e9, 16, 16, 1, 7),
        Case(100e9, 8, 40, 66, 0, 0.125), Case(1, 1, 8, 8),
    ],
    draw=_draw, draws=60,
    raises=[Case(0, 16, 24, 64), Case(-7e9, 16, 24, 64), Case(7e9, 0, 24, 64), Case(7e9, -8, 24, 64), Case(7e9, 16, -1, 64), Case(7e9, 16, 24, -1),
            Case(7e9, 16, 24, 64, -1), Case(7e9, 16, 24, 64, 0, 1), Case(7e9, 16, 24, 64, 0, 1.5), Case(7e9, 16, 24, 64, 0, -0.125),
            Case(7e9, 16, 24, 64, 0, -0.5)],
    misconceptions=[
        Misconception(
            "bits_as_bytes", **_both(weights=lambda p, b: p * b / 1e9),
            message="Your weights are eight times too large. `bits` counts bits a parameter, and memory is counted in bytes.",
            title="Bits were taken for bytes."),
        Misconception(
            "always_two_bytes", **_both(weights=lambda p, b: p * 2 / 1e9),
            message="You take two bytes for every parameter, whatever `bits` says. That is FP16 alone; quantised weights take less.",
            title="Not every weight has 16 bits."),
        Misconception(
            "ignores_kv", **_both(kv=lambda k: 0.0),
            message="The KV cache is missing. It lies on the GPU too, beside the weights, and for long contexts it may be the larger part.",
            title="The KV cache needs room too."),
        Misconception(
            "gib", _verdict(weights=lambda p, b: p * b / 8 / 2**30),
            "You count in GiB, 2^30 bytes. Asked are GB of 1e9 bytes, as data sheets of GPUs count them.",
            "GiB are not GB.",
            also=(_verdict(weights=lambda p, b: p * b / 8 / 2**30, check=False), _verdict(**_GIB), _verdict(**_GIB, check=False))),
        Misconception(
            "reserve_on_cpu", **_both(cpu=lambda c, r: c * (1 - r)),
            message="You keep a share of the CPU memory free as well. `gpu_reserve` is for what the GPU needs besides: activations, "
                    "the driver's context.",
            title="The reserve is the GPU's."),
        Misconception(
            "no_reserve", **_both(usable=lambda g, r: g),
            message="You fill the GPU to the last byte. The share `gpu_reserve` has to stay free.",
            title="The reserve was forgotten."),
        Misconception(
            "only_the_reserve", **_both(usable=lambda g, r: g * r),
            message="You use the reserve and keep the rest free. It is the other way round.",
            title="The reserve is what stays free."),
        Misconception(
            "separately", **_both(decide=_separately),
            message="You ask whether the weights fit into the CPU memory alone. A part of them may stay on the GPU: its free room counts too.",
            title="GPU and CPU share the weights."),
        Misconception(
            "kv_may_move", _verdict(decide=_kv_may_move),
            "You let the KV cache leave the GPU. Here it has to fit there; if it alone is too large, the answer is \"impossible\", "
            "however much CPU memory there is. Ask that first.",
            "The KV cache stays on the GPU.",
            also=(_verdict(decide=_kv_may_move, check=False), _verdict(decide=_kv_checked_last), _verdict(decide=_kv_checked_last, check=False))),
        Misconception(
            "strictly", **_both(decide=_strictly),
            message="What fits exactly fits. You ask for a bit more room than is needed.",
            title="Exactly equal fits."),
        Misconception(
            "too_big_is_impossible", **_both(decide=_too_big_is_impossible),
            message="You return \"impossible\" for weights that exceed GPU and CPU. They can still be read from disk: slow, but possible. Only the "
                    "KV cache makes it impossible.",
            title="The disk is a tier too."),
    ],
    alternatives=[_verdict(), _in_bytes, _by_the_plan],
    hints=(
        "Compute three numbers in GB: the weights, the usable part of the GPU, and what is left of it after the KV cache.",
        "A weight of `bits` bits takes `bits`/8 bytes, and a GB is 1e9 bytes.",
        "If what is left is negative, nothing helps. Else compare the weights with what is left, then with what is left plus `cpu_gb`.",
    ),
    worth_knowing="\"offload\" says that it runs, not that it is fast: the next exercise puts a number on that.",
)

"""Exercise 09.pool_after: which technique shrinks which pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from utils.compression import memory_planner

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception

W4 = 4.15625 / 16
RIGHT: dict[str, dict[str, float]] = {
    "w4_g128": {"weights": W4}, "w8a8": {"weights": 0.5, "activations": 0.5}, "prune50_dense": {},
    "prune50_channels": {"weights": 0.25, "activations": 0.5}, "gqa4": {"kv": 0.25},
    "batch_half": {"activations": 0.5, "kv": 0.5},
}


def _after(pools: Mapping, technique: str, *, check: bool = True, changes_input: bool = False, **wrong: Mapping) -> dict:
    """The pools with one mistake; with its defaults they are right. `wrong` replaces rows of the table."""
    table = {**RIGHT, **wrong}
    if check and technique not in table:
        raise ValueError(f"{technique!r} is not in the table")
    after = pools if changes_input else dict(pools)
    for name, factor in table.get(technique, {}).items():
        if name in after:
            after[name] *= factor
    return after


def _by_branches(pools: dict, technique: str) -> dict:
    weights, activations, kv = pools["weights"], pools["activations"], pools["kv"]
    if technique == "w4_g128":
        weights = weights / 16 * (4 + 20 / 128)
    elif technique == "w8a8":
        weights, activations = weights / 2, activations / 2
    elif technique == "prune50_channels":
        weights, activations = weights / 4, activations / 2
    elif technique == "gqa4":
        kv /= 4
    elif technique == "batch_half":
        activations, kv = activations / 2, kv / 2
    elif technique != "prune50_dense":
        raise ValueError("unknown")
    return {**pools, "weights": weights, "activations": activations, "kv": kv}


def show_pools(value: Any) -> str:
    """Pools in GB."""
    if isinstance(value, dict) and value and all(isinstance(v, (int, float)) for v in value.values()):
        return ", ".join(f"{name} {size / 1e9:.4g} GB" for name, size in value.items())
    return brief(value)


def _draw(rng: np.random.Generator) -> Case:
    pools = {"weights": float(rng.integers(1, 2000)) * 64e6, "activations": float(rng.integers(1, 200)) * 16e6,
             "kv": float(rng.integers(1, 400)) * 64e6}
    if rng.random() < 0.5:
        pools["workspace"] = float(rng.integers(1, 20)) * 1e8
    return Case(pools, str(rng.choice(list(RIGHT))))


def _both(answer: Callable = _after, **wrong: Any) -> dict:
    return {"answer": partial(answer, **wrong), "also": (partial(answer, check=False, **wrong),)}


LLM = {"weights": 14e9, "activations": 1e9, "kv": 8e9}

pool_after = Exercise(
    id="09.pool_after", points=3, difficulty=1, minutes=8, idea="each technique has its own pools", pure=True,
    reference=memory_planner.pool_after, show=show_pools,
    cases=[Case(LLM, "gqa4"), Case(LLM, "w4_g128"), Case(LLM, "prune50_dense")],
    hidden=[Case({**LLM, "workspace": 5e8}, t) for t in RIGHT],
    raises=[Case(LLM, "w2"), Case(LLM, ""), Case(LLM, "W8A8")],
    draw=_draw, draws=30, compare=close(rtol=1e-9),  # one or two products of float64
    misconceptions=[
        Misconception("zeros_are_free", title="Zeros take memory too.", message=
            "Half of the weights are zero, and the array that holds them is as large as before: a zero in FP16 has 16 bits. "
            "Only a sparse format or a smaller array saves memory.",
            **_both(prune50_dense={"weights": 0.5})),
        Misconception("zeros_shrink_activations", title="Zeros take memory too.", message=
            "A dense array of weights with zeros in it computes outputs of the same shape. Nothing in any pool got smaller.",
            **_both(prune50_dense={"weights": 0.5, "activations": 0.5})),
        Misconception("four_bits_flat", title="The scales of the groups are missing.", message=
            "Four bits of sixteen would be a quarter. Each group of 128 also stores a scale and a zero point: take the "
            "effective bits of the table.", **_both(w4_g128={"weights": 0.25})),
        Misconception("weights_shrink_the_cache", title="The KV cache keeps its type.", message=
            "Weight quantization changes the weights only. Keys and values are computed at run time and are stored in "
            "their own type.", **_both(w4_g128={"weights": W4, "kv": W4})),
        Misconception("weights_shrink_activations", title="Activations keep their type.", message=
            "w4_g128 stores *weights* in few bits. They are expanded before they are used, and the activations stay in 16 "
            "bits.", **_both(w4_g128={"weights": W4, "activations": W4})),
        Misconception("w8a8_without_a", title="The A stands for activations.", message=
            "W8A8 has 8 bits for the weights and 8 bits for the activations. Both pools change.",
            **_both(w8a8={"weights": 0.5})),
        Misconception("w8a8_with_cache", title="The KV cache keeps its type.", message=
            "W8A8 names weights and activations. The stored keys and values are a pool of their own, and quantizing them is "
            "another technique.", **_both(w8a8={"weights": 0.5, "activations": 0.5, "kv": 0.5})),
        Misconception("batch_halves_weights", title="The batch shares its weights.", message=
            "All samples of a batch read the same weights. Only what exists once for every sample shrinks with the batch.",
            **_both(batch_half={"weights": 0.5, "activations": 0.5, "kv": 0.5})),
        Misconception("batch_keeps_cache", title="Each sequence has its own cache.", message=
            "The KV cache holds the past tokens of every sequence in the batch. Half as many sequences need half of it.",
            **_both(batch_half={"activations": 0.5})),
        Misconception("channels_once", title="A layer loses inputs and outputs.", message=
            "When every layer keeps half of its channels, a weight matrix loses half of its rows *and* half of its columns. "
            "What is left of their product?", **_both(prune50_channels={"weights": 0.5, "activations": 0.5})),
        Misconception("channels_keep_activations", title="Fewer channels, smaller maps.", message=
            "An activation has one value for each channel. With half of the channels its tensor has half of the values.",
            **_both(prune50_channels={"weights": 0.25})),
        Misconception("gqa_saves_a_quarter", title="A quarter is left, not lost.", message=
            "The number of KV heads is divided by four, so one quarter of the cache remains.", **_both(gqa4={"kv": 0.75})),
        Misconception("changes_input", title="The caller's dict was changed.", message=
            "The numbers are right, but they were written into the argument. The caller still needs the pools as they were: "
            "return a new dict.", **_both(changes_input=True)),
        Misconception("technique_unchecked", partial(_after, check=False),
            "A name that is not in the table came back as if nothing had to change. A typing error would then look like a "
            "useless technique: refuse it.", "An unknown technique slips through."),
    ],
    alternatives=[_after, _by_branches],
    hints=(
        "A dictionary from technique to the factors of its pools says almost everything. Pools without a factor stay.",
        "Build a new dict from the old one, multiplying where there is a factor.",
        "Look the technique up first, and decide what happens when it is not there.",
    ),
    worth_knowing="None of the four ways in the usual answer (pruning, distillation, quantization of weights, smaller structure) "
                  "names the KV cache, which is often the largest pool of a language model at long context.",
)

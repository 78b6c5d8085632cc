"""Exercise 24.fusion_traffic: bytes that a convolution and its elementwise layers move, one kernel each or fused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines.tensorrt_optimizer import fusion_traffic as reference

from ...exercise import Case, Exercise, Misconception


def _rule(unfused: Callable[[int, int, int, int], int] | None = None,
          fused: Callable[[int, int, int], int] | None = None, in_bytes: bool = True) -> Callable:
    """An answer with one count replaced; with its defaults it is right."""
    unfused = unfused or (lambda x, w, y, n: x + w + y + 2 * n * y)
    fused = fused or (lambda x, w, y: x + w + y)

    def answer(in_elems: int, weight_elems: int, out_elems: int, pointwise_ops: int, dtype_bytes: int) -> tuple[int, int]:
        each = dtype_bytes if in_bytes else 1
        return (unfused(in_elems, weight_elems, out_elems, pointwise_ops) * each,
                fused(in_elems, weight_elems, out_elems) * each)

    return answer


def _walks(in_elems: int, weight_elems: int, out_elems: int, pointwise_ops: int, dtype_bytes: int) -> tuple[int, int]:
    """Layer by layer."""
    layers = [(in_elems + weight_elems, out_elems)] + [(out_elems, out_elems)] * pointwise_ops
    unfused = sum((read + written) * dtype_bytes for read, written in layers)
    return unfused, (layers[0][0] + layers[-1][1]) * dtype_bytes


def _saves(in_elems: int, weight_elems: int, out_elems: int, pointwise_ops: int, dtype_bytes: int) -> tuple[int, int]:
    """From the fused count: every intermediate comes on top twice."""
    fused = dtype_bytes * (in_elems + weight_elems + out_elems)
    return fused + dtype_bytes * out_elems * pointwise_ops * 2, fused


def _draw(rng: np.random.Generator) -> Case:
    x, w, y = (int(n) for n in rng.integers(1, 400_000, 3))
    return Case(x, w, y, int(rng.integers(0, 6)), int(rng.choice([1, 2, 4, 8])))


fusion_traffic = Exercise(
    id="24.fusion_traffic", points=2, difficulty=1, minutes=6, idea="what fusion saves is a write and a read",
    reference=reference,
    cases=[Case(200704, 36864, 200704, 2, 4), Case(200704, 36864, 200704, 0, 4)],
    hidden=[Case(150528, 9408, 802816, 2, 2), Case(1, 1, 1, 1, 1), Case(1000, 10, 20, 5, 8), Case(64, 0, 64, 1, 4)],
    draw=_draw, draws=30,
    misconceptions=[
        Misconception(
            "counted_once", _rule(unfused=lambda x, w, y, n: x + w + y + n * y),
            "You count each tensor between two layers once. One kernel writes it to DRAM, and the next one reads it back.",
            "Written and read are two trips."),
        Misconception(
            "weights_saved", _rule(fused=lambda x, w, y: x + y),
            "Your fused kernel reads no weights. Fusion saves the tensors *between* the layers; the weights are read once "
            "either way.", "The weights stay."),
        Misconception(
            "output_only", _rule(fused=lambda x, w, y: y),
            "Your fused kernel only writes. It still has to read its input and its weights.", "A fused kernel reads too."),
        Misconception(
            "elements", _rule(in_bytes=False),
            "These are elements. `dtype_bytes` says how many bytes each of them takes.", "Elements are not bytes."),
        Misconception(
            "weights_every_layer", _rule(unfused=lambda x, w, y, n: x + w + y + n * (2 * y + w)),
            "You read the convolution's weights again in every elementwise layer. Only the convolution reads them.",
            "Only one layer has weights."),
        Misconception(
            "pointwise_on_input", _rule(unfused=lambda x, w, y, n: x + w + y + 2 * n * x),
            "Your elementwise layers work on tensors of the input's size. They stand *behind* the convolution.",
            "Which tensor do they work on?"),
    ],
    alternatives=[_walks, _saves],
    hints=(
        "Write down for each layer what it reads and what it writes, in elements.",
        "An elementwise layer reads one tensor of `out_elems` and writes one of the same size.",
        "Fused, the whole chain is one kernel: one input, the weights, one output.",
    ),
    worth_knowing="A convolution with much arithmetic for each byte hides this traffic. The gain is largest where the layers are small.",
)

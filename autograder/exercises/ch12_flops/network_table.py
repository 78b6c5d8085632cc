"""Exercise 12.network_table: shapes, parameters and MACs of a network, layer by layer."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from utils.cost.flops import table as network

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception


def _table(layers: list, h: int, w: int, *, pool_moves: bool = True, flat: str = "all", pool_macs: bool = False,
           norm: int = 2, bias_macs: bool = False, linear_moves: bool = True, grouped_params: bool = True,
           floor: bool = True, pool_divides: bool = False) -> list:
    """The table with one mistake; with its defaults it is right (an independent formulation)."""
    rows: list[tuple[str, int, int]] = []
    shape = (1, h, w)
    for layer in layers:
        c, height, width = shape
        op, params, macs = layer["op"], 0, 0
        k, pad = layer.get("k", 1), layer.get("pad", 0)
        stride = layer.get("stride", k if op == "pool" else 1)
        size = [1 + ((n + 2 * pad - k) // stride if floor else -(-(n + 2 * pad - k) // stride)) for n in (height, width)]
        if op == "conv":
            c, groups, bias = layer["c_out"], layer.get("groups", 1), layer.get("bias", True)
            weights = layer["c_in"] // groups * k * k * c
            macs = weights * math.prod(size) + (c * math.prod(size) if bias and bias_macs else 0)
            params = weights * (1 if grouped_params else groups) + c * bool(bias) + (norm * c if layer.get("bn") else 0)
            shape = (c, *size)
        elif op == "pool":
            size = [height // k, width // k] if pool_divides else size
            macs = c * math.prod(size) * k * k if pool_macs else 0
            shape = (c, *size) if pool_moves else shape
        elif op == "gap":
            macs = c * height * width if pool_macs else 0
            shape = (c, 1, 1)
        else:
            n_in = {"all": c * height * width, "channels": c, "49": c * 49, "25088": 25088}[flat]
            if flat in ("49", "25088") and (height, width) == (1, 1):
                n_in = c
            n_out, bias = layer["n_out"], layer.get("bias", True)
            params, macs = n_out * (n_in + bool(bias)), n_out * (n_in + (1 if bias and bias_macs else 0))
            shape = (n_out, 1, 1) if linear_moves else shape
        rows.append((layer["name"], params, macs))
    return rows


def _table_recursive(layers: list, h: int, w: int, channels: int = 1) -> list:
    """The first row, then the table of the rest on what comes out of it."""
    if not layers:
        return []
    first, *rest = layers
    after = {"conv": _after_conv, "pool": _after_pool, "gap": lambda l, c, h, w: (c, 1, 1, 0, 0),
             "linear": _after_linear}[first["op"]]
    channels, h, w, params, macs = after(first, channels, h, w)
    return [[first["name"], params, macs], *_table_recursive(rest, h, w, channels)]


def _slide(n: int, layer: dict, stride: int) -> int:
    return len(range(0, n + 2 * layer.get("pad", 0) - layer["k"] + 1, stride))


def _after_conv(layer: dict, c: int, h: int, w: int) -> tuple[int, ...]:
    h, w = (_slide(n, layer, layer.get("stride", 1)) for n in (h, w))
    per_output = layer["c_in"] * layer["k"] ** 2 // layer.get("groups", 1)
    params = layer["c_out"] * (per_output + layer.get("bias", True) + 2 * layer.get("bn", False))
    return layer["c_out"], h, w, params, layer["c_out"] * per_output * h * w


def _after_pool(layer: dict, c: int, h: int, w: int) -> tuple[int, ...]:
    stride = layer.get("stride", layer["k"])
    return c, _slide(h, layer, stride), _slide(w, layer, stride), 0, 0


def _after_linear(layer: dict, c: int, h: int, w: int) -> tuple[int, ...]:
    macs = c * h * w * layer["n_out"]
    return layer["n_out"], 1, 1, macs + layer["n_out"] * layer.get("bias", True), macs


def _rows_agree(case: Case, expected: list, got: Any) -> str | None:
    if not isinstance(got, (list, tuple)) or not all(isinstance(r, (list, tuple)) and len(r) == 3 for r in got):
        return f"{brief(got)} is not a list of (name, params, macs)"
    if len(got) != len(expected):
        return f"{len(got)} rows, expected {len(expected)}"
    for (name, *counts), (their, *theirs) in zip(expected, got):
        if name != their:
            return f"a row is called {their!r}, expected {name!r}"
        for what, right, count in zip(("parameters", "MACs"), counts, theirs):
            if exact()(right, count) is not None:
                return f"row {name!r}: {count:,} {what}, expected {right:,}"
    return None


def show_table(value: Any) -> str:
    """A table's totals; the rows that differ are named beside it."""
    if isinstance(value, list) and value and all(isinstance(r, (list, tuple)) and len(r) == 3 for r in value):
        return f"{len(value)} rows, {sum(r[1] for r in value):,} parameters, {sum(r[2] for r in value):,} MACs"
    return brief(value)


def conv(name: str, c_in: int, c_out: int, k: int, **options: Any) -> dict:
    return {"name": name, "op": "conv", "c_in": c_in, "c_out": c_out, "k": k, **options}


def linear(name: str, n_out: int, **options: Any) -> dict:
    return {"name": name, "op": "linear", "n_out": n_out, **options}


def pool(name: str, k: int, **options: Any) -> dict:
    return {"name": name, "op": "pool", "k": k, **options}


LENET = [conv("conv1", 1, 6, 5, pad=2), pool("pool1", 2), conv("conv2", 6, 16, 5), pool("pool2", 2),
         linear("fc1", 120), linear("fc2", 10)]
SMALL = [conv("stem", 3, 8, 3, stride=2, pad=1, bias=False, bn=True),
         conv("dw", 8, 8, 3, pad=1, groups=8, bias=False, bn=True), {"name": "gap", "op": "gap"}, linear("fc", 10, bias=False)]


def vgg16() -> list[dict]:
    """The layers of VGG-16 (Simonyan and Zisserman, 2014)."""
    layers, c_in = [], 3
    for block, (width, depth) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
        for i in range(depth):
            layers.append(conv(f"conv{block}_{i + 1}", c_in, width, 3, pad=1))
            c_in = width
        layers.append(pool(f"pool{block}", 2))
    return [*layers, linear("fc6", 4096), linear("fc7", 4096), linear("fc8", 1000)]


def mobilenet_v1() -> list[dict]:
    """The layers of MobileNetV1, width 1.0 (Howard et al., 2017)."""
    options = {"bias": False, "bn": True}
    layers, c = [conv("stem", 3, 32, 3, stride=2, pad=1, **options)], 32
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for i, (width, stride) in enumerate(plan, 1):
        layers.append(conv(f"dw{i}", c, c, 3, stride=stride, pad=1, groups=c, **options))
        layers.append(conv(f"pw{i}", c, width, 1, **options))
        c = width
    return [*layers, {"name": "gap", "op": "gap"}, linear("fc", 1000)]


def _draw_network(rng: np.random.Generator) -> Case:
    h, w = int(rng.integers(20, 40)), int(rng.integers(20, 40))
    layers: list[dict] = []
    sizes, c = [h, w], int(rng.integers(1, 5))
    for i in range(int(rng.integers(2, 6))):
        k, pad, stride = int(rng.integers(1, 4)), int(rng.integers(0, 2)), int(rng.integers(1, 3))
        if min(sizes) + 2 * pad < k + 2:
            break
        if i and rng.random() < 0.4:
            layers.append(pool(f"p{i}", k, **({"stride": stride} if rng.random() < 0.5 else {}), **({"pad": min(pad, k // 2)} if rng.random() < 0.5 else {})))
            options = layers[-1]
            stride, pad = options.get("stride", k), options.get("pad", 0)
        else:
            c_out = int(rng.integers(1, 7))
            groups = c if rng.random() < 0.3 else 1
            c_out = c * int(rng.integers(1, 3)) if groups > 1 else c_out
            extra = {key: value for key, value in (("stride", stride), ("pad", pad), ("groups", groups),
                     ("bias", bool(rng.integers(2))), ("bn", bool(rng.integers(2)))) if rng.random() < 0.7}
            layers.append(conv(f"c{i}", c, c_out, k, **extra))
            c, stride, pad = c_out, extra.get("stride", 1), extra.get("pad", 0)
            if "groups" not in extra and groups > 1:
                layers[-1]["groups"] = groups
        sizes = [(n + 2 * pad - k) // stride + 1 for n in sizes]
    if rng.random() < 0.4:
        layers.append({"name": "gap", "op": "gap"})
    for i in range(int(rng.integers(0, 3))):
        layers.append(linear(f"fc{i}", int(rng.integers(1, 9)), **({"bias": bool(rng.integers(2))} if rng.random() < 0.5 else {})))
    return Case(layers, h, w, label=f"{' '.join(layer['op'] for layer in layers)} on {h} × {w}")


network_table = Exercise(
    id="12.network_table", points=4, difficulty=2, minutes=25, idea="shapes travel from layer to layer",
    reference=network.network_table,
    cases=[Case(LENET, 28, 28, label="LeNet on 28 × 28"),
           Case(SMALL, 32, 32, label="depthwise net with batch norm on 32 × 32")],
    hidden=[
        Case(vgg16(), 224, 224, label="VGG-16 on 224 × 224"),
        Case(mobilenet_v1(), 224, 224, label="MobileNetV1 on 224 × 224"),
        Case([conv("c", 3, 4, 3), pool("p", 3, stride=2, pad=1), linear("f", 2)], 16, 21,
             label="overlapping, padded pooling on 16 × 21"),
        Case([conv("c", 2, 6, 3, stride=2, groups=2), linear("f", 3)], 11, 8, label="grouped convolution on 11 × 8"),
        Case([conv("c", 1, 3, 1)], 5, 4, label="one convolution on 5 × 4"),
    ],
    draw=_draw_network, draws=40, show=show_table,
    compare=prop(_rows_agree, same=exact()),
    misconceptions=[
        Misconception(
            "pool_keeps_size", partial(_table, pool_moves=False),
            "Pooling has no parameters and no MACs, but it changes the size: every later layer works on a smaller map. "
            "Keep height and width in variables that each layer updates.",
            "Pooling left the size as it was."),
        Misconception(
            "pool_divides", partial(_table, pool_divides=True),
            "Dividing the size by k is right for windows that lie side by side. A pool may have a stride of its own and "
            "padding, like a convolution.",
            "The pool's stride and padding were ignored."),
        Misconception(
            "flatten_hard_coded", partial(_table, flat="49"),
            "The inputs of the first linear layer were taken as 7 × 7 positions. That is VGG at 224 × 224. Use the "
            "channels, height and width that the layer before left behind.",
            "The flattened size is hard-coded.", also=(partial(_table, flat="25088"),)),
        Misconception(
            "flatten_channels", partial(_table, flat="channels"),
            "Flattening keeps every value: channels × height × width. Only after a global average pool is that the "
            "number of channels.",
            "Only the channels were flattened."),
        Misconception(
            "linear_keeps_shape", partial(_table, linear_moves=False),
            "The second linear layer was given the inputs of the first. A linear layer leaves a vector of n_out "
            "values behind, and the next one starts from that.",
            "A linear layer left the shape as it was."),
        Misconception(
            "pool_macs", partial(_table, pool_macs=True),
            "Pooling compares or averages; it multiplies nothing by a weight. Its row is (name, 0, 0).",
            "Pooling was counted as MACs."),
        Misconception(
            "drops_batch_norm", partial(_table, norm=0),
            "Batch norm learns a scale and a shift for each channel: 2·c_out parameters that belong into the "
            "convolution's row when `bn` is set.",
            "Batch norm's parameters are missing."),
        Misconception(
            "counts_statistics", partial(_table, norm=4),
            "The running mean and variance are buffers: stored, but not learned. Only the scale and the shift are "
            "parameters.",
            "Running statistics are no parameters."),
        Misconception(
            "bias_macs", partial(_table, bias_macs=True),
            "A bias is one addition with no multiplication. It adds to the parameters, not to the MACs.",
            "The bias was counted as a MAC."),
        Misconception(
            "groups_in_macs_only", partial(_table, grouped_params=False),
            "With groups each filter has only c_in / groups channels of weights. Your MACs know that, your parameters "
            "do not.",
            "The parameters ignore the groups."),
        Misconception(
            "ceil", partial(_table, floor=False),
            "A window that would hang over the edge is not computed, in a convolution or in a pool. Which way must the "
            "division by the stride round?",
            "Sizes are rounded up."),
    ],
    alternatives=[_table, _table_recursive],
    hints=(
        "Carry three numbers from layer to layer: channels, height, width. Each branch updates them after it has "
        "counted.",
        "Convolution and pool share the size rule `(n + 2·pad − k) // stride + 1`; their default strides differ.",
        "A linear layer's inputs are channels·height·width. After it the shape is (n_out, 1, 1).",
    ),
    worth_knowing="Fed with VGG-16 it gives 138,357,544 parameters and 15,470,264,320 MACs: the published table.",
)

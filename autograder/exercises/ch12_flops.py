"""Exercises of chapter 12: how to compute a model's FLOPs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from utils.cost import layer_ops, llm_flops
from utils.cost import network_table as network

from ..compare import brief, close, exact, prop
from ..exercise import Case, Exercise, Misconception

# --- 1. conv_macs -----------------------------------------------------------------------------


def _conv_macs(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
               dilation: int = 1, groups: int = 1, batch: int = 1, *, input_size: bool = False, ceil: bool = False,
               span: bool = True, swap: bool = False, sides: int = 2, channels: str = "grouped",
               factor: int = 1, per_batch: bool = True) -> int:
    """MACs with one mistake; with its defaults it is right (an independent formulation)."""
    k_h, k_w = (kernel, kernel) if isinstance(kernel, int) else kernel
    outputs = batch if per_batch else 1
    for n, k in ((h, k_w), (w, k_h)) if swap else ((h, k_h), (w, k_w)):
        reach = dilation * (k - 1) + 1 if span else k
        room = n + sides * padding - reach
        if room < 0 and not input_size:
            raise ValueError("the window does not fit into the padded input")
        outputs *= n if input_size else 1 + (-(-room // stride) if ceil else room // stride)
    depth = {"grouped": c_in // groups * c_out, "all": c_in * c_out,
             "twice": (c_in // groups) * (c_out // groups)}[channels]
    return factor * outputs * depth * k_h * k_w


def _conv_by_positions(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
                       dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    """Visits every window of the padded image."""
    k_h, k_w = np.broadcast_to(kernel, 2).tolist()
    tops = range(0, h + 2 * padding - dilation * (k_h - 1), stride)
    lefts = range(0, w + 2 * padding - dilation * (k_w - 1), stride)
    if not tops or not lefts:
        raise ValueError("empty output")
    macs = 0
    for _ in tops:
        for _ in lefts:
            macs += k_h * k_w * (c_in // groups) * c_out
    return macs * batch


def _conv_by_views(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
                   dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    """Lets NumPy cut the padded image into windows; it refuses one that does not fit."""
    taps = np.broadcast_to(kernel, 2)
    padded = np.empty((h + 2 * padding, w + 2 * padding), bool)
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(dilation * (taps - 1) + 1))
    seen = windows[::stride, ::stride, ::dilation, ::dilation]
    return seen.size * batch * c_out * c_in // groups


def _conv_inside_only(h: int, w: int, c_in: int, c_out: int, kernel: Any, stride: int = 1, padding: int = 0,
                      dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    return layer_ops.conv2d_ops(h, w, c_in, c_out, kernel, stride, padding, dilation, groups, batch=batch,
                                skip_padding=True).macs


def _draw_conv(rng: np.random.Generator) -> Case:
    groups = int(rng.choice([1, 1, 2, 4]))
    c_in, c_out = (groups * int(rng.integers(1, 9)) for _ in range(2))
    kernel: Any = int(rng.integers(1, 6))
    if rng.random() < 0.4:
        kernel = (kernel, int(rng.integers(1, 6)))
    geometry = {"stride": int(rng.integers(1, 4)), "padding": int(rng.integers(0, 3)), "dilation": int(rng.integers(1, 3)),
                "groups": groups, "batch": int(rng.integers(1, 5))}
    if rng.random() < 0.3 and c_in > 1:
        geometry["groups"], c_out = c_in, c_in * int(rng.integers(1, 3))
    sizes = [geometry["dilation"] * (k - 1) + 1 + int(rng.integers(0, 20)) for k in np.broadcast_to(kernel, 2).tolist()]
    return Case(*sizes, c_in, c_out, kernel, **geometry)


conv_macs = Exercise(
    id="12.conv_macs", points=3, difficulty=1, minutes=15, idea="count outputs, then the work behind one output",
    reference=layer_ops.conv_macs,
    cases=[
        Case(224, 224, 3, 64, 7, stride=2, padding=3),
        Case(56, 56, 64, 128, 3, padding=1),
        Case(14, 14, 32, 32, 3, padding=1, groups=32, batch=8),
        Case(10, 12, 3, 5, (3, 1), dilation=2),
    ],
    hidden=[
        Case(3, 9, 2, 3, 3, label="(3, 9, 2, 3, 3)  one row of outputs"),
        Case(9, 3, 2, 3, 3, label="(9, 3, 2, 3, 3)  one column of outputs"),
        Case(8, 8, 4, 6, 3, stride=2, label="(8, 8, 4, 6, 3, stride=2)  the last window does not fit"),
        Case(224, 224, 32, 32, 3, stride=2, padding=1, groups=32, label="a depthwise layer with stride 2"),
        Case(33, 33, 16, 8, 3, padding=2, dilation=2),
        Case(7, 20, 4, 6, (1, 5), stride=3, padding=2, groups=2),
    ],
    draw=_draw_conv, draws=40,
    raises=[Case(4, 9, 1, 1, 5, label="5 taps on 4 rows"), Case(9, 4, 1, 1, 5, label="5 taps on 4 columns"),
            Case(4, 4, 1, 1, 3, dilation=2, label="3 taps, 2 apart, on 4 rows and columns"),
            Case(2, 2, 1, 1, 7, padding=1, stride=3, label="7 taps on 4 rows and columns, stride 3")],
    misconceptions=[
        Misconception(
            "input_size", partial(_conv_macs, input_size=True),
            "The work is done once for each *output* position. With stride 2 there are a quarter as many of them as "
            "input positions. Work out the output's height and width first.",
            "You count input positions."),
        Misconception(
            "ceil", partial(_conv_macs, ceil=True),
            "A window that would hang over the edge is not computed: 8 values, 3 taps and stride 2 give 3 positions, "
            "not 4. Which way must the division by the stride round?",
            "The output size is rounded up."),
        Misconception(
            "forgets_groups", partial(_conv_macs, channels="all"),
            "With groups an output channel sees only the input channels of its own group. A depthwise layer of 32 "
            "channels came out 32 times too large. Which of the two channel counts shrinks?",
            "Groups were ignored."),
        Misconception(
            "groups_twice", partial(_conv_macs, channels="twice"),
            "You divided both channel counts by the groups: that is the work of one group. There are `groups` of "
            "them, and every output channel still exists.",
            "Only one group was counted."),
        Misconception(
            "ignores_dilation", partial(_conv_macs, span=False),
            "Dilation leaves gaps between the taps. It adds no multiplications to a window, but the window reaches "
            "further: 3 taps, 2 apart, span 5 values, so fewer windows fit.",
            "The dilated window is too short."),
        Misconception(
            "one_side", partial(_conv_macs, sides=1),
            "The padding is added on both sides of an axis: above and below, left and right. A 224 row with padding 3 "
            "is 230 values long.",
            "Only one side was padded."),
        Misconception(
            "kernel_swapped", partial(_conv_macs, swap=True),
            "`kernel` is (height, width). The height goes with the input's h, the width with its w.",
            "Kernel height and width are swapped."),
        Misconception(
            "counts_flops", partial(_conv_macs, factor=2),
            "This is the number of FLOPs: the multiply and the add of each step. One MAC is both together.",
            "These are FLOPs, not MACs."),
        Misconception(
            "forgets_batch", partial(_conv_macs, per_batch=False),
            "This is the work of one image. `batch` images need that many times as much.",
            "Only one image was counted."),
        Misconception(
            "skips_padding", _conv_inside_only,
            "You left out the products with padded zeros. Published tables and ordinary kernels count them: every "
            "window does all its k_h × k_w taps.",
            "Padded taps were left out."),
    ],
    alternatives=[_conv_macs, _conv_by_positions, _conv_by_views],
    hints=(
        "How many positions does a window have on one axis? The padded axis has n + 2·padding values, and the window "
        "reaches over dilation·(k − 1) + 1 of them.",
        "The first window always fits if there is room; after it one more for every full stride of what is left: "
        "`room // stride + 1`.",
        "Behind one output value stand (c_in / groups)·k_h·k_w multiplications. There are batch·c_out·h_out·w_out "
        "output values.",
    ),
    worth_knowing="`torch.utils.flop_counter` reports twice this number, with or without bias.",
)


# --- 2. additions_exact -----------------------------------------------------------------------


def _products(c_in: int, kernel: int, padding_taps: int) -> int:
    return c_in * kernel * kernel - padding_taps


def _source_sum(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    return max((_products(c_in, kernel, padding_taps) - 1) + (c_in - 1) + bool(bias), 0)


def _forgets_channels(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    return max(c_in * (kernel * kernel - 1) - padding_taps + bool(bias), 0)


def _adds_by_doing(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    """Adds ones and counts how often."""
    terms = [1] * _products(c_in, kernel, padding_taps)
    if bias and terms:
        terms.append(1)
    done = []
    reduce(lambda a, b: done.append(1) or a + b, terms, *([] if terms else [0]))
    return len(done)


def _adds_by_channels(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    """Within the channels, across them, and the bias; skipped taps are taken off afterwards."""
    return max(0, c_in * (kernel**2 - 1) + (c_in - 1) + int(bias) - padding_taps)


def _adds_by_cases(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    left = c_in * kernel**2 - padding_taps
    if left == 0:
        return 0
    return left if bias else left - 1


def _draw_additions(rng: np.random.Generator) -> Case:
    c_in, kernel = int(rng.integers(1, 40)), int(rng.integers(1, 8))
    taps = int(rng.choice([0, c_in * kernel**2, rng.integers(0, c_in * kernel**2 + 1)], p=[0.3, 0.1, 0.6]))
    return Case(c_in, kernel, bool(rng.integers(2)), padding_taps=taps)


additions_exact = Exercise(
    id="12.additions_exact", points=3, difficulty=1, minutes=10, idea="t terms need t − 1 additions",
    reference=layer_ops.additions_exact,
    cases=[Case(64, 3, True), Case(64, 3, False), Case(3, 3, False, padding_taps=15)],
    hidden=[
        Case(3, 3, True, padding_taps=15), Case(1, 1, False), Case(1, 1, True),
        Case(2, 3, False, padding_taps=18, label="(2, 3, False, padding_taps=18)  everything is padding"),
        Case(2, 3, True, padding_taps=18, label="(2, 3, True, padding_taps=18)  everything is padding"),
        Case(5, 3, True, padding_taps=44), Case(5, 3, False, padding_taps=44),
    ],
    draw=_draw_additions, draws=40,
    misconceptions=[
        Misconception(
            "source_sum", _source_sum,
            "You add (C·K·K − 1) and (C − 1). The first term already contains the sums across the channels: a plain "
            "sum of all C·K·K products. Within one channel there are only K·K − 1 additions.",
            "The sums across channels are counted twice.",
            also=(lambda c_in, kernel, bias, padding_taps=0: _source_sum(c_in, kernel, bias),)),
        Misconception(
            "bias_forgotten", lambda c_in, kernel, bias, padding_taps=0: max(_products(c_in, kernel, padding_taps) - 1, 0),
            "Without bias this is right. The bias is one more term of the sum, so it is one more addition.",
            "The bias is missing."),
        Misconception(
            "forgets_channels", _forgets_channels,
            "The K·K products of each channel are summed. After that C partial sums are left, and they have to be "
            "added as well.",
            "The channels were never added together.",
            also=(lambda c_in, kernel, bias, padding_taps=0: c_in * (kernel**2 - 1) + bool(bias),
                  lambda c_in, kernel, bias, padding_taps=0: c_in * (kernel**2 - 1) - padding_taps + bool(bias))),
        Misconception(
            "one_add_a_product", lambda c_in, kernel, bias, padding_taps=0: _products(c_in, kernel, padding_taps),
            "One addition for each product is the usual convention (FLOPs = 2 × MACs). It is exact with bias only: "
            "two numbers need one addition, not two.",
            "You count one addition for each product."),
        Misconception(
            "negative", lambda c_in, kernel, bias, padding_taps=0: _products(c_in, kernel, padding_taps) - 1 + bool(bias),
            "Nearly right. When all taps are padding and there is no bias, nothing is left to add, and your count "
            "falls below zero.",
            "A count fell below zero."),
        Misconception(
            "bias_alone", lambda c_in, kernel, bias, padding_taps=0: max(_products(c_in, kernel, padding_taps) - 1, 0) + bool(bias),
            "When all taps are padding, the value is the bias itself. There is nothing to add it to.",
            "The bias was added to nothing."),
        Misconception(
            "ignores_padding", lambda c_in, kernel, bias, padding_taps=0: c_in * kernel**2 - 1 + bool(bias),
            "A product that is skipped is not a term of the sum. `padding_taps` of the C·K·K products are not there.",
            "Skipped taps were counted."),
    ],
    alternatives=[_adds_by_doing, _adds_by_channels, _adds_by_cases],
    hints=(
        "How many products are left, and how many additions join t numbers into one?",
        "The bias is one term more. If no product is left, no addition is.",
    ),
    worth_knowing="C·(K·K − 1) + (C − 1) + 1 is exactly C·K·K: the source's total is right, its first bracket is not.",
)


# --- 3. network_table -------------------------------------------------------------------------


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


# --- 4. decoder_step_flops --------------------------------------------------------------------


def _step(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, context: int, *,
          embeddings: int = 1, norms: bool = False, products: int = 2, attended: str = "heads", power: int = 1,
          flops: int = 2, full_kv: bool = False, mlp: int = 3) -> dict[str, int]:
    """FLOPs with one mistake; with its defaults it is right (an independent formulation)."""
    head_dim = d // heads
    width = {"heads": heads, "kv": kv_heads}[attended] * head_dim
    columns = d + 2 * (heads if full_kv else kv_heads) * head_dim
    weights = layers * (d * columns + d * d + mlp * d * d_ff) + embeddings * vocab * d
    weights += (2 * layers + 1) * d if norms else 0
    linear_flops = flops * weights
    attention = flops * products * layers * context**power * width
    return {"linear": linear_flops, "attention": attention, "total": linear_flops + attention}


def _step_by_matmuls(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, context: int) -> dict:
    """Lists every product (rows, inner, columns) of one token."""
    d_head = d // heads
    weights = [(1, d, d), (1, d, kv_heads * d_head), (1, d, kv_heads * d_head), (1, d, d), (1, d, d_ff), (1, d, d_ff),
               (1, d_ff, d)] * layers + [(1, d, vocab)]
    scores = [(1, d_head, context), (1, context, d_head)] * (heads * layers)
    parts = [sum(2 * n * m * k for n, m, k in shapes) for shapes in (weights, scores)]
    return dict(zip(("linear", "attention", "total"), (*parts, sum(parts))))


def _step_by_matrices(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, context: int) -> dict:
    """Sums the sizes of empty matrices."""
    kv = d // heads * kv_heads
    block = sum(math.prod(s) for s in [(d, d + 2 * kv), (d, d), (d, 2 * d_ff), (d_ff, d)])
    linear_flops, attention = (layers * block + math.prod((d, vocab))) * 2, 4 * d * context * layers
    return {"total": linear_flops + attention, "attention": attention, "linear": linear_flops}


def _draw_step(rng: np.random.Generator) -> Case:
    kv_heads, group, head_dim = (int(rng.integers(1, n)) for n in (5, 5, 33))
    heads = kv_heads * group
    return Case(int(rng.integers(100, 5000)), heads * head_dim, int(rng.integers(1, 20)), heads, kv_heads,
                int(rng.integers(10, 500)), int(rng.integers(1, 3000)))


LLAMA3_8B = (128256, 4096, 32, 32, 8, 14336)

decoder_step_flops = Exercise(
    id="12.decoder_step_flops", points=4, difficulty=2, minutes=20, idea="2 FLOPs a weight, plus attention by context",
    reference=llm_flops.decoder_step_flops,
    cases=[Case(*LLAMA3_8B, 8192, label="Llama-3-8B, context 8,192"),
           Case(10, 8, 1, 4, 2, 16, 5)],
    hidden=[
        Case(*LLAMA3_8B, 1, label="Llama-3-8B, the first token"),
        Case(*LLAMA3_8B, 28628, label="Llama-3-8B, context 28,628"),
        Case(128256, 4096, 32, 32, 32, 14336, 8192, label="the same with 32 key/value heads"),
        Case(32000, 4096, 32, 32, 32, 11008, 2048, label="Llama-2-7B, context 2,048"),
    ],
    draw=_draw_step, draws=40,
    misconceptions=[
        Misconception(
            "two_n", partial(_step, embeddings=2),
            "2 FLOPs for every parameter is close, but the input embedding is a table from which one row is read. A "
            "lookup is not a matrix product: 16.06 G is 7 % too high here.",
            "The embedding lookup was counted.", also=(partial(_step, embeddings=2, norms=True),)),
        Misconception(
            "one_product", partial(_step, products=1),
            "Attention has two products with the context: the scores Q·Kᵀ, and the scores times V. You have one of "
            "them.",
            "Attention multiplies twice."),
        Misconception(
            "kv_heads_attend", partial(_step, attended="kv"),
            "Grouped queries share keys and values, which saves memory and the K and V projections. Each of the query "
            "heads still computes its own scores with them.",
            "All query heads attend."),
        Misconception(
            "context_squared", partial(_step, power=2),
            "One new token attends to `context` positions, once. The square is the work of the whole prompt, where "
            "every position attends to all before it.",
            "That is the prompt, not one step."),
        Misconception(
            "counts_macs", partial(_step, flops=1),
            "These are multiply–accumulates. The task asks for FLOPs, two for each of them.",
            "These are MACs, not FLOPs."),
        Misconception(
            "full_kv_projections", partial(_step, full_kv=True),
            "The K and V projections have only kv_heads·head_dim columns. You gave them one for every query head.",
            "K and V are too wide."),
        Misconception(
            "two_mlp_matrices", partial(_step, mlp=2),
            "A gated MLP has three matrices: gate, up and down. You have two.",
            "The gate matrix is missing."),
        Misconception(
            "no_head", partial(_step, embeddings=0),
            "The output head is a matrix product of d by vocab, and it runs for every new token.",
            "The output head is missing."),
    ],
    alternatives=[_step, _step_by_matmuls, _step_by_matrices],
    hints=(
        "List the matrices of one block: Q and O are d × d, K and V are d × (kv_heads·head_dim), the MLP has three of "
        "d × d_ff.",
        "One token times a matrix of n weights costs n MACs. Add the output head of d × vocab.",
        "For each layer and head: head_dim·context MACs for the scores, and as many for the weighted sum of V. "
        "heads·head_dim is d.",
    ),
    worth_knowing="For Llama-3-8B attention costs as much as all matrices together from a context of 28,628 tokens on.",
)


# --- 5. mfu_from_log --------------------------------------------------------------------------


def _mfu(step_seconds: list, tokens_per_step: int, n_params: float, n_layers: int, d_attn: int, seq_len: int,
         n_chips: int, peak_flops: float, warmup: int = 3, *, middle: Callable = statistics.median, weights: int = 6,
         attention: int = 12, chips: bool = True, peaks: float = 1.0, skip: bool = True, check: bool = True, scale: float = 1.0) -> float:
    """The utilisation with one mistake; with its defaults it is right (an independent formulation)."""
    kept = step_seconds[warmup:] if skip else step_seconds
    if not kept and check:
        raise ValueError("no step is left after the warm-up")
    per_token = weights * n_params + attention * n_layers * d_attn * seq_len
    rate = 1 / middle([seconds / tokens_per_step for seconds in kept])
    share = per_token * rate / (peak_flops * peaks) / (n_chips if chips else 1)
    if share > 1 and check:
        raise ValueError("above peak: a wrong peak or a mix-up of MACs and FLOPs")
    return share * scale


def _mfu_numpy(step_seconds: list, tokens_per_step: int, n_params: float, n_layers: int, d_attn: int, seq_len: int,
               n_chips: int, peak_flops: float, warmup: int = 3) -> float:
    times = np.asarray(step_seconds[warmup:], float)
    if times.size == 0:
        raise ValueError("only warm-up")
    done = tokens_per_step * (6 * n_params + 12 * n_layers * d_attn * seq_len)
    could = np.median(times) * n_chips * peak_flops
    if done > could:
        raise ValueError("MFU is above peak")
    return done / could


def _mfu_sorted(step_seconds: list, tokens_per_step: int, n_params: float, n_layers: int, d_attn: int, seq_len: int,
                n_chips: int, peak_flops: float, warmup: int = 3) -> float:
    ordered = sorted(step_seconds[warmup:])
    n = len(ordered)
    if n == 0:
        raise ValueError("only warm-up")
    typical = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    forward = 2 * n_params + 4 * n_layers * d_attn * seq_len
    share = 3 * forward * tokens_per_step / typical / (n_chips * peak_flops)
    if share > 1:
        raise ValueError("that is above peak")
    return share


def _upper_middle(times: list) -> float:
    return sorted(times)[len(times) // 2]


def _of_rates(times: list) -> float:
    return 1 / statistics.median([1 / t for t in times])


PALM = {"tokens_per_step": 4_194_304, "n_params": 540.35e9, "n_layers": 118, "d_attn": 12_288, "seq_len": 2048,
        "n_chips": 6144, "peak_flops": 275e12}
EXACT = {"tokens_per_step": 2**20, "n_params": 2**30, "n_layers": 16, "d_attn": 1024, "seq_len": 2048, "n_chips": 2,
         "peak_flops": 204.0 * 2**25 * 2**18}  # powers of two: with steps of 2 s exactly at the peak


def _draw_mfu(rng: np.random.Generator) -> Case:
    n_params, n_layers, seq_len = float(rng.uniform(1e8, 1e11)), int(rng.integers(8, 100)), int(2 ** rng.integers(9, 14))
    d_attn, tokens, n_chips = 128 * int(rng.integers(8, 100)), int(2 ** rng.integers(16, 23)), int(2 ** rng.integers(0, 12))
    warmup = int(rng.integers(0, 5))
    times = rng.uniform(1, 3) * rng.uniform(0.9, 1.1, int(rng.integers(4, 12)))
    times[rng.integers(len(times))] *= rng.uniform(2, 30)  # a step that waited for a checkpoint
    times = np.concatenate([rng.uniform(10, 60, warmup), times])
    work = tokens * (6 * n_params + 12 * n_layers * d_attn * seq_len) / float(np.median(times[warmup:]))
    peak = work / n_chips / rng.uniform(0.1, 0.45)
    given = {} if warmup == 3 else {"warmup": warmup}
    return Case([float(t) for t in times], tokens, n_params, n_layers, d_attn, seq_len, n_chips, float(peak), **given,
                label=f"{len(times)} steps, warm-up {warmup}, {n_params / 1e9:.1f} B parameters on {n_chips} chips")


mfu_from_log = Exercise(
    id="12.mfu_from_log", points=4, difficulty=3, minutes=20, idea="useful FLOPs over what the chips could do",
    reference=llm_flops.mfu_from_log,
    cases=[
        Case([17.6] * 8, **PALM, label="8 steps of 17.6 s, the numbers of PaLM"),
        Case([95.0, 31.0, 20.0, 17.6, 17.6, 240.0, 17.6, 17.6], **PALM, label="the same, slow start and one step of 240 s"),
    ],
    hidden=[
        Case([9.0, 9.0, 9.0, 17.0, 40.0, 18.2, 17.4], **PALM, label="an even number of steps"),
        Case([60.0, 17.6, 17.6], **PALM, warmup=1, label="warm-up of 1 step"),
        Case([17.6, 35.2], **PALM, warmup=0, label="no warm-up"),
        Case([60.0, 17.0, 18.0, 17.6], **PALM, label="one step left"),
        Case([2.0] * 5, **EXACT, label="exactly at the peak"),
    ],
    raises=[
        Case([17.6] * 3, **PALM, label="3 steps, all of them warm-up"),
        Case([17.6] * 2, **PALM, label="2 steps, warm-up of 3"),
        Case([], **PALM, warmup=0, label="no steps at all"),
        Case([4.0] * 8, **PALM, word="above peak", label="steps of 4 s: more than the chips can do"),
        Case([1.999] * 8, **EXACT, word="above peak", label="0.05 % above the peak"),
    ],
    draw=_draw_mfu, draws=40,
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "forward_only", partial(_mfu, weights=2),
            "2·N is the forward pass. Training also computes gradients for activations and for weights, each as dear "
            "as the forward pass.",
            "The backward pass is missing.", also=(partial(_mfu, weights=2, attention=4),)),
        Misconception(
            "recomputation", partial(_mfu, weights=8),
            "8·N counts the forward pass that is run again to save memory. That is hardware utilisation (HFU). MFU "
            "counts what the model needs, so that recomputation cannot make it look better.",
            "Recomputation was counted.",
            also=(partial(_mfu, weights=8, check=False), partial(_mfu, weights=8, attention=16),
                  partial(_mfu, weights=8, attention=16, check=False))),
        Misconception(
            "mean", partial(_mfu, middle=statistics.fmean),
            "One step that waited for a checkpoint pulls the mean (and so tokens over total time) far off. The task "
            "asks for the typical step: the median.",
            "The mean follows the outlier."),
        Misconception(
            "sparse_peak", partial(_mfu, peaks=2.0),
            "Your result is half of the right one. A data sheet's headline is often the sparse peak, twice the dense "
            "one. `peak_flops` is already the dense peak of one chip.",
            "Half of it is missing."),
        Misconception(
            "no_attention", partial(_mfu, attention=0),
            "6·N covers the matrices. The products of queries with keys and of scores with values have no weights, so "
            "they come on top: 12·L·d_attn·T a token.",
            "Attention is missing."),
        Misconception(
            "keeps_warmup", partial(_mfu, skip=False),
            "The first `warmup` steps compile kernels and fill caches. They are left out before the median is taken.",
            "The warm-up steps are still in."),
        Misconception(
            "one_chip", partial(_mfu, chips=False),
            "The log tells the tokens of the whole machine, `peak_flops` is the peak of one chip. Together they can do "
            "n_chips times as much.",
            "One chip was given all the work.", also=(partial(_mfu, chips=False, check=False),)),
        Misconception(
            "percent", partial(_mfu, scale=100.0),
            "The number is right as a percentage. The task asks for the fraction.",
            "That is in percent.", also=(partial(_mfu, scale=100.0, check=False),)),
        Misconception(
            "upper_middle", partial(_mfu, middle=_upper_middle),
            "With an odd number of steps this is right. With an even number the median is the mean of the two in the "
            "middle.",
            "This is not the median of an even number."),
        Misconception(
            "median_of_rates", partial(_mfu, middle=_of_rates),
            "You took the median of tokens per second. With an even number of steps that is not the same as the rate "
            "of the median step, which the task asks for.",
            "Take the median of the times."),
    ],
    alternatives=[_mfu, _mfu_numpy, _mfu_sorted],
    hints=(
        "Tokens per second: `tokens_per_step` over the median of `step_seconds[warmup:]` (`statistics.median` or "
        "`np.median`).",
        "Multiply by the FLOPs of one token, 6·N + 12·L·d_attn·T, and divide by `n_chips * peak_flops`.",
        "Check for an empty list before you take the median, and look at the result before you return it.",
    ),
    worth_knowing="PaLM's paper reports 46.2 % MFU and 57.8 % HFU for the same run: the difference is recomputation.",
)

EXERCISES = [conv_macs, additions_exact, network_table, decoder_step_flops, mfu_from_log]

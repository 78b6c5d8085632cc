"""The right answers of the numeric questions, computed a second time from the drawn values, by other means.

Other means: a library that does it (torch's FLOP counter and meta tensors, scipy, ml_dtypes, onnx, protobuf), exact
fractions, counting one by one, or playing the thing through. Nothing here calls `utils` or a question's own formula.
"""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections.abc import Callable
from fractions import Fraction
from functools import cache, lru_cache

import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from scipy import interpolate, optimize, sparse, stats
from torch.utils.flop_counter import FlopCounterMode

from autograder.chapters import CHAPTERS
from autograder.drill.question import Numeric
from autograder.drill.questions import chapter_questions

SEEDS = range(200)
ORACLES: dict[str, Callable[[dict], float]] = {}
# How near question and oracle must be where it is not 1e-9: (relative, absolute), and why.
NEAR: dict[str, tuple[float, float]] = {}


def oracle(*ids: str, rel: float = 1e-9, abs_: float = 1e-9):
    """Put a function of the drawn values into the table. rel, abs_: how near it must come."""

    def put(function):
        for i in ids:
            assert i not in ORACLES, f"{i} has two oracles"
            ORACLES[i], NEAR[i] = function, (rel, abs_)
        return function

    return put


FLOAT32 = {"rel": 2e-6, "abs_": 1e-6}  # the library computes in float32


def exactly(x) -> Fraction:
    """A drawn decimal as the fraction that is printed: 0.1 is 1/10."""
    return Fraction(str(x))


def bytes_of(bits: float, count: int) -> int:
    """Bytes of `count` values of `bits` bits (4.5 with the scales of their groups), packed."""
    total = exactly(bits) * count
    assert total.denominator == 1
    return len(np.packbits(np.zeros(int(total), bool)))


def meta(*shape: int, dtype=torch.float32) -> torch.Tensor:
    """A tensor without memory: shape and dtype only."""
    return torch.empty(*shape, dtype=dtype, device="meta")


DTYPES = {"FP64": torch.float64, "FP32": torch.float32, "TF32": torch.float32, "FP16": torch.float16,
          "BF16": torch.bfloat16, "INT8": torch.int8, "FP8": torch.float8_e4m3fn}


def parameters(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for m in modules for p in m.parameters())


@cache
def conv_macs(c_in, c_out, k, h, w, stride=1, padding=None, groups=1) -> int:
    """MACs of a convolution, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.conv2d(meta(1, c_in, h, w), meta(c_out, c_in // groups, k, k), stride=stride,
                                   padding=k // 2 if padding is None else padding, groups=groups)
    return counter.get_total_flops() // 2


def conv(c_in, c_out, k, bias=False, groups=1) -> torch.nn.Module:
    return torch.nn.Conv2d(c_in, c_out, k, bias=bias, groups=groups, device="meta")


def linear(n_in, n_out, bias=False) -> torch.nn.Module:
    return torch.nn.Linear(n_in, n_out, bias=bias, device="meta")


# --- bytes ----------------------------------------------------------------------------------------


@oracle("01.weight_gb")
def _(v):
    return bytes_of(v["bits"], 1000) / 1000 * v["billions"]


@oracle("30.weight_gb")
def _(v):
    return bytes_of(v["bits"], 1000) / 1000 * v["b"]


@oracle("03.weight_gb")
def _(v):
    return meta(v["billions"], 10**9, dtype=DTYPES[v["dtype"]]).nbytes / 1e9


@oracle("03.weight_gib")
def _(v):
    return meta(v["billions"], 10**9, dtype=DTYPES[v["dtype"]]).nbytes / 2**30


@oracle("03.bits_per_weight")
def _(v):
    weights, scale = ["w" * v["b"]] * v["g"], "s" * 16
    zero = "" if v["zero"].startswith("no ") else "z" * v["b"]
    return len("".join(weights) + scale + zero) / v["g"]


@oracle("05.tensor_mib")
def _(v):
    return meta(v["n"], v["c"], v["side"], v["side"], dtype=DTYPES[v["kind"]]).nbytes / 2**20


@oracle("22.map_mib")
def _(v):
    return meta(v["c"], v["side"], v["side"], dtype=torch.float16).nbytes / 2**20


@oracle("05.zero")
def _(v):
    # Bytes of a parameter in each part, and the stage from which the part is divided (Rajbhandari et al., 2020).
    parts = {"weights": (2, 3), "gradients": (2, 2), "master weights": (4, 1), "momentum": (4, 1), "variance": (4, 1)}
    return float(sum(exactly(v["billions"]) * size / (v["gpus"] if v["stage"] >= first else 1)
                     for size, first in parts.values()))


@oracle("05.transformer_activations")
def _(v):
    # Tensor by tensor, as Korthikanti et al. (2022) list them, in units of s·b·h bytes.
    layer = {"input of norm 1": 2, "input of QKV": 2, "Q and K": 4, "V": 2, "input of the projection": 2,
             "dropout mask 1": 1, "input of norm 2": 2, "input of MLP 1": 2, "input of GELU": 8, "input of MLP 2": 8,
             "dropout mask 2": 1}
    square = {} if v["flash"] else {"softmax": 2, "dropout mask": 1, "dropped scores": 2}  # units of a·s²·b
    per_layer = sum(layer.values()) * v["s"] * v["b"] * v["h"] + sum(square.values()) * v["a"] * v["s"] ** 2 * v["b"]
    return per_layer * v["layers"] / 1e9


@oracle("05.lora")
def _(v):
    adapters = [linear(v["d"], v["rank"]), linear(v["rank"], v["d"])]
    trained = parameters(*adapters) * 4 * v["layers"]
    states = sum((2, 2, 4, 4, 4))  # weight, gradient, master weight, momentum, variance
    return (bytes_of(4, 2) / 2 * v["billions"] * 1e9 + trained * states) / 1e9


@oracle("09.weights_gb")
def _(v):
    group = bytes_of(1, v["bits"] * v["group"] * 8 + (16 + v["zero"]) * 8)  # of eight groups: whole bytes
    return float(Fraction(group, 8 * v["group"]) * v["billions"])


@oracle("09.kv_bytes")
def _(v):
    return meta(2, v["layers"], v["batch"], v["kv"], v["context"], v["dim"], dtype=DTYPES[v["kind"]]).nbytes


@oracle("45.kv_bytes")
def _(v):
    return meta(2, v["layers"], v["kv_heads"], v["head_dim"], dtype=DTYPES[v["dtype"]]).nbytes


@oracle("32.kv_bytes_of_a_rank")
def _(v):
    held: list[set[int]] = [set() for _ in range(v["tp"])]  # KV heads that each rank needs for its query heads
    for query in range(v["heads"]):
        held[query * v["tp"] // v["heads"]].add(query * v["kv_heads"] // v["heads"])
    return meta(2, v["layers"], max(map(len, held)), v["size"], dtype=DTYPES[v["dtype"]]).nbytes


@oracle("16.csr_bytes")
def _(v):
    nonzero = Fraction(v["rows"] * v["columns"]) * (100 - exactly(v["percent"])) / 100
    assert nonzero.denominator == 1
    return csr_bytes(v["rows"], int(nonzero), np.float32)


@oracle("53.csr_bytes")
def _(v):
    return csr_bytes(v["rows"], v["nnz"], {"FP32": np.float32, "FP16": np.float16, "INT8": np.int8}[v["kind"]])


@cache
def csr_bytes(rows: int, nonzero: int, dtype) -> int:
    """Scipy's own arrays for a matrix of few rows, and the bytes that each further value and row add to them."""
    small = sparse.csr_matrix(np.ones((2, 3), np.float32))
    assert small.indices.dtype == small.indptr.dtype == np.int32
    assert (small.data.size, small.indices.size, small.indptr.size) == (6, 6, 3)
    return (np.empty(nonzero, dtype).nbytes + np.empty(nonzero, small.indices.dtype).nbytes
            + np.empty(rows + 1, small.indptr.dtype).nbytes)


@oracle("53.two_four_bytes")
def _(v):
    kept = sum(1 for i in range(4) if i % 2) * (v["rows"] * v["cols"] // 4)
    return meta(kept, dtype=DTYPES[v["kind"]]).nbytes + bytes_of(2, kept // 1024) * 1024


@oracle("53.bitmap_break_even", abs_=1e-4)
def _(v):
    entries = 32_000
    dense = bytes_of(v["bits"], entries)
    return max(k for k in range(entries + 1) if entries / 8 + k * v["bits"] / 8 <= dense) / entries


@oracle("20.bin_bytes")
def _(v):
    flags = np.zeros(2, np.uint32)
    arrays = [np.empty((v["n"], v["c"], 3, 3), np.float32), np.empty(v["n"], np.float32),
              np.empty((v["classes"], v["n"]), np.float32), np.empty(v["classes"], np.float32)]
    return len(b"".join(a.tobytes() for a in (flags, *arrays)))


@oracle("20.bin_bytes_fp16")
def _(v):
    weights = [np.zeros((v["n"], v["c"], 3, 3), np.float16), np.zeros((v["classes"], v["n"]), np.float16)]
    file = b""
    for weight, bias in zip(weights, (v["n"], v["classes"])):
        file += bytes(4) + weight.tobytes()
        file += bytes(-len(file) % 4) + np.zeros(bias, np.float32).tobytes()
    return len(file)


def numpy_tensor(v) -> np.ndarray:
    return np.empty(tuple(int(n) for n in re.findall(r"\d+", v["shape"])), np.dtype(v["dtype"]))


@oracle("23.initializer_bytes")
def _(v):
    array = numpy_tensor(v)
    if array.nbytes > 2**20:
        return array.nbytes
    return len(onnx.numpy_helper.from_array(array).raw_data)


@oracle("23.initializer_share")
def _(v):
    return 100 * numpy_tensor(v).nbytes / int(v["file_text"].replace(",", ""))


@oracle("23.varint_bytes")
def _(v):
    from google.protobuf.internal.encoder import _VarintBytes

    return len(_VarintBytes(v["value"]))


@oracle("35.blow_up")
def _(v):
    return np.broadcast_to(np.zeros((), v["dtype"]), [int(n) for n in v["dims"].split("×")]).nbytes


@oracle("34.room_in_protobuf")
def _(v):
    return int("7fffffff", 16) - meta(v["millions"], 1_000_000, dtype=DTYPES[v["dtype"]]).nbytes


@oracle("36.workspace")
def _(v):
    return len(range(v["mib"])) << 20


@oracle("46.score_bytes")
def _(v):
    return meta(v["batch"], v["heads"], v["n"], v["n"], dtype=torch.float16).nbytes / 1e9


@oracle("25.cache")
def _(v):
    return v["billions"] * v["k"] * np.dtype([("word", np.uint32), ("probability", np.float16)]).itemsize


@oracle("18.one_pass")
def _(v):
    luma, chroma = np.empty((v["h"], v["w"]), np.uint8), np.empty((v["h"] // 2, v["w"] // 2, 2), np.uint8)
    return (luma.nbytes + chroma.nbytes) * v["fps"] / 1e9


@oracle("40.raw_rate")
def _(v):
    w, h = (int(n) for n in v["size"].split(" × "))
    planes = {"NV12": [(h, w), (h // 2, w // 2, 2)], "RGB": [(h, w, 3)], "RGBA": [(h, w, 4)]}[v["fmt"]]
    return sum(np.empty(p, np.uint8).nbytes for p in planes) * v["n"] * v["fps"] / 1e9


@oracle("38.sensors")
def _(v):
    frame = np.empty((v["n"], v["h"], v["w"], v["item"]), np.uint8)
    return float(Fraction(frame.nbytes * v["fps"] * 8, v["up"] * 10**6))


@oracle("54.effective_bits")
def _(v):
    return len("w" * v["bits"] * v["group"] + "s" * v["scale"] + "z" * v["zero"]) / v["group"]


@oracle("37.bits_per_weight")
def _(v):
    value_bits = (v["k"] - 1).bit_length()  # the largest index of the table
    stored = 100 - v["sparsity"]
    return stored * (value_bits + v["gap"]) / 100


@oracle("37.entropy_bytes")
def _(v):
    counts = [v["a"], v["b"], v["c"], v["d"]]
    return stats.entropy(counts, base=2) * sum(counts) / 8


# --- parameters and operations ---------------------------------------------------------------------


@oracle("10.fire")
def _(v):
    return parameters(conv(v["c"], v["s"], 1, True), conv(v["s"], v["a"], 1, True), conv(v["s"], v["b"], 3, True))


@oracle("10.ghost_weights")
def _(v):
    half = v["c_out"] // 2
    return parameters(conv(v["c_in"], half, 1), conv(half, half, 3, groups=half))


@oracle("10.inverted_residual")
def _(v):
    wide = v["c"] * v["ratio"]
    return parameters(conv(v["c"], wide, 1), conv(wide, wide, 3, groups=wide), conv(wide, v["c"], 1))


@oracle("10.separable_ratio")
def _(v):
    c, k, n = 64, v["k"], 14
    return (conv_macs(c, c, k, n, n, groups=c) + conv_macs(c, v["c_out"], 1, n, n)) / conv_macs(c, v["c_out"], k, n, n)


@oracle("12.separable")
def _(v):
    c, k, n = v["c_in"], v["k"], 14
    return conv_macs(c, v["c_out"], k, n, n) / (conv_macs(c, c, k, n, n, groups=c) + conv_macs(c, v["c_out"], 1, n, n))


@oracle("10.width")
def _(v):
    a, b = (int(c * exactly(v["alpha"])) for c in (256, 512))
    return conv_macs(a, b, 1, 14, 14) / conv_macs(256, 512, 1, 14, 14)


@oracle("11.conv_count")
def _(v):
    return parameters(conv(v["c_in"], v["c_out"], v["k"], v["with"] == "with", v["groups"]))


@oracle("11.encoder_millions", rel=5e-3)  # with or without the norm after the embeddings
def _(v):
    layer = torch.nn.TransformerEncoderLayer(v["d"], 4, v["d_ff"], device="meta")
    tables = [torch.nn.Embedding(n, v["d"], device="meta") for n in (v["vocab"], 512)]
    return (parameters(layer) * v["layers"] + parameters(*tables)) / 1e6


@oracle("11.gqa_attention")
def _(v):
    d, wide = v["d"], v["head_dim"]
    return parameters(linear(d, v["heads"] * wide), linear(d, v["kv"] * wide), linear(d, v["kv"] * wide),
                      linear(v["heads"] * wide, d))


def moe_layer(d, d_ff, experts) -> tuple[int, int]:
    """(parameters of the attention, of the experts): four square matrices, three matrices an expert."""
    attention = parameters(*(linear(d, d) for _ in range(4)))
    return attention, experts * parameters(linear(d, d_ff), linear(d, d_ff), linear(d_ff, d))


@oracle("11.active_share")
def _(v):
    tables = 2 * parameters(torch.nn.Embedding(v["vocab"], v["d"], device="meta"))
    used, stored = (tables + v["layers"] * sum(moe_layer(v["d"], v["d_ff"], n)) for n in (v["k"], v["experts"]))
    return 100 * used / stored


@oracle("42.active_share")
def _(v):
    used, stored = (v["layers"] * sum(moe_layer(v["d"], v["ff"], n)) for n in (v["k"], v["experts"]))
    return 100 * used / stored


@oracle("16.neurons")
def _(v):
    hidden = v["d1"] - int(v["d1"] * Fraction(v["percent"], 100))
    return parameters(linear(v["d0"], hidden, True), linear(hidden, v["d2"], True))


@oracle("12.conv_gmacs")
def _(v):
    return conv_macs(v["c_in"], v["c_out"], v["k"], v["n"], v["n"], v["stride"], v["pad"]) / 1e9


@oracle("08.filter_gmac")
def _(v):
    return conv_macs(1, 1, v["k"], v["h"], v["w"]) * v["fps"] / 1e9


@oracle("08.separable")
def _(v):
    kernel = np.random.default_rng(v["k"]).normal(size=(v["k"], v["r"])) @ np.random.default_rng(9).normal(
        size=(v["r"], v["k"]))
    left, sizes, right = np.linalg.svd(kernel)
    return sum(left[:, i].size + right[i].size for i in range(len(sizes)) if sizes[i] > 1e-9 * sizes[0])


@oracle("12.prefill")
def _(v):
    with FlopCounterMode(display=False) as counter:
        meta(v["n"], 1000) @ meta(1000, v["billions"] * 10**6)
    return counter.get_total_flops() / (v["tflop_s"] * 1e12 * v["percent"] / 100)


@cache
def training_flops_per_parameter_and_token() -> float:
    tokens, hidden = 32, 48
    x = meta(tokens, hidden).requires_grad_()  # the layer before wants its gradient, too
    weight = meta(hidden, hidden).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        (x @ weight).sum().backward()
    return counter.get_total_flops() / (tokens * hidden * hidden)


@oracle("12.training_days")
def _(v):
    flops = training_flops_per_parameter_and_token() * v["billions"] * 10**9 * v["trillions"] * 10**12
    return flops / (v["chips"] * v["tflop_s"] * 1e12 * v["percent"] / 100) / (24 * 60 * 60)


@oracle("50.depthwise_intensity")
def _(v):
    c, n = v["c"], v["size"]
    moved = meta(c, n, n).nbytes * 2 + sum(p.nbytes for p in conv(c, c, 3, groups=c).parameters())
    return 2 * conv_macs(c, c, 3, n, n, groups=c) / moved


@oracle("50.access_square")
def _(v):
    layer = conv(v["c"], v["c"], 1)
    x = meta(1, v["c"], v["size"], v["size"])
    return x.numel() + layer(x).numel() + parameters(layer)


@oracle("50.winograd_saving")
def _(v):
    full = len(np.convolve(np.ones(v["m"]), np.ones(3)))  # points at which the product is evaluated, in one dimension
    return sum(1 for _ in np.ndindex(v["m"], v["m"], 3, 3)) / full**2


@oracle("50.density")
def _(v):
    saving = Fraction(9 * v["m"] ** 2, len(np.convolve(np.ones(v["m"]), np.ones(3))) ** 2)
    return float(exactly(v["peak"]) * v["share"] / 100 * saving)


@oracle("50.padding_waste")
def _(v):
    tiles = [range(start, start + v["granule"]) for start in range(0, v["c"], v["granule"])]
    slots = [channel for tile in tiles for channel in tile]
    return sum(channel >= v["c"] for channel in slots) / len(slots)


@oracle("50.stride_channels")
def _(v):
    p, s = v["product"], v["stride"]
    return min((c for c in range(1, p + 1) if p % c == 0), key=lambda c_out: s * s * (p // c_out) + c_out)


@oracle("22.channel_ratio", rel=1e-5)
def _(v):
    pixels = v["s"] ** 2  # of the input for one of the output
    best = optimize.minimize_scalar(lambda x: pixels * math.exp(-x / 2) + math.exp(x / 2), bounds=(-4, 8),
                                    method="bounded", options={"xatol": 1e-9})
    return math.exp(best.x)


@oracle("24.fused_ratio")
def _(v):
    x, weight = meta(v["c"], v["side"], v["side"]).numel(), conv(v["c"], v["c"], 3).weight.numel()
    separate = [x, weight, x] + [x, x] * v["n"]  # every kernel reads its input and writes its output
    return Fraction(sum(separate), sum([x, weight, x]))


@oracle("02.peak")
def _(v):
    lanes = np.zeros(v["bits"] // 8, np.uint8).view(np.float32).size
    flops = 0
    for _ in range(v["cores"]):
        for _ in range(v["units"]):
            flops += 2 * lanes
    return float(exactly(v["ghz"]) * flops)


@oracle("02.headroom")
def _(v):
    activations, weights = np.full(2, v["a"], np.uint8), np.full(2, v["w"], np.int8)
    return int(np.iinfo(np.int16).max) - int(activations.astype(np.int32) @ weights.astype(np.int32))


@oracle("02.smmla")
def _(v):
    return sum(1 for _ in itertools.product(range(0, v["m"], 2), range(0, v["n"], 2), range(0, v["k"], 8)))


@oracle("43.peak")
def _(v):
    cells = np.ones((v["rows"], v["cols"]), int)
    return float((cells + cells).sum() * exactly(v["ghz"]) / 1000)


@oracle("43.cycles")
def _(v):
    cycles = 0
    for _ in range(0, v["k"], v["rows"]):
        for _ in range(0, v["n"], v["cols"]):
            last = max(row + r + c for row in (v["m"] - 1,) for r in (v["rows"] - 1,) for c in (v["cols"] - 1,))
            cycles += v["rows"] + last + 1  # the last value leaves the far corner
    return cycles


# --- number formats --------------------------------------------------------------------------------


@oracle("03.fp16_word")
def _(v):
    return float(np.array(int(v["word"], 16), np.uint16).view(np.float16))


@oracle("26.integers")
def _(v):
    return holds_up_to(v["name"])


@cache
def holds_up_to(name: str) -> int:
    ints = np.arange(2**24 + 2 if name == "FP32" else 2**13)
    if name == "TF32":  # FP32 whose last 13 fraction bits are rounded away
        told = (torch.from_numpy(ints).float().view(torch.int32) + 0xFFF).bitwise_and(~0x1FFF).view(torch.float32).numpy()
    else:
        told = ints.astype({"FP32": np.float32, "FP16": np.float16, "BF16": ml_dtypes.bfloat16,
                            "FP8 E4M3": ml_dtypes.float8_e4m3fn, "FP8 E5M2": ml_dtypes.float8_e5m2,
                            "FP6 E3M2": ml_dtypes.float6_e3m2fn, "FP4 E2M1": ml_dtypes.float4_e2m1fn}[name])
    return int(np.flatnonzero(told.astype(np.float64) != ints)[0]) - 1


@oracle("26.update")
def _(v):
    word = np.array(v["w"], ml_dtypes.bfloat16)
    assert float(word) == v["w"]
    return (float((word.view(np.uint16) + np.uint16(1)).view(ml_dtypes.bfloat16)) - v["w"]) / 2


@oracle("26.loss_scale")
def _(v):
    smallest = Fraction(float(np.finfo(np.float16).tiny))
    return next(2**k for k in range(40) if exactly(v["g"]) * 2**k >= smallest)


@oracle("26.round_word")
def _(v):
    bits = np.array(int(v["hex"], 16), np.uint32).view(np.float32)
    return int(torch.tensor(float(bits)).to(torch.bfloat16).view(torch.int16)) & 0xFFFF


@oracle("36.half")
def _(v):
    weight = 1.0
    for part in re.search(r"A weight is (.+?)\. ", v["text"])[1].split(" · "):
        base, _, power = part.partition("^")
        weight *= float(base) ** int(power.strip("()") or 1)
    with np.errstate(over="ignore"):
        half = np.float16(weight)
    if half == 0:
        return 1
    if np.isinf(half):
        return 4
    return 2 if half < np.finfo(np.float16).tiny else 3


@oracle("54.bias")
def _(v):
    return round(exactly(v["b"]) / (exactly(v["sx"]) * exactly(v["sw"])))


def observed(lo, hi, dtype) -> tuple[float, int]:
    """(scale, zero point) as torch's observer finds them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        observer = torch.ao.quantization.observer.MinMaxObserver(dtype=dtype, qscheme=torch.per_tensor_affine)
        observer(torch.tensor([lo, hi]))
        scale, zero = observer.calculate_qparams()
    return float(scale), int(zero)


@oracle("15.scale", **FLOAT32)
def _(v):
    return observed(v["lo"], v["hi"], torch.qint8 if v["qmin"] else torch.quint8)[0]


@oracle("15.zero_point")
def _(v):
    return observed(v["lo"], v["hi"], torch.qint8 if v["qmin"] else torch.quint8)[1]


@oracle("54.scale", **FLOAT32)
def _(v):
    return observed(v["lo"], v["hi"], torch.qint8)[0]


@oracle("54.zero_point")
def _(v):
    return observed(v["lo"], v["hi"], torch.qint8)[1]


@oracle("15.round_trip", **FLOAT32)
def _(v):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(torch.fake_quantize_per_tensor_affine(torch.tensor(v["x"]), v["scale"], v["z"], -128, 127))


@oracle("15.longest_sum")
def _(v):
    a, b = (np.arange(-(2 ** (n - 1)), 2 ** (n - 1)) if signed else np.arange(2**n)
            for n, signed in ((v["a_bits"], v["a_signed"]), (v["b_bits"], v["b_signed"])))
    products = np.multiply.outer(a[[0, -1]].astype(np.int64), b[[0, -1]].astype(np.int64))
    ways = [(2**31 - 1) // int(products.max())] if products.max() > 0 else []
    ways += [2**31 // int(-products.min())] if products.min() < 0 else []
    return min(ways)


@cache
def measured_sqnr(signal: str, bits: int) -> float:
    """dB of a signal that fills the range, quantised to 2**bits levels."""
    n, rng = 400_000, np.random.default_rng(1)
    x = np.sin(2 * np.pi * (np.arange(n) + 0.5) / n * 1009) if signal == "sine" else rng.uniform(-1, 1, n)
    step = 2 / 2**bits
    dither = rng.uniform(-0.5, 0.5, n) * step  # spreads the errors evenly, which the rule takes for granted
    noise = np.round((x + dither) / step) * step - dither - x
    return 10 * math.log10(np.mean(x**2) / np.mean(noise**2))


@oracle("06.sine_sqnr", rel=0.002)  # measured, and the rule is rounded
def _(v):
    return measured_sqnr("sine", v["bits"])


@oracle("15.sqnr_gain", abs_=0.05)  # measured
def _(v):
    return measured_sqnr("uniform", v["second"]) - measured_sqnr("uniform", v["first"])


@oracle("03.int8_sqnr", abs_=0.3)  # measured on normal values that were given this RMS
def _(v):
    return int8_sqnr(v["peak"] / v["rms"])


@cache
def int8_sqnr(crest: float) -> float:
    x = np.random.default_rng(3).normal(size=40_000)
    x *= 1 / np.sqrt(np.mean(x**2))
    step = crest / 127
    return 10 * math.log10(np.mean(x**2) / np.mean((np.round(x / step) * step - x) ** 2))


@oracle("54.equalize")
def _(v):
    return optimize.brentq(lambda d: v["r1"] / d - v["r2"] * d, 1e-3, 1e3, xtol=1e-14, rtol=1e-14)


# --- graphs and shapes -----------------------------------------------------------------------------


@cache
def onnx_width(size: int, kernel: int, stride: int) -> int:
    """What ONNX infers for a convolution with SAME padding."""
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[kernel], strides=[stride], auto_pad="SAME_UPPER")
    graph = onnx.helper.make_graph(
        [node], "g", [onnx.helper.make_tensor_value_info("x", 1, [1, 1, size]),
                      onnx.helper.make_tensor_value_info("w", 1, [1, 1, kernel])],
        [onnx.helper.make_tensor_value_info("y", 1, None)])
    inferred = onnx.shape_inference.infer_shapes(onnx.helper.make_model(graph))
    return inferred.graph.output[0].type.tensor_type.shape.dim[2].dim_value


@oracle("20.same_output")
def _(v):
    return onnx_width(v["size"], v["kernel"], v["stride"])


@oracle("20.same_after")
def _(v):
    outputs = onnx_width(v["size"], v["kernel"], v["stride"])
    total = next(p for p in range(100) if (v["size"] + p - v["kernel"]) // v["stride"] + 1 >= outputs)
    return len(range(0, total, 2))  # before, after, before …: the odd one goes after


@oracle("23.export_opset")
def _(v):
    from onnx.helper import OP_SET_ID_VERSION_MAP

    return max(opset for (domain, opset), ir in OP_SET_ID_VERSION_MAP.items()
               if domain == "ai.onnx" and opset <= v["max_opset"] and ir <= v["max_ir"])


@oracle("34.conv_out")
def _(v):
    return torch.nn.functional.conv1d(meta(1, 1, v["h"]), meta(1, 1, v["k"]), stride=v["s"], padding=v["p"],
                                      dilation=v["d"]).shape[2]


@oracle("34.reshape_target")
def _(v):
    return meta(v["n"], v["c"], v["hw"]).reshape(v["n"], -1, v["last"]).shape[1]


@oracle("34.largest_passing", rel=1e-6)
def _(v):
    def passes(deviation):
        return np.isclose(v["ref"] + deviation, v["ref"], rtol=v["rtol"], atol=v["atol"])

    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


@oracle("35.two_transposes")
def _(v):
    labelled = np.empty((2, 3, 5, 7))
    twice = labelled.transpose(v["_p"]).transpose(v["_q"])
    return labelled.shape.index(twice.shape[2])


def fused(v) -> tuple[float, float]:
    double = {"dtype": torch.float64}
    weight, bias = torch.nn.utils.fusion.fuse_conv_bn_weights(
        torch.full((1, 1, 1, 1), v["w"], **double), torch.tensor([v.get("b", 0.0)], **double),
        torch.tensor([v.get("mean", 0.0)], **double), torch.tensor([v["var"]], **double), v["eps"],
        torch.tensor([v["gamma"]], **double), torch.tensor([v.get("beta", 0.0)], **double))
    return weight.item(), bias.item()


@oracle("35.fold_weight")
def _(v):
    return fused(v)[0]


@oracle("35.fold_bias")
def _(v):
    return fused(v)[1]


@oracle("06.folded_bias")
def _(v):
    layer = torch.nn.Conv2d(1, 1, 1, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.fill_(v["w"]), layer.bias.fill_(v["b"])
        black = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        return layer((black - v["mean"]) / v["std"]).item()  # what the folded layer gives for 0 is its bias


@oracle("33.frozen_loop")
def _(v):
    return traced(v["a"])(torch.tensor(v["b"])).item()


@cache
def traced(example: int):
    def loop(x):
        while x < 100:
            x = x * 2
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(loop, torch.tensor(example), check_trace=False)


@oracle("33.specialised_graphs")
def _(v):
    return len(list(itertools.islice(itertools.product((True, False), repeat=v["k"]), v["limit"])))


def peak_of_chain(sizes) -> float:
    """Each tensor is made by one operator and read by the next: the most that lives at a time."""
    alive, peak = sizes[0], 0
    for before, made in itertools.pairwise(sizes):
        alive += made
        peak = max(peak, alive)
        alive -= before
    return peak


@oracle("09.chain_peak")
def _(v):
    return peak_of_chain([int(n) for n in v["told"].split(", ")])


@oracle("22.chain_peak")
def _(v):
    return peak_of_chain([v[k] for k in "abcde"])


@oracle("24.chain_arena")
def _(v):
    last_reader = {"skip": v["n"], **{t: t + 1 for t in range(v["n"] + 1)}}
    alive, peak = {0}, 0
    alive.add("skip")
    for layer in range(1, v["n"] + 1):
        alive.add(layer)
        peak = max(peak, len(alive))
        alive = {t for t in alive if last_reader[t] > layer}
    return peak * v["kib"]


@oracle("22.three_models")
def _(v):
    weights, arena = [v[f"w{i}"] for i in (1, 2, 3)], 0
    for i in (1, 2, 3):
        arena += max(0, v[f"a{i}"] - arena)
    return sum(weights) + arena


# --- compression -----------------------------------------------------------------------------------


@oracle("09.group_size")
def _(v):
    return next(g for g in range(1, 1000) if v["bits"] + Fraction(16 + v["zero"], g) <= exactly(v["target"]))


@oracle("16.cubic")
def _(v):
    start, end = v["start"] / 100, v["percent"] / 100
    curve = interpolate.BPoly([[start], [end], [end], [end]], [v["begin"], v["begin"] + v["steps"]])
    return float(curve(v["step"]))


@oracle("16.saliency", rel=1e-6)
def _(v):
    h = np.array([[v["a"], v["b"]], [v["b"], v["c"]]], float)

    def rise(other):
        delta = np.array([-v["w0"], other])
        return delta @ h @ delta / 2

    return optimize.minimize_scalar(rise).fun


@oracle("25.soft_label", **FLOAT32)
def _(v):
    return torch.softmax(torch.tensor([v["a"], v["b"], v["c"]], dtype=torch.float64) / v["T"], 0)[0].item()


@oracle("25.kl")
def _(v):
    teacher, student = (torch.tensor([v[f"{n}0"], v[f"{n}1"]], dtype=torch.float64) / v["T"] for n in "ts")
    return torch.nn.functional.kl_div(student.log_softmax(0), teacher.softmax(0), reduction="sum").item()


@cache
def soft_gradient(temperature: float) -> float:
    teacher = torch.tensor([0.3, 0.1, -0.4], dtype=torch.float64)
    student = torch.tensor([-0.2, 0.3, 0.1], dtype=torch.float64, requires_grad=True)
    torch.nn.functional.kl_div((student / temperature).log_softmax(0), (teacher / temperature).softmax(0),
                               reduction="sum").backward()
    return student.grad.norm().item()


@oracle("25.gradient_scale", rel=0.05)  # T is large against the logits, not infinite
def _(v):
    return soft_gradient(v["high"]) / soft_gradient(v["low"])


@oracle("37.break_even")
def _(v):
    m, n, rank = v["m"], v["n"], 0
    while meta(m, rank + 1).numel() + meta(rank + 1, n).numel() < meta(m, n).numel():
        rank += 1
    return rank


@oracle("37.binary_error")
def _(v):
    w = np.array([float(x) for x in v["w"].split(", ")])
    left = []
    for signs in itertools.product((-1.0, 1.0), repeat=len(w)):
        alpha = np.linalg.lstsq(np.array(signs)[:, None], w, rcond=None)[0]
        left.append(np.sum((w - alpha * signs) ** 2))
    return min(left) / np.sum(w**2)


@oracle("53.group_chance", abs_=1e-9)
def _(v):
    return stats.binom.sf(1, 4, v["percent"] / 100)


# --- chance and statistics -------------------------------------------------------------------------


@oracle("01.standard_error")
def _(v):
    return 100 * stats.binom(v["n"], v["acc"] / 100).std() / v["n"]


@oracle("06.rule_of_three", rel=0.002)  # 3 for 2.996
def _(v):
    return 100 * stats.chi2.ppf(0.95, 2) / 2 / v["n"]  # upper limit of a Poisson rate behind no event


@oracle("14.wilson_half_width", abs_=1e-3)  # the text rounds z to 1.96
def _(v):
    interval = stats.binomtest(v["k"], v["n"]).proportion_ci(0.95, "wilson")
    return 50 * (interval.high - interval.low)


@oracle("27.fanout", "48.fanout")
def _(v):
    return 100 * stats.binom.sf(0, v["n"], v["pct"] / 100)


@oracle("27.retries")
def _(v):
    fails = v["pct"] / 100
    tries = np.arange(1, v["r"] + 2)
    chances = stats.geom.pmf(tries, 1 - fails)
    chances[-1] = stats.geom.sf(v["r"], 1 - fails)  # the last try ends it, whatever comes of it
    return float(tries @ chances)


@oracle("32.expected_tokens")
def _(v):
    return expected_tokens(v["alpha"], v["gamma"])


@oracle("32.speculative_speedup")
def _(v):
    return expected_tokens(v["alpha"], v["gamma"]) / (1 + sum([v["cost"]] * v["gamma"]))


@cache
def expected_tokens(alpha: float, gamma: int) -> float:
    """Over all ways to accept and refuse the drafts."""
    total = 0.0
    for accepted in itertools.product((True, False), repeat=gamma):
        chance = math.prod(alpha if a else 1 - alpha for a in accepted)
        total += chance * (len(list(itertools.takewhile(bool, accepted))) + 1)
    return total


@oracle("39.flaky_suite")
def _(v):
    p = v["per_10000"] / 10_000
    return 100 * stats.binom.pmf(0, v["n"], stats.binom.pmf(v["retries"] + 1, v["retries"] + 1, p))


@oracle("39.one_sided_p")
def _(v):
    return stats.binomtest(v["lost"], v["lost"] + v["gained"], alternative="greater").pvalue


@oracle("41.mcnemar_exact")
def _(v):
    n = v["lost"] + v["gained"]
    return stats.binomtest(v["lost"], n).pvalue if n else 1.0


@oracle("39.rare_failure")
def _(v):
    return next(n for n in range(1, 10**5) if stats.binom.sf(0, n, v["per_1000"] / 1000) >= 0.95)


@oracle("42.touched")
def _(v):
    spared = Fraction(math.comb(v["experts"] - 1, v["k"]), math.comb(v["experts"], v["k"]))
    return float(sum((1 - spared ** v["batch"]) for _ in range(v["experts"])))


@oracle("27.variability")
def _(v):
    # The wait goes with the second moment of the service time (Pollaczek and Khinchine).
    other = stats.gamma(1 / v["c2"], scale=v["c2"]).moment(2) if v["c2"] else 1.0
    return other / stats.expon.moment(2)


# --- queues and schedules --------------------------------------------------------------------------


@oracle("27.mm1")
def _(v):
    chances = np.power(v["pct"] / 100, np.arange(5000))
    inside = float(np.arange(5000) @ chances / chances.sum())
    return inside / (v["pct"] / 100 / v["ms"])  # Little's law


@oracle("48.md1", rel=1e-6)
def _(v):
    return left_behind(float(exactly(v["ms"]) * exactly(v["rate"]) / 1000)) / v["rate"] * 1000  # Little's law


@cache
def left_behind(rho: float, n: int = 256) -> float:
    """How many requests a departing one leaves behind in an M/D/1 queue: the mean of the stationary distribution."""
    arrivals = stats.poisson.pmf(np.arange(n), rho)
    chain = np.zeros((n, n))
    for i in range(n):
        first = max(i - 1, 0)
        chain[i, first:] = arrivals[: n - first]
        chain[i, -1] += 1 - chain[i].sum()
    system = chain.T - np.eye(n)
    system[-1] = 1.0  # the shares add up to 1
    return float(np.arange(n) @ np.linalg.solve(system, np.eye(n)[-1]))


def departures(stages, frames: int, every: float = 0.0) -> list[float]:
    """When each frame leaves a line of stages with room between them."""
    free, ends = [0.0] * len(stages), []
    for frame in range(frames):
        at = frame * every
        for i, takes in enumerate(stages):
            at = free[i] = max(at, free[i]) + takes
        ends.append(at)
    return ends


@oracle("18.line_ms")
def _(v):
    return departures([v["a"], v["b"], v["c"]], v["n"])[-1]


@oracle("13.pipeline_pace", "48.pipeline_fps")
def _(v):
    ends = departures([v["a"], v["b"], v["c"]], 120)
    return 1000 * 100 / (ends[-1] - ends[-101])


@oracle("48.pipeline_latency")
def _(v):
    stages = [v["a"], v["b"], v["c"]]
    every = max(stages)
    return departures(stages, 50, every)[-1] - 49 * every


def most_frames(*loads) -> float:
    """Frames a second when each resource works `load` ms for a frame: a linear program."""
    found = optimize.linprog([-1.0], A_ub=[[load] for load in loads], b_ub=[1000.0] * len(loads))
    return -found.fun


@oracle("13.shared_engine")
def _(v):
    return most_frames(v["c"] + v["c"], v["a"], v["b"])


@oracle("13.shared_memory")
def _(v):
    return 1000 / most_frames(v["mb"] / v["gb"], v["ms"])


@oracle("18.streams")
def _(v):
    megapixels = Fraction(1920 * 1080 * 30, 10**6)

    def fits(n):
        return (n * megapixels <= v["decode"] and n * megapixels <= v["encode"]
                and n * 30 * v["ms"] <= 1000 * v["cores"] and n * 30 * v["mb"] <= 600 * v["peak"])

    return max(n for n in range(500) if fits(n))


@oracle("18.little")
def _(v):
    inside = v["ms"] + v["jitter"]
    return sum(Fraction(1000 * frame, v["fps"]) < inside for frame in range(1000))  # made since the oldest one


@oracle("19.warps")
def _(v):
    return next(warps for warps in range(1, 1000) if warps * v["every"] >= v["latency"])


@oracle("19.stride")
def _(v):
    sectors = {byte // 32 for thread in range(32) for byte in range(4 * thread * v["stride"], 4 * thread * v["stride"] + 4)}
    return 100 * 128 / (32 * len(sectors))


@oracle("04.utilization")
def _(v):
    busy = np.zeros(v["window"], bool)
    for start, stop in (("a", "b"), ("c", "d"), ("e", "f")):
        busy[v[start]:v[stop]] = True
    return 100 * busy.mean()


@oracle("04.sm_activity")
def _(v):
    work = np.zeros((v["n"], v["window"]), bool)
    work[: v["k"], : v["busy"]] = True
    return 100 * work.mean()


@oracle("49.overlapping_kernels")
def _(v):
    work = np.zeros((v["sms"], 1000), bool)
    work[: v["a"], : v["end"]] = True
    work[-v["b"]:, v["start"]:v["stop"]] = True
    return 100 * work.mean()


@oracle("49.window_reading")
def _(v):
    second = np.arange(1000) < v["on"]
    return 100 * second[: v["window"]].mean()


@oracle("04.reserved")
def _(v):
    free: dict[str, list[float]] = {"small": [], "large": []}
    reserved = 0
    for size in (v["a"], v["b"], v["c"]):
        pool = "small" if size <= 1 else "large"
        fitting = [block for block in free[pool] if block >= size]
        if fitting:
            block = min(fitting)
            free[pool].remove(block)
        else:
            block = 2 if pool == "small" else 20 if size < 10 else 2 * math.ceil(size / 2)
            reserved += block
        if block - size > (0 if pool == "small" else 1):  # a large block is split only where more than 1 MiB is left
            free[pool].append(block - size)
    return reserved


def resident_blocks(threads: int, registers: int) -> int:
    """Blocks put on an SM one by one: each warp goes to the quarter that has most room."""
    warp_registers = -(-32 * registers // 256) * 256
    room, slots, blocks = [16_384] * 4, [16] * 4, 0
    while blocks < 32:
        for _ in range(-(-threads // 32)):
            quarter = max(range(4), key=lambda q: (slots[q] > 0, room[q]))
            if not slots[quarter] or room[quarter] < warp_registers:
                return blocks
            room[quarter] -= warp_registers
            slots[quarter] -= 1
        blocks += 1
    return blocks


@oracle("49.theoretical_occupancy")
def _(v):
    return 100 * resident_blocks(v["threads"], v["regs"]) * -(-v["threads"] // 32) / 64


@oracle("51.blocks")
def _(v):
    return resident_blocks(v["threads"], v["regs"])


@oracle("51.waves")
def _(v):
    left, slots = v["tiles"], 0
    while left > 0:
        slots += v["sms"]
        left -= v["sms"]
    return 100 * v["tiles"] / slots


@oracle("21.static_waste")
def _(v):
    rows = [True] * v["n"] + [False] * (v["B"] - v["n"])
    return 100 * rows.count(False) / len(rows)


@oracle("21.mean_latency")
def _(v):
    coming = [int(t) for t in v["times"].split(", ")]
    waiting, latencies, free, now = [], [], 0, 0
    while coming or waiting:  # a millisecond at a time: all times are whole
        while coming and coming[0] <= now:
            waiting.append(coming.pop(0))
        if waiting and now >= free and (len(waiting) >= v["B"] or now - waiting[0] >= v["d"]):
            batch, waiting = waiting[: v["B"]], waiting[v["B"]:]
            free = now + v["a"] + v["b"] * len(batch)
            latencies += [free - at for at in batch]
        now += 1
    return np.mean(latencies)


@oracle("21.two_buckets")
def _(v):
    def rows(buckets):
        return sum(n * min(b for b in buckets if b >= size) for size, n in zip(v["sizes"], v["counts"]))

    sizes = range(1, max(v["sizes"]) + 1)
    return min(rows(pair) for pair in itertools.product(sizes, repeat=2) if max(pair) >= max(v["sizes"]))


@oracle("30.static_steps")
def _(v):
    waiting, steps = list(v["outputs"]), 0
    while waiting:
        batch, waiting = waiting[: v["batch"]], waiting[v["batch"]:]
        while any(n > 0 for n in batch):
            batch, steps = [n - 1 for n in batch], steps + 1
    return steps


@oracle("30.continuous_steps")
def _(v):
    waiting, running, steps = list(v["outputs"]), [], 0
    while waiting or running:
        while waiting and len(running) < v["batch"]:
            running.append(waiting.pop(0))
        running, steps = [n - 1 for n in running if n > 1], steps + 1
    return steps


@oracle("40.staggered_wait")
def _(v):
    gap = Fraction(1000, v["n"] * v["fps"])
    arrivals = [i * gap for i in range(v["n"])]
    return float(sum(arrivals[-1] - at for at in arrivals) / v["n"])


@oracle("40.capacity")
def _(v):
    period = Fraction(1000 * (v["k"] + 1), v["fps"])  # between two frames of a camera that are looked at
    cameras, takes = 0, v["a"] + exactly(v["b"])
    while takes <= period:
        cameras, takes = cameras + 1, takes + exactly(v["b"])
    return cameras


@oracle("40.same_source")
def _(v):
    fast = [Fraction(i, v["fast"]) for i in range(200)]
    return sum(at < Fraction(1, v["slow"]) for at in fast)


@oracle("45.shared_blocks")
def _(v):
    ids, references = itertools.count(), {}

    def new() -> int:
        block = next(ids)
        references[block] = 1
        return block

    prompt = [new() for _ in range(-(-v["p"] // v["b"]))]
    tables = [list(prompt) for _ in range(v["n"])]
    for block in prompt:
        references[block] = v["n"]
    for token in range(v["p"], v["p"] + v["o"]):
        for table in tables:
            if token % v["b"] == 0:
                table.append(new())
            elif references[table[-1]] > 1:  # written to while others read it: copied
                references[table[-1]] -= 1
                table[-1] = new()
    return len({block for table in tables for block in table})


@oracle("45.capacity", rel=0.02, abs_=1)  # "about"
def _(v):
    pool = Fraction(9, 10) * v["gpu"] * 10**9 - v["weights"] * 10**9
    blocks = pool // (v["kv"] * v["block"])
    sequences = 0
    while blocks >= (needed := len(range(0, v["tokens"], v["block"]))):
        blocks, sequences = blocks - needed, sequences + 1
    return sequences


@oracle("47.lru_hits")
def _(v):
    load = lru_cache(maxsize=v["k"])(lambda name: name)
    for name in v["trace"].split():
        load(name)
    return load.cache_info().hits


@oracle("48.llm_total")
def _(v):
    return tokens_out(v)[-1]


@oracle("48.llm_tokens_per_s")
def _(v):
    times = tokens_out(v)
    return len(times) / times[-1] * 1000


def tokens_out(v) -> list[float]:
    """When each token of the answer comes, in ms."""
    first = v["p"] / v["rate"] * 1000
    return list(itertools.accumulate([v["tpot"]] * (v["o"] - 1), initial=first))


@oracle("14.battery_hours")
def _(v):
    second = np.full(1000, exactly(v["idle"]))  # milliwatts by the millisecond
    for frame in range(v["fps"]):
        start = frame * 1000 // v["fps"]
        second[start:start + v["ms"]] = v["active"]
    return float(v["wh"] / (sum(second) / 1000))


@oracle("14.sustained_watts")
def _(v):
    return optimize.brentq(lambda watts: v["ambient"] + watts * v["r"] - v["limit"], 0, 1000, xtol=1e-12)


@oracle("42.capacity")
def _(v):
    return math.ceil(exactly(v["cf"]) * Fraction(v["tokens"] * v["k"], v["experts"]))


@oracle("42.all_to_all")
def _(v):
    ranks, crossing = v["ranks"], 0
    for here in range(ranks):
        crossing += sum(there != here for there in range(ranks))
    share = Fraction(crossing, ranks**2)
    vectors = meta(v["tokens"] * v["k"], v["d"], dtype=torch.bfloat16).nbytes
    return float(share * (vectors + vectors) / 10**6)


@oracle("32.all_reduce_bytes")
def _(v):
    values = meta(v["tokens"], v["d"], dtype=torch.bfloat16).nbytes
    sent = Fraction(0)
    for _ in range(2 * v["layers"]):
        for _ in range(v["tp"] - 1):  # summing on the way round
            sent += Fraction(values, v["tp"])
        for _ in range(v["tp"] - 1):  # handing the sums on
            sent += Fraction(values, v["tp"])
    return float(sent / 10**6)


@oracle("28.instances")
def _(v):
    total = 0
    for _ in range(v["G"]):
        room = exactly(v["M"])
        while room >= exactly(v["m"]):
            room, total = room - exactly(v["m"]), total + 1
    return total


@oracle("28.batch_from_delay")
def _(v):
    return min(1 + stats.poisson(v["rate"] * v["delay"] / 1e6).mean(), v["B"])


@oracle("29.best_total")
def _(v):
    ways = []
    for first, third in itertools.product((True, False), repeat=2):
        ms = exactly(v["cpu2"])
        for goes, n in ((first, 1), (third, 3)):
            away = exactly(v[f"accel{n}"]) + exactly(v[f"mb{n}"]) / v["link"] + exactly(v["start"])
            ms += away if goes else v[f"cpu{n}"]
        ways.append(ms)
    return float(min(ways))


@oracle("31.choose")
def _(v):
    found = {}
    for number, batch, streams, ms in re.findall(r"\((\d)\) batch (\d+), (\d+) streams?: ([\d.]+) ms", v["text"]):
        if Fraction(ms) <= exactly(v["cap"]):
            found[int(number)] = int(batch) * int(streams) / Fraction(ms)
    return max(found, key=found.get)


@oracle("31.percentile")
def _(v):
    share = torch.tensor(1.0) - torch.tensor(float(v["p"])) / 100.0
    left_out = int((share * torch.tensor(float(v["n"]))).item())
    return list(range(v["n"]))[max(v["n"] - 1 - left_out, 0)]


@oracle("36.profile")
def _(v):
    return int(np.argmin([abs(math.log(v["n"]) - math.log(opt)) for opt in (v["a"], v["b"])]))


# --- bounds of the roofline ------------------------------------------------------------------------


@oracle("07.critical_batch")
def _(v):
    n = v["n"]

    def intensity(batch):
        return Fraction(2 * batch * n * n, 2 * (n * n + 2 * batch * n))

    return next(b for b in range(1, 10**5) if intensity(b) >= v["ridge"])


@oracle("07.ridge", rel=1e-6)
def _(v):
    peak, bandwidth = v["peak"] * 1e12, v["bw"] * 1e9
    return optimize.brentq(lambda intensity: intensity * bandwidth - peak, 1e-3, 1e6, rtol=1e-12)


@oracle("51.ridge", rel=1e-6)
def _(v):
    peak, bandwidth = v["peak"] * 1e12, v["bandwidth"] * 1e12
    return optimize.brentq(lambda intensity: intensity * bandwidth - peak, 1e-3, 1e6, rtol=1e-12)


@oracle("13.offload_break_even")
def _(v):
    cpu, fixed, dev, copy = (exactly(v[k]) for k in ("cpu", "fixed", "dev", "copy"))
    return next(n for n in range(1, 10**4) if fixed + n * (dev + copy) < n * cpu)


@oracle("46.traffic_ratio", rel=0.01)  # "a very long sequence"
def _(v):
    n, d = 2**21, v["d"]
    standard = (2 * n * d + n * n) + (n * n + n * n) + (n * n + 2 * n * d)  # S = QKᵀ, P = softmax(S), O = PV
    flash = sum(2 * v["br"] * d + 2 * n * d for _ in range(0, n, v["br"]))  # each tile: Q in, O out, all of K and V
    return standard / flash


@oracle("46.block_columns")
def _(v):
    elements = np.empty(v["kib"] * 1024, np.uint8).view(np.float16).size
    return math.ceil(Fraction(elements, 4 * v["d"]))


@oracle("46.merge", **FLOAT32)
def _(v):
    weights = torch.softmax(torch.tensor([v["lse1"], v["lse2"]], dtype=torch.float64), 0)
    return float(weights @ torch.tensor([v["o1"], v["o2"]], dtype=torch.float64))


def timeline(*pieces) -> float:
    """Milliseconds of pieces that run one after the other."""
    return float(sum(pieces, Fraction(0)))


@oracle("07.amdahl")
def _(v):
    return 100 / timeline(Fraction(100 - v["pct"]), Fraction(v["pct"], v["s"]))


@oracle("41.amdahl_overall")
def _(v):
    return 100 / timeline(Fraction(100 - v["share"]), Fraction(v["share"], v["factor"]))


@oracle("53.amdahl")
def _(v):
    return 100 / timeline(Fraction(100 - v["percent"]), v["percent"] / Fraction(8, 5))


@oracle("13.amdahl")
def _(v):
    new = timeline(Fraction(v["total"] - v["part"]), Fraction(v["part"], v["s"]), exactly(v["copy"]))
    return v["total"] / new


@oracle("08.speedup")
def _(v):
    new = timeline(Fraction(v["cpu"]), exactly(v["copy"]), Fraction(v["net"], v["s"]), exactly(v["copy"]))
    return (v["cpu"] + v["net"]) / new


@oracle("29.amdahl_borders")
def _(v):
    moved = Fraction(v["total"] * v["pct"], 100)
    return v["total"] / timeline(v["total"] - moved, moved / v["times"], *[exactly(v["ms"])] * v["borders"])


@oracle("41.required_factor")
def _(v):
    return optimize.brentq(lambda f: v["rest"] + v["model"] / f - v["target"], 1e-6, 1e6, xtol=1e-13, rtol=1e-13)


# --- units, in exact fractions of the base units -----------------------------------------------------

KILO, MEGA, GIGA, TERA = 10**3, 10**6, 10**9, 10**12
MILLI, MICRO, PICO = Fraction(1, 10**3), Fraction(1, 10**6), Fraction(1, 10**12)


@oracle("01.decode_ceiling")
def _(v):
    seconds = exactly(v["billions"]) * GIGA * bytes_of(v["bits"], 8) / 8 / (v["gb_s"] * GIGA)
    return float(1 / seconds)


@oracle("44.decode")
def _(v):
    seconds = v["params"] * GIGA * Fraction(bytes_of(v["bits"], 16), 16) / (v["bandwidth"] * GIGA)
    return float(1 / seconds)


@oracle("01.dram_watts")
def _(v):
    words = Fraction(bytes_of(v["bits"], 1000 * 4), 4 * 1000) * v["millions"] * 1000  # of 32 bits, in thousands
    return float(words * v["pj"] * PICO * v["hz"] * KILO / 4)


@oracle("02.energy")
def _(v):
    hour = 3600
    return float(Fraction(v["watts"] * hour, v["rate"] * hour) / MILLI)


@oracle("06.canary_seconds")
def _(v):
    return float(v["n"] / (v["rate"] * Fraction(v["pct"], 100)))


@oracle("07.op_time")
def _(v):
    arithmetic, memory = Fraction(v["mflop"] * MEGA, v["peak"] * TERA), Fraction(v["mb"] * MEGA, v["bw"] * GIGA)
    return float((sorted([arithmetic, memory])[-1] + v["launch"] * MICRO) / MICRO)


@oracle("14.tops_per_watt")
def _(v):
    watts = Fraction(1)  # the chip's power, whatever it does
    rate = exactly(v["tops_w"]) * TERA * watts * v["util"] / 100
    seconds = 2 * exactly(v["gmac"]) * GIGA / rate
    return float(watts * seconds / MILLI)


@oracle("17.dense_tops")
def _(v):
    tops = Fraction(v["headline"])
    if v["kind"] == "sparse":
        tops /= 2
    bits = v["bits"]
    while bits < 8:
        bits, tops = bits * 2, tops / 2
    return float(tops)


@oracle("17.bus")
def _(v):
    return float(Fraction(v["bits"], 8) * v["rate"] * MEGA / GIGA)


@oracle("17.compute_time")
def _(v):
    return float(2 * exactly(v["macs"]) * GIGA / (v["tops"] * TERA * Fraction(v["util"], 100)) / MILLI)


@oracle("52.utilised")
def _(v):
    return float(v["mmacs"] * MEGA / (v["gmac"] * GIGA * Fraction(v["use"], 100)) / MILLI)


@oracle("17.used_share")
def _(v):
    return float(100 * Fraction(2 * v["macs"] * MEGA * v["fps"], v["tops"] * TERA))


@oracle("20.delegate_ms")
def _(v):
    ms = Fraction(v["npu_mmac"], v["npu"]) + Fraction(v["cpu_mmac"], v["cpu"])
    devices = ["cpu"] + ["npu", "cpu"] * v["visits"]
    return float(ms + sum(exactly(v["sync"]) for a, b in itertools.pairwise(devices) if a != b))


@oracle("24.saved_ms")
def _(v):
    return float(Fraction(v["mb"] * MEGA, v["bw"] * GIGA) / MILLI)


@oracle("27.little")
def _(v):
    return float(v["rate"] * (v["ms"] * MILLI))


@oracle("27.erlang")
def _(v):
    return float(v["rate"] * (v["ms"] * MILLI))


@oracle("48.little")
def _(v):
    return float(v["n"] / (v["ms"] * MILLI))


@oracle("31.little")
def _(v):
    return float(v["s"] / (exactly(v["l"]) * MILLI))


@oracle("28.json_bytes")
def _(v):
    count = meta(v["n"], v["c"], v["side"], v["side"]).numel()
    return float((exactly(v["chars"]) + len(",")) * count / meta(v["n"], v["c"], v["side"], v["side"]).nbytes)


@oracle("30.decode_bound")
def _(v):
    return float(v["batch"] / Fraction(v["gb"] * GIGA, v["bw"] * GIGA))


@oracle("30.offload_seconds")
def _(v):
    return float(Fraction(v["gb"] * GIGA * v["pct"], 100) / (v["link"] * GIGA))


@oracle("33.break_even_calls", rel=0.01)
def _(v):
    return float(v["ms"] * MILLI / (v["us"] * MICRO))


@oracle("36.memory")
def _(v):
    return v["weights"] + sum(v["per_sample"] for _ in range(v["contexts"]) for _ in range(v["batch"]))


@oracle("38.travelled")
def _(v):
    return float(Fraction(v["v"] * KILO, 3600) * v["t"] * MILLI)


@oracle("38.upload")
def _(v):
    return float(Fraction(v["kb"] * KILO * 8, v["rate"] * MEGA) / MILLI)


@oracle("38.per_million")
def _(v):
    served = Fraction(v["peak"] * v["busy"], 100) * 3600  # in an hour
    return float(exactly(v["usd"]) / served * MEGA)


@oracle("41.usd_per_million")
def _(v):
    served = Fraction(v["rate"] * v["busy"], 100) * 3600
    return float(exactly(v["usd"]) / served * MEGA)


@oracle("38.cascade_cost")
def _(v):
    hundred = [v["small"] + (v["big"] if request < v["share"] else 0) for request in range(100)]
    return sum(hundred) / 100


@oracle("43.memory_share")
def _(v):
    arithmetic = v["mmac"] * MEGA * exactly(v["mac"]) * PICO
    memory = v["mb"] * MEGA * exactly(v["byte"]) * PICO
    return float(100 * memory / (arithmetic + memory))


@oracle("44.gddr6")
def _(v):
    return float(Fraction(v["clock"] * MEGA * 8 * v["bus"], 8) / GIGA)


@oracle("44.hbm")
def _(v):
    return float(v["stacks"] * 1024 * exactly(v["rate"]) * GIGA / 8 / TERA)


@oracle("44.share_of_peak")
def _(v):
    rate = (v["read"] + v["written"]) * MEGA / (exactly(v["ms"]) * MILLI)
    return float(100 * rate / (v["peak"] * GIGA))


@oracle("47.swap_time")
def _(v):
    return meta(v["b"], GIGA, dtype=DTYPES[v["dtype"]]).nbytes / (v["link"] * GIGA)


@oracle("47.mean_latency")
def _(v):
    hundred = [v["ms"] + (0 if request < v["hit"] else v["load"] * 1000) for request in range(100)]
    return sum(hundred) / 100


@oracle("47.break_even")
def _(v):
    return next(hours for hours in range(10**4) if hours * v["hold"] >= v["reload"])


@oracle("49.decode_mfu")
def _(v):
    return float(100 * 2 * exactly(v["params"]) * GIGA * v["rate"] / (v["peak"] * TERA))


@oracle("51.peak")
def _(v):
    return float(2 * v["sms"] * v["lanes"] * exactly(v["ghz"]) * GIGA / TERA)


@oracle("19.peak")
def _(v):
    return float(2 * v["lanes"] * exactly(v["ghz"]) * GIGA / GIGA)


@oracle("52.island_overhead")
def _(v):
    copy = Fraction(v["kb"] * KILO, v["bw"] * GIGA) + v["dispatch"] * MICRO
    return float(sum(copy for _ in range(v["n"]) for _ in ("there", "back")) / MICRO)


# --- the tests ---------------------------------------------------------------------------------------


@cache
def numeric_questions() -> dict[str, Numeric]:
    return {q.id: q for number in CHAPTERS for q in chapter_questions(number) if isinstance(q, Numeric)}


def test_the_table_is_large_enough_and_names_questions_that_exist():
    assert set(ORACLES) <= set(numeric_questions())
    assert len(ORACLES) >= 190
    assert len({i[:2] for i in ORACLES}) == 54


@pytest.mark.parametrize("question", ORACLES)
def test_the_answer_comes_out_another_way(question):
    q, (rel, abs_) = numeric_questions()[question], NEAR[question]
    known: dict[str, float] = {}
    for seed in SEEDS:
        drawn, values = q.drawn(seed), dict(q.draw(np.random.default_rng(seed)))
        key = repr(sorted(values.items()))
        if key not in known:
            known[key] = float(ORACLES[question]({**values, "text": drawn.text}))
        answer = drawn.answer
        assert math.isclose(answer, known[key], rel_tol=rel, abs_tol=abs_), (
            f"{question} seed {seed}: the question says {answer!r}, the oracle {known[key]!r}, for {values}")


@pytest.mark.parametrize("question", sorted(i for i, near in NEAR.items() if near != (1e-9, 1e-9)))
def test_an_oracle_is_nearer_than_the_question_asks(question):
    """A looser comparison than the candidate's would show nothing."""
    q, (rel, abs_) = numeric_questions()[question], NEAR[question]
    for seed in SEEDS:
        drawn = q.drawn(seed)
        allowed = drawn.rtol * abs(drawn.answer) + drawn.atol
        assert max(rel * abs(drawn.answer), abs_) <= max(allowed, 1e-5 * abs(drawn.answer), 1e-6) * (1 + 1e-9)


def test_the_exact_limit_is_accepted_where_the_rule_of_thumb_is_enough():
    q = numeric_questions()["06.rule_of_three"]
    for seed in SEEDS:
        n = q.draw(np.random.default_rng(seed))["n"]
        exact = 100 * stats.binomtest(0, n, alternative="less").proportion_ci(0.95, "exact").high
        assert q.drawn(seed).accepts(exact), f"seed {seed}: {exact:.4g} % for n = {n}"

"""One table over one network: each mainstream method with its bytes, its accuracy, its noise, and what executes it.

The network is the digits MLP (17,226 parameters). Where ONNX Runtime has a kernel for the format, the row is a real
ONNX model; the other rows are simulated in float32, and say so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from onnx import ModelProto

from utils.compression.qdq import (
    collect_ranges,
    collect_values,
    digits_to_onnx,
    executed_ops,
    insert_qdq,
    onnx_bytes,
    run_onnx,
    to_dynamic,
)
from utils.compression.quant_methods.bits import assign_bits, layer_sensitivity, with_rounded_weights
from utils.compression.quant_methods.blocks import mxfp4, nvfp4
from utils.compression.quant_methods.equalize import apply_input_scale, uglify
from utils.compression.quant_methods.nbits import GROUP, PackedLayer, nbits_onnx, pack_layer
from utils.compression.quant_methods.training import as_fp8, qat, trained_in_fp8
from utils.compression.quant_methods.weights import awq_scales, gptq, quantize_weights_rtn, smooth_scales
from utils.cost.latency import time_interleaved
from utils.cost.params import weight_bytes
from utils.graphs.onnx_tools import make_session
from utils.networks.digits import DigitsMLP, load_digits_split, predict, trained_digits
from utils.numerics.int8 import sqnr_db

CALIBRATION = 128  # images
MIXED_BITS = 3.25  # average bits a weight of the mixed-precision row
QAT_EPOCHS, FP8_EPOCHS = 8, 30
SIMULATED = "simulated"
KERNELS = ("QGemm", "QLinearConv", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "MatMulNBits", "Gemm", "FusedGemm")


@dataclass(frozen=True, eq=False)
class Quantized:
    """One method applied to one network: a real ONNX model, or logits of a simulation and the bytes it would store."""

    method: str
    formats: str  # weights / activations
    model: ModelProto | None = None
    simulate: Callable[[np.ndarray], np.ndarray] | None = None
    simulated_bytes: int = 0
    retrained: bool = False

    @property
    def stored_bytes(self) -> int:
        """Bytes of weights, biases, scales and zero points."""
        return self.simulated_bytes if self.model is None else onnx_bytes(self.model)

    @property
    def kernel(self) -> str:
        """The matrix kernels in ONNX Runtime's optimised graph, or "simulated"."""
        if self.model is None:
            return SIMULATED
        return ", ".join(dict.fromkeys(op for op in executed_ops(self.model) if op in KERNELS))

    def logits(self, X: np.ndarray) -> np.ndarray:
        """(n, 10) for images (n, 64)."""
        return run_onnx(self.model, X) if self.model is not None else self.simulate(X)


@dataclass(frozen=True)
class MethodRow:
    """One line of the table. `outlier_db` is the SQNR on the twin with outlier channels, None where it has no sense."""

    method: str
    formats: str
    stored_bytes: int
    correct: int
    n: int
    sqnr_db: float
    outlier_db: float | None
    kernel: str
    retrained: bool = False

    @property
    def accuracy(self) -> float:
        """Share of correct images."""
        return self.correct / self.n

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


# --- the methods ------------------------------------------------------------------------------


def _activations(model: DigitsMLP) -> list[str]:
    return ["img", *(f"r{i}" for i in range(1, len(model.linears))), "logits"]


def _static(model: DigitsMLP, X_cal: np.ndarray) -> ModelProto:
    proto = digits_to_onnx(model)
    return insert_qdq(proto, collect_ranges(proto, X_cal, _activations(model)))


def smoothed(model: DigitsMLP, X_cal: np.ndarray, alpha: float = 0.5) -> DigitsMLP:
    """A copy with SmoothQuant's factors folded in: hidden layer l sends less, layer l + 1 multiplies more."""
    smooth = copy.deepcopy(model)
    values = collect_values(digits_to_onnx(model), X_cal, _activations(model)[1:-1])
    for first, second, value in zip(smooth.linears, smooth.linears[1:], values.values()):
        s = smooth_scales(np.abs(value).max(axis=0), second.weight.detach().numpy(), alpha)
        apply_input_scale(second, s, first)
    return smooth


def activation_aware(model: DigitsMLP, X_cal: np.ndarray, bits: int, group_size: int = GROUP) -> DigitsMLP:
    """A copy with AWQ's factors folded in; its weights are still floats."""
    scaled = copy.deepcopy(model)
    values = collect_values(digits_to_onnx(model), X_cal, _activations(model)[1:-1])
    for first, second, value in zip(scaled.linears, scaled.linears[1:], values.values()):
        s = awq_scales(second.weight.detach().numpy(), value, bits, group_size=group_size)
        apply_input_scale(second, s, first)
    return scaled


def packed_rtn(model: DigitsMLP, bits: int | Sequence[int], group_size: int = GROUP) -> list[PackedLayer]:
    """Every layer rounded to nearest; `bits` for all, or one for each."""
    layers = model.linears
    widths = [bits] * len(layers) if isinstance(bits, int) else bits
    found = []
    for layer, b in zip(layers, widths):
        W = layer.weight.detach().double().numpy()
        W_hat = quantize_weights_rtn(W, b, group_size=group_size)
        found.append(pack_layer(W, W_hat, layer.bias.detach().numpy(), b, group_size))
    return found


def packed_gptq(model: DigitsMLP, X_cal: np.ndarray, bits: int, group_size: int = GROUP) -> list[PackedLayer]:
    """Every layer by GPTQ, front to back, each with the inputs that the rounded layers before it produce."""
    found, h = [], np.asarray(X_cal, dtype=np.float64)
    for layer in model.linears:
        W, b = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        W_hat = gptq(W, h, bits, group_size=group_size)
        found.append(pack_layer(W, W_hat, b, bits, group_size))
        h = np.maximum(h @ W_hat.T + b, 0)
    return found


def mixed_bits(model: DigitsMLP, X: np.ndarray, y: np.ndarray, average: float = MIXED_BITS) -> dict[str, int]:
    """2, 4 or 8 bits for each layer, `average` over all weights, by the measured rise of the loss."""
    sizes = {f"layer {i + 1}": layer.weight.numel() for i, layer in enumerate(model.linears)}
    return assign_bits(layer_sensitivity(model, X, y), sizes, average * sum(sizes.values()))


def _rounded(rounding: Callable, model: DigitsMLP, X: np.ndarray) -> np.ndarray:
    return predict(with_rounded_weights(model, dict.fromkeys(range(len(model.linears)), rounding)), X).numpy()


def _predict(model: torch.nn.Module, X: np.ndarray) -> np.ndarray:
    return predict(model, X).numpy()


def _block_bytes(model: DigitsMLP, bits: float, block: int | None, scale_bits: int, per_tensor: int = 0) -> int:
    """Bytes of all matrices in a block format, `per_tensor` more for each of them, and biases in FP32."""
    return sum(weight_bytes(layer.weight.numel(), bits, block, scale_bits) + per_tensor + 4 * layer.bias.numel()
               for layer in model.linears)


def post_training(model: DigitsMLP, X_cal: np.ndarray, y_cal: np.ndarray) -> list[Quantized]:
    """Every method that needs no training, applied to one digits MLP."""
    proto = digits_to_onnx(model)
    mixed = list(mixed_bits(model, X_cal, y_cal).values())
    aware = activation_aware(model, X_cal, 4)
    return [
        Quantized("FP32", "FP32 / FP32", proto),
        Quantized("static PTQ", "INT8 / INT8", _static(model, X_cal)),
        Quantized("dynamic PTQ", "INT8 / INT8", to_dynamic(proto)),
        Quantized("SmoothQuant + static", "INT8 / INT8", _static(smoothed(model, X_cal), X_cal)),
        Quantized("FP8 (E4M3)", "FP8 / FP8", simulate=partial(_predict, as_fp8(model)),
                  simulated_bytes=_block_bytes(model, 8, None, 0, per_tensor=4)),
        Quantized("weight-only", "INT4 / FP32", nbits_onnx(packed_rtn(model, 4))),
        Quantized("AWQ", "INT4 / FP32", nbits_onnx(packed_rtn(aware, 4))),
        Quantized("GPTQ", "INT4 / FP32", nbits_onnx(packed_gptq(model, X_cal, 4))),
        Quantized("MXFP4", "MXFP4 / FP32", simulate=partial(_rounded, mxfp4, model),
                  simulated_bytes=_block_bytes(model, 4, 32, 8)),
        Quantized("NVFP4", "NVFP4 / FP32", simulate=partial(_rounded, nvfp4, model),
                  simulated_bytes=_block_bytes(model, 4, 16, 8, per_tensor=4)),
        Quantized("mixed precision", f"INT{'/'.join(map(str, mixed))} / FP32", nbits_onnx(packed_rtn(model, mixed))),
        Quantized("weight-only", "INT2 / FP32", nbits_onnx(packed_rtn(model, 2))),
        Quantized("GPTQ", "INT2 / FP32", nbits_onnx(packed_gptq(model, X_cal, 2))),
    ]


def with_training(model: DigitsMLP, X: np.ndarray, y: np.ndarray) -> list[Quantized]:
    """The two methods that train: QAT goes on from `model`, FP8 training starts from the default initial weights."""
    tuned = qat(model, 2, X, y, QAT_EPOCHS, group_size=GROUP)
    fp8 = trained_in_fp8(epochs=FP8_EPOCHS)
    return [
        Quantized("QAT", "INT2 / FP32", nbits_onnx(packed_rtn(tuned, 2)), retrained=True),
        Quantized("FP8 training", "FP8 / FP8", simulate=partial(_predict, fp8), retrained=True,
                  simulated_bytes=_block_bytes(model, 8, None, 0, per_tensor=4)),
    ]


# --- the table --------------------------------------------------------------------------------


def method_table(model: DigitsMLP | None = None, decades: float = 1.0) -> tuple[list[MethodRow], list[Quantized]]:
    """(rows, the quantized networks behind them) on the default digits split, for the trained digits MLP by default.

    The twin for `outlier_db` is the same function with channels rescaled by up to `decades` powers of ten.
    """
    X, X_test, y, y_test = load_digits_split()
    model = trained_digits() if model is None else model
    X_cal, y_cal = X[:CALIBRATION], y[:CALIBRATION]
    plain = post_training(model, X_cal, y_cal)
    twins = post_training(uglify(model, decades), X_cal, y_cal)
    reference = _predict(model, X_test)
    built = [*plain, *with_training(model, X, y)]
    rows = []
    for q, twin in zip_longest(built, twins):
        logits = q.logits(X_test)
        outlier = None if twin is None or q.method == "FP32" else sqnr_db(reference, twin.logits(X_test))
        rows.append(MethodRow(q.method, q.formats, q.stored_bytes, int((logits.argmax(1) == y_test).sum()), len(y_test),
                              sqnr_db(reference, logits), outlier, q.kernel, q.retrained))
    return rows, built


def latency_ratios(built: Sequence[Quantized], batch: int, rounds: int = 60) -> dict[int, float]:
    """Median time relative to FP32, by position in `built`, of those that ONNX Runtime really executes.

    One thread, `batch` images a call, interleaved rounds; the ratio is taken within each round.
    """
    X = load_digits_split()[1]
    images = np.ascontiguousarray(np.resize(X, (batch, 64)))
    calls: dict[int, Callable[[], object]] = {}
    for i, q in enumerate(built):
        if q.model is not None:
            session = make_session(q.model, optimize=True)
            calls[i] = partial(session.run, None, {"img": images})
    base = next(i for i, q in enumerate(built) if q.method == "FP32")
    samples: Mapping[int, np.ndarray] = time_interleaved(calls, rounds, warmup=5)
    return {i: float(np.median(ms / samples[base])) for i, ms in samples.items()}

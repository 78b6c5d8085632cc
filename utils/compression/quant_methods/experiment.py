"""The experiments: break a network and repair it, change the contrast, go down in bits, widen the layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from onnx import ModelProto
from torch import Tensor, nn

from utils.compression.qdq import collect_ranges, collect_values, digits_to_onnx, insert_qdq, run_onnx, to_dynamic
from utils.compression.quant_methods.bits import with_rounded_weights
from utils.compression.quant_methods.equalize import cross_layer_equalize, output_ranges, uglify, weighted_layers
from utils.compression.quant_methods.nbits import nbits_onnx
from utils.compression.quant_methods.ste import fake_quant_ste
from utils.compression.quant_methods.table import packed_rtn
from utils.compression.quant_methods.training import qat
from utils.compression.quant_methods.weights import gptq, quantize_weights_rtn
from utils.compression.quantization.calibration import Method, calibrate_range
from utils.cost.latency import time_interleaved
from utils.graphs.onnx_tools import make_session
from utils.networks.digits import Array, DigitsMLP, accuracy, one_thread, predict, seeded
from utils.numerics.int8 import affine_qparams, sqnr_db

Scheme = Literal["per tensor", "per channel", "groups of 16", "equalized, per tensor"]
SCHEMES: tuple[Scheme, ...] = ("per tensor", "per channel", "groups of 16", "equalized, per tensor")


def activation_names(model: nn.Module) -> list[str]:
    """The tensors that become integers: the image, what each ReLU sends, the logits."""
    return ["img", *(f"r{i}" for i in range(1, len(weighted_layers(model)))), "logits"]


# --- break it and fix it ----------------------------------------------------------------------


def rounding_of(scheme: Scheme, bits: int) -> Callable[[np.ndarray], np.ndarray]:
    """How a scheme rounds the weights of one layer. Raises ValueError for another scheme."""
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    options = {"per channel": {"axis": 0}, "groups of 16": {"group_size": 16}}.get(scheme, {"axis": None})
    return partial(quantize_weights_rtn, bits=bits, **options)


def simulate_ptq(model: nn.Module, X: Array, ranges: dict[str, tuple[float, float]], bits: int,
                 scheme: Scheme) -> np.ndarray:
    """Logits of static PTQ at any number of bits, in float: weights by the scheme, activations one range a tensor.

    At 8 bits it is what the QDQ graph computes, up to rounding ties; the bias stays in float32.
    """
    rounded = with_rounded_weights(model, dict.fromkeys(range(len(weighted_layers(model))), rounding_of(scheme, bits)))

    def cast(x: Tensor, name: str) -> Tensor:
        scale, zero = affine_qparams(*ranges[name], 0, 2**bits - 1)
        return fake_quant_ste(x, scale, zero, 0, 2**bits - 1)

    x, layer = cast(torch.as_tensor(X), "img"), 0
    x = x.reshape(-1, 1, 8, 8) if isinstance(model.net[0], nn.Conv2d) else x
    with torch.no_grad(), one_thread():
        for module in rounded.net:
            x = module(x)
            layer += isinstance(module, nn.Conv2d | nn.Linear)
            if isinstance(module, nn.ReLU):
                x = cast(x, f"r{layer}")
        return cast(x, "logits").numpy()


@dataclass(frozen=True)
class PtqResult:
    """One quantized network on the test images: how many right, and the noise of its logits against FP32."""

    correct: int
    n: int
    sqnr_db: float

    @property
    def accuracy(self) -> float:
        """Share of correct images."""
        return self.correct / self.n

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def _judged(logits: np.ndarray, reference: np.ndarray, y: Array) -> PtqResult:
    return PtqResult(int((logits.argmax(1) == np.asarray(y)).sum()), len(y), sqnr_db(reference, logits))


def ptq_accuracy(model: nn.Module, X_cal: Array, X: Array, y: Array, decades: float, scheme: Scheme,
                 calibration: Method, seed: int = 0, *, bits: int | Sequence[int] = 8) -> dict[int, PtqResult]:
    """Static PTQ of the network after `uglify(decades, seed)`: bits -> result.

    `scheme` rounds the weights, `calibration` sets the ranges of the activations from X_cal. At 8 bits with one scale a
    tensor or a channel, ONNX Runtime executes the QDQ graph; everything else is simulated.
    """
    widths = [bits] if isinstance(bits, int) else bits
    return ptq_grid(model, X_cal, X, y, decades, calibration, seed, schemes=[scheme], bits=widths)[scheme]


def ptq_grid(model: nn.Module, X_cal: Array, X: Array, y: Array, decades: float, calibration: Method, seed: int = 0, *,
             schemes: Sequence[Scheme] = SCHEMES, bits: Sequence[int] = (8,)) -> dict[Scheme, dict[int, PtqResult]]:
    """`ptq_accuracy` for several schemes at once: scheme -> bits -> result. Each network is calibrated once."""
    found: dict[Scheme, dict[int, PtqResult]] = {}
    with one_thread():
        ugly = uglify(model, decades, seed)
        reference = predict(ugly, X).numpy()
        for equalized in (False, True):
            wanted = [s for s in schemes if s.startswith("equalized") == equalized]
            if not wanted:
                continue
            network = cross_layer_equalize(ugly) if equalized else ugly
            proto = digits_to_onnx(network)
            values = collect_values(proto, X_cal, activation_names(network))
            for b in bits:
                ranges = {name: calibrate_range([v], calibration, bits=b) for name, v in values.items()}
                for scheme in wanted:
                    logits = _ptq_logits(network, proto, ranges, X, b, scheme)
                    found.setdefault(scheme, {})[b] = _judged(logits, reference, y)
    return found


def _ptq_logits(network: nn.Module, proto: ModelProto, ranges: dict[str, tuple[float, float]], X: Array, bits: int,
                scheme: Scheme) -> np.ndarray:
    if bits == 8 and scheme != "groups of 16":
        return run_onnx(insert_qdq(proto, ranges, per_channel=scheme == "per channel"), X)
    return simulate_ptq(network, X, ranges, bits, scheme)


def channel_spread(model: nn.Module) -> dict[str, np.ndarray]:
    """max|w| of each output channel, layer by layer; the last layer's outputs are classes and cannot be rescaled."""
    return {f"layer {i + 1}": output_ranges(layer) for i, layer in enumerate(weighted_layers(model))}


# --- static against dynamic -------------------------------------------------------------------


def contrast_curve(model: nn.Module, X_cal: Array, X: Array, y: Array,
                   factors: Sequence[float]) -> dict[str, dict[float, PtqResult]]:
    """FP32, static and dynamic INT8 when all pixels are multiplied by a factor that calibration has not seen.

    "static" rounds the logits to int8 as well; "static, float logits" does not, and neither does "dynamic".

    The network is not retrained: its FP32 logits on the brighter images are the reference for the noise.
    """
    proto = digits_to_onnx(model)
    ranges = collect_ranges(proto, X_cal, activation_names(model))
    inner = {name: found for name, found in ranges.items() if name != "logits"}
    models = {"FP32": proto, "static": insert_qdq(proto, ranges), "static, float logits": insert_qdq(proto, inner),
              "dynamic": to_dynamic(proto)}
    found: dict[str, dict[float, PtqResult]] = {name: {} for name in models}
    for factor in factors:
        brighter = np.asarray(X) * np.float32(factor)
        reference = predict(model, brighter).numpy()
        for name, quantized in models.items():
            logits = reference if name == "FP32" else run_onnx(quantized, brighter)
            found[name][factor] = _judged(logits, reference, y)
    return found


# --- down in bits -----------------------------------------------------------------------------

WEIGHT_METHODS = ("round, per tensor", "round, per channel", "round, groups of 16", "GPTQ, per channel",
                  "QAT, per channel")


def bit_sweep(model: DigitsMLP, train: tuple[Array, Array], test: tuple[Array, Array],
              widths: Sequence[int] = (8, 4, 3, 2), *, qat_epochs: int = 8,
              qat_widths: Sequence[int] = (2,)) -> dict[str, dict[int, float]]:
    """Test accuracy with rounded weights and float activations: method -> bits -> accuracy.

    GPTQ sees the first 512 training images. QAT runs only for `qat_widths`.
    """
    inputs = layer_inputs(model, np.asarray(train[0][:512]))
    layers = range(len(model.linears))
    found: dict[str, dict[int, float]] = {name: {} for name in WEIGHT_METHODS}
    for bits in widths:
        plain = {"round, per tensor": {"axis": None}, "round, per channel": {"axis": 0},
                 "round, groups of 16": {"group_size": 16}}
        for name, options in plain.items():
            rounding = partial(quantize_weights_rtn, bits=bits, **options)
            found[name][bits] = accuracy(with_rounded_weights(model, dict.fromkeys(layers, rounding)), *test)
        rounding = {i: partial(gptq, X=inputs[i], bits=bits) for i in layers}
        found["GPTQ, per channel"][bits] = accuracy(with_rounded_weights(model, rounding), *test)
        if bits in qat_widths:
            tuned = qat(model, bits, *train, qat_epochs)
            found["QAT, per channel"][bits] = accuracy(tuned, *test)
    return found


def layer_inputs(model: DigitsMLP, X: np.ndarray) -> list[np.ndarray]:
    """What each linear layer reads when the float network runs on X."""
    h, found = np.asarray(X, dtype=np.float64), []
    for layer in model.linears:
        found.append(h)
        W, b = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        h = np.maximum(h @ W.T + b, 0)
    return found


# --- wider layers -----------------------------------------------------------------------------


def latency_by_width(widths: Sequence[int], batch: int = 1, rounds: int = 25) -> dict[str, dict[int, float]]:
    """Median time of a call relative to FP32, for networks 64-w-w-10 with random weights: kind -> width -> ratio.

    ONNX Runtime, one thread, interleaved rounds. Accuracy means nothing here, so the weights are not trained.
    """
    images = np.random.default_rng(0).random((batch, 64), dtype=np.float32)
    found: dict[str, dict[int, float]] = {"static INT8": {}, "dynamic INT8": {}, "INT4 weights": {}}
    for width in widths:
        model = seeded(lambda width=width: DigitsMLP((width, width)), 0)
        proto = digits_to_onnx(model)
        ranges = collect_ranges(proto, images, activation_names(model))
        models = {"FP32": proto, "static INT8": insert_qdq(proto, ranges), "dynamic INT8": to_dynamic(proto),
                  "INT4 weights": nbits_onnx(packed_rtn(model, 4))}
        calls = {name: partial(make_session(m, optimize=True).run, None, {"img": images}) for name, m in models.items()}
        samples = time_interleaved(calls, rounds, warmup=3)
        for name in found:
            found[name][width] = float(np.median(samples[name] / samples["FP32"]))
    return found

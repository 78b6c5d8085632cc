"""What a bit is worth: noise of a layer's weights and activations, and the network's accuracy, at 2 to 8 bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from utils.compression.quantization.granularity import fake_quantize, qparams_from_tensor
from utils.numerics.int8 import int_dequantize, int_quantize, sqnr_db
from utils.numerics.noise import crest_factor_db

if TYPE_CHECKING:
    from torch import nn

DB_PER_BIT = 20 * math.log10(2)


@dataclass(frozen=True)
class BitsRow:
    """One width: SQNR of the largest layer's weights, its law, SQNR of its input, and correct test images."""

    bits: int
    weight_sqnr_db: float
    law_db: float
    activation_sqnr_db: float
    weights_correct: int
    correct: int
    total: int

    def as_dict(self) -> dict[str, float]:
        """The fields as a plain dict."""
        return asdict(self)


def law_db(x: ArrayLike, bits: int) -> float:
    """Predicted SQNR of symmetric quantization over the range of `x`: 10 log10(12) + 20 log10(qmax) - crest factor.

    Errors spread evenly over a step have the power step^2 / 12 (Bennett 1948). Each bit adds about 6.02 dB.
    """
    return 10 * math.log10(12) + 20 * math.log10(2 ** (bits - 1) - 1) - crest_factor_db(x)


def bits_sweep(model: nn.Module, X: np.ndarray, y: np.ndarray, calibration: np.ndarray,
               bits: Sequence[int] = (2, 3, 4, 5, 6, 7, 8)) -> list[BitsRow]:
    """Fake-quantize `model.net` to each number of bits: weights alone, then weights and activations.

    Weights: symmetric, one scale a tensor, biases stay float. Activations (the input and each output of a ReLU):
    asymmetric, one scale a tensor over the range on `calibration`. The layer with most weights gives the SQNRs.
    """
    inputs = _layer_inputs(model, calibration)
    largest = max(inputs, key=lambda m: m.weight.numel())
    weight = largest.weight.detach().numpy()
    test_inputs = _layer_inputs(model, X)
    rows = []
    for b in bits:
        only, both = (_logits(model, X, b, inputs if activations else None).argmax(1) for activations in (False, True))
        noise = sqnr_db(test_inputs[largest], _with_range_of(inputs[largest], test_inputs[largest], b))
        rows.append(BitsRow(b, sqnr_db(weight, fake_quantize(weight, b, symmetric=True)), law_db(weight, b), noise,
                            int((only == y).sum()), int((both == y).sum()), len(y)))
    return rows


def weights_at(model: nn.Module, X: np.ndarray, y: np.ndarray, bits: int) -> int:
    """Correct rows of X with every weight tensor rounded to `bits` bits: symmetric, one scale a tensor."""
    return int((_logits(model, X, bits, None).argmax(1) == y).sum())


def _with_range_of(calibration: np.ndarray, x: np.ndarray, bits: int) -> np.ndarray:
    """`x` quantized with the parameters that cover `calibration`; what lies beyond saturates."""
    qp = qparams_from_tensor(calibration, bits, symmetric=False)
    return int_dequantize(int_quantize(x, qp), qp)


def _shaped(model: nn.Module, X: np.ndarray) -> np.ndarray:
    """The rows of X as the first layer of `model.net` wants them."""
    return X.reshape(-1, 1, 8, 8) if next(iter(model.net)).weight.ndim == 4 else X.reshape(len(X), -1)


def _layer_inputs(model: nn.Module, X: np.ndarray) -> dict[nn.Module, np.ndarray]:
    """What each layer with weights reads, in the order of the layers."""
    import torch

    x, seen = torch.as_tensor(_shaped(model, X)), {}
    with torch.no_grad():
        for module in model.net:
            if hasattr(module, "weight"):
                seen[module] = x.numpy()
            x = module(x)
    return seen


def _logits(model: nn.Module, X: np.ndarray, bits: int, calibrated: dict[nn.Module, np.ndarray] | None) -> np.ndarray:
    """Logits with weights of `bits` bits; with `calibrated`, what the layers read is rounded too."""
    import torch
    from torch.func import functional_call

    x = torch.as_tensor(_shaped(model, X))
    with torch.no_grad():
        for module in model.net:
            if not hasattr(module, "weight"):
                x = module(x)
                continue
            if calibrated is not None:
                x = torch.as_tensor(_with_range_of(calibrated[module], x.numpy(), bits))
            weight = torch.as_tensor(fake_quantize(module.weight.detach().numpy(), bits, symmetric=True))
            x = functional_call(module, {"weight": weight, "bias": module.bias}, (x,))
    return x.numpy()

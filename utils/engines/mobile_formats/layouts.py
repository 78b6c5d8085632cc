"""Where a weight or a pixel lies in memory: the layouts of ONNX and of TFLite.

Letters: N batch, C channels, H rows, W columns; O output and I input channels of a weight.
ONNX and PyTorch keep images as NCHW and convolution weights as OIHW. TFLite keeps NHWC, OHWI and, for depthwise
convolutions, 1HWC.
"""

from __future__ import annotations

import numpy as np


def oihw_to_ohwi(w: np.ndarray) -> np.ndarray:
    """A convolution weight (O, I, H, W) as TFLite's CONV_2D wants it: (O, H, W, I), C-contiguous, same dtype.

    >>> oihw_to_ohwi(np.zeros((8, 3, 5, 7))).shape
    (8, 5, 7, 3)
    """
    return np.ascontiguousarray(_four_axes(w).transpose(0, 2, 3, 1))


def depthwise_to_1hwc(w: np.ndarray, multiplier: int = 1) -> np.ndarray:
    """A depthwise weight (C·multiplier, 1, H, W) as TFLite's DEPTHWISE_CONV_2D wants it: (1, H, W, C·multiplier).

    The order of the output channels stays: both formats keep the `multiplier` outputs of a channel together.
    Raises ValueError when the second axis is not 1, or `multiplier` does not divide the first.
    """
    if _four_axes(w).shape[1] != 1:
        raise ValueError(f"w must have one input channel a group, got shape {w.shape}")
    if multiplier < 1 or w.shape[0] % multiplier:
        raise ValueError(f"multiplier must divide the output channels, got {multiplier} for {w.shape[0]}")
    return np.ascontiguousarray(w.transpose(1, 2, 3, 0))


def to_tflite_layout(w: np.ndarray, groups: int = 1) -> np.ndarray:
    """A convolution weight OIHW in TFLite's layout: OHWI for one group, 1HWC for a depthwise convolution.

    C-contiguous, dtype kept. Depthwise: `groups` is the number of input channels and I is 1.
    Raises ValueError for other groups, which TFLite's CONV_2D and DEPTHWISE_CONV_2D do not have.
    """
    if groups == 1:
        return oihw_to_ohwi(w)
    if groups < 1 or _four_axes(w).shape[1] != 1 or w.shape[0] % groups:
        raise ValueError(f"groups must be 1 or the number of input channels, got {groups} for shape {w.shape}")
    return depthwise_to_1hwc(w, w.shape[0] // groups)


def nchw_to_nhwc(x: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W) as (N, H, W, C), C-contiguous. Raises ValueError unless there are four axes."""
    return np.ascontiguousarray(_four_axes(x, "x").transpose(0, 2, 3, 1))


def nhwc_to_nchw(x: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) as (N, C, H, W), C-contiguous. Raises ValueError unless there are four axes."""
    return np.ascontiguousarray(_four_axes(x, "x").transpose(0, 3, 1, 2))


def _four_axes(array: np.ndarray, name: str = "w") -> np.ndarray:
    if array.ndim != 4:
        raise ValueError(f"{name} must have four axes, got shape {array.shape}")
    return array

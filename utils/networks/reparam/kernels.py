"""Kernels as arrays: every branch of a RepVGG block is a 3x3 convolution, and convolutions that are added are one.

Source: Ding et al., RepVGG: Making VGG-style ConvNets Great Again, CVPR 2021, section 3.3.
"""

from __future__ import annotations

import numpy as np

from utils.cost.checks import positive
from utils.graphs.simplify import fold_conv_bn

BatchNorm = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]  # gamma, beta, mean, var, eps


def pad_1x1_to_3x3(w: np.ndarray) -> np.ndarray:
    """A 1x1 kernel as a 3x3 kernel with zeros around it. (out, in/groups, 1, 1) -> (out, in/groups, 3, 3)

    With padding 1 instead of 0 it computes the same. Raises ValueError for another kernel size.
    """
    w = np.asarray(w)
    if w.ndim != 4 or w.shape[2:] != (1, 1):
        raise ValueError(f"w must have the shape (out, in/groups, 1, 1), got {w.shape}")
    return np.pad(w, ((0, 0), (0, 0), (1, 1), (1, 1)))


def identity_kernel(c: int, groups: int = 1) -> np.ndarray:
    """The 3x3 kernel that returns its input: a one in the middle of channel i's own plane. -> (c, c/groups, 3, 3)

    Raises ValueError when groups does not divide c.

    >>> identity_kernel(2)[:, :, 1, 1].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    positive(c=c, groups=groups)
    if c % groups:
        raise ValueError(f"groups must divide c, got {groups} for {c}")
    kernel = np.zeros((c, c // groups, 3, 3))
    channel = np.arange(c)
    kernel[channel, channel % (c // groups), 1, 1] = 1.0
    return kernel


def fuse_conv_bn_np(w: np.ndarray, b: np.ndarray | None, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray,
                    var: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the convolution that equals conv followed by batch norm, as float64 arrays.

    w: (out, in/groups, kh, kw); b: (out,) or None; gamma, beta, mean, var: (out,). Raises ValueError for shapes
    that do not fit and where var + eps is not positive.
    """
    return fold_conv_bn(w, b, gamma, beta, mean, var, eps, dtype=np.float64)


def fuse_repvgg(k3: np.ndarray, bn3: BatchNorm, k1: np.ndarray, bn1: BatchNorm,
                bn_id: BatchNorm | None) -> tuple[np.ndarray, np.ndarray]:
    """The one 3x3 kernel and bias of the three branches, as float64: (out, in, 3, 3) and (out,).

    k3: (out, in, 3, 3); k1: (out, in, 1, 1); a batch norm is (gamma, beta, mean, var, eps), arrays (out,);
    bn_id is None where the block has no identity branch. Raises ValueError for shapes that do not fit.
    """
    branches = [(k3, bn3), (pad_1x1_to_3x3(k1), bn1)]
    if bn_id is not None:
        c_out, c_in = np.shape(k3)[:2]
        if c_in != c_out:
            raise ValueError(f"k3 must have equal channels beside an identity branch, got {c_out} and {c_in}")
        branches.append((identity_kernel(c_in), bn_id))
    if np.shape(k3) != branches[1][0].shape:
        raise ValueError(f"k3 must be the 3x3 kernel of the channels of k1, got {np.shape(k3)} and {np.shape(k1)}")
    folded = [fuse_conv_bn_np(kernel, None, *bn) for kernel, bn in branches]
    return sum(kernel for kernel, _ in folded), sum(bias for _, bias in folded)

"""Structural re-parameterisation: train with branches, deploy one convolution that computes the same.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.networks.reparam.fusing import deployed, fuse_conv_bn
from utils.networks.reparam.kernels import fuse_conv_bn_np, fuse_repvgg, identity_kernel, pad_1x1_to_3x3
from utils.networks.reparam.repvgg import RepVGG, RepVGGBlock, repvgg_a0

__all__ = [
    "RepVGG", "RepVGGBlock", "deployed", "fuse_conv_bn", "fuse_conv_bn_np", "fuse_repvgg", "identity_kernel",
    "pad_1x1_to_3x3", "repvgg_a0",
]

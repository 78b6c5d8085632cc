"""Folding batch norm into torch convolutions, and networks whose blocks can be fused into one layer."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from utils.networks.reparam.kernels import fuse_conv_bn_np


def fold_batch_norm(w: Tensor, b: Tensor | None, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with `bn` folded in, in w's dtype and on its device; arithmetic in float64.

    Raises ValueError for a batch norm in training mode or without running statistics, and for shapes that don't fit.
    """
    if bn.training:
        raise ValueError("bn must be in eval mode, got training mode: it would use the statistics of the batch")
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError("bn must have running statistics, got None: it uses the statistics of the batch")
    ones = torch.ones_like(bn.running_mean)
    gamma, beta = (ones, 0 * ones) if bn.weight is None else (bn.weight, bn.bias)
    arrays = [None if t is None else t.detach().double().cpu().numpy()
              for t in (w, b, gamma, beta, bn.running_mean, bn.running_var)]
    folded = fuse_conv_bn_np(*arrays, bn.eps)
    return tuple(torch.from_numpy(a).to(w.device, w.dtype) for a in folded)


def fuse_conv_bn(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """One new convolution that equals `conv` followed by `bn`; both stay as they are.

    Raises ValueError "eval mode" for a batch norm in training mode, and for channels that do not fit.
    """
    w, b = fold_batch_norm(conv.weight, conv.bias, bn)
    return conv_from(w, b, conv)


def conv_from(w: Tensor, b: Tensor, like: nn.Conv2d) -> nn.Conv2d:
    """A convolution in eval mode with the given weight and bias, and stride, padding, groups of `like`."""
    with torch.device("meta"):  # no random weights are drawn for tensors that are replaced at once
        conv = nn.Conv2d(like.in_channels, like.out_channels, tuple(w.shape[2:]), like.stride, like.padding,
                         like.dilation, like.groups, padding_mode=like.padding_mode)
    conv.weight, conv.bias = nn.Parameter(w), nn.Parameter(b)
    return conv.eval()


def deployed(model: nn.Module) -> nn.Module:
    """A deep copy in which every module with a method `deploy_form()` stands replaced by what that returns.

    `model` stays as it is. Raises ValueError "eval mode" when the model is in training mode.
    """
    if model.training:
        raise ValueError("model must be in eval mode, got training mode: call .eval() first")
    if hasattr(model, "deploy_form"):
        return model.deploy_form()
    copied = copy.deepcopy(model)
    for name, module in [(n, m) for n, m in copied.named_modules() if hasattr(m, "deploy_form")]:
        parent, _, own = name.rpartition(".")
        setattr(copied.get_submodule(parent), own, module.deploy_form())
    return copied

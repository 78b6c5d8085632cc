"""RepVGG: three branches in training, one 3x3 convolution when deployed.

Source: Ding et al., RepVGG: Making VGG-style ConvNets Great Again, CVPR 2021, figure 2 and table 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from utils.networks.reparam.fusing import conv_from, deployed, fold_batch_norm
from utils.networks.reparam.kernels import identity_kernel


class RepVGGBlock(nn.Module):
    """relu(BN(conv3x3(x)) + BN(conv1x1(x)) + BN(x)); the last only if stride is 1 and c_in == c_out.

    (N, c_in, H, W) -> (N, c_out, ceil(H / stride), ceil(W / stride)). Raises ValueError when groups does not
    divide both channel counts.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        if c_in % groups or c_out % groups:
            raise ValueError(f"groups must divide c_in and c_out, got {groups} for {c_in} and {c_out}")
        self.conv3 = nn.Conv2d(c_in, c_out, 3, stride, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.conv1 = nn.Conv2d(c_in, c_out, 1, stride, 0, groups=groups, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.bn_id = nn.BatchNorm2d(c_in) if stride == 1 and c_in == c_out else None

    def forward(self, x: Tensor) -> Tensor:
        total = self.bn3(self.conv3(x)) + self.bn1(self.conv1(x))
        return torch.relu(total if self.bn_id is None else total + self.bn_id(x))

    def branches(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Each branch as a 3x3 kernel (out, in/groups, 3, 3) and a bias (out,), its batch norm folded in.

        Raises ValueError "eval mode" in training mode.
        """
        w3, w1 = self.conv3.weight, nn.functional.pad(self.conv1.weight, (1, 1, 1, 1))
        found = {"3x3": fold_batch_norm(w3, None, self.bn3), "1x1": fold_batch_norm(w1, None, self.bn1)}
        if self.bn_id is not None:
            kernel = torch.from_numpy(identity_kernel(self.conv3.in_channels, self.conv3.groups)).to(w3)
            found["identity"] = fold_batch_norm(kernel, None, self.bn_id)
        return found

    def fuse(self) -> nn.Conv2d:
        """The one 3x3 convolution that equals the sum of the branches, before the ReLU."""
        kernels, biases = zip(*self.branches().values())
        return conv_from(sum(kernels), sum(biases), self.conv3)

    def deploy_form(self) -> nn.Sequential:
        """The fused convolution and the ReLU: what the block becomes when deployed."""
        return nn.Sequential(self.fuse(), nn.ReLU()).eval()


class RepVGG(nn.Module):
    """A stem, stages of RepVGG blocks whose first one has the stage's stride, average pooling, a linear layer.

    `strides` has one entry a stage, 2 each by default.
    """

    def __init__(self, depths: Sequence[int], widths: Sequence[int], num_classes: int, *, stem: int,
                 in_channels: int = 3, stem_stride: int = 2, strides: Sequence[int] | None = None) -> None:
        super().__init__()
        blocks, c_in = [RepVGGBlock(in_channels, stem, stem_stride)], stem
        for depth, width, stride in zip(depths, widths, strides or [2] * len(depths), strict=True):
            for i in range(depth):
                blocks.append(RepVGGBlock(c_in, width, stride if i == 0 else 1))
                c_in = width
        self.features = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, num_classes))

    def forward(self, x: Tensor) -> Tensor:  # (N, in_channels, H, W) -> (N, num_classes)
        return self.head(self.features(x))

    def deploy(self) -> nn.Module:
        """A copy whose blocks are one 3x3 convolution and a ReLU each; this network stays as it is.

        Raises ValueError "eval mode" in training mode.
        """
        return deployed(self)


def repvgg_a0(num_classes: int = 1000) -> RepVGG:
    """RepVGG-A0 with random weights: 9,108,968 parameters in training, 8,309,384 deployed."""
    return RepVGG((2, 4, 14, 1), (48, 96, 192, 1280), num_classes, stem=48)

"""Exercises of chapter 50: memory access, channel splits, two fusions, and Winograd's tile."""

from .access_1x1 import access_1x1
from .best_channels import best_channels
from .fuse_conv_bn_np import fuse_conv_bn_np
from .fuse_repvgg import fuse_repvgg
from .winograd_tile import winograd_tile

EXERCISES = [access_1x1, best_channels, fuse_conv_bn_np, fuse_repvgg, winograd_tile]

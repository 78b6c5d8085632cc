"""Activations of a transformer in training, by the closed form of Korthikanti et al. (2023, arXiv:2205.05198).

>>> transformer_activation_bytes(seq=128, batch=2, hidden=256, heads=4, layers=1) // (128 * 2 * 256)
44
"""

from __future__ import annotations

from typing import Literal

from utils.cost.checks import positive


def transformer_activation_bytes(seq: int, batch: int, hidden: int, heads: int, layers: int, flash: bool = False,
                                 recompute: Literal["none", "selective", "full"] = "none", mask_bytes: int = 1) -> int:
    """Bytes that `layers` GPT layers in 16 bits keep for the backward pass: s·b·h·(34 + 5·a·s/h) each.

    `flash` and "selective" drop the a·s²·b part (scores, softmax and its dropout); "full" keeps a layer's input
    only. `mask_bytes` is the width of a dropout mask: 1 in the paper and in CUDA, 2 in BF16 on the CPU.
    Raises ValueError for another `recompute`.
    """
    positive(seq=seq, batch=batch, hidden=hidden, heads=heads, layers=layers)
    if recompute not in ("none", "selective", "full"):
        raise ValueError(f"recompute must be none, selective or full, got {recompute!r}")
    sbh = seq * batch * hidden
    if recompute == "full":
        return layers * 2 * sbh
    linear = sbh * (32 + 2 * mask_bytes)  # 32: eight tensors of width h and two of 4h, 2 bytes a value
    square = heads * seq * seq * batch * (2 + 2 + mask_bytes)  # softmax, its dropped-out copy, the mask
    return layers * (linear if flash or recompute == "selective" else linear + square)

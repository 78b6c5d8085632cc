"""Networks whose training memory is worth a look: an MLP, ResNet-18 and a small GPT, as flat Sequentials.

Flat, so that `torch.utils.checkpoint.checkpoint_sequential` can cut them anywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mlp(width: int = 1024, depth: int = 32) -> nn.Sequential:
    """`depth` times a Linear of `width` to `width` and a ReLU: (B, width) -> (B, width)."""
    return nn.Sequential(*(m for _ in range(depth) for m in (nn.Linear(width, width), nn.ReLU())))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, added to their input (He et al. 2016): (B, C, H, W)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out))
        self.shortcut = nn.Identity() if c_in == c_out else nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def resnet18(classes: int = 1000) -> nn.Sequential:
    """ResNet-18 with 11,689,512 parameters for 1,000 classes: (B, 3, 224, 224) -> (B, classes)."""
    stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
                         nn.MaxPool2d(3, 2, 1))
    blocks, c_in = [], 64
    for c_out in (64, 128, 256, 512):
        blocks += [ResidualBlock(c_in, c_out, 1 if c_in == c_out else 2), ResidualBlock(c_out, c_out, 1)]
        c_in = c_out
    return nn.Sequential(stem, *blocks, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)))


class GptLayer(nn.Module):
    """A GPT layer with attention written out, as Korthikanti et al. (2023) count it: (B, S, h) -> (B, S, h)."""

    def __init__(self, hidden: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.qkv, self.proj = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._drop(self.proj(self._attend(self.norm1(x))))
        return x + self._drop(self.down(F.gelu(self.up(self.norm2(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x

    def _attend(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))  # (B, a, S, d)
        scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5  # (B, a, S, S)
        return (self._drop(scores.softmax(-1)) @ v).transpose(1, 2).flatten(-2)  # (B, S, h)


class _Embed(nn.Module):
    """Token and position embedding: (B, S) integers -> (B, S, h)."""

    def __init__(self, vocab: int, seq: int, hidden: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, hidden), nn.Embedding(seq, hidden)

    def forward(self, ids: Tensor) -> Tensor:
        return self.tokens(ids) + self.positions(torch.arange(ids.shape[-1], device=ids.device))


def small_gpt(layers: int = 12, hidden: int = 768, heads: int = 12, seq: int = 1024, vocab: int = 50_257,
              dropout: float = 0.0) -> nn.Sequential:
    """A GPT of GPT-2 small's shape with an output matrix of its own: (B, S) integers -> (B, S, vocab)."""
    head = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, vocab, bias=False))
    return nn.Sequential(_Embed(vocab, seq, hidden), *(GptLayer(hidden, heads, dropout) for _ in range(layers)), head)

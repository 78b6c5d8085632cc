"""Four ways to compute one convolution. All are real kernels on torch's CPU back end; the fastest depends on shapes.

A tactic has two parts. `prepare` transforms the weights, once, when the engine is built. `run` is what every
inference pays for. Activations are float32 of shape (N, C, H, W), weights (O, C/groups, kH, kW).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

ITEM, COMPLEX = 4, 8  # bytes


@dataclass(frozen=True)
class ConvShape:
    """All numbers that a convolution's speed depends on. `pad` is the padding on both sides of (H, W)."""

    n: int
    c: int
    h: int
    w: int
    o: int
    kh: int
    kw: int
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @classmethod
    def same(cls, n: int, c: int, h: int, w: int, o: int, k: int) -> ConvShape:
        """Stride 1 and an odd kernel whose output is as large as its input."""
        return cls(n, c, h, w, o, k, k, pad=(k // 2, k // 2))

    @property
    def is_same(self) -> bool:
        """Stride 1, no dilation, no groups, odd kernel, output as large as the input."""
        plain = self.stride == self.dilation == (1, 1) and self.groups == 1
        return plain and (self.kh, self.kw) == (2 * self.pad[0] + 1, 2 * self.pad[1] + 1)

    @property
    def out_hw(self) -> tuple[int, int]:
        spans = [(k - 1) * d + 1 for k, d in zip((self.kh, self.kw), self.dilation)]
        sizes = zip((self.h, self.w), self.pad, spans, self.stride)
        return tuple((size + 2 * p - span) // s + 1 for size, p, span, s in sizes)


@dataclass(frozen=True)
class Tactic:
    """One way to convolve: which shapes it can do, how much scratch memory (bytes) it needs, and its two parts."""

    name: str
    supports: Callable[[ConvShape], bool]
    workspace_bytes: Callable[[ConvShape], int]
    prepare: Callable[[torch.Tensor, ConvShape], Any]
    run: Callable[[torch.Tensor, Any, ConvShape], torch.Tensor]

    def __call__(self, x: torch.Tensor, w: torch.Tensor, shape: ConvShape | None = None) -> torch.Tensor:
        """Convolve at once, by default with stride 1 and output as large as the input. ValueError if unsupported."""
        if shape is None:
            shape = ConvShape.same(*x.shape, w.shape[0], w.shape[2])
        if not self.supports(shape):
            raise ValueError(f"shape must be one that {self.name} supports, got {shape}")
        return self.run(x, self.prepare(w, shape), shape)


# -- direct: one call into torch's library --------------------------------------------------------


def _direct(x: torch.Tensor, w: torch.Tensor, s: ConvShape) -> torch.Tensor:
    return F.conv2d(x, w, None, s.stride, s.pad, s.dilation, s.groups)


# -- im2col: every window becomes a column, then one matrix product ---------------------------------


def _im2col(x: torch.Tensor, w: torch.Tensor, s: ConvShape) -> torch.Tensor:
    columns = F.unfold(x, (s.kh, s.kw), s.dilation, s.pad, s.stride)  # (N, C kH kW, L)
    return (w @ columns).view(s.n, s.o, *s.out_hw)  # (O, C kH kW) @ (N, C kH kW, L)


def _im2col_workspace(s: ConvShape) -> int:
    return ITEM * s.n * s.c * s.kh * s.kw * s.out_hw[0] * s.out_hw[1]


# -- FFT: a product of spectra; the kernel's size hardly matters ------------------------------------


def _fft_size(s: ConvShape) -> tuple[int, int]:
    return s.h + s.kh - 1, s.w + s.kw - 1  # long enough that nothing wraps around


def _fft_weights(w: torch.Tensor, s: ConvShape) -> torch.Tensor:
    return torch.fft.rfft2(w.flip(2, 3), _fft_size(s))  # flipped: networks correlate, spectra convolve


def _fft(x: torch.Tensor, spectrum: torch.Tensor, s: ConvShape) -> torch.Tensor:
    found = torch.einsum("nchw,ochw->nohw", torch.fft.rfft2(x, _fft_size(s)), spectrum)
    full = torch.fft.irfft2(found, _fft_size(s))
    top, left = s.pad
    return full[:, :, top : top + s.h, left : left + s.w]


def _fft_workspace(s: ConvShape) -> int:
    """Spectra of input, weights and output, and the output before it is cut."""
    rows, columns = _fft_size(s)
    spectra = (s.n * s.c + s.o * s.c + s.n * s.o) * rows * (columns // 2 + 1)
    return COMPLEX * spectra + ITEM * s.n * s.o * rows * columns


# -- Winograd F(2x2, 3x3): 16 multiplications for 4 outputs instead of 36 (Lavin and Gray, 2015) ----

_G = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])  # weights, (4, 3)


def _winograd_weights(w: torch.Tensor, s: ConvShape) -> torch.Tensor:
    u = _G @ w @ _G.T  # (O, C, 4, 4)
    return u.reshape(s.o, s.c, 16).permute(2, 0, 1).contiguous()  # (16, O, C)


def _tiles(s: ConvShape) -> tuple[int, int]:
    return -(-s.h // 2), -(-s.w // 2)


def _spread(d: torch.Tensor, axis: int) -> torch.Tensor:
    """B^T d along one axis of 4: only additions."""
    a, b, c, e = d.unbind(axis)
    return torch.stack((a - c, b + c, c - b, b - e), axis)


def _gather(m: torch.Tensor, axis: int) -> torch.Tensor:
    """A^T m along one axis: 4 -> 2."""
    a, b, c, e = m.unbind(axis)
    return torch.stack((a + b + c, b - c - e), axis)


def _winograd(x: torch.Tensor, u: torch.Tensor, s: ConvShape) -> torch.Tensor:
    rows, columns = _tiles(s)
    padded = F.pad(x, (1, 1 + 2 * columns - s.w, 1, 1 + 2 * rows - s.h))
    d = padded.unfold(2, 4, 2).unfold(3, 4, 2)  # (N, C, rows, columns, 4, 4), neighbours overlap by 2
    d = d.permute(4, 5, 1, 0, 2, 3).reshape(4, 4, s.c, -1)  # (4, 4, C, tiles)
    v = _spread(_spread(d, 0), 1)
    m = (u @ v.view(16, s.c, -1)).view(4, 4, s.o, s.n, rows, columns)
    y = _gather(_gather(m, 0), 1)  # (2, 2, O, N, rows, columns)
    return y.permute(3, 2, 4, 0, 5, 1).reshape(s.n, s.o, 2 * rows, 2 * columns)[:, :, : s.h, : s.w]


def _winograd_workspace(s: ConvShape) -> int:
    rows, columns = _tiles(s)
    return ITEM * 16 * (s.n * rows * columns * (s.c + s.o) + s.o * s.c)


TACTICS: dict[str, Tactic] = {tactic.name: tactic for tactic in (
    Tactic("direct", lambda s: True, lambda s: 0, lambda w, s: w, _direct),
    Tactic("im2col_gemm", lambda s: s.groups == 1, _im2col_workspace, lambda w, s: w.reshape(s.o, -1), _im2col),
    Tactic("fft", lambda s: s.is_same, _fft_workspace, _fft_weights, _fft),
    Tactic("winograd_2x2_3x3", lambda s: s.is_same and s.kh == s.kw == 3, _winograd_workspace, _winograd_weights,
           _winograd),
)}

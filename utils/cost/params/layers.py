"""Parameters of single layers, from their shapes alone."""

from __future__ import annotations

from dataclasses import dataclass

from utils.cost.checks import pair, positive


def conv2d_params(c_in: int, c_out: int, kernel: int | tuple[int, int], groups: int = 1, bias: bool = True) -> int:
    """Values of a 2-D convolution: c_out * (c_in / groups) * k_h * k_w, plus c_out biases.

    Raises ValueError when a size is not positive or c_in and c_out are not divisible by groups.
    """
    k_h, k_w = pair(kernel)
    positive(c_in=c_in, c_out=c_out, kernel=min(k_h, k_w), groups=groups)
    if c_in % groups or c_out % groups:
        raise ValueError(f"c_in and c_out must be divisible by groups = {groups}, got {c_in} and {c_out}")
    return c_out * (c_in // groups) * k_h * k_w + c_out * bias


def linear_params(n_in: int, n_out: int, bias: bool = True) -> int:
    """Values of a fully connected layer: n_in * n_out weights, plus n_out biases."""
    positive(n_in=n_in, n_out=n_out)
    return n_in * n_out + n_out * bias


def embedding_params(vocab: int, d: int) -> int:
    """Values of a lookup table: one row of d for each of `vocab` symbols (or positions)."""
    positive(vocab=vocab, d=d)
    return vocab * d


def layernorm_params(d: int, bias: bool = True) -> int:
    """Values of a layer normalisation: a scale and, with `bias`, a shift for each of d features."""
    positive(d=d)
    return d + d * bias


def rmsnorm_params(d: int) -> int:
    """Values of an RMS normalisation: a scale for each of d features, no shift."""
    return layernorm_params(d, bias=False)


def lstm_params(n_in: int, n_hidden: int, bias: bool = True) -> int:
    """Values of one LSTM layer in one direction: 4 h (i + h), plus 4 h biases twice.

    PyTorch and cuDNN keep a bias for the input and another for the state, although their sum would do.
    """
    positive(n_in=n_in, n_hidden=n_hidden)
    return 4 * n_hidden * (n_in + n_hidden + 2 * bias)


@dataclass(frozen=True)
class Count:
    """Values that a layer stores: trained ones, and buffers (state that no gradient changes)."""

    trainable: int
    buffers: int = 0

    @property
    def stored(self) -> int:
        """Both together: the values of the state dict."""
        return self.trainable + self.buffers

    def __add__(self, other: Count) -> Count:
        return Count(self.trainable + other.trainable, self.buffers + other.buffers)


def batchnorm2d_count(c: int, affine: bool = True, track: bool = True) -> Count:
    """A batch norm over c channels: 2c trained (gamma, beta) if `affine`, 2c + 1 buffers (mean, variance and
    the step counter) if it tracks running statistics.

    >>> batchnorm2d_count(64)
    Count(trainable=128, buffers=129)
    """
    positive(c=c)
    return Count(2 * c * affine, (2 * c + 1) * track)


def attention_params(d_model: int, n_heads: int, n_kv_heads: int | None = None, head_dim: int | None = None,
                     qkv_bias: bool = False, out_bias: bool = False) -> int:
    """Values of the four projections of one attention layer; K and V have n_kv_heads * head_dim columns.

    Raises ValueError when n_heads is not a multiple of n_kv_heads.
    """
    n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
    head_dim = d_model // n_heads if head_dim is None else head_dim
    positive(d_model=d_model, n_heads=n_heads, n_kv_heads=n_kv_heads, head_dim=head_dim)
    if n_heads % n_kv_heads:
        raise ValueError(f"n_heads must be a multiple of n_kv_heads, got {n_heads} and {n_kv_heads}")
    d_q, d_kv = n_heads * head_dim, n_kv_heads * head_dim
    q, k, v = (linear_params(d_model, d, qkv_bias) for d in (d_q, d_kv, d_kv))
    return q + k + v + linear_params(d_q, d_model, out_bias)


def mlp_params(d_model: int, d_ff: int, gated: bool, bias: bool = False) -> int:
    """Values of one feed-forward block: up and down, and a gate matrix when `gated` (SwiGLU)."""
    return (2 if gated else 1) * linear_params(d_model, d_ff, bias) + linear_params(d_ff, d_model, bias)

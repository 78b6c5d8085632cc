"""Operation counts of single layers, in closed form.

A multiply–accumulate is one MAC and two FLOPs. Products with padded zeros are counted unless
`skip_padding` says otherwise, as in every published table.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from utils.cost.checks import non_negative, pair, positive


@dataclass(frozen=True)
class OpCount:
    """Multiplications, additions, and `other` (exponentials, divisions, roots, comparisons)."""

    muls: int = 0
    adds: int = 0
    other: int = 0

    def __add__(self, more: OpCount) -> OpCount:
        return OpCount(self.muls + more.muls, self.adds + more.adds, self.other + more.other)

    @property
    def macs(self) -> int:
        """Multiply–accumulates: in a sum of products every multiplication is one."""
        return self.muls

    @property
    def flops(self) -> int:
        """All floating-point operations."""
        return self.muls + self.adds + self.other

    def as_dict(self) -> dict[str, int]:
        """The fields and both totals as a plain dict."""
        return {**asdict(self), "macs": self.macs, "flops": self.flops}


def conv_out_size(n: int, k: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> int:
    """Positions of a window of `k` taps along an axis of `n`: floor((n + 2 pad - dilation (k-1) - 1)/stride) + 1.

    Raises ValueError when the window does not fit ("kernel larger than padded input").
    """
    positive(n=n, k=k, stride=stride, dilation=dilation)
    non_negative(pad=pad)
    room = n + 2 * pad - dilation * (k - 1) - 1
    if room < 0:
        raise ValueError(f"kernel must fit, got a kernel larger than padded input: "
                         f"{dilation * (k - 1) + 1} taps on {n + 2 * pad} values")
    return room // stride + 1


def _taps(n: int, k: int, stride: int, pad: int, dilation: int, skip_padding: bool) -> list[int]:
    """Taps that each output position along one axis multiplies with."""
    starts = [i * stride - pad for i in range(conv_out_size(n, k, stride, pad, dilation))]
    if not skip_padding:
        return [k] * len(starts)
    return [sum(0 <= start + t * dilation < n for t in range(k)) for start in starts]


def conv2d_ops(h_in: int, w_in: int, c_in: int, c_out: int, kernel: int | tuple[int, int],
               stride: int | tuple[int, int] = 1, padding: int | tuple[int, int] = 0,
               dilation: int | tuple[int, int] = 1, groups: int = 1, bias: bool = True, batch: int = 1,
               skip_padding: bool = False) -> OpCount:
    """Operations of a 2-D convolution on an input of h_in x w_in.

    With bias every product is followed by one addition; without bias an output needs one addition less.
    `skip_padding` counts only taps inside the image. Raises ValueError when the window does not fit or
    `groups` does not divide both channel counts.

    >>> conv2d_ops(56, 56, 64, 128, 3, padding=1).flops
    462422016
    """
    positive(c_in=c_in, c_out=c_out, groups=groups, batch=batch)
    if c_in % groups or c_out % groups:
        raise ValueError(f"c_in and c_out must be divisible by groups = {groups}, got {c_in} and {c_out}")
    rows, cols = (_taps(n, k, s, p, d, skip_padding) for n, k, s, p, d in zip(
        (h_in, w_in), pair(kernel), pair(stride), pair(padding), pair(dilation)))
    planes = batch * c_out
    muls = planes * (c_in // groups) * sum(rows) * sum(cols)  # taps of a window are a product of the two axes
    windows = planes * sum(t > 0 for t in rows) * sum(t > 0 for t in cols)  # a window of padding adds nothing
    return OpCount(muls, muls if bias else muls - windows)


def linear_ops(rows: int, n_in: int, n_out: int, bias: bool = True) -> OpCount:
    """Operations of `rows` vectors (n_in) times a matrix (n_in, n_out)."""
    positive(rows=rows, n_in=n_in, n_out=n_out)
    muls = rows * n_in * n_out
    return OpCount(muls, muls if bias else muls - rows * n_out)


def attention_ops(batch: int, heads: int, q_len: int, kv_len: int, head_dim: int, causal: bool = False,
                  softmax_flops: int = 5) -> OpCount:
    """Operations of softmax(Q K^T) V, projections and the 1/sqrt(d) scale left out.

    Causal: the queries are the last `q_len` of the `kv_len` positions and each sees itself and what came
    before. The softmax costs `softmax_flops` per visible score (maximum, subtraction, exponential, sum,
    division), kept in `other`. Raises ValueError when a causal q_len exceeds kv_len.
    """
    positive(batch=batch, heads=heads, q_len=q_len, kv_len=kv_len, head_dim=head_dim)
    if causal and q_len > kv_len:
        raise ValueError(f"q_len must be at most kv_len when causal, got {q_len} > {kv_len}")
    planes = batch * heads
    hidden = q_len * (q_len - 1) // 2 if causal else 0  # query i of q_len misses q_len - 1 - i keys
    scores = planes * (q_len * kv_len - hidden)
    outputs = planes * q_len * head_dim
    muls = 2 * scores * head_dim  # Q K^T and P V
    adds = scores * (head_dim - 1) + (scores * head_dim - outputs)
    return OpCount(muls, adds, softmax_flops * scores)


def norm_ops(kind: Literal["batch", "layer", "rms"], n: int) -> OpCount:
    """Operations of normalizing one vector of `n` values, with learned scale (and shift, except "rms").

    "batch" is inference: one multiplication and one addition a value. Raises ValueError for another kind.
    """
    positive(n=n)
    if kind == "batch":
        return OpCount(n, n)
    if kind == "layer":  # mean, variance, 1/sqrt(var + eps), scale twice, shift
        return OpCount(3 * n + 2, 4 * n - 1, 1)
    if kind == "rms":  # mean square, 1/sqrt(ms + eps), scale twice
        return OpCount(3 * n + 1, n, 1)
    raise ValueError(f"kind must be 'batch', 'layer' or 'rms', got {kind!r}")


def conv_macs(h: int, w: int, c_in: int, c_out: int, kernel: int | tuple[int, int], stride: int = 1,
              padding: int = 0, dilation: int = 1, groups: int = 1, batch: int = 1) -> int:
    """Multiply–accumulates of a convolution from its *input* size.

    Raises ValueError when the window does not fit into the padded input.

    >>> conv_macs(224, 224, 3, 64, 7, stride=2, padding=3)  # the first layer of ResNet: 112 x 112 outputs
    118013952
    """
    return conv2d_ops(h, w, c_in, c_out, kernel, stride, padding, dilation, groups, batch=batch).macs


def additions_exact(c_in: int, kernel: int, bias: bool, padding_taps: int = 0) -> int:
    """Additions behind one output value when `padding_taps` of its c_in * kernel^2 products are skipped.

    Raises ValueError when padding_taps is out of range.

    >>> additions_exact(64, 3, True), additions_exact(64, 3, False), additions_exact(3, 3, False, padding_taps=15)
    (576, 575, 11)
    """
    positive(c_in=c_in, kernel=kernel)
    products = c_in * kernel * kernel - padding_taps
    if not 0 <= padding_taps <= c_in * kernel * kernel:
        raise ValueError(f"padding_taps must be between 0 and {c_in * kernel * kernel}, got {padding_taps}")
    return max(products - 1 + bias, 0)  # t terms need t - 1 additions; a bias without products is added to nothing

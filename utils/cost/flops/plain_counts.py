"""The same counts from plain numbers to plain numbers, without configuration objects."""

from __future__ import annotations

from utils.cost.checks import positive
from utils.cost.params import decoder_params as count_decoder
from utils.cost.params.decoder_config import DecoderConfig
from utils.cost.params.layers import conv2d_params


def conv_params(c_in: int, c_out: int, kernel: int | tuple[int, int], groups: int = 1, bias: bool = True) -> int:
    """Parameters of a 2-D convolution; `kernel` is a side or a pair (height, width).

    Raises ValueError when a size is not positive or groups does not divide both channel counts.
    """
    return conv2d_params(c_in, c_out, kernel, groups, bias)


def decoder_params(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, tied: bool) -> int:
    """Parameters of a Llama-style decoder: no biases, a gated MLP, RMSNorm.

    >>> decoder_params(32000, 4096, 32, 32, 32, 11008, tied=False)
    6738415616
    """
    cfg = DecoderConfig(vocab=vocab, d_model=d, n_layers=layers, n_heads=heads, n_kv_heads=kv_heads, d_ff=d_ff,
                        gated_mlp=True, norm="rms", tied=tied)
    return count_decoder(cfg).total


def moe_params(vocab: int, d: int, layers: int, heads: int, kv_heads: int, d_ff: int, experts: int,
               top_k: int) -> tuple[int, int]:
    """(total, active per token) parameters of a Llama-style decoder with `experts` gated MLPs in each layer.

    Raises ValueError when top_k is above experts.

    >>> moe_params(32000, 4096, 32, 32, 8, 14336, 8, 2)
    (46702792704, 12879925248)
    """
    positive(experts=experts, top_k=top_k)
    cfg = DecoderConfig(vocab=vocab, d_model=d, n_layers=layers, n_heads=heads, n_kv_heads=kv_heads, d_ff=d_ff,
                        gated_mlp=True, norm="rms", tied=False, n_experts=experts, top_k=top_k)
    params = count_decoder(cfg)
    return params.total, params.active

"""Parameter formulas against freshly built torch modules."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from utils.cost.flops.llm import decoder_flops_per_token, prefill_flops
from utils.cost.params import (
    DecoderConfig,
    attention_params,
    conv2d_params,
    count_module,
    decoder_params,
    linear_params,
    matmul_params,
)

small = st.integers(1, 4)


def numel(module) -> int:
    return sum(p.numel() for p in module.parameters())


@given(g=small, c=small, m=small, kh=small, kw=small, bias=st.booleans())
@settings(max_examples=40, deadline=None)
def test_convolution(g, c, m, kh, kw, bias):
    assert conv2d_params(g * c, g * m, (kh, kw), g, bias) == numel(nn.Conv2d(g * c, g * m, (kh, kw), groups=g, bias=bias))


@given(n_in=small, n_out=small, bias=st.booleans())
@settings(max_examples=20, deadline=None)
def test_linear(n_in, n_out, bias):
    assert linear_params(n_in, n_out, bias) == numel(nn.Linear(n_in, n_out, bias))


@pytest.mark.parametrize("bias", [False, True])
def test_full_attention_is_torchs(bias):
    assert attention_params(12, 3, qkv_bias=bias, out_bias=bias) == numel(nn.MultiheadAttention(12, 3, bias=bias))


class Block(nn.Module):
    """One decoder block: grouped-query attention and a feed-forward layer, or several behind a router."""

    def __init__(self, cfg: DecoderConfig):
        super().__init__()
        d, q, kv = cfg.d_model, cfg.d_attn, cfg.n_kv_heads * cfg.head_dim
        self.cfg = cfg
        self.q, self.k, self.v, self.o = (nn.Linear(a, b, cfg.bias) for a, b in ((d, q), (d, kv), (d, kv), (q, d)))
        norm = nn.RMSNorm if cfg.norm == "rms" else nn.LayerNorm
        self.norms = nn.ModuleList([norm(d), norm(d)])
        widths = [(d, cfg.d_ff)] * (1 + cfg.gated_mlp) + [(cfg.d_ff, d)]
        self.experts = nn.ModuleList(nn.ModuleList(nn.Linear(a, b, cfg.bias) for a, b in widths) for _ in range(cfg.n_experts or 1))
        self.router = nn.Linear(d, cfg.n_experts, bias=False) if cfg.n_experts else None

    def forward(self, x):  # (1, n, d); the first top_k experts serve every token
        cfg, h = self.cfg, self.norms[0](x)
        q, k, v = (f(h).unflatten(-1, (-1, cfg.head_dim)).transpose(1, 2) for f in (self.q, self.k, self.v))
        groups = cfg.n_heads // cfg.n_kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        x = x + self.o(nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        h = self.norms[1](x)
        if self.router is not None:
            self.router(h)
        for expert in self.experts[: cfg.top_k or 1]:
            *up, down = expert
            y = up[0](h) * up[1](h) if cfg.gated_mlp else up[0](h)
            x = x + down(y)
        return x


class Decoder(nn.Module):
    def __init__(self, cfg: DecoderConfig):
        super().__init__()
        self.embed = nn.Embedding(cfg.vocab, cfg.d_model)
        self.pos = nn.Embedding(cfg.max_pos, cfg.d_model) if cfg.max_pos else None
        self.blocks = nn.Sequential(*(Block(cfg) for _ in range(cfg.n_layers)))
        self.norm = (nn.RMSNorm if cfg.norm == "rms" else nn.LayerNorm)(cfg.d_model)
        self.head = nn.Linear(cfg.d_model, cfg.vocab, bias=False)
        if cfg.tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.embed(tokens))))


configs = st.builds(
    lambda vocab, layers, kv, groups, head_dim, wide, d_ff, flags, max_pos, experts, top: DecoderConfig(
        vocab, kv * groups * head_dim + wide, layers, kv * groups, kv, d_ff, flags[0], "rms" if flags[1] else "layer", flags[2],
        max_pos=max_pos, bias=flags[3], n_experts=experts, top_k=min(top, experts), head_dim=head_dim),
    vocab=st.integers(2, 20), layers=st.integers(1, 3), kv=st.integers(1, 2), groups=st.integers(1, 3), head_dim=st.integers(1, 4),
    wide=st.integers(0, 3), d_ff=st.integers(1, 9), flags=st.tuples(*[st.booleans()] * 4), max_pos=st.integers(0, 5),
    experts=st.integers(0, 4), top=st.integers(1, 4))


@given(configs)
@settings(max_examples=40, deadline=None)
def test_decoder(cfg):
    with torch.device("meta"):
        model = Decoder(cfg)
    p, count = decoder_params(cfg), count_module(model)
    assert p.total == count.trainable == numel(model)
    assert count.shared == (cfg.vocab * cfg.d_model if cfg.tied else 0)
    assert p.norm == numel(model.norm) + sum(numel(b.norms) for b in model.blocks)
    idle = sum(numel(e) for b in model.blocks for e in b.experts[cfg.top_k:]) if cfg.n_experts else 0
    assert p.active == p.total - idle
    touched = [m for name, m in model.named_modules() if isinstance(m, nn.Linear)
               and (".experts." not in name or int(name.split(".experts.")[1].split(".")[0]) < (cfg.top_k or 1))]
    assert matmul_params(cfg) == sum(m.weight.numel() for m in touched)


@given(configs, st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_decoder_flops(cfg, n):
    """torch counts a causal prompt's whole n x n scores: every token with context n."""
    with torch.device("meta"):
        model, tokens = Decoder(cfg), torch.zeros(1, n, dtype=torch.long)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model(tokens)
    assert counter.get_total_flops() == n * decoder_flops_per_token(cfg, n).total
    causal = prefill_flops(cfg, n)
    assert counter.get_total_flops() - causal.total == 4 * cfg.n_layers * cfg.d_attn * n * (n - 1) // 2

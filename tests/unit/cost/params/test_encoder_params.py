"""Encoder counts against the published sizes and against torch's own encoder layer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from utils.cost.params import BERT_BASE, BERT_LARGE, VIT_B16, EncoderConfig, ViTConfig, encoder_params, vit_params


def numel(module):
    return sum(p.numel() for p in module.parameters())


# BERT: parameters of `BertModel` (uncased, pooler included) as transformers and keras-hub list them;
# ViT-B/16: torchvision's weights metadata, `num_params`.
@pytest.mark.parametrize(("total", "published"), [
    (encoder_params(BERT_BASE).total, 109_482_240), (encoder_params(BERT_LARGE).total, 335_141_888),
    (vit_params(VIT_B16).total, 86_567_656),
])
def test_published_sizes(total, published):
    assert total == published


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9), st.integers(1, 20))


@given(shapes, st.integers(1, 9), st.integers(0, 3), st.booleans())
@settings(max_examples=25, deadline=None)
def test_encoder_is_torchs(shape, max_pos, segments, pooler):
    heads, head_dim, layers, d_ff, vocab = shape
    d = heads * head_dim
    cfg = EncoderConfig(vocab, d, layers, heads, d_ff, max_pos, segments, pooler)
    with torch.device("meta"):
        tables = [nn.Embedding(vocab, d), nn.Embedding(max_pos, d), *[nn.Embedding(segments, d)] * (segments > 0)]
        layer = nn.TransformerEncoderLayer(d, heads, d_ff)
        once = [*tables, nn.LayerNorm(d), *[nn.Linear(d, d)] * pooler]
    p = encoder_params(cfg)
    assert p.total == p.active == sum(map(numel, once)) + layers * numel(layer)
    assert p.total == p.embedding + p.attention + p.mlp + p.norm + p.head
    assert p.attention == layers * numel(layer.self_attn)


@given(shapes, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_vit_is_torchs(shape, patch, side, channels):
    heads, head_dim, layers, d_ff, n_classes = shape
    d = heads * head_dim
    cfg = ViTConfig(patch * side, patch, d, layers, heads, d_ff, n_classes, channels)
    with torch.device("meta"):
        parts = [nn.Conv2d(channels, d, patch, patch), nn.Linear(d, n_classes), nn.LayerNorm(d),
                 *[nn.TransformerEncoderLayer(d, heads, d_ff, norm_first=True)] * layers]
        loose = torch.empty(1, d).numel() + torch.empty(side * side + 1, d).numel()  # class token, positions
    assert vit_params(cfg).total == sum(map(numel, parts)) + loose
    assert cfg.tokens == side * side + 1


@pytest.mark.parametrize("make", [lambda: ViTConfig(225, 16, 8, 1, 1, 4), lambda: EncoderConfig(9, 10, 1, 3, 4),
                                  lambda: EncoderConfig(0, 8, 1, 1, 4), lambda: ViTConfig(16, 16, 8, 0, 1, 4)])
def test_impossible_configurations_are_refused(make):
    with pytest.raises(ValueError, match=r"multiple of|positive"):
        make()

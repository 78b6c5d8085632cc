"""Parameters of encoder-only transformers: BERT and the vision transformer."""

from __future__ import annotations

from dataclasses import dataclass

from utils.cost.checks import non_negative, positive
from utils.cost.params.decoder import ParamBreakdown
from utils.cost.params.layers import (
    attention_params,
    conv2d_params,
    embedding_params,
    layernorm_params,
    linear_params,
    mlp_params,
)


@dataclass(frozen=True)
class EncoderConfig:
    """A BERT-like encoder: token, position and segment tables, post-norm blocks with biases, maybe a pooler.

    The pooler is a d_model x d_model layer on the first token. Raises ValueError for sizes that are not positive.
    """

    vocab: int
    d_model: int
    n_layers: int
    n_heads: int
    d_ff: int
    max_pos: int = 512
    segments: int = 2
    pooler: bool = True

    def __post_init__(self) -> None:
        positive(vocab=self.vocab, n_layers=self.n_layers, max_pos=self.max_pos)
        non_negative(segments=self.segments)
        _check_width(self.d_model, self.n_heads, self.d_ff)


@dataclass(frozen=True)
class ViTConfig:
    """A vision transformer on square images: patches, a class token, learned positions, pre-norm blocks, a head.

    Raises ValueError when the patch does not divide the image, or for sizes that are not positive.
    """

    image: int
    patch: int
    d_model: int
    n_layers: int
    n_heads: int
    d_ff: int
    n_classes: int = 1000
    channels: int = 3

    def __post_init__(self) -> None:
        positive(image=self.image, patch=self.patch, n_layers=self.n_layers, n_classes=self.n_classes)
        _check_width(self.d_model, self.n_heads, self.d_ff)
        if self.image % self.patch:
            raise ValueError(f"image must be a multiple of patch = {self.patch}, got {self.image}")

    @property
    def tokens(self) -> int:
        """Patches and the class token."""
        return (self.image // self.patch) ** 2 + 1


def _check_width(d_model: int, n_heads: int, d_ff: int) -> None:
    positive(d_model=d_model, n_heads=n_heads, d_ff=d_ff)
    if d_model % n_heads:
        raise ValueError(f"d_model must be a multiple of n_heads, got {d_model} and {n_heads}")


# Sources: Devlin et al., 2018 (30,522 word pieces, uncased); Dosovitskiy et al., 2020.
BERT_BASE = EncoderConfig(vocab=30522, d_model=768, n_layers=12, n_heads=12, d_ff=3072)
BERT_LARGE = EncoderConfig(vocab=30522, d_model=1024, n_layers=24, n_heads=16, d_ff=4096)
VIT_B16 = ViTConfig(image=224, patch=16, d_model=768, n_layers=12, n_heads=12, d_ff=3072)

ENCODERS: dict[str, EncoderConfig | ViTConfig] = {
    "BERT-base": BERT_BASE, "BERT-large": BERT_LARGE, "ViT-B/16": VIT_B16,
}


def encoder_params(cfg: EncoderConfig) -> ParamBreakdown:
    """Count a BERT-like encoder; `head` is the pooler, and the norm after the embeddings counts as norm.

    >>> encoder_params(BERT_BASE).total
    109482240
    """
    d = cfg.d_model
    embedding = embedding_params(cfg.vocab + cfg.max_pos + cfg.segments, d)
    head = linear_params(d, d) if cfg.pooler else 0
    return _encoder(cfg, embedding, head)


def vit_params(cfg: ViTConfig) -> ParamBreakdown:
    """Count a vision transformer; `embedding` holds the patch projection, the class token and the positions.

    Only the positions depend on the image size.

    >>> vit_params(VIT_B16).total
    86567656
    """
    d = cfg.d_model
    embedding = conv2d_params(cfg.channels, d, cfg.patch) + embedding_params(1 + cfg.tokens, d)
    return _encoder(cfg, embedding, linear_params(d, cfg.n_classes))


def _encoder(cfg: EncoderConfig | ViTConfig, embedding: int, head: int) -> ParamBreakdown:
    """The blocks, and the one norm outside them: after BERT's embeddings, or before ViT's head."""
    d, layers = cfg.d_model, cfg.n_layers
    attention = layers * attention_params(d, cfg.n_heads, qkv_bias=True, out_bias=True)
    mlp = layers * mlp_params(d, cfg.d_ff, gated=False, bias=True)
    norm = (2 * layers + 1) * layernorm_params(d)
    total = embedding + attention + mlp + norm + head
    return ParamBreakdown(embedding, attention, mlp, norm, head, total, total)

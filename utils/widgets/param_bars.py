"""Pure functions of the figure "Where do the parameters live?"."""

from __future__ import annotations

from functools import cache

from utils.cost.params import (
    DECODERS,
    ENCODERS,
    DecoderConfig,
    EncoderConfig,
    decoder_params,
    encoder_params,
    mlp_params,
    vit_params,
)
from utils.networks.classic import CLASSIFIERS

CNNS = ("AlexNet", "VGG-16", "ResNet-18", "ResNet-50", "SqueezeNet 1.0", "MobileNetV1", "MobileNetV2")
TRANSFORMERS = ("BERT-base", "ViT-B/16", "GPT-2 small", "Llama-3.2-1B", "Llama-3-8B", "Llama-3-70B", "Mixtral-8x7B")
PARTS = ("stem", "conv", "depthwise", "pointwise", "batch norm", "linear", "embedding", "attention", "MLP",
         "idle experts", "router", "norm", "head", "head, the embedding again")

# Bytes of weights that a device can hold at best; activations and code are not counted.
BUDGETS: dict[str, float] = {"256 KiB MCU": 256 * 2**10, "8 GB Jetson": 8e9, "24 GB GPU": 24e9, "80 GB GPU": 80e9}


@cache
def parameter_parts(model: str, folded: bool) -> dict[str, int]:
    """Values by part of a network, in the order of PARTS; parts without a value are left out.

    `folded` is what a deployed model stores: each batch norm is one bias a channel, and a tied matrix is there
    once. Without it, every float of the state dict counts: four values a channel, and a tied matrix under both
    of its names. Idle experts are those that a token does not use. Raises KeyError for an unknown model.
    """
    if model in CLASSIFIERS:
        found = _classifier_parts(model, folded)
    elif model in ENCODERS:
        found = _encoder_parts(model)
    else:
        found = _decoder_parts(DECODERS[model], folded)
    return {part: found[part] for part in PARTS if found.get(part)}


def param_bars(model: str, folded: bool, bits: int) -> dict[str, float]:
    """Bytes by part at `bits` a value; scales of a quantized format are left out."""
    return {part: n * bits / 8 for part, n in parameter_parts(model, folded).items()}


def _classifier_parts(model: str, folded: bool) -> dict[str, int]:
    import torch
    from torch import nn

    with torch.device("meta"):
        network = CLASSIFIERS[model]()
    found: dict[str, int] = {}
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            depthwise = layer.groups == layer.in_channels > 1
            part = ("stem" if layer.in_channels == 3 else "depthwise" if depthwise
                    else "pointwise" if layer.kernel_size == (1, 1) else "conv")
        elif isinstance(layer, nn.BatchNorm2d):
            found["batch norm"] = found.get("batch norm", 0) + (1 if folded else 4) * layer.num_features
            continue
        elif isinstance(layer, nn.Linear):
            part = "linear"
        else:
            continue
        found[part] = found.get(part, 0) + sum(p.numel() for p in layer.parameters())
    return found


def _encoder_parts(model: str) -> dict[str, int]:
    cfg = ENCODERS[model]
    p = encoder_params(cfg) if isinstance(cfg, EncoderConfig) else vit_params(cfg)
    return {"embedding": p.embedding, "attention": p.attention, "MLP": p.mlp, "norm": p.norm, "head": p.head}


def _decoder_parts(cfg: DecoderConfig, folded: bool) -> dict[str, int]:
    p = decoder_params(cfg)
    router = cfg.n_layers * cfg.n_experts * cfg.d_model
    idle = p.total - p.active
    used = cfg.n_layers * (cfg.top_k or 1) * mlp_params(cfg.d_model, cfg.d_ff, cfg.gated_mlp, cfg.bias)
    again = cfg.vocab * cfg.d_model if cfg.tied and not folded else 0
    return {"embedding": p.embedding, "attention": p.attention, "MLP": used, "idle experts": idle, "router": router,
            "norm": p.norm, "head": p.head, "head, the embedding again": again}

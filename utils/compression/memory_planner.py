"""Which technique shrinks which pool of memory, and a model's activations planned from plain data.

A model in use has four pools: weights, activations, the KV cache of a language model, and workspace with the
runtime itself. The planners below are thin: what they plan with lives in `utils.cost.arena`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from utils.cost import arena
from utils.cost.arena import Plan, TensorGraph, TensorUse, order_uses, plan_naive, plan_optimal
from utils.cost.bandwidth.decode import kv_bytes_per_token
from utils.cost.checks import non_negative, positive
from utils.cost.params.decoder import decoder_params
from utils.cost.params.decoder_config import DecoderConfig
from utils.cost.params.storage import effective_bits

CSR_INDEX_BITS = 32  # a column index beside every kept value; the row pointers are left out


@dataclass(frozen=True)
class Footprint:
    """Bytes of the four pools; `total_bytes` is their sum."""

    weights_bytes: float
    activation_bytes: float = 0
    kv_bytes: float = 0
    workspace_bytes: float = 0

    @property
    def total_bytes(self) -> float:
        """All four pools together."""
        return self.weights_bytes + self.activation_bytes + self.kv_bytes + self.workspace_bytes

    def as_dict(self) -> dict[str, float]:
        """The pools and their sum as plain data."""
        return {**asdict(self), "total_bytes": self.total_bytes}


def _scaled(fp: Footprint, *, weights: float = 1, activations: float = 1, kv: float = 1) -> Footprint:
    return replace(fp, weights_bytes=fp.weights_bytes * weights, activation_bytes=fp.activation_bytes * activations,
                   kv_bytes=fp.kv_bytes * kv)


def _quantize_weights(fp: Footprint, bits: float, from_bits: float = 16) -> Footprint:
    return _scaled(fp, weights=_ratio(bits, from_bits))


def _quantize_activations(fp: Footprint, bits: float, from_bits: float = 16) -> Footprint:
    return _scaled(fp, activations=_ratio(bits, from_bits))


def _quantize_kv(fp: Footprint, bits: float, from_bits: float = 16) -> Footprint:
    return _scaled(fp, kv=_ratio(bits, from_bits))


def _ratio(bits: float, from_bits: float) -> float:
    positive(bits=bits, from_bits=from_bits)
    return bits / from_bits


def _unstructured_prune(fp: Footprint, sparsity: float, fmt: str = "dense", bits: float = 16) -> Footprint:
    _share(sparsity=sparsity)
    if fmt not in ("dense", "csr"):
        raise ValueError(f"fmt must be 'dense' or 'csr', got {fmt!r}")
    return fp if fmt == "dense" else _scaled(fp, weights=(1 - sparsity) * (bits + CSR_INDEX_BITS) / bits)


def _structured_prune(fp: Footprint, keep: float) -> Footprint:
    _share(keep=keep)
    return _scaled(fp, weights=keep**2, activations=keep)


def _tie_embeddings(fp: Footprint, bytes: float) -> Footprint:
    if not 0 <= bytes <= fp.weights_bytes:
        raise ValueError(f"bytes must be a part of the weights' {fp.weights_bytes}, got {bytes}")
    return replace(fp, weights_bytes=fp.weights_bytes - bytes)


def _halve_batch(fp: Footprint) -> Footprint:
    return _scaled(fp, activations=0.5, kv=0.5)


def _arena(fp: Footprint, peak: float) -> Footprint:
    non_negative(peak=peak)
    return replace(fp, activation_bytes=min(peak, fp.activation_bytes))


def _mmap(fp: Footprint, resident: float) -> Footprint:
    _share(resident=resident)
    return _scaled(fp, weights=resident)


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}")


TECHNIQUES: dict[str, Callable[..., Footprint]] = {
    "quantize_weights": _quantize_weights, "quantize_activations": _quantize_activations, "quantize_kv": _quantize_kv,
    "unstructured_prune": _unstructured_prune, "structured_prune": _structured_prune,
    "tie_embeddings": _tie_embeddings, "halve_batch": _halve_batch, "arena": _arena, "mmap": _mmap,
}


def apply_technique(fp: Footprint, name: str, **options: float | str) -> Footprint:
    """The footprint after one technique.

    quantize_weights, quantize_activations, quantize_kv (bits, from_bits=16); unstructured_prune (sparsity, fmt="dense"
    or "csr" with 32-bit indices, bits=16); structured_prune (keep: share of the channels of every inner layer, so the
    weights shrink by keep squared); tie_embeddings (bytes: of the second copy); halve_batch; arena (peak: bytes of
    the plan that replaces separate buffers); mmap (resident: share of the weights in memory at a time).
    Raises ValueError "unknown technique", and for options out of range.

    >>> apply_technique(Footprint(16e9, 1e9, 8e9), "quantize_kv", bits=8).kv_bytes
    4000000000.0
    """
    if name not in TECHNIQUES:
        raise ValueError(f"name must be one of {', '.join(TECHNIQUES)}, got unknown technique {name!r}")
    return TECHNIQUES[name](fp, **options)


POOL_FACTORS: dict[str, dict[str, float]] = {
    "w4_g128": {"weights": effective_bits(4, 128, 16, 4) / 16},
    "w8a8": {"weights": 0.5, "activations": 0.5},
    "prune50_dense": {},
    "prune50_channels": {"weights": 0.25, "activations": 0.5},
    "gqa4": {"kv": 0.25},
    "batch_half": {"activations": 0.5, "kv": 0.5},
}


def pool_after(pools: dict[str, float], technique: str) -> dict[str, float]:
    """Bytes of every pool after one technique, starting from a 16-bit model."""
    if technique not in POOL_FACTORS:
        raise ValueError(f"technique must be one of {', '.join(POOL_FACTORS)}, got {technique!r}")
    return {name: size * POOL_FACTORS[technique].get(name, 1) for name, size in pools.items()}


def llm_footprint(cfg: DecoderConfig, context: int, batch: int, *, prefill_tokens: int = 2048,
                  workspace_bytes: float = 1e9) -> Footprint:
    """Pools of a decoder with a gated MLP in 16 bits that serves `batch` sequences of `context` tokens.

    Activations: the widest moment of one prefill step over `prefill_tokens`, when a layer's MLP holds two tensors of
    width d_ff beside its input and the residual stream. `workspace_bytes` is an assumption, not a count.
    """
    positive(context=context, batch=batch, prefill_tokens=prefill_tokens)
    kv = kv_bytes_per_token(cfg.n_layers, cfg.n_kv_heads, cfg.head_dim) * context * batch
    return Footprint(2 * decoder_params(cfg).total, 2 * prefill_tokens * (2 * cfg.d_ff + 2 * cfg.d_model), kv,
                     workspace_bytes)


# --- activations, from plain data ----------------------------------------------------------------


def peak_live_bytes(order: Sequence[str], inputs: Mapping[str, Sequence[str]], size: Mapping[str, int],
                    outputs: Iterable[str]) -> int:
    """Largest number of live bytes while the operators run in this order."""
    return arena.order_peak(order, TensorGraph.of(inputs, size, outputs))


def best_order(inputs: Mapping[str, Sequence[str]], size: Mapping[str, int],
               outputs: Iterable[str]) -> tuple[list[str], int]:
    """An order with the smallest peak of live bytes, and that peak."""
    return arena.best_order(TensorGraph.of(inputs, size, outputs))


def lifetimes(order: Sequence[str], inputs: Mapping[str, Sequence[str]], size: Mapping[str, int],
              outputs: Iterable[str]) -> dict[str, tuple[int, int, int]]:
    """For every tensor its first step, its last step (included) and its bytes: what `plan_arena` plans."""
    uses = order_uses(order, TensorGraph.of(inputs, size, outputs))
    return {name: (use.first, use.last, use.size) for name, use in uses.items()}


def plan_arena(tensors: Mapping[str, tuple[int, int, int]]) -> tuple[dict[str, int], int]:
    """An offset for every tensor (first step, last step, bytes), and the size of the arena."""
    plan = arena.plan_arena([TensorUse(size, first, last) for first, last, size in tensors.values()])
    return dict(zip(tensors, plan.offsets)), plan.total_bytes


# --- the picture of an arena ----------------------------------------------------------------------


@dataclass(frozen=True)
class Rect:
    """A tensor in the picture: bytes `offset` to `offset + size`, steps `first` to `last`, both included."""

    name: str
    first: int
    last: int
    offset: int
    size: int


PLANNERS: dict[str, Callable[[Sequence[TensorUse]], Plan]] = {
    "bump": plan_naive, "greedy": arena.plan_arena, "optimal": plan_optimal,
}


def memory_tetris(graph: TensorGraph, order: Sequence[str], planner: str = "greedy", batch: int = 1,
                  bytes_per_element: float = 1) -> list[Rect]:
    """The tensors of a graph as rectangles of time and address; sizes in `graph` count elements of one sample.

    planner: "bump" (no byte is used twice), "greedy" (by size) or "optimal" (at most 8 buffers).
    Raises ValueError for another planner.
    """
    if planner not in PLANNERS:
        raise ValueError(f"planner must be one of {', '.join(PLANNERS)}, got {planner!r}")
    positive(batch=batch, bytes_per_element=bytes_per_element)
    uses = {name: replace(use, size=int(use.size * batch * bytes_per_element))
            for name, use in order_uses(order, graph).items()}
    plan = PLANNERS[planner](list(uses.values()))
    return [Rect(name, use.first, use.last, at, use.size) for (name, use), at in zip(uses.items(), plan.offsets)]

"""What one step costs: a roofline for the linear layers, one for attention, the all-reduces, and the host's share.

The two kinds of kernels follow each other, so their bounds add up; within a kind, arithmetic and traffic overlap
perfectly. Every figure is a lower bound: real kernels reach part of both roofs. Left out: norms, softmax, sampling,
writing the KV cache, the latency of an all-reduce.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple, Protocol

from utils.cost.bandwidth.decode import kv_bytes_per_token
from utils.cost.flops.llm import decoder_flops_per_token
from utils.cost.roofline import bound_of
from utils.moe.accounting import decode_bytes_per_step
from utils.serving.llm_simulator.server import Attention, Server

PCIE_GB_S = 31.5  # one direction of PCIe 4.0 x16, for GPUs without NVLink
ACTIVATION_BYTES = 2


class Chunk(NamedTuple):
    """Prompt positions [start, stop) of one request; those below `known` were computed before a preemption."""

    start: int
    stop: int
    known: int = 0


class StepWork(NamedTuple):
    """One step: prompt chunks, decoding requests with the sum of their contexts, and finished ones that only pad."""

    chunks: tuple[Chunk, ...]
    decodes: int
    decode_context: int
    padding: int = 0
    padding_context: int = 0


class StepTime(NamedTuple):
    """Seconds without and with a kernel, and the FLOPs that serve a new token or a new prompt position."""

    host_s: float
    kernel_s: float
    useful_flops: float


class StepCost(Protocol):
    """Anything that can tell what a step takes."""

    def __call__(self, work: StepWork) -> StepTime: ...


class ConstantCost:
    """A step of base_s + per_seq_s · requests in it, whatever they do: chapter 30's model of a step."""

    def __init__(self, base_s: float, per_seq_s: float = 0.0) -> None:
        self.base_s, self.per_seq_s = base_s, per_seq_s

    def __call__(self, work: StepWork) -> StepTime:
        """Time of the step, all of it with a kernel; no FLOPs are counted."""
        rows = len(work.chunks) + work.decodes + work.padding
        return StepTime(0.0, self.base_s + self.per_seq_s * rows, 0.0)


def chunk_elements(start: int, stop: int, d: int, attention: Attention) -> int:
    """Elements that one query head moves for queries [start, stop) over keys [0, stop), besides the keys and values.

    Queries in and outputs out; "standard" also stores and reloads two arrays of scores, S and P. With the keys and
    values, from 0, these are chapter 46's counts for Algorithm 0 and for FlashAttention with one tile of queries:
    what it would move if the caches caught every repeated read.
    """
    n = stop - start
    return 2 * n * d + (4 * n * stop if attention == "standard" else 0)


class RooflineCost:
    """Step times of a server, from its model's FLOPs and bytes and its GPU's data sheet."""

    def __init__(self, server: Server) -> None:
        cfg = self._cfg = server.config
        one = decoder_flops_per_token(cfg, 1)
        self._linear, self._head, self._attention = one.linear, one.head, one.attention
        self._algorithm, self._overhead_s = server.attention, server.overhead_s
        self._tp, self._item_bytes = server.tp, server.weight_bits / 8
        self._peak_gflop_s = server.peak_tflop_s * 1e3                # of all ranks, as are the FLOPs
        self._mem_gb_s = server.spec.mem_gb_s                         # of one rank, as are the bytes
        self._kv_bytes = kv_bytes_per_token(cfg.n_layers, cfg.n_kv_heads, cfg.head_dim, server.kv_bits / 8, server.tp)
        link = server.spec.nvlink_gb_s
        self._link_bytes_s = (link / 2 if link else PCIE_GB_S) * 1e9  # data sheets add up both directions
        self._weights: dict[int, float] = {}

    def __call__(self, work: StepWork) -> StepTime:
        """Time and useful FLOPs of a step."""
        chunk_tokens = sum(c.stop - c.start for c in work.chunks)
        rows = len(work.chunks) + work.decodes + work.padding
        tokens = chunk_tokens + work.decodes + work.padding
        seen = sum(_positions(c.start, c.stop) for c in work.chunks)
        flops = tokens * self._linear + rows * self._head
        attention = self._attention * (seen + work.decode_context + work.padding_context)
        _, linear_us = bound_of(flops, self._weight_bytes(tokens), self._peak_gflop_s, self._mem_gb_s, 0)
        _, attention_us = bound_of(attention, self._attention_bytes(work), self._peak_gflop_s, self._mem_gb_s, 0)
        kernel_s = (linear_us + attention_us) / 1e6 + self._all_reduce_s(tokens)
        return StepTime(self._overhead_s, kernel_s, self._useful(work))

    def _weight_bytes(self, tokens: int) -> float:
        """Bytes of weights that one rank reads: all of a dense model, the touched experts of a sparse one."""
        if tokens not in self._weights:
            self._weights[tokens] = decode_bytes_per_step(self._cfg, tokens, self._item_bytes) / self._tp
        return self._weights[tokens]

    def _attention_bytes(self, work: StepWork) -> float:
        heads = ceil(self._cfg.n_heads / self._tp) * self._cfg.n_layers
        moved = sum(chunk_elements(c.start, c.stop, self._cfg.head_dim, self._algorithm) for c in work.chunks)
        keys = sum(c.stop for c in work.chunks) + work.decode_context + work.padding_context
        return moved * heads * ACTIVATION_BYTES + keys * self._kv_bytes

    def _all_reduce_s(self, tokens: int) -> float:
        """Two ring all-reduces a layer of tokens · d_model values: 2 (P − 1) / P of them cross each link."""
        values = 2 * self._cfg.n_layers * tokens * self._cfg.d_model
        return 2 * (self._tp - 1) / self._tp * values * ACTIVATION_BYTES / self._link_bytes_s

    def _useful(self, work: StepWork) -> float:
        new = [(max(c.start, c.known), c.stop) for c in work.chunks if c.stop > c.known]
        tokens = sum(stop - start for start, stop in new) + work.decodes
        seen = sum(_positions(start, stop) for start, stop in new) + work.decode_context
        return tokens * self._linear + (len(new) + work.decodes) * self._head + seen * self._attention


def _positions(start: int, stop: int) -> int:
    """Positions that queries start + 1 … stop attend to, together."""
    return (stop * (stop + 1) - start * (start + 1)) // 2

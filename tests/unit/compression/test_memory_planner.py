"""Pools and techniques, and the planners on plain data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.memory_planner import (
    POOL_FACTORS,
    TECHNIQUES,
    Footprint,
    apply_technique,
    best_order,
    lifetimes,
    llm_footprint,
    memory_tetris,
    peak_live_bytes,
    plan_arena,
    pool_after,
)
from utils.cost.arena import TensorGraph
from utils.cost.params import LLAMA3_8B, effective_bits

READS = {"a": ["x"], "b": ["x"], "c": ["a"], "d": ["b"], "y": ["c", "d"]}
SIZE = {"x": 4, "a": 10, "b": 10, "c": 1, "d": 1, "y": 2}
WHOLE = Footprint(16e9, 1e9, 8e9, 2e9)
OPTIONS = {"quantize_weights": {"bits": 4.15625}, "quantize_activations": {"bits": 8}, "quantize_kv": {"bits": 8},
           "unstructured_prune": {"sparsity": 0.5}, "structured_prune": {"keep": 0.5}, "tie_embeddings": {"bytes": 1e9},
           "halve_batch": {}, "arena": {"peak": 3e8}, "mmap": {"resident": 0.25}}
EXPECTED = {  # weights, activations, KV cache in GB, by hand
    "quantize_weights": (4.15625, 1, 8), "quantize_activations": (16, 0.5, 8), "quantize_kv": (16, 1, 4),
    "unstructured_prune": (16, 1, 8), "structured_prune": (4, 0.5, 8), "tie_embeddings": (15, 1, 8),
    "halve_batch": (16, 0.5, 4), "arena": (16, 0.3, 8), "mmap": (4, 1, 8)}


@pytest.mark.parametrize("name", TECHNIQUES)
def test_each_technique_shrinks_its_own_pools(name):
    after = apply_technique(WHOLE, name, **OPTIONS[name])
    assert (after.weights_bytes, after.activation_bytes, after.kv_bytes) == pytest.approx([g * 1e9 for g in EXPECTED[name]])
    assert after.workspace_bytes == 2e9 and Footprint(16e9, 1e9, 8e9, 2e9) == WHOLE
    assert after.as_dict()["total_bytes"] == after.total_bytes == pytest.approx(sum(EXPECTED[name]) * 1e9 + 2e9)


def test_csr_breaks_even_at_two_thirds_of_zeros():
    sparse = [apply_technique(WHOLE, "unstructured_prune", sparsity=s, fmt="csr").weights_bytes for s in (0.5, 2 / 3, 0.9)]
    assert sparse[0] > 16e9 and sparse[1] == pytest.approx(16e9) and sparse[2] == pytest.approx(4.8e9)


def test_an_arena_never_adds_memory():
    assert apply_technique(WHOLE, "arena", peak=5e9) == WHOLE


@pytest.mark.parametrize(("name", "options", "word"), [
    ("distil", {}, "unknown technique"), ("quantize_kv", {"bits": 0}, "bits must be positive"),
    ("unstructured_prune", {"sparsity": 1.5}, "sparsity must be between"), ("structured_prune", {"keep": -1}, "keep must"),
    ("unstructured_prune", {"sparsity": 0.5, "fmt": "coo"}, "fmt must be"), ("tie_embeddings", {"bytes": 17e9}, "part of"),
    ("arena", {"peak": -1}, "peak must not"), ("mmap", {"resident": 2}, "resident must")])
def test_what_is_refused(name, options, word):
    with pytest.raises(ValueError, match=word):
        apply_technique(WHOLE, name, **options)


def test_pool_after_agrees_with_the_techniques():
    pools = {"weights": 14e9, "activations": 1e9, "kv": 8e9}
    fp = Footprint(*pools.values())
    same = {"w4_g128": [("quantize_weights", {"bits": effective_bits(4, 128, 16, 4)})],
            "w8a8": [("quantize_weights", {"bits": 8}), ("quantize_activations", {"bits": 8})],
            "prune50_dense": [("unstructured_prune", {"sparsity": 0.5})], "prune50_channels": [("structured_prune", {"keep": 0.5})],
            "gqa4": [("quantize_kv", {"bits": 4})], "batch_half": [("halve_batch", {})]}
    assert same.keys() == POOL_FACTORS.keys()
    for technique, steps in same.items():
        after = fp
        for name, options in steps:
            after = apply_technique(after, name, **options)
        assert list(pool_after(pools, technique).values()) == [after.weights_bytes, after.activation_bytes, after.kv_bytes]
    assert pools == {"weights": 14e9, "activations": 1e9, "kv": 8e9}
    with pytest.raises(ValueError, match="technique must be one of"):
        pool_after(pools, "w2")


# Bits a weight of published block formats: ggml's q4_0 has 18 bytes for 32 weights (ggml-common.h, block_q4_0), OCP MX
# v1.0's MXFP4 an 8-bit scale for 32 of 4 bits, NVFP4 an 8-bit scale for 16 of 4 bits (its tensor-wide scale left out).
@pytest.mark.parametrize(("bits", "arguments"), [(4.15625, (4, 128, 16, 4)), (18 * 8 / 32, (4, 32, 16)), (4.25, (4, 32, 8)),
                                                 (4.5, (4, 16, 8))])
def test_effective_bits_of_published_formats(bits, arguments):
    assert effective_bits(*arguments) == bits


def test_the_example_graph_on_plain_data():
    assert peak_live_bytes(list("abcdy"), READS, SIZE, ["y"]) == 24
    order, peak = best_order(READS, SIZE, ["y"])
    assert peak == 15 == peak_live_bytes(order, READS, SIZE, ["y"])
    with pytest.raises(ValueError, match="after what it reads"):
        peak_live_bytes(list("cabdy"), READS, SIZE, ["y"])
    lives = lifetimes(list("acbdy"), READS, SIZE, ["y"])
    assert lives == {"x": (0, 2, 4), "a": (0, 1, 10), "c": (1, 4, 1), "b": (2, 3, 10), "d": (3, 4, 1), "y": (4, 4, 2)}
    offsets, arena_bytes = plan_arena(lives)
    assert offsets.keys() == lives.keys() and arena_bytes == 15


def test_plan_arena_on_plain_data():
    offsets, arena_bytes = plan_arena({"a": (0, 1, 10), "b": (1, 2, 20), "c": (2, 3, 10), "d": (3, 4, 5)})
    assert arena_bytes == 30 and offsets == {"a": 20, "b": 0, "c": 20, "d": 0}
    assert plan_arena({}) == ({}, 0)


@given(st.sampled_from(["bump", "greedy", "optimal"]), st.integers(1, 4), st.sampled_from([1, 2, 4]))
def test_rectangles_never_overlap(planner, batch, item):
    graph = TensorGraph.of(READS, SIZE, ["y"])
    rects = memory_tetris(graph, list("abcdy"), planner, batch, item)
    grid = np.zeros((5, sum(SIZE.values()) * batch * item), int)
    for r in rects:
        assert r.size == SIZE[r.name] * batch * item
        grid[r.first : r.last + 1, r.offset : r.offset + r.size] += 1
    assert grid.max() == 1
    top = max(r.offset + r.size for r in rects)
    assert top == {"bump": 28, "greedy": 24, "optimal": 24}[planner] * batch * item


def test_rectangles_refuse():
    graph = TensorGraph.of(READS, SIZE, ["y"])
    with pytest.raises(ValueError, match="planner must be one of bump, greedy, optimal"):
        memory_tetris(graph, list("abcdy"), "best")
    with pytest.raises(ValueError, match="batch must be positive"):
        memory_tetris(graph, list("abcdy"), batch=0)


def test_pools_of_an_8b_model():
    fp = llm_footprint(LLAMA3_8B, 8192, 2)
    assert fp.weights_bytes == 2 * 8_030_261_248 and fp.kv_bytes == 2 * 2 * 32 * 8 * 128 * 8192 * 2
    assert fp.activation_bytes == 2048 * (14336 + 14336 + 4096 + 4096) * 2 and fp.workspace_bytes == 1e9
    with pytest.raises(ValueError, match="context must be positive"):
        llm_footprint(LLAMA3_8B, 0, 1)

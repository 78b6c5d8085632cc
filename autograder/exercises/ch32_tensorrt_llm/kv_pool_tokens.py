"""Exercise 32.kv_pool_tokens: how many tokens of KV cache fit on the GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from utils.engines.tensorrt_llm import pool as room

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

_LLAMA8, _LLAMA70 = (32, 8, 128), (80, 8, 128)  # layers, KV heads, head size
_HEADS: dict[str, Callable[[int, int], float]] = {
    "replicated": lambda heads, tp: max(1, heads // tp),
    "fraction": lambda heads, tp: heads / tp,
    "all": lambda heads, tp: heads,
}


def _tokens(gpu_gb: float, params_b: float, bytes_per_param: float, act_gb: float, layers: int, kv_heads: int, head_dim: int,
            tp: int = 1, fraction: float = 0.9, block: int = 32, kv_itemsize: float = 2, *, heads: str = "replicated",
            per_token: int = 2, item: float | None = None, weights_split: bool = True, act_split: bool = False,
            of: str = "free", gb: float = 1e9, per_rank: bool = True, cut: str = "down",
            checked: tuple[str, ...] = ("fits", "fraction", "heads")) -> int:
    """An answer with one mistake; with its defaults it is right (blocks first)."""
    if "fraction" in checked and not 0 < fraction <= 1:
        raise ValueError("fraction must be in (0, 1]")
    if "heads" in checked and kv_heads % tp != 0 and tp % kv_heads != 0:
        raise ValueError("tp and kv_heads do not fit together")
    weights = params_b * bytes_per_param / (tp if weights_split else 1)
    act = act_gb / tp if act_split else act_gb
    if "fits" in checked and weights + act > gpu_gb:
        raise ValueError("the weights do not fit")
    pool = {"free": (gpu_gb - weights - act) * fraction, "total": gpu_gb * fraction - weights - act,
            "weights": (gpu_gb - weights) * fraction - act, "nothing": gpu_gb - weights - act,
            "no activations": (gpu_gb - weights) * fraction}[of] * gb
    token = per_token * layers * _HEADS[heads](kv_heads, tp) * head_dim * (kv_itemsize if item is None else item)
    blocks = pool / (token * block)
    whole = {"down": math.floor, "up": math.ceil, "nearest": round}
    tokens = int(blocks * block) if cut == "tokens" else block * whole[cut](blocks)
    return max(0, tokens) * (1 if per_rank else tp)


def _tokens_then_floor(gpu_gb, params_b, bytes_per_param, act_gb, layers, kv_heads, head_dim, tp=1, fraction=0.9, block=32,
                       kv_itemsize=2):
    """In bytes, with the remainder taken off at the end."""
    free = gpu_gb * 1e9 - act_gb * 1e9 - params_b * 1e9 * bytes_per_param / tp
    if free < 0 or fraction <= 0 or fraction > 1 or (kv_heads % tp and tp % kv_heads):
        raise ValueError("not a deployment")
    tokens = int(free * fraction // (2 * layers * -(-kv_heads // tp) * head_dim * kv_itemsize))
    return tokens - tokens % block


def _in_mebibytes(gpu_gb, params_b, bytes_per_param, act_gb, layers, kv_heads, head_dim, tp=1, fraction=0.9, block=32,
                  kv_itemsize=2):
    """Heads as the larger of a share and one; NumPy throughout."""
    if not (0 < fraction <= 1) or min(kv_heads % tp, tp % kv_heads) != 0:
        raise ValueError("bad fraction or tp")
    own_heads = kv_heads // tp if tp <= kv_heads else 1
    left = np.float64(gpu_gb) - act_gb - np.float64(params_b) * bytes_per_param / tp
    if left < 0:
        raise ValueError("too large")
    per_block = np.prod([2.0, layers, own_heads, head_dim, kv_itemsize, block])
    return int(np.floor(fraction * left * 1e9 / per_block)) * block


def _far_from_a_border(case: Case) -> bool:
    """Whether rounding in floating point can't move the number of blocks."""
    try:
        blocks = room.kv_pool_tokens(*case.args, **{**case.kwargs, "block": 1}) / case.kwargs.get("block", 32)
    except ValueError:
        return False
    return blocks > 20 and 0.1 < blocks % 1 < 0.9


def _draw(rng: np.random.Generator) -> Case:
    while True:
        layers, heads, size = (_LLAMA8, _LLAMA70, (40, 40, 128), (28, 4, 128))[int(rng.integers(4))]
        options = {"tp": int(rng.choice([1, 2, 4, 8, 16])), "fraction": float(rng.choice([0.5, 0.75, 0.9, 1.0])),
                   "block": int(rng.choice([16, 32, 64])), "kv_itemsize": int(rng.choice([1, 2]))}
        case = Case(int(rng.choice([24, 48, 80, 141])), int(rng.integers(4, 90)), int(rng.choice([1, 2])), int(rng.integers(1, 8)),
                    layers, heads, size, **{k: v for k, v in options.items() if rng.random() < 0.8})
        if _far_from_a_border(case):
            return case


def _wrong(**mistake) -> dict:
    """`answer` and `also` of one mistake, with the refusals and without."""
    return {"answer": partial(_tokens, **mistake), "also": (partial(_tokens, **mistake, checked=()),)}


_EIGHT = (80, 8.03, 2, 2, *_LLAMA8)
kv_pool_tokens = Exercise(
    id="32.kv_pool_tokens", points=3, difficulty=1, minutes=8, idea="the KV pool is a share of what weights leave, in whole blocks",
    reference=room.kv_pool_tokens,
    cases=[Case(*_EIGHT), Case(80, 70, 2, 4, *_LLAMA70, tp=4), Case(80, 70, 2, 4, *_LLAMA70, tp=16)],
    hidden=[
        Case(80, 70, 2, 4, *_LLAMA70, tp=8), Case(*_EIGHT, kv_itemsize=1), Case(*_EIGHT, fraction=1.0),
        Case(*_EIGHT, fraction=0.5), Case(*_EIGHT, block=64), Case(141, 70, 1, 5, *_LLAMA70, tp=2, fraction=0.85, block=16),
        Case(24, 7, 2, 1, 32, 32, 128), Case(24, 7, 2, 1, 32, 32, 128, tp=2), Case(48, 9, 2, 2, 28, 4, 128, tp=8),
        Case(80, 38, 2, 4, *_LLAMA8), Case(24, 8, 2, 7, *_LLAMA8, block=4096),
    ],
    draw=_draw, draws=25,
    raises=[Case(80, 70, 2, 4, *_LLAMA70), Case(80, 76, 1, 4.5, *_LLAMA8), Case(80, 8, 2, 90, *_LLAMA8),
            Case(*_EIGHT, fraction=0), Case(*_EIGHT, fraction=1.5), Case(*_EIGHT, fraction=-0.5),
            Case(*_EIGHT, tp=3), Case(*_EIGHT, tp=12)],
    compare=exact(),
    misconceptions=[
        Misconception(
            "keys_only", **_wrong(per_token=1),
            message="Your tokens take half of what they need. Each layer keeps a key *and* a value for every KV head.",
            title="Keys or values are missing."),
        Misconception(
            "weights_whole", **_wrong(weights_split=False),
            message="You subtract the whole model from each GPU. With tensor parallelism a rank holds 1/tp of the weights.",
            title="The weights are shared out."),
        Misconception(
            "heads_without_end", **_wrong(heads="fraction"),
            message="With 16 GPUs and 8 KV heads you give each GPU half a head. A head is not cut: beyond one head a GPU the heads "
                    "are copied, so the bytes of a token stop shrinking.",
            title="Half a head."),
        Misconception(
            "heads_whole", **_wrong(heads="all"),
            message="Your ranks keep all KV heads of each token. A rank needs only its own share of them.",
            title="The heads are shared out too."),
        Misconception(
            "fraction_of_total", **_wrong(of="total"),
            message="You take the fraction of the whole GPU and subtract the weights from it. The runtime loads the weights first, "
                    "and takes its fraction of what is then *free*.",
            title="A fraction of which memory?"),
        Misconception(
            "activations_outside", **_wrong(of="weights"),
            message="You take the fraction before the activations are subtracted. What is free is the memory without weights and "
                    "without activations.",
            title="The activations come off first.", ),
        Misconception(
            "no_fraction", **_wrong(of="nothing"),
            message="All that is free becomes KV cache in your answer. Only `fraction` of it does.",
            title="The fraction is not used."),
        Misconception(
            "no_activations", **_wrong(of="no activations"),
            message="Activations take memory as well, on each GPU. Subtract them with the weights.",
            title="The activations are missing."),
        Misconception(
            "activations_split", **_wrong(act_split=True),
            message="`act_gb` is already the figure of one GPU. You divide it by tp once more.",
            title="Activations are per GPU."),
        Misconception(
            "times_tp", **_wrong(per_rank=False),
            message="You add up the tokens of all ranks. But each rank holds *its heads of the same tokens*: what one rank can hold "
                    "is what the deployment can hold.",
            title="The same tokens, counted tp times."),
        Misconception(
            "part_of_a_block", **_wrong(cut="tokens"),
            message="Your result is no multiple of `block`. Memory is handed out in whole blocks, and the rest is not used.",
            title="Blocks are whole."),
        Misconception(
            "rounded_up", **_wrong(cut="nearest"),
            message="You round the number of blocks up. A block that does not fit does not exist.",
            title="Round down.",
            ),
        Misconception(
            "binary_gb", **_wrong(gb=2**30),
            message="A GB is 1e9 bytes here, as on a data sheet. You took 2^30.",
            title="GB, not GiB."),
        Misconception(
            "always_two_bytes", **_wrong(item=2),
            message="An FP8 cache has 1 byte a value, and your answer does not change with `kv_itemsize`.",
            title="The cache's own data type."),
        Misconception(
            "unchecked", partial(_tokens, checked=()),
            "The numbers are right. But a model that does not fit, a fraction outside (0, 1] or a tp that fits no split of the heads "
            "gets a number, too. Raise ValueError.",
            "Impossible deployments get a number.",
            also=(partial(_tokens, checked=("fits",)), partial(_tokens, checked=("fraction",)), partial(_tokens, checked=("heads",)),
                  partial(_tokens, checked=("fits", "fraction")), partial(_tokens, checked=("fits", "heads")),
                  partial(_tokens, checked=("fraction", "heads")))),
    ],
    alternatives=[_tokens, _tokens_then_floor, _in_mebibytes],
    hints=(
        "Free on one GPU: its memory - weights / tp - activations. Multiply that by the fraction.",
        "A token takes 2 · layers · heads · head_dim · bytes on a rank, where a rank has max(1, kv_heads // tp) heads.",
        "Divide by the bytes of a block, round down, and multiply by the tokens of a block.",
    ),
    worth_knowing="Doubling the GPUs of a model that just fits more than doubles the tokens: the pool of a GPU grows, and the bytes per token on it shrink, as "
                  "long as tp <= kv_heads.",
)

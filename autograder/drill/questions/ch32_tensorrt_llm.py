"""Drill questions of chapter 32: TensorRT-LLM."""

from __future__ import annotations

from ..question import Choice, Numeric, Open

# name, layers, query heads, KV heads, head size, d_model: the published configurations
_MODELS = (("Llama-3-8B", 32, 32, 8, 128, 4096), ("Llama-3-70B", 80, 64, 8, 128, 8192), ("Mistral-7B", 32, 32, 8, 128, 4096),
           ("Llama-2-7B", 32, 32, 32, 128, 4096))


def _model(rng):
    return dict(zip(("name", "layers", "heads", "kv_heads", "size", "d"), _MODELS[int(rng.integers(len(_MODELS)))]))


def _draw_kv(rng):
    dtype, item = (("BF16", 2), ("FP8", 1))[int(rng.integers(2))]
    return {**_model(rng), "dtype": dtype, "item": item, "tp": int(rng.choice([2, 4, 8, 16]))}


def _kv(v, heads=None):
    return 2 * v["layers"] * (max(1, v["kv_heads"] // v["tp"]) if heads is None else heads) * v["size"] * v["item"]


def _draw_reduce(rng):
    return {**_model(rng), "tp": int(rng.choice([2, 4, 8])), "tokens": int(rng.choice([1, 16, 64, 256, 1024]))}


def _reduce(v, factor=None):
    return v["layers"] * 2 * (2 * (v["tp"] - 1) / v["tp"] if factor is None else factor) * v["tokens"] * v["d"] * 2 / 1e6


def _draw_speculation(rng):
    return {"alpha": float(rng.choice([0.6, 0.7, 0.8, 0.9])), "gamma": int(rng.integers(2, 7)), "cost": float(rng.choice([0.05, 0.1, 0.2]))}


def _tokens(v):
    return (1 - v["alpha"] ** (v["gamma"] + 1)) / (1 - v["alpha"])


QUESTIONS = [
    Numeric(
        "32.kv_bytes_of_a_rank", 1, "{name} has {layers} layers, {heads} query heads and {kv_heads} key/value heads of size {size}. It runs with tensor "
        "parallelism on {tp} GPUs, the cache in {dtype}. How many bytes of KV cache does one token take on one GPU?",
        _draw_kv, _kv,
        "2 (keys and values) × {layers} layers × max(1, {kv_heads} / {tp}) heads × {size} × {item} B = {answer} B.",
        unit="B", traps=(
            (lambda v: _kv(v) / 2, "That is the keys or the values. Both are cached."),
            (lambda v: _kv(v, v["kv_heads"]), "That is the whole token. A GPU holds its share of the KV heads."),
            (lambda v: _kv(v, v["kv_heads"] / v["tp"]), "A head is not cut. With more GPUs than KV heads each GPU holds a copy of one head."),
            (lambda v: _kv(v, v["heads"] / v["tp"]), "Query heads are not cached: the number of KV heads counts."))),
    Numeric(
        "32.all_reduce_bytes", 2, "{name} ({layers} layers, d_model {d}) runs on {tp} GPUs with tensor parallelism, in BF16. Tokens in a forward pass: {tokens}. "
        "How many MB (1e6 bytes) does each GPU send, with ring all-reduces?",
        _draw_reduce, _reduce,
        "Two all-reduces a layer, one after attention and one after the MLP, and each sends 2({tp} − 1)/{tp} times {tokens} × {d} values of 2 bytes: "
        "{answer} MB.",
        unit="MB", rtol=0.01, traps=(
            (lambda v: _reduce(v) / 2, "There are two all-reduces a layer: one after attention, one after the MLP."),
            (lambda v: _reduce(v, 1.0), "A ring all-reduce sends 2(P − 1)/P times the data: once around to sum, once around to copy."),
            (lambda v: _reduce(v, 2.0), "A GPU keeps its own chunk: 2(P − 1)/P, not 2."))),
    Numeric(
        "32.expected_tokens", 2, "A draft model proposes {gamma} tokens a step, and each is accepted with probability {alpha}, independently. How many tokens does a "
        "verification step yield on average?",
        _draw_speculation, _tokens,
        "1 + α + α² + … + α^γ = (1 − α^(γ+1)) / (1 − α) with α = {alpha} and γ = {gamma}: {answer}. The first 1 is the token that the target gives in any case.",
        rtol=0.005, traps=(
            (lambda v: v["alpha"] * v["gamma"], "After a rejection all later drafts are lost, and the target adds a token of its own."),
            (lambda v: 1 + v["alpha"] * v["gamma"], "A draft counts only if all before it were accepted as well."),
            (lambda v: _tokens(v) - 1, "That is the accepted drafts. The target adds one token in any case."))),
    Numeric(
        "32.speculative_speedup", 3, "Speculative decoding at batch 1: {gamma} drafts a step, each accepted with probability {alpha}; a draft costs {cost} of a target "
        "pass. How many times as fast is that as decoding without drafts?",
        _draw_speculation, lambda v: _tokens(v) / (v["gamma"] * v["cost"] + 1),
        "Expected tokens (1 − α^(γ+1)) / (1 − α) over the cost of a step, {gamma} × {cost} + 1 passes: {answer}.",
        rtol=0.005, traps=(
            (_tokens, "The drafts cost something, too: a step takes γ passes of the draft model and one of the target."),
            (lambda v: _tokens(v) / (v["gamma"] * v["cost"]), "The target's own pass belongs to the cost of a step."))),
    Choice(
        "32.serve_today", 1, "How is a Hugging Face model served with TensorRT-LLM as of August 2026?", "trtllm-serve or the LLM API; no engine is built",
        (("examples/llama/build.py, then run.py", "That is release 0.5 to 0.7, of 2023."),
         ("convert_checkpoint.py, trtllm-build, then run.py", "That came with 0.8, and was removed in mid-2026 with the whole engine backend."),
         ("trtexec --onnx", "trtexec builds TensorRT engines from ONNX. TensorRT-LLM never worked that way.")),
        "PyTorch is the only backend. Hugging Face checkpoints load directly."),
    Choice(
        "32.mlp_all_reduces", 2, "W_gate and W_up are split by columns, W_down by rows. How many all-reduces does the MLP need in a forward pass?", "1",
        (("0", "Each rank ends with a partial sum over its hidden units. Those have to be added."),
         ("2", "Between the two matrices nothing is exchanged: a rank's hidden values are complete, and it holds just the rows that they meet."),
         ("d_ff", "The hidden values stay where they are.")),
        "Columns first: complete hidden values. Rows second: partial outputs, summed once."),
    Choice(
        "32.no_evict_reserves", 2, "What does GUARANTEED_NO_EVICT count for a request when it decides whether to start it?", "Blocks for prompt + max_new_tokens",
        (("Blocks for the prompt", "Then running requests could outgrow the pool, and one would have to be paused."),
         ("Blocks for the length that the answer will have", "Nobody knows that length before the answer has ended."),
         ("One block", "That would guarantee nothing.")),
        "Only the upper limit is known. So a client that always sends a large limit makes the pool look full."),
    Choice(
        "32.why_exact", 3, "Speculative decoding with sampling: after a rejection, from which distribution is the next token sampled?",
        "max(0, p_target − p_draft), normalised",
        (("p_target", "Tokens that the draft likes already came through by acceptance. They would come twice."),
         ("p_draft", "Then the output would lean to the draft model."),
         ("The most likely token of p_target", "That is greedy decoding. It is not the distribution that was asked for.")),
        "Acceptance brings min(p, q) of each token. What is missing to q is max(0, q − p)."),
    Open(
        "32.slow_tp8", 3, "A model runs on one server with tensor parallelism 8 over PCIe, and each token takes longer than with tensor parallelism 2. Why, and what would "
        "you try?",
        ("Two all-reduces a layer, at every token: their number does not shrink with more GPUs",
         "In decoding the messages are small, so the latency of each all-reduce counts, not the bandwidth",
         "Each GPU's matrices become narrow, and kernels stop using the GPU well",
         "With more ranks than KV heads the cache is copied, so memory gains end",
         "Use 2 GPUs a replica and four replicas (data parallel), or pipeline parallelism across the slow link; or NVLink"),
        "Every layer ends twice in an all-reduce, and over PCIe each costs tens of microseconds whatever its size. With 80 layers that is paid 160 times a token. What is "
        "saved is reading weights: an eighth on each GPU instead of a half. With a slow link the waiting takes more than that, and the slices get too narrow for good kernels. I would keep tensor parallelism inside "
        "the group with fast links, as small as the model's memory allows, and use the other GPUs as replicas or as pipeline stages."),
]

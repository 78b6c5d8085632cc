"""Drill questions of chapter 45: PagedAttention."""

from __future__ import annotations

from math import ceil, floor

from ..question import Choice, Numeric, Open

# name, layers, query heads, KV heads, head_dim: the published configurations
_MODELS = (("OPT-13B", 40, 40, 40, 128), ("Llama-2-7B", 32, 32, 32, 128), ("Llama-3-8B", 32, 32, 8, 128),
           ("Llama-3-70B", 80, 64, 8, 128), ("Mistral-7B", 32, 32, 8, 128))
_DTYPES = (("FP16", 2), ("FP8", 1), ("BF16", 2))


def _draw_kv_bytes(rng):
    name, layers, heads, kv_heads, head_dim = _MODELS[int(rng.integers(len(_MODELS)))]
    dtype, size = _DTYPES[int(rng.integers(len(_DTYPES)))]
    return {"name": name, "layers": layers, "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim, "dtype": dtype, "size": size,
            "each": "1 byte" if size == 1 else f"{size} bytes"}


def _kv_bytes(v):
    return 2 * v["layers"] * v["kv_heads"] * v["head_dim"] * v["size"]


def _draw_capacity(rng):
    gpu, weights, kv = ((80, 16, 131_072), (80, 26, 819_200), (40, 16, 131_072), (141, 70, 327_680))[int(rng.integers(4))]
    return {"gpu": gpu, "weights": weights, "kv": kv, "tokens": int(rng.integers(10, 80)) * 10, "block": int(rng.choice([16, 32, 64]))}


def _pool_bytes(v):
    return (0.9 * v["gpu"] - v["weights"]) * 1e9


def _held(v):
    return ceil(v["tokens"] / v["block"]) * v["block"]


def _draw_sharing(rng):
    block = int(rng.choice([8, 16, 32]))
    prompt = int(rng.integers(2, 9)) * block + int(rng.integers(1, block))
    v = {"p": prompt, "n": int(rng.integers(2, 7)), "o": int(rng.integers(3, 20)) * 10 + 1, "b": block}
    return v | {"full": prompt // block, "each": ceil((prompt + v["o"]) / block)}


def _shared_blocks(v):
    full = v["p"] // v["b"]
    return full + v["n"] * (ceil((v["p"] + v["o"]) / v["b"]) - full)


QUESTIONS = [
    Numeric(
        "45.kv_bytes", 1, "{name} has {layers} layers, {heads} query heads and {kv_heads} key/value heads of size {head_dim}. How many "
        "bytes of KV cache does one token take in {dtype}?",
        _draw_kv_bytes, _kv_bytes,
        "2 (keys and values) × {layers} layers × {kv_heads} KV heads × {head_dim} × {each} = {answer} bytes. Query heads are not cached.",
        unit="B", traps=(
            (lambda v: _kv_bytes(v) / 2, "That is the keys or the values. Both are cached."),
            (lambda v: _kv_bytes(v) // v["kv_heads"] * v["heads"], "Queries are not cached: the number of key/value heads counts."),
            (lambda v: _kv_bytes(v) / v["layers"], "That is one layer. Each layer has a cache of its own."))),
    Numeric(
        "45.capacity", 2, "A GPU has {gpu} GB, of which 90 % may be used. The weights take {weights} GB, and the rest is one paged KV cache "
        "({kv:,} bytes a token, blocks of {block} tokens). Each sequence has {tokens} tokens. About how many sequences fit at once?",
        _draw_capacity, lambda v: floor(floor(_pool_bytes(v) / v["kv"] / v["block"]) / (_held(v) / v["block"])),
        "0.9 × {gpu} GB − {weights} GB is the pool. A sequence holds ceil({tokens} / {block}) blocks of {block} × {kv:,} bytes. The pool holds {answer} of them.",
        rtol=0.02, atol=1, traps=(
            (lambda v: 0.9 * v["gpu"] * 1e9 / v["kv"] / _held(v), "The weights stay in memory too. Subtract them first."),
            (lambda v: (v["gpu"] - v["weights"]) * 1e9 / v["kv"] / _held(v), "Only 90 % of the memory may be used."),
            (lambda v: _pool_bytes(v) / v["kv"] / 2048, "No maximum length is reserved: a sequence holds the blocks that its tokens need."),
            (lambda v: _pool_bytes(v) / v["kv"], "That is the number of tokens, not of sequences."))),
    Numeric(
        "45.shared_blocks", 2, "A prompt of {p} tokens is sampled {n} times in parallel. Every sample has written {o} tokens. Blocks hold {b} tokens, and "
        "what can be shared by copy-on-write is shared. How many physical blocks are in use?",
        _draw_sharing, _shared_blocks,
        "The prompt's {p} // {b} = {full} full blocks exist once. A sample has {each} blocks; those beyond the full ones, the copied tail included, exist {n} times: {full} + {n} · ({each} − {full}) = {answer}.",
        traps=((lambda v: v["n"] * ceil((v["p"] + v["o"]) / v["b"]), "That is without sharing: the prompt's full blocks exist once."),
               (lambda v: ceil(v["p"] / v["b"]) + v["n"] * ceil(v["o"] / v["b"]),
                "The prompt's last block is partly filled, and the samples write to it: each has its own copy. Their tokens begin in that block, not in a new one."),
               (lambda v: ceil(v["p"] / v["b"]) + v["n"] * (ceil((v["p"] + v["o"]) / v["b"]) - ceil(v["p"] / v["b"])),
                "The prompt's last block is only partly filled. Each sample writes to it, so each has its own copy."))),
    Choice(
        "45.removes", 1, "What does paging remove from a KV cache?", "External fragmentation and the reservation of a maximum length",
        (("Arithmetic of attention", "Each token still attends to all tokens before it. The number of FLOPs is the same."),
         ("Internal fragmentation", "It stays, in the last block of each sequence. It is only smaller: half a block on average."),
         ("The need for a KV cache", "The cache is the same. Only where its slots lie is different.")),
        "All blocks have one size, so any free block fits, and blocks are taken when they are needed."),
    Choice(
        "45.fork_copies", 2, "A sequence of 43 tokens lies in blocks of 4. Two children are forked from it and the parent is freed. Then both children append one token. "
        "How many blocks are copied?", "1",
        (("0", "43 tokens fill 10 blocks and 3 slots of the 11th. Both want to write into that one."),
         ("2", "The first writer copies. Then the other is the block's only owner and writes in place."),
         ("11", "Full blocks are never written again, so they stay shared. Only the partly filled one is copied.")),
        "Of n owners of a partly filled tail, n − 1 copy it: here one."),
    Choice(
        "45.why_faster", 2, "Why does throughput rise when the KV cache is paged?", "More sequences share each pass over the weights",
        (("The attention kernel is faster", "It is slower: 20–26 % in the paper's measurement, since it reads through the table."),
         ("There are fewer FLOPs per token", "The arithmetic of a token is the same."),
         ("The cache has fewer bits per number", "That is quantization. Paging does not change the numbers.")),
        "Decoding reads all weights in every step. With less waste the batch is larger, and the reading is shared by more tokens."),
    Choice(
        "45.exhausted", 3, "All blocks are taken and a running request needs one more. What does a scheduler like vLLM's do?",
        "It preempts the newest request, and later recomputes its cache (or swaps it in)",
        (("It stops with an out-of-memory error", "Running out is expected, since output lengths are unknown at admission. It is handled by preemption."),
         ("It evicts the oldest request", "First come, first served: the oldest is nearest to its end and has waited longest."),
         ("It makes the blocks smaller", "The block size is fixed when the pool is laid out.")),
        "Blocks of a request are needed all together or not at all, so a whole request goes. Recomputing takes one prefill over prompt and written tokens."),
    Open(
        "45.block_size", 3, "How would you choose the block size of a paged KV cache?",
        ("Waste: about (B − 1)/2 slots a sequence, so compare B with the length of your requests",
         "Kernel and table: small blocks give more table entries and less parallel reading; 16 or more",
         "Prefix sharing works on full blocks: smaller ones share more",
         "Look at the real distribution of lengths, not at its mean",
         "Blocks are also the unit of hashing, swapping and transfer to other machines"),
        "A sequence wastes about half a block, so the block has to be small beside a typical request. Very small blocks make the kernel slow and the tables long. Full blocks are "
        "what prefix caching shares, so smaller ones share more. The paper found 16 to 128 good on long chats, 16 and 32 on short ones, and took 16. I would "
        "measure on my own lengths, and remember that blocks are also what is hashed, swapped and sent."),
]

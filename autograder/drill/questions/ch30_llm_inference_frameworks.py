"""Drill questions of chapter 30: LLM inference frameworks."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_weights(rng):
    return {"b": int(rng.choice([3, 7, 13, 30, 34, 65, 72, 175, 180])), "bits": int(rng.choice([4, 8, 16]))}


def _draw_bound(rng):
    return {"gb": int(rng.choice([8, 14, 16, 26, 35, 70])), "bw": int(rng.choice([864, 1008, 1555, 2039, 3350, 4800])),
            "batch": int(rng.choice([2, 4, 8, 16]))}


def _draw_offload(rng):
    return {"gb": int(rng.choice([60, 80, 140, 200, 350])), "pct": int(rng.choice([25, 50, 75, 80, 90])), "link": int(rng.choice([12, 20, 25, 50]))}


def _draw_lengths(rng):
    outputs = rng.integers(2, 13, 6).tolist()
    return {"outputs": outputs, "batch": 2, "longest": " + ".join(str(max(pair)) for pair in zip(outputs[::2], outputs[1::2]))}


def _static(v):
    outputs, batch = v["outputs"], v["batch"]
    return sum(max(outputs[i:i + batch]) for i in range(0, len(outputs), batch))


def _continuous(v):
    """Slots as machines: the next request goes to the one that is free first."""
    free = [0] * v["batch"]
    for n in v["outputs"]:
        free[free.index(min(free))] += n
    return max(free)


QUESTIONS = [
    Numeric(
        "30.weight_gb", 1, "A model has {b} billion parameters, stored with {bits} bits each. How many GB (1e9 bytes) do its weights take?",
        _draw_weights, lambda v: v["b"] * v["bits"] / 8,
        "{b} · {bits} / 8 = {answer} GB. The KV cache comes on top.",
        unit="GB", rtol=0.01,
        traps=((lambda v: v["b"] * v["bits"], "These are gigabits. A byte has 8 bits."),
               (lambda v: v["b"] * v["bits"] / 8 * 1e9 / 2**30, "These are GiB, of 2^30 bytes."),
               (lambda v: v["b"] * 2.0, "That is two bytes a parameter, FP16. Look at the number of bits."))),
    Numeric(
        "30.decode_bound", 2, "The weights take {gb} GB and lie on a GPU with {bw} GB/s. {batch} sequences are decoded together; ignore the KV cache. "
        "What is the upper bound in tokens per second for all of them?",
        _draw_bound, lambda v: v["batch"] * v["bw"] / v["gb"],
        "A step reads {gb} GB, which takes {gb}/{bw} s, and gives {batch} tokens: {batch} · {bw} / {gb} = {answer} tokens/s.",
        unit="tokens/s", rtol=0.01,
        traps=((lambda v: v["bw"] / v["gb"], "That is the bound for one sequence. The weights are read once a step, for all of them."),
               (lambda v: v["bw"] / v["gb"] / v["batch"], "A larger batch gives more tokens a step, not fewer."))),
    Numeric(
        "30.offload_seconds", 2, "The weights take {gb} GB, and {pct} % of them are streamed from CPU memory at {link} GB/s in every step. The transfer is the "
        "slowest part and overlaps the rest. How many seconds does a token take at batch 1?",
        _draw_offload, lambda v: v["gb"] * v["pct"] / 100 / v["link"],
        "{pct} % of {gb} GB cross the link at {link} GB/s in each step: {answer} s. A batch of 64 would get 64 tokens in that time.",
        unit="s", rtol=0.02,
        traps=((lambda v: v["gb"] / v["link"], "Only a share of the weights travels. The others lie on the GPU."),
               (lambda v: v["gb"] * (100 - v["pct"]) / 100 / v["link"], "That is the share that does not travel."),
               (lambda v: v["link"] / (v["gb"] * v["pct"] / 100), "That is tokens per second. Seconds per token are asked."))),
    Numeric(
        "30.static_steps", 2, "Six requests wait. In this order they generate {outputs} tokens. A server with {batch} slots uses static batching. How many decode steps does it "
        "need for all of them?",
        _draw_lengths, _static,
        "Each batch lasts as long as its longest request: {longest} = {answer} steps.",
        unit="steps",
        traps=((_continuous, "That is continuous batching: free slots are filled at once."),
               (lambda v: sum(v["outputs"]), "That is one request at a time."),
               (lambda v: -(-sum(v["outputs"]) // v["batch"]), "That is the bound without any idle slot. Batches wait for their longest request."))),
    Numeric(
        "30.continuous_steps", 3, "Six requests wait. In this order they generate {outputs} tokens. A server with {batch} slots uses continuous batching. How many decode steps "
        "does it need for all of them?",
        _draw_lengths, _continuous,
        "A free slot takes the next request at once. The slot that ends last ends after {answer} steps.",
        unit="steps",
        traps=((_static, "That is static batching: each batch waits for its longest request."),
               (lambda v: sum(v["outputs"]), "That is one request at a time."))),
    Choice(
        "30.vllm_idea", 1, "What was vLLM's founding idea?",
        "Paging the KV cache",
        (("Keeping weights on disk and loading what is needed", "That is offloading: ZeRO-Inference and FlexGen. vLLM's weights stay on the GPU unless asked otherwise."),
         ("A compiler for computation graphs", "PagedAttention is about memory, not about compiling."),
         ("INT4 kernels", "Quantised weights came later, and from others.")),
        "PagedAttention (2023) gives a sequence's keys and values blocks that need not be adjacent. Less memory is wasted, so more sequences share a step."),
    Choice(
        "30.tgi_status", 2, "What is the state of Hugging Face's Text Generation Inference as of November 2026?",
        "Archived, after maintenance mode since December 2025",
        (("The default choice for new deployments", "Its own README recommends vLLM, SGLang, llama.cpp and MLX."),
         ("Renamed to TextGen", "It was never called that. \"TextGen\" usually means oobabooga's text-generation-webui."),
         ("An NVIDIA product", "It was Hugging Face's. NVIDIA's is TensorRT-LLM.")),
        "Maintenance mode was announced on 2025-12-11, and the repository has been read-only since 2026-03-21. What runs on it keeps running; new work goes elsewhere."),
    Choice(
        "30.overnight_job", 2, "A batch job over night: a model of 175 B parameters, one GPU of 24 GB, much CPU memory, latency does not matter. What fits?",
        "Weights streamed from CPU memory or disk, with a large batch",
        (("vLLM as it comes", "By default it keeps the weights on the GPU: even 4-bit weights are 87.5 GB."),
         ("TensorRT-LLM", "It wants the weights on NVIDIA GPUs, of which there is one with 24 GB."),
         ("TGI", "It is archived, and it kept the weights on the GPUs.")),
        "ZeRO-Inference and FlexGen stream the weights once a step. FlexGen reported 1 token/s for OPT-175B on a 16 GB GPU with 144 sequences at once."),
    Open(
        "30.audit_17x", 3, "A slide says: \"framework X is 17 times faster\". Audit the sentence.",
        ("Against which baseline, in which version", "The same hardware and the same precision on both sides", "Prompt and output lengths, concurrency, latency objective",
         "Throughput or latency, and of a user or of the system", "A script with which others can repeat it"),
        "I ask for the baseline and its version, because a plain loop without batching is easily beaten by ten. Hardware and precision must be equal: NVIDIA's launch "
        "figures compared H100 with the new software against A100 without it. Lengths, concurrency and the latency objective decide which mechanism matters. I want "
        "to know whether it is throughput or latency. Then I run the script on my own traffic."),
]

"""Drill questions of chapter 05: what occupies GPU memory when training a network."""

from __future__ import annotations

from utils.cost.memory import AMP_ADAM_MASTER, transformer_activation_bytes, zero_bytes_per_gpu

from ..question import Choice, Numeric, Open


def _draw_tensor(rng):
    kind, size = (("FP32", 4), ("FP16", 2), ("INT8", 1))[int(rng.integers(3))]
    return {"n": int(rng.choice([16, 32, 64, 96])), "c": int(rng.choice([3, 64, 128, 256])),
            "side": int(rng.choice([56, 112, 128, 224, 256])), "kind": kind, "size": size}


def _mib(v, unit=2**20):
    return v["n"] * v["c"] * v["side"] ** 2 * v["size"] / unit


_SPLIT = {1: (4, 12), 2: (2, 14), 3: (0, 16)}  # bytes a parameter that a stage keeps whole, and that it divides


def _draw_zero(rng):
    stage = int(rng.integers(1, 4))
    shared = {1: "optimizer states and master weights", 2: "optimizer states, master weights and gradients",
              3: "optimizer states, master weights, gradients and weights"}[stage]
    return {"billions": float(rng.choice([1.5, 3, 7.5, 13, 34])), "gpus": int(rng.choice([8, 16, 32, 64])),
            "stage": stage, "shared": shared, **dict(zip(("kept", "divided"), _SPLIT[stage]))}


def _zero(v, stage=None):
    return zero_bytes_per_gpu(int(v["billions"] * 1e9), AMP_ADAM_MASTER, v["gpus"], v["stage"] if stage is None else stage) / 1e9


def _zero_without_master(v):
    kept, divided = {1: (4, 8), 2: (2, 10), 3: (0, 12)}[v["stage"]]
    return v["billions"] * (kept + divided / v["gpus"])


def _draw_transformer(rng):
    h, a = ((1024, 16), (2048, 32), (4096, 32), (5120, 40))[int(rng.integers(4))]
    flash = bool(rng.integers(2))
    return {"s": int(rng.choice([1024, 2048, 4096])), "b": int(rng.integers(2, 9)), "h": h, "a": a,
            "layers": int(rng.choice([24, 32, 40])), "flash": flash,
            "kernel": "FlashAttention, so that scores and softmax are never stored" if flash else "attention that stores scores and softmax",
            "rule": "34·s·b·h" if flash else "s·b·h·(34 + 5·a·s/h)"}


def _activations(v, flash=None, layers=None):
    flash = v["flash"] if flash is None else flash
    return transformer_activation_bytes(v["s"], v["b"], v["h"], v["a"], layers or v["layers"], flash=flash) / 1e9


def _draw_lora(rng):
    billions, d, layers = ((7, 4096, 32), (13, 5120, 40), (34, 8192, 48), (70, 8192, 80))[int(rng.integers(4))]
    return {"billions": billions, "d": d, "layers": layers, "rank": int(rng.choice([16, 32, 64, 128]))}


def _adapters(v):
    return v["layers"] * 4 * 2 * v["rank"] * v["d"]


def _lora(v, base_bytes=0.5, each=16, factor=1.0):
    return v["billions"] * base_bytes + _adapters(v) * factor * each / 1e9


QUESTIONS = [
    Numeric(
        "05.tensor_mib", 1,
        "A batch of feature maps has the shape {n} × {c} × {side} × {side} in {kind}. How many MiB (2^20 bytes) is it?",
        _draw_tensor, _mib,
        "{n}·{c}·{side}·{side} values of {size} B, over 1,048,576 B: {answer} MiB.",
        unit="MiB", rtol=0.005,
        traps=((lambda v: _mib(v, 1e6), "Those are MB, powers of ten. A MiB is 1,048,576 bytes."),
               (lambda v: _mib(v) / v["size"], "That is the number of values. Multiply by the bytes of each."),
               (lambda v: 8 * _mib(v), "Those are megabits."))),
    Numeric(
        "05.zero", 2,
        "A model of {billions} billion parameters is trained with Adam in mixed precision (2 + 2 + 12 bytes a parameter) on "
        "{gpus} GPUs. ZeRO stage {stage} divides {shared}. How many GB of model states has each GPU?",
        _draw_zero, _zero,
        "Stage {stage} divides {divided} of the 16 bytes by {gpus} and keeps {kept} whole: {billions} · ({kept} + {divided}/{gpus}) = {answer} GB.",
        unit="GB", rtol=0.01,
        traps=((lambda v: _zero(v, 0), "That is without ZeRO: every GPU holds everything."),
               (lambda v: _zero(v, 1), "That is stage 1. Look which parts are divided here."),
               (lambda v: _zero(v, 2), "That is stage 2. Look which parts are divided here."),
               (lambda v: _zero(v, 3), "That divides everything, as stage 3 does."),
               (_zero_without_master, "The FP32 master copy is missing: 12 bytes, not 8, belong to the optimizer's side."))),
    Numeric(
        "05.transformer_activations", 2,
        "A GPT is trained in 16 bits with one-byte dropout masks: s = {s} tokens, b = {b} sequences, h = {h}, a = {a} heads, "
        "{layers} layers, and {kernel}. Nothing is recomputed. How many GB of activations do the layers keep?",
        _draw_transformer, _activations,
        "{rule} bytes a layer, times {layers}: {answer} GB.",
        unit="GB", rtol=0.02,
        traps=((lambda v: _activations(v, flash=not v["flash"]), "The part 5·a·s/h belongs to stored scores and softmax. Are they stored here?"),
               (lambda v: _activations(v, layers=1), "That is one layer."),
               (lambda v: v["layers"] * 2 * v["s"] * v["b"] * v["h"] / 1e9, "That is one tensor a layer: what full recomputation keeps."))),
    Numeric(
        "05.lora", 3,
        "A model of {billions} billion parameters is frozen in 4 bits (leave their scales out). In each of {layers} layers, four "
        "square projections of {d} × {d} get LoRA adapters of rank {rank}, trained with Adam at 16 bytes a parameter. How many "
        "GB of model states in all?",
        _draw_lora, _lora,
        "Base: {billions} × 0.5 GB. Adapters: {layers} × 4 × 2 × {rank} × {d} parameters at 16 bytes. Together {answer} GB.",
        unit="GB", rtol=0.01,
        traps=((lambda v: _lora(v, base_bytes=2), "That keeps the base in 16 bits. In 4 bits a parameter takes half a byte."),
               (lambda v: 16.0 * v["billions"], "That trains everything. The frozen base has no gradients and no optimizer states."),
               (lambda v: _lora(v, factor=0.5), "An adapter is two matrices, rank × d and d × rank."),
               (lambda v: v["billions"] * 0.5, "That is the base alone. The adapters carry 16 bytes a parameter."))),
    Choice(
        "05.double_batch", 1, "You double the batch size. What doubles?",
        "the activations",
        (("the optimizer states", "They belong to the parameters, and their number did not change."),
         ("the gradients of the weights", "They are summed over the batch. Their shape is that of the weights."),
         ("everything", "Weights, gradients and optimizer states stay. Only the input data and the activations scale.")),
        "Input and activations scale with the batch. The rest is the intercept of the line."),
    Choice(
        "05.smi_gap", 2, "nvidia-smi shows 3 GB more than torch.cuda.memory_allocated. What is the usual reason?",
        "the CUDA context and blocks that the allocator keeps cached",
        (("a memory leak", "A leak grows from step to step. A constant difference is context and cache."),
         ("tensors are stored in FP64", "A tensor has the bytes that its dtype says, and memory_allocated counts them."),
         ("the driver rounds up to whole gigabytes", "It reports MiB. The difference is real memory that no live tensor uses.")),
        "memory_allocated counts tensors, memory_reserved adds the cache, and nvidia-smi adds the context of each process."),
    Choice(
        "05.amp_keeps", 2, "Adam, and mixed precision with an FP32 master copy. What does mixed precision not reduce?",
        "the bytes of the model states",
        (("the bytes of the activations", "They are stored in 16 bits: half of FP32."),
         ("the traffic between memory and cores", "Weights and activations are read with half of the bytes."),
         ("the time in matrix products", "Matrix units are faster in 16 bits.")),
        "2 + 2 + 4 + 8 bytes are 16 a parameter, as with FP32: 4 + 4 + 8."),
    Open(
        "05.seven_b_on_24gb", 3, "Someone wants to fine-tune a 7 B model on one card of 24 GB. What do you say?",
        ("Full training with Adam: 16 bytes × 7 B = 112 GB of states. It does not fit",
         "Base in 4 bits (3.5 GB and scales), LoRA adapters with their own small states",
         "Gradient checkpointing, and FlashAttention for long sequences",
         "Micro-batch of one or two with gradient accumulation",
         "8-bit or paged optimizer, or offload to the host, at a price in time",
         "Check the sequence length: activations grow with it, and measure the peak before the long run"),
        "Full fine-tuning needs 112 GB for the states alone. So freeze the base in 4 bits, which is about 3.5 GB, and train "
        "LoRA adapters. Then activations decide: checkpointing, a micro-batch of one with accumulation, an attention kernel "
        "that stores no scores. I would trace one step at the longest sequence before I start the run."),
]

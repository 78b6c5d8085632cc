"""Drill questions of chapter 36: converting a model to a TensorRT engine."""

from __future__ import annotations

import math

import numpy as np

from ..question import Choice, Numeric, Open


def _draw_workspace(rng):
    return {"mib": int(rng.choice([64, 128, 256, 512, 768, 1024, 1536, 2048, 4096]))}


def _draw_memory(rng):
    return {"per_sample": int(rng.integers(5, 60)), "weights": int(rng.integers(20, 400)), "batch": int(rng.choice([8, 16, 32, 64])),
            "contexts": int(rng.integers(2, 5))}


def _memory(v) -> float:
    return v["weights"] + v["contexts"] * v["batch"] * v["per_sample"]


def _draw_half(rng):
    """2^k times a short fraction: normal, subnormal, lost or too large, none of them on a tie."""
    kind = rng.integers(4)
    k = int({0: rng.integers(-30, -26), 1: rng.integers(-22, -15), 2: rng.integers(-14, 15), 3: rng.integers(17, 21)}[kind])
    f = float(rng.choice([0.0, 0.25, 0.5, 0.75]))
    x = 2.0**k * (1 + f)
    with np.errstate(over="ignore"):
        stored = float(np.float16(x))
    return {"weight": f"{x:g}" if k == 0 else f"{1 + f:g} · 2^{k}" if f else f"2^{k}", "x": x, "stored": stored}


def _code(v) -> int:
    return 4 if math.isinf(v["stored"]) else 1 if v["stored"] == 0 else 2 if v["stored"] < 2.0**-14 else 3


def _draw_half_told(rng):
    v = _draw_half(rng)
    why = {1: "at or below 2^-25, which rounds to 0", 2: "between 2^-25 and 2^-14: subnormal, so with fewer bits",
           3: "between 2^-14 and 65520: a normal number", 4: "at or above 65520, which becomes infinite"}[_code(v)]
    return v | {"why": why}


def _draw_profiles(rng):
    """Two profiles that both admit the batch, and distances that differ by a tenth at least."""
    while True:
        a, b = (int(n) for n in rng.choice([1, 2, 4, 8, 16, 32, 64], 2, replace=False))
        batch = int(rng.integers(1, 33))
        near = [abs(math.log(opt / batch)) for opt in (a, b)]
        if abs(near[0] - near[1]) > 0.1:
            return {"a": a, "b": b, "n": batch, "fa": f"{math.exp(near[0]):.2f}", "fb": f"{math.exp(near[1]):.2f}",
                    "best": int(near[1] < near[0]), "by_difference": int(abs(b - batch) < abs(a - batch))}


QUESTIONS = [
    Numeric(
        "36.workspace", 1, "A script says trtexec `--memPoolSize=workspace:{mib}M`. Which number does the same build need in "
        "`config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, …)`?",
        _draw_workspace, lambda v: v["mib"] * 2**20,
        "The Python API takes bytes: {mib} · 2^20 = {answer}.", unit="B",
        traps=((lambda v: v["mib"], "That many bytes. trtexec counts MiB, the API counts bytes."),
               (lambda v: v["mib"] * 10**6, "M means MiB here: 2^20 bytes."),
               (lambda v: v["mib"] * 2**10, "That is KiB. One MiB is 2^20 bytes."))),
    Numeric(
        "36.memory", 2, "An engine has {weights} MB of weights, and its activations take {per_sample} MB per sample. Its profile "
        "goes up to batch {batch}. {contexts} execution contexts run at once, each sized for the whole profile. How many MB is "
        "that, without scratch memory?",
        _draw_memory, _memory,
        "Weights once, activations in each context: {weights} + {contexts} · {batch} · {per_sample} = {answer} MB.",
        unit="MB", rtol=0.001,
        traps=((lambda v: v["weights"] + v["batch"] * v["per_sample"], "Each context has activations of its own."),
               (lambda v: v["contexts"] * (v["weights"] + v["batch"] * v["per_sample"]),
                "The weights belong to the engine. All contexts share them."),
               (lambda v: v["weights"] + v["contexts"] * v["per_sample"], "Memory is reserved for the profile's max, not for one "
                "sample."))),
    Numeric(
        "36.half", 2, "A weight is {weight}. What does FP16 make of it? Answer with a number: 1 = zero, 2 = a subnormal number, "
        "3 = a normal number, 4 = infinity.",
        _draw_half_told, _code,
        "It lies {why}."),
    Numeric(
        "36.profile", 3, "Two optimization profiles admit batches 1 to 64. Profile 0 has opt = {a}, profile 1 has opt = {b}. A batch "
        "of {n} comes in. Which profile is likely to be faster: the one whose opt is nearest as a factor? Answer with its index.",
        _draw_profiles, lambda v: v["best"],
        "From {n} it is a factor of {fa} to {a}, and of {fb} to {b}. The smaller factor is profile {answer}.",
        traps=((lambda v: v["by_difference"], "That is nearest in the difference. The amount of work compares by factors."),
               (lambda v: 1 - v["best"], "That opt is the farther one, in factors."))),
    Choice(
        "36.fp16_flag", 1, "What does `config.set_flag(trt.BuilderFlag.FP16)` do on TensorRT 11?", "It raises AttributeError",
        (("It is ignored", "The name itself is gone, so Python stops at `trt.BuilderFlag.FP16`, before any call."),
         ("It warns about weak typing", "That was 10. In 11 the flag was removed."),
         ("It builds an FP16 engine", "The types come from the model now. Cast the ONNX file.")),
        "All precision flags were removed in 11.0. FP16 and BF16 come from casting the ONNX model, INT8 and FP8 from Q/DQ nodes."),
    Choice(
        "36.other_gpu", 2, "An engine was built with default settings on an RTX 4090. What happens when a T4 loads it?",
        "It is refused",
        (("It runs, more slowly", "The kernels were compiled for another architecture. A plan is not portable by default."),
         ("The same as on the 4090", "Kernels are chosen and compiled for the GPU that they were timed on."),
         ("It is rebuilt automatically", "A plan holds no ONNX model. Building again is the application's work.")),
        "By default a plan fits its TensorRT version and its GPU model. No level of hardware compatibility reaches from Ada (the "
        "4090) to Turing (the T4): one stays within a compute capability, the other begins at Ampere."),
    Choice(
        "36.opt", 2, "What is the opt shape of an optimization profile for?", "Kernels are timed and chosen at this shape",
        (("Memory is sized for it", "Memory is sized for max. opt has no say in it."),
         ("It is the only shape that runs", "Everything from min to max runs."),
         ("Accuracy is calibrated at it", "No data pass through the network during a build, apart from INT8 calibration in older "
          "releases.")),
        "The builder times its kernels at opt. Other shapes in the range run with the same kernels, perhaps not at their best."),
    Choice(
        "36.cpu_hides", 3, "An FP16 model agrees with FP32 in ONNX Runtime on a CPU. On the GPU it returns NaN. What do you suspect "
        "first?", "An activation overflows in FP16; the CPU computed in FP32",
        (("The GPU driver", "Possible, but rare. First look at the ranges of the activations."),
         ("TF32", "TF32 keeps FP32's exponents, so nothing overflows in it."),
         ("The timing cache", "It only remembers which kernel was fastest.")),
        "The CPU provider has few FP16 kernels. It computes in FP32 between casts of its own, so a value above 65504 never becomes "
        "infinite there. Scan the ranges on real inputs, and keep those layers in FP32."),
    Open(
        "36.migration", 3, "Twenty models run on TensorRT 8.6. Plan the move to 11.",
        ("Inventory of the API in use: removed enum names, binding-based execution, V2 plugins",
         "Precision moves into the ONNX files (cast for FP16, Q/DQ for INT8), behind an accuracy gate",
         "Engines and timing caches are rebuilt, one for each GPU model",
         "Benchmarks with equal settings: transfers, CUDA graph, shapes, locked clocks",
         "A fallback (ONNX Runtime, or the old engines in their container) and a way back"),
        "First I list what the code uses: EXPLICIT_BATCH, precision flags, calibrators, execute_async_v2, plugins of the second "
        "version. Then precision: the FP16 flag becomes a cast of the ONNX file, INT8 calibration becomes Q/DQ nodes, and every model "
        "passes an accuracy gate against FP32. Plans and timing caches of 8.6 are of no use, so each model is built anew for each GPU. "
        "I benchmark both releases with the same shapes, transfers and clocks, because trtexec's defaults changed. The models move one "
        "by one, with the old container kept until the new one has served real traffic."),
]

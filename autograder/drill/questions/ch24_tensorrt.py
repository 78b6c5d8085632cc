"""Drill questions of chapter 24: what an inference optimiser does."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_traffic(rng):
    side, c = int(rng.choice([14, 28, 56, 112])), int(rng.choice([16, 32, 64, 128]))
    return {"side": side, "c": c, "n": int(rng.integers(1, 4)), "bytes": int(rng.choice([2, 4])),
            "act": c * side * side, "w": 9 * c * c}


def _ratio(v):
    fused = 2 * v["act"] + v["w"]
    return (fused + 2 * v["n"] * v["act"]) / fused


def _draw_saved(rng):
    return {"mb": int(rng.integers(2, 60)), "bw": int(rng.choice([100, 320, 900, 1555, 3350]))}


def _draw_launch(rng):
    before = int(rng.integers(60, 200))
    return {"us": int(rng.choice([3, 4, 5, 8])), "before": before, "after": int(rng.integers(15, before // 2))}


def _draw_chain(rng):
    return {"n": int(rng.integers(5, 40)), "kib": int(rng.choice([64, 100, 256, 784, 1024]))}


QUESTIONS = [
    Numeric(
        "24.fused_ratio", 1, "A 3x3 convolution maps {c} to {c} channels on {side} x {side} values, at batch 1, with {bytes} bytes a value and without bias. "
        "Elementwise layers that follow: {n}. Count DRAM traffic, nothing is cached between kernels, parameters of the elementwise layers are neglected. How many times "
        "the traffic of the fused kernel do the separate kernels move?",
        _draw_traffic, _ratio,
        "Input and output have {act:,} elements each, the weights {w:,}. Each elementwise layer adds a read and a write: (2 · {act} + {w} + {n} · 2 · {act}) / (2 · {act} + {w}) = {answer}.",
        unit="times", rtol=0.001,
        traps=((lambda v: (2 * v["act"] + v["w"] + v["n"] * v["act"]) / (2 * v["act"] + v["w"]),
                "You counted each tensor in between once. It is written and read."),
               (lambda v: 1 + v["n"], "That would hold without weights and if every layer moved the same."),
               (lambda v: (2 * v["act"] + v["w"] + 2 * v["n"] * v["act"]) / (2 * v["act"]), "The fused kernel reads its weights too."))),
    Numeric(
        "24.saved_ms", 2, "Fusion saves {mb} MB (1e6 bytes) of DRAM traffic in a layer that is bound by memory. The GPU reads and writes {bw} GB/s (1e9 bytes). How "
        "many milliseconds does it save at most?",
        _draw_saved, lambda v: v["mb"] / v["bw"],
        "{mb}e6 bytes / {bw}e9 bytes/s = {answer} ms. In a layer that is bound by arithmetic it saves less, or nothing.",
        unit="ms", rtol=0.01,
        traps=((lambda v: v["mb"] / v["bw"] * 1000, "These are microseconds."),
               (lambda v: v["bw"] / v["mb"], "You divided the wrong way round."),
               (lambda v: 2 * v["mb"] / v["bw"], "The saved traffic already holds the write and the read."))),
    Numeric(
        "24.launch_us", 2, "At batch 1 a network runs {before} kernels, each of which waits {us} µs for its launch, with no overlap. After fusion there are "
        "{after}. How many µs of launch time are saved for one inference?",
        _draw_launch, lambda v: v["us"] * (v["before"] - v["after"]),
        "{us} · ({before} − {after}) = {answer} µs. CUDA graphs attack the same cost in another way.",
        unit="µs",
        traps=((lambda v: v["us"] * v["after"], "That is what remains, not what is saved."),
               (lambda v: v["us"] * v["before"], "That is the launch time before fusion."))),
    Numeric(
        "24.chain_arena", 2, "A chain of {n} layers has {n} + 1 tensors of {kib} KiB each, its input and output included. Each layer reads the tensor before. A further "
        "tensor of {kib} KiB is made before the first layer and read by the last one. How many KiB does the smallest arena have, alignment left aside?",
        _draw_chain, lambda v: 3 * v["kib"],
        "At each step the layer's input, its output and the skip tensor live: 3 · {kib} = {answer} KiB. Without the skip two buffers would do.",
        unit="KiB",
        traps=((lambda v: 2 * v["kib"], "That is the chain alone. The skip tensor lives all the time."),
               (lambda v: (v["n"] + 2) * v["kib"], "That is a buffer for each tensor. Dead ones can be used again."))),
    Choice(
        "24.parsers", 1, "From which files does TensorRT 10 and later read a network by itself?",
        "ONNX only",
        (("ONNX and Caffe", "The Caffe parser was deprecated in version 8, and 10 has none."),
         ("ONNX and UFF", "UFF was for TensorFlow 1. It is gone; TensorFlow models come through ONNX now."),
         ("ONNX and TorchScript", "TorchScript was never read by TensorRT itself. Torch-TensorRT is a project around it.")),
        "The sources of the Python bindings hold three parsers in release 8.6, and one in 10."),
    Choice(
        "24.opt_batch", 2, "An engine has an optimization profile with batch 1 to 32 and opt = 1. You run batch 32. What happens?",
        "It works, with kernels that were chosen for batch 1",
        (("An error", "32 lies inside the profile. Only shapes outside of it are refused."),
         ("The kernels are timed again", "Timing belongs to the build. The engine keeps its choice."),
         ("Wrong results", "The chosen kernels are right for every shape of the profile. They may be slow.")),
        "Tactics are timed at the opt shape. Serve mostly batch 32, and opt should say so."),
    Choice(
        "24.two_builds", 2, "Two builds of one model on one GPU give engines that differ in their kernels, and results that differ in the last digit. Why?",
        "Timings are noisy, so another tactic may win; a timing cache makes it repeatable",
        (("The weights are drawn at random", "They come from the model."),
         ("Dropout is active", "Inference has no dropout; an exporter removes it."),
         ("The engine is encrypted", "A plan is not encrypted. Its kernels differ.")),
        "Two tactics that are nearly as fast change places from build to build, and each adds in an order of its own."),
    Choice(
        "24.fanout", 2, "A convolution's result goes to a Relu and, as it is, to an addition further on. Why is Conv-Relu not simply fused into one kernel with one output?",
        "The addition needs the value before the Relu, which a fused kernel would not store",
        (("Relu cannot be fused with a convolution", "It can, and that is the commonest fusion of all."),
         ("The addition has two inputs", "An addition with two inputs can be fused as well."),
         ("The convolution would be computed twice by TensorRT", "Computing twice would be a way out, not the reason.")),
        "A tensor may vanish only when nobody else reads it and it is no output of the graph."),
    Open(
        "24.only_1_1x", 3, "TensorRT makes your model only 1.1 times faster than PyTorch. How do you find out why?",
        ("Profile first: is it bound by arithmetic, by memory, by launches or by the host", "Are there operators that run outside the engine, or copies between formats",
         "Does opt of the profile match the shapes that are served", "Are copies to and from the GPU in the measurement, on both sides",
         "What is the baseline: torch.compile and tensor cores may already be in use", "Precision: is the network FP32, or typed by casts and Q/DQ",
         "At small batch: launch overhead, CUDA graphs"),
        "I time the engine layer by layer and look at the trace. If a few large matrix products take the time, and PyTorch already ran them on tensor cores in FP16, there is "
        "little left to gain. If it is many small kernels, I count launches before and after and try CUDA graphs. I check that opt is the shape that I serve, that no subgraph "
        "fell back to another runtime, that Q/DQ nodes do not cut fusions apart, and that both sides measure the same: with or without copies, warm, same precision."),
]

"""Drill questions of chapter 33: TorchScript, tracing and what replaced them."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _doublings(a: float) -> int:
    """How often a has to be doubled until it is at least 100."""
    count = 0
    while a < 100:
        a, count = a * 2, count + 1
    return count


def _draw_loop(rng):
    a, b = int(rng.integers(1, 61)), int(rng.integers(1, 100))
    while _doublings(a) == _doublings(b):
        b = int(rng.integers(1, 100))
    return {"a": a, "b": b, "turns": _doublings(a)}


def _draw_branches(rng):
    return {"k": int(rng.integers(2, 8)), "limit": int(rng.choice([8, 16, 64]))}


def _draw_break_even(rng):
    return {"ms": int(rng.choice([20, 45, 120, 300, 900, 4000, 12_000])), "us": int(rng.choice([15, 30, 40, 75, 120, 250]))}


QUESTIONS = [
    Numeric(
        "33.frozen_loop", 1, "`while x < 100: x = x * 2` is traced at x = {a}. What does the trace return at x = {b}?",
        _draw_loop, lambda v: v["b"] * 2 ** _doublings(v["a"]),
        "At {a} the loop ran until 100 was reached. All its turns are in the trace: it returns {b} · 2^{turns} = {answer}, whatever the "
        "condition says now.",
        traps=((lambda v: v["b"] * 2 ** _doublings(v["b"]), "That is what the function returns. The trace has the loop count of its example."),
               (lambda v: v["a"] * 2 ** _doublings(v["a"]), "That is the example's result. A trace holds operations, not results."),
               (lambda v: 2 * v["b"], "The loop was unrolled: every turn of the example is in the trace."))),
    Numeric(
        "33.specialised_graphs", 2, "A function has {k} branches, each on another condition of the input, independent of the others. A cache keeps one graph for each path, "
        "{limit} at most. How many graphs are there at most?",
        _draw_branches, lambda v: min(2 ** v["k"], v["limit"]),
        "Each branch doubles the paths: 2^{k}. The cache keeps at most {limit}, so the answer is {answer}.",
        unit="graphs",
        traps=((lambda v: 2 * v["k"], "Two outcomes for each branch, but they combine: the paths multiply."),
               (lambda v: 2 ** v["k"], "The paths are right. Look at the limit of the cache."),
               (lambda v: v["k"] + 1, "That would hold if each branch ended the function. These are independent."))),
    Numeric(
        "33.break_even_calls", 2, "Compiling makes the first call {ms} ms longer, and each call after it {us} µs faster. After how many fast calls has it paid?",
        _draw_break_even, lambda v: v["ms"] * 1000 / v["us"],
        "{ms} · 1,000 µs come back at {us} µs a call: {answer} calls. A process that lives for fewer should not compile.",
        unit="calls", rtol=0.01,
        traps=((lambda v: v["ms"] / v["us"], "Milliseconds were divided by microseconds."),
               (lambda v: v["ms"] * 1e6 / v["us"], "A millisecond has 1,000 microseconds."))),
    Choice(
        "33.keeps_if", 1, "Which of the two keeps a Python `if` on a tensor's value as prim::If?",
        "torch.jit.script",
        (("torch.jit.trace", "It runs the function once and records operations. The `if` was decided by Python."),
         ("Both", "A trace contains the branch of its example only."),
         ("Neither", "TorchScript has branches and loops: prim::If and prim::Loop.")),
        "script compiles the source code, so it sees both sides. trace sees what happened."),
    Choice(
        "33.capture_in_2026", 1, "Which way to capture a graph do PyTorch's documents recommend in 2026?",
        "torch.export",
        (("torch.jit.trace", "Deprecated: it warns, and names torch.compile and torch.export."),
         ("torch.jit.script", "Deprecated as well, for the same successors."),
         ("pickling the module", "A pickle holds weights and names of classes. It has no graph, and needs the source code.")),
        "torch.jit is deprecated as a whole. torch.export gives a graph with its guarantees, and refuses what it can't capture."),
    Choice(
        "33.exported_module_slow", 2, "exported_program.module() is slower than the model in eager mode. Why?",
        "It interprets a graph in Python; it is not meant as a runtime",
        (("It computes in FP64", "Its types are those of the model."),
         ("It uses no threads", "Its operators are the same as eager mode's, with the same threads."),
         ("It is a debug build", "There is one build. Capturing is not compiling.")),
        "An exported program is the input of a compiler or a runtime: AOTInductor, ExecuTorch, an ONNX exporter. By itself it is only a graph."),
    Choice(
        "33.trained_batch_norm", 2, "A model is traced in training mode, with BatchNorm in it. What is in the graph?",
        "Batch norm with the batch's own statistics, so results depend on the batch",
        (("Batch norm, folded into the convolution", "Folding needs fixed statistics, and nothing folds unless it is asked to."),
         ("An error", "Nothing complains. That is the trouble."),
         ("The same as in evaluation mode", "The mode decides which statistics are used, and a trace freezes the mode.")),
        "Call model.eval() before you capture. In training mode a prediction depends on what else is in the batch, and the stored statistics change with every call."),
    Open(
        "33.migration_plan", 3, "A product runs TorchScript models on servers and on phones. What is your plan for moving away from it?",
        ("An inventory: which models are traced, which scripted, and where control flow depends on data",
         "Capture with torch.export; torch.cond or torch.where for such branches, and dynamic shapes",
         "Servers: AOTInductor, or ONNX and TensorRT; phones: ExecuTorch",
         "Numerical gates on real inputs from every branch, not on one example",
         "Latency with the first call included; the .pt files stay until the new ones are as good"),
        "I list the models and look for control flow in the scripted ones, because torch.export refuses branches on data. Those become torch.cond or torch.where, with "
        "dynamic shapes where batch or length vary. On servers the exported program goes to AOTInductor, or through ONNX to TensorRT; on phones to ExecuTorch, for PyTorch Mobile "
        "is no longer supported. Each model has a gate: outputs on recorded inputs from all branches, latency with the first call, package size. Until a model has passed "
        "on all devices, the old .pt is kept and can be switched back on."),
]

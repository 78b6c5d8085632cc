"""Drill questions of chapter 29: inference engines."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_border(rng):
    return {"mb": float(rng.choice([0.8, 1.2, 2.4, 3.2, 4.8, 6.4])), "link": int(rng.choice([2, 4, 8, 12, 16, 25]))}


def _draw_groups(rng):
    v = {"cpu1": int(rng.integers(4, 13)), "cpu2": int(rng.integers(3, 9)), "cpu3": int(rng.choice([1, 2])), "accel1": float(rng.choice([0.4, 0.5, 0.8])),
         "accel3": 0.2, "mb1": float(rng.choice([4, 6, 8])), "mb3": float(rng.choice([20, 24, 32])), "link": int(rng.choice([4, 8])), "start": 0.1}
    return v | {"away1": f"{_away(v, 1):g}", "away3": f"{_away(v, 3):g}"}


def _away(v, k):
    return v[f"accel{k}"] + v["start"] + v[f"mb{k}"] / v["link"]


def _best(v):
    return min(v["cpu1"], _away(v, 1)) + v["cpu2"] + min(v["cpu3"], _away(v, 3))


def _draw_amdahl(rng):
    return {"total": int(rng.choice([20, 30, 40])), "pct": int(rng.choice([60, 75, 80, 90, 95])), "times": int(rng.choice([5, 8, 10, 20])),
            "borders": int(rng.choice([4, 6, 8])), "ms": float(rng.choice([0.25, 0.5, 1.0]))}


def _speedup(v, borders=True):
    p = v["pct"] / 100
    return v["total"] / (v["total"] * (1 - p) + v["total"] * p / v["times"] + (v["borders"] * v["ms"] if borders else 0))


QUESTIONS = [
    Numeric(
        "29.border_ms", 1, "A tensor of {mb} MB (1e6 bytes) crosses the border between CPU and accelerator once. The link moves {link} GB/s. How many milliseconds does it take?",
        _draw_border, lambda v: v["mb"] / v["link"],
        "1 GB/s moves 1 MB in a millisecond: {mb} / {link} = {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: v["mb"] / v["link"] / 1e3, "These are seconds."), (lambda v: 2 * v["mb"] / v["link"], "Once, the question says. Coming back would be a second copy."),
               (lambda v: 8 * v["mb"] / v["link"], "The link is given in bytes, not in bits."))),
    Numeric(
        "29.best_total", 2, "Three groups run one after the other. Group 1: {cpu1} ms on the CPU, or {accel1} ms on the accelerator with {mb1} MB of copies in all. Group 2 can only run on the CPU: "
        "{cpu2} ms. Group 3: {cpu3} ms on the CPU, or {accel3} ms with {mb3} MB of copies. The link moves {link} GB/s, and each start on the accelerator costs {start} ms. "
        "How many milliseconds do all three take with the best decisions?",
        _draw_groups, _best,
        "Going costs compute, start and copies. Group 1: {accel1} + {start} + {mb1}/{link} = {away1} ms against {cpu1} ms. Group 3: {accel3} + {start} + {mb3}/{link} = {away3} ms against {cpu3} ms. The cheaper way of both, and {cpu2} ms for group 2, make {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: _away(v, 1) + v["cpu2"] + _away(v, 3), "Group 3 is not worth the trip: compare its cost of going with its time on the CPU."),
               (lambda v: v["cpu1"] + v["cpu2"] + v["cpu3"], "That is everything on the CPU."),
               (lambda v: v["accel1"] + v["start"] + v["cpu2"] + v["accel3"] + v["start"], "The copies are missing."))),
    Numeric(
        "29.amdahl_borders", 2, "A network takes {total} ms on the CPU. {pct} % of that time is in operators that the accelerator runs {times} times as fast. {borders} borders are crossed, each costs {ms} ms. "
        "What is the speed-up of the whole network?",
        _draw_amdahl, _speedup,
        "What stays on the CPU, what goes to the accelerator, and the borders: {total} · (1 − {pct} %) + {total} · {pct} % / {times} + {borders} · {ms} ms. {total} ms over that is {answer}.",
        rtol=0.01,
        traps=((lambda v: _speedup(v, False), "The borders cost something too."), (lambda v: v["times"], "That holds for the supported part alone."),
               (lambda v: 1 / _speedup(v), "That is the share of time that is left. The speed-up is its inverse."))),
    Choice(
        "29.plain_wheel", 1, "A machine has an NVIDIA GPU and a working CUDA. After `pip install onnxruntime`, what runs a session with the default settings?",
        "The CPU",
        (("CUDA", "CUDA's provider is in the package onnxruntime-gpu."), ("TensorRT, if it is installed", "TensorRT's provider has to be compiled into the package, and named in the list of providers."),
         ("Nothing: a session raises an error", "Every package has the CPU provider. That is why the mistake goes unnoticed.")),
        "Execution providers are compiled into packages. `onnxruntime.get_available_providers()` lists what this one has: check it at start-up."),
    Choice(
        "29.noise", 2, "Engine A has a median of 1.00 ms, engine B of 0.97 ms. The 95 % interval of the ratio of the medians, A/B, is 0.95 to 1.09. Who is faster?",
        "A tie: the interval holds 1",
        (("B, by 3 %", "3 % is less than the noise: the interval reaches from 5 % in favour of A to 9 % in favour of B."), ("A", "A's median is higher, and the interval holds 1."),
         ("The one with the lower minimum", "One lucky run decides the minimum.")),
        "The data are compatible with both. More runs make the interval narrower; four times as many halve it."),
    Choice(
        "29.slow_on_toy", 2, "On a network of seven tiny layers OpenVINO takes 170 µs and ONNX Runtime 50 µs. What do you conclude?",
        "The fixed cost of a call decides here; I measure the real model",
        (("OpenVINO's kernels are slower", "On a network eight times as wide the two may be close. Little of the 170 µs is spent in kernels."),
         ("The weights were converted wrongly", "The outputs would differ. Compare them."), ("AVX is switched off", "That would slow down large networks more than small ones.")),
        "A call sets up the request, wakes threads and copies tensors, whatever the size of the network. Such costs vanish in a real model."),
    Choice(
        "29.not_an_engine", 2, "Which of these is not an inference engine?",
        "PocketFlow",
        (("ncnn", "Tencent's engine for phones, with a format of its own."), ("LiteRT", "Google's, called TensorFlow Lite until 2024."), ("MNN", "Alibaba's engine; it brings its own converter.")),
        "PocketFlow prunes, quantises and distils models on TensorFlow. It makes models and does not run them."),
    Choice(
        "29.convex", 2, "An accelerator supports every operator of a network but one in the middle, which lies on one of two parallel paths. Why can't all the others be one group?",
        "The group would have to run both before and after that operator",
        (("A group may only be a chain", "A group may branch and join as it likes."), ("The accelerator has too little memory", "That may be so, but nothing says it here."),
         ("Groups may hold only one kind of operator", "They hold whatever is supported.")),
        "A group runs as a whole, so no path may leave it and come back: it has to be convex. The operator's output would be needed by the group that it waits for."),
    Open(
        "29.three_targets", 3, "One detector has to run on servers with an NVIDIA A10, on kiosks with an Intel NPU, and on phones. Which engines, and how do you keep them in step?",
        ("One ONNX file as the source, compiled per target", "TensorRT on the A10, or ONNX Runtime with its TensorRT provider", "OpenVINO on the Intel NPU", "LiteRT, ncnn or ExecuTorch on phones, with a reason",
         "A precision for each target, and an accuracy gate behind each", "Unsupported operators and fallback groups counted", "Benchmarks in CI on real devices; licence and maintenance looked at"),
        "The exported ONNX file is the one source; everything else is built from it in CI. On the A10 I build TensorRT plans in FP16, on the kiosks I compile with OpenVINO for the NPU, probably in INT8, and "
        "on phones I take LiteRT for its GPU and NPU delegates, or ncnn where size counts. After each build the outputs are compared with ONNX Runtime in FP32, and the detector's accuracy has to pass a gate. "
        "I count the operators that fall back to the CPU, because each border costs a copy, and rewrite the model where one in the middle falls back. Latency is measured on the devices, interleaved "
        "with the version in production. Once a year I look at licences and last commits."),
]

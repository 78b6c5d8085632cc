"""Drill questions of chapter 8: classical vision on edge devices."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_pipeline(rng):
    return {"cpu": int(rng.choice([3, 4, 6, 8, 10])), "net": int(rng.choice([20, 24, 30, 40, 60])), "s": int(rng.choice([8, 10, 20])), "copy": float(rng.choice([0.5, 1, 1.5]))}


def _new(v, copies=2):
    return v["cpu"] + v["net"] / v["s"] + copies * v["copy"]


def _draw_rank(rng):
    return {"k": int(rng.choice([5, 7, 9, 11])), "r": int(rng.choice([1, 2]))}


def _draw_filter(rng):
    w, h = ((1280, 720), (1920, 1080), (3840, 2160))[int(rng.integers(3))]
    return {"w": w, "h": h, "fps": int(rng.choice([25, 30, 60])), "k": int(rng.choice([3, 5, 7]))}


def _gmac(v):
    return v["w"] * v["h"] * v["fps"] * v["k"] ** 2 / 1e9


QUESTIONS = [
    Numeric(
        "08.speedup", 1, "A frame takes {cpu} ms of classical steps and {net} ms of a network, all on the CPU. The network moves to an NPU that is {s} times as fast; going there and back costs {copy} ms each. How many times as fast is the whole?",
        _draw_pipeline, lambda v: (v["cpu"] + v["net"]) / _new(v), "Old: {cpu} + {net} ms. New: {cpu} + {net}/{s} + 2 · {copy} ms. The ratio is {answer}.", rtol=0.01,
        traps=((lambda v: v["s"], "Only the network is {s} times as fast."), (lambda v: (v["cpu"] + v["net"]) / _new(v, 0), "The copies are missing."), (lambda v: (v["cpu"] + v["net"]) / _new(v, 1), "There and back: two copies."),
               (lambda v: _new(v) / (v["cpu"] + v["net"]), "That is new over old."))),
    Numeric(
        "08.separable", 2, "A kernel of {k} × {k} has rank {r}. How many multiply-accumulates does a pixel cost as passes of columns and rows?",
        _draw_rank, lambda v: 2 * v["r"] * v["k"], "A rank of {r} gives as many pairs of a column and a row: {r} · 2 · {k} = {answer}, against {k}² directly.",
        traps=((lambda v: v["k"] ** 2, "That is the full kernel."), (lambda v: v["r"] * v["k"], "A pair is a column and a row."), (lambda v: v["r"] * v["k"] ** 2, "A pass costs {k} for a pixel."))),
    Numeric(
        "08.filter_gmac", 2, "A {k} × {k} filter runs over a {w} × {h} video at {fps} frames a second, one channel. How many GMAC/s is that?",
        _draw_filter, _gmac, "{w} · {h} · {fps} · {k}² / 1e9 = {answer} GMAC/s. An NPU of 6 TOPS makes 3,000.", unit="GMAC/s", rtol=0.01,
        traps=((lambda v: 2 * _gmac(v), "Multiply-accumulates, not operations."), (lambda v: _gmac(v) / v["k"], "The kernel has {k} rows of {k} weights."), (lambda v: 3 * _gmac(v), "One channel is asked."))),
    Choice(
        "08.is_conv", 2, "Which of these is exactly a convolution layer with fixed weights?",
        "A Gaussian blur",
        (("A 3 × 3 median", "It is not linear: the median of a sum is not the sum of the medians."), ("Histogram equalisation", "Each value depends on all others, and not linearly."), ("Canny edges", "Its first steps are convolutions; then come comparisons and the following of edges.")),
        "Linear and shift-invariant: that is what convolutions are, and nothing else."),
    Choice(
        "08.connected", 2, "Why do NPUs dislike connected-component labelling?",
        "Control flow and memory access depend on the data",
        (("It needs FP64", "It needs integers."), ("It has too many multiply-accumulates", "It has hardly any."), ("It has no ReLU", "An NPU does not need one.")),
        "An NPU runs a fixed schedule over tensors. Which label meets which other one is known only when it happens."),
    Choice(
        "08.premise", 1, "“Edge AI devices generally don't use classical image algorithms.”",
        "Wrong: ISP, resize, flow, tracking and NMS run on every frame",
        (("Right", "Before the network sees an image, a dozen classical steps have made it."), ("Right on NPUs since 2020", "They run beside the NPU, on engines of their own."), ("Right for still images only", "Still images are made by an ISP, too.")),
        "What moved to networks is recognition. The steps around it are classical, and mostly in fixed hardware."),
    Choice(
        "08.median_npu", 2, "A median filter has to run on an accelerator that has no sorting. What do you do?",
        "Write it as a fixed network of Min and Max",
        (("Train a convolution", "A convolution is linear; it can only approximate a median."), ("Use the mean", "One wild pixel moves the mean."), ("Nothing, it can't run there", "19 pairs of minimum and maximum over whole images are exact.")),
        "Sorting networks compare the same positions whatever the data. For nine values 19 exchanges bring the median to its place."),
    Choice(
        "08.cpu_stage", 2, "A frame takes 6 ms on the CPU and 24 ms in the network. How much can an infinitely fast NPU gain, without copies?",
        "A factor of 5",
        (("Any factor", "The 6 ms stay."), ("A factor of 4", "24 over 6 is not the ratio of the times: 30 over 6 is."), ("A factor of 24", "The network's part vanishes, the rest does not.")),
        "Amdahl's law: 30 ms become 6 ms. So the 6 ms are the next thing to look at."),
    Open(
        "08.canny", 2, "On your NPU box the Canny step takes 70 % of the frame time. What do you do?",
        ("Look for an engine: IVE, PVA, DSP, GPU back end of the library", "The linear parts (blur, Sobel) as convolutions on the NPU, or NEON", "Lower resolution or a region of interest", "Another core, in parallel with the network", "Replace the step: learned edges, or no edges at all", "Measure with the copies, and check the result"),
        "First I ask whether the chip has an engine for it: camera SoCs have an IVE with Canny, Jetsons a PVA. If not, blur and Sobel are convolutions and can run on the NPU with fixed weights; only hysteresis, the following of edges, stays on the CPU. "
        "Then I ask who needs the edges: a region of interest or half the resolution may do, which is a quarter of the work. The step can run on another core while the network handles the previous frame, so that it costs latency and not throughput. "
        "Or the network can do what the edges were for. Each variant is measured with its copies, and compared on recorded frames."),
]

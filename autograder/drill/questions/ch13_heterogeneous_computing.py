"""Drill questions of chapter 13: heterogeneous computing."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_amdahl(rng):
    total = int(rng.choice([20, 25, 30, 40, 50, 80]))
    return {"total": total, "part": int(total * float(rng.choice([0.5, 0.6, 0.7, 0.8, 0.9]))), "s": int(rng.choice([4, 5, 8, 10, 20])),
            "copy": int(rng.choice([1, 2, 3, 4]))}


def _gain(v, copy=True):
    return v["total"] / (v["total"] - v["part"] + v["part"] / v["s"] + (v["copy"] if copy else 0))


def _draw_batch(rng):
    """Times in tenths of a millisecond; the copies, left out, would change the answer."""
    while True:
        gain, copy, dev = int(rng.choice([1, 2, 3, 4, 5])), int(rng.choice([1, 2, 3])), int(rng.choice([2, 3, 4, 6]))
        fixed = int(rng.choice([1, 2, 3, 5, 6]))
        if 10 * fixed // (gain + copy) < 10 * fixed // gain:
            return {"cpu": (gain + copy + dev) / 10, "fixed": fixed, "dev": dev / 10, "copy": copy / 10, "tenths": gain}


def _draw_stages(rng):
    a, b = (int(v) for v in rng.integers(3, 25, 2))
    stages = rng.permutation([a, b, max(a, b) + int(rng.integers(3, 15))])
    return dict(zip("abc", (int(v) for v in stages)))


def _draw_shared(rng):
    a, b = (int(v) for v in rng.choice(range(6, 20), 2, replace=False))
    return {"a": a, "b": b, "c": int(rng.integers(2, 6))}


def _draw_memory(rng):
    return {"mb": int(rng.choice([120, 160, 200, 240, 320])), "gb": int(rng.choice([4, 5, 8])), "ms": int(rng.choice([8, 10, 15]))}


QUESTIONS = [
    Numeric(
        "13.amdahl", 1, "A frame takes {total} ms on the CPU. {part} ms of it move to an NPU that is {s} times as fast, and the copies take "
        "{copy} ms. How many times as fast is the frame?",
        _draw_amdahl, _gain,
        "What stays is {total} − {part} ms, what moves takes {part}/{s} ms, and {copy} ms are copies. Old over new: {answer}.",
        rtol=0.01,
        traps=((lambda v: v["s"], "That is the gain of the part that moves. The rest takes as long as before."),
               (lambda v: _gain(v, copy=False), "The copies are missing."),
               (lambda v: 1 / _gain(v), "That is new over old: a share of the old time."),
               (lambda v: v["total"] / _gain(v), "That is the new time in ms."))),
    Numeric(
        "13.offload_break_even", 2, "The CPU needs {cpu} ms an item. The GPU needs {fixed} ms once a batch, then {dev} ms an item and {copy} ms to copy it. "
        "From which batch size on is the GPU faster?",
        _draw_batch, lambda v: 10 * v["fixed"] // v["tenths"] + 1,
        "An item gains {cpu} − {dev} − {copy} ms. Divide {fixed} ms by that and take the next whole number above: {answer}.",
        unit="items",
        traps=((lambda v: -(-10 * v["fixed"] // v["tenths"]), "There both take the same time: not faster yet."),
               (lambda v: 10 * v["fixed"] // (v["tenths"] + round(10 * v["copy"])) + 1, "The copies are missing: each item is transferred."))),
    Numeric(
        "13.pipeline_pace", 2, "Video engine, NPU and CPU take {a}, {b} and {c} ms a frame, and work at the same time on different frames. How many "
        "frames per second come out?",
        _draw_stages, lambda v: 1000 / max(v["a"], v["b"], v["c"]),
        "The slowest stage sets the pace: 1000 / max({a}, {b}, {c}) = {answer}.",
        unit="frames/s", rtol=0.01,
        traps=((lambda v: 1000 / (v["a"] + v["b"] + v["c"]), "That is one frame at a time. The engines overlap."),
               (lambda v: 3000 / (v["a"] + v["b"] + v["c"]), "That takes the mean stage. Frames pile up before the slowest one."))),
    Numeric(
        "13.shared_engine", 2, "Decode ({c} ms) and encode ({c} ms) both run on the video engine, the network on the NPU takes {a} ms, tracking on the CPU "
        "{b} ms. Engines overlap on different frames. How many frames per second come out?",
        _draw_shared, lambda v: 1000 / max(2 * v["c"], v["a"], v["b"]),
        "The video engine works 2 · {c} ms a frame. The busiest engine sets the pace: 1000 / max(2 · {c}, {a}, {b}) = {answer}.",
        unit="frames/s", rtol=0.01,
        traps=((lambda v: 1000 / (2 * v["c"] + v["a"] + v["b"]), "That is one frame at a time. The engines overlap."),
               (lambda v: 1000 / v["c"], "That is the shortest stage. The busiest engine sets the pace."))),
    Numeric(
        "13.shared_memory", 2, "All engines of a chip move {mb} MB a frame through one DRAM of {gb} GB/s. With the memory to itself, the slowest engine "
        "needs {ms} ms a frame. What is the least time between two frames, in ms?",
        _draw_memory, lambda v: max(v["ms"], v["mb"] / v["gb"]),
        "The memory needs {mb} MB over {gb} GB/s, {mb}/{gb} ms; the slowest engine {ms} ms. The larger one: {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: v["ms"] + v["mb"] / v["gb"], "Engine and memory work at the same time: the slower one decides."),
               (lambda v: min(v["ms"], v["mb"] / v["gb"]), "The slower of the two decides."))),
    Choice(
        "13.small_gain", 2, "A new NPU is twice as fast, and the application became 1.1 times faster. What is the likely reason?",
        "The NPU's share of the time was small: Amdahl's law",
        (("The driver has a bug", "Possible, but first compute: a share of 18 % made twice as fast gives just this 1.1."),
         ("The chip throttles", "Then the gain would fade within minutes. A steady 1.1 fits a small share."),
         ("The batch is too large", "A batch changes how well the NPU is used, but the time outside the NPU bounds the gain in any case.")),
        "1 / (1 − p + p/2) = 1.1 gives p = 0.18. Measure what the other 82 % are before you buy a faster NPU."),
    Choice(
        "13.unified_memory", 2, "CPU, GPU and NPU of an SoC share one DRAM. What does that change?",
        "The copy goes away, the contention for bandwidth stays",
        (("All cost of crossing goes away", "Caches must still be flushed or kept coherent, and every engine draws on the same bandwidth."),
         ("The bandwidth doubles", "It is one memory with one bandwidth, and more engines ask for it."),
         ("Data moves over PCIe", "PCIe connects a separate card with its own memory. Here all engines sit on one chip.")),
        "With shared buffers a frame is handed over by its address (zero copy). The engines then compete for the same GB/s."),
    Choice(
        "13.not_heterogeneous", 1, "Which of these is not heterogeneous computing?",
        "A server with two equal CPUs",
        (("A CPU with an NPU", "Two kinds of processor with different instructions: the standard case."),
         ("Big and small CPU cores of one instruction set", "They differ in speed and power, so it matters what runs where. It is heterogeneous within one "
          "instruction set."),
         ("A CPU with a DSP", "A digital signal processor has its own instructions and its own strengths.")),
        "Equal processors are homogeneous: it makes no difference which of them takes a task."),
    Choice(
        "13.heft_order", 2, "HEFT sorts tasks by upward rank. Why?",
        "What has the longest way to the end must start early",
        (("Short tasks first keep the queue short", "That is a rule for mean latency of independent requests. Here one end counts."),
         ("It is a topological order, any would do", "It is one, but the choice among the ready tasks decides how good the schedule gets."),
         ("Tasks with many successors block most others", "The number of successors does not count, the longest path does.")),
        "The rank is the mean length of the longest remaining path, copies included. Delaying the largest rank delays the end."),
    Open(
        "13.partition_video_app", 3, "You get a board with CPU, NPU and a video codec. Partition a video analytics application over them.",
        ("A list of stages with the engine of each: decode, resize, network, post-processing, tracking, encode",
         "Frames are handed over without copies, in shared buffers",
         "The busiest engine sets the frame rate; latency is the sum", "Operators that the NPU can't run fall back to the CPU, and cut the graph",
         "Measured per stage and end to end, under load, with all streams"),
        "Decode and encode go to the codec, resize and colour conversion to the 2D or video engine, the network to the NPU, post-processing and "
        "tracking to the CPU. Buffers are shared (dma-buf), so a frame crosses by its handle. Engines work on different frames; I list each one's "
        "ms a frame, stages on one engine added up, and the largest bounds the frame rate. I check which operators fall back to the CPU, since each "
        "such cut costs two crossings, and replace or move them to the ends. Then I measure each stage alone, all together for memory contention, "
        "and the p99 from camera to result."),
]

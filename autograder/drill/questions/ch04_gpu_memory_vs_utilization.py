"""Drill questions of chapter 04: GPU memory and GPU utilisation."""

from __future__ import annotations

from utils.hardware.caching_allocator import MIB, replay, segment_size
from utils.hardware.caching_allocator.allocator import CachingAllocator
from utils.hardware.gpu_monitor.intervals import utilization

from ..question import Choice, Numeric, Open


def _draw_intervals(rng):
    window = int(rng.choice([500, 1000]))
    a = int(rng.integers(0, 20)) * window // 100
    b = a + int(rng.integers(15, 35)) * window // 100
    c = b - int(rng.integers(4, 12)) * window // 100  # overlaps the first
    d = c + int(rng.integers(15, 30)) * window // 100
    e = window - int(rng.integers(3, 10)) * window // 100
    f = window + int(rng.integers(5, 30)) * window // 100  # sticks out
    return {"window": window, "a": a, "b": b, "c": c, "d": d, "e": e, "f": f}


def _intervals(v):
    return [(v["a"], v["b"]), (v["c"], v["d"]), (v["e"], v["f"])]


def _summed(v):
    return sum(100 * (min(b, v["window"]) - a) for a, b in _intervals(v)) / v["window"]


def _draw_sms(rng):
    total = int(rng.choice([20, 58, 108, 132]))
    window = int(rng.choice([200, 500, 1000]))
    return {"n": total, "k": int(rng.integers(1, total // 2)), "window": window, "busy": window * int(rng.integers(4, 20)) // 20}


_SIZES = (0.5, 0.75, 1, 3, 5, 6, 8, 9, 11, 13, 15, 24, 33)


def _draw_requests(rng):
    a, b, c = (float(s) for s in rng.choice(_SIZES, 3))
    v = {"a": a, "b": b, "c": c, **{f"t{i}": f"{s:g}" for i, s in enumerate((a, b, c))}}
    after = _reserved_mib(v)
    return v | {"grown": " + ".join(f"{now - before:.0f}" for before, now in zip([0, *after], after))}


def _sizes(v):
    return [round(v[name] * MIB) for name in "abc"]


def _reserved_mib(v):
    """What is reserved after each of the tensors."""
    steps = [("malloc", i, size) for i, size in enumerate(_sizes(v))]
    return [allocator.reserved / MIB for allocator in replay(steps, CachingAllocator())]


QUESTIONS = [
    Numeric(
        "04.utilization", 1, "In a window of {window} ms kernels run from {a} to {b} ms, from {c} to {d} ms and from {e} to {f} ms. Which GPU utilisation "
        "does the window read, in percent?",
        _draw_intervals, lambda v: utilization(_intervals(v), 0, v["window"]),
        "Busy from {a} to {d} ms (the first two overlap) and from {e} to {window} ms: {answer} % of {window} ms.",
        unit="%", atol=0.1, traps=(
            (_summed, "Time in which two kernels run counts once."),
            (lambda v: utilization(_intervals(v), 0, 10 * v["window"]) * 10, "The last kernel ends after the window. Only its part inside counts."))),
    Numeric(
        "04.sm_activity", 2, "A GPU has {n} SMs. In a window of {window} ms one kernel runs for {busy} ms on {k} of them. What is the SM activity "
        "(the share of SMs at work, averaged over the window) in percent?",
        _draw_sms, lambda v: 100 * v["k"] * v["busy"] / v["n"] / v["window"],
        "{k} / {n} of the SMs for {busy} / {window} of the time: {answer} %.", unit="%", rtol=0.01, traps=(
            (lambda v: 100 * v["busy"] / v["window"], "That is the utilisation: it doesn't know how many SMs work."),
            (lambda v: 100 * v["k"] / v["n"], "That is the share while the kernel runs. Average over the window."))),
    Numeric(
        "04.reserved", 2, "PyTorch has reserved nothing yet. Then tensors of {t0}, {t1} and {t2} MiB are allocated, in this order. How many MiB are reserved?",
        _draw_requests, lambda v: _reserved_mib(v)[-1],
        "Up to 1 MiB: segments of 2 MiB. Below 10 MiB: segments of 20 MiB. From 10 MiB on: the size, rounded up to 2 MiB. What fits into the free rest of a "
        "segment of its pool takes no new one. Tensor by tensor: {grown} = {answer} MiB.", unit="MiB", traps=(
            (lambda v: v["a"] + v["b"] + v["c"], "Those are the allocated bytes. The allocator takes whole segments."),
            (lambda v: sum(segment_size(size) for size in _sizes(v)) / MIB, "A later tensor may fit into what is left of an earlier segment of its pool."),
            (lambda v: sum(-(-size // (2 * MIB)) * 2 for size in _sizes(v)), "Between 1 and 10 MiB a segment has 20 MiB, and several tensors share it."))),
    Choice(
        "04.mem_util", 1, "What is NVML's `utilization.memory`?", "The share of the sample period in which device memory was read or written",
        (("Bytes used / bytes total", "That is memory.used / memory.total. A loaded, idle model has a high one and a `utilization.memory` of 0 %."),
         ("The hit rate of the cache", "NVML has no such number. Profilers count cache hits."),
         ("The share of the PCIe bandwidth in use", "PCIe traffic is a metric of its own.")),
        "Both utilisations are shares of time in the last sample period."),
    Choice(
        "04.still_high", 2, "After `del x; torch.cuda.empty_cache()` nvidia-smi shows hardly less memory. What is the most likely reason?",
        "Something is still alive: another reference, a tensor in the same segment, and the CUDA context anyway",
        (("A bug of the driver", "It gives back whole segments at once, when PyTorch asks for it."),
         ("ECC keeps a copy", "ECC takes a fixed part of some memories. It does not depend on tensors."),
         ("Persistence mode is on", "It keeps the driver loaded. It does not hold the memory of a process.")),
        "empty_cache returns wholly free segments. One live block keeps its segment, and the context stays as long as the process."),
    Choice(
        "04.idle_full", 2, "nvidia-smi shows 90 % of the memory in use and 0 % utilisation for hours. What is it?", "A loaded model that waits for requests",
        (("A memory leak", "A leak grows. A level that stays is an allocation, and servers fill the memory on purpose."),
         ("A driver that hangs", "Then nvidia-smi would show errors, or 100 % that never fall."),
         ("Thermal throttling", "It lowers the clocks. Kernels run longer, and the utilisation rises.")),
        "Memory is a level, utilisation is a share of time. They say nothing about each other."),
    Open(
        "04.oom", 3, "A training run stops: “tried to allocate 2 GiB”, while 3 GiB are reserved but unallocated. What is going on, and what do you try?",
        ("Fragmentation: the 3 GiB are many free blocks, none of them 2 GiB long",
         "Segments with one live block can't be given back, so empty_cache does not help",
         "Expandable segments (PYTORCH_ALLOC_CONF=expandable_segments:True) or max_split_size_mb",
         "Less varied sizes, large tensors first; look at the peak and not at the mean",
         "A smaller batch or activation checkpointing, if the peak itself is too high",
         "Record a memory snapshot and look at the segments"),
        "The free bytes lie in pieces between live tensors. A request needs one piece, and the driver takes back only whole segments. I would record a memory "
        "snapshot to see which tensors pin the segments, switch expandable segments on, and avoid changing shapes (bucket the lengths, warm up with the "
        "largest). If the peak itself is too high, a smaller batch or checkpointing is the cure."),
]

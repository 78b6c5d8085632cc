"""Drill questions of chapter 18: the modules of an edge SoC."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open

SIZES = ((1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))


def _draw_pass(rng):
    w, h = SIZES[int(rng.integers(len(SIZES)))]
    return {"w": w, "h": h, "fps": int(rng.choice([15, 25, 30, 60]))}


def _nv12_gb(v):
    return 1.5 * v["w"] * v["h"] * v["fps"] / 1e9


def _draw_streams(rng):
    v = {"decode": int(rng.choice([500, 1000, 2000])), "encode": int(rng.choice([250, 500, 1000])), "cores": int(rng.choice([1, 2, 3])), "ms": int(rng.choice([4, 5, 8, 10, 16, 20])),
         "peak": int(rng.choice([4, 8, 12, 17, 25])), "mb": int(rng.choice([16, 20, 40, 60]))}
    return v | dict(zip(("by_decode", "by_encode", "by_npu", "by_dram"), (f"{n:.2f}" for n in _limits(v))))


def _limits(v, derate=0.6, cores=None):
    pixels = 1920 * 1080 * 30 / 1e6
    npu = (v["cores"] if cores is None else cores) * 1000 / v["ms"] / 30
    return v["decode"] / pixels, v["encode"] / pixels, npu, v["peak"] * derate * 1e3 / (v["mb"] * 30)


def _streams(v, derate=0.6, cores=None):
    return math.floor(min(_limits(v, derate, cores)) + 1e-9)


def _draw_line(rng):
    a, b, c = (int(x) for x in rng.choice([2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25], 3, replace=False))
    return {"a": a, "b": b, "c": c, "n": int(rng.choice([20, 50, 100])), "slowest": max(a, b, c)}


def _line(v):
    return v["a"] + v["b"] + v["c"] + (v["n"] - 1) * max(v["a"], v["b"], v["c"])


def _draw_little(rng):
    return {"ms": int(rng.choice([40, 55, 70, 85, 90, 110, 130, 150])), "jitter": int(rng.choice([5, 12, 18, 25])), "fps": int(rng.choice([25, 30, 60]))}


def _little(v, jitter=True):
    return math.ceil((v["ms"] + (v["jitter"] if jitter else 0)) * v["fps"] / 1000 - 1e-9)


QUESTIONS = [
    Numeric(
        "18.one_pass", 1, "One module writes every NV12 frame of a {w} × {h} stream at {fps} frames a second to DRAM. How many GB/s (decimal) is that?",
        _draw_pass, _nv12_gb, "NV12 has 1.5 bytes a pixel: 1.5 · {w} · {h} · {fps} / 1e9 = {answer} GB/s.", unit="GB/s", rtol=0.01,
        traps=((lambda v: 2 * _nv12_gb(v), "That is RGB with 3 bytes a pixel. NV12 has 1.5."), (lambda v: _nv12_gb(v) / 1.5, "You left out the colours: NV12 has 1.5 bytes a pixel."),
               (lambda v: 8 * _nv12_gb(v), "These are gigabits."), (lambda v: 1e3 * _nv12_gb(v), "These are MB/s."))),
    Numeric(
        "18.streams", 2, "A chip decodes {decode} Mpix/s and encodes {encode} Mpix/s. NPU cores: {cores}; a network takes {ms} ms on one of them. The DRAM's peak is {peak} GB/s, of which you plan 60 %. "
        "A frame moves {mb} MB over the bus. How many 1080p streams at 30 frames a second does it serve, each decoded, analysed and encoded?",
        _draw_streams, _streams, "A 1080p30 stream is 62.2 Mpix/s. The decoder is enough for {by_decode} streams, the encoder for {by_encode}, the NPU for {by_npu}, the DRAM for {by_dram}. The smallest, rounded down: {answer}.",
        traps=((lambda v: _streams(v, 1.0), "Plan with 60 % of the peak."), (lambda v: _streams(v, cores=1), "All NPU cores count."), (lambda v: _streams(v) + 1, "Round down: part of a stream is none."))),
    Numeric(
        "18.line_ms", 2, "Three stages take {a}, {b} and {c} ms for every frame. They work at the same time, with a buffer between them. {n} frames are there at 0 ms. When does the last one come out, in ms?",
        _draw_line, _line, "The first frame takes the sum, each further one the slowest stage: {a} + {b} + {c} + ({n} − 1) · {slowest} = {answer} ms.", unit="ms", rtol=0.001,
        traps=((lambda v: v["n"] * (v["a"] + v["b"] + v["c"]), "The stages work at the same time: only the first frame pays the whole sum."),
               (lambda v: v["n"] * max(v["a"], v["b"], v["c"]), "The first frame has to pass the other stages as well."),
               (lambda v: v["a"] + v["b"] + v["c"] + v["n"] * max(v["a"], v["b"], v["c"]), "The first frame is in the sum already: n − 1 follow."))),
    Numeric(
        "18.little", 2, "A frame takes {ms} ms from the sensor to the encoder's output, and up to {jitter} ms more when things go badly. The camera makes {fps} frames a second. How many frames can be in flight, rounded up?",
        _draw_little, _little, "Little's law: ({ms} + {jitter}) ms · {fps} / 1000, rounded up, is {answer}.",
        traps=((lambda v: _little(v, False), "The jitter is time in the system too."), (lambda v: _little(v) - 1, "Round up: part of a frame holds a whole buffer."))),
    Choice(
        "18.where_is_dram", 1, "A block diagram of an SoC shows a box “DDR”. What is on the die?",
        "The controller and its PHY; the DRAM chips are outside",
        (("The DRAM", "DRAM is made in another process. It sits beside the SoC, or on top of it in one package."), ("The DRAM's cells of the NPU", "An NPU has SRAM of its own, kilobytes to megabytes."),
         ("Nothing, DDR is software", "The interface needs a controller, and analogue circuits at the pins: the PHY.")),
        "The controller orders the requests of all engines; the PHY drives the pins. Some accelerators have no DRAM at all and work from SRAM."),
    Choice(
        "18.faster_npu", 2, "You made the network twice as fast. The box still serves as many streams as before. Why?",
        "Another module was the limit",
        (("The NPU's clock fell", "Then the network would not be twice as fast."), ("INT8 is slower than FP32", "You measured that it is faster."), ("The operating system limits streams", "It may, but look at the modules' limits first.")),
        "Decoder, encoder, NPU and DDR each have a limit, and the smallest one counts. Compute all four before you optimise one."),
    Choice(
        "18.isp_or_2d", 1, "A frame is in NV12, 1920 × 1080. The network wants RGB, 640 × 640. Which module converts it, at best?",
        "The 2-D engine (RGA, VIC, IVE)",
        (("The ISP", "The ISP makes an image of raw sensor data. Some can write a second, smaller output, but this frame has left it."), ("The video encoder", "It compresses."), ("The CPU", "It can, at the price of cores that you need for other work.")),
        "Scaling and colour conversion are what 2-D engines are for. On a GPU-only board the GPU does it."),
    Choice(
        "18.more_buffers", 2, "Every stage of a line takes a constant time, the slowest 12 ms. You double the buffers between the stages. What happens to the throughput?",
        "Nothing: 83 frames a second before and after",
        (("It doubles", "The slowest stage still needs 12 ms for each frame."), ("It falls", "More room never delays a frame that was not delayed before."), ("It rises by the time that the stages were blocked", "Faster stages are blocked because the slow one is busy. It never waits, so nothing is gained.")),
        "Buffers help where times vary: then they keep the slowest stage supplied. They cost memory, and they add latency when they are full."),
    Open(
        "18.draw_path", 2, "Draw the path of one camera frame through the chip, and name every crossing of the DDR bus. Where would you save one?",
        ("Sensor to ISP without DRAM; the ISP writes NV12", "The scaler reads it and writes the network's input", "The NPU reads that, and may spill to DRAM", "The encoder reads the frame, reads references, writes the reconstruction", "The display reads the frame",
         "Bytes for each: 3.1 MB for 1080p NV12", "One crossing saved: a second ISP output for the network, buffers by handle, or tiles kept in SRAM"),
        "Raw data go from the sensor straight into the ISP, which writes an NV12 frame of 3.1 MB. The 2-D engine reads it and writes a 640 × 640 tensor, 1.2 MB, which the NPU reads; its intermediate results stay in SRAM or spill. "
        "The encoder reads the frame, reads parts of reference pictures and writes a reconstructed one; the bitstream is small. A display reads the frame again. That is about 19.6 MB a frame, 0.59 GB/s at 30 frames a second. "
        "I would let the ISP write the small image as a second output, which saves a whole read of the frame, and pass handles instead of copies everywhere."),
]

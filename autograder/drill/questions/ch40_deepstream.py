"""Drill questions of chapter 40: streaming video analytics."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open

FORMATS = {"NV12": 1.5, "RGB": 3.0, "RGBA": 4.0}
SIZES = {"1280 × 720": 1280 * 720, "1920 × 1080": 1920 * 1080, "3840 × 2160": 3840 * 2160}


def _draw_rate(rng):
    fmt, size = str(rng.choice(list(FORMATS))), str(rng.choice(list(SIZES)))
    return {"n": int(rng.choice([4, 8, 16, 24, 32])), "size": size, "fmt": fmt, "fps": int(rng.choice([15, 25, 30])), "bytes": FORMATS[fmt], "pixels": SIZES[size]}


def _rate(v):
    return v["n"] * v["fps"] * v["pixels"] * v["bytes"] / 1e9


def _draw_timeout(rng):
    fast, slow = int(rng.choice([20, 25, 30, 50, 60])), int(rng.choice([5, 8, 10, 12, 15]))
    return {"fast": fast, "slow": slow}


def _draw_capacity(rng):
    while True:
        v = {"fps": int(rng.choice([10, 15, 25, 30])), "a": int(rng.integers(2, 16)), "b": float(rng.choice([0.75, 1.5, 2.0, 2.5, 4.0])), "k": int(rng.integers(1, 5))}
        if 0.05 < _streams(v, v["k"] + 1) % 1 < 0.95:
            return v


def _streams(v, one_in):
    return (1000 * one_in / v["fps"] - v["a"]) / v["b"]


def _draw_staggered(rng):
    return {"n": int(rng.integers(2, 17)), "fps": int(rng.choice([10, 15, 25, 30, 50]))}


QUESTIONS = [
    Numeric(
        "40.raw_rate", 1, "{n} cameras deliver {size} pixels at {fps} frames per second. How many GB/s (1e9) are the decoded frames in {fmt} ({bytes} bytes per pixel)?",
        _draw_rate, _rate, "{n} · {fps} · {pixels} pixels · {bytes} bytes = {answer} GB/s.", unit="GB/s", rtol=0.01,
        traps=((lambda v: _rate(v) / v["n"], "That is one camera."),
               (lambda v: _rate(v) * 8, "Those are gigabits."),
               (lambda v: _rate(v) / v["bytes"], "Those are gigapixels: the bytes per pixel are missing."),
               (lambda v: _rate(v) / v["fps"], "That is one frame of each camera: the rate is missing."))),
    Numeric(
        "40.timeout", 2, "Two cameras with {fast} and {slow} fps go into one nvstreammux. By NVIDIA's advice, which batched-push-timeout do you set, in µs?",
        _draw_timeout, lambda v: 1e6 / v["fast"], "One frame period of the fastest camera: 1,000,000 / {fast} = {answer} µs.", unit="µs", rtol=0.01,
        traps=((lambda v: 1e3 / v["fast"], "That is in ms. The property counts µs."),
               (lambda v: 1e6 / v["slow"], "That is the period of the slower camera: frames of the fast one would wait for it."),
               (lambda v: 2e6 / v["fast"], "The timeout is one frame period, not one for each camera."))),
    Numeric(
        "40.same_source", 2, "Cameras with {fast} and {slow} fps share a batch. At most how many frames of the fast one arrive within one frame period of the slow one, "
        "rounded up (the value that NVIDIA advises for max-same-source-frames)?",
        _draw_timeout, lambda v: math.ceil(v["fast"] / v["slow"]), "{fast} / {slow}, rounded up: {answer}.",
        traps=((lambda v: math.floor(v["fast"] / v["slow"]), "Rounded down, the fast camera would pile up frames."),
               (lambda v: v["fast"], "That is per second."))),
    Numeric(
        "40.capacity", 2, "A batch with one frame from each of n cameras takes {a} + {b}·n ms. The cameras have {fps} fps, and interval={k}. Decoder and copies have no "
        "limit. How many cameras fit?",
        _draw_capacity, lambda v: math.floor(_streams(v, v["k"] + 1)),
        "One batch in {k} + 1 runs, so it has 1000 · ({k} + 1) / {fps} ms. Subtract {a} ms, divide by {b} ms, round down: {answer}.",
        traps=((lambda v: math.floor(_streams(v, max(v["k"], 1))), "interval counts the batches that are skipped between two that run: one in interval + 1 runs."),
               (lambda v: math.floor(1000 * (v["k"] + 1) / v["fps"] / (v["a"] + v["b"])), "The fixed cost is paid once a batch, not once a camera."),
               (lambda v: math.floor(_streams(v, 1)), "That is without skipping."),
               (lambda v: math.ceil(_streams(v, v["k"] + 1)), "Rounded up, the last camera does not fit."))),
    Numeric(
        "40.staggered_wait", 3, "{n} cameras with {fps} fps deliver evenly staggered. The muxer waits for full batches of {n}. How long does a frame wait on average, in ms?",
        _draw_staggered, lambda v: 1000 / v["fps"] * (v["n"] - 1) / (2 * v["n"]),
        "The first frame waits for {n} − 1 gaps of 1000 / ({n} · {fps}) ms, the last for none. The mean is ({n} − 1) / (2 · {n}) of the frame period: {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: 1000 / v["fps"] * (v["n"] - 1) / v["n"], "That is how long the first frame waits."),
               (lambda v: 1000 / v["fps"], "That is a whole frame period."),
               (lambda v: 1000 / v["fps"] / 2, "Half a period is the limit for very many cameras."),
               (lambda v: (v["n"] - 1) / (2 * v["n"]) / v["fps"], "That is in seconds."))),
    Choice(
        "40.dead_camera", 1, "One of four cameras dies. Which property of nvstreammux bounds how long the frames of the others wait for a full batch?",
        "batched-push-timeout",
        (("batch-size", "It says when a batch is full. A batch that does not fill is not helped by it."),
         ("max-size-buffers of the queue", "It bounds how many frames wait, not how long the muxer does."),
         ("interval", "It belongs to nvinfer, which sees the batch only after the push.")),
        "The clock starts with the first frame of a batch. When the timeout has passed, the batch is pushed as it is."),
    Choice(
        "40.where_to_drop", 2, "The GPU is overloaded. Where is it safest to drop?",
        "Decoded frames, in a leaky queue before the muxer",
        (("RTP packets, before they are put together", "A missing packet spoils every frame that copies from it, up to the next keyframe."),
         ("Every second coded frame before the decoder", "P frames copy from the frame before: hardly one would be intact."),
         ("Detections behind the model", "The work that overloads the GPU has been done by then.")),
        "A decoded frame stands alone: dropping it costs this frame. And the model never sees it, so the load falls."),
    Choice(
        "40.b_frames", 2, "A camera can send with B frames or without. Why does a viewer of the live picture see it later with B frames?",
        "A B frame needs a later frame, so frames are coded and sent out of order and have to wait",
        (("B frames are larger", "They are the smallest of all."),
         ("The groups of pictures get longer", "The distance of keyframes is a setting of its own."),
         ("The decoder has to convert YUV to RGB", "Whoever needs RGB converts every frame, of whatever type.")),
        "The encoder holds a frame back until the one behind it is there, and the decoder shows it only then. Without B frames decode order and order of showing are the same."),
    Choice(
        "40.leaky_downstream", 1, "What does `queue leaky=downstream` drop when it is full?",
        "The oldest frame that waits",
        (("The newest frame, which has just come", "That is leaky=upstream: the leak is where frames come from."),
         ("Nothing, it blocks the element before it", "That is leaky=no, the default."),
         ("Everything that waits", "It drops one frame for each that comes.")),
        "Upstream is where frames come from, downstream where they go. Leaking downstream keeps the queue fresh."),
    Open(
        "40.size_a_box", 3, "32 cameras, one small data-centre GPU, alarms within 500 ms of the event. How do you plan it?",
        ("A budget per stage: network and jitter buffer, decode, wait for the batch, queue, model, message", "Limits of decoder and model apart, each against 32 · fps frames per second",
         "interval with a tracker, and what it costs in accuracy", "Leaky queues with few places, so that their latency is bounded, and the drop rate as a metric",
         "What is given up first under overload, by the priority of the cameras"),
        "I write a budget: 100 to 200 ms for network and jitter buffer, one frame period for the batch, some tens of ms for the model, the rest for queues. I measure how "
        "many frames per second the GPU's decoder manages at this resolution, and fit a + b·n ms for the model. If 32 · 25 = 800 frames/s are too many for the model, "
        "interval=1 or 2 with a tracker, and I measure the recall that it costs. If they are too many for the decoder, only fewer frames or smaller streams help. Queues "
        "leak downstream with two or three places, so their share is bounded, and each camera's drop rate is an alarm of its own. Cameras at doors keep full rate, those at "
        "the car park lose frames first."),
]

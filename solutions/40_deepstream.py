# %% [markdown]
# # 40 · DeepStream: streaming video analytics
# **DeepStream 的介绍**
#
# Sixteen cameras at 30 frames per second are 480 frames per second, whether or not the model keeps up. A camera never waits.
# How many fit on a box? How long may a frame wait for its batch? And when there is too much, which frames should go? One lost frame can spoil a second of video, or nothing at all.
#
# About 110 minutes: 80 for the five exercises, the rest to read, measure and explain. It helps to know chapters 21 (batching), 27 (queues) and 48 (latency). No GPU is needed: the chapter renders, codes and decodes its own video on the CPU.

# %% setup
import math
from collections import deque

import numpy as np

# %% [markdown]
# ## The short answer
#
# > **DeepStream** is NVIDIA's toolkit for analysing video streams. It is a set of plugins for **GStreamer**, the open framework that builds media pipelines from elements. The plugins keep the frames in GPU memory from the decoder to the end.
# >
# > A usual chain: `nvurisrcbin` reads and decodes a camera. `nvstreammux` makes batches across cameras. `nvinfer` runs a TensorRT engine (NVIDIA's compiled model). `nvtracker` follows the objects. Then come drawing, and messages to other programs. What was found travels with the batch as metadata.
# >
# > The muxer pushes a batch when it is full, or when `batched-push-timeout` has passed since its first frame. So the timeout bounds what batching adds to the latency (unless it is -1, which means no timeout).
# >
# > The capacity is the smallest of several limits: decoder, copies in memory, model, and a tracker's, which this chapter leaves out. The usual lever is `interval`: the model skips batches, and the tracker fills in.
# >
# > Under overload, drop *decoded* frames, in a queue that leaks before the muxer. Never drop coded packets at random: other frames copy from them.
# >
# > DeepStream gives throughput and plumbing. It does not make a model accurate, and it guarantees no deadline.

# %% [markdown]
# ## How it works
#
# ### What comes in
#
# A decoder delivers frames as **NV12**: one byte of brightness (luma) for each pixel, and two colour values for each block of 2 × 2 pixels. That makes 1.5 bytes per pixel.

# %%
from utils.delivery.streaming import frame_mb

for fmt in ("NV12", "RGB", "RGBA"):
    mb = frame_mb(1920, 1080, fmt)
    print(f"{fmt:5} {mb:5.2f} MB per frame, {30 * mb:6.1f} MB/s per camera at 30 fps, {16 * 30 * mb / 1e3:.2f} GB/s for 16 cameras")

# %% [markdown]
# 1.49 GB/s for 16 cameras, and 2.7 times as much where somebody converts to RGBA early. Each copy between host and GPU moves all of it once more. That is why DeepStream passes handles to memory on the device (**zero-copy**).
#
# ### The pipeline
#
# GStreamer writes a pipeline as a line: **elements** (processing nodes) joined by `!`. Where an element has several inputs or outputs (**pads**), they have names: `mux.sink_0`. This is a DeepStream pipeline for two cameras, read by a small parser. It ends in `fakesink`, which throws away what it gets:

# %%
from utils.widgets.ch40_deepstream import launch_table

launch_table()

# %% [markdown]
# RTSP is the protocol by which network cameras send. Each `queue` gives what follows a thread of its own. `live-source=1` tells the muxer that its frames come from cameras, as they happen.
# The parser has a critic. Here are three common mistakes in one line:

# %%
from utils.delivery.streaming import lint_pipeline

line = ("nvurisrcbin uri=rtsp://camera-0 ! mux.sink_0 nvstreammux name=mux batch-size=4 batched-push-timeout=-1 live-source=1 "
        "! nvinfer batch-size=1 ! fakesink")
for finding in lint_pipeline(line):
    print("-", finding)

# %% [markdown]
# The muxer makes batches of 4, and the model takes 1. The timeout -1 sets no bound to a wait. And no queue stands between the elements.
#
# ### Frames copy from frames
#
# Now real video. The chapter renders a scanned digit that walks over a noisy background, and codes it as **H.264**, the most common video format. PyAV, a wrapper of the FFmpeg libraries, does that. Where PyAV is missing, the chapter falls back to JPEGs, one a frame, and says so here:

# %%
from utils.delivery.streaming import best_codec, decode, frame_types, packets, render_clip

codec = best_codec()
clip = render_clip(60, 30, (320, 240), seed=0, codec=codec)  # 2 s, a keyframe every 30 frames
print("codec:", codec, "" if codec == "h264" else "(PyAV is not installed: JPEGs stand in, and no frame copies from another. pip install av)")
sizes = [packet.size_bytes for packet in packets(clip)]
print("types:", frame_types(clip))
print("first packets:", sizes[:5], "bytes;", f"raw: {320 * 240 * 1.5:,.0f} bytes per frame")
print("frames:", len(list(decode(clip))), " keyframes only:", len(list(decode(clip, keyframes_only=True))))

# %% [markdown]
# With H.264 the first packet has about 15 kB, and the next about half a kilobyte. The big one is an **I frame**, here also a **keyframe**: it can be decoded alone. The small ones are **P frames**. They copy from the frame before and store what has changed. A keyframe with all that follow up to the next is a **GOP** (group of pictures), here 30 frames.
#
# What if packet 10 never arrives?

# %%
from utils.widgets.ch40_deepstream import damage_strip

damage_strip(clip, {10}, [9, 10, 11, 20, 29, 30])

# %% [markdown]
# With H.264, frame 10 is missing. Frames 11 to 29 arrived, and are wrong: they copy from a picture that is not there. The ghost stays until keyframe 30 repairs it. One packet costs 20 frames, two thirds of a second.
#
# The rule behind it is short. A frame is good if it arrived, and if all frames that it copies from are good. Does the real decoder agree?

# %%
from utils.delivery.streaming import decode_with_loss, predicted_good

for lost in ({10}, {0}, {29}, {5, 41}):
    decoded = [fate.fate == "ok" for fate in decode_with_loss(clip, lost)]
    predicted = predicted_good(clip, lost)
    print(f"lost {sorted(lost)}: {decoded.count(False)} frames spoiled, {predicted.count(False)} predicted;", end=" ")
    print("the same frames:", decoded == predicted)

# %% [markdown]
# "Spoiled" is a frame that does not come out, or differs in any pixel. (When the first keyframe is lost, FFmpeg shows nothing until the next one.)
#
# **B frames** copy from two frames, one earlier and one later. The later one has to be decoded first. So packets travel in **decode order**, and each carries its **presentation timestamp** (PTS), the time at which it is shown:

# %%
b_clip = render_clip(60, 30, (320, 240), seed=0, codec=codec, b_frames=2 if codec == "h264" else 0)
print("decode order:", frame_types(b_clip)[:12])
print("shown as    :", [round(packet.pts_us * 30 / 1e6) for packet in packets(b_clip)][:12])
for lost in ({2}, {4}):
    print(f"packet {sorted(lost)} lost; frames spoiled:", sum(fate.fate != "ok" for fate in decode_with_loss(b_clip, lost)))

# %% [markdown]
# With H.264, packet 2 is a B frame. Here nothing copies from it, so its loss costs one frame. (Encoders may also use B frames as references. Ours is told not to.) Packet 4 is a P frame: its loss costs 26 frames, itself and all that copy from it, up to the next keyframe.
# But the encoder has to wait for the later frame before it can code a B frame, so everything behind it is late. For live analytics cameras are set to send no B frames.
#
# How many frames does each packet of a group take with it, itself included? The letters stand in decode order:

# %%
from utils.delivery.streaming import damage_lengths

print("P only :", damage_lengths("I" + 11 * "P"))
print("with B :", damage_lengths("IPBBPBBPBBPB"))

# %% [markdown]
# With P frames only, the first packet costs all 12 frames, the second 11, the last 1. With B frames the I frame costs 12, the P frames 11, 8, 5 and 2, and each B frame 1. So "drop every second packet" destroys nearly everything. Dropping decoded frames costs exactly the frames that were dropped.
#
# ### The muxer
#
# A GPU is efficient on batches (chapter 21), and one camera delivers a frame every 33 ms. The **stream muxer** takes frames from several cameras. Its rule:
#
# > Push the batch when it is full, or when the timeout has passed since its first frame.
#
# This is the *legacy rule*. A camera may have several frames in one batch.
#
# Four cameras, evenly staggered, so a frame comes every 8.3 ms. A batch of n takes the model 4 + 1.5·n ms. All times are simulated. Latency runs from the arrival of a frame at the muxer until the model has done its batch. p95 is the value that 95 % of the frames stay within:

# %%
from utils.delivery.streaming import camera_events, mux_events, mux_report

events = camera_events(4, 30, duration_s=2.0)
print("batch-size  timeout (ms)  per batch  mean wait (ms)  p95 latency (ms)  model busy")
for size, timeout_ms in ((1, 33), (4, 33), (8, 33), (8, 10), (8, 0)):
    report = mux_report(mux_events(events, size, 1000 * timeout_ms), 4, 1.5)
    print(f"{size:10}  {timeout_ms:12}  {report.mean_fill:9.1f}  {report.mean_wait_ms:14.1f}", end="")
    print(f"  {report.p95_latency_ms:16.1f}  {report.busy:10.0%}")

# %% [markdown]
# - With a batch-size of 4 a frame waits 12.5 ms on average: the first waits for three others, the last for nobody. For n staggered cameras and a batch-size of n that is (n − 1)/(2n) of the frame period.
# - A batch-size of 8 makes no larger batches here: in 33 ms only four frames come. Each batch waits for the whole timeout, and a frame 20.5 ms on average, for nothing.
# - A shorter timeout trades fill for latency. At 0 every frame goes alone, and the model is busy more than twice as long.
#
# NVIDIA's advice is batch-size = number of cameras, and a timeout of 1,000,000 / fps µs, for the largest fps among them.
# (One simplification: our muxer takes frames in the order of arrival. `nvstreammux` goes round the sources.)
#
# DeepStream has two muxers under the name `nvstreammux`. NVIDIA documents the legacy rule for the older one. The environment variable `USE_NEW_NVSTREAMMUX=yes` selects the new one: it takes its deadline from frame rates in a configuration file. There `max-same-source-frames` says how many frames a camera may have in a batch; the default is 1.
# (Someone who measured release 7.1 found one frame a camera in the older muxer too, with `live-source=1`. NVIDIA's page does not say so.)
#
# What does the timeout protect from? Camera 3 dies after half a second. Once we take the legacy rule. Once we let each camera have one frame in a batch: its second frame waits for the next batch, so a batch of 4 is full only when all four cameras have sent:

# %%
alive = [event for event in camera_events(4, 30, duration_s=2.0) if event.source != 3 or event.t_us < 500_000]
for name, most in (("legacy rule", None), ("one frame a camera", 1)):
    for timeout_us in (33_333, -1):
        batches = mux_events(alive, 4, timeout_us, max_same_source=most)
        worst = max(max(batch.waits_us) for batch in batches) / 1e3
        in_time = sum(batch.push_us <= 1_000_000 for batch in batches)
        print(f"{name:18}, timeout {timeout_us:6} µs: longest wait {worst:7.1f} ms, {in_time} batches in the first second")

# %% [markdown]
# By the legacy rule the living cameras fill the place of the dead one. So -1 costs nothing here; it only means that no bound holds when more cameras die. With one frame a camera, -1 makes the healthy cameras stand still with the dead one. In our simulation that wait ends only because the list does.
#
# ### Queues that leak
#
# Now the model is too slow: 80 ms a frame, and one comes every 33 ms. What happens depends on the queue in front of it. GStreamer's `queue` has a property `leaky`:

# %%
from utils.delivery.streaming import MODES, simulate_leaky_queue
from utils.widgets.ch40_deepstream import queues_picture

queues_picture({mode: simulate_leaky_queue(range(0, 2000, 33), 80, 4, mode) for mode in MODES})

# %% [markdown]
# - `no`: nothing is lost, and everything is late. The last frame is almost 3 s old. (Here the queue has no bound. GStreamer's default is to block: **back-pressure**. A camera can't be blocked, so the frames pile up nearer the camera.)
# - `upstream`: a full queue turns the newcomer away. What waits gets old.
# - `downstream`: a full queue throws away the oldest that waits. The same number is lost, and what remains is fresher.
#
# Upstream is where frames come from, downstream is where they go. In both leaky modes the latency has a bound: (places + 1) · service time. A frame that takes a place has at most the one in service and places − 1 others before it; then comes its own service. With 4 places and 80 ms that is 400 ms.
#
# ### How many cameras?
#
# Each resource has its own limit, and the smallest one decides. The decoder manages 1,000 frames/s here, the copies in memory 12 GB/s, the model takes 4 + 1.5·n ms for a frame from each of n cameras (invented figures). An NV12 frame of 1920 × 1080 has 1920 · 1080 · 1.5 = 3,110,400 bytes. The **inference interval** k skips k batches between two that run:

# %%
from utils.delivery.streaming import stream_capacity

for k in range(5):
    found = stream_capacity(30, 1000, lambda n: 4 + 1.5 * n, k, 3_110_400, 12e9)
    print(f"interval {k}: {found.max_streams} cameras, limited by {found.bottleneck:7} {found.limits}")

# %% [markdown]
# Interval 1 adds three quarters to what fits; then the decoder is full, and skipping more buys nothing. Every frame has to be decoded, also those that no model sees: later frames copy from them.
#
# ### The tracker fills in
#
# On skipped frames a **tracker** moves the boxes on. Ours matches boxes by **IoU** (intersection over union, the shared area of two boxes over the area that both cover) and lets objects go on at their speed:

# %%
from utils.delivery.streaming import IouTracker, iou

tracker = IouTracker()
tracker.update([(10.0, 10.0, 50.0, 50.0)])
tracker.update([(14.0, 13.0, 54.0, 53.0)])  # seen again, 4 to the right and 3 down
for frame in (2, 3):
    print("frame", frame, "without a detector:", tracker.skip()[0].box)
print("IoU of boxes one frame apart:", round(iou((10, 10, 50, 50), (14, 13, 54, 53)), 2))

# %% [markdown]
# That works for objects that move steadily and overlap from frame to frame. A person who turns round between two inferences is lost. So the interval is bought with accuracy: measure it.

# %% [markdown]
# ## See it
#
# ![Timeline of four cameras with 30 fps, batch-size 8 and a timeout of 33 ms, simulated. Each batch holds one frame of each camera. The first waits 33 ms for the timeout, the fourth 8 ms. Below, the model works for 10 ms after each push and is idle otherwise.](figure.svg)
#
# Four cameras, batch-size 8, a timeout of 33 ms: the batches hold 4.0 frames, a frame waits 20.5 ms on average, and the model is busy 30 % of the time.
#
# **Stream muxer.** Set cameras, rates, batch size and timeout. Lines are frames that wait, dotted verticals are pushes.

# %% figure
from utils.widgets.ch40_deepstream import muxer

muxer()

# %% [markdown]
# **A lost packet.** Choose how frames copy from each other, and lose one packet or two.

# %% figure
from utils.widgets.ch40_deepstream import loss

loss()

# %% [markdown]
# ## Exercises
#
# The set-up cell has imported `math`, `deque` and `numpy` as `np`. You may import more from Python's standard library.

# %% [markdown] about="mux_batches"
# When does the muxer push, and what?
#
# - `events` is a list of tuples (time, source), whole numbers: a frame of camera `source` arrives at `time` (µs, 0 or more). The list is in the order of arrival. It may be empty.
# - Frames join the current batch in this order. A camera may have several frames in one batch.
# - A batch is pushed at the arrival that fills it: it then has `batch_size` frames. Otherwise it is pushed at its *deadline*, the arrival time of its first frame plus `timeout_us`.
# - If a frame arrives at the deadline or later, the old batch goes first (at its deadline), and the frame begins a new batch, also if it would have filled the old one. So with `timeout_us` 0 every frame goes alone, also two of the same time.
# - `timeout_us` -1 means: no deadline. What is left after the last event is then pushed at the time of the last event. With a timeout of 0 or more the last batch, too, waits for its deadline.
# - Return a list of tuples (push time, list of sources in the order of arrival), in the order of the pushes. Leave `events` unchanged.
# - Raise `ValueError` when `batch_size` is below 1, `timeout_us` is below -1, or a time is smaller than the one before it.
#
# With events `[(0, 0), (5, 1), (33, 0), (38, 1), (66, 0)]`:
#
# | batch_size | timeout_us | result |
# |---|---|---|
# | 2 | 20 | `[(5, [0, 1]), (38, [0, 1]), (86, [0])]` |
# | 4 | 20 | `[(20, [0, 1]), (53, [0, 1]), (86, [0])]` |
# | 4 | 40 | `[(38, [0, 1, 0, 1]), (106, [0])]` |
#
# With a batch_size of 3 and a timeout_us of 33, the frame of 33 comes at the deadline. It is too late to fill the first batch: `[(33, [0, 1]), (66, [0, 1]), (99, [0])]`.

# %% exercise="mux_batches"
def mux_batches(events: list[tuple[int, int]], batch_size: int, timeout_us: int) -> list[tuple[int, list[int]]]:
    """Batches (push time, sources in order) of frames (time, source) that are sorted by time."""
    ### BEGIN SOLUTION
    if batch_size < 1:
        raise ValueError("batch_size must be at least 1")
    if timeout_us < -1:
        raise ValueError("timeout_us must be at least -1")
    batches, batch, deadline, last = [], [], math.inf, 0
    for arrival, source in events:
        if arrival < last:
            raise ValueError("events must be sorted by time")
        last = arrival
        if batch and arrival >= deadline:
            batches.append((deadline, batch))
            batch = []
        if not batch:
            deadline = math.inf if timeout_us == -1 else arrival + timeout_us
        batch.append(source)
        if len(batch) == batch_size:
            batches.append((arrival, batch))
            batch = []
    if batch:
        batches.append((last if timeout_us == -1 else deadline, batch))
    return batches
    ### END SOLUTION

# %% check="mux_batches"
check("40.mux_batches", mux_batches)

# %% [markdown] about="leaky_queue"
# A queue before a slow worker. Whom does it lose?
#
# - `arrivals` is a sorted list of whole numbers: frame i arrives at `arrivals[i]`. Frames of equal times come in the order of their indices. The list may be empty.
# - One worker serves one frame at a time, each for `service` (a whole number, 1 or more). Beside it there are `capacity` places to wait in (0 or more).
# - A frame that meets an idle worker is served at once. One that meets a busy worker takes a place, if there is one.
# - If all places are taken, `mode` decides. `"upstream"`: the newcomer is dropped. `"downstream"`: the frame that has waited longest is dropped, and the newcomer waits. With capacity 0 nobody waits, so both modes drop the newcomer.
# - A completion at time t happens before an arrival at t. The worker then takes the frame that has waited longest. A frame in service is never dropped.
# - Return a tuple of two lists: (index, latency) of the frames that were served, in the order of service, and the dropped indices in the order of dropping. The latency runs from the arrival to the end of the service. Leave `arrivals` unchanged.
# - Raise `ValueError` for a negative `capacity`, and for any other `mode`, also `"no"`.
#
# With arrivals 0, 10, …, 90, a service of 25 and a capacity of 2:
#
# - `"upstream"`: `([(0, 25), (1, 40), (2, 55), (3, 70), (5, 75), (8, 70)], [4, 6, 7, 9])`
# - `"downstream"`: `([(0, 25), (1, 40), (3, 45), (6, 40), (8, 45), (9, 60)], [2, 4, 5, 7])`

# %% exercise="leaky_queue"
def leaky_queue(arrivals: list[int], service: int, capacity: int, mode: str) -> tuple[list[tuple[int, int]], list[int]]:
    """(index, latency) of each frame that is served, and the dropped indices."""
    ### BEGIN SOLUTION
    if capacity < 0:
        raise ValueError("capacity must not be negative")
    if mode not in ("upstream", "downstream"):
        raise ValueError("mode must be 'upstream' or 'downstream'")
    waiting, done, dropped = deque(), [], []
    free = 0  # when the worker has ended what it began; whoever comes first finds it idle
    for i, now in enumerate(arrivals):
        while waiting and free <= now:
            first = waiting.popleft()
            free += service
            done.append((first, free - arrivals[first]))
        if not done or free <= now:
            free = now + service
            done.append((i, service))
        elif len(waiting) < capacity:
            waiting.append(i)
        elif mode == "downstream" and waiting:
            dropped.append(waiting.popleft())
            waiting.append(i)
        else:
            dropped.append(i)
    for first in waiting:
        free += service
        done.append((first, free - arrivals[first]))
    return done, dropped
    ### END SOLUTION

# %% check="leaky_queue"
check("40.leaky_queue", leaky_queue)

# %% [markdown] about="decodable"
# Which frames survive a loss?
#
# - Frames are numbered in decode order, from 0. `refs[i]` is a tuple of the frames that frame i copies from. It may be empty.
# - `lost` is a set with the numbers of the frames that never arrived, and no others. It may be empty.
# - A frame is good if it arrived and all its references are good.
# - Return a list of bools, one a frame. Without frames that is an empty list.
# - Raise `ValueError` if a reference is not an earlier frame, that is, not one of 0 … i − 1. That includes negative numbers.
#
# | refs | lost | result |
# |---|---|---|
# | `[(), (0,), (1,), (2,), (), (4,)]`, which is I P P P I P | `{1}` | `[True, False, False, False, True, True]` |
# | `[(), (0,), (0, 1), (1,)]`, which is I P B P | `{2}` | `[True, True, False, True]` |

# %% exercise="decodable"
def decodable(refs: list[tuple[int, ...]], lost: set[int]) -> list[bool]:
    """Whether each frame can be decoded without damage: it arrived, and all frames that it copies from are good."""
    ### BEGIN SOLUTION
    good = []
    for i, needs in enumerate(refs):
        if any(r < 0 or r >= i for r in needs):
            raise ValueError("a reference must be an earlier frame")
        good.append(i not in lost and all(good[r] for r in needs))
    return good
    ### END SOLUTION

# %% check="decodable"
check("40.decodable", decodable)

# %% [markdown] about="max_streams"
# How many cameras fit on a box, and what runs out first?
#
# Each of n cameras delivers `fps` frames per second. Every resource has a limit of its own, the largest whole n ≥ 0 for which it keeps up:
#
# - `"infer"`: a batch has one frame of each camera, so `fps` batches come per second. After each batch that runs, `interval` batches are skipped (a whole number, 0 or more). A batch takes `a_ms + b_ms * n` ms (`a_ms` ≥ 0, `b_ms` > 0). It must take no longer than the time from one batch that runs to the next. If no camera fits, the limit is 0.
# - `"decode"`: n · fps may be at most `decode_fps`.
# - `"copy"`: n · fps · `frame_bytes` may be at most `copy_bytes_s`.
#
# All frames are decoded and copied, also those of skipped batches. `decode_fps` and `copy_bytes_s` may be `math.inf`, for no limit; nothing else is infinite. Don't round an infinite limit down (`math.floor` raises an error): it stays infinite, and is never the smallest.
# Return a tuple: the smallest of the three limits, as an int, and the resource that has it. Among equal limits (whole numbers) name the first in the order infer, decode, copy.
#
# With `fps` 30, `a_ms` 4, `b_ms` 1.5, `frame_bytes` 3,110,400 and both others unlimited: interval 0, 1, 2, 4 → `(19, "infer")`, `(41, "infer")`, `(64, "infer")`, `(108, "infer")`. With `decode_fps` 1000 and interval 2: `(33, "decode")`.
#
# The third of these lies exactly on its limit: 4 + 1.5 · 64 = 100 ms, so camera 64 fits. You need not guard against rounding errors: in the cases used, the order of your operations does not change the result.

# %% exercise="max_streams"
def max_streams(
    fps: float, a_ms: float, b_ms: float, interval: int, decode_fps: float, frame_bytes: int, copy_bytes_s: float
) -> tuple[int, str]:
    """Cameras that fit, and the resource that limits them: "infer", "decode" or "copy" (in this order among equals)."""
    ### BEGIN SOLUTION
    period_ms = 1000 * (interval + 1) / fps
    limits = {
        "infer": (period_ms - a_ms) / b_ms,
        "decode": decode_fps / fps,
        "copy": copy_bytes_s / (fps * frame_bytes),
    }
    whole = {name: limit if limit == math.inf else max(0, math.floor(limit)) for name, limit in limits.items()}
    name = min(whole, key=whole.get)
    return whole[name], name
    ### END SOLUTION

# %% check="max_streams"
check("40.max_streams", max_streams)

# %% [markdown] about="latency_breakdown"
# Where does the time go?
#
# - `stamps` maps the name of a stage to a float64 array of n ≥ 1 timestamps in ms, one a frame; all arrays have the same n. NaN means that the frame did not get there.
# - `order` lists two stages or more, in the order of the pipeline. Each is a key of `stamps`. Keys of `stamps` that are not in `order` count for nothing.
# - For each two neighbours a, b in `order`, the hop `"a->b"` is the time from a to b, over all frames with both stamps. Return its p95 in ms, with linear interpolation between neighbouring samples (NumPy's default).
# - `"end_to_end"`: p95 of the time from the first to the last stage of `order`, over *complete* frames: those with a stamp at every stage of `order`.
# - `"drop_rate"`: the share of all n frames that are not complete, from 0 to 1.
# - A p95 over no frame is NaN. Return a dict of these keys and floats. Leave `stamps` and `order` unchanged.
# - Raise `ValueError` with the word `clock` in its message if any such hop is negative, also one of a frame that is not complete.
# - Floats may differ by 1e-9, absolute or relative.
#
# | stamps | order | result |
# |---|---|---|
# | capture [0, 10, 20], infer [8, NaN, 30], out [9, NaN, 36] | capture, infer, out | capture->infer 9.9, infer->out 5.75, end_to_end 15.65, drop_rate 1/3 |
# | capture [0, 10], infer [10, 12], out [12, 30] | capture, infer, out | capture->infer 9.6, infer->out 17.2, end_to_end 19.6, drop_rate 0 |
#
# In the first, 9.9 + 5.75 is 15.65, because the same frame is the slowest in both hops. In the second, the hops add up to 26.8.

# %% exercise="latency_breakdown"
def latency_breakdown(stamps: dict[str, np.ndarray], order: list[str]) -> dict[str, float]:
    """p95 in ms of each hop "a->b", p95 of the whole way "end_to_end", and the share of frames that are not complete."""
    ### BEGIN SOLUTION
    def p95(times):
        return float(np.percentile(times, 95)) if len(times) else math.nan

    ways = np.array([stamps[stage] for stage in order])
    complete = ~np.isnan(ways).any(axis=0)
    result = {}
    for i in range(len(order) - 1):
        hop = ways[i + 1] - ways[i]
        hop = hop[~np.isnan(hop)]
        if (hop < 0).any():
            raise ValueError("a hop is negative: the stamps are not from one clock")
        result[f"{order[i]}->{order[i + 1]}"] = p95(hop)
    result["end_to_end"] = p95((ways[-1] - ways[0])[complete])
    result["drop_rate"] = float(1 - complete.mean())
    return result
    ### END SOLUTION

# %% check="latency_breakdown"
check("40.latency_breakdown", latency_breakdown)

# %% [markdown]
# ## Measure it
#
# A pipeline with real threads: four decoders, paced to the wall clock like cameras; a leaky queue for each; a muxer; a *hand-over*, which holds one batch until the model takes it; a small detector in ONNX Runtime, which looks for the bright digit; a tracker for each camera. The clips have 1 s each, and the cameras start 8.3 ms apart.
# Before you run it: with batches of 4 instead of 1, does the median latency rise or fall?

# %% experiment
from utils.delivery.streaming import StreamPipeline, best_codec, digit_detector, render_clip
from utils.widgets.ch40_deepstream import pipeline_table

codec = best_codec()
print("codec:", codec, "" if codec == "h264" else "(PyAV is not installed: JPEGs stand in. pip install av)")
clips = [render_clip(30, 30, (320, 240), seed, codec) for seed in range(4)]
detect, phases = digit_detector((320, 240)), (0, 8.3, 16.7, 25)
quick = {
    "batches of 1": StreamPipeline(clips, detect, batch_size=1, timeout_ms=33, phases_ms=phases).run(),
    "batches of 4, 33 ms": StreamPipeline(clips, detect, batch_size=4, timeout_ms=33, phases_ms=phases).run(),
    "the same, interval 2": StreamPipeline(clips, detect, batch_size=4, timeout_ms=33, interval=2, phases_ms=phases).run(),
}
pipeline_table(quick)

# %% [markdown]
# What to look for:
#
# - The model is quick here, so the batch brings nothing and costs its wait: about a dozen ms more at the median. Where each call of the model has a high fixed cost, the trade is another one.
# - With interval 2 a third of the batches is inferred. Every frame still has boxes: the tracker made them.
#
# How good are those boxes? Compare them with the detector's own, frame by frame:

# %% experiment
from utils.delivery.streaming import iou

seen = {(meta.source, meta.frame): meta.box for meta in quick["batches of 4, 33 ms"].metadata}
filled = [iou(meta.box, seen[meta.source, meta.frame]) for meta in quick["the same, interval 2"].metadata
          if not meta.detected and (meta.source, meta.frame) in seen]
told = f"mean {np.mean(filled):.2f}, worst {min(filled):.2f}" if filled else "no frame in common"
print(f"{len(filled)} boxes from the tracker; IoU with the detector's: {told}")

# %% [markdown]
# That is rough. The detector rounds its boxes to tiles of 8 pixels, so the tracker learns the speed badly, and the digit bounces off the edges.
#
# Now a model that is too slow. It is the same one, made slow artificially: it sleeps for 40 + 10·n ms a batch. Four cameras bring 120 frames/s, and it manages 50. One run with queues that keep everything, one with queues of 2 places that leak downstream:

# %% experiment
from utils.widgets.ch40_deepstream import latencies_picture

slow = {
    mode: StreamPipeline(clips, detect, batch_size=4, timeout_ms=33, queue_size=2, leaky=mode, slow_ms=(40, 10), phases_ms=phases).run()
    for mode in ("no", "downstream")
}
latencies_picture(slow)

# %% [markdown]
# What to look for: without a leak the age climbs as long as the cameras send. With it the age stays flat, and about half of the frames are gone. For an alarm the second is the useful one.
#
# Why not 70 of 120, as the rates say? The clips end after 1 s, and what waits then is still inferred: up to 8 frames in the four queues, 4 in the muxer and 4 at the hand-over.
#
# Where does the time go? p95 of each hop:

# %% experiment
from utils.widgets.ch40_deepstream import stage_table

stage_table({**quick, **slow})

# %% [markdown]
# Compare "sum of these" with "end to end": percentiles don't add up. In the run without a leak nearly all the lateness is in the queue. (A batch that is ready waits for the model at the hand-over. So the column "hand-over and model" holds more than one service of 80 ms.)
#
# Then the loss, measured frame by frame:

# %% experiment
from utils.delivery.streaming import best_codec, render_clip
from utils.widgets.ch40_deepstream import errors_picture

codec = best_codec()
lossy = render_clip(60, 30, (320, 240), seed=1, codec=codec)
errors_picture(lossy, {10})

# %% [markdown]
# With H.264 the error jumps at the loss, changes as the digit walks on, and ends at the keyframe. With JPEGs only the lost frame is gone.
#
# What does H.264 buy for that risk? Bytes and processor time of the same 60 frames:

# %% experiment
from time import process_time

from utils.delivery.streaming import best_codec, decode, render_clip, render_frames

render_frames(1, (320, 240), 0)  # the first call loads the digits
for name in ("mjpeg", "h264"):
    if name == "h264" and best_codec() != "h264":
        print("h264 : PyAV is not installed (pip install av)")
        continue
    start = process_time()
    coded = render_clip(60, 30, (320, 240), 0, name)
    middle = process_time()
    count = len(list(decode(coded)))
    encode_ms, decode_ms = 1e3 * (middle - start) / count, 1e3 * (process_time() - middle) / count
    print(f"{name:5}: {len(coded):7,} bytes; per frame render and encode {encode_ms:.2f} ms, decode {decode_ms:.2f} ms")

# %% [markdown]
# The last two cells need more than this course installs. An NVIDIA GPU has a decoder of its own, beside the cores that compute:

# %% experiment
from utils.widgets.ch40_deepstream import gpu_cell

gpu_cell(lossy)

# %% experiment
from utils.widgets.ch40_deepstream import gst_cell

gst_cell()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Which release runs on which board:

# %%
from utils.widgets.ch40_deepstream import facts_table

facts_table()

# %% [markdown]
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | DeepStream is NVIDIA's toolkit for AI-based analysis of video and other sensors | holds | the line of releases is 9.x now; since 2026 much of its source is public on GitHub |
# | 2 | Jetson Nano, TX2, Xavier NX and AGX Xavier are supported (Jetson: NVIDIA's small computers) | dated | 5.1 named Nano, TX1 and TX2. 6.1.1 named only Xavier and Orin, 9.1 only Thor and Orin: see the table |
# | 3 | it runs on Windows and Linux; Windows 10 and Server are named | wrong | the README of 9.0 names Ubuntu 24.04 on x86, and JetPack (Jetson's system). On Windows it runs in Docker inside WSL2, the Linux of Windows |
# | 4 | many Linux distributions, RHEL among them | dated | the README of 9.0 names Ubuntu 24.04, JetPack, and a container for Arm servers; RHEL is not there |
# | 5 | NGC is a cloud platform on which the applications run | wrong | NGC is a catalogue: containers and models are fetched from it. The computer is rented elsewhere |
# | 6 | plugins on GStreamer | holds | the pipeline above; the Python bindings are listed as deprecated in 9.1 |
# | 7 | models by TAO (NVIDIA's training toolkit) and TensorRT | holds, incomplete | `nvinferserver` runs models of a Triton server (chapter 28); since 9.0 a plugin runs vision-language models on vLLM (its changelog); TAO is optional |
# | 8 | high resolution and many sources stay real-time thanks to the GPU | depends | it is a capacity to compute, from several limits: below |
# | 9 | supports recognising behaviour and understanding scenes | depends | the toolkit moves frames and metadata. What is recognised is up to the model |
# | 10 | (missing) batching across cameras and its timeout | gap | the most important setting, in the legacy muxer: `batch-size` and `batched-push-timeout`, from the first frame of the batch |
#
# Claims 8 and 10, computed, the latter by the legacy rule:

# %%
from utils.delivery.streaming import camera_events, frame_mb, mux_events, mux_report, stream_capacity

print(f"claim 8: 16 cameras, 1080p, 30 fps: {480 * frame_mb(1920, 1080) / 1e3:.2f} GB/s of NV12 for each copy")
for decode_fps, name in ((1000, "decoder of 1,000 frames/s"), (400, "decoder of 400 frames/s")):
    found = stream_capacity(30, decode_fps, lambda n: 4 + 1.5 * n, 0, 3_110_400, 12e9)
    print(f"         {name}: {found.max_streams} cameras, limited by {found.bottleneck}")
for size in (4, 8):
    report = mux_report(mux_events(camera_events(4, 30, duration_s=2.0), size, 33_000), 4, 1.5)
    print(f"claim 10: four cameras, batch-size {size}: a frame waits {report.mean_wait_ms:.1f} ms on average")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "Our box has 12 cameras at 25 fps, and the model is too slow by a factor of two. To be on the safe side I set batch-size to 32 and batched-push-timeout to -1, in the legacy muxer. And to halve the load I drop every second RTP packet before the decoder." (RTP carries the coded video over the network.) Answer in six sentences.
#
# A good answer names:
# 1. what a batch-size of 32 does with 12 cameras by the legacy rule, and what to set;
# 2. what -1 means when cameras fail, by the legacy rule and with one frame a camera, and a timeout in µs;
# 3. what a lost packet does to the frames behind it, and until when;
# 4. two better ways to halve the model's load;
# 5. what to measure afterwards.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# By the legacy rule a batch of 32 fills from 12 cameras in about 0.1 s (32 of 300 frames per second), with two or three frames of each, so a frame waits some 50 ms: set batch-size to 12, in the muxer and in nvinfer.
# With -1 that wait has no bound: each camera that fails makes it longer, and where a camera may have one frame in a batch, one that fails stops them all (and 32 would never fill), so set the timeout to 1,000,000 / 25 = 40,000 µs.
# H.264 frames copy from frames, so a packet that is missing spoils all frames up to the next keyframe; dropping every second packet leaves hardly a frame intact.
# Halve the model's load behind the decoder: interval=1, so that every second batch is inferred and the tracker fills in, or a queue with leaky=downstream before the muxer, which loses decoded frames and nothing else.
# The decoder still has to manage all 300 frames per second, so check its limit too.
# Then measure p95 end to end and per stage, the drop rate of each camera, and the accuracy with the interval against that without.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("40")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | streaming analytics | 流式分析 | processing data while it comes in, without end |
# | GStreamer element, pad | 元件/衬垫 | a node of a pipeline, and its port |
# | stream muxer | 多路复用器 | makes batches from the frames of several sources |
# | batched-push-timeout | 批次推送超时 | how long a batch may wait after its first frame |
# | leaky queue | 泄漏队列 | drops frames where others block |
# | keyframe, GOP | 关键帧/图像组 | a frame that is decodable alone; the frames up to the next one |
# | P frame, B frame | 前向/双向预测帧 | copies from an earlier frame; from an earlier and a later one |
# | presentation timestamp | 显示时间戳 (PTS) | when a frame is to be shown |
# | NV12 | 半平面 YUV 4:2:0 格式 | 1.5 bytes per pixel; what decoders deliver |
# | zero-copy | 零拷贝 | frames stay in the device's memory |
# | back-pressure | 反压 | a full stage slows the one before it |
# | tracker | 跟踪器 | carries boxes over frames that no detector saw |
# | inference interval | 推理间隔 | batches that are skipped between two inferences |
# | IoU | 交并比 | shared area of two boxes over the area that both cover |

# %% [markdown]
# ## Sources
#
# - NVIDIA, *DeepStream SDK Developer Guide*: Gst-nvstreammux, Gst-nvstreammux New; quickstart guides of 5.1 and 6.1.1; API reference of 9.0 (MuxConfigParser.h: the default of max-same-source-frames); contents of 9.1; installation guide and release notes of 9.2. Read on 27 November 2026.
# - NVIDIA/DeepStream on GitHub: README.md (4825d8f) and CHANGELOG.md (8055bf9), both of 9.0; deepstream_dockers/README.md (af111a2), of 9.1; release v9.2.0; skill deepstream-setup-on-wsl. Read on the same day.
# - NVIDIA Developer Forums, *DeepStream SDK FAQ*, entries 7 (latency measurement) and 26 (tuning nvstreammux).
# - cire333/amd-video-analytics on GitHub: docs/nvstreammux_reverse_engineering.md (58e695a), measurements of both muxers of 7.1; not NVIDIA's.
# - GStreamer documentation, element `queue`; `gst-inspect-1.0 queue` (the values of `leaky`).
# - ITU-T Recommendation H.264, *Advanced video coding for generic audiovisual services*. PyAV 18.1 with FFmpeg and x264, run here.

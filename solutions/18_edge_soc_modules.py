# %% [markdown]
# # 18 · Modules of an edge AI SoC
# **主流AI端侧硬件平台一般包含哪些模块？**
#
# "We made the network twice as fast, and the box still handles eight cameras." The NPU was not the limit: the video encoder was.
# A camera's chip is a dozen engines round one memory bus. This chapter writes the budget that every camera team writes: bytes of a frame, traffic on the bus, streams of a chip, and what happens when stages wait for each other.
#
# About 100 minutes: 66 for the five exercises, the rest to read and try. It helps to know chapters 13 (several processors) and 17 (edge platforms). No special hardware is needed.

# %% setup
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > A **system-on-chip** (SoC) for edge AI has CPU cores, usually Arm; an NPU for the network; often a GPU and a DSP; an image signal processor, the ISP, for the sensor's raw data; a video decoder and encoder; a 2-D engine that scales, crops and converts colours; display, security, ports for sensors and network. An interconnect joins them to the controller of the DRAM. The DRAM chips themselves (DDR memory) are outside.
# >
# > A frame goes from the sensor through the ISP to DRAM, from there through the 2-D engine to the NPU, then post-processing on the CPU, boxes drawn over it, encoder. The engines hand frames on through DRAM, so I budget the bus first. One pass of a 1080p frame in NV12, a format with 1.5 bytes a pixel, is 93 MB/s at 30 frames a second; the whole chain with encoder and display moves about 0.59 GB/s. I plan with 60 % of the bus's peak.
# >
# > The slowest module sets the throughput. Latency is the sum of the stages plus waiting. A faster network helps only if the NPU was the bottleneck.

# %% [markdown]
# ## How it works
#
# ### What is on the chip
#
# Our source, the interview document that this course mirrors, answers the question with a list of seven. Here are the parts of a real chip, Rockchip's RK3588, and where they stand in that list:

# %%
from utils.widgets.ch18_edge_soc_modules import modules_table

modules_table()

# %% [markdown]
# Some words. The **NPU** (neural processing unit) runs networks. A **DSP** (digital signal processor) is programmed like a CPU and works on many values with one instruction. The **ISP** (image signal processor) turns the raw values of a sensor into an image. A **codec** compresses and decompresses video. **DMA** (direct memory access) copies data without the CPU.
#
# Not every chip has every part. Many chips for simple cameras have no GPU. Another chip for cameras, Axera's AX650N, has two vision DSPs, the RK3588 lists none for vision.
# NVIDIA's Jetson modules have two more engines of this kind: the VIC (video image compositor), a 2-D engine, and the PVA (programmable vision accelerator), a DSP for images.
#
# ### A frame in bytes
#
# Video engines rarely use RGB. They use **NV12**: a plane with one brightness value Y for each pixel, and behind it a plane with one pair of colour values U, V for each square of 2 × 2 pixels. The eye sees colour less sharply than brightness.

# %%
y = np.zeros((1080, 1920), np.uint8)
uv = np.zeros((540, 960, 2), np.uint8)
print(f"Y {y.nbytes:,} + UV {uv.nbytes:,} = {y.nbytes + uv.nbytes:,} bytes, {(y.nbytes + uv.nbytes) / y.size} a pixel")
print(f"as RGB: {3 * y.size:,} bytes")

# %% [markdown]
# A sensor sends **raw** values, often 10 bits each. *Packed*, four of them lie in five bytes.
#
# Engines want each row to begin at a round address. The distance from one row to the next, in bytes, is the **stride**. A frame of 1366 pixels with a stride that is a multiple of 64:

# %%
from utils.hardware.soc import frame_bytes as our_frame_bytes

for fmt in ("nv12", "rgb24", "raw10"):
    print(f"{fmt:5}: {our_frame_bytes(1366, 768, fmt):9,} bytes, with rows rounded up to 64 bytes {our_frame_bytes(1366, 768, fmt, 64):9,}")

# %% [markdown]
# In NV12 a row of 1,366 bytes takes 1,408, in both planes. If you read such a frame as if the rows were 1,366 bytes long, the picture leans to one side: a classic bug.
#
# ### The bus
#
# The ISP writes the frame to DRAM. The 2-D engine reads it there and writes the network's input. The NPU reads that. Every hand-over is a write and a read over one bus:

# %%
from utils.hardware.soc import camera_chain
from utils.widgets.ch18_edge_soc_modules import passes_table

passes_table(camera_chain(1920, 1080, nn_size=640, encode=True, display=True))

# %% [markdown]
# The NPU, the reason why we bought the chip, reads 6 % of the bytes. The encoder moves 40 %. To compress a picture it searches in earlier ones, which it reads again, and it writes the picture as a decoder will see it, as a reference for the next.
#
# How much it reads depends on the codec and its caches. Here it reads the frame and half a frame of references, and writes one frame as a reference: an assumption. The compressed stream is small and left out. The network's layers are taken to stay inside the NPU. If they don't fit, they *spill* to DRAM, and that can be more than all the rest.
#
# Sixteen such streams need 16 · 0.587 = 9.4 GB/s. The RK3588's bus is quoted with up to 34 GB/s (64 bits of LPDDR4X at 4,267 million transfers a second); we take 33.8, for boards that run at 4,224. That is a **peak**. Engines take turns, DRAM has to open rows and to refresh, reading changes to writing. Plan with a share of the peak; 60 % is a usual rule, and your own measurement beats it.
#
# ### How many streams?
#
# Each module has a limit. A 1080p stream at 30 frames a second is 1920 · 1080 · 30 = 62.2 million pixels a second (Mpix/s). Take streams that come in compressed, are analysed, and go out compressed again:

# %%
from utils.hardware.soc import SOCS, camera_chain, frame_traffic, stream_budget

moved = frame_traffic(camera_chain(1920, 1080, 640, encode=True, display=True))
for npu_ms in (12, 6, 3):
    report = stream_budget(SOCS["RK3588"], 1920, 1080, fps=30, npu_ms=npu_ms, bytes_per_frame=moved)
    print(f"network {npu_ms:2} ms: {dict(report.limits)} -> {report.streams} streams, limited by {report.bottleneck}")

# %% [markdown]
# Decoder: 8K at 60 frames a second are 1,991 Mpix/s, so 32 streams. Encoder: half of that. NPU: three cores, and each handles 1000 / 12 = 83 frames a second, so 250 / 30 = 8.3. Bus: 60 % of 33.8 GB/s, over 0.587 GB/s.
# (The decoder takes the place of the ISP here, and every stream is shown on a display. The decoder reads references too, which this little model leaves out.)
#
# From 12 to 6 ms the number of streams doubles. From 6 to 3 ms nothing happens.
#
# ### A line of stages
#
# The stages work at the same time, each on another frame. Three stages of 4, 10 and 3 ms, all frames there at the start:

# %%
from utils.hardware.soc import simulate_pipeline

trace = simulate_pipeline([4, 10, 3], n_frames=5, buffers=1)
print("first stage starts at", trace.starts_of_stage[0])
print("last stage finishes at", trace.finish)
print("blocked (ms):", trace.blocked_ms)

# %% [markdown]
# The first frame takes 4 + 10 + 3 = 17 ms: the line has to **fill**. Each further frame comes 10 ms later, because that is the slowest stage. After five frames: 17 + 4 · 10 = 57 ms.
#
# The first stage starts at 0, 4, 8, and then at 14. Why not at 12? Between two stages there is one **buffer**, a place for one frame. At 12 ms frame 2 is finished, but frame 1 lies in the buffer and waits for the second stage, which works on frame 0 until 14. So frame 2 stays where it is, and its stage is **blocked**. This is **back-pressure**: a full buffer stops the stage before it, and so on back to the camera.
#
# With constant times, more buffers change nothing at the end of the line: once it is full, the slowest stage never waits. When times vary, they do:

# %%
from utils.hardware.soc import simulate_pipeline

times = [[1, 1, 1, 6], [9, 1, 1, 1]]  # two stages, four frames: the first frame is slow in one, the last in the other
for buffers in (1, 2):
    trace = simulate_pipeline(times, 4, buffers)
    print(f"{buffers} buffer(s): first stage starts at {trace.starts_of_stage[0]}, frames come out at {trace.finish}")

# %% [markdown]
# With one buffer the first stage is blocked and begins its slow frame at 10 ms. With two it begins at 3 ms, and the slow frame is ready when the second stage wants it.
#
# ### How many buffers in all?
#
# **Little's law**: the items in a system are the rate at which they come, times the time that they stay. Stages of 8, 30 and 12 ms, up to 20 ms of *jitter* (how much longer a frame may stay), 30 frames a second: 70 ms · 30 / 1000 = 2.1 frames in flight. Three buffers.
#
# Those buffers are a **pool**. An engine borrows a frame, fills it, hands on its number, and the last reader gives it back. Nothing is copied: that is **zero copy**. Two mistakes are typical. A frame that is never given back empties the pool, and everything stops. A frame that is given back twice is handed to two owners:

# %%
from utils.hardware.soc import RingBuffer

pool = RingBuffer(3, (1620, 1920))  # three NV12 frames of 1080p
frame = pool.borrow()
pool.view(frame)[:] = 128
print(f"frame {frame} of {len(pool)}, {pool.nbytes / 1e6:.1f} MB in all; lent: {pool.lent}")
pool.give_back(frame)
try:
    pool.give_back(frame)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## See it
#
# ![Left: five modules above the DDR bus, with arrows as wide as their traffic, for 8 streams of 1080p. ISP writes 0.75 GB/s, scaler reads 0.75 and writes 0.29, NPU reads 0.29, encoder reads 1.12 and writes 0.75, display reads 0.75. Below the bus the DRAM chips, outside the SoC. Right: bars with the streams that each module serves: decoder 32, encoder 16, NPU 8 hatched as the bottleneck, DDR bus 34.](figure.svg)
#
# RK3588, eight 1080p streams at 30 frames a second, a network of 12 ms. A frame moves 19.6 MB, all streams move 4.70 GB/s, 14 % of the peak. The NPU serves 8 streams, the encoder 16, the decoder 32, the bus 34.
#
# **The chip.** Change the network's time, the resolution and the chip. Two chips are made up, and their names say what for.

# %% figure
from utils.widgets.ch18_edge_soc_modules import chip_budget

chip_budget()

# %% [markdown]
# Make the network faster and watch the bottleneck move from the NPU to the encoder. On "fast NPU, narrow bus" it moves to the DDR bus.
#
# **The line.** In every five frames one is slow in the NPU, and another one in the scaler.

# %% figure
from utils.widgets.ch18_edge_soc_modules import stage_line

stage_line()

# %% [markdown]
# With the knobs as they are at the beginning, go from one buffer to two: 89 frames a second become 100, and the scaler is hardly blocked. A third one brings nothing. Set the slow frames' extra to 0, and the number of buffers has no effect.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports `math` and NumPy as `np`; an answer may use these and Python's own modules. Unless a text says otherwise, sizes and counts are whole numbers and positive, and times and rates are positive numbers.

# %% [markdown] about="frame_bytes"
# How many bytes does a frame take?
#
# - `w` and `h` are width and height in pixels. `fmt` is one of three strings. Before rounding, a row has
#   - `"nv12"`: w bytes, in the plane of Y (h rows) and in the plane of U and V in turns (h / 2 rows);
#   - `"rgb24"`: 3 bytes a pixel, h rows;
#   - `"raw10"`: 10 bits a pixel, packed, filled up to a whole byte at the end of each row, h rows.
# - These bytes of each row are rounded up to a multiple of `stride_align`; a multiple stays as it is.
# - Return the bytes of the whole frame as an int.
# - Raise `ValueError` with the word "even" in its message if `fmt` is "nv12" and `w` or `h` is odd. Raise `ValueError` for any other `fmt` (upper case counts as other).
#
# For example: (1920, 1080, "nv12") → 3110400; (1366, 768, "nv12", 64) → 1622016; (1920, 1080, "raw10") → 2592000.

# %% exercise="frame_bytes"
def frame_bytes(w: int, h: int, fmt: str, stride_align: int = 1) -> int:
    """Bytes of a frame of w x h pixels in "nv12", "rgb24" or "raw10", each row rounded up to `stride_align` bytes."""
    ### BEGIN SOLUTION
    if fmt not in ("nv12", "rgb24", "raw10"):
        raise ValueError(f"fmt must be nv12, rgb24 or raw10, got {fmt!r}")
    if fmt == "nv12" and (w % 2 or h % 2):
        raise ValueError(f"width and height must be even for nv12, got {w} x {h}")
    row = {"nv12": w, "rgb24": 3 * w, "raw10": -(-10 * w // 8)}[fmt]
    stride = -(-row // stride_align) * stride_align
    rows = h + h // 2 if fmt == "nv12" else h
    return stride * rows
    ### END SOLUTION

# %% check="frame_bytes"
check("18.frame_bytes", frame_bytes)

# %% [markdown] about="chain_gb_s"
# What does a chain of modules move over the memory bus?
#
# - `passes` is a list of pairs (bytes read, bytes written), one for each module, for one frame. It may be empty.
# - `fps` is the rate in frames a second, `streams` the number of equal streams; both may be 0.
# - Return the traffic of reads and writes together in decimal GB/s (1e9 bytes a second), as a float.
#
# For example the chain of the text, ISP, scaler, NPU, encoder and display,
# `[(0, 3110400), (3110400, 1228800), (1228800, 0), (4665600, 3110400), (3110400, 0)]`, at 30 frames a second → 0.586944, and with 16 streams → 9.391104.

# %% exercise="chain_gb_s"
def chain_gb_s(passes: list[tuple[int, int]], fps: float, streams: int = 1) -> float:
    """Decimal GB/s of passes given as (bytes read, bytes written) a frame."""
    ### BEGIN SOLUTION
    return sum(reads + writes for reads, writes in passes) * fps * streams / 1e9
    ### END SOLUTION

# %% check="chain_gb_s"
check("18.chain_gb_s", chain_gb_s)

# %% [markdown] about="max_streams"
# How many streams does a chip serve, and which module says so?
#
# - `soc` is a dict of numbers: `"decode_mpix_s"` and `"encode_mpix_s"` are the codecs' rates in Mpix/s (1e6 pixels a second), `"npu_cores"` the number of cores, `"ddr_gb_s"` the bus's peak in decimal GB/s, `"ddr_derate"` the share of the peak to plan with. Any of them may be 0.
# - Each stream has frames of `w` × `h` pixels at `fps` frames a second. Every frame is decoded, encoded, takes `npu_ms` milliseconds of one NPU core, and moves `bytes_per_frame` bytes over the bus. The cores work side by side, on different frames.
# - The limit of each module is the number of streams that it serves, rounded down. Floating-point division may miss a whole number by a little: a quotient within 1e-9 of a whole number counts as that number.
# - Return the tuple (streams, name): the smallest of the four rounded limits, as an int, and its module, `"decode"`, `"encode"`, `"npu"` or `"ddr"`. If several have that limit, name the first of them in this order.
#
# For example, `soc = {"decode_mpix_s": 1990.656, "encode_mpix_s": 995.328, "npu_cores": 3, "ddr_gb_s": 33.8, "ddr_derate": 0.6}`, with fps 30, 1920 × 1080 and 19564800 bytes:
#
# | npu_ms | limits | result |
# |---|---|---|
# | 12 | 32, 16, 8, 34 | (8, "npu") |
# | 4 | 32, 16, 25, 34 | (16, "encode") |
#
# With decode_mpix_s 1036.8, npu_cores 8, npu_ms 5 and 3110400 bytes the first two limits are both 16, the others larger: (16, "decode").

# %% exercise="max_streams"
def max_streams(soc: dict, fps: float, w: int, h: int, npu_ms: float, bytes_per_frame: int) -> tuple[int, str]:
    """(streams, bottleneck) of a chip that decodes, analyses and encodes streams of w x h pixels."""
    ### BEGIN SOLUTION
    pixels = w * h * fps
    limits = {
        "decode": soc["decode_mpix_s"] * 1e6 / pixels,
        "encode": soc["encode_mpix_s"] * 1e6 / pixels,
        "npu": soc["npu_cores"] * 1000 / (npu_ms * fps),
        "ddr": soc["ddr_gb_s"] * soc["ddr_derate"] * 1e9 / (bytes_per_frame * fps),
    }
    limits = {name: math.floor(value + 1e-9) for name, value in limits.items()}
    name = min(limits, key=limits.get)  # the first of equal ones
    return limits[name], name
    ### END SOLUTION

# %% check="max_streams"
check("18.max_streams", max_streams)

# %% [markdown] about="pipeline_finish"
# Follow frames through a line of stages with little room between them.
#
# - `stage_ms` is a list with one entry for each stage, at least one: a number, the stage's time in ms for every frame, or a list of `n` numbers, its time for each frame. Times are 0 or more.
# - `n` frames, 0 or more, are all there at 0 ms. They pass the stages in order, and no frame overtakes another.
# - A stage works on one frame at a time. When it has finished a frame, that frame moves on at once if fewer than `buffers` frames wait before the next stage. Otherwise it stays, and until it can leave, its stage can't begin another. A frame waits until the next stage begins it; the frame in work does not wait. `buffers` is 1 or more.
# - A place that becomes free and a frame that takes it may do so in the same moment. After the last stage there is always room.
# - Return the list of the moments (floats, ms) at which the frames leave the last stage.
#
# | stage_ms | n, buffers | result |
# |---|---|---|
# | `[4, 10, 3]` | 5, 1 | [17, 27, 37, 47, 57] |
# | `[[1, 1, 1, 6], [9, 1, 1, 1]]` | 4, 1 | [10, 11, 12, 17] |
# | `[[1, 1, 1, 6], [9, 1, 1, 1]]` | 4, 2 | [10, 11, 12, 13] |
#
# In the first one the first stage begins its frames at 0, 4, 8, 14 and 24 ms.

# %% exercise="pipeline_finish"
def pipeline_finish(stage_ms: list, n: int, buffers: int = 1) -> list[float]:
    """When each of n frames, all there at 0 ms, leaves the last stage."""
    ### BEGIN SOLUTION
    times = [list(t) if isinstance(t, (list, tuple)) else [t] * n for t in stage_ms]
    last = len(times) - 1
    start = [[0.0] * len(times) for _ in range(n)]
    depart = [[0.0] * len(times) for _ in range(n)]
    for k in range(n):
        for i in range(last + 1):
            arrived = depart[k][i - 1] if i else 0.0
            idle = depart[k - 1][i] if k else 0.0
            start[k][i] = max(arrived, idle)
            depart[k][i] = start[k][i] + times[i][k]
            if i < last and k >= buffers:
                depart[k][i] = max(depart[k][i], start[k - buffers][i + 1])
    return [row[last] for row in depart]
    ### END SOLUTION

# %% check="pipeline_finish"
check("18.pipeline_finish", pipeline_finish)

# %% [markdown] about="buffers_needed"
# How many frames are in flight?
#
# - `stage_ms` is a list of the stages' times in ms, at least one, each 0 or more. `jitter_ms`, 0 or more, is how much longer a frame may stay in all. `fps` is the rate in frames a second.
# - By Little's law the frames in flight are the whole time in the system times the rate. Return that number rounded up to a whole number, as an int.
# - A product within 1e-9 of a whole number counts as that number. If nothing takes time, the result is 0.
#
# For example: ([5, 12, 4], 10, 30) → 0.93, so 1; ([8, 30, 12], 20, 30) → 2.1, so 3.

# %% exercise="buffers_needed"
def buffers_needed(stage_ms: list[float], jitter_ms: float, fps: float) -> int:
    """Frames in flight by Little's law, rounded up."""
    ### BEGIN SOLUTION
    return math.ceil((sum(stage_ms) + jitter_ms) * fps / 1000 - 1e-9)
    ### END SOLUTION

# %% check="buffers_needed"
check("18.buffers_needed", buffers_needed)

# %% [markdown]
# ## Measure it
#
# A real line on your machine: four threads pass 60 synthetic NV12 frames of 1080p from a pool of eight. Camera (fills a frame), scaler (NV12 to RGB, 320 × 320), network (three convolutions in ONNX Runtime), post-processing. Will the threads reach the rate of the slowest stage?

# %% experiment
from utils.hardware.soc.live import run_live
from utils.widgets.ch18_edge_soc_modules import live_picture, live_table

runs = [(buffers, run_live(60, buffers)) for buffers in (1, 4)]
for buffers, run in runs:
    assert run.frames == tuple(range(60)), "no frame is lost or overtaken"
    assert run.most_lent <= min(buffers + 2, run.pool), "one is filled, some wait, one is read"
live_table(runs)

# %% experiment
live_picture(runs[-1][1])

# %% [markdown]
# What to look at:
#
# - "One by one" is the rate if every frame passed all stages before the next one began. With two free cores the threads beat it.
# - "Model" is `simulate_pipeline` with the measured stage times. It gives every stage an engine of its own, as a chip does. Threads share cores, and Python code holds a lock: so the threads stay below it.
# - With one buffer at most three frames are lent: one is being filled, one waits, one is being read. The pool has eight; five were never needed.
#
# On a machine with an NVIDIA GPU the third stage could run there, with ONNX Runtime's CUDA provider; the line would stay the same.

# %% [markdown]
# ## What the source says
#
# The list of the interview document, item by item; as of November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | there is a video codec module | holds | RK3588: H.265 at 8K60 in, 8K30 out |
# | 2 | there is a CPU module | holds | RK3588: four Cortex-A76 and four Cortex-A55 |
# | 3 | there is an AI coprocessor | holds | RK3588: 6 TOPS in INT8, in three cores |
# | 4 | there is a GPU | depends | in chips for phones, screens and boxes; many camera chips have none |
# | 5 | there is a DSP | depends | AX650N: two Tensilica Vision Q7; RK3588: none listed for vision |
# | 6 | there is a DDR memory module | imprecise | the chip holds the controller, DRAM is outside. Some accelerators, such as Hailo-8, have none and work from memory on the chip |
# | 7 | there is a digital image processing module | too vague | two engines: the ISP before DRAM, the 2-D engine behind it |
# | 8 | (not in the list) | missing | interconnect, DMA, display, ports, security. In the budget the bus is what matters |
#
# Row 8, computed: at which time of the network does another module than the NPU decide, with the budget from above?

# %%
from utils.hardware.soc import SOCS, camera_chain, frame_traffic, stream_budget

moved = frame_traffic(camera_chain(1920, 1080, 640, encode=True, display=True))
for name, soc in SOCS.items():
    tenths = range(400, 0, -1)
    found = [t / 10 for t in tenths if stream_budget(soc, 1920, 1080, 30, t / 10, moved).bottleneck != "npu"] or [0.1]
    other = stream_budget(soc, 1920, 1080, 30, found[0], moved)
    print(f"{name:20} from {found[0]:4} ms down: {other.bottleneck}, {other.streams} streams")

# %% [markdown]
# ## Explain it
#
# You get a new camera box to review. It decodes 16 streams, runs a detector on each, draws boxes, and encodes them again. The team reports: the NPU is busy 45 % of the time, the CPU 30 %, and yet frames are dropped at 11 streams. They ask for a bigger NPU. What do you answer? Six to eight sentences.
#
# A good answer names:
# 1. why the NPU is not the limit;
# 2. which limits you compute, with the numbers that you need for each;
# 3. the bus: which passes there are, and which share of the peak you plan with;
# 4. how you tell a full module from a badly buffered line;
# 5. what you would change first.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# An NPU that is busy 45 % of the time would serve twice the streams, so a bigger one changes nothing.
# I compute each module's limit: decoder and encoder from megapixels a second over 62.2 for a 1080p30 stream, the NPU from its cores and the network's time, the bus from bytes a frame.
# For the bus I list every pass: decoder writes and reads references, scaler reads and writes, NPU reads and perhaps spills, overlay reads and writes, encoder reads with references, display reads.
# I multiply by the frame rate and the streams and compare with 60 % of the peak, and I look at the memory controller's counters if the chip has some.
# If one module's limit is about 11, that is the answer: from these figures I suspect the encoder or the bus.
# If all limits are well above 16, the line is the problem: stage times that vary with one buffer between them, or a pool that is too small; I look at blocked times and count frames in flight with Little's law.
# First I would save passes, which costs no hardware: boxes drawn by the encoder's or display's overlay, a second small output of the decoder or scaler, buffers passed by handle, a lower bit depth or resolution for the network's input.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("18")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | SoC | 片上系统 | all engines of a device on one die |
# | ISP | 图像信号处理器 | makes an image of a sensor's raw data |
# | codec | 视频编解码器 | compresses and decompresses video in hardware |
# | NV12 | YUV420 半平面格式 | 1.5 bytes a pixel: a plane of Y, then U and V in turns |
# | DDR controller | DDR 控制器 | the chip's interface to DRAM outside |
# | 2-D engine (RGA, VIC) | 二维图形引擎 | scales, crops, rotates, converts colours |
# | DMA | 直接内存访问 | copies without the CPU |
# | stride | 行跨度 | bytes from one row to the next, often rounded up |
# | zero copy | 零拷贝 | engines pass a buffer's number, not its content |
# | back-pressure | 反压 | a full buffer stops the stage before it |
# | Little's law | 利特尔法则 | items in a system = rate × time in it |
# | bottleneck | 瓶颈 | the slowest module, which sets the throughput |

# %% [markdown]
# ## Sources
#
# - Rockchip, *RK3588 Brief Datasheet* (2022), as stored by others: modules, codecs, NPU. CNX Software and Notebookcheck (2020) report the same figures; the bus's "up to 34 GB/s" is quoted by makers of boards. Seen November 2026.
# - NVIDIA, *Vision Programming Interface* (VPI) 4.1, documentation: back ends CPU, CUDA, PVA, VIC, OFA, zero-copy mapping.
# - CNX Software on Hailo-8 (2020): no external DRAM. jas-hacks (2024) on the AX650N: two Tensilica Vision Q7.
# - MIPI Alliance, CSI-2: RAW10 packs four samples in five bytes (as described in Linux's V4L2 documentation, `V4L2_PIX_FMT_SRGGB10P`; NV12 there too).
# - J. D. C. Little, *A Proof for the Queuing Formula L = λW*, Operations Research 1961.
# - Y. Dallery and S. B. Gershwin, *Manufacturing flow line systems: a review of models and analytical results*, Queueing Systems 1992: lines with finite buffers, blocking after service.
# - The share of 60 %, the encoder's reference traffic and two of the chips are assumptions, and said to be so.

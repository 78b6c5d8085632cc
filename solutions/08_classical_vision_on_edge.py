# %% [markdown]
# # 08 · Why don't edge AI devices usually use classical image algorithms?
# **为何在AI端侧设备一般不使用传统图像算法？**
#
# "Our network takes 1.2 ms on the NPU, and a frame still takes 9 ms." Most of the rest is a median filter and an edge detector, on one CPU core.
# The question's premise is half wrong. Every smart camera runs dozens of classical algorithms on each frame, mostly in hardware of their own. What you have to know is which of them an accelerator can do exactly, which have an engine, and which fall back to a slow core.
#
# About 105 minutes: 70 for the five exercises, the rest to read and try. It helps to know chapters 07 (what makes inference fast) and 13 (several processors). No special hardware is needed.

# %% setup
import numpy as np

# %% [markdown]
# ## The short answer
#
# > They do use them. The image signal processor removes noise and corrects colours; other engines scale, crop, warp, follow motion. Tracking and the suppression of double boxes are classical too. What moved to networks is *recognition*, because networks are more accurate and more robust, and because one tool chain serves them all.
# >
# > An NPU, the accelerator for networks, does convolutions, matrix products and some element-wise operations. A filter that is linear and shift-invariant is a convolution, exactly. A median needs minimum and maximum. Algorithms whose steps depend on the data, such as Hough transforms or connected components, hardly fit at all.
# >
# > If a classical step has no engine, Amdahl's law decides: 6 ms on a CPU core limit the gain however fast the NPU is. So I look for an engine first, then for vector instructions, then for a learned replacement. And I measure.

# %% [markdown]
# ## How it works
#
# ### What runs where
#
# Our source, the interview document that this course mirrors, says that edge devices focus on networks, and that classical algorithms lack accelerated operators there. Here are twenty classical steps of a camera application, and what chips have for them:

# %%
from utils.widgets.ch08_classical_vision_on_edge import mapping_table

mapping_table()

# %% [markdown]
# The engines: the **ISP** (image signal processor) makes images of sensor data. The **IVE** (intelligent video engine) of HiSilicon's and SigmaStar's camera chips has fixed functions for vision. On NVIDIA's Jetsons there are the **PVA** (programmable vision accelerator), the **VIC** (video image compositor) and the **OFA** (optical flow accelerator), all behind one library, VPI (Vision Programming Interface). A *2-D engine* scales, crops and converts colours.
#
# Two of the steps come back below. **Canny** is an edge detector: blur, Sobel, then edges are thinned and followed. **Non-maximum suppression** (NMS) removes double boxes behind a detector.
#
# The column "kind" is what matters. Let us take the kinds one by one.
#
# ### A filter is a convolution when …
#
# Sobel's filter finds edges. For each pixel it multiplies the nine pixels of its neighbourhood by fixed weights, and adds. (Borders wrap round in this chapter: the pixel to the right of the last one is the first one.)

# %%
import numpy as np

from utils.hardware.classical import KERNELS, correlate_wrap

img = np.zeros((5, 6))
img[:, 3:] = 1.0  # dark on the left, bright on the right
print(KERNELS["Sobel x"])
print(correlate_wrap(img, KERNELS["Sobel x"])[2])  # one row of the result

# %% [markdown]
# 4 at the step from dark to bright. (−4 where the bright right side wraps round to the dark left one.)
#
# That is what a convolution layer does, with weights that nobody trained. Which functions can be written so? Those that are
#
# - **linear**: f(a · p + b · q) = a · f(p) + b · f(q) for images p and q and numbers a and b;
# - **shift-invariant**: shift the input, and the output is the same, shifted.
#
# These, and no others. So you can *test* a function that you don't know from inside:

# %%
import numpy as np

from utils.hardware.classical import KERNELS, correlate_wrap, is_linear_shift_invariant
from utils.hardware.classical import median9 as our_median9

functions = {
    "Sobel": lambda x: correlate_wrap(x, KERNELS["Sobel x"]), "3 x 3 median": our_median9, "x + 1": lambda x: x + 1,
    "a gain for each column": lambda x: x * np.linspace(0.5, 2, x.shape[1]), "absolute value": np.abs,
}
for name, fn in functions.items():
    report = is_linear_shift_invariant(fn)
    print(f"{name:23} linear: {report.superposition!s:5}  shift-invariant: {report.shift}")

# %% [markdown]
# ### Reading a kernel
#
# If a function passes, you can read its kernel. Give it an **impulse**, an image of zeros with one 1. The response shows all weights, turned by 180°: the pixel to the *left* of the impulse has the impulse on its *right*, so it takes the right weight.

# %%
import numpy as np

from utils.hardware.classical import KERNELS, correlate_wrap

impulse = np.zeros((7, 7))
impulse[3, 3] = 1.0
response = correlate_wrap(impulse, KERNELS["Sobel x"])[2:5, 2:5]
print("response:", response.astype(int).tolist())
print("turned:  ", response[::-1, ::-1].astype(int).tolist())

# %% [markdown]
# With the kernel the filter becomes one `Conv` node of an ONNX file, which any engine for networks can run. Only the borders differ: `Conv` takes zeros beyond them, and our filters wrap round. The results are equal in the interior. They are equal everywhere if the image is first padded with pixels of its other side. Seven filters at once are a layer with seven channels.
#
# ### Cheaper: two passes
#
# Some kernels are a column times a row. Sobel: [1, 2, 1] down, times [−1, 0, 1] across. Then filter all rows first, and the columns of the result: 3 + 3 multiplications for a pixel instead of 9. For 7 × 7 it is 14 instead of 49.
#
# In general a kernel is a sum of such products. The number that it needs is its **rank**. A singular value decomposition (SVD) finds it: the rank is the number of singular values that are not zero, up to rounding.

# %%
from utils.hardware.classical import KERNELS, macs_per_pixel, separable_terms

for name in ("Sobel x", "Laplacian", "Gauss 5 × 5"):
    kernel = KERNELS[name]
    print(f"{name:11} rank {len(separable_terms(kernel))}: {macs_per_pixel(kernel, True)} multiply-accumulates in passes, {macs_per_pixel(kernel, False)} directly")

# %% [markdown]
# The Laplacian has rank 2, and its passes cost more than the full kernel.
#
# ### A median without sorting
#
# The median of the nine values removes single wrong pixels. It is not linear, so it is no convolution. And sorting compares what the data say, which accelerators dislike.
#
# But a **sorting network** is a fixed list of *compare-exchanges*: at two places, put the smaller value here and the larger one there. Whatever the data, the same places are compared. For whole images that is one minimum and one maximum:

# %%
import itertools

from utils.hardware.classical import MEDIAN9_NETWORK

right = 0
for bits in itertools.product((0, 1), repeat=9):
    wires = list(bits)
    for i, j in MEDIAN9_NETWORK:
        wires[i], wires[j] = min(wires[i], wires[j]), max(wires[i], wires[j])
    right += wires[4] == sorted(bits)[4]
print(f"{len(MEDIAN9_NETWORK)} exchanges; the median is at place 4 for {right} of 512 inputs of zeros and ones")

# %% [markdown]
# Zeros and ones are enough: if a network is right for all of them, it is right for all numbers (the *zero–one principle*).
#
# For a filter any correct fixed network will do, a long one too. One way: sort each row of three. Then take the largest of the three minima, the middle one of the three middle values, and the smallest of the three maxima. The middle one of these is the median.
#
# ### What does not fit
#
# **Connected components** give each pixel of a blob the same number. Which numbers meet is known only when it happens. The **Hough transform** lets pixels vote for lines, at addresses that depend on the pixels. Non-maximum suppression takes boxes in the order of their scores. An NPU runs a fixed schedule over tensors. Such work needs a CPU, or an engine that was built for it.
#
# ### Then Amdahl decides
#
# 6 ms of classical steps and 24 ms of network on the CPU. The network goes to an NPU that is 20 times as fast, and each way costs a copy of 1 ms: 6 + 1.2 + 2 = 9.2 ms. That is 3.3 times as fast, and not 20. With an infinitely fast NPU without copies it would be 30 / 6 = 5 times: **Amdahl's law**.
#
# The same for another pipeline, of six stages and with copies of 0.5 ms:

# %%
from utils.widgets.ch08_classical_vision_on_edge import draw_pipeline, shown

shown(*draw_pipeline(["NPU"]))

# %% [markdown]
# ### Why, then, did recognition move?
#
# Not because classical recognisers are slow. **HOG** (histograms of oriented gradients) counts edge directions in small cells, and a linear classifier reads the counts. On the course's digits it is as good as a small network. You will measure both below, also on noisy and shifted digits. In the world of real images, with many classes and views, networks won by a wide margin, and with them came one tool chain for everything.

# %% [markdown]
# ## See it
#
# ![Four images: a test card with a disc, a bar, a diagonal line, a slope and some noise; Sobel of it in NumPy; the same from an ONNX Conv node; and their difference, which is black: at most 3e-07.](figure.svg)
#
# Sobel as one Conv with fixed weights, in ONNX Runtime in 32-bit floats. The largest difference from NumPy in 64 bits is 3e-07, where values go up to 2.98.
#
# **One filter, two engines.** Choose a filter, and add noise. Compare blur and median on it.

# %% figure
from utils.widgets.ch08_classical_vision_on_edge import filter_view

filter_view()

# %% [markdown]
# **Engines for a pipeline.** It is the pipeline of six stages from above. The times are made up, and all engines are taken to be 20 times as fast as a CPU core. Tick what your chip has.

# %% figure
from utils.widgets.ch08_classical_vision_on_edge import pipeline_view

pipeline_view()

# %% [markdown]
# With the NPU alone a frame takes 7.5 ms, and 5 of them are Canny and NMS. An IVE takes Canny: 3.7 ms. The NPU's own part, 1.2 ms for the network, was never the limit.

# %% [markdown]
# ## Exercises
#
# The set-up cell imports NumPy as `np`; an answer may use it and Python's own modules. In all of them borders wrap round, as `np.roll` does.

# %% [markdown] about="kernel_from_impulse"
# Read the kernel of a filter that you know by its responses alone.
#
# - `fn` takes an image (a 2-D float64 array of any size) and returns an image of the same size. It is linear and shift-invariant, with wrapping borders. It does not change its argument.
# - `k` is odd, at least 1. The filter's kernel fits into k × k.
# - Return the kernel K as a float array (k, k), centred. It is the *correlation* kernel: with r = k // 2, output[y, x] is the sum over i and j from 0 to k − 1 of K[i, j] · input[y + i − r, x + j − r], the indices wrapping round.
# - A tolerance of 1e-6 is allowed.
#
# For Sobel's filter and k = 3 → `[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]`. If each pixel becomes its right neighbour, and k = 3 → `[[0, 0, 0], [0, 0, 1], [0, 0, 0]]`.

# %% exercise="kernel_from_impulse"
def kernel_from_impulse(fn, k: int) -> np.ndarray:
    """The k x k correlation kernel of fn, k odd."""
    ### BEGIN SOLUTION
    side, r = 4 * k + 3, k // 2
    middle = side // 2
    image = np.zeros((side, side))
    image[middle, middle] = 1.0
    response = fn(image)[middle - r : middle + r + 1, middle - r : middle + r + 1]
    return response[::-1, ::-1].copy()
    ### END SOLUTION

# %% check="kernel_from_impulse"
check("08.kernel_from_impulse", kernel_from_impulse)

# %% [markdown] about="is_lsi"
# Can a convolution do it?
#
# - `fn` takes an image (a 2-D float64 array with sides of at least 8, values of any sign) and returns an image of the same size. It is deterministic, and does not change its argument. `rng` is a NumPy generator for your images.
# - Return True if `fn` is linear and shift-invariant, False if not. Shifts are circular (`np.roll`).
# - Sums of floating-point numbers may differ in their last digits. The functions that you get either keep the laws up to such rounding, or break them clearly on images of real numbers drawn from a normal distribution.
#
# Sobel → True; a 3 × 3 median → False; `x + 1` → False; a vignette, which darkens the corners → False.

# %% exercise="is_lsi"
def is_lsi(fn, rng: np.random.Generator) -> bool:
    """Whether fn behaves like a linear shift-invariant filter on images drawn from rng."""
    ### BEGIN SOLUTION
    for _ in range(5):
        p, q = rng.normal(size=(2, 16, 16))
        a, b = rng.normal(size=2)
        if not np.allclose(fn(a * p + b * q), a * fn(p) + b * fn(q), atol=1e-8):
            return False
        if not np.allclose(fn(np.roll(p, (3, 5), (0, 1))), np.roll(fn(p), (3, 5), (0, 1)), atol=1e-8):
            return False
    return True
    ### END SOLUTION

# %% check="is_lsi"
check("08.is_lsi", is_lsi)

# %% [markdown] about="median9"
# Write a 3 × 3 median without sorting. Any fixed network that is right will do; it need not be the shortest.
#
# - `img` is a 2-D array with sides of at least 3, of integers or floats, without NaN. Do not change it.
# - Return an array of the same shape and kind (integers stay integers): at each place the median of the nine pixels around it, itself included. Borders wrap round.
# - Use `np.minimum`, `np.maximum` and `np.roll`. Whatever sorts (`sort`, `sorted`, `partition`, `median`, `percentile`, `unique`, …) is refused.
#
# `[[0, 1, 2], [3, 4, 5], [6, 7, 8]]` → 4 everywhere, for with wrapping borders each window is the whole image.
# `[[10, 10, 10, 10], [10, 99, 10, 10], [10, 10, 0, 10], [10, 10, 10, 10]]` → 10 everywhere.

# %% exercise="median9"
def median9(img: np.ndarray) -> np.ndarray:
    """The 3 x 3 median of an image (H, W), borders wrapped, by minimum and maximum of whole images."""
    ### BEGIN SOLUTION
    planes = [np.roll(img, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    for end in range(8, 3, -1):  # the largest to the end, five times: then the fifth is the median
        for i in range(end):
            low, high = np.minimum(planes[i], planes[i + 1]), np.maximum(planes[i], planes[i + 1])
            planes[i], planes[i + 1] = low, high
    return planes[4]
    ### END SOLUTION

# %% check="median9"
check("08.median9", median9)

# %% [markdown] about="separable_cost"
# What does a filter cost for a pixel?
#
# - `kernel` is a 2-D float array (kh, kw), not necessarily square or odd.
# - Its rank is the number of singular values larger than 1e-10 times the largest one; 0 for a kernel of zeros.
# - Directly it costs kh · kw multiply–accumulates for a pixel, zeros included. As rank pairs of a column and a row it costs rank · (kh + kw).
# - Return the tuple of two ints (rank, the smaller of the two costs); for a kernel of zeros (0, 0).
#
# Sobel → (1, 6); the Laplacian `[[0, 1, 0], [1, -4, 1], [0, 1, 0]]` → (2, 9); a 7 × 7 Gaussian → (1, 14).

# %% exercise="separable_cost"
def separable_cost(kernel: np.ndarray) -> tuple[int, int]:
    """(rank, multiply-accumulates for a pixel of the cheaper form); (0, 0) for a kernel of zeros."""
    ### BEGIN SOLUTION
    kh, kw = kernel.shape
    values = np.linalg.svd(kernel, compute_uv=False)
    if values.max() == 0:
        return 0, 0
    rank = int((values > 1e-10 * values.max()).sum())
    return rank, min(kh * kw, rank * (kh + kw))
    ### END SOLUTION

# %% check="separable_cost"
check("08.separable_cost", separable_cost)

# %% [markdown] about="end_to_end_ms"
# How long does a frame take when some stages run on an engine?
#
# - `stages` is a list of pairs (milliseconds on the CPU, whether the stage runs on the engine), in order, perhaps empty.
# - A stage on the engine takes its milliseconds over `speedup`, a positive number.
# - The data begin on the CPU, and have to be there at the end. Each time they change their place, `copy_ms` (0 or more) is paid.
# - Return the milliseconds of the whole, as a float.
#
# `[(6, False), (24, True)]` with a speedup of 20 and copies of 1.0 ms → 9.2; without copies → 7.2.

# %% exercise="end_to_end_ms"
def end_to_end_ms(stages: list[tuple[float, bool]], speedup: float, copy_ms: float) -> float:
    """Milliseconds of stages (time on the CPU, whether on the engine); data begin and end on the CPU."""
    ### BEGIN SOLUTION
    total, on_engine = 0.0, False
    for ms, engine in [*stages, (0.0, False)]:
        if engine != on_engine:
            total += copy_ms
        on_engine = engine
        total += ms / speedup if engine else ms
    return total
    ### END SOLUTION

# %% check="end_to_end_ms"
check("08.end_to_end_ms", end_to_end_ms)

# %% [markdown]
# ## Measure it
#
# A contest on the course's digits, 1,257 for training and 540 for testing: HOG with a linear classifier (a support vector machine, SVM), against a convolutional network with 8 and 16 channels. Both are trained now. Then the test images are disturbed. Before you run it: which of the two survives a shift by one pixel?

# %% experiment
from utils.hardware.classical.contest import contest
from utils.widgets.ch08_classical_vision_on_edge import contest_table

rows = contest()
assert rows[0].hog_svm > 0.93 and rows[0].cnn > 0.93, "both recognise clean digits"
contest_table(rows)

# %% [markdown]
# What to look at:
#
# - The brackets hold 95 % intervals: so uncertain is a share of 540 images. On clean digits the two intervals overlap. On this task the old method is as good.
# - Shifted and covered, both lose a third. Neither was trained for that. Robustness is not a gift of networks; it comes with the data that they are trained on.
# - Inverted, the gradients of HOG point the other way, and the network has never seen dark ink.
#
# And the median, three ways that give the same image:

# %% experiment
from utils.widgets.ch08_classical_vision_on_edge import median_table, median_times

median_table(median_times())

# %% [markdown]
# `np.median` selects in each of 65,536 little lists. The network takes 38 minima and maxima of whole images, after eight shifted copies.

# %% experiment
from utils.widgets.ch08_classical_vision_on_edge import gpu_filter_note

gpu_filter_note()

# %% [markdown]
# ## What the source says
#
# Checked in November 2026.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | edge AI devices generally don't use classical algorithms | wrong | the ISP, scaling, optical flow, tracking and NMS are classical; NVIDIA's VPI lists more than twenty algorithms with engines for Jetson, camera chips have an IVE |
# | 2 | they focus on accelerating networks | holds, in part | that is true of the NPU; beside it are ISP, codec (packs and unpacks video), 2-D engine, DSP (a processor for signals; chapter 18) |
# | 3 | without accelerated operators classical algorithms can't reach their best | depends | linear filters have the operator: a convolution, equal up to rounding away from the borders (shown above, there on an image that was padded with its other side). And some are cheap enough: HOG with an SVM equals the network on clean digits |
# | 4 | (not said) the main reason | missing | accuracy and robustness in recognition with enough data, and one tool chain |
#
# Row 3, computed: what a 3 × 3 filter asks of an accelerator, on every frame of a 1080p video at 30 frames a second. GMAC/s are 10⁹ multiply–accumulates a second. TOPS are 10¹² operations a second, and a multiply–accumulate counts as two.

# %%
gmac_s = 1920 * 1080 * 30 * 9 / 1e9
print(f"{gmac_s:.2f} GMAC/s, {100 * 2 * gmac_s / 6000:.3f} % of an NPU of 6 TOPS at its peak")
print(f"bytes in and out at 8 bits: {2 * 1920 * 1080 * 30 / 1e9:.3f} GB/s")

# %% [markdown]
# The arithmetic is nothing. One channel uses a tiny part of an array of multipliers (chapter 43), and the bytes have to be moved. So it is the trip that costs, not the filter.

# %% [markdown]
# ## Explain it
#
# A team wants to remove all classical code from a camera: "The NPU has 6 TOPS and does 2 % of them; let one network do everything, from the sensor to the tracks." What do you answer? Six to eight sentences.
#
# A good answer names:
# 1. which classical steps have engines of their own, and what they cost there;
# 2. what an NPU can do exactly, and what it can't;
# 3. what a learned replacement needs, and what it may bring;
# 4. how Amdahl's law looks at the present pipeline;
# 5. how to decide: measurements.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The ISP, the scaler and the codec are fixed hardware: they cost nothing of the NPU, hardly any energy, and would be replaced by something slower.
# Blur, Sobel and other linear filters could move to the NPU as convolutions with the same result, and a median as minimum and maximum; that is worth it where they stand next to the network, so that no copy is added.
# Connected components, NMS and the bookkeeping of a tracker depend on the data and stay on the CPU, or are designed away, as in detectors without NMS.
# A learned step needs training data with the right answers, and it has to be tested for the cases in which a classical one is simply right; in return it may be more robust, as learned noise removal in the dark shows.
# The present pipeline decides what is worth it: if the network takes 1.2 of 9 ms, an even better NPU gains nothing, and the steps on the CPU are the ones to look at.
# I would list the stages with their times, engines and copies, move the largest one that has an engine, and measure again.
# After that we look at image quality, accuracy, and watts, on the same recordings.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("08")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | ISP | 图像信号处理器 | makes an image of a sensor's raw data |
# | classical vision | 传统图像算法 | filters and geometry made by hand |
# | linear shift-invariant | 线性平移不变 | exactly what a convolution can express |
# | separable filter | 可分离滤波 | a kernel that is a column times a row |
# | sorting network | 排序网络 | a fixed list of compare-exchanges |
# | HOG | 方向梯度直方图 | histograms of gradient directions in cells |
# | IVE | 智能视频引擎 | fixed functions for vision in camera chips |
# | PVA | 可编程视觉加速器 | NVIDIA's vision DSP on Jetson |
# | fallback | 回退 | running on a slower, general engine |
# | Amdahl's law | 阿姆达尔定律 | what is not accelerated limits the gain |
# | pre- and post-processing | 前后处理 | work around the network, often classical |
# | NMS | 非极大值抑制 | removes overlapping detections |

# %% [markdown]
# ## Sources
#
# - NVIDIA, *Vision Programming Interface* (VPI) 4.1, documentation: algorithms and the back ends CPU, CUDA, PVA, VIC, OFA (seen November 2026).
# - SigmaStar, *MI IVE* programming interface; Rockchip, *RK3588 Brief Datasheet* (2022): ISP, 2-D engine.
# - N. Dalal and B. Triggs, *Histograms of Oriented Gradients for Human Detection*, CVPR 2005.
# - J. L. Smith, *Implementing Median Filters in XC4000E FPGAs*, Xcell 1996; A. W. Paeth, *Median Finding on a 3 × 3 Grid*, Graphics Gems 1990: 19 exchanges (checked above for all 512 inputs).
# - D. E. Knuth, *The Art of Computer Programming*, volume 3: the zero–one principle.
# - G. Amdahl, AFIPS 1967. Tests compare the filters with SciPy's `ndimage`.

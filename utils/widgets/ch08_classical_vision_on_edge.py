"""Figures of chapter 8: filters on two engines, and the stages of a pipeline that an engine takes over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.classical import KERNELS, PIPELINE_OPS, correlate_wrap, end_to_end_ms, median9, npu_coverage
from utils.hardware.classical.mapping import AS_OF, SOURCE

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from utils.hardware.classical.contest import ContestRow

SIDE = 64
# A camera application's stages: milliseconds on a CPU core, and the step of PIPELINE_OPS. The times are made up.
STAGES = (("resize, bilinear", 2.0), ("colour conversion", 1.0), ("median 3 × 3", 3.0), ("network", 24.0),
          ("Canny edges", 4.0), ("non-maximum suppression", 1.0))
ENGINES = ("NPU", "2-D engine", "IVE")
SPEEDUP, COPY_MS = 20.0, 0.5


def mapping_table() -> Shown:
    """Classical steps: what kind of computation, which engines, and whether an NPU can do it."""
    rows = [(name, op.kind, ", ".join(op.engines), op.on_npu or "no") for name, op in PIPELINE_OPS.items()]
    share = 100 * npu_coverage(PIPELINE_OPS)
    caption = f"Sources: {SOURCE}; as of {AS_OF}. On an NPU alone: {share:.0f} % of the steps"
    return table(("step", "kind", "engines that chips have for it", "written for an NPU"), rows, caption)


# --- filters -------------------------------------------------------------------------------------


def test_card(noise: float, seed: int = 0) -> np.ndarray:
    """An image (64, 64) in [0, 1] with edges in many directions, a slope, and salt-and-pepper noise."""
    y, x = np.mgrid[:SIDE, :SIDE]
    img = 0.25 + 0.4 * x / SIDE
    img = np.where(np.hypot(y - 22, x - 22) < 13, 0.9, img)
    img = np.where((abs(y - 46) < 8) & (abs(x - 42) < 14), 0.1, img)
    img = np.where(abs(y - x - 12) < 2, 0.75, img)
    rng = np.random.default_rng(seed)
    hit = rng.random(img.shape) < noise
    return np.where(hit, (rng.random(img.shape) < 0.5).astype(float), img)


test_card.__test__ = False  # pytest collects names that begin with "test"


@lru_cache(4)
def _sessions() -> tuple[Any, Any]:
    from utils.graphs.onnx_tools import make_session
    from utils.hardware.classical.onnx_filters import filters_to_onnx, median_to_onnx

    wrapped = SIDE + 4  # two pixels of the other side on each border, so that zeros outside don't matter
    return make_session(filters_to_onnx(KERNELS)), make_session(median_to_onnx(wrapped, wrapped))


def in_onnx(name: str, img: np.ndarray) -> np.ndarray:
    """The filter as ONNX nodes in ONNX Runtime, borders wrapped; float32."""
    padded = np.pad(img, 2, mode="wrap").astype(np.float32)[None, None]
    conv, median = _sessions()
    if name == "median 3 × 3":
        out = median.run(None, {"image": padded})[0][0, 0]
    else:
        out = conv.run(None, {"image": padded})[0][0, list(KERNELS).index(name)]
    return out[2:-2, 2:-2]


FILTERS = (*KERNELS, "median 3 × 3")


def draw_filter(name: str = "Sobel x", noise: float = 0.02) -> tuple[Figure, str]:
    """An image, the filter in NumPy, the same as ONNX nodes, and their difference."""
    img = test_card(noise)
    ours = median9(img) if name == "median 3 × 3" else correlate_wrap(img, KERNELS[name])
    theirs = in_onnx(name, img)
    figure, axes = new_figure(9.8, 2.9, 1, 4)
    limit = max(np.abs(ours).max(), 1e-9)
    low = -limit if ours.min() < 0 else 0
    difference = np.abs(ours - theirs)
    for ax, (shown, title, ends) in zip(axes, (
            (img, "image", (0, 1)), (ours, f"{name} in NumPy", (low, limit)), (theirs, "as ONNX nodes", (low, limit)),
            (difference, f"difference, at most {difference.max():.0e}", (0, limit)))):
        ax.imshow(shown, cmap="gray", vmin=ends[0], vmax=ends[1], interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.grid(False)
        ax.set_title(title, fontsize=9.5, color=INK, loc="left")
    nodes = "19 pairs of Min and Max" if name == "median 3 × 3" else "one Conv with fixed weights"
    return figure, (f"{name} as {nodes}, in ONNX Runtime in float32: the largest difference from NumPy in float64 is "
                    f"{difference.max():.1e}; the largest value is {limit:.2f}.")


def filter_view() -> Any:
    """The filters with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {"name": widgets.Dropdown(options=FILTERS, description="filter"),
             "noise": widgets.FloatSlider(value=0.02, min=0, max=0.2, step=0.01, description="share of noise pixels")}
    guess = Prediction("Sobel runs in NumPy with 64-bit numbers, and as a convolution layer with fixed weights in a "
                       "runtime for networks. How far apart are the two images?",
                       ("visibly: the runtime approximates", "by rounding only", "by a trained layer's error"), 1,
                       "Nothing is trained. A linear filter is a convolution; only the 32-bit rounding differs.")
    return explorer(draw_filter, knobs, guess, "One filter, two engines")


# --- a pipeline ----------------------------------------------------------------------------------


def mapped(engines: Sequence[str]) -> list[bool]:
    """For each stage whether one of the engines runs it; the network needs the NPU."""
    return [("NPU" in engines) if step == "network" else npu_coverage([step], engines) == 1 for step, _ in STAGES]


def draw_pipeline(engines: Sequence[str] = ("NPU",)) -> tuple[Figure, str]:
    """Bars of the stages on the CPU alone and with engines; each change of place costs a copy."""
    on = mapped(engines)
    before = [ms for _, ms in STAGES]
    after = [ms / SPEEDUP if e else ms for ms, e in zip(before, on)]
    total = end_to_end_ms(list(zip(before, on)), SPEEDUP, COPY_MS)
    copies = total - sum(after)
    figure, (ax,) = new_figure(9.8, 2.6)
    colors = (GREY, "#9AA5B1", GREEN, BLUE, ORANGE, "#A8508A")
    for row, (parts, extra) in enumerate(((before, 0.0), (after, copies))):
        at = 0.0
        for (step, _), ms, color, engine in zip(STAGES, parts, colors, on):
            hatch = "//" if row and engine else ""
            ax.barh(row, ms, left=at, color=color, hatch=hatch, edgecolor="white", height=0.6,
                    label=None if row else step)
            at += ms
        ax.barh(row, extra, left=at, color="white", edgecolor=INK, height=0.6, label="copies" if row else None)
        ax.text(at + extra + 0.2, row, f"{at + extra:.1f} ms", va="center", fontsize=9)
    ax.set_yticks([0, 1], ["CPU alone", "with " + (", ".join(engines) or "nothing")])
    ax.set(ylim=(1.6, -0.6), xlim=(0, 1.12 * sum(before)))
    ax.legend(fontsize=8, ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.25))
    ax.grid(False, axis="y")
    label(ax, "", "", "One frame, modelled (ms); hatched: on an engine")
    left = [step for (step, _), e in zip(STAGES, on) if not e]
    told = ", ".join(engines) or "no engine"
    return figure, (f"Modelled: {sum(before):.0f} ms on the CPU, {total:.1f} ms with {told}, "
                    f"{sum(before) / total:.1f} times as fast; copies take {copies:.1f} ms. On the CPU remain: "
                    f"{', '.join(left) or 'nothing'}, {sum(ms for (s, ms) in STAGES if s in left):.0f} ms.")


def pipeline_view() -> Any:
    """The pipeline with a box for each engine, after a guess."""
    import ipywidgets as widgets

    knobs = {name: widgets.Checkbox(value=name == "NPU", description=name) for name in ENGINES}

    def draw(**have: bool) -> tuple[Figure, str]:
        return draw_pipeline([name for name in ENGINES if have[name]])

    guess = Prediction("Six stages take 35 ms on a CPU core, 24 of them the network. The NPU is 20 times as fast. How "
                       "much faster is a frame?", ("about 20 times", "about 4 times", "about 1.5 times"), 1,
                       "The NPU takes the network and the steps that can be written for it. Canny and NMS stay, 5 ms, "
                       "and each way costs a copy.")
    return explorer(draw, knobs, guess, "Engines for a pipeline, modelled")


# --- measured ------------------------------------------------------------------------------------


def contest_table(rows: Sequence[ContestRow], images: int = 540) -> Shown:
    """Accuracies of both recognisers with the uncertainty of a test on so few images."""
    from utils.cost.edge_metrics import wilson_interval

    def told(share: float) -> str:
        low, high = wilson_interval(round(share * images), images)
        return f"{100 * share:.1f} % ({100 * low:.0f} to {100 * high:.0f})"

    cells = [(r.kind, told(r.hog_svm), told(r.cnn)) for r in rows]
    return table(("test images", "HOG + linear SVM", "CNN"), cells, f"{images} digits, with 95 % Wilson intervals")


def median_times(side: int = 256, rounds: int = 5) -> list[tuple[str, float]]:
    """Milliseconds (minimum) of a 3 x 3 median: 19 exchanges in NumPy, in ONNX Runtime, and np.median."""
    from utils.graphs.onnx_tools import make_session
    from utils.hardware.classical.onnx_filters import median_to_onnx

    img = np.random.default_rng(0).random((side, side)).astype(np.float32)
    session = make_session(median_to_onnx(side, side))

    def sorting() -> np.ndarray:
        return np.median(np.stack([np.roll(img, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]), axis=0)

    def best(fn: Callable[[], object]) -> float:
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            fn()
            times.append(1e3 * (time.perf_counter() - start))
        return min(times)

    if not np.array_equal(sorting().astype(np.float32), median9(img)):
        raise RuntimeError("the two medians must agree")
    return [("np.median of nine images", best(sorting)), ("19 exchanges, NumPy", best(lambda: median9(img))),
            ("Min and Max nodes, ONNX Runtime", best(lambda: session.run(None, {"image": img[None, None]})))]


def median_table(rows: Sequence[tuple[str, float]]) -> Shown:
    """The times of `median_times` as ratios."""
    cells = [(name, f"{ms:.2f}", f"{rows[0][1] / ms:.1f}") for name, ms in rows]
    return table(("a 3 × 3 median", "ms (minimum)", "times as fast"), cells, "Measured on this machine, 256 × 256")


def gpu_filter_note() -> Shown:
    """The same convolution on a GPU, or what the cell would show."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        told = ("ONNX Runtime has no CUDA provider here. With `onnxruntime-gpu` and an NVIDIA GPU this cell runs the "
                "seven filters there and shows the largest difference from the CPU.")
        return Shown(f"<p>{told}</p>", told)
    from utils.hardware.classical.onnx_filters import filters_to_onnx

    model, img = filters_to_onnx(KERNELS).SerializeToString(), test_card(0.02).astype(np.float32)[None, None]
    outs = [onnxruntime.InferenceSession(model, providers=[p]).run(None, {"image": img})[0]
            for p in ("CPUExecutionProvider", "CUDAExecutionProvider")]
    told = f"Seven filters on the GPU: the largest difference from the CPU is {np.abs(outs[0] - outs[1]).max():.1e}."
    return Shown(f"<p>{told}</p>", told)


def shown(figure: Figure, sentence: str) -> Shown:
    """A figure with its sentence, for a code cell."""
    return Shown(figure_html(figure, sentence) + f"<p>{sentence}</p>", sentence)


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_filter("Sobel x")[0]

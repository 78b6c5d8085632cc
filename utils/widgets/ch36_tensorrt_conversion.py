"""Figures of chapter 36: profiles and their traffic, a tensor against FP16, the source's script, the experiment."""

from __future__ import annotations

import html
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.tensorrt_build import (
    RELEASES,
    BuildSpec,
    TensorRange,
    activation_bytes,
    batch_requests,
    emulate_fp16,
    magnitude_histogram,
    nodes_to_keep,
    recording_tensorrt,
    scan_activations,
    simulate_profiles,
    source_model,
    to_fp16,
    to_trtexec,
    walk_source,
)

from .shell import Prediction, explorer
from .style import BLUE, GREEN, GREY, INK, ORANGE, PINK, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from onnx import ModelProto

    from utils.engines.tensorrt_build.source_walk import Step

# A detector at 640 x 640: what the profile explorer takes as its model (made-up, round numbers).
DETECTOR = {"sample_bytes": 40 * 2**20, "weights_bytes": 50 * 2**20}
MIB = 2**20
COLOURS, MARKERS = (BLUE, YELLOW), ("o", "s")


# --- the source's script --------------------------------------------------------------------------


def walk_all(keep_going: bool = False) -> dict[str, list[Step]]:
    """The script's steps on the stand-ins of the three releases, on a model like the one that the source exports."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        onnx.save(source_model(), path)
        return {release: walk_source(recording_tensorrt(release), path, keep_going) for release in RELEASES}


def script_table(keep_going: bool = False) -> Shown:
    """One row a line of the script, one column a release."""
    walks = walk_all(keep_going)
    words = {"passed": "✓ passes", "failed": "✗ stops here", "not reached": "· not reached"}
    if keep_going:
        words["failed"] = "✗ fails"
    rows = [[steps[0].line, *(words[step.status] for step in steps)] for steps in zip(*walks.values())]
    return table(["line of the script", *(f"TensorRT {r}" for r in walks)], rows)


# --- profile explorer -----------------------------------------------------------------------------


def profile_state(range_0: tuple[int, int], opt_0: int, range_1: tuple[int, int], opt_1: int, mean_batch: float,
                  burstiness: float) -> dict[str, Any]:
    """The traffic and what the two profiles make of it. An opt outside its range is moved to the nearer end."""
    profiles = [(lo, min(max(opt, lo), hi), hi) for (lo, hi), opt in ((range_0, opt_0), (range_1, opt_1))]
    requests = batch_requests(mean_batch, burstiness)
    return {"profiles": profiles, "requests": requests, **simulate_profiles(profiles, requests.tolist(), DETECTOR)}


def profile_figure(state: Mapping[str, Any]) -> Figure:
    """Left: each request at its batch size, beside the two ranges. Right: what each context reserves and uses."""
    figure, (left, right) = new_figure(10.4, 3.7, 1, 2, width_ratios=[2.3, 1])
    requests, served = np.asarray(state["requests"]), np.asarray(state["served"])
    for i, (lo, opt, hi) in enumerate(state["profiles"]):
        x = requests.size + 2 + 3 * i  # a bar behind the last request, from min to max
        left.plot([x, x], [lo, hi], "-", marker="_", markersize=9, color=COLOURS[i], linewidth=6, alpha=0.55)
        left.text(x, hi * 1.12, str(i), ha="center", va="bottom", fontsize=9, color=INK)
        left.axhline(opt, color=COLOURS[i], linestyle=("-", "--")[i], linewidth=1.6, label=f"opt of profile {i}: {opt}")
        at = np.flatnonzero(served == i)
        left.plot(at, requests[at], MARKERS[i], color=COLOURS[i], markersize=5,
                  label=f"served by profile {i} ({at.size})")
    out = np.flatnonzero(served < 0)
    left.plot(out, requests[out], "X", color=ORANGE, markersize=8, label=f"rejected ({out.size})")
    left.set_yscale("log", base=2)
    ticks = [2**k for k in range(9)]
    left.set_yticks(ticks, [str(t) for t in ticks])
    left.set_ylim(0.8, max(64, int(requests.max()), *(p[2] for p in state["profiles"])) * 1.4)
    label(left, "request number (simulated)", "batch size (samples)", "Bars at the right: what profiles 0 and 1 admit")
    left.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.2), ncols=3)
    _memory_bars(right, state)
    return figure


def _memory_bars(ax: Any, state: Mapping[str, Any]) -> None:
    reserved = [b / MIB for b in state["activation_bytes"]]
    used = [b / MIB for b in state["used_bytes"]]
    for x, parts in enumerate((reserved, used)):
        bottom = DETECTOR["weights_bytes"] / MIB
        ax.bar(x, bottom, 0.6, color=GREY, label="weights" if x == 0 else None)
        for i, size in enumerate(parts):
            ax.bar(x, size, 0.6, bottom=bottom, color=COLOURS[i], hatch=("", "///")[i], edgecolor="white",
                   label=f"context of profile {i}" if x == 0 else None)
            bottom += size
        ax.text(x, bottom, f"{bottom:,.0f}", ha="center", va="bottom", fontsize=9, color=INK)
    ax.set_xticks([0, 1], ["reserved", "used at most"])
    ax.set_ylim(0, max(sum(reserved), sum(used)) * 1.15 + 60)
    label(ax, "", "device memory (MiB)", "Memory follows max")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(-0.15, -0.2))


def draw_profiles(range_0: tuple[int, int], opt_0: int, range_1: tuple[int, int], opt_1: int, mean_batch: float,
                  burstiness: float) -> tuple[Figure, str]:
    """The picture, and a sentence with its numbers."""
    state = profile_state(range_0, opt_0, range_1, opt_1, mean_batch, burstiness)
    return profile_figure(state), profile_sentence(state)


def profile_sentence(state: Mapping[str, Any]) -> str:
    served, n = state["served"], len(state["served"])
    factors = np.exp([d for d in state["distance"] if not np.isnan(d)])
    far = f"on average a factor of {factors.mean():.1f} away from opt" if factors.size else "none of them served"
    return (f"Simulated, {n} requests: profile 0 serves {served.count(0)}, profile 1 serves {served.count(1)}, "
            f"{state['rejected']} are rejected; {far}. The two contexts reserve "
            f"{sum(state['activation_bytes']) / MIB:,.0f} MiB of activations and use at most "
            f"{sum(state['used_bytes']) / MIB:,.0f} MiB; the weights take {DETECTOR['weights_bytes'] / MIB:,.0f} MiB "
            "once.")


START = {"range_0": (1, 4), "opt_0": 1, "range_1": (1, 32), "opt_1": 16, "mean_batch": 6, "burstiness": 0.8}


def profile_explorer() -> Any:
    """Knobs for two profiles and the traffic."""
    import ipywidgets as widgets

    def span(name: str, text: str) -> Any:
        return widgets.IntRangeSlider(value=START[name], min=1, max=64, description=text)

    def opt(name: str, text: str) -> Any:
        return widgets.IntSlider(value=START[name], min=1, max=64, description=text)

    knobs = {
        "range_0": span("range_0", "profile 0: min, max"), "opt_0": opt("opt_0", "profile 0: opt"),
        "range_1": span("range_1", "profile 1: min, max"), "opt_1": opt("opt_1", "profile 1: opt"),
        "mean_batch": widgets.FloatSlider(value=START["mean_batch"], min=1, max=32, step=1, description="mean batch"),
        "burstiness": widgets.FloatSlider(value=START["burstiness"], min=0, max=1.5, step=0.1,
                                          description="burstiness"),
    }
    return explorer(draw_profiles, knobs, Prediction(
        "Both profiles admit batches 1 to 4. Profile 1 also admits up to 32. You raise its max to 64, and no request "
        "has more than 32. What changes?",
        ("nothing: no such request comes", "the context of profile 1 takes twice the memory",
         "profile 1 serves more requests"), 1,
        "Memory is reserved for max, whether it comes or not. Who serves a request depends on opt."))


# --- a tensor against FP16 ------------------------------------------------------------------------


def sample_tensor() -> np.ndarray:
    """Activations behind a ReLU: half zeros, the rest half-normal with some large values (seeded)."""
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=20_000), 0)
    x[:400] *= 300
    return np.minimum(x * 1.2, 1000)


def draw_range(scale_exponent: int) -> tuple[Figure, str]:
    """The histogram of magnitudes under a scale of 2^k, and a sentence with the fractions."""
    state = magnitude_histogram(sample_tensor(), scale_exponent)
    figure, (ax,) = new_figure(9.2, 3.4)
    edges, share = state["edges"], np.asarray(state["share"]) * 100
    top = max(share.max() * 1.25, 1.0)
    spans = ((-40, -25, PINK, "becomes 0"), (-25, -14, YELLOW, "subnormal"), (-14, 16, GREEN, "normal"),
             (16, 24, ORANGE, "becomes ∞"))
    for lo, hi, colour, text in spans:
        ax.axvspan(lo, hi, color=colour, alpha=0.13, linewidth=0)
        ax.text((lo + hi) / 2, top * 0.97, text, ha="center", va="top", fontsize=9, color=INK)
    ax.bar(edges[:-1] + 0.5, share, 0.9, color=BLUE)
    ax.set_ylim(0, top)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xticks(range(-40, 25, 8), [f"2^{k}" for k in range(-40, 25, 8)])
    label(ax, "magnitude of the scaled values", "share of all values (%)",
          f"The tensor times 2^{scale_exponent}, one bar a power of two")
    told = {name: f"{state[name]:.2%}" for name in ("overflow", "underflow", "subnormal", "normal", "zeros")}
    return figure, ("Scaled by 2^{k}: {overflow} of all values overflow, {underflow} become 0, {subnormal} are "
                    "subnormal, {normal} are normal, {zeros} were 0 before.").format(k=scale_exponent, **told)


def range_explorer() -> Any:
    """One knob: the power of two that scales the tensor."""
    import ipywidgets as widgets

    knobs = {"scale_exponent": widgets.IntSlider(value=0, min=-24, max=20, description="scale: 2^")}
    return explorer(draw_range, knobs, Prediction(
        "The largest value of this tensor is 1,000. By which factor can you scale it before something overflows in "
        "FP16?",
        ("about 6", "about 60", "about 6,000"), 1,
        "65,520 / 1,000 is about 65.5: 2^6 = 64 still fits, 2^7 does not."))


# --- the experiment -------------------------------------------------------------------------------


def unbalanced_cnn(exponent: int = 17) -> ModelProto:
    """The four-layer CNN with its second convolution times 2^exponent and its third divided by it: in FP32 the same."""
    from onnx import numpy_helper

    from utils.engines.stream_sweep import four_layer_cnn

    model = four_layer_cnn()
    for tensor in model.graph.initializer:
        sign = {"w1": 1, "w2": -1}.get(tensor.name, 0)
        array = np.ldexp(numpy_helper.to_array(tensor), sign * exponent)
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float32), tensor.name))
    return model


def _run(model: ModelProto, x: np.ndarray) -> np.ndarray:
    from utils.graphs.onnx_tools import make_session

    with np.errstate(all="ignore"):
        return make_session(model).run(None, {"x": x})[0]


def fp16_experiment() -> dict[str, Any]:
    """Errors of the cast CNN and of the unbalanced one, as the CPU runs them and as FP16 would; what the scan finds.

    Keys: bytes (FP32, FP16), errors (name -> max |difference| from FP32, inf if a value is not finite), scan, keep.
    """
    from utils.engines.stream_sweep import four_layer_cnn

    x = np.random.default_rng(0).normal(size=(4, 3, 64, 64)).astype(np.float32)
    plain, loud = four_layer_cnn(), unbalanced_cnn()
    scan = scan_activations(loud, {"x": x})
    keep = nodes_to_keep(loud, scan)
    runs = {
        "CNN, on the CPU as it is": (plain, to_fp16(plain)),
        "CNN, rounded to FP16": (plain, emulate_fp16(to_fp16(plain))),
        "unbalanced, on the CPU as it is": (loud, to_fp16(loud)),
        "unbalanced, rounded to FP16": (loud, emulate_fp16(to_fp16(loud))),
        "unbalanced, kept in FP32: " + ", ".join(keep): (loud, emulate_fp16(to_fp16(loud, keep_fp32_nodes=keep))),
    }
    errors = {}
    for name, (full, half) in runs.items():
        difference = np.abs(_run(half, x).astype(np.float64) - _run(full, x))
        errors[name] = float(difference.max()) if np.isfinite(difference).all() else float("inf")
    return {"bytes": (plain.ByteSize(), to_fp16(plain).ByteSize()), "errors": errors, "scan": scan, "keep": keep}


def fp16_table(found: Mapping[str, Any]) -> Shown:
    """One row a model that was run."""
    rows = [[name, "not finite" if np.isinf(error) else f"{error:.1e}"] for name, error in found["errors"].items()]
    return table(["FP16 model", "largest error against FP32"], rows)


def scan_table(scan: Mapping[str, Mapping[str, Any]]) -> Shown:
    """One row a tensor: who makes it, how large it gets, what FP16 loses."""
    rows = [[name, risk["op"], f"{risk['max_abs']:,.1f}", f"{risk['overflow']:.1%}", f"{risk['underflow']:.1%}",
             f"{risk['subnormal']:.1%}"] for name, risk in scan.items()]
    return table(["tensor", "made by", "largest |value|", "overflow", "underflow", "subnormal"], rows)


def memory_curves(batches: Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
                  sizes: Sequence[int] = (224, 320, 416, 512, 640)) -> dict[str, Any]:
    """Peak activation memory (MiB) of the CNN against the batch at 224 x 224, and against the resolution at batch 1."""
    from utils.engines.stream_sweep import four_layer_cnn

    model = four_layer_cnn(size="H")

    def peak(batch: int, size: int) -> float:
        return activation_bytes(model, {"x": (batch, 3, size, size)}).peak_bytes / MIB

    return {"batches": list(batches), "by_batch": [peak(b, 224) for b in batches],
            "sizes": list(sizes), "by_size": [peak(1, s) for s in sizes]}


def memory_picture(curves: Mapping[str, Any]) -> Shown:
    """Both curves, with the line and the parabola that shapes demand."""
    figure, (left, right) = new_figure(9.4, 3.2, 1, 2)
    left.plot(curves["batches"], curves["by_batch"], "o-", color=BLUE, label="estimated")
    right.plot(curves["sizes"], curves["by_size"], "s-", color=ORANGE, label="estimated")
    first, size = curves["by_size"][0], curves["sizes"][0]
    dense = np.linspace(curves["sizes"][0], curves["sizes"][-1], 60)
    right.plot(dense, first * (dense / size) ** 2, color=GREY, linestyle=":", label="proportional to the square")
    left.set_ylim(0), right.set_ylim(0)
    label(left, "batch (samples, at 224 × 224)", "peak of activations (MiB)", "A straight line")
    label(right, "height = width (pixels, batch 1)", "peak of activations (MiB)", "A parabola")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize=9)
    by_batch, by_size = curves["by_batch"], curves["by_size"]
    alt = (f"Peak activation memory of the four-layer CNN: {by_batch[0]:.1f} MiB at batch {curves['batches'][0]}, "
           f"{by_batch[-1]:,.1f} MiB at batch {curves['batches'][-1]}; {by_size[0]:.1f} MiB at {size} pixels, "
           f"{by_size[-1]:.1f} MiB at {curves['sizes'][-1]} pixels.")
    return Shown(figure_html(figure, alt) + f"<p>{html.escape(alt)}</p>", alt)


def real_builds() -> str:
    """With TensorRT and a GPU: plans tuned for batch 1 and for batch 32, each timed at both. Else what it would do."""
    from utils.optional import EngineUnavailable

    try:
        return _time_builds()
    except EngineUnavailable as error:
        return (f"{error}. With both, this cell builds the CNN twice, with opt at batch 1 and at batch 32, times each "
                "plan at both batches, and builds once more with the timing cache.")


def _time_builds(trt: Any = None, device: str = "cuda", rounds: int = 100) -> str:
    import time

    import onnx

    from utils.cost.latency import time_interleaved
    from utils.engines.stream_sweep import four_layer_cnn
    from utils.engines.tensorrt_build import PlanRunner, build_engine, save_plan

    PlanRunner(trt, device)  # is there a library and a GPU?
    lines, runs = [], {}
    with tempfile.TemporaryDirectory() as folder:
        path, cache = os.path.join(folder, "m.onnx"), os.path.join(folder, "cache.bin")
        onnx.save(four_layer_cnn(), path)
        for opt in (1, 32, 32):
            ranges = TensorRange("x", (1, 3, 64, 64), (opt, 3, 64, 64), (32, 3, 64, 64))
            start = time.perf_counter()
            plan = build_engine(BuildSpec(path, ((ranges,),), timing_cache=cache), trt)
            lines.append(f"opt at batch {opt}: built in {time.perf_counter() - start:.1f} s")
            save_plan(plan, os.path.join(folder, f"{opt}.plan"))
            runs[opt] = PlanRunner(trt, device).load(os.path.join(folder, f"{opt}.plan"))
        for batch in (1, 32):
            feeds = {"x": np.zeros((batch, 3, 64, 64), np.float32)}
            times = time_interleaved({f"opt {opt}": partial(run.infer, feeds) for opt, run in runs.items()}, rounds)
            lines.append(f"batch {batch}: " + ", ".join(f"{name} {np.median(t):.3f} ms" for name, t in times.items()))
    return "\n".join(lines)


def commands_table(spec: BuildSpec) -> Shown:
    """The trtexec command of a spec in each release, or why there is none."""
    rows = []
    for release in RELEASES:
        try:
            rows.append([f"TensorRT {release}", " ".join(to_trtexec(spec, release))])
        except ValueError as error:
            rows.append([f"TensorRT {release}", f"no command: {error}"])
    return table(["release", "trtexec …"], rows)


def static_picture() -> Figure:
    """The committed picture: the profile explorer as it opens."""
    return profile_figure(profile_state(**START))

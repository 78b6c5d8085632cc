"""Figures and experiment of chapter 07: operators under the roof, and this machine against its own roofline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.roofline import Device, OpCost, attainable_gflop_s, intensity, op_time_us, ridge
from utils.cost.roofline.experiment import MeasuredOp
from utils.cost.roofline.op_costs import conv_op, elementwise_op, linear_op
from utils.hardware.roofline_devices import SOURCES, roofline_devices
from utils.networks.design import shuffle_access_elements
from utils.widgets.roofline_points import BOUNDS, CONTEXT, DECODE, NETWORKS, roofline_points
from utils.widgets.shell import Prediction, explorer

from .style import BLUE, GREY, INK, MARKERS, ORANGE, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {"compute": (BLUE, "o", ""), "memory": (ORANGE, "s", "//"), "launch": (YELLOW, "^", "..")}
HOST = "this machine"


# --- the roof ------------------------------------------------------------------------------------

def _roof(ax: Axes, peak_gflop_s: float, mem_gb_s: float, lowest: float, highest: float) -> None:
    """The roof from `lowest` to `highest` FLOP/B on logarithmic axes, the ridge marked."""
    corner = ridge(peak_gflop_s, mem_gb_s)
    x = np.array(sorted({lowest, corner, highest}))
    ax.plot(x, [attainable_gflop_s(v, peak_gflop_s, mem_gb_s) for v in x], color=INK, linewidth=1.8)
    ax.axvline(corner, color=GREY, linestyle=":", linewidth=1.2)
    ax.annotate(f"ridge {corner:,.3g} FLOP/B", (corner, 0), xycoords=("data", "axes fraction"), xytext=(-5, 5),
                textcoords="offset points", fontsize=8.5, color=INK, ha="right", va="bottom")
    ax.set(xscale="log", yscale="log", xlim=(lowest, highest))


def six_operators(dtype: str = "fp16", device: str = "H100 SXM") -> tuple[list[OpCost], Device]:
    """Six operators of everyday networks, in half precision, and the device that they run on."""
    item = 2
    ops = [
        conv_op(28, 28, 256, 256, 3, item_bytes=item, batch=32, name="3x3 convolution, batch 32"),
        conv_op(28, 28, 256, 256, 1, item_bytes=item, batch=32, name="1x1 convolution, batch 32"),
        conv_op(28, 28, 256, 256, 3, groups=256, item_bytes=item, batch=32, name="depthwise 3x3, batch 32"),
        linear_op(1, 4096, 4096, item, "linear 4096, batch 1"),
        linear_op(512, 4096, 4096, item, "linear 4096, batch 512"),
        elementwise_op(32 * 256 * 28 * 28, 2, item, "residual addition, batch 32"),
    ]
    return ops, roofline_devices()[device]


def draw_roof(device: Device, dtype: str, ops: Sequence[OpCost]) -> tuple[Figure, str]:
    """Operators under one roof, each at the rate that its predicted time gives."""
    figure, (ax,) = new_figure(8.6, 3.7)
    times = [op_time_us(op, device, dtype) for op in ops]
    rates = [op.flops / t.total_us / 1e3 for op, t in zip(ops, times)]
    _roof(ax, device.peak(dtype), device.mem_gb_s, 0.1, 4000)
    for i, (op, time, rate) in enumerate(zip(ops, times, rates)):
        ax.plot(intensity(op), rate, MARKERS[i % 7], color=LOOKS[time.bound][0], markersize=8, linestyle="",
                label=f"{op.name}: {time.total_us:,.3g} µs, {time.bound}")
    ax.legend(fontsize=8.5, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    label(ax, "intensity (FLOP per byte)", "rate (GFLOP/s)",
          f"{device.name}, {dtype.upper()}: the roof, and what the model gives")
    told = "; ".join(f"{op.name} {time.total_us:,.3g} µs ({time.bound})" for op, time in zip(ops, times))
    return figure, f"On {device.name} with an assumed launch of {device.launch_us:g} µs the model gives: {told}."


def roof_picture() -> Shown:
    """The six operators on an H100."""
    ops, device = six_operators()
    figure, sentence = draw_roof(device, "fp16", ops)
    return Shown(figure_html(figure, sentence), sentence)


def device_table() -> Shown:
    """The data-sheet devices: peak, bandwidth, ridge."""
    rows = []
    for name, device in roofline_devices().items():
        peak = device.peak("fp16")
        corner = ridge(peak, device.mem_gb_s)
        rows.append((name, f"{peak / 1e3:,.4g}", f"{device.mem_gb_s:,g}", f"{corner:.0f}", SOURCES[name]))
    return table(("device", "FP16, tensor cores, dense, TFLOP/s", "GB/s", "ridge, FLOP/B", "source"), rows)


# --- roofline explorer ---------------------------------------------------------------------------

def draw_network(network: str, device: str, dtype: str, batch: int, fused: bool, graph: bool,
                 host: Device | None = None) -> tuple[Figure | str, str]:
    """A network's operators under the roof (area: share of the time), and its time split by bound."""
    target = host if device == HOST and host is not None else roofline_devices()[device]
    if dtype not in target.peak_gflop_s:
        known = ", ".join(k.upper() for k in target.peak_gflop_s if k in ("fp32", "fp16", "int8"))
        told = f"There is no {dtype.upper()} peak for {target.name} here. It has {known}."
        return f"<p><b>{target.name}</b></p>", told
    p = roofline_points(network, target, dtype, batch, fused, graph)
    figure, (ax, bar) = new_figure(9.2, 4.6, 2, 1, height_ratios=[5, 1])
    low = min(0.1, *p["intensity"]) / 1.3
    high = max(3 * p["ridge"], 1.5 * max(p["intensity"]))
    _roof(ax, p["peak_gflop_s"], p["mem_gb_s"], low, high)
    for bound in BOUNDS:
        color, marker, _ = LOOKS[bound]
        at = [i for i, b in enumerate(p["bounds"]) if b == bound]
        if at:
            ax.scatter([p["intensity"][i] for i in at], [p["gflop_s"][i] for i in at],
                       s=[24 + 2500 * p["share"][i] for i in at], color=color, marker=marker, alpha=0.55,
                       edgecolor="white", linewidth=0.6, label=f"{len(at)} {bound}-bound")
    ax.legend(fontsize=8.5, frameon=False, loc="upper left", markerscale=0.8)
    label(ax, "intensity (FLOP per byte); area of a dot: its share of the time", "rate (GFLOP/s)",
          f"{network}, batch {batch}, {dtype.upper()} on {target.name} (predicted)")
    _split_bar(bar, p)
    return figure, _tell_network(network, target, dtype, batch, p)


def _split_bar(ax: Axes, p: Mapping[str, Any]) -> None:
    left = 0.0
    for bound in BOUNDS:
        us = p["us_by_bound"][bound]
        color, _, hatch = LOOKS[bound]
        ax.barh(0, us, left=left, color=color, hatch=hatch, edgecolor="white", height=0.7)
        if us > 0.09 * p["total_us"]:
            ax.text(left + us / 2, 0, f"{bound} {us / p['total_us']:.0%}", ha="center", va="center", fontsize=9,
                    color=INK, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
        left += us
    ax.set(yticks=[], xlim=(0, p["total_us"]))
    ax.grid(False)
    label(ax, "time of one run (µs), split by what bounds each operator", "")


def _tell_network(network: str, device: Device, dtype: str, batch: int, p: Mapping[str, Any]) -> str:
    total = p["total_us"]
    shares = ", ".join(f"{p['us_by_bound'][b] / total:.0%} {b}-bound" for b in BOUNDS)
    context = f" with {CONTEXT:,} tokens of context" if network == DECODE else ""
    unit = "step" if network == DECODE else "run"
    return (f"{network}{context}, batch {batch}, {dtype.upper()} on {device.name}: {len(p['names'])} operators, at "
            f"best {total:,.0f} µs a {unit}, {total / batch:,.1f} µs a sample; {shares}. The launch of "
            f"{device.launch_us:.2g} µs is {'measured' if device.name == HOST else 'assumed'}.")


def static_picture() -> Figure:
    """What remains where no kernel runs: ResNet-50 on an H100, as a framework runs it."""
    return draw_network("ResNet-50", "H100 SXM", "fp16", 64, False, False)[0]


def roofline_explorer(host: Device | None = None) -> Any:
    """The interactive figure; with `host`, this machine is among the devices."""
    import ipywidgets as widgets

    names = [*roofline_devices(), *([HOST] if host is not None else [])]

    def draw(**knobs: Any) -> tuple[Figure | str, str]:
        return draw_network(**knobs, host=host)

    return explorer(draw, {
        "network": widgets.Dropdown(options=NETWORKS, value="ResNet-50", description="network",
                                    layout=widgets.Layout(width="330px")),
        "device": widgets.Dropdown(options=names, value="H100 SXM", description="device"),
        "dtype": widgets.RadioButtons(options=[("FP32", "fp32"), ("FP16", "fp16"), ("INT8", "int8")], value="fp16",
                                      description="numbers"),
        "batch": widgets.SelectionSlider(options=[1, 2, 4, 8, 16, 32, 64, 128, 256], value=1, description="batch"),
        "fused": widgets.Checkbox(value=False, description="fuse elementwise operators"),
        "graph": widgets.Checkbox(value=False, description="one launch for all (CUDA graph)"),
    }, Prediction(
        "ResNet-50 in FP16 on an H100, one image at a time, every operator a kernel of its own. What takes most of the "
        "time?",
        ("the arithmetic", "the memory", "the launches"), 2,
        "174 kernels with an assumed launch of 5 µs each are 870 µs. All the arithmetic and memory traffic would fit "
        "into a tenth of that. Raise the batch, then fuse, then use one launch, and watch the bar."),
        "Roofline explorer")


# --- the experiment ------------------------------------------------------------------------------

def host_line(host: Device) -> str:
    """The three measured numbers and the ridge, as a sentence."""
    peak = host.peak("fp32")
    return (f"This machine, one thread, FP32: {peak:.1f} GFLOP/s, {host.mem_gb_s:.1f} GB/s, an empty operator "
            f"{host.launch_us:.2f} µs. "
            f"Ridge: {ridge(peak, host.mem_gb_s):.1f} FLOP/B.")


def measured_table(rows: Sequence[MeasuredOp]) -> Shown:
    """Predicted and measured times, and their ratio."""
    told = [(m.op.name, f"{intensity(m.op):.2f}", m.predicted.bound, f"{m.predicted.total_us:,.0f}",
             f"{m.measured_us:,.0f}", f"{m.measured_us / m.predicted.total_us:.2f}", f"{m.gflop_s:.1f}") for m in rows]
    head = ("operator", "FLOP/B", "predicted bound", "predicted, µs", "measured, µs", "measured / predicted", "GFLOP/s")
    return table(head, told)


def median_ratio(rows: Sequence[MeasuredOp], above_us: float = 1000.0) -> float:
    """Median of measured / predicted over operators that take at least `above_us`."""
    return float(np.median([m.measured_us / m.predicted.total_us for m in rows if m.measured_us >= above_us]))


def measured_chart(rows: Sequence[MeasuredOp], host: Device) -> Shown:
    """The measured operators under the measured roof."""
    figure, (ax,) = new_figure(8.6, 3.8)
    _roof(ax, host.peak("fp32"), host.mem_gb_s, 0.05, 400)
    for i, m in enumerate(rows):
        color = LOOKS[m.predicted.bound][0]
        ax.plot(intensity(m.op), m.gflop_s, MARKERS[i % 7], color=color, markersize=7, linestyle="", label=m.op.name,
                fillstyle="full" if i < 7 else "none")
    ax.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    label(ax, "intensity (FLOP per byte)", "rate (GFLOP/s)", "Measured on this machine, under its own roof")
    told = ", ".join(f"{m.op.name} {m.gflop_s:.3g}" for m in rows)
    return Shown(figure_html(figure, f"GFLOP/s reached: {told}."), f"GFLOP/s reached: {told}.")


def batch_table(us_per_sample: Mapping[int, float]) -> Shown:
    """Time per sample by batch."""
    first = next(iter(us_per_sample.values()))
    rows = [(b, f"{us:,.1f}", f"{us * b:,.0f}", f"{first / us:.1f}") for b, us in us_per_sample.items()]
    return table(("batch", "µs per sample", "µs per run", "times faster per sample"), rows)


def split_table(us: Mapping[tuple[int, int], float], size: int = 56) -> Shown:
    """Time and elements of 1x1 convolutions with equal MACs."""
    first = next(iter(us.values()))
    rows = [(f"{c1} → {c2}", f"{size * size * c1 * c2 / 1e6:.1f}", f"{shuffle_access_elements(size, size, c1, c2):,}",
             f"{t:,.0f}", f"{t / first:.2f}") for (c1, c2), t in us.items()]
    return table(("channels", "million MACs", "elements", "time, µs", "against the first"), rows)


def layout_line(us: Mapping[str, float]) -> str:
    """The same convolution in two layouts, as a sentence."""
    first, second = us
    return (f"{first} {us[first]:,.0f} µs, {second} {us[second]:,.0f} µs: the same FLOPs, "
            f"{us[first] / us[second]:.2f} times the time.")


def gpu_graph(layers: int = 50, width: int = 256, calls: int = 100) -> str:
    """A chain of small layers on the GPU, launched one by one and as a CUDA graph; a sentence without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return "No CUDA device here, so launches and CUDA graphs were not measured."
    net = torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(layers))).cuda().half().eval()
    x = torch.rand(1, width, device="cuda", dtype=torch.float16)
    with torch.inference_mode():
        for _ in range(5):
            net(x)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            net(x)
        one_by_one, replayed = (_cuda_us(fn, calls) for fn in (lambda: net(x), graph.replay))
    return (f"{torch.cuda.get_device_name()}: {layers} linear layers of {width} × {width} at batch 1 take "
            f"{one_by_one:,.0f} µs launched one by one ({one_by_one / layers:.1f} µs a layer) and "
            f"{replayed:,.0f} µs as a CUDA graph.")


def _cuda_us(fn: Any, calls: int) -> float:
    """Microseconds of a call between two CUDA events."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(calls):
        fn()
    end.record()
    end.synchronize()
    return 1e3 * start.elapsed_time(end) / calls

"""Figures and measurements of chapter 05: the memory timeline, peak over batch, checkpointing, a GPU's numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import time_interleaved
from utils.cost.memory import AMP_ADAM_MASTER, FP32_ADAM, checkpoint_forward_units, model_state_bytes
from utils.widgets.shell import Prediction, explorer

from .style import BLUE, GREY, INK, ORANGE, YELLOW, Shown, figure_html, label, new_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor, nn

NETWORKS = ("ResNet-18", "MLP, 32 × 1,024", "GPT, 12 layers")
CARDS_GB = (8, 16, 24, 80)


# --- the memory timeline ------------------------------------------------------------------------


def _network(name: str, batch: int, bits: int) -> tuple[nn.Sequential, Tensor]:
    """The network and its batch on the "meta" device, in float32 or bfloat16."""
    import torch

    from utils.networks.training_nets import mlp, resnet18, small_gpt

    dtype = torch.float32 if bits == 32 else torch.bfloat16
    with torch.device("meta"):
        if name.startswith("GPT"):
            return small_gpt().to(dtype), torch.empty(batch, 1024, dtype=torch.long)
        if name.startswith("MLP"):
            return mlp().to(dtype), torch.empty(batch, 1024, dtype=dtype)
        return resnet18().to(dtype), torch.empty(batch, 3, 224, 224, dtype=dtype)


def _cross_entropy(out: Tensor) -> Tensor:
    """The loss against class 0, in float32: (..., classes) -> scalar."""
    from torch.nn import functional as F

    flat = out.flatten(0, -2).float()
    return F.cross_entropy(flat, flat.new_zeros(flat.shape[0]).long())


@cache
def memory_timeline(model_name: str, batch: int, bits: int, segments: int) -> dict[str, np.ndarray]:
    """Bytes of a training step with Adam, traced on the "meta" device.

    live: after each operator, model states and data included; inference: the same without gradients (weights and
    data only beside the tensors); forward_ops, states, data, kept (live activations when the forward pass ended),
    temporaries (what the peak has beyond them), peak, inference_peak: single numbers. In 16 bits there is an FP32
    master copy. What an allocator, a context or a kernel's workspace adds is not in it.
    """
    from utils.cost.memory.live_tensors import trace_inference, trace_training

    model, x = _network(model_name, batch, bits)
    n_params, buffers = sum(p.numel() for p in model.parameters()), sum(b.nbytes for b in model.buffers())
    states = model_state_bytes(n_params, FP32_ADAM if bits == 32 else AMP_ADAM_MASTER).total + buffers
    weights = n_params * bits // 8 + buffers
    step, run = trace_training(model, x, _cross_entropy, segments), trace_inference(model, x)
    found = {
        "live": np.array(step.live_bytes) + states + x.nbytes,
        "inference": np.array(run.live_bytes) + weights + x.nbytes,
        "forward_ops": step.forward_ops, "states": states, "data": x.nbytes, "kept": step.kept_bytes,
        "temporaries": step.peak_bytes - step.kept_bytes, "peak": step.peak_bytes + states + x.nbytes,
        "inference_peak": run.peak_bytes + weights + x.nbytes,
    }
    return {name: np.asarray(value) for name, value in found.items()}


def timeline(network: str = "ResNet-18", batch: int = 64, bits: int = 32, segments: int = 1) -> tuple[Figure, str]:
    """The live bytes over the operators of one step, and what the peak is made of, beside the sizes of cards."""
    t = memory_timeline(network, batch, bits, segments)
    figure, (curve, bars) = new_figure(11, 3.6, 1, 2, width_ratios=(1.5, 1))
    _draw_curve(curve, t)
    _draw_bars(bars, t)
    return figure, _tell_timeline(network, batch, bits, segments, t)


def _draw_curve(ax: Axes, t: dict) -> None:
    live, forward = t["live"] / 1e9, int(t["forward_ops"])
    steps = np.arange(len(live))
    ax.axvspan(0, forward, color="#DCEBF7", zorder=0)
    ax.axvspan(forward, len(live), color="#FBE8DC", zorder=0)
    ax.plot(steps, live, color=BLUE, linewidth=1.8, label="training")
    ax.plot(np.arange(len(t["inference"])), t["inference"] / 1e9, color=ORANGE, linestyle="--", linewidth=1.6,
            label="inference")
    ax.axhline(float(t["states"]) / 1e9, color=GREY, linestyle=":", linewidth=1.4, label="model states alone")
    top = float(live.max()) * 1.32
    ax.set(xlim=(0, len(live)), ylim=(0, top))
    for x, text in ((forward / 2, "forward"), ((forward + len(live)) / 2, "backward")):
        ax.text(x, top * 0.985, text, ha="center", va="top", fontsize=9.5, color=INK)
    ax.legend(fontsize=8.5, frameon=False, loc="upper left", bbox_to_anchor=(0, 0.94), ncols=3, columnspacing=1.2)
    label(ax, "operator of the step", "live memory in GB", "One training step, operator by operator")


def _draw_bars(ax: Axes, t: dict) -> None:
    parts = (("model states", "states", BLUE, ""), ("activations and data", "kept", YELLOW, "//"),
             ("on top at the peak", "temporaries", GREY, ".."))
    left = 0.0
    for name, key, colour, hatch in parts:
        size = float(t[key] + (t["data"] if key == "kept" else 0)) / 1e9
        ax.barh(1, size, left=left, color=colour, hatch=hatch, edgecolor="white", height=0.45,
                label=f"{name} {size:.2f} GB")
        left += size
    inference = float(t["inference_peak"]) / 1e9
    ax.barh(0, inference, color=ORANGE, height=0.45, hatch="xx", edgecolor="white",
            label=f"inference {inference:.2f} GB")
    card = next((c for c in CARDS_GB if c >= left), CARDS_GB[-1])
    edge = max(card, left) * 1.1
    for size in CARDS_GB:
        if edge / 12 < size < edge:  # the smaller ones would be a smear
            ax.plot([size, size], [-0.4, 1.38], color=INK, linewidth=1.3, linestyle=(0, (4, 2)))
            ax.text(size, 1.43, f"{size} GB", ha="center", va="bottom", fontsize=9, color=INK)
    ax.set(xlim=(0, edge), ylim=(-0.4, 2.5), yticks=(0, 1), yticklabels=("inference", "training"))
    ax.grid(False, axis="y")
    ax.legend(fontsize=8, frameon=False, loc="upper left", ncols=2, columnspacing=1)
    label(ax, "GB at the peak (dashed: sizes of cards)", "", "What the peak is made of")


def _tell_timeline(network: str, batch: int, bits: int, segments: int, t: dict) -> str:
    gb = {key: float(t[key]) / 1e9 for key in ("peak", "states", "kept", "data", "temporaries", "inference_peak")}
    cut = f", checkpointed in {segments} segments" if segments > 1 else ""
    card = next((c for c in CARDS_GB if c >= gb["peak"]), None)
    fits = f"On paper it fits a card of {card} GB" if card else "It fits none of the cards"
    return (f"{network}, batch {batch}, {bits} bits{cut}: the peak is {gb['peak']:.2f} GB, of which {gb['states']:.2f} "
            f"GB are model states, {gb['kept'] + gb['data']:.2f} GB activations and data at the end of the forward "
            f"pass, and {gb['temporaries']:.2f} GB come on top of that (each rounded). Inference peaks at "
            f"{gb['inference_peak']:.2f} GB. {fits}; workspace, allocator and context are not counted here.")


def timeline_explorer() -> Any:
    """The interactive timeline."""
    import ipywidgets as widgets

    return explorer(
        timeline,
        {
            "network": widgets.Dropdown(options=list(NETWORKS), value=NETWORKS[0], description="network"),
            "batch": widgets.SelectionSlider(options=[1, 2, 4, 8, 16, 32, 64, 128, 256], value=64, description="batch"),
            "bits": widgets.ToggleButtons(options=[32, 16], value=32, description="bits"),
            "segments": widgets.ToggleButtons(options=[1, 2, 4, 8], value=1, description="segments"),
        },
        Prediction("ResNet-18 trains with Adam on 64 images of 224 × 224 in FP32. When is the memory at its peak?",
                   ("in the first layer", "where the forward pass ends", "in the middle of the backward pass",
                    "when the optimizer runs"), 1,
                   "The forward pass piles up what the backward pass needs. Then every layer frees its share."),
        title="Memory timeline: traced on the meta device, which holds shapes and no data",
    )


# --- measurements -------------------------------------------------------------------------------

WIDTH, DEPTH = 128, 32


def _chain(batch: int, device: str) -> tuple[nn.Sequential, Tensor]:
    """The chain of the experiment, with gradients in place, and its batch."""
    import torch

    from utils.networks.training_nets import mlp

    model, x = mlp(WIDTH, DEPTH).to(device), torch.zeros(batch, WIDTH, device=device)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    return model, x


def batch_peaks(batches: Sequence[int] = (64, 512, 1024)) -> list[dict[str, int]]:
    """Peak bytes of the chain beyond states and input: batch, tracked (on "meta"), profiled (on the CPU), inference."""
    import torch

    from utils.cost.memory.live_tensors import profiled_peak_bytes, trace_inference, trace_training
    from utils.networks.digits import one_thread

    rows = []
    for batch in batches:
        model, x = _chain(batch, "cpu")
        on_meta, shape = _chain(batch, "meta")
        with one_thread(), torch.random.fork_rng(devices=[]):
            profiled = profiled_peak_bytes(lambda: model(x).sum().backward())  # noqa: B023 - called here
        rows.append({"batch": batch, "tracked": trace_training(on_meta, shape).peak_bytes, "profiled": profiled,
                     "inference": trace_inference(on_meta, shape).peak_bytes})
    return rows


def batch_chart(rows: Sequence[dict[str, int]]) -> Shown:
    """Peak over batch as two lines, the profiler's points on them."""
    batches = [r["batch"] for r in rows]
    figure, (ax,) = new_figure(7.4, 3.2)
    ax.plot(batches, [r["tracked"] / 1e6 for r in rows], color=BLUE, linewidth=1.8, label="training, tracked on meta")
    ax.plot(batches, [r["profiled"] / 1e6 for r in rows], color=INK, linestyle="none", marker="x", markersize=8,
            label="training, torch's profiler on the CPU")
    ax.plot(batches, [r["inference"] / 1e6 for r in rows], color=ORANGE, linestyle="--", marker="s", markersize=4,
            label="inference, tracked")
    ax.set(xlim=(0, max(batches) * 1.05), ylim=(0, None))
    ax.legend(fontsize=9, frameon=False, loc="upper left")
    label(ax, "batch", "peak in MB", f"{DEPTH} layers of width {WIDTH}, beyond states and input: two slopes")
    told = batch_verdict(rows)
    return Shown(figure_html(figure, told, 640), told)


def batch_verdict(rows: Sequence[dict[str, int]]) -> str:
    """The two slopes in bytes a sample, and how far tracker and profiler are apart."""
    first, last = rows[0], rows[-1]
    train, run = ((last[key] - first[key]) / (last["batch"] - first["batch"]) for key in ("tracked", "inference"))
    apart = max(abs(r["tracked"] - r["profiled"]) for r in rows)
    return (f"A sample costs {train:,.0f} bytes in training and {run:,.0f} in inference, {train / run:.1f} times less. "
            f"Tracker and profiler are at most {apart:,} bytes apart.")


def checkpoint_rows(batch: int = 512, segments: Sequence[int] = (1, 2, 4, 8, 16, 32), rounds: int = 3,
                    clock: Callable[[], int] | None = None) -> list[dict[str, float]]:
    """segments, units at the end of the forward pass, predicted units, peak units, matrix products, and the time.

    A unit is the output of one layer. Memory and products are traced on "meta". The time is the shortest of `rounds`
    interleaved ones on one CPU thread, as a ratio to the first of `segments`.
    """
    import torch

    from utils.cost.memory.live_tensors import trace_training
    from utils.networks.digits import one_thread

    on_meta, shape = _chain(batch, "meta")
    model, x = _chain(batch, "cpu")
    traces = {s: trace_training(on_meta, shape, segments=s) for s in segments}
    options = {} if clock is None else {"clock": clock}
    with one_thread(), torch.random.fork_rng(devices=[]):
        times = time_interleaved({str(s): _step(model, x, s) for s in segments}, rounds, **options)
    shortest = {s: float(times[str(s)].min()) for s in segments}
    return [{"segments": s, "predicted": checkpoint_forward_units(DEPTH, s), "forward": traces[s].kept_bytes / x.nbytes,
             "peak": traces[s].peak_bytes / x.nbytes, "products": sum("mm" in name for name in traces[s].operators),
             "time": shortest[s] / shortest[segments[0]]} for s in segments]


def _step(model: nn.Sequential, x: Tensor, segments: int) -> Callable[[], None]:
    from torch.utils.checkpoint import checkpoint_sequential

    def step() -> None:
        (model(x) if segments == 1 else checkpoint_sequential(model, segments, x, use_reentrant=False)).sum().backward()

    return step


def checkpoint_table(rows: Sequence[dict[str, float]]) -> Shown:
    """The segments as a table."""
    told = [(str(r["segments"]), str(r["predicted"]), f"{r['forward']:.2f}", f"{r['peak']:.2f}", str(r["products"]),
             f"{r['time']:.2f}") for r in rows]
    head = ("segments", "predicted units", "units after forward", "units at the peak", "matrix products",
            "time (1 segment = 1)")
    return table(head, told)


def gpu_numbers(batch: int = 64) -> Shown:
    """ResNet-18 on the GPU: the traced prediction beside what CUDA's allocator reports; a sentence without a GPU."""
    import torch

    if not torch.cuda.is_available():
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    return table(("quantity", "GB"), [(name, f"{size / 1e9:.3f}") for name, size in cuda_rows(batch)],
                 torch.cuda.get_device_name())


def cuda_rows(batch: int) -> list[tuple[str, int]]:
    """(what, bytes) of two training steps of ResNet-18 on the current CUDA device."""
    import torch

    from utils.networks.training_nets import resnet18

    predicted = int(memory_timeline("ResNet-18", batch, 32, 1)["peak"])
    free_before, _ = torch.cuda.mem_get_info()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    model = resnet18().cuda()
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.zeros(batch, 3, 224, 224, device="cuda")
    for _ in range(2):
        optimizer.zero_grad(set_to_none=False)
        _cross_entropy(model(x)).backward()
        optimizer.step()
    torch.cuda.synchronize()
    free_after, _ = torch.cuda.mem_get_info()
    return [("predicted from the trace on meta", predicted),
            ("torch.cuda.max_memory_allocated", torch.cuda.max_memory_allocated() - before),
            ("torch.cuda.max_memory_reserved", torch.cuda.max_memory_reserved()),
            ("taken from the device by this run", free_before - free_after)]


def static_picture() -> Figure:
    """What remains where no kernel runs: ResNet-18 on 64 images in FP32."""
    return timeline()[0]

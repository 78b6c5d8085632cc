"""Figures and measurements of chapter 42: the router playground, experts touched, and collapse with its cures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.bandwidth.decode import decode_step
from utils.cost.edge_metrics import wilson_interval
from utils.hardware.gpu_arch import GPUS
from utils.moe.accounting import (
    CONFIGS,
    count_parameters,
    decode_roofline_tok_s,
    expected_experts_touched,
    touched_curve,
)
from utils.moe.published import AS_OF, PUBLISHED_MOES
from utils.widgets.shell import Prediction, explorer

from .style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALETTE,
    Shown,
    figure_html,
    label,
    line_style,
    new_figure,
    table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from utils.moe.digits_moe import TrainReport
    from utils.moe.router_figure import RouterHistory


# --- the router playground --------------------------------------------------------------------

STEPS, TOKENS = 100, 600
CURES = {"none": ("none", 0.0), "loss 0.02": ("aux", 0.02), "loss 0.1": ("aux", 0.1), "bias": ("bias", 0.0)}
COLOURS = (*PALETTE, "#8C6D46")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@lru_cache(maxsize=12)
def recorded(num_experts: int = 8, k: int = 1, cure: str = "none") -> RouterHistory:
    """A real training of 100 steps on 600 digits, about a second when it is first asked for."""
    from utils.moe.router_figure import record_router

    balance, coefficient = CURES[cure]
    return record_router(num_experts, k, balance, coefficient, steps=STEPS, tokens=TOKENS)


@lru_cache(maxsize=32)
def _dropped_history(num_experts: int, k: int, cure: str, capacity_factor: float) -> tuple[list[int], list[float]]:
    from utils.moe.router_figure import routing_snapshot

    history, steps = recorded(num_experts, k, cure), list(range(0, STEPS + 1, 10))
    return steps, [100 * routing_snapshot(history, step, capacity_factor)["dropped_fraction"] for step in steps]


def playground(step: int = STEPS, cure: str = "none", capacity_factor: float = 1.25, num_experts: int = 8,
               k: int = 1) -> tuple[Figure, str]:
    """Tokens by their first expert, the load against the capacity, and the share dropped over the training."""
    from utils.moe.router_figure import routing_snapshot
    from utils.networks.digits import one_thread

    with one_thread():  # small tensors: more threads only wait for each other
        history = recorded(num_experts, k, cure)
        seen = routing_snapshot(history, step, capacity_factor)
        steps, shares = _dropped_history(num_experts, k, cure, capacity_factor)
    figure, (plane, bars, line) = new_figure(11, 3.7, 1, 3, width_ratios=(1.25, 1.1, 1))
    _draw_plane(plane, history, step, seen)
    _draw_load(bars, seen)
    line.plot(steps, shares, color=BLUE)
    line.plot(step, 100 * seen["dropped_fraction"], color=ORANGE, marker="o", markersize=8)
    line.set(ylim=(0, max(60, *shares) * 1.08), xlim=(-4, STEPS + 6))
    label(line, "training step", "assignments dropped, %", "Dropped over the training")
    idle = num_experts - seen["alive"]
    return figure, (
        f"Step {step}, cure {cure}, k = {k}: {seen['alive']} of {num_experts} experts get tokens, {idle} get none. The "
        f"fullest one is asked for {seen['load'].max()} assignments and has {seen['capacity']} places; "
        f"{100 * seen['dropped_fraction']:.1f} % of the {TOKENS * k:,} assignments are dropped. The balancing loss is "
        f"{seen['aux_loss']:.2f}.")


def _draw_plane(ax: Axes, history: RouterHistory, step: int, seen: dict) -> None:
    from matplotlib.colors import ListedColormap

    from utils.moe.router_figure import router_regions

    x, y, region = router_regions(history, step)
    ax.imshow(region, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), aspect="auto", alpha=0.22,
              cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=len(COLOURS) - 0.5, interpolation="nearest")
    for e in range(len(seen["load"])):
        mine = seen["expert"] == e
        for dropped, fill in ((False, COLOURS[e]), (True, "white")):
            shown = history.tokens[mine & (seen["dropped"] == dropped)]
            ax.scatter(*shown.T, s=14, marker=MARKERS[e], facecolor=fill, edgecolor=COLOURS[e], linewidth=0.8)
        if mine.any():
            middle = np.median(history.tokens[mine], axis=0)
            ax.text(*middle, str(e), fontsize=12, weight="bold", color=INK, ha="center", va="center",
                    bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": COLOURS[e]})
    ax.grid(False)
    label(ax, "first component of the image", "second component", "Tokens by first expert (white: dropped)")


def _draw_load(ax: Axes, seen: dict) -> None:
    load, capacity = seen["load"], seen["capacity"]
    experts = np.arange(len(load))
    kept = np.minimum(load, capacity)
    ax.bar(experts, kept, color=COLOURS[: len(load)], width=0.7)
    ax.bar(experts, load - kept, bottom=kept, color="white", edgecolor=COLOURS[: len(load)], hatch="///", width=0.7)
    for e, n in zip(experts, load):
        ax.text(e, n + load.max() * 0.015, str(n), ha="center", fontsize=9, color=INK)
    ax.axhline(capacity, color=INK, linewidth=1.2, linestyle="--")
    ax.set(xticks=experts, ylim=(0, 1.15 * max(load.max(), capacity)))
    ax.grid(False, axis="x")
    label(ax, "expert", "assignments", f"Load (line: {capacity} places, hatched: dropped)")


def router_playground() -> Any:
    """The interactive playground."""
    import ipywidgets as widgets

    return explorer(
        playground,
        {
            "step": widgets.IntSlider(value=STEPS, min=0, max=STEPS, step=5, description="step"),
            "cure": widgets.ToggleButtons(options=list(CURES), value="none", description="balancing"),
            "capacity_factor": widgets.SelectionSlider(options=[0.5, 1.0, 1.25, 1.5, 2.0, 4.0], value=1.25,
                                                       description="capacity factor"),
            "num_experts": widgets.ToggleButtons(options=[4, 8], value=8, description="experts"),
            "k": widgets.ToggleButtons(options=[1, 2], value=1, description="k"),
        },
        Prediction("Eight experts, k = 1, 100 training steps without balancing. How many experts still get tokens?",
                   ("8", "6", "4", "1"), 2,
                   "Three had no token from the start, and one more lost its own. With the bias seven are in use, and "
                   "with the loss at 0.1 all eight."),
        title="Router playground: a recorded training run on 600 real digits",
    )


# --- experts touched --------------------------------------------------------------------------

MODELS = {"Mixtral-8x7B": "mixtral_8x7b", "Mixtral-8x22B": "mixtral_8x22b", "DeepSeek-V3": "deepseek_v3"}
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
DEVICE = "H100 SXM"


def touched(model: str = "Mixtral-8x7B", batch: int = 4) -> tuple[Figure, str]:
    """Experts touched for each batch size, and the bound of decoding with one H100's bandwidth and peak."""
    cfg, gpu = CONFIGS[MODELS[model]], GPUS[DEVICE]
    peak = gpu.peak_tflop_s["bf16"]
    total = count_parameters(cfg)[0] - cfg.vocab * cfg.d_model  # without the input embedding

    def bounds(b: int) -> tuple[float, float]:
        return (decode_roofline_tok_s(cfg, b, 2, gpu.mem_gb_s, peak),
                decode_step(2 * total, 0, b, 2 * total, gpu.mem_gb_s, peak).tokens_per_s)

    sparse, dense = np.array([bounds(b) for b in BATCHES]).T
    figure, (left, right) = new_figure(10, 3.5, 1, 2)
    left.plot(BATCHES, touched_curve(cfg.n_experts, cfg.top_k, BATCHES), **line_style(0))
    now = expected_experts_touched(cfg.n_experts, cfg.top_k, batch)
    left.plot(batch, now, color=ORANGE, marker="o", markersize=10, fillstyle="none", markeredgewidth=2)
    left.axhline(cfg.n_experts, color=GREY, linestyle=":")
    left.set(xscale="log", ylim=(0, cfg.n_experts * 1.1))
    label(left, "sequences in the batch", "experts touched a layer", f"{cfg.n_experts} experts, k = {cfg.top_k}")
    for i, (told, curve) in enumerate((("sparse model", sparse), ("dense, same total size", dense))):
        right.plot(BATCHES, curve, label=told, **line_style(i))
    right.plot([batch] * 2, bounds(batch), color=ORANGE, marker="o", markersize=10, fillstyle="none", markeredgewidth=2,
               linestyle="none")
    right.set(xscale="log", yscale="log")
    right.legend(fontsize=9, frameon=False)
    label(right, "sequences in the batch", "tokens/s of the batch, at most",
          f"Bound on one {DEVICE} (BF16, no KV cache)")
    for ax in (left, right):
        ax.set_xticks(BATCHES[::2], [str(b) for b in BATCHES[::2]])
        ax.minorticks_off()
    fast, slow = bounds(batch)
    return figure, (
        f"{model}, batch {batch}: {now:.1f} of {cfg.n_experts} experts touched a layer. With {gpu.mem_gb_s:,.0f} GB/s "
        f"and {peak:.0f} TFLOP/s the sparse model makes at most {fast:,.0f} tokens/s, a dense one of the same total "
        f"{slow:,.0f} tokens/s: a factor of {fast / slow:.1f}. Whether the weights fit into one GPU is left open.")


def touched_explorer() -> Any:
    """The interactive chart of experts touched."""
    import ipywidgets as widgets

    return explorer(
        touched,
        {
            "model": widgets.Dropdown(options=list(MODELS), value="Mixtral-8x7B", description="model"),
            "batch": widgets.SelectionSlider(options=list(BATCHES), value=4, description="batch"),
        },
        Prediction("8 experts, k = 2, a batch of 4 sequences. How many experts of a layer does a decode step read?",
                   ("2", "about 4", "5 to 6", "8"), 2,
                   "Each expert is left alone by all four with the chance 0.75⁴ = 0.32, so 68 % of 8 are read: 5.5."),
        title="Experts touched by a batch, and what remains of the lead",
    )


def models_of_today(batch: int = 64) -> Shown:
    """Published models with the share that is active, and the experts of a layer that a batch touches (computed)."""
    rows = [(f"{m.name} ({m.year})", f"{m.total_billion:,g}", f"{m.active_billion:g}",
             f"{m.active_billion / m.total_billion:.1%}", m.experts, m.k,
             f"{expected_experts_touched(m.experts, m.k, batch):.0f}", m.source) for m in PUBLISHED_MOES]
    head = ("model", "stored, billions", "active", "share", "experts a layer", "k", f"touched by {batch} tokens",
            "source")
    return table(head, rows, f"Published sizes, checked in {AS_OF}; touched: by the formula above")


# --- the experiment ---------------------------------------------------------------------------

TEST_IMAGES = 397
DIGIT_BITS = float(np.log2(10))

BALANCES = {"none": "no balancing", "aux": "auxiliary loss", "bias": "selection bias"}


@lru_cache(maxsize=2)
def train_all(seeds: tuple[int, ...] = (0, 1), steps: int = 100) -> dict[str, list[TrainReport]]:
    """Reports by way of balancing, one for each seed; about 2 s on one thread."""
    from utils.moe.digits_moe import train_digits_moe

    return {balance: [train_digits_moe(balance, steps=steps, seed=seed) for seed in seeds] for balance in BALANCES}


def balance_table(runs: dict[str, list[TrainReport]]) -> Shown:
    """Each run's last 20 steps and its accuracy on test images."""
    rows = [(f"{BALANCES[b]}, seed {seed}", f"{r.final_load_cv():.2f}", f"{100 * r.final_drop():.1f}",
             _with_interval(r), f"{r.expert_class_mi:.2f}")
            for b, reports in runs.items() for seed, r in enumerate(reports)]
    head = ("run", "load: deviation / mean", "dropped, %", "test accuracy, % (95 % interval)",
            "expert tells of the digit, bits")
    return table(head, rows, f"Mean of the last 20 steps; {TEST_IMAGES} test images")


def _interval(run: TrainReport) -> tuple[float, float]:
    """Wilson's interval of the accuracy in per cent."""
    low, high = wilson_interval(round(run.test_accuracy * TEST_IMAGES), TEST_IMAGES)
    return 100 * low, 100 * high


def _with_interval(run: TrainReport) -> str:
    low, high = _interval(run)
    return f"{100 * run.test_accuracy:.1f} ({low:.1f} to {high:.1f})"


def balance_verdict(runs: dict[str, list[TrainReport]]) -> str:
    """Means over the seeds, and what follows for the order of the three."""
    def mean(balance: str, read: Callable[[TrainReport], float]) -> float:
        return float(np.mean([read(r) for r in runs[balance]]))

    cv = {b: mean(b, lambda r: r.final_load_cv()) for b in BALANCES}
    drop = {b: mean(b, lambda r: r.final_drop()) for b in BALANCES}
    accuracy = [100 * r.test_accuracy for reports in runs.values() for r in reports]
    ordered = drop["none"] > drop["aux"] > drop["bias"]
    ends = [_interval(r) for reports in runs.values() for r in reports]
    overlap = max(low for low, _ in ends) <= min(high for _, high in ends)
    told = max(mean(b, lambda r: r.expert_class_mi) for b in ("aux", "bias"))
    return (f"Load, deviation over mean: {cv['none']:.2f} without balancing, {cv['aux']:.2f} with the loss, "
            f"{cv['bias']:.2f} with the bias.\nMore than halved by the loss: {_yes(cv['none'] > 2 * cv['aux'])}. "
            f"Dropped in the order none > loss > bias: {_yes(ordered)}.\n"
            f"Test accuracy of all runs: {min(accuracy):.1f} to {max(accuracy):.1f} %. "
            f"All 95 % intervals overlap: {_yes(overlap)}.\n"
            f"A balanced router's expert tells {told:.1f} of the {DIGIT_BITS:.1f} bits of a digit.")


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def load_heatmap(runs: dict[str, list[TrainReport]]) -> Shown:
    """The share of each expert over the steps, first seed of each way of balancing."""
    figure, axes = new_figure(11, 3.0, 1, len(runs), sharey=True)
    told = []
    for i, (ax, (balance, reports)) in enumerate(zip(axes, runs.items())):
        load = reports[0].load_history
        share = 100 * load / load.sum(1, keepdims=True)  # (steps, E)
        image = ax.imshow(share.T, aspect="auto", cmap="cividis", vmin=0, vmax=60, interpolation="nearest")
        ax.set_yticks(range(load.shape[1]))
        ax.grid(False)
        label(ax, "training step", "expert" if i == 0 else "", BALANCES[balance])
        told.append(f"{BALANCES[balance]} {share[-20:].mean(0).max():.0f} %")
    figure.colorbar(image, ax=axes, label="share of assignments, %", pad=0.01)
    text = f"Share of the fullest expert, mean of the last 20 steps (seed 0): {', '.join(told)}; even would be 12.5 %."
    return Shown(figure_html(figure, text) + f"<p>{text}</p>", text)


def gpu_table() -> Shown:
    """Loop against grouped product on the GPU; a sentence where there is none."""
    import torch

    if not torch.cuda.is_available():
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    return grouped_table(_cuda_ms, "cuda", torch.cuda.get_device_name())


def grouped_table(time_ms: Callable[[Callable[[], object]], float], device: str, name: str,
                  tokens: Sequence[int] = (64, 512, 4096, 32768)) -> Shown:
    """Milliseconds of 64 experts' first products (512 to 256 channels, BF16) for several numbers of tokens."""
    from utils.moe.grouped import grouped_rows

    rows = [(f"{r['tokens']:,}", f"{r['loop_ms']:.3f}", f"{r['grouped_ms']:.3f}", f"{r['ratio']:.1f}")
            for r in grouped_rows(tokens, time_ms, device=device)]
    return table(("tokens", "loop, ms", "grouped, ms", "loop / grouped"), rows, f"64 experts on {name}")


def _cuda_ms(fn: Callable[[], object], calls: int = 20, rounds: int = 5) -> float:
    """Milliseconds of a call on the GPU: the shortest round of `calls` between two CUDA events."""
    import torch

    for _ in range(5):
        fn()
    found = []
    for _ in range(rounds):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(calls):
            fn()
        end.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(end) / calls)
    return min(found)


def static_picture() -> Figure:
    """What remains where no kernel runs: the playground after the last step, without balancing."""
    return playground()[0]

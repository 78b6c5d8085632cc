"""Figures and measurements of chapter 16: prune a network, watch the others compensate, weigh the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.compression.pruning import (
    RemovalRow,
    file_sizes,
    finetuned_copy,
    granularity_masks,
    kept_neurons,
    neuron_removal,
    obs_prune,
    oneshot_and_gradual,
    onnx_difference,
    onnx_latency_ms,
    prunable,
    pruning_snapshot,
    shrink_mlp,
    sparsity_curve,
)
from utils.networks.digits import accuracy, load_digits_split, train_classifier, trained_digits
from utils.widgets.shell import Prediction, explorer

from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    YELLOW,
    Shown,
    figure_html,
    label,
    line_style,
    new_figure,
    table,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# --- prune me ---------------------------------------------------------------------------------

GRANULARITIES = {"global": "single weights, one threshold", "per_layer": "single weights, layer by layer",
                 "2:4": "2 of 4 neighbours", "neurons": "whole neurons"}
LEVELS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
EPOCHS = 4


def _data() -> tuple[tuple, tuple]:
    """(train, test), each (X, y)."""
    X_train, X_test, y_train, y_test = load_digits_split()
    return (X_train, y_train), (X_test, y_test)


@cache
def _snapshot(sparsity: float, granularity: str, score: str, tuned: bool) -> dict:
    train, test = _data()
    return pruning_snapshot(trained_digits(), *test, sparsity, granularity, score, train=train if tuned else None,
                            epochs=EPOCHS)


@cache
def _curve(granularity: str, score: str, tuned: bool) -> tuple[Sequence[float], list[float]]:
    """Levels and accuracies of one way of pruning; 2:4 knows one level."""
    train, test = _data()
    levels = (0.5,) if granularity == "2:4" else LEVELS
    return levels, sparsity_curve(trained_digits(), test, levels, granularity, score, train=train if tuned else None,
                                  epochs=EPOCHS)


def prune_me(sparsity: float = 0.8, granularity: str = "global", score: str = "magnitude",
             finetune: bool = False) -> tuple[Figure, str]:
    """The digits network after pruning: its three matrices, its accuracy, and its bytes.

    "2:4" prunes half of the weights whatever `sparsity` says.
    """
    from matplotlib.figure import Figure

    sparsity = 0.5 if granularity == "2:4" else round(sparsity, 2)
    state = _snapshot(sparsity, granularity, score, finetune)
    figure = Figure(figsize=(11, 5.2), layout="constrained", facecolor="white")
    axes = figure.subplot_mosaic([["0", "1", "2", "curve"], ["bars", "bars", "bars", "curve"]],
                                 width_ratios=(1.0, 1.5, 1.0, 3.0), height_ratios=(1.9, 1))
    for ax in axes.values():
        tidy(ax)
    weights = {name: w.abs().numpy() for name, w in prunable(trained_digits()).items()}
    for i, (name, mask) in enumerate(state["masks"].items()):
        _draw_matrix(axes[str(i)], weights[name], mask, i)
    _draw_accuracy(axes["curve"], sparsity, granularity, score, finetune, state["accuracy"])
    _draw_bytes(axes["bars"], state["bytes"])
    return figure, _tell(state, sparsity, granularity, score, finetune)


def _draw_matrix(ax: Axes, weight: np.ndarray, mask: np.ndarray, layer: int) -> None:
    shade = np.where(mask, 0.3 + 0.7 * weight / weight.max(), np.nan)  # pruned cells stay white
    ax.imshow(shade, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    ax.grid(False)
    ax.spines[["top", "right"]].set_visible(True)
    label(ax, "input", "neuron" if layer == 0 else "", f"layer {layer + 1}: {100 * mask.mean():.0f} % kept")


def _draw_accuracy(ax: Axes, sparsity: float, granularity: str, score: str, finetune: bool, now: float) -> None:
    for i, (name, told) in enumerate(GRANULARITIES.items()):
        ax.plot(*_curve(name, score, False), label=told, **line_style(i))
    if finetune:
        ax.plot(*_curve(granularity, score, True), color=INK, linewidth=2, marker="*", markersize=7,
                label=f"{GRANULARITIES[granularity]}, fine-tuned")
    ax.plot([sparsity], [now], "o", markersize=13, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=2)
    ax.annotate(f"{now:.3f}", (sparsity, now), xytext=(10, 9), textcoords="offset points", fontsize=11, color=INK,
                weight="bold", bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"})
    ax.set(xlim=(-0.02, 1.1), ylim=(0, 1.07))
    ax.legend(fontsize=8.5, frameon=False, loc="lower left")
    label(ax, "share of weights (or neurons) removed", "accuracy on 540 test images", f"Accuracy, score: {score}")


def _draw_bytes(ax: Axes, sizes: dict[str, int]) -> None:
    names = {"dense array": "dense", "CSR, FP32 + int32": "csr", "zeros cut out": "shrunk"}
    values = [sizes[key] / 1000 for key in names.values()]
    bars = ax.barh(list(names), values, color=(GREY, ORANGE, GREEN), height=0.62)
    bars[1].set_hatch("//")
    ax.bar_label(bars, [f"{v:.1f} kB" for v in values], padding=3, fontsize=9, color=INK)
    ax.set_xlim(0, max(*values, 100) * 1.2)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    label(ax, "kB", "", "Bytes of the parameters")


def _tell(state: dict, sparsity: float, granularity: str, score: str, finetune: bool) -> str:
    share = f"{100 * sparsity:.0f} %"
    what = {"neurons": f"{share} of the neurons of each hidden layer removed",
            "2:4": "2 of 4 neighbours removed (50 %)", "global": f"{share} of the weights removed, one threshold",
            "per_layer": f"{share} of the weights removed, layer by layer"}[granularity]
    who = "by magnitude" if score == "magnitude" else "at random"
    after = f"after {EPOCHS} epochs of fine-tuning" if finetune else "without fine-tuning"
    sizes = state["bytes"]
    cut = (f"with the silent neurons cut out {sizes['shrunk']:,} are left" if sizes["shrunk"] < sizes["dense"]
           else "there is no silent neuron to cut out")
    return (f"{what}, {who}: accuracy {state['accuracy']:.3f} {after}. The dense array still has {sizes['dense']:,} "
            f"bytes, CSR would take {sizes['csr']:,}, and {cut}.")


def prune_explorer() -> Any:
    """The interactive figure: sparsity, granularity, score, with and without fine-tuning."""
    import ipywidgets as widgets

    return explorer(
        prune_me,
        {
            "sparsity": widgets.FloatSlider(value=0.8, min=0, max=0.99, step=0.01, description="share removed"),
            "granularity": widgets.Dropdown(options=[(told, name) for name, told in GRANULARITIES.items()],
                                            value="global", description="what goes"),
            "score": widgets.ToggleButtons(options=["magnitude", "random"], value="magnitude", description="score"),
            "finetune": widgets.Checkbox(value=False, description=f"fine-tune {EPOCHS} epochs"),
        },
        Prediction("You set 80 % of the weights of a 68.9 kB network to zero. How large is its dense array now?",
                   ("13.8 kB", "27.6 kB", "68.9 kB", "depends on which weights"), 2,
                   "A zero takes four bytes in FP32, like any other number."),
        title="Prune me: a digits network of 17,226 parameters, really pruned",
    )


# --- the others compensate --------------------------------------------------------------------


def compensation(correlation: float = 0.6, curvature: float = 4.0, w0: float = 1.2,
                 w1: float = 0.8) -> tuple[Figure, str]:
    """Two weights at the minimum of a quadratic loss; each is removed with and without a move of the other.

    H = [[1, r·√c], [r·√c, c]] with the correlation r of the two inputs and the second's curvature c.
    """
    cross = correlation * curvature**0.5
    H, w = np.array([[1.0, cross], [cross, curvature]]), np.array([w0, w1])
    figure, (ax, bars) = new_figure(10, 3.9, 1, 2, width_ratios=(1.35, 1))
    grid_x, grid_y = np.meshgrid(np.linspace(-2.3, 4.3, 90), np.linspace(-1.6, 3.4, 80))
    shift = np.stack([grid_x - w0, grid_y - w1], axis=-1)
    loss = 0.5 * np.einsum("...i,ij,...j->...", shift, H, shift)
    lines = ax.contour(grid_x, grid_y, loss, levels=(0.1, 0.5, 1, 2, 4, 8), colors=GREY, linewidths=0.9)
    ax.clabel(lines, fontsize=8)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.plot(w0, w1, "o", color=INK, markersize=8)
    ax.annotate("trained", (w0, w1), xytext=(7, 5), textcoords="offset points", fontsize=9.5, color=INK)
    held, moved = [], []
    for q, colour, marker in ((0, BLUE, "s"), (1, ORANGE, "^")):
        alone = np.where(np.arange(2) == q, 0.0, w)
        cost, best = obs_prune(H, w, q)
        held.append(float(0.5 * (alone - w) @ H @ (alone - w)))
        moved.append(cost)
        ax.annotate("", alone, w, arrowprops={"arrowstyle": "->", "color": colour, "linestyle": ":", "linewidth": 1.8})
        ax.annotate("", best, w, arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.8})
        ax.plot(*alone, marker, color="white", markeredgecolor=colour, markersize=8)
        ax.plot(*best, marker, color=colour, markersize=8)
    ax.set(xlim=(-2.3, 4.3), ylim=(-1.6, 3.4))
    label(ax, "weight 0", "weight 1", "Dotted: the other weight held. Solid: it may move")
    places = np.arange(2)
    for offset, values, hatch, told in ((-0.2, held, "", "other held: ½·w²·H_qq"),
                                        (0.2, moved, "//", "other moves: ½·w² / [H⁻¹]_qq")):
        drawn = bars.bar(places + offset, values, 0.38, color=YELLOW if hatch else GREY, hatch=hatch, label=told)
        bars.bar_label(drawn, [f"{v:.2f}" for v in values], padding=2, fontsize=9, color=INK)
    bars.set_xticks(places, ["remove weight 0", "remove weight 1"])
    bars.set_ylim(0, max(held) * 1.45 + 1e-9)
    bars.legend(fontsize=8.5, frameon=False, loc="upper left")
    bars.grid(False, axis="x")
    label(bars, "", "rise of the loss", "What each removal costs")
    return figure, _tell_costs(w, held, moved)


def _tell_costs(w: np.ndarray, held: list[float], moved: list[float]) -> str:
    smaller, cheaper = (int(np.argmin(v)) for v in (np.abs(w), moved))
    verdict = (f"The smaller weight is weight {smaller}, the cheaper removal weight {cheaper}"
               + (": magnitude would choose wrongly." if smaller != cheaper else " as well."))
    return (f"With the other weight held, removing weight 0 costs {held[0]:.2f} and weight 1 {held[1]:.2f}. "
            f"When it may move, {moved[0]:.2f} and {moved[1]:.2f}. {verdict}")


def compensation_explorer() -> Any:
    """The interactive second-order figure."""
    import ipywidgets as widgets

    def slider(value: float, low: float, high: float, text: str, step: float = 0.1) -> Any:
        return widgets.FloatSlider(value=value, min=low, max=high, step=step, description=text)

    return explorer(
        compensation,
        {"correlation": slider(0.6, -0.95, 0.95, "correlation of the inputs", 0.05),
         "curvature": slider(4.0, 0.2, 6.0, "curvature of weight 1", 0.2),
         "w0": slider(1.2, -1.5, 3.0, "weight 0"), "w1": slider(0.8, -1.0, 2.5, "weight 1")},
        Prediction("Two inputs are nearly copies of each other. You remove the weight of one. What does it cost?",
                   ("as much as its size says", "little, if the other weight may move", "nothing at all"), 1,
                   "The other input carries the same signal, so its weight can take over most of the work."),
        title="What a removal costs: two weights on a quadratic loss",
    )


# --- measurements -----------------------------------------------------------------------------

SETTINGS = (("random, no training", "global", "random", 0), ("per layer, no training", "per_layer", "magnitude", 0),
            ("global, no training", "global", "magnitude", 0), ("global, 6 epochs", "global", "magnitude", 6))


def measure_curves(levels: Sequence[float] = (0.5, 0.7, 0.8, 0.9, 0.95)) -> dict[str, dict[float, float]]:
    """Test accuracy by setting and sparsity, on the digits network with seed 0."""
    train, test = _data()
    return {name: dict(zip(levels, sparsity_curve(trained_digits(), test, levels, granularity, score,
                                                  train=train if epochs else None, epochs=epochs)))
            for name, granularity, score, epochs in SETTINGS}


def curve_table(curves: dict[str, dict[float, float]]) -> Shown:
    """The curves as a table, the dense network above them."""
    levels = list(next(iter(curves.values())))
    dense = accuracy(trained_digits(), *_data()[1])
    rows = [(name, *(f"{values[level]:.3f}" for level in levels)) for name, values in curves.items()]
    return table(("accuracy", *(f"{level:.0%}".replace("%", " %") for level in levels)), rows,
                 f"Dense network: {dense:.3f}. Share of weights removed:")


def curve_chart(curves: dict[str, dict[float, float]]) -> Shown:
    """The curves as a chart."""
    figure, (ax,) = new_figure(7.4, 3.2)
    for i, (name, values) in enumerate(curves.items()):
        ax.plot(list(values), list(values.values()), label=name, **line_style(i))
    ax.set_ylim(0, 1.03)
    ax.legend(fontsize=8.5, frameon=False, loc="lower left")
    label(ax, "share of weights removed", "test accuracy", "Fine-tuning moves the cliff to the right")
    told = "; ".join(f"{name} {values[max(values)]:.3f}" for name, values in curves.items())
    text = f"At {max(next(iter(curves.values()))):.0%} removed: {told}.".replace("%", " %", 1)
    return Shown(figure_html(figure, text, 640), text)


def measure_neurons(shares: Sequence[float] = (0.5, 0.75)) -> list[RemovalRow]:
    """Neurons really cut out: accuracy after the cut, after 6 epochs, and of the same shape from scratch."""
    return neuron_removal(trained_digits(), *_data(), shares)


def neuron_table(rows: Sequence[RemovalRow]) -> Shown:
    """The neuron experiment as a table."""
    told = [(f"{r.share_removed:.0%}".replace("%", " %"), f"{r.parameters:,}", f"{r.cut:.3f}", f"{r.finetuned:.3f}",
             f"{r.from_scratch:.3f}") for r in rows]
    return table(("neurons removed", "parameters", "cut", "cut, 6 epochs", "from scratch, 30 epochs"), told)


def measure_recipes(seeds: Sequence[int] = (0,), sparsity: float = 0.9) -> list[dict[str, float]]:
    """One-shot against gradual pruning with 12 epochs of fine-tuning in all, a row for each seed."""
    return [{"seed": seed, **oneshot_and_gradual(trained_digits(seed=seed), *_data(), sparsity, seed=seed)}
            for seed in seeds]


def recipe_table(rows: Sequence[dict[str, float]]) -> Shown:
    """The recipes as a table."""
    told = [(f"seed {r['seed']}", *(f"{r[k]:.3f}" for k in ("untrained", "oneshot", "gradual"))) for r in rows]
    return table(("90 % removed", "no fine-tuning", "at once, 12 epochs", "in 4 rounds of 3 epochs"), told)


@cache
def _three_models() -> dict[str, Any]:
    """The dense network, one with 80 % of its weights zero, one with half of its neurons cut out; both fine-tuned."""
    train, _ = _data()
    dense = trained_digits()
    zeros = finetuned_copy(dense, granularity_masks(dense, 0.8, "global", "magnitude"), *train, epochs=6)
    small = train_classifier(shrink_mlp(dense, kept_neurons(dense, 0.5, "in_norm")), *train, epochs=6).eval()
    return {"dense": dense, "80 % zeros": zeros, "half the neurons": small}


def measure_files() -> dict[str, int]:
    """Bytes of the files: dense, with zeros, with zeros and zlib, as CSR, and shrunk."""
    return file_sizes(*_three_models().values())


def file_chart(sizes: dict[str, int]) -> Shown:
    """The files as bars."""
    names = {"dense": "dense, ONNX", "zeros": "80 % zeros, ONNX", "zeros, zlib": "80 % zeros, ONNX, zlib",
             "zeros, CSR": "80 % zeros, CSR", "shrunk": "half the neurons, ONNX"}
    figure, (ax,) = new_figure(7.4, 2.6)
    bars = ax.barh([names[k] for k in sizes], [v / 1000 for v in sizes.values()], height=0.62,
                   color=[GREY, BLUE, BLUE, BLUE, GREEN])
    for bar in bars[1:4]:
        bar.set_hatch("//")
    ax.bar_label(bars, [f"{v / 1000:.1f} kB" for v in sizes.values()], padding=3, fontsize=9, color=INK)
    ax.set_xlim(0, max(sizes.values()) / 1000 * 1.18)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    label(ax, "kB on disk", "", "Zeros need a format that notices them")
    told = ", ".join(f"{names[k]}: {v:,} bytes" for k, v in sizes.items())
    return Shown(figure_html(figure, told, 640), told)


def model_table(rounds: int = 50, batch: int = 256) -> Shown:
    """Parameters, accuracy, ONNX difference, and median time of a batch in ONNX Runtime on one thread."""
    _, (X, y) = _data()
    models = _three_models()
    times = onnx_latency_ms(models, np.asarray(X[:batch]), rounds)
    rows = [(name, f"{sum(p.numel() for p in model.parameters()):,}", f"{accuracy(model, X, y):.3f}",
             "yes" if onnx_difference(model, X) < 1e-4 else "no", f"{1000 * times[name]:.0f}")
            for name, model in models.items()]
    return table(("model", "parameters", "accuracy", "ONNX equals torch", f"µs a batch of {batch}"), rows)


def gpu_table(sizes: Sequence[int] = (2048, 4096)) -> Shown:
    """Dense against 2:4 sparse matrix products in FP16 on the GPU; a sentence where there is none."""
    import torch

    if not torch.cuda.is_available():
        text = "No CUDA device here, so 2:4 sparsity was not measured."
        return Shown(f"<p>{text}</p>", text)
    rows = []
    for n in sizes:
        dense, sparse = _two_four_pair(n, torch)
        x = torch.randn(n, n, device="cuda", dtype=torch.float16)
        differ = float((dense @ x - sparse @ x).abs().max())
        times = [_cuda_ms(lambda a=a, x=x: a @ x) for a in (dense, sparse)]
        rows.append((f"{n} × {n}", f"{times[0]:.3f}", f"{times[1]:.3f}", f"{times[0] / times[1]:.2f}", f"{differ:.2g}"))
    return table(("FP16 product", "dense, ms", "2:4 sparse, ms", "times faster", "largest difference"), rows,
                 torch.cuda.get_device_name())


def _two_four_pair(n: int, torch: Any) -> tuple[Any, Any]:
    """The same n × n matrix with two zeros in every four neighbours, dense and in the sparse format."""
    weight = torch.randn(n, n, device="cuda", dtype=torch.float16)
    order = weight.abs().view(-1, 4).argsort(dim=1)
    weight.view(-1, 4).scatter_(1, order[:, :2], 0)
    return weight, torch.sparse.to_sparse_semi_structured(weight)


def _cuda_ms(fn: Callable[[], object], calls: int = 50, rounds: int = 5) -> float:
    """Milliseconds of a call on the GPU: the shortest round of `calls` between two CUDA events."""
    import torch

    for _ in range(10):
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
    """What remains where no kernel runs: 80 % of the weights removed, fine-tuned."""
    return prune_me(0.8, "global", "magnitude", True)[0]

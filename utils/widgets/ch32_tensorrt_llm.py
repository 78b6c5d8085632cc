"""Figures and experiments of chapter 32: the deployment sizer, schedules, shards, speculation, two real ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.params import DECODERS
from utils.engines.tensorrt_llm import (
    SchedulerResult,
    chat_workload,
    deployment_memory,
    deployment_summary,
    simulate_capacity_scheduler,
    speculative_speedup,
)
from utils.engines.tensorrt_llm.sizer import ACTIVATION_GB, BLOCK, MEAN_ANSWER, REQUESTS
from utils.widgets.shell import Prediction, explorer

from .style import BLUE, GREEN, GREY, INK, ORANGE, SKY, Shown, figure_html, label, line_style, new_figure, table, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODELS = ("Llama-3-8B", "Llama-3-70B", "Mistral-7B", "Mixtral-8x7B")
RANKS = (1, 2, 4, 8, 16)
POLICY_NAMES = {"GUARANTEED_NO_EVICT": "guaranteed", "MAX_UTILIZATION": "max utilization"}
_PARTS = (("weights_gb", "weights", BLUE, ""), ("activations_gb", "activations (assumed)", GREY, ""),
          ("pool_gb", "KV pool", GREEN, ""), ("unused_gb", "left free", "white", "////"))


# --- the deployment sizer ---------------------------------------------------------------------------


def draw_deployment(model: str, gpu_gb: int, tp: int, kv_dtype: str, fraction: float, mean_prompt: int, max_new: int,
                    policy: str) -> tuple[Figure, str]:
    """Memory of one GPU and KV tokens by number of GPUs, and the running requests of a replayed schedule."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 6.2), layout="constrained", facecolor="white")
    axes = figure.subplot_mosaic([["memory", "tokens"], ["schedule", "schedule"]], height_ratios=(1.15, 1))
    for ax in axes.values():
        tidy(ax)
    rows = [deployment_memory(DECODERS[model], gpu_gb, n, kv_dtype, fraction) for n in RANKS]
    chosen = deployment_summary(model, gpu_gb, tp, kv_dtype, fraction, mean_prompt, max_new, policy)
    other = "MAX_UTILIZATION" if policy == "GUARANTEED_NO_EVICT" else "GUARANTEED_NO_EVICT"
    second = deployment_summary(model, gpu_gb, tp, kv_dtype, fraction, mean_prompt, max_new, other)["schedule"]
    _draw_memory(axes["memory"], rows, gpu_gb, tp)
    _draw_tokens(axes["tokens"], rows, tp, DECODERS[model].n_kv_heads)
    title = (f"Simulated: {REQUESTS} chats, prompts of {mean_prompt:,} and answers of {MEAN_ANSWER} tokens on average, "
             f"limit {max_new:,}")
    _draw_running(axes["schedule"], chosen["schedule"], second, title, policy)
    told = _tell_deployment(model, gpu_gb, tp, chosen, mean_prompt, max_new)
    return figure, told + _tell_schedule(chosen, second, policy)


def _draw_memory(ax: Axes, rows: list[dict], gpu_gb: int, tp: int) -> None:
    for place, (n, row) in enumerate(zip(RANKS, rows)):
        bottom = 0.0
        for key, name, colour, hatch in _PARTS:
            edge = GREY if hatch else "white"
            ax.bar(place, row[key], 0.62, bottom=bottom, color=colour, hatch=hatch, edgecolor=edge, linewidth=0.5,
                   alpha=1 if n == tp else 0.45, label=name if n == tp else None)
            bottom += row[key]
        if not row["fits"]:
            ax.text(place, 0.4 * gpu_gb, "does not fit", ha="center", va="center", rotation=90, fontsize=9, color=INK,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})
    ax.axhline(gpu_gb, color=INK, linewidth=1.2, linestyle="--")
    ax.set_ylim(0, 1.6 * gpu_gb)
    ax.set_xticks(range(len(RANKS)), [f"[{n}]" if n == tp else str(n) for n in RANKS])
    label(ax, "GPUs (tensor parallel); [chosen]", "GB on each GPU", f"Memory of a GPU (dashed: {gpu_gb} GB)")
    handles, names = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], names[::-1], frameon=False, fontsize=8, loc="upper right", ncols=2)


def _draw_tokens(ax: Axes, rows: list[dict], tp: int, kv_heads: int) -> None:
    tokens = [row["tokens"] / 1e3 for row in rows]
    ax.bar(range(len(RANKS)), tokens, 0.62, color=[GREEN if n == tp else SKY for n in RANKS])
    for place, count in enumerate(tokens):
        ax.text(place, count, f"{count:,.0f}", ha="center", va="bottom", fontsize=8.5, color=INK)
    ax.set_ylim(0, 1.15 * max(*tokens, 1))
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.set_xticks(range(len(RANKS)), [f"[{n}]" if n == tp else str(n) for n in RANKS])
    label(ax, "GPUs (tensor parallel)", "thousand tokens", f"KV cache of the deployment ({kv_heads} KV heads)")


def _draw_running(ax: Axes, run: SchedulerResult | None, other: SchedulerResult | None, title: str,
                  policy: str) -> None:
    """Running requests over the steps; the other policy as a dashed line."""
    label(ax, "step (one token for each running request)", "requests at once", title)
    if run is None or other is None:
        ax.text(0.5, 0.5, "no schedule: it does not fit", transform=ax.transAxes, ha="center", fontsize=10,
                color=INK)
        return
    names = list(POLICY_NAMES)
    second = names[1 - names.index(policy)]
    for one, name, style in ((run, policy, {"color": BLUE, "linewidth": 1.5}),
                             (other, second, {"color": GREY, "linewidth": 1.2, "linestyle": "--"})):
        ax.plot(range(1, one.steps + 1), [len(s.running) for s in one.history], drawstyle="steps-mid",
                label=f"{POLICY_NAMES[name]}: {one.steps:,} steps", **style)
    ax.fill_between(range(1, run.steps + 1), [len(s.running) for s in run.history], step="mid", color=SKY, alpha=0.5)
    at = [t for t, s in enumerate(run.history, start=1) if s.paused]
    if at:
        ax.plot(at, [len(run.history[t - 1].running) for t in at], "v", color=ORANGE, markersize=7,
                label=f"{run.pauses} pauses")
    ax.set_xlim(0, max(run.steps, other.steps) * 1.02)
    ax.set_ylim(0, 1.12 * max(run.peak_running, other.peak_running))
    ax.legend(frameon=False, fontsize=9, loc="upper right")


def _tell_deployment(model: str, gpu_gb: int, tp: int, chosen: dict, mean_prompt: int, max_new: int) -> str:
    where = f"{model} in BF16 on {tp} × {gpu_gb} GB"
    if not chosen["fits"]:
        return (f"{where}: {chosen['weights_gb']:.1f} GB of weights a GPU do not fit beside {ACTIVATION_GB:g} GB of "
                "activations.")
    return (f"{where}: each GPU holds {chosen['weights_gb']:.1f} GB of weights, {ACTIVATION_GB:g} GB of activations "
            f"and a KV pool of {chosen['pool_gb']:.1f} GB, at {chosen['kv_bytes_per_token']:,} bytes a token and GPU. "
            f"The deployment holds {chosen['tokens']:,} tokens in blocks of {BLOCK}: {chosen['filled_at_once']:,} "
            f"requests of {mean_prompt + MEAN_ANSWER:,} tokens (prompt {mean_prompt:,}, answer {MEAN_ANSWER}), or "
            f"{chosen['reserved_at_once']:,} if each reserves {mean_prompt + max_new:,} (prompt and limit).")


def _tell_schedule(chosen: dict, other: SchedulerResult | None, policy: str) -> str:
    run = chosen["schedule"]
    if run is None or other is None:
        return " A request with prompt and limit would not fit, so nothing was replayed." if chosen["fits"] else ""
    part = "the whole pool" if chosen["scale"] == 1 else f"{chosen['scale']:.1%} of the pool"
    return (f" Simulated on {part} under {policy}: {run.steps:,} steps, at most {run.peak_running} at once, "
            f"{run.pauses} pauses, {run.recomputed_tokens:,} tokens computed again. The other policy takes "
            f"{other.steps:,} steps.")


def sizer() -> Any:
    """The interactive deployment sizer."""
    import ipywidgets as widgets

    return explorer(draw_deployment, {
        "model": widgets.Dropdown(options=MODELS, value="Llama-3-70B", description="model"),
        "gpu_gb": widgets.Dropdown(options=[80, 96, 141, 192], value=80, description="GPU memory (GB)"),
        "tp": widgets.SelectionSlider(options=RANKS, value=4, description="GPUs (tensor parallel)"),
        "kv_dtype": widgets.Dropdown(options=["BF16", "FP8"], value="BF16", description="KV cache"),
        "fraction": widgets.FloatSlider(value=0.9, min=0.3, max=1.0, step=0.05, description="fraction of free memory"),
        "mean_prompt": widgets.SelectionSlider(options=[128, 256, 512, 1024, 2048, 4096], value=512,
                                               description="mean prompt (tokens)"),
        "max_new": widgets.SelectionSlider(options=[512, 1024, 2048, 4096, 8192], value=2048,
                                           description="limit of an answer (tokens)"),
        "policy": widgets.Dropdown(options=list(POLICY_NAMES), value="GUARANTEED_NO_EVICT", description="policy"),
    }, Prediction(
        "Llama-3-70B in BF16 on GPUs of 80 GB. With 4 of them the KV cache holds 447 thousand tokens. How many with 8?",
        ("447 thousand", "894 thousand", "1.3 million", "1.8 million"), 2,
        "Each GPU then holds half of the weights, so its pool grows from 36.7 to 52.5 GB, and half of the KV heads, so "
        "a token takes half of the bytes. From 8 to 16 GPUs the tokens grow by 15 % only: the 8 KV heads are used up, "
        "and copied."), "Deployment sizer")


def static_picture() -> Figure:
    """What remains of the sizer where no kernel runs."""
    return draw_deployment("Llama-3-70B", 80, 4, "BF16", 0.9, 512, 2048, "MAX_UTILIZATION")[0]


# --- pictures for the explanation ---------------------------------------------------------------------


def _box(ax: Axes, x: float, y: float, width: float, height: float, parts: int, across: bool, name: str) -> None:
    """A matrix as a rectangle, cut into `parts` that are told apart by colour and number."""
    from matplotlib.patches import Rectangle

    colours = ((BLUE, "1"), (ORANGE, "2")) if parts == 2 else ((GREY, ""),)
    for i, (colour, number) in enumerate(colours):
        w, h = (width / parts, height) if across else (width, height / parts)
        left, low = (x + i * w, y) if across else (x, y + height - (i + 1) * h)
        ax.add_patch(Rectangle((left, low), w, h, facecolor=colour, alpha=0.25, edgecolor=colour, linewidth=1.5))
        ax.text(left + w / 2, low + h / 2, number, ha="center", va="center", fontsize=11, color=INK)
    ax.text(x + width / 2, y + height + 0.12, name, ha="center", va="bottom", fontsize=10, color=INK)


def shard_picture() -> Shown:
    """The MLP of two ranks: columns first, then rows, then one sum."""
    figure, (ax,) = new_figure(9.2, 2.7)
    ax.set(xlim=(-0.2, 13.6), ylim=(-0.6, 2.7), xticks=[], yticks=[], aspect="equal")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    _box(ax, 0, 0.5, 1.2, 1, 1, True, "x")
    _box(ax, 1.9, 0, 2.6, 2, 2, True, "W_gate, W_up: columns")
    _box(ax, 5.4, 0.5, 2.6, 1, 2, True, "hidden values")
    _box(ax, 8.7, -0.3, 1.2, 2.6, 2, False, "W_down: rows")
    for i, (colour, name) in enumerate(((BLUE, "1"), (ORANGE, "2"))):
        y = 1.35 - 1.3 * i
        ax.add_patch(_rectangle(10.7, y, 1.2, 0.85, colour))
        ax.text(11.3, y + 0.42, name, ha="center", va="center", fontsize=11, color=INK)
    ax.text(11.3, 0.98, "+", ha="center", va="center", fontsize=13, color=INK)
    ax.text(11.3, 2.42, "partial outputs", ha="center", fontsize=10, color=INK)
    for x, sign in ((1.55, "·"), (4.95, "→"), (8.35, "·"), (10.3, "="), (12.15, "=")):
        ax.text(x, 1, sign, ha="center", va="center", fontsize=14, color=INK)
    _box(ax, 12.4, 0.5, 1.1, 1, 1, True, "y")
    text = ("Two ranks share an MLP. Each holds half of the columns of W_gate and W_up, computes half of the hidden "
            "values, and multiplies them with its half of the rows of W_down. The two partial outputs are summed: that "
            "is the one all-reduce.")
    return Shown(figure_html(figure, text, 820), text)


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor=colour, alpha=0.25, edgecolor=colour, linewidth=1.5)


TRACE = ([4, 4, 4, 4, 4], [12] * 5, [2, 10, 12, 8, 6], 10, 4)


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def gantt() -> Shown:
    """The same five requests under two policies: when each runs, waits, and is paused."""
    runs = {policy: simulate_capacity_scheduler(*TRACE, policy) for policy in POLICY_NAMES}
    figure, axes = new_figure(9.2, 4.4, 2, 1, sharex=True)
    last, said = max(run.steps for run in runs.values()), []
    for ax, (policy, run) in zip(axes, runs.items()):
        _draw_gantt(ax, run, last)
        told = f"{policy}: {run.steps} steps, at most {run.peak_running} at once, {_many(run.pauses, 'pause')}"
        label(ax, "", "request", told)
        said.append(told)
    axes[-1].set_xlabel("step", fontsize=10, color=INK)
    axes[-1].set_xticks(range(1, last + 1))
    prompts, limits, answers, blocks, size = TRACE
    text = (f"Five requests with prompts of {prompts[0]} tokens, answers of {', '.join(map(str, answers))} and a limit "
            f"of {limits[0]}, on {blocks} blocks of {size}. {'; '.join(said)}.")
    return Shown(figure_html(figure, text, 800), text)


def _draw_gantt(ax: Axes, run: SchedulerResult, last: int) -> None:
    count = len(TRACE[0])
    for step, now in enumerate(run.history, start=1):
        for i in now.running:
            ax.add_patch(_rectangle(step - 0.5, i - 0.35, 1, 0.7, BLUE))
        for i in now.paused:
            ax.text(step, i, "paused", ha="left", va="center", fontsize=8.5, color=INK)
            ax.plot([step - 0.5], [i], "v", color=ORANGE, markersize=8)
    ax.set(xlim=(0.4, last + 0.6), ylim=(count - 0.4, -0.6))
    ax.set_yticks(range(count), [str(i) for i in range(count)])


def speculation_chart() -> Shown:
    """Speed-up of speculative decoding by number of drafts, for three acceptance rates and two draft costs."""
    figure, axes = new_figure(9.2, 3.3, 1, 2, sharey=True)
    gammas, told = range(11), []
    for ax, cost in zip(axes, (0.05, 0.2)):
        for row, alpha in enumerate((0.9, 0.8, 0.5)):
            speeds = [speculative_speedup(alpha, g, cost) for g in gammas]
            ax.plot(gammas, speeds, label=f"α = {alpha}", **line_style(row))
            best = int(np.argmax(speeds))
            told.append(f"draft cost {cost}, α = {alpha}: best with {_many(best, 'draft')}, {speeds[best]:.2f} times")
        label(ax, "drafted tokens a step (γ)", "times faster" if cost == 0.05 else "",
              f"a draft costs {cost:g} target passes")
        ax.axhline(1, color=INK, linewidth=0.9)
        ax.set_ylim(0, 4.7)
    axes[0].legend(frameon=False, fontsize=9)
    text = "Computed speed-up of speculative decoding at small batch. " + "; ".join(told) + "."
    return Shown(figure_html(figure, text, 800), text)


# --- the experiments --------------------------------------------------------------------------------------

LIMITS = (512, 1024, 2048, 4096)


def sweep_limits(seed: int = 0, requests: int = 100, blocks: int = 200) -> dict[str, dict[str, SchedulerResult]]:
    """{policy: {limit: schedule}} of the same chats; "exact" means that every client sends its true length."""
    found: dict[str, dict[str, SchedulerResult]] = {}
    for policy in POLICY_NAMES:
        found[policy] = {}
        for limit in ("exact", *LIMITS):
            prompts, limits, answers = chat_workload(requests, 120, LIMITS[0] if limit == "exact" else limit, seed)
            limits = answers if limit == "exact" else limits
            found[policy][str(limit)] = simulate_capacity_scheduler(prompts, limits, answers, blocks, 32, policy)
    return found


def sweep_table(runs: dict[str, dict[str, SchedulerResult]]) -> Shown:
    """Steps, requests at once and pauses by policy and limit."""
    return table(("policy", "limit", "steps", "at once (mean)", "pauses", "tokens computed again"), [
        (POLICY_NAMES[policy], limit, f"{run.steps:,}", f"{run.mean_batch:.1f}", run.pauses,
         f"{run.recomputed_tokens:,}")
        for policy, by_limit in runs.items() for limit, run in by_limit.items()],
        "simulated, 100 chats on 200 blocks of 32 tokens")


def sweep_chart(runs: dict[str, dict[str, SchedulerResult]]) -> Shown:
    """Steps until all are served, by the limit that clients send."""
    figure, (ax,) = new_figure(7.6, 3.3)
    limits = list(next(iter(runs.values())))
    told = []
    for row, (policy, by_limit) in enumerate(runs.items()):
        steps = [run.steps for run in by_limit.values()]
        ax.plot(range(len(limits)), steps, label=POLICY_NAMES[policy], **line_style(row))
        told.append(f"{POLICY_NAMES[policy]}: " + ", ".join(f"{s:,} at {limit}" for limit, s in zip(limits, steps)))
    ax.set_yscale("log")
    ax.set_xticks(range(len(limits)), limits)
    label(ax, "limit that every client sends (tokens; exact: its true length)", "steps until all are served",
          "Simulated: 100 chats on 200 blocks of 32 tokens")
    ax.legend(frameon=False, fontsize=9)
    text = "Simulated steps by limit. " + "; ".join(told) + "."
    return Shown(figure_html(figure, text, 700), text)


def mlp_arrays(tokens: int = 64, d: int = 512, d_ff: int = 2048, seed: int = 0) -> list[np.ndarray]:
    """x (T, d) and the weights of a SwiGLU layer, float32, scaled so that outputs stay of order 1."""
    rng = np.random.default_rng(seed)
    shapes = ((tokens, d), (d, d_ff), (d, d_ff), (d_ff, d))
    x, *weights = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return [x, *(w / np.float32(w.shape[0] ** 0.5) for w in weights)]


def two_ranks(arrays: list[np.ndarray] | None = None, repeats: int = 20) -> Shown:
    """Run an MLP on two local processes; a sentence with the reason where that is not possible."""
    from utils.engines.tensorrt_llm import run_ranks
    from utils.optional import EngineUnavailable

    arrays = arrays or mlp_arrays()
    try:
        got = run_ranks(*arrays, repeats=repeats)
    except EngineUnavailable as reason:
        text = f"Not measured: {reason}."
        return Shown(f"<p>{text}</p>", text)
    rows = [("largest difference to one process in float64", f"{got.max_abs_error:.0e}"),
            ("weights in each process", f"{got.weight_bytes_per_rank / 1e6:.1f} MB"),
            ("summed over the processes", f"{got.all_reduce_bytes / 1e3:.0f} kB"),
            ("one process, whole layer", f"{got.single_ms:.2f} ms"),
            ("a rank's half, the slower one", f"{got.compute_ms:.2f} ms"),
            ("all-reduce", f"{got.all_reduce_ms:.2f} ms"), ("share of communication", f"{got.share:.0%}")]
    return table(("two processes, torch.distributed with gloo", "this machine"), rows,
                 f"times: the fastest of {repeats}, one thread each")


def real_library(folder: str = "") -> Shown:
    """What TensorRT-LLM itself says about a checkpoint in `folder`; one sentence with the reason where it can't run."""
    from utils.engines.tensorrt_llm import run_trtllm_smoke
    from utils.optional import EngineUnavailable

    what = "load the model, write 16 tokens, and show version, backend and the size of the KV pool"
    if not folder:
        text = f'Not run: real_library("/path/to/a/hugging-face/checkpoint") would {what}, on Linux with an NVIDIA GPU.'
        return Shown(f"<p>{text}</p>", text)
    try:
        got = run_trtllm_smoke(folder)
    except EngineUnavailable as reason:
        text = f"Not run: {reason}. With it this cell would {what}."
        return Shown(f"<p>{text}</p>", text)
    return table(("TensorRT-LLM", "here"), list(got.items()))

"""Figures and experiment of chapter 45: the block-pool theatre, four ways to reserve, one decoder on two caches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.attention.paging_sim import SimResult, lognormal_lengths, simulate_paging
from utils.attention.paging_waste import kv_waste
from utils.attention.pool_snapshot import Operation, PoolState, pool_snapshot
from utils.attention.published import PAGING_AS_OF, PAGING_THEN_AND_NOW
from utils.widgets.shell import Prediction, explorer

from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
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

    from utils.networks.tiny_serving import ServeResult


# --- the block-pool theatre -------------------------------------------------------------------

SCRIPT = "add a 6; fork a b; fork a c; append b; append c; append a; free a"
MOST_BLOCKS = 20
_UNPLAYABLE = "<p><b>This script can't be played.</b></p>"


def parse_script(text: str) -> list[Operation]:
    """ "add a 6; fork a b" as operations of `pool_snapshot`. ValueError with a sentence for what is none."""
    needs = {"add": (2, 2), "append": (1, 2), "fork": (2, 2), "free": (1, 1)}
    ops = []
    for part in filter(None, (p.strip() for p in text.split(";"))):
        name, *args = part.split()
        if name not in needs or not needs[name][0] <= len(args) <= needs[name][1]:
            raise ValueError(f"“{part}” is none of: add NAME TOKENS, append NAME [TOKENS], fork PARENT CHILD, "
                             "free NAME")
        if len(args) == 2 and name != "fork":
            if not args[1].isdigit():
                raise ValueError(f"“{part}” needs a whole number of tokens")
            args[1] = int(args[1])
        ops.append((name, *args))
    return ops


def draw_pool(script: str, step: int, num_blocks: int, block_size: int) -> tuple[Figure | str, str]:
    """The block tables above the pool of blocks after the first `step` operations of a script."""
    try:
        ops = parse_script(script)
        state = pool_snapshot(ops[:step], num_blocks, block_size)
    except KeyError as error:
        return _UNPLAYABLE, f"There is no sequence {error.args[0]!r} when the script asks for it."
    except ValueError as error:
        return _UNPLAYABLE, f"{error.args[0]}."
    names = list(dict.fromkeys(name for op in ops for name in op[1:] if isinstance(name, str)))
    colours = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}
    rows = max(1, len(state.tables))
    figure, (ax,) = new_figure(9.6, 2.3 + 0.5 * rows)
    heights = {seq: 2.1 + 0.95 * (rows - 1 - i) for i, seq in enumerate(state.tables)}
    _draw_tables(ax, state, heights, colours)
    for block in range(num_blocks):
        _draw_block(ax, block, state, colours)
    ax.set(xlim=(-0.15, num_blocks + 0.15), ylim=(-0.95, 2.1 + 0.95 * rows), xticks=[])
    ax.set_yticks([0.5, *(y + 0.35 for y in heights.values())], ["pool", *(f"table of {s}" for s in heights)])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    last = " ".join(map(str, ops[min(step, len(ops)) - 1])) if ops and step else "nothing yet"
    label(ax, "pool of blocks, by block id (hatched: held but empty; ×n: n tables name the block)", "",
          f"Blocks of {block_size}, after {min(step, len(ops))} of {len(ops)} operations (the last: {last})")
    return figure, _tell_pool(state, num_blocks)


def _draw_tables(ax: Axes, state: PoolState, heights: Mapping[Any, float], colours: Mapping[Any, str]) -> None:
    from matplotlib.patches import Rectangle

    for row, (seq, table_ids) in enumerate(state.tables.items()):
        y, inside = heights[seq], (row + 1) / (len(state.tables) + 1)  # lines of two sequences run side by side
        for place, block in enumerate(table_ids):
            ax.plot([place + inside, block + inside], [y, 1.03], color=colours[seq], linewidth=1.3, alpha=0.8, zorder=1)
            ax.add_patch(Rectangle((place + 0.06, y), 0.88, 0.7, facecolor="white", edgecolor=colours[seq],
                                   linewidth=1.8, zorder=2))
            ax.text(place + 0.5, y + 0.35, str(block), ha="center", va="center", fontsize=10, color=INK, zorder=3)
        count = state.lengths[seq]
        ax.text(len(table_ids) + 0.15, y + 0.35, f"{count} token{'s' if count != 1 else ''}", va="center", fontsize=9,
                color=INK, zorder=3, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})


def _draw_block(ax: Axes, block: int, state: PoolState, colours: Mapping[Any, str]) -> None:
    from matplotlib.patches import Rectangle

    owners, left, width = state.owners[block], block + 0.06, 0.88
    if owners:
        full = width * state.filled[block] / state.block_size
        for i, seq in enumerate(owners):  # one band an owner
            ax.add_patch(Rectangle((left, i / len(owners)), full, 1 / len(owners), facecolor=colours[seq], alpha=0.85))
        ax.add_patch(Rectangle((left + full, 0), width - full, 1, facecolor="white", edgecolor=GREY, hatch="////",
                               linewidth=0))
    ax.add_patch(Rectangle((left, 0), width, 1, facecolor="none" if owners else "#F3F5F7",
                           edgecolor=INK if owners else "#C9D1D9", linewidth=1.2))
    if owners and state.block_size * len(state.owners) <= 100:  # else the lines would hide the colours
        for slot in range(1, state.block_size):
            x = left + width * slot / state.block_size
            ax.plot([x, x], [0, 1], color="white", linewidth=0.8)
    ax.text(block + 0.5, -0.12, str(block), ha="center", va="top", fontsize=9, color=INK if owners else GREY)
    told = "free" if not owners else " ".join(map(str, owners)) if len(owners) < 4 else f"{len(owners)} owners"
    ax.text(block + 0.5, -0.45, told, ha="center", va="top", fontsize=8, color=INK if owners else GREY)
    if state.ref_counts[block] > 1:
        ax.text(block + 0.5, 0.5, f"×{state.ref_counts[block]}", ha="center", va="center", fontsize=9, color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2})


def _tell_pool(state: PoolState, num_blocks: int) -> str:
    shared = sum(n > 1 for n in state.ref_counts)
    used = num_blocks - state.num_free
    told = f"{state.num_free} of {num_blocks} blocks are free."
    for seq, ids in state.tables.items():
        told += (f" {seq}: {state.lengths[seq]} tokens in block{'s' if len(ids) != 1 else ''} "
                 f"{', '.join(map(str, ids)) or '(none)'}.")
    if used:
        held = used * state.block_size
        told += (f" {shared} of the {used} held blocks {'is' if shared == 1 else 'are'} shared, and "
                 f"{held - sum(state.filled)} of {held} held slots are empty ({state.waste:.0%}).")
    copies = ", ".join(f"{source} to {target}" for _, source, target in state.copies)
    told += f" Copied so far: {len(state.copies)} block{'s' if len(state.copies) != 1 else ''}"
    told += f" ({copies})." if copies else "."
    if state.refused:
        told += (f" {len(state.refused)} operations found no free block and were skipped." if len(state.refused) > 1
                 else " 1 operation found no free block and was skipped.")
    return told


def block_theatre() -> Any:
    """The interactive pool: a script, sliders, and buttons that add to the script."""
    import ipywidgets as widgets

    ops = len(parse_script(SCRIPT))
    knobs = {
        "script": widgets.Text(value=SCRIPT, description="script",
                               layout=widgets.Layout(width="720px", max_width="95%")),
        "step": widgets.IntSlider(value=ops, min=0, max=ops, description="operations shown"),
        "num_blocks": widgets.IntSlider(value=10, min=2, max=MOST_BLOCKS, description="blocks in the pool"),
        "block_size": widgets.IntSlider(value=4, min=1, max=64, description="block size (tokens)"),
    }
    shell = explorer(draw_pool, knobs, Prediction(
        "A sequence of 6 tokens lies in blocks of 4. It is forked twice, and then all three append one token. How many "
        "blocks are copied?",
        ("none", "1", "2", "3"), 2,
        "The first two to write copy the half-filled block. The third is its last owner and writes in place. The full "
        "block is never copied."), "Block-pool theatre")
    view = shell.children[-1]
    view.children = (*view.children[:2], _buttons(knobs), *view.children[2:])
    return shell


def _buttons(knobs: Mapping[str, Any]) -> Any:
    """Buttons that add an operation on the chosen sequence to the script, or take one away."""
    import ipywidgets as widgets

    script, step = knobs["script"], knobs["step"]
    chosen = widgets.Dropdown(options=[], description="sequence", layout=widgets.Layout(width="180px"))

    def follow(_: Any = None) -> None:
        try:
            ops = parse_script(script.value)
            live = list(pool_snapshot(ops, knobs["num_blocks"].value, knobs["block_size"].value).tables)
        except (ValueError, KeyError):
            return
        step.max, step.value = len(ops), len(ops)
        before = chosen.value
        chosen.options = live
        if live:
            chosen.value = before if before in live else live[0]

    def button(text: str, change: Callable[[list[str]], list[str] | None]) -> Any:
        made = widgets.Button(description=text, layout=widgets.Layout(width="auto"))

        def clicked(_: Any) -> None:
            parts = change([p.strip() for p in script.value.split(";") if p.strip()])
            if parts is not None:
                script.value = "; ".join(parts)

        made.on_click(clicked)
        return made

    def on_chosen(text: Callable[[str], str]) -> Callable[[list[str]], list[str] | None]:
        return lambda parts: [*parts, text(chosen.value)] if chosen.value else None

    def new_name() -> str:
        return next(c for c in (*ascii_lowercase, "zz") if f" {c}" not in f" {script.value};".replace(";", " ;"))

    script.observe(follow, "value")
    follow()
    return widgets.Box([
        chosen,
        button("append a token", on_chosen(lambda seq: f"append {seq}")),
        button("fork", on_chosen(lambda seq: f"fork {seq} {new_name()}")),
        button("free", on_chosen(lambda seq: f"free {seq}")),
        button("new, 6 tokens", lambda parts: [*parts, f"add {new_name()} 6"]),
        button("undo", lambda parts: parts[:-1]),
        button("start over", lambda parts: SCRIPT.split("; ")),
    ], layout=widgets.Layout(flex_flow="row wrap", grid_gap="4px 8px"))


def static_picture() -> Figure:
    """What remains of the theatre where no kernel runs: three samples of one prompt, after each wrote a token."""
    return draw_pool(SCRIPT, 6, 10, 4)[0]


# --- four ways to reserve -----------------------------------------------------------------------

POLICIES = {"max": "reserve the maximum", "pow2": "reserve a power of two", "paged": "blocks on demand"}
MAX_LEN, REQUESTS = 384, 160


def simulated(block_size: int, slots: int, seed: int, requests: int = REQUESTS) -> dict[str, SimResult]:
    """The same short chats under three policies, all waiting at the start."""
    rng = np.random.default_rng(seed)
    lengths = [lognormal_lengths(mean, requests, MAX_LEN // 2, rng) for mean in (24, 34)]
    return {policy: simulate_paging(*lengths, block_size, slots // block_size, policy, MAX_LEN) for policy in POLICIES}


def draw_policies(block_size: int, slots: int, seed: int) -> tuple[Figure, str]:
    """Batch and filled share of the held slots over the steps, for three ways to reserve."""
    runs = simulated(block_size, slots, seed)
    figure, (top, bottom) = new_figure(9.2, 4.8, 2, 1, sharex=True)
    for i, (policy, run) in enumerate(runs.items()):
        style = {**line_style(i), "marker": None}
        top.plot(run.batch_per_step, label=f"{POLICIES[policy]}: {run.steps} steps", **style)
        bottom.plot(100 * np.array(run.utilization_per_step), **style)
    label(top, "", "requests at once", f"Simulated: {REQUESTS} short chats on {slots:,} slots, blocks of {block_size}")
    label(bottom, "step (one token for each running request)", "held slots filled (%)")
    bottom.set_ylim(0, 104)
    top.legend(frameon=False, fontsize=9)
    return figure, "Simulated. " + " ".join(_tell_run(policy, run) for policy, run in runs.items())


def _tell_run(policy: str, run: SimResult) -> str:
    preempted = f", {run.preemptions} preemptions" if policy == "paged" else ""
    return (f"{POLICIES[policy].capitalize()}: {run.steps} steps, {run.mean_batch:.1f} requests at once, "
            f"{run.utilization:.0%} of the held slots filled{preempted}.")


def policies_figure() -> Any:
    """The interactive comparison of three ways to reserve."""
    import ipywidgets as widgets

    return explorer(draw_policies, {
        "block_size": widgets.SelectionSlider(options=[2**i for i in range(8)], value=16,
                                              description="block size (tokens)"),
        "slots": widgets.SelectionSlider(options=[1024, 2048, 4096, 8192], value=2048, description="pool (slots)"),
        "seed": widgets.IntSlider(value=0, min=0, max=30, description="seed of the lengths"),
    }, Prediction(
        "A pool of 2,048 slots serves chats of some 58 tokens; the longest possible has 384. With 384 slots reserved "
        "for each, 5 run at once. About how many run at once with blocks of 16?",
        ("5: the pool is the same", "10", "20", "200"), 2,
        "2,048 / 58 would be 35. But long chats stay longest, so those that run hold more than the mean, and at the "
        "end the queue runs dry. Blocks of 64 do worse: most of these chats fit into one or two of them."),
        "Three ways to reserve, simulated")


# --- pictures for the explanation ---------------------------------------------------------------

def then_and_now() -> Shown:
    """The paper's design beside vLLM's of today, with the pages of its documentation."""
    return table(("", "paper (2023)", "vLLM today", "its documentation"), PAGING_THEN_AND_NOW,
                 f"Checked in {PAGING_AS_OF}")


TRACES = {"ShareGPT (161 + 338 tokens)": (161, 338), "Alpaca (19 + 58 tokens)": (19, 58)}


def waste_chart() -> Shown:
    """Waste over the life of a request of two traces' mean lengths, by block size."""
    sizes = [2**i for i in range(9)]
    figure, (ax,) = new_figure(7.2, 3.1)
    told = []
    for row, (name, lengths) in enumerate(TRACES.items()):
        wastes = [100 * kv_waste(*lengths, b) for b in sizes]
        ax.plot(sizes, wastes, label=name, **line_style(row))
        told.append(f"{name}: " + ", ".join(f"{wastes[i]:.1f} % at {sizes[i]}" for i in (0, 4, 5, 7)))
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(b) for b in sizes])
    ax.set_ylim(0, 85)
    label(ax, "block size (tokens)", "held slots that are empty (%)", "Waste over the life of a request")
    ax.legend(frameon=False, fontsize=9)
    text = "Empty share of the held slots by block size. " + "; ".join(told) + "."
    return Shown(figure_html(figure, text, 640), text)


def slab_picture(prompt: int = 24, output: int = 34, max_len: int = MAX_LEN, block_size: int = 16) -> Shown:
    """One request in a slab of `max_len` slots and in blocks, at its end."""
    from matplotlib.patches import Rectangle

    figure, (ax,) = new_figure(8.6, 1.9)
    held = ceil((prompt + output) / block_size) * block_size
    for y, name, slots in ((1, "slab", max_len), (0, f"blocks of {block_size}", held)):
        for start, stop, colour in ((0, prompt, BLUE), (prompt, prompt + output, GREEN)):
            ax.add_patch(Rectangle((start, y), stop - start, 0.6, facecolor=colour))
        ax.add_patch(Rectangle((prompt + output, y), slots - prompt - output, 0.6, facecolor="white", edgecolor=GREY,
                               hatch="////", linewidth=0))
        ax.add_patch(Rectangle((0, y), slots, 0.6, facecolor="none", edgecolor=INK))
        ax.annotate(f"{slots - prompt - output} of {slots} empty", (slots, y + 0.3), xytext=(5, 0), va="center",
                    textcoords="offset points", fontsize=9, color=INK)
        ax.text(-4, y + 0.3, name, ha="right", va="center", fontsize=10, color=INK)
    for start in range(0, held, block_size):
        ax.plot([start, start], [0, 0.6], color=INK, linewidth=1)
    patches = [Rectangle((0, 0), 1, 1, facecolor=BLUE), Rectangle((0, 0), 1, 1, facecolor=GREEN),
               Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=GREY, hatch="////")]
    ax.legend(patches, [f"prompt: {prompt} tokens", f"output: {output} tokens", "empty"], frameon=False, fontsize=9,
              ncols=3, loc="lower right", bbox_to_anchor=(0.92, 0.02))
    ax.set(xlim=(0, 1.2 * max_len), ylim=(-0.1, 1.7), yticks=[])
    ax.spines["left"].set_visible(False)
    ax.grid(False)
    label(ax, "slots (one token each)", "")
    empty = max_len - prompt - output
    text = (f"A request of {prompt} + {output} tokens at its end: a slab of {max_len} slots has {empty} empty ones "
            f"({empty / max_len:.0%}), blocks of {block_size} have {held - prompt - output} of {held}.")
    return Shown(figure_html(figure, text, 760) + f"<p>{text}</p>", text)


# --- the experiment -----------------------------------------------------------------------------


def run_serving(seed: int = 0, requests: int = 64) -> dict[str, ServeResult]:
    """A decoder serves the same requests from slabs and from blocks, in the same 2,048 slots, on one thread."""
    from utils.networks.digits import one_thread
    from utils.networks.tiny_serving import chat_requests, compare_caches

    with one_thread():
        return compare_caches(chat_requests(requests, seed=seed))


def serving_table(runs: Mapping[str, ServeResult]) -> Shown:
    """Steps, batch, empty share and preemptions of every cache; nothing that depends on the clock."""
    return table(("cache", "decode steps", "mean batch", "held slots empty", "preemptions", "tokens recomputed"), [
        (_cache_name(name), run.steps, f"{run.mean_batch:.1f}", f"{run.waste:.1%}", run.preemptions,
         run.recomputed_tokens)
        for name, run in runs.items()])


def _cache_name(name: str) -> str:
    if name == "contiguous":
        return f"slabs of {MAX_LEN}"
    return name.replace("paged ", "blocks of ").replace("prompt only", "admitted on the prompt alone")


def same_texts(runs: Mapping[str, ServeResult]) -> bool:
    """Whether all caches led to the same tokens for every request."""
    first, *others = (run.written for run in runs.values())
    return all(written == first for written in others)


def wall_chart(runs: Mapping[str, ServeResult]) -> Shown:
    """Seconds of each run: measured once, so noisy."""
    figure, (ax,) = new_figure(7.2, 0.7 + 0.42 * len(runs))
    names = [_cache_name(name) for name in runs]
    for row, run in enumerate(runs.values()):
        ax.barh(row, run.wall_s, color=BLUE if row else GREY, height=0.6)
        ax.annotate(f"{run.wall_s:.2f} s", (run.wall_s, row), xytext=(4, 0), textcoords="offset points", va="center",
                    fontsize=9)
    ax.set_yticks(range(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlim=(0, 1.18 * max(run.wall_s for run in runs.values())))
    ax.grid(False, axis="y")
    label(ax, "time of the whole run (s), measured once on one CPU thread", "")
    times = ", ".join(f"{name} {run.wall_s:.2f} s" for name, run in zip(names, runs.values()))
    text = f"Time of each run, measured once: {times}."
    return Shown(figure_html(figure, text, 640), text)


def gpu_serving(scale: float = 16, device: str = "cuda") -> Shown:
    """The same loop in float16 with `scale` times the requests and slots on a GPU; a sentence where there is none."""
    import torch

    from utils.networks.tiny_gpt import TinyGPT
    from utils.networks.tiny_serving import chat_requests, compare_caches

    if device == "cuda" and not torch.cuda.is_available():
        text = "No CUDA device here, so the GPU part was not measured."
        return Shown(f"<p>{text}</p>", text)
    model = TinyGPT(85).to(device, torch.float16)
    requests, slots = int(64 * scale), int(2048 * scale)
    runs = compare_caches(chat_requests(requests), slots, block_sizes=(16,), model=model)
    return table(("cache", "decode steps", "mean batch", "held slots empty", "seconds"), [
        (_cache_name(name), run.steps, f"{run.mean_batch:.1f}", f"{run.waste:.1%}", f"{run.wall_s:.1f}")
        for name, run in runs.items()], f"float16, {requests:,} requests, {slots:,} slots")

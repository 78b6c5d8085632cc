"""Figures of chapter 19: lanes of warps that diverge, and the sectors of a strided load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.bandwidth import StrideRow
from utils.hardware.simt import (
    SimtMachine,
    attainable_gflop_s,
    bus_efficiency,
    fair_speedup,
    lane_timeline,
    predicate,
    sector_map,
    warp_issue_cycles,
)

from .shell import Prediction, explorer
from .style import BLUE, INK, ORANGE, SKY, Shown, label, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WARP, THREADS = 32, 128
SECTORS_A_ROW = 16


# --- a fair ratio --------------------------------------------------------------------------------


def draw_rooflines(devices: Mapping[str, Mapping[str, float]]) -> tuple[Figure, str]:
    """The rooflines of two devices and their ratio, over intensity."""
    (first, a), (second, b) = devices.items()
    figure, (left, right) = new_figure(9.6, 3.2, 1, 2)
    grid = np.geomspace(0.1, 1000, 300)
    for (name, d), color, dash in zip(devices.items(), (BLUE, ORANGE), ("-", "--")):
        left.plot(grid, [attainable_gflop_s(d, i) for i in grid], color=color, linestyle=dash, label=name)
    left.set(xscale="log", yscale="log")
    left.legend(fontsize=8, frameon=False)
    label(left, "intensity (FLOP/byte, log)", "GFLOP/s (log)", "What each can reach")
    ratio = [fair_speedup(a, b, i) for i in grid]
    right.plot(grid, ratio, color=INK)
    right.set(xscale="log", ylim=(0, 1.3 * max(ratio)))
    label(right, "intensity (FLOP/byte, log)", f"{first} over {second}", "The ratio depends on the work")
    return figure, (f"{first} over {second}: {ratio[0]:.1f} where memory decides, {ratio[-1]:.1f} where lanes "
                    "decide, and between the two where one of each decides.")


def rooflines_picture(devices: Mapping[str, Mapping[str, float]]) -> Shown:
    """The picture of `draw_rooflines` for a code cell."""
    return shown_figure(*draw_rooflines(devices))


# --- divergence ----------------------------------------------------------------------------------


def draw_divergence(pattern: str = "alternating", share: float = 0.5, a: int = 10, b: int = 6,
                    sort: bool = False) -> tuple[Figure, str]:
    """128 lanes in four warps over time: the true path, the false path, and lanes that wait."""
    from matplotlib.colors import ListedColormap

    pred = predicate(pattern, share, THREADS)
    pred = np.sort(pred)[::-1] if sort else pred
    cycles, efficiency = warp_issue_cycles(pred, a, b)
    best, _ = warp_issue_cycles(np.sort(pred)[::-1], a, b)
    grid = lane_timeline(pred, a, b)
    grid = np.pad(grid, ((0, 0), (0, a + b - grid.shape[1])))
    figure, (ax,) = new_figure(9.6, 3.8)
    ax.imshow(grid, aspect="auto", interpolation="nearest", cmap=ListedColormap(["#EEF0F2", BLUE, ORANGE]), vmin=0,
              vmax=2, extent=(0, a + b, THREADS, 0))
    for w in range(THREADS // WARP):
        mine = pred[w * WARP : (w + 1) * WARP]
        spent = a * bool(mine.any()) + b * bool((~mine).any())
        ax.axhline(w * WARP, color="white", linewidth=2)
        ax.plot([spent, spent], [w * WARP, (w + 1) * WARP], color=INK, linewidth=1.5)
        ax.text(a + b + 0.15, (w + 0.5) * WARP, f"warp {w}: {spent} cycles", va="center", fontsize=9)
    ax.set_yticks([0, 32, 64, 96, 128])
    ax.set_xticks(range(0, a + b + 1, 2 if a + b <= 24 else 5))
    ax.grid(False)
    ax.set_xlim(0, 1.18 * (a + b))
    label(ax, f"cycle of the warp (blue: true path, {a}; orange: false path, {b}; grey: no work)", "thread",
          f"{int(pred.sum())} of {THREADS} threads take the true path")
    return figure, (
        f"{'Sorted' if sort else pattern.capitalize()}, {int(pred.sum())} of {THREADS} threads true: {cycles} cycles "
        f"over four warps, {100 * efficiency:.0f} % of the lane slots have work. Sorted by branch it would be {best} "
        "cycles.")


def divergence_view() -> Any:
    """The lanes with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "pattern": widgets.Dropdown(options=["alternating", "blocked", "random"], value="random"),
        "share": widgets.FloatSlider(value=0.5, min=0, max=1, step=1 / 32, description="share true"),
        "a": widgets.IntSlider(10, 1, 20, description="true path (cycles)"),
        "b": widgets.IntSlider(6, 1, 20, description="false path (cycles)"),
        "sort": widgets.Checkbox(value=False, description="sort the threads by branch"),
    }
    guess = Prediction("Only 4 of 128 threads take the true path of 10 cycles; the others take the false one of 6. "
                       "Four warps, each with one of the 4: how many cycles?",
                       ("about 24: four times 6 and a little", "64: four times 16", "40: four times 10"), 1,
                       "One thread is enough to make its warp issue the path. Set the share to 0.03 and choose "
                       "“alternating”, then sort: 34 cycles.")
    return explorer(draw_divergence, knobs, guess, "Four warps at a branch")


# --- sectors -------------------------------------------------------------------------------------


def draw_sectors(base: int = 0, stride: int = 4, access: int = 4) -> tuple[Figure, str]:
    """Memory as rows of 16 sectors of 32 bytes; the touched ones are filled as far as their bytes are asked for."""
    from matplotlib.patches import Rectangle

    touched = sector_map(base, stride, access)
    last = max(touched)
    first = min(touched) // SECTORS_A_ROW * SECTORS_A_ROW
    rows = (last - first) // SECTORS_A_ROW + 1
    figure, (ax,) = new_figure(9.6, 0.9 + 0.42 * min(rows, 9))
    for number in range(first, first + rows * SECTORS_A_ROW):
        row, column = divmod(number - first, SECTORS_A_ROW)
        ax.add_patch(Rectangle((column + 0.03, row + 0.08), 0.94, 0.84, facecolor="#F4F5F7", edgecolor="#D0D7DE"))
        if number in touched:
            asked = touched[number]
            corner = column + 0.03, row + 0.08
            ax.add_patch(Rectangle(corner, 0.94, 0.84, facecolor=SKY, edgecolor=BLUE, hatch="//"))
            ax.add_patch(Rectangle(corner, 0.94 * asked / 32, 0.84, facecolor=BLUE, edgecolor="none"))
            ax.text(column + 0.5, row + 0.5, asked, ha="center", va="center", fontsize=8, color="white",
                    fontweight="bold", bbox={"facecolor": BLUE, "edgecolor": "none", "pad": 1})
    ax.set(xlim=(0, SECTORS_A_ROW), ylim=(rows, 0))
    ax.set_yticks([r + 0.5 for r in range(rows)], [str(32 * (first + r * SECTORS_A_ROW)) for r in range(rows)])
    ax.set_xticks([])
    ax.grid(False)
    label(ax, "sectors of 32 bytes; the number: bytes asked for; hatched: moved for nothing", "address (bytes)",
          f"32 lanes, base {base}, stride {stride}, {access} bytes each")
    addresses = base + stride * np.arange(32)
    return figure, (f"32 lanes ask for {sum(touched.values())} distinct bytes, which lie in {len(touched)} "
                    f"sector{'s' * (len(touched) != 1)}: {32 * len(touched)} bytes are moved, "
                    f"{100 * bus_efficiency(addresses, access):.0f} % of them useful.")


def sectors_view() -> Any:
    """The memory with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "base": widgets.IntSlider(0, 0, 64, 2, description="base (bytes)"),
        "stride": widgets.IntSlider(4, 0, 128, 4, description="stride (bytes)"),
        "access": widgets.SelectionSlider(options=(1, 2, 4, 8, 16), value=4, description="bytes a lane"),
    }
    guess = Prediction("32 lanes read 4-byte floats one behind the other: 4 sectors. You shift the start by 4 bytes. "
                       "How many now?", ("4", "5", "8"), 1,
                       "128 bytes that begin in the middle of a sector end in the middle of a fifth one.")
    return explorer(draw_sectors, knobs, guess, "Sectors of one warp")


# --- the experiment ------------------------------------------------------------------------------


def stride_table(rows: Sequence[StrideRow]) -> Shown:
    """What a strided sum on this machine's CPU gets of the memory."""
    base = rows[0].useful_gb_s
    cells = [(r.stride, f"{r.useful_gb_s:.2f}", f"{r.line_gb_s:.2f}", f"{base / r.useful_gb_s:.1f}") for r in rows]
    head = ("stride (floats)", "useful GB/s", "GB/s of cache lines", "times slower a value")
    return table(head, cells, "Measured on this machine: a sum of float32 values")


def issue_counts(program: Sequence[tuple], threads: int = 128, seed: int = 0) -> list[tuple[float, int, int]]:
    """(share of positive values, instructions as drawn, instructions with the values sorted) over four warps."""
    rng, rows = np.random.default_rng(seed), []
    for percent in range(0, 101, 5):
        count = round(percent * threads / 100)
        x = np.where(rng.permutation(threads) < count, 1.0, -1.0)
        counted = []
        for values in (x, np.sort(x)):
            total = 0
            for i in range(0, threads, WARP):
                machine = SimtMachine(values[i : i + WARP])
                machine.run(program)
                total += len(machine.issues)
            counted.append(total)
        rows.append((percent / 100, *counted))
    return rows


def draw_issues(rows: Sequence[tuple[float, int, int]]) -> tuple[Figure, str]:
    """Issued instructions over the share of threads that take a branch."""
    figure, (ax,) = new_figure(7.8, 3.0)
    shares = [100 * s for s, _, _ in rows]
    ax.plot(shares, [a for _, a, _ in rows], color=ORANGE, marker="o", markersize=4, label="as they come")
    ax.plot(shares, [b for _, _, b in rows], color=BLUE, linestyle="--", marker="s", markersize=4, label="sorted")
    ax.set_ylim(0)
    ax.legend(fontsize=8, frameon=False)
    label(ax, "share of threads that take the branch (%)", "issued instructions", "Four warps on the little machine")
    worst, tidy = max(a for _, a, _ in rows), max(b for _, _, b in rows)
    return figure, (f"At most {worst} instructions as the threads come, {tidy} when they are sorted; {rows[0][1]} when "
                    "all take the second path.")


def issues_picture(rows: Sequence[tuple[float, int, int]]) -> Shown:
    """The picture of `draw_issues` for a code cell."""
    return shown_figure(*draw_issues(rows))


def gpu_stride_note() -> Shown:
    """The strided sum on this machine's GPU, or what it would show where there is none."""
    import torch

    if not torch.cuda.is_available():
        told = ("No CUDA GPU is here. On one, this cell sums every 1st, 2nd, 4th and 8th float of 256 MiB and shows "
                "the GB/s of the values that were used.")
        return Shown(f"<p>{told}</p>", told)
    rows = [(stride, f"{rate:.0f}") for stride, rate in gpu_strides()]
    return table(("stride (floats)", "useful GB/s"), rows, "Measured on this GPU")


def gpu_strides(strides: Sequence[int] = (1, 2, 4, 8), n: int = 1 << 26, device: str = "cuda",
                repeats: int = 5) -> list[tuple[int, float]]:
    """(stride, useful GB/s) of summing every stride-th float32 of n on a device; the best of some repeats."""
    import time

    import torch

    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    x = torch.ones(n, device=device)
    rows = []
    for stride in strides:
        view = x[::stride]
        view.sum()
        best = float("inf")
        for _ in range(repeats):
            wait()
            start = time.perf_counter()
            view.sum()
            wait()
            best = min(best, time.perf_counter() - start)
        rows.append((stride, 4 * view.numel() / best / 1e9))
    return rows


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_divergence("random", 0.5)[0]



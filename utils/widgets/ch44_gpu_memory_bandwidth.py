"""Figures and experiment of chapter 44: clocks, warps, tokens, and bandwidth measured here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.bandwidth.decode import decode_step
from utils.cost.bandwidth.memory_clock import SPECS, TRANSFERS_PER_CLOCK, clock_card, memory_spec
from utils.cost.bandwidth.streams import (
    GemmPoint,
    StrideRow,
    bandwidth_ladder,
    cuda_bandwidth,
    cuda_peak_gb_s,
    measure_gemm,
    stream,
    strided_read,
)
from utils.cost.bandwidth.warp import WARP_PRESETS, warp_picture, warp_sectors
from utils.cost.roofline import attainable_gflop_s, ridge
from utils.hardware.gpu_arch import GPUS
from utils.widgets.decode_curves import DEVICES, critical_batches, decode_curves
from utils.widgets.shell import Prediction, explorer

from .style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SKY,
    YELLOW,
    Shown,
    figure_html,
    label,
    line_style,
    new_figure,
    table_html,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _shown(figure: Figure, sentence: str, *tables: str) -> Shown:
    return Shown("".join(tables) + figure_html(figure, sentence) + f"<p>{sentence}</p>", sentence)


# --- one clock cycle, for the explanation --------------------------------------------------------

BEATS = (("HBM, DDR5", 2), ("GDDR5", 4), ("GDDR6", 8), ("GDDR6X, GDDR7", 16))


def draw_beats(clock_mhz: float = 1750) -> tuple[Figure, str]:
    """Two cycles of a clock and the bits that one data pin carries meanwhile, by memory type."""
    figure, (ax,) = new_figure(8.0, 2.9)
    edges = np.array([0, 0.5, 0.5, 1, 1, 1.5, 1.5, 2])
    ax.plot(edges, 4 + 0.6 * np.array([1, 1, 0, 0, 1, 1, 0, 0]), color=INK, linewidth=1.6)
    for row, (_, transfers) in enumerate(reversed(BEATS)):
        for bit in range(2 * transfers):
            ax.add_patch(_box(bit / transfers, row, 1 / transfers, 0.6, (SKY, "#D6ECF8")[bit % 2]))
    for row, (_, transfers) in enumerate(reversed(BEATS)):
        rate = f"{transfers} bits a cycle: {clock_mhz * transfers / 1000:g} Gbit/s"
        ax.text(2.04, row + 0.3, rate, va="center", fontsize=9, color=INK)
    ax.text(2.04, 4.3, f"{clock_mhz:,g} MHz", va="center", fontsize=9, color=INK)
    ax.set(xlim=(0, 2), ylim=(-0.2, 4.9), xticks=[0, 1, 2])
    ax.set_yticks([*(row + 0.3 for row in range(4)), 4.3], [*(name for name, _ in reversed(BEATS)), "clock shown"])
    ax.grid(False)
    label(ax, "time (cycles of the clock that spec databases quote)", "", "One data pin, one clock, four memories")
    rates = ", ".join(f"{clock_mhz * t / 1000:g} Gbit/s ({name})" for name, t in BEATS)
    return figure, f"At a quoted clock of {clock_mhz:,g} MHz one pin carries {rates}."


def one_clock() -> Shown:
    """The picture of `draw_beats` for a code cell."""
    return _shown(*draw_beats())


def _box(x: float, y: float, width: float, height: float, color: str, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor=color, edgecolor=style.pop("edgecolor", "white"),
                     linewidth=style.pop("linewidth", 0.8), **style)


# --- one memory, four clocks ---------------------------------------------------------------------

CONVENTIONS = {"ck": "command clock", "wck": "write clock", "amdgpu": "counted as in amdgpu",
               "nvml": "counted as in nvidia-smi", "effective": "“effective” clock"}
BUSES = (64, 128, 192, 256, 320, 384, 512, 1024, 2048, 4096, 5120, 6144, 7680, 8192)


def draw_clock(card: str, convention: str, overclock_pct: int = 0, bus_bits: int = 0) -> tuple[Figure | str, str]:
    """One card's memory in every way of counting its clock, and what the chosen one gives in GB/s.

    `overclock_pct` moves the clock away from the card's own; `bus_bits` 0 means the card's own width.
    """
    spec = memory_spec(card)
    known = TRANSFERS_PER_CLOCK[spec.mem_type]
    kind = spec.mem_type.upper()
    if convention not in known:
        others = ", ".join(CONVENTIONS[c] for c in known)
        told = f"{kind} has no “{CONVENTIONS[convention]}” here. Choose one of: {others}."
        return f"<p><b>{card}</b> ({kind})</p>", told
    factor = 1 + overclock_pct / 100
    told = clock_card(card, convention, clock_mhz=factor * clock_card(card, convention)["clock_mhz"],
                      bus_bits=bus_bits or None)
    figure, (left, right) = new_figure(9.6, 2.9, 1, 2, width_ratios=[1, 1.15])
    _clock_bars(left, card, convention, factor)
    _result_bars(right, told, spec.published_gb_s)
    left.set_title(f"{card}, {kind}: one memory, {len(known)} clocks", fontsize=10.5, color=INK, loc="left")
    right.set_title(f"{told['clock_mhz']:,.5g} MHz on {told['bus_bits']} bit", fontsize=10.5, color=INK, loc="left")
    return figure, (
        f"{card}, {CONVENTIONS[convention]}: {told['clock_mhz']:,.5g} MHz × {told['transfers_per_clock']} = "
        f"{told['pin_rate_gbit_s']:.4g} Gbit/s a pin, × {told['bus_bits']} bit / 8 = {told['gb_s']:,.5g} GB/s "
        f"(published: {spec.published_gb_s:,g} GB/s); the factor 2 would give {told['double_rate_gb_s']:,.5g} GB/s.")


def _clock_bars(ax: Axes, card: str, chosen: str, factor: float) -> None:
    known = list(TRANSFERS_PER_CLOCK[memory_spec(card).mem_type].items())
    clocks = [factor * clock_card(card, c)["clock_mhz"] for c, _ in known]
    for row, ((convention, transfers), clock) in enumerate(zip(known, clocks)):
        mine = convention == chosen
        ax.barh(row, clock, color=BLUE if mine else "#C9D1D9", height=0.6)
        _beside(ax, clock, row, f"{clock:,.5g} MHz × {transfers}", "bold" if mine else "normal")
    ax.set_yticks(range(len(known)), [("▸ " if c == chosen else "") + CONVENTIONS[c] for c, _ in known])
    ax.set(ylim=(len(known) - 0.5, -0.5), xlim=(0, 1.75 * max(clocks)))
    ax.xaxis.set_major_locator(_few_ticks(4))
    ax.grid(False, axis="y")
    label(ax, "clock shown (MHz)", "")


def _result_bars(ax: Axes, told: dict, published: float) -> None:
    rows = ((f"right factor: × {told['transfers_per_clock']}", told["gb_s"], BLUE, ""),
            ("DDR's factor: × 2", told["double_rate_gb_s"], ORANGE, "//"),
            ("published", published, GREY, ".."))
    for row, (_, value, color, hatch) in enumerate(rows):
        ax.barh(row, value, color=color, hatch=hatch, edgecolor="white", height=0.6)
        _beside(ax, value, row, f"{value:,.5g} GB/s")
    ax.set_yticks(range(3), [name for name, *_ in rows])
    ax.set(ylim=(2.5, -0.5), xlim=(0, 1.35 * max(value for _, value, *_ in rows)))
    ax.xaxis.set_major_locator(_few_ticks(4))
    ax.grid(False, axis="y")
    label(ax, "bandwidth (GB/s)", "")


def _beside(ax: Axes, x: float, y: float, text: str, weight: str = "normal") -> None:
    """A bar's label, a little to the right of its end."""
    ax.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9, color=INK,
                fontweight=weight)


def _few_ticks(count: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count)


def static_picture() -> Figure:
    """What remains of the figures where no kernel runs."""
    return draw_clock("RX 5700 XT", "ck")[0]


def clock_figure() -> Any:
    """The interactive figure "one memory, four clocks"."""
    import ipywidgets as widgets

    return explorer(draw_clock, {
        "card": widgets.Dropdown(options=[s.name for s in SPECS], value="RX 5700 XT", description="card"),
        "convention": widgets.RadioButtons(options=[(text, key) for key, text in CONVENTIONS.items()],
                                           value="amdgpu", description="the tool shows"),
        "overclock_pct": widgets.IntSlider(value=0, min=-50, max=50, description="overclock (%)"),
        "bus_bits": widgets.SelectionSlider(options=[("the card's own", 0), *((f"{b} bit", b) for b in BUSES)],
                                            value=0, description="bus width"),
    }, Prediction(
        "A tool shows 875 MHz for a GDDR6 memory on a 256-bit bus. What is its bandwidth?",
        ("56 GB/s", "112 GB/s", "448 GB/s", "It depends on the tool"), 3,
        "A clock alone says nothing. 875 MHz in Linux's amdgpu means 448 GB/s (factor 16), as a command clock 224 GB/s "
        "(factor 8), in nvidia-smi 56 GB/s (factor 2). Ask which clock is shown."),
        "One memory, four clocks")


# --- warp microscope -----------------------------------------------------------------------------

SLIDERS = "stride, item and offset as set"
CARDS = tuple(s.name for s in SPECS if s.name in GPUS)
_LINEAR_SPAN = 40  # up to this many sectors are drawn side by side, untouched ones too


def draw_warp(pattern: str, stride: int, item_bytes: int, offset: int, card: str = "RTX 2070") -> tuple[Figure, str]:
    """32 lanes above the 32-byte sectors that they touch; requested bytes dark, bytes moved for nothing light."""
    if pattern == SLIDERS:
        addresses = warp_picture(stride, item_bytes, offset)["lane_address"]
    else:
        addresses, item_bytes = WARP_PRESETS[pattern], 4
    requested = sorted({a + i for a in addresses for i in range(item_bytes)})
    touched = sorted({byte // 32 for byte in requested})
    efficiency = len(requested) / (32 * len(touched))
    figure, (ax,) = new_figure(9.6, 2.6)
    _draw_lanes(ax, addresses, item_bytes, _sector_places(ax, touched, requested))
    ax.set_title(_warp_title(pattern, stride, item_bytes, offset), fontsize=10.5, color=INK, loc="left")
    peak = memory_spec(card).published_gb_s
    return figure, (
        f"{_sectors(len(touched))} of 32 bytes touched: {32 * len(touched):,} bytes move, {len(requested):,} of them "
        f"are requested ({efficiency:.1%}). On {card} ({peak:,g} GB/s at best) such loads get at most "
        f"{peak * efficiency:,.4g} GB/s of useful data.")


def _sectors(count: int) -> str:
    return f"{count} sector{'s' if count != 1 else ''}"


def _warp_title(pattern: str, stride: int, item_bytes: int, offset: int) -> str:
    if pattern == SLIDERS:
        return f"One warp: items of {item_bytes} B, stride {stride}, start at byte {offset}"
    return f"One warp, 4-byte items: {pattern}"


def _sector_places(ax: Axes, touched: Sequence[int], requested: Sequence[int]) -> dict[int, float]:
    """Draw the strip of sectors; x of each touched sector's left edge."""
    linear = touched[-1] - touched[0] < _LINEAR_SPAN
    places, x = {}, 0.0
    for previous, sector in zip([touched[0] - 1, *touched], touched):
        for _ in range(sector - previous - 1 if linear else 0):
            ax.add_patch(_box(x, 0, 1, 1, "white", edgecolor="#C9D1D9"))
            x += 1
        if not linear and sector > previous + 1:
            ax.text(x + 0.25, 0.5, "⋯", ha="center", va="center", fontsize=8, color=GREY)
            x += 0.5
        ax.add_patch(_box(x, 0, 1, 1, "#FBE3B5", edgecolor=GREY))
        places[sector], x = x, x + 1
    lefts = [places[byte // 32] + byte % 32 / 32 for byte in requested]
    ax.broken_barh(_runs(lefts), (0, 1), color=ORANGE, linewidth=0)
    ax.set(xlim=(-0.5, x + 0.5), ylim=(-1.1, 5.4), yticks=[0.5, 4.4], xticks=[])
    ax.set_yticklabels([f"{_sectors(len(touched))}\ntouched", "32 lanes"])
    ax.tick_params(length=0)
    for sector in (touched[0], touched[-1]):
        ax.text(places[sector] + 0.5, -0.25, f"byte {32 * sector:,}", ha="center", va="top", fontsize=8.5, color=INK)
        if len(touched) == 1:
            break
    ax.grid(False)
    ax.spines[:].set_visible(False)
    label(ax, "32-byte sectors in the order of their addresses (dark: requested, light: moved for nothing, "
              "white or ⋯: not moved)", "")
    return places


def _runs(lefts: Sequence[float]) -> list[tuple[float, float]]:
    """(left, width) of the stretches that bytes of width 1/32 cover, neighbours joined."""
    runs: list[list[float]] = []
    for left in lefts:
        if runs and abs(runs[-1][0] + runs[-1][1] - left) < 1e-6:
            runs[-1][1] += 1 / 32
        else:
            runs.append([left, 1 / 32])
    return [(left, width) for left, width in runs]


def _draw_lanes(ax: Axes, addresses: Sequence[int], item_bytes: int, places: dict[int, float]) -> None:
    left, right = ax.get_xlim()
    for lane, address in enumerate(addresses):
        x = left + (right - left) * (lane + 0.5) / len(addresses)
        middle = address + item_bytes / 2
        sector = min(int(middle) // 32, max(places))
        sector = sector if sector in places else address // 32
        ax.plot([x, places[sector] + (middle - 32 * sector) / 32], [4.2, 1.05], color=GREY, linewidth=0.6)
        ax.plot(x, 4.4, "o", color=BLUE, markersize=5)
        if lane in (0, len(addresses) - 1):
            ax.text(x, 4.75, f"{lane}", ha="center", fontsize=8.5, color=INK)


def warp_figure() -> Any:
    """The interactive figure "warp microscope"."""
    import ipywidgets as widgets

    return explorer(draw_warp, {
        "pattern": widgets.Dropdown(options=[SLIDERS, *WARP_PRESETS], value=SLIDERS, description="pattern",
                                    layout=widgets.Layout(width="420px")),
        "stride": widgets.IntSlider(value=1, min=0, max=32, description="stride (items)"),
        "item_bytes": widgets.SelectionSlider(options=[1, 2, 4, 8, 16], value=4, description="item (bytes)"),
        "offset": widgets.IntSlider(value=0, min=0, max=64, description="start offset (bytes)"),
        "card": widgets.Dropdown(options=CARDS, value="RTX 2070", description="card"),
    }, Prediction(
        "The 32 lanes of a warp read every eighth float of an array. Which share of the bytes that move was asked for?",
        ("100 %", "50 %", "12.5 %", "3.1 %"), 2,
        "Every eighth float lies in a 32-byte sector of its own: 4 of 32 bytes are useful. A larger stride costs no "
        "more: a lane can't touch more than the one sector that holds its float."),
        "Warp microscope")


def table(head: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> Shown:
    """A table for a code cell."""
    return Shown(table_html(head, rows, caption), _plain_table(head, rows))


def access_table() -> Shown:
    """The presets of the microscope as a table: sectors, bytes moved, useful share."""
    rows = []
    for name, addresses in WARP_PRESETS.items():
        sectors, useful = warp_sectors(np.array(addresses), 4), 4 * len(set(addresses))
        rows.append((name, sectors, f"{32 * sectors:,} B", f"{useful} B", f"{useful / (32 * sectors):.1%}"))
    return table(("32 lanes read 4 bytes each", "sectors", "moved", "requested", "useful share"), rows)


def _plain_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [[str(c) for c in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells)


# --- bandwidth to tokens -------------------------------------------------------------------------

BATCHES = tuple(2**k for k in range(11))
KV_BYTES = 131_072  # Llama-3-8B: 2 * 32 layers * 8 heads * 128 values * 2 bytes
_NAMES = {"B200": "B200 (8 TB/s, as announced)"}


def draw_tokens(params_b: float, bits: float, context: int, batch: int, device: str = "H100 SXM") -> tuple[Figure, str]:
    """Upper bounds of tokens/s over the batch for six GPUs; one of them with both of its roofs."""
    critical = critical_batches(params_b, bits, context)
    grid = sorted({*BATCHES, *(c for c in critical.values() if c and c < BATCHES[-1])})
    curves = decode_curves(params_b, bits, context, grid)
    now = {d: float(decode_curves(params_b, bits, context, [batch])[d][0]) for d in DEVICES}
    figure, (ax,) = new_figure(9.6, 4.2)
    _draw_roofs(ax, params_b, bits, context, device)
    for index, name in enumerate(DEVICES):
        style = line_style(index) | {"linewidth": 2.4 if name == device else 1.2, "markersize": 3}
        marks = [grid.index(b) for b in BATCHES]
        ax.plot(grid, curves[name], label=f"{_NAMES.get(name, name)}: {now[name]:,.0f}", markevery=marks, **style)
        if critical[name] in grid:
            ax.plot(critical[name], curves[name][grid.index(critical[name])], "*", color=style["color"],
                    markersize=13, markeredgecolor="white")
    ax.axvline(batch, color=INK, linewidth=0.9)
    ax.set(xscale="log", yscale="log")
    ax.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1024"])
    ax.minorticks_off()
    ax.legend(title=f"tokens/s at batch {batch}", fontsize=8.5, title_fontsize=9, loc="center left",
              bbox_to_anchor=(1.01, 0.5), frameon=False)
    label(ax, "batch (sequences decoded together)", "tokens/s of the whole batch, at most",
          f"{params_b:g} B weights of {bits:g} bits, {context:,} tokens of cache a sequence (★ compute takes over)")
    return figure, _tokens_told(params_b, bits, context, batch, device, now[device], critical[device])


def _step(params_b: float, bits: float, context: int, batch: int, device: str) -> Any:
    gpu, weights = GPUS[device], params_b * 1e9
    cache = KV_BYTES * context
    return decode_step(weights * bits / 8, cache, batch, 2 * weights, gpu.mem_gb_s, gpu.peak_tflop_s["bf16"])


def _draw_roofs(ax: Axes, params_b: float, bits: float, context: int, device: str) -> None:
    steps = [_step(params_b, bits, context, b, device) for b in BATCHES]
    for name, times, dash in (("memory", [s.memory_ms for s in steps], ":"),
                              ("compute", [s.compute_ms for s in steps], (0, (1, 3)))):
        bound = [1e3 * b / t for b, t in zip(BATCHES, times)]
        ax.plot(BATCHES, bound, color=GREY, linestyle=dash, linewidth=1.4)
        at = len(BATCHES) - 1 if name == "memory" else 0
        ax.annotate(f"{name} bound of {device}", (BATCHES[at], bound[at]), fontsize=8, color=INK,
                    ha="right" if at else "left", va="bottom", xytext=(0, 3), textcoords="offset points")


def _tokens_told(params_b: float, bits: float, context: int, batch: int, device: str, now: float,
                 critical: int | None) -> str:
    step = _step(params_b, bits, context, batch, device)
    turn = (f"From batch {critical:,} on arithmetic is the limit." if critical else
            "However large the batch, the caches keep memory the limit.")
    return (f"{_NAMES.get(device, device)}, batch {batch}: memory needs {_ms(step.memory_ms)} a step and arithmetic "
            f"{_ms(step.compute_ms)}, so at most {now:,.0f} tokens/s, and {step.bound} is the limit. {turn} "
            f"Computed, not measured: dense BF16 peaks, {KV_BYTES:,} bytes of cache a token (Llama-3-8B's); whether it "
            f"all fits into the GPU's memory is not asked.")


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def tokens_figure() -> Any:
    """The interactive figure "bandwidth to tokens"."""
    import ipywidgets as widgets

    return explorer(draw_tokens, {
        "params_b": widgets.SelectionSlider(options=[1, 3, 8, 14, 32, 70], value=8, description="weights (billions)"),
        "bits": widgets.SelectionSlider(options=[4, 4.5, 6, 8, 16], value=16, description="bits a weight"),
        "context": widgets.SelectionSlider(options=[0, 1024, 4096, 8192, 16384, 32768, 131072], value=0,
                                           description="context (tokens)"),
        "batch": widgets.SelectionSlider(options=BATCHES, value=1, description="batch"),
        "device": widgets.Dropdown(options=DEVICES, value="H100 SXM", description="roofs of"),
    }, Prediction(
        "An H100 decodes one sequence of an 8-billion-weight model. Now 8 sequences are decoded together, with short "
        "contexts. By how much do the tokens/s of the whole batch rise?",
        ("Not at all", "About 2 times", "About 8 times"), 2,
        "The weights are read once for the whole batch, so the step takes as long as before and yields 8 tokens. With "
        "long contexts it is less: each sequence brings its own cache."),
        "Bandwidth to tokens")


# --- measured here -------------------------------------------------------------------------------

LADDER = tuple(2**k for k in range(13, 29))
STRIDES = (1, 2, 4, 8, 16, 32)
COLUMNS = (1, 16, 64, 256)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside the block."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def measure_ladder(sizes: Sequence[int] = LADDER, rounds: int = 3,
                   ladder: Callable[..., list[tuple[int, float]]] = bandwidth_ladder) -> list[tuple[int, float]]:
    """(working set in bytes, best GB/s of a copy); all sizes take turns, so that a slow moment hits none alone."""
    found = [ladder(sizes, 2) for _ in range(rounds)]
    return [(size, max(run[i][1] for run in found)) for i, size in enumerate(sizes)]


def ladder_plot(rungs: Sequence[tuple[int, float]]) -> Shown:
    """Copy bandwidth against the size of the working set."""
    sizes, gb_s = zip(*rungs)
    figure, (ax,) = new_figure(8.0, 3.2)
    ax.plot([s / 1024 for s in sizes], gb_s, **line_style(0))
    ax.set(xscale="log", ylim=(0, 1.15 * max(gb_s)))
    ax.set_xticks([8, 64, 512, 4096, 32768, 262144], ["8 KiB", "64 KiB", "512 KiB", "4 MiB", "32 MiB", "256 MiB"])
    ax.minorticks_off()
    label(ax, "working set (source and target together)", "copy, read + write (GB/s)",
          "This machine's CPU, one thread: the caches end where the curve falls")
    best, (size, last) = max(gb_s), rungs[-1]
    return _shown(figure, f"The best rung copies at {best:.0f} GB/s; at {size / 2**20:.0f} MiB, in DRAM, it is "
                          f"{last:.1f} GB/s, {best / last:.1f} times less.")


def measure_strides(n_bytes: int = 1 << 27, rounds: int = 3,
                    read: Callable[..., list[StrideRow]] = strided_read) -> list[StrideRow]:
    """The best of several rounds for each stride of a float32 array of `n_bytes`."""
    found = [read(n_bytes, STRIDES, 1) for _ in range(rounds)]
    return [max(rows, key=lambda row: row.useful_gb_s) for rows in zip(*found)]


def stride_plot(rows: Sequence[StrideRow]) -> Shown:
    """Useful and moved bandwidth of strided reads, with the 1/stride law."""
    strides = [row.stride for row in rows]
    figure, (ax,) = new_figure(8.0, 3.2)
    ax.plot(strides, [row.line_gb_s for row in rows], label="moved: whole 64-byte lines", **line_style(0))
    ax.plot(strides, [row.useful_gb_s for row in rows], label="useful: the floats that are summed", **line_style(1))
    law = [rows[0].useful_gb_s / s for s in strides]
    ax.plot(strides, law, color=GREY, linestyle=":", label="useful at stride 1, divided by the stride")
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(strides, [str(s) for s in strides])
    ax.minorticks_off()
    ax.legend(fontsize=8.5, frameon=False)
    label(ax, "stride (floats)", "bandwidth (GB/s)", "Every stride-th float32 of a 128 MiB array, this machine's CPU")
    last = next(row for row in rows if row.stride == 16)
    return _shown(figure, f"Useful bandwidth falls from {rows[0].useful_gb_s:.1f} GB/s at stride 1 to "
                          f"{last.useful_gb_s:.2f} GB/s at stride 16, while the lines still move at "
                          f"{last.line_gb_s:.0f} GB/s.")


def stream_table(n: int = 1 << 24, repeats: int = 5) -> Shown:
    """The four STREAM kernels on this CPU, counted without and with the read that a store may cause."""
    head = ("kernel", "best (GB/s)", "if each store first reads its line (GB/s)")
    rows = []
    with one_thread():
        for kernel, arrays in (("copy", 2), ("scale", 2), ("add", 3), ("triad", 3)):
            best = stream(kernel, n, repeats=repeats).gb_s_best
            rows.append((kernel, f"{best:.1f}", f"{best * (arrays + 1) / arrays:.1f}"))
    return table(head, rows, f"torch, float32, {4 * n / 2**20:.0f} MiB an array, one thread")


@dataclass(frozen=True)
class MeasuredRoofline:
    """Products of an (n, n) matrix with 1 to 256 vectors, between this CPU's two measured roofs."""

    points: tuple[GemmPoint, ...]
    peak_gflop_s: float
    mem_gb_s: float


def measure_roofline(n: int = 4096) -> MeasuredRoofline:
    """Products in DRAM as points; the roofs are the best rates found, with a square product and STREAM among them."""
    with one_thread():
        streams = [stream(kernel, 1 << 24, repeats=4).gb_s_best for kernel in ("add", "triad")]
        points = measure_gemm(n, COLUMNS, 3)
        square = measure_gemm(1024, [1024], 5)
    peak = max(point.gflop_s for point in (*points, *square))
    return MeasuredRoofline(tuple(points), peak, max(*streams, points[0].gb_s))


def roofline_plot(run: MeasuredRoofline) -> Shown:
    """The measured products under the measured roofs."""
    x = np.geomspace(0.1, 1000, 200)
    figure, (ax,) = new_figure(8.0, 3.6)
    ax.plot(x, [attainable_gflop_s(i, run.peak_gflop_s, run.mem_gb_s) for i in x], color=INK, linewidth=1.6)
    names = {1: "matrix × vector", COLUMNS[-1]: f"matrix × {COLUMNS[-1]} vectors"}
    for index, point in enumerate(run.points):
        ax.plot(point.intensity, point.gflop_s, "o", color=(BLUE, YELLOW, ORANGE, SKY)[index % 4], markersize=8)
        ax.annotate(names.get(point.columns, f"× {point.columns}"), (point.intensity, point.gflop_s), fontsize=9,
                    color=INK, xytext=(8, -12), textcoords="offset points")
    turn = ridge(run.peak_gflop_s, run.mem_gb_s)
    ax.axvline(turn, color=GREY, linestyle=":", linewidth=1.2)
    ax.text(turn, 1.1, f" ridge {turn:.1f} FLOP/byte", fontsize=9, color=INK, va="bottom")
    ax.set(xscale="log", yscale="log", xlim=(0.1, 1000), ylim=(1, 2 * run.peak_gflop_s))
    label(ax, "arithmetic intensity (FLOP per byte of DRAM traffic)", "GFLOP/s",
          f"This machine's CPU, one thread; best found: {run.mem_gb_s:.0f} GB/s, {run.peak_gflop_s:.0f} GFLOP/s")
    first, last = run.points[0], run.points[-1]
    return _shown(figure, (
        f"Matrix × vector: {first.gb_s:.1f} GB/s, {first.gb_s / run.mem_gb_s:.0%} of the memory roof, and only "
        f"{first.gflop_s:.1f} GFLOP/s. Matrix × {last.columns} vectors: {last.gflop_s:.0f} GFLOP/s, "
        f"{last.gflop_s / run.peak_gflop_s:.0%} of the compute roof, and only {last.gb_s:.1f} GB/s."))


def gpu_bandwidth() -> str:
    """The same copy on a GPU against the driver's own peak, or why there is none."""
    copied = cuda_bandwidth()
    if copied is None:
        return ("CUDA is not available here, so the GPU part is left out. "
                "With an NVIDIA GPU this cell copies 1 GiB inside its memory.")
    import torch

    peak = cuda_peak_gb_s()
    share = f", {copied / peak:.0%} of the {peak:,.0f} GB/s from the driver's clock and bus width" if peak else ""
    return f"{torch.cuda.get_device_name(0)}: copying 1 GiB moves {copied:,.0f} GB/s{share}.{_smi_clocks()}"


def _smi_clocks() -> str:
    tool = shutil.which("nvidia-smi")
    if not tool:
        return ""
    asked = [tool, "--query-gpu=clocks.mem,clocks.max.mem", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"\nnvidia-smi shows the memory clock (now, highest): {told.splitlines()[0]}. Take it times 2."

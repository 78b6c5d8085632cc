"""Figures of chapter 51: one SM, the products over the years, what fits on an SM, and waves of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.hardware.gpu_arch import (
    AS_OF,
    GENERATIONS,
    GPUS,
    SM_LIMITS,
    SM_UNITS,
    PoolRow,
    SmUnits,
    active_blocks,
    arch_timeline,
    differing_limits,
    fp32_tflops,
    live_device_props,
    occupancy_grid,
    tensor_fp16_tflops,
    wave_quantization,
    wave_sweep,
)
from utils.hardware.sm_limits import LIMITERS

from .shell import Prediction, explorer
from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    SKY,
    YELLOW,
    Shown,
    label,
    line_style,
    new_figure,
    shown_figure,
    table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# --- tables --------------------------------------------------------------------------------------


def peaks_table() -> Shown:
    """Peaks from units and clocks beside the printed ones, TFLOP/s."""
    rows = []
    for gpu in GPUS.values():
        tensor = tensor_fp16_tflops(gpu)
        printed = gpu.peak_tflop_s.get("fp16_acc16", gpu.peak_tflop_s.get("fp16"))
        rows.append((gpu.name, gpu.sms, gpu.fp32_per_sm, f"{gpu.clock_ghz:g}", f"{fp32_tflops(gpu):.1f}",
                     f"{gpu.peak_tflop_s['fp32']:g}", "-" if tensor is None else f"{tensor:,.1f}",
                     "-" if tensor is None else f"{printed:,g}"))
    head = ("GPU", "SMs", "FP32 lanes an SM", "GHz", "FP32 computed", "FP32 printed", "tensor FP16 computed",
            "tensor FP16 printed")
    return table(head, rows, f"TFLOP/s, dense, at the boost clock ({AS_OF}); tensor: at its fastest accumulation")


def generations_table() -> Shown:
    """What each generation brought."""
    rows = [(g.name, g.year, ", ".join(g.ccs) or "not stated", g.new, g.memory) for g in GENERATIONS.values()]
    checked = ", ".join(sorted({g.as_of for g in GENERATIONS.values()}))
    return table(("architecture", "year", "compute capability", "new for computing", "memory"), rows,
                 f"NVIDIA's architectures, checked {checked}")


def limits_rows(ccs: Sequence[str] = tuple(SM_LIMITS)) -> Shown:
    """What one SM holds, by compute capability."""
    rows = [(cc, s.max_threads, s.max_warps, s.max_blocks, f"{s.regs:,}", s.smem_bytes // 1024,
             s.smem_optin_block_bytes // 1024, s.smem_reserved_block_bytes // 1024)
            for cc, s in ((cc, SM_LIMITS[cc]) for cc in ccs)]
    head = ("capability", "threads", "warps", "blocks", "registers", "shared memory (KiB)", "of it a block (KiB)",
            "reserved a block (KiB)")
    return table(head, rows, "One SM; NVIDIA's arch_traits.h, CUDA 13")


# --- one SM --------------------------------------------------------------------------------------

CELL = {"FP32": (BLUE, ""), "FP32 or INT32": (SKY, "//"), "INT32": (ORANGE, "\\\\"), "FP64": (GREEN, ".."),
        "tensor core": (PINK, "")}


def lane_kinds(units: SmUnits) -> dict[str, int]:
    """Lanes of an SM by what they can do."""
    if units.sharing == "same lanes":
        kinds = {"FP32 or INT32": units.fp32}
    elif units.sharing == "half of the lanes":
        kinds = {"FP32": units.fp32 - units.int32, "FP32 or INT32": units.int32}
    else:
        kinds = {"FP32": units.fp32} | ({"INT32": units.int32} if units.int32 else {})
    return kinds | {"FP64": units.fp64}


FMA_SQUARE = 16  # a square of a tensor core stands for so many multiply-adds in a cycle


def _quarter(ax: Axes, x: float, y: float, units: SmUnits, fma: int) -> None:
    """One quarter in a box of 13 x 8.4 units: scheduler, registers, lanes and tensor cores as squares."""
    from matplotlib.patches import Rectangle

    def box(left: float, bottom: float, width: float, height: float, **look: Any) -> None:
        ax.add_patch(Rectangle((x + left, y + bottom), width, height, linewidth=0.6, **look))

    def text(left: float, bottom: float, words: str, size: float = 8) -> None:
        ax.text(x + left, y + bottom, words, ha="center", va="center", fontsize=size, color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85})

    def squares(left: float, count: int, columns: int, kind: str, top: float = 5.5) -> None:
        color, hatch = CELL[kind]
        for i in range(count):
            row, column = divmod(i, columns)
            box(left + 0.72 * column, top - 0.72 * row, 0.62, 0.62, facecolor=color, hatch=hatch, edgecolor="white")

    box(0, 0, 13, 8.4, facecolor="#F7F8FA", edgecolor=GREY)
    box(0.3, 7.2, 4.4, 0.9, facecolor=YELLOW, edgecolor=INK)
    text(2.5, 7.65, "scheduler")
    box(5.0, 7.2, 7.7, 0.9, facecolor="#E3E6EA", edgecolor=INK)
    text(8.85, 7.65, f"registers {units.registers_kib // units.quarters} KiB")
    left = 0.3
    for kind, count in lane_kinds(units).items():
        mine = count // units.quarters
        if mine:
            squares(left, mine, 4, kind)
            text(left + 1.4, 6.55, f"{mine} {kind}", 7 if len(kind) < 6 else 6)
            left += 3.15
    cores = units.tensor // units.quarters
    columns = int((12.9 - left) / 0.72)
    for core in range(cores):
        squares(left, fma // FMA_SQUARE, columns, "tensor core", top=5.5 - 3 * core)
        text(left + 0.36 * columns, 6.55 - 3 * core, f"tensor {fma:,}", 7)


def draw_sm(chip: str = "GH100") -> tuple[Figure, str]:
    """One SM of a chip: its quarters with their lanes and tensor cores, and the memory that they share."""
    from matplotlib.patches import Rectangle

    units = SM_UNITS[chip]
    gpu = GPUS[units.gpu]
    rows = units.quarters // 2
    figure, (ax,) = new_figure(8.6, 1.1 + 2.6 * rows)
    for q in range(units.quarters):
        _quarter(ax, 13.6 * (q % 2), 9 * (rows - 1 - q // 2), units, gpu.fma_per_tensor_clk)
    width = 26.6 * (units.l1_shared_kib or 256) / 256
    ax.add_patch(Rectangle((0, -2.2), 26.6, 1.6, facecolor="white", edgecolor=GREY, linestyle=":"))
    told = f"L1 and shared memory {units.l1_shared_kib} KiB" if units.l1_shared_kib else "shared memory and L1 apart"
    ax.add_patch(Rectangle((0, -2.2), width, 1.6, facecolor="#E3E6EA", edgecolor=INK))
    ax.text(0.4, -1.4, told, va="center", fontsize=9, color=INK)
    ax.set(xlim=(-0.4, 27), ylim=(-2.6, 9 * rows), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)
    square = f"; a tensor square: {FMA_SQUARE} FMA a cycle" if units.tensor else ""
    ax.set_title(f"One of the {gpu.sms} SMs of the {gpu.name} ({units.arch}, {gpu.year}), as counts{square}",
                 fontsize=10.5, loc="left", color=INK)
    return figure, _sm_told(units)


def _sm_told(units: SmUnits) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in lane_kinds(units).items())
    cores = f"{units.tensor} tensor cores" if units.tensor else "no tensor cores"
    ints = {"same lanes": "integers and FP32 take turns on the same lanes",
            "own lanes": "integers have lanes of their own",
            "half of the lanes": "integers take half of the FP32 lanes",
            "unknown": "how integers share the lanes is not stated in the documents that were read"}[units.sharing]
    small = " The 2 FP64 lanes are not drawn." if units.fp64 < units.quarters else ""
    return (f"{units.chip}: {units.quarters} parts, each with a scheduler and "
            f"{units.registers_kib // units.quarters} KiB of registers; in all {kinds} lanes and "
            f"{cores}; {ints}.{small} Source: {units.source}.")


def sm_picture(chip: str) -> Shown:
    """The picture of `draw_sm` for a code cell."""
    return shown_figure(*draw_sm(chip))


def sm_view() -> Any:
    """One SM with a choice of chips, after a guess."""
    import ipywidgets as widgets

    knobs = {"chip": widgets.Dropdown(options=[(f"{u.gpu} ({u.arch})", chip) for chip, u in SM_UNITS.items()],
                                      value="GH100", description="GPU")}
    guess = Prediction("The A100 has fewer tensor cores in an SM than the V100 before it. Is its SM slower at "
                       "matrices?",
                       ("yes, it has half of them", "no, each one does four times as much", "it is the same"), 1,
                       "8 cores of 64 multiply-adds became 4 of 256. Counting cores says nothing; ask for "
                       "multiply-adds a cycle.")
    return explorer(draw_sm, knobs, guess, "One SM, generation by generation")


# --- the timeline --------------------------------------------------------------------------------

METRICS = {  # field of ArchRow, axis label, how a value is told
    "peak": ("fp16_tflop_s", "FP16 peak, dense (TFLOP/s, log)", "{:,.0f} TFLOP/s"),
    "bandwidth": ("mem_gb_s", "memory bandwidth (GB/s, log)", "{:,.0f} GB/s"),
    "ridge": ("ridge", "ridge point in FP16 (FLOP/byte, log)", "{:,.0f} FLOP/byte"),
    "efficiency": ("tflop_s_per_w", "FP16 peak per watt (TFLOP/s per W, log)", "{:.2g} TFLOP/s per W"),
}
_SHIFT = {"A100 40GB": -0.13, "A100 80GB": 0.13, "T4": -0.1, "RTX 2070": 0.1, "L4": -0.1, "H200": 0.1}
_BESIDE = {"A100 80GB": (6, -11, "left"), "H200": (7, -9, "left"), "L4": (-7, -10, "right"),
           "RTX 5090": (0, 8, "center")}


def _plain_log(ax: Axes) -> None:
    """A log axis whose ticks read 20, 50, 100."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,g}"))
    ax.minorticks_off()


def draw_timeline(metric: str = "ridge") -> tuple[Figure, str]:
    """The products over the years; filled: HBM, open: GDDR. Products without tensor cores are crossed."""
    field, axis, told = METRICS[metric]
    rows = arch_timeline()
    figure, (ax,) = new_figure(9.0, 4.2)
    for stacked, color, marker, name in ((True, BLUE, "o", "HBM, stacked beside the GPU"),
                                         (False, ORANGE, "s", "GDDR, on the board")):
        mine = [(r.name, r.year + _SHIFT.get(r.name, 0), getattr(r, field)) for r in rows if r.stacked is stacked]
        ax.plot([x for _, x, _ in mine], [y for _, _, y in mine], marker, color=color, markersize=7, label=name,
                markerfacecolor=color if stacked else "white", linestyle="none")
        for r, x, y in mine:
            dx, dy, side = _BESIDE.get(r, (-7, 4, "right") if stacked else (7, 4, "left"))
            ax.annotate(r, (x, y), fontsize=8, color=INK, xytext=(dx, dy), textcoords="offset points", ha=side)
    old = [r for r in rows if not r.tensor]
    ax.plot([r.year for r in old], [getattr(r, field) for r in old], "x", color=INK, markersize=10,
            label="no tensor cores (980: FP32)", linestyle="none")
    _plain_log(ax)
    ax.set(xlim=(2013, 2026))
    ax.set_xticks(range(2014, 2026, 2))
    ax.legend(fontsize=8, frameon=False, loc="lower right" if metric != "efficiency" else "upper left")
    label(ax, "year of the product", axis, f"NVIDIA's GPUs, {metric} ({AS_OF})")
    by_name = {r.name: told.format(getattr(r, field)) for r in rows}
    names = ("P100", "V100", "A100 80GB", "H100 SXM", "H200", "B200", "RTX 4090", "RTX 5090")
    return figure, f"{metric.capitalize()}: " + ", ".join(f"{n} {by_name[n]}" for n in names) + ". Data sheets, dense."


def timeline_view() -> Any:
    """The timeline with a choice of what is drawn, after a guess."""
    import ipywidgets as widgets

    knobs = {"metric": widgets.Dropdown(options=list(METRICS), value="ridge", description="show")}
    guess = Prediction("From V100 (2017) to H100 (2022) the tensor peak grew 7.9 times. By how much did the "
                       "bandwidth grow?",
                       ("about 8 times as well", "3.7 times", "not at all"), 1,
                       "898 to 3,350 GB/s. So the ridge point rose from 139 to 295 FLOP per byte: more and more layers "
                       "wait for memory. The H200 went the other way, with more bandwidth for the same arithmetic.")
    return explorer(draw_timeline, knobs, guess, "Ten years of products")


# --- occupancy -----------------------------------------------------------------------------------

LIMIT_LOOK = {"warps": (BLUE, "W"), "blocks": (GREEN, "B"), "registers": (ORANGE, "R"), "shared memory": (PINK, "S")}
THREADS, REGS = tuple(range(32, 1025, 32)), tuple(range(16, 256, 8))


def _paint(occupancy: np.ndarray, limiter: np.ndarray) -> np.ndarray:
    """Each cell in the colour of its limit, the paler the lower its occupancy; white where nothing starts."""
    from matplotlib.colors import to_rgb

    base = np.array([to_rgb(LIMIT_LOOK[name][0]) for name in LIMITERS])[limiter]  # (threads, regs, 3)
    share = (0.12 + 0.88 * occupancy)[..., None] * (occupancy > 0)[..., None]
    return 1 - share * (1 - base)


def draw_occupancy(cc: str = "8.0", smem_kib: int = 0, regs: int = 64, threads: int = 256) -> tuple[Figure, str]:
    """Left: occupancy for all block sizes and registers, coloured by the limit. Right: a cut at `regs`."""
    grid = occupancy_grid(cc, smem_kib * 1024, THREADS, REGS)
    here = active_blocks(cc, regs, smem_kib * 1024, threads)
    figure, (left, right) = new_figure(10.2, 4.1, 1, 2, width_ratios=[1.15, 1])
    left.imshow(_paint(grid.occupancy, grid.limiter), origin="lower", aspect="auto", interpolation="nearest",
                extent=(12, 252, 16, 1040))
    for i in range(1, len(THREADS), 5):
        for j in range(1, len(REGS), 5):
            if grid.occupancy[i, j]:
                letter = LIMIT_LOOK[LIMITERS[grid.limiter[i, j]]][1]
                left.text(REGS[j], THREADS[i], letter, fontsize=8, color=INK, ha="center", va="center",
                          bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5})
    left.plot(regs, threads, "P", color="white", markeredgecolor="black", markersize=11)
    left.axvline(regs, color=INK, linewidth=0.8, linestyle=":")
    left.grid(False)
    left.set_yticks([32, 256, 512, 768, 1024])
    label(left, "registers a thread", "threads a block",
          "The limit: W warps, B blocks, R registers,\nS shared memory; the paler, the emptier")
    cut = [100 * active_blocks(cc, regs, smem_kib * 1024, t).occupancy for t in THREADS]
    right.plot(THREADS, cut, color=BLUE, marker=".", drawstyle="default")
    right.plot(threads, 100 * here.occupancy, "P", color="white", markeredgecolor="black", markersize=11)
    right.set(ylim=(0, 105), xlim=(0, 1056))
    right.set_xticks([32, 256, 512, 768, 1024])
    label(right, "threads a block", "occupancy (%)",
          f"Capability {cc}, {regs} registers,\n{smem_kib} KiB of shared memory a block")
    warps = SM_LIMITS[cc].max_warps
    if not here.blocks:
        return figure, (f"Capability {cc}: a block of {threads} threads with {regs} registers each and {smem_kib} KiB "
                        f"of shared memory can't start. The limit: {here.limiter}.")
    return figure, (f"Capability {cc}: {here.blocks} block{'s' * (here.blocks != 1)} of {threads} threads with {regs} "
                    f"registers each and {smem_kib} KiB of shared memory fit, {here.warps} of {warps} warps, "
                    f"{100 * here.occupancy:.3g} %. The limit: {here.limiter}.")


def occupancy_view() -> Any:
    """The occupancy explorer with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "cc": widgets.SelectionSlider(options=list(SM_LIMITS), value="8.0", description="capability"),
        "smem_kib": widgets.SelectionSlider(options=(0, 4, 8, 16, 32, 48, 64, 96), value=0,
                                            description="shared memory a block (KiB)"),
        "regs": widgets.IntSlider(64, 16, 255, description="registers a thread"),
        "threads": widgets.IntSlider(256, 32, 1024, 32, description="threads a block"),
    }
    guess = Prediction("On an A100 blocks of 512 threads with 64 registers a thread reach 50 % occupancy. The compiler "
                       "needs one register more. What is left?", ("about 49 %", "44 %", "25 %"), 2,
                       "65 registers take 72: they come in steps of 8 a thread. Then only one block of 512 fits "
                       "instead of two. Set 65 and 512, and look at smaller blocks: 43.75 % for 128 threads.")
    return explorer(draw_occupancy, knobs, guess, "What fits on an SM")


# --- waves ---------------------------------------------------------------------------------------


def draw_waves(n: int = 1664, m: int = 1152, tile: int = 128, sms: int = 108) -> tuple[Figure, str]:
    """Left: the SMs over the waves. Right: the share of slots with work for all n."""
    from matplotlib.colors import ListedColormap

    here = wave_quantization(m, n, tile, tile, sms)
    figure, (left, right) = new_figure(10.2, 3.3, 1, 2, width_ratios=[1.15, 1])
    slots = np.zeros(here.waves * sms)
    slots[: here.tiles] = 1
    left.imshow(slots.reshape(here.waves, sms), aspect="auto", interpolation="nearest", vmin=0, vmax=1,
                cmap=ListedColormap(["#E9ECEF", BLUE]), extent=(0, sms, here.waves, 0))
    for wave in range(1, here.waves):
        left.axhline(wave, color="white", linewidth=1.5)
    left.grid(False)
    left.set_yticks([w + 0.5 for w in range(here.waves)], [str(w + 1) for w in range(here.waves)])
    label(left, "SM (blue: works on a tile; grey: idle)", "wave",
          f"{here.tiles} tiles of {tile} × {tile} on {sms} SMs")
    ns = list(range(max(tile // 4, 16), 4097, 16))
    right.plot(ns, [100 * w.utilization for _, w in wave_sweep(m, ns, tile, sms)], color=BLUE, linewidth=1)
    right.plot(n, 100 * here.utilization, "P", color="white", markeredgecolor="black", markersize=11)
    right.set(ylim=(0, 105))
    label(right, f"n, columns of the {m:,} × n result", "slots with work (%)", "Saw teeth: each new wave begins empty")
    waves = f"{here.waves} wave{'s' * (here.waves != 1)}"
    return figure, (f"A result of {m:,} × {n:,} has {here.tiles} tiles. On {sms} SMs they take {waves}, and "
                    f"{100 * here.utilization:.1f} % of the slots have work. Computed for tiles of equal time.")


def waves_picture(n: int, m: int, tile: int, sms: int) -> Shown:
    """The picture of `draw_waves` for a code cell."""
    return shown_figure(*draw_waves(n, m, tile, sms))


def waves_view() -> Any:
    """The waves with knobs, after a guess."""
    import ipywidgets as widgets

    knobs = {
        "n": widgets.IntSlider(1664, 64, 4096, 64, description="n"),
        "m": widgets.IntSlider(1152, 64, 4096, 64, description="m"),
        "tile": widgets.SelectionSlider(options=(64, 128, 256), value=128, description="tile"),
        "sms": widgets.SelectionSlider(options=[(f"{name}: {GPUS[full].sms}", GPUS[full].sms) for name, full in (
            ("T4", "T4"), ("V100", "V100"), ("A100", "A100 80GB"), ("H100", "H100 SXM"), ("B200", "B200"))],
                                       value=108, description="SMs"),
    }
    guess = Prediction("117 equal tiles run on 108 SMs, one on an SM at a time. How much longer than 108 tiles do they "
                       "take?", ("8 %", "54 %", "100 %"), 2,
                       "The last 9 tiles need a wave of their own, and 99 SMs wait for them. Try tiles of 64: 468 of "
                       "them take 5 waves, and 87 % of the slots have work.")
    return explorer(draw_waves, knobs, guess, "Waves of tiles")


# --- the experiment ------------------------------------------------------------------------------


def draw_teeth(regs: int = 40) -> tuple[Figure, str]:
    """Occupancy over block sizes for all capabilities; those with the same curve share a line."""
    curves: dict[tuple[float, ...], list[str]] = {}
    threads = tuple(range(32, 1025, 32))
    for cc in SM_LIMITS:
        curves.setdefault(tuple(active_blocks(cc, regs, 0, t).occupancy for t in threads), []).append(cc)
    figure, (ax,) = new_figure(9.0, 3.6)
    for i, (curve, ccs) in enumerate(curves.items()):
        ax.plot(threads, [100 * c for c in curve], label=", ".join(ccs), **line_style(i))
    ax.set(ylim=(0, 105))
    ax.set_xticks(range(0, 1025, 128))
    ax.legend(title="capability", fontsize=8, title_fontsize=8, frameon=False, loc="center left",
              bbox_to_anchor=(1.01, 0.5))
    label(ax, "threads a block", "occupancy (%)", f"{regs} registers a thread, no shared memory")
    worst = {ccs[0]: min(curve[3:]) for curve, ccs in curves.items()}
    told = ", ".join(f"{cc} {100 * share:.3g} %" for cc, share in worst.items())
    return figure, (f"{len(SM_LIMITS)} capabilities give {len(curves)} different curves with {regs} registers. The "
                    f"lowest occupancy from 128 threads on: {told}.")


def teeth_picture(regs: int = 40) -> Shown:
    """The picture of `draw_teeth` for a code cell."""
    return shown_figure(*draw_teeth(regs))


def pool_table(rows: Sequence[PoolRow]) -> Shown:
    """Measured times of a thread pool, against those of its first row."""
    base = rows[0].seconds
    cells = [(r.tiles, r.waves, f"{1000 * r.seconds:.1f}", f"{r.seconds / base:.2f}") for r in rows]
    return table(("tiles", "waves", "ms", "of the first row"), cells, "Measured on this machine: tiles that sleep")


def gpu_note() -> Shown:
    """This machine's GPU beside the table, and a matrix product over n; or what it would show where there is none."""
    device = live_device_props()
    if device is None:
        told = ("No CUDA GPU is here. On one, this cell compares the device's limits with the table, and times "
                "products of (1152, 4096) and (4096, n) in FP16 for n in steps of 128.")
        return Shown(f"<p>{told}</p>", told)
    differing = differing_limits(device)
    agree = ("its capability is not in the table" if differing is None else
             "its limits agree with the table" if not differing else f"it differs from the table: {differing}")
    rows = [(n, wave_quantization(1152, n, 128, 128, device.sms).waves, f"{us:.1f}") for n, us in matmul_times()]
    caption = f"Measured on {device.name}, capability {device.cc}, {device.sms} SMs; {agree}"
    return table(("n", "waves of 128 × 128 tiles", "µs"), rows, caption)


def matmul_times(ns: Sequence[int] = tuple(range(1024, 3073, 128)), m: int = 1152, k: int = 4096, device: str = "cuda",
                 repeats: int = 20) -> list[tuple[int, float]]:
    """(n, microseconds) of a product (m, k) times (k, n), the best of some repeats; FP16 on a GPU."""
    import time

    import torch

    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    dtype = torch.float16 if device == "cuda" else torch.float32
    a, rows = torch.ones(m, k, device=device, dtype=dtype), []
    for n in ns:
        b, best = torch.ones(k, n, device=device, dtype=dtype), float("inf")
        a @ b
        for _ in range(repeats):
            wait()
            start = time.perf_counter()
            a @ b
            wait()
            best = min(best, time.perf_counter() - start)
        rows.append((n, 1e6 * best))
    return rows


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs."""
    return draw_occupancy("8.0", 0, 65, 512)[0]

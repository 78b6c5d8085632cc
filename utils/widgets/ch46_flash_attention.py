"""Figures and measurements of chapter 46: the tile theatre, the traffic map, the growth of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.attention.attention_memory import KernelRun, attention_peaks, loglog_slope, run_sdpa
from utils.attention.flash_trace import TileEvent, flash_trace
from utils.attention.hbm import attention_hbm_elements, block_sizes, flash2_tiles, traffic_curves
from utils.attention.merge import online_softmax_states
from utils.attention.published import VERSIONS, VERSIONS_AS_OF, on_chip_mib
from utils.cost.roofline import ridge
from utils.hardware.gpu_arch import GPUS
from utils.widgets.shell import Prediction, explorer

from .style import BLUE, GREEN, GREY, INK, ORANGE, SKY, Shown, label, line_style, new_figure, shown_figure, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# --- for the explanation ----------------------------------------------------------------------


def memory_tiers() -> Shown:
    """The memories of an A100 40GB: size, and bandwidth where it is published."""
    chip, gpu = on_chip_mib(), GPUS["A100 40GB"]
    rows = (("registers", f"{chip['registers']:.2f} MiB", "256 KiB × 108", "not published"),
            ("L1 and shared memory", f"{chip['l1_and_shared']:.2f} MiB", "192 KiB × 108",
             "19 TB/s (the paper's estimate)"),
            ("… usable as shared memory", f"{chip['shared_usable']:.2f} MiB", "164 KiB × 108", ""),
            ("L2 cache", f"{chip['l2']:.2f} MiB", "one for all", "not published"),
            ("HBM", f"{gpu.mem_gb} GB", "", f"{gpu.mem_gb_s / 1000:.3f} TB/s"))
    return table(("memory", "size", "made of", "bandwidth"), rows, "A100 40GB, 108 multiprocessors")


def version_table() -> Shown:
    """The four versions; the share of the chip's dense peak is computed where the paper gives a speed."""
    rows = []
    for v in VERSIONS:
        peak = GPUS[v.gpu].peak_tflop_s[v.dtype]
        share = f"{v.tflop_s / peak:.0%} of {peak:,.0f}" if v.tflop_s else "as reported"
        rows.append((f"{v.version} ({v.year})", v.gpu.split()[0], v.new, v.best, share, v.source))
    return table(("version", "made for", "new", "best reported", "share of the dense peak", "source"), rows,
                 f"Checked in {VERSIONS_AS_OF}")


def draw_two_orders(n: int = 16, block: int = 4) -> tuple[Figure, str]:
    """The order in which both versions visit the tiles of a causal n × n grid."""
    figure, (left, right) = new_figure(8.2, 4.1, 1, 2)
    kernels = (("flash1", left, "2022: down a column, K and V stay"),
               ("flash2", right, "2023: along a row, Q and O stay"))
    counts = {}
    for algorithm, ax, title in kernels:
        events = flash_trace(n, block, block, True, algorithm)
        visited = [e for e in events if not e.skipped]
        counts[algorithm] = len(visited)
        for number, event in enumerate(visited, 1):
            _tile(ax, event, SKY if event.rows[0] >= event.cols[0] else "#E3E6EA")
            ax.text(sum(event.cols) / 2, sum(event.rows) / 2, str(number), ha="center", va="center", fontsize=11,
                    color=INK)
        for event in events:
            if event.skipped:
                _tile(ax, event, "white", hatch="///")
        _grid_axes(ax, n, title)
    return figure, (f"A causal {n} × {n} grid in tiles of {block} × {block}. The 2022 algorithm, as printed, goes down "
                    f"the columns and visits {counts['flash1']} tiles, the grey ones for nothing. FlashAttention-2 "
                    f"goes along the rows and skips the hatched ones: {counts['flash2']} tiles.")


def two_orders() -> Shown:
    """The picture of `draw_two_orders` for a code cell."""
    return shown_figure(*draw_two_orders())


def _tile(ax: Axes, event: TileEvent, color: str, **style: Any) -> None:
    from matplotlib.patches import Rectangle

    (top, bottom), (left, right) = event.rows, event.cols
    options = {"edgecolor": GREY, "linewidth": 0.8, **style}
    ax.add_patch(Rectangle((left, top), right - left, bottom - top, facecolor=color, **options))


def _grid_axes(ax: Axes, n: int, title: str) -> None:
    ax.set(xlim=(0, n), ylim=(n, 0), aspect="equal")
    ticks = range(0, n + 1, max(1, n // 8))
    ax.set_xticks(ticks)
    ax.set_yticks(ticks)
    ax.grid(False)
    label(ax, "key", "query", title)


# --- tile theatre -----------------------------------------------------------------------------

HEAD = 4  # features a head has in the theatre: small, so that a small grid shows the effect
NAMES = {"flash1": "FlashAttention (2022)", "flash2": "FlashAttention-2"}


def draw_theatre(n: int, block_q: int, block_k: int, causal: bool, algorithm: str, step: int,
                 row: int) -> tuple[Figure, str]:
    """The score grid after `step` tiles, the traffic so far, and the running softmax of one row.

    `step` and `row` beyond the last are the last. The 2022 algorithm has no causal skipping here: `causal` is
    ignored with it.
    """
    causal = causal and algorithm == "flash2"
    events = flash_trace(n, block_q, block_k, causal, algorithm, d=HEAD)
    step, row = min(step, len(events)), min(row, n - 1)
    figure, (grid, meter, softmax) = new_figure(11.4, 3.9, 1, 3, width_ratios=(1.25, 0.95, 1.25))
    _draw_grid(grid, events[:step], n, row, causal)
    standard = attention_hbm_elements(n, HEAD, block_q, block_k, "standard")
    _draw_meter(meter, events, step, standard)
    seen, visible, m, l = _running_row(events[:step], n, row, causal)
    _draw_row(softmax, n, row, seen, visible, m, l)
    return figure, _tell_theatre(events, step, n, algorithm, causal, standard, row, len(seen), visible, m, l)


def row_scores(n: int, row: int) -> np.ndarray:
    """The made-up scores (n,) of one row."""
    return np.random.default_rng([n, row]).normal(scale=1.5, size=n).round(2)


def _running_row(events: Sequence[TileEvent], n: int, row: int, causal: bool) -> tuple[list[int], int, float, float]:
    """Keys that the row has seen, how many it will see, and its running m and l."""
    visible = row + 1 if causal else n
    tiles = [e.cols for e in events if not e.skipped and e.rows[0] <= row < e.rows[1]]
    seen = [j for start, stop in tiles for j in range(start, min(stop, visible))]
    m, l = -np.inf, 0.0
    if seen:
        *_, (m, l) = online_softmax_states(row_scores(n, row)[seen], tiles[0][1] - tiles[0][0])
    return seen, visible, m, l


def _draw_grid(ax: Axes, events: Sequence[TileEvent], n: int, row: int, causal: bool) -> None:
    for event in events:
        _tile(ax, event, "white" if event.skipped else SKY, hatch="///" if event.skipped else None)
    if events:
        _tile(ax, events[-1], "none", edgecolor=ORANGE, linewidth=3)
        done = events[-1].done_rows
        ax.barh(done / 2, n / 24, height=done, left=-n / 16, color=GREEN, clip_on=False)
    if causal:
        edges = np.repeat(np.arange(n + 1), 2)
        ax.plot(edges[1:], edges[:-1], color=INK, linewidth=1, linestyle=":")
    ax.axhline(row + 0.5, color=INK, linewidth=1, linestyle="--")
    _grid_axes(ax, n, "orange: on chip now, green: rows final")
    ax.spines[:].set_visible(True)
    ax.set_xlim(-n / 14, n)


def _draw_meter(ax: Axes, events: Sequence[TileEvent], step: int, standard: int) -> None:
    reads, writes = (events[step - 1].reads, events[step - 1].writes) if step else (0, 0)
    last = events[-1]
    for x, now, end, color, hatch in ((0, reads, last.reads, BLUE, ""), (1, writes, last.writes, ORANGE, "//")):
        ax.bar(x, end, color="white", edgecolor=GREY, width=0.6, linestyle="--")
        ax.bar(x, now, color=color, hatch=hatch, edgecolor="white", width=0.6)
        ax.annotate(f"{now:,}\nof {end:,}", (x, max(now, end)), xytext=(0, 3), textcoords="offset points", ha="center",
                    fontsize=9, color=INK)
    ax.bar(2, standard, color="#C9D1D9", hatch="..", edgecolor="white", width=0.6)
    ax.annotate(f"{standard:,}", (2, standard), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9,
                color=INK)
    ax.set_xticks(range(3), ["read", "written", "standard,\nboth"])
    ax.set_ylim(0, 1.25 * max(standard, last.reads, last.writes))
    ax.grid(False, axis="x")
    label(ax, "", "elements through HBM", f"Traffic so far (d = {HEAD})")


def _draw_row(ax: Axes, n: int, row: int, seen: Sequence[int], visible: int, m: float, l: float) -> None:
    scores = row_scores(n, row)
    colors = [BLUE if j in set(seen) else "#D5DAE0" for j in range(n)]
    ax.bar(np.arange(n), scores, color=colors, width=0.8)
    if visible < n:
        ax.axvspan(visible - 0.5, n - 0.5, facecolor="white", edgecolor=GREY, hatch="///", linewidth=0, alpha=0.6)
    if np.isfinite(m):
        ax.axhline(m, color=ORANGE, linewidth=2)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set(xlim=(-0.6, n - 0.4), ylim=(scores.min() - 0.5, scores.max() + 1.6))
    told = f"m = {m:.2f}, l = {l:.3f}" if np.isfinite(m) else "m = −∞, l = 0"
    ax.text(0.02, 0.97, told, transform=ax.transAxes, va="top", fontsize=10.5, color=INK)
    label(ax, "key", "score", f"Row {row}: keys seen (dark), maximum (orange)")


def _tell_theatre(events: Sequence[TileEvent], step: int, n: int, algorithm: str, causal: bool, standard: int, row: int,
                  seen: int, visible: int, m: float, l: float) -> str:
    total = events[-1].reads + events[-1].writes
    name = NAMES[algorithm] + (", causal" if causal else "")
    if not step:
        return f"{name}, {n} × {n}: nothing has moved yet. All {len(events)} tiles will move {total:,} elements."
    now = events[step - 1]
    tile = f"queries {now.rows[0]}–{now.rows[1] - 1}, keys {now.cols[0]}–{now.cols[1] - 1}"
    state = f"m = {m:.2f}, l = {l:.3f}" if seen else "nothing yet"
    return (f"{name}, tile {step} of {len(events)} ({tile}{'; skipped, no key is visible' if now.skipped else ''}): "
            f"{now.reads:,} elements read, {now.writes:,} written; {now.done_rows} of {n} rows are final. "
            f"Row {row} has seen {seen} of {visible} keys: {state}. In the end {total:,} elements move, "
            f"in standard attention {standard:,}.")


def tile_theatre() -> Any:
    """The interactive figure "tile theatre"."""
    import ipywidgets as widgets

    sizes = [2, 4, 8, 16]
    knobs = {
        "algorithm": widgets.RadioButtons(options=[(name, key) for key, name in NAMES.items()], value="flash2",
                                          description="algorithm"),
        "n": widgets.SelectionSlider(options=[8, 16, 32, 64], value=16, description="N"),
        "block_q": widgets.SelectionSlider(options=sizes, value=4, description="rows of a tile"),
        "block_k": widgets.SelectionSlider(options=sizes, value=4, description="columns of a tile"),
        "causal": widgets.Checkbox(value=False, description="causal"),
        "step": widgets.IntSlider(value=7, min=0, max=16, description="tiles done",
                                  layout=widgets.Layout(width="420px", max_width="95%")),
        "row": widgets.IntSlider(value=5, min=0, max=15, description="row to follow"),
    }

    def limits(_: Any = None) -> None:
        n = knobs["n"].value
        knobs["step"].max = -(-n // knobs["block_q"].value) * -(-n // knobs["block_k"].value)
        knobs["row"].max = n - 1

    for name in ("n", "block_q", "block_k"):
        knobs[name].observe(limits, "value")
    return explorer(draw_theatre, knobs, Prediction(
        "16 keys in 4 tiles of keys. How often does the 2022 algorithm write a row of O to HBM, its first zeros "
        "included?",
        ("once", "4 times", "5 times", "16 times"), 2,
        "Zeros at the start, and a new version after each of the 4 key tiles. FlashAttention-2 keeps the row on chip "
        "and writes it once. Compare both: watch the orange bar."), "Tile theatre")


# --- traffic map ------------------------------------------------------------------------------

LENGTHS = tuple(2**p for p in range(7, 18))
MAP_GPUS = ("A100 40GB", "A100 80GB", "H100 SXM", "H200", "B200")
_LINES = (("standard", "standard"), ("flash1", "FlashAttention (2022)"), ("flash2", "FlashAttention-2"))


def draw_traffic(n: int, d: int, sram_kib: float, block_q: int, gpu: str) -> tuple[Figure, str]:
    """HBM bytes of one FP16 head, and the least time, against N; `block_q` 0 means the tallest tile that fits.

    A wanted `block_q` that the SRAM cannot hold is cut to the tallest.
    """
    chip = GPUS[gpu]
    peak, bandwidth = chip.peak_tflop_s["fp16"], chip.mem_gb_s
    tallest, block_k = flash2_tiles(int(sram_kib * 512), d)
    used = min(block_q or tallest, tallest)
    curves = traffic_curves(LENGTHS, d, sram_kib, peak, bandwidth, block_q=used)
    at = LENGTHS.index(n)
    figure, (left, right) = new_figure(10.6, 4.0, 1, 2)
    for index, (key, name) in enumerate(_LINES):
        left.loglog(LENGTHS, curves[f"{key}_bytes"] / 1e6, label=name, **line_style(index))
        right.loglog(LENGTHS, curves[f"{key}_ms"], label=name, **line_style(index))
    compute = [4 * x * x * d / (peak * 1e9) for x in LENGTHS]
    right.loglog(LENGTHS, compute, color=INK, linewidth=1, linestyle=":", label="arithmetic alone")
    for ax in (left, right):
        ax.axvline(n, color=GREY, linewidth=1, linestyle="--")
        ax.set_xscale("log", base=2)
        ax.set_xticks(LENGTHS[::2], [f"{x:,}" for x in LENGTHS[::2]])
    label(left, "sequence length N", "HBM traffic of one head (MB)", f"d = {d}, tiles for {sram_kib:g} KiB of SRAM")
    label(right, "sequence length N", "least time of one head (ms)", f"{gpu}: the larger of memory and arithmetic")
    left.legend(frameon=False, fontsize=9)
    right.legend(frameon=False, fontsize=9)
    return figure, _tell_traffic(curves, at, n, d, sram_kib, used, block_k, gpu, ridge(peak * 1000, bandwidth))


def _tell_traffic(curves: dict[str, np.ndarray], at: int, n: int, d: int, sram_kib: float, block_q: int, block_k: int,
                  gpu: str, ridge_point: float) -> str:
    moved = {key: float(curves[f"{key}_bytes"][at]) for key, _ in _LINES}
    br1, bc1 = block_sizes(int(sram_kib * 512), d)
    gain = moved["standard"] / moved["flash2"]
    factor = f"{_digits(gain)} times less" if gain >= 1 else f"{_digits(1 / gain)} times more"
    verdicts = "; ".join(f"{name}: {curves[f'{key}_bound'][at]}-bound, at least {_digits(curves[f'{key}_ms'][at])} ms"
                         for key, name in _LINES)
    return (f"N = {n:,}, d = {d}, FP16: standard moves {_size(moved['standard'])} a head, the 2022 algorithm "
            f"{_size(moved['flash1'])} (tiles {br1} × {bc1}), FlashAttention-2 {_size(moved['flash2'])} "
            f"(tiles {block_q} × {block_k}), {factor} than standard; the limit for long N is 2·Br/d = "
            f"{_digits(2 * block_q / d)}. {gpu}, ridge {ridge_point:.0f} FLOP/byte. {verdicts}.")


def _digits(x: float) -> str:
    """Three digits, whole numbers from 100 on."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def _size(n_bytes: float) -> str:
    """Bytes in MB, GB or TB with three digits."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9)):
        if n_bytes >= factor:
            return f"{_digits(n_bytes / factor)} {unit}"
    return f"{_digits(n_bytes / 1e6)} MB"


def traffic_map() -> Any:
    """The interactive figure "traffic map"."""
    import ipywidgets as widgets

    return explorer(draw_traffic, {
        "n": widgets.SelectionSlider(options=[(f"{x:,}", x) for x in LENGTHS], value=8192, description="N"),
        "d": widgets.SelectionSlider(options=[32, 64, 128, 256], value=64, description="head size d"),
        "sram_kib": widgets.SelectionSlider(options=[4, 8, 16, 32, 64, 100, 164, 228], value=164,
                                            description="SRAM of a multiprocessor (KiB)"),
        "block_q": widgets.Dropdown(options=[("tallest that fits", 0), *((f"{b} rows", b) for b in (64, 128, 256))],
                                    value=128, description="query tile"),
        "gpu": widgets.Dropdown(options=MAP_GPUS, value="A100 40GB", description="GPU"),
    }, Prediction(
        "A query tile has 128 rows. The head size goes from 64 to 128. What becomes of FlashAttention-2's advantage in "
        "bytes at long N?",
        ("it doubles", "it stays", "it halves"), 2,
        "The factor tends to 2·Br/d: 4 at d = 64, 2 at d = 128. K and V are twice as wide, and S is as large as "
        "before. Then make the SRAM tiny, and see the lines cross."), "Traffic map")


# --- the experiment ---------------------------------------------------------------------------

NUMPY_NS = (256, 512, 1024, 2048)
TORCH_NS = (256, 512, 1024, 2048)


def measure_numpy() -> dict[str, list[int]]:
    """Peak bytes of both NumPy versions for each N, d = 64 in float64, tiles of 64 × 64."""
    return attention_peaks(NUMPY_NS)


def measure_torch(ns: Sequence[int] = TORCH_NS, backends: Sequence[str] = ("math", "flash")) -> list[KernelRun]:
    """Runs of torch's kernels on one CPU thread, 4 heads of d = 64, by kernel and length."""
    from utils.networks.digits import one_thread

    with one_thread():
        return [run_sdpa(n, backend) for backend in backends for n in ns]


def numpy_slopes(peaks: dict[str, list[int]]) -> str:
    """The exponents of the peaks against N, beside what is expected of them."""
    standard, flash = (loglog_slope(NUMPY_NS, peaks[name]) for name in ("standard", "flash"))
    verdict = "as expected" if standard > 1.8 and flash < 1.2 else "not as expected"
    return (f"peak memory grows like N^{standard:.2f} in standard attention and like N^{flash:.2f} in tiles\n"
            f"expected: above 1.8 and below 1.2, so this is {verdict}")


def draw_growth(peaks: dict[str, list[int]], runs: Sequence[KernelRun]) -> tuple[Figure, str]:
    """Peaks of the NumPy versions on the left, allocations of torch's kernels on the right."""
    figure, (left, right) = new_figure(10.4, 3.9, 1, 2)
    for index, (key, name) in enumerate((("standard", "standard"), ("flash", "tiles of 64 × 64"))):
        left.loglog(NUMPY_NS, np.array(peaks[key]) / 1e6, label=name, **line_style(index))
    by_kernel = {b: [r for r in runs if r.backend == b] for b in dict.fromkeys(r.backend for r in runs)}
    for index, (backend, found) in enumerate(by_kernel.items()):
        right.loglog([r.n for r in found], [r.allocated_bytes / 1e6 for r in found], label=f"kernel “{backend}”",
                     **line_style(index))
    for ax, ns in ((left, NUMPY_NS), (right, sorted({r.n for r in runs}))):
        ax.set_xscale("log", base=2)
        ax.set_xticks(ns, [f"{x:,}" for x in ns])
        ax.legend(frameon=False)
    label(left, "sequence length N", "peak memory (MB)", "NumPy, one head, float64")
    label(right, "sequence length N", "memory allocated (MB)", "torch, four heads, float32")
    longest = max(r.n for r in runs)
    top = [f"{r.allocated_bytes / 1e6:.1f} MB ({r.backend})" for r in runs if r.n == longest]
    return figure, (f"NumPy at N = {NUMPY_NS[-1]:,}: {peaks['standard'][-1] / 1e6:.1f} MB against "
                    f"{peaks['flash'][-1] / 1e6:.1f} MB. torch at N = {longest:,}: {' against '.join(top)}.")


def growth_chart(peaks: dict[str, list[int]], runs: Sequence[KernelRun]) -> Shown:
    """The picture of `draw_growth` for a code cell."""
    return shown_figure(*draw_growth(peaks, runs))


def kernel_table(runs: Sequence[KernelRun]) -> Shown:
    """Allocated memory and median time of each kernel, by length."""
    rows = []
    for n in sorted({r.n for r in runs}):
        found = {r.backend: r for r in runs if r.n == n}
        rows.append([f"{n:,}", *(f"{r.allocated_bytes / 1e6:.1f} MB" for r in found.values()),
                     *(f"{r.ms:.2f} ms" for r in found.values())])
    kernels = list(dict.fromkeys(r.backend for r in runs))
    return table(["N", *(f"{k}: memory" for k in kernels), *(f"{k}: time" for k in kernels)], rows)


def static_picture() -> Figure:
    """What remains of the figures where no kernel runs: the theatre in the middle of a causal pass."""
    return draw_theatre(16, 4, 4, True, "flash2", 10, 9)[0]

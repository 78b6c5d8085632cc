"""A GPU's measurement in a notebook: live where there is a GPU, else as recorded, else a line that says so."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.hardware.measurements import load_recorded, measure, open_device
from utils.hardware.measurements.records import FOLDER
from utils.optional import EngineUnavailable

from .style import Shown, table

DOES = {
    "copy_bandwidth": "copies arrays of 1 MiB to 1 GiB inside the GPU's memory",
    "sdpa_kernels": "times torch's kernels math, mem-efficient, flash and cudnn, and the tiles in plain torch",
    "paged_attention": "times a decode step's attention over a contiguous cache and over gathered blocks",
    "gpu_util": "reads GPU-Util while the GPU idles, while one block spins, and while matrix products run",
}
HEADS = {"mib": "array (MiB)", "ms": "ms", "gb_s": "GB/s", "kernel": "kernel", "n": "N", "tflop_s": "TFLOP/s",
         "peak_mb": "memory of a call (MB)", "block_size": "tokens a block", "sequences": "sequences",
         "tokens": "tokens", "load": "load", "samples": "readings",
         "gpu_util_pct": "GPU-Util, median (%)", "lowest_pct": "lowest (%)"}
Rows = Sequence[Mapping[str, Any]]


def gpu_measurement(name: str, also: Callable[[], object] | None = None, folder: Path | str = FOLDER,
                    **sizes: Any) -> Shown:
    """The table `name` of `utils.hardware.measurements`, labelled as measured now or as recorded, and what it says.

    `also` is called where there is a GPU; what it returns is shown as text below.
    """
    try:
        device = open_device()
    except EngineUnavailable:
        return _without_gpu(name, folder)
    try:
        rows = measure(name, device, **sizes)
    except EngineUnavailable as error:  # NVML and nvidia-smi are both missing
        return Shown(f"<p>{html.escape(str(error))}</p>", str(error))
    shown = measured_table(name, rows, f"Measured now on {device.origin()['device']}.")
    if also is None:
        return shown
    told = str(also())
    return Shown(f"{shown.html}<pre>{html.escape(told)}</pre>", f"{shown.text}\n{told}")


def _without_gpu(name: str, folder: Path | str) -> Shown:
    recorded = load_recorded(name, folder)
    if recorded is not None:
        return measured_table(name, recorded.rows, f"Recorded, not measured here: {recorded.origin}.")
    told = (f"No GPU here, and nothing was recorded. With an NVIDIA GPU this cell {DOES[name]}. "
            "(`python benchmarks/record_gpu.py --write` records it.)")
    return Shown(f"<p>{html.escape(told)}</p>", told)


def measured_table(name: str, rows: Rows, caption: str) -> Shown:
    """Rows of a measurement as a table, with one sentence about them."""
    if not rows:
        told = f"{caption} This GPU could run none of it."
        return Shown(f"<p>{html.escape(told)}</p>", told)
    shown = table([HEADS[c] for c in rows[0]], [[_cell(v) for v in row.values()] for row in rows], caption)
    told = READINGS[name](rows)
    return Shown(f"{shown.html}<p>{html.escape(told)}</p>", f"{shown.text}\n{told}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _read_copy(rows: Rows) -> str:
    largest = max(rows, key=lambda row: row["mib"])
    return f"The copy of {largest['mib']:,.0f} MiB moves {largest['gb_s']:,.0f} GB/s, reads and writes together."


def _read_sdpa(rows: Rows) -> str:
    both = {n: {r["kernel"]: r for r in rows if r["n"] == n} for n in sorted({r["n"] for r in rows})}
    common = [n for n, found in both.items() if {"math", "flash"} <= found.keys()]
    if not common:
        return "This GPU did not run both the math and the flash kernel."
    math, flash = both[common[-1]]["math"], both[common[-1]]["flash"]
    memory = f", and {math['peak_mb'] / flash['peak_mb']:.0f} times the memory" if flash["peak_mb"] > 0 else ""
    return f"At N = {common[-1]:,} math takes {math['ms'] / flash['ms']:.1f} times as long as flash{memory}."


def _read_paged(rows: Rows) -> str:
    contiguous = [r for r in rows if r["kernel"] == "contiguous"]
    gathered = [r for r in rows if r["kernel"] != "contiguous"]
    if not contiguous or not gathered:
        return "This GPU did not run both the contiguous cache and the gathered blocks."
    told = ", ".join(f"{r['ms'] / contiguous[0]['ms']:.1f} times with blocks of {r['block_size']}" for r in gathered)
    return f"Gathering first takes longer than the contiguous cache: {told}."


def _read_util(rows: Rows) -> str:
    told = "; ".join(f"{r['load']}: {r['gpu_util_pct']:.0f} % at {r['tflop_s']:,.1f} TFLOP/s" for r in rows)
    return f"GPU-Util beside the arithmetic that was done. {told[0].upper()}{told[1:]}."


READINGS: dict[str, Callable[[Rows], str]] = {
    "copy_bandwidth": _read_copy, "sdpa_kernels": _read_sdpa, "paged_attention": _read_paged, "gpu_util": _read_util}

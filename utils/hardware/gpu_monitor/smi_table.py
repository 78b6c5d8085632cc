"""The boxed table that `nvidia-smi` prints without arguments, of every layout since 2013.

The tool's manual promises nothing about this text; NVML and `--query-gpu` are made for programs. People paste it,
though, so the parser looks at what the cells hold and at no column's width.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from utils.hardware.gpu_monitor.smi_csv import number

_DRIVER = re.compile(r"(?:Driver|KMD) Version: *([\d.]+)")
# GPU number, name, then the state of persistence (Linux) or the driver model (Windows)
_FIRST = re.compile(r"(\d+) +(\S.*?) +(On|Off|WDDM|TCC|MCDM|N/A|ERR!)")
_SECOND = re.compile(r"(\S+) +(\S+) +(\S+) +(\S+) */ *(\S+)")  # fan, temperature, state, power / limit
_MEMORY = re.compile(r"(\S+) */ *(\S+)")
_UTIL = re.compile(r"(\d+ *%|N/A|ERR!)")


def parse_nvidia_smi_table(text: str) -> list[dict]:
    """One dict a GPU, in the order of the table; None for N/A, "Not Supported", "ERR!" or a switched-off ECC.

    Keys: driver, index, name (as printed: old layouts cut long names off with "..."), fan_pct, temp_c, perf,
    power_w, power_cap_w, mem_used_mib, mem_total_mib, volatile_uncorr_ecc (an int), util_pct, mig ("Enabled",
    "Disabled" or None). Tables of MIG devices and of processes are passed over.
    Raises ValueError where no GPU's rows are found, unless the tool itself says that there is no device.
    """
    driver = _DRIVER.search(text)
    found = [{"driver": driver[1] if driver else None, **_gpu(*lines)} for lines in _blocks(text)]
    if not found and "No devices were found" not in text:
        raise ValueError(f"text must hold the table that nvidia-smi prints, got {text.strip()!r:.60}")
    return found


def _cells(line: str) -> list[str]:
    """The cells of a row; what stands before the first bar (a quote mark, an indent) is dropped."""
    return [cell.strip() for cell in line.split("|")[1:-1]]


def _blocks(text: str) -> Iterator[tuple[re.Match, list[str], list[str], list[str]]]:
    """(match of the first row's first cell, cells of the rows one, two and three) of every GPU."""
    rows = [_cells(line) for line in text.splitlines()]
    for i, cells in enumerate(rows[:-1]):
        first = _FIRST.fullmatch(cells[0]) if len(cells) == 3 else None
        if first and len(rows[i + 1]) == 3 and _SECOND.fullmatch(rows[i + 1][0]):
            third = rows[i + 2] if i + 2 < len(rows) and len(rows[i + 2]) == 3 else ["", "", ""]
            yield first, cells, rows[i + 1], third


def _gpu(first: re.Match, top: list[str], middle: list[str], bottom: list[str]) -> dict:
    fan, temp, perf, power, cap = _SECOND.fullmatch(middle[0]).groups()
    memory = _MEMORY.fullmatch(middle[1])
    util = _UTIL.match(middle[2])
    ecc = number(top[2])
    return {
        "index": int(first[1]), "name": first[2], "fan_pct": number(fan), "temp_c": number(temp),
        "perf": perf if re.fullmatch(r"P\d+", perf) else None, "power_w": number(power), "power_cap_w": number(cap),
        "mem_used_mib": number(memory[1]) if memory else None, "mem_total_mib": number(memory[2]) if memory else None,
        "volatile_uncorr_ecc": None if ecc is None else int(ecc), "util_pct": number(util[1]) if util else None,
        "mig": bottom[2] if bottom[2] in ("Enabled", "Disabled") else None,
    }


def consistency_warnings(row: dict) -> list[str]:
    """Sentences about what can't be true together in a row of `parse_nvidia_smi_table`, for one steady workload.

    They don't prove that the text is made up. Utilisation looks back up to 1 s, so just after a job has ended it is
    above 0 with no memory in use. And a driver that has just been loaded, with ECC on, reads busy while it clears
    the memory (NVML, nvmlDeviceGetUtilizationRates).
    """
    used, total, util = row["mem_used_mib"], row["mem_total_mib"], row["util_pct"]
    power, cap = row["power_w"], row["power_cap_w"]
    told = []
    if used is not None and util and used < 1:
        told.append(f"{util:g} % utilisation with {used:g} MiB in use: a process that runs kernels has a CUDA context, "
                    f"which takes memory.")
    if used is not None and total is not None and used > total:
        told.append(f"{used:g} MiB are in use of {total:g} MiB: used can't exceed total.")
    if util is not None and util > 100:
        told.append(f"{util:g} % utilisation: a share of time can't exceed 100 %.")
    if power is not None and cap is not None and power > 1.2 * cap:
        told.append(f"{power:g} W are far above the limit of {cap:g} W.")
    return told

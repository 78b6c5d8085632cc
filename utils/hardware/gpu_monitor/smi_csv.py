"""The output of `nvidia-smi --query-gpu=... --format=csv`, with or without a header, with or without units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

DEFAULT_COLUMNS = ("index", "name", "memory.used", "memory.total", "utilization.gpu", "utilization.memory")
_HEADER_WORD = re.compile(r"[a-z][a-z0-9_.]*( \[[A-Za-z%]+\])?")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class GpuSample:
    """One reading of one GPU; None is what the driver does not tell.

    gpu_util_pct: share of the sample period with a kernel running. mem_util_pct: share of it in which device
    memory was read or written, which is not the share of bytes in use.
    """

    index: int
    name: str
    memory_used_mib: float | None
    memory_total_mib: float | None
    gpu_util_pct: float | None
    mem_util_pct: float | None

    def as_dict(self) -> dict:
        return asdict(self)


def number(cell: str) -> float | None:
    """The number in a cell like "2048 MiB", "35 %" or "71.25"; None for "[N/A]", "[Not Supported]", "ERR!"."""
    found = _NUMBER.match(cell.strip())
    return float(found[0]) if found else None


def parse_query_csv(text: str, columns: Sequence[str] = DEFAULT_COLUMNS) -> list[GpuSample]:
    """The rows of the tool's CSV; the header says the order of the columns, and where there is none `columns` does.

    Columns of other names are skipped, missing ones are None. Blank lines and CRLF are allowed.
    Raises ValueError for a row with more or fewer cells than columns, or without a numeric index.
    """
    rows = _rows(text)
    if rows and _is_header(rows[0]):
        columns = [name.split(" [")[0] for name in rows.pop(0)]
    return [_sample(dict(zip(columns, _checked(row, len(columns)), strict=True))) for row in rows]


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]


def _is_header(row: Sequence[str]) -> bool:
    return all(_HEADER_WORD.fullmatch(cell) for cell in row)


def _checked(row: list[str], width: int) -> list[str]:
    if len(row) != width:
        raise ValueError(f"text must have {width} columns in every row, got {len(row)}: {', '.join(row)!r:.80}")
    return row


def _sample(row: dict[str, str]) -> GpuSample:
    index = number(row.get("index", "0"))
    if index is None:
        raise ValueError(f"index must be a number, got {row['index']!r}")
    names = ("memory.used", "memory.total", "utilization.gpu", "utilization.memory")
    return GpuSample(int(index), row.get("name", ""), *(number(row.get(name, "")) for name in names))


def parse_gpu_csv(text: str) -> list[dict]:
    """One dict a GPU: index, used_mib, total_mib, util_pct, used_frac; None where the tool tells nothing.

    `used_frac` is used / total, and None where either is missing or the total is 0. A header is expected.
    """
    told = []
    for sample in parse_query_csv(text):
        used, total = sample.memory_used_mib, sample.memory_total_mib
        frac = used / total if used is not None and total else None
        told.append({"index": sample.index, "used_mib": used, "total_mib": total, "util_pct": sample.gpu_util_pct,
                     "used_frac": frac})
    return told

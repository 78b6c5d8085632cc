"""The file format of a recorded measurement: comment lines that say where it comes from, then a CSV table."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).parent
ORIGIN = ("device", "driver", "torch", "cuda", "date", "command")

# name -> column -> type. Times are medians; GB are 10^9 bytes, MB 10^6; a share of 0 to 100 is called pct.
TABLES: Mapping[str, Mapping[str, type]] = MappingProxyType({
    "copy_bandwidth": {"mib": float, "ms": float, "gb_s": float},
    "sdpa_kernels": {"kernel": str, "n": int, "ms": float, "tflop_s": float, "peak_mb": float},
    "paged_attention": {"kernel": str, "block_size": int, "sequences": int, "tokens": int, "ms": float, "gb_s": float},
    "gpu_util": {"load": str, "samples": int, "gpu_util_pct": float, "lowest_pct": float, "tflop_s": float},
})


@dataclass(frozen=True)
class Recorded:
    """One table with its origin: device, driver, versions of torch and CUDA, date (ISO) and command."""

    name: str
    device: str
    driver: str
    torch: str
    cuda: str
    date: str
    command: str
    rows: tuple[Mapping[str, str | int | float], ...]

    @property
    def origin(self) -> str:
        """Where the numbers come from, as half a sentence."""
        return (f"{self.device}, driver {self.driver}, torch {self.torch}, CUDA {self.cuda}, on {self.date} by "
                f"`{self.command}`")


def load_recorded(name: str, folder: Path | str = FOLDER) -> Recorded | None:
    """The recorded table of this name, or None where nothing was recorded.

    Raises KeyError for a name that is not in TABLES, and ValueError for a file that does not follow the format.
    """
    columns = _columns(name)
    path = Path(folder) / f"{name}.csv"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    head = [line for line in lines if line.startswith("#")]
    origin = dict(line[1:].strip().split(": ", 1) for line in head if ": " in line)
    missing = [key for key in ORIGIN if key not in origin]
    if missing:
        raise ValueError(f"{path.name} must say in its first lines where it comes from, missing: {', '.join(missing)}")
    reader = csv.DictReader(lines[len(head):])
    if reader.fieldnames != list(columns):
        raise ValueError(f"{path.name} must have the columns {', '.join(columns)}, got {reader.fieldnames}")
    try:
        rows = tuple(MappingProxyType({c: kind(row[c]) for c, kind in columns.items()}) for row in reader)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path.name} must hold a value of the right kind in every column: {error}") from error
    return Recorded(name, **{key: origin[key] for key in ORIGIN}, rows=rows)


def save_recorded(name: str, origin: Mapping[str, str], rows: Sequence[Mapping[str, object]],
                  folder: Path | str = FOLDER) -> Path:
    """Write a table in one step and return its path; floats keep four significant digits.

    Raises KeyError for an unknown name, and ValueError for an empty table, another set of columns, or an origin
    that lacks a key or holds a line break.
    """
    columns = _columns(name)
    if not rows:
        raise ValueError(f"rows of {name} must not be empty")
    for row in rows:
        if list(row) != list(columns):
            raise ValueError(f"rows of {name} must have the columns {', '.join(columns)}, got {', '.join(row)}")
    if any(not origin.get(key) or len(str(origin[key]).splitlines()) != 1 for key in ORIGIN):
        raise ValueError(f"origin must hold one line for each of {', '.join(ORIGIN)}, got {dict(origin)}")
    text = io.StringIO()
    text.writelines(f"# {key}: {origin[key]}\n" for key in ORIGIN)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({c: f"{row[c]:.4g}" if kind is float else kind(row[c]) for c, kind in columns.items()}
                     for row in rows)
    path = Path(folder) / f"{name}.csv"
    draft = path.with_suffix(".draft")
    draft.write_text(text.getvalue(), encoding="utf-8")
    os.replace(draft, path)
    return path


def _columns(name: str) -> Mapping[str, type]:
    if name not in TABLES:
        raise KeyError(f"name must be one of {', '.join(TABLES)}, got {name!r}")
    return TABLES[name]

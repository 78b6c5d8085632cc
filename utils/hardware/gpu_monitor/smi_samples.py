"""Outputs of nvidia-smi to read and to test with, each in the layout of one driver generation.

The layouts were seen in public reports; names of machines, serial numbers and most values were changed, so they
are examples and no measurements. `samples/index.csv` says where each layout was seen.
"""

from __future__ import annotations

import csv
from pathlib import Path

_FOLDER = Path(__file__).parent / "samples"


def sample_names() -> list[str]:
    """The names of all samples, oldest driver first."""
    return [row["name"] for row in sample_index()]


def sample_index() -> list[dict[str, str]]:
    """Of every sample: name, driver, what is special about it, where its layout was seen and when that was read."""
    with (_FOLDER / "index.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def sample_text(name: str) -> str:
    """The text of one sample. KeyError with the known names for another one."""
    if name not in sample_names():
        raise KeyError(f"there is no sample {name!r}: choose one of {', '.join(sample_names())}")
    return (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")

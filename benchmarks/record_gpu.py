"""Measure a GPU for chapters 44, 45, 46 and 49: copy bandwidth, attention kernels, paged attention, GPU-Util.

    python benchmarks/record_gpu.py [--write] [--only NAME …] [--folder DIR]

Prints the tables. With --write it also stores them under utils/hardware/measurements/, from where the notebooks show
them, labelled as recorded, on machines without a GPU. About a minute on one GPU that nothing else uses.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from utils.hardware.measurements import TABLES, Device, load_recorded, measure, open_device, save_recorded
from utils.hardware.measurements.records import FOLDER
from utils.optional import EngineUnavailable


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the tables")
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES), help="measure these alone")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where --write stores them")
    return parser.parse_args(argv)


def origin_of(device: Device, argv: Sequence[str], today: datetime.date | None = None) -> dict[str, str]:
    """Where the numbers come from: device, driver, torch, cuda, date and the command that was given."""
    today = today or datetime.datetime.now(datetime.UTC).date()
    return {**device.origin(), "date": today.isoformat(),
            "command": shlex.join(["python", "benchmarks/record_gpu.py", *argv])}


def record(device: Device, names: Sequence[str], origin: Mapping[str, str], folder: Path | None,
           sizes: Mapping[str, Mapping[str, object]] | None = None, say: Callable[[str], None] = print) -> list[str]:
    """Measure `names` one after another and print each table; store it where `folder` is given.

    Returns a sentence for each table that could not be measured. What is stored is read back before it counts.
    """
    failures = []
    for name in names:
        try:
            rows = measure(name, device, **(sizes or {}).get(name, {}))
        except EngineUnavailable as error:
            failures.append(f"{name}: {error}")
            continue
        if not rows:
            failures.append(f"{name}: nothing could be measured on this device")
            continue
        say(f"\n{name}")
        say("\n".join(as_text(rows)))
        if folder is not None:
            path = save_recorded(name, origin, rows, folder)
            load_recorded(name, folder)
            say(f"written to {path}")
    return failures


def as_text(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Rows as aligned lines, floats with four significant digits."""
    cells = [list(rows[0]), *([f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(v.rjust(w) for v, w in zip(line, widths, strict=True)) for line in cells]


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all was measured, or when there is no GPU and nothing was to be written; else 1."""
    argv = sys.argv[1:] if argv is None else list(argv)
    chosen = arguments(argv)
    try:
        device = open_device()
    except EngineUnavailable as error:
        print(error, file=sys.stderr if chosen.write else sys.stdout)
        return 1 if chosen.write else 0
    origin = origin_of(device, argv)
    print(f"{origin['device']}, driver {origin['driver']}, torch {origin['torch']}, CUDA {origin['cuda']}")
    failures = record(device, chosen.only, origin, chosen.folder if chosen.write else None)
    print("\n".join(["", *failures]) if failures else "", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())

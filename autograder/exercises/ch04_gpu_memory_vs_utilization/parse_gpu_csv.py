"""Exercise 04.parse_gpu_csv: reading what nvidia-smi tells, and what it does not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import numpy as np

from utils.hardware.gpu_monitor import smi_csv

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

FIELDS = {"used_mib": "memory.used", "total_mib": "memory.total", "util_pct": "utilization.gpu"}


def _value(cell: str) -> float | None:
    found = re.match(r"\d+(\.\d+)?", cell)
    return float(found[0]) if found else None


def _reader(value: Callable[[str], float | None] = _value, *,
            lines: Callable[[str], list[str]] = lambda text: [line for line in text.splitlines() if line.strip()],
            name: Callable[[str], str] = lambda cell: cell.split(" [")[0],
            frac: Callable[[dict], float | None] | None = None, fields: dict[str, str] = FIELDS,
            columns: list[str] | None = None, zero: float | None = None) -> Callable[[str], list[dict]]:
    """An answer from its parts. `columns`: positions instead of the header; `zero`: used_frac for a total of 0."""

    def share(gpu: dict) -> float | None:
        if gpu["used_mib"] is None or gpu["total_mib"] is None:
            return None
        return gpu["used_mib"] / gpu["total_mib"] if gpu["total_mib"] else zero

    def answer(text: str) -> list[dict]:
        head, *rows = lines(text)
        names = columns or [name(cell.strip()) for cell in head.split(",")]
        told = []
        for row in rows:
            cells = dict(zip(names, (cell.strip() for cell in row.split(","))))
            gpu = {"index": int(value(cells["index"]))}
            gpu |= {key: value(cells[column]) if column in cells else None for key, column in fields.items()}
            told.append(gpu | {"used_frac": (frac or share)({**gpu, "cells": cells})})
        return told

    return answer


def _or_zero(cell: str) -> float:
    return _value(cell) or 0.0


def _first_word(cell: str) -> float:
    """Takes the number before the unit; there is none in [N/A]."""
    return float(cell.split()[0])


def _trusting(text: str) -> list[dict]:
    """Takes every column and every value to be there."""
    told = []
    for row in csv.DictReader(io.StringIO(text), skipinitialspace=True):
        used, total, util = (_first_word(row[HEADS[column]]) for column in FIELDS.values())
        told.append({"index": int(row["index"]), "used_mib": used, "total_mib": total, "util_pct": util, "used_frac": used / total})
    return told


def _memory_utilization(gpu: dict) -> float | None:
    cell = gpu["cells"].get("utilization.memory")
    found = None if cell is None else _value(cell)
    return None if found is None else found / 100


def _memory_utilization_or_share(gpu: dict) -> float | None:
    if "utilization.memory" in gpu["cells"]:
        return _memory_utilization(gpu)
    used, total = gpu["used_mib"], gpu["total_mib"]
    return used / total if used is not None and total else None


def _percent_share(gpu: dict) -> float | None:
    used, total = gpu["used_mib"], gpu["total_mib"]
    return 100 * used / total if used is not None and total else None


def _with_csv(text: str) -> list[dict]:
    """The csv module, with columns found by what their name begins with."""
    rows = csv.DictReader(io.StringIO("\n".join(line for line in text.splitlines() if line.strip())), skipinitialspace=True)

    def read(row: dict, begins: str) -> float | None:
        for column, cell in row.items():
            if column.split()[0] == begins:
                try:
                    return float(cell.strip().removesuffix("MiB").removesuffix("%"))
                except ValueError:
                    return None
        return None

    told = []
    for row in rows:
        used, total, util = (read(row, column) for column in FIELDS.values())
        frac = None if used is None or total in (None, 0) else used / total
        told.append({"index": int(row["index"]), "used_mib": used, "total_mib": total, "util_pct": util, "used_frac": frac})
    return told


def _with_regex(text: str) -> list[dict]:
    """One regular expression for a cell, the header as a list of positions."""
    lines = re.findall(r"[^\r\n]*\S[^\r\n]*", text)
    where = {re.match(r"\s*([\w.]+)", cell)[1]: i for i, cell in enumerate(lines[0].split(","))}
    told = []
    for line in lines[1:]:
        cells = [re.match(r"\s*([\d.]+)?", cell)[1] for cell in line.split(",")]
        used, total, util = (float(cells[where[c]]) if c in where and cells[where[c]] else None for c in FIELDS.values())
        told.append({"index": int(cells[where["index"]]), "used_mib": used, "total_mib": total, "util_pct": util,
                     "used_frac": used / total if total and used is not None else None})
    return told


# --- cases ---------------------------------------------------------------------------------------

HEADS = {"index": "index", "name": "name", "memory.used": "memory.used [MiB]", "memory.total": "memory.total [MiB]",
         "utilization.gpu": "utilization.gpu [%]", "utilization.memory": "utilization.memory [%]",
         "temperature.gpu": "temperature.gpu", "power.draw": "power.draw [W]"}
UNITS = {"memory.used": " MiB", "memory.total": " MiB", "utilization.gpu": " %", "utilization.memory": " %", "power.draw": " W"}


def output(rows: list[dict], columns: list[str], *, units: bool = True, end: str = "\n", blank: bool = False) -> str:
    """The text that the tool would print. A value of None is "[N/A]", one of "" is "[Not Supported]"."""

    def cell(row: dict, column: str) -> str:
        value = row[column]
        if value is None or value == "":
            return "[N/A]" if value is None else "[Not Supported]"
        return f"{value}{UNITS.get(column, '') if units else ''}"

    lines = [", ".join(HEADS[c] for c in columns), *(", ".join(cell(row, c) for c in columns) for row in rows)]
    return (end + (end if blank else "")).join(lines) + (end if blank else "")


def _gpu(index: int, used: int | str | None, total: int | str | None, util: int | str | None, touched: int | str | None = 3) -> dict:
    return {"index": index, "name": "NVIDIA A10G", "memory.used": used, "memory.total": total, "utilization.gpu": util,
            "utilization.memory": touched, "temperature.gpu": 41, "power.draw": "61.25"}


_PLAIN = ["index", "memory.used", "memory.total", "utilization.gpu"]
_MIXED = ["utilization.memory", "power.draw", "utilization.gpu", "index", "memory.total", "name", "memory.used"]
EXAMPLE = "index, memory.used [MiB], memory.total [MiB], utilization.gpu [%]\n0, 2048 MiB, 8192 MiB, 35 %"
SECOND = ("index, utilization.memory [%], memory.total [MiB], memory.used [MiB]\n"
          "0, 12 %, 8192 MiB, [N/A]\n1, 7 %, 8192 MiB, 6144 MiB")


def _draw(rng: np.random.Generator) -> Case:
    def maybe(value: int) -> int | str | None:
        lot = rng.random()
        return None if lot < 0.15 else "" if lot < 0.25 else value

    rows = [_gpu(i, maybe(int(rng.integers(0, 40_000))), maybe(int(rng.choice([0, 8192, 24_564, 81_559]))),
                 maybe(int(rng.integers(0, 101))), maybe(int(rng.integers(0, 101)))) for i in range(int(rng.integers(1, 5)))]
    names = rng.permutation([c for c in HEADS if c != "index"])[: int(rng.integers(2, 8))].tolist()
    columns = rng.permutation(["index", *names]).tolist()
    return Case(output(rows, columns, units=bool(rng.random() < 0.7), end=str(rng.choice(["\n", "\r\n"])),
                       blank=bool(rng.random() < 0.3)))


parse_gpu_csv = Exercise(
    id="04.parse_gpu_csv", points=3, difficulty=1, minutes=12, idea="unknown is not zero; columns have names",
    reference=smi_csv.parse_gpu_csv,
    cases=[Case(EXAMPLE, label="the first example"), Case(SECOND, label="the second example")],
    hidden=[Case(text, label=label) for label, text in (
        ("other order, more columns", output([_gpu(0, 618, 23028, 100, 44)], _MIXED)),
        ("without units", output([_gpu(3, 618, 23028, 7)], _PLAIN, units=False)),
        ("[N/A] and [Not Supported]", output([_gpu(0, None, 23028, ""), _gpu(1, 5, "", None), _gpu(2, "", None, 0)], _PLAIN)),
        ("several GPUs", output([_gpu(i, 1000 * i, 8000, 10 * i) for i in range(8)], _PLAIN)),
        ("blank lines and CRLF", output([_gpu(0, 1, 2, 3), _gpu(1, 2, 2, 0)], _PLAIN, end="\r\n", blank=True)),
        ("a total of 0", output([_gpu(0, 0, 0, 0), _gpu(1, 0, 8192, 0)], _PLAIN)),
        ("a full GPU", output([_gpu(0, 8192, 8192, 0, 0)], _MIXED)),
        ("no memory columns", output([_gpu(0, 1, 2, 50)], ["utilization.gpu", "index"])),
        ("a GPU with index 12", output([_gpu(12, 1024, 4096, 50)], ["memory.used", "memory.total", "index"])),
        ("only the header", output([], _PLAIN)))],
    draw=_draw, draws=25, compare=exact(),
    misconceptions=[
        Misconception(
            "fixed_columns", _reader(columns=["index", "memory.used", "memory.total", "utilization.gpu"]),
            "You take the second cell for the used memory, wherever the header says that it is. The columns come in the order that "
            "was asked for, and others may stand between them: look their names up in the first line.",
            "The columns have names.",
            also=(_reader(lambda cell: _value(cell) or 0.0, columns=["index", "memory.used", "memory.total", "utilization.gpu"]),)),
        Misconception(
            "not_a_number", _reader(_first_word),
            "“[N/A]” and “[Not Supported]” are no numbers, and your code ends there. A monitoring job that dies at the first GPU which "
            "does not tell its memory watches nothing.",
            "[N/A] comes in the output.",
            also=(_trusting, _reader(lambda cell: None if cell == "[N/A]" else float(cell.split()[0])),
                  _reader(lambda cell: None if cell == "[Not Supported]" else float(cell.split()[0])))),
        Misconception(
            "unknown_is_zero", _reader(_or_zero),
            "A value that the driver does not tell comes out as 0. 0 % and unknown are different alarms: the first says that nobody "
            "works, the second that nobody knows. Use None.",
            "Unknown is not zero.",
            also=(_reader(_or_zero, zero=0.0), _reader(lambda cell: _value(cell) or None))),
        Misconception(
            "memory_utilization", _reader(frac=_memory_utilization_or_share),
            "You return `utilization.memory` as the share of memory in use. It is the share of *time* in which device memory was "
            "read or written. A loaded, idle model has a full memory and a `utilization.memory` of 0 %.",
            "That is a share of time.",
            also=(_reader(frac=_memory_utilization),)),
        Misconception(
            "gpu_for_memory", _reader(fields={**FIELDS, "util_pct": "utilization.memory"}),
            "Two columns begin with `utilization`. You took the one of the memory for that of the GPU.",
            "Which utilisation?",
            also=(_reader(name=lambda cell: "utilization.gpu" if cell.startswith("utilization") else cell.split(" [")[0]),)),
        Misconception(
            "total_of_zero", _reader(zero=0.0),
            "With a total of 0 there is no share. The text asks for None.",
            "A share of nothing.",
            also=(_reader(zero=float("inf")), _reader(frac=lambda gpu: None if None in (gpu["used_mib"], gpu["total_mib"])
                                                      else gpu["used_mib"] / gpu["total_mib"]))),
        Misconception(
            "blank_lines", _reader(lines=lambda text: text.split("\n")),
            "A blank line is taken for a GPU. Skip the lines that hold nothing but white space.",
            "Blank lines."),
        Misconception(
            "percent", _reader(frac=_percent_share),
            "`used_frac` is a fraction: 0.25 for a quarter. You return a percentage.",
            "A fraction, not a percentage."),
        Misconception(
            "whole_numbers_in_quotes", _reader(lambda cell: cell if _value(cell) is not None else None,
                                               frac=lambda gpu: None if None in (gpu["used_mib"], gpu["total_mib"]) or not _value(gpu["total_mib"])
                                               else _value(gpu["used_mib"]) / _value(gpu["total_mib"])),
            "Some values are still texts (“2048 MiB”). Cut the unit off and make numbers of them.",
            "Texts, not numbers."),
    ],
    alternatives=[_with_csv, _with_regex, _reader()],
    hints=(
        "Split the text into lines, throw the blank ones away, and split each line at its commas. `strip` every cell.",
        "`dict(zip(header, cells))` lets you look a cell up by the name of its column; cut ` [MiB]` off the names first.",
        "Write a function of one cell that gives a float or None, and use it for all of them: the text before the first blank is a "
        "number, or it is not.",
    ),
    worth_knowing="On a GPU that shares its memory with the CPU (GB10) both memory columns are [N/A] all the time.",
)

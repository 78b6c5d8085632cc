"""Exercise 49.read_smi_cell: which number of nvidia-smi's box is which."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.hardware.gpu_monitor import plain
from utils.hardware.gpu_monitor.smi_samples import sample_text

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

# Widths of the three columns, the name's field, and what pads the second row, by driver generation.
LAYOUTS = {"470.57.02": (31, 22, 19), "535.104.05": (41, 22, 30), "550.54.15": (41, 24, 30)}


def table(name: str, util: str = "0%", used: str = "0MiB", total: str = "8119MiB", ecc: str = "N/A", power: str = "42W",
          cap: str = "180W", fan: str = "30%", flag: str = "Off", driver: str = "470.57.02", mode: str = "Default",
          index: int = 0, mig: str = "N/A", processes: bool = False) -> str:
    """A boxed output of nvidia-smi in the layout of a driver's generation."""
    left, middle, field = LAYOUTS[driver]
    wide = left + middle + 24
    first = f"{index:>4}  {name:<{field}} {flag:<5}" if left == 31 else f"{index:>4}  {name:<{field}}{flag:>3}  "
    second = f"{fan:>4}   58C    P2  {'':{left - 31}}{power:>5} / {cap:>4} "
    ruler = f"+{'-' * left}+{'-' * middle}+{'-' * 22}+"
    pad = " " if left > 31 else ""
    lines = [
        f"+{'-' * wide}+",
        f"| NVIDIA-SMI {driver:<12} Driver Version: {driver:<12} CUDA Version: 12.2".ljust(wide + 1) + "|",
        f"|{'-' * left}+{'-' * middle}+{'-' * 22}+",
        f"|{' GPU  Name':<{left - 13 - len(pad)}}Persistence-M{pad}| {'Bus-Id':<{middle - 8}}Disp.A | Volatile Uncorr. ECC |",
        f"|{' Fan  Temp  Perf':<{left - 13 - len(pad)}}Pwr:Usage/Cap{pad}|{'Memory-Usage':>{middle - 1}} | GPU-Util  Compute M. |",
        f"|{'':{left}}|{'':{middle}}|{'MIG M.':>21} |",
        f"|{'=' * left}+{'=' * middle}+{'=' * 22}|",
        f"|{first}|{'00000000:01:00.0 Off':>{middle - 1}} |{ecc:>21} |",
        f"|{second}|{f'{used:>8} / {total:>8}':>{middle - 1}} |{util:>8}  {mode:>11} |",
        f"|{'':{left}}|{'':{middle}}|{mig:>21} |",
        ruler,
    ]
    if processes:
        told = ["Processes:", " GPU   GI   CI        PID   Type   Process name           GPU Memory",
                "   0   N/A  N/A      1234      C   python3                     777MiB",
                "   0   N/A  N/A      4321    C+G   /usr/lib/50%/app             33MiB"]
        lines += ["", f"+{'-' * wide}+", *(f"| {line}".ljust(wide + 1) + "|" for line in told), f"+{'-' * wide}+"]
    return "\n".join(lines) + "\n"


# --- answers ------------------------------------------------------------------------------------


def _number(text: str) -> float | None:
    match = re.search(r"\d+(\.\d+)?", text)
    return float(match[0]) if match else None


def _rows(text: str) -> list[list[str]]:
    """Rows of three cells, the GPU's first one in front."""
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    rows = [r for r in rows if len(r) == 3]
    at = next(i for i, r in enumerate(rows) if r[0][:1].isdigit())
    return rows[at:]


def _read(text: str, **replaced: Callable[[dict], Any]) -> dict:
    """The right reading, with some fields computed from the raw cells instead."""
    top, below = _rows(text)[:2]
    power, cap = re.search(r"P\d+\s+(\S+) / +(\S+)", below[0]).groups()
    used, total = below[1].split("/")
    raw = {"text": text, "first": top[0], "ecc": top[2], "fan": below[0].split()[0], "power": power, "cap": cap, "used": used,
           "total": total, "util": below[2].split()[0], "name": re.fullmatch(r"\d+ +(.*\S) +\S+", top[0])[1]}
    found = {"name": raw["name"], "util_pct": _number(raw["util"]), "mem_used_mib": _number(used),
             "mem_total_mib": _number(total), "volatile_uncorrected_ecc": _count(raw["ecc"]), "power_w": _number(power)}
    return found | {key: value(raw) for key, value in replaced.items()}


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _wrong(**replaced: Callable[[dict], Any]) -> Callable[[str], dict]:
    return lambda table: _read(table, **replaced)


def _zero(key: str) -> Callable[[dict], float]:
    return lambda raw: _number(raw[key]) or 0


def _by_regex(table: str) -> dict:
    """One expression for each row."""
    first = re.search(r"^\|\s+\d+\s{2}(.+?)\s+(?:On|Off)\s*\|[^|]*\|\s*(\S+)\s*\|", table, re.M)
    second = re.search(r"^\|\s*\S+\s+\S+\s+\S+\s+(\S+)\s*/\s*\S+\s*\|\s*(\S+)\s*/\s*(\S+)\s*\|\s*(\S+)", table[first.end():], re.M)
    power, used, total, util = (None if v == "N/A" else float(v.rstrip("MiBW%")) for v in second.groups())
    ecc = int(first[2]) if first[2] not in ("N/A", "Off") else None
    return {"name": first[1], "util_pct": util, "mem_used_mib": used, "mem_total_mib": total,
            "volatile_uncorrected_ecc": ecc, "power_w": power}


def _by_split(table: str) -> dict:
    """Lines after the first double rule, cut at the bars and at the blanks."""
    lines = table.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith("|=")) + 1
    name_cell, _, ecc = [c.split() for c in lines[at].strip("|").split("|")]
    board, memory, load = [c.split() for c in lines[at + 1].strip("|").split("|")]

    def value(word: str) -> float | None:
        digits = "".join(ch for ch in word if ch.isdigit() or ch == ".")
        return float(digits) if digits else None

    return {"name": " ".join(name_cell[1:-1]), "util_pct": value(load[0]), "mem_used_mib": value(memory[0]),
            "mem_total_mib": value(memory[2]), "power_w": value(board[3]),
            "volatile_uncorrected_ecc": int(ecc[0]) if ecc[0].isdigit() else None}


# --- inputs -------------------------------------------------------------------------------------

_GTX = {"name": "GeForce GTX 1080", "util": "28%"}
NAMES = ("GeForce GTX 1080", "Tesla V100-SXM2", "Tesla T4", "NVIDIA A10G", "Quadro RTX 8000", "A100-SXM4-40GB")
LONG_NAMES = ("NVIDIA A100-SXM4-80GB", "NVIDIA GeForce RTX 4090", "NVIDIA H100 80GB HBM3", "NVIDIA L4")


def _case(label: str, **cells: Any) -> Case:
    return Case(table(**cells), label=label)


def _draw(rng: np.random.Generator) -> Case:
    driver = str(rng.choice(list(LAYOUTS)))
    name = str(rng.choice(NAMES if driver.startswith("470") else [*NAMES, *LONG_NAMES]))
    total = int(rng.choice([8119, 16160, 24564, 40960, 81920]))
    cap = int(rng.choice([70, 180, 250, 400]))
    known = rng.random(3) > 0.2
    util = f"{rng.integers(0, 101)}%" if known[0] else "N/A"
    power, limit = (f"{rng.integers(8, cap)}W", f"{cap}W") if known[1] else ("N/A", "N/A")
    ecc = str(rng.choice(["N/A", "0", "0", "3", "12", "Off"]))
    fan = f"{rng.integers(0, 100)}%" if known[2] else "N/A"
    used = int(rng.integers(0, total))
    return _case(f"{name}, driver {driver}, util {util}, {used} of {total} MiB, ECC {ecc}, {power}", name=name, util=util,
                 used=f"{used}MiB", total=f"{total}MiB", ecc=ecc, power=power, cap=limit, fan=fan, driver=driver,
                 flag=str(rng.choice(["On", "Off"])), processes=bool(rng.random() < 0.5))


read_smi_cell = Exercise(
    id="49.read_smi_cell", points=3, difficulty=2, minutes=11, idea="two lines of headings, two lines of values: which belongs to which",
    reference=plain.read_smi_cell,
    cases=[
        Case(sample_text("470_gtx1080"), label="the GTX 1080 of the example"),
        _case("the A100 of the example", name="NVIDIA A100-SXM4-80GB", util="97%", used="60210MiB", total="81920MiB", ecc="0",
              power="301W", cap="400W", fan="N/A", flag="On", driver="535.104.05"),
    ],
    hidden=[
        _case("no power reading", **_GTX, power="N/A", cap="N/A"),
        _case("MIG on, no utilisation", name="NVIDIA A100-SXM4-40GB", util="N/A", used="24MiB", total="40960MiB", ecc="0",
              power="44W", cap="400W", fan="N/A", flag="On", driver="535.104.05", mig="Enabled"),
        _case("7 ECC errors, fan at 99 %", name="Quadro RTX 8000", util="0%", used="5MiB", total="46080MiB", ecc="7", power="21W",
              cap="260W", fan="99%", flag="Off"),
        _case("ECC switched off", name="Tesla V100-SXM2", util="100%", used="100MiB", total="16160MiB", ecc="Off", power="50W",
              cap="300W", fan="N/A", flag="On"),
        _case("driver 550, processes below", name="NVIDIA H100 80GB HBM3", util="5%", used="70000MiB", total="81559MiB", ecc="0",
              power="690W", cap="700W", fan="N/A", flag="On", driver="550.54.15", processes=True),
        _case("a GPU with index 3", name="NVIDIA GeForce RTX 4090", util="61%", used="1MiB", total="24564MiB", ecc="N/A",
              power="18W", cap="450W", fan="0%", flag="Off", driver="550.54.15", index=3, mode="E. Process", processes=True),
        *(Case(sample_text(name), label=f"an output of driver {name}") for name in ("525", "550", "610")),
    ],
    draw=_draw, draws=25, compare=exact(),
    misconceptions=[
        Misconception(
            "volatile_is_util", _wrong(util_pct=lambda raw: _number(raw["ecc"])),
            "As utilisation you return the value that stands under “Volatile”. The cell has two lines of headings: “Volatile Uncorr. "
            "ECC” belongs to the first line of values, “GPU-Util” to the second.",
            "That is the ECC counter.",
            also=(_wrong(util_pct=lambda raw: _number(raw["ecc"]), volatile_uncorrected_ecc=lambda raw: None),
                  _wrong(util_pct=lambda raw: _number(raw["ecc"]),
                         volatile_uncorrected_ecc=lambda raw: None if _number(raw["util"]) is None else int(_number(raw["util"]))))),
        Misconception(
            "fan_is_util", _wrong(util_pct=lambda raw: _number(raw["fan"])),
            "Your utilisation is the first percentage of the box: the speed of the fan. Look at which heading stands above it.",
            "That is the fan.",
            also=(_wrong(util_pct=lambda raw: float(re.search(r"(\d+)%", raw["text"])[1]) if "%" in raw["text"] else None),)),
        Misconception(
            "unknown_is_zero", _wrong(volatile_uncorrected_ecc=lambda raw: _count(raw["ecc"]) or 0),
            "You return 0 where the tool prints N/A. Zero errors is good news, an unknown number is none: a card without ECC cannot "
            "tell. Return None.",
            "Unknown is not zero.",
            also=(_wrong(volatile_uncorrected_ecc=lambda raw: _count(raw["ecc"]) or 0, util_pct=_zero("util"), power_w=_zero("power")),
                  _wrong(util_pct=_zero("util")), _wrong(power_w=_zero("power")),
                  _wrong(util_pct=_zero("util"), power_w=_zero("power")))),
        Misconception(
            "used_and_total_swapped", _wrong(mem_used_mib=lambda raw: _number(raw["total"]), mem_total_mib=lambda raw: _number(raw["used"])),
            "Used and total memory are swapped. What is used stands in front of the slash.",
            "The wrong way round."),
        Misconception(
            "power_cap", _wrong(power_w=lambda raw: _number(raw["cap"])),
            "As power you return the limit. What the board draws stands in front of the slash, its cap behind it.",
            "That is the power limit."),
        Misconception(
            "name_with_flag", _wrong(name=lambda raw: re.sub(r"^\d+ +", "", raw["first"])),
            "Your name carries what stands beside it. The number in front is the index of the GPU, and the last word of the cell is "
            "the state of the persistence mode.",
            "More than the name.",
            also=(_wrong(name=lambda raw: raw["first"]), _wrong(name=lambda raw: re.fullmatch(r"(.*\S) +\S+", raw["first"])[1]))),
        Misconception(
            "memory_of_a_process", _wrong(mem_used_mib=lambda raw: float(re.findall(r"(\d+)MiB", raw["text"])[-1])),
            "Below the GPU there may be a table of processes, and you read the memory of one of them. Only the two lines of the GPU "
            "count.",
            "That is a process."),
    ],
    alternatives=[_by_regex, _by_split],
    hints=(
        "The GPU's two lines come after the first line that begins with `|=`. Cut each of them at `|`.",
        "In the first line: index, name and flag in the first cell, the ECC counter in the third. In the second line: `fan temp perf "
        "usage / cap`, then `used / total`, then utilisation and compute mode.",
        "A helper that returns None for a text without digits, and a number otherwise, serves five of the six values.",
    ),
    worth_knowing="For programs there is `nvidia-smi --query-gpu=… --format=csv`, or NVML itself. The box is for people.",
)

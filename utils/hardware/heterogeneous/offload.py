"""Is it worth crossing over to the accelerator: for one job, and from which batch on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction

from utils.cost.checks import non_negative, positive


def offload_speedup(total_ms: float, accel_ms: float, factor: float, copy_ms: float) -> float:
    """Old time over new time when `accel_ms` of `total_ms` run `factor` times faster and copies are paid.

    This is Amdahl's law (AFIPS 1967) with a term for the copies. A result below 1 is a slow-down; `factor` may
    be infinite. Raises ValueError "accel" unless 0 <= accel_ms <= total_ms.

    >>> round(offload_speedup(30, 24, 20, 0), 4), round(offload_speedup(30, 24, 20, 2), 4)
    (4.1667, 3.2609)
    """
    if not 0 <= accel_ms <= total_ms:
        raise ValueError(f"accel_ms must lie between 0 and total_ms = {total_ms}, got {accel_ms}")
    positive(factor=factor)
    non_negative(copy_ms=copy_ms)
    return total_ms / (total_ms - accel_ms + accel_ms / factor + copy_ms)


def amdahl_limit(fraction: float) -> float:
    """The speedup that an infinitely fast accelerator of `fraction` of the time would give; inf for 1.

    Raises ValueError for a fraction outside [0, 1].

    >>> round(amdahl_limit(0.8), 9)
    5.0
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie in [0, 1], got {fraction}")
    return math.inf if fraction == 1 else 1 / (1 - fraction)


def copy_ms(n_bytes: float, link_gb_s: float) -> float:
    """Milliseconds that `n_bytes` take over a link of `link_gb_s` (1e9 bytes a second).

    Raises ValueError for a negative number of bytes or a link that is not positive.

    >>> copy_ms(3e6, 1.5)
    2.0
    """
    non_negative(n_bytes=n_bytes)
    positive(link_gb_s=link_gb_s)
    return n_bytes / (link_gb_s * 1e6)


def offload_time_ms(cpu_ms: float, accel_fraction: float, speedup: float, transfer_bytes: float, link_gb_s: float,
                    overhead_us: float = 0.0) -> float:
    """The time of a job after `accel_fraction` of its `cpu_ms` went to a device that is `speedup` times faster.

    Pays for `transfer_bytes` over a link of `link_gb_s` and for launches, `overhead_us` in all.
    Raises ValueError for a fraction outside [0, 1] and for numbers of the wrong sign.

    >>> round(offload_time_ms(30, 0.8, 20, 8e6, 4), 3)
    9.2
    """
    if not 0 <= accel_fraction <= 1:
        raise ValueError(f"accel_fraction must lie in [0, 1], got {accel_fraction}")
    positive(cpu_ms=cpu_ms, speedup=speedup)
    non_negative(overhead_us=overhead_us)
    stays, goes = cpu_ms * (1 - accel_fraction), cpu_ms * accel_fraction
    return stays + goes / speedup + copy_ms(transfer_bytes, link_gb_s) + overhead_us / 1000


def break_even(cpu_ms: float, fixed_ms: float, dev_ms: float, copy_ms: float) -> int | None:
    """The smallest batch n with n·cpu > fixed + n·(dev + copy), or None if there is none.

    All in milliseconds: `fixed_ms` once a batch, the others for each item. Each argument means the decimal
    number that Python prints for it, so 0.8 − 0.4 − 0.1 is 0.3 exactly. Raises ValueError for a negative one.

    >>> break_even(0.8, 3, 0.4, 0.1), break_even(5, 3, 0.4, 0.1), break_even(0.4, 3, 0.4, 0.1)
    (11, 1, None)
    """
    non_negative(cpu_ms=cpu_ms, fixed_ms=fixed_ms, dev_ms=dev_ms, copy_ms=copy_ms)
    cpu, fixed, dev, copy = (Fraction(str(value)) for value in (cpu_ms, fixed_ms, dev_ms, copy_ms))
    return _first_win(fixed, cpu - dev - copy)


def _first_win(fixed: Fraction, gain: Fraction) -> int | None:
    """The smallest n with n·gain > fixed."""
    return fixed // gain + 1 if gain > 0 else None


def break_even_batch(cpu_ms_per_item: float, fixed_ms: float, dev_ms_per_item: float, bytes_per_item: int,
                     link_gb_s: float, limit: int = 1 << 20) -> int | None:
    """`break_even` with the copy given by bytes and link; None also for a batch above `limit`.

    Raises ValueError for negative numbers and a link that is not positive.

    >>> break_even_batch(0.8, 3, 0.4, 400_000, 4)
    11
    """
    positive(link_gb_s=link_gb_s)
    non_negative(cpu_ms_per_item=cpu_ms_per_item, fixed_ms=fixed_ms, dev_ms_per_item=dev_ms_per_item,
                 bytes_per_item=bytes_per_item)
    copy = Fraction(str(bytes_per_item)) / (Fraction(str(link_gb_s)) * 10**6)
    gain = Fraction(str(cpu_ms_per_item)) - Fraction(str(dev_ms_per_item)) - copy
    batch = _first_win(Fraction(str(fixed_ms)), gain)
    return batch if batch is not None and batch <= limit else None


@dataclass(frozen=True)
class SharedMemory:
    """Engines that work at the same time on one DRAM: what is asked of it, and how long a frame then takes."""

    asked_gb_s: float
    frame_ms: float
    bound: str

    def as_dict(self) -> dict[str, float | str]:
        """The fields as plain data."""
        return asdict(self)


def shared_memory(engine_ms: dict[str, float], engine_bytes: dict[str, float], mem_gb_s: float) -> SharedMemory:
    """The pace of engines that overlap and share one DRAM of `mem_gb_s`.

    `engine_ms` is each engine's time a frame when it has the memory to itself, `engine_bytes` what it moves a
    frame. A frame can't take less than the slowest engine, nor less than all bytes over the bandwidth: a lower
    bound, which a real memory controller does not quite reach. Raises ValueError when the keys differ.

    >>> shared_memory({"isp": 10, "npu": 8}, {"isp": 60e6, "npu": 60e6}, 8).frame_ms
    15.0
    """
    if set(engine_ms) != set(engine_bytes) or not engine_ms:
        raise ValueError(f"engine_ms and engine_bytes must name the same engines, got {list(engine_ms)} "
                         f"and {list(engine_bytes)}")
    positive(mem_gb_s=mem_gb_s)
    slowest = max(engine_ms, key=engine_ms.__getitem__)
    alone_ms, moved = engine_ms[slowest], sum(engine_bytes.values())
    positive(engine_ms=alone_ms)
    memory_ms = copy_ms(moved, mem_gb_s)
    bound = "memory" if memory_ms > alone_ms else slowest
    return SharedMemory(moved / alone_ms / 1e6, max(alone_ms, memory_ms), bound)

"""The CPU's counterparts, really measured: how busy this process is, how much memory it has, which tensors live."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from utils.cost.checks import positive


@dataclass(frozen=True)
class ProcessSample:
    """What a loop did to this process.

    cpu_util_pct: CPU seconds per second, 100 for one busy core (more with threads). rss_bytes: resident memory at
    the end of the loop. calls_per_s: how often the function ran.
    """

    cpu_util_pct: float
    rss_bytes: int
    calls_per_s: float


def rss_bytes() -> int:
    """Resident memory of this process now (Linux), or its peak where only that is told (macOS)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024
    except (OSError, StopIteration):
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def sample_process(fn: Callable[[], object], seconds: float, *, wall: Callable[[], float] = time.perf_counter,
                   cpu: Callable[[], float] = time.process_time) -> ProcessSample:
    """Call `fn` again and again for `seconds` (at least once) and measure this process meanwhile.

    Raises ValueError for seconds that are not positive.
    """
    positive(seconds=seconds)
    calls, began, began_cpu = 0, wall(), cpu()
    while calls == 0 or wall() - began < seconds:
        fn()
        calls += 1
    spent, busy = wall() - began, cpu() - began_cpu
    return ProcessSample(100.0 * busy / spent, rss_bytes(), calls / spent)


def tensor_bytes_live() -> int:
    """Bytes of the storages of all live torch tensors that Python holds; a storage with several views counts once.

    Tensors on the "meta" device have no memory and don't count. What only C++ holds (saved for backward) is not seen.
    """
    import torch

    storages = {}
    for thing in gc.get_objects():
        # type() and not isinstance(): some objects answer __class__ with a warning
        if issubclass(type(thing), torch.Tensor) and thing.layout == torch.strided and thing.device.type != "meta":
            storage = thing.untyped_storage()
            storages[storage._cdata] = storage.nbytes()
    return sum(storages.values())

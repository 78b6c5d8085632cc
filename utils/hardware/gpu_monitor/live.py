"""Reading a real GPU: once through nvidia-smi, or again and again through NVML. Needs NVIDIA's driver."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from utils.cost.checks import positive
from utils.hardware.gpu_monitor.smi_csv import DEFAULT_COLUMNS, GpuSample, parse_query_csv
from utils.optional import EngineUnavailable, require

MIB = 2**20
_HINT = "install NVIDIA's driver and run this on a machine with an NVIDIA GPU"


@dataclass(frozen=True)
class TimedSample:
    """A reading and the seconds since polling began."""

    time_s: float
    sample: GpuSample


def query_nvidia_smi(timeout_s: float = 10.0) -> list[GpuSample]:
    """One reading of every GPU. EngineUnavailable "nvidia-smi is not available: ..." without a working tool."""
    command = ("nvidia-smi", f"--query-gpu={','.join(DEFAULT_COLUMNS)}", "--format=csv")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"nvidia-smi is not available: {_HINT}") from error
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise EngineUnavailable(f"nvidia-smi is not available: {told[0] if told else _HINT}")
    return parse_query_csv(done.stdout)


def poll_nvml(seconds: float, hz: float = 20.0, index: int = 0, *, clock: Callable[[], float] = time.perf_counter,
              sleep: Callable[[float], None] = time.sleep) -> list[TimedSample]:
    """Readings of GPU `index`, `hz` a second for `seconds`; through pynvml where it is, else through nvidia-smi.

    The rate of polling is not the sample period: the driver averages over 1/6 to 1 s, so that at 20 Hz the same
    value comes several times. Raises ValueError for seconds or hz that are not positive, EngineUnavailable where
    neither way works.
    """
    positive(seconds=seconds, hz=hz)
    with _reader(index) as read:
        began, taken = clock(), []
        while not taken or clock() - began < seconds:
            taken.append(TimedSample(clock() - began, read()))
            sleep(max(0.0, began + len(taken) / hz - clock()))
    return taken


@contextmanager
def _reader(index: int) -> Iterator[Callable[[], GpuSample]]:
    """A function that reads GPU `index` now."""
    try:
        nvml = require("pynvml", "pip install nvidia-ml-py")
        nvml.nvmlInit()
    except EngineUnavailable:
        yield partial(_smi_reading, index)
        return
    except Exception as error:  # NVMLError: the package is there, the driver is not
        raise EngineUnavailable(f"NVML is not available: {_HINT}") from error
    try:
        yield partial(_nvml_reading, nvml, nvml.nvmlDeviceGetHandleByIndex(index), index)
    finally:
        nvml.nvmlShutdown()


def _smi_reading(index: int) -> GpuSample:
    for sample in query_nvidia_smi():
        if sample.index == index:
            return sample
    raise EngineUnavailable(f"GPU {index} is not available: nvidia-smi does not list it")


def _nvml_reading(nvml, handle, index: int) -> GpuSample:
    def told(get: Callable, *fields: str) -> list[float | None]:
        """Fields of one struct; None where this GPU does not tell (MIG, unified memory)."""
        try:
            struct = get(handle)
        except nvml.NVMLError:
            return [None] * len(fields)
        return [float(getattr(struct, name)) for name in fields]

    name = nvml.nvmlDeviceGetName(handle)
    used, total = told(nvml.nvmlDeviceGetMemoryInfo, "used", "total")
    busy, touched = told(nvml.nvmlDeviceGetUtilizationRates, "gpu", "memory")
    return GpuSample(index, name.decode() if isinstance(name, bytes) else name, used and used / MIB,
                     total and total / MIB, busy, touched)

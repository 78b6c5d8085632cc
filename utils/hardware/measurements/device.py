"""What a measurement needs of a device: a clock, a memory meter, and GPU-Util as the driver tells it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any, Protocol

from utils.hardware.gpu_monitor import poll_nvml
from utils.optional import EngineUnavailable


class Device(Protocol):
    """A CUDA GPU, or its stand-in in a test. `place` and `dtype` are torch's device and number type."""

    place: str
    dtype: Any

    def origin(self) -> dict[str, str]:
        """device, driver, torch and cuda as text."""

    def times_ms(self, call: Callable[[], object], repeats: int) -> list[float]:
        """Milliseconds of each call on the device."""

    def peak_bytes(self, call: Callable[[], object]) -> int:
        """Bytes that a call held at its peak beyond those held before it."""

    def spin(self, ms: float) -> None:
        """Start one block that computes nothing for about so long, without waiting for it."""

    def gpu_util_pct(self) -> float:
        """GPU-Util now."""

    def finish(self) -> None:
        """Wait until all work that was started is done."""


def open_device() -> CudaDevice:
    """The first CUDA GPU. Raises EngineUnavailable where torch sees none."""
    return CudaDevice()


class CudaDevice:
    """torch's current CUDA device in FP16, timed with events."""

    place = "cuda"

    def __init__(self) -> None:
        import torch

        if not torch.cuda.is_available():
            raise EngineUnavailable("a CUDA GPU is not available: run this on a machine with an NVIDIA GPU and a torch "
                                    "that was built for CUDA")
        self._torch, self.dtype = torch, torch.float16
        self._properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        self._cycles_per_ms = 0.0

    def origin(self) -> dict[str, str]:
        return {"device": self._properties.name, "driver": driver_version(), "torch": str(self._torch.__version__),
                "cuda": str(self._torch.version.cuda)}

    def times_ms(self, call: Callable[[], object], repeats: int) -> list[float]:
        events = [tuple(self._torch.cuda.Event(enable_timing=True) for _ in range(2)) for _ in range(repeats)]
        call()
        for start, end in events:
            start.record()
            call()
            end.record()
        self.finish()
        return [start.elapsed_time(end) for start, end in events]

    def peak_bytes(self, call: Callable[[], object]) -> int:
        self.finish()
        self._torch.cuda.reset_peak_memory_stats()
        before = self._torch.cuda.memory_allocated()
        call()
        self.finish()
        return self._torch.cuda.max_memory_allocated() - before

    def spin(self, ms: float) -> None:
        if not self._cycles_per_ms:
            cycles = 20_000_000
            self._cycles_per_ms = cycles / min(self.times_ms(lambda: self._torch.cuda._sleep(cycles), 3))
        self._torch.cuda._sleep(int(ms * self._cycles_per_ms))  # torch's own spinning kernel: one block, one thread

    def gpu_util_pct(self) -> float:
        told = poll_nvml(1e-6, 1000.0, self._index())[0].sample.gpu_util_pct  # one reading
        if told is None:
            raise EngineUnavailable("GPU-Util is not available: this GPU does not report it, as one cut up by MIG")
        return told

    def finish(self) -> None:
        self._torch.cuda.synchronize()

    def _index(self) -> int:
        """The driver's number of this GPU, which CUDA_VISIBLE_DEVICES may make another one than torch's."""
        current = self._torch.cuda.current_device()
        try:
            return self._torch.cuda._get_nvml_device_index(current)
        except (AttributeError, RuntimeError):
            return current


def driver_version() -> str:
    """The driver's version as nvidia-smi tells it, or "unknown"."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return told.splitlines()[0] if told else "unknown"

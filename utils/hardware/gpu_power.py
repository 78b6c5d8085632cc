"""Energy of a GPU by sampling its power with nvidia-smi while work runs."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from utils.cost.checks import positive
from utils.cost.edge_metrics.energy import energy_from_samples_j

QUERY = ("nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "--id=0")


@dataclass(frozen=True)
class GpuEnergy:
    """Measured: runs in the loop, mean watts while idle and while working, millijoules a run above idle."""

    runs: int
    idle_w: float
    active_w: float
    marginal_mj: float


def nvidia_smi_watts() -> float | None:
    """Watts that the first GPU draws now (field power.draw); None without nvidia-smi or a reading."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=10)
        return float(done.stdout.strip().splitlines()[0]) if done.returncode == 0 else None
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None


def measure_gpu_energy(run: Callable[[], object], seconds: float = 5.0, idle_samples: int = 5,
                       read: Callable[[], float | None] = nvidia_smi_watts) -> GpuEnergy | None:
    """Repeat `run` (which must wait for the device) for `seconds` while a thread samples the power.

    The energy is the trapezoid integral of the samples minus the idle power before. nvidia-smi's reading is a mean
    over up to a second on many GPUs, so a loop of seconds is needed. None where the power can't be read.
    Raises ValueError for seconds or idle_samples that are not positive.
    """
    positive(seconds=seconds, idle_samples=idle_samples)
    idle = [read() for _ in range(idle_samples)]
    if None in idle:
        return None
    samples: list[tuple[float, float]] = []
    done = threading.Event()

    def sample() -> None:
        while True:
            last = done.is_set()
            watts = read()
            if watts is not None:
                samples.append((time.perf_counter(), watts))
            if last:
                return

    sampler = threading.Thread(target=sample)
    started, runs = time.perf_counter(), 0
    sampler.start()
    try:
        while time.perf_counter() - started < seconds:
            run()
            runs += 1
    finally:
        done.set()
        sampler.join()
    if len(samples) < 2:
        return None
    idle_w = sum(idle) / len(idle)
    times, watts = zip(*samples)
    return GpuEnergy(runs, idle_w, sum(watts) / len(watts), energy_from_samples_j(times, watts, idle_w) / runs * 1e3)

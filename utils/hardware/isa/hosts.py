"""Which machine to rent, and which machine this is."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.cost.edge_metrics import usd_per_million

CPUINFO = Path("/proc/cpuinfo")
X86_FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "avx512_bf16", "amx_bf16")
ARM_FLAGS = ("asimd", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme")


@dataclass(frozen=True)
class HostInfo:
    """This machine: architecture, what torch dispatches to, the extensions of interest, cores for this process.

    flags: those of X86_FLAGS or ARM_FLAGS that /proc/cpuinfo lists; empty where there is no such file.
    """

    machine: str
    isa: str
    capability: str
    flags: tuple[str, ...]
    cores: int

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)

    @property
    def saturates(self) -> bool | None:
        """Whether fast INT8 kernels must use 16-bit pair sums; None where the flags are not known."""
        if self.isa == "AArch64":
            return False
        if self.isa == "other" or not self.flags:
            return None
        return not {"avx_vnni", "avx512_vnni", "amx_int8"}.intersection(self.flags)


def detect_host(machine: str | None = None, cpuinfo: Path = CPUINFO) -> HostInfo:
    """What can be found out about this machine; never fails."""
    machine = (platform.machine() if machine is None else machine).lower()
    isa = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "AArch64", "arm64": "AArch64"}.get(machine, "other")
    listed = _listed_flags(cpuinfo)
    wanted = ARM_FLAGS if isa == "AArch64" else X86_FLAGS
    return HostInfo(machine, isa, _torch_capability(), tuple(f for f in wanted if f in listed), _cores())


def _listed_flags(cpuinfo: Path) -> set[str]:
    """The words behind "flags" (x86) or "Features" (Arm) of the first processor."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    named = [line.partition(":") for line in lines]
    return next((set(rest.split()) for key, _, rest in named if key.strip() in ("flags", "Features")), set())


def _torch_capability() -> str:
    try:
        import torch

        return torch.backends.cpu.get_cpu_capability()
    except (ImportError, AttributeError, RuntimeError):
        return "unknown"


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def peak_bounds_gops(host: HostInfo, threads: int, ghz: float = 5.0) -> dict[str, float] | None:
    """What `threads` x86 cores can't exceed at `ghz`, in GOP/s: "fp32" and "int8"; None where it isn't known.

    Two vector units of the widest kind that the flags name; INT8 by AMX (2,048 operations a cycle), by VNNI (four
    times FP32), else by AVX2 (at most twice FP32).
    """
    if host.isa != "x86-64" or "avx2" not in host.flags:
        return None
    lanes = 16 if "avx512f" in host.flags else 8
    fp32 = threads * ghz * lanes * 2 * 2
    if "amx_int8" in host.flags:
        return {"fp32": fp32, "int8": threads * ghz * 2048}
    return {"fp32": fp32, "int8": fp32 * (2 if host.saturates else 4)}


def cheapest_host(hosts: Mapping[str, tuple[float, float, float, float]], p99_ms: float) -> str:
    """The name of the host that serves a million inferences for the fewest US dollars within a latency limit.

    hosts: name -> (p99 latency in ms, inferences a second, US dollars an hour, watts). A latency equal to the limit
    meets it. Equal costs: fewer joules an inference. Raises ValueError "no host" when none meets the limit.

    >>> cheapest_host({"x86": (9, 900, 1.53, 180), "arm": (12, 800, 1.16, 110)}, 20)
    'arm'
    """
    fit = {name: (usd_per_million(usd, per_s), watts / per_s)
           for name, (ms, per_s, usd, watts) in hosts.items() if ms <= p99_ms}
    if not fit:
        raise ValueError(f"no host meets a p99 of {p99_ms} ms")
    return min(fit, key=fit.get)

"""Live readings through a program that is really run and a small NVML; the process and tensors of this one; the sums."""

import gc
import sys
import types

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.gpu_monitor import (
    explain_gap,
    memory_report,
    poll_nvml,
    query_nvidia_smi,
    sample_process,
    tensor_bytes_live,
)
from utils.optional import EngineUnavailable

HEADER = "index, name, memory.used [MiB], memory.total [MiB], utilization.gpu [%], utilization.memory [%]"


def program(tmp_path, monkeypatch, body):
    script = tmp_path / "nvidia-smi"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setitem(sys.modules, "pynvml", None)


def printing(*rows):
    return "\n".join([f'case "$*" in *utilization.memory*--format=csv*) echo "{HEADER}";; *) exit 3;; esac',
                      *(f'echo "{row}"' for row in rows)])


def test_query(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, printing(
        "0, NVIDIA A10G, 618 MiB, 23028 MiB, 100 %, 4 %", "1, GB10, [N/A], [N/A], 0 %, 0 %"))
    first, second = query_nvidia_smi()
    assert (first.memory_used_mib, first.gpu_util_pct, second.memory_used_mib) == (618, 100, None)


def test_polling_through_the_tool(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, printing("0, A, 1 MiB, 2 MiB, 3 %, 4 %", "1, B, 5 MiB, 6 MiB, 7 %, 8 %"))
    taken = poll_nvml(0.05, hz=1000, index=1)
    assert taken and {t.sample.name for t in taken} == {"B"}
    with pytest.raises(EngineUnavailable, match="GPU 2 is not available"):
        poll_nvml(0.05, index=2)


def test_without_a_tool(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    for ask in (query_nvidia_smi, lambda: poll_nvml(0.1)):
        with pytest.raises(RuntimeError, match="nvidia-smi is not available"):
            ask()


def test_a_tool_without_a_driver(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "echo 'NVIDIA-SMI has failed because it could not reach the driver'; exit 9")
    with pytest.raises(EngineUnavailable, match="nvidia-smi is not available: NVIDIA-SMI has failed"):
        query_nvidia_smi()


class Nvml(types.ModuleType):
    """The five functions of pynvml that are used, over one GPU that tells no utilisation when `mig` is on."""

    class NVMLError(Exception):
        pass

    def __init__(self, *, mig=False, driver=True):
        super().__init__("pynvml")
        self.mig, self.driver, self.open, self.reads = mig, driver, 0, 0

    def nvmlInit(self):
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetName(self, handle):
        return b"NVIDIA A10G"

    def nvmlDeviceGetMemoryInfo(self, handle):
        self.reads += 1
        return types.SimpleNamespace(used=self.reads * 2**20, total=2**34)

    def nvmlDeviceGetUtilizationRates(self, handle):
        if self.mig:
            raise self.NVMLError("Not Supported")
        return types.SimpleNamespace(gpu=97, memory=12)


class Clock:
    def __init__(self):
        self.now = 5.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("mig", [False, True])
def test_polling_through_nvml(monkeypatch, mig):
    nvml, clock = Nvml(mig=mig), Clock()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    taken = poll_nvml(1.0, hz=4, clock=clock, sleep=clock.sleep)
    assert [t.time_s for t in taken] == pytest.approx([0, 0.25, 0.5, 0.75])
    assert [t.sample.memory_used_mib for t in taken] == [1, 2, 3, 4] and nvml.open == 0
    assert taken[0].sample.name == "NVIDIA A10G" and taken[0].sample.memory_total_mib == 2**14
    assert (taken[0].sample.gpu_util_pct, taken[0].sample.mem_util_pct) == ((None, None) if mig else (97, 12))


def test_nvml_without_a_driver(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(driver=False))
    with pytest.raises(EngineUnavailable, match="NVML is not available"):
        poll_nvml(0.1)
    with pytest.raises(ValueError, match="hz must be positive"):
        poll_nvml(0.1, hz=0)


# --- this process -----------------------------------------------------------------------------------


def test_process_sample_counts():
    wall, cpu, calls = Clock(), Clock(), []

    def work():
        calls.append(1)
        wall.now, cpu.now = wall.now + 0.25, cpu.now + 0.125

    told = sample_process(work, 1.0, wall=wall, cpu=cpu)
    assert len(calls) == 4 and told.calls_per_s == 4.0 and told.cpu_util_pct == 50.0
    assert 10 * 2**20 < told.rss_bytes < 2**40
    with pytest.raises(ValueError, match="seconds must be positive"):
        sample_process(work, 0)


def test_resident_memory_rises_with_touched_memory():
    held = []
    gc.collect()  # what other tests have left behind
    before = sample_process(lambda: None, 1e-6).rss_bytes
    after = sample_process(lambda: held.append(bytearray(b"x") * (256 * 2**20)) if not held else None, 1e-6).rss_bytes
    assert after - before > 128 * 2**20  # 256 MiB, less what may have been given back meanwhile


def test_views_count_once():
    base = tensor_bytes_live()
    x = torch.zeros(1000)
    y = x.view(10, 100)[:5].t()
    assert tensor_bytes_live() - base == 4000
    z = y.contiguous()
    held = torch.nn.Linear(8, 8, device="meta")
    assert tensor_bytes_live() - base == 4000 + 2000 and held.weight.is_meta
    del x, z
    assert tensor_bytes_live() - base == 4000  # y keeps the whole storage
    del y
    assert tensor_bytes_live() == base


# --- where the MiB are ------------------------------------------------------------------------------

MIBS = st.integers(0, 10_000)


@given(MIBS, MIBS, MIBS, MIBS, MIBS)
def test_parts_add_up(tensors, cache, context, other, unexplained):
    shown = tensors + cache + context + other + unexplained
    told = explain_gap(shown, tensors + cache, tensors, context, other)
    assert told == {"tensors": tensors, "cache": cache, "context": context, "other": other, "unexplained": unexplained}


def test_rounding_and_contradictions():
    assert explain_gap(6000, 4200, 3100, 450, 1200)["unexplained"] == 150
    assert explain_gap(998, 500, 400, 500)["unexplained"] == -2
    for args in ((997.5, 500, 400, 500), (1000, 400, 400.5, 100), (1000, 500, 400, 500, 2.5)):
        with pytest.raises(ValueError, match="inconsistent readings"):
            explain_gap(*args)


def test_report():
    assert memory_report(450, 4200, 3100) == {"nvidia_smi": 4650, "tensors": 3100, "cache": 1100, "context": 450,
                                              "unexplained": 0}
    assert memory_report(450, 4200, 3100, 4700)["unexplained"] == 50

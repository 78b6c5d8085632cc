"""The modelled process: memory and readings against sums made by hand; and the four loops."""

import threading
import types

import numpy as np
import pytest

from utils.hardware.caching_allocator import MIB
from utils.hardware.gpu_monitor import GpuSample, TimedSample, utilization
from utils.hardware.gpu_monitor.four_loops import CPU_LOOPS, gpu_loops, run_gpu_loops, run_loops
from utils.hardware.gpu_timeline import SCRIPT, Step, gpu_timeline


def at(run, time_s):
    i = np.searchsorted(run["time_s"], time_s, side="right") - 1
    return tuple(round(float(run[key][i]), 6) for key in ("tensors_mib", "cache_mib", "context_mib", "smi_mib"))


def test_the_course_script():
    run = gpu_timeline()
    ends = run["step_s"][1:] - 1e-6
    assert [at(run, t)[3] for t in ends] == [0, 450, 1350, 1750, 1930, 1930, 1410, 1410, 1412]
    # weights 900, kept outputs 90, of which three of 9 stay after del
    assert [at(run, t)[0] for t in ends] == [0, 0, 900, 990, 990, 927, 927, 927, 928]
    assert run["reading_pct"].tolist() == pytest.approx([0] * 7 + [90] * 8 + [0] * 8 + [100] * 5)


@pytest.mark.parametrize("options", [{}, {"split": False}, {"coalesce": False}])
def test_parts_are_what_nvidia_smi_shows(options):
    run = gpu_timeline(**options)
    assert run["tensors_mib"] + run["cache_mib"] + run["context_mib"] == pytest.approx(run["smi_mib"])
    assert (run["cache_mib"] >= 0).all() and (np.diff(run["time_s"]) > 0).all()
    assert run["time_s"][0] == 0 and run["time_s"][-1] == run["step_s"][-1] == sum(step.seconds for step in SCRIPT)


def test_the_rules_save_memory():
    peak = {name: gpu_timeline(**options)["smi_mib"].max()
            for name, options in (("both", {}), ("whole", {"split": False}), ("apart", {"coalesce": False}))}
    assert peak == {"both": 1930, "whole": 2150, "apart": 2110}


@pytest.mark.parametrize("window_s", [1 / 6, 0.3, 0.5, 1.0])
def test_readings(window_s):
    run = gpu_timeline(window_s=window_s)
    kernels = run["kernels"].tolist()
    assert len(run["reading_s"]) == int(14 / window_s + 1e-6)
    for end, pct in zip(run["reading_s"], run["reading_pct"]):
        assert pct == pytest.approx(utilization(kernels, end - window_s, end), abs=1e-6)


def test_other_scripts():
    script = [Step("a", 1.0, (("malloc", "x", MIB), ("free", "x")), context=True), Step("b", 1.0, (("empty_cache",),))]
    run = gpu_timeline(script, context_mib=100, window_s=1)
    assert [at(run, t) for t in (0.2, 0.3, 0.8, 1.6)] == [(0, 0, 100, 100), (1, 1, 100, 102), (0, 2, 100, 102), (0, 0, 100, 100)]
    assert run["kernels"].shape == (0, 2) and run["reading_pct"].tolist() == [0, 0]
    assert gpu_timeline([Step("nothing", 2.0)])["smi_mib"].tolist() == [0, 0]
    with pytest.raises(ValueError, match="window_s must be positive"):
        gpu_timeline(window_s=0)


# --- four loops -------------------------------------------------------------------------------------


def test_the_loops_count_what_they_do():
    rows = run_loops(0.02)
    assert [r.name for r in rows] == [name for name, _, _ in CPU_LOOPS]
    for row, (_, _, operations) in zip(rows, CPU_LOOPS):
        assert row.gop_s == pytest.approx(operations * row.sample.calls_per_s / 1e9)
    assert rows[-1].gop_s == 0 and rows[0].gop_s > 0
    functions = [make() for _, make, _ in CPU_LOOPS]
    assert functions[0]() == sum(range(20_000)) and functions[1]().shape == (512, 512)
    assert functions[2]().numel() * functions[2]().element_size() == 80_000_000
    with pytest.raises(ValueError, match="seconds must be positive"):
        run_loops(0)


def test_the_gpu_loops_on_a_stand_in():
    calls, waits = [], []
    cuda = types.SimpleNamespace(empty_cache=lambda: None, synchronize=lambda: waits.append(len(calls)),
                                 memory_allocated=lambda: 3 * MIB, memory_reserved=lambda: 20 * MIB)

    enough = threading.Event()

    def poll(seconds):
        assert seconds == 2.0 and enough.wait(20)
        readings = ((0, 100), (0, 200), (96, 300), (None, 500))  # the first two are from the time before
        return [TimedSample(i, GpuSample(0, "A", used, 1000, util, 0)) for i, (util, used) in enumerate(readings)]

    def work():
        calls.append(1)
        if len(calls) > 45:
            enough.set()

    times = iter((10.0, 14.0))
    (row,) = run_gpu_loops(2.0, loops=[("loop", lambda: work, 10**9)], poll=poll, cuda=cuda, clock=lambda: next(times))
    assert (row.gpu_util_pct, row.smi_used_mib, row.allocated_mib, row.reserved_mib) == (96, 400, 3, 20)
    assert row.gop_s == pytest.approx(len(calls) / 4) and waits[:2] == [20, 40] and waits[-1] == len(calls)
    assert [name.split()[0] for name, _, _ in gpu_loops("cpu")] == ["tiny", "matrix", "addition", "sleep"]
    assert gpu_loops("cpu")[0][1]()().numel() == 32

"""Measurements of a GPU: the file format, the four measurements in small on the CPU, and the CUDA code's own logic."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest
import torch
from stand_in import SMALL, StandIn
from torch.nn.functional import scaled_dot_product_attention

from utils.attention.paged import paged_attention_batch
from utils.attention.torch_kernels import gathered_attention, tiled_attention
from utils.hardware import measurements as room
from utils.hardware.gpu_monitor import GpuSample, TimedSample
from utils.hardware.measurements import device as device_module
from utils.hardware.measurements import live
from utils.hardware.measurements.records import FOLDER, ORIGIN, TABLES
from utils.optional import EngineUnavailable

ORIGIN_OF = {"device": "Some GPU: 80 GB", "driver": "1.2", "torch": "2.13", "cuda": "12.8", "date": "2026-01-31",
             "command": "python benchmarks/record_gpu.py --write"}
ROWS = [{"mib": 1.0, "ms": 0.001234567, "gb_s": 1698.9}, {"mib": 1024.0, "ms": 0.7, "gb_s": 3067.9}]

@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- the file -----------------------------------------------------------------------------------


def test_a_table_comes_back_as_it_was_written(tmp_path):
    path = room.save_recorded("copy_bandwidth", ORIGIN_OF, ROWS, tmp_path)
    told = room.load_recorded("copy_bandwidth", tmp_path)
    assert path.read_text().splitlines()[0] == "# device: Some GPU: 80 GB"
    assert {key: getattr(told, key) for key in ORIGIN} == ORIGIN_OF and told.name == "copy_bandwidth"
    assert [dict(r) for r in told.rows] == [{"mib": 1.0, "ms": 0.001235, "gb_s": 1699.0},
                                            {"mib": 1024.0, "ms": 0.7, "gb_s": 3068.0}]
    assert "Some GPU: 80 GB, driver 1.2" in told.origin and "2026-01-31" in told.origin
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_recorded_is_none_and_an_unknown_name_an_error(tmp_path):
    assert room.load_recorded("gpu_util", tmp_path) is None
    for call in (lambda: room.load_recorded("speed", tmp_path), lambda: room.measure("speed", StandIn()),
                 lambda: room.save_recorded("speed", ORIGIN_OF, ROWS, tmp_path)):
        with pytest.raises(KeyError, match="copy_bandwidth"):
            call()


def test_what_lies_in_the_folder_follows_the_format_and_is_no_stand_in():
    for path in FOLDER.glob("*.csv"):
        told = room.load_recorded(path.stem)
        assert told is not None and told.rows and "Stand-in" not in told.device


@pytest.mark.parametrize(("change", "words"), [
    (lambda t: t.replace("# driver: 1.2\n", ""), "missing: driver"),
    (lambda t: t.replace("mib,ms,gb_s", "mib,ms"), "must have the columns mib, ms, gb_s"),
    (lambda t: t.replace("1024,0.7,", "1024,fast,"), "right kind"),
    (lambda t: t + "2048\n", "right kind"),
])
def test_a_broken_file_is_named(tmp_path, change, words):
    path = room.save_recorded("copy_bandwidth", ORIGIN_OF, ROWS, tmp_path)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=words) as error:
        room.load_recorded("copy_bandwidth", tmp_path)
    assert "copy_bandwidth.csv" in str(error.value)


def test_what_may_not_be_written(tmp_path):
    for origin, rows, words in ((ORIGIN_OF, [], "empty"), (ORIGIN_OF, [{"mib": 1.0}], "columns"),
                                ({**ORIGIN_OF, "driver": ""}, ROWS, "origin"),
                                ({**ORIGIN_OF, "device": "a\nb"}, ROWS, "origin"),
                                ({k: v for k, v in ORIGIN_OF.items() if k != "date"}, ROWS, "date")):
        with pytest.raises(ValueError, match=words):
            room.save_recorded("copy_bandwidth", origin, rows, tmp_path)
    assert not list(tmp_path.iterdir())


# --- the measurements, in small -------------------------------------------------------------------


@pytest.mark.parametrize("name", list(TABLES))
def test_rows_fit_their_table_and_can_be_stored(name, tmp_path):
    rows = room.measure(name, StandIn(), **SMALL[name])
    assert all({c: type(v) for c, v in row.items()} == dict(TABLES[name]) for row in rows)
    room.save_recorded(name, ORIGIN_OF, rows, tmp_path)
    assert len(room.load_recorded(name, tmp_path).rows) == len(rows)


def test_rates_follow_from_times():
    small, large = room.measure("copy_bandwidth", StandIn(), **SMALL["copy_bandwidth"])
    assert small["gb_s"] == pytest.approx(2 * 2**18 / small["ms"] / 1e6)
    assert large["gb_s"] == pytest.approx(2 * 2**20 / large["ms"] / 1e6)
    for row in room.measure("sdpa_kernels", StandIn(), **SMALL["sdpa_kernels"]):
        assert row["tflop_s"] == pytest.approx(4 * row["n"] ** 2 * 8 * 2 / (row["ms"] / 1e3) / 1e12)
    for row in room.measure("paged_attention", StandIn(), **SMALL["paged_attention"]):
        assert row["gb_s"] == pytest.approx(2 * 3 * 32 * 2 * 8 * 4 / (row["ms"] / 1e3) / 1e9)


def test_kernels_that_torch_lacks_are_left_out_and_other_errors_are_not():
    kernels = [(r["kernel"], r["n"]) for r in room.measure("sdpa_kernels", StandIn(), **SMALL["sdpa_kernels"])]
    assert kernels == [(k, n) for n in (32, 48) for k in ("math", "flash", "tiles in torch")]  # a CPU has no other

    class Broken(StandIn):
        def times_ms(self, call, repeats):
            raise RuntimeError("the device fell off the bus")

    with pytest.raises(RuntimeError, match="fell off"):
        room.measure("copy_bandwidth", Broken(), mib=(1,), repeats=1)


def test_a_size_that_does_not_fit_is_left_out(monkeypatch):
    class Small(StandIn):
        def times_ms(self, call, repeats):
            self.calls += 1
            if self.calls == 2:
                raise torch.OutOfMemoryError("out of memory")
            return [1.0]

    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    assert [r["mib"] for r in room.measure("copy_bandwidth", Small(), mib=(1, 2, 3), repeats=1)] == [1.0, 3.0]


def test_gpu_util_tells_busy_from_idle_but_not_work_from_spinning():
    device = StandIn()
    idle, spin, products = room.measure("gpu_util", device, **SMALL["gpu_util"])
    assert (idle["load"], idle["gpu_util_pct"]) == ("idle", 0.0) and idle["tflop_s"] == 0
    assert (spin["gpu_util_pct"], spin["tflop_s"]) == (100.0, 0.0) and set(device.spins) == {1.0}
    # 5 bursts a round, each as many products as fit into the time of a spin; only whole rounds can be counted
    assert products["tflop_s"] > 0 and products["tflop_s"] < 10 and min(r["samples"] for r in (idle, spin, products)) >= 1


def test_paged_rows_name_their_block_sizes():
    rows = room.measure("paged_attention", StandIn(), **SMALL["paged_attention"])
    assert [(r["kernel"], r["block_size"]) for r in rows] == [
        ("contiguous", 32), ("gathered blocks", 4), ("gathered blocks", 16)]


# --- the kernels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("nq", "nk", "bq", "bk"), [(17, 17, 4, 5), (3, 40, 8, 16), (9, 9, 100, 100), (6, 6, 1, 1)])
def test_tiles_equal_torch(nq, nk, bq, bk):
    q, k, v = (torch.randn(2, 3, n, 8, dtype=torch.float64) for n in (nq, nk, nk))
    torch.testing.assert_close(tiled_attention(40 * q, k, v, bq, bk), scaled_dot_product_attention(40 * q, k, v))


def test_tiles_in_half_precision_keep_their_sums_in_float32():
    q, k, v = (torch.randn(1, 2, 64, 16) for _ in range(3))
    got = tiled_attention(q.half(), k.half(), v.half(), 16, 16)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.float(), scaled_dot_product_attention(q, k, v), atol=5e-3, rtol=0)


def test_gathered_blocks_equal_the_padded_kernel_of_the_chapter():
    pools = [torch.randn(12, 4, 2, 8) for _ in range(2)]
    tables = torch.randperm(12).reshape(3, 4)
    q = torch.randn(3, 2, 8)
    torch.testing.assert_close(gathered_attention(q, *pools, tables),
                               paged_attention_batch(q, *pools, tables.tolist(), [16] * 3))


# --- CUDA's side, without CUDA ----------------------------------------------------------------------


def test_without_a_gpu_there_is_no_device(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(EngineUnavailable, match="is not available"):
        room.open_device()


class FakeEvent:
    clock = 0.0

    def __init__(self, enable_timing=False):
        assert enable_timing

    def record(self):
        FakeEvent.clock += 2.0
        self.at = FakeEvent.clock

    def elapsed_time(self, end):
        return end.at - self.at


@pytest.fixture
def cuda(monkeypatch):
    """A CudaDevice over a pretended torch.cuda: events 2 ms apart, memory that grows and falls."""
    noted = types.SimpleNamespace(slept=[], held=100)
    pretended = {"is_available": lambda: True, "current_device": lambda: 0, "Event": FakeEvent,
                 "synchronize": lambda: None, "reset_peak_memory_stats": lambda: None, "_sleep": noted.slept.append,
                 "memory_allocated": lambda: noted.held, "max_memory_allocated": lambda: noted.held + 40,
                 "get_device_properties": lambda i: types.SimpleNamespace(name="Pretended", uuid="abc-1")}
    for name, value in pretended.items():
        monkeypatch.setattr(f"torch.cuda.{name}", value)
    return room.open_device(), noted


def test_cuda_times_memory_and_spins(cuda, monkeypatch):
    device, noted = cuda
    calls = []
    assert device.times_ms(lambda: calls.append(1), 3) == [2.0, 2.0, 2.0] and len(calls) == 4  # one to warm up
    assert device.peak_bytes(lambda: None) == 40
    device.spin(5.0)
    device.spin(1.0)
    assert noted.slept[-2:] == [50_000_000, 10_000_000]  # 20 million cycles took 2 ms
    monkeypatch.setattr(device_module, "driver_version", lambda: "550.54")
    assert device.origin()["driver"] == "550.54" and device.origin()["device"] == "Pretended"


def reading(told):
    return [TimedSample(0.0, GpuSample(5, "Pretended", None, None, told, None))]


def test_gpu_util_is_one_reading_of_the_driver_s_gpu(cuda, monkeypatch):
    device, _ = cuda
    asked = []
    monkeypatch.setattr("torch.cuda._get_nvml_device_index", lambda device: 5)
    monkeypatch.setattr(device_module, "poll_nvml", lambda *args: asked.append(args) or reading(73.0))
    assert device.gpu_util_pct() == 73.0 and asked[0][2] == 5

    def unknown(device):
        raise RuntimeError("CUDA_VISIBLE_DEVICES names no GPU that NVML knows")

    monkeypatch.setattr("torch.cuda._get_nvml_device_index", unknown)
    monkeypatch.setattr(device_module, "poll_nvml", lambda *args: asked.append(args) or reading(None))
    with pytest.raises(EngineUnavailable, match="is not available"):
        device.gpu_util_pct()
    assert asked[1][2] == 0  # torch's own number


def test_a_reading_polls_once(cuda, monkeypatch):
    polled = []

    def query():
        polled.append(1)
        return [reading(40.0)[0].sample]

    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr("utils.hardware.gpu_monitor.live.query_nvidia_smi", query)
    monkeypatch.setattr("torch.cuda._get_nvml_device_index", lambda device: 5)
    assert cuda[0].gpu_util_pct() == 40.0 and len(polled) == 1


@pytest.mark.parametrize(("answer", "told"), [("550.54\n550.54\n", "550.54"), ("", "unknown"), (None, "unknown")])
def test_driver_version(monkeypatch, answer, told):
    def run(command, **_):
        assert command[0] == "nvidia-smi"
        if answer is None:
            raise FileNotFoundError("nvidia-smi")
        return types.SimpleNamespace(stdout=answer)

    monkeypatch.setattr(subprocess, "run", run)
    assert device_module.driver_version() == told


def test_the_queue_is_full_while_gpu_util_is_read():
    """Readings come after a full round of bursts and before the device is waited for; the first half is not read."""
    events = []

    class Noted(StandIn):
        def spin(self, ms):
            events.append("spin")

        def gpu_util_pct(self):
            events.append("read")
            return 50.0

        def finish(self):
            events.append("finish")

    seen, bursts, took_s = live._watch(Noted(), lambda: Noted().spin(1), 0.2)
    assert bursts == events.count("spin") and bursts % live.AHEAD == 0 and took_s >= 0.2
    assert len(seen) == events.count("read") and set(seen) == {50.0}
    rounds = " ".join(events).split("finish")[1:-1]
    assert all(r.split() in (["spin"] * live.AHEAD, [*["spin"] * live.AHEAD, "read"]) for r in rounds)
    assert "read" not in rounds[0]

"""The recorder of GPU measurements, run over a stand-in: what it prints, writes, and how it ends."""

from __future__ import annotations

import datetime
import sys

import pytest
import record_gpu
import torch

from autograder.chapters import ROOT
from utils.hardware.measurements import TABLES, load_recorded
from utils.optional import EngineUnavailable

sys.path.insert(0, str(ROOT / "tests/unit/hardware"))
from stand_in import SMALL, StandIn


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_all_tables_are_printed_stored_and_read_back(tmp_path):
    said = []
    origin = record_gpu.origin_of(StandIn(), ["--write", "--folder", "a b"], datetime.date(2026, 1, 31))
    assert record_gpu.record(StandIn(), list(TABLES), origin, tmp_path, SMALL, said.append) == []
    for name in TABLES:
        told = load_recorded(name, tmp_path)
        assert told.rows and told.date == "2026-01-31" and told.device == "Stand-in, not a GPU"
        assert told.command == "python benchmarks/record_gpu.py --write --folder 'a b'"
        assert f"\n{name}" in said and f"written to {tmp_path / name}.csv" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{name}.csv" for name in TABLES)


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record_gpu.record(StandIn(), ["copy_bandwidth"], {}, None, SMALL, lambda text: None)
    assert not list(tmp_path.iterdir())


def test_a_table_that_cannot_be_measured_is_named_and_the_others_go_on(tmp_path):
    class Blind(StandIn):
        def gpu_util_pct(self):
            raise EngineUnavailable("nvidia-smi is not available: install it")

    origin = record_gpu.origin_of(Blind(), [])
    failures = record_gpu.record(Blind(), ["gpu_util", "copy_bandwidth"], origin, tmp_path, SMALL, lambda text: None)
    assert failures == ["gpu_util: nvidia-smi is not available: install it"]
    assert load_recorded("copy_bandwidth", tmp_path) and load_recorded("gpu_util", tmp_path) is None
    nothing = record_gpu.record(StandIn(), ["copy_bandwidth"], origin, tmp_path, {"copy_bandwidth": {"mib": ()}}, print)
    assert nothing == ["copy_bandwidth: nothing could be measured on this device"]


def test_text_is_aligned():
    lines = record_gpu.as_text([{"kernel": "math", "ms": 1234.56}, {"kernel": "flash", "ms": 0.5}])
    assert lines == ["kernel    ms", "  math  1235", " flash   0.5"]


def test_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert record_gpu.main([]) == 0 and "is not available" in capsys.readouterr().out
    assert record_gpu.main(["--write"]) == 1 and "is not available" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        record_gpu.main(["--only", "speed"])


def test_main_over_a_stand_in(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(record_gpu, "open_device", StandIn)
    monkeypatch.setattr(record_gpu, "measure", lambda name, device: [{"mib": 1.0, "ms": 1.0, "gb_s": 2.0}])
    assert record_gpu.main(["--write", "--only", "copy_bandwidth", "--folder", str(tmp_path)]) == 0
    assert "Stand-in, not a GPU, driver 0.0" in capsys.readouterr().out
    assert load_recorded("copy_bandwidth", tmp_path).rows[0]["gb_s"] == 2.0

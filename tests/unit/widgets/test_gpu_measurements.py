"""A GPU's measurement in a notebook: three states, each labelled, and sentences whose numbers are counted here."""

from __future__ import annotations

import pytest

from utils.hardware.measurements import TABLES, save_recorded
from utils.optional import EngineUnavailable
from utils.widgets import gpu_measurements as shown

ORIGIN = {"device": "Some GPU", "driver": "1", "torch": "2", "cuda": "3", "date": "2026-01-31", "command": "record"}
ROWS = {
    "copy_bandwidth": [{"mib": 1024.0, "ms": 0.7, "gb_s": 3067.9}, {"mib": 1.0, "ms": 0.01, "gb_s": 200.0}],
    "sdpa_kernels": [{"kernel": k, "n": n, "ms": ms * n, "tflop_s": 1.0, "peak_mb": mb}
                     for n in (1024, 4096) for k, ms, mb in (("math", 0.06, 900.0), ("flash", 0.01, 10.0))],
    "paged_attention": [
        {"kernel": k, "block_size": b, "sequences": 4, "tokens": 64, "ms": ms, "gb_s": 1.0}
        for k, b, ms in (("contiguous", 64, 2.0), ("gathered blocks", 1, 9.0), ("gathered blocks", 16, 6.0))],
    "gpu_util": [{"load": "idle", "samples": 9, "gpu_util_pct": 0.0, "lowest_pct": 0.0, "tflop_s": 0.0},
                 {"load": "one block spins", "samples": 9, "gpu_util_pct": 100.0, "lowest_pct": 99.0, "tflop_s": 0.0}],
}
SENTENCES = {
    "copy_bandwidth": "The copy of 1,024 MiB moves 3,068 GB/s, reads and writes together.",
    "sdpa_kernels": "At N = 4,096 math takes 6.0 times as long as flash, and 90 times the memory.",
    "paged_attention": ("Gathering first takes longer than the contiguous cache: 4.5 times with blocks of 1, "
                        "3.0 times with blocks of 16."),
    "gpu_util": ("GPU-Util beside the arithmetic that was done. Idle: 0 % at 0.0 TFLOP/s; one block spins: 100 % at "
                 "0.0 TFLOP/s."),
}


class Pretended:
    def origin(self):
        return ORIGIN


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.mark.parametrize("name", list(TABLES))
def test_recorded_is_labelled_and_read(name, no_gpu, tmp_path):
    save_recorded(name, ORIGIN, ROWS[name], tmp_path)
    told = repr(shown.gpu_measurement(name, folder=tmp_path)).splitlines()
    assert told[0].startswith("Recorded, not measured here: Some GPU, driver 1") and "2026-01-31" in told[0]
    assert told[-1] == SENTENCES[name] and len(told) == len(ROWS[name]) + 3
    assert "Recorded" in shown.gpu_measurement(name, folder=tmp_path)._repr_html_()


@pytest.mark.parametrize("name", list(TABLES))
def test_nothing_recorded_is_one_line(name, no_gpu, tmp_path):
    told = repr(shown.gpu_measurement(name, folder=tmp_path))
    assert told.startswith("No GPU here, and nothing was recorded.") and len(told.splitlines()) == 1
    assert shown.DOES[name] in told


def test_live_is_labelled_and_may_say_more(monkeypatch):
    monkeypatch.setattr(shown, "open_device", Pretended)
    monkeypatch.setattr(shown, "measure", lambda name, device, **sizes: ROWS[name])
    told = repr(shown.gpu_measurement("copy_bandwidth"))
    assert told.startswith("Measured now on Some GPU.") and "Recorded" not in told
    more = shown.gpu_measurement("copy_bandwidth", also=lambda: "3 < 4 GB/s")
    assert repr(more) == f"{told}\n3 < 4 GB/s" and "3 &lt; 4" in more._repr_html_()

    def blind(name, device, **sizes):
        raise EngineUnavailable("nvidia-smi is not available: install it")

    monkeypatch.setattr(shown, "measure", blind)
    assert repr(shown.gpu_measurement("gpu_util")).startswith("nvidia-smi is not available")


def test_half_a_table_is_no_comparison():
    for name, words in (("sdpa_kernels", "did not run both"), ("paged_attention", "did not run both")):
        assert words in repr(shown.measured_table(name, ROWS[name][:1], "Measured now."))
    assert "none of it" in repr(shown.measured_table("sdpa_kernels", [], "Measured now."))

"""GPU power: a program called nvidia-smi that is really run, and a loop whose energy is known."""

import time

import pytest

from utils.hardware.gpu_power import measure_gpu_energy, nvidia_smi_watts


def fake(tmp_path, monkeypatch, body):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_reads_what_the_program_prints(tmp_path, monkeypatch):
    fake(tmp_path, monkeypatch, 'case "$*" in *power.draw*) echo 71.25;; *) echo 0;; esac')
    assert nvidia_smi_watts() == 71.25


@pytest.mark.parametrize("body", ["echo '[N/A]'", "echo 5; exit 9", "true"])
def test_no_reading_is_none(tmp_path, monkeypatch, body):
    fake(tmp_path, monkeypatch, body)
    assert nvidia_smi_watts() is None


def test_no_program_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_smi_watts() is None
    assert measure_gpu_energy(lambda: None, 0.1) is None


def test_energy_of_a_loop():
    busy = []

    def read():
        time.sleep(0.002)
        return 110.0 if busy else 60.0

    def run():
        busy.append(1)
        time.sleep(0.01)

    told = measure_gpu_energy(run, 0.3, read=read)
    assert told.idle_w == 60 and told.runs == len(busy) and 60 < told.active_w <= 110
    # 50 W above idle for the time of a run; the loop's first and last samples lie up to a run outside it
    each_s = 0.3 / told.runs
    assert told.marginal_mj == pytest.approx(50 * each_s * 1e3, rel=0.3)


def test_errors():
    with pytest.raises(ValueError, match="seconds"):
        measure_gpu_energy(lambda: None, 0)

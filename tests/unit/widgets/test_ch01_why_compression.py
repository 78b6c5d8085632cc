"""Chapter 01's figures: their sentences say what was computed, and what was measured adds up."""

import re

import numpy as np
import pytest

from utils.compression.feasibility.necessity import TARGET_DEVICES
from utils.widgets import ch01_why_compression as figures


def test_the_sentence_is_the_arithmetic_of_the_data_sheet():
    figure, told = figures.draw_need_vs_can()
    device = TARGET_DEVICES[figures.JETSON]
    bits = min(device.free_bytes * 8 / 8e9, device.mem_gb_s * 8e9 / 8e9 / 10)
    assert f"at most {bits:g} bits a weight, and memory decides" in told and f"That is {bits / 32:.3f} of" in told
    assert told.count("Before the cliff: fewer bits.") == 1 and "0.116" in told and "0.272" in told and "0.438" in told
    plane, cliff = figure.axes
    assert "tokens/s" in plane.get_xlabel() and "bits" in plane.get_ylabel()
    assert "FP32" in cliff.get_xlabel() and "%" in cliff.get_ylabel()


def test_bandwidth_decides_where_the_memory_is_slow():
    assert "at most 1.71 bits a weight, and bandwidth decides" in figures.draw_need_vs_can("Raspberry Pi 5 8GB", 8, 10)[1]
    assert "No method alone gets there" in figures.draw_need_vs_can("Raspberry Pi 5 8GB", 8, 10)[1]
    assert "nothing must shrink" in figures.draw_need_vs_can("H100 SXM", 8, 10)[1]


@pytest.mark.parametrize("device", list(TARGET_DEVICES))
def test_every_knob_draws(device):
    for billions in (min(figures.SIZES_B), max(figures.SIZES_B)):
        for rate in (min(figures.RATES), max(figures.RATES)):
            figure, told = figures.draw_need_vs_can(device, billions, rate)
            assert len(figure.axes) == 2 and told.startswith(f"{billions:g} billion weights on {device}")


def test_knees_of_the_digits_network():
    found = figures.knees(figures.digits_curves())
    # the first measurement, one level of room for other builds of torch
    assert found["bits"] in (2, 3, 4) and found["sparsity"] in (0.5, 0.6, 0.7) and found["rank"] in (8, 10, 12)
    right, n = figures.digits_baseline()
    assert n == 540 and right / n > 0.955


def test_training_on_moves_the_cliff():
    (point,) = figures.finetuned_curve((0.8,), epochs=3)
    untrained = {p.level: p for p in figures.digits_curves()["sparsity"]}[0.8]
    assert point.accuracy > untrained.accuracy + 0.05 and point.ratio == untrained.ratio


def test_trained_matrices_need_fewer_directions_than_random_ones():
    _, told = figures.draw_spectra()
    for trained, random in re.findall(r"(\d+) instead of (\d+)", told):
        assert int(trained) < 0.75 * int(random)
    rows = repr(figures.spectrum_table()).splitlines()
    assert len(rows) == 4 and rows[1].split()[:3] == ["128", "×", "64"]


def test_tolerance_tables_hold_counts_and_intervals():
    curves = {"bits": figures.digits_curves()["bits"]}
    _, told = figures.draw_tolerance(curves)
    assert f"fewer bits: {figures.knees(curves)['bits']:.0f} bits." in told
    lines = repr(figures.tolerance_table(curves)).splitlines()
    assert len(lines) == 8
    for line, point in zip(lines[1:], curves["bits"]):
        right = int(re.search(r"(\d+) of 540", line)[1])
        low, high = map(float, re.search(r"([\d.]+) … ([\d.]+) %", line).groups())
        assert right == round(540 * point.accuracy) and low < 100 * point.accuracy < high


def test_classes_add_up():
    rows = [line.split() for line in repr(figures.class_table("sparsity", 0.7)).splitlines()[1:]]
    numbers = np.array([[int(v) for v in row[1:]] for row in rows])
    assert np.array_equal(numbers[:10].sum(axis=0), numbers[10]) and numbers[10, 0] == 540
    assert np.array_equal(numbers[:, 2] - numbers[:, 1], numbers[:, 3])


def test_gemv_and_gpu_tables():
    lines = repr(figures.gemv_table((64, 128), repeats=2)).splitlines()
    assert "this machine" in lines[0] and "0.02 MiB" in lines[2] and len(lines) == 4


def test_gpu_part_without_and_with_a_device(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "No CUDA device" in repr(figures.gpu_ceiling())
    monkeypatch.setattr("utils.cost.bandwidth.streams.cuda_bandwidth", lambda: 2000.0)
    assert [line.split()[-1] for line in repr(figures.gpu_ceiling(8)).splitlines()[2:]] == ["62", "125", "250", "500"]


def test_it_asks_before_it_shows():
    question, row, told, picture = figures.need_vs_can_explorer().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[0].click()
    assert "✓" in told.value and picture.layout.display == ""


def test_static_picture_has_both_halves():
    assert len(figures.static_picture().axes) == 2

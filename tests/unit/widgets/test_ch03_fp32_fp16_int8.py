"""Chapter 03's figures: the numbers in their sentences against independent arithmetic, labelled axes, all knobs."""

import itertools
import math
import re

import numpy as np
import pytest
import torch

from autograder.notebooks.pictures import figure_svg
from utils.widgets import ch03_fp32_fp16_int8 as ch


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]


@pytest.mark.parametrize("outlier", [0.0, 100.0])
def test_ruler_tells_what_int8_and_fp8_keep(outlier):
    figure, told = ch.draw_ruler("int8", "e4m3", "Gaussian", outlier)
    x = ch.tensor("Gaussian", outlier)
    step = np.abs(x).max() / 127
    inside = 2 * math.floor(4 / step) + 1
    noise = np.mean((np.rint(x / step) * step - x) ** 2)
    crest = 20 * np.log10(np.abs(x).max() / np.sqrt(np.mean(x**2)))
    assert f"crest factor {crest:.1f} dB" in told
    assert f"INT8 has {min(inside, 255)} values within ±4 and reaches {10 * np.log10(np.mean(x**2) / noise):.1f} dB" in told
    scaled = torch.tensor(x / np.abs(x).max() * 448).float().to(torch.float8_e4m3fn).double().numpy() * np.abs(x).max() / 448
    oracle = 10 * np.log10(np.sum(x**2) / np.sum((scaled - x) ** 2))
    assert float(re.search(r"E4M3 .* reaches ([\d.]+) dB", told)[1]) == pytest.approx(oracle, abs=0.06)
    assert told.endswith(f"= {52.87 - crest:.1f} dB.")
    rulers, density, errors = figure.axes
    assert all(ax.get_xlabel() and ax.get_title(loc="left") for ax in (rulers, density, errors))
    assert density.get_ylabel() and errors.get_ylabel()


def test_places_are_the_values_of_the_format():
    assert ch.places("int8", 0.5, 1.2).tolist() == [-1, -0.5, 0, 0.5, 1]
    assert ch.places("e2m1", 1.0, 2.0).tolist() == [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2]


@pytest.mark.parametrize("kind", ch.TENSORS)
def test_tensors_have_rms_1(kind):
    assert np.sqrt(np.mean(ch.tensor(kind) ** 2)) == pytest.approx(1)
    assert ch.tensor(kind, 50.0)[-1] == 50


@pytest.mark.parametrize(("a", "b"), itertools.pairwise(["int8", "e5m2", "e2m1", "bf16", "fp16"]))
def test_every_pair_of_formats_is_drawn(a, b):
    assert len(ch.draw_ruler(a, b, "Laplace", 20.0)[0].axes) == 3


def test_ruler_asks_before_it_shows():
    question, row, told, picture = ch.ruler().children
    assert "Guess first" in question.value and picture.layout.display == "none"
    row.children[1].click()
    assert "As you guessed" in told.value and picture.layout.display == ""


def test_static_picture_has_the_numbers_of_its_alt_text():
    figure = ch.static_picture()
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert [numbers(text.split("\n")[1])[0] for text in labels] == [251, 251, 11, 177]
    assert [numbers(text)[-1] for text in labels] == [40.7, 31.6, 14.6, 33.3]
    assert figure_svg(figure).startswith("<")


def test_matmul_chart_shows_bytes_and_times():
    rows = [{"name": "fp32", "operand_bytes": 800, "ms": 2.0, "relative": 1.0},
            {"name": "fp16", "operand_bytes": 400, "ms": 20.0, "relative": 10.0},
            {"name": "int8", "operand_bytes": 200, "ms": 0.5, "relative": 0.25}]
    assert repr(ch.matmul_chart(rows, 10)) == "FP32 800 bytes, 2.00 ms; FP16 400 bytes, 20.00 ms; INT8 200 bytes, 0.50 ms"
    assert ch.matmul_verdict(rows) == "FP16 took 10.0 times the time of FP32.\nINT8 was 4.0 times faster than FP32."


def test_timed_products_have_the_bytes_of_their_format():
    threads = torch.get_num_threads()
    rows = {r["name"]: r for r in ch.time_matmuls(32, rounds=1)}
    assert torch.get_num_threads() == threads
    assert rows["fp32"]["operand_bytes"] == 2 * rows["fp16"]["operand_bytes"] == 2 * 32 * 32 * 4
    if not torch.cuda.is_available():
        assert "No CUDA device" in repr(ch.gpu_table())


def test_wilson_against_scipy():
    from scipy.stats import binomtest

    for k, n in ((510, 540), (540, 540), (0, 20)):
        want = binomtest(k, n).proportion_ci(method="wilson")
        assert ch.wilson_interval(k, n) == pytest.approx((want.low, want.high), abs=1e-6)


def test_int8_files_of_the_digits_network_run_on_integers():
    rows = ch.measure_digits(ch.quantize_digits(epochs=1), rounds=3)
    fp32, static, dynamic = rows
    assert fp32.integer_operators == ()
    assert static.integer_operators == ("QLinearConv", "QGemm")
    assert "Conv" not in static.operators and "Gemm" not in static.operators
    assert "ConvInteger" in dynamic.integer_operators and "Conv" not in dynamic.operators
    assert max(static.file_bytes, dynamic.file_bytes) < 0.4 * fp32.file_bytes
    assert min(static.accuracy, dynamic.accuracy) > fp32.accuracy - 0.02
    told = ch.digits_table(rows)
    assert repr(told).count("\n") == 3 and told._repr_html_().count("<tr>") == 4

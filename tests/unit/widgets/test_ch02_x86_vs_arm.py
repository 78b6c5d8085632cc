"""Figures of chapter 02: the numbers of their sentences against computations of their own, axes, and the shell."""

import re

import numpy as np
import pytest

from utils.hardware import isa
from utils.widgets import ch02_x86_vs_arm as figures


def number(pattern, text):
    return float(re.search(pattern, text)[1].replace(",", ""))


def test_lanes_show_both_sums():
    figure, told = figures.draw_lanes([255, 255, 1, 2], [-128, -128, 3, 4])
    assert told.endswith("1 of 2 of them clamped, it is -32,757.") and "sum to -65,269" in told  # -65,280 + 11; -32,768 + 11
    texts = {t.get_text() for ax in figure.axes for t in ax.texts}
    assert {"-65,280 → -32,768", "11", "-65,269", "255 × -128", "then in 32 bits: -32,757"} <= texts


@pytest.mark.parametrize(("bits", "share"), [(8, 3.58), (7, 0.0)])
def test_pair_sums_against_plain_drawing(bits, share):
    figure, told = figures.draw_pair_sums(bits)
    assert number(r"([\d.]+)% of all pairs", told) == share
    assert number(r"can be ([\d,]+) away", told) == 2 * 255 * 2 ** (bits - 1)
    (ax,) = figure.axes
    assert ax.get_xlabel() == "sum of two products" and ax.get_ylabel() == "pairs of 200,000" and len(ax.lines) == 2
    outside = sum(bar.get_height() for bar in ax.containers[1])
    assert outside / 200_000 == pytest.approx(share / 100, abs=0.003)  # bars of 1,000 around the ends


@pytest.mark.parametrize("name", ["AVX2", "VNNI", "SDOT", "SMMLA"])
@pytest.mark.parametrize(("bits", "a_max", "length"), [(8, 255, 64), (7, 255, 16), (8, 128, 2)])
def test_the_scatter_and_its_sentence(name, bits, a_max, length):
    figure, told = figures.draw_dots(name, bits, a_max, length)
    left, right = figure.axes
    exact, hw = (np.concatenate([line.get_data()[i] for line in left.lines[1:]]) for i in (0, 1))
    assert exact.size == 500 and number(r"largest error is ([\d,]+)\.", told) == np.abs(exact - hw).max()
    red = left.lines[2].get_data()[0].size
    assert number(r"in (\d+) of 500", told) == red and (red > 0) == (name == "AVX2" and bits == 8 and a_max > 128)
    assert number(r"does (\d+) multiply", told) == {"AVX2": 32, "VNNI": 64, "SDOT": 16, "SMMLA": 32}[name]
    assert left.get_xlabel() == "exact dot product" and "multiply" in right.get_xlabel() and right.get_xscale() == "log"
    lowest = 0 if name in ("AVX2", "VNNI") else (a_max + 1) // 2
    assert f"from {-lowest} to {a_max - lowest}" in told


def test_the_answer_to_the_guess():
    red = number(r"in (\d+) of 500", figures.draw_dots()[1])
    assert red == pytest.approx(500 * (1 - (1 - isa.exact_saturation_rate(8)) ** 32), abs=40)  # four standard deviations
    assert red == 346  # the text says so


def test_peaks_leave_the_unknown_unknown():
    figure, told = figures.draw_peaks()
    (ax,) = figure.axes
    widths = sorted(round(bar.get_width()) for c in ax.containers for bar in c)
    expected = [isa.peak_gflops_fp32(c) for c in isa.CPUS.values()] + [isa.peak_int8_gops(c) for c in isa.CPUS.values()]
    assert widths == sorted(round(x) for x in expected if x is not None)
    assert sum("not known" in t.get_text() for t in ax.texts) == 3 and "Xeon Platinum 8480+ 229,376" in told
    table = repr(figures.cpu_table())
    assert table.count("not known") == 3 + 3 and isa.AS_OF in table and "7,372.8" in table
    sources = repr(figures.source_table())
    assert all(c.source in sources for c in isa.CPUS.values())
    assert repr(figures.efficiency_table()).splitlines()[-1].split()[-1] == "36.3"  # 217.6 / 6
    assert "16,384" in repr(figures.instruction_table())
    assert "<img" in figures.peaks_picture()._repr_html_() and "3.58%" in figures.pair_sums_picture().text
    assert "65,534" in figures.lanes_picture([255] * 4, [127] * 4).text


def test_the_network_by_scheme():
    rows = figures.scheme_rows()
    assert len(rows) == 5 and all(500 <= r.vnni_right <= 540 for r in rows)
    one, channel, _, worst, seven = rows
    assert one.saturated_share < channel.saturated_share < worst.saturated_share
    assert worst.largest_error > one.largest_error > 0 and worst.avx2_right < worst.vnni_right
    assert seven.saturated_share == seven.largest_error == 0 and seven.avx2_right == seven.vnni_right
    assert "7-bit" in repr(figures.scheme_table())


def test_the_shell_asks_first_and_redraws():
    question, row, told, figure = figures.play_with_dots().children
    assert "3.6 %" in question.value and figure.layout.display == "none"
    row.children[2].click()
    assert "As you guessed" in told.value and figure.layout.display == ""
    knobs = figure.children[1].children
    assert [k.description for k in knobs] == ["instruction", "weight bits", "largest activation", "length"]
    assert "346 of 500" in figure.children[3].value
    knobs[1].value = 7
    assert "in 0 of 500" in figure.children[3].value
    assert len(figures.static_picture().axes) == 2


def test_what_was_measured_is_told():
    run = figures.MeasuredProducts(512, 2, 100.0, 350.0, {"fp32": 320.0, "int8": 640.0}, True)
    figure, told = figures.draw_products(run)
    assert "a ratio of 3.5" in told and "31% and 55%" in told and len(figure.axes[0].lines) == 2
    figure, told = figures.draw_products(figures.MeasuredProducts(512, 2, 100.0, 350.0, None, True))
    assert "not known" in told and not figure.axes[0].lines
    assert "<img" in figures.products_picture(run)._repr_html_()


def test_a_small_product_is_measured():
    host = isa.detect_host()
    run = figures.measure_products(host, n=64, threads=1, rounds=3)
    assert run.equal and run.fp32_gops > 0 and run.int8_gops > 0
    assert host.machine in repr(figures.host_table(host))


def test_torch_s_kernels_or_why_not():
    assert figures.kernel_rows(isa.HostInfo("arm64", "AArch64", "", ("i8mm",), 4)) == []
    assert "needs an x86 processor" in figures.kernel_table([]).text
    text = repr(figures.kernel_table([figures.KernelRow("AVX2", 1573, 0, 2048, True)]))
    assert "1,573 of 2,048" in text and "yes" in text

"""Figures of chapter 38: the numbers of their sentences against counts of their own, axes, and the guesses' answers."""

import re

import numpy as np
import pytest

from utils.delivery.placement import CascadePoint, chain_cuts
from utils.delivery.placement.examples import RECORDED_PIECES, example_forms, example_workload
from utils.delivery.placement.remote import CutRun
from utils.widgets import ch38_deployment_forms as figures


def labelled(figure, count=1):
    return len(figure.axes) == count and all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)


def test_the_map_of_forms():
    html, told = figures.draw_forms(150, 20, 120, 220_000, False, True)
    assert told == ("Chosen: vehicle, 194 USD a month, 100.0% within 150 ms. Rejected: cloud (88.2% within 150 ms), split (94.5% "
                    "within 150 ms).")
    assert round(5 * 38 + 220 * 0.02) == 194  # five boxes of 50,000
    assert html.count("✗ ") == 2 and html.count("✓ chosen") == 1 and html.count("✓ possible") == 2 and "alt=" in html


@pytest.mark.parametrize("knobs, start", [
    ((200, 20, 120, 220_000, False, True), "Chosen: cloud, 176 USD"), ((150, 20, 120, 400_000, False, True), "Chosen: edge server, 260 USD"),
    ((150, 20, 120, 2_000_000, False, True), "Chosen: device, 900 USD"), ((150, 50, 120, 1_000_000, False, False), "Chosen: split, 600 USD"),
    ((20, 20, 120, 220_000, True, False), "Chosen: vehicle, 194 USD"), ((20, 1, 500, 10_000, False, True), "Chosen: vehicle"),
])
def test_other_workloads_choose_other_forms(knobs, start):
    assert figures.draw_forms(*knobs)[1].startswith(start)


def test_names_keep_a_distance():
    assert figures.spread([780, 770, 900, 300], 50) == [820, 770, 900, 300] and figures.spread([], 1) == []
    assert figures.spread([5, 5, 5], 2) == [5, 7, 9]


def test_the_guess_about_the_deadline():
    told = figures.draw_deadline()[1]
    median = 150 * 8 / 20 + 20 + 40
    assert "88.2% come" in told and f"median answer {median:g} ms" in told


def split_by_hand(rate, rtt, slow, quantize):
    ms = [piece[1] for piece in RECORDED_PIECES]
    sizes = [piece[2] / 4 + 8 if quantize else piece[2] for piece in RECORDED_PIECES]
    totals = [slow * sum(ms[:k]) + sum(ms[k:]) + sizes[k] * 8e-3 / rate + rtt for k in range(9)]
    return [*totals, slow * sum(ms)]


@pytest.mark.parametrize("rate, quantize, best", [(10, False, 0), (1, False, 9), (1, True, 0), (0.25, True, 9)])
def test_where_to_cut(rate, quantize, best):
    figure, told = figures.draw_split(rate, 2, 200, quantize)
    totals = split_by_hand(rate, 2, 200, quantize)
    assert labelled(figure) and int(np.argmin(totals)) == best
    found = re.search(r"k = (\d+) of 9 with ([\d.]+) ms; all in the cloud takes ([\d.]+) ms, all on the device ([\d.]+) ms", told)
    assert [float(x) for x in found.groups()] == [best, *(pytest.approx(t, rel=1e-3) for t in (min(totals), totals[0], totals[-1]))]


def test_uint8_moves_the_jump_fourfold():
    rates = np.geomspace(0.1, 20, 400)
    jumps = [next(r for r in rates if np.argmin(split_by_hand(r, 2, 200, q)) == 0) for q in (False, True)]
    assert jumps[0] / jumps[1] == pytest.approx(4, rel=0.05)


def test_costs_deadline_radio():
    figure, told = figures.draw_costs()
    assert labelled(figure) and "300,001 to 400,000, 600,001 to 800,000, 900,001 to 1,000,000" in told
    assert "no volume" in figures.draw_costs(500, 1.0)[1]
    figure, told = figures.draw_radio()
    assert labelled(figure) and told == "3 requests take 30.15 J, of which the sending itself takes 0.36 J."
    assert labelled(figures.draw_deadline()[0])
    assert "k = 3 of 5 with 153.7 ms" in repr(figures.example_split(8))


def test_the_table_of_break_evens():
    text = repr(figures.break_even_table())
    for number in ("320,001", "1,125,001", "48,718", "1,600", "1,300", "1,560"):
        assert number in text


def test_the_experiment_is_told_with_its_numbers():
    cuts = chain_cuts([1, 2], [0.5, 0.5], [1000, 500], 1, 2)
    runs = [CutRun(k, total, 0, 0.0, True) for k, total in enumerate((12.0, 8.5, 3.25))]
    figure, told = figures.draw_sweep({1: runs}, {1: cuts}, ["a", "b", "c"])
    assert labelled(figure) and told == "Fastest cut, measured: 1 Mb/s: k = 2 with 3.2 ms (predicted k = 2, 3.0 ms)."
    points = [CascadePoint(0, 0.9, 0.0), CascadePoint(0.5, 0.975, 0.25), CascadePoint(1.01, 0.98, 1.0)]
    figure, told = figures.draw_cascade(points)
    assert labelled(figure) and "90.0%, big model alone 98.0%. With the threshold 0.5 the cascade reaches 97.5% and sends 25%" in told
    assert "No GPU is needed" in repr(figures.gpu_note())


def test_static_picture_and_shells():
    assert labelled(figures.static_picture(), 2)
    for shell in (figures.form_map, figures.split_curve):
        assert shell().children
    for picture in (figures.cost_picture(), figures.deadline_picture(), figures.radio_picture()):
        assert "<img" in picture._repr_html_() and repr(picture).endswith(".")
    assert len(example_forms()) == 5 and example_workload().payload_bytes == 150_000

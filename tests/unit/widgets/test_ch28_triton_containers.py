"""Chapter 28's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.serving.queueing import simulate_fifo
from utils.serving.triton import lint_docker_run
from utils.serving.triton.experiment import BatchingRun, Encoding
from utils.widgets import ch28_triton_containers as ch


@pytest.fixture(autouse=True)
def few_requests(monkeypatch):
    monkeypatch.setattr(ch, "REQUESTS", 500)


def number(pattern, told):
    return float(re.search(pattern, told)[1].replace(",", ""))


@pytest.mark.parametrize("instances", [1, 2])
def test_the_timeline_without_batches_is_a_queue(instances):
    figure, told = ch.draw_timeline(150, 0, 0, instances)
    arrivals = np.cumsum(np.random.default_rng(0).exponential(1 / 150, 500))
    latency = 1e3 * simulate_fifo(arrivals, np.full(500, 4.5e-3), instances) + 4.5
    for q in (50, 95):
        assert number(rf"p{q} ([\d.,]+) ms", told) == pytest.approx(np.percentile(latency, q, method="inverted_cdf"), rel=0.006)
    assert "1.00 requests an execution" in told and "no batches" in told and "Overloaded" not in told
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes) and all("(ms)" in ax.get_xlabel() for ax in figure.axes)


def test_a_delay_makes_batches_and_costs_latency_at_low_load():
    plain, delayed = ch.draw_timeline(150, 8, 0, 1)[1], ch.draw_timeline(150, 8, 5000, 1)[1]
    assert number(r"([\d.]+) requests an", delayed) > number(r"([\d.]+) requests an", plain)
    assert number(r"p50 ([\d.]+)", delayed) > number(r"p50 ([\d.]+)", plain) + 2
    assert "Overloaded" in ch.draw_timeline(1000, 8, 0, 1)[1] and "Overloaded" not in ch.draw_timeline(900, 8, 0, 1)[1]  # 8 in 8 ms: 1000/s


def test_every_knob_of_the_figures():
    for rate, size, delay, n in ((20, 0, 0, 1), (1000, 16, 20000, 4), (20, 1, 20000, 4)):
        assert ch.draw_timeline(rate, size, delay, n)[1]
    for box in (ch.timeline(), ch.config_editor()):
        assert len(box.children) == 4


def test_the_editor_tells_shapes_and_errors():
    html, told = ch.draw_config(ch.START_CONFIG, 2)
    assert "images [-1, 3, -1, -1]" in told and "2 on gpu 0, 2 on gpu 1" in told and "any × 3 × any × any" in html
    html, told = ch.draw_config(ch.START_CONFIG.replace("8", "-8", 1).replace("[ 3,", "[ 0,"), 0)
    assert "3 findings" in told and html.count("<li>") == 3
    assert "line 1" in ch.draw_config("{<b>", 0)[1] and "<b>" not in ch.draw_config('name: "<b>" backend: "x" platform: "<b>" input { }', 0)[0]


def test_tables():
    told = repr(ch.lint_table({"source": ch.SOURCE_COMMAND, "good": ch.GOOD_COMMAND}))
    assert all(code in told for code in lint_docker_run(ch.SOURCE_COMMAND)) and "nothing to say" in told
    images = repr(ch.images_table())
    assert "25.03" in images and images.count("2026") == len(ch.IMAGES)
    places = repr(ch.instances_table([("a", [{"kind": "KIND_MODEL"}], 0, "x"), ("b", [{"kind": "KIND_GPU"}], 0, "x")]))
    assert "placed by the model" in places and "refused" in places
    assert "not run" in repr(ch.docker_cell()) and "no-server" in repr(ch.docker_cell(ch.SOURCE_COMMAND))
    assert "stands in" in repr(ch.environment_line("/nowhere"))


def test_measured_pictures_tell_their_numbers():
    found = [Encoding(1000, "JSON", 19_800, 1.0, 4.0), Encoding(1000, "binary", 4_150, 0.1, 2.0), Encoding(9000, "JSON", 180_000, 1.0, 60.0), Encoding(9000, "binary", 36_000, 0.1, 3.0)]
    figure, told = ch.draw_encodings(found)
    assert "9,000 numbers: 5.0 times" in told and "60 ms in place of 3 ms" in told and all(ax.get_xscale() == "log" == ax.get_yscale() for ax in figure.axes)
    assert "4.77" in repr(ch.encodings_table(found)) and "20×" in repr(ch.encodings_table(found))
    runs = [BatchingRun("Triton 2", 1, 0, {1: 40}, 40, 40, 900.0), BatchingRun("Triton 2", 8, 5000, {7: 8, 8: 13}, 160, 21, 1500.0)]
    figure, told = ch.draw_batching(runs)
    assert "8 clients and 5,000 µs: 160 requests in 21 executions" in told and len(figure.axes) == 2
    assert "8×7, 13×8" in repr(ch.batching_table(runs)) and "7.62" in repr(ch.batching_table(runs))
    assert ch.batching_picture(runs).text == told and ch.encodings_picture(found).text.startswith("9,000")


def test_the_static_picture_is_the_one_that_the_text_describes(monkeypatch):
    monkeypatch.undo()
    told = ch.draw_timeline(400, 8, 0, 2)[1]
    assert "1.27 requests an execution" in told and "p50 5.06 ms" in told and "p95 8.29 ms" in told
    assert "p95 8.99 ms" in ch.draw_timeline(150, 8, 0, 1)[1] and "p95 6.53 ms" in ch.draw_timeline(150, 8, 0, 2)[1]
    assert "3.41 requests" in ch.draw_timeline(600, 8, 0, 1)[1] and "4.21 requests" in ch.draw_timeline(600, 8, 5000, 1)[1]
    assert ch.static_picture().axes

"""Figures of chapter 13: the numbers of their sentences against computations of their own, axes, and the shell."""

import re

import pytest

from utils.hardware.heterogeneous import PipelineRun, gantt_rows, heft, validate_schedule
from utils.hardware.heterogeneous.examples import ACCELERATOR, GRAPHS, camera_graph, published_graph, scaled
from utils.widgets import ch13_heterogeneous_computing as figures


def numbers(pattern, text):
    return [float(n) for n in re.search(pattern, text).groups()]


def test_break_even_says_where_the_lines_cross():
    figure, told = figures.draw_break_even(0.8, 3, 0.4, 0.1)
    # 0.8 n > 3 + 0.5 n for the first time at 11: 8.8 against 8.5
    assert "faster from a batch of 11 on" in told
    (ax,) = figure.axes
    cpu, device = (dict(zip(*line.get_data())) for line in ax.lines[:2])
    assert cpu[11] == pytest.approx(8.8) and device[11] == pytest.approx(8.5) and cpu[10] == pytest.approx(device[10])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("items in the batch", "time of the batch (ms)")
    assert "never faster" in figures.draw_break_even(0.4, 3, 0.4, 0.1)[1]
    assert len(figures.draw_break_even(0.8, 300, 0.4, 0.1)[0].axes[0].lines) == 2  # beyond the picture: no mark


def test_plans_are_bars_of_layers_and_moves():
    cost, move = [(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5]
    figure, told = figures.draw_plans(cost, move)
    assert told == ("16 plans: the best, 1-1-0-1, takes 9.5 ms; all on device 0 19 ms, all on device 1 10.5 ms; the worst 24 ms.")
    (ax,) = figure.axes
    layers, moves = (list(c) for c in ax.containers)
    totals = [a.get_height() + b.get_height() for a, b in zip(layers, moves)]
    assert len(totals) == 16 and totals == sorted(totals) and totals[0] == 9.5
    assert layers[0].get_height() == 1 + 1 + 1 + 2
    assert ax.get_ylabel() == "total time (ms)" and ax.get_xticklabels()[0].get_text() == "1101"


@pytest.mark.parametrize("graph", list(GRAPHS))
@pytest.mark.parametrize("scheduler", ["single device", "greedy", "HEFT", "optimal"])
def test_the_chart_shows_the_schedule(graph, scheduler):
    figure, told = figures.draw_schedule(graph, scheduler, 2.0, 2.0)
    made = scaled(GRAPHS[graph](), link=2, device=ACCELERATOR[graph], speed=2)
    (ax,) = figure.axes
    bars = [patch for container in ax.containers for patch in container]
    assert len(bars) == len(made.tasks)
    end = max(bar.get_x() + bar.get_width() for bar in bars)
    assert numbers(r"ends after ([\d.]+) ms", told)[0] == pytest.approx(end, abs=0.051)
    assert [t.get_text() for t in ax.get_yticklabels()] == list(made.devices) and ax.get_xlabel() == "time (ms)"
    others = re.search(r"other schedulers, in ms: (.*)\.$", told)[1]
    assert scheduler not in others and len(others.split(", ")) == 3
    assert f"link × 2, {ACCELERATOR[graph]} 2 times as fast" in told


def test_the_answer_to_the_guess_and_the_numbers_of_the_text():
    def ends(**knobs):
        return numbers(r"ends after ([\d.]+) ms", figures.draw_schedule(**knobs)[1])[0]

    assert ends(graph="camera") == 29.1 and ends(graph="camera", speed=10.0) == 18.8
    free = heft(scaled(camera_graph(), device="NPU", speed=1e9))
    assert free.makespan_ms == pytest.approx(17.1, abs=0.05) and free.busy_ms("GPU") == 2  # only the drawing is left there
    assert ends(graph="camera", scheduler="greedy") == 34.5
    assert ends(graph="MobileNet", link=0.1) == ends(graph="MobileNet", scheduler="single device", link=0.1) == 23.4
    assert ends(graph="MobileNet", scheduler="optimal", link=0.1) == 12.5
    assert (ends(), ends(scheduler="single device"), ends(scheduler="optimal")) == (80, 127, 73)


def test_the_static_picture_is_the_published_schedule():
    (ax,) = figures.static_picture().axes
    bars = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for c in ax.containers for bar in c)
    rows = gantt_rows(heft(published_graph()))
    assert bars == sorted((r.start_ms, r.end_ms) for r in rows) and len(ax.lines) == 9 + 1  # nine copies, and the end
    assert {t.get_text() for t in ax.texts} == {str(i) for i in range(1, 11)}


def test_the_shell_asks_first_and_redraws():
    view = figures.play_with_schedules()
    question, row, told, figure = view.children
    assert "ten times" in question.value and figure.layout.display == "none"
    row.children[1].click()
    assert "As you guessed" in told.value and figure.layout.display == ""
    knobs = figure.children[1].children
    assert [k.description for k in knobs] == ["graph", "scheduler", "link speed", "NPU (or P3) speed"]
    assert "29.1 ms" in figure.children[3].value
    knobs[1].value = "greedy"
    assert "34.5 ms" in figure.children[3].value


def test_measured_pipeline_pictures():
    one = PipelineRun((0,) * 10, 0.2, (0.05, 0.06, 0.08))  # 5, 6 and 8 ms a frame
    other = PipelineRun((0,) * 10, 0.125, (0.06, 0.06, 0.09))
    figure, told = figures.draw_pipeline(one, other, cores=2)
    # 10 in 0.2 s; 10 in 0.125 s; 1000 / 8; two cores: 2000 / 19 = 105
    assert numbers(r"(\d+) frames/s one after the other, (\d+) in threads", told) == [50, 80]
    assert numbers(r"stage allows (\d+), stages and 2 cores together (\d+)", told) == [125, 105]
    assert figure.axes[0].get_xlabel() == "frames per second" and len(figure.axes[0].texts) == 4
    text = repr(figures.pipeline_table(("a", "b", "c"), one, other))
    assert "19.00" in text and "21.00" in text and "(ms)" in text
    assert "<img" in figures.pipeline_picture(one, other, 2)._repr_html_()


def test_tables_name_source_and_date_and_notes_are_honest():
    text = repr(figures.chip_table())
    assert "November 2026" in text and "Brief Datasheet" in text and text.count("Cortex-A") == 2
    assert figures.cuda_note().text.startswith(("No GPU", "Measured"))
    validate_schedule(camera_graph(), heft(camera_graph()))
    assert "29.1 ms" in figures.gantt_picture(camera_graph()).text
    assert "9.5 ms" in figures.plans_picture([(4, 1), (6, 1), (1, 4), (8, 2)], [2, 1, 1, 1, 0.5]).text
    assert "11 on" in figures.break_even_picture(0.8, 3, 0.4, 0.1).text

"""Chapter 39's figures and tables: their numbers against independent arithmetic, labelled axes, knobs."""

import html
import re

import pytest

from utils.delivery import ci_pipeline as ci
from utils.widgets import ch39_jenkins_ci as ch


def test_gantt_with_and_without_fail_fast():
    figure, told = ch.draw_gantt(3, "lint", True, "SUCCESS")
    assert told.startswith("FAILURE after 7 minutes on 3 executors; the work is 30 minutes, the critical path 22")
    assert "Not finished: unit, export, int8, gate, image, deploy." in told and told.endswith("failure, cleanup.")
    assert "regression" in told and "(minutes, simulated)" in figure.axes[0].get_xlabel() and figure.axes[0].get_ylabel()
    told = ch.draw_gantt(3, "lint", False, "no build")[1]
    assert told.startswith("FAILURE after 17 minutes") and "changed" in told and "regression" not in told


@pytest.mark.parametrize(("executors", "minutes"), [(1, 30), (2, 22), (4, 22)])
def test_executors_stop_helping_at_the_critical_path(executors, minutes):
    assert ch.draw_gantt(executors, ch.NOTHING, True, "SUCCESS")[1].startswith(f"SUCCESS after {minutes} minutes")


def test_a_long_unit_test_becomes_the_critical_path():
    told = ch.draw_gantt(3, ch.NOTHING, True, "SUCCESS", unit_min=24)[1]
    assert "the critical path 34 (train, unit, image, deploy)" in told  # 5 + 24 + 4 + 1


def test_power_sentence():
    figure, told = ch.draw_power(200, 2, 6, 0.05)
    assert "in 22 % of all cases" in told and "from 1,200 samples on" in told
    assert "(log scale)" in figure.axes[0].get_xlabel() and "(%)" in figure.axes[0].get_ylabel()
    assert ci.gate_power(800, 0.02, 0.06) < 0.8 <= ci.gate_power(1200, 0.02, 0.06)
    assert "even 3,200 samples" in ch.draw_power(100, 0, 6, 0.05)[1]
    ch.draw_power(100, 10, 1, 0.05)  # a drop needs at least as many flips


ROWS = {
    "good": {"passed": True, "reasons": [], "lost": 2, "gained": 3, "drop": -0.01, "p_value": 0.8125, "latency_ratio": 1.0,
             "size_ratio": 0.3, "samples": 100, "accuracy": 0.951, "base_accuracy": 0.941},
    "bad": {"passed": False, "reasons": ["accuracy", "latency"], "lost": 12, "gained": 0, "drop": 0.12, "p_value": 2.4e-4,
            "latency_ratio": 8.0, "size_ratio": 0.4, "samples": 100, "accuracy": 0.821, "base_accuracy": 0.941},
    "same": {"passed": True, "reasons": [], "lost": 0, "gained": 0, "drop": 0.0, "p_value": 1.0, "latency_ratio": 1.1,
             "size_ratio": 0.4, "samples": 100, "accuracy": 0.941, "base_accuracy": 0.941}}


def test_dashboard_and_gate_table():
    figure, told = ch.draw_dashboard(ROWS, ci.GatePolicy())
    assert told == "good: passes, drop -1.0 points; bad: blocked by accuracy and latency, drop +12.0 points; same: passes, drop +0.0 points."
    assert [ax.get_xlabel() for ax in figure.axes] == ["accuracy lost (points)", "latency ratio", "file size ratio"]
    lines = repr(ch.gate_table(ROWS)).splitlines()
    assert "95.1 %" in lines[1] and "0.81" in lines[1] and lines[2].endswith("blocked: accuracy, latency")
    assert repr(ch.dashboard(ROWS, ci.GatePolicy())).endswith(told)


def test_interval_of_the_drop():
    assert ch.drop_interval(0, 0, 50) == (0, 0)
    low, high = ch.drop_interval(12, 0, 100)
    assert high == pytest.approx(0.12) and low == pytest.approx(0.0618, abs=1e-3)  # Wilson: 12 of 12 is above 0.7575
    low, high = ch.drop_interval(7, 7, 100)
    assert low == pytest.approx(-high)


def test_tables():
    text = repr(ch.tree_text([("a", "parallel", [("b", "leaf", [])])]))
    assert text == "a   [parallel]\n    b" and "&lt;" in ch.tree_text([("<x>", "leaf", [])])._repr_html_()
    logs = {"with": {"a": ("FAILURE", 0, 2.5)}, "without": {"a": ("SUCCESS", 0, 3)}}
    assert repr(ch.log_table(logs)).splitlines()[1].split() == ["a", "FAILURE", "0", "to", "2.5", "SUCCESS", "0", "to", "3"]
    rows = repr(ch.condition_table()).splitlines()
    assert rows[2].split("  ")[0] == "SUCCESS" and "fixed" in rows[2] and "regression" not in rows[2]


def rows_of(shown):
    """The cells of a table, from what a terminal shows and from what a notebook shows."""
    text = [re.split(" {2,}", line.strip()) for line in repr(shown).splitlines()]
    rows = re.findall("<tr>(.*?)</tr>", shown._repr_html_())
    return text, [[html.unescape(cell) for cell in re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


OTHERS = {"a": 2.5, "b<c>": 0, "wait": 12, "last": 0.25}, {"b<c>": ["a"], "wait": [], "last": ["a", "b<c>", "wait"]}


@pytest.mark.parametrize("minutes, deps", [(ci.EIGHT_MINUTES, ci.EIGHT_DEPS), OTHERS], ids=["eight", "others"])
def test_the_job_table_tells_every_job(minutes, deps):
    for head, *rows in rows_of(ch.job_table(minutes, deps)):
        assert head == ["job", "minutes", "waits for"]
        assert [name for name, _, _ in rows] == list(minutes)
        assert {name: float(told) for name, told, _ in rows} == minutes
        waits = {name: [] if told == "nothing" else told.split(", ") for name, _, told in rows}
        assert waits == {name: list(deps.get(name, ())) for name in minutes}
        assert {name for needed in waits.values() for name in needed} <= set(minutes)


def test_a_run_of_processes():
    runs = {"top": ci.StageRun("top", "FAILURE", 0, 3), "a": ci.StageRun("a", "SUCCESS", 0, 1, 1),
            "gate x": ci.StageRun("gate x", "FAILURE", 1, 3, 1, "blocked: size", ROWS["bad"])}
    log = ci.RunLog("FAILURE", runs, ("always",))
    assert ch.draw_run(log)[1] == "2 processes ran; 1 failed: gate x." and ch.gate_rows(log) == {"x": ROWS["bad"]}
    assert "blocked: size" in repr(ch.run_table(log)) and "post would run: always" in repr(ch.run_table(log))
    assert ch.run_picture(log)._repr_html_().startswith("<img")


def test_without_a_gpu_it_says_so(monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert "no CUDA provider" in repr(ch.gpu_gate(None, "x", ci.GatePolicy()))


def test_with_a_gpu_the_gate_is_repeated_there(monkeypatch, tmp_path):
    import numpy as np

    onnxruntime = pytest.importorskip("onnxruntime")
    measuring = pytest.importorskip("utils.delivery.ci_pipeline.measuring")
    np.savez(tmp_path / "test.npz", x=np.zeros((3, 2)), y=np.zeros(3))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    asked = []

    def evidence(base, candidate, x, y, *, providers):
        asked.append((base.name, candidate.name, providers))
        return ci.example_evidence()

    monkeypatch.setattr(measuring, "evidence_from_onnx", evidence)
    assert "blocked: accuracy" in repr(ch.gpu_gate(tmp_path, "4bit", ci.GatePolicy()))
    assert asked == [("base.onnx", "4bit.onnx", ("CUDAExecutionProvider",))]


@pytest.mark.parametrize("figure", [ch.gantt, ch.power])
def test_shells_ask_first(figure):
    question, row, told, view = figure().children
    assert "Guess first" in question.value and view.layout.display == "none"
    row.children[0].click()
    assert told.value and view.layout.display == ""


def test_static_picture_and_facts():
    assert len(ch.static_picture().axes) == 1
    assert all(f.says and f.source and f.as_of.year >= 2026 for f in ci.JENKINS_FACTS)

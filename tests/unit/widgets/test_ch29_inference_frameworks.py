"""Chapter 29's figures: the numbers in their sentences against independent computations, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.engines.frameworks import CATALOGUE, EngineRow, OperatorProbe, RaceResult, Requirements
from utils.engines.frameworks.detector import detector_costs
from utils.widgets import ch29_inference_frameworks as ch


def result(model="1x", medians=(0.05, 0.2, 0.0501), reason="x is not available: `pip install x`"):
    rng = np.random.default_rng(0)
    rows = [EngineRow(name, "1.0", 10_000_000, 6168, 2.0, 1.0, tuple(m * (1 + 0.02 * rng.standard_normal(60))), 1e-7 * k, 1.0, 1.0)
            for k, (name, m) in enumerate(zip(("ONNX Runtime", "OpenVINO", "ncnn"), medians))]
    return RaceResult(model, 2, 4, (*rows, EngineRow("MNN", reason=reason)))


def test_partition_tells_its_numbers():
    figure, told = ch.draw_partition(("NonMaxSuppression", "Resize"), 2, 0.1)
    costs = detector_costs(2, 0.1)
    moved = (1_228_800 + 819_200 + 3_276_800 + 3_276_800 * 2 + 409_600) / 1e6  # image; c4, skip; up, skip; head
    accel = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]
    total = sum(costs.accel_ms[i] for i in accel) + costs.cpu_ms[7] + costs.cpu_ms[11] + 2 * 0.1 + moved / 2
    assert f"{moved:.1f} MB cross the link of 2 GB/s" in told and f"One image takes {total:.2f} ms" in told
    assert f"on the CPU alone {sum(costs.cpu_ms):.2f} ms" in told and "falls into 4 groups; the accelerator could run 2 of them and gets 2" in told
    graph, bars = figure.axes
    labels = [t.get_text() for t in graph.texts]
    assert {"Resize\n2", "NMS\n4", "Add\n3"} <= set(labels)
    crossing = sorted(t for t in labels if t[:1].isdigit())
    assert crossing == ["0.4", "0.8", "1.2", "3.3", "3.3 + 3.3"]
    assert sum(float(mb) for t in crossing for mb in t.split(" + ")) == pytest.approx(moved, abs=0.1)
    assert "(ms, modelled)" in bars.get_xlabel() and f" {total:.2f} ms" in [t.get_text() for t in bars.texts]


def test_nothing_unsupported_and_everything():
    assert "unsupported is nothing. The detector falls into 1 group;" in ch.draw_partition((), 8, 0.1)[1]
    told = ch.draw_partition(ch.DETECTOR_OPS, 2, 0.1)[1]
    assert "could run 0 of them and gets 0. 0.0 MB cross" in told
    assert "One image takes 38.80 ms, on the CPU alone 38.80 ms" in told


def test_the_guess_of_the_partition():
    before, after = (float(re.search(r"One image takes ([\d.]+) ms", ch.draw_partition(u, 2, 0.1)[1])[1])
                     for u in (("NonMaxSuppression",), ("NonMaxSuppression", "Resize")))
    assert (before, after) == (2.59, 8.75)
    question = str([w.value for w in ch.partition_view().children[:1]])
    assert "2.59 ms" in question and "38.80 ms" in question


def test_race_figure():
    figure, told = ch.draw_race(result())
    assert "network 1x, batch 4, threads: 2, 60 rounds" in told and "slowest" in told and "(OpenVINO)" in told
    assert "1 of 3 pairs are ties" in told and "Not here: MNN" in told and "2.0e-07" in told
    boxes, verdicts = figure.axes
    assert "µs" in boxes.get_xlabel() and [t.get_text() for t in boxes.get_yticklabels()] == ["ONNX Runtime", "OpenVINO", "ncnn"]
    cells = [t.get_text() for t in verdicts.texts]
    assert cells.count("wins") == cells.count("loses") == 2 and cells.count("tie") == 2


def test_race_table():
    text = repr(ch.race_table(result(), {"ncnn": "7 of 28"}))
    assert "threads: 2" in text and "1 (baseline)" in text and "`pip install x`" in text and "7 of 28" in text
    line = next(line for line in text.splitlines() if line.startswith("OpenVINO"))
    ratio, low, high = map(float, re.search(r"([\d.]+) \[([\d.]+), ([\d.]+)\]", line).groups())
    assert low < ratio < high and ratio == pytest.approx(4.0, rel=0.05)


def test_spread():
    figure, told = ch.draw_spread([result(), result("8x", (0.05, 0.06, 0.055))])
    found = re.search(r"1x: ([\d.]+); 8x: (\d+\.\d)", told)
    assert float(found[1]) == pytest.approx(4.0, abs=0.2) and float(found[2]) == pytest.approx(1.2, abs=0.1)
    assert figure.axes[0].get_xlabel().startswith("time as a multiple of ONNX Runtime's")
    assert ch.spread_picture([result()])._repr_html_().startswith("<img")


def test_operator_tables():
    ops = list(ch.PROBES)
    probes = {"A": [OperatorProbe(op, "runs") for op in ops],
              "B": [OperatorProbe(op, "refused" if op == "Det" else "not written" if op == "Add" else "runs") for op in ops]}
    lines = repr(ch.operator_table(probes)).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["Add", "Det"]
    assert ch.count_missing(probes) == {"ONNX Runtime": "0 of 28 (reference)", "A": "0 of 28", "B": "1 of 28; 1 more by our writer"}
    assert "None of these engines is installed" in repr(ch.operator_table({}))
    assert set(ch.ask_operators(["TensorRT"])) <= {"TensorRT"}


def test_operators_are_asked_of_what_is_here(monkeypatch):
    monkeypatch.setattr(ch, "installed_engines", lambda: {"A": "1", "B": "2", "C": "3"})
    monkeypatch.setattr(ch, "probe_operators", lambda name: [OperatorProbe("Conv", "runs", name)])
    found = ch.ask_operators(["C", "absent", "A", "B"])
    assert {name: probes[0].note for name, probes in found.items()} == {"C": "C", "A": "A", "B": "B"} and list(found) == ["C", "A", "B"]


def test_catalogue_tables_print_their_dates():
    for shown in (ch.catalogue_table(), ch.source_list()):
        plain = repr(shown).replace("\u2011", "-")
        assert all(e.as_of.isoformat() in plain and e.name in plain for e in CATALOGUE)
    text = repr(ch.selection_table(Requirements(hardware=frozenset({"nvidia-gpu"}))))
    assert "does not run on nvidia-gpu" in text and text.count("1.") >= 1
    assert "NumPy" in repr(ch.engine_list())


def test_shells_and_static_picture(monkeypatch):
    asked = []
    monkeypatch.setattr(ch, "race", lambda models, names, repeats, **kw: asked.append((list(models), names, kw)) or [result()])
    *_, view = ch.engine_race().children
    knobs = {k.description: k for k in view.children[1].children}
    knobs["channels, times"].value = 4
    knobs["engines"].value = ("NumPy",)
    assert asked[-1][0] == ["4x"] and asked[-1][1] == ["ONNX Runtime", "NumPy"] and asked[-1][2]["threads"] == 1
    *_, view = ch.partition_view().children
    knobs = {k.description: k for k in view.children[1].children}
    knobs["link (GB/s)"].value = 8
    assert "link of 8 GB/s" in view.children[3].value
    assert len(ch.static_picture().axes) == 2

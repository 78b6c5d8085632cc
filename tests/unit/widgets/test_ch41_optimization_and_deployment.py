"""Chapter 41's figures: the numbers of their sentences against independent arithmetic, labelled axes, all knobs."""

import numpy as np
import pytest

from utils.delivery.desk import RECORDED, STAGES, TARGETS
from utils.delivery.tradeoff import Knob, Variant, optimize_loop
from utils.widgets import ch41_optimization_and_deployment as ch


def desk(target="phone", p95_ms=0.1, file_kb=500, accuracy_pct=96.5, batch=1, speedup=4):
    return ch.draw_desk(target, p95_ms, file_kb, accuracy_pct, batch, speedup)


def test_desk_tells_its_numbers():
    figure, told = desk()
    v = next(v for v in RECORDED[1] if v.name == "wide INT8")
    usd = 1.2 / 3600 * v.p50_ms / 1e3 / 0.6 * 1e6
    assert "1 of 5 variants fit. Chosen: wide INT8, 527 of 540 right (97.6 %)" in told
    assert f"p95 0.0587 ms, 1,134 kB, {usd:.2g} USD a million" in told
    assert "pipeline takes 9.0 ms instead of 18 (2.00 times faster); it never gets below 6 ms." in told
    left, middle, right = figure.axes
    assert "batch of 1 (ms" in left.get_xlabel() and "(%)" in left.get_ylabel()
    assert middle.get_xlabel() and "(ms)" in middle.get_ylabel() and "USD" in right.get_xlabel()


@pytest.mark.parametrize(("target", "choice"), [("gateway", "tiny FP32"), ("cloud batch", "pruned INT8")])
def test_targets(target, choice):
    figure, told = desk(target)
    assert f"Chosen: {choice}," in told and f"batch {TARGETS[target].batch})" in told
    assert f"batch of {TARGETS[target].batch} " in figure.axes[0].get_xlabel()


def test_custom_limits():
    told = desk(ch.CUSTOM, speedup=1)[1]
    assert "file ≤ 500 kB" in told and "2 of 5 variants fit. Chosen: pruned INT8" in told
    assert "18.0 ms instead of 18 (1.00 times" in told
    assert "Chosen: wide INT8" in desk(ch.CUSTOM, 10, 10_000, 95, 64)[1]
    nothing = desk(ch.CUSTOM, p95_ms=0.02, accuracy_pct=97)[1]
    assert "Nothing is chosen; the hardest limit is p95, which 4 break." in nothing


def test_every_name_on_the_left_has_its_place():
    assert {v.name for rows in RECORDED.values() for v in rows} == set(ch.NAME_AT)


def test_amdahl():
    figure, told = ch.draw_amdahl()
    assert "10 ms need a model that is 3 times faster. At 4 times it takes 9 ms" in told and "below 6 ms" in told
    assert figure.axes[0].get_xlabel() and "(ms)" in figure.axes[0].get_ylabel()
    assert "7 ms need a model that is 12 times faster" in ch.draw_amdahl(STAGES, 7)[1]
    assert ch.amdahl_picture()._repr_html_().startswith("<img")


def test_loop_table():
    lines = repr(ch.loop_table(optimize_loop(STAGES, [Knob("INT8", "model", 4, 1, measured=2)], 5))).splitlines()
    assert lines[1].split()[:5] == ["INT8", "model", "18.0", "9.0", "12.0"] and lines[1].endswith("kept")


def rows():
    base = np.ones(100, bool)
    worse = base.copy()
    worse[:6] = False
    return [Variant("a", 100, 100, 2.0, 3.0, 4000, 1, base), Variant("b", 94, 100, 0.5, 1.0, 1000, 1, worse),
            Variant("c", 90, 100, 0.6, 1.0, 900, 1, base)]


def test_variant_table():
    lines = repr(ch.variant_table(rows(), "here")).splitlines()
    assert lines[0] == "batch 1, here"
    assert "94 of 100" in lines[3] and "87.5 … 97.2 %" in lines[3] and "4.0×" in lines[3] and "2,000" in lines[3]
    assert [line.split()[-1] for line in lines[2:]] == ["yes", "yes", "no"]


def test_choice_table():
    lines = repr(ch.choice_table({1: rows(), 64: rows()})).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["phone", "gateway", "cloud batch"]
    assert all("nothing fits" in line for line in lines[1:])
    assert "a: p95; b: p95, accuracy; c: p95, accuracy" in lines[1]
    assert "wide INT8" in repr(ch.choice_table(RECORDED)).splitlines()[1]


def test_gate_table():
    labels = np.repeat([0, 1], 50)
    lines = repr(ch.gate_table(rows(), labels, max_drop=0.1)).splitlines()
    # 6 lost of 100 are 6 points, above half of 10, and p = 2 / 2**6 = 0.031: refused
    assert lines[2].split()[:6] == ["b", "6", "0", "+6.00", "0.031", "refuse"] and "0: 6 lost, 0 gained of 50" in lines[2]
    assert lines[3].split()[:6] == ["c", "0", "0", "+0.00", "1.000", "pass"]


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("utils.delivery.tradeoff.variants.cuda_session", lambda model: None)
    assert "no CUDA provider" in repr(ch.gpu_rows({"tiny FP32": None}, np.zeros((1, 64)), np.zeros(1)))


def test_with_a_gpu_it_measures_the_float_models(monkeypatch):
    seen = []

    def evaluate(models, X, y, *, batch, open_session):
        seen.append((list(models), batch))
        return rows()[:1]

    monkeypatch.setattr("utils.delivery.tradeoff.variants.cuda_session", lambda model: "session")
    monkeypatch.setattr("utils.delivery.tradeoff.variants.evaluate_variants", evaluate)
    told = repr(ch.gpu_rows({"tiny FP32": 1, "wide INT8": 2}, np.zeros((1, 64)), np.zeros(1)))
    assert seen == [(["tiny FP32"], 1), (["tiny FP32"], 64)] and told.count("on the GPU") == 2


def test_shell_and_static_picture():
    question, row, told, view = ch.desk().children
    assert "Guess first" in question.value and view.layout.display == "none"
    row.children[0].click()
    assert "✗" in told.value and view.layout.display == ""
    knobs = {k.description: k for k in view.children[1].children}
    knobs["target"].value = "gateway"
    assert "tiny FP32" in view.children[3].value
    assert len(ch.static_picture().axes) == 3


def test_the_guess_is_true():
    wide, wide8, pruned, pruned8, _ = (v.p50_ms for v in RECORDED[1])
    assert [wide / wide8, wide / pruned, wide / pruned8] == pytest.approx([2.22, 4.81, 5.44], abs=0.005)
    assert wide / wide8 * wide / pruned == pytest.approx(10.7, abs=0.05)
    _, _, pruned, pruned8, _ = (v.p50_ms for v in RECORDED[64])
    assert pruned / pruned8 == pytest.approx(2, abs=0.1)

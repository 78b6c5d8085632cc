"""The figures of chapter 06: sentences against independent computations, labelled axes."""

import re

import pytest

from utils.delivery.release import DeploymentChain, canary_decision
from utils.delivery.release.comparison import ParityReport
from utils.widgets import ch06_deployment_logic as w


def test_a_healthy_chain_passes_and_a_fault_is_named():
    figure, sentence = w.draw_chain()
    assert sentence.startswith("All 4 hops keep their contracts")
    assert figure.axes[1].get_xlabel() and figure.axes[1].get_ylabel()
    _, sentence = w.draw_chain(("a byte changed in the bundle", "a bias lost in the export"))
    assert "stops at “export”" in sentence and "2 hops behind it" in sentence  # the first one only
    _, sentence = w.draw_chain(("a byte changed in the bundle",))
    assert "labels.txt was altered" in sentence and "0 hops behind it" in sentence


def test_fewer_bits_stop_the_chain_unless_the_contract_is_loose():
    assert "stops at “quantise”" in w.draw_chain((), 3, 0.98)[1]
    assert "All 4 hops" in w.draw_chain((), 3, 0.5)[1]


def test_the_claim_of_the_prediction():
    from utils.delivery.release.digits_release import _without_last_bias, accuracy_of, run_onnx, trained_digits

    digits = trained_digits()
    whole, damaged = (accuracy_of(x, digits.labels) for x in (digits.logits, run_onnx(_without_last_bias(), digits.x)))
    assert abs(whole - damaged) < 0.01


@pytest.mark.parametrize(("canary", "end"), [(1.0, "promoted"), (3.0, "rolled back"), (5.0, "rolled back")])
def test_the_canarys_sentence(canary, end):
    figure, sentence = w.draw_canary(1.0, canary)
    assert end in sentence and figure.axes[0].get_xlabel() and figure.axes[0].get_ylabel()
    looks = w._looks(0.01, canary / 100, 50, w.PLANS["1 % → 5 % → 25 % → all"], 0)
    errors, n = (int(x.replace(",", "")) for x in re.search(r"(\d+) of ([\d,]+) canary requests", sentence).groups())
    assert (errors, n) == looks[-1].canary
    assert canary_decision(*looks[-1].base, errors, n, 0.01) == looks[-1].decision


def test_the_first_step_takes_6_to_72_minutes_with_the_ten_seeds():
    steps = w.PLANS["1 % → 5 % → 25 % → all"]
    minutes = [sum(look.share == 0.01 for look in w._looks(0.01, 0.01, 50, steps, seed)) for seed in range(10)]
    assert (min(minutes), max(minutes)) == (6, 72)


def test_skew_bars_and_tables():
    figure, sentence = w.draw_skew({"as trained": 0.9, "inverted": 0.01})
    assert "90.0 % are right" in sentence and "inverted 1.0" in sentence and figure.axes[0].get_xlabel()
    chain = DeploymentChain({"a": lambda state: ({"n": 1}, [])})
    chain.run()
    assert "passed" in repr(w.chain_table(chain))
    assert "99.50%" in repr(w.parity_table({"x": ParityReport(0.1, 0.9, 30.0, 0.995, 0)}))
    assert [line.split()[0] for line in repr(w.looks_table(20, 1000)).splitlines()[2:]] == ["1", "5", "50"]


def test_the_static_picture_and_the_shells():
    assert len(w.static_picture().axes) == 2
    assert w.chain_figure() is not None and w.canary_figure() is not None
    assert "parity" in repr(w.tensorrt_hop()) or "agreement" in repr(w.tensorrt_hop())

"""Six judges on five networks: every disagreement has its cause."""

import pytest

from utils.widgets.flop_court import CASES, counter_verdicts

# Judges whose MACs differ from the closed form, network by network.
DISSENT = {
    "convolution": set(),
    "separable": set(),
    "attention": {"FlopCounterMode", "module hooks"},
    "causal attention": {"FlopCounterMode", "FlopCounterMode, math attention", "module hooks", "ONNX graph"},
    "encoder layer": {"FlopCounterMode", "FlopCounterMode, math attention"},
}


@pytest.mark.parametrize("name", CASES)
def test_dissent_is_explained(name):
    rows = counter_verdicts(name)
    assert len(rows) == 6
    assert {r["judge"] for r in rows if not r["agrees"]} == DISSENT[name]
    for row in rows:
        assert bool(row["cause"]) != row["agrees"]
        assert row["cause"] != "unexplained"


def test_execution_agrees_with_the_formula_to_the_last_addition():
    for name in ("convolution", "separable"):
        formula, execution = counter_verdicts(name)[:2]
        assert formula["flops"] == execution["flops"]


def test_known_blind_spots():
    rows = {r["judge"]: r for r in counter_verdicts("attention")}
    assert rows["FlopCounterMode"]["flops"] == 0
    assert rows["FlopCounterMode, math attention"]["flops"] == 32_768
    separable = {r["judge"]: r["flops"] for r in counter_verdicts("separable")}
    assert separable["FlopCounterMode"] > separable["closed form"]  # tools count 2 * MACs without bias too


def test_unknown_network():
    with pytest.raises(KeyError):
        counter_verdicts("perceptron")

"""Bits for each layer: the greedy choice against exhaustive search, and sensitivities against single rounding."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.compression.quant_methods.bits import assign_bits, layer_sensitivity, loss_of, with_rounded_weights
from utils.compression.quant_methods.weights import quantize_weights_rtn
from utils.networks.digits import load_digits_split, trained_digits


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 50)), min_size=1, max_size=4),
       st.floats(0, 1))
def test_within_budget_and_no_layer_can_be_raised_for_free(layers, share):
    sensitivity = {f"l{i}": {8: 0.0, 4: a, 2: a + b} for i, (a, b, _) in enumerate(layers)}
    sizes = {f"l{i}": n for i, (_, _, n) in enumerate(layers)}
    budget = sum(sizes.values()) * (2 + 6 * share)
    chosen = assign_bits(sensitivity, sizes, budget)
    assert sum(bits * sizes[name] for name, bits in chosen.items()) <= budget
    losses = [sum(s[b] for s, b in zip(sensitivity.values(), bits)) for bits in product((8, 4, 2), repeat=len(sizes))
              if sum(b * n for b, n in zip(bits, sizes.values())) <= budget]
    assert sum(sensitivity[name][bits] for name, bits in chosen.items()) >= min(losses) - 1e-12
    if budget >= 8 * sum(sizes.values()):
        assert set(chosen.values()) == {8}


def test_the_cheapest_bits_go_first():
    sensitivity = {"a": {8: 0.0, 4: 0.4}, "b": {8: 0.0, 4: 0.4}}
    assert assign_bits(sensitivity, {"a": 10, "b": 100}, 8 * 110 - 1) == {"a": 8, "b": 4}  # ten times the saving
    assert assign_bits({"a": {8: 0.0, 4: 0.1, 2: 0.15}}, {"a": 10}, 40) == {"a": 2}  # 0.15 for 60 bits beats 0.1 for 40


def test_refusals():
    with pytest.raises(ValueError, match="budget_bits"):
        assign_bits({"a": {8: 0.0, 4: 0.1}}, {"a": 10}, 39)
    with pytest.raises(ValueError, match="sizes"):
        assign_bits({"a": {8: 0.0}}, {"b": 10}, 100)


def test_sensitivity_of_one_layer_is_that_layer_alone():
    X, _, y, _ = load_digits_split()
    model = trained_digits()
    found = layer_sensitivity(model, X[:64], y[:64], (2, 8))
    assert list(found) == ["layer 1", "layer 2", "layer 3"]
    alone = with_rounded_weights(model, {2: lambda W: quantize_weights_rtn(W, 2, group_size=32)})
    assert found["layer 3"][2] == pytest.approx(loss_of(alone, X[:64], y[:64]) - loss_of(model, X[:64], y[:64]))
    assert (alone.linears[0].weight == model.linears[0].weight).all()
    assert all(abs(bits[8]) < abs(bits[2]) for bits in found.values())

"""Bytes for each parameter, sharding, and what a live optimizer really holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.cost.memory import model_states as states
from utils.cost.memory.model_states import TrainRecipe, model_state_bytes, training_bytes, zero_bytes_per_gpu

counts, recipes = st.integers(0, 10**11), st.builds(
    TrainRecipe, st.sampled_from([4, 8, 16, 32]), st.sampled_from([16, 32]), st.sampled_from([0, 32]), st.integers(0, 2),
    st.sampled_from([8, 16, 32]))


@pytest.mark.parametrize(("recipe", "each"), [
    (states.FP32_ADAM, 16), (states.FP32_MOMENTUM, 12), (states.FP32_SGD, 8), (states.AMP_ADAM_MASTER, 16),
    (states.BF16_ADAM8BIT, 6)])
def test_bytes_for_each_parameter(recipe, each):
    assert recipe.bytes_per_param == each
    assert model_state_bytes(1_000, recipe).total == 1_000 * each


@given(counts, recipes)
def test_parts_make_the_total(n, recipe):
    told = model_state_bytes(n, recipe).as_dict()
    assert told.pop("total") == sum(told.values())
    assert sum(told.values()) == pytest.approx(n * recipe.bytes_per_param, rel=1e-12, abs=4)


@given(counts, recipes)
def test_frozen_parameters_keep_their_weights_only(n, recipe):
    frozen = model_state_bytes(n, recipe, 0.0)
    assert frozen.total == frozen.weights == model_state_bytes(n, recipe).weights


def test_lora_trains_a_hundredth():
    told = model_state_bytes(1_000_000, states.AMP_ADAM_MASTER, 0.01)
    assert (told.weights, told.grads, told.master, told.optimizer) == (2_000_000, 20_000, 40_000, 80_000)
    with pytest.raises(ValueError, match="trainable_fraction"):
        model_state_bytes(1, states.FP32_ADAM, 1.5)


# Rajbhandari et al. 2020, figure 1: 7.5 B parameters, K = 12, 64 GPUs; printed with one decimal.
@pytest.mark.parametrize(("stage", "gb"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_zero_reproduces_the_papers_figure(stage, gb):
    assert zero_bytes_per_gpu(7_500_000_000, states.AMP_ADAM_MASTER, 64, stage) / 1e9 == pytest.approx(gb, abs=0.05)


@given(counts, recipes, st.integers(1, 512))
def test_zero_stages(n, recipe, gpus):
    sizes = [zero_bytes_per_gpu(n, recipe, gpus, stage) for stage in range(4)]
    total = model_state_bytes(n, recipe).total
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == total
    assert sizes[3] == pytest.approx(total / gpus)
    with pytest.raises(ValueError, match=r"stage must be 0\.\.3"):
        zero_bytes_per_gpu(n, recipe, gpus, 4)


def test_training_bytes():
    assert training_bytes(1_500_000_000, "adam", True)["total"] == 24_000_000_000
    assert training_bytes(10, "momentum", True) == {"weights": 20, "grads": 20, "master": 40, "optimizer": 40, "total": 120}
    assert training_bytes(10, "sgd", False) == {"weights": 40, "grads": 40, "master": 0, "optimizer": 0, "total": 80}
    with pytest.raises(ValueError, match="optimizer"):
        training_bytes(10, "lion", False)


@pytest.mark.parametrize("bad", [{"weight_bits": 0}, {"grad_bits": -1}, {"moments": -1}])
def test_impossible_recipes_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        TrainRecipe(**bad)

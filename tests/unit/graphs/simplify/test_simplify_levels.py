"""Timing at ONNX Runtime's levels: what is run, and the form of the rows. No time is judged."""

import pytest

from utils.graphs.simplify import LEVELS, measure_levels, messy_cnn, simplify
from utils.graphs.simplify.levels import optimized_ops


def test_a_row_for_each_level_and_model():
    models = {"messy": messy_cnn(batch="N"), "simple": simplify(messy_cnn(batch="N")).model}
    rows = measure_levels(models, runs=2, creations=1)
    assert [(r.level, r.model) for r in rows] == [(level, name) for level in LEVELS for name in models]
    assert all(r.create_ms > 0 and r.run_us > 0 for r in rows)
    assert [r.nodes for r in rows[:2]] == [25, 11]
    assert rows[0].as_dict()["model"] == "messy"
    with pytest.raises(ValueError, match="levels"):
        measure_levels(models, levels=("ORT_FAST",))


def test_onnx_runtime_keeps_the_dead_branch():
    ops = optimized_ops(messy_cnn().SerializeToString(), "ORT_ENABLE_BASIC")
    assert ops.count("Sigmoid") == 1 and ops.count("BatchNormalization") == 0
    assert "Sigmoid" not in optimized_ops(simplify(messy_cnn()).model.SerializeToString(), "ORT_ENABLE_BASIC")

"""Opsets, IR versions and the installed runtime's limits."""

import itertools

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from utils.graphs.onnx_tools import make_model
from utils.graphs.versions import (
    IR_FOR_OPSET,
    choose_versions,
    function_operators,
    operator_count,
    refusal,
    required_opset,
    runtime_limits,
    since_versions,
)


def test_the_table_is_that_of_the_published_releases():
    # docs/Versioning.md of ONNX: release 1.12 is IR 8 with opset 17, 1.15 IR 9 with opset 20, 1.16 IR 10 with opset 21
    assert {9: 4, 11: 6, 13: 7, 17: 8, 20: 9, 21: 10}.items() <= IR_FOR_OPSET.items()
    values = [IR_FOR_OPSET[opset] for opset in sorted(IR_FOR_OPSET)]
    assert all(a <= b for a, b in itertools.pairwise(values))
    assert max(IR_FOR_OPSET) == onnx.defs.onnx_opset_version()


def test_since_versions():
    assert since_versions("Softmax")[:3] == [1, 11, 13]
    assert since_versions("Gelu") == since_versions("Gelu", "ai.onnx") and since_versions("Gelu")[0] == 20
    with pytest.raises(KeyError, match="op"):
        since_versions("NoSuchOperator")
    assert operator_count() >= 190  # 203 in onnx 1.23
    assert {"LayerNormalization", "Gelu"} <= set(function_operators())


def test_required_opset_keeps_the_meaning():
    model = make_model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1,)}, {"y": (1,)}, opset=18)
    assert required_opset(model) == {"": 14}
    model.opset_import[0].version = 13
    assert required_opset(model) == {"": 13}
    model.opset_import[0].domain = "other"
    with pytest.raises(ValueError, match="domain"):
        required_opset(model)


@given(st.dictionaries(st.sampled_from("ABCD"), st.integers(1, 30)), st.integers(1, 30), st.integers(1, 15),
       st.dictionaries(st.integers(5, 28), st.integers(3, 14)))
def test_choice_by_exhaustion(ops, max_opset, max_ir, table):
    allowed = [o for o in range(1, 31) if o in table and o <= max_opset and table[o] <= max_ir]
    if not allowed:
        with pytest.raises(ValueError, match="limits"):
            choose_versions(ops, max_opset, max_ir, table)
    elif young := [op for op in "ABCD" if ops.get(op, 0) > allowed[-1]]:
        with pytest.raises(ValueError, match=f"for {young[0]},"):
            choose_versions(ops, max_opset, max_ir, table)
    else:
        assert choose_versions(ops, max_opset, max_ir, table) == (allowed[-1], table[allowed[-1]])


def test_the_installed_runtime_is_asked():
    limits = runtime_limits()
    assert refusal(limits.max_opset, min(limits.max_ir, 8)) == ""
    assert limits.opset_message == refusal(limits.max_opset + 1, 8) != ""
    assert "IR version" in limits.ir_message and refusal(14, limits.max_ir) == ""
    assert limits.max_opset >= 21 and limits.max_ir >= 10 and limits.as_dict()["version"] == limits.version
    with pytest.raises(ValueError, match="at least 1"):
        runtime_limits(0)

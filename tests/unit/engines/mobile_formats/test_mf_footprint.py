"""Delegates, footprints, layer differences, projects: small numbers checked by hand or by another way."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.mobile_formats import (
    PROJECTS,
    coverage,
    delegate_coverage,
    example_cnn,
    layer_macs,
    layerwise_diff,
    op_footprint,
)
from utils.engines.mobile_formats.zoo import branches

EXAMPLE = [("Conv", 900_000_000), ("Act", 0), ("Resize", 50_000_000), ("Conv", 50_000_000)]


def test_the_example():
    assert coverage(EXAMPLE, {"Conv", "Act"}, 10, 100, 1) == (0.75, 0.95, 18.5)
    assert coverage(EXAMPLE, set(), 10, 100, 1) == (0.0, 0.0, 100.0)
    assert coverage(EXAMPLE, {"Conv", "Act", "Resize"}, 10, 100, 1) == (1.0, 1.0, 12.0)
    assert coverage([], {"Conv"}, 10, 100, 1) == (0.0, 0.0, 0.0)
    assert coverage([("Act", 0)], {"Act"}, 10, 100, 1) == (1.0, 0.0, 2.0)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 10**9)), max_size=12), st.sets(st.sampled_from("ABC")),
       st.floats(0.5, 50), st.floats(0.5, 500), st.floats(0, 5))
def test_a_clock_that_walks_over_the_layers_agrees(layers, supported, cpu, npu, sync):
    time_ms, where = 0.0, "cpu"
    for op, macs in layers:
        device = "npu" if op in supported else "cpu"
        time_ms += sync * (device != where)
        time_ms += macs / 1e9 / (npu if device == "npu" else cpu) * 1e3
        where = device
    time_ms += sync * (where != "cpu")
    assert coverage(layers, supported, cpu, npu, sync)[2] == pytest.approx(time_ms, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("arguments", [(EXAMPLE, set(), 0, 1, 1), (EXAMPLE, set(), 1, -1, 1), (EXAMPLE, set(), 1, 1, -1),
                                       ([("A", -1)], set(), 1, 1, 1)])
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ValueError, match="must"):
        coverage(*arguments)


def test_macs_of_the_example_by_hand():
    macs = dict(zip(("c1", "r1", "c2", "r2", "gap", "flat", "fc"), layer_macs(example_cnn())))
    assert macs["c1"] == ("Conv", 28 * 28 * 8 * 9) and macs["c2"] == ("Conv", 14 * 14 * 16 * 8 * 9)
    assert macs["fc"] == ("Gemm", 160) and macs["r1"] == ("Relu", 0)
    assert delegate_coverage(example_cnn(), {"Conv"}) == pytest.approx(282240 / 282400)
    assert delegate_coverage(example_cnn(), {"Relu", "Flatten"}) == 0.0


def test_a_reduced_build_holds_the_union():
    sizes = {"Conv": 100, "Relu": 10, "Gemm": 50, "Flatten": 1, "GlobalAveragePool": 5, "Add": 7, "Concat": 8, "Sigmoid": 9,
             "LSTM": 500, "Einsum": 310}
    found = op_footprint([example_cnn(), branches()], sizes)
    assert found.operators == ("Add", "Concat", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "Relu", "Sigmoid")
    assert (found.needed_bytes, found.full_bytes, found.share) == (190, 1000, 0.19)
    assert op_footprint([], {}).share == 0.0
    with pytest.raises(KeyError, match="Sigmoid"):
        op_footprint([branches()], dict.fromkeys(("Conv", "Relu", "Add", "Concat"), 1))


def test_differences_in_both_layouts():
    ref = {"a": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4), "b": np.ones((1, 5, 1, 1), np.float32)}
    nhwc = {"A": ref["a"].transpose(0, 2, 3, 1) + np.float32(0.5), "B": np.ones((1, 5), np.float32)}
    a, b = layerwise_diff(ref, nhwc, {"a": "A", "b": "B"}, "NHWC")
    assert (a.name, a.got_name, a.max_abs, a.scale, a.ok) == ("a", "A", 0.5, 23.0, False) and b.ok and b.max_abs == 0
    assert a.relative == pytest.approx(0.5 / 23) and a.as_dict()["shape"] == (1, 2, 3, 4)
    (wrong,) = layerwise_diff(ref, nhwc, {"a": "A"})
    assert wrong.max_abs > 1  # read in the wrong layout
    (other,) = layerwise_diff(ref, {"B": np.ones(4, np.float32)}, {"b": "B"})
    assert other.max_abs == float("inf") and not other.ok
    (broken,) = layerwise_diff(ref, {"B": np.full(5, np.nan, np.float32)}, {"b": "B"})
    assert broken.max_abs == float("inf") and not broken.ok
    with pytest.raises(ValueError, match="layout"):
        layerwise_diff(ref, nhwc, {}, "HWC")
    with pytest.raises(KeyError):
        layerwise_diff(ref, nhwc, {"a": "missing"})


def test_projects_are_dated_and_sourced():
    for project in PROJECTS:
        assert project.first < project.last <= project.as_of
        assert project.source and project.files
        assert project.idle_days(project.last + timedelta(days=10)) == 10
        assert project.idle_days(project.last - timedelta(days=10)) == 0
    today = date(2026, 11, 27)
    assert {p.name for p in PROJECTS if p.is_dormant(today)} == {"MACE", "Paddle Lite", "PocketFlow"}
    assert [p.name for p in PROJECTS if p.role != "engine"] == ["PocketFlow"]


def test_dates_agree_with_the_catalogue_of_engines():
    from utils.engines.frameworks import CATALOGUE

    known = {info.name: info.last_seen for info in CATALOGUE}
    for project in PROJECTS:
        name = project.name.split(" (")[0]
        if name in known:
            assert project.last == known[name], name
    assert {"ncnn", "MACE", "Paddle Lite", "LiteRT"} <= set(known) and "PocketFlow" not in known

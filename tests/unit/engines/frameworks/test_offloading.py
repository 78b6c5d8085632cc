"""Offloading: each decision against trying both ways, the modelled detector, refusals."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.frameworks import DeviceCosts, best_offload, offload_gain, partition
from utils.engines.frameworks.detector import DETECTOR, SHAPES, detector_costs, node_macs, plan_detector, tensor_sizes

MS, BYTES = st.floats(0, 50), st.integers(0, 10**8)
GROUP = st.tuples(st.sampled_from(["accel", "cpu"]), MS, MS, BYTES, BYTES)


def test_the_examples():
    assert offload_gain([("accel", [0])], [5.0], [0.5], [4e6], [2e6], 12, 0.02) == ([True], pytest.approx(1.02))
    decisions, total = offload_gain([("accel", [0, 1, 3]), ("cpu", [2]), ("accel", [4, 5])], [4.0, 1.0, 0.6], [0.4, 0.1, 0.1],
                                    [1.2e6, 4e6, 4e6], [4e6, 4e6, 0.8e6], 8, 0.1)
    assert decisions == [True, False, False] and total == pytest.approx(0.4 + 0.1 + 5.2 / 8 + 1.0 + 0.6)
    assert offload_gain([], [], [], [], [], 1, 0) == ([], 0.0)


@given(st.lists(GROUP, max_size=6), st.floats(0.1, 100), st.floats(0, 5))
def test_no_other_choice_is_cheaper(rows, link, launch):
    devices, cpu, accel, into, out = (list(column) for column in zip(*rows)) if rows else ([], [], [], [], [])
    groups = [(device, [i]) for i, device in enumerate(devices)]
    decisions, total = offload_gain(groups, cpu, accel, into, out, link, launch)
    away = [a + launch + (i + o) * 1e3 / (link * 1e9) for a, i, o in zip(accel, into, out)]
    choices = itertools.product(*([False, True] if device == "accel" else [False] for device in devices))
    best = min((sum(w if go else c for go, w, c in zip(choice, away, cpu)) for choice in choices), default=0.0)
    assert total == pytest.approx(best, rel=1e-9, abs=1e-12)
    assert all(device == "accel" for device, go in zip(devices, decisions) if go)


@pytest.mark.parametrize("lists, link, word", [
    (([1.0], [1.0], [0], [0]), 0, "link_gb_s"), (([], [1.0], [0], [0]), 1, "cpu_ms"), (([1.0], [1.0, 2.0], [0], [0]), 1, "accel_ms"),
    (([1.0], [1.0], [], [0]), 1, "in_bytes"), (([1.0], [1.0], [0], [0, 0]), 1, "out_bytes")])
def test_refusals(lists, link, word):
    with pytest.raises(ValueError, match=word):
        offload_gain([("accel", [0])], *lists, link, 0.1)


def test_equal_cost_stays():
    assert offload_gain([("accel", [0])], [1.5], [1.0], [0], [0], 16, 0.5) == ([False], 1.5)


def test_best_offload_adds_up_the_nodes():
    nodes = [("A", ["x"], ["a"]), ("C", ["a"], ["b"]), ("A", ["b"], ["y"])]
    plan = best_offload(partition(nodes, {"A"}, ["y"]), DeviceCosts([9, 2, 1], [1, 1, 1], 1.0, 0.5), {"x": 10**6, "a": 2 * 10**6, "b": 10**6, "y": 0})
    assert plan.decisions == (True, False, False) and plan.total_ms == pytest.approx(1 + 0.5 + 3 + 2 + 1)
    assert plan.cpu_only_ms == 12 and plan.offload_all_ms == pytest.approx(4.5 + 2 + 2.5)
    assert best_offload(partition([], {"A"}, []), DeviceCosts([], [], 1.0, 0.5), {}).total_ms == 0
    assert plan.as_dict()["total_ms"] == plan.total_ms


def test_the_detector_is_what_its_shapes_say():
    assert set(SHAPES) == {name for _, reads, makes in DETECTOR for name in (*reads, *makes)}
    assert node_macs(DETECTOR[0]) == 32 * 160 * 160 * 3 * 9 and node_macs(DETECTOR[8]) == 128 * 80 * 80 * 64 and node_macs(DETECTOR[7]) == 0
    assert tensor_sizes()["up"] == 4 * tensor_sizes()["c4"] == 3_276_800
    costs = detector_costs(2, 0.1)
    assert costs.cpu_ms[0] == pytest.approx(32 * 160 * 160 * 27 / 20e9 * 1e3)


def test_one_operator_in_the_middle():
    parts, plan = plan_detector({"NonMaxSuppression", "Resize"}, 2, 0.1)
    assert [g.device for g in parts.groups] == ["accel", "cpu", "accel", "cpu"]
    without = plan_detector({"NonMaxSuppression"}, 2, 0.1)[1]
    # Resize moves to the CPU; c4, skip and up, skip cross; one more start
    sizes, costs = tensor_sizes(), detector_costs(2, 0.1)
    crossing = sizes["c4"] + sizes["skip"] + sizes["up"] + sizes["skip"]
    assert plan.total_ms - without.total_ms == pytest.approx(costs.cpu_ms[7] - costs.accel_ms[7] + crossing / 2e6 + 0.1)

"""The desk: recorded rows are consistent, targets choose three different variants, numbers against arithmetic."""

import pytest

from utils.delivery.desk import FLIPS, RECORDED, STAGES, TARGETS, desk_state
from utils.delivery.tradeoff.choice import ReleaseTarget


def test_the_records_are_one_experiment():
    for one, many in zip(RECORDED[1], RECORDED[64]):
        assert (one.name, one.right, one.bytes) == (many.name, many.right, many.bytes)
        assert one.p50_ms <= one.p95_ms and many.p50_ms <= many.p95_ms
        assert 1 < many.p50_ms / one.p50_ms < 64  # a batch is dearer than one image and cheaper than 64
        lost, gained = FLIPS.get(one.name, (0, 0))
        assert one.right == RECORDED[1][0].right - lost + gained


def test_each_target_chooses_another_variant():
    chosen = {name: desk_state(RECORDED[t.batch], t, STAGES, 1)["choice"] for name, t in TARGETS.items()}
    assert chosen == {"phone": "wide INT8", "gateway": "tiny FP32", "cloud batch": "pruned INT8"}


def test_state():
    target = ReleaseTarget(max_p95_ms=0.03, batch=1)
    state = desk_state(RECORDED[1], target, STAGES, 3)
    assert state["total_ms"] == pytest.approx(4 + 12 / 3 + 2) and state["floor_ms"] == pytest.approx(6)
    assert state["overall"] == pytest.approx(18 / 10)
    assert state["broken"]["wide FP32"] == ["p95_ms"] and state["broken"]["tiny FP32"] == []
    assert state["choice"] == "pruned INT8"
    assert state["front"] == ["wide INT8", "pruned INT8", "tiny FP32"]
    assert state["speedups"]["wide INT8"] == pytest.approx(0.0707 / 0.0318)
    assert state["usd"]["wide FP32"] == pytest.approx(1.2 / 3600 * 0.0707e-3 / 0.6 * 1e6)
    assert desk_state(RECORDED[1], ReleaseTarget(min_accuracy=0.99), STAGES, 1)["choice"] is None


def test_another_batch_is_refused():
    with pytest.raises(ValueError, match="measured at batch 64"):
        desk_state(RECORDED[1], TARGETS["cloud batch"], STAGES, 1)

"""The rules, written once more as the course states them, over a grid around every threshold."""

import itertools

import pytest

from utils.hardware.gpu_monitor import diagnose, plain
from utils.hardware.gpu_monitor.diagnosis import KEYS, NEXT_STEPS


def stated(util, sm, tensor, dram, bus, cpu):
    if util < 5:
        return "idle"
    if bus >= 70:
        return "communication-bound"
    if util < 60:
        return "host-bound" if cpu >= 80 else "launch-bound"
    if sm < 30:
        return "underfilled"
    if dram >= 60 and tensor < 40:
        return "memory-bound"
    if tensor >= 40:
        return "compute-bound"
    return "memory-bound" if dram >= 40 else "underfilled"


def test_a_grid_around_every_threshold():
    edges = ((4, 5, 59, 60), (29, 30), (39, 40), (39, 40, 59, 60), (69, 70), (79, 80))
    seen = set()
    for values in itertools.product(*edges):
        label = plain.diagnose(dict(zip(KEYS, values)))
        assert label == stated(*values), values
        seen.add(label)
    assert seen == set(NEXT_STEPS)


def test_evidence_and_next_step():
    found = diagnose(dict(zip(KEYS, (97, 8, 1, 4, 3, 30))))
    assert found.label == "underfilled" and found.evidence == "gpu_util 97 %, sm_active 8 %"
    assert found.next_step == NEXT_STEPS["underfilled"]


@pytest.mark.parametrize("key", KEYS)
def test_refusals_name_the_key(key):
    good = dict.fromkeys(KEYS, 50)
    with pytest.raises(ValueError, match=key):
        diagnose({k: v for k, v in good.items() if k != key})
    for bad in (-1, 100.5, float("nan")):
        with pytest.raises(ValueError, match=key):
            diagnose(good | {key: bad})
    diagnose(good | {key: 0})
    diagnose(good | {key: 100})

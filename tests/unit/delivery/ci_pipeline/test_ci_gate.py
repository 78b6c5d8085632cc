"""The quality gate and its power."""

import numpy as np
import pytest

from utils.delivery.ci_pipeline import (
    Evidence,
    GatePolicy,
    compare_models,
    critical_losses,
    drop_alarm,
    gate_power,
    quality_gate,
)
from utils.delivery.ci_pipeline.provenance import artefact_record, differences, environment, fingerprint

POLICY = {"max_p": 0.05, "max_drop": 0.5, "max_latency_ratio": 1.25, "max_size_ratio": 1.0, "min_samples": 20}


def flags(lost, gained, n=100):
    at = np.arange(n)
    return (at < lost) | (at >= lost + gained), at >= lost


def gate(lost, gained, n=100, base_ms=(1.0,), cand_ms=(1.0,), base_bytes=100, cand_bytes=100, **policy):
    return quality_gate(*flags(lost, gained, n), np.array(base_ms), np.array(cand_ms), base_bytes, cand_bytes,
                        POLICY | policy)


def test_golden_p_values():
    assert gate(12, 4) == (False, ["accuracy"]) and gate(9, 3) == (True, []) and gate(5, 4) == (True, [])
    results = [compare_models(Evidence(a, np.ones(1), 1), Evidence(b, np.ones(1), 1), GatePolicy()).p_value
               for a, b in (flags(12, 4), flags(9, 3), flags(5, 4), flags(0, 0))]
    assert results == pytest.approx([0.038406, 0.072998, 0.5, 1.0], abs=5e-7)


def test_all_reasons_in_order():
    assert gate(9, 0, 19, (1, 1, 9), (1, 4, 2), 10, 11)[1] == ["samples", "accuracy", "latency", "size"]
    assert gate(1, 0, max_drop=0.0)[1] == ["accuracy"]  # 1 of 100 above no drop, p = 0.5
    assert gate(0, 0, max_p=1.0)[1] == ["accuracy"] and gate(0, 9) == (True, [])
    assert gate(0, 0, cand_ms=(1.25,)) == (True, [])


def test_one_outlier_does_not_decide():
    assert gate(0, 0, base_ms=[1] * 9, cand_ms=[1] * 8 + [500]) == (True, [])


def test_another_signature_is_a_reason():
    good = Evidence(np.ones(500, bool), np.ones(3), 10, (("x", "float", (1, 64)),))
    bad = Evidence(np.ones(500, bool), np.ones(3), 10, (("x", "float", (1, 3, 8, 8)),))
    assert compare_models(good, bad, GatePolicy()).reasons == ("signature",)
    assert compare_models(good, good, GatePolicy()).passed


@pytest.mark.parametrize("change", [{"cand_ms": []}, {"base_ms": [0.0]}, {"cand_ms": [1, -1]}, {"cand_ms": [np.nan]},
                                    {"n": 0}])
def test_refused_evidence(change):
    with pytest.raises(ValueError):
        gate(0, 0, **change)
    with pytest.raises(ValueError):
        quality_gate(np.ones(3, bool), np.ones(4, bool), np.ones(1), np.ones(1), 1, 1, POLICY)


@pytest.mark.parametrize("n, drop, disagreement, max_p", [(60, 0.1, 0.2, 0.05), (200, 0.02, 0.06, 0.05), (30, 0, 0.4, 0.2)])
def test_power_against_simulated_gates(n, drop, disagreement, max_p):
    rng = np.random.default_rng(0)
    shares = [(disagreement + drop) / 2, (disagreement - drop) / 2, 1 - disagreement]
    lost, gained, _ = rng.multinomial(n, shares, size=20_000).T
    table = {d: critical_losses(d, max_p) for d in range(n + 1)}
    seen = np.mean([b >= table[b + c] for b, c in zip(lost, gained)])
    assert gate_power(n, drop, disagreement, max_p) == pytest.approx(seen, abs=5 * 0.5 / np.sqrt(20_000))


def test_power_at_its_ends():
    assert gate_power(50, 0, 0) == 0 and gate_power(50, 0, 0, 1.0) == 1 and gate_power(10, 1, 1) == 1
    assert gate_power(10, -1, 1) == 0
    powers = [gate_power(n, 0.03, 0.06) for n in (100, 400, 1600)]
    assert powers == sorted(powers) and powers[-1] > 0.99
    for bad in ((0, 0.1, 0.2, 0.05), (5, 0.3, 0.2, 0.05), (5, 0.1, 0.2, 0.0)):
        with pytest.raises(ValueError):
            gate_power(*bad)


def test_drop_alarm_at_its_ends():
    assert drop_alarm(50, 0.0, 0) == 0 and drop_alarm(50, -0.01, 0) == 1  # models that never differ lose nothing
    assert drop_alarm(10, 0.9, 1, 1) == 1 and drop_alarm(10, 1.0, 1, 1) == 0  # the whole is lost, and at the limit is allowed
    assert drop_alarm(10, -1.0, 1, -1) == 0 and drop_alarm(10, -1.1, 1, -1) == 1
    alarms = [drop_alarm(n, 0.01, 0.06) for n in (200, 500, 2000)]
    assert alarms == sorted(alarms, reverse=True) and alarms[0] > 0.2 and alarms[-1] < 0.05
    assert drop_alarm(200, 0.01, 0.06, 0.02) > drop_alarm(200, 0.01, 0.06) > drop_alarm(200, 0.02, 0.06)
    for bad in ((0, 0.01, 0.2), (5, 0.01, 0.2, 0.3), (5, 0.01, 0.2, -0.3), (5, 0.01, 1.1), (5, 0.01, -0.1)):
        with pytest.raises(ValueError, match="must"):
            drop_alarm(*bad)


def test_fingerprints_and_records(tmp_path):
    ours = environment(("numpy", "no-such-package"))
    assert ours["numpy"] == np.__version__ and ours["no-such-package"] == "absent"
    theirs = ours | {"numpy": "0.1"}
    assert fingerprint(ours) != fingerprint(theirs) and differences(ours, theirs) == {"numpy": (np.__version__, "0.1")}
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"")
    record = artefact_record(tmp_path / "a", [tmp_path / "b"])
    assert record["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"
    assert record["inputs"]["b"].startswith("e3b0c442") and "torch" in record["environment"]

"""The race of formats: every reading agrees, a missing engine becomes a reason."""

import numpy as np
import pytest

from utils.engines.mobile_formats.experiment import race_formats


def test_numpy_and_onnx_runtime_always_run():
    race = race_formats(repeats=5, real=("ONNX Runtime",))
    assert set(race.outputs) == {"ONNX Runtime", "NumPy reads ncnn", "NumPy reads TFLite"} and not race.missing
    assert max(race.differences().values()) < 1e-5
    assert race.model_bytes["NumPy reads ncnn"] == 386 + 5684
    assert race.ratios()["ONNX Runtime"] == 1.0
    assert all(len(times) == 5 and (times > 0).all() for times in race.samples_ms.values())


def test_a_missing_engine_is_told(monkeypatch):
    from utils.engines.frameworks import NcnnEngine
    from utils.optional import EngineUnavailable

    def absent(self, model, threads):
        raise EngineUnavailable("ncnn is not available: `pip install ncnn`")

    monkeypatch.setattr(NcnnEngine, "load", absent)
    race = race_formats(repeats=3, real=("ONNX Runtime", "ncnn"))
    assert race.missing == {"ncnn": "ncnn is not available: `pip install ncnn`"} and "ncnn" not in race.outputs


def test_another_seed_is_another_image():
    first, second = (race_formats(repeats=1, seed=s, real=("ONNX Runtime",)).outputs["ONNX Runtime"] for s in (0, 1))
    assert np.abs(first - second).max() > 1e-3
    assert first.shape == (1, 10) and first == pytest.approx(race_formats(1, real=("ONNX Runtime",)).outputs["ONNX Runtime"])

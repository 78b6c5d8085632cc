"""Our QDQ graph against ONNX Runtime's own `quantize_static`: parameters, and what the two predict."""

import logging

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from utils.compression.qdq import collect_ranges, digits_to_onnx, insert_qdq, run_onnx
from utils.networks.digits import load_digits_split, trained_digits


class Images(CalibrationDataReader):
    def __init__(self, X):
        self.left = iter([X])

    def get_next(self):
        X = next(self.left, None)
        return None if X is None else {"img": X}


@pytest.mark.parametrize(("kind", "names"), [("mlp", ["img", "r1", "r2", "logits"]),
                                             ("cnn", ["img", "r1", "r2", "r3", "logits"])])
def test_same_parameters_and_predictions(kind, names, tmp_path):
    logging.disable(logging.WARNING)  # its advice to pre-process
    try:
        X, X_test, *_ = load_digits_split()
        proto = digits_to_onnx(trained_digits(kind, 0, 12))
        onnx.save(proto, tmp_path / "float.onnx")
        shape = (-1, 64) if kind == "mlp" else (-1, 1, 8, 8)
        quantize_static(tmp_path / "float.onnx", tmp_path / "theirs.onnx", Images(X[:128].reshape(shape)),
                        quant_format=QuantFormat.QDQ, activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
                        calibrate_method=CalibrationMethod.MinMax, per_channel=False)
    finally:
        logging.disable(logging.NOTSET)
    theirs = onnx.load(tmp_path / "theirs.onnx")
    ours = insert_qdq(proto, collect_ranges(proto, X[:128], names))
    mine, other = ({t.name: numpy_helper.to_array(t) for t in m.graph.initializer} for m in (ours, theirs))
    for name in (*names, *(f"W{i}" for i in range(1, len(names)))):
        np.testing.assert_allclose(mine[f"{name}_scale"], other[f"{name}_scale"], rtol=1e-6)
        assert mine[f"{name}_zero"] == other[f"{name}_zero_point"], name
    for i in range(1, len(names)):
        assert np.array_equal(mine[f"W{i}_q"], other[f"W{i}_quantized"])
    a, b = run_onnx(ours, X_test), run_onnx(theirs, X_test)
    assert np.mean(a.argmax(1) == b.argmax(1)) >= 0.99

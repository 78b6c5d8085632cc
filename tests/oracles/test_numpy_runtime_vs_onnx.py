"""The NumPy runtime and its shape inference against ONNX's own conformance cases, onnx.reference, ONNX Runtime."""

import warnings

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from utils.graphs.onnx_tools import expose_outputs, make_session
from utils.graphs.runtime import KERNELS, NumpyRuntime, infer_shapes
from utils.graphs.simplify.examples import messy_cnn

# Conformance cases of operators that the runtime knows, but of modes that it does not: each reason is an error's text.
LEFT_OUT = {
    "training": "must be in inference mode", "argmax_2d": "must have one output", "quantizelinear": "must write integers",
    "empty_set": "zero-size array", "identity_sequence": "", "identity_opt": "",
}


def conformance_cases():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def as_array(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def plain(array):
    return array if array.dtype.kind in "OSU" else np.asarray(array, np.float64)


@pytest.fixture(scope="module")
def runnable():
    """(case, runtime) of each conformance case whose operators all have a kernel."""
    found = []
    for case in conformance_cases():
        try:
            found.append((case, NumpyRuntime(case.model)))
        except NotImplementedError:
            continue
        except ValueError as error:
            assert "unknown dtype" in str(error), case.name
    return found


def left_out(case, error):
    return any(part in case.name and reason in str(error) for part, reason in LEFT_OUT.items())


@pytest.mark.filterwarnings("ignore")
def test_conformance(runnable):
    passed, kinds = 0, set()
    for case, runtime in runnable:
        for inputs, outputs in case.data_sets:
            feeds = {v.name: np.asarray(as_array(i)) for v, i in zip(case.model.graph.input, inputs)}
            try:
                got = list(runtime.run(feeds).values())
            except (NotImplementedError, ValueError, TypeError, AttributeError) as error:
                assert left_out(case, error), f"{case.name}: {error}"
                continue
            if any(part in case.name for part in ("identity_sequence", "identity_opt")):
                continue
            for mine, theirs in zip(got, map(as_array, outputs), strict=True):
                assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape), case.name
                # the tolerances are those that the suite itself sets for every runtime
                np.testing.assert_allclose(plain(mine), plain(theirs), rtol=case.rtol, atol=case.atol, err_msg=case.name)
            passed += 1
            kinds |= {node.op_type for node in case.model.graph.node}
    assert passed > 700  # 915 with onnx 1.23; fewer cases come with older ones
    untested = set(KERNELS) - kinds
    assert untested <= {"ReduceProd", "Sin", "Cos"}, untested  # newer onnx has cases of these too


@pytest.mark.filterwarnings("ignore")
def test_inferred_types_are_those_of_the_conformance_cases(runnable):
    looked_at, known = 0, 0
    for case, _ in runnable:
        if any(part in case.name for part in ("identity_sequence", "identity_opt")):
            continue
        bare = onnx.ModelProto()
        bare.CopyFrom(case.model)
        for value in bare.graph.output:
            value.type.tensor_type.ClearField("shape")  # or inference could copy the declaration
        inferred = infer_shapes(bare)
        for _, outputs in case.data_sets:
            for value, output in zip(case.model.graph.output, map(as_array, outputs)):
                mine = inferred[value.name]
                assert mine.dtype in (None, output.dtype.name), case.name
                looked_at += 1
                if mine.shape is not None:
                    assert len(mine.shape) == output.ndim, case.name
                    pairs = list(zip(mine.shape, output.shape))
                    assert all(not isinstance(m, int) or m == n for m, n in pairs), (case.name, mine, output.shape)
                    known += all(isinstance(m, int) for m, _ in pairs)
    assert looked_at > 700 and known > 0.75 * looked_at, (looked_at, known)


def networks():
    import torch
    from torch import nn

    from utils.graphs.onnx_tools import export_torch

    class Mixed(nn.Module):
        """Strided, dilated, depthwise and transposed-shape parts, pooling with ceil_mode, attention-like products."""

        def __init__(self):
            super().__init__()
            self.stem, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
            self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
            self.pool, self.average = nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
            self.last, self.layer_norm = nn.Linear(8, 10), nn.LayerNorm(10)

        def forward(self, x):
            y = torch.relu(self.norm(self.stem(x)))
            y = self.average(self.pool(y + torch.sigmoid(self.depthwise(y))))
            tokens = y.flatten(2).transpose(1, 2)
            weights = torch.softmax(tokens @ tokens.transpose(1, 2) / 3, -1)
            z = self.layer_norm(self.last((weights @ tokens).mean(1)))
            return torch.cat([nn.functional.gelu(z), z.clamp(0, 1)[:, 1::2]], 1).view(x.shape[0], -1)

    torch.manual_seed(0)
    torch.set_num_threads(1)
    mixed = Mixed()
    mixed(torch.randn(4, 3, 32, 32))
    return {
        "messy_cnn": (messy_cnn(batch="N"), (2, 3, 16, 16)),
        "mixed": (export_torch(mixed, torch.randn(1, 3, 33, 29), dynamic_batch="N"), (3, 3, 33, 29)),
        "mixed opset 13": (export_torch(mixed, torch.randn(1, 3, 33, 29), dynamic_batch="N", opset=13), (3, 3, 33, 29)),
    }


@pytest.mark.parametrize("name", ["messy_cnn", "mixed", "mixed opset 13"])
def test_networks_agree_tensor_by_tensor_with_both_runtimes(name):
    model, shape = networks()[name]
    feed = {model.graph.input[0].name: np.random.default_rng(0).normal(size=shape).astype(np.float32)}
    exposed = expose_outputs(model)
    mine = NumpyRuntime(exposed).run(feed)
    session = make_session(exposed)
    for other in (dict(zip(mine, ReferenceEvaluator(exposed).run(list(mine), feed))), dict(zip(mine, session.run(list(mine), feed)))):
        for tensor, value in other.items():
            assert mine[tensor].dtype == value.dtype and mine[tensor].shape == value.shape, tensor
            # float32 sums of up to 72 products, each within 2^-24: 72 * 6e-8 = 4e-6; 1e-4 as the tolerance of all chapters
            np.testing.assert_allclose(mine[tensor], value, rtol=1e-4, atol=1e-5, err_msg=tensor)
    inferred = infer_shapes(model)
    for tensor, value in NumpyRuntime(model).run(feed, trace=True).items():
        assert inferred[tensor].dtype == value.dtype.name
        assert len(inferred[tensor].shape) == value.ndim
        for dim, size in zip(inferred[tensor].shape, value.shape):
            assert dim is not None and (dim == size or (dim == "N" and size == shape[0])), (tensor, str(inferred[tensor]))


@pytest.mark.parametrize("name", ["messy_cnn", "mixed", "mixed opset 13"])
def test_inference_knows_at_least_what_onnx_knows(name):
    model, _ = networks()[name]
    mine = infer_shapes(model)
    theirs = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    compared = 0
    for value in (*theirs.value_info, *theirs.output):
        for dim, known in zip(mine[value.name].shape, value.type.tensor_type.shape.dim):
            if known.HasField("dim_value"):
                assert dim == known.dim_value, value.name
            elif known.dim_param == "N":  # other symbols are made up, where a tool did not know the number
                assert dim == "N", value.name
            compared += 1
    assert compared > 50

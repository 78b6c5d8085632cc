"""The stand-in server: answers equal to ONNX Runtime, errors as the protocol has them, batches of concurrent requests."""

import json
import threading
import urllib.error
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest

from utils.graphs.onnx_tools import make_session
from utils.optional import EngineUnavailable
from utils.serving.triton import V2Client, V2Error, batch_sizes, model_metric
from utils.serving.triton.client import get_text
from utils.serving.triton.experiment import (
    DELAYS_US,
    compare_encodings,
    digits_config,
    digits_model,
    digits_rows,
    mean_model,
    model_name,
    run_clients,
    serve_digits,
    tensor_names,
)
from utils.serving.triton.mini_server import MiniModel, MiniV2Server

MEAN = ('backend: "onnxruntime"\nmax_batch_size: 0\ninput { name: "x" data_type: TYPE_FP32 dims: -1 }\noutput { name: "y" data_type: TYPE_FP32 dims: 1 }\n'
        "instance_group { kind: KIND_CPU }")


@pytest.fixture(scope="module")
def digits():
    return digits_model()


@pytest.fixture
def mean():
    with MiniV2Server({"mean": (mean_model(), MEAN)}) as server:
        yield server


@pytest.mark.parametrize("binary", [True, False])
def test_both_encodings_give_onnx_runtimes_answer(mean, binary):
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    y = mean.client().infer("mean", {"x": x}, ["y"], binary)["y"]
    assert np.array_equal(y, make_session(mean_model(), optimize=True).run(None, {"x": x})[0]) and y.dtype == np.float32


def test_it_tells_about_itself(mean):
    client = mean.client()
    assert client.ready() and client.metadata()["extensions"] and client.metadata("mean")["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1]}]
    assert client.index() == [{"name": "mean", "version": "1", "state": "READY"}]
    assert mean.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("inputs, outputs, status", [
    ({"x": np.ones((2, 2), np.float32)}, ["y"], 400), ({"z": np.ones(2, np.float32)}, ["y"], 400), ({"x": np.ones(2, np.float64)}, ["y"], 400), ({"x": np.ones(2, np.float32)}, ["q"], 400),
])
def test_wrong_requests_are_refused_and_the_next_is_served(mean, inputs, outputs, status):
    client = mean.client()
    with pytest.raises(V2Error) as told:
        client.infer("mean", inputs, outputs)
    assert told.value.status == status and str(told.value)
    assert client.infer("mean", {"x": np.ones(2, np.float32)}, ["y"])["y"] == [1.0]


def test_what_is_no_request_is_told(mean):
    client = mean.client()
    with pytest.raises(V2Error, match="unknown model"):
        client.stats("other")
    for path, body in (("/v2/models/mean/infer", b"{"), ("/v2/models/mean/infer", b'{"inputs": 3}'), ("/nothing", None), ("/v2/models/mean/nothing", b"")):
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(urllib.request.Request(mean.url + path, body))
        with told.value:
            assert told.value.code in (400, 404) and json.loads(told.value.read())["error"]


def test_bad_configurations_do_not_start():
    for wrong in (MEAN.replace("KIND_CPU", "KIND_GPU"), MEAN.replace("dims: -1", "dims: 0"), 'name: "other" ' + MEAN, "input {"):
        with pytest.raises(ValueError):
            MiniModel("mean", mean_model(), wrong)


def test_a_stopped_server_is_gone():
    server = MiniV2Server({"mean": (mean_model(), MEAN)}).start()
    client = server.client()
    assert client.ready()
    before = threading.active_count()
    server.stop()
    server.stop()
    assert not client.ready() and threading.active_count() <= before
    assert not V2Client("http://127.0.0.1:9").ready()


def test_concurrent_requests_are_merged_and_counted(digits):
    """Eight clients meet at a barrier, and the model waits for a second: their eight rows are one execution."""
    names = tensor_names(digits)
    rows, direct = digits_rows(8), make_session(digits, optimize=True).run(None, {names[0]: digits_rows(8)})[0]
    together, answers = threading.Barrier(8), {}
    with MiniV2Server({"digits": (digits, digits_config(1_000_000, names, "onnxruntime"))}) as server:

        def ask(i):
            together.wait()
            answers[i] = server.client().infer("digits", {names[0]: rows[i : i + 1]}, [names[1]])[names[1]]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        stats, text = server.client().stats("digits"), get_text(server.metrics_url)
    np.testing.assert_allclose(np.concatenate([answers[i] for i in range(8)]), direct, rtol=1e-5, atol=1e-5)
    assert stats["inference_count"] == 8 == model_metric(text, "nv_inference_count", "digits") and stats["execution_count"] == 1
    assert batch_sizes(stats) == {8: 1} and model_metric(text, "nv_inference_request_success", "digits") == 8


def test_the_experiment_runs_on_the_stand_in(digits, tmp_path):
    with serve_digits(tmp_path, digits) as served:
        assert not served.real and "stand-in" in served.name
        for delay in DELAYS_US:
            run = run_clients(served, delay, 1, 5)
            assert (run.inferences, run.executions, run.sizes) == (5, 5, {1: 5})
        run = run_clients(served, 5000, 4, 12)
        assert run.inferences == 12 == sum(n * k for n, k in run.sizes.items()) and run.executions == sum(run.sizes.values())
        assert served.infer(model_name(0), digits_rows(3)).shape == (3, 10)
        with pytest.raises(EngineUnavailable, match="gRPC is not available"):
            served.infer_grpc(model_name(0), digits_rows(1))
        with pytest.raises(V2Error):
            run_clients(SimpleNamespace(**{**served.__dict__, "infer": lambda *a: served.infer(model_name(0), digits_rows(1)[:, :3])}, metric=served.metric), 0, 2, 4)


def test_encodings_have_the_expected_bytes():
    found = compare_encodings((1000, 2000))
    assert [(e.count, e.kind) for e in found] == [(1000, "JSON"), (1000, "binary"), (2000, "JSON"), (2000, "binary")]
    assert all(4 * e.count < e.body_bytes < 4 * e.count + 200 for e in found if e.kind == "binary")
    assert all(18 < e.body_bytes / e.count < 22 for e in found if e.kind == "JSON")

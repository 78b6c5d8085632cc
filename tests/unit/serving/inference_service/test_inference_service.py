"""The real server over real sockets: codes, versions, the hot swap, readiness, drain, and nothing left behind."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import onnxruntime
import pytest

from utils.serving.inference_service import InferenceService, stage_compute_model
from utils.serving.inference_service.wire import array_to_bytes, bytes_to_array

WAIT_S = 20.0  # for events that come at once on any machine that is alive


def until(condition, what="the condition"):
    """Poll a condition with a generous bound."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"{what} must come true within {WAIT_S} s"
        time.sleep(0.005)


class Gate:
    """A model that waits until it is let go, and counts its runs."""

    def __init__(self):
        self.entered, self.open, self.runs = threading.Semaphore(0), threading.Event(), 0

    def __call__(self, x):
        self.runs += 1
        self.entered.release()
        assert self.open.wait(WAIT_S)
        return x


def in_thread(call):
    """Run `call` in a thread; a list that will hold its result, and the thread."""
    got = []
    thread = threading.Thread(target=lambda: got.append(call()), daemon=True)
    thread.start()
    return got, thread


@pytest.fixture
def small():
    return stage_compute_model(d=8, layers=2)


def test_predictions_equal_onnxruntime_in_both_formats(small):
    x = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    want = onnxruntime.InferenceSession(small, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
    with InferenceService({"net": small}) as service, service.client() as client:
        answer = client.predict("net", x)
        assert answer.ok and answer.version == 1 and np.array_equal(answer.output, want)
        body = json.dumps({"inputs": {"input": x.tolist()}}).encode()
        for path in ("/v1/models/net:predict", "/v1/models/net/versions/1:predict"):
            status, told, _ = client.ask("POST", path, body, {"Content-Type": "application/json"})
            got = json.loads(told)
            assert status == 200 and got["version"] == 1 and got["model"] == "net"
            assert np.allclose(got["outputs"]["output"], want, rtol=1e-6)
        status, told, _ = client.ask("POST", "/v1/models/net:predict", json.dumps({"inputs": x.tolist()}).encode(), {})
        assert status == 200 and client.predict("net", x.astype(np.float64)).ok  # cast to the model's dtype


def test_listens_on_loopback_alone(small):
    with InferenceService({"net": small}) as service, InferenceService({"net": small}) as other:
        assert service.url.startswith("http://127.0.0.1:") and service.url != other.url
        assert service._front.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(("path", "body", "kind", "status"), [
    ("/v1/models/other:predict", array_to_bytes(np.zeros((1, 8), np.float32)), "application/x-tensor", 404),
    ("/v1/models/net/versions/7:predict", array_to_bytes(np.zeros((1, 8), np.float32)), "application/x-tensor", 404),
    ("/v2/models/net/infer", b"{}", "application/json", 404),
    ("/v1/models/net:predict", b"no json", "application/json", 400),
    ("/v1/models/net:predict", b"[]", "application/json", 400),
    ("/v1/models/net:predict", b'{"inputs": {"x": [1]}}', "application/json", 400),
    ("/v1/models/net:predict", b'{"inputs": [[1, 2], [3]]}', "application/json", 400),
    ("/v1/models/net:predict", b'{"inputs": ["a"]}', "application/json", 400),
    ("/v1/models/net:predict", b'{"inputs": [1, 2]}', "application/json", 400),
    ("/v1/models/net:predict", array_to_bytes(np.zeros((1, 9), np.float32)), "application/x-tensor", 400),
    ("/v1/models/net:predict", array_to_bytes(np.zeros(8, np.float32)), "application/x-tensor", 400),
    ("/v1/models/net:predict", b"nonsense", "application/x-tensor", 400),
])
def test_bad_requests_get_their_code_and_the_connection_lives_on(small, path, body, kind, status):
    with InferenceService({"net": small}) as service, service.client() as client:
        got, told, _ = client.ask("POST", path, body, {"Content-Type": kind})
        assert got == status and json.loads(told)["error"]
        assert client.predict("net", np.zeros((1, 8), np.float32)).ok


@pytest.mark.parametrize("body", [
    b"", b"\n", b'{"dtype": "object", "shape": [1, 8]}\n' + bytes(64), b'{"dtype": "float32", "shape": [1, 8]}\n' + bytes(31),
    b'{"dtype": "float32", "shape": [1, -8]}\n' + bytes(32), b'{"dtype": "float32", "shape": [-1, -8]}\n' + bytes(32),
    b'{"dtype": "U4", "shape": [2]}\n' + bytes(32), b'{"dtype": "what", "shape": [8]}\n', b'{"dtype": "float32"}\n', b"[1]\n",
    b'{"dtype": "float32", "shape": 8}\n' + bytes(32),
])
def test_malformed_tensors_are_refused(small, body):
    with InferenceService({"net": small}) as service, service.client() as client:
        path, kind = "/v1/models/net:predict", {"Content-Type": "application/x-tensor"}
        assert client.ask("POST", path, body, kind)[0] == 400


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", ">f4", "float64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors_come_back_as_they_went(dtype, shape):
    array = (np.arange(np.prod(shape)).reshape(shape) % 2).astype(dtype)
    for sent in (array, array.T, array[::-1] if shape else array):
        back = bytes_to_array(array_to_bytes(sent))
        assert np.array_equal(back, sent) and back.shape == sent.shape and back.dtype == np.dtype(dtype).newbyteorder("=")
    with pytest.raises(ValueError, match="numbers"):
        array_to_bytes(np.array(["text"]))


def test_bodies_without_length_or_too_long(small):
    with InferenceService({"net": small}) as service, service.client() as client:
        for header, status in (("Transfer-Encoding: chunked", b"411"), (f"Content-Length: {2**30}", b"413")):
            with socket.create_connection(("127.0.0.1", service._front.server_port), WAIT_S) as raw:
                raw.sendall(f"POST /v1/models/net:predict HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
                said = b""
                while part := raw.recv(4096):  # ends, because the server closes such a connection
                    said += part
                assert said.split()[1] == status and b"Connection: close" in said
        for bad in ("soon", "nan", "-1"):
            path = "/v1/models/net:predict"
            assert client.ask("POST", path, b"{}", {"X-Deadline-Ms": bad})[0] == 400


def test_a_failing_model_costs_one_request_only():
    def broken(x):
        if x.sum() > 0:
            raise ZeroDivisionError("no such luck")
        return x

    with InferenceService({"net": broken}) as service, service.client() as client:
        answer = client.predict("net", np.ones(1))
        assert answer.status == 500 and "no such luck" in answer.error
        assert client.predict("net", np.zeros(1)).ok


def test_a_full_queue_refuses_at_once():
    gate = Gate()
    with InferenceService({"net": gate}, queue_limit=2) as service, service.client() as client:
        first = [in_thread(lambda: client.predict("net", np.zeros(1)))]
        assert gate.entered.acquire(timeout=WAIT_S)  # one runs
        first += [in_thread(lambda: client.predict("net", np.zeros(1))) for _ in range(2)]
        until(lambda: service._executor.waiting == 2, "two requests wait")
        refused = client.predict("net", np.zeros(1))  # answered while nothing else can be
        assert refused.status == 429 and not gate.open.is_set()
        gate.open.set()
        for got, thread in first:
            thread.join(WAIT_S)
            assert got[0].status == 200
        assert service.metrics.codes() == {200: 3, 429: 1} and gate.runs == 3


def test_workers_run_at_the_same_time():
    both = threading.Barrier(2, timeout=WAIT_S)

    def meet(x):
        both.wait()
        return x

    with InferenceService({"net": meet}, workers=2, queue_limit=0) as service, service.client() as client:
        pairs = [in_thread(lambda: client.predict("net", np.zeros(1))) for _ in range(2)]
        for got, thread in pairs:
            thread.join(WAIT_S)
            assert got[0].ok


def test_a_request_that_waits_past_its_deadline_is_not_run():
    gate = Gate()
    with InferenceService({"net": gate}) as service, service.client() as client:
        got, thread = in_thread(lambda: client.predict("net", np.zeros(1)))
        assert gate.entered.acquire(timeout=WAIT_S)
        assert client.predict("net", np.zeros(1), deadline_ms=30).status == 504
        assert service._executor.waiting == 0  # it holds no place any more
        gate.open.set()
        thread.join(WAIT_S)
        assert got[0].ok and gate.runs == 1


def test_a_run_that_would_end_too_late_is_not_begun():
    runs = []
    with InferenceService({"net": lambda x: runs.append(1) or x}) as service, service.client() as client:
        with service._store.hold("net", None) as held:
            held.service_s = 5.0  # as if it had been measured
        answer = client.predict("net", np.zeros(1), deadline_ms=4000)
        assert answer.status == 504 and not runs and "can't be met" in answer.error
        assert client.predict("net", np.zeros(1), deadline_ms=60_000).ok and len(runs) == 1


def test_hot_swap_fails_no_request_and_every_answer_is_one_version_whole():
    versions = {1: lambda x: x + 1, 2: lambda x: x + 2, 3: lambda x: x + 3}
    stop, seen, lock = threading.Event(), [], threading.Lock()
    with InferenceService({"net": versions[1]}, workers=2) as service, service.client() as client:
        def ask():
            while not stop.is_set():
                answer = client.predict("net", np.zeros(4))
                with lock:
                    seen.append((answer.status, answer.version, float(answer.output[0])))

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for version in (2, 3):
            until(lambda v=version: any(s[1] == v - 1 for s in list(seen)), f"version {version - 1} answers")
            assert service.load("net", versions[version]) == version
            service.unload("net", version - 1)
        until(lambda: any(s[1] == 3 for s in list(seen)), "version 3 answers")
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)
        assert {s[0] for s in seen} == {200} and all(value == version for _, version, value in seen)
        assert service.listing() == {"net": {"versions": [3], "default": 3}}
        assert client.predict("net", np.zeros(1), version=1).status == 404


def test_roll_back_and_what_can_not_be_unloaded():
    with InferenceService({"net": lambda x: x}) as service, service.client() as client:
        assert service.load("net", lambda x: x * 2, version=7) == 7
        assert client.predict("net", np.ones(1)).version == 7
        assert client.predict("net", np.ones(1), version=1).output[0] == 1
        service.set_default("net", 1)
        assert client.predict("net", np.ones(1)).version == 1
        with pytest.raises(ValueError, match="answers"):
            service.unload("net", 1)
        for call in (lambda: service.set_default("net", 9), lambda: service.unload("other", 1)):
            with pytest.raises(KeyError):
                call()


def test_unload_waits_for_the_requests_that_hold_the_version():
    gate = Gate()
    with InferenceService({"net": gate}, workers=2) as service, service.client() as client:
        got, thread = in_thread(lambda: client.predict("net", np.zeros(1)))
        assert gate.entered.acquire(timeout=WAIT_S)
        service.load("net", lambda x: x)
        with pytest.raises(TimeoutError, match="in use"):
            service.unload("net", 1, timeout_s=0.05)
        gate.open.set()
        thread.join(WAIT_S)
        assert got[0].ok


def test_not_ready_during_warm_up_then_ready_then_draining():
    gate = Gate()

    def model(x):
        return gate(x) if x.sum() > 0 else x

    model.warm_up = lambda: gate(np.ones(1))
    service = InferenceService({"net": model})
    with pytest.raises(RuntimeError, match="start it"):
        _ = service.url
    started, starter = in_thread(service.start)
    assert gate.entered.acquire(timeout=WAIT_S)  # in its warm-up
    client = service.client()
    assert client.get("/healthz") == (200, "ok\n") and client.get("/readyz") == (503, "starting\n")
    assert client.predict("net", np.zeros(1)).status == 503
    gate.open.set()
    starter.join(WAIT_S)
    assert started == [service] and client.get("/readyz")[0] == 200

    gate.open.clear()
    got, thread = in_thread(lambda: client.predict("net", np.ones(1)))
    gate.entered.acquire(timeout=WAIT_S)  # the second warm-up run
    assert gate.entered.acquire(timeout=WAIT_S)
    assert service.drain(timeout_s=0.05) is False  # one is under way
    assert client.get("/readyz") == (503, "draining\n") and client.get("/healthz")[0] == 200
    assert client.predict("net", np.zeros(1)).status == 503
    gate.open.set()
    thread.join(WAIT_S)
    assert got[0].ok and service.drain() is True  # accepted work was finished
    service.close()
    client.close()


def test_close_joins_every_thread_and_frees_the_port(small):
    before = set(threading.enumerate())
    service = InferenceService({"net": small}, workers=3).start()
    client = service.client()
    assert client.predict("net", np.zeros((1, 8), np.float32)).ok  # leaves an idle keep-alive connection
    port = service._front.server_port
    service.close()
    service.close()
    assert not [t for t in set(threading.enumerate()) - before if t.is_alive()]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 1)
    with pytest.raises((OSError, http.client.HTTPException)):
        client.get("/healthz")
    with pytest.raises(RuntimeError, match="once"):
        service.start()


def test_a_model_that_does_not_load_leaves_no_server():
    before = set(threading.enumerate())
    with pytest.raises(Exception, match=r"(?i)protobuf|model"):
        InferenceService({"net": b"not a model"}).start()
    assert not [t for t in set(threading.enumerate()) - before if t.is_alive()]


def test_metrics_are_prometheus_text():
    with InferenceService({"net": lambda x: x}) as service, service.client() as client:
        for _ in range(3):
            client.predict("net", np.zeros(1))
        client.predict('no"ne', np.zeros(1))
        until(lambda: sum(service.metrics.codes().values()) == 4, "all are counted")
        status, text = client.get("/metrics")
        assert json.loads(client.get("/v1/models")[1]) == {"net": {"versions": [1], "default": 1}}
        assert client.get("/nothing")[0] == 404
        assert len(service.service_times_s()) == 3 and min(service.service_times_s()) >= 0
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
    assert status == 200 and values['inference_requests_total{model="net",version="1",code="200"}'] == 3
    assert values['inference_requests_total{model="",version="",code="404"}'] == 1
    buckets = [v for k, v in values.items() if "_bucket" in k]
    assert buckets == sorted(buckets) and buckets[-1] == 3 == values['inference_request_seconds_count{model="net"}']
    assert values["inference_waiting"] == 0


SERVER = """
import sys, time
from utils.serving.inference_service import InferenceService
with InferenceService({"net": lambda x: x}) as service:
    print(service.url, flush=True)
    while True:
        time.sleep(0.05)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_killed_or_interrupted_leaves_nothing(how):
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, cwd=os.getcwd())
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        socket.create_connection(("127.0.0.1", port), WAIT_S).close()
        process.send_signal(how)
        process.wait(WAIT_S)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 1)
    finally:
        process.kill()
        process.wait(WAIT_S)
        process.stdout.close()


def test_the_compute_model_is_as_large_as_it_says():
    model = stage_compute_model(d=64, layers=3)
    assert 4 * 64 * 64 * 3 <= len(model) < 4 * 64 * 64 * 3 + 2000 and model == stage_compute_model(64, 3)
    y = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(
        None, {"input": np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)})[0]
    assert y.shape == (5, 64) and 0.1 < float(np.square(y).mean()) < 10  # neither dies nor explodes
    with pytest.raises(ValueError, match="layers"):
        stage_compute_model(8, 0)


def test_the_door_imports_nothing_heavy():
    code = "import sys, utils.serving.inference_service; print([m for m in ('torch', 'onnx', 'onnxruntime') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.strip() == "[]"

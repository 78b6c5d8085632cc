"""What the chapter measures: two encodings of one tensor, and the batches that a server makes of many requests."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper

from utils.graphs.onnx_tools import export_torch, make_model
from utils.networks.digits import load_digits_split, trained_digits
from utils.optional import EngineUnavailable
from utils.serving.triton.client import V2Client, get_text
from utils.serving.triton.environment import TritonEnvironment
from utils.serving.triton.metrics import batch_sizes, model_metric
from utils.serving.triton.mini_server import MiniV2Server
from utils.serving.triton.repository import write_python_model
from utils.serving.triton.server_process import TritonProcess
from utils.serving.triton.wire import encode_request

MAX_BATCH = 8
DELAYS_US = (0, 5000)  # the queue delays that are compared
GRPC_S = 60.0


# --- the models ---------------------------------------------------------------------------------


def mean_model() -> bytes:
    """An ONNX model that takes a vector x (n,) and returns its mean y (1,): nearly all of a request is transport."""
    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[0], keepdims=1)
    return make_model([node], {"x": ("N",)}, {"y": (1,)}).SerializeToString()


def digits_model() -> bytes:
    """The small network for handwritten digits, as an ONNX model: pixels (n, 64) to logits (n, 10)."""
    import torch

    model = export_torch(trained_digits("mlp"), torch.zeros(2, 64), dynamic_batch="N")
    return model if isinstance(model, bytes) else model.SerializeToString()


def tensor_names(onnx_bytes: bytes) -> tuple[str, str]:
    """Names of the first input and the first output of an ONNX model."""
    import onnx

    graph = onnx.load_from_string(onnx_bytes).graph
    return graph.input[0].name, graph.output[0].name


def digits_config(delay_us: int, names: tuple[str, str], backend: str = "python") -> str:
    """config.pbtxt of the digits network: up to MAX_BATCH rows, merged within `delay_us`."""
    return (
        f'backend: "{backend}"\nmax_batch_size: {MAX_BATCH}\n'
        f'input [ {{ name: "{names[0]}" data_type: TYPE_FP32 dims: [ 64 ] }} ]\n'
        f'output [ {{ name: "{names[1]}" data_type: TYPE_FP32 dims: [ 10 ] }} ]\n'
        f"instance_group [ {{ count: 1 kind: KIND_CPU }} ]\n"
        f"dynamic_batching {{ max_queue_delay_microseconds: {delay_us} }}\n"
    )


def digits_rows(count: int) -> np.ndarray:
    """Test pictures (count, 64) float32; they repeat when more are asked for than there are."""
    x = load_digits_split()[1].reshape(-1, 64).astype(np.float32)
    return x[np.arange(count) % len(x)]


# --- encodings ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Encoding:
    """One tensor of `count` float32 numbers as a request: bytes of the body, and ms to encode and for the request."""

    count: int
    kind: str  # "JSON" or "binary"
    body_bytes: int
    encode_ms: float
    request_ms: float


def compare_encodings(counts: Sequence[int] = (1_000, 10_000, 100_000, 1_000_000), seed: int = 0) -> list[Encoding]:
    """Each tensor twice through the stand-in server, as JSON and as binary; the faster of two requests counts."""
    found = []
    config = (
        'backend: "onnxruntime"\nmax_batch_size: 0\ninput [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ 1 ] } ]\ninstance_group [ { kind: KIND_CPU } ]\n'
    )
    with MiniV2Server({"mean": (mean_model(), config)}) as server:
        client = server.client()
        for count in counts:
            x = np.random.default_rng(seed).standard_normal(count).astype(np.float32)
            for kind in ("JSON", "binary"):
                begin = time.perf_counter()
                body, _ = encode_request({"x": x}, ["y"], kind == "binary")
                encode_ms = 1e3 * (time.perf_counter() - begin)
                request_ms = min(
                    _timed_ms(lambda x=x, kind=kind: client.infer("mean", {"x": x}, ["y"], kind == "binary"))
                    for _ in range(2)
                )
                found.append(Encoding(count, kind, len(body), encode_ms, request_ms))
    return found


def _timed_ms(call: Any) -> float:
    begin = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begin)


# --- a server for the digits --------------------------------------------------------------------


@dataclass(frozen=True)
class Served:
    """A running server: what it is, whether it is the real one, and how to talk to it."""

    name: str
    real: bool
    client: V2Client
    metrics_url: str
    names: tuple[str, str]  # of the input and the output
    grpc_address: str = ""
    environment: TritonEnvironment | None = None

    def infer(self, model: str, rows: np.ndarray, binary: bool = True) -> np.ndarray:
        """Logits (n, 10) over HTTP."""
        return self.client.infer(model, {self.names[0]: rows}, [self.names[1]], binary)[self.names[1]]

    def infer_grpc(self, model: str, rows: np.ndarray) -> np.ndarray:
        """Logits (n, 10) over gRPC. Raises EngineUnavailable for the stand-in, which speaks HTTP alone."""
        if self.environment is None:
            raise EngineUnavailable("gRPC is not available: the stand-in speaks HTTP alone")
        return grpc_infer(self.environment, self.grpc_address, model, {self.names[0]: rows}, [self.names[1]])[
            self.names[1]
        ]

    def metric(self, name: str, model: str) -> float:
        """One metric of a model, from the server's metrics port."""
        return model_metric(get_text(self.metrics_url), name, model)


def model_name(delay_us: int) -> str:
    """The name under which the digits network with this queue delay is served."""
    return f"digits_{delay_us}"


@contextmanager
def serve_digits(
    python_env: str | os.PathLike, onnx_bytes: bytes | None = None, *, delays_us: Sequence[int] = DELAYS_US
) -> Iterator[Served]:
    """The digits network behind one model for each queue delay: in the real server, or in the stand-in without it.

    Nothing is left when the block ends, or when this process does.
    """
    onnx_bytes = digits_model() if onnx_bytes is None else onnx_bytes
    names = tensor_names(onnx_bytes)
    try:
        env = TritonEnvironment.at(python_env)
    except EngineUnavailable:
        models = {model_name(d): (onnx_bytes, digits_config(d, names, "onnxruntime")) for d in delays_us}
        with MiniV2Server(models) as mini:
            yield Served("the course's stand-in", False, mini.client(), mini.metrics_url, names)
        return
    repository = Path(tempfile.mkdtemp(prefix="triton-models-"))
    for delay in delays_us:
        write_python_model(repository, model_name(delay), onnx_bytes, digits_config(delay, names))
    with TritonProcess(repository, python_env, temporary=True) as server:
        told = server.client().metadata()
        yield Served(
            f"Triton Inference Server {told['version']}",
            True,
            server.client(),
            server.metrics_url,
            names,
            server.grpc_address,
            env,
        )


def grpc_infer(
    env: TritonEnvironment, address: str, model: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
) -> dict[str, np.ndarray]:
    """Output tensors of one request over gRPC, sent by tritonclient in the real server's environment.

    Raises RuntimeError with tritonclient's last line where the request fails.
    """
    packed = io.BytesIO()
    np.savez(packed, **inputs)
    order = json.dumps({"address": address, "model": model, "outputs": list(outputs)})
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "http", "HTTP", "grpc"))}
    done = subprocess.run(
        [env.python, "-I", Path(__file__).with_name("grpc_call.py"), order],
        input=packed.getvalue(),
        capture_output=True,
        timeout=GRPC_S,
        env=clean,
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"the gRPC request must succeed, got: {told[-1] if told else 'no answer'}")
    with np.load(io.BytesIO(done.stdout)) as arrays:
        return {name: arrays[name] for name in arrays.files}


# --- batches ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BatchingRun:
    """One run of clients that each send single rows, one after the other: what the server made of them."""

    server: str
    clients: int
    delay_us: int
    sizes: dict[int, int]  # {batch size: executions}
    inferences: int  # as the server's metrics count them
    executions: int
    requests_per_s: float


def run_clients(served: Served, delay_us: int, clients: int, requests: int) -> BatchingRun:
    """`clients` threads send `requests` single rows in all to one model; the counts are the server's own.

    Raises the first error of a client.
    """
    model, rows = model_name(delay_us), digits_rows(requests)
    before = _counts(served, model)

    def one_after_another(part: Iterable[int]) -> None:
        for i in part:
            served.infer(model, rows[i : i + 1])

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one_after_another, (range(start, requests, clients) for start in range(clients))))
    wall_s = time.perf_counter() - begin
    after = _counts(served, model)
    sizes = {n: k - before[0].get(n, 0) for n, k in after[0].items() if k > before[0].get(n, 0)}
    return BatchingRun(
        served.name, clients, delay_us, sizes, int(after[1] - before[1]), int(after[2] - before[2]), requests / wall_s
    )


def _counts(served: Served, model: str) -> tuple[dict[int, int], float, float]:
    """Executions by batch size from the statistics, inferences and executions from the metrics."""
    return (
        batch_sizes(served.client.stats(model)),
        served.metric("nv_inference_count", model),
        served.metric("nv_inference_exec_count", model),
    )


def compare_batching(served: Served, requests: int = 160) -> list[BatchingRun]:
    """One and eight clients against each queue delay."""
    return [
        run_clients(served, delay, clients, requests if clients > 1 else requests // 4)
        for clients in (1, 8)
        for delay in DELAYS_US
    ]

"""A small server of the v2 protocol on ONNX Runtime: it stands in where the real Triton server can't run.

It speaks HTTP on loopback, with JSON and binary tensors, merges requests by `LiveBatcher` where the configuration says
`dynamic_batching`, and counts like Triton. It is no Triton: no gRPC, no ensembles, no GPU, one version a model.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np

from utils.graphs.onnx_tools import make_session
from utils.serving.batching.live import LiveBatcher
from utils.serving.triton.client import V2Client, V2Error
from utils.serving.triton.config import ModelConfig, config_request_error, validate
from utils.serving.triton.wire import HEADER, datatype_of, decode_request, encode_response

MOST_BYTES = 256 * 2**20  # of a request's body


class MiniModel:
    """One model: an ONNX Runtime session behind its configuration.

    Raises ValueError for a configuration that Triton would refuse on a machine without a GPU.
    """

    def __init__(self, name: str, onnx_bytes: bytes, config: str) -> None:
        self.name, self.config = name, ModelConfig.from_text(config)
        wrong = validate(self.config, visible_gpus=0, directory=name)
        if wrong:
            raise ValueError(f"config must be one that the server loads, got: {wrong[0]}")
        self.session = make_session(onnx_bytes, optimize=True)
        self.outputs = [spec.name for spec in self.config.output]
        self.direct: Counter[int] = Counter()  # batch size: executions that no batcher made
        self.requests = 0
        self._lock = threading.Lock()
        self._batcher = self._make_batcher()

    def _make_batcher(self) -> LiveBatcher | None:
        """A batcher where the configuration has one; it merges requests of models with one input and one output."""
        cfg = self.config
        if not (cfg.dynamic_batching and cfg.max_batch_size and len(cfg.input) == len(cfg.output) == 1):
            return None
        (x,), (y,) = cfg.input, cfg.output
        delay_ms = cfg.dynamic_batching.max_queue_delay_us / 1e3
        return LiveBatcher(lambda rows: self.session.run([y.name], {x.name: rows})[0], cfg.max_batch_size, delay_ms)

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name. Raises V2Error 400 for inputs that do not fit the configuration."""
        shapes = {name: x.shape for name, x in inputs.items()}
        wrong = config_request_error(self.config, shapes) or self._wrong_type(inputs)
        if wrong:
            raise V2Error(400, wrong)
        with self._lock:
            self.requests += 1
        if self._batcher is not None:
            (x,) = inputs.values()
            answers = [self._batcher.submit(row) for row in x]
            return {self.outputs[0]: np.stack([answer.result() for answer in answers])}
        results = self.session.run(self.outputs, dict(inputs))
        with self._lock:
            self.direct[len(next(iter(inputs.values()))) if self.config.max_batch_size else 1] += 1
        return dict(zip(self.outputs, results))

    def _wrong_type(self, inputs: Mapping[str, np.ndarray]) -> str:
        for spec in self.config.input:
            got = datatype_of(inputs[spec.name])
            if f"TYPE_{got}".replace("BYTES", "STRING") != spec.data_type:
                return f"inference input '{spec.name}' data-type is '{got}', expected '{spec.data_type[5:]}'"
        return ""

    def sizes(self) -> dict[int, int]:
        """{batch size: executions}, sorted."""
        with self._lock:
            made = Counter(self.direct)
        if self._batcher is not None:
            made.update(batch.size for batch in list(self._batcher.batches))
        return dict(sorted(made.items()))

    def stats(self) -> dict[str, Any]:
        """The part of Triton's statistics that this course reads."""
        sizes = self.sizes()
        return {
            "name": self.name,
            "version": "1",
            "inference_count": sum(n * k for n, k in sizes.items()),
            "execution_count": sum(sizes.values()),
            "batch_stats": [{"batch_size": n, "compute_infer": {"count": k}} for n, k in sizes.items()],
        }

    def metadata(self) -> dict[str, Any]:
        """Name, versions, inputs and outputs, as `/v2/models/{name}` tells them."""
        axis = [-1] if self.config.max_batch_size else []
        tensors = {
            part: [
                {
                    "name": s.name,
                    "datatype": s.data_type.removeprefix("TYPE_").replace("STRING", "BYTES"),
                    "shape": axis + list(s.dims),
                }
                for s in getattr(self.config, part)
            ]
            for part in ("input", "output")
        }
        return {
            "name": self.name,
            "versions": ["1"],
            "platform": self.config.platform or self.config.backend,
            "inputs": tensors["input"],
            "outputs": tensors["output"],
        }

    def close(self) -> None:
        if self._batcher is not None:
            self._batcher.close(cancel=True)


class MiniV2Server:
    """Serves {name: (ONNX model as bytes, text of config.pbtxt)} on loopback and a free port, in a `with` block.

    After the start `url` is its address; `client()` talks to it, and `metrics_url` has Triton's two counters of
    inferences and executions. Everything runs in threads of this process, so it ends with it.
    """

    def __init__(self, models: Mapping[str, tuple[bytes, str]]) -> None:
        self.models = {name: MiniModel(name, *parts) for name, parts in models.items()}
        self._http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def metrics_url(self) -> str:
        return f"{self.url}/metrics"

    def client(self) -> V2Client:
        return V2Client(self.url)

    def start(self) -> Self:
        """Bind a free port and serve from a thread."""
        handler = type("Handler", (_Handler,), {"models": self.models})
        self._http = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), name="v2 server", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port and end the batchers; a second call does nothing."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
        for model in self.models.values():
            model.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # many clients may come at once; a refused one would try again a second later


class _Handler(BaseHTTPRequestHandler):
    models: Mapping[str, MiniModel] = {}
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # small answers leave at once
    wbufsize = 2**16  # headers and body in one piece

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def log_message(self, *_: Any) -> None:
        """Nothing: a notebook is no place for an access log."""

    def _answered(self, act: Any) -> None:
        try:
            status, body, headers = act()
        except V2Error as error:
            status, body, headers = error.status, _json({"error": error.message}), {}
        except Exception as error:
            status, body, headers = 500, _json({"error": f"{type(error).__name__}: {error}"}), {}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _get(self) -> tuple[int, bytes, dict[str, str]]:
        parts = self.path.strip("/").split("/")
        if parts in (["v2", "health", "ready"], ["v2", "health", "live"]):
            return 200, b"", {}
        if parts == ["v2"]:
            return (
                200,
                _json(
                    {
                        "name": "stand-in of the course",
                        "version": "1",
                        "extensions": ["binary_tensor_data", "statistics"],
                    }
                ),
                {},
            )
        if parts == ["metrics"]:
            return 200, self._metrics().encode(), {"Content-Type": "text/plain"}
        model = self._model(parts)
        if parts[3:] == ["stats"]:
            return 200, _json({"model_stats": [model.stats()]}), {}
        if parts[3:] in ([], ["ready"]):
            return 200, _json(model.metadata()) if not parts[3:] else b"", {}
        raise V2Error(404, f"there is nothing at {self.path}")

    def _post(self) -> tuple[int, bytes, dict[str, str]]:
        body = self._body()
        parts = self.path.strip("/").split("/")
        if parts == ["v2", "repository", "index"]:
            return 200, _json([{"name": name, "version": "1", "state": "READY"} for name in self.models]), {}
        model = self._model(parts)
        if parts[3:] != ["infer"]:
            raise V2Error(404, f"there is nothing at {self.path}")
        length = self.headers.get(HEADER)
        try:
            inputs, wanted = decode_request(body, None if length is None else int(length))
        except ValueError as error:
            raise V2Error(400, str(error)) from error
        results = model.infer(inputs)
        unknown = [one["name"] for one in wanted if one.get("name") not in results]
        if unknown:
            raise V2Error(400, f"unexpected inference output '{unknown[0]}' for model '{model.name}'")
        chosen = {one["name"]: results[one["name"]] for one in wanted} or results
        binary = any(one.get("parameters", {}).get("binary_data") for one in wanted)
        answer, header = encode_response(model.name, chosen, binary)
        return 200, answer, {} if header is None else {HEADER: str(header)}

    def _body(self) -> bytes:
        size = int(self.headers.get("Content-Length") or 0)
        if size > MOST_BYTES:
            self.close_connection = True
            raise V2Error(413, f"the body may have {MOST_BYTES:,} bytes, got {size:,}")
        return self.rfile.read(size)

    def _model(self, parts: list[str]) -> MiniModel:
        if parts[:2] != ["v2", "models"] or len(parts) < 3:
            raise V2Error(404, f"there is nothing at {self.path}")
        if parts[2] not in self.models:
            raise V2Error(400, f"Request for unknown model: '{parts[2]}' is not found")
        return self.models[parts[2]]

    def _metrics(self) -> str:
        lines = []
        for name, model in self.models.items():
            stats = model.stats()
            lines += [
                f'nv_inference_request_success{{model="{name}",version="1"}} {model.requests}',
                f'nv_inference_count{{model="{name}",version="1"}} {stats["inference_count"]}',
                f'nv_inference_exec_count{{model="{name}",version="1"}} {stats["execution_count"]}',
            ]
        return "\n".join(lines) + "\n"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()

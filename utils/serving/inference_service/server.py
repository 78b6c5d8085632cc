"""The service: models by version, a bounded queue, deadlines, health, metrics, a graceful end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from utils.serving.inference_service.client import ServiceClient
from utils.serving.inference_service.executor import DeadlineMissed, Executor, QueueFull
from utils.serving.inference_service.front import Front
from utils.serving.inference_service.metrics import Metrics
from utils.serving.inference_service.models import BadInput, Function, ModelStore, ModelVersion, make_version
from utils.serving.inference_service.wire import JSON, read_feeds, write_outputs

if TYPE_CHECKING:
    from onnx import ModelProto

TEXT = "text/plain; version=0.0.4"
Body = tuple[int, bytes, str, dict[str, str]]


class InferenceService:
    """An HTTP server on a free port of 127.0.0.1 that runs ONNX models, one thread each, on `workers` workers.

    `models` maps a name to an ONNX model (bytes, path, ModelProto) or to a function array -> array. `queue_limit` is
    how many requests may wait (None: no limit); one more gets 429 at once. A request with the header X-Deadline-Ms gets
    504 when its answer can't be finished within so many ms of its arrival; no worker then begins it.

    POST /v1/models/NAME:predict           the default version: the one loaded last
    POST /v1/models/NAME/versions/N:predict
    GET  /v1/models, /healthz (alive), /readyz (503 during warm-up and drain), /metrics (Prometheus)

    Use it in a `with` block, or call `start` and `close`. All threads are daemons of this process: when it is killed,
    nothing stays. It has no encryption and no log-in, and listens to this machine alone.
    """

    def __init__(self, models: Mapping[str, ModelProto | bytes | str | Path | Function], *, workers: int = 1,
                 queue_limit: int | None = None) -> None:
        self._to_load, self._store, self.metrics = dict(models), ModelStore(), Metrics()
        self._executor = Executor(workers, queue_limit)
        self._front: Front | None = None
        self._state = "starting"  # then "ready", "draining", "closed"
        self._under_way, self._changed = 0, threading.Condition()

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen, then load and warm up the models; `/readyz` says 503 until that is done."""
        if self._state != "starting" or self._front is not None:
            raise RuntimeError("a service can be started once: make a new one")
        self._front = Front(self)
        try:
            for name, model in self._to_load.items():
                self.load(name, model)
        except BaseException:
            self.close()
            raise
        with self._changed:
            if self._state == "starting":
                self._state = "ready"
        return self

    def drain(self, timeout_s: float = 10.0) -> bool:
        """Accept no more predictions (503) and wait for those under way; True if all of them were answered."""
        with self._changed:
            if self._state != "closed":
                self._state = "draining"
            return self._changed.wait_for(lambda: self._under_way == 0, timeout_s)

    def close(self) -> None:
        """Drain, stop listening and join all threads. A second call does nothing."""
        if self._state == "closed":
            return
        self.drain()
        self._executor.close()
        if self._front is not None:
            self._front.stop()
        self._state = "closed"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    # --- models -------------------------------------------------------------------------------

    def load(self, name: str, model: ModelProto | bytes | str | Path | Function, version: int | None = None) -> int:
        """Load a version (None: the next number), warm it up, then let it answer as the default; returns its number.

        Requests go on being answered by the old version while the new one loads: nothing is interrupted.
        """
        made = make_version(name, self._store.next_version(name) if version is None else version, model)
        if made.warm_up is not None:
            made.warm_up()  # the first run allocates memory and is slow
            begin = time.perf_counter()
            made.warm_up()
            made.learn(time.perf_counter() - begin)
        self._store.add(made)
        return made.version

    def set_default(self, name: str, version: int) -> None:
        """Roll back, or forward, to a version that is loaded. KeyError for another."""
        self._store.set_default(name, version)

    def unload(self, name: str, version: int, timeout_s: float = 10.0) -> None:
        """Remove a version that is not the default, once the requests that hold it are answered."""
        self._store.remove(name, version, timeout_s)

    def listing(self) -> dict[str, dict]:
        """{name: {"versions": [...], "default": n}}."""
        return self._store.listing()

    # --- for callers in this process ----------------------------------------------------------

    @property
    def url(self) -> str:
        """The address, such as http://127.0.0.1:40123. RuntimeError before `start`."""
        if self._front is None:
            raise RuntimeError("the service has no address yet: start it")
        return f"http://127.0.0.1:{self._front.server_port}"

    @property
    def ready(self) -> bool:
        return self._state == "ready"

    def client(self) -> ServiceClient:
        """A client with keep-alive connections; close it, or use it in a `with` block."""
        return ServiceClient(self.url)

    def service_times_s(self) -> list[float]:
        """Times in s that workers spent on single runs, most recent last."""
        return self.metrics.service_times_s()

    # --- for the HTTP front -------------------------------------------------------------------

    def page(self, path: str) -> tuple[int, str, str]:
        """Status, text and type of a GET."""
        if path == "/healthz":
            return 200, "ok\n", TEXT
        if path == "/readyz":
            return (200, "ready\n", TEXT) if self.ready else (503, f"{self._state}\n", TEXT)
        if path == "/metrics":
            return 200, self.metrics.text(self._executor.waiting), TEXT
        if path == "/v1/models":
            return 200, json.dumps(self.listing()), JSON
        return 404, json.dumps({"error": f"no page {path}"}), JSON

    def answer(self, model: str, version: int | None, body: bytes, content_type: str,
               deadline_ms: float | None) -> Body:
        """Status, body, type and headers of a prediction."""
        begin = time.perf_counter()
        with self._changed:
            if self._state != "ready":
                return _error(503, f"the service is {self._state}")
            self._under_way += 1
        label = ""
        try:
            with self._store.hold(model, version) as held:
                label = str(held.version)
                reply = self._predict(held, body, content_type, deadline_ms)
        except KeyError as error:
            model, reply = "", _error(404, error.args[0])  # a stranger's name makes no label
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()
        self.metrics.answered(model, label, reply[0], time.perf_counter() - begin)
        return reply

    def _predict(self, held: ModelVersion, body: bytes, content_type: str, deadline_ms: float | None) -> Body:
        try:
            feeds = read_feeds(body, content_type, held.inputs)
            deadline_s = None if deadline_ms is None else deadline_ms / 1e3
            outputs = self._executor.submit(lambda: self._run(held, feeds), lambda: held.service_s, deadline_s)
        except BadInput as error:
            return _error(400, str(error))
        except QueueFull as error:
            return _error(429, str(error), {"Retry-After": "1"})
        except DeadlineMissed as error:
            return _error(504, str(error))
        except Exception as error:
            return _error(500, f"{type(error).__name__}: {error}")
        headers = {"X-Model-Version": str(held.version)}
        return 200, write_outputs(outputs, content_type, held.name, held.version), content_type, headers

    def _run(self, held: ModelVersion, feeds: dict) -> dict:
        begin = time.perf_counter()
        outputs = held.run(feeds)
        seconds = time.perf_counter() - begin
        held.learn(seconds)
        self.metrics.served(seconds)
        return outputs


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Body:
    return status, json.dumps({"error": text}).encode(), JSON, headers or {}

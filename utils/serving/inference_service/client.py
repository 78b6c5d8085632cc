"""A client of the service that keeps its connection, one for each thread."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

import numpy as np

from utils.serving.inference_service.wire import DEADLINE_HEADER, TENSOR, array_to_bytes, bytes_to_array

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back: HTTP status, and the output with the version that made it (200), or the error's sentence."""

    status: int
    output: np.ndarray | None = None
    version: int | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 200


class ServiceClient:
    """Asks an InferenceService at `url`. May be used from many threads; close it at the end, or use a `with` block.

    Raises OSError or http.client.HTTPException where no HTTP answer comes; an answer with an error code is returned.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self._host, self._port, self.timeout_s = parts.hostname, parts.port, timeout_s
        self._mine = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def predict(self, model: str, x: np.ndarray, *, version: int | None = None,
                deadline_ms: float | None = None) -> Answer:
        """Send one array, get the model's first output. `deadline_ms` counts from when the server reads the request."""
        headers = {"Content-Type": TENSOR}
        if deadline_ms is not None:
            headers[DEADLINE_HEADER] = f"{deadline_ms:g}"
        middle = "" if version is None else f"/versions/{version}"
        path = f"/v1/models/{quote(model, safe='')}{middle}:predict"
        status, body, got = self.ask("POST", path, array_to_bytes(x), headers)
        if status != 200:
            return Answer(status, error=_sentence(body))
        return Answer(status, bytes_to_array(body), int(got["X-Model-Version"]))

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page such as /readyz or /metrics."""
        status, body, _ = self.ask("GET", path, None, {})
        return status, body.decode()

    def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes, dict]:
        """One request on this thread's connection: status, body and headers of the answer."""
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        except BaseException:
            connection.close()  # it is half-way through an exchange: the next request opens a new one
            raise

    def _connection(self) -> http.client.HTTPConnection:
        found = getattr(self._mine, "connection", None)
        if found is None:
            found = self._mine.connection = _NoDelayConnection(self._host, self._port, timeout=self.timeout_s)
            self._all.append(found)
        return found

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._all:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


class _NoDelayConnection(http.client.HTTPConnection):
    """Sends small packets at once: Nagle's algorithm and delayed acknowledgements together cost up to 40 ms."""

    def connect(self) -> None:
        super().connect()
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _sentence(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")

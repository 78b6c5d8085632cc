"""A client of the v2 protocol over HTTP, by the standard library alone."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.serving.triton.wire import HEADER, decode_response, encode_request

TIMEOUT_S = 60.0


class V2Error(RuntimeError):
    """The server refused a request: `status` is HTTP's, the message is the server's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status, self.message = status, message


class V2Client:
    """Talks to a server at `url` ("http://127.0.0.1:8000"). Each call is a connection of its own.

    Calls raise V2Error for what the server refuses and OSError where there is no server.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ready(self) -> bool:
        """Whether the server says that it is ready; False also where no server answers."""
        try:
            self._ask("/v2/health/ready")
        except (OSError, V2Error):
            return False
        return True

    def metadata(self, model: str | None = None) -> dict[str, Any]:
        """What the server says of itself, or of a model: its versions, inputs and outputs."""
        return json.loads(self._ask(f"/v2/models/{model}" if model else "/v2")[0])

    def stats(self, model: str) -> dict[str, Any]:
        """The statistics of a model: inference_count, execution_count, batch_stats and more."""
        return json.loads(self._ask(f"/v2/models/{model}/stats")[0])["model_stats"][0]

    def index(self) -> list[dict[str, str]]:
        """All models of the repository with their state and, where one did not load, the reason."""
        return json.loads(self._ask("/v2/repository/index", b"")[0])

    def infer(
        self, model: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str], binary: bool = True
    ) -> dict[str, np.ndarray]:
        """The output tensors of one request. With `binary` tensors travel as raw bytes, otherwise as JSON."""
        body, length = encode_request(inputs, outputs, binary)
        answer, headers = self._ask(f"/v2/models/{model}/infer", body, {} if length is None else {HEADER: str(length)})
        told = headers.get(HEADER)
        return decode_response(answer, int(told) if told else None)

    def _ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[bytes, Any]:
        sent = {"Content-Type": "application/octet-stream", **(headers or {})} if body is not None else {}
        request = urllib.request.Request(self.url + path, body, sent)
        try:
            with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                raise V2Error(error.code, _message(error.read())) from None


# loopback is never behind a proxy, whatever the environment says
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500]


def get_text(url: str) -> str:
    """The text at a URL on loopback (the metrics of a server)."""
    with _OPENER.open(url, timeout=TIMEOUT_S) as answer:
        return answer.read().decode()

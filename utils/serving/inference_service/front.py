"""The HTTP side: paths, codes and keep-alive connections. What a prediction means is the service's business."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from utils.serving.inference_service.wire import DEADLINE_HEADER, JSON, TENSOR

MAX_BODY_BYTES = 16 * 2**20
IDLE_S = 60.0  # a connection without a request for so long is closed
PREDICT = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict")
JOIN_S = 5.0


class Service(Protocol):
    """What the front asks of the service behind it."""

    def page(self, path: str) -> tuple[int, str, str]: ...

    def answer(self, model: str, version: int | None, body: bytes, content_type: str,
               deadline_ms: float | None) -> tuple[int, bytes, str, dict[str, str]]: ...


class Front(ThreadingHTTPServer):
    """A thread a connection, on a free port of loopback. `stop` closes idle connections too and joins the threads."""

    daemon_threads = True  # a kernel that ends does not wait for its clients
    request_queue_size = 128
    service: Service

    def __init__(self, service: Service) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.service = service
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.02,), name="http", daemon=True)
        self._accepting.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._one_connection, args=(request, client_address), name="http", daemon=True)
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def _one_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is its own business."""

    def stop(self) -> None:
        """Stop accepting, close every connection, join the threads."""
        self.shutdown()
        self._accepting.join(JOIN_S)
        self.server_close()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # the answer under way is still written
        for thread in open_now:
            thread.join(JOIN_S)


class Handler(BaseHTTPRequestHandler):
    """One connection; several requests one after another."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # TCP_NODELAY
    wbufsize = 2**16  # headers and body leave in one packet
    timeout = IDLE_S
    server: Front

    def do_GET(self) -> None:
        status, text, content_type = self.server.service.page(urlsplit(self.path).path)
        self._send(status, text.encode(), content_type, {})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            return self._refuse(411, "Content-Length is missing")
        if int(length) > MAX_BODY_BYTES:
            return self._refuse(413, f"the body must not exceed {MAX_BODY_BYTES} bytes")
        body = self.rfile.read(int(length))
        path = PREDICT.fullmatch(urlsplit(self.path).path)
        if path is None:
            return self._error(404, "POST goes to /v1/models/NAME:predict or /v1/models/NAME/versions/N:predict")
        try:
            deadline_ms = self._deadline_ms()
        except ValueError:
            return self._error(400, f"{DEADLINE_HEADER} must be a number of ms")
        kind = TENSOR if self.headers.get_content_type() == TENSOR else JSON
        version = None if path[2] is None else int(path[2])
        self._send(*self.server.service.answer(unquote(path[1]), version, body, kind, deadline_ms))
        return None

    def _deadline_ms(self) -> float | None:
        told = self.headers.get(DEADLINE_HEADER)
        if told is None:
            return None
        if not 0 <= (value := float(told)) < float("inf"):  # also refuses nan
            raise ValueError(told)
        return value

    def _refuse(self, status: int, text: str) -> None:
        """An error before the body was read: what follows on this connection can't be told apart, so close it."""
        self.close_connection = True
        self._error(status, text)

    def _error(self, status: int, text: str) -> None:
        self._send(status, json.dumps({"error": text}).encode(), JSON, {})

    def _send(self, status: int, body: bytes, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": content_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a notebook is no log."""

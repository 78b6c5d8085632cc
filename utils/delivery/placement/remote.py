"""Split inference for real: the head runs here, the tail behind an HTTP server, an emulated link between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from onnx import ModelProto

from utils.delivery.placement.halves import cut_points, dequantize_activation, quantize_activation, split_onnx
from utils.delivery.placement.link import EmulatedLink
from utils.graphs.onnx_tools import make_session
from utils.serving.inference_service import InferenceService

HEADER_BYTES = 8  # scale and lowest value as float32, before the bytes of a quantised tensor


@dataclass(frozen=True)
class SplitRun:
    """One inference over a cut: its result, the payload that crossed the link, and the times (ms) of its parts.

    `network_ms` is the emulated link; `cloud_ms` holds the tail and the real HTTP exchange.
    """

    output: np.ndarray
    payload_bytes: int
    edge_ms: float
    network_ms: float
    cloud_ms: float

    @property
    def total_ms(self) -> float:
        """The time of the whole inference."""
        return self.edge_ms + self.network_ms + self.cloud_ms


def pack(x: np.ndarray, quantize: bool) -> bytes:
    """The payload of an activation: its float32 bytes, or scale, lowest value and one byte an element."""
    if not quantize:
        return np.ascontiguousarray(x, np.float32).tobytes()
    q, scale, low = quantize_activation(x)
    return np.array([scale, low], np.float32).tobytes() + q.tobytes()


def unpack(payload: bytes, shape: Sequence[int], quantize: bool) -> np.ndarray:
    """The float32 activation of a payload."""
    if not quantize:
        return np.frombuffer(payload, np.float32).reshape(shape)
    scale, low = np.frombuffer(payload[:HEADER_BYTES], np.float32)
    q = np.frombuffer(payload[HEADER_BYTES:], np.uint8).reshape(shape)
    return dequantize_activation(q, float(scale), float(low))


class SplitService:
    """A model that can be run over each of its cuts: `run(x, k)` keeps the first k pieces in this process.

    model: ONNX with one input and one output, static shapes. link: what the payload has to pass. device_ms: an emulated
    slow device, the time (ms) of each piece: the head waits until so much is over; None leaves it at this machine's
    speed. Everything from piece k on runs in an `InferenceService` on a free port of 127.0.0.1, whose threads are
    daemons of this process: use a `with` block, and nothing stays even when the process is killed.
    """

    def __init__(self, model: ModelProto, link: EmulatedLink, *, quantize: bool = False,
                 device_ms: Sequence[float] | None = None, sleep: Callable[[float], object] = time.sleep) -> None:
        points = cut_points(model)
        self.pieces, self.link, self.quantize = len(points) - 1, link, quantize
        if device_ms is not None and len(device_ms) != self.pieces:
            raise ValueError(f"device_ms must have {self.pieces} values, got {len(device_ms)}")
        self._device_ms, self._sleep = device_ms, sleep
        halves = [split_onnx(model, point.tensor) for point in points[1:-1]]
        self._heads = [None, *(_runner(head) for head, _ in halves), _runner(model)]
        tails = [model, *(tail for _, tail in halves)]
        self._service = InferenceService({f"from-{k}": self._tail(tail) for k, tail in enumerate(tails)})
        self._client = None

    def _tail(self, model: ModelProto) -> Callable[[np.ndarray], np.ndarray]:
        shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        run = _runner(model)
        return lambda payload: run(unpack(payload.tobytes(), shape, self.quantize))

    @property
    def url(self) -> str:
        """The address of the tail's server."""
        return self._service.url

    def __enter__(self) -> Self:
        self._service.start()
        self._client = self._service.client()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            self._client.close()
        finally:
            self._service.close()

    def run(self, x: np.ndarray, k: int) -> SplitRun:
        """One inference with the first k pieces here. ValueError for k outside 0...pieces."""
        if not 0 <= k <= self.pieces:
            raise ValueError(f"k must be from 0 to {self.pieces}, got {k}")
        begin = time.perf_counter()
        here = x if k == 0 else self._heads[k](x)
        if self._device_ms is not None:
            self._sleep(max(0.0, sum(self._device_ms[:k]) / 1e3 - (time.perf_counter() - begin)))
        computed = time.perf_counter()
        if k == self.pieces:
            return SplitRun(here, 0, (computed - begin) * 1e3, 0.0, 0.0)
        payload = self.link.send(pack(here, self.quantize))
        arrived = time.perf_counter()
        answer = self._client.predict(f"from-{k}", np.frombuffer(payload, np.uint8))
        if not answer.ok:
            raise RuntimeError(f"the tail answered {answer.status}: {answer.error}")
        done = time.perf_counter()
        return SplitRun(answer.output, len(payload), (computed - begin) * 1e3, (arrived - computed) * 1e3,
                        (done - arrived) * 1e3)


def _runner(model: ModelProto) -> Callable[[np.ndarray], np.ndarray]:
    session = make_session(model)
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


@dataclass(frozen=True)
class CutRun:
    """What a sweep over the cuts found at one k: the median total (ms), the payload, and the largest difference."""

    k: int
    total_ms: float
    payload_bytes: int
    max_abs: float
    same_labels: bool


def sweep_cuts(service: SplitService, x: np.ndarray, expected: np.ndarray, rounds: int = 3) -> list[CutRun]:
    """Run every cut `rounds` times and compare with the outputs of the whole model. ValueError for no round."""
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    found = []
    for k in range(service.pieces + 1):
        runs = [service.run(x, k) for _ in range(rounds)]
        output = runs[-1].output
        found.append(CutRun(k, float(np.median([run.total_ms for run in runs])), runs[-1].payload_bytes,
                            float(np.abs(output - expected).max()),
                            bool((output.argmax(-1) == expected.argmax(-1)).all())))
    return found

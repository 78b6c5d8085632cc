"""ortexec: trtexec's benchmark loop and report on ONNX Runtime's CPU provider.

    python -m utils.engines.ortexec --onnx=model.onnx --shapes=x:1x3x64x64 --infStreams=2

One thread and one session a stream. The phases of a query have trtexec's names: H2D copies the
inputs into the stream's own buffers, Enqueue binds inputs and outputs to the call, compute is the
call itself, D2H copies the outputs out. On a CPU the call does not return early, so enqueueing
does not overlap with compute, and nothing is double-buffered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.engines.trtexec.log import format_averages, format_report
from utils.engines.trtexec.report import (
    PerformanceSummary,
    summarize,
    trace_json,
    trace_record,
    trtexec_percentile_index,
)
from utils.graphs.onnx_tools import make_session, write_atomically

if TYPE_CHECKING:
    import onnxruntime
    from onnx import ModelProto

Shape = tuple[int, ...]

# range of the random values by kind of dtype, as trtexec fills its inputs
_RANDOM = {"f": (-1.0, 1.0), "i": (-128, 127), "u": (0, 255), "b": (0, 1)}


@dataclass(frozen=True)
class Run:
    """One benchmark: its summary, the whole trace with the warm-up queries, and what was run."""

    summary: PerformanceSummary
    trace: list[dict[str, float]]
    streams: int
    warm_up_ms: float
    avg_runs: int
    shapes: dict[str, Shape]

    def report(self) -> str:
        """trtexec's whole report: the averages of every `avg_runs` queries, then the summary."""
        return f"{format_averages(self.trace, self.warm_up_ms, self.avg_runs)}\n\n{format_report(self.summary)}"


def ortexec(
    model: bytes | str | Path | ModelProto,
    shapes: Mapping[str, Sequence[int]] | None = None,
    iterations: int = 10,
    duration_s: float = 3.0,
    warm_up_ms: float = 200.0,
    streams: int = 1,
    avg_runs: int = 10,
    percentile: Sequence[float] = (90.0, 95.0, 99.0),
    export_times: str | Path | None = None,
    threads_per_stream: int = 1,
    *,
    inputs: Mapping[str, np.ndarray] | None = None,
) -> Run:
    """Benchmark a model (bytes, path or ModelProto) as trtexec would, with random or given inputs.

    Every stream goes on until it has made `iterations` queries after the warm-up and `duration_s`
    seconds after it have passed. `shapes` gives the inputs' shapes; a symbolic dimension that it leaves
    out is 1, as in trtexec. `avg_runs` is the group size of the report. `export_times` writes the trace
    without the warm-up as JSON, whole or not at all.
    Raises ValueError for settings out of range, and for shapes or inputs that the model does not have
    or does not accept; onnxruntime's own errors pass through.
    """
    _require_settings(iterations, duration_s, warm_up_ms, streams, avg_runs)
    if export_times is not None and not Path(export_times).resolve().parent.is_dir():
        raise ValueError(f"export_times must lie in an existing folder, got {export_times}")
    for p in percentile:
        trtexec_percentile_index(p, 1)  # refuses a bad percentile before the time is spent
    sessions = [make_session(model, threads=threads_per_stream, optimize=True) for _ in range(streams)]
    feeds = make_feeds(sessions[0], shapes or {}, inputs or {})
    lanes = [_Stream(session, feeds) for session in sessions]
    trace = _run_streams(lanes, iterations, duration_s * 1e3 + warm_up_ms, warm_up_ms)
    summary = summarize(trace, warm_up_ms, percentile, streams)
    if export_times is not None:
        write_atomically(export_times, trace_json(trace, warm_up_ms).encode())
    return Run(summary, trace, streams, warm_up_ms, avg_runs, {name: x.shape for name, x in feeds.items()})


def _require_settings(iterations: int, duration_s: float, warm_up_ms: float, streams: int, avg_runs: int) -> None:
    for name, value in (("iterations", iterations), ("streams", streams), ("avg_runs", avg_runs)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for name, number in (("duration_s", duration_s), ("warm_up_ms", warm_up_ms)):
        if not 0 <= number < float("inf"):
            raise ValueError(f"{name} must be at least 0 and finite, got {number}")


# -- inputs ---------------------------------------------------------------------------------------


def make_feeds(
    session: onnxruntime.InferenceSession,
    shapes: Mapping[str, Sequence[int]],
    inputs: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """An array for every input of a session: the given one, or random values in trtexec's ranges.

    Floats lie in [-1, 1], signed integers in [-128, 127], unsigned in [0, 255]. Raises ValueError for
    names that the model does not have, for shapes that it does not accept, and for another dtype.
    """
    rng = np.random.default_rng(seed)
    given = dict(inputs or {})
    known = {value.name: value for value in session.get_inputs()}
    for name in [*shapes, *given]:
        if name not in known:
            raise ValueError(f"shapes must name inputs of the model ({', '.join(known)}), got {name!r}")
    feeds = {}
    for name, value in known.items():
        dtype = _numpy_dtype(name, value.type)
        wanted = given[name].shape if name in given else shapes.get(name)
        shape = _resolve_shape(name, value.shape, wanted)
        if name in given and given[name].dtype != dtype:
            raise ValueError(f"inputs must have the model's dtype, got {given[name].dtype} for {name!r} ({dtype})")
        feeds[name] = np.ascontiguousarray(given[name]) if name in given else _random(rng, shape, dtype)
    return feeds


def _numpy_dtype(name: str, ort_type: str) -> np.dtype:
    """The dtype of "tensor(float)" and its like."""
    word = ort_type.removeprefix("tensor(").removesuffix(")")
    word = {"float": "float32", "double": "float64"}.get(word, word)
    try:
        return np.dtype(word)
    except TypeError:
        raise ValueError(f"inputs must be tensors of a NumPy dtype, got {ort_type} for {name!r}") from None


def _resolve_shape(name: str, dims: Sequence[int | str | None], wanted: Sequence[int] | None) -> Shape:
    if wanted is None:
        return tuple(d if isinstance(d, int) else 1 for d in dims)
    fits = len(wanted) == len(dims) and all(not isinstance(d, int) or d == w for d, w in zip(dims, wanted))
    if not fits or min(wanted, default=1) < 1:
        raise ValueError(f"shapes must fit the model, got {tuple(wanted)} for {name!r} of shape {tuple(dims)}")
    return tuple(wanted)


def _random(rng: np.random.Generator, shape: Shape, dtype: np.dtype) -> np.ndarray:
    low, high = _RANDOM[dtype.kind]
    if dtype.kind == "f":
        return rng.uniform(low, high, shape).astype(dtype)
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


# -- the loop -------------------------------------------------------------------------------------


class _Stream:
    """A session with buffers of its own."""

    def __init__(self, session: onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray]) -> None:
        import onnxruntime

        self.session = session
        self.feeds = feeds
        self.buffers = {name: onnxruntime.OrtValue.ortvalue_from_numpy(x.copy()) for name, x in feeds.items()}
        self.outputs = [value.name for value in session.get_outputs()]

    def query(self, now_ms: Callable[[], float]) -> dict[str, float]:
        """Run one query and return its record."""
        t0 = now_ms()
        for name, value in self.feeds.items():
            self.buffers[name].update_inplace(value)
        t1 = now_ms()
        binding = self.session.io_binding()
        for name, buffer in self.buffers.items():
            binding.bind_ortvalue_input(name, buffer)
        for name in self.outputs:
            binding.bind_output(name)
        t2 = now_ms()
        self.session.run_with_iobinding(binding)
        t3 = now_ms()
        binding.copy_outputs_to_cpu()
        t4 = now_ms()
        return trace_record(enqueue=(t1, t2), h2d=(t0, t1), compute=(t2, t3), d2h=(t3, t4))


def _loop(stream: _Stream, now_ms: Callable[[], float], iterations: int, until_ms: float, warm_up_ms: float) -> Any:
    """trtexec's loop: warm-up queries do not count towards `iterations`."""
    trace, elapsed_ms, counted = [], 0.0, 0
    while counted < iterations or elapsed_ms < until_ms:
        trace.append(stream.query(now_ms))
        elapsed_ms = trace[-1]["startComputeMs"]
        counted += elapsed_ms >= warm_up_ms
    return trace


def _run_streams(
    streams: Sequence[_Stream], iterations: int, until_ms: float, warm_up_ms: float
) -> list[dict[str, float]]:
    """Run every stream in a thread of its own; the first error of a thread is raised here."""
    traces: list[list[dict[str, float]]] = []
    errors: list[BaseException] = []
    start_ns = time.perf_counter_ns()

    def now_ms() -> float:
        return (time.perf_counter_ns() - start_ns) / 1e6

    def work(stream: _Stream) -> None:
        try:
            traces.append(_loop(stream, now_ms, iterations, until_ms, warm_up_ms))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(stream,), daemon=True) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sorted((record for trace in traces for record in trace), key=lambda record: record["startH2dMs"])


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: exit status 0 when the benchmark ran, 1 with a message on stderr otherwise."""
    from utils.engines.ortexec_cli import main as run_main

    return run_main(argv)


if __name__ == "__main__":
    raise SystemExit(main())

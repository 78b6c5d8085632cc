"""Anatomy of a query: a model of trtexec's loop on a device with one engine for each phase."""

from __future__ import annotations

from utils.engines.trtexec.report import trace_record

GRAPH_LAUNCH_MS = 0.01  # order of magnitude of one launch of a recorded CUDA graph


def simulate_timeline(
    streams: int,
    h2d_ms: float,
    compute_ms: float,
    d2h_ms: float,
    enqueue_ms: float,
    *,
    queries: int = 12,
    cuda_graph: bool = False,
    data_transfers: bool = True,
) -> list[dict[str, float]]:
    """A trace (times in ms, ordered by startH2dMs) of `queries` queries on each of `streams` streams.

    One host thread serves the streams in turn and keeps two queries of each in flight, as trtexec
    does: it issues query i of every stream and then waits for query i - 1. One copy engine each way
    and one compute engine take the work in the order of issue; kernels start when the call that
    launches them has returned. With `cuda_graph` that call costs GRAPH_LAUNCH_MS at most; without
    `data_transfers` both copies take no time. Each record also has "stream".
    Raises ValueError for streams or queries < 1 or a negative time.
    """
    if streams < 1 or queries < 1:
        raise ValueError(f"streams and queries must be at least 1, got {streams} and {queries}")
    if min(h2d_ms, compute_ms, d2h_ms, enqueue_ms) < 0:
        raise ValueError("times must not be negative, got one below 0 ms")
    launch_ms = min(enqueue_ms, GRAPH_LAUNCH_MS) if cuda_graph else enqueue_ms
    copy_in, copy_out = (h2d_ms, d2h_ms) if data_transfers else (0.0, 0.0)
    host = free_in = free_compute = free_out = 0.0  # when the host and each engine are free again
    ends: list[list[float]] = [[] for _ in range(streams)]  # per stream: when its queries were done
    trace = []
    for i in range(queries):
        for stream in range(streams):
            launched = host + launch_ms
            start_in = max(host, free_in)
            end_in = free_in = start_in + copy_in
            start = max(end_in, launched, free_compute)
            end = free_compute = start + compute_ms
            start_out = max(end, free_out)
            end_out = free_out = start_out + copy_out
            if not data_transfers:  # trtexec then stamps both copies with the edges of the compute
                start_in = end_in = start
            record = trace_record((host, launched), (start_in, end_in), (start, end), (start_out, end_out))
            trace.append(record | {"stream": stream})
            ends[stream].append(end_out)
            host = launched
        if i:
            host = max(host, *(done[i - 1] for done in ends))
    return sorted(trace, key=lambda query: query["startH2dMs"])

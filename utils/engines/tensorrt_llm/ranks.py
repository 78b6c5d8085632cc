"""Tensor parallelism for real: each rank a process of its own, with its own shard, and a real all-reduce between."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from utils.engines.tensorrt_llm.shards import shard_column, shard_row, swiglu
from utils.optional import EngineUnavailable

_ROOT = Path(__file__).parents[3]  # where `utils` lies, so that a rank finds it from any working directory


@dataclass(frozen=True)
class RanksResult:
    """What came out of the ranks, compared with float64 in one process.

    Times are the fastest of the repeats, which other programs disturb least: compute and all-reduce of the slowest
    rank, and `single_ms` of rank 0 with the whole layer, afterwards. All run on one thread.
    """

    ranks: int
    max_abs_error: float
    weight_bytes_per_rank: int
    all_reduce_bytes: int
    single_ms: float
    compute_ms: float
    all_reduce_ms: float

    @property
    def share(self) -> float:
        """All-reduce over all-reduce and compute, in [0, 1]."""
        return self.all_reduce_ms / (self.all_reduce_ms + self.compute_ms)

    def as_dict(self) -> dict[str, float]:
        """The fields and `share` as a plain dict."""
        return {**asdict(self), "share": self.share}


def _start(folder: str, rank: int, ranks: int, repeats: int) -> subprocess.Popen:
    """Start one rank. Its standard input is a pipe that nobody writes to: its end tells the rank to go."""
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    if loopback:  # gloo else looks up the machine's name, which may not resolve without a network
        env["GLOO_SOCKET_IFNAME"] = loopback
    words = [sys.executable, "-m", "utils.engines.tensorrt_llm.rank_worker", folder, *map(str, (rank, ranks, repeats))]
    with (Path(folder) / f"log{rank}").open("wb") as log:
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=env, cwd=folder)


def _wait(processes: Sequence[subprocess.Popen], folder: str, limit_s: float) -> None:
    """Wait until all ranks ended well; EngineUnavailable as soon as one failed, or when the time is up."""
    deadline = time.monotonic() + limit_s
    while any(p.poll() is None for p in processes):
        failed = next((rank for rank, p in enumerate(processes) if p.poll()), None)
        if failed is None and time.monotonic() > deadline:
            raise EngineUnavailable(f"a pair of local ranks is not available: they took longer than {limit_s:g} s")
        if failed is not None:
            break
        time.sleep(0.02)
    for rank, process in enumerate(processes):
        if process.poll():
            said = (Path(folder) / f"log{rank}").read_text(errors="replace").strip().splitlines() or ["(no message)"]
            raise EngineUnavailable(f"rank {rank} is not available: it ended with {process.returncode}, "
                                    f"saying {said[-1][:200]!r}")


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """End every rank that still runs, and leave none as a zombie."""
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.stdin.close()
        process.wait()


def run_ranks(x: np.ndarray, w_gate: np.ndarray, w_up: np.ndarray, w_down: np.ndarray, ranks: int = 2, *,
              repeats: int = 20, limit_s: float = 90.0) -> RanksResult:
    """Run a SwiGLU layer on `ranks` local processes (torch.distributed, gloo) and compare with one process.

    x (T, d), w_gate and w_up (d, d_ff), w_down (d_ff, d), float32. Every rank gets a file with its own shard only.
    Whatever happens, an interrupt included, no process and no file stays behind. Raises ValueError unless ranks
    divides d_ff, EngineUnavailable when the processes can't be started or do not end in `limit_s`.
    """
    shards = list(zip(shard_column(w_gate, ranks), shard_column(w_up, ranks), shard_row(w_down, ranks)))
    processes: list[subprocess.Popen] = []
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        for rank, (gate, up, down) in enumerate(shards):
            np.savez(Path(folder) / f"in{rank}.npz", x=x, w_gate=gate, w_up=up, w_down=down)
        np.savez(Path(folder) / "whole.npz", x=x, w_gate=w_gate, w_up=w_up, w_down=w_down)
        try:
            for rank in range(ranks):
                processes.append(_start(folder, rank, ranks, repeats))
            _wait(processes, folder, limit_s)
        except OSError as error:
            raise EngineUnavailable(f"a second process is not available: {error}") from error
        finally:
            _stop(processes)
        outs = [dict(np.load(Path(folder) / f"out{rank}.npz")) for rank in range(ranks)]
    exact = swiglu(*(a.astype(np.float64) for a in (x, w_gate, w_up, w_down)))
    return _result(outs, exact, sum(a.nbytes for a in shards[0]))


def _result(outs: list[dict], exact: np.ndarray, weight_bytes: int) -> RanksResult:
    slowest = {name: float(max(out[name].min() for out in outs)) for name in ("compute_ms", "all_reduce_ms")}
    return RanksResult(len(outs), float(max(np.abs(out["y"] - exact).max() for out in outs)), weight_bytes,
                       outs[0]["y"].nbytes, float(outs[0]["single_ms"].min()), **slowest)

"""One rank of a tensor-parallel layer: `python -m utils.engines.tensorrt_llm.rank_worker FOLDER RANK RANKS REPEATS`.

It reads its own shard from FOLDER, computes, sums over all ranks with torch.distributed's gloo, and writes what came
out. It ends when its standard input closes, so it can't outlive the process that started it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from utils.parent_process import end_with_parent

WAIT_S = 60.0


def _timed_ms(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = function()
    return (time.perf_counter() - start) * 1e3, value


def _weights(path: Path) -> list[Any]:
    import torch

    with np.load(path) as file:
        return [torch.from_numpy(file[name]) for name in ("x", "w_gate", "w_up", "w_down")]


def _layer(x: Any, gate: Any, up: Any, down: Any) -> Any:
    import torch

    return (torch.nn.functional.silu(x @ gate) * (x @ up)) @ down  # (T, d_ff / P) @ (d_ff / P, d)


def main(folder: str, rank: int, ranks: int, repeats: int) -> None:
    """Compute this rank's part, sum it over the ranks, and save `out{rank}.npz` in `folder`.

    Afterwards, for comparison, rank 0 times the whole layer alone.
    """
    end_with_parent()
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    shard = _weights(Path(folder) / f"in{rank}.npz")
    dist.init_process_group("gloo", init_method=(Path(folder) / "rendezvous").as_uri(), rank=rank, world_size=ranks,
                            timeout=timedelta(seconds=WAIT_S))
    try:
        y = _layer(*shard)
        dist.all_reduce(y)  # also the warm-up
        compute, reduce = [], []
        for _ in range(repeats):
            dist.barrier()  # waiting for the other rank is not counted as communication
            taken, part = _timed_ms(lambda: _layer(*shard))
            compute.append(taken)
            dist.barrier()
            reduce.append(_timed_ms(lambda part=part: dist.all_reduce(part))[0])
        dist.barrier()
    finally:
        dist.destroy_process_group()
    single = []
    if rank == 0:
        whole = _weights(Path(folder) / "whole.npz")
        single = [_timed_ms(lambda: _layer(*whole))[0] for _ in range(repeats + 1)][1:]
    np.savez(Path(folder) / f"out{rank}.npz", y=y.numpy(), compute_ms=compute, all_reduce_ms=reduce, single_ms=single)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""What streaming weights over a link costs: a bound, and two engines that really do it.

ZeRO-Inference (Aminabadi et al. 2022) and FlexGen (Sheng et al. 2023) serve models that do not fit on the GPU this
way: layer by layer, with batches large enough that one pass over the weights yields many tokens.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np

from utils.cost.bandwidth.decode import decode_step
from utils.cost.checks import positive
from utils.cost.latency import time_interleaved


def decode_bound_tokens_per_s(weight_bytes: float, resident_fraction: float, batch: int, mem_gb_s: float,
                              link_gb_s: float, overlap: bool = True) -> float:
    """Upper bound on the tokens/s of a batch when the non-resident share of the weights crosses a link every step.

    The memory reads all weights once a step, whatever the batch. With `overlap` the slower of memory and link sets
    the pace, without it their times add. KV traffic and arithmetic are left out. Raises ValueError for a share
    outside [0, 1] or another argument that is not positive.

    >>> round(decode_bound_tokens_per_s(350e9, 0.5, 1, 1555, 25), 6)
    0.142857
    """
    positive(link_gb_s=link_gb_s)
    if not 0 <= resident_fraction <= 1:
        raise ValueError(f"resident_fraction must be in [0, 1], got {resident_fraction}")
    memory_s = decode_step(weight_bytes, 0, batch, 0, mem_gb_s, inf).memory_ms / 1e3
    link_s = weight_bytes * (1 - resident_fraction) / (link_gb_s * 1e9)
    return batch / (max(memory_s, link_s) if overlap else memory_s + link_s)


def offload_tokens_per_s(weight_gb: float, resident_fraction: float, batch: int, hbm_gb_s: float, link_gb_s: float,
                         overlap: bool) -> float:
    """Tokens per second of the whole batch; weights in GB, bandwidths in GB/s."""
    return decode_bound_tokens_per_s(weight_gb * 1e9, resident_fraction, batch, hbm_gb_s, link_gb_s, overlap)


# --- two engines that compute the same ---------------------------------------------------------------

LAYERS, WIDTH, HIDDEN = 12, 512, 2048  # 12 · 2 · 512 · 2048 float32 = 101 MB


def _block(x: np.ndarray, w_up: np.ndarray, w_down: np.ndarray) -> np.ndarray:
    return x + np.maximum(x @ w_up, 0) @ w_down  # (B, width)


@dataclass(frozen=True)
class ResidentMLP:
    """Residual MLP layers whose float32 weights lie in RAM: (width, hidden) and (hidden, width) for each."""

    weights: Sequence[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def random(cls, layers: int = LAYERS, width: int = WIDTH, hidden: int = HIDDEN, seed: int = 0) -> ResidentMLP:
        """An engine with small random weights."""
        rng = np.random.default_rng(seed)

        def matrix(rows: int, columns: int) -> np.ndarray:
            return rng.standard_normal((rows, columns), dtype=np.float32) / np.float32(rows)

        return cls([(matrix(width, hidden), matrix(hidden, width)) for _ in range(layers)])

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights."""
        return sum(w.nbytes for pair in self.weights for w in pair)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """One step of a batch: float32 (B, width) to (B, width)."""
        for w_up, w_down in self.weights:
            x = _block(x, w_up, w_down)
        return x


@dataclass(frozen=True)
class OffloadedMLP:
    """The same layers with the weights in .npy files: each step reads every file again and keeps one layer."""

    files: Sequence[tuple[Path, Path]]

    @classmethod
    def write(cls, engine: ResidentMLP, folder: Path) -> OffloadedMLP:
        """Save the weights of `engine` into an existing folder."""
        files = []
        for i, pair in enumerate(engine.weights):
            paths = folder / f"{i}_up.npy", folder / f"{i}_down.npy"
            for path, w in zip(paths, pair):
                np.save(path, w)
            files.append(paths)
        return cls(files)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """One step of a batch: float32 (B, width) to (B, width)."""
        for up, down in self.files:
            x = _block(x, np.load(up), np.load(down))
        return x


@contextmanager
def offload_pair(**shape: int) -> Iterator[tuple[ResidentMLP, OffloadedMLP]]:
    """A resident engine and its file-streaming twin; the files are removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        resident = ResidentMLP.random(**shape)
        yield resident, OffloadedMLP.write(resident, Path(folder))


@dataclass(frozen=True)
class EngineTimes:
    """Median milliseconds a step of both engines at one batch size, and the batch's tokens/s."""

    batch: int
    resident_ms: float
    streamed_ms: float

    @property
    def resident_per_s(self) -> float:
        return self.batch / self.resident_ms * 1e3

    @property
    def streamed_per_s(self) -> float:
        return self.batch / self.streamed_ms * 1e3


def measure_offload(batches: Sequence[int] = (1, 4, 16, 64), rounds: int = 5, seed: int = 0,
                    **shape: int) -> list[EngineTimes]:
    """Time both engines at several batch sizes on one thread, in turns so that other programs slow both alike."""
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    rng = np.random.default_rng(seed)
    measured = []
    # idle BLAS threads spin, and on a busy machine they would be what is measured
    with threadpool_limits(1), offload_pair(**shape) as (resident, streamed):
        width = resident.weights[0][0].shape[0]
        for batch in batches:
            x = rng.standard_normal((batch, width), dtype=np.float32)
            times = time_interleaved({"resident": lambda x=x: resident(x), "streamed": lambda x=x: streamed(x)}, rounds)
            measured.append(EngineTimes(batch, *(float(np.median(times[k])) for k in ("resident", "streamed"))))
    return measured


def cuda_link_gb_s(n_bytes: int = 256 * 2**20, repeats: int = 5) -> float:
    """Measured GB/s from pinned host memory to the GPU. Raises RuntimeError without a CUDA device."""
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("there is no CUDA device to copy to")
    host = torch.empty(n_bytes, dtype=torch.uint8, pin_memory=True)
    device = torch.empty(n_bytes, dtype=torch.uint8, device="cuda")
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    device.copy_(host, non_blocking=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(repeats):
        device.copy_(host, non_blocking=True)
    end.record()
    torch.cuda.synchronize()
    return n_bytes * repeats / (start.elapsed_time(end) * 1e6)  # elapsed_time is in ms

"""A model that takes exactly `batch` rows, made to serve any number of them: chunks, and rows of padding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.cost.checks import positive

Run = Callable[[np.ndarray], np.ndarray]  # (batch, ...) -> (batch, ...)


def run_fixed_batch(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
    """Outputs (n, ...) of `x` (n, ...) from a `run` that accepts exactly `batch` rows, in as few calls as possible.

    The last chunk is filled up with rows of zeros in x's dtype, and their outputs are dropped. No rows cost one call on
    zeros, which tells the output's shape and dtype. `x` is not modified. Raises ValueError for a batch below 1.

    >>> run_fixed_batch(lambda z: z * 2, np.arange(3)[:, None], 2).ravel().tolist()
    [0, 2, 4]
    """
    positive(batch=batch)
    n = len(x)
    outputs = [run(_filled(x[i : i + batch], batch)) for i in range(0, max(n, 1), batch)]
    return np.concatenate(outputs)[:n]


def _filled(rows: np.ndarray, batch: int) -> np.ndarray:
    """`rows` with rows of zeros below, `batch` in all; a full chunk is handed on as it is."""
    if len(rows) == batch:
        return rows
    chunk = np.zeros((batch, *rows.shape[1:]), rows.dtype)
    chunk[: len(rows)] = rows
    return chunk


class FixedBatchRunner:
    """Serves any number of rows with a model of a fixed batch size, and counts what the padding costs.

    `calls` and `padded_rows` add up over the runner's life.
    """

    def __init__(self, run: Run, batch: int) -> None:
        positive(batch=batch)
        self._run, self.batch = run, batch
        self.calls = self.padded_rows = 0

    def run(self, x: np.ndarray) -> np.ndarray:
        """Outputs (n, ...) of rows (n, ...)."""
        before = self.calls
        output = run_fixed_batch(self._counted, x, self.batch)
        self.padded_rows += (self.calls - before) * self.batch - len(x)
        return output

    def _counted(self, chunk: np.ndarray) -> np.ndarray:
        self.calls += 1
        return self._run(chunk)

"""A pool of frames that engines pass around by handle: lent, filled, read, given back, never copied."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from utils.cost.checks import positive


class RingBuffer:
    """`count` frames in one block of memory. `borrow` lends a free one and waits while there is none.

    Frames are NumPy views of the block, so a frame's number is all that has to be handed on. Thread-safe.
    """

    def __init__(self, count: int, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        positive(count=count)
        self._block = np.zeros((count, *shape), dtype)
        self._free: deque[int] = deque(range(count))
        self._lent: set[int] = set()
        self._changed = threading.Condition()
        self.most_lent = 0

    def __len__(self) -> int:
        return len(self._block)

    @property
    def nbytes(self) -> int:
        """Bytes of all frames."""
        return self._block.nbytes

    @property
    def lent(self) -> int:
        """How many frames are lent now."""
        with self._changed:
            return len(self._lent)

    def borrow(self, timeout_s: float | None = None) -> int:
        """The number of the frame that has been free longest. TimeoutError if none is given back in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._free, timeout_s):
                raise TimeoutError(f"no frame was given back within {timeout_s} s: all {len(self)} are lent")
            frame = self._free.popleft()
            self._lent.add(frame)
            self.most_lent = max(self.most_lent, len(self._lent))
            return frame

    def view(self, frame: int) -> np.ndarray:
        """The memory of a lent frame: a view, no copy. ValueError for a frame that is not lent."""
        with self._changed:
            self._require_lent(frame)
            return self._block[frame]

    def give_back(self, frame: int) -> None:
        """End a loan. ValueError for a frame that is not lent, so a second return is noticed."""
        with self._changed:
            self._require_lent(frame)
            self._lent.remove(frame)
            self._free.append(frame)
            self._changed.notify()

    def _require_lent(self, frame: int) -> None:
        if frame not in self._lent:
            raise ValueError(f"frame must be one that is lent, got {frame}: was it given back twice?")

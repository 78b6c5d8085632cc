"""Weights on disk, three ways to bring them back, and how long each takes.

"plain" reads the file into new memory, builds the module with random weights and copies over them.
"mmap" maps the file instead of reading it; the copy then reads it page by page.
"meta" builds the module without memory (the meta device) and hands it the mapped tensors: nothing is copied, and a
page is read when the first forward pass touches it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Literal

from utils.cost.checks import positive

if TYPE_CHECKING:
    from torch import nn

Mode = Literal["plain", "mmap", "meta"]
MODES: tuple[Mode, ...] = ("plain", "mmap", "meta")
NS_PER_MS = 1e6


@dataclass(frozen=True)
class LoadTiming:
    """Where a load's time goes (ms): opening or reading the file, building the module, the first inference."""

    read_ms: float
    build_ms: float
    first_infer_ms: float

    @property
    def total_ms(self) -> float:
        """From nothing to the first answer."""
        return self.read_ms + self.build_ms + self.first_infer_ms

    def as_dict(self) -> dict[str, float]:
        """The fields as plain data."""
        return asdict(self)


def save_weights(m: nn.Module, path: str | Path) -> None:
    """Write a module's state dict: tensors and names, no code. A reader sees the old file or the new one.

    The file is replaced, never rewritten: a module that has the old one mapped keeps its weights.
    """
    import torch

    path = Path(path)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            torch.save(m.state_dict(), file)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def load_model(factory: Callable[[], nn.Module], path: str | Path, mode: Mode = "meta") -> nn.Module:
    """A module of `factory` with the weights of `path`, in evaluation mode.

    Only tensors are unpickled (`weights_only=True`). Modules loaded in mode "meta" read from the file as long as they
    live. Raises ValueError for an unknown mode, or if mode "meta" leaves a tensor that the file does not hold (a
    non-persistent buffer); RuntimeError of torch if names or shapes differ.
    """
    _check_mode(mode)
    return _build(factory, _read(path, mode), mode)


def time_load(factory: Callable[[], nn.Module], path: str | Path, mode: Mode, repeats: int = 5, *,
              infer: Callable[[nn.Module], object], before: Callable[[], object] = lambda: None,
              clock: Callable[[], int] = time.perf_counter_ns) -> LoadTiming:
    """Medians over `repeats` loads and the first inference of each. `before` prepares each one (drops the file from
    the page cache, say) outside the clock; a load's module is gone when the next begins.

    Raises ValueError for an unknown mode or repeats below 1.
    """
    _check_mode(mode)
    positive(repeats=repeats)
    runs = []
    for _ in range(repeats):
        before()
        runs.append(timed_once(factory, path, mode, infer, clock))
    return LoadTiming(*(median(values) for values in zip(*runs)))


def timed_once(factory: Callable[[], nn.Module], path: str | Path, mode: Mode, infer: Callable[[nn.Module], object],
               clock: Callable[[], int] = time.perf_counter_ns) -> tuple[float, float, float]:
    """(read, build, first inference) of one load, in ms."""
    start = clock()
    state = _read(path, mode)
    read = clock()
    m = _build(factory, state, mode)
    built = clock()
    infer(m)
    return (read - start) / NS_PER_MS, (built - read) / NS_PER_MS, (clock() - built) / NS_PER_MS


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")


def _read(path: str | Path, mode: Mode) -> dict:
    import torch

    return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mode != "plain")


def _build(factory: Callable[[], nn.Module], state: dict, mode: Mode) -> nn.Module:
    import torch

    if mode != "meta":
        m = factory()
        m.load_state_dict(state)
        return m.eval()
    with torch.device("meta"):
        m = factory()
    m.load_state_dict(state, assign=True)
    empty = [name for name, t in (*m.named_parameters(), *m.named_buffers()) if t.is_meta]
    if empty:
        raise ValueError(f"the file must hold every tensor of the module for mode 'meta', it lacks {empty[0]!r}: "
                         "use mode 'mmap'")
    return m.eval()

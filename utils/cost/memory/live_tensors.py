"""Every live tensor of a training step, counted operator by operator; on the "meta" device without the memory.

Counted are the storages that operators return. What a kernel allocates and frees inside (a convolution's
workspace, say) is not seen, nor is what an allocator adds.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint_sequential

from utils.cost.checks import positive
from utils.cost.memory.model_states import TrainRecipe, model_state_bytes

Loss = Callable[[Tensor], Tensor]


class LiveTensorTracker(TorchDispatchMode):
    """Counts the bytes of all storages that operators make while it is active.

    `known` tensors (parameters, say) don't count, nor do views of them. `current_bytes` and `peak_bytes` are the
    totals; `timeline` holds the live bytes after each operator and `operators` its name.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.current_bytes = self.peak_bytes = 0
        self.timeline: list[int] = []
        self.operators: list[str] = []
        self._known = {id(s): s for s in (t.untyped_storage() for t in known)}  # held: an id must stay theirs
        self._live: dict[int, tuple[weakref.ref, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        self.timeline.append(self.current_bytes)
        self.operators.append(str(func))
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known or key in self._live:
            return
        self._live[key] = weakref.ref(storage, lambda _: self._forget(key)), size
        self.current_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.current_bytes)

    def _forget(self, key: int) -> None:
        self.current_bytes -= self._live.pop(key)[1]


@dataclass(frozen=True)
class StepTrace:
    """Live bytes after each operator of one step, beyond model states and input batch."""

    live_bytes: Sequence[int]
    forward_ops: int  # the first so many operators are the forward pass
    kept_bytes: int  # live when the forward pass ended
    peak_bytes: int
    operators: Sequence[str] = ()  # their names


def trace_training(model: nn.Module, inputs: Tensor, loss_fn: Loss = torch.sum, segments: int = 1) -> StepTrace:
    """One forward and backward pass under the tracker, on the model's device.

    Gradients have their place from the start, like the weights, and count as model states. With `segments` above 1
    a Sequential runs checkpointed in that many parts. The gradients that the model had are put back.
    """
    positive(segments=segments)
    parameters = [p for p in model.parameters() if p.requires_grad]
    before = [p.grad for p in parameters]
    for p in parameters:
        p.grad = torch.zeros_like(p)
    try:
        known = (*model.parameters(), *model.buffers(), inputs, *(p.grad for p in parameters))
        with LiveTensorTracker(known) as tracker:
            out = _forward(model, inputs, segments)
            forward_ops, kept = len(tracker.timeline), tracker.current_bytes
            loss = loss_fn(out)
            del out  # as in a training loop that keeps the loss only
            loss.backward()
    finally:
        for p, grad in zip(parameters, before):
            p.grad = grad
    return StepTrace(tracker.timeline, forward_ops, kept, tracker.peak_bytes, tracker.operators)


def _forward(model: nn.Module, inputs: Tensor, segments: int) -> Tensor:
    return model(inputs) if segments == 1 else checkpoint_sequential(model, segments, inputs, use_reentrant=False)


def trace_inference(model: nn.Module, inputs: Tensor) -> StepTrace:
    """One forward pass without gradients under the tracker."""
    with LiveTensorTracker((*model.parameters(), *model.buffers(), inputs)) as tracker, torch.no_grad():
        out = model(inputs)
        kept = tracker.current_bytes
    del out
    return StepTrace(tracker.timeline, len(tracker.timeline), kept, tracker.peak_bytes, tracker.operators)


def max_batch(model_fn: Callable[[], nn.Module], sample_shape: Sequence[int], budget_bytes: int, recipe: TrainRecipe,
              loss_fn: Loss = torch.sum) -> int:
    """Largest batch whose training step fits the budget: states, buffers, inputs and live tensors, traced on "meta".

    The activations are those of the model as `model_fn` builds it (float32 unless it says otherwise). 0 if none fits.
    """
    with torch.device("meta"):
        model = model_fn()
    dtype = next(model.parameters()).dtype
    states = model_state_bytes(sum(p.numel() for p in model.parameters()), recipe).total
    room = budget_bytes - states - sum(b.nbytes for b in model.buffers())

    @cache
    def needed(batch: int) -> int:
        x = torch.empty(batch, *sample_shape, dtype=dtype, device="meta")
        return x.nbytes + trace_training(model, x, loss_fn).peak_bytes

    # The peak is a maximum of straight lines in the batch (one for each moment of the step), so it lies above the
    # line through two of its points outside of them, and below it between them.
    high = _crossing(needed, 64, 128, room)
    if high < 1 or needed(high) <= room:
        return max(0, high)
    low = _crossing(needed, 64, high, room) if high > 64 else 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle) <= room else (low, middle)
    return low


def _crossing(f: Callable[[int], int], a: int, b: int, level: int) -> int:
    """Where the line through (a, f(a)) and (b, f(b)) reaches `level`, rounded down."""
    return a + (level - f(a)) * (b - a) // (f(b) - f(a))


# --- a second pair of eyes ----------------------------------------------------------------------


def profiled_peak_bytes(call: Callable[[], object]) -> int:
    """Largest number of bytes that torch's profiler saw allocated on the CPU during `call`, beyond those before."""
    from torch.profiler import ProfilerActivity, profile

    with quiet_stderr(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        call()
    events = [e for e in prof.profiler.kineto_results.events() if e.name() == "[memory]"]
    current = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        current += event.nbytes()
        peak = max(peak, current)
    return peak


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Close the standard error's file for a moment: the profiler's C++ library announces itself there."""
    saved, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nothing)

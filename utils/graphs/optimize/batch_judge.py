"""ONNX Runtime decides whether a model with a dynamic batch computes what the static one computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from utils.graphs.onnx_tools import make_session
from utils.graphs.optimize.comparison import compare_arrays


@dataclass(frozen=True)
class BatchVerdict:
    """What happened at one batch size. `max_abs` is NaN when it did not run; `reason` is "" when all is well."""

    batch: int
    ok: bool
    max_abs: float
    reason: str = ""


def judge_batches(
    original: ModelProto,
    edited: ModelProto,
    batches: Sequence[int] = (1, 3),
    *,
    batch_axis: int = 0,
    rtol: float = 1e-3,
    atol: float = 1e-5,
    seed: int = 0,
) -> list[BatchVerdict]:
    """Run `edited` at each batch size and compare it, sample by sample, with runs of `original` at its own size.

    Both run in ONNX Runtime with its optimisations off. Floats are drawn from a normal distribution, integers and
    bools from {0, 1}. A last group that is not full is filled up with zeros for `original`.
    Raises ValueError for a batch below 1; errors of the runtime on `original` pass through, on `edited` they are
    the verdict's reason.
    """
    if min(batches, default=1) < 1:
        raise ValueError(f"batches must be at least 1, got {list(batches)}")
    rng = np.random.default_rng(seed)
    reference = make_session(original)
    try:
        candidate = make_session(edited)
    except Exception as error:
        return [BatchVerdict(n, False, float("nan"), f"it does not load: {_first_line(error)}") for n in batches]
    judge = _Judge(original, reference, candidate, batch_axis)
    return [judge.verdict(n, rng, rtol, atol) for n in batches]


class _Judge:
    def __init__(self, original: ModelProto, reference: object, candidate: object, axis: int) -> None:
        import onnxruntime

        weights = {tensor.name for tensor in original.graph.initializer}
        self.quiet = onnxruntime.RunOptions()
        self.quiet.log_severity_level = 4  # a failure is a finding here: not written to the terminal
        self.inputs = [value for value in original.graph.input if value.name not in weights]
        self.reference, self.candidate, self.axis = reference, candidate, axis
        self.size = _dims(self.inputs[0])[axis]

    def verdict(self, n: int, rng: np.random.Generator, rtol: float, atol: float) -> BatchVerdict:
        feed = {value.name: _drawn(value, self._dims_at(value, n), rng) for value in self.inputs}
        wanted = self._by_groups(feed, n)
        try:
            got = self.candidate.run(None, feed, self.quiet)
        except Exception as error:  # ONNX Runtime's own classes; what it says is the finding
            return BatchVerdict(n, False, float("nan"), _first_line(error))
        worst, wrong = 0.0, ""
        for output, ref, out in zip(self.reference.get_outputs(), wanted, got):
            if ref.shape != out.shape:
                reason = f"{output.name} has shape {out.shape} instead of {ref.shape}"
                return BatchVerdict(n, False, float("nan"), reason)
            found = compare_arrays(ref, out, rtol, atol)
            worst = max(worst, found.max_abs)
            if not found.ok:
                wrong = f"{output.name} differs from the original at {found.worst}"
        return BatchVerdict(n, not wrong, worst, wrong)

    def _dims_at(self, value: ValueInfoProto, n: int) -> list[int]:
        dims = _dims(value)
        return [n if i == self.axis and size == self.size else size for i, size in enumerate(dims)]

    def _by_groups(self, feed: Mapping[str, np.ndarray], n: int) -> list[np.ndarray]:
        """The original's outputs for n samples, from ceil(n / b) runs."""
        runs = []
        for start in range(0, n, self.size):
            group = {}
            for value in self.inputs:
                array = feed[value.name]
                group[value.name] = self._group(array, start) if self._batched(_dims(value)) else array
            runs.append(self.reference.run(None, group))
        return [self._joined(outputs, n) for outputs in zip(*runs)]

    def _batched(self, dims: Sequence[int]) -> bool:
        return self.axis < len(dims) and dims[self.axis] == self.size

    def _group(self, array: np.ndarray, start: int) -> np.ndarray:
        part = np.take(array, range(start, min(start + self.size, array.shape[self.axis])), axis=self.axis)
        missing = self.size - part.shape[self.axis]
        return np.pad(part, [(0, missing if i == self.axis else 0) for i in range(part.ndim)])

    def _joined(self, outputs: Sequence[np.ndarray], n: int) -> np.ndarray:
        if not self._batched(outputs[0].shape):
            return outputs[0]
        return np.take(np.concatenate(outputs, axis=self.axis), range(n), axis=self.axis)


def _dims(value: ValueInfoProto) -> list[int]:
    return [d.dim_value for d in value.type.tensor_type.shape.dim]


def _drawn(value: ValueInfoProto, dims: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if dtype.kind in "biu":
        return rng.integers(0, 2, dims).astype(dtype)
    return rng.standard_normal(dims).astype(dtype)


def _first_line(error: Exception) -> str:
    """What ONNX Runtime says, without its codes and the node's name where a kernel has a message of its own."""
    text = str(error).strip().split("Status Message: ")[-1]
    return text.splitlines()[0][:300] if text else type(error).__name__

"""Does the simplified model compute what the original computed? Both run in ONNX Runtime as they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from utils.graphs.simplify.rewriting import is_random

Feeds = dict[str, np.ndarray]
Runner = Callable[[Feeds], Mapping[str, np.ndarray]]
BATCHES = (1, 3)
OTHER_DIM = 4  # for a symbolic dimension that is not the first


def equivalent(
    run_a: Runner, run_b: Runner, make_feeds: Callable[[np.random.Generator], Feeds], n: int, rng: np.random.Generator
) -> bool:
    """Whether two models agree on n random inputs, within 1e-4 relative and 1e-5 absolute to run_a's outputs.

    run_a, run_b: functions from {input name: array} to {output name: array}; make_feeds(rng) draws one input for both.
    NaN equals NaN. Other names or shapes of outputs are a difference. Raises ValueError when n is below 1: nothing
    was compared then.
    """
    from utils.graphs.optimize.comparison import compare_arrays

    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}: a comparison of nothing proves nothing")
    for _ in range(n):
        feeds = make_feeds(rng)
        a, b = run_a(feeds), run_b(feeds)
        if a.keys() != b.keys() or any(np.shape(a[name]) != np.shape(b[name]) for name in a):
            return False
        if not all(compare_arrays(a[name], b[name], rtol=1e-4, atol=1e-5).ok for name in a):
            return False
    return True


@dataclass(frozen=True)
class VerifyReport:
    """Outcome of `verify`: whether all runs agreed, how many there were, the largest deviation, and why not."""

    ok: bool
    runs: int
    max_abs: float
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def verify(
    original: ModelProto,
    simplified: ModelProto,
    n: int = 3,
    seed: int = 0,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> VerifyReport:
    """Run both models on n random inputs for each batch size and compare every output; NaN equals NaN.

    ONNX Runtime's own optimisations are off for both: otherwise it would rewrite the original in the same way, and
    hide the same error. A symbolic first dimension is 1 and then 3, other symbolic ones are 4, unless `shapes` names
    the input. Floats are standard normal, integers 0 or 1, unless `ranges` gives (low, high) for an input. Inputs with
    a default value are overridden in every second run.
    Raises ValueError when n is below 1, for unknown names, and when the original itself can't be run.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}: a comparison of nothing proves nothing")
    inputs = {value.name: value for value in original.graph.input}
    for name, table in (("ranges", ranges), ("shapes", shapes)):
        if unknown := set(table or ()) - set(inputs):
            raise ValueError(f"{name} must name inputs of the model ({', '.join(inputs)}), got {sorted(unknown)}")
    difference = _interface_difference(original, simplified)
    if difference:
        return VerifyReport(False, 0, 0.0, difference)
    feeds = list(_all_feeds(simplified, n, np.random.default_rng(seed), ranges or {}, shapes or {}))
    return _compare(original, simplified, feeds, rtol, atol)


def _compare(
    original: ModelProto, simplified: ModelProto, feeds: list[Feeds], rtol: float, atol: float
) -> VerifyReport:
    from utils.graphs.optimize.backends import compare_backends

    reference = _runner(original, "the original")
    try:
        candidate = _runner(simplified, "the simplified model")
    except ValueError as error:
        return VerifyReport(False, 0, 0.0, str(error))
    rows = compare_backends(reference, {"simplified": candidate}, feeds, rtol, atol)
    wrong = next((row for row in rows if not row.ok), None)
    largest = max((row.comparison.max_abs for row in rows if row.comparison), default=0.0)
    if wrong is None:
        return VerifyReport(True, len(feeds), largest)
    told = wrong.error or f"differs by {wrong.comparison.max_abs:.3g} at {wrong.comparison.worst}"
    if any(is_random(node) for node in original.graph.node):
        told += "; the graph draws random numbers, so that two runs differ anyway"
    return VerifyReport(False, len(feeds), largest, f"output {wrong.output!r} {told} (input {wrong.feed + 1})")


def _runner(model: ModelProto, which: str) -> Runner:
    """A function that runs the model; ValueError with ONNX Runtime's words where it can't be loaded or run."""
    from utils.graphs.onnx_tools import make_session

    names = [value.name for value in model.graph.output]
    try:
        session = make_session(model)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise ValueError(f"{which} must be one that ONNX Runtime loads, got: {str(error).strip()}") from error

    def run(feeds: Feeds) -> dict[str, np.ndarray]:
        try:
            return dict(zip(names, session.run(names, feeds)))
        except Exception as error:
            shapes = {name: array.shape for name, array in feeds.items()}
            hint = "give shapes or ranges if the drawn input makes no sense to it"
            raise ValueError(f"{which} must run on {shapes}, got: {str(error).strip()} ({hint})") from error

    return run


def _interface_difference(original: ModelProto, simplified: ModelProto) -> str:
    """What differs in the names of inputs and outputs, or ""."""
    outputs = [[value.name for value in model.graph.output] for model in (original, simplified)]
    if outputs[0] != outputs[1]:
        return f"the outputs are {outputs[1]} instead of {outputs[0]}"
    # before IR version 4 weights are listed among the inputs, and are no part of the interface
    without = _defaults(original) if original.ir_version < 4 else set()
    before, after = ({value.name for value in model.graph.input} - without for model in (original, simplified))
    return "" if before == after else f"the inputs are {sorted(after)} instead of {sorted(before)}"


def _defaults(model: ModelProto) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}


def _all_feeds(
    model: ModelProto, n: int, rng: np.random.Generator, ranges: Mapping, shapes: Mapping
) -> Iterator[Feeds]:
    optional = _defaults(model)
    open_inputs = [value for value in model.graph.input if value.name not in optional and value.name not in shapes]
    batches = {d.dim_param for value in open_inputs for d in value.type.tensor_type.shape.dim[:1]}
    symbolic = any(not d.HasField("dim_value") for v in open_inputs for d in v.type.tensor_type.shape.dim[:1])
    for batch in BATCHES if symbolic else BATCHES[:1]:
        for run in range(n):
            yield {
                value.name: _draw(
                    value, shapes.get(value.name, _dims(value, batch, batches)), rng, ranges.get(value.name)
                )
                for value in model.graph.input
                if value.name not in optional or run % 2
            }


def draw_feeds(model: ModelProto, rng: np.random.Generator) -> Feeds:
    """One random input: symbolic first dimensions are 1, others 4; floats standard normal, integers 0 or 1."""
    return next(_all_feeds(model, 1, rng, {}, {}))


def _dims(value: ValueInfoProto, batch: int, batches: set[str]) -> list[int]:
    """Dimensions of an input with numbers for symbols: `batch` for those of a first dimension, 4 for others."""
    dims = []
    for axis, d in enumerate(value.type.tensor_type.shape.dim):
        is_batch = axis == 0 or (d.dim_param and d.dim_param in batches)
        dims.append(d.dim_value if d.HasField("dim_value") else batch if is_batch else OTHER_DIM)
    return dims


def _draw(
    value: ValueInfoProto, dims: Sequence[int], rng: np.random.Generator, limits: tuple[float, float] | None
) -> np.ndarray:
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    if dtype.kind == "b":
        return rng.integers(0, 2, dims).astype(bool)
    if dtype.kind in "iu":
        low, high = limits or (0, 1)
        return rng.integers(int(low), int(high), dims, endpoint=True).astype(dtype)
    drawn = rng.normal(size=dims) if limits is None else rng.uniform(*limits, size=dims)
    return drawn.astype(dtype)

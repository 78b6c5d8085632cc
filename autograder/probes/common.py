"""Common probes: what most exercises need to ask.

Each probe takes the answer first and plain parameters after it, and returns a value that
`to_plain` can copy. None of them knows what the right answer is.
"""

from __future__ import annotations

import contextlib
import inspect
import shlex
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .ask import ProbeError, describe_error
from .plain import to_plain


def call(answer: Callable, args: Sequence = (), kwargs: dict | None = None, watch: bool = False) -> Any:
    """Call a function. With `watch`, return {"value", "changed"}: which array or list arguments it changed."""
    args, kwargs = [_own(a) for a in args], {k: _own(v) for k, v in (kwargs or {}).items()}
    if not callable(answer):
        raise ProbeError(f"expected a function, got {type(answer).__name__}")
    before = [to_plain(a) for a in args] if watch else None
    value = to_plain(answer(*args, **kwargs))
    if not watch:
        return value
    after = [to_plain(a) for a in args]
    changed = [i for i, (a, b) in enumerate(zip(before, after)) if not same_bits(a, b)]
    return {"value": value, "changed": changed}


def call_seeded(answer: Callable, args: Sequence = (), seed: int = 0, kwargs: dict | None = None) -> Any:
    """Call a function whose last positional argument is a NumPy generator made from `seed`."""
    return answer(*[_own(a) for a in args], np.random.default_rng(seed), **(kwargs or {}))


def methods(answer: Callable, init: Sequence, script: Sequence, init_kwargs: dict | None = None) -> list:
    """Build an object and run a script on it.

    `script` is a list of steps: ["append", arg, …] calls a method, [".scale"] reads an attribute.
    Returns one entry a step: {"value": plain} or {"error": type names}; a constructor that raises
    ends the probe with its error.
    """
    thing = answer(*[_own(a) for a in init], **(init_kwargs or {}))
    return [_step(thing, step) for step in script]


def _step(thing: Any, step: Sequence) -> dict:
    name, *args = step
    try:
        if name.startswith("."):
            return {"value": to_plain(getattr(thing, name[1:]))}
        return {"value": to_plain(getattr(thing, name)(*[_own(a) for a in args]))}
    except Exception as error:
        told = describe_error(error)
        if isinstance(error, (AttributeError, NotImplementedError)):
            raise
        return {"error": told["types"], "message": told["message"]}


def peak_memory(answer: Callable, args: Sequence = (), kwargs: dict | None = None) -> dict:
    """Call a function and measure the peak of memory that it allocated (bytes, by tracemalloc).

    torch's allocations are outside tracemalloc: the largest tensor that a torch function returned to
    the answer (bytes) is reported beside it.
    """
    args = [_own(a) for a in args]
    tracemalloc.start()
    try:
        with _watched_tensors() as largest:
            base = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            value = answer(*args, **(kwargs or {}))
            peak = tracemalloc.get_traced_memory()[1] - base
    finally:
        tracemalloc.stop()
    return {"value": value, "peak_bytes": peak, "largest_tensor_bytes": largest[0]}


@contextlib.contextmanager
def _watched_tensors() -> Iterator[list[int]]:
    """The size in bytes of the largest tensor that a torch function returns inside the block."""
    largest = [0]
    if "torch" not in sys.modules:
        yield largest
        return
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else (result,):
                if hasattr(tensor, "untyped_storage"):
                    largest[0] = max(largest[0], tensor.untyped_storage().nbytes())
            return result

    with Watch():
        yield largest


def torch_module(answer: Callable, init: Sequence, input_shape: Sequence[int], seed: int = 0) -> dict:
    """Build a torch module, describe its parameters and buffers, and run it on a seeded input."""
    import torch

    torch.manual_seed(seed)
    module = answer(*init)
    if not isinstance(module, torch.nn.Module):
        raise ProbeError(f"expected a torch.nn.Module, got {type(module).__name__}")
    module.eval()
    x = torch.randn(*input_shape, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        y = module(x)
    shapes = {name: list(p.shape) for name, p in module.state_dict().items()}
    return {"output": y, "shapes": shapes, "parameters": sum(p.numel() for p in module.parameters())}


def onnx_model(answer: Callable, args: Sequence = (), kwargs: dict | None = None) -> bytes:
    """Call a function that returns an ONNX model (ModelProto or bytes); its serialised bytes."""
    model = answer(*[_own(a) for a in args], **(kwargs or {}))
    if isinstance(model, bytes):
        return model
    if not hasattr(model, "SerializeToString"):
        raise ProbeError(f"expected an ONNX model, got {type(model).__name__}")
    return model.SerializeToString()


def command_line(answer: Callable, args: Sequence = (), kwargs: dict | None = None) -> list[str]:
    """Call a function that returns a command line (a string or a list of words); its words."""
    line = answer(*[_own(a) for a in args], **(kwargs or {}))
    if isinstance(line, str):
        return shlex.split(line)
    return [str(word) for word in line]


def source(answer: Any) -> str:
    """The source text of the cell that defines the answer, or "" when Python can't find it."""
    import linecache

    try:
        filename = inspect.unwrap(answer).__code__.co_filename
        lines = linecache.getlines(filename)
        return "".join(lines) or inspect.getsource(answer)
    except (AttributeError, TypeError, OSError):
        try:
            return inspect.getsource(answer)
        except (TypeError, OSError):
            return ""


def same_bits(a: Any, b: Any) -> bool:
    """Whether two plain values are identical, array bytes included (NaN equals NaN)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same_bits, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same_bits(a[k], b[k]) for k in a)
    return a == b or (a != a and b != b)


def _own(value: Any) -> Any:
    """A copy that the answer may do with as it likes; the question must not change under a second asking."""
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, list):
        return [_own(v) for v in value]
    if isinstance(value, tuple):
        return tuple(_own(v) for v in value)
    if isinstance(value, dict):
        return {k: _own(v) for k, v in value.items()}
    return value



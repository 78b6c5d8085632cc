"""Probes of chapter 33: functions to trace are made of their source beside the answer, and their calls are counted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .ask import ProbeError, describe_error
from .plain import to_plain

BRANCHLESS = ("clipped", "penalty", "first_k")


@functools.lru_cache(maxsize=512)
def _function(source: str) -> Callable:
    """The function that `source` defines: a lambda, or a def of the name `fn`."""
    names: dict[str, Any] = {"np": np, "nan": float("nan"), "inf": float("inf")}
    if source.startswith("def "):
        exec(compile(source, "<program>", "exec"), names)
        return names["fn"]
    return eval(compile(source, "<program>", "eval"), names)


class _Counted:
    """A function that counts its calls, and those with nothing but Python numbers as arguments."""

    def __init__(self, fn: Callable) -> None:
        self.fn, self.calls, self.with_numbers = fn, 0, 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        self.with_numbers += all(type(a) in (int, float) for a in args)
        return self.fn(*args)


def divergence(answer: Callable, fn: str, traced: str, candidates: Sequence, options: dict | None = None) -> Any:
    """Call the answer with two functions, given as source, and copies of the candidates."""
    own = [c.copy() if isinstance(c, np.ndarray) else c for c in candidates]
    return answer(_function(fn), _function(traced), own, **(options or {}))


def tracer(answer: Callable, fn: str, examples: Sequence, inputs: Sequence, then: Sequence | None = None) -> dict:
    """Trace `fn` at the examples and replay it on each tuple of `inputs`.

    `then` is (source, examples) of a function that the same tracer traces before the replays. Returns the names of
    the operations, the results, and how often the function was called while traced and while replayed.
    """
    counted, thing = _Counted(_function(fn)), answer()
    replay = thing.trace(counted, *examples)
    while_traced = counted.calls
    if then is not None:
        thing.trace(_function(then[0]), *then[1])
    results = [replay(*[v.copy() if isinstance(v, np.ndarray) else v for v in values]) for values in inputs]
    return {"ops": list(replay.ops), "results": results, "calls while traced": while_traced,
            "calls while replayed": counted.calls - while_traced}


def guarded(answer: Callable, fn: str, calls: Sequence, options: dict | None = None) -> list[dict]:
    """Make the answer of `fn` and call it with each tuple of numbers.

    One entry a call: "value" or "error" (type names), `traces` after it, and whether it ran fn ("no", "on proxies", "on
    the numbers", or how often if more than once).
    """
    counted = _Counted(_function(fn))
    thing = answer(counted, **(options or {}))
    steps = []
    for values in calls:
        before, plain = counted.calls, counted.with_numbers
        try:
            told: dict[str, Any] = {"value": to_plain(thing(*values))}
        except (AttributeError, NotImplementedError, NameError):
            raise
        except Exception as error:
            told = {"error": describe_error(error)["types"]}
        ran, on_numbers = counted.calls - before, counted.with_numbers - plain
        how = "no" if ran == 0 else f"{ran} times" if ran > 1 else "on the numbers" if on_numbers else "on proxies"
        steps.append({**told, "traces": thing.traces, "ran fn": how})
    return steps


def branchless(answer: Sequence[Callable], which: str, example: Any, inputs: Sequence, export: bool = False,
               gradients: bool = False) -> dict:
    """One of the three functions: called, traced at the example, and if asked for exported, on each of `inputs`.

    Arrays become float32 tensors. A part that fails is told by the name of its error.
    """
    import torch

    if not isinstance(answer, (tuple, list)) or len(answer) != 3 or not all(map(callable, answer)):
        raise ProbeError("expected three functions, clipped, penalty and first_k")
    fn, threads = answer[BRANCHLESS.index(which)], torch.get_num_threads()
    tensors = [torch.tensor(np.asarray(x), dtype=torch.float32) for x in (example, *inputs)]
    torch.set_num_threads(1)
    try:
        told = {"plain": _results(lambda: fn, tensors[1:]),
                "traced": _results(lambda: torch.jit.trace(fn, tensors[0], check_trace=False), tensors[1:])}
        if export:
            told["exported"] = _results(lambda: _exported(fn, tensors[0]), tensors[1:])
        if gradients:
            told["gradient"] = _results(lambda: functools.partial(_gradient, fn), tensors[1:])
        return told
    finally:
        torch.set_num_threads(threads)


def _results(make: Callable[[], Callable], tensors: Sequence) -> Any:
    from .common import call

    try:
        made = make()
        return [call(made, [x.clone()]) for x in tensors]
    except NotImplementedError:
        raise
    except Exception as error:
        return type(error).__name__


def _exported(fn: Callable, example: Any) -> Callable:
    import logging

    import torch

    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return fn(x)

    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        return torch.export.export(Module(), (example,)).module()
    finally:
        logging.disable(before)


def _gradient(fn: Callable, x: Any) -> Any:
    x = x.clone().requires_grad_()
    fn(x).sum().backward()
    return x.grad

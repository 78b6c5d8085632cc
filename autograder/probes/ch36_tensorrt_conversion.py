"""Probes of chapter 36: a stand-in for TensorRT, made beside the answer from the text that comes with the question."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=4)
def _maker(source: str) -> Callable:
    """`make_module` of the stand-in's source: it needs nothing of the course, so it can be run where that is not."""
    space: dict[str, Any] = {"__name__": "tensorrt_stand_in"}
    exec(compile(source, "<stand-in>", "exec"), space)
    return space["make_module"]


def build(answer: Callable, parts: dict, onnx_bytes: bytes, profile: dict, workspace_bytes: int, fp16: bool) -> dict:
    """What the answer returns for a stand-in without a GPU: its type, the plan that it holds (or None), the calls."""
    trt = _maker(parts["source"])(parts["release"], parts["version"], parts["names"], False)
    ranges = {name: tuple(tuple(shape) for shape in three) for name, three in profile.items()}
    plan = answer(trt, onnx_bytes, ranges, workspace_bytes, fp16)
    return {"type": type(plan).__name__, "plan": _read(plan), "calls": [call[0] for call in trt.calls]}


def refusal(answer: Callable, words: list[str], **question: Any) -> dict:
    """How a build that must fail ends: "RuntimeError", another error's name or None, and which `words` are told."""
    try:
        build(answer, **question)
    except NotImplementedError:
        raise
    except Exception as error:
        name = "RuntimeError" if isinstance(error, RuntimeError) else type(error).__name__
        return {"raised": name, "told": [word for word in words if word in str(error)]}
    return {"raised": None, "told": []}


def _read(plan: Any) -> Any:
    try:
        data = bytes(plan) if isinstance(plan, (bytes, bytearray, memoryview)) else b""
        return json.loads(data[4:]) if data[:4] == b"PLAN" else None
    except ValueError:
        return None

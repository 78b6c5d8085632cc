"""The stand-ins of the three releases, ready for use."""

from __future__ import annotations

import inspect
import json
from typing import Any

from utils.engines.tensorrt_build import stand_in
from utils.engines.tensorrt_build.api_table import FULL_VERSION, api_names


def recording_tensorrt(release: str, gpu: bool = True) -> Any:
    """A stand-in for `import tensorrt` of a release ("8.6", "10.16" or "11.1"): the names it has, and no other.

    `.calls` is the log of what was called, `.messages` what the real logger would have printed. A build returns
    b"PLAN" followed by JSON that says what would have been built, or None where the real builder refuses.
    Without `gpu` its runtime cannot load a plan. Raises ValueError for another release.

    >>> trt = recording_tensorrt("11.1")
    >>> hasattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")
    False
    """
    return stand_in.make_module(release, FULL_VERSION.get(release, ""), api_names(release), gpu)


def stand_in_parts(release: str) -> dict[str, Any]:
    """What is needed to make the same stand-in in a process that has no `utils`: its source, and its names."""
    return {"release": release, "version": FULL_VERSION[release], "names": api_names(release),
            "source": inspect.getsource(stand_in)}


def read_plan(plan: bytes) -> dict[str, Any]:
    """What a stand-in's plan says. ValueError for bytes that no stand-in wrote."""
    head, body = bytes(plan[:4]), bytes(plan[4:])
    if head != b"PLAN":
        raise ValueError(f"plan must be one of a stand-in, got bytes that begin with {head!r}")
    return json.loads(body)

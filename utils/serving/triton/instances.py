"""Instance groups: how many copies of a model one server process runs, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KINDS = ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL")
TWO_ON_CPU = ("onnxruntime", "tensorflow")  # core's SetDefaultInstanceCount


def plan_instances(
    groups: Sequence[Mapping[str, Any]], visible_gpus: int, backend: str
) -> list[tuple[str, int | None]]:
    """The execution instances, sorted: ("gpu", id) for each, ("cpu", None), or ("model", None) for KIND_MODEL.

    Follows core's NormalizeInstanceGroup and ValidateInstanceGroup (triton-inference-server/core,
    src/model_config_utils.cc). `groups` have the optional keys kind, count and gpus; a count below 1 is the default.
    Raises ValueError for an unknown kind, a "gpu id" that is not visible, KIND_GPU without a visible GPU, and gpus
    on a group that runs elsewhere, also one that KIND_AUTO has sent to the CPU.
    """
    placed = []
    for group in groups or [{}]:
        kind, gpus = resolved_kind(group, visible_gpus), list(group.get("gpus") or [])
        if kind != "KIND_GPU" and gpus:
            raise ValueError(f"gpus must be empty for a group of {kind}, got {gpus}")
        count = group.get("count", 0)
        if count < 1:
            count = 2 if kind == "KIND_CPU" and backend in TWO_ON_CPU else 1
        if kind == "KIND_GPU":
            placed += [
                ("gpu", gpu) for gpu in _checked(gpus or list(range(visible_gpus)), visible_gpus) for _ in range(count)
            ]
        else:
            placed += [("cpu" if kind == "KIND_CPU" else "model", None)] * count
    return sorted(placed)


def resolved_kind(group: Mapping[str, Any], visible_gpus: int) -> str:
    """The kind of a group after KIND_AUTO has been decided."""
    kind = group.get("kind", "KIND_AUTO")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind != "KIND_AUTO":
        return kind
    present = all(0 <= gpu < visible_gpus for gpu in group.get("gpus") or [])
    return "KIND_GPU" if visible_gpus and present else "KIND_CPU"


def _checked(gpus: list[int], visible_gpus: int) -> list[int]:
    if not gpus:
        raise ValueError("kind must not be KIND_GPU where no GPUs are available")
    for gpu in gpus:
        if not 0 <= gpu < visible_gpus:
            raise ValueError(
                f"gpus must be visible, got the invalid or unsupported gpu id {gpu} of {visible_gpus} GPUs"
            )
    return gpus

"""What to build: one frozen description that the builder, the memory plan and the trtexec command all read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Precision = Literal["model", "fp16", "bf16"]
Hardware = Literal["none", "ampere+", "sameComputeCapability"]
PRECISIONS, HARDWARE = ("model", "fp16", "bf16"), ("none", "ampere+", "sameComputeCapability")
MIB = 2**20


@dataclass(frozen=True)
class TensorRange:
    """The shapes that one input may have: the smallest, the one that kernels are chosen for, the largest."""

    name: str
    min: Shape
    opt: Shape
    max: Shape

    @property
    def shapes(self) -> tuple[Shape, Shape, Shape]:
        return self.min, self.opt, self.max


Profile = tuple[TensorRange, ...]


@dataclass(frozen=True)
class BuildSpec:
    """An engine to build. Every tuple in `profiles` is one optimization profile, with a range for each input.

    workspace_bytes bounds the scratch memory of a kernel. precision "model" takes the types of the ONNX file,
    "fp16" and "bf16" set the flag of the weakly typed releases. timing_cache is a file, read if it exists and
    written after the build. strongly_typed None leaves it to the release: off before 11, on from 11.
    Raises ValueError for values that no release takes.
    """

    onnx_path: str
    profiles: tuple[Profile, ...] = ()
    workspace_bytes: int = 1 << 30
    precision: Precision = "model"
    timing_cache: str | None = None
    version_compatible: bool = False
    hardware: Hardware = "none"
    optimization_level: int = 3
    strongly_typed: bool | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        if self.hardware not in HARDWARE:
            raise ValueError(f"hardware must be one of {', '.join(HARDWARE)}, got {self.hardware!r}")
        if type(self.workspace_bytes) is not int or self.workspace_bytes < 1:
            raise ValueError(f"workspace_bytes must be a whole number of at least 1, got {self.workspace_bytes!r}")
        if not 0 <= self.optimization_level <= 5:
            raise ValueError(f"optimization_level must lie between 0 and 5, got {self.optimization_level}")
        if self.strongly_typed and self.precision != "model":
            raise ValueError(f"precision must be 'model' in a strongly typed network, got {self.precision!r}")

    @property
    def plan_path(self) -> str:
        """Where the plan belongs: beside the model, with the ending .plan."""
        return os.path.splitext(self.onnx_path)[0] + ".plan"

"""How much device memory an engine will want, before it is built: weights, activations, scratch.

The activations are planned as if nothing were fused, so TensorRT usually needs less; its own report after the build
is the last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from utils.cost.arena import named_uses_from_onnx, plan_arena
from utils.engines.tensorrt_build.build_spec import BuildSpec, Shape
from utils.graphs.static_shapes import make_static

if TYPE_CHECKING:
    from onnx import ModelProto

ALIGN = 256  # bytes; allocations of the CUDA runtime start at multiples of it


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of activations for one set of input shapes, and the offset of each tensor in one block."""

    peak_bytes: int
    sum_bytes: int
    weights_bytes: int
    offsets: dict[str, int]


@dataclass(frozen=True)
class Budget:
    """Device memory of an engine with `contexts` execution contexts for each profile, all in bytes.

    `activation_bytes` has one entry a profile, at its max. `total_bytes` is what the tensors need when each context
    is sized for its own profile; `static_bytes` is the same with TensorRT's default allocation, in which every
    context is sized for the largest profile. `limit_bytes` adds the workspace limit for each context: scratch memory
    that a kernel may want, and most do not.
    """

    weights_bytes: int
    activation_bytes: tuple[int, ...]
    workspace_bytes: int
    contexts: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.contexts * sum(self.activation_bytes)

    @property
    def static_bytes(self) -> int:
        most = max(self.activation_bytes, default=0)
        return self.weights_bytes + self.contexts * len(self.activation_bytes) * most

    @property
    def limit_bytes(self) -> int:
        return self.static_bytes + self.contexts * len(self.activation_bytes) * self.workspace_bytes

    def parts(self) -> dict[str, float]:
        """The share of each term in `total_bytes`, by name; they add up to 1."""
        terms = {"weights": self.weights_bytes}
        terms |= {f"profile {i}": self.contexts * size for i, size in enumerate(self.activation_bytes)}
        return {name: size / max(self.total_bytes, 1) for name, size in terms.items()}

    def as_dict(self) -> dict[str, Any]:
        """The fields and the sums as plain data."""
        sums = {name: getattr(self, name) for name in ("total_bytes", "static_bytes", "limit_bytes")}
        return asdict(self) | sums


def weights_bytes(model: ModelProto) -> int:
    """Bytes of all initializers."""
    from onnx import numpy_helper

    return sum(numpy_helper.to_array(tensor).nbytes for tensor in model.graph.initializer)


def activation_bytes(model: ModelProto, shapes: Mapping[str, Shape], dtype_bytes: int | None = None) -> MemoryPlan:
    """Plan of the activations of `model` at the given input shapes.

    Inputs and outputs count too, weights do not. `dtype_bytes` replaces the bytes of every element (2 for the FP16
    twin). Raises ValueError as `make_static` does, and where a shape stays unknown.
    """
    uses = named_uses_from_onnx(make_static(model, shapes), dtype_bytes)
    plan = plan_arena(list(uses.values()), ALIGN)
    return MemoryPlan(plan.total_bytes, sum(u.size for u in uses.values()), weights_bytes(model),
                      dict(zip(uses, plan.offsets)))


def memory_budget(model: ModelProto, spec: BuildSpec, contexts: int = 1) -> Budget:
    """Memory of an engine of `spec`: the weights once, and the activations of every profile at its max shapes.

    Without a profile the model's own static shapes count. Raises ValueError for contexts < 1.
    """
    if contexts < 1:
        raise ValueError(f"contexts must be at least 1, got {contexts}")
    peaks = tuple(activation_bytes(model, {r.name: r.max for r in profile}).peak_bytes
                  for profile in spec.profiles or ((),))
    return Budget(weights_bytes(model), peaks, spec.workspace_bytes, contexts)

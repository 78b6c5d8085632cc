"""What a network asks of an engine: which operators have to be built in, and how much of it a delegate takes over.

A delegate is the part of an engine that hands supported operators to other hardware: a GPU, a DSP, an NPU. The rest
stays on the CPU, and each change of device costs a synchronisation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from utils.graphs.optimize import support_runs

if TYPE_CHECKING:
    from onnx import ModelProto

MACS_PER_MS = 1e6  # of one GMAC/s


@dataclass(frozen=True)
class Footprint:
    """Operators that a build needs, and its kernels' size against a full build's, in bytes."""

    operators: tuple[str, ...]
    needed_bytes: int
    full_bytes: int

    @property
    def share(self) -> float:
        """The reduced build's share of the full one."""
        return self.needed_bytes / self.full_bytes if self.full_bytes else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def op_footprint(models: Sequence[ModelProto], kernel_bytes: Mapping[str, int]) -> Footprint:
    """The union of all models' operators as a reduced build, like ONNX Runtime's reduced operator configuration.

    `kernel_bytes` holds the size of every kernel of the full build.
    Raises KeyError for an operator that the full build does not have.
    """
    used = sorted({node.op_type for model in models for node in model.graph.node})
    missing = [op for op in used if op not in kernel_bytes]
    if missing:
        raise KeyError(f"kernel_bytes must hold every operator, got none for {', '.join(missing)}")
    return Footprint(tuple(used), sum(kernel_bytes[op] for op in used), sum(kernel_bytes.values()))


def layer_macs(model: ModelProto) -> list[tuple[str, int]]:
    """(operator, multiply-accumulates) of each node of an ONNX model, in order; 0 for operators without any."""
    from utils.cost.flops import count_onnx_macs

    counts = count_onnx_macs(model)["by_node"]
    return [(node.op_type, counts.get(node.name or f"{node.op_type}_{index}", 0))
            for index, node in enumerate(model.graph.node)]


def delegate_coverage(model: ModelProto, supported: Collection[str]) -> float:
    """The share of a model's MACs, not of its nodes, that lies in supported operators; 0.0 without any MACs."""
    layers = layer_macs(model)
    total = sum(macs for _, macs in layers)
    return sum(macs for op, macs in layers if op in supported) / total if total else 0.0


def coverage(
    layers: Sequence[tuple[str, int]], supported: Collection[str], cpu_gmacs: float, npu_gmacs: float, sync_ms: float
) -> tuple[float, float, float]:
    """(share of nodes supported, share of MACs supported, time in ms) of layers (operator, MACs) in their order.

    Each maximal run of supported layers goes to the NPU at `npu_gmacs` GMAC/s, the others run on the CPU at
    `cpu_gmacs`. Start and end are on the CPU, and each change of device costs `sync_ms`. Shares are 0.0 where there
    is nothing to share. Raises ValueError for speeds that are not positive, negative MACs or a negative `sync_ms`.
    """
    if min(cpu_gmacs, npu_gmacs) <= 0:
        raise ValueError(f"cpu_gmacs and npu_gmacs must be positive, got {cpu_gmacs} and {npu_gmacs}")
    if sync_ms < 0 or any(macs < 0 for _, macs in layers):
        raise ValueError("sync_ms and the layers' MACs must not be negative")
    runs = support_runs([op for op, _ in layers], supported)
    on_npu = sum(macs for op, macs in layers if op in supported)
    total = sum(macs for _, macs in layers)
    nodes = sum(run.stop - run.start for run in runs if run.supported)
    visits = sum(run.supported for run in runs)  # there and back each time
    time_ms = on_npu / (npu_gmacs * MACS_PER_MS) + (total - on_npu) / (cpu_gmacs * MACS_PER_MS) + 2 * visits * sync_ms
    return nodes / len(layers) if layers else 0.0, on_npu / total if total else 0.0, time_ms

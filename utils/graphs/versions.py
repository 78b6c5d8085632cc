"""The two versions of an ONNX file, and what an installed runtime accepts.

The IR version says how the file is built, the opset of a domain which definition of each operator counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import onnx
from onnx import ModelProto, TensorProto, helper

# The IR version that came with each opset of the default domain, from onnx's own table: opset 17 -> IR 8.
IR_FOR_OPSET: dict[int, int] = {
    opset: ir for (domain, opset), ir in sorted(helper.OP_SET_ID_VERSION_MAP.items()) if domain == "ai.onnx"
}


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def since_versions(op: str, domain: str = "") -> list[int]:
    """The opsets in which an operator was defined anew, oldest first. Raises KeyError for an unknown operator.

    >>> since_versions("Relu")
    [1, 6, 13, 14]
    """
    schemas = onnx.defs.get_all_schemas_with_history()
    found = sorted(s.since_version for s in schemas if s.name == op and s.domain == _domain(domain))
    if not found:
        raise KeyError(f"op must be an operator of the domain {domain!r}, got {op!r}")
    return found


def operator_count(domain: str = "") -> int:
    """Distinct operator names in a domain of the installed onnx, deprecated ones included."""
    return len({s.name for s in onnx.defs.get_all_schemas_with_history() if s.domain == _domain(domain)})


def function_operators(domain: str = "") -> list[str]:
    """Operators whose newest definition has a body of finer operators: a runtime without a kernel can expand them."""
    schemas = [s for s in onnx.defs.get_all_schemas() if s.domain == _domain(domain)]
    return sorted(s.name for s in schemas if s.has_function or s.has_context_dependent_function)


def required_opset(model: ModelProto) -> dict[str, int]:
    """For each domain that nodes use, the smallest opset with the same definitions of all their operators.

    A model of opset 18 that holds only a Relu means the same at opset 14. Domains that onnx does not know keep the
    version that the model states. Raises ValueError for a node whose domain the model does not import.
    """
    stated = {_domain(entry.domain): entry.version for entry in model.opset_import}
    needed: dict[str, int] = {}
    for node in model.graph.node:
        domain = _domain(node.domain)
        if domain not in stated:
            raise ValueError(f"model must import the domain of every node, got {node.op_type} of {domain!r}")
        try:
            since = onnx.defs.get_schema(node.op_type, stated[domain], domain).since_version
        except onnx.defs.SchemaError:
            since = stated[domain]
        needed[domain] = max(needed.get(domain, 1), since)
    return needed


def choose_versions(
    ops: Mapping[str, int], max_opset: int, max_ir: int, ir_for_opset: Mapping[int, int] | None = None
) -> tuple[int, int]:
    """The highest opset of the table within both limits, and its IR version.

    `ops` maps an operator to the lowest opset that the model may use for it. `ir_for_opset` is `IR_FOR_OPSET` by
    default. Raises ValueError when nothing lies within the limits, or names the first operator (alphabetically)
    that needs more than the opset found.
    """
    table = IR_FOR_OPSET if ir_for_opset is None else ir_for_opset
    allowed = [opset for opset, ir in table.items() if opset <= max_opset and ir <= max_ir]
    if not allowed:
        raise ValueError(f"limits must leave an opset, got max_opset={max_opset} and max_ir={max_ir}")
    opset = max(allowed)
    for op in sorted(ops):
        if ops[op] > opset:
            raise ValueError(f"opset must be at least {ops[op]} for {op}, got {opset} as the highest within the limits")
    return opset, table[opset]


# -- asking the installed runtime ---------------------------------------------------------------


@dataclass(frozen=True)
class RuntimeLimits:
    """What the installed ONNX Runtime loads: highest opset and IR version, and the lowest opset with a Relu kernel."""

    version: str
    min_opset: int
    max_opset: int
    max_ir: int
    opset_message: str
    ir_message: str

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


def probe_model(opset: int, ir_version: int) -> bytes:
    """A model of one Relu with the given versions, also such as onnx itself does not know yet."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version).SerializeToString()


def refusal(opset: int, ir_version: int) -> str:
    """What the installed ONNX Runtime says to a model of these versions; "" if it loads it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        onnxruntime.InferenceSession(probe_model(opset, ir_version), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each kind of failure
        return str(error)
    return ""


def runtime_limits(max_opset: int = 40, max_ir: int = 20) -> RuntimeLimits:
    """Probe the installed ONNX Runtime with tiny models of rising versions, up to the arguments.

    Raises ValueError for limits below 1, EngineUnavailable when onnxruntime is not installed.
    """
    from utils.optional import require

    if max_opset < 1 or max_ir < 1:
        raise ValueError(f"max_opset and max_ir must be at least 1, got {max_opset} and {max_ir}")
    engine = require("onnxruntime", "`pip install onnxruntime`")
    ir = _last_accepted(lambda version: refusal(14, version), range(1, max_ir + 1))
    opsets = {opset: refusal(opset, min(8, ir[0])) for opset in range(1, max_opset + 1)}
    accepted = [opset for opset, message in opsets.items() if not message]
    beyond = opsets.get(max(accepted, default=0) + 1, "")
    return RuntimeLimits(engine.__version__, min(accepted, default=0), max(accepted, default=0), ir[0], beyond, ir[1])


def _last_accepted(ask: Any, versions: Iterable[int]) -> tuple[int, str]:
    """The last version without a refusal, and the refusal of the next one."""
    last = 0
    for version in versions:
        message = ask(version)
        if message:
            return last, message
        last = version
    return last, ""

"""Which values FP16 cannot hold: of one tensor, and of every tensor that a model makes on real inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from utils.numerics.half import fp16_risk

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import ModelProto

Feeds = Mapping[str, np.ndarray]
LOW, HIGH = -40, 24  # exponents of the histogram: beyond FP16's own -24 and 15 on both sides


def fp16_risk_triple(x: ArrayLike) -> tuple[float, float, float]:
    """Fractions (overflow, underflow, subnormal) of all elements of `x` under FP16's round to nearest even.

    Overflow |x| >= 65520, underflow 0 < |x| <= 2^-25, subnormal 2^-25 < |x| < 2^-14. Empty: zeros. NaN: ValueError.
    """
    risk = fp16_risk(x)
    return risk["overflow"], risk["underflow"], risk["subnormal"]


def scan_activations(model: ModelProto, feeds: Feeds | Sequence[Feeds]) -> dict[str, dict]:
    """`fp16_risk` and the largest magnitude of every float tensor that `model` makes, in graph order.

    Runs the FP32 model in ONNX Runtime with every intermediate as an output, on one set of inputs or on several.
    Keys of each entry: overflow, underflow, subnormal (fractions), max_abs, op (the type of the node that makes it).
    """
    from utils.graphs.onnx_tools import expose_outputs, make_session

    made = {name: node.op_type for node in model.graph.node for name in node.output if name}
    session = make_session(expose_outputs(model))
    seen: dict[str, list[np.ndarray]] = {name: [] for name in made}
    for one in [feeds] if isinstance(feeds, Mapping) else feeds:
        for name, value in zip(made, session.run(list(made), dict(one))):
            if isinstance(value, np.ndarray) and value.dtype == np.float32:
                seen[name].append(value.ravel())
    found = {}
    for name, parts in seen.items():
        if parts:
            x = np.concatenate(parts)
            found[name] = {**fp16_risk(x), "max_abs": float(np.abs(x).max(initial=0)), "op": made[name]}
    return found


def nodes_to_keep(model: ModelProto, scan: Mapping[str, Mapping]) -> list[str]:
    """Tensors whose makers should stay FP32: those that overflow, and what the nodes that read them make.

    The reader has to stay too, or its input would be cast to FP16 and overflow there.
    """
    hot = {name for name, risk in scan.items() if risk["overflow"] > 0}
    return [node.output[0] for node in model.graph.node if hot & {*node.input, *node.output}]


def magnitude_histogram(x: ArrayLike, scale_exponent: int = 0) -> dict[str, object]:
    """Histogram of log2 |2^scale_exponent · x| in bins of one power of two, with the fractions that FP16 loses.

    Keys: edges (exponents), share (of all elements, one a bin), zeros (share of exact zeros), overflow, underflow,
    subnormal, normal. Values beyond the axis count in its first or last bin.
    """
    scaled = np.ldexp(np.asarray(x, np.float64).ravel(), scale_exponent)
    risk = fp16_risk(scaled)
    live = np.abs(scaled[scaled != 0])
    exponents = np.clip(np.floor(np.log2(live)), LOW, HIGH - 1).astype(int)
    share = np.bincount(exponents - LOW, minlength=HIGH - LOW) / max(scaled.size, 1)
    zeros = 1 - live.size / max(scaled.size, 1)
    return {"edges": np.arange(LOW, HIGH + 1), "share": share, "zeros": zeros, **risk,
            "normal": 1 - zeros - sum(risk.values())}

"""Integer arithmetic is fast only with a kernel that was written for it: one product, three implementations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.cost.latency import time_interleaved
from utils.numerics.int8 import int_matmul

if TYPE_CHECKING:
    from onnx import ModelProto

A_ZERO = 128


@dataclass(frozen=True)
class SpeedRow:
    """Shortest times of an n x n product in ms, one thread each, and the operator that ONNX Runtime ran."""

    n: int
    fp32_ms: float
    runtime_int8_ms: float
    numpy_int8_ms: float
    operator: str
    exact: bool

    def as_dict(self) -> dict[str, float]:
        """The fields as a plain dict."""
        return asdict(self)


def product_models(n: int, rng: np.random.Generator) -> tuple[ModelProto, ModelProto, dict[str, np.ndarray]]:
    """(FP32 MatMul, MatMulInteger, feeds "a" uint8 and "f" float32) of one n x n product with constant weights.

    The weights have 7 bits, so that sums of two products fit 16 bits on processors without VNNI too.
    """
    from onnx import helper

    from utils.graphs.onnx_tools import make_model

    a, b = rng.integers(0, 256, (n, n)).astype(np.uint8), rng.integers(-64, 64, (n, n)).astype(np.int8)
    as_float = make_model([helper.make_node("MatMul", ["f", "b"], ["y"])], {"f": (n, n)}, {"y": (n, n)},
                          {"b": b.astype(np.float32)})
    as_integer = make_model([helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])],
                            {"a": (np.uint8, (n, n))}, {"y": (np.int32, (n, n))},
                            {"b": b, "za": np.uint8(A_ZERO), "zb": np.int8(0)})
    return as_float, as_integer, {"a": a, "f": a.astype(np.float32) - A_ZERO, "b": b}


def speed_rows(sizes: Sequence[int] = (128, 256, 512), rounds: int = 3, seed: int = 0,
               clock: Callable[[], int] = time.perf_counter_ns) -> list[SpeedRow]:
    """FP32 and INT8 in ONNX Runtime, and `int_matmul` in NumPy, which has no fast library for integers."""
    from utils.graphs.onnx_tools import executed_ops, make_session

    rows = []
    for n in sizes:
        as_float, as_integer, data = product_models(n, np.random.default_rng(seed))
        fp32, int8 = make_session(as_float, optimize=True), make_session(as_integer, optimize=True)
        calls = {"fp32": _call(fp32, "f", data), "runtime": _call(int8, "a", data),
                 "numpy": lambda d=data: int_matmul(d["a"], d["b"], A_ZERO, 0)}
        exact = np.array_equal(calls["runtime"](), calls["numpy"]())
        times = time_interleaved(calls, rounds, warmup=0, clock=clock)
        best = {name: float(ms.min()) for name, ms in times.items()}
        operator = ", ".join(executed_ops(as_integer))
        rows.append(SpeedRow(n, best["fp32"], best["runtime"], best["numpy"], operator, exact))
    return rows


def _call(session: object, name: str, data: dict[str, np.ndarray]) -> Callable[[], np.ndarray]:
    return lambda: session.run(None, {name: data[name]})[0]

"""Exercise 23.mini_runtime: run a graph of nine operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from utils.graphs import runtime

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Array = np.ndarray
Node = tuple[str, list[str], list[str], dict]
Kernels = dict[str, Callable[..., Array]]


# --- a runtime whose kernels can be exchanged ---------------------------------------------------


def _gemm(a: Array, b: Array, c: Array | None = None, alpha: float = 1.0, beta: float = 1.0, transA: int = 0,
          transB: int = 0) -> Array:
    y = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return y if c is None else y + beta * c


def _reshape(x: Array, shape: Array) -> Array:
    return x.reshape([x.shape[i] if n == 0 else int(n) for i, n in enumerate(shape)])


def _softmax(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _flatten(x: Array, axis: int = 1) -> Array:
    rows = 1
    for n in x.shape[:axis]:
        rows *= n
    return x.reshape(rows, -1)


RIGHT: Kernels = {
    "Add": lambda a, b: a + b, "Mul": lambda a, b: a * b, "Relu": lambda x: np.maximum(x, 0), "MatMul": lambda a, b: a @ b,
    "Gemm": _gemm, "Reshape": _reshape, "Transpose": lambda x, perm=None: x.transpose(perm), "Softmax": _softmax,
    "Flatten": _flatten,
}  # fmt: skip


def _run(kernels: Kernels, ordered: bool = False, absent: bool = True,
         after: Callable[[Array], Array] = lambda y: y, unknown: Callable | None = None, writes: bool = False) -> Callable:
    """An answer with these kernels; the other arguments are places of mistakes."""

    def answer(nodes: Sequence[Node], constants: Mapping[str, Array], feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        tensors = feeds if writes else {}
        if writes:
            feeds.update(constants)  # type: ignore[attr-defined]
        else:
            tensors = {**constants, **feeds}
        left = list(nodes)
        while left:
            if unknown is None and any(node[0] not in kernels for node in left):
                raise NotImplementedError(next(node[0] for node in left if node[0] not in kernels))
            node = left[0] if ordered else next(n for n in left if all(name in tensors or name == "" for name in n[1]))
            op, ins, outs, attributes = node
            left.remove(node) if ordered else left.pop(next(i for i, n in enumerate(left) if n is node))
            arrays = [tensors[name] if name or not absent else None for name in ins]
            kernel = kernels.get(op)
            tensors[outs[0]] = after(kernel(*arrays, **attributes) if kernel else unknown(*arrays))
        return [tensors[name] for name in outputs]

    return answer


def _with(**kernels: Callable) -> Callable:
    return _run({**RIGHT, **kernels})


def _gemm_without(*names: str) -> Callable:
    return lambda a, b, c=None, **attributes: _gemm(a, b, c, **{k: v for k, v in attributes.items() if k not in names})


def _gemm_alpha_on_all(a: Array, b: Array, c: Array | None = None, alpha: float = 1.0, beta: float = 1.0, **trans: int) -> Array:
    return alpha * _gemm(a, b, c, 1.0, beta, **trans)


def _overflowing(x: Array, axis: int = -1) -> Array:
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def _softmax_of_all(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max())
    return e / e.sum()


def _relu_in_place(x: Array) -> Array:
    return np.maximum(x, 0, out=x)


def _add_in_place(a: Array, b: Array) -> Array:
    if a.shape == np.broadcast_shapes(a.shape, b.shape):
        a += b
        return a
    return a + b


# --- right answers ------------------------------------------------------------------------------


def _match(nodes: Sequence[Node], constants: Mapping[str, Array], feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
    """Recursion from the outputs, and a match statement."""
    maker = {name: node for node in nodes for name in node[2]}
    done: dict[str, Array] = {**constants, **feeds}
    if strange := [node[0] for node in nodes if node[0] not in RIGHT]:
        raise NotImplementedError(f"no operator {strange[0]}")

    def value(name: str) -> Array:
        if name not in done:
            op, ins, _, at = maker[name]
            x = [value(i) if i else None for i in ins]
            match op:
                case "Add":
                    y = np.add(x[0], x[1])
                case "Mul":
                    y = np.multiply(x[0], x[1])
                case "Relu":
                    y = np.where(x[0] > 0, x[0], np.zeros_like(x[0]))
                case "MatMul":
                    y = np.matmul(x[0], x[1])
                case "Gemm":
                    a = np.swapaxes(x[0], 0, 1) if at.get("transA", 0) else x[0]
                    b = np.swapaxes(x[1], 0, 1) if at.get("transB", 0) else x[1]
                    y = at.get("alpha", 1.0) * np.dot(a, b)
                    if len(x) == 3 and x[2] is not None:
                        y = y + at.get("beta", 1.0) * x[2]
                case "Reshape":
                    target = np.array(x[1])
                    zero = np.flatnonzero(target == 0)
                    target[zero] = np.array(x[0].shape)[zero]
                    y = np.reshape(x[0], tuple(target.tolist()))
                case "Transpose":
                    y = np.transpose(x[0], at.get("perm"))
                case "Softmax":
                    axis = at.get("axis", -1)
                    s = x[0] - np.max(x[0], axis, keepdims=True)
                    y = np.exp(s - np.log(np.exp(s).sum(axis, keepdims=True)))
                case _:
                    axis = at.get("axis", 1)
                    y = x[0].reshape(int(np.prod(x[0].shape[:axis])), int(np.prod(x[0].shape[axis:])))
            done[name] = y
        return done[name]

    return [value(name) for name in outputs]


def _only_needed(nodes: Sequence[Node], constants: Mapping[str, Array], feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
    """Goes back from the outputs: never looks at a node that they do not need."""
    needed, waiting = [], list(outputs)
    while waiting:
        name = waiting.pop()
        made = [node for node in nodes if name in node[2]]
        needed += [node for node in made if node not in needed]
        waiting += [i for node in made for i in node[1]]
    return _run(RIGHT)(needed, constants, feeds, outputs)


def _einsum_gemm(a: Array, b: Array, c: Array | None = None, **at: Any) -> Array:
    left, right = "km" if at.get("transA") else "mk", "nk" if at.get("transB") else "kn"
    y = np.einsum(f"{left},{right}->mn", a, b) * a.dtype.type(at.get("alpha", 1.0))
    return y if c is None else y + c * a.dtype.type(at.get("beta", 1.0))


def _softmax_by_logarithms(x: Array, axis: int = -1) -> Array:
    return np.exp(x - np.logaddexp.reduce(x, axis=axis, keepdims=True))


# --- graphs -------------------------------------------------------------------------------------


def _array(rng: np.random.Generator, *shape: int, dtype: type = np.float32) -> Array:
    return np.round(rng.normal(size=shape), 2).astype(dtype)


class _Builder:
    """A random graph that ends in a matrix or an image; names say nothing about the order."""

    def __init__(self, rng: np.random.Generator, dtype: type) -> None:
        self.rng, self.dtype = rng, dtype
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self.count = 0

    def constant(self, array: Array) -> str:
        name = f"w{len(self.constants)}"
        self.constants[name] = array
        return name

    def weights(self, *shape: int) -> str:
        return self.constant(_array(self.rng, *shape, dtype=self.dtype))

    def node(self, op: str, ins: list[str], **attributes: Any) -> str:
        self.count += 1
        name = f"t{(7 * self.count) % 97}"
        self.nodes.append((op, ins, [name], attributes))
        return name

    def step(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        rng = self.rng
        kind = str(rng.choice(["Add", "Mul", "Relu", "Softmax", "Transpose", "Flatten", "Reshape", "MatMul", "Gemm"]))
        if kind in ("Add", "Mul"):
            return self.node(kind, [x, self.weights(*shape[-1:])] if rng.integers(2) else [x, x]), shape
        if kind == "Relu":
            return self.node(kind, [x]), shape
        if kind == "Softmax":
            axis = {"axis": int(rng.integers(-len(shape), len(shape)))} if rng.integers(3) else {}
            return self.node(kind, [x], **axis), shape
        if kind == "Transpose":
            perm = [int(p) for p in rng.permutation(len(shape))]
            given = {"perm": perm} if rng.integers(2) else {}
            return self.node(kind, [x], **given), tuple(shape[p] for p in (perm if given else range(len(shape))[::-1]))
        if kind == "Flatten" or (kind == "Gemm" and len(shape) != 2):
            axis = int(rng.integers(0, len(shape) + 1))
            rows = int(np.prod(shape[:axis])) if rng.integers(2) else 0
            if not rows:
                return self.node("Flatten", [x]), (shape[0], int(np.prod(shape[1:])))
            return self.node("Flatten", [x], axis=axis), (rows, int(np.prod(shape)) // rows)
        if kind == "Reshape":
            return self.reshape(x, shape)
        if kind == "MatMul":
            n = int(rng.integers(1, 4))
            return self.node(kind, [x, self.weights(shape[-1], n)]), (*shape[:-1], n)
        return self.gemm(x, shape)

    def reshape(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        target = [0, -1] if self.rng.integers(2) else [-1, shape[-1]]
        if len(shape) == 3 and self.rng.integers(2):
            target = [0, 0, shape[2], 1]
        name = self.node("Reshape", [x, self.constant(np.array(target, np.int64))])
        kept = [shape[i] if n == 0 else n for i, n in enumerate(target)]
        rest = int(np.prod(shape)) // abs(int(np.prod(kept)))
        return name, tuple(rest if n == -1 else n for n in kept)

    def gemm(self, x: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        rng, n = self.rng, int(self.rng.integers(1, 4))
        trans_a, trans_b = (int(v) for v in rng.integers(0, 2, 2))
        m, k = shape[::-1] if trans_a else shape
        ins = [x, self.weights(n, k) if trans_b else self.weights(k, n)]
        if rng.integers(3):
            ins.append(self.weights(n) if rng.integers(2) else self.weights(m, 1))
        elif rng.integers(2):
            ins.append("")
        given = {"transA": trans_a, "transB": trans_b, "alpha": float(rng.choice([0.5, 2.0])), "beta": float(rng.choice([0.25, 3.0]))}
        # what has its default may be left out
        return self.node("Gemm", ins, **{k: v for k, v in given.items() if v and rng.integers(4)} | {
            k: given[k] for k in ("transA", "transB") if given[k]}), (m, n)


def _draw(rng: np.random.Generator) -> Case:
    dtype = np.float64 if rng.integers(4) == 0 else np.float32
    builder = _Builder(rng, dtype)
    shape: tuple[int, ...] = tuple(int(n) for n in rng.integers(1, 4, int(rng.choice([2, 2, 3, 4]))))
    feeds = {"x": _array(rng, *shape, dtype=dtype)}
    x = "x"
    for _ in range(int(rng.integers(1, 6))):
        x, shape = builder.step(x, shape)
    names = [outs[0] for _, _, outs, _ in builder.nodes]
    wanted = [x] if rng.integers(2) else [x, str(rng.choice(names))]
    nodes = [builder.nodes[i] for i in rng.permutation(len(builder.nodes))]
    told = ", ".join(dict.fromkeys(op for op, *_ in nodes))
    return Case(nodes, builder.constants, feeds, wanted, label=f"{len(nodes)} nodes ({told})")


def _f(value: Any, dtype: type = np.float32) -> Array:
    return np.array(value, dtype)


def _one(op: str, *arrays: Array, label: str = "", **attributes: Any) -> Case:
    """A single node whose first input is fed and whose others are constants."""
    names = [f"i{k}" for k in range(len(arrays))]
    constants = dict(zip(names[1:], arrays[1:]))
    shapes = ", ".join(str(a.tolist()) if a.size < 5 else f"an array {a.shape}" for a in arrays)
    told = "".join(f", {name}={value}" for name, value in attributes.items())
    return Case([(op, names, ["y"], attributes)], constants, {"i0": arrays[0]}, ["y"], label=label or f"{op}({shapes}){told}")


GEMM = Case([("Gemm", ["a", "b", "c"], ["y"], {"transB": 1})], {"b": _f([[3, 4]]), "c": _f([10])}, {"a": _f([[1, 2]])}, ["y"],
            label="Gemm([[1, 2]], [[3, 4]], [10]), transB=1")
BACKWARDS = Case([("Relu", ["s"], ["y"], {}), ("Add", ["x", "b"], ["s"], {})], {"b": _f([1, -5])}, {"x": _f([[2, 3]])}, ["y", "s"],
                 label="Relu(s) before s = Add([[2, 3]], [1, -5])")
IMAGE = _f(np.arange(24).reshape(2, 3, 2, 2))

mini_runtime = Exercise(
    id="23.mini_runtime", points=5, difficulty=3, minutes=14, idea="a runtime is an order, a table of kernels, and a dict of tensors",
    reference=runtime.mini_runtime,
    cases=[GEMM, BACKWARDS],
    hidden=[_one("Softmax", _f([[1000, 1000, 999], [-1000, 0, 5]])), _one("Softmax", _f([[1, 2], [3, 9]]), axis=0), _one("Softmax", IMAGE),
            _one("Reshape", IMAGE, np.array([0, -1])), _one("Reshape", IMAGE, np.array([0, 6, 0])), _one("Flatten", IMAGE),
            _one("Flatten", IMAGE, axis=2), _one("Flatten", IMAGE, axis=0), _one("Flatten", IMAGE, axis=4), _one("Transpose", IMAGE),
            _one("Transpose", IMAGE, perm=[0, 2, 3, 1]), _one("Gemm", _f([[1, 2]]), _f([[3], [4]]), _f([10]), alpha=2.0),
            _one("Gemm", _f([[1, 2]]), _f([[3], [4]]), _f([10]), beta=0.5), _one("Gemm", _f([[1], [2]]), _f([[3], [4]]), transA=1),
            _one("Gemm", _f([[1, 2], [3, 4]]), _f([[5, 6], [7, 8]]), _f([[1, 2], [3, 4]]), transA=1, transB=1, alpha=0.5, beta=2.0),
            _one("Mul", _f([1.5, 2], np.float64), _f([3, 4], np.float64)), _one("MatMul", IMAGE, _f([[1, 2, 3], [4, 5, 6]])),
            Case([("Gemm", ["a", "b", ""], ["y"], {})], {"b": _f([[3], [4]])}, {"a": _f([[1, 2]])}, ["y"], label="Gemm without C, named \"\""),
            Case([("Relu", ["x"], ["r"], {}), ("Add", ["r", "x"], ["y"], {})], {}, {"x": _f([-1, 2])}, ["y"], label="Add(Relu(x), x)"),
            Case([("Add", ["x", "x"], ["d"], {}), ("Mul", ["x", "d"], ["y"], {})], {}, {"x": _f([3, 2])}, ["y", "d"], label="x · (x + x)")],
    draw=_draw, draws=40, compare=close(1e-4, 1e-5, dtype="same"), pure=True,
    raises=[Case([("Conv", ["x", "w"], ["y"], {})], {"w": _f([[1]])}, {"x": _f([[2]])}, ["y"], error="NotImplementedError", word="Conv"),
            Case([("Relu", ["x"], ["r"], {}), ("Erf", ["r"], ["y"], {})], {}, {"x": _f([2])}, ["y"], error="NotImplementedError", word="Erf"),
            Case([("Relu", ["x"], ["y"], {}), ("Erf", ["x"], ["e"], {})], {}, {"x": _f([2])}, ["y"], error="NotImplementedError", word="Erf",
                 label="Relu, and an Erf that no output needs")],
    misconceptions=[
        Misconception(
            "transb_ignored", _with(Gemm=_gemm_without("transB")),
            "`transB` has no effect. torch stores the weights of a Linear layer as (outputs, inputs) and exports them with transB=1: the product "
            "is with the transpose.",
            "transB is ignored.", also=(_with(Gemm=_gemm_without("transA", "transB")),)),
        Misconception(
            "transa_ignored", _with(Gemm=_gemm_without("transA")),
            "`transA` has no effect. It transposes the first matrix before the product.",
            "transA is ignored."),
        Misconception(
            "alpha_on_c", _with(Gemm=_gemm_alpha_on_all),
            "You multiply C by alpha as well. Alpha belongs to the product alone; beta belongs to C.",
            "alpha is for the product."),
        Misconception(
            "factors_ignored", _with(Gemm=_gemm_without("alpha", "beta")),
            "`alpha` or `beta` has no effect. They are factors of the product and of C, 1.0 unless they are given.",
            "Factors are ignored.", also=(_with(Gemm=_gemm_without("beta")), _with(Gemm=_gemm_without("alpha")))),
        Misconception(
            "zero_is_zero", _with(Reshape=lambda x, shape: x.reshape(shape)),
            "You hand 0 on to NumPy, which makes an axis without elements of it. In ONNX a 0 in the shape copies that dimension from the input.",
            "0 means: as it is."),
        Misconception(
            "overflow", _with(Softmax=_overflowing),
            "e to the power 1000 is infinite, and infinity over infinity is no number. Subtract the maximum along the axis first; the result is the same "
            "on paper.",
            "The exponential overflows."),
        Misconception(
            "softmax_of_all", _with(Softmax=_softmax_of_all),
            "You divide by the sum over the whole array. Softmax sums along one axis, the last one by default.",
            "One axis, not all.", also=(_with(Softmax=lambda x, axis=-1: _softmax(x, -1)), _with(Softmax=lambda x, axis=1: _softmax(x, axis)))),
        Misconception(
            "flatten_to_one_axis", _with(Flatten=lambda x, axis=1: x.reshape(-1)),
            "You make one axis of everything. Flatten makes two: the product of the dimensions before `axis`, and of the rest. With axis 1 the batch stays.",
            "Flatten keeps two axes.", also=(_with(Flatten=lambda x, axis=1: x.reshape(*x.shape[:axis], -1)),
                                             _with(Flatten=lambda x, axis=1: x.reshape(x.shape[0], -1)))),
        Misconception(
            "transpose_of_two", _with(Transpose=lambda x, perm=None: np.swapaxes(x, -1, -2) if perm is None else x.transpose(perm)),
            "Without `perm` you exchange the last two axes, or none. The default reverses all of them.",
            "All axes are reversed.", also=(_with(Transpose=lambda x, perm=None: x if perm is None else x.transpose(perm)),)),
        Misconception(
            "list_order", _run(RIGHT, ordered=True),
            "You run the nodes in the order of the list, and meet a tensor that nobody has made yet. Run a node when all that it reads exists.",
            "The list is not in order."),
        Misconception(
            "absent_input", _run(RIGHT, absent=False),
            "You look up the tensor \"\". An empty name says that this input is absent: C of a Gemm may be.",
            "\"\" is an absent input."),
        Misconception(
            "float64", _run(RIGHT, after=lambda y: y.astype(np.float64)),
            "Your results are float64. They keep the dtype of their inputs: a runtime for float32 models computes in float32.",
            "The dtype is not kept."),
        Misconception(
            "in_place", _with(Relu=_relu_in_place),
            "A kernel writes into its input. That tensor may be a feed of the caller, or be read by another node as well.",
            "An input was overwritten.", also=(_with(Add=_add_in_place), _run(RIGHT, writes=True))),
        Misconception(
            "unknown_skipped", _run(RIGHT, unknown=lambda x, *rest: x),
            "An operator that you do not know is passed over, or fails with a KeyError. Raise NotImplementedError with its name: whoever exported the model "
            "has to know which one it is.",
            "Unknown operators pass.", also=(_only_needed, _run(RIGHT, unknown=lambda *arrays: {}["kernel"]),)),
    ],
    alternatives=[_run(RIGHT), _match, _run({**RIGHT, "Gemm": _einsum_gemm, "Softmax": _softmax_by_logarithms})],
    hints=(
        "Three parts: `tensors = {**constants, **feeds}`; a loop that finds a node whose inputs are all there (or \"\") and removes it; a dict from "
        "operator names to functions.",
        "Kernels whose keyword arguments are called like the attributes can be called as `kernel(*arrays, **attributes)`. Defaults in their signature "
        "are the defaults of ONNX.",
        "Gemm: `y = alpha * (A @ B)`, then `+ beta * C` unless C is None. Reshape: replace each 0 by `x.shape[i]`. Flatten: rows = product of "
        "`x.shape[:axis]`. NumPy keeps float32 with Python numbers as factors.",
    ),
    worth_knowing="The reference executor that comes with ONNX is built the same way: an order, a table of kernels, a dict of results.",
)

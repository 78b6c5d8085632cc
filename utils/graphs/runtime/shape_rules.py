"""Rules of shape inference: from the dtypes and shapes of a node's inputs to those of its outputs.

A rule takes a node's context (see `shapes.NodeContext`) and gives (dtype, shape) for each output. It raises
ValueError where the shapes can't be, and says None for what it can't know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from utils.graphs.protobuf import numpy_dtype
from utils.graphs.runtime.windows import make_window

if TYPE_CHECKING:
    from utils.graphs.runtime.shapes import NodeContext

Dim = int | str | None
Shape = tuple[Dim, ...]
Result = list[tuple[str | None, Shape | None]]
Rule = Callable[["NodeContext"], Result]

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for the operators of these names."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


# -- arithmetic of dimensions -------------------------------------------------------------------


def broadcast_dim(a: Dim, b: Dim) -> Dim:
    """The dimension of two that meet in an elementwise operator. Raises ValueError for 3 against 4."""
    if a == 1 or a == b:
        return b
    if b == 1:
        return a
    if isinstance(a, int) and isinstance(b, int):
        raise ValueError(f"{a} and {b} do not broadcast")
    # A symbol (or nothing known) against n > 1: it must be n or 1, and the result is n either way.
    return a if isinstance(a, int) else b if isinstance(b, int) else None


def broadcast(*shapes: Shape | None) -> Shape | None:
    """NumPy's broadcasting for shapes with symbols; None if a rank is unknown."""
    result: Shape = ()
    for shape in shapes:
        if shape is None:
            return None
        rank = max(len(result), len(shape))
        pairs = zip((1,) * (rank - len(result)) + result, (1,) * (rank - len(shape)) + shape)
        result = tuple(broadcast_dim(a, b) for a, b in pairs)
    return result


def product(dims: Sequence[Dim]) -> Dim:
    """The product of dimensions: a number, a single symbol times 1, or None."""
    count, symbols = 1, []
    for dim in dims:
        if dim is None:
            return None
        if isinstance(dim, int):
            count *= dim
        else:
            symbols.append(dim)
    if not symbols or count == 0:
        return count
    return symbols[0] if len(symbols) == 1 and count == 1 else None


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is outside rank {rank}")
    return axis % rank


# -- elementwise --------------------------------------------------------------------------------


@rule(
    "Relu", "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Sqrt", "Exp", "Log", "Neg", "Abs", "Floor", "Ceil", "Round",
    "Sign", "Not", "Reciprocal", "Softplus", "Erf", "Gelu", "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Clip",
    "Identity", "BatchNormalization", "InstanceNormalization", "Sin", "Cos", "Trilu",
)  # fmt: skip
def _same(c: NodeContext) -> Result:
    return [(c.dtypes[0], c.shapes[0])]


@rule("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "And", "Or", "Xor", "PRelu", "Mod")
def _broadcasting(c: NodeContext) -> Result:
    return [(c.dtypes[0], broadcast(*c.shapes))]


@rule("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "IsNaN")
def _comparison(c: NodeContext) -> Result:
    return [("bool", broadcast(*c.shapes))]


@rule("Where")
def _where(c: NodeContext) -> Result:
    return [(c.dtypes[1], broadcast(*c.shapes))]


@rule("Cast")
def _cast(c: NodeContext) -> Result:
    return [(numpy_dtype(c.attributes["to"]).name, c.shapes[0])]


@rule("Dropout")
def _dropout(c: NodeContext) -> Result:
    return [(c.dtypes[0], c.shapes[0]), ("bool", c.shapes[0])]


@rule("LayerNormalization")
def _layer_normalization(c: NodeContext) -> Result:
    shape, stats = c.shapes[0], None
    if shape is not None:
        axis = _axis(c.attributes.get("axis", -1), len(shape))
        stats = shape[:axis] + (1,) * (len(shape) - axis)
    return [(c.dtypes[0], shape), ("float32", stats), ("float32", stats)]


@rule("QuantizeLinear")
def _quantize(c: NodeContext) -> Result:
    return [(c.dtypes[2] if c.has(2) else "uint8", c.shapes[0])]


@rule("DequantizeLinear")
def _dequantize(c: NodeContext) -> Result:
    return [(c.dtypes[1], c.shapes[0])]


# -- products and windows -----------------------------------------------------------------------


@rule("MatMul")
def _matmul(c: NodeContext) -> Result:
    a, b = c.shapes[:2]
    if a is None or b is None:
        return [(c.dtypes[0], None)]
    if not a or not b:
        raise ValueError("a matrix product needs rank 1 or more")
    rows, columns = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    if isinstance(rows[-1], int) and isinstance(columns[-2], int) and rows[-1] != columns[-2]:
        raise ValueError(f"{rows[-1]} columns against {columns[-2]} rows")
    shape = (broadcast(rows[:-2], columns[:-2]) or ()) + rows[-2:-1] * (len(a) > 1) + columns[-1:] * (len(b) > 1)
    return [(c.dtypes[0], shape)]


@rule("Gemm")
def _gemm(c: NodeContext) -> Result:
    a, b = c.shapes[:2]
    if a is None or b is None:
        return [(c.dtypes[0], None)]
    if len(a) != 2 or len(b) != 2:
        raise ValueError("Gemm multiplies matrices")
    (m, k), (k2, n) = (a[::-1] if c.attributes.get("transA") else a), (b[::-1] if c.attributes.get("transB") else b)
    if isinstance(k, int) and isinstance(k2, int) and k != k2:
        raise ValueError(f"{k} columns against {k2} rows")
    return [(c.dtypes[0], (m, n))]


def _windowed(c: NodeContext, kernel: Sequence[int], channels: Dim) -> Result:
    batch, spatial = c.shapes[0][0], c.shapes[0][2:]  # type: ignore[index]
    if len(kernel) != len(spatial):
        raise ValueError(f"a kernel of rank {len(kernel)} over {len(spatial)} spatial axes")
    out: list[Dim] = []
    names = ("strides", "dilations", "pads")
    options = {name: c.attributes[name] for name in ("auto_pad", "ceil_mode") if name in c.attributes}
    for i, size in enumerate(spatial):  # axis by axis, since some may be unknown
        if not isinstance(size, int):
            out.append(None)
            continue
        given = [c.attributes.get(name) for name in names]
        strides, dilations, pads = given
        one = make_window(
            (size,), (kernel[i],), strides and strides[i : i + 1], dilations and dilations[i : i + 1],
            pads and [pads[i], pads[i + len(kernel)]], **options,
        )  # fmt: skip
        out.append(one.out[0])
    return [(c.dtypes[0], (batch, channels, *out))]


@rule("Conv")
def _conv(c: NodeContext) -> Result:
    x, w = c.shapes[:2]
    if x is None or w is None:
        return [(c.dtypes[0], None)]
    kernel = c.attributes.get("kernel_shape") or w[2:]
    if any(not isinstance(k, int) for k in kernel):
        return [(c.dtypes[0], (x[0], w[0], *(None,) * (len(x) - 2)))]
    group = c.attributes.get("group", 1)
    if isinstance(x[1], int) and isinstance(w[1], int) and x[1] != w[1] * group:
        raise ValueError(f"{x[1]} channels against weights for {w[1] * group}")
    return _windowed(c, kernel, w[0])


@rule("MaxPool", "AveragePool")
def _pool(c: NodeContext) -> Result:
    if c.shapes[0] is None:
        return [(c.dtypes[0], None)]
    result = _windowed(c, c.attributes["kernel_shape"], c.shapes[0][1])
    return [*result, ("int64", result[0][1])]


@rule("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(c: NodeContext) -> Result:
    x = c.shapes[0]
    return [(c.dtypes[0], None if x is None else x[:2] + (1,) * (len(x) - 2))]


@rule("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare")
def _reduce(c: NodeContext) -> Result:
    x, axes, keep = c.shapes[0], c.ints(1, "axes"), c.attributes.get("keepdims", 1)
    if x is None:
        return [(c.dtypes[0], None)]
    if c.has(1) and axes is None:
        return [(c.dtypes[0], (None,) * len(x) if keep else None)]
    if not axes and c.attributes.get("noop_with_empty_axes"):
        return [(c.dtypes[0], x)]
    gone = {_axis(a, len(x)) for a in axes} if axes else set(range(len(x)))
    kept = tuple(1 if i in gone else d for i, d in enumerate(x) if keep or i not in gone)
    return [(c.dtypes[0], kept)]


@rule("ArgMax", "ArgMin")
def _arg_max(c: NodeContext) -> Result:
    x = c.shapes[0]
    if x is None:
        return [("int64", None)]
    axis = _axis(c.attributes.get("axis", 0), len(x))
    return [("int64", x[:axis] + (1,) * c.attributes.get("keepdims", 1) + x[axis + 1 :])]


# -- moving elements ----------------------------------------------------------------------------


@rule("Flatten")
def _flatten(c: NodeContext) -> Result:
    x, axis = c.shapes[0], c.attributes.get("axis", 1)
    if x is None:
        return [(c.dtypes[0], (None, None))]
    axis = axis + len(x) if axis < 0 else axis
    return [(c.dtypes[0], (product(x[:axis]), product(x[axis:])))]


@rule("Reshape")
def _reshape(c: NodeContext) -> Result:
    x, wanted = c.shapes[0], c.values[1] if c.has(1) else None
    if wanted is None:
        rank = c.shapes[1][0] if c.has(1) and c.shapes[1] else None
        return [(c.dtypes[0], (None,) * rank if isinstance(rank, int) else None)]
    target = [d if isinstance(d, str) or d is None else int(d) for d in wanted.ravel()]
    if not c.attributes.get("allowzero"):
        target = [(None if x is None else x[i]) if d == 0 else d for i, d in enumerate(target)]
    if -1 in target:
        at = target.index(-1)
        target[at] = None if x is None else _left_over(x, target[:at] + target[at + 1 :])
        return [(c.dtypes[0], tuple(target))]
    elements, wanted_elements = None if x is None else product(x), product(target)
    if isinstance(elements, int) and isinstance(wanted_elements, int) and elements != wanted_elements:
        raise ValueError(f"{elements} elements do not fit {target}")
    return [(c.dtypes[0], tuple(target))]


def _left_over(x: Shape, others: Sequence[Dim]) -> Dim:
    """What -1 stands for: symbols on both sides cancel, numbers divide."""
    above, below = Counter(d for d in x if isinstance(d, str)), Counter(d for d in others if isinstance(d, str))
    if None in x or None in others or below - above:
        return None
    elements, taken = (product([d for d in dims if isinstance(d, int)]) for dims in (x, others))
    symbols = list((above - below).elements())
    if taken == 0 or elements % taken:  # type: ignore[operator]
        if not symbols:
            raise ValueError(f"{elements} elements do not divide by {taken}")
        return None
    rest = elements // taken  # type: ignore[operator]
    return rest if not symbols else symbols[0] if rest == 1 and len(symbols) == 1 else None


@rule("Transpose")
def _transpose(c: NodeContext) -> Result:
    x = c.shapes[0]
    if x is None:
        return [(c.dtypes[0], None)]
    perm = c.attributes.get("perm") or range(len(x))[::-1]
    if sorted(perm) != list(range(len(x))):
        raise ValueError(f"perm {list(perm)} does not fit rank {len(x)}")
    return [(c.dtypes[0], tuple(x[i] for i in perm))]


@rule("Concat")
def _concat(c: NodeContext) -> Result:
    if any(s is None for s in c.shapes):
        return [(c.dtypes[0], None)]
    rank = len(c.shapes[0])  # type: ignore[arg-type]
    if any(len(s) != rank for s in c.shapes):  # type: ignore[arg-type]
        raise ValueError("all ranks must be equal")
    axis = _axis(c.attributes.get("axis", 1), rank)
    columns = list(zip(*c.shapes))  # type: ignore[arg-type]
    shape = [_agreed(dims) for dims in columns]
    along = columns[axis]
    shape[axis] = sum(along) if all(isinstance(d, int) for d in along) else along[0] if len(along) == 1 else None
    return [(c.dtypes[0], tuple(shape))]


def _agreed(dims: Sequence[Dim]) -> Dim:
    """One dimension that several shapes must share: a number if one knows it."""
    numbers = {d for d in dims if isinstance(d, int)}
    if numbers:
        return numbers.pop()
    return dims[0] if len(set(dims)) == 1 else next((d for d in dims if d is not None), None)


@rule("Split")
def _split(c: NodeContext) -> Result:
    x, n = c.shapes[0], len(c.node.output)
    if x is None:
        return [(c.dtypes[0], None)] * n
    axis = _axis(c.attributes.get("axis", 0), len(x))
    sizes: list[Dim] = list(c.ints(1, "split") or [])
    if not sizes:
        size = x[axis]
        known = isinstance(size, int) and not c.has(1)
        part = -(-size // n) if known else None  # type: ignore[operator]
        sizes = [min(part, size - i * part) for i in range(n)] if known else [None] * n  # type: ignore[operator]
    return [(c.dtypes[0], (*x[:axis], size, *x[axis + 1 :])) for size in sizes]


@rule("Gather")
def _gather(c: NodeContext) -> Result:
    x, indices = c.shapes[:2]
    if x is None or indices is None:
        return [(c.dtypes[0], None)]
    axis = _axis(c.attributes.get("axis", 0), len(x))
    return [(c.dtypes[0], x[:axis] + indices + x[axis + 1 :])]


@rule("GatherElements")
def _gather_elements(c: NodeContext) -> Result:
    return [(c.dtypes[0], c.shapes[1])]


@rule("Slice")
def _slice(c: NodeContext) -> Result:
    x = c.shapes[0]
    if x is None:
        return [(c.dtypes[0], None)]
    starts, ends, axes, steps = c.ints(1, "starts"), c.ints(2, "ends"), c.ints(3, "axes"), c.ints(4)
    if (c.has(3) and axes is None) or starts is None:
        return [(c.dtypes[0], (None,) * len(x))]
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(axes) if not c.has(4) else steps
    shape = list(x)
    for i, axis in enumerate(axes):
        axis, size = _axis(axis, len(x)), shape[axis]
        known = isinstance(size, int) and ends is not None and steps is not None
        shape[axis] = len(range(*slice(starts[i], ends[i], steps[i]).indices(size))) if known else None  # type: ignore
    return [(c.dtypes[0], tuple(shape))]


@rule("Squeeze")
def _squeeze(c: NodeContext) -> Result:
    x, axes = c.shapes[0], c.ints(1, "axes")
    if x is None or (axes is None and (c.has(1) or not all(isinstance(d, int) for d in x))):
        return [(c.dtypes[0], None)]
    gone = {i for i, d in enumerate(x) if d == 1} if axes is None else {_axis(a, len(x)) for a in axes}
    if any(isinstance(x[i], int) and x[i] != 1 for i in gone):
        raise ValueError("only axes of size 1 can be squeezed")
    return [(c.dtypes[0], tuple(d for i, d in enumerate(x) if i not in gone))]


@rule("Unsqueeze")
def _unsqueeze(c: NodeContext) -> Result:
    x, axes = c.shapes[0], c.ints(1, "axes")
    if x is None or axes is None:
        return [(c.dtypes[0], None)]
    rank = len(x) + len(axes)
    new, old = {_axis(a, rank) for a in axes}, iter(x)
    return [(c.dtypes[0], tuple(1 if i in new else next(old) for i in range(rank)))]


@rule("Expand")
def _expand(c: NodeContext) -> Result:
    wanted = c.values[1]
    if c.shapes[0] is None or wanted is None:
        return [(c.dtypes[0], None)]
    target = tuple(d if isinstance(d, str) or d is None else int(d) for d in wanted.ravel())
    return [(c.dtypes[0], broadcast(c.shapes[0], target))]


@rule("Tile")
def _tile(c: NodeContext) -> Result:
    x, repeats = c.shapes[0], c.ints(1)
    if x is None or repeats is None:
        return [(c.dtypes[0], None if x is None else (None,) * len(x))]
    return [(c.dtypes[0], tuple(d if r == 1 else product([d, r]) for d, r in zip(x, repeats)))]


@rule("Pad")
def _pad(c: NodeContext) -> Result:
    x, pads, axes = c.shapes[0], c.ints(1, "pads"), c.ints(3)
    if x is None or pads is None or (c.has(3) and axes is None):
        return [(c.dtypes[0], None if x is None else (None,) * len(x))]
    axes = list(range(len(x))) if axes is None else [_axis(a, len(x)) for a in axes]
    shape = list(x)
    for i, axis in enumerate(axes):
        more, size = pads[i] + pads[i + len(axes)], shape[axis]
        shape[axis] = size + more if isinstance(size, int) else size if more == 0 else None
    return [(c.dtypes[0], tuple(shape))]


@rule("DepthToSpace")
def _depth_to_space(c: NodeContext) -> Result:
    x, b = c.shapes[0], c.attributes["blocksize"]
    if x is None:
        return [(c.dtypes[0], None)]
    channels = x[1] // b**2 if isinstance(x[1], int) else None
    return [(c.dtypes[0], (x[0], channels, product([x[2], b]), product([x[3], b])))]


# -- making arrays ------------------------------------------------------------------------------


@rule("Size")
def _size(c: NodeContext) -> Result:
    return [("int64", ())]


@rule("Shape")
def _shape(c: NodeContext) -> Result:
    return [("int64", (None,))]


@rule("ConstantOfShape")
def _constant_of_shape(c: NodeContext) -> Result:
    value, wanted = c.attributes.get("value"), c.values[0]
    dtype = "float32" if value is None else value.dtype.name
    if wanted is None:
        rank = c.shapes[0][0] if c.shapes[0] else None
        return [(dtype, (None,) * rank if isinstance(rank, int) else None)]
    return [(dtype, tuple(d if isinstance(d, str) or d is None else int(d) for d in wanted.ravel()))]


@rule("Range")
def _range(c: NodeContext) -> Result:
    return [(c.dtypes[0], (None,))]

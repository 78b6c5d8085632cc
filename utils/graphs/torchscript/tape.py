"""A tracer by operator overloading: proxies run a function once and write down each operation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Operand = tuple[str, Any]  # ("input", i), ("node", k) or ("const", value)
Node = tuple[str, tuple[Operand, ...]]  # operation and its operands

BINARY = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
          "matmul": operator.matmul, "pow": operator.pow}  # fmt: skip
COMPARISONS = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq,
               "ne": operator.ne}  # fmt: skip
OPS: dict[str, Callable] = {
    **BINARY, **COMPARISONS, "neg": operator.neg, "abs": operator.abs, "relu": lambda v: np.maximum(v, 0),
    "exp": np.exp, "tanh": np.tanh, "sqrt": np.sqrt, "log": np.log, "maximum": np.maximum, "minimum": np.minimum,
    "where": np.where, "sum": np.sum, "mean": np.mean, "shape": np.shape,
}  # fmt: skip
UFUNCS = {np.add: "add", np.subtract: "sub", np.multiply: "mul", np.true_divide: "div", np.matmul: "matmul",
          np.power: "pow", np.negative: "neg", np.absolute: "abs", np.exp: "exp", np.tanh: "tanh", np.sqrt: "sqrt",
          np.log: "log", np.maximum: "maximum", np.minimum: "minimum", np.less: "lt", np.less_equal: "le",
          np.greater: "gt", np.greater_equal: "ge", np.equal: "eq", np.not_equal: "ne"}  # fmt: skip
FUNCTIONS = {np.where: "where", np.sum: "sum", np.mean: "mean"}


@dataclass
class Tape:
    """What one run did: its operations in order, the truth values that it asked for, and where its result lies.

    nodes: (operation, operands); an operand is ("input", i), ("node", k) or ("const", value).
    guards: (node, value): the run read this node's value in Python, and it was this one.
    """

    n_inputs: int
    nodes: list[Node] = field(default_factory=list)
    guards: list[tuple[int, Any]] = field(default_factory=list)
    result: Operand = ("const", None)

    @property
    def ops(self) -> list[str]:
        """The names of the operations, in order."""
        return [name for name, _ in self.nodes]

    def replay(self, inputs: Sequence[Any], *, guarded: bool = False) -> tuple[bool, Any]:
        """(True, result) on new inputs; with `guarded`, (False, None) at the first guard that does not hold.

        What stands behind a failed guard is not computed: it may be undefined for these inputs.
        Raises ValueError for another number of inputs than were traced.
        """
        if len(inputs) != self.n_inputs:
            raise ValueError(f"inputs must be {self.n_inputs}, as many as were traced, got {len(inputs)}")
        values: list[Any] = []

        def read(operand: Operand) -> Any:
            kind, at = operand
            return inputs[at] if kind == "input" else values[at] if kind == "node" else at

        wanted: dict[int, list[Any]] = {}
        for node, value in self.guards if guarded else ():
            wanted.setdefault(node, []).append(value)
        for k, (name, operands) in enumerate(self.nodes):
            values.append(OPS[name](*map(read, operands)))
            if any(_truth(name, values[k]) != value for value in wanted.get(k, ())):
                return False, None
        return True, read(self.result)

    def without_dead_nodes(self) -> Tape:
        """The nodes on which the result depends; the guards go, as they do in a trace."""
        alive: set[int] = set()
        stack = [self.result]
        while stack:
            kind, at = stack.pop()
            if kind == "node" and at not in alive:
                alive.add(at)
                stack += self.nodes[at][1]
        place = {old: new for new, old in enumerate(sorted(alive))}

        def moved(operand: Operand) -> Operand:
            return ("node", place[operand[1]]) if operand[0] == "node" else operand

        nodes = [(self.nodes[k][0], tuple(map(moved, self.nodes[k][1]))) for k in sorted(alive)]
        return Tape(self.n_inputs, nodes, [], moved(self.result))

    def graph_text(self) -> str:
        """The tape as text in the manner of TorchScript: each value has one name and is assigned once (SSA)."""
        names = [f"%x{i}" for i in range(self.n_inputs)]

        def told(operand: Operand) -> str:
            kind, at = operand
            return names[at] if kind == "input" else f"%{at}" if kind == "node" else f"{at!r}"

        lines = [f"graph({', '.join(names)}):"]
        checks: dict[int, list[Any]] = {}
        for node, value in self.guards:
            checks.setdefault(node, []).append(value)
        for k, (name, operands) in enumerate(self.nodes):
            lines.append(f"  %{k} = aten::{name}({', '.join(map(told, operands))})")
            lines += [f"  guard %{k} is {value!r}" for value in checks.get(k, ())]
        return "\n".join([*lines, f"  return ({told(self.result)})"])


def _truth(name: str, value: Any) -> Any:
    """What Python reads of a node's value: its shape as it is, anything else as a bool."""
    return value if name == "shape" else bool(value)


class Proxy:
    """Stands for a value while a function is traced: carries the example's value and writes down what is done to it."""

    __hash__ = None  # type: ignore[assignment]  # == is recorded, as it is for arrays
    plain_comparisons = False  # whether a comparison gives a plain bool at once

    def __init__(self, tape: Tape, operand: Operand, value: Any) -> None:
        self.tape, self.operand, self.value = tape, operand, value

    def record(self, name: str, *operands: Any) -> Proxy:
        """Compute an operation on the example's values, write it on the tape, and return its proxy."""
        value = OPS[name](*[o.value if isinstance(o, Proxy) else o for o in operands])
        self.tape.nodes.append((name, tuple(o.operand if isinstance(o, Proxy) else ("const", o) for o in operands)))
        return type(self)(self.tape, ("node", len(self.tape.nodes) - 1), value)

    def __bool__(self) -> bool:
        """Here control flow leaves the tape: Python gets the example's answer, and a guard remembers it."""
        asked = self if self.operand[0] == "node" else self.record("ne", self, 0)
        answer = bool(asked.value)
        self.tape.guards.append((asked.operand[1], answer))
        return answer

    @property
    def shape(self) -> tuple[int, ...]:
        """The example's shape as a plain tuple, with a guard: a graph for one shape may be wrong for another."""
        asked = self.record("shape", self)
        self.tape.guards.append((asked.operand[1], asked.value))
        return asked.value

    @property
    def ndim(self) -> int:
        """The number of axes; guarded like the shape."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements; guarded like the shape."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def sum(self) -> Proxy:
        """The sum of all elements."""
        return self.record("sum", self)

    def mean(self) -> Proxy:
        """The mean of all elements."""
        return self.record("mean", self)

    def __neg__(self) -> Proxy:
        return self.record("neg", self)

    def __abs__(self) -> Proxy:
        return self.record("abs", self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or ufunc not in UFUNCS:
            return NotImplemented
        return self.record(UFUNCS[ufunc], *inputs)

    def __array_function__(self, function: Callable, types: Any, args: tuple, options: dict) -> Any:
        if options or function not in FUNCTIONS:
            return NotImplemented
        return self.record(FUNCTIONS[function], *args)

    def _refuse(self, *_: Any) -> Any:
        raise TypeError("a traced value can't become a Python number or array: the example's would be frozen")

    __float__ = __int__ = __index__ = __complex__ = __array__ = __iter__ = _refuse


def _binary(name: str, swapped: bool) -> Callable[[Proxy, Any], Proxy]:
    def method(self: Proxy, other: Any) -> Proxy:
        return self.record(name, other, self) if swapped else self.record(name, self, other)

    return method


def _comparison(name: str) -> Callable[[Proxy, Any], Any]:
    def method(self: Proxy, other: Any) -> Any:
        found = self.record(name, self, other)
        return bool(found) if self.plain_comparisons else found

    return method


for _name in BINARY:
    _stem = "truediv" if _name == "div" else _name
    setattr(Proxy, f"__{_stem}__", _binary(_name, swapped=False))
    setattr(Proxy, f"__r{_stem}__", _binary(_name, swapped=True))
for _name in COMPARISONS:
    setattr(Proxy, f"__{_name}__", _comparison(_name))


def relu(x: Any) -> Any:
    """max(x, 0) of a number, an array or a proxy."""
    return x.record("relu", x) if isinstance(x, Proxy) else OPS["relu"](x)


def record(fn: Callable, examples: Sequence[Any], proxy: type[Proxy] = Proxy) -> tuple[Tape, Any]:
    """Run `fn` once on proxies of the examples; the tape with its guards, and the result of this run.

    fn must return one value: a number, an array or what it computed of its arguments. Raises TypeError for a list,
    tuple or dict as its result; what fn raises goes on to the caller.
    """
    tape = Tape(len(examples))
    result = fn(*[proxy(tape, ("input", i), value) for i, value in enumerate(examples)])
    if isinstance(result, (list, tuple, dict)):
        raise TypeError(f"fn must return one value, got a {type(result).__name__}")
    if not isinstance(result, Proxy):
        tape.result = ("const", result)
        return tape, result
    tape.result = result.operand
    return tape, result.value


class TracedFunction:
    """The operations of one run, to be replayed on other inputs: right there only if they would do the same."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    @property
    def ops(self) -> list[str]:
        """The names of the operations, in order."""
        return self.tape.ops

    def __call__(self, *inputs: Any) -> Any:
        return self.tape.replay(inputs)[1]

    def graph_text(self) -> str:
        """The graph in the manner of TorchScript."""
        return self.tape.graph_text()


def trace(fn: Callable, *examples: Any) -> TracedFunction:
    """Record the operations of fn(*examples) (floats or NumPy arrays), as torch.jit.trace does for tensors.

    Branches, loop counts and shapes are frozen as the examples have them. Operations that lead nowhere are dropped.

    >>> doubled = trace(lambda x: x * 2 + 1 if x > 0 else 3 - x, 2.0)
    >>> doubled.ops, doubled(-2.0)
    (['mul', 'add'], -3.0)
    """
    return TracedFunction(record(fn, examples)[0].without_dead_nodes())

"""Exercise 33.tiny_tracer: a tracer by operator overloading."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.graphs import torchscript

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception
from . import programs

ARITHMETIC = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
COMPARISONS = {name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")}
BRANCH = "lambda x: x * 2 + 1 if x > 0 else 3 - x"
DOUBLING = "def fn(x):\n    while x < 100:\n        x = x * 2\n    return x"


def _case(fn: str, examples: Sequence, inputs: Sequence, label: str = "", then: Sequence | None = None) -> Case:
    shown = f"{' '.join(fn.split())}; traced at {brief(tuple(examples))}, replayed at {', '.join(brief(tuple(i)) for i in inputs)}"
    return Case(fn=fn, examples=list(examples), inputs=[tuple(i) for i in inputs], then=then, label=label or shown)


def _tracer(*, reflected: str = "right", store: str = "places", constants: str = "constants", result: str = "any",
            name_comparisons: bool = False, tape_of: Callable = lambda tracer, nodes: nodes, ops_of: Callable | None = None,
            replay_of: Callable = lambda fn, replay: replay) -> type:
    """A tracer with one rule replaced; with its defaults it is right."""

    class Tracer:
        def __init__(self) -> None:
            self.nodes: list = []

        def trace(self, fn: Callable, *examples: float) -> Callable:
            nodes = self.nodes = []

            class Proxy:
                __hash__ = None

                def __init__(self, place: int, value: Any) -> None:
                    self.place, self.value = place, value

            def value_of(o: Any) -> Any:
                return o.value if isinstance(o, Proxy) else o

            def recorded(name: str, function: Callable, swap: bool = False) -> Callable:
                def method(*operands: Any) -> Proxy:
                    operands = operands[::-1] if swap else operands
                    nodes.append((name, function, operands))
                    return Proxy(len(examples) + len(nodes) - 1, function(*map(value_of, operands)))

                return method

            def compared(name: str, function: Callable) -> Callable:
                def method(a: Proxy, b: Any) -> bool:
                    if name_comparisons:
                        nodes.append((name, function, (a, b)))
                    return function(a.value, value_of(b))

                return method

            for name, function in ARITHMETIC.items():
                setattr(Proxy, f"__{name}__", recorded(name, function))
                if reflected != "missing":
                    setattr(Proxy, f"__r{name}__", recorded(name, function, swap=reflected == "right"))
            Proxy.__neg__ = recorded("neg", operator.neg)
            for name, function in COMPARISONS.items():
                setattr(Proxy, f"__{name}__", compared(name, function))
            found = fn(*[Proxy(i, x) for i, x in enumerate(examples)])

            def replay(*inputs: Any) -> Any:
                values = list(inputs)

                def read(o: Any) -> Any:
                    if not hasattr(o, "place"):
                        return inputs[0] if constants == "inputs" else o
                    return o.value if store == "values" else values[o.place]

                for _, function, operands in tape_of(self, nodes):
                    values.append(function(*map(read, operands)))
                return values[found.place] if result == "proxies only" else read(found)

            replay = replay_of(fn, replay)
            if replay is fn:
                def replay(*inputs: Any) -> Any:
                    return fn(*inputs)
            replay.ops = ops_of(nodes, found, Proxy, len(examples)) if ops_of else [name for name, _, _ in nodes]
            return replay

    return Tracer


def _walk_the_result(nodes: list, found: Any, proxy: type, n_inputs: int) -> list[str]:
    """The operations of the result's tree: a value that is used twice is walked twice, at most 200 of them."""
    ops: list[str] = []

    def walk(o: Any) -> None:
        if not isinstance(o, proxy) or o.place < n_inputs or len(ops) > 200:
            return
        name, _, operands = nodes[o.place - n_inputs]
        for operand in operands:
            walk(operand)
        ops.append(name)

    walk(found)
    return ops


class _Closures:
    """Each proxy carries a function of the inputs; a dict keeps what a replay has computed already."""

    def trace(self, fn: Callable, *examples: float) -> Callable:
        order: list[Sym] = []

        class Sym:
            def __init__(self, value: Any, run: Callable[[dict], Any], name: str = "") -> None:
                self.value, self.run, self.name = value, run, name

            def at(self, known: dict) -> Any:
                if id(self) not in known:
                    known[id(self)] = self.run(known)
                return known[id(self)]

            def __add__(self, o: Any) -> Any:
                return make("add", lambda a, b: a + b, self, o)

            def __radd__(self, o: Any) -> Any:
                return make("add", lambda a, b: a + b, o, self)

            def __sub__(self, o: Any) -> Any:
                return make("sub", lambda a, b: a - b, self, o)

            def __rsub__(self, o: Any) -> Any:
                return make("sub", lambda a, b: a - b, o, self)

            def __mul__(self, o: Any) -> Any:
                return make("mul", lambda a, b: a * b, self, o)

            def __rmul__(self, o: Any) -> Any:
                return make("mul", lambda a, b: a * b, o, self)

            def __neg__(self) -> Any:
                return make("neg", lambda a: -a, self)

        def plain(o: Any) -> Any:
            return o.value if isinstance(o, Sym) else o

        def make(name: str, function: Callable, *operands: Any) -> Sym:
            def run(known: dict) -> Any:
                return function(*[o.at(known) if isinstance(o, Sym) else o for o in operands])

            order.append(Sym(function(*map(plain, operands)), run, name))
            return order[-1]

        for name, function in COMPARISONS.items():
            setattr(Sym, f"__{name}__", lambda a, b, function=function: bool(function(plain(a), plain(b))))
        inputs = [Sym(x, lambda known: None) for x in examples]
        found = fn(*inputs)

        def replay(*values: Any) -> Any:
            known = {id(s): v for s, v in zip(inputs, values)}
            return found.at(known) if isinstance(found, Sym) else found

        replay.ops = [s.name for s in order]
        return replay


class _Lines:
    """The tape is a Python program of one line an operation, which is compiled."""

    def trace(self, fn: Callable, *examples: float) -> Callable:
        lines, names = [], []
        signs = {"add": "+", "sub": "-", "mul": "*"}

        class Variable:
            __hash__ = None

            def __init__(self, name: str, value: Any) -> None:
                self.name, self.value = name, value

        def text(o: Any) -> str:
            return o.name if isinstance(o, Variable) else f"({o!r})"

        def value(o: Any) -> Any:
            return o.value if isinstance(o, Variable) else o

        def line(name: str, right_side: str, computed: Any) -> Variable:
            names.append(name)
            lines.append(f"    t{len(lines)} = {right_side}")
            return Variable(f"t{len(lines) - 1}", computed)

        def both(name: str, a: Any, b: Any) -> Variable:
            return line(name, f"{text(a)} {signs[name]} {text(b)}", ARITHMETIC[name](value(a), value(b)))

        for name in signs:
            setattr(Variable, f"__{name}__", lambda a, b, name=name: both(name, a, b))
            setattr(Variable, f"__r{name}__", lambda a, b, name=name: both(name, b, a))
        Variable.__neg__ = lambda a: line("neg", f"-{a.name}", -a.value)
        for name, function in COMPARISONS.items():
            setattr(Variable, f"__{name}__", lambda a, b, function=function: function(a.value, value(b)))
        arguments = [f"x{i}" for i in range(len(examples))]
        found = fn(*[Variable(n, x) for n, x in zip(arguments, examples)])
        space: dict[str, Any] = {}
        exec("\n".join([f"def replay({', '.join(arguments)}):", *lines, f"    return {text(found)}"]), space)
        space["replay"].ops = names
        return space["replay"]


def _draw(rng: np.random.Generator) -> Case:
    """A random function of one or two numbers, traced at one point and replayed at four."""
    names = ("x",) if rng.random() < 0.5 else ("x", "y")
    body = programs.branching(rng, names, int(rng.integers(0, 3))) if rng.random() < 0.6 else programs.expression(rng, 4, names)
    if rng.random() < 0.25:
        body = f"(lambda z: z {rng.choice(['+', '-', '*'])} z)({body})"
    points = [programs.numbers(rng, len(names)) for _ in range(5)]
    return _case(f"lambda {', '.join(names)}: {body}", points[0], points[1:])


def _show(value: Any) -> str:
    """A replay in short: its operations and its results."""
    if not isinstance(value, dict):
        return brief(value)
    calls = value["calls while traced"], value["calls while replayed"]
    told = "" if calls == (1, 0) else f"; fn called {calls[0]} times, in replay {calls[1]}"
    return f"ops {brief(value['ops'], 50)}; results {brief(value['results'], 60)}{told}"


A3 = np.array([-1.0, 0.5, 4.0])

tiny_tracer = Exercise(
    id="33.tiny_tracer", points=6, difficulty=3, minutes=20, idea="a graph is what a run leaves behind",
    names=("TinyTracer",), reference=torchscript.TinyTracer, probe="ch33_torchscript.tracer", compare=close(1e-9), show=_show,
    cases=[_case(BRANCH, [2.0], [[5.0], [-2.0]]), _case(DOUBLING, [3.0], [[50.0]]), _case("lambda x, y: 3 - x * y - 2", [1.0, 1.0], [[2.0, 5.0]]),
           _case("lambda x: 7", [1.0], [[3.0]])],
    hidden=[
        _case("lambda x: 3 - x", [1.0], [[10.0]]), _case("lambda x: x - 3", [1.0], [[10.0]]), _case("lambda x: 2 * x + (x * 3 - (1 + x))", [1.5], [[4], [-2]]),
        _case("lambda x: x", [1.0], [[3.0]]), _case("lambda x, y: y", [1.0, 2.0], [[3.0, 4.0]]), _case("lambda x: -x", [2], [[3]]),
        _case("lambda x: 2.5", [1.0], [[3.0], [4.0]]), _case("lambda x, y: -(x - y) * -(y + x)", [1, 2], [[5, 7]]),
        _case("lambda x: (lambda z: z + z)(x * x)", [3.0], [[5.0]]), _case("lambda x: (lambda z: z * z - z)(x + 1)", [3.0], [[5.0]]),
        _case("def fn(x):\n    for _ in range(12):\n        x = x + x\n    return x", [1.0], [[3]], label="x = x + x, twelve times"),
        _case("def fn(x):\n    x * 9\n    return x + 1", [2.0], [[4.0]]), _case("def fn(x, y):\n    unused = y - x\n    return x * 2", [2.0, 3.0], [[4.0, 5.0]]),
        _case("lambda x: x * 2 if x == 3 else x", [3], [[4]]), _case("lambda x: x * 2 if x != 3 else x", [3], [[4]]),
        _case("lambda x: x * 2 if x >= 3 else -x", [3.0], [[1.0]]), _case("lambda x: x * 2 if x <= 3 else -x", [3.0], [[9.0]]),
        _case("lambda x: x * 2 if x < 3 else -x", [3.0], [[1.0]]), _case("lambda x: x * 2 if x > 3 else -x", [3.0], [[9.0]]),
        _case("lambda x, y: x - y if x < y else y - x", [1.0, 2.0], [[5.0, 3.0]]), _case("lambda x: x + 1 if 2 < x else x - 1", [3.0], [[0.0]]),
        _case("lambda x: x + 1 if (x > 0) is True else x", [3.0], [[1.0]]), _case("lambda x: x + 1 if (x > 0) is False else x", [-3.0], [[1.0]]),
        _case("lambda x: x * 2 + 1 if x - 4 > 0 else 3 - x", [5.0], [[1.0]]), _case("lambda x: max(x, 0) * 3", [2.0], [[-1.0]]),
        _case("lambda x: 3 - x * 2", [1.0], [[A3]]), _case("lambda x, y: (x - 1) * y", [1.0, 2.0], [[A3, A3 * 2]]),
        _case("lambda x: x * 2", [1.0], [[4.0]], then=["lambda x: x - 5 + x", [1.0]], label="a second function is traced before the first is replayed"),
        _case("lambda x, y: x + 0 * y", [1.0, 1.0], [[4.0, 2.0]]), _case("lambda x: 0 - x", [2.0], [[5.0]]),
        _case("lambda x: 0", [2.0], [[5.0]]), _case(DOUBLING, [200.0], [[3.0]]), _case("lambda x, y, z: x * y - z", [1.0, 2.0, 3.0], [[4.0, 5.0, 6.0]]),
    ],
    draw=_draw, draws=25,
    misconceptions=[
        Misconception(
            "no_reflected_operators", _tracer(reflected="missing"),
            "Your proxy lacks an operator that fn uses. For `3 - x` Python asks 3 first, which does not know the proxy, and then the proxy for "
            "__rsub__: each binary operator needs its reflected form too.", "An operator is missing."),
        Misconception(
            "reflected_not_swapped", _tracer(reflected="unswapped"),
            "Your __rsub__ records x - 3 where the function says 3 - x. In a reflected method `self` is the right operand.", "The operands are swapped."),
        Misconception(
            "calls_fn", _tracer(replay_of=lambda fn, replay: fn),
            "Your replay calls fn again. Then it takes the branch of the new input, and needs Python: that is no trace. Replay the recorded "
            "operations.", "That is not a trace."),
        Misconception(
            "stores_values", _tracer(store="values"),
            "Your tape holds the example's numbers, so the replay gives the example's result for every input. Write down where an operand comes "
            "from: which input, or which earlier operation.", "Values instead of references."),
        Misconception(
            "constants_are_inputs", _tracer(constants="inputs"),
            "On replay you read an input where the function had a constant. The 2 in x * 2 stays 2, whatever x is.", "A constant is no input."),
        Misconception(
            "walks_the_result", _tracer(ops_of=_walk_the_result),
            "You collect the operations from the result's tree. A value that is used twice appears twice in it, and one that is not used is "
            "missing. Write each operation down when it happens.", "A tree is not a tape."),
        Misconception(
            "one_tape_for_all", _tracer(tape_of=lambda tracer, nodes: tracer.nodes),
            "Your replay reads the tracer's tape. After a second trace() that is another one, and the first replay does the second's operations. "
            "Give each replay the tape that it was made of.", "The tape was replaced."),
        Misconception(
            "comparisons_recorded", _tracer(name_comparisons=True),
            "You list comparisons among the operations. Here they give a plain bool and leave nothing: that is how tracing loses control flow.",
            "A comparison leaves no trace."),
        Misconception(
            "constant_result", _tracer(result="proxies only"),
            "Your replay takes the result for a proxy. A function may return a constant: give it back as it is.", "The result may be a constant."),
    ],
    alternatives=[_tracer(), _Closures, _Lines],
    hints=(
        "A proxy needs two things: the example's value, to compute on and to compare, and its place: which input or which operation it is.",
        "Let one list of values grow during replay: the inputs first, then each operation's result. A place is an index in it.",
        "The twelve methods look alike. `setattr(Proxy, \"__radd__\", …)` in a loop over names and functions of the module `operator` makes them.",
    ),
    worth_knowing="JAX, torch.fx and torch.jit.trace all record this way; what differs is what they do at a comparison.",
)

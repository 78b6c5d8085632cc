"""Exercise 34.fold: what depends on constants alone is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.graphs import optimize

from ...compare import brief, close, prop
from ...exercise import Case, Exercise, Misconception

Node = tuple[str, list[str], str, dict]


def _arithmetic(op: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if op == "Div" and a.dtype.kind in "iu":
        sign = np.sign(a) * np.sign(b)
        return (sign * (np.abs(a) // np.abs(b))).astype(a.dtype)
    return {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}[op](a, b)


def _compute(op: str, values: list[np.ndarray], attrs: dict) -> np.ndarray:
    """One operator, as a chain of conditions."""
    first = values[0]
    if op in ("Add", "Sub", "Mul", "Div"):
        return _arithmetic(op, first, values[1])
    if op == "Concat":
        return np.concatenate(values, attrs["axis"])
    if op == "Gather":
        axis = attrs.get("axis", 0) % first.ndim
        return first[(slice(None),) * axis + (values[1],)]
    if op == "Unsqueeze":
        axes = {axis % (first.ndim + len(attrs["axes"])) for axis in attrs["axes"]}
        sizes = iter(first.shape)
        return first.reshape([1 if i in axes else next(sizes) for i in range(first.ndim + len(axes))])
    if op == "Cast":
        return first.astype(np.dtype(attrs["to"]))
    if op == "Reshape":
        target = [first.shape[i] if size == 0 else size for i, size in enumerate(values[1].tolist())]
        return first.reshape(target)
    return first.transpose(attrs["perm"] if "perm" in attrs else range(first.ndim)[::-1])


def _answer(compute: Callable = _compute, *, random: bool = False, outputs_too: bool = False, unused: bool = False, limit: str = "above",
            chain: bool = True, keep_known: bool = False, alive: bool = False) -> Callable:
    """A folder with one mistake; with its defaults it is right."""

    def answer(nodes: list[Node], constants: dict, outputs: list[str], max_bytes: int = 1 << 20) -> tuple[list, dict]:
        known = dict(constants)
        given = set(constants)
        kept = []
        for node in nodes:
            op, inputs, output, attrs = node
            ready = all(name in (known if chain else given) for name in inputs)
            if not ready or (op == "RandomNormal" and not random) or (output in outputs and not outputs_too):
                kept.append(node)
                continue
            if op == "RandomNormal":
                known[output] = np.zeros(attrs["shape"], np.float32)
                continue
            value = np.asarray(compute(op, [known[name] for name in inputs], attrs))
            over = {"above": value.nbytes > max_bytes, "from": value.nbytes >= max_bytes, "never": False,
                    "elements": value.size > max_bytes}[limit]
            if over:
                kept.append(node)
                if not keep_known:
                    continue
            known[output] = value
        used = {name for _, inputs, _, _ in kept for name in inputs} | (set(outputs) if outputs_too else set())
        left = known if unused else {name: value for name, value in known.items() if name in used}
        if alive:  # takes dead nodes out as well
            needed = set(outputs)
            for node in kept[::-1]:
                if node[2] in needed:
                    needed |= set(node[1])
            kept = [node for node in kept if node[2] in needed]
            left = {name: value for name, value in left.items() if any(name in node[1] for node in kept)}
        return kept, left

    return answer


def _instead(wrong_op: str, wrong: Callable) -> Callable:
    """The right operators but one."""
    return _answer(lambda op, values, attrs: (wrong if op == wrong_op else lambda v, a: _compute(op, v, a))(values, attrs))


def _floor(values: list, attrs: dict) -> np.ndarray:
    a, b = values
    return a // b if a.dtype.kind in "iu" else a / b


def _literal_reshape(values: list, attrs: dict) -> np.ndarray:
    try:
        return values[0].reshape(values[1].tolist())
    except ValueError:
        return values[0]


def _axes_one_by_one(values: list, attrs: dict) -> np.ndarray:
    result = values[0]
    for axis in attrs["axes"]:
        result = np.expand_dims(result, axis)
    return result


def _in_float64(op: str, values: list, attrs: dict) -> np.ndarray:
    widened = [v.astype(np.float64) if op in ("Add", "Sub", "Mul", "Div") else v for v in values]
    return _compute(op, widened, attrs)


# --- right answers --------------------------------------------------------------------------------


def _unsqueeze(v: list, a: dict) -> np.ndarray:
    return np.expand_dims(v[0], tuple(a["axes"]))


_TABLE = {
    "Add": lambda v, a: v[0] + v[1], "Sub": lambda v, a: v[0] - v[1], "Mul": lambda v, a: v[0] * v[1],
    "Div": lambda v, a: v[0] / v[1] if v[0].dtype.kind == "f" else np.trunc(v[0] / v[1]).astype(v[0].dtype),
    "Concat": lambda v, a: np.concatenate(v, axis=a["axis"]), "Gather": lambda v, a: np.take(v[0], v[1], a.get("axis", 0)),
    "Unsqueeze": _unsqueeze, "Cast": lambda v, a: v[0].astype(a["to"]), "Transpose": lambda v, a: np.transpose(v[0], a.get("perm")),
    "Reshape": lambda v, a: np.reshape(v[0], [d or v[0].shape[i] for i, d in enumerate(v[1])]),
}


def _with_a_table(nodes: list[Node], constants: dict, outputs: list[str], max_bytes: int = 1 << 20) -> tuple[list, dict]:
    values, rest = {**constants}, []
    for node in nodes:
        op, inputs, output, attrs = node
        done = False
        if op in _TABLE and output not in outputs and values.keys() >= set(inputs):
            result = _TABLE[op]([values[i] for i in inputs], attrs)
            if result.nbytes <= max_bytes:
                values[output], done = result, True
        if not done:
            rest.append(node)
    return rest, {k: v for k, v in values.items() if any(k in node[1] for node in rest)}


def _lazily(nodes: list[Node], constants: dict, outputs: list[str], max_bytes: int = 1 << 20) -> tuple[list, dict]:
    """First which nodes could go, then their values, on demand."""
    maker = {node[2]: node for node in nodes}
    memo: dict[str, Any] = {name: np.asarray(value) for name, value in constants.items()}

    def value(name: str) -> np.ndarray | None:
        if name not in memo:
            op, inputs, _, attrs = maker.get(name, ("RandomNormal", [], name, {}))
            found = None
            if op != "RandomNormal" and name not in outputs:
                parts = [value(i) for i in inputs]
                found = None if any(p is None for p in parts) else _compute(op, parts, attrs)
                found = None if found is None or found.nbytes > max_bytes else found
            memo[name] = found
        return memo[name]

    kept = [node for node in nodes if value(node[2]) is None]
    return kept, {name: value(name) for node in kept for name in node[1] if value(name) is not None}


# --- cases ----------------------------------------------------------------------------------------


def _f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def _i(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def _s(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def _one(op: str, values: list[np.ndarray], attrs: dict) -> Case:
    """One operator on constants; an Add with x keeps its result in use."""
    names = [f"k{n}" for n in range(len(values))]
    return _case([(op, names, "c", attrs), ("Add", ["x", "c"], "y", {})], dict(zip(names, values)), ["y"])


def _case(nodes: list[Node], constants: dict, outputs: list[str], *limit: int, label: str = "") -> Case:
    ops = ", ".join(f"{op}({', '.join(inputs)}) → {output}" for op, inputs, output, _ in nodes)
    told = ", ".join(f"{k}={brief(v, 24)}" for k, v in constants.items())
    text = label or f"{ops}; {told}; outputs {', '.join(outputs)}" + (f"; max_bytes {limit[0]}" if limit else "")
    return Case(args=[nodes, constants, outputs, *limit], label=text if len(text) < 150 else text[:149] + "…")


_A = np.arange(-6, 6, dtype=np.float32).reshape(2, 3, 2)
_RANDOM = [("RandomNormal", [], "r", {"shape": [2]}), ("Mul", ["r", "k"], "s", {}), ("Add", ["k", "k"], "d", {}),
           ("Add", ["s", "d"], "y", {})]
_BIG = [("Add", ["a", "b"], "c", {}), ("Mul", ["c", "two"], "d", {}), ("Add", ["x", "d"], "y", {})]
_BIG_CONSTANTS = {"a": np.ones((4, 1), np.float32), "b": np.ones((1, 4), np.float32), "two": _s(2)}

_MIB = [("Add", ["a", "b"], "c", {}), ("Add", ["x", "c"], "y", {})]


def _mib(n: int) -> dict:
    """Constants whose sum has 4,096 bytes for each of n."""
    return {"a": np.ones((1024, 1), np.float32), "b": np.arange(n, dtype=np.float32)}


_SHAPES = ("Reshape", "Transpose", "Unsqueeze", "Gather", "Concat", "Cast")


def _draw(rng: np.random.Generator) -> Case:
    """A graph of constant arithmetic with some nodes that depend on x or on noise."""
    constants = {"f0": rng.integers(-8, 9, (2, 3)).astype(np.float32) / 4, "f1": rng.integers(1, 9, (3,)).astype(np.float32) / 2,
                 "i0": rng.integers(-9, 10, (2, 3)), "i1": rng.integers(1, 6, (3,)) * rng.choice([-1, 1]), "unused": _f(7)}
    known, open_, nodes = dict(constants), ["x"], []
    for n in range(int(rng.integers(4, 10))):
        out, roll = f"t{n}", rng.random()
        if roll < 0.08:
            nodes.append(("RandomNormal", [], out, {"shape": [3]}))
            open_.append(out)
            continue
        name = str(rng.choice([k for k in known if k != "unused"]))
        if roll < 0.3:
            nodes.append((str(rng.choice(["Add", "Mul", "Sub"])), [str(rng.choice(open_)), name], out, {}))
            open_.append(out)
            continue
        node, extra = _step(rng, known, name, out)
        constants |= extra
        known |= extra
        known[out] = _compute(node[0], [known[i] for i in node[1]], node[3])
        nodes.append(node)
    outputs = [str(t) for t in rng.choice([node[2] for node in nodes], 2, replace=False)]
    limit = [int(rng.choice([16, 24, 47, 48]))] if rng.random() < 0.3 else []
    return _case(nodes, constants, outputs, *limit, label=f"a random graph of {len(nodes)} nodes")


def _step(rng: np.random.Generator, known: dict, name: str, out: str) -> tuple[Node, dict]:
    """A node on the constant `name`, and the constants that it needs besides."""
    value, kind = known[name], str(rng.choice(["arithmetic", "arithmetic", *_SHAPES]))
    if kind == "Reshape" and value.size:
        target = _i(0, *([1] * (value.ndim - 1)), -1) if rng.random() < 0.5 and value.ndim else _i(-1)
        return ("Reshape", [name, f"{out}_to"], out, {}), {f"{out}_to": target}
    if kind == "Transpose":
        perm = {} if rng.random() < 0.5 else {"perm": [int(p) for p in rng.permutation(value.ndim)]}
        return ("Transpose", [name], out, perm), {}
    if kind == "Unsqueeze" and value.ndim < 4:
        axes = [[0], [-1], [0, -1], [-2]][int(rng.integers(4))]
        return ("Unsqueeze", [name], out, {"axes": axes if value.ndim or len(axes) == 2 else [0]}), {}
    if kind == "Gather" and value.ndim:
        axis = int(rng.integers(value.ndim))
        index = np.array([0, -1]) if rng.random() < 0.5 else np.array(value.shape[axis] - 1)
        return ("Gather", [name, f"{out}_at"], out, {"axis": axis} if axis or rng.random() < 0.5 else {}), {f"{out}_at": index}
    if kind == "Concat" and value.ndim and value.size < 50:
        return ("Concat", [name, name], out, {"axis": int(rng.integers(-value.ndim, value.ndim))}), {}
    if kind == "Cast":
        return ("Cast", [name], out, {"to": "float32" if value.dtype.kind == "i" else "int64"}), {}
    op = str(rng.choice(["Add", "Sub", "Mul", "Div", "Div"]))
    other = np.array(rng.choice([-3, -2, 2, 3]), np.int64) if value.dtype.kind == "i" else _s(float(rng.choice([-2.5, 0.5, 3])))
    return (op, [name, f"{out}_by"], out, {}), {f"{out}_by": other}


_near = close(1e-6, 1e-12, dtype="same")


def _verdict(case: Case, expected: Any, got: Any) -> str | None:
    return _near(expected, got, case)


def _alike(one: Any, other: Any, case: Case) -> str | None:
    """Noise of two folders is not comparable: where some was drawn, its values are left out."""
    if any(node[0] == "RandomNormal" for node in case.kwargs["args"][0]):
        one, other = ([r[0], {k: list(np.shape(v)) for k, v in r[1].items()}] for r in (one, other))
    return _near(one, other, case)


def _show(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[1], dict):
        nodes = ", ".join(f"{n[0]} → {n[2]}" for n in value[0]) or "no nodes"
        return f"{nodes}; " + (", ".join(f"{k}={brief(v, 30)}" for k, v in value[1].items()) or "no constants")
    return brief(value)


fold = Exercise(
    id="34.fold", points=4, difficulty=3, minutes=18, idea="an optimiser is an interpreter that stops where the unknown begins",
    reference=optimize.fold, probe="ch34_onnx_export.folded", show=_show,
    cases=[
        _case([("Add", ["c2", "c3"], "c5", {}), ("Mul", ["x", "c5"], "y", {})], {"c2": _s(2), "c3": _s(3)}, ["y"]),
        _case([("Div", ["a", "b"], "c", {}), ("Gather", ["x", "c"], "y", {})], {"a": _i(-7, 7, 6), "b": _i(2, -2, 3)}, ["y"]),
    ],
    hidden=[
        _case([("Add", ["a", "a"], "b", {}), ("Mul", ["b", "b"], "c", {}), ("Sub", ["c", "a"], "d", {}), ("Add", ["x", "d"], "y", {})],
              {"a": _f(1, 2), "unused": _f(3)}, ["y"]),
        _case(_RANDOM, {"k": _f(2, 3)}, ["y"]),
        _case([("Add", ["a", "a"], "y", {}), ("Mul", ["a", "a"], "m", {}), ("Add", ["m", "y"], "z", {})], {"a": _f(1, 2)}, ["y", "z"]),
        _case([("Add", ["a", "a"], "y", {})], {"a": _f(1, 2)}, ["y"]),
        _case([("Add", ["a", "a"], "dead", {}), ("Mul", ["x", "x"], "y", {})], {"a": _f(1, 2)}, ["y"]),
        _case([("Add", ["x", "a"], "dead", {}), ("Mul", ["x", "x"], "y", {})], {"a": _f(1, 2)}, ["y"]),
        _case(_BIG, _BIG_CONSTANTS, ["y"], 64), _case(_BIG, _BIG_CONSTANTS, ["y"], 63), _case(_BIG, _BIG_CONSTANTS, ["y"], 16), _case(_BIG, _BIG_CONSTANTS, ["y"], 15),
        _case(_BIG, _BIG_CONSTANTS, ["y"]),
        _case(_MIB, _mib(256), ["y"], label="a result of exactly 2**20 bytes, max_bytes not given"),
        _case(_MIB, _mib(257), ["y"], label="a result of 2**20 + 4,096 bytes, max_bytes not given"),
        _one("Div", [_f(1, -7, 3), _f(2, 2, 4)], {}), _one("Div", [_i(-7, 7, -8, 0, 9), _i(2)], {}), _one("Div", [_i(-7, 7, -8, 1), _i(-2)], {}),
        _one("Concat", [_A, _A], {"axis": 1}), _one("Concat", [_A, _A, _A], {"axis": -1}),
        _one("Gather", [_A, _i(1, -1)], {}), _one("Gather", [_A, np.array(2)], {"axis": 1}), _one("Gather", [_A, np.array([[0], [-1]])], {"axis": -1}),
        _one("Unsqueeze", [_A], {"axes": [0, -1]}), _one("Unsqueeze", [_f(1, 2)], {"axes": [-3, 1]}), _one("Unsqueeze", [_s(3)], {"axes": [0]}),
        _one("Unsqueeze", [_f(1, 2)], {"axes": [-1, -3]}), _one("Cast", [_f(-1.5, 2.7)], {"to": "int64"}), _one("Cast", [_i(3)], {"to": "float32"}),
        _one("Reshape", [_A, _i(0, -1)], {}), _one("Reshape", [_A, _i(3, 4)], {}), _one("Reshape", [_A, _i(2, 0, 1, -1)], {}),
        _one("Transpose", [_A], {}), _one("Transpose", [_A], {"perm": [1, 2, 0]}), _one("Mul", [_A, _A[0]], {}), _one("Sub", [_i(3), _i(5)], {}),
        _case([("Concat", ["n", "m"], "s", {"axis": 0}), ("Reshape", ["x", "s"], "y", {})], {"n": _i(1), "m": _i(-1)}, ["y"]),
    ],
    draw=_draw, draws=40, compare=prop(_verdict, same=_alike),
    misconceptions=[
        Misconception(
            "noise_folded", _answer(random=True),
            "You fold RandomNormal. It has no inputs, so \"all inputs are constant\" is true of it; but every inference would then return the "
            "same noise. It stays, and so does what reads it.",
            "The noise is frozen."),
        Misconception(
            "floor_division", _instead("Div", _floor),
            "-7 / 2 became -4. Python and NumPy round down (`//`); ONNX rounds an integer quotient toward zero, as C does.",
            "Rounded down."),
        Misconception(
            "int_division_gives_float", _instead("Div", lambda v, a: v[0] / v[1]),
            "Your quotient of int64 is a float. In ONNX a Div of integers gives integers, rounded toward zero; a Gather or a Reshape that reads "
            "it needs them.",
            "Integers became floats."),
        Misconception(
            "output_folded", _answer(outputs_too=True),
            "You fold a node that makes a graph output. A caller asks for this tensor by its name, and here only a node can make it: it stays.",
            "An output is gone."),
        Misconception(
            "unused_constants", _answer(unused=True),
            "You return constants that no remaining node reads. They would be written into the file for nothing; in a real graph these are "
            "the inputs of what was folded.",
            "Constants that nobody reads."),
        Misconception(
            "no_limit", _answer(limit="never"),
            "`max_bytes` has no effect. A node of a few bytes can make a tensor of megabytes: storing that would make the file grow.",
            "The file grows without a limit."),
        Misconception(
            "limit_exclusive", _answer(limit="from"),
            "A result of exactly `max_bytes` is kept as a node. Only results *above* the limit are.",
            "At the limit is allowed."),
        Misconception(
            "limit_in_elements", _answer(limit="elements"),
            "You compare the number of elements with `max_bytes`. A float32 has 4 bytes, an int64 8.",
            "Elements are not bytes."),
        Misconception(
            "large_result_used", _answer(keep_known=True),
            "A node stays because its result is too large, yet you fold its readers with that result. The output of a node that stays is not "
            "a constant.",
            "A kept node's output is no constant."),
        Misconception(
            "no_chain", _answer(chain=False),
            "You only fold nodes whose inputs were constants from the beginning. A folded result is a constant too, so its readers may fold "
            "as well.",
            "The chain stops too soon."),
        Misconception(
            "dead_removed", _answer(alive=True),
            "You also take out nodes that no output needs. That is another pass (the exercise before this one); here they stay.",
            "Two passes in one."),
        Misconception(
            "zero_is_zero", _instead("Reshape", _literal_reshape),
            "In the target of a Reshape a 0 is not a size. It copies the size of the data at the same place.",
            "0 copies."),
        Misconception(
            "axes_one_by_one", _instead("Unsqueeze", _axes_one_by_one),
            "You insert the axes one after the other. All of `axes` count in the *result*, at once: negative ones and unordered ones go wrong "
            "in your way.",
            "Axes of the result."),
        Misconception(
            "transpose_default", _instead("Transpose", lambda v, a: np.transpose(v[0], a.get("perm", range(v[0].ndim)))),
            "A Transpose without `perm` left the axes as they are. It reverses them.",
            "No perm means reversed."),
        Misconception(
            "gather_axis_ignored", _instead("Gather", lambda v, a: np.take(v[0], v[1] % v[0].shape[0], axis=0)),
            "Your Gather always takes along axis 0. That is only the default of its attribute `axis`.",
            "Along which axis?"),
        Misconception(
            "in_float64", _answer(_in_float64),
            "The results have another dtype than the operands. Add, Sub, Mul and Div of float32 give float32 in ONNX, of int64 int64: a runtime "
            "refuses a graph in which they don't fit.",
            "The dtype changed."),
    ],
    alternatives=[_with_a_table, _lazily, _answer()],
    hints=(
        "Walk over the nodes with a dict of what is known. A node whose inputs are all in it can be computed; its result joins the dict.",
        "Three reasons to keep such a node: it draws noise, it makes a graph output, its result is too large. What then is not in the dict "
        "stops its readers by itself.",
        "At the end look which names the kept nodes read, and drop all other constants.",
    ),
    worth_knowing="ONNX Runtime does this at each start. Doing it once, before the file is shipped, saves that time and pleases converters.",
)

"""Exercises of chapter 31: trtexec."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from utils.engines import trtexec
from utils.engines.trtexec_flags import PRECISION_FLAGS
from utils.engines.trtexec_report import PHASES, trace_record
from utils.widgets.ch31_trtexec import SOURCE_COMMANDS, six_queries

from ..compare import brief, close, exact, prop
from ..exercise import Case, Exercise, Misconception

Shape = tuple[int, ...]
Shapes = dict[str, Shape]

# --- 1. shape_spec ----------------------------------------------------------------------------


def _strict_dims(text: str, *, positive: bool = True) -> Shape:
    dims = []
    for part in text.split("x"):
        if not part or any(c not in "0123456789" for c in part.removeprefix("" if positive else "-")):
            raise ValueError(f"{part!r} is not a dimension")
        if positive and int(part) < 1:
            raise ValueError("dimensions must be positive")
        dims.append(int(part))
    return tuple(dims)


def _name_of(text: str) -> str:
    name = text[1:-1] if len(text) > 1 and text.startswith("'") and text.endswith("'") else text
    if not name:
        raise ValueError("a name must not be empty")
    return name


def _scalar_or(dims: Callable[[str], Shape]) -> Callable[[str], Shape]:
    return lambda text: () if text == "scalar" else dims(text)


def _spec_with(text: str, *, dims: Callable[[str], Shape] = _strict_dims, split: Callable = lambda s: s.rpartition(":")[::2],
               scalar: Any = (), first_wins: bool = False, name: Callable[[str], str] = _name_of,
               skip_empty: bool = False) -> Shapes:
    """A parametrised parser; with its defaults it is right (an independent formulation)."""
    shapes: Shapes = {}
    for item in text.split(","):
        if skip_empty and not item:
            continue
        raw, value = split(item)
        shape = scalar if value == "scalar" and scalar is not None else dims(value)
        if first_wins:
            shapes.setdefault(name(raw), shape)
        else:
            shapes[name(raw)] = shape
    return shapes


def _unpack_colon(item: str) -> tuple[str, str]:
    name, value = item.split(":")
    return name, value


def _first_colon(item: str) -> tuple[str, str]:
    parts = item.split(":")
    return parts[0], parts[1]


def _lenient(text: str) -> Shape:
    return tuple(int(d) for d in text.split("x"))


def _any_case(text: str) -> Shape:
    return _strict_dims(text.lower())


def _by_commas(text: str) -> Shapes:
    name, _, dims = text.rpartition(":")
    return {_name_of(name): tuple(int(d) for d in dims.split(","))}


def _by_evaluation(text: str) -> Shapes:
    name, _, dims = text.rpartition(":")
    if not re.fullmatch(r"[\d, ]+", dims):
        raise SyntaxError("invalid syntax")
    return {_name_of(name): tuple(int(d) for d in dims.split(",") if d)}


def _spec_regex(text: str) -> Shapes:
    shapes = {}
    for item in text.split(","):
        match = re.fullmatch(r"(?:'([^']+)'|([^']+)):(scalar|[0-9]+(?:x[0-9]+)*)", item)
        if match is None:
            raise ValueError(f"not name:dims: {item!r}")
        dims = [] if match[3] == "scalar" else [int(d) for d in match[3].split("x")]
        if 0 in dims:
            raise ValueError(f"a dimension is 0 in {item!r}")
        shapes[match[1] or match[2]] = tuple(dims)
    return shapes


def _spec_scan(text: str) -> Shapes:
    """Walks over the characters from the right end of each item."""
    shapes: Shapes = {}
    for item in text.split(","):
        at = len(item) - 1
        while at >= 0 and item[at] != ":":
            at -= 1
        name, rest = item[:max(at, 0)], item[at + 1:]
        if name[:1] == "'" == name[-1:] and len(name) >= 2:
            name = name[1:-1]
        if at < 0 or not name:
            raise ValueError("no name")
        number, dims = "", []
        for c in ("" if rest == "scalar" else rest + "x"):
            if c.isascii() and c.isdigit():
                number += c
            elif c == "x" and number and int(number) > 0:
                dims.append(int(number))
                number = ""
            else:
                raise ValueError(f"{c!r} in {rest!r}")
        shapes[name] = tuple(dims)
    return shapes


_NAMES = ("x", "input", "images:0", "box.max", "a/b:1", "tower_2/x:0", "scalar", "'mask'", "'ids:0'", "ns::y")


def _draw_spec(rng: np.random.Generator) -> Case:
    items = []
    for _ in range(int(rng.integers(1, 4))):
        dims = "x".join(str(int(rng.integers(1, 300))) for _ in range(int(rng.integers(1, 6))))
        items.append(f"{rng.choice(_NAMES)}:{'scalar' if rng.random() < 0.15 else dims}")
    return Case(",".join(items))


shape_spec = Exercise(
    id="31.shape_spec", points=2, difficulty=1, minutes=10, idea="split at the last colon",
    reference=trtexec.shape_spec,
    cases=[
        Case("images:0:1x3x224x224,mask:scalar"),
        Case("a:8,b:4x3"),
        Case("'mask':1x77"),
        Case("a:1x3,a:2x3"),
    ],
    hidden=[Case("images:0:1x3x224x224"), Case("mask:scalar"), Case("a:8,b:8,c:2x2"), Case("x:5"), Case("box:2x2"),
            Case("'ids:0':4,ids:scalar"), Case("a:b:c:7x1,a:b:d:1"), Case("x:10x100x1000")],
    draw=_draw_spec, draws=40, time_limit_s=2,
    raises=[Case(""), Case("x:1x3,"), Case(",x:1x3"), Case("x"), Case("1x3"), Case(":1x3"), Case("'':1x3"), Case("x:"),
            Case("x:0x3"), Case("x:1x-3"), Case("x:1X3"), Case("x:1x3X8"), Case("x:1.5x3"), Case("x:1xx3"), Case("x:1x3x"),
            Case("x:+2"), Case("x:1x 3"), Case("x:?x3"), Case("x:SCALAR")],
    misconceptions=[
        Misconception(
            "first_colon", lambda s: _spec_with(s, split=_unpack_colon),
            "A tensor name may hold colons itself: TensorFlow's exports are full of `input:0`. Only the last colon of "
            "an item stands between name and dimensions.",
            "The item was split at every colon.",
            also=(lambda s: _spec_with(s, split=_first_colon),
                  lambda s: _spec_with(s, split=lambda t: t.partition(":")[::2]),
                  lambda s: _spec_with(s, split=_first_colon, dims=_lenient))),
        Misconception(
            "commas_between_dimensions", _by_commas,
            "The two separators changed places. A comma separates tensors, `x` separates the dimensions of one tensor: "
            "`a:8,b:4x3` is two tensors.",
            "A comma is no dimension separator.", also=(_by_evaluation,)),
        Misconception(
            "scalar_is_one", lambda s: _spec_with(s, scalar=(1,)),
            "`scalar` means rank 0: no dimensions at all, an empty tuple. `(1,)` is a vector with one element, and a "
            "network that expects a scalar refuses it.",
            "A scalar has no dimensions."),
        Misconception(
            "scalar_forgotten", lambda s: _spec_with(s, scalar=None),
            "The word `scalar` in place of the dimensions is allowed. Where do you look at it before you turn the "
            "dimensions into integers?",
            "The word scalar is not read.", also=(lambda s: _spec_with(s, scalar=None, dims=_lenient),)),
        Misconception(
            "quotes_stay", lambda s: _spec_with(s, name=lambda n: _name_of(n) and n),
            "The single quotes around a name belong to the command line, not to the name. The network has no tensor "
            "that is called `'mask'` with quotes.",
            "The quotes are still there."),
        Misconception(
            "first_one_stays", lambda s: _spec_with(s, first_wins=True),
            "A name that comes twice keeps its last shape, as in trtexec. Look at what you do when the name is in the "
            "dict already.",
            "The first of two shapes stayed."),
        Misconception(
            "accepts_any_integer", lambda s: _spec_with(s, dims=lambda d: tuple(int(p) for p in d.split("x"))),
            "`int()` reads more than a dimension: 0, −3, ` 3` and `+2` are all integers to it. Here a dimension is made "
            "of digits only and is at least 1.",
            "Dimensions are not checked.",
            also=(lambda s: _spec_with(s, dims=lambda d: _strict_dims(d, positive=False)),)),
        Misconception(
            "upper_case_x", lambda s: _spec_with(s, dims=_any_case),
            "`X` is no separator. trtexec reads the number at the start of `1X3` and ignores the rest, so it runs the "
            "one-element shape (1) without a word. That is why this parser has to refuse it.",
            "An upper-case X got through.", also=(lambda s: _spec_with(s, dims=lambda d: _lenient(d.lower())),)),
        Misconception(
            "skips_empty_items", lambda s: _spec_with(s, skip_empty=True),
            "Two commas in a row, or one at the end, leave an empty item. It is a slip of the hand (a tensor that got "
            "lost), so it must be refused and not skipped.",
            "Empty items are skipped."),
    ],
    alternatives=[_spec_with, _spec_regex, _spec_scan],
    hints=(
        "`text.split(\",\")` gives the items. `item.rpartition(\":\")` splits one at its last colon.",
        "Treat `scalar` before anything else; then split the dimensions at a small `x`.",
        "For the dimensions a pattern is shortest: `re.fullmatch(r\"[0-9]+(x[0-9]+)*\", dims)`, then check for 0.",
    ),
    worth_knowing="trtexec itself is not strict: it reads `1X3` as the shape (1) without a warning.",
)


# --- 2. fill_profile --------------------------------------------------------------------------


def _filled(lo: Shapes | None, opt: Shapes | None, hi: Shapes | None, *, order: tuple[str, str, str] = ("oh", "hl", "ol"),
            middle: bool = False, demand: type | None = None, checks: str = "full") -> dict:
    """A parametrised filling; with its defaults it is right (an independent formulation).

    `order`: for min, opt and max the flags that stand in for it, the first that is there.
    """
    given = {"l": lo, "o": opt, "h": hi}
    there = [shapes for shapes in given.values() if shapes is not None]
    if not there:
        return {}
    if demand and len(there) < 3:
        raise demand("all three must be set")
    rows = [next(given[key] for key in own + others if given[key] is not None)
            for own, others in zip("loh", order)]
    if checks != "none":
        for name in {name for shapes in there for name in shapes}:
            if any(name not in shapes for shapes in there):
                raise ValueError(f"{name} is missing in one flag")
    filled = {name: tuple(row[name] for row in rows) for name in rows[0]}
    if middle and opt is None and lo is not None and hi is not None:
        filled = {n: (a, tuple((p + q) // 2 for p, q in zip(a, c)), c) for n, (a, _, c) in filled.items()}
    for name, (a, b, c) in filled.items():
        good = {"full": len(a) == len(b) == len(c) and all(p <= q <= r for p, q, r in zip(a, b, c)),
                "tuples": len(a) == len(b) == len(c) and a <= b <= c,
                "loose tuples": a <= b <= c,
                "ends": len(a) == len(c) and all(p <= r for p, r in zip(a, c)),
                "zip": all(p <= q <= r for p, q, r in zip(a, b, c)), "none": True}[checks]
        if not good:
            raise ValueError(f"{name} is out of order")
    return filled


def _fill_by_cases(lo: Shapes | None, opt: Shapes | None, hi: Shapes | None) -> dict:
    flags = [f for f in (lo, opt, hi) if f is not None]
    for a, b in product(flags, flags):
        if a.keys() != b.keys():
            raise ValueError(f"only some flags name {sorted(a.keys() ^ b.keys())}")
    low = lo if lo is not None else opt if opt is not None else hi
    best = opt if opt is not None else hi if hi is not None else lo
    high = hi if hi is not None else opt if opt is not None else lo
    out = {}
    for name in low or {}:
        a, b, c = (np.array(f[name], dtype=int) for f in (low, best, high))
        if not (a.shape == b.shape == c.shape and np.all(a <= b) and np.all(b <= c)):
            raise ValueError(f"{name}: {a} {b} {c}")
        out[name] = (low[name], best[name], high[name])
    return out


_SOURCES = {  # which flag each of min, opt, max is taken from, by which flags are there
    (1, 1, 1): (0, 1, 2), (1, 1, 0): (0, 1, 1), (1, 0, 1): (0, 2, 2), (0, 1, 1): (1, 1, 2),
    (1, 0, 0): (0, 0, 0), (0, 1, 0): (1, 1, 1), (0, 0, 1): (2, 2, 2)}


def _fill_by_table(lo: Shapes | None, opt: Shapes | None, hi: Shapes | None) -> dict:
    flags = (lo, opt, hi)
    pattern = tuple(int(f is not None) for f in flags)
    if not any(pattern):
        return {}
    names = [set(f) for f in flags if f is not None]
    stray = set.union(*names) - set.intersection(*names)
    if stray:
        raise ValueError(f"not in every flag: {', '.join(sorted(stray))}")
    out = {name: tuple(flags[k][name] for k in _SOURCES[pattern]) for name in names[0]}
    for name, shapes in out.items():
        if len({len(s) for s in shapes}) > 1 or any(list(dim) != sorted(dim) for dim in zip(*shapes)):
            raise ValueError(f"min <= opt <= max does not hold for {name}")
    return out


def _draw_fill(rng: np.random.Generator) -> Case:
    present = [(p >> k) & 1 for p in [int(rng.integers(1, 8))] for k in range(3)]
    flags: list[Shapes] = [{}, {}, {}]
    for name in rng.permutation(["x", "images", "ids:0"])[: int(rng.integers(1, 4))]:
        rows = np.sort(rng.integers(1, 65, (3, int(rng.integers(0, 5)))), axis=0)
        for flag, row in zip(flags, rows.tolist()):
            flag[str(name)] = tuple(row)
    return Case(*(flag if there else None for flag, there in zip(flags, present)))


_SMALL, _MID, _BIG = {"x": (1, 3)}, {"x": (4, 3)}, {"x": (8, 3)}

fill_profile = Exercise(
    id="31.fill_profile", points=3, difficulty=2, minutes=15, idea="an absent flag copies another",
    reference=trtexec.fill_profile,
    cases=[
        Case(_SMALL, None, _BIG),
        Case(None, None, _BIG),
        Case(_SMALL, _MID, None),
        Case(None, None, None),
    ],
    hidden=[Case(_SMALL, _MID, _BIG), Case(None, _MID, _BIG), Case(_SMALL, None, None), Case(None, _MID, None),
            Case({"a": (1, 1), "b": (2,)}, None, {"a": (4, 9), "b": (2,)}), Case({"s": ()}, None, {"s": ()}),
            Case({"x": (2, 2, 2)}, {"x": (2, 2, 2)}, {"x": (2, 2, 2)}), Case({}, None, {})],
    draw=_draw_fill, draws=40, time_limit_s=2,
    raises=[
        Case({"images": (8, 3)}, {"images": (4, 3)}, {"images": (16, 3)}, word="images"),
        Case({"images": (1, 3)}, {"images": (16, 3)}, {"images": (8, 3)}, word="images"),
        Case({"images": (1, 9)}, None, {"images": (2, 3)}, word="images"),
        Case({"images": (1, 1)}, {"images": (1, 5)}, {"images": (8, 3)}, word="images"),
        Case({"images": (2, 1, 7)}, {"images": (3, 1, 5)}, None, word="images"),
        Case({"images": (8,)}, {"images": (4,)}, None, word="images"),
        Case(None, {"images": (8, 3)}, {"images": (4, 3)}, word="images"),
        Case({"a": (1,), "images": (5, 3)}, None, {"a": (2,), "images": (4, 3)}, word="images"),
        Case({"images": (1,)}, None, {"images": (8, 3)}, word="images"),
        Case({"images": (1, 3)}, {"images": (4,)}, {"images": (8, 3)}, word="images"),
        Case({"x": (1, 3)}, None, {"x": (8, 3), "mask": (8,)}, word="mask"),
        Case({"x": (1, 3), "mask": (1,)}, {"x": (4, 3)}, {"x": (8, 3), "mask": (8,)}, word="mask"),
        Case({"ids_a": (1, 3)}, None, {"ids_b": (8, 3)}, word="ids_"),  # either name will do
        Case({}, None, {"images": (8, 3)}, word="images"), Case({"images": (1,)}, {}, None, word="images"),
    ],
    misconceptions=[
        Misconception(
            "opt_copies_min", lambda lo, opt, hi: _filled(lo, opt, hi, order=("oh", "lh", "ol")),
            "Without --optShapes trtexec copies max, not min. TensorRT chooses its kernels for opt, so a copy of min "
            "would tune the engine for the smallest batch.",
            "A missing opt copies max."),
        Misconception(
            "opt_is_the_middle", lambda lo, opt, hi: _filled(lo, opt, hi, middle=True),
            "Nothing is interpolated. A missing flag is a plain copy of one that is there.",
            "There is no midpoint."),
        Misconception(
            "all_three_needed", lambda lo, opt, hi: _filled(lo, opt, hi, demand=ValueError),
            "That is what many notes on the web say, but trtexec fills a missing flag from another one and only warns. "
            "Which of the two others does each one copy?",
            "A missing flag is no error.",
            also=(lambda lo, opt, hi: _filled(lo, opt, hi, demand=TypeError),
                  lambda lo, opt, hi: _filled(lo, opt, hi, demand=AttributeError))),
        Misconception(
            "min_copies_max", lambda lo, opt, hi: _filled(lo, opt, hi, order=("ho", "hl", "ol")),
            "A missing min takes the nearest flag first: opt if it is there, and only then max.",
            "A missing min copies opt first."),
        Misconception(
            "max_copies_min", lambda lo, opt, hi: _filled(lo, opt, hi, order=("oh", "hl", "lo")),
            "A missing max takes opt if it is there, and min only when opt is missing too.",
            "A missing max copies opt first."),
        Misconception(
            "zip_hides_rank", lambda lo, opt, hi: _filled(lo, opt, hi, checks="zip"),
            "`zip` stops at the shorter of its arguments, so shapes of different rank look fine. Compare the lengths "
            "first.",
            "Ranks are not compared."),
        Misconception(
            "compares_tuples", lambda lo, opt, hi: _filled(lo, opt, hi, checks="tuples"),
            "`(1, 9) <= (2, 3)` is True in Python: tuples are compared like words in a dictionary, and the first "
            "difference decides. Compare dimension by dimension.",
            "Tuples were compared as a whole.",
            also=(lambda lo, opt, hi: _filled(lo, opt, hi, checks="loose tuples"),)),
        Misconception(
            "opt_not_checked", lambda lo, opt, hi: _filled(lo, opt, hi, checks="ends"),
            "min and max are in order, but opt has to lie between them in every dimension, and to have their rank.",
            "opt can lie outside."),
        Misconception(
            "empty_is_absent", lambda lo, opt, hi: _filled(lo or None, opt or None, hi or None),
            "An empty dict is falsy in Python, but it is a flag that is there and names no tensor. Only `None` is absent, "
            "and flags that name different tensors are refused. How do you ask whether a flag is there?",
            "An empty dict is not None."),
        Misconception(
            "not_checked", lambda lo, opt, hi: _filled(lo, opt, hi, checks="none"),
            "The filling is right. trtexec stops here too, and the builder complains minutes later. It refuses three things: "
            "flags that name other tensors, another rank, and min <= opt <= max broken in some dimension. Which of them "
            "get through?",
            "Not everything is refused."),
    ],
    alternatives=[_filled, _fill_by_cases, _fill_by_table],
    hints=(
        "Write down the order of choice for each: min, opt, max; opt, max, min; max, opt, min. Take the first that is "
        "not None.",
        "Check that all given flags name the same tensors before you fill.",
        "`len(a) == len(b) == len(c) and all(p <= q <= r for p, q, r in zip(a, b, c))` for each tensor.",
    ),
    worth_knowing="With only --shapes=x:32x3 the profile is (32, 3) three times: such an engine can run batch 32 only.",
)


# --- 3. lint_trtexec --------------------------------------------------------------------------


def _lint(argv: list[str], known: set[str], deprecated: dict[str, str], *, merge: bool = False,
          flag_of: Callable[[str], str] = lambda t: t.partition("=")[0], prefix: bool = False,
          unknown_twice: str = "", deprecated_first: bool = False, all_of_them: bool = False,
          stray: str = "not-a-flag", stray_cut: bool = False, plain_switch: bool = False,
          any_value: bool = False, most: int = 1) -> list[tuple[str, str]]:
    """A parametrised linter; with its defaults it is right (an independent formulation)."""
    found: list[tuple[str, str]] = []
    count = Counter(flag_of(token) for token in argv)
    seen: set[str] = set()
    for token in {flag_of(t): t for t in argv}.values() if merge else argv:
        flag = flag_of(token)
        exists = flag in known or (prefix and any(k.startswith(flag) for k in known))
        checks = [
            ("unknown", not exists),
            ("duplicate", flag in seen or (all_of_them and count[flag] > 1)),
            ("always-true", (flag in trtexec.BOOL or any_value) and "=" in token and not plain_switch),
            ("deprecated", flag in deprecated),
        ]
        if deprecated_first:
            checks.insert(2, checks.pop())
        if unknown_twice == "instead" and flag in seen:
            checks[0] = ("unknown", False)
        if not token.startswith("--"):
            found.append((stray, flag if stray_cut else token))
            if most == 1:
                continue
        found += [(kind, flag) for kind, holds in checks if holds][:most]
        if unknown_twice == "both" and not exists and flag in seen:
            found.append(("duplicate", flag))
        seen.add(flag)
    return found


def _last_equals(token: str) -> str:
    return token.rpartition("=")[0] or token


def _unpacked(token: str) -> str:
    flag, _ = token.split("=") if "=" in token else (token, "")
    return flag


def _strictly_unpacked(token: str) -> str:
    flag, _ = token.split("=")
    return flag


def _lint_with_counter(argv: list[str], known: set[str], deprecated: dict[str, str]) -> list[tuple[str, str]]:
    """Counts what has come before, and decides with a chain of conditions."""
    before: Counter = Counter()
    out = []
    for token in argv:
        flag, has_value = token.split("=", 1)[0], "=" in token
        kind = ("not-a-flag" if token[:2] != "--" else "unknown" if flag not in known
                else "duplicate" if before[flag] else "always-true" if has_value and flag in trtexec.BOOL
                else "deprecated" if flag in deprecated else None)
        before[flag] += 1
        if kind:
            out.append((kind, token if kind == "not-a-flag" else flag))
    return out


def _lint_by_index(argv: list[str], known: set[str], deprecated: dict[str, str]) -> list[tuple[str, str]]:
    flags = [re.match(r"[^=]*", token)[0] for token in argv]
    rules: Sequence[tuple[str, Callable[[int], bool]]] = (
        ("not-a-flag", lambda i: not flags[i].startswith("--")),
        ("unknown", lambda i: flags[i] not in known),
        ("duplicate", lambda i: flags.index(flags[i]) < i),
        ("always-true", lambda i: flags[i] in trtexec.BOOL and len(argv[i]) > len(flags[i])),
        ("deprecated", lambda i: flags[i] in deprecated),
    )
    kinds = [next((kind for kind, rule in rules if rule(i)), "") for i in range(len(argv))]
    return [(kind, argv[i] if kind == "not-a-flag" else flags[i]) for i, kind in enumerate(kinds) if kind]


def _ask_lint(command: str | list[str], known: str | set[str], deprecated: dict[str, str] | None = None,
              label: str = "") -> Case:
    argv = command.split() if isinstance(command, str) else command
    names = sorted(known.split() if isinstance(known, str) else known)
    shown = f"{' '.join(argv)}   known: {' '.join(names)}"
    if deprecated:
        shown += f"   deprecated: {' '.join(deprecated)}"
    return Case(argv=list(argv), known=names, deprecated=deprecated or {}, label=label or shown)


def _show_findings(value: Any) -> str:
    return ", ".join(f"{kind} {flag}" for kind, flag in value) if value else brief(value)


_OLD = {"--streams": "use --infStreams", "--explicitBatch": "it has no effect", "--heuristic": "use a level"}
_POOL = ("--onnx", "--best", "--fp16", "--streams", "--infStreams", "--explicitBatch", "--saveEngine", "--shapes",
         "--verbose", "--skipInference", "--tuneBuildRoutes", "--heuristic", "--useDLACore")
_TOKENS = (*_POOL, *(f"{flag}=v" for flag in _POOL), "--onnx=a=b", "--stream=2", "--best=true", "--fp16=false", "m.onnx",
           "-onnx=m", "--nosuch", "--nosuch=1", "--shapes=x:1x3", "--tuneBuildRoutes=a=b,c=d", "=", "--", "16")


def _draw_lint(rng: np.random.Generator) -> Case:
    known = [flag for flag in _POOL if rng.random() < 0.75]
    deprecated = {flag: _OLD.get(flag, "old") for flag in known if rng.random() < 0.3}
    argv = [str(t) for t in rng.choice(_TOKENS, int(rng.integers(0, 9)))]
    return _ask_lint(argv, set(known), deprecated)


lint_trtexec = Exercise(
    id="31.lint_trtexec", points=4, difficulty=2, minutes=20, idea="a second occurrence is left over",
    reference=trtexec.lint_trtexec, probe="ch31_trtexec.lint",
    cases=[
        _ask_lint("--onnx=m --best --workspace=1 --best", "--onnx --best"),
        _ask_lint("--onnx m.onnx", "--onnx"),
        _ask_lint("--onnx=m --fp16=false", "--onnx --fp16"),
        _ask_lint("--onnx=m --streams=2", "--onnx --streams", {"--streams": "use --infStreams"}),
    ],
    hidden=[
        _ask_lint("--onnx=dir/run=3/m.onnx --shapes=x:1x3", "--onnx --shapes"),
        _ask_lint("--loadEngine=e --tuneBuildRoutes=a=b,c=d", "--loadEngine --tuneBuildRoutes"),
        _ask_lint("--onnx=m --stream=2", "--onnx --streams --infStreams"),
        _ask_lint("--workspace=1 --workspace=2 --workspace", "--onnx"),
        _ask_lint("--onnx=m --explicitBatch=true", "--onnx --explicitBatch", {"--explicitBatch": "no effect"}),
        _ask_lint("--streams=2 --streams=3 --streams", "--onnx --streams", {"--streams": "use --infStreams"}),
        _ask_lint("--best --best=1 --best", "--best"),
        _ask_lint("--best=1 --best", "--best"),
        _ask_lint("m.onnx m.onnx -onnx=m", "--onnx"),
        _ask_lint("--fp16= --useDLACore=0", "--fp16 --useDLACore"),
        _ask_lint("--onnx=m --onnx=n --verbose", "--onnx --verbose"),
        _ask_lint([], "--onnx", label="an empty command line"),
        *(_ask_lint(command.split(), trtexec.known_flags(release), trtexec.deprecated_flags(release),
                    label=f"{command}   (TensorRT {release})")
          for command in SOURCE_COMMANDS for release in trtexec.RELEASES),
    ],
    draw=_draw_lint, draws=60, time_limit_s=2,
    show=_show_findings,
    misconceptions=[
        Misconception(
            "dict_first", lambda a, k, d: _lint(a, k, d, merge=True),
            "The arguments went into a dict before anybody looked at them. A dict has each key once, so the second "
            "`--best` was gone. Walk over the list itself.",
            "Duplicates vanished in a dict.",
            also=(lambda a, k, d: _lint([t for i, t in enumerate(a) if t.partition("=")[0]
                                         not in [u.partition("=")[0] for u in a[:i]]], k, d),)),
        Misconception(
            "every_equals", lambda a, k, d: _lint(a, k, d, flag_of=_last_equals),
            "A value may hold `=` itself, as a path does or `--tuneBuildRoutes=a=b`. The flag is what stands before the "
            "first one; split once.",
            "The token was split at the wrong =.",
            also=(lambda a, k, d: _lint(a, k, d, flag_of=_unpacked),
                  lambda a, k, d: _lint(a, k, d, flag_of=_strictly_unpacked))),
        Misconception(
            "abbreviations", lambda a, k, d: _lint(a, k, d, prefix=True),
            "trtexec has no abbreviations: `--stream` is not `--streams`. A flag is known only if it is in the set as it "
            "stands.",
            "A beginning is not a flag."),
        Misconception(
            "unknown_is_duplicate", lambda a, k, d: _lint(a, k, d, unknown_twice="instead"),
            "The kinds have an order, and the first that fits ends the matter: an unknown flag is unknown each time it comes, "
            "and never a duplicate as well.",
            "One finding a token.",
            also=(lambda a, k, d: _lint(a, k, d, unknown_twice="both"), lambda a, k, d: _lint(a, k, d, most=4))),
        Misconception(
            "first_one_too", lambda a, k, d: _lint(a, k, d, all_of_them=True),
            "trtexec takes the first occurrence and trips over the second. So only the second and later ones are "
            "findings. Count what has come before, not what comes in all.",
            "The first occurrence is fine."),
        Misconception(
            "deprecated_first", lambda a, k, d: _lint(a, k, d, deprecated_first=True),
            "`--explicitBatch=true` is deprecated and always true. The kinds have an order, and `always-true` comes "
            "before `deprecated`.",
            "Two kinds changed places."),
        Misconception(
            "stray_is_unknown", lambda a, k, d: _lint(a, k, d, stray="unknown"),
            "A token without `--` is the kind of its own: most often the value behind `--onnx` and a blank. Look at the "
            "two dashes before you look into the set.",
            "A stray value is not a flag."),
        Misconception(
            "stray_is_cut", lambda a, k, d: _lint(a, k, d, stray_cut=True),
            "For `not-a-flag` the whole token is reported, also when it holds a `=`: `-onnx=m` stays `-onnx=m`.",
            "A stray token is reported whole."),
        Misconception(
            "switches_not_checked", lambda a, k, d: _lint(a, k, d, plain_switch=True),
            "`--fp16=false` turns FP16 on: a switch is true whatever follows. `BOOL` holds the switches; report the ones "
            "that come with a `=`.",
            "--fp16=false got through."),
        Misconception(
            "values_not_allowed", lambda a, k, d: _lint(a, k, d, any_value=True),
            "Most flags need their value: `--onnx=m` is right. Only the flags in `BOOL` are switches.",
            "Not every flag is a switch."),
    ],
    alternatives=[_lint, _lint_with_counter, _lint_by_index],
    hints=(
        "One loop over `argv`, one if/elif chain in the order of the kinds, and a set of the flags that you have seen.",
        "`token.split(\"=\", 1)[0]` is the flag. Whether there was a `=` you see in the token.",
        "Add the flag to the set of seen ones at the end of the loop body, after you have decided.",
    ),
    worth_knowing="The real parser takes each known flag out of a bag once; whatever is left in the bag is an unknown option.",
)


# --- 4. summarize_trace -----------------------------------------------------------------------


def _record(start: float, enq: float, h2d: float, compute: float, d2h: float) -> dict[str, float]:
    edges = [start]
    for span in (enq, h2d, compute, d2h):
        edges.append(edges[-1] + span)
    return trace_record(*pairwise(edges))


SIX = six_queries()


def _evenly(n: int, slow: float = 0.0) -> list[dict[str, float]]:
    """n queries one after the other whose compute times rise by 1/64 ms; the last takes `slow` ms longer."""
    return [_record(16.0 * i, 0.25, 0.5, 2 + i / 64 + (slow if i == n - 1 else 0), 0.25) for i in range(n)]


def _spans(kept: list[dict], phase: str) -> list[float]:
    return [q[f"end{phase}Ms"] - q[f"start{phase}Ms"] for q in kept]


def _float32_index(p: float, n: int) -> int:
    return max(n - 1 - int((np.float32(1) - np.float32(p) / np.float32(100)) * np.float32(n)), 0)


def _float64_index(p: float, n: int) -> int:
    return max(n - 1 - int((1 - p / 100) * n), 0)


def _late_float32_index(p: float, n: int) -> int:
    return max(n - 1 - int(np.float32(1 - p / 100) * np.float32(n)), 0)


def _nearest_rank(p: float, n: int) -> int:
    return max(int(np.ceil(np.float64(p) * n / 100)) - 1, 0)


def _summary(trace: list[dict], warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0), *,
             drop: str = "first", number: int = 0, wall: str = "h2d", latency: str = "sum", qps: str = "wall", ddof: int = 0,
             index: Callable[[float, int], int] | None = _float32_index, bound: str = "median",
             factor: float = 0.8) -> dict[str, Any]:
    """A parametrised summary; with its defaults it is right (an independent formulation)."""
    warm = [q["startComputeMs"] >= warmup_ms for q in trace]
    if drop == "each":
        kept = [q for q, w in zip(trace, warm) if w]
    elif drop == "count":
        kept = trace[int(warmup_ms) if number == 0 else number:]
    elif drop == "enqueue":
        kept = trace[next((i for i, q in enumerate(trace) if q["startEnqMs"] >= warmup_ms), len(trace)):]
    elif drop == "after":
        kept = trace[next((i for i, q in enumerate(trace) if q["startComputeMs"] > warmup_ms), len(trace)):]
    else:
        kept = trace[warm.index(True) if True in warm else len(trace):]
    if not kept:
        raise ValueError("no query after the warm-up")
    enq, h2d, compute, d2h = (_spans(kept, phase) for phase in PHASES)
    total = {"sum": [a + b + c for a, b, c in zip(h2d, compute, d2h)],
             "from enqueue": [q["endD2hMs"] - q["startEnqMs"] for q in kept],
             "from h2d": [q["endD2hMs"] - q["startH2dMs"] for q in kept],
             "compute": compute}[latency]
    first = {"h2d": kept[0]["startH2dMs"], "trace": trace[0]["startH2dMs"], "zero": 0.0, "enqueue": kept[0]["startEnqMs"],
             "compute": kept[0]["startComputeMs"]}[wall]
    last = kept[-1]["endD2hMs"]
    n, ordered = len(kept), sorted(total)
    told = {"min": ordered[0], "max": ordered[-1], "mean": statistics.fmean(total), "median": statistics.median(total)}
    for p in percentiles:
        told[f"p{p:g}"] = ordered[index(p, n)] if index else float(np.percentile(ordered, p))
    middle = {"median": statistics.median, "mean": statistics.fmean, "max": max}[bound]
    spread = float(np.std(compute, ddof=ddof)) if n > ddof else float("nan")
    return {
        "queries": n,
        "warmups": len(trace) - n,
        "throughput_qps": {"wall": 1e3 * n / (last - first), "mean": 1e3 / told["mean"],
                           "sum": 1e3 * n / sum(compute)}[qps],
        "latency": told,
        "compute_cv_pct": 100 * spread / statistics.fmean(compute),
        "enqueue_bound": middle(enq) > factor * middle(compute),
    }


def _summary_numpy(trace: list[dict], warmup_ms: float, percentiles: Sequence[float] = (90.0, 95.0, 99.0)) -> dict[str, Any]:
    """The whole trace as one array: queries by phases."""
    ends = np.array([[q[f"end{p}Ms"] for p in PHASES] for q in trace]).reshape(-1, 4)
    starts = np.array([[q[f"start{p}Ms"] for p in PHASES] for q in trace]).reshape(-1, 4)
    after = np.flatnonzero(starts[:, 2] >= warmup_ms)
    if after.size == 0:
        raise ValueError("the warm-up took everything")
    k = int(after[0])
    spans = (ends - starts)[k:]
    host = np.sort(spans[:, 1:].sum(axis=1))
    n = np.float32(len(host))
    dropped = {p: int((np.float32(1) - np.float32(p) / np.float32(100)) * n) for p in percentiles}
    latency = dict(zip(("min", "max", "mean", "median"), (host.min(), host.max(), host.mean(), np.median(host))))
    latency |= {f"p{p:g}": host[::-1][min(d, len(host) - 1)] for p, d in dropped.items()}
    enqueue, compute = np.median(spans[:, 0]), np.median(spans[:, 2])
    return {"queries": len(host), "warmups": k, "throughput_qps": len(host) / (ends[-1, 3] - starts[k, 1]) * 1000,
            "latency": latency, "compute_cv_pct": spans[:, 2].std() / spans[:, 2].mean() * 100,
            "enqueue_bound": bool(enqueue > 0.8 * compute)}


def _draw_trace(rng: np.random.Generator) -> Case:
    """Some streams whose queries overlap, with waits between the phases."""
    streams, each = int(rng.integers(1, 4)), int(rng.choice([2, 5, 10, 20, 34, 50]))
    scale = rng.uniform(0.2, 1.6)  # how much of the compute time an enqueue takes
    records = []
    for _ in range(streams):
        now = float(rng.uniform(0, 2))
        for _ in range(each):
            h2d, wait1, compute, wait2, d2h = rng.exponential([0.4, 0.3, 2.0, 0.2, 0.3]) + [0.1, 0, 0.5, 0, 0.1]
            enqueue = (now, float(rng.uniform(0.5, 1.1)) * scale * 1.6)
            edges = np.cumsum([now + float(rng.uniform(0, 0.2)), h2d, wait1, compute, wait2, d2h]).tolist()
            records.append(trace_record((enqueue[0], enqueue[0] + enqueue[1]), (edges[0], edges[1]),
                                        (edges[2], edges[3]), (edges[4], edges[5])))
            now = edges[4] + float(rng.exponential(0.2))
    records.sort(key=lambda q: q["startH2dMs"])
    n = len(records)
    warmup = float(rng.choice([0.0, round(records[int(rng.integers(n))]["startComputeMs"] - 0.05, 1)]))
    shown = f"{n} queries on {streams} stream{'s' * (streams > 1)}, warm-up {warmup:g} ms"
    if rng.random() < 0.3:
        return Case(records, warmup, (50.0, 75.0, 99.9), label=shown + ", p50, p75, p99.9")
    return Case(records, warmup, label=shown)


def _show_summary(value: dict[str, Any]) -> str:
    latency = ", ".join(f"{key} {number:.6g}" for key, number in value["latency"].items())
    return (f"queries {value['queries']}, warmups {value['warmups']}, throughput_qps {value['throughput_qps']:.6g}, "
            f"latency: {latency}, compute_cv_pct {value['compute_cv_pct']:.6g}, enqueue_bound {value['enqueue_bound']}")


summarize_trace = Exercise(
    id="31.summarize_trace", points=5, difficulty=3, minutes=30, idea="queries over wall time, percentiles in float32",
    reference=trtexec.summarize_trace,
    cases=[
        Case(SIX, 20.0, label="the six queries, warm-up 20 ms"),
        Case(SIX, 0.0, label="the six queries, no warm-up"),
        Case(_evenly(100, 30.0), 0.0, label="100 queries, the last one 30 ms slower"),
    ],
    hidden=[
        Case(SIX, 21.5, label="the six queries, warm-up 21.5 ms: the third one's compute starts then"),
        Case(SIX, 0.0, (0.0, 50.0, 99.9, 100.0), label="the six queries, p0, p50, p99.9 and p100"),
        Case(SIX[:1], 0.0, label="a single query"),
        Case(_evenly(10), 0.0, label="10 queries"), Case(_evenly(20), 0.0, label="20 queries"),
        Case(_evenly(200), 0.0, label="200 queries"), Case(_evenly(1000), 0.0, label="1,000 queries"),
        Case([_record(8.0 * i, 4, 0.5, 5, 0.5) for i in range(3)], 0.0, label="enqueue 4 ms, compute 5 ms: not more than 0.8"),
        Case([_record(8.0 * i, 4.25, 0.5, 5, 0.5) for i in range(3)], 0.0, label="enqueue 4.25 ms, compute 5 ms"),
        Case(trtexec.simulate_timeline(4, 0.5, 1.0, 0.25, 0.125), 8.0, label="48 queries on 4 streams, warm-up 8 ms"),
        Case([trace_record((0, 1), (1, 2), (9, 11), (11, 12)), trace_record((2, 3), (3, 4), (4, 6), (6, 7)),
              trace_record((4, 5), (5, 6), (11, 14), (14, 15))], 8.0,
             label="two streams: the second query starts its compute before the first one does"),
    ],
    draw=_draw_trace, draws=60, time_limit_s=5,
    raises=[Case(SIX, 50.0, label="a warm-up that outlasts the six queries"), Case([], 0.0, label="an empty trace")],
    compare=close(1e-6, 1e-9, dtype="any"), show=_show_summary,
    misconceptions=[
        Misconception(
            "inverse_latency", lambda *a, **k: _summary(*a, **k, qps="mean"),
            "1000 / latency holds for one query at a time without gaps. Queries of several streams overlap, and there are "
            "gaps between queries. Divide the number of queries by the wall time.",
            "Throughput is not 1 / latency.", also=(lambda *a, **k: _summary(*a, **k, qps="sum"),)),
        Misconception(
            "end_to_end_latency", lambda *a, **k: _summary(*a, **k, latency="from enqueue"),
            "The time from the first stamp to the last holds the waits between the phases. trtexec's Latency is the sum "
            "of three durations: H2D, compute and D2H.",
            "Waiting is not in trtexec's Latency.", also=(lambda *a, **k: _summary(*a, **k, latency="from h2d"),)),
        Misconception(
            "compute_only", lambda *a, **k: _summary(*a, **k, latency="compute"),
            "That is GPU Compute Time. Latency has the two copies as well: H2D + compute + D2H.",
            "The copies belong to the latency."),
        Misconception(
            "interpolates", lambda *a, **k: _summary(*a, **k, index=None),
            "`np.percentile` interpolates between two queries. trtexec takes one query that was measured, at the index "
            "of the formula.",
            "trtexec does not interpolate."),
        Misconception(
            "nearest_rank", lambda *a, **k: _summary(*a, **k, index=_nearest_rank),
            "Your index is ceil(p·n/100) − 1, which the formula gives when it is computed exactly, or in float32 at the end "
            "only. trtexec rounds each step to float32: 99 % of 100 queries leaves out 0.99999905, which truncates to 0.",
            "This is the nearest rank.", also=(lambda *a, **k: _summary(*a, **k, index=_late_float32_index),)),
        Misconception(
            "float64_index", lambda *a, **k: _summary(*a, **k, index=_float64_index),
            "The index was computed in float64. trtexec uses float32: for 99 % of 100 queries the product is 0.99999905 "
            "there and truncates to 0, so p99 is the maximum.",
            "The index was computed in float64."),
        Misconception(
            "drops_a_count", lambda *a, **k: _summary(*a, **k, drop="count"),
            "The warm-up is a time in ms, not a number of queries. Look for the first record whose compute starts at or "
            "after it.",
            "Warm-up is a time, not a count.",
            also=tuple(lambda *a, n=n, **k: _summary(*a, **k, drop="count", number=n) for n in (1, 2, 5, 10))),
        Misconception(
            "filters_each", lambda *a, **k: _summary(*a, **k, drop="each"),
            "With several streams a later record may start its compute earlier. The warm-up ends once, at the first record "
            "at or after it, and everything from there on counts.",
            "Each record was filtered by itself."),
        Misconception(
            "warm_up_by_enqueue", lambda *a, **k: _summary(*a, **k, drop="enqueue"),
            "Which stamp decides whether a query is still warm-up? It is the start of its compute, not of its enqueue.",
            "The wrong stamp ends the warm-up.", also=(lambda *a, **k: _summary(*a, **k, drop="after"),)),
        Misconception(
            "wall_with_warm_up", lambda *a, **k: _summary(*a, **k, wall="trace"),
            "The clock for the throughput starts with the H2D copy of the first query that counts. Yours runs during the "
            "warm-up, or starts at another phase.",
            "The wall time starts elsewhere.",
            also=tuple(lambda *a, w=w, **k: _summary(*a, **k, wall=w) for w in ("zero", "enqueue", "compute"))),
        Misconception(
            "sample_deviation", lambda *a, **k: _summary(*a, **k, ddof=1),
            "The standard deviation was divided by n − 1. trtexec divides by n (the population's deviation).",
            "The deviation of a sample.",),
        Misconception(
            "bound_by_means", lambda *a, **k: _summary(*a, **k, bound="mean"),
            "The enqueue warning compares medians, so that one slow query does not switch it on: median enqueue with 0.8 "
            "times the median compute.",
            "The warning compares medians.", also=(lambda *a, **k: _summary(*a, **k, factor=1.0),)),
    ],
    alternatives=[_summary, _summary_numpy],
    hints=(
        "First cut the trace: find the index of the first record with `startComputeMs >= warmup_ms`, keep all from there.",
        "Build four lists of durations (end minus start). Latency is the sum of three of them, query by query; sort it.",
        "For the index: `np.float32(1) - np.float32(p) / np.float32(100)`, times `np.float32(n)`, then `int(...)`.",
    ),
    worth_knowing="p99 of 100 queries is the slowest one; from 101 queries on trtexec's p99 leaves one out.",
)


# --- 5. migrate_trtexec -----------------------------------------------------------------------

_RENAMES = {"buildOnly": "skipInference", "streams": "infStreams", "plugins": "staticPlugins"}
_NOOPS = {"noDataTransfers", "useSpinWait", "useCudaGraph", "separateProfileRun"}
_RESTORES = (("includeDataTransfers", "noDataTransfers"), ("noCudaGraph", "useCudaGraph"), ("noSpinWait", "useSpinWait"))


def _flag(arg: str) -> str:
    return arg[2:].split("=", 1)[0] if arg.startswith("--") else ""


def _migrated(argv: list[str], target: int, input_name: str = "input", input_dims: tuple = (), *,
              workspace: Callable[[str], str] = lambda n: f"{n}M", quiet: bool = False, additions: str = "right",
              batch: str = "shapes", collapse: str = "after", repeatable: bool = True, precision_from: int = 11,
              keep_noops: bool = False, again: bool = False) -> tuple[list[str], list[str]]:
    """A parametrised migration; with its defaults it is right (an independent formulation)."""
    if target not in (10, 11):
        raise ValueError("target is 10 or 11")
    had = [_flag(arg) for arg in argv]
    if {"deploy", "model", "uff", "output"} & set(had):
        raise ValueError("this model has another format: convert to ONNX")
    free = {"staticPlugins", "dynamicPlugins", "setPluginsToSerialize"} if repeatable else set()
    if "profile" in had and repeatable:
        free |= {"profile", "minShapes", "optShapes", "maxShapes"}
    out, notes, seen = [], [], set()
    for arg in argv:
        name, (_, equals, value) = _flag(arg), arg.partition("=")
        new = [arg]
        if name in ("explicitBatch", "explicitPrecision", "minTiming"):
            new = []
        elif name == "workspace":
            new = [f"--memPoolSize=workspace:{workspace(value)}"]
        elif name in _RENAMES:
            new = [f"--{_RENAMES[name]}{equals}{value}"]
        elif name == "nvtxMode":
            new = [f"--profilingVerbosity={'detailed' if value == 'verbose' else value}"]
        elif name == "heuristic":
            new = ["--builderOptimizationLevel=2"]
        elif name == "batch" and batch != "lost":
            spec = f"{input_name}:{'x'.join(map(str, (value, *input_dims)))}"
            flags = {"shapes": ["shapes"], "opt": ["optShapes"], "all": ["minShapes", "optShapes", "maxShapes"]}[batch]
            new = [] if "shapes" in had else [f"--{flag}={spec}" for flag in flags]
        elif name == "batch":
            new = []
        if target >= precision_from and name in PRECISION_FLAGS:
            notes += [] if quiet else [f"{name}: set the precision in the model"]
            new = []
        if target == 11 and name in _NOOPS and not keep_noops:
            new = []
        for made in new:
            key = name if collapse == "before" else _flag(made)
            if collapse == "never" or not key or key in free or key not in seen:
                out.append(made)
            elif collapse == "last":
                out = [a for a in out if _flag(a) != key] + [made]
            seen.add(key)
    if target == 11:
        for new_flag, old in _RESTORES:
            wanted = {"right": old not in had, "none": False, "always": True, "flipped": old in had}[additions]
            if wanted and (again or new_flag not in had):
                out.append(f"--{new_flag}")
    return out, notes


def _migrate_in_passes(argv: list[str], target: int, input_name: str = "input", input_dims: tuple = ()) -> tuple:
    """One pass a rule, over (name, argument) pairs."""
    if target != 10 and target != 11:
        raise ValueError(target)
    before = [a.partition("=")[0] for a in argv]
    for foreign in ("--deploy", "--model", "--uff", "--output"):
        if foreign in before:
            raise ValueError(f"{foreign}: convert to ONNX first")
    args = [a for a in argv if a.partition("=")[0] not in ("--explicitBatch", "--explicitPrecision", "--minTiming")]
    for pattern, new in ((r"--workspace=(.*)", r"--memPoolSize=workspace:\1M"), (r"--buildOnly(=.*)?", r"--skipInference\1"),
                         (r"--streams(=.*)?", r"--infStreams\1"), (r"--plugins(=.*)?", r"--staticPlugins\1"),
                         (r"--nvtxMode=verbose", "--profilingVerbosity=detailed"), (r"--nvtxMode=(.*)", r"--profilingVerbosity=\1"),
                         (r"--heuristic", "--builderOptimizationLevel=2")):
        args = [re.sub(f"^{pattern}$", new, a) for a in args]
    dims = "".join(f"x{d}" for d in input_dims)
    if "--shapes" in before:
        args = [a for a in args if not a.startswith("--batch=")]
    args = [f"--shapes={input_name}:{a[8:]}{dims}" if a.startswith("--batch=") else a for a in args]
    many = ["--staticPlugins", "--dynamicPlugins", "--setPluginsToSerialize"]
    if "--profile" in before:
        many += ["--profile", "--minShapes", "--optShapes", "--maxShapes"]
    names = [a.partition("=")[0] for a in args]
    args = [a for i, a in enumerate(args) if not a.startswith("--") or names[i] in many or names.index(names[i]) == i]
    notes = []
    if target == 11:
        gone = [a for a in args if a.partition("=")[0][2:] in PRECISION_FLAGS and a.startswith("--")]
        if gone:
            notes.append(f"Precision lives in the ONNX model now; dropped {' '.join(gone)}.")
        off = ("--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun")
        args = [a for a in args if a not in gone and a.partition("=")[0] not in off]
        for extra, opposite in zip(("--includeDataTransfers", "--noCudaGraph", "--noSpinWait"), (off[0], off[2], off[1])):
            if opposite not in before and extra not in args:
                args.append(extra)
    return args, notes


def _tells_precision(case: Case, expected: Any, got: Any) -> str | None:
    """The arguments agree; where a precision flag had to go, a note says so."""
    if not isinstance(got, (list, tuple)) or len(got) != 2:
        return "expected a tuple of two lists: arguments and notes"
    found = exact()(expected[0], got[0], case)
    if found:
        return f"arguments: {found}"
    if not isinstance(got[1], (list, tuple)) or not all(isinstance(note, str) for note in got[1]):
        return "the notes must be a list of strings"
    dropped = [a for a in case.args[0] if _flag(a) in PRECISION_FLAGS] if case.args[1] == 11 else []
    if dropped and not _mentions(got[1]):
        return f"{dropped[0]} was dropped and no note contains “precision”"
    return None


def _mentions(notes: Sequence[str]) -> bool:
    return any("precision" in note.lower() for note in notes)


def _alike(expected: Any, got: Any, case: Case) -> str | None:
    """Whether two answers agree, their notes as far as they are asked about."""
    try:
        same = exact()(expected[0], got[0], case)
        if not all(isinstance(note, str) for note in (*expected[1], *got[1])) or isinstance(got[1], str):
            return "notes"
        matters = case.args[1] == 11 and any(_flag(a) in PRECISION_FLAGS for a in case.args[0])
        return same or ("notes" if matters and _mentions(expected[1]) != _mentions(got[1]) else None)
    except Exception:
        return "differs"


_PIECES = ("--explicitBatch", "--explicitPrecision", "--minTiming=1", "--workspace=1024", "--workspace=64", "--buildOnly",
           "--skipInference", "--streams=2", "--infStreams=4", "--plugins=a.so", "--plugins=b.so", "--staticPlugins=c.so",
           "--dynamicPlugins=d.so", "--dynamicPlugins=e.so", "--nvtxMode=verbose", "--nvtxMode=none", "--heuristic",
           "--builderOptimizationLevel=3", "--batch=4", "--shapes=x:2x3", "--best", "--fp16", "--int8", "--calib=c.cache",
           "--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun", "--verbose", "--avgRuns=5",
           "--layerPrecisions=l:fp16", "--maxShapes=x:8x3", "--minShapes=x:1x3", "--minShapes=x:2x3", "--saveEngine=e", "--noCudaGraph", "--noTF32", "m.onnx", "m.onnx")
_PROFILES = ("--profile=0", "--minShapes=x:1x3", "--optShapes=x:2x3", "--maxShapes=x:4x3", "--profile=1", "--minShapes=x:5x3",
             "--maxShapes=x:8x3")


def _draw_migrate(rng: np.random.Generator) -> Case:
    argv = ["--onnx=m", *(str(p) for p in rng.choice(_PIECES, int(rng.integers(0, 9))))]
    argv += _PROFILES if rng.random() < 0.2 else ()
    dims = tuple(int(d) for d in rng.integers(1, 9, int(rng.integers(0, 4))))
    return Case(argv, int(rng.choice([10, 11])), str(rng.choice(["input", "x", "images:0"])), dims)


def _show_migration(value: Any) -> str:
    """A list of arguments as one line; with notes, how many of them speak of precision."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], list):
        noted = sum("precision" in note.lower() for note in value[1])
        return " ".join(value[0]) + (f"   ({noted} note{'s' * (noted != 1)} on precision)" if noted else "")
    return " ".join(value) if value and isinstance(value, list) else brief(value)


_OLD_COMMAND = ["--onnx=m", "--explicitBatch", "--workspace=1024", "--best"]

migrate_trtexec = Exercise(
    id="31.migrate_trtexec", points=6, difficulty=3, minutes=35, idea="the same flags can measure something else",
    reference=trtexec.migrate_trtexec,
    cases=[
        Case(_OLD_COMMAND, 10),
        Case(_OLD_COMMAND, 11),
        Case(["--loadEngine=e", "--batch=8", "--streams=2"], 10, "data", (3, 224, 224)),
        Case(["--onnx=m", "--useCudaGraph"], 11),
    ],
    hidden=[
        Case(["--onnx=m", "--buildOnly", "--nvtxMode=verbose", "--heuristic", "--minTiming=2"], 10),
        Case(["--onnx=m", "--nvtxMode=none", "--explicitPrecision"], 10),
        Case(["--onnx=m", "--best", "--workspace=1024", "--best"], 10),
        Case(["--onnx=m", "--streams=2", "--infStreams=4"], 10),
        Case(["--onnx=m", "--plugins=a.so", "--plugins=b.so", "--staticPlugins=c.so"], 10),
        Case(["--onnx=m", "--dynamicPlugins=a.so", "--setPluginsToSerialize=a", "--dynamicPlugins=a.so",
              "--setPluginsToSerialize=b"], 11),
        Case(["--onnx=m", "--profile=0", "--minShapes=x:1", "--maxShapes=x:4", "--profile=1", "--minShapes=x:5",
              "--optShapes=x:6", "--maxShapes=x:8", "--optShapes=x:7"], 10),
        Case(["--onnx=m", "--plugins=a.so", *_PROFILES, "--staticPlugins=b.so", "--fp16", "--fp16"], 10),
        Case(["--onnx=m", "--minShapes=x:1", "--maxShapes=x:4", "--minShapes=x:5", "--optShapes=x:2", "--optShapes=x:3"], 10),
        Case(["--onnx=m", "--batch=4"], 10),
        Case(["--onnx=m", "--batch=4", "--shapes=x:2x3"], 10, "x", (3,)),
        Case(["--shapes=x:2x3", "--onnx=m", "--batch=4"], 11, "x", (3,)),
        Case(["--batch=2", "--onnx=m", "--batch=4"], 10, "x", (3,)),
        Case(["--onnx=m", "--noDataTransfers", "--useSpinWait"], 11),
        Case(["--onnx=m", "--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun"], 11),
        Case(["--onnx=m", "--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun"], 10),
        Case(["--noCudaGraph", "--onnx=m", "--includeDataTransfers"], 11),
        Case(["--noSpinWait", "--onnx=m"], 11),
        *(Case(["--onnx=m", f"--{flag}"], 11) for flag in ("fp16", "bf16", "fp8", "int8", "int4")),
        Case(["--onnx=m", "--int8", "--calib=c", "--calibProfile=0", "--layerPrecisions=l:fp16", "--layerOutputTypes=l:fp16",
              "--precisionConstraints=obey", "--minShapesCalib=x:1", "--optShapesCalib=x:1", "--maxShapesCalib=x:1",
              "--verbose"], 11),
        Case(["--onnx=m", "--fp16", "--layerPrecisions=l:fp16", "--calib=c"], 10),
        Case(["--onnx=dir/a=b.onnx", "--exportTimes=t.json", "--percentile=99", "--noTF32"], 10),
        Case(["--onnx", "m.onnx", "m.onnx"], 10),
        Case([], 10), Case([], 11),
    ],
    draw=_draw_migrate, draws=80, time_limit_s=2,
    raises=[Case(["--deploy=p.prototxt", "--output=prob"], 10, word="convert to ONNX"),
            Case(["--onnx=m", "--output=prob"], 11, word="convert to ONNX"),
            Case(["--uff=u"], 11, word="convert to ONNX"), Case(["--model=c", "--batch=1"], 10, word="convert to ONNX"),
            Case(["--onnx=m"], 9), Case(["--onnx=m"], 12)],
    compare=prop(_tells_precision, same=_alike), show=_show_migration,
    misconceptions=[
        Misconception(
            "workspace_in_kib", lambda *a: _migrated(*a, workspace=lambda n: f"{n}K"),
            "`--workspace` counted MiB. A pool of 1024 KiB is a thousand times smaller, and the builder skips every kernel "
            "that needs more: the engine gets slower and nothing fails.",
            "The workspace was in MiB.",
            also=(lambda *a: _migrated(*a, workspace=lambda n: f"{n}B"),
                  lambda *a: _migrated(*a, workspace=lambda n: f"{n}G"),
                  lambda *a: _migrated(*a, workspace=lambda n: str(int(n) * 2**20)))),
        Misconception(
            "silent_precision", lambda *a: _migrated(*a, quiet=True),
            "The arguments are right, but a precision flag went without a word. The engine would fall back to the types of "
            "the ONNX file, FP32 most often, and nobody would know why it is slow. Say so in a note.",
            "A precision flag went silently."),
        Misconception(
            "flipped_defaults", lambda *a: _migrated(*a, additions="flipped"),
            "`--useCudaGraph` is what 11 does by default, so it becomes nothing. `--noCudaGraph` is needed when it was "
            "absent, because 10 ran without graphs then. The same goes for the other two.",
            "The default changed sides."),
        Misconception(
            "always_restored", lambda *a: _migrated(*a, additions="always"),
            "The three additions restore what 10 did by default. Somebody who wrote `--noDataTransfers`, `--useCudaGraph` "
            "or `--useSpinWait` had asked for 11's way already; leave that one out.",
            "An addition where none is due."),
        Misconception(
            "measures_something_else", lambda *a: _migrated(*a, additions="none"),
            "The command runs on 11, but it measures something else: no transfers, with CUDA graphs and spin wait. What do "
            "you have to add so that the numbers stay comparable?",
            "11 would measure something else."),
        Misconception(
            "batch_to_opt_shapes", lambda *a: _migrated(*a, batch="opt"),
            "--optShapes belongs to the profile, it is read when an engine is built. `--batch` said what to run, and that "
            "is `--shapes`.",
            "--shapes sets what is run.",
            also=(lambda *a: _migrated(*a, batch="all"), lambda *a: _migrated(*a, batch="lost"))),
        Misconception(
            "duplicates_stay", lambda *a: _migrated(*a, collapse="never"),
            "A second occurrence of a flag is an unknown option in every release, also when it came in under an old name: "
            "`--streams=2 --infStreams=4` are two of one kind after the renaming.",
            "Duplicates are still there.", also=(lambda *a: _migrated(*a, collapse="before"),)),
        Misconception(
            "last_one_stays", lambda *a: _migrated(*a, collapse="last"),
            "Of several occurrences the first one stays, in its place. Yours keeps the last.",
            "The first occurrence stays."),
        Misconception(
            "plugins_collapsed", lambda *a: _migrated(*a, repeatable=False),
            "Some flags may come several times: plugin libraries, and the shapes behind each --profile. Dropping the second "
            "library leaves a layer without its plugin.",
            "A repeatable flag was dropped."),
        Misconception(
            "precision_dropped_in_10", lambda *a: _migrated(*a, precision_from=10),
            "TensorRT 10 still takes the precision flags (with a warning from 10.14 on). Only for 11 they have to go.",
            "10 still knows these flags."),
        Misconception(
            "no_ops_stay", lambda *a: _migrated(*a, keep_noops=True),
            "11 accepts `--useCudaGraph` and its like with a warning and ignores them. The rule here is to drop the four.",
            "Flags without effect are left."),
    ],
    alternatives=[_migrated, _migrate_in_passes],
    hints=(
        "First look at what was there (`present`), then rewrite argument by argument, then drop duplicates by the new name.",
        "For 11 decide the additions from the flags of the *old* command line: its `--useCudaGraph` is gone by then.",
        "Keep the note apart from the argument: whenever you drop a flag of PRECISION, append one sentence with that word.",
    ),
    worth_knowing="An engine file is tied to its release: after an upgrade it has to be built anew from the ONNX model.",
)

EXERCISES = [shape_spec, fill_profile, lint_trtexec, summarize_trace, migrate_trtexec]

"""Exercise 31.shape_spec: a list of named shapes, read more strictly than trtexec does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines import trtexec

from ...exercise import Case, Exercise, Misconception
from .shapes import Shape, Shapes


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

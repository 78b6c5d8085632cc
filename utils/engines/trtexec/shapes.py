"""trtexec's shape specifications: "name:d0xd1x...", and how missing profile flags are filled in.

`parse_shape_spec` and `complete_profile` do what NVIDIA's parser does, its oddities included;
`shape_spec` and `fill_profile` are strict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from utils.engines.trtexec.flags import require_release

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Profile = dict[str, tuple[Shape, Shape, Shape]]  # tensor -> (min, opt, max)

_INT = re.compile(r"\s*([+-]?[0-9]+)")
_FLOAT = re.compile(r"\s*([+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|nan))", re.IGNORECASE)


def split_argument(arg: str) -> tuple[str, str]:
    """Split an argument at its first "=": no "=" means an empty value.

    >>> split_argument("--tuneBuildRoutes=a=b")
    ('--tuneBuildRoutes', 'a=b')
    """
    key, _, value = arg.partition("=")
    return key, value


def split_list(text: str, separator: str) -> list[str]:
    """Split at every separator; the empty text has no items."""
    return text.split(separator) if text else []


def leading_int(text: str) -> int:
    """The number at the start of `text`, whatever follows (C's stoi); ValueError if there are no digits."""
    match = _INT.match(text)
    if not match:
        raise ValueError(f"text must start with a number, got no digits in {text!r}")
    value = int(match[1])
    if not -(2**31) <= value < 2**31:
        raise ValueError(f"text must be a 32-bit integer, got {text!r}")
    return value


def leading_float(text: str) -> float:
    """The decimal at the start of `text`, whatever follows (C's stod); ValueError if there are no digits."""
    match = _FLOAT.match(text)
    if not match:
        raise ValueError(f"text must start with a number, got no digits in {text!r}")
    return float(match[1])


def split_name(item: str) -> tuple[str, str]:
    """Split "name:value" at the LAST colon, or after a name in single quotes.

    Without a colon the whole item is both name and value. ValueError for an empty item and for quotes
    that do not come as one pair followed by a value.
    """
    if not item:
        raise ValueError("text must not hold an empty item, got two commas in a row or one at the end")
    quoted = item.split("'")
    if len(quoted) not in (1, 3) or (len(quoted) == 3 and not quoted[2]):
        raise ValueError(f"item must hold one pair of quotes around its name, or none, got {item!r}")
    if len(quoted) == 3:
        return quoted[0] + quoted[1], quoted[2][1:]
    name, colon, value = item.rpartition(":")
    return (name, value) if colon else (item, item)


def parse_shape_spec(text: str, release: str = "11.1") -> dict[str, Shape]:
    """Shapes of "name:d0xd1x...,name:..." as trtexec of the given release reads them.

    Dimensions are separated by a lower-case "x" and read like C's stoi, so that "1X3" is the
    one-element shape (1,); "scalar" is rank 0 from 10.x on; a repeated name keeps its last shape.
    Raises ValueError "no digits", or "quotes", or for an unknown release.

    >>> parse_shape_spec("images:0:1x3x224x224,mask:scalar")
    {'images:0': (1, 3, 224, 224), 'mask': ()}
    """
    require_release(release)
    shapes: dict[str, Shape] = {}
    for item in split_list(text, ","):
        name, dims = split_name(item)
        is_scalar = dims == "scalar" and release != "8.6"
        shapes[name] = () if is_scalar else tuple(leading_int(d) for d in split_list(dims, "x"))
    return shapes


def shape_spec(text: str) -> dict[str, Shape]:
    """Shapes of "name:d0xd1x...,...", strictly: every item is a name, a colon and positive dimensions.

    Names may hold colons and may stand in single quotes. Raises ValueError for an empty item or name,
    for a dimension that is not a positive decimal integer, and for an upper-case "X".

    >>> shape_spec("images:0:1x3x224x224,mask:scalar")
    {'images:0': (1, 3, 224, 224), 'mask': ()}
    """
    shapes: dict[str, Shape] = {}
    for item in text.split(","):
        name, colon, dims = item.rpartition(":")
        if len(name) >= 2 and name[0] == name[-1] == "'":
            name = name[1:-1]
        if not colon or not name or "'" in name:
            raise ValueError(f"text must be 'name:d0xd1x...' items, got {item!r}")
        if dims != "scalar" and not re.fullmatch(r"0*[1-9][0-9]*(x0*[1-9][0-9]*)*", dims):
            raise ValueError(f"dimensions must be positive integers separated by 'x', got {dims!r}")
        shapes[name] = () if dims == "scalar" else tuple(int(d) for d in dims.split("x"))
    return shapes


def broadcast_sources(has_min: bool, has_opt: bool, has_max: bool) -> tuple[str, str, str]:
    """Which of "min", "opt", "max" each of the three is taken from when some flags are absent."""
    low = "min" if has_min else "opt" if has_opt else "max"
    best = "opt" if has_opt else "max" if has_max else "min"
    high = "max" if has_max else "opt" if has_opt else "min"
    return low, best, high


def complete_profile(min_: Shapes | None, opt: Shapes | None, max_: Shapes | None) -> Profile:
    """tensor -> (min, opt, max) with trtexec's broadcast of absent flags (None); nothing is checked.

    A tensor that a given flag leaves out has the empty shape there, as in trtexec.

    >>> complete_profile({"x": (1, 3)}, None, {"x": (8, 3)})
    {'x': ((1, 3), (8, 3), (8, 3))}
    """
    given = {"min": min_, "opt": opt, "max": max_}
    tensors = dict.fromkeys(name for shapes in given.values() for name in shapes or {})
    sources = broadcast_sources(*(shapes is not None for shapes in given.values()))
    return {name: tuple((given[source] or {}).get(name, ()) for source in sources) for name in tensors}


def profile_errors(profile: Profile) -> list[str]:
    """What TensorRT's builder will refuse: ranks that differ, or a dimension without min <= opt <= max."""
    errors = []
    for name, (low, best, high) in profile.items():
        if not len(low) == len(best) == len(high):
            errors.append(f"min, opt and max of {name!r} must have one rank, got {low}, {best}, {high}")
        elif not all(a <= b <= c for a, b, c in zip(low, best, high)):
            errors.append(f"min <= opt <= max must hold in every dimension of {name!r}, got {low}, {best}, {high}")
    return errors


def fill_profile(
    lo: dict[str, Shape] | None, opt: dict[str, Shape] | None, hi: dict[str, Shape] | None
) -> dict[str, tuple[Shape, Shape, Shape]]:
    """tensor -> (min, opt, max) by trtexec's broadcast rules, checked as the builder will check it.

    None is an absent flag: min copies opt, else max; opt copies max, else min; max copies opt, else min.
    Raises ValueError naming the tensor when the given flags name different tensors, when ranks differ,
    or when min <= opt <= max fails in some dimension.
    """
    given = [shapes for shapes in (lo, opt, hi) if shapes is not None]
    for name in dict.fromkeys(name for shapes in given for name in shapes):
        if any(name not in shapes for shapes in given):
            raise ValueError(f"every given flag must name the tensor {name!r}, got it in only some of them")
    profile = complete_profile(lo, opt, hi)
    for error in profile_errors(profile):
        raise ValueError(error)
    return profile

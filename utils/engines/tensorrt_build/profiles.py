"""Optimization profiles: what a model allows, which violations a profile has, and which profile serves a shape."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from utils.engines.tensorrt_build.build_spec import Profile, Shape
from utils.graphs.static_shapes import Dims

TIE = 1e-9  # two distances that differ by less are the same number in exact arithmetic


def check_profile(model_shape: Dims, lo: Shape, opt: Shape, hi: Shape) -> list[str]:
    """Sorted violations of one input's range: "rank", or "static:<axis>", "order:<axis>", "negative:<axis>".

    A string in `model_shape` is a dynamic dimension, an int must equal lo, opt and hi there. An empty list means
    that the range is valid; dimensions of size 0 are allowed.

    >>> check_profile(("N", 3, 640, 640), (1, 3, 224, 224), (1, 3, 640, 640), (1, 3, 640, 640))
    ['static:2', 'static:3']
    """
    if {len(lo), len(opt), len(hi)} != {len(model_shape)}:
        return ["rank"]
    found = []
    for axis, (size, *three) in enumerate(zip(model_shape, lo, opt, hi)):
        broken = {
            "static": not isinstance(size, str) and three != [size] * 3,
            "order": not three[0] <= three[1] <= three[2],
            "negative": min(three) < 0,
        }
        found += [f"{rule}:{axis}" for rule, is_broken in broken.items() if is_broken]
    return sorted(found)


def profile_violations(inputs: Mapping[str, Dims], profile: Profile) -> list[str]:
    """Everything that the builder would refuse in a profile, one sentence each; [] means that it is valid.

    Beside the rules of `check_profile`: every dynamic input must have a range, no other name may have one, and
    a symbol that several tensors share ("N") must have one range.
    """
    ranges = {r.name: r for r in profile}
    found = [f"{name} has no range" for name, dims in inputs.items() if name not in ranges and _is_dynamic(dims)]
    found += [f"{name} is no input of the model" for name in ranges if name not in inputs]
    symbols: dict[str, dict[tuple[int, ...], str]] = {}
    for name, r in ranges.items():
        dims = inputs.get(name)
        if dims is None:
            continue
        codes = check_profile(dims, *r.shapes)
        found += [_sentence(name, dims, r.shapes, code) for code in codes]
        if "rank" in codes:
            continue
        for axis, size in enumerate(dims):
            if isinstance(size, str) and size != "?":
                symbols.setdefault(size, {}).setdefault(tuple(s[axis] for s in r.shapes), f"{name}[{axis}]")
    for symbol, seen in symbols.items():
        if len(seen) > 1:
            told = ", ".join(f"{list(three)} of {place}" for three, place in seen.items())
            found.append(f"{symbol} must have one range, got {told}")
    return found


def _is_dynamic(dims: Dims) -> bool:
    return any(isinstance(size, str) for size in dims)


def _sentence(name: str, dims: Dims, shapes: tuple[Shape, Shape, Shape], code: str) -> str:
    if code == "rank":
        return f"{name} has {len(dims)} dimensions, min, opt and max have {', '.join(str(len(s)) for s in shapes)}"
    rule, axis = code.split(":")
    three = [s[int(axis)] for s in shapes]
    return f"{name}[{axis}]: " + {
        "static": f"the model fixes {dims[int(axis)]}, min, opt and max are {three}",
        "order": f"min <= opt <= max does not hold, they are {three}",
        "negative": f"no size may be negative, they are {three}",
    }[rule]


def volume(shape: Sequence[int]) -> int:
    """Number of elements; 1 instead of 0, so that it has a logarithm."""
    return max(math.prod(shape), 1)


def admits(profile: tuple[Shape, Shape, Shape], shape: Shape) -> bool:
    """Whether the ranks agree and min <= shape <= max holds on every axis."""
    lo, opt, hi = profile
    ranks = {len(lo), len(opt), len(hi), len(shape)}
    return len(ranks) == 1 and all(a <= n <= b for a, n, b in zip(lo, shape, hi))


def opt_distance(opt: Sequence[Shape], shapes: Sequence[Shape]) -> float:
    """|ln| of the ratio of the volumes: 0 at the tuning point, ln 4 for four times as much or a quarter."""
    return abs(sum(math.log(volume(a)) for a in opt) - sum(math.log(volume(b)) for b in shapes))


def choose_profile(profiles: list[tuple], shape: tuple) -> int:
    """Index of the profile (lo, opt, hi) that admits `shape` and whose opt is nearest in logarithmic volume.

    A distance less than 1e-9 above the smallest is a tie with it; a tie goes to the lowest index. Raises ValueError
    "no profile admits" when the shape lies outside of all of them.
    """
    best = _nearest([(i, opt_distance([p[1]], [shape])) for i, p in enumerate(profiles) if admits(p, shape)])
    if best is None:
        raise ValueError(f"shape must lie inside a profile, but no profile admits {tuple(shape)}")
    return best


def profile_for(profiles: Sequence[Profile], shapes: Mapping[str, Shape]) -> int:
    """As `choose_profile` for several inputs: each must be admitted, the volumes are multiplied."""
    distances = []
    for i, profile in enumerate(profiles):
        if all(r.name in shapes and admits(r.shapes, shapes[r.name]) for r in profile):
            distances.append((i, opt_distance([r.opt for r in profile], [shapes[r.name] for r in profile])))
    best = _nearest(distances)
    if best is None:
        raise ValueError(f"shapes must lie inside a profile, but no profile admits {dict(shapes)}")
    return best


def _nearest(distances: list[tuple[int, float]]) -> int | None:
    """The first index whose distance is the smallest one, up to TIE."""
    if not distances:
        return None
    least = min(d for _, d in distances)
    return next(i for i, d in distances if d < least + TIE)

"""Exercise 51.best_dtype: the fastest type that a compute capability has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from utils.hardware import gpu_arch

from ...exercise import Case, Exercise, Misconception

MIN = {"fp32": (0, 0), "fp16": (7, 0), "int8": (7, 2), "bf16": (8, 0), "tf32": (8, 0), "fp8": (8, 9), "fp4": (10, 0)}
BITS = {"fp32": 32, "tf32": 19, "fp16": 16, "bf16": 16, "int8": 8, "fp8": 8, "fp4": 4}
NAMES = tuple(BITS)


def _pair(cc: str) -> tuple[int, int]:
    major, minor = cc.split(".")
    return int(major), int(minor)


def _has(cc: str, name: str, least: Mapping[str, tuple[int, int]]) -> bool:
    return _pair(cc) >= least[name]


def _pick(*, has: Callable[[str, str, Mapping], bool] = _has, least: Mapping[str, tuple[int, int]] = MIN, bits: Mapping[str, float] = BITS,
          order: Callable[[list[str], list[str]], Sequence[str]] = lambda usable, allowed: usable, empty: str | None = None,
          choose: Callable = min) -> Callable:
    """An answer with one of its steps replaced."""

    def answer(cc: str, allowed: list[str]) -> str:
        usable = [t for t in allowed if has(cc, t, least)]
        if not usable:
            if empty == "none":
                return None
            if empty:
                return empty
            raise ValueError("no supported type")
        return choose(order(usable, allowed), key=lambda t: bits[t])

    return answer


def _text(cc: str, name: str, least: Mapping) -> bool:
    return name == "fp32" or cc >= "{}.{}".format(*least[name])


def _float(cc: str, name: str, least: Mapping) -> bool:
    return float(cc) >= float("{}.{}".format(*least[name]))


def _each_part(cc: str, name: str, least: Mapping) -> bool:
    major, minor = _pair(cc)
    return major >= least[name][0] and minor >= least[name][1]


def _major_only(cc: str, name: str, least: Mapping) -> bool:
    return _pair(cc)[0] >= least[name][0]


def _strictly(cc: str, name: str, least: Mapping) -> bool:
    return _pair(cc) > least[name]


def _exactly(cc: str, name: str, least: Mapping) -> bool:
    return name == "fp32" or (_pair(cc)[0] == least[name][0] and _pair(cc) >= least[name])


def _newest(cc: str, allowed: list[str]) -> str:
    """The smallest type first, supported or not."""
    if not allowed:
        raise ValueError("no supported type")
    return min(allowed, key=BITS.__getitem__)


def _newest_or_error(cc: str, allowed: list[str]) -> str:
    best = _newest(cc, allowed)
    if not _has(cc, best, MIN):
        raise ValueError("no supported type")
    return best


def _first(cc: str, allowed: list[str]) -> str:
    for name in allowed:
        if _has(cc, name, MIN):
            return name
    raise ValueError("no supported type")


def _sorted(cc: str, allowed: list[str]) -> str:
    version = tuple(map(int, cc.split(".")))
    ranked = sorted((BITS[t], i, t) for i, t in enumerate(allowed) if version >= MIN[t])
    if not ranked:
        raise ValueError(f"no supported type in {allowed}")
    return ranked[0][2]


def _as_numbers(cc: str, allowed: list[str]) -> str:
    """One whole number for each version."""
    major, _, minor = cc.partition(".")
    have = 100 * int(major) + int(minor)
    best = None
    for name in allowed:
        if 100 * MIN[name][0] + MIN[name][1] <= have and (best is None or BITS[name] < BITS[best]):
            best = name
    if best is None:
        raise ValueError("no supported type")
    return best


def _as_tens(cc: str, allowed: list[str]) -> str:
    """Major times ten plus minor, as compilers name their targets; groups from the fastest down."""
    major, minor = cc.split(".")
    sm = int(major) * 10 + int(minor)
    ladder = [({"fp4": 100},), ({"int8": 72, "fp8": 89},), ({"fp16": 70, "bf16": 80},), ({"tf32": 80},), ({"fp32": 0},)]
    for (group,) in ladder:
        for name in allowed:
            if name in group and sm >= group[name]:
                return name
    raise ValueError("no supported type")


def _draw(rng: np.random.Generator) -> Case:
    cc = str(rng.choice(["5.2", "6.0", "6.1", "7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "8.10", "9.0", "10.0", "10.3", "11.0", "12.0", "12.1", "12.10"]))
    chosen = [str(t) for t in rng.permutation(NAMES)[: int(rng.integers(1, 6))]]
    if rng.random() < 0.7 and "fp32" not in chosen:
        chosen.append("fp32")
    if any(_has(cc, name, MIN) for name in chosen):
        return Case(cc, chosen)
    return Case(cc, chosen, error="ValueError", word="no supported type")


best_dtype = Exercise(
    id="51.best_dtype", points=5, difficulty=2, minutes=15, idea="a version is two whole numbers",
    reference=gpu_arch.best_dtype,
    cases=[Case("8.6", ["fp8", "bf16", "fp32"]), Case("10.0", ["bf16", "fp8", "fp32"]), Case("7.5", ["bf16", "fp16"]), Case("8.9", ["int8", "fp8"])],
    hidden=[
        Case("8.9", ["fp8", "int8"]), Case("8.9", ["fp4", "fp16"]), Case("10.0", ["fp4", "fp8"]), Case("12.0", ["bf16", "fp4"]), Case("9.0", ["fp4", "bf16", "fp16"]), Case("9.0", ["fp4", "fp16", "bf16"]), Case("7.5", ["tf32", "fp32"]), Case("8.0", ["fp32", "tf32"]),
        Case("8.0", ["tf32", "bf16"]), Case("7.0", ["int8", "fp16"]), Case("7.2", ["fp16", "int8"]), Case("6.1", ["int8", "fp16", "fp32"]), Case("8.10", ["fp8", "bf16"]), Case("8.10", ["fp16", "fp8", "fp32"]), Case("12.10", ["fp4", "int8"]), Case("5.2", ["fp32"]), Case("8.6", ["fp32", "fp16", "bf16", "tf32"]),
        Case("11.0", ["fp32", "fp8", "int8"]), Case("8.8", ["fp8", "bf16"]), Case("7.1", ["int8", "fp16"]), Case("10.0", ["int8", "fp8", "fp4", "fp32"]),
    ],
    raises=[Case("8.6", ["fp8", "fp4"], word="no supported type"), Case("6.0", ["fp16", "bf16"], word="no supported type"), Case("8.0", [], word="no supported type"), Case("7.0", ["int8"], word="no supported type"), Case("9.0", ["fp4"], word="no supported type")],
    draw=_draw, draws=60, pure=True,
    misconceptions=[
        Misconception("text", _pick(has=_text),
                      "You compare the versions as text. \"10.0\" comes before \"8.9\" there, letter by letter. Compare major and minor as whole numbers.", "Versions are not text."),
        Misconception("floats", _pick(has=_float),
                      "You turn the version into a float, and 8.10 becomes 8.1. It comes after 8.9: compare two whole numbers.", "Versions are not decimals."),
        Misconception("each_part", _pick(has=_each_part),
                      "You compare major and minor each by itself. 9.0 comes after 8.9, though its minor number is smaller: the minor counts only between equal majors.", "Major first, then minor."),
        Misconception("major_only", _pick(has=_major_only),
                      "You compare the major number only. 8.6 and 8.9 differ in FP8, 7.0 and 7.2 in INT8.", "The minor number matters."),
        Misconception("strictly_later", _pick(has=_strictly),
                      "A type is there from its capability on, this one included.", "The first one counts too."),
        Misconception("same_generation", _pick(has=_exactly),
                      "You look for types of the same major number only. A later GPU keeps the number formats of earlier ones.", "Later ones keep it."),
        Misconception("bf16_early", _pick(least={**MIN, "bf16": (7, 0)}),
                      "Your BF16 runs on 7.x. Tensor cores take FP16 from 7.0 on, BF16 from 8.0 on.", "BF16 needs 8.0.", also=(_pick(least={**MIN, "bf16": (7, 5)}), _pick(least={**MIN, "bf16": (7, 0), "tf32": (7, 0)}))),
        Misconception("fp8_with_hopper", _pick(least={**MIN, "fp8": (9, 0)}),
                      "Your FP8 begins with 9.0. Ada, 8.9, has it as well.", "8.9 has FP8."),
        Misconception("fp8_early", _pick(least={**MIN, "fp8": (8, 0)}),
                      "Your FP8 begins before 8.9. The A100 and the RTX 3090 do not have it.", "FP8 needs 8.9.", also=(_pick(least={**MIN, "fp8": (8, 6)}),)),
        Misconception("no_check", _newest,
                      "You take the smallest type without asking whether it is there. FP8 needs 8.9: 8.6 does not have it.", "Is it supported at all?", also=(_newest_or_error, lambda cc, allowed: min(allowed, key=BITS.__getitem__))),
        Misconception("first_supported", _first,
                      "You take the first one that is supported. Fewer bits come first; the order in `allowed` decides between equals only.", "Fewer bits come first."),
        Misconception("tf32_is_32", _pick(bits={**BITS, "tf32": 32}),
                      "You count TF32 as 32 bits. It is stored in 32 and multiplied with 19, on the tensor cores: it goes before FP32.", "TF32 has 19 bits."),
        Misconception("last_of_equals", _pick(order=lambda usable, allowed: usable[::-1]),
                      "Among types of equal width yours takes the last one. The one that comes first in `allowed` is asked.", "The first of equals.",
                      also=(_pick(order=lambda usable, allowed: sorted(usable)), _pick(order=lambda usable, allowed: sorted(usable, reverse=True)))),
        Misconception("most_bits", _pick(choose=max),
                      "You take the type with the most bits. Fewer bits run faster.", "Fewer bits are faster."),
        Misconception("falls_back", _pick(empty="fp32"),
                      "Where nothing in `allowed` is supported you return something else. Raise ValueError: whoever calls did not allow it.", "Nothing supported is an error.", also=(_pick(empty="none"),)),
    ],
    alternatives=[_sorted, _as_numbers, _as_tens],
    hints=("`tuple(map(int, cc.split(\".\")))` can be compared with another tuple.", "Two dictionaries: the first capability of each type, and its bits.", "`min` with a key keeps the first of equals."),
    worth_knowing="Fewer bits mean faster on most GPUs, not on all: Blackwell Ultra (10.3) has little INT8 left, and more FP4 instead.",
)

"""What a compute capability has: a version is two whole numbers, and newer does not always include older.

Sources: CUDA C++ Programming Guide (tables of features by compute capability) and the "Target ISA" notes of the PTX
ISA 9. PTX is NVIDIA's virtual assembly language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

Version = tuple[int, int]


def parse_cc(cc: str) -> Version:
    """(major, minor) of a compute capability. Raises ValueError unless it looks like "8.6".

    >>> parse_cc("10.0") > parse_cc("8.9")
    True
    """
    major, dot, minor = cc.partition(".")
    if not (dot and major.isdecimal() and minor.isdecimal()):
        raise ValueError(f'cc must look like "8.6", got {cc!r}')
    return int(major), int(minor)


@dataclass(frozen=True)
class Feature:
    """Where a feature begins. `majors` names the only major versions that have it; None means all later ones."""

    name: str
    min_cc: Version
    majors: tuple[int, ...] | None = None

    @property
    def family_specific(self) -> bool:
        return self.majors is not None


_ROWS = (
    Feature("dynamic parallelism", (3, 5)), Feature("page faults", (6, 0)), Feature("dp4a", (6, 1)),
    Feature("fp16 tensor cores", (7, 0)), Feature("int8 tensor cores", (7, 2)), Feature("bf16 tensor cores", (8, 0)),
    Feature("tf32 tensor cores", (8, 0)), Feature("2:4 sparsity", (8, 0)), Feature("async copy", (8, 0)),
    Feature("fp8 tensor cores", (8, 9)), Feature("clusters", (9, 0)), Feature("tma", (9, 0)),
    Feature("wgmma", (9, 0), majors=(9,)), Feature("fp4 tensor cores", (10, 0)),
    Feature("tcgen05", (10, 0), majors=(10, 11)),
)
FEATURES: Mapping[str, Feature] = MappingProxyType({row.name: row for row in _ROWS})
FEATURE_MIN_CC: Mapping[str, Version] = MappingProxyType({row.name: row.min_cc for row in _ROWS})


def supports(cc: str, feature: str) -> bool:
    """Whether a compute capability has a feature. Raises KeyError for an unknown feature.

    >>> supports("10.0", "tcgen05"), supports("12.0", "tcgen05")
    (True, False)
    """
    found, version = FEATURES[feature], parse_cc(cc)
    return version >= found.min_cc and (found.majors is None or version[0] in found.majors)


# Bits of a value as the tensor core reads it, and the feature that is needed; FP32 runs on the lanes of every GPU.
TENSOR_TYPES: Mapping[str, tuple[int, str | None]] = MappingProxyType({
    "fp32": (32, None), "tf32": (19, "tf32 tensor cores"), "fp16": (16, "fp16 tensor cores"),
    "bf16": (16, "bf16 tensor cores"), "int8": (8, "int8 tensor cores"), "fp8": (8, "fp8 tensor cores"),
    "fp4": (4, "fp4 tensor cores"),
})


def best_dtype(cc: str, allowed: Sequence[str]) -> str:
    """The supported type with the fewest bits; among equals the one that comes first in `allowed`.

    Raises ValueError "no supported type" when nothing in `allowed` is supported, KeyError for an unknown type.

    >>> best_dtype("8.6", ["fp8", "bf16", "fp32"])
    'bf16'
    """
    usable = [t for t in allowed if TENSOR_TYPES[t][1] is None or supports(cc, TENSOR_TYPES[t][1])]
    if not usable:
        raise ValueError(f"allowed must name a type that {cc} has, got {list(allowed)}: no supported type")
    return min(usable, key=lambda t: TENSOR_TYPES[t][0])  # min keeps the first of equals

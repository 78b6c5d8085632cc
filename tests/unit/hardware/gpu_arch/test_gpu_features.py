"""Compute capabilities: versions, families, the fastest type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.gpu_arch import FEATURE_MIN_CC, FEATURES, GENERATIONS, TENSOR_TYPES, best_dtype, parse_cc, supports
from utils.hardware.sm_limits import SM_LIMITS

CCS = ("5.2", "6.1", *SM_LIMITS)

# NVIDIA's statements, one by one: "Target ISA" of the PTX ISA 9 for wgmma and tcgen05, whitepapers for the rest.
STATED = [("6.0", "page faults", True), ("5.2", "page faults", False), ("7.0", "fp16 tensor cores", True),
          ("6.0", "fp16 tensor cores", False), ("7.5", "bf16 tensor cores", False), ("8.0", "2:4 sparsity", True),
          ("8.6", "fp8 tensor cores", False), ("8.9", "fp8 tensor cores", True), ("9.0", "fp8 tensor cores", True),
          ("9.0", "wgmma", True), ("10.0", "wgmma", False), ("12.0", "wgmma", False), ("9.0", "tcgen05", False),
          ("10.0", "tcgen05", True), ("10.3", "tcgen05", True), ("11.0", "tcgen05", True), ("12.0", "tcgen05", False),
          ("12.1", "fp4 tensor cores", True), ("9.0", "fp4 tensor cores", False)]


@pytest.mark.parametrize("cc, feature, has", STATED)
def test_stated(cc, feature, has):
    assert supports(cc, feature) is has


def test_only_families_lose_features():
    for name, feature in FEATURES.items():
        owners = [cc for cc in CCS if supports(cc, name)]
        later = [cc for cc in CCS if parse_cc(cc) >= FEATURE_MIN_CC[name]]
        assert feature.family_specific == (owners != later), name
        assert feature.family_specific or owners == later
    with pytest.raises(KeyError):
        supports("8.0", "teleport")


@given(st.tuples(st.integers(0, 30), st.integers(0, 30)), st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_versions_are_ordered_by_their_numbers(a, b):
    texts = [f"{major}.{minor}" for major, minor in (a, b)]
    assert (parse_cc(texts[0]) < parse_cc(texts[1])) == (a[0] < b[0] or (a[0] == b[0] and a[1] < b[1]))


@pytest.mark.parametrize("bad", ["", "8", "8.", ".6", "8.x", "sm_86", "-8.6", "8.6a"])
def test_no_version(bad):
    with pytest.raises(ValueError, match="cc must look like"):
        parse_cc(bad)


@given(st.sampled_from(CCS), st.permutations(list(TENSOR_TYPES)), st.integers(0, 7))
def test_best_dtype_by_looking_at_all(cc, order, count):
    allowed = order[:count]
    # a ladder written down once more, from the newest down
    have = {"fp32"}
    for first, types in ((7.0, ["fp16"]), (7.2, ["int8"]), (8.0, ["bf16", "tf32"]), (8.9, ["fp8"]), (10.0, ["fp4"])):
        have |= set(types) if float(cc) >= first else set()
    usable = [t for t in allowed if t in have]
    if not usable:
        with pytest.raises(ValueError, match="no supported type"):
            best_dtype(cc, allowed)
        return
    ranks = {"fp4": 0, "int8": 1, "fp8": 1, "fp16": 2, "bf16": 2, "tf32": 3, "fp32": 4}
    found = best_dtype(cc, allowed)
    assert all((ranks[found], allowed.index(found)) <= (ranks[t], allowed.index(t)) for t in usable) and found in usable


def test_best_dtype_refuses_unknown_types():
    with pytest.raises(KeyError):
        best_dtype("8.0", ["fp12"])


def test_generations_are_in_order_and_dated():
    rows = list(GENERATIONS.values())
    assert [r.year for r in rows] == sorted(r.year for r in rows)
    assert all(r.source and r.as_of and r.new for r in rows)
    named = [parse_cc(cc) for r in rows for cc in r.ccs]
    assert len(named) == len(set(named)) and {parse_cc(cc) for cc in SM_LIMITS} <= set(named)
    assert not GENERATIONS["Rubin"].ccs

"""Which names the Python bindings of three TensorRT releases have, as far as building an engine needs them.

Read from NVIDIA's binding wheels: every name stands among the strings of the compiled module, and every name that
was removed does not (`tests/oracles/test_tensorrt_names_vs_wheels.py`). The exception are names that another enum
has too (BF16 is also a data type): there the documented list of removed APIs decides.
"""

from __future__ import annotations

RELEASES = ("8.6", "10.16", "11.1")
FULL_VERSION = {"8.6": "8.6.1", "10.16": "10.16.1.11", "11.1": "11.1.0.106"}
AS_OF = "2026-11; newest release in the table: 11.1.0 (11.4.0 has the same names)"
SOURCE = (
    "binding wheels tensorrt-bindings 8.6.1, tensorrt-cu12-bindings 10.16.1.11, tensorrt-cu13-bindings 11.1.0.106; "
    "NVIDIA TensorRT documentation 11.4, 'Removed Python APIs and Replacements'"
)

_ALL, _OLD, _WEAK, _MID, _NEW = RELEASES, ("8.6",), ("8.6", "10.16"), ("10.16",), ("10.16", "11.1")

# class or enum -> releases -> the names that these releases have
_COLUMNS: dict[str, dict[tuple[str, ...], str]] = {
    "Logger": {_ALL: "INTERNAL_ERROR ERROR WARNING INFO VERBOSE min_severity log"},
    "Builder": {
        _ALL: "create_network create_builder_config create_optimization_profile build_serialized_network",
        _OLD: "build_engine max_batch_size",
        _WEAK: "platform_has_tf32 platform_has_fast_fp16 platform_has_fast_int8",
    },
    "INetworkDefinition": {_ALL: "num_inputs num_outputs get_input get_output"},
    "OnnxParser": {
        _ALL: "parse parse_from_file num_errors get_error clear_errors",
        _WEAK: "supports_model",
        _NEW: "supports_model_v2",
    },
    "ParserError": {_ALL: "code desc file line func node"},
    "IOptimizationProfile": {_ALL: "set_shape get_shape"},
    "IBuilderConfig": {
        _ALL: """set_memory_pool_limit get_memory_pool_limit add_optimization_profile num_optimization_profiles
            set_flag get_flag clear_flag set_preview_feature get_preview_feature create_timing_cache set_timing_cache
            get_timing_cache builder_optimization_level hardware_compatibility_level""",
        _OLD: "max_workspace_size",
        _WEAK: "int8_calibrator",
    },
    "ITimingCache": {_ALL: "serialize"},
    "Runtime": {_ALL: "deserialize_cuda_engine"},
    "ICudaEngine": {_ALL: "serialize"},
    "NetworkDefinitionCreationFlag": {
        _WEAK: "EXPLICIT_BATCH",
        _OLD: "EXPLICIT_PRECISION",
        _NEW: "STRONGLY_TYPED PREFER_AOT_PYTHON_PLUGINS PREFER_JIT_PYTHON_PLUGINS",
    },
    "BuilderFlag": {
        _ALL: """DEBUG GPU_FALLBACK REFIT DISABLE_TIMING_CACHE TF32 SPARSE_WEIGHTS SAFETY_SCOPE DIRECT_IO
            VERSION_COMPATIBLE EXCLUDE_LEAN_RUNTIME""",
        _OLD: "STRICT_TYPES ENABLE_TACTIC_HEURISTIC",
        _WEAK: "FP16 INT8 FP8 OBEY_PRECISION_CONSTRAINTS PREFER_PRECISION_CONSTRAINTS REJECT_EMPTY_ALGORITHMS",
        _MID: "BF16 INT4 FP4 WEIGHTLESS",
        _NEW: """EDITABLE_TIMING_CACHE ERROR_ON_TIMING_CACHE_MISS DISABLE_COMPILATION_CACHE STRIP_PLAN REFIT_IDENTICAL
            WEIGHT_STREAMING REFIT_INDIVIDUAL STRICT_NANS MONITOR_MEMORY DISTRIBUTIVE_INDEPENDENCE""",
    },
    "PreviewFeature": {
        _OLD: "FASTER_DYNAMIC_SHAPES_0805 DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805",
        _WEAK: "PROFILE_SHARING_0806",
        _NEW: "ALIASED_PLUGIN_IO_10_03 RUNTIME_ACTIVATION_RESIZE_10_10",
        _MID: "MULTIDEVICE_RUNTIME_10_16",
    },
    "MemoryPoolType": {
        _ALL: "WORKSPACE DLA_MANAGED_SRAM DLA_LOCAL_DRAM DLA_GLOBAL_DRAM TACTIC_DRAM",
        _NEW: "TACTIC_SHARED_MEMORY",
    },
    "HardwareCompatibilityLevel": {_ALL: "NONE AMPERE_PLUS", _NEW: "SAME_COMPUTE_CAPABILITY"},
}

# Names of 8.6 and 10.16 that NVIDIA's list of removed APIs names for 11, and that live on as data types.
REMOVED_BUT_A_DATA_TYPE = frozenset(("BF16", "INT8", "FP8", "INT4", "FP4"))


def api_names(release: str) -> dict[str, list[str]]:
    """Class or enum -> its names in `release` ("8.6", "10.16" or "11.1"). ValueError for another release.

    >>> api_names("11.1")["NetworkDefinitionCreationFlag"]
    ['STRONGLY_TYPED', 'PREFER_AOT_PYTHON_PLUGINS', 'PREFER_JIT_PYTHON_PLUGINS']
    """
    if release not in RELEASES:
        raise ValueError(f"release must be one of {', '.join(RELEASES)}, got {release!r}")
    return {
        owner: [name for releases, words in columns.items() if release in releases for name in words.split()]
        for owner, columns in _COLUMNS.items()
    }


def where_is(name: str) -> dict[str, tuple[str, ...]]:
    """Class or enum -> the releases whose bindings have `name` there; KeyError for a name that none has.

    >>> where_is("EXPLICIT_BATCH")
    {'NetworkDefinitionCreationFlag': ('8.6', '10.16')}
    """
    found = {
        owner: tuple(r for r in RELEASES if any(r in rs and name in words.split() for rs, words in columns.items()))
        for owner, columns in _COLUMNS.items()
    }
    found = {owner: releases for owner, releases in found.items() if releases}
    if not found:
        raise KeyError(f"name must be one of the names in the table, got {name!r}")
    return found

"""What trtexec demands of the value of an option: numbers, words, formats, memory pools.

The rules of one flag are one entry of a table; a value that breaks them raises ValueError, with
which NVIDIA's parser refuses the whole command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from utils.engines.trtexec.shapes import leading_float, leading_int, split_list, split_name

Rule = Callable[[str, str], None]  # (value, release), raises ValueError

UNIT_BYTES = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30}
POOLS = ("workspace", "dlaSRAM", "dlaLocalDRAM", "dlaGlobalDRAM", "tacticSharedMem")


def with_unit(text: str) -> float:
    """A number with an optional base-2 unit B, K, M or G as its last letter; ValueError for another letter."""
    value = leading_float(text)
    if text[-1].isdigit():
        return value
    if text[-1].upper() not in UNIT_BYTES:
        raise ValueError(f"unit must be one of {', '.join(UNIT_BYTES)}, got {text!r}")
    return value * UNIT_BYTES[text[-1].upper()]


def parse_memory_pools(text: str, release: str) -> dict[str, float]:
    """pool -> size in MiB of "workspace:1024,dlaSRAM:1M,...".

    From 10.x on a size has a unit B, K, M or G, M if none is written; 8.6 reads MiB and ignores every
    letter, so that its "1G" is one MiB. ValueError for an unknown pool, no digits or a negative size.
    """
    pools: dict[str, float] = {}
    for item in split_list(text, ","):
        name, size = split_name(item)
        known = POOLS[:4] if release == "8.6" else POOLS
        if release == "8.6":
            mib = leading_float(size)
        else:
            mib = with_unit(size + "M" if size[-1:].isdigit() else size) / 2**20
        if mib < 0:
            raise ValueError(f"memory pool size must not be negative, got {item!r}")
        if name and name not in known:
            raise ValueError(f"memory pool must be one of {', '.join(known)}, got {name!r}")
        if name:
            pools[name] = mib
    return pools


def check_value(flag: str, value: str, release: str) -> None:
    """Raise ValueError, naming the flag, when trtexec of `release` would refuse `value`."""
    rule = _RULES.get(flag)
    if rule is None:
        return
    try:
        rule(value, release)
    except ValueError as error:
        raise ValueError(f"--{flag}={value}: {error}") from None


# -- rules ----------------------------------------------------------------------------------------


def _integer(value: str, release: str) -> None:
    leading_int(value)


def _number(value: str, release: str) -> None:
    leading_float(value)


def _not_negative(value: str, release: str) -> None:
    if leading_float(value) < 0:
        raise ValueError("value must not be negative")


def _percentiles(value: str, release: str) -> None:
    for item in split_list(value, ","):
        if not 0 <= leading_float(item) <= 100:
            raise ValueError(f"percentile must lie in [0, 100], got {item}")


def _budget(value: str, release: str) -> None:
    automatic_or_off = (-1, -2)
    if "%" in value:
        if not 0 <= leading_float(value) <= 100:
            raise ValueError("percent must lie in [0, 100]")
    elif with_unit(value) < 0 and with_unit(value) not in automatic_or_off:
        raise ValueError("budget must be -1, -2 or at least 0")


def _pairs(value: str, release: str) -> None:
    for item in split_list(value, ","):
        split_name(item)


def _one_of(*words: str, empty: bool = True, fold: bool = False) -> Rule:
    def rule(value: str, release: str) -> None:
        if (value.lower() if fold else value) not in words and not (empty and not value):
            raise ValueError(f"value must be one of {', '.join(words)}")

    return rule


def _compatibility(value: str, release: str) -> None:
    words = ("none", "ampere+") if release == "8.6" else ("none", "ampere+", "samecomputecapability")
    _one_of(*words, fold=True)(value, release)


def _named_word(names: Iterable[str], words: Iterable[str]) -> Rule:
    """Items "name:word"; any name if `names` is empty."""

    def rule(value: str, release: str) -> None:
        for item in split_list(value, ","):
            name, word = split_name(item)
            if names and name not in names:
                raise ValueError(f"name must be one of {', '.join(names)}, got {name!r}")
            if word not in words:
                raise ValueError(f"value must be one of {', '.join(words)}, got {word!r}")

    return rule


def _signed(words_of: Callable[[str], tuple[str, ...]], upper: bool = False) -> Rule:
    """Items "+word" or "-word"."""

    def rule(value: str, release: str) -> None:
        for item in split_list(value, ","):
            word = item[1:].upper() if upper else item[1:]
            if item[:1] not in ("+", "-"):
                raise ValueError(f"item must start with + or -, got {item!r}")
            if word not in words_of(release):
                raise ValueError(f"item must be one of {', '.join(words_of(release))}, got {word!r}")

    return rule


def preview_features(release: str) -> tuple[str, ...]:
    """The preview features that --preview of a release can switch."""
    return {
        "8.6": ("profileSharing0806", "fasterDynamicShapes0805", "disableExternalTacticSourcesForCore0805"),
        "10.16": ("profileSharing0806", "aliasedPluginIO1003", "runtimeActivationResize"),
        "11.1": ("aliasedPluginIO1003", "runtimeActivationResize"),
    }[release]


def tactic_sources(release: str) -> tuple[str, ...]:
    """The tactic sources that --tacticSources of a release can switch: cuBLAS and cuDNN are gone in 11."""
    libraries = () if release == "11.1" else ("CUBLAS", "CUBLASLT", "CUBLAS_LT", "CUDNN")
    return (*libraries, "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")


def _types(release: str) -> tuple[str, ...]:
    early = ("fp32", "fp16", "int8", "fp8", "int32")
    return early if release == "8.6" else (*early, "bf16", "int64", "bool", "uint8", "int4")


def _formats(release: str) -> tuple[str, ...]:
    common = "chw chw2 chw4 hwc8 chw16 chw32 dhwc8 cdhw32 hwc dhwc dla_linear dla_hwc4"
    return tuple(common.split()) if release == "8.6" else (*common.split(), "hwc16")


def split_io_format(item: str, release: str) -> tuple[str, list[str]]:
    """(type, formats) of "fp16:chw+chw4"; from 11 on, where tensors carry their types, of "chw+chw4" alone.

    Raises ValueError for a missing or superfluous type and for unknown names.
    """
    dtype, colon, formats = item.partition(":") if release != "11.1" else ("", ":", item)
    if not colon or (release != "11.1" and dtype not in _types(release)):
        raise ValueError(f"format must be <type>:<format>, type one of {', '.join(_types(release))}, got {item!r}")
    for name in split_list(formats, "+"):
        if name not in _formats(release):
            raise ValueError(f"format must be one of {', '.join(_formats(release))}, got {name!r}")
    return dtype, split_list(formats, "+")


def _io_formats(value: str, release: str) -> None:
    for item in split_list(value, ","):
        split_io_format(item, release)


def _layer_precisions(value: str, release: str) -> None:
    _named_word((), _types(release))(value, release)


def _layer_output_types(value: str, release: str) -> None:
    for item in split_list(value, ","):
        for word in split_list(split_name(item)[1], "+"):
            _one_of(*_types(release), empty=False)(word, release)


_VERBOSITY = _one_of("layer_names_only", "none", "detailed", "default", "verbose")
_INTEGERS = (
    *("avgRuns", "avgTiming", "batch", "builderOptimizationLevel", "calibProfile", "device", "infStreams"),
    *("iterations", "l2LimitForTiling", "maxAuxStreams", "maxBatch", "maxTactics", "minTiming", "streams"),
    *("tilingOptimizationLevel", "useDLACore", "useProfile"),
)
_RULES: dict[str, Rule] = {
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(("duration", "warmUp", "sleepTime", "idleTime", "persistentCacheRatio", "workspace"), _number),
    **dict.fromkeys(("atol", "rtol", "accuracyThreshold"), _not_negative),
    **dict.fromkeys(("loadInputs", "loadRefOutputs", "saveDebugTensors"), _pairs),
    **dict.fromkeys(("profilingVerbosity", "nvtxMode"), _VERBOSITY),
    **dict.fromkeys(("inputIOFormats", "outputIOFormats"), _io_formats),
    "layerPrecisions": _layer_precisions,
    "layerOutputTypes": _layer_output_types,
    "percentile": _percentiles,
    "weightStreamingBudget": _budget,
    "precisionConstraints": _one_of("obey", "prefer", "none"),
    "sparsity": _one_of("disable", "enable", "force", empty=False),
    "hardwareCompatibilityLevel": _compatibility,
    "runtimePlatform": _one_of("SameAsBuild", "WindowsAMD64"),
    "allocationStrategy": _one_of("static", "profile", "runtime"),
    "useRuntime": _one_of("full", "dispatch", "lean"),
    "accuracyAlgorithm": _one_of("l0", "l1", "l2", "lInf", "cos"),
    "tuningSearch": _one_of("fast", "full", "mixed"),
    "preview": _signed(preview_features),
    "tacticSources": _signed(tactic_sources, upper=True),
    "layerDeviceTypes": _named_word((), ("GPU", "DLA")),
    "tempfileControls": _named_word(("in_memory", "temporary"), ("allow", "deny")),
}

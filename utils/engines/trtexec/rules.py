"""Combinations of options that trtexec refuses or remarks on, as data where that is possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utils.engines.trtexec.shapes import leading_int, split_list
from utils.engines.trtexec.values import split_io_format

Options = Mapping[str, Sequence[str]]
ALL, WEAK, NEW, NEWEST = ("8.6", "10.16", "11.1"), ("8.6", "10.16"), ("10.16", "11.1"), ("11.1",)

# (flag, what it needs, releases)
NEEDS = [
    ("dumpKernelText", "safe", NEW),
    ("remoteAutoTuningConfig", "safe", NEW),
    ("cpuOnly", "safe", NEW),
    ("cpuOnly", "remoteAutoTuningConfig", NEW),
    ("weightStreamingBudget", "allowWeightStreaming", NEW),
    ("uint8AsymmetricQuantizationDLA", "useDLACore", NEW),
    ("reportCapabilityDLA", "useDLACore", NEW),
    ("saveAllEngines", "saveEngine", NEWEST),
    ("continue", "tuningCacheFile", NEWEST),
    ("loadRefOutputs", "loadInputs", NEWEST),
    ("loadRefOutputs", "accuracyThreshold", NEWEST),
    ("refPair", "accuracyThreshold", NEWEST),
]
# (one flag, another, releases): not both
CONFLICTS = [
    ("loadEngine", "saveEngine", ALL),
    ("buildDLAStandalone", "allowGPUFallback", ALL),
    ("fp8", "int8", WEAK),
    ("fp8", "best", WEAK),  # --best turns int8 on
    ("best", "stronglyTyped", ("10.16",)),
    ("pluginInstanceNorm", "versionCompatible", NEW),
    ("tuneBuildRoutes", "tuneBuildRouteFile", NEWEST),
    ("continue", "tuneBuildRoutes", NEWEST),
    ("continue", "tuneBuildRouteFile", NEWEST),
    ("continue", "dryRun", NEWEST),
    ("continue", "helpBuildRoute", NEWEST),
    ("skipInference", "loadRefOutputs", NEWEST),
    ("skipInference", "refPair", NEWEST),
]
_SYNONYMS = {"vc": "versionCompatible", "pi": "pluginInstanceNorm"}


def check_combination(options: Options, release: str, *, n_profiles: int) -> list[str]:
    """Warnings about a set of accepted options; ValueError for a combination that `release` refuses."""
    present = {_SYNONYMS.get(name, name) for name in options}
    for flag, needed, releases in NEEDS:
        if release in releases and flag in present and needed not in present:
            raise ValueError(f"--{flag} must come with --{needed}")
    for one, other, releases in CONFLICTS:
        if release in releases and {one, other} <= present:
            raise ValueError(f"--{one} must not come with --{other}")
    if release == "8.6":
        _check_implicit_batch(options)
    if "help" not in present and not present & {"onnx", "loadEngine", "helpBuildRoute", "uff", "model", "deploy"}:
        raise ValueError("a model must be given with --onnx, got a command whose model is missing")
    _check_runtime(options, present)
    _check_dla(options, present, release)
    if _number(options, "calibProfile") >= n_profiles:
        raise ValueError(f"--calibProfile must be below the number of profiles, got {n_profiles}")
    return _warnings(options, present, release)


def _number(options: Options, name: str, default: int = 0) -> int:
    return leading_int(options[name][0]) if name in options else default


def _check_implicit_batch(options: Options) -> None:
    """The rules of 8.6 for models without a batch dimension, which later releases do not know."""
    batch, max_batch = _number(options, "batch"), _number(options, "maxBatch")
    shapes = any(name in options for name in ("minShapes", "optShapes", "maxShapes", "shapes"))
    if ("onnx" in options or shapes) and (batch or max_batch):
        raise ValueError("--batch and --maxBatch must not be used with an ONNX model or with shapes: use --shapes")
    if max_batch and max_batch < (batch or 1):
        raise ValueError(f"--maxBatch must be at least --batch, got {max_batch}")
    legacy = {"uff", "model", "deploy"} & set(options)
    if legacy and "output" not in options:
        raise ValueError("Caffe and UFF models must name at least one --output")
    if "onnx" in options and "output" in options:
        raise ValueError("--output must not be used with an ONNX model")
    inputs = options.get("uffInput", [])
    if "uff" in options and (not inputs or any(len(split_list(item, ",")) != 4 for item in inputs)):
        raise ValueError("--uff must come with --uffInput=name,C,H,W")


def _check_runtime(options: Options, present: set[str]) -> None:
    mode = options.get("useRuntime", ["full"])[0] or "full"
    if mode != "full" and "loadEngine" not in present:
        raise ValueError("building an engine needs --useRuntime=full")
    if mode != "full" and "timeRefit" in present:
        raise ValueError("--timeRefit must come with --useRuntime=full")
    compatible = options.get("hardwareCompatibilityLevel", [""])[0].lower() == "ampere+"
    if "pluginInstanceNorm" in present and (compatible or mode != "full"):
        raise ValueError("--pluginInstanceNorm must not come with a version or hardware compatible engine")


def _check_dla(options: Options, present: set[str], release: str) -> None:
    """A standalone DLA loadable needs explicit input and output formats that the accelerator can read."""
    safe_dla = "safe" in present and _number(options, "useDLACore", -1) >= 0
    if "help" in present or not (safe_dla or "buildDLAStandalone" in present):
        return
    by_type = {"int8": {"chw32"}, "fp16": {"chw16"}, "": {"chw16", "chw32"}}
    for flag, extra in (("inputIOFormats", {"chw4", "dla_hwc4"}), ("outputIOFormats", set())):
        items = split_list(options.get(flag, [""])[0], ",")
        for dtype, formats in [split_io_format(item, release) for item in items] or [("", [])]:
            allowed = by_type[dtype] | extra | {"dla_linear"} if dtype in by_type else set()
            if len(formats) != 1 or formats[0] not in allowed:
                raise ValueError(f"--{flag} must name formats of the DLA for a standalone loadable")
    if "allowGPUFallback" in present:
        raise ValueError("--allowGPUFallback must not come with a DLA loadable")


def _warnings(options: Options, present: set[str], release: str) -> list[str]:
    warnings = []
    mode = options.get("useRuntime", ["full"])[0]
    if mode in ("lean", "dispatch") and "versionCompatible" not in present:
        warnings.append(f"--useRuntime={mode} implies --versionCompatible")
    weak = sorted(present & {"fp16", "bf16", "int8", "fp8", "int4"})
    if release == "10.16" and "stronglyTyped" in present and weak:
        warnings.append(f"--{weak[0]} has no effect in a strongly typed network")
    if options.get("sparsity", [""])[0] == "force" and release != "8.6":
        warnings.append("--sparsity=force is deprecated: prune the weights first, then use --sparsity=enable")
    graph = "noCudaGraph" not in present if release == "11.1" else "useCudaGraph" in present
    if release != "8.6" and graph and _number(options, "useDLACore", -1) >= 0:
        warnings.append("CUDA graphs are switched off: they do not work together with a DLA core")
    if "allowWeightStreaming" in present and "weightStreamingBudget" not in present:
        warnings.append("weights can be streamed but will not be: --weightStreamingBudget is not set")
    return warnings

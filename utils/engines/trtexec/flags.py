"""The option table of trtexec in three TensorRT releases.

Read from NVIDIA's own option parser, so it holds what the program accepts, which is not always
what its README says: the README of 11.1 still shows `--int8` and `--best`, which 11.1 refuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

RELEASES = ("8.6", "10.16", "11.1")
AS_OF = "2026-11; newest release in the table: 11.1.0"
SOURCE = "github.com/NVIDIA/TensorRT, samples/common/sampleOptions.cpp, tags v8.6.1, v10.16 and v11.1"


@dataclass(frozen=True)
class FlagInfo:
    """One option: whether it takes a value, where it exists, and what a release says against it.

    `deprecated_in` maps a release that still accepts the flag with a warning to its advice.
    """

    name: str
    takes_value: bool
    releases: frozenset[str]
    deprecated_in: dict[str, str] = field(default_factory=dict)


# A name ending in "=" takes a value; the others are switches, which are on whatever follows.
_COLUMNS: dict[tuple[str, ...], str] = {
    ("8.6", "10.16", "11.1"): """
        allowGPUFallback avgRuns= avgTiming= buildDLAStandalone builderOptimizationLevel= consistency device=
        directIO dumpLayerInfo dumpOutput dumpProfile dumpRawBindingsToFile dumpRefit duration= dynamicPlugins=
        excludeLeanRuntime exportLayerInfo= exportOutput= exportProfile= exportTimes= exposeDMA
        hardwareCompatibilityLevel= help idleTime= ignoreParsedPluginLibs infStreams= inputIOFormats= iterations=
        layerDeviceTypes= leanDLLPath= loadEngine= loadInputs= maxAuxStreams= maxShapes= memPoolSize= minShapes=
        noBuilderCache noDataTransfers noTF32 onnx= optShapes= outputIOFormats= percentile= persistentCacheRatio=
        plugins= preview= profilingVerbosity= refit safe saveEngine= separateProfileRun setPluginsToSerialize=
        shapes= skipInference sleepTime= sparsity= staticPlugins= streams= tacticSources= tempdir=
        tempfileControls= threads timeDeserialize timeRefit timingCacheFile= useCudaGraph useDLACore=
        useManagedMemory useRuntime= useSpinWait vc verbose versionCompatible warmUp=""",
    ("8.6",): """
        batch= buildOnly deploy= explicitBatch explicitPrecision heuristic maxBatch= minTiming= model= nvtxMode=
        output= uff= uffInput= uffNHWC workspace=""",
    ("8.6", "10.16"): """
        best calib= fp16 fp8 int8 layerOutputTypes= layerPrecisions= maxShapesCalib= minShapesCalib=
        optShapesCalib= precisionConstraints= restricted""",
    ("10.16", "11.1"): """
        adjustForDLA allocationStrategy= allowWeightStreaming asyncFileReader cpuOnly decomposableAttentions=
        distributiveIndependence dumpKernelText dumpOptimizationProfile enablePluginOverride
        errorOnTimingCacheMiss getPlanVersionOnly l2LimitForTiling= markDebug= markUnfusedTensorsAsDebugTensors
        maxTactics= monitorMemory noCompilationCache pi pluginInstanceNorm profile= refitFromOnnx=
        remoteAutoTuningConfig= reportCapabilityDLA runtimePlatform= safetyPlugins= saveAllDebugTensors=
        saveDebugTensors= stripAllWeights stripWeights stronglyTyped tilingOptimizationLevel=
        uint8AsymmetricQuantizationDLA useProfile= weightStreamingBudget=""",
    ("10.16",): "bf16 calibProfile= int4 weightless",
    ("11.1",): """
        accuracyAlgorithm= accuracyThreshold= atol= continue dryRun helpBuildRoute= includeDataTransfers
        loadRefOutputs= noCudaGraph noSpinWait refPair= rtol= saveAllEngines setBuildRoute= tuneBuildRouteFile=
        tuneBuildRoutes= tuningCacheFile= tuningSearch= tuningTimeOut=""",
}

_WEAK_TYPING = "weakly typed networks are deprecated: put the precision into the ONNX model (AutoCast, Q/DQ)"

_DEPRECATED: dict[str, dict[str, str]] = {
    "8.6": {
        "explicitBatch": "it has no effect: ONNX models always have an explicit batch",
        "explicitPrecision": "it has no effect",
        "workspace": "use --memPoolSize=workspace:<MiB>",
        "buildOnly": "use --skipInference",
        "nvtxMode": "use --profilingVerbosity",
        "heuristic": "use --builderOptimizationLevel=<N>, N <= 2",
        "streams": "use --infStreams",
        "plugins": "use --staticPlugins",
    },
    "10.16": {
        "streams": "use --infStreams",
        "plugins": "use --staticPlugins",
        "directIO": "deprecated without a replacement",
        **dict.fromkeys(("best", "fp16", "bf16", "fp8", "int8", "int4"), _WEAK_TYPING),
    },
    "11.1": {
        "streams": "use --infStreams",
        "plugins": "use --staticPlugins",
        "directIO": "deprecated without a replacement",
        "noDataTransfers": "already the default; --includeDataTransfers turns the transfers on",
        "useSpinWait": "already the default; --noSpinWait turns it off",
        "useCudaGraph": "already the default; --noCudaGraph turns it off",
        "separateProfileRun": "already the default",
    },
}


def _table() -> dict[str, FlagInfo]:
    table = {}
    for releases, words in _COLUMNS.items():
        for word in words.split():
            name = word.rstrip("=")
            advice = {r: _DEPRECATED[r][name] for r in releases if name in _DEPRECATED[r]}
            table[name] = FlagInfo(name, word.endswith("="), frozenset(releases), advice)
    return dict(sorted(table.items()))


FLAGS: dict[str, FlagInfo] = _table()

# Removed in favour of the strongly typed network of 11.0, together with all that configured calibration.
PRECISION_FLAGS = frozenset(
    (
        *("best", "fp16", "bf16", "fp8", "int8", "int4", "calib", "calibProfile"),
        *("layerPrecisions", "layerOutputTypes", "precisionConstraints"),
        *("minShapesCalib", "optShapesCalib", "maxShapesCalib"),
    )
)
NO_OP_FLAGS_11 = frozenset(("noDataTransfers", "useSpinWait", "useCudaGraph", "separateProfileRun"))

# May occur more than once; every second occurrence of another flag is an "Unknown option".
REPEATABLE = frozenset(("plugins", "staticPlugins", "dynamicPlugins", "setPluginsToSerialize", "safetyPlugins"))


def require_release(release: str) -> None:
    """Raise ValueError unless `release` is one of RELEASES."""
    if release not in RELEASES:
        raise ValueError(f"release must be one of {', '.join(RELEASES)}, got {release!r}")


def known_flags(release: str) -> set[str]:
    """The options of a release with their dashes, as on the command line; ValueError for an unknown release."""
    require_release(release)
    return {f"--{name}" for name, flag in FLAGS.items() if release in flag.releases}


def deprecated_flags(release: str) -> dict[str, str]:
    """The options that a release accepts with a warning, with their dashes, and its advice."""
    require_release(release)
    return {f"--{name}": advice for name, advice in sorted(_DEPRECATED[release].items())}


def switches() -> set[str]:
    """The options of any release that take no value, with their dashes: `--fp16=false` turns fp16 on."""
    return {f"--{name}" for name, flag in FLAGS.items() if not flag.takes_value}

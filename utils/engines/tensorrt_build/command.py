"""The trtexec command that builds the same engine, for the releases of chapter 31's parser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from utils.engines.tensorrt_build.build_spec import MIB, BuildSpec, Shape
from utils.engines.trtexec.flags import require_release

Ranges = Mapping[str, tuple[Shape, Shape, Shape]]
SHAPE_FLAGS = ("minShapes", "optShapes", "maxShapes")


def to_trtexec(spec: BuildSpec, release: str) -> list[str]:
    """Arguments of trtexec of `release` ("8.6", "10.16" or "11.1") that build `spec` and measure nothing.

    Raises ValueError for what the release cannot express: several profiles or scalars in 8.6, FP16 and BF16 flags
    in 11.1, names that the shape syntax cannot hold.
    """
    require_release(release)
    argv = [f"--onnx={spec.onnx_path}", f"--saveEngine={spec.plan_path}"]
    argv += _profile_flags([{r.name: r.shapes for r in profile} for profile in spec.profiles], release)
    argv.append(f"--memPoolSize=workspace:{_pool_size(spec.workspace_bytes, release)}")
    if spec.precision != "model":
        argv.append(_precision_flag(spec.precision, release))
    if spec.strongly_typed:
        argv.append(_known("--stronglyTyped", release != "8.6", release))
    if spec.timing_cache is not None:
        argv.append(f"--timingCacheFile={spec.timing_cache}")
    if spec.version_compatible:
        argv.append("--versionCompatible")
    if spec.hardware != "none":
        flag = f"--hardwareCompatibilityLevel={spec.hardware}"
        argv.append(_known(flag, spec.hardware == "ampere+" or release != "8.6", release))
    if spec.optimization_level != 3:
        argv.append(f"--builderOptimizationLevel={spec.optimization_level}")
    return [*argv, "--skipInference"]


def spec_to_trtexec(spec: dict[str, Any], release: str) -> list[str]:
    """Arguments of trtexec that build what a dict describes.

    Keys: onnx, save, profiles (a list of dicts name -> (lo, opt, hi)), workspace_mib, fp16, version_compatible.
    Raises ValueError for an unknown release and for what the release cannot express.
    """
    require_release(release)
    argv = [f"--onnx={spec['onnx']}", f"--saveEngine={spec['save']}", *_profile_flags(spec["profiles"], release)]
    argv.append(f"--memPoolSize=workspace:{_pool_size(spec['workspace_mib'] * MIB, release)}")
    if spec["fp16"]:
        argv.append(_precision_flag("fp16", release))
    if spec["version_compatible"]:
        argv.append("--versionCompatible")
    return [*argv, "--skipInference"]


def _known(flag: str, exists: bool, release: str) -> str:
    if not exists:
        raise ValueError(f"release must know {flag}, got {release!r}, which does not")
    return flag


def _precision_flag(precision: str, release: str) -> str:
    exists = release == "10.16" or (release == "8.6" and precision == "fp16")
    if not exists:
        raise ValueError(f"release must have --{precision}, got {release!r}: there the model precision decides")
    return f"--{precision}"


def _pool_size(size_bytes: int, release: str) -> str:
    """8.6 reads MiB and no unit; later releases read a unit."""
    mib, rest = divmod(size_bytes, MIB)
    if release == "8.6":
        if rest:
            raise ValueError(f"workspace_bytes must be whole MiB for release 8.6, got {size_bytes}")
        return str(mib)
    return f"{size_bytes}B" if rest else f"{mib}M"


def _profile_flags(profiles: Sequence[Ranges], release: str) -> list[str]:
    """min, opt and max of each profile; several are numbered, each in front of its own shapes."""
    if len(profiles) > 1 and release == "8.6":
        raise ValueError(f"profiles must be at most one for trtexec 8.6, got {len(profiles)}")
    argv: list[str] = []
    for number, profile in enumerate(profiles):
        if len(profiles) > 1:
            argv.append(f"--profile={number}")
        for which, flag in enumerate(SHAPE_FLAGS):
            shapes = {name: profile[name][which] for name in sorted(profile)}
            argv.append(f"--{flag}=" + ",".join(_named(name, dims, release) for name, dims in shapes.items()))
    return argv


def _named(name: str, dims: Shape, release: str) -> str:
    if not name or "," in name or "'" in name:
        raise ValueError(f"a tensor's name must hold no comma and no quote for trtexec, got {name!r}")
    if not dims and release == "8.6":
        raise ValueError(f"every tensor must have a dimension for trtexec 8.6, got the scalar {name!r}")
    return f"{name}:" + ("x".join(map(str, dims)) if dims else "scalar")

"""From an ONNX model to a TensorRT engine, for three APIs: 8.6, 10 and 11.

| module | what it holds |
|---|---|
| api_table, stand_in, recording | which names each release has, and stand-ins that have these and no other |
| build_spec | what to build |
| profiles, profile_traffic | what a profile may be, which one serves a shape, and traffic over two of them |
| memory_plan, value_ranges | what can be known before a build: memory, and what FP16 loses |
| fp16_cast, fp16_emulation | precision as a property of the ONNX model, and what it computes where FP16 is real |
| builder, plan_runtime | building a plan, and running it on a GPU |
| command | the trtexec command that builds the same |
| source_walk | the conversion script of the interview document, step by step |
"""

from utils.engines.tensorrt_build.api_table import AS_OF, FULL_VERSION, RELEASES, SOURCE, api_names, where_is
from utils.engines.tensorrt_build.build_spec import BuildSpec, TensorRange
from utils.engines.tensorrt_build.builder import build_engine, build_plan, save_plan
from utils.engines.tensorrt_build.command import spec_to_trtexec, to_trtexec
from utils.engines.tensorrt_build.fp16_cast import CastReport, cast_report, saturating_fp16, to_fp16
from utils.engines.tensorrt_build.fp16_emulation import emulate_fp16
from utils.engines.tensorrt_build.memory_plan import (
    Budget,
    MemoryPlan,
    activation_bytes,
    memory_budget,
)
from utils.engines.tensorrt_build.plan_runtime import PlanRunner
from utils.engines.tensorrt_build.profile_traffic import batch_requests, simulate_profiles
from utils.engines.tensorrt_build.profiles import (
    check_profile,
    choose_profile,
    profile_for,
    profile_violations,
)
from utils.engines.tensorrt_build.recording import read_plan, recording_tensorrt, stand_in_parts
from utils.engines.tensorrt_build.source_walk import Step, source_model, walk_source
from utils.engines.tensorrt_build.value_ranges import (
    fp16_risk_triple,
    magnitude_histogram,
    nodes_to_keep,
    scan_activations,
)

__all__ = [
    "AS_OF",
    "FULL_VERSION",
    "RELEASES",
    "SOURCE",
    "Budget",
    "BuildSpec",
    "CastReport",
    "MemoryPlan",
    "PlanRunner",
    "Step",
    "TensorRange",
    "activation_bytes",
    "api_names",
    "batch_requests",
    "build_engine",
    "build_plan",
    "cast_report",
    "check_profile",
    "choose_profile",
    "emulate_fp16",
    "fp16_risk_triple",
    "magnitude_histogram",
    "memory_budget",
    "nodes_to_keep",
    "profile_for",
    "profile_violations",
    "read_plan",
    "recording_tensorrt",
    "saturating_fp16",
    "save_plan",
    "scan_activations",
    "simulate_profiles",
    "source_model",
    "spec_to_trtexec",
    "stand_in_parts",
    "to_fp16",
    "to_trtexec",
    "walk_source",
    "where_is",
]

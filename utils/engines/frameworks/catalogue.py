"""Today's inference engines as data, with the day up to which the sources show each row.

A word that no source names is left out, so a missing one means "not confirmed here". `last_seen` is the newest dated
sign of work that was found: a release, a merged change, or the last commit of a stopped project.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Status = Literal["active", "dormant"]


@dataclass(frozen=True)
class EngineInfo:
    """One engine. `package` is what pip calls it, "" if it has none; the sets are words as in `HARDWARE`."""

    name: str
    origin: str
    package: str
    formats: frozenset[str]
    hardware: frozenset[str]
    precisions: frozenset[str]
    tags: frozenset[str]
    license: str
    status: Status
    last_seen: date
    notes: str
    as_of: date
    source: str

    def as_row(self) -> dict[str, object]:
        """The fields that `shortlist` reads, sets as sorted lists and the date as text."""
        sets = {key: sorted(getattr(self, key)) for key in ("hardware", "formats", "tags")}
        return {"name": self.name, **sets, "precision": sorted(self.precisions), "licence": self.license,
                "last_commit": self.last_seen.isoformat()}


HARDWARE = {
    "x86": "CPUs of Intel and AMD", "arm": "Arm CPUs", "nvidia-gpu": "GPUs of NVIDIA", "intel-gpu": "GPUs of Intel",
    "intel-npu": "Intel's neural processing unit", "mobile-gpu": "GPUs of phones (OpenCL, Vulkan, OpenGL)",
    "apple-gpu": "Apple's GPU (Metal)", "apple-npu": "Apple's Neural Engine", "qualcomm-npu": "NPUs of Qualcomm",
    "mediatek-npu": "NPUs of MediaTek", "windows-gpu": "any GPU on Windows (DirectML)",
}


def _set(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(",") if word.strip())


CATALOGUE: tuple[EngineInfo, ...] = (
    EngineInfo(
        "ONNX Runtime", "Microsoft", "onnxruntime", _set("onnx"),
        _set("x86, arm, nvidia-gpu, intel-gpu, intel-npu, apple-npu, qualcomm-npu, windows-gpu"),
        _set("fp32, fp16, int8"), _set("server, desktop, mobile, python"), "MIT", "active", date(2026, 9, 11),
        "the portable default; every execution provider is in a package or build of its own", date(2026, 11, 27),
        "onnxruntime.ai, execution providers; microsoft/vcpkg issue 53886 (1.30.0); wheel 1.32.0 run here"),
    EngineInfo(
        "TensorRT", "NVIDIA", "tensorrt", _set("onnx, tensorrt-plan"), _set("nvidia-gpu"),
        _set("fp32, fp16, bf16, fp8, fp4, int8"), _set("server, embedded, python"), "proprietary core", "active",
        date(2026, 11, 18), "plans are built for one GPU model and one version; the only parser left is ONNX's",
        date(2026, 11, 27), "release 11.5 of NVIDIA/TensorRT; docs.nvidia.com, TensorRT 11.0.0 release notes"),
    EngineInfo(
        "OpenVINO", "Intel", "openvino", _set("onnx, openvino-ir, pytorch, tensorflow, tflite, paddle"),
        _set("x86, arm, intel-gpu, intel-npu"), _set("fp32, fp16, bf16, int8"), _set("server, desktop, python"),
        "Apache-2.0", "active", date(2026, 9, 4), "reads ONNX directly; the Model Optimizer is discontinued",
        date(2026, 11, 27),
        "docs.openvino.ai 2025, legacy features and supported devices; PR 37940 of openvinotoolkit/openvino "
        "(branch 2026/4); wheel 2026.4.1 run here"),
    EngineInfo(
        "LiteRT", "Google", "ai-edge-litert", _set("tflite"),
        _set("x86, arm, mobile-gpu, apple-gpu, qualcomm-npu, mediatek-npu"), _set("fp32, fp16, int8"),
        _set("mobile, embedded, web, python"), "Apache-2.0", "active", date(2026, 8, 22),
        "TensorFlow Lite's new name; converts from PyTorch, TensorFlow and JAX", date(2026, 11, 27),
        "ai.google.dev/edge/litert, migration and quantisation; README and PR 9506 of google-ai-edge/LiteRT; "
        "wheel 2.3.0 run here"),
    EngineInfo(
        "ncnn", "Tencent", "ncnn", _set("ncnn"), _set("x86, arm, mobile-gpu, apple-gpu"),
        _set("fp32, fp16, bf16, int8"), _set("mobile, embedded, small, python"), "BSD-3-Clause", "active",
        date(2026, 10, 20), "no dependencies; Vulkan on GPUs; models come from the converter pnnx", date(2026, 11, 27),
        "README and PR 6507 of Tencent/ncnn; wheel 1.0.20261020 run here"),
    EngineInfo(
        "MNN", "Alibaba", "MNN", _set("mnn, onnx, tensorflow, tflite, caffe"),
        _set("x86, arm, mobile-gpu, apple-gpu"), _set("fp32, fp16, int8"), _set("mobile, embedded, small, python, llm"),
        "Apache-2.0", "active", date(2026, 6, 16),
        "converts first; 3.x also runs language models; its module MNN.tools calls pip and a server when imported",
        date(2026, 11, 27), "README and PR 4545 of alibaba/MNN (release 3.6.0); wheel 3.6.1 run here"),
    EngineInfo(
        "ExecuTorch", "PyTorch", "executorch", _set("pytorch"),
        _set("x86, arm, apple-gpu, apple-npu, mobile-gpu, qualcomm-npu, mediatek-npu, intel-npu"),
        _set("fp32, fp16, int8"), _set("mobile, embedded, small, llm"), "BSD-3-Clause", "active", date(2026, 1, 27),
        "exports from torch.export into one .pte file per backend", date(2026, 11, 27),
        "docs.pytorch.org, ExecuTorch backends (XNNPACK and others); PRs 7501 and 7697 of pytorch/test-infra (1.0.1, "
        "1.1.0)"),
    EngineInfo(
        "Apache TVM", "Apache Software Foundation", "apache-tvm", _set("onnx, pytorch, tflite"),
        _set("x86, arm, nvidia-gpu"), _set("fp32, fp16"), _set("compiler, python"),
        "Apache-2.0", "active", date(2026, 8, 11), "a compiler: it makes kernels for the target, ahead of time",
        date(2026, 11, 27), "tvm.apache.org, importing models; issue 20112 of apache/tvm (vote on 0.26.0)"),
    EngineInfo(
        "Core ML", "Apple", "coremltools", _set("coreml, pytorch, tensorflow"), _set("arm, apple-gpu, apple-npu"),
        _set("fp32, fp16"), _set("mobile, desktop"), "proprietary runtime", "active", date(2026, 7, 30),
        "part of Apple's systems; coremltools only converts", date(2026, 11, 27),
        "README and PR 2766 of apple/coremltools (9.1.dev1)"),
    EngineInfo(
        "Paddle Lite", "Baidu", "", _set("paddle"), _set("arm, x86, mobile-gpu, apple-gpu"), _set("fp32"),
        _set("mobile, embedded"), "Apache-2.0", "dormant", date(2024, 3, 28),
        "users ask since 2024 whether it is maintained; still asked in 2026", date(2026, 5, 14),
        "stored git history and issues 10436, 10700, 10710 of PaddlePaddle/Paddle-Lite"),
    EngineInfo(
        "MACE", "Xiaomi", "", _set("tensorflow, caffe, onnx"), _set("arm, mobile-gpu"), _set("fp32"), _set("mobile"),
        "Apache-2.0", "dormant", date(2024, 3, 11), "for phones with chips of Qualcomm, MediaTek and Xiaomi",
        date(2024, 3, 11), "README, stored git history and issue 788 of XiaoMi/mace"),
    EngineInfo(
        "Tengine", "OPEN AI LAB", "", _set("tmfile"), _set("arm"), _set("fp32, int8"), _set("embedded"), "Apache-2.0",
        "dormant", date(2023, 5, 18), "the plan of 2020: GPUs and NPUs behind one C interface", date(2025, 1, 25),
        "README, stored git history and issue 1440 of OAID/Tengine"),
)

"""Today's frameworks as data: what each is for, which mechanisms it has, and since when that is known.

Product facts age in months. Every row carries the last day for which its sources show it (`as_of`) and the sources.
A mechanism that no source names is left out, so a missing one means "not confirmed here".
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Literal

from utils.optional import require

Status = Literal["active", "quiet", "maintenance", "archived"]


@dataclass(frozen=True)
class Framework:
    """One row: `since` is the first public release (year-month), `status` the state of its development."""

    name: str
    origin: str
    since: str
    status: Status
    hardware: frozenset[str]
    mechanisms: frozenset[str]
    quantisation: frozenset[str]
    license: str
    best_for: str
    as_of: date
    source: str

    def as_row(self) -> dict[str, object]:
        """Name, status and the three sets as sorted lists: a row for `rank_frameworks`."""
        sets = {key: sorted(getattr(self, key)) for key in ("hardware", "mechanisms", "quantisation")}
        return {"name": self.name, "status": self.status, **sets}


def _set(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(",") if word.strip())


FRAMEWORKS: tuple[Framework, ...] = (
    Framework(
        "vLLM", "UC Berkeley; PyTorch Foundation since May 2025", "2023-06", "active",
        _set("cuda, rocm, cpu, tpu, gaudi, ascend"),
        _set("continuous batching, paged KV, prefix cache, speculative decoding, structured output, tensor parallel, "
             "pipeline parallel, weight offload"),
        _set("fp8, fp4, int8, int4"), "Apache-2.0", "the default server: many models, many kinds of hardware",
        date(2026, 9, 10),
        "README of vllm-project/vllm and docs.vllm.ai (v0.20); PRs 6496 and 29941 (weight offload), issue 56283; "
        "PyTorch Foundation, 2025-05-07"),
    Framework(
        "SGLang", "LMSYS", "2024-01", "active", _set("cuda, rocm, cpu, tpu, ascend, metal"),
        _set("continuous batching, paged KV, prefix cache, speculative decoding, structured output, tensor parallel, "
             "pipeline parallel, weight offload"),
        _set("fp8, fp4, int4"), "Apache-2.0", "shared prefixes: chats, agents, structured answers", date(2026, 9, 16),
        "README of sgl-project/sglang and docs.sglang.io; PRs 21509 (MLX) and 39395; arXiv 2312.07104"),
    Framework(
        "TensorRT-LLM", "NVIDIA", "2023-10", "active", _set("cuda"),
        _set("continuous batching, paged KV, prefix cache, speculative decoding, structured output, tensor parallel, "
             "pipeline parallel"),
        _set("fp8, fp4, int8, int4"), "Apache-2.0", "an all-NVIDIA fleet; PyTorch only since 2026", date(2026, 9, 1),
        "docs/source/legacy/tensorrt-backend-removal.md of NVIDIA/TensorRT-LLM, PRs 15767, 15918, 18514; overview of "
        "1.3.0rc7"),
    Framework(
        "TGI", "Hugging Face", "before 2023-06", "archived", _set("cuda, rocm, gaudi, inferentia, tpu"),
        _set("continuous batching, paged KV, speculative decoding, structured output, tensor parallel"),
        _set("fp8, int8, int4"), "Apache-2.0", "what already runs on it; its authors recommend others",
        date(2026, 10, 3),
        "README of huggingface/text-generation-inference: maintenance mode (PR 3344, 2025-12-11); archived 2026-03-21"),
    Framework(
        "llama.cpp", "G. Gerganov and contributors", "2023-03", "active",
        _set("cpu, metal, cuda, rocm, vulkan, sycl, ascend"),
        _set("continuous batching, speculative decoding, structured output, weight offload"),
        _set("gguf, int8, int4"), "MIT", "laptops and CPUs; models that only partly fit on the GPU", date(2026, 1, 9),
        "README of ggml-org/llama.cpp; PRs 6231 (continuous batching), 10455 (speculative decoding), 18716"),
    Framework(
        "LMDeploy", "InternLM (Shanghai AI Laboratory)", "2023-07", "active", _set("cuda, ascend"),
        _set("continuous batching, paged KV, prefix cache, speculative decoding, tensor parallel"),
        _set("int8, int4"), "Apache-2.0", "4-bit weights and quantised KV caches, Ascend", date(2026, 8, 4),
        "README and supported_models.md of InternLM/lmdeploy (v0.16); PRs 1450 (prefix cache) and 4822"),
    Framework(
        "DeepSpeed-FastGen", "Microsoft; PyTorch Foundation since May 2025", "2023-11", "quiet", _set("cuda"),
        _set("continuous batching, paged KV, tensor parallel"), _set(""), "Apache-2.0",
        "its idea, splitting long prompts over steps, lives on as chunked prefill", date(2025, 6, 30),
        "README of deepspeedai/DeepSpeed-MII, whose latest news is of January 2024; PR 4604 of DeepSpeed"),
    Framework(
        "ZeRO-Inference", "Microsoft; PyTorch Foundation since May 2025", "2022-09", "quiet", _set("cuda"),
        _set("weight offload"), _set(""), "Apache-2.0", "jobs that may take all night on a model that does not fit",
        date(2025, 4, 12), "deepspeedai/DeepSpeed PRs 2321 and 4303, DeepSpeedExamples PR 966; arXiv 2207.00032"),
)


@dataclass(frozen=True)
class Requirements:
    """What a deployment asks for; an empty field asks for nothing."""

    hardware: str = ""
    must: frozenset[str] = frozenset()
    any_quant: frozenset[str] = frozenset()
    allow_status: frozenset[str] = field(default=frozenset({"active"}))


@dataclass(frozen=True)
class Verdict:
    """Whether a framework meets the requirements, and every reason why not."""

    name: str
    ok: bool
    reasons: tuple[str, ...]


NEEDS = ("hardware", "must", "any_quant", "allow_status")


def _reasons(row: Mapping[str, object], needs: Mapping[str, object]) -> list[str]:
    """All reasons in a fixed order: status, hardware, missing mechanisms, quantisation."""
    allowed, hardware, quant = needs.get("allow_status"), needs.get("hardware"), needs.get("any_quant")
    reasons = []
    if allowed and row["status"] not in allowed:
        reasons.append(f"status: {row['status']}")
    if hardware and hardware not in row["hardware"]:
        reasons.append("hardware")
    reasons += [f"missing: {m}" for m in sorted(set(needs.get("must") or ()) - set(row["mechanisms"]))]
    if quant and not set(quant) & set(row["quantisation"]):
        reasons.append("quantisation")
    return reasons


def rank_frameworks(table: list[dict], needs: dict) -> list[tuple[str, list[str]]]:
    """Every framework with its reasons for rejection, the accepted ones first, otherwise in the table's order."""
    unknown = sorted(set(needs) - set(NEEDS))
    if unknown:
        raise ValueError(f"needs must have no keys but {', '.join(NEEDS)}, got unknown {unknown[0]!r}")
    rated = [(row["name"], _reasons(row, needs)) for row in table]
    return sorted(rated, key=lambda pair: bool(pair[1]))  # stable


def choose_framework(requirements: Requirements, table: Sequence[Framework] = FRAMEWORKS) -> list[Verdict]:
    """The frameworks of `table` judged by what a deployment asks for, the accepted ones first.

    >>> [v.name for v in choose_framework(Requirements(hardware="metal")) if v.ok]
    ['SGLang', 'llama.cpp']
    """
    ranked = rank_frameworks([f.as_row() for f in table], asdict(requirements))
    return [Verdict(name, not reasons, tuple(reasons)) for name, reasons in ranked]


PACKAGES = {"vLLM": "vllm", "SGLang": "sglang", "TensorRT-LLM": "tensorrt_llm", "llama.cpp": "llama_cpp",
            "LMDeploy": "lmdeploy", "DeepSpeed-FastGen": "mii", "ZeRO-Inference": "deepspeed"}
DISTRIBUTIONS = {"llama_cpp": "llama-cpp-python", "mii": "deepspeed-mii"}


def list_installed_engines() -> dict[str, str]:
    """Version of every framework of the table whose Python package is installed here; nothing is imported."""
    found = {}
    for name, package in PACKAGES.items():
        if importlib.util.find_spec(package) is not None:
            try:
                found[name] = importlib.metadata.version(DISTRIBUTIONS.get(package, package))
            except importlib.metadata.PackageNotFoundError:
                found[name] = "version unknown"
    return found


def run_vllm_smoke(model: str, prompts: Sequence[str] = ("The capital of France is",),
                   max_tokens: int = 8) -> list[str]:
    """Generate a few tokens with vLLM's offline API from a local model folder; needs a supported device.

    Raises EngineUnavailable when vLLM is not installed.
    """
    vllm = require("vllm", "pip install vllm, on Linux with a supported GPU")
    outputs = vllm.LLM(model=model).generate(list(prompts), vllm.SamplingParams(temperature=0.0, max_tokens=max_tokens))
    return [output.outputs[0].text for output in outputs]

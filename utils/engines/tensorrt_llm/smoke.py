"""The real library, where it is installed: load a model, write a few tokens, say what it ran on."""

from __future__ import annotations

from typing import Any

from utils.optional import EngineUnavailable, require

_HINT = "it needs Linux, an NVIDIA GPU and `pip install tensorrt_llm`"


def run_trtllm_smoke(model: str, prompt: str = "The capital of France is", max_tokens: int = 16) -> dict[str, Any]:
    """{"version", "backend", "text", "tokens", "kv"} of a short generation with TensorRT-LLM's LLM API.

    `model` is a Hugging Face name or a local folder. "kv" holds what the runtime tells about its KV pool, or is
    empty where it tells nothing. Raises EngineUnavailable when the library or a GPU is missing.
    """
    trtllm = require("tensorrt_llm", _HINT)
    torch = require("torch", "pip install torch")
    if not torch.cuda.is_available():
        raise EngineUnavailable(f"tensorrt_llm is not available: {_HINT}")
    with trtllm.LLM(model=model) as llm:
        (output,) = llm.generate([prompt], trtllm.SamplingParams(max_tokens=max_tokens))
        written = output.outputs[0]
        return {"version": trtllm.__version__, "backend": getattr(llm.args, "backend", ""), "text": written.text,
                "tokens": len(written.token_ids), "kv": _kv_stats(llm)}


def _kv_stats(llm: Any) -> dict[str, Any]:
    """The KV cache part of the last iteration's statistics; their keys are the runtime's own."""
    stats = llm.get_stats(timeout=2)
    return dict(stats[-1].get("kvCacheStats", {})) if stats else {}

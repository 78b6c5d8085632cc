"""From a TensorRT-LLM 0.x command line to today's: what replaces it, and which flags are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from utils.engines.tensorrt_llm.releases import AS_OF, REMOVAL_SOURCE

# flags of the old tools that say something which trtllm-serve still wants to know
_KEPT = {
    "tp_size": "--tp_size", "pp_size": "--pp_size", "max_batch_size": "--max_batch_size",
    "max_num_tokens": "--max_num_tokens", "max_seq_len": "--max_seq_len", "max_beam_width": "--max_beam_width",
    "kv_cache_free_gpu_memory_fraction": "--free_gpu_memory_fraction",
}
_MODEL = ("model_dir", "hf_model_dir", "meta_ckpt_dir", "checkpoint_dir", "engine_dir", "tokenizer_dir")
_REASONS = {
    "output_dir": "there is no engine to write",
    "use_gpt_attention_plugin": "attention kernels are chosen at run time",
    "gpt_attention_plugin": "attention kernels are chosen at run time",
    "use_gemm_plugin": "matrix kernels are chosen at run time", "gemm_plugin": "matrix kernels are chosen at run time",
    "enable_context_fmha": "fused attention is always on", "context_fmha": "fused attention is always on",
    "remove_input_padding": "inputs are always packed",
    "use_inflight_batching": "in-flight batching is always on",
    "paged_kv_cache": "the KV cache is always paged",
    "kv_cache_type": "the KV cache is always paged",
    "tokens_per_block": "now KvCacheConfig.tokens_per_block",
    "dtype": "read from the checkpoint",
    "world_size": "the product of --tp_size and --pp_size",
    "max_input_len": "only the whole length is limited: --max_seq_len",
    "max_output_len": "only the whole length is limited (--max_seq_len); answers by max_tokens of a request",
    "use_weight_only": "load a checkpoint that is quantized already",
    "weight_only_precision": "load a checkpoint that is quantized already",
    "use_smooth_quant": "load a checkpoint that is quantized already",
    "enable_fp8": "load a checkpoint that is quantized already",
    "fp8_kv_cache": "now KvCacheConfig(dtype=\"fp8\")",
    "int8_kv_cache": "KvCacheConfig.dtype says the type of the cache",
}
_TOOLS = {
    "build.py": "build.py (0.5 to 0.7) built an engine; none is built any more",
    "convert_checkpoint.py": "convert_checkpoint.py is gone: Hugging Face checkpoints load directly",
    "trtllm-build": "trtllm-build is gone: there is no engine to build",
    "trtllm-refit": "trtllm-refit is gone: there is no engine to refit",
    "trtllm-prune": "trtllm-prune is gone: there is no engine to prune",
    "run.py": "run.py ran an engine; trtllm-serve serves, LLM(model).generate(...) runs a script",
}


@dataclass(frozen=True)
class MigrationAdvice:
    """The current command, why the old tool is gone, dropped flags with reasons, and what was not understood."""

    command: list[str]
    why: str
    dropped: dict[str, str]
    unknown: list[str]
    as_of: str = AS_OF
    source: str = REMOVAL_SOURCE

    def as_dict(self) -> dict:
        """The fields as a plain dict."""
        return asdict(self)


def _flags(words: Sequence[str]) -> dict[str, str]:
    """{name without dashes: value or ""}; both `--name value` and `--name=value` count."""
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            found[name] = value
        elif name:
            found[name] = found[name] or word
            name = ""
    return found


def migrate_command(old: list[str]) -> MigrationAdvice:
    """Advice for one 0.x command line, given as words.

    Raises ValueError when no word is one of the old tools: build.py, convert_checkpoint.py, trtllm-build,
    trtllm-refit, trtllm-prune, run.py.

    >>> migrate_command("python build.py --model_dir ./llama --tp_size 2 --use_inflight_batching".split()).command
    ['trtllm-serve', './llama', '--tp_size', '2']
    """
    at = next((i for i, word in enumerate(old) if PurePosixPath(word).name in _TOOLS), None)
    if at is None:
        raise ValueError(f"old must name one of {', '.join(_TOOLS)}, got {' '.join(old)!r}")
    flags = _flags(old[at + 1 :])
    model = next((flags[name] for name in _MODEL if flags.get(name)), "")
    if not model or "checkpoint_dir" in flags or "engine_dir" in flags:
        model = "<hf_model>"  # a converted checkpoint or an engine can't be loaded any more
    command = ["trtllm-serve", model]
    for name, new in _KEPT.items():
        if flags.get(name):
            command += [new, flags[name]]
    dropped = {f"--{name}": _REASONS[name] for name in flags if name in _REASONS}
    unknown = [f"--{name}" for name in flags if name not in _REASONS and name not in _KEPT and name not in _MODEL]
    return MigrationAdvice(command, _TOOLS[PurePosixPath(old[at]).name], dropped, unknown)

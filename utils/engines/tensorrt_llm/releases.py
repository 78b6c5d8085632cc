"""What changed in TensorRT-LLM from release to release, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "2026-08"
_NOTES = "NVIDIA/TensorRT-LLM, docs/source/release-notes.md"
REMOVAL_SOURCE = "NVIDIA/TensorRT-LLM, docs/source/legacy/tensorrt-backend-removal.md"


@dataclass(frozen=True)
class Release:
    """One change: the version (or month) that brought it, and where it is written."""

    version: str
    change: str
    source: str


RELEASES: tuple[Release, ...] = (
    Release("0.5", "examples/<model>/build.py builds a TensorRT engine, run.py runs it; the batch manager is a "
            "closed static library", "release/0.5.0: examples/llama/README.md; issue 1135"),
    Release("0.8", "most models move to convert_checkpoint.py and trtllm-build; the KV pool takes 0.9 of free memory "
            "(0.85 before)", _NOTES),
    Release("0.15", "trtllm-serve starts a server", _NOTES),
    Release("0.17", "a PyTorch workflow appears, as an experiment; GeForce RTX 50 under WSL", _NOTES),
    Release("0.18", "Windows is deprecated", _NOTES),
    Release("0.19", "the C++ runtime is open source", _NOTES),
    Release("1.0", "the PyTorch architecture is stable and the default; the LLM API is stable", _NOTES),
    Release("mid-2026", "the engine backend is removed from the main branch, trtllm-build and convert_checkpoint.py "
            "with it", f"{REMOVAL_SOURCE}; pull requests 15763, 15918, 16369"),
)

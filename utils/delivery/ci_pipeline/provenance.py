"""Where a file comes from: hashes of what went in and what came out, and the environment in which it was made."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "torch", "onnx", "onnxruntime")


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def environment(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python, the system, the machine and some packages ("absent" where one is not installed)."""
    return {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine(),
            **{name: _version(name) for name in packages}}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that differ when any fact does; the order of the keys does not matter.

    >>> fingerprint({"numpy": "2.1", "python": "3.11"}) == fingerprint({"python": "3.11", "numpy": "2.1"})
    True
    """
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:12]


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The facts in which two environments differ: name -> (ours, theirs); None where one lacks it."""
    return {name: (ours.get(name), theirs.get(name)) for name in sorted({*ours, *theirs})
            if ours.get(name) != theirs.get(name)}


def artefact_record(artefact: str | Path, inputs: Sequence[str | Path]) -> dict[str, Any]:
    """The record that is kept beside an artefact: its hash, those of its inputs, and the environment."""
    return {"file": Path(artefact).name, "sha256": file_sha256(artefact),
            "inputs": {Path(p).name: file_sha256(p) for p in inputs}, "environment": environment()}

"""A release is an immutable bundle: files, a manifest, and an identifier that is computed from the bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.delivery.release.contract import TensorContract

MANIFEST = "manifest.json"


def release_id(files: Mapping[str, bytes]) -> str:
    """SHA-256 in hex of, for each name in sorted order: name (UTF-8), zero byte, hex SHA-256 of the content, newline.

    The manifest is no part of it: what the id shall cover, such as the contract, must be among the files.
    Raises ValueError for no files, and for a name with a zero byte or a newline.

    >>> release_id({"model.onnx": b"abc", "labels.txt": b"0\\n1\\n"})[:16]
    'a5ddf8c9cc70ca3d'
    """
    if not files:
        raise ValueError("files must not be empty")
    whole = hashlib.sha256()
    for name in sorted(files):
        if "\0" in name or "\n" in name:
            raise ValueError(f"a name must have no zero byte and no newline, got {name!r}")
        whole.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return whole.hexdigest()


def build_manifest(files: Mapping[str, bytes], contract: TensorContract | Sequence[TensorContract],
                   metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a bundle holds: its id, hash and size of each file, the contracts of its tensors, the measured metrics."""
    contracts = [contract] if isinstance(contract, TensorContract) else list(contract)
    return {
        "release": release_id(files),
        "files": {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                  for name, data in sorted(files.items())},
        "contract": [c.as_dict() for c in contracts],
        "metrics": dict(metrics),
    }


def verify_manifest(folder: str | Path, manifest: Mapping[str, Any]) -> list[str]:
    """What differs between a folder and its manifest (missing, extra and altered files, a wrong id), a sentence each.

    A hash finds what changed. It stops nobody who may also rewrite the manifest: that takes a signature.
    """
    folder, wanted = Path(folder), manifest["files"]
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {MANIFEST}
    told = [f"{name} is missing" for name in sorted(set(wanted) - found)]
    told += [f"{name} is extra" for name in sorted(found - set(wanted))]
    for name in sorted(found & set(wanted)):
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != wanted[name]["sha256"]:
            told.append(f"{name} was altered")
    if not told and release_id({name: (folder / name).read_bytes() for name in wanted}) != manifest["release"]:
        told.append("the manifest's release id is not that of its files")
    return told


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a bundle's folder."""
    return json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))

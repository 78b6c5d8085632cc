"""A model registry on disk: immutable bundles, and for each name a pointer to the one that serves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from utils.delivery.release.bundle import MANIFEST, build_manifest, read_manifest, verify_manifest
from utils.delivery.release.contract import TensorContract


class Registry:
    """Bundles under `root`/bundles/ID, pointers under `root`/pointers/NAME.json.

    A bundle appears whole (a folder that is renamed) and is never changed. A pointer and its history are one small
    file, replaced in one step: a reader sees the old release or the new one, never a mixture. For one writer at a time.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._bundles, self._pointers = self.root / "bundles", self.root / "pointers"
        for folder in (self._bundles, self._pointers):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, files: Mapping[str, bytes], contract: TensorContract | Sequence[TensorContract],
            metrics: Mapping[str, Any]) -> str:
        """Store a bundle and return its id; the same files a second time change nothing.

        Raises ValueError for a file name that is not plain (a folder, "..", the manifest's own).
        """
        for name in files:
            if not re.fullmatch(r"[\w\-][\w.\-]*", name) or name == MANIFEST:
                raise ValueError(f"a file's name must be plain, such as model.onnx, got {name!r}")
        manifest = build_manifest(files, contract, metrics)
        target = self.folder(manifest["release"])
        if target.exists():
            return manifest["release"]
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._bundles))
        try:
            for name, data in files.items():
                (draft / name).write_bytes(data)
            (draft / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            os.replace(draft, target)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not target.exists():  # else another writer was first with the same bytes
                raise
        return manifest["release"]

    def folder(self, release: str) -> Path:
        """Where a bundle lies. ValueError for what is no id."""
        if not re.fullmatch(r"[0-9a-f]{64}", release):
            raise ValueError(f"a release must be named by its id of 64 hex digits, got {release!r}")
        return self._bundles / release

    def verify(self, release: str) -> list[str]:
        """What is wrong with a stored bundle; empty if nothing is. KeyError for an unknown one."""
        folder = self.folder(release)
        if not folder.is_dir():
            raise KeyError(f"there is no release {release[:12]}")
        manifest = read_manifest(folder)
        told = verify_manifest(folder, manifest)
        if not told and manifest["release"] != release:
            told.append("the folder is named after another release")
        return told

    def promote(self, name: str, release: str) -> None:
        """Let `name` point at a release. ValueError if the bundle is not as it was stored."""
        wrong = self.verify(release)
        if wrong:
            raise ValueError(f"release {release[:12]} must be as it was stored, got: {'; '.join(wrong)}")
        with self._changing(name) as state:
            state["live"].append(release)
            state["history"].append(["promote", release])

    def rollback(self, name: str) -> str:
        """Point at the release before the present one, and return it. ValueError if there is none, or it is damaged."""
        live = self._state(name)["live"]
        if len(live) < 2:
            raise ValueError(f"{name} must have an earlier release to go back to, got {len(live)}")
        wrong = self.verify(live[-2])
        if wrong:
            raise ValueError(f"release {live[-2][:12]} must be as it was stored, got: {'; '.join(wrong)}")
        with self._changing(name) as state:
            state["live"].pop()
            state["history"].append(["rollback", state["live"][-1]])
        return live[-2]

    def current(self, name: str) -> str:
        """The id that `name` points at. KeyError if it was never promoted."""
        live = self._state(name)["live"]
        if not live:
            raise KeyError(f"nothing was promoted under the name {name!r}")
        return live[-1]

    def history(self, name: str) -> list[tuple[str, str]]:
        """All moves of the pointer, oldest first: ("promote" or "rollback", release)."""
        return [tuple(entry) for entry in self._state(name)["history"]]

    def _pointer(self, name: str) -> Path:
        if not re.fullmatch(r"[\w\-]+", name):
            raise ValueError(f"name must be made of letters, digits, - and _, got {name!r}")
        return self._pointers / f"{name}.json"

    def _state(self, name: str) -> dict[str, list]:
        path = self._pointer(name)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"live": [], "history": []}

    @contextlib.contextmanager
    def _changing(self, name: str) -> Iterator[dict[str, list]]:
        state = self._state(name)
        yield state
        path = self._pointer(name)
        draft = path.with_name(f".{path.name}.{uuid4().hex}")
        try:
            draft.write_text(json.dumps(state), encoding="utf-8")
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)

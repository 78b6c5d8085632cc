"""`autograder doctor`: what this machine has, and what that enables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from . import progress


@dataclass(frozen=True)
class Finding:
    """One thing looked for. `needed`: the course does not work without it."""

    name: str
    ok: bool
    found: str
    enables: str
    advice: str
    needed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """All findings; never raises, an examination that fails is a finding."""
    return [look() for look in (_python, *map(_package, NEEDED), _progress_file, _gpu, _tensorrt,
                                _triton, _onnxruntime, _sandbox, _browser, _memory)]


NEEDED = ("jupyterlab", "ipywidgets", "nbgrader", "numpy", "torch", "onnx", "onnxruntime", "scikit-learn")


def _python() -> Finding:
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", ok, platform.python_version(), "runs the course",
                   "install Python 3.11, 3.12 or 3.13 and run `make lab` again", needed=True)


def _package(name: str) -> Callable[[], Finding]:
    def look() -> Finding:
        try:
            return Finding(name, True, importlib.metadata.version(name), "needed by the chapters", "", needed=True)
        except importlib.metadata.PackageNotFoundError:
            return Finding(name, False, "missing", "", f"run `pip install {name}` in this environment", needed=True)

    return look


def _progress_file() -> Finding:
    try:
        with progress.open_progress() as db:
            count = db.execute("SELECT COUNT(*) FROM attempts").fetchone()[0]
        return Finding("progress file", True, f"{count} attempts", str(progress.data_file()), "")
    except progress.ProgressError as error:
        return Finding("progress file", False, "unusable", "", str(error))


def _gpu() -> Finding:
    tool = shutil.which("nvidia-smi")
    told = _output([tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]) if tool else ""
    return Finding("NVIDIA GPU", bool(told), told.split("\n")[0] or "none", "GPU paths of the experiments",
                   "not needed: every chapter runs without one")


def _tensorrt() -> Finding:
    try:
        return Finding("TensorRT", True, importlib.metadata.version("tensorrt"), "builds and runs engines", "")
    except importlib.metadata.PackageNotFoundError:
        return Finding("TensorRT", False, "none", "", "not needed: `pip install -e '.[tensorrt]'` on Linux with an "
                                                      "NVIDIA GPU")


def _triton() -> Finding:
    from utils.serving.triton.environment import available

    from .setup_triton import triton_folder

    ok, told = available(triton_folder())
    return Finding("Triton server", ok, told if ok else "none", f"chapter 28's real server, in {triton_folder()}",
                   f"not needed, chapter 28 has a stand-in: {told.split(': ', 1)[-1]}")


def _onnxruntime() -> Finding:
    told = _output([sys.executable, "-c", "import onnxruntime as o; print(', '.join(o.get_available_providers()))"])
    return Finding("ONNX Runtime", bool(told), told or "does not start", "runs the ONNX models",
                   "run `pip install --force-reinstall onnxruntime`", needed=True)


def _sandbox() -> Finding:
    if not sys.platform.startswith("linux"):
        return Finding("sandbox", False, platform.system(), "",
                       "needed only to grade a class: use WSL2 or a Linux container")
    from .grading.sandbox import possible_walls

    found, missing = possible_walls()
    return Finding("sandbox", not missing, ", ".join(found) or "none", "grading a class safely",
                   f"needed only to grade a class; missing: {'; '.join(missing)}. Install bubblewrap and libseccomp2")


def _browser() -> Finding:
    found = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), "")
    return Finding("Chromium", bool(found), found or "none", "the browser tests", "needed only to develop the course")


def _memory() -> Finding:
    try:
        gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return Finding("memory", True, "unknown", "", "")
    return Finding("memory", gib >= 4, f"{gib:.0f} GiB, {os.cpu_count()} cores", "enough for every chapter",
                   "below 4 GiB the training experiments may swap")


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""

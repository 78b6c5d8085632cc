"""The environment that holds the real server: which one is usable, and what this machine lacks for it.

The server comes from the package `nvidia-pytriton`, which needs NumPy below 2. So it lives in a virtual environment of
its own, which `autograder doctor --setup triton` makes. The file READY in it is written last.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from utils.optional import EngineUnavailable

READY = "triton.json"
SETUP = "run `autograder doctor --setup triton`"
OLDEST_GLIBC = (2, 35)


@dataclass(frozen=True)
class TritonEnvironment:
    """Where the parts of the real server are. `libpython` is the folder of the interpreter's shared library."""

    folder: Path
    python: Path
    version: str  # of the interpreter: "3.11"
    site_packages: Path
    libpython: str
    packages: dict[str, str]

    @classmethod
    def at(cls, folder: str | os.PathLike) -> Self:
        """The finished environment in `folder`. Raises EngineUnavailable, with what to do, if there is none."""
        folder = Path(folder)
        reason = platform_reason()
        if reason:
            raise EngineUnavailable(f"the real Triton server is not available: {reason}")
        try:
            told = json.loads((folder / READY).read_text(encoding="utf-8"))
            found = cls(
                folder,
                folder / "bin" / "python",
                told["version"],
                folder / told["site_packages"],
                told["libpython"],
                dict(told["packages"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineUnavailable(f"the real Triton server is not available: {SETUP}") from error
        missing = [path for path in (found.python, found.server, found.stub) if not path.exists()]
        if missing:
            raise EngineUnavailable(f"the real Triton server is not available: {missing[0]} is missing; {SETUP} again")
        if int(found.packages.get("numpy", "99").split(".")[0]) >= 2:
            raise EngineUnavailable(
                "the real Triton server is not available: its environment must have NumPy below 2, "
                f"got {found.packages.get('numpy')}; {SETUP} again"
            )
        return found

    @property
    def bundle(self) -> Path:
        """The folder of the server that the package carries."""
        return self.site_packages / "pytriton" / "tritonserver"

    @property
    def server(self) -> Path:
        return self.bundle / "bin" / "tritonserver"

    @property
    def stub(self) -> Path:
        """The process that runs Python models, for this interpreter."""
        return self.bundle / "python_backend_stubs" / self.version / "triton_python_backend_stub"


def platform_reason() -> str:
    """Why this machine cannot run the bundled server, in words; "" if it can."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return f"the bundled server needs Linux on x86-64, and this is {platform.system()} on {platform.machine()}"
    name, version = platform.libc_ver()
    digits = version.split(".")[:2]
    if name != "glibc" or not all(d.isdigit() for d in digits) or tuple(map(int, digits)) < OLDEST_GLIBC:
        return (
            f"the bundled server needs glibc 2.35 or newer, and this is {name or 'another C library'} {version}".strip()
        )
    return ""


def available(folder: str | os.PathLike) -> tuple[bool, str]:
    """(whether the environment in `folder` can run the real server, what it is or why it can't)."""
    try:
        found = TritonEnvironment.at(folder)
    except EngineUnavailable as error:
        return False, str(error)
    return True, f"nvidia-pytriton {found.packages['nvidia-pytriton']}, Python {found.version}"

"""Optional packages: one way to ask for them, one wording when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType


class EngineUnavailable(RuntimeError):
    """An optional engine or library is not installed, or this machine cannot run it."""


def require(package: str, hint: str) -> ModuleType:
    """Import and return `package`.

    Raises EngineUnavailable with the text "<package> is not available: <hint>" when the
    import fails; `hint` says how to get it.
    """
    try:
        return importlib.import_module(package)
    except (ImportError, OSError) as error:
        raise EngineUnavailable(f"{package} is not available: {hint}") from error

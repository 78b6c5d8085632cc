"""The engines that the race knows, and which of them are here."""

from __future__ import annotations

from utils.engines.frameworks.base import Engine
from utils.engines.frameworks.desktop import NumpyEngine, OpenVinoEngine, OrtEngine
from utils.engines.frameworks.eager import TorchEngine
from utils.engines.frameworks.mobile import LiteRtEngine, MnnEngine, NcnnEngine
from utils.engines.frameworks.nvidia import TensorRtEngine
from utils.optional import EngineUnavailable

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine
    for engine in (OrtEngine, OpenVinoEngine, NcnnEngine, MnnEngine, LiteRtEngine, TorchEngine, NumpyEngine,
                   TensorRtEngine)
}


def installed_engines() -> dict[str, str]:
    """Name and version of every engine whose package is installed; nothing is imported for it."""
    return {name: told for name, told in available_engines().items() if "is not available" not in told}


def available_engines() -> dict[str, str]:
    """Name of every engine, with its version or the reason why it is not here."""
    found = {}
    for name, engine in ENGINES.items():
        try:
            found[name] = engine.version()
        except EngineUnavailable as error:
            found[name] = str(error)
    return found


def make_engine(name: str) -> Engine:
    """A new engine by its name in `ENGINES`. KeyError for an unknown name."""
    if name not in ENGINES:
        raise KeyError(f"name must be one of {', '.join(ENGINES)}, got {name!r}")
    return ENGINES[name]()

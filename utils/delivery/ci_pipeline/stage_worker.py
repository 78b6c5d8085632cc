"""One stage of a local pipeline: `python -m utils.delivery.ci_pipeline.stage_worker MODULE:FUNCTION ARGS RESULT`.

It calls the function in the current folder and writes what came of it to RESULT. With a fourth argument, "attached", it
ends when its standard input closes, so it can't outlive the process that started it.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from utils.parent_process import end_with_parent


class StageFailed(Exception):
    """A stage says no: its message is the reason, and `told` holds the numbers behind it."""

    def __init__(self, reason: str, told: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.told = told or {}


def _outcome(call: str, args: dict[str, Any]) -> dict[str, Any]:
    # Looked up by its full name: run with -m, this file's own class is another one than that which stages raise.
    from utils.delivery.ci_pipeline.stage_worker import StageFailed as Failed

    module, _, function = call.partition(":")
    try:
        told = getattr(importlib.import_module(module), function)(Path.cwd(), **args) or {}
        unstable = told.get("unstable", "")
        return {"status": "UNSTABLE" if unstable else "SUCCESS", "reason": str(unstable), "told": told}
    except Failed as failed:
        return {"status": "FAILURE", "reason": str(failed), "told": failed.told}
    except Exception as error:
        traceback.print_exc()
        return {"status": "FAILURE", "reason": f"{type(error).__name__}: {error}", "told": {}}


def main(call: str, args: str, result: str, *attached: str) -> int:
    """Call the function, write the outcome whole or not at all, and return the exit status."""
    if attached:
        end_with_parent()
    outcome = _outcome(call, json.loads(args))
    draft = Path(f"{result}.draft")
    draft.write_text(json.dumps(outcome))
    draft.replace(result)
    return int(outcome["status"] == "FAILURE")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

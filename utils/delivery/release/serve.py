"""The serving process: `python -m utils.delivery.release.serve FOLDER` serves a bundle until its input ends.

It verifies the bundle, starts an InferenceService on a free port of 127.0.0.1 and prints one line of JSON. A line
"modules" on its input is answered by the names of the packages that it has imported. It ends when its input ends, so
also when the process that started it was killed; and when that process is gone, should somebody else hold its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from utils.delivery.release.bundle import read_manifest, verify_manifest

if TYPE_CHECKING:
    from utils.serving.inference_service import ServiceClient

MODEL = "model.onnx"
READY_S, GRACE_S, LOOK_S = 60.0, 10.0, 0.5


class BundleServer:
    """A bundle served by a process of its own; use it in a `with` block.

    `url` is its address, `release` the id that it verified, `client()` talks to the model called "model".
    Raises RuntimeError with the process's last words when it does not start, as for an altered bundle.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder, self.url, self.release = Path(folder), "", ""
        self._process: subprocess.Popen | None = None
        self._errors: Any = None

    def start(self) -> Self:
        """Start the process and wait until it serves."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `stop`)
        root = str(Path(__file__).resolve().parents[3])
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "utils.delivery.release.serve", str(self.folder)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=self._errors, text=True,
                start_new_session=True,  # Ctrl-C is for the notebook
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})
            told = json.loads(self._line() or "{}")
            if "url" not in told:
                self._errors.seek(0)
                words = told.get("error") or self._errors.read()[-500:].decode(errors="replace").strip()
                raise RuntimeError(f"the bundle must be one that can be served, got: {words or 'no answer'}")
        except BaseException:
            self.stop()
            raise
        self.url, self.release = told["url"], told["release"]
        return self

    def _line(self) -> str:
        """The process's next line, or "" when it ends or says nothing for READY_S."""
        found: list[str] = []
        reader = threading.Thread(target=lambda: found.append(self._process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(READY_S)
        return found[0] if found else ""

    @property
    def pid(self) -> int:
        """The process's id; 0 when it is not running."""
        return self._process.pid if self._process else 0

    def client(self) -> ServiceClient:
        """A client of the service."""
        from utils.serving.inference_service import ServiceClient

        return ServiceClient(self.url)

    def modules(self) -> list[str]:
        """The packages that the serving process has imported, sorted."""
        self._process.stdin.write("modules\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    def stop(self) -> int:
        """End the process and wait for it; its exit status (0 when it was not running)."""
        process, self._process = self._process, None
        try:
            if process is None:
                return 0
            process.stdin.close()  # the signal to end
            try:
                return process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()
            finally:
                process.stdout.close()
        finally:
            if self._errors is not None:
                self._errors.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()


def main(folder: str) -> int:
    """Serve until the input ends; status 1 for a bundle that is not as it was stored."""
    def say(data: Any) -> None:
        print(json.dumps(data), flush=True)

    manifest = read_manifest(folder)
    wrong = verify_manifest(folder, manifest)
    if wrong:
        say({"error": "; ".join(wrong)})
        return 1
    from utils.serving.inference_service import InferenceService

    with InferenceService({"model": Path(folder) / MODEL}) as service:
        say({"url": service.url, "release": manifest["release"]})
        _end_with_parent(os.getppid(), lambda: os._exit(0))
        for line in sys.stdin:
            if line.strip() == "modules":
                say(sorted({name.partition(".")[0] for name in sys.modules}))
    return 0


def _end_with_parent(parent: int, end: Callable[[], Any]) -> None:
    """Call `end` when this process gets another parent: the one that started it is gone."""
    def watch() -> None:
        while not gone.wait(LOOK_S):
            if os.getppid() != parent:
                end()

    gone = threading.Event()
    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

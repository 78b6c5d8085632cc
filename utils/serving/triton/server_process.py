"""The real Triton server as a process of ours: started on loopback with free ports, ended with everything it made."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from utils.serving.triton.client import V2Client
from utils.serving.triton.environment import TritonEnvironment
from utils.serving.triton.launcher import remove_traces

READY_S = 60.0  # a busy machine takes its time; a quiet one needs about three seconds
GRACE_S = 12.0  # for the server's own end, which waits for up to EXIT_S for requests under way
EXIT_S = 10
_ERROR = re.compile(r"^E\d{4} |^error|[Ii]nvalid|in use")
TRIES = 3  # another program may take a port between our look and the server's


class TritonProcess:
    """The bundled tritonserver, serving `model_repository`; use it in a `with` block.

    `python_env` is the folder that `autograder doctor --setup triton` made. After the start, `url` is the address of
    HTTP, `grpc_address` that of gRPC and `metrics_url` that of the metrics; `client()` talks to it.
    `temporary=True`: the repository is removed with the server. `strict=False`: a model that does not load is no
    reason to end; `client().index()` tells why. `environment` replaces this process's variables. Whatever ends this
    process, the server ends too.

    Raises EngineUnavailable where there is no environment, and RuntimeError with the end of the server's log if it
    does not start.
    """

    def __init__(
        self,
        model_repository: str | os.PathLike,
        python_env: str | os.PathLike,
        *,
        temporary: bool = False,
        strict: bool = True,
        extra: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.environment = TritonEnvironment.at(python_env)
        self.variables = dict(os.environ if environment is None else environment)
        self.repository, self.temporary, self.strict, self.extra = Path(model_repository), temporary, strict, extra
        self._launcher: subprocess.Popen | None = None
        self._ordered: dict = {}
        self.ports: tuple[int, int, int] = (0, 0, 0)

    # --- addresses ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.ports[1]}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[2]}/metrics"

    @property
    def pid(self) -> int:
        """The process that watches over the server."""
        return self._launcher.pid if self._launcher else 0

    def client(self) -> V2Client:
        return V2Client(self.url)

    # --- start and end ------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the server and wait until it is ready."""
        for left in reversed(range(TRIES)):
            try:
                return self._start_once()
            except RuntimeError as error:
                if left == 0 or "in use" not in str(error).lower():
                    raise
        return self

    def _start_once(self) -> Self:
        workspace = Path(tempfile.mkdtemp(prefix="triton-"))
        try:
            self.ports = _free_ports()
            order = self._ordered = self._order(workspace)
            self._launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")), json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(workspace, ignore_errors=True)
            raise
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def _order(self, workspace: Path) -> dict:
        env, (http, grpc, metrics) = self.environment, self.ports
        prefix = f"course_triton_{os.getpid()}_{secrets.token_hex(4)}_"
        command = [
            str(env.server),
            "--model-repository",
            str(self.repository),
            "--backend-directory",
            str(_backends(workspace, env)),
            "--http-address",
            "127.0.0.1",
            "--http-port",
            str(http),
            "--grpc-address",
            "127.0.0.1",
            "--grpc-port",
            str(grpc),
            "--metrics-address",
            "127.0.0.1",
            "--metrics-port",
            str(metrics),
            "--allow-gpu-metrics",
            "false",
            "--exit-timeout-secs",
            str(EXIT_S),
            "--backend-config",
            f"python,shm-region-prefix-name={prefix}",
            "--http-thread-count",
            "16",
            "--disable-auto-complete-config",
            *self.extra,
        ]
        if not self.strict:
            command += ["--exit-on-error", "false", "--strict-readiness", "false"]
        libraries = [
            env.libpython,
            str(env.site_packages / "nvidia_pytriton.libs"),
            self.variables.get("LD_LIBRARY_PATH", ""),
        ]
        variables = {
            **self.variables,
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
            "OMP_NUM_THREADS": "1",
            "PATH": f"{env.folder / 'bin'}{os.pathsep}{self.variables.get('PATH', '')}",
            "COURSE_TRITON_SITE": str(env.site_packages),
        }
        for name in ("PYTHONPATH", "PYTHONHOME"):
            variables.pop(name, None)
        gone = [str(workspace), *([str(self.repository)] if self.temporary else [])]
        return {
            "command": command,
            "env": variables,
            "parent": os.getpid(),
            "log": str(workspace / "server.log"),
            "grace_s": GRACE_S,
            "remove": gone,
            "shm_prefix": prefix,
        }

    def _wait_until_ready(self) -> None:
        client, until = self.client(), time.monotonic() + READY_S
        while time.monotonic() < until:
            if self._launcher.poll() is not None:
                raise RuntimeError(f"tritonserver did not start: {self._last_words()}")
            if client.ready():
                return
            time.sleep(0.05)
        raise RuntimeError(f"tritonserver must be ready within {READY_S:g} s, got no answer from {self.url}")

    def _last_words(self) -> str:
        """What the log says about errors, or its end; without the tables that fill it."""
        told = self._launcher.stdout.read().decode(errors="replace")
        lines = [line.strip() for line in told.splitlines() if line.strip() and line[0] not in "|+"]
        errors = [line for line in lines if _ERROR.search(line)]
        return " … ".join((errors or lines)[-6:])[-1500:] or "it said nothing"

    def stop(self) -> int:
        """End the server and everything it started, and wait for it; its exit status (0 when it was not running)."""
        launcher, self._launcher = self._launcher, None
        if launcher is None:
            return 0
        with contextlib.suppress(OSError):
            launcher.stdin.close()
        try:
            return launcher.wait(GRACE_S + 10)
        except subprocess.TimeoutExpired:
            launcher.kill()  # the kernel then kills the server, whose parent it was
            return launcher.wait()
        finally:
            launcher.stdout.close()
            if launcher.returncode == -signal.SIGKILL:  # a watcher that was killed has not tidied up
                remove_traces(self._ordered["remove"], self._ordered["shm_prefix"])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _backends(workspace: Path, env: TritonEnvironment) -> Path:
    """A backend folder with the Python backend and the stub of the environment's interpreter."""
    folder = workspace / "backends" / "python"
    shutil.copytree(env.bundle / "backends" / "python", folder, ignore=shutil.ignore_patterns("__pycache__"))
    stub = shutil.copy2(env.stub, folder / env.stub.name)
    os.chmod(stub, 0o755)
    return folder.parent


def _free_ports(count: int = 3) -> tuple[int, ...]:
    """Different ports on loopback that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in sockets)

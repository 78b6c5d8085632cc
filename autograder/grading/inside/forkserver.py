"""A warm process that forks a walled child for each submission.

It imports the third-party packages once. Requests come as JSON over a socket of messages, each with two
descriptors: the *channel*, over which the submission's process is asked (`probes.serve`), and the *leash*: the
sandbox lives as long as the other end of it, and its keeper writes its report to it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from probes import serve as serving

from . import keeper, walls

MAX_REQUEST = 65536


def main() -> None:
    """`python -I -S -c … FD SETUP.json SITE…`: warm up, prove the walls, announce them, serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    setup = json.loads(Path(sys.argv[2]).read_text())
    started = time.perf_counter()
    walls.become_nobody()
    shell = warm_up(setup["preload"])
    filters = tuple(walls.Filter(bytes.fromhex(program)) for program in setup["filters"])
    house = keeper.House(setup["read"], setup["scratch"], filters, tuple(setup["walls"]), shell)
    gc.collect()
    gc.freeze()  # children copy a page when its counters change: keep the collector away from what is here
    told = {"layers": list(house.walls), "problem": "", "warm_s": time.perf_counter() - started}
    control.send(json.dumps(told).encode())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_REQUEST, 2)
        if not message:
            return
        _fork(control, json.loads(message), descriptors, house)


def _fork(control: socket.socket, request: dict[str, Any], descriptors: list[int], house: keeper.House) -> None:
    channel, leash = descriptors
    try:
        child = os.fork()
    except OSError as error:
        os.write(leash, json.dumps({"failed": f"the machine can't start another process: {error}"}).encode())
        child = -1
    if child == 0:
        code = 1
        try:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = keeper.keep(house, request, channel, leash)
        finally:
            os._exit(code)
    os.close(channel)
    os.close(leash)


def warm_up(preload: list[str]) -> Any:
    """Import what submissions will import, and an IPython shell, so that magics and display() work in cells.

    Nothing here may start a thread: what was locked by one would stay locked in every child.
    """
    for name in preload:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # the submission's own import will say so
    for path in sorted((Path(serving.__file__).parent).glob("*.py")):
        if path.stem not in ("__init__", "serve"):
            importlib.import_module(f"probes.{path.stem}")
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        import torch._dynamo
        import torch.optim

        # The first optimizer imports much more; a backward pass would start autograd's threads.
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    shell = make_shell()
    cells = cells_of(shell)
    for source in ("1 / 0", "def f(:", "import numpy as np\ndef f(x):\n    return np.asarray(x) + undefined\nf(1)"):
        cells.run(source, 0)
    question = {"probe": "common.call", "params": {"args": [1]}, "time_limit_s": 1.0}
    cells.run("def f(x):\n    raise ValueError('x')", 0)
    cells.ask(["f"], question)
    return shell


def make_shell() -> Any:
    """An IPython shell without history, or None where IPython is missing."""
    try:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config
    except ImportError:
        return None
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    shell.history_manager.enabled = False
    return shell


def cells_of(shell: Any) -> serving.Cells:
    """A fresh namespace for a submission's cells, with what IPython puts into a notebook's."""
    if shell is None:
        return serving.Cells()
    from IPython.display import display

    shell.user_ns = {"__name__": "__main__"}
    names = {"get_ipython": lambda: shell, "display": display}
    cells = serving.Cells(names, shell.transform_cell)
    shell.user_ns = cells.namespace
    return cells


def reseed(seed: int) -> None:
    """Every generator that was made before the fork starts from the submission's own seed."""
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
    if torch is not None:
        torch.manual_seed(seed)

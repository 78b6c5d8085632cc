"""torch's ways from a program to a graph, side by side: torch.jit.trace, torch.jit.script, torch.export."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import nn

CONTROL = ("prim::If", "prim::Loop", "cond", "while_loop")
ROUTES = ("torch.jit.trace", "torch.jit.script", "torch.export")


@dataclass(frozen=True)
class CaptureRow:
    """What came of one way to capture a module.

    ops: operations in the graph, those inside branches and loops included; control_flow: branches and loops in it;
    wrong: the indices of the inputs with another result than the module's; error: the type's name, or "".
    """

    route: str
    error: str
    ops: int
    control_flow: int
    wrong: tuple[int, ...]

    @property
    def works(self) -> bool:
        """Whether a graph was made at all."""
        return not self.error

    @property
    def right(self) -> bool:
        """Whether there is a graph, and it agrees with the module on every input."""
        return self.works and not self.wrong

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return asdict(self)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without torch's warnings and log messages: what matters of them is shown elsewhere."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def control_flow_summary(scripted: Any) -> dict[str, int]:
    """How often each operation occurs in a TorchScript graph, inside its branches and loops too.

    Constants and attribute reads are left out. `scripted` is a ScriptModule or ScriptFunction; for a module its
    submodules are inlined first.
    """
    counts: Counter[str] = Counter()
    _count(getattr(scripted, "inlined_graph", None) or scripted.graph, counts)
    return dict(counts)


def _count(block: Any, counts: Counter[str]) -> None:
    for node in block.nodes():
        if node.kind() not in ("prim::Constant", "prim::GetAttr"):
            counts[node.kind()] += 1
        for inner in node.blocks():
            _count(inner, counts)


def exported_ops(program: Any) -> dict[str, int]:
    """How often each operation occurs in an exported program, inside the branches of torch.cond too."""
    counts: Counter[str] = Counter()
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", None).nodes if hasattr(module, "graph") else ():
            if node.op == "call_function" and "getitem" not in str(node.target):
                counts[getattr(node.target, "__name__", str(node.target))] += 1
    return dict(counts)


def capture(route: str, module: nn.Module, example: torch.Tensor) -> tuple[Callable, dict[str, int]]:
    """(callable, its operations) by one of `ROUTES`. Raises KeyError for another one, and what the route raises."""
    import torch

    if route == "torch.jit.trace":
        made = torch.jit.trace(module, (example,), check_trace=False)
        return made, control_flow_summary(made)
    if route == "torch.jit.script":
        made = torch.jit.script(module)
        return made, control_flow_summary(made)
    if route == "torch.export":
        program = torch.export.export(module, (example,))
        return program.module(), exported_ops(program)
    raise KeyError(f"there is no route {route!r}; there are {', '.join(ROUTES)}")


def capture_table(module: nn.Module, inputs: Sequence[torch.Tensor]) -> list[CaptureRow]:
    """One row for each of `ROUTES`: captured with the first input as the example, tried on all of them.

    Raises ValueError for no inputs.
    """
    if not inputs:
        raise ValueError("inputs must not be empty, got none")
    with quiet():
        wanted = [module(x) for x in inputs]
        return [_row(route, module, inputs, wanted) for route in ROUTES]


def _row(route: str, module: nn.Module, inputs: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> CaptureRow:
    sink = io.StringIO()  # torch.export prints the graph that it could not finish
    try:
        with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            made, ops = capture(route, module, inputs[0])
    except Exception as error:  # the row tells which
        return CaptureRow(route, type(error).__name__, 0, 0, ())
    wrong = tuple(i for i, (x, want) in enumerate(zip(inputs, wanted)) if not _same(made, x, want))
    control = sum(n for name, n in ops.items() if name in CONTROL)
    return CaptureRow(route, "", sum(ops.values()), control, wrong)


def _same(made: Callable, x: torch.Tensor, want: torch.Tensor) -> bool:
    import torch

    try:
        got = made(x)
    except Exception:
        return False
    return got.shape == want.shape and torch.allclose(got, want, rtol=1e-5, atol=1e-6, equal_nan=True)


def deprecation_warnings() -> list[tuple[str, str]]:
    """(call, first sentence of its DeprecationWarning or "") in the torch that is installed here."""
    import torch

    from utils.graphs.torchscript.examples import small_cnn

    model, x = small_cnn(), torch.zeros(1, 3, 16, 16)
    rows: list[tuple[str, str]] = []

    def tried(name: str, call: Callable[[], Any]) -> Any:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            result = call()
        told = [str(w.message) for w in seen if issubclass(w.category, DeprecationWarning) and name in str(w.message)]
        rows.append((name, " ".join(told[0].split()) if told else ""))
        return result

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.pt")
        traced = tried("torch.jit.trace", lambda: torch.jit.trace(model, x))
        scripted = tried("torch.jit.script", lambda: torch.jit.script(model))
        tried("torch.jit.save", lambda: torch.jit.save(traced, path))
        tried("torch.jit.load", lambda: torch.jit.load(path))
        tried("torch.jit.freeze", lambda: torch.jit.freeze(scripted))
        tried("torch.jit.optimize_for_inference", lambda: torch.jit.optimize_for_inference(scripted))
        tried("torch.export.export", lambda: torch.export.export(model, (x,)))
    return rows


def fold_batchnorm_module(m: nn.Module) -> nn.Module:
    """A copy in which each BatchNorm2d right behind a Conv2d of an nn.Sequential is folded into it.

    This is what torch.jit.freeze does on the graph. Raises ValueError for a module in training mode: its batch norm
    uses the statistics of the batch, which can't be folded.
    """
    from torch import nn

    if m.training:
        raise ValueError("m must be in evaluation mode (call m.eval()), got a module in training mode")
    folded = copy.deepcopy(m)
    for sequence in [s for s in folded.modules() if isinstance(s, nn.Sequential)]:
        for i in range(len(sequence) - 1):
            if isinstance(sequence[i], nn.Conv2d) and isinstance(sequence[i + 1], nn.BatchNorm2d):
                _fold_into(sequence[i], sequence[i + 1])
                sequence[i + 1] = nn.Identity()
    return folded


def _fold_into(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> None:
    import torch
    from torch import nn

    from utils.graphs.simplify import fold_conv_bn

    def array(tensor: torch.Tensor | None, default: float) -> np.ndarray:
        return np.full(conv.out_channels, default, np.float32) if tensor is None else tensor.detach().numpy()

    bias = None if conv.bias is None else array(conv.bias, 0)
    w, b = fold_conv_bn(array(conv.weight, 0), bias, array(bn.weight, 1), array(bn.bias, 0),
                        array(bn.running_mean, 0), array(bn.running_var, 1), bn.eps)
    conv.weight = nn.Parameter(torch.from_numpy(w))
    conv.bias = nn.Parameter(torch.from_numpy(b))

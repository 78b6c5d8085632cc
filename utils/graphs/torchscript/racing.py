"""How fast each form of one small network runs, and what its first call costs."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.latency import percentile, time_callable, time_interleaved
from utils.graphs.torchscript.capture import control_flow_summary, quiet
from utils.optional import EngineUnavailable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Timing:
    """Latency of a callable: median and 90th percentile (us) after warming up, and the very first call (ms)."""

    median_us: float
    p90_us: float
    first_ms: float


@dataclass(frozen=True)
class Variant:
    """One form of the network: its timing, the time to make it (ms), its batch norms, its distance from eager mode.

    batch_norms: nodes of that kind in its graph, or None where there is no TorchScript graph.
    max_abs: the largest absolute difference from eager mode's result.
    """

    name: str
    make_ms: float
    timing: Timing
    batch_norms: int | None
    max_abs: float


def bench(fn: Callable[[Any], Any], x: Any, warmup: int = 5, repeats: int = 50,
          clock: Callable[[], int] = time.perf_counter_ns) -> Timing:
    """Time fn(x): the first call by itself, then `repeats` calls after `warmup` more.

    Raises ValueError for repeats < 1 or warmup < 0.
    """
    first = time_callable(lambda: fn(x), warmup=0, repeats=1, clock=clock)
    rest = time_callable(lambda: fn(x), warmup=warmup, repeats=repeats, clock=clock)
    return _timing(first[0], rest)


def _timing(first_ms: float, samples_ms: np.ndarray) -> Timing:
    return Timing(1e3 * percentile(samples_ms, 50), 1e3 * percentile(samples_ms, 90), float(first_ms))


def _forms(model: Any, x: torch.Tensor) -> dict[str, Callable[[], Any]]:
    import torch

    def traced() -> Any:
        return torch.jit.trace(model, x)

    def scripted() -> Any:
        return torch.jit.script(model)

    return {
        "eager": lambda: model,
        "trace": traced,
        "script": scripted,
        "freeze": lambda: torch.jit.freeze(traced()),
        "optimize_for_inference": lambda: torch.jit.optimize_for_inference(traced()),
        "export().module()": lambda: torch.export.export(model, (x,)).module(),
    }


def jit_race(rounds: int = 200, warmup: int = 10) -> list[Variant]:
    """The small CNN in six forms, batch 1, one thread: `rounds` calls of each, in turns.

    Raises ValueError for rounds < 1 or warmup < 0.
    """
    import torch

    from utils.graphs.torchscript.examples import small_cnn

    with _one_thread(), quiet(), torch.no_grad():
        model = small_cnn()
        x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        return _race(model, x, _forms(model, x), rounds, warmup)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _race(model: Any, x: torch.Tensor, forms: dict[str, Callable], rounds: int, warmup: int) -> list[Variant]:
    want, made, spent, first = model(x), {}, {}, {}
    for name, make in forms.items():
        start = time.perf_counter_ns()
        made[name] = make()
        spent[name] = (time.perf_counter_ns() - start) / 1e6
        first[name] = float(time_callable(lambda name=name: made[name](x), warmup=0, repeats=1)[0])
    times = time_interleaved({name: lambda fn=fn: fn(x) for name, fn in made.items()}, rounds, warmup=warmup)
    return [Variant(name, spent[name], _timing(first[name], times[name]), _batch_norms(made[name]),
                    float((made[name](x) - want).abs().max())) for name in forms]


def _batch_norms(made: Any) -> int | None:
    import torch

    return control_flow_summary(made).get("aten::batch_norm", 0) if isinstance(made, torch.jit.ScriptModule) else None


def compiled_race(rounds: int = 200) -> list[Variant]:
    """Eager mode against torch.compile with Inductor and an AOTInductor package; takes half a minute to compile.

    Raises EngineUnavailable without a C++ compiler, for both generate C++ on a CPU.
    """
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        raise EngineUnavailable("a C++ compiler is not available: install g++ or clang++")
    import torch

    from utils.graphs.torchscript.examples import small_cnn

    with _one_thread(), quiet(), torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        model, x = small_cnn(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))

        def packaged() -> Any:
            program = torch.export.export(model, (x,))
            path = torch._inductor.aoti_compile_and_package(program, package_path=f"{folder}/model.pt2")
            return torch._inductor.aoti_load_package(path)

        forms = {"eager": lambda: model, "torch.compile": lambda: torch.compile(model), "AOTInductor": packaged}
        return _race(model, x, forms, rounds, warmup=10)


def gpu_race(rounds: int = 200, device: str = "cuda") -> list[Variant]:
    """Eager mode, a frozen trace, torch.compile, and torch.compile with CUDA graphs (mode="reduce-overhead") on a GPU.

    Each call waits for the GPU. Raises EngineUnavailable where torch sees no CUDA GPU.
    """
    import torch

    from utils.graphs.torchscript.examples import small_cnn

    if device == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailable("a CUDA GPU is not available: torch sees none here")
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)

    def waiting(made: Any) -> Callable[[Any], Any]:
        def call(x: Any) -> Any:
            result = made(x).clone()  # a CUDA graph writes to the same memory at every call
            wait()
            return result

        return call

    with quiet(), torch.no_grad():
        model = small_cnn().to(device)
        x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).to(device)
        forms = {"eager": lambda: waiting(model),
                 "freeze": lambda: waiting(torch.jit.freeze(torch.jit.trace(model, x))),
                 "torch.compile": lambda: waiting(torch.compile(model)),
                 "torch.compile, CUDA graphs": lambda: waiting(torch.compile(model, mode="reduce-overhead"))}
        return _race(model, x, forms, rounds, warmup=10)

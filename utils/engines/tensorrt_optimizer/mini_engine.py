"""A small inference engine that does on a CPU what TensorRT does on a GPU, with real kernels and real timings.

It fuses and merges layers, leaves concatenations out, times the tactics of every convolution, plans one arena, and
saves all of that. What it does not do: generate code, change the layout of tensors, or choose a precision. torch's
kernels allocate their own results, which are then copied to their place in the arena: a real engine saves that copy.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import torch
from onnx import ModelProto, load_model_from_string

from utils.engines.tensorrt_optimizer.planning import MemoryPlan
from utils.engines.tensorrt_optimizer.program import ALL, Options, Program, Step, compile_model
from utils.engines.tensorrt_optimizer.selection import (
    Choice,
    TacticTimer,
    TimingCache,
    device_and_library,
    select_tactic,
    timing_key,
)
from utils.engines.tensorrt_optimizer.tactics import TACTICS, ConvShape
from utils.graphs.runtime import as_raw, compile_nodes

MIB = 2**20


@dataclass(frozen=True)
class ReportRow:
    """One kernel of an engine: what was fused into it, its tactic ("" where there is no choice) and its time then."""

    name: str
    layers: int
    tactic: str
    ms: float
    workspace_bytes: int
    dram_bytes: int


@contextmanager
def one_thread() -> Iterator[None]:
    """Times and results must not depend on how many threads torch finds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class MiniEngine:
    """An ONNX model compiled for this CPU. `build` times and plans, `run` executes."""

    def __init__(self, model: ModelProto, options: Options, program: Program, choices: Mapping[str, Choice]) -> None:
        self.model, self.options, self.program, self.choices = model, options, program, dict(choices)
        self.memory: MemoryPlan = program.memory_plan()
        self._arena = np.zeros(self.memory.peak_bytes, np.uint8)
        self._shapes = {s.name: _conv_shape(s, program) for s in program.steps if s.conv is not None}
        self._views = {name: self._view(name) for step in program.steps for name in (*step.reads, *step.outputs)}
        self._views |= {name: self._view(name) for name in (*program.inputs, *program.outputs)}
        self._prepared = {step.name: TACTICS[self.choices[step.name].name].prepare(
            torch.from_numpy(np.array(step.conv.weight)), self._shapes[step.name])
            for step in program.steps if step.conv is not None}
        self._nodes = self._numpy_kernels()

    @classmethod
    def build(cls, model: ModelProto, workspace_limit_bytes: int = 64 * MIB, timer: TacticTimer | None = None,
              cache: TimingCache | None = None, options: Options = ALL) -> MiniEngine:
        """Compile `model` (float32, static shapes) and time every tactic that its convolutions admit.

        What `cache` knows is not timed again. Raises ValueError for a model that cannot be compiled, and when a
        convolution has no tactic within the limit; NotImplementedError for an operator that no kernel knows.
        """
        program = compile_model(model, options)
        timer, cache = timer or TacticTimer(), cache if cache is not None else TimingCache()
        with one_thread(), torch.no_grad():
            choices = {step.name: _choose(step, program, workspace_limit_bytes, timer, cache)
                       for step in program.steps if step.conv is not None}
        return cls(model, options, program, choices)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, as copies out of the arena. ValueError for a feed that is missing or of a wrong shape,
        TypeError for one that is not float32."""
        for name in self.program.inputs:
            if name not in feeds:
                raise ValueError(f"feeds must hold every input, got none for {name!r}")
            if feeds[name].shape != self.program.shapes[name]:
                raise ValueError(f"{name} must have shape {self.program.shapes[name]}, got {feeds[name].shape}")
            if feeds[name].dtype != np.float32:
                raise TypeError(f"{name} must be float32, got {feeds[name].dtype}")
            self._views[name][...] = feeds[name]
        with one_thread(), torch.no_grad():
            for step in self.program.steps:
                self._run_step(step)
        return {name: self._views[name].copy() for name in self.program.outputs}

    def plan_report(self) -> list[ReportRow]:
        """A row a kernel, in the order of execution."""
        rows = []
        for step in self.program.steps:
            choice = self.choices.get(step.name, Choice("", math.nan, 0))
            rows.append(ReportRow(step.name, len(step.layers), choice.name, choice.ms, choice.workspace_bytes,
                                  self.program.step_bytes(step)))
        return rows

    @property
    def workspace_bytes(self) -> int:
        """Scratch memory of the hungriest chosen tactic; kernels run one after another, so they can share it."""
        return max((choice.workspace_bytes for choice in self.choices.values()), default=0)

    # -- saving -----------------------------------------------------------------------------------

    def serialize(self) -> bytes:
        """The engine as bytes: the model, the options it was built with, and the chosen tactics."""
        head = {"made_on": device_and_library(), "options": asdict(self.options),
                "choices": {name: [c.name, c.ms, c.workspace_bytes] for name, c in self.choices.items()}}
        file = io.BytesIO()
        np.savez(file, head=np.frombuffer(json.dumps(head).encode(), np.uint8),
                 model=np.frombuffer(self.model.SerializeToString(), np.uint8))
        return file.getvalue()

    @classmethod
    def deserialize(cls, data: bytes) -> MiniEngine:
        """Load an engine; nothing is timed. ValueError for bytes that are no engine, or one of another processor or
        library: its timings say nothing here."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                head, model = json.loads(file["head"].tobytes()), load_model_from_string(file["model"].tobytes())
            options, made_on, saved = Options(**head["options"]), head["made_on"], head["choices"]
        except Exception as error:  # each layer of the format has errors of its own
            raise ValueError(f"data must be a serialised engine, got bytes that are none: {error}") from error
        if made_on != device_and_library():
            raise ValueError(f"data must be an engine of this machine ({device_and_library()}), got one of {made_on}: "
                             "build it again")
        choices = {name: Choice(*entry) for name, entry in saved.items()}
        return cls(model, options, compile_model(model, options), choices)

    # -- one step ---------------------------------------------------------------------------------

    def _view(self, name: str) -> np.ndarray:
        """The tensor as a window into the arena: no memory of its own."""
        if name in self.program.constants:
            return self.program.constants[name]
        root, start = self.program.root(name)
        shape, offset = self.program.shapes[root], self.memory.offsets[root]
        size = math.prod(shape) * 4
        whole = self._arena[offset : offset + size].view(np.float32).reshape(shape)
        return whole if root == name else whole[:, start : start + self.program.shapes[name][1]]

    def _numpy_kernels(self) -> dict[str, object]:
        """Operators that are no convolution run in the NumPy runtime of chapter 23."""
        raw = as_raw(self.model)
        by_output = {node.output[0]: node for node in raw.graph.nodes}
        nodes = {s.name: by_output[s.outputs[0]] for s in self.program.steps if s.conv is None}
        known = [name for node in nodes.values() for name in node.input if name]
        made = {name for node in nodes.values() for name in node.output}
        steps = compile_nodes(nodes.values(), set(known) - made, raw.opset, {})
        calls = {step.node.output[0]: step.call for step in steps}
        return {name: (node, calls[node.output[0]]) for name, node in nodes.items()}

    def _run_step(self, step: Step) -> None:
        if step.conv is None:
            node, call = self._nodes[step.name]
            arrays = [self._array(name) if name else None for name in node.input]
            self._views[step.outputs[0]][...] = call(arrays)[0]
            return
        x = torch.from_numpy(self._views[step.conv.x])
        y = TACTICS[self.choices[step.name].name].run(x, self._prepared[step.name], self._shapes[step.name])
        if step.conv.bias is not None:
            y = y + torch.from_numpy(np.array(step.conv.bias)).view(1, -1, 1, 1)
        if step.residual:
            y = y + torch.from_numpy(self._views[step.residual])
        if step.conv.relu:
            y = y.clamp_min(0)
        for name, part in zip(step.outputs, step.parts):
            self._views[name][...] = y[:, part].numpy()

    def _array(self, name: str) -> np.ndarray:
        return self.program.constants[name] if name in self.program.constants else self._views[name]


def _conv_shape(step: Step, program: Program) -> ConvShape:
    conv = step.conv
    return ConvShape(*program.shapes[conv.x], *(conv.weight.shape[i] for i in (0, 2, 3)), conv.stride, conv.pads[:2],
                     conv.dilation, conv.groups)


def _choose(step: Step, program: Program, limit: int, timer: TacticTimer, cache: TimingCache) -> Choice:
    shape = _conv_shape(step, program)
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal(program.shapes[step.conv.x], np.float32))
    weight = torch.from_numpy(np.array(step.conv.weight))
    return select_tactic(timing_key("Conv", shape), tactic_candidates(x, weight, shape, limit), limit, timer, cache)


def tactic_candidates(x: torch.Tensor, weight: torch.Tensor, shape: ConvShape, limit: int) -> dict[str, tuple]:
    """name -> (a call with prepared weights, workspace bytes), for every tactic that supports `shape`."""
    found = {}
    for name, tactic in TACTICS.items():
        if tactic.supports(shape):
            size = tactic.workspace_bytes(shape)
            prepared = tactic.prepare(weight, shape) if size <= limit else None
            found[name] = (lambda t=tactic, p=prepared: t.run(x, p, shape), size)
    return found

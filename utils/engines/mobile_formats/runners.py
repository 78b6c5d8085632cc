"""The real engines behind one small interface: load once, run often. Each is optional and says so when it is missing.

    with LiteRtRunner(data, threads=1) as engine:
        outputs = engine.run({"x": x})
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from utils.engines.mobile_formats.ncnn_text import parse_ncnn_param
from utils.engines.silence import muted
from utils.optional import require

Arrays = dict[str, np.ndarray]

NCNN_HINT = "`pip install ncnn` brings it"
LITERT_HINT = "`pip install ai-edge-litert` brings it"
MNN_HINT = "`pip install MNN` brings it"


class Runner:
    """A loaded model. `run(feeds)` maps input names to arrays and returns the outputs by name."""

    def run(self, feeds: Mapping[str, np.ndarray], names: Sequence[str] | None = None) -> Arrays:
        """Outputs by name, float32 arrays of the caller's own; with `names` these tensors instead."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the engine's memory; afterwards `run` may not be called."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class NcnnRunner(Runner):
    """ncnn on the CPU, with float32 arithmetic and storage unless `fp16` is given.

    ncnn knows no batch: images are run one by one and stacked again, so each output is (N, *blob shape). Any blob can
    be asked for by its name.
    Raises EngineUnavailable without the package, ValueError when ncnn refuses the files, an input or a name.
    """

    def __init__(self, param: str, bin: bytes, threads: int = 1, fp16: bool = False) -> None:
        self._ncnn = require("ncnn", NCNN_HINT)
        self._net = self._ncnn.Net()
        options = self._net.opt
        options.num_threads = threads
        options.use_vulkan_compute = False
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(options, name, fp16)
        options.use_bf16_storage = False
        self._inputs = {layer.outputs[0]: tuple(layer.params[key] for key in (2, 1, 0) if key in layer.params)
                        for layer in parse_ncnn_param(param) if layer.type == "Input"}  # channels, rows, columns
        with muted():
            self._load(param, bin)

    def _load(self, param: str, bin: bytes) -> None:
        # files, not memory: after load_model_mem the network would still point into the caller's bytes
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, name) for name in ("net.param", "net.bin")]
            paths[0].write_text(param)
            paths[1].write_bytes(bin)
            if self._net.load_param(str(paths[0])) != 0:
                raise ValueError("param must be a graph that ncnn reads, got one that it refuses")
            if self._net.load_model(str(paths[1])) != 0:
                raise ValueError("bin must hold all weights of the graph, got data that ncnn refuses")

    def run(self, feeds: Mapping[str, np.ndarray], names: Sequence[str] | None = None) -> Arrays:
        wanted = list(self._net.output_names()) if names is None else list(names)
        self._check(feeds)
        batch = max((len(value) for value in feeds.values()), default=0)
        images = [self._image({name: value[i] for name, value in feeds.items()}, wanted) for i in range(batch)]
        return {name: np.stack([image[name] for image in images]) for name in wanted}

    def _check(self, feeds: Mapping[str, np.ndarray]) -> None:
        """Refuse what would end the process: ncnn computes with whatever shape it is given."""
        if set(feeds) != set(self._inputs):
            raise ValueError(f"feeds must name the inputs {sorted(self._inputs)}, got {sorted(feeds)}")
        for name, shape in self._inputs.items():
            if shape and feeds[name].shape[1:] != shape:
                raise ValueError(f"feeds must have the network's shape (N, {str(shape)[1:-1]}), got "
                                 f"{feeds[name].shape} for {name!r}")

    def _image(self, feeds: Arrays, wanted: Sequence[str]) -> Arrays:
        with self._net.create_extractor() as extractor:
            # light mode lets go of a blob once it is read; asking for it later would find it empty
            extractor.set_light_mode(len(wanted) == 1)
            # a Mat over an array owns no memory, and an in-place first layer would free it: hence the clone
            kept = {name: self._ncnn.Mat(np.ascontiguousarray(value, np.float32)).clone()
                    for name, value in feeds.items()}
            for name, mat in kept.items():
                extractor.input(name, mat)
            return {name: self._extract(extractor, name) for name in wanted}

    def _extract(self, extractor: Any, name: str) -> np.ndarray:
        status, mat = extractor.extract(name)
        if status != 0:
            raise ValueError(f"names must be blobs of the network that ncnn can compute, got {name!r}")
        return np.array(mat, np.float32)

    def close(self) -> None:
        self._net.clear()


class LiteRtRunner(Runner):
    """LiteRT (TensorFlow Lite's new name) on the CPU; inputs and outputs in the file's own layout, NHWC.

    `optimized=False` runs the built-in kernels instead of XNNPACK's. With `keep_all` every tensor can be asked for by
    its name, at the price of memory.
    Raises EngineUnavailable without the package, ValueError for a file that it refuses or an unknown name.
    """

    def __init__(self, data: bytes, threads: int = 1, optimized: bool = True, keep_all: bool = False) -> None:
        tflite = require("ai_edge_litert.interpreter", LITERT_HINT)
        kernels = tflite.OpResolverType.AUTO if optimized else tflite.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        with muted(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # keep_all warns of the memory that it takes
            try:
                self._engine = tflite.Interpreter(
                    model_content=data, num_threads=threads, experimental_op_resolver_type=kernels,
                    experimental_preserve_all_tensors=keep_all)
                self._engine.allocate_tensors()
            except (RuntimeError, ValueError) as error:
                raise ValueError(f"data must be a model that LiteRT runs, got: {error}") from error
        self._inputs, self._outputs = (
            {d["name"]: d["index"] for d in details}
            for details in (self._engine.get_input_details(), self._engine.get_output_details()))
        self._all = {d["name"]: d["index"] for d in self._engine.get_tensor_details()} if keep_all else self._outputs

    @property
    def tensor_names(self) -> tuple[str, ...]:
        """The tensors that `run` can be asked for."""
        return tuple(self._all)

    def run(self, feeds: Mapping[str, np.ndarray], names: Sequence[str] | None = None) -> Arrays:
        for name, value in feeds.items():
            if name not in self._inputs:
                raise ValueError(f"feeds must name inputs of the network, got {name!r}")
            self._engine.set_tensor(self._inputs[name], np.ascontiguousarray(value, np.float32))
        for name in names or ():
            if name not in self._all:
                raise ValueError(f"names must be tensors that LiteRT keeps (outputs, or keep_all), got {name!r}")
        self._engine.invoke()
        return {name: self._engine.get_tensor(self._all[name]) for name in (self._outputs if names is None else names)}

    def close(self) -> None:
        self._engine = None


class MnnRunner(Runner):
    """MNN on the CPU, from a .mnn file; inputs and outputs in the layout of the model that was converted (NCHW).

    Raises EngineUnavailable without the package, ValueError for a file that it refuses or an unknown input.
    """

    def __init__(self, path: str | Path, threads: int = 1) -> None:
        with muted():  # the import prints too
            self._mnn = require("MNN", MNN_HINT)
            self._net = self._mnn.Interpreter(os.fspath(path))
            self._session = self._net.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
            self._inputs = self._net.getSessionInputAll(self._session)
            self._outputs = self._net.getSessionOutputAll(self._session)
        if not self._outputs:
            raise ValueError(f"path must be a model that MNN runs, got {os.fspath(path)}")

    def run(self, feeds: Mapping[str, np.ndarray], names: Sequence[str] | None = None) -> Arrays:
        for name in names or ():
            if name not in self._outputs:
                raise ValueError(f"names must be outputs of the network, got {name!r}")
        kept = []
        for name, value in feeds.items():
            if name not in self._inputs:
                raise ValueError(f"feeds must name inputs of the network, got {name!r}")
            array = np.ascontiguousarray(value, np.float32)
            kept.append(self._tensor(array.shape, array))
            self._inputs[name].copyFrom(kept[-1])
        self._net.runSession(self._session)
        return {name: self._read(self._outputs[name]) for name in (self._outputs if names is None else names)}

    def _tensor(self, shape: tuple[int, ...], array: np.ndarray) -> Any:
        return self._mnn.Tensor(shape, self._mnn.Halide_Type_Float, array, self._mnn.Tensor_DimensionType_Caffe)

    def _read(self, tensor: Any) -> np.ndarray:
        shape = tuple(tensor.getShape())
        host = self._tensor(shape, np.zeros(shape, np.float32))
        tensor.copyToHostTensor(host)
        return np.array(host.getNumpyData(), np.float32).reshape(shape)

    def close(self) -> None:
        self._net = self._session = None


def run_ncnn(param: str, bin: bytes, feeds: Mapping[str, np.ndarray], threads: int = 1, fp16: bool = False) -> Arrays:
    """Load ncnn's two files and run them once; outputs by name as (N, *blob shape). See NcnnRunner."""
    with NcnnRunner(param, bin, threads, fp16) as engine:
        return engine.run(feeds)


def run_litert(data: bytes, feeds: Mapping[str, np.ndarray], threads: int = 1) -> Arrays:
    """Load a .tflite file's bytes and run them once; images are NHWC. See LiteRtRunner."""
    with LiteRtRunner(data, threads) as engine:
        return engine.run(feeds)


def run_mnn(path: str | Path, feeds: Mapping[str, np.ndarray], threads: int = 1) -> Arrays:
    """Load a .mnn file and run it once. See MnnRunner."""
    with MnnRunner(path, threads) as engine:
        return engine.run(feeds)

"""A model repository on disk: one folder a model, in it config.pbtxt and a numbered folder for each version."""

from __future__ import annotations

import os
from pathlib import Path

# Runs in the server's Python stub, which ignores PYTHONPATH: the folder of the packages comes in a variable.
MODEL_PY = '''\
"""Runs model.onnx in ONNX Runtime: joins the requests that it is handed, runs once, splits the result."""

import json
import os
import sys

sys.path[:0] = os.environ["COURSE_TRITON_SITE"].split(os.pathsep)

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.batched = config["max_batch_size"] > 0
        self.inputs = [one["name"] for one in config["input"]]
        self.outputs = [one["name"] for one in config["output"]]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        groups = [requests] if self.batched else [[one] for one in requests]
        return [response for group in groups for response in self.run(group)]

    def run(self, requests):
        tensors = [[pb_utils.get_input_tensor_by_name(r, name).as_numpy() for name in self.inputs] for r in requests]
        joined = [np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*tensors)]
        results = self.session.run(self.outputs, dict(zip(self.inputs, joined)))
        ends = np.cumsum([len(parts[0]) for parts in tensors])[:-1]
        splits = [np.split(result, ends) if len(requests) > 1 else [result] for result in results]
        return [pb_utils.InferenceResponse([pb_utils.Tensor(name, np.ascontiguousarray(parts[i]))
                                            for name, parts in zip(self.outputs, splits)])
                for i in range(len(requests))]
'''

ECHO_PY = '''\
"""Answers with its inputs, in the order of the configuration."""

import json
import os
import sys

sys.path[:0] = os.environ["COURSE_TRITON_SITE"].split(os.pathsep)

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.names = [(i["name"], o["name"]) for i, o in zip(config["input"], config["output"])]

    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor(o, pb_utils.get_input_tensor_by_name(r, i).as_numpy())
                                            for i, o in self.names]) for r in requests]
'''


def write_python_model(repo: str | os.PathLike, name: str, onnx_bytes: bytes | None, config: str) -> Path:
    """Write a model for Triton's Python backend, version 1, and return its folder.

    The model runs `onnx_bytes` in ONNX Runtime; without them (None) it answers with its inputs. `config` is the text
    of config.pbtxt, which should say `backend: "python"`.
    """
    folder = Path(repo) / name
    version = folder / "1"
    version.mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config, encoding="utf-8")
    (version / "model.py").write_text(ECHO_PY if onnx_bytes is None else MODEL_PY, encoding="utf-8")
    if onnx_bytes is not None:
        (version / "model.onnx").write_bytes(onnx_bytes)
    return folder

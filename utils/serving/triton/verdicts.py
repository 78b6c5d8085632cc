"""Small configurations and requests that decide claims about Triton: our verdict, and the real server's."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.optional import EngineUnavailable
from utils.serving.triton.client import V2Client, V2Error
from utils.serving.triton.config import ModelConfig, config_request_error, validate
from utils.serving.triton.environment import TritonEnvironment
from utils.serving.triton.repository import write_python_model
from utils.serving.triton.server_process import TritonProcess

LOAD_S = 60.0
ACCEPTED, REFUSED, NOT_LOADED = "accepts it", "refuses it", "does not load it"


@dataclass(frozen=True)
class Claim:
    """A configuration, and perhaps the shape of a request's input x: what it decides, and as which claim."""

    name: str
    number: int
    told: str
    config: str
    shape: tuple[int, ...] | None = None


def echo_config(dims: str, max_batch_size: int = 0, more: str = "", head: str = "", form: str = "") -> str:
    """config.pbtxt of a model for the Python backend that answers with its input."""
    return (
        f'{head}backend: "python"\nmax_batch_size: {max_batch_size}\n'
        f'input [ {{ name: "x" data_type: TYPE_FP32 {form}dims: {dims} }} ]\n'
        f'output [ {{ name: "y" data_type: TYPE_FP32 dims: {dims} }} ]\n{more}\n'
    )


CLAIMS = (
    Claim("fixed", 6, "max_batch_size 0, dims [2, 3], request [4, 3]", echo_config("[ 2, 3 ]"), (4, 3)),
    Claim("fixed_ok", 6, "max_batch_size 0, dims [2, 3], request [2, 3]", echo_config("[ 2, 3 ]"), (2, 3)),
    Claim("wild", 6, "max_batch_size 0, dims [-1, 3], request [7, 3]", echo_config("[ -1, 3 ]"), (7, 3)),
    Claim("four", 6, "max_batch_size 4, dims [3], request [4, 3]", echo_config("[ 3 ]", 4), (4, 3)),
    Claim("too_many", 6, "max_batch_size 4, dims [3], request [5, 3]", echo_config("[ 3 ]", 4), (5, 3)),
    Claim("vector", 7, "dims [64], request [64]", echo_config("[ 64 ]"), (64,)),
    Claim("nchw_two", 7, "format FORMAT_NCHW with dims [2, 3]", echo_config("[ 2, 3 ]", form="format: FORMAT_NCHW ")),
    Claim("npu", 9, "kind KIND_NPU", echo_config("[ 3 ]", more="instance_group [ { kind: KIND_NPU } ]")),
    Claim("misnamed", 10, "name differs from the folder's", echo_config("[ 3 ]", head='name: "other"\n')),
    Claim(
        "gpu_one",
        13,
        "gpus [1] without a GPU",
        echo_config("[ 3 ]", more="instance_group [ { kind: KIND_GPU gpus: [ 1 ] } ]"),
    ),
    Claim(
        "auto_gpu",
        13,
        "gpus [0] without a kind, without a GPU",
        echo_config("[ 3 ]", more="instance_group [ { gpus: [ 0 ] } ]"),
    ),
    Claim(
        "three",
        11,
        "three instances on the CPU",
        echo_config("[ 3 ]", more="instance_group [ { count: 3 kind: KIND_CPU } ]"),
        (3,),
    ),
)


def told_verdict(claim: Claim) -> str:
    """What the course's own checks say, for a machine without a GPU."""
    try:
        cfg = ModelConfig.from_text(claim.config)
    except ValueError:
        return NOT_LOADED
    if validate(cfg, visible_gpus=0, directory=claim.name):
        return NOT_LOADED
    if claim.shape is not None and config_request_error(cfg, {"x": claim.shape}):
        return REFUSED
    return ACCEPTED


def real_verdicts(python_env: str | os.PathLike, claims: tuple[Claim, ...] = CLAIMS) -> dict[str, str]:
    """{name: what the real server does}, with all models in one server; empty where it can't run."""
    try:
        TritonEnvironment.at(python_env)
    except EngineUnavailable:
        return {}
    repository = Path(tempfile.mkdtemp(prefix="triton-models-"))
    for claim in claims:
        write_python_model(repository, claim.name, None, claim.config)
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # the claims are about a machine without a GPU
    with TritonProcess(repository, python_env, temporary=True, strict=False, environment=hidden) as server:
        client = server.client()
        loaded = _loaded(client)
        return {claim.name: _ask(client, claim) if claim.name in loaded else NOT_LOADED for claim in claims}


def _loaded(client: V2Client) -> set[str]:
    """Models that are ready, once none is being loaded."""
    until = time.monotonic() + LOAD_S
    while time.monotonic() < until:
        index = client.index()
        if not any(one.get("state") in ("LOADING", "UNLOADING") for one in index):
            return {one["name"] for one in index if one.get("state") == "READY"}
        time.sleep(0.05)
    raise RuntimeError(f"the models must be loaded within {LOAD_S:g} s")


def _ask(client: V2Client, claim: Claim) -> str:
    if claim.shape is None:
        return ACCEPTED
    try:
        client.infer(claim.name, {"x": np.ones(claim.shape, np.float32)}, ["y"])
    except V2Error:
        return REFUSED
    return ACCEPTED

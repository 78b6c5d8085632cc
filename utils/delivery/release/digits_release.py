"""The whole chain on a real network: train, export, optimise, quantise, add the preprocessing, package, serve."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import ModelProto, numpy_helper

from utils.compression.qdq import to_dynamic
from utils.delivery.release.bundle import read_manifest, verify_manifest
from utils.delivery.release.canary import Canary, replay_canary
from utils.delivery.release.chain import DeploymentChain, HopReport
from utils.delivery.release.comparison import ParityReport, Tolerance, accept, parity
from utils.delivery.release.contract import TensorContract
from utils.delivery.release.folding import prepend_preprocess
from utils.delivery.release.preprocessing import camera_faults, preprocess
from utils.delivery.release.registry import Registry
from utils.delivery.release.serve import BundleServer
from utils.graphs.onnx_tools import export_torch, make_session
from utils.networks.digits import DigitsCNN, load_digits_split, predict, seeded, train_classifier
from utils.numerics.int8 import affine_qparams, dequantize, quantize
from utils.optional import require

if TYPE_CHECKING:
    from torch import nn

Found = tuple[dict, list[str]]  # figures, and the contracts that are broken
TEST_SIZE, EPOCHS, SCALE = 597, 12, 1 / 255
RAW = TensorContract("raw", "uint8", (None, 8, 8, 1), "NHWC", (0, 255))
FP32 = Tolerance(max_abs=1e-3, min_top1=0.999)  # logits of about 10: other kernels, other order of sums
INT8 = Tolerance(min_sqnr_db=30, min_top1=0.98)


@dataclass(frozen=True)
class TrainedDigits:
    """A trained CNN, its normalisation, and its held-out images: raw (597, 8, 8, 1) uint8, x (597, 1, 8, 8) float32."""

    net: nn.Module
    mean: float
    std: float
    raw: np.ndarray
    labels: np.ndarray
    train_raw: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """The held-out images as the network was trained to see them."""
        return preprocess(self.raw, [self.mean], [self.std])

    @property
    def logits(self) -> np.ndarray:
        """The reference: what torch says of `x`, (597, 10)."""
        return predict(self.net, self.x).numpy()


@cache
def trained_digits() -> TrainedDigits:
    """The digits CNN (9,802 parameters), 12 epochs on 1,200 raw images with their mean and std. About 1 s, once."""
    train, test, y_train, y_test = load_digits_split(TEST_SIZE)
    train_raw, raw = (np.rint(x * 255).astype(np.uint8).reshape(-1, 8, 8, 1) for x in (train, test))
    mean, std = float((train_raw * SCALE).mean()), float((train_raw * SCALE).std())
    net = seeded(DigitsCNN, 0)
    train_classifier(net, preprocess(train_raw, [mean], [std]), y_train, epochs=EPOCHS)
    return TrainedDigits(net.eval(), mean, std, raw, y_test, train_raw)


@cache
def exported_digits() -> ModelProto:
    """The network as ONNX, input (N, 1, 8, 8) float32, by torch's older exporter (0.1 s; chapter 34 has the other)."""
    import torch

    return export_torch(trained_digits().net.net, torch.zeros(2, 1, 8, 8), dynamic_batch="N")


def optimized(model: ModelProto) -> ModelProto:
    """The graph that ONNX Runtime's basic optimisations leave: operators of the standard only, for any engine."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder, "optimized.onnx"))
        options.log_severity_level = 3
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def rounded_weights(model: ModelProto, bits: int) -> ModelProto:
    """A copy whose kernels and matrices are rounded to `bits` bits, symmetric, a scale a tensor, stored as floats.

    A simulation: the arithmetic stays in float32. Raises ValueError for bits outside 2 to 8.
    """
    if not 2 <= bits <= 8:
        raise ValueError(f"bits must be 2 to 8, got {bits}")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    top = 2 ** (bits - 1) - 1
    for tensor in result.graph.initializer:
        w = numpy_helper.to_array(tensor)
        if w.ndim < 2 or w.dtype != np.float32:
            continue
        scale, zero = affine_qparams(float(w.min()), float(w.max()), -top, top, symmetric=True)
        back = dequantize(quantize(w, scale, zero, -top, top), scale, zero)
        tensor.CopyFrom(numpy_helper.from_array(back.astype(np.float32), tensor.name))
    return result


def run_onnx(model: ModelProto | bytes, x: np.ndarray) -> np.ndarray:
    """The model's first output for one input, as the graph is written (no optimisations of the runtime)."""
    session = make_session(model)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def accuracy_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest value is at the label."""
    return float((np.asarray(logits).argmax(1) == labels).mean())


def skew_accuracies() -> dict[str, float]:
    """Accuracy of the exported network behind each of `camera_faults`; none of them raises anything."""
    digits, model = trained_digits(), exported_digits()
    return {name: accuracy_of(run_onnx(model, fault(digits.raw)), digits.labels)
            for name, fault in camera_faults(digits.mean, digits.std).items()}


# --- the chain -------------------------------------------------------------------------------------


def bundle_files(model: ModelProto) -> dict[str, bytes]:
    """What a release of the digits network holds: model with preprocessing inside, labels, contract, environment."""
    import onnxruntime

    versions = {"onnxruntime": ".".join(onnxruntime.__version__.split(".")[:2]), "numpy": np.__version__.split(".")[0]}
    return {"model.onnx": model.SerializeToString(), "labels.txt": "".join(f"{d}\n" for d in range(10)).encode(),
            "contract.json": json.dumps(RAW.as_dict()).encode(), "environment.json": json.dumps(versions).encode()}


def digits_chain(registry: Registry, name: str = "digits", *, serve: bool = True) -> DeploymentChain:
    """Train, export, optimise, quantise (to INT8), preprocess (into the graph), bundle, serve, canary; each checked."""
    digits = trained_digits()

    def compared(state: dict, model: ModelProto, x: np.ndarray, tolerance: Tolerance) -> Found:
        state["model"], state["outputs"] = model, run_onnx(model, x)
        report = parity(state["reference"], state["outputs"])
        figures = {"largest difference": f"{report.max_abs:.1e}", "top-1 agreement": f"{report.top1_agreement:.2%}",
                   "accuracy": f"{accuracy_of(state['outputs'], digits.labels):.2%}",
                   "file": f"{len(model.SerializeToString()) / 1e3:.1f} kB"}
        return figures, accept(report, tolerance)

    def train(state: dict) -> Found:
        state["reference"] = digits.logits
        reached = accuracy_of(state["reference"], digits.labels)
        broken = [] if reached >= 0.95 else [f"accuracy {reached:.1%}, at least 95 % expected"]
        return {"accuracy": f"{reached:.2%}"}, broken

    def package(state: dict) -> Found:
        metrics = {"accuracy": accuracy_of(state["outputs"], digits.labels), "test images": len(digits.labels)}
        state["release"] = registry.add(bundle_files(state["model"]), RAW, metrics)
        size = sum(path.stat().st_size for path in registry.folder(state["release"]).iterdir())
        figures = {"release": state["release"][:12], "bytes": f"{size:,}"}
        return figures, registry.verify(state["release"])

    def served(state: dict) -> Found:
        with BundleServer(registry.folder(state["release"])) as server, server.client() as client:
            broken = RAW.check(digits.raw)
            answer = client.predict("model", digits.raw)
            if not answer.ok:
                return {}, [f"HTTP status {answer.status}: {answer.error}"]
            broken += accept(parity(state["outputs"], answer.output), FP32)
            broken += ["the serving process has imported torch"] if "torch" in server.modules() else []
            return {"release": server.release[:12], "health": client.get("/healthz")[1].strip(),
                    "ready": client.get("/readyz")[1].strip(), "torch imported": "torch" in server.modules()}, broken

    def rollout(state: dict) -> Found:
        canary = Canary((0.05, 0.25, 1.0), tolerance=0.01, min_requests=1000)
        right = [logits.argmax(1) == digits.labels for logits in (state["reference"], state["outputs"])]
        looks = replay_canary(canary, *right)
        figures = {"simulated requests": f"{2000 * len(looks):,}", "looks": len(looks), "state": canary.state}
        if canary.state != "released":
            return figures, [f"the canary is {canary.state}"]
        registry.promote(name, state["release"])
        return {**figures, "current": registry.current(name)[:12]}, []

    hops = {
        "train": train,
        "export": lambda s: compared(s, exported_digits(), digits.x, FP32),
        "optimise": lambda s: compared(s, optimized(s["model"]), digits.x, FP32),
        "quantise": lambda s: compared(s, to_dynamic(s["model"]), digits.x, INT8),
        "preprocess": lambda s: compared(  # into the graph
            s, prepend_preprocess(s["model"], [digits.mean], [digits.std]), digits.raw, INT8),
        "bundle": package,
        "serve": served,
        "canary": rollout,
    }
    return DeploymentChain(hops if serve else {k: v for k, v in hops.items() if k != "serve"})


# --- the figure's chain ----------------------------------------------------------------------------

FAULTS = {
    "std before mean": "preprocess",
    "rows and columns swapped": "preprocess",
    "a bias lost in the export": "export",
    "a byte changed in the bundle": "bundle",
}
VIEW_HOPS = ("preprocess", "export", "quantise", "bundle")  # names of `digits_chain`; here the app preprocesses, first


def faulty_chain(faults: Collection[str], bits: int, min_top1: float) -> tuple[list[HopReport], dict[str, np.ndarray]]:
    """Four hops with injected faults: the reports, and |difference from the reference| of each hop that ran.

    The differences are of input tensors (preprocess), of logits (export, quantise), and none for the bundle.
    Raises KeyError for an unknown fault.
    """
    for fault in faults:
        if fault not in FAULTS:
            raise KeyError(f"there is no fault {fault!r}")
    digits, distances = trained_digits(), {}

    def preprocessed(state: dict) -> Found:
        wrong = next((f for f in camera_faults(digits.mean, digits.std) if f in faults), "as trained")
        x = camera_faults(digits.mean, digits.std)[wrong](digits.raw)
        distances["preprocess"] = np.abs(x.astype(np.float64) - digits.x).ravel()
        worst = float(distances["preprocess"].max())
        broken = [f"input tensors differ by up to {worst:.3g}"] if worst > 1e-4 else []
        return {"largest difference": f"{worst:.1e}"}, broken

    def compare(state: dict, hop: str, model: ModelProto, tolerance: Tolerance) -> Found:
        logits = run_onnx(model, digits.x)
        distances[hop], report = np.abs(logits - digits.logits).ravel(), parity(digits.logits, logits)
        state["model"] = model
        return {"top-1 agreement": f"{report.top1_agreement:.2%}"}, accept(report, tolerance)

    def packaged(state: dict) -> Found:
        with tempfile.TemporaryDirectory() as root:
            registry = Registry(root)
            release = registry.add(bundle_files(state["model"]), RAW, {})
            folder = registry.folder(release)
            if "a byte changed in the bundle" in faults:
                data = (folder / "labels.txt").read_bytes()
                (folder / "labels.txt").write_bytes(b"1" + data[1:])
            return {"release": release[:12]}, verify_manifest(folder, read_manifest(folder))

    exported = _without_last_bias() if "a bias lost in the export" in faults else exported_digits()
    few = Tolerance(min_top1=min_top1)
    hops = (preprocessed, lambda s: compare(s, "export", exported, FP32),
            lambda s: compare(s, "quantise", rounded_weights(s["model"], bits), few), packaged)
    return DeploymentChain(dict(zip(VIEW_HOPS, hops))).run(), distances


@cache
def _without_last_bias() -> ModelProto:
    result = onnx.ModelProto()
    result.CopyFrom(exported_digits())
    last = [t for t in result.graph.initializer if list(t.dims) == [10]][-1]
    last.CopyFrom(numpy_helper.from_array(np.zeros(10, np.float32), last.name))
    return result


def tensorrt_parity() -> ParityReport:
    """The exported network as a TensorRT engine on this machine's GPU, against torch. EngineUnavailable without one."""
    from utils.engines.tensorrt_build.builder import HINT, build_plan, save_plan
    from utils.engines.tensorrt_build.plan_runtime import PlanRunner

    trt, digits = require("tensorrt", HINT), trained_digits()
    runner, n = PlanRunner(trt), len(digits.raw)
    profile = {"input": tuple((size, 1, 8, 8) for size in (1, n, n))}
    plan = build_plan(trt, exported_digits().SerializeToString(), profile, 1 << 28, fp16=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.plan")
        save_plan(plan, path)
        outputs = runner.load(path).infer({"input": digits.x})
    return parity(digits.logits, next(iter(outputs.values())))

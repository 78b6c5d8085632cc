"""The stages of a model's pipeline: train and export, compress, test the shapes, pass the gate. Each is one process.

Every function takes the build's folder first; it returns plain data, and leaves files in the folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .provenance import artefact_record
from .stage_worker import StageFailed

BASE, DATA = "base.onnx", "test.npz"


def train(folder: Path, *, seed: int = 0, epochs: int = 12, test_size: int = 597) -> dict[str, Any]:
    """Train the digits CNN, export it, and hold the export against torch. Leaves `base.onnx` and `test.npz`."""
    import torch

    from utils.graphs.onnx_export import export_torch
    from utils.networks.digits import DigitsCNN, load_digits_split, predict, seeded, train_classifier

    x_train, x, y_train, y = load_digits_split(test_size)
    model = train_classifier(seeded(DigitsCNN, seed), x_train, y_train, epochs=epochs, seed=seed)
    export_torch(model, torch.zeros(1, 64), folder / BASE, dynamic_batch="N", opset=17)
    np.savez(folder / DATA, x=x, y=y)
    wrong = _largest_difference(predict(model, x).numpy(), _logits(folder / BASE, x))
    if wrong > 1e-4:
        raise StageFailed(f"the exported model differs from torch by {wrong:.2g}")
    return {"accuracy": float(np.mean(_logits(folder / BASE, x).argmax(1) == y)), "parity": wrong}


def compress(folder: Path, *, name: str, bits: int) -> dict[str, Any]:
    """Make the candidate `name`: `bits` 8 with ONNX Runtime's dynamic quantisation, fewer with rounded weights only."""
    path = folder / f"{name}.onnx"
    if bits == 8:
        _quantize_dynamic(folder / BASE, path)
    else:
        round_weights(folder / BASE, path, bits)
    record = artefact_record(path, [folder / BASE, folder / DATA])
    (folder / f"{name}.provenance.json").write_text(json.dumps(record, indent=2))
    return {"bytes": path.stat().st_size, "sha256": record["sha256"][:12]}


def check_shapes(folder: Path, *, name: str) -> dict[str, Any]:
    """What a unit test sees: the candidate loads, takes batches of 1 and 7, and gives ten finite logits for each."""
    x = np.load(folder / DATA)["x"]
    for batch in (1, 7):
        logits = _logits(folder / f"{name}.onnx", x[:batch])
        if logits.shape != (batch, 10) or not np.isfinite(logits).all():
            raise StageFailed(f"a batch of {batch} gives {logits.shape}, or logits that are not finite")
    return {"checked": 2}


def gate(folder: Path, *, name: str, policy: dict[str, float], rounds: int = 40) -> dict[str, Any]:
    """The quality gate: compare the candidate with `base.onnx` on the same images, and stop it with its reasons."""
    from .measuring import evidence_from_onnx
    from .release_rule import GatePolicy, compare_models

    data = np.load(folder / DATA)
    base, candidate = evidence_from_onnx(folder / BASE, folder / f"{name}.onnx", data["x"], data["y"], rounds=rounds)
    result = compare_models(base, candidate, GatePolicy(**policy))
    told = {**result.as_dict(), "reasons": list(result.reasons), "samples": int(candidate.correct.size),
            "accuracy": candidate.accuracy, "base_accuracy": base.accuracy}
    if not result.passed:
        raise StageFailed(f"blocked: {', '.join(result.reasons)}", told)
    return told


def model_spec(policy: dict[str, float], *, seed: int = 0, epochs: int = 12, rounds: int = 40,
               candidates: tuple[tuple[str, int], ...] = (("int8", 8), ("4bit", 4), ("3bit", 3), ("2bit", 2))
               ) -> dict[str, Any]:
    """The pipeline of the experiment: train, then every candidate at once: compress, test its shapes, pass the gate."""
    here = f"{__name__}:"

    def leaf(stage: str, call: str, **args: Any) -> dict[str, Any]:
        return {"name": stage, "call": here + call, "args": args, "timeout_s": 60}

    branches = [{"name": name, "stages": [
        leaf(f"compress {name}", "compress", name=name, bits=bits), leaf(f"shapes {name}", "check_shapes", name=name),
        leaf(f"gate {name}", "gate", name=name, policy=policy, rounds=rounds)]} for name, bits in candidates]
    return {"name": "model", "stages": [leaf("train", "train", seed=seed, epochs=epochs),
                                        {"name": "candidates", "parallel": branches, "failFast": False}]}


def _quantize_dynamic(source: Path, target: Path) -> None:
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # it advises to preprocess first, on the root logger
    model = onnx.load(source)
    del model.graph.value_info[:]  # recorded shapes on which its shape inference stumbles, with some exporters
    quantize_dynamic(model, target, weight_type=QuantType.QInt8)


def round_weights(source: Path, target: Path, bits: int) -> None:
    """Write the model with its weights rounded to `bits` bits, symmetric, one scale a tensor, stored as int8.

    `Cast` and `Mul` in the graph make them float again; ONNX Runtime does that once, when it loads the model.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    del model.graph.value_info[:]
    nodes, kept = [], []
    for tensor in model.graph.initializer:
        w = numpy_helper.to_array(tensor)
        if w.ndim < 2 or w.dtype != np.float32:
            kept.append(tensor)
            continue
        top = 2 ** (bits - 1) - 1
        scale = np.float32(np.abs(w).max() / top)
        q = np.clip(np.rint(w / scale), -top, top).astype(np.int8)
        name = tensor.name
        kept += [numpy_helper.from_array(q, f"{name}.q"), numpy_helper.from_array(scale, f"{name}.scale")]
        nodes += [helper.make_node("Cast", [f"{name}.q"], [f"{name}.f"], to=onnx.TensorProto.FLOAT),
                  helper.make_node("Mul", [f"{name}.f", f"{name}.scale"], [name])]
    nodes += model.graph.node
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _logits(path: Path, x: np.ndarray) -> np.ndarray:
    from utils.graphs.onnx_tools import make_session

    session = make_session(path.read_bytes(), optimize=True)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def _largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())

"""The pruning experiment: accuracy against sparsity, neurons really removed, and files really written."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from utils.compression.pruning.masks import global_masks, polynomial_sparsity
from utils.compression.pruning.report import (
    Granularity,
    Ranking,
    finetuned_copy,
    granularity_masks,
    prunable,
    pruned_copy,
)
from utils.compression.pruning.structured import Score, kept_neurons, shrink_mlp
from utils.cost.latency import time_interleaved
from utils.graphs.onnx_tools import export_torch, make_session
from utils.networks.digits import Array, DigitsMLP, accuracy, predict, seeded, train_classifier

Data = tuple[Array, Array]  # X (n, 64), y (n,)


def sparsity_curve(model: DigitsMLP, test: Data, levels: Sequence[float], granularity: Granularity, score: Ranking, *,
                   train: Data | None = None, epochs: int = 6, seed: int = 0) -> list[float]:
    """Test accuracy at each sparsity level, after fine-tuning for `epochs` when `train` data are given."""
    curve = []
    for level in levels:
        masks = granularity_masks(model, level, granularity, score, seed=seed)
        pruned = (pruned_copy(model, masks) if train is None
                  else finetuned_copy(model, masks, *train, epochs=epochs, seed=seed))
        curve.append(accuracy(pruned, *test))
    return curve


def oneshot_and_gradual(model: nn.Module, train: Data, test: Data, sparsity: float, *, epochs: int = 12,
                        rounds: int = 4, seed: int = 0) -> dict[str, float]:
    """Test accuracy of pruning at once and in `rounds` cubic steps, with the same number of epochs in all.

    "untrained" is one-shot without any fine-tuning: what every recipe starts from.
    Raises ValueError unless rounds divides epochs.
    """
    if epochs % rounds:
        raise ValueError(f"epochs must be a multiple of rounds = {rounds}, got {epochs}")

    def masks_of(network: nn.Module, level: float) -> dict[str, torch.Tensor]:
        weights = prunable(network)
        return dict(zip(weights, global_masks(list(weights.values()), level)))

    masks = masks_of(model, sparsity)
    oneshot = finetuned_copy(model, masks, *train, epochs=epochs, seed=seed)
    gradual = model
    for i in range(1, rounds + 1):
        level = polynomial_sparsity(i, initial=0, final=sparsity, begin=0, steps=rounds)
        gradual = finetuned_copy(gradual, masks_of(gradual, level), *train, epochs=epochs // rounds, seed=seed + i)
    return {"untrained": accuracy(pruned_copy(model, masks), *test), "oneshot": accuracy(oneshot, *test),
            "gradual": accuracy(gradual, *test)}


@dataclass(frozen=True)
class RemovalRow:
    """One row of the neuron experiment: parameters left, and test accuracy in three ways to get there."""

    share_removed: float
    parameters: int
    cut: float
    finetuned: float
    from_scratch: float

    def as_dict(self) -> dict[str, float]:
        """The fields as a plain dict."""
        return asdict(self)


def neuron_removal(model: DigitsMLP, train: Data, test: Data, shares: Sequence[float], *, method: Score = "in_norm",
                   epochs: int = 6, scratch_epochs: int = 30, seed: int = 0) -> list[RemovalRow]:
    """Cut a share of the neurons of every hidden layer out of the network.

    Accuracy right after the cut, after `epochs` of fine-tuning, and of the same small shape trained from scratch
    for `scratch_epochs`: the baseline that structured pruning has to beat.
    """
    rows = []
    for share in shares:
        small = shrink_mlp(model, kept_neurons(model, share, method, *train, seed=seed))
        cut = accuracy(small, *test)
        finetuned = accuracy(train_classifier(small, *train, epochs=epochs, seed=seed), *test)
        scratch = seeded(lambda shape=small.hidden: DigitsMLP(shape), seed)
        train_classifier(scratch, *train, epochs=scratch_epochs, seed=seed)
        rows.append(RemovalRow(share, sum(p.numel() for p in small.parameters()), cut, finetuned,
                               accuracy(scratch, *test)))
    return rows


def file_sizes(model: DigitsMLP, pruned: nn.Module, small: DigitsMLP) -> dict[str, int]:
    """Bytes of files really written: three ONNX models, the pruned one compressed, and its weights as CSR.

    `pruned` has zeros, `small` has neurons cut out. Zeros change nothing in a dense file.
    """
    zeros = _onnx_bytes(pruned)
    return {"dense": len(_onnx_bytes(model)), "zeros": len(zeros), "zeros, zlib": len(zlib.compress(zeros, 9)),
            "zeros, CSR": len(_csr_file(pruned)), "shrunk": len(_onnx_bytes(small))}


def _onnx_bytes(model: nn.Module) -> bytes:
    return export_torch(model, torch.zeros(1, 64), dynamic_batch="N").SerializeToString()


def _csr_file(model: nn.Module) -> bytes:
    """An uncompressed .npz with three arrays a matrix, and the biases as they are."""
    from scipy.sparse import csr_matrix

    arrays = {}
    for name, p in model.named_parameters():
        value = p.detach().numpy()
        if value.ndim == 2:
            csr = csr_matrix(value)
            arrays |= {f"{name}.data": csr.data, f"{name}.indices": csr.indices, f"{name}.indptr": csr.indptr}
        else:
            arrays[name] = value
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def onnx_difference(model: nn.Module, X: np.ndarray) -> float:
    """Largest absolute difference between torch's logits and those of the exported model in ONNX Runtime."""
    session = make_session(_onnx_bytes(model))
    (logits,) = session.run(None, {session.get_inputs()[0].name: np.asarray(X)})
    return float(np.abs(logits - predict(model, X).numpy()).max())


def onnx_latency_ms(models: dict[str, nn.Module], X: np.ndarray, rounds: int = 50) -> dict[str, float]:
    """Median ms a call of each model in ONNX Runtime on one thread, measured in interleaved rounds."""
    def call(model: nn.Module) -> Callable[[], object]:
        session = make_session(_onnx_bytes(model), optimize=True)
        feed = {session.get_inputs()[0].name: np.asarray(X)}
        return lambda: session.run(None, feed)

    samples = time_interleaved({name: call(model) for name, model in models.items()}, rounds)
    return {name: float(np.median(ms)) for name, ms in samples.items()}

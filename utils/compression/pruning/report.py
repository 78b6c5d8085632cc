"""What pruning did: accuracy by layer and by granularity, and bytes as stored, compressed and removed."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from utils.compression.pruning.masks import MaskedTraining, apply_masks, global_masks, magnitude_mask
from utils.compression.pruning.structured import Score, kept_neurons, neuron_masks, shrink_mlp
from utils.networks.digits import Array, DigitsMLP, accuracy, train_classifier

Granularity = Literal["global", "per_layer", "2:4", "neurons"]
Ranking = Literal["magnitude", "random"]

_NEURON_METHOD: dict[Ranking, Score] = {"magnitude": "in_norm", "random": "random"}


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """The weight matrices and kernels by name; biases and norms stay whole, they are few and matter."""
    return {name: p.detach() for name, p in model.named_parameters() if p.ndim >= 2}


def pruned_copy(model: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the model with the masks applied."""
    pruned = copy.deepcopy(model)
    apply_masks(pruned, masks)
    return pruned


def finetuned_copy(model: nn.Module, masks: Mapping[str, Tensor], X: Array, y: Array, *, epochs: int,
                   seed: int = 0) -> nn.Module:
    """A copy of the model with the masks applied and held while it trains on."""
    tuned = copy.deepcopy(model)
    with MaskedTraining(tuned, masks):
        return train_classifier(tuned, X, y, epochs=epochs, seed=seed).eval()


def sensitivity_scan(model: nn.Module, X: Array, y: Array, levels: Sequence[float]) -> dict[str, list[float]]:
    """Accuracy at each sparsity level when one layer at a time is pruned by magnitude and the rest is whole."""
    return {name: [accuracy(pruned_copy(model, {name: magnitude_mask(w, level)}), X, y) for level in levels]
            for name, w in prunable(model).items()}


@dataclass(frozen=True)
class SizeReport:
    """Bytes of a model's parameters as FP32 array, as CSR with int32 indices, and as a zlib stream (level 9).

    `nonzeros` counts all parameters. In CSR the matrices are sparse and the vectors stay dense.
    """

    dense_bytes: int
    csr_bytes: int
    nonzeros: int
    zipped_bytes: int

    def as_dict(self) -> dict[str, int]:
        """The fields as a plain dict."""
        return asdict(self)


def size_report(model: nn.Module) -> SizeReport:
    """Measure the real buffers: NumPy's bytes, SciPy's CSR arrays, zlib's output."""
    arrays = [p.detach().numpy() for p in model.parameters()]
    return SizeReport(
        dense_bytes=sum(a.nbytes for a in arrays),
        csr_bytes=sum(_csr_bytes(a) if a.ndim >= 2 else a.nbytes for a in arrays),
        nonzeros=sum(int(np.count_nonzero(a)) for a in arrays),
        zipped_bytes=len(zlib.compress(b"".join(a.tobytes() for a in arrays), 9)),
    )


def _csr_bytes(weight: np.ndarray) -> int:
    from scipy.sparse import csr_matrix

    csr = csr_matrix(weight.reshape(len(weight), -1))  # one row an output
    return csr.data.nbytes + csr.indices.nbytes + csr.indptr.nbytes


def granularity_masks(model: nn.Module, sparsity: float, granularity: Granularity, score: Ranking, *,
                  seed: int = 0) -> dict[str, Tensor]:
    """Masks by parameter name for one way of pruning; `seed` decides the random score.

    "global" ranks all weights together, "per_layer" each matrix alone, "2:4" keeps two of four neighbours along
    the input whatever `sparsity` says, "neurons" silences that share of every hidden layer of a DigitsMLP.
    Raises ValueError for an unknown granularity or score.
    """
    if score not in ("magnitude", "random"):
        raise ValueError(f"score must be 'magnitude' or 'random', got {score!r}")
    if granularity == "neurons":
        return neuron_masks(model, kept_neurons(model, sparsity, _NEURON_METHOD[score], seed=seed))
    rng = np.random.default_rng(seed)
    ranks = {name: w.abs() if score == "magnitude" else torch.from_numpy(rng.random(tuple(w.shape)))
             for name, w in prunable(model).items()}
    if granularity == "global":
        return dict(zip(ranks, global_masks(list(ranks.values()), sparsity)))
    if granularity == "per_layer":
        return {name: magnitude_mask(rank, sparsity) for name, rank in ranks.items()}
    if granularity == "2:4":
        return {name: _two_of_four(rank) for name, rank in ranks.items()}
    raise ValueError(f"granularity must be 'global', 'per_layer', '2:4' or 'neurons', got {granularity!r}")


def _two_of_four(rank: Tensor) -> Tensor:
    if rank.shape[-1] % 4:
        raise ValueError(f"model must have input widths that are multiples of 4 for '2:4', got {rank.shape[-1]}")
    groups = rank.reshape(-1, 4)  # four neighbours along the input
    best = torch.argsort(groups, dim=1, descending=True, stable=True)[:, :2]
    return torch.zeros_like(groups, dtype=torch.bool).scatter(1, best, True).reshape(rank.shape)


def pruning_snapshot(model: DigitsMLP, X: Array, y: Array, sparsity: float, granularity: Granularity,
                     score: Ranking, *, train: tuple[Array, Array] | None = None, epochs: int = 4,
                     seed: int = 0) -> dict[str, Any]:
    """One state of the pruning figure: masks, accuracy on (X, y), and bytes.

    masks: bool arrays by weight matrix. bytes: dense (unchanged by zeros), csr, zipped, and shrunk, the dense
    size once silent neurons are cut out (only "neurons" has any). With `train` data the pruned network is
    fine-tuned for `epochs` first, its mask held.
    """
    masks = granularity_masks(model, sparsity, granularity, score, seed=seed)
    pruned = pruned_copy(model, masks)
    if train is not None:
        pruned = finetuned_copy(pruned, masks, *train, epochs=epochs, seed=seed)
    size = size_report(pruned)
    small = pruned
    if granularity == "neurons":
        small = shrink_mlp(pruned, kept_neurons(model, sparsity, _NEURON_METHOD[score], seed=seed))
    return {
        "masks": {name: mask.numpy() for name, mask in masks.items() if mask.ndim == 2},
        "accuracy": accuracy(pruned, X, y),
        "bytes": {"dense": size.dense_bytes, "csr": size.csr_bytes, "zipped": size.zipped_bytes,
                  "shrunk": size_report(small).dense_bytes},
    }

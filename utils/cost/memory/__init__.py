"""Bytes of tensors and modules, and the closed forms for training memory in one place.

What needs a running network is in `utils.cost.memory.live_tensors` and `utils.cost.memory.saved_tensors`.

>>> tensor_bytes((32, 3, 128, 128), 32)
6291456
>>> human_bytes(6_291_456), human_bytes(6_291_456, binary=False)
('6.00 MiB', '6.29 MB')
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.cost.checks import non_negative, positive
from utils.cost.memory.chain import chain_peak, inference_peak_bytes, saved_bytes
from utils.cost.memory.checkpointing import best_segments, checkpoint_forward_units, checkpoint_plan
from utils.cost.memory.fit_batch import largest_batch, round_to_blocks
from utils.cost.memory.model_states import (
    AMP_ADAM_MASTER,
    BF16_ADAM8BIT,
    FP32_ADAM,
    FP32_MOMENTUM,
    FP32_SGD,
    StateBytes,
    TrainRecipe,
    model_state_bytes,
    training_bytes,
    zero_bytes_per_gpu,
)
from utils.cost.memory.transformer import transformer_activation_bytes

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "AMP_ADAM_MASTER", "BF16_ADAM8BIT", "FP32_ADAM", "FP32_MOMENTUM", "FP32_SGD", "StateBytes", "TrainRecipe",
    "best_segments", "chain_peak", "checkpoint_forward_units", "checkpoint_plan", "human_bytes",
    "inference_peak_bytes", "largest_batch", "model_state_bytes", "module_storage_bytes", "round_to_blocks",
    "saved_bytes", "tensor_bytes", "training_bytes", "transformer_activation_bytes", "zero_bytes_per_gpu",
]


def tensor_bytes(shape: Sequence[int], bits: int) -> int:
    """Bytes of a dense tensor of `bits` per value, rounded up to whole bytes; an empty shape is one value.

    Raises ValueError for a negative size or bits that are not positive.
    """
    positive(bits=bits)
    non_negative(shape=min(shape, default=0))
    return -(-math.prod(shape) * bits // 8)


def human_bytes(n: float, binary: bool = True) -> str:
    """A number of bytes with its unit: powers of 1024 (KiB, MiB, ...) or of 1000 (kB, MB, ...)."""
    non_negative(n=n)
    base, units = (1024, ("B", "KiB", "MiB", "GiB", "TiB")) if binary else (1000, ("B", "kB", "MB", "GB", "TB"))
    power = 0
    while n >= base and power < len(units) - 1:
        n, power = n / base, power + 1
    return f"{n:.2f} {units[power]}" if power else f"{n:.0f} B"


def module_storage_bytes(m: nn.Module) -> int:
    """Bytes of a module's parameters and buffers; a storage that several of them share counts once."""
    storages = {t.untyped_storage()._cdata: t.untyped_storage() for t in (*m.parameters(), *m.buffers())}
    return sum(storage.nbytes() for storage in storages.values())

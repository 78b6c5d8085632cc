"""Model states: weights, gradients, master weights and optimizer states, in bytes.

>>> model_state_bytes(1_500_000_000, AMP_ADAM_MASTER).total
24000000000
>>> round(zero_bytes_per_gpu(7_500_000_000, AMP_ADAM_MASTER, n_gpus=64, stage=1) / 1e9, 1)
31.4
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from utils.cost.checks import non_negative, positive


@dataclass(frozen=True)
class TrainRecipe:
    """Bits that a training run keeps for each parameter; `moments` counts the optimizer's tensors."""

    weight_bits: int = 32
    grad_bits: int = 32
    master_bits: int = 0
    moments: int = 2
    moment_bits: int = 32

    def __post_init__(self) -> None:
        positive(weight_bits=self.weight_bits)
        non_negative(grad_bits=self.grad_bits, master_bits=self.master_bits, moments=self.moments,
                     moment_bits=self.moment_bits)

    @property
    def bytes_per_param(self) -> float:
        """Bytes for each trained parameter."""
        return (self.weight_bits + self.grad_bits + self.master_bits + self.moments * self.moment_bits) / 8


FP32_ADAM = TrainRecipe()
FP32_MOMENTUM = TrainRecipe(moments=1)
FP32_SGD = TrainRecipe(moments=0)
# Micikevicius et al. 2018 and ZeRO (Rajbhandari et al. 2020, section 3.1): 2 + 2 + 4 + 4 + 4 bytes.
AMP_ADAM_MASTER = TrainRecipe(weight_bits=16, grad_bits=16, master_bits=32)
# Moments in 8 bits (Dettmers et al. 2022); their scales, one for each block of values, are left out.
BF16_ADAM8BIT = TrainRecipe(weight_bits=16, grad_bits=16, moment_bits=8)


@dataclass(frozen=True)
class StateBytes:
    """Bytes of the model states by kind."""

    weights: int
    grads: int
    master: int
    optimizer: int
    total: int

    def as_dict(self) -> dict[str, int]:
        """The fields as a plain dict."""
        return asdict(self)


def _bytes(count: int, bits: int) -> int:
    return -(-count * bits // 8)


def model_state_bytes(n_params: int, recipe: TrainRecipe, trainable_fraction: float = 1.0) -> StateBytes:
    """Model states of `n_params` parameters, of which a fraction is trained; frozen ones keep their weights only.

    Raises ValueError for a negative count or a fraction outside [0, 1].
    """
    non_negative(n_params=n_params)
    if not 0 <= trainable_fraction <= 1:
        raise ValueError(f"trainable_fraction must lie in [0, 1], got {trainable_fraction}")
    trained = n_params if trainable_fraction == 1 else round(n_params * trainable_fraction)
    weights = _bytes(n_params, recipe.weight_bits)
    grads = _bytes(trained, recipe.grad_bits)
    master = _bytes(trained, recipe.master_bits)
    optimizer = recipe.moments * _bytes(trained, recipe.moment_bits)
    return StateBytes(weights, grads, master, optimizer, weights + grads + master + optimizer)


def zero_bytes_per_gpu(n_params: int, recipe: TrainRecipe, n_gpus: int, stage: int) -> float:
    """Model states on one of `n_gpus` when ZeRO divides them (Rajbhandari et al. 2020, figure 1).

    Stage 0 divides nothing, 1 the optimizer states and master weights, 2 the gradients as well, 3 the weights too.
    Raises ValueError for another stage.
    """
    positive(n_gpus=n_gpus)
    if stage not in (0, 1, 2, 3):
        raise ValueError(f"stage must be 0..3, got {stage}")
    states = model_state_bytes(n_params, recipe)
    parts = ((states.optimizer + states.master, 1), (states.grads, 2), (states.weights, 3))
    return float(sum(size / n_gpus if stage >= divided_from else size for size, divided_from in parts))


_MOMENTS = {"sgd": 0, "momentum": 1, "adam": 2}


def training_bytes(n_params: int, optimizer: str, mixed: bool) -> dict[str, int]:
    """Bytes of the model states: weights, grads, master, optimizer, total.

    `mixed` keeps weights and gradients in 16 bits and a master copy in FP32; optimizer states are FP32.
    Raises ValueError for an optimizer that is not sgd, momentum or adam.
    """
    if optimizer not in _MOMENTS:
        raise ValueError(f"optimizer must be sgd, momentum or adam, got {optimizer!r}")
    bits = 16 if mixed else 32
    recipe = TrainRecipe(bits, bits, 32 if mixed else 0, _MOMENTS[optimizer])
    return model_state_bytes(n_params, recipe).as_dict()

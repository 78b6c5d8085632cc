"""What autograd keeps between the forward and the backward pass, observed through its own hooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SavedReport:
    """Bytes of the saved tensors, and the same by the module that first saved each."""

    total: int
    by_module: dict[str, int]

    def as_dict(self) -> dict:
        """The fields as a plain dict."""
        return asdict(self)


OUTSIDE = "(outside)"


def saved_activation_bytes(model: nn.Module, inputs: Tensor,
                           loss_fn: Callable[[Tensor], Tensor] | None = None) -> SavedReport:
    """Bytes that autograd saves during `model(inputs)`, and during `loss_fn` of its result if there is one.

    A storage that several operators save counts once; parameters and buffers don't count. It works on any device,
    on "meta" too. Modules are named as in `named_modules`; what none of them saved is "(outside)".
    """
    ours = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    storages: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used twice
    by_module: dict[str, int] = {}
    running = [OUTSIDE]

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in ours and storage._cdata not in storages:
            storages[storage._cdata] = storage
            by_module[running[-1]] = by_module.get(running[-1], 0) + storage.nbytes()
        return tensor

    hooks = _name_hooks(model, running)
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = model(inputs)
            if loss_fn is not None:
                running.append(OUTSIDE)
                loss_fn(out)
    finally:
        for hook in hooks:
            hook.remove()
    return SavedReport(sum(by_module.values()), by_module)


def _name_hooks(model: nn.Module, running: list[str]) -> list:
    """Hooks that keep the names of the running modules on the stack `running`."""
    hooks = []
    for path, module in model.named_modules():
        enter = partial(lambda name, *_: running.append(name), path or type(module).__name__)
        hooks.append(module.register_forward_pre_hook(enter))
        hooks.append(module.register_forward_hook(lambda *_: running.pop() and None))
    return hooks

"""Exercise 16.finetune_pruned: training on without bringing pruned weights back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from utils.compression import pruning

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception

Masks = Mapping[str, Tensor]


def _hold(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in masks:
                p.mul_(masks[name])


def _tune(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable, *, before: bool = False,
          gradients: bool = False, before_step: bool = False, after: Callable | None = _hold, clear: bool = True,
          clear_late: bool = False, every: int = 1, told: str = "losses") -> Any:
    """The training loop with one mistake; with its defaults it is right (an independent formulation)."""
    losses = []
    if before:
        _hold(model, masks)
    for x, y in batches:
        for _ in range(every):
            if clear:
                model.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            if gradients:
                for name, mask in masks.items():
                    model.get_parameter(name).grad.mul_(mask)
            if before_step:
                _hold(model, masks)
            optimizer.step()
            if clear_late:
                model.zero_grad()
        if after is not None:
            after(model, masks)
        losses.append(float(loss_fn(model(x), y) if told == "after" else loss))
    return {"losses": losses, "after": losses, "nothing": None, "last": losses[-1] if losses else 0.0,
            "sum": sum(losses)}[told]


def _before_forward(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    losses = []
    for x, y in batches:
        _hold(model, masks)
        optimizer.zero_grad()
        losses.append(loss_fn(model(x), y))
        losses[-1].backward()
        optimizer.step()
    return [loss.item() for loss in losses]


def _rebinds(model: nn.Module, masks: Masks) -> None:
    for name, p in model.named_parameters():
        if name in masks:
            p = p * masks[name]


def _with_grad(model: nn.Module, masks: Masks) -> None:
    for name, mask in masks.items():
        model.get_parameter(name).mul_(mask)


def _replaces_data(model: nn.Module, masks: Masks) -> None:
    for name, mask in masks.items():
        p = model.get_parameter(name)
        p.data = p.data * mask


def _all_parameters(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.mul_(masks[name])


def _inverts(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name)[mask.bool()] = 0


def _tilde(model: nn.Module, masks: Masks) -> None:
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name)[~mask] = 0


def _last_only(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    losses = _tune(model, masks, optimizer, batches, loss_fn, after=None)
    _hold(model, masks)
    return losses


def _resets(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    optimizer.state.clear()
    return _tune(model, masks, optimizer, batches, loss_fn)


def _tune_by_hook(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    """The optimizer itself restores the zeros at the end of each step."""
    chosen = [(model.get_parameter(name), mask.bool().logical_not()) for name, mask in masks.items()]

    def restore(*_: object) -> None:
        for p, gone in chosen:
            p.data.masked_fill_(gone, 0.0)

    handle, losses = optimizer.register_step_post_hook(restore), []
    for x, y in batches:
        optimizer.zero_grad(set_to_none=False)
        loss = loss_fn(model(x), y)
        loss.backward()
        losses += [loss.item()]
        optimizer.step()
    handle.remove()
    return losses


class _Masked(nn.Module):
    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask.to(weight)


def _tune_by_parametrization(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    """Masks in the forward pass; at the end the masked weight becomes the parameter."""
    losses = []
    places = [name.rpartition(".")[::2] for name in masks]
    for (place, attribute), mask in zip(places, masks.values()):
        parametrize.register_parametrization(model.get_submodule(place), attribute, _Masked(mask))
    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for place, attribute in places:
        parametrize.remove_parametrizations(model.get_submodule(place), attribute)
    return losses


def _tune_by_where(model: nn.Module, masks: Masks, optimizer: Any, batches: Iterable, loss_fn: Callable) -> list:
    parameters, losses = dict(model.named_parameters()), []
    for batch in list(batches):
        optimizer.zero_grad()
        loss = loss_fn(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        for name, mask in masks.items():
            p = parameters[name].detach()  # shares the memory
            p.copy_(torch.where(mask != 0, p, torch.zeros_like(p)))
        losses.append(float(loss))
    return losses


def _show_weights(value: Any) -> str:
    """The weights at the end, and the losses."""
    if not isinstance(value, dict):
        return brief(value)
    told = [f"{name} {np.round(weight, 4).tolist()}" for name, weight in value["end"].items()]
    return brief(f"losses {brief(value['losses'], 30)}, {'; '.join(told)}", 110).strip("'\"")


ADAM = {"optimizer": "Adam", "options": {"lr": 0.1}}


def _training(label: str, layers: list[int], masks: Mapping[str, Any], **more: Any) -> Case:
    return Case(layers=layers, masks=masks, label=label, **more)


_HALF = [[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]

finetune_pruned = Exercise(
    id="16.finetune_pruned", points=5, difficulty=2, minutes=20, idea="the optimiser's memory revives pruned weights",
    reference=pruning.finetune_pruned, probe="ch16_pruning.finetune", show=_show_weights,
    cases=[
        _training("the example: Adam after one step, weights [0.9, 0], mask [1, 0]", [2, 1], {"0.weight": [[1, 0]]},
                  weights={"0.weight": [[1.0, 1.0]]}, bias=False, loss="sum", ones=True,
                  warm_steps=1, **ADAM),
        _training("SGD with momentum, two layers, a mask for the first, 4 batches", [4, 3, 2], {"0.weight": _HALF},
                  optimizer="SGD", options={"lr": 0.05, "momentum": 0.9}, warm_steps=2, steps=4, seed=1),
    ],
    hidden=[
        _training("AdamW with weight decay after 3 steps, 5 batches, masks of 0 and 1 in float32", [4, 3, 2],
                  {"0.weight": _HALF, "2.weight": [[1, 1, 0], [0, 1, 1]]}, optimizer="AdamW",
                  options={"lr": 0.02, "weight_decay": 0.1}, warm_steps=3, steps=5, mask_dtype="float32", seed=2),
        _training("a float32 model, masks of 0 and 1 in float64", [4, 3, 2], {"0.weight": _HALF}, optimizer="SGD",
                  options={"lr": 0.05, "momentum": 0.9}, warm_steps=1, steps=3, mask_dtype="float64", seed=3),
        _training("a float64 model, masks of 0 and 1 in int64", [4, 3, 2], {"2.weight": [[1, 0, 0], [0, 1, 1]]},
                  **ADAM, warm_steps=2, steps=3, mask_dtype="int64", dtype="float64", seed=4),
        _training("a mask for a bias as well", [3, 3, 1], {"0.weight": [[1, 0, 1], [0, 0, 0], [1, 1, 1]],
                  "0.bias": [1, 0, 1]}, optimizer="SGD", options={"lr": 0.1, "momentum": 0.8}, warm_steps=1, steps=3,
                  seed=5),
        _training("fresh SGD without momentum", [4, 3, 2], {"0.weight": _HALF}, options={"lr": 0.1}, steps=3, seed=6),
        _training("no masks at all", [4, 3, 2], {}, options={"lr": 0.1}, steps=2, seed=7),
        _training("no batches", [4, 3, 2], {"0.weight": _HALF}, **ADAM, warm_steps=1, steps=0, seed=8),
        _training("everything is masked", [2, 2], {"0.weight": [[0, 0], [0, 0]]}, **ADAM, warm_steps=1, steps=3, seed=9),
    ],
    compare=close(1e-4), time_limit_s=20,  # the first optimizer of a process imports a large part of torch
    misconceptions=[
        Misconception(
            "gradients_only", partial(_tune, gradients=True, after=None),
            "You masked the gradients. The optimiser remembers earlier ones: momentum moves a pruned weight although "
            "its gradient is zero. Which moment comes after the last thing that writes to a weight?",
            "Momentum revives pruned weights."),
        Misconception(
            "not_held", partial(_tune, before=True, after=None),
            "After the first step pruned weights are back. Either the mask was applied only before the loop, or "
            "`p = p * mask` bound a local name to a new tensor and left the parameter as it was. Each step writes to "
            "the parameters, so each step needs the mask after it, in place.",
            "Nothing holds the mask.",
            also=(partial(_tune, after=None), partial(_tune, after=_rebinds))),
        Misconception(
            "before_step", partial(_tune, before_step=True, after=None),
            "The mask is applied, and then step() writes to the weights: the last writer wins. Swap the two.",
            "The mask comes before the step."),
        Misconception(
            "before_forward", _before_forward,
            "Within the loop each forward pass sees masked weights. After the last step nobody masks again, and the "
            "weights that you hand over are not sparse.",
            "The last step is not masked."),
        Misconception(
            "only_at_the_end", _last_only,
            "The weights end up sparse, but in between the pruned ones took part in the training. The others learnt to "
            "rely on them, and then they were cut off.",
            "The mask comes only at the end."),
        Misconception(
            "needs_no_grad", partial(_tune, after=_with_grad),
            "Torch refuses to change a parameter in place while it records gradients. The masking is no part of the "
            "function that is differentiated: tell torch so.",
            "The masking is recorded by autograd."),
        Misconception(
            "dtype", partial(_tune, after=_replaces_data),
            "`p.data = p.data * mask` hands the parameter a new tensor. With a float64 mask that one is float64, and the "
            "model has changed its type. Change the parameter in place.",
            "The data type changed."),
        Misconception(
            "mask_for_everything", partial(_tune, after=_all_parameters),
            "`masks` names only some parameters: biases often have none. Those without a mask are trained as usual.",
            "Every parameter was expected to have a mask."),
        Misconception(
            "inverted", partial(_tune, after=_inverts),
            "You zeroed where the mask is 1. There, the weight is kept.",
            "The mask is upside down."),
        Misconception(
            "tilde", partial(_tune, after=_tilde),
            "`~mask` is a logical not for booleans only. A mask may also hold 0 and 1 in another type; compare it with 0.",
            "The mask need not be boolean."),
        Misconception(
            "accumulates", partial(_tune, clear=False),
            "The gradients of earlier batches are still in `.grad` and were added. Clear them before each backward pass.",
            "Gradients pile up.", also=(partial(_tune, clear=False, clear_late=True),)),
        Misconception(
            "resets_state", _resets,
            "You emptied the optimiser's state. The pruned weights stay at 0, but the kept ones lose their momentum too.",
            "The optimiser forgot everything."),
        Misconception(
            "two_steps", partial(_tune, every=2),
            "The optimiser took more than one step on a batch. The task asks for exactly one.",
            "A batch was used twice."),
        Misconception(
            "no_losses", partial(_tune, told="nothing"),
            "The training is right. The task also asks for the losses: a list with one float for each batch.",
            "The losses are missing.", also=(partial(_tune, told="last"), partial(_tune, told="sum"))),
        Misconception(
            "losses_after_the_step", partial(_tune, told="after"),
            "You computed each loss a second time, after the step. The task asks for the one that you differentiated, and "
            "calls `loss_fn` once a batch: a forward pass is half of the work.",
            "The losses are from after the step."),
    ],
    alternatives=[_tune, _tune_by_hook, _tune_by_parametrization, _tune_by_where, partial(_tune, gradients=True, before=True)],
    hints=(
        "It is the usual loop: clear the gradients, forward, backward, step. What has to come after the step?",
        "`dict(model.named_parameters())[name]` is the parameter of a mask. Under `torch.no_grad()` it can be changed in place.",
        "`p.mul_(mask)`, or `p[mask == 0] = 0`, after every `optimizer.step()`.",
    ),
    worth_knowing="With plain SGD, without momentum, masking the gradients would have been enough.",
)

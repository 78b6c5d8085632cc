"""Exercise 47.module_footprint: bytes and device of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from utils.serving import model_cache

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

PROBE = "ch47_caching_models_in_memory.footprint"


def _tensors(m: nn.Module) -> list[torch.Tensor]:
    return [*m.parameters(), *m.buffers()]


def _one_device(m: nn.Module, of: Callable[[nn.Module], Iterable[torch.Tensor]] = _tensors) -> str:
    devices = {str(t.device) for t in of(m)}
    if len(devices) != 1:
        raise ValueError("the module must be on one device")
    return devices.pop()


def _first_device(m: nn.Module) -> str:
    tensor = next(iter(_tensors(m)), None)
    if tensor is None:
        raise ValueError("nothing there")
    return str(tensor.device)


def _answer(count: Callable[[nn.Module], int], device: Callable[[nn.Module], str] = _one_device) -> Callable:
    def answer(m: nn.Module) -> tuple[int, str]:
        return count(m), device(m)

    return answer


def _both(count: Callable[[nn.Module], int]) -> dict[str, Any]:
    """`answer` and `also` of a misconception about counting: with and without the look at all devices."""
    return {"answer": _answer(count), "also": (_answer(count, _first_device),)}


def _storages(tensors: Iterable[torch.Tensor]) -> int:
    kept = {t.untyped_storage()._cdata: t.untyped_storage() for t in tensors}
    return sum(s.nbytes() for s in kept.values())


def _own_sizes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(t.nbytes for t in tensors)


def _all_named(m: nn.Module) -> list[torch.Tensor]:
    """Tensors by name: one that has two names comes twice."""
    return [t for _, t in (*m.named_parameters(remove_duplicate=False), *m.named_buffers(remove_duplicate=False))]


def _own(m: nn.Module) -> list[torch.Tensor]:
    return [*m.parameters(recurse=False), *m.buffers(recurse=False)]


def _children_once(m: nn.Module) -> list[torch.Tensor]:
    return [t for part in (m, *m.children()) for t in _own(part)]


def _asks_the_module(m: nn.Module) -> tuple[int, str]:
    return _storages(_tensors(m)), str(m.device)


def _data_ptr(m: nn.Module) -> int:
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in _tensors(m)}.values())


def _with_gradients(m: nn.Module) -> int:
    return _storages([*_tensors(m), *(p.grad for p in m.parameters() if p.grad is not None)])


def _everything_inside(m: nn.Module) -> int:
    """Tensors in plain attributes and lists as well."""
    loose: list[torch.Tensor] = []
    for part in m.modules():
        for value in vars(part).values():
            loose += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, torch.Tensor)]
    return _storages([*_tensors(m), *loose])


# --- other right answers ----------------------------------------------------------------------------


def _by_identity(m: nn.Module) -> tuple[int, str]:
    """Keeps the storages alive and compares them one with the other."""
    seen: list[Any] = []
    devices = set()
    for tensor in m.state_dict(keep_vars=True).values():
        devices.add(tensor.device)
    for tensor in (*m.parameters(), *m.buffers()):
        storage = tensor.untyped_storage()
        devices.add(tensor.device)
        if not any(storage._cdata == other._cdata for other in seen):
            seen.append(storage)
    if len(devices) != 1:
        raise ValueError(f"{len(devices)} devices")
    return sum(s.nbytes() for s in seen), str(next(iter(devices)))


def _walks_modules(m: nn.Module) -> tuple[int, str]:
    sizes: dict[int, int] = {}
    places: dict[str, int] = {}
    for part in m.modules():
        for table in (part._parameters, part._buffers):
            for tensor in table.values():
                if tensor is not None:
                    sizes[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
                    places[str(tensor.device)] = 1
    if not places or len(places) > 1:
        raise ValueError("one device, please")
    return sum(sizes.values()), next(iter(places))


def _recursive(m: nn.Module) -> tuple[int, str]:
    def collect(part: nn.Module) -> dict[Any, tuple[int, str]]:
        found = {t.untyped_storage()._cdata: (t.untyped_storage().nbytes(), str(t.device)) for t in _own(part)}
        for child in part.children():
            found |= collect(child)
        return found

    told = collect(m).values()
    sizes, devices = [n for n, _ in told], {d for _, d in told}
    if len(devices) != 1:
        raise ValueError("no device, or several")
    return sum(sizes), devices.pop()


# --- cases ------------------------------------------------------------------------------------------


def _case(label: str, *recipe: list, **more: bool) -> Case:
    return Case(recipe=list(recipe), label=label, **more)


_DRAWN: dict[str, Callable[[Callable[..., int]], list]] = {
    "linear": lambda n: [n(2, 40), n(2, 40), ["float32", "bfloat16", "float64"][n(0, 3)]], "conv": lambda n: [n(1, 6), n(1, 6), n(1, 4)],
    "batch norm": lambda n: [n(1, 30)], "tied": lambda n: [n(2, 30), n(2, 12)], "twice": lambda n: [n(2, 20)],
    "buffer": lambda n: [n(1, 60), ["int64", "bool", "float16"][n(0, 3)]], "view": lambda n: [n(20, 90), n(0, 5), n(6, 20)],
    "flat": lambda n: [n(1, 20), n(1, 20)], "frozen": lambda n: [n(2, 9), n(2, 9)], "loose": lambda n: [n(2, 9)],
}


def _draw(rng: np.random.Generator) -> Case:
    kinds = rng.choice(list(_DRAWN), int(rng.integers(1, 5))).tolist()
    recipe = [[kind, *_DRAWN[kind](lambda low, high: int(rng.integers(low, high)))] for kind in kinds]
    meta, grads = bool(rng.random() < 0.3), bool(rng.random() < 0.3)
    told = ", ".join(kinds) + (" on meta" if meta else "") + (", with gradients" if grads else "")
    return Case(recipe=recipe, meta=meta, grads=grads, label=told)


def _show(value: Any) -> str:
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], int):
        return f"({value[0]:,} bytes, {value[1]!r})".replace(" bytes", "")
    return str(value)


module_footprint = Exercise(
    id="47.module_footprint", points=3, difficulty=2, minutes=10, idea="a module has no device; its storages have bytes",
    reference=model_cache.module_footprint, probe=PROBE, draw=_draw, draws=30, compare=exact(), show=_show, time_limit_s=10,
    cases=[_case("Linear(1024, 1024), float32", ["linear", 1024, 1024]),
           _case("an embedding of 100 × 16 and an output layer with the same weight", ["tied", 100, 16])],
    hidden=[
        _case("BatchNorm2d(8): four vectors and an int64 counter", ["batch norm", 8]),
        _case("Linear(32, 8) in bfloat16", ["linear", 32, 8, "bfloat16"]),
        _case("a buffer that is a slice of a larger tensor", ["view", 100, 10, 20]),
        _case("two buffers that are halves of one tensor", ["views", 64]),
        _case("a buffer of one value, expanded to 1000", ["expanded", 1000]),
        _case("two parameters that are slices of one storage", ["flat", 10, 30]),
        _case("two layers on the meta device", ["linear", 8, 8], ["linear", 8, 8], meta=True),
        _case("tied weights on the meta device", ["tied", 30, 4], ["batch norm", 5], meta=True),
        _case("a layer with gradients", ["linear", 6, 6], grads=True),
        _case("a layer that stands twice in a sequence", ["twice", 12]),
        _case("nested layers and a non-persistent buffer", ["twice", 5], ["buffer", 9, "int64"], ["conv", 3, 4, 3], ["relu"]),
        _case("a layer with other tensors in plain attributes", ["loose", 6]),
        _case("frozen weights", ["frozen", 7, 3]),
    ],
    raises=[
        _case("a ReLU: no tensors", ["relu"]), _case("normalisation without weights or statistics", ["plain norm", 8]),
        _case("one layer on cpu, one on meta", ["on cpu", 4, 4], ["on meta", 4, 4]),
        _case("a buffer on another device than the parameters", ["moved buffer", 8]),
        _case("meta first, then cpu", ["on meta", 4, 4], ["on cpu", 4, 4]),
    ],
    misconceptions=[
        Misconception(
            "module_device", _asks_the_module,
            "`nn.Module` has no attribute `device`: different parameters may lie on different devices. Ask the tensors.",
            "A module has no device."),
        Misconception(
            "parameters_only", **_both(lambda m: _storages(m.parameters())),
            message="You count parameters alone. Buffers (the running mean of a normalisation, its counter) are memory as well, and have to be "
                    "moved and evicted with the rest.",
            title="The buffers are missing."),
        Misconception(
            "four_bytes", **_both(lambda m: sum({id(t): 4 * t.numel() for t in _tensors(m)}.values())),
            message="Every value is charged with 4 bytes. bfloat16 has 2, int64 has 8. Ask the tensor, or its storage, for its size.",
            title="Not every value has four bytes."),
        Misconception(
            "tied_twice", **_both(lambda m: _own_sizes(_all_named(m))),
            message="A tensor with two names is counted twice. Tied weights and a layer that is used twice are in memory once.",
            title="Shared weights count once."),
        Misconception(
            "own_size_of_views", **_both(lambda m: _own_sizes(_tensors(m))),
            message="You add up the sizes of the tensors. A slice keeps the whole storage alive behind it, and two slices of one storage "
                    "hold it once. Look at `untyped_storage()`.",
            title="A view is not what is held."),
        Misconception(
            "data_ptr", **_both(_data_ptr),
            message="You tell storages apart by the address of their data. On the meta device there is no data, and every address is 0. "
                    "Compare the storages themselves.",
            title="All meta tensors have the address 0."),
        Misconception(
            "gradients", **_both(_with_gradients),
            message="You count gradients too. They are not part of what is asked: a model that serves has none.",
            title="Gradients are counted."),
        Misconception(
            "state_dict", **_both(lambda m: _storages(m.state_dict().values())),
            message="A state dict holds what is written to the file. A buffer that is not persistent is in memory and not in the file.",
            title="The file is not the memory."),
        Misconception(
            "not_nested", **_both(lambda m: _storages(_own(m))),
            message="Only the tensors that belong to the outermost module itself, or to its direct children, are counted. Children have "
                    "children.",
            title="The inner modules are missing."),
        Misconception(
            "loose_tensors", **_both(_everything_inside),
            message="You also count tensors in plain attributes and lists. Asked are parameters and buffers: what `m.to(device)` moves.",
            title="Not every tensor is a parameter or buffer."),
        Misconception(
            "first_device", _answer(lambda m: _storages(_tensors(m)), _first_device),
            "You look at the first tensor's device and take it for all. A module on two devices has to be refused.",
            "The first tensor speaks for itself.",
            also=(_answer(lambda m: _storages(_tensors(m)), lambda m: str(next(iter(_tensors(m))).device)),)),
        Misconception(
            "parameters_device", _answer(lambda m: _storages(_tensors(m)), lambda m: _one_device(m, lambda m: m.parameters())),
            "You look at the devices of the parameters alone. Buffers can be left behind on another device, and the first forward pass fails "
            "then. A module of buffers alone has a device too.",
            "Buffers have a device too."),
    ],
    alternatives=[_by_identity, _walks_modules, _recursive],
    hints=(
        "`m.parameters()` and `m.buffers()` go through all children. Together they are what the module holds.",
        "Every tensor has an `untyped_storage()`, and a storage has `nbytes()`. Two tensors that share memory share the storage.",
        "Put the storages into a set, so that each counts once. Tensors that share memory give one and the same storage object, also on "
        "the meta device.",
    ),
    worth_knowing="With `torch.load(mmap=True)` these bytes are pages of the file: the system may drop and read them again as it likes.",
)

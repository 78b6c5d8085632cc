"""Exercise 28.plan_instances: how many copies of a model run, and where."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from utils.serving.triton import instances

from ...compare import brief
from ...exercise import Case, Exercise, Misconception

KINDS = instances.KINDS
Placed = tuple[str, int | None]


def _error(text: str) -> None:
    raise ValueError(text)


def _answer(*, default_gpus: Callable[[int], list[int]] = lambda n: list(range(n)), no_group: Callable[[int], dict] = lambda n: {},
            places: Callable[[list[int], int, bool], list[int]] = lambda gpus, count, given: [gpu for gpu in gpus for _ in range(count)], off_gpu: Callable[[int], int] = lambda count: count,
            two_on_cpu: Callable[[str, str], bool] = lambda kind, backend: kind == "KIND_CPU" and backend in ("onnxruntime", "tensorflow"), default: int = 1,
            visible: Callable[[int, int], bool] = lambda gpu, n: 0 <= gpu < n, as_gpus: Callable[[list, int], list] = lambda gpus, n: gpus,
            auto: Callable[[list, int], str] = lambda gpus, n: "KIND_GPU" if n and all(0 <= g < n for g in gpus) else "KIND_CPU",
            auto_forgets: bool = False, check_kind: bool = True, check_gpus: bool = True, check_none: bool = True, check_cpu: bool = True,
            ordered: Callable[[list], list] = sorted, explicit_default: bool = True) -> Callable:
    """An answer from its rules; with its defaults it is right."""

    def answer(groups: list[dict], visible_gpus: int, backend: str) -> list[Placed]:
        found: list[Placed] = []
        for group in groups or [no_group(visible_gpus)]:
            kind, gpus = group.get("kind", "KIND_AUTO"), list(group.get("gpus", []))
            if check_kind and kind not in KINDS:
                _error("unknown kind")
            default_kind = kind
            if kind == "KIND_AUTO":
                kind = auto(gpus, visible_gpus)
                if auto_forgets and kind == "KIND_CPU":
                    gpus = []
            count = group.get("count", 2 if two_on_cpu(kind if explicit_default else default_kind, backend) else default)
            if kind != "KIND_GPU":
                if gpus and check_cpu:
                    _error("gpus on a group without GPU")
                found += [("cpu" if kind == "KIND_CPU" else "model", None)] * off_gpu(count)
                continue
            if not visible_gpus and check_none:
                _error("no GPUs are available")
            gpus = as_gpus(gpus, visible_gpus) or default_gpus(visible_gpus)
            if check_gpus and not all(visible(gpu, visible_gpus) for gpu in gpus):
                _error("gpu id not visible")
            found += [("gpu", gpu) for gpu in places(gpus, count, "count" in group)]
        return ordered(found)

    return answer


def _one_per_gpu(groups: list[dict], visible_gpus: int, backend: str) -> list[Placed]:
    """One process per GPU, and one instance in each."""
    found = instances.plan_instances(groups, visible_gpus, backend)
    return sorted(set(found), key=found.index)


def _with_product(groups: list[dict], visible_gpus: int, backend: str) -> list[list]:
    """Devices times copies."""
    found = []
    for group in groups if groups else [{"kind": "KIND_AUTO"}]:
        listed, kind = group.get("gpus") or [], group.get("kind") or "KIND_AUTO"
        if kind not in ("KIND_AUTO", "KIND_CPU", "KIND_GPU", "KIND_MODEL"):
            raise ValueError(f"unknown kind {kind}")
        absent = [gpu for gpu in listed if gpu not in range(visible_gpus)]
        if kind == "KIND_AUTO":
            kind = "KIND_CPU" if visible_gpus == 0 or absent else "KIND_GPU"
        if kind == "KIND_GPU":
            if absent or visible_gpus == 0:
                raise ValueError(f"invalid gpu id {absent}")
            devices = [["gpu", gpu] for gpu in listed or range(visible_gpus)]
        elif listed:
            raise ValueError("gpus are given, but not used")
        else:
            devices = [["cpu" if kind == "KIND_CPU" else "model", None]]
        copies = group.get("count") or (1 + (kind == "KIND_CPU" and backend in {"tensorflow", "onnxruntime"}))
        found += [device for device, _ in itertools.product(devices, range(copies))]
    return sorted(found, key=lambda pair: (pair[0], -1 if pair[1] is None else pair[1]))


def _counted(groups: list[dict], visible_gpus: int, backend: str) -> list[Placed]:
    """Counts for each place first, expanded at the end."""
    places: dict[Placed, int] = {}
    for group in groups or ({},):
        kind = group.get("kind", "KIND_AUTO")
        gpus = tuple(group.get("gpus", ()))
        if kind not in instances.KINDS:
            raise ValueError("kind")
        inside = set(gpus) <= set(range(visible_gpus))
        on_gpu = kind == "KIND_GPU" or (kind == "KIND_AUTO" and visible_gpus > 0 and inside)
        if on_gpu and not (visible_gpus and inside):
            raise ValueError("gpu id")
        if gpus and not on_gpu:
            raise ValueError("gpus without KIND_GPU")
        if on_gpu:
            targets: list[Placed] = [("gpu", g) for g in gpus or range(visible_gpus)]
        else:
            targets = [("model" if kind == "KIND_MODEL" else "cpu", None)]
        many = backend in ("onnxruntime", "tensorflow") and targets == [("cpu", None)]
        for target in targets:
            places[target] = places.get(target, 0) + group.get("count", 2 if many else 1)
    return [place for place in sorted(places) for _ in range(places[place])]


def _case(groups: list[dict], visible_gpus: int, backend: str) -> Case:
    """A case, marked as an error where the reference refuses it."""
    try:
        instances.plan_instances(groups, visible_gpus, backend)
    except ValueError:
        return Case(groups, visible_gpus, backend, error="ValueError")
    return Case(groups, visible_gpus, backend)


def _draw(rng: np.random.Generator) -> Case:
    visible = int(rng.integers(0, 5))
    groups = []
    for _ in range(int(rng.integers(0, 4))):
        group: dict = {}
        if rng.random() < 0.8:
            group["kind"] = str(rng.choice(KINDS, p=[0.25, 0.4, 0.2, 0.15]))
        if rng.random() < 0.6:
            group["count"] = int(rng.integers(1, 5))
        on_gpu = group.get("kind", "KIND_AUTO") in ("KIND_AUTO", "KIND_GPU")
        if rng.random() < (0.6 if on_gpu else 0.06):
            group["gpus"] = sorted(int(g) for g in rng.choice(5, int(rng.integers(1, 4)), replace=False) if g < visible or rng.random() < 0.15)
        groups.append({key: group[key] for key in rng.permutation(list(group)).tolist()})
    return _case(groups, visible, str(rng.choice(["onnxruntime", "tensorrt", "python", "tensorflow", "pytorch"])))


_GPU3 = [{"kind": "KIND_GPU", "count": 1, "gpus": [0]}, {"kind": "KIND_GPU", "count": 2, "gpus": [1, 2]}]

plan_instances = Exercise(
    id="28.plan_instances", points=4, difficulty=2, minutes=15, idea="count is per GPU; GPU numbers are those that the container sees",
    reference=instances.plan_instances,
    cases=[Case(_GPU3, 3, "tensorrt"), Case([], 0, "onnxruntime"), Case([{"kind": "KIND_GPU", "count": 2}], 2, "onnxruntime")],
    hidden=[
        Case([], 2, "onnxruntime"), Case([], 0, "python"), Case([], 0, "tensorflow"), Case([], 1, "tensorflow"), Case([{}], 3, "pytorch"), Case([{"kind": "KIND_CPU"}], 2, "onnxruntime"),
        Case([{"kind": "KIND_CPU"}], 0, "pytorch"), Case([{"kind": "KIND_CPU", "count": 1}], 0, "onnxruntime"), Case([{"kind": "KIND_CPU", "count": 3}], 0, "python"),
        Case([{"count": 3}], 0, "onnxruntime"), Case([{"count": 3}], 2, "python"), Case([{"gpus": [1]}], 2, "tensorrt"), Case([{"kind": "KIND_AUTO", "gpus": [0]}], 1, "onnxruntime"),
        Case([{"kind": "KIND_GPU", "gpus": [1]}], 2, "tensorrt"), Case([{"kind": "KIND_GPU"}], 3, "tensorflow"), Case([{"kind": "KIND_MODEL"}], 2, "onnxruntime"),
        Case([{"kind": "KIND_MODEL", "count": 2}], 0, "pytorch"), Case([{"kind": "KIND_GPU", "gpus": [2, 0]}, {"kind": "KIND_CPU"}], 3, "onnxruntime"),
        Case([{"kind": "KIND_MODEL"}, {"kind": "KIND_GPU", "gpus": [0]}, {"kind": "KIND_CPU", "count": 1}], 1, "python"), Case([{"kind": "KIND_GPU", "gpus": [0]}, {"kind": "KIND_GPU", "gpus": [0], "count": 2}], 1, "python"),
        Case([{"kind": "KIND_GPU", "count": 5, "gpus": [0, 1]}], 2, "python"), Case([{"kind": "KIND_GPU", "gpus": []}], 2, "python"), Case([{"kind": "KIND_CPU", "gpus": []}], 2, "python"),
    ],
    draw=_draw, draws=60, pure=True, show=lambda value: brief(value, 400),  # long enough to paste a case
    raises=[
        Case([{"kind": "KIND_NPU"}], 2, "python"), Case([{"kind": "cpu"}], 0, "python"), Case([{"kind": "KIND_GPU", "gpus": [1]}], 1, "tensorrt", word="gpu id"),
        Case([{"kind": "KIND_GPU", "gpus": [0, 3]}], 3, "tensorrt", word="gpu id"), Case([{"kind": "KIND_GPU"}], 0, "tensorrt"), Case([{"kind": "KIND_CPU", "gpus": [0]}], 1, "python"),
        Case([{"kind": "KIND_MODEL", "gpus": [0]}], 1, "python"), Case([{"gpus": [0]}], 0, "onnxruntime"), Case([{"kind": "KIND_AUTO", "gpus": [0, 2]}], 2, "onnxruntime"),
        Case([{"kind": "KIND_CPU"}, {"kind": "KIND_GPU"}], 0, "python"), Case([{"kind": "KIND_GPU", "gpus": [-1]}], 2, "tensorrt", word="gpu id"),
    ],
    misconceptions=[
        Misconception(
            "count_is_total", _answer(places=lambda gpus, count, given: [gpus[i % len(gpus)] for i in range(count)]),
            "You take `count` for the number of instances in all: you spread them over the group's GPUs, or use so many of its GPUs. It is the number of instances on *each* of them: two GPUs and `count: 2` make four.",
            "count is per GPU.", also=(_answer(places=lambda gpus, count, given: gpus[:count]), _answer(places=lambda gpus, count, given: gpus[:count], off_gpu=lambda count: 1),
                                       _answer(places=lambda gpus, count, given: gpus[:count] if given else gpus), _answer(places=lambda gpus, count, given: [gpus[0]] * count))),
        Misconception(
            "one_per_gpu", _one_per_gpu,
            "You plan one instance for each GPU, as if the server were one process per GPU. Triton is one process, and a GPU may hold several instances of a model.",
            "A GPU may hold several."),
        Misconception(
            "gpus_is_a_number", _answer(as_gpus=lambda gpus, n: list(range(gpus[0])) if gpus and 0 < gpus[0] <= n else gpus),
            "You read `gpus: [1]` as \"one GPU\". It is a list of indices: [1] is the second visible GPU.",
            "gpus holds indices.", also=(_answer(as_gpus=lambda gpus, n: list(range(len(gpus)))),)),
        Misconception(
            "host_numbers", _answer(visible=lambda gpu, n: gpu >= 0, auto=lambda gpus, n: "KIND_GPU" if n else "KIND_CPU"),
            "You accept a GPU number beyond the visible ones, as on the host. Inside the container visible GPUs are numbered anew, from 0.",
            "GPUs are renumbered from 0.", also=(_answer(visible=lambda gpu, n: 1 <= gpu <= n, auto=lambda gpus, n: "KIND_GPU" if n and all(1 <= g <= n for g in gpus) else "KIND_CPU"),
                                                 _answer(check_gpus=False))),
        Misconception(
            "no_group_is_cpu", _answer(no_group=lambda n: {"kind": "KIND_CPU"}),
            "Without a group your model runs on the CPU. The default is KIND_AUTO: one instance on each visible GPU, if there is one.",
            "The default group is KIND_AUTO.", also=(_answer(auto=lambda gpus, n: "KIND_CPU" if not gpus or not n or any(g >= n for g in gpus) else "KIND_GPU"),)),
        Misconception(
            "no_group_is_nothing", lambda groups, visible_gpus, backend: _answer()(groups, visible_gpus, backend) if groups else [],
            "Without a group you plan nothing. A model without `instance_group` gets one group of KIND_AUTO.",
            "No group is one group."),
        Misconception(
            "one_gpu_by_default", _answer(default_gpus=lambda n: [0]),
            "A group without `gpus` runs on GPU 0 in your answer. It runs on all visible GPUs, `count` times on each.",
            "Without gpus, all of them.", also=(_answer(default_gpus=lambda n: [n - 1]),)),
        Misconception(
            "one_on_cpu", _answer(two_on_cpu=lambda kind, backend: False),
            "You take 1 for a missing `count` everywhere. On the CPU the backends onnxruntime and tensorflow get 2.",
            "The default differs on the CPU."),
        Misconception(
            "two_for_every_backend", _answer(two_on_cpu=lambda kind, backend: kind == "KIND_CPU"),
            "You give every backend two instances on the CPU. Only onnxruntime and tensorflow ask for that.",
            "Not every backend gets two.", also=(_answer(two_on_cpu=lambda kind, backend: kind == "KIND_CPU" and backend == "onnxruntime"),)),
        Misconception(
            "two_on_gpu", _answer(two_on_cpu=lambda kind, backend: backend in ("onnxruntime", "tensorflow")),
            "You give onnxruntime two instances on GPUs as well. The 2 belongs to KIND_CPU alone.",
            "Two only on the CPU.", also=(_answer(two_on_cpu=lambda kind, backend: kind in ("KIND_CPU", "KIND_MODEL") and backend in ("onnxruntime", "tensorflow")),)),
        Misconception(
            "default_before_auto", _answer(explicit_default=False),
            "You choose the default of `count` before KIND_AUTO is decided. An automatic group that ends on the CPU has the CPU's default.",
            "Decide AUTO first.", also=(_answer(explicit_default=False, two_on_cpu=lambda kind, backend: kind in ("KIND_CPU", "KIND_AUTO") and backend in ("onnxruntime", "tensorflow")),)),
        Misconception(
            "auto_forgets", _answer(auto_forgets=True),
            "An automatic group that falls back to the CPU forgets its `gpus` in your answer. The real server keeps them, and then refuses a CPU group with GPUs.",
            "AUTO keeps its gpus."),
        Misconception(
            "unsorted", _answer(ordered=list),
            "You return the instances in the order of the groups. The list is asked sorted.",
            "The list is sorted."),
        Misconception(
            "no_errors", _answer(check_kind=False, check_gpus=False, check_none=False, check_cpu=False),
            "Some groups are refused: an unknown kind, a GPU that is not visible, KIND_GPU without any GPU, and `gpus` on a group that runs elsewhere.",
            "Some groups are refused.", also=(_answer(check_kind=False), _answer(check_none=False), _answer(check_cpu=False), _answer(check_none=False, check_cpu=False))),
    ],
    alternatives=[_with_product, _counted, _answer()],
    hints=(
        "Decide three things for each group, in this order: its kind, its GPUs, its count.",
        "`range(visible_gpus)` holds the numbers of the GPUs that can be seen. Is every listed one in it?",
        "Build a list of places with one entry an instance, and sort it at the end: `[(\"gpu\", 1)] * 2`.",
    ),
    worth_knowing="`docker run --gpus '\"device=1\"'` shows the container one GPU, and its number in there is 0: `gpus: [1]` then fails to load.",
)

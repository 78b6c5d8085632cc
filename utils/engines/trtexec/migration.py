"""Carrying a trtexec command line over to a newer release without silently changing what it measures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from utils.engines.trtexec.flags import NO_OP_FLAGS_11, PRECISION_FLAGS, REPEATABLE, known_flags
from utils.engines.trtexec.parser import command_arguments
from utils.engines.trtexec.shapes import split_argument, split_list
from utils.engines.trtexec.values import preview_features, tactic_sources

RENAMED = {"buildOnly": "skipInference", "streams": "infStreams", "plugins": "staticPlugins"}
DROPPED = {
    "explicitBatch": "every model has an explicit batch",
    "explicitPrecision": "it had no effect",
    "minTiming": "--avgTiming is what is left",
}
FOREIGN = {"deploy", "model", "uff", "output"}
# measured by default in 10, switched off in 11: (what restores it, the old flag that asked for its absence)
RESTORED = [
    ("includeDataTransfers", "noDataTransfers"),
    ("noCudaGraph", "useCudaGraph"),
    ("noSpinWait", "useSpinWait"),
]
SHAPE_FLAGS = {"minShapes", "optShapes", "maxShapes"}


@dataclass(frozen=True)
class Migration:
    """A command line for a newer release, what was changed, what to do before it, and what stands in the way."""

    argv: list[str]
    notes: list[str] = field(default_factory=list)
    pre_steps: list[str] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)


def _name(arg: str) -> str:
    return split_argument(arg)[0].removeprefix("--") if arg.startswith("--") else ""


def _rewrite(arg: str, batch_shapes: Callable[[str], list[str]]) -> tuple[list[str], str]:
    """The arguments that stand for `arg` from 10 on, and a note ("" when nothing changed)."""
    name, value = _name(arg), split_argument(arg)[1]
    if name in DROPPED:
        return [], f"--{name} dropped: {DROPPED[name]}"
    if name in RENAMED:
        return [f"--{RENAMED[name]}" + ("=" + value if "=" in arg else "")], f"--{name} is --{RENAMED[name]} now"
    if name == "workspace":
        mib = re.match(r"[0-9.]+", value)
        return [f"--memPoolSize=workspace:{mib[0] if mib else value}M"], "--workspace (MiB) is a memory pool now"
    if name == "nvtxMode":
        verbosity = {"verbose": "detailed"}.get(value, value)
        return [f"--profilingVerbosity={verbosity}"], "--nvtxMode is --profilingVerbosity now"
    if name == "heuristic":
        return ["--builderOptimizationLevel=2"], "--heuristic is an optimization level of 2 or less now"
    if name == "batch":
        return batch_shapes(value), "--batch is the first number of --shapes now"
    return [arg], ""


def _collapse(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Keep the first occurrence of every option that must not be repeated; a note for each that goes."""
    profiles = any(_name(arg) == "profile" for arg in argv)
    free = REPEATABLE | (SHAPE_FLAGS | {"profile"} if profiles else set())
    kept, notes, seen = [], [], set()
    for arg in argv:
        name = _name(arg)
        if name and name in seen and name not in free:
            notes.append(f"{arg} dropped: the option was there already")
        else:
            kept.append(arg)
        seen.add(name)
    return kept, notes


def migrate_trtexec(
    argv: list[str], target: int, input_name: str = "input", input_dims: tuple = ()
) -> tuple[list[str], list[str]]:
    """(arguments, notes) of a command line for TensorRT 10 or 11 that measures what the old one measured.

    Surviving arguments keep their place, additions go last. `input_name` and `input_dims` (without the
    batch) are used for --batch. Raises ValueError for another target, and "convert to ONNX" for the
    options of Caffe and UFF models.

    >>> migrate_trtexec(["--onnx=m", "--explicitBatch", "--workspace=1024", "--best"], 10)[0]
    ['--onnx=m', '--memPoolSize=workspace:1024M', '--best']
    """
    if target not in (10, 11):
        raise ValueError(f"target must be 10 or 11, got {target}")
    present = {_name(arg) for arg in argv}
    if present & FOREIGN:
        raise ValueError(f"argv must describe an ONNX model, got --{sorted(present & FOREIGN)[0]}: convert to ONNX")

    def batch_shapes(batch: str) -> list[str]:
        shape = "x".join(str(d) for d in (batch, *input_dims))
        return [] if "shapes" in present else [f"--shapes={input_name}:{shape}"]

    kept, notes = [], []
    for arg in argv:
        arguments, note = _rewrite(arg, batch_shapes)
        kept += arguments
        notes += [note] if note else []
    kept, dropped = _collapse(kept)
    notes += dropped
    if target == 11:
        kept, more = _drop_for_11(kept)
        kept += [f"--{new}" for new, old in RESTORED if old not in present and new not in present]
        notes += more
    return kept, notes


def _drop_for_11(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    gone = PRECISION_FLAGS | NO_OP_FLAGS_11
    notes = []
    for name in (_name(arg) for arg in argv):
        if name in PRECISION_FLAGS:
            notes.append(f"--{name} dropped: the precision must be in the ONNX model now, or the engine is FP32")
        elif name in NO_OP_FLAGS_11:
            notes.append(f"--{name} dropped: it is the default now")
    return [arg for arg in argv if _name(arg) not in gone], notes


def migrate(
    argv: Sequence[str] | str,
    target: str,
    inputs: Mapping[str, Sequence[int]] | None = None,
    keep_measurement: bool = False,
) -> Migration:
    """Carry a command line over to release "10.16" or "11.1".

    `inputs` maps each input tensor to its dimensions without the batch and is needed for --batch.
    With `keep_measurement` the defaults that 11 changed are restored. Without blockers the result is
    accepted by the target's parser. Raises ValueError for another target.
    """
    if target not in ("10.16", "11.1"):
        raise ValueError(f"target must be 10.16 or 11.1, got {target!r}")
    arguments = command_arguments(argv)
    present = {_name(arg) for arg in arguments}
    blockers = [f"--{name}: convert to ONNX first" for name in sorted(present & FOREIGN)]

    def batch_shapes(batch: str) -> list[str]:
        if "shapes" in present:
            return []
        if not inputs:
            blockers.append(f"--batch={batch}: name the inputs and their dimensions to get --shapes")
            return []
        return ["--shapes=" + ",".join(f"{name}:{'x'.join(map(str, (batch, *dims)))}" for name, dims in inputs.items())]

    kept, notes = [], []
    for arg in arguments:
        rewritten, note = _rewrite(arg, batch_shapes)
        notes += [note] if note else []
        for new in rewritten:
            adapted, note = _adapt(new, target)
            kept += adapted
            notes += [note] if note and (new == arg or adapted != [new]) else []  # none about what was just written
    kept, dropped = _collapse(kept)
    notes += dropped
    pre_steps = _pre_steps(present, target)
    if target == "11.1":
        kept, more = _drop_for_11(kept)
        notes += more
        restored = [f"--{new}" for new, old in RESTORED if old not in present and new not in present]
        if keep_measurement:
            kept += restored
        elif restored and "skipInference" not in {_name(arg) for arg in kept}:
            notes.append(f"the defaults changed: add {' '.join(restored)} to measure what 10.x measured")
    known = known_flags(target)
    for arg in kept:
        if split_argument(arg)[0] not in known and _name(arg) not in FOREIGN:
            blockers.append(f"{arg}: unknown to {target} and without a replacement")
    kept = [arg for arg in kept if split_argument(arg)[0] in known]
    return Migration(kept, notes, pre_steps, blockers)


def _adapt(arg: str, target: str) -> tuple[list[str], str]:
    """Values that the target no longer reads, or reads differently; and options that only it lacks."""
    name, value = _name(arg), split_argument(arg)[1]
    if name in ("preview", "tacticSources"):
        words = preview_features(target) if name == "preview" else tactic_sources(target)
        items = split_list(value, ",")
        kept = [item for item in items if item[1:] in words or item[1:].upper() in words]
        gone = [item[1:] for item in items if item not in kept]
        return [f"--{name}={','.join(kept)}"] if kept else [], f"{', '.join(gone)} is gone" if gone else ""
    if name in ("inputIOFormats", "outputIOFormats") and target == "11.1" and ":" in value:
        formats = ",".join(item.rpartition(":")[2] for item in split_list(value, ","))
        return [f"--{name}={formats}"], f"--{name} without types: tensors keep the types of the model"
    if name == "memPoolSize" and re.search(r":[\d.]+[A-Za-z]", value):
        return [arg], f"{arg}: 8.6 ignored the letter and read MiB, now it is a unit"
    if name == "weightless":
        return ["--stripWeights"], "--weightless is --stripWeights now"
    if name == "restricted" and target == "11.1":
        return [], "--restricted dropped: it is gone"
    return [arg], ""


def _pre_steps(present: set[str], target: str) -> list[str]:
    steps = []
    if "loadEngine" in present:
        steps.append("rebuild the engine: a plan is tied to the release that built it")
    if target == "11.1" and present & {"fp16", "bf16", "best"}:
        steps.append("convert the ONNX model to mixed precision (ModelOpt AutoCast) and give its path to --onnx")
    if target == "11.1" and present & {"int8", "fp8", "int4", "calib", "best"}:
        steps.append("quantize the ONNX model (Q/DQ nodes, ModelOpt) and give its path to --onnx")
    return steps

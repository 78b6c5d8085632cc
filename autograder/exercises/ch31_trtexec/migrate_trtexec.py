"""Exercise 31.migrate_trtexec: an old command line carried over to TensorRT 10 or 11."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.engines import trtexec
from utils.engines.trtexec.flags import PRECISION_FLAGS

from ...compare import brief, exact, prop
from ...exercise import Case, Exercise, Misconception

_RENAMES = {"buildOnly": "skipInference", "streams": "infStreams", "plugins": "staticPlugins"}
_NOOPS = {"noDataTransfers", "useSpinWait", "useCudaGraph", "separateProfileRun"}
_RESTORES = (("includeDataTransfers", "noDataTransfers"), ("noCudaGraph", "useCudaGraph"), ("noSpinWait", "useSpinWait"))


def _flag(arg: str) -> str:
    return arg[2:].split("=", 1)[0] if arg.startswith("--") else ""


def _migrated(argv: list[str], target: int, input_name: str = "input", input_dims: tuple = (), *,
              workspace: Callable[[str], str] = lambda n: f"{n}M", quiet: bool = False, additions: str = "right",
              batch: str = "shapes", collapse: str = "after", repeatable: bool = True, precision_from: int = 11,
              keep_noops: bool = False, again: bool = False) -> tuple[list[str], list[str]]:
    """A parametrised migration; with its defaults it is right (an independent formulation)."""
    if target not in (10, 11):
        raise ValueError("target is 10 or 11")
    had = [_flag(arg) for arg in argv]
    if {"deploy", "model", "uff", "output"} & set(had):
        raise ValueError("this model has another format: convert to ONNX")
    free = {"staticPlugins", "dynamicPlugins", "setPluginsToSerialize"} if repeatable else set()
    if "profile" in had and repeatable:
        free |= {"profile", "minShapes", "optShapes", "maxShapes"}
    out, notes, seen = [], [], set()
    for arg in argv:
        name, (_, equals, value) = _flag(arg), arg.partition("=")
        new = [arg]
        if name in ("explicitBatch", "explicitPrecision", "minTiming"):
            new = []
        elif name == "workspace":
            new = [f"--memPoolSize=workspace:{workspace(value)}"]
        elif name in _RENAMES:
            new = [f"--{_RENAMES[name]}{equals}{value}"]
        elif name == "nvtxMode":
            new = [f"--profilingVerbosity={'detailed' if value == 'verbose' else value}"]
        elif name == "heuristic":
            new = ["--builderOptimizationLevel=2"]
        elif name == "batch" and batch != "lost":
            spec = f"{input_name}:{'x'.join(map(str, (value, *input_dims)))}"
            flags = {"shapes": ["shapes"], "opt": ["optShapes"], "all": ["minShapes", "optShapes", "maxShapes"]}[batch]
            new = [] if "shapes" in had else [f"--{flag}={spec}" for flag in flags]
        elif name == "batch":
            new = []
        if target >= precision_from and name in PRECISION_FLAGS:
            notes += [] if quiet else [f"{name}: set the precision in the model"]
            new = []
        if target == 11 and name in _NOOPS and not keep_noops:
            new = []
        for made in new:
            key = name if collapse == "before" else _flag(made)
            if collapse == "never" or not key or key in free or key not in seen:
                out.append(made)
            elif collapse == "last":
                out = [a for a in out if _flag(a) != key] + [made]
            seen.add(key)
    if target == 11:
        for new_flag, old in _RESTORES:
            wanted = {"right": old not in had, "none": False, "always": True, "flipped": old in had}[additions]
            if wanted and (again or new_flag not in had):
                out.append(f"--{new_flag}")
    return out, notes


def _migrate_in_passes(argv: list[str], target: int, input_name: str = "input", input_dims: tuple = ()) -> tuple:
    """One pass a rule, over (name, argument) pairs."""
    if target != 10 and target != 11:
        raise ValueError(target)
    before = [a.partition("=")[0] for a in argv]
    for foreign in ("--deploy", "--model", "--uff", "--output"):
        if foreign in before:
            raise ValueError(f"{foreign}: convert to ONNX first")
    args = [a for a in argv if a.partition("=")[0] not in ("--explicitBatch", "--explicitPrecision", "--minTiming")]
    for pattern, new in ((r"--workspace=(.*)", r"--memPoolSize=workspace:\1M"), (r"--buildOnly(=.*)?", r"--skipInference\1"),
                         (r"--streams(=.*)?", r"--infStreams\1"), (r"--plugins(=.*)?", r"--staticPlugins\1"),
                         (r"--nvtxMode=verbose", "--profilingVerbosity=detailed"), (r"--nvtxMode=(.*)", r"--profilingVerbosity=\1"),
                         (r"--heuristic", "--builderOptimizationLevel=2")):
        args = [re.sub(f"^{pattern}$", new, a) for a in args]
    dims = "".join(f"x{d}" for d in input_dims)
    if "--shapes" in before:
        args = [a for a in args if not a.startswith("--batch=")]
    args = [f"--shapes={input_name}:{a[8:]}{dims}" if a.startswith("--batch=") else a for a in args]
    many = ["--staticPlugins", "--dynamicPlugins", "--setPluginsToSerialize"]
    if "--profile" in before:
        many += ["--profile", "--minShapes", "--optShapes", "--maxShapes"]
    names = [a.partition("=")[0] for a in args]
    args = [a for i, a in enumerate(args) if not a.startswith("--") or names[i] in many or names.index(names[i]) == i]
    notes = []
    if target == 11:
        gone = [a for a in args if a.partition("=")[0][2:] in PRECISION_FLAGS and a.startswith("--")]
        if gone:
            notes.append(f"Precision lives in the ONNX model now; dropped {' '.join(gone)}.")
        off = ("--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun")
        args = [a for a in args if a not in gone and a.partition("=")[0] not in off]
        for extra, opposite in zip(("--includeDataTransfers", "--noCudaGraph", "--noSpinWait"), (off[0], off[2], off[1])):
            if opposite not in before and extra not in args:
                args.append(extra)
    return args, notes


def _tells_precision(case: Case, expected: Any, got: Any) -> str | None:
    """The arguments agree; where a precision flag had to go, a note says so."""
    if not isinstance(got, (list, tuple)) or len(got) != 2:
        return "expected a tuple of two lists: arguments and notes"
    found = exact()(expected[0], got[0], case)
    if found:
        return f"arguments: {found}"
    if not isinstance(got[1], (list, tuple)) or not all(isinstance(note, str) for note in got[1]):
        return "the notes must be a list of strings"
    dropped = [a for a in case.args[0] if _flag(a) in PRECISION_FLAGS] if case.args[1] == 11 else []
    if dropped and not _mentions(got[1]):
        return f"{dropped[0]} was dropped and no note contains “precision”"
    return None


def _mentions(notes: Sequence[str]) -> bool:
    return any("precision" in note.lower() for note in notes)


def _alike(expected: Any, got: Any, case: Case) -> str | None:
    """Whether two answers agree, their notes as far as they are asked about."""
    try:
        same = exact()(expected[0], got[0], case)
        if not all(isinstance(note, str) for note in (*expected[1], *got[1])) or isinstance(got[1], str):
            return "notes"
        matters = case.args[1] == 11 and any(_flag(a) in PRECISION_FLAGS for a in case.args[0])
        return same or ("notes" if matters and _mentions(expected[1]) != _mentions(got[1]) else None)
    except Exception:
        return "differs"


_PIECES = ("--explicitBatch", "--explicitPrecision", "--minTiming=1", "--workspace=1024", "--workspace=64", "--buildOnly",
           "--skipInference", "--streams=2", "--infStreams=4", "--plugins=a.so", "--plugins=b.so", "--staticPlugins=c.so",
           "--dynamicPlugins=d.so", "--dynamicPlugins=e.so", "--nvtxMode=verbose", "--nvtxMode=none", "--heuristic",
           "--builderOptimizationLevel=3", "--batch=4", "--shapes=x:2x3", "--best", "--fp16", "--int8", "--calib=c.cache",
           "--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun", "--verbose", "--avgRuns=5",
           "--layerPrecisions=l:fp16", "--maxShapes=x:8x3", "--minShapes=x:1x3", "--minShapes=x:2x3", "--saveEngine=e", "--noCudaGraph", "--noTF32", "m.onnx", "m.onnx")
_PROFILES = ("--profile=0", "--minShapes=x:1x3", "--optShapes=x:2x3", "--maxShapes=x:4x3", "--profile=1", "--minShapes=x:5x3",
             "--maxShapes=x:8x3")


def _draw_migrate(rng: np.random.Generator) -> Case:
    argv = ["--onnx=m", *(str(p) for p in rng.choice(_PIECES, int(rng.integers(0, 9))))]
    argv += _PROFILES if rng.random() < 0.2 else ()
    dims = tuple(int(d) for d in rng.integers(1, 9, int(rng.integers(0, 4))))
    return Case(argv, int(rng.choice([10, 11])), str(rng.choice(["input", "x", "images:0"])), dims)


def _show_migration(value: Any) -> str:
    """A list of arguments as one line; with notes, how many of them speak of precision."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], list):
        noted = sum("precision" in note.lower() for note in value[1])
        return " ".join(value[0]) + (f"   ({noted} note{'s' * (noted != 1)} on precision)" if noted else "")
    return " ".join(value) if value and isinstance(value, list) else brief(value)


_OLD_COMMAND = ["--onnx=m", "--explicitBatch", "--workspace=1024", "--best"]

migrate_trtexec = Exercise(
    id="31.migrate_trtexec", points=6, difficulty=3, minutes=35, idea="the same flags can measure something else",
    reference=trtexec.migrate_trtexec,
    cases=[
        Case(_OLD_COMMAND, 10),
        Case(_OLD_COMMAND, 11),
        Case(["--loadEngine=e", "--batch=8", "--streams=2"], 10, "data", (3, 224, 224)),
        Case(["--onnx=m", "--useCudaGraph"], 11),
    ],
    hidden=[
        Case(["--onnx=m", "--buildOnly", "--nvtxMode=verbose", "--heuristic", "--minTiming=2"], 10),
        Case(["--onnx=m", "--nvtxMode=none", "--explicitPrecision"], 10),
        Case(["--onnx=m", "--best", "--workspace=1024", "--best"], 10),
        Case(["--onnx=m", "--streams=2", "--infStreams=4"], 10),
        Case(["--onnx=m", "--plugins=a.so", "--plugins=b.so", "--staticPlugins=c.so"], 10),
        Case(["--onnx=m", "--dynamicPlugins=a.so", "--setPluginsToSerialize=a", "--dynamicPlugins=a.so",
              "--setPluginsToSerialize=b"], 11),
        Case(["--onnx=m", "--profile=0", "--minShapes=x:1", "--maxShapes=x:4", "--profile=1", "--minShapes=x:5",
              "--optShapes=x:6", "--maxShapes=x:8", "--optShapes=x:7"], 10),
        Case(["--onnx=m", "--plugins=a.so", *_PROFILES, "--staticPlugins=b.so", "--fp16", "--fp16"], 10),
        Case(["--onnx=m", "--minShapes=x:1", "--maxShapes=x:4", "--minShapes=x:5", "--optShapes=x:2", "--optShapes=x:3"], 10),
        Case(["--onnx=m", "--batch=4"], 10),
        Case(["--onnx=m", "--batch=4", "--shapes=x:2x3"], 10, "x", (3,)),
        Case(["--shapes=x:2x3", "--onnx=m", "--batch=4"], 11, "x", (3,)),
        Case(["--batch=2", "--onnx=m", "--batch=4"], 10, "x", (3,)),
        Case(["--onnx=m", "--noDataTransfers", "--useSpinWait"], 11),
        Case(["--onnx=m", "--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun"], 11),
        Case(["--onnx=m", "--noDataTransfers", "--useSpinWait", "--useCudaGraph", "--separateProfileRun"], 10),
        Case(["--noCudaGraph", "--onnx=m", "--includeDataTransfers"], 11),
        Case(["--noSpinWait", "--onnx=m"], 11),
        *(Case(["--onnx=m", f"--{flag}"], 11) for flag in ("fp16", "bf16", "fp8", "int8", "int4")),
        Case(["--onnx=m", "--int8", "--calib=c", "--calibProfile=0", "--layerPrecisions=l:fp16", "--layerOutputTypes=l:fp16",
              "--precisionConstraints=obey", "--minShapesCalib=x:1", "--optShapesCalib=x:1", "--maxShapesCalib=x:1",
              "--verbose"], 11),
        Case(["--onnx=m", "--fp16", "--layerPrecisions=l:fp16", "--calib=c"], 10),
        Case(["--onnx=dir/a=b.onnx", "--exportTimes=t.json", "--percentile=99", "--noTF32"], 10),
        Case(["--onnx", "m.onnx", "m.onnx"], 10),
        Case([], 10), Case([], 11),
    ],
    draw=_draw_migrate, draws=80, time_limit_s=2,
    raises=[Case(["--deploy=p.prototxt", "--output=prob"], 10, word="convert to ONNX"),
            Case(["--onnx=m", "--output=prob"], 11, word="convert to ONNX"),
            Case(["--uff=u"], 11, word="convert to ONNX"), Case(["--model=c", "--batch=1"], 10, word="convert to ONNX"),
            Case(["--onnx=m"], 9), Case(["--onnx=m"], 12)],
    compare=prop(_tells_precision, same=_alike), show=_show_migration,
    misconceptions=[
        Misconception(
            "workspace_in_kib", lambda *a: _migrated(*a, workspace=lambda n: f"{n}K"),
            "`--workspace` counted MiB. A pool of 1024 KiB is a thousand times smaller, and the builder skips every kernel "
            "that needs more: the engine gets slower and nothing fails.",
            "The workspace was in MiB.",
            also=(lambda *a: _migrated(*a, workspace=lambda n: f"{n}B"),
                  lambda *a: _migrated(*a, workspace=lambda n: f"{n}G"),
                  lambda *a: _migrated(*a, workspace=lambda n: str(int(n) * 2**20)))),
        Misconception(
            "silent_precision", lambda *a: _migrated(*a, quiet=True),
            "The arguments are right, but a precision flag went without a word. The engine would fall back to the types of "
            "the ONNX file, FP32 most often, and nobody would know why it is slow. Say so in a note.",
            "A precision flag went silently."),
        Misconception(
            "flipped_defaults", lambda *a: _migrated(*a, additions="flipped"),
            "`--useCudaGraph` is what 11 does by default, so it becomes nothing. `--noCudaGraph` is needed when it was "
            "absent, because 10 ran without graphs then. The same goes for the other two.",
            "The default changed sides."),
        Misconception(
            "always_restored", lambda *a: _migrated(*a, additions="always"),
            "The three additions restore what 10 did by default. Somebody who wrote `--noDataTransfers`, `--useCudaGraph` "
            "or `--useSpinWait` had asked for 11's way already; leave that one out.",
            "An addition where none is due."),
        Misconception(
            "measures_something_else", lambda *a: _migrated(*a, additions="none"),
            "The command runs on 11, but it measures something else: no transfers, with CUDA graphs and spin wait. What do "
            "you have to add so that the numbers stay comparable?",
            "11 would measure something else."),
        Misconception(
            "batch_to_opt_shapes", lambda *a: _migrated(*a, batch="opt"),
            "--optShapes belongs to the profile, it is read when an engine is built. `--batch` said what to run, and that "
            "is `--shapes`.",
            "--shapes sets what is run.",
            also=(lambda *a: _migrated(*a, batch="all"), lambda *a: _migrated(*a, batch="lost"))),
        Misconception(
            "duplicates_stay", lambda *a: _migrated(*a, collapse="never"),
            "A second occurrence of a flag is an unknown option in every release, also when it came in under an old name: "
            "`--streams=2 --infStreams=4` are two of one kind after the renaming.",
            "Duplicates are still there.", also=(lambda *a: _migrated(*a, collapse="before"),)),
        Misconception(
            "last_one_stays", lambda *a: _migrated(*a, collapse="last"),
            "Of several occurrences the first one stays, in its place. Yours keeps the last.",
            "The first occurrence stays."),
        Misconception(
            "plugins_collapsed", lambda *a: _migrated(*a, repeatable=False),
            "Some flags may come several times: plugin libraries, and the shapes behind each --profile. Dropping the second "
            "library leaves a layer without its plugin.",
            "A repeatable flag was dropped."),
        Misconception(
            "precision_dropped_in_10", lambda *a: _migrated(*a, precision_from=10),
            "TensorRT 10 still takes the precision flags (with a warning from 10.14 on). Only for 11 they have to go.",
            "10 still knows these flags."),
        Misconception(
            "no_ops_stay", lambda *a: _migrated(*a, keep_noops=True),
            "11 accepts `--useCudaGraph` and its like with a warning and ignores them. The rule here is to drop the four.",
            "Flags without effect are left."),
    ],
    alternatives=[_migrated, _migrate_in_passes],
    hints=(
        "First look at what was there (`present`), then rewrite argument by argument, then drop duplicates by the new name.",
        "For 11 decide the additions from the flags of the *old* command line: its `--useCudaGraph` is gone by then.",
        "Keep the note apart from the argument: whenever you drop a flag of PRECISION, append one sentence with that word.",
    ),
    worth_knowing="An engine file is tied to its release: after an upgrade it has to be built anew from the ONNX model.",
)

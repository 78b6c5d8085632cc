"""Exercise 36.spec_to_trtexec: the command that builds what a spec describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.engines import tensorrt_build
from utils.engines.trtexec import RELEASES, parse_command

from ...compare import brief, prop
from ...exercise import Case, Exercise, Misconception

FLAGS = ("--minShapes", "--optShapes", "--maxShapes")


def _written(spec: dict, release: str, *, shapes: str = "three", unit: str = "by release", pool: str = "--memPoolSize=workspace:",
             skip: str | None = "--skipInference", profile: str = "before", first: int = 0, always_numbered: bool = False,
             scalar: str = "scalar", old_scalar: bool = False, fp16_on_11: str = "error", many_on_86: bool = False,
             sort: bool = True, join: str = "x", lost: tuple = (), check: bool = True) -> list[str]:
    """A parametrised writer; with its defaults it is right (an independent formulation)."""
    if check and release not in ("8.6", "10.16", "11.1"):
        raise ValueError(f"release {release}")
    profiles = spec["profiles"]
    if release == "8.6" and len(profiles) > 1 and not many_on_86:
        raise ValueError("8.6 has no --profile")
    argv = ["--onnx=" + spec["onnx"], "--saveEngine=" + spec["save"]]
    for number, ranges in enumerate(profiles, first):
        block = []
        names = sorted(ranges) if sort else list(ranges)
        if release == "8.6" and not old_scalar and any(not ranges[n][0] for n in names):
            raise ValueError("8.6 has no scalars")
        for k, flag in enumerate(FLAGS if shapes == "three" else FLAGS[-1:]):
            words = [f"{n}:" + (join.join(str(d) for d in ranges[n][k if shapes == "three" else 1]) or scalar) for n in names]
            block.append((flag if shapes == "three" else "--shapes") + "=" + ",".join(words))
        if len(profiles) > 1 or always_numbered:
            head = [f"--profile={number}"]
            block = head + block if profile == "before" else block + head if profile == "after" else block
        argv += block
    size = spec["workspace_mib"]
    letter = {"by release": "" if release == "8.6" else "M", "never": "", "always": "M", "bytes": "B"}[unit]
    argv.append(f"{pool}{size * 2**20 if unit == 'bytes' else size}{letter}")
    if spec["fp16"]:
        if release == "11.1" and fp16_on_11 == "error":
            raise ValueError("11.1 has no --fp16")
        argv += ["--fp16"] * (release != "11.1" or fp16_on_11 == "flag")
    argv += ["--versionCompatible"] * bool(spec["version_compatible"])
    argv += [skip] * bool(skip)
    return [word for word in argv if word.split("=")[0] not in lost]


def _wrong(**changed: Any) -> Callable:
    return lambda spec, release: _written(spec, release, **changed)


def _late_profiles(spec: dict, release: str) -> list[str]:
    """All --profile switches together, in front of all shapes."""
    argv = _written(spec, release)
    heads = [word for word in argv if word.startswith("--profile=")]
    rest = [word for word in argv if not word.startswith("--profile=")]
    return rest[:2] + heads + rest[2:]


def _in_steps(spec: dict, release: str) -> list[str]:
    if release not in RELEASES:
        raise ValueError("unknown release")
    if release == "11.1" and spec["fp16"]:
        raise ValueError("put the precision into the model")
    old, profiles = release == "8.6", spec["profiles"]
    if old and (len(profiles) > 1 or any(() in p for ranges in profiles for p in ranges.values())):
        raise ValueError("not in 8.6")

    def dims(shape: tuple) -> str:
        return "x".join(map(str, shape)) if shape else "scalar"

    out = ["--skipInference", f"--memPoolSize=workspace:{spec['workspace_mib']}{'' if old else 'M'}"]
    if spec["version_compatible"]:
        out.append("--versionCompatible")
    if spec["fp16"]:
        out.append("--fp16")
    for i, ranges in enumerate(profiles):
        rows = {flag: ",".join(f"{name}:{dims(shapes[k])}" for name, shapes in sorted(ranges.items()))
                for k, flag in enumerate(FLAGS)}
        out += [f"--profile={i}"] * (len(profiles) > 1) + [f"{flag}={row}" for flag, row in reversed(rows.items())]
    return [*out, f"--saveEngine={spec['save']}", f"--onnx={spec['onnx']}"]


# --- when two command lines are the same ----------------------------------------------------------


def _normal(argv: list[str]) -> tuple:
    """The arguments without their order: the loose ones, and each --profile with the shapes right behind it."""
    loose, blocks = [], []
    for word in argv:
        if word.startswith("--profile="):
            blocks.append([word])
        elif blocks and word.split("=")[0] in FLAGS and len(blocks[-1]) < 4 and blocks[-1][-1] is not None:
            blocks[-1].append(word)
        else:
            loose.append(word)
            if blocks:
                blocks[-1].append(None)  # closed: shapes further on do not belong to it
    return sorted(loose), sorted(sorted(filter(None, block)) for block in blocks)


def _same_command(case: Case, expected: list, got: Any) -> str | None:
    if not isinstance(got, (list, tuple)) or not all(isinstance(word, str) for word in got):
        return f"{brief(got)}, expected a list of strings"
    if _normal(list(got)) == _normal(expected):
        return None
    missing = [word for word in expected if word not in got]
    extra = [word for word in got if word not in expected]
    if missing or extra:
        told = [f"{brief(missing[0])} is missing"] * bool(missing) + [f"{brief(extra[0])} is not asked for"] * bool(extra)
        return "; ".join(told)
    parsed = parse_command(list(got), case.args[1])
    return f"trtexec refuses it: {parsed.error or ', '.join(parsed.unknown)}" if not parsed.ok else "repeated or misplaced arguments"


def _alike(expected: Any, got: Any, case: Any = None) -> str | None:
    return None if _normal(list(expected)) == _normal(list(got)) else "another command"


def _spec(profiles: list | None = None, workspace_mib: int = 1024, fp16: bool = False, version_compatible: bool = False) -> dict:
    return {"onnx": "m.onnx", "save": "m.plan", "profiles": profiles or [], "workspace_mib": workspace_mib, "fp16": fp16,
            "version_compatible": version_compatible}


def _draw(rng: np.random.Generator) -> Case:
    release = str(rng.choice(RELEASES))
    profiles = []
    for _ in range(int(rng.integers(0, 2 if release == "8.6" else 4))):
        ranges = {}
        for name in rng.permutation(["x", "images:0", "a/b", "mask"])[: int(rng.integers(1, 4))]:
            rank = int(rng.integers(1 if release == "8.6" else 0, 4))
            rows = np.sort(rng.integers(0, 300, (3, rank)), axis=0)
            ranges[str(name)] = tuple(tuple(int(d) for d in row) for row in rows)
        profiles.append(ranges)
    spec = _spec(profiles, int(rng.integers(1, 9000)), bool(rng.random() < 0.3) and release != "11.1", bool(rng.random() < 0.3))
    spec["onnx"] = str(rng.choice(["m.onnx", "dir/net=2.onnx"]))
    spec["save"] = str(rng.choice(["m.plan", "out/b.engine"]))
    return Case(spec, release, label=f"{_told(spec)}, {release}")


def _told(spec: dict) -> str:
    parts = [f"{len(spec['profiles'])} profiles", f"{spec['workspace_mib']} MiB"]
    parts += ["fp16"] * spec["fp16"] + ["version_compatible"] * spec["version_compatible"]
    names = sorted({n for p in spec["profiles"] for n in p})
    return f"{spec['onnx']}: " + ", ".join(parts) + (f" of {', '.join(names)}" if names else "")


def _show(value: Any) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(w, str) for w in value):
        return " ".join(w.removeprefix("--") for w in value)
    return brief(value)


_ONE = [{"x": ((1, 3), (2, 3), (8, 3))}]
_TWO = [{"x": ((1,), (1,), (4,))}, {"x": ((1,), (16,), (32,))}]
_MIXED = [{"mask": ((), (), ()), "ids:0": ((1, 8), (2, 8), (4, 16))}]

spec_to_trtexec = Exercise(
    id="36.spec_to_trtexec", points=4, difficulty=2, minutes=18, idea="one description, two tools",
    reference=tensorrt_build.spec_to_trtexec,
    cases=[
        Case(_spec(_ONE), "10.16", label="one profile of x, 1024 MiB, 10.16"),
        Case(_spec(_ONE, 512, fp16=True), "8.6", label="one profile of x, 512 MiB, fp16, 8.6"),
        Case(_spec(_TWO, 2048, version_compatible=True), "11.1", label="two profiles of x, 2048 MiB, version_compatible, 11.1"),
        Case(_spec(_MIXED), "11.1", label="one profile of mask (a scalar) and ids:0, 1024 MiB, 11.1"),
    ],
    hidden=[Case(_spec(), release) for release in RELEASES] + [
        Case(_spec([{"x": ((0, 3), (0, 3), (2, 3))}]), "10.16"), Case(_spec(_TWO + _ONE), "10.16"),
        Case(_spec(_MIXED * 2, fp16=True), "10.16"), Case(_spec(_ONE, version_compatible=True), "8.6"),
        Case(_spec(fp16=True), "10.16"), Case(_spec(fp16=True), "8.6"), Case(_spec(_ONE, 1), "11.1")],
    draw=_draw, draws=60, time_limit_s=2,
    raises=[Case(_spec(_ONE, fp16=True), "11.1"), Case(_spec(fp16=True), "11.1"), Case(_spec(_TWO), "8.6"), Case(_spec(_MIXED), "8.6"),
            Case(_spec(_ONE), "9.3"), Case(_spec(), "10"), Case(_spec(_ONE), "11.0")],
    compare=prop(_same_command, same=_alike), show=_show,
    misconceptions=[
        Misconception(
            "shapes_for_a_profile", _wrong(shapes="run"),
            "`--shapes` says what is run. It would make a profile of that one shape. The range belongs in --minShapes, "
            "--optShapes and --maxShapes.",
            "--shapes is not a profile."),
        Misconception(
            "old_workspace_flag", _wrong(pool="--workspace=", unit="never"),
            "`--workspace` is deprecated in 8.6 and unknown since 10. The pool has its name in --memPoolSize.",
            "--workspace is gone.", also=(_wrong(pool="--memPoolSize="), _wrong(pool="--workspace="))),
        Misconception(
            "build_only", _wrong(skip="--buildOnly"),
            "`--buildOnly` was renamed in 8.6 to --skipInference, and it is unknown since 10.",
            "--buildOnly is gone."),
        Misconception(
            "inference_runs", _wrong(skip=None),
            "Without --skipInference trtexec benchmarks the engine after it has built it. Only the build was asked for.",
            "The benchmark would run too."),
        Misconception(
            "profile_behind_its_shapes", _wrong(profile="after"),
            "--profile=i takes the shapes that come right behind it. Yours stand in front of it, so the first block has "
            "none and trtexec refuses the command.",
            "--profile opens its block.", also=(_late_profiles, _wrong(profile="none"))),
        Misconception(
            "profiles_from_one", _wrong(first=1),
            "Profiles count from 0. With a gap at 0 trtexec says that profile 0 has no shapes.",
            "Profiles count from 0."),
        Misconception(
            "one_profile_numbered", _wrong(always_numbered=True),
            "A single profile needs no --profile, and 8.6 does not know that flag.",
            "One profile has no number."),
        Misconception(
            "one_unit_for_all", _wrong(unit="always"),
            "8.6 reads a plain number of MiB and ignores letters, later releases read a unit. The text asks for `N` in 8.6 "
            "and for `NM` since 10.",
            "The unit depends on the release.", also=(_wrong(unit="never"),)),
        Misconception(
            "pool_in_bytes", _wrong(unit="bytes"),
            "workspace_mib is in MiB already, and so is trtexec's number. Bytes are what the Python API takes.",
            "trtexec counts in MiB."),
        Misconception(
            "scalar_left_out", _wrong(scalar=""),
            "A tensor without dimensions is written with the word `scalar`. An empty text behind the colon is not read as "
            "one, and 1 would be a vector.",
            "A scalar has a word of its own.", also=(_wrong(scalar="1"), _wrong(scalar="()"))),
        Misconception(
            "fp16_kept_on_11", _wrong(fp16_on_11="flag"),
            "11.1 does not know --fp16 and ends with 'Unknown option'. The precision has to be in the ONNX file: refuse it.",
            "--fp16 is unknown in 11.1."),
        Misconception(
            "fp16_dropped_on_11", _wrong(fp16_on_11="silent"),
            "The command runs, in the types of the file. Nobody is told that FP16 was dropped. Refuse it instead.",
            "FP16 is dropped silently."),
        Misconception(
            "too_new_for_8_6", _wrong(many_on_86=True),
            "8.6 has one profile: it does not know --profile, and a second --minShapes is an unknown option.",
            "8.6 takes one profile.", also=(_wrong(old_scalar=True), _wrong(many_on_86=True, old_scalar=True))),
        Misconception(
            "names_not_sorted", _wrong(sort=False),
            "The tensors stand in the order of the dict. Sorted names make equal specs give equal commands, which a build "
            "cache can compare.",
            "The names are not sorted."),
        Misconception(
            "commas_between_dimensions", _wrong(join=","),
            "A comma separates tensors. The dimensions of one tensor are joined by a small x.",
            "Dimensions are joined by x."),
        Misconception(
            "version_flag_lost", _wrong(lost=("--versionCompatible",)),
            "version_compatible was asked for, and the command does not have it.",
            "--versionCompatible is missing."),
        Misconception(
            "any_release", _wrong(check=False),
            "Three releases are known here: 8.6, 10.16 and 11.1. For another one nobody has looked up the flags.",
            "An unknown release is not refused."),
    ],
    alternatives=[_written, _in_steps],
    hints=(
        "Refuse first: an unknown release, then what the release does not have.",
        "A small function for one tensor: the name, a colon, and the dimensions joined by x or the word scalar.",
        "For several profiles put `--profile=i` in front of the three flags of that profile, in the same list.",
    ),
    worth_knowing="A command in the build log is worth as much as the code: anyone can repeat it without your repository.",
)

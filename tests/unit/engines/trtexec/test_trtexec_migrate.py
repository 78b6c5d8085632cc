"""Migration: accepted by the target, stable, and measuring what was measured before."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.flags import PRECISION_FLAGS
from utils.engines.trtexec.migration import migrate, migrate_trtexec
from utils.engines.trtexec.parser import parse_command

RELEASE = {10: "10.16", 11: "11.1"}
EXTRA_11 = ["--includeDataTransfers", "--noCudaGraph", "--noSpinWait"]
PIECES = [
    *("--explicitBatch", "--explicitPrecision", "--minTiming=1", "--workspace=1024", "--buildOnly", "--streams=2"),
    *("--plugins=a.so", "--plugins=b.so", "--nvtxMode=verbose", "--heuristic", "--batch=4", "--shapes=x:2x3"),
    *("--best", "--fp16", "--int8", "--calib=c", "--noDataTransfers", "--useSpinWait", "--useCudaGraph"),
    *("--separateProfileRun", "--threads", "--avgRuns=5", "--layerPrecisions=l:fp16", "--optShapesCalib=x:1x3"),
    *("--maxShapes=x:8x3", "--verbose", "--infStreams=4", "--builderOptimizationLevel=3"),
]
old_commands = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda rest: ["--onnx=m", *rest])


def names(argv):
    return {arg.split("=")[0] for arg in argv}


def test_examples():
    argv = ["--onnx=m", "--explicitBatch", "--workspace=1024", "--best"]
    assert migrate_trtexec(argv, 10)[0] == ["--onnx=m", "--memPoolSize=workspace:1024M", "--best"]
    got, notes = migrate_trtexec(argv, 11)
    assert got == ["--onnx=m", "--memPoolSize=workspace:1024M", *EXTRA_11]
    assert any("precision" in note for note in notes)


@settings(deadline=None)
@given(old_commands, st.sampled_from([10, 11]))
def test_the_target_accepts_the_result(argv, target):
    got, _ = migrate_trtexec(argv, target, "x", (3,))
    parsed = parse_command(got, RELEASE[target])
    assert parsed.ok, (got, parsed)
    assert parsed.options.get("memPoolSize") is None or parsed.memory_mib == {"workspace": 1024}


@settings(deadline=None)
@given(old_commands, st.sampled_from([10, 11]))
def test_idempotent(argv, target):
    # for 11 only without the flags whose absence means the opposite there
    assume(target == 10 or not names(argv) & {"--noDataTransfers", "--useCudaGraph", "--useSpinWait"})
    once, _ = migrate_trtexec(argv, target, "x", (3,))
    assert migrate_trtexec(once, target, "x", (3,))[0] == once


@settings(deadline=None)
@given(old_commands)
def test_measurement_is_kept_in_11(argv):
    got = names(migrate_trtexec(argv, 11)[0])
    pairs = zip(EXTRA_11, ["--noDataTransfers", "--useCudaGraph", "--useSpinWait"])
    for restore, old in pairs:
        assert (restore in got) == (old not in argv)  # what 10.x did by default must be asked for now


@settings(deadline=None)
@given(old_commands, st.sampled_from([10, 11]))
def test_nothing_is_lost_without_a_note_and_the_input_is_unchanged(argv, target):
    before = list(argv)
    got, notes = migrate_trtexec(argv, target, "x", (3,))
    assert argv == before
    for arg in argv:
        name = arg.split("=")[0].removeprefix("--")
        assert arg in got or any(name in note for note in notes), arg
    dropped = {name for name in PRECISION_FLAGS if f"--{name}" in names(argv)}
    if target == 11 and dropped:
        assert sum("precision" in note for note in notes) >= len(dropped)


@pytest.mark.parametrize(
    ("argv", "want"),
    [
        (["--batch=4"], ["--shapes=input:4x3x8x8"]),
        (["--batch=4", "--shapes=a:2"], ["--shapes=a:2"]),
        (["--streams=2", "--infStreams=4"], ["--infStreams=2"]),
        (["--plugins=a", "--plugins=b", "--staticPlugins=c"], ["--staticPlugins=a", "--staticPlugins=b", "--staticPlugins=c"]),
        (["--nvtxMode=verbose"], ["--profilingVerbosity=detailed"]),
        (["--heuristic", "--buildOnly"], ["--builderOptimizationLevel=2", "--skipInference"]),
        (["--profile=0", "--minShapes=x:1", "--profile=1", "--minShapes=x:2"],) * 2,
        (["--minShapes=x:1", "--minShapes=x:2"], ["--minShapes=x:1"]),
        (["stray", "stray", "--unheardOf=1"],) * 2,
    ],
)
def test_single_rules(argv, want):
    assert migrate_trtexec(argv, 10, input_dims=(3, 8, 8))[0] == want


def test_additions_are_not_repeated():
    assert migrate_trtexec(["--noCudaGraph"], 11)[0] == ["--noCudaGraph", "--includeDataTransfers", "--noSpinWait"]
    assert migrate_trtexec(["--useCudaGraph"], 11)[0] == ["--includeDataTransfers", "--noSpinWait"]


@pytest.mark.parametrize("flag", ["--deploy=p", "--model=c", "--uff=u", "--output=prob"])
def test_other_formats(flag):
    with pytest.raises(ValueError, match="convert to ONNX"):
        migrate_trtexec(["--onnx=m", flag], 10)


def test_bad_targets():
    with pytest.raises(ValueError, match="target"):
        migrate_trtexec(["--onnx=m"], 9)
    with pytest.raises(ValueError, match="target"):
        migrate("--onnx=m", "8.6")


# -- migrate --------------------------------------------------------------------------------------

VALUES = [
    *("--inputIOFormats=fp16:chw+chw4,fp32:chw", "--preview=+fasterDynamicShapes0805,-profileSharing0806"),
    *("--tacticSources=-CUDNN,+CUBLAS", "--tacticSources=-CUDNN,+JIT_CONVOLUTIONS", "--memPoolSize=workspace:1G"),
    *("--restricted", "--nvtxMode=none", "--profilingVerbosity=default", "--fp8", "--sparsity=enable"),
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES + VALUES), max_size=8), st.sampled_from(["10.16", "11.1"]), st.booleans())
def test_without_blockers_the_target_accepts(rest, target, keep):
    argv = ["--onnx=m", *rest]
    assume(parse_command(argv, "8.6").ok)
    got = migrate(argv, target, {"x": (3,)}, keep)
    assert got.blockers == []
    assert parse_command(got.argv, target).ok, got


def test_what_must_be_done_before():
    got = migrate("trtexec --onnx=m --fp16 --saveEngine=e", "11.1")
    assert got.argv == ["--onnx=m", "--saveEngine=e"]
    assert any("AutoCast" in step for step in got.pre_steps)
    assert any("--includeDataTransfers" in note for note in got.notes)
    kept = migrate("--onnx=m --fp16", "11.1", keep_measurement=True)
    assert kept.argv == ["--onnx=m", *EXTRA_11]
    assert any("Q/DQ" in step for step in migrate("--onnx=m --int8 --calib=c", "11.1").pre_steps)
    assert any("rebuild" in step for step in migrate("--loadEngine=e", "10.16").pre_steps)
    assert migrate("--onnx=m --fp16", "10.16").argv == ["--onnx=m", "--fp16"]


def test_a_unit_is_remarked_on_only_where_the_old_command_had_it():
    assert any("8.6 ignored" in note for note in migrate("--onnx=m --memPoolSize=workspace:1G", "10.16").notes)
    written_here = migrate("--onnx=m --workspace=1024", "10.16")
    assert written_here.argv == ["--onnx=m", "--memPoolSize=workspace:1024M"]
    assert not any("8.6 ignored" in note for note in written_here.notes)


def test_blockers():
    assert migrate("--deploy=p --output=o --batch=1", "10.16", {"x": (3,)}).blockers == [
        "--deploy: convert to ONNX first",
        "--output: convert to ONNX first",
    ]
    assert migrate("--loadEngine=e --batch=4", "10.16").blockers
    assert migrate("--loadEngine=e --batch=4", "10.16", {"a": (3,), "b": ()}).argv[1] == "--shapes=a:4x3,b:4"
    assert migrate("--onnx=m --maxBatch=4", "11.1").blockers
    assert migrate("--onnx m.onnx", "11.1").blockers


def test_values_that_changed():
    got = migrate("--onnx=m --inputIOFormats=fp16:chw+chw4 --memPoolSize=workspace:1G --tacticSources=-CUDNN", "11.1")
    assert got.argv == ["--onnx=m", "--inputIOFormats=chw+chw4", "--memPoolSize=workspace:1G"]
    assert any("ignored the letter" in note for note in got.notes)

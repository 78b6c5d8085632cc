"""What three releases of trtexec make of the same command line.

GOLDEN was recorded from NVIDIA's own option parser: samples/common/sampleOptions.cpp of the tags v8.6.1, v10.16
and v11.1 (Apache-2.0), compiled outside this project and fed with these command lines. The other expectations
were read off the same sources.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.flags import FLAGS, RELEASES, known_flags
from utils.engines.trtexec.parser import command_arguments, parse_command

OK, REJECTED = [], "rejected"


def outcome(command, release):
    parsed = parse_command(command, release)
    return REJECTED if parsed.error else [key.removeprefix("--") for key in parsed.unknown]


def same(expected):
    return (expected,) * 3


# command after `trtexec`, then for 8.6, 10.16 and 11.1: accepted, rejected, or the unknown options
GOLDEN = [
    (
        "--onnx=m --explicitBatch --saveEngine=e --workspace=1024 --best",
        (OK, ["explicitBatch", "workspace"], ["explicitBatch", "workspace", "best"]),
    ),
    (
        "--onnx=m --minShapes=x:1x3 --optShapes=x:8x3 --maxShapes=x:16x3 --best --best",
        (["best"], ["best"], ["best", "best"]),
    ),
    ("--onnx=m --maxShapes=x:8x3", same(OK)),
    ("--onnx=m --minShapes=x:1x3 --maxShapes=x:8x3", same(OK)),
    ("--onnx=m --minShapes=x:1x3 --shapes=x:4x3", same(OK)),
    ("--onnx=m --shapes=x:32x3", same(OK)),
    ("--onnx=m --minShapes=images:0:1x3", same(OK)),
    ("--onnx=m --shapes=x:1X3", same(OK)),
    ("--onnx=m --shapes=x:scalar", (REJECTED, OK, OK)),
    ("--onnx=m --minShapes=x:8x3 --optShapes=x:4x3 --maxShapes=x:2x3", same(OK)),
    ("--onnx=m --fp16=false", (OK, OK, ["fp16"])),
    ("--onnx=m --memPoolSize=workspace:1G", same(OK)),
    ("--onnx=m --onnx=n", same(["onnx"])),
    ("--onnx m.onnx", same(["m.onnx"])),
    ("--onnx=m --saveEngine=a --loadEngine=b", same(REJECTED)),
    ("--saveEngine=x", same(REJECTED)),
    ("--onnx=m --percentile=101", same(REJECTED)),
    ("--onnx=m --batch=4", (REJECTED, ["batch"], ["batch"])),
    ("--loadEngine=e --batch=1", (OK, ["batch"], ["batch"])),
    ("--deploy=p.prototxt --output=prob", (OK, REJECTED, REJECTED)),
    ("--onnx=m --useCudaGraph --useSpinWait --noDataTransfers", same(OK)),
    ("--onnx=m --plugins=a.so --plugins=b.so", same(OK)),
    (
        "--onnx=m --profile=0 --minShapes=x:1 --maxShapes=x:4 --profile=1 --minShapes=x:5 --maxShapes=x:8",
        (["profile", "profile", "minShapes", "maxShapes"], OK, OK),
    ),
    ("--onnx=m --preview=+disableExternalTacticSourcesForCore0805", (OK, REJECTED, REJECTED)),
]


@pytest.mark.parametrize("column", range(3), ids=RELEASES)
@pytest.mark.parametrize(("command", "expected"), GOLDEN, ids=[command for command, _ in GOLDEN])
def test_golden_outcomes(command, expected, column):
    want, got = expected[column], outcome(command, RELEASES[column])
    assert got == REJECTED if want is REJECTED else sorted(got) == sorted(want)


# the shapes that the same binary printed: (profiles, shapes run)
GOLDEN_SHAPES = [
    ("--onnx=m --maxShapes=x:8x3", [{"x": ((8, 3), (8, 3), (8, 3))}], {"x": (8, 3)}),
    ("--onnx=m --minShapes=x:1x3 --maxShapes=x:8x3", [{"x": ((1, 3), (8, 3), (8, 3))}], {"x": (8, 3)}),
    ("--onnx=m --minShapes=x:1x3 --shapes=x:4x3", [{"x": ((1, 3), (1, 3), (1, 3))}], {"x": (4, 3)}),
    ("--onnx=m --shapes=x:32x3", [{"x": ((32, 3), (32, 3), (32, 3))}], {"x": (32, 3)}),
    ("--onnx=m --minShapes=images:0:1x3", [{"images:0": ((1, 3), (1, 3), (1, 3))}], {"images:0": (1, 3)}),
    ("--onnx=m --shapes=x:1X3", [{"x": ((1,), (1,), (1,))}], {"x": (1,)}),
]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(("command", "profiles", "run_shapes"), GOLDEN_SHAPES)
def test_golden_shapes(command, profiles, run_shapes, release):
    parsed = parse_command(command, release)
    assert (parsed.profiles, parsed.run_shapes) == (profiles, run_shapes)


def test_golden_details():
    for release, mib in zip(RELEASES, (1, 1024, 1024)):
        assert parse_command("--onnx=m --memPoolSize=workspace:1G", release).memory_mib == {"workspace": mib}
    for release in ("8.6", "10.16"):
        assert "fp16" in parse_command("--onnx=m --fp16=false", release).options
    for release in ("10.16", "11.1"):
        assert parse_command("--onnx=m --shapes=x:scalar", release).run_shapes == {"x": ()}
    graph = "--onnx=m --useCudaGraph --useSpinWait --noDataTransfers"
    assert [len(parse_command(graph, release).warnings) for release in RELEASES] == [0, 0, 3]
    assert parse_command(GOLDEN[0][0], "8.6").warnings  # accepted, but deprecated
    two = parse_command(GOLDEN[-2][0], "11.1")
    assert two.profiles == [{"x": ((1,), (4,), (4,))}, {"x": ((5,), (8,), (8,))}]
    assert two.run_shapes == {"x": (4,)}
    for release in RELEASES:
        assert parse_command("--onnx=m --plugins=a.so --plugins=b.so", release).options["plugins"] == ["a.so", "b.so"]


# Read off sampleOptions.cpp, same tags
READ = [
    ("--onnx=m --minShapes=x:1 --minShapes=x:2", (["minShapes"], REJECTED, REJECTED)),
    ("--onnx=m --vc --versionCompatible", same(["versionCompatible"])),
    ("--onnx=m --versionCompatible", same(OK)),
    ("--onnx=m --iterations", same(REJECTED)),
    ("--onnx=m --iterations=5x", same(OK)),
    ("--onnx=m --duration=.5", same(OK)),
    ("--onnx=m --avgRuns=.5", same(REJECTED)),
    ("--onnx=m --inputIOFormats=fp16:chw", (OK, OK, REJECTED)),
    ("--onnx=m --inputIOFormats=chw", (REJECTED, REJECTED, OK)),
    ("--onnx=m --tacticSources=-cudnn", (OK, OK, REJECTED)),
    ("--onnx=m --tacticSources=+JIT_CONVOLUTIONS", same(OK)),
    ("--onnx=m --fp8 --int8", (REJECTED, REJECTED, ["fp8", "int8"])),
    ("--onnx=m --best --stronglyTyped", (["stronglyTyped"], REJECTED, ["best"])),
    ("--onnx=m --stronglyTyped", (["stronglyTyped"], OK, OK)),
    ("--onnx=m --memPoolSize=workspace:1X", (OK, REJECTED, REJECTED)),
    ("--onnx=m --memPoolSize=workspace:1,tacticSharedMem:48K", (REJECTED, OK, OK)),
    ("--onnx=m --memPoolSize=workspace:-1", same(REJECTED)),
    ("--onnx=m --memPoolSize=1024", same(REJECTED)),
    ("--onnx=m --shapes=x:1x3,", same(REJECTED)),
    ("--onnx=m \"--shapes=x:'1x3'\"", same(REJECTED)),
    ("--onnx=m --shapes=x:", same(OK)),
    ("--onnx=m --deploy=p", (["deploy"], ["deploy"], ["deploy"])),
    ("--onnx=m --output=prob", (REJECTED, ["output"], ["output"])),
    ("--model=c --deploy=p --output=a --output=b --maxBatch=8 --batch=4", (OK, REJECTED, REJECTED)),
    ("--model=c --output=a --maxBatch=2 --batch=4", (REJECTED, REJECTED, REJECTED)),
    ("--uff=u --output=a --uffInput=x,3,8,8", (OK, REJECTED, REJECTED)),
    ("--onnx=m --useRuntime=lean", same(REJECTED)),
    ("--loadEngine=e --useRuntime=lean", same(OK)),
    ("--loadEngine=e --useRuntime=lean --timeRefit", same(REJECTED)),
    ("--onnx=m --profile=1 --minShapes=x:1", (["profile"], REJECTED, REJECTED)),
    ("--onnx=m --profile=0 --best --minShapes=x:1", (["profile"], REJECTED, REJECTED)),
    ("--onnx=m --weightStreamingBudget=1G", (["weightStreamingBudget"], REJECTED, REJECTED)),
    ("--onnx=m --allowWeightStreaming --weightStreamingBudget=50%", (["a", "w"], OK, OK)),
    ("--onnx=m --optShapesCalib=x:1", (OK, OK, ["optShapesCalib"])),
    ("--onnx=m --minShapesCalib=x:1", (REJECTED, REJECTED, ["minShapesCalib"])),
    ("--onnx=m --buildDLAStandalone", same(REJECTED)),
    ("--onnx=m --buildDLAStandalone --inputIOFormats=fp16:chw16 --outputIOFormats=fp16:chw16", (OK, OK, REJECTED)),
    ("--onnx=m --buildDLAStandalone --inputIOFormats=chw16 --outputIOFormats=chw16", (REJECTED, REJECTED, OK)),
    ("--onnx=m --loadRefOutputs=y:f", (["loadRefOutputs"], ["loadRefOutputs"], REJECTED)),
    ("--onnx=m -onnx=n", same(["-onnx"])),
    ("--help", same(OK)),
    ("-h", same(OK)),
    ("", same(OK)),
]


@pytest.mark.parametrize("column", range(3), ids=RELEASES)
@pytest.mark.parametrize(("command", "expected"), READ, ids=[command for command, _ in READ])
def test_outcomes_read_off_the_source(command, expected, column):
    want, got = expected[column], outcome(command, RELEASES[column])
    if want is REJECTED or got == REJECTED:
        assert got == want
    else:
        assert len(got) == len(want)


def test_unknown_release():
    with pytest.raises(ValueError, match="release"):
        parse_command("--onnx=m", "9.0")


def test_forms_of_the_command_line():
    listed = parse_command(["--onnx=a b", "--fp16"], "8.6")
    assert listed == parse_command("trtexec '--onnx=a b' --fp16", "8.6")
    assert listed == parse_command(["/usr/src/tensorrt/bin/trtexec", "--onnx=a b", "--fp16"], "8.6")
    assert command_arguments("trtexec") == []


def test_shapes_that_are_run():
    both = parse_command("--onnx=m --minShapes=x:1 --maxShapes=x:8 --shapes=y:3", "10.16")
    assert both.profiles == [{"x": ((1,), (8,), (8,)), "y": ((3,), (3,), (3,))}]
    assert both.run_shapes == {"x": (8,), "y": (3,)}
    other = parse_command(f"{GOLDEN[-2][0]} --useProfile=1", "10.16")
    assert other.run_shapes == {"x": (8,)}
    assert len(parse_command("--onnx=m --minShapes=x:1", "8.6").warnings) == 2  # opt and max are copies


def test_reference_pairs():
    pair = "--refPair={} --loadInputs=x:i --loadRefOutputs=y:o "
    command = "--loadEngine=e --accuracyThreshold=0.1 "
    assert parse_command(command + pair.format(0) + pair.format(1), "11.1").ok
    assert parse_command(command + pair.format(0), "11.1").error
    assert parse_command(command + pair.format(0) + "--refPair=1 --loadInputs=x:i", "11.1").error


VALUES = ["", "=1", "=x:1x3", "=abc", "=fp16:chw", "=+a", "=0.5"]
argument = st.builds(lambda name, value: f"--{name}{value}", st.sampled_from(sorted(FLAGS)), st.sampled_from(VALUES))
arguments = st.lists(argument | st.just("--onnx=m") | st.text("abc", max_size=3), max_size=6)


@settings(deadline=None)
@given(arguments, st.sampled_from(RELEASES))
def test_the_parser_never_fails_and_accounts_for_every_argument(argv, release):
    parsed = parse_command(argv, release)
    if parsed.error:
        assert parsed.unknown == []
        return
    if not {"profile", "refPair"} & set(parsed.options):  # these swallow the flags behind them
        assert sum(len(values) for values in parsed.options.values()) + len(parsed.unknown) == len(argv)
    assert {f"--{name}" for name in parsed.options} <= known_flags(release)


@settings(deadline=None)
@given(st.permutations(["--onnx=m", "--minShapes=x:1x3", "--shapes=x:4x3", "--threads", "--plugins=a"]))
def test_order_does_not_matter_without_profiles(argv):
    for release in RELEASES:
        assert parse_command(argv, release).run_shapes == {"x": (4, 3)}
        assert parse_command(argv, release).ok

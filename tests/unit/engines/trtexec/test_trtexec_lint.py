"""lint, lint_trtexec and the release x flag matrix."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.engines.trtexec.findings import BOOL, command_matrix, lint, lint_trtexec
from utils.engines.trtexec.flags import RELEASES, deprecated_flags, known_flags
from utils.engines.trtexec.parser import parse_command

# Command lines that circulate in tutorials, most of them written for TensorRT 7 and 8
TUTORIALS = [
    "--onnx=mnist.onnx --explicitBatch --saveEngine=mnist.trt --workspace=1024 --best",
    "--onnx=m.onnx --minShapes=x:1x3 --optShapes=x:8x3 --maxShapes=x:16x3 --saveEngine=m.trt --best --workspace=1024 --best",
    "--onnx=model.onnx --shapes=input:32x3x224x224",
    "--onnx=model.onnx --minShapes=i:1x3x224x224 --optShapes=i:16x3x224x224 --maxShapes=i:32x3x224x224 --shapes=i:5x3x224x224",
    "--loadEngine=mnist16.trt --batch=1",
    "--deploy=AlexNet_N2.prototxt --output=prob --exportTimes=trace.json",
    "--deploy=GoogleNet_N2.prototxt --output=prob --batch=1 --saveEngine=g1.trt --int8 --buildOnly",
    "--loadEngine=g1.trt --batch=1 --streams=2",
]


def found(command, release):
    return {(finding.level, finding.flag) for finding in lint(command, release)}


def test_what_became_of_the_tutorials():
    runs = [[parse_command(command, release).ok for command in TUTORIALS] for release in RELEASES]
    assert [sum(row) for row in runs] == [7, 2, 2]
    assert not runs[0][1]  # the second --best is refused by 8.6 as well


def test_lint_says_what_is_wrong_where():
    assert ("error", "--workspace") in found(TUTORIALS[0], "10.16")
    assert ("error", "--best") in found(TUTORIALS[0], "11.1")
    assert ("warning", "--fp16") in found("--onnx=m --fp16=false", "8.6")
    assert ("warning", "--shapes") in found("--onnx=m --shapes=x:1X3", "11.1")
    assert ("error", "m.onnx") in found("--onnx m.onnx", "11.1")
    assert ("warning", "--onnx") in found("--onnx m.onnx", "11.1")
    assert ("warning", "--infStreams") in found("--onnx=m --infStreams=4", "11.1")
    assert ("warning", "--memPoolSize") in found("--onnx=m --memPoolSize=workspace:1G", "8.6")
    assert ("error", "--shapes") in found("--onnx=m --minShapes=x:1 --maxShapes=x:4 --shapes=x:8", "11.1")
    assert ("info", "--includeDataTransfers") in found("--onnx=m", "11.1")


def test_a_clean_command_is_clean():
    clean = "--onnx=m --minShapes=x:1x3 --optShapes=x:4x3 --maxShapes=x:8x3 --shapes=x:2x3"
    assert lint(clean, "8.6") == lint(clean, "10.16") == []
    assert lint(f"{clean} --skipInference", "11.1") == []


def test_lint_checks_what_trtexec_does_not():
    command = "--onnx=m --minShapes=x:8x3 --optShapes=x:4x3 --maxShapes=x:2x3"
    assert parse_command(command, "11.1").ok
    assert any(f.level == "error" and "builder" in f.message for f in lint(command, "11.1"))


def test_messages_help():
    by_flag = {f.flag: f.message for f in lint("--onnx=m --batch=4 --saveEngin=x --noCudaGraph", "10.16")}
    assert "--shapes" in by_flag["--batch"]
    assert "--saveEngine" in by_flag["--saveEngin"]
    assert "11.1" in by_flag["--noCudaGraph"]
    assert any("--onnx=m.onnx" in f.message for f in lint("--onnx m.onnx", "8.6"))


@settings(deadline=None)
@given(st.sampled_from(TUTORIALS), st.sampled_from(RELEASES))
def test_errors_are_reported_exactly_when_the_command_fails_or_cannot_build(command, release):
    has_error = any(f.level == "error" for f in lint(command, release))
    assert has_error == (not parse_command(command, release).ok)


# -- lint_trtexec ---------------------------------------------------------------------------------


def test_example():
    got = lint_trtexec(["--onnx=m", "--best", "--workspace=1", "--best"], {"--onnx", "--best"}, {})
    assert got == [("unknown", "--workspace"), ("duplicate", "--best")]


def test_one_finding_an_argument_and_the_first_kind_wins():
    known, deprecated = {"--fp16", "--onnx", "--streams"}, {"--streams": "use --infStreams"}
    argv = ["--onnx", "m.onnx", "--fp16=false", "--fp16=false", "--streams=2", "--streams=2", "--nope", "--nope", "--strea=1"]
    assert lint_trtexec(argv, known, deprecated) == [
        ("not-a-flag", "m.onnx"),
        ("always-true", "--fp16"),
        ("duplicate", "--fp16"),
        ("deprecated", "--streams"),
        ("duplicate", "--streams"),
        ("unknown", "--nope"),
        ("unknown", "--nope"),
        ("unknown", "--strea"),
    ]
    assert lint_trtexec(["--tuneBuildRoutes=a=b", "x=y"], {"--tuneBuildRoutes"}, {}) == [("not-a-flag", "x=y")]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["--onnx=m", "--best", "--fp16=0", "--streams=2", "stray", "--nope=1"]), max_size=8))
def test_findings_account_for_the_arguments(argv):
    for release in RELEASES:
        known, deprecated = known_flags(release), deprecated_flags(release)
        got = lint_trtexec(argv, known, deprecated)
        flags = [arg.split("=")[0] for arg in argv]
        first = {flags.index(flag) for flag in flags}
        silent = [  # what may pass: the first occurrence of a known flag, written as it should be
            i for i, arg in enumerate(argv) if i in first and flags[i] in known and flags[i] not in deprecated
            and not (flags[i] in BOOL and "=" in arg)
        ]
        assert len(got) == len(argv) - len(silent)


# -- the matrix -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", TUTORIALS)
def test_matrix_agrees_with_the_parser(command):
    rows = command_matrix(command)
    assert len(rows) == len(command.split()) + 1
    for release in RELEASES:
        parsed = parse_command(command, release)
        unknown = [key for key, cells in rows[:-1] if cells[release][0] == "unknown"]
        if parsed.error is None:
            assert sorted(unknown) == sorted(parsed.unknown)
        state, reason = rows[-1][1][release]
        assert (state == "runs") == parsed.ok == (reason == "")
        assert all(why for _, cells in rows for state, why in [cells[release]] if state in ("unknown", "deprecated"))

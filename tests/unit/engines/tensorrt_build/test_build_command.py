"""The trtexec command: chapter 31's parser, itself compared with NVIDIA's, must read back what was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.tensorrt_build import BuildSpec, TensorRange, spec_to_trtexec, to_trtexec
from utils.engines.trtexec import RELEASES, parse_command

names = st.text("ab:/.0_", min_size=1, max_size=6)
shape3 = st.integers(0, 4).flatmap(lambda rank: st.tuples(*[st.tuples(*[st.integers(0, 99)] * rank)] * 3))
profile = st.dictionaries(names, shape3, min_size=1, max_size=3)


def spec_of(profiles, **changed):
    return BuildSpec("dir/m=1.onnx", tuple(tuple(TensorRange(n, *s) for n, s in p.items()) for p in profiles), **changed)


@given(st.lists(profile, max_size=3), st.sampled_from(RELEASES), st.integers(1, 1 << 40))
def test_the_parser_reads_back_the_spec(profiles, release, workspace):
    scalar = any(not s[0] for p in profiles for s in p.values())
    inexpressible = release == "8.6" and (len(profiles) > 1 or scalar or workspace % 2**20)
    spec = spec_of(profiles, workspace_bytes=workspace)
    if inexpressible:
        with pytest.raises(ValueError, match=r"8\.6|MiB"):
            to_trtexec(spec, release)
        return
    parsed = parse_command(to_trtexec(spec, release), release)
    assert parsed.ok, (parsed.error, parsed.unknown)
    assert parsed.profiles == profiles and not parsed.warnings
    assert parsed.memory_mib["workspace"] * 2**20 == workspace
    assert parsed.options["saveEngine"] == ["dir/m=1.plan"] and "skipInference" in parsed.options


def test_every_option_is_known_to_its_release():
    options = {"version_compatible": True, "hardware": "ampere+", "optimization_level": 5, "timing_cache": "t.bin"}
    for release in RELEASES:
        parsed = parse_command(to_trtexec(spec_of([], **options), release), release)
        assert parsed.ok and parsed.options["hardwareCompatibilityLevel"] == ["ampere+"]
        assert parsed.options["builderOptimizationLevel"] == ["5"] and parsed.options["timingCacheFile"] == ["t.bin"]
    for release in ("10.16", "11.1"):
        argv = to_trtexec(spec_of([], strongly_typed=True, hardware="sameComputeCapability"), release)
        assert parse_command(argv, release).ok and "--stronglyTyped" in argv


@pytest.mark.parametrize(("release", "changed"), [
    ("11.1", {"precision": "fp16"}), ("11.1", {"precision": "bf16"}), ("8.6", {"precision": "bf16"}),
    ("8.6", {"strongly_typed": True}), ("8.6", {"hardware": "sameComputeCapability"}), ("9.3", {}),
])
def test_what_a_release_lacks_is_refused_as_its_parser_would(release, changed):
    with pytest.raises(ValueError, match="release"):
        to_trtexec(spec_of([], **changed), release)
    if changed.get("precision"):
        assert parse_command(f"--onnx=m --{changed['precision']}", release).unknown  # the refusal is not invented


@pytest.mark.parametrize("name", ["", "a,b", "it's"])
def test_names_that_the_syntax_cannot_hold(name):
    with pytest.raises(ValueError, match="name"):
        to_trtexec(spec_of([{name: ((1,), (1,), (1,))}]), "11.1")


def base(**changed):
    return {"onnx": "m.onnx", "save": "m.plan", "profiles": [], "workspace_mib": 1024, "fp16": False,
            "version_compatible": False} | changed


def test_the_dict_form():
    one = base(profiles=[{"x": ((1, 3), (2, 3), (8, 3))}])
    assert set(spec_to_trtexec(one, "10.16")) == {
        "--onnx=m.onnx", "--saveEngine=m.plan", "--minShapes=x:1x3", "--optShapes=x:2x3", "--maxShapes=x:8x3",
        "--memPoolSize=workspace:1024M", "--skipInference"}
    assert "--memPoolSize=workspace:1024" in spec_to_trtexec(one, "8.6")
    two = base(profiles=[{"b": ((), (), ()), "a": ((1,), (2,), (3,))}] * 2, fp16=True, version_compatible=True)
    assert spec_to_trtexec(two, "10.16")[2:10] == [
        "--profile=0", "--minShapes=a:1,b:scalar", "--optShapes=a:2,b:scalar", "--maxShapes=a:3,b:scalar",
        "--profile=1", "--minShapes=a:1,b:scalar", "--optShapes=a:2,b:scalar", "--maxShapes=a:3,b:scalar"]
    for release in ("8.6", "11.1", "9.0"):
        with pytest.raises(ValueError, match=r"release|profiles"):
            spec_to_trtexec(two, release)

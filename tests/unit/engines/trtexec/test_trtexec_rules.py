"""The tables of combinations name flags that exist, and they are enforced."""

import pytest

from utils.engines.trtexec.flags import FLAGS
from utils.engines.trtexec.rules import CONFLICTS, NEEDS, check_combination

VALUE = {"useDLACore": "0"}


def options(*names):
    return {"onnx": ["m"], **{name: [VALUE.get(name, "")] for name in names}}


@pytest.mark.parametrize(("flag", "other", "releases"), NEEDS + CONFLICTS)
def test_tables_name_existing_flags(flag, other, releases):
    for release in releases:
        assert release in FLAGS[flag].releases
        assert release in FLAGS[other].releases


@pytest.mark.parametrize(("flag", "needed", "releases"), NEEDS)
def test_needs(flag, needed, releases):
    for release in releases:
        with pytest.raises(ValueError, match=f"--{flag} must come with"):
            check_combination(options(flag), release, n_profiles=1)


@pytest.mark.parametrize(("one", "other", "releases"), CONFLICTS)
def test_conflicts(one, other, releases):
    extra = [needed for flag, needed, _ in NEEDS if flag in (one, other)]  # so that only the conflict is at fault
    for release in releases:
        with pytest.raises(ValueError, match=f"--{one} must not come with --{other}"):
            check_combination(options(one, other, *extra), release, n_profiles=1)


def test_warnings():
    lean = check_combination({"loadEngine": ["e"], "useRuntime": ["lean"]}, "11.1", n_profiles=1)
    assert any("versionCompatible" in warning for warning in lean)
    assert check_combination({**options("fp16"), "stronglyTyped": [""]}, "10.16", n_profiles=1)
    assert check_combination(options("useDLACore"), "11.1", n_profiles=1)  # CUDA graphs are the default there
    assert not check_combination(options("useDLACore"), "10.16", n_profiles=1)
    assert check_combination({**options(), "sparsity": ["force"]}, "10.16", n_profiles=1)


def test_a_calibration_profile_must_exist():
    with pytest.raises(ValueError, match="calibProfile"):
        check_combination({**options(), "calibProfile": ["1"]}, "10.16", n_profiles=1)

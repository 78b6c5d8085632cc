"""The option table: counts per column, and facts that the chapter states."""

import pytest

from utils.engines.trtexec.flags import FLAGS, RELEASES, deprecated_flags, known_flags, switches


def test_sizes_of_the_releases():
    # counted in sampleOptions.cpp of v8.6.1, v10.16 and v11.1 (the hidden --tuningResultFile of 11.1 left out)
    assert [len(known_flags(release)) for release in RELEASES] == [101, 125, 128]


@pytest.mark.parametrize(
    ("flag", "releases"),
    [
        ("onnx", "8.6 10.16 11.1"),
        ("workspace", "8.6"),
        ("batch", "8.6"),
        ("deploy", "8.6"),
        ("best", "8.6 10.16"),
        ("bf16", "10.16"),
        ("stronglyTyped", "10.16 11.1"),
        ("includeDataTransfers", "11.1"),
    ],
)
def test_where_a_flag_exists(flag, releases):
    assert FLAGS[flag].releases == set(releases.split())


def test_deprecated_flags_exist_and_say_what_to_do():
    for release in RELEASES:
        assert set(deprecated_flags(release)) <= known_flags(release)
        assert all(deprecated_flags(release).values())
    assert "--fp16" not in deprecated_flags("8.6")
    assert "--fp16" in deprecated_flags("10.16")
    assert "--useCudaGraph" in deprecated_flags("11.1")


def test_switches_take_no_value():
    assert {"--fp16", "--best", "--skipInference"} <= switches()
    # --useDLACore=<core> and --helpBuildRoute=<knob> have values
    assert not {"--onnx", "--useDLACore", "--helpBuildRoute", "--infStreams"} & switches()


def test_unknown_release():
    for of in (known_flags, deprecated_flags):
        with pytest.raises(ValueError, match="release"):
            of("7.0")

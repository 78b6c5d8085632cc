"""Values of options: memory pools with and without units, and words that a release knows."""

import pytest

from utils.engines.trtexec.flags import RELEASES
from utils.engines.trtexec.values import check_value, parse_memory_pools, split_io_format, with_unit


@pytest.mark.parametrize(
    ("text", "mib_86", "mib_10"),
    [
        ("workspace:1024", 1024, 1024),
        ("workspace:1G", 1, 1024),
        ("workspace:1.5g", 1.5, 1536),
        ("workspace:512K", 512, 0.5),
        ("workspace:1048576B", 1048576, 1),
        ("dlaSRAM:1M", 1, 1),
    ],
)
def test_sizes_of_memory_pools(text, mib_86, mib_10):
    name = text.partition(":")[0]
    assert parse_memory_pools(text, "8.6") == {name: mib_86}
    assert parse_memory_pools(text, "10.16") == parse_memory_pools(text, "11.1") == {name: mib_10}


def test_several_pools():
    got = parse_memory_pools("workspace:2,dlaSRAM:1M,tacticSharedMem:48K", "11.1")
    assert got == {"workspace": 2, "dlaSRAM": 1, "tacticSharedMem": 48 / 1024}
    assert parse_memory_pools("", "11.1") == {}


@pytest.mark.parametrize("text", ["workspace:", "workspace:x", "heap:1", "workspace:-1", "workspace:1T"])
def test_bad_pools(text):
    with pytest.raises(ValueError):
        parse_memory_pools(text, "11.1")


def test_units():
    assert with_unit("3K") == 3072
    assert with_unit("3") == 3
    with pytest.raises(ValueError, match="unit"):
        with_unit("3x")


GOOD = {
    "percentile": ["", "0", "90,95,99.9"],
    "sparsity": ["enable", "force"],
    "profilingVerbosity": ["", "detailed", "verbose"],
    "hardwareCompatibilityLevel": ["", "none", "Ampere+"],
    "layerDeviceTypes": ["a:b:GPU,c:DLA"],
    "tempfileControls": ["in_memory:allow,temporary:deny"],
    "tacticSources": ["-edge_mask_convolutions"],
    "loadInputs": ["x:file,'y:0':c:\\f"],
    "saveEngine": ["anything at all"],
}
BAD = {
    "percentile": ["101", "-1", "a", "90,"],
    "sparsity": ["", "Enable"],
    "profilingVerbosity": ["loud"],
    "hardwareCompatibilityLevel": ["hopper"],
    "layerDeviceTypes": ["a:CPU", "a"],
    "tempfileControls": ["in_memory:yes", "other:allow"],
    "tacticSources": ["edge_mask_convolutions", "+MAGIC"],
    "iterations": ["", "many"],
    "loadInputs": ["x:f,"],
}


@pytest.mark.parametrize("release", RELEASES)
def test_values(release):
    for flag, values in GOOD.items():
        for value in values:
            check_value(flag, value, release)
    for flag, values in BAD.items():
        for value in values:
            with pytest.raises(ValueError, match=f"--{flag}"):
                check_value(flag, value, release)


def test_formats_lose_their_type_in_11():
    assert split_io_format("fp16:chw+chw4", "10.16") == ("fp16", ["chw", "chw4"])
    assert split_io_format("chw+chw4", "11.1") == ("", ["chw", "chw4"])
    for item, release in (("chw", "10.16"), ("fp16:chw", "11.1"), ("bf16:chw", "8.6"), ("fp16:hwc16", "8.6")):
        with pytest.raises(ValueError, match="format"):
            split_io_format(item, release)

"""The table of names against the strings in NVIDIA's binding wheels (see the data file for how they were read)."""

import json
from pathlib import Path

import pytest

from utils.engines.tensorrt_build import RELEASES, api_names
from utils.engines.tensorrt_build.api_table import FULL_VERSION, REMOVED_BUT_A_DATA_TYPE

WHEELS = json.loads((Path(__file__).parent / "data/tensorrt_binding_names.json").read_text(encoding="utf-8"))["wheels"]
ELSEWHERE = {"max_batch_size"}  # also a name of DLA and plugin classes, so its string stays


def wheel(version):
    return next(found for name, found in WHEELS.items() if name.endswith(f"-{version}"))


@pytest.mark.parametrize("release", RELEASES)
def test_every_name_stands_in_its_wheel(release):
    found = wheel(FULL_VERSION[release])
    strings = set(found["whole"]) | set(found["tail_of_a_longer_string"])
    for owner, names in api_names(release).items():
        # the builder's flag BF16, say, is not told from the data type by a string; ParserError is a class of its own
        assert set(names) <= strings, (owner, set(names) - strings)


@pytest.mark.parametrize("release", RELEASES)
def test_every_name_that_is_missing_is_missing_there_too(release):
    found, here = wheel(FULL_VERSION[release]), {n for names in api_names(release).values() for n in names}
    everywhere = {n for r in RELEASES for names in api_names(r).values() for n in names}
    still = (everywhere - here) - set(found["absent"])
    allowed = ELSEWHERE | (REMOVED_BUT_A_DATA_TYPE if release == "11.1" else {"INT4", "BF16", "FP4"})
    assert still <= allowed, still


def test_fp16_is_gone_from_11_as_a_string():
    assert "FP16" in wheel("11.1.0.106")["absent"] and "EXPLICIT_BATCH" in wheel("11.1.0.106")["absent"]


def test_11_4_has_the_names_of_11_1():
    assert wheel("11.4.0.106") == wheel("11.1.0.106")

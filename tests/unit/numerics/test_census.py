"""Every word of one 16-bit format in the other."""

import numpy as np
import pytest

from utils.numerics.census import CONVERSION_CLASSES, conversion_census, conversion_map
from utils.numerics.formats import BF16, E2M1, E4M3, E5M2, FORMATS, FP16, FP32, TF32

PAIRS = [(a, b) for a in (FP16, BF16, E5M2, E4M3, E2M1) for b in FORMATS.values()]


def test_bf16_and_fp16():
    assert conversion_census(BF16, FP16) == {"exact": 8_704, "rounded": 1_792, "flushed_to_zero": 26_112, "overflow": 28_672}
    assert conversion_census(FP16, BF16) == {"exact": 8_704, "rounded": 54_784, "flushed_to_zero": 0, "overflow": 0}


def test_counts_of_bf16_in_fp16_follow_from_the_exponents():
    """A binade has 128 words of each sign. Overflow from 2^16 on; zero up to 2^-25, a tie, so its own word too."""
    binades_above = 127 - 15
    flushed_positive = 127 + (126 - 25) * 128 + 1  # subnormals, binades 2^-126 ... 2^-26, and 2^-25 itself
    census = conversion_census(BF16, FP16)
    assert census["overflow"] == 2 * 128 * binades_above
    assert census["flushed_to_zero"] == 2 * flushed_positive


@pytest.mark.parametrize("src, dst", PAIRS, ids=[f"{a.name}-{b.name}" for a, b in PAIRS])
def test_every_finite_word_is_counted_once(src, dst):
    census = conversion_census(src, dst)
    assert sum(census.values()) == src.n_finite
    if dst.exp_bits >= src.exp_bits and dst.man_bits >= src.man_bits and dst.special in ("ieee", src.special):
        assert census["exact"] == src.n_finite


def test_nothing_rounds_on_the_way_to_itself_or_to_fp32():
    for src in (FP16, BF16, E5M2, E4M3):
        assert conversion_census(src, FP32)["exact"] == src.n_finite
        assert conversion_census(src, src)["exact"] == src.n_finite


def test_saturated_values_count_as_overflow():
    # E2M1 ends at 6 and would go on with 8. From E4M3 come 8 ... 448 (six binades of 8 words, without the NaN), 7.5,
    # which is nearer to 8, and 7, a tie that goes to the even word of 8.
    assert conversion_census(E4M3, E2M1)["overflow"] == 2 * (6 * 8 - 1 + 2)


@pytest.mark.parametrize("src, dst", [(BF16, FP16), (FP16, BF16)], ids=["bf16-fp16", "fp16-bf16"])
def test_map_has_the_counts_of_the_census(src, dst):
    image = conversion_map(src, dst)
    assert image.shape == (256, 256) and image.dtype == np.uint8
    counts = dict(zip(CONVERSION_CLASSES, np.bincount(image.ravel(), minlength=6).tolist()))
    assert {k: counts[k] for k in CONVERSION_CLASSES[:4]} == conversion_census(src, dst)
    assert (counts["nan"], counts["infinity"]) == (65_536 - src.n_finite - 2, 2)


def test_rows_of_the_map_are_upper_bytes():
    image = conversion_map(BF16, FP16)
    kind = {word: CONVERSION_CLASSES[image[word >> 8, word & 255]] for word in (0x3F80, 0x7F80, 0x7F81, 0x7F00, 0x0001, 0x8000)}
    assert kind == {0x3F80: "exact", 0x7F80: "infinity", 0x7F81: "nan", 0x7F00: "overflow", 0x0001: "flushed_to_zero",
                    0x8000: "exact"}


def test_bad_arguments():
    with pytest.raises(ValueError, match="too many words"):
        conversion_census(TF32, FP16)
    with pytest.raises(ValueError, match="16 bits"):
        conversion_map(E4M3, FP16)

"""Chapter 46's figures: the numbers in their sentences against independent counts, labelled axes, all knobs."""

import re

import numpy as np
import pytest

from utils.attention.attention_memory import KernelRun
from utils.hardware.gpu_arch import GPUS
from utils.widgets import ch46_flash_attention as ch


def numbers(sentence):
    return [float(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*\.?\d*", sentence)]


def flash2_by_loops(n, d, br, bc, causal, steps):
    """(reads, writes, finished rows) after `steps` tiles, tile by tile as FlashAttention-2 visits them."""
    reads = writes = done = at = 0
    for i in range(0, n, br):
        r = min(br, n - i)
        visible = [j for j in range(0, n, bc) if not causal or j <= i + r - 1]
        for j in range(0, n, bc):
            if at == steps:
                return reads, writes, done
            at += 1
            if j not in visible:
                continue
            reads += 2 * min(bc, n - j) * d + (r * d if j == 0 else 0)
            if j == visible[-1]:
                writes, done = writes + r * d + r, i + r
    return reads, writes, done


@pytest.mark.parametrize(("n", "br", "bc", "causal"), [(16, 4, 4, True), (16, 4, 4, False), (16, 8, 2, True), (10, 4, 3, True)])
def test_theatre_counts_and_follows_a_row(n, br, bc, causal):
    tiles = -(-n // br) * -(-n // bc)
    for step in (1, tiles // 2, tiles):
        figure, told = ch.draw_theatre(n, br, bc, causal, "flash2", step, 5)
        reads, writes, done = flash2_by_loops(n, ch.HEAD, br, bc, causal, step)
        assert f"{reads:,} elements read, {writes:,} written; {done} of {n} rows are final" in told
        assert f"tile {step} of {tiles}" in told
    total = sum(flash2_by_loops(n, ch.HEAD, br, bc, causal, tiles)[:2])
    assert f"In the end {total:,} elements move, in standard attention {4 * n * n + 4 * n * ch.HEAD:,}" in told
    visible = 6 if causal else n
    scores = ch.row_scores(n, 5)[:visible]
    assert f"Row 5 has seen {visible} of {visible} keys: m = {scores.max():.2f}" in told
    assert f"l = {np.exp(scores - scores.max()).sum():.3f}" in told
    grid, meter, softmax = figure.axes
    assert (grid.get_xlabel(), grid.get_ylabel()) == ("key", "query")
    assert "elements" in meter.get_ylabel() and softmax.get_ylabel() == "score"


def test_the_2022_algorithm_writes_each_row_once_a_key_tile_and_at_the_start():
    told = ch.draw_theatre(16, 4, 4, True, "flash1", 99, 0)[1]  # beyond the last step, and causal is ignored
    writes = 5 * (16 * ch.HEAD + 2 * 16)
    assert f"{writes:,} written; 16 of 16 rows are final" in told and "causal" not in told
    assert "nothing has moved" in ch.draw_theatre(16, 4, 4, False, "flash1", 0, 0)[1]
    assert "skipped" in ch.draw_theatre(16, 4, 4, True, "flash2", 2, 0)[1]


def test_two_orders():
    figure, told = ch.draw_two_orders()
    assert numbers(told)[-1] == 10 and "visits 16 tiles" in told
    left, right = figure.axes
    assert [t.get_text() for t in left.texts] == [str(i) for i in range(1, 17)]
    assert len(right.texts) == 10
    assert ch.two_orders()._repr_html_().startswith("<img")


def test_traffic_sentence():
    n, d, br = 8192, 64, 128
    figure, told = ch.draw_traffic(n, d, 164, br, "A100 40GB")
    standard, flash2 = 2 * (4 * n * n + 4 * n * d), 2 * (2 * n * d + n + n // br * 2 * n * d)
    assert f"standard moves {standard / 1e6:.0f} MB" in told and f"FlashAttention-2 {flash2 / 1e6:.0f} MB" in told
    assert f"{standard / flash2:.3g} times less" in told and "2·Br/d = 4." in told
    gpu = GPUS["A100 40GB"]
    ms = max(standard / (gpu.mem_gb_s * 1e6), 4 * n * n * d / (312 * 1e9))
    assert f"standard: memory-bound, at least {ms:.3g} ms" in told
    assert all("sequence length" in ax.get_xlabel() and "(" in ax.get_ylabel() for ax in figure.axes)


def test_tiny_memory_makes_tiles_lose():
    told = ch.draw_traffic(131072, 256, 4, 256, "B200")[1]
    assert "times more than standard" in told and "tiles 2 × 1" in told
    assert "TB" in told
    for d, kib in ((32, 4), (256, 228)):
        assert "128" in ch.draw_traffic(128, d, kib, 64, "H200")[1]


def test_growth_and_tables():
    peaks = {"standard": [10**6 * 4**i for i in range(4)], "flash": [10**5 * 2**i for i in range(4)]}
    runs = [KernelRun(b, n, "cpu", size * n, 1.5) for b, size in (("math", 1000), ("flash", 10)) for n in (256, 512)]
    figure, told = ch.draw_growth(peaks, runs)
    assert "64.0 MB against 0.8 MB" in told and "0.5 MB (math) against 0.0 MB (flash)" in told
    assert all("(MB)" in ax.get_ylabel() for ax in figure.axes)
    told = ch.numpy_slopes(peaks)
    assert told.startswith("peak memory grows like N^2.00 in standard attention and like N^1.00 in tiles\n")
    assert told.endswith("so this is as expected")
    assert ch.numpy_slopes({"standard": peaks["flash"], "flash": peaks["flash"]}).endswith("so this is not as expected")
    assert [line.split()[0] for line in repr(ch.kernel_table(runs)).splitlines()] == ["N", "256", "512"]
    assert "20.25 MiB" in repr(ch.memory_tiers()) and "1.555 TB/s" in ch.memory_tiers().html


def test_versions_give_the_share_of_the_right_peak():
    lines = repr(ch.version_table()).splitlines()
    assert "2026" in lines[0] and len(lines) == 6
    assert f"{740 / 989:.0%} of 989" in lines[4] and f"{1613 / 2250:.0%} of 2,250" in lines[5]
    assert all("as reported" in line for line in lines[2:4]) and all("arXiv" in line for line in lines[2:])


def test_shells_follow_their_sizes():
    theatre = ch.tile_theatre()
    *_, view = theatre.children
    knobs = {k.description: k for k in view.children[1].children}
    knobs["N"].value = 32
    assert knobs["tiles done"].max == 64 and knobs["row to follow"].max == 31
    assert ch.traffic_map() is not None and len(ch.static_picture().axes) == 3

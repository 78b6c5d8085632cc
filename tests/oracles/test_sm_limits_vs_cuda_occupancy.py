"""Occupancy against NVIDIA's own calculator (recorded), and its published examples."""

import ast
import csv
from pathlib import Path

import pytest

from autograder.chapters import CHAPTERS
from autograder.notebooks.master import read_master
from utils.hardware.gpu_arch import GPUS
from utils.hardware.gpu_monitor import plain
from utils.hardware.sm_limits import SM_LIMITS, active_blocks

DATA = Path(__file__).parent / "data" / "cuda_occupancy.csv"
LINES = [line for line in DATA.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
ROWS = [(r["cc"], *(int(r[k]) for k in ("regs", "smem_bytes", "threads", "blocks"))) for r in csv.DictReader(LINES)]


def given_in_the_notebook():
    """`blocks_per_sm` of chapter 49's cell for sm_occupancy."""
    tree = ast.parse(read_master(CHAPTERS["49"].master).solutions["sm_occupancy"].source)
    tree.body = [node for node in tree.body if getattr(node, "name", "") == "blocks_per_sm"]
    namespace = {}
    exec(compile(tree, "cell", "exec"), namespace)
    return namespace["blocks_per_sm"]


def test_every_recorded_configuration():
    assert len(ROWS) == 300 and {r[0] for r in ROWS} == set(SM_LIMITS)
    assert sum(r[-1] == 0 for r in ROWS) > 20  # some can't launch
    given = given_in_the_notebook()
    for cc, regs, smem, threads, blocks in ROWS:
        found = active_blocks(cc, regs, smem, threads)
        assert found.blocks == blocks, (cc, regs, smem, threads)
        limits = SM_LIMITS[cc].as_dict()
        assert plain.blocks_per_sm(limits, threads, regs, smem) == given(limits, threads, regs, smem) == blocks
        assert found.warps == blocks * ((threads + 31) // 32)


# NVIDIA's best-practices guide gives CC 7.0 with 37 registers; the rows of 8.0 are those of its spreadsheet calculator.
@pytest.mark.parametrize(("cc", "regs", "smem", "threads", "blocks", "occupancy", "limiter"), [
    ("7.0", 37, 0, 128, 12, 0.75, "registers"), ("7.0", 37, 0, 320, 4, 0.625, "registers"),
    ("8.0", 32, 0, 256, 8, 1.0, "warps"), ("8.0", 64, 0, 256, 4, 0.5, "registers"),
    ("8.0", 32, 49152, 128, 3, 0.1875, "shared memory"), ("8.0", 65, 0, 1024, 0, 0.0, "registers"),
    ("8.0", 32, 0, 32, 32, 0.5, "blocks"), ("8.0", 40, 0, 96, 16, 0.75, "registers"),
])
def test_published_examples(cc, regs, smem, threads, blocks, occupancy, limiter):
    found = active_blocks(cc, regs, smem, threads)
    assert (found.blocks, found.occupancy, found.limiter) == (blocks, occupancy, limiter)


def test_every_gpu_from_volta_on_has_its_limits():
    assert all(gpu.cc in SM_LIMITS for gpu in GPUS.values() if float(gpu.cc) >= 7)

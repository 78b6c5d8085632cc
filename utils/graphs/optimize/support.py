"""Where a graph changes hands between a device and the CPU."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import NamedTuple


class SupportRun(NamedTuple):
    """A maximal run of neighbouring operators that are all supported or all not: `ops[start:stop]`."""

    supported: bool
    start: int
    stop: int


def support_runs(ops: Sequence[str], supported: Collection[str]) -> list[SupportRun]:
    """Cut operators, in the order in which they run, into maximal runs that a device supports or does not.

    Each border between two runs is one hand-over of tensors. Runs follow the order, not the wires: two
    supported branches beside each other count as one run.

    >>> support_runs(["Conv", "Relu", "Resize", "Conv"], {"Conv", "Relu"})[1]
    SupportRun(supported=False, start=2, stop=3)
    """
    known = frozenset(supported)
    runs: list[SupportRun] = []
    for is_supported, group in groupby(ops, key=known.__contains__):
        start = runs[-1].stop if runs else 0
        runs.append(SupportRun(is_supported, start, start + sum(1 for _ in group)))
    return runs

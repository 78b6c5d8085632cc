"""Prometheus text, which Triton serves on its metrics port, and what it says about batches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LINE = re.compile(r"(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse_metrics(text: str) -> list[tuple[str, dict[str, str], float]]:
    """(name, labels, value) of each sample. Raises ValueError for a line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"line {number} must be a sample of the Prometheus text format, got {line[:60]!r}")
        found.append((match["name"], dict(_LABEL.findall(match["labels"] or "")), float(match["value"])))
    return found


def model_metric(text: str, name: str, model: str) -> float:
    """The sum of one metric over all samples of a model."""
    return sum(value for n, labels, value in parse_metrics(text) if n == name and labels.get("model") == model)


def batch_sizes(stats: Mapping[str, Any]) -> dict[int, int]:
    """{batch size: how many executions had it} from a model's statistics, sorted by size."""
    counts = {int(one["batch_size"]): int(one["compute_infer"]["count"]) for one in stats.get("batch_stats", [])}
    return dict(sorted(counts.items()))

"""What the forward and the backward pass have in common: inputs, the limit on memory, and what may not be called."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from ...compare import brief
from ...exercise import Case

NEG_INF = -np.inf
PEAK_BYTES = 1_000_000  # the 1,500 x 1,500 scores are 18 MB in float64, one panel of 256 x 1,500 is 3 MB


def ready_made(tree: ast.AST) -> str | None:
    """A library's attention would do the whole exercise."""
    banned = ("scaled_dot_product", "flex_attention", "multi_head_attention", "multiheadattention")
    for node in ast.walk(tree):
        name = (node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name)
                else node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value
                else node.name if isinstance(node, ast.alias) else "")
        if any(word in name.lower() for word in banned):
            return f"`{name}` does the work for you. Write the loops over the tiles yourself."
    return None


def random_qkv(rng: np.random.Generator, n_q: int, n_k: int, d: int, dv: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q (n_q, d), k (n_k, d) and v (n_k, dv), standard normal."""
    return rng.standard_normal((n_q, d)), rng.standard_normal((n_k, d)), rng.standard_normal((n_k, dv))


def over_peak(case: Case, expected: dict, got: dict) -> str | None:
    """A sentence if more than PEAK_BYTES were held at once."""
    peak = held_bytes(got)
    return None if peak <= PEAK_BYTES else f"{peak / 1e6:.1f} MB at the peak, at most {PEAK_BYTES / 1e6:.0f} MB are allowed"


def held_bytes(got: dict) -> int:
    """Bytes at the peak: of all arrays together, or of the largest tensor."""
    return max(got["peak_bytes"], got["largest_tensor_bytes"])


def both_over(one: dict, other: dict, case: Case) -> str | None:
    """Both within the limit, both somewhat above it (a panel, a mask of bytes), or both with a whole float matrix."""
    steps = [sum(held_bytes(told) > step for step in (PEAK_BYTES, 15e6)) for told in (one, other)]
    return None if steps[0] == steps[1] else "differs"


def show_attention(value: Any) -> str:
    """What a limit case measured in words; other values as usual."""
    if isinstance(value, dict) and "peak_bytes" in value:
        return f"{held_bytes(value) / 1e6:.2f} MB"
    if isinstance(value, dict) and "largest_product" in value:
        return f"{value['largest_product']:,} numbers"
    if isinstance(value, dict) and "used" in value:
        return f"{value['used']} tiles"
    return brief(value)

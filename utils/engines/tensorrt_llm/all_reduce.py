"""All-reduce: every rank ends with the sum of what all ranks had."""

from __future__ import annotations

import numpy as np

from utils.cost.checks import non_negative, positive


def ring_all_reduce(parts: list[np.ndarray]) -> tuple[list[np.ndarray], int]:
    """(each rank's copy of the sum, bytes that the busiest rank sent), by 2 (P - 1) exchanges of one chunk.

    `parts` holds one array a rank, of one shape and dtype. First each chunk travels once around the ring and
    collects its sum (reduce-scatter), then once more to be copied (all-gather). Raises ValueError for no parts or
    different shapes.

    Source: Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009.
    """
    if not parts or any(p.shape != parts[0].shape for p in parts):
        raise ValueError(f"parts must be one array a rank of one shape, got shapes {[p.shape for p in parts]}")
    ranks = len(parts)
    chunks = [np.array_split(np.array(p).ravel(), ranks) for p in parts]  # [rank][chunk], copies
    sent = [0] * ranks
    for phase in ("reduce-scatter", "all-gather"):
        for step in range(ranks - 1):
            first = 0 if phase == "reduce-scatter" else 1
            moves = [(rank, (rank - step + first) % ranks) for rank in range(ranks)]
            wire = [chunks[rank][c].copy() for rank, c in moves]  # all send at the same time
            for (rank, c), data in zip(moves, wire):
                target = chunks[(rank + 1) % ranks]
                target[c] = target[c] + data if phase == "reduce-scatter" else data
                sent[rank] += data.nbytes
    return [np.concatenate(own).reshape(parts[0].shape) for own in chunks], max(sent)


def all_reduce_bytes(tokens: int, d_model: int, layers: int, tp: int, item_bytes: float = 2) -> float:
    """Bytes that each rank sends in one forward pass: two ring all-reduces of (tokens, d_model) a layer.

    >>> all_reduce_bytes(1, 8192, 80, 8)  # one token of Llama-3-70B on eight GPUs
    4587520.0
    """
    positive(d_model=d_model, layers=layers, tp=tp, item_bytes=item_bytes)
    non_negative(tokens=tokens)
    return layers * 2 * 2 * (tp - 1) / tp * tokens * d_model * item_bytes

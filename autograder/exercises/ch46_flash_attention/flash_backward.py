"""Exercise 46.flash_backward: the gradients, from tiles that are computed anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch  # here and not where it is used: its import must not count as an answer's time

from utils.attention import flash

from ...compare import close, prop
from ...exercise import Case, Exercise, Misconception
from .shared import NEG_INF, both_over, over_peak, random_qkv, ready_made, show_attention


def _flash_backward(q: np.ndarray, k: np.ndarray, v: np.ndarray, o: np.ndarray, do: np.ndarray, lse: np.ndarray,
                    block_q: int, block_k: int, causal: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return flash.flash_backward(q, k, v, o, do, lse, block_q, block_k, causal)


def _backward(*, delta: str = "row", scale_dq: bool = True, scale_dk: bool = True, weights: str = "lse",
              dq_overwritten: bool = False, dk_overwritten: bool = False, masked: bool = True,
              score_scale: Callable = np.sqrt, full_mask: str = "never") -> Callable:
    """A backward pass, K outside, with one mistake; with its defaults it is right.

    full_mask: "never", "causal" (only then) or "always".
    """

    def flash_backward(q, k, v, o, do, lse, block_q, block_k, causal=False):
        n, d = q.shape
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        wanted = full_mask == "always" or (causal and full_mask == "causal")
        hidden = np.triu(np.ones((n, n), bool), 1) if wanted else None
        for j in range(0, n, block_k):
            for i in range(0, n, block_q):
                rows, cols = slice(i, min(i + block_q, n)), slice(j, min(j + block_k, n))
                if causal and masked and j >= rows.stop:
                    continue
                s = q[rows] @ k[cols].T / score_scale(d)
                if causal and masked:
                    s[np.arange(j, cols.stop) > np.arange(i, rows.stop)[:, None] if hidden is None
                      else hidden[rows, cols]] = NEG_INF
                p = _weights(s, lse[rows], weights)
                dp = do[rows] @ v[cols].T
                ds = p * (dp - {"row": (o[rows] * do[rows]).sum(axis=1), "tile": (p * dp).sum(axis=1),
                                "none": np.zeros(len(p)), "o": o[rows].sum(axis=1)}[delta][:, None])
                dv[cols] += p.T @ do[rows]
                new_k, new_q = ds.T @ q[rows], ds @ k[cols]
                dk[cols] = (0 if dk_overwritten else dk[cols]) + new_k / (np.sqrt(d) if scale_dk else 1)
                dq[rows] = (0 if dq_overwritten else dq[rows]) + new_q / (np.sqrt(d) if scale_dq else 1)
        return dq, dk, dv

    return flash_backward


def _weights(s: np.ndarray, lse: np.ndarray, how: str) -> np.ndarray:
    """P of a tile: "lse" is right, "tile" is a softmax of the tile alone, "maximum" lacks the normaliser."""
    if how == "lse":
        return np.exp(s - lse[:, None])
    p = np.exp(s - s.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True) if how == "tile" else p


def _backward_whole(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """All of P at once."""
    s = q @ k.T / np.sqrt(q.shape[1])
    if causal:
        s[np.arange(len(k)) > np.arange(len(q))[:, None]] = NEG_INF
    p = np.exp(s - lse[:, None])
    ds = p * (do @ v.T - (o * do).sum(axis=1)[:, None]) / np.sqrt(q.shape[1])
    return ds @ k, ds.T @ q, p.T @ do


def _backward_torch_whole(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """Autograd through plain attention."""
    q, k, v = (torch.from_numpy(a).requires_grad_() for a in (q, k, v))
    s = q @ k.T / q.shape[1] ** 0.5
    if causal:
        s = s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), NEG_INF)
    return torch.autograd.grad(torch.softmax(s, dim=1) @ v, (q, k, v), torch.from_numpy(do))


def _backward_panel(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """A tile of queries against all keys."""
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))
        s = q[rows] @ k.T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(len(k)) > np.arange(i, rows.stop)[:, None]] = NEG_INF
        p = np.exp(s - lse[rows, None])
        ds = p * (do[rows] @ v.T - (o[rows] * do[rows]).sum(axis=1)[:, None]) / np.sqrt(q.shape[1])
        dq[rows] = ds @ k
        dk += ds.T @ q[rows]
        dv += p.T @ do[rows]
    return dq, dk, dv


def _backward_panel_keys(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """All queries against a tile of keys."""
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for j in range(0, len(k), block_k):
        cols = slice(j, min(j + block_k, len(k)))
        s = q @ k[cols].T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(j, cols.stop) > np.arange(len(q))[:, None]] = NEG_INF
        p = np.exp(s - lse[:, None])
        ds = p * (do @ v[cols].T - (o * do).sum(axis=1)[:, None]) / np.sqrt(q.shape[1])
        dq += ds @ k[cols]
        dk[cols], dv[cols] = ds.T @ q, p.T @ do
    return dq, dk, dv


def _queries_outside(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """The other loop order: dq is finished at once, dk and dv grow."""
    dq, dk, dv = (np.zeros(a.shape) for a in (q, k, v))
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))
        d_row = np.einsum("id,id->i", o[rows], do[rows])
        tile_dq = np.zeros(q[rows].shape)
        for j in range(0, len(k), block_k):
            cols = slice(j, min(j + block_k, len(k)))
            visible = (np.arange(j, cols.stop) <= np.arange(i, rows.stop)[:, None]) | (not causal)
            p = np.exp(np.where(visible, q[rows] @ k[cols].T / np.sqrt(q.shape[1]), NEG_INF) - lse[rows, None])
            ds = p * (do[rows] @ v[cols].T - d_row[:, None]) / np.sqrt(q.shape[1])
            tile_dq += ds @ k[cols]
            dk[cols] += ds.T @ q[rows]
            dv[cols] += p.T @ do[rows]
        dq[rows] = tile_dq
    return dq, dk, dv


def _two_sweeps(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """D is summed over all key tiles in a sweep of its own; o is not needed."""
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))

        def tile(cols: slice, rows: slice = rows) -> tuple[np.ndarray, np.ndarray]:
            s = q[rows] @ k[cols].T / np.sqrt(q.shape[1])
            if causal:
                s[np.arange(cols.start, cols.stop) > np.arange(rows.start, rows.stop)[:, None]] = NEG_INF
            return np.exp(s - lse[rows, None]), do[rows] @ v[cols].T

        all_cols = [slice(j, min(j + block_k, len(k))) for j in range(0, len(k), block_k)]
        d_row = sum((p * dp).sum(axis=1) for p, dp in map(tile, all_cols))
        for cols in all_cols:
            p, dp = tile(cols)
            ds = p * (dp - d_row[:, None]) / np.sqrt(q.shape[1])
            dq[rows] += ds @ k[cols]
            dk[cols] += ds.T @ q[rows]
            dv[cols] += p.T @ do[rows]
    return dq, dk, dv


def _torch_backward(q, k, v, o, do, lse, block_q, block_k, causal=False):
    """Tiles in torch."""
    q, k, v, o, do, lse = (torch.from_numpy(a) for a in (q, k, v, o, do, lse))
    dq, dk, dv = (torch.zeros_like(a) for a in (q, k, v))
    d_row, scale = (o * do).sum(dim=1, keepdim=True), q.shape[1] ** -0.5
    for rows in torch.arange(len(q)).split(block_q):
        for cols in torch.arange(len(k)).split(block_k):
            s = q[rows] @ k[cols].T * scale
            if causal:
                s = s.masked_fill(cols > rows[:, None], NEG_INF)
            p = torch.exp(s - lse[rows, None])
            ds = p * (do[rows] @ v[cols].T - d_row[rows]) * scale
            dq[rows] += ds @ k[cols]
            dk[cols] += ds.T @ q[rows]
            dv[cols] += p.T @ do[rows]
    return dq, dk, dv


def _gradients(n: int, d: int, dv: int, block_q: int, block_k: int, causal: bool = False, *, grow: float = 1.0,
               seed: int = 0, **case: Any) -> Case:
    rng = np.random.default_rng(seed)
    q, k, v = random_qkv(rng, n, n, d, dv)
    q, do = q * grow, rng.standard_normal((n, dv))
    o, lse = flash.flash_forward(q, k, v, min(n, 256), min(n, 256), causal)
    label = case.pop("label", "") or (f"N = {n}, d = {d}, dv = {dv}, tiles of {block_q} × {block_k}"
                                      + (", causal" if causal else ""))
    return Case(q, k, v, o, do, lse, block_q, block_k, causal, label=label, **case)


def _draw_gradients(rng: np.random.Generator) -> Case:
    n, d, dv, block_q, block_k = (int(rng.integers(1, top)) for top in (16, 7, 7, 19, 19))
    return _gradients(n, d, dv, block_q, block_k, bool(rng.integers(2)), grow=float(rng.choice([1.0, 4.0])),
                      seed=int(rng.integers(2**31)))


def _peak_backward(block_q: int, block_k: int, causal: bool = False) -> Case:
    return _gradients(1500, 4, 4, block_q, block_k, causal, probe="ch46_flash_attention.peak_memory",
                      compare=prop(over_peak, same=both_over),
                      label=f"memory: N = 1,500, d = 4, tiles of {block_q} × {block_k}{', causal' if causal else ''}")


def _identity_case(causal: bool) -> Case:
    eye = np.eye(2)
    o, lse = flash.flash_forward(eye, eye, eye, 1, 1, causal)
    return Case(eye, eye, eye, o, eye, lse, 1, 1, *([True] if causal else []),  # the default once, too
                label="q = k = v = do = the 2 × 2 identity, tiles of 1 × 1" + (", causal" if causal else ""))


flash_backward = Exercise(
    id="46.flash_backward", points=4, difficulty=3, minutes=30, idea="rebuild P from the saved log-sum-exp",
    reference=_flash_backward,
    cases=[_identity_case(False), _identity_case(True), _gradients(5, 4, 3, 2, 3), _gradients(6, 3, 3, 4, 2, True)],
    hidden=[
        _gradients(67, 16, 16, 16, 8), _gradients(50, 16, 16, 64, 7, True), _gradients(1, 8, 8, 4, 4),
        _gradients(8, 4, 4, 8, 8), _gradients(9, 2, 5, 4, 4, True), _gradients(12, 4, 4, 5, 3, grow=30,
                                                                              label="scores of some ten"),
    ],
    draw=_draw_gradients, draws=30, pure=True, show=show_attention,
    limits=[_peak_backward(8, 256), _peak_backward(256, 8), _peak_backward(64, 64, True)],
    compare=close(rtol=1e-9, atol=1e-9), forbid=ready_made, time_limit_s=20,
    misconceptions=[
        Misconception(
            "no_delta", _backward(delta="none"),
            "Softmax couples a row: raising one score lowers the weights of all others. dS = P∘dP leaves that out. The "
            "row's own weighted mean of dP has to be subtracted first.",
            "The coupling of the row is missing."),
        Misconception(
            "delta_of_a_tile", _backward(delta="tile"),
            "You sum P∘dP over the keys of one tile. The row goes on in the other tiles. There is a way to have the sum "
            "over all keys without visiting them: look at what o and do hold.",
            "D knows one tile only.",
            also=(_backward(delta="o"),)),
        Misconception(
            "no_scale", _backward(scale_dq=False, scale_dk=False),
            "S is Q·Kᵀ divided by √d. So the gradient for Q and for K carries the same factor.",
            "1/√d is missing in a gradient.", also=(_backward(scale_dq=False), _backward(scale_dk=False))),
        Misconception(
            "score_scale", _backward(score_scale=lambda d: 1),
            "P is rebuilt from the scores, and lse was computed from scores divided by √d. Scale them here as well.",
            "The scores are not scaled.", also=(_backward(score_scale=lambda d: d),)),
        Misconception(
            "tile_softmax", _backward(weights="tile"),
            "You rebuild P from the maximum and sum of one tile, so each tile's weights add up to 1. exp(S − lse) is "
            "normalised over the whole row already.",
            "P is normalised by tile.", also=(_backward(weights="maximum"),)),
        Misconception(
            "overwrites", _backward(dq_overwritten=True),
            "A row of dq gets a share from every key tile, a row of dk and dv from every query tile. Yours keeps only the "
            "last share.",
            "A gradient is overwritten.",
            also=(_backward(dk_overwritten=True), _backward(dq_overwritten=True, dk_overwritten=True))),
        Misconception(
            "no_mask", _backward(masked=False),
            "lse was computed without the hidden keys. If they come back here, their weights exp(S − lse) are anything but "
            "0. Mask each tile as in the forward pass.",
            "The causal mask is missing."),
        Misconception(
            "full_mask", _backward(full_mask="causal"),
            "The scores come tile by tile, but the mask is built for all N × N places. Each tile can make its own from "
            "the positions of its rows and columns.",
            "The mask is N × N.", also=(_backward(full_mask="always"),)),
        Misconception(
            "whole_matrix", _backward_whole,
            "The numbers are right, and they come from all of P at once. That is the matrix which the forward pass took "
            "care not to keep. Loop over tiles of block_q queries and block_k keys.",
            "The whole of P is there.", also=(_backward_torch_whole,)),
        Misconception(
            "panel", _backward_panel,
            "One of the two loops is missing: a product runs over all keys (or all queries) at once, so it grows with N. "
            "Loop over both.",
            "A panel instead of a tile.", also=(_backward_panel_keys,)),
    ],
    alternatives=[_queries_outside, _two_sweeps, _torch_backward],
    hints=(
        "Per tile: S from q and k, P = exp(S − lse), dP = do·vᵀ. Then dv gets Pᵀ·do.",
        "dS = P∘(dP − D) with one number D for each row. D = Σ P∘dP over all keys, and that is the same as Σ do∘o over the "
        "row's columns.",
        "dq gets dS·k and dk gets dSᵀ·q, both divided by √d. Add to the slices, do not assign.",
    ),
    worth_knowing="Backward does 5 matrix products a tile, 4 of them needed anyway. Recomputing S costs 25 % more of them.",
)

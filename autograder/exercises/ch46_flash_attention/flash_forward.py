"""Exercise 46.flash_forward: exact attention, one tile at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch  # here and not where it is used: its import must not count as an answer's time

from utils.attention import flash, merge

from ...compare import close, exact, prop
from ...exercise import Case, Exercise, Misconception
from .shared import NEG_INF, both_over, over_peak, random_qkv, ready_made, show_attention


def _flash_forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                   causal: bool = False) -> tuple[np.ndarray, np.ndarray]:
    return flash.flash_forward(q, k, v, block_q, block_k, causal)


def _forward(*, scale: Callable = np.sqrt, top_left: bool = False, full_mask: str = "never", skip: bool = True,
             step: Callable | None = None, finish: Callable | None = None, ragged: bool = True,
             in_place: bool = False, masked: bool = True, mask_value: float = NEG_INF, float_mask: bool = False) -> Callable:
    """A forward pass, Q outside, with one mistake; with its defaults it is right.

    step(m, l, acc, s, v) gives the new m, l, acc; finish(m, l, acc) gives o and lse of a query tile.
    full_mask: "never", "causal" (only then) or "always".
    """
    step, finish = step or _right_step, finish or _right_finish

    def flash_forward(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                      causal: bool = False) -> tuple[np.ndarray, np.ndarray]:
        n_q, n_k = len(q), len(k)
        offset = 0 if top_left else n_k - n_q
        hidden = None
        if full_mask == "always" or (causal and full_mask == "causal"):
            hidden = np.arange(n_k)[None, :] > offset + np.arange(n_q)[:, None]
            hidden = np.where(hidden, 1.0, 0.0) == 1 if float_mask else hidden
        o, lse = np.zeros((n_q, v.shape[1])), np.zeros(n_q)
        last_q, last_k = (n_q, n_k) if ragged else (n_q // block_q * block_q, n_k // block_k * block_k)
        for i in range(0, last_q, block_q):
            qi = q[i:i + block_q]
            if in_place:
                qi /= scale(q.shape[1])
            else:
                qi = qi / scale(q.shape[1])
            m, l, acc = np.full(len(qi), NEG_INF), np.zeros(len(qi)), np.zeros((len(qi), v.shape[1]))
            for j in range(0, last_k, block_k):
                if causal and skip and masked and j > offset + i + len(qi) - 1:
                    break
                s = qi @ k[j:j + block_k].T
                if causal and masked:
                    tile = np.arange(j, j + s.shape[1]) > offset + np.arange(i, i + len(qi))[:, None]
                    s[tile if hidden is None else hidden[i:i + block_q, j:j + block_k]] = mask_value
                m, l, acc = step(m, l, acc, s, v[j:j + block_k])
            o[i:i + block_q], lse[i:i + block_q] = finish(m, l, acc)
        return o, lse

    return flash_forward


def _right_step(m: np.ndarray, l: np.ndarray, acc: np.ndarray, s: np.ndarray, v: np.ndarray) -> tuple:
    m_new = np.maximum(m, s.max(axis=1))
    p, keep = np.exp(s - m_new[:, None]), np.exp(m - m_new)
    return m_new, keep * l + p.sum(axis=1), keep[:, None] * acc + p @ v


def _right_finish(m: np.ndarray, l: np.ndarray, acc: np.ndarray) -> tuple:
    return acc / l[:, None], m + np.log(l)


def _step(*, rescale_l: bool = True, rescale_acc: bool = True, divide: str = "", block_max: bool = False,
          shift: bool = True) -> Callable:
    """A step with one mistake."""

    def step(m: np.ndarray, l: np.ndarray, acc: np.ndarray, s: np.ndarray, v: np.ndarray) -> tuple:
        m_new = np.maximum(m, s.max(axis=1)) if shift else np.zeros(len(s))
        p = np.exp(s - (s.max(axis=1) if block_max else m_new)[:, None])
        keep = np.exp(m - m_new) if shift else np.ones(len(s))
        l_new = (keep if rescale_l else 1) * l + p.sum(axis=1)
        by = {"": 1, "tile": p.sum(axis=1)[:, None], "running": l_new[:, None]}[divide]
        return m_new, l_new, (keep[:, None] if rescale_acc else 1) * acc + p @ v / by

    return step


def _whole(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """Standard attention: right numbers, with all scores at once."""
    s = q @ k.T / np.sqrt(q.shape[1])
    if causal:
        s[np.arange(len(k)) > len(k) - len(q) + np.arange(len(q))[:, None]] = NEG_INF
    m = s.max(axis=1)
    p = np.exp(s - m[:, None])
    return p @ v / p.sum(axis=1)[:, None], m + np.log(p.sum(axis=1))


def _whole_unseen(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    return _whole(np.asarray(q), np.asarray(k), np.asarray(v), block_q, block_k, causal)


def _whole_torch(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    q, k, v = (torch.from_numpy(np.asarray(a)) for a in (q, k, v))
    s = q @ k.T / q.shape[1] ** 0.5
    if causal:
        s = s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(len(k) - len(q) + 1), NEG_INF)
    return torch.softmax(s, dim=1) @ v, torch.logsumexp(s, dim=1)


def _rows_at_once(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """A tile of queries against all keys that its last row may see: no running maximum is needed."""
    o, lse = np.zeros((len(q), v.shape[1])), np.zeros(len(q))
    offset = len(k) - len(q)
    for i in range(0, len(q), block_q):
        rows = slice(i, min(i + block_q, len(q)))
        seen = offset + rows.stop if causal else len(k)
        s = q[rows] @ k[:seen].T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(seen) > offset + np.arange(i, rows.stop)[:, None]] = NEG_INF
        m = s.max(axis=1)
        p = np.exp(s - m[:, None])
        o[rows], lse[rows] = p @ v[:seen] / p.sum(axis=1)[:, None], m + np.log(p.sum(axis=1))
    return o, lse


def _columns_at_once(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int,
                     causal: bool = False) -> tuple:
    """All queries against one tile of keys."""
    m, l, acc = np.full(len(q), NEG_INF), np.zeros(len(q)), np.zeros((len(q), v.shape[1]))
    for j in range(0, len(k), block_k):
        s = q @ k[j:j + block_k].T / np.sqrt(q.shape[1])
        if causal:
            s[np.arange(j, j + s.shape[1]) > len(k) - len(q) + np.arange(len(q))[:, None]] = NEG_INF
        m, l, acc = _right_step(m, l, acc, s, v[j:j + block_k])
    return _right_finish(m, l, acc)


def _keys_outside(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """The loop order of 2022: o, l and m are kept for all rows and o is normalised at each step."""
    o, l, m = np.zeros((len(q), v.shape[1])), np.zeros(len(q)), np.full(len(q), NEG_INF)
    offset = len(k) - len(q)
    for j in range(0, len(k), block_k):
        for i in range(0, len(q), block_q):
            rows, cols = slice(i, min(i + block_q, len(q))), slice(j, min(j + block_k, len(k)))
            if causal and cols.start > offset + rows.stop - 1:
                continue
            s = np.dot(q[rows], k[cols].T) / np.sqrt(q.shape[1])
            if causal:
                s += np.where(np.arange(j, cols.stop) > offset + np.arange(i, rows.stop)[:, None], NEG_INF, 0)
            m_new = np.maximum(m[rows], s.max(axis=1))
            p, kept = np.exp(s - m_new[:, None]), l[rows] * np.exp(m[rows] - m_new)
            l_new = kept + p.sum(axis=1)
            o[rows] = (kept[:, None] * o[rows] + p @ v[cols]) / l_new[:, None]
            l[rows], m[rows] = l_new, m_new
    return o, m + np.log(l)


def _halves(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """A query tile's keys are split in halves until a half fits; the parts are merged on the way back."""
    offset = len(k) - len(q)

    def part(i: int, qi: np.ndarray, start: int, stop: int) -> tuple:
        if causal and start > offset + i + len(qi) - 1:
            return np.zeros((len(qi), v.shape[1])), np.full(len(qi), NEG_INF)
        if stop - start > block_k:
            middle = (start + stop) // 2
            return merge.merge_pair(*part(i, qi, start, middle), *part(i, qi, middle, stop))
        s = qi @ k[start:stop].T
        if causal:
            s[np.arange(start, stop) > offset + np.arange(i, i + len(qi))[:, None]] = NEG_INF
        top = s.max(axis=1)
        p = np.exp(s - np.where(top > NEG_INF, top, 0)[:, None])
        l = p.sum(axis=1)
        return p @ v[start:stop] / np.where(l > 0, l, 1)[:, None], top + np.log(np.where(l > 0, l, 1))

    tiles = [part(i, q[i:i + block_q] / np.sqrt(q.shape[1]), 0, len(k)) for i in range(0, len(q), block_q)]
    return np.concatenate([o for o, _ in tiles]), np.concatenate([lse for _, lse in tiles])


def _torch_tiles(q: np.ndarray, k: np.ndarray, v: np.ndarray, block_q: int, block_k: int, causal: bool = False) -> tuple:
    """Tiles in torch, with one running log-sum-exp instead of m and l."""
    q, k, v = (torch.from_numpy(np.asarray(a, np.float64)) for a in (q, k, v))
    offset, tiles = len(k) - len(q), []
    for i, qi in zip(range(0, len(q), block_q), q.split(block_q)):
        lse, o = torch.full((len(qi),), NEG_INF, dtype=q.dtype), torch.zeros(len(qi), v.shape[1], dtype=q.dtype)
        for j in range(0, len(k), block_k):
            if causal and j >= offset + i + len(qi):
                break
            s = qi @ k[j:j + block_k].T / q.shape[1] ** 0.5
            if causal:
                s = s.masked_fill(torch.arange(j, j + s.shape[1]) > offset + torch.arange(i, i + len(qi))[:, None], NEG_INF)
            new = torch.logaddexp(lse, s.logsumexp(dim=1))
            o = torch.exp(lse - new)[:, None] * o + torch.exp(s - new[:, None]) @ v[j:j + block_k]
            lse = new
        tiles.append((o, lse))
    return torch.cat([o for o, _ in tiles]), torch.cat([lse for _, lse in tiles])


def _attend(n_q: int, n_k: int, d: int, dv: int, block_q: int, block_k: int, causal: bool = False, *, grow: float = 1.0,
            dtype: type = np.float64, seed: int = 0, **case: Any) -> Case:
    q, k, v = random_qkv(np.random.default_rng(seed), n_q, n_k, d, dv)
    label = case.pop("label", "") or (f"{n_q} queries, {n_k} keys, d = {d}, dv = {dv}, tiles of {block_q} × {block_k}"
                                      + (", causal" if causal else ""))
    return Case((q * grow).astype(dtype), k.astype(dtype), v.astype(dtype), block_q, block_k, causal, label=label, **case)


def _draw_attention(rng: np.random.Generator) -> Case:
    causal = bool(rng.integers(2))
    n_k = int(rng.integers(1, 21))
    n_q = int(rng.integers(1, (n_k if causal else 20) + 1))
    d, dv, block_q, block_k = (int(rng.integers(1, top)) for top in (7, 7, 24, 24))
    return _attend(n_q, n_k, d, dv, block_q, block_k, causal, grow=float(rng.choice([1.0, 8.0])),
                   seed=int(rng.integers(2**31)))


def _within_a_tile(case: Case, expected: dict, got: dict) -> str | None:
    most = case.kwargs["block_q"] * case.kwargs["block_k"]
    return None if got["largest_product"] <= most else (
        f"one product gave {got['largest_product']:,} numbers, a tile has {most:,}")


def _both_wider(one: dict, other: dict, case: Case) -> str | None:
    wider = [_within_a_tile(case, {}, told) is not None for told in (one, other)]
    return None if wider[0] == wider[1] else "differs"


def _no_more_tiles(case: Case, expected: dict, got: dict) -> str | None:
    return None if got["used"] <= expected["used"] else (
        f"{got['used']} of {got['tiles']} tiles were used, {expected['used']} hold a visible key")


def _peak_case(block_q: int, block_k: int, causal: bool = False) -> Case:
    return _attend(1500, 1500, 4, 4, block_q, block_k, causal, probe="ch46_flash_attention.peak_memory",
                   compare=prop(over_peak, same=both_over),
                   label=f"memory: N = 1,500, d = 4, tiles of {block_q} × {block_k}{', causal' if causal else ''}")


_Q = np.array([[1.0, 0], [0, 1], [1, 1]])
_K = np.array([[1.0, 0], [0, 1], [0, 0]])
_V = np.array([[1.0, 0], [0, 1], [1, 1]])

flash_forward = Exercise(
    id="46.flash_forward", points=6, difficulty=3, minutes=30, idea="exact attention, one tile at a time",
    reference=_flash_forward,
    cases=[
        Case(_Q, _K, _V, 2, 2, label="the 3 × 3 example, tiles of 2 × 2"),
        Case(_Q, _K, _V, 2, 2, True, label="the same, causal"),
        _attend(5, 7, 4, 3, 2, 3),
        _attend(1, 10, 4, 4, 2, 4, True, label="one new query behind 10 keys, tiles of 2 × 4, causal"),
    ],
    hidden=[
        _attend(8, 8, 4, 4, 8, 8), _attend(6, 9, 3, 5, 4, 2, True), _attend(7, 7, 5, 2, 1, 1, True),
        _attend(4, 4, 2, 2, 100, 100, True), _attend(9, 13, 4, 4, 5, 3, True),
        _attend(12, 12, 8, 8, 4, 4, grow=50, dtype=np.float32, compare=close(atol=5e-3),
                label="float32, scores of some hundred"),
        _attend(10, 12, 4, 3, 4, 5, grow=2000, label="scores of some thousand"),
        Case(np.full((4, 1), 100.0), np.array([[-100.0], [99], [100], [-99], [98]]), np.arange(10.0).reshape(5, 2), 2, 1,
             label="scores between −10,000 and 10,000"),
        Case(np.full((2, 1), -100.0), np.array([[100.0], [99.99], [99.98]]), np.arange(3.0)[:, None], 2, 2, True,
             label="all scores near −10,000, causal"),
    ],
    draw=_draw_attention, draws=40, pure=True, show=show_attention,
    limits=[
        _peak_case(8, 256), _peak_case(256, 8), _peak_case(64, 64, True),
        Case(n_q=40, n_k=50, d=5, dv=6, block_q=16, block_k=12, causal=False, probe="ch46_flash_attention.products",
             compare=prop(_within_a_tile, same=_both_wider),
             label="the largest product: 40 queries, 50 keys, tiles of 16 × 12"),
        Case(n=512, d=8, block_q=64, block_k=64, causal=True, probe="ch46_flash_attention.tiles_used",
             compare=prop(_no_more_tiles, same=exact()), label="tiles used: N = 512, tiles of 64 × 64, causal"),
    ],
    # Scores near 1e4 are rounded at 2e-12, which exp passes on to the weights; outputs are of order 1.
    compare=close(rtol=1e-9, atol=1e-9), forbid=ready_made, time_limit_s=20,
    misconceptions=[
        Misconception(
            "divides_each_tile", _forward(step=_step(divide="tile"), finish=lambda m, l, acc: (acc, m + np.log(l))),
            "You divide inside the loop, by a sum that is not complete yet. Normalise once, after the last tile. Or undo "
            "the previous normalisation at each step, as the version of 2022 does.",
            "Normalised too early.",
            also=(_forward(step=_step(divide="running"), finish=lambda m, l, acc: (acc, m + np.log(l))),
                  _forward(step=_step(divide="tile")), _forward(step=_step(divide="running")))),
        Misconception(
            "accumulator_not_rescaled", _forward(step=_step(rescale_acc=False)),
            "o and l are sums of the same weights exp(s − m). When m moves, both have to be brought to the new m; you "
            "rescale only l.",
            "The accumulator keeps its old scale."),
        Misconception(
            "l_not_rescaled", _forward(step=_step(rescale_l=False)),
            "o and l are sums of the same weights exp(s − m). When m moves, both have to be brought to the new m; you "
            "rescale only the accumulator.",
            "The normaliser keeps its old scale.",
            also=(_forward(step=_step(rescale_l=False, rescale_acc=False)),)),
        Misconception(
            "tile_maximum", _forward(step=_step(block_max=True)),
            "The weights of a tile are measured against that tile's own maximum, the sums against the running one. Use "
            "the running maximum, this tile included, for both.",
            "Two different maxima."),
        Misconception(
            "wrong_scale", _forward(scale=lambda d: d),
            "Scores are divided by the square root of d: a sum of d products of unit variance has standard deviation √d.",
            "The scale is not 1/√d.",
            also=(_forward(scale=lambda d: 1), _forward(scale=lambda d: 1 / np.sqrt(d)), _forward(scale=lambda d: d**0.25))),
        Misconception(
            "top_left", _forward(top_left=True),
            "You count the positions of the queries from 0. The last query stands at the last key: one new query behind "
            "10 keys must see all 10. Where does the first query stand?",
            "The mask is aligned at the top left."),
        Misconception(
            "no_mask", _forward(masked=False),
            "With `causal` a query sees no later key. Compare the positions of a tile's rows and columns, and give the "
            "hidden scores −inf before the maximum is taken.",
            "The causal mask is missing.",
            also=(_forward(masked=False, top_left=True),)),
        Misconception(
            "full_mask", _forward(full_mask="causal"),
            "The scores come tile by tile, but the mask is built for all N × N places: 2.25 MB for 1,500 tokens, and it "
            "grows with the square. Each tile can make its own from the positions of its rows and columns.",
            "The mask is N × N.",
            also=(_forward(full_mask="causal", skip=False), _forward(full_mask="always"),
                  _forward(full_mask="always", skip=False), _forward(full_mask="always", float_mask=True),
                  _forward(full_mask="causal", float_mask=True), _forward(full_mask="causal", float_mask=True, skip=False))),
        Misconception(
            "finite_mask", _forward(mask_value=-1e4),
            "Hidden scores get a large negative number instead of −inf. Real scores may be as low as that, and then hidden "
            "keys take part: look at scores near −10,000.",
            "The mask is not low enough.",
            also=(_forward(mask_value=-1e4, skip=False), _forward(mask_value=-1e3), _forward(mask_value=-1e3, skip=False))),
        Misconception(
            "whole_matrix", _whole,
            "The numbers are right, and they come from all scores at once. That is the matrix which FlashAttention never "
            "makes. Loop over tiles of block_q queries and block_k keys.",
            "The whole score matrix is there.", also=(_whole_unseen, _whole_torch)),
        Misconception(
            "panel", _rows_at_once,
            "One of the two loops is missing: a product runs over all keys (or all queries) at once, so it grows with N. "
            "On chip there is room for one tile of block_q × block_k. Loop over both.",
            "A panel instead of a tile.",
            also=(_columns_at_once, lambda q, k, v, *rest: _rows_at_once(*map(np.asarray, (q, k, v)), *rest))),
        Misconception(
            "no_skip", _forward(skip=False),
            "The result is right, but tiles in which no key is visible are computed and masked away. They are nearly half "
            "of all. Compare the tile's first key with its last query before you touch it.",
            "Masked tiles are computed."),
        Misconception(
            "lse_without_log", _forward(finish=lambda m, l, acc: (acc / l[:, None], m + l)),
            "o is right, lse is not. Σ exp(s) is exp(m) · l, and lse is the logarithm of that product. Which part of it "
            "did you take the logarithm of?",
            "lse is not the log of the sum.",
            also=(_forward(finish=lambda m, l, acc: (acc / l[:, None], m)),
                  _forward(finish=lambda m, l, acc: (acc / l[:, None], np.log(l))),
                  _forward(finish=lambda m, l, acc: (acc / l[:, None], l)))),
        Misconception(
            "no_maximum", _forward(step=_step(shift=False)),
            "Without a maximum to subtract, exp overflows at scores of 710 in float64 and of 89 in float32. Small scores "
            "hide it.",
            "exp overflows."),
        Misconception(
            "drops_last_tile", _forward(ragged=False),
            "N need not be a multiple of the block size. The last tile may be shorter, and yours is left out. Let the "
            "loops run to N and the slices end early.",
            "The last tile is missing."),
        Misconception(
            "output_alone", lambda *args: _forward()(*args)[0],
            "o alone is returned. The caller needs lse as well: for the merge of parts, and for the backward pass. Return "
            "the pair (o, lse).",
            "lse is missing."),
        Misconception(
            "changes_q", _forward(in_place=True),
            "A slice of an array is a view: scaling it in place changes the caller's q. Make a new array for the scaled "
            "tile.",
            "The caller's q was changed."),
    ],
    alternatives=[_keys_outside, _halves, _torch_tiles],
    hints=(
        "For a tile of queries keep three things: m and l as in exercise 1, one for each row, and an accumulator of shape "
        "(rows, dv) for the sum of exp(s − m)·v.",
        "When m moves to m_new, multiply both l and the accumulator by exp(m − m_new). Divide by l once, after the last tile.",
        "Query i stands at position Nk − Nq + i. Skip a key tile if its first key lies behind the tile's last query; "
        "otherwise set the hidden scores of the tile to −inf.",
    ),
    worth_knowing="Block sizes change the order of additions only: o and lse stay the same to the last few bits.",
)

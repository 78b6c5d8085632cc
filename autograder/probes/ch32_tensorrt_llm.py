"""Probes of chapter 32: every rank of a sharded layer, many verification steps, two functions that belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .ask import ProbeError
from .plain import to_plain


def ranks(answer: Callable, args: Sequence[np.ndarray], tp: int) -> dict[str, Any]:
    """Ask for the part of every rank, and whether it stays the same when all weights outside its shard are NaN.

    args: x (T, d), w_gate and w_up (d, d_ff), w_down (d_ff, d). Two shards are tried: contiguous columns, and every
    tp-th one. Returns the parts and a flag for each kind of shard.
    """
    x, gate, up, down = args
    parts = [to_plain(answer(x.copy(), gate.copy(), up.copy(), down.copy(), rank, tp)) for rank in range(tp)]
    places = np.arange(gate.shape[1])
    owners = {"contiguous": places // max(1, len(places) // tp), "strided": places % tp}
    return {"parts": parts, **{name: _reads_own(answer, args, owner, parts) for name, owner in owners.items()}}


def _reads_own(answer: Callable, args: Sequence[np.ndarray], owner: np.ndarray, parts: Sequence[Any]) -> bool:
    x, gate, up, down = args
    for rank, part in enumerate(parts):
        own = owner == rank
        hidden = [np.where(own, gate, np.nan), np.where(own, up, np.nan), np.where(own[:, None], down, np.nan)]
        try:
            with np.errstate(all="ignore"):
                again = np.asarray(answer(x.copy(), *hidden, rank, len(parts)), float)
            if not np.allclose(again, np.asarray(part, float), rtol=1e-9, atol=1e-9):  # NaN equals nothing
                return False
        except Exception:
            return False
    return True


def accept(answer: Callable, args: Sequence[Any], seed: int = 0) -> list[int]:
    """One verification step: args are draft tokens, p_draft, p_target and u; the generator is made from `seed`."""
    draft, *arrays = args
    return _tokens(answer(list(draft), *(np.array(a, float) for a in arrays), np.random.default_rng(seed)))


def accept_counts(answer: Callable, args: Sequence[Any], runs: int, seed: int = 0) -> dict[str, int]:
    """How often each output came in `runs` steps: "0 2" → count. Drafts are drawn from p_draft, u is uniform.

    args are p_draft and p_target. The answer gets a generator of its own, so that it is free in what it draws.
    """
    p, q = (np.array(a, float) for a in args)
    given, own = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    drafts = np.stack([given.choice(p.shape[1], size=runs, p=row) for row in p], axis=1)  # (runs, gamma)
    u = given.random(drafts.shape)
    seen: Counter[str] = Counter()
    for draft, uniforms in zip(drafts, u):
        out = _tokens(answer(draft.tolist(), p.copy(), q.copy(), uniforms.copy(), own))
        seen[" ".join(map(str, out))] += 1
    return dict(seen)


def _tokens(out: Any) -> list[int]:
    plain = to_plain(out)
    plain = plain.tolist() if isinstance(plain, np.ndarray) else plain
    if not isinstance(plain, (list, tuple)) or any(isinstance(t, bool) or not isinstance(t, int) for t in plain):
        raise ProbeError("expected a list of token ids (integers)")
    return list(plain)


def quantize(answer: Sequence[Callable], w: np.ndarray, group: int) -> Any:
    """What the first of the two functions makes of a matrix."""
    return _pair(answer)[0](w.copy(), group)


def dequantize(answer: Sequence[Callable], packed: np.ndarray, scales: np.ndarray, group: int) -> Any:
    """What the second of the two functions makes of packed codes and scales."""
    return _pair(answer)[1](packed.copy(), scales.copy(), group)


def _pair(answer: Any) -> Sequence[Callable]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2 or not all(map(callable, answer)):
        raise ProbeError("expected two functions, quantize_weight_int4 and dequantize_weight_int4")
    return answer

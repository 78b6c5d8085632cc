"""A decoder small enough to read and real enough to serve: learned positions, pre-norm, grouped queries.

`forward` computes everything anew, `prefill` and `decode` go through a KV cache of any kind
(`utils.attention.kv_cache.KVCache`); all three give the same logits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils.attention.kv_cache import KVCache
from utils.networks.digits import one_thread

# (layer, q (..., Hq, D), k (..., Hkv, D), v (..., Hkv, D)) -> (..., Hq, D)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The last S tokens attend to all T: q (..., S, Hq, D), k and v (..., T, Hkv, D) -> (..., S, Hq, D)."""
    group = q.shape[-2] // k.shape[-2]
    k, v = (a.repeat_interleave(group, dim=-2).transpose(-3, -2) for a in (k, v))  # (..., Hq, T, D)
    s, t = q.shape[-3], k.shape[-2]
    visible = torch.ones(s, t, dtype=torch.bool, device=q.device).tril(t - s)
    return F.scaled_dot_product_attention(q.transpose(-3, -2), k, v, attn_mask=visible).transpose(-3, -2)


class Block(nn.Module):
    """Attention and an MLP of four times the width, each behind a LayerNorm and added to the stream."""

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int) -> None:
        super().__init__()
        self.head_dim = d_model // n_heads
        self.heads = (n_heads, n_kv_heads, n_kv_heads)
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, sum(self.heads) * self.head_dim)
        self.proj = nn.Linear(d_model, d_model)
        self.mlp = nn.Sequential(nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model))

    def forward(self, x: Tensor, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
        heads = self.qkv(self.norm1(x)).unflatten(-1, (-1, self.head_dim))  # (..., Hq + 2 Hkv, D)
        q, k, v = heads.split(self.heads, dim=-2)
        x = x + self.proj(attend(q, k, v).flatten(-2))
        return x + self.mlp(self.norm2(x))


class TinyGPT(nn.Module):
    """A GPT with initial weights drawn from `seed`; the global generator is left alone.

    Raises ValueError when n_heads does not divide d_model or n_kv_heads does not divide n_heads.
    """

    def __init__(self, vocab: int, d_model: int = 64, n_heads: int = 4, n_kv_heads: int = 4, n_layers: int = 2,
                 max_len: int = 512, *, seed: int = 0) -> None:
        super().__init__()
        if d_model % n_heads or n_heads % n_kv_heads:
            raise ValueError(f"d_model must be a multiple of n_heads and n_heads of n_kv_heads, got {d_model}, "
                             f"{n_heads}, {n_kv_heads}")
        self.vocab, self.n_layers, self.n_kv_heads, self.max_len = vocab, n_layers, n_kv_heads, max_len
        self.head_dim = d_model // n_heads
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.tokens, self.positions = nn.Embedding(vocab, d_model), nn.Embedding(max_len, d_model)
            self.blocks = nn.ModuleList(Block(d_model, n_heads, n_kv_heads) for _ in range(n_layers))
            self.norm, self.head = nn.LayerNorm(d_model), nn.Linear(d_model, vocab)

    def _run(self, ids: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        x = self.tokens(ids) + self.positions(positions)
        for layer, block in enumerate(self.blocks):
            x = block(x, partial(attend, layer))
        return self.head(self.norm(x))

    def _ids(self, ids: Sequence[int] | Tensor, stop: int) -> Tensor:
        """ids as a tensor on the model's device, once `stop` positions are known to exist."""
        if stop > self.max_len:
            raise ValueError(f"ids must end within max_len = {self.max_len}, got {stop} positions")
        return torch.as_tensor(ids, device=self.head.weight.device)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (..., T, vocab) of ids (..., T), without a cache."""
        ids = self._ids(ids, ids.shape[-1])
        positions = torch.arange(ids.shape[-1], device=ids.device)
        return self._run(ids, positions, lambda layer, q, k, v: causal_attention(q, k, v))

    @torch.no_grad()
    def prefill(self, cache: KVCache, seq: Hashable, ids: Sequence[int] | Tensor) -> Tensor:
        """Logits (S, vocab) of S new tokens of one sequence, whose keys and values go into the cache.

        The sequence may hold tokens already: the new ones continue it. Raises MemoryError when the cache is full.
        """
        start = cache.length(seq)
        ids = self._ids(ids, start + len(ids))
        cache.reserve(seq, len(ids))

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            cache.write(layer, seq, start, k, v)
            return causal_attention(q, *cache.read(layer, seq))

        return self._run(ids, torch.arange(start, start + len(ids), device=ids.device), attend)

    @torch.no_grad()
    def decode(self, cache: KVCache, seqs: Sequence[Hashable], tokens: Sequence[int] | Tensor) -> Tensor:
        """Logits (B, vocab) after one more token for each of B different sequences, in one batch."""
        if len(set(seqs)) != len(seqs) or len(seqs) != len(tokens):
            raise ValueError(f"seqs must be distinct and as many as tokens, got {list(seqs)} and {len(tokens)} tokens")
        starts = [cache.length(seq) for seq in seqs]
        ids = self._ids(tokens, max(starts) + 1)
        for seq in seqs:
            cache.reserve(seq, 1)

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            for i, (seq, start) in enumerate(zip(seqs, starts)):
                cache.write(layer, seq, start, k[i:i + 1], v[i:i + 1])
            return cache.attend(layer, q, seqs)

        return self._run(ids, torch.tensor(starts, device=ids.device), attend)


@torch.no_grad()
def greedy_full(model: TinyGPT, prompt: Sequence[int], steps: int) -> list[int]:
    """`steps` most likely tokens after `prompt`, everything recomputed at every step: slow and obviously right."""
    ids = list(prompt)
    for _ in range(steps):
        ids.append(int(model(torch.tensor(ids))[-1].argmax()))
    return ids[len(prompt):]


def greedy_cached(model: TinyGPT, cache: KVCache, seq: Hashable, prompt: Sequence[int], steps: int) -> list[int]:
    """`steps` most likely tokens after `prompt` through a cache; the sequence is added and stays there."""
    cache.add(seq)
    found = [int(model.prefill(cache, seq, prompt)[-1].argmax())]
    while len(found) < steps:
        found.append(int(model.decode(cache, [seq], found[-1:])[0].argmax()))
    return found


def descriptions() -> str:
    """Text without a download: what scikit-learn says about five of its bundled data sets, some 14,000 characters."""
    from sklearn import datasets

    loaders = (datasets.load_iris, datasets.load_wine, datasets.load_digits, datasets.load_breast_cancer,
               datasets.load_diabetes)
    return "\n\n".join(load().DESCR for load in loaders)


def train_on_text(text: str, steps: int = 60, *, context: int = 64, batch: int = 32, lr: float = 3e-3,
                  seed: int = 0) -> tuple[TinyGPT, str, list[float]]:
    """A TinyGPT over the characters of `text`, its sorted alphabet (character = symbol of its id), the losses.

    Some seconds on one thread for the default 60 steps; enough to write letters in English frequencies.
    """
    alphabet = "".join(sorted(set(text)))
    ids = torch.tensor([alphabet.index(c) for c in text])
    model = TinyGPT(len(alphabet), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    losses = []
    with one_thread():
        for _ in range(steps):
            starts = torch.randint(len(ids) - context, (batch,), generator=generator)
            windows = ids[starts[:, None] + torch.arange(context + 1)]         # (batch, context + 1)
            loss = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return model.eval(), alphabet, losses

"""A serving loop around TinyGPT: the same requests through a contiguous and a paged cache."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

from utils.attention.kv_cache import ContiguousKVCache, KVCache
from utils.attention.paged import PagedKVCache
from utils.attention.paging_sim import lognormal_lengths
from utils.networks.tiny_gpt import TinyGPT


@dataclass
class Request:
    """A prompt, how many tokens to write, and those written so far."""

    name: int
    prompt: list[int]
    output_len: int
    written: list[int] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return len(self.written) == self.output_len

    @property
    def final_len(self) -> int:
        """Tokens in the cache at the end; the last one written is never stored."""
        return len(self.prompt) + self.output_len - 1


@dataclass(frozen=True)
class ServeResult:
    """One run: decode steps, their mean batch, empty share of held slots over all steps, restarts, time, texts."""

    steps: int
    mean_batch: float
    waste: float
    preemptions: int
    recomputed_tokens: int
    wall_s: float
    written: dict[int, list[int]]

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


def chat_requests(n: int = 64, *, prompt_mean: float = 24, output_mean: float = 34, max_len: int = 384,
                  vocab: int = 85, seed: int = 0) -> list[Request]:
    """n requests of random tokens with lognormal lengths, none longer than max_len in all."""
    rng = np.random.default_rng(seed)
    prompts = lognormal_lengths(prompt_mean, n, max_len // 2, rng)
    outputs = lognormal_lengths(output_mean, n, max_len // 2, rng)
    return [Request(i, rng.integers(vocab, size=p).tolist(), int(o)) for i, (p, o) in enumerate(zip(prompts, outputs))]


class Server:
    """Iteration-level scheduling: before every decode step, finished requests leave and waiting ones enter.

    Admission "final" counts each request at its final length, so that nobody is ever preempted; "prompt"
    counts what is there now and one step more, and preempts the newest request when that was too hopeful.
    """

    def __init__(self, model: TinyGPT, cache: KVCache, requests: Sequence[Request],
                 admission: Literal["final", "prompt"] = "final") -> None:
        if admission not in ("final", "prompt"):
            raise ValueError(f"admission must be 'final' or 'prompt', got {admission!r}")
        if not all(cache.can_hold([r.final_len]) for r in requests):
            raise MemoryError("out of KV slots: a request is longer than the whole cache")
        self.model, self.cache, self.admission = model, cache, admission
        self.waiting = deque(Request(r.name, r.prompt, r.output_len) for r in requests)
        self.running: list[Request] = []
        self.written: dict[int, list[int]] = {}
        self.preemptions = self.recomputed_tokens = 0

    def _fit(self, candidate: Request | None = None) -> bool:
        """Whether the running requests, and a candidate, have room until the end or through the next decode."""
        requests = [*self.running, candidate] if candidate else self.running
        if self.admission == "final":
            return self.cache.can_hold([r.final_len for r in requests])
        after = [len(r.prompt) + len(r.written) + (r is candidate) for r in requests]  # prefill writes one as well
        return self.cache.can_hold([min(n, r.final_len) for n, r in zip(after, requests)])

    def _preempt(self) -> None:
        while not self._fit():
            r = self.running.pop()
            self.preemptions += 1
            self.recomputed_tokens += self.cache.length(r.name)
            self.cache.free(r.name)
            self.waiting.appendleft(r)

    def _admit(self) -> None:
        """Enter requests while they fit; prefill gives each its next token."""
        while self.waiting and self._fit(self.waiting[0]):
            r = self.waiting.popleft()
            self.cache.add(r.name)
            logits = self.model.prefill(self.cache, r.name, r.prompt + r.written)
            r.written.append(int(logits[-1].argmax()))
            self.running.append(r)
            self._leave()

    def _leave(self) -> None:
        for r in [r for r in self.running if r.done]:
            self.running.remove(r)
            self.cache.free(r.name)
            self.written[r.name] = r.written

    def step(self) -> tuple[int, dict[str, float]] | None:
        """One decode step: its batch and the cache's stats during it; None when nothing is left to decode."""
        self._preempt()
        self._admit()
        if not self.running:
            return None
        last = [r.written[-1] for r in self.running]
        logits = self.model.decode(self.cache, [r.name for r in self.running], last)
        for r, token in zip(self.running, logits.argmax(-1).tolist()):
            r.written.append(token)
        observed = len(self.running), self.cache.stats()
        self._leave()
        return observed


def serve(model: TinyGPT, cache: KVCache, requests: Sequence[Request],
          admission: Literal["final", "prompt"] = "final") -> ServeResult:
    """Serve all requests greedily, first come first served; see `Server`. The requests are left unchanged.

    Raises MemoryError for a request that the empty cache cannot hold.
    """
    start = time.perf_counter()
    server = Server(model, cache, requests, admission)
    batches, live, held = [], 0, 0
    while observed := server.step():
        batch, stats = observed
        batches.append(batch)
        live, held = live + stats["live_tokens"], held + stats["held_slots"]
    return ServeResult(len(batches), sum(batches) / max(1, len(batches)), 1 - live / held if held else 0.0,
                       server.preemptions, server.recomputed_tokens, time.perf_counter() - start, server.written)


def compare_caches(requests: Sequence[Request], slots: int = 2048, max_len: int = 384,
                   block_sizes: Sequence[int] = (1, 16, 64), *, model: TinyGPT | None = None,
                   ) -> dict[str, ServeResult]:
    """The experiment: `slots` token slots as slabs of max_len, as blocks, and as blocks with hopeful admission.

    Keys "contiguous", "paged B" for every block size, and "paged B, prompt only" for the middle one. The
    caches take the model's number format and device.
    """
    model = model or TinyGPT(85)
    weight = model.head.weight
    layout = (model.n_kv_heads, model.head_dim, weight.dtype, weight.device)

    def paged(block_size: int, admission: Literal["final", "prompt"]) -> ServeResult:
        cache = PagedKVCache(model.n_layers, slots // block_size, block_size, *layout)
        return serve(model, cache, requests, admission)

    slabs = ContiguousKVCache(model.n_layers, slots // max_len, max_len, *layout)
    runs = {"contiguous": serve(model, slabs, requests)}
    for block_size in block_sizes:
        runs[f"paged {block_size}"] = paged(block_size, "final")
    middle = block_sizes[len(block_sizes) // 2]
    runs[f"paged {middle}, prompt only"] = paged(middle, "prompt")
    return runs
